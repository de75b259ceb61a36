//! Customers, their addresses and their consent.

use serde_json::{Map, Value as Json};

use super::{As, Call, Copy, Errors, Outcome, Row, copy, list, metafields, refuse, text};
use crate::shopify::store::Store;
use crate::shopify::value::{Gid, Kind, Obj, Val, obj};

pub(super) const ROWS: &[Row] = &[
    ("customerCreate", create),
    ("customerUpdate", update),
    ("customerSet", set),
    ("customerDelete", delete),
    ("customerEmailMarketingConsentUpdate", email_consent),
    ("customerSmsMarketingConsentUpdate", sms_consent),
    ("customerWhatsAppMarketingConsentUpdate", whatsapp_consent),
    ("customerAddressCreate", create_address),
    ("customerAddressUpdate", update_address),
    ("customerAddressDelete", delete_address),
    ("customerUpdateDefaultAddress", default_address),
];

const FIELDS: &[Copy] = &[
    ("email", "email", As::Same),
    ("firstName", "firstName", As::Same),
    ("lastName", "lastName", As::Same),
    ("locale", "locale", As::Same),
    ("multipassIdentifier", "multipassIdentifier", As::Same),
    ("note", "note", As::Same),
    ("phone", "phone", As::Same),
    ("tags", "tags", As::Tags),
    ("taxExempt", "taxExempt", As::Same),
    ("taxExemptions", "taxExemptions", As::Same),
];

/// An address as an input gives it and as the state keeps it.
pub(super) const ADDRESS: &[Copy] = &[
    ("address1", "address1", As::Same),
    ("address2", "address2", As::Same),
    ("city", "city", As::Same),
    ("company", "company", As::Same),
    ("countryCode", "countryCodeV2", As::Word),
    ("firstName", "firstName", As::Same),
    ("lastName", "lastName", As::Same),
    ("phone", "phone", As::Same),
    ("provinceCode", "provinceCode", As::Same),
    ("zip", "zip", As::Same),
];

const CONSENT: &[Copy] = &[
    ("marketingState", "marketingState", As::Word),
    ("marketingOptInLevel", "marketingOptInLevel", As::Word),
    ("consentUpdatedAt", "consentUpdatedAt", As::Time),
];

/// A mailing address from its input.
pub(super) fn address(store: &mut Store, input: &Map<String, Json>) -> Obj {
    let mut made = obj! { "id": Val::Id(store.mint(Kind::MailingAddress)) };
    copy(&mut made, input, ADDRESS);
    name_country(&mut made);
    made
}

/// Countries by their codes; others keep the code as their name.
const COUNTRIES: &[(&str, &str)] = &[
    ("AT", "Austria"),
    ("CA", "Canada"),
    ("CH", "Switzerland"),
    ("DE", "Germany"),
    ("FR", "France"),
    ("GB", "United Kingdom"),
    ("US", "United States"),
];

/// Sets the country's name by its code.
pub(super) fn name_country(address: &mut Obj) {
    let code = address.str("countryCodeV2").or_else(|| address.str("countryCode")).map(str::to_owned);
    let Some(code) = code else { return };
    let name = COUNTRIES.iter().find(|(one, _)| *one == code).map_or(code.as_str(), |(_, name)| name);
    address.set("country", Val::text(name));
}

fn consent(store: &Store, input: &Map<String, Json>) -> Obj {
    let mut made = obj! { "marketingOptInLevel": "SINGLE_OPT_IN", "consentUpdatedAt": Val::Time(store.now) };
    copy(&mut made, input, CONSENT);
    made
}

fn apply(
    store: &mut Store,
    own: Option<Gid>,
    customer: &mut Obj,
    input: &Map<String, Json>,
    errors: &mut Errors,
) {
    copy(customer, input, FIELDS);
    let mail = customer.str("email").map(str::to_lowercase);
    if mail.as_deref().is_some_and(|mail| !mail.contains('@') || mail.contains(' ')) {
        errors.add(&["email"], "Email is invalid", "INVALID");
    }
    if mail.and_then(|mail| store.by_key(Kind::Customer, &mail)).is_some_and(|other| Some(other) != own) {
        errors.add(&["email"], "Email has already been taken", "TAKEN");
    }
    let phone = customer.str("phone").map(str::to_owned);
    if phone.as_deref().is_some_and(|phone| !phone.starts_with('+')) {
        errors.add(&["phone"], "Phone is invalid", "INVALID");
    }
    if phone.and_then(|phone| store.by_key(Kind::Customer, &phone)).is_some_and(|other| Some(other) != own) {
        errors.add(&["phone"], "Phone has already been taken", "TAKEN");
    }
    if customer.str("email").is_none()
        && customer.str("phone").is_none()
        && customer.str("firstName").is_none()
        && customer.str("lastName").is_none()
    {
        errors.add(&[], "A name, phone number, or email address must be present", "INVALID");
    }
    for (from, to) in
        [("emailMarketingConsent", "emailMarketingConsent"), ("smsMarketingConsent", "smsMarketingConsent")]
    {
        if let Some(given) = input.get(from).and_then(Json::as_object) {
            let made = consent(store, given);
            customer.set(to, made);
        }
    }
    if let Some(given) = list(input, "addresses") {
        let old = customer.list("addressesV2").to_vec();
        let made: Vec<Val> = given
            .iter()
            .filter_map(Json::as_object)
            .map(|one| {
                let mut fresh = Obj::default();
                copy(&mut fresh, one, ADDRESS);
                name_country(&mut fresh);
                // The same address keeps its id.
                let same = old.iter().filter_map(Val::as_obj).find(|known| {
                    let mut bare = Obj::clone(known);
                    bare.take("id");
                    bare.to_json() == fresh.to_json()
                });
                Val::from(same.cloned().unwrap_or_else(|| address(store, one)))
            })
            .collect();
        customer.set("addressesV2", made);
    }
    metafields::merge(store, Kind::Customer, customer, input, &[], errors);
}

