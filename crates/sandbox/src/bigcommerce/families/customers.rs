//! Customers with their addresses, attributes and values of forms; groups, subscribers, wishlists.

use serde_json::{Value as Json, json};

use super::super::answer::{Answer, Refusal};
use super::super::call::{Call, Query};
use super::super::engine::{add, check_batch, now, reply, show};
use super::super::filter::compare;
use super::super::page;
use super::super::resource::{Dates, Draft, Handler, PLAIN, Resource, of_kind};
use super::super::store::{Key, Obj, Row, Store};

/// How many customers, addresses or values one request may write.
const BATCH_MAX: usize = 10;
/// How many attributes a store may have.
const ATTRIBUTES_MAX: usize = 50;
/// How many addresses and attributes are shown inside their customer.
const INLINE_MAX: usize = 10;

pub(crate) const RESOURCES: &[Resource] = &[
    Resource {
        kind: "customer",
        path: "/v3/customers",
        dates: Dates::Zulu,
        batch: BATCH_MAX,
        unique: &[&["email", "place"]],
        defaults: r#"{"authentication":{"force_password_reset":false},"origin_channel_id":1,"channel_ids":[],
            "store_credit_amounts":[{"amount":0}],"registration_ip_address":""}"#,
        omit: &[
            "addresses",
            "attributes",
            "form_fields",
            "store_credit_amounts",
            "shopper_profile_id",
            "segment_ids",
        ],
        rule: customer_rule,
        written: customer_written,
        gone: customer_gone,
        view: customer_view,
        filter: person_filter,
        ..PLAIN
    },
    Resource {
        kind: "address",
        path: "/v3/customers/addresses",
        parent: "customer",
        batch: BATCH_MAX,
        defaults: r#"{"address_type":"residential"}"#,
        omit: &["form_fields"],
        rule: address_rule,
        written: address_written,
        view: address_view,
        filter: person_filter,
        ..PLAIN
    },
    Resource {
        kind: "customer_attribute",
        path: "/v3/customers/attributes",
        dates: Dates::Zulu,
        batch: BATCH_MAX,
        unique: &[&["name"]],
        rule: |call, draft| {
            if draft.is_new() && call.store.count("customer_attribute") >= ATTRIBUTES_MAX {
                return Err(Refusal::field("", format!("A store has at most {ATTRIBUTES_MAX} attributes.")));
            }
            Ok(())
        },
        ..PLAIN
    },
    Resource {
        kind: "customer_attribute_value",
        path: "/v3/customers/attribute-values",
        parent: "customer",
        dates: Dates::Zulu,
        batch: BATCH_MAX,
        unique: &[&["attribute_id", "^"]],
        filter: value_filter,
        ..PLAIN
    },
    Resource {
        kind: "customer_group",
        path: "/v2/customer_groups",
        dates: Dates::Mail,
        unique: &[&["name"]],
        defaults: r#"{"category_access":{"type":"all"},"discount_rules":[]}"#,
        rule: group_rule,
        written: group_written,
        gone: group_gone,
        ..PLAIN
    },
    Resource {
        kind: "subscriber",
        path: "/v3/customers/subscribers",
        dates: Dates::Offset,
        unique: &[&["email", "channel_id"]],
        defaults: r#"{"channel_id":1,"source":"","order_id":null,"consents":[]}"#,
        rule: subscriber_rule,
        ..PLAIN
    },
    Resource {
        kind: "wishlist",
        path: "/v3/wishlists",
        defaults: r#"{"is_public":false,"items":[]}"#,
        rule: wishlist_rule,
        ..PLAIN
    },
    Resource {
        kind: "segment",
        path: "/v3/segments",
        ids: super::super::resource::Ids::Uuid,
        batch: BATCH_MAX,
        unique: &[&["name"]],
        rule: stamped,
        ..PLAIN
    },
    Resource {
        kind: "shopper_profile",
        path: "/v3/shopper-profiles",
        ids: super::super::resource::Ids::Uuid,
        batch: 50,
        unique: &[&["customer_id"]],
        rule: profile_rule,
        ..PLAIN
    },
];

