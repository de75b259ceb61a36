//! S3 servers that `make test` starts.

use std::collections::HashMap;
use std::io::Write as _;

use repository::{StoreCredentials, StoreOptions};

/// A server, by the variable in which it was told.
pub(crate) struct Server {
    pub(crate) endpoint: String,
    pub(crate) access_key: String,
    pub(crate) secret_key: String,
}

impl Server {
    pub(crate) fn find(variable: &str) -> Option<Self> {
        let Ok(told) = std::env::var(variable) else {
            println!("skipped: {variable} is not set; `make test` starts the server");
            return None;
        };
        let told: HashMap<_, _> = told.split_whitespace().filter_map(|pair| pair.split_once('=')).collect();
        let take =
            |name: &str| (*told.get(name).unwrap_or_else(|| panic!("{variable} has no {name}"))).to_owned();
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

/// Notes for `make test` that a suite ran to its end.
pub(crate) fn done(suite: &str) {
    if let Some(path) = std::env::var_os("CARETAKER_SUITES") {
        let mut file = std::fs::OpenOptions::new().append(true).create(true).open(path).unwrap();
        writeln!(file, "{suite}").unwrap();
    }
}
