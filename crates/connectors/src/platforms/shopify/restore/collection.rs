//! Collections: what belongs to one is said by its sources, and in which order by hand where it is ordered by hand.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::draft::Draft;
use super::field::{self, Field, Form, same};
use super::links;
use super::part::{self, Named, Part};
use super::picture;
use super::place;
use super::product::{by_namespace_and_key, seo};
use super::publish;
use super::run::{Run, Sent};
use super::step::{Call, Order, PER_CALL, Step, Wait, Work, variables};
use crate::contract::Fault;
use crate::platforms::shopify::client::Again;

static CREATE: Call =
    Call::new("collectionCreate", include_str!("../documents/write/collectionCreate.graphql"), 10);
static UPDATE: Call =
    Call::new("collectionUpdate", include_str!("../documents/write/collectionUpdate.graphql"), 10)
        .waiting_for(Wait::Job);
static REORDER: Call = Call::new(
    "collectionReorderProducts",
    include_str!("../documents/write/collectionReorderProducts.graphql"),
    11,
)
.of_many("moves");

const FIELDS: &[Field] = &[
    same("title", Form::Plain),
    same("handle", Form::Plain),
    same("descriptionHtml", Form::Plain),
    same("sortOrder", Form::Plain),
    same("templateSuffix", Form::Text),
    same("seo", Form::Made(seo)),
];

/// Parts of a collection.
pub(super) static PARTS: &[Part] = &[
    Part { at: SOURCE.at, key: SOURCE.key, parts: SOURCE.parts },
    Part { at: "metafields", key: Named(by_namespace_and_key), parts: &[] },
];

static SOURCE: Part = Part { at: "sources", key: Named(by_title), parts: &[] };

fn by_title(source: &Value, _: usize) -> Option<String> {
    place::text(source, "title").map(str::to_owned)
}

/// Draws up a collection.
pub(super) fn draft(draft: &mut Draft<'_>) {
    let (wanted, live) = (draft.wanted, draft.live);
    let mut input = draft.fields(FIELDS, "", wanted, live);
    picture::picture(draft, &mut input, "src");
    match live {
        None => {
            let mut sources: Vec<Value> = place::list(wanted, "sources").iter().map(source_input).collect();
            let partial = shorten(&mut sources);
            input.insert("sources".to_owned(), Value::Array(sources));
            let input =
                variables([("collection", Value::Object(input)), ("publications", publish::known(wanted))]);
            draft.step(Step { partial, ..Step::birth(&CREATE, "collection", input) });
            draft.losses.push("The collection comes back with a new id.".to_owned());
        }
        Some(live) => {
            change_sources(draft, live, &mut input);
            let partial = list_in(&mut input, "sourcesToCreate").is_some_and(shorten);
            let later = list_in(&mut input, "sourcesToUpdate").map(later).unwrap_or_default();
            if !input.is_empty() {
                let once = makes(&Value::Object(input.clone()));
                input.insert("id".to_owned(), draft.me());
                let input = variables([("collection", Value::Object(input))]);
                draft.step(Step {
                    once,
                    partial,
                    ..Step::new(&UPDATE, "the collection's own fields", input)
                });
            }
            for source in later {
                let input = json!({"id": draft.me(), "sourcesToUpdate": [source]});
                draft.call(&UPDATE, "the picked products", variables([("collection", input)]));
            }
        }
    }
    order(draft);
    draft.own_metafields();
    publish::publications(draft);
}

// ---------------------------------------------------------------- sources

/// Whether an update makes sources or conditions, which would be there twice if it was repeated.
fn makes(input: &Value) -> bool {
    match input {
        Value::Object(fields) => fields
            .iter()
            .any(|(name, value)| name == "sourcesToCreate" || name == "conditionsToCreate" || makes(value)),
        Value::Array(values) => values.iter().any(makes),
        _ => false,
    }
}

fn list_in<'i>(input: &'i mut Map<String, Value>, name: &str) -> Option<&'i mut Vec<Value>> {
    input.get_mut(name).and_then(Value::as_array_mut)
}

