//! Markets and web presences.

use serde_json::{Map, Value as Json};

use super::{As, Call, Copy, Errors, Outcome, Row, copy, list, refuse, settle_handle, text};
use crate::shopify::schema::intern;
use crate::shopify::store::Store;
use crate::shopify::value::{Gid, Kind, Obj, Val, obj};

pub(super) const ROWS: &[Row] = &[
    ("marketCreate", create),
    ("marketUpdate", update),
    ("marketDelete", delete),
    ("webPresenceCreate", create_presence),
    ("webPresenceUpdate", update_presence),
    ("webPresenceDelete", delete_presence),
];

const FIELDS: &[Copy] = &[("name", "name", As::Same), ("status", "status", As::Word)];
const CURRENCY: &[Copy] =
    &[("localCurrencies", "localCurrencies", As::Same), ("roundingEnabled", "roundingEnabled", As::Same)];
const INCLUSIONS: &[Copy] = &[
    ("adaptivePricingEnabled", "adaptivePricingEnabled", As::Same),
    ("dutiesPricingStrategy", "inclusiveDutiesPricingStrategy", As::Word),
    ("taxPricingStrategy", "inclusiveTaxPricingStrategy", As::Word),
];

/// A condition's name, the state's list of it, and where an input has its elements.
const CONDITIONS: &[(&str, &str, &str)] =
    &[("regionsCondition", "regions", "regions"), ("locationsCondition", "locations", "locationIds")];

/// How a region is told from others.
fn place_of(region: &Obj) -> String {
    let country = region.obj("country").and_then(|country| country.str("code")).unwrap_or_default();
    format!("{country}/{}", region.str("code").unwrap_or_default())
}

fn region(store: &mut Store, input: &Json, errors: &mut Errors) -> Option<Val> {
    let country = input.get("countryCode").and_then(Json::as_str).and_then(intern)?;
    let Some(part) = input.get("subdivision").and_then(Json::as_str) else {
        let id = store.mint(Kind::MarketRegionCountry);
        return Some(Val::from(
            obj! { "__typename": "MarketRegionCountry", "id": Val::Id(id), "code": country, "name": country },
        ));
    };
    if !(1..=3).contains(&part.len()) || part.chars().any(|c| !c.is_ascii_alphanumeric()) {
        errors.add(&["input", "conditions"], "Subdivision is invalid", "INVALID_SUBDIVISION_FORMAT");
        return None;
    }
    let id = store.mint(Kind::MarketRegionSubdivision);
    Some(Val::from(obj! {
        "__typename": "MarketRegionSubdivision", "id": Val::Id(id), "code": Val::text(part), "name": Val::text(part),
        "country": obj! { "code": country, "name": country },
    }))
}

/// The elements that an input names.
fn elements(store: &mut Store, input: &Json, name: &str, errors: &mut Errors) -> Vec<Val> {
    let given: Vec<Json> = input.get(name).and_then(Json::as_array).cloned().unwrap_or_default();
    if given.is_empty() && input.get("applicationLevel").is_none() {
        errors.add(
            &["input", "conditions"],
            "Specified conditions can't be empty",
            "SPECIFIED_CONDITIONS_CANNOT_BE_EMPTY",
        );
    }
    let mut made = Vec::new();
    for one in &given {
        match one.as_str() {
            None => made.extend(region(store, one, errors)),
            Some(id) => match store.find(Kind::Location, id) {
                Some(gid) => made.push(Val::Ref(gid)),
                None => errors.add(&["input", "conditions"], "Conditions not found", "CONDITIONS_NOT_FOUND"),
            },
        }
    }
    made
}

fn same(one: &Val, other: &Val) -> bool {
    match (one.as_obj(), other.as_obj()) {
        (Some(one), Some(other)) => place_of(one) == place_of(other),
        _ => one == other,
    }
}

