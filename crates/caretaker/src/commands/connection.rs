//! `caretaker connect` and `caretaker connection`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Context as _;
use catalog::Connection;
use connectors::Secret;
use connectors::platforms::bigcommerce;
use connectors::platforms::shopify::Credential;
use connectors::registry;
use domain::{ConnectionId, Platform, Region, Scope};
use flows::FlowError;
use flows::coverage::Coverage;
use serde_json::json;
use zeroize::Zeroizing;

use crate::arguments::{self, ConnectShopify, ConnectionCommand};
use crate::commands::many::each;
use crate::home::Home;
use crate::names::Tag;
use crate::output::{Output, exit};
use crate::works::{ConnectStore, Cover, SecretBytes, Session};

type Tags = BTreeMap<ConnectionId, BTreeSet<String>>;

fn tags_of<'a>(connection: &Connection, tags: &'a Tags) -> impl Iterator<Item = &'a str> {
    tags.get(&connection.scope.connection).into_iter().flatten().map(String::as_str)
}

fn as_json(connection: &Connection, tags: &Tags) -> serde_json::Value {
    json!({
        "name": connection.scope.connection,
        "platform": connection.scope.platform,
        "region": connection.scope.region,
        "url": connection.url,
        "created_at": connection.created_at,
        "tags": tags_of(connection, tags).collect::<Vec<_>>(),
    })
}

fn as_text(connection: &Connection, tags: &Tags) -> String {
    let Connection { scope, url, .. } = connection;
    let tags: String = tags_of(connection, tags).map(|tag| format!("  #{tag}")).collect();
    let line = format!(
        "{:<24} {:<12} {:<8} {url}{tags}",
        scope.connection.as_str(),
        scope.platform.as_str(),
        scope.region.as_str()
    );
    line.trim_end().to_owned()
}

fn words(tags: &[Tag]) -> Vec<String> {
    tags.iter().map(|tag| tag.as_str().to_owned()).collect()
}

