//! The gate that every request for a key passes: the grant is checked, and the answer recorded, before it is given.

use std::sync::Arc;
use std::time::Duration;

use domain::{
    About, Action, Asked, AuditEvent, Clock, ConnectionId, Decides, Grant, GrantFacts, KeyError, Operation,
    Outcome, Principal, Scope, ServiceId, TenantId, Verdict,
};

use crate::cipher::{mac, mac_holds};
use crate::encoding::fields;
use crate::error::VaultError;
use crate::handles::Handles;
use crate::secret::KeyBytes;

/// How long an opened key serves at most. Revocation takes no longer than this.
pub(crate) const SERVES_MAX: Duration = Duration::from_secs(60);

/// Layout of what a grant's seal is a MAC over.
const GRANT_LAYOUT: &[u8] = b"caretaker-grant-2";

/// What a session's token is a MAC over begins with this.
const SESSION: &[u8] = b"caretaker-session-1";

/// What the key of the lists is a MAC over.
const LISTS: &[u8] = b"caretaker-lists-1";

/// Whoever asked without a proof of who it is.
pub const UNPROVEN: &str = "unproven";

/// Seals grants, and lets through what genuine ones and the policies allow.
pub(crate) struct Gate {
    key: KeyBytes,
    handles: Handles,
    policies: Option<Arc<dyn Decides>>,
}

/// Who asks a vault.
#[derive(Debug, Clone)]
pub(crate) enum Caller {
    /// Whoever has it in its own process, and with it all that it could be refused.
    Own,
    /// Another process of the cell.
    Process(ServiceId),
}

/// One request for a key.
pub(crate) struct Request<'a> {
    /// Who asks.
    pub(crate) caller: &'a Caller,
    /// What is asked for.
    pub(crate) operation: Operation,
    pub(crate) grant: &'a Grant,
    pub(crate) scope: &'a Scope,
    /// Any one of these actions is enough.
    pub(crate) any_of: &'a [Action],
}

/// An opened key's time.
#[derive(Clone)]
pub(crate) struct Serving {
    clock: Arc<dyn Clock>,
    until: Duration,
}

impl Serving {
    /// For so long from now on, and never for longer than any key serves.
    pub(crate) fn begin(clock: Arc<dyn Clock>, serves: Duration) -> Self {
        Self { until: clock.monotonic().saturating_add(serves.min(SERVES_MAX)), clock }
    }

    /// Refuses when the time is over.
    pub(crate) fn check(&self) -> Result<(), KeyError> {
        if self.clock.monotonic() < self.until { Ok(()) } else { Err(KeyError::Expired) }
    }
}

/// Everything that a grant says, in one spelling.
fn canonical(grant: &Grant) -> Vec<u8> {
    let actions: Vec<&[u8]> = grant.actions.iter().map(|action| action.as_str().as_bytes()).collect();
    fields(&[
        GRANT_LAYOUT,
        &grant.id.0,
        grant.principal.0.as_bytes(),
        grant.scope.tenant.as_str().as_bytes(),
        grant.scope.region.as_str().as_bytes(),
        grant.scope.platform.as_str().as_bytes(),
        grant.scope.connection.as_str().as_bytes(),
        &fields(&actions),
        grant.purpose.as_bytes(),
        &grant.expires_at.as_nanosecond().to_be_bytes(),
    ])
}

/// What the policies do not permit, in words.
#[derive(Debug)]
pub(crate) struct NotPermitted(pub(crate) String);

impl From<NotPermitted> for KeyError {
    fn from(NotPermitted(why): NotPermitted) -> Self {
        Self::Refused(why)
    }
}

impl From<NotPermitted> for VaultError {
    fn from(NotPermitted(why): NotPermitted) -> Self {
        Self::NotPermitted(why)
    }
}

/// How the trail names a connection.
pub(crate) fn object(tenant: &TenantId, connection: &ConnectionId) -> String {
    format!("{tenant}/{connection}")
}

impl Gate {
    pub(crate) fn new(key: KeyBytes, handles: Handles) -> Self {
        Self { key, handles, policies: None }
    }

    /// Asks these policies from now on.
    pub(crate) fn with_policies(self, policies: Arc<dyn Decides>) -> Self {
        Self { policies: Some(policies), ..self }
    }

    /// Has the policies decide whether a process may.
    fn decide(&self, caller: &Caller, ask: impl FnOnce(&dyn Decides, &ServiceId) -> Verdict) -> Verdict {
        match (caller, &self.policies) {
            (Caller::Own, _) => Verdict { allowed: true, by: Vec::new(), told: String::new() },
            (Caller::Process(service), Some(policies)) => ask(&**policies, service),
            // A process that asks a vault without policies is refused all.
            (Caller::Process(_), None) => {
                Verdict { allowed: false, by: Vec::new(), told: "there are no policies".into() }
            }
        }
    }

