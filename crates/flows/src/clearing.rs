//! What is cleared away once a run has ended, well or not. None of it changes what the run came to: where it fails, that
//! is logged, and the next run or a collection clears it away.

use repository::{Run, Writer};

use crate::cell::{Cell, HeldLease};

/// Deletes what a snapshot that is given up had written.
pub(crate) async fn abandon(writer: Writer) {
    if let Err(error) = writer.abandon().await {
        tracing::warn!(%error, "what an abandoned snapshot had written remains");
    }
}

/// Deletes the progress of a run that is over.
pub(crate) async fn delete(run: Run) {
    if let Err(error) = run.delete().await {
        tracing::warn!(%error, "the progress of a finished run remains");
    }
}

/// Gives a connection back.
pub(crate) async fn release(cell: &Cell, lease: HeldLease) {
    if let Err(error) = cell.release(lease).await {
        tracing::warn!(%error, "the lease was not given back: it ends by itself");
    }
}

/// Gives connections back.
pub(crate) async fn release_all(cell: &Cell, leases: Vec<HeldLease>) {
    for lease in leases {
        release(cell, lease).await;
    }
}
