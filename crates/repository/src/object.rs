//! What every sealed object begins with, and objects that are one sealed piece.
//!
//! Header: `CTKR`, format (1 byte), type (1), two zero bytes, data key's id (16), salt (32). The object's own
//! key is derived from data key, salt and type; see docs/format.md.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use domain::aad::ObjectAad;
use domain::{DataKeyId, Id128, KeyError, ObjectPurpose, Salt};
use zstd::bulk::Compressor;
use zstd::zstd_safe::CParameter;

use crate::encoding::Bytes;
use crate::error::{RepositoryError, Result};
use crate::keyring::{Keyring, ObjectKey};
use crate::store::Area;

/// The format's version, in every header.
pub const FORMAT: u8 = 1;
const MAGIC: &[u8; 4] = b"CTKR";
/// Length of the header, in bytes.
pub(crate) const HEADER_LEN: usize = 56;
/// The block number of an object's only, or last, piece.
pub(crate) const LAST_BLOCK: u64 = u64::MAX;
/// zstd level of small objects.
const LEVEL: i32 = 6;
/// A sealed piece never grows beyond this when it is decompressed.
pub(crate) const PLAIN_LEN_MAX: usize = 256 * 1024 * 1024;

fn type_of(purpose: ObjectPurpose) -> u8 {
    match purpose {
        ObjectPurpose::Pack => 1,
        ObjectPurpose::Index => 2,
        ObjectPurpose::Commit => 3,
        ObjectPurpose::Media => 4,
        ObjectPurpose::SubjectTable => 5,
        ObjectPurpose::Checkpoint => 6,
        ObjectPurpose::State => 7,
        ObjectPurpose::Spool => 8,
    }
}

pub(crate) fn header(purpose: ObjectPurpose, data_key: DataKeyId, salt: &Salt) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER_LEN);
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&[FORMAT, type_of(purpose), 0, 0]);
    out.extend_from_slice(&data_key.0);
    out.extend_from_slice(&salt.0);
    out
}

/// Reads a header; `object` is named in errors.
pub(crate) fn read_header(object: &str, bytes: &[u8], purpose: ObjectPurpose) -> Result<(DataKeyId, Salt)> {
    let damaged = |detail: &str| RepositoryError::damaged(object, detail);
    let mut rest = Bytes(bytes);
    let (Some(magic), Some([format, kind, zero_a, zero_b]), Some(key), Some(salt)) =
        (rest.array::<4>(), rest.array::<4>(), rest.array::<16>(), rest.array::<32>())
    else {
        return Err(damaged("its header is cut short"));
    };
    if &magic != MAGIC {
        return Err(damaged("it does not begin as an object of this store does"));
    }
    if format != FORMAT {
        return Err(damaged(&format!("its format is {format}; this program reads format {FORMAT}")));
    }
    if kind != type_of(purpose) || zero_a != 0 || zero_b != 0 {
        return Err(damaged("it is another type of object than its place says"));
    }
    Ok((Id128(key), Salt(salt)))
}

/// Compressors that nobody uses at the moment. Each holds some megabytes, and compressing goes from thread to thread:
/// one kept by each of them would be far more than are ever busy.
static IDLE: Mutex<Vec<Compressor<'static>>> = Mutex::new(Vec::new());
/// So many idle ones are kept.
const IDLE_MAX: usize = 4;

/// Lends a compressor.
fn with_compressor<T>(work: impl FnOnce(&mut Compressor<'static>) -> io::Result<T>) -> io::Result<T> {
    let idle = || IDLE.lock().unwrap_or_else(PoisonError::into_inner);
    let kept = idle().pop();
    let mut compressor = kept.map_or_else(|| Compressor::new(1), Ok)?;
    let done = work(&mut compressor);
    let mut idle = idle();
    if idle.len() < IDLE_MAX {
        idle.push(compressor);
    }
    done
}

/// How hard to compress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effort {
    /// One of zstd's own levels.
    Level(i32),
    /// For large blocks of many records: zstd's level 1 with a table that is as small and matches that are as
    /// short as level 2 has them in small blocks. A larger table takes longer than it saves.
    Quick,
}

