//! `caretaker connect`: a store is looked at, and only then is its credential kept.

mod table;

use std::path::Path;

use anyhow::Context as _;
use catalog::Connection;
use connectors::Secret;
use connectors::platforms::bigcommerce;
use connectors::platforms::shopify::Credential;
use connectors::registry;
use domain::{ConnectionId, Platform, Region, Scope};
use flows::FlowError;
use serde_json::json;
use zeroize::Zeroizing;

use super::connection;
use super::many::in_turn;
use crate::arguments::{Connect, ConnectShopify, ConnectStore};
use crate::home::Home;
use crate::names::Tag;
use crate::output::{Output, exit};
use crate::works::{self, SecretBytes, Session};

/// Connects one store.
pub(crate) async fn one(home: &Home, connect: &Connect, output: &Output) -> anyhow::Result<u8> {
    let credential = credential(connect)?;
    connect_with(&home.session().await?, home, (connect, credential), output).await
}

/// Connects all that stand in a file. One that fails does not keep the others from their turn.
pub(crate) async fn many(home: &Home, file: &Path, output: &Output) -> anyhow::Result<u8> {
    // What is wrong with the file is said before anything is connected.
    let rows = table::rows(file)?;
    let session = home.session().await?;
    in_turn(output, rows, Connect::name, async |connect| {
        let credential = credential(&connect)?;
        connect_with(&session, home, (&connect, credential), output).await
    })
    .await
}

/// Why nothing is connected where no store was said.
pub(crate) fn neither() -> anyhow::Error {
    let why = "say which store: `caretaker connect shopify NAME …`, or many with `--from FILE.csv`; `--help` shows all";
    FlowError::Input(why.to_owned()).into()
}

/// What it is connected with, as it is sealed; nothing for one that takes its records from files.
fn credential(connect: &Connect) -> anyhow::Result<Zeroizing<Vec<u8>>> {
    match connect {
        Connect::Shopify(words) => shopify_credential(words),
        Connect::Bigcommerce(words) => {
            let client_secret = words.client_secret_file.as_deref().map(secret).transpose()?;
            let credential =
                bigcommerce::Credential { access_token: secret(&words.token_file)?, client_secret };
            Ok(Zeroizing::new(credential.to_bytes()?))
        }
        Connect::Jsonl { .. } => Ok(Zeroizing::default()),
    }
}

async fn connect_with(
    session: &Session<'_>,
    home: &Home,
    (connect, credential): (&Connect, Zeroizing<Vec<u8>>),
    output: &Output,
) -> anyhow::Result<u8> {
    match connect {
        Connect::Shopify(words) => {
            let address = Address { platform: "shopify", name: &words.name, url: &words.url };
            store((session, home), address, &words.store, credential, output).await
        }
        Connect::Bigcommerce(words) => {
            let address = Address { platform: "bigcommerce", name: &words.name, url: &words.url };
            store((session, home), address, &words.store, credential, output).await
        }
        Connect::Jsonl { name, tag, region } => {
            jsonl((session, home), name, (tag, region.as_ref()), output).await
        }
    }
}

/// A connection that may not be there yet.
fn new(session: &Session<'_>, home: &Home, name: &ConnectionId, platform: Platform, url: &str) -> Connection {
    let scope = Scope {
        tenant: home.tenant.clone(),
        region: session.file.region.clone(),
        platform,
        connection: name.clone(),
    };
    let created_at = session.handles.clock.now();
    Connection { scope, url: url.to_owned(), settings: json!({}), created_at }
}

/// Refuses a tenant that nobody added, and a region that is not the cell's.
async fn belongs_here(session: &Session<'_>, home: &Home, region: Option<&Region>) -> anyhow::Result<()> {
    if let Some(region) = region
        && *region != session.file.region
    {
        return Err(FlowError::Input(format!(
            "this cell keeps its data in region `{}`: connect it to a cell of `{region}`",
            session.file.region
        ))
        .into());
    }
    let tenant = &home.tenant;
    if session.catalog.tenants().await?.contains(tenant) {
        return Ok(());
    }
    Err(FlowError::NotFound(format!(
        "there is no tenant `{tenant}`: add it with `caretaker tenant add {tenant}`"
    ))
    .into())
}

