//! Definitions, metaobjects, files, collections, pages, blogs, menus, redirects, policies, locales, discounts.

use super::products::{image, metafield};
use super::{DAY, Dice};
use crate::shopify::fields::digest;
use crate::shopify::mutate::collections::manual_source;
use crate::shopify::mutate::standard::from_template;
use crate::shopify::mutate::translations::content;
use crate::shopify::store::{Store, handleize};
use crate::shopify::value::{Gid, Kind, Obj, Val, obj};

const TOPICS: &[&str] = &["About us", "Shipping", "Size guide", "Materials", "Contact", "Care"];
const NEWS: &[&str] = &[
    "New lamps",
    "How felt is made",
    "Autumn colours",
    "Inside the workshop",
    "Five small rooms",
    "Winter hours",
    "Sorting wool",
    "A note on oak",
];

/// Definitions of metafields: owner, key, name, type, pinned.
const DEFINITIONS: &[(&str, &str, &str, &str, bool)] = &[
    ("PRODUCT", "material", "Material", "single_line_text_field", true),
    ("PRODUCT", "batch", "Batch", "number_integer", true),
    ("PRODUCT", "care", "Care", "multi_line_text_field", false),
    ("PRODUCT", "related", "Related product", "product_reference", false),
    ("PRODUCT", "goes_with", "Goes with", "list.product_reference", false),
    ("PRODUCTVARIANT", "shade", "Shade", "single_line_text_field", false),
    ("COLLECTION", "season", "Season", "single_line_text_field", false),
    ("PAGE", "banner", "Banner", "file_reference", false),
    ("CUSTOMER", "tier", "Tier", "single_line_text_field", true),
    ("ORDER", "packer", "Packed at", "single_line_text_field", false),
];

/// Makes all of it. Products, when there are any, must exist.
pub(super) fn fill(store: &mut Store, dice: &mut Dice) {
    let at = store.now - 500 * DAY;
    let products: Vec<Gid> = store.gids(Kind::Product).collect();
    definitions(store, at);
    let objects = metaobjects(store, &products, at);
    if let (Some(product), Some(object)) = (products.first().copied(), objects.first().copied()) {
        let made =
            metafield(store, "custom", "maker", "metaobject_reference", Val::text(object.to_string()), at);
        store.edit_silently(product, |product| product.edit_list("metafields", |all| all.push(made)));
    }
    if let Some(location) = store.by_key(Kind::Location, "Shop floor") {
        let pickup = obj! { "instructions": "Ring at the side door", "pickupTime": "TWO_HOURS" };
        store.edit_silently(location, |location| location.set("localPickupSettingsV2", pickup));
    }
    let files = files(store, at);
    let collections = collections(store, dice, &products, at);
    let pages = pages(store, dice, &files, at);
    let blogs = blogs(store, dice, at);
    menus(store, &collections, &pages, &products, &blogs);
    redirects(store);
    policies(store, at);
    super::markets::fill(store, at);
    super::markets::prices(store, &products, at);
    scripts(store, at);
    segments(store, at);
    discounts(store, &products, &collections, at);
    let translated =
        products.iter().take(3).chain(collections.first()).chain(pages.first()).chain(objects.first());
    translations(store, &translated.copied().collect::<Vec<_>>(), at);
}

/// Everything that these say, in the shop's other language.
fn translations(store: &mut Store, all: &[Gid], at: i64) {
    for gid in all {
        let texts = store.get(*gid).map(|of| content(gid.kind(), of)).unwrap_or_default();
        // What an entry refers to is no text.
        let texts = texts.into_iter().filter(|(_, text)| !text.starts_with("gid:"));
        let texts: Vec<Val> = texts
            .map(|(key, text)| {
                Val::from(obj! {
                    "key": Val::text(&key), "locale": "de", "value": Val::text(format!("{text} (auf Deutsch)")),
                    "digest": Val::text(digest(&text)), "updatedAt": Val::Time(at),
                })
            })
            .collect();
        store.edit_silently(*gid, |of| of.set("translations", texts));
    }
}

