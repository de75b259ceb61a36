//! A whole log as it lies in a folder: <https://c2sp.org/tlog-tiles>.

use std::fs::File;
use std::io::{self, ErrorKind, Read as _};
use std::path::Path;

use crate::chain::{Chains, Report};
use crate::note::Checkpoint;
use crate::proof::ENTRY_LEN_MAX;
use crate::tree::{Hash, Tree};

/// Hashes in a full tile, and entries in a full bundle.
const WIDTH: u64 = 256;
/// Longest object of a log, in bytes.
const OBJECT_LEN_MAX: usize = 256 * (2 + ENTRY_LEN_MAX);
/// Levels of tiles: a log has fewer than 2^64 entries.
const LEVELS: usize = 8;

/// Reads a file, of a too long one a byte more than that.
///
/// # Errors
/// When it cannot be read. Only then: `None` is a file that is not there.
pub fn read(path: &Path, len_max: usize) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        file => file?,
    };
    let mut bytes = Vec::new();
    file.take(u64::try_from(len_max).unwrap_or(u64::MAX).saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

/// The name of a tile, or of a bundle where the level is `entries`.
fn name(level: &str, index: u64, width: u64) -> String {
    let (mut name, mut above) = (format!("{:03}", index % 1_000), index / 1_000);
    while above > 0 {
        name = format!("x{:03}/{name}", above % 1_000);
        above /= 1_000;
    }
    if width == WIDTH { format!("tile/{level}/{name}") } else { format!("tile/{level}/{name}.p/{width}") }
}

/// A log's objects.
struct Objects<'d>(&'d Path);

impl Objects<'_> {
    /// The first parts of a tile or bundle, of which `split` takes one from the bytes. A log may have outgrown its checkpoint,
    /// and a part of a tile given way to a wider one. `None` where it is missing, or has not the parts that its name says.
    fn parts<T>(
        &self,
        level: &str,
        index: u64,
        width: u64,
        split: impl Fn(&[u8]) -> Option<(T, &[u8])>,
    ) -> io::Result<Option<Vec<T>>> {
        for wide in [width, WIDTH].into_iter().chain(width + 1..WIDTH) {
            let Some(bytes) = read(&self.0.join(name(level, index, wide)), OBJECT_LEN_MAX)? else { continue };
            let (mut parts, mut rest) = (Vec::new(), &bytes[..]);
            for _ in 0..wide {
                let Some((part, behind)) = split(rest) else { return Ok(None) };
                parts.push(part);
                rest = behind;
            }
            parts.truncate(usize::try_from(width).unwrap_or(usize::MAX));
            return Ok(rest.is_empty().then_some(parts));
        }
        Ok(None)
    }

    fn hashes(&self, level: usize, index: u64, width: u64) -> io::Result<Option<Vec<Hash>>> {
        self.parts(&level.to_string(), index, width, hash)
    }

    fn entries(&self, index: u64, width: u64) -> io::Result<Option<Vec<Vec<u8>>>> {
        self.parts("entries", index, width, entry)
    }
}

/// The first hash of a tile's bytes, and what is behind it.
fn hash(bytes: &[u8]) -> Option<(Hash, &[u8])> {
    bytes.split_first_chunk().map(|(hash, rest)| (*hash, rest))
}

/// The first entry of a bundle's bytes, and what is behind it.
pub(crate) fn entry(bytes: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let (len, rest) = bytes.split_first_chunk()?;
    let (entry, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*len)))?;
    Some((entry.to_vec(), rest))
}

/// The tiles that are not full yet, by level, as they follow from the entries.
#[derive(Default)]
struct Rows([Vec<Hash>; LEVELS]);

impl Rows {
    /// Takes the complete trees that an entry has made: every eighth is in a tile.
    fn add(&mut self, made: &[Hash], size: u64, objects: &Objects, report: &mut Report) -> io::Result<()> {
        for ((level, row), hash) in self.0.iter_mut().enumerate().zip(made.iter().step_by(8)) {
            row.push(*hash);
            if row.len() == 256 {
                let held = size >> (8 * level);
                compare(objects, (level, held / WIDTH - 1), row, report)?;
                row.clear();
            }
        }
        Ok(())
    }