/// Adds what an input says to a market's conditions, or takes it away.
fn move_conditions(store: &mut Store, market: &mut Obj, input: &Json, adds: bool, errors: &mut Errors) {
    let mut all = market.obj("conditions").cloned().unwrap_or_default();
    for (name, held, given) in CONDITIONS {
        let Some(input) = input.get(*name).filter(|input| input.is_object()) else { continue };
        let (Some(name), Some(held)) = (intern(name), intern(held)) else { continue };
        let mut condition = all.obj(name).cloned().unwrap_or_default();
        let everywhere = input.get("applicationLevel").and_then(Json::as_str) == Some("ALL");
        let named = elements(store, input, given, errors);
        let mut there = condition.list(held).to_vec();
        if !adds {
            there.retain(|one| !named.iter().any(|other| same(one, other)));
        } else {
            for one in named {
                if !there.iter().any(|other| same(&one, other)) {
                    there.push(one);
                }
            }
        }
        let is_all = if everywhere {
            adds
        } else {
            condition.str("applicationLevel") == Some("ALL") && there.is_empty()
        };
        condition = obj! { "applicationLevel": if is_all { "ALL" } else { "SPECIFIED" } };
        if !is_all {
            condition.set(held, there.clone());
        }
        all.set(name, (is_all || !there.is_empty()).then_some(condition));
    }
    market.set("conditions", all);
}

/// The type that a market's conditions make it.
pub(crate) fn type_of(market: &Obj) -> &'static str {
    let conditions = market.obj("conditions");
    let has = |name: &str| conditions.is_some_and(|conditions| conditions.get(name).is_some());
    match (has("regionsCondition"), has("locationsCondition")) {
        (_, true) => "LOCATION",
        (true, _) => "REGION",
        _ => "NONE",
    }
}

fn regions(market: &Obj) -> Vec<String> {
    let condition = market.obj("conditions").and_then(|all| all.obj("regionsCondition"));
    let list = condition.map(|condition| condition.list("regions")).unwrap_or_default();
    list.iter().filter_map(Val::as_obj).map(place_of).collect()
}

fn apply(
    store: &mut Store,
    own: Option<Gid>,
    market: &mut Obj,
    input: &Map<String, Json>,
    errors: &mut Errors,
) {
    copy(market, input, FIELDS);
    let name = market.str("name").unwrap_or_default().to_owned();
    if name.trim().is_empty() {
        errors.add(&["input", "name"], "Name can't be blank", "BLANK");
    }
    if own.is_none() || text(input, "handle").is_some() {
        match settle_handle(store, Kind::Market, "", own, text(input, "handle"), &name) {
            Ok(handle) => market.set("handle", handle),
            Err(message) => errors.add(&["input", "handle"], message, "TAKEN"),
        }
    }
    if market.flag("primary") == Some(true) && market.str("status") != Some("ACTIVE") {
        errors.add(
            &["input", "status"],
            "The primary market can't be disabled",
            "CANNOT_DISABLE_PRIMARY_MARKET",
        );
    }
    if let Some(conditions) = input.get("conditions") {
        if own.is_none() {
            move_conditions(store, market, conditions, true, errors);
        } else {
            for (step, adds) in [("conditionsToDelete", false), ("conditionsToAdd", true)] {
                if let Some(moved) = conditions.get(step) {
                    move_conditions(store, market, moved, adds, errors);
                }
            }
        }
    }
    if type_of(market) == "REGION" && market.str("status") == Some("ACTIVE") {
        let mine = regions(market);
        let taken = store.gids(Kind::Market).filter(|gid| Some(*gid) != own).any(|gid| {
            store.get(gid).is_some_and(|other| {
                other.str("status") == Some("ACTIVE")
                    && type_of(other) == "REGION"
                    && regions(other).iter().any(|region| mine.contains(region))
            })
        });
        if taken {
            errors.add(
                &["input", "conditions"],
                "A region is in another active market",
                "DUPLICATE_REGION_MARKET",
            );
        }
    }
    if let Some(given) = input.get("currencySettings").and_then(Json::as_object) {
        let mut settings = market.obj("currencySettings").cloned().unwrap_or_default();
        copy(&mut settings, given, CURRENCY);
        let mut base = settings.obj("baseCurrency").cloned().unwrap_or_else(|| {
            obj! { "currencyCode": "EUR", "currencyName": "EUR", "enabled": true }
        });
        copy(
            &mut base,
            given,
            &[("baseCurrency", "currencyCode", As::Word), ("baseCurrencyManualRate", "manualRate", As::Same)],
        );
        let code = base.get("currencyCode").cloned();
        base.set("currencyName", code);
        settings.set("baseCurrency", base);
        market.set("currencySettings", settings);
    }
    if let Some(given) = input.get("priceInclusions").and_then(Json::as_object) {
        let mut inclusions = market.obj("priceInclusions").cloned().unwrap_or_default();
        copy(&mut inclusions, given, INCLUSIONS);
        market.set("priceInclusions", inclusions);
    }
    for (flag, name) in
        [("removeCurrencySettings", "currencySettings"), ("removePriceInclusions", "priceInclusions")]
    {
        if input.get(flag).and_then(Json::as_bool) == Some(true) {
            market.set(name, Val::Null);
        }
    }
    presences(store, market, input, errors);
}

