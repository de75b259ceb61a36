//! `caretaker item`: lists, one record, its history.

use serde_json::{Map, Value, json};

use crate::arguments::ItemCommand;
use crate::home::Home;
use crate::output::{Output, exit, shown};
use crate::works::{ItemHistory, ListItems, ShowItem, cell_text};

pub(crate) async fn run(home: &Home, command: &ItemCommand, output: &Output) -> anyhow::Result<u8> {
    let session = home.session().await?;
    let (ItemCommand::List { name, .. } | ItemCommand::Show { name, .. } | ItemCommand::History { name, .. }) =
        command;
    let connection = session.connection(name).await?;
    match command {
        ItemCommand::List { kind, at, search, .. } => {
            let work = ListItems { kind: kind.clone(), at: at.clone(), search: search.clone() };
            let items = session.work(&connection, work, output).await?;
            let rows: Vec<_> = items
                .rows
                .iter()
                .map(|row| {
                    let named: Map<String, Value> =
                        items.columns.iter().cloned().zip(row.cells.iter().cloned()).collect();
                    json!({ "id": row.id, "snapshot": row.snapshot, "summary": named })
                })
                .collect();
            output.result(&json!({ "kind": kind, "snapshot": items.snapshot, "items": rows }), || {
                items
                    .rows
                    .iter()
                    .map(|row| {
                        let cells: Vec<String> = row.cells.iter().map(cell_text).collect();
                        format!("{}  {}\n", shown(&row.id), shown(&cells.join("  ")))
                    })
                    .collect()
            })?;
        }
        ItemCommand::Show { kind, id, at, .. } => {
            let work = ShowItem { kind: kind.clone(), id: id.clone(), at: at.clone() };
            let payload = session.work(&connection, work, output).await?;
            // The payload as stored, byte for byte, and a line end after it.
            output.raw(payload.0.as_bytes())?;
            output.raw(b"\n")?;
        }
        ItemCommand::History { kind, id, .. } => {
            let work = ItemHistory { kind: kind.clone(), id: id.clone() };
            let versions = session.work(&connection, work, output).await?;
            output.result(&json!({ "kind": kind, "id": id, "versions": versions }), || {
                versions
                    .iter()
                    .map(|version| {
                        let what =
                            version.removed.map_or("new version".to_owned(), |why| format!("gone ({why:?})"));
                        format!("{:>6}  {:.0}  {what}\n", version.snapshot, version.taken_at)
                    })
                    .collect()
            })?;
        }
    }
    Ok(exit::DONE)
}