/// Leaves of what was picked in new sources only as much as one call takes. Whether there was more.
fn shorten(sources: &mut Vec<Value>) -> bool {
    let mut shortened = false;
    for source in sources {
        for side in SIDES {
            let place = format!("/source/{side}/selections");
            if let Some(Value::Array(picked)) = source.pointer_mut(&place) {
                shortened |= picked.len() > PER_CALL;
                picked.truncate(PER_CALL);
            }
        }
    }
    shortened
}

/// The same for changes of sources; what there was more is given as changes of its own.
fn later(sources: &mut Vec<Value>) -> Vec<Value> {
    let mut later = Vec::new();
    for source in sources {
        let id = source.pointer("/condition/id").cloned().unwrap_or_default();
        for side in SIDES {
            for list in ["selectionsToAdd", "selectionsToRemove"] {
                let Some(Value::Array(picked)) = source.pointer_mut(&format!("/condition/{side}/{list}"))
                else {
                    continue;
                };
                let more = picked.split_off(picked.len().min(PER_CALL));
                let change = |chunk: &[Value]| json!({"condition": {"id": id, side: {list: chunk}}});
                later.extend(more.chunks(PER_CALL).map(change));
            }
        }
    }
    later
}

/// Whom a source takes in, and whom it leaves out of those.
const SIDES: [&str; 2] = ["inclusion", "exclusion"];

/// The input that makes a source as it was.
fn source_input(source: &Value) -> Value {
    let id = place::id_of(source).unwrap_or_default();
    if source.get("shareable").and_then(Value::as_bool) == Some(true) {
        return json!({"shareableSource": {"sourceId": links::id(id)}});
    }
    let mut input = place::pick(source, &["title", "description"]);
    if let Some(collections) = source.get("collections") {
        let ids = collections.as_array().map_or(&[][..], Vec::as_slice);
        input.insert("collectionIds".to_owned(), links::ids_of(ids));
        return json!({"subCollections": input});
    }
    input.extend(place::pick(source, &["targetType"]));
    for side in SIDES {
        if let Some(members) = source.get(side).filter(|members| members.is_object()) {
            input.insert(side.to_owned(), members_input(members));
        }
    }
    json!({"source": input})
}

fn members_input(members: &Value) -> Value {
    let mut input = place::pick(members, &["matchType"]);
    input.insert(
        "conditions".to_owned(),
        place::list(members, "conditions").iter().filter_map(condition_input).collect(),
    );
    input.insert(
        "selections".to_owned(),
        place::list(members, "selections").iter().filter_map(selection_input).collect(),
    );
    Value::Object(input)
}

/// A condition's input: under the name that its type ends in, what can be read of it. `None` for a type that
/// cannot be written.
fn condition_input(condition: &Value) -> Option<Value> {
    let kind = place::text(condition, "__typename")?;
    let kind = kind
        .strip_prefix("CollectionSourceInclusionCondition")
        .or_else(|| kind.strip_prefix("CollectionSourceExclusionCondition"))
        .filter(|kind| *kind != "Unknown")?;
    let mut letters = kind.chars();
    let name: String = letters.next()?.to_lowercase().chain(letters).collect();
    let mut input = Map::new();
    for (key, value) in condition.as_object()? {
        match key.as_str() {
            "__typename" | "id" => {}
            "definition" => place::put(&mut input, "definitionId", links::id(place::id_of(value)?)),
            _ => place::put(&mut input, key, value_input(value)),
        }
    }
    // Of an exclusion by collection only the collections are written.
    if name == "collection" {
        input.retain(|key, _| key == "values");
    }
    Some(json!({ name: input }))
}

/// A condition's value: another item by its id, a category by its id, else as it stands.
fn value_input(value: &Value) -> Value {
    match value {
        Value::Array(values) => values.iter().map(value_input).collect(),
        Value::Object(object) => match (object.get("category"), place::id_of(value)) {
            (Some(category), _) => {
                json!({"categoryId": place::id_of(category), "includeDescendants": object.get("includeDescendants")})
            }
            (None, Some(id)) => links::id(id),
            (None, None) => Value::Object(place::pick(value, &["amount", "currencyCode", "unit", "value"])),
        },
        plain => plain.clone(),
    }
}

