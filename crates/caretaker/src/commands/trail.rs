//! `caretaker trail`: what was done, the proof that nobody rewrote it, and what others need to check that.

use std::path::Path;
use std::sync::Arc;

use ::trail::checkpoint::Checkpoint;
use ::trail::event::{self, EventId, Link};
use ::trail::note::NoteError;
use ::trail::proof;
use ::trail::tree;
use ::trail::verify::{self, Finding, Reader, Verified};
use domain::Timestamp;
use flows::FlowError;
use serde_json::{Value, json};
use vault::{Erased, Month, Opened, SignedIn};

use crate::arguments::TrailCommand;
use crate::cell_trail::{CellTrail, Newest, unpublished};
use crate::files;
use crate::home::Home;
use crate::output::{Output, exit, exit_code, shown};

/// No checkpoint is longer.
const CHECKPOINT_LEN_MAX: u64 = 1 << 20;

pub(crate) async fn run(home: &Home, command: &TrailCommand, output: &Output) -> anyhow::Result<u8> {
    // Opening the cell is itself on the record.
    let unlocked = home.unlock().await?;
    let operator = Arc::clone(&unlocked.operator);
    if let TrailCommand::Erase { before, yes } = command {
        return erase(&operator, (before, *yes), output).await;
    }
    let _cell = home.with_stores(unlocked).await?;
    let trail = home.opened_trail().await?.ok_or_else(|| damaged("the trail is not open"))?;
    if let TrailCommand::Verify { since } = command {
        return verify(trail, since.as_deref(), output).await;
    }
    let newest = newest(trail).await?;
    if matches!(command, TrailCommand::Prove { .. } | TrailCommand::Checkpoint) {
        // Whoever is handed one of these can find the log that it tells of.
        trail.publish(&newest).await?;
    }
    match command {
        TrailCommand::List { last, operation, personal } => {
            let mut events = list(&trail.reader(&newest), *last, operation.as_deref()).await?;
            if *personal {
                open_personal(&operator, &mut events).await?;
            }
            output.result(&json!({ "size": newest.1.size, "events": events }), || text_of(&events))?;
        }
        TrailCommand::Verify { .. } | TrailCommand::Erase { .. } => {}
        TrailCommand::Prove { event: Some(event), .. } => {
            let (index, entry) = find(&trail.reader(&newest), event).await?;
            let text = included(&trail.reader(&newest), &newest, index, &entry).await?;
            output.result(&json!({ "index": index, "proof": text }), || text.trim_end().to_owned())?;
        }
        TrailCommand::Prove { since, .. } => {
            let since =
                since.as_deref().ok_or_else(|| FlowError::Input("say what is to be proven".to_owned()))?;
            let old = remembered(trail, since)?;
            let text = grown(&trail.reader(&newest), &newest, &old).await?;
            output.result(&json!({ "old": old.size, "proof": text }), || text.trim_end().to_owned())?;
        }
        TrailCommand::Checkpoint => {
            let (note, Checkpoint { size, root, .. }) = &newest;
            let keys = json!({ "log": trail.log.to_string(), "vault": trail.vault.to_string() });
            let answer = json!({ "checkpoint": note, "size": size, "root": root, "keys": keys });
            output.result(&answer, || note.trim_end().to_owned())?;
        }
    }
    Ok(exit::DONE)
}

fn damaged(what: &str) -> anyhow::Error {
    FlowError::Integrity(format!("{what}: `caretaker trail verify` says what else is")).into()
}

