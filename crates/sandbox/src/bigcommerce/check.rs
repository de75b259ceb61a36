//! Whether a request is one that the platform's descriptions allow.

use serde_json::Value as Json;

use super::facts::{Fact, Number, Object, Operation, decode, facts};
use super::form::Form;

/// Longest filter in an address, in values: `id:in` and the like.
const VALUES_MAX: usize = 1_000;
/// Fields of one object that are looked at.
const FIELDS_MAX: usize = 500;

/// What a request does that no description allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Where.
    pub place: Place,
    /// The parameter or field: `id:in`, `variants.0.sku`. Empty for the whole.
    pub field: String,
    /// What is wrong.
    pub what: String,
}

/// Where a [`Violation`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// No such path.
    Path,
    /// The path does not have this method.
    Method,
    /// A query parameter.
    Query,
    /// The kind of body.
    Type,
    /// The body.
    Body,
}

/// Checks one request. `path` begins behind the store, with the version: `/v3/catalog/products`; `query` is what
/// follows the question mark.
///
/// # Errors
/// Everything that is wrong.
pub fn check_request(
    method: &str,
    path: &str,
    query: &str,
    content_type: Option<&str>,
    body: &[u8],
) -> Result<(), Vec<Violation>> {
    let (operation, _) = match facts().find(method, path) {
        Ok(found) => found,
        Err(methods) => {
            let place = if methods.is_empty() { Place::Path } else { Place::Method };
            return Err(vec![Violation {
                place,
                field: String::new(),
                what: format!("there is no {method} {path}"),
            }]);
        }
    };
    let mut found = Vec::new();
    check_query(operation, &pairs(query), &mut found);
    check_body(operation, content_type, body, &mut found);
    if found.is_empty() { Ok(()) } else { Err(found) }
}

/// Checks one answer against what the descriptions say of it. Null is taken everywhere: they rarely say where it is.
///
/// # Errors
/// Everything that is wrong.
pub fn check_answer(method: &str, path: &str, status: u16, body: &Json) -> Result<(), Vec<Violation>> {
    let Ok((operation, _)) = facts().find(method, path) else { return Ok(()) };
    let described =
        operation.answers.iter().find(|(known, _)| *known == status).and_then(|(_, fact)| fact.as_ref());
    let mut found = Vec::new();
    if let Some(fact) = described {
        check_value(fact, body, "", &mut found);
    }
    found.retain(|violation| violation.what != NULL);
    if found.is_empty() { Ok(()) } else { Err(found) }
}

/// What is said of null where it is no value.
const NULL: &str = "must not be null";

/// The parameters of an address, decoded.
pub(crate) fn pairs(query: &str) -> Vec<(String, String)> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decode(&name.replace('+', " ")), decode(&value.replace('+', " "))))
        .collect()
}

pub(crate) fn check_query(operation: &Operation, pairs: &[(String, String)], found: &mut Vec<Violation>) {
    let mut wrong = |field: &str, what: String| {
        found.push(Violation { place: Place::Query, field: field.to_owned(), what });
    };
    for (name, value) in pairs {
        match operation.parameter(name) {
            None => wrong(name, "is no parameter of this path".to_owned()),
            Some(parameter) => {
                // Some lists are described by one of their values.
                let list = name.ends_with(":in") || name.ends_with(":not_in");
                let checked = if list && parameter.fact.list.is_none() {
                    value.split(',').try_for_each(|value| check_word(&parameter.fact, value))
                } else {
                    check_word(&parameter.fact, value)
                };
                if let Err(what) = checked {
                    wrong(name, what);
                }
            }
        }
        if pairs.iter().filter(|(other, _)| other == name).count() > 1 {
            wrong(name, "is given twice".to_owned());
        }
    }
    for parameter in operation.query.iter().filter(|parameter| parameter.required) {
        if !pairs.iter().any(|(name, _)| *name == parameter.name) {
            wrong(&parameter.name, "must be given".to_owned());
        }
    }
}

/// Whether a text can be the value of a parameter.
fn check_word(fact: &Fact, value: &str) -> Result<(), String> {
    if let Some((item, most)) = &fact.list {
        let values: Vec<&str> = value.split(',').collect();
        let most = most.unwrap_or(VALUES_MAX);
        if values.len() > most {
            return Err(format!("has {} values, at most {most}", values.len()));
        }
        return values.iter().try_for_each(|value| check_word(item, value));
    }
    let one_of =
        |words: &[String]| words.is_empty() || words.iter().any(|word| word.eq_ignore_ascii_case(value));
    if fact.any || fact.object.is_some() {
        return Ok(());
    }
    if let Some(text) = &fact.text {
        return if one_of(&text.words) {
            Ok(())
        } else {
            Err(format!("is one of {}", text.words.join(", ")))
        };
    }
    if let Some(limits) = &fact.integer {
        let number = value.parse::<i64>().map_err(|_| "must be an integer".to_owned())?;
        #[expect(clippy::cast_precision_loss, reason = "limits are far below 2^52")]
        return check_number(limits, number as f64, &number.to_string());
    }
    if let Some(limits) = &fact.number {
        let number = value.parse::<f64>().map_err(|_| "must be a number".to_owned())?;
        return check_number(limits, number, value);
    }
    if fact.boolean {
        let known = matches!(value, "true" | "false" | "1" | "0");
        return if known { Ok(()) } else { Err("must be true or false".to_owned()) };
    }
    Ok(())
}

fn check_number(limits: &Number, number: f64, shown: &str) -> Result<(), String> {
    if let Some(maximum) = limits.maximum.filter(|maximum| number > *maximum) {
        return Err(format!("must be at most {maximum}"));
    }
    if !limits.words.is_empty() && !limits.words.iter().any(|word| word == shown) {
        return Err(format!("is one of {}", limits.words.join(", ")));
    }
    Ok(())
}

