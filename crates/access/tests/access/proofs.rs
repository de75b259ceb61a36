//! Records of proofs: which count, and which do not.

use access::Policies;
use access::invariants;
use access::policies::Source;
use access::proof::{self, Digests, ProofError, Record, Reviewer, ReviewerKey, Solver};

fn key(name: &str, seed: u8) -> ReviewerKey {
    ReviewerKey::read(&format!("{name} {}\n", format!("{seed:02x}").repeat(32))).unwrap()
}

fn invariants_of(policies: &Policies) -> Vec<invariants::Invariant> {
    invariants::read(invariants::BUILT_IN, policies.schema()).unwrap()
}

fn record(policies: &Policies) -> Record {
    Record {
        digests: Digests::new(policies, invariants::BUILT_IN),
        solver: Solver { name: "cvc5 1.4.2".to_owned(), digest: "00".repeat(32) },
        proven: invariants_of(policies).into_iter().map(|one| one.name).collect(),
    }
}

#[test]
fn the_built_in_policies_come_with_the_record_of_their_proof() {
    let policies = Policies::built_in().unwrap();
    let (record, reviewer) = proof::vouched(&policies, proof::BUILT_IN).unwrap().unwrap();
    assert_eq!(
        record.digests,
        Digests::new(&policies, invariants::BUILT_IN),
        "prove them anew, and sign that"
    );
    assert!(record.solver.name.starts_with("cvc5 "), "{}", record.solver.name);
    assert!(!reviewer.name().is_empty());
}

#[test]
fn a_letter_more_in_any_file_asks_for_a_new_proof() {
    let policies = Policies::built_in().unwrap();
    for turn in 0..policies.sources().len() {
        let mut sources = policies.sources().to_vec();
        sources[turn].text.push('\n');
        let changed = Policies::new(sources).unwrap();
        assert_eq!(proof::vouched(&changed, proof::BUILT_IN).unwrap(), Err(ProofError::Other("policies")));
    }
    // What stands in one file does not prove the same in another, nor less.
    let mut sources = policies.sources().to_vec();
    sources[0].file.insert(0, 'x');
    let renamed = Policies::new(sources).unwrap();
    assert_eq!(proof::vouched(&renamed, proof::BUILT_IN).unwrap(), Err(ProofError::Other("policies")));
    let fewer = policies.without("owners").unwrap();
    assert_eq!(proof::vouched(&fewer, proof::BUILT_IN).unwrap(), Err(ProofError::Other("policies")));
    assert!(proof::vouched(&policies, proof::BUILT_IN).unwrap().is_ok());
}

#[test]
fn a_record_counts_if_somebody_known_has_signed_it() {
    let policies = Policies::new(vec![Source { file: "own.cedar".to_owned(), text: String::new() }]).unwrap();
    let (anna, boris) = (key("anna", 1), key("boris", 2));
    let known = [anna.reviewer().unwrap()];
    let record = record(&policies);
    let signed = record.sign(&anna).unwrap();
    let (read, reviewer) = Record::open(&signed, &known).unwrap();
    assert_eq!((&read, reviewer), (&record, &known[0]));
    read.proves(&policies, invariants::BUILT_IN, &invariants_of(&policies)).unwrap();

    let by_other = record.sign(&boris).unwrap();
    assert_eq!(Record::open(&by_other, &known), Err(ProofError::Unsigned));
    let by_namesake = record.sign(&key("anna", 3)).unwrap();
    assert_eq!(Record::open(&by_namesake, &known), Err(ProofError::Unsigned));
    assert_eq!(Record::open(&signed, &[]), Err(ProofError::Unsigned));
    // Caretaker knows neither of the two.
    assert_eq!(proof::vouched(&policies, &signed).unwrap(), Err(ProofError::Unsigned));
}

#[test]
fn no_letter_of_a_record_can_be_changed() {
    let policies = Policies::built_in().unwrap();
    let anna = key("anna", 1);
    let known = [anna.reviewer().unwrap()];
    let signed = record(&policies).sign(&anna).unwrap();
    for at in 0..signed.len() {
        let mut bytes = signed.clone().into_bytes();
        bytes[at] ^= 1;
        let Ok(text) = String::from_utf8(bytes) else { continue };
        assert!(Record::open(&text, &known).is_err(), "byte {at}");
    }
    for end in 0..signed.len() {
        assert!(Record::open(&signed[..end], &known).is_err(), "{end}");
    }
    assert!(Record::open(&format!("{signed}\n"), &known).is_err());
    assert!(Record::open(&signed, &known).is_ok());
}

#[test]
fn a_record_of_something_else_or_of_less_does_not_count() {
    let policies = Policies::built_in().unwrap();
    let all = invariants_of(&policies);
    let whole = record(&policies);
    let check = |record: &Record| record.proves(&policies, invariants::BUILT_IN, &all);
    assert_eq!(check(&whole), Ok(()));
    let other = |change: &dyn Fn(&mut Record)| {
        let mut record = whole.clone();
        change(&mut record);
        check(&record).unwrap_err()
    };
    assert_eq!(other(&|record| record.digests.policies.clear()), ProofError::Other("policies"));
    assert_eq!(other(&|record| record.digests.schema.clear()), ProofError::Other("schema"));
    assert_eq!(other(&|record| record.digests.invariants.clear()), ProofError::Other("invariants"));
    for missing in &all {
        let without = |record: &mut Record| record.proven.retain(|name| *name != missing.name);
        assert_eq!(other(&without), ProofError::Unproven(missing.name.clone()));
    }
}

#[test]
fn what_is_no_key_is_refused() {
    let good = key("anna", 1).reviewer().unwrap();
    assert_eq!(good.to_string().parse(), Ok(good.clone()));
    let text = format!("# somebody\n\n{good}\n");
    assert_eq!(Reviewer::read(&text), Ok(vec![good]));
    for wrong in
        ["anna", "anna 00", " 00", &format!("anna {}", "zz".repeat(32)), &format!("anna {}", "00".repeat(33))]
    {
        assert_eq!(Reviewer::read(wrong), Err(ProofError::Key), "{wrong}");
        assert!(ReviewerKey::read(wrong).is_err(), "{wrong}");
    }
}
