//! Customers. Nothing here sends a mail: no invitation, and consent to marketing only as it was given.

use serde_json::{Map, Value, json};

use super::draft::Draft;
use super::field::{Field, Form, moved, same};
use super::links;
use super::part::{self, Named, Part};
use super::place;
use super::plain::{self, IdIn, Plain};
use super::product::by_namespace_and_key;
use super::step::{Born, Call, Step, variables};

static CREATE: Call =
    Call::new("customerCreate", include_str!("../documents/write/customerCreate.graphql"), 10);
static UPDATE: Call =
    Call::new("customerUpdate", include_str!("../documents/write/customerUpdate.graphql"), 10);
static ADDRESS_CREATE: Call =
    Call::new("customerAddressCreate", include_str!("../documents/write/customerAddressCreate.graphql"), 10);
static ADDRESS_UPDATE: Call =
    Call::new("customerAddressUpdate", include_str!("../documents/write/customerAddressUpdate.graphql"), 10);
static ADDRESS_DELETE: Call =
    Call::new("customerAddressDelete", include_str!("../documents/write/customerAddressDelete.graphql"), 10);
static ADDRESS_DEFAULT: Call = Call::new(
    "customerUpdateDefaultAddress",
    include_str!("../documents/write/customerUpdateDefaultAddress.graphql"),
    10,
);
static EMAIL_CONSENT: Call = Call::new(
    "customerEmailMarketingConsentUpdate",
    include_str!("../documents/write/customerEmailMarketingConsentUpdate.graphql"),
    10,
);
static WHATSAPP_CONSENT: Call = Call::new(
    "customerWhatsAppMarketingConsentUpdate",
    include_str!("../documents/write/customerWhatsAppMarketingConsentUpdate.graphql"),
    10,
);
static SMS_CONSENT: Call = Call::new(
    "customerSmsMarketingConsentUpdate",
    include_str!("../documents/write/customerSmsMarketingConsentUpdate.graphql"),
    10,
);

static CUSTOMER: Plain = Plain {
    create: &CREATE,
    update: &UPDATE,
    input: "input",
    node: "customer",
    id: IdIn::Input,
    fields: &[
        same("note", Form::Text),
        same("tags", Form::Set),
        same("taxExempt", Form::Plain),
        same("taxExemptions", Form::Set),
        same("locale", Form::Plain),
        same("multipassIdentifier", Form::Text),
    ],
};

/// Fields that the platform hides from apps that were not approved for personal data.
const PERSONAL: &[Field] = &[
    same("firstName", Form::Text),
    same("lastName", Form::Text),
    moved("defaultEmailAddress/emailAddress", "email", Form::Text),
    moved("defaultPhoneNumber/phoneNumber", "phone", Form::Text),
];

const ADDRESS_NAMES: &[&str] =
    &["address1", "address2", "city", "company", "firstName", "lastName", "phone", "provinceCode", "zip"];

static ADDRESS: Part = Part { at: "addressesV2", key: Named(by_content), parts: &[] };

/// Parts of a customer.
pub(super) static PARTS: &[Part] = &[
    Part { at: ADDRESS.at, key: ADDRESS.key, parts: ADDRESS.parts },
    Part { at: "metafields", key: Named(by_namespace_and_key), parts: &[] },
];

fn by_content(address: &Value, _: usize) -> Option<String> {
    Some(self::address(address).to_string())
}

/// An address as the API takes it.
pub(super) fn address(address: &Value) -> Value {
    if address.is_null() {
        return Value::Null;
    }
    let mut input = place::pick(address, ADDRESS_NAMES);
    input.retain(|_, value| value.as_str() != Some(""));
    if let Some(country) = place::text(address, "countryCodeV2") {
        input.insert("countryCode".to_owned(), Value::from(country));
    }
    input.sort_keys();
    Value::Object(input)
}

