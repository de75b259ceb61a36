//! What a process records on another host than the monitor's, on its way to the log: durable there first, as everywhere, and
//! brought to the monitor soon after.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::{Clock, Role, RoleName, ServiceId};
use serde::{Deserialize, Serialize};
use tokio::task::spawn_blocking;
use trail::event::Source;
use trail::head::Folder;
use trail::journal::{BringError, Brought, Outgoing};
use transport::{Call, CallError, Channel, Routes};
use vault::Handles;

use super::host;
use super::member::Member;

/// So often it is looked whether there is something to bring.
const BRING_EVERY: Duration = Duration::from_secs(1);
/// So long what came last may take, before the process ends.
const BRING_LAST_MAX: Duration = Duration::from_secs(4);

const CALLERS: &[RoleName] = &[RoleName::Worker, RoleName::Server];

/// Events of a source, as whole lines; none to hear how far it is. The answer is the number of the last that is there.
#[derive(Serialize, Deserialize)]
struct Bring {
    source: String,
    lines: String,
}

/// Why they were not taken.
#[derive(Debug, Serialize, Deserialize)]
struct NotTaken(String);

impl Call for Bring {
    const NAME: &'static str = "trail.bring";
    const CALLERS: &'static [RoleName] = CALLERS;
    type Answer = u64;
    type Refusal = NotTaken;
}

/// Whether that is a source of a process of that role: `worker-shopify-…` of a worker of Shopify's.
fn is_its(peer: &ServiceId, source: &str) -> bool {
    let rest = source.strip_prefix(&host::source(&peer.role)).and_then(|rest| rest.strip_prefix('-'));
    // Another platform's name may begin with this one's.
    rest.is_some_and(|rest| rest.len() == 8 && rest.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn take(folder: &Folder, peer: &ServiceId, Bring { source, lines }: &Bring) -> Result<u64, NotTaken> {
    let refused = |why: &dyn std::fmt::Display| NotTaken(why.to_string());
    if !is_its(peer, source) {
        return Err(NotTaken(format!("`{source}` is no source of a {}", peer.role)));
    }
    let source: Source = source.parse().map_err(|error| refused(&error))?;
    let mut brought = Brought::new(folder, source);
    let taken = if lines.is_empty() { brought.reached() } else { brought.bring(lines.as_bytes()) };
    taken.map_err(|error: BringError| NotTaken(domain::with_causes(&error)))
}

/// Lets processes on other hosts bring what they recorded to the trail in that folder.
pub(super) fn answering(routes: Routes, folder: &Folder) -> Routes {
    let folder = folder.clone();
    routes.answering(move |peer, bring: Bring| {
        let folder = folder.clone();
        async move {
            let taken = spawn_blocking(move || take(&folder, &peer, &bring)).await;
            taken.unwrap_or_else(|stopped| Err(NotTaken(stopped.to_string())))
        }
    })
}

/// Brings what one process records, as long as it is a member of its cell.
#[derive(Clone)]
pub(super) struct Brings {
    _member: Arc<Member>,
    /// `None` where it lies beside the monitor.
    outgoing: Option<Arc<Inner>>,
}

struct Inner {
    source: Source,
    journal: Mutex<Outgoing>,
    monitor: Arc<Channel>,
    clock: Arc<dyn Clock>,
    /// The number of the last event that the monitor has, where it has said so.
    reached: Mutex<Option<u64>>,
}

impl Brings {
    /// Nothing: what the member records lies beside the monitor.
    pub(super) fn nothing(member: &Arc<Member>) -> Self {
        Self { _member: Arc::clone(member), outgoing: None }
    }

    /// What the member records under that name in the trail in that folder.
    ///
    /// # Errors
    /// When that is no name of a source.
    pub(super) fn from(
        trail: &Folder,
        name: &str,
        member: &Arc<Member>,
        handles: &Handles,
    ) -> anyhow::Result<Self> {
        let source: Source = name.parse()?;
        let inner = Inner {
            journal: Outgoing::new(trail, &source).into(),
            source,
            monitor: member.channel(Role::Monitor),
            clock: Arc::clone(&handles.clock),
            reached: Mutex::default(),
        };
        Ok(Self { _member: Arc::clone(member), outgoing: Some(inner.into()) })
    }

    /// Brings what comes, for as long as this process lives.
    pub(super) async fn all_the_time(&self) -> Infallible {
        match &self.outgoing {
            Some(outgoing) => outgoing.all_the_time().await,
            None => std::future::pending().await,
        }
    }

    /// Brings what came last.
    pub(super) async fn last(&self) {
        if let Some(outgoing) = &self.outgoing {
            futures::future::select(pin!(outgoing.bring()), outgoing.clock.sleep(BRING_LAST_MAX)).await;
        }
    }
}

impl Inner {
    fn reached(&self) -> std::sync::MutexGuard<'_, Option<u64>> {
        self.reached.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn call(&self, lines: String) -> anyhow::Result<u64> {
        let bring = Bring { source: self.source.to_string(), lines };
        let answered = match self.monitor.call(&bring).await {
            // Whatever it has already is passed over.
            Err(CallError::Unreachable { .. }) => self.monitor.call(&bring).await?,
            answered => answered?,
        };
        answered.map_err(|NotTaken(why)| anyhow::anyhow!(why))
    }

    /// Brings all that there is.
    async fn bring(self: &Arc<Self>) -> anyhow::Result<()> {
        // Also of the monitor it may be that another one is there, with less.
        let known = *self.reached();
        let mut reached = match known {
            Some(reached) => reached,
            None => self.call(String::new()).await?,
        };
        *self.reached() = None;
        loop {
            let own = Arc::clone(self);
            let lines = spawn_blocking(move || {
                let mut journal = own.journal.lock().unwrap_or_else(PoisonError::into_inner);
                journal.forget(reached)?;
                journal.after(reached)
            });
            let lines = lines.await??;
            if lines.is_empty() {
                *self.reached() = Some(reached);
                return Ok(());
            }
            let next = self.call(String::from_utf8(lines)?).await?;
            anyhow::ensure!(next > reached, "the monitor does not take what this host has recorded");
            reached = next;
        }
    }

    async fn all_the_time(self: &Arc<Self>) -> Infallible {
        let mut told = String::new();
        loop {
            // At once: when this process ends, it can ask for no connection any more.
            let wrong = self.bring().await.err().map(|error| format!("{error:#}")).unwrap_or_default();
            // What is wrong is told once, and again when it is another thing.
            if wrong != told && !wrong.is_empty() {
                tracing::warn!(
                    "what this host records does not get to the monitor; it is kept here until then: {wrong}"
                );
            }
            told = wrong;
            self.clock.sleep(BRING_EVERY).await;
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_process_brings_what_is_its_own_alone() {
        let check = |role: &str, source: &str, expected: bool| {
            let peer = ServiceId { cell: domain::Id128([0; 16]), role: role.parse().unwrap() };
            assert_eq!(is_its(&peer, source), expected, "{role} {source}");
        };
        check("worker/shopify", "worker-shopify-0a1b2c3d", true);
        check("worker/shopify", "worker-shopify", false);
        check("worker/shopify", "worker-shopify-0a1b2c3", false);
        check("worker/shopify", "worker-bigcommerce-0a1b2c3d", false);
        check("worker/shop", "worker-shopify-0a1b2c3d", false);
        check("worker/shopify", "vault", false);
        check("server", "server-0a1b2c3d", true);
        check("server", "server", false);
        check("server", "worker-shopify-0a1b2c3d", false);
        check("command", "cell", false);
    }
}
