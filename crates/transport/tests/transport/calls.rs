//! Calls and answers, and connections and certificates that change under them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use domain::{Clock as _, Role};
use transport::{CERTIFICATE_TTL, CallError};

use crate::world::{MOST, OfWorkers, TooLong, Twice, Unknown, World};

fn text(text: impl Into<String>) -> Twice {
    Twice { text: text.into() }
}

#[tokio::test]
async fn a_call_is_answered_or_refused_and_nobody_makes_anothers() {
    let world = World::new();
    let beside = world.endpoint(&world.identities(&Role::Vault), CERTIFICATE_TTL);
    let channel = world.channel(&world.identities(&Role::Command), &Role::Vault, beside.clone());
    assert_eq!(channel.call(&text("ab")).await, Ok(Ok("abab".to_owned())));
    assert_eq!(channel.call(&text("a".repeat(MOST + 1))).await, Ok(Err(TooLong { most: MOST })));
    let refused = channel.call(&OfWorkers {}).await;
    assert!(
        matches!(&refused, Err(CallError::Refused { why, .. }) if why.contains("test.of_workers")),
        "{refused:?}"
    );
    let unknown = channel.call(&Unknown {}).await;
    assert!(matches!(unknown, Err(CallError::Misunderstood { .. })), "{unknown:?}");
    // What is longer than any call is not listened to, and the connection goes on.
    assert!(channel.call(&text("a".repeat(5 << 20))).await.is_err());
    assert_eq!(channel.call(&text("ab")).await, Ok(Ok("abab".to_owned())));
    assert_eq!(beside.dialled.load(Ordering::SeqCst), 1, "one connection carries all");
}

/// So many calls are made at one time.
const CALLERS: usize = 16;
/// Until there were so many other connections, and as many other certificates.
const CHANGES: usize = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_fails_while_certificates_and_connections_change() {
    let world = World::new();
    let (vault, command) = (world.identities(&Role::Vault), world.identities(&Role::Command));
    // Every connection ends in the middle of calls.
    let beside = world.endpoint(&vault, Duration::from_millis(50));
    let channel = Arc::new(world.channel(&command, &Role::Vault, beside.clone()));
    let enough = Arc::new(AtomicBool::new(false));
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let (channel, enough) = (Arc::clone(&channel), Arc::clone(&enough));
            tokio::spawn(async move {
                let mut made = 0;
                while !enough.load(Ordering::SeqCst) {
                    let told = format!("{caller}.{made} ");
                    let answer = channel.call(&text(told.clone())).await;
                    assert_eq!(answer, Ok(Ok(told.repeat(2))));
                    made += 1;
                }
                made
            })
        })
        .collect();
    let mut rotated = 0;
    while rotated < CHANGES || beside.dialled.load(Ordering::SeqCst) < CHANGES {
        for (identities, role) in [(&vault, Role::Vault), (&command, Role::Command)] {
            identities.replace(world.authority.identity(&role, world.clock.now()).unwrap().0);
        }
        rotated += 1;
        world.clock.sleep(Duration::from_millis(20)).await;
    }
    enough.store(true, Ordering::SeqCst);
    let mut made = 0;
    for caller in callers {
        made += caller.await.unwrap();
    }
    println!("{rotated} rotations, {} connections, {made} calls", beside.dialled.load(Ordering::SeqCst));
    assert!(made > CHANGES, "{made} calls");
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_ends_in_the_moment_of_a_call_loses_none() {
    let (world, minute) = (World::new(), Duration::from_secs(60));
    let beside = world.endpoint(&world.identities(&Role::Vault), minute);
    let channel = world.channel(&world.identities(&Role::Command), &Role::Vault, beside.clone());
    for _ in 0..20 {
        assert_eq!(channel.call(&text("ab")).await, Ok(Ok("abab".to_owned())));
        // Both wait for the same moment.
        world.clock.sleep(minute).await;
    }
    assert!(beside.dialled.load(Ordering::SeqCst) > 10);
}

#[tokio::test]
async fn whoever_is_gone_is_told_as_gone() {
    struct Gone;
    impl transport::Dial for Gone {
        fn dial(&self) -> futures::future::BoxFuture<'_, std::io::Result<Box<dyn transport::Stream>>> {
            let (ours, _) = tokio::io::duplex(64);
            Box::pin(std::future::ready(Ok(Box::new(ours) as Box<dyn transport::Stream>)))
        }
    }
    let world = World::new();
    let channel = world.channel(&world.identities(&Role::Command), &Role::Vault, Gone);
    let unreachable = channel.call(&text("ab")).await;
    assert!(matches!(unreachable, Err(CallError::Unreachable { to: Role::Vault, .. })), "{unreachable:?}");
}
