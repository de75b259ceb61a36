//! That no process of the cell can do more than its job, and that each may die: tried on the cell of the story.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use catalog::Connection;
use domain::{Action, Clock, DataKeys as _, KeyError, Role};
use flows::connect::CREDENTIAL;
use rustix::process::{Pid, Signal, kill_process};
use sandbox::shopify::Running;

use crate::home::Home;
use crate::works::Session;

/// How long a grant of the story serves.
const TTL: Duration = Duration::from_secs(60);
/// So much was asked for when a backup is in its middle.
const MIDDLE: u64 = 12;

/// The vault's process.
async fn vault(home: &Home) -> anyhow::Result<u32> {
    let vault = home.own_processes().await?.into_iter().find(|(role, _)| *role == Role::Vault);
    Ok(vault.context("the vault has no process of its own")?.1)
}

/// Kills the vault's process in the middle of work with the store, which goes on. Answers what that came to.
pub(super) async fn without_a_vault<T>(
    (home, clock): (&Home, &dyn Clock),
    store: &Running,
    work: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<T> {
    let before = vault(home).await?;
    let until = store.stats().requests + MIDDLE;
    let kill = async {
        while store.stats().requests < until {
            clock.sleep(Duration::from_millis(1)).await;
        }
        let pid = i32::try_from(before).ok().and_then(Pid::from_raw).context("no process has that number")?;
        Ok(kill_process(pid, Signal::KILL)?)
    };
    let done = async {
        let done = work.await?;
        ensure!(store.stats().requests >= until, "the backup ended before its middle came");
        Ok(done)
    };
    let ((), done) = tokio::try_join!(kill, done)?;
    ensure!(vault(home).await? != before, "the vault's process did not die");
    Ok(done)
}

/// Asks the vault, from this process and on a grant that allows it, for what only a worker may have: the store's credential
/// and a data key. Answers with what words both are refused.
pub(super) async fn refused_to_a_command(
    cell: &Session<'_>,
    dir: &Path,
    shop: &Connection,
) -> anyhow::Result<[String; 2]> {
    let scope = &shop.scope;
    let grant = cell.operator.grant(scope, &[Action::Backup, Action::Read], "try to go too far", TTL).await?;
    let sealed = cell.catalog.credential(&scope.tenant, &scope.connection, CREDENTIAL).await?;
    let keys = dir.join("keys/t/shopify/default").join(scope.connection.as_str()).join("data-key");
    let wrapped = std::fs::read_dir(&keys)?.next().context("the store has no data key")??;
    let wrapped = std::fs::read(wrapped.path())?;
    let refused = |what: &str, error: Option<KeyError>| match error {
        Some(KeyError::Refused(why) | KeyError::Unavailable(why)) => Ok(why),
        Some(error) => bail!("{what} was not refused, but failed: {error}"),
        None => bail!("this process was given {what}"),
    };
    let credential = cell.vault.open_credential(&grant, scope, CREDENTIAL, &sealed).await.err();
    let data_key = cell.vault.open(&grant, scope, &wrapped).await.err();
    Ok([refused("the store's credential", credential)?, refused("a data key", data_key)?])
}
