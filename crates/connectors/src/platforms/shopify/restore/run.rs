//! Taking the steps of one item: noted before and after, checked for what the platform refused, and, where an
//! answer was lost, looked at again before anything is made twice.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::draft::Draft;
use super::find;
use super::links::Links;
use super::part;
use super::place;
use super::publish;
use super::recipe::Recipe;
use super::step::{Born, CREATE, Call, Step, Wait, Work};
use super::upload::{self, Upload};
use crate::contract::{Applied, Fault, ItemWrite, Prior};
use crate::platforms::shopify::Shopify;
use crate::platforms::shopify::client::Again;
use crate::platforms::shopify::gid;

static STAGED_UPLOADS: Call =
    Call::new("stagedUploadsCreate", include_str!("../documents/write/stagedUploadsCreate.graphql"), 10);
const JOB: &str = include_str!("../documents/live/job.graphql");
const FILES: &str = include_str!("../documents/live/files.graphql");

/// How often an item is looked at again after an answer was lost.
const LOOKS_MAX: usize = 4;
/// How often a search that lags is asked, and how long it is waited for, growing.
const SEARCHES: u32 = 5;
/// How often work that goes on at the platform is asked after.
const POLLS: u32 = 40;
/// How long between two questions, at first and at most.
const POLL_FIRST: Duration = Duration::from_millis(250);
const POLL_LAST: Duration = Duration::from_secs(3);

/// The step that withdraws what was made from where the shop published it by itself.
const WITHDRAW: &str = "withdraw";

/// What a step led to.
enum Taken {
    /// On to the next.
    On,
    /// What is there must be looked at, and the rest drawn up anew.
    Look,
    /// The rest makes no sense.
    Stop,
}

/// What came of a call.
pub(super) enum Sent {
    /// It was done, all of it or in part; this is the answer below the mutation's name.
    Done(Value),
    /// All of it was refused; the sentences say why.
    Refused,
}

/// One item's restore.
pub(super) struct Run<'a> {
    pub(super) shop: &'a Shopify,
    pub(super) recipe: &'static Recipe,
    pub(super) write: &'a ItemWrite<'a>,
    pub(super) links: Links<'a>,
    pub(super) applied: Applied,
    looked: BTreeSet<String>,
    looks: usize,
}

