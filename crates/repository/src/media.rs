//! Media: bytes that belong to records, in sealed 8 MiB chunks, named by a keyed hash of their content.
//!
//! The same bytes are stored once per connection. Many small media become durable together ([`MediaBatch`]), since in
//! a directory each would wait for two syncs of its own. A medium is written under a passing name and takes its own
//! once its hash is known; what is read back is hashed again, so that a swapped object is found.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use domain::aad::ObjectAad;
use domain::keys::RunningHash;
use domain::{Action, DataKeyId, Grant, HashPurpose, Id128, KeyedHash, ObjectPurpose, Salt};
use futures::stream::{Stream, StreamExt as _};

use crate::connection::Repository;
use crate::directory::Batch;
use crate::error::{RepositoryError, Result};
use crate::keyring::{Keyring, ObjectKey};
use crate::object::{HEADER_LEN, LAST_BLOCK, header, opening, read_header};
use crate::store::{Area, Upload};

/// Folder of the media, in the object store.
pub(crate) const MEDIA: &str = "media";
/// Plain length of a chunk.
const CHUNK_LEN: usize = 8 * 1024 * 1024;
/// Chunks are bound to the connection and their turn; the name binds the content.
const AAD_NAME: &str = "media";

/// A stored medium.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredMedia {
    /// Its name: the keyed hash of its content, 64 hexadecimal digits.
    pub name: String,
    /// Length of its content, in bytes.
    pub size_bytes: u64,
    /// Bytes written for it; 0 where it was there already.
    pub bytes_written: u64,
}

pub(crate) fn object_name(name: &str) -> String {
    format!("{MEDIA}/{}/{name}", name.get(..2).unwrap_or("00"))
}

