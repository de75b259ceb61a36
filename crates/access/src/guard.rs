//! The policies as whoever holds something asks them: about the processes and people of one cell.

use std::fmt;
use std::sync::Arc;

use domain::{About, Asked, Decides, Operation, Principal, Region, Scope, Verdict};

use crate::action::{Action, UnknownAction};
use crate::decision::Decision;
use crate::policies::{Policies, PolicyError};
use crate::request::{Grant, Request, Standing};
use crate::resource::{Place, Resource};
use crate::who::{OPERATOR, Person, Service, Who};

/// Decides for one cell.
#[derive(Debug, Clone)]
pub struct Guard {
    policies: Arc<Policies>,
    region: Region,
}

fn undecided(why: &dyn fmt::Display) -> Verdict {
    Verdict { allowed: false, by: Vec::new(), told: format!("it cannot be decided: {why}") }
}

impl From<Decision> for Verdict {
    fn from(decision: Decision) -> Self {
        let by = decision.policies().iter().map(ToString::to_string).collect();
        Self { allowed: decision.is_allowed(), by, told: decision.to_string() }
    }
}

/// Whoever has that name. Nobody but the operator is in a group yet.
fn person(principal: &Principal, tenant: Option<&Scope>) -> Person {
    match principal.0.as_str() {
        OPERATOR => Person::operator(tenant.map(|scope| &scope.tenant)),
        other => Person { name: other.to_owned(), groups: [].into() },
    }
}

/// What an operation is among the actions of policies.
fn action(operation: Operation) -> Result<Action, Verdict> {
    match operation {
        // The vault's root key is replaced by it, as all keys are by a rotation.
        Operation::VaultSeal => Ok(Action::VaultRotate),
        // Which hosts there are, and which orders stand, is a part of the vault's state.
        Operation::HostList | Operation::OrderList => Ok(Action::VaultStatus),
        // Whoever may have a grant given may have it given again.
        Operation::OrderGive | Operation::OrderEnd => Ok(Action::GrantGive),
        other => other.as_str().parse().map_err(|unknown: UnknownAction| undecided(&unknown)),
    }
}

impl Guard {
    /// By these policies, for a cell in that region.
    #[must_use]
    pub fn new(policies: Arc<Policies>, region: Region) -> Self {
        Self { policies, region }
    }

    /// By the policies that Caretaker comes with: what vault and server of a cell ask.
    ///
    /// # Errors
    /// As [`Policies::built_in`].
    pub fn built_in(region: Region) -> Result<Self, PolicyError> {
        Ok(Self::new(Arc::new(Policies::built_in()?), region))
    }

    fn place(&self, cell: &str) -> Place {
        Place { cell: cell.to_owned(), region: self.region.clone() }
    }

    /// A connection, or one of the cell's own stores.
    fn of(&self, scope: &Scope, cell: &str, resource: fn(Scope) -> Resource) -> Resource {
        if scope.is_of_store() {
            let place = Place { region: scope.region.clone(), ..self.place(cell) };
            return Resource::StoreCredential(place, scope.connection.to_string());
        }
        resource(scope.clone())
    }

    fn decide_process(
        &self,
        Asked { service, operation, about, grant }: &Asked<'_>,
    ) -> Result<Verdict, Verdict> {
        let cell = &service.cell.to_string();
        let who = Service::new(&service.role.to_string(), cell, self.region.clone());
        let (scope, resource) = match about {
            About::Vault => (None, Resource::Vault(self.place(cell))),
            About::Trail => (None, Resource::Trail(self.place(cell))),
            About::Connection(scope) => (Some(*scope), self.of(scope, cell, Resource::Connection)),
            About::DataKey(scope) => (Some(*scope), Resource::DataKey((*scope).clone())),
            About::Credential(scope) => (Some(*scope), self.of(scope, cell, Resource::Credential)),
            About::StoreCredential(store) => {
                (None, Resource::StoreCredential(self.place(cell), (*store).to_owned()))
            }
            About::Tenant(tenant) => (None, Resource::Tenant((*tenant).clone(), self.region.clone())),
            About::Roster(platform) => (None, Resource::Roster(self.place(cell), (*platform).clone())),
            About::Cell => (None, Resource::Cell(self.place(cell))),
        };
        let grant = grant.map(|facts| Grant {
            genuine: facts.genuine,
            covers: facts.covers,
            live: facts.live,
            person: person(facts.principal, scope),
        });
        // Whoever signs in to a vault has shown both factors of the cell: the vault asks for no less.
        let standing = Standing { two_factors: true, grant };
        let who = Who::Service(who.map_err(|unknown| undecided(&unknown))?);
        Ok(self.policies.decide(&Request { who, action: action(*operation)?, resource, standing }).into())
    }

