//! `caretaker tenant`: whose connections a cell keeps.

use serde_json::json;

use crate::arguments::TenantCommand;
use crate::home::Home;
use crate::output::{Output, exit};

pub(crate) async fn run(home: &Home, command: &TenantCommand, output: &Output) -> anyhow::Result<u8> {
    let unlocked = home.unlock().await?;
    match command {
        TenantCommand::Add { name } => {
            unlocked.catalog.add_tenant(name, unlocked.handles.clock.now()).await?;
            output.result(&json!({ "tenant": name }), || {
                format!("`{name}` is a tenant of this cell: connect its stores with `caretaker --tenant {name} connect …`")
            })?;
        }
        TenantCommand::List => {
            let tenants = unlocked.catalog.tenants().await?;
            output.result(&json!({ "tenants": tenants }), || {
                tenants.iter().map(|tenant| format!("{tenant}\n")).collect()
            })?;
        }
    }
    Ok(exit::DONE)
}
