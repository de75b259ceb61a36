//! `caretaker verify`.

use domain::{Action, Scope};
use flows::Cell;
use repository::{CommitName, DamagedObject, Depth, RepositoryError};

use crate::commands::ingest::size;
use crate::commands::many::each;
use crate::home::Home;
use crate::names::Names;
use crate::output::{Output, exit};

pub(crate) async fn run(
    home: &Home,
    names: &Names,
    all_bytes: bool,
    expect_head: Option<&str>,
    output: &Output,
) -> anyhow::Result<u8> {
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
        home,
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
    let remembered = cell.known_head(scope).await?;
    // Both count: whoever wrote an older head down does not know of the snapshots since, and the catalog may have been
    // put back together with the store.
    let newest = expected.max(remembered.as_ref());
    let depth = if all_bytes { Depth::AllBytes } else { Depth::Structure };
    let told = |progress: repository::VerifyProgress| {
        output.progress("verifying", progress.bytes_done, Some(progress.bytes), "");
    };
    let repository = cell.repository(scope);
    let report = repository.verify(&grant, depth, newest, &told).await;
    let mut report = report.map_err(|error| flows::read::never_backed_up(&scope.connection, error))?;
    for other in expected.into_iter().chain(remembered.as_ref()).filter(|head| Some(*head) != newest) {
        let Err(error) = repository.reader(&grant, Action::Verify, Some(other)).await else { continue };
        match error {
            RepositoryError::Damaged { object, detail } => {
                report.ok = false;
                let found = DamagedObject { object, detail };
                if !report.damaged_objects.contains(&found) {
                    report.damaged_objects.push(found);
                }
            }
            // What else is wrong with the newest commit is in the report.
            _ if !report.ok => {}
            error => return Err(error.into()),
        }
    }
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
