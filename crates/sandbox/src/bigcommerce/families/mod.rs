//! What is special about each kind: rows of the table, and small functions that the rows name.

use super::resource::{Handler, Resource};

mod categories;
mod customers;
mod hooks;
pub(crate) mod images;
mod metafields;
mod modifiers;
mod orders;
mod products;
mod store;
mod variants;

/// All collections.
pub(crate) const RESOURCES: &[&[Resource]] = &[
    categories::RESOURCES,
    customers::RESOURCES,
    hooks::RESOURCES,
    images::RESOURCES,
    metafields::RESOURCES,
    modifiers::RESOURCES,
    orders::RESOURCES,
    products::RESOURCES,
    store::RESOURCES,
    variants::RESOURCES,
];

/// All routes that are no collection: method, path with `*` for ids.
pub(crate) const ROUTES: &[&[(&str, &str, Handler)]] = &[
    categories::ROUTES,
    customers::ROUTES,
    hooks::ROUTES,
    images::ROUTES,
    metafields::ROUTES,
    modifiers::ROUTES,
    orders::ROUTES,
    products::ROUTES,
    store::ROUTES,
    variants::ROUTES,
];