/// Takes the steps that lead from what is there to what is wanted.
pub(super) async fn apply(
    shop: &Shopify,
    recipe: &'static Recipe,
    write: &ItemWrite<'_>,
) -> Result<Applied, Fault> {
    let links = Links::new(write.ids, gid::spelled);
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

impl<'a> Run<'a> {
    /// Draws up the item and takes the steps. True where it must be looked at and drawn up anew.
    async fn round(&mut self, live: Option<&Value>) -> Result<bool, Fault> {
        let ItemWrite { wanted, former, options, .. } = *self.write;
        let draft = super::drafted(self.recipe, wanted, live, former, self.links.clone(), options);
        let Draft { links, steps, refusal, .. } = draft;
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
        let now = self.links.now(self.write.id).to_owned();
        // What was gone is not there again under its former id, by which another store may call something else.
        let known = self.write.live.is_some() || now != self.write.id;
        let by_id = if known { self.shop.nodes(self.write.kind, &[now.as_str()]).await? } else { Vec::new() };
        let mut found = by_id.into_iter().next().flatten();
        let wanted = self.links.fill(&super::with_present_ids(self.write.kind, self.write.wanted));
        let searches = if self.recipe.find.lags() { SEARCHES } else { 1 };
        for search in 1..=searches {
            if found.is_some() {
                break;
            }
            if search > 1 {
                self.shop.client.back_off(search + 1).await;
            }
            found = find::natural(self.shop, self.write.kind, &self.recipe.find, &wanted).await?;
        }
        let Some(item) = found else { return Ok(None) };
        let live = find::payload(&item)?;
        self.links.note(self.write.id, &item.id);
        self.settle(&live).await?;
        Ok(Some(live))
    }

    /// Ends what an interruption left open of an item that is there: the intent to make it is fulfilled, and where the
    /// shop published it by itself it is withdrawn, which nothing else would ever do.
    async fn settle(&mut self, live: &Value) -> Result<(), Fault> {
        let journal = self.write.journal;
        let (made, withdrawn) = (journal.is_in_doubt(CREATE), journal.is_in_doubt(WITHDRAW));
        part::pair(self.write.wanted, live, self.recipe.parts, &mut self.links);
        if made || withdrawn {
            self.withdraw(live).await?;
        }
        if made {
            self.looked.remove(CREATE);
            journal.done(CREATE, &self.links.pairs()).await?;
        }
        if withdrawn {
            journal.done(WITHDRAW, &[]).await?;
        }
        Ok(())
    }

    async fn take(&mut self, step: &Step) -> Result<Taken, Fault> {
        let Some(born) = &step.born else { return self.take_unnoted(step).await };
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
                return Ok(if step.essential { Taken::Stop } else { Taken::On });
            }
            Prior::InDoubt if self.looked.insert(step.name.clone()) => return Ok(Taken::Look),
            Prior::InDoubt => self.applied.possibly_twice |= !self.certain(),
        }
        let told = self.applied.problems.len();
        match self.work(step, Again::Never).await {
            // Perhaps it was refused because it is there already, where no search shows it yet.
            Ok(Sent::Refused)
                if self.looked.contains(&step.name)
                    && self.looked.insert(format!("refused {}", step.name)) =>
            {
                self.applied.problems.truncate(told);
                Ok(Taken::Look)
            }
            Ok(Sent::Done(answer)) => {
                let before = self.links.pairs();
                self.learn(born, &answer);
                let ids: Vec<_> =
                    self.links.pairs().into_iter().filter(|pair| !before.contains(pair)).collect();
                let made = match born {
                    Born::Item(node) => place::folded(answer.get(*node).unwrap_or(&Value::Null)),
                    Born::Parts { .. } => Value::Null,
                };
                // Noted before the item counts as made: or an interruption would leave it published for ever.
                let published = self.withdrawal(&made).is_some();
                if published {
                    self.write.journal.intend(WITHDRAW).await?;
                }
                self.write.journal.done(&step.name, &ids).await?;
                self.wait(step, &answer).await?;
                if published {
                    self.withdraw(&made).await?;
                    self.write.journal.done(WITHDRAW, &[]).await?;
                }
                Ok(after(step))
            }
            Ok(Sent::Refused) => {
                self.write.journal.refused(&step.name).await?;
                Ok(if step.essential { Taken::Stop } else { Taken::On })
            }
            // The answer was lost: it may have happened. Look, and if it did not, try once more.
            Err(Fault::Unavailable(_) | Fault::Malformed(_))
                if self.certain() && self.looked.insert(step.name.clone()) =>
            {
                self.shop.client.back_off(2).await;
                Ok(Taken::Look)
            }
            Err(fault) => Err(fault),
        }
    }

    /// A step that the journal need not know: it can be repeated, or what it made is seen on the item.
    async fn take_unnoted(&mut self, step: &Step) -> Result<Taken, Fault> {
        let again = if step.once { Again::Never } else { Again::Safe };
        match self.work(step, again).await {
            Ok(Sent::Refused) => Ok(if step.essential { Taken::Stop } else { Taken::On }),
            Ok(Sent::Done(_)) => Ok(after(step)),
            Err(Fault::Unavailable(_) | Fault::Malformed(_)) if step.once => {
                self.shop.client.back_off(2).await;
                Ok(Taken::Look)
            }
            Err(fault) => Err(fault),
        }
    }

    /// Whether looking can tell if something was made. Of an item that is there, its parts can always be seen.
    fn certain(&self) -> bool {
        self.recipe.find.can_tell(self.write.wanted) || self.write.live.is_some()
    }

    /// Notes the ids of what was made.
    fn learn(&mut self, born: &Born, answer: &Value) {
        let answer = place::folded(answer);
        match born {
            Born::Item(node) => {
                let node = answer.get(*node).unwrap_or(&Value::Null);
                let node = node.as_array().and_then(|list| list.first()).unwrap_or(node);
                if !self.recipe.two_names {
                    part::pair(self.write.wanted, node, self.recipe.parts, &mut self.links);
                } else if let Some(id) = place::id_of(node) {
                    self.links.note(self.write.id, &gid::named_like(self.write.id, id));
                }
            }
            Born::Parts { at, part, wanted } => {
                let made = answer.get(*at).unwrap_or(&Value::Null);
                let one = std::slice::from_ref(made);
                let made = made.as_array().map_or(one, Vec::as_slice);
                part::pair_list(wanted, made, part, &mut self.links);
            }
        }
    }

    /// Where the shop published a new item by itself, and the backup did not have it.
    fn withdrawal(&self, made: &Value) -> Option<(&'static Call, Map<String, Value>)> {
        publish::withdrawal(self.write.wanted, made, self.write.id, &self.links)
    }

    /// Takes it away from there.
    async fn withdraw(&mut self, made: &Value) -> Result<(), Fault> {
        if let Some((call, input)) = self.withdrawal(made) {
            self.send(call, &input, "withdrawing", Again::Safe).await?;
        }
        Ok(())
    }

    async fn work(&mut self, step: &Step, again: Again) -> Result<Sent, Fault> {
        match &step.work {
            Work::Call { call, variables } => {
                let sent = self.send(call, variables, &step.what, again).await?;
                if let (Sent::Done(answer), None) = (&sent, &step.born) {
                    self.wait(step, answer).await?;
                }
                Ok(sent)
            }
            Work::Media { media } => {
                self.media(media).await?;
                Ok(Sent::Done(Value::Null))
            }
            Work::Order(order) => {
                self.order(order).await?;
                Ok(Sent::Done(Value::Null))
            }
            Work::Translate(work) => self.translate(work).await,
        }
    }

    /// Sends a call: files are uploaded and ids filled in first. Of a list, what was refused is left out and the
    /// rest is sent again.
    pub(super) async fn send(
        &mut self,
        call: &'static Call,
        variables: &Map<String, Value>,
        what: &str,
        again: Again,
    ) -> Result<Sent, Fault> {
        let input = self.with_uploads(&Value::Object(variables.clone())).await?;
        let mut input = self.links.fill(&input);
        loop {
            let answer = match again {
                Again::Safe => self.shop.query(call.document, input.clone()).await,
                Again::Never => self.shop.mutate(call.document, input.clone()).await,
            };
            let answer = match answer {
                // What the API itself does not take cannot be put right here; the other items can go on. So they can
                // where an item, or a part of it, takes a permission of its own.
                Err(Fault::Rejected(why) | Fault::Forbidden(why)) => {
                    self.applied.problems.push(format!("Shopify refused {what}: {why}"));
                    return Ok(Sent::Refused);
                }
                answer => answer?,
            };
            let answer = answer.get(call.root).cloned().unwrap_or(Value::Null);
            let errors = errors(&answer);
            if errors.is_empty() {
                return if answer.is_null() {
                    Err(Fault::Malformed(format!("`{}` was answered with nothing", call.root)))
                } else {
                    Ok(Sent::Done(answer))
                };
            }
            let refused = call.list.and_then(|list| take_refused(&mut input, list, &errors));
            if call.takes_away && errors.iter().all(|(_, why)| says_gone(why)) {
                if refused.is_none() {
                    return Ok(Sent::Done(answer));
                }
                continue;
            }
            match refused {
                Some(refused) => {
                    for (name, why) in refused {
                        self.applied.problems.push(format!("Shopify refused {what}, of these {name}: {why}"));
                    }
                }
                None => {
                    let whys: Vec<&str> = errors.iter().map(|(_, why)| why.as_str()).collect();
                    self.applied.problems.push(format!("Shopify refused {what}: {}", whys.join("; ")));
                    return Ok(Sent::Refused);
                }
            }
        }
    }

    // ---------------------------------------------------------------- waiting

    async fn wait(&mut self, step: &Step, answer: &Value) -> Result<(), Fault> {
        let Work::Call { call, .. } = &step.work else { return Ok(()) };
        match call.wait {
            Wait::Nothing => Ok(()),
            Wait::Job => self.finished(answer, &step.what).await,
            Wait::Codes => self.codes_made(answer).await,
            Wait::Files => {
                let ids: Vec<String> =
                    place::list(answer, "files").iter().filter_map(place::id_of).map(str::to_owned).collect();
                self.files_ready(&ids).await
            }
        }
    }

    /// Waits for the job that an answer names, if it names one that is not done.
    pub(super) async fn finished(&mut self, answer: &Value, what: &str) -> Result<(), Fault> {
        let open = place::at(answer, "job/done") != Some(&Value::Bool(true));
        match place::text(answer, "job/id").filter(|_| open) {
            Some(id) => self.job(id, what).await,
            None => Ok(()),
        }
    }

    async fn job(&mut self, id: &str, what: &str) -> Result<(), Fault> {
        self.done(JOB, id, "job", what).await?;
        Ok(())
    }

    /// Asks after something that goes on at the platform until it says that it is done, and gives the last answer below
    /// `root`. What is not known any more is over. `None`, with the problem told, where it is not done in time.
    pub(super) async fn done(
        &mut self,
        document: &'static str,
        id: &str,
        root: &str,
        what: &str,
    ) -> Result<Option<Value>, Fault> {
        let mut pause = POLL_FIRST;
        for _ in 0..POLLS {
            self.shop.client.clock().sleep(pause).await;
            pause = (pause * 2).min(POLL_LAST);
            let answer = self.shop.query(document, json!({"id": id})).await?;
            let state = answer.get(root).cloned().unwrap_or_default();
            if state.get("done") != Some(&Value::Bool(false)) {
                return Ok(Some(state));
            }
        }
        self.applied.problems.push(format!("Shopify was still busy with {what} when we stopped waiting."));
        Ok(None)
    }

    /// Waits until files are ready: before that, nothing can refer to them.
    pub(super) async fn files_ready(&mut self, ids: &[String]) -> Result<(), Fault> {
        let mut pause = POLL_FIRST;
        let mut open: Vec<String> = ids.to_vec();
        for _ in 0..POLLS {
            if open.is_empty() {
                return Ok(());
            }
            let states = self.states(&open).await?;
            open.clear();
            for (id, state) in states {
                match state.as_deref() {
                    Some("READY") | None => {}
                    Some("FAILED") => {
                        self.applied.problems.push(format!("Shopify could not process the file `{id}`."));
                    }
                    Some(_) => open.push(id),
                }
            }
            if open.is_empty() {
                return Ok(());
            }
            self.shop.client.clock().sleep(pause).await;
            pause = (pause * 2).min(POLL_LAST);
        }
        self.applied.problems.push("Shopify was still processing files when we stopped waiting.".to_owned());
        Ok(())
    }

    /// Those of these ids that exist, and of files how far their processing is.
    pub(super) async fn states(&self, ids: &[String]) -> Result<Vec<(String, Option<String>)>, Fault> {
        let answer = self.shop.query(FILES, json!({"ids": ids})).await?;
        Ok(place::list(&answer, "nodes")
            .iter()
            .filter_map(|node| {
                Some((place::id_of(node)?.to_owned(), place::text(node, "fileStatus").map(str::to_owned)))
            })
            .collect())
    }

    // ---------------------------------------------------------------- uploads

    /// The input with the addresses of uploaded bytes. What was not stored is taken from its former address, as
    /// long as that lives.
    pub(super) async fn with_uploads(&mut self, input: &Value) -> Result<Value, Fault> {
        let mut uploads = Vec::new();
        upload::find(input, &mut uploads);
        let mut addresses = Vec::new();
        for one in uploads {
            if let Some(address) = self.upload(&one).await? {
                addresses.push((one, address));
            }
        }
        Ok(upload::fill(input, &addresses))
    }

    async fn upload(&mut self, upload: &Upload) -> Result<Option<String>, Fault> {
        let Some(size) = self.write.media.size_bytes(&upload.pointer) else { return Ok(None) };
        // Until they are sent: the other items under way have bytes, too.
        let _room = self.shop.room.take(size).await;
        let bytes = match self.write.media.read(&upload.pointer).await {
            None => return Ok(None),
            Some(bytes) => bytes?,
        };
        let input = json!({"input": [{
            "filename": upload.name,
            "mimeType": upload.media_type,
            "resource": upload.resource,
            "fileSize": bytes.len().to_string(),
            "httpMethod": "POST",
        }]});
        let answer = self.shop.query(STAGED_UPLOADS.document, input).await?;
        let answer = answer.get(STAGED_UPLOADS.root).cloned().unwrap_or(Value::Null);
        let target = place::list(&answer, "stagedTargets").first().cloned().unwrap_or(Value::Null);
        let (Some(url), Some(address)) = (place::text(&target, "url"), place::text(&target, "resourceUrl"))
        else {
            let whys: Vec<String> = errors(&answer).into_iter().map(|(_, why)| why).collect();
            self.applied.problems.push(format!(
                "Shopify takes no upload of `{}`: {}",
                upload.name,
                whys.join("; ")
            ));
            return Ok(None);
        };
        let parameters: Vec<(String, String)> = place::list(&target, "parameters")
            .iter()
            .filter_map(|one| {
                Some((place::text(one, "name")?.to_owned(), one.get("value")?.as_str()?.to_owned()))
            })
            .collect();
        self.shop.upload(url, &parameters, bytes).await?;
        Ok(Some(address.to_owned()))
    }
}

