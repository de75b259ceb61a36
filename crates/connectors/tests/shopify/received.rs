//! Every document that practice stores were sent is valid by Shopify's own schema, whoever sent it.
//!
//! `scripts/run-tests` has the stores of all suites write down what they receive, and runs this once more at its
//! end with the directory's name in `CARETAKER_RECEIVED`. By itself it looks at what one reading of a store sends.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use apollo_compiler::ExecutableDocument;
use connectors::platforms::shopify::documents;
use sandbox::shopify::Settings;

use crate::official::schema;
use crate::practice::{Practice, fetch, requests};

/// Names the directory in which the documents of all suites lie.
const RECEIVED: &str = "CARETAKER_RECEIVED";
/// The first line of a document that a test of the practice store has got wrong on purpose.
const ON_PURPOSE: &str = "# wrong on purpose\n";

/// What was found in a directory of documents.
#[derive(Debug, Default)]
struct Found {
    /// The connector's own documents, by name.
    ours: BTreeSet<&'static str>,
    /// Documents that tests sent by hand.
    others: usize,
    on_purpose: usize,
    /// Documents that are not valid, with what is wrong.
    wrong: Vec<String>,
}

fn look(directory: &Path) -> Found {
    let ours: BTreeMap<&str, &str> = documents().map(|document| (document.text, document.name)).collect();
    let mut found = Found::default();
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|end| end == "graphql"));
    files.sort();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        if text.starts_with(ON_PURPOSE) {
            found.on_purpose += 1;
            continue;
        }
        match ours.get(text.as_str()) {
            Some(name) => drop(found.ours.insert(name)),
            None => found.others += 1,
        }
        if let Err(errors) = ExecutableDocument::parse_and_validate(schema(), &text, &file) {
            found.wrong.push(format!("{}: {errors}\n{text}", file.display()));
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn every_document_that_was_received_is_valid() {
    let scratch = tempfile::tempdir().unwrap();
    let directory = std::env::var_os(RECEIVED).map(PathBuf::from);
    let directory = directory.unwrap_or_else(|| scratch.path().to_path_buf());
    let settings = Settings { record_documents: Some(directory.clone()), ..Settings::default() };
    if directory == scratch.path() {
        let practice = Practice::start(settings).await;
        fetch(practice.open().as_ref(), requests(&[], None)).await.unwrap();
    }
    let found = look(&directory);
    let all: BTreeSet<&str> = documents().map(|document| document.name).collect();
    let Found { ours, others, on_purpose, wrong } = &found;
    println!("received: {} of the connector's {} documents", ours.len(), all.len());
    println!("{others} of tests, {on_purpose} more that are wrong on purpose");
    println!("never sent: {:?}", all.difference(ours).collect::<Vec<_>>());
    assert!(wrong.is_empty(), "{} are not valid\n{}", wrong.len(), wrong.join("\n"));
    assert!(ours.len() > 20, "hardly anything was received: {ours:?}");
}

#[test]
fn a_wrong_document_among_them_is_found() {
    let directory = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
    put("right.graphql", "{ products(first: 1) { nodes { title } } }");
    put("wrong.graphql", "{ products(first: 1) { nodes { titel } } }");
    put("meant.graphql", "# wrong on purpose\n{ nothing }");
    put("half.1-2", "{ prod");
    let own = documents().next().unwrap();
    put("own.graphql", own.text);
    let found = look(directory.path());
    assert_eq!((found.ours.len(), found.others, found.on_purpose), (1, 2, 1));
    assert!(found.wrong.len() == 1 && found.wrong[0].contains("titel"), "{:?}", found.wrong);
}