fn definitions(store: &mut Store, at: i64) {
    let mut pins = 0_i64;
    for (owner, key, name, type_name, pinned) in DEFINITIONS {
        let access =
            obj! { "admin": "PUBLIC_READ_WRITE", "storefront": "PUBLIC_READ", "customerAccount": "NONE" };
        let mut definition = obj! {
            "ownerType": *owner, "namespace": "custom", "key": *key, "name": *name, "type": *type_name, "access": access,
            "description": Val::text(format!("{name} as shown in the shop")), "validations": Vec::<Val>::new(),
            "createdAt": Val::Time(at), "updatedAt": Val::Time(at),
        };
        if *key == "batch" {
            definition.set(
                "validations",
                vec![Val::from(obj! { "name": "min", "type": "number_integer", "value": "1" })],
            );
        }
        if *key == "material" {
            let on = || obj! { "enabled": true };
            definition
                .set("capabilities", obj! { "adminFilterable": on(), "smartCollectionCondition": on() });
        }
        if *key == "care" {
            let chairs = obj! { "value": "gid://shopify/TaxonomyCategory/fr-1" };
            definition.set("constraints", obj! { "key": "category", "values": vec![Val::from(chairs)] });
        }
        if *pinned {
            pins += 1;
            definition.set("pinnedPosition", pins);
        }
        store.insert(Kind::MetafieldDefinition, definition);
    }
    let template = Gid::new(Kind::StandardMetafieldDefinitionTemplate, 1);
    if let Some(of) = store.get(template).cloned() {
        let made = from_template(template, &of, "PRODUCT");
        store.insert(
            Kind::MetafieldDefinition,
            made.with("createdAt", Val::Time(at)).with("updatedAt", Val::Time(at)),
        );
    }
}

fn field(key: &'static str, name: &'static str, type_name: &'static str, required: bool) -> Val {
    Val::from(
        obj! { "key": key, "name": name, "type": type_name, "required": required, "validations": Vec::<Val>::new() },
    )
}

fn metaobjects(store: &mut Store, products: &[Gid], at: i64) -> Vec<Gid> {
    let capabilities = || {
        obj! {
            "publishable": obj! { "enabled": true }, "translatable": obj! { "enabled": true }, "renderable": obj! { "enabled": false },
            "onlineStore": obj! { "enabled": false },
        }
    };
    let access =
        || obj! { "admin": "PUBLIC_READ_WRITE", "storefront": "PUBLIC_READ", "customerAccount": "NONE" };
    store.insert(
        Kind::MetaobjectDefinition,
        obj! {
            "type": "maker", "name": "Maker", "description": "Workshops that make things", "displayNameKey": "name", "access": access(), "capabilities": capabilities(),
            "fieldDefinitions": vec![
                field("name", "Name", "single_line_text_field", true), field("story", "Story", "multi_line_text_field", false),
                field("portrait", "Portrait", "file_reference", false), field("favourite", "Favourite", "product_reference", false),
                field("teacher", "Taught by", "metaobject_reference", false),
            ],
            "createdAt": Val::Time(at), "updatedAt": Val::Time(at),
        },
    );
    store.insert(
        Kind::MetaobjectDefinition,
        obj! {
            "type": "care_guide", "name": "Care guide", "displayNameKey": "title", "access": access(), "capabilities": capabilities(),
            "fieldDefinitions": vec![field("title", "Title", "single_line_text_field", true), field("steps", "Steps", "list.single_line_text_field", false)],
            "createdAt": Val::Time(at), "updatedAt": Val::Time(at),
        },
    );
    let mut made: Vec<Gid> = Vec::new();
    for (at_place, name) in
        ["Workshop North", "Workshop East", "Workshop Lake", "Workshop Hill"].into_iter().enumerate()
    {
        let portrait = image(store, &format!("{}.png", handleize(name)), Some(name.to_owned()), at);
        let mut fields = vec![
            Val::from(obj! { "key": "name", "value": name }),
            Val::from(obj! { "key": "story", "value": Val::text(format!("{name} works in small batches.")) }),
            Val::from(obj! { "key": "portrait", "value": Val::text(portrait.to_string()) }),
        ];
        if let Some(product) = products.get(at_place) {
            fields.push(Val::from(obj! { "key": "favourite", "value": Val::text(product.to_string()) }));
        }
        if let Some(teacher) = made.last() {
            fields.push(Val::from(obj! { "key": "teacher", "value": Val::text(teacher.to_string()) }));
        }
        let status =
            obj! { "publishable": obj! { "status": if at_place == 3 { "DRAFT" } else { "ACTIVE" } } };
        made.push(store.insert(
            Kind::Metaobject,
            obj! { "type": "maker", "handle": Val::text(handleize(name)), "fields": fields, "capabilities": status, "createdAt": Val::Time(at), "updatedAt": Val::Time(at) },
        ));
    }
    for title in ["Wood", "Textiles", "Glass"] {
        let steps = serde_json::json!(["Read the label", "Use a soft cloth"]).to_string();
        let fields = vec![
            Val::from(obj! { "key": "title", "value": title }),
            Val::from(obj! { "key": "steps", "value": Val::text(steps) }),
        ];
        let status = obj! { "publishable": obj! { "status": "ACTIVE" } };
        store.insert(
            Kind::Metaobject,
            obj! { "type": "care_guide", "handle": Val::text(handleize(title)), "fields": fields, "capabilities": status, "createdAt": Val::Time(at), "updatedAt": Val::Time(at) },
        );
    }
    made
}

