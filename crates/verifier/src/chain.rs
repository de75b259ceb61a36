//! What events say of each other. Each source numbers its events from 1, and names in each the hash of the one before, so
//! that one that is missing, was moved or was put in is seen even if the log was signed again.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::tree::{Hash, leaf};

/// Most sources that a log may have.
const SOURCES_MAX: usize = 10_000;
/// Longest name of a source, in bytes.
const SOURCE_LEN_MAX: usize = 64;
/// So many findings are told, and so many notices. Of more, the number.
const TOLD_MAX: usize = 100;

/// What is to be told, up to a bound.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    lines: Vec<String>,
    more: u64,
}

impl Told {
    pub(crate) fn tell(&mut self, line: String) {
        if self.lines.len() < TOLD_MAX {
            self.lines.push(line);
        } else {
            self.more += 1;
        }
    }

    /// Whether there is nothing to tell.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// What there is to tell.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let more = (self.more > 0).then(|| format!("and {} more", self.more));
        self.lines.iter().cloned().chain(more).collect()
    }
}

/// What came of looking at a log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// What is wrong. Nothing may be.
    pub findings: Told,
    /// What is not wrong and should be known.
    pub notices: Told,
}

/// What an event says of its place.
#[derive(Debug)]
pub(crate) struct Event {
    source: String,
    number: u64,
    previous: Option<String>,
    time: i64,
    clock_went_back: bool,
    began_anew: bool,
}

impl Event {
    /// `None` where the entry is no event.
    pub(crate) fn read(entry: &[u8]) -> Option<Self> {
        let event: Value = serde_json::from_slice(entry).ok()?;
        let unmapped = event.get("unmapped")?.as_object()?;
        let source = event.pointer("/metadata/log_name")?.as_str()?;
        let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if !(1..=SOURCE_LEN_MAX).contains(&source.len()) || !source.bytes().all(is_name) {
            return None;
        }
        let said = |name: &str| unmapped.get(name).map_or(Some(false), Value::as_bool);
        Some(Self {
            source: source.to_owned(),
            number: event.pointer("/metadata/sequence")?.as_u64()?,
            previous: match unmapped.get("previous") {
                Some(previous) => Some(previous.as_str()?.to_owned()),
                None => None,
            },
            time: event.get("time")?.as_i64()?,
            clock_went_back: said("clock_went_back")?,
            began_anew: said("began_anew")?,
        })
    }
}

/// The newest event of each source so far.
#[derive(Debug, Default)]
pub(crate) struct Chains(BTreeMap<String, (u64, Hash, i64)>);

impl Chains {
    /// Takes the next entry of the log.
    pub(crate) fn follow(&mut self, index: u64, entry: &[u8], report: &mut Report) {
        let Report { findings, notices } = report;
        let Some(event) = Event::read(entry) else {
            findings.tell(format!("event {index}: it is not an event"));
            return;
        };
        let Event { source, number, previous, time, .. } = event;
        let before = self.0.get(&source).copied();
        let expected = before.map_or(1, |(number, ..)| number.saturating_add(1));
        let hash_before = before.map(|(_, hash, _)| hash.iter().map(|byte| format!("{byte:02x}")).collect());
        let at = format!("event {index}: {source}-{number}");
        if number != expected {
            findings.tell(format!("{at} stands where {source}-{expected} should: some are missing or moved"));
        } else if previous != hash_before {
            findings.tell(format!("{at} was made after another event than the one that stands before it"));
        }
        if before.is_some_and(|(_, _, before)| time < before) {
            if event.clock_went_back {
                notices.tell(format!("{at} says that the clock had gone back"));
            } else {
                findings.tell(format!("{at} is dated before the event that it follows"));
            }
        }
        if event.began_anew {
            notices
                .tell(format!("{at} says that its journal began anew: others may have been lost before it"));
        }
        if before.is_some() || self.0.len() < SOURCES_MAX {
            self.0.insert(source, (number, leaf(entry), time));
        } else {
            findings.tell(format!("{at} is of one source too many: {SOURCES_MAX} are followed"));
        }
    }
}