fn selection_input(selection: &Value) -> Option<Value> {
    let mut input = Map::new();
    input.insert("productId".to_owned(), links::id(place::text(selection, "product/id")?));
    let variants = place::list(selection, "variantIds");
    if !variants.is_empty() {
        input.insert(
            "variantIds".to_owned(),
            variants.iter().filter_map(Value::as_str).map(links::id).collect(),
        );
    }
    Some(Value::Object(input))
}

/// Makes sources that are missing, and changes those that differ. One that was added since stays: it may be an app's.
fn change_sources(draft: &mut Draft<'_>, live: &Value, input: &mut Map<String, Value>) {
    let (mut create, mut update) = (Vec::new(), Vec::new());
    let theirs = place::list(live, "sources");
    let sources = part::matched(place::list(draft.wanted, "sources"), theirs, Named(by_title), &draft.links);
    for (source, live) in &sources {
        let Some(id) = place::id_of(source) else { continue };
        let path = format!("/sources/[{id}]");
        match live {
            None if draft.change(path.clone(), &Value::Null, source) => create.push(source_input(source)),
            Some(live) => update.extend(source_change(draft, &path, id, source, live)),
            None => {}
        }
    }
    let surplus = draft.surplus(&SOURCE);
    let mut delete = Vec::new();
    for added in theirs
        .iter()
        .filter(|live| !sources.iter().any(|(_, found)| found.is_some_and(|found| found == *live)))
    {
        if surplus.contains(&added) {
            let id = place::id_of(added).unwrap_or_default();
            if draft.change(format!("/sources/[{id}]"), added, &Value::Null) {
                delete.push(Value::from(id));
            }
            continue;
        }
        let title = place::text(added, "title").unwrap_or_default();
        draft.losses.push(format!(
            "The source `{title}` was added to the collection since; it stays, and with it its products."
        ));
    }
    if !create.is_empty() {
        input.insert("sourcesToCreate".to_owned(), Value::Array(create));
    }
    if !update.is_empty() {
        input.insert("sourcesToUpdate".to_owned(), Value::Array(update));
    }
    if !delete.is_empty() {
        input.insert("sourcesToDelete".to_owned(), Value::Array(delete));
    }
}

fn source_change(draft: &mut Draft<'_>, path: &str, id: &str, wanted: &Value, live: &Value) -> Option<Value> {
    let mut change = draft.fields(
        &[same("title", Form::Plain), same("description", Form::Text)],
        path,
        wanted,
        Some(live),
    );
    let shape = if wanted.get("collections").is_some() { "subCollections" } else { "condition" };
    let formers = draft.former.map_or(&[][..], |former| place::list(former, SOURCE.at));
    let was = part::matched(std::slice::from_ref(live), formers, Named(by_title), &draft.links);
    let was = was.into_iter().next().and_then(|(_, was)| was);
    if shape == "subCollections" {
        let collections =
            field::moved("collections", "collectionIds", Form::Made(collection_ids)).grows(Value::to_string);
        change.extend(draft.part_fields(&[collections], path, wanted, Some(live), was));
    }
    for side in SIDES {
        let null = Value::Null;
        let (to, from) = (wanted.get(side).unwrap_or(&null), live.get(side).unwrap_or(&null));
        let members = members_change(draft, to, from, was.and_then(|was| was.get(side)));
        if !members.is_empty() && draft.change(format!("{path}/{side}"), from, to) {
            change.insert(side.to_owned(), Value::Object(members));
        }
    }
    if change.is_empty() {
        return None;
    }
    change.insert("id".to_owned(), links::id(id));
    Some(json!({ shape: change }))
}

fn collection_ids(collections: &Value) -> Value {
    links::ids_of(collections.as_array().map_or(&[][..], Vec::as_slice))
}

