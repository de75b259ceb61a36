//! A practice BigCommerce store and a client that trusts it.

use std::sync::{Arc, Mutex};

use domain::Clock;
use sandbox::bigcommerce::{Fault, Running, Settings, start};
use serde_json::{Value, json};

use super::{TestClock, TestRng};

/// A store and a client that trusts it.
pub struct Shop {
    pub running: Running,
    pub clock: Arc<TestClock>,
    pub client: reqwest::Client,
}

/// An answer.
#[derive(Debug)]
pub struct Got {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: Value,
}

impl Got {
    /// What stands in `data`.
    pub fn data(&self) -> &Value {
        assert!((200..300).contains(&self.status), "{} {:#}", self.status, self.body);
        &self.body["data"]
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }
}

pub fn with(faults: &str, settings: Settings) -> Settings {
    Settings { faults: Fault::parse_list(faults).unwrap(), ..settings }
}

impl Shop {
    pub async fn start(settings: Settings) -> Self {
        let clock = TestClock::new();
        let rng = Arc::new(TestRng(Mutex::new(settings.seed)));
        let running = start(settings, Arc::clone(&clock) as Arc<dyn Clock>, rng).await.unwrap();
        let authority = reqwest::Certificate::from_pem(running.ca_pem.as_bytes()).unwrap();
        let client = reqwest::Client::builder().tls_certs_only([authority]).build().unwrap();
        Self { running, clock, client }
    }

    pub fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        self.client
            .request(method, format!("{}{path}", self.running.url))
            .header("x-auth-token", &self.running.access_token)
            .header("accept", "application/json")
    }

    pub async fn send(request: reqwest::RequestBuilder) -> Got {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.unwrap();
        Got { status, headers, body: serde_json::from_str(&text).unwrap_or(Value::Null) }
    }

    pub async fn get(&self, path: &str) -> Got {
        Self::send(self.request("GET", path)).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Got {
        Self::send(self.request("POST", path).json(&body)).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Got {
        Self::send(self.request("PUT", path).json(&body)).await
    }

    pub async fn delete(&self, path: &str) -> Got {
        Self::send(self.request("DELETE", path)).await
    }

    /// The `data` of a list, all of its first page.
    pub async fn list(&self, path: &str) -> Vec<Value> {
        let got = self.get(path).await;
        if got.status == 204 {
            return Vec::new();
        }
        assert_eq!(got.status, 200, "{path}: {:#}", got.body);
        let list = if got.body.is_array() { &got.body } else { &got.body["data"] };
        list.as_array().unwrap().clone()
    }

    /// A new product with only what it must have.
    pub async fn product(&self, name: &str) -> u64 {
        let got = self.post("/v3/catalog/products", plain(name)).await;
        got.data()["id"].as_u64().unwrap()
    }
}

pub fn plain(name: &str) -> Value {
    json!({ "name": name, "type": "physical", "weight": 1, "price": 10 })
}
