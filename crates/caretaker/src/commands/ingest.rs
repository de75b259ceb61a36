//! `caretaker ingest`: JSON lines into a `jsonl` connection.

use std::fs::File;
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::time::Duration;

use flows::{FlowError, RunReport};

use crate::arguments;
use crate::home::Home;
use crate::output::{Output, exit};
use crate::works::{Aids, IngestFile};

/// The file, or what comes by the standard input.
fn given(path: &PathBuf) -> flows::Result<File> {
    let opened = match path.as_os_str() == "-" {
        true => std::io::stdin().as_fd().try_clone_to_owned().map(File::from),
        false => File::open(path),
    };
    opened.map_err(|source| FlowError::File { operation: "read", path: path.display().to_string(), source })
}

pub(crate) async fn run(home: &Home, words: &arguments::Ingest, output: &Output) -> anyhow::Result<u8> {
    let session = home.session().await?;
    let connection = session.connection(&words.name).await?;
    let file = given(&words.file)?;
    let work = IngestFile {
        kind: words.kind.clone(),
        id: words.id.clone(),
        subject: words.subject.clone(),
        all: words.all,
        may_remove_all: words.yes,
        name: words.file.display().to_string(),
    };
    let aids = Aids { lent: Some(&file), ..Aids::default() };
    let report = session.work_with(&connection, work, aids, output).await?;
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
