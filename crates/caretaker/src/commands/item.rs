//! `caretaker item`: lists, one record, its history.

use domain::Action;
use serde_json::{Value, json};

use crate::arguments::ItemCommand;
use crate::home::Home;
use crate::output::{Output, exit, shown};

pub(crate) async fn run(home: &Home, command: &ItemCommand, output: &Output) -> anyhow::Result<u8> {
    let cell = home.open().await?;
    let (ItemCommand::List { name, .. } | ItemCommand::Show { name, .. } | ItemCommand::History { name, .. }) =
        command;
    let platform = cell.connection(&home.tenant, name).await?.scope.platform;
    match command {
        ItemCommand::List { name, kind, at, search } => {
            let reader = flows::read::open(&cell, &home.tenant, name, Action::Read, "list records").await?;
            let head = flows::read::snapshot(&reader, at).await?;
            flows::read::check_kind(&platform, [&head], kind)?;
            let columns = head.commit.kinds.get(kind).map(|state| state.columns.clone()).unwrap_or_default();
            let needle = search.as_ref().map(|text| text.to_lowercase());
            let mut scan = reader.scan(kind, head.name.number, None).await?;
            let mut rows = Vec::new();
            let mut seen = 0;
            while let Some(row) = scan.next_summary().await? {
                seen += 1;
                output.progress(&format!("listing {kind}"), seen, None, "");
                let cells: Vec<Value> =
                    row.cells.and_then(|cells| serde_json::from_slice(&cells).ok()).unwrap_or_default();
                let found = needle.as_ref().is_none_or(|needle| {
                    row.id.to_lowercase().contains(needle)
                        || cells.iter().any(|cell| cell_text(cell).to_lowercase().contains(needle))
                });
                if found {
                    rows.push((row.id, row.number, cells));
                }
            }
            let answer: Vec<_> = rows
                .iter()
                .map(|(id, number, cells)| {
                    let named: serde_json::Map<String, Value> =
                        columns.iter().cloned().zip(cells.iter().cloned()).collect();
                    json!({ "id": id, "snapshot": number, "summary": named })
                })
                .collect();
            output.result(&json!({ "kind": kind, "snapshot": head.name.number, "items": answer }), || {
                rows.iter()
                    .map(|(id, _, cells)| {
                        let cells: Vec<String> = cells.iter().map(cell_text).collect();
                        format!("{}  {}\n", shown(id), shown(&cells.join("  ")))
                    })
                    .collect()
            })?;
        }
        ItemCommand::Show { name, kind, id, at } => {
            let reader = flows::read::open(&cell, &home.tenant, name, Action::Read, "show a record").await?;
            let head = flows::read::snapshot(&reader, at).await?;
            flows::read::check_kind(&platform, [&head], kind)?;
            let record = flows::read::record(&reader, kind, id, head.name.number).await?;
            // The payload as stored, byte for byte, and a line end after it.
            output.clear();
            output.raw(&record.payload)?;
            output.raw(b"\n")?;
        }
        ItemCommand::History { name, kind, id } => {
            let reader = flows::read::open(&cell, &home.tenant, name, Action::Read, "show a history").await?;
            flows::read::check_kind(&platform, [reader.head()], kind)?;
            let history = flows::read::history(&reader, kind, id).await?;
            let rows: Vec<_> = history
                .iter()
                .map(|line| json!({ "snapshot": line.number, "taken_at": line.taken_at, "removed": line.removed }))
                .collect();
            output.result(&json!({ "kind": kind, "id": id, "versions": rows }), || {
                history
                    .iter()
                    .map(|line| {
                        let what =
                            line.removed.map_or("new version".to_owned(), |why| format!("gone ({why:?})"));
                        format!("{:>6}  {:.0}  {what}\n", line.number, line.taken_at)
                    })
                    .collect()
            })?;
        }
    }
    Ok(exit::DONE)
}

fn cell_text(cell: &Value) -> String {
    match cell {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}
