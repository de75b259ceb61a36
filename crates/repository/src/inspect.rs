//! Reading everything that is in a pack, in large pieces, for those who look at whole packs.
//!
//! Blocks are opened on the blocking threads while the next piece is read. Damage is noted by the ordinals of
//! the records that it hits, and reading goes on behind it.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use domain::{DataKey, KeyError, Kind, MediaRef, SubjectTag, WrappedSubjectKey};
use tokio::runtime::Handle;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use crate::block;
use crate::encoding::Bytes as Reading;
use crate::entries::{Entry, State};
use crate::error::{ErrorKind, RepositoryError, Result};
use crate::object::{Decompressor, opening};
use crate::pack::stopped;
use crate::segment::{Region, Segment};
use crate::subjects::{SubjectKey, Subjects};

/// What the records of one pack are, and what is wrong with them.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    /// Whose bytes or summaries are not what was written.
    pub(crate) damaged: Vec<(Range<u32>, RepositoryError)>,
    /// What is wrong with the pack's own index.
    pub(crate) index_damage: Vec<RepositoryError>,
    /// By ordinal, which record it is, as [`fingerprint`] has it; 0 where that is not known.
    pub(crate) records: Vec<u64>,
    /// Records that name media, by their ordinals.
    pub(crate) media: Vec<(u32, Vec<MediaRef>)>,
    /// Why people's keys were not found: it is not known what their records name.
    pub(crate) keyless: Vec<RepositoryError>,
}

/// A person's key for a record, where there is one: it was not destroyed, and is not missing.
#[derive(Debug, Clone, Copy)]
struct Owner {
    tag: SubjectTag,
    wrapped: WrappedSubjectKey,
    /// A key of this person was destroyed once: a record that the present one does not open was erased.
    was_destroyed: bool,
}

/// A block on its way to be opened.
struct Sealed {
    region: Region,
    number: u64,
    /// The records that it holds.
    ordinals: Range<u32>,
    /// Sealed length of a container's table; 0 for a block that was sealed as one.
    table: u32,
    bytes: Bytes,
    /// By turn; empty for a block that was sealed as one.
    owners: Vec<Option<Owner>>,
}

/// What opening a piece found.
#[derive(Default)]
struct Found {
    damaged: Vec<(Range<u32>, RepositoryError)>,
    media: Vec<(u32, Vec<MediaRef>)>,
}

/// An error of integrity is a finding; any other stops the reading.
pub(crate) fn integrity(error: RepositoryError) -> Result<RepositoryError> {
    if error.kind() == ErrorKind::Integrity { Ok(error) } else { Err(error) }
}

/// Reads neighbouring blocks at once; where that fails by damage, each by itself, to tell which are hit.
pub(crate) async fn read(
    segment: &Segment,
    region: Region,
    blocks: &Range<usize>,
) -> Result<Vec<(usize, Result<Bytes>)>> {
    match segment.read_piece(region, blocks).await {
        Ok(sealed) => Ok(blocks.clone().zip(sealed.into_iter().map(Ok)).collect()),
        Err(error) => {
            let error = integrity(error)?;
            if blocks.len() == 1 {
                return Ok(vec![(blocks.start, Err(error))]);
            }
            let mut single = Vec::with_capacity(blocks.len());
            for index in blocks.clone() {
                let sealed = segment.read_piece(region, &(index..index + 1)).await;
                single.push((index, sealed.map(|mut sealed| sealed.pop().unwrap_or_default())));
            }
            Ok(single)
        }
    }
}

/// Record, content and person of a present entry, in 64 bits that are never 0: equal where index and pack agree.
pub(crate) fn fingerprint(kind: &Kind, entry: &Entry) -> u64 {
    let State::Present { hash, .. } = entry.state else { return 0 };
    let mut hasher = DefaultHasher::new();
    (kind.as_str(), &*entry.id, hash.0, entry.subject.map(|tag| tag.0)).hash(&mut hasher);
    hasher.finish().max(1)
}

