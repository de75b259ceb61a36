//! Price lists and catalogs: which goods are sold to whom, and at what prices.

use serde_json::{Map, Value, json};

use super::draft::Draft;
use super::field::{Form, moved, same};
use super::links;
use super::lists::{self, Ids, Moved};
use super::part::{Named, Part};
use super::place;
use super::plain::{self, IdIn, Plain};
use super::step::{Born, Call, PER_CALL, Step, variables};

static LIST_CREATE: Call =
    Call::new("priceListCreate", include_str!("../documents/write/priceListCreate.graphql"), 10);
static LIST_UPDATE: Call =
    Call::new("priceListUpdate", include_str!("../documents/write/priceListUpdate.graphql"), 10);
static PRICES_ADD: Call = Call::new(
    "priceListFixedPricesAdd",
    include_str!("../documents/write/priceListFixedPricesAdd.graphql"),
    10,
)
.of_many("prices");
static PRICES_DELETE: Call = Call::new(
    "priceListFixedPricesDelete",
    include_str!("../documents/write/priceListFixedPricesDelete.graphql"),
    10,
)
.taking_away("variantIds");
static RULES_ADD: Call =
    Call::new("quantityRulesAdd", include_str!("../documents/write/quantityRulesAdd.graphql"), 10)
        .of_many("quantityRules");
static RULES_DELETE: Call =
    Call::new("quantityRulesDelete", include_str!("../documents/write/quantityRulesDelete.graphql"), 10)
        .taking_away("variantIds");
static BREAKS: Call = Call::new(
    "quantityPricingByVariantUpdate",
    include_str!("../documents/write/quantityPricingByVariantUpdate.graphql"),
    10,
)
.of_many("input/quantityPriceBreaksToAdd");
static CREATE: Call =
    Call::new("catalogCreate", include_str!("../documents/write/catalogCreate.graphql"), 10);
static UPDATE: Call =
    Call::new("catalogUpdate", include_str!("../documents/write/catalogUpdate.graphql"), 10);
static CONTEXT: Call =
    Call::new("catalogContextUpdate", include_str!("../documents/write/catalogContextUpdate.graphql"), 10);
static PUBLICATION_CREATE: Call =
    Call::new("publicationCreate", include_str!("../documents/write/publicationCreate.graphql"), 10);
static SHOW: Call =
    Call::new("publicationUpdate", include_str!("../documents/write/publicationUpdate.graphql"), 10)
        .of_many("input/publishablesToAdd");
static HIDE: Call =
    Call::new("publicationUpdate", include_str!("../documents/write/publicationUpdate.graphql"), 10)
        .taking_away("input/publishablesToRemove");

/// Most goods that one call shows in a catalog, or no more.
const SHOWN_PER_CALL: usize = 50;

static LIST: Plain = Plain {
    create: &LIST_CREATE,
    update: &LIST_UPDATE,
    input: "input",
    node: "priceList",
    id: IdIn::Variable,
    fields: &[
        same("name", Form::Plain),
        // Another currency would take the fixed prices away.
        same("currency", Form::Plain).at_birth(),
        same("parent", Form::Made(parent)),
    ],
};

fn parent(parent: &Value) -> Value {
    if parent.is_null() {
        return Value::Null;
    }
    let mut input = Map::new();
    for (name, keys) in [("adjustment", &["type", "value"][..]), ("settings", &["compareAtMode"])] {
        input.extend(parent.get(name).map(|one| (name.to_owned(), Value::Object(place::pick(one, keys)))));
    }
    Value::Object(input)
}

/// Draws up a price list.
pub(super) fn price_list(draft: &mut Draft<'_>) {
    if draft.is_birth() && draft.wanted.get("parent").is_none_or(Value::is_null) {
        draft.refusal =
            Some("The price list has no adjustment, and Shopify makes none without one.".to_owned());
        return;
    }
    plain::draft(draft, &LIST);
    plain::new_id(draft, "The price list");
    if let Some(live) = draft.live
        && place::text(live, "currency") != place::text(draft.wanted, "currency")
    {
        draft.losses.push("It has another currency now, which stays: so do its fixed prices.".to_owned());
        return;
    }
    many(draft, &PRICES);
    many(draft, &RULES);
    breaks(draft);
}

/// Something that a price list says of many variants.
struct Many {
    at: &'static str,
    /// Where its variant stands.
    variant: &'static str,
    make: fn(&Value) -> Value,
    /// The call that sets it, and the variable; the call that takes it away.
    add: (&'static Call, &'static str),
    delete: &'static Call,
    what: &'static str,
}

