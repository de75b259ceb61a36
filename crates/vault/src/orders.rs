//! Standing orders: work that somebody has signed in for, and that goes on when they have gone.
//!
//! A grant is short. On an order the worker gets the next one, as long as the work lasts, or until somebody ends the order. An order
//! lets nobody read or take out records: what is worked with stays in the worker.

use std::time::Duration;

use domain::{
    Action, Actions, AuditEvent, Grant, Id128, Ids as _, Operation, Outcome, Principal, Scope, Timestamp,
};
use serde::{Deserialize, Serialize};

use crate::encoding::fields;
use crate::error::VaultError;
use crate::gate::{Caller, UNPROVEN, object};
use crate::list::Listed;
use crate::vault::{Vault, named};

/// What an order may be for, on a connection. On one of the cell's own stores it is to get into it.
pub const ORDERED: &[Action] = &[Action::Backup, Action::Verify, Action::Drill, Action::Restore];
/// An order lasts so long at most.
pub const ORDER_TTL_MAX: Duration = Duration::from_secs(400 * 24 * 60 * 60);
/// A grant lasts so long that work begins with which has an order, or that was given on one.
pub const ORDERED_GRANT_TTL: Duration = Duration::from_secs(60 * 60);

/// An order that stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Its name.
    pub id: Id128,
    /// Who gave it.
    pub principal: Principal,
    /// For which connection.
    pub scope: Scope,
    /// What may be done on it.
    pub actions: Actions,
    /// What for, in words, for the trail.
    pub purpose: String,
    /// From then on it is worth nothing.
    pub until: Timestamp,
}

impl Listed for Order {
    const WHAT: &'static str = "list of standing orders";
    const FORMAT: &'static str = "caretaker-orders-1";
    const FILE: &'static str = "orders.json";
    const ENTRIES_MAX: usize = 10_000;

    fn canonical(&self) -> Vec<u8> {
        let Self { id, principal, scope, actions, purpose, until } = self;
        let actions: Vec<&[u8]> = actions.iter().map(|action| action.as_str().as_bytes()).collect();
        fields(&[
            &id.0,
            principal.0.as_bytes(),
            scope.tenant.as_str().as_bytes(),
            scope.region.as_str().as_bytes(),
            scope.platform.as_str().as_bytes(),
            scope.connection.as_str().as_bytes(),
            &fields(&actions),
            purpose.as_bytes(),
            &until.as_nanosecond().to_be_bytes(),
        ])
    }
}

impl Order {
    fn object(&self) -> String {
        object(&self.scope.tenant, &self.scope.connection)
    }
}

/// What somebody asks an order to be.
pub(crate) struct Wanted<'a> {
    pub(crate) scope: &'a Scope,
    pub(crate) actions: &'a [Action],
    pub(crate) purpose: &'a str,
    pub(crate) ttl: Duration,
}

impl Vault {
    /// Keeps an order of somebody who has signed in.
    pub(crate) async fn give_order(
        &self,
        (caller, principal): (&Caller, Principal),
        Wanted { scope, actions, purpose, ttl }: Wanted<'_>,
    ) -> Result<Order, VaultError> {
        let refused = |why: String| Err(VaultError::OrderRefused(why));
        if actions.is_empty() || ttl.is_zero() {
            return refused("it names no action, or no time".into());
        }
        let ordered = if scope.is_of_store() { &[Action::Connect] } else { ORDERED };
        if let Some(other) = actions.iter().find(|action| !ordered.contains(action)) {
            return refused(format!("nobody may {other} who has not signed in just then"));
        }
        if ttl > ORDER_TTL_MAX {
            return refused(format!("it would last longer than {} days", ORDER_TTL_MAX.as_secs() / 86_400));
        }
        let who = (caller, &principal);
        let policies = self.admit_actions(who, Operation::OrderGive, (scope, actions)).await?;
        let handles = self.gate.handles();
        let now = handles.clock.now();
        let until = now.checked_add(ttl);
        let until = until.map_err(|_| VaultError::OrderRefused("the clock is at the end of time".into()))?;
        let order = Order {
            id: handles.rng.next_id(),
            principal: principal.clone(),
            scope: scope.clone(),
            actions: actions.to_vec(),
            purpose: purpose.to_owned(),
            until,
        };
        let event = AuditEvent::new(principal, Operation::OrderGive, order.object(), Outcome::Done);
        let detail = format!("order {}: {}: {purpose}", order.id, named(actions));
        handles.audit.record(AuditEvent { policies, detail, ..event }).await?;
        self.list::<Order>().change(|orders| {
            orders.retain(|order| order.until > now);
            orders.push(order.clone());
            Ok(order)
        })
    }

