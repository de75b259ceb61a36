//! Files that only their owner may read, and that are whole or absent after a crash.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::error::VaultError;

/// Largest key or vault file that is read, in bytes: thousands of key versions. More is the wrong file.
const FILE_LEN_MAX: u64 = 4 * 1024 * 1024;

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> VaultError {
    move |source| VaultError::Io { doing, path: path.into(), source }
}

/// Makes a directory that only its owner may enter, durably; one that exists is left as it is.
pub(crate) fn make_dir(path: &Path) -> Result<(), VaultError> {
    let missing: Vec<_> =
        path.ancestors().take_while(|dir| !dir.as_os_str().is_empty() && !dir.exists()).collect();
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(failed("make the directory", path))?;
    missing.iter().try_for_each(|dir| sync_dir(parent(dir)))
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The directory entry itself must reach the disk, else a crash can lose a file whose bytes are there.
fn sync_dir(dir: &Path) -> Result<(), VaultError> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(failed("sync the directory", dir))
}

/// Writes a new file with mode 0600, durably and all at once. An existing file is never written over.
pub(crate) fn create(what: &'static str, path: &Path, bytes: &[u8]) -> Result<(), VaultError> {
    write(path, bytes, |unfinished| rename_new(what, unfinished, path))
}

/// Writes a file with mode 0600 in place of one that is there, durably and all at once.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), VaultError> {
    write(path, bytes, |unfinished| fs::rename(unfinished, path).map_err(failed("write", path)))
}

fn write(
    path: &Path,
    bytes: &[u8],
    name_it: impl FnOnce(&Path) -> Result<(), VaultError>,
) -> Result<(), VaultError> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let unfinished = PathBuf::from(path).with_file_name(name);
    // What a crash left behind was never named by anything.
    match fs::remove_file(&unfinished) {
        Err(err) if err.kind() != io::ErrorKind::NotFound => {
            return Err(failed("remove", &unfinished)(err));
        }
        _ => {}
    }
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&unfinished)
        .and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        })
        .map_err(failed("write", &unfinished))
        .and_then(|()| name_it(&unfinished));
    if written.is_err() {
        // The first failure is the one to report.
        let _ = fs::remove_file(&unfinished);
    }
    written?;
    sync_dir(parent(path))
}

/// Renames without replacing: of two who make one file, exactly one succeeds.
fn rename_new(what: &'static str, from: &Path, to: &Path) -> Result<(), VaultError> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Ok(()) => Ok(()),
        Err(rustix::io::Errno::EXIST) => Err(VaultError::Exists { what, path: to.into() }),
        // A file system without that promise: a hard link has it too.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => {
            fs::hard_link(from, to).map_err(|err| match err.kind() {
                io::ErrorKind::AlreadyExists => VaultError::Exists { what, path: to.into() },
                _ => failed("write", to)(err),
            })?;
            fs::remove_file(from).map_err(failed("remove", from))
        }
        Err(errno) => Err(failed("write", to)(errno.into())),
    }
}

/// Reads a whole file.
pub(crate) fn read(what: &'static str, path: &Path) -> Result<Zeroizing<Vec<u8>>, VaultError> {
    let file = File::open(path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => VaultError::Missing { what, path: path.into() },
        _ => VaultError::Io { doing: "open", path: path.into(), source },
    })?;
    // Room for all of it at once: a list that grows leaves copies behind that nobody wipes.
    let len = file.metadata().map_or(0, |metadata| metadata.len()).min(FILE_LEN_MAX);
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(len).unwrap_or_default() + 2));
    file.take(FILE_LEN_MAX + 1).read_to_end(&mut bytes).map_err(failed("read", path))?;
    if bytes.len() as u64 > FILE_LEN_MAX {
        return Err(VaultError::Damaged { what, path: path.into(), problem: "it is far too large" });
    }
    Ok(bytes)
}

/// Refuses a file that others than its owner can read: what it holds must then count as known to them.
pub(crate) fn refuse_exposed(what: &'static str, path: &Path) -> Result<(), VaultError> {
    let mode = match fs::metadata(path) {
        Ok(metadata) => metadata.permissions().mode() & 0o777,
        Err(source) if source.kind() == io::ErrorKind::NotFound => {
            return Err(VaultError::Missing { what, path: path.into() });
        }
        Err(source) => return Err(failed("look at", path)(source)),
    };
    if mode & 0o077 != 0 {
        let problem = format!("its mode {mode:o} lets others at it: `chmod 600` it");
        return Err(VaultError::Unusable { what, path: path.into(), problem });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_made_once_for_its_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        create("key", &path, b"first").unwrap();
        assert!(matches!(create("key", &path, b"second"), Err(VaultError::Exists { .. })));
        assert_eq!(read("key", &path).unwrap().as_slice(), b"first");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no unfinished file stays");
    }

    #[test]
    fn an_exposed_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        create("key", &path, b"bytes").unwrap();
        refuse_exposed("key", &path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(refuse_exposed("key", &path), Err(VaultError::Unusable { .. })));
    }
}
