//! Locations and stock.

use serde_json::{Map, Value as Json};

use super::variants::{apply_item, set_level};
use super::{As, Call, Copy, Errors, Outcome, Row, copy, metafields, refuse, text};
use crate::shopify::store::Store;
use crate::shopify::value::{Gid, Kind, Obj, Val, obj};

pub(super) const ROWS: &[Row] = &[
    ("inventoryItemUpdate", update_item),
    ("inventoryActivate", activate),
    ("inventoryDeactivate", deactivate),
    ("inventorySetQuantities", set_quantities),
    ("inventoryAdjustQuantities", adjust_quantities),
    ("locationAdd", add),
    ("locationEdit", edit),
    ("locationActivate", activate_location),
    ("locationDeactivate", deactivate_location),
    ("locationDelete", delete),
    ("locationLocalPickupEnable", enable_pickup),
    ("locationLocalPickupDisable", disable_pickup),
];

/// Why stock may change.
const REASONS: &[&str] = &[
    "correction",
    "cycle_count_available",
    "damaged",
    "movement_created",
    "movement_updated",
    "movement_received",
    "movement_canceled",
    "other",
    "promotion",
    "quality_control",
    "received",
    "reservation_created",
    "reservation_deleted",
    "reservation_updated",
    "restock",
    "safety_stock",
    "shrinkage",
];
/// Highest quantity.
const QUANTITY_MAX: i64 = 1_000_000_000;

fn update_item(store: &mut Store, call: &Call<'_>) -> Outcome {
    let (Some(gid), Some(input)) = (call.gid(store, Kind::InventoryItem, "id"), call.map("input")) else {
        return refuse(&["id"], "The product couldn't be updated because it does not exist.", "NOT_FOUND");
    };
    apply_item(store, gid, input);
    Errors::default().payload(obj! { "inventoryItem": gid })
}

fn level_of(store: &Store, item: Gid, location: Gid) -> Option<&Obj> {
    store
        .get(item)?
        .list("inventoryLevels")
        .iter()
        .filter_map(Val::as_obj)
        .find(|level| level.gid("location") == Some(location))
}

/// A level as a payload shows it: an object of its own kind that knows its item.
fn shown(store: &Store, item: Gid, location: Gid) -> Val {
    let Some(level) = level_of(store, item, location) else { return Val::Null };
    let mut made = level.clone();
    let id = format!(
        "gid://shopify/InventoryLevel/{}?inventory_item_id={}",
        level.gid("id").map_or(0, Gid::number),
        item.number()
    );
    made.set("shownId", Val::text(id));
    made.set("item", Val::Ref(item));
    Val::from(made)
}

fn activate(store: &mut Store, call: &Call<'_>) -> Outcome {
    let Some(item) = call.gid(store, Kind::InventoryItem, "inventoryItemId") else {
        return refuse(&["inventoryItemId"], "The inventory item could not be found.", "NOT_FOUND");
    };
    let location = call
        .gid(store, Kind::Location, "locationId")
        .filter(|gid| store.get(*gid).is_some_and(|location| location.flag("isActive") == Some(true)));
    let Some(location) = location else {
        return refuse(&["locationId"], "The location could not be found.", "NOT_FOUND");
    };
    let connected =
        level_of(store, item, location).is_some_and(|level| level.flag("isActive") != Some(false));
    let wanted = call.args.get("available").or_else(|| call.args.get("onHand")).and_then(Json::as_i64);
    if connected && wanted.is_some() {
        return refuse(
            &["available"],
            "Not allowed to set available quantity when the item is already active at the location.",
            "INVALID",
        );
    }
    if !connected {
        set_level(store, item, location, "available", wanted.unwrap_or(0));
    }
    let level = shown(store, item, location);
    Errors::default().payload(obj! { "inventoryLevel": level })
}

