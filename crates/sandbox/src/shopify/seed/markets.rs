//! Markets, and what goes with them.

use crate::shopify::seed::products::metafield;
use crate::shopify::store::Store;
use crate::shopify::value::{Gid, Kind, Obj, Val, obj};

fn countries(store: &mut Store, codes: &[&'static str]) -> Obj {
    let mut regions = Vec::new();
    for code in codes {
        let id = store.mint(Kind::MarketRegionCountry);
        let region =
            obj! { "__typename": "MarketRegionCountry", "id": Val::Id(id), "code": *code, "name": *code };
        regions.push(Val::from(region));
    }
    obj! { "regionsCondition": obj! { "applicationLevel": "SPECIFIED", "regions": regions } }
}

/// The market that every shop has, and the web presence of its own address.
pub(super) fn basics(store: &mut Store, opened: i64) {
    let english = store.by_key(Kind::ShopLocale, "en");
    let domain = store.get(store.shop).and_then(|shop| shop.get("primaryDomain").cloned());
    let presence = store.insert(Kind::MarketWebPresence, obj! { "defaultLocale": english, "domain": domain });
    let conditions = countries(store, &["DE"]);
    store.insert(
        Kind::Market,
        obj! {
            "name": "Germany", "handle": "germany", "status": "ACTIVE", "primary": true, "conditions": conditions,
            "webPresences": vec![presence], "createdAt": Val::Time(opened), "updatedAt": Val::Time(opened),
        },
    );
}

/// A market abroad with an address of its own, and one for those who come to the shop floor.
pub(super) fn fill(store: &mut Store, at: i64) {
    let (english, german) = (store.by_key(Kind::ShopLocale, "en"), store.by_key(Kind::ShopLocale, "de"));
    let others: Vec<Gid> = german.into_iter().collect();
    let presence = store.insert(
        Kind::MarketWebPresence,
        obj! { "defaultLocale": english, "alternateLocales": others, "subfolderSuffix": "alps" },
    );
    let conditions = countries(store, &["AT", "CH"]);
    let note = metafield(store, "custom", "carrier", "single_line_text_field", Val::Lit("Sample Post"), at);
    store.insert(
        Kind::Market,
        obj! {
            "name": "Alps", "handle": "alps", "status": "ACTIVE", "conditions": conditions, "webPresences": vec![presence],
            "currencySettings": obj! {
                "baseCurrency": obj! { "currencyCode": "CHF", "currencyName": "CHF", "enabled": true, "manualRate": "0.95" },
                "localCurrencies": true, "roundingEnabled": true,
            },
            "priceInclusions": obj! {
                "inclusiveDutiesPricingStrategy": "ADD_DUTIES_AT_CHECKOUT", "inclusiveTaxPricingStrategy": "INCLUDES_TAXES_IN_PRICE",
            },
            "metafields": vec![note], "createdAt": Val::Time(at), "updatedAt": Val::Time(at),
        },
    );
    if let Some(floor) = store.by_key(Kind::Location, "Shop floor") {
        let condition = obj! { "applicationLevel": "SPECIFIED", "locations": vec![floor] };
        store.insert(
            Kind::Market,
            obj! {
                "name": "Shop floor", "handle": "shop-floor", "status": "DRAFT", "conditions": obj! { "locationsCondition": condition },
                "createdAt": Val::Time(at), "updatedAt": Val::Time(at),
            },
        );
    }
}

/// Prices and a choice of goods for the market abroad.
pub(super) fn prices(store: &mut Store, products: &[Gid], at: i64) {
    let money = |cents: i64| obj! { "amount": Val::Cents(cents), "currencyCode": "CHF" };
    let variants: Vec<Gid> = store.gids(Kind::ProductVariant).take(4).collect();
    let mut fixed = Vec::new();
    for (turn, variant) in (0_i64..).zip(&variants) {
        let id = store.mint(Kind::QuantityPriceBreak);
        let larger = obj! { "id": Val::Id(id), "minimumQuantity": 10_i64, "price": money(1_500 + turn) };
        let breaks = if turn == 0 { vec![Val::from(larger)] } else { Vec::new() };
        let before = (turn == 1).then(|| money(3_000));
        fixed.push(Val::from(
            obj! { "variant": *variant, "price": money(2_000 + turn), "compareAtPrice": before, "breaks": breaks },
        ));
    }
    let rule = variants.first().map(|variant| {
        Val::from(obj! { "variant": *variant, "minimum": 2_i64, "maximum": 20_i64, "increment": 2_i64 })
    });
    let list = store.insert(
        Kind::PriceList,
        obj! {
            "name": "Alps", "currency": "CHF", "prices": fixed, "rules": rule.into_iter().collect::<Vec<_>>(),
            "parent": obj! {
                "adjustment": obj! { "type": "PERCENTAGE_INCREASE", "value": 12.5 }, "settings": obj! { "compareAtMode": "NULLIFY" },
            },
            "createdAt": Val::Time(at), "updatedAt": Val::Time(at),
        },
    );
    let Some(market) = store.by_key(Kind::Market, "alps") else { return };
    let catalog = store.insert(
        Kind::MarketCatalog,
        obj! {
            "title": "Alps", "status": "ACTIVE", "markets": vec![market], "priceList": list, "createdAt": Val::Time(at),
            "updatedAt": Val::Time(at),
        },
    );
    let publication = store.insert(
        Kind::Publication,
        obj! { "name": "Alps", "autoPublish": false, "supportsFuturePublishing": true, "catalog": catalog },
    );
    store.edit_silently(catalog, |catalog| catalog.set("publication", publication));
    for product in products.iter().take(3) {
        store.edit_silently(*product, |product| {
            let shown = obj! { "publication": publication, "publishDate": Val::Time(at) };
            product.edit_list("publications", |all| all.push(Val::from(shown)));
        });
    }
}
