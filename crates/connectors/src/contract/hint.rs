//! What a platform tells by itself: that something happened, and to what. It is taken as a hint and no more: whatever it
//! says, the store is read.

use std::fmt;

use domain::Timestamp;
use serde::{Deserialize, Serialize};

/// What a platform told of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    /// The event's name, the same however often it is told, and another one for each topic. At most 128 bytes.
    pub event: String,
    /// What happened, in the platform's words. At most 96 bytes.
    pub topic: String,
    /// The kinds of which items may have changed; empty where it is of none that is backed up.
    pub kinds: Vec<&'static str>,
    /// The ids of what it is about, as the platform has them. At most eight.
    pub items: Vec<String>,
    /// When it happened, by the platform's clock.
    pub at: Option<Timestamp>,
}

/// Why something that was told is not taken for the platform's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unheard {
    /// It is not signed, or by somebody else.
    Forged,
    /// It was signed too long ago, or in the future: somebody may have kept it.
    Late,
    /// It is signed, and makes no sense.
    Malformed(&'static str),
}

impl fmt::Display for Unheard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forged => f.write_str("it does not come from the platform"),
            Self::Late => f.write_str("it was signed at another time"),
            Self::Malformed(why) => write!(f, "it makes no sense: {why}"),
        }
    }
}

impl std::error::Error for Unheard {}

/// Knows what one store's platform says from what others say.
pub trait Ear: Send + Sync {
    /// Looks at what came, before anything else is believed of it: `headers` with names in small letters, `body` as it
    /// was received. Pure, and in a time that tells nothing of the secret.
    ///
    /// # Errors
    /// [`Unheard`].
    fn hear(&self, headers: &[(String, String)], body: &[u8], now: Timestamp) -> Result<Hint, Unheard>;
}

/// What a platform was asked to tell, and where.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscribed {
    /// What it told already.
    pub there: u64,
    /// What it was asked for now.
    pub made: u64,
    /// What it was asked not to tell any more.
    pub removed: u64,
    /// What it does not tell, and why: topic and reason.
    pub failed: Vec<(String, String)>,
}
