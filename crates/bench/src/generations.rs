//! Two generations of the same shop, as JSON lines in the order of ids: `first.jsonl` and `second.jsonl`.
//!
//! In the second one 2 % of the products are changed, 0.5 % are gone and 0.5 % are new.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::chance::Chance;
use crate::product::Product;
use crate::words::Vocabulary;

/// Of a thousand records.
const CHANGED_PER_MILLE: u64 = 20;
const DELETED_PER_MILLE: u64 = 5;
const ADDED_PER_MILLE: u64 = 5;
/// Raise it whenever the same arguments give other bytes: files of an earlier shape are then written anew.
const SHAPE: u64 = 2;
/// Records that are looked up one by one.
const PROBES: u64 = 8;
const BUFFER_LEN: usize = 1 << 20;

/// A record that changed, to look up: its id, and its lines in both generations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Probe {
    pub(crate) id: u64,
    pub(crate) first: String,
    pub(crate) second: String,
}

/// What was written.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Generations {
    pub(crate) records: u64,
    pub(crate) changed: u64,
    pub(crate) deleted: u64,
    pub(crate) added: u64,
    pub(crate) first_bytes: u64,
    pub(crate) second_bytes: u64,
    /// Sizes of the first generation's lines: smallest, median, 95 of 100, largest.
    pub(crate) sizes: [u32; 4],
    pub(crate) probes: Vec<Probe>,
}

/// Where the files of a folder lie.
pub(crate) fn first(dir: &Path) -> PathBuf {
    dir.join("first.jsonl")
}

pub(crate) fn second(dir: &Path) -> PathBuf {
    dir.join("second.jsonl")
}

enum Fate {
    Changed,
    Deleted,
}

/// Exactly as many as the shares say, drawn without putting back.
fn fates(records: u64, seed: u64) -> BTreeMap<u64, Fate> {
    let mut chance = Chance::stream(seed, u64::MAX);
    let mut fates = BTreeMap::new();
    let (changed, deleted) = (records * CHANGED_PER_MILLE / 1_000, records * DELETED_PER_MILLE / 1_000);
    while (fates.len() as u64) < changed + deleted {
        let fate = if (fates.len() as u64) < changed { Fate::Changed } else { Fate::Deleted };
        fates.entry(chance.below(records)).or_insert(fate);
    }
    fates
}

/// Writes both generations to these two places.
pub(crate) fn generate(
    records: u64,
    seed: u64,
    mut first: impl Write,
    mut second: impl Write,
) -> std::io::Result<Generations> {
    let words = Vocabulary::new(seed);
    let fates = fates(records, seed);
    let mut done =
        Generations { records, added: records * ADDED_PER_MILLE / 1_000, ..Generations::default() };
    let mut sizes = Vec::new();
    let mut line = String::new();
    for number in 0..records + done.added {
        let mut product = Product::new(&words, seed, number);
        line.clear();
        product.write(&mut line);
        let size = line.len();
        line.push('\n');
        if number < records {
            first.write_all(line.as_bytes())?;
            done.first_bytes += line.len() as u64;
            sizes.push(u32::try_from(size).unwrap_or(u32::MAX));
        }
        match fates.get(&number) {
            Some(Fate::Deleted) => {
                done.deleted += 1;
                continue;
            }
            Some(Fate::Changed) => {
                let before = line.trim_end().to_owned();
                product.edit(&words, seed);
                line.clear();
                product.write(&mut line);
                // One out of every so many, from all over the file.
                if done.changed.is_multiple_of((records * CHANGED_PER_MILLE / 1_000 / PROBES).max(1)) {
                    done.probes.push(Probe { id: product.id, first: before, second: line.clone() });
                }
                line.push('\n');
                done.changed += 1;
            }
            None => {}
        }
        second.write_all(line.as_bytes())?;
        done.second_bytes += line.len() as u64;
    }
    first.flush()?;
    second.flush()?;
    sizes.sort_unstable();
    let quantile =
        |percent: usize| sizes.get((sizes.len() * percent / 100).min(sizes.len().saturating_sub(1)));
    done.sizes = [0, 50, 95, 100].map(|percent| quantile(percent).copied().unwrap_or_default());
    Ok(done)
}

/// The generations in `dir`; written where they are not there yet, or were of other arguments.
pub(crate) fn ensure(dir: &Path, records: u64, seed: u64) -> anyhow::Result<Generations> {
    let note = dir.join("generations.json");
    let wanted = json!({ "shape": SHAPE, "records": records, "seed": seed });
    if let Some(there) = std::fs::read(&note).ok().and_then(|text| read_note(&text, &wanted)) {
        let len = |path: PathBuf| std::fs::metadata(path).map_or(0, |meta| meta.len());
        if len(first(dir)) == there.first_bytes && len(second(dir)) == there.second_bytes {
            return Ok(there);
        }
    }
    std::fs::create_dir_all(dir).with_context(|| format!("could not make `{}`", dir.display()))?;
    let create = |path: PathBuf| {
        File::create(&path)
            .map(|file| BufWriter::with_capacity(BUFFER_LEN, file))
            .with_context(|| format!("could not write `{}`", path.display()))
    };
    let done = generate(records, seed, create(first(dir))?, create(second(dir))?)
        .with_context(|| format!("could not write records into `{}`", dir.display()))?;
    std::fs::write(&note, write_note(&done, &wanted).to_string())?;
    Ok(done)
}

fn write_note(done: &Generations, wanted: &Value) -> Value {
    let probes: Vec<_> =
        done.probes.iter().map(|probe| json!([probe.id, probe.first, probe.second])).collect();
    json!({
        "wanted": wanted,
        "counts": [done.records, done.changed, done.deleted, done.added, done.first_bytes, done.second_bytes],
        "sizes": done.sizes,
        "probes": probes,
    })
}

