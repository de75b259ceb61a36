//! BigCommerce, over its V2 and V3 REST APIs, which are one here: a path begins with its version.
//!
//! In reading order: what is backed up ([`kinds`], [`reading`]), how requests are sent ([`client`]), how a store is read
//! ([`pages`], [`parts`], [`fetch`]), how lines become items ([`assemble`]), and what the store tells by itself ([`topics`],
//! [`hooks`], [`ear`]).

use std::sync::Arc;

use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::OnceCell;
use url::Url;
use zeroize::Zeroize as _;

use self::client::Client;
use crate::contract::{
    Applied, Effort, Fault, IdMap, Item, ItemPlan, ItemWrite, KindRequest, KindSpec, Line, Lookup, MediaBody,
    MediaSource, Pace, Probe, RestoreOptions, Settings, Spool, Store, Subscribed, Usage,
};
use crate::engine::http::{Https, store_url};
use crate::secret::Secret;

mod assemble;
mod client;
mod documents;
mod ear;
mod fetch;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod hooks;
mod kinds;
mod live;
mod media;
mod pages;
mod parts;
mod probe;
mod reading;
mod restore;
mod topics;

pub use ear::ear;
pub use kinds::{KINDS, kind};

/// The version of the API that most kinds are read by; for the rest there is only the one before.
pub const API_VERSION: &str = "v3";

/// What a connection keeps, sealed, to get in. As bytes it is JSON.
#[derive(Clone, Serialize, Deserialize)]
pub struct Credential {
    /// The token of an API account. It does not end.
    pub access_token: Secret,
    /// The account's secret, by which messages of the platform are known. Nothing is asked for with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<Secret>,
}

impl Credential {
    /// Reads what [`Credential::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`Fault::Unauthorized`] where the bytes are no credential.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Fault> {
        // The parser's message could quote the secret; it is not passed on.
        serde_json::from_slice(bytes).map_err(|_| Fault::Unauthorized("the credential is damaged".to_owned()))
    }

    /// As it is kept.
    ///
    /// # Errors
    /// None that can happen: a credential is text.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Fault> {
        serde_json::to_vec(self).map_err(|error| Fault::Unauthorized(error.to_string()))
    }
}

/// A connected BigCommerce store.
pub struct BigCommerce {
    client: Client,
    /// Where the store's own files lie.
    origin: OnceCell<Url>,
    /// What our hooks carry, so that their messages are known.
    password: Secret,
}

/// Opens a store. Nothing is sent yet.
///
/// # Errors
/// [`Fault::NotThePlatform`] where the address is none of a store, [`Fault::Unauthorized`] where the bytes are no
/// credential, [`Fault::Rejected`] where the authority is no certificate.
pub fn open(settings: Settings) -> Result<Box<dyn Store>, Fault> {
    let Settings { url, ca_pem, mut credential, behalf, clock, rng, .. } = settings;
    let parsed = Credential::from_bytes(&credential);
    credential.zeroize();
    let base = address(&url)?;
    let https = Https::new(ca_pem.as_deref(), behalf, Arc::clone(&clock))?;
    let token = parsed?.access_token;
    let password = ear::password(&token);
    let client = Client::new(https, base, token, clock, rng);
    Ok(Box::new(BigCommerce { client, origin: OnceCell::new(), password }))
}

/// The address below which a store's API lies, with a slash at its end. A version at its end, as the control panel
/// writes it, is left out.
fn address(text: &str) -> Result<Url, Fault> {
    let mut url = store_url(text)?;
    let steps: Vec<&str> = url.path().split('/').filter(|step| !step.is_empty()).collect();
    let steps = match steps.as_slice() {
        [steps @ .., "v2" | "v3"] => steps,
        steps => steps,
    };
    let host = url.host_str().unwrap_or_default();
    match steps {
        ["stores", hash] => {
            let path = format!("/stores/{hash}/");
            url.set_path(&path);
            url.set_query(None);
            url.set_fragment(None);
            Ok(url)
        }
        _ => Err(Fault::NotThePlatform(format!(
            "that is not the address of a BigCommerce store: https://{host}/stores/HASH is expected, as the API account's \
             file has it (API Path)"
        ))),
    }
}

