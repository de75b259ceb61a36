//! `caretaker tenant`: whose connections a cell keeps.

use std::process::ExitCode;

use serde_json::json;

use crate::arguments::{Common, TenantCommand};
use crate::home;
use crate::output::Output;

pub(crate) async fn run(
    common: &Common,
    command: &TenantCommand,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let unlocked = home::unlock(common).await?;
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
    Ok(ExitCode::SUCCESS)
}
