//! `caretaker order`: work that goes on when whoever gave it has gone.

use domain::Id128;
use serde_json::json;
use vault::Order;

use crate::arguments::OrderCommand;
use crate::home::Home;
use crate::output::{Output, exit};

pub(crate) async fn run(home: &Home, command: &OrderCommand, output: &Output) -> anyhow::Result<u8> {
    match command {
        OrderCommand::List => list(home, output).await,
        OrderCommand::End { id } => end(home, *id, output).await,
    }
}

async fn list(home: &Home, output: &Output) -> anyhow::Result<u8> {
    let orders = home.unlock().await?.vault.orders().await?;
    let rows: Vec<_> = orders
        .iter()
        .map(|Order { id, principal, scope, actions, purpose, until }| {
            json!({
                "id": id, "principal": principal, "tenant": scope.tenant, "connection": scope.connection,
                "actions": actions, "purpose": purpose, "until": until,
            })
        })
        .collect();
    output.result(&json!({ "orders": rows }), || match orders.as_slice() {
        [] => "No order stands.".to_owned(),
        orders => {
            let row = |Order { id, principal, scope, purpose, until, .. }: &Order| {
                let by = &principal.0;
                format!("{id}  {}/{}  {purpose}, until {until}, by {by}", scope.tenant, scope.connection)
            };
            orders.iter().map(row).collect::<Vec<_>>().join("\n")
        }
    })?;
    Ok(exit::DONE)
}

async fn end(home: &Home, id: Id128, output: &Output) -> anyhow::Result<u8> {
    let Order { scope, purpose, .. } = home.unlock().await?.operator.end_order(id).await?;
    let name = format!("{}/{}", scope.tenant, scope.connection);
    output.result(&json!({ "id": id, "tenant": scope.tenant, "connection": scope.connection }), || {
        format!("The order to {purpose} `{name}` is ended. What was given on it ends within the hour.")
    })?;
    Ok(exit::DONE)
}
