//! Shopify's own schema, as its developers' tools bring it.

use std::io::Read as _;
use std::path::PathBuf;
use std::sync::OnceLock;

use apollo_compiler::Schema;
use apollo_compiler::validation::Valid;

const NAME: &str = "admin-schema.2026-10.graphql.gz";

/// Finds Shopify's schema: where `SHOPIFY_SCHEMA` says, beside the repository, or in its cache.
fn schema_file() -> PathBuf {
    if let Some(file) = std::env::var_os("SHOPIFY_SCHEMA") {
        return file.into();
    }
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let places = [root.join("../shared/data/shopify").join(NAME), root.join(".cache").join(NAME)];
    places.iter().find(|place| place.exists()).cloned().unwrap_or_else(|| {
        panic!(
            "Shopify's schema is needed for this test and not there. Put {NAME} into .cache/ (it is the printed \
             SDL of version 2026-10, as the npm package @shopify/dev-mcp has it), or name a file in SHOPIFY_SCHEMA"
        )
    })
}

/// The schema of version 2026-10.
pub(crate) fn schema() -> &'static Valid<Schema> {
    static SCHEMA: OnceLock<Valid<Schema>> = OnceLock::new();
    SCHEMA.get_or_init(|| {
        let file = schema_file();
        let bytes = std::fs::read(&file).expect("the schema can be read");
        let mut text = String::from("directive @oneOf on INPUT_OBJECT\n");
        if bytes.starts_with(&[0x1f, 0x8b]) {
            flate2::read::GzDecoder::new(bytes.as_slice()).read_to_string(&mut text).expect("gzip");
        } else {
            text.push_str(std::str::from_utf8(&bytes).expect("text"));
        }
        Schema::parse_and_validate(text, file).expect("the schema is valid")
    })
}
