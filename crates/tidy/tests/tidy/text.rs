//! What no file says.

use std::path::Path;

use crate::workspace::{files, read, report, size};

/// Longest source file, in lines: past that it holds more than one idea.
const LINES_MAX: usize = 900;

/// Longest file of any sort, in bytes: past that it is something that was built.
const BYTES_MAX: u64 = 512 * 1024;

/// Files that no person writes.
const MACHINE_WRITTEN: &[&str] = &["Cargo.lock"];

/// Hosts from which packages come. A mirror or an offline machine has others: no file may depend on one.
/// Each in two halves, so that this list does not find itself.
const REGISTRY_HOSTS: &[(&str, &str)] = &[
    ("crates", ".io"),
    ("pypi", ".org"),
    ("python", "hosted.org"),
    ("npmjs", ".org"),
    ("npmjs", ".com"),
    ("deb.deb", "ian.org"),
    ("proxy.golang", ".org"),
];

/// Folders of the machines on which somebody builds.
const MACHINE_FOLDERS: &[(&str, &str)] =
    &[("/wor", "k/"), ("/roo", "t/"), ("/hom", "e/"), ("/User", "s/"), ("/tm", "p/")];

fn ends_with(path: &Path, ends: &[&str]) -> bool {
    path.extension().is_some_and(|end| ends.iter().any(|one| end == *one))
}

/// Lines of written text files in which `is_wrong` finds something.
fn lines(only: &dyn Fn(&Path) -> bool, is_wrong: &dyn Fn(&str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for file in files().into_iter().filter(|file| only(file)) {
        if MACHINE_WRITTEN.iter().any(|name| file.ends_with(name)) {
            continue;
        }
        let Some(text) = read(&file) else { continue };
        for (turn, line) in text.lines().enumerate().filter(|(_, line)| is_wrong(line)) {
            let shown: String = line.trim().chars().take(100).collect();
            found.push(format!("{}:{}: {shown}", file.display(), turn + 1));
        }
    }
    found
}

/// Whether `folder` begins a path in the line, and is not the middle of another one.
fn begins_path(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        before.is_none_or(|before| !before.is_alphanumeric() && !"._-/~}$:".contains(before))
    })
}

#[test]
fn no_test_is_switched_off() {
    let mark = ["#[igno", "re"].concat();
    report(&lines(&|file| ends_with(file, &["rs"]), &|line| line.contains(&mark)));
}

#[test]
fn no_file_names_a_registrys_host() {
    let hosts: Vec<String> = REGISTRY_HOSTS.iter().map(|(a, b)| format!("{a}{b}")).collect();
    report(&lines(&|_| true, &|line| hosts.iter().any(|host| line.contains(host))));
}

#[test]
fn no_file_names_a_folder_of_somebodys_machine() {
    let folders: Vec<String> = MACHINE_FOLDERS.iter().map(|(a, b)| format!("{a}{b}")).collect();
    report(&lines(&|_| true, &|line| folders.iter().any(|folder| begins_path(line, folder))));
    assert!(begins_path("cp /etc/x \"/etc/y\"", "/etc/"));
    assert!(!begins_path("https://host/etc/x $dir/etc/", "/etc/"));
}

#[test]
fn no_source_file_is_too_long() {
    let mut found = Vec::new();
    for file in
        files().into_iter().filter(|file| ends_with(file, &["rs", "py", "sh"]) || file.starts_with("scripts"))
    {
        let lines = read(&file).map_or(0, |text| text.lines().count());
        if lines > LINES_MAX {
            found.push(format!("{}: {lines} lines, at most {LINES_MAX}", file.display()));
        }
    }
    report(&found);
}

#[test]
fn nothing_that_was_built_is_kept() {
    let mut found = Vec::new();
    for file in files() {
        let bytes = size(&file);
        if bytes > BYTES_MAX {
            found.push(format!("{}: {bytes} bytes, at most {BYTES_MAX}", file.display()));
        }
    }
    report(&found);
}
