//! One line of a file: what is picked from it, and how it stands in a batch that is being sorted.

use std::io::Read;
use std::sync::Arc;

use domain::{Kind, SubjectId};
use serde_json::Value;

use super::Ingest;
use super::source::{Chunk, Cutter};
use crate::error::{FlowError, Result};
use crate::picker::Picker;

/// Fields that make a line of a list recognisable; the first that a record has is kept.
pub(crate) const SUMMARY_FIELDS: [&str; 4] = ["/title", "/name", "/handle", "/sku"];
/// The one column of a list of such records.
pub(super) const COLUMNS: [&str; 1] = ["title"];

pub(crate) struct ParsedLine {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) id: Box<str>,
    pub(crate) subject: Option<SubjectId>,
    pub(crate) summary: Vec<u8>,
    pub(crate) number: u64,
}

/// Whether records of a kind are a person's, on any platform that we know.
fn is_personal(kind: &Kind) -> bool {
    let mut kinds = connectors::registry::PLATFORMS.iter().flat_map(|platform| platform.kinds);
    kinds.any(|spec| spec.name == kind.as_str() && spec.subject.is_some())
}

pub(crate) struct Parser {
    picker: Picker,
    id: String,
    has_subject: bool,
    personal: bool,
    kind: Kind,
}

impl Parser {
    pub(crate) fn new(kind: &Kind, id: &str, subject: Option<&str>) -> Result<Self> {
        let mut pointers = vec![id];
        pointers.extend(SUMMARY_FIELDS);
        pointers.extend(subject);
        Ok(Self {
            picker: Picker::new(&pointers).map_err(|error| FlowError::Input(error.to_string()))?,
            id: id.to_owned(),
            has_subject: subject.is_some(),
            personal: is_personal(kind),
            kind: kind.clone(),
        })
    }

    pub(super) fn of(ingest: &Ingest) -> Result<Self> {
        Self::new(&ingest.kind, &ingest.id, ingest.subject.as_deref())
    }

    pub(crate) fn run(
        &self,
        input: impl Read,
        failed: &dyn Fn(std::io::Error) -> FlowError,
        mut send: impl FnMut(Chunk, u64) -> bool,
    ) -> Result<()> {
        let mut cutter = Cutter::new(input, failed);
        while let Some(text) = cutter.next(Vec::new())? {
            let lines = cutter.lines(&text).map(|(place, number, line)| self.line(line, place.start, number));
            let lines: Vec<ParsedLine> = lines.collect::<Result<_>>()?;
            if !lines.is_empty() && !send(Chunk { text: Arc::new(text), lines }, cutter.bytes_read) {
                break;
            }
        }
        Ok(())
    }

    pub(super) fn line(&self, line: &[u8], start: usize, number: u64) -> Result<ParsedLine> {
        let text = std::str::from_utf8(line).map_err(|error| {
            FlowError::Data(format!(
                "line {number} is not UTF-8 from its byte {} on",
                error.valid_up_to() + 1
            ))
        })?;
        let picked = self
            .picker
            .pick(text)
            .map_err(|error| FlowError::Data(format!("line {number} is not one JSON value: {error}")))?;
        let mut picked = picked.into_iter();
        let id = picked.next().flatten().as_ref().and_then(scalar);
        let id = id.ok_or_else(|| {
            FlowError::Data(format!(
                "line {number} has no id at `{}`: text is expected there, or a whole number of at most 64 bits",
                self.id
            ))
        })?;
        // All of them are taken off, also those that say no more: behind them comes the person.
        let shown: Vec<Option<Value>> = picked.by_ref().take(SUMMARY_FIELDS.len()).collect();
        let cells: Vec<Value> = shown.into_iter().flatten().take(COLUMNS.len()).collect();
        let summary =
            if cells.is_empty() { Vec::new() } else { serde_json::to_vec(&cells).unwrap_or_default() };
        let named = match picked.next().flatten().filter(|value| self.has_subject && !value.is_null()) {
            None => None,
            Some(value) => Some(scalar(&value).ok_or_else(|| {
                FlowError::Data(format!(
                    "line {number} names its person by neither text nor a whole number of at most 64 bits"
                ))
            })?),
        };
        let subject = match named {
            Some(person) => Some(SubjectId(format!("customer/{person}").into())),
            // A record that names nobody is its own subject.
            None if self.personal || self.has_subject => {
                Some(SubjectId(format!("{}/{id}", self.kind).into()))
            }
            None => None,
        };
        Ok(ParsedLine { start, end: start + line.len(), id, subject, summary, number })
    }
}

