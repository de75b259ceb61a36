//! Why a flow did not do what was asked. The kind says how the command ends.

use connectors::contract::{Fault, SpoolError, SpoolErrorKind};
use domain::with_causes;
use repository::RepositoryError;
use serde::{Deserialize, Serialize};
use vault::{VaultError, VaultErrorKind};

/// A failed flow.
#[derive(Debug, thiserror::Error)]
pub enum FlowError {
    /// The record store failed.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    /// The vault refused or failed.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The catalog failed.
    #[error(transparent)]
    Catalog(#[from] catalog::CatalogError),
    /// The platform failed.
    #[error(transparent)]
    Platform(#[from] Fault),
    /// The platform failed, and it matters where.
    #[error("`{url}` cannot be used")]
    Address {
        /// The store's address.
        url: String,
        /// What the platform said.
        #[source]
        source: Fault,
    },
    /// A file could not be read or written.
    #[error("could not {operation} `{path}`")]
    File {
        /// What was tried.
        operation: &'static str,
        /// Which file.
        path: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// What was given makes no sense.
    #[error("{0}")]
    Input(String),
    /// Records that were given cannot be kept as they are.
    #[error("{0}")]
    Data(String),
    /// There is no such thing.
    #[error("{0}")]
    NotFound(String),
    /// Somebody else was first, or what was planned fits no longer.
    #[error("{0}")]
    Conflict(String),
    /// Stored data is not what was written.
    #[error("{0}")]
    Integrity(String),
    /// Nobody has given leave for it.
    #[error("{0}")]
    Refused(String),
    /// What another process of the cell said of what it could not do.
    #[error(transparent)]
    Told(#[from] Told),
}

/// What another process of the cell said of what it could not do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{text}")]
pub struct Told {
    /// How a command ends with it.
    pub kind: ErrorKind,
    /// What it said.
    pub text: String,
    /// Why, the nearest cause first.
    #[source]
    pub cause: Option<Box<ToldCause>>,
}

/// A cause, in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{text}")]
pub struct ToldCause {
    text: String,
    #[source]
    cause: Option<Box<ToldCause>>,
}

impl Told {
    /// Without a cause.
    #[must_use]
    pub fn new(kind: ErrorKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into(), cause: None }
    }

    /// An error with its causes.
    #[must_use]
    pub fn of(kind: ErrorKind, error: &(dyn std::error::Error + 'static)) -> Self {
        let texts = std::iter::successors(Some(error), |error| error.source()).map(ToString::to_string);
        let mut texts: Vec<String> = texts.collect();
        // A transparent error repeats its source's words.
        texts.dedup();
        let mut texts = texts.into_iter();
        let text = texts.next().unwrap_or_default();
        let cause = texts.rev().fold(None, |cause, text| Some(Box::new(ToldCause { text, cause })));
        Self { kind, text, cause }
    }
}

/// How a command ends; see CLI exit codes in docs/cli.md.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// It failed.
    Failed,
    /// What was asked makes no sense.
    Usage,
    /// Stored data is damaged, missing or rolled back.
    Integrity,
    /// Not signed in, or refused.
    Refused,
    /// There is no such thing.
    NotFound,
    /// A lease is held, or a plan is out of date.
    Conflict,
    /// The platform or a store is not available.
    Unavailable,
}

impl FlowError {
    /// How the command ends.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Repository(error) => repository_kind(error),
            Self::Vault(error) => vault_kind(error),
            Self::Catalog(error) => catalog_kind(error),
            Self::Platform(fault) | Self::Address { source: fault, .. } => fault_kind(fault),
            Self::File { .. } | Self::Data(_) => ErrorKind::Failed,
            Self::Input(_) => ErrorKind::Usage,
            Self::NotFound(_) => ErrorKind::NotFound,
            Self::Conflict(_) => ErrorKind::Conflict,
            Self::Integrity(_) => ErrorKind::Integrity,
            Self::Refused(_) => ErrorKind::Refused,
            Self::Told(told) => told.kind,
        }
    }
}

fn fault_kind(fault: &Fault) -> ErrorKind {
    match fault {
        Fault::Throttled(_) | Fault::Unavailable(_) => ErrorKind::Unavailable,
        Fault::Unauthorized(_) | Fault::Forbidden(_) => ErrorKind::Refused,
        Fault::NotThePlatform(_) | Fault::Rejected(_) | Fault::Malformed(_) | Fault::Audit(_) => {
            ErrorKind::Failed
        }
        Fault::Spool(error) => spool_kind(error.kind),
    }
}

fn spool_kind(kind: SpoolErrorKind) -> ErrorKind {
    match kind {
        SpoolErrorKind::Failed => ErrorKind::Failed,
        SpoolErrorKind::Unavailable => ErrorKind::Unavailable,
        SpoolErrorKind::Damaged => ErrorKind::Integrity,
        SpoolErrorKind::Conflict => ErrorKind::Conflict,
        SpoolErrorKind::Refused => ErrorKind::Refused,
    }
}

/// A failure of ours on its way through a connector, which hands it back. How the command ends is not lost by that.
pub(crate) fn spool_error(error: impl Into<FlowError>) -> SpoolError {
    let error = error.into();
    let kind = match error.kind() {
        ErrorKind::Failed | ErrorKind::Usage | ErrorKind::NotFound => SpoolErrorKind::Failed,
        ErrorKind::Unavailable => SpoolErrorKind::Unavailable,
        ErrorKind::Integrity => SpoolErrorKind::Damaged,
        ErrorKind::Conflict => SpoolErrorKind::Conflict,
        ErrorKind::Refused => SpoolErrorKind::Refused,
    };
    SpoolError { kind, why: with_causes(&error) }
}

/// How a command ends that failed in the record store.
#[must_use]
pub fn repository_kind(error: &RepositoryError) -> ErrorKind {
    match error.kind() {
        repository::ErrorKind::Unavailable => store_kind(error),
        repository::ErrorKind::Input => ErrorKind::Failed,
        repository::ErrorKind::Integrity => ErrorKind::Integrity,
        repository::ErrorKind::NotFound => ErrorKind::NotFound,
        repository::ErrorKind::Conflict => ErrorKind::Conflict,
        repository::ErrorKind::Refused => ErrorKind::Refused,
    }
}

/// What the server of a catalog is called where it stands for a store.
pub(crate) const CATALOGS_SERVER: &str = "the catalog's server";

/// How a command ends whose store did not do what was asked: a disk has failed, a server does not answer or does
/// not let us in.
fn store_kind(error: &RepositoryError) -> ErrorKind {
    let RepositoryError::Store { source, .. } = error else { return ErrorKind::Failed };
    match **source {
        object_store::Error::Unauthenticated { .. } | object_store::Error::PermissionDenied { .. } => {
            ErrorKind::Refused
        }
        object_store::Error::Generic { store: "S3" | CATALOGS_SERVER, .. } => ErrorKind::Unavailable,
        _ => ErrorKind::Failed,
    }
}

/// How a command ends that failed in the vault.
#[must_use]
pub fn vault_kind(error: &VaultError) -> ErrorKind {
    match error.kind() {
        VaultErrorKind::Failed => ErrorKind::Failed,
        VaultErrorKind::Usage => ErrorKind::Usage,
        VaultErrorKind::NotFound => ErrorKind::NotFound,
        VaultErrorKind::Conflict => ErrorKind::Conflict,
        VaultErrorKind::Refused | VaultErrorKind::SignedOut => ErrorKind::Refused,
        VaultErrorKind::Damaged => ErrorKind::Integrity,
    }
}

/// How a command ends that failed in the catalog.
#[must_use]
pub fn catalog_kind(error: &catalog::CatalogError) -> ErrorKind {
    match error.kind() {
        catalog::CatalogErrorKind::Conflict => ErrorKind::Conflict,
        catalog::CatalogErrorKind::NotFound => ErrorKind::NotFound,
        catalog::CatalogErrorKind::Damaged => ErrorKind::Integrity,
        catalog::CatalogErrorKind::Refused => ErrorKind::Refused,
        catalog::CatalogErrorKind::Away => ErrorKind::Unavailable,
        catalog::CatalogErrorKind::Unavailable => ErrorKind::Failed,
    }
}

impl From<domain::KeyError> for FlowError {
    fn from(error: domain::KeyError) -> Self {
        Self::Repository(RepositoryError::Key(error))
    }
}

impl From<SpoolError> for FlowError {
    fn from(error: SpoolError) -> Self {
        Self::Platform(Fault::Spool(error))
    }
}

/// Results of flows.
pub type Result<T, E = FlowError> = std::result::Result<T, E>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_of_ours_ends_a_command_the_same_way_behind_a_connector() {
        let check = |error: RepositoryError, expected: ErrorKind| {
            assert_eq!(repository_kind(&error), expected);
            let told = error.to_string();
            let through = FlowError::from(Fault::from(spool_error(error)));
            assert_eq!(through.kind(), expected, "{through}");
            assert!(through.to_string().contains(&told), "{through}");
        };
        let store = |source| RepositoryError::Store {
            operation: "write",
            object: "run/1".to_owned(),
            source: Box::new(source),
        };
        let why = || Box::new(std::io::Error::other("out of order"));
        check(store(object_store::Error::Generic { store: "S3", source: why() }), ErrorKind::Unavailable);
        check(
            store(object_store::Error::Generic { store: "LocalFileSystem", source: why() }),
            ErrorKind::Failed,
        );
        let refused = object_store::Error::PermissionDenied { path: "run/1".to_owned(), source: why() };
        check(store(refused), ErrorKind::Refused);
        check(RepositoryError::Conflict("another is faster".to_owned()), ErrorKind::Conflict);
        let damaged = RepositoryError::Damaged { object: "run/1".to_owned(), detail: "cut short".to_owned() };
        check(damaged, ErrorKind::Integrity);
    }
}
