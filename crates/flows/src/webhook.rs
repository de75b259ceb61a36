//! Having platforms tell of changes, and knowing their word from others'.

use catalog::{Connection, Webhook};
use connectors::contract::Subscribed;
use domain::{Action, Grant};

use crate::cell::Cell;
use crate::connect;
use crate::error::{FlowError, Result};

/// The steps before an address, below a cell's public name: `/hooks/PLATFORM/ADDRESS`.
pub const PATH: &str = "hooks";
/// How many bytes of chance an address has.
const ADDRESS_LEN: usize = 20;

/// A new address: what nobody can guess, in letters and digits that every path may have.
fn address(cell: &Cell) -> String {
    let mut chance = [0; ADDRESS_LEN];
    cell.rng.fill(&mut chance);
    chance.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Has a connection's platform tell of what changes, below a cell's public name. One that was asked before keeps its address, and
/// what it does not tell any more it is asked for again.
///
/// # Errors
/// When the platform cannot be asked; and where nothing is at hand by which its word is known.
pub async fn subscribe(cell: &Cell, connection: &Connection, public_url: &str) -> Result<Subscribed> {
    let scope = &connection.scope;
    let grant = cell.grant(scope, &[Action::Backup], "have changes told").await?;
    let named = (&scope.tenant, &scope.connection);
    if connect::ear((&cell.catalog, &cell.vault), named, &grant).await?.is_none() {
        return Err(FlowError::Input(format!(
            "there is nothing by which it is known whether {} tells something or somebody else: give the app's secret with \
             `caretaker connect {} {} … --client-secret-file FILE`",
            scope.platform, scope.platform, scope.connection
        )));
    }
    let known = cell.catalog.webhook(&scope.tenant, &scope.connection).await?;
    let address = known.as_ref().map_or_else(|| address(cell), |known| known.address.clone());
    let url = format!("{}/{PATH}/{}/{address}", public_url.trim_end_matches('/'), scope.platform);
    let webhook = Webhook {
        tenant: scope.tenant.clone(),
        connection: scope.connection.clone(),
        platform: scope.platform.clone(),
        address,
        url,
        asked_at: known.as_ref().and_then(|known| known.asked_at),
        failed: known.map(|known| known.failed).unwrap_or_default(),
        heard_at: None,
    };
    // It is there before anybody tells something at it.
    cell.catalog.put_webhook(&webhook).await?;
    ask(cell, connection, &grant, webhook).await
}

/// Asks once more for what a platform is to tell, where it was asked before. `None` where it was not.
///
/// # Errors
/// When the platform cannot be asked.
pub async fn repair(cell: &Cell, connection: &Connection) -> Result<Option<Subscribed>> {
    let scope = &connection.scope;
    let Some(webhook) = cell.catalog.webhook(&scope.tenant, &scope.connection).await? else {
        return Ok(None);
    };
    let grant = cell.grant(scope, &[Action::Backup], "have changes told").await?;
    ask(cell, connection, &grant, webhook).await.map(Some)
}

async fn ask(cell: &Cell, connection: &Connection, grant: &Grant, webhook: Webhook) -> Result<Subscribed> {
    let store = connect::open(cell, connection, grant).await?;
    let telling = store.subscribe(&webhook.url).await?;
    let asked_at = Some(cell.clock.now());
    cell.catalog.put_webhook(&Webhook { asked_at, failed: telling.failed.clone(), ..webhook }).await?;
    Ok(telling)
}

/// Has a platform tell nothing any more. `None` where it was not asked to.
///
/// # Errors
/// When the platform cannot be asked: then the address stays, so that it can be tried again.
pub async fn unsubscribe(cell: &Cell, connection: &Connection) -> Result<Option<Subscribed>> {
    let scope = &connection.scope;
    let Some(webhook) = cell.catalog.webhook(&scope.tenant, &scope.connection).await? else {
        return Ok(None);
    };
    let grant = cell.grant(scope, &[Action::Backup], "have changes told no more").await?;
    let store = connect::open(cell, connection, &grant).await?;
    let telling = store.unsubscribe(&webhook.url).await?;
    cell.catalog.remove_webhook(&scope.tenant, &scope.connection).await?;
    Ok(Some(telling))
}