impl BigCommerce {
    /// Where the store's own files lie.
    async fn origin(&self) -> Result<Url, Fault> {
        self.origin.get_or_try_init(|| probe::origin(self)).await.cloned()
    }
}

impl Store for BigCommerce {
    fn kinds(&self) -> &'static [KindSpec] {
        KINDS
    }

    fn probe(&self) -> BoxFuture<'_, Result<Probe, Fault>> {
        Box::pin(probe::probe(self))
    }

    fn fetch<'a>(
        &'a self,
        kinds: Vec<KindRequest>,
        spool: &'a dyn Spool,
    ) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(fetch::fetch(self, kinds, spool))
    }

    fn assemble(&self, kind: &'static KindSpec, id: &str, lines: &[Line]) -> Result<Option<Item>, Fault> {
        assemble::assemble(kind, id, lines)
    }

    fn media<'a>(&'a self, source: &'a MediaSource) -> BoxFuture<'a, Result<MediaBody, Fault>> {
        Box::pin(media::fetch(self, source))
    }

    fn live<'a>(
        &'a self,
        kind: &'static KindSpec,
        lookups: &'a [Lookup<'a>],
    ) -> BoxFuture<'a, Result<Vec<Option<Item>>, Fault>> {
        Box::pin(live::live(self, kind, lookups))
    }

    fn plan_back(
        &self,
        kind: &'static KindSpec,
        wanted: &Value,
        live: Option<&Value>,
        former: Option<&Value>,
        ids: &IdMap,
        options: &RestoreOptions,
    ) -> ItemPlan {
        restore::plan(kind, wanted, live, former, ids, options)
    }

    fn pair(
        &self,
        kind: &'static KindSpec,
        wanted: &Value,
        live: &Value,
        ids: &IdMap,
    ) -> Vec<(String, String)> {
        restore::pair(kind, wanted, live, ids)
    }

    fn apply<'a>(&'a self, write: ItemWrite<'a>) -> BoxFuture<'a, Result<Applied, Fault>> {
        Box::pin(restore::apply(self, write))
    }

    fn delete<'a>(&'a self, kind: &'static KindSpec, id: &'a str) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(restore::delete(self, kind, id))
    }

    fn looking(&self, kind: &'static KindSpec, items: &[&Value]) -> Effort {
        live::looking(kind, items)
    }

    fn subscribe<'a>(&'a self, url: &'a str) -> BoxFuture<'a, Result<Subscribed, Fault>> {
        Box::pin(hooks::subscribe(self, url))
    }

    fn unsubscribe<'a>(&'a self, url: &'a str) -> BoxFuture<'a, Result<Subscribed, Fault>> {
        Box::pin(hooks::unsubscribe(self, url))
    }

    fn pace(&self) -> Pace {
        self.client.pace()
    }

    fn usage(&self) -> Usage {
        self.client.usage()
    }

    fn api_version(&self) -> &str {
        API_VERSION
    }

    fn selection_digest(&self, kind: &'static KindSpec) -> String {
        reading::digest(kind.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_leads_to_one_store() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(address(text).ok().map(String::from).as_deref(), expected, "{text}");
        };
        let whole = Some("https://api.example/stores/ab12/");
        check("https://api.example/stores/ab12", whole);
        check("https://api.example/stores/ab12/v3/", whole);
        check("api.example/stores/ab12/v2", whole);
        check("https://api.example/stores/ab12?x=y#z", whole);
        check("https://api.example", None);
        check("https://api.example/stores/", None);
        check("http://api.example/stores/ab12", None);
    }
}