const PRICES: Many = Many {
    at: "prices",
    variant: "variant/id",
    make: |price| {
        let mut input = variant(price, "variant/id");
        for name in ["price", "compareAtPrice"] {
            if let Some(amount) = price.get(name).filter(|amount| amount.is_object()) {
                input.insert(name.to_owned(), money(amount));
            }
        }
        Value::Object(input)
    },
    add: (&PRICES_ADD, "prices"),
    delete: &PRICES_DELETE,
    what: "fixed prices",
};

const RULES: Many = Many {
    at: "quantityRules",
    variant: "productVariant/id",
    make: |rule| {
        let mut input = variant(rule, "productVariant/id");
        input.extend(place::pick(rule, &["increment", "maximum", "minimum"]));
        Value::Object(input)
    },
    add: (&RULES_ADD, "quantityRules"),
    delete: &RULES_DELETE,
    what: "rules on quantities",
};

fn variant(of: &Value, at: &str) -> Map<String, Value> {
    let id = place::at(of, at).map_or(Value::Null, links::id_or_null);
    Map::from_iter([("variantId".to_owned(), id)])
}

fn money(amount: &Value) -> Value {
    Value::Object(place::pick(amount, &["amount", "currencyCode"]))
}

/// What differs is set, and what the state had that is taken back is taken away; of other variants nothing is touched.
fn many(draft: &mut Draft<'_>, many: &Many) {
    let id = |one: &Value| place::text(one, many.variant).map(str::to_owned);
    let moved = Moved::of(draft, many.at, id, many.make);
    let theirs = draft.live.map_or(&[][..], |live| place::list(live, many.at));
    let mut set = Vec::new();
    for one in place::list(draft.wanted, many.at) {
        let Some(old) = id(one) else { continue };
        let now = draft.links.now(&old).to_owned();
        let there = theirs.iter().find(|other| id(other).as_deref() == Some(now.as_str()));
        let input = (many.make)(one);
        let same = |other: &&Value| {
            Form::Made(Value::clone)
                .same(&draft.links.fill(&input), &draft.links.as_it_is(&(many.make)(other)))
        };
        if there.as_ref().is_some_and(same) {
            continue;
        }
        let from = there.cloned().unwrap_or_default();
        if draft.is_birth() || draft.change(format!("/{}/[{old}]", many.at), &from, one) {
            set.push(input);
        }
    }
    let (call, list) = many.add;
    for chunk in set.chunks(PER_CALL) {
        let input = variables([("priceListId", draft.me()), (list, Value::Array(chunk.to_vec()))]);
        draft.call(call, many.what, input);
    }
    let gone: Vec<Value> = moved.remove.iter().filter_map(|one| one.get("variantId").cloned()).collect();
    if !gone.is_empty() && lists::note(draft, many.at) {
        for chunk in gone.chunks(PER_CALL) {
            let input =
                variables([("priceListId", draft.me()), ("variantIds", Value::Array(chunk.to_vec()))]);
            draft.call(many.delete, &format!("taking away {}", many.what), input);
        }
    }
}

/// Prices for larger quantities, which hang below the fixed prices.
fn breaks(draft: &mut Draft<'_>) {
    let below = |of: &Value| -> Vec<Value> {
        let prices = place::list(of, "prices").iter();
        prices
            .flat_map(|price| {
                place::list(price, "quantityPriceBreaks/edges").iter().filter_map(|edge| {
                    let one = edge.get("node")?;
                    let mut input = variant(price, "variant/id");
                    input.extend(place::pick(one, &["minimumQuantity"]));
                    input.insert("price".to_owned(), money(one.get("price")?));
                    Some(Value::Object(input))
                })
            })
            .collect()
    };
    let there: Vec<Value> = draft
        .live
        .map(|live| below(live).iter().map(|one| draft.links.as_it_is(one)).collect())
        .unwrap_or_default();
    let same = |one: &Value, other: &Value| Form::Made(Value::clone).same(one, other);
    let missing: Vec<Value> = below(draft.wanted)
        .into_iter()
        .filter(|one| !there.iter().any(|other| same(&draft.links.fill(one), other)))
        .collect();
    if missing.is_empty()
        || (!draft.is_birth()
            && !draft.change(
                "/prices/*/quantityPriceBreaks".to_owned(),
                &Value::from(there),
                &Value::from(missing.clone()),
            ))
    {
        return;
    }
    for chunk in missing.chunks(PER_CALL) {
        let nothing = || Value::Array(Vec::new());
        let input = json!({
            "pricesToAdd": nothing(), "pricesToDeleteByVariantId": nothing(), "quantityPriceBreaksToAdd": chunk,
            "quantityPriceBreaksToDelete": nothing(), "quantityRulesToAdd": nothing(),
            "quantityRulesToDeleteByVariantId": nothing(),
        });
        draft.call(
            &BREAKS,
            "prices for larger quantities",
            variables([("priceListId", draft.me()), ("input", input)]),
        );
    }
}

