//! `caretaker sandbox`: a practice store.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use flows::FlowError;
use sandbox::shopify::{Fault, Plan, Running, Settings, start};
use serde_json::json;
use vault::system::{SystemClock, SystemRng};

use crate::arguments::{SandboxCommand, SandboxShopify};
use crate::output::Output;

/// Where a practice store's files lie.
pub(crate) struct Files {
    pub(crate) token: PathBuf,
    pub(crate) client_secret: PathBuf,
    pub(crate) ca: PathBuf,
}

/// Writes what a client needs, readable by its owner alone.
pub(crate) fn write_files(store: &Running, dir: &Path) -> anyhow::Result<Files> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    std::fs::create_dir_all(dir).with_context(|| format!("could not make `{}`", dir.display()))?;
    let write = |name: &str, text: &str| -> anyhow::Result<PathBuf> {
        let path = dir.join(name);
        let mut file = std::fs::OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(0o600)
            .open(&path)
            .with_context(|| format!("could not write `{}`", path.display()))?;
        file.write_all(text.as_bytes())?;
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

pub(crate) async fn run(command: &SandboxCommand, output: &Output) -> anyhow::Result<ExitCode> {
    let SandboxCommand::Shopify(words) = command;
    shopify(words, output).await
}

async fn shopify(words: &SandboxShopify, output: &Output) -> anyhow::Result<ExitCode> {
    let settings = Settings {
        seed: words.seed,
        products: words.products,
        customers: words.customers,
        orders: words.orders,
        listen: words.listen,
        plan: words.points_per_second.map_or(Plan::Unthrottled, Plan::PointsPerSecond),
        faults: faults(words.fault.as_deref())?,
        ..Settings::default()
    };
    let store = start(settings, Arc::new(SystemClock), Arc::new(SystemRng)).await?;
    let dir = words
        .state
        .clone()
        .unwrap_or_else(|| std::env::temp_dir().join(format!("practice-store-{}", store.addr.port())));
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
    wait_for_the_end().await?;
    store.shutdown().await;
    Ok(ExitCode::SUCCESS)
}

/// Until Ctrl-C or SIGTERM.
pub(crate) async fn wait_for_the_end() -> anyhow::Result<()> {
    let mut terminated = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => Ok(interrupted?),
        _ = terminated.recv() => Ok(()),
    }
}