/// The newest events, the last of them last.
async fn list(reader: &Reader, last: usize, operation: Option<&str>) -> anyhow::Result<Vec<Value>> {
    let (mut events, mut end) = (Vec::new(), reader.size());
    while end > 0 && events.len() < last {
        let read = reader.bundle(end - 1).await.map_err(unpublished)?;
        let (first, bundle) = read.ok_or_else(|| damaged("events of the trail cannot be read"))?;
        for (entry, index) in bundle.iter().rev().zip((first..end).rev()) {
            let event: Value = serde_json::from_slice(entry).unwrap_or(Value::Null);
            let name = event.pointer("/metadata/event_code").and_then(Value::as_str).unwrap_or_default();
            if operation.is_none_or(|wanted| wanted == name) && events.len() < last {
                events.push(json!({ "index": index, "event": event }));
            }
        }
        end = first;
    }
    events.reverse();
    Ok(events)
}

/// Has the vault open what is personal in events, and puts it beside each: what was sealed, or why that is not to be had.
async fn open_personal(operator: &SignedIn, events: &mut [Value]) -> anyhow::Result<()> {
    let mut sealed = Vec::new();
    for event in &mut *events {
        sealed.extend(event.get("event").and_then(event::personal).map(|part| (event, part)));
    }
    let (events, parts): (Vec<_>, Vec<_>) = sealed.into_iter().unzip();
    if parts.is_empty() {
        return Ok(());
    }
    for (event, opened) in events.into_iter().zip(operator.open_personal(&parts).await?) {
        let told = match opened {
            Opened::Text(text) => serde_json::from_str(&text).unwrap_or(Value::String(text)),
            Opened::NoKey => json!({ "erased": true }),
            Opened::Damaged => json!({ "damaged": true }),
        };
        if let Value::Object(event) = event {
            event.insert("personal".to_owned(), told);
        }
    }
    Ok(())
}

/// Destroys the keys of older months.
async fn erase(operator: &SignedIn, (before, yes): (&Month, bool), output: &Output) -> anyhow::Result<u8> {
    let what = format!(
        "This makes unreadable for good what is personal in the trail's events of all months before {before}: which records were \
         looked at."
    );
    output.confirm(before, &what, yes)?;
    let Erased { destroyed, kept, place } = operator.erase_personal(before).await?;
    let answer = json!({ "destroyed": destroyed, "kept": kept, "places": [&place] });
    output.result(&answer, || {
        let months = |months: &[Month]| months.iter().map(Month::to_string).collect::<Vec<_>>().join(", ");
        if destroyed.is_empty() {
            return format!("There was no key of a month before {before}.");
        }
        format!(
            "The keys of {} are destroyed. They were in `{}`: whoever has a copy of that file and of the vault's from before can still \
             open those months until it is gone, so say when the last backup of the vault ends. Every event and every proof stays.",
            months(&destroyed),
            place.display()
        )
    })?;
    Ok(exit::DONE)
}

/// What is personal in an event, in words.
fn personal_text(event: &Value) -> Option<String> {
    let personal = event.get("personal")?;
    let word = |name: &str| personal.get(name).and_then(Value::as_str);
    let items = personal.get("items").and_then(Value::as_array);
    let items = items.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned);
    let told: Vec<String> = items.chain(word("search").map(|search| format!("search `{search}`"))).collect();
    let missing = ["erased", "damaged"].into_iter().find(|name| personal.get(name).is_some());
    Some(format!("({})", missing.map_or_else(|| told.join(", "), str::to_owned)))
}

