//! Processes with a role of their own, and how they are started and spoken to.

mod control;
mod process;
pub(crate) mod vault;
mod witness;

pub(crate) use control::Control;
pub(crate) use process::{OpenVault, Unseals, VaultProcess};
