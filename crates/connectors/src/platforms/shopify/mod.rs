//! Shopify, over its Admin GraphQL API.
//!
//! In reading order: what is backed up ([`kinds`], [`reading`], [`omitted`]), what is sent ([`selection`],
//! [`documents`]), how it is sent ([`auth`], [`client`]), how a store is read ([`fetch`], [`bulk`],
//! [`pages`], [`deletions`]), how lines become items ([`fold`], [`assemble`]), how items are put back
//! ([`restore`]), and what the store tells by itself ([`topics`], [`subscriptions`], [`ear`]).

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use futures::future::BoxFuture;
use serde_json::Value;
use zeroize::Zeroize;

use self::auth::Auth;
use self::client::{Again, Client};
use self::reading::PageSize;
use crate::contract::{
    Applied, Effort, Fault, IdMap, Item, ItemPlan, ItemWrite, KindRequest, KindSpec, Line, Lookup, MediaBody,
    MediaSource, Pace, Probe, RestoreOptions, Settings, Spool, Store, Subscribed, Usage,
};
use crate::digest::digest;
use crate::engine::http::{Https, store_url};

mod assemble;
mod auth;
mod bulk;
mod client;
mod deletions;
mod documents;
mod ear;
mod fetch;
mod fold;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod gid;
mod import_files;
mod kinds;
mod media;
mod omitted;
mod outlook;
mod pages;
mod probe;
mod reading;
mod restore;
mod route;
mod selection;
mod settle;
mod subscriptions;
mod topics;

pub use auth::Credential;
pub use documents::Document;
pub use ear::ear;
pub use import_files::IMPORT_FILES;
pub use kinds::{KINDS, kind};
pub use omitted::{KEPT, Kept, NOWHERE};
pub use topics::{TOPICS, Topic};

/// The API version that is asked for, and that every answer is checked against.
pub const API_VERSION: &str = "2026-10";

/// A connected Shopify store.
pub struct Shopify {
    client: Client,
    /// Page sizes that were found to be allowed, by kind.
    sizes: Mutex<HashMap<&'static str, PageSize>>,
    /// How many ids at once were found to be allowed, by document.
    look_ups: Mutex<HashMap<&'static str, usize>>,
    /// Room for what is uploaded.
    room: restore::Room,
}

/// Opens a store. Nothing is sent yet.
///
/// # Errors
/// [`Fault::NotThePlatform`] where the address is none of HTTPS, [`Fault::Unauthorized`] where the bytes are
/// no credential, [`Fault::Rejected`] where the authority is no certificate.
pub fn open(settings: Settings) -> Result<Box<dyn Store>, Fault> {
    Ok(Box::new(Shopify::new(settings)?))
}

/// Every document that this connector can send, with its name: what reads, what writes, and what bulk
/// operations run. For tests that compare them with the platform's schema.
pub fn documents() -> impl Iterator<Item = Document> {
    documents::derived().chain(documents::FIXED.iter().copied()).chain(restore::documents())
}

impl Shopify {
    fn new(settings: Settings) -> Result<Self, Fault> {
        let Settings { url, ca_pem, mut credential, keeper, behalf, clock, rng } = settings;
        let parsed = Credential::from_bytes(&credential);
        credential.zeroize();
        let url = store_url(&url)?;
        let at = |path: &str| {
            url.join(path).map_err(|error| {
                Fault::NotThePlatform(format!("`{url}` is not the address of a store: {error}"))
            })
        };
        let https = Https::new(ca_pem.as_deref(), behalf, Arc::clone(&clock))?;
        let tokens = at("/admin/oauth/access_token")?;
        let auth = Auth::new(https.clone(), tokens, Arc::clone(&clock), keeper, parsed?);
        let endpoint = at(&format!("/admin/api/{API_VERSION}/graphql.json"))?;
        let client = Client::new(https, endpoint, auth, clock, rng);
        let (sizes, look_ups, room) = Default::default();
        Ok(Self { client, sizes, look_ups, room })
    }

    /// Sends a document that reads, and gives its `data`.
    ///
    /// # Errors
    /// Those of the API; what fails for a moment was tried again.
    pub(crate) async fn query(&self, document: &'static str, variables: Value) -> Result<Value, Fault> {
        Ok(self.client.send(document, &variables, Again::Safe).await?)
    }

    /// Sends a document that writes, and gives its `data`, `userErrors` included. It is never sent twice.
    ///
    /// # Errors
    /// [`Fault::Unavailable`] where the answer was lost: then it may have happened.
    pub(crate) async fn mutate(&self, document: &'static str, variables: Value) -> Result<Value, Fault> {
        Ok(self.client.send(document, &variables, Again::Never).await?)
    }

    /// Uploads bytes to where the platform said (a staged upload), with the parameters that it gave.
    ///
    /// # Errors
    /// [`Fault::Unavailable`] where the answer was lost, [`Fault::Rejected`] where it was refused.
    pub(crate) async fn upload(
        &self,
        url: &str,
        parameters: &[(String, String)],
        bytes: bytes::Bytes,
    ) -> Result<(), Fault> {
        media::upload(self, url, parameters, bytes).await
    }

    /// The items with these ids, whole, in the order asked; `None` where there is none. Kinds that the
    /// platform does not look up by id are listed and searched.
    ///
    /// # Errors
    /// Those of the API.
    pub(crate) async fn nodes(
        &self,
        kind: &'static KindSpec,
        ids: &[&str],
    ) -> Result<Vec<Option<Item>>, Fault> {
        pages::by_ids(self, kind, ids).await
    }

    /// The items that a search finds (the platform's search syntax), whole; at most `limit`. Kinds without a
    /// search give all their items.
    ///
    /// # Errors
    /// Those of the API.
    pub(crate) async fn find(
        &self,
        kind: &'static KindSpec,
        search: &str,
        limit: usize,
    ) -> Result<Vec<Item>, Fault> {
        pages::search(self, kind, search, limit).await
    }
}

impl Store for Shopify {
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
        assemble::assemble(kind, id, lines).map(Some)
    }

    fn media<'a>(&'a self, source: &'a MediaSource) -> BoxFuture<'a, Result<MediaBody, Fault>> {
        Box::pin(media::fetch(self, source))
    }

    fn live<'a>(
        &'a self,
        kind: &'static KindSpec,
        lookups: &'a [Lookup<'a>],
    ) -> BoxFuture<'a, Result<Vec<Option<Item>>, Fault>> {
        Box::pin(restore::live(self, kind, lookups))
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
        pages::looking(self, kind, items)
    }

    fn subscribe<'a>(&'a self, url: &'a str) -> BoxFuture<'a, Result<Subscribed, Fault>> {
        Box::pin(subscriptions::subscribe(self, url))
    }

    fn unsubscribe<'a>(&'a self, url: &'a str) -> BoxFuture<'a, Result<Subscribed, Fault>> {
        Box::pin(subscriptions::unsubscribe(self, url))
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
        documents::of(kind.name).map(|set| digest([set.selected().as_bytes()])).unwrap_or_default()
    }
}