/// What comes after a step that was taken.
fn after(step: &Step) -> Taken {
    if step.partial { Taken::Look } else { Taken::On }
}

/// Whether the platform refuses because something is not there. Where it has other words for it, it is told as a refusal.
fn says_gone(why: &str) -> bool {
    let why = why.to_lowercase();
    why.contains("not exist") || why.contains("not found")
}

/// What a mutation refused: where, and why.
pub(super) fn errors(answer: &Value) -> Vec<(Vec<String>, String)> {
    let lists = answer.as_object().into_iter().flatten().filter(|(name, _)| name.ends_with("serErrors"));
    lists
        .flat_map(|(_, list)| list.as_array().into_iter().flatten())
        .map(|error| {
            let field =
                place::list(error, "field").iter().filter_map(Value::as_str).map(str::to_owned).collect();
            (field, place::text(error, "message").unwrap_or("no reason was given").to_owned())
        })
        .collect()
}

/// Takes what was refused out of a list of independent things, with its name and the reason. `None` where an error
/// is about something else, or nothing is left.
fn take_refused(
    input: &mut Value,
    list: &str,
    errors: &[(Vec<String>, String)],
) -> Option<Vec<(String, String)>> {
    let way: Vec<&str> = list.split('/').collect();
    let numbered: Vec<(usize, &str)> = errors
        .iter()
        .map(|(field, why)| {
            let rest =
                field.strip_prefix(way.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>().as_slice())?;
            Some((rest.first()?.parse().ok()?, why.as_str()))
        })
        .collect::<Option<_>>()?;
    let elements = input.pointer_mut(&format!("/{list}"))?.as_array_mut()?;
    let refused: BTreeSet<usize> = numbered.iter().map(|(number, _)| *number).collect();
    if refused.len() >= elements.len() || refused.iter().any(|number| *number >= elements.len()) {
        return None;
    }
    let names = numbered
        .iter()
        .filter_map(|(number, why)| Some((name_of(elements.get(*number)?), (*why).to_owned())))
        .collect();
    let mut number = 0;
    elements.retain(|_| {
        number += 1;
        !refused.contains(&(number - 1))
    });
    Some(names)
}

