//! The id of a line that need not be read.

use std::ops::Range;

use memchr::memmem;
use serde_json::Value;

/// Finds a line's id without reading the line: that of a field of the record itself. The same name deeper inside means
/// something else, and may be what an earlier file was taken by.
pub(super) struct Guess {
    key: memmem::Finder<'static>,
}

impl Guess {
    /// `None` where the pointer leads deeper: then a line has to be read to find its id.
    pub(super) fn new(pointer: &str) -> Option<Self> {
        let step = pointer.strip_prefix('/').filter(|step| !step.contains('/'))?;
        let key = Value::from(step.replace("~1", "/").replace("~0", "~")).to_string();
        Some(Self { key: memmem::Finder::new(key.as_bytes()).into_owned() })
    }

    /// A text without escapes, or a whole number, behind the first key of that name. Inside a text there is none: its
    /// quotes would be escaped. With anything nested before it, whose key it is would have to be counted.
    pub(super) fn find(&self, line: &[u8]) -> Option<Range<usize>> {
        let (before, from_key) = line.split_at_checked(self.key.find(line)?)?;
        let fields = before.trim_ascii_start().strip_prefix(b"{")?;
        if memchr::memchr2(b'{', b'[', fields).is_some() {
            return None;
        }
        let behind_key = from_key.get(self.key.needle().len()..)?;
        let value = behind_key.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start();
        let (value, len) = match value.strip_prefix(b"\"") {
            Some(text) => {
                let len = memchr::memchr2(b'"', b'\\', text)?;
                (text, (text.get(len) == Some(&b'"')).then_some(len)?)
            }
            None => {
                let digits = value.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'-').count();
                let whole = matches!(value.get(digits)?, b',' | b'}' | b' ' | b'\t' | b'\r');
                (value, if whole { digits } else { 0 })
            }
        };
        let start = line.len() - value.len();
        (len > 0).then_some(start..start + len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guess_is_text_or_a_whole_number_of_the_record_itself() {
        let check = |pointer: &str, line: &str, expected: Option<&str>| {
            let found = Guess::new(pointer).and_then(|guess| guess.find(line.as_bytes()));
            assert_eq!(found.map(|place| &line[place]), expected, "{pointer} in {line}");
        };
        check("/id", r#"{"id":7,"a":1}"#, Some("7"));
        check("/id", r#"{"a":"id", "id" : "x y"}"#, None);
        check("/id", r#"{"a":1, "id" : "x y"}"#, Some("x y"));
        check("/id", r#" {"id":-12}"#, Some("-12"));
        check("/id", r#"{"id":12.5}"#, None);
        check("/id", r#"{"id":12e3}"#, None);
        check("/id", r#"{"a":{"id":1},"id":2}"#, None);
        check("/id", r#"{"a":[{"id":1}],"id":2}"#, None);
        check("/id", r#"{"id":2,"a":{"id":1}}"#, Some("2"));
        check("/id", r#"["id",1]"#, None);
        check("/id", r#"{"a":"\"id\":1","id":2}"#, Some("2"));
        check("/a/id", r#"{"id":1,"a":{"id":2}}"#, None);
        check("", r#"{"id":1}"#, None);
        check("/a~1b", r#"{"a/b":"c"}"#, Some("c"));
        check("/a\"b", r#"{"a\"b":"c"}"#, Some("c"));
        check("/id", r#"{"id":"with \" escape"}"#, None);
        check("/id", r#"{"id":"#, None);
        check("/id", r#"{"id":"unended"#, None);
        check("/id", r#"{"id":null}"#, None);
        check("/id", r#"{"id":""}"#, None);
        check("/id", "", None);
    }
}