/// zstd's name for "as the level has it".
const BY_LEVEL: u32 = 0;

impl Effort {
    /// Level, logarithm of the table's length, length of the shortest match.
    fn settings(self) -> (i32, u32, u32) {
        match self {
            Self::Level(level) => (level, BY_LEVEL, BY_LEVEL),
            Self::Quick => (1, 14, 6),
        }
    }
}

/// Compresses.
pub(crate) fn compress(plain: &[u8], level: i32) -> Result<Vec<u8>> {
    let mut packed = Vec::new();
    compress_into(plain, Effort::Level(level), &mut packed)?;
    packed.shrink_to_fit();
    Ok(packed)
}

/// Compresses into memory that may be used again; what was in it before is gone.
pub(crate) fn compress_into(plain: &[u8], effort: Effort, packed: &mut Vec<u8>) -> Result<()> {
    // What no reader takes must not be written.
    if plain.len() > PLAIN_LEN_MAX {
        let len = plain.len();
        return Err(RepositoryError::Input(format!(
            "{len} bytes were to be sealed in one piece; at most {PLAIN_LEN_MAX} (256 MiB) can be read again"
        )));
    }
    let (level, table, shortest) = effort.settings();
    packed.clear();
    packed.reserve(zstd::zstd_safe::compress_bound(plain.len()));
    let compressed = with_compressor(|compressor| {
        compressor.set_compression_level(level)?;
        compressor.set_parameter(CParameter::HashLog(table))?;
        compressor.set_parameter(CParameter::MinMatch(shortest))?;
        compressor.compress_to_buffer(plain, packed)
    });
    compressed.map(drop).map_err(|error| RepositoryError::Input(format!("compression failed: {error}")))
}

/// Names the object of which a piece cannot be sealed.
pub(crate) fn too_long(object: &str, error: RepositoryError) -> RepositoryError {
    match error {
        RepositoryError::Input(detail) => {
            RepositoryError::Input(format!("`{object}` cannot be written: {detail}"))
        }
        other => other,
    }
}

/// The plain length, which stands in the frame, if it is sensible.
fn plain_len(object: &str, packed: &[u8]) -> Result<usize> {
    let length = zstd::zstd_safe::get_frame_content_size(packed).ok().flatten();
    let length =
        length.and_then(|length| usize::try_from(length).ok()).filter(|length| *length <= PLAIN_LEN_MAX);
    length.ok_or_else(|| RepositoryError::damaged(object, "a compressed block has no sensible length"))
}

fn not_decompressed(object: &str, error: &io::Error) -> RepositoryError {
    RepositoryError::damaged(object, format!("a block does not decompress: {error}"))
}

/// Decompresses what was opened; the length stands in the frame and is bounded.
pub(crate) fn decompress(object: &str, packed: &[u8]) -> Result<Vec<u8>> {
    let length = plain_len(object, packed)?;
    zstd::bulk::decompress(packed, length).map_err(|error| not_decompressed(object, &error))
}

/// Decompresses many blocks one after the other into the same memory.
pub(crate) struct Decompressor {
    context: zstd::bulk::Decompressor<'static>,
    plain: Vec<u8>,
}

impl Decompressor {
    pub(crate) fn new() -> Self {
        Self { context: zstd::bulk::Decompressor::default(), plain: Vec::new() }
    }

    /// As [`decompress`]. The bytes stand until the next call.
    pub(crate) fn decompress(&mut self, object: &str, packed: &[u8]) -> Result<&[u8]> {
        let length = plain_len(object, packed)?;
        self.plain.clear();
        self.plain.reserve(length);
        self.context
            .decompress_to_buffer(packed, &mut self.plain)
            .map_err(|error| not_decompressed(object, &error))?;
        Ok(&self.plain)
    }
}