fn deactivate(store: &mut Store, call: &Call<'_>) -> Outcome {
    let id = call.text("inventoryLevelId").unwrap_or_default();
    let item = id
        .split_once("inventory_item_id=")
        .and_then(|(_, number)| number.parse().ok())
        .map(|number| Gid::new(Kind::InventoryItem, number));
    let level = Gid::parse(id);
    let (Some(item), Some(level)) = (item.filter(|gid| store.has(*gid)), level) else {
        return refuse(&["inventoryLevelId"], "The inventory level could not be found.", "NOT_FOUND");
    };
    let active = store.get(item).map_or(0, |item| {
        item.list("inventoryLevels")
            .iter()
            .filter_map(Val::as_obj)
            .filter(|level| level.flag("isActive") != Some(false))
            .count()
    });
    if active < 2 {
        return refuse(&[], "The item must stay connected to at least one location.", "INVALID");
    }
    store.edit(item, |item| {
        item.edit_list("inventoryLevels", |levels| {
            levels.retain(|own| own.as_obj().and_then(|own| own.gid("id")) != Some(level));
        });
    });
    Errors::default().payload(obj! {})
}

/// What stands at a place that is stocked: the quantity that the caller believes in must be told, if only as null.
fn stocked<'s>(
    store: &'s Store,
    (item, location): (Gid, Gid),
    one: &Map<String, Json>,
    path: &[&str],
    missing: &'static str,
    errors: &mut Errors,
) -> Option<&'s Obj> {
    if !one.contains_key("changeFromQuantity") {
        let message = "The changeFromQuantity argument is required; pass null to skip the comparison.";
        errors.add(&[path, &["changeFromQuantity"]].concat(), message, missing);
    }
    let level = level_of(store, item, location).filter(|level| level.flag("isActive") != Some(false));
    if level.is_none() {
        let message = "The specified inventory item is not stocked at the location.";
        errors.add(&[path, &["locationId"]].concat(), message, "INVALID_LOCATION");
    }
    level
}

fn compare(one: &Map<String, Json>, shown: i64, path: &[&str], errors: &mut Errors) {
    // Null says that whatever stands there may go.
    if let Some(from) = one.get("changeFromQuantity").and_then(Json::as_i64).filter(|from| *from != shown) {
        errors.add(
            &[path, &["changeFromQuantity"]].concat(),
            format!("The quantity is {shown}, not {from}."),
            "CHANGE_FROM_QUANTITY_STALE",
        );
    }
}

fn place(store: &Store, one: &Map<String, Json>, path: &[&str], errors: &mut Errors) -> Option<(Gid, Gid)> {
    let Some(item) = text(one, "inventoryItemId").and_then(|id| store.find(Kind::InventoryItem, id)) else {
        errors.add(
            &[path, &["inventoryItemId"]].concat(),
            "The specified inventory item could not be found.",
            "INVALID_INVENTORY_ITEM",
        );
        return None;
    };
    let active = |gid: &Gid| store.get(*gid).is_some_and(|location| location.flag("isActive") == Some(true));
    let Some(location) = text(one, "locationId").and_then(|id| store.find(Kind::Location, id)).filter(active)
    else {
        errors.add(
            &[path, &["locationId"]].concat(),
            "The specified location could not be found.",
            "INVALID_LOCATION",
        );
        return None;
    };
    Some((item, location))
}

