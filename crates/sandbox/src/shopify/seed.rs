//! The first state of a store, made from a number.
//!
//! Every word comes from the lists here; nobody in them is a real person, and every address ends in `example.com`.

use super::Settings;
use super::mutate::standard::TEMPLATES;
use super::store::Store;
use super::value::{Gid, Kind, Val, obj};
pub(crate) use crate::dice::Dice;

mod content;
mod markets;
mod people;
mod products;

/// A day, in seconds.
pub(crate) const DAY: i64 = 86_400;

/// Fills an empty state.
pub(crate) fn fill(store: &mut Store, settings: &Settings) {
    let mut dice = Dice::new(settings.seed);
    basics(store, &mut dice);
    products::fill(store, &mut dice, settings.products);
    if settings.content {
        content::fill(store, &mut dice);
    }
    people::fill(store, &mut dice, settings.customers, settings.orders);
}

/// What even a new store has: the shop, two locations, two publications, the app.
fn basics(store: &mut Store, dice: &mut Dice) {
    let now = store.now;
    let number = dice.below(900_000) + 100_000;
    let opened = now - dice.between(700, 1_400) * DAY;
    store.shop = Gid::new(Kind::Shop, 60_000_000_000 + number);
    let shop = store.shop;
    let domain = Val::text(format!("practice-{number}.myshopify.com"));
    let address = obj! {
        "id": Val::Id(Gid::new(Kind::ShopAddress, number)), "address1": "1 Sample Street", "city": "Sampleton", "zip": "10000",
        "country": "Germany", "countryCodeV2": "DE", "company": "Practice store",
    };
    store.put(
        shop,
        obj! {
            "name": "Practice store", "email": "owner@example.com", "contactEmail": "hello@example.com",
            "myshopifyDomain": domain.clone(), "currencyCode": "EUR", "ianaTimezone": "Europe/Berlin", "shopOwnerName": "Practice owner",
            "timezoneAbbreviation": "CET", "timezoneOffset": "+0100", "timezoneOffsetMinutes": 60_i64,
            "weightUnit": "KILOGRAMS", "unitSystem": "METRIC_SYSTEM", "taxesIncluded": true, "checkoutApiSupported": true,
            "url": Val::text(format!("https://practice-{number}.myshopify.com")),
            "enabledPresentmentCurrencies": vec![Val::Lit("EUR")], "shipsToCountries": vec![Val::Lit("DE"), Val::Lit("AT"), Val::Lit("FR")],
            "billingAddress": address.clone(), "shopAddress": address, "orderNumberFormatPrefix": "#", "orderNumberFormatSuffix": "",
            "plan": obj! { "publicDisplayName": "Basic", "partnerDevelopment": true, "shopifyPlus": false },
            "primaryDomain": obj! { "id": Val::Id(Gid::new(Kind::Domain, number)), "host": domain, "url": Val::text(format!("https://practice-{number}.myshopify.com")), "sslEnabled": true },
            "currencyFormats": obj! { "moneyFormat": "€{{amount}}", "moneyInEmailsFormat": "€{{amount}}", "moneyWithCurrencyFormat": "€{{amount}} EUR", "moneyWithCurrencyInEmailsFormat": "€{{amount}} EUR" },
            "resourceLimits": obj! { "maxProductOptions": 3_i64, "maxProductVariants": 2_048_i64, "locationLimit": 200_i64, "redirectLimitReached": false },
            "createdAt": Val::Time(opened), "updatedAt": Val::Time(opened),
        },
    );
    store.app = Gid::new(Kind::App, 10_000 + number);
    store.installation = Gid::new(Kind::AppInstallation, 20_000 + number);
    let (app, installation) = (store.app, store.installation);
    store.put(app, obj! { "title": "Caretaker", "handle": "caretaker", "apiKey": "practice", "embedded": false, "developerName": "Practice", "developerType": "MERCHANT" });
    store.put(installation, obj! { "app": app });
    for (name, city, active) in [("Main warehouse", "Sampleton", true), ("Shop floor", "Exampleburg", true)] {
        store.insert(
            Kind::Location,
            obj! {
                "name": name, "isActive": active, "fulfillsOnlineOrders": true, "shipsInventory": true, "isPrimary": name == "Main warehouse",
                "activatable": true, "deactivatable": true, "deletable": false,
                "address": obj! { "address1": "2 Sample Street", "city": city, "zip": "10001", "country": "Germany", "countryCode": "DE" },
                "createdAt": Val::Time(opened), "updatedAt": Val::Time(opened),
            },
        );
    }
    for name in ["Online Store", "Point of Sale"] {
        store.insert(Kind::Publication, obj! { "name": name, "autoPublish": name == "Online Store", "supportsFuturePublishing": name == "Online Store" });
    }
    for (handle, title) in [("main-menu", "Main menu"), ("footer", "Footer menu")] {
        store.insert(
            Kind::Menu,
            obj! { "handle": handle, "title": title, "isDefault": true, "items": Vec::<Val>::new() },
        );
    }
    store.insert(
        Kind::ShopLocale,
        obj! { "locale": "en", "name": "English", "primary": true, "published": true },
    );
    markets::basics(store, opened);
    for (number, namespace, key, name, type_name) in TEMPLATES {
        store.put(
            Gid::new(Kind::StandardMetafieldDefinitionTemplate, *number),
            obj! {
                "namespace": *namespace, "key": *key, "name": *name, "type": *type_name, "visibleToStorefrontApi": true,
                "ownerTypes": vec![Val::Lit("PRODUCT"), Val::Lit("PRODUCTVARIANT")],
            },
        );
    }
    for (code, name, full) in CATEGORIES {
        if let Some(gid) = Gid::parse(&format!("gid://shopify/TaxonomyCategory/{code}")) {
            store.put(gid, obj! { "name": *name, "fullName": *full, "level": 2_i64, "isLeaf": true, "isRoot": false, "isArchived": false });
        }
    }
}

/// A few categories of a taxonomy.
pub(crate) const CATEGORIES: &[(&str, &str, &str)] = &[
    ("fr-1", "Chairs", "Furniture > Chairs"),
    ("fr-2", "Tables", "Furniture > Tables"),
    ("hg-1", "Decor", "Home & Garden > Decor"),
    ("hg-2", "Kitchen", "Home & Garden > Kitchen"),
    ("aa-1", "Clothing", "Apparel & Accessories > Clothing"),
];
