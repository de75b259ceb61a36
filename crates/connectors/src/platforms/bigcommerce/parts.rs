//! What belongs to an item and stands elsewhere.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::Value;

use super::BigCommerce;
use super::assemble::own_id;
use super::pages::{Pager, Place};
use super::reading::{From, List, Owner, PAGE, Part, Reading, Way};
use crate::contract::{Fault, number_of};

/// Lists of single items that are read at once.
const LISTS_AT_ONCE: usize = 8;

/// A line of an item, beside its own: where it belongs, and what it holds.
pub(super) struct PartLine {
    /// The item's id.
    pub(super) id: String,
    /// The field, and which element of it; the field alone where the line holds all of them.
    pub(super) part: String,
    pub(super) value: Value,
}

/// Each item with the lists that are its own, in the order of the items.
pub(super) async fn each(
    shop: &BigCommerce,
    reading: &'static Reading,
    nodes: Vec<Value>,
) -> Result<Vec<(Value, Vec<PartLine>)>, Fault> {
    let with: Vec<_> = nodes.into_iter().map(|node| own_lists(shop, reading, node)).collect();
    stream::iter(with).buffered(LISTS_AT_ONCE).try_collect().await
}

async fn own_lists(
    shop: &BigCommerce,
    reading: &'static Reading,
    node: Value,
) -> Result<(Value, Vec<PartLine>), Fault> {
    let id = own_id(reading, &node)?;
    let mut lines = Vec::new();
    for Part { field, from } in reading.parts {
        let From::Each { list, when } = from else { continue };
        if when(&node) {
            let elements = Pager::new(&shop.client, list, &number(&id), &[], Place::default()).rest().await?;
            lines.push(PartLine { id: id.clone(), part: (*field).to_owned(), value: Value::Array(elements) });
        }
    }
    Ok((node, lines))
}

/// An id as paths and filters have it: the number alone.
pub(super) fn number(id: &str) -> String {
    number_of(id).map_or_else(|| id.to_owned(), |number| number.to_string())
}

/// Variants, and whose they are: what a variant's metafield does not tell.
#[derive(Debug, Default)]
pub(super) struct Variants(BTreeMap<u64, u64>);

impl Variants {
    /// Notes those of a product that was read.
    pub(super) fn note(&mut self, product: &Value) {
        let Some(id) = product.get("id").and_then(Value::as_u64) else { return };
        for variant in product.get("variants").and_then(Value::as_array).into_iter().flatten() {
            if let Some(variant) = variant.get("id").and_then(Value::as_u64) {
                self.0.insert(variant, id);
            }
        }
    }

    /// Those of all products.
    pub(super) async fn all(shop: &BigCommerce) -> Result<Self, Fault> {
        static VARIANTS: List = List {
            path: "v3/catalog/variants",
            query: &[("include_fields", "product_id")],
            way: Way::Pages,
            limit: PAGE,
        };
        let mut found = BTreeMap::new();
        for one in Pager::new(&shop.client, &VARIANTS, "", &[], Place::default()).rest().await? {
            let ids = (one.get("id").and_then(Value::as_u64), one.get("product_id").and_then(Value::as_u64));
            if let (Some(id), Some(product)) = ids {
                found.insert(id, product);
            }
        }
        Ok(Self(found))
    }
}

/// The item that an element of a list belongs to; `None` where that is not known (any more).
pub(super) fn owner(kind: &str, owner: Owner, element: &Value, variants: &Variants) -> Option<String> {
    let at = |pointer| element.pointer(pointer).and_then(Value::as_u64);
    let number = match owner {
        Owner::At(pointer) => at(pointer)?,
        Owner::Variant(pointer) => *variants.0.get(&at(pointer)?)?,
    };
    Some(format!("{kind}/{number}"))
}

/// The lines of a list for all items that belong to these ones. Where asking for each owner takes fewer requests than the
/// whole list, each is asked for.
pub(super) async fn of_owners(
    shop: &BigCommerce,
    reading: &'static Reading,
    ids: &BTreeSet<String>,
    variants: &Variants,
) -> Result<Vec<PartLine>, Fault> {
    let mut lines = Vec::new();
    if ids.is_empty() {
        return Ok(lines);
    }
    for Part { field, from } in reading.parts {
        let From::Bulk { list, owner: of, own, .. } = from else { continue };
        let mut pager = Pager::new(&shop.client, list, "", &[], Place::default());
        let mut elements = pager.next().await?.unwrap_or_default();
        let pages_left =
            pager.total.unwrap_or(u64::MAX).saturating_sub(elements.len() as u64).div_ceil(u64::from(PAGE));
        if !pager.place.done && own.is_some() && pages_left > ids.len() as u64 {
            elements.clear();
            for id in ids {
                let list = List { path: own.unwrap_or_default(), way: Way::Pages, ..*list };
                elements.append(
                    &mut Pager::new(&shop.client, &list, &number(id), &[], Place::default()).rest().await?,
                );
            }
        } else {
            elements.append(&mut pager.rest().await?);
        }
        for element in elements {
            let id = owner(reading.kind, *of, &element, variants);
            if let Some(id) = id.filter(|id| ids.contains(id)) {
                lines.push(line(id, field, element));
            }
        }
    }
    Ok(lines)
}

/// The line of one element of a list that all items share.
pub(super) fn line(id: String, field: &str, element: Value) -> PartLine {
    let which = element.get("id").map_or_else(|| element.to_string(), Value::to_string);
    PartLine { id, part: format!("{field}/{which}"), value: element }
}
