//! `caretaker ingest`: JSON lines into a `jsonl` connection.

use std::time::Duration;

use flows::RunReport;
use flows::ingest::{Ingest, IngestProgress};

use crate::arguments;
use crate::home::Home;
use crate::output::{Output, exit};

struct Progress<'a>(&'a Output);

impl IngestProgress for Progress<'_> {
    fn advanced(&self, bytes: u64, of: Option<u64>, records: u64) {
        self.0.progress(&format!("ingest, {records} records"), bytes, of, "");
    }
}

pub(crate) async fn run(home: &Home, words: &arguments::Ingest, output: &Output) -> anyhow::Result<u8> {
    let cell = home.open().await?;
    let connection = cell.connection(&home.tenant, &words.name).await?;
    let ingest = Ingest {
        connection,
        kind: words.kind.clone(),
        id: words.id.clone(),
        subject: words.subject.clone(),
        all: words.all,
        may_remove_all: words.yes,
        file: (words.file.as_os_str() != "-").then(|| words.file.clone()),
    };
    let report = flows::ingest::ingest(&cell, &ingest, &Progress(output)).await?;
    print_report(output, &report)
}

/// Prints what a run did; exit 3 where it is not whole.
pub(crate) fn print_report(output: &Output, report: &RunReport) -> anyhow::Result<u8> {
    output.result(report, || {
        let mut text = format!("Snapshot {}, head {}\n", report.snapshot, report.head);
        for (kind, counts) in &report.kinds {
            text += &format!(
                "  {:<22} {:>8} seen {:>8} added {:>7} changed {:>7} removed",
                kind.as_str(),
                counts.seen,
                counts.added,
                counts.changed,
                counts.removed
            );
            if counts.skipped > 0 {
                text += &format!(" {:>7} skipped", counts.skipped);
            }
            text += "\n";
            for gap in &counts.gaps {
                text += &format!("    not there: {} ({})\n", gap.what, gap.detail);
            }
        }
        text += &format!(
            "{} read, {} written, {} requests, {} throttled, {:.1} s",
            size(report.bytes_read),
            size(report.bytes_written),
            report.requests,
            report.throttled,
            Duration::from_millis(report.duration_ms).as_secs_f64()
        );
        if !report.complete {
            text += "\nNot whole: see what is not there, above.";
        }
        text
    })?;
    Ok(if report.complete { exit::DONE } else { exit::INCOMPLETE })
}

/// A size for people.
pub(crate) fn size(bytes: u64) -> String {
    indicatif::HumanBytes(bytes).to_string()
}
