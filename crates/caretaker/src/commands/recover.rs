//! `caretaker recover`: the stores and the recovery key, nothing else.

use std::sync::Arc;

use domain::Unrecorded;
use flows::recover::Recovered;
use flows::store_access::WhichStore;
use repository::Stores;
use serde_json::json;
use vault::system::{SystemClock, SystemRng};
use vault::{Handles, Passphrase, RecoveryKey};

use crate::arguments::Recover;
use crate::commands::ingest::size;
use crate::output::{Output, exit};
use crate::stores;

pub(crate) async fn run(words: &Recover, output: &Output) -> anyhow::Result<u8> {
    let stores = Stores {
        objects: stores::given(WhichStore::Objects, &words.store, &words.credentials)?.open()?,
        keys: stores::given(WhichStore::Keys, &words.keys_store, &words.credentials)?.open()?,
    };
    let passphrase = words.recovery_passphrase_file.as_deref().map(Passphrase::read).transpose()?;
    let key = RecoveryKey::read(&words.recovery_key_file, passphrase.as_ref())?;
    let handles =
        Handles { clock: Arc::new(SystemClock), rng: Arc::new(SystemRng), audit: Arc::new(Unrecorded) };
    let told = |what: &str, done: u64| output.progress(&format!("reading {what}"), done, None, "");
    let recovered = flows::recover::recover(&stores, key, &handles, words.out.as_deref(), &told).await?;
    let damaged = recovered.iter().filter(|one| one.error.is_some()).count();
    let partial = recovered.iter().any(|one| one.exported.as_ref().is_some_and(|read| !read.complete));
    output.result(&json!({ "connections": recovered, "newest_is_certain": false }), || {
        let mut text = String::new();
        for one in &recovered {
            text += &format!("{}/{}: {}\n", one.tenant, one.connection, outcome(one));
        }
        text += &match (damaged, &words.out) {
            (0, Some(_)) => "All of it was written.".to_owned(),
            (0, None) => "All of it can be read with this recovery key.".to_owned(),
            (damaged, _) => format!("DAMAGED: {damaged} of {} connections, see above.", recovered.len()),
        };
        if partial {
            text += "\nNot whole: what a snapshot did not get when it was taken is not here either.";
        }
        text + "\nWith the stores alone it cannot be told whether a newer snapshot was taken away."
    })?;
    Ok(match (damaged, partial) {
        (0, false) => exit::DONE,
        (0, true) => exit::INCOMPLETE,
        _ => exit::INTEGRITY,
    })
}

fn outcome(one: &Recovered) -> String {
    match (&one.exported, &one.error) {
        (Some(read), _) => {
            let records: u64 = read.records.values().sum();
            let whole = if read.complete { "" } else { "; the snapshot is not whole" };
            format!(
                "snapshot {}, {records} records and {} media files, {}{whole}",
                read.snapshot,
                read.media,
                size(read.bytes)
            )
        }
        (None, why) => format!("damaged: {}", why.as_deref().unwrap_or_default()),
    }
}
