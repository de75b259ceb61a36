//! Certificates that are renewed while their processes speak to each other, over many of their lives.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use domain::{Clock as _, Role};
use transport::{CERTIFICATE_TTL, CallError, Identities};

use crate::world::{Twice, World};

const MINUTE: Duration = Duration::from_secs(60);
/// So many lives of a certificate.
const LIVES: u32 = 12;

/// Has a process renew its certificate by itself.
fn renews(world: &Arc<World>, own: &Identities, role: Role) {
    let (world, own) = (Arc::clone(world), own.clone());
    tokio::spawn(async move {
        let obtain = || std::future::ready(world.authority.identity(&role, world.clock.now()));
        own.keep_fresh(CERTIFICATE_TTL / 2, Arc::clone(&world.clock) as _, obtain).await;
    });
}

/// Makes a call every minute, and answers how the first that failed did.
async fn speak(renewing: &[Role]) -> (usize, Option<CallError>) {
    let world = Arc::new(World::new());
    let (vault, command) = (world.identities(&Role::Vault), world.identities(&Role::Command));
    for (own, role) in [(&vault, Role::Vault), (&command, Role::Command)] {
        if renewing.contains(&role) {
            renews(&world, own, role);
        }
    }
    let beside = world.endpoint(&vault, CERTIFICATE_TTL);
    let channel = world.channel(&command, &Role::Vault, beside.clone());
    let mut failed = None;
    for _ in 0..(CERTIFICATE_TTL * LIVES).as_secs() / MINUTE.as_secs() {
        world.clock.sleep(MINUTE).await;
        match channel.call(&Twice { text: "text".into() }).await {
            Ok(answer) => assert_eq!(answer.unwrap(), "texttext"),
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    (beside.dialled.load(Ordering::SeqCst), failed)
}

#[tokio::test(start_paused = true)]
async fn both_ends_renew_and_no_call_fails() {
    let (connections, failed) = speak(&[Role::Vault, Role::Command]).await;
    assert_eq!(failed, None);
    // Each time that one of the two has another, at the latest.
    assert!(connections >= usize::try_from(LIVES).unwrap(), "{connections} connections");
}

#[tokio::test(start_paused = true)]
async fn an_end_that_does_not_renew_is_not_spoken_to_any_more() {
    for renewing in [&[Role::Command][..], &[Role::Vault], &[]] {
        let (_, failed) = speak(renewing).await;
        assert!(matches!(failed, Some(CallError::Refused { .. })), "{renewing:?}: {failed:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_certificate_that_cannot_be_had_is_asked_for_again() {
    let world = World::new();
    let own = world.identities(&Role::Command);
    let first = own.newest();
    let asked = std::sync::atomic::AtomicU32::new(0);
    let obtain = || {
        let refused = asked.fetch_add(1, Ordering::SeqCst) < 3;
        let made = world.authority.identity(&Role::Command, world.clock.now()).unwrap();
        std::future::ready(if refused { Err("not now") } else { Ok(made) })
    };
    let keeping = own.keep_fresh(CERTIFICATE_TTL / 2, Arc::clone(&world.clock) as _, obtain);
    let waiting = world.clock.sleep(CERTIFICATE_TTL / 2 + MINUTE);
    futures::future::select(std::pin::pin!(keeping), waiting).await;
    assert_eq!(asked.load(Ordering::SeqCst), 4);
    assert!(!Arc::ptr_eq(&first, &own.newest()));
}
