//! A practice BigCommerce store.
//!
//! It speaks the platform's V2 and V3 REST APIs over HTTPS, keeps real state, and behaves as the platform's documents
//! say where a backup or a restore would notice: what each request may hold ([`facts`], [`check_request`]), pages that
//! are cut without a word, cursors, statuses 204 and 207, ids that only the store gives, images of which only resized
//! copies are named, things that only their maker sees, request windows, webhooks, and faults on request.
//!
//! ```no_run
//! # async fn run(clock: std::sync::Arc<dyn domain::Clock>, rng: std::sync::Arc<dyn domain::Rng>)
//! # -> Result<(), sandbox::bigcommerce::StartError> {
//! use sandbox::bigcommerce::{Settings, start};
//! let store = start(Settings { products: 50, ..Settings::default() }, clock, rng).await?;
//! println!("{} {}", store.url, store.access_token);
//! store.shutdown().await;
//! # Ok(())
//! # }
//! ```

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use domain::{Clock, Rng};

mod access;
mod answer;
mod call;
mod check;
mod dump;
mod engine;
mod facts;
mod families;
mod fault;
mod filter;
mod form;
mod page;
mod resource;
mod running;
mod seed;
mod server;
mod store;
mod throttle;
mod time;
mod webhook;

pub use check::{Place, Violation, check_answer, check_request};
pub use facts::{Fact, Facts, Field, Number, Object, Operation, Text, facts};
pub use fault::{Fault, FaultError, FaultKind};
pub use running::{RequestLine, Running, Stats};
pub use throttle::Plan;

/// The seed of a store to restore into.
const EMPTY_SEED: u64 = 2;

/// How a practice store is made and how it behaves.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Everything that is generated follows from this number, ids too.
    pub seed: u64,
    /// How many products there are, each with what belongs to it.
    pub products: u32,
    /// How many customers there are.
    pub customers: u32,
    /// How many orders there are; they need products.
    pub orders: u32,
    /// Everything else. Without it, and with no products, customers and orders, the store is as empty as a new one.
    pub content: bool,
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// What the apps of the store may spend.
    pub plan: Plan,
    /// How long every answer waits.
    pub latency: Duration,
    /// How long background jobs take: themes, deletion of categories.
    pub job_time: Duration,
    /// Fields of forms that the shop's owner has set up for customers and addresses. No API tells or makes them, and
    /// values of others are refused.
    pub form_fields: Vec<String>,
    /// The app's scopes; `None` grants all that a backup asks for.
    pub scopes: Option<Vec<String>>,
    /// What goes wrong.
    pub faults: Vec<Fault>,
    /// More authorities, in PEM, that receivers of webhooks are trusted by, beside those of the system.
    pub webhook_ca_pem: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            seed: 1,
            products: 50,
            customers: 20,
            orders: 20,
            content: true,
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            plan: Plan::Unthrottled,
            latency: Duration::ZERO,
            job_time: Duration::ZERO,
            form_fields: vec!["Favourite colour".to_owned(), "Floor".to_owned()],
            scopes: None,
            faults: Vec::new(),
            webhook_ca_pem: None,
        }
    }
}

impl Settings {
    /// A store without any content, to restore into. Its ids are not those of a store with content: whoever writes an
    /// id of one into the other is found out.
    #[must_use]
    pub fn empty() -> Self {
        Self { seed: EMPTY_SEED, products: 0, customers: 0, orders: 0, content: false, ..Self::default() }
    }

    fn granted(&self) -> BTreeSet<String> {
        self.scopes.as_ref().map_or_else(access::all, |scopes| scopes.iter().cloned().collect())
    }
}

/// Why a practice store could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Our own table of facts is wrong.
    #[error("the practice store's facts cannot be read: `{0}`")]
    Facts(String),
    /// The certificate could not be made.
    #[error("no certificate could be made for the practice store: {0}")]
    Certificate(String),
    /// The address could not be listened on.
    #[error("cannot listen on `{addr}`")]
    Listen {
        /// The address.
        addr: SocketAddr,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The first state breaks the store's own rules.
    #[error("the practice store refuses its own first state: {0}")]
    Seed(String),
    /// The client that delivers webhooks could not be made.
    #[error("cannot prepare the delivery of webhooks")]
    Webhooks(#[source] reqwest::Error),
}

/// Makes the store's content and serves it until it is shut down.
///
/// # Errors
/// When the address cannot be listened on, or no certificate can be made.
pub async fn start(
    settings: Settings,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
) -> Result<Running, StartError> {
    if let Some(line) = facts().unread.first() {
        return Err(StartError::Facts((*line).to_owned()));
    }
    running::start(settings, clock, rng).await
}
