//! The way to a vault: here, in the same process.

use std::cell::RefCell;
use std::sync::{Arc, Weak};

use vault::{Client, Handles, Vault};

thread_local! {
    /// The one that a test has opened last: each test has a thread of its own.
    static NEWEST: RefCell<Weak<Vault>> = const { RefCell::new(Weak::new()) };
}

pub(crate) fn to(vault: Vault, _: &Handles) -> Client {
    let vault = Arc::new(vault);
    NEWEST.set(Arc::downgrade(&vault));
    Client::of(vault)
}

/// The public half of the key that signs the log, by the vault that was opened last.
pub(crate) fn newest_signs() -> [u8; 32] {
    NEWEST.with_borrow(Weak::upgrade).unwrap().log_key().unwrap().public()
}

/// Ends the vault that a client leads to.
pub(crate) async fn end(client: Client) {
    drop(client);
}
