//! Everybody and everything there is, and who of them can do what.

use std::collections::HashMap;

use cedar_policy::{Entities, Entity, EntityUid};

use crate::action::Action;
use crate::decision::{Decision, PolicyName, Why};
use crate::policies::Policies;
use crate::request::Standing;
use crate::resource::Resource;
use crate::who::Who;

/// Everybody and everything that is known, with what comes along with each question.
#[derive(Debug)]
pub struct Directory {
    everybody: Vec<Who>,
    everything: Vec<Resource>,
    standing: Standing,
    entities: Entities,
}

/// Somebody can do something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Able<'d> {
    /// Who.
    pub who: &'d Who,
    /// What.
    pub action: Action,
    /// With what.
    pub resource: &'d Resource,
    /// The permits that let them.
    pub by: Vec<PolicyName>,
}

/// Somebody or something cannot be told to policies.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` cannot be told to policies")]
pub struct Untold(pub String);

impl Directory {
    /// These people, processes and things. Each question has that standing.
    ///
    /// # Errors
    /// When one of them cannot be told to policies.
    pub fn new(everybody: Vec<Who>, everything: Vec<Resource>, standing: Standing) -> Result<Self, Untold> {
        let mut known: HashMap<EntityUid, Entity> = HashMap::new();
        let mut know = |entity: Entity| {
            known.entry(entity.uid()).or_insert(entity);
        };
        for action in Action::ALL {
            know(action.entity().ok_or_else(|| Untold(action.to_string()))?);
        }
        for who in &everybody {
            know(who.entity().ok_or_else(|| Untold(who.to_string()))?);
        }
        for resource in &everything {
            resource.entities().ok_or_else(|| Untold(resource.to_string()))?.into_iter().for_each(&mut know);
        }
        if let Some(grant) = &standing.grant {
            know(grant.person.entity().ok_or_else(|| Untold(grant.person.name.clone()))?);
        }
        let entities =
            Entities::from_entities(known.into_values(), None).map_err(|error| Untold(error.to_string()))?;
        Ok(Self { everybody, everything, standing, entities })
    }

    /// How many entities policies are told of.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entities.len()
    }

    /// Whether there is nobody, or nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.everybody.is_empty() || self.everything.is_empty()
    }

    /// Everybody.
    #[must_use]
    pub fn everybody(&self) -> &[Who] {
        &self.everybody
    }

    /// Everything.
    #[must_use]
    pub fn everything(&self) -> &[Resource] {
        &self.everything
    }

    /// What comes along with each question.
    #[must_use]
    pub fn standing(&self) -> &Standing {
        &self.standing
    }

    /// For whoever decides without the index.
    #[must_use]
    pub fn entities(&self) -> &Entities {
        &self.entities
    }

    /// The question as Cedar takes it. `None` where it cannot be said.
    #[must_use]
    pub fn ask(&self, who: &Who, action: Action, resource: &Resource) -> Option<cedar_policy::Request> {
        let context = self.standing.context(action)?;
        cedar_policy::Request::new(who.uid()?, action.uid()?, resource.uid()?, context, None).ok()
    }

    /// Decides among all that is known here.
    #[must_use]
    pub fn decide(&self, policies: &Policies, who: &Who, action: Action, resource: &Resource) -> Decision {
        match self.ask(who, action, resource) {
            Some(request) => policies.decide_among(&request, &self.entities),
            None => Decision::Deny { why: Why::Undecided("it cannot be asked".to_owned()) },
        }
    }

    fn able<'d>(
        &self,
        policies: &Policies,
        (who, action, resource): (&'d Who, Action, &'d Resource),
    ) -> Option<Able<'d>> {
        match self.decide(policies, who, action, resource) {
            Decision::Allow { by } => Some(Able { who, action, resource, by }),
            Decision::Deny { .. } => None,
        }
    }

    /// Everybody who can do that with it.
    #[must_use]
    pub fn who_can<'d>(
        &'d self,
        policies: &Policies,
        action: Action,
        resource: &'d Resource,
    ) -> Vec<Able<'d>> {
        self.everybody.iter().filter_map(|who| self.able(policies, (who, action, resource))).collect()
    }

    /// All that somebody can do.
    #[must_use]
    pub fn can<'d>(&'d self, policies: &Policies, who: &'d Who) -> Vec<Able<'d>> {
        let each = self
            .everything
            .iter()
            .flat_map(|resource| Action::ALL.iter().map(move |action| (resource, *action)));
        each.filter_map(|(resource, action)| self.able(policies, (who, action, resource))).collect()
    }
}
