//! What was done, by whom, with what result: told to a sink before the answer is given.

use std::fmt;

use serde::Serialize;

use crate::grant::{GrantId, Principal};

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was done.
    Done,
    /// It was refused.
    Refused,
    /// It failed.
    Failed,
}

/// One thing that happened. Holds names and ids, never content, never a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuditEvent {
    /// Who did it.
    pub principal: Principal,
    /// What was done, for example `data_key.open`.
    pub operation: &'static str,
    /// To what, as a path: `default/shop`.
    pub object: String,
    /// On which grant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grant: Option<GrantId>,
    /// How it ended.
    pub outcome: Outcome,
    /// Why, where it was refused or failed.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

/// The record of an event could not be written; what it records must then not happen.
#[derive(Debug, thiserror::Error)]
#[error("the audit record could not be written: {0}")]
pub struct AuditError(pub String);

/// Where events go.
pub trait AuditSink: Send + Sync + fmt::Debug {
    /// Keeps the event durably before it returns.
    ///
    /// # Errors
    /// When it could not; the caller must then refuse what it was about to do.
    fn record(&self, event: &AuditEvent) -> Result<(), AuditError>;
}
