//! The three kinds of credential, and the access tokens that they give.

use std::sync::Arc;
use std::time::Duration;

use domain::{Clock, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use url::Url;
use zeroize::Zeroize as _;

use crate::contract::{CredentialKeeper, Fault};
use crate::engine::http::Https;
use crate::secret::Secret;

/// A token is renewed this long before its end.
const RENEW_BEFORE: Duration = Duration::from_secs(5 * 60);
/// Length of a token's life where the platform does not tell.
const LIFE_UNTOLD: Duration = Duration::from_secs(60 * 60);

/// What a connection keeps, sealed, to get in. As bytes it is JSON.
#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Credential {
    /// An app of the store's own organisation: its id and secret give tokens that last a day.
    ClientCredentials {
        /// The app's id.
        client_id: String,
        /// The app's secret.
        client_secret: Secret,
    },
    /// A token that does not end.
    Static {
        /// The token.
        access_token: Secret,
        /// The app's secret, by which messages of the platform are known. Nothing is asked for with it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        client_secret: Option<Secret>,
    },
    /// A token that ends, and one that renews it; both change at each renewal.
    Offline {
        /// The app's id.
        client_id: String,
        /// The app's secret.
        client_secret: Secret,
        /// The token.
        access_token: Secret,
        /// What renews it.
        refresh_token: Secret,
        /// When the token ends.
        expires_at: Timestamp,
    },
}

impl Credential {
    /// Reads a credential from its bytes.
    ///
    /// # Errors
    /// [`Fault::Unauthorized`] where they are not one.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Fault> {
        // The parser's message could quote the secret; it is not passed on.
        serde_json::from_slice(bytes)
            .map_err(|_| Fault::Unauthorized("the stored credential is not one of Shopify".to_owned()))
    }

    /// The app's secret, where it is kept.
    pub(crate) fn client_secret(&self) -> Option<&Secret> {
        match self {
            Self::ClientCredentials { client_secret, .. } | Self::Offline { client_secret, .. } => {
                Some(client_secret)
            }
            Self::Static { client_secret, .. } => client_secret.as_ref(),
        }
    }

    /// Whether another one is renewed by the same refresh token: nobody has renewed it since.
    fn renews_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Offline { refresh_token: own, .. }, Self::Offline { refresh_token: other, .. }) => {
                own.expose_secret() == other.expose_secret()
            }
            _ => false,
        }
    }

    /// The credential as bytes, for sealing.
    ///
    /// # Errors
    /// [`Fault::Malformed`], never in practice.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Fault> {
        serde_json::to_vec(self).map_err(|_| Fault::Malformed("the credential cannot be written".to_owned()))
    }
}

/// A token in use.
#[derive(Clone)]
pub(crate) struct Token {
    /// The token.
    pub(crate) secret: Arc<Secret>,
    /// Which renewal gave it.
    generation: u64,
}

struct State {
    credential: Credential,
    token: Option<(Token, Option<Duration>)>,
    generation: u64,
}

/// Gives tokens, and renews them one at a time.
pub(crate) struct Auth {
    https: Https,
    endpoint: Url,
    clock: Arc<dyn Clock>,
    keeper: Arc<dyn CredentialKeeper>,
    state: Mutex<State>,
}

#[derive(Deserialize)]
struct Granted {
    access_token: Secret,
    expires_in: Option<u64>,
    refresh_token: Option<Secret>,
}

impl Auth {
    pub(crate) fn new(
        https: Https,
        endpoint: Url,
        clock: Arc<dyn Clock>,
        keeper: Arc<dyn CredentialKeeper>,
        credential: Credential,
    ) -> Self {
        let state = Mutex::new(State { credential, token: None, generation: 0 });
        Self { https, endpoint, clock, keeper, state }
    }

    /// A token that will last for the next request.
    pub(crate) async fn token(&self) -> Result<Token, Fault> {
        let mut state = self.state.lock().await;
        let now = self.clock.monotonic();
        match &state.token {
            Some((token, ends)) if ends.is_none_or(|ends| now + RENEW_BEFORE < ends) => Ok(token.clone()),
            _ => self.renew(&mut state).await,
        }
    }

    /// The platform did not accept `token`: forgets it. Whether another can be had.
    pub(crate) async fn refused(&self, token: &Token) -> bool {
        let mut state = self.state.lock().await;
        if matches!(state.credential, Credential::Static { .. }) {
            return false;
        }
        // Another request may have renewed it meanwhile.
        if state.generation == token.generation {
            state.token = None;
            if let Credential::Offline { expires_at, .. } = &mut state.credential {
                *expires_at = Timestamp::UNIX_EPOCH;
            }
        }
        true
    }

