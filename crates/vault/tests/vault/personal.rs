//! What is personal on the trail: who opens it, and until when.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::Ordering;

use domain::{Operation, Outcome, Personal};
use vault::{Client, Month, Opened, OperatorKey, Vault, VaultError, VaultErrorKind};

use crate::cell::{Cell, HOUR, flips, opened, passphrase};
use crate::way;

const TEXT: &str = r#"{"items":["mary@example.com"]}"#;

fn keys(cell: &Cell) -> PathBuf {
    cell.home().join("vault/trail-keys.json")
}

fn month(text: &str) -> Month {
    text.parse().unwrap()
}

fn text() -> Opened {
    Opened::Text(TEXT.to_owned())
}

async fn look(cell: &Cell, vault: &Client, parts: &[Personal]) -> Vec<Opened> {
    let operator = vault.sign_in(OperatorKey::read(&cell.home()).unwrap()).await.unwrap();
    operator.open_personal(parts).await.unwrap()
}

#[tokio::test]
async fn a_part_is_opened_by_whoever_has_signed_in_and_on_record() {
    let cell = Cell::new(130);
    let [part, same] = [TEXT, TEXT].map(|text| cell.vault.seal_personal(text));
    let (part, same) = (part.await.unwrap(), same.await.unwrap());
    assert_eq!(part.key, same.key, "a month has one key");
    assert!(part.key.starts_with("2026-11."));
    assert_ne!(part.sealed, same.sealed, "that two are about the same, nobody sees");
    let short = cell.vault.seal_personal("{}").await.unwrap();
    assert_ne!(short.sealed.len(), 2 + 32 + 16, "a length tells little");
    assert_eq!(short.sealed.len(), part.sealed.len());
    assert!(!part.sealed.windows(4).any(|some| some == b"mary"));

    let made = cell.audit.take().into_iter().filter(|event| event.operation == Operation::TrailKeyCreate);
    assert_eq!(made.count(), 1);
    let parts = [part.clone(), short];
    assert_eq!(look(&cell, &cell.vault, &parts).await, [text(), Opened::Text("{}".into())]);
    let told = cell.audit.take().pop().unwrap();
    assert_eq!((told.operation, told.detail.as_str()), (Operation::TrailOpen, "2 parts"));
    assert_eq!(told.principal.0, "cell-operator");
    // Also by a vault that is opened later.
    assert_eq!(look(&cell, &opened(&cell), &parts[..1]).await, [text()]);

    let changed: Vec<_> =
        flips(&part.sealed).map(|(_, sealed)| Personal { sealed, ..part.clone() }).collect();
    let damaged = look(&cell, &cell.vault, &changed).await;
    assert_eq!(damaged.len(), part.sealed.len());
    assert!(damaged.iter().all(|opened| *opened == Opened::Damaged));
    let of_another = Cell::new(131).vault.seal_personal(TEXT).await.unwrap();
    let renamed = Personal { key: part.key.clone(), ..of_another.clone() };
    let cut = Personal { sealed: vec![1; 31], ..part };
    let wrong = look(&cell, &cell.vault, &[of_another, renamed, cut]).await;
    assert_eq!(wrong, [Opened::NoKey, Opened::Damaged, Opened::Damaged]);
}

#[tokio::test]
async fn many_are_opened_and_a_long_text_is_cut() {
    let cell = Cell::new(132);
    let long = "ä".repeat(5_000);
    let part = cell.vault.seal_personal(&long).await.unwrap();
    assert!(part.sealed.len() < 2_200);
    let parts = vec![part; vault::OPENED_MAX + 1];
    let all = look(&cell, &cell.vault, &parts).await;
    assert_eq!(all.len(), parts.len());
    let cut = Opened::Text("ä".repeat(1_024));
    assert!(all.iter().all(|opened| *opened == cut));
}