fn files(store: &mut Store, at: i64) -> Vec<Gid> {
    let mut made: Vec<Gid> = ["banner-spring.png", "banner-autumn.png", "logo.png"]
        .iter()
        .map(|name| image(store, name, Some((*name).to_owned()), at))
        .collect();
    let path = format!("{}size-table.pdf", crate::shopify::files::FILES);
    let size = crate::shopify::files::generated(&path, store.seed).len();
    made.push(store.insert(
        Kind::GenericFile,
        obj! { "url": Val::text(format!("{path}?v={at}")), "mimeType": "application/pdf", "originalFileSize": size, "createdAt": Val::Time(at), "updatedAt": Val::Time(at) },
    ));
    made
}

fn condition(store: &mut Store, type_name: &'static str, relation: &'static str, value: Val) -> Val {
    let mut made = obj! { "id": Val::Id(store.mint(Kind::CollectionSourceCondition)), "__typename": type_name, "relation": relation };
    match value {
        Val::List(values) => {
            made.set("values", values);
            made.set("matchType", "ANY");
        }
        value => made.set("value", value),
    }
    Val::from(made)
}

fn collections(store: &mut Store, dice: &mut Dice, products: &[Gid], at: i64) -> Vec<Gid> {
    let publications: Vec<Val> = store
        .gids(Kind::Publication)
        .map(|gid| Val::from(obj! { "publication": gid, "publishDate": Val::Time(at) }))
        .collect();
    let mut made = Vec::new();
    let mut add = |store: &mut Store, title: &str, sort: &'static str, sources: Vec<Val>, order: Vec<Gid>| {
        let season = metafield(store, "custom", "season", "single_line_text_field", Val::Lit("autumn"), at);
        let mut collection = obj! {
            "title": Val::text(title), "handle": Val::text(handleize(title)), "descriptionHtml": Val::text(format!("<p>{title}, chosen by hand.</p>")),
            "sortOrder": sort, "sources": sources, "publications": publications.clone(), "metafields": vec![season],
            "createdAt": Val::Time(at), "updatedAt": Val::Time(at),
        };
        if !order.is_empty() {
            collection.set("order", order);
        }
        let file = image(store, &format!("collection-{}.png", handleize(title)), None, at);
        if let Some(file) = store.get(file) {
            collection.set("image", obj! { "url": file.get("url").cloned(), "altText": Val::text(title), "width": file.get("width").cloned(), "height": file.get("height").cloned() });
        }
        made.push(store.insert(Kind::Collection, collection));
    };
    let count = 2 + products.len() / 1_000;
    for number in 1..=count {
        let mut chosen: Vec<Gid> = (0..products.len().min(12)).filter_map(|_| dice.pick(products)).collect();
        chosen.sort_unstable();
        chosen.dedup();
        let source = manual_source(store, &chosen);
        dice.shuffle(&mut chosen);
        add(store, &format!("Selection {number}"), "MANUAL", vec![source], chosen);
    }
    let with = |store: &mut Store, title: &'static str, conditions: Vec<Val>| {
        Val::from(obj! {
            "id": Val::Id(store.mint(Kind::CollectionConditionsSource)), "__typename": "CollectionConditionsSource", "title": title, "shareable": false,
            "targetType": "PRODUCTS", "inclusion": obj! { "matchType": "ALL", "conditions": conditions, "selections": Vec::<Val>::new() },
        })
    };
    let tagged = condition(
        store,
        "CollectionSourceInclusionConditionProductTag",
        "TAGGED_WITH",
        Val::List(vec![Val::Lit("sale")]),
    );
    let source = with(store, "On sale", vec![tagged]);
    add(store, "Sale", "BEST_SELLING", vec![source], Vec::new());
    let typed = condition(
        store,
        "CollectionSourceInclusionConditionProductType",
        "EQUALS",
        Val::List(vec![Val::Lit("Kitchen")]),
    );
    let cheap =
        condition(store, "CollectionSourceInclusionConditionVariantPrice", "LESS_THAN", Val::Cents(10_000));
    let source = with(store, "Kitchen below a hundred", vec![typed, cheap]);
    add(store, "Small kitchen things", "PRICE_ASC", vec![source], Vec::new());
    made
}

