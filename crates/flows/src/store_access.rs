//! The ways into the cell's own stores. A bucket wants a credential, and it is one like a platform's: sealed by
//! the vault's credential keys, opened on a grant, each opening on the record. The address for which it was
//! given is sealed with it, so that whoever changes the cell's configuration cannot lead it to another server.

use catalog::CatalogErrorKind;
use domain::{Action, Clock, ConnectionId, Grant, Platform, Region, Scope, TenantId};
use repository::{StoreCredentials, StoreOptions};
use serde::{Deserialize, Serialize};
use vault::{Client, SignedIn};
use zeroize::{Zeroize as _, Zeroizing};

use crate::cell::Cell;
use crate::error::{FlowError, Result};

/// The name that stands in the associated data. Part of the format.
const CREDENTIAL: &str = "store";
/// How long a grant to open one of them is good for.
const GRANT_TTL: std::time::Duration = std::time::Duration::from_secs(60);

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

    /// Where its credential belongs: to the cell, under names that no platform and so no connection has.
    fn scope(self, region: &Region) -> Result<Scope> {
        let name = |error: domain::NameError| FlowError::Repository(error.into());
        Ok(Scope {
            tenant: TenantId::new("cell").map_err(name)?,
            region: region.clone(),
            platform: Platform::new("s3").map_err(name)?,
            connection: ConnectionId::new(self.name()).map_err(name)?,
        })
    }
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
    (region, which): (&Region, WhichStore),
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
    let sealed = vault.seal_credential(&which.scope(region)?, CREDENTIAL, &secret).await?;
    Ok(catalog.put_store_credential(which.name(), &sealed, clock.now()).await?)
}

/// What it takes to open a store's credential: as it is sealed, and the grant for it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SealedWay {
    sealed: Vec<u8>,
    grant: Grant,
}

/// Has a grant given to open a store's credential.
///
/// # Errors
/// [`FlowError::Conflict`] where there is none; when the vault gives no grant.
pub async fn grant(
    operator: &SignedIn,
    catalog: &catalog::Client,
    (region, which): (&Region, WhichStore),
    url: &str,
) -> Result<SealedWay> {
    let sealed = match catalog.store_credential(which.name()).await {
        Err(error) if error.kind() == CatalogErrorKind::NotFound => {
            return Err(FlowError::Conflict(format!(
                "the {} `{url}` has no credential: give one with `caretaker store credential`",
                which.name()
            )));
        }
        other => other?,
    };
    let scope = which.scope(region)?;
    let purpose = format!("open the {}", which.name());
    let grant = operator.grant(&scope, &[Action::Connect], &purpose, GRANT_TTL).await?;
    Ok(SealedWay { sealed, grant })
}

/// Opens a store's credential, for the address for which it was given.
///
/// # Errors
/// When the grant does not allow it; [`FlowError::Integrity`] where it was given for another address or is damaged.
pub async fn open(
    vault: &Client,
    (region, which): (&Region, WhichStore),
    url: &str,
    SealedWay { sealed, grant }: &SealedWay,
) -> Result<StoreOptions> {
    let secret = vault.open_credential(grant, &which.scope(region)?, CREDENTIAL, sealed).await?;
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
        ..StoreOptions::default()
    })
}

/// The sealed credential of a store, where it has one.
async fn sealed_of(catalog: &catalog::Client, which: WhichStore) -> Result<Option<Vec<u8>>> {
    match catalog.store_credential(which.name()).await {
        Err(error) if error.kind() == CatalogErrorKind::NotFound => Ok(None),
        sealed => Ok(Some(sealed?)),
    }
}

/// The sealed credentials of the cell's stores.
pub(crate) async fn sealed(catalog: &catalog::Client) -> Result<Vec<Vec<u8>>> {
    let mut all = Vec::new();
    for which in WhichStore::ALL {
        all.extend(sealed_of(catalog, which).await?);
    }
    Ok(all)
}

/// Seals by the newest key what an older one has sealed. Answers how many credentials these were.
pub(crate) async fn rewrap(cell: &Cell) -> Result<u64> {
    let mut count = 0;
    for which in WhichStore::ALL {
        let Some(sealed) = sealed_of(&cell.catalog, which).await? else { continue };
        let scope = which.scope(&cell.region)?;
        let grant = cell.grant(&scope, &[Action::Connect], "wrap by the newest keys").await?;
        if let Some(anew) = cell.vault.rewrap_credential(&grant, &scope, CREDENTIAL, &sealed).await? {
            cell.catalog.put_store_credential(which.name(), &anew, cell.clock.now()).await?;
            count += 1;
        }
    }
    Ok(count)
}
