//! What can go wrong with a vault, a recovery key or an operator key; each says what to do.

use std::io;
use std::path::{Path, PathBuf};

use domain::AuditError;
use serde::{Deserialize, Serialize};
use transport::CallError;

/// Why a vault or key file did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// There is no such file.
    #[error("there is no {what} at `{}`: check the path, or put the file back from its backup", path.display())]
    Missing {
        /// What the file holds.
        what: &'static str,
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A file that would have been made is already there.
    #[error("`{}` exists already: {what} is never written over; move it away first, or name another place", path.display())]
    Exists {
        /// What the file would hold.
        what: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// The passphrase is not the one under which the file was sealed.
    #[error("the passphrase does not open the {what} `{}`: check that it is this cell's passphrase", path.display())]
    WrongPassphrase {
        /// What the file holds.
        what: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// The vault is sealed by something else than what was given.
    #[error("the vault `{}` is sealed by {by}: open it with that", path.display())]
    SealedOtherwise {
        /// The file.
        path: PathBuf,
        /// What it is sealed by.
        by: String,
    },
    /// The way to a token or a service cannot be gone.
    #[error("`{way}` does not say how a root key is sealed: {why}")]
    SealWay {
        /// As it was given.
        way: String,
        /// What is wrong with it.
        why: String,
    },
    /// Whoever speaks to a token or a service for the vault does not do so.
    #[error("the root key's seal is not answered for: {0}")]
    Sealer(String),
    /// A recovery key is sealed, and no passphrase was given.
    #[error("the {what} `{}` is sealed: give its passphrase", path.display())]
    PassphraseNeeded {
        /// What the file holds.
        what: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// The file's bytes are not as they were written.
    #[error("the {what} `{}` is damaged ({problem}): put it back from its backup", path.display())]
    Damaged {
        /// What the file holds.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What does not fit.
        problem: &'static str,
    },
    /// The file is whole, but sealed with less work than is allowed.
    #[error(
        "the {what} `{}` is sealed too weakly ({found}); at least {least} is asked for: someone may have put it there to try \
         passphrases faster; put the right file back from its backup", path.display()
    )]
    WeakParameters {
        /// What the file holds.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What it is sealed with.
        found: String,
        /// What is asked for.
        least: String,
    },
    /// The file was written by a version of Caretaker that this one does not know.
    #[error("the {what} `{}` has the format `{format}`, which this version does not know: use a newer caretaker", path.display())]
    UnknownFormat {
        /// What the file holds.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the file says.
        format: String,
    },
    /// The file is there, but not fit for use.
    #[error("the {what} `{}` cannot be used: {problem}", path.display())]
    Unusable {
        /// What the file holds.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not, and what to do.
        problem: String,
    },
    /// A passphrase is empty.
    #[error("the passphrase is empty: choose one of several words")]
    EmptyPassphrase,
    /// Two recovery recipients share a name or a key, or a name is not allowed.
    #[error(
        "the recovery recipient `{0}` cannot be added: its name or its key is taken, or the name is not allowed"
    )]
    Recipient(String),
    /// Shares of a recovery key do not fit, or cannot be made.
    #[error("the shares of the recovery key do not do: {0}")]
    Shares(String),
    /// Other commands have the vault open.
    #[error(
        "other commands are working with this vault just now: wait until they have ended, then try again"
    )]
    InUse,
    /// The operator key is not this vault's.
    #[error("the operator key is not this vault's: use the `operator.key` that was made with it")]
    NotOperator,
    /// Nobody has signed in with that, or it was too long ago.
    #[error("nobody is signed in to the vault with that: sign in again")]
    NotSignedIn,
    /// The vault, in another process, says so.
    #[error("{0}")]
    Told(Told),
    /// The vault, in another process, has not answered.
    #[error(transparent)]
    Unanswered(#[from] CallError),
    /// A grant was asked for that the vault does not give.
    #[error("the grant was refused: {0}")]
    GrantRefused(String),
    /// An invitation lets nobody in.
    #[error(
        "the invitation is not good: it was used already, its time is over, or the vault was started again since; ask \
         for another with `caretaker host invite`"
    )]
    Invitation,
    /// A host cannot be taken in so.
    #[error("no host can be invited so: {0}")]
    Host(String),
    /// No host of the cell has that key.
    #[error(
        "this host is not of the cell: it never joined, was removed, or the vault's older keys were retired since; \
         have it join with `caretaker host invite`"
    )]
    UnknownHost,
    /// There is no host of that name.
    #[error("there is no host `{0}`: `caretaker host list` shows all of them")]
    NoHost(domain::Id128),
    /// An order was given that the vault does not keep.
    #[error("the order was refused: {0}")]
    OrderRefused(String),
    /// No such order stands.
    #[error("no order `{0}` stands: it was ended, its time is over, or it was never given")]
    NoOrder(domain::Id128),
    /// A list beside the vault has no room.
    #[error("the {what} has {most} entries already, and takes no more: end some of them")]
    Full {
        /// Which list.
        what: &'static str,
        /// Its most.
        most: usize,
    },
    /// The policies do not permit it.
    #[error("it is not permitted: {0}")]
    NotPermitted(String),
    /// The file system failed.
    #[error("cannot {doing} `{}`", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A cryptographic operation failed that fails only when the machine does.
    #[error("a cryptographic operation failed: {0}")]
    Crypto(&'static str),
    /// The audit record could not be written, so nothing was done.
    #[error("nothing was done, because it could not be recorded")]
    Audit(#[from] AuditError),
}

/// A failure as another process tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{text}")]
pub struct Told {
    pub(crate) kind: VaultErrorKind,
    pub(crate) text: String,
}

impl Told {
    /// A failure of whoever tells it, which another try may end.
    #[must_use]
    pub fn failed(text: String) -> Self {
        Self { kind: VaultErrorKind::Failed, text }
    }
}

impl From<VaultError> for Told {
    fn from(error: VaultError) -> Self {
        error.to_told()
    }
}

/// What a caller does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VaultErrorKind {
    /// Report it; another try may do.
    Failed,
    /// Ask the person for something else: a path, a passphrase.
    Usage,
    /// There is no such thing.
    NotFound,
    /// Somebody else is at it.
    Conflict,
    /// Not proven to be who may do it.
    Refused,
    /// Not signed in, or no longer: sign in again.
    SignedOut,
    /// The bytes are not what was written: stop.
    Damaged,
}

