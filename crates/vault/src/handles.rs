//! What a vault asks of the outside world.

use std::sync::Arc;

use domain::{AuditSink, Clock, Rng};

/// Time, chance and the audit record, as handles.
#[derive(Debug, Clone)]
pub struct Handles {
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
    /// Where random bytes come from.
    pub rng: Arc<dyn Rng>,
    /// Where every answer is recorded before it is given.
    pub audit: Arc<dyn AuditSink>,
}