fn fresh() -> Obj {
    obj! { "state": "DISABLED", "locale": "en", "verifiedEmail": true, "taxExempt": false, "lifetimeDuration": "less than a minute" }
}

fn create(store: &mut Store, call: &Call<'_>) -> Outcome {
    let Some(input) = call.map("input") else { return refuse(&["input"], "An input is needed.", "BLANK") };
    let mut errors = Errors::default();
    let mut customer = fresh();
    apply(store, None, &mut customer, input, &mut errors);
    if !errors.none() {
        return errors.payload(obj! {});
    }
    let gid = store.insert(Kind::Customer, customer);
    errors.payload(obj! { "customer": gid })
}

fn change(store: &mut Store, gid: Gid, input: &Map<String, Json>) -> Outcome {
    let mut errors = Errors::default();
    let mut customer = store.get(gid).map(|customer| Obj::clone(customer)).unwrap_or_default();
    apply(store, Some(gid), &mut customer, input, &mut errors);
    if !errors.none() {
        return errors.payload(obj! {});
    }
    store.edit(gid, |old| *old = customer);
    errors.payload(obj! { "customer": gid })
}

fn update(store: &mut Store, call: &Call<'_>) -> Outcome {
    let input = call.map("input");
    let gid = input.and_then(|input| text(input, "id")).and_then(|id| store.find(Kind::Customer, id));
    match (gid, input) {
        (Some(gid), Some(input)) => change(store, gid, input),
        _ => refuse(&["id"], "Customer does not exist", "NOT_FOUND"),
    }
}

fn set(store: &mut Store, call: &Call<'_>) -> Outcome {
    let Some(input) = call.map("input") else { return refuse(&["input"], "An input is needed.", "BLANK") };
    let identifier = call.map("identifier");
    let by_key = |name: &str| {
        let key = text(identifier?, name)?.to_lowercase();
        store.by_key(Kind::Customer, &key)
    };
    let by_id = identifier.and_then(|identifier| text(identifier, "id")).or_else(|| text(input, "id"));
    let gid = match by_id {
        Some(id) => match store.find(Kind::Customer, id) {
            Some(gid) => Some(gid),
            None => return refuse(&["identifier", "id"], "Customer does not exist", "NOT_FOUND"),
        },
        None => by_key("email").or_else(|| by_key("phone")),
    };
    match gid {
        Some(gid) => change(store, gid, input),
        None => create(store, call),
    }
}

fn delete(store: &mut Store, call: &Call<'_>) -> Outcome {
    let gid =
        call.map("input").and_then(|input| text(input, "id")).and_then(|id| store.find(Kind::Customer, id));
    let Some(gid) = gid else { return refuse(&["id"], "Customer can't be found", "NOT_FOUND") };
    let ordered = store.table(Kind::Order).rows.values().any(|order| order.gid("customer") == Some(gid));
    if ordered {
        return refuse(&["id"], "Customer can't be deleted because they have associated orders", "INVALID");
    }
    // What they were given stays, and is nobody's.
    for card in store.gids(Kind::GiftCard).collect::<Vec<_>>() {
        store.edit_silently(card, |card| {
            if card.gid("customer") == Some(gid) {
                card.set("customer", Val::Null);
            }
            if card.obj("recipientAttributes").and_then(|given| given.gid("recipient")) == Some(gid) {
                card.set("recipientAttributes", Val::Null);
            }
        });
    }
    store.remove(gid);
    Errors::default().payload(obj! { "deletedCustomerId": Val::Id(gid) })
}

