//! `caretaker sandbox`: a practice store.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use flows::FlowError;
use sandbox::shopify::{Fault, Plan, Running, Settings, start};
use serde_json::json;
use tokio::signal::unix::{Signal, SignalKind, signal};
use vault::system::{SystemClock, SystemRng};

use crate::arguments::{SandboxCommand, SandboxShopify};
use crate::files;
use crate::output::{Output, exit};

/// Where a practice store's files lie.
pub(crate) struct Files {
    pub(crate) token: PathBuf,
    pub(crate) client_secret: PathBuf,
    pub(crate) ca: PathBuf,
}

/// Writes what a client needs, readable by its owner alone.
pub(crate) fn write_files(store: &Running, dir: &Path) -> anyhow::Result<Files> {
    let write = |name: &str, text: &str| -> anyhow::Result<PathBuf> {
        let path = dir.join(name);
        files::write_private(&path, text.as_bytes())?;
        Ok(path)
    };
    Ok(Files {
        token: write("token", &store.access_token)?,
        client_secret: write("client-secret", &store.client_secret)?,
        ca: write("ca.pem", &store.ca_pem)?,
    })
}

/// Reads the words of `--fault`.
pub(crate) fn faults(spec: Option<&str>) -> anyhow::Result<Vec<Fault>> {
    match spec {
        None => Ok(Vec::new()),
        Some(spec) => Ok(Fault::parse_list(spec).map_err(|error| FlowError::Input(error.to_string()))?),
    }
}

pub(crate) async fn run(command: &SandboxCommand, output: &Output) -> anyhow::Result<u8> {
    let SandboxCommand::Shopify(words) = command;
    shopify(words, output).await
}

async fn shopify(words: &SandboxShopify, output: &Output) -> anyhow::Result<u8> {
    let settings = Settings {
        seed: words.seed,
        products: words.products,
        customers: words.customers,
        orders: words.orders,
        listen: words.listen,
        plan: words.points_per_second.map_or(Plan::Unthrottled, Plan::PointsPerSecond),
        faults: faults(words.fault.as_deref())?,
        search_lag: Duration::from_secs(words.search_lag),
        job_time: Duration::from_secs(words.job_time),
        ..Settings::default()
    };
    // Before anybody is told that it is open: whoever reads that may end it at once.
    let end = Signals::watch()?;
    let store = start(settings, Arc::new(SystemClock), Arc::new(SystemRng)).await?;
    let dir = match &words.state {
        Some(dir) => {
            files::make_private_folder(dir)?;
            dir.clone()
        }
        None => files::new_temporary_folder("practice-store")?,
    };
    let files = write_files(&store, &dir)?;
    let facts = json!({
        "url": store.url,
        "token_file": files.token,
        "client_id": store.client_id,
        "client_secret_file": files.client_secret,
        "ca_file": files.ca,
    });
    output.result(&facts, || {
        format!(
            "A practice Shopify store is open at {}\n\n  caretaker connect shopify NAME --url {} --client-id {} \\\n      --client-secret-file {} --ca-file {}\n\nCtrl-C closes it; what it holds is then gone.",
            store.url,
            store.url,
            store.client_id,
            files.client_secret.display(),
            files.ca.display()
        )
    })?;
    end.wait().await;
    store.shutdown().await;
    Ok(exit::DONE)
}

/// Ctrl-C and SIGTERM, which from here on end nothing by themselves.
pub(crate) struct Signals {
    interrupted: Signal,
    terminated: Signal,
}

impl Signals {
    pub(crate) fn watch() -> anyhow::Result<Self> {
        Ok(Self {
            interrupted: signal(SignalKind::interrupt())?,
            terminated: signal(SignalKind::terminate())?,
        })
    }

    /// Until one of them comes, or has come.
    pub(crate) async fn wait(mut self) {
        tokio::select! {
            _ = self.interrupted.recv() => {}
            _ = self.terminated.recv() => {}
        }
    }
}
