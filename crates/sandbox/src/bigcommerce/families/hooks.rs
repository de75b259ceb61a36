//! Webhooks as things: made, listed and deleted by the app whose they are.

use serde_json::Value as Json;

use super::super::access::client_id;
use super::super::answer::{Answer, Refusal};
use super::super::call::Call;
use super::super::engine::{reply, show};
use super::super::resource::{Draft, Handler, PLAIN, Resource, of_kind};
use super::super::webhook::is_topic;

/// How many hooks one app may have for one scope.
const PER_SCOPE_MAX: usize = 10;

pub(crate) const RESOURCES: &[Resource] = &[Resource {
    kind: "hook",
    path: "/v3/hooks",
    unique: &[&["destination", "scope", "client_id"]],
    defaults: r#"{"is_active":true,"headers":null}"#,
    rule,
    private: true,
    ..PLAIN
}];

pub(crate) const ROUTES: &[(&str, &str, Handler)] = &[("DELETE", "/v3/hooks/*", delete)];

fn rule(call: &mut Call<'_>, draft: &mut Draft) -> Result<(), Refusal> {
    let scope = draft.text("scope").to_owned();
    if !is_topic(&scope) {
        return Err(Refusal::field("scope", "is no event"));
    }
    let own = draft.old.as_ref().map(|(key, _)| key);
    let alike = call
        .store
        .rows("hook")
        .filter(|(key, row)| Some(*key) != own && row.app == call.app && row.text("scope") == scope);
    if alike.count() >= PER_SCOPE_MAX {
        return Err(Refusal::field("scope", format!("has {PER_SCOPE_MAX} hooks already")));
    }
    destination(draft.text("destination"))?;
    let at = call.store.now.as_second();
    if draft.is_new() {
        let hash = call.store.hash.clone();
        draft.fields.insert("client_id".to_owned(), Json::from(client_id(call.app)));
        draft.fields.insert("store_hash".to_owned(), Json::from(hash));
        draft.fields.insert("created_at".to_owned(), Json::from(at));
    }
    draft.fields.insert("updated_at".to_owned(), Json::from(at));
    Ok(())
}

/// Only port 443 is served by the platform. On this machine any port may be told, since tests listen there.
fn destination(url: &str) -> Result<(), Refusal> {
    let host = url.strip_prefix("https://").map(|rest| rest.split(['/', '?']).next().unwrap_or(rest));
    let Some(host) = host.filter(|host| !host.is_empty()) else {
        return Err(Refusal::field("destination", "must begin with https://"));
    };
    let here = ["localhost", "127.0.0.1", "[::1]"]
        .iter()
        .any(|name| host == *name || host.starts_with(&format!("{name}:")));
    let port = host.rsplit_once(':').map(|(_, port)| port).filter(|port| port.parse::<u16>().is_ok());
    if here || port.is_none_or(|port| port == "443") {
        return Ok(());
    }
    Err(Refusal::field("destination", "must be served on port 443"))
}

fn delete(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let resource = of_kind("hook").ok_or_else(Refusal::not_found)?;
    let key = call.item(resource)?;
    let gone = show(call.store, resource, &key, &call.query);
    call.store.remove("hook", &key);
    Ok(reply(call, gone))
}