/// Names the object of which a block does not open, or whose header tells of a data key that is not there: one of the
/// two is damaged then.
pub(crate) fn opening(object: &str, error: RepositoryError) -> RepositoryError {
    match error {
        RepositoryError::Key(KeyError::DoesNotOpen) => {
            RepositoryError::damaged(object, "a sealed block does not open")
        }
        RepositoryError::Missing { object: key } => RepositoryError::damaged(
            object,
            format!("its header names the data key `{key}`, which is not there"),
        ),
        other => other,
    }
}

/// Seals a whole small object: header, then one compressed block.
pub(crate) async fn seal_whole(
    keyring: &Arc<Keyring>,
    data_key: DataKeyId,
    purpose: ObjectPurpose,
    salt: Salt,
    aad_name: &str,
    plain: &[u8],
) -> Result<Vec<u8>> {
    let key = ObjectKey::new(Arc::clone(keyring), data_key, purpose, salt);
    let aad = ObjectAad::new(&keyring.scope.tenant, &keyring.scope.connection, aad_name);
    let mut text = compress(plain, LEVEL).map_err(|error| too_long(aad_name, error))?;
    key.seal(LAST_BLOCK, &aad.block(LAST_BLOCK, 0), &mut text).await?;
    let mut out = header(purpose, data_key, &salt);
    out.append(&mut text);
    Ok(out)
}

/// Opens a whole small object.
pub(crate) async fn open_whole(
    keyring: &Arc<Keyring>,
    purpose: ObjectPurpose,
    object: &str,
    aad_name: &str,
    bytes: &[u8],
) -> Result<Vec<u8>> {
    let (data_key, salt) = read_header(object, bytes, purpose)?;
    let key = ObjectKey::new(Arc::clone(keyring), data_key, purpose, salt);
    let aad = ObjectAad::new(&keyring.scope.tenant, &keyring.scope.connection, aad_name);
    let mut text = bytes.get(HEADER_LEN..).unwrap_or_default().to_vec();
    let opened = key.open(LAST_BLOCK, &aad.block(LAST_BLOCK, 0), &mut text).await;
    opened.map_err(|error| opening(object, error))?;
    decompress(object, &text)
}

/// Reads and opens a whole small object.
pub(crate) async fn read_whole(
    keyring: &Arc<Keyring>,
    area: &Area,
    purpose: ObjectPurpose,
    name: &str,
    aad_name: &str,
) -> Result<Vec<u8>> {
    let bytes = area.get(name).await?;
    open_whole(keyring, purpose, &area.full(name), aad_name, &bytes).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_compressed_by_turns_decompresses() {
        let plain: Vec<u8> =
            (0..40_000_u32).flat_map(|n| format!("record {}, ", n % 777).into_bytes()).collect();
        let mut packed = vec![7; 3];
        for effort in [Effort::Quick, Effort::Level(6), Effort::Quick, Effort::Level(3)] {
            compress_into(&plain, effort, &mut packed).unwrap();
            assert_eq!(decompress("an object", &packed).unwrap(), plain, "{effort:?}");
            let alone = std::thread::scope(|scope| {
                let alone = scope.spawn(|| {
                    let mut alone = Vec::new();
                    compress_into(&plain, effort, &mut alone).unwrap();
                    alone
                });
                alone.join().unwrap()
            });
            assert_eq!(packed, alone, "{effort:?} is the same after another");
        }
    }

    #[test]
    fn what_no_reader_would_take_is_not_compressed() {
        let error = compress(&vec![0; PLAIN_LEN_MAX + 1], 1).unwrap_err();
        assert!(
            matches!(&error, RepositoryError::Input(text) if text.contains("268435457 bytes")),
            "{error}"
        );
        let named = too_long("pack/1", error).to_string();
        assert!(named.starts_with("`pack/1` cannot be written"), "{named}");
        let text = vec![0; 1_000_000];
        assert_eq!(decompress("pack/1", &compress(&text, 1).unwrap()).unwrap(), text);
    }
}
