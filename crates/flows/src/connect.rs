//! Connecting a store: who is it, what may we do there, and only then is anything kept.
//!
//! A connection is one store's for good: its name is the name of a history. The platform's credential is sealed
//! together with the address for which it was given, so that whoever changes the catalog cannot lead it elsewhere.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use catalog::{CatalogErrorKind, Connection};
use connectors::contract::{
    Behalf, CredentialKeeper, Ear, Fault, Probe, Renewing, SpoolError, SpoolErrorKind, Store,
};
use connectors::registry::{PlatformSpec, platform};
use domain::{Action, Clock, ConnectionId, Grant, Kind, Platform, Scope, TenantId};
use futures::future::BoxFuture;
use repository::RepositoryError;
use serde::{Deserialize, Serialize};
use vault::Client;
use zeroize::{Zeroize as _, Zeroizing};

use crate::cell::{Cell, FileLock};
use crate::error::{FlowError, Result};

/// The name under which a connection's way in is sealed.
pub const CREDENTIAL: &str = "platform";

/// What is needed to reach a store beside its address. Nothing secret.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionSettings {
    /// One more authority to trust, in PEM: that of a practice store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_pem: Option<String>,
}

/// Which store a connection is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Identity {
    /// The platform's id of it.
    id: String,
    /// What people call it.
    domain: String,
}

/// What a connection's row knows beside its address.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Settings {
    #[serde(flatten)]
    given: ConnectionSettings,
    /// The store that was seen. None as long as nobody has looked: it is looked at before it is used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    store: Option<Identity>,
}

impl Settings {
    fn of(connection: &Connection) -> Result<Self> {
        serde_json::from_value(connection.settings.clone())
            .map_err(|error| FlowError::Integrity(format!("the connection's settings are damaged: {error}")))
    }

    fn as_json(&self) -> Result<serde_json::Value> {
        serde_json::to_value(self)
            .map_err(|error| FlowError::Input(format!("the settings cannot be kept: {error}")))
    }
}

/// What is sealed: the platform's credential, and where alone it may be sent.
#[derive(Serialize, Deserialize)]
struct WayIn {
    url: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ca_pem: Option<String>,
    credential: String,
}

impl Drop for WayIn {
    fn drop(&mut self) {
        self.credential.zeroize();
    }
}

/// A connection that was made, or given a new credential.
#[derive(Debug, Clone, Serialize, Deserialize)]
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
    pub credential: Zeroizing<Vec<u8>>,
}

/// Looks at the store, and keeps the connection with its credential sealed. On a name that exists: keeps the
/// new credential, if it is the same store's.
///
/// # Errors
/// When the store cannot be reached, is none of that platform, is another one than the name stands for, or does not
/// accept the credential: nothing is kept, but for a token that the platform has rotated meanwhile.
pub async fn connect(cell: &Cell, connect: Connect) -> Result<Connected> {
    let scope = Scope {
        tenant: connect.tenant.clone(),
        region: cell.region.clone(),
        platform: connect.platform.clone(),
        connection: connect.name.clone(),
    };
    // Nobody reads or writes by the old credential while it is replaced, and nobody renews it.
    let lease = match row(cell, &scope).await? {
        Some(_) => Some(cell.lease(&scope).await?),
        None => None,
    };
    let lock = cell.credential_lock(&scope).await?;
    let done = connect_alone(cell, &scope, &connect).await;
    drop(lock);
    if let Some(lease) = lease {
        cell.release(lease).await?;
    }
    let (renewed, probe) = done?;
    Ok(Connected { name: connect.name, renewed, probe })
}

