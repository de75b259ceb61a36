//! Price lists, with the prices in them and for whom they are.

use serde_json::{Map, Value};

use super::draft::{Draft, id_at};
use super::step::{Body, Path, Step};
use crate::compare::links;
use crate::compare::part::Part;
use crate::compare::place;

/// Most prices that one call takes.
/// Source: the page of the price lists' API.
const RECORDS_PER_CALL: usize = 1_000;

/// A price has no id: it is known by its variant and its currency.
pub(super) static PARTS: &[Part] = &[];

/// What is written of a price.
const RECORD: &[&str] = &["currency", "price", "sale_price", "retail_price", "map_price"];
const TIER: &[&str] = &["quantity_min", "quantity_max", "type", "amount"];

fn record(record: &Value) -> Option<Value> {
    let mut input = place::pick(record, RECORD);
    input.insert("variant_id".to_owned(), id_at(record, "variant_id")?);
    let tiers = place::list(record, "bulk_pricing_tiers");
    if !tiers.is_empty() {
        let tiers = tiers.iter().map(|tier| Value::Object(place::pick(tier, TIER))).collect();
        input.insert("bulk_pricing_tiers".to_owned(), tiers);
    }
    Some(Value::Object(input))
}

/// The prices, and for whom they are.
pub(super) fn more(draft: &mut Draft<'_>) {
    records(draft);
    assignments(draft);
}

fn records(draft: &mut Draft<'_>) {
    let theirs: Vec<Value> = draft
        .live
        .map_or(&[][..], |live| place::list(live, "records"))
        .iter()
        .filter_map(record)
        .map(|input| draft.links.as_it_is(&input))
        .collect();
    let mut inputs = Vec::new();
    for wanted in place::list(draft.wanted, "records") {
        let Some(input) = record(wanted) else { continue };
        let filled = draft.links.fill(&input);
        let same = |live: &&Value| {
            live.get("variant_id") == filled.get("variant_id")
                && live.get("currency") == filled.get("currency")
        };
        let live = theirs.iter().find(same);
        if live == Some(&filled) {
            continue;
        }
        let name = |of: &str| place::text(wanted, of).unwrap_or_default().to_owned();
        let way = format!("/records/[{} {}]", name("variant_id"), name("currency"));
        if draft.is_birth() || draft.change(way, live.unwrap_or(&Value::Null), &filled) {
            inputs.push(input);
        }
    }
    for (number, chunk) in inputs.chunks(RECORDS_PER_CALL).enumerate() {
        let path = Path::new("v3/pricelists/{}/records", &[draft.id]);
        let step = Step::put("prices", path, Body::List(chunk.to_vec()));
        draft.step(Step { name: format!("put records {number}"), ..step });
    }
}

fn assignments(draft: &mut Draft<'_>) {
    let theirs = draft.live.map_or(&[][..], |live| place::list(live, "assignments"));
    for wanted in place::list(draft.wanted, "assignments") {
        let text = |of: &Value, name: &str| place::text(of, name).map(str::to_owned);
        let now = |name: &str| text(wanted, name).map(|id| draft.links.now(&id).to_owned());
        let (group, channel) = (now("customer_group_id"), now("channel_id"));
        let is =
            |live: &Value| text(live, "customer_group_id") == group && text(live, "channel_id") == channel;
        if theirs.iter().any(is) {
            continue;
        }
        let id = place::id_of(wanted).unwrap_or_default();
        if draft.is_birth() || draft.change(format!("/assignments/[{id}]"), &Value::Null, wanted) {
            let names = ["customer_group_id", "channel_id"].into_iter();
            let input: Map<String, Value> = names
                .filter_map(|name| Some((name.to_owned(), links::id(place::text(wanted, name)?))))
                .collect();
            let path = Path::new("v3/pricelists/{}/assignments", &[draft.id]);
            let step = Step::put("for whom the prices are", path, Body::Object(input));
            draft.step(Step { name: format!("put assignment {id}"), ..step });
        }
    }
}