fn set_quantities(store: &mut Store, call: &Call<'_>) -> Outcome {
    let Some(input) = call.map("input") else {
        return refuse(&["input"], "An input is needed.", "INVALID_NAME");
    };
    let mut errors = Errors::default();
    let name = match text(input, "name") {
        Some("available") => "available",
        Some("on_hand") => "on_hand",
        _ => {
            errors.add(
                &["input", "name"],
                "The quantity name must be either 'available' or 'on_hand'.",
                "INVALID_NAME",
            );
            "available"
        }
    };
    if !REASONS.contains(&text(input, "reason").unwrap_or_default()) {
        errors.add(&["input", "reason"], "The specified reason is invalid.", "INVALID_REASON");
    }
    let mut plan: Vec<(Gid, Gid, i64)> = Vec::new();
    for (index, one) in
        super::list(input, "quantities").unwrap_or_default().iter().filter_map(Json::as_object).enumerate()
    {
        let at = index.to_string();
        let path = ["input", "quantities", at.as_str()];
        let Some((item, location)) = place(store, one, &path, &mut errors) else { continue };
        let quantity = one.get("quantity").and_then(Json::as_i64).unwrap_or(0);
        if quantity < 0 {
            errors.add(
                &[path.as_slice(), &["quantity"]].concat(),
                "The quantity can't be negative.",
                "INVALID_QUANTITY_NEGATIVE",
            );
        }
        if quantity > QUANTITY_MAX {
            errors.add(
                &[path.as_slice(), &["quantity"]].concat(),
                "The quantity is too high.",
                "INVALID_QUANTITY_TOO_HIGH",
            );
        }
        if plan.iter().any(|(other, there, _)| (*other, *there) == (item, location)) {
            errors.add(
                &path,
                "The pair of item and location is given twice.",
                "NO_DUPLICATE_INVENTORY_ITEM_ID_GROUP_ID_PAIR",
            );
        }
        let level = stocked(store, (item, location), one, &path, "COMPARE_QUANTITY_REQUIRED", &mut errors);
        let Some(level) = level else { continue };
        let now = level.int("available").unwrap_or(0);
        let others: i64 = ["committed", "reserved", "damaged", "safety_stock", "quality_control"]
            .iter()
            .map(|part| level.int(part).unwrap_or(0))
            .sum();
        compare(one, if name == "on_hand" { now + others } else { now }, &path, &mut errors);
        plan.push((item, location, if name == "on_hand" { quantity - others } else { quantity }));
    }
    if !errors.none() {
        return errors.payload(obj! {});
    }
    for (item, location, quantity) in plan {
        set_level(store, item, location, "available", quantity);
    }
    errors.payload(obj! {})
}

fn adjust_quantities(store: &mut Store, call: &Call<'_>) -> Outcome {
    let Some(input) = call.map("input") else {
        return refuse(&["input"], "An input is needed.", "INVALID_QUANTITY_NAME");
    };
    let mut errors = Errors::default();
    let known =
        ["available", "committed", "incoming", "reserved", "damaged", "safety_stock", "quality_control"];
    let Some(name) = known.iter().copied().find(|known| Some(*known) == text(input, "name")) else {
        return refuse(
            &["input", "name"],
            "The specified quantity name is invalid.",
            "INVALID_QUANTITY_NAME",
        );
    };
    let mut plan: Vec<(Gid, Gid, i64)> = Vec::new();
    for (index, one) in
        super::list(input, "changes").unwrap_or_default().iter().filter_map(Json::as_object).enumerate()
    {
        let at = index.to_string();
        let path = ["input", "changes", at.as_str()];
        let Some((item, location)) = place(store, one, &path, &mut errors) else { continue };
        let level = stocked(store, (item, location), one, &path, "ADJUST_QUANTITIES_FAILED", &mut errors);
        let Some(level) = level else { continue };
        let old = level.int(name).unwrap_or(0);
        compare(one, old, &path, &mut errors);
        plan.push((item, location, old + one.get("delta").and_then(Json::as_i64).unwrap_or(0)));
    }
    if !errors.none() {
        return errors.payload(obj! {});
    }
    for (item, location, quantity) in plan {
        set_level(store, item, location, name, quantity);
    }
    errors.payload(obj! {})
}

const ADDRESS: &[Copy] = &[
    ("address1", "address1", As::Same),
    ("address2", "address2", As::Same),
    ("city", "city", As::Same),
    ("countryCode", "countryCode", As::Same),
    ("phone", "phone", As::Same),
    ("provinceCode", "provinceCode", As::Same),
    ("zip", "zip", As::Same),
];

