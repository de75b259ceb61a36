//! Grants: the leave, given by the vault alone, to do named things with one connection for a while.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::names::{Id128, Scope};

/// A grant's own id, so that the trail can name it.
pub type GrantId = Id128;

/// Who asks: `cell-operator`, later `user/…` and `service/…`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Principal(pub String);

macro_rules! actions {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// What may be done with a connection's content.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Action { $($(#[$doc])* $name,)* }

        impl Action {
            /// Every action, in the order in which they are declared.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The action's name in commands, policies and on the trail.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

actions! {
    /// Make, open or replace the connection itself.
    Connect = "connect",
    /// Read the platform and write a snapshot.
    Backup = "backup",
    /// Read records.
    Read = "read",
    /// Write records back to a platform.
    Restore = "restore",
    /// Open every object and compare.
    Verify = "verify",
    /// Restore into a practice store.
    Drill = "drill",
    /// Take records out of the cell.
    Export = "export",
    /// Drop snapshots and collect what nothing names.
    Prune = "prune",
    /// Destroy a person's keys.
    Erase = "erase",
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A set of actions.
pub type Actions = Vec<Action>;

/// The leave to do `actions` with one connection until `expires_at`.
///
/// Every read of content takes one. The `seal` is a MAC under a key that never leaves the vault, over all
/// other fields: whoever builds a grant without the vault has one that opens no key.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Its own id.
    pub id: GrantId,
    /// To whom it was given.
    pub principal: Principal,
    /// For which connection: whose data, of which store, and where it belongs. Apart: grants are carried along through much.
    pub scope: Box<Scope>,
    /// For which actions.
    pub actions: Actions,
    /// Why, in words, for the trail.
    pub purpose: String,
    /// From then on it is worth nothing.
    pub expires_at: Timestamp,
    /// The vault's MAC over the other fields.
    pub seal: Vec<u8>,
}

impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grant")
            .field("id", &self.id)
            .field("principal", &self.principal.0)
            .field("scope", &self.scope)
            .field("actions", &self.actions)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// Why a grant does not allow what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GrantError {
    /// The grant is for another tenant or connection.
    #[error("the grant is for `{granted}`, not for `{asked}`")]
    OtherConnection {
        /// What the grant names.
        granted: String,
        /// What was asked for.
        asked: String,
    },
    /// The grant does not name the action.
    #[error("the grant does not allow `{0}`")]
    Action(Action),
    /// The grant has ended.
    #[error("the grant ended at {0}")]
    Expired(Timestamp),
}

impl Grant {
    /// Whether this grant, if it is genuine, allows `action` on the connection now.
    ///
    /// The seal is not checked here: only the vault can, and it does when it opens a key.
    ///
    /// # Errors
    /// Says which condition fails.
    pub fn allows(&self, action: Action, scope: &Scope, now: Timestamp) -> Result<(), GrantError> {
        self.covers(action, scope)?;
        if now >= self.expires_at { Err(GrantError::Expired(self.expires_at)) } else { Ok(()) }
    }

    /// Whether this grant, if it is genuine, allows `action` on the connection for its time. When that is over the vault alone
    /// knows: on a standing order it gives the next one.
    ///
    /// # Errors
    /// Says which condition fails.
    pub fn covers(&self, action: Action, scope: &Scope) -> Result<(), GrantError> {
        if *self.scope != *scope {
            let named = |Scope { tenant, region, platform, connection }: &Scope| {
                format!("{tenant}/{connection} ({platform}, {region})")
            };
            return Err(GrantError::OtherConnection { granted: named(&self.scope), asked: named(scope) });
        }
        if !self.actions.contains(&action) {
            return Err(GrantError::Action(action));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::{ConnectionId, Platform, Region, TenantId};

    fn grant() -> Grant {
        Grant {
            id: Id128([0; 16]),
            principal: Principal("cell-operator".into()),
            scope: scope("shop", "shopify").into(),
            actions: vec![Action::Read],
            purpose: "test".into(),
            expires_at: Timestamp::from_second(100).unwrap(),
            seal: vec![],
        }
    }

    fn scope(connection: &str, platform: &str) -> Scope {
        Scope {
            tenant: TenantId::new("default").unwrap(),
            region: Region::new("local").unwrap(),
            platform: Platform::new(platform).unwrap(),
            connection: ConnectionId::new(connection).unwrap(),
        }
    }

    fn check(action: Action, scope: &Scope, second: i64, allowed: bool) {
        let now = Timestamp::from_second(second).unwrap();
        assert_eq!(grant().allows(action, scope, now).is_ok(), allowed);
    }

    #[test]
    fn a_grant_allows_its_actions_on_its_connection_until_it_ends() {
        let own = scope("shop", "shopify");
        check(Action::Read, &own, 99, true);
        check(Action::Restore, &own, 99, false);
        check(Action::Read, &scope("other", "shopify"), 99, false);
        check(Action::Read, &scope("shop", "bigcommerce"), 99, false);
        check(Action::Read, &own, 100, false);
    }
}
