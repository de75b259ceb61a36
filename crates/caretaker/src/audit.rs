//! The record of what was done: one JSON line per event, in a file that is only ever appended to.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::sync::Mutex;

use domain::{AuditError, AuditEvent, AuditSink, Clock};
use serde::Serialize;

/// Appends events to `DIR/trail/events.jsonl`, each durably before the answer is given.
#[derive(Debug)]
pub(crate) struct EventFile {
    file: Mutex<File>,
    clock: std::sync::Arc<dyn Clock>,
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
        let file =
            OpenOptions::new().create(true).append(true).mode(0o600).open(folder.join("events.jsonl"))?;
        Ok(Self { file: Mutex::new(file), clock })
    }
}

impl AuditSink for EventFile {
    fn record(&self, event: &AuditEvent) -> Result<(), AuditError> {
        let failed = |error: &dyn std::fmt::Display| AuditError(error.to_string());
        let mut line =
            serde_json::to_vec(&Line { at: self.clock.now(), event }).map_err(|error| failed(&error))?;
        line.push(b'\n');
        let mut file = self.file.lock().map_err(|error| failed(&error))?;
        file.write_all(&line).and_then(|()| file.sync_data()).map_err(|error| failed(&error))
    }
}
