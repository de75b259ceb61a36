//! Processes with a role of their own, and how they are started and spoken to.

mod apart;
mod beginning;
mod brings;
mod certifier;
mod child;
mod control;
mod far;
mod host;
mod life;
mod member;
mod messages;
mod monitor;
mod processes;
mod sealer;
mod server;
mod supervisor;
mod up;
mod vault;
mod witness;
mod worker;

pub(crate) use beginning::{Outside, Unseals};
pub(crate) use certifier::Certifies;
pub(crate) use child::{Job, main, misplaced, misplaced_word};
pub(crate) use control::Control;
pub(crate) use far::Places;
pub(crate) use host::{CALLED, HostFile, Invitation, OnHost, is_one as is_host, join as join_cell};
pub(crate) use monitor::{Monitors, Sequences};
pub(crate) use processes::{OpenVault, Processes, Wants};
pub(crate) use sealer::{OwnSealer, WORD as SEALER, main as sealer};
pub(crate) use server::Serves;

pub(crate) use up::{Hosts, Up};
pub(crate) use vault::{Keys, ordered_grant_ttl};
pub(crate) use worker::Works;
