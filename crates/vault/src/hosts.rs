//! The hosts of a cell: other machines on which processes of it run.
//!
//! A host joins with an invitation, which somebody who has signed in asked for: it is for one role, good once and for a short
//! time, and known to no file (a vault that is started again has forgotten it). From then on the host's own key proves which role
//! its process has.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::{AuditEvent, Id128, Ids as _, Operation, Outcome, Principal, Role, RoleName, Timestamp};
use serde::{Deserialize, Serialize};

use crate::cipher::{random_key, sha256};
use crate::encoding::{fields, to_hex};
use crate::error::VaultError;
use crate::gate::UNPROVEN;
use crate::list::Listed;
use crate::secret::KeyBytes;
use crate::vault::Vault;

/// So many invitations wait at one time. The oldest gives way.
const INVITATIONS_MAX: usize = 64;
/// So long one is good at most.
pub const INVITATION_TTL_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// A machine on which a process of the cell runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// Its name.
    pub id: Id128,
    /// What its process is there for: `worker/shopify`.
    pub role: String,
    /// When it joined.
    pub joined_at: Timestamp,
    /// The public half of its key (Ed25519), in hexadecimal.
    pub key: String,
}

impl Listed for Host {
    const WHAT: &'static str = "list of hosts";
    const FORMAT: &'static str = "caretaker-hosts-1";
    const FILE: &'static str = "hosts.json";
    const ENTRIES_MAX: usize = 1024;

    fn canonical(&self) -> Vec<u8> {
        let Self { id, role, joined_at, key } = self;
        fields(&[&id.0, role.as_bytes(), &joined_at.as_nanosecond().to_be_bytes(), key.as_bytes()])
    }
}

struct Invitation {
    /// A hash of its secret: what is kept here lets nobody in.
    secret: [u8; 32],
    role: Role,
    until: Duration,
}

/// The invitations that nobody has used yet.
#[derive(Default)]
pub(crate) struct Invitations(Mutex<VecDeque<Invitation>>);

impl Invitations {
    fn waiting(&self) -> MutexGuard<'_, VecDeque<Invitation>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, secret: &KeyBytes, role: Role, until: Duration) {
        let mut waiting = self.waiting();
        waiting.push_back(Invitation { secret: sha256(secret.as_slice()), role, until });
        while waiting.len() > INVITATIONS_MAX {
            waiting.pop_front();
        }
    }

    /// Takes one away, and answers for which role it was, if its time is not over.
    fn take(&self, secret: &[u8], now: Duration) -> Option<Role> {
        let (secret, mut waiting) = (sha256(secret), self.waiting());
        let at = waiting.iter().position(|one| one.secret == secret)?;
        waiting.remove(at).filter(|one| now < one.until).map(|one| one.role)
    }
}

impl Vault {
    async fn record_host(
        &self,
        (who, operation): (&str, Operation),
        object: String,
        refused: Option<&VaultError>,
    ) -> Result<(), VaultError> {
        let outcome = if refused.is_some() { Outcome::Refused } else { Outcome::Done };
        let event = AuditEvent::new(Principal(who.to_owned()), operation, object, outcome);
        let event = event.with_detail(refused.map(ToString::to_string).unwrap_or_default());
        Ok(self.gate.handles().audit.record(event).await?)
    }

    /// Lets one host join, with a process of that role. Answers the invitation's secret.
    pub(crate) async fn invite_host(
        &self,
        person: &Principal,
        role: &str,
        ttl: Duration,
    ) -> Result<KeyBytes, VaultError> {
        let role: Role = role.parse().map_err(|_| VaultError::Host(format!("`{role}` is no role")))?;
        if !matches!(role.name(), RoleName::Worker | RoleName::Server | RoleName::Monitor) {
            return Err(VaultError::Host(format!(
                "a {role} runs where the vault does; workers, the server and the monitor run elsewhere"
            )));
        }
        if ttl.is_zero() || ttl > INVITATION_TTL_MAX {
            let longest = INVITATION_TTL_MAX.as_secs() / 3600;
            return Err(VaultError::Host(format!("an invitation is good for {longest} hours at most")));
        }
        let handles = self.gate.handles();
        let secret = random_key(&*handles.rng);
        self.record_host((&person.0, Operation::HostInvite), role.to_string(), None).await?;
        self.invitations.add(&secret, role, handles.clock.monotonic().saturating_add(ttl));
        Ok(secret)
    }

