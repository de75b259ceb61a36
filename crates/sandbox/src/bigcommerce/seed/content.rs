//! Everything else of the first state: of each kind at least two, with the relations that a real store has.

use axum::body::Bytes;
use serde_json::{Value as Json, json};

use super::super::families::{customers, themes};
use super::super::store::{App, Key, Row, Store};
use super::{days_ago, make, make_by};

pub(super) fn fill(store: &mut Store) {
    let now = store.now;
    days_ago(store, now, 20, 0);
    places(store);
    channels(store);
    prices(store);
    marketing(store);
    pages(store);
    widgets(store);
    people(store);
    mails(store);
    taxes(store);
    store.now = now;
}

/// The n-th thing of a kind.
fn nth_key(store: &Store, kind: &str, turn: usize) -> Json {
    store.keys(kind).get(turn).map_or(Json::Null, Key::json)
}

fn field(json: Json) -> serde_json::Map<String, Json> {
    super::object(json)
}

fn places(store: &mut Store) {
    let address = |city: &str| {
        json!({ "address1": "3 Sample Street", "address2": "", "city": city, "state": "Berlin", "zip": "10117",
        "country_code": "DE", "email": "depot@example.com", "phone": "", "geo_coordinates": { "latitude": 52.5, "longitude": 13.4 } })
    };
    let hours = json!({ "monday": { "open": true, "opening": "09:00", "closing": "18:00" }, "sunday": { "open": false, "opening": "00:00", "closing": "00:00" } });
    for (code, label) in [("DEPOT-1", "Depot"), ("SHOP-1", "Shop floor")] {
        let location = make(
            store,
            "location",
            None,
            json!({ "code": code, "label": label, "description": "For practice", "address": address("Berlin"),
            "operating_hours": hours, "special_hours": [{ "label": "New year", "date": "2027-01-01", "open": false, "all_day": true, "annual": true }] }),
        );
        let Some(location) = location else { continue };
        make(
            store,
            "location_metafield",
            None,
            json!({ "resource_id": location.json(), "namespace": "practice", "key": "door", "value": "B",
            "permission_set": "write" }),
        );
        for (turn, variant) in store.keys("variant").iter().take(6).enumerate() {
            let fields = json!({ "variant_id": variant.json(), "location_id": location.json(), "on_hand": turn * 2, "safety_stock": 1 });
            let key = Key::Text(format!("{variant}@{location}"));
            store.put("stock", &key, Row { fields: field(fields), ..Row::default() });
        }
    }
    make(
        store,
        "currency",
        None,
        json!({ "currency_code": "USD", "country_iso2": "US", "name": "US Dollar", "currency_exchange_rate": "1.1000000000",
        "decimal_places": 2, "decimal_token": ".", "thousands_token": ",", "token": "$", "token_location": "left", "is_default": false,
        "enabled": true, "is_transactional": true, "auto_update": false }),
    );
    for (name, kind, locations) in
        [("Germany", "country", json!([{ "country_iso2": "DE" }])), ("Everywhere else", "global", json!([]))]
    {
        let zone = make(
            store,
            "shipping_zone",
            None,
            json!({ "name": name, "type": kind, "enabled": true, "locations": locations,
            "free_shipping": { "enabled": false, "minimum_sub_total": "0.0000", "exclude_fixed_shipping_products": false },
            "handling_fees": { "fixed_surcharge": "0", "display_separately": false } }),
        );
        let Some(zone) = zone else { continue };
        for (name, kind, rate) in [("Flat rate", "perorder", 4.9), ("By piece", "peritem", 1.5)] {
            make(
                store,
                "shipping_method",
                Some(&zone),
                json!({ "name": name, "type": kind, "settings": { "rate": rate }, "enabled": true,
                "handling_fees": { "fixed_surcharge": 0.0 }, "is_fallback": false }),
            );
        }
    }
}

