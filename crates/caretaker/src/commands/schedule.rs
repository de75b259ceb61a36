//! `caretaker schedule`: what a cell that runs does by itself.

use catalog::{Connection, Schedule, Task};
use connectors::registry;
use domain::{Action, Id128, Platform};
use flows::store_access::{self, Way, WhichStore};
use flows::{FlowError, schedule};
use serde_json::{Value, json};
use vault::{ORDER_TTL_MAX, Order};

use crate::arguments::ScheduleCommand;
use crate::commands::many::each;
use crate::home::Home;
use crate::names::Every;
use crate::output::{Output, exit};
use crate::stores;
use crate::works::{KeepSchedules, Session};

/// What somebody must be allowed who has a task done.
fn action(task: Task) -> Action {
    match task {
        Task::Backup => Action::Backup,
        Task::Verify => Action::Verify,
    }
}

pub(crate) async fn run(home: &Home, command: &ScheduleCommand, output: &Output) -> anyhow::Result<u8> {
    match command {
        ScheduleCommand::List => list(home, output).await,
        ScheduleCommand::Set { names, backup, verify } => {
            // What takes its records from files has nothing to fetch.
            let fetched = |connection: &Connection| connection.scope.platform.as_str() != registry::FILES;
            let concerns = |connection: &Connection| verify.is_some() || fetched(connection);
            each(home, names, output, concerns, async |session, connection| {
                let name = &connection.scope.connection;
                let backup = match fetched(&connection) {
                    true => *backup,
                    false if backup.is_some() && names.name.is_some() => {
                        let why = format!("`{name}` takes its records from files: there is nothing to fetch");
                        return Err(FlowError::Input(why).into());
                    }
                    false => None,
                };
                set(session, &connection, &[(Task::Backup, backup), (Task::Verify, *verify)], output).await
            })
            .await
        }
        ScheduleCommand::Pause(names) => {
            each(
                home,
                names,
                output,
                |_| true,
                async |session, connection| {
                    session
                        .catalog
                        .pause_schedules(&connection.scope.tenant, &connection.scope.connection)
                        .await?;
                    told(session, &connection, output).await
                },
            )
            .await
        }
        ScheduleCommand::Resume(names) => {
            each(
                home,
                names,
                output,
                |_| true,
                async |session, connection| {
                    for before in of(session, &connection).await? {
                        put(session, &connection, Schedule { paused: false, ..before }).await?;
                    }
                    told(session, &connection, output).await
                },
            )
            .await
        }
        ScheduleCommand::Remove { names, task } => {
            let task: Option<Task> = task.as_ref().and_then(|task| task.parse().ok());
            each(
                home,
                names,
                output,
                |_| true,
                async |session, connection| {
                    let scope = &connection.scope;
                    for Schedule { task: own, .. } in of(session, &connection).await? {
                        if task.is_none_or(|task| task == own)
                            && let Some(removed) =
                                session.catalog.remove_schedule(&scope.tenant, &scope.connection, own).await?
                        {
                            end(session, &removed, output).await;
                        }
                    }
                    told(session, &connection, output).await
                },
            )
            .await
        }
    }
}

async fn of(session: &Session<'_>, connection: &Connection) -> anyhow::Result<Vec<Schedule>> {
    let scope = &connection.scope;
    Ok(session.catalog.schedules(&scope.tenant, &scope.connection).await?)
}

async fn set(
    session: &Session<'_>,
    connection: &Connection,
    wanted: &[(Task, Option<Every>)],
    output: &Output,
) -> anyhow::Result<u8> {
    for (task, every) in wanted {
        let Some(Every { seconds }) = every else { continue };
        let mut chance = [0; 8];
        session.handles.rng.fill(&mut chance);
        let new = schedule::new(connection, *task, *seconds, u64::from_le_bytes(chance));
        put(session, connection, new).await?;
    }
    told(session, connection, output).await
}

/// Keeps a schedule, with new orders. Those of the one before are ended.
async fn put(session: &Session<'_>, connection: &Connection, wanted: Schedule) -> anyhow::Result<()> {
    let before = of(session, connection).await?.into_iter().find(|before| before.task == wanted.task);
    let orders = orders(session, connection, wanted.task).await?;
    let new = Schedule { orders: serde_json::to_value(&orders)?, ..wanted };
    session.catalog.put_schedule(&new).await?;
    if let Some(before) = before {
        // Whatever is under way on it goes on with the grant that it has.
        for order in ids(&before) {
            // One that has ended by itself is as good.
            let _ = session.operator.end_order(order).await;
        }
    }
    Ok(())
}