fn name_of(element: &Value) -> String {
    let text = |name: &str| place::text(element, name).map(str::to_owned);
    match (text("namespace"), text("key")) {
        (Some(namespace), Some(key)) => format!("`{namespace}.{key}`"),
        (None, Some(key)) => format!("`{key}`"),
        _ => ["id", "publicationId", "inventoryItemId", "title"]
            .iter()
            .find_map(|name| text(name))
            .map_or_else(|| "one".to_owned(), |name| format!("`{name}`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_refused_is_taken_out_and_the_rest_stays() {
        let metafield = |key: &str| json!({"namespace": "custom", "key": key});
        let mut input = json!({"metafields": [metafield("a"), metafield("b"), metafield("c")]});
        let error = |index: &str| {
            (vec!["metafields".to_owned(), index.to_owned(), "value".to_owned()], "bad".to_owned())
        };
        let refused = take_refused(&mut input, "metafields", &[error("1")]);
        assert_eq!(refused, Some(vec![("`custom.b`".to_owned(), "bad".to_owned())]));
        assert_eq!(input, json!({"metafields": [metafield("a"), metafield("c")]}));
        assert_eq!(
            take_refused(&mut input, "metafields", &[error("0"), error("1")]),
            None,
            "nothing would be left"
        );
        let other = (vec!["id".to_owned()], "bad".to_owned());
        assert_eq!(
            take_refused(&mut input, "metafields", &[error("0"), other]),
            None,
            "not only about the list"
        );
    }

    #[test]
    fn errors_are_found_under_whatever_name_they_stand() {
        let check = |answer: Value, expected: usize| assert_eq!(errors(&answer).len(), expected);
        check(json!({"userErrors": [{"field": null, "message": "no"}]}), 1);
        check(json!({"mediaUserErrors": [{"field": ["a"], "message": "no"}]}), 1);
        check(json!({"locationActivateUserErrors": [{"field": ["a"], "message": "no"}]}), 1);
        check(json!({"userErrors": [], "product": {"id": "1"}}), 0);
    }
}
