//! Who writes next: the head that the catalog knows, the commits that the store holds, and how both agree.
//!
//! A writer takes a lease, whose generation is higher than any seen in catalog or store. It builds on the
//! catalog's head. A newer commit that it finds in the store is *adopted* where it is intact and follows that
//! head: its writer died before it could tell the catalog. Any other is *superseded*: the writer's own commit
//! wins by its generation or its number. After its commit is stored, the writer looks again, and then tells the
//! catalog, which takes it only from the holder of the newest lease and only in place of the parent. So number
//! n+1 is made only after the catalog has taken n, and of rivals at most one is ever acknowledged.

use std::sync::Arc;

use domain::{Action, Grant};
use futures::future::BoxFuture;

use crate::commit::{self, COMMITS, Commit, CommitName, Generation, Head};
use crate::connection::Repository;
use crate::error::{ErrorKind, RepositoryError, Result};
use crate::keyring::Keyring;
use crate::segment::name_of;
use crate::store::Area;

/// Where one connection's newest acknowledged commit is kept: the catalog.
pub trait Heads: Send + Sync {
    /// The head. It may be stale: [`Heads::advance`] decides.
    fn current(&self) -> BoxFuture<'_, Result<Option<CommitName>>>;

    /// Whether `lease` is the newest lease of this connection, and was not given back.
    fn holds(&self, lease: Generation) -> BoxFuture<'_, Result<bool>>;

    /// Puts `new` in place of `expected`, in one step, durably. Answers `false`, and changes nothing, where
    /// another head stands, or where the lease does not hold: see [`Heads::holds`].
    fn advance<'a>(
        &'a self,
        lease: Generation,
        expected: Option<&'a CommitName>,
        new: &'a CommitName,
    ) -> BoxFuture<'a, Result<bool>>;
}

/// The leave to write.
#[derive(Clone)]
pub struct Lease {
    /// Higher than any seen in catalog or store.
    pub generation: Generation,
    /// Who is told of new commits; `None` where nobody but the store knows of this connection.
    pub heads: Option<Arc<dyn Heads>>,
}

impl Lease {
    async fn holds(&self) -> Result<bool> {
        match &self.heads {
            None => Ok(true),
            Some(heads) => heads.holds(self.generation).await,
        }
    }
}

/// What a writer builds on.
#[derive(Debug, Clone)]
pub(crate) struct Ground {
    pub(crate) parent: Option<Head>,
    /// The greatest name in the store when the writer began.
    top: Option<CommitName>,
}

/// What the names in the store mean beside the catalog's head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Choice {
    /// Build on the catalog's head.
    Build,
    /// A newer commit stands there: adopt it, if it is intact and follows the catalog's head.
    Adopt(CommitName),
    /// The store does not hold the catalog's head.
    Behind,
}

/// Compares the catalog's head with the names in the store, which are in order.
pub(crate) fn choose(names: &[CommitName], head: Option<&CommitName>) -> Choice {
    match (head, names.last()) {
        (None, None) => Choice::Build,
        (None, Some(top)) => Choice::Adopt(top.clone()),
        (Some(head), _) if !names.contains(head) => Choice::Behind,
        (Some(head), Some(top)) if top.number > head.number => Choice::Adopt(top.clone()),
        // A rival of the head that was stored too late. The next number supersedes it.
        (Some(_), _) => Choice::Build,
    }
}

/// Whether a lease may write the commit that follows `parent`, beside what stands there already.
///
/// INVARIANT (generations grow): no commit has a lower generation than its parent.
pub(crate) fn may_follow(names: &[CommitName], parent: Option<&CommitName>, generation: Generation) -> bool {
    if parent.is_some_and(|parent| parent.generation > generation) {
        return false;
    }
    let number = parent.map_or(0, |parent| parent.number.0).saturating_add(1);
    names
        .iter()
        .filter(|name| name.number.0 >= number)
        .all(|name| name.number.0 == number && name.generation < generation)
}

/// What became of a newer commit.
enum Newer {
    Follows(Box<Head>),
    /// Its writer was superseded, or it is damaged. Only the number after the head may be passed over so.
    PassedOver,
}

async fn look_at_newer(
    keyring: &Arc<Keyring>,
    area: &Area,
    head: Option<&CommitName>,
    top: &CommitName,
) -> Result<Newer> {
    let next = head.is_some_and(|head| top.number == head.number.next());
    let commit = match commit::read(keyring, area, top).await {
        Ok(commit) => commit,
        Err(error) if next && error.kind() == ErrorKind::Integrity => return Ok(Newer::PassedOver),
        Err(error) => return Err(error),
    };
    let found = Head { name: top.clone(), commit };
    let Some(head) = head else { return Ok(Newer::Follows(Box::new(found))) };
    let at_head = commit::find(keyring, area, &found, |number, _| number <= head.number).await?;
    let follows = at_head.as_ref().is_some_and(|found| found.name == *head);
    if follows && brings_all(area, &found.commit, at_head.map(|head| head.commit).as_ref()).await? {
        return Ok(Newer::Follows(Box::new(found)));
    }
    if next {
        return Ok(Newer::PassedOver);
    }
    let object = area.full(&format!("{COMMITS}/{top}"));
    Err(RepositoryError::damaged(
        &object,
        format!("it does not follow snapshot {}, which the catalog knows", head.number),
    ))
}

