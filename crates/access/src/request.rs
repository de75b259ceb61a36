//! One question: may they do that with it, as things stand?

use cedar_policy::{Context, Entities, Entity, RestrictedExpression};

use crate::action::{Action, Needs};
use crate::resource::Resource;
use crate::who::{Person, Who};

/// Who asks for what, and what is known beside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Who asks.
    pub who: Who,
    /// For what.
    pub action: Action,
    /// About what.
    pub resource: Resource,
    /// What comes along.
    pub standing: Standing,
}

/// What comes along with a question. An action takes of it what it needs; what it needs and is not there counts as bad.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Standing {
    /// Whether the person who asks, or for whom a process asks, has shown two factors.
    pub two_factors: bool,
    /// The grant.
    pub grant: Option<Grant>,
}

/// What the vault found out about a grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The vault's own seal on it holds.
    pub genuine: bool,
    /// It is for this connection, and names an action for which this is needed.
    pub covers: bool,
    /// Its time is not over.
    pub live: bool,
    /// To whom it was given.
    pub person: Person,
}

impl Standing {
    /// Everything as it should be: two factors, and a grant of that person that holds.
    #[must_use]
    pub fn good(person: Person) -> Self {
        Self { two_factors: true, grant: Some(Grant { genuine: true, covers: true, live: true, person }) }
    }

    /// Whoever is behind the grant, as policies see them.
    fn person(&self, action: Action) -> Option<Entity> {
        let grant = self.grant.as_ref().filter(|_| action.needs() == Needs::Grant)?;
        grant.person.entity()
    }

    pub(crate) fn context(&self, action: Action) -> Option<Context> {
        let said = |name: &str, value| (name.to_owned(), RestrictedExpression::new_bool(value));
        match action.needs() {
            Needs::Nothing => Some(Context::empty()),
            Needs::TwoFactors => Context::from_pairs([said("two_factors", self.two_factors)]).ok(),
            Needs::Grant => {
                let nobody = Person { name: String::new(), groups: [].into() };
                let none = Grant { genuine: false, covers: false, live: false, person: nobody };
                let Grant { genuine, covers, live, person } = self.grant.as_ref().unwrap_or(&none);
                let person = ("person".to_owned(), RestrictedExpression::new_entity_uid(person.uid()?));
                let facts = [said("genuine", *genuine), said("covers", *covers), said("live", *live), person];
                let grant = RestrictedExpression::new_record(facts).ok()?;
                Context::from_pairs([("grant".to_owned(), grant)]).ok()
            }
        }
    }
}

impl Request {
    /// The same for Cedar, with all that policies may look at. `None` where it cannot be said.
    #[must_use]
    pub fn to_cedar(&self) -> Option<(cedar_policy::Request, Entities)> {
        let Self { who, action, resource, standing } = self;
        let mut entities = resource.entities()?;
        entities.extend([who.entity()?, action.entity()?]);
        // Whoever asks in their own name is there already.
        let own = who.uid()?;
        entities.extend(standing.person(*action).filter(|person| person.uid() != own));
        let context = standing.context(*action)?;
        let request = cedar_policy::Request::new(own, action.uid()?, resource.uid()?, context, None).ok()?;
        Some((request, Entities::from_entities(entities, None).ok()?))
    }
}