/// What leads from one side's live members to the wanted ones. Conditions are one rule, and set as one; what was picked
/// since stays, unless the state had it that is taken back.
fn members_change(
    draft: &Draft<'_>,
    wanted: &Value,
    live: &Value,
    former: Option<&Value>,
) -> Map<String, Value> {
    type Make = fn(&Value) -> Option<Value>;
    let wanted_now = |list: &[Value], make: Make| -> Vec<Option<Value>> {
        list.iter().map(|one| make(one).map(|input| draft.links.fill(&input))).collect()
    };
    let live_now = |list: &[Value], make: Make| -> Vec<Option<Value>> {
        list.iter().map(|one| make(one).map(|input| draft.links.as_it_is(&input))).collect()
    };
    let mut change = Map::new();
    let mut note = |name: &str, list: Vec<Value>| {
        if !list.is_empty() {
            change.insert(name.to_owned(), Value::Array(list));
        }
    };
    let (to, from) = (place::list(wanted, "conditions"), place::list(live, "conditions"));
    let (made_to, made_from) = (wanted_now(to, condition_input), live_now(from, condition_input));
    note(
        "conditionsToCreate",
        to.iter()
            .zip(&made_to)
            .filter(|(_, made)| made.is_some() && !made_from.contains(made))
            .filter_map(|(condition, _)| condition_input(condition))
            .collect(),
    );
    note(
        "conditionsToDelete",
        from.iter()
            .zip(&made_from)
            .filter(|(_, made)| made.is_some() && !made_to.contains(made))
            .filter_map(|(condition, _)| condition.get("id").cloned())
            .collect(),
    );
    let (to, from) = (place::list(wanted, "selections"), place::list(live, "selections"));
    let (made_to, made_from) = (wanted_now(to, selection_input), live_now(from, selection_input));
    let made_former =
        wanted_now(former.map_or(&[][..], |former| place::list(former, "selections")), selection_input);
    note(
        "selectionsToAdd",
        to.iter()
            .zip(&made_to)
            .filter(|(_, made)| !made_from.contains(made))
            .filter_map(|(selection, _)| selection_input(selection))
            .collect(),
    );
    note(
        "selectionsToRemove",
        from.iter()
            .zip(&made_from)
            .filter(|(_, made)| !made_to.contains(made) && made_former.contains(made))
            .filter_map(|(selection, _)| selection_input(selection))
            .collect(),
    );
    if wanted.get("matchType") != live.get("matchType") && !wanted.is_null() {
        change.extend(place::pick(wanted, &["matchType"]));
    }
    change
}

// ---------------------------------------------------------------- order

/// Puts products that are ordered by hand in their order. What was added since comes after them.
fn order(draft: &mut Draft<'_>) {
    let wanted = draft.wanted;
    if place::text(wanted, "sortOrder") != Some("MANUAL") {
        return;
    }
    let goal: Vec<&str> = place::list(wanted, "products").iter().filter_map(place::id_of).collect();
    let live = draft.live.map_or(&[][..], |live| place::list(live, "products"));
    let now: Vec<&str> = live.iter().filter_map(place::id_of).collect();
    let there: HashSet<&str> = now.iter().copied().collect();
    let called: Vec<&str> =
        goal.iter().map(|old| draft.links.now(old)).filter(|id| there.contains(id)).collect();
    let unseen = goal.len() - called.len();
    if draft.live.is_some() {
        let wanted: HashSet<&str> = called.iter().copied().collect();
        let kept: Vec<&str> = now.iter().copied().filter(|id| wanted.contains(id)).collect();
        if called == kept && unseen == 0 {
            return;
        }
        let ids = |list: &[&str]| Value::from(list.to_vec());
        if !draft.change("/products".to_owned(), &ids(&now), &ids(&goal)) {
            return;
        }
    }
    if goal.is_empty() {
        return;
    }
    let owned = |list: Vec<&str>| list.into_iter().map(str::to_owned).collect();
    let order = Order { goal: owned(goal), now: owned(now), unseen };
    draft.step(Step {
        what: "the order of the products".to_owned(),
        work: Work::Order(order),
        ..Step::new(&REORDER, "", Map::new())
    });
}

impl Run<'_> {
    /// Puts products in order. A product that is gone would make the platform refuse the others with it.
    pub(super) async fn order(&mut self, order: &Order) -> Result<(), Fault> {
        let mut there: HashSet<String> = order.now.iter().cloned().collect();
        let called: Vec<(&str, String)> =
            order.goal.iter().map(|old| (old.as_str(), self.links.now(old).to_owned())).collect();
        let unseen: Vec<String> =
            called.iter().map(|(_, id)| id.clone()).filter(|id| !there.contains(id)).collect();
        for chunk in unseen.chunks(PER_CALL) {
            there.extend(self.states(chunk).await?.into_iter().map(|(id, _)| id));
        }
        let goal: Vec<&str> =
            called.iter().filter(|(_, id)| there.contains(id)).map(|(_, id)| id.as_str()).collect();
        let now: Vec<&str> = order.now.iter().map(String::as_str).collect();
        for chunk in moves(&goal, &now).chunks(PER_CALL) {
            let input =
                variables([("id", links::id(self.write.id)), ("moves", Value::Array(chunk.to_vec()))]);
            let what = "the order of the products";
            if let Sent::Done(answer) = self.send(&REORDER, &input, what, Again::Safe).await? {
                self.finished(&answer, what).await?;
            }
        }
        Ok(())
    }
}

