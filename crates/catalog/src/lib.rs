//! The only SQL: what a cell knows of its tenants, connections, heads, leases and restores.
//!
//! The catalog holds nothing that a person's data or a secret could be read from: counts, platform ids, and
//! bytes that the vault or a data key has sealed. Every question names its tenant, and another tenant's things
//! are not found. Heads, leases and restores move by compare-and-swap, so that of two processes one wins.
//!
//! It is a SQLite file in the cell's directory, or a database of a PostgreSQL server; the questions are the same.
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! # let home = tempfile::tempdir()?;
//! # let dir = home.path();
//! use catalog::{Catalog, Client, Connection, Head};
//! use domain::{Scope, SnapshotNumber, Timestamp};
//!
//! let catalog = Client::from(Catalog::create(dir).await?);
//! let at: Timestamp = "2026-11-24T12:00:00Z".parse()?;
//! let scope = Scope {
//!     tenant: "default".parse()?,
//!     region: "eu".parse()?,
//!     platform: "shopify".parse()?,
//!     connection: "shop".parse()?,
//! };
//! let (tenant, connection) = (&scope.tenant, &scope.connection);
//! catalog.add_tenant(tenant, at).await?;
//! let shop = Connection {
//!     scope: scope.clone(),
//!     url: "https://shop.example".into(),
//!     settings: serde_json::json!({"api_version": "2026-10"}),
//!     created_at: at,
//! };
//! catalog.add_connection(&shop).await?;
//!
//! let first = Head { number: SnapshotNumber(1), generation: 1, commit: "1-1-abc".into() };
//! catalog.advance_head(tenant, connection, None, &first).await?;
//! assert_eq!(catalog.head(tenant, connection).await?, Some(first));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;

mod address;
mod calls;
mod client;
mod column;
mod connection;
mod database;
mod error;
mod gate;
mod head;
mod lease;
mod ledger;
mod moving;
mod postgres;
mod restore;
mod schedule;
mod schema;
mod session;
mod sqlite;
mod store_credential;
mod tag;
mod tenant;
mod webhook;

pub use address::{AddressError, Admission, CatalogAddress, Credential, Password, ServerAddress};
pub use calls::routes;
pub use client::Client;
pub use connection::Connection;
pub use database::{Catalog, SchemaState};
pub use error::{CatalogError, CatalogErrorKind, Told};
pub use gate::Gate;
pub use head::Head;
pub use lease::{LEASE_TTL_MAX, Lease, LeaseRequest};
pub use ledger::LedgerEntry;
pub use restore::{Restore, RestoreState, StepResult, StepState};
pub use schedule::{Due, Ended, Outcome, Schedule, Taken, Taking, Task};
pub use webhook::{Hint, Webhook};
