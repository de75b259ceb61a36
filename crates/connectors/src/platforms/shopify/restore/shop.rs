//! The shop itself, its policies and its languages.

use serde_json::{Value, json};

use super::draft::Draft;
use super::field::{Form, same};
use super::place;
use super::step::{Call, Step, variables};

static POLICY_UPDATE: Call =
    Call::new("shopPolicyUpdate", include_str!("../documents/write/shopPolicyUpdate.graphql"), 10);
static LOCALE_ENABLE: Call =
    Call::new("shopLocaleEnable", include_str!("../documents/write/shopLocaleEnable.graphql"), 10);
static LOCALE_UPDATE: Call =
    Call::new("shopLocaleUpdate", include_str!("../documents/write/shopLocaleUpdate.graphql"), 10);

/// Draws up the shop: its settings can be read and not written, its metafields both.
pub(super) fn shop(draft: &mut Draft<'_>) {
    draft.own_metafields();
}

/// Draws up a policy, of which there is one of each type.
pub(super) fn policy(draft: &mut Draft<'_>) {
    let input = draft.fields(&[same("body", Form::Plain)], "", draft.wanted, draft.live);
    if input.is_empty() && !draft.is_birth() {
        return;
    }
    let mut policy = place::pick(draft.wanted, &["type"]);
    policy.insert("body".to_owned(), draft.wanted.get("body").cloned().unwrap_or_else(|| json!("")));
    let input = variables([("shopPolicy", Value::Object(policy))]);
    if draft.is_birth() {
        draft.step(Step::birth(&POLICY_UPDATE, "shopPolicy", input));
    } else {
        draft.call(&POLICY_UPDATE, "the policy", input);
    }
}

/// Draws up a language.
pub(super) fn locale(draft: &mut Draft<'_>) {
    let wanted = draft.wanted;
    if wanted.get("primary").and_then(Value::as_bool) == Some(true) && draft.is_birth() {
        draft.refusal = Some("The shop's main language can only be set by hand.".to_owned());
        return;
    }
    let locale = wanted.get("locale").cloned().unwrap_or_default();
    if draft.is_birth() {
        draft.step(Step::birth(&LOCALE_ENABLE, "shopLocale", variables([("locale", locale.clone())])));
    }
    let input = draft.fields(&[same("published", Form::Plain)], "", wanted, draft.live);
    let publishes = input.get("published").is_some_and(|published| !draft.is_birth() || *published == true);
    if publishes {
        let input = variables([("locale", locale), ("shopLocale", Value::Object(input))]);
        draft.call(&LOCALE_UPDATE, "whether the language is shown", input);
    }
}
