//! Grants that are kept fresh while work goes on for which an order stands.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::{Clock, Grant, Id128};
use tokio::sync::Mutex;

use crate::orders::{ORDERED_GRANT_TTL, Order};

/// The next grant is asked for when so much of the time of one is left: a quarter.
const LEFT: u32 = 4;

/// The orders that stand for one piece of work, and the newest grant on each.
#[derive(Default)]
pub(crate) struct Standing {
    orders: Vec<Order>,
    newest: Mutex<BTreeMap<Id128, Grant>>,
}

impl Standing {
    pub(crate) fn on(orders: Vec<Order>) -> Self {
        Self { orders, newest: Mutex::default() }
    }

    fn order(&self, grant: &Grant) -> Option<&Order> {
        let fits = |order: &&Order| {
            order.scope == *grant.scope && grant.actions.iter().any(|action| order.actions.contains(action))
        };
        self.orders.iter().find(fits)
    }

    /// The grant itself, or that which has come in its place. `next` asks for another; where it gets none, what there is counts as
    /// long as it does.
    pub(crate) async fn newest<F, E>(
        &self,
        grant: &Grant,
        clock: &Arc<dyn Clock>,
        next: impl FnOnce(Id128) -> F,
    ) -> Grant
    where
        F: Future<Output = Result<Grant, E>>,
    {
        let Some(order) = self.order(grant) else { return grant.clone() };
        let mut newest = self.newest.lock().await;
        let known =
            newest.get(&order.id).filter(|known| known.expires_at > grant.expires_at).unwrap_or(grant);
        let left = std::time::Duration::try_from(known.expires_at.duration_since(clock.now()));
        if left.unwrap_or_default() > ORDERED_GRANT_TTL / LEFT {
            return known.clone();
        }
        match next(order.id).await {
            Ok(next) => {
                newest.insert(order.id, next.clone());
                next
            }
            // The vault has it on record, and says why once what there is has ended.
            Err(_) => known.clone(),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    use domain::{Action, Principal, Scope, Timestamp};

    use super::*;
    use crate::system::SystemClock;

    fn scope(connection: &str) -> Scope {
        Scope {
            tenant: "t".parse().unwrap(),
            region: "eu".parse().unwrap(),
            platform: "shopify".parse().unwrap(),
            connection: connection.parse().unwrap(),
        }
    }

    fn grant(id: u8, connection: &str, actions: &[Action], seconds: u64) -> Grant {
        Grant {
            id: Id128([id; 16]),
            principal: Principal("somebody".into()),
            scope: scope(connection).into(),
            actions: actions.to_vec(),
            purpose: "test".into(),
            expires_at: SystemClock.now() + Duration::from_secs(seconds),
            seal: Vec::new(),
        }
    }

    fn order() -> Order {
        Order {
            id: Id128([9; 16]),
            principal: Principal("somebody".into()),
            scope: scope("c"),
            actions: vec![Action::Backup],
            purpose: "test".into(),
            until: Timestamp::MAX,
        }
    }

    #[tokio::test]
    async fn the_next_grant_is_asked_for_when_a_quarter_of_the_time_is_left_and_once() {
        let (clock, asked) = (Arc::new(SystemClock) as Arc<dyn Clock>, AtomicU32::new(0));
        let standing = Standing::on(vec![order()]);
        let both = [Action::Backup, Action::Read];
        let newest = async |grant: &Grant, next: Result<Grant, String>| {
            let ask = |id| {
                assert_eq!(id, order().id);
                asked.fetch_add(1, Ordering::SeqCst);
                std::future::ready(next)
            };
            standing.newest(grant, &clock, ask).await.id
        };
        let (fresh, old) = (grant(1, "c", &both, 3_600), grant(1, "c", &both, 899));
        let none = || Err("none".to_owned());
        assert_eq!(newest(&fresh, none()).await, fresh.id);
        assert_eq!(asked.load(Ordering::SeqCst), 0, "it has time");
        // Of another connection, or for other actions, there is no order.
        assert_eq!(newest(&grant(3, "d", &both, 1), none()).await, Id128([3; 16]));
        assert_eq!(newest(&grant(4, "c", &[Action::Read], 1), none()).await, Id128([4; 16]));
        assert_eq!(asked.load(Ordering::SeqCst), 0);
        assert_eq!(newest(&old, none()).await, old.id, "what there is counts on");
        assert_eq!(newest(&old, Ok(grant(2, "c", &[Action::Backup], 3_600))).await, Id128([2; 16]));
        assert_eq!(newest(&old, none()).await, Id128([2; 16]), "it is kept");
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }
}