    fn decide_person(&self, who: Person, action: Action, resource: Resource) -> Verdict {
        let standing = Standing { two_factors: true, grant: None };
        self.policies.decide(&Request { who: Who::Person(who), action, resource, standing }).into()
    }
}

impl Decides for Guard {
    fn process(&self, asked: &Asked<'_>) -> Verdict {
        self.decide_process(asked).unwrap_or_else(|refused| refused)
    }

    fn person(&self, principal: &Principal, action: domain::Action, scope: &Scope) -> Verdict {
        let resource = self.of(scope, "", Resource::Connection);
        self.decide_person(person(principal, Some(scope)), action.into(), resource)
    }

    fn custodian(&self, principal: &Principal, operation: Operation) -> Verdict {
        match action(operation) {
            Ok(action) => {
                self.decide_person(person(principal, None), action, Resource::Vault(self.place("")))
            }
            Err(refused) => refused,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::sync::LazyLock;

    use domain::{GrantFacts, Id128, Role, ServiceId};

    use super::*;

    fn scope(tenant: &str, platform: &str, name: &str) -> Scope {
        Scope {
            tenant: tenant.parse().unwrap(),
            region: "eu".parse().unwrap(),
            platform: platform.parse().unwrap(),
            connection: name.parse().unwrap(),
        }
    }

    /// Read once: that takes longer than all that is asked of it.
    static GUARD: LazyLock<Guard> = LazyLock::new(|| Guard::built_in("eu".parse().unwrap()).unwrap());

    fn guard() -> Guard {
        GUARD.clone()
    }

    fn verdict(role: &str, operation: Operation, about: About<'_>, whose: Option<&str>) -> Verdict {
        let service = ServiceId { cell: Id128([1; 16]), role: role.parse::<Role>().unwrap() };
        let principal = Principal(whose.unwrap_or_default().to_owned());
        let facts = GrantFacts { principal: &principal, genuine: true, covers: true, live: true };
        guard().process(&Asked { service: &service, operation, about, grant: whose.map(|_| facts) })
    }

    #[test]
    fn processes_do_what_is_theirs_with_what_is_of_their_platform() {
        let (shop, other) = (scope("acme", "shopify", "shop"), scope("acme", "bigcommerce", "shop"));
        let store = scope("cell", "s3", "object-store");
        let operator = Some(OPERATOR);
        let check = |role, operation, about, whose, expected: bool| {
            let verdict = verdict(role, operation, about, whose);
            assert_eq!(verdict.allowed, expected, "{role} {operation} {about:?}: {}", verdict.told);
        };
        use Operation as O;
        check("worker/shopify", O::DataKeyOpen, About::DataKey(&shop), operator, true);
        check("worker/shopify", O::DataKeyOpen, About::DataKey(&other), operator, false);
        check("worker/shopify", O::DataKeyOpen, About::DataKey(&shop), Some("somebody"), false);
        check("worker/shopify", O::DataKeyOpen, About::DataKey(&shop), None, false);
        check("server", O::DataKeyOpen, About::DataKey(&shop), operator, false);
        check("worker/shopify", O::CredentialOpen, About::Credential(&shop), operator, true);
        check("worker/shopify", O::CredentialOpen, About::Credential(&other), operator, false);
        check("worker/shopify", O::CredentialOpen, About::Credential(&store), operator, true);
        check("worker/shopify", O::CredentialSeal, About::Credential(&shop), None, true);
        check("worker/shopify", O::CredentialSeal, About::Credential(&store), None, false);
        check("worker/shopify", O::GrantGive, About::Connection(&shop), None, false);
        check("command", O::DataKeyOpen, About::DataKey(&shop), operator, false);
        check("command", O::DataKeyCreate, About::DataKey(&shop), operator, false);
        check("command", O::DataKeyCreateNext, About::DataKey(&shop), operator, false);
        check("command", O::DataKeyAdopt, About::DataKey(&shop), operator, true);
        check("command", O::DataKeyRewrap, About::DataKey(&shop), operator, true);
        check("command", O::DataKeyRewrap, About::DataKey(&shop), None, false);
        check("command", O::CredentialOpen, About::Credential(&shop), operator, false);
        check("command", O::CredentialOpen, About::Credential(&store), operator, true);
        check("command", O::CredentialOpen, About::Credential(&store), None, false);
        check("command", O::CredentialRewrap, About::Credential(&shop), operator, true);
        check("command", O::CredentialRewrap, About::Credential(&store), operator, true);
        check("command", O::CredentialSeal, About::Credential(&shop), None, false);
        check("command", O::CredentialSeal, About::Credential(&store), None, true);
        check("command", O::GrantGive, About::Connection(&shop), None, true);
        check("command", O::GrantGive, About::Connection(&store), None, true);
        check("command", O::VaultSeal, About::Vault, None, true);
        check("monitor", O::VaultSeal, About::Vault, None, false);
        check("command", O::OrderGive, About::Connection(&shop), None, true);
        check("command", O::OrderEnd, About::Connection(&shop), None, true);
        check("command", O::OrderList, About::Vault, None, true);
        check("command", O::OrderRenew, About::Connection(&shop), None, false);
        check("worker/shopify", O::OrderRenew, About::Connection(&shop), None, true);
        check("worker/shopify", O::OrderRenew, About::Connection(&other), None, false);
        check("worker/shopify", O::OrderGive, About::Connection(&shop), None, false);
        check("server", O::OrderRenew, About::Connection(&shop), None, false);
        check("command", O::HostInvite, About::Vault, None, true);
        check("command", O::HostRemove, About::Vault, None, true);
        check("command", O::HostList, About::Vault, None, true);
        check("worker/shopify", O::HostInvite, About::Vault, None, false);
        check("server", O::HostRemove, About::Vault, None, false);
        check("worker/shopify", O::HostList, About::Vault, None, false);
        check("command", O::TrailOpen, About::Vault, None, true);
        check("command", O::TrailErase, About::Vault, None, true);
        check("monitor", O::TrailOpen, About::Vault, None, false);
        check("server", O::TrailOpen, About::Vault, None, false);
        check("worker/shopify", O::TrailErase, About::Vault, None, false);
        check("monitor", O::LogKeyGive, About::Trail, None, true);
        check("command", O::LogKeyGive, About::Trail, None, false);
        check("worker/shopify", O::CertificateIssue, About::Vault, None, true);
        check("vault", O::DataKeyOpen, About::DataKey(&shop), operator, false);
        // What no policy knows is refused.
        check("command", O::PeerRefuse, About::Vault, None, false);
    }

    /// What is asked at the server of a connection, a credential, a tenant, the cell and a store of it.
    #[test]
    fn every_call_of_the_server_is_for_those_whose_it_is() {
        let (own, other) = (scope("acme", "shopify", "shop"), scope("acme", "bigcommerce", "shop"));
        let elsewhere = Scope { region: "us".parse().unwrap(), ..own.clone() };
        let acme = &own.tenant;
        // By each action, of what else it is asked than of connections, and whether workers and commands may.
        let calls = Operation::ALL.iter().filter(|one| one.as_str().starts_with("catalog."));
        let mut asked = 0;
        for operation in calls.copied().filter(|one| *one != Operation::CatalogMigrate) {
            use Operation as O;
            let abouts = match operation {
                O::CatalogCheck | O::CatalogTenantList => [About::Cell; 3],
                O::CatalogTenantAdd
                | O::CatalogConnectionList
                | O::CatalogTagList
                | O::CatalogScheduleList => [About::Tenant(acme); 3],
                O::CatalogRosterRead | O::CatalogRosterTake | O::CatalogRosterGiveBack => {
                    [&own, &other, &other].map(|scope| About::Roster(&scope.platform))
                }
                O::CatalogStoreCredentialPut | O::CatalogStoreCredentialRead => {
                    [About::StoreCredential("key-store"); 3]
                }
                O::CatalogCredentialPut | O::CatalogCredentialRead => {
                    [&own, &other, &elsewhere].map(About::Credential)
                }
                _ => [&own, &other, &elsewhere].map(About::Connection),
            };
            let of_the_cell = abouts[0] == abouts[1];
            let commands_alone = [
                O::CatalogConnectionAdd,
                O::CatalogTagChange,
                O::CatalogSchedulePut,
                O::CatalogScheduleRemove,
                O::CatalogSchedulePause,
            ]
            .contains(&operation)
                || of_the_cell;
            let looks = [
                O::CatalogConnectionRead,
                O::CatalogHeadRead,
                O::CatalogRestoreRead,
                O::CatalogScheduleRead,
                O::CatalogWebhookRead,
            ];
            let keeps = [O::CatalogCredentialPut, O::CatalogCredentialRead];
            let for_commands = commands_alone || looks.contains(&operation) || keeps.contains(&operation);
            let may = |role: &str| abouts.map(|about| verdict(role, operation, about, None).allowed);
            assert_eq!(may("worker/shopify"), [!commands_alone, false, false], "{operation}");
            assert_eq!(
                may("command"),
                [for_commands, for_commands, for_commands && of_the_cell],
                "{operation}"
            );
            for nobody in ["monitor", "server", "vault"] {
                assert_eq!(may(nobody), [false; 3], "{nobody} {operation}");
            }
            asked += 1;
        }
        assert_eq!(asked, 42);
    }

    #[test]
    fn people_get_what_their_groups_may_have() {
        let (shop, store) = (scope("acme", "shopify", "shop"), scope("cell", "s3", "key-store"));
        let (operator, stranger) = (Principal(OPERATOR.to_owned()), Principal("somebody".to_owned()));
        for action in domain::Action::ALL {
            assert!(guard().person(&operator, *action, &shop).allowed, "{action}");
            assert!(!guard().person(&stranger, *action, &shop).allowed, "{action}");
        }
        assert!(guard().person(&operator, domain::Action::Connect, &store).allowed);
        assert!(!guard().person(&stranger, domain::Action::Connect, &store).allowed);
        assert!(guard().custodian(&operator, Operation::VaultRetire).allowed);
        assert!(!guard().custodian(&stranger, Operation::VaultRetire).allowed);
        for operation in [Operation::TrailOpen, Operation::TrailErase] {
            assert!(guard().custodian(&operator, operation).allowed);
            assert!(!guard().custodian(&stranger, operation).allowed);
        }
        assert!(guard().custodian(&operator, Operation::HostInvite).allowed);
        assert!(!guard().custodian(&stranger, Operation::HostInvite).allowed);
    }

    #[test]
    fn without_a_policy_nobody_may_anything() {
        let shop = scope("acme", "shopify", "shop");
        let none = Guard::new(Arc::new(Policies::new(Vec::new()).unwrap()), "eu".parse().unwrap());
        let operator = Principal(OPERATOR.to_owned());
        assert!(!none.person(&operator, domain::Action::Read, &shop).allowed);
        assert!(!none.custodian(&operator, Operation::VaultRotate).allowed);
    }
}