fn presences(store: &Store, market: &mut Obj, input: &Map<String, Json>, errors: &mut Errors) {
    let mut find = |name: &str| -> Vec<Val> {
        let ids = list(input, name).unwrap_or_default();
        ids.iter()
            .filter_map(|id| match id.as_str().and_then(|id| store.find(Kind::MarketWebPresence, id)) {
                Some(gid) => Some(Val::Ref(gid)),
                None => {
                    errors.add(&["input", name], "Web presence not found", "WEB_PRESENCE_NOT_FOUND");
                    None
                }
            })
            .collect()
    };
    let gone = find("webPresencesToDelete");
    let new = [find("webPresences"), find("webPresencesToAdd")].concat();
    market.edit_list("webPresences", |all| {
        all.retain(|one| !gone.contains(one));
        for one in new {
            if !all.contains(&one) {
                all.push(one);
            }
        }
    });
}

fn create(store: &mut Store, call: &Call<'_>) -> Outcome {
    let Some(input) = call.map("input") else {
        return refuse(&["input"], "A market is needed.", "BLANK");
    };
    let mut errors = Errors::default();
    let mut market = obj! { "status": "ACTIVE" };
    apply(store, None, &mut market, input, &mut errors);
    if !errors.none() {
        return errors.payload(obj! {});
    }
    let gid = store.insert(Kind::Market, market);
    errors.payload(obj! { "market": gid })
}

fn update(store: &mut Store, call: &Call<'_>) -> Outcome {
    let (Some(gid), Some(input)) = (call.gid(store, Kind::Market, "id"), call.map("input")) else {
        return refuse(&["id"], "The market wasn't found.", "MARKET_NOT_FOUND");
    };
    let mut errors = Errors::default();
    let mut market = store.get(gid).map(|market| Obj::clone(market)).unwrap_or_default();
    apply(store, Some(gid), &mut market, input, &mut errors);
    if !errors.none() {
        return errors.payload(obj! {});
    }
    store.edit(gid, |old| *old = market);
    errors.payload(obj! { "market": gid })
}

fn delete(store: &mut Store, call: &Call<'_>) -> Outcome {
    let Some(gid) = call.gid(store, Kind::Market, "id") else {
        return refuse(&["id"], "The market wasn't found.", "MARKET_NOT_FOUND");
    };
    if store.get(gid).is_some_and(|market| market.flag("primary") == Some(true)) {
        return refuse(&["id"], "Can't delete the primary market", "CANNOT_DELETE_PRIMARY_MARKET");
    }
    store.remove(gid);
    Errors::default().payload(obj! { "deletedId": Val::Id(gid) })
}

// ---------------------------------------------------------------- web presences

/// A language that visitors can be shown: enabled, and published.
fn locale(store: &Store, code: &str, field: &str, errors: &mut Errors) -> Option<Gid> {
    let found = store.by_key(Kind::ShopLocale, code);
    match found.and_then(|gid| store.get(gid)) {
        None => errors.add(&["input", field], "Language is disabled", "DISABLED_LANGUAGE"),
        Some(locale) if locale.flag("published") != Some(true) => {
            errors.add(&["input", field], "Language is unpublished", "UNPUBLISHED_LANGUAGE");
        }
        Some(_) => {}
    }
    found
}