/// Draws up a customer.
pub(super) fn customer(draft: &mut Draft<'_>) {
    let (wanted, live) = (draft.wanted, draft.live);
    let mut input = draft.fields(CUSTOMER.fields, "", wanted, live);
    // All of them empty means, far more likely than that there is nothing, that the backup was not allowed to see.
    let seen = PERSONAL.iter().any(|field| place::text(wanted, field.from).is_some());
    match (seen, live) {
        (true, _) => input.extend(draft.fields(PERSONAL, "", wanted, live)),
        (false, Some(_)) => draft.losses.push(
            "The backup holds no name, mail or phone of this customer; those stay as they are.".to_owned(),
        ),
        (false, None) => {
            draft.refusal = Some(
                "The backup holds no name, mail or phone of this customer, and Shopify takes none without."
                    .to_owned(),
            );
            return;
        }
    }
    plain::write(draft, &CUSTOMER, input);
    addresses(draft);
    email_consent(draft);
    sms_consent(draft);
    whatsapp_consent(draft);
    if live.is_none() && wanted.get("dataSaleOptOut").and_then(Value::as_bool) == Some(true) {
        draft.losses.push(
            "The customer had opted out of the sale of personal data; that must be noted anew by hand."
                .to_owned(),
        );
    }
    if live.is_none() {
        draft.losses.push(
            "The customer comes back with a new id: former orders do not belong to it any more.".to_owned(),
        );
        draft.losses.push("Password, payment methods and store credit do not come back.".to_owned());
    }
    draft.own_metafields();
}

fn addresses(draft: &mut Draft<'_>) {
    let theirs = draft.live.map_or(&[][..], |live| place::list(live, "addressesV2"));
    let default = place::text(draft.wanted, "defaultAddress/id");
    let mut made_default = false;
    let addresses =
        part::matched(place::list(draft.wanted, "addressesV2"), theirs, Named(by_content), &draft.links);
    for (address, live) in addresses {
        let Some(id) = place::id_of(address) else { continue };
        let path = format!("/addressesV2/[{id}]");
        let input = |me: Value| {
            variables([
                ("customerId", me),
                ("address", self::address(address)),
                ("setAsDefault", json!(default == Some(id))),
            ])
        };
        let (from, to) = (live.unwrap_or(&Value::Null), address);
        if live.is_some_and(|live| self::address(live) == self::address(address)) {
            continue;
        }
        if !draft.is_birth() && !draft.change(path, from, to) {
            continue;
        }
        made_default |= default == Some(id);
        let mut input = input(draft.me());
        if live.is_some() {
            if let Some(Value::Object(address)) = input.get_mut("address") {
                // What the address did not have is taken away.
                for name in ADDRESS_NAMES {
                    address.entry(*name).or_insert(Value::Null);
                }
            }
            input.insert("addressId".to_owned(), links::id(id));
            draft.call(&ADDRESS_UPDATE, "an address", input);
        } else {
            draft.step(Step {
                name: format!("address/{id}"),
                born: Some(Born::Parts { at: "address", part: &ADDRESS, wanted: vec![address.clone()] }),
                ..Step::new(&ADDRESS_CREATE, "an address", input)
            });
        }
    }
    default_address(draft, default, made_default);
    // One that was the default is so no more by then.
    for address in draft.surplus(&ADDRESS) {
        let Some(id) = place::id_of(address) else { continue };
        if draft.change(format!("/addressesV2/[{id}]"), address, &Value::Null) {
            let input = variables([("customerId", draft.me()), ("addressId", Value::from(id))]);
            draft.call(&ADDRESS_DELETE, "taking away an address", input);
        }
    }
}

fn default_address(draft: &mut Draft<'_>, default: Option<&str>, made_default: bool) {
    let (Some(default), Some(live)) = (default, draft.live) else { return };
    let now = place::at(live, "defaultAddress/id").unwrap_or(&Value::Null);
    if !made_default
        && now.as_str() != Some(draft.links.now(default))
        && draft.change("/defaultAddress/id".to_owned(), now, &Value::from(default))
    {
        let input = variables([("customerId", draft.me()), ("addressId", links::id(default))]);
        draft.call(&ADDRESS_DEFAULT, "the default address", input);
    }
}

