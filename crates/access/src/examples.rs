//! Questions with the answers that they must have: what the policies are meant to say, in cases that a person can follow.

use serde::Deserialize;
use serde_json::Error;

use crate::action::{Action, UnknownAction};
use crate::decision::{Decision, PolicyName};
use crate::policies::Policies;
use crate::request::{Grant, Request, Standing};
use crate::resource::{Place, Resource};
use crate::who::{Person, Service, UnknownRole, Who};

/// The examples of the policies that Caretaker comes with.
pub const BUILT_IN: &str = include_str!("../policies/examples.json");

/// One question, and what must come of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// What it shows, in words.
    pub says: String,
    /// The question.
    pub request: Request,
    /// Whether it must be allowed.
    pub allowed: bool,
    /// The policies that must have made the decision; sorted. None, where it must be denied for want of a permit.
    pub by: Vec<String>,
}

/// Why examples cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ExampleError {
    /// The text is no list of examples.
    #[error("the examples cannot be read")]
    Text(#[source] Error),
    /// An example asks for something that there is not.
    #[error("the example `{says}` {what}")]
    Row {
        /// Which.
        says: String,
        /// What is wrong with it.
        what: String,
    },
}

/// An example that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed<'e> {
    /// Which.
    pub example: &'e Example,
    /// What was decided in its place.
    pub decision: Decision,
}

fn eu() -> String {
    "eu".to_owned()
}

fn shopify() -> String {
    "shopify".to_owned()
}

fn cell() -> String {
    "cell".to_owned()
}

/// One line of the table.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    says: String,
    /// A role, or `person/NAME`.
    who: String,
    #[serde(default)]
    groups: Vec<String>,
    #[serde(default = "eu")]
    who_region: String,
    #[serde(default = "cell")]
    who_cell: String,
    action: String,
    resource: String,
    #[serde(default = "shopify")]
    platform: String,
    #[serde(default = "eu")]
    region: String,
    #[serde(default)]
    standing: Stands,
    expected: Expected,
    by: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Expected {
    Allow,
    Deny,
}

/// What comes along, by what is wrong with it.
#[derive(Deserialize, Default, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum Stands {
    #[default]
    Good,
    OneFactor,
    NoGrant,
    ForgedGrant,
    GrantForSomethingElse,
    GrantEnded,
    GrantOfAStranger,
}

impl Stands {
    fn standing(self) -> Standing {
        let groups = if self == Self::GrantOfAStranger { "other/owners" } else { "acme/owners" };
        let person = Person { name: "whoever-asked".to_owned(), groups: [groups.to_owned()].into() };
        let grant = Grant {
            genuine: self != Self::ForgedGrant,
            covers: self != Self::GrantForSomethingElse,
            live: self != Self::GrantEnded,
            person,
        };
        Standing { two_factors: self != Self::OneFactor, grant: (self != Self::NoGrant).then_some(grant) }
    }
}

impl Row {
    fn request(&self) -> Result<Request, String> {
        let name = |error: domain::NameError| error.to_string();
        let who = match self.who.strip_prefix("person/") {
            Some(name) => {
                Who::Person(Person { name: name.to_owned(), groups: self.groups.iter().cloned().collect() })
            }
            None => {
                let region = self.who_region.parse().map_err(name)?;
                let service = Service::new(&self.who, &self.who_cell, region);
                Who::Service(service.map_err(|error: UnknownRole| error.to_string())?)
            }
        };
        let action: Action = self.action.parse().map_err(|error: UnknownAction| error.to_string())?;
        let region: domain::Region = self.region.parse().map_err(name)?;
        let platform: domain::Platform = self.platform.parse().map_err(name)?;
        let place = Place { cell: cell(), region: region.clone() };
        let resource = Resource::named(&self.resource, &place, |tenant, connection| {
            Some(domain::Scope {
                tenant: tenant.clone(),
                region: region.clone(),
                platform: platform.clone(),
                connection: connection.clone(),
            })
        });
        let resource = resource.ok_or_else(|| format!("asks about `{}`, which is nothing", self.resource))?;
        Ok(Request { who, action, resource, standing: self.standing.standing() })
    }
}

/// Reads a table of examples.
///
/// # Errors
/// When it is no such table.
pub fn read(text: &str) -> Result<Vec<Example>, ExampleError> {
    let rows: Vec<Row> = serde_json::from_str(text).map_err(ExampleError::Text)?;
    let example = |row: Row| {
        let request = row.request().map_err(|what| ExampleError::Row { says: row.says.clone(), what })?;
        let Row { says, expected, mut by, .. } = row;
        by.sort();
        Ok(Example { says, request, allowed: matches!(expected, Expected::Allow), by })
    };
    rows.into_iter().map(example).collect()
}

impl Example {
    /// What was decided, where it is not what must come of it.
    #[must_use]
    pub fn failed(&self, policies: &Policies) -> Option<Failed<'_>> {
        let decision = policies.decide(&self.request);
        let by = decision.policies().iter().map(PolicyName::as_str);
        let held = decision.is_allowed() == self.allowed && by.eq(self.by.iter().map(String::as_str));
        (!held).then_some(Failed { example: self, decision })
    }
}

/// The examples that do not hold.
#[must_use]
pub fn failed<'e>(examples: &'e [Example], policies: &Policies) -> Vec<Failed<'e>> {
    examples.iter().filter_map(|example| example.failed(policies)).collect()
}
