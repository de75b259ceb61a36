//! Writing a snapshot as files: JSON lines per kind, media, what the platform's own import takes, and which items
//! came back under which ids.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Component, Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use connectors::import_file::ImportFile;
use domain::{Action, Grant, Kind, Platform, RecordKey, SnapshotNumber};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use repository::{Head, MediaStore, Reader, Repository, RepositoryError};
use serde::{Deserialize, Serialize};

use crate::error::{FlowError, Result};
use crate::set_up_again::sealed_ledger;

/// What was written, or only read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exported {
    /// Which snapshot.
    pub snapshot: SnapshotNumber,
    /// Whether that snapshot holds everything that the platform had: what is not in it is not here either.
    pub complete: bool,
    /// Records per kind.
    pub records: BTreeMap<Kind, u64>,
    /// Media files.
    pub media: u64,
    /// Bytes of records and media.
    pub bytes: u64,
    /// Rows of each file that the platform's own import takes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub import_files: BTreeMap<String, u64>,
    /// Lines of the map from ids to those under which items were restored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id_map: Option<u64>,
}

/// What is exported.
pub struct Source<'a> {
    /// The connection's history.
    pub repository: &'a Repository,
    /// Reads records, media and the ledger.
    pub grant: &'a Grant,
    /// What the grant is used for.
    pub action: Action,
    /// The store's make, which knows its import files.
    pub platform: &'a Platform,
    /// Opened at the snapshot's history.
    pub reader: &'a Reader,
    /// The snapshot.
    pub head: &'a Head,
}

/// Told what is read just now, and how much of it.
pub type Told<'a> = &'a (dyn Fn(&str, u64) + Send + Sync);

/// Where the files of an export go. Those that nobody has begun are not there.
pub trait Files: Send + Sync {
    /// Puts bytes behind those that the file of that name has; the first begin it. Names are relative, with `/` between folders.
    fn append<'a>(&'a self, name: &'a str, bytes: Bytes) -> BoxFuture<'a, Result<()>>;
}

/// Files in a folder.
pub struct Folder {
    path: PathBuf,
    /// The one that was written last: few are written by turns.
    open: Mutex<BTreeMap<String, File>>,
}

/// So many files are held open by turns.
const OPEN_MAX: usize = 16;

fn file_error(operation: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> FlowError {
    let path = path.display().to_string();
    move |source| FlowError::File { operation, path, source }
}

/// A folder for what a shop's people trust it with: nobody but its owner may enter.
fn make_folder(path: &Path) -> Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(file_error("make", path))
}

/// Whether a name stays in its folder, whoever says it.
fn stays(name: &str) -> bool {
    let mut parts = Path::new(name).components().peekable();
    parts.peek().is_some() && parts.all(|part| matches!(part, Component::Normal(_)))
}

impl Folder {
    /// Makes the folder, or finds it empty.
    ///
    /// # Errors
    /// When it holds anything: nothing is overwritten.
    pub fn empty(path: &Path) -> Result<Self> {
        make_folder(path)?;
        let mut entries = std::fs::read_dir(path).map_err(file_error("read", path))?;
        match entries.next() {
            None => Ok(Self { path: path.to_path_buf(), open: Mutex::default() }),
            Some(_) => {
                Err(FlowError::Conflict(format!("`{}` is not empty; choose another folder", path.display())))
            }
        }
    }

    /// Puts bytes behind those that the file of that name has.
    ///
    /// # Errors
    /// When the name leads out of the folder, whoever says it; when the file cannot be written.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.path.join(name);
        if !stays(name) {
            let refused = std::io::Error::new(std::io::ErrorKind::InvalidFilename, "it is not in the folder");
            return Err(file_error("write", &path)(refused));
        }
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if !open.contains_key(name) {
            if open.len() >= OPEN_MAX {
                open.clear();
            }
            path.parent().map_or(Ok(()), make_folder)?;
            // None that was there before is ever written to: the folder was empty.
            let file = OpenOptions::new().append(true).create(true).mode(0o600).open(&path);
            open.insert(name.to_owned(), file.map_err(file_error("write", &path))?);
        }
        open.get_mut(name).map_or(Ok(()), |file| file.write_all(bytes)).map_err(file_error("write", &path))
    }

    /// Has all of them on the disk.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn settle(self) -> Result<()> {
        // All files at once: one by one it would take as long as writing them.
        let synced = File::open(&self.path).and_then(|folder| Ok(rustix::fs::syncfs(folder)?));
        synced.map_err(file_error("sync", &self.path))
    }
}

impl Files for Folder {
    fn append<'a>(&'a self, name: &'a str, bytes: Bytes) -> BoxFuture<'a, Result<()>> {
        std::future::ready(self.write(name, &bytes)).boxed()
    }
}