pub(crate) async fn connect(
    home: &Home,
    connect: &arguments::Connect,
    output: &Output,
) -> anyhow::Result<u8> {
    match connect {
        arguments::Connect::Shopify(words) => {
            let address = Address { platform: "shopify", name: &words.name, url: &words.url };
            store(home, address, &words.store, shopify_credential(words)?, output).await
        }
        arguments::Connect::Bigcommerce(words) => {
            let address = Address { platform: "bigcommerce", name: &words.name, url: &words.url };
            let credential = bigcommerce::Credential { access_token: secret(&words.token_file)? };
            let credential = Zeroizing::new(credential.to_bytes()?);
            store(home, address, &words.store, credential, output).await
        }
        arguments::Connect::Jsonl { name, tag, region } => {
            jsonl(home, name, (tag, region.as_ref()), output).await
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
    home: &Home,
    Address { platform, name, url }: Address<'_>,
    words: &arguments::ConnectStore,
    credential: Zeroizing<Vec<u8>>,
    output: &Output,
) -> anyhow::Result<u8> {
    let ca_pem = words.ca_file.as_ref().map(|file| {
        std::fs::read_to_string(file).with_context(|| format!("could not read `{}`", file.display()))
    });
    let session = home.session().await?;
    belongs_here(&session, home, words.region.as_ref()).await?;
    let platform = Platform::new(platform)?;
    let connection = new(&session, home, name, platform.clone(), url);
    let (ca_pem, credential) = (ca_pem.transpose()?, SecretBytes(credential));
    let work = ConnectStore { platform, url: url.to_owned(), ca_pem, credential };
    let connected = session.work(&connection, work, output).await?;
    session.catalog.change_tags(&home.tenant, name, &self::words(&words.tag), &[]).await?;
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
    let app = match (&words.client_id, &words.client_secret_file) {
        (Some(client_id), Some(file)) => Some((client_id.clone(), secret(file)?)),
        _ => None,
    };
    let credential = match (app, token, &words.refresh_token_file) {
        (Some((client_id, client_secret)), token, Some(file)) => Credential::Offline {
            client_id,
            client_secret,
            access_token: token.unwrap_or_else(|| Secret::new("")),
            refresh_token: secret(file)?,
            // One whose end nobody knows is renewed before it is used.
            expires_at: words.token_expires_at.unwrap_or(domain::Timestamp::UNIX_EPOCH),
        },
        (Some((client_id, client_secret)), None, None) => {
            Credential::ClientCredentials { client_id, client_secret }
        }
        (None, Some(access_token), None) => Credential::Static { access_token },
        _ => {
            return Err(FlowError::Input(
                "give one way in: --client-id with --client-secret-file; or --token-file; or, for a token that ends, \
                 --client-id, --client-secret-file, --refresh-token-file and --token-file"
                    .to_owned(),
            )
            .into());
        }
    };
    Ok(Zeroizing::new(credential.to_bytes()?))
}

async fn jsonl(
    home: &Home,
    name: &ConnectionId,
    (tags, region): (&[Tag], Option<&Region>),
    output: &Output,
) -> anyhow::Result<u8> {
    let session = home.session().await?;
    belongs_here(&session, home, region).await?;
    let connection = new(&session, home, name, Platform::new(registry::FILES)?, "");
    session.catalog.add_connection(&connection).await?;
    session.catalog.change_tags(&home.tenant, name, &words(tags), &[]).await?;
    let tags = session.catalog.tags(&home.tenant).await?;
    output.result(&as_json(&connection, &tags), || {
        format!("`{name}` takes JSON lines: `caretaker ingest {name} …`")
    })?;
    Ok(exit::DONE)
}

pub(crate) async fn run(home: &Home, command: &ConnectionCommand, output: &Output) -> anyhow::Result<u8> {
    match command {
        ConnectionCommand::List => {
            let session = home.session().await?;
            let connections = session.catalog.connections(&home.tenant).await?;
            let tags = session.catalog.tags(&home.tenant).await?;
            let rows: Vec<_> = connections.iter().map(|one| as_json(one, &tags)).collect();
            output.result(&json!({ "connections": rows }), || {
                if connections.is_empty() {
                    return "Nothing is connected yet: `caretaker connect …`".to_owned();
                }
                connections.iter().map(|connection| as_text(connection, &tags) + "\n").collect()
            })?;
            Ok(exit::DONE)
        }
        ConnectionCommand::Show(names) => {
            let show = async |session: &Session<'_>, connection: Connection| {
                show(session, &connection, output).await?;
                Ok(exit::DONE)
            };
            each(home, names, output, |_| true, show).await
        }
        ConnectionCommand::Tag { name, add, remove } => {
            let session = home.session().await?;
            let connection = session.connection(name).await?;
            session.catalog.change_tags(&home.tenant, name, &words(add), &words(remove)).await?;
            show(&session, &connection, output).await?;
            Ok(exit::DONE)
        }
        ConnectionCommand::Coverage(names) => {
            let stores = |connection: &Connection| connection.scope.platform.as_str() != registry::FILES;
            let cover = async |session: &Session<'_>, connection: Connection| {
                let coverage = session.work(&connection, Cover {}, output).await?;
                output.result(&coverage, || coverage_text(&coverage))?;
                Ok(exit::DONE)
            };
            each(home, names, output, stores, cover).await
        }
    }
}

async fn show(session: &Session<'_>, connection: &Connection, output: &Output) -> anyhow::Result<()> {
    let tags = session.catalog.tags(&connection.scope.tenant).await?;
    output.result(&as_json(connection, &tags), || as_text(connection, &tags))
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
        for loss in &kind.lost {
            let what = if loss.pointer.is_empty() { "the item itself" } else { &loss.pointer };
            text += &format!("    lost: {what} ({})\n", loss.why);
        }
    }
    text + &coverage.approvals.join("\n")
}
