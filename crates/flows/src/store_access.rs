//! The ways into the cell's own stores. A bucket wants a credential, and it is one like a platform's: sealed by
//! the vault's credential keys, opened on a grant, each opening on the record. The address for which it was
//! given is sealed with it, so that whoever changes the cell's configuration cannot lead it to another server.
//!
//! A platform's workers may have a credential of their own, with which the bucket's server lets nobody into what is another
//! platform's; where none was given, they have the cell's.

use std::collections::BTreeMap;
use std::time::Duration;

use catalog::CatalogErrorKind;
use connectors::registry;
use domain::{Action, Clock, Grant, Platform, Region, Scope};
use repository::{StoreCredentials, StoreOptions};
use serde::{Deserialize, Serialize};
use vault::{Client, Order, SignedIn};
use zeroize::{Zeroize as _, Zeroizing};

use crate::cell::Cell;
use crate::error::{FlowError, Result};

/// The name that stands in the associated data. Part of the format.
const CREDENTIAL: &str = "store";
/// How long a grant to open one of them is good for.
const GRANT_TTL: Duration = Duration::from_secs(60);

/// Which of a cell's two stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum WhichStore {
    /// Packs, indexes, commits, media.
    Objects,
    /// Wrapped keys, people's keys, progress.
    Keys,
}

impl WhichStore {
    /// Both.
    pub(crate) const ALL: [Self; 2] = [Self::Objects, Self::Keys];

    /// What people call it. Part of the format, as a name (with `-`).
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Objects => "object-store",
            Self::Keys => "key-store",
        }
    }
}

/// A credential of a store: the cell's, or that of one platform's workers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    /// The cell's region.
    pub region: Region,
    /// Into which store.
    pub which: WhichStore,
    /// Whose it is; the cell's without one.
    pub platform: Option<Platform>,
}

impl Way {
    /// The cell's own.
    #[must_use]
    pub fn of_cell(region: &Region, which: WhichStore) -> Self {
        Self { region: region.clone(), which, platform: None }
    }

    /// Its name, in the catalog and on the record. Part of the format.
    fn name(&self) -> String {
        match &self.platform {
            None => self.which.name().to_owned(),
            Some(platform) => format!("{}_{platform}", self.which.name()),
        }
    }

    /// Where it belongs: to the cell, under names that no platform and so no connection has.
    fn scope(&self) -> Result<Scope> {
        Scope::of_store(&self.region, &self.name()).map_err(|error| FlowError::Repository(error.into()))
    }

    /// All that there may be.
    fn all(region: &Region) -> Result<Vec<Self>> {
        let mut all = Vec::new();
        for which in WhichStore::ALL {
            all.push(Self::of_cell(region, which));
            for platform in registry::names() {
                let platform =
                    Platform::new(platform).map_err(|error| FlowError::Repository(error.into()))?;
                all.push(Self { platform: Some(platform), ..Self::of_cell(region, which) });
            }
        }
        Ok(all)
    }
}

/// Where all that is of a platform lies in either store.
#[must_use]
pub fn below(platform: &Platform) -> String {
    format!("t/{platform}")
}

/// What is sealed.
#[derive(Serialize, Deserialize)]
struct Sealed {
    url: String,
    access_key: String,
    secret_key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    session_token: Option<String>,
}

impl Drop for Sealed {
    fn drop(&mut self) {
        self.secret_key.zeroize();
        self.session_token.zeroize();
    }
}

/// Seals a store's credential, for this address alone, and keeps it.
///
/// # Errors
/// When the vault cannot record it, or the catalog cannot be written.
pub async fn keep(
    vault: &Client,
    catalog: &catalog::Client,
    clock: &dyn Clock,
    way: &Way,
    (url, credentials): (&str, &StoreCredentials),
) -> Result<()> {
    let sealed = Sealed {
        url: url.to_owned(),
        access_key: credentials.access_key.clone(),
        secret_key: credentials.secret_key.to_string(),
        session_token: credentials.session_token.as_ref().map(|token| token.to_string()),
    };
    let bytes = serde_json::to_vec(&sealed)
        .map_err(|error| FlowError::Input(format!("the credential cannot be written: {error}")))?;
    let secret = vault::Secret::new(bytes);
    let sealed = vault.seal_credential(&way.scope()?, CREDENTIAL, &secret).await?;
    Ok(catalog.put_store_credential(&way.name(), &sealed, clock.now()).await?)
}

/// What it takes to open a store's credential: as it is sealed, and the grant for it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SealedWay {
    sealed: Vec<u8>,
    grant: Grant,
    /// Whether it is one of a platform's workers.
    of_platform: bool,
}

/// The credential of the platform's workers, or the cell's where they have none: whose it is, and as it is sealed.
async fn found(catalog: &catalog::Client, way: &Way, url: &str) -> Result<(Way, Vec<u8>)> {
    let of_cell = Way::of_cell(&way.region, way.which);
    let tried = if way.platform.is_some() { vec![way.clone(), of_cell] } else { vec![of_cell] };
    for way in tried {
        if let Some(sealed) = sealed_of(catalog, &way).await? {
            return Ok((way, sealed));
        }
    }
    Err(FlowError::Conflict(format!(
        "the {} `{url}` has no credential: give one with `caretaker store credential`",
        way.which.name()
    )))
}

