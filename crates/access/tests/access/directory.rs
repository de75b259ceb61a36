//! Who can do what, against plain Cedar over everybody and everything.

use std::collections::BTreeSet;

use access::{Action, Directory, Policies, Resource, Who};
use cedar_policy::Authorizer;

use crate::worlds::directory;

fn may(policies: &Policies, all: &Directory, who: &Who, action: Action, resource: &Resource) -> bool {
    let request = all.ask(who, action, resource).unwrap();
    let [principal, asked, what] =
        [request.principal(), request.action(), request.resource()].map(|part| part.unwrap().clone());
    let context = request.context().unwrap().clone();
    // Nobody can ask what the schema does not have.
    if cedar_policy::Request::new(principal, asked, what, context, Some(policies.schema())).is_err() {
        return false;
    }
    let response = Authorizer::new().is_authorized(&request, policies.set(), all.entities());
    response.decision() == cedar_policy::Decision::Allow
}

#[test]
fn who_can_and_can_answer_as_brute_force_does() {
    let policies = Policies::built_in().unwrap();
    let all = directory(7);
    let mut by_force = BTreeSet::new();
    for who in all.everybody() {
        for resource in all.everything() {
            for action in Action::ALL {
                if may(&policies, &all, who, *action, resource) {
                    by_force.insert((who.to_string(), *action, resource.to_string()));
                }
            }
        }
    }
    assert!(by_force.len() > 100, "{}", by_force.len());

    let mut by_resource = BTreeSet::new();
    for resource in all.everything() {
        for action in Action::ALL {
            for able in all.who_can(&policies, *action, resource) {
                assert!(!able.by.is_empty());
                by_resource.insert((able.who.to_string(), able.action, able.resource.to_string()));
            }
        }
    }
    let mut by_who = BTreeSet::new();
    for who in all.everybody() {
        for able in all.can(&policies, who) {
            by_who.insert((able.who.to_string(), able.action, able.resource.to_string()));
        }
    }
    // Each role is there twice, once for another cell, and both have one name here.
    assert_eq!(by_resource, by_force);
    assert_eq!(by_who, by_force);
}

#[test]
fn nobody_can_do_anything_by_an_empty_set() {
    let empty = Policies::new(Vec::new()).unwrap();
    let all = directory(7);
    for who in all.everybody() {
        assert_eq!(all.can(&empty, who), []);
    }
    for resource in all.everything() {
        assert_eq!(all.who_can(&empty, Action::Read, resource), []);
    }
}
