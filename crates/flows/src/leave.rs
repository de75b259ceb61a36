//! By whose leave a cell is worked with.

use std::sync::Arc;
use std::time::Duration;

use domain::{Action, Grant, GrantId, Principal, Scope};
use vault::SignedIn;

use crate::error::{FlowError, Result};

/// A grant given for one command lasts so long; the vault gives none for longer.
const GRANT_TTL: Duration = vault::GRANT_TTL_MAX;

/// By whose leave.
pub enum Leave {
    /// Somebody's who has signed in: they are given a grant for whatever they ask for.
    SignedIn(Arc<SignedIn>),
    /// Whoever had these grants given, for one piece of work. There is no other, whatever is asked for.
    Given(Box<Given>),
}

/// Grants that were given for one piece of work.
pub struct Given {
    first: Grant,
    others: Vec<Grant>,
}

impl Given {
    /// Of these grants. `None` without one.
    #[must_use]
    pub fn new(grants: Vec<Grant>) -> Option<Self> {
        let mut grants = grants.into_iter();
        Some(Self { first: grants.next()?, others: grants.collect() })
    }

    fn covers(grant: &Grant, scope: &Scope, actions: &[Action]) -> bool {
        *grant.scope == *scope && actions.iter().all(|action| grant.actions.contains(action))
    }

    fn grant(&self, scope: &Scope, actions: &[Action]) -> Result<Grant> {
        let mut grants = std::iter::once(&self.first).chain(&self.others);
        grants.find(|grant| Self::covers(grant, scope, actions)).cloned().ok_or_else(|| {
            let actions: Vec<_> = actions.iter().map(|action| action.as_str()).collect();
            let what = format!("{}/{}", scope.tenant, scope.connection);
            FlowError::Refused(format!("no grant was given to {} `{what}`", actions.join(" and ")))
        })
    }
}

impl Leave {
    /// Whose it is.
    #[must_use]
    pub fn principal(&self) -> &Principal {
        match self {
            Self::SignedIn(signed_in) => signed_in.principal(),
            Self::Given(given) => &given.first.principal,
        }
    }

    /// The grant on which all is done, where there is one already.
    #[must_use]
    pub fn grant_id(&self) -> Option<GrantId> {
        match self {
            Self::SignedIn(_) => None,
            Self::Given(given) => Some(given.first.id),
        }
    }

    /// A grant for these actions on the connection.
    ///
    /// # Errors
    /// When the vault gives none, or its record cannot be written; refused where the work was given none.
    pub async fn grant(&self, scope: &Scope, actions: &[Action], purpose: &str) -> Result<Grant> {
        match self {
            Self::SignedIn(signed_in) => Ok(signed_in.grant(scope, actions, purpose, GRANT_TTL).await?),
            Self::Given(given) => given.grant(scope, actions),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use domain::{Id128, Platform, Region, Timestamp};

    use super::*;

    fn grant(connection: &str, actions: &[Action], id: u8) -> Grant {
        Grant {
            id: Id128([id; 16]),
            principal: Principal("cell-operator".into()),
            scope: scope("default", connection).into(),
            actions: actions.to_vec(),
            purpose: "test".into(),
            expires_at: Timestamp::MAX,
            seal: Vec::new(),
        }
    }

    fn scope(tenant: &str, connection: &str) -> Scope {
        Scope {
            tenant: tenant.parse().unwrap(),
            region: Region::new("local").unwrap(),
            platform: Platform::new("jsonl").unwrap(),
            connection: connection.parse().unwrap(),
        }
    }

    #[test]
    fn work_has_the_grants_that_were_given_and_no_other() {
        assert!(Given::new(Vec::new()).is_none());
        let both = [Action::Backup, Action::Read];
        let given = Given::new(vec![grant("shop", &both, 1), grant("other", &[Action::Restore], 2)]).unwrap();
        let check = |tenant, connection, actions: &[Action], expected: Option<u8>| {
            let found = given.grant(&scope(tenant, connection), actions).map(|grant| grant.id).ok();
            assert_eq!(found, expected.map(|id| Id128([id; 16])), "{tenant}/{connection} {actions:?}");
        };
        check("default", "shop", &[Action::Read], Some(1));
        check("default", "shop", &both, Some(1));
        check("default", "other", &[Action::Restore], Some(2));
        check("default", "shop", &[Action::Read, Action::Restore], None);
        check("default", "other", &[Action::Read], None);
        check("acme", "shop", &[Action::Read], None);
    }
}