/// The moves that lead from `now` to `goal`, taken one after the other. When the turn of a place comes, those before it
/// are right, and behind them stand the others in the order in which they stood at first.
fn moves(goal: &[&str], now: &[&str]) -> Vec<Value> {
    let mut placed: HashSet<&str> = HashSet::new();
    let mut rest = now.iter().peekable();
    let mut moves = Vec::new();
    for (position, id) in goal.iter().enumerate() {
        while rest.next_if(|next| placed.contains(**next)).is_some() {}
        if rest.next_if_eq(&id).is_none() {
            moves.push(json!({"id": id, "newPosition": position.to_string()}));
        }
        placed.insert(id);
    }
    moves
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moves_lead_to_the_goal() {
        let check = |goal: &[&str], now: &[&str], expected: usize| {
            let mut order: Vec<String> = now.iter().map(|id| (*id).to_owned()).collect();
            let moves = moves(goal, now);
            for step in &moves {
                let id = step["id"].as_str().unwrap();
                let position: usize = step["newPosition"].as_str().unwrap().parse().unwrap();
                order.retain(|other| other != id);
                order.insert(position, id.to_owned());
            }
            assert_eq!(order.iter().map(String::as_str).take(goal.len()).collect::<Vec<_>>(), goal);
            assert_eq!(moves.len(), expected);
        };
        check(&["a", "b", "c"], &["a", "b", "c"], 0);
        check(&["a", "b", "c"], &["c", "a", "b"], 2);
        check(&["c", "a", "b"], &["a", "b", "c"], 1);
        check(&["b", "a"], &["a", "x", "b"], 1);
    }

    #[test]
    fn conditions_become_their_inputs() {
        let check =
            |condition: Value, expected: Option<Value>| assert_eq!(condition_input(&condition), expected);
        check(
            json!({"__typename": "CollectionSourceInclusionConditionProductTag", "id": "c1",
                "matchType": "ANY", "relation": "TAGGED_WITH", "values": ["sale"]}),
            Some(json!({"productTag": {"matchType": "ANY", "relation": "TAGGED_WITH", "values": ["sale"]}})),
        );
        check(
            json!({"__typename": "CollectionSourceInclusionConditionProductCategory", "id": "c2",
                "matchType": "ALL", "relation": "EQUALS",
                "values": [{"category": {"id": "t1"}, "includeDescendants": true}]}),
            Some(json!({"productCategory": {"matchType": "ALL", "relation": "EQUALS",
                "values": [{"categoryId": "t1", "includeDescendants": true}]}})),
        );
        check(
            json!({"__typename": "CollectionSourceInclusionConditionMetafieldMetaobject", "id": "c3",
                "definition": {"id": "d1"}, "relation": "EQUALS", "value": {"id": "m1"}}),
            Some(json!({"metafieldMetaobject": {"definitionId": links::id("d1"), "relation": "EQUALS",
                "value": links::id("m1")}})),
        );
        check(
            json!({"__typename": "CollectionSourceInclusionConditionVariantPrice", "id": "c4",
                "relation": "LESS_THAN", "value": {"amount": "10.0", "currencyCode": "EUR"}}),
            Some(json!({"variantPrice": {"relation": "LESS_THAN",
                "value": {"amount": "10.0", "currencyCode": "EUR"}}})),
        );
        check(
            json!({"__typename": "CollectionSourceExclusionConditionCollection", "id": "c5",
                "matchType": "ANY", "values": [{"id": "k1"}]}),
            Some(json!({"collection": {"values": [links::id("k1")]}})),
        );
        check(json!({"__typename": "CollectionSourceInclusionConditionUnknown", "id": "c6"}), None);
    }
}
