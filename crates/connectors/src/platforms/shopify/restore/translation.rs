//! Translations, of one thing into one language. The platform takes one only with the digest of the text that it
//! translates as that is now, which is therefore asked for in the moment of writing.

use serde_json::{Value, json};

use super::draft::Draft;
use super::place;
use super::run::{Run, Sent};
use super::step::{Call, Step, Translate, Work, variables};
use crate::contract::Fault;
use crate::platforms::shopify::client::Again;
use crate::platforms::shopify::gid;

static REGISTER: Call =
    Call::new("translationsRegister", include_str!("../documents/write/translationsRegister.graphql"), 10)
        .of_many("translations");
static REMOVE: Call =
    Call::new("translationsRemove", include_str!("../documents/write/translationsRemove.graphql"), 10);
const CONTENT: &str = include_str!("../documents/live/translatable_content.graphql");

/// Most translations in one call.
const PER_CALL: usize = 100;

/// The id under which the translations of a thing into a language are kept.
pub(super) fn id_of(wanted: &Value) -> Option<String> {
    Some(gid::in_language(place::text(wanted, "resourceId")?, place::text(wanted, "locale")?))
}

/// Draws up the translations of one thing.
pub(super) fn draft(draft: &mut Draft<'_>) {
    let list = |of: Option<&'_ Value>| of.map_or(&[][..], |of| place::list(of, "translations")).to_vec();
    let (wanted, live, former) = (list(Some(draft.wanted)), list(draft.live), list(draft.former));
    let find = |list: &[Value], one: &Value| {
        list.iter().find(|other| place::text(other, "key") == place::text(one, "key")).cloned()
    };
    let mut texts = Vec::new();
    for one in &wanted {
        let (Some(key), Some(text)) = (place::text(one, "key"), place::text(one, "value")) else { continue };
        let there = find(&live, one);
        if there.as_ref().is_some_and(|there| place::text(there, "value") == Some(text)) {
            continue;
        }
        let from = there.and_then(|there| there.get("value").cloned()).unwrap_or_default();
        if draft.is_birth() || draft.change(format!("/translations/[{key}]/value"), &from, &Value::from(text))
        {
            texts.push((key.to_owned(), text.to_owned()));
        }
    }
    let mut gone = Vec::new();
    for one in live.iter().filter(|one| find(&former, one).is_some() && find(&wanted, one).is_none()) {
        let Some(key) = place::text(one, "key") else { continue };
        if draft.change(format!("/translations/[{key}]"), one, &Value::Null) {
            gone.push(key.to_owned());
        }
    }
    if texts.is_empty() && gone.is_empty() {
        return;
    }
    let text = |at| place::text(draft.wanted, at).unwrap_or_default().to_owned();
    let work = Translate { resource: text("resourceId"), locale: text("locale"), texts, gone };
    draft.step(Step {
        work: Work::Translate(work),
        ..Step::new(&REGISTER, "the translations", variables([]))
    });
}

impl Run<'_> {
    /// Takes away what is to go, and registers the texts with the digests of what they translate.
    pub(super) async fn translate(&mut self, work: &Translate) -> Result<Sent, Fault> {
        let Translate { resource, locale, texts, gone } = work;
        let resource = self.links.now(resource).to_owned();
        if !gone.is_empty() {
            let input = variables([
                ("resourceId", json!(resource)),
                ("translationKeys", json!(gone)),
                ("locales", json!([locale])),
            ]);
            self.send(&REMOVE, &input, "taking away translations", Again::Safe).await?;
        }
        let answer = self.shop.query(CONTENT, json!({"id": resource})).await?;
        let content = place::list(&answer, "translatableResource/translatableContent");
        let mut inputs = Vec::new();
        for (key, text) in texts {
            let of = content.iter().find(|one| place::text(one, "key") == Some(key));
            match of.and_then(|one| place::text(one, "digest")) {
                Some(digest) => inputs.push(json!({
                    "key": key, "locale": locale, "value": text, "translatableContentDigest": digest,
                })),
                None => self.applied.problems.push(format!(
                    "There is no text `{key}` that its translation into `{locale}` could belong to."
                )),
            }
        }
        for chunk in inputs.chunks(PER_CALL) {
            let input =
                variables([("resourceId", json!(resource)), ("translations", Value::Array(chunk.to_vec()))]);
            if matches!(self.send(&REGISTER, &input, "the translations", Again::Safe).await?, Sent::Refused) {
                return Ok(Sent::Refused);
            }
        }
        self.links.note(self.write.id, &gid::in_language(&resource, locale));
        Ok(Sent::Done(Value::Null))
    }
}
