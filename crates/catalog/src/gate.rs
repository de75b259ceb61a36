//! The gate that every question of another process passes: what it is about is found, the policies are asked, and how it ended is
//! recorded before it is answered.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, PoisonError, RwLock};

use domain::{
    About, Asked, AuditEvent, AuditSink, ConnectionId, Decides, Effect, Id128, Operation, Outcome, Platform,
    Principal, Role, Scope, ServiceId, TenantId, Verdict,
};

use crate::calls::{Named, Question};
use crate::database::Catalog;
use crate::error::CatalogError;

/// So many connections, and so many restores, are known without looking.
const KNOWN_MAX: usize = 4_096;

/// So often a question is asked again under which the catalog's server has gone away.
const TRIES_MAX: u32 = 5;

/// Lets through what the policies permit, of those that are asked.
#[derive(Debug)]
pub struct Gate {
    policies: Option<Arc<dyn Decides>>,
    audit: Arc<dyn AuditSink>,
    // INVARIANT (scopes stay): a connection keeps its platform and its region, a restore its connections, and none of them is
    // ever taken away. So they are looked up once.
    scopes: Known<ConnectionId, Arc<Scope>>,
    restores: Known<Id128, [ConnectionId; 2]>,
}

/// What was found of a tenant's things. Every task that answers has it.
#[derive(Debug)]
struct Known<K, V>(RwLock<HashMap<TenantId, HashMap<K, V>>>);

impl<K: Eq + Hash + Clone, V: Clone> Known<K, V> {
    fn new() -> Self {
        Self(RwLock::default())
    }

    fn get(&self, tenant: &TenantId, name: &K) -> Option<V> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        known.get(tenant)?.get(name).cloned()
    }

    fn keep(&self, tenant: &TenantId, name: &K, found: &V) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if known.values().map(HashMap::len).sum::<usize>() >= KNOWN_MAX {
            known.clear();
        }
        known.entry(tenant.clone()).or_default().insert(name.clone(), found.clone());
    }
}

/// One of the things that a question is about.
enum Subject<'q> {
    Cell,
    Roster(&'q Platform),
    Tenant(&'q TenantId),
    Store(&'q str),
    Connection(Arc<Scope>),
    Credential(Arc<Scope>),
    /// A connection of a restore.
    Restored(Id128, Arc<Scope>),
}

impl Subject<'_> {
    fn about(&self) -> About<'_> {
        match self {
            Self::Cell => About::Cell,
            Self::Roster(platform) => About::Roster(platform),
            Self::Tenant(tenant) => About::Tenant(tenant),
            Self::Store(store) => About::StoreCredential(store),
            Self::Connection(scope) | Self::Restored(_, scope) => About::Connection(scope),
            Self::Credential(scope) => About::Credential(scope),
        }
    }

    /// What a worker of that platform is told where it is none of its business: that it is not there.
    // INVARIANT (one platform): a worker learns of no other platform's connections, not even that they are there.
    fn is_theirs(&self, platform: &Platform) -> Result<(), CatalogError> {
        match self {
            Self::Cell | Self::Tenant(_) | Self::Store(_) => Err(CatalogError::not_found("tenant", &"*")),
            Self::Roster(own) if *own == platform => Ok(()),
            Self::Roster(other) => Err(CatalogError::not_found("platform", other)),
            Self::Connection(scope) | Self::Credential(scope) | Self::Restored(_, scope)
                if scope.platform == *platform =>
            {
                Ok(())
            }
            Self::Restored(id, _) => Err(CatalogError::not_found("restore", id)),
            Self::Connection(scope) | Self::Credential(scope) => {
                Err(CatalogError::not_found("connection", &scope.connection))
            }
        }
    }
}

/// As the trail names what was not found.
impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cell => About::Cell.fmt(f),
            Self::Roster(platform) => About::Roster(platform).fmt(f),
            Self::Tenant(tenant) => tenant.fmt(f),
            Self::Store(store) => f.write_str(store),
            Self::Connections(tenant, named) => match named.first() {
                Some(connection) => write!(f, "{tenant}/{connection}"),
                None => tenant.fmt(f),
            },
            Self::Credential(tenant, connection) => write!(f, "{tenant}/{connection}"),
            Self::New(new) => write!(f, "{}/{}", new.scope.tenant, new.scope.connection),
            Self::Restore(tenant, id, _) => write!(f, "{tenant}/{id}"),
        }
    }
}

