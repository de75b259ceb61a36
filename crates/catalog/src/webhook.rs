//! Where platforms tell of what changes, and what they told.

use std::collections::BTreeSet;

use domain::{ConnectionId, Platform, TenantId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::column::{count, json, parsed, stored, to_json};
use crate::connection::adding;
use crate::database::Catalog;
use crate::error::{CatalogError, failed};
use crate::schedule::{milliseconds, time_since};
use crate::session::{Row, Session, Whose};

/// So much that nobody has followed yet is kept of one connection. Where more is told, all of it is due.
const HINTS_MAX: u32 = 1_000;
/// What was told is known so long, that it is not followed again when it is told again. Platforms try for two days.
const KNOWN_MS: i64 = 3 * 24 * 60 * 60 * 1_000;

/// Where a connection's platform tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Webhook {
    /// Whose connection.
    pub tenant: TenantId,
    /// Which one.
    pub connection: ConnectionId,
    /// Of which make.
    pub platform: Platform,
    /// The last step of the address, which nobody else knows.
    pub address: String,
    /// The whole address.
    pub url: String,
    /// When the platform was asked last what it tells.
    pub asked_at: Option<Timestamp>,
    /// What it does not tell although it was asked to: topic and reason.
    pub failed: Vec<(String, String)>,
    /// When it told something last.
    pub heard_at: Option<Timestamp>,
}

/// What a platform told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hint {
    /// The event's name, the same however often it is told.
    pub event: String,
    /// What happened, in the platform's words.
    pub topic: String,
    /// The kinds of which something may have changed.
    pub kinds: Vec<String>,
    /// The ids of what it is about.
    pub items: Vec<String>,
    /// When it happened, by the platform's clock.
    pub told_at: Option<Timestamp>,
    /// When it came.
    pub received_at: Timestamp,
    /// It is followed then,
    pub due_at: Timestamp,
    /// and so many milliseconds after whatever was begun last, at the earliest.
    pub apart_ms: u64,
}

macro_rules! columns {
    () => {
        "tenant, connection, platform, address, url, asked_at_ms, failed, heard_at_ms"
    };
}

const PUT_SQL: &str = concat!(
    "INSERT INTO webhook (",
    columns!(),
    ") VALUES ($1, $2, $3, $4, $5, $6, $7, 0) ON CONFLICT (tenant, connection) DO UPDATE SET \
     address = excluded.address, url = excluded.url, asked_at_ms = excluded.asked_at_ms, failed = excluded.failed"
);
const HEARD_SQL: &str = "UPDATE webhook SET heard_at_ms = CASE WHEN heard_at_ms < $3 THEN $3 ELSE heard_at_ms END \
     WHERE tenant = $1 AND connection = $2";
const HINT_SQL: &str = "INSERT INTO hint (tenant, connection, event, topic, kinds, items, told_at_ms, received_at_ms, done_at_ms) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (tenant, connection, event) DO NOTHING";
const DUE_SQL: &str = "UPDATE schedule SET due_at_ms = CASE \
     WHEN due_at_ms <= $3 THEN due_at_ms \
     WHEN started_at_ms + $4 <= $3 THEN $3 \
     WHEN started_at_ms + $4 < due_at_ms THEN started_at_ms + $4 ELSE due_at_ms END \
     WHERE tenant = $1 AND connection = $2 AND task = 'backup'";
const WHOLE_SQL: &str = "UPDATE schedule SET due_at_ms = $3, whole_at_ms = $3 \
     WHERE tenant = $1 AND connection = $2 AND task = 'backup' AND whole_at_ms > $3";
const LEFT_SQL: &str = "SELECT count(*) AS hints FROM \
     (SELECT 1 FROM hint WHERE tenant = $1 AND connection = $2 AND done_at_ms = 0 LIMIT $3) AS waiting";
const READ: &str = "read where platforms tell";

fn from_row(row: &Row) -> Result<Webhook, CatalogError> {
    Ok(Webhook {
        tenant: parsed(row, "tenant")?,
        connection: parsed(row, "connection")?,
        platform: parsed(row, "platform")?,
        address: parsed(row, "address")?,
        url: parsed(row, "url")?,
        asked_at: time_since(row, "asked_at_ms")?,
        failed: json(row, "failed")?,
        heard_at: time_since(row, "heard_at_ms")?,
    })
}

/// How much was told that nobody has followed yet, as far as it is counted.
async fn left(
    session: &mut Session,
    (tenant, connection): (&TenantId, &ConnectionId),
    most: u32,
) -> Result<u64, CatalogError> {
    let query = session.query(LEFT_SQL).bind(tenant.as_str()).bind(connection.as_str()).bind(i64::from(most));
    let row = query.fetch_one().await.map_err(failed("count what was told"))?;
    count(&row, "hints")
}

/// The kinds of which something was told that nobody has followed yet.
pub(crate) async fn kinds_told(
    session: &mut Session,
    tenant: &TenantId,
    connection: &ConnectionId,
) -> Result<BTreeSet<String>, CatalogError> {
    let query = session
        .query("SELECT DISTINCT kinds FROM hint WHERE tenant = $1 AND connection = $2 AND done_at_ms = 0")
        .bind(tenant.as_str())
        .bind(connection.as_str());
    let rows = query.fetch_all().await.map_err(failed("read what was told"))?;
    let lists: Vec<Vec<String>> = rows.iter().map(|row| json(row, "kinds")).collect::<Result<_, _>>()?;
    Ok(lists.into_iter().flatten().collect())
}