/// Writes one snapshot into files, or only reads it (a proof that it could be).
///
/// # Errors
/// When a record or a medium is damaged or missing, or a file cannot be written.
pub async fn export(source: &Source<'_>, files: Option<&dyn Files>, told: Told<'_>) -> Result<Exported> {
    let Source { reader, head, .. } = source;
    let media = source.repository.media(source.grant, source.action).await?;
    let mut exported = Exported {
        snapshot: head.name.number,
        complete: head.commit.complete,
        records: BTreeMap::new(),
        media: 0,
        bytes: 0,
        import_files: BTreeMap::new(),
        id_map: None,
    };
    let mut names = std::collections::BTreeSet::new();
    for kind in head.commit.kinds.keys() {
        let mut lines = Text::new(files, format!("{kind}.jsonl"));
        let mut tables = Tables::new(files, source.platform, kind);
        let mut count = 0;
        let mut scan = reader.scan(kind, head.name.number, None).await?;
        while let Some(record) = scan.next().await? {
            lines.add(&record.payload).await?;
            lines.add(b"\n").await?;
            tables.add(source, &record.payload).await?;
            count += 1;
            told(kind.as_str(), count);
            exported.bytes += u64::try_from(record.payload.len()).unwrap_or_default();
            names.extend(record.meta.media_refs.into_iter().map(|media| media.name));
        }
        lines.end().await?;
        exported.import_files.extend(tables.end().await?);
        exported.records.insert(kind.clone(), count);
    }
    for name in names {
        exported.bytes += one_medium(&media, &name, files).await?;
        exported.media += 1;
        told("media", exported.media);
    }
    exported.id_map = id_map(source, files).await?;
    Ok(exported)
}

/// So many bytes of a file are handed over in one go.
const PART_LEN: usize = 256 * 1024;

/// A file that is written bit by bit, and handed over in larger parts.
struct Text<'a> {
    files: Option<&'a dyn Files>,
    name: String,
    part: Vec<u8>,
}

impl<'a> Text<'a> {
    fn new(files: Option<&'a dyn Files>, name: String) -> Self {
        Self { files, name, part: Vec::new() }
    }

    async fn add(&mut self, bytes: &[u8]) -> Result<()> {
        if self.files.is_some() {
            self.part.extend_from_slice(bytes);
        }
        if self.part.len() < PART_LEN { Ok(()) } else { self.hand_over().await }
    }

    async fn hand_over(&mut self) -> Result<()> {
        let Some(files) = self.files else { return Ok(()) };
        let part = std::mem::replace(&mut self.part, Vec::with_capacity(PART_LEN));
        for bytes in Parts(part.into()) {
            files.append(&self.name, bytes).await?;
        }
        Ok(())
    }

    async fn end(mut self) -> Result<()> {
        if self.part.is_empty() { Ok(()) } else { self.hand_over().await }
    }
}

/// Bytes in parts, none longer than [`PART_LEN`].
struct Parts(Bytes);

impl Iterator for Parts {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        let len = self.0.len().min(PART_LEN);
        (len > 0).then(|| self.0.split_to(len))
    }
}

/// A table for spreadsheets, made with its first row, as these want it.
struct Table<'a> {
    text: Text<'a>,
    rows: u64,
}

impl<'a> Table<'a> {
    fn new(files: Option<&'a dyn Files>, name: &str) -> Self {
        Self { text: Text::new(files, name.to_owned()), rows: 0 }
    }

    async fn add<F: AsRef<[u8]>>(&mut self, row: impl IntoIterator<Item = F>) -> Result<()> {
        let failed = |why: String| FlowError::File {
            operation: "write",
            path: self.text.name.clone(),
            source: std::io::Error::other(why),
        };
        let mut line = csv::Writer::from_writer(Vec::new());
        line.write_record(row).map_err(|error| failed(error.to_string()))?;
        let line = line.into_inner().map_err(|error| failed(error.to_string()))?;
        self.rows += 1;
        self.text.add(&line).await
    }
}

/// The import files that are made of one kind.
struct Tables<'a> {
    files: Option<&'a dyn Files>,
    tables: Vec<(&'static ImportFile, Option<Table<'a>>)>,
}

impl<'a> Tables<'a> {
    fn new(files: Option<&'a dyn Files>, platform: &Platform, kind: &Kind) -> Self {
        let known = connectors::registry::platform(platform.as_str());
        let known =
            known.filter(|_| files.is_some()).map_or(&[][..], |platform| platform.import_files).iter();
        let of_kind = known.filter(|file| file.kind == kind.as_str());
        Self { files, tables: of_kind.map(|file| (file, None)).collect() }
    }