/// The orders on which a task is done when nobody is there: one for the connection, and one for each of the cell's stores that is a
/// bucket.
async fn orders(session: &Session<'_>, connection: &Connection, task: Task) -> anyhow::Result<Vec<Order>> {
    let scope = &connection.scope;
    let purpose = format!("{} on schedule", task.as_str());
    let mut orders = vec![session.operator.order(scope, &[action(task)], &purpose, ORDER_TTL_MAX).await?];
    for which in [WhichStore::Objects, WhichStore::Keys] {
        let url = session.file.url(which, &session.dir);
        if stores::is_bucket(&url) {
            let platform: Option<Platform> = Some(scope.platform.clone());
            let way = Way { platform, ..Way::of_cell(&session.file.region, which) };
            let order =
                store_access::order(&session.operator, &session.catalog, (&way, &url), ORDER_TTL_MAX).await?;
            orders.push(order);
        }
    }
    Ok(orders)
}

fn ids(schedule: &Schedule) -> Vec<Id128> {
    let orders: Vec<Order> = serde_json::from_value(schedule.orders.clone()).unwrap_or_default();
    orders.into_iter().map(|order| order.id).collect()
}

async fn end(session: &Session<'_>, removed: &Schedule, output: &Output) {
    for order in ids(removed) {
        // It ends by itself, too.
        if let Err(error) = session.operator.end_order(order).await {
            output.warn(&format!("The standing order {order} was not ended: {error}"));
        }
    }
}

/// Has the worker seal what there is now and look for what is due, and tells what there is.
async fn told(session: &Session<'_>, connection: &Connection, output: &Output) -> anyhow::Result<u8> {
    if !session.work(connection, KeepSchedules {}, output).await? {
        output.warn(&format!(
            "`{}` is being written to: its schedules are sealed into the stores when they are changed next",
            connection.scope.connection
        ));
    }
    let rows = of(session, connection).await?;
    print(&rows, output)
}

async fn list(home: &Home, output: &Output) -> anyhow::Result<u8> {
    let rows = home.unlock().await?.catalog.schedules_of_tenant(&home.tenant).await?;
    print(&rows, output)
}

fn print(rows: &[Schedule], output: &Output) -> anyhow::Result<u8> {
    let shown: Vec<Value> = rows.iter().map(as_json).collect();
    output.result(&json!({ "schedules": shown }), || match rows {
        [] => "Nothing is done by itself.".to_owned(),
        rows => rows.iter().map(as_text).collect::<Vec<_>>().join("\n"),
    })?;
    Ok(exit::DONE)
}

/// When the first of its orders ends.
fn until(schedule: &Schedule) -> Option<domain::Timestamp> {
    let orders: Vec<Order> = serde_json::from_value(schedule.orders.clone()).unwrap_or_default();
    orders.iter().map(|order| order.until).min()
}

fn as_json(schedule: &Schedule) -> Value {
    let Schedule { connection, task, every_s, paused, due_at, taken_by, .. } = schedule;
    json!({
        "connection": connection, "task": task, "every_seconds": every_s, "paused": paused, "due_at": due_at,
        "running": taken_by.is_some(), "started_at": schedule.started_at, "ended_at": schedule.ended_at,
        "outcome": schedule.outcome, "failures": schedule.failures, "ordered_until": until(schedule),
    })
}

/// As it was typed.
fn every(seconds: u64) -> String {
    for (unit, length) in [("w", 7 * 24 * 60 * 60), ("d", 24 * 60 * 60), ("h", 60 * 60), ("m", 60)] {
        if seconds.is_multiple_of(length) {
            return format!("{}{unit}", seconds / length);
        }
    }
    format!("{seconds}s")
}

fn as_text(schedule: &Schedule) -> String {
    let Schedule { connection, task, every_s, paused, due_at, taken_by, outcome, ended_at, failures, .. } =
        schedule;
    let next = match (taken_by, paused) {
        (Some(_), _) => "is under way".to_owned(),
        (None, true) => "is paused".to_owned(),
        (None, false) if schedule.started_at.is_none() => "is due at once".to_owned(),
        (None, false) => format!("is due {due_at:.0}"),
    };
    let last = match (outcome, ended_at) {
        (Some(outcome), Some(at)) => format!("; last: {} {at:.0}", outcome.as_str()),
        _ => String::new(),
    };
    let failures = match failures {
        0 => String::new(),
        1 => ", once not done since it was done".to_owned(),
        times => format!(", {times} times not done since it was done"),
    };
    let ordered = until(schedule).map_or_else(|| "; no order stands for it".to_owned(), |_| String::new());
    format!(
        "{:<24} {:<8} every {:<6} {next}{last}{failures}{ordered}",
        connection.as_str(),
        task.as_str(),
        every(*every_s)
    )
}
