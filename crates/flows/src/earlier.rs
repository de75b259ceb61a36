//! A kind's records as the parent snapshot has them, asked for in the order of their ids.

use connectors::canonical::Rules;
use connectors::contract::KindSpec;
use connectors::tree::Tree;
use domain::{Kind, RecordMeta};
use repository::{ErrorKind, Reader, Record, Scan};

use crate::error::Result;
use crate::fields::shared;

/// Goes forward through one kind of the parent snapshot; without a parent there is nothing to find.
pub(crate) struct Earlier<'a>(Option<Scan<'a>>);

impl<'a> Earlier<'a> {
    pub(crate) async fn of(reader: Option<&'a Reader>, kind: &Kind) -> Result<Self> {
        Ok(Self(match reader {
            Some(reader) => Some(reader.scan(kind, reader.head().name.number, None).await?),
            None => None,
        }))
    }

    /// The record with this id; `None` where there was none, its person was erased, or its bytes are damaged: what is
    /// wrong with an older version must not keep the newest from being saved.
    pub(crate) async fn find(&mut self, id: &str) -> Result<Option<Record>> {
        let Some(scan) = &mut self.0 else { return Ok(None) };
        match scan.find(id).await {
            Err(error) if error.kind() == ErrorKind::Integrity => {
                tracing::warn!(%error, "the version before cannot be read");
                Ok(None)
            }
            found => Ok(found?),
        }
    }
}

/// Whether two versions say the same in all that both selections hold, so that they differ only by what is selected.
pub(crate) fn differs_by_selection(
    kind: &KindSpec,
    (before, before_meta): (&[u8], &RecordMeta),
    (after, after_meta): (&[u8], &RecordMeta),
) -> bool {
    let names =
        |meta: &RecordMeta| meta.media_refs.iter().map(|media| media.name.clone()).collect::<Vec<_>>();
    if before_meta.selection_digest == after_meta.selection_digest || names(before_meta) != names(after_meta)
    {
        return false;
    }
    let (Ok(before), Ok(after)) = (serde_json::from_slice(before), serde_json::from_slice(after)) else {
        return false;
    };
    let rules = Rules::new(kind.volatile, kind.unordered);
    let (before, after) = (shared(&before, &after), shared(&after, &before));
    rules.canonical(&Tree::from(&before)) == rules.canonical(&Tree::from(&after))
}
