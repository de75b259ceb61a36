//! Archives whose files are stored as they are (APPNOTE.TXT 6.3.10, sections 4.3.7, 4.3.12 and 4.3.16).

use crate::png::crc32;

/// An archive of these files.
pub(crate) fn stored(files: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut archive, mut directory) = (Vec::new(), Vec::new());
    for (name, bytes) in files {
        let offset = len(archive.len());
        let size = len(bytes.len()).to_le_bytes();
        // Version 2.0, no flags, stored, the first moment that the format knows.
        let common: Vec<u8> = [
            &[20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0][..],
            &crc32(bytes).to_le_bytes(),
            &size,
            &size,
            &short(name.len()).to_le_bytes(),
            &[0, 0],
        ]
        .concat();
        archive.extend(b"PK\x03\x04");
        archive.extend(&common);
        archive.extend(name.as_bytes());
        archive.extend(*bytes);
        directory.extend(b"PK\x01\x02\x14\x00");
        directory.extend(&common);
        directory.extend([0; 10]);
        directory.extend(offset.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let (start, size, count) = (len(archive.len()), len(directory.len()), short(files.len()).to_le_bytes());
    archive.extend(directory);
    archive.extend(b"PK\x05\x06\x00\x00\x00\x00");
    archive.extend(count);
    archive.extend(count);
    archive.extend(size.to_le_bytes());
    archive.extend(start.to_le_bytes());
    archive.extend([0, 0]);
    archive
}

/// The bytes of a file that an archive holds stored, and not compressed.
pub(crate) fn stored_file<'a>(archive: &'a [u8], wanted: &str) -> Option<&'a [u8]> {
    let mut rest = archive;
    while let Some(entry) = rest.strip_prefix(b"PK\x03\x04") {
        let number = |at: usize, bytes: usize| {
            let slice = entry.get(at..at + bytes)?;
            Some(slice.iter().rev().fold(0_usize, |sum, byte| sum << 8 | usize::from(*byte)))
        };
        let (method, size, name, extra) = (number(4, 2)?, number(14, 4)?, number(22, 2)?, number(24, 2)?);
        let from = 26 + name + extra;
        if method == 0 && entry.get(26..26 + name)? == wanted.as_bytes() {
            return entry.get(from..from + size);
        }
        rest = entry.get(from + size..)?;
    }
    None
}

fn len(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

fn short(length: usize) -> u16 {
    u16::try_from(length).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_is_found() {
        let archive = stored(&[("a.txt", b"one"), ("b/c.txt", b"two")]);
        assert_eq!(stored_file(&archive, "b/c.txt"), Some(&b"two"[..]));
        assert_eq!(stored_file(&archive, "a.txt"), Some(&b"one"[..]));
        assert_eq!(stored_file(&archive, "d"), None);
        assert_eq!(stored_file(b"no archive", "a.txt"), None);
    }
}
