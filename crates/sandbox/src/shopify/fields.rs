//! What fields answer that the state does not simply hold under their name.
//!
//! A row per field: type, field, function. Everything else is read from the object itself.

use std::collections::HashMap;
use std::sync::OnceLock;

use super::node::{Ctx, FieldError, Node, Out};
use super::plan::Field;

mod catalog;
mod content;
mod markets;
mod membership;
mod metadata;
mod people;
mod pricing;
mod publishing;
mod roots;
mod translations;

/// Finds a field's value.
pub(crate) type Resolver = for<'a> fn(&Ctx<'a>, &Node<'a>, &Field<'_>) -> Result<Out<'a>, FieldError>;

/// A row: type (`*` for every type), field, function.
type Row = (&'static str, &'static str, Resolver);

const TABLES: &[&[Row]] = &[
    roots::ROWS,
    catalog::ROWS,
    metadata::ROWS,
    publishing::ROWS,
    content::ROWS,
    people::ROWS,
    markets::ROWS,
    pricing::ROWS,
    translations::ROWS,
];

static RESOLVERS: OnceLock<HashMap<(&'static str, &'static str), Resolver>> = OnceLock::new();

/// The function for a field, when it has one.
pub(crate) fn resolver(type_name: &str, field: &str) -> Option<Resolver> {
    let all = RESOLVERS.get_or_init(|| {
        TABLES
            .iter()
            .flat_map(|table| table.iter())
            .map(|(of, field, resolve)| ((*of, *field), *resolve))
            .collect()
    });
    all.get(&(type_name, field)).or_else(|| all.get(&("*", field))).copied()
}

pub(crate) use catalog::{only_default, variant_title};
pub(crate) use membership::members;
pub(crate) use metadata::{OWNERS, digest, owner_type};
pub(crate) use people::consent;
pub(crate) use roots::scan;

/// The text without its tags.
pub(crate) fn plain(html: &str) -> String {
    let mut text = String::with_capacity(html.len());
    let mut inside = false;
    for c in html.chars() {
        match c {
            '<' => inside = true,
            '>' => inside = false,
            _ if !inside => text.push(c),
            _ => {}
        }
    }
    text
}