fn text_of(events: &[Value]) -> String {
    let line = |event: &Value| {
        let text = |path: &str| event.pointer(path).and_then(Value::as_str).unwrap_or_default();
        let time = event.pointer("/event/time").and_then(Value::as_i64).unwrap_or_default();
        let time = Timestamp::from_millisecond(time).unwrap_or_default();
        let status = match event.pointer("/event/status_id").and_then(Value::as_u64) {
            Some(1) => "done",
            Some(2) if text("/event/status_code") == "refused" => "REFUSED",
            Some(2) => "FAILED",
            _ => "begun",
        };
        let object = text("/event/resources/0/uid").to_owned() + text("/event/unmapped/object");
        let object = [Some(object), personal_text(event)].into_iter().flatten().collect::<Vec<_>>().join(" ");
        let line = format!(
            "{time:.3}  {:<12} {:<14} {:<20} {status:<8} {object}  {}",
            text("/event/metadata/uid"),
            text("/event/actor/user/uid"),
            text("/event/metadata/event_code"),
            text("/event/status_detail")
        );
        shown(line.trim_end()).into_owned()
    };
    events.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// The event of that name, or at that place, and where it is.
async fn find(reader: &Reader, wanted: &str) -> anyhow::Result<(u64, Vec<u8>)> {
    let none =
        || FlowError::NotFound(format!("there is no event `{wanted}`: `caretaker trail list` names them"));
    if let Ok(index) = wanted.parse::<u64>() {
        if index >= reader.size() {
            return Err(none().into());
        }
        let read = reader.bundle(index).await.map_err(unpublished)?;
        let (first, bundle) = read.ok_or_else(|| damaged("the event cannot be read"))?;
        let entry = bundle.into_iter().nth(usize::try_from(index - first)?);
        return Ok((index, entry.ok_or_else(none)?));
    }
    let id: EventId = wanted.parse().map_err(|_| {
        FlowError::Input(format!(
            "`{wanted}` is no event's name: `caretaker trail list` prints such as `cell-12`"
        ))
    })?;
    let mut end = reader.size();
    while end > 0 {
        let read = reader.bundle(end - 1).await.map_err(unpublished)?;
        let (first, bundle) = read.ok_or_else(|| damaged("events of the trail cannot be read"))?;
        for (entry, index) in bundle.into_iter().zip(first..end) {
            if Link::read(&entry).is_ok_and(|link| link.id == id) {
                return Ok((index, entry));
            }
        }
        end = first;
    }
    Err(none().into())
}

/// The proof that an event is in the log.
async fn included(reader: &Reader, newest: &Newest, index: u64, entry: &[u8]) -> anyhow::Result<String> {
    let (note, checkpoint) = newest;
    let runs = tree::inclusion(index, checkpoint.size).unwrap_or_default();
    let hashes = reader.proof(runs).await.map_err(unpublished)?;
    let hashes = hashes.ok_or_else(|| damaged("what the proof is made of cannot be read"))?;
    if !tree::is_included(tree::leaf(entry), index, checkpoint.size, checkpoint.root, &hashes) {
        return Err(damaged("the event is not the one that was signed"));
    }
    Ok(proof::included(index, entry, &hashes, note))
}

/// The proof that the log grew out of what it was.
async fn grown(reader: &Reader, newest: &Newest, old: &Checkpoint) -> anyhow::Result<String> {
    let (note, checkpoint) = newest;
    if old.size > checkpoint.size {
        return Err(damaged("the trail is shorter than it was"));
    }
    let runs = tree::consistency(old.size, checkpoint.size).unwrap_or_default();
    let hashes = reader.proof(runs).await.map_err(unpublished)?;
    let hashes = hashes.ok_or_else(|| damaged("what the proof is made of cannot be read"))?;
    if !tree::is_consistent((old.size, old.root), (checkpoint.size, checkpoint.root), &hashes) {
        return Err(damaged("the trail did not grow out of what it was: it was rewritten"));
    }
    Ok(proof::grown(old.size, &hashes, note))
}

/// A checkpoint that somebody kept.
fn remembered(trail: &CellTrail, file: &Path) -> anyhow::Result<Checkpoint> {
    let bytes = files::read_at_most(file, CHECKPOINT_LEN_MAX)?;
    let shown = file.display();
    let of_another = || FlowError::Input(format!("`{shown}` holds no checkpoint of this trail"));
    match trail.log.open(&bytes) {
        Ok((text, _)) => text.parse().map_err(|_| of_another().into()),
        Err(NoteError::Unsigned | NoteError::Forged)
            if bytes.starts_with(format!("{}\n", trail.log.name()).as_bytes()) =>
        {
            Err(FlowError::Integrity(format!(
                "the checkpoint in `{shown}` is of this trail, and was signed with another key: one of the two was forged"
            ))
            .into())
        }
        Err(_) => Err(of_another().into()),
    }
}

/// The newest checkpoint, with all in it that was recorded until now.
async fn newest(trail: &CellTrail) -> anyhow::Result<Newest> {
    trail.take().await?.ok_or_else(|| damaged("the trail is empty"))
}

async fn verify(trail: &CellTrail, since: Option<&Path>, output: &Output) -> anyhow::Result<u8> {
    // Before what is newest: others may go on meanwhile, and what they have seen by then would look like more.
    let mut known = Vec::new();
    if let Some(since) = since {
        known.push(("the checkpoint that was given", remembered(trail, since)?));
    }
    if let Some((_, witnessed)) = trail.witness.remembered()? {
        known.push(("what the vault vouched for", witnessed));
    }
    let mut published = None;
    let mut unreadable = None;
    if let Some(there) = trail.published()
        && let Some(note) = there.checkpoint().await?
    {
        match trail.log.open(&note).and_then(|(text, _)| text.parse::<Checkpoint>()) {
            Ok(checkpoint) => {
                published = Some((there, checkpoint.size));
                known.push(("what was published", checkpoint));
            }
            Err(error) => unreadable = Some(format!("the published checkpoint is not this trail's: {error}")),
        }
    }
    // What cannot be gone on with can be looked at all the same.
    let (newest, broken) = match newest(trail).await {
        Ok(newest) => (newest, None),
        Err(error) if exit_code(&error) != exit::INTEGRITY => return Err(error),
        Err(error) => match trail.as_it_is() {
            Some(newest) => (newest, Some(format!("{error:#}"))),
            None => return Err(error),
        },
    };
    let (_, checkpoint) = &newest;
    let total = checkpoint.size;
    let reader = trail.reader(&newest);
    let checked = |done: u64| output.progress("checking events", done, Some(total), "");
    let mut verified = verify::verify(&reader, checkpoint, &known, checked).await.map_err(unpublished)?;
    if let Some((there, size)) = published {
        let looked = verify::verify_published(&*trail.newest, &there, size, &mut verified).await;
        looked.map_err(unpublished)?;
    }
    verified.findings.extend(broken.into_iter().chain(unreadable).map(|what| Finding { index: None, what }));
    output.clear();
    answer(&verified, checkpoint, output)
}

fn answer(verified: &Verified, checkpoint: &Checkpoint, output: &Output) -> anyhow::Result<u8> {
    let Verified { findings, notices, entries, sources } = verified;
    let ok = findings.is_empty();
    let told = |found: &[Finding]| -> Vec<Value> {
        found.iter().map(|found| json!({ "index": found.index, "what": found.what })).collect()
    };
    let last: serde_json::Map<_, _> =
        sources.iter().map(|(source, link)| (source.to_string(), link.id.number.into())).collect();
    let value = json!({
        "ok": ok, "events": entries, "root": checkpoint.root, "sources": last,
        "findings": told(findings), "notices": told(notices),
    });
    output.result(&value, || {
        let line = |found: &Finding| match found.index {
            Some(index) => format!("event {index}: {}\n", found.what),
            None => format!("{}\n", found.what),
        };
        let mut text: String = notices.iter().chain(findings).map(line).collect();
        text += &match ok {
            true => format!("All {entries} events are as they were signed, and none is missing."),
            false => format!("DAMAGED: {} findings in {entries} events.", findings.len()),
        };
        text
    })?;
    Ok(if ok { exit::DONE } else { exit::INTEGRITY })
}

impl CellTrail {
    fn reader(&self, (_, newest): &Newest) -> Reader {
        Reader::of(Arc::clone(&self.newest), self.published(), newest.size)
    }
}
