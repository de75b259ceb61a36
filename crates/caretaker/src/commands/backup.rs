//! `caretaker backup`.

use std::time::Duration;

use catalog::Connection;
use connectors::contract::Progress;
use domain::Kind;
use flows::backup::{Backup, BackupProgress};

use crate::commands::ingest::print_report;
use crate::commands::many::each;
use crate::home::Home;
use crate::names::Names;
use crate::output::Output;

/// Tells how far a backup is.
pub(crate) struct Bar<'a> {
    output: &'a Output,
}

impl<'a> Bar<'a> {
    pub(crate) fn new(output: &'a Output) -> Self {
        Self { output }
    }
}

impl BackupProgress for Bar<'_> {
    fn fetching(&self, progress: &Progress<'_>) {
        self.output.progress(
            &format!("fetching {}", progress.kind),
            progress.items,
            progress.total,
            &time_left(progress.remaining),
        );
    }

    fn writing(&self, kind: &Kind, records: u64) {
        self.output.progress(&format!("writing {kind}"), records, None, "");
    }
}

impl flows::restore::RestoreProgress for Bar<'_> {
    fn advanced(&self, what: &str, done: u64, of: u64, left: Option<Duration>) {
        self.output.progress(what, done, Some(of), &time_left(left));
    }
}

fn time_left(left: Option<Duration>) -> String {
    left.map_or_else(String::new, |left| format!("{} s left", left.as_secs()))
}

pub(crate) async fn run(home: &Home, names: &Names, full: bool, output: &Output) -> anyhow::Result<u8> {
    // What takes its records from files has nothing to fetch.
    let fetched = |connection: &Connection| connection.scope.platform.as_str() != "jsonl";
    each(home, names, output, fetched, async |cell, connection| {
        let bar = Bar::new(output);
        let report = flows::backup::backup(cell, &Backup { connection, full }, &bar).await?;
        print_report(output, &report)
    })
    .await
}
