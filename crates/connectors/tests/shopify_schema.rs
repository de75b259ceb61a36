//! Every document that the connector sends is valid by Shopify's own schema, and every readable field of the
//! types that are kept is either selected or listed with a reason.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod official;

use std::collections::{BTreeMap, BTreeSet};

use apollo_compiler::ExecutableDocument;
use apollo_compiler::executable::{Selection, SelectionSet};
use apollo_compiler::schema::ExtendedType;
use apollo_compiler::validation::Valid;
use connectors::platforms::shopify::{Document, KEPT, KINDS, NOWHERE, TOPICS, documents};

use crate::official::schema;

fn parsed(document: Document) -> Result<Valid<ExecutableDocument>, String> {
    ExecutableDocument::parse_and_validate(schema(), document.text, document.name)
        .map_err(|errors| format!("{}: {errors}\n{}", document.name, document.text))
}

#[test]
fn every_document_is_valid() {
    let all: Vec<_> = documents().collect();
    assert!(all.len() > 3 * KINDS.len(), "{} documents", all.len());
    let bad: Vec<String> = all.iter().filter_map(|document| parsed(*document).err()).collect();
    assert!(bad.is_empty(), "{}", bad.join("\n"));
    let wrong = Document { name: "wrong", text: "{ products(first: 1) { nodes { titel } } }" };
    assert!(parsed(wrong).unwrap_err().contains("titel"));
}

#[test]
fn names_of_documents_are_unique() {
    let all: Vec<_> = documents().map(|document| document.name).collect();
    let unique: BTreeSet<_> = all.iter().collect();
    assert_eq!(unique.len(), all.len());
}

/// Connections and the depth of connections within connections.
fn connections(set: &SelectionSet) -> (usize, usize) {
    let (mut count, mut depth) = (0, 0);
    for selection in &set.selections {
        let (inner, own) = match selection {
            Selection::Field(field) => {
                let own = usize::from(field.ty().inner_named_type().ends_with("Connection"));
                (connections(&field.selection_set), own)
            }
            Selection::InlineFragment(fragment) => (connections(&fragment.selection_set), 0),
            Selection::FragmentSpread(_) => panic!("no fragments are sent"),
        };
        count += inner.0 + own;
        depth = depth.max(inner.1 + own);
    }
    (count, depth)
}

#[test]
fn bulk_operations_keep_within_what_the_platform_allows() {
    let mut seen = 0;
    for document in documents().filter(|document| document.name.contains("_bulk_")) {
        let parsed = parsed(document).unwrap();
        let operation = parsed.operations.get(None).unwrap();
        let (count, depth) = connections(&operation.selection_set);
        assert!(count <= 5, "{}: {count} connections", document.name);
        assert!(depth <= 3, "{}: {depth} levels", document.name);
        assert_eq!(operation.selection_set.selections.len(), 1, "{}", document.name);
        seen += 1;
    }
    assert!(seen > 5);
}

fn collect(set: &SelectionSet, selected: &mut BTreeMap<String, BTreeSet<String>>) {
    for selection in &set.selections {
        match selection {
            Selection::Field(field) => {
                selected.entry(set.ty.to_string()).or_default().insert(field.name.to_string());
                collect(&field.selection_set, selected);
            }
            Selection::InlineFragment(fragment) => collect(&fragment.selection_set, selected),
            Selection::FragmentSpread(_) => panic!("no fragments are sent"),
        }
    }
}

/// Arguments whose default leaves nothing out: it orders, or says in which words an answer is.
const HARMLESS: &[&str] = &[
    "Collection.image(scale)",
    "DraftOrderLineItem.image(scale)",
    "LineItem.discountedTotalSet(withCodeDiscounts)",
    "LineItem.image(scale)",
    "QueryRoot.metafieldDefinitions(pinnedStatus)",
    "QueryRoot.shopLocales(published)",
];

/// Arguments that are not said although they have a default, of every field that is read.
fn unsaid(set: &SelectionSet, found: &mut BTreeSet<String>) {
    for selection in &set.selections {
        match selection {
            Selection::Field(field) => {
                for argument in &field.definition.arguments {
                    let said = field.arguments.iter().any(|one| one.name == argument.name);
                    let orders = ["reverse", "sortKey"].contains(&argument.name.as_str());
                    let name = format!("{}.{}({})", set.ty, field.name, argument.name);
                    if !said && argument.default_value.is_some() && !orders && !HARMLESS.contains(&&*name) {
                        found.insert(name);
                    }
                }
                unsaid(&field.selection_set, found);
            }
            Selection::InlineFragment(fragment) => unsaid(&fragment.selection_set, found),
            Selection::FragmentSpread(_) => panic!("no fragments are sent"),
        }
    }
}

