//! The stores on which the suite runs.

use std::collections::HashMap;
use std::io::Write as _;
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::memory::InMemory;
use repository::{StoreCredentials, StoreOptions, make_store, open_store};

use crate::bucket;

/// A kind of store, and what it is known to keep.
pub(crate) struct Target {
    pub(crate) name: &'static str,
    /// Of twenty who create one name exactly one wins. `None` where that is luck: the server looks, and then writes.
    pub(crate) create_if_absent: Option<bool>,
    /// What is overwritten or deleted can still be read, by its version.
    pub(crate) keeps_versions: bool,
    /// What was written cannot be destroyed for a while.
    pub(crate) locks: bool,
    place: Place,
}

enum Place {
    Directory(tempfile::TempDir),
    Memory,
    Bucket { server: Server, bucket: String },
}

/// An S3 server that somebody started.
pub(crate) struct Server {
    pub(crate) endpoint: String,
    access_key: String,
    secret_key: String,
}

impl Server {
    /// Where a server is, by a variable of the environment; `None` where nobody started it.
    fn find(variable: &str) -> Option<Self> {
        let Ok(told) = std::env::var(variable) else {
            eprintln!("skipped: {variable} is not set; `make test` starts the server");
            return None;
        };
        let mut told: HashMap<_, _> =
            told.split_whitespace().filter_map(|pair| pair.split_once('=')).collect();
        let mut take =
            |name: &str| told.remove(name).unwrap_or_else(|| panic!("{variable} has no {name}")).to_owned();
        Some(Self {
            endpoint: take("endpoint"),
            access_key: take("access_key"),
            secret_key: take("secret_key"),
        })
    }

    pub(crate) fn options(&self) -> StoreOptions {
        let credentials = StoreCredentials {
            access_key: self.access_key.clone(),
            secret_key: self.secret_key.clone().into(),
            session_token: None,
        };
        StoreOptions { credentials: Some(credentials), ..StoreOptions::default() }
    }
}

impl Target {
    pub(crate) async fn directory() -> Option<Self> {
        let place = Place::Directory(tempfile::tempdir().unwrap());
        Some(Self {
            name: "directory",
            create_if_absent: Some(true),
            keeps_versions: false,
            locks: false,
            place,
        })
    }

    pub(crate) async fn memory() -> Option<Self> {
        let place = Place::Memory;
        Some(Self {
            name: "memory",
            create_if_absent: Some(true),
            keeps_versions: false,
            locks: false,
            place,
        })
    }

    /// Ceph's gateway: creates once, in a bucket without versions.
    pub(crate) async fn ceph() -> Option<Self> {
        let server = Server::find("CARETAKER_TEST_CEPH")?;
        let place = Place::Bucket { bucket: bucket::make(&server, false).await, server };
        Some(Self { name: "ceph", create_if_absent: Some(true), keeps_versions: false, locks: false, place })
    }

    pub(crate) async fn moto() -> Option<Self> {
        let server = Server::find("CARETAKER_TEST_MOTO")?;
        let place = Place::Bucket { bucket: bucket::make(&server, false).await, server };
        Some(Self { name: "moto", create_if_absent: None, keeps_versions: false, locks: false, place })
    }

    /// A bucket under object lock: versions, and a retention for whatever is written.
    pub(crate) async fn moto_with_lock() -> Option<Self> {
        let server = Server::find("CARETAKER_TEST_MOTO")?;
        let place = Place::Bucket { bucket: bucket::make(&server, true).await, server };
        Some(Self { name: "moto-lock", create_if_absent: None, keeps_versions: true, locks: true, place })
    }

    /// The store's URL below a prefix of its own.
    pub(crate) fn url(&self, prefix: &str) -> (String, StoreOptions) {
        match &self.place {
            Place::Directory(dir) => {
                (dir.path().join(prefix).to_str().unwrap().to_owned(), StoreOptions::default())
            }
            Place::Memory => panic!("memory has no URL"),
            Place::Bucket { server, bucket } => (
                format!("s3://{bucket}/{prefix}?endpoint={}&region=us-east-1", server.endpoint),
                server.options(),
            ),
        }
    }

    pub(crate) fn has_url(&self) -> bool {
        !matches!(self.place, Place::Memory)
    }

    /// A new store, empty at first.
    pub(crate) fn make(&self, prefix: &str) -> Arc<dyn ObjectStore> {
        if !self.has_url() {
            return Arc::new(InMemory::new());
        }
        let (url, options) = self.url(prefix);
        make_store(&url, &options).unwrap();
        open_store(&url, &options).unwrap()
    }

    /// Notes for `make test` that the suite ran to its end.
    pub(crate) fn done(&self) {
        if let Some(path) = std::env::var_os("CARETAKER_SUITES") {
            let mut file = std::fs::OpenOptions::new().append(true).create(true).open(path).unwrap();
            writeln!(file, "conformance-{}", self.name).unwrap();
        }
    }
}
