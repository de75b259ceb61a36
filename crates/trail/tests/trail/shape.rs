//! Events are in the shape of the Open Cybersecurity Schema Framework, as its repository (ocsf/ocsf-schema) has the classes
//! and objects: which attributes there are, which must be there, of which at least one must be. Only facts of it stand here.

use domain::{AuditEvent, AuditSink as _, Effect, HttpFacts, Id128, Operation, Outcome, Principal};
use serde_json::Value;

use crate::world::World;

/// An object: its attributes, those that must be there, and those of which one must be.
struct Shape {
    attributes: &'static [(&'static str, &'static str)],
    required: &'static [&'static str],
    one_of: &'static [&'static str],
}

/// What an attribute is: a text, a number, anything, or an object by its name; `[…]` is a list of such.
const TEXT: &str = "text";
const NUMBER: &str = "number";
const ANY: &str = "any";

const BASE: &[(&str, &str)] = &[
    ("activity_id", NUMBER),
    ("activity_name", TEXT),
    ("category_name", TEXT),
    ("category_uid", NUMBER),
    ("class_name", TEXT),
    ("class_uid", NUMBER),
    ("count", NUMBER),
    ("duration", NUMBER),
    ("end_time", NUMBER),
    ("message", TEXT),
    ("metadata", "metadata"),
    ("severity", TEXT),
    ("severity_id", NUMBER),
    ("start_time", NUMBER),
    ("status", TEXT),
    ("status_code", TEXT),
    ("status_detail", TEXT),
    ("status_id", NUMBER),
    ("time", NUMBER),
    ("timezone_offset", NUMBER),
    ("type_name", TEXT),
    ("type_uid", NUMBER),
    ("unmapped", ANY),
];
const BASE_REQUIRED: &[&str] =
    &["activity_id", "category_uid", "class_uid", "metadata", "severity_id", "time", "type_uid"];

/// The classes that are used: beside what all have, theirs.
fn class(uid: u64) -> Shape {
    match uid {
        6003 => Shape {
            attributes: &[
                ("actor", "actor"),
                ("api", "api"),
                ("dst_endpoint", "network_endpoint"),
                ("http_request", "http_request"),
                ("http_response", "http_response"),
                ("resources", "[resource_details]"),
                ("src_endpoint", "network_endpoint"),
            ],
            required: &["actor", "api", "src_endpoint"],
            one_of: &[],
        },
        3002 => Shape {
            attributes: &[
                ("actor", "actor"),
                ("auth_protocol", TEXT),
                ("dst_endpoint", "network_endpoint"),
                ("service", "service"),
                ("src_endpoint", "network_endpoint"),
                ("user", "user"),
            ],
            required: &["user"],
            one_of: &["service", "dst_endpoint"],
        },
        // `actor` comes with the profile `host`.
        4002 => Shape {
            attributes: &[
                ("actor", "actor"),
                ("dst_endpoint", "network_endpoint"),
                ("http_request", "http_request"),
                ("http_response", "http_response"),
                ("http_status", NUMBER),
                ("src_endpoint", "network_endpoint"),
            ],
            required: &[],
            one_of: &["http_request", "http_response"],
        },
        other => panic!("no event is of class {other}"),
    }
}

fn object(name: &str) -> Shape {
    let shape = |attributes, required, one_of| Shape { attributes, required, one_of };
    match name {
        "metadata" => shape(
            &[
                ("correlation_uid", TEXT),
                ("event_code", TEXT),
                ("labels", "[text]"),
                ("log_name", TEXT),
                ("log_provider", TEXT),
                ("original_time", TEXT),
                ("product", "product"),
                ("profiles", "[text]"),
                ("sequence", NUMBER),
                ("uid", TEXT),
                ("version", TEXT),
            ],
            &["product", "version"],
            &[],
        ),
        "product" => shape(
            &[("name", TEXT), ("uid", TEXT), ("vendor_name", TEXT), ("version", TEXT)],
            &["vendor_name"],
            &["name", "uid"],
        ),
        "actor" => shape(
            &[
                ("authorizations", "[authorization]"),
                ("process", "process"),
                ("session", ANY),
                ("user", "user"),
            ],
            &[],
            &["process", "user", "session"],
        ),
        "authorization" => shape(&[("decision", TEXT), ("policy", "policy")], &[], &[]),
        "policy" => {
            shape(&[("desc", TEXT), ("name", TEXT), ("uid", TEXT), ("version", TEXT)], &[], &["name", "uid"])
        }
        "process" => shape(
            &[("cmd_line", TEXT), ("name", TEXT), ("pid", NUMBER), ("uid", TEXT), ("user", "user")],
            &[],
            &["name", "pid", "uid"],
        ),
        "user" => shape(
            &[("account", ANY), ("name", TEXT), ("type_id", NUMBER), ("uid", TEXT)],
            &[],
            &["account", "name", "uid"],
        ),
        "api" => shape(
            &[("operation", TEXT), ("request", ANY), ("response", ANY), ("version", TEXT)],
            &["operation"],
            &[],
        ),
        "resource_details" => shape(
            &[("group", ANY), ("name", TEXT), ("type", TEXT), ("uid", TEXT), ("version", TEXT)],
            &[],
            &["name", "uid"],
        ),
        "network_endpoint" => shape(
            &[
                ("hostname", TEXT),
                ("ip", TEXT),
                ("name", TEXT),
                ("port", NUMBER),
                ("svc_name", TEXT),
                ("uid", TEXT),
            ],
            &[],
            &["hostname", "ip", "name", "svc_name", "uid"],
        ),
        "service" => shape(&[("name", TEXT), ("uid", TEXT), ("version", TEXT)], &[], &["name", "uid"]),
        "http_request" => shape(
            &[("http_method", TEXT), ("length", NUMBER), ("uid", TEXT), ("url", "url"), ("user_agent", TEXT)],
            &[],
            &[],
        ),
        "http_response" => {
            shape(&[("code", NUMBER), ("latency", NUMBER), ("length", NUMBER)], &["code"], &[])
        }
        "url" => shape(
            &[("hostname", TEXT), ("path", TEXT), ("port", NUMBER), ("scheme", TEXT)],
            &[],
            &["hostname", "path"],
        ),
        other => panic!("what is `{other}`?"),
    }
}