// ---------------------------------------------------------------- catalogs

static CATALOG: Plain = Plain {
    create: &CREATE,
    update: &UPDATE,
    input: "input",
    node: "catalog",
    id: IdIn::Variable,
    fields: &[
        same("title", Form::Plain),
        same("status", Form::Plain),
        moved("priceList/id", "priceListId", Form::Id),
    ],
};

/// For whom a catalog is: the type, and the list of those.
const CONTEXTS: &[(&str, Ids)] = &[(
    "MarketCatalog",
    Ids {
        at: "markets",
        born: "context/marketIds",
        add: "contextsToAdd/marketIds",
        remove: "contextsToRemove/marketIds",
    },
)];

/// What a catalog shows, where that is less than everything.
static PUBLICATION: Part = Part { at: "publication", key: Named(the_only), parts: &[] };

/// Parts of a catalog.
pub(super) static CATALOG_PARTS: &[Part] =
    &[Part { at: PUBLICATION.at, key: PUBLICATION.key, parts: PUBLICATION.parts }];

fn the_only(_: &Value, _: usize) -> Option<String> {
    Some(String::new())
}

/// Draws up a catalog. Its context is changed by adding and removing: the update itself would replace it.
pub(super) fn catalog(draft: &mut Draft<'_>) {
    let kind = place::text(draft.wanted, "__typename").unwrap_or_default();
    let context = CONTEXTS.iter().find(|(of, _)| *of == kind).map(|(_, ids)| ids);
    let Some(context) = context else {
        draft.refusal = Some("The catalog is that of an app, or of what is not backed up.".to_owned());
        return;
    };
    let mut input = draft.fields(CATALOG.fields, "", draft.wanted, draft.live);
    if draft.is_birth() {
        context.write(draft, &mut input);
        if input.get("context").is_none() {
            draft.refusal = Some("The catalog is for nobody, and Shopify makes none for nobody.".to_owned());
            return;
        }
    }
    plain::write(draft, &CATALOG, input);
    plain::new_id(draft, "The catalog");
    if !draft.is_birth() {
        let mut moved = Map::new();
        context.write(draft, &mut moved);
        if !moved.is_empty() {
            moved.insert("catalogId".to_owned(), draft.me());
            draft.call(&CONTEXT, "for whom the catalog is", moved);
        }
    }
    publication(draft);
}

/// What a catalog shows.
const SHOWN: Ids = Ids {
    at: "publication/includedProducts",
    born: "publishablesToAdd",
    add: "publishablesToAdd",
    remove: "publishablesToRemove",
};

/// A catalog that shows a choice of goods gets a publication that shows none yet, one without would show all; then the
/// goods are shown there.
fn publication(draft: &mut Draft<'_>) {
    let Some(wanted) = draft.wanted.get("publication").filter(|one| one.is_object()) else { return };
    let Some(id) = place::id_of(wanted) else { return };
    let has_one = draft.live.is_some_and(|live| live.get("publication").is_some_and(Value::is_object));
    if !has_one {
        if !draft.is_birth() && !draft.change("/publication".to_owned(), &Value::Null, wanted) {
            return;
        }
        let auto = wanted.get("autoPublish").cloned().unwrap_or(Value::Bool(false));
        let input = json!({"catalogId": draft.me(), "defaultState": "EMPTY", "autoPublish": auto});
        draft.step(Step {
            name: format!("publication/{id}"),
            born: Some(Born::Parts { at: "publication", part: &PUBLICATION, wanted: vec![wanted.clone()] }),
            ..Step::new(&PUBLICATION_CREATE, "what the catalog shows", variables([("input", input)]))
        });
    }
    let moved = SHOWN.moved(draft);
    if moved.is_nothing() || (has_one && !lists::note(draft, SHOWN.at)) {
        return;
    }
    for (call, what, name, list) in [
        (&SHOW, "goods that the catalog shows", SHOWN.add, moved.add),
        (&HIDE, "taking goods out of the catalog", SHOWN.remove, moved.remove),
    ] {
        for chunk in list.chunks(SHOWN_PER_CALL) {
            draft.call(call, what, variables([("id", links::id(id)), ("input", json!({name: chunk}))]));
        }
    }
}
