//! Taking the steps of one item: noted before and after, checked for what the platform refused, and, where an answer was
//! lost, looked at again before anything is made twice.

use std::collections::BTreeSet;

use reqwest::multipart::{Form, Part as FilePart};
use serde_json::{Map, Value, json};

use super::super::client::{self, Again, Answered, Ask};
use super::super::reading::reading;
use super::super::{BigCommerce, live};
use super::recipe::Recipe;
use super::step::{Body, Born, CREATE, Step};
use super::{can_tell, drafted, find, note, spelled};
use crate::compare::links::Links;
use crate::compare::{part, place};
use crate::contract::{Applied, Fault, ItemWrite, Prior, named};
use crate::engine::http::Verb;

/// How often in a row an item is looked at again after an answer was lost, without anything done in between.
const LOOKS_MAX: usize = 4;

/// What a step led to.
enum Taken {
    /// On to the next.
    On,
    /// What is there must be looked at, and the rest drawn up anew.
    Look,
    /// The rest makes no sense.
    Stop,
}

/// What came of a request.
enum Sent {
    /// It was done, all of it or in part; this is what it answered.
    Done(Value),
    /// All of it was refused; the sentences say why.
    Refused,
}

/// One item's restore.
struct Run<'a> {
    shop: &'a BigCommerce,
    recipe: &'static Recipe,
    write: &'a ItemWrite<'a>,
    links: Links<'a>,
    applied: Applied,
    looked: BTreeSet<String>,
    looks: usize,
}

/// Takes the steps that lead from what is there to what is wanted.
pub(super) async fn apply(
    shop: &BigCommerce,
    recipe: &'static Recipe,
    write: &ItemWrite<'_>,
) -> Result<Applied, Fault> {
    let links = Links::new(write.ids, spelled);
    let (applied, looked) = (Applied::default(), BTreeSet::new());
    let mut run = Run { shop, recipe, write, links, applied, looked, looks: 0 };
    let mut live = write.live.cloned();
    if let Some(live) = &live {
        run.settle(live).await?;
    }
    while run.round(live.as_ref()).await? {
        live = run.look().await?;
    }
    run.applied.ids = run.links.pairs();
    Ok(run.applied)
}

