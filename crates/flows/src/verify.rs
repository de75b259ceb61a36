//! Opening everything that is stored of a connection, and comparing it with what is remembered of its history.

use domain::{Action, Scope};
use repository::{CommitName, DamagedObject, Depth, OnProgress, RepositoryError, VerifyReport};

use crate::cell::Cell;
use crate::error::Result;
use crate::read::never_backed_up;

/// Verifies the connection. `expected` is a head that somebody has written down.
///
/// # Errors
/// Not found where nothing was backed up; when a store cannot be read. Damage is no error: the report has it.
pub async fn verify(
    cell: &Cell,
    scope: &Scope,
    (depth, expected): (Depth, Option<&CommitName>),
    told: OnProgress<'_>,
) -> Result<VerifyReport> {
    let grant = cell.grant(scope, &[Action::Verify], "verify").await?;
    let remembered = cell.known_head(scope).await?;
    // Both count: whoever wrote an older head down does not know of the snapshots since, and the catalog may have been
    // put back together with the store.
    let newest = expected.max(remembered.as_ref());
    let repository = cell.repository(scope);
    let report = repository.verify(&grant, depth, newest, told).await;
    let mut report = report.map_err(|error| never_backed_up(&scope.connection, error))?;
    for other in expected.into_iter().chain(remembered.as_ref()).filter(|head| Some(*head) != newest) {
        let Err(error) = repository.reader(&grant, Action::Verify, Some(other)).await else { continue };
        match error {
            RepositoryError::Damaged { object, detail } => {
                report.ok = false;
                let found = DamagedObject { object, detail };
                if !report.damaged_objects.contains(&found) {
                    report.damaged_objects.push(found);
                }
            }
            // What else is wrong with the newest commit is in the report.
            _ if !report.ok => {}
            error => return Err(error.into()),
        }
    }
    Ok(report)
}
