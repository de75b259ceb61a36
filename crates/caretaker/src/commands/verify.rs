//! `caretaker verify`.

use std::process::ExitCode;

use domain::{Action, ConnectionId};
use repository::{CommitName, Depth};

use crate::arguments::Common;
use crate::commands::ingest::size;
use crate::home;
use crate::output::{Output, exit};

pub(crate) async fn run(
    common: &Common,
    name: &ConnectionId,
    all_bytes: bool,
    expect_head: Option<&str>,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let expected: Option<CommitName> = expect_head
        .map(|head| {
            head.parse()
                .map_err(|_| flows::FlowError::Input(format!("`{head}` is not a head that `backup` printed")))
        })
        .transpose()?;
    let cell = home::open(common).await?;
    let scope = cell.connection(&common.tenant, name).await?.scope;
    let grant = cell.grant(&scope, &[Action::Verify], "verify").await?;
    let known = match expected {
        Some(expected) => Some(expected),
        None => cell.known_head(&scope).await?,
    };
    let depth = if all_bytes { Depth::AllBytes } else { Depth::Structure };
    let told = |progress: repository::VerifyProgress| {
        output.progress("verifying", progress.bytes_done, Some(progress.bytes), "");
    };
    let report = cell.repository(&scope).verify(&grant, depth, known.as_ref(), &told).await?;
    output.result(&report, || {
        let mut text = String::new();
        for damaged in &report.damaged {
            text += &format!("damaged: {} {} of snapshot {}\n", damaged.kind, damaged.id, damaged.snapshot);
        }
        for object in &report.damaged_objects {
            text += &format!("damaged: {}: {}\n", object.object, object.detail);
        }
        for object in &report.missing_objects {
            text += &format!("missing: {object}\n");
        }
        let what = if all_bytes { "every byte" } else { "the index of everything" };
        if report.ok {
            text += &format!(
                "Whole: {what} of {} objects ({}), {} versions of records.",
                report.objects,
                size(report.bytes),
                report.records
            );
        } else {
            text += "NOT WHOLE: see above.";
        }
        text
    })?;
    Ok(if report.ok { ExitCode::SUCCESS } else { ExitCode::from(exit::INTEGRITY) })
}
