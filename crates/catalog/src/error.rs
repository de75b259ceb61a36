//! What can go wrong with the catalog, and what a caller does next.

use std::io;
use std::path::PathBuf;

use domain::AuditError;
use serde::{Deserialize, Serialize};
use transport::CallError;

use crate::{postgres, sqlite};

/// Why the catalog did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// There is no catalog.
    #[error("there is no catalog at `{0}`: check the address, or make a cell with `caretaker init`")]
    Missing(String),
    /// There is no such thing, or it is another tenant's.
    #[error("there is no {what} `{name}`")]
    NotFound {
        /// What sort of thing.
        what: &'static str,
        /// What was asked for.
        name: String,
    },
    /// There is one already.
    #[error("there is a {what} `{name}` already")]
    Exists {
        /// What sort of thing.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// Somebody else advanced the head in the meantime.
    #[error("the head of `{connection}` has moved: it is {found}, not {expected}; read it again")]
    HeadMoved {
        /// The connection's name.
        connection: String,
        /// What the caller took it for.
        expected: String,
        /// What it is.
        found: String,
    },
    /// The new head would not come after the old one.
    #[error("the head of `{connection}` cannot go from {from} to {to}: heads only advance")]
    HeadGoesBack {
        /// The connection's name.
        connection: String,
        /// The head as it is.
        from: String,
        /// What was asked for.
        to: String,
    },
    /// The lease was released, or taken over by somebody else.
    #[error("the lease of `{0}` was lost: stop writing")]
    LeaseLost(String),
    /// A restore is in another state than the caller thought.
    #[error("restore `{restore}` is {found}, not {expected}")]
    RestoreMoved {
        /// The restore's id.
        restore: String,
        /// What the caller took it for.
        expected: &'static str,
        /// What it is.
        found: &'static str,
    },
    /// Another process changed the same rows at the same time, and the database took this change back.
    #[error("cannot {doing}: another process was changing the same; read it again")]
    Crossed {
        /// What was tried.
        doing: &'static str,
        /// What the database said.
        #[source]
        source: sqlx::Error,
    },
    /// A number is larger than the catalog holds, or a time is out of range.
    #[error("{0} is out of range")]
    OutOfRange(&'static str),
    /// The catalog's schema is older than this version's.
    #[error("the catalog's schema is {found}, this version's is {known}: run `caretaker migrate`")]
    SchemaOlder {
        /// The catalog's schema.
        found: u32,
        /// This version's schema.
        known: u32,
    },
    /// The catalog's schema is newer than this version's.
    #[error("the catalog's schema is {found}, this version knows up to {known}: use a newer caretaker")]
    SchemaNewer {
        /// The catalog's schema.
        found: u32,
        /// This version's schema.
        known: u32,
    },
    /// What was read is not what was written.
    #[error(
        "the catalog is damaged ({what}): put it back, or build it anew from the store with `caretaker init --from-store`"
    )]
    Damaged {
        /// What does not fit.
        what: String,
        /// What the database said, where it spoke.
        #[source]
        source: Option<sqlx::Error>,
    },
    /// The server is away, or nothing was free there for as long as anybody waits. Nothing was changed.
    #[error(
        "cannot {doing}: the catalog's server `{address}` is away; give the command again once it is back"
    )]
    Away {
        /// What was tried.
        doing: &'static str,
        /// Where the server is.
        address: String,
        /// What was heard of it.
        #[source]
        source: sqlx::Error,
    },
    /// The server went away before a change was to be made durable. Nothing was changed.
    #[error("cannot {doing}: the catalog's server went away meanwhile; give the command again")]
    Lost {
        /// What was tried.
        doing: &'static str,
        /// What was heard of it.
        #[source]
        source: sqlx::Error,
    },
    /// The server went away while a change was to be made durable. Whether it has been made is not known.
    #[error(
        "cannot {doing}: the catalog's server went away meanwhile, and may have done it; look, and give the command again if it has not"
    )]
    Unsure {
        /// What was tried.
        doing: &'static str,
        /// What was heard of it.
        #[source]
        source: sqlx::Error,
    },
    /// The server does not let this process in.
    #[error("the catalog's server does not let this cell in at `{address}`: {needs}")]
    NotAdmitted {
        /// Where the server is.
        address: String,
        /// What it must be told.
        needs: String,
        /// What it said.
        #[source]
        source: sqlx::Error,
    },
    /// Who answers is not who should: no authority that is believed vouches for it, or it has another name.
    #[error(
        "what answers at `{address}` does not prove by TLS that it is the catalog's server: look whether the address has the name \
         that is in its certificate, and whether the authority that was given is the one which signed that"
    )]
    Unverified {
        /// Where the server is.
        address: String,
        /// What is wrong with it.
        #[source]
        source: sqlx::Error,
    },
    /// The database did not answer: locked for too long, disk full, not readable.
    #[error("cannot {doing}: the catalog is not available")]
    Unavailable {
        /// What was tried.
        doing: &'static str,
        /// What the database said.
        #[source]
        source: sqlx::Error,
    },
    /// The server's role would see every tenant's rows, whoever asks.
    #[error(
        "the role of `{0}` is a superuser's or bypasses row security, so that tenants would not be kept apart: use one that is neither"
    )]
    RoleUnbound(String),
    /// The policies do not permit it.
    #[error("it is not permitted: {0}")]
    NotPermitted(String),
    /// What was asked could not be put on the record. Whether a change has been made is not known.
    #[error("the catalog's record could not be written")]
    Unrecorded(#[source] AuditError),
    /// What was asked came to no end. Whether a change has been made is not known.
    #[error("the question was broken off")]
    Stopped(#[source] tokio::task::JoinError),
    /// What another process says of the catalog that it has.
    #[error("{}", .0.text)]
    Told(Told),
    /// The process that has the catalog does not answer.
    #[error(transparent)]
    Unanswered(CallError),
    /// The file system failed.
    #[error("cannot {doing} `{}`", path.display())]
    File {
        /// What was tried.
        doing: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// An error as one process tells it to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    pub(crate) kind: CatalogErrorKind,
    pub(crate) text: String,
}

/// What a caller does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CatalogErrorKind {
    /// Read again, then decide.
    Conflict,
    /// There is nothing there for this tenant.
    NotFound,
    /// They may not: nothing is gained by asking again.
    Refused,
    /// A server is away: the same can be asked again once it is back.
    Away,
    /// Report it, and try again later.
    Unavailable,
    /// Stop: what was read is not what was written.
    Damaged,
}

impl CatalogError {
    /// What a caller does next.
    #[must_use]
    pub fn kind(&self) -> CatalogErrorKind {
        match self {
            Self::Missing(_) | Self::NotFound { .. } => CatalogErrorKind::NotFound,
            Self::Exists { .. }
            | Self::HeadMoved { .. }
            | Self::HeadGoesBack { .. }
            | Self::LeaseLost(_)
            | Self::RestoreMoved { .. }
            | Self::Crossed { .. } => CatalogErrorKind::Conflict,
            Self::NotPermitted(_) | Self::NotAdmitted { .. } | Self::Unverified { .. } => {
                CatalogErrorKind::Refused
            }
            Self::Away { .. } | Self::Lost { .. } | Self::Unsure { .. } => CatalogErrorKind::Away,
            Self::OutOfRange(_)
            | Self::SchemaOlder { .. }
            | Self::SchemaNewer { .. }
            | Self::Unavailable { .. }
            | Self::Unanswered(_)
            | Self::Unrecorded(_)
            | Self::Stopped(_)
            | Self::RoleUnbound(_)
            | Self::File { .. } => CatalogErrorKind::Unavailable,
            Self::Damaged { .. } => CatalogErrorKind::Damaged,
            Self::Told(told) => told.kind,
        }
    }

    /// Whether the same may be asked once more at once, of a question that does no harm twice or of one that does.
    pub(crate) fn is_worth_another_try(&self, harmless: bool) -> bool {
        match self {
            Self::Lost { .. } => true,
            Self::Unsure { .. } => harmless,
            _ => false,
        }
    }

    /// As another process is to tell it, with its causes.
    pub(crate) fn to_told(&self) -> Told {
        Told { kind: self.kind(), text: domain::with_causes(self) }
    }

    pub(crate) fn not_found(what: &'static str, name: &impl ToString) -> Self {
        Self::NotFound { what, name: name.to_string() }
    }

    pub(crate) fn damaged(what: impl Into<String>) -> Self {
        Self::Damaged { what: what.into(), source: None }
    }
}

/// What an error of a database means for whoever asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    Damaged,
    Crossed,
    /// There is no database of that name.
    Missing,
    /// The server went away, or is about to.
    Gone,
    /// The server does not let whoever asks in.
    NotAdmitted,
    /// The other end is not whom it should be.
    Unverified,
    Unavailable,
}