pub(crate) const ROUTES: &[(&str, &str, Handler)] = &[
    ("PUT", "/v3/customers/attribute-values", put_values),
    ("GET", "/v3/customers/form-field-values", form_fields),
    ("PUT", "/v3/customers/form-field-values", put_form_fields),
    ("POST", "/v3/customers/validate-credentials", validate),
    ("GET", "/v3/customers/*/consent", consent),
    ("PUT", "/v3/customers/*/consent", put_consent),
    ("GET", "/v3/customers/*/stored-instruments", instruments),
    ("POST", "/v3/wishlists/*/items", add_items),
    ("DELETE", "/v3/wishlists/*/items/*", delete_item),
    ("GET", "/v3/segments/*/shopper-profiles", segment_profiles),
    ("POST", "/v3/segments/*/shopper-profiles", join_segment),
    ("DELETE", "/v3/segments/*/shopper-profiles", leave_segment),
    ("GET", "/v3/shopper-profiles/*/segments", profile_segments),
];

fn kind(name: &str) -> Result<&'static Resource, Refusal> {
    of_kind(name).ok_or_else(Refusal::not_found)
}

fn customer_rule(call: &mut Call<'_>, draft: &mut Draft) -> Result<(), Refusal> {
    let mail = draft.text("email").to_owned();
    if mail.split_once('@').is_none_or(|(name, host)| name.is_empty() || !host.contains('.')) {
        return Err(Refusal::field("email", "is no mail address"));
    }
    let group = draft.fields.get("customer_group_id").and_then(Json::as_u64).unwrap_or_default();
    if group != 0 && !call.store.has("customer_group", group) {
        return Err(Refusal::field("customer_group_id", "names no customer group"));
    }
    if draft.fields.get("channel_ids").and_then(Json::as_array).is_some_and(Vec::is_empty) {
        return Err(Refusal::field("channel_ids", "must name a channel"));
    }
    for name in ["origin_channel_id", "channel_ids"] {
        let named: Vec<u64> = match draft.fields.get(name) {
            Some(Json::Array(list)) => list.iter().filter_map(Json::as_u64).collect(),
            Some(one) => one.as_u64().into_iter().collect(),
            None => Vec::new(),
        };
        if named.iter().any(|channel| !call.store.has("channel", *channel)) {
            return Err(Refusal::field(name, "names no channel"));
        }
    }
    // Whoever may log in everywhere has one account for the mail address, others one for each channel.
    let own: Vec<u64> = draft
        .value("channel_ids")
        .as_array()
        .map(|list| list.iter().filter_map(Json::as_u64).collect())
        .unwrap_or_default();
    let place =
        if own.is_empty() { "everywhere".to_owned() } else { draft.value("origin_channel_id").to_string() };
    draft.hidden.insert("place".to_owned(), Json::from(place));
    if let Some(given) = draft.fields.shift_remove("authentication") {
        if let Some(password) = given.get("new_password").and_then(Json::as_str) {
            if password.len() < 7 || !password.contains(|letter: char| letter.is_ascii_digit()) {
                return Err(Refusal::field("authentication.new_password", "needs seven letters and digits"));
            }
            // What is kept of a password is never shown again, nor compared between stores.
            draft
                .hidden
                .insert("password".to_owned(), Json::from(crate::secret::sha256_hex(password.as_bytes())));
        }
        let forced = given.get("force_password_reset").cloned().unwrap_or(Json::Bool(false));
        draft.fields.insert("authentication".to_owned(), json!({ "force_password_reset": forced }));
    }
    draft.fields.shift_remove("trigger_account_created_notification");
    for attribute in draft.fields.get("attributes").and_then(Json::as_array).into_iter().flatten() {
        let id = attribute.get("attribute_id").and_then(Json::as_u64).unwrap_or_default();
        if !call.store.has("customer_attribute", id) {
            return Err(Refusal::field("attributes", "names an attribute that does not exist"));
        }
    }
    for name in ["addresses", "attributes"] {
        if let Some(list) = draft.fields.shift_remove(name) {
            draft.hidden.insert(name.to_owned(), list);
        }
    }
    if let Some(fields) = draft.fields.shift_remove("form_fields") {
        check_form_fields(call.store, fields.as_array().map(Vec::as_slice).unwrap_or_default())?;
        let mut kept = draft.hidden.get("form_fields").and_then(Json::as_array).cloned().unwrap_or_default();
        merge_form_fields(&mut kept, fields.as_array().cloned().unwrap_or_default());
        draft.hidden.insert("form_fields".to_owned(), Json::Array(kept));
    }
    Ok(())
}

