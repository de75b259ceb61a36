//! Documents that stand each at a path of its own: settings, and what is written to customers. They have no id, and a
//! channel can have its own in place of the store's: so what came is kept with where it stands.

use serde_json::{Map, Value, json};

use super::client::Client;
use super::pages::{Pager, Place};
use super::parts;
use super::reading::{ByChannel, Document, List, PAGE, Way};
use crate::contract::{Fault, number_of};

/// What stands between a document's path and its channel in an id.
const AT: char = '@';

static CHANNELS: List = List { path: "v3/channels", query: &[], way: Way::Pages, limit: PAGE };

/// The id of a document.
pub(super) fn id_of(document: &Value) -> Option<String> {
    let path = document.get("path")?.as_str()?;
    let channel = document.get("channel_id").filter(|channel| !channel.is_null());
    let number = match channel {
        Some(Value::String(id)) => parts::number(id),
        Some(number) => number.to_string(),
        None => return Some(path.to_owned()),
    };
    Some(format!("{path}{AT}{number}"))
}

/// Where the document of an id stands: its path, and its channel.
fn place(id: &str) -> (&str, Option<&str>) {
    id.split_once(AT).map_or((id, None), |(path, channel)| (path, Some(channel)))
}

/// The path and the query by which a document is read and written.
pub(super) fn address(id: &str) -> (String, Vec<(&'static str, String)>) {
    let (path, channel) = place(id);
    let below =
        |document: &&Document| path == document.path || path.starts_with(&format!("{}/", document.path));
    let way = super::reading::documents().filter(below).max_by_key(|document| document.path.len());
    match (channel, way.map(|document| document.by_channel)) {
        (Some(channel), Some(ByChannel::Path)) => (format!("{path}/channels/{channel}"), Vec::new()),
        (Some(channel), _) => (path.to_owned(), vec![("channel_id", channel.to_owned())]),
        (None, _) => (path.to_owned(), Vec::new()),
    }
}

/// All documents, of the store and of its channels.
pub(super) async fn all(client: &Client, documents: &[Document]) -> Result<Vec<Value>, Fault> {
    let channels = Pager::new(client, &CHANNELS, "", &[], Place::default());
    let channels = Box::pin(channels.rest()).await?;
    let numbers: Vec<u64> = channels.iter().filter_map(|channel| channel.get("id")?.as_u64()).collect();
    let mut found = Vec::new();
    for document in documents {
        let own = match document.by_channel {
            ByChannel::No => &[][..],
            ByChannel::Query | ByChannel::Path => &numbers,
        };
        for channel in std::iter::once(None).chain(own.iter().map(Some)) {
            let id = channel.map_or_else(
                || document.path.to_owned(),
                |channel| format!("{}{AT}{channel}", document.path),
            );
            let Some(data) = read(client, &id).await? else { continue };
            let told =
                |path: String, data: Value| json!({ "path": path, "channel_id": channel, "data": data });
            match (document.each, data) {
                (Some(name), Value::Array(list)) => {
                    for one in list {
                        let below = one
                            .get(name)
                            .and_then(Value::as_str)
                            .map(|name| format!("{}/{name}", document.path));
                        let below = below.ok_or_else(|| {
                            Fault::Malformed(format!("`{}`: one has no name", document.path))
                        })?;
                        found.push(told(below, one));
                    }
                }
                (_, data) => found.push(told(document.path.to_owned(), data)),
            }
        }
    }
    Ok(found)
}

/// What stands there; `None` where the store does not have such a document.
async fn read(client: &Client, id: &str) -> Result<Option<Value>, Fault> {
    let (path, query) = address(id);
    let answer = client.get(&path, &query).await?;
    if answer.is_gone() {
        return Ok(None);
    }
    let body = answer.whole()?;
    // Some settings come without the envelope that the others have.
    let data = body.get("data").cloned().unwrap_or_else(|| {
        let fields = body.as_object().into_iter().flatten().filter(|(name, _)| *name != "meta");
        Value::Object(fields.map(|(name, value)| (name.clone(), value.clone())).collect::<Map<_, _>>())
    });
    Ok(Some(data))
}

/// The document with this id, as [`all`] gives it.
pub(super) async fn one(client: &Client, id: &str) -> Result<Option<Value>, Fault> {
    let (path, channel) = place(id);
    let channel: Option<u64> = channel.and_then(|channel| channel.parse().ok());
    let data = read(client, id).await?;
    Ok(data.map(|data| json!({ "path": path, "channel_id": channel, "data": data })))
}

/// The id that a document has where its channel is called otherwise.
pub(super) fn renamed(id: &str, channel: &str) -> String {
    let (path, _) = place(id);
    number_of(channel).map_or_else(|| id.to_owned(), |number| format!("{path}{AT}{number}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_known_by_where_it_stands() {
        let of = |value: Value| id_of(&value);
        assert_eq!(
            of(json!({"path": "v3/settings/catalog", "channel_id": null})).as_deref(),
            Some("v3/settings/catalog")
        );
        for channel in [json!(2), json!("channel/2")] {
            let document = json!({"path": "v3/settings/catalog", "channel_id": channel});
            assert_eq!(of(document).as_deref(), Some("v3/settings/catalog@2"));
        }
        assert_eq!(of(json!({"channel_id": 2})), None);
        let check = |id: &str, path: &str, channel: Option<&str>| {
            let query: Vec<(&str, String)> =
                channel.map(|channel| ("channel_id", channel.to_owned())).into_iter().collect();
            assert_eq!(address(id), (path.to_owned(), query));
        };
        check("v3/settings/catalog", "v3/settings/catalog", None);
        check("v3/settings/catalog@2", "v3/settings/catalog", Some("2"));
        check("v3/orders/settings@2", "v3/orders/settings/channels/2", None);
        check(
            "v3/marketing/email-templates/invoice_email@2",
            "v3/marketing/email-templates/invoice_email",
            Some("2"),
        );
        assert_eq!(renamed("v3/settings/catalog@2", "channel/9"), "v3/settings/catalog@9");
    }
}
