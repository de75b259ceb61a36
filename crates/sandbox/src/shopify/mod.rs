//! A practice Shopify store.
//!
//! It speaks our subset of the Admin GraphQL API ([`SDL`]) over HTTPS, keeps real state, and behaves as the platform
//! does where a backup or a restore would notice: cost and throttling, pages and their limits, bulk operations, user
//! errors, scopes, token expiry, search lag, webhooks, and faults on request.
//!
//! ```no_run
//! # async fn run(clock: std::sync::Arc<dyn domain::Clock>, rng: std::sync::Arc<dyn domain::Rng>)
//! # -> Result<(), sandbox::shopify::StartError> {
//! use sandbox::shopify::{Settings, start};
//! let store = start(Settings { products: 50, ..Settings::default() }, clock, rng).await?;
//! println!("{} {}", store.url, store.access_token);
//! store.shutdown().await;
//! # Ok(())
//! # }
//! ```

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use domain::{Clock, Rng};

mod bulk;
mod csv;
mod dump;
mod exec;
mod fault;
mod fields;
mod files;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod graphql;
mod leaf;
mod list;
mod mutate;
mod node;
mod plan;
mod record;
mod running;
mod schema;
mod search;
mod seed;
mod server;
mod store;
mod throttle;
mod token;
mod value;
mod viewer;
mod webhook;

pub use csv::CsvError;
pub use fault::{Fault, FaultError, FaultKind};
pub use running::{Running, Stats};
pub use schema::SDL;
pub use throttle::Plan;
pub use token::OfflineToken;
pub use viewer::ProtectedData;

/// Longest list that a request may give as input.
pub(crate) const INPUT_ARRAY_MAX: usize = 250;

/// The seed of a store to restore into.
const EMPTY_SEED: u64 = 2;

/// How a practice store is made and how it behaves.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Everything that is generated follows from this number.
    pub seed: u64,
    /// How many products there are, each with its variants, images and metafields.
    pub products: u32,
    /// How many customers there are.
    pub customers: u32,
    /// How many orders there are; they need products.
    pub orders: u32,
    /// Pages, blogs, menus, redirects, collections, discounts and the like. Without them, and with no products,
    /// customers and orders, the store is as empty as a new one.
    pub content: bool,
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// What the app may spend.
    pub plan: Plan,
    /// Highest cost of one query.
    pub query_cost_max: u64,
    /// How long a search does not see a write.
    pub search_lag: Duration,
    /// How long background jobs, bulk operations and the processing of files take.
    pub job_time: Duration,
    /// How long every answer waits.
    pub latency: Duration,
    /// The app's scopes; `None` grants all that a backup asks for.
    pub scopes: Option<Vec<String>>,
    /// How much of people's data the app was approved to see.
    pub protected_data: ProtectedData,
    /// What goes wrong.
    pub faults: Vec<Fault>,
    /// A directory into which each distinct GraphQL document is written once, named by its SHA-256. The one that
    /// `CARETAKER_SANDBOX_DOCUMENTS` names in the environment gets them too.
    pub record_documents: Option<PathBuf>,
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
            query_cost_max: 1_000,
            search_lag: Duration::ZERO,
            job_time: Duration::ZERO,
            latency: Duration::ZERO,
            scopes: None,
            protected_data: ProtectedData::Approved,
            faults: Vec::new(),
            record_documents: None,
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

    fn viewer(&self) -> viewer::Viewer {
        let scopes: BTreeSet<String> = match &self.scopes {
            Some(scopes) => scopes.iter().cloned().collect(),
            None => viewer::ALL_SCOPES.iter().map(|scope| (*scope).to_owned()).collect(),
        };
        viewer::Viewer { scopes, protected_data: self.protected_data }
    }
}

/// Why a practice store could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Our own schema is wrong.
    #[error("the practice store's schema does not parse: {0}")]
    Schema(String),
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
    schema::load()?;
    running::start(settings, clock, rng).await
}
