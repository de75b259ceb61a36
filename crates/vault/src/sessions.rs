//! Who has signed in, for as long as that is worth something: challenges that were given, and what proves a sign-in since.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use domain::Principal;

use crate::cipher::{mac, mac_holds, sha256};
use crate::secret::{KeyBytes, Passphrase};
use crate::vault::GRANT_TTL_MAX;

/// So many challenges wait for their answer at one time. The oldest gives way.
const CHALLENGES_MAX: usize = 64;
/// So long one waits.
const CHALLENGE_TTL: Duration = Duration::from_secs(60);
/// So many are signed in at one time. The oldest gives way.
const SESSIONS_MAX: usize = 1024;
/// So long a sign-in is worth something.
const SESSION_TTL: Duration = GRANT_TTL_MAX;

struct Session {
    /// A hash of what proves it: what is kept here signs nobody in.
    token: [u8; 32],
    principal: Principal,
    until: Duration,
}

#[derive(Default)]
struct Held {
    challenges: VecDeque<(KeyBytes, Duration)>,
    sessions: VecDeque<Session>,
}

/// A passphrase that whoever signs in must know besides, as a MAC of it: what is kept here tells nobody what it is.
struct Asked {
    key: KeyBytes,
    mac: [u8; 32],
}

/// All that are signed in to one vault.
#[derive(Default)]
pub(crate) struct Sessions {
    held: Mutex<Held>,
    asked: OnceLock<Asked>,
}

fn push<T>(list: &mut VecDeque<T>, item: T, most: usize) {
    list.push_back(item);
    while list.len() > most {
        list.pop_front();
    }
}

impl Sessions {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on whoever signs in must know the passphrase too. `key` is of random bits.
    pub(crate) fn ask_for(&self, passphrase: &Passphrase, key: KeyBytes) {
        let mac = mac(&key, passphrase.expose_secret());
        // A vault is opened by one passphrase.
        let _ = self.asked.set(Asked { key, mac });
    }

    /// Whether nobody is asked for the passphrase, or it is this one.
    pub(crate) fn knows(&self, passphrase: Option<&Passphrase>) -> bool {
        self.asked.get().is_none_or(|Asked { key, mac }| {
            passphrase.is_some_and(|passphrase| mac_holds(key, passphrase.expose_secret(), mac))
        })
    }

    /// Gives a challenge.
    pub(crate) fn challenge(&self, challenge: KeyBytes, now: Duration) -> KeyBytes {
        let until = now.saturating_add(CHALLENGE_TTL);
        push(&mut self.held().challenges, (challenge.clone(), until), CHALLENGES_MAX);
        challenge
    }

    /// Takes a challenge back, if it was given and nobody has answered it. None is answered twice.
    pub(crate) fn given(&self, challenge: &[u8], now: Duration) -> Option<KeyBytes> {
        let mut held = self.held();
        let at = held.challenges.iter().position(|(given, _)| given.as_slice() == challenge)?;
        let (given, until) = held.challenges.remove(at)?;
        (now < until).then_some(given)
    }

    /// Somebody has signed in.
    pub(crate) fn begin(&self, token: &KeyBytes, principal: Principal, now: Duration) {
        let (token, until) = (sha256(token.as_slice()), now.saturating_add(SESSION_TTL));
        push(&mut self.held().sessions, Session { token, principal, until }, SESSIONS_MAX);
    }

    /// Who has signed in, given what proves it.
    pub(crate) fn principal(&self, token: &[u8], now: Duration) -> Option<Principal> {
        let token = sha256(token);
        let held = self.held();
        let session = held.sessions.iter().find(|session| session.token == token)?;
        (now < session.until).then(|| session.principal.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn key(byte: u8) -> KeyBytes {
        KeyBytes::new([byte; 32])
    }

    #[test]
    fn a_challenge_is_answered_once_and_soon() {
        let sessions = Sessions::default();
        let late = sessions.challenge(key(1), Duration::ZERO);
        assert_eq!(sessions.given(late.as_slice(), CHALLENGE_TTL), None);
        let given = sessions.challenge(key(2), Duration::ZERO);
        assert_eq!(sessions.given(key(3).as_slice(), SECOND), None, "nobody gave that one");
        assert_eq!(sessions.given(given.as_slice(), CHALLENGE_TTL - SECOND), Some(key(2)));
        assert_eq!(sessions.given(given.as_slice(), SECOND), None);
    }

    #[test]
    fn a_sign_in_lasts_its_time_and_is_known_by_its_token_alone() {
        let (sessions, who) = (Sessions::default(), Principal("someone".into()));
        sessions.begin(&key(1), who.clone(), Duration::ZERO);
        assert_eq!(sessions.principal(&[1; 32], SESSION_TTL - SECOND), Some(who));
        assert_eq!(sessions.principal(&[1; 32], SESSION_TTL), None);
        assert_eq!(sessions.principal(&[2; 32], SECOND), None);
        assert_eq!(sessions.principal(&sha256(&[1; 32]), SECOND), None, "what is kept signs nobody in");
    }

    #[test]
    fn whoever_is_asked_for_the_passphrase_must_know_it() {
        let (sessions, told) = (Sessions::default(), |text: &str| Passphrase::new(text.into()).unwrap());
        assert!(sessions.knows(None), "nobody is asked");
        sessions.ask_for(&told("four grey geese"), key(1));
        assert!(sessions.knows(Some(&told("four grey geese"))));
        assert!(!sessions.knows(Some(&told("four gray geese"))) && !sessions.knows(None));
    }

    #[test]
    fn whoever_asks_for_many_fills_no_memory() {
        let sessions = Sessions::default();
        for byte in 0..=u8::MAX {
            sessions.challenge(key(byte), Duration::ZERO);
        }
        assert_eq!(sessions.held().challenges.len(), CHALLENGES_MAX);
        assert!(
            sessions.given(&[u8::MAX; 32], SECOND).is_some() && sessions.given(&[0; 32], SECOND).is_none()
        );
    }
}