/// Turns what the database said into what a caller does next.
pub(crate) fn failed(doing: &'static str) -> impl FnOnce(sqlx::Error) -> CatalogError {
    move |source| match meaning(&source) {
        Meaning::Damaged => {
            CatalogError::Damaged { what: format!("could not {doing}"), source: Some(source) }
        }
        Meaning::Crossed => CatalogError::Crossed { doing, source },
        Meaning::Gone => CatalogError::Lost { doing, source },
        // The rest is said where a connection is made.
        Meaning::Missing | Meaning::NotAdmitted | Meaning::Unverified | Meaning::Unavailable => {
            CatalogError::Unavailable { doing, source }
        }
    }
}

pub(crate) fn meaning(error: &sqlx::Error) -> Meaning {
    match error {
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::ColumnNotFound(_) => Meaning::Damaged,
        sqlx::Error::Io(error) => postgres::network_meaning(error),
        sqlx::Error::Tls(_) => Meaning::Unverified,
        sqlx::Error::Database(told) => match told.try_downcast_ref::<sqlx::postgres::PgDatabaseError>() {
            Some(told) => postgres::meaning(told.code()),
            None => sqlite::meaning(&told.code().unwrap_or_default(), told.message()),
        },
        _ => Meaning::Unavailable,
    }
}
