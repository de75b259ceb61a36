//! `caretaker backup`.

use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Duration;

use connectors::contract::Progress;
use domain::{ConnectionId, Kind};
use flows::backup::{Backup, BackupProgress};

use crate::arguments::Common;
use crate::commands::ingest::print_report;
use crate::home;
use crate::output::Output;

/// Progress is told at most so often.
const PROGRESS_EVERY: Duration = Duration::from_millis(200);

/// Tells how far a backup is.
pub(crate) struct Bar<'a> {
    output: &'a Output,
    clock: std::sync::Arc<dyn domain::Clock>,
    told: Mutex<Duration>,
}

impl<'a> Bar<'a> {
    pub(crate) fn new(output: &'a Output, cell: &flows::Cell) -> Self {
        let clock = std::sync::Arc::clone(&cell.clock);
        Self { output, told: Mutex::new(clock.monotonic()), clock }
    }

    fn due(&self) -> bool {
        let now = self.clock.monotonic();
        let Ok(mut told) = self.told.lock() else { return false };
        let due = now.saturating_sub(*told) >= PROGRESS_EVERY;
        if due {
            *told = now;
        }
        due
    }
}

impl BackupProgress for Bar<'_> {
    fn fetching(&self, progress: &Progress<'_>) {
        if self.due() {
            let left =
                progress.remaining.map_or_else(String::new, |left| format!("{} s left", left.as_secs()));
            self.output.progress(
                &format!("fetching {}", progress.kind),
                progress.items,
                progress.total,
                &left,
            );
        }
    }

    fn writing(&self, kind: &Kind, records: u64) {
        if self.due() {
            self.output.progress(&format!("writing {kind}"), records, None, "");
        }
    }
}

impl flows::restore::RestoreProgress for Bar<'_> {
    fn advanced(&self, what: &str, done: u64, of: u64) {
        if self.due() {
            self.output.progress(what, done, Some(of), "");
        }
    }
}

pub(crate) async fn run(
    common: &Common,
    name: &ConnectionId,
    full: bool,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let cell = home::open(common).await?;
    let connection = cell.connection(&common.tenant, name).await?;
    let report = flows::backup::backup(&cell, &Backup { connection, full }, &Bar::new(output, &cell)).await?;
    print_report(output, &report)
}
