//! `caretaker verify`.

use catalog::Connection;
use repository::CommitName;

use crate::commands::ingest::size;
use crate::commands::many::each;
use crate::home::Home;
use crate::names::Names;
use crate::output::{Output, exit};
use crate::works::{Session, Verify};

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
        async |session, connection| {
            verify(session, &connection, Verify { all_bytes, expected: expected.clone() }, output).await
        },
    )
    .await
}

async fn verify(
    session: &Session<'_>,
    connection: &Connection,
    work: Verify,
    output: &Output,
) -> anyhow::Result<u8> {
    let all_bytes = work.all_bytes;
    let report = session.work(connection, work, output).await?;
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