fn pages(store: &mut Store, dice: &mut Dice, files: &[Gid], at: i64) -> Vec<Gid> {
    let mut made = Vec::new();
    for (place, title) in TOPICS.iter().enumerate() {
        let updated = at + dice.between(0, 200) * DAY;
        let mut page = obj! {
            "title": *title, "handle": Val::text(handleize(title)), "body": Val::text(format!("<h2>{title}</h2><p>All there is to say about {}.</p>", title.to_lowercase())),
            "createdAt": Val::Time(at), "updatedAt": Val::Time(updated), "isPublished": place != 5,
        };
        if place != 5 {
            page.set("publishedAt", Val::Time(at));
        }
        if place == 2 {
            page.set("templateSuffix", "wide");
        }
        if let Some(file) = files.get(place) {
            let banner =
                metafield(store, "custom", "banner", "file_reference", Val::text(file.to_string()), at);
            page.set("metafields", vec![banner]);
        }
        made.push(store.insert(Kind::Page, page));
    }
    made
}

fn blogs(store: &mut Store, dice: &mut Dice, at: i64) -> Vec<Gid> {
    let mut made = Vec::new();
    for title in ["News", "Workshop notes"] {
        let blog = store.insert(
            Kind::Blog,
            obj! { "title": title, "handle": Val::text(handleize(title)), "commentPolicy": "MODERATED", "createdAt": Val::Time(at), "updatedAt": Val::Time(at) },
        );
        for (place, topic) in
            NEWS.iter().enumerate().filter(|(place, _)| (place % 2 == 0) == (title == "News"))
        {
            let when = at + dice.between(1, 300) * DAY;
            let mut article = obj! {
                "blog": blog, "title": *topic, "handle": Val::text(handleize(topic)), "author": obj! { "name": "Practice desk" },
                "body": Val::text(format!("<p>{topic}: what we learned this month.</p>")), "summary": Val::text(format!("<p>{topic}.</p>")),
                "tags": Val::texts(["notes", if place > 3 { "late" } else { "early" }]), "isPublished": true, "publishedAt": Val::Time(when),
                "createdAt": Val::Time(when), "updatedAt": Val::Time(when),
            };
            if place % 3 == 0 {
                let file = image(store, &format!("article-{}.png", handleize(topic)), None, when);
                if let Some(file) = store.get(file) {
                    article.set("image", obj! { "url": file.get("url").cloned(), "altText": *topic, "width": file.get("width").cloned(), "height": file.get("height").cloned() });
                }
            }
            let article = store.insert(Kind::Article, article);
            if place % 2 == 0 {
                store.insert(
                    Kind::Comment,
                    obj! {
                        "article": article, "body": "Good to know.", "bodyHtml": "<p>Good to know.</p>", "status": "PUBLISHED",
                        "author": obj! { "name": "Reader", "email": Val::text(format!("reader{place}@example.com")) },
                        "createdAt": Val::Time(when + DAY), "updatedAt": Val::Time(when + DAY), "publishedAt": Val::Time(when + DAY),
                    },
                );
            }
        }
        if title == "News" {
            let feed = obj! { "location": "https://feeds.example.com/news", "path": "/blogs/news.atom" };
            store.edit_silently(blog, |blog| blog.set("feed", feed));
        }
        made.push(blog);
    }
    made
}

fn item(
    store: &mut Store,
    title: &str,
    kind: &'static str,
    resource: Option<Gid>,
    url: &str,
    below: Vec<Val>,
) -> Val {
    Val::from(obj! {
        "id": Val::Id(store.mint(Kind::MenuItem)), "title": Val::text(title), "type": kind, "resourceId": resource.map(Val::Id),
        "url": Val::text(url), "tags": Vec::<Val>::new(), "items": below,
    })
}

