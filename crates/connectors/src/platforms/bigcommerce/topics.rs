//! What BigCommerce tells of by itself: the events of each kind, and what is asked for to be told of them.
//!
//! Source: the platform's pages on the events. Of brands, promotions, coupons, gift certificates, pages, blog posts, redirects,
//! widgets and settings nothing is told, or of parts of them alone.

use std::collections::BTreeSet;

use crate::contract::KindSpec;

pub(super) const STORE: &[&str] = &["store/information/updated"];

pub(super) const LOCATION: &[&str] = &[
    "store/inventory/location/created",
    "store/inventory/location/updated",
    "store/inventory/location/metafield/created",
    "store/inventory/location/metafield/updated",
    "store/inventory/location/metafield/deleted",
];

pub(super) const CHANNEL: &[&str] = &[
    "store/channel/created",
    "store/channel/updated",
    "store/channel/metafield/created",
    "store/channel/metafield/updated",
    "store/channel/metafield/deleted",
];

pub(super) const CATEGORY: &[&str] = &[
    "store/category/created",
    "store/category/updated",
    "store/category/deleted",
    "store/category/metafield/created",
    "store/category/metafield/updated",
    "store/category/metafield/deleted",
];

pub(super) const BRAND: &[&str] =
    &["store/brand/metafield/created", "store/brand/metafield/updated", "store/brand/metafield/deleted"];

pub(super) const PRODUCT: &[&str] = &[
    "store/product/created",
    "store/product/updated",
    "store/product/deleted",
    "store/product/metafield/created",
    "store/product/metafield/updated",
    "store/product/metafield/deleted",
    "store/sku/created",
    "store/sku/updated",
    "store/sku/deleted",
    "store/product/variant/metafield/created",
    "store/product/variant/metafield/updated",
    "store/product/variant/metafield/deleted",
    "store/product/inventory/updated",
    "store/sku/inventory/updated",
];

pub(super) const PRICE_LIST: &[&str] = &[
    "store/priceList/created",
    "store/priceList/updated",
    "store/priceList/activated",
    "store/priceList/deactivated",
    "store/priceList/deleted",
    "store/priceLists/deleted",
    "store/priceList/record/created",
    "store/priceList/record/updated",
    "store/priceList/record/deleted",
    "store/priceList/records/created",
    "store/priceList/records/updated",
    "store/priceList/records/deleted",
    "store/priceList/assignment/updated",
    "store/priceList/assignment/deleted",
];

pub(super) const CUSTOMER: &[&str] = &[
    "store/customer/created",
    "store/customer/updated",
    "store/customer/deleted",
    "store/customer/address/created",
    "store/customer/address/updated",
    "store/customer/address/deleted",
];

pub(super) const SUBSCRIBER: &[&str] =
    &["store/subscriber/created", "store/subscriber/updated", "store/subscriber/deleted"];

pub(super) const ORDER: &[&str] = &[
    "store/order/created",
    "store/order/updated",
    "store/order/archived",
    "store/order/statusUpdated",
    "store/order/message/created",
    "store/order/refund/created",
    "store/shipment/created",
    "store/shipment/updated",
    "store/shipment/deleted",
    "store/order/metafield/created",
    "store/order/metafield/updated",
    "store/order/metafield/deleted",
];

pub(super) const STOCK: &[&str] = &["store/product/inventory/updated", "store/sku/inventory/updated"];

/// Events of which all below are told under one hook. Others are asked for one by one.
/// Source: the platform's pages on the events.
const WHOLE: &[&str] = &[
    "store/brand/metafield",
    "store/category",
    "store/channel",
    "store/customer",
    "store/customer/address",
    "store/inventory/location/metafield",
    "store/order",
    "store/product",
    "store/product/metafield",
    "store/product/variant/metafield",
    "store/shipment",
    "store/sku",
    "store/subscriber",
];

/// What is asked for, for what is told of a kind.
fn scope_of(topic: &str) -> String {
    let whole = topic.rsplit_once('/').map(|(begin, _)| begin).filter(|begin| WHOLE.contains(begin));
    whole.map_or_else(|| topic.to_owned(), |begin| format!("{begin}/*"))
}

/// What is asked for, for these kinds.
pub(super) fn scopes<'a>(kinds: impl Iterator<Item = &'a KindSpec>) -> BTreeSet<String> {
    kinds.flat_map(|kind| kind.told).map(|topic| scope_of(topic)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platforms::bigcommerce::kinds::KINDS;

    #[test]
    fn what_is_told_of_all_below_is_asked_for_at_once_and_the_rest_one_by_one() {
        assert_eq!(scope_of("store/product/created"), "store/product/*");
        assert_eq!(scope_of("store/product/metafield/created"), "store/product/metafield/*");
        assert_eq!(scope_of("store/priceList/created"), "store/priceList/created");
        let all = scopes(KINDS.iter());
        for whole in WHOLE {
            assert!(all.contains(&format!("{whole}/*")), "{whole}");
        }
        assert!(all.iter().all(|scope| !all.contains(&format!("{scope}/*"))));
    }
}
