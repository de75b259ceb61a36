//! Stock: how a location keeps it, and, when asked for, how much there is.

use serde_json::{Map, Value, json};

use super::draft::Draft;
use super::step::{Body, Path, Step};
use crate::compare::links;
use crate::compare::place;

const SETTINGS: &[&str] = &["safety_stock", "is_in_stock", "warning_level", "bin_picking_number"];

/// What is written of one variant's stock, location by location.
pub(super) fn write(draft: &mut Draft<'_>) {
    let Some(variant) = place::text(draft.wanted, "identity/variant_id") else { return };
    let theirs = draft.live.map_or(&[][..], |live| place::list(live, "locations"));
    let mut counted = Vec::new();
    for wanted in place::list(draft.wanted, "locations") {
        let Some(location) = place::text(wanted, "location_id") else { continue };
        let now = draft.links.now(location).to_owned();
        let Some(live) = theirs.iter().find(|live| place::text(live, "location_id") == Some(now.as_str()))
        else {
            draft.losses.push("A place where it was kept is not there any more.".to_owned());
            continue;
        };
        let way = format!("/locations/[{location}]");
        let mut input = Map::new();
        for name in SETTINGS {
            let of = |of: &Value| {
                of.get("settings").and_then(|settings| settings.get(*name)).cloned().unwrap_or_default()
            };
            let (to, from) = (of(wanted), of(live));
            if !to.is_null() && to != from && draft.change(format!("{way}/settings/{name}"), &from, &to) {
                input.insert((*name).to_owned(), to);
            }
        }
        if !input.is_empty() {
            input.insert("identity".to_owned(), json!({ "variant_id": links::id(variant) }));
            let path = Path::new("v3/inventory/locations/{}/items", &[location]);
            let body = Map::from_iter([("settings".to_owned(), json!([input]))]);
            draft.step(Step::put("how stock is kept", path, Body::Object(body)));
        }
        let amount = |of: &Value| of.get("total_inventory_onhand").cloned().unwrap_or_default();
        let (to, from) = (amount(wanted), amount(live));
        if draft.options.stock
            && to != from
            && draft.change(format!("{way}/total_inventory_onhand"), &from, &to)
        {
            counted.push(json!({ "location_id": links::id(location), "variant_id": links::id(variant), "quantity": to }));
        }
    }
    if !counted.is_empty() {
        let body = Map::from_iter([
            ("reason".to_owned(), json!("restored from a backup")),
            ("items".to_owned(), Value::Array(counted)),
        ]);
        let path = Path::new("v3/inventory/adjustments/absolute", &[]);
        draft.step(Step::put("stock", path, Body::Object(body)));
    }
}
