//! Keys, credentials and grants. The only crate in which key bytes are visible.
//!
//! A [`Vault`] is a file that a passphrase seals, or a key in a token or a service ([`RootSeal`]). It holds two hierarchies of keys that share nothing: one wraps
//! data keys, the other seals credentials. Others speak to it through a [`Client`], from its own process or from another.
//! Whoever signs in gets a grant; whoever has a grant gets a data key
//! that seals and opens for at most 60 seconds, and whose bytes cannot be had. Each answer is recorded before
//! it is given. The [`RecoveryKey`] opens data keys without the vault, and never a credential.
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//! use domain::{Action, DataKeys, ObjectPurpose, Salt, Scope, Unrecorded};
//! use vault::system::{SystemClock, SystemRng};
//! use vault::{Client, Handles, InitSettings, OperatorKey, Passphrase, RecoverySetting, Vault};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! # let (home, recovery) = (dir.path().join("cell"), dir.path().join("recovery.key"));
//! let handles = Handles { clock: Arc::new(SystemClock), rng: Arc::new(SystemRng), audit: Arc::new(Unrecorded) };
//! let settings = InitSettings {
//!     recovery: RecoverySetting::New { file: &recovery, passphrase: None },
//!     recipients: vec![],
//!     cost: Default::default(),
//! };
//! let passphrase = Passphrase::new("correct horse battery staple".into())?;
//! let scope = Scope {
//!     tenant: "default".parse()?,
//!     region: "eu".parse()?,
//!     platform: "shopify".parse()?,
//!     connection: "shop".parse()?,
//! };
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! let vault = Client::of(Arc::new(Vault::init(&home, &passphrase, settings, &handles).await?));
//! let operator = vault.sign_in(OperatorKey::read(&home)?).await?;
//! let actions = [Action::Connect, Action::Backup];
//! let hour = Duration::from_secs(3600);
//! let grant = operator.grant(&scope, &actions, "first backup", hour).await?;
//! let made = vault.create(&grant, &scope).await?;
//!
//! let mut text = b"a block".to_vec();
//! made.key.object_key(ObjectPurpose::Pack, &Salt([1; 32]))?.seal(0, b"its place", &mut text)?;
//! let opened = vault.open(&grant, &scope, &made.wrapped).await?;
//! opened.object_key(ObjectPurpose::Pack, &Salt([1; 32]))?.open(0, b"its place", &mut text)?;
//! assert_eq!(text, b"a block");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok(())
//! # }
//! ```

#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
pub mod system;

mod arena;
mod calls;
mod cipher;
mod client;
mod credential;
mod data_key;
mod document;
mod encoding;
mod error;
mod file;
mod gate;
mod handles;
mod host_key;
mod hosts;
mod key_file;
mod list;
mod operator;
mod orders;
mod passphrase;
mod personal;
mod private_file;
mod public_key;
mod recipient;
mod recovery;
mod recovery_shares;
mod ring;
mod root_seal;
mod rotation;
mod sealer;
mod secret;
mod sessions;
mod sharing;
mod signing;
mod standing;
mod vault;
mod wrapped;

pub use arena::keys_are_locked;
pub use client::{Client, Knows, SignedIn, routes};
pub use error::{Told, VaultError, VaultErrorKind};
pub use gate::UNPROVEN;
pub use handles::Handles;
pub use host_key::HostKey;
pub use hosts::{Host, INVITATION_TTL_MAX};
pub use operator::OperatorKey;
pub use orders::{ORDER_TTL_MAX, ORDERED, ORDERED_GRANT_TTL, Order};
pub use passphrase::Argon2Cost;
pub use personal::{Erased, Month, MonthError, OPENED_MAX, Opened};
pub use recipient::{RecipientOwner, RecoveryRecipient};
pub use recovery::{RecoveryKey, RecoveryKeys};
pub use root_seal::{RootSeal, SealedBy};
pub use rotation::{KeyVersions, sealed_by, wrapped_by};
pub use sealer::{Ask, FindsSealer, SealWay, Sealer, serve_sealer};
pub use secret::{Passphrase, Secret};
pub use vault::{CELL_OPERATOR, GRANT_TTL_MAX, InitSettings, RecoverySetting, Sealers, Vault};
pub use wrapped::describe_wrapped;