/// Refuses values of fields that nobody has set up.
fn check_form_fields(store: &Store, given: &[Json]) -> Result<(), Refusal> {
    let known = |field: &Json| {
        store.form_fields.iter().any(|name| field.get("name").and_then(Json::as_str) == Some(name))
    };
    if given.iter().all(known) {
        Ok(())
    } else {
        Err(Refusal::field("form_fields", "names a field that does not exist"))
    }
}

fn merge_form_fields(kept: &mut Vec<Json>, given: Vec<Json>) {
    for field in given {
        let (name, value) = (field.get("name").cloned(), field.get("value").cloned());
        kept.retain(|known| known.get("name") != name.as_ref());
        kept.push(json!({ "name": name, "value": value }));
    }
}

fn customer_written(
    call: &mut Call<'_>,
    _: &'static Resource,
    key: &Key,
    _: &Obj,
    _: bool,
) -> Result<(), Refusal> {
    let mut riders = Obj::new();
    call.store.edit_silently("customer", key, |row| {
        for name in ["addresses", "attributes"] {
            if let Some(list) = row.hidden.shift_remove(name) {
                riders.insert(name.to_owned(), list);
            }
        }
    });
    for address in riders.get("addresses").and_then(Json::as_array).into_iter().flatten() {
        let mut fields = address.as_object().cloned().unwrap_or_default();
        fields.insert("customer_id".to_owned(), key.json());
        add(call, kind("address")?, None, vec![fields])?;
    }
    for attribute in riders.get("attributes").and_then(Json::as_array).into_iter().flatten() {
        let id = attribute.get("attribute_id").and_then(Json::as_u64).unwrap_or_default();
        let value = attribute.get("attribute_value").cloned().unwrap_or_default();
        set_value(call.store, key, id, &value);
    }
    Ok(())
}

fn customer_gone(store: &mut Store, key: &Key, _: &Row) {
    for kind in ["wishlist", "shopper_profile"] {
        let own: Vec<Key> = store
            .rows(kind)
            .filter(|(_, row)| row.get("customer_id") == &key.json())
            .map(|(key, _)| key.clone())
            .collect();
        for one in own {
            store.remove(kind, &one);
        }
    }
}

fn customer_view(store: &Store, key: &Key, row: &Row, fields: &mut Obj, query: &Query) {
    let plain = Query::default();
    let list = |kind: &str| -> Vec<Json> {
        let Some(resource) = of_kind(kind) else { return Vec::new() };
        store
            .child_keys(kind, key)
            .iter()
            .take(INLINE_MAX)
            .map(|child| show(store, resource, child, &plain))
            .collect()
    };
    fields.insert("address_count".to_owned(), Json::from(store.children("address", key).count()));
    fields.insert(
        "attribute_count".to_owned(),
        Json::from(store.children("customer_attribute_value", key).count()),
    );
    if query.holds("include", "addresses") {
        fields.insert("addresses".to_owned(), Json::Array(list("address")));
    }
    if query.holds("include", "attributes") {
        fields.insert("attributes".to_owned(), Json::Array(list("customer_attribute_value")));
    }
    if !query.holds("include", "storecredit") {
        fields.shift_remove("store_credit_amounts");
    }
    if query.holds("include", "formfields") {
        let shown = form_values(row)
            .map(|(name, value)| json!({ "name": name, "value": value, "customer_id": key.json() }));
        fields.insert("form_fields".to_owned(), shown.collect());
    }
    let profile = store.by_unique("shopper_profile", &format!("customer_id\u{1f}{key}"));
    if query.holds("include", "shopper_profile_id") {
        fields.insert("shopper_profile_id".to_owned(), profile.map_or(Json::Null, Key::json));
    }
    if query.holds("include", "segment_ids") {
        let ids = profile.map(|profile| segments_of(store, profile)).unwrap_or_default();
        fields.insert("segment_ids".to_owned(), ids.iter().map(Key::json).collect());
    }
}