impl VaultError {
    /// What a caller does next.
    #[must_use]
    pub fn kind(&self) -> VaultErrorKind {
        match self {
            Self::Missing { .. } | Self::NoHost(_) | Self::NoOrder(_) => VaultErrorKind::NotFound,
            Self::Exists { .. }
            | Self::EmptyPassphrase
            | Self::SealedOtherwise { .. }
            | Self::SealWay { .. }
            | Self::PassphraseNeeded { .. }
            | Self::Unusable { .. }
            | Self::Shares(_)
            | Self::Host(_)
            | Self::Full { .. }
            | Self::Recipient(_) => VaultErrorKind::Usage,
            Self::WrongPassphrase { .. }
            | Self::NotOperator
            | Self::GrantRefused(_)
            | Self::Invitation
            | Self::OrderRefused(_)
            | Self::UnknownHost
            | Self::NotPermitted(_) => VaultErrorKind::Refused,
            Self::NotSignedIn => VaultErrorKind::SignedOut,
            Self::Told(told) => told.kind,
            Self::Unanswered(CallError::Refused { .. }) => VaultErrorKind::Refused,
            Self::InUse => VaultErrorKind::Conflict,
            Self::Damaged { .. } | Self::WeakParameters { .. } => VaultErrorKind::Damaged,
            Self::UnknownFormat { .. }
            | Self::Io { .. }
            | Self::Crypto(_)
            | Self::Sealer(_)
            | Self::Audit(_)
            | Self::Unanswered(_) => VaultErrorKind::Failed,
        }
    }

    /// A file that gives a secret cannot be opened.
    #[must_use]
    pub fn no_secret(path: &Path, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::NotFound => Self::Missing { what: "secret file", path: path.into() },
            _ => Self::Io { doing: "read", path: path.into(), source },
        }
    }

    /// As another process is to tell it, with its causes.
    pub(crate) fn to_told(&self) -> Told {
        Told { kind: self.kind(), text: domain::with_causes(self) }
    }
}
