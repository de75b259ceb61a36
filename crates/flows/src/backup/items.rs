//! From the lines of a run to its items: joined ahead of what is kept, and with their media.

use std::sync::Arc;

use connectors::contract::{Item, KindSpec, Line, Store};
use domain::{ContentHash, Gap, GapReason, Kind, MediaRef, Removal};
use futures::stream::{self, Stream, TryStreamExt as _};
use repository::{ContentHasher, MergedLines, RepositoryError, RunLine};

use super::{PRESENT_PART, REMOVED_PART};
use crate::earlier::Earlier;
use crate::error::{FlowError, Result};
use crate::media::MediaKeeper;

/// So many items are joined together and wait together for their media …
const JOINED_MAX: usize = 128;
/// … or so many bytes of their lines.
const JOINED_BYTES_MAX: usize = 512 * 1024;
/// So many such groups are being joined ahead, each on a thread of its own.
const JOINED_AHEAD: usize = 3;

/// The items of a run, kind by kind.
pub(super) struct Items {
    merged: MergedLines,
    next: Option<ItemLines>,
}

/// All lines of one item, ordered by part.
type ItemLines = Vec<RunLine>;

impl Items {
    pub(super) fn new(merged: MergedLines) -> Self {
        Self { merged, next: None }
    }

    /// The next item, if it is of this kind. Its lines are looked at themselves: what the run would show first
    /// may be a line that no longer counts, and the item behind it one of another kind.
    async fn of(&mut self, kind: &Kind) -> Result<Option<ItemLines>> {
        if self.left().await?.is_some_and(|next| next == *kind) { Ok(self.next.take()) } else { Ok(None) }
    }

    /// The lines of the next items of this kind, some at a time; none where the kind has no more.
    async fn group_of(&mut self, kind: &Kind) -> Result<Option<Vec<ItemLines>>> {
        let (mut group, mut bytes) = (Vec::new(), 0);
        while group.len() < JOINED_MAX && bytes < JOINED_BYTES_MAX {
            let Some(lines) = self.of(kind).await? else { break };
            bytes += lines.iter().map(|line| line.bytes.len()).sum::<usize>();
            group.push(lines);
        }
        Ok((!group.is_empty()).then_some(group))
    }

    /// The kind of what comes next.
    pub(super) async fn left(&mut self) -> Result<Option<Kind>> {
        if self.next.is_none() {
            self.next = self.merged.next_item().await?;
        }
        Ok(self.next.as_ref().and_then(|lines| lines.first()).map(|line| line.kind.clone()))
    }

    /// The items of one kind, joined, some at a time and in their order.
    pub(super) fn joined<'a>(
        &'a mut self,
        (kind, spec): (&'a Kind, &'static KindSpec),
        store: &'a Arc<dyn Store>,
        hasher: ContentHasher,
    ) -> impl Stream<Item = Result<Vec<Joined>>> + 'a {
        let groups = stream::try_unfold(self, move |items| async move {
            Ok(items.group_of(kind).await?.map(|group| (group, items)))
        });
        let joined = groups.map_ok(move |group| {
            let (store, hasher) = (Arc::clone(store), hasher.clone());
            let join_all =
                move || group.into_iter().filter_map(|lines| join(&*store, spec, &hasher, lines)).collect();
            let joining = tokio::task::spawn_blocking(join_all);
            async {
                joining.await.map_err(|error| FlowError::from(RepositoryError::Stopped(error.to_string())))
            }
        });
        joined.try_buffered(JOINED_AHEAD)
    }
}

/// An item on its way into the snapshot.
pub(super) enum Joined {
    Item(JoinedItem),
    Removed(Box<str>, Removal),
    /// It is there still, and was not read.
    Present(Box<str>),
    /// It is there, and cannot be joined.
    Skipped(Box<str>, Gap),
}

pub(super) struct JoinedItem {
    pub(super) item: Item,
    /// The hash of its content, where no media belong to that.
    pub(super) hash: Option<ContentHash>,
    /// Its stored media. What is missing of them is among the item's gaps.
    pub(super) media: Vec<MediaRef>,
}

impl Joined {
    pub(super) fn item(&self) -> Option<&Item> {
        match self {
            Self::Item(joined) => Some(&joined.item),
            Self::Removed(..) | Self::Present(_) | Self::Skipped(..) => None,
        }
    }
}

/// Joins the lines of one item.
fn join(
    store: &dyn Store,
    spec: &'static KindSpec,
    hasher: &ContentHasher,
    lines: ItemLines,
) -> Option<Joined> {
    let id = lines.first()?.id.clone();
    let (mut removed, mut present) = (None, false);
    let mut own = Vec::with_capacity(lines.len());
    for line in lines {
        if &*line.part == REMOVED_PART {
            removed = serde_json::from_slice::<Removal>(&line.bytes).ok();
        } else if &*line.part == PRESENT_PART {
            present = true;
        } else {
            own.push(Line { kind: line.kind, id: line.id, part: line.part, bytes: line.bytes });
        }
    }
    if own.is_empty() && present {
        return Some(Joined::Present(id));
    }
    if own.is_empty() {
        // Told as gone, and not seen since.
        return Some(Joined::Removed(id, removed.unwrap_or(Removal::Deleted)));
    }
    Some(match store.assemble(spec, &id, &own) {
        Ok(None) => return None,
        Ok(Some(item)) => {
            let hash = item.media.is_empty().then(|| hasher.hash(&item.canonical));
            Joined::Item(JoinedItem { item, hash, media: Vec::new() })
        }
        Err(fault) => {
            let what = format!("{} {id}", spec.name);
            Joined::Skipped(id, Gap { what, reason: GapReason::Failed, detail: fault.to_string() })
        }
    })
}

/// Fetches the media of one kind's items.
pub(super) struct ItemMedia<'a, 'b> {
    pub(super) store: &'a dyn Store,
    pub(super) media: &'a mut MediaKeeper,
    /// The parent's records: media that are stored are not fetched again.
    pub(super) earlier: Earlier<'b>,
}

impl ItemMedia<'_, '_> {
    /// Fetches the media of some items at once, and notes them with the items.
    pub(super) async fn fetch(&mut self, mut group: Vec<Joined>) -> Result<Vec<Joined>> {
        self.media.fetch(self.store, &mut self.earlier, group.iter().filter_map(Joined::item)).await?;
        for joined in &mut group {
            if let Joined::Item(joined) = joined {
                let mut gaps = std::mem::take(&mut joined.item.gaps);
                joined.media = self.media.refs(&joined.item, &mut gaps);
                joined.item.gaps = gaps;
            }
        }
        Ok(group)
    }
}
