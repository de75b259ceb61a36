//! Files that only their owner may read, and that are whole or absent after a crash.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use domain::{Ids as _, Rng as _};
use flows::FlowError;
use vault::system::SystemRng;

/// Writes a file with mode 0600, in place of one that is there: beside it first, and then by its name.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let written = match fs::metadata(path) {
        // A terminal or a pipe cannot be put in place of anything, nor may a name that the system gives to one.
        Ok(there) if !there.is_dir() && (!there.is_file() || is_the_systems(path)) => {
            OpenOptions::new().write(true).open(path).and_then(|mut file| file.write_all(bytes))
        }
        _ => replace(path, bytes),
    };
    written.with_context(|| format!("could not write `{}`", path.display()))
}

/// Whether it is a name such as `/dev/stdout`, whatever stands behind it at the moment.
fn is_the_systems(path: &Path) -> bool {
    ["/dev", "/proc"].iter().any(|folder| path.starts_with(folder))
}

/// Writes a file with mode 0600 where there is none.
pub(crate) fn write_new_private(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let written = made.and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.with_context(|| format!("could not write `{}`", path.display()))
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", SystemRng.next_id()));
    let beside = path.with_file_name(name);
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&beside)
        .and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        // The first failure is the one to report.
        let _ = fs::remove_file(&beside);
    }
    written?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new("."))).and_then(|folder| folder.sync_all())
}

/// Reads a small file.
pub(crate) fn read_at_most(path: &Path, len_max: u64) -> anyhow::Result<Vec<u8>> {
    let failed = |source| FlowError::File { operation: "read", path: path.display().to_string(), source };
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(len_max + 1).read_to_end(&mut bytes)).map_err(failed)?;
    if u64::try_from(bytes.len()).is_ok_and(|len| len <= len_max) {
        return Ok(bytes);
    }
    Err(FlowError::Input(format!("`{}` is longer than {len_max} bytes", path.display())).into())
}

/// Makes a folder that only its owner may enter; one that exists is left as it is.
pub(crate) fn make_private_folder(path: &Path) -> anyhow::Result<()> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.with_context(|| format!("could not make `{}`", path.display()))
}

/// Makes a folder for temporary files that nobody could have made before: its name cannot be guessed.
pub(crate) fn new_temporary_folder(what: &str) -> anyhow::Result<PathBuf> {
    let mut chance = [0; 8];
    SystemRng.fill(&mut chance);
    let chance: String = chance.iter().map(|byte| format!("{byte:02x}")).collect();
    let path = std::env::temp_dir().join(format!("{what}-{chance}"));
    let made = DirBuilder::new().mode(0o700).create(&path);
    made.with_context(|| format!("could not make `{}`", path.display()))?;
    Ok(path)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn what_is_there_is_not_written_over_by_what_must_be_new() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("passphrase");
        write_new_private(&path, b"mine").unwrap();
        assert_eq!(mode(&path), 0o600);
        write_new_private(&path, b"another").unwrap_err();
        assert_eq!(fs::read(&path).unwrap(), b"mine");
        write_private(&path, b"another").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"another");
    }

    #[test]
    fn the_systems_names_are_written_to_and_not_replaced() {
        for (path, is) in [("/dev/stdout", true), ("/proc/self/fd/1", true), ("/device/plan.json", false)] {
            assert_eq!(is_the_systems(Path::new(path)), is, "{path}");
        }
        write_private(Path::new("/dev/null"), b"text").unwrap();
    }

    #[test]
    fn a_file_that_others_can_read_is_not_written_into() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plan.json");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        let open = File::open(&path).unwrap();
        write_private(&path, b"new").unwrap();
        assert_eq!((fs::read(&path).unwrap().as_slice(), mode(&path)), (&b"new"[..], 0o600));
        assert_eq!(io::read_to_string(open).unwrap(), "old", "whoever had it open sees nothing");
        // Nor is what a link leads to.
        let (link, other) = (folder.path().join("link"), folder.path().join("other"));
        fs::write(&other, "theirs").unwrap();
        symlink(&other, &link).unwrap();
        write_private(&link, b"ours").unwrap();
        assert_eq!(fs::read_to_string(&other).unwrap(), "theirs");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3, "nothing is left beside them");
        assert!(write_private(folder.path(), b"").is_err());
        write_private(Path::new("/dev/null"), b"gone").unwrap();
    }

    #[test]
    fn a_temporary_folder_is_new_and_its_owners() {
        let (one, two) = (new_temporary_folder("test").unwrap(), new_temporary_folder("test").unwrap());
        assert_ne!(one, two);
        assert_eq!((mode(&one), mode(&two)), (0o700, 0o700));
        for made in [one, two] {
            fs::remove_dir(made).unwrap();
        }
    }
}
