//! Searching a cell's folder for texts that must not be there in clear.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Context as _;
use serde_json::Value;

/// In so many spellings each text is looked for: as it is, base64 at three offsets, hexadecimal, UTF-16.
pub(super) const SPELLINGS: usize = 6;
/// Shorter texts occur by chance.
const MARKER_LEN_MIN: usize = 10;
const MARKERS_MAX: usize = 40;

pub(super) struct Searched {
    pub(super) files: usize,
    pub(super) found: Vec<String>,
}

/// Texts of the shop (titles, mail addresses) and the secrets that opened it.
pub(super) fn markers(dump: &Value, secrets: [&String; 2]) -> Vec<String> {
    let mut texts = BTreeSet::new();
    collect(dump, &mut texts);
    let mut markers: Vec<String> = texts.into_iter().take(MARKERS_MAX).collect();
    markers.extend(secrets.into_iter().cloned());
    markers
}

fn collect(value: &Value, texts: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(text) if is_telling(name) && text.len() >= MARKER_LEN_MIN => {
                        texts.insert(text.clone());
                    }
                    _ => collect(value, texts),
                }
            }
        }
        Value::Array(elements) => elements.iter().for_each(|value| collect(value, texts)),
        _ => {}
    }
}

fn is_telling(name: &str) -> bool {
    matches!(name, "email" | "emailAddress" | "title" | "name" | "address1")
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    // Only whole groups: what follows the text there is not known.
    let groups = bytes.chunks_exact(3).flat_map(|group| {
        let number = group.iter().fold(0_u32, |number, byte| number << 8 | u32::from(*byte));
        [18, 12, 6, 0].map(|shift| usize::try_from(number >> shift & 63).unwrap_or(0))
    });
    groups.filter_map(|index| ALPHABET.get(index)).map(|byte| char::from(*byte)).collect()
}

fn spellings(text: &str) -> [Vec<u8>; SPELLINGS] {
    let bytes = text.as_bytes();
    let at = |offset: usize| base64(bytes.get(offset..).unwrap_or_default()).into_bytes();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let utf16 = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    [bytes.to_vec(), at(0), at(1), at(2), hex.into_bytes(), utf16]
}

/// Looks for every spelling of every marker in every file below `dir`, but for files that are named: a plan is
/// its owner's to keep, and says what would be written.
pub(super) fn search(dir: &Path, except: &[&str], markers: &[String]) -> anyhow::Result<Searched> {
    let needles: Vec<(&String, [Vec<u8>; SPELLINGS])> =
        markers.iter().map(|text| (text, spellings(text))).collect();
    let mut searched = Searched { files: 0, found: Vec::new() };
    let mut folders = vec![dir.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in
            std::fs::read_dir(&folder).with_context(|| format!("could not read `{}`", folder.display()))?
        {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            if except.iter().any(|name| path.file_name().is_some_and(|file| file == *name)) {
                continue;
            }
            let bytes =
                std::fs::read(&path).with_context(|| format!("could not read `{}`", path.display()))?;
            searched.files += 1;
            for (text, spellings) in &needles {
                if spellings.iter().any(|needle| contains(&bytes, needle)) {
                    searched.found.push(format!("`{text}` in {}", path.display()));
                }
            }
        }
    }
    Ok(searched)
}

fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    let Some(first) = needle.first() else { return false };
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|byte| byte == first) {
        rest = rest.get(at..).unwrap_or_default();
        if rest.starts_with(needle) {
            return true;
        }
        rest = rest.get(1..).unwrap_or_default();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_found_in_every_spelling() {
        let dir = tempfile::tempdir().unwrap();
        let marker = "person@example.com".to_owned();
        let search =
            || search(dir.path(), &["plan.json"], std::slice::from_ref(&marker)).unwrap().found.len();
        assert_eq!(search(), 0);
        for (turn, spelling) in spellings(&marker).into_iter().enumerate() {
            let file = dir.path().join("file");
            std::fs::write(&file, [b"xx", &spelling[..], b"yy"].concat()).unwrap();
            assert_eq!(search(), 1, "spelling {turn}");
            std::fs::rename(&file, dir.path().join("plan.json")).unwrap();
            assert_eq!(search(), 0, "a plan is its owner's to keep");
        }
    }

    #[test]
    fn base64_is_as_it_should_be() {
        assert_eq!(base64(b"abcdef"), "YWJjZGVm");
        assert_eq!(base64(b"abcde"), "YWJj");
    }
}