fn channels(store: &mut Store) {
    make(
        store,
        "channel_metafield",
        None,
        json!({ "resource_id": 1, "namespace": "practice", "key": "team", "value": "web", "permission_set": "read" }),
    );
    let desk = json!({ "resource_id": 1, "namespace": "practice", "key": "desk", "value": "7", "permission_set": "write" });
    make(store, "channel_metafield", None, desk);
    for (name, kind, platform) in
        [("Second shop", "storefront", "custom"), ("Practice market", "marketplace", "custom")]
    {
        let channel = make(
            store,
            "channel",
            None,
            json!({ "name": name, "type": kind, "platform": platform, "status": "active" }),
        );
        let Some(channel) = channel else { continue };
        if kind == "storefront" {
            let site = make(
                store,
                "site",
                None,
                json!({ "channel_id": channel.json(), "url": "https://second.example.com" }),
            );
            for (kind, matching, route) in [("product", "*", "/p/{slug}"), ("home", "", "/")] {
                make(
                    store,
                    "site_route",
                    site.as_ref(),
                    json!({ "type": kind, "matching": matching, "route": route }),
                );
            }
            let tree = Key::Number(store.mint("tree"));
            super::put(store, "tree", &tree, json!({ "name": "Second tree", "channels": [channel.json()] }));
            let top = make(
                store,
                "category",
                None,
                json!({ "tree_id": tree.json(), "parent_id": 0, "name": "Everything" }),
            );
            if let Some(top) = top {
                make(
                    store,
                    "category",
                    None,
                    json!({ "tree_id": tree.json(), "parent_id": top.json(), "name": "New" }),
                );
            }
            store.edit_silently("channel", &channel, |row| {
                row.hidden.insert("currencies".to_owned(), json!({ "channel_id": channel.json(), "default_currency": "USD", "enabled_currencies": ["USD", "EUR"] }));
            });
            for product in store.keys("product").iter().take(3) {
                super::super::families::assign_channel(store, product.number(), channel.number());
            }
        } else {
            for product in store.keys("product").iter().take(2) {
                let variants: Vec<Json> = store
                    .children("variant", product)
                    .map(|(key, _)| json!({ "product_id": product.json(), "variant_id": key.json(), "state": "active", "external_id": "", "name": "", "description": "" }))
                    .collect();
                make(
                    store,
                    "listing",
                    Some(&channel),
                    json!({ "product_id": product.json(), "state": "active", "variants": variants }),
                );
            }
        }
    }
}

fn prices(store: &mut Store) {
    for (turn, name) in ["Wholesale prices", "Summer prices"].iter().enumerate() {
        let Some(list) = make(store, "price_list", None, json!({ "name": name, "active": turn == 0 })) else {
            continue;
        };
        for (turn, variant) in store.keys("variant").iter().take(8).enumerate() {
            make(
                store,
                "price_record",
                Some(&list),
                json!({ "variant_id": variant.json(), "currency": "eur", "price": 3.5 + f64::from(u32::try_from(turn).unwrap_or(0)),
                "sale_price": if turn == 2 { json!(2.25) } else { Json::Null },
                "bulk_pricing_tiers": [{ "quantity_min": 5, "quantity_max": 9, "type": "percent", "amount": 5 }] }),
            );
        }
        make(
            store,
            "price_assignment",
            None,
            json!({ "price_list_id": list.json(), "customer_group_id": nth_key(store, "customer_group", 1),
            "channel_id": nth_key(store, "channel", turn) }),
        );
    }
}