fn form_values(row: &Row) -> impl Iterator<Item = (Json, Json)> + '_ {
    row.hidden.get("form_fields").and_then(Json::as_array).into_iter().flatten().map(|field| {
        (field.get("name").cloned().unwrap_or_default(), field.get("value").cloned().unwrap_or_default())
    })
}

fn person_filter(_: &Store, _: &Key, row: &Row, name: &str, value: &str) -> Option<bool> {
    let (field, asked) = name.split_once(':')?;
    let whole = || Json::from(format!("{} {}", row.text("first_name"), row.text("last_name")));
    (field == "name").then(|| compare(&whole(), asked, value))
}

fn value_filter(store: &Store, _: &Key, row: &Row, name: &str, value: &str) -> Option<bool> {
    let attribute = || store.at("customer_attribute", row.number("attribute_id"));
    (name == "name").then(|| attribute().is_some_and(|attribute| compare(attribute.get("name"), "", value)))
}

fn address_rule(call: &mut Call<'_>, draft: &mut Draft) -> Result<(), Refusal> {
    if draft.is_new() {
        let customer = draft
            .fields
            .get("customer_id")
            .and_then(Key::of)
            .filter(|key| call.store.get("customer", key).is_some());
        draft.parent = Some(customer.ok_or_else(|| Refusal::field("customer_id", "names no customer"))?);
    }
    if let Some(code) = draft.fields.get("country_code").and_then(Json::as_str) {
        let country =
            super::store::country(code).ok_or_else(|| Refusal::field("country_code", "names no country"))?;
        draft.fields.insert("country".to_owned(), Json::from(country));
    }
    if let Some(fields) = draft.fields.shift_remove("form_fields") {
        check_form_fields(call.store, fields.as_array().map(Vec::as_slice).unwrap_or_default())?;
        let mut kept = draft.hidden.get("form_fields").and_then(Json::as_array).cloned().unwrap_or_default();
        merge_form_fields(&mut kept, fields.as_array().cloned().unwrap_or_default());
        draft.hidden.insert("form_fields".to_owned(), Json::Array(kept));
    }
    let Some(customer) = &draft.parent else { return Ok(()) };
    if !draft.is_new() {
        return Ok(());
    }
    // An address that the customer has already is not kept twice.
    let names = [
        "first_name",
        "last_name",
        "address1",
        "address2",
        "city",
        "postal_code",
        "country_code",
        "company",
        "phone",
    ];
    let same = |row: &Row| names.iter().all(|name| row.text(name) == draft.text(name));
    if call.store.children("address", customer).any(|(_, row)| same(row)) {
        return Err(Refusal::field("address1", "is that of another address of the customer"));
    }
    Ok(())
}

fn address_written(
    call: &mut Call<'_>,
    _: &'static Resource,
    key: &Key,
    _: &Obj,
    _: bool,
) -> Result<(), Refusal> {
    let customer = call.store.get("address", key).and_then(|row| row.parent.clone());
    if let (Some(customer), Some(at)) =
        (customer, of_kind("customer").and_then(|customers| now(customers, call.store)))
    {
        call.store.edit_silently("customer", &customer, |row| {
            row.fields.insert("date_modified".to_owned(), Json::from(at));
        });
    }
    Ok(())
}