fn apply_presence(
    store: &Store,
    own: Option<Gid>,
    presence: &mut Obj,
    input: &Map<String, Json>,
    errors: &mut Errors,
) {
    if let Some(code) = text(input, "defaultLocale") {
        presence.set("defaultLocale", locale(store, code, "defaultLocale", errors));
    } else if input.contains_key("defaultLocale") {
        errors.add(
            &["input", "defaultLocale"],
            "Default locale can't be null",
            "CANNOT_SET_DEFAULT_LOCALE_TO_NULL",
        );
    }
    if let Some(codes) = list(input, "alternateLocales") {
        let codes: Vec<&str> = codes.iter().filter_map(Json::as_str).collect();
        let found: Vec<Gid> =
            codes.iter().filter_map(|code| locale(store, code, "alternateLocales", errors)).collect();
        let twice = found.iter().enumerate().any(|(at, one)| {
            presence.gid("defaultLocale") == Some(*one) || found.iter().take(at).any(|other| other == one)
        });
        if twice {
            errors.add(&["input", "alternateLocales"], "Languages are repeated", "DUPLICATE_LANGUAGES");
        }
        presence.set("alternateLocales", found);
    }
    if let Some(suffix) = text(input, "subfolderSuffix") {
        if suffix.len() < 2 || !suffix.is_ascii() {
            let code = "SUBFOLDER_SUFFIX_MUST_BE_AT_LEAST_2_LETTERS";
            errors.add(&["input", "subfolderSuffix"], "Subfolder suffix is too short", code);
        }
        if presence.get("domain").is_some() {
            let code = "CANNOT_HAVE_SUBFOLDER_AND_DOMAIN";
            errors.add(&["input"], "Can't have both a subfolder and a domain", code);
        }
        if store.by_key(Kind::MarketWebPresence, suffix).is_some_and(|other| Some(other) != own) {
            errors.add(&["input", "subfolderSuffix"], "Subfolder suffix has already been taken", "TAKEN");
        }
        presence.set("subfolderSuffix", Val::text(suffix));
    }
    if presence.get("domain").is_none() && presence.get("subfolderSuffix").is_none() {
        errors.add(&["input"], "Requires a domain or a subfolder", "REQUIRES_DOMAIN_OR_SUBFOLDER");
    }
}

fn create_presence(store: &mut Store, call: &Call<'_>) -> Outcome {
    let Some(input) = call.map("input") else {
        return refuse(&["input"], "A web presence is needed.", "BLANK");
    };
    if text(input, "domainId").is_some() {
        // Each domain that is there has its web presence; no API connects one.
        return refuse(&["input", "domainId"], "Domain not found", "DOMAIN_NOT_FOUND");
    }
    let (mut presence, mut errors) = (Obj::default(), Errors::default());
    apply_presence(store, None, &mut presence, input, &mut errors);
    if !errors.none() {
        return errors.payload(obj! {});
    }
    let gid = store.insert(Kind::MarketWebPresence, presence);
    errors.payload(obj! { "webPresence": gid })
}

fn update_presence(store: &mut Store, call: &Call<'_>) -> Outcome {
    let found = call.gid(store, Kind::MarketWebPresence, "id");
    let (Some(gid), Some(input)) = (found, call.map("input")) else {
        return refuse(&["id"], "The web presence wasn't found.", "WEB_PRESENCE_NOT_FOUND");
    };
    let mut presence = store.get(gid).map(|presence| Obj::clone(presence)).unwrap_or_default();
    let mut errors = Errors::default();
    apply_presence(store, Some(gid), &mut presence, input, &mut errors);
    if !errors.none() {
        return errors.payload(obj! {});
    }
    store.edit(gid, |old| *old = presence);
    errors.payload(obj! { "webPresence": gid })
}

fn delete_presence(store: &mut Store, call: &Call<'_>) -> Outcome {
    let Some(gid) = call.gid(store, Kind::MarketWebPresence, "id") else {
        return refuse(&["id"], "The web presence wasn't found.", "WEB_PRESENCE_NOT_FOUND");
    };
    if store.get(gid).is_some_and(|presence| presence.get("domain").is_some()) {
        let message = "The shop must have a web presence of its primary domain";
        return refuse(&["id"], message, "SHOP_MUST_HAVE_PRIMARY_DOMAIN_WEB_PRESENCE");
    }
    for market in store.gids(Kind::Market).collect::<Vec<_>>() {
        store.edit_silently(market, |market| {
            market.edit_list("webPresences", |all| all.retain(|one| one.as_gid() != Some(gid)));
        });
    }
    store.remove(gid);
    Errors::default().payload(obj! { "deletedId": Val::Id(gid) })
}