impl Run<'_> {
    /// Draws up the item and takes the steps. True where it must be looked at and drawn up anew.
    async fn round(&mut self, live: Option<&Value>) -> Result<bool, Fault> {
        let ItemWrite { wanted, former, options, .. } = *self.write;
        let draft = drafted(self.recipe, wanted, live, former, self.links.clone(), options);
        let (links, steps, refusal) = (draft.links, draft.steps, draft.refusal);
        if let Some(why) = refusal {
            self.applied.problems.push(why);
            return Ok(false);
        }
        self.links = self.links.clone().with(links.pairs());
        for step in &steps {
            match self.take(step).await? {
                Taken::On => {}
                Taken::Look if self.looks < LOOKS_MAX => {
                    self.looks += 1;
                    return Ok(true);
                }
                Taken::Look => {
                    return Err(Fault::Unavailable(format!(
                        "the answers about {} were lost again and again",
                        step.what
                    )));
                }
                Taken::Stop => return Ok(false),
            }
        }
        Ok(false)
    }

    /// What is there now, after an answer was lost.
    async fn look(&mut self) -> Result<Option<Value>, Fault> {
        let kind = self.write.kind;
        let Some(reading) = reading(kind.name) else { return Ok(None) };
        let now = self.links.now(self.write.id).to_owned();
        // What was gone is not there again under its former id, by which another store may call something else.
        let known = self.write.live.is_some() || now != self.write.id;
        let mut nodes =
            if known { live::nodes(self.shop, reading, &[now.as_str()]).await? } else { Vec::new() };
        if nodes.is_empty() {
            let wanted = present(self.write.wanted, &self.links);
            nodes.extend(find(self.shop, kind, reading, &wanted).await?);
        }
        let Some((id, item)) = live::whole(self.shop, kind, reading, nodes).await?.into_iter().next() else {
            return Ok(None);
        };
        let payload: Value = serde_json::from_slice(&item.payload)
            .map_err(|error| Fault::Malformed(format!("`{id}` is not JSON: {error}")))?;
        let live = named(kind, payload);
        self.links.note(self.write.id, &id);
        self.settle(&live).await?;
        Ok(Some(live))
    }

    /// Ends what an interruption left open of an item that is there: the intent to make it is fulfilled.
    async fn settle(&mut self, live: &Value) -> Result<(), Fault> {
        note(self.recipe, self.write.wanted, live, &mut self.links);
        if self.write.journal.is_in_doubt(CREATE) {
            self.looked.remove(CREATE);
            self.write.journal.done(CREATE, &self.links.pairs()).await?;
        }
        Ok(())
    }

    async fn take(&mut self, step: &Step) -> Result<Taken, Fault> {
        let Some(born) = &step.born else {
            self.send(step, Again::Safe).await?;
            return Ok(Taken::On);
        };
        match self.write.journal.intend(&step.name).await? {
            Prior::New => {}
            Prior::Done(ids) => {
                self.links = self.links.clone().with(ids);
                // What is there is not what it was when this was drawn up: the step was taken since.
                if self.looked.insert(format!("done {}", step.name)) {
                    return Ok(Taken::Look);
                }
                self.applied.problems.push(format!(
                    "What this restore had made of {} is not there any more: somebody took it away since.",
                    step.what
                ));
                return Ok(if step.is_essential() { Taken::Stop } else { Taken::On });
            }
            Prior::InDoubt if self.looked.insert(step.name.clone()) => return Ok(Taken::Look),
            Prior::InDoubt => self.applied.possibly_twice |= !self.certain(step),
        }
        match self.send(step, Again::Never).await {
            Ok(Sent::Done(answer)) => {
                let before = self.links.pairs();
                self.learn(born, &answer);
                let ids: Vec<_> =
                    self.links.pairs().into_iter().filter(|pair| !before.contains(pair)).collect();
                self.write.journal.done(&step.name, &ids).await?;
                self.looks = 0;
                Ok(Taken::On)
            }
            Ok(Sent::Refused) => {
                self.write.journal.refused(&step.name).await?;
                Ok(if step.is_essential() { Taken::Stop } else { Taken::On })
            }
            // The answer was lost: it may have happened. Look, and if it did not, try once more.
            Err(Fault::Unavailable(_) | Fault::Malformed(_))
                if self.certain(step) && self.looked.insert(step.name.clone()) =>
            {
                self.shop.client.back_off(2).await;
                Ok(Taken::Look)
            }
            Err(fault) => Err(fault),
        }
    }

    /// Whether looking can tell if something was made. Of an item that is there, its parts can always be seen.
    fn certain(&self, step: &Step) -> bool {
        !step.is_essential() || can_tell(self.recipe, self.write.wanted)
    }

    /// Notes the ids of what was made.
    fn learn(&mut self, born: &Born, answer: &Value) {
        let one = |value: &Value| match value {
            Value::Array(list) => list.first().cloned().unwrap_or_default(),
            other => other.clone(),
        };
        let kind = self.write.kind;
        match born {
            Born::Item => {
                let made = named(kind, one(answer));
                note(self.recipe, self.write.wanted, &made, &mut self.links);
                // The one variant that a product has from its beginning, where it is to have no other.
                let base = place::list(self.write.wanted, "variants")
                    .iter()
                    .find(|variant| place::list(variant, "option_values").is_empty())
                    .and_then(place::id_of);
                if let (Some(old), Some(new)) = (base, place::text(&made, "base_variant_id")) {
                    self.links.note(old, new);
                }
            }
            Born::Parts { at, wanted } => {
                // The answer as it would stand in the item, so that its ids are told apart as there.
                let (outer, inner) =
                    at.split_once('/').map_or((*at, None), |(outer, inner)| (outer, Some(inner)));
                let within = match inner {
                    Some(inner) => json!({ outer: [{ inner: [one(answer)] }] }),
                    None => json!({ outer: [one(answer)] }),
                };
                let made = named(kind, within);
                let made = place::list(&made, outer).first().cloned().unwrap_or_default();
                let made = inner.map_or(made.clone(), |inner| {
                    place::list(&made, inner).first().cloned().unwrap_or_default()
                });
                for wanted in wanted {
                    let parts = self.recipe.parts.iter().find(|part| part.at == outer && inner.is_none());
                    part::pair(wanted, &made, parts.map_or(&[], |part| part.parts), &mut self.links);
                }
            }
        }
    }

    /// Sends a step: ids are filled in, and stored bytes go with it. Of a list, what is refused as a whole is sent once
    /// more one by one.
    async fn send(&mut self, step: &Step, again: Again) -> Result<Sent, Fault> {
        let path = step.path.filled(|id| self.links.now(id).to_owned());
        let body = match &step.body {
            Body::Nothing => Value::Null,
            Body::Object(fields) => self.links.fill(&Value::Object(fields.clone())),
            Body::List(list) => self.links.fill(&Value::Array(list.clone())),
            Body::File { pointer, field, form } => {
                return self.upload(step, &path, (pointer, field, form), again).await;
            }
        };
        let json = if body.is_null() { client::Body::Nothing } else { client::Body::Json(&body) };
        let ask = Ask { method: step.method, path: &path, query: &step.query, body: json, again };
        let answer = self.shop.client.send(ask).await;
        let many = body.as_array().map_or(0, Vec::len);
        match (answer, many) {
            (Ok(answer), 2..) if answer.refusal().is_some() => {
                let mut done = false;
                for one in body.as_array().into_iter().flatten() {
                    let alone = json!([one]);
                    let body = client::Body::Json(&alone);
                    let ask = Ask { method: step.method, path: &path, query: &step.query, body, again };
                    let answer = self.shop.client.send(ask).await;
                    done |= matches!(self.told(step, answer)?, Sent::Done(_));
                }
                Ok(if done { Sent::Done(Value::Null) } else { Sent::Refused })
            }
            (answer, _) => self.told(step, answer),
        }
    }

    /// What an answer says, with what was refused noted. An answer that something was done in part is a problem, and done.
    fn told(&mut self, step: &Step, answer: Result<Answered, Fault>) -> Result<Sent, Fault> {
        let answer = match answer {
            // What the API itself does not take cannot be put right here; the other items can go on.
            Err(Fault::Rejected(why) | Fault::Forbidden(why)) => {
                self.applied.problems.push(format!("BigCommerce refused {}: {why}", step.what));
                return Ok(Sent::Refused);
            }
            answer => answer?,
        };
        let is_gone = answer.is_gone() && step.method == Verb::Delete;
        let (refusal, partial) = (answer.refusal(), answer.status == 207);
        match refusal {
            Some(why) if partial => {
                self.applied.problems.push(format!("BigCommerce kept {} only in part: {why}", step.what));
            }
            Some(_) if is_gone => {}
            Some(why) => {
                self.applied.problems.push(format!("BigCommerce refused {}: {why}", step.what));
                return Ok(Sent::Refused);
            }
            None => {}
        }
        // V3 has it below `data`, V2 gives it as it is.
        let data = match answer.body {
            Value::Object(mut fields) if fields.contains_key("data") => {
                fields.remove("data").unwrap_or_default()
            }
            body => body,
        };
        Ok(Sent::Done(data))
    }

    /// Sends stored bytes. What was not stored cannot be put back.
    async fn upload(
        &mut self,
        step: &Step,
        path: &str,
        (pointer, field, form): (&str, &'static str, &Map<String, Value>),
        again: Again,
    ) -> Result<Sent, Fault> {
        let bytes = match self.write.media.read(pointer).await {
            Some(bytes) => bytes?,
            None => {
                self.applied
                    .problems
                    .push(format!("The bytes of {} were not stored, so it does not come back.", step.what));
                return Ok(Sent::Refused);
            }
        };
        let texts: Vec<(String, String)> = form
            .iter()
            .map(|(name, value)| {
                (name.clone(), value.as_str().map_or_else(|| value.to_string(), str::to_owned))
            })
            .collect();
        let name = file_name(self.write.wanted, pointer);
        let make = || {
            let form =
                texts.iter().fold(Form::new(), |form, (name, value)| form.text(name.clone(), value.clone()));
            form.part(field, FilePart::stream(bytes.clone()).file_name(name.clone()))
        };
        let ask =
            Ask { method: step.method, path, query: &step.query, body: client::Body::Form(&make), again };
        let answer = self.shop.client.send(ask).await;
        self.told(step, answer)
    }
}

/// The payload with the ids that are known now.
fn present(value: &Value, links: &Links<'_>) -> Value {
    match value {
        Value::String(id) => links.now(id).into(),
        Value::Array(list) => list.iter().map(|one| present(one, links)).collect(),
        Value::Object(fields) => {
            fields.iter().map(|(name, one)| (name.clone(), present(one, links))).collect()
        }
        other => other.clone(),
    }
}

/// The name under which a picture was uploaded: BigCommerce adds a number of its own behind two underscores.
fn file_name(wanted: &Value, pointer: &str) -> String {
    let address = wanted.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let address = address.split(['?', '#']).next().unwrap_or_default();
    let name = address.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or("picture");
    match (name.split_once("__"), name.rsplit_once('.')) {
        (Some((stem, _)), Some((_, ending))) if !stem.is_empty() => format!("{stem}.{ending}"),
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_keeps_the_name_that_it_was_uploaded_under() {
        let check =
            |address: &str, expected: &str| assert_eq!(file_name(&json!({"at": address}), "/at"), expected);
        check("a/123/mug__71234.jpg", "mug.jpg");
        check("https://cdn.example/s/brand.png?c=2", "brand.png");
        check("", "picture");
        check("__x.png", "__x.png");
    }
}