#[tokio::test]
async fn with_its_months_key_what_is_personal_is_gone_for_good() {
    let cell = Cell::new(133);
    let of_november = cell.vault.seal_personal(TEXT).await.unwrap();
    cell.clock.advance(HOUR * 24 * 10);
    let of_december = cell.vault.seal_personal(TEXT).await.unwrap();
    let parts = [of_november, of_december];
    let copy = fs::read(keys(&cell)).unwrap();
    assert_eq!(look(&cell, &cell.vault, &parts).await, [text(), text()]);

    let operator = cell.operator().await;
    let nothing = operator.erase_personal(&month("2026-11")).await.unwrap();
    assert_eq!((nothing.destroyed, nothing.kept.len()), (vec![], 2));
    assert_eq!(fs::read(keys(&cell)).unwrap(), copy);
    // What cannot be recorded is not done.
    cell.audit.failing.store(true, Ordering::SeqCst);
    assert!(matches!(operator.erase_personal(&month("2026-12")).await, Err(VaultError::Audit(_))));
    assert!(matches!(operator.open_personal(&parts).await, Err(VaultError::Audit(_))));
    cell.audit.failing.store(false, Ordering::SeqCst);
    assert_eq!(look(&cell, &cell.vault, &parts).await, [text(), text()]);

    cell.audit.take();
    let erased = operator.erase_personal(&month("2026-12")).await.unwrap();
    assert_eq!((erased.destroyed, erased.kept), (vec![month("2026-11")], vec![month("2026-12")]));
    assert_eq!(erased.place, keys(&cell));
    let told = cell.audit.take().pop().unwrap();
    assert_eq!((told.operation, told.outcome), (Operation::TrailErase, Outcome::Done));
    for vault in [&cell.vault, &opened(&cell)] {
        assert_eq!(look(&cell, vault, &parts).await, [Opened::NoKey, text()]);
    }
    // Also when the clock says again that it is that month: another key is made.
    cell.clock.set_wall("2026-11-30T00:00:00Z".parse().unwrap());
    let later = cell.vault.seal_personal(TEXT).await.unwrap();
    assert_ne!(later.key, parts[0].key);
    assert_eq!(look(&cell, &cell.vault, &[parts[0].clone(), later]).await, [Opened::NoKey, text()]);
    // Whoever kept a copy of the keys can still: that is why an erasure says where they were.
    fs::write(keys(&cell), copy).unwrap();
    assert_eq!(look(&cell, &cell.vault, &parts).await, [text(), text()]);
}

#[tokio::test]
async fn keys_go_along_with_a_rotation_and_open_no_more_by_what_was_retired() {
    let mut cell = Cell::new(134);
    let part = cell.vault.seal_personal(TEXT).await.unwrap();
    let old_vault = fs::read(Vault::path(&cell.home())).unwrap();
    let old_keys = fs::read(keys(&cell)).unwrap();
    cell.operator().await.rotate(&passphrase()).await.unwrap();
    assert_eq!(look(&cell, &cell.vault, std::slice::from_ref(&part)).await, [text()]);
    way::end(std::mem::replace(&mut cell.vault, Cell::new(135).vault)).await;
    let alone = Vault::open_alone(&cell.home(), &passphrase(), &cell.handles).await.unwrap();
    let alone = way::to(alone, &cell.handles);
    let operator = alone.sign_in(OperatorKey::read(&cell.home()).unwrap()).await.unwrap();
    // Where one does not open, nothing is forgotten.
    let damaged = String::from_utf8(old_keys.clone()).unwrap();
    let wrong = Cell::new(136);
    wrong.vault.seal_personal(TEXT).await.unwrap();
    fs::write(keys(&cell), fs::read(keys(&wrong)).unwrap()).unwrap();
    let before = fs::read(Vault::path(&cell.home())).unwrap();
    assert_eq!(operator.retire(&passphrase()).await.unwrap_err().kind(), VaultErrorKind::Damaged);
    fs::write(keys(&cell), damaged.replacen("2026-11", "2026-10", 1)).unwrap();
    assert_eq!(operator.retire(&passphrase()).await.unwrap_err().kind(), VaultErrorKind::Damaged);
    assert_eq!(fs::read(Vault::path(&cell.home())).unwrap(), before);
    fs::write(keys(&cell), &old_keys).unwrap();
    operator.retire(&passphrase()).await.unwrap();
    drop(operator);
    way::end(alone).await;
    assert_eq!(look(&cell, &opened(&cell), std::slice::from_ref(&part)).await, [text()]);

    // The vault of before opens none of today's keys; with those of before it does, which is another matter.
    fs::write(Vault::path(&cell.home()), old_vault).unwrap();
    assert_eq!(look(&cell, &opened(&cell), std::slice::from_ref(&part)).await, [Opened::Damaged]);
    fs::write(keys(&cell), old_keys).unwrap();
    assert_eq!(look(&cell, &opened(&cell), &[part]).await, [text()]);
}
