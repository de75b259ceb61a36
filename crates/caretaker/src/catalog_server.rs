//! The PostgreSQL server on which a cell has its catalog: as it is given, as `cell.json` has it, and what it must be told.
//!
//! No secret opens it. The server's process shows the certificate that it has of the cell anyway, and PostgreSQL believes the
//! authority whose certificate lies in `DIR/authority.pem`.

use std::path::{Path, PathBuf};

use catalog::{Admission, Catalog, CatalogAddress, Credential, Password, ServerAddress};
use domain::{Id128, Role, ServiceId};
use flows::FlowError;
use serde::{Deserialize, Serialize};
use transport::{Identities, Identity, certificate_pem};

use crate::files;

/// An authority's file is not longer, in bytes.
const AUTHORITY_LEN_MAX: u64 = 1024 * 1024;

/// Where the catalog is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct CatalogServer {
    /// `postgres://USER@HOST:PORT/DATABASE`.
    url: String,
    /// The certificate of its authority, PEM, where it is no public one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    authority: Option<String>,
}

/// Where the certificate of the cell's authority lies, for PostgreSQL to believe.
pub(crate) fn authority_path(dir: &Path) -> PathBuf {
    dir.join("authority.pem")
}

/// Keeps the certificate of the authority that made an identity, where another lies there or none: a vault whose older keys were
/// retired has a new one.
pub(crate) fn keep_authority(dir: &Path, identity: &Identity) -> anyhow::Result<()> {
    let path = authority_path(dir);
    if std::fs::read_to_string(&path).is_ok_and(|kept| identity.is_of(&kept)) {
        return Ok(());
    }
    files::write_private(&path, certificate_pem(identity.authority()).as_bytes())
}

impl CatalogServer {
    /// Takes an address and a file as somebody gave them.
    pub(crate) fn given(url: &str, ca_file: Option<&Path>) -> anyhow::Result<Self> {
        let authority = match ca_file {
            Some(file) => {
                let text = String::from_utf8(files::read_at_most(file, AUTHORITY_LEN_MAX)?);
                Some(text.map_err(|_| FlowError::Input(format!("`{}` is no text", file.display())))?)
            }
            None => None,
        };
        let given = Self { url: url.to_owned(), authority };
        // As it is understood: with its port.
        Ok(Self { url: given.address()?.to_string(), ..given })
    }

    pub(crate) fn address(&self) -> Result<ServerAddress, FlowError> {
        let authority = self.authority.as_deref().map(str::as_bytes);
        ServerAddress::new(&self.url, authority).map_err(|error| FlowError::Input(error.to_string()))
    }

    /// What PostgreSQL must be told, so that it lets the server of that cell in.
    pub(crate) fn admission(&self, cell: Id128) -> Result<Admission, FlowError> {
        Ok(self.address()?.admission(&ServiceId { cell, role: Role::Server }))
    }

    /// Opens the catalog of the cell at `dir`, as the process that has these.
    pub(crate) async fn open(&self, dir: &Path, identities: Identities) -> anyhow::Result<Catalog> {
        if Catalog::is_embedded(dir) {
            let (url, admission) = (&self.url, self.admission(identities.newest().id.cell)?);
            return Err(FlowError::Conflict(format!(
                "the catalog of this cell was not moved to `{url}` yet. For PostgreSQL to let the cell in, {admission}. Then give \
                 `caretaker migrate --owner ROLE --owner-password-file FILE`, with the role that owns the database"
            ))
            .into());
        }
        Ok(Catalog::open(self.address()?.with(identities)).await?)
    }

    /// The same database for the role that owns it.
    pub(crate) fn owners(&self, role: &str, password_file: &Path) -> anyhow::Result<Owners> {
        let used = self.address()?;
        if used.user() == role {
            return Err(FlowError::Input(format!(
                "`{role}` is the role that uses the catalog, and would own it: name another, which is used for `migrate` alone"
            ))
            .into());
        }
        let address = used.clone().with_user(role).map_err(|error| FlowError::Input(error.to_string()))?;
        let secret = vault::Secret::read(password_file)?;
        let password = secret.expose_text().ok_or_else(|| {
            FlowError::Input(format!("`{}` holds no password: it is no text", password_file.display()))
        })?;
        Ok(Owners { used, address, credential: Password::new(password.to_owned()).into() })
    }
}

/// A catalog's database as its owner gets to it.
pub(crate) struct Owners {
    /// By whom it is used.
    used: ServerAddress,
    address: ServerAddress,
    credential: Credential,
}

impl Owners {
    pub(crate) fn catalog(&self) -> CatalogAddress {
        self.address.clone().with(self.credential.clone())
    }

    /// Lets the role use the catalog that `cell.json` names.
    pub(crate) async fn admit(&self) -> anyhow::Result<()> {
        Ok(Catalog::admit(&self.used, (&self.address, &self.credential)).await?)
    }
}
