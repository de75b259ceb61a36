//! The way to a vault: over a channel, as if it were another process.

use std::cell::RefCell;
use std::io;
use std::sync::{Arc, Weak};

use domain::{Action, Asked, Clock, Decides, Operation, Principal, Role, Scope, Verdict};
use futures::FutureExt as _;
use futures::future::{BoxFuture, pending};
use transport::{Authority, CERTIFICATE_TTL, Channel, Dial, Endpoint, Identities, Stream};
use vault::system::{SystemClock, SystemRng};
use vault::{Client, Handles, Vault};

thread_local! {
    /// Those that a test has opened: each test has a thread of its own.
    static OPEN: RefCell<Vec<Weak<Vault>>> = const { RefCell::new(Vec::new()) };
}

/// Connects to an endpoint in this process.
struct Beside(Endpoint);

impl Dial for Beside {
    fn dial(&self) -> BoxFuture<'_, io::Result<Box<dyn Stream>>> {
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        let endpoint = self.0.clone();
        tokio::spawn(async move { endpoint.serve(theirs, pending()).await });
        std::future::ready(Ok(Box::new(ours) as Box<dyn Stream>)).boxed()
    }
}

/// Policies that permit all: what they decide is tried where they stand.
#[derive(Debug)]
struct All;

fn permitted() -> Verdict {
    Verdict { allowed: true, by: vec!["all".to_owned()], told: "permitted by all".to_owned() }
}

impl Decides for All {
    fn process(&self, _: &Asked<'_>) -> Verdict {
        permitted()
    }

    fn person(&self, _: &Principal, _: Action, _: &Scope) -> Verdict {
        permitted()
    }

    fn custodian(&self, _: &Principal, _: Operation) -> Verdict {
        permitted()
    }
}

pub(crate) fn to(vault: Vault, handles: &Handles) -> Client {
    over(vault.with_policies(Arc::new(All)), handles)
}

/// The way to a vault as it is.
pub(crate) fn over(vault: Vault, handles: &Handles) -> Client {
    let vault = Arc::new(vault);
    OPEN.with_borrow_mut(|open| open.push(Arc::downgrade(&vault)));
    // Connections are of today, whatever time it is in the vault.
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let authority = Authority::new(vault.id(), vault.authority_key().unwrap(), CERTIFICATE_TTL);
    let identity = |role| Identities::new(authority.identity(role, clock.now()).unwrap().0);
    let endpoint =
        Endpoint::new(identity(&Role::Vault), vault::routes(&vault), Arc::clone(&clock), CERTIFICATE_TTL);
    // What is asked, each as somebody of the role that may.
    let roles = [Role::Command, Role::Worker("shopify".parse().unwrap())];
    let channel = |role| {
        let beside = Beside(endpoint.clone());
        Arc::new(Channel::new(Role::Vault, identity(role), beside, Arc::clone(&clock)))
    };
    let channels = roles.iter().map(channel).collect();
    Client::over_each(channels, vault.id(), Arc::clone(&handles.clock), Arc::new(SystemRng))
}

/// The public half of the key that signs the log, by the vault that was opened last: only the monitor is given it.
pub(crate) fn newest_signs() -> [u8; 32] {
    let newest = OPEN.with_borrow(|open| open.last().and_then(Weak::upgrade)).unwrap();
    newest.log_key().unwrap().public()
}

/// Ends the vault that a client leads to.
pub(crate) async fn end(client: Client) {
    let open = || OPEN.with_borrow(|open| open.iter().filter(|vault| vault.strong_count() > 0).count());
    let before = open();
    drop(client);
    for _ in 0..10_000 {
        if open() < before {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("the vault is still open");
}