fn pointing(store: &mut Store, gid: Gid) -> Val {
    let (title, handle) = store
        .get(gid)
        .map(|obj| {
            (obj.str("title").unwrap_or("Item").to_owned(), obj.str("handle").unwrap_or_default().to_owned())
        })
        .unwrap_or_default();
    let (kind, prefix) = match gid.kind() {
        Kind::Collection => ("COLLECTION", "collections"),
        Kind::Product => ("PRODUCT", "products"),
        Kind::Blog => ("BLOG", "blogs"),
        _ => ("PAGE", "pages"),
    };
    item(store, &title, kind, Some(gid), &format!("/{prefix}/{handle}"), Vec::new())
}

fn menus(store: &mut Store, collections: &[Gid], pages: &[Gid], products: &[Gid], blogs: &[Gid]) {
    let below: Vec<Val> = collections
        .iter()
        .take(3)
        .copied()
        .chain(products.first().copied())
        .map(|gid| pointing(store, gid))
        .collect();
    let first = item(store, "Home", "FRONTPAGE", None, "/", Vec::new());
    let shop = item(store, "Shop", "CATALOG", None, "/collections/all", below);
    let mut main = vec![first, shop];
    main.extend(blogs.first().map(|blog| pointing(store, *blog)));
    main.push(item(store, "Elsewhere", "HTTP", None, "https://example.com/", Vec::new()));
    let footer: Vec<Val> = pages.iter().map(|page| pointing(store, *page)).collect();
    // A new store has these two; here they get content.
    for (handle, title, items, default) in [
        ("main-menu", "Main menu", main, true),
        ("footer", "Footer menu", footer.clone(), true),
        ("help", "Help", footer, false),
    ] {
        match store.by_key(Kind::Menu, handle) {
            Some(menu) => store.edit_silently(menu, |menu| menu.set("items", items)),
            None => {
                store.insert(
                    Kind::Menu,
                    obj! { "handle": handle, "title": title, "isDefault": default, "items": items },
                );
            }
        }
    }
}

fn redirects(store: &mut Store) {
    for (number, page) in TOPICS.iter().enumerate() {
        store.insert(Kind::UrlRedirect, obj! { "path": Val::text(format!("/old/{}", number + 1)), "target": Val::text(format!("/pages/{}", handleize(page))) });
    }
}

fn policies(store: &mut Store, at: i64) {
    for (kind, title) in [
        ("REFUND_POLICY", "Refund policy"),
        ("PRIVACY_POLICY", "Privacy policy"),
        ("TERMS_OF_SERVICE", "Terms of service"),
    ] {
        store.insert(
            Kind::ShopPolicy,
            obj! {
                "type": kind, "title": title, "url": Val::text(format!("/policies/{}", handleize(title))), "body": Val::text(format!("<p>{title} of a practice store.</p>")),
                "createdAt": Val::Time(at), "updatedAt": Val::Time(at),
            },
        );
    }
    store.insert(
        Kind::ShopLocale,
        obj! { "locale": "de", "name": "German", "primary": false, "published": true },
    );
}

/// Scripts, and where the shop shows them.
const SCRIPTS: &[(&str, &str)] = &[
    ("https://scripts.example.com/reviews.js", "ONLINE_STORE"),
    ("https://scripts.example.com/chat.js", "ALL"),
];

fn scripts(store: &mut Store, at: i64) {
    for (src, scope) in SCRIPTS {
        store.insert(
            Kind::ScriptTag,
            obj! { "src": *src, "displayScope": *scope, "cache": *scope == "ALL", "createdAt": Val::Time(at), "updatedAt": Val::Time(at) },
        );
    }
}

/// Names and conditions.
const SEGMENTS: &[(&str, &str)] = &[
    ("Came back", "number_of_orders > 1"),
    ("Tagged", "customer_tags CONTAINS 'returning'"),
    ("Abroad", "customer_countries CONTAINS 'AT'"),
];

fn segments(store: &mut Store, at: i64) {
    for (name, query) in SEGMENTS {
        store.insert(
            Kind::Segment,
            obj! { "name": *name, "query": *query, "createdAt": Val::Time(at), "updatedAt": Val::Time(at) },
        );
    }
}