fn email_consent(draft: &mut Draft<'_>) {
    if place::text(draft.wanted, "defaultEmailAddress/emailAddress").is_none() {
        return;
    }
    let names = Consent {
        state: "defaultEmailAddress/marketingState",
        level: "defaultEmailAddress/marketingOptInLevel",
        at: "defaultEmailAddress/marketingUpdatedAt",
        location: "defaultEmailAddress/sourceLocation/id",
    };
    if let Some(consent) = consent(draft, &names) {
        let input = json!({"customerId": draft.me(), "emailMarketingConsent": consent});
        draft.call(&EMAIL_CONSENT, "consent to mails", variables([("input", input)]));
    }
}

fn sms_consent(draft: &mut Draft<'_>) {
    if place::text(draft.wanted, "defaultPhoneNumber/phoneNumber").is_none() {
        return;
    }
    let names = Consent {
        state: "defaultPhoneNumber/smsMarketingConsent/state",
        level: "defaultPhoneNumber/smsMarketingConsent/optInLevel",
        at: "defaultPhoneNumber/smsMarketingConsent/updatedAt",
        location: "defaultPhoneNumber/smsMarketingConsent/sourceLocation/id",
    };
    if let Some(consent) = consent(draft, &names) {
        let input = json!({"customerId": draft.me(), "smsMarketingConsent": consent});
        draft.call(&SMS_CONSENT, "consent to text messages", variables([("input", input)]));
    }
}

fn whatsapp_consent(draft: &mut Draft<'_>) {
    if place::text(draft.wanted, "defaultPhoneNumber/phoneNumber").is_none() {
        return;
    }
    let names = Consent {
        state: "defaultPhoneNumber/whatsAppMarketingConsent/state",
        level: "defaultPhoneNumber/whatsAppMarketingConsent/optInLevel",
        at: "defaultPhoneNumber/whatsAppMarketingConsent/updatedAt",
        location: "defaultPhoneNumber/whatsAppMarketingConsent/sourceLocation/id",
    };
    let Some(Value::Object(mut consent)) = consent(draft, &names) else { return };
    // The same under names of its own.
    for (theirs, its) in [
        ("marketingState", "state"),
        ("marketingOptInLevel", "optInLevel"),
        ("consentUpdatedAt", "updatedAt"),
    ] {
        if let Some(value) = consent.remove(theirs) {
            consent.insert(its.to_owned(), value);
        }
    }
    let input = json!({"customerId": draft.me(), "whatsAppMarketingConsent": consent});
    draft.call(&WHATSAPP_CONSENT, "consent to WhatsApp messages", variables([("input", input)]));
}

/// Where the parts of a consent stand.
struct Consent {
    state: &'static str,
    level: &'static str,
    at: &'static str,
    location: &'static str,
}

/// The consent to set, where it differs. Only what a person decided can be set; whoever had decided nothing and
/// consented since is taken as having withdrawn.
fn consent(draft: &mut Draft<'_>, names: &Consent) -> Option<Value> {
    let to = place::at(draft.wanted, names.state)?;
    let from = draft.live.and_then(|live| place::at(live, names.state)).unwrap_or(&Value::Null);
    let mute = |state: &Value| !matches!(state.as_str(), Some("SUBSCRIBED" | "PENDING"));
    let state = match to.as_str()? {
        "SUBSCRIBED" | "UNSUBSCRIBED" | "PENDING" => to.clone(),
        _ if mute(from) => return None,
        _ => Value::from("UNSUBSCRIBED"),
    };
    if to == from || (!draft.is_birth() && !draft.change(format!("/{}", names.state), from, to)) {
        return None;
    }
    let mut consent = Map::new();
    consent.insert("marketingState".to_owned(), state);
    let mut copy = |name: &str, value: Option<&Value>, make: fn(&Value) -> Value| {
        if let Some(value) = value.filter(|value| !value.is_null()) {
            consent.insert(name.to_owned(), make(value));
        }
    };
    copy("marketingOptInLevel", place::at(draft.wanted, names.level), Value::clone);
    copy("consentUpdatedAt", place::at(draft.wanted, names.at), Value::clone);
    copy("sourceLocationId", place::at(draft.wanted, names.location), links::id_or_null);
    Some(Value::Object(consent))
}
