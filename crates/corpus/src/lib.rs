//! Tries the entry points of fuzzing in ordinary tests, without libFuzzer: on the files of `fuzz/corpus/TARGET`, and
//! on seeded mutations of them.
//!
//! An entry point takes any bytes, checks what must hold of them by panicking, and answers whether its parser
//! accepted them. Files named `seed-*` are written by our own code and must be accepted: without that, a parser that
//! refuses everything would pass.

mod mutation;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use mutation::Mutator;

/// Set to anything, the tests write their seeds into the corpus before they read it.
const WRITE: &str = "CARETAKER_WRITE_CORPUS";
/// The seed of the mutations; each target adds its name. Without it, 1.
const SEED: &str = "CARETAKER_SEED";
/// Set to anything, the long tests run at full length.
const SOAK: &str = "CARETAKER_SOAK";
/// So many times more mutations then.
const SOAK_TIMES: u32 = 50;
/// Longest input that is shown whole when a target fails, in bytes.
const SHOWN_LEN_MAX: usize = 4096;

/// One entry point.
pub struct Target {
    /// Its name: that of the fuzz target and of its folder in the corpus.
    pub name: &'static str,
    /// Panics where something does not hold; answers whether the bytes were accepted.
    pub run: fn(&[u8]) -> bool,
    /// Inputs that must be accepted, written by our own code.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// How many mutations an ordinary test run tries.
    pub mutations: u32,
}

/// Runs all targets over their corpus and over mutations of it.
///
/// # Errors
/// The first failure: which target, which seed, and the input as a literal that can be pasted into a test.
pub fn replay(targets: &[Target]) -> Result<(), String> {
    targets.iter().try_for_each(one)
}

fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(name)
}

fn one(target: &Target) -> Result<(), String> {
    let files = files(target)?;
    if !files.iter().any(|(name, _)| name.starts_with("seed-")) {
        return Err(format!("{}: the corpus has no seed; {WRITE}=1 writes them", target.name));
    }
    for (name, bytes) in &files {
        let accepted = attempt(target, bytes, name)?;
        if name.starts_with("seed-") && !accepted {
            return Err(format!("{}: its own parser refuses `{name}`", target.name));
        }
    }
    let inputs: Vec<Vec<u8>> = files.into_iter().map(|(_, bytes)| bytes).collect();
    let seed = std::env::var(SEED).ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    let times = if std::env::var_os(SOAK).is_some() { SOAK_TIMES } else { 1 };
    let mut mutator = Mutator::new(seed, target.name);
    for turn in 0..target.mutations.saturating_mul(times) {
        let input = mutator.next(&inputs);
        attempt(target, &input, &format!("mutation {turn} of {SEED}={seed}"))?;
    }
    Ok(())
}

/// The corpus of a target by file name, in order.
fn files(target: &Target) -> Result<Vec<(String, Vec<u8>)>, String> {
    let folder = folder(target.name);
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    if std::env::var_os(WRITE).is_some() {
        fs::create_dir_all(&folder).map_err(failed)?;
        for (turn, seed) in (target.seeds)().iter().enumerate() {
            fs::write(folder.join(format!("seed-{turn:02}")), seed).map_err(failed)?;
        }
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(&folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        files.push((
            entry.file_name().to_string_lossy().into_owned(),
            fs::read(entry.path()).map_err(failed)?,
        ));
    }
    files.sort();
    Ok(files)
}

fn attempt(target: &Target, input: &[u8], what: &str) -> Result<bool, String> {
    // What a failed attempt leaves behind is not looked at again: the first failure ends the test.
    catch_unwind(AssertUnwindSafe(|| (target.run)(input))).map_err(|_| {
        let shown = input.get(..SHOWN_LEN_MAX).unwrap_or(input);
        format!("{}: fails on {what}, {} bytes: b\"{}\"", target.name, input.len(), shown.escape_ascii())
    })
}
