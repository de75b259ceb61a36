//! Connecting a store: who is it, what may we do there, and only then is anything kept.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use catalog::{CatalogError, CatalogErrorKind, Connection};
use connectors::contract::{CredentialKeeper, Fault, Probe, SpoolError, Store};
use connectors::platforms::shopify;
use domain::{Action, ConnectionId, Grant, Platform, Scope, TenantId};
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};

use crate::cell::Cell;
use crate::error::{FlowError, Result};

/// The name under which a connection's way in is sealed.
pub const CREDENTIAL: &str = "platform";

/// What a connection's row knows beside its address. Nothing secret.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionSettings {
    /// One more authority to trust, in PEM: that of a practice store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_pem: Option<String>,
}

/// A connection that was made, or given a new credential.
#[derive(Debug, Clone, Serialize)]
pub struct Connected {
    /// Its name.
    pub name: ConnectionId,
    /// Whether it was there before and has a new credential now.
    pub renewed: bool,
    /// What the store told.
    #[serde(flatten)]
    pub probe: Probe,
}

/// What to connect.
pub struct Connect {
    /// For whom.
    pub tenant: TenantId,
    /// The connection's name.
    pub name: ConnectionId,
    /// The store's make.
    pub platform: Platform,
    /// The store's address.
    pub url: String,
    /// What else is needed to reach it.
    pub settings: ConnectionSettings,
    /// The platform's credential, as the connector keeps it.
    pub credential: zeroize::Zeroizing<Vec<u8>>,
}

/// Looks at the store, and keeps the connection with its credential sealed. On a name that exists: keeps the
/// new credential, if it is the same store's.
///
/// # Errors
/// When the store cannot be reached, is none of that platform, or does not accept the credential: nothing is kept,
/// but for a token that the platform has rotated meanwhile.
pub async fn connect(cell: &Cell, connect: Connect) -> Result<Connected> {
    let scope = Scope {
        tenant: connect.tenant.clone(),
        region: cell.region.clone(),
        platform: connect.platform.clone(),
        connection: connect.name.clone(),
    };
    let row = Connection {
        scope: scope.clone(),
        url: connect.url.clone(),
        settings: serde_json::to_value(&connect.settings)
            .map_err(|error| FlowError::Input(format!("the settings cannot be kept: {error}")))?,
        created_at: cell.clock.now(),
        swept: None,
    };
    let existing = match cell.catalog.connection(&scope.tenant, &scope.connection).await {
        Ok(existing) => Some(existing),
        Err(error) if error.kind() == CatalogErrorKind::NotFound => None,
        Err(error) => return Err(error.into()),
    };
    if let Some(existing) = &existing
        && existing.scope.platform != scope.platform
    {
        return Err(FlowError::Conflict(format!(
            "`{}` is a {} connection already; choose another name",
            connect.name, existing.scope.platform
        )));
    }
    // INVARIANT (kept before use): a token that is rotated while we look must be kept, with its connection, though
    // nothing is known of the store yet: the one that was given may be worth nothing from then on.
    let keeper = Arc::new(Keeper { row: Some(row.clone()), ..Keeper::new(cell, &scope) });
    let at = |source| FlowError::Address { url: row.url.clone(), source };
    let store = match open_platform(cell, &row, &connect.credential, Arc::<Keeper>::clone(&keeper)) {
        // An address that no store can have is a slip of whoever gave it.
        Err(FlowError::Platform(Fault::NotThePlatform(why))) => return Err(FlowError::Input(why)),
        opened => opened?,
    };
    let probe = store.probe().await.map_err(at)?;
    let rotated = keeper.has_kept.load(Ordering::SeqCst);
    if existing.is_some() || rotated {
        cell.catalog.set_connection(&scope.tenant, &scope.connection, &row.url, &row.settings).await?;
    } else {
        cell.catalog.add_connection(&row).await?;
    }
    if !rotated {
        keep_credential(cell, &scope, &connect.credential).await?;
    }
    Ok(Connected { name: connect.name, renewed: existing.is_some(), probe })
}

async fn keep_credential(cell: &Cell, scope: &Scope, credential: &[u8]) -> Result<()> {
    let secret = vault::Secret::new(credential.to_vec());
    let sealed = cell.vault.seal_credential(scope, CREDENTIAL, &secret).await?;
    let now = cell.clock.now();
    Ok(cell.catalog.put_credential(&scope.tenant, &scope.connection, CREDENTIAL, &sealed, now).await?)
}