fn set_consent(store: &mut Store, call: &Call<'_>, name: &'static str, needs: &str) -> Outcome {
    let input = call.map("input");
    let gid = input.and_then(|input| text(input, "customerId")).and_then(|id| store.find(Kind::Customer, id));
    let given = input.and_then(|input| input.get(name)).and_then(Json::as_object);
    let (Some(gid), Some(given)) = (gid, given) else {
        return refuse(&["customerId"], "Customer does not exist", "INVALID");
    };
    if store.get(gid).is_some_and(|customer| customer.str(needs).is_none()) {
        return refuse(&["input", name], "The customer has no address of that sort", "MISSING_ARGUMENT");
    }
    let made = consent(store, given);
    store.edit(gid, |customer| customer.set(name, made));
    Errors::default().payload(obj! { "customer": gid })
}

fn email_consent(store: &mut Store, call: &Call<'_>) -> Outcome {
    set_consent(store, call, "emailMarketingConsent", "email")
}

fn sms_consent(store: &mut Store, call: &Call<'_>) -> Outcome {
    set_consent(store, call, "smsMarketingConsent", "phone")
}

/// Consent to messages of the one service that has names of its own for the same.
fn whatsapp_consent(store: &mut Store, call: &Call<'_>) -> Outcome {
    let input = call.map("input");
    let gid = input.and_then(|input| text(input, "customerId")).and_then(|id| store.find(Kind::Customer, id));
    let name = "whatsAppMarketingConsent";
    let given = input.and_then(|input| input.get(name)).and_then(Json::as_object);
    let (Some(gid), Some(given)) = (gid, given) else {
        return refuse(&["input", "customerId"], "Customer does not exist", "INVALID");
    };
    if store.get(gid).is_some_and(|customer| customer.str("phone").is_none()) {
        return refuse(&["input", name], "The customer has no phone number", "MISSING_ARGUMENT");
    }
    let mut made = obj! { "optInLevel": "SINGLE_OPT_IN", "updatedAt": Val::Time(store.now) };
    let fields = [
        ("state", "state", As::Word),
        ("optInLevel", "optInLevel", As::Word),
        ("updatedAt", "updatedAt", As::Time),
    ];
    copy(&mut made, given, &fields);
    store.edit(gid, |customer| customer.set(name, made));
    Errors::default().payload(obj! {})
}

fn create_address(store: &mut Store, call: &Call<'_>) -> Outcome {
    let (Some(gid), Some(input)) = (call.gid(store, Kind::Customer, "customerId"), call.map("address"))
    else {
        return refuse(&["customerId"], "Customer does not exist", "NOT_FOUND");
    };
    let made = address(store, input);
    let id = made.gid("id");
    let default = call.args.get("setAsDefault").and_then(Json::as_bool) == Some(true);
    store.edit(gid, |customer| {
        customer.edit_list("addressesV2", |all| all.push(Val::from(made.clone())));
        if default {
            customer.set("defaultAddressId", id.map(Val::Id));
        }
    });
    Errors::default().payload(obj! { "address": made })
}

fn address_of(store: &Store, call: &Call<'_>) -> Option<(Gid, Gid)> {
    let gid = call.gid(store, Kind::Customer, "customerId")?;
    let id = call.text("addressId").and_then(Gid::parse)?;
    let known = store
        .get(gid)?
        .list("addressesV2")
        .iter()
        .filter_map(Val::as_obj)
        .any(|own| own.gid("id") == Some(id));
    known.then_some((gid, id))
}

fn update_address(store: &mut Store, call: &Call<'_>) -> Outcome {
    let (Some((gid, id)), Some(input)) = (address_of(store, call), call.map("address")) else {
        return refuse(&["addressId"], "Address does not exist", "NOT_FOUND");
    };
    let default = call.args.get("setAsDefault").and_then(Json::as_bool) == Some(true);
    let mut shown = Val::Null;
    store.edit(gid, |customer| {
        customer.edit_list("addressesV2", |all| {
            for own in all.iter_mut() {
                if let Val::Obj(own) = own
                    && own.gid("id") == Some(id)
                {
                    copy(own, input, ADDRESS);
                    name_country(own);
                    shown = Val::Obj(own.clone());
                }
            }
        });
        if default {
            customer.set("defaultAddressId", Val::Id(id));
        }
    });
    Errors::default().payload(obj! { "address": shown })
}

fn delete_address(store: &mut Store, call: &Call<'_>) -> Outcome {
    let Some((gid, id)) = address_of(store, call) else {
        return refuse(&["addressId"], "Address does not exist", "NOT_FOUND");
    };
    store.edit(gid, |customer| {
        customer.edit_list("addressesV2", |all| {
            all.retain(|own| own.as_obj().and_then(|own| own.gid("id")) != Some(id));
        });
    });
    Errors::default().payload(obj! { "deletedAddressId": Val::Id(id) })
}

fn default_address(store: &mut Store, call: &Call<'_>) -> Outcome {
    let Some((gid, id)) = address_of(store, call) else {
        return refuse(&["addressId"], "Address does not exist", "NOT_FOUND");
    };
    store.edit(gid, |customer| customer.set("defaultAddressId", Val::Id(id)));
    Errors::default().payload(obj! { "customer": gid })
}
