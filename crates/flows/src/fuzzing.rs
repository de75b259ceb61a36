//! Entry points for fuzzing: each parser of outside bytes, and what must hold of whatever it is given. Each answers
//! whether the bytes were accepted.
#![allow(clippy::expect_used, clippy::panic, reason = "an entry point fails by panicking")]

#[cfg(test)]
mod replay;

use connectors::contract::FieldChange;
use domain::Kind;
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::error::FlowError;
use crate::fields;
use crate::ingest::line::{ParsedLine, Parser, SUMMARY_FIELDS};
use crate::picker::Picker;
use crate::restore::{Plan, RestoreReport, SealedEntry};

/// The first line and what follows it.
fn head_and_rest(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let at = bytes.iter().position(|byte| *byte == b'\n')?;
    let (head, rest) = bytes.split_at(at);
    Some((std::str::from_utf8(head).ok()?, rest.get(1..)?))
}

/// Pointers, separated by tabs, on the first line; then the text of which they pick. What is picked is what
/// `serde_json` finds there. What it reads as a value is taken, and what it does not read at all is refused; between
/// the two lies JSON that it only passes over: numbers beyond 64 bits of floating point, halves of surrogate pairs,
/// more than 128 levels.
pub fn picker(bytes: &[u8]) -> bool {
    let Some((head, text)) = head_and_rest(bytes) else { return false };
    let Ok(text) = std::str::from_utf8(text) else { return false };
    let pointers: Vec<&str> = head.split('\t').take(8).collect();
    let Ok(picker) = Picker::new(&pointers) else {
        assert!(pointers.iter().any(|pointer| !pointer.starts_with('/')), "{pointers:?} are pointers");
        return false;
    };
    let whole = serde_json::from_str::<Value>(text);
    match (&whole, picker.pick(text)) {
        (Ok(whole), Ok(picked)) => {
            let expected: Vec<Option<Value>> =
                pointers.iter().map(|pointer| whole.pointer(pointer).cloned()).collect();
            assert_eq!(picked, expected, "{pointers:?} of {text}");
        }
        (Err(_), Err(_)) => {}
        (Ok(_), Err(error)) => panic!("refuses JSON: {error}: {text}"),
        (Err(_), Ok(_)) => assert!(is_passed_over(text.as_bytes()), "takes what is no JSON: {text}"),
    }
    whole.is_ok()
}

/// Whether `serde_json` gets to the end of a text of which it needs nothing.
fn is_passed_over(text: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(text).is_ok()
}

/// Kind, pointer to the id and perhaps pointer to the person, separated by tabs, on the first line; then the file.
pub fn ingest_lines(bytes: &[u8]) -> bool {
    let Some((head, file)) = head_and_rest(bytes) else { return false };
    let mut words = head.split('\t');
    let Some(Ok(kind)) = words.next().map(Kind::new) else { return false };
    let Some(id) = words.next() else { return false };
    let subject = words.next();
    let Ok(parser) = Parser::new(&kind, id, subject) else { return false };
    let failed = |source| FlowError::File { operation: "read", path: "-".to_owned(), source };
    let (mut parsed, mut text) = (Vec::new(), Vec::new());
    let run = parser.run(file, &failed, |chunk, read| {
        assert!(read <= u64::try_from(file.len()).unwrap_or(u64::MAX));
        text.clone_from(&chunk.text);
        parsed.extend(chunk.lines);
        true
    });
    let lines = (1_u64..).zip(file.split(|byte| *byte == b'\n'));
    let mut wanted = lines.filter(|(_, line)| !line.trim_ascii().is_empty());
    if let Err(error) = run {
        let FlowError::Data(told) = &error else { panic!("{error:?}") };
        let named = wanted.find(|(number, line)| {
            let is_it = told.starts_with(&format!("line {number} "));
            assert!(is_it || !must_be_refused(line, id, subject), "{told}: line {number} is no better");
            is_it
        });
        let (number, line) = named.unwrap_or_else(|| panic!("{told}: there is no such line"));
        assert!(may_be_refused(line, id, subject), "refuses line {number}, which is good: {told}");
        return false;
    }
    for line in &parsed {
        let (number, own) = wanted.next().expect("no line is made up");
        let kept = text.get(line.start..line.end);
        assert_eq!((line.number, kept), (number, Some(own)), "a payload is the line as it is");
        check_line(line, own, id, subject);
    }
    assert_eq!(wanted.next(), None, "no line is passed over");
    !parsed.is_empty()
}

