//! Typed names and ids. One list defines them all; nothing else in the workspace passes a bare `String` as an id.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Longest tenant, connection, platform, region or kind name, in bytes.
pub const NAME_LEN_MAX: usize = 64;

/// Why a name or an id was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The name is empty, too long, or has a character that is not allowed.
    #[error(
        "`{value}` is not a {what}: use 1 to {NAME_LEN_MAX} characters from a-z, 0-9, `-` and `_`, beginning with a letter or digit"
    )]
    Name {
        /// Which kind of name.
        what: &'static str,
        /// What was given.
        value: String,
    },
    /// The text is not an id of 32 hexadecimal digits.
    #[error("`{value}` is not an id: 32 hexadecimal digits are expected")]
    Id {
        /// What was given.
        value: String,
    },
    /// The text names no process of a cell.
    #[error("`{value}` names no service of a cell")]
    Service {
        /// What was given.
        value: String,
    },
    /// A record's id is empty or longer than the store keeps.
    #[error("a record id has {len} bytes; 1 to {max} are kept")]
    RecordId {
        /// Length of what was given, in bytes.
        len: usize,
        /// Longest id that is kept, in bytes.
        max: usize,
    },
}

fn is_name(value: &str) -> bool {
    let mut chars = value.chars();
    value.len() <= NAME_LEN_MAX
        && chars.next().is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
        && chars.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_')
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident = $what:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Box<str>);

        impl $name {
            /// Checks and keeps the name.
            ///
            /// # Errors
            /// When it is not 1 to 64 characters from `a-z 0-9 - _`, beginning with a letter or digit: a name
            /// becomes part of object paths.
            pub fn new(value: &str) -> Result<Self, NameError> {
                if is_name(value) {
                    Ok(Self(value.into()))
                } else {
                    Err(NameError::Name { what: $what, value: value.into() })
                }
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = NameError;
            fn from_str(value: &str) -> Result<Self, NameError> {
                Self::new(value)
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(value: String) -> Result<Self, NameError> {
                Self::new(&value)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0.into()
            }
        }
    )*};
}

names! {
    /// Whose data it is.
    TenantId = "tenant";
    /// A connected store. The name that people use, unique within its tenant.
    ConnectionId = "connection";
    /// The make of a connected store: `shopify`, `bigcommerce`, `jsonl`.
    Platform = "platform";
    /// Where the data must stay.
    Region = "region";
    /// What sort of item a record is, by the platform's own noun in snake case: `product`, `order`.
    Kind = "kind";
}

/// Everything that every stored byte is bound to. A region is part of it from the first day.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Scope {
    /// Whose data it is.
    pub tenant: TenantId,
    /// Where it must stay.
    pub region: Region,
    /// The store's make.
    pub platform: Platform,
    /// Which store.
    pub connection: ConnectionId,
}

/// The tenant and the platform in the scopes of a cell's own stores. No connection has both: there are no stores of that make.
const OF_STORES: (&str, &str) = ("cell", "s3");

impl Scope {
    /// Where the credential of one of a cell's own stores belongs: to no connection.
    ///
    /// # Errors
    /// When the store's name is none.
    pub fn of_store(region: &Region, store: &str) -> Result<Self, NameError> {
        Ok(Self {
            tenant: TenantId::new(OF_STORES.0)?,
            region: region.clone(),
            platform: Platform::new(OF_STORES.1)?,
            connection: ConnectionId::new(store)?,
        })
    }

    /// Whether it is where the credential of one of a cell's own stores belongs.
    #[must_use]
    pub fn is_of_store(&self) -> bool {
        (self.tenant.as_str(), self.platform.as_str()) == OF_STORES
    }
}

/// 128 random bits, as 32 hexadecimal digits in text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Id128(pub [u8; 16]);

impl fmt::Display for Id128 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Id128 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Id128 {
    type Err = NameError;
    fn from_str(value: &str) -> Result<Self, NameError> {
        let err = || NameError::Id { value: value.into() };
        if value.len() != 32 || !value.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) {
            return Err(err());
        }
        u128::from_str_radix(value, 16).map(|n| Self(n.to_be_bytes())).map_err(|_| err())
    }
}

impl TryFrom<String> for Id128 {
    type Error = NameError;
    fn try_from(value: String) -> Result<Self, NameError> {
        value.parse()
    }
}

impl From<Id128> for String {
    fn from(id: Id128) -> String {
        id.to_string()
    }
}

/// A snapshot's place in its connection's history: 1, 2, 3, … Numbers order snapshots, clocks never do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SnapshotNumber(pub u64);

impl SnapshotNumber {
    /// The number that follows.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for SnapshotNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: &str, allowed: bool) {
        assert_eq!(TenantId::new(value).is_ok(), allowed, "`{value}`");
    }

    #[test]
    fn names_hold_only_what_a_path_can_carry() {
        for name in ["default", "my-shop", "a", "0", "metafield_definition"] {
            check(name, true);
        }
        for name in ["", "-a", "_a", "A", "a/b", "..", ".", "a b", "é", "a\0"] {
            check(name, false);
        }
        check(&"a".repeat(NAME_LEN_MAX), true);
        check(&"a".repeat(NAME_LEN_MAX + 1), false);
    }

    #[test]
    fn ids_round_trip_through_text_in_one_spelling_only() {
        let id = Id128([0xab; 16]);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!(id.to_string().to_uppercase().parse::<Id128>().is_err());
        assert!("ab".parse::<Id128>().is_err());
        assert!(format!("+{}", "a".repeat(31)).parse::<Id128>().is_err());
    }
}