fn address_view(_: &Store, key: &Key, row: &Row, fields: &mut Obj, query: &Query) {
    if query.holds("include", "formfields") {
        let shown = form_values(row)
            .map(|(name, value)| json!({ "name": name, "value": value, "address_id": key.json() }));
        fields.insert("form_fields".to_owned(), shown.collect());
    }
}

fn set_value(store: &mut Store, customer: &Key, attribute: u64, value: &Json) -> Key {
    let at = super::super::time::zulu(store.now);
    let known = store
        .children("customer_attribute_value", customer)
        .find(|(_, row)| row.number("attribute_id") == attribute);
    let (key, created) = match known {
        Some((key, row)) => (key.clone(), row.get("date_created").clone()),
        None => (Key::Number(store.mint("customer_attribute_value")), Json::from(at.as_str())),
    };
    let fields = json!({ "id": key.json(), "attribute_id": attribute, "attribute_value": value, "customer_id": customer.json(),
        "date_created": created, "date_modified": at });
    let row = Row {
        fields: fields.as_object().cloned().unwrap_or_default(),
        parent: Some(customer.clone()),
        ..Row::default()
    };
    store.put("customer_attribute_value", &key, row);
    key
}

fn put_values(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let given = call.objects();
    check_batch(call, given.len(), BATCH_MAX)?;
    for value in &given {
        let number = |name: &str| value.get(name).and_then(Json::as_u64).unwrap_or_default();
        if !call.store.has("customer", number("customer_id")) {
            return Err(Refusal::field("customer_id", "names no customer"));
        }
        let attribute = call.store.at("customer_attribute", number("attribute_id"));
        let kind =
            attribute.ok_or_else(|| Refusal::field("attribute_id", "names no attribute"))?.text("type");
        let text = value.get("value").and_then(Json::as_str).unwrap_or_default();
        if kind == "number" && text.parse::<f64>().is_err()
            || kind == "date" && super::super::time::instant(text).is_none()
        {
            return Err(Refusal::field("value", format!("is no {kind}")));
        }
    }
    let mut shown = Vec::new();
    for value in &given {
        let number = |name: &str| value.get(name).and_then(Json::as_u64).unwrap_or_default();
        let text = value.get("value").cloned().unwrap_or_default();
        let key = set_value(call.store, &Key::Number(number("customer_id")), number("attribute_id"), &text);
        shown.push(show(call.store, kind("customer_attribute_value")?, &key, &Query::default()));
    }
    Ok(Answer::json(200, json!({ "data": shown, "meta": {} })))
}

fn form_fields(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let (customer, address) = (call.query.number("customer_id"), call.query.number("address_id"));
    let name = call.query.get("field_name").map(str::to_owned);
    let mut values = Vec::new();
    for (kind, id, wanted, other) in
        [("customer", "customer_id", customer, address), ("address", "address_id", address, customer)]
    {
        if other.is_some() && wanted.is_none() {
            continue;
        }
        for (key, row) in
            call.store.rows(kind).filter(|(key, _)| wanted.is_none_or(|wanted| wanted == key.number()))
        {
            for (field, value) in
                form_values(row).filter(|(field, _)| name.as_ref().is_none_or(|name| field == name))
            {
                values.push(json!({ id: key.json(), "name": field, "value": value }));
            }
        }
    }
    let turns: Vec<Key> = (0..values.len() as u64).map(Key::Number).collect();
    let page = page::cut(call, &turns, (50, 250))?;
    let shown: Vec<&Json> =
        page.keys.iter().filter_map(|turn| values.get(usize::try_from(turn.number()).ok()?)).collect();
    Ok(Answer::json(200, json!({ "data": shown, "meta": page.meta })))
}

