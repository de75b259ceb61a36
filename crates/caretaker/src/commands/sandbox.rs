//! `caretaker sandbox`: a practice store.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use flows::FlowError;
use sandbox::{bigcommerce, shopify};
use serde_json::{Value, json};
use tokio::signal::unix::{Signal, SignalKind, signal};
use vault::system::{SystemClock, SystemRng};

use crate::arguments::{SandboxBigcommerce, SandboxCommand, SandboxShopify};
use crate::files;
use crate::output::{Output, exit};

/// How long a window of the practice BigCommerce's quota is, as the real one's.
const WINDOW: Duration = Duration::from_secs(30);

/// Where a practice store's files lie.
pub(crate) struct Files {
    pub(crate) token: PathBuf,
    pub(crate) client_secret: PathBuf,
    pub(crate) ca: PathBuf,
}

/// What a client of a practice store needs.
pub(crate) struct Access<'a> {
    pub(crate) token: &'a str,
    pub(crate) client_secret: &'a str,
    pub(crate) ca_pem: &'a str,
}

/// Writes what a client needs, readable by its owner alone.
pub(crate) fn write_files(access: &Access<'_>, dir: &Path) -> anyhow::Result<Files> {
    let write = |name: &str, text: &str| -> anyhow::Result<PathBuf> {
        let path = dir.join(name);
        files::write_private(&path, text.as_bytes())?;
        Ok(path)
    };
    Ok(Files {
        token: write("token", access.token)?,
        client_secret: write("client-secret", access.client_secret)?,
        ca: write("ca.pem", access.ca_pem)?,
    })
}

/// Reads the words of `--fault`.
pub(crate) fn faults(spec: Option<&str>) -> anyhow::Result<Vec<shopify::Fault>> {
    let read = |spec| shopify::Fault::parse_list(spec).map_err(|error| FlowError::Input(error.to_string()));
    Ok(spec.map(read).transpose()?.unwrap_or_default())
}

pub(crate) async fn run(command: &SandboxCommand, output: &Output) -> anyhow::Result<u8> {
    // Before anybody is told that it is open: whoever reads that may end it at once.
    let end = Signals::watch()?;
    match command {
        SandboxCommand::Shopify(words) => a_shopify(words, end, output).await,
        SandboxCommand::Bigcommerce(words) => a_bigcommerce(words, end, output).await,
    }
}

async fn a_shopify(words: &SandboxShopify, end: Signals, output: &Output) -> anyhow::Result<u8> {
    let settings = shopify::Settings {
        seed: words.store.seed,
        products: words.store.products,
        customers: words.store.customers,
        orders: words.store.orders,
        listen: words.store.listen,
        plan: words.points_per_second.map_or(shopify::Plan::Unthrottled, shopify::Plan::PointsPerSecond),
        faults: faults(words.store.fault.as_deref())?,
        search_lag: Duration::from_secs(words.search_lag),
        job_time: Duration::from_secs(words.job_time),
        ..shopify::Settings::default()
    };
    let store = shopify::start(settings, Arc::new(SystemClock), Arc::new(SystemRng)).await?;
    let shopify::Running { url, client_id, access_token, client_secret, ca_pem, .. } = &store;
    let access = Access { token: access_token, client_secret, ca_pem };
    let (facts, files) = told(url, client_id, &access, words.store.state.as_deref())?;
    let way_in =
        format!("--client-id {client_id} \\\n      --client-secret-file {}", files.client_secret.display());
    output.result(&facts, || open(("Shopify", "shopify"), url, &way_in, &files))?;
    end.wait().await;
    store.shutdown().await;
    Ok(exit::DONE)
}

async fn a_bigcommerce(words: &SandboxBigcommerce, end: Signals, output: &Output) -> anyhow::Result<u8> {
    let plan = words
        .requests_per_window
        .map_or(bigcommerce::Plan::Unthrottled, |quota| bigcommerce::Plan::Window { quota, window: WINDOW });
    let faults = words.store.fault.as_deref().map(bigcommerce::Fault::parse_list).transpose();
    let settings = bigcommerce::Settings {
        seed: words.store.seed,
        products: words.store.products,
        customers: words.store.customers,
        orders: words.store.orders,
        listen: words.store.listen,
        plan,
        faults: faults.map_err(|error| FlowError::Input(error.to_string()))?.unwrap_or_default(),
        ..bigcommerce::Settings::default()
    };
    let store = bigcommerce::start(settings, Arc::new(SystemClock), Arc::new(SystemRng)).await?;
    let bigcommerce::Running { url, client_id, access_token, client_secret, ca_pem, .. } = &store;
    let access = Access { token: access_token, client_secret, ca_pem };
    let (facts, files) = told(url, client_id, &access, words.store.state.as_deref())?;
    let way_in = format!("--token-file {}", files.token.display());
    output.result(&facts, || open(("BigCommerce", "bigcommerce"), url, &way_in, &files))?;
    end.wait().await;
    store.shutdown().await;
    Ok(exit::DONE)
}

/// What is told of a practice store, and where its files are.
fn told(
    url: &str,
    client_id: &str,
    access: &Access<'_>,
    state: Option<&Path>,
) -> anyhow::Result<(Value, Files)> {
    let dir = match state {
        Some(dir) => {
            files::make_private_folder(dir)?;
            dir.to_owned()
        }
        None => files::new_temporary_folder("practice-store")?,
    };
    let files = write_files(access, &dir)?;
    let facts = json!({
        "url": url,
        "token_file": files.token,
        "client_id": client_id,
        "client_secret_file": files.client_secret,
        "ca_file": files.ca,
    });
    Ok((facts, files))
}

fn open((title, platform): (&str, &str), url: &str, way_in: &str, files: &Files) -> String {
    format!(
        "A practice {title} store is open at {url}\n\n  caretaker connect {platform} NAME --url {url} {way_in} --ca-file {}\n\nCtrl-C closes it; what it holds is then gone.",
        files.ca.display()
    )
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
