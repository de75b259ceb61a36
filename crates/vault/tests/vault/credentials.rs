//! Credentials: sealed by anyone, opened by a grant, never by a data key or a recovery key.

use std::fs;
use std::path::Path;

use domain::{Action, KeyError};
use vault::Secret;

use crate::cell::{Cell, HOUR, flips, other_scopes, scope};

const TOKEN: &[u8] = b"shpat_0123456789abcdef0123456789abcdef";

#[tokio::test]
async fn a_credential_opens_in_its_own_place_only() {
    let cell = Cell::new(60);
    let own = scope("t", "c");
    let grant = cell.grant().await;
    let sealed = cell.vault.seal_credential(&own, "token", &Secret::new(TOKEN.to_vec())).await.unwrap();

    let opened = cell.vault.open_credential(&grant, &own, "token", &sealed).await.unwrap();
    assert_eq!(opened.expose_secret(), TOKEN);
    let refused = cell.vault.open_credential(&grant, &own, "client-secret", &sealed).await;
    assert_eq!(refused.err(), Some(KeyError::DoesNotOpen));
    for other in other_scopes() {
        let grant = cell.grant_for(&other, Action::ALL, HOUR).await;
        let refused = cell.vault.open_credential(&grant, &other, "token", &sealed).await;
        assert_eq!(refused.err(), Some(KeyError::DoesNotOpen), "{other:?}");
    }
    for (at, flipped) in flips(&sealed) {
        let refused = cell.vault.open_credential(&grant, &own, "token", &flipped).await;
        assert_eq!(refused.err(), Some(KeyError::DoesNotOpen), "byte {at}");
    }
}

#[tokio::test]
async fn a_sealed_credential_has_one_spelling() {
    let cell = Cell::new(64);
    let own = scope("t", "c");
    let grant = cell.grant().await;
    let sealed = cell.vault.seal_credential(&own, "token", &Secret::new(TOKEN.to_vec())).await.unwrap();
    let spaced = [&sealed[..], b" "].concat();
    let refused = cell.vault.open_credential(&grant, &own, "token", &spaced).await;
    assert_eq!(refused.err(), Some(KeyError::DoesNotOpen));
    cell.vault.open_credential(&grant, &own, "token", &sealed).await.unwrap();
}

#[tokio::test]
async fn only_work_on_the_platform_opens_a_credential() {
    let cell = Cell::new(61);
    let own = scope("t", "c");
    let sealed = cell.vault.seal_credential(&own, "token", &Secret::new(TOKEN.to_vec())).await.unwrap();
    for action in Action::ALL {
        let grant = cell.grant_for(&own, &[*action], HOUR).await;
        let opened = cell.vault.open_credential(&grant, &own, "token", &sealed).await.is_ok();
        let works = matches!(action, Action::Connect | Action::Backup | Action::Restore);
        assert_eq!(opened, works, "{action}");
    }
}

#[tokio::test]
async fn one_hierarchy_does_not_open_the_others_texts() {
    let cell = Cell::new(62);
    let own = scope("t", "c");
    let grant = cell.grant().await;
    let secret = Secret::new(vec![5; 64]);
    let sealed = cell.vault.seal_credential(&own, "token", &secret).await.unwrap();
    let wrapped = cell.data_key(&grant).await.wrapped;

    // A credential's sealed text, put where a wrapped key has its own, and the other way round.
    let text = |bytes: &[u8]| serde_json::from_slice::<serde_json::Value>(bytes).unwrap();
    let mut key_document = text(&wrapped);
    let mut credential_document = text(&sealed);
    let key_text = key_document["kek"]["sealed"].clone();
    key_document["kek"]["sealed"] = credential_document["sealed"].clone();
    credential_document["sealed"] = key_text;
    let crossed = serde_json::to_vec(&key_document).unwrap();
    assert!(vault::describe_wrapped(&crossed).is_ok());
    let refused = domain::DataKeys::open(&cell.vault, &grant, &own, &crossed).await;
    assert_eq!(refused.err(), Some(KeyError::DoesNotOpen));
    let crossed = serde_json::to_vec(&credential_document).unwrap();
    let refused = cell.vault.open_credential(&grant, &own, "token", &crossed).await;
    assert_eq!(refused.err(), Some(KeyError::DoesNotOpen));
}

fn files_below(dir: &Path) -> Vec<Vec<u8>> {
    let entries: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries
        .iter()
        .flat_map(|path| if path.is_dir() { files_below(path) } else { vec![fs::read(path).unwrap()] })
        .collect()
}

#[tokio::test]
async fn nothing_secret_lies_in_the_vaults_directory() {
    let cell = Cell::new(63);
    let own = scope("t", "c");
    let sealed = cell.vault.seal_credential(&own, "token", &Secret::new(TOKEN.to_vec())).await.unwrap();
    fs::write(cell.home().join("vault").join("credential"), &sealed).unwrap();

    let hex: String = TOKEN.iter().map(|byte| format!("{byte:02x}")).collect();
    let recovery: serde_json::Value =
        serde_json::from_slice(&fs::read(cell.recovery_file()).unwrap()).unwrap();
    let private = recovery["private"]["clear"].as_str().unwrap();
    let planted = [TOKEN, hex.as_bytes(), crate::cell::PASSPHRASE.as_bytes(), private.as_bytes()];
    let found = |files: &[Vec<u8>]| {
        planted
            .map(|secret| files.iter().any(|file| file.windows(secret.len()).any(|window| window == secret)))
    };
    let files = files_below(&cell.home());
    assert_eq!(files.len(), 4);
    assert_eq!(found(&files), [false; 4]);
    // The control: the search finds what is there.
    assert_eq!(found(&[[TOKEN, private.as_bytes()].concat()]), [true, false, false, true]);
}