    fn end(&self, size: u64, objects: &Objects, report: &mut Report) -> io::Result<()> {
        for (level, row) in self.0.iter().enumerate().filter(|(_, row)| !row.is_empty()) {
            compare(objects, (level, (size >> (8 * level)) / WIDTH), row, report)?;
        }
        Ok(())
    }
}

/// Compares a tile with what it must be. The lowest level is compared with its entries already.
fn compare(
    objects: &Objects,
    (level, index): (usize, u64),
    row: &[Hash],
    report: &mut Report,
) -> io::Result<()> {
    let width = u64::try_from(row.len()).unwrap_or(u64::MAX);
    if level > 0 && objects.hashes(level, index, width)?.as_deref() != Some(row) {
        let name = name(&level.to_string(), index, width);
        report.findings.tell(format!("`{name}` is missing, or does not follow from the tiles below it"));
    }
    Ok(())
}

/// Reads a whole log and compares: each entry with its hash, each tile with those below it, the root with the checkpoint and
/// with the one that was kept, each event with the one before of its source.
///
/// # Errors
/// When a file cannot be read: nothing is known then. One that is not there is a finding.
pub fn verify(folder: &Path, checkpoint: &Checkpoint, kept: Option<&Checkpoint>) -> io::Result<Report> {
    let (objects, mut tree, mut rows) = (Objects(folder), Tree::default(), Rows::default());
    let (mut chains, mut report) = (Chains::default(), Report::default());
    let Checkpoint { size, root } = *checkpoint;
    if let Some(kept) = kept.filter(|kept| kept.size > size) {
        let kept = kept.size;
        report.findings.tell(format!("the log was cut off: it has {size} events, and had {kept}"));
    }
    compare_kept(&tree, kept, &mut report);
    while tree.size() < size {
        let first = tree.size();
        let (index, width) = (first / WIDTH, (size - first).min(WIDTH));
        let hashes = objects.hashes(0, index, width)?;
        if hashes.is_none() {
            report.findings.tell(format!("`{}` is missing or damaged", name("0", index, width)));
        }
        let entries = objects.entries(index, width)?;
        let made: Vec<Hash> = match (entries, hashes) {
            (Some(entries), hashes) => entries
                .iter()
                .zip(first..)
                .map(|(entry, index)| {
                    chains.follow(index, entry, &mut report);
                    let own = crate::tree::leaf(entry);
                    let at = usize::try_from(index - first).unwrap_or(usize::MAX);
                    if hashes.as_ref().is_some_and(|hashes| hashes.get(at) != Some(&own)) {
                        report.findings.tell(format!("event {index}: it is not the one that was hashed"));
                    }
                    own
                })
                .collect(),
            (None, hashes) => {
                let name = name("entries", index, width);
                report.findings.tell(format!("`{name}` is missing or damaged, and {width} events with it"));
                // What is behind them can be checked as long as their hashes are there.
                let Some(hashes) = hashes else { return Ok(report) };
                hashes
            }
        };
        for hash in made {
            let made = tree.add(hash);
            rows.add(&made, tree.size(), &objects, &mut report)?;
            compare_kept(&tree, kept, &mut report);
        }
    }
    rows.end(size, &objects, &mut report)?;
    if tree.root() != root {
        report.findings.tell("the events are not those that the checkpoint was signed for".to_owned());
    }
    Ok(report)
}

/// Compares the tree, where it is as long as what was kept.
fn compare_kept(tree: &Tree, kept: Option<&Checkpoint>, report: &mut Report) {
    if let Some(kept) = kept.filter(|kept| kept.size == tree.size() && kept.root != tree.root()) {
        let size = kept.size;
        report
            .findings
            .tell(format!("the log was rewritten: its first {size} events are not those that were kept"));
    }
}
