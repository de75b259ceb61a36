//! Markets and web presences: to whom the shop sells, and under which addresses.

use serde_json::{Map, Value, json};

use super::draft::Draft;
use super::field::{Form, moved, same};
use super::links;
use super::lists::{self, Ids, Moved};
use super::place;
use super::plain::{self, IdIn, Plain};
use super::step::Call;

static PRESENCE_CREATE: Call =
    Call::new("webPresenceCreate", include_str!("../documents/write/webPresenceCreate.graphql"), 10);
static PRESENCE_UPDATE: Call =
    Call::new("webPresenceUpdate", include_str!("../documents/write/webPresenceUpdate.graphql"), 10);
static CREATE: Call = Call::new("marketCreate", include_str!("../documents/write/marketCreate.graphql"), 10);
static UPDATE: Call = Call::new("marketUpdate", include_str!("../documents/write/marketUpdate.graphql"), 10);

static PRESENCE: Plain = Plain {
    create: &PRESENCE_CREATE,
    update: &PRESENCE_UPDATE,
    input: "input",
    node: "webPresence",
    id: IdIn::Variable,
    fields: &[
        moved("defaultLocale/locale", "defaultLocale", Form::Plain),
        same("alternateLocales", Form::Made(codes)).grows(Value::to_string),
        same("subfolderSuffix", Form::Plain),
    ],
};

static MARKET: Plain = Plain {
    create: &CREATE,
    update: &UPDATE,
    input: "input",
    node: "market",
    id: IdIn::Variable,
    fields: &[
        same("name", Form::Plain),
        same("handle", Form::Plain),
        same("status", Form::Plain),
        same("currencySettings", Form::Made(currency)),
        same("priceInclusions", Form::Made(inclusions)),
    ],
};

const PRESENCES: Ids = Ids {
    at: "webPresences",
    born: "webPresences",
    add: "webPresencesToAdd",
    remove: "webPresencesToDelete",
};

/// Whether the one is what the other was, by what people know of both: a subfolder, or a domain. The address that the
/// platform gave a shop is the same thing in every shop, whatever it is called.
pub(super) fn same_presence(wanted: &Value, live: &Value) -> bool {
    let suffix = |presence| place::text(presence, "subfolderSuffix");
    let host = |presence| place::text(presence, "domain/host");
    let given = |presence| host(presence).is_some_and(|host| host.ends_with(".myshopify.com"));
    match (suffix(wanted), suffix(live)) {
        (None, None) => host(wanted) == host(live) || (given(wanted) && given(live)),
        (one, other) => one == other,
    }
}

/// Draws up a web presence.
pub(super) fn presence(draft: &mut Draft<'_>) {
    if draft.is_birth() && place::text(draft.wanted, "subfolderSuffix").is_none() {
        draft.refusal = Some(
            "The web presence is that of a domain of its own: connect the domain by hand, and restore anew."
                .to_owned(),
        );
        return;
    }
    plain::draft(draft, &PRESENCE);
    plain::new_id(draft, "The web presence");
}

fn codes(locales: &Value) -> Value {
    locales.as_array().into_iter().flatten().filter_map(|one| one.get("locale").cloned()).collect()
}

/// Draws up a market.
pub(super) fn market(draft: &mut Draft<'_>) {
    let kind = place::text(draft.wanted, "type").unwrap_or_default();
    if draft.is_birth() && !CONDITIONS.iter().any(|condition| condition.of == kind) && kind != "NONE" {
        draft.refusal = Some(
            "The market is for what an app brings or what is not backed up; it must be made by hand."
                .to_owned(),
        );
        return;
    }
    let mut input = draft.fields(MARKET.fields, "", draft.wanted, draft.live);
    for (name, remove) in
        [("currencySettings", "removeCurrencySettings"), ("priceInclusions", "removePriceInclusions")]
    {
        // The API takes no null for what is to go.
        if input.get(name).is_some_and(Value::is_null) {
            input.remove(name);
            input.insert(remove.to_owned(), Value::Bool(true));
        }
    }
    conditions(draft, &mut input);
    PRESENCES.write(draft, &mut input);
    plain::write(draft, &MARKET, input);
    plain::new_id(draft, "The market");
    draft.own_metafields();
}