fn apply(
    store: &mut Store,
    own: Option<Gid>,
    location: &mut Obj,
    input: &Map<String, Json>,
    errors: &mut Errors,
) {
    copy(
        location,
        input,
        &[("name", "name", As::Same), ("fulfillsOnlineOrders", "fulfillsOnlineOrders", As::Same)],
    );
    let name = location.str("name").unwrap_or_default().to_owned();
    if name.trim().is_empty() {
        errors.add(&["input", "name"], "Add a location name", "BLANK");
    }
    if store.by_key(Kind::Location, &name).is_some_and(|other| Some(other) != own) {
        errors.add(&["input", "name"], "You already have a location with this name", "TAKEN");
    }
    if let Some(given) = input.get("address").and_then(Json::as_object) {
        let mut address = location.obj("address").cloned().unwrap_or_default();
        copy(&mut address, given, ADDRESS);
        super::customers::name_country(&mut address);
        location.set("address", address);
    }
    metafields::merge(store, Kind::Location, location, input, &["input"], errors);
}

fn add(store: &mut Store, call: &Call<'_>) -> Outcome {
    let Some(input) = call.map("input") else { return refuse(&["input"], "An input is needed.", "BLANK") };
    let mut errors = Errors::default();
    let mut location =
        obj! { "isActive": true, "activatable": true, "deactivatable": true, "shipsInventory": true };
    apply(store, None, &mut location, input, &mut errors);
    if !errors.none() {
        return errors.payload(obj! {});
    }
    let gid = store.insert(Kind::Location, location);
    errors.payload(obj! { "location": gid })
}

fn edit(store: &mut Store, call: &Call<'_>) -> Outcome {
    let (Some(gid), Some(input)) = (call.gid(store, Kind::Location, "id"), call.map("input")) else {
        return refuse(&["id"], "Location not found.", "NOT_FOUND");
    };
    let mut errors = Errors::default();
    let mut location = store.get(gid).map(|location| Obj::clone(location)).unwrap_or_default();
    apply(store, Some(gid), &mut location, input, &mut errors);
    if !errors.none() {
        return errors.payload(obj! {});
    }
    store.edit(gid, |old| *old = location);
    errors.payload(obj! { "location": gid })
}

