//! Coupons, banners and gift certificates of V2; promotions of V3 with their codes.

use serde_json::{Value as Json, json};

use super::super::answer::{Answer, Refusal};
use super::super::call::Call;
use super::super::engine::{add, listed, reply};
use super::super::filter::chosen;
use super::super::resource::{Draft, Handler, PLAIN, Resource, of_kind};
use super::super::store::{Key, Row, Store};
use super::super::time::{instant, mail};
use super::orders::money;

/// Longest code of a gift certificate; what is longer is cut without a word.
const GIFT_CODE_MAX: usize = 20;
/// How many codes of a promotion one request may make.
const CODES_MAX: u64 = 250;

pub(crate) const RESOURCES: &[Resource] = &[
    Resource {
        kind: "coupon",
        path: "/v2/coupons",
        unique: &[&["code"], &["name"]],
        defaults: r#"{"enabled":true,"min_purchase":"0.0000","expires":"","num_uses":0,"max_uses":0,"max_uses_per_customer":0,
            "restricted_to":{},"shipping_methods":[]}"#,
        rule: coupon_rule,
        filter: |_, key, row, name, value| match name {
            "exclude_type" => Some(row.text("type") != value),
            "id" => Some(value.split(',').any(|one| one == key.to_string())),
            _ => None,
        },
        ..PLAIN
    },
    Resource {
        kind: "banner",
        path: "/v2/banners",
        defaults: r#"{"visible":"1","date_from":"0","date_to":"0","item_id":"0"}"#,
        rule: banner_rule,
        ..PLAIN
    },
    Resource {
        kind: "gift_certificate",
        path: "/v2/gift_certificates",
        unique: &[&["code"]],
        defaults: r#"{"status":"pending","template":"general.html","message":"","customer_id":0,"order_id":0,"expiry_date":"0"}"#,
        rule: gift_rule,
        ..PLAIN
    },
    Resource {
        kind: "promotion",
        path: "/v3/promotions",
        unique: &[&["name"]],
        defaults: r#"{"status":"ENABLED","currency_code":"*","notifications":[],"stop":false,"max_uses":null,"end_date":null,
            "can_be_used_with_other_promotions":true,"current_uses":0,"channels":[]}"#,
        omit: &[
            "codes",
            "coupon_type",
            "schedule",
            "customer",
            "shipping_address",
            "multiple_codes",
            "created_from",
        ],
        rule: promotion_rule,
        removable,
        filter: promotion_filter,
        ..PLAIN
    },
    Resource {
        kind: "promotion_code",
        path: "/v3/promotions/*/codes",
        parent: "promotion",
        unique: &[&["code"]],
        defaults: r#"{"current_uses":0,"max_uses":0,"max_uses_per_customer":0}"#,
        rule: code_rule,
        ..PLAIN
    },
];

pub(crate) const ROUTES: &[(&str, &str, Handler)] = &[
    ("POST", "/v3/promotions/*/codegen", generate),
    ("GET", "/v3/promotions/codes", by_code),
    ("DELETE", "/v3/promotions/codes", delete_by_code),
];

fn kind(name: &str) -> Result<&'static Resource, Refusal> {
    of_kind(name).ok_or_else(Refusal::not_found)
}

/// An amount in a body as V2 keeps it: a text with four digits behind the point.
fn as_money(draft: &mut Draft, name: &str) -> Result<(), Refusal> {
    if let Some(text) = draft.fields.get(name).and_then(Json::as_str) {
        let amount: f64 = text.parse().map_err(|_| Refusal::field(name, "must be a number in a text"))?;
        draft.fields.insert(name.to_owned(), Json::from(money(amount)));
    }
    Ok(())
}

fn coupon_rule(call: &mut Call<'_>, draft: &mut Draft) -> Result<(), Refusal> {
    as_money(draft, "amount")?;
    as_money(draft, "min_purchase")?;
    let code = draft.text("code");
    if code.is_empty() || !code.chars().all(|letter| letter.is_ascii_alphanumeric() || "_- ".contains(letter))
    {
        return Err(Refusal::field("code", "may have letters, digits, spaces and dashes"));
    }
    if let Some(expires) = draft.fields.get("expires").and_then(Json::as_str).filter(|text| !text.is_empty())
    {
        let at = instant(expires).ok_or_else(|| Refusal::field("expires", "is no time"))?;
        draft.fields.insert("expires".to_owned(), Json::from(mail(at)));
    }
    if let Some(applies) = draft.fields.get("applies_to") {
        let entity = applies.get("entity").and_then(Json::as_str).unwrap_or_default();
        let kind = match entity {
            "categories" => "category",
            "products" => "product",
            _ => return Err(Refusal::field("applies_to.entity", "must be categories or products")),
        };
        // The number 0 stands for everything.
        let known =
            |id: &Json| id.as_u64() == Some(0) || call.store.has(kind, id.as_u64().unwrap_or_default());
        if !applies.get("ids").and_then(Json::as_array).into_iter().flatten().all(known) {
            return Err(Refusal::field("applies_to.ids", format!("names no {kind}")));
        }
    }
    if draft.is_new() {
        draft.fields.insert("date_created".to_owned(), Json::from(mail(call.store.now)));
    }
    Ok(())
}

