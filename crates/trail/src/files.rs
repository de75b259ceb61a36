//! Files that are durable before they count.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions, create_dir_all};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;

/// Makes a folder with all above it, durably.
pub(crate) fn make_folder(folder: &Path) -> io::Result<()> {
    let named = |folder: &&Path| !folder.as_os_str().is_empty();
    let new: Vec<_> = folder.ancestors().take_while(|folder| named(folder) && !folder.exists()).collect();
    create_dir_all(folder)?;
    let above = |folder: &&Path| folder.parent().filter(named).unwrap_or(Path::new(".")).to_path_buf();
    new.iter().map(above).try_for_each(|above| sync_folder(&above))
}

pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(path)
}

/// Writes files, each whole or not at all, in place of those of these names. All are durable at the end.
pub(crate) fn put(files: &[(PathBuf, Vec<u8>)]) -> io::Result<()> {
    let aside = |path: &Path| path.with_added_extension("new");
    let mut folders = BTreeSet::new();
    for (path, bytes) in files {
        if let Some(folder) = path.parent() {
            make_folder(folder)?;
            folders.insert(folder);
        }
        create(&aside(path))?.write_all(bytes)?;
    }
    // Written first and synced then: the disk takes many in one go.
    files.iter().try_for_each(|(path, _)| File::open(aside(path))?.sync_all())?;
    files.iter().try_for_each(|(path, _)| std::fs::rename(aside(path), path))?;
    folders.into_iter().try_for_each(sync_folder)
}

/// The file's bytes, or `None` where there is none.
pub(crate) fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match std::fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        read => read.map(Some),
    }
}

/// A lock of the operating system on a file. It ends when it is dropped, and with its process.
#[derive(Debug)]
pub(crate) struct Lock(File);

impl Lock {
    /// The file to lock, made where it is not there.
    pub(crate) fn file(path: &Path) -> io::Result<File> {
        path.parent().map_or(Ok(()), make_folder)?;
        OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path)
    }

    /// Waits until nobody else has it.
    pub(crate) fn alone(file: File) -> io::Result<Self> {
        rustix::fs::flock(&file, FlockOperation::LockExclusive)?;
        Ok(Self(file))
    }

    /// Waits until nobody has it alone.
    pub(crate) fn shared(file: File) -> io::Result<Self> {
        rustix::fs::flock(&file, FlockOperation::LockShared)?;
        Ok(Self(file))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // The file's end would do the same, were there no copy of it.
        let _ = rustix::fs::flock(&self.0, FlockOperation::Unlock);
    }
}
