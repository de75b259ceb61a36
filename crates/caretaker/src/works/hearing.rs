//! What platforms tell the cell. The server hands it on as it came, and believes none of it; the worker of the platform, which alone
//! gets to the secret, knows whose word it is, and keeps what it is about, durably, before it is answered.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use catalog::{Hint, Task};
use connectors::contract::{Ear, Unheard};
use domain::{ConnectionId, RoleName, TenantId};
use flows::error::Told as Failed;
use flows::{FlowError, connect};
use serde::{Deserialize, Serialize};
use transport::{Call, Routes};
use vault::Order;

use super::Bench;
use crate::output;

/// What it was told is followed after so long: where one thing changes, others often do.
pub(super) const SETTLE: Duration = Duration::from_secs(2);
/// And so long after whatever was begun last.
pub(super) const APART_MS: u64 = 20_000;
/// The means to know a platform's word are kept so long, and are got anew then.
const EAR_LASTS: Duration = Duration::from_secs(10 * 60);
/// They are got anew after so long already where somebody's word is not the platform's: its secret may have been changed.
const EAR_MAY_BE_OLD: Duration = Duration::from_secs(60);
/// Where they could not be got it is tried again after so long.
const DEAF_LASTS: Duration = Duration::from_secs(10);
/// Those of so many connections are kept.
const EARS_MAX: usize = 4_096;

/// What somebody told at the address of a connection.
#[derive(Serialize, Deserialize)]
pub(crate) struct Hear {
    pub(crate) tenant: TenantId,
    pub(crate) connection: ConnectionId,
    /// Names in small letters.
    pub(crate) headers: Vec<(String, String)>,
    /// Base64.
    body: String,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Heard {
    /// It is new, and was kept.
    Kept,
    /// It was told before.
    Known,
    /// It is not the platform's word.
    Forged,
    /// It was signed at another time.
    Late,
    /// It makes no sense.
    Malformed,
}

impl Hear {
    pub(crate) fn new(
        (tenant, connection): (TenantId, ConnectionId),
        headers: Vec<(String, String)>,
        body: &[u8],
    ) -> Self {
        Self { tenant, connection, headers, body: STANDARD.encode(body) }
    }
}

impl Call for Hear {
    const NAME: &'static str = "work.hear";
    const CALLERS: &'static [RoleName] = &[RoleName::Server];
    type Answer = Heard;
    type Refusal = Failed;
}

/// By what a worker knows the word of its platform, of each connection.
#[derive(Default)]
pub(crate) struct Ears(Mutex<HashMap<(TenantId, ConnectionId), Arc<Place>>>);

/// That of one connection. Of those who need it at once one gets it.
#[derive(Default)]
struct Place(tokio::sync::Mutex<Option<Known>>);

#[derive(Clone)]
struct Known {
    since: Duration,
    ear: Result<Arc<dyn Ear>, String>,
}

impl Known {
    fn lasts(&self) -> Duration {
        if self.ear.is_ok() { EAR_LASTS } else { DEAF_LASTS }
    }
}

impl Ears {
    fn place(&self, of: (TenantId, ConnectionId)) -> Arc<Place> {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if places.len() >= EARS_MAX {
            places.clear();
        }
        Arc::clone(places.entry(of).or_default())
    }
}

/// Answers it.
pub(super) fn answering(routes: Routes, bench: &Bench) -> Routes {
    let own = bench.clone();
    routes.answering(move |_, told: Hear| {
        let own = own.clone();
        async move { own.hear(told).await.map_err(|error| Failed::of(output::kind(&error), error.as_ref())) }
    })
}

impl Bench {
    async fn hear(&self, told: Hear) -> anyhow::Result<Heard> {
        let Hear { tenant, connection, headers, body } = told;
        let body = STANDARD.decode(body).context("what was told cannot be read")?;
        let (clock, named) = (self.clock(), (&tenant, &connection));
        let now = clock.now();
        let mut heard = self.ear(named, EAR_LASTS).await?.hear(&headers, &body, now);
        if heard == Err(Unheard::Forged) {
            heard = self.ear(named, EAR_MAY_BE_OLD).await?.hear(&headers, &body, now);
        }
        let hint = match heard {
            Ok(hint) => hint,
            Err(Unheard::Forged) => return Ok(Heard::Forged),
            Err(Unheard::Late) => return Ok(Heard::Late),
            Err(Unheard::Malformed(_)) => return Ok(Heard::Malformed),
        };
        let hint = Hint {
            event: hint.event,
            topic: hint.topic,
            kinds: hint.kinds.into_iter().map(str::to_owned).collect(),
            items: hint.items,
            told_at: hint.at,
            received_at: now,
            due_at: now.checked_add(SETTLE)?,
            apart_ms: APART_MS,
        };
        let inner = self.inner();
        let is_new = inner.catalog.hint(&tenant, &connection, &hint).await.map_err(FlowError::from)?;
        if is_new {
            inner.due.notify_one();
        }
        Ok(if is_new { Heard::Kept } else { Heard::Known })
    }

    /// By what the platform's word is known, not older than that.
    async fn ear(
        &self,
        named: (&TenantId, &ConnectionId),
        age_max: Duration,
    ) -> anyhow::Result<Arc<dyn Ear>> {
        let place = self.inner().ears.place((named.0.clone(), named.1.clone()));
        let mut place = place.0.lock().await;
        let now = self.clock().monotonic();
        let known =
            place.as_ref().filter(|known| now.saturating_sub(known.since) < known.lasts().min(age_max));
        let known = match known {
            Some(known) => known.clone(),
            None => {
                let ear = self.new_ear(named).await.map_err(|error| format!("{error:#}"));
                if let Err(why) = &ear {
                    tracing::warn!(
                        "what is told of `{}` cannot be known for its platform's word: {why}",
                        named.1
                    );
                }
                place.insert(Known { since: now, ear }).clone()
            }
        };
        known.ear.map_err(|why| FlowError::Refused(why).into())
    }

    /// Gets it, by the leave of the order on which the connection is backed up.
    async fn new_ear(&self, named: (&TenantId, &ConnectionId)) -> anyhow::Result<Arc<dyn Ear>> {
        let inner = self.inner();
        let schedules = inner.catalog.schedules(named.0, named.1).await.map_err(FlowError::from)?;
        let backup = schedules.into_iter().find(|schedule| schedule.task == Task::Backup);
        let backup = backup.context("it is not backed up on a schedule")?;
        let orders: Vec<Order> = serde_json::from_value(backup.orders)?;
        let order =
            orders.iter().find(|order| !order.scope.is_of_store()).context("no order stands for it")?;
        let grant = inner.vault.grant_on(order.id).await.map_err(FlowError::from)?;
        let ear = connect::ear((&inner.catalog, &inner.vault), named, &grant).await?;
        Ok(ear.context("its credential holds nothing by which the platform is known")?.into())
    }
}