fn banner_rule(call: &mut Call<'_>, draft: &mut Draft) -> Result<(), Refusal> {
    let item = draft.text("item_id").parse().unwrap_or(0_u64);
    let kind = match draft.text("page") {
        "category_page" => Some("category"),
        "brand_page" => Some("brand"),
        _ => None,
    };
    if let Some(kind) = kind.filter(|kind| !call.store.has(kind, item)) {
        return Err(Refusal::field("item_id", format!("names no {kind}")));
    }
    if draft.is_new() {
        draft.fields.insert("date_created".to_owned(), Json::from(call.store.now.as_second().to_string()));
    }
    Ok(())
}

fn gift_rule(call: &mut Call<'_>, draft: &mut Draft) -> Result<(), Refusal> {
    as_money(draft, "amount")?;
    as_money(draft, "balance")?;
    match draft.fields.get("code").and_then(Json::as_str) {
        Some(code) => {
            let cut: String = code.chars().take(GIFT_CODE_MAX).collect();
            draft.fields.insert("code".to_owned(), Json::from(cut));
        }
        None if draft.is_new() => {
            let part = |number: u64| format!("{number:03X}");
            let made: Vec<String> = (0..3).map(|_| part(call.store.dice.below(0x1000))).collect();
            draft.fields.insert("code".to_owned(), Json::from(made.join("-")));
        }
        None => {}
    }
    if draft.is_new() {
        let amount = draft.value("amount").clone();
        draft.fields.entry("balance".to_owned()).or_insert(amount);
        let at = mail(call.store.now);
        draft.fields.entry("purchase_date".to_owned()).or_insert(Json::from(at));
        let code = call.store.rows("currency").find(|(_, row)| row.get("is_default") == &Json::Bool(true));
        let code = code.map_or(Json::Null, |(_, row)| row.get("currency_code").clone());
        draft.fields.entry("currency_code".to_owned()).or_insert(code);
    }
    let number = |name: &str| draft.text(name).parse::<f64>().unwrap_or_default();
    if number("balance") > number("amount") {
        return Err(Refusal::field("balance", "must not be above the amount"));
    }
    Ok(())
}

fn promotion_rule(call: &mut Call<'_>, draft: &mut Draft) -> Result<(), Refusal> {
    if draft.text("name").is_empty() {
        return Err(Refusal::field("name", "must be given"));
    }
    if draft.value("rules").as_array().is_none_or(Vec::is_empty) {
        return Err(Refusal::field("rules", "must be given"));
    }
    let mut lost = None;
    for (turn, rule) in draft.fields.get("rules").and_then(Json::as_array).into_iter().flatten().enumerate() {
        walk(rule, &mut |name, id| {
            let kind = match name {
                "categories" => "category",
                "brands" => "brand",
                "products" => "product",
                "variants" => "variant",
                _ => return,
            };
            if !call.store.has(kind, id) {
                lost = Some((format!("rules.{turn}.{name}"), format!("names no {kind}")));
            }
        });
    }
    if let Some((field, what)) = lost {
        return Err(Refusal::field(field, what));
    }
    for channel in draft.fields.get("channels").and_then(Json::as_array).into_iter().flatten() {
        if !call.store.has("channel", channel.get("id").and_then(Json::as_u64).unwrap_or_default()) {
            return Err(Refusal::field("channels", "names no channel"));
        }
    }
    let customer = draft.fields.get("customer");
    for list in ["group_ids", "excluded_group_ids"] {
        for id in customer.and_then(|customer| customer.get(list)?.as_array()).into_iter().flatten() {
            let id = id.as_u64().unwrap_or_default();
            if id != 0 && !call.store.has("customer_group", id) {
                return Err(Refusal::field(format!("customer.{list}"), "names no customer group"));
            }
        }
    }
    if draft.is_new() {
        let named = ["coupon_type", "codes"].iter().any(|name| draft.fields.contains_key(*name));
        let coupon = named || draft.text("redemption_type") == "COUPON";
        draft
            .fields
            .insert("redemption_type".to_owned(), Json::from(if coupon { "COUPON" } else { "AUTOMATIC" }));
        let at = super::super::time::offset(call.store.now);
        draft.fields.entry("start_date".to_owned()).or_insert(Json::from(at));
    }
    Ok(())
}