/// Whether all objects that a commit names and its ancestor does not are there, in their full lengths.
async fn brings_all(area: &Area, commit: &Commit, ancestor: Option<&Commit>) -> Result<bool> {
    for component in &commit.components {
        if ancestor.is_some_and(|ancestor| ancestor.components.contains(component)) {
            continue;
        }
        for part in &component.parts {
            if area.size(&name_of(component.layout, &part.object)).await? != Some(part.object.size) {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// Finds what the holder of a lease builds on, and has the catalog adopt what it does not know yet.
pub(crate) async fn ground(keyring: &Arc<Keyring>, area: &Area, lease: &Lease) -> Result<Ground> {
    let Some(heads) = &lease.heads else {
        let parent = commit::newest(keyring, area).await?;
        let top = parent.as_ref().map(|head| head.name.clone());
        return Ok(Ground { parent, top });
    };
    // INVARIANT (list after lease): what the holder of the lease before has had acknowledged is seen here.
    let head = heads.current().await?;
    let names = commit::list(area).await?;
    let parent = match choose(&names, head.as_ref()) {
        Choice::Build => None,
        Choice::Behind => {
            let known = head.map(|head| head.to_string()).unwrap_or_default();
            let detail = format!("the store was rolled back: `{known}` is known and is not there");
            return Err(RepositoryError::damaged(&area.full(COMMITS), detail));
        }
        Choice::Adopt(top) => match look_at_newer(keyring, area, head.as_ref(), &top).await? {
            Newer::Follows(found) => {
                if !heads.advance(lease.generation, head.as_ref(), &found.name).await? {
                    return Err(overtaken());
                }
                Some(*found)
            }
            Newer::PassedOver => None,
        },
    };
    let parent = match (parent, head) {
        (Some(parent), _) => Some(parent),
        (None, None) => None,
        (None, Some(name)) => {
            let commit = commit::read(keyring, area, &name).await?;
            Some(Head { name, commit })
        }
    };
    if !lease.holds().await? || !may_follow(&names, parent.as_ref().map(|head| &head.name), lease.generation)
    {
        return Err(RepositoryError::Conflict(
            "this lease has ended, or the store holds a commit of a later one: take a new lease".to_owned(),
        ));
    }
    Ok(Ground { parent, top: names.last().cloned() })
}

fn overtaken() -> RepositoryError {
    RepositoryError::Conflict("somebody else has written to this connection in the meantime".to_owned())
}

impl Ground {
    /// To go on from one's own commit, under the same lease.
    pub(crate) fn after(head: Head) -> Self {
        let top = Some(head.name.clone());
        Self { parent: Some(head), top }
    }

    /// Fails where somebody has written since the writer began, or its lease has ended.
    pub(crate) async fn check(&self, area: &Area, lease: &Lease) -> Result<()> {
        let holds = lease.holds().await?;
        if holds && commit::list(area).await?.last() == self.top.as_ref() { Ok(()) } else { Err(overtaken()) }
    }

    /// Seals a commit, stores it, looks whether it is the newest, and tells the catalog. The commit is
    /// acknowledged once this returns.
    ///
    /// The loser of a race deletes nothing: whether its commit counts is for the next lease to say.
    pub(crate) async fn publish(
        &self,
        keyring: &Arc<Keyring>,
        area: &Area,
        data_key: domain::DataKeyId,
        rng: &dyn domain::Rng,
        lease: &Lease,
        commit: Commit,
    ) -> Result<Head> {
        let (name, sealed) = commit::seal(keyring, data_key, rng, &commit).await?;
        self.check(area, lease).await?;
        area.put_new(&format!("{COMMITS}/{name}"), sealed).await?;
        if commit::list(area).await?.last() != Some(&name) {
            return Err(overtaken());
        }
        if let Some(heads) = &lease.heads {
            let parent = self.parent.as_ref().map(|head| &head.name);
            if !heads.advance(lease.generation, parent, &name).await? {
                return Err(overtaken());
            }
        }
        Ok(Head { name, commit })
    }
}

impl Repository {
    /// The highest counter of a generation among the commits in the store; 0 where there are none. A new lease
    /// takes one more than this and than the catalog's own.
    ///
    /// # Errors
    /// When the store cannot be listed, or the grant does not allow `action`.
    pub async fn highest_generation(&self, grant: &Grant, action: Action) -> Result<u64> {
        self.keyring(grant, action)?;
        let names = commit::list(&self.objects).await?;
        Ok(names.iter().map(|name| name.generation.counter).max().unwrap_or_default())
    }
}