fn currency(settings: &Value) -> Value {
    if settings.is_null() {
        return Value::Null;
    }
    let mut input = place::pick(settings, &["localCurrencies", "roundingEnabled"]);
    for (from, to) in
        [("baseCurrency/currencyCode", "baseCurrency"), ("baseCurrency/manualRate", "baseCurrencyManualRate")]
    {
        if let Some(value) = place::at(settings, from).filter(|value| !value.is_null()) {
            input.insert(to.to_owned(), value.clone());
        }
    }
    Value::Object(input)
}

fn inclusions(inclusions: &Value) -> Value {
    if inclusions.is_null() {
        return Value::Null;
    }
    let mut input = place::pick(inclusions, &["adaptivePricingEnabled"]);
    for (from, to) in [
        ("inclusiveDutiesPricingStrategy", "dutiesPricingStrategy"),
        ("inclusiveTaxPricingStrategy", "taxPricingStrategy"),
    ] {
        input.extend(inclusions.get(from).map(|value| (to.to_owned(), value.clone())));
    }
    Value::Object(input)
}

/// One sort of conditions on who is meant by a market.
struct Condition {
    /// The type of market that has it.
    of: &'static str,
    /// Its name, in what is read and in inputs.
    name: &'static str,
    /// Where its elements stand, and where they go.
    list: &'static str,
    input: &'static str,
    /// What an element is known by, and how it is written.
    known_by: fn(&Value) -> Option<String>,
    make: fn(&Value) -> Value,
}

const CONDITIONS: &[Condition] = &[
    Condition {
        of: "REGION",
        name: "regionsCondition",
        list: "conditions/regionsCondition/regions",
        input: "regions",
        known_by: |region| Some(self::region(region).to_string()),
        make: region,
    },
    Condition {
        of: "LOCATION",
        name: "locationsCondition",
        list: "conditions/locationsCondition/locations",
        input: "locationIds",
        known_by: |location| place::id_of(location).map(str::to_owned),
        make: |location| place::id_of(location).map_or(Value::Null, links::id),
    },
];

/// A region by its country, and by its part of it.
fn region(region: &Value) -> Value {
    let code = place::text(region, "code");
    match place::text(region, "country/code") {
        Some(country) => json!({"countryCode": country, "subdivision": code}),
        None => json!({"countryCode": code}),
    }
}

/// The conditions: what is missing is added, and what the state had that is taken back is taken away.
fn conditions(draft: &mut Draft<'_>, input: &mut Map<String, Value>) {
    let (mut add, mut remove) = (Map::new(), Map::new());
    for condition in CONDITIONS {
        let at = format!("conditions/{}/applicationLevel", condition.name);
        let says_all = |of: Option<&Value>| of.and_then(|of| place::text(of, &at)) == Some("ALL");
        let wanted = place::text(draft.wanted, &at).is_some();
        let (all, was_all) = (says_all(Some(draft.wanted)), says_all(draft.live));
        let moved = Moved::of(draft, condition.list, condition.known_by, condition.make);
        let turns = wanted && all != was_all;
        if (all && was_all) || (!turns && moved.is_nothing()) {
            continue;
        }
        if !draft.is_birth() && !lists::note(draft, if turns { &at } else { condition.list }) {
            continue;
        }
        let everywhere = || json!({"applicationLevel": "ALL"});
        let more = if all { Some(everywhere()) } else { condition.said(moved.add) };
        let less = if wanted && was_all { Some(everywhere()) } else { condition.said(moved.remove) };
        add.extend(more.map(|more| (condition.name.to_owned(), more)));
        remove.extend(less.map(|less| (condition.name.to_owned(), less)));
    }
    let both = [("conditions/conditionsToAdd", add), ("conditions/conditionsToDelete", remove)];
    for (at, what) in both.into_iter().filter(|(_, what)| !what.is_empty()) {
        place::put(input, if draft.is_birth() { "conditions" } else { at }, Value::Object(what));
    }
}

impl Condition {
    /// Elements as an input says them; `None` where there are none.
    fn said(&self, elements: Vec<Value>) -> Option<Value> {
        let mut said = Map::new();
        if !elements.is_empty() {
            said.insert(self.input.to_owned(), Value::Array(elements));
        }
        (!said.is_empty()).then_some(Value::Object(said))
    }
}
