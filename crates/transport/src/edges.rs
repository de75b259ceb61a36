//! Who may connect to whom: one table. What is not in it is refused, by both ends.

use domain::{Role, RoleName};

/// One role may connect to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edge {
    /// Who connects.
    pub from: RoleName,
    /// To whom.
    pub to: RoleName,
    /// What for.
    pub purpose: &'static str,
}

/// All that there are.
pub const EDGES: &[Edge] = &[
    Edge { from: RoleName::Command, to: RoleName::Vault, purpose: "sign in, grants, keys, credentials" },
    Edge { from: RoleName::Command, to: RoleName::Server, purpose: "the catalog" },
    Edge { from: RoleName::Command, to: RoleName::Monitor, purpose: "the trail's log" },
    Edge {
        from: RoleName::Worker,
        to: RoleName::Server,
        purpose: "its platform's connections in the catalog",
    },
    Edge { from: RoleName::Command, to: RoleName::Worker, purpose: "work on connections of its platform" },
    Edge {
        from: RoleName::Server,
        to: RoleName::Worker,
        purpose: "what a platform told the public endpoint",
    },
    Edge { from: RoleName::Worker, to: RoleName::Vault, purpose: "keys and credentials, on a grant" },
    Edge { from: RoleName::Server, to: RoleName::Monitor, purpose: "what it recorded on another host" },
    Edge { from: RoleName::Worker, to: RoleName::Monitor, purpose: "what it recorded on another host" },
    Edge {
        from: RoleName::Monitor,
        to: RoleName::Vault,
        purpose: "the log's key, the witness, what was recorded beside it",
    },
];

/// Whether one may connect to the other.
#[must_use]
pub fn may_connect(from: &Role, to: &Role) -> bool {
    EDGES.iter().any(|edge| edge.from == from.name() && edge.to == to.name())
}