fn put_form_fields(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let given = call.objects();
    check_batch(call, given.len(), BATCH_MAX)?;
    let values: Vec<Json> = given.iter().cloned().map(Json::Object).collect();
    check_form_fields(call.store, &values)?;
    for value in &given {
        let (kind, id) = match (value.get("customer_id"), value.get("address_id")) {
            (Some(id), None) => ("customer", id),
            (None, Some(id)) => ("address", id),
            _ => return Err(Refusal::field("customer_id", "or address_id must be given")),
        };
        let key = Key::of(id).filter(|key| call.store.get(kind, key).is_some());
        let key = key.ok_or_else(|| Refusal::field(format!("{kind}_id"), "names nothing that is there"))?;
        call.store.edit(kind, &key, |row| {
            let mut kept =
                row.hidden.get("form_fields").and_then(Json::as_array).cloned().unwrap_or_default();
            merge_form_fields(&mut kept, vec![value.clone().into()]);
            row.hidden.insert("form_fields".to_owned(), Json::Array(kept));
        });
    }
    Ok(reply(call, call.body.clone()))
}

fn validate(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let text = |name: &str| call.body.get(name).and_then(Json::as_str).unwrap_or_default();
    let wanted = Json::from(crate::secret::sha256_hex(text("password").as_bytes()));
    let known = call.store.rows("customer").find(|(_, row)| {
        row.text("email").eq_ignore_ascii_case(text("email")) && row.hidden.get("password") == Some(&wanted)
    });
    let id = known.map_or(Json::Null, |(key, _)| key.json());
    Ok(Answer::json(200, json!({ "is_valid": !id.is_null(), "customer_id": id })))
}

fn customer(call: &Call<'_>) -> Result<Key, Refusal> {
    let key = call.key(0);
    call.store.get("customer", &key).map(|_| key.clone()).ok_or_else(Refusal::not_found)
}

fn consent(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let key = customer(call)?;
    let kept = call.store.get("customer", &key).and_then(|row| row.hidden.get("consent")).cloned();
    let at = super::super::time::zulu(call.store.now);
    Ok(Answer::json(
        200,
        kept.unwrap_or_else(|| json!({ "allow": ["essential"], "deny": [], "updated_at": at })),
    ))
}

fn put_consent(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let key = customer(call)?;
    let mut fields = call.object();
    fields.insert("updated_at".to_owned(), Json::from(super::super::time::zulu(call.store.now)));
    call.store.edit_silently("customer", &key, |row| {
        row.hidden.insert("consent".to_owned(), Json::Object(fields));
    });
    consent(call)
}

/// Cards are kept where no backup gets to: nothing of them is shown here.
fn instruments(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    customer(call)?;
    Ok(Answer::json(200, json!([])))
}

fn group_rule(call: &mut Call<'_>, draft: &mut Draft) -> Result<(), Refusal> {
    if draft.text("name").is_empty() {
        return Err(Refusal::field("name", "must be given"));
    }
    for (turn, rule) in
        draft.fields.get("discount_rules").and_then(Json::as_array).into_iter().flatten().enumerate()
    {
        let number = |name: &str| rule.get(name).and_then(Json::as_u64).unwrap_or_default();
        let of = rule.get("type").and_then(Json::as_str).unwrap_or_default();
        let good = match of {
            "category" => call.store.has("category", number("category_id")),
            "product" => call.store.has("product", number("product_id")),
            "price_list" => call.store.has("price_list", number("price_list_id")),
            _ => true,
        };
        if !good {
            return Err(Refusal::field(format!("discount_rules.{turn}.{of}_id"), format!("names no {of}")));
        }
    }
    for id in draft
        .fields
        .get("category_access")
        .and_then(|access| access.get("categories")?.as_array())
        .into_iter()
        .flatten()
    {
        if !call.store.has("category", id.as_u64().unwrap_or_default()) {
            return Err(Refusal::field("category_access.categories", "names no category"));
        }
    }
    Ok(())
}

