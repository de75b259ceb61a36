//! Processes as principals: what each is there for, and the name under which it proves who it is.

use std::fmt;
use std::str::FromStr;

use crate::names::{Id128, NameError, Platform};

/// What a process is there for. It can do no more than that.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Holds the keys.
    Vault,
    /// Has the catalog, and says what is to be done.
    Server,
    /// Takes what all others record into the trail's log.
    Monitor,
    /// A command of a person at this machine. It works with the cell, and has workers work with connections.
    Command,
    /// Speaks to the stores of one platform.
    Worker(Platform),
    /// Gets certificates for the public endpoint. It speaks to nobody of the cell, and proves to nobody who it is.
    Certifier,
}

/// A role without what it is limited to, as tables name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RoleName {
    /// [`Role::Vault`].
    Vault,
    /// [`Role::Server`].
    Server,
    /// [`Role::Monitor`].
    Monitor,
    /// [`Role::Command`].
    Command,
    /// [`Role::Worker`] of any platform.
    Worker,
    /// [`Role::Certifier`].
    Certifier,
}

impl Role {
    /// Which role it is.
    #[must_use]
    pub fn name(&self) -> RoleName {
        match self {
            Self::Vault => RoleName::Vault,
            Self::Server => RoleName::Server,
            Self::Monitor => RoleName::Monitor,
            Self::Command => RoleName::Command,
            Self::Worker(_) => RoleName::Worker,
            Self::Certifier => RoleName::Certifier,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Vault => f.write_str("vault"),
            Self::Server => f.write_str("server"),
            Self::Monitor => f.write_str("monitor"),
            Self::Command => f.write_str("command"),
            Self::Worker(platform) => write!(f, "worker/{platform}"),
            Self::Certifier => f.write_str("certifier"),
        }
    }
}

impl FromStr for Role {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        match (text, text.strip_prefix("worker/")) {
            ("vault", _) => Ok(Self::Vault),
            ("server", _) => Ok(Self::Server),
            ("monitor", _) => Ok(Self::Monitor),
            ("command", _) => Ok(Self::Command),
            ("certifier", _) => Ok(Self::Certifier),
            (_, Some(platform)) => platform.parse().map(Self::Worker),
            _ => Err(NameError::Service { value: text.into() }),
        }
    }
}

/// A process of a cell, as a SPIFFE id: `spiffe://CELL/ROLE`, and `spiffe://CELL/worker/PLATFORM`. The cell is named by its
/// vault's id. See <https://spiffe.io/docs/latest/spiffe-about/spiffe-concepts/>.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ServiceId {
    /// Whose it is.
    pub cell: Id128,
    /// What it is there for.
    pub role: Role,
}

impl fmt::Display for ServiceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "spiffe://{}/{}", self.cell, self.role)
    }
}

impl FromStr for ServiceId {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let parts = text.strip_prefix("spiffe://").and_then(|rest| rest.split_once('/'));
        let (cell, role) = parts.ok_or_else(|| NameError::Service { value: text.into() })?;
        Ok(Self { cell: cell.parse()?, role: role.parse()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<&Role>) {
        let read = text.parse::<ServiceId>().ok();
        assert_eq!(read.as_ref().map(|id| &id.role), expected, "{text}");
        if let Some(id) = read {
            assert_eq!(id.to_string(), text);
        }
    }

    #[test]
    fn a_service_has_one_spelling() {
        let cell = "00112233445566778899aabbccddeeff";
        check(&format!("spiffe://{cell}/vault"), Some(&Role::Vault));
        check(&format!("spiffe://{cell}/server"), Some(&Role::Server));
        check(&format!("spiffe://{cell}/monitor"), Some(&Role::Monitor));
        check(&format!("spiffe://{cell}/command"), Some(&Role::Command));
        check(&format!("spiffe://{cell}/certifier"), Some(&Role::Certifier));
        check(&format!("spiffe://{cell}/worker/shopify"), Some(&Role::Worker("shopify".parse().unwrap())));
        for wrong in ["vault/", "Vault", "worker", "worker/", "worker/a/b", "worker/A", "", "/vault"] {
            check(&format!("spiffe://{cell}/{wrong}"), None);
        }
        check(&format!("https://{cell}/vault"), None);
        check("spiffe://cell/vault", None);
        check(&format!("spiffe://{}/vault", cell.to_uppercase()), None);
    }
}