fn discounts(store: &mut Store, products: &[Gid], collections: &[Gid], at: i64) {
    let all = || obj! { "__typename": "AllDiscountItems", "allItems": true };
    let percent = |value: f64| obj! { "__typename": "DiscountPercentage", "percentage": value };
    let some = obj! {
        "__typename": "DiscountProducts", "products": products.iter().take(3).copied().collect::<Vec<_>>(), "productVariants": Vec::<Val>::new(),
    };
    let of_collection = obj! { "__typename": "DiscountCollections", "collections": collections.iter().take(1).copied().collect::<Vec<_>>() };
    let gets = |items: Obj, value: Obj| obj! { "items": items, "value": value, "appliesOnOneTimePurchase": true, "appliesOnSubscription": false };
    let buys = obj! {
        "items": all(), "value": obj! { "__typename": "DiscountQuantity", "quantity": 2_i64 }, "isOneTimePurchase": true, "isSubscription": false,
    };
    let free = || obj! { "__typename": "DiscountCountries", "countries": vec![Val::Lit("DE"), Val::Lit("AT")], "includeRestOfWorld": false };
    let amount =
        obj! { "__typename": "DiscountAmount", "amount": Val::Cents(1_000), "appliesOnEachItem": false };
    let half = obj! {
        "__typename": "DiscountOnQuantity", "quantity": obj! { "quantity": 1_i64 }, "effect": percent(0.5),
    };
    let returning: Vec<Gid> = store.gids(Kind::Segment).take(2).collect();
    let for_returning = obj! { "__typename": "DiscountCustomerSegments", "segments": returning };
    let mut add = |title: &'static str,
                   type_name: &'static str,
                   code: Option<&'static str>,
                   class: &'static str,
                   body: Obj| {
        let mut discount = obj! {
            "__typename": type_name, "title": title, "startsAt": Val::Time(at), "createdAt": Val::Time(at), "updatedAt": Val::Time(at), "asyncUsageCount": 0_i64,
            "combinesWith": obj! { "orderDiscounts": false, "productDiscounts": false, "shippingDiscounts": true },
            "context": obj! { "__typename": "DiscountBuyerSelectionAll", "all": "ALL" }, "discountClasses": vec![Val::Lit(class)],
        };
        for (name, value) in body.fields() {
            discount.set(name, value.clone());
        }
        if let Some(code) = code {
            if code == "THREEOFF" {
                let tags = Val::texts(["bundle", "clearance"]);
                let with = obj! {
                    "orderDiscounts": false, "productDiscounts": true, "shippingDiscounts": true,
                    "productDiscountsWithTagsOnSameCartLine": tags,
                };
                discount.set("combinesWith", with);
                discount.set("tags", Val::texts(["clearance"]));
            }
            let id = store.mint(Kind::DiscountRedeemCode);
            discount.set(
                "codes",
                vec![Val::from(obj! { "id": Val::Id(id), "code": code, "asyncUsageCount": 0_i64 })],
            );
            discount.set("usageLimit", 500_i64);
        }
        let kind = if code.is_some() { Kind::DiscountCodeNode } else { Kind::DiscountAutomaticNode };
        store.insert(
            kind,
            obj! { "discount": discount, "createdAt": Val::Time(at), "updatedAt": Val::Time(at) },
        );
    };
    add(
        "Ten percent",
        "DiscountCodeBasic",
        Some("TENPERCENT"),
        "ORDER",
        obj! { "customerGets": gets(all(), percent(0.1)) },
    );
    add(
        "Three products",
        "DiscountCodeBasic",
        Some("THREEOFF"),
        "PRODUCT",
        obj! {
            "customerGets": gets(some, amount), "minimumRequirement": obj! { "__typename": "DiscountMinimumSubtotal", "greaterThanOrEqualToSubtotal": Val::Cents(5_000) },
        },
    );
    add(
        "Buy two",
        "DiscountCodeBxgy",
        Some("BUYTWO"),
        "PRODUCT",
        obj! { "customerBuys": buys, "customerGets": gets(of_collection.clone(), half), "usesPerOrderLimit": 1_i64 },
    );
    add(
        "Free shipping",
        "DiscountCodeFreeShipping",
        Some("FREESHIP"),
        "SHIPPING",
        obj! { "destinationSelection": free(), "maximumShippingPrice": Val::Cents(2_000), "appliesOnOneTimePurchase": true, "context": for_returning },
    );
    add(
        "Autumn",
        "DiscountAutomaticBasic",
        None,
        "PRODUCT",
        obj! {
            "customerGets": gets(of_collection, percent(0.15)), "minimumRequirement": obj! { "__typename": "DiscountMinimumQuantity", "greaterThanOrEqualToQuantity": 2_i64 },
        },
    );
    add(
        "Shipping on us",
        "DiscountAutomaticFreeShipping",
        None,
        "SHIPPING",
        obj! { "destinationSelection": free(), "appliesOnOneTimePurchase": true },
    );
}
