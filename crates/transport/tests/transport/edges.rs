//! Who may connect to whom: each role to each, with its own certificate and with another's.

use std::collections::BTreeSet;

use transport::edges::{EDGES, may_connect};

use crate::world::{World, is_refused, roles, was_served};

#[tokio::test]
async fn the_edges_of_the_table_connect_and_no_others() {
    let world = World::new();
    let mut connected = BTreeSet::new();
    for from in roles() {
        for to in roles() {
            let (own, other) = (world.identities(&from), world.identities(&to));
            let (answer, ended) = world.call(&own, (&other, &to)).await;
            if may_connect(&from, &to) {
                assert_eq!(answer.unwrap(), "texttext", "{from} to {to}");
                assert!(ended.iter().all(was_served), "{ended:?}");
                connected.insert((from.name(), to.name()));
            } else {
                assert!(is_refused(&answer), "{from} to {to}: {answer:?}");
                assert!(!ended.iter().any(was_served), "{from} to {to}: {ended:?}");
            }
        }
    }
    assert!(
        connected.iter().copied().eq(EDGES.iter().map(|edge| (edge.from, edge.to)).collect::<BTreeSet<_>>())
    );
    assert_eq!(connected.len(), EDGES.len());
}

/// Both ends look: whoever is connected to is told apart by its own certificate alone, and whoever connects too.
#[tokio::test]
async fn a_certificate_shown_as_that_of_another_role_is_refused_on_every_edge() {
    let world = World::new();
    for from in roles() {
        for to in roles().iter().filter(|to| may_connect(&from, to)) {
            for liar in roles() {
                let lies = world.identities(&liar);
                let (answer, ended) = world.call(&world.identities(&from), (&lies, to)).await;
                assert_eq!(answer.is_ok(), liar == *to, "{liar} as {to}: {answer:?}");
                assert_eq!(ended.iter().all(was_served), liar == *to);

                let (answer, ended) = world.call(&lies, (&world.identities(to), to)).await;
                assert_eq!(answer.is_ok(), may_connect(&liar, to), "{liar} as {from}: {answer:?}");
                if answer.is_err() {
                    assert!(!ended.iter().any(was_served) && is_refused(&answer), "{liar} as {from}");
                }
            }
        }
    }
}
