//! `caretaker snapshot`.

use catalog::Connection;
use domain::{Action, Scope};
use flows::{Cell, FlowError, retention};
use repository::Retention;
use serde_json::json;

use crate::arguments::{SnapshotCommand, SnapshotPrune};
use crate::commands::many::each;
use crate::home::Home;
use crate::output::{Output, exit};

pub(crate) async fn run(home: &Home, command: &SnapshotCommand, output: &Output) -> anyhow::Result<u8> {
    match command {
        SnapshotCommand::List(names) => {
            each(
                home,
                names,
                output,
                |_| true,
                async |cell, connection| {
                    list(cell, &connection.scope, output).await?;
                    Ok(exit::DONE)
                },
            )
            .await
        }
        SnapshotCommand::Prune(words) => prune(home, words, output).await,
    }
}

async fn list(cell: &Cell, scope: &Scope, output: &Output) -> anyhow::Result<()> {
    let (tenant, name) = (&scope.tenant, &scope.connection);
    let snapshots = match flows::read::open(cell, tenant, name, Action::Read, "list snapshots").await {
        Ok(reader) => reader.snapshots().await?,
        // Connected, and never backed up.
        Err(FlowError::NotFound(_)) => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    let rows: Vec<_> = snapshots
        .iter()
        .map(|head| {
            let kinds: serde_json::Map<_, _> = head
                .commit
                .kinds
                .iter()
                .map(|(kind, state)| (kind.to_string(), json!(state.records)))
                .collect();
            json!({
                "snapshot": head.name.number,
                "head": head.name,
                "taken_at": head.commit.taken_at,
                "complete": head.commit.complete,
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
            .map(|head| {
                let records: u64 = head.commit.kinds.values().map(|kind| kind.records).sum();
                let whole = if head.commit.complete { "" } else { "  not whole" };
                format!("{:>6}  {:.0}  {records:>9} records{whole}\n", head.name.number, head.commit.taken_at)
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
        async |cell, connection| {
            prune_one(cell, &connection, (words, &rules), output).await?;
            Ok(exit::DONE)
        },
    )
    .await
}

async fn prune_one(
    cell: &Cell,
    connection: &Connection,
    (words, rules): (&SnapshotPrune, &Retention),
    output: &Output,
) -> anyhow::Result<()> {
    let name = &connection.scope.connection;
    let pruning = retention::pruning(cell, connection, rules).await?;
    for gone in &pruning.dropped {
        output.say(&format!("{:>6}  {:.0}  goes", gone.snapshot, gone.taken_at));
    }
    for kept in &pruning.kept {
        output.say(&format!("{:>6}  {:.0}  stays", kept.snapshot, kept.taken_at));
    }
    let numbers: Vec<_> = pruning.dropped.iter().map(|gone| gone.snapshot).collect();
    let mut head = cell.known_head(&connection.scope).await?;
    if !words.dry_run && !numbers.is_empty() {
        let what = format!(
            "{} of {} snapshots are dropped for good.",
            numbers.len(),
            numbers.len() + pruning.kept.len()
        );
        output.confirm(name, &what, words.yes)?;
        head = Some(retention::prune(cell, connection, &numbers).await?);
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
