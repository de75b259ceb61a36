//! How long a restore can be undone: what it overwrote holds records as they were, and is not kept for ever.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::{Action, Id128, Scope};
use repository::SAVED;

use super::pieces::{States, restore_of, state_name};
use super::report::SO_FAR;
use super::saved::{BEFORE, Saved};
use crate::cell::Cell;
use crate::error::Result;

/// What a restore overwrote stays for so long after it was saved last.
pub const KEPT: Duration = Duration::from_secs(90 * 24 * 3600);

/// What is sealed of one restore and may go.
#[derive(Default)]
struct Sealed {
    names: Vec<String>,
    /// How many seconds ago the last item was saved.
    saved: Option<i64>,
    /// The same of what is not an item.
    noted: Option<i64>,
}

impl Sealed {
    fn add(&mut self, name: String, is_item: bool, age_seconds: i64) {
        let youngest = if is_item { &mut self.saved } else { &mut self.noted };
        *youngest = Some(youngest.map_or(age_seconds, |age| age.min(age_seconds)));
        self.names.push(name);
    }

    /// Items tell how old it is: what they belong to is noted anew when they are about to go.
    fn age_seconds(&self) -> i64 {
        self.saved.or(self.noted).unwrap_or_default()
    }
}

/// Deletes what restores from this connection overwrote, where it is old. Answers how many objects and bytes that were.
/// Reports and ids stay. The caller holds the connection's lease.
///
/// # Errors
/// When the key store fails; what is old and still there is deleted next time.
pub(crate) async fn forget_old(cell: &Cell, scope: &Scope) -> Result<(u64, u64)> {
    let states = States { cell, scope };
    let grant = cell.grant(scope, &[Action::Restore], "forget what restores overwrote").await?;
    let repository = cell.repository(scope);
    // Nothing is written where there is nothing to look at.
    if repository.state_names("restore-").await?.is_empty() {
        return Ok((0, 0));
    }
    let now_second = repository.store_second(&grant, Action::Restore).await?;
    let mut restores: BTreeMap<Id128, Sealed> = BTreeMap::new();
    for (name, age_seconds) in repository.state_ages("restore-", now_second).await? {
        let Some(restore) = restore_of(&name) else { continue };
        let (head, so_far) = (state_name(restore, BEFORE), state_name(restore, SO_FAR));
        if name.ends_with(SAVED) || name == so_far {
            let is_item = name != head && name != so_far;
            restores.entry(restore).or_default().add(name, is_item, age_seconds);
        }
    }
    let kept_seconds = i64::try_from(KEPT.as_secs()).unwrap_or(i64::MAX);
    let (mut objects, mut bytes) = (0, 0);
    for (restore, sealed) in restores.into_iter().filter(|(_, sealed)| sealed.age_seconds() >= kept_seconds) {
        if sealed.saved.is_some() {
            Saved::forget(&states, restore).await?;
        }
        for name in &sealed.names {
            let deleted = states.delete(name).await?;
            (objects, bytes) = (objects + deleted.0, bytes + deleted.1);
        }
    }
    Ok((objects, bytes))
}
