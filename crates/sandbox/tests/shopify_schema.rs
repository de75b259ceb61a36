//! Our schema is a subset of the official one: every name, type, default and required argument.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::io::Read as _;
use std::path::{Path, PathBuf};

use apollo_compiler::Schema;
use apollo_compiler::ast::Type;
use apollo_compiler::schema::{ExtendedType, FieldDefinition, InputValueDefinition};
use apollo_compiler::validation::Valid;

const HOW: &str = "the official Admin schema 2026-10 was not found. Set SHOPIFY_SCHEMA to its SDL (plain or .gz), or \
                   put it into .cache/shopify/admin-schema.2026-10.graphql below the workspace: the npm package \
                   @shopify/dev-mcp 1.16.0 holds it as introspection JSON in dist/data, which graphql-js prints as SDL";

/// The official schema, from the first place that has it.
fn official() -> Valid<Schema> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let places = [
        std::env::var_os("SHOPIFY_SCHEMA").map(PathBuf::from),
        Some(root.join("../shared/data/shopify/admin-schema.2026-10.graphql.gz")),
        Some(root.join(".cache/shopify/admin-schema.2026-10.graphql")),
        Some(root.join(".cache/shopify/admin-schema.2026-10.graphql.gz")),
    ];
    let path = places.into_iter().flatten().find(|path| path.is_file()).unwrap_or_else(|| panic!("{HOW}"));
    let bytes = std::fs::read(&path).unwrap();
    let text = if path.extension().is_some_and(|end| end == "gz") {
        let mut text = String::new();
        flate2::read::GzDecoder::new(bytes.as_slice()).read_to_string(&mut text).unwrap();
        text
    } else {
        String::from_utf8(bytes).unwrap()
    };
    // Printed SDL uses the directive without defining it.
    let text = if text.contains("directive @oneOf") {
        text
    } else {
        format!("directive @oneOf on INPUT_OBJECT\n{text}")
    };
    Schema::parse_and_validate(text, "official.graphql")
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Our schema itself must be valid GraphQL.
fn ours(sdl: &str) -> Valid<Schema> {
    Schema::parse_and_validate(sdl, "schema.graphql").unwrap_or_else(|error| panic!("{error}"))
}

/// Everything in which `ours` goes beyond `official`.
fn differences(ours: &Schema, official: &Schema) -> Vec<String> {
    let mut found = Vec::new();
    for (name, own) in &ours.types {
        if own.is_built_in() {
            continue;
        }
        let Some(theirs) = official.types.get(name) else {
            found.push(format!("type {name} does not exist"));
            continue;
        };
        match (own, theirs) {
            (ExtendedType::Scalar(_), ExtendedType::Scalar(_)) => {}
            (ExtendedType::Object(own), ExtendedType::Object(theirs)) => {
                for interface in &own.implements_interfaces {
                    if !theirs.implements_interfaces.iter().any(|known| known.name == interface.name) {
                        found.push(format!("{name} does not implement {interface}"));
                    }
                }
                for (field, definition) in &own.fields {
                    compare_field(
                        name,
                        definition,
                        theirs.fields.get(field).map(|field| &***field),
                        &mut found,
                    );
                }
            }
            (ExtendedType::Interface(own), ExtendedType::Interface(theirs)) => {
                for (field, definition) in &own.fields {
                    compare_field(
                        name,
                        definition,
                        theirs.fields.get(field).map(|field| &***field),
                        &mut found,
                    );
                }
            }
            (ExtendedType::Union(own), ExtendedType::Union(theirs)) => {
                for member in &own.members {
                    if !theirs.members.iter().any(|known| known.name == member.name) {
                        found.push(format!("{member} is no member of {name}"));
                    }
                }
            }
            (ExtendedType::Enum(own), ExtendedType::Enum(theirs)) => {
                for word in own.values.keys() {
                    if !theirs.values.contains_key(word) {
                        found.push(format!("{name} has no value {word}"));
                    }
                }
            }
            (ExtendedType::InputObject(own), ExtendedType::InputObject(theirs)) => {
                let one_of = |directives: &apollo_compiler::schema::DirectiveList| {
                    directives.iter().any(|one| one.name == "oneOf")
                };
                if one_of(&own.directives) != one_of(&theirs.directives) {
                    found.push(format!("{name} differs in @oneOf"));
                }
                for (field, definition) in &own.fields {
                    let known = theirs.fields.get(field).map(|field| &***field);
                    compare_input(&format!("{name}.{field}"), definition, known, &mut found);
                }
                for (field, definition) in &theirs.fields {
                    if definition.is_required() && !own.fields.contains_key(field) {
                        found.push(format!("{name}.{field} is required and missing here"));
                    }
                }
            }
            _ => found.push(format!("{name} is of another sort")),
        }
    }
    found
}

