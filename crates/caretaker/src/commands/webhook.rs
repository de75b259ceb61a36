//! `caretaker webhook`: what platforms tell by themselves.

use catalog::{Connection, Task, Webhook};
use connectors::contract::Subscribed;
use connectors::registry;
use flows::FlowError;
use serde_json::{Value, json};

use crate::arguments::WebhookCommand;
use crate::commands::many::each;
use crate::home::Home;
use crate::output::{Output, exit};
use crate::works::{HaveTold, HaveToldNoMore, Session};

pub(crate) async fn run(home: &Home, command: &WebhookCommand, output: &Output) -> anyhow::Result<u8> {
    let tells = |connection: &Connection| connection.scope.platform.as_str() != registry::FILES;
    match command {
        WebhookCommand::On(names) => {
            each(home, names, output, tells, async |session, connection| {
                on(session, &connection, output).await
            })
            .await
        }
        WebhookCommand::Off(names) => {
            each(home, names, output, tells, async |session, connection| {
                off(session, &connection, output).await
            })
            .await
        }
        WebhookCommand::List => list(home, output).await,
    }
}

async fn on(session: &Session<'_>, connection: &Connection, output: &Output) -> anyhow::Result<u8> {
    let scope = &connection.scope;
    let public_url = session.file.public_url.as_ref().ok_or_else(|| {
        FlowError::Input(
            "this cell has no public name, so nobody can tell it anything: a cell gets one with `caretaker init … --public-url URL`. \
             Until then changes are found on schedule"
                .to_owned(),
        )
    })?;
    let schedules = session.catalog.schedules(&scope.tenant, &scope.connection).await?;
    if !schedules.iter().any(|schedule| schedule.task == Task::Backup) {
        let why = format!(
            "what is told is followed by the leave of a schedule, and `{0}` has none: give one first with `caretaker schedule set {0} \
             --backup 1h`",
            scope.connection
        );
        return Err(FlowError::Input(why).into());
    }
    let work = HaveTold { public_url: public_url.to_string() };
    let telling = session.work(connection, work, output).await?;
    print(connection, &telling, output)
}

async fn off(session: &Session<'_>, connection: &Connection, output: &Output) -> anyhow::Result<u8> {
    let name = &connection.scope.connection;
    match session.work(connection, HaveToldNoMore {}, output).await? {
        Some(telling) => print(connection, &telling, output),
        None => {
            let told = json!({ "connection": name, "told": 0, "made": 0, "removed": 0, "failed": [] });
            output.result(&told, || format!("`{name}` was not asked to tell anything."))?;
            Ok(exit::DONE)
        }
    }
}

fn print(connection: &Connection, telling: &Subscribed, output: &Output) -> anyhow::Result<u8> {
    let name = &connection.scope.connection;
    let Subscribed { there, made, removed, failed } = telling;
    let told = there + made;
    let failed_json: Vec<Value> = failed.iter().map(failed_as_json).collect();
    let shown =
        json!({ "connection": name, "told": told, "made": made, "removed": removed, "failed": failed_json });
    output.result(&shown, || {
        let mut lines = match (told, removed) {
            (0, removed) => vec![format!("`{name}` tells nothing any more ({removed} topics before).")],
            (told, _) => vec![format!("`{name}` tells of {told} topics, {made} of them new.")],
        };
        lines.extend(failed.iter().map(|(topic, why)| format!("  not {topic}: {why}")));
        lines.join("\n")
    })?;
    Ok(if failed.is_empty() { exit::DONE } else { exit::INCOMPLETE })
}

fn failed_as_json((topic, why): &(String, String)) -> Value {
    json!({ "topic": topic, "why": why })
}

async fn list(home: &Home, output: &Output) -> anyhow::Result<u8> {
    let catalog = home.unlock().await?.catalog;
    let mut rows = Vec::new();
    for Connection { scope, .. } in catalog.connections(&home.tenant).await? {
        rows.extend(catalog.webhook(&scope.tenant, &scope.connection).await?);
    }
    let shown: Vec<Value> = rows.iter().map(as_json).collect();
    output.result(&json!({ "webhooks": shown }), || match rows.as_slice() {
        [] => "No platform was asked to tell of changes.".to_owned(),
        rows => rows.iter().map(as_text).collect::<Vec<_>>().join("\n"),
    })?;
    Ok(exit::DONE)
}

fn as_json(webhook: &Webhook) -> Value {
    let Webhook { connection, url, asked_at, failed, heard_at, .. } = webhook;
    let failed: Vec<Value> = failed.iter().map(failed_as_json).collect();
    json!({ "connection": connection, "url": url, "asked_at": asked_at, "heard_at": heard_at, "failed": failed })
}

fn as_text(webhook: &Webhook) -> String {
    let Webhook { connection, url, asked_at, failed, heard_at, .. } = webhook;
    let time = |what: &str, at: &Option<domain::Timestamp>| match at {
        Some(at) => format!("{what} {at:.0}"),
        None => format!("never {what}"),
    };
    let mut lines = vec![format!(
        "{:<24} {}; {}; {url}",
        connection.as_str(),
        time("heard", heard_at),
        time("asked", asked_at)
    )];
    lines.extend(failed.iter().map(|(topic, why)| format!("{:<24}   not {topic}: {why}", "")));
    lines.join("\n")
}
