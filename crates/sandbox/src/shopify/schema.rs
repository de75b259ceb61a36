//! The schema that the practice store speaks, parsed once.

use std::collections::HashSet;
use std::sync::OnceLock;

use apollo_compiler::ast::Type;
use apollo_compiler::schema::{ExtendedType, FieldDefinition};
use apollo_compiler::validation::Valid;
use apollo_compiler::{Node, Schema};

use super::StartError;

/// The version that the schema describes, and the only one that is served.
pub(crate) const VERSION: &str = "2026-10";

/// Our subset of the Admin API, in SDL.
pub const SDL: &str = include_str!("schema.graphql");

static SCHEMA: OnceLock<Valid<Schema>> = OnceLock::new();
static NAMES: OnceLock<HashSet<&'static str>> = OnceLock::new();

/// Parses the schema; later calls are free.
pub(crate) fn load() -> Result<&'static Valid<Schema>, StartError> {
    if let Some(schema) = SCHEMA.get() {
        return Ok(schema);
    }
    let parsed = Schema::parse_and_validate(SDL, "schema.graphql")
        .map_err(|error| StartError::Schema(error.to_string()))?;
    Ok(SCHEMA.get_or_init(|| parsed))
}

/// The schema, when [`load`] has run.
pub(crate) fn schema() -> Option<&'static Valid<Schema>> {
    SCHEMA.get()
}

/// The schema's own copy of a field or type name.
pub(crate) fn intern(name: &str) -> Option<&'static str> {
    let names = NAMES.get_or_init(|| {
        let mut names = HashSet::new();
        let Some(schema) = schema() else { return names };
        for (type_name, definition) in &schema.types {
            names.insert(type_name.as_str());
            match definition {
                ExtendedType::Object(object) => names.extend(object.fields.keys().map(|name| name.as_str())),
                ExtendedType::Interface(interface) => {
                    names.extend(interface.fields.keys().map(|name| name.as_str()));
                }
                ExtendedType::InputObject(input) => {
                    names.extend(input.fields.keys().map(|name| name.as_str()));
                }
                ExtendedType::Enum(words) => names.extend(words.values.keys().map(|name| name.as_str())),
                ExtendedType::Scalar(_) | ExtendedType::Union(_) => {}
            }
        }
        names
    });
    names.get(name).copied()
}

/// The definition of a field of an object or interface type.
pub(crate) fn field(type_name: &str, field_name: &str) -> Option<&'static Node<FieldDefinition>> {
    schema()?.type_field(type_name, field_name).ok().map(|component| &component.node)
}

/// The definition of a named type.
pub(crate) fn definition(name: &str) -> Option<&'static ExtendedType> {
    schema()?.types.get(name)
}

/// The object type's name when `name` is one, so that a value of this declared type needs no closer look.
pub(crate) fn object_type(name: &str) -> Option<&'static str> {
    let (name, definition) = schema()?.types.get_key_value(name)?;
    matches!(definition, ExtendedType::Object(_)).then(|| name.as_str())
}

/// Whether a value of the object type `concrete` matches a condition on `condition`.
pub(crate) fn matches(condition: &str, concrete: &str) -> bool {
    condition == concrete || schema().is_some_and(|schema| schema.is_subtype(condition, concrete))
}

/// What a field's value looks like from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Leaf,
    Object,
    List,
    /// A page of objects, with the type of its nodes.
    Connection(&'static str),
}

/// The shape of a type.
pub(crate) fn shape(ty: &'static Type) -> Shape {
    if ty.is_list() {
        return Shape::List;
    }
    let name = ty.inner_named_type();
    match definition(name) {
        Some(ExtendedType::Object(_)) if name.ends_with("Connection") => field(name, "nodes")
            .map_or(Shape::Object, |nodes| Shape::Connection(nodes.ty.inner_named_type().as_str())),
        Some(ExtendedType::Object(_) | ExtendedType::Interface(_) | ExtendedType::Union(_)) => Shape::Object,
        _ => Shape::Leaf,
    }
}

/// The first word of an enum: what a field that must not be null shows when nothing was ever set.
pub(crate) fn first_word(name: &str) -> Option<&'static str> {
    match definition(name)? {
        ExtendedType::Enum(words) => words.values.keys().next().map(|name| name.as_str()),
        _ => None,
    }
}

/// The object types that a value of this declared type may have.
pub(crate) fn object_types(name: &str) -> Vec<&'static str> {
    if let Some(name) = object_type(name) {
        return vec![name];
    }
    let Some(schema) = schema() else { return Vec::new() };
    match schema.types.get(name) {
        Some(ExtendedType::Interface(_) | ExtendedType::Union(_)) => schema
            .types
            .iter()
            .filter(|(_, definition)| definition.is_object())
            .map(|(concrete, _)| concrete.as_str())
            .filter(|concrete| schema.is_subtype(name, concrete))
            .collect(),
        _ => Vec::new(),
    }
}