fn marketing(store: &mut Store) {
    let (category, product) = (nth_key(store, "category", 0), nth_key(store, "product", 0));
    for (code, entity, id) in [
        ("LAMPS10", "categories", &category),
        ("ALL-5", "categories", &json!(0)),
        ("ONE-2", "products", &product),
    ] {
        if id.is_null() {
            continue;
        }
        make(
            store,
            "coupon",
            None,
            json!({ "name": format!("Coupon {code}"), "code": code, "type": "percentage_discount", "amount": "5",
            "min_purchase": "10", "expires": "Thu, 31 Dec 2026 23:00:00 +0000", "applies_to": { "entity": entity, "ids": [id] },
            "max_uses": 100, "enabled": true }),
        );
    }
    for (name, page, item) in [
        ("Welcome", "home_page", Json::from("0")),
        ("Lamps", "category_page", Json::from(category.to_string())),
    ] {
        make(
            store,
            "banner",
            None,
            json!({ "name": name, "content": format!("<p>{name}</p>"), "page": page, "item_id": item, "location": "top",
            "date_type": "always", "visible": "1" }),
        );
    }
    for (code, name) in [("GIFT-AAA-111", "Ada Example"), ("GIFT-BBB-222", "Bo Sample")] {
        make(
            store,
            "gift_certificate",
            None,
            json!({ "code": code, "amount": "25", "balance": "20", "to_name": name, "to_email": "gift@example.com",
            "from_name": "Cleo Muster", "from_email": "from@example.com", "status": "active", "template": "general.html" }),
        );
    }
    let rule = |action: Json| {
        json!([{ "action": action, "apply_once": true, "stop": false,
        "condition": { "cart": { "minimum_spend": "20" } } }])
    };
    let of_category = json!({ "cart_items": { "discount": { "percentage_amount": "10" }, "strategy": "LEAST_EXPENSIVE", "add_free_item": false,
        "as_total": false, "include_items_considered_by_condition": true, "exclude_items_on_sale": false, "items": { "categories": [category] } } });
    let automatic = make(
        store,
        "promotion",
        None,
        json!({ "name": "Ten off", "rules": rule(of_category), "channels": [{ "id": 1 }] }),
    );
    let coupon = make(
        store,
        "promotion",
        None,
        json!({ "name": "With a code", "coupon_type": "BULK",
        "rules": rule(json!({ "cart_value": { "discount": { "fixed_amount": "5" } } })), "customer": { "group_ids": [nth_key(store, "customer_group", 0)] } }),
    );
    let _ = automatic;
    for code in ["WELCOME-1", "WELCOME-2", "WELCOME-3"] {
        make(
            store,
            "promotion_code",
            coupon.as_ref(),
            json!({ "code": code, "max_uses": 10, "max_uses_per_customer": 1 }),
        );
    }
}

fn pages(store: &mut Store) {
    let about = make(
        store,
        "page",
        None,
        json!({ "type": "page", "name": "About us", "body": "<p>We practise.</p>", "is_visible": true,
        "meta_description": "About the practice store", "search_keywords": "about" }),
    );
    let parent = about.as_ref().map_or(Json::from(0), Key::json);
    make(
        store,
        "page",
        None,
        json!({ "type": "page", "name": "Our people", "body": "<p>Nobody real.</p>", "parent_id": parent, "is_visible": true }),
    );
    make(
        store,
        "page",
        None,
        json!({ "type": "contact_form", "name": "Contact", "email": "contact@example.com", "contact_fields": "fullname,phone",
        "body": "<p>Write to us.</p>", "is_visible": true }),
    );
    make(
        store,
        "page",
        None,
        json!({ "type": "raw", "name": "Feed", "body": "<feed/>", "content_type": "text/html", "is_visible": true }),
    );
    make(
        store,
        "page",
        None,
        json!({ "type": "link", "name": "Elsewhere", "link": "https://example.com/", "url": "https://example.com/", "is_visible": true }),
    );
    // The page of the blog is there from the beginning, and nobody can make another.
    let key = Key::Number(store.mint("page"));
    super::put(
        store,
        "page",
        &key,
        json!({ "type": "blog", "name": "Blog", "url": "/blog/", "channel_id": 1, "parent_id": 0, "is_visible": true, "body": "" }),
    );
    let mut posts = Vec::new();
    for (turn, title) in ["How we practise", "What is new", "A draft"].iter().enumerate() {
        posts.extend(make(store, "blog_post", None, json!({ "title": title, "body": format!("<p>{title}, told at length.</p>"), "author": "Practice owner",
            "tags": ["practice", if turn == 0 { "craft" } else { "news" }], "is_published": turn < 2, "thumbnail_path": "",
            "published_date": format!("Tue, {:02} Sep 2026 08:00:00 +0000", turn * 7 + 1) })));
    }
    let site = nth_key(store, "site", 0);
    let targets = [
        ("/old-lamp", json!({ "type": "product", "entity_id": nth_key(store, "product", 0) })),
        ("/old-living", json!({ "type": "category", "entity_id": nth_key(store, "category", 0) })),
        ("/old-about", json!({ "type": "page", "entity_id": parent })),
        ("/old-post", json!({ "type": "post", "entity_id": posts.first().map(Key::json) })),
        ("/old-brand", json!({ "type": "brand", "entity_id": nth_key(store, "brand", 0) })),
        ("/gone", json!({ "type": "url", "url": "https://example.com/gone" })),
    ];
    for (from, to) in targets {
        if to.get("entity_id").is_some_and(Json::is_null) {
            continue;
        }
        make(store, "redirect", None, json!({ "from_path": from, "site_id": site, "to": to }));
    }
    for (kind, entity) in
        [("product", nth_key(store, "product", 0)), ("category", nth_key(store, "category", 0))]
    {
        if !entity.is_null() {
            make(
                store,
                "custom_template",
                None,
                json!({ "channel_id": 1, "entity_type": kind, "entity_id": entity, "file_name": format!("custom-{kind}.html") }),
            );
        }
    }
}

