//! Which platforms there are.

use crate::contract::{Ear, Fault, KindSpec, Settings, Store};
use crate::import_file::ImportFile;
use crate::platforms::{bigcommerce, shopify};

/// Makes an ear of a credential's bytes.
pub type EarOf = fn(&[u8]) -> Result<Option<Box<dyn Ear>>, Fault>;

/// A platform that stores can be connected of.
#[derive(Debug)]
pub struct PlatformSpec {
    /// Its name in commands, paths and keys.
    pub name: &'static str,
    /// What people call it.
    pub title: &'static str,
    /// The API version that its connector speaks.
    pub api_version: &'static str,
    /// Its kinds, in the order of backup.
    pub kinds: &'static [KindSpec],
    /// Files that its own import takes.
    pub import_files: &'static [ImportFile],
    /// The kind that describes the store itself, and where that says what people call it.
    pub itself: (&'static str, &'static str),
    /// Opens a store.
    pub open: fn(Settings) -> Result<Box<dyn Store>, Fault>,
    /// By what a credential holds, what the platform says is known from what others say. `None` where it holds nothing for
    /// that.
    pub ear: EarOf,
}

/// All platforms.
pub static PLATFORMS: &[PlatformSpec] = &[
    PlatformSpec {
        name: "shopify",
        title: "Shopify",
        api_version: shopify::API_VERSION,
        kinds: shopify::KINDS,
        import_files: shopify::IMPORT_FILES,
        itself: ("shop", "/myshopifyDomain"),
        open: shopify::open,
        ear: shopify::ear,
    },
    PlatformSpec {
        name: "bigcommerce",
        title: "BigCommerce",
        api_version: bigcommerce::API_VERSION,
        kinds: bigcommerce::KINDS,
        import_files: &[],
        itself: ("store", "/domain"),
        open: bigcommerce::open,
        ear: bigcommerce::ear,
    },
];

/// The platform, as far as it is one, of connections that take their records from files.
pub const FILES: &str = "jsonl";

/// The names of all that connections can be of: those that are spoken to, and files.
pub fn names() -> impl Iterator<Item = &'static str> {
    PLATFORMS.iter().map(|platform| platform.name).chain([FILES])
}

/// The platform of that name.
#[must_use]
pub fn platform(name: &str) -> Option<&'static PlatformSpec> {
    PLATFORMS.iter().find(|platform| platform.name == name)
}
