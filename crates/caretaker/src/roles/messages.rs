//! What a process with a role and whoever started it tell each other, over [`Control`](super::Control).

use domain::Id128;
use flows::error::Told;
use serde::{Deserialize, Serialize};

use crate::public::Part;
#[cfg(debug_assertions)]
use crate::walls::escape;

/// What whoever started a process tells it. `B` is what one of its role is to begin with.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ToProcess<B> {
    /// What to begin with. The first message, and the only one of its kind.
    Begin(B),
    /// At the other end of the descriptor somebody connects.
    Connect,
    /// At the other end of the descriptor somebody of that role asks for a certificate. For the vault alone.
    Enrol { role: String },
    /// The descriptor is what was asked for under that number.
    Given { number: u64 },
    /// What was asked for under that number is not to be had.
    Withheld { number: u64, why: String },
    /// The descriptor is that of a file which somebody lends for work that will say this name. For workers alone.
    Lent { name: Id128 },
    /// A command has ended: what it did is to be taken into the trail's log. For the monitor alone.
    Ended,
    /// It is to say that it lives.
    Beat,
    /// Ways out are to be tried.
    #[cfg(debug_assertions)]
    TryEscape(escape::Around),
}

/// What a process tells whoever has started it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum FromProcess {
    /// It has begun; in words, what this kernel cannot keep it from, or its keys from.
    Begun { missing: Vec<String> },
    /// It has not, and ends.
    Failed(Told),
    /// It asks for a socket.
    Ask { number: u64, what: Ask },
    /// The descriptor is that of a file, for a worker of that role that can connect to those ports: see [`ToProcess::Lent`].
    Lend { to: String, reaching: Vec<u16>, name: Id128 },
    /// It lives.
    Lives,
    /// What was tried, with the number of the error that it got.
    #[cfg(debug_assertions)]
    Tried(Vec<(String, Option<i32>)>),
}

/// A socket that a process asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Ask {
    /// At its other end is the vault, which gives a certificate for the role that this process has.
    Certificate,
    /// At its other end is somebody of that role; a worker that can connect to those ports.
    Connection { to: String, reaching: Vec<u16> },
    /// At its other end is whoever speaks to what has sealed the vault, or to what is to seal it from now on. For the vault
    /// alone.
    Sealer { next: bool },
    /// At its other end is nobody: it says that no other command is there, and that none is let in before this one is gone. For
    /// commands that have joined a cell.
    Quiet,
    /// A part of the public endpoint: a file, or the socket that listens. For the server alone.
    Public(Part),
    /// At its other end is nobody: it says that the process of that role is there, and answers. For the server alone.
    Lives { role: String },
}
