//! Shopify's own schema, as its developers' tools bring it.

use std::io::Read as _;
use std::path::PathBuf;
use std::sync::OnceLock;

use apollo_compiler::validation::Valid;
use apollo_compiler::{ExecutableDocument, Schema};

const NAME: &str = "admin-schema.2026-10.graphql.gz";

fn schema_file() -> PathBuf {
    if let Some(file) = std::env::var_os("SHOPIFY_SCHEMA") {
        return file.into();
    }
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let places = [root.join("../shared/data/shopify").join(NAME), root.join(".cache").join(NAME)];
    places.iter().find(|place| place.exists()).cloned().unwrap_or_else(|| {
        panic!("Shopify's schema is needed for this test: put {NAME} into .cache/, or name a file in SHOPIFY_SCHEMA")
    })
}

/// The schema of version 2026-10.
pub(crate) fn schema() -> &'static Valid<Schema> {
    static SCHEMA: OnceLock<Valid<Schema>> = OnceLock::new();
    SCHEMA.get_or_init(|| {
        let file = schema_file();
        let bytes = std::fs::read(&file).unwrap();
        let mut text = String::from("directive @oneOf on INPUT_OBJECT\n");
        if bytes.starts_with(&[0x1f, 0x8b]) {
            flate2::read::GzDecoder::new(bytes.as_slice()).read_to_string(&mut text).unwrap();
        } else {
            text.push_str(std::str::from_utf8(&bytes).unwrap());
        }
        Schema::parse_and_validate(text, file).unwrap()
    })
}

/// Whether a document is valid.
pub(crate) fn check(document: &str) -> Result<(), String> {
    let parsed = ExecutableDocument::parse_and_validate(schema(), document, "document.graphql");
    parsed.map(drop).map_err(|errors| errors.to_string())
}

#[test]
fn right_and_wrong_are_told_apart() {
    assert_eq!(check("{ products(first: 1) { nodes { title } } }"), Ok(()));
    assert!(check("{ products(first: 1) { nodes { titel } } }").unwrap_err().contains("titel"));
}