/// Notes that what was told until then is followed. Answers whether something is left.
pub(crate) async fn follow(
    session: &mut Session,
    (tenant, connection): (&TenantId, &ConnectionId),
    until: Option<Timestamp>,
    at: Timestamp,
) -> Result<bool, CatalogError> {
    const FOLLOW: &str = "note what was followed";
    if let Some(until) = until {
        session
            .query(
                "UPDATE hint SET done_at_ms = $3 \
                 WHERE tenant = $1 AND connection = $2 AND done_at_ms = 0 AND received_at_ms <= $4",
            )
            .bind(tenant.as_str())
            .bind(connection.as_str())
            .bind(milliseconds(at))
            .bind(milliseconds(until))
            .execute()
            .await
            .map_err(failed(FOLLOW))?;
        session
            .query(
                "DELETE FROM hint WHERE tenant = $1 AND connection = $2 AND done_at_ms > 0 AND received_at_ms < $3",
            )
            .bind(tenant.as_str())
            .bind(connection.as_str())
            .bind(milliseconds(at).saturating_sub(KNOWN_MS))
            .execute()
            .await
            .map_err(failed(FOLLOW))?;
    }
    Ok(left(session, (tenant, connection), 1).await? > 0)
}

impl Catalog {
    pub(crate) async fn put_webhook(&self, webhook: &Webhook) -> Result<(), CatalogError> {
        const PUT: &str = "keep where a platform tells";
        let Webhook { tenant, connection, .. } = webhook;
        let mut session = self.writing(Whose::Tenant(tenant), PUT).await?;
        session
            .query(PUT_SQL)
            .bind(tenant.as_str())
            .bind(connection.as_str())
            .bind(webhook.platform.as_str())
            .bind(webhook.address.as_str())
            .bind(webhook.url.as_str())
            .bind(webhook.asked_at.map_or(0, milliseconds))
            .bind(to_json(&webhook.failed, "what is not told")?)
            .execute()
            .await
            .map_err(adding(PUT, "connection", connection))?;
        session.commit(PUT).await
    }

    pub(crate) async fn remove_webhook(
        &self,
        tenant: &TenantId,
        connection: &ConnectionId,
    ) -> Result<bool, CatalogError> {
        const REMOVE: &str = "forget where a platform tells";
        let mut session = self.writing(Whose::Tenant(tenant), REMOVE).await?;
        let removed = session
            .query("DELETE FROM webhook WHERE tenant = $1 AND connection = $2")
            .bind(tenant.as_str())
            .bind(connection.as_str())
            .execute()
            .await
            .map_err(failed(REMOVE))?;
        session.commit(REMOVE).await?;
        Ok(removed > 0)
    }

    pub(crate) async fn webhook(
        &self,
        tenant: &TenantId,
        connection: &ConnectionId,
    ) -> Result<Option<Webhook>, CatalogError> {
        const SQL: &str =
            concat!("SELECT ", columns!(), " FROM webhook WHERE tenant = $1 AND connection = $2");
        let mut session = self.reading(Whose::Tenant(tenant), READ).await?;
        let query = session.query(SQL).bind(tenant.as_str()).bind(connection.as_str());
        query.fetch_optional().await.map_err(failed(READ))?.as_ref().map(from_row).transpose()
    }

    /// Whose platform tells at an address. For the public endpoint alone, before anything is known of who asks.
    ///
    /// # Errors
    /// When the catalog is damaged or not available.
    pub async fn told_at(
        &self,
        platform: &Platform,
        address: &str,
    ) -> Result<Option<(TenantId, ConnectionId)>, CatalogError> {
        const SQL: &str = "SELECT tenant, connection FROM webhook WHERE platform = $1 AND address = $2";
        let mut session = self.reading(Whose::Cell, READ).await?;
        let query = session.query(SQL).bind(platform.as_str()).bind(address);
        let found = query.fetch_optional().await.map_err(failed(READ))?;
        found.as_ref().map(|row| Ok((parsed(row, "tenant")?, parsed(row, "connection")?))).transpose()
    }

    pub(crate) async fn hint(
        &self,
        tenant: &TenantId,
        connection: &ConnectionId,
        hint: &Hint,
    ) -> Result<bool, CatalogError> {
        const HINT: &str = "keep what was told";
        let named = (tenant, connection);
        let mut session = self.writing(Whose::Tenant(tenant), HINT).await?;
        let received = milliseconds(hint.received_at);
        let query = session.query(HEARD_SQL).bind(tenant.as_str()).bind(connection.as_str()).bind(received);
        if query.execute().await.map_err(failed(HINT))? == 0 {
            return Err(CatalogError::not_found("connection", connection));
        }
        let is_new = if left(&mut session, named, HINTS_MAX).await? >= u64::from(HINTS_MAX) {
            let query =
                session.query(WHOLE_SQL).bind(tenant.as_str()).bind(connection.as_str()).bind(received);
            query.execute().await.map_err(failed(HINT))?;
            true
        } else {
            let inserted = session
                .query(HINT_SQL)
                .bind(tenant.as_str())
                .bind(connection.as_str())
                .bind(hint.event.as_str())
                .bind(hint.topic.as_str())
                .bind(to_json(&hint.kinds, "what was told")?)
                .bind(to_json(&hint.items, "what was told")?)
                .bind(hint.told_at.map_or(0, milliseconds))
                .bind(received)
                // What concerns nothing that is backed up needs no reading.
                .bind(if hint.kinds.is_empty() { received } else { 0 })
                .execute()
                .await
                .map_err(failed(HINT))?;
            inserted > 0
        };
        if is_new && !hint.kinds.is_empty() {
            session
                .query(DUE_SQL)
                .bind(tenant.as_str())
                .bind(connection.as_str())
                .bind(milliseconds(hint.due_at))
                .bind(stored(hint.apart_ms, "a time between two readings")?)
                .execute()
                .await
                .map_err(failed(HINT))?;
        }
        session.commit(HINT).await?;
        Ok(is_new)
    }
}