/// Opens a connected store with its sealed credential.
///
/// # Errors
/// When the grant does not allow it, or the credential is gone or damaged.
pub async fn open(cell: &Cell, connection: &Connection, grant: &Grant) -> Result<Box<dyn Store>> {
    let scope = &connection.scope;
    if connectors::registry::platform(scope.platform.as_str()).is_none() {
        return Err(takes_files(scope));
    }
    let sealed = match cell.catalog.credential(&scope.tenant, &scope.connection, CREDENTIAL).await {
        Err(error) if error.kind() == CatalogErrorKind::NotFound => {
            return Err(FlowError::Conflict(format!(
                "`{}` has no credential: give one with `caretaker connect {} {} …`",
                scope.connection, scope.platform, scope.connection
            )));
        }
        other => other?,
    };
    let credential = cell.vault.open_credential(grant, scope, CREDENTIAL, &sealed).await?;
    open_platform(cell, connection, credential.expose_secret(), Arc::new(Keeper::new(cell, scope)))
}

fn open_platform(
    cell: &Cell,
    connection: &Connection,
    credential: &[u8],
    keeper: Arc<dyn CredentialKeeper>,
) -> Result<Box<dyn Store>> {
    let settings: ConnectionSettings = serde_json::from_value(connection.settings.clone())
        .map_err(|error| FlowError::Integrity(format!("the connection's settings are damaged: {error}")))?;
    match connection.scope.platform.as_str() {
        "shopify" => Ok(shopify::open(shopify::Settings {
            url: connection.url.clone(),
            ca_pem: settings.ca_pem.map(String::into_bytes),
            credential: credential.to_vec(),
            keeper,
            clock: Arc::clone(&cell.clock),
            rng: Arc::clone(&cell.rng),
        })?),
        _ => Err(takes_files(&connection.scope)),
    }
}

fn takes_files(scope: &Scope) -> FlowError {
    FlowError::Input(format!(
        "`{}` is a {} connection: there is no store to read from, its records come by `caretaker ingest {}`",
        scope.connection, scope.platform, scope.connection
    ))
}

/// The actions that open a platform's credential.
pub const PLATFORM_ACTIONS: [Action; 2] = [Action::Backup, Action::Read];

/// Keeps a credential that the platform has rotated, before it is used.
struct Keeper {
    vault: Arc<vault::Vault>,
    catalog: catalog::Catalog,
    clock: Arc<dyn domain::Clock>,
    scope: Scope,
    /// The connection, where it may not be there yet.
    row: Option<Connection>,
    has_kept: AtomicBool,
}

impl Keeper {
    fn new(cell: &Cell, scope: &Scope) -> Self {
        Self {
            vault: Arc::clone(&cell.vault),
            catalog: cell.catalog.clone(),
            clock: Arc::clone(&cell.clock),
            scope: scope.clone(),
            row: None,
            has_kept: AtomicBool::new(false),
        }
    }

    async fn make_room(&self) -> Result<(), CatalogError> {
        let Some(row) = &self.row else { return Ok(()) };
        match self.catalog.add_connection(row).await {
            Err(CatalogError::Exists { .. }) => Ok(()),
            other => other,
        }
    }
}

impl fmt::Debug for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keeper").field("scope", &self.scope).finish_non_exhaustive()
    }
}

impl CredentialKeeper for Keeper {
    fn keep<'a>(&'a self, credential: &'a [u8]) -> BoxFuture<'a, Result<(), SpoolError>> {
        Box::pin(async move {
            let secret = vault::Secret::new(credential.to_vec());
            let failed = |error: &dyn fmt::Display| SpoolError(format!("the renewed credential: {error}"));
            let sealed = self.vault.seal_credential(&self.scope, CREDENTIAL, &secret).await;
            let sealed = sealed.map_err(|error| failed(&error))?;
            let Scope { tenant, connection, .. } = &self.scope;
            self.make_room().await.map_err(|error| failed(&error))?;
            let kept =
                self.catalog.put_credential(tenant, connection, CREDENTIAL, &sealed, self.clock.now()).await;
            kept.map_err(|error| failed(&error))?;
            self.has_kept.store(true, Ordering::SeqCst);
            Ok(())
        })
    }
}