/// One group is the default, and one is that of guests.
fn group_written(
    call: &mut Call<'_>,
    _: &'static Resource,
    key: &Key,
    _: &Obj,
    _: bool,
) -> Result<(), Refusal> {
    for name in ["is_default", "is_group_for_guests"] {
        let is = call.store.get("customer_group", key).is_some_and(|row| row.get(name) == &Json::Bool(true));
        for other in call.store.keys("customer_group").into_iter().filter(|other| is && other != key) {
            call.store.edit_silently("customer_group", &other, |row| {
                row.fields.insert(name.to_owned(), Json::Bool(false));
            });
        }
    }
    Ok(())
}

fn group_gone(store: &mut Store, key: &Key, _: &Row) {
    let inside: Vec<Key> = store
        .rows("customer")
        .filter(|(_, row)| row.get("customer_group_id") == &key.json())
        .map(|(key, _)| key.clone())
        .collect();
    for customer in inside {
        store.edit_silently("customer", &customer, |row| {
            row.fields.insert("customer_group_id".to_owned(), Json::from(0));
        });
    }
}

fn subscriber_rule(call: &mut Call<'_>, draft: &mut Draft) -> Result<(), Refusal> {
    if !draft.text("email").contains('@') {
        return Err(Refusal::field("email", "is no mail address"));
    }
    let channel = draft.value("channel_id").as_u64().unwrap_or(1);
    if !call.store.has("channel", channel) {
        return Err(Refusal::field("channel_id", "names no channel"));
    }
    Ok(())
}

fn wishlist_rule(call: &mut Call<'_>, draft: &mut Draft) -> Result<(), Refusal> {
    let customer = draft.value("customer_id").as_u64().unwrap_or_default();
    if !call.store.has("customer", customer) {
        return Err(Refusal::field("customer_id", "names no customer"));
    }
    if draft.is_new() {
        let token = call.store.uuid();
        draft.fields.insert("token".to_owned(), Json::from(token));
    }
    if let Some(Json::Array(items)) = draft.fields.get("items").cloned() {
        let items = numbered_items(call, &items)?;
        draft.fields.insert("items".to_owned(), Json::Array(items));
    }
    Ok(())
}

fn numbered_items(call: &mut Call<'_>, items: &[Json]) -> Result<Vec<Json>, Refusal> {
    let mut numbered = Vec::with_capacity(items.len());
    for (turn, item) in items.iter().enumerate() {
        let number = |name: &str| item.get(name).and_then(Json::as_u64).unwrap_or_default();
        let (product, variant) = (number("product_id"), number("variant_id"));
        if !call.store.has("product", product) {
            return Err(Refusal::field(format!("items.{turn}.product_id"), "names no product"));
        }
        if variant != 0 && call.store.at("variant", variant).is_none_or(|row| row.parent_number() != product)
        {
            return Err(Refusal::field(
                format!("items.{turn}.variant_id"),
                "names no variant of the product",
            ));
        }
        let id = if number("id") == 0 { call.store.mint("wishlist_item") } else { number("id") };
        numbered.push(json!({ "id": id, "product_id": product, "variant_id": variant }));
    }
    Ok(numbered)
}

fn wishlist(call: &Call<'_>) -> Result<(Key, Vec<Json>), Refusal> {
    let key = call.key(0);
    let row = call.store.get("wishlist", &key).ok_or_else(Refusal::not_found)?;
    Ok((key.clone(), row.list("items").to_vec()))
}

fn keep_items(call: &mut Call<'_>, key: &Key, items: Vec<Json>) -> Result<Answer, Refusal> {
    call.store.edit("wishlist", key, |row| {
        row.fields.insert("items".to_owned(), Json::Array(items));
    });
    Ok(reply(call, show(call.store, kind("wishlist")?, key, &Query::default())))
}

fn add_items(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let (key, mut items) = wishlist(call)?;
    let given = call.body.get("items").and_then(Json::as_array).cloned().unwrap_or_default();
    items.extend(numbered_items(call, &given)?);
    keep_items(call, &key, items)
}

