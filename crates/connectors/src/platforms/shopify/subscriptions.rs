//! Asks the store to tell of what changes, and not to.
//!
//! An app sees its own subscriptions alone, so those of other apps are never touched. Of the app's own, those are ours that
//! lead to the address that is asked for: one beside it may be that of another connection to the same store.
//! Shopify drops a subscription that was not answered eight times, and says so to nobody: whoever subscribes again gets it
//! back.

use serde_json::{Value, json};

use super::Shopify;
use super::documents::{RESUBSCRIBE, SUBSCRIBE, SUBSCRIPTIONS, UNSUBSCRIBE};
use super::ear::WHOLE_ID;
use super::kinds::KINDS;
use super::pages::{following, metaobject_types};
use super::probe::{allows, granted};
use super::topics::{TOPICS, Topic};
use crate::contract::{Fault, Subscribed};
use crate::engine::hearing::tell;

/// Subscriptions of one page.
const PAGE: u64 = 100;
/// Pages of subscriptions that are looked at: many more than an app can have of ours.
const PAGES_MAX: usize = 40;
/// Longest filter that is asked for, in bytes.
const FILTER_LEN_MAX: usize = 4_096;

/// A subscription that is there.
struct Standing {
    id: String,
    topic: String,
    uri: String,
    is_json: bool,
    filter: String,
    fields: Vec<String>,
}

impl Standing {
    fn read(node: &Value) -> Option<Self> {
        let text = |name: &str| node.get(name).and_then(Value::as_str);
        let fields = node.get("includeFields").and_then(Value::as_array);
        Some(Self {
            id: text("id")?.to_owned(),
            topic: text("topic")?.to_owned(),
            uri: text("uri")?.to_owned(),
            is_json: text("format") == Some("JSON"),
            filter: text("filter").unwrap_or_default().to_owned(),
            fields: fields
                .into_iter()
                .flatten()
                .filter_map(|field| field.as_str().map(str::to_owned))
                .collect(),
        })
    }

    fn tells(&self, wanted: &Wanted) -> bool {
        let mut own = self.fields.clone();
        let mut asked: Vec<String> = fields(wanted.topic).iter().map(|field| (*field).to_owned()).collect();
        own.sort_unstable();
        asked.sort_unstable();
        self.is_json && self.filter == wanted.filter && own == asked
    }
}

/// What is asked for.
struct Wanted {
    topic: &'static Topic,
    /// Empty for none.
    filter: String,
}

/// The fields that a message shall have: what it is about, and nothing that tells of people.
fn fields(topic: &Topic) -> Vec<&'static str> {
    let mut fields = vec!["id", WHOLE_ID, "updated_at"];
    let own = topic.id.trim_start_matches('/');
    if !fields.contains(&own) {
        fields.push(own);
    }
    fields
}

/// Asks for everything that our scopes let us read.
pub(super) async fn subscribe(shop: &Shopify, url: &str) -> Result<Subscribed, Fault> {
    let mut told = Subscribed::default();
    let wanted = wanted(shop, &mut told).await?;
    let standing = list(shop).await?;
    let mut kept: Vec<&str> = Vec::new();
    for one in &wanted {
        let name = one.topic.name;
        let mut own = standing.iter().filter(|standing| standing.uri == url && standing.topic == name);
        let input = json!({
            "uri": url, "format": "JSON", "includeFields": fields(one.topic),
            "filter": if one.filter.is_empty() { Value::Null } else { json!(one.filter) },
        });
        let Some(found) = own.clone().find(|standing| standing.tells(one)).or_else(|| own.next()) else {
            let variables = json!({ "topic": name, "webhookSubscription": input });
            let made = send(shop, SUBSCRIBE, variables, "webhookSubscriptionCreate").await?;
            tell(&mut told, one.topic.header, made, |told| &mut told.made);
            continue;
        };
        kept.push(&found.id);
        if found.tells(one) {
            told.there += 1;
            continue;
        }
        let variables = json!({ "id": found.id, "webhookSubscription": input });
        let made = send(shop, RESUBSCRIBE, variables, "webhookSubscriptionUpdate").await?;
        tell(&mut told, one.topic.header, made, |told| &mut told.made);
    }
    let is_left = |one: &&Standing| one.uri == url && !kept.contains(&one.id.as_str());
    remove(shop, standing.iter().filter(is_left), &mut told).await?;
    Ok(told)
}