/// Has a grant given to open a store's credential: that of the platform's workers, or the cell's where they have none.
///
/// # Errors
/// [`FlowError::Conflict`] where there is none; when the vault gives no grant.
pub async fn grant(
    operator: &SignedIn,
    catalog: &catalog::Client,
    way: &Way,
    url: &str,
) -> Result<SealedWay> {
    let (way, sealed) = found(catalog, way, url).await?;
    let purpose = format!("open the {}", way.which.name());
    let grant = operator.grant(&way.scope()?, &[Action::Connect], &purpose, GRANT_TTL).await?;
    Ok(SealedWay { sealed, grant, of_platform: way.platform.is_some() })
}

/// Has an order given by which workers get into a store when nobody is there to have a grant given.
///
/// # Errors
/// As [`grant`].
pub async fn order(
    operator: &SignedIn,
    catalog: &catalog::Client,
    (way, url): (&Way, &str),
    ttl: Duration,
) -> Result<Order> {
    let (way, _) = found(catalog, way, url).await?;
    let purpose = format!("open the {}", way.which.name());
    Ok(operator.order(&way.scope()?, &[Action::Connect], &purpose, ttl).await?)
}

/// What it takes to open a store's credential, on one of these orders: as it is sealed by now, of those by their names.
///
/// # Errors
/// [`FlowError::Refused`] where no order is for it; when the vault gives no grant.
pub async fn ordered(
    vault: &Client,
    (way, url): (&Way, &str),
    orders: &[Order],
    sealed: &BTreeMap<String, Vec<u8>>,
) -> Result<SealedWay> {
    for way in [way, &Way::of_cell(&way.region, way.which)] {
        let scope = way.scope()?;
        let order = orders.iter().find(|order| order.scope == scope);
        if let (Some(order), Some(sealed)) = (order, sealed.get(&way.name())) {
            let grant = vault.grant_on(order.id).await?;
            return Ok(SealedWay { sealed: sealed.clone(), grant, of_platform: way.platform.is_some() });
        }
    }
    Err(FlowError::Refused(format!("no order lets anybody into the {} `{url}`", way.which.name())))
}

/// Opens a store's credential, for the address for which it was given.
///
/// # Errors
/// When the grant does not allow it; [`FlowError::Integrity`] where it was given for another address or is damaged.
pub async fn open(
    vault: &Client,
    way: &Way,
    url: &str,
    SealedWay { sealed, grant, of_platform }: &SealedWay,
) -> Result<StoreOptions> {
    let platform = way.platform.clone().filter(|_| *of_platform);
    let way = Way { platform, ..way.clone() };
    let which = way.which;
    let secret = vault.open_credential(grant, &way.scope()?, CREDENTIAL, sealed).await?;
    // The parser's message could quote the secret; it is not passed on.
    let mut opened: Sealed = serde_json::from_slice(secret.expose_secret()).map_err(|_| {
        FlowError::Integrity(format!("the sealed credential of the {} is damaged", which.name()))
    })?;
    if opened.url != url {
        return Err(FlowError::Integrity(format!(
            "cell.json names `{url}` as the {}, and its credential was given for `{}`: put the address right, or \
             give the credential for the new one with `caretaker store credential`",
            which.name(),
            opened.url
        )));
    }
    Ok(StoreOptions {
        credentials: Some(StoreCredentials {
            access_key: std::mem::take(&mut opened.access_key),
            secret_key: Zeroizing::new(std::mem::take(&mut opened.secret_key)),
            session_token: opened.session_token.take().map(Zeroizing::new),
        }),
        below: way.platform.as_ref().map(below),
    })
}

/// The sealed credential of a store, where it has one.
async fn sealed_of(catalog: &catalog::Client, way: &Way) -> Result<Option<Vec<u8>>> {
    match catalog.store_credential(&way.name()).await {
        Err(error) if error.kind() == CatalogErrorKind::NotFound => Ok(None),
        sealed => Ok(Some(sealed?)),
    }
}

/// The sealed credentials of the cell's stores.
pub(crate) async fn sealed(cell: &Cell) -> Result<Vec<Vec<u8>>> {
    let mut all = Vec::new();
    for way in Way::all(&cell.region)? {
        all.extend(sealed_of(&cell.catalog, &way).await?);
    }
    Ok(all)
}

/// Seals by the newest key what an older one has sealed. Answers how many credentials these were.
pub(crate) async fn rewrap(cell: &Cell) -> Result<u64> {
    let mut count = 0;
    for way in Way::all(&cell.region)? {
        let Some(sealed) = sealed_of(&cell.catalog, &way).await? else { continue };
        let scope = way.scope()?;
        let grant = cell.grant(&scope, &[Action::Connect], "wrap by the newest keys").await?;
        if let Some(anew) = cell.vault.rewrap_credential(&grant, &scope, CREDENTIAL, &sealed).await? {
            cell.catalog.put_store_credential(&way.name(), &anew, cell.clock.now()).await?;
            count += 1;
        }
    }
    Ok(count)
}