/// These three answer their errors under names of their own.
fn named(
    list: &'static str,
    gid: Option<(&'static str, Val)>,
    problem: Option<(&str, &'static str)>,
) -> Outcome {
    let errors: Vec<Val> = problem
        .into_iter()
        .map(|(message, code)| {
            Val::from(
                obj! { "field": Val::texts(["locationId"]), "message": Val::text(message), "code": code },
            )
        })
        .collect();
    let mut payload = Obj::default();
    payload.set(list, errors);
    if let Some((name, gid)) = gid {
        payload.set(name, gid);
    }
    Ok(payload)
}

fn activate_location(store: &mut Store, call: &Call<'_>) -> Outcome {
    let list = "locationActivateUserErrors";
    let Some(gid) = call.gid(store, Kind::Location, "locationId") else {
        return named(list, None, Some(("Location not found.", "LOCATION_NOT_FOUND")));
    };
    store.edit(gid, |location| {
        location.set("isActive", true);
        location.take("deactivatedAt");
    });
    named(list, Some(("location", Val::Ref(gid))), None)
}

fn deactivate_location(store: &mut Store, call: &Call<'_>) -> Outcome {
    let list = "locationDeactivateUserErrors";
    let Some(gid) = call.gid(store, Kind::Location, "locationId") else {
        return named(list, None, Some(("Location not found.", "LOCATION_NOT_FOUND")));
    };
    let active = store
        .table(Kind::Location)
        .rows
        .values()
        .filter(|location| location.flag("isActive") == Some(true))
        .count();
    if active < 2 {
        return named(
            list,
            None,
            Some(("At least one location must be active.", "CANNOT_DISABLE_ONLINE_ORDER_FULFILLMENT")),
        );
    }
    let target = match call.text("destinationLocationId") {
        None => None,
        Some(id) if Gid::parse(id) == Some(gid) => {
            let message = "The destination is the location itself.";
            return named(list, None, Some((message, "DESTINATION_LOCATION_IS_THE_SAME_LOCATION")));
        }
        Some(id) => match active_location(store, Some(id)) {
            None => {
                let message = "The destination was not found or is inactive.";
                return named(list, None, Some((message, "DESTINATION_LOCATION_NOT_FOUND_OR_INACTIVE")));
            }
            target => target,
        },
    };
    let held: Vec<(Gid, i64)> = store
        .gids(Kind::InventoryItem)
        .filter_map(|item| Some((item, level_of(store, item, gid)?.int("available").unwrap_or(0))))
        .filter(|(_, available)| *available != 0)
        .collect();
    match target {
        None if !held.is_empty() => {
            let message = "The location has active inventory: name a destination for it.";
            return named(list, None, Some((message, "HAS_ACTIVE_INVENTORY_ERROR")));
        }
        None => {}
        Some(target) => {
            for (item, available) in held {
                let there =
                    level_of(store, item, target).and_then(|level| level.int("available")).unwrap_or(0);
                set_level(store, item, target, "available", there + available);
                set_level(store, item, gid, "available", 0);
            }
        }
    }
    let now = store.now;
    store.edit(gid, |location| {
        location.set("isActive", false);
        location.set("deactivatedAt", Val::Time(now));
    });
    named(list, Some(("location", Val::Ref(gid))), None)
}

fn delete(store: &mut Store, call: &Call<'_>) -> Outcome {
    let list = "locationDeleteUserErrors";
    let Some(gid) = call.gid(store, Kind::Location, "locationId") else {
        return named(list, None, Some(("Location not found.", "LOCATION_NOT_FOUND")));
    };
    if store.get(gid).is_some_and(|location| location.flag("isActive") == Some(true)) {
        return named(
            list,
            None,
            Some(("The location cannot be deleted while it is active.", "LOCATION_IS_ACTIVE")),
        );
    }
    let stocked = store.table(Kind::InventoryItem).rows.values().any(|item| {
        let levels = item.list("inventoryLevels").iter().filter_map(Val::as_obj);
        levels
            .filter(|level| level.flag("isActive") != Some(false))
            .any(|level| level.gid("location") == Some(gid))
    });
    if stocked {
        let message = "The location cannot be deleted while it has inventory.";
        return named(list, None, Some((message, "LOCATION_HAS_INVENTORY")));
    }
    store.remove(gid);
    named(list, Some(("deletedLocationId", Val::Id(gid))), None)
}

/// An active location.
fn active_location(store: &Store, id: Option<&str>) -> Option<Gid> {
    let gid = store.find(Kind::Location, id?)?;
    store.get(gid).is_some_and(|location| location.flag("isActive") == Some(true)).then_some(gid)
}

fn enable_pickup(store: &mut Store, call: &Call<'_>) -> Outcome {
    let input = call.map("localPickupSettings");
    let gid = input.and_then(|input| active_location(store, text(input, "locationId")));
    let (Some(gid), Some(input)) = (gid, input) else {
        return refuse(
            &["localPickupSettings"],
            "No active location was found.",
            "ACTIVE_LOCATION_NOT_FOUND",
        );
    };
    if text(input, "pickupTime") == Some("CUSTOM") {
        return refuse(
            &["localPickupSettings", "pickupTime"],
            "A custom pickup time is not allowed.",
            "CUSTOM_PICKUP_TIME_NOT_ALLOWED",
        );
    }
    let mut made = obj! { "instructions": "" };
    copy(
        &mut made,
        input,
        &[("instructions", "instructions", As::Same), ("pickupTime", "pickupTime", As::Word)],
    );
    store.edit(gid, |location| location.set("localPickupSettingsV2", made.clone()));
    Errors::default().payload(obj! { "localPickupSettings": made })
}

fn disable_pickup(store: &mut Store, call: &Call<'_>) -> Outcome {
    let Some(gid) = active_location(store, call.text("locationId")) else {
        return refuse(&["locationId"], "No active location was found.", "ACTIVE_LOCATION_NOT_FOUND");
    };
    store.edit(gid, |location| drop(location.take("localPickupSettingsV2")));
    Errors::default().payload(obj! { "locationId": Val::Id(gid) })
}