    /// How long the token of an offline credential lasts, where it lasts at all.
    fn left(&self, credential: &Credential) -> Option<Duration> {
        let Credential::Offline { expires_at, .. } = credential else { return None };
        let left = Duration::try_from(expires_at.duration_since(self.clock.now())).ok()?;
        (left > RENEW_BEFORE).then_some(left)
    }

    async fn renew(&self, state: &mut State) -> Result<Token, Fault> {
        // INVARIANT (spent once): a refresh token is good for one renewal. Whoever else has the same credential, in
        // this process or in another, waits here until the new one is kept, and then uses that.
        let spends = matches!(state.credential, Credential::Offline { .. });
        let leave = match spends && self.left(&state.credential).is_none() {
            true => Some(self.keeper.renewing().await?),
            false => None,
        };
        if let Some(kept) = leave.as_ref().and_then(|leave| leave.kept.as_ref()) {
            let kept = Credential::from_bytes(kept)?;
            if !state.credential.renews_as(&kept) {
                state.credential = kept;
            }
        }
        let now = self.clock.monotonic();
        let (secret, ends) = match &state.credential {
            Credential::Static { access_token, .. } => (access_token.clone(), None),
            Credential::ClientCredentials { client_id, client_secret } => {
                let granted = self
                    .ask(&[
                        ("grant_type", "client_credentials"),
                        ("client_id", client_id),
                        ("client_secret", client_secret.expose_secret()),
                    ])
                    .await?;
                (granted.access_token, Some(now + lasting(granted.expires_in)))
            }
            Credential::Offline { client_id, client_secret, access_token, refresh_token, .. } => {
                if let Some(left) = self.left(&state.credential) {
                    (access_token.clone(), Some(now + left))
                } else {
                    let granted = self
                        .ask(&[
                            ("grant_type", "refresh_token"),
                            ("client_id", client_id),
                            ("client_secret", client_secret.expose_secret()),
                            ("refresh_token", refresh_token.expose_secret()),
                        ])
                        .await?;
                    let life = granted.expires_in.map_or(LIFE_UNTOLD, Duration::from_secs);
                    let ends = self.clock.now().saturating_add(
                        jiff::SignedDuration::try_from(life).unwrap_or(jiff::SignedDuration::ZERO),
                    );
                    let rotated = Credential::Offline {
                        client_id: client_id.clone(),
                        client_secret: client_secret.clone(),
                        access_token: granted.access_token.clone(),
                        refresh_token: granted.refresh_token.unwrap_or_else(|| refresh_token.clone()),
                        expires_at: ends.unwrap_or(Timestamp::MAX),
                    };
                    // INVARIANT (kept before use): the old refresh token may be worth nothing from the
                    // first use of the new access token on. A crash before this line loses nothing.
                    let mut bytes = rotated.to_bytes()?;
                    let kept = self.keeper.keep(&bytes).await;
                    bytes.zeroize();
                    kept?;
                    state.credential = rotated;
                    (granted.access_token, Some(now + lasting(granted.expires_in)))
                }
            }
        };
        drop(leave);
        state.generation += 1;
        let token = Token { secret: Arc::new(secret), generation: state.generation };
        state.token = Some((token.clone(), ends));
        Ok(token)
    }

    async fn ask(&self, form: &[(&str, &str)]) -> Result<Granted, Fault> {
        let answer = self.https.post(&self.endpoint, "token").form(form).send().await?;
        let status = answer.status();
        let body = answer.bytes().await?;
        if status.is_success() {
            return serde_json::from_slice(&body).map_err(|_| {
                Fault::NotThePlatform(format!(
                    "{} gives no access token: it is not Shopify",
                    host(&self.endpoint)
                ))
            });
        }
        Err(match status.as_u16() {
            400 | 401 | 403 => Fault::Unauthorized(
                "Shopify gives no token for this app's id and secret; app and store must belong to one organisation, and the app must be installed".to_owned(),
            ),
            404 => Fault::NotThePlatform(format!("{} is not a Shopify store", host(&self.endpoint))),
            429 => Fault::Throttled("too many tokens were asked for".to_owned()),
            300..=399 => Fault::NotThePlatform(format!("{} sends us elsewhere: use the store's permanent address", host(&self.endpoint))),
            _ => Fault::Unavailable(format!("asked for a token, Shopify answered {status}")),
        })
    }
}

/// For how long a token is used. One that lasts shorter than it takes to renew it is used once all the same.
fn lasting(seconds: Option<u64>) -> Duration {
    seconds.map_or(LIFE_UNTOLD, Duration::from_secs).max(RENEW_BEFORE + Duration::from_secs(1))
}

/// The host of an address, for messages.
pub(crate) fn host(url: &Url) -> &str {
    url.host_str().unwrap_or_default()
}
