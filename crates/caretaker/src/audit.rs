//! The record of what was done: one JSON line per event, in a file that is only ever appended to.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::sync::Mutex;

use domain::{AuditError, AuditEvent, AuditSink, Clock};
use serde::Serialize;

/// Appends events to `DIR/trail/events.jsonl`, each durably before the answer is given.
#[derive(Debug)]
pub(crate) struct EventFile {
    events: Mutex<Events>,
    clock: std::sync::Arc<dyn Clock>,
}

#[derive(Debug)]
struct Events {
    file: File,
    /// An event was written in part, as on a full disk: the next one begins a line of its own.
    torn: bool,
}

impl Events {
    fn append(&mut self, line: &[u8]) -> std::io::Result<()> {
        if self.torn {
            end_torn_line(&mut self.file)?;
        }
        self.torn = true;
        self.file.write_all(line)?;
        self.torn = false;
        self.file.sync_data()
    }
}

#[derive(Serialize)]
struct Line<'a> {
    at: domain::Timestamp,
    #[serde(flatten)]
    event: &'a AuditEvent,
}

impl EventFile {
    pub(crate) fn open(dir: &Path, clock: std::sync::Arc<dyn Clock>) -> std::io::Result<Self> {
        use std::os::unix::fs::OpenOptionsExt as _;
        let folder = dir.join("trail");
        std::fs::create_dir_all(&folder)?;
        let path = folder.join("events.jsonl");
        let mut file = OpenOptions::new().create(true).append(true).read(true).mode(0o600).open(path)?;
        end_torn_line(&mut file)?;
        Ok(Self { events: Mutex::new(Events { file, torn: false }), clock })
    }
}

/// Whoever was killed in the middle of a line got no answer on it; the next event begins a line of its own.
fn end_torn_line(file: &mut File) -> std::io::Result<()> {
    let mut last = [b'\n'];
    if file.seek(SeekFrom::End(0))? > 0 {
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
    }
    if last == *b"\n" { Ok(()) } else { file.write_all(b"\n") }
}

impl AuditSink for EventFile {
    fn record(&self, event: &AuditEvent) -> Result<(), AuditError> {
        let failed = |error: &dyn std::fmt::Display| AuditError(error.to_string());
        let mut line =
            serde_json::to_vec(&Line { at: self.clock.now(), event }).map_err(|error| failed(&error))?;
        line.push(b'\n');
        let mut events = self.events.lock().map_err(|error| failed(&error))?;
        events.append(&line).map_err(|error| failed(&error))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn an_event_after_one_that_was_written_in_part_has_a_line_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        let file = OpenOptions::new().create(true).append(true).read(true).open(&path).unwrap();
        let mut events = Events { file, torn: false };
        events.append(b"one\n").unwrap();
        // What a full disk leaves of an event.
        events.file.write_all(b"tw").unwrap();
        events.torn = true;
        events.append(b"three\n").unwrap();
        events.append(b"four\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\ntw\nthree\nfour\n");
    }
}