/// Which store is to be connected, under which name.
struct Address<'a> {
    platform: &'a str,
    name: &'a ConnectionId,
    url: &'a str,
}

async fn store(
    (session, home): (&Session<'_>, &Home),
    Address { platform, name, url }: Address<'_>,
    words: &ConnectStore,
    credential: Zeroizing<Vec<u8>>,
    output: &Output,
) -> anyhow::Result<u8> {
    let ca_pem = words.ca_file.as_ref().map(|file| {
        std::fs::read_to_string(file).with_context(|| format!("could not read `{}`", file.display()))
    });
    belongs_here(session, home, words.region.as_ref()).await?;
    let platform = Platform::new(platform)?;
    let new = new(session, home, name, platform.clone(), url);
    let (ca_pem, credential) = (ca_pem.transpose()?, SecretBytes(credential));
    let work = works::ConnectStore { platform, url: url.to_owned(), ca_pem, credential };
    let connected = session.work(&new, work, output).await?;
    session.catalog.change_tags(&home.tenant, name, &connection::words(&words.tag), &[]).await?;
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
    Ok(exit::DONE)
}

/// A secret, from its file: it is never an argument.
fn secret(file: &Path) -> anyhow::Result<Secret> {
    let secret = vault::Secret::read(file)?;
    let text = secret.expose_text().unwrap_or_default().trim();
    if text.is_empty() {
        return Err(FlowError::Input(format!("`{}` holds no text", file.display())).into());
    }
    Ok(Secret::new(text))
}

fn shopify_credential(words: &ConnectShopify) -> anyhow::Result<Zeroizing<Vec<u8>>> {
    let token = words.token_file.as_deref().map(secret).transpose()?;
    let client_secret = words.client_secret_file.as_deref().map(secret).transpose()?;
    let app = (words.client_id.clone(), client_secret);
    let credential = match (app, token, &words.refresh_token_file) {
        ((Some(client_id), Some(client_secret)), token, Some(file)) => Credential::Offline {
            client_id,
            client_secret,
            access_token: token.unwrap_or_else(|| Secret::new("")),
            refresh_token: secret(file)?,
            // One whose end nobody knows is renewed before it is used.
            expires_at: words.token_expires_at.unwrap_or(domain::Timestamp::UNIX_EPOCH),
        },
        ((Some(client_id), Some(client_secret)), None, None) => {
            Credential::ClientCredentials { client_id, client_secret }
        }
        ((None, client_secret), Some(access_token), None) => {
            Credential::Static { access_token, client_secret }
        }
        _ => {
            return Err(FlowError::Input(
                "give one way in: --client-id with --client-secret-file; or --token-file, and --client-secret-file if you like; or, for a token that ends, \
                 --client-id, --client-secret-file, --refresh-token-file and --token-file"
                    .to_owned(),
            )
            .into());
        }
    };
    Ok(Zeroizing::new(credential.to_bytes()?))
}

async fn jsonl(
    (session, home): (&Session<'_>, &Home),
    name: &ConnectionId,
    (tags, region): (&[Tag], Option<&Region>),
    output: &Output,
) -> anyhow::Result<u8> {
    belongs_here(session, home, region).await?;
    let new = new(session, home, name, Platform::new(registry::FILES)?, "");
    session.catalog.add_connection(&new).await?;
    session.catalog.change_tags(&home.tenant, name, &connection::words(tags), &[]).await?;
    let tags = session.catalog.tags(&home.tenant).await?;
    output.result(&connection::as_json(&new, &tags), || {
        format!("`{name}` takes JSON lines: `caretaker ingest {name} …`")
    })?;
    Ok(exit::DONE)
}