fn widgets(store: &mut Store) {
    for (app, name) in [(App::Ours, "Counter"), (App::Ours, "Notice"), (App::Other, "Somebody else's")] {
        make_by(
            store,
            app,
            "script",
            None,
            json!({ "name": name, "description": "For practice", "kind": "script_tag", "html": "<script>1</script>",
            "visibility": "storefront", "location": "footer", "load_method": "default", "consent_category": "analytics" }),
        );
    }
    let product = nth_key(store, "product", 0);
    for name in ["Header text", "Picture row"] {
        let template = make(
            store,
            "widget_template",
            None,
            json!({ "name": name, "template": "<h1>{{title}}</h1>",
            "schema": [{ "type": "tab", "label": "Content", "sections": [{ "label": "Text", "settings": [{ "type": "input", "label": "Title", "id": "title", "default": "Hello" }] }] }] }),
        );
        let Some(template) = template else { continue };
        let widget = make(
            store,
            "widget",
            None,
            json!({ "name": format!("{name} widget"), "description": "", "widget_template_uuid": template.json(),
            "widget_configuration": { "title": name, "product": product } }),
        );
        let Some(widget) = widget else { continue };
        make(
            store,
            "placement",
            None,
            json!({ "widget_uuid": widget.json(), "template_file": "pages/home", "region": "home_below_menu", "status": "active", "sort_order": 1 }),
        );
        if !product.is_null() {
            make(
                store,
                "placement",
                None,
                json!({ "widget_uuid": widget.json(), "template_file": "pages/product", "region": "product_below_price",
                "entity_id": product.to_string(), "status": "active" }),
            );
        }
    }
    for (template, name) in [("pages/home", "One"), ("pages/product", "Two")] {
        let regions = json!({ "regions": [{ "name": "home_below_content", "children": [{ "type": "layout", "name": name, "configuration": {}, "dropzones": [] }] }] });
        store.put(
            "page_widgets",
            &Key::Text(format!("1/{template}/")),
            Row { fields: field(regions), ..Row::default() },
        );
    }
    let light = themes::add_theme(store, "Cornerstone", themes::archive("Cornerstone"), false);
    let own = themes::archive("Practice theme");
    themes::add_theme(store, "Practice theme", Bytes::clone(&own), true);
    let variation = store
        .get("theme", &light)
        .and_then(|row| row.list("variations").first()?.get("uuid").cloned())
        .unwrap_or_default();
    themes::set_active(store, 1, &light, &variation);
}

fn people(store: &mut Store) {
    for (mail, first) in [("news.ada@example.com", "Ada"), ("news.bo@example.com", "Bo")] {
        make(
            store,
            "subscriber",
            None,
            json!({ "email": mail, "first_name": first, "last_name": "Example", "source": "storefront", "channel_id": 1,
            "consents": ["marketing_newsletter"] }),
        );
    }
    let customers: Vec<Key> = store.keys("customer");
    for (turn, customer) in customers.iter().take(3).enumerate() {
        let product = store.keys("product").get(turn).cloned();
        let items: Json = product
            .iter()
            .map(|product| {
                let variant = store.children("variant", product).next().map(|(key, _)| key.json());
                json!({ "product_id": product.json(), "variant_id": variant })
            })
            .collect();
        make(
            store,
            "wishlist",
            None,
            json!({ "customer_id": customer.json(), "name": format!("Wishes {}", turn + 1), "is_public": turn == 1, "items": items }),
        );
    }
    let profiles: Vec<Key> = customers
        .iter()
        .take(4)
        .filter_map(|customer| {
            make(store, "shopper_profile", None, json!({ "customer_id": customer.json() }))
        })
        .collect();
    for (turn, name) in ["Loyal", "New ones"].iter().enumerate() {
        let Some(segment) =
            make(store, "segment", None, json!({ "name": name, "description": "For practice" }))
        else {
            continue;
        };
        let members: Vec<Key> = profiles.iter().skip(turn).take(2).cloned().collect();
        customers::set_members(store, &segment, &members);
    }
    for (namespace, value) in [("practice", "one"), ("practice.more", "two")] {
        make(
            store,
            "store_metafield",
            None,
            json!({ "namespace": namespace, "key": "note", "value": value, "permission_set": "write" }),
        );
    }
}

