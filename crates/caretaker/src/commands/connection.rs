//! `caretaker connect` and `caretaker connection`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use catalog::Connection;
use connectors::platforms::shopify::{Credential, Secret};
use domain::{ConnectionId, Platform, Scope};
use flows::FlowError;
use flows::connect::{Connect, ConnectionSettings};
use flows::coverage::Coverage;
use serde_json::json;
use zeroize::Zeroizing;

use crate::arguments::{self, Common, ConnectShopify, ConnectionCommand};
use crate::home;
use crate::output::Output;

fn as_json(connection: &Connection) -> serde_json::Value {
    json!({
        "name": connection.scope.connection,
        "platform": connection.scope.platform,
        "region": connection.scope.region,
        "url": connection.url,
        "created_at": connection.created_at,
    })
}

fn as_text(connection: &Connection) -> String {
    let Connection { scope, url, .. } = connection;
    format!(
        "{:<24} {:<12} {:<8} {url}",
        scope.connection.as_str(),
        scope.platform.as_str(),
        scope.region.as_str()
    )
}

pub(crate) async fn connect(
    common: &Common,
    connect: &arguments::Connect,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    match connect {
        arguments::Connect::Shopify(words) => shopify(common, words, output).await,
        arguments::Connect::Jsonl { name } => jsonl(common, name, output).await,
    }
}

async fn shopify(common: &Common, words: &ConnectShopify, output: &Output) -> anyhow::Result<ExitCode> {
    let credential = credential(words)?;
    let ca_pem = words.ca_file.as_ref().map(|file| {
        std::fs::read_to_string(file).with_context(|| format!("could not read `{}`", file.display()))
    });
    let cell = home::open(common).await?;
    let connect = Connect {
        tenant: common.tenant.clone(),
        name: words.name.clone(),
        platform: Platform::new("shopify")?,
        url: words.url.clone(),
        settings: ConnectionSettings { ca_pem: ca_pem.transpose()? },
        credential,
    };
    let connected = flows::connect::connect(&cell, connect).await?;
    output.result(&connected, || {
        let probe = &connected.probe;
        let mut text = format!(
            "`{}` is {} ({}), API version {}.\n",
            connected.name, probe.store_name, probe.store_domain, probe.api_version
        );
        for missing in &probe.missing {
            text += &format!("The scope `{}` is not granted", missing.scope);
            if !missing.blocks_reading.is_empty() {
                text +=
                    &format!("; without it these are not backed up: {}", missing.blocks_reading.join(", "));
            }
            if !missing.blocks_restoring.is_empty() {
                text +=
                    &format!("; without it these are not restored: {}", missing.blocks_restoring.join(", "));
            }
            text += ".\n";
        }
        for approval in &probe.approvals {
            text += &format!("{approval}\n");
        }
        text + &format!("Back it up: `caretaker backup {}`", connected.name)
    })?;
    Ok(ExitCode::SUCCESS)
}

/// The credential, from its file: a secret is never an argument.
fn credential(words: &ConnectShopify) -> anyhow::Result<Zeroizing<Vec<u8>>> {
    let read = |file: &PathBuf| -> anyhow::Result<Secret> {
        let secret = vault::Secret::read(file)?;
        let text = secret.expose_text().unwrap_or_default().trim();
        if text.is_empty() {
            return Err(FlowError::Input(format!("`{}` holds no text", file.display())).into());
        }
        Ok(Secret::new(text))
    };
    let credential = match (&words.client_id, &words.client_secret_file, &words.token_file) {
        (Some(client_id), Some(file), _) => {
            Credential::ClientCredentials { client_id: client_id.clone(), client_secret: read(file)? }
        }
        (_, _, Some(file)) => Credential::Static { access_token: read(file)? },
        _ => {
            return Err(FlowError::Input(
                "give --client-id with --client-secret-file, or --token-file".to_owned(),
            )
            .into());
        }
    };
    Ok(Zeroizing::new(credential.to_bytes()?))
}

async fn jsonl(common: &Common, name: &ConnectionId, output: &Output) -> anyhow::Result<ExitCode> {
    let cell = home::open(common).await?;
    let scope = Scope {
        tenant: common.tenant.clone(),
        region: cell.region.clone(),
        platform: Platform::new("jsonl")?,
        connection: name.clone(),
    };
    let connection = Connection {
        scope,
        url: String::new(),
        settings: json!({}),
        created_at: cell.clock.now(),
        swept: None,
    };
    cell.catalog.add_connection(&connection).await?;
    output.result(&as_json(&connection), || {
        format!("`{name}` takes JSON lines: `caretaker ingest {name} …`")
    })?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) async fn run(
    common: &Common,
    command: &ConnectionCommand,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let cell = home::open(common).await?;
    match command {
        ConnectionCommand::List => {
            let connections = cell.catalog.connections(&common.tenant).await?;
            let rows: Vec<_> = connections.iter().map(as_json).collect();
            output.result(&json!({ "connections": rows }), || {
                if connections.is_empty() {
                    return "Nothing is connected yet: `caretaker connect …`".to_owned();
                }
                connections.iter().map(|connection| as_text(connection) + "\n").collect()
            })?;
        }
        ConnectionCommand::Show { name } => {
            let connection = cell.connection(&common.tenant, name).await?;
            output.result(&as_json(&connection), || as_text(&connection))?;
        }
        ConnectionCommand::Coverage { name } => {
            let connection = cell.connection(&common.tenant, name).await?;
            let coverage = flows::coverage::coverage(&cell, &connection).await?;
            output.result(&coverage, || coverage_text(&coverage))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn coverage_text(coverage: &Coverage) -> String {
    let mut text = match coverage.snapshot {
        Some(number) => format!("Snapshot {number}\n"),
        None => "Nothing was backed up yet.\n".to_owned(),
    };
    for kind in &coverage.kinds {
        let backed_up = if kind.backed_up { "backed up" } else { "not whole" };
        let restorable = if kind.restorable { "restorable" } else { "for reading only" };
        text += &format!("{:<22} {:>8}  {backed_up:<10} {restorable}\n", kind.kind, kind.records);
        if !kind.note.is_empty() {
            text += &format!("    {}\n", kind.note);
        }
        for gap in &kind.gaps {
            text += &format!("    not there: {} ({})\n", gap.what, gap.detail);
        }
        for scope in &kind.missing_to_read {
            text += &format!("    cannot be read without the scope `{scope}`\n");
        }
        for scope in &kind.missing_to_restore {
            text += &format!("    cannot be restored without the scope `{scope}`\n");
        }
        for loss in kind.lost {
            let what = if loss.pointer.is_empty() { "the item itself" } else { loss.pointer };
            text += &format!("    lost: {what} ({})\n", loss.why);
        }
    }
    text + &coverage.approvals.join("\n")
}
