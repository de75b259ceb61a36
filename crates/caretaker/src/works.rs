//! What the workers do for commands, and how it is asked for: one piece of work on one connection, with the grants that it
//! takes and no other. A worker tells how far it is, and answers with what came of it; how that is shown is the command's.

mod desk;
mod hearing;
mod lending;
mod roster;
mod session;
mod table;

use domain::{Action, ConnectionId, Grant, Id128, RoleName, TenantId};
use flows::error::Told as Failed;
use flows::store_access::{SealedWay, WhichStore};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use transport::call::Telling;
use transport::{Call, Routes};
use vault::Order;

pub(crate) use desk::{Bench, Desk, Inner, Lent, folders};
pub(crate) use hearing::{Ears, Hear, Heard};
pub(crate) use lending::Comings;
pub(crate) use roster::Roster;
pub(crate) use session::{Aids, Session};
pub(crate) use table::*;

/// Whoever has work done.
const CALLERS: &[RoleName] = &[RoleName::Command];

/// One piece of work.
pub(crate) trait Work: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The call's name: `work.backup`.
    const NAME: &'static str;
    /// What it is done with: one grant for all of these is given for each connection that it is about.
    const ACTIONS: &'static [Action];
    /// What of that it may go on with for longer than a grant lasts, by an order that stands as long as it does. What takes records out
    /// of the cell has none.
    const ORDERED: &'static [Action] = &[];
    /// Whether it may be done once more where it was not heard how it ended.
    const AGAIN: bool = true;
    /// What comes of it.
    type Answer: Serialize + DeserializeOwned + Send + 'static;

    /// A connection that it is about, beside the one on which it is done.
    fn beside(&self) -> Option<&ConnectionId> {
        None
    }

    /// Does it.
    fn does(self, desk: &Desk) -> impl Future<Output = anyhow::Result<Self::Answer>>;
}

/// A piece of work, as a worker is asked for it.
#[derive(Serialize, Deserialize)]
pub(crate) struct Job<W> {
    tenant: TenantId,
    connection: ConnectionId,
    grants: Vec<Grant>,
    /// The orders that stand for it.
    orders: Vec<Order>,
    /// The ways into the cell's stores, of those that are buckets.
    stores: Vec<(WhichStore, SealedWay)>,
    /// Under what a file was lent for it.
    lent: Option<Id128>,
    work: W,
}

/// What a worker tells while it works.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Told {
    /// How far it is.
    Progress { what: String, done: u64, of: Option<u64>, left: String },
    /// The bytes that come along belong to the file of that name, behind those that came before.
    File { name: String },
}

/// Why a piece of work was not done.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Refusal {
    /// What was lent for it did not come: whoever had it has died meanwhile.
    NotLent,
    /// It failed.
    Failed(Failed),
}

impl<W: Work> Call for Job<W> {
    const NAME: &'static str = W::NAME;
    const CALLERS: &'static [RoleName] = CALLERS;
    type Answer = W::Answer;
    type Refusal = Refusal;
}

impl<W: Work> Telling for Job<W> {
    type Told = Told;
}

/// The port at which a store is spoken to, where there is one.
pub(crate) fn port_of(url: &str) -> Option<u16> {
    url::Url::parse(url).ok()?.port_or_known_default()
}

/// All that a worker does.
pub(crate) fn routes(bench: &Bench) -> Routes {
    hearing::answering(lending::answering(table::routes(bench, Routes::new()), bench), bench)
}