    /// Takes a host in that knows an invitation's secret. None is good twice, whatever comes of it.
    ///
    /// # Errors
    /// [`VaultError::Invitation`] where it was used, has ended, or was never given; and as the list cannot be written.
    pub async fn join_host(&self, secret: &[u8], key: [u8; 32]) -> Result<Host, VaultError> {
        let handles = self.gate.handles();
        let Some(role) = self.invitations.take(secret, handles.clock.monotonic()) else {
            self.record_host((UNPROVEN, Operation::HostJoin), "cell".into(), Some(&VaultError::Invitation))
                .await?;
            return Err(VaultError::Invitation);
        };
        let host = Host {
            id: handles.rng.next_id(),
            role: role.to_string(),
            joined_at: handles.clock.now(),
            key: to_hex(&key).to_string(),
        };
        // First: a host that is nowhere on record must not be in.
        let object = format!("{role} on {}", host.id);
        self.record_host((&format!("service/{role}"), Operation::HostJoin), object, None).await?;
        self.list::<Host>().change(|hosts| {
            if hosts.iter().any(|one| one.key == host.key) {
                return Err(VaultError::Host("its key is known already".into()));
            }
            hosts.push(host.clone());
            Ok(host)
        })
    }

    /// The host that has this key, which it has proven.
    ///
    /// # Errors
    /// [`VaultError::UnknownHost`] where none has, and that on record.
    pub async fn host_of(&self, key: [u8; 32]) -> Result<Host, VaultError> {
        let found = self.list::<Host>().read()?.into_iter().find(|host| host.key == *to_hex(&key));
        if found.is_none() {
            let object = (UNPROVEN, Operation::CertificateIssue);
            self.record_host(object, "cell".into(), Some(&VaultError::UnknownHost)).await?;
        }
        found.ok_or(VaultError::UnknownHost)
    }

    /// All of them.
    pub(crate) fn hosts(&self) -> Result<Vec<Host>, VaultError> {
        self.list::<Host>().read()
    }

    /// Takes a host out: it gets no certificate any more.
    pub(crate) async fn remove_host(&self, person: &Principal, id: Id128) -> Result<Host, VaultError> {
        let Some(host) = self.list::<Host>().read()?.into_iter().find(|host| host.id == id) else {
            return Err(VaultError::NoHost(id));
        };
        let object = format!("{} on {id}", host.role);
        self.record_host((&person.0, Operation::HostRemove), object, None).await?;
        self.list::<Host>().change(|hosts| {
            hosts.retain(|host| host.id != id);
            Ok(host)
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::list::canonical;

    fn role() -> Role {
        "worker/shopify".parse().unwrap()
    }

    #[test]
    fn an_invitation_is_good_once_and_for_its_time() {
        let (invitations, second) = (Invitations::default(), Duration::from_secs(1));
        invitations.add(&KeyBytes::new([1; 32]), role(), second * 10);
        assert_eq!(invitations.take(&[2; 32], second), None, "nobody gave that one");
        assert_eq!(invitations.take(&sha256(&[1; 32]), second), None, "what is kept lets nobody in");
        assert_eq!(invitations.take(&[1; 32], second * 9), Some(role()));
        assert_eq!(invitations.take(&[1; 32], second * 9), None, "not twice");
        invitations.add(&KeyBytes::new([3; 32]), role(), second * 10);
        assert_eq!(invitations.take(&[3; 32], second * 10), None, "its time is over");
    }

    #[test]
    fn whoever_asks_for_many_fills_no_memory() {
        let invitations = Invitations::default();
        for byte in 0..=u8::MAX {
            invitations.add(&KeyBytes::new([byte; 32]), role(), Duration::from_secs(1));
        }
        assert_eq!(invitations.waiting().len(), INVITATIONS_MAX);
    }

    #[test]
    fn the_lists_spelling_tells_every_field() {
        let host = |id: u8, role: &str, key: u8| Host {
            id: Id128([id; 16]),
            role: role.into(),
            joined_at: Timestamp::UNIX_EPOCH,
            key: to_hex(&[key; 32]).to_string(),
        };
        let one = host(1, "worker/shopify", 1);
        let lists = [
            vec![],
            vec![one.clone()],
            vec![host(2, "worker/shopify", 1)],
            vec![host(1, "worker/jsonl", 1)],
            vec![host(1, "worker/shopify", 2)],
            vec![Host { joined_at: Timestamp::UNIX_EPOCH + Duration::from_secs(1), ..one.clone() }],
            vec![one.clone(), one],
        ];
        for (at, list) in lists.iter().enumerate() {
            assert_eq!(lists.iter().position(|other| canonical(other) == canonical(list)), Some(at));
        }
    }
}
