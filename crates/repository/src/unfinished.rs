//! What a killed command leaves beside the objects of a store in a directory.
//!
//! An object is written under its own name and `#N`, and gets the name alone once it is whole and durable. No
//! listing shows the first, so nothing that goes by listings ever finds what was not finished.

use std::path::{Path, PathBuf};
use std::time::Duration;

use domain::Timestamp;

use crate::error::{RepositoryError, Result};
use crate::open_store::{Location, locate};

/// What was found, and is gone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Unfinished {
    /// How many files.
    pub files: u64,
    /// Their lengths together.
    pub bytes: u64,
}

/// Deletes what was begun in a store longer than `grace` ago and never finished. In a bucket nothing of the kind
/// is seen: there the bucket's own rules end uploads.
///
/// # Errors
/// [`RepositoryError::Input`] for a URL that names no store; [`RepositoryError::Store`] where the directory
/// cannot be read or written to.
pub fn delete_unfinished(url: &str, now: Timestamp, grace: Duration) -> Result<Unfinished> {
    let Location::Directory(root) = locate(url)? else { return Ok(Unfinished::default()) };
    let mut found = Unfinished::default();
    let mut folders = vec![root];
    while let Some(folder) = folders.pop() {
        let failed = |source| failed("list", &folder, source);
        for entry in std::fs::read_dir(&folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            // What somebody has just finished or given up is gone, and no concern.
            let Ok(meta) = entry.metadata() else { continue };
            let path = entry.path();
            if meta.is_dir() {
                folders.push(path);
            } else if is_passing(&path) && age(&meta, now) >= grace {
                std::fs::remove_file(&path).map_err(|source| self::failed("delete", &path, source))?;
                found.files += 1;
                found.bytes += meta.len();
            }
        }
    }
    Ok(found)
}

/// Whether a file bears a name that only writers give: with `#` and a number at its end.
pub(crate) fn is_passing(path: &Path) -> bool {
    let turn = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.rsplit_once('#'));
    turn.is_some_and(|(name, turn)| {
        !name.is_empty() && !turn.is_empty() && turn.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// How long ago a file was written to; nothing for one that was written in the future.
fn age(meta: &std::fs::Metadata, now: Timestamp) -> Duration {
    let written = meta.modified().ok().and_then(|time| Timestamp::try_from(time).ok());
    written.and_then(|written| Duration::try_from(now.duration_since(written)).ok()).unwrap_or_default()
}

fn failed(operation: &'static str, path: &Path, source: std::io::Error) -> RepositoryError {
    let object = PathBuf::from(path).display().to_string();
    let source = object_store::Error::Generic { store: "LocalFileSystem", source: Box::new(source) };
    RepositoryError::Store { operation, object, source: Box::new(source) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::GRACE;

    #[test]
    fn names_of_unfinished_writes_are_told_from_objects() {
        let check = |name: &str, expected| assert_eq!(is_passing(Path::new(name)), expected, "{name}");
        check("store/pack/0a#1", true);
        check("store/media/ab/passing-00#17", true);
        check("store/pack/0a", false);
        check("store/pack/#1", false);
        check("store/pack/0a#", false);
        check("store/pa#1/0a", false);
        check("store/pack/0a#1b", false);
    }

    #[test]
    fn old_ones_go_and_everything_else_stays() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("t/default/shop/pack");
        std::fs::create_dir_all(&folder).unwrap();
        let now: Timestamp = "2026-11-24T12:00:00Z".parse().unwrap();
        let put = |name: &str, before: Duration| {
            let file = std::fs::File::create(folder.join(name)).unwrap();
            file.set_len(10).unwrap();
            file.set_modified((now - before).try_into().unwrap()).unwrap();
        };
        put("a#1", GRACE);
        put("b#1", GRACE - Duration::from_secs(1));
        put("c", GRACE * 2);
        put("d#2", GRACE * 9);
        std::fs::File::create(folder.join("e#1"))
            .unwrap()
            .set_modified((now + GRACE).try_into().unwrap())
            .unwrap();
        let url = dir.path().to_str().unwrap();
        assert_eq!(delete_unfinished(url, now, GRACE).unwrap(), Unfinished { files: 2, bytes: 20 });
        let mut left: Vec<String> = std::fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, ["b#1", "c", "e#1"]);
        assert_eq!(delete_unfinished("s3://bucket", now, GRACE).unwrap(), Unfinished::default());
        let error = delete_unfinished(&format!("{url}/absent"), now, GRACE).unwrap_err().to_string();
        assert!(error.contains("could not list") && error.contains("absent"), "{error}");
    }
}