    async fn add(&mut self, source: &Source<'_>, payload: &[u8]) -> Result<()> {
        if self.tables.is_empty() {
            return Ok(());
        }
        let item = crate::diff::parse(payload);
        for (import, table) in &mut self.tables {
            let others = related(source, (import.needs)(&item)).await?;
            let table = match table {
                Some(table) => table,
                None => {
                    let table = table.insert(Table::new(self.files, import.name));
                    table.add((import.columns)()).await?;
                    table
                }
            };
            for row in (import.rows)(&item, &others) {
                table.add(row).await?;
            }
        }
        Ok(())
    }

    /// The rows of each, without that of its columns.
    async fn end(self) -> Result<BTreeMap<String, u64>> {
        let mut written = BTreeMap::new();
        for (import, table) in self.tables {
            let Some(table) = table else { continue };
            written.insert(import.name.to_owned(), table.rows.saturating_sub(1));
            table.text.end().await?;
        }
        Ok(written)
    }
}

/// Items of the same snapshot, by id. One that is not there, or was erased, is left out.
async fn related(
    source: &Source<'_>,
    needed: Vec<(&'static str, String)>,
) -> Result<BTreeMap<String, serde_json::Value>> {
    let mut found = BTreeMap::new();
    for (kind, id) in needed {
        let kind = Kind::new(kind).map_err(RepositoryError::from)?;
        let key = RecordKey::new(kind, &id).map_err(RepositoryError::from)?;
        match source.reader.get(&key, source.head.name.number).await {
            Ok(record) => drop(found.insert(id, crate::diff::parse(&record.payload))),
            Err(RepositoryError::NotFound(_) | RepositoryError::Erased(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(found)
}

/// The id map, where anything was restored yet: under which ids items came back, and where.
async fn id_map(source: &Source<'_>, files: Option<&dyn Files>) -> Result<Option<u64>> {
    let entries = sealed_ledger(source.repository, source.grant, source.action).await?;
    if entries.is_empty() || files.is_none() {
        return Ok(None);
    }
    let mut table = Table::new(files, "id-map.csv");
    table.add(["kind", "id", "restored_in", "restored_as", "restore", "restored_at"]).await?;
    for entry in &entries {
        let row = [
            entry.old.kind.to_string(),
            entry.old.id.to_string(),
            entry.target.to_string(),
            entry.new_id.to_string(),
            entry.restore.to_string(),
            entry.recorded_at.to_string(),
        ];
        table.add(row).await?;
    }
    table.text.end().await?;
    Ok(Some(u64::try_from(entries.len()).unwrap_or(u64::MAX)))
}

async fn one_medium(media: &MediaStore, name: &str, files: Option<&dyn Files>) -> Result<u64> {
    let mut reader = media.open(name).await?;
    let (mut bytes, named) = (0, format!("media/{name}"));
    while let Some(chunk) = reader.next().await? {
        bytes += u64::try_from(chunk.len()).unwrap_or_default();
        if let Some(files) = files {
            // One without content is a file all the same.
            let empty = chunk.is_empty().then(Bytes::new);
            for part in empty.into_iter().chain(Parts(chunk)) {
                files.append(&named, part).await?;
            }
        }
    }
    Ok(bytes)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn files_stay_in_their_folder_whoever_names_them() {
        let around = tempfile::tempdir().unwrap();
        let out = around.path().join("out");
        let files = Folder::empty(&out).unwrap();
        for name in ["../out-of-it", "/out-of-it", "media/../../out-of-it", "", ".", "media/.."] {
            assert!(files.write(name, b"x").is_err(), "`{name}`");
        }
        for (name, text) in [("a.jsonl", "1"), ("media/b", "2"), ("a.jsonl", "3")] {
            files.write(name, text.as_bytes()).unwrap();
        }
        files.settle().unwrap();
        let names = std::fs::read_dir(around.path()).unwrap().count();
        assert_eq!(names, 1, "nothing is beside the folder");
        assert_eq!(std::fs::read_to_string(out.join("a.jsonl")).unwrap(), "13");
        assert_eq!(std::fs::read_to_string(out.join("media/b")).unwrap(), "2");
        assert!(Folder::empty(&out).is_err(), "it holds something");
    }

    #[test]
    fn more_files_than_are_held_open_are_written_by_turns() {
        let around = tempfile::tempdir().unwrap();
        let files = Folder::empty(around.path()).unwrap();
        for _ in 0..2 {
            for file in 0..2 * OPEN_MAX {
                files.write(&file.to_string(), b"x").unwrap();
            }
        }
        for file in 0..2 * OPEN_MAX {
            assert_eq!(std::fs::read(around.path().join(file.to_string())).unwrap(), b"xx");
        }
    }
}
