//! The documents that a store was sent, kept for whoever checks them.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// Names a directory for the documents of all stores of a process.
const DIRECTORY: &str = "CARETAKER_SANDBOX_DOCUMENTS";

/// The directories into which each distinct document is written, as `SHA-256.graphql`. None by default: what nobody
/// has sent is not to be found among what was received.
#[derive(Debug, Default)]
pub(crate) struct Record {
    directories: Vec<PathBuf>,
}

impl Record {
    /// Into `directory`, and into the one that the environment names.
    pub(crate) fn new(directory: Option<PathBuf>) -> Self {
        let named = std::env::var_os(DIRECTORY).filter(|name| !name.is_empty()).map(PathBuf::from);
        Self { directories: directory.into_iter().chain(named).collect() }
    }

    /// Writes a document down, whether it is right or wrong. `name` is its hash.
    pub(crate) fn document(&self, name: &str, text: &str) {
        for directory in &self.directories {
            let path = directory.join(format!("{name}.graphql"));
            if !path.exists()
                && let Err(error) = write(directory, &path, text)
            {
                tracing::warn!(path = %path.display(), %error, "a document was not recorded");
            }
        }
    }
}

/// Many processes may write the same document, and may be killed: what bears the name is whole.
fn write(directory: &Path, path: &Path, text: &str) -> std::io::Result<()> {
    std::fs::create_dir_all(directory)?;
    let mut passing = path.file_stem().unwrap_or(OsStr::new("document")).to_owned();
    passing.push(format!(".{}-{:?}", std::process::id(), std::thread::current().id()));
    let passing = directory.join(passing);
    std::fs::write(&passing, text)?;
    std::fs::rename(&passing, path)
}