#[test]
fn no_default_of_an_argument_hides_what_there_is() {
    let of = |document: Document| {
        let mut found = BTreeSet::new();
        for operation in parsed(document).unwrap().operations.iter().filter(|one| !one.is_mutation()) {
            unsaid(&operation.selection_set, &mut found);
        }
        // Of a mutation only what it answers with is reading.
        for operation in parsed(document).unwrap().operations.iter().filter(|one| one.is_mutation()) {
            for selection in &operation.selection_set.selections {
                if let Selection::Field(field) = selection {
                    unsaid(&field.selection_set, &mut found);
                }
            }
        }
        found
    };
    let found: BTreeSet<String> = documents().flat_map(of).collect();
    assert_eq!(found, BTreeSet::new());
    let hiding = Document {
        name: "hiding",
        text: "{ products(first: 1) { nodes { resourcePublicationsV2(first: 1) { nodes { isPublished } } } } }",
    };
    assert_eq!(of(hiding), BTreeSet::from(["Product.resourcePublicationsV2(onlyPublished)".to_owned()]));
}

fn fields_of(name: &str) -> Vec<(String, bool)> {
    let fields = match schema().types.get(name) {
        Some(ExtendedType::Object(object)) => &object.fields,
        Some(ExtendedType::Interface(interface)) => &interface.fields,
        other => panic!("`{name}` is no type with fields: {other:?}"),
    };
    let deprecated =
        |field: &apollo_compiler::schema::FieldDefinition| field.directives.get("deprecated").is_some();
    fields.iter().map(|(name, field)| (name.to_string(), deprecated(field))).collect()
}

/// Interfaces of a type: what is selected of them is selected of the type.
fn interfaces_of(name: &str) -> Vec<String> {
    match schema().types.get(name) {
        Some(ExtendedType::Object(object)) => {
            object.implements_interfaces.iter().map(ToString::to_string).collect()
        }
        _ => Vec::new(),
    }
}

#[test]
fn every_readable_field_is_selected_or_has_a_reason() {
    let mut selected = BTreeMap::new();
    for document in documents().filter(|document| document.name.ends_with("_page")) {
        let parsed = parsed(document).unwrap();
        for operation in parsed.operations.iter() {
            collect(&operation.selection_set, &mut selected);
        }
    }
    let mut wrong = Vec::new();
    for kept in KEPT {
        let mut own = selected.get(kept.name).cloned().unwrap_or_default();
        for interface in interfaces_of(kept.name) {
            own.extend(selected.get(&interface).cloned().unwrap_or_default());
        }
        let fields = fields_of(kept.name);
        for (field, deprecated) in &fields {
            let reasons = kept.omitted.iter().chain(NOWHERE).filter(|(name, _)| name == field).count();
            if !own.contains(field) && reasons == 0 && !deprecated {
                wrong.push(format!("{}.{field} is neither selected nor omitted", kept.name));
            }
        }
        for (name, _) in kept.omitted {
            if !fields.iter().any(|(field, _)| field == name) {
                wrong.push(format!("{}.{name} does not exist", kept.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(KEPT.iter().any(|kept| kept.name == "Product"));
}

/// What is wrong with a topic, by the platform's own words of it.
fn wrong_topic(header: &str, name: &str, scope: &str) -> Option<&'static str> {
    let Some(ExtendedType::Enum(all)) = schema().types.get("WebhookSubscriptionTopic") else {
        panic!("the platform has no topics");
    };
    let Some(known) = all.values.get(name) else { return Some("it does not exist") };
    let words = known.description.as_ref().unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
    if !words.contains(&format!("`{header}`")) {
        return Some("messages spell it otherwise");
    }
    let needed = words.split_once("Requires ").map_or("", |(_, needed)| needed);
    let names =
        |scope: &str| needed.split(|c: char| !c.is_ascii_lowercase() && c != '_').any(|one| one == scope);
    let agrees = if scope.is_empty() { needed.is_empty() } else { names(scope) };
    (!agrees).then_some("it takes another scope")
}

#[test]
fn every_topic_is_the_platforms_with_both_names_and_its_scope() {
    let mut seen = 0;
    for topic in TOPICS.iter().filter(|topic| !topic.name.is_empty()) {
        assert_eq!(wrong_topic(topic.header, topic.name, topic.scope), None, "{}", topic.header);
        seen += 1;
    }
    assert!(seen > 30, "{seen}");
    // The others cannot be asked for.
    for topic in TOPICS.iter().filter(|topic| topic.name.is_empty()) {
        let name = topic.header.replace('/', "_").to_uppercase();
        assert_eq!(wrong_topic(topic.header, &name, ""), Some("it does not exist"), "{}", topic.header);
    }
    assert!(wrong_topic("products/updated", "PRODUCTS_UPDATE", "read_products").is_some());
    assert!(wrong_topic("products/update", "PRODUCTS_UPDATE", "read_orders").is_some());
    assert!(wrong_topic("products/update", "PRODUCTS_UPDATE", "").is_some());
}
