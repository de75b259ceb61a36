//! What is special about each kind: rows of the table, and small functions that the rows name.

use super::resource::{Handler, Resource};

mod categories;
mod channels;
mod content;
pub(crate) mod customers;
pub(crate) mod documents;
mod hooks;
pub(crate) mod images;
mod marketing;
mod metafields;
mod modifiers;
mod orders;
mod places;
mod prices;
mod products;
mod store;
pub(crate) mod themes;
mod variants;
mod widgets;

pub(crate) use categories::assign_channel;

/// All collections.
pub(crate) const RESOURCES: &[&[Resource]] = &[
    categories::RESOURCES,
    channels::RESOURCES,
    content::RESOURCES,
    customers::RESOURCES,
    documents::RESOURCES,
    hooks::RESOURCES,
    images::RESOURCES,
    marketing::RESOURCES,
    metafields::RESOURCES,
    modifiers::RESOURCES,
    orders::RESOURCES,
    places::RESOURCES,
    prices::RESOURCES,
    products::RESOURCES,
    store::RESOURCES,
    themes::RESOURCES,
    variants::RESOURCES,
    widgets::RESOURCES,
];

/// All routes that are no collection: method, path with `*` for ids.
pub(crate) const ROUTES: &[&[(&str, &str, Handler)]] = &[
    categories::ROUTES,
    channels::ROUTES,
    content::ROUTES,
    customers::ROUTES,
    documents::ROUTES,
    hooks::ROUTES,
    images::ROUTES,
    marketing::ROUTES,
    metafields::ROUTES,
    modifiers::ROUTES,
    orders::ROUTES,
    places::ROUTES,
    prices::ROUTES,
    products::ROUTES,
    store::ROUTES,
    themes::ROUTES,
    variants::ROUTES,
    widgets::ROUTES,
];