/// Reads a pack's own index: by ordinal, whose record it is. Damage goes into `contents`.
async fn read_index(segment: &Segment, contents: &mut Contents) -> Result<Vec<Option<SubjectTag>>> {
    let mut tags = Vec::new();
    for piece in segment.pieces(Region::Entries) {
        for (index, sealed) in read(segment, Region::Entries, &piece).await? {
            let entries = match sealed {
                Ok(bytes) => segment.open_entries(index, &bytes, 0).await,
                Err(error) => Err(error),
            };
            match entries {
                Ok(entries) => {
                    let first = segment.footer.entries.get(index).map_or(0, |block| block.ordinal);
                    let first = usize::try_from(first).unwrap_or_default();
                    tags.resize(first, None);
                    contents.records.resize(first, 0);
                    for entry in entries.iter().filter(|entry| matches!(entry.state, State::Present { .. })) {
                        tags.push(entry.subject);
                        let kind = segment.footer.kinds.get(usize::from(entry.kind));
                        contents.records.push(kind.map_or(0, |kind| fingerprint(kind, entry)));
                    }
                }
                Err(error) => contents.index_damage.push(integrity(error)?),
            }
        }
    }
    if contents.index_damage.is_empty() && u64::try_from(tags.len()).ok() != Some(segment.footer.records()) {
        let error = RepositoryError::damaged(&segment.full_name(), "its index and its blocks do not agree");
        contents.index_damage.push(error);
    }
    Ok(tags)
}

/// Opens the pack's own index, and with `blocks` every block of records and summaries too.
pub(crate) async fn inspect(
    segment: &Arc<Segment>,
    subjects: &Mutex<Subjects>,
    blocks: bool,
) -> Result<Contents> {
    let mut contents = Contents::default();
    let tags = read_index(segment, &mut contents).await?;
    if !blocks {
        return Ok(contents);
    }
    let mut opening: Option<JoinHandle<Result<Found>>> = None;
    for region in [Region::Data, Region::Summaries] {
        let ordinals = segment.ordinals(region);
        for piece in segment.pieces(region) {
            let mut sealed = Vec::with_capacity(piece.len());
            for (index, bytes) in read(segment, region, &piece).await? {
                let ordinals = ordinals.get(index).cloned().unwrap_or_default();
                match bytes {
                    Ok(bytes) if bytes.is_empty() => {}
                    Ok(bytes) => {
                        let table = match region {
                            Region::Data => segment.footer.data.get(index).map_or(0, |block| block.table),
                            Region::Entries | Region::Summaries => 0,
                        };
                        let owners = if table > 0 {
                            owners(&tags, ordinals.clone(), subjects, &mut contents.keyless).await?
                        } else {
                            Vec::new()
                        };
                        let number = segment.block_number(region, index);
                        sealed.push(Sealed { region, number, ordinals, table, bytes, owners });
                    }
                    Err(error) => contents.damaged.push((ordinals, integrity(error)?)),
                }
            }
            finish(opening.take(), &mut contents).await?;
            let segment = Arc::clone(segment);
            opening = Some(tokio::task::spawn_blocking(move || open(&segment, &sealed)));
        }
    }
    finish(opening, &mut contents).await?;
    Ok(contents)
}

async fn finish(opening: Option<JoinHandle<Result<Found>>>, contents: &mut Contents) -> Result<()> {
    if let Some(opening) = opening {
        let mut found = opening.await.map_err(|error| stopped(&error))??;
        contents.damaged.append(&mut found.damaged);
        contents.media.append(&mut found.media);
    }
    Ok(())
}

/// The keys of a container's records. A key that is missing is not this pack's damage: it is noted by itself.
async fn owners(
    tags: &[Option<SubjectTag>],
    ordinals: Range<u32>,
    subjects: &Mutex<Subjects>,
    keyless: &mut Vec<RepositoryError>,
) -> Result<Vec<Option<Owner>>> {
    let mut subjects = subjects.lock().await;
    let mut owners = Vec::with_capacity(ordinals.len());
    for ordinal in ordinals {
        let tag = usize::try_from(ordinal).ok().and_then(|ordinal| tags.get(ordinal).copied().flatten());
        let Some(tag) = tag else {
            owners.push(None);
            continue;
        };
        owners.push(match subjects.find(&tag).await {
            Ok(SubjectKey::Present(wrapped)) => {
                Some(Owner { tag, wrapped, was_destroyed: subjects.was_destroyed(&tag).await? })
            }
            Ok(SubjectKey::Destroyed) => None,
            Err(error) => {
                keyless.push(integrity(error)?);
                None
            }
        });
    }
    Ok(owners)
}

/// Opens and decompresses blocks; runs on a blocking thread.
fn open(segment: &Segment, blocks: &[Sealed]) -> Result<Found> {
    let object = segment.full_name();
    let mut decompressor = Decompressor::new();
    let mut text = Vec::new();
    let mut found = Found::default();
    for sealed in blocks {
        let opened = if sealed.table > 0 {
            open_container(segment, &object, sealed, &mut decompressor, &mut found)
        } else {
            text.clear();
            text.extend_from_slice(&sealed.bytes);
            Handle::current()
                .block_on(segment.open_text(sealed.number, &mut text))
                .and_then(|()| decompressor.decompress(&object, &text))
                .and_then(|plain| read_plain(&object, sealed, plain, &mut found))
        };
        if let Err(error) = opened {
            found.damaged.push((sealed.ordinals.clone(), integrity(error)?));
        }
    }
    Ok(found)
}

