//! What the built-in policies say.

use access::examples::{self, BUILT_IN};
use access::policies::SCHEMA;
use access::{Action, Decision, Person, Policies, Request, Resource, Standing, Who, Why};
use cedar_policy::Schema;

use crate::worlds::{place, scope};

#[test]
fn every_example_holds() {
    let policies = Policies::built_in().unwrap();
    let examples = examples::read(BUILT_IN).unwrap();
    assert!(examples.len() > 50);
    assert_eq!(examples::failed(&examples, &policies), []);
}

#[test]
fn without_any_one_policy_some_example_fails() {
    let policies = Policies::built_in().unwrap();
    let examples = examples::read(BUILT_IN).unwrap();
    let names = policies.shown();
    assert!(names.iter().filter(|policy| policy.effect == "permit").count() > 20);
    for policy in names {
        let without = policies.without(policy.name.as_str()).unwrap();
        assert_ne!(examples::failed(&examples, &without), [], "without `{}`", policy.name);
    }
}

#[test]
fn an_empty_set_refuses_every_example() {
    let empty = Policies::new(Vec::new()).unwrap();
    let examples = examples::read(BUILT_IN).unwrap();
    for example in &examples {
        let decision = empty.decide(&example.request);
        assert!(
            matches!(decision, Decision::Deny { why: Why::NoPermit | Why::NoSuchQuestion }),
            "{}",
            example.says
        );
    }
    assert!(examples.iter().any(|example| example.allowed));
}

#[test]
fn the_schema_has_the_actions_that_are_asked_for_and_no_others() {
    let (schema, _) = Schema::from_cedarschema_str(SCHEMA).unwrap();
    let groups = ["run", "look", "change", "open", "granted", "catalog", "rows"];
    let mut stated: Vec<String> = schema.actions().map(|uid| uid.id().unescaped().to_owned()).collect();
    stated.retain(|name| !groups.contains(&name.as_str()));
    stated.sort();
    let mut asked: Vec<&str> = Action::ALL.iter().map(|action| action.as_str()).collect();
    asked.sort_unstable();
    assert_eq!(stated, asked);
}

#[test]
fn the_operator_of_a_machine_does_all_that_a_person_can_with_its_tenants() {
    let policies = Policies::built_in().unwrap();
    let scope = scope("acme", "shop", "shopify", "eu");
    let operator = Person::operator([&scope.tenant]);
    let ask = |action, resource: &Resource, person: &Person| {
        policies.decide(&Request {
            who: Who::Person(person.clone()),
            action,
            resource: resource.clone(),
            standing: Standing { two_factors: true, grant: None },
        })
    };
    let shop = Resource::Connection(scope);
    for action in domain::Action::ALL {
        assert!(ask(Action::from(*action), &shop, &operator).is_allowed(), "{action}");
    }
    let place = place("eu");
    for (action, resource) in [
        (Action::VaultRotate, Resource::Vault(place.clone())),
        (Action::VaultRetire, Resource::Vault(place.clone())),
        (Action::HostInvite, Resource::Vault(place.clone())),
        (Action::HostRemove, Resource::Vault(place.clone())),
        (Action::TrailOpen, Resource::Vault(place.clone())),
        (Action::TrailErase, Resource::Vault(place.clone())),
        (Action::TrailRead, Resource::Trail(place.clone())),
        (Action::TrailVerify, Resource::Trail(place.clone())),
        (Action::PolicyRead, Resource::Policies(place.clone())),
        (Action::TenantAdd, Resource::Cell(place.clone())),
        (Action::Connect, Resource::StoreCredential(place, "object-store".to_owned())),
    ] {
        assert!(ask(action, &resource, &operator).is_allowed(), "{action}");
    }
    // Somebody else's tenant is not one of those.
    let stranger = Person::operator([&"umbra".parse().unwrap()]);
    assert!(!ask(Action::Read, &shop, &stranger).is_allowed());
}

#[test]
fn a_decision_can_be_put_on_the_trail() {
    let policies = Policies::built_in().unwrap();
    let examples = examples::read(BUILT_IN).unwrap();
    let told = |says: &str| {
        let example = examples.iter().find(|example| example.says == says).unwrap();
        policies.decide(&example.request).to_string()
    };
    let good = "a worker opens a data key of its platform, on a grant";
    assert_eq!(told(good), "permitted by worker-data-keys");
    assert_eq!(told("it opens none of another region"), "forbidden by one-region");
    assert_eq!(told("the monitor gets the key of the log"), "permitted by monitor-log");
    assert_eq!(told("it sees no record"), "no policy permits it");
}