/// Text, or a whole number. Others were rounded when they were read: two of them could look like one.
fn scalar(value: &Value) -> Option<Box<str>> {
    match value {
        Value::String(text) => Some(text.as_str().into()),
        Value::Number(number) if !number.is_f64() => Some(number.to_string().into()),
        _ => None,
    }
}

/// A line as it stands in a batch: lengths of subject (empty where there is none) and summary, both, the payload.
pub(super) fn as_part(subject: Option<&SubjectId>, summary: &[u8], payload: &[u8]) -> Vec<u8> {
    let subject = subject.map_or(&b""[..], |subject| subject.0.as_bytes());
    let mut bytes = Vec::with_capacity(8 + subject.len() + summary.len() + payload.len());
    for field in [subject, summary] {
        bytes.extend_from_slice(&u32::try_from(field.len()).unwrap_or(u32::MAX).to_be_bytes());
    }
    for field in [subject, summary, payload] {
        bytes.extend_from_slice(field);
    }
    bytes
}

/// Subject, summary and payload.
pub(super) fn read_part(bytes: &[u8]) -> Option<(Option<&str>, &[u8], &[u8])> {
    let (subject_len, rest) = bytes.split_first_chunk::<4>()?;
    let (summary_len, rest) = rest.split_first_chunk::<4>()?;
    let len = |bytes: &[u8; 4]| usize::try_from(u32::from_be_bytes(*bytes)).ok();
    let (subject, rest) = rest.split_at_checked(len(subject_len)?)?;
    let (summary, payload) = rest.split_at_checked(len(summary_len)?)?;
    let subject = std::str::from_utf8(subject).ok()?;
    Some(((!subject.is_empty()).then_some(subject), summary, payload))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whose_a_line_is_does_not_depend_on_what_else_it_has() {
        let kind = Kind::new("order").unwrap();
        let parser = Parser::new(&kind, "/id", Some("/who")).unwrap();
        for fields in [
            "",
            r#","title":"t""#,
            r#","name":"n","sku":"s""#,
            r#","title":"t","name":"n","handle":"h","sku":"s""#,
        ] {
            for (who, expected) in
                [(r#","who":"ada""#, "customer/ada"), ("", "order/1"), (r#","who":null"#, "order/1")]
            {
                let text = format!("{{\"id\":1{fields}{who}}}");
                let line = parser.line(text.as_bytes(), 0, 1).unwrap();
                assert_eq!(line.subject, Some(SubjectId(expected.into())), "{text}");
            }
        }
    }

    #[test]
    fn a_line_is_read_from_its_batch_as_it_was_put() {
        for (subject, summary, payload) in
            [(None, "", ""), (Some("customer/é"), "[1]", "{}"), (None, "x", "yz")]
        {
            let id = subject.map(|subject| SubjectId(subject.into()));
            let bytes = as_part(id.as_ref(), summary.as_bytes(), payload.as_bytes());
            assert_eq!(read_part(&bytes), Some((subject, summary.as_bytes(), payload.as_bytes())));
        }
        assert_eq!(read_part(&[0, 0, 0, 9, 0, 0, 0, 0, 1]), None);
        assert_eq!(read_part(b"short"), None);
    }
}
