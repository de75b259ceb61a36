//! What is put aside on this machine.

use domain::Action;
use repository::ErrorKind;

use crate::cell::Cell;

#[tokio::test]
async fn what_is_put_aside_opens_for_its_own_command_and_as_it_was() {
    let cell = Cell::new().await;
    let grant = cell.grant("shop", Action::ALL).await;
    let sealer = || async { cell.repository("shop").sealer(&grant, Action::Restore).await.unwrap() };
    let (one, other) = (sealer().await, sealer().await);
    let text = b"lives there".repeat(99);
    let sealed = one.seal(7, &text).await.unwrap();
    assert!(sealed.len() < text.len() && !sealed.windows(5).any(|part| part == b"lives"));
    assert_eq!(one.open(7, sealed.clone()).await.unwrap(), text);
    assert!(one.open(8, sealed.clone()).await.is_err(), "another one's place");
    assert!(other.open(7, sealed.clone()).await.is_err(), "another command's key");
    let mut torn = sealed;
    torn[3] ^= 1;
    assert_eq!(one.open(7, torn).await.unwrap_err().kind(), ErrorKind::Integrity);
    assert!(cell.repository("shop").sealer(&grant, Action::Restore).await.is_ok());
    let backup = cell.grant("shop", &[Action::Backup]).await;
    assert!(cell.repository("shop").sealer(&backup, Action::Restore).await.is_err());
}

#[tokio::test]
async fn names_of_states_are_told_once_each_and_in_order() {
    let cell = Cell::new().await;
    let grant = cell.grant("shop", Action::ALL).await;
    let repository = cell.repository("shop");
    for name in ["list-2", "list", "other", "list-1", "list"] {
        repository.put_state(&grant, Action::Restore, name, b"x").await.unwrap();
    }
    assert_eq!(repository.state_names("list").await.unwrap(), ["list", "list-1", "list-2"]);
    assert_eq!(repository.state_names("").await.unwrap().len(), 4);
    assert!(repository.state_names("none").await.unwrap().is_empty());
}
