//! Keeping the items of one kind: compared with the parent's, and written where they differ.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use connectors::contract::{KindEnd, Store};
use domain::{Delays, Gap, GapReason, Kind, RecordMeta, Removal, Timestamp};
use futures::future::try_join;
use futures::stream::{self, TryStreamExt as _};
use repository::{Head, KindOutcome, Mode, NewRecord, RepositoryError, Writer};

use super::items::{ItemMedia, Items, Joined, JoinedItem};
use super::{BackupProgress, KindPlan};
use crate::earlier::{Earlier, differs_by_selection};
use crate::error::{FlowError, Result};
use crate::report::KindReport;

/// What the parent told of items that were too large, of which it has older versions or none, and of what is hidden.
fn outdated(parent: Option<&Head>, kind: &Kind) -> Vec<Gap> {
    let state = parent.and_then(|head| head.commit.kinds.get(kind));
    let gaps = state.map(|state| state.gaps.iter()).into_iter().flatten();
    let stays = |gap: &&Gap| matches!(gap.reason, GapReason::TooLarge | GapReason::Redacted);
    gaps.filter(stays).cloned().collect()
}

/// How a gap names an item whose id may be too long itself.
fn named(kind: &Kind, id: &str) -> String {
    format!("{kind} {}", id.chars().take(80).collect::<String>())
}

/// Keeps one kind.
pub(super) struct Keep<'a, 'b> {
    store: &'a dyn Store,
    planned: &'a KindPlan,
    kind: &'a Kind,
    end: &'a KindEnd,
    /// The parent's records, for those that changed.
    earlier: Earlier<'b>,
    writer: &'a mut Writer,
    progress: &'a dyn BackupProgress,
    /// Items that were too large last time, and were not seen since; and that something was hidden of some.
    outdated: Vec<Gap>,
    /// Of how many items the platform hides something, and how it says so.
    hidden: (u64, String),
    /// Some items are only known to be there: not all of the kind was read.
    unread: bool,
    /// When the kind was read before, and what time it is: what changed since has waited for us.
    since: Option<Timestamp>,
    now: Timestamp,
    delays: Delays,
    report: KindReport,
}

