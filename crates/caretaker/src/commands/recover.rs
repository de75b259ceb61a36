//! `caretaker recover`: the stores and the recovery key, nothing else.

use std::process::ExitCode;
use std::sync::Arc;

use domain::{AuditError, AuditEvent, AuditSink};
use flows::store_access::WhichStore;
use repository::Stores;
use serde_json::json;
use vault::system::{SystemClock, SystemRng};
use vault::{Handles, Passphrase, RecoveryKey};

use crate::arguments::Recover;
use crate::commands::ingest::size;
use crate::output::Output;
use crate::stores;

/// There is no cell here whose record could be kept.
#[derive(Debug)]
pub(super) struct NoCell;

impl AuditSink for NoCell {
    fn record(&self, _: &AuditEvent) -> Result<(), AuditError> {
        Ok(())
    }
}

pub(crate) async fn run(words: &Recover, output: &Output) -> anyhow::Result<ExitCode> {
    let stores = Stores {
        objects: stores::given(WhichStore::Objects, &words.store, &words.credentials)?.open()?,
        keys: stores::given(WhichStore::Keys, &words.keys_store, &words.credentials)?.open()?,
    };
    let passphrase = words.recovery_passphrase_file.as_deref().map(Passphrase::read).transpose()?;
    let key = RecoveryKey::read(&words.recovery_key_file, passphrase.as_ref())?;
    let handles = Handles { clock: Arc::new(SystemClock), rng: Arc::new(SystemRng), audit: Arc::new(NoCell) };
    let recovered = flows::recover::recover(&stores, key, &handles, words.out.as_deref()).await?;
    output.result(&json!({ "connections": recovered, "newest_is_certain": false }), || {
        let mut text = String::new();
        for one in &recovered {
            let records: u64 = one.exported.records.values().sum();
            text += &format!(
                "{}/{}: snapshot {}, {records} records and {} media files, {}\n",
                one.scope.tenant,
                one.scope.connection,
                one.head.number,
                one.exported.media,
                size(one.exported.bytes)
            );
        }
        text += match &words.out {
            Some(_) => "All of it was written.",
            None => "All of it can be read with this recovery key.",
        };
        text + "\nWith the stores alone it cannot be told whether a newer snapshot was taken away."
    })?;
    Ok(ExitCode::SUCCESS)
}
