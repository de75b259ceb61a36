//! `caretaker verify`.

use std::process::ExitCode;

use domain::{Action, Scope};
use flows::Cell;
use repository::{CommitName, Depth};

use crate::arguments::Common;
use crate::commands::ingest::size;
use crate::commands::many::each;
use crate::names::Names;
use crate::output::{Output, exit};

pub(crate) async fn run(
    common: &Common,
    names: &Names,
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
    if expected.is_some() && names.name.is_none() {
        return Err(flows::FlowError::Input(
            "--expect-head is the head of one connection: give its name".to_owned(),
        )
        .into());
    }
    each(
        common,
        names,
        output,
        |_| true,
        async |cell, connection| verify(cell, &connection.scope, all_bytes, expected.as_ref(), output).await,
    )
    .await
}

async fn verify(
    cell: &Cell,
    scope: &Scope,
    all_bytes: bool,
    expected: Option<&CommitName>,
    output: &Output,
) -> anyhow::Result<u8> {
    let grant = cell.grant(scope, &[Action::Verify], "verify").await?;
    let known = match expected {
        Some(expected) => Some(expected.clone()),
        None => cell.known_head(scope).await?,
    };
    let depth = if all_bytes { Depth::AllBytes } else { Depth::Structure };
    let told = |progress: repository::VerifyProgress| {
        output.progress("verifying", progress.bytes_done, Some(progress.bytes), "");
    };
    let report = cell.repository(scope).verify(&grant, depth, known.as_ref(), &told).await;
    let report = report.map_err(|error| flows::read::never_backed_up(&scope.connection, error))?;
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
    Ok(if report.ok { exit::DONE } else { exit::INTEGRITY })
}