impl<'a, 'b> Keep<'a, 'b> {
    pub(super) fn new(
        store: &'a dyn Store,
        planned: &'a KindPlan,
        (kind, end): (&'a Kind, &'a KindEnd),
        earlier: Earlier<'b>,
        writer: &'a mut Writer,
        (now, progress): (Timestamp, &'a dyn BackupProgress),
    ) -> Self {
        let outdated = outdated(writer.parent(), kind);
        let report = KindReport { gaps: end.gaps.clone(), ..KindReport::default() };
        let hidden = (0, String::new());
        let before = writer.parent().and_then(|head| head.commit.kinds.get(kind));
        let since = before.map(|state| state.captured_at);
        let (unread, delays) = (false, Delays::default());
        Self {
            store,
            planned,
            kind,
            end,
            earlier,
            writer,
            progress,
            outdated,
            hidden,
            unread,
            since,
            now,
            delays,
            report,
        }
    }

    /// Keeps all items of the kind. While some are kept, the media of the next are fetched.
    pub(super) async fn all(
        mut self,
        items: &mut Items,
        store: &Arc<dyn Store>,
        media: ItemMedia<'_, '_>,
    ) -> Result<KindReport> {
        // INVARIANT (absence): only a kind that was listed to its end can lose records by not naming them, and
        // records that a withdrawn permission hides have left our sight, they were not deleted.
        let mode = match (self.end.left_scope, self.end.swept && self.end.complete) {
            (true, _) => Mode::Sweep(Removal::LeftScope),
            (false, true) => Mode::Sweep(Removal::Deleted),
            (false, false) => Mode::Increment,
        };
        let columns: Vec<&str> = self.planned.spec.summary.iter().map(|column| column.name).collect();
        self.writer.begin_kind(self.kind, mode, &columns).await?;
        let joined = pin!(items.joined((self.kind, self.planned.spec), store, self.writer.hasher()));
        let groups = stream::try_unfold((joined, media), |(mut joined, mut media)| async move {
            let Some(group) = joined.try_next().await? else { return Ok(None) };
            Ok::<_, FlowError>(Some((media.fetch(group).await?, (joined, media))))
        });
        let mut groups = pin!(groups);
        let mut next = groups.try_next().await?;
        while let Some(group) = next {
            let ((), following) = try_join(self.group(group), groups.try_next()).await?;
            self.progress.writing(self.kind, self.report.seen);
            next = following;
        }
        self.end(mode).await
    }

    async fn end(mut self, mode: Mode) -> Result<KindReport> {
        self.tell_hidden(mode);
        let Self { end, mut report, .. } = self;
        // An increment does not see again what has not changed, so what was missing of it is missing still.
        if mode == Mode::Increment {
            report.gaps.append(&mut self.outdated);
        }
        let told = |reason| report.gaps.iter().any(|gap| gap.reason == reason);
        let whole = end.complete && !told(GapReason::Failed);
        let cursor = match (end.left_scope, whole) {
            // Once it can be seen again all of it is read: what did not change meanwhile would not be told.
            (true, _) => None,
            (false, true) => end.next.clone(),
            // What failed is asked for again: the next increment starts where this one did.
            (false, false) => self.planned.since.clone(),
        };
        let outcome = KindOutcome {
            complete: whole && !told(GapReason::TooLarge),
            cursor,
            gaps: report.gaps.clone(),
            captured_at: Some(end.read_at),
            listed: end.complete && !self.unread && (end.swept || self.planned.since.is_none()),
            delays: self.delays,
        };
        let counts = self.writer.end_kind(outcome).await?;
        report.seen = 0;
        report.add(counts);
        if end.left_scope {
            report.left_scope = std::mem::take(&mut report.removed);
        }
        Ok(report)
    }

    /// Tells in one sentence of how many items something is hidden: they are kept, and nobody would look for that at
    /// each of them.
    fn tell_hidden(&mut self, mode: Mode) {
        let (items, why) = std::mem::take(&mut self.hidden);
        if items == 0 {
            return;
        }
        let told = self.outdated.len();
        self.outdated.retain(|gap| gap.reason != GapReason::Redacted);
        let before = mode == Mode::Increment && self.outdated.len() < told;
        let others = if before { ", and of others that did not change since," } else { "" };
        let (seen, plural) = (self.report.seen, self.planned.spec.plural);
        let detail = format!(
            "personal data of {items} of the {seen} {plural} that were read{others} is hidden. {why}"
        );
        self.report.gaps.push(Gap { what: self.kind.to_string(), reason: GapReason::Redacted, detail });
    }

    /// Keeps some items in their order.
    async fn group(&mut self, joined: Vec<Joined>) -> Result<()> {
        for one in joined {
            match one {
                Joined::Removed(id, why) => {
                    self.seen(&id);
                    self.writer.remove(&id, why).await?;
                }
                Joined::Present(id) => self.present(&id).await?,
                Joined::Skipped(id, gap) => {
                    self.report.skipped += 1;
                    self.report.gaps.push(gap);
                    match self.writer.keep(&id).await {
                        // No snapshot holds an id that none can hold.
                        Ok(_) | Err(RepositoryError::Name(_)) => {}
                        Err(error) => return Err(error.into()),
                    }
                }
                Joined::Item(joined) => {
                    self.report.seen += 1;
                    self.item(joined).await?;
                }
            }
        }
        Ok(())
    }

    /// What the parent told of an item is told anew, or no longer true.
    /// What is there and did not change stays as it was. What we do not have of it was not read, though it should have
    /// been: the next run reads from where this one did.
    async fn present(&mut self, id: &str) -> Result<()> {
        self.unread = true;
        let what = named(self.kind, id);
        if !self.writer.keep(id).await? && self.outdated.iter().all(|gap| gap.what != what) {
            let detail = "it is there, and was not among what changed".to_owned();
            self.report.gaps.push(Gap { what, reason: GapReason::Failed, detail });
        }
        Ok(())
    }

    fn seen(&mut self, id: &str) {
        if !self.outdated.is_empty() {
            let what = named(self.kind, id);
            self.outdated.retain(|gap| gap.what != what);
        }
    }

    /// What changed before it was read the last time was found late for another reason than that nobody looked: its time says
    /// nothing of us.
    fn count_delay(&mut self, changed_at: Timestamp) {
        if self.since.is_some_and(|since| since < changed_at)
            && let Ok(delay) = Duration::try_from(self.now.duration_since(changed_at))
        {
            self.delays.add(delay);
        }
    }

    async fn item(&mut self, joined: JoinedItem) -> Result<()> {
        let JoinedItem { mut item, hash, media } = joined;
        self.seen(&item.id);
        for gap in item.gaps.iter().filter(|gap| gap.reason == GapReason::Failed) {
            let what = format!("{} {} {}", self.kind, item.id, gap.what);
            self.report.gaps.push(Gap { what, ..gap.clone() });
        }
        if let Some(gap) = item.gaps.iter().find(|gap| gap.reason == GapReason::Redacted) {
            self.hidden = (self.hidden.0 + 1, gap.detail.clone());
        }
        // Bytes that could not be fetched before and now could make a new version, though no field differs.
        media.iter().for_each(|media| item.canonical.extend_from_slice(media.name.as_bytes()));
        let hash = hash.unwrap_or_else(|| self.writer.hasher().hash(&item.canonical));
        if self.writer.unchanged(&item.id, hash, item.subjects.first()).await? {
            return Ok(());
        }
        let meta = RecordMeta {
            observed_at: self.end.read_at,
            source_updated_at: item.source_updated_at,
            api_version: self.store.api_version().to_owned(),
            selection_digest: self.planned.digest.clone(),
            subjects: std::mem::take(&mut item.subjects),
            media_refs: media,
            gaps: std::mem::take(&mut item.gaps),
        };
        let summary = serde_json::to_vec(&item.summary).unwrap_or_default();
        let record = NewRecord {
            id: &item.id,
            payload: &item.payload,
            canonical: Some(&item.canonical),
            meta: &meta,
            summary: &summary,
        };
        // It counts as changed only if it differs in what was selected before too.
        let reselected = self.earlier.find(&item.id).await?.is_some_and(|before| {
            let (before, after) = ((&*before.payload, &before.meta), (&*item.payload, &meta));
            differs_by_selection(self.planned.spec, before, after)
        });
        let put = if reselected {
            self.writer.put_reselected(record, hash).await
        } else {
            self.writer.put_hashed(record, hash).await.map(drop)
        };
        match put {
            Ok(()) => {
                if !reselected && let Some(changed_at) = meta.source_updated_at {
                    self.count_delay(changed_at);
                }
                Ok(())
            }
            // One item that cannot be kept must not cost the others.
            Err(error @ (RepositoryError::Input(_) | RepositoryError::Name(_))) => {
                self.report.skipped += 1;
                let what = named(self.kind, &item.id);
                self.report.gaps.push(Gap { what, reason: GapReason::TooLarge, detail: error.to_string() });
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }
}
