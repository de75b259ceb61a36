//! What goes wrong in the record store, and what the caller does next.

use domain::{GrantError, KeyError, NameError};

/// A failure of the record store. Each variant names the operation or the object.
#[derive(Debug, thiserror::Error)]
pub enum RepositoryError {
    /// The object store did not do what was asked.
    #[error("could not {operation} `{object}`")]
    Store {
        /// What was tried: `read`, `write`, `list`, `delete`.
        operation: &'static str,
        /// The object's path.
        object: String,
        /// What the store said.
        #[source]
        source: Box<object_store::Error>,
    },
    /// An object is not what was written.
    #[error("`{object}` is damaged: {detail}")]
    Damaged {
        /// The object's path.
        object: String,
        /// What does not fit.
        detail: String,
    },
    /// An object that a commit names is gone.
    #[error("`{object}` is missing from the store")]
    Missing {
        /// The object's path.
        object: String,
    },
    /// No such record, snapshot or connection.
    #[error("{0} is not in the backup")]
    NotFound(String),
    /// The record was sealed under a person's key that has been destroyed.
    #[error("{0} was erased: its key has been destroyed")]
    Erased(String),
    /// Somebody else writes, or has written.
    #[error("{0}")]
    Conflict(String),
    /// Work on another thread did not end: a defect of this program.
    #[error("the work was stopped: {0}")]
    Stopped(String),
    /// What was given cannot be stored.
    #[error("{0}")]
    Input(String),
    /// Records were given out of order; sorted, they can be stored.
    #[error("{0}")]
    Unordered(String),
    /// A key did not do what was asked.
    #[error("a key of this connection could not be used")]
    Key(#[from] KeyError),
    /// The grant does not allow it.
    #[error("not allowed")]
    Grant(#[from] GrantError),
    /// A name is not one.
    #[error(transparent)]
    Name(#[from] NameError),
}

/// What a caller does about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// Try again later: the store cannot be reached, or is full.
    Unavailable,
    /// Stop and tell: stored data is damaged or missing.
    Integrity,
    /// There is no such thing.
    NotFound,
    /// Somebody else was first.
    Conflict,
    /// The input is at fault.
    Input,
    /// The grant or the vault refused.
    Refused,
}

impl RepositoryError {
    /// What to do about it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Store { .. } => ErrorKind::Unavailable,
            Self::Damaged { .. } | Self::Missing { .. } | Self::Key(KeyError::DoesNotOpen) => {
                ErrorKind::Integrity
            }
            Self::NotFound(_) | Self::Erased(_) => ErrorKind::NotFound,
            Self::Conflict(_) => ErrorKind::Conflict,
            Self::Input(_) | Self::Unordered(_) | Self::Name(_) => ErrorKind::Input,
            // A key that ended while it was in use can be had again.
            Self::Key(KeyError::Unavailable(_) | KeyError::Expired) | Self::Stopped(_) => {
                ErrorKind::Unavailable
            }
            Self::Key(_) | Self::Grant(_) => ErrorKind::Refused,
        }
    }

    pub(crate) fn damaged(object: &str, detail: impl Into<String>) -> Self {
        Self::Damaged { object: object.to_owned(), detail: detail.into() }
    }
}

/// Results of the record store.
pub type Result<T, E = RepositoryError> = std::result::Result<T, E>;
