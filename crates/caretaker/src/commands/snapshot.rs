//! `caretaker snapshot`.

use catalog::Connection;
use flows::FlowError;
use repository::Retention;
use serde_json::json;

use crate::arguments::{SnapshotCommand, SnapshotPrune};
use crate::commands::many::each;
use crate::home::Home;
use crate::output::{Output, exit};
use crate::works::{ChooseSnapshots, DropSnapshots, ListSnapshots, Session};

pub(crate) async fn run(home: &Home, command: &SnapshotCommand, output: &Output) -> anyhow::Result<u8> {
    match command {
        SnapshotCommand::List(names) => {
            each(
                home,
                names,
                output,
                |_| true,
                async |session, connection| {
                    list(session, &connection, output).await?;
                    Ok(exit::DONE)
                },
            )
            .await
        }
        SnapshotCommand::Prune(words) => prune(home, words, output).await,
    }
}

async fn list(session: &Session<'_>, connection: &Connection, output: &Output) -> anyhow::Result<()> {
    let name = &connection.scope.connection;
    let snapshots = session.work(connection, ListSnapshots {}, output).await?;
    let rows: Vec<_> = snapshots
        .iter()
        .map(|snapshot| {
            let kinds: serde_json::Map<_, _> =
                snapshot.records.iter().map(|(kind, records)| (kind.to_string(), json!(records))).collect();
            json!({
                "snapshot": snapshot.number,
                "head": snapshot.head,
                "taken_at": snapshot.taken_at,
                "complete": snapshot.complete,
                "records": kinds,
            })
        })
        .collect();
    output.result(&json!({ "snapshots": rows }), || {
        if snapshots.is_empty() {
            return format!("`{name}` was never backed up.");
        }
        snapshots
            .iter()
            .map(|snapshot| {
                let records: u64 = snapshot.records.iter().map(|(_, records)| records).sum();
                let whole = if snapshot.complete { "" } else { "  not whole" };
                format!("{:>6}  {:.0}  {records:>9} records{whole}\n", snapshot.number, snapshot.taken_at)
            })
            .collect()
    })
}

/// Drops what the rules do not keep.
async fn prune(home: &Home, words: &SnapshotPrune, output: &Output) -> anyhow::Result<u8> {
    let rules = Retention {
        last: words.keep_last,
        hourly: words.keep_hourly,
        daily: words.keep_daily,
        weekly: words.keep_weekly,
        monthly: words.keep_monthly,
        yearly: words.keep_yearly,
    };
    if rules == Retention::default() {
        return Err(FlowError::Input(
            "say what is kept, such as --keep-daily 30 --keep-monthly 12; rules that all keep 0 would keep nothing"
                .to_owned(),
        )
        .into());
    }
    each(
        home,
        &words.names,
        output,
        |_| true,
        async |session, connection| {
            prune_one(session, &connection, (words, &rules), output).await?;
            Ok(exit::DONE)
        },
    )
    .await
}

async fn prune_one(
    session: &Session<'_>,
    connection: &Connection,
    (words, rules): (&SnapshotPrune, &Retention),
    output: &Output,
) -> anyhow::Result<()> {
    let name = &connection.scope.connection;
    let pruning = session.work(connection, ChooseSnapshots { rules: *rules }, output).await?;
    for gone in &pruning.dropped {
        output.say(&format!("{:>6}  {:.0}  goes", gone.snapshot, gone.taken_at));
    }
    for kept in &pruning.kept {
        output.say(&format!("{:>6}  {:.0}  stays", kept.snapshot, kept.taken_at));
    }
    let numbers: Vec<_> = pruning.dropped.iter().map(|gone| gone.snapshot).collect();
    let mut head = session.known_head(connection).await?;
    if !words.dry_run && !numbers.is_empty() {
        let what = format!(
            "{} of {} snapshots are dropped for good.",
            numbers.len(),
            numbers.len() + pruning.kept.len()
        );
        output.confirm(name, &what, words.yes)?;
        head = Some(session.work(connection, DropSnapshots { numbers: numbers.clone() }, output).await?);
    }
    let answer =
        json!({ "kept": pruning.kept, "dropped": pruning.dropped, "dry_run": words.dry_run, "head": head });
    output.result(&answer, || {
        let (gone, kept) = (numbers.len(), pruning.kept.len());
        match (words.dry_run, gone) {
            (_, 0) => format!("Nothing to drop: the rules keep all {kept} snapshots."),
            (true, _) => format!("{gone} snapshots would be dropped, {kept} kept. Nothing was changed."),
            (false, _) => format!(
                "{gone} snapshots were dropped, {kept} are kept.\n\
                 Their space comes back with `caretaker store compact {name}`, and `caretaker store collect {name}` \
                 some days later."
            ),
        }
    })
}
