//! Forms with files (RFC 7578), as far as requests of this platform need them.

/// One part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) name: String,
    pub(crate) file_name: Option<String>,
    pub(crate) bytes: Vec<u8>,
}

/// All parts of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Form {
    pub(crate) parts: Vec<Part>,
}

impl Form {
    /// Reads a body; nothing, when it is no form.
    pub(crate) fn read(content_type: &str, body: &[u8]) -> Option<Self> {
        let boundary = content_type.split(';').find_map(|part| part.trim().strip_prefix("boundary="))?;
        let mark = format!("--{}", boundary.trim_matches('"')).into_bytes();
        let mut parts = Vec::new();
        let mut rest = after(body, &mark)?;
        while !rest.starts_with(b"--") {
            let here = rest.strip_prefix(b"\r\n")?;
            let end = find(here, &[b"\r\n", mark.as_slice()].concat())?;
            let (part, more) = here.split_at_checked(end)?;
            parts.push(read_part(part)?);
            rest = after(more, &mark)?;
        }
        Some(Self { parts })
    }

    /// The part of that name.
    pub(crate) fn file(&self, name: &str) -> Option<&Part> {
        self.parts.iter().find(|part| part.name == name)
    }
}

fn read_part(part: &[u8]) -> Option<Part> {
    let at = find(part, b"\r\n\r\n")?;
    let (head, rest) = part.split_at_checked(at)?;
    let head = String::from_utf8_lossy(head);
    let line = head.lines().find(|line| line.to_ascii_lowercase().starts_with("content-disposition:"))?;
    let value = |name: &str| {
        line.split(';').find_map(|piece| {
            Some(piece.trim().strip_prefix(name)?.strip_prefix('=')?.trim_matches('"').to_owned())
        })
    };
    Some(Part {
        name: value("name")?,
        file_name: value("filename"),
        bytes: rest.strip_prefix(b"\r\n\r\n")?.to_vec(),
    })
}

fn find(bytes: &[u8], word: &[u8]) -> Option<usize> {
    bytes.windows(word.len().max(1)).position(|window| window == word)
}

fn after<'a>(bytes: &'a [u8], word: &[u8]) -> Option<&'a [u8]> {
    bytes.get(find(bytes, word)? + word.len()..)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_read_as_they_were_written() {
        let body = b"--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n2\r\n--x\r\nContent-Disposition: form-data; name=\"image_file\"; filename=\"b.png\"\r\nContent-Type: image/png\r\n\r\n\x00\x01\r\n--x--\r\n";
        let form = Form::read("multipart/form-data; boundary=x", body).expect("a form");
        assert_eq!(form.file("a").map(|part| part.bytes.as_slice()), Some(&b"1\r\n2"[..]));
        let file = form.file("image_file").expect("a file");
        assert_eq!((file.file_name.as_deref(), file.bytes.as_slice()), (Some("b.png"), &[0, 1][..]));
        assert_eq!(Form::read("multipart/form-data; boundary=y", body), None);
        assert_eq!(Form::read("multipart/form-data; boundary=x", b"--x\r\n"), None);
    }
}
