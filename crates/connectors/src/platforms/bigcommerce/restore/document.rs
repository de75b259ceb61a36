//! Documents: settings, and what is written to customers.

use serde_json::{Map, Value, json};

use super::draft::Draft;
use super::step::{Body, Path, Step};
use crate::compare::{links, place};
use crate::platforms::bigcommerce::documents;

/// Fields of documents that can be read and not written.
const READ_ONLY: &[&str] = &["logo_image_url", "favicon_url"];

/// One element of a list of settings, with markers where it says for which category of which channel it is.
fn with_ids(one: &Value) -> Value {
    let mut one = one.clone();
    for name in ["category_id", "channel_id"] {
        if let Some(id) = one.pointer_mut(&format!("/context/{name}"))
            && let Some(text) = id.as_str()
        {
            *id = links::id(text);
        }
    }
    one
}

fn with_ids_of(list: &Value) -> Value {
    list.as_array().map_or_else(|| list.clone(), |list| list.iter().map(with_ids).collect())
}

/// What is written of a document: what differs of it. A list is written whole.
pub(super) fn write(draft: &mut Draft<'_>) {
    let (Some(wanted), Some(live)) = (draft.wanted.get("data"), draft.live.and_then(|live| live.get("data")))
    else {
        return;
    };
    let body = match (wanted, live) {
        (Value::Object(fields), live) => {
            let mut input = Map::new();
            for (name, to) in fields.iter().filter(|(name, _)| !READ_ONLY.contains(&name.as_str())) {
                let from = live.get(name).unwrap_or(&Value::Null);
                if to != from && draft.change(format!("/data/{name}"), from, to) {
                    input.insert(name.clone(), to.clone());
                }
            }
            if input.is_empty() {
                return;
            }
            Body::Object(input)
        }
        (Value::Array(list), live) => {
            let marked: Vec<Value> = list.iter().map(with_ids).collect();
            let (to, from) = (draft.links.fill(&json!(marked)), draft.links.as_it_is(&with_ids_of(live)));
            if to == from || !draft.change("/data".to_owned(), live, wanted) {
                return;
            }
            Body::List(marked)
        }
        _ => return,
    };
    let id = documents::id_of(draft.wanted).unwrap_or_default();
    let channel = place::text(draft.wanted, "channel_id").map(|channel| draft.links.now(channel).to_owned());
    let id = channel.map_or(id.clone(), |channel| documents::renamed(&id, &channel));
    let (path, query) = documents::address(&id);
    let step = Step::put("the document", Path::new(path, &[]), body);
    draft.step(Step { query, ..step });
}
