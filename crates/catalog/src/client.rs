//! The catalog as everybody else knows it: in this process, or in another that a channel leads to.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::{ConnectionId, Id128, TenantId};
use transport::{CallError, Channel};

use crate::calls::{PAGE_LEN_MAX, Question};
use crate::connection::Connection;
use crate::database::Catalog;
use crate::error::{CatalogError, CatalogErrorKind};
use crate::head::Head;
use crate::lease::Lease;
use crate::ledger::LedgerEntry;
use crate::restore::StepState;
use crate::schedule::Schedule;

/// So often a question is asked again that was not answered.
const ASKED_AGAIN_MAX: u32 = 5;

#[derive(Clone)]
enum Way {
    /// In this process.
    Here(Catalog),
    /// In another.
    There(Arc<Channel>),
}

/// A way to a catalog. Over a channel, an error comes as [`CatalogError::Told`], with the kind that it had.
#[derive(Clone)]
pub struct Client(Way);

impl From<Catalog> for Client {
    fn from(catalog: Catalog) -> Self {
        Self(Way::Here(catalog))
    }
}

impl Client {
    /// The way to the catalog at the other end of a channel.
    #[must_use]
    pub fn over(channel: Arc<Channel>) -> Self {
        Self(Way::There(channel))
    }

    pub(crate) async fn ask<Q: Question>(&self, question: Q) -> Result<Q::Answer, CatalogError> {
        let channel = match &self.0 {
            Way::Here(catalog) => return question.answer(catalog).await,
            Way::There(channel) => channel,
        };
        let mut tried = 0;
        loop {
            match channel.call(&question).await {
                Ok(answered) => return answered.map_err(CatalogError::Told),
                // It may have died with the question under way, and have been started again.
                Err(CallError::Unreachable { .. }) if Q::AGAIN && tried < ASKED_AGAIN_MAX => tried += 1,
                Err(error) => return Err(CatalogError::Unanswered(error)),
            }
        }
    }

    /// A tenant's connections, by name.
    ///
    /// # Errors
    /// When the catalog is damaged or not available.
    pub async fn connections(&self, tenant: &TenantId) -> Result<Vec<Connection>, CatalogError> {
        let mut all: Vec<Connection> = Vec::new();
        loop {
            let after = all.last().map(|last| last.scope.connection.clone());
            let page = self.connections_after(tenant, after).await?;
            let is_last = is_last(page.len());
            all.extend(page);
            if is_last {
                return Ok(all);
            }
        }
    }

    /// The schedules of a tenant's connections, by connection and task.
    ///
    /// # Errors
    /// When the catalog is damaged or not available.
    pub async fn schedules_of_tenant(&self, tenant: &TenantId) -> Result<Vec<Schedule>, CatalogError> {
        let mut all: Vec<Schedule> = Vec::new();
        loop {
            let after = all.last().map(|last| (last.connection.clone(), last.task));
            let page = self.schedules_after(tenant, after).await?;
            let is_last = is_last(page.len());
            all.extend(page);
            if is_last {
                return Ok(all);
            }
        }
    }

    /// Puts a new head in the place of the expected one. Of several that expect the same, exactly one succeeds.
    ///
    /// # Errors
    /// [`CatalogError::HeadMoved`] when the head is another than expected, [`CatalogError::HeadGoesBack`] when the
    /// new one does not come after it, by number and then generation, and [`CatalogError::NotFound`] when the
    /// tenant has no such connection.
    pub async fn advance_head(
        &self,
        tenant: &TenantId,
        connection: &ConnectionId,
        expected: Option<&Head>,
        new: &Head,
    ) -> Result<(), CatalogError> {
        self.swap_head_once((tenant, connection), None, expected, new).await
    }

    /// As [`Client::advance_head`], in one step with the question whether the lease is still the newest.
    ///
    /// # Errors
    /// As [`Client::advance_head`]; [`CatalogError::HeadMoved`] also where another lease has been given since.
    pub async fn advance_head_under(
        &self,
        lease: &Lease,
        expected: Option<&Head>,
        new: &Head,
    ) -> Result<(), CatalogError> {
        self.swap_head_once((&lease.tenant, &lease.connection), Some(lease), expected, new).await
    }

    /// Where the answer is lost, the head itself tells whether it was heard: nobody else has a commit of that name.
    async fn swap_head_once(
        &self,
        (tenant, connection): (&TenantId, &ConnectionId),
        lease: Option<&Lease>,
        expected: Option<&Head>,
        new: &Head,
    ) -> Result<(), CatalogError> {
        let mut tried = 0;
        loop {
            let swapped =
                self.swap_head(tenant, connection, lease.cloned(), expected.cloned(), new.clone()).await;
            match swapped {
                Err(error) if is_unheard(&error) && tried < ASKED_AGAIN_MAX => {
                    tried += 1;
                    if self.head(tenant, connection).await?.as_ref() == Some(new) {
                        return Ok(());
                    }
                }
                swapped => return swapped,
            }
        }
    }

    /// What is known of a restore's steps, by their keys.
    ///
    /// # Errors
    /// When the catalog is damaged or not available.
    pub async fn steps(
        &self,
        tenant: &TenantId,
        id: Id128,
    ) -> Result<BTreeMap<String, StepState>, CatalogError> {
        let mut all = BTreeMap::new();
        loop {
            let after = all.last_key_value().map(|(step, _): (&String, _)| step.clone());
            let page = self.steps_after(tenant, id, after).await?;
            let is_last = is_last(page.len());
            all.extend(page);
            if is_last {
                return Ok(all);
            }
        }
    }

    /// Writes entries to a connection's ledger. For one that is read back from the object store: what was written before
    /// an error stays.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`] when the tenant has no such connection.
    pub async fn record_ids(&self, tenant: &TenantId, entries: &[LedgerEntry]) -> Result<(), CatalogError> {
        for page in entries.chunks(PAGE_LEN_MAX as usize) {
            self.record_page(tenant, page).await?;
        }
        Ok(())
    }

    /// A connection's whole ledger, in the order in which it was written, for sealing into the object store.
    ///
    /// # Errors
    /// When the catalog is damaged or not available.
    pub async fn ledger(
        &self,
        tenant: &TenantId,
        connection: &ConnectionId,
    ) -> Result<Vec<LedgerEntry>, CatalogError> {
        let mut all = Vec::new();
        let mut after = 0;
        loop {
            let page = self.ledger_after(tenant, connection, after).await?;
            let is_last = is_last(page.len());
            after = page.last().map_or(after, |(entry, _)| *entry);
            all.extend(page.into_iter().map(|(_, entry)| entry));
            if is_last {
                return Ok(all);
            }
        }
    }
}

/// Whether what was asked may have been done without a word of it: whoever has the catalog is gone, or whoever it has it of.
fn is_unheard(error: &CatalogError) -> bool {
    matches!(error, CatalogError::Unanswered(CallError::Unreachable { .. }))
        || error.kind() == CatalogErrorKind::Away
}

/// Whether a page of that length is the last.
fn is_last(len: usize) -> bool {
    len < PAGE_LEN_MAX as usize
}
