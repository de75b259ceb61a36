//! What cargo and git know of this workspace.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use serde_json::Value;

/// The checkout's root.
pub(crate) static ROOT: LazyLock<PathBuf> =
    LazyLock::new(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap());

fn output(program: &str, arguments: &[&str]) -> String {
    let done = Command::new(program).args(arguments).current_dir(&*ROOT).output();
    let done = done.unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(done.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

/// `cargo metadata` for this platform: members, all dependencies, their licences and sources.
pub(crate) static METADATA: LazyLock<Value> = LazyLock::new(|| {
    let version = output("rustc", &["-vV"]);
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let text = output(&cargo, &["metadata", "--format-version", "1", "--locked", "--filter-platform", host]);
    serde_json::from_str(&text).unwrap()
});

/// The members' packages.
pub(crate) fn members() -> Vec<&'static Value> {
    let ids = METADATA["workspace_members"].as_array().unwrap();
    packages().filter(|package| ids.contains(&package["id"])).collect()
}

/// All packages, the members' too.
pub(crate) fn packages() -> impl Iterator<Item = &'static Value> {
    METADATA["packages"].as_array().unwrap().iter()
}

/// A text of a JSON object.
pub(crate) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("{name} is no text in {value}"))
}

/// Every file that is tracked, or would be: relative to the root.
pub(crate) fn files() -> Vec<PathBuf> {
    let listed = output("git", &["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let mut files: Vec<PathBuf> = listed
        .split('\0')
        .filter(|name| !name.is_empty())
        .map(PathBuf::from)
        .filter(|path| ROOT.join(path).is_file())
        .collect();
    files.sort();
    files.dedup();
    assert!(files.len() > 50, "git lists {} files", files.len());
    files
}

/// A file's text; `None` where it is not text.
pub(crate) fn read(path: &Path) -> Option<String> {
    String::from_utf8(std::fs::read(ROOT.join(path)).unwrap()).ok()
}

/// A file's length, in bytes.
pub(crate) fn size(path: &Path) -> u64 {
    std::fs::metadata(ROOT.join(path)).unwrap().len()
}

/// Fails with one line for each thing that was found.
pub(crate) fn report(found: &[String]) {
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}
