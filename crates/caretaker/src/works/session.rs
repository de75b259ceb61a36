//! A command's side: somebody has signed in to a cell, and has the workers work.

use std::fs::File;
use std::ops::Deref;
use std::os::fd::AsFd as _;
use std::time::Duration;

use catalog::Connection;
use domain::{ConnectionId, Grant, Id128, Ids as _, Platform, Role};
use flows::error::Told as Failed;
use flows::export::Folder;
use flows::store_access::{self, SealedWay, Way, WhichStore};
use flows::{ErrorKind, FlowError};
use futures::FutureExt as _;
use futures::future::{BoxFuture, Either, select};
use repository::CommitName;
use transport::CallError;
use transport::call::Frame;
use vault::Order;

use super::{Job, Refusal, Told, Work, lending, port_of};
use crate::home::{Home, Unlocked};
use crate::output::Output;
use crate::{roles, stores};

/// Work whose worker has died is asked for again so often.
const AGAIN_MAX: u32 = 20;

/// An order for a piece of work is ended with it. One whose command was killed stands so long.
const ORDER_TTL: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// What a command lends to a piece of work, and takes from it.
#[derive(Default, Clone, Copy)]
pub(crate) struct Aids<'a> {
    /// A file to read. Whoever works has no other way to it.
    pub(crate) lent: Option<&'a File>,
    /// Where files go that come of it.
    pub(crate) files: Option<&'a Folder>,
}

/// Somebody who has signed in, and can have the workers work.
pub(crate) struct Session<'h> {
    home: &'h Home,
    unlocked: Unlocked,
}

impl Deref for Session<'_> {
    type Target = Unlocked;

    fn deref(&self) -> &Unlocked {
        &self.unlocked
    }
}

impl<'h> Session<'h> {
    pub(crate) fn new(home: &'h Home, unlocked: Unlocked) -> Self {
        Self { home, unlocked }
    }

    /// The connection's row.
    pub(crate) async fn connection(&self, name: &ConnectionId) -> flows::Result<Connection> {
        flows::cell::connection(&self.catalog, &self.home.tenant, name).await
    }

    /// The head that the catalog remembers.
    pub(crate) async fn known_head(&self, connection: &Connection) -> flows::Result<Option<CommitName>> {
        flows::cell::known_head(&self.catalog, &connection.scope).await
    }

    /// Has a piece of work done on a connection.
    ///
    /// # Errors
    /// As it fails, and when the worker cannot be reached.
    pub(crate) async fn work<W: Work>(
        &self,
        connection: &Connection,
        work: W,
        output: &Output,
    ) -> anyhow::Result<W::Answer> {
        self.work_with(connection, work, Aids::default(), output).await
    }

    /// The same, with what it takes beside words.
    pub(crate) async fn work_with<W: Work>(
        &self,
        connection: &Connection,
        work: W,
        aids: Aids<'_>,
        output: &Output,
    ) -> anyhow::Result<W::Answer> {
        let mut orders = Vec::new();
        let done = self.ordered(connection, work, (aids, &mut orders), output).await;
        for order in orders {
            // It ends by itself, too.
            if let Err(error) = self.operator.end_order(order).await {
                output.warn(&format!("The standing order {order} was not ended: {error}"));
            }
        }
        done
    }