    /// Has the policies decide about something that takes no grant, for the person who has signed in, if it is for one. Records
    /// a refusal.
    pub(crate) async fn admit(
        &self,
        (caller, person): (&Caller, Option<&Principal>),
        (operation, about): (Operation, About<'_>),
        of_person: impl FnOnce(&dyn Decides, &Principal) -> Verdict,
    ) -> Result<Vec<String>, NotPermitted> {
        let verdict = self.decide(caller, |policies, service| {
            let own = policies.process(&Asked { service, operation, about, grant: None });
            match person {
                Some(person) => own.and(of_person(policies, person)),
                None => own,
            }
        });
        if verdict.allowed {
            return Ok(verdict.by);
        }
        let principal = person.cloned().unwrap_or_else(|| Principal(UNPROVEN.into()));
        let event = AuditEvent::new(principal, operation, about.to_string(), Outcome::Refused);
        let event = AuditEvent { policies: verdict.by, ..event.with_detail(verdict.told.clone()) };
        match self.handles.audit.record(event).await {
            Ok(()) => Err(NotPermitted(verdict.told)),
            Err(error) => {
                Err(NotPermitted(format!("{}, and that could not be recorded: {error}", verdict.told)))
            }
        }
    }

    /// Puts the seal on a grant.
    pub(crate) fn seal(&self, grant: &mut Grant) {
        grant.seal = mac(&self.key, &canonical(grant)).to_vec();
    }

    /// What proves a sign-in that answered a challenge. Nobody else can tell it.
    pub(crate) fn session_token(&self, challenge: &[u8]) -> KeyBytes {
        KeyBytes::new(mac(&self.key, &fields(&[SESSION, challenge])))
    }

    /// The key of the MAC on the lists of what the vault lets others do.
    pub(crate) fn lists_key(&self) -> KeyBytes {
        KeyBytes::new(mac(&self.key, LISTS))
    }

    fn is_genuine(&self, grant: &Grant) -> bool {
        mac_holds(&self.key, &canonical(grant), &grant.seal)
    }

    /// What the policies say of a request. They are told what was found out about its grant.
    fn verdict(&self, request: &Request<'_>, genuine: bool) -> Verdict {
        let Request { caller, operation, grant, scope, any_of } = *request;
        let about = match operation {
            Operation::CredentialOpen | Operation::CredentialRewrap => About::Credential(scope),
            _ => About::DataKey(scope),
        };
        let covers = *grant.scope == *scope && any_of.iter().any(|action| grant.actions.contains(action));
        let live = self.handles.clock.now() < grant.expires_at;
        let facts = GrantFacts { principal: &grant.principal, genuine, covers, live };
        self.decide(caller, |policies, service| {
            policies.process(&Asked { service, operation, about, grant: Some(facts) })
        })
    }

    /// Whether the grant, whose seal holds or not, lets the request through.
    fn check(&self, request: &Request<'_>, genuine: bool) -> Result<(), KeyError> {
        let Request { grant, scope, any_of, .. } = request;
        if !genuine {
            return Err(KeyError::Refused("the grant was not given by this vault, or was changed".into()));
        }
        let now = self.handles.clock.now();
        let mut refusal = None;
        for action in *any_of {
            match grant.allows(*action, scope, now) {
                Ok(()) => return Ok(()),
                Err(error) => refusal = Some(error),
            }
        }
        Err(KeyError::Refused(refusal.map_or_else(|| "nothing allows it".into(), |error| error.to_string())))
    }

    /// Checks the grant, does what was asked, and records how it ended. Without a record there is no answer.
    pub(crate) async fn answer<T>(
        &self,
        request: &Request<'_>,
        act: impl FnOnce() -> Result<T, KeyError>,
    ) -> Result<T, KeyError> {
        let genuine = self.is_genuine(request.grant);
        let verdict = self.verdict(request, genuine);
        let let_through = self
            .check(request, genuine)
            .and_then(|()| verdict.allowed.then_some(()).ok_or(KeyError::Refused(verdict.told)));
        let (answer, failure) = match let_through {
            Ok(()) => (act(), Outcome::Failed),
            Err(error) => (Err(error), Outcome::Refused),
        };
        // INVARIANT (unproven principals): a name stands in the record as a principal only if the seal holds.
        let principal = if genuine { request.grant.principal.clone() } else { Principal(UNPROVEN.into()) };
        let outcome = if answer.is_ok() { Outcome::Done } else { failure };
        let object = object(&request.scope.tenant, &request.scope.connection);
        let event = AuditEvent::new(principal, request.operation, object, outcome)
            .with_detail(answer.as_ref().err().map(ToString::to_string).unwrap_or_default());
        self.record(AuditEvent { grant: Some(request.grant.id), policies: verdict.by, ..event }).await?;
        answer
    }

    /// Records something that was done for whoever asked: it takes no grant.
    pub(crate) async fn record_ungranted(
        &self,
        operation: Operation,
        object: String,
        policies: Vec<String>,
    ) -> Result<(), KeyError> {
        let event = AuditEvent::new(Principal(UNPROVEN.into()), operation, object, Outcome::Done);
        self.record(AuditEvent { policies, ..event }).await
    }

    async fn record(&self, event: AuditEvent) -> Result<(), KeyError> {
        self.handles.audit.record(event).await.map_err(|error| KeyError::Unavailable(error.to_string()))
    }

    /// How long a key serves that is opened now: 60 seconds, or until the grant ends.
    pub(crate) fn serves(&self, grant: &Grant) -> Duration {
        let left = grant.expires_at.duration_since(self.handles.clock.now());
        Duration::try_from(left).unwrap_or_default().min(SERVES_MAX)
    }

    pub(crate) fn handles(&self) -> &Handles {
        &self.handles
    }
}