fn read_note(text: &[u8], wanted: &Value) -> Option<Generations> {
    let note: Value = serde_json::from_slice(text).ok()?;
    if note.get("wanted") != Some(wanted) {
        return None;
    }
    let [records, changed, deleted, added, first_bytes, second_bytes] =
        serde_json::from_value(note.get("counts")?.clone()).ok()?;
    let probes: Vec<(u64, String, String)> = serde_json::from_value(note.get("probes")?.clone()).ok()?;
    let probes = probes.into_iter().map(|(id, first, second)| Probe { id, first, second }).collect();
    let sizes = serde_json::from_value(note.get("sizes")?.clone()).ok()?;
    Some(Generations { records, changed, deleted, added, first_bytes, second_bytes, sizes, probes })
}

/// Writes small records, some 300 bytes each, in the order of ids; says how many bytes they were.
pub(crate) fn small_records(records: u64, seed: u64, mut into: impl Write) -> std::io::Result<u64> {
    let words = Vocabulary::new(seed);
    let mut bytes = 0;
    let mut line = String::new();
    for number in 0..records {
        let chance = &mut Chance::stream(seed, number);
        line.clear();
        line.push_str(&format!(
            "{{\"id\":{},\"sku\":\"{}-{:05}\",\"title\":\"{}\",\"price\":\"{}.{:02}\",\"quantity\":{},\"tracked\":{},\"updated_at\":\"2026-{:02}-{:02}T{:02}:{:02}:00Z\",\"note\":\"",
            1_000_000_000 + number * 64 + chance.below(64),
            words.name(chance, 1),
            chance.below(100_000),
            words.name(chance, 3),
            chance.between(1, 400),
            chance.below(100),
            chance.below(1_000),
            chance.percent(80),
            chance.between(1, 12),
            chance.between(1, 28),
            chance.below(24),
            chance.below(60),
        ));
        for _ in 0..2 {
            words.push_sentence(&mut line, chance);
        }
        line.push_str("\"}\n");
        bytes += line.len() as u64;
        into.write_all(line.as_bytes())?;
    }
    into.flush()?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn lines(bytes: &[u8]) -> BTreeMap<u64, Value> {
        let mut found = BTreeMap::new();
        let mut last = 0;
        for line in std::str::from_utf8(bytes).unwrap().lines() {
            let value: Value = serde_json::from_str(line).unwrap();
            let id = value["id"].as_u64().unwrap();
            assert!(id > last, "ids rise");
            last = id;
            found.insert(id, value);
        }
        found
    }

    #[test]
    fn the_second_generation_has_its_shares() {
        let (mut first, mut second) = (Vec::new(), Vec::new());
        let done = generate(4_000, 42, &mut first, &mut second).unwrap();
        let (before, after) = (lines(&first), lines(&second));
        let changed =
            before.iter().filter(|(id, value)| after.get(id).is_some_and(|now| now != *value)).count();
        let deleted = before.keys().filter(|id| !after.contains_key(id)).count();
        let added = after.keys().filter(|id| !before.contains_key(id)).count();
        assert_eq!((before.len(), changed, deleted, added), (4_000, 80, 20, 20));
        assert_eq!((done.changed, done.deleted, done.added), (80, 20, 20));
        assert_eq!((done.first_bytes, done.second_bytes), (first.len() as u64, second.len() as u64));
        assert!(done.probes.len() as u64 >= PROBES, "{}", done.probes.len());
        for probe in &done.probes {
            assert_eq!(before[&probe.id], serde_json::from_str::<Value>(&probe.first).unwrap());
            assert_eq!(after[&probe.id], serde_json::from_str::<Value>(&probe.second).unwrap());
            assert_ne!(probe.first, probe.second);
        }
    }

    #[test]
    fn sizes_have_the_shape_of_a_shop() {
        let done = generate(20_000, 42, std::io::sink(), std::io::sink()).unwrap();
        // Smallest, median, 95 of 100, largest of the data that the targets were set on.
        for (found, wanted) in done.sizes.into_iter().zip([1_265_u32, 2_890, 5_276, 6_894]) {
            let off = (f64::from(found) / f64::from(wanted) - 1.0).abs();
            assert!(off < 0.08, "{:?}", done.sizes);
        }
        let mean = done.first_bytes / done.records;
        assert!((3_000..3_330).contains(&mean), "{mean}");
    }

    #[test]
    fn a_seed_gives_the_same_bytes() {
        let bytes = |seed| {
            let (mut first, mut second) = (Vec::new(), Vec::new());
            generate(300, seed, &mut first, &mut second).unwrap();
            (first, second)
        };
        assert_eq!(bytes(1), bytes(1));
        assert_ne!(bytes(1), bytes(2));
    }

    #[test]
    fn a_note_is_read_as_it_was_written_and_for_its_arguments_alone() {
        let wanted = json!({ "records": 1_000 });
        let done = generate(1_000, 42, std::io::sink(), std::io::sink()).unwrap();
        let note = write_note(&done, &wanted).to_string();
        assert_eq!(read_note(note.as_bytes(), &wanted), Some(done));
        assert_eq!(read_note(note.as_bytes(), &json!({ "records": 2_000 })), None);
    }

    #[test]
    fn small_records_are_small_and_in_order() {
        let mut text = Vec::new();
        let bytes = small_records(2_000, 42, &mut text).unwrap();
        assert_eq!(bytes, text.len() as u64);
        assert_eq!(lines(&text).len(), 2_000);
        assert!((250..350).contains(&(bytes / 2_000)), "{}", bytes / 2_000);
    }
}
