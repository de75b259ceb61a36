//! Writing a snapshot as files: JSON lines per kind, media, what the platform's own import takes, and which items
//! came back under which ids.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use connectors::import_file::ImportFile;
use domain::{Action, Grant, Kind, Platform, RecordKey, SnapshotNumber};
use repository::{Head, MediaStore, Reader, Repository, RepositoryError};
use serde::Serialize;

use crate::error::{FlowError, Result};
use crate::set_up_again::sealed_ledger;

/// What was written, or only read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
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
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub import_files: BTreeMap<&'static str, u64>,
    /// Lines of the map from ids to those under which items were restored.
    #[serde(skip_serializing_if = "Option::is_none")]
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

/// Where an export goes: into files, or nowhere (a proof that it could).
pub enum Sink<'a> {
    /// Into this folder.
    Folder(&'a Path),
    /// Nowhere.
    Nowhere,
}

fn file_error(operation: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> FlowError {
    let path = path.display().to_string();
    move |source| FlowError::File { operation, path, source }
}

/// A folder for what a shop's people trust it with: nobody but its owner may enter.
fn make_folder(path: &Path) -> Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(file_error("make", path))
}

/// A file for the same.
fn make_file(path: &Path) -> Result<File> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    file.map_err(file_error("write", path))
}

/// Makes the folder, or finds it empty.
///
/// # Errors
/// When it holds anything: nothing is overwritten.
pub fn empty_folder(path: &Path) -> Result<()> {
    make_folder(path)?;
    let mut entries = std::fs::read_dir(path).map_err(file_error("read", path))?;
    match entries.next() {
        None => Ok(()),
        Some(_) => {
            Err(FlowError::Conflict(format!("`{}` is not empty; choose another folder", path.display())))
        }
    }
}

/// Writes one snapshot, durably.
///
/// # Errors
/// When a record or a medium is damaged or missing, or a file cannot be written.
pub async fn export(source: &Source<'_>, sink: Sink<'_>, told: Told<'_>) -> Result<Exported> {
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
        let mut out = Lines::new(&sink, kind);
        let mut tables = Tables::new(&sink, source.platform, kind);
        let mut count = 0;
        let mut scan = reader.scan(kind, head.name.number, None).await?;
        while let Some(record) = scan.next().await? {
            out.write(&record.payload)?;
            tables.write(source, &record.payload).await?;
            count += 1;
            told(kind.as_str(), count);
            exported.bytes += u64::try_from(record.payload.len()).unwrap_or_default();
            names.extend(record.meta.media_refs.into_iter().map(|media| media.name));
        }
        out.end()?;
        exported.import_files.extend(tables.end()?);
        exported.records.insert(kind.clone(), count);
    }
    for name in names {
        exported.bytes += one_medium(&media, &name, &sink).await?;
        exported.media += 1;
        told("media", exported.media);
    }
    exported.id_map = id_map(source, &sink).await?;
    if let Sink::Folder(folder) = sink {
        // All files at once: one by one it would take as long as writing them.
        let synced = File::open(folder).and_then(|folder| Ok(rustix::fs::syncfs(folder)?));
        synced.map_err(file_error("sync", folder))?;
    }
    Ok(exported)
}

/// The file of one kind's records, made with its first line.
struct Lines<'a> {
    folder: Option<&'a Path>,
    kind: &'a Kind,
    file: Option<(PathBuf, BufWriter<File>)>,
}

impl<'a> Lines<'a> {
    fn new(sink: &Sink<'a>, kind: &'a Kind) -> Self {
        let folder = match sink {
            Sink::Folder(folder) => Some(*folder),
            Sink::Nowhere => None,
        };
        Self { folder, kind, file: None }
    }

    fn write(&mut self, payload: &[u8]) -> Result<()> {
        let Some(folder) = self.folder else { return Ok(()) };
        let (path, file) = match &mut self.file {
            Some(file) => file,
            None => {
                let path = folder.join(format!("{}.jsonl", self.kind));
                let file = make_file(&path)?;
                self.file.insert((path, BufWriter::new(file)))
            }
        };
        let written = file.write_all(payload).and_then(|()| file.write_all(b"\n"));
        written.map_err(file_error("write", path))
    }

