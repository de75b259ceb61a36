//! What was decided, and by which policies.

use std::fmt;

use serde::Serialize;

/// A policy's name: its `@id`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct PolicyName(pub(crate) String);

impl PolicyName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PolicyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What was decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "decision", rename_all = "snake_case")]
pub enum Decision {
    /// They may.
    Allow {
        /// The permits that let them.
        by: Vec<PolicyName>,
    },
    /// They may not.
    Deny {
        /// Why not.
        why: Why,
    },
}

/// Why somebody may not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// No policy permits it.
    NoPermit,
    /// These policies forbid it.
    Forbidden(Vec<PolicyName>),
    /// Nobody like that can ask for it, by the schema.
    NoSuchQuestion,
    /// It could not be decided. What cannot be decided is refused.
    Undecided(String),
}

impl Decision {
    /// Whether they may.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        matches!(self, Self::Allow { .. })
    }

    /// The policies that made the decision.
    #[must_use]
    pub fn policies(&self) -> &[PolicyName] {
        match self {
            Self::Allow { by } => by,
            Self::Deny { why: Why::Forbidden(by) } => by,
            Self::Deny { .. } => &[],
        }
    }
}

fn list(names: &[PolicyName]) -> String {
    names.iter().map(PolicyName::as_str).collect::<Vec<_>>().join(", ")
}

/// As it stands on the trail.
impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allow { by } => write!(f, "permitted by {}", list(by)),
            Self::Deny { why: Why::NoPermit } => f.write_str("no policy permits it"),
            Self::Deny { why: Why::Forbidden(by) } => write!(f, "forbidden by {}", list(by)),
            Self::Deny { why: Why::NoSuchQuestion } => f.write_str("nobody like that can ask for it"),
            Self::Deny { why: Why::Undecided(text) } => write!(f, "it cannot be decided: {text}"),
        }
    }
}