fn delete_item(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let (key, mut items) = wishlist(call)?;
    let gone = call.key(1).json();
    let before = items.len();
    items.retain(|item| item.get("id") != Some(&gone));
    if items.len() == before {
        return Err(Refusal::not_found());
    }
    keep_items(call, &key, items)
}

fn stamped(call: &mut Call<'_>, draft: &mut Draft) -> Result<(), Refusal> {
    let at = Json::from(super::super::time::zulu(call.store.now));
    if draft.is_new() {
        draft.fields.insert("created_at".to_owned(), at.clone());
    }
    draft.fields.insert("updated_at".to_owned(), at);
    Ok(())
}

fn profile_rule(call: &mut Call<'_>, draft: &mut Draft) -> Result<(), Refusal> {
    let customer = draft.value("customer_id").as_u64().unwrap_or_default();
    if !call.store.has("customer", customer) {
        return Err(Refusal::new(400, "names no customer"));
    }
    stamped(call, draft)
}

/// Segments keep the profiles that are in them.
fn members(store: &Store, segment: &Key) -> Vec<Key> {
    let row = store.get("segment", segment);
    let list = row.and_then(|row| row.hidden.get("members")).and_then(Json::as_array);
    list.into_iter()
        .flatten()
        .filter_map(Key::of)
        .filter(|key| store.get("shopper_profile", key).is_some())
        .collect()
}

fn segments_of(store: &Store, profile: &Key) -> Vec<Key> {
    store.keys("segment").into_iter().filter(|segment| members(store, segment).contains(profile)).collect()
}

fn pages_of(call: &Call<'_>, kind_name: &str, keys: &[Key]) -> Result<Answer, Refusal> {
    let page = page::cut(call, keys, (50, 250))?;
    let resource = kind(kind_name)?;
    let shown: Vec<Json> =
        page.keys.iter().map(|key| show(call.store, resource, key, &Query::default())).collect();
    Ok(Answer::json(200, json!({ "data": shown, "meta": page.meta })))
}

fn segment(call: &Call<'_>) -> Result<Key, Refusal> {
    let key = call.key(0);
    call.store.get("segment", &key).map(|_| key.clone()).ok_or_else(Refusal::not_found)
}

fn segment_profiles(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let keys = members(call.store, &segment(call)?);
    pages_of(call, "shopper_profile", &keys)
}

fn profile_segments(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let key = call.key(0);
    call.store.get("shopper_profile", &key).ok_or_else(Refusal::not_found)?;
    let keys = segments_of(call.store, &key);
    pages_of(call, "segment", &keys)
}

fn join_segment(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let segment = segment(call)?;
    let given: Vec<Key> = call.body.as_array().into_iter().flatten().filter_map(Key::of).collect();
    check_batch(call, given.len(), 50)?;
    if given.iter().any(|key| call.store.get("shopper_profile", key).is_none()) {
        return Err(Refusal::new(404, "A shopper profile does not exist."));
    }
    let mut all = members(call.store, &segment);
    if given.iter().any(|key| all.contains(key)) {
        return Err(Refusal::new(409, "A shopper profile is in the segment already."));
    }
    all.extend(given.iter().cloned());
    set_members(call.store, &segment, &all);
    let shown = given
        .iter()
        .map(|key| show(call.store, kind("shopper_profile").unwrap_or(&PLAIN), key, &Query::default()))
        .collect();
    Ok(reply(call, Json::Array(shown)))
}

pub(crate) fn set_members(store: &mut Store, segment: &Key, members: &[Key]) {
    let list: Json = members.iter().map(Key::json).collect();
    store.edit("segment", segment, |row| {
        row.hidden.insert("members".to_owned(), list);
    });
}

fn leave_segment(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let segment = segment(call)?;
    let gone: Vec<String> =
        call.query.get("id:in").unwrap_or_default().split(',').map(str::to_owned).collect();
    let mut all = members(call.store, &segment);
    all.retain(|key| !gone.contains(&key.to_string()));
    set_members(call.store, &segment, &all);
    Ok(Answer::empty(204))
}
