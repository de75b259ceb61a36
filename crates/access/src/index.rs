//! Which policies can have a say, by what stands in their scope.
//!
//! Cedar looks at every policy for each question. Here each stands where it is found: under its action, and under the one
//! thing that its scope asks of who asks (a type, a group, nothing). What does not stand there cannot be met. What stands
//! there is evaluated by Cedar itself, one policy at a time.

use std::collections::{HashMap, HashSet};

use cedar_policy::{
    ActionConstraint, Authorizer, Effect, Entities, EntityTypeName, EntityUid, Policy, PolicyId, PolicySet,
    PrincipalConstraint, Request, ResourceConstraint, Schema,
};

use crate::decision::{Decision, PolicyName, Why};

/// What a scope asks of who asks, or of what it is asked about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Anchor {
    Anything,
    Type(EntityTypeName),
    /// It, or whatever is in it.
    Entity(EntityUid),
}

/// A policy by itself.
#[derive(Debug)]
struct Alone {
    name: PolicyName,
    effect: Effect,
    resource: Anchor,
    set: PolicySet,
}

/// All policies, each where it is found.
#[derive(Debug)]
pub(crate) struct Index {
    policies: Vec<Alone>,
    found: HashMap<EntityUid, HashMap<Anchor, Vec<usize>>>,
    /// What the schema lets anybody ask: who, for what, about what. Policies were checked against these alone.
    asked: HashMap<EntityUid, HashSet<(EntityTypeName, EntityTypeName)>>,
}

fn principal_anchor(policy: &Policy) -> Anchor {
    match policy.principal_constraint() {
        PrincipalConstraint::Any => Anchor::Anything,
        PrincipalConstraint::Is(of) => Anchor::Type(of),
        PrincipalConstraint::In(uid) | PrincipalConstraint::Eq(uid) | PrincipalConstraint::IsIn(_, uid) => {
            Anchor::Entity(uid)
        }
    }
}

fn resource_anchor(policy: &Policy) -> Anchor {
    match policy.resource_constraint() {
        ResourceConstraint::Any => Anchor::Anything,
        ResourceConstraint::Is(of) => Anchor::Type(of),
        ResourceConstraint::In(uid) | ResourceConstraint::Eq(uid) | ResourceConstraint::IsIn(_, uid) => {
            Anchor::Entity(uid)
        }
    }
}

/// The actions that a scope names, those in groups of actions among them.
fn actions(policy: &Policy, all: &[EntityUid], groups: &Entities) -> Vec<EntityUid> {
    let named = match policy.action_constraint() {
        ActionConstraint::Any => return all.to_vec(),
        ActionConstraint::Eq(uid) => vec![uid],
        ActionConstraint::In(uids) => uids,
    };
    let is_named =
        |action: &&EntityUid| named.iter().any(|one| one == *action || groups.is_ancestor_of(one, action));
    all.iter().filter(is_named).cloned().collect()
}

/// Whether something can meet an anchor.
fn meets(anchor: &Anchor, uid: &EntityUid, entities: &Entities) -> bool {
    match anchor {
        Anchor::Anything => true,
        Anchor::Type(of) => uid.type_name() == of,
        Anchor::Entity(one) => one == uid || entities.is_ancestor_of(one, uid),
    }
}

/// What came of one policy.
enum Said {
    Nothing,
    Met,
    Failed(String),
}

impl Alone {
    fn say(&self, request: &Request, entities: &Entities) -> Said {
        let response = Authorizer::new().is_authorized(request, &self.set, entities);
        let diagnostics = response.diagnostics();
        if let Some(error) = diagnostics.errors().next() {
            return Said::Failed(error.to_string());
        }
        if diagnostics.reason().next().is_some() { Said::Met } else { Said::Nothing }
    }
}

impl Index {
    /// Puts each policy where it is found. `None` where the schema's actions cannot be read.
    pub(crate) fn new(
        policies: &PolicySet,
        schema: &Schema,
        name: impl Fn(&PolicyId) -> PolicyName,
    ) -> Option<Self> {
        let groups = schema.action_entities().ok()?;
        let all: Vec<EntityUid> = schema.actions().cloned().collect();
        let mut index = Self { policies: Vec::new(), found: HashMap::new(), asked: HashMap::new() };
        for env in schema.request_envs() {
            let types = (env.principal().clone(), env.resource().clone());
            index.asked.entry(env.action().clone()).or_default().insert(types);
        }
        let mut sorted: Vec<&Policy> = policies.policies().collect();
        sorted.sort_by_key(|policy| name(policy.id()));
        for policy in sorted {
            let set = PolicySet::from_policies([policy.clone()]).ok()?;
            let at = index.policies.len();
            let anchor = principal_anchor(policy);
            for action in actions(policy, &all, &groups) {
                index.found.entry(action).or_default().entry(anchor.clone()).or_default().push(at);
            }
            let resource = resource_anchor(policy);
            index.policies.push(Alone { name: name(policy.id()), effect: policy.effect(), resource, set });
        }
        Some(index)
    }

    /// Whether the schema lets anybody ask that.
    fn is_asked(&self, request: &Request) -> bool {
        let parts = (request.principal(), request.action(), request.resource());
        let (Some(who), Some(action), Some(what)) = parts else { return false };
        let types = (who.type_name().clone(), what.type_name().clone());
        self.asked.get(action).is_some_and(|asked| asked.contains(&types))
    }

    /// The policies that can be met, as far as their scopes tell.
    fn candidates(&self, request: &Request, entities: &Entities) -> Option<Vec<&Alone>> {
        let (who, what) = (request.principal()?, request.resource()?);
        let Some(of_action) = self.found.get(request.action()?) else { return Some(Vec::new()) };
        let own = [Anchor::Anything, Anchor::Type(who.type_name().clone()), Anchor::Entity(who.clone())];
        let groups = entities.ancestors(who).into_iter().flatten().cloned().map(Anchor::Entity);
        let mut found: Vec<usize> = own
            .into_iter()
            .chain(groups)
            .filter_map(|anchor| of_action.get(&anchor))
            .flatten()
            .copied()
            .collect();
        found.sort_unstable();
        let policies = found.iter().filter_map(|at| self.policies.get(*at));
        Some(policies.filter(|policy| meets(&policy.resource, what, entities)).collect())
    }

    /// Decides: what is not permitted is denied, a forbid overrides every permit, and a policy that fails denies.
    pub(crate) fn decide(&self, request: &Request, entities: &Entities) -> Decision {
        let undecided = |text: &str| Decision::Deny { why: Why::Undecided(text.to_owned()) };
        if !self.is_asked(request) {
            return Decision::Deny { why: Why::NoSuchQuestion };
        }
        let Some(candidates) = self.candidates(request, entities) else {
            return undecided("the question is not whole");
        };
        let (mut permits, mut forbids) = (Vec::new(), Vec::new());
        for policy in candidates {
            match (policy.say(request, entities), policy.effect) {
                (Said::Nothing, _) => {}
                (Said::Met, Effect::Permit) => permits.push(policy.name.clone()),
                (Said::Met, Effect::Forbid) => forbids.push(policy.name.clone()),
                (Said::Failed(error), _) => return undecided(&error),
            }
        }
        match (forbids.is_empty(), permits.is_empty()) {
            (false, _) => Decision::Deny { why: Why::Forbidden(forbids) },
            (true, true) => Decision::Deny { why: Why::NoPermit },
            (true, false) => Decision::Allow { by: permits },
        }
    }
}
