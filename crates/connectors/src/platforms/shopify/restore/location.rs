//! Locations and publications: places where goods are, and where they are shown.

use serde_json::{Value, json};

use super::draft::Draft;
use super::field::{Field, Form, same};
use super::links;
use super::place;
use super::plain::{self, IdIn, Plain};
use super::step::{Call, variables};

static ADD: Call = Call::new("locationAdd", include_str!("../documents/write/locationAdd.graphql"), 10);
static EDIT: Call = Call::new("locationEdit", include_str!("../documents/write/locationEdit.graphql"), 10);
static DEACTIVATE: Call =
    Call::new("locationDeactivate", include_str!("../documents/write/locationDeactivate.graphql"), 10);
static PICKUP_ENABLE: Call = Call::new(
    "locationLocalPickupEnable",
    include_str!("../documents/write/locationLocalPickupEnable.graphql"),
    10,
);
static PICKUP_DISABLE: Call = Call::new(
    "locationLocalPickupDisable",
    include_str!("../documents/write/locationLocalPickupDisable.graphql"),
    10,
);
static ACTIVATE: Call =
    Call::new("locationActivate", include_str!("../documents/write/locationActivate.graphql"), 10);
static PUBLICATION_UPDATE: Call =
    Call::new("publicationUpdate", include_str!("../documents/write/publicationUpdate.graphql"), 10);

static LOCATION: Plain = Plain {
    create: &ADD,
    update: &EDIT,
    input: "input",
    node: "location",
    id: IdIn::Variable,
    fields: &[
        same("name", Form::Plain),
        same("fulfillsOnlineOrders", Form::Plain),
        same("address", Form::Made(address)),
    ],
};

const PUBLICATION_FIELDS: &[Field] = &[same("autoPublish", Form::Plain)];

fn address(address: &Value) -> Value {
    let names = ["address1", "address2", "city", "countryCode", "phone", "provinceCode", "zip"];
    Value::Object(place::pick(address, &names))
}

fn is(value: &Value, name: &str) -> bool {
    value.get(name).and_then(Value::as_bool) == Some(true)
}

/// Draws up a location.
pub(super) fn location(draft: &mut Draft<'_>) {
    let (wanted, live) = (draft.wanted, draft.live);
    if is(wanted, "isFulfillmentService") {
        draft.refusal = Some(
            "The location belongs to a fulfilment service; only its app can make or change it.".to_owned(),
        );
        return;
    }
    plain::draft(draft, &LOCATION);
    if let Some(live) = live {
        let (from, to) = (live.get("isActive"), wanted.get("isActive"));
        let (from, to) = (from.unwrap_or(&Value::Null), to.unwrap_or(&Value::Null));
        if is(wanted, "isActive") && !is(live, "isActive") && draft.change("/isActive".to_owned(), from, to) {
            let since =
                place::text(live, "deactivatedAt").or(place::text(live, "updatedAt")).unwrap_or_default();
            let key = format!("activate {} {since}", draft.links.now(draft.id));
            draft.call(
                &ACTIVATE,
                "activating the location",
                variables([("locationId", draft.me()), ("key", Value::from(key))]),
            );
        } else if is(live, "isActive") && wanted.get("isActive").and_then(Value::as_bool) == Some(false) {
            draft
                .losses
                .push("The location stays active: closing it would move its stock elsewhere.".to_owned());
        }
    }
    pickup(draft);
    if draft.is_birth() && !is(wanted, "isActive") && wanted.get("isActive").is_some() {
        // It holds nothing yet that closing could move. The key has the new id, so that it is never the key of another
        // restore.
        let key = links::json_text(json!(["close", draft.me()]));
        let input = variables([("locationId", draft.me()), ("key", key)]);
        draft.call(&DEACTIVATE, "closing the location", input);
    }
    plain::new_id(draft, "The location");
    draft.own_metafields();
}

/// Whether customers can fetch their orders there. Only what is open offers that.
fn pickup(draft: &mut Draft<'_>) {
    let null = Value::Null;
    let Some(to) = draft.wanted.get("localPickupSettingsV2").filter(|_| is(draft.wanted, "isActive")) else {
        return;
    };
    let from = draft.live.and_then(|live| live.get("localPickupSettingsV2")).unwrap_or(&null);
    if to == from || (!draft.is_birth() && !draft.change("/localPickupSettingsV2".to_owned(), from, to)) {
        return;
    }
    if to.is_null() {
        let input = variables([("locationId", draft.me())]);
        return draft.call(&PICKUP_DISABLE, "pickup at the location", input);
    }
    let mut settings = place::pick(to, &["instructions", "pickupTime"]);
    settings.insert("locationId".to_owned(), draft.me());
    let input = variables([("settings", Value::Object(settings))]);
    draft.call(&PICKUP_ENABLE, "pickup at the location", input);
}

/// Draws up a publication. It comes with its sales channel's app, so one that is not there cannot be made.
pub(super) fn publication(draft: &mut Draft<'_>) {
    if draft.is_birth() {
        draft.refusal =
            Some("A sales channel comes with its app: install the app, and publish there anew.".to_owned());
        return;
    }
    let input = draft.fields(PUBLICATION_FIELDS, "", draft.wanted, draft.live);
    if !input.is_empty() {
        let input = variables([("id", draft.me()), ("input", Value::Object(input))]);
        draft.call(&PUBLICATION_UPDATE, "the publication", input);
    }
}
