//! Every field of the schema can be asked of a generated store: none fails, none breaks its type's promise.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod support;

use apollo_compiler::Schema;
use apollo_compiler::ast::Type;
use apollo_compiler::schema::{ExtendedType, FieldDefinition};
use apollo_compiler::validation::Valid;
use sandbox::shopify::Settings;
use serde_json::{Value, json};
use support::Shop;

/// How deep objects are asked for below a root field.
const DEPTH: usize = 3;

fn is_leaf(schema: &Schema, name: &str) -> bool {
    matches!(schema.types.get(name), Some(ExtendedType::Scalar(_) | ExtendedType::Enum(_)))
}

/// Arguments for the fields that need some; `None` when this test has no value for one.
fn arguments(field: &FieldDefinition) -> Option<String> {
    let mut given = Vec::new();
    for argument in &field.arguments {
        let value = match argument.name.as_str() {
            "first" if field.ty.inner_named_type().ends_with("Connection") => "2",
            "first" if argument.is_required() => "2",
            _ if !argument.is_required() => continue,
            "names" => "[\"available\", \"on_hand\"]",
            "namespace" => "\"custom\"",
            "key" => "\"material\"",
            "locale" => "\"en\"",
            "limit" => "5",
            _ => return None,
        };
        given.push(format!("{}: {value}", argument.name));
    }
    Some(if given.is_empty() { String::new() } else { format!("({})", given.join(", ")) })
}

/// A selection of all fields of a type. Fields of fragments get names of their own, so that two types can differ.
fn selection(schema: &Valid<Schema>, type_name: &str, depth: usize, prefix: &str) -> String {
    let definition = schema.types.get(type_name).unwrap();
    let fields = match definition {
        ExtendedType::Object(object) => &object.fields,
        ExtendedType::Interface(_) | ExtendedType::Union(_) => {
            let mut text = "__typename".to_owned();
            for (name, member) in &schema.types {
                if matches!(member, ExtendedType::Object(_)) && schema.is_subtype(type_name, name) {
                    let inner = selection(schema, name, depth.saturating_sub(1), &format!("{name}_"));
                    if !inner.is_empty() {
                        text += &format!(" ... on {name} {{ {inner} }}");
                    }
                }
            }
            return text;
        }
        _ => return String::new(),
    };
    let mut parts = Vec::new();
    for (name, field) in fields {
        let inner_name = field.ty.inner_named_type();
        let Some(given) = arguments(field) else { continue };
        let key = format!("{prefix}{name}: {name}{given}");
        if is_leaf(schema, inner_name) {
            parts.push(key);
        } else if inner_name.ends_with("Connection") {
            if depth == 0 {
                continue;
            }
            let nodes = schema.type_field(inner_name, "nodes").unwrap().ty.inner_named_type().clone();
            if is_leaf(schema, &nodes) {
                parts.push(format!("{key} {{ nodes pageInfo {{ hasNextPage }} }}"));
                continue;
            }
            let inner = selection(schema, &nodes, depth - 1, "");
            parts.push(format!("{key} {{ nodes {{ {inner} }} pageInfo {{ hasNextPage }} }}"));
        } else if depth > 0 {
            let inner = selection(schema, inner_name, depth - 1, "");
            if !inner.is_empty() {
                parts.push(format!("{key} {{ {inner} }}"));
            }
        }
    }
    if parts.is_empty() { "__typename".to_owned() } else { parts.join(" ") }
}

