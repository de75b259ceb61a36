//! `caretaker connection`.

use std::collections::{BTreeMap, BTreeSet};

use catalog::Connection;
use connectors::registry;
use domain::ConnectionId;
use flows::coverage::{Coverage, Kept};
use serde_json::json;

use crate::arguments::ConnectionCommand;
use crate::commands::many::each;
use crate::home::Home;
use crate::names::Tag;
use crate::output::{Output, exit};
use crate::works::{Cover, Session};

pub(super) type Tags = BTreeMap<ConnectionId, BTreeSet<String>>;

fn tags_of<'a>(connection: &Connection, tags: &'a Tags) -> impl Iterator<Item = &'a str> {
    tags.get(&connection.scope.connection).into_iter().flatten().map(String::as_str)
}

pub(super) fn as_json(connection: &Connection, tags: &Tags) -> serde_json::Value {
    json!({
        "name": connection.scope.connection,
        "platform": connection.scope.platform,
        "region": connection.scope.region,
        "url": connection.url,
        "created_at": connection.created_at,
        "tags": tags_of(connection, tags).collect::<Vec<_>>(),
    })
}

fn as_text(connection: &Connection, tags: &Tags) -> String {
    let Connection { scope, url, .. } = connection;
    let tags: String = tags_of(connection, tags).map(|tag| format!("  #{tag}")).collect();
    let line = format!(
        "{:<24} {:<12} {:<8} {url}{tags}",
        scope.connection.as_str(),
        scope.platform.as_str(),
        scope.region.as_str()
    );
    line.trim_end().to_owned()
}

pub(super) fn words(tags: &[Tag]) -> Vec<String> {
    tags.iter().map(|tag| tag.as_str().to_owned()).collect()
}

pub(crate) async fn run(home: &Home, command: &ConnectionCommand, output: &Output) -> anyhow::Result<u8> {
    match command {
        ConnectionCommand::List => {
            let session = home.session().await?;
            let connections = session.catalog.connections(&home.tenant).await?;
            let tags = session.catalog.tags(&home.tenant).await?;
            let rows: Vec<_> = connections.iter().map(|one| as_json(one, &tags)).collect();
            output.result(&json!({ "connections": rows }), || {
                if connections.is_empty() {
                    return "Nothing is connected yet: `caretaker connect …`".to_owned();
                }
                connections.iter().map(|connection| as_text(connection, &tags) + "\n").collect()
            })?;
            Ok(exit::DONE)
        }
        ConnectionCommand::Show(names) => {
            let show = async |session: &Session<'_>, connection: Connection| {
                show(session, &connection, output).await?;
                Ok(exit::DONE)
            };
            each(home, names, output, |_| true, show).await
        }
        ConnectionCommand::Tag { name, add, remove } => {
            let session = home.session().await?;
            let connection = session.connection(name).await?;
            session.catalog.change_tags(&home.tenant, name, &words(add), &words(remove)).await?;
            show(&session, &connection, output).await?;
            Ok(exit::DONE)
        }
        ConnectionCommand::Coverage(names) => {
            let stores = |connection: &Connection| connection.scope.platform.as_str() != registry::FILES;
            let cover = async |session: &Session<'_>, connection: Connection| {
                let coverage = session.work(&connection, Cover {}, output).await?;
                output.result(&coverage, || coverage_text(&coverage))?;
                Ok(exit::DONE)
            };
            each(home, names, output, stores, cover).await
        }
    }
}

async fn show(session: &Session<'_>, connection: &Connection, output: &Output) -> anyhow::Result<()> {
    let tags = session.catalog.tags(&connection.scope.tenant).await?;
    output.result(&as_json(connection, &tags), || as_text(connection, &tags))
}

fn coverage_text(coverage: &Coverage) -> String {
    let mut text = match coverage.snapshot {
        Some(number) => format!("Snapshot {number}\n"),
        None => "Nothing was backed up yet.\n".to_owned(),
    };
    for kind in &coverage.kinds {
        let backed_up = if kind.backed_up { "backed up" } else { "not whole" };
        let restorable = if kind.restorable { "restorable" } else { "for reading only" };
        text += &format!("{:<22} {:>8}  {backed_up:<10} {restorable}\n", kind.kind, kind.records);
        if let Some(Kept { changes, half_within_s, most_within_s, all_within_s }) = &kind.kept {
            text += &format!(
                "    {changes} changes of the last 30 days: half of them kept within {half_within_s} s, 99 of 100 within \
                 {most_within_s} s, all within {all_within_s} s\n"
            );
        }
        if !kind.note.is_empty() {
            text += &format!("    {}\n", kind.note);
        }
        for gap in &kind.gaps {
            text += &format!("    not there: {} ({})\n", gap.what, gap.detail);
        }
        for scope in &kind.missing_to_read {
            text += &format!("    cannot be read without the scope `{scope}`\n");
        }
        for scope in &kind.missing_to_restore {
            text += &format!("    cannot be restored without the scope `{scope}`\n");
        }
        for loss in &kind.lost {
            let what = if loss.pointer.is_empty() { "the item itself" } else { &loss.pointer };
            text += &format!("    lost: {what} ({})\n", loss.why);
        }
    }
    text + &coverage.approvals.join("\n")
}