/// The medium's name, from the object's; `None` for one that is still passing.
pub(crate) fn name_in(object: &str) -> Option<&str> {
    let name = object.rsplit('/').next()?;
    (object_name(name) == object).then_some(name)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Stores and reads the media of one connection, on one grant.
pub struct MediaStore {
    keyring: Arc<Keyring>,
    area: Area,
    data_key: DataKeyId,
    hash: Arc<dyn KeyedHash>,
    rng: Arc<dyn domain::Rng>,
}

/// Media that become durable together ([`MediaStore::settle`]). What names them must wait for that.
#[derive(Default)]
pub struct MediaBatch {
    objects: Batch,
    names: Mutex<HashSet<String>>,
}

impl MediaBatch {
    /// How many media wait for being made durable.
    #[must_use]
    pub fn len(&self) -> usize {
        self.names.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether nobody else stores it with this batch.
    fn claim(&self, name: &str) -> bool {
        self.names.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned())
    }
}

impl Repository {
    /// Opens the media.
    ///
    /// # Errors
    /// When the grant's key cannot be used.
    pub async fn media(&self, grant: &Grant, action: Action) -> Result<MediaStore> {
        let keyring = self.keyring(grant, action)?;
        let data_key = keyring.current().await?;
        let hash = keyring.keyed_hash(data_key, HashPurpose::MediaName).await?;
        Ok(MediaStore { keyring, area: self.objects.clone(), data_key, hash, rng: Arc::clone(&self.rng) })
    }
}

impl MediaStore {
    /// Stores what the stream gives; durable when this returns.
    ///
    /// # Errors
    /// When the stream fails (its own error), or the store.
    pub async fn store<E>(
        &self,
        stream: impl Stream<Item = Result<Bytes, E>> + Send,
    ) -> Result<Result<StoredMedia, E>> {
        let batch = MediaBatch::default();
        let stored = self.store_in(&batch, stream).await?;
        self.settle(&batch).await?;
        Ok(stored)
    }

    /// Makes the media of a batch durable.
    ///
    /// # Errors
    /// When the store fails. Then nothing may name a medium of this batch.
    pub async fn settle(&self, batch: &MediaBatch) -> Result<()> {
        self.area.settle(&batch.objects, MEDIA).await
    }

    /// Stores what the stream gives; durable, and to be read, once the batch has settled.
    ///
    /// # Errors
    /// When the stream fails (its own error), or the store.
    pub async fn store_in<E>(
        &self,
        batch: &MediaBatch,
        stream: impl Stream<Item = Result<Bytes, E>> + Send,
    ) -> Result<Result<StoredMedia, E>> {
        let mut stream = std::pin::pin!(stream);
        let mut hash = self.hash.begin();
        let mut chunk = BytesMut::new();
        let mut size = 0_u64;
        let mut upload: Option<(String, Upload, u64)> = None;
        let mut salt = Salt([0; 32]);
        self.rng.fill(&mut salt.0);
        let key = ObjectKey::new(Arc::clone(&self.keyring), self.data_key, ObjectPurpose::Media, salt);
        let aad = ObjectAad::new(&self.keyring.scope.tenant, &self.keyring.scope.connection, AAD_NAME);
        while let Some(piece) = stream.next().await {
            let piece = match piece {
                Ok(piece) => piece,
                Err(error) => {
                    if let Some((_, upload, _)) = upload {
                        upload.abort().await?;
                    }
                    return Ok(Err(error));
                }
            };
            hash.update(&piece);
            size += u64::try_from(piece.len()).unwrap_or_default();
            chunk.extend_from_slice(&piece);
            while chunk.len() > CHUNK_LEN {
                let mut text = chunk.split_to(CHUNK_LEN).to_vec();
                if upload.is_none() {
                    let mut id = [0; 16];
                    self.rng.fill(&mut id);
                    let passing = format!("{MEDIA}/passing-{}", Id128(id));
                    let mut begun = self.area.upload(&passing).await?;
                    begun.write(header(ObjectPurpose::Media, self.data_key, &salt)).await?;
                    upload = Some((passing, begun, 0));
                }
                if let Some((_, upload, turn)) = &mut upload {
                    key.seal(*turn, &aad.block(*turn, 0), &mut text).await?;
                    upload.write(text).await?;
                    *turn += 1;
                }
            }
        }
        let name = hex(&hash.finish());
        let object = object_name(&name);
        let there = self.area.size(&object).await?.is_some();
        let mut text = chunk.to_vec();
        key.seal(LAST_BLOCK, &aad.block(LAST_BLOCK, 0), &mut text).await?;
        let bytes_written = match upload {
            Some((_, upload, _)) if there => {
                upload.abort().await?;
                0
            }
            None if there => 0,
            Some((passing, mut upload, _)) => {
                upload.write(text).await?;
                let written = upload.finish().await?;
                self.area.rename(&passing, &object).await?;
                written
            }
            None if !batch.claim(&name) => 0,
            None => {
                let mut bytes = header(ObjectPurpose::Media, self.data_key, &salt);
                bytes.append(&mut text);
                let written = u64::try_from(bytes.len()).unwrap_or_default();
                self.area.put_in(&batch.objects, &object, bytes).await?;
                written
            }
        };
        Ok(Ok(StoredMedia { name, size_bytes: size, bytes_written }))
    }

    /// Reads a medium chunk by chunk into `take`, and checks at the end that it is the one that was asked for.
    ///
    /// # Errors
    /// When it is missing or damaged, or is another one.
    pub async fn read(&self, name: &str, mut take: impl FnMut(Bytes) -> Result<()>) -> Result<()> {
        let mut reader = self.open(name).await?;
        while let Some(chunk) = reader.next().await? {
            take(chunk)?;
        }
        Ok(())
    }

    /// Opens a medium.
    ///
    /// # Errors
    /// When it is missing, or its header is damaged.
    pub async fn open(&self, name: &str) -> Result<MediaReader<'_>> {
        let object = object_name(name);
        let full = self.area.full(&object);
        let head_len = u64::try_from(HEADER_LEN).unwrap_or(u64::MAX);
        let size = self
            .area
            .size(&object)
            .await?
            .ok_or_else(|| RepositoryError::Missing { object: full.clone() })?;
        if size < head_len {
            return Err(RepositoryError::damaged(&full, "its header is cut short"));
        }
        let head = self.area.get_range(&object, 0..head_len).await?;
        let (data_key, salt) = read_header(&full, &head, ObjectPurpose::Media)?;
        let key = ObjectKey::new(Arc::clone(&self.keyring), data_key, ObjectPurpose::Media, salt);
        let aad = ObjectAad::new(&self.keyring.scope.tenant, &self.keyring.scope.connection, AAD_NAME);
        let hash = Some(self.hash.begin());
        Ok(MediaReader {
            media: self,
            name: name.to_owned(),
            object,
            key,
            aad,
            hash,
            size,
            at: head_len,
            turn: 0,
        })
    }
}

/// Reads one medium.
pub struct MediaReader<'a> {
    media: &'a MediaStore,
    name: String,
    object: String,
    key: ObjectKey,
    aad: ObjectAad,
    /// Of what was read. `None` once all was.
    hash: Option<Box<dyn RunningHash>>,
    size: u64,
    at: u64,
    turn: u64,
}

impl MediaReader<'_> {
    /// The next chunk, 8 MiB at most; `None` at the end, once it is known to be the medium that was asked for.
    ///
    /// # Errors
    /// When it is damaged, or another one.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        let full = || self.media.area.full(&self.object);
        if self.turn > 0 && self.at >= self.size {
            let found = self.hash.take().map(|hash| hex(&hash.finish()));
            return match found.is_none_or(|found| found == self.name) {
                true => Ok(None),
                false => Err(RepositoryError::damaged(&full(), "it holds other bytes than its name says")),
            };
        }
        let sealed_len = u64::try_from(CHUNK_LEN + domain::keys::TAG_LEN).unwrap_or(u64::MAX);
        let end = self.at.saturating_add(sealed_len).min(self.size);
        // The last chunk is never empty of its tag, and a full one before it is never the last.
        let number = if end == self.size { LAST_BLOCK } else { self.turn };
        let mut text = self.media.area.get_range(&self.object, self.at..end).await?.to_vec();
        let opened = self.key.open(number, &self.aad.block(number, 0), &mut text).await;
        opened.map_err(|error| opening(&full(), error))?;
        if let Some(hash) = &mut self.hash {
            hash.update(&text);
        }
        (self.at, self.turn) = (end, self.turn + 1);
        Ok(Some(text.into()))
    }
}