/// Holds an answer against the declared type: no null where none may be, lists where lists are.
fn check(schema: &Schema, ty: &Type, value: &Value, path: &str, problems: &mut Vec<String>) {
    if value.is_null() {
        if ty.is_non_null() {
            problems.push(format!("{path} is null"));
        }
        return;
    }
    if ty.is_list() {
        match value.as_array() {
            Some(list) => list.iter().for_each(|item| check(schema, ty.item_type(), item, path, problems)),
            None => problems.push(format!("{path} is no list")),
        }
        return;
    }
    let name = ty.inner_named_type().as_str();
    let good = match (schema.types.get(name).unwrap(), name) {
        (ExtendedType::Enum(words), _) => value.as_str().is_some_and(|word| words.values.contains_key(word)),
        (ExtendedType::Scalar(_), "Int") => value.is_i64(),
        (ExtendedType::Scalar(_), "Boolean") => value.is_boolean(),
        (ExtendedType::Scalar(_), "Float") => value.is_number(),
        (ExtendedType::Scalar(_), "ID") => value.as_str().is_some_and(|id| id.starts_with("gid://shopify/")),
        (ExtendedType::Scalar(_), "UnsignedInt64") => {
            value.as_str().is_some_and(|number| number.parse::<u64>().is_ok())
        }
        (ExtendedType::Scalar(_), "Decimal" | "Money") => {
            value.as_str().is_some_and(|number| number.parse::<f64>().is_ok())
        }
        (ExtendedType::Scalar(_), "DateTime") => {
            value.as_str().is_some_and(|time| time.parse::<domain::Timestamp>().is_ok())
        }
        (ExtendedType::Scalar(_), "JSON") => true,
        (ExtendedType::Scalar(_), _) => value.is_string(),
        (ExtendedType::Object(object), _) => {
            for (key, inner) in value.as_object().unwrap() {
                if let Some(field) = object.fields.get(key.as_str()) {
                    check(schema, &field.ty, inner, &format!("{path}.{key}"), problems);
                }
            }
            true
        }
        // Fields of fragments carry their type's name: `Product_title`.
        _ => {
            for (key, inner) in value.as_object().unwrap() {
                if let Some((of, field)) = key.split_once('_').filter(|_| key != "__typename")
                    && let Ok(field) = schema.type_field(of, field)
                {
                    check(schema, &field.ty, inner, &format!("{path}.{key}"), problems);
                }
            }
            true
        }
    };
    if !good {
        problems.push(format!("{path}: {value} is no {name}"));
    }
}

#[tokio::test]
async fn every_field_can_be_read() {
    let schema = Schema::parse_and_validate(sandbox::shopify::SDL, "schema.graphql").unwrap();
    let settings =
        Settings { products: 12, customers: 6, orders: 12, query_cost_max: u64::MAX, ..Settings::default() };
    let shop = Shop::start(settings).await;
    let ExtendedType::Object(root) = schema.types.get("QueryRoot").unwrap() else { panic!("no root") };
    let mut asked = 0;
    let mut problems = Vec::new();
    for (name, field) in &root.fields {
        let inner = field.ty.inner_named_type();
        let given = match name.as_str() {
            "metafieldDefinitions" => Some("(first: 3, ownerType: PRODUCT)".to_owned()),
            "metaobjects" => Some("(first: 3, type: \"maker\")".to_owned()),
            _ => arguments(field),
        };
        let Some(given) = given else { continue };
        let query = if is_leaf(&schema, inner) {
            format!("{{ {name}{given} }}")
        } else if inner.ends_with("Connection") {
            let nodes = schema.type_field(inner, "nodes").unwrap().ty.inner_named_type().clone();
            if is_leaf(&schema, &nodes) {
                format!("{{ {name}{given} {{ nodes }} }}")
            } else {
                format!("{{ {name}{given} {{ nodes {{ {} }} }} }}", selection(&schema, &nodes, DEPTH, ""))
            }
        } else {
            format!("{{ {name}{given} {{ {} }} }}", selection(&schema, inner, DEPTH, ""))
        };
        let answer = shop.ask(&query, json!({})).await;
        if let Some(errors) = answer.get("errors") {
            problems.push(format!("{name}: {}", errors.to_string().chars().take(600).collect::<String>()));
            continue;
        }
        check(&schema, &field.ty, &answer["data"][name.as_str()], name, &mut problems);
        asked += 1;
    }
    problems.sort();
    problems.dedup();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert!(asked > 40, "{asked}");
}