fn read_plain(object: &str, sealed: &Sealed, plain: &[u8], found: &mut Found) -> Result<()> {
    let records = sealed.ordinals.len();
    let fits = if sealed.region == Region::Data {
        block::media_refs(plain).filter(|(count, _)| *count == records).map(|(_, named)| {
            let at = |turn| sealed.ordinals.start.saturating_add(u32::try_from(turn).unwrap_or(u32::MAX));
            found.media.extend(named.into_iter().map(|(turn, refs)| (at(turn), refs)));
        })
    } else {
        count_rows(plain).filter(|count| *count == records).map(drop)
    };
    fits.ok_or_else(|| RepositoryError::damaged(object, "a block makes no sense"))
}

fn count_rows(plain: &[u8]) -> Option<usize> {
    let mut bytes = Reading(plain);
    let mut count = 0;
    while !bytes.is_empty() {
        let len = bytes.count()?;
        bytes.take(len)?;
        count += 1;
    }
    Some(count)
}

/// A person's record in a container.
struct Personal<'a> {
    ordinal: u32,
    owner: Owner,
    aad: Vec<u8>,
    sealed: &'a [u8],
}

impl Personal<'_> {
    /// The text; `None` where it does not open under this person's key.
    fn open(&self, segment: &Segment, data_key: &dyn DataKey) -> Result<Option<Vec<u8>>, KeyError> {
        let Owner { tag, wrapped, .. } = &self.owner;
        let mut text = self.sealed.to_vec();
        let key = data_key.record_key(tag, wrapped, &segment.salt(), u64::from(self.ordinal));
        match key.and_then(|key| key.open(0, &self.aad, &mut text)) {
            Ok(()) => Ok(Some(text)),
            Err(KeyError::DoesNotOpen) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn open_container(
    segment: &Segment,
    object: &str,
    sealed: &Sealed,
    decompressor: &mut Decompressor,
    found: &mut Found,
) -> Result<()> {
    let damaged = || RepositoryError::damaged(object, "a block makes no sense");
    let table_len = usize::try_from(sealed.table).unwrap_or(usize::MAX);
    let (table, texts) = sealed.bytes.split_at_checked(table_len).ok_or_else(damaged)?;
    let mut table = table.to_vec();
    let waiting = Handle::current();
    waiting.block_on(segment.open_text(sealed.number, &mut table))?;
    let (mut table, mut texts) = (Reading(&table), Reading(texts));
    if table.count() != Some(sealed.ordinals.len()) {
        return Err(damaged());
    }
    let mut records = Vec::with_capacity(sealed.ordinals.len());
    for (turn, ordinal) in sealed.ordinals.clone().enumerate() {
        let text = table.count().and_then(|len| texts.take(len)).ok_or_else(damaged)?;
        let Some(owner) = sealed.owners.get(turn).copied().flatten() else { continue };
        let aad = segment.aad(sealed.number, u64::try_from(turn).unwrap_or(u64::MAX).saturating_add(1));
        records.push(Personal { ordinal, owner, aad, sealed: text });
    }
    // The key is asked for once, not for each record.
    let open = |data_key: &dyn DataKey| {
        records.iter().map(|record| record.open(segment, data_key)).collect::<Result<Vec<_>, _>>()
    };
    let opened = waiting.block_on(segment.with_data_key(open))?;
    for (Personal { ordinal, owner, .. }, text) in records.iter().zip(opened) {
        let stored = match &text {
            Some(text) => {
                let plain = decompressor.decompress(object, text);
                plain.and_then(|plain| block::read_personal(plain).ok_or_else(damaged))
            }
            None if owner.was_destroyed => continue,
            None => Err(opening(object, KeyError::DoesNotOpen.into())),
        };
        match stored {
            Ok(stored) if stored.meta.media_refs.is_empty() => {}
            Ok(stored) => found.media.push((*ordinal, stored.meta.media_refs)),
            Err(error) => found.damaged.push((one(*ordinal), integrity(error)?)),
        }
    }
    if table.is_empty() && texts.is_empty() { Ok(()) } else { Err(damaged()) }
}

fn one(ordinal: u32) -> Range<u32> {
    ordinal..ordinal.saturating_add(1)
}