    fn end(self) -> Result<()> {
        match self.file {
            Some((path, mut file)) => file.flush().map_err(file_error("write", &path)),
            None => Ok(()),
        }
    }
}

/// The import files that are made of one kind. They are made with their first row, as spreadsheets want them.
struct Tables<'a> {
    folder: Option<&'a Path>,
    files: Vec<(&'static ImportFile, Option<csv::Writer<File>>, u64)>,
}

impl<'a> Tables<'a> {
    fn new(sink: &Sink<'a>, platform: &Platform, kind: &Kind) -> Self {
        let Sink::Folder(folder) = sink else { return Self { folder: None, files: Vec::new() } };
        let known = connectors::registry::platform(platform.as_str());
        let files = known.map_or(&[][..], |platform| platform.import_files).iter();
        let files = files.filter(|file| file.kind == kind.as_str()).map(|file| (file, None, 0)).collect();
        Self { folder: Some(folder), files }
    }

    async fn write(&mut self, source: &Source<'_>, payload: &[u8]) -> Result<()> {
        let Some(folder) = self.folder else { return Ok(()) };
        if self.files.is_empty() {
            return Ok(());
        }
        let item = crate::diff::parse(payload);
        for (import, file, rows) in &mut self.files {
            let path = folder.join(import.name);
            let failed = |error: csv::Error| file_error("write", &path)(error.into());
            let others = related(source, (import.needs)(&item)).await?;
            let file = match file {
                Some(file) => file,
                None => {
                    let new = make_file(&path)?;
                    let file = file.insert(csv::Writer::from_writer(new));
                    file.write_record((import.columns)()).map_err(failed)?;
                    file
                }
            };
            for row in (import.rows)(&item, &others) {
                file.write_record(row).map_err(failed)?;
                *rows += 1;
            }
        }
        Ok(())
    }

    fn end(self) -> Result<BTreeMap<&'static str, u64>> {
        let mut written = BTreeMap::new();
        for (import, file, rows) in self.files {
            if let (Some(mut file), Some(folder)) = (file, self.folder) {
                file.flush().map_err(file_error("write", &folder.join(import.name)))?;
                written.insert(import.name, rows);
            }
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
async fn id_map(source: &Source<'_>, sink: &Sink<'_>) -> Result<Option<u64>> {
    let entries = sealed_ledger(source.repository, source.grant, source.action).await?;
    let Sink::Folder(folder) = sink else { return Ok(None) };
    if entries.is_empty() {
        return Ok(None);
    }
    let path = folder.join("id-map.csv");
    let failed = |error: csv::Error| file_error("write", &path)(error.into());
    let mut file = csv::Writer::from_writer(make_file(&path)?);
    file.write_record(["kind", "id", "restored_in", "restored_as", "restore", "restored_at"])
        .map_err(failed)?;
    for entry in &entries {
        let row = [
            entry.old.kind.to_string(),
            entry.old.id.to_string(),
            entry.target.to_string(),
            entry.new_id.to_string(),
            entry.restore.to_string(),
            entry.recorded_at.to_string(),
        ];
        file.write_record(row).map_err(failed)?;
    }
    file.flush().map_err(file_error("write", &path))?;
    Ok(Some(u64::try_from(entries.len()).unwrap_or(u64::MAX)))
}

async fn one_medium(media: &MediaStore, name: &str, sink: &Sink<'_>) -> Result<u64> {
    let mut bytes = 0;
    let mut file = match sink {
        Sink::Nowhere => None,
        Sink::Folder(folder) => {
            let folder = folder.join("media");
            make_folder(&folder)?;
            let path = folder.join(name);
            Some((make_file(&path)?, path))
        }
    };
    let mut failed = None;
    media
        .read(name, |chunk| {
            bytes += u64::try_from(chunk.len()).unwrap_or_default();
            if let Some((file, path)) = &mut file
                && failed.is_none()
                && let Err(error) = file.write_all(&chunk)
            {
                failed = Some(file_error("write", path)(error));
            }
            Ok(())
        })
        .await?;
    match failed {
        Some(error) => Err(error),
        None => Ok(bytes),
    }
}