/// What of a value is not as it must be.
fn wrong(value: &Value, what: &str, at: &str, found: &mut Vec<String>) {
    if let Some(of) = what.strip_prefix('[').and_then(|what| what.strip_suffix(']')) {
        match value.as_array() {
            Some(all) if !all.is_empty() => all.iter().for_each(|one| wrong(one, of, at, found)),
            _ => found.push(format!("{at}: no list")),
        }
        return;
    }
    let fits = match what {
        TEXT => value.is_string(),
        NUMBER => value.is_i64() || value.is_u64(),
        ANY => true,
        name => return fields(value, &object(name), &[], at, found),
    };
    if !fits {
        found.push(format!("{at}: no {what}"));
    }
}

fn fields(value: &Value, shape: &Shape, more: &[(&str, &str)], at: &str, found: &mut Vec<String>) {
    let Some(map) = value.as_object() else { return found.push(format!("{at}: no object")) };
    for (name, value) in map {
        let at = format!("{at}/{name}");
        match shape.attributes.iter().chain(more).find(|(known, _)| known == name) {
            Some((_, what)) => wrong(value, what, &at, found),
            None => found.push(format!("{at}: there is no such attribute")),
        }
    }
    found.extend(
        shape
            .required
            .iter()
            .filter(|name| !map.contains_key(**name))
            .map(|name| format!("{at}: lacks {name}")),
    );
    if !shape.one_of.is_empty() && !shape.one_of.iter().any(|name| map.contains_key(*name)) {
        found.push(format!("{at}: lacks all of {:?}", shape.one_of));
    }
}

fn check(event: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let number = |name: &str| event[name].as_u64().unwrap_or(u64::MAX);
    fields(event, &class(number("class_uid")), BASE, "", &mut found);
    found.extend(
        BASE_REQUIRED.iter().filter(|name| event.get(**name).is_none()).map(|name| format!("lacks {name}")),
    );
    if number("type_uid") != number("class_uid") * 100 + number("activity_id") {
        found.push("its type is not that of its class and activity".to_owned());
    }
    if number("category_uid") != number("class_uid") / 1000 {
        found.push("its category is not that of its class".to_owned());
    }
    // The caption of what is not "other" is not ours to choose.
    if event.get("status").is_some() && number("status_id") != 99 {
        found.push("it has a status of its own".to_owned());
    }
    found
}

#[tokio::test]
async fn every_operation_with_every_outcome_is_an_event_of_its_class() {
    let world = World::new();
    let journal = world.journal("vault");
    for operation in Operation::ALL {
        for outcome in [Outcome::Begun, Outcome::Done, Outcome::Refused, Outcome::Failed] {
            let (who, object) = (Principal("cell-operator".into()), "default/shop".to_owned());
            let event = AuditEvent::new(who, *operation, object, outcome).with_detail("why");
            let request = HttpFacts {
                method: "POST",
                host: "shop.example:8443".into(),
                path: "/admin/api/2026-10/graphql.json".into(),
                name: "products".into(),
                status: (outcome == Outcome::Done).then_some(200),
                sent: 1,
                received: 2,
            };
            let is_request = matches!(operation.effect(), Effect::Request | Effect::Answer);
            let request = is_request.then_some(request);
            let took = Some(std::time::Duration::from_millis(3));
            journal.record(AuditEvent { grant: Some(Id128([1; 16])), took, request, ..event }).await.unwrap();
        }
    }
    drop(journal);
    let piece = world.path("trail/journal/vault/00000000000000000001.jsonl");
    let text = std::fs::read_to_string(piece).unwrap();
    let events: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events.len(), Operation::ALL.len() * 4);
    for event in &events {
        assert_eq!(check(event), [""; 0], "{event}");
    }
    let mut classes: Vec<_> = events.iter().map(|event| event["class_uid"].as_u64().unwrap()).collect();
    classes.sort_unstable();
    classes.dedup();
    assert_eq!(classes, [3002, 4002, 6003]);

    // The table refuses what is not so.
    let spoilt = |spoil: &dyn Fn(&mut Value)| {
        let mut event = events[0].clone();
        spoil(&mut event);
        check(&event)
    };
    assert_eq!(
        spoilt(&|event| event["mail"] = "a@example.com".into()),
        ["/mail: there is no such attribute"]
    );
    assert_eq!(spoilt(&|event| event["time"] = "now".into()), ["/time: no number"]);
    assert_eq!(spoilt(&|event| drop(event.as_object_mut().unwrap().remove("actor"))), [": lacks actor"]);
    assert_eq!(
        spoilt(&|event| event["activity_id"] = 4.into()),
        ["its type is not that of its class and activity"]
    );
    assert_eq!(spoilt(&|event| event["api"] = serde_json::json!({})), ["/api: lacks operation"]);
}