/// Tells every number in a list of numbers, with the name of the list.
fn walk(value: &Json, tell: &mut impl FnMut(&str, u64)) {
    match value {
        Json::Object(fields) => {
            for (name, value) in fields {
                for id in value.as_array().into_iter().flatten().filter_map(Json::as_u64) {
                    tell(name, id);
                }
                walk(value, tell);
            }
        }
        Json::Array(list) => list.iter().for_each(|value| walk(value, tell)),
        _ => {}
    }
}

fn promotion_filter(store: &Store, key: &Key, row: &Row, name: &str, value: &str) -> Option<bool> {
    let lower = value.to_lowercase();
    Some(match name {
        "code" => store
            .children("promotion_code", key)
            .any(|(_, code)| code.text("code").eq_ignore_ascii_case(value)),
        "query" => row.text("name").to_lowercase().contains(&lower),
        "redemption_type" => row.text("redemption_type").eq_ignore_ascii_case(value),
        "channels" => {
            let ids: Vec<u64> =
                row.list("channels").iter().filter_map(|channel| channel.get("id")?.as_u64()).collect();
            value.split(',').filter_map(|id| id.parse().ok()).any(|id: u64| ids.contains(&id))
        }
        _ => return None,
    })
}

/// A promotion with codes stays: its codes go first.
fn removable(call: &Call<'_>, key: &Key, _: &Row) -> Result<(), Refusal> {
    match call.store.children("promotion_code", key).next() {
        Some(_) => Err(Refusal::field("id", "has codes, which must be deleted first")),
        None => Ok(()),
    }
}

fn code_rule(call: &mut Call<'_>, draft: &mut Draft) -> Result<(), Refusal> {
    let promotion = draft.parent.as_ref().and_then(|key| call.store.get("promotion", key));
    if promotion.is_some_and(|row| row.text("redemption_type") != "COUPON") {
        return Err(Refusal::field("code", "has no place in an automatic promotion"));
    }
    if draft.is_new() {
        draft.fields.insert("created".to_owned(), Json::from(super::super::time::offset(call.store.now)));
    }
    Ok(())
}

fn generate(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let resource = kind("promotion_code")?;
    let promotion = call.key(0);
    call.store.get("promotion", &promotion).ok_or_else(Refusal::not_found)?;
    let text = |name: &str| call.body.get(name).and_then(Json::as_str).unwrap_or_default().to_owned();
    let number = |name: &str| call.body.get(name).and_then(Json::as_u64);
    let count = number("batch_size").unwrap_or_default();
    if count == 0 || count > CODES_MAX {
        return Err(Refusal::field("batch_size", format!("must be from 1 to {CODES_MAX}")));
    }
    let (prefix, suffix) = (text("prefix"), text("suffix"));
    let length = usize::try_from(number("code_length").unwrap_or(8)).unwrap_or(8).clamp(6, 16);
    let (most, each) =
        (number("max_uses").unwrap_or_default(), number("max_uses_per_customer").unwrap_or_default());
    let mut made = Vec::new();
    for _ in 0..count {
        let letters: String = (0..length)
            .map(|_| char::from(call.store.dice.pick(b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789").unwrap_or(b'A')))
            .collect();
        let fields = json!({ "code": format!("{prefix}{letters}{suffix}"), "max_uses": most, "max_uses_per_customer": each });
        made.push(fields.as_object().cloned().unwrap_or_default());
    }
    let keys = add(call, resource, Some(&promotion), made)?;
    let code =
        |key: &Key| call.store.get("promotion_code", key).map(|row| json!({ "code": row.get("code") }));
    let codes: Json = keys.iter().filter_map(code).collect();
    let created = super::super::time::offset(call.store.now);
    Ok(reply(
        call,
        json!({ "batch_size": count, "codes": codes, "created": created, "max_uses": most, "max_uses_per_customer": each }),
    ))
}

fn by_code(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let resource = kind("promotion_code")?;
    let keys = chosen(call, resource, None)?;
    if keys.is_empty() {
        return Err(Refusal::not_found());
    }
    listed(call, resource, &keys)
}

fn delete_by_code(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    for key in chosen(call, kind("promotion_code")?, None)? {
        call.store.remove("promotion_code", &key);
    }
    Ok(Answer::empty(204))
}