fn mails(store: &mut Store) {
    for (name, channel) in [("invoice_email", ""), ("createaccount_email", "?channel_id=1")] {
        let fields = json!({ "type_id": name, "subject": "In our own words", "body": "<p>{{lang 'hello_phrase'}}, in our own words.</p>",
            "translations": [{ "locale": "en", "keys": { "hello_phrase": "Good day" } }] });
        store.put(
            "email_template",
            &Key::Text(format!("{name}{channel}")),
            Row { fields: field(fields), ..Row::default() },
        );
    }
    for (minutes, code) in [(60, ""), (1_440, "ALL-5")] {
        make(
            store,
            "cart_email",
            None,
            json!({ "is_active": true, "notify_at_minutes": minutes, "coupon_code": code,
            "template": { "subject": "Your cart", "body": "<p>Come back.</p>", "translations": [] } }),
        );
    }
    for (id, code, name) in [(1, "google", "Google Analytics"), (2, "meta", "Meta Pixel")] {
        let fields = json!({ "id": id, "code": "", "name": name, "enabled": false, "version": 4, "data_tag_enabled": false, "channel_id": 1, "api_secret": "" });
        let _ = code;
        store.put("analytics_provider", &Key::Number(id), Row { fields: field(fields), ..Row::default() });
    }
    let seo = json!({ "page_title": "Practice store, second", "meta_description": "Second", "meta_keywords": "second", "www_redirect": "none" });
    let channel = nth_key(store, "channel", 1);
    store.put(
        "setting",
        &Key::Text(format!("/v3/settings/storefront/seo?channel_id={channel}")),
        Row { fields: field(seo), ..Row::default() },
    );
    let context = json!({ "contexts": [{ "context": { "channel_id": 1, "category_id": nth_key(store, "category", 0) },
        "data": [{ "id": "practice-brand", "type": "brand", "is_enabled": false, "display_name": "Maker", "collapsed_by_default": true, "items_to_show": 5,
            "display_product_count": true, "sort_by": "alpha" }] }, { "context": { "channel_id": 1 }, "data": [] }] });
    store.put(
        "setting",
        &Key::Text("/v3/settings/search/filters/contexts".to_owned()),
        Row { fields: field(context), ..Row::default() },
    );
}

fn taxes(store: &mut Store) {
    for (name, code) in [("Berlin", "DE"), ("Vienna", "AT")] {
        let zone = make(
            store,
            "tax_zone",
            None,
            json!({ "name": name, "enabled": true,
            "price_display_settings": { "show_inclusive": true, "show_both_on_list_view": false, "show_both_on_detail_view": false },
            "shopper_target_settings": { "locations": [{ "country_code": code, "postal_codes": [], "subdivision_codes": [] }], "customer_groups": [] } }),
        );
        let Some(zone) = zone else { continue };
        make(
            store,
            "tax_rate",
            None,
            json!({ "tax_zone_id": zone.json(), "name": format!("VAT {code}"), "priority": 1, "enabled": true,
            "class_rates": [{ "rate": 19.0, "tax_class_id": 0 }, { "rate": 7.0, "tax_class_id": nth_key(store, "tax_class", 0) }] }),
        );
    }
    for (code, kind) in [("fragile", "PRODUCT"), ("exempt", "CUSTOMER")] {
        make(
            store,
            "tax_property",
            None,
            json!({ "code": code, "display_name": code, "description": "For practice", "type": kind }),
        );
    }
    for (kind, code) in [("product", "fragile"), ("customer", "exempt")] {
        for key in store.keys(kind).into_iter().take(2) {
            store.edit_silently(kind, &key, |row| {
                row.hidden.insert("tax_properties".to_owned(), json!({ code: "yes" }));
            });
        }
    }
    for key in store.keys("product").into_iter().take(2) {
        let at = super::time::zulu(store.now);
        store.edit_silently("product", &key, |row| {
            let kept = json!({ "product_id": key.json(), "country_of_origin": "DE", "commodity_description": "Goods for practice", "international_shipping": true,
                "hs_codes": { "ALL": "9405.40" }, "created_at": at, "updated_at": at });
            row.hidden.insert("customs".to_owned(), kept);
        });
    }
}