/// Asks for nothing any more.
pub(super) async fn unsubscribe(shop: &Shopify, url: &str) -> Result<Subscribed, Fault> {
    let mut told = Subscribed::default();
    let standing = list(shop).await?;
    remove(shop, standing.iter().filter(|one| one.uri == url), &mut told).await?;
    Ok(told)
}

/// The topics that concern a kind which can be read, each under its own scope.
async fn wanted(shop: &Shopify, told: &mut Subscribed) -> Result<Vec<Wanted>, Fault> {
    let granted = granted(shop).await?;
    let may = |scope: &str| scope.is_empty() || allows(&granted, scope);
    let mut types = None;
    let mut wanted = Vec::new();
    for topic in TOPICS.iter().filter(|topic| !topic.name.is_empty() && may(topic.scope)) {
        let mut concerned = KINDS.iter().filter(|kind| kind.told.contains(&topic.header));
        if !concerned.any(|kind| kind.read_scopes.iter().all(|scope| may(scope))) {
            continue;
        }
        if !topic.by_type {
            wanted.push(Wanted { topic, filter: String::new() });
            continue;
        }
        let filter = match &types {
            Some(filter) => filter,
            None => types.insert(filter_of(metaobject_types(shop).await?)),
        };
        match filter.len() {
            // Of a store without types there is nothing to be told.
            0 => {}
            1..=FILTER_LEN_MAX => wanted.push(Wanted { topic, filter: filter.clone() }),
            _ => told.failed.push((
                topic.header.to_owned(),
                "the store has more types of metaobjects than one subscription can name".to_owned(),
            )),
        }
    }
    Ok(wanted)
}

fn filter_of(types: impl IntoIterator<Item = String>) -> String {
    let mut types: Vec<String> = types.into_iter().map(|name| format!("type:{name}")).collect();
    types.sort_unstable();
    types.join(" OR ")
}

async fn remove(
    shop: &Shopify,
    standing: impl Iterator<Item = &Standing>,
    told: &mut Subscribed,
) -> Result<(), Fault> {
    for one in standing {
        let gone = send(shop, UNSUBSCRIBE, json!({ "id": one.id }), "webhookSubscriptionDelete").await?;
        let topic = TOPICS.iter().find(|topic| topic.name == one.topic);
        tell(told, topic.map_or(&one.topic, |topic| topic.header), gone, |told| &mut told.removed);
    }
    Ok(())
}

/// Sends what changes a subscription. What the platform refuses of it is told.
async fn send(
    shop: &Shopify,
    document: &'static str,
    variables: Value,
    field: &str,
) -> Result<Result<(), String>, Fault> {
    let data = match shop.mutate(document, variables).await {
        Ok(data) => data,
        Err(Fault::Forbidden(why) | Fault::Rejected(why)) => return Ok(Err(why)),
        Err(fault) => return Err(fault),
    };
    let payload = data.get(field).filter(|payload| payload.is_object());
    let payload = payload.ok_or_else(|| Fault::Malformed(format!("`{field}` was not answered")))?;
    let errors = payload.get("userErrors").and_then(Value::as_array);
    let whys: Vec<&str> =
        errors.into_iter().flatten().filter_map(|error| error.get("message")?.as_str()).collect();
    Ok(if whys.is_empty() { Ok(()) } else { Err(whys.join("; ")) })
}

/// The subscriptions of our app.
async fn list(shop: &Shopify) -> Result<Vec<Standing>, Fault> {
    let (mut all, mut after) = (Vec::new(), None);
    for _ in 0..PAGES_MAX {
        let data = shop.query(SUBSCRIPTIONS, json!({ "first": PAGE, "after": after })).await?;
        let nodes = data.pointer("/webhookSubscriptions/nodes").and_then(Value::as_array);
        let nodes =
            nodes.ok_or_else(|| Fault::Malformed("the app's subscriptions are not told".to_owned()))?;
        all.extend(nodes.iter().filter_map(Standing::read));
        let info = data.pointer("/webhookSubscriptions/pageInfo").unwrap_or(&Value::Null);
        after = following(info, after.as_deref(), "subscriptions")?;
        if after.is_none() {
            return Ok(all);
        }
    }
    Err(Fault::Malformed("there is no end of the app's subscriptions".to_owned()))
}
