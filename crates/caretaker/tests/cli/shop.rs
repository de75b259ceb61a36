//! A practice store in this process, so that a test can spoil it and look into it.

use std::path::PathBuf;
use std::sync::Arc;

use sandbox::shopify::{Fault, Running, Settings, Stats, start};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use vault::system::{SystemClock, SystemRng};

use crate::cell::{Answer, TestCell, text};

pub(crate) struct Shop {
    runtime: Runtime,
    pub(crate) running: Running,
}

impl Shop {
    pub(crate) fn open(settings: Settings) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let started = start(settings, Arc::new(SystemClock), Arc::new(SystemRng));
        let running = runtime.block_on(started).unwrap();
        Self { runtime, running }
    }

    /// A small one with everything in it.
    pub(crate) fn small() -> Self {
        Self::open(Settings { products: 8, customers: 6, orders: 6, ..Settings::default() })
    }

    /// One with as little as there can be of everything.
    pub(crate) fn tiny() -> Self {
        Self::open(Settings { products: 2, customers: 2, orders: 2, ..Settings::default() })
    }

    pub(crate) fn stats(&self) -> Stats {
        self.running.stats()
    }

    pub(crate) fn faults(&self, spec: &str) {
        self.running.set_faults(if spec.is_empty() { Vec::new() } else { Fault::parse_list(spec).unwrap() });
    }

    /// Token and authority, as files of the cell.
    pub(crate) fn files(&self, cell: &TestCell, name: &str) -> (PathBuf, PathBuf) {
        let token = cell.file(&format!("{name}.token"), &self.running.access_token);
        let ca = cell.file(&format!("{name}.ca.pem"), &self.running.ca_pem);
        (token.into(), ca.into())
    }

    pub(crate) fn url(&self) -> &str {
        &self.running.url
    }

    /// Connects the store to a cell, by its token.
    pub(crate) fn connect(&self, cell: &TestCell, name: &str) -> Answer {
        let (token, ca) = self.files(cell, name);
        let url = &self.running.url;
        let words = ["--url", url, "--token-file", text(&token), "--ca-file", text(&ca)];
        cell.run(&[&["connect", "shopify", name], &words[..]].concat())
    }

    /// The same, by the client's secret: tokens are got with it.
    pub(crate) fn connect_by_client(&self, cell: &TestCell, name: &str) -> Answer {
        let secret = cell.file(&format!("{name}.secret"), &self.running.client_secret);
        let (_, ca) = self.files(cell, name);
        let Running { url, client_id, .. } = &self.running;
        let words = ["--url", url, "--client-id", client_id, "--client-secret-file", &secret];
        cell.run(&[&["connect", "shopify", name, "--ca-file", text(&ca)], &words[..]].concat())
    }

    /// The scopes that the app has.
    pub(crate) fn scopes(&self) -> Vec<String> {
        let data = self.owner("{ currentAppInstallation { accessScopes { handle } } }", &json!({}));
        let scopes = data["currentAppInstallation"]["accessScopes"].as_array().unwrap();
        scopes.iter().map(|scope| scope["handle"].as_str().unwrap().to_owned()).collect()
    }

    /// Does something, and ends all tokens once the store was asked for so much more.
    pub(crate) fn while_revoking_after<T: Send>(&self, requests: u64, act: impl FnOnce() -> T + Send) -> T {
        let until = self.stats().requests + requests;
        std::thread::scope(|scope| {
            let acting = scope.spawn(act);
            while self.stats().requests < until {
                assert!(!acting.is_finished(), "it ended before the tokens did");
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
            self.running.revoke_all();
            acting.join().unwrap()
        })
    }

    /// Does something in the shop, as its owner would. Refusals fail the test.
    pub(crate) fn owner(&self, document: &str, variables: &Value) -> Value {
        let authority = reqwest::Certificate::from_pem(self.running.ca_pem.as_bytes()).unwrap();
        let http = reqwest::Client::builder().tls_certs_only([authority]).build().unwrap();
        let sent = http
            .post(format!("{}/admin/api/2026-10/graphql.json", self.running.url))
            .header("X-Shopify-Access-Token", &self.running.access_token)
            .json(&json!({ "query": document, "variables": variables }))
            .send();
        let answer: Value =
            self.runtime.block_on(async { sent.await.unwrap().json::<Value>().await }).unwrap();
        assert!(answer.get("errors").is_none(), "{answer}");
        for root in answer["data"].as_object().unwrap().values() {
            assert!(root["userErrors"].as_array().is_none_or(Vec::is_empty), "{answer}");
        }
        answer["data"].clone()
    }

    /// The ids of all products.
    pub(crate) fn products(&self) -> Vec<String> {
        let dump = self.running.dump();
        dump["Product"].as_object().into_iter().flatten().map(|(id, _)| id.clone()).collect()
    }

    pub(crate) fn retitle(&self, product: &str, title: &str) {
        const RETITLE: &str = "mutation Retitle($product: ProductUpdateInput!) { productUpdate(product: $product) { userErrors { field message } } }";
        self.owner(RETITLE, &json!({ "product": { "id": product, "title": title } }));
    }

    pub(crate) fn delete_product(&self, product: &str) {
        const DELETE: &str = "mutation Delete($input: ProductDeleteInput!) { productDelete(input: $input) { userErrors { field message } } }";
        self.owner(DELETE, &json!({ "input": { "id": product } }));
    }

    pub(crate) fn delete_pages(&self) {
        const DELETE: &str =
            "mutation Delete($id: ID!) { pageDelete(id: $id) { userErrors { field message } } }";
        for (id, _) in self.running.dump()["Page"].as_object().into_iter().flatten() {
            self.owner(DELETE, &json!({ "id": id }));
        }
    }
}
