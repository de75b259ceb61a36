//! The same data through the bare parts: what reading, checking, hashing, compressing, sealing and writing cost by
//! themselves, on one thread. How far a machine is from the one that the targets were set on shows here, and so
//! does what the program costs beyond its parts.

use std::fs::File;
use std::hint::black_box;
use std::io::{Read as _, Write as _};
use std::path::Path;

use anyhow::{Context as _, anyhow};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use zstd::bulk::Compressor;
use zstd::zstd_safe::CParameter;

/// As the store has its blocks.
const BLOCK_LEN: usize = 2 * 1024 * 1024;
/// As the blocks were with which the targets were set.
const SMALL_BLOCK_LEN: usize = 256 * 1024;
const SMALL_BLOCK_LEVEL: i32 = 3;
/// What zstd on small blocks and the hash took together on the machine that the targets were set on.
const TARGETS_MACHINE_MS: f64 = 1_180.0 + 310.0;

/// Milliseconds of processor time.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Parts {
    pub(crate) read: f64,
    /// Finding lines' ends, and checking UTF-8.
    pub(crate) lines: f64,
    /// `serde_json`, building nothing.
    pub(crate) json: f64,
    /// HMAC-SHA-256, a line at a time.
    pub(crate) hash: f64,
    /// zstd as the store has it.
    pub(crate) zstd: f64,
    /// AES-256-GCM of what zstd made.
    pub(crate) seal: f64,
    /// Writing and syncing that.
    pub(crate) write: f64,
    /// zstd, level 3, in blocks of 256 KiB: no part of the sum.
    pub(crate) zstd_small: f64,
    /// Bytes that zstd made.
    pub(crate) packed_bytes: f64,
}

impl Parts {
    /// Of a first ingest.
    pub(crate) fn sum(&self) -> f64 {
        self.read + self.lines + self.json + self.hash + self.zstd + self.seal + self.write
    }

    /// Of a second one, in which nearly nothing is new: it is read and hashed.
    pub(crate) fn sum_unchanged(&self) -> f64 {
        self.read + self.lines + self.hash
    }

    /// How much longer this machine takes than the one that the targets were set on.
    pub(crate) fn slower(&self) -> f64 {
        (self.zstd_small + self.hash) / TARGETS_MACHINE_MS
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "read_ms": self.read, "lines_ms": self.lines, "json_ms": self.json, "hash_ms": self.hash,
            "zstd_ms": self.zstd, "seal_ms": self.seal, "write_ms": self.write,
            "zstd_small_blocks_ms": self.zstd_small, "packed_bytes": self.packed_bytes,
        })
    }
}

/// Milliseconds that this thread has run.
fn thread_ms() -> f64 {
    let usage = getrusage(UsageWho::RUSAGE_THREAD).ok();
    let micros = usage.map(|u| u.user_time().num_microseconds() + u.system_time().num_microseconds());
    #[expect(clippy::cast_precision_loss, reason = "microseconds of one run")]
    let micros = micros.unwrap_or_default() as f64;
    micros / 1_000.0
}

/// Adds what a step takes to `sum`.
fn timed<T>(sum: &mut f64, step: impl FnOnce() -> T) -> T {
    let before = thread_ms();
    let done = step();
    *sum += thread_ms() - before;
    done
}

/// Reads a file of JSON lines; what is written goes to `scratch`, and is deleted.
pub(crate) fn measure(file: &Path, scratch: &Path) -> anyhow::Result<Parts> {
    let mut parts = Parts::default();
    let mut input = File::open(file).with_context(|| format!("could not read `{}`", file.display()))?;
    let packed_path = scratch.join("packed");
    let mut output = File::create(&packed_path)?;
    let hash_key = hmac::Key::new(hmac::HMAC_SHA256, &[7; 32]);
    let failed = || anyhow!("the machine's cryptography failed");
    let seal_key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[7; 32]).map_err(|_| failed())?);
    let mut zstd = Compressor::new(1)?;
    zstd.set_parameter(CParameter::HashLog(14))?;
    zstd.set_parameter(CParameter::MinMatch(6))?;
    let mut zstd_small = Compressor::new(SMALL_BLOCK_LEVEL)?;
    let mut packed = Vec::with_capacity(BLOCK_LEN * 2);
    let mut text: Vec<u8> = Vec::new();
    let mut buffer = vec![0; BLOCK_LEN];
    let mut number = 0_u64;
    loop {
        let read = timed(&mut parts.read, || input.read(&mut buffer))?;
        text.extend_from_slice(buffer.get(..read).unwrap_or_default());
        let end = text.iter().rposition(|byte| *byte == b'\n').map_or(text.len(), |at| at + 1);
        let rest = text.split_off(end);
        if text.is_empty() {
            break;
        }
        let lines: Vec<&str> =
            timed(&mut parts.lines, || std::str::from_utf8(&text).map(|text| text.lines().collect()))?;
        timed(&mut parts.json, || {
            lines.iter().try_for_each(|line| serde_json::from_str::<IgnoredAny>(line).map(drop))
        })?;
        timed(&mut parts.hash, || {
            lines.iter().for_each(|line| {
                black_box(hmac::sign(&hash_key, line.as_bytes()));
            });
        });
        packed.clear();
        timed(&mut parts.zstd_small, || {
            text.chunks(SMALL_BLOCK_LEN).try_for_each(|block| {
                packed.clear();
                zstd_small.compress_to_buffer(block, &mut packed).map(drop)
            })
        })?;
        packed.clear();
        timed(&mut parts.zstd, || zstd.compress_to_buffer(&text, &mut packed))?;
        let mut nonce = [0; 12];
        nonce[4..].copy_from_slice(&number.to_be_bytes());
        number += 1;
        let nonce = Nonce::assume_unique_for_key(nonce);
        timed(&mut parts.seal, || seal_key.seal_in_place_append_tag(nonce, Aad::empty(), &mut packed))
            .map_err(|_| failed())?;
        #[expect(clippy::cast_precision_loss, reason = "bytes of one block")]
        let packed_bytes = packed.len() as f64;
        parts.packed_bytes += packed_bytes;
        timed(&mut parts.write, || output.write_all(&packed))?;
        text = rest;
    }
    timed(&mut parts.write, || output.sync_all())?;
    std::fs::remove_file(packed_path)?;
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_measured_and_a_broken_line_refused() {
        let dir = std::env::temp_dir().join(format!("bench-parts-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let file = dir.join("lines");
        let line = "{\"id\":\"a product\",\"title\":\"Tea\",\"list\":[1,2,3]}\n";
        std::fs::write(&file, line.repeat(100_000)).unwrap();
        let parts = measure(&file, &dir).unwrap();
        std::fs::write(&file, "{\"id\":1}\n{\"id\"\n").unwrap();
        assert!(measure(&file, &dir).is_err(), "a broken line is no measure");
        std::fs::remove_dir_all(&dir).unwrap();
        assert!(parts.packed_bytes > 0.0 && parts.packed_bytes < 1e6, "{parts:?}");
        // Not of each: the system may count a short step as none.
        assert!(parts.json + parts.hash > 0.0, "{parts:?}");
        assert!(parts.sum() >= parts.sum_unchanged());
    }
}
