//! The entry points on the corpus of `fuzz/`, and on seeded mutations of it.

use corpus::{Target, replay};

use super::{key, policy_record, policy_texts};
use crate::policies::Policies;
use crate::proof::{Digests, Record, Solver};
use crate::{examples, invariants};

fn records() -> Vec<Vec<u8>> {
    let empty = Policies::new(Vec::new()).unwrap();
    let solver = Solver { name: "cvc5 1.4.2".to_owned(), digest: "00".repeat(32) };
    let digests = Digests::new(&empty, invariants::BUILT_IN);
    let record = Record { digests, solver, proven: vec!["one-platform".to_owned()] };
    let reviewer = key().reviewer().unwrap();
    vec![record.sign(&key()).unwrap().into_bytes(), reviewer.to_string().into_bytes()]
}

fn texts() -> Vec<Vec<u8>> {
    let built_in = Policies::built_in().unwrap();
    let files = built_in.sources().iter().map(|source| source.text.clone().into_bytes());
    // One line of the examples is enough.
    let line = examples::BUILT_IN.lines().nth(1).unwrap().trim_end_matches(',');
    files.chain([format!("[{line}]").into_bytes(), invariants::BUILT_IN.as_bytes().to_vec()]).collect()
}

#[test]
fn whatever_is_read_is_read_or_refused() {
    let target = |name, run, seeds, mutations| Target { name, run, seeds, mutations };
    replay(&[
        target("policy_record", policy_record, records, 2_000),
        target("policy_texts", policy_texts, texts, 100),
    ])
    .unwrap();
}