fn same(own: &Type, theirs: &Type) -> bool {
    own.to_string() == theirs.to_string()
}

fn compare_field(of: &str, own: &FieldDefinition, theirs: Option<&FieldDefinition>, found: &mut Vec<String>) {
    let place = format!("{of}.{}", own.name);
    let Some(theirs) = theirs else {
        found.push(format!("{place} does not exist"));
        return;
    };
    if !same(&own.ty, &theirs.ty) {
        found.push(format!("{place} is {} and not {}", theirs.ty, own.ty));
    }
    for argument in &own.arguments {
        let known = theirs.arguments.iter().find(|known| known.name == argument.name).map(|known| &**known);
        compare_input(&format!("{place}({})", argument.name), argument, known, found);
    }
    for argument in theirs.arguments.iter().filter(|argument| argument.is_required()) {
        if !own.arguments.iter().any(|known| known.name == argument.name) {
            found.push(format!("{place}({}) is required and missing here", argument.name));
        }
    }
}

fn compare_input(
    place: &str,
    own: &InputValueDefinition,
    theirs: Option<&InputValueDefinition>,
    found: &mut Vec<String>,
) {
    let Some(theirs) = theirs else {
        found.push(format!("{place} does not exist"));
        return;
    };
    if !same(&own.ty, &theirs.ty) {
        found.push(format!("{place} is {} and not {}", theirs.ty, own.ty));
    }
    let default = |value: &InputValueDefinition| value.default_value.as_ref().map(ToString::to_string);
    if default(own) != default(theirs) {
        found.push(format!("{place} has the default {:?} and not {:?}", default(theirs), default(own)));
    }
}

#[test]
fn every_type_field_argument_and_word_is_the_official_one() {
    let found = differences(&ours(sandbox::shopify::SDL), &official());
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn the_comparison_finds_each_sort_of_difference() {
    let official = official();
    let check = |from: &str, to: &str, expected: &str| {
        assert!(sandbox::shopify::SDL.contains(from), "{from}");
        let found = differences(&ours(&sandbox::shopify::SDL.replacen(from, to, 1)), &official);
        assert!(found.iter().any(|line| line.contains(expected)), "{from} -> {to}: {found:?}");
    };
    check(
        "  descriptionHtml: HTML!\n",
        "  descriptionHtml: HTML!\n  titel: String\n",
        "titel does not exist",
    );
    check("  descriptionHtml: HTML!\n", "  descriptionHtml: HTML\n", "descriptionHtml is HTML! and not HTML");
    check(
        "input ProductSetIdentifiers @oneOf {",
        "input ProductSetIdentifiers {",
        "ProductSetIdentifiers differs in @oneOf",
    );
    check("metaobjects(", "metaobjects(colour: String, ", "metaobjects(colour) does not exist");
    check("mutation: String!, ", "", "bulkOperationRunMutation(mutation) is required and missing here");
    check("synchronous: Boolean = true", "synchronous: Boolean = false", "has the default");
    check(
        "enum ProductStatus {\n  ",
        "enum ProductStatus {\n  SLEEPING ",
        "ProductStatus has no value SLEEPING",
    );
}