async fn row(cell: &Cell, scope: &Scope) -> Result<Option<Connection>> {
    match cell.catalog.connection(&scope.tenant, &scope.connection).await {
        Ok(row) => Ok(Some(row)),
        Err(error) if error.kind() == CatalogErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

async fn connect_alone(cell: &Cell, scope: &Scope, connect: &Connect) -> Result<(bool, Probe)> {
    let existing = row(cell, scope).await?;
    if let Some(existing) = &existing
        && existing.scope.platform != scope.platform
    {
        return Err(FlowError::Conflict(format!(
            "`{}` is a {} connection already; choose another name",
            connect.name, existing.scope.platform
        )));
    }
    let mut settings = Settings { given: connect.settings.clone(), store: None };
    let mut new = Connection {
        scope: scope.clone(),
        url: connect.url.clone(),
        settings: settings.as_json()?,
        created_at: cell.clock.now(),
    };
    // INVARIANT (kept before use): a token that is rotated while we look must be kept, with its connection, though
    // nothing is known of the store yet: the one that was given may be worth nothing from then on. Until it is seen
    // which store it is for, nothing is read by it.
    let moved = existing.as_ref().filter(|old| !old.url.is_empty() && old.url != new.url);
    let alone = Connecting {
        row: new.clone(),
        refusal: moved.map(|old| {
            format!(
                "`{}` is connected at {}, and this token would be used up before it is known whether {} is the same \
                 store: give one that is good for a while, with --token-file and --token-expires-at",
                connect.name, old.url, new.url
            )
        }),
    };
    let keeper = Arc::new(Keeper::new(cell, scope, For::Connect(Box::new(alone))));
    let credential = &connect.credential;
    let store = match open_platform(cell, scope, (&new.url, &settings.given), credential, &keeper) {
        // An address that no store can have is a slip of whoever gave it.
        Err(FlowError::Platform(Fault::NotThePlatform(why))) => return Err(FlowError::Input(why)),
        opened => opened?,
    };
    let probe = store.probe().await.map_err(|fault| match (fault, keeper.refusal()) {
        (Fault::Spool(_), Some(why)) => FlowError::Conflict(why.to_owned()),
        // That is nothing of the address's.
        (fault @ Fault::Audit(_), _) => fault.into(),
        (source, _) => FlowError::Address { url: new.url.clone(), source },
    })?;
    if let Some(existing) = &existing {
        is_the_same(cell, existing, &probe).await?;
    }
    settings.store = Some(Identity::of(&probe));
    new.settings = settings.as_json()?;
    if keeper.has_kept.load(Ordering::SeqCst) {
        cell.catalog.set_settings(&scope.tenant, &scope.connection, &new.settings).await?;
    } else {
        let sealed = keeper.seal(&new.url, &settings.given, credential).await?;
        cell.catalog.put_connection(&new, CREDENTIAL, &sealed, cell.clock.now()).await?;
    }
    Ok((existing.is_some(), probe))
}

impl Identity {
    fn of(probe: &Probe) -> Self {
        Self { id: probe.store_id.clone(), domain: probe.store_domain.clone() }
    }
}

/// Refuses a store that is another one than the connection was made for. Where the catalog does not know that, as in
/// a cell that was set up again, the newest snapshot does.
async fn is_the_same(cell: &Cell, connection: &Connection, probe: &Probe) -> Result<()> {
    let known = match Settings::of(connection)?.store {
        Some(known) => Some(known),
        None => backed_up(cell, connection).await?,
    };
    match known {
        Some(known) if known.id != probe.store_id => Err(FlowError::Conflict(format!(
            "`{}` is the connection of {}, and this is {}: the history of one would go on with the items of the other. \
             Connect it under another name",
            connection.scope.connection, known.domain, probe.store_domain
        ))),
        _ => Ok(()),
    }
}

/// The store that the newest snapshot was taken of, if one was.
async fn backed_up(cell: &Cell, connection: &Connection) -> Result<Option<Identity>> {
    let scope = &connection.scope;
    // Where a platform's store describes itself.
    let Some(PlatformSpec { itself: (kind, domain), .. }) = platform(scope.platform.as_str()) else {
        return Ok(None);
    };
    let grant = cell.grant(scope, &[Action::Read], "see which store it is").await?;
    let known = cell.known_head(scope).await?;
    let reader = match cell.repository(scope).reader(&grant, Action::Read, known.as_ref()).await {
        Ok(reader) => reader,
        Err(RepositoryError::NotFound(_)) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let kind = Kind::new(kind).map_err(RepositoryError::from)?;
    let mut shops = reader.scan(&kind, reader.head().name.number, None).await?;
    Ok(shops.next().await?.map(|shop| {
        let payload = crate::diff::parse(&shop.payload);
        let domain = payload.pointer(domain).and_then(serde_json::Value::as_str).unwrap_or(&shop.key.id);
        Identity { id: shop.key.id.to_string(), domain: domain.to_owned() }
    }))
}

/// Opens a connected store with its sealed credential.
///
/// # Errors
/// When the grant does not allow it; when the credential is gone, damaged, or was given for another address; when it
/// turns out to be another store's.
pub async fn open(cell: &Cell, connection: &Connection, grant: &Grant) -> Result<Box<dyn Store>> {
    let scope = &connection.scope;
    // The caller may have read it long ago, and it may have been connected anew since.
    let connection = &cell.connection(&scope.tenant, &scope.connection).await?;
    if platform(scope.platform.as_str()).is_none() {
        return Err(takes_files(scope));
    }
    let mut settings = Settings::of(connection)?;
    let way_in = way_in((&cell.catalog, &cell.vault), connection, &settings, grant).await?;
    let keeper = Arc::new(Keeper::new(
        cell,
        scope,
        For::Work(Box::new(Working {
            grant: grant.clone(),
            url: way_in.url.clone(),
            ca_pem: way_in.ca_pem.clone(),
        })),
    ));
    let credential = way_in.credential.as_bytes();
    let store = open_platform(cell, scope, (&way_in.url, &settings.given), credential, &keeper)?;
    if settings.store.is_none() {
        // Whoever connected it was interrupted before it was known which store it is.
        let probe = store.probe().await?;
        is_the_same(cell, connection, &probe).await?;
        settings.store = Some(Identity::of(&probe));
        cell.catalog.set_settings(&scope.tenant, &scope.connection, &settings.as_json()?).await?;
    }
    Ok(store)
}

/// The way into a connection's store, if it leads where the catalog says.
async fn way_in(
    (catalog, vault): (&catalog::Client, &Client),
    connection: &Connection,
    settings: &Settings,
    grant: &Grant,
) -> Result<WayIn> {
    let scope = &connection.scope;
    let sealed = match catalog.credential(&scope.tenant, &scope.connection, CREDENTIAL).await {
        Err(error) if error.kind() == CatalogErrorKind::NotFound => {
            return Err(FlowError::Conflict(format!(
                "`{}` has no credential: give one with `caretaker connect {} {} …`",
                scope.connection, scope.platform, scope.connection
            )));
        }
        other => other?,
    };
    let way_in = WayIn::open(vault, grant, scope, &sealed).await?;
    if way_in.url != connection.url || way_in.ca_pem != settings.given.ca_pem {
        return Err(FlowError::Integrity(format!(
            "the catalog says that `{}` is at {}, and its credential was given for {}: it is not sent there. Give the \
             credential again with `caretaker connect {} {} …`",
            scope.connection, connection.url, way_in.url, scope.platform, scope.connection
        )));
    }
    Ok(way_in)
}

/// By what a connection's platform is known from others who say that they are it. `None` where the credential holds nothing for
/// that.
///
/// # Errors
/// When the credential cannot be opened.
pub async fn ear(
    (catalog, vault): (&catalog::Client, &Client),
    (tenant, name): (&TenantId, &ConnectionId),
    grant: &Grant,
) -> Result<Option<Box<dyn Ear>>> {
    let connection = crate::cell::connection(catalog, tenant, name).await?;
    let scope = &connection.scope;
    let platform = platform(scope.platform.as_str()).ok_or_else(|| takes_files(scope))?;
    let way_in = way_in((catalog, vault), &connection, &Settings::of(&connection)?, grant).await?;
    Ok((platform.ear)(way_in.credential.as_bytes())?)
}

impl WayIn {
    async fn open(vault: &Client, grant: &Grant, scope: &Scope, sealed: &[u8]) -> Result<Self> {
        let opened = vault.open_credential(grant, scope, CREDENTIAL, sealed).await?;
        // The parser's message could quote the secret; it is not passed on.
        serde_json::from_slice(opened.expose_secret()).map_err(|_| {
            FlowError::Integrity(format!(
                "the sealed credential of `{}` is damaged, or an older version of caretaker sealed it: give it again with \
                 `caretaker connect {} {} …`",
                scope.connection, scope.platform, scope.connection
            ))
        })
    }
}

fn open_platform(
    cell: &Cell,
    scope: &Scope,
    (url, settings): (&str, &ConnectionSettings),
    credential: &[u8],
    keeper: &Arc<Keeper>,
) -> Result<Box<dyn Store>> {
    let platform = platform(scope.platform.as_str()).ok_or_else(|| takes_files(scope))?;
    Ok((platform.open)(connectors::contract::Settings {
        url: url.to_owned(),
        ca_pem: settings.ca_pem.clone().map(String::into_bytes),
        credential: credential.to_vec(),
        keeper: Arc::<Keeper>::clone(keeper),
        behalf: keeper.behalf(cell),
        clock: Arc::clone(&cell.clock),
        rng: Arc::clone(&cell.rng),
    })?)
}

fn takes_files(scope: &Scope) -> FlowError {
    FlowError::Input(format!(
        "`{}` is a {} connection: there is no store to read from, its records come by `caretaker ingest {}`",
        scope.connection, scope.platform, scope.connection
    ))
}

/// Keeps a credential that the platform has rotated, before it is used.
struct Keeper {
    vault: Client,
    catalog: catalog::Client,
    clock: Arc<dyn Clock>,
    dir: std::path::PathBuf,
    scope: Scope,
    what_for: For,
    has_kept: AtomicBool,
}

/// What a credential is renewed for.
enum For {
    /// To give it to a connection.
    Connect(Box<Connecting>),
    /// To work with a connection.
    Work(Box<Working>),
}

/// On which grant a connection is worked with, and where it was when that began.
struct Working {
    grant: Grant,
    url: String,
    ca_pem: Option<String>,
}

/// What `connect` knows: it has the credential's lock already, and the connection may not be there yet.
struct Connecting {
    row: Connection,
    /// Why this credential may not be renewed, if it may not.
    refusal: Option<String>,
}

impl Keeper {
    fn new(cell: &Cell, scope: &Scope, what_for: For) -> Self {
        Self {
            vault: cell.vault.clone(),
            catalog: cell.catalog.clone(),
            clock: Arc::clone(&cell.clock),
            dir: cell.dir.clone(),
            scope: scope.clone(),
            what_for,
            has_kept: AtomicBool::new(false),
        }
    }

    async fn seal(&self, url: &str, settings: &ConnectionSettings, credential: &[u8]) -> Result<Vec<u8>> {
        let unusable = || FlowError::Input("the credential is no text".to_owned());
        let way_in = WayIn {
            url: url.to_owned(),
            ca_pem: settings.ca_pem.clone(),
            credential: String::from_utf8(credential.to_vec()).map_err(|_| unusable())?,
        };
        let secret = vault::Secret::new(serde_json::to_vec(&way_in).map_err(|_| unusable())?);
        Ok(self.vault.seal_credential(&self.scope, CREDENTIAL, &secret).await?)
    }

    /// On whose behalf the store is opened.
    fn behalf(&self, cell: &Cell) -> Behalf {
        let (principal, grant) = match &self.what_for {
            For::Work(working) => (&working.grant.principal, Some(working.grant.id)),
            For::Connect(_) => (cell.leave.principal(), cell.leave.grant_id()),
        };
        let object = format!("{}/{}", self.scope.tenant, self.scope.connection);
        Behalf { audit: Arc::clone(&cell.audit), principal: principal.clone(), grant, object }
    }

    fn refusal(&self) -> Option<&str> {
        match &self.what_for {
            For::Connect(connecting) => connecting.refusal.as_deref(),
            For::Work(_) => None,
        }
    }

    /// The credential as it is kept now. One that was given for another address is not sent to this one.
    async fn kept(&self, Working { grant, url, ca_pem }: &Working) -> Result<WayIn> {
        let Scope { tenant, connection, .. } = &self.scope;
        let sealed = self.catalog.credential(tenant, connection, CREDENTIAL).await?;
        let way_in = WayIn::open(&self.vault, grant, &self.scope, &sealed).await?;
        if (&way_in.url, &way_in.ca_pem) != (url, ca_pem) {
            return Err(FlowError::Conflict(format!(
                "`{connection}` was connected anew meanwhile: try again"
            )));
        }
        Ok(way_in)
    }

    async fn keep_renewed(&self, credential: &[u8]) -> Result<()> {
        let now = self.clock.now();
        match &self.what_for {
            For::Connect(connecting) => {
                let row = &connecting.row;
                let sealed = self.seal(&row.url, &Settings::of(row)?.given, credential).await?;
                self.catalog.put_connection(row, CREDENTIAL, &sealed, now).await?;
            }
            For::Work(working) => {
                let way_in = self.kept(working).await?;
                let settings = ConnectionSettings { ca_pem: way_in.ca_pem.clone() };
                let sealed = self.seal(&way_in.url, &settings, credential).await?;
                let Scope { tenant, connection, .. } = &self.scope;
                self.catalog.put_credential(tenant, connection, CREDENTIAL, &sealed, now).await?;
            }
        }
        self.has_kept.store(true, Ordering::SeqCst);
        Ok(())
    }

    async fn leave(&self, working: &Working) -> Result<Renewing> {
        let lock = FileLock::of_credential(&self.dir, &self.scope).await?;
        let mut way_in = self.kept(working).await?;
        let kept = Zeroizing::new(std::mem::take(&mut way_in.credential).into_bytes());
        Ok(Renewing { kept: Some(kept), lock: Box::new(lock) })
    }
}

impl fmt::Debug for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keeper").field("scope", &self.scope).finish_non_exhaustive()
    }
}

fn failed(error: FlowError) -> SpoolError {
    let SpoolError { kind, why } = crate::error::spool_error(error);
    SpoolError { kind, why: format!("the renewed credential: {why}") }
}

impl CredentialKeeper for Keeper {
    fn renewing(&self) -> BoxFuture<'_, Result<Renewing, SpoolError>> {
        Box::pin(async move {
            match &self.what_for {
                For::Work(working) => self.leave(working).await.map_err(failed),
                For::Connect(_) => match self.refusal() {
                    Some(why) => Err(SpoolError { kind: SpoolErrorKind::Failed, why: why.to_owned() }),
                    None => Ok(Renewing { kept: None, lock: Box::new(()) }),
                },
            }
        })
    }

    fn keep<'a>(&'a self, credential: &'a [u8]) -> BoxFuture<'a, Result<(), SpoolError>> {
        Box::pin(async move { self.keep_renewed(credential).await.map_err(failed) })
    }
}
