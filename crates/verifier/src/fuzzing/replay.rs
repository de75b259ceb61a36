//! The entry point on the corpus of `fuzz/`, and on seeded mutations of it.

use corpus::{Target, replay};
use trail::builder::Log;
use trail::checkpoint::Checkpoint;
use trail::note::{Scheme, Signer};

use super::{FIRST, LOG, WITNESS, verifier_texts};

#[test]
fn whatever_is_read_is_read_or_refused() {
    let target = Target { name: "verifier_texts", run: verifier_texts, seeds, mutations: 2_000 };
    replay(&[target]).unwrap();
}

/// Each text of a log of two events, and what it is made of.
fn seeds() -> Vec<Vec<u8>> {
    let [log, witness] =
        [("log.example", Scheme::Own, [1; 32]), ("witness.example", Scheme::Cosignature, [2; 32])]
            .map(|(name, scheme, seed)| Signer::from_seed(name, scheme, &seed).unwrap());
    assert_eq!([log.verifier(), witness.verifier()].map(ToString::to_string), [LOG, WITNESS]);
    let second = br#"{"metadata":{"log_name":"cell","sequence":1},"time":2,"unmapped":{"began_anew":true}}"#;
    let mut grown = Log::default();
    grown.append([FIRST, &second[..]]).unwrap();
    let checkpoint = Checkpoint { origin: "log.example".to_owned(), size: 2, root: grown.root() };
    let note = witness.add(&log.sign(&checkpoint.to_string(), 0).unwrap(), 1_795_521_600).unwrap();
    let (first, second_hash) = (trail::tree::leaf(FIRST), trail::tree::leaf(second));
    let texts = [
        note.clone(),
        trail::proof::included(1, second, &[first], &note),
        trail::proof::grown(1, &[second_hash], &note),
        LOG.to_owned(),
        WITNESS.to_owned(),
    ];
    let bundle = [&[0, u8::try_from(second.len()).unwrap()], &second[..]].concat();
    texts.map(String::into_bytes).into_iter().chain([FIRST.to_vec(), bundle]).collect()
}