/// Why a question gets no answer.
enum Refusal {
    /// What it is about could not be found: nothing was decided.
    NotFound(CatalogError),
    /// What whoever asks is told, and why.
    Refused(CatalogError, String),
}

/// What was decided about a question.
struct Decided {
    /// About what: the first of the things that it names, or the one for which it is refused.
    object: String,
    /// By which policies.
    by: Vec<String>,
    let_through: Result<(), Refusal>,
}

/// Answers a question. One under which the catalog's server has gone away is asked once more, as a whole: to begin waits until the
/// server is back.
async fn answered<Q: Question>(catalog: &Catalog, question: &Q) -> Result<Q::Answer, CatalogError> {
    let mut tried = 0;
    loop {
        match question.answer(catalog).await {
            Err(error) if error.is_worth_another_try(Q::AGAIN) && tried < TRIES_MAX => tried += 1,
            answer => return answer,
        }
    }
}

impl Gate {
    /// Lets nobody through yet: without policies every process is refused.
    #[must_use]
    pub fn new(audit: Arc<dyn AuditSink>) -> Self {
        Self { policies: None, audit, scopes: Known::new(), restores: Known::new() }
    }

    /// Asks these policies from now on.
    #[must_use]
    pub fn with_policies(self, policies: Arc<dyn Decides>) -> Self {
        Self { policies: Some(policies), ..self }
    }

    /// Answers whoever asks from another process, if they may, and records how it ended. Without a record there is no answer.
    pub(crate) async fn answer<Q: Question>(
        &self,
        catalog: &Catalog,
        caller: &ServiceId,
        question: Q,
    ) -> Result<Q::Answer, CatalogError> {
        let Decided { object, by, let_through } = self.decide(catalog, caller, &question).await;
        let (answer, outcome, detail) = match let_through {
            Err(Refusal::Refused(told, why)) => (Err(told), Outcome::Refused, why),
            Err(Refusal::NotFound(error)) => ended(Err(error)),
            Ok(()) => ended(match &caller.role {
                Role::Worker(platform) => answered(&catalog.limited_to(platform.clone()), &question).await,
                _ => answered(catalog, &question).await,
            }),
        };
        // The certificate says who it is.
        let principal = Principal(format!("service/{}", caller.role));
        let event = AuditEvent::new(principal, Q::OPERATION, object, outcome).with_detail(detail);
        let event = AuditEvent { policies: by, ..event };
        let recorded = match (Q::OPERATION.effect(), outcome) {
            // Whoever only looks does not wait for the disk.
            (Effect::Read, Outcome::Done | Outcome::Failed) => self.audit.note(event).await,
            _ => self.audit.record(event).await,
        };
        recorded.map_err(CatalogError::Unrecorded)?;
        answer
    }

    /// Finds what a question is about, and has it decided for each of that.
    async fn decide<Q: Question>(&self, catalog: &Catalog, caller: &ServiceId, question: &Q) -> Decided {
        let named = question.about();
        let mut tried = 0;
        let found = loop {
            match self.find(catalog, &named).await {
                Err(error) if error.is_worth_another_try(true) && tried < TRIES_MAX => tried += 1,
                found => break found,
            }
        };
        let subjects = match found {
            Ok(subjects) => subjects,
            Err(error) => {
                let let_through = Err(Refusal::NotFound(error));
                return Decided { object: named.to_string(), by: Vec::new(), let_through };
            }
        };
        let mut all: Option<Verdict> = None;
        for subject in &subjects {
            let verdict = self.verdict(caller, Q::OPERATION, subject.about());
            let allowed = verdict.allowed;
            let theirs = match &caller.role {
                Role::Worker(platform) => subject.is_theirs(platform),
                _ => Ok(()),
            };
            let refusal = match theirs {
                Err(hidden) if allowed => Refusal::Refused(hidden, "it is of another platform".to_owned()),
                Err(hidden) => Refusal::Refused(hidden, verdict.told),
                Ok(()) if !allowed => Refusal::not_permitted(verdict.told),
                Ok(()) => {
                    all = Some(match all {
                        Some(before) => before.and(verdict),
                        None => verdict,
                    });
                    continue;
                }
            };
            return Decided {
                object: subject.about().to_string(),
                by: verdict.by,
                let_through: Err(refusal),
            };
        }
        let let_through =
            all.as_ref().map(drop).ok_or_else(|| Refusal::not_permitted("it is about nothing".to_owned()));
        let object =
            subjects.first().map_or_else(|| named.to_string(), |subject| subject.about().to_string());
        Decided { object, by: all.map(|verdict| verdict.by).unwrap_or_default(), let_through }
    }

