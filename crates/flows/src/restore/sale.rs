//! Sales that were made at prices which a restore takes back.

use std::collections::BTreeSet;

use connectors::contract::SaleRule;
use connectors::tree;
use domain::Kind;
use repository::RepositoryError;
use serde_json::Value;

use super::as_json;
use super::candidate::Candidate;
use super::look::Parts;
use super::plan::{RevertedOrder, Selection};
use crate::error::Result;

/// Orders placed since the window of a revert began, of something whose price is taken back.
pub(super) async fn orders(parts: &Parts<'_>, candidates: &[Candidate]) -> Result<Vec<RevertedOrder>> {
    let Selection::Revert(from, _) = parts.ask.selection else { return Ok(Vec::new()) };
    let priced: BTreeSet<&str> = candidates.iter().flat_map(priced).collect();
    if priced.is_empty() {
        return Ok(Vec::new());
    }
    let since = parts.reader.commit_at(from).await?.commit.taken_at;
    let head = parts.reader.latest().await?;
    let mut orders = Vec::new();
    for (spec, rule) in parts.store.kinds().iter().filter_map(|spec| Some((spec, spec.sale?))) {
        let kind = Kind::new(spec.name).map_err(RepositoryError::from)?;
        let mut scan = parts.reader.scan(&kind, head.name.number, None).await?;
        while let Some(record) = scan.next().await? {
            let sale = as_json(spec, &record.payload)?;
            let Sold { name, created_at, variants } = sold(&rule, &sale, &priced);
            let before =
                connectors::contract::time(&created_at).is_some_and(|at| at.as_second() < since.as_second());
            if !before && !variants.is_empty() {
                orders.push(RevertedOrder { id: record.key.id.clone(), name, created_at, variants });
            }
        }
    }
    Ok(orders)
}

/// What has a price that would change.
fn priced(candidate: &Candidate) -> impl Iterator<Item = &str> {
    let changes = candidate.item.plan.fields.iter();
    changes.filter_map(|field| {
        candidate.spec.prices.iter().find_map(|price| bearer(price, &field.path, &candidate.item.id))
    })
}

/// Whose price a changed field is: the element that the pattern's last `*` stands for, or else the item. `None` where
/// the field is no such price.
fn bearer<'a>(price: &str, path: &'a str, item: &'a str) -> Option<&'a str> {
    let (mut rest, mut bearer) = (path, item);
    for segment in price.split('/').skip(1) {
        rest = rest.strip_prefix('/')?;
        if segment == "*" {
            let (element, after) = rest.strip_prefix('[')?.split_once(']')?;
            (bearer, rest) = (element, after);
        } else {
            rest = rest.strip_prefix(segment)?;
        }
    }
    rest.is_empty().then_some(bearer)
}

/// What a sale's record tells.
struct Sold {
    name: String,
    created_at: String,
    variants: Vec<String>,
}

fn sold(rule: &SaleRule, sale: &Value, priced: &BTreeSet<&str>) -> Sold {
    let text = |pointer: &str| sale.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let bought = tree::select(sale, rule.sold).into_iter().filter_map(Value::as_str);
    let variants = bought.filter(|one| priced.contains(one)).map(str::to_owned).collect();
    Sold { name: text(rule.name), created_at: text(rule.placed_at), variants }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_price_is_that_of_an_element_or_of_the_item() {
        let check = |price: &str, path: &str, expected: Option<&str>| {
            assert_eq!(bearer(price, path, "item"), expected, "{price} {path}");
        };
        check("/variants/*/price", "/variants/[gid://shop/Variant/1]/price", Some("gid://shop/Variant/1"));
        check("/variants/*/price", "/variants/[gid://shop/Variant/1]/prices", None);
        check("/variants/*/price", "/variants/[gid://shop/Variant/1]", None);
        check("/variants/*/price", "/title", None);
        check("/price", "/price", Some("item"));
        check("/price", "/variants/[1]/price", None);
        check("/rows/*/prices/*/amount", "/rows/[a]/prices/[b]/amount", Some("b"));
    }

    #[test]
    fn of_a_sale_counts_what_was_sold_at_those_prices() {
        let rule = SaleRule { name: "/number", placed_at: "/date", sold: "/rows/*/thing" };
        let sale = json!({"number": "R7", "date": "2026-01-01T00:00:00Z", "rows": [{"thing": "a"}, {"thing": "b"}, {}]});
        let found = sold(&rule, &sale, &BTreeSet::from(["b", "c"]));
        assert_eq!((found.name.as_str(), found.created_at.as_str()), ("R7", "2026-01-01T00:00:00Z"));
        assert_eq!(found.variants, ["b"]);
        assert!(sold(&rule, &sale, &BTreeSet::new()).variants.is_empty());
    }
}
