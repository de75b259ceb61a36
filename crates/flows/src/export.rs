//! Writing a snapshot as files: JSON lines per kind, and media.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use domain::Kind;
use repository::{Head, MediaStore, Reader};
use serde::Serialize;

use crate::error::{FlowError, Result};

/// What was written, or only read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Exported {
    /// Records per kind.
    pub records: BTreeMap<Kind, u64>,
    /// Media files.
    pub media: u64,
    /// Bytes of records and media.
    pub bytes: u64,
}

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

/// Makes the folder, or finds it empty.
///
/// # Errors
/// When it holds anything: nothing is overwritten.
pub fn empty_folder(path: &Path) -> Result<()> {
    std::fs::create_dir_all(path).map_err(file_error("make", path))?;
    let mut entries = std::fs::read_dir(path).map_err(file_error("read", path))?;
    match entries.next() {
        None => Ok(()),
        Some(_) => {
            Err(FlowError::Conflict(format!("`{}` is not empty; choose another folder", path.display())))
        }
    }
}

/// Writes one snapshot.
///
/// # Errors
/// When a record or a medium is damaged or missing, or a file cannot be written.
pub async fn export(reader: &Reader, media: &MediaStore, head: &Head, sink: Sink<'_>) -> Result<Exported> {
    let mut exported = Exported::default();
    let mut names = std::collections::BTreeSet::new();
    for kind in head.commit.kinds.keys() {
        let mut out: Option<(PathBuf, BufWriter<File>)> = None;
        let mut count = 0;
        let mut scan = reader.scan(kind, head.name.number, None).await?;
        while let Some(record) = scan.next().await? {
            if let Sink::Folder(folder) = sink {
                let (path, file) = match &mut out {
                    Some(out) => out,
                    None => {
                        let path = folder.join(format!("{kind}.jsonl"));
                        let file = File::create_new(&path).map_err(file_error("write", &path))?;
                        out.insert((path, BufWriter::new(file)))
                    }
                };
                let written = file.write_all(&record.payload).and_then(|()| file.write_all(b"\n"));
                written.map_err(file_error("write", path))?;
            }
            count += 1;
            exported.bytes += u64::try_from(record.payload.len()).unwrap_or_default();
            names.extend(record.meta.media_refs.into_iter().map(|media| media.name));
        }
        if let Some((path, mut file)) = out {
            file.flush().map_err(file_error("write", &path))?;
        }
        exported.records.insert(kind.clone(), count);
    }
    for name in names {
        exported.bytes += one_medium(media, &name, &sink).await?;
        exported.media += 1;
    }
    Ok(exported)
}

async fn one_medium(media: &MediaStore, name: &str, sink: &Sink<'_>) -> Result<u64> {
    let mut bytes = 0;
    let mut file = match sink {
        Sink::Nowhere => None,
        Sink::Folder(folder) => {
            let folder = folder.join("media");
            std::fs::create_dir_all(&folder).map_err(file_error("make", &folder))?;
            let path = folder.join(name);
            Some((File::create_new(&path).map_err(file_error("write", &path))?, path))
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