    /// Gives the next grant on an order, to the worker of its platform.
    pub(crate) async fn renew_grant(&self, caller: &Caller, id: Id128) -> Result<Grant, VaultError> {
        let handles = self.gate.handles();
        let now = handles.clock.now();
        let found = self.orders()?.into_iter().find(|order| order.id == id);
        let Some(order) = found else {
            let refused = VaultError::NoOrder(id);
            let who = Principal(UNPROVEN.into());
            let event = AuditEvent::new(who, Operation::OrderRenew, "cell".into(), Outcome::Refused);
            handles.audit.record(event.with_detail(refused.to_string())).await?;
            return Err(refused);
        };
        let who = (caller, &order.principal);
        let asked = (&order.scope, order.actions.as_slice());
        let policies = self.admit_actions(who, Operation::OrderRenew, asked).await?;
        let ends = now.checked_add(self.ordered_ttl).map_or(order.until, |ends| ends.min(order.until));
        let detail = format!("order {id}: {}", named(&order.actions));
        let Order { principal, scope, actions, purpose, .. } = order;
        let grant = Grant {
            id: handles.rng.next_id(),
            principal,
            scope: scope.into(),
            actions,
            purpose,
            expires_at: ends,
            seal: Vec::new(),
        };
        self.give(grant, Operation::OrderRenew, (policies, detail)).await
    }

    /// The orders that stand.
    pub(crate) fn orders(&self) -> Result<Vec<Order>, VaultError> {
        let now = self.gate.handles().clock.now();
        let mut orders = self.list::<Order>().read()?;
        orders.retain(|order| order.until > now);
        Ok(orders)
    }

    /// Ends an order: no grant is given on it any more.
    pub(crate) async fn end_order(
        &self,
        (caller, person): (&Caller, &Principal),
        id: Id128,
    ) -> Result<Order, VaultError> {
        let order = self.orders()?.into_iter().find(|order| order.id == id).ok_or(VaultError::NoOrder(id))?;
        let asked = (&order.scope, order.actions.as_slice());
        let policies = self.admit_actions((caller, person), Operation::OrderEnd, asked).await?;
        let event = AuditEvent::new(person.clone(), Operation::OrderEnd, order.object(), Outcome::Done);
        let event = AuditEvent { policies, ..event.with_detail(format!("order {id}")) };
        self.gate.handles().audit.record(event).await?;
        self.list::<Order>().change(|orders| {
            orders.retain(|order| order.id != id);
            Ok(order)
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::list::canonical;

    #[test]
    fn the_lists_spelling_tells_every_field() {
        let scope = Scope {
            tenant: "t".parse().unwrap(),
            region: "eu".parse().unwrap(),
            platform: "shopify".parse().unwrap(),
            connection: "c".parse().unwrap(),
        };
        let one = Order {
            id: Id128([1; 16]),
            principal: Principal("somebody".into()),
            scope: scope.clone(),
            actions: vec![Action::Backup],
            purpose: "backup".into(),
            until: Timestamp::UNIX_EPOCH,
        };
        let with = |scope| Order { scope, ..one.clone() };
        let lists = [
            vec![],
            vec![one.clone()],
            vec![Order { id: Id128([2; 16]), ..one.clone() }],
            vec![Order { principal: Principal("another".into()), ..one.clone() }],
            vec![with(Scope { tenant: "t2".parse().unwrap(), ..scope.clone() })],
            vec![with(Scope { region: "us".parse().unwrap(), ..scope.clone() })],
            vec![with(Scope { platform: "jsonl".parse().unwrap(), ..scope.clone() })],
            vec![with(Scope { connection: "c2".parse().unwrap(), ..scope })],
            vec![Order { actions: vec![Action::Backup, Action::Restore], ..one.clone() }],
            vec![Order { purpose: "another".into(), ..one.clone() }],
            vec![Order { until: Timestamp::UNIX_EPOCH + Duration::from_secs(1), ..one.clone() }],
            vec![one.clone(), one],
        ];
        for (at, list) in lists.iter().enumerate() {
            assert_eq!(lists.iter().position(|other| canonical(other) == canonical(list)), Some(at));
        }
    }
}