fn may_be_refused(line: &[u8], id: &str, subject: Option<&str>) -> bool {
    let Ok(value) = serde_json::from_slice::<Value>(line) else { return true };
    let person = subject.and_then(|subject| value.pointer(subject)).filter(|person| !person.is_null());
    value.pointer(id).and_then(as_id).is_none() || person.is_some_and(|person| as_id(person).is_none())
}

/// See [`picker`]: of a line between the two nobody can say.
fn must_be_refused(line: &[u8], id: &str, subject: Option<&str>) -> bool {
    let is_value = serde_json::from_slice::<Value>(line).is_ok();
    if is_value { may_be_refused(line, id, subject) } else { !is_passed_over(line) }
}

fn as_id(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) if !number.is_f64() => Some(number.to_string()),
        _ => None,
    }
}

fn check_line(line: &ParsedLine, own: &[u8], id: &str, subject: Option<&str>) {
    let Ok(value) = serde_json::from_slice::<Value>(own) else {
        assert!(is_passed_over(own), "what was taken is JSON");
        return;
    };
    let own_id = value.pointer(id).and_then(as_id);
    assert_eq!(Some(&*line.id), own_id.as_deref());
    let shown = SUMMARY_FIELDS.iter().find_map(|pointer| value.pointer(pointer));
    let summary = shown.map(|shown| serde_json::to_vec(&[shown]).expect("a value is written"));
    assert_eq!(line.summary, summary.unwrap_or_default());
    let person = subject.and_then(|subject| value.pointer(subject)).filter(|person| !person.is_null());
    if let Some(person) = person.and_then(as_id) {
        let named = line.subject.as_ref().map(|subject| &*subject.0);
        assert_eq!(named, Some(&*format!("customer/{person}")));
    }
}

/// The file of a plan; the report of a restore; the sealed ledger of ids.
pub fn plan_file(bytes: &[u8]) -> bool {
    let mut accepted = false;
    if let Ok(report) = serde_json::from_slice::<RestoreReport>(bytes) {
        accepted = true;
        let text = serde_json::to_vec(&report).expect("a report is written");
        let again: RestoreReport = serde_json::from_slice(&text).expect("what is written is read");
        assert_eq!(serde_json::to_vec(&again).expect("a report is written"), text);
    }
    if let Ok(ledger) = serde_json::from_slice::<Vec<SealedEntry>>(bytes) {
        accepted = true;
        let text = serde_json::to_vec(&ledger).expect("a ledger is written");
        let again: Vec<SealedEntry> = serde_json::from_slice(&text).expect("what is written is read");
        assert_eq!(serde_json::to_vec(&again).expect("a ledger is written"), text);
    }
    if let Ok(plan) = serde_json::from_slice::<Plan>(bytes) {
        accepted = true;
        let text = serde_json::to_string_pretty(&plan).expect("a plan is written");
        let again: Plan = serde_json::from_str(&text).expect("what is written is read");
        // A plan that is read differs from the one that was drawn only if somebody edited it.
        assert_eq!(again, plan, "what is written is read");
    }
    accepted
}

/// Three versions of a record, one a line: what changed between the first two is taken back in the third.
pub fn record_fields(bytes: &[u8]) -> bool {
    let mut lines = bytes.split(|byte| *byte == b'\n').map(serde_json::from_slice::<Value>);
    let (Some(Ok(before)), Some(Ok(after)), Some(Ok(live))) = (lines.next(), lines.next(), lines.next())
    else {
        return false;
    };
    let differences = fields::differences(&before, &after);
    assert_eq!(differences.is_empty(), before == after, "there are differences where they differ");
    for difference in &differences {
        assert_eq!(difference.place.get(&before), difference.from.as_ref(), "{}", difference.place);
        assert_eq!(difference.place.get(&after), difference.to.as_ref(), "{}", difference.place);
    }
    let undone = fields::undo(&before, &after, &live, |_| true);
    assert!(undone.kept.len() <= differences.len());
    let none: Vec<FieldChange> = Vec::new();
    assert_eq!(
        fields::undo(&before, &after, &before, |_| true),
        fields::Undone { wanted: before.clone(), kept: none }
    );
    let untouched = fields::undo(&before, &after, &live, |_| false);
    assert_eq!((untouched.wanted, untouched.kept.len()), (live, 0), "what nobody asked for stays");
    // A whole that changed its sort cannot be put back field by field; all else is as it was, but for the order of a list.
    if differences.iter().all(|difference| !difference.place.0.is_empty()) {
        let back = fields::undo(&before, &after, &after, |_| true);
        for difference in fields::differences(&before, &back.wanted) {
            let told = back.kept.iter().any(|kept| kept.path == difference.place.to_string());
            let order = difference.from.as_ref().is_some_and(Value::is_array);
            assert!(told || order, "{} was not put back", difference.place);
        }
    }
    true
}