pub(crate) fn check_body(
    operation: &Operation,
    content_type: Option<&str>,
    body: &[u8],
    found: &mut Vec<Violation>,
) {
    let mut wrong = |place, what: &str| {
        found.push(Violation { place, field: String::new(), what: what.to_owned() });
    };
    let content_type = content_type.unwrap_or_default();
    if content_type.starts_with("multipart/form-data") {
        match (&operation.form, Form::read(content_type, body)) {
            (None, _) => wrong(Place::Type, "no form is taken here"),
            (Some(_), None) => wrong(Place::Body, "is no form"),
            (Some(fact), Some(form)) => check_form(fact, &form, found),
        }
        return;
    }
    if body.is_empty() {
        // A body that need not say anything need not be there.
        let must = |fact: &Fact| {
            fact.list.is_some()
                || fact.object.as_ref().is_some_and(|object| object.fields.iter().any(|field| field.required))
        };
        match (&operation.json, &operation.form) {
            (Some(fact), _) if operation.method != "DELETE" && must(fact) => wrong(Place::Body, "is missing"),
            (None, Some(_)) => wrong(Place::Body, "is missing"),
            _ => {}
        }
        return;
    }
    let Some(fact) = &operation.json else {
        let place = if operation.form.is_some() { Place::Type } else { Place::Body };
        return wrong(place, "no JSON is taken here");
    };
    if !content_type.starts_with("application/json") {
        return wrong(Place::Type, "must be application/json");
    }
    match serde_json::from_slice::<Json>(body) {
        Ok(value) => check_value(fact, &value, "", found),
        Err(_) => wrong(Place::Body, "is no JSON"),
    }
}

fn check_form(fact: &Fact, form: &Form, found: &mut Vec<Violation>) {
    let Some(object) = &fact.object else { return };
    for part in &form.parts {
        if object.field(&part.name).is_none_or(|field| field.read_only) && !object.open {
            let (field, what) = (part.name.clone(), "is no field of this form".to_owned());
            found.push(Violation { place: Place::Body, field, what });
        }
    }
    for field in object.fields.iter().filter(|field| field.required) {
        if !form.parts.iter().any(|part| part.name == field.name) {
            let (field, what) = (field.name.clone(), "must be given".to_owned());
            found.push(Violation { place: Place::Body, field, what });
        }
    }
}

/// Whether a value is what the fact says; `at` names it.
pub(crate) fn check_value(fact: &Fact, value: &Json, at: &str, found: &mut Vec<Violation>) {
    let mut wrong = |what: String| {
        found.push(Violation { place: Place::Body, field: at.to_owned(), what });
    };
    match value {
        _ if fact.any => {}
        Json::Null if fact.null => {}
        Json::Null => wrong(NULL.to_owned()),
        Json::Bool(_) if fact.boolean => {}
        Json::String(text) if fact.text.is_some() => {
            let Some(limits) = &fact.text else { return };
            if let Some(most) = limits.length_max.filter(|most| text.chars().count() > *most) {
                wrong(format!("must have at most {most} characters"));
            }
            if !limits.words.is_empty() && !limits.words.contains(text) {
                wrong(format!("must be one of {}", limits.words.join(", ")));
            }
        }
        Json::Number(number) if fact.integer.is_some() || fact.number.is_some() => {
            let limits = match (&fact.number, &fact.integer) {
                (Some(limits), _) => limits,
                (None, Some(limits)) if number.is_i64() || number.is_u64() => limits,
                _ => return wrong("must be an integer".to_owned()),
            };
            if let Err(what) = check_number(limits, number.as_f64().unwrap_or_default(), &number.to_string())
            {
                wrong(what);
            }
        }
        Json::Array(values) if fact.list.is_some() => {
            let Some((item, most)) = &fact.list else { return };
            if let Some(most) = most.filter(|most| values.len() > *most) {
                wrong(format!("must hold at most {most}"));
            }
            for (turn, value) in values.iter().enumerate() {
                check_value(item, value, &below(at, &turn.to_string()), found);
            }
        }
        Json::Object(fields) if fact.object.is_some() => {
            let Some(object) = &fact.object else { return };
            check_object(object, fields, at, found);
        }
        _ => wrong(format!("must be {}", kinds(fact))),
    }
}

fn check_object(
    object: &Object,
    fields: &serde_json::Map<String, Json>,
    at: &str,
    found: &mut Vec<Violation>,
) {
    let wrong = |found: &mut Vec<Violation>, field: &str, what: &str| {
        found.push(Violation { place: Place::Body, field: below(at, field), what: what.to_owned() });
    };
    for field in object.fields.iter().filter(|field| field.required) {
        if !fields.contains_key(&field.name) {
            wrong(found, &field.name, "must be given");
        }
    }
    for (name, value) in fields.iter().take(FIELDS_MAX) {
        match object.field(name) {
            Some(field) if field.read_only => wrong(found, name, "cannot be written"),
            Some(field) => check_value(&field.fact, value, &below(at, name), found),
            None if object.open => {}
            None => wrong(found, name, "is no field of this request"),
        }
    }
}

fn below(at: &str, name: &str) -> String {
    if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") }
}

/// What a value may be, in words.
fn kinds(fact: &Fact) -> String {
    let kinds = [
        (fact.text.is_some(), "a text"),
        (fact.integer.is_some(), "an integer"),
        (fact.number.is_some(), "a number"),
        (fact.boolean, "true or false"),
        (fact.list.is_some(), "a list"),
        (fact.object.is_some(), "an object"),
        (fact.file, "a file"),
    ];
    kinds.iter().filter(|(is, _)| *is).map(|(_, name)| *name).collect::<Vec<_>>().join(" or ")
}