    async fn ordered<W: Work>(
        &self,
        connection: &Connection,
        work: W,
        (aids, given): (Aids<'_>, &mut Vec<Id128>),
        output: &Output,
    ) -> anyhow::Result<W::Answer> {
        let is_file = |file: &File| file.metadata().is_ok_and(|meta| meta.is_file());
        // What is read from a pipe is gone when it was read.
        let again = W::AGAIN && aids.lent.is_none_or(is_file);
        let about = self.about(connection, &work).await?;
        let ports: Vec<u16> = about.iter().filter_map(|connection| port_of(&connection.url)).collect();
        let role = Role::Worker(connection.scope.platform.clone());
        // A worker that is there is connected to meanwhile.
        let (grants, reached) =
            futures::join!(self.grants::<W>(&about), self.home.reach_worker(&role, &ports));
        let (grants, mut reached) = (grants?, reached?);
        let orders = self.orders::<W>(&about, given).await?;
        let (tenant, name) = (connection.scope.tenant.clone(), connection.scope.connection.clone());
        let mut job = Job { tenant, connection: name, grants, orders, stores: Vec::new(), lent: None, work };
        let mut tried = 0;
        loop {
            let channel = match reached.take() {
                Some(channel) => channel,
                None => self.home.worker(&role, &ports).await?,
            };
            // These serve for a minute.
            job.stores = self.ways(&connection.scope.platform).await?;
            let mut sent = None;
            if let Some(file) = aids.lent {
                let name = self.handles.rng.next_id();
                match self.home.is_elsewhere(&role)? {
                    true => sent = Some(lending::send(&channel, name, file).boxed()),
                    false => self.home.lend((&role, &ports), name, file.as_fd()).await?,
                }
                job.lent = Some(name);
            }
            let mut hears = Hears { files: aids.files, output, name: String::new() };
            // Apart: it is large, and every command holds one.
            let followed = Box::pin(channel.follow(&job, |frame| hears.hear(frame)));
            let followed = beside(followed, sent);
            let why = match followed.await {
                Ok(Ok(Ok(answer))) => {
                    output.clear();
                    return Ok(answer);
                }
                Ok(Ok(Err(Refusal::Failed(failed)))) => return Err(FlowError::Told(failed).into()),
                Ok(Ok(Err(Refusal::NotLent))) => "what was lent to it did not come".to_owned(),
                Ok(Err(error)) => return Err(error.into()),
                Err(error @ CallError::Unreachable { .. }) => error.to_string(),
                Err(error @ CallError::Refused { .. }) => {
                    return Err(FlowError::Refused(error.to_string()).into());
                }
                Err(error @ CallError::Misunderstood { .. }) => return Err(error.into()),
            };
            if !again || tried >= AGAIN_MAX {
                let text = format!("it is not known how this ended, since the {role} has died: {why}");
                return Err(FlowError::Told(Failed::new(ErrorKind::Unavailable, text)).into());
            }
            tried += 1;
        }
    }

    /// The connections that a piece of work is about.
    async fn about<W: Work>(&self, connection: &Connection, work: &W) -> flows::Result<Vec<Connection>> {
        let mut about = vec![connection.clone()];
        if let Some(beside) = work.beside().filter(|beside| **beside != connection.scope.connection) {
            about.push(self.connection(beside).await?);
        }
        Ok(about)
    }

    /// A grant for each of them.
    async fn grants<W: Work>(&self, about: &[Connection]) -> anyhow::Result<Vec<Grant>> {
        let ttl = if W::ORDERED.is_empty() { vault::GRANT_TTL_MAX } else { roles::ordered_grant_ttl() };
        let mut grants = Vec::new();
        for Connection { scope, .. } in about {
            grants.push(self.operator.grant(scope, W::ACTIONS, purpose::<W>(), ttl).await?);
        }
        Ok(grants)
    }

    /// An order for each of them, where the work may outlast its grants. Those that were `given` are told also where another fails.
    async fn orders<W: Work>(
        &self,
        about: &[Connection],
        given: &mut Vec<Id128>,
    ) -> anyhow::Result<Vec<Order>> {
        let mut orders = Vec::new();
        if !W::ORDERED.is_empty() {
            for Connection { scope, .. } in about {
                let order = self.operator.order(scope, W::ORDERED, purpose::<W>(), ORDER_TTL).await?;
                given.push(order.id);
                orders.push(order);
            }
        }
        Ok(orders)
    }

    /// The ways into those of the cell's stores that are buckets.
    async fn ways(&self, platform: &Platform) -> anyhow::Result<Vec<(WhichStore, SealedWay)>> {
        let mut ways = Vec::new();
        for which in [WhichStore::Objects, WhichStore::Keys] {
            let url = self.file.url(which, &self.dir);
            if stores::is_bucket(&url) {
                let own = Some(platform.clone());
                let way = Way { platform: own, ..Way::of_cell(&self.file.region, which) };
                ways.push((which, store_access::grant(&self.operator, &self.catalog, &way, &url).await?));
            }
        }
        Ok(ways)
    }
}

/// What comes of a piece of work, while what it reads is sent to it. Where that fails, so does the work.
async fn beside<T>(
    followed: impl Future<Output = Result<T, CallError>> + Unpin,
    sent: Option<BoxFuture<'_, Result<(), CallError>>>,
) -> Result<T, CallError> {
    let Some(sent) = sent else { return followed.await };
    match select(followed, sent).await {
        Either::Left((answered, _)) => answered,
        Either::Right((Ok(()), followed)) => followed.await,
        Either::Right((Err(error), _)) => Err(error),
    }
}

/// What a piece of work is called on the record.
fn purpose<W: Work>() -> &'static str {
    W::NAME.trim_start_matches("work.")
}

/// What is done with what a worker tells.
struct Hears<'a> {
    files: Option<&'a Folder>,
    output: &'a Output,
    /// The file to which bytes that follow belong.
    name: String,
}

impl Hears<'_> {
    fn hear(&mut self, frame: Frame<Told>) -> flows::Result<()> {
        match frame {
            Frame::Told(Told::Progress { what, done, of, left }) => {
                self.output.progress(&what, done, of, &left);
                Ok(())
            }
            Frame::Told(Told::File { name }) => {
                self.name = name;
                Ok(())
            }
            Frame::Bytes(bytes) => match self.files {
                Some(files) => files.write(&self.name, &bytes),
                None => {
                    Err(FlowError::Input(format!("`{}` was handed over, and nobody asked for it", self.name)))
                }
            },
        }
    }
}
