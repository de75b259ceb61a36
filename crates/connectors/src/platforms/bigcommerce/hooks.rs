//! Asks the store to tell of what changes, and not to.
//!
//! A token sees the hooks of its own API account alone, so those of other apps are never touched. Of the account's own,
//! those are ours that lead to the address that is asked for, and those that are switched off and carry our header to one
//! beside it: the same up to the last slash. One that is on may be that of another connection to the same store.

use serde_json::{Value, json};

use super::BigCommerce;
use super::client::{Again, Answered, Ask, Body};
use super::ear::PASSWORD;
use super::kinds::KINDS;
use super::pages::{Pager, Place};
use super::probe;
use super::reading::{List, PAGE, Way};
use super::topics::scopes;
use crate::contract::{Fault, Subscribed};
use crate::engine::hearing::{is_beside, tell};
use crate::engine::http::Verb;

const HOOKS: &str = "v3/hooks";
/// Pages of hooks that are looked at: many more than an account can have of ours.
const PAGES_MAX: usize = 40;

/// A hook that is there.
struct Hook {
    id: u64,
    scope: String,
    destination: String,
    is_active: bool,
    password: Option<String>,
}

impl Hook {
    fn read(value: &Value) -> Option<Self> {
        let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        let headers = value.get("headers").and_then(Value::as_object);
        let password = headers.into_iter().flatten().find(|(name, _)| name.eq_ignore_ascii_case(PASSWORD));
        Some(Self {
            id: value.get("id")?.as_u64()?,
            scope: text("scope")?,
            destination: text("destination")?,
            is_active: value.get("is_active").and_then(Value::as_bool).unwrap_or_default(),
            password: password.and_then(|(_, value)| value.as_str().map(str::to_owned)),
        })
    }
}

/// Whether this is one of our hooks. They are no part of the store: whoever needs them asks for them again, and what they
/// carry is nobody's to read.
pub(super) fn is_ours(headers: impl IntoIterator<Item = impl AsRef<str>>) -> bool {
    headers.into_iter().any(|name| name.as_ref().eq_ignore_ascii_case(PASSWORD))
}

/// Asks for everything that our scopes let us read.
pub(super) async fn subscribe(shop: &BigCommerce, url: &str) -> Result<Subscribed, Fault> {
    let readable = probe::readable(shop, KINDS.iter().filter(|kind| !kind.told.is_empty())).await?;
    let wanted = scopes(readable.into_iter());
    let hooks = list(shop).await?;
    let mut told = Subscribed::default();
    let own = || hooks.iter().filter(|hook| hook.destination == url);
    for scope in &wanted {
        let Some(hook) = own().find(|hook| hook.scope == *scope) else {
            let made = send(shop, Verb::Post, HOOKS, Some(&asked(shop, scope, url))).await?;
            tell(&mut told, scope, made, |told| &mut told.made);
            continue;
        };
        if hook.is_active && hook.password.as_deref() == Some(shop.password.expose_secret()) {
            told.there += 1;
            continue;
        }
        // BigCommerce switches a hook off that nobody answered for two days; and the token may be another one now.
        let path = format!("{HOOKS}/{}", hook.id);
        let made = send(shop, Verb::Put, &path, Some(&asked(shop, scope, url))).await?;
        tell(&mut told, scope, made, |told| &mut told.made);
    }
    let is_left = |hook: &&Hook| {
        if hook.destination == url {
            !wanted.contains(&hook.scope)
        } else {
            // One that is switched off tells nobody anything, and takes one of the ten places that a scope has.
            !hook.is_active && hook.password.is_some() && is_beside(&hook.destination, url)
        }
    };
    remove(shop, hooks.iter().filter(is_left), &mut told).await?;
    Ok(told)
}

/// Asks for nothing any more.
pub(super) async fn unsubscribe(shop: &BigCommerce, url: &str) -> Result<Subscribed, Fault> {
    let hooks = list(shop).await?;
    let mut told = Subscribed::default();
    remove(shop, hooks.iter().filter(|hook| hook.destination == url), &mut told).await?;
    Ok(told)
}

async fn remove(
    shop: &BigCommerce,
    hooks: impl Iterator<Item = &Hook>,
    told: &mut Subscribed,
) -> Result<(), Fault> {
    for hook in hooks {
        let gone = send(shop, Verb::Delete, &format!("{HOOKS}/{}", hook.id), None).await?;
        tell(told, &hook.scope, gone, |told| &mut told.removed);
    }
    Ok(())
}

fn asked(shop: &BigCommerce, scope: &str, url: &str) -> Value {
    json!({ "scope": scope, "destination": url, "is_active": true, "headers": { PASSWORD: shop.password.expose_secret() } })
}

/// Sends what changes a hook. What the platform refuses of it is told; a hook that is gone needs no deleting.
async fn send(
    shop: &BigCommerce,
    method: Verb,
    path: &str,
    body: Option<&Value>,
) -> Result<Result<(), String>, Fault> {
    // A second one of the same hook would be refused, so none is made twice.
    let again = if method == Verb::Post { Again::Never } else { Again::Safe };
    let body = body.map_or(Body::Nothing, Body::Json);
    let answered = match shop.client.send(Ask { method, path, query: &[], body, again }).await {
        Ok(answered) => answered,
        Err(Fault::Forbidden(why) | Fault::Rejected(why)) => return Ok(Err(why)),
        Err(fault) => return Err(fault),
    };
    let is_done = method == Verb::Delete && answered.is_gone();
    let refusal = Answered::refusal(&answered).filter(|_| !is_done);
    Ok(refusal.map_or(Ok(()), Err))
}

/// The hooks of our account.
async fn list(shop: &BigCommerce) -> Result<Vec<Hook>, Fault> {
    let list = List { path: HOOKS, query: &[], way: Way::Pages, limit: PAGE };
    let mut pager = Pager::new(&shop.client, &list, "", &[], Place::default());
    let mut hooks = Vec::new();
    for _ in 0..PAGES_MAX {
        let Some(page) = pager.next().await? else { return Ok(hooks) };
        hooks.extend(page.iter().filter_map(Hook::read));
    }
    if pager.next().await?.is_none() {
        return Ok(hooks);
    }
    Err(Fault::Malformed("there is no end of the account's webhooks".to_owned()))
}
