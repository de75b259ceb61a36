//! The index decides as plain Cedar does.

use access::policies::Source;
use access::{Action, Decision, Policies, Request, Why};
use cedar_policy::Authorizer;
use proptest::prelude::*;

use crate::worlds::{Chance, resource, standing, who};

/// How many questions are asked.
const QUESTIONS: usize = 10_000;

/// Something that somebody like that can ask, by the schema.
fn question(policies: &Policies, chance: &mut Chance) -> Request {
    loop {
        let (who, resource, standing) = (who(chance), resource(chance), standing(chance));
        let request = Request { who, action: chance.one(Action::ALL), resource, standing };
        if policies.decide(&request) != (Decision::Deny { why: Why::NoSuchQuestion }) {
            return request;
        }
    }
}

/// What plain Cedar says, with the names of the policies.
fn plain(policies: &Policies, request: &Request) -> (bool, Vec<String>) {
    let (request, entities) = request.to_cedar().unwrap();
    let response = Authorizer::new().is_authorized(&request, policies.set(), &entities);
    assert_eq!(response.diagnostics().errors().count(), 0);
    let mut by: Vec<String> = response.diagnostics().reason().map(ToString::to_string).collect();
    by.sort();
    (response.decision() == cedar_policy::Decision::Allow, by)
}

fn indexed(policies: &Policies, request: &Request) -> (bool, Vec<String>) {
    let decision = policies.decide(request);
    assert!(!matches!(decision, Decision::Deny { why: Why::Undecided(_) }), "{decision}");
    (decision.is_allowed(), decision.policies().iter().map(ToString::to_string).collect())
}

#[test]
fn the_index_decides_as_plain_cedar_does() {
    let policies = Policies::built_in().unwrap();
    let chance = &mut Chance(1);
    let mut allowed = 0;
    for turn in 0..QUESTIONS {
        let request = question(&policies, chance);
        let (ours, theirs) = (indexed(&policies, &request), plain(&policies, &request));
        assert_eq!(ours, theirs, "question {turn}: {request:?}");
        allowed += usize::from(ours.0);
    }
    // Neither of the answers is rare.
    assert!(allowed > QUESTIONS / 50 && allowed < QUESTIONS / 2, "{allowed}");
}

/// A policy with some scope or other.
fn policy(chance: &mut Chance, name: &str) -> String {
    let principal = chance.one(&[
        "principal",
        "principal is Person",
        "principal == Person::\"ana\"",
        "principal in Group::\"operators\"",
        "principal is Person in Group::\"acme/owners\"",
        "principal is Service::Worker",
        "principal is Service::Command",
        "principal == Service::Worker::\"cell/worker/shopify\"",
    ]);
    let action = chance.one(&[
        "action",
        "action == Action::\"read\"",
        "action in Action::\"granted\"",
        "action in [Action::\"run\", Action::\"credential.seal\"]",
        "action in [Action::\"look\", Action::\"open\"]",
    ]);
    let resource = chance.one(&[
        "resource",
        "resource is Connection",
        "resource is DataKey",
        "resource in Tenant::\"acme\"",
        "resource is Record in Connection::\"acme/shop\"",
        "resource == Connection::\"umbra/shop\"",
    ]);
    let effect = if chance.mostly() { "permit" } else { "forbid" };
    let when = chance.one(&[
        "",
        " when { resource has platform && resource.platform == \"shopify\" }",
        " unless { principal has region && principal.region == \"us\" }",
    ]);
    format!("@id(\"{name}\") {effect} ({principal}, {action}, {resource}){when};\n")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Of drawn sets, those that the schema allows decide alike too.
    #[test]
    fn the_index_decides_as_plain_cedar_does_whatever_the_policies_are(seed: u64) {
        let chance = &mut Chance(seed);
        let mut sources = Vec::new();
        for turn in 0..12 {
            let name = format!("p{turn}");
            let source = Source { file: format!("{name}.cedar"), text: policy(chance, &name) };
            // Scopes that cannot be met together are refused, as they should be.
            if Policies::new(vec![source.clone()]).is_ok() {
                sources.push(source);
            }
        }
        let policies = Policies::new(sources).unwrap();
        for _ in 0..100 {
            let request = question(&policies, chance);
            prop_assert_eq!(indexed(&policies, &request), plain(&policies, &request), "{:?}", request);
        }
    }
}

#[test]
fn what_is_decided_is_what_the_schema_lets_anybody_ask() {
    let policies = Policies::built_in().unwrap();
    let chance = &mut Chance(2);
    let mut whole = 0;
    for _ in 0..2_000 {
        let (who, resource, standing) = (who(chance), resource(chance), standing(chance));
        let request = Request { who, action: chance.one(Action::ALL), resource, standing };
        let (asked, entities) = request.to_cedar().unwrap();
        let all = entities.into_iter();
        cedar_policy::Entities::from_entities(all, Some(policies.schema())).unwrap();
        let [who, action, what] =
            [asked.principal(), asked.action(), asked.resource()].map(|part| part.unwrap().clone());
        let context = asked.context().unwrap().clone();
        context.validate(policies.schema(), &action).unwrap();
        let by_schema = cedar_policy::Request::new(who, action, what, context, Some(policies.schema()));
        let decision = policies.decide(&request);
        assert_eq!(
            by_schema.is_err(),
            decision == Decision::Deny { why: Why::NoSuchQuestion },
            "{request:?}"
        );
        whole += usize::from(by_schema.is_ok());
    }
    assert!(whole > 100, "{whole}");
}