    fn verdict(&self, service: &ServiceId, operation: Operation, about: About<'_>) -> Verdict {
        match &self.policies {
            Some(policies) => policies.process(&Asked { service, operation, about, grant: None }),
            None => Verdict { allowed: false, by: Vec::new(), told: "there are no policies".to_owned() },
        }
    }

    async fn find<'q>(&self, catalog: &Catalog, named: &Named<'q>) -> Result<Vec<Subject<'q>>, CatalogError> {
        let mut found = Vec::new();
        match named {
            Named::Cell => found.push(Subject::Cell),
            Named::Roster(platform) => found.push(Subject::Roster(platform)),
            Named::Tenant(tenant) => found.push(Subject::Tenant(tenant)),
            Named::Store(store) => found.push(Subject::Store(store)),
            Named::Credential(tenant, name) => {
                found.push(Subject::Credential(self.scope(catalog, tenant, name).await?));
            }
            Named::Connections(tenant, named) => {
                for name in distinct(named.iter().copied()) {
                    found.push(Subject::Connection(self.scope(catalog, tenant, name).await?));
                }
            }
            // Both what it is said to be, and what it is if it is there.
            Named::New(new) => {
                let said = &new.scope;
                found.push(Subject::Connection(Arc::new(said.clone())));
                match self.scope(catalog, &said.tenant, &said.connection).await {
                    Err(CatalogError::NotFound { .. }) => {}
                    Ok(there) if *there == *said => {}
                    there => found.push(Subject::Connection(there?)),
                }
            }
            Named::Restore(tenant, id, named) => {
                let of = self.restore(catalog, tenant, *id).await?;
                for name in distinct(&of) {
                    found.push(Subject::Restored(*id, self.scope(catalog, tenant, name).await?));
                }
                for name in distinct(named.iter().copied()).into_iter().filter(|name| !of.contains(name)) {
                    found.push(Subject::Connection(self.scope(catalog, tenant, name).await?));
                }
            }
        }
        Ok(found)
    }

    /// Where a connection belongs.
    async fn scope(
        &self,
        catalog: &Catalog,
        tenant: &TenantId,
        name: &ConnectionId,
    ) -> Result<Arc<Scope>, CatalogError> {
        if let Some(known) = self.scopes.get(tenant, name) {
            return Ok(known);
        }
        let found = Arc::new(catalog.connection(tenant, name).await?.scope);
        self.scopes.keep(tenant, name, &found);
        Ok(found)
    }

    /// From and into which connection a restore goes.
    async fn restore(
        &self,
        catalog: &Catalog,
        tenant: &TenantId,
        id: Id128,
    ) -> Result<[ConnectionId; 2], CatalogError> {
        if let Some(known) = self.restores.get(tenant, &id) {
            return Ok(known);
        }
        let found = catalog.restore(tenant, id).await?;
        let of = [found.connection, found.target];
        self.restores.keep(tenant, &id, &of);
        Ok(of)
    }
}

impl Refusal {
    fn not_permitted(why: String) -> Self {
        Self::Refused(CatalogError::NotPermitted(why.clone()), why)
    }
}

/// Each name once, in the order in which they are named.
fn distinct<'n>(names: impl IntoIterator<Item = &'n ConnectionId>) -> Vec<&'n ConnectionId> {
    let mut seen = BTreeSet::new();
    names.into_iter().filter(|name| seen.insert(*name)).collect()
}

/// How something ended from which nobody was kept.
fn ended<T>(answer: Result<T, CatalogError>) -> (Result<T, CatalogError>, Outcome, String) {
    match answer {
        Ok(done) => (Ok(done), Outcome::Done, String::new()),
        Err(error) => {
            let why = domain::with_causes(&error);
            (Err(error), Outcome::Failed, why)
        }
    }
}
