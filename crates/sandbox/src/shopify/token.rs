//! Access tokens: static, by client credentials (24 hours), and offline ones that expire and rotate.

use std::collections::HashMap;
use std::sync::Arc;

use domain::Rng;

use crate::secret::fresh;

/// How long a token from client credentials lives, in seconds.
pub(crate) const CLIENT_CREDENTIALS_TTL: i64 = 86_400;
/// How long an expiring offline token lives, in seconds.
pub(crate) const OFFLINE_TTL: i64 = 3_600;
/// How long a refresh token lives, in seconds.
pub(crate) const REFRESH_TTL: i64 = 90 * 86_400;

/// An offline token with its refresh token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfflineToken {
    /// Sent with each request.
    pub access_token: String,
    /// Exchanged once for the next pair.
    pub refresh_token: String,
}

#[derive(Debug, Clone, Copy)]
struct Refresh {
    expires_at: i64,
}

/// All tokens of one app on one store.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    /// Token to expiry; `None` lives for ever.
    access: HashMap<String, Option<i64>>,
    refresh: HashMap<String, Refresh>,
    /// Access token to the refresh token that brought it.
    replaced: HashMap<String, String>,
}

impl Tokens {
    pub(crate) fn add(&mut self, token: String, expires_at: Option<i64>) {
        self.access.insert(token, expires_at);
    }

    /// Whether the token is good now. Its first use ends the refresh token that brought it.
    pub(crate) fn check(&mut self, token: &str, now: i64) -> bool {
        let good = match self.access.get(token) {
            Some(expiry) => expiry.is_none_or(|expiry| now < expiry),
            None => false,
        };
        if good && let Some(old) = self.replaced.remove(token) {
            self.refresh.remove(&old);
        }
        good
    }

    pub(crate) fn issue_offline(&mut self, rng: &Arc<dyn Rng>, now: i64) -> OfflineToken {
        let pair = OfflineToken { access_token: fresh(rng, "shpat_"), refresh_token: fresh(rng, "shprt_") };
        self.add(pair.access_token.clone(), Some(now + OFFLINE_TTL));
        self.refresh.insert(pair.refresh_token.clone(), Refresh { expires_at: now + REFRESH_TTL });
        pair
    }

    /// The next pair. The old refresh token can be used again until the new access token was used: an answer may
    /// be lost on its way.
    pub(crate) fn rotate(
        &mut self,
        refresh_token: &str,
        rng: &Arc<dyn Rng>,
        now: i64,
    ) -> Option<OfflineToken> {
        let known = self.refresh.get(refresh_token)?;
        if now >= known.expires_at {
            return None;
        }
        let pair = self.issue_offline(rng, now);
        self.replaced.insert(pair.access_token.clone(), refresh_token.to_owned());
        Some(pair)
    }

    /// Ends a token now.
    pub(crate) fn revoke(&mut self, token: &str) {
        self.access.remove(token);
    }

    /// Ends all tokens now.
    pub(crate) fn revoke_all(&mut self) {
        *self = Self::default();
    }
}
