//! A cell in a temporary directory, and practice stores that are connected to it.

use futures::FutureExt as _;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use connectors::Secret;
use connectors::contract::{PlanAction, Restorable, RestoreOptions};
use connectors::platforms::shopify::{Credential, KINDS};
use domain::{Action, Clock, Id128, Kind, Rng, SnapshotNumber, TenantId};
use flows::backup::Backup;
use flows::connect::{Connect, ConnectionSettings};
use flows::restore::{Ask, Plan, RestoreReport, Selection};
use flows::{Cell, FlowError, Leave};
use repository::{StoreOptions, Stores};
use sandbox::shopify::{Running, Settings};
use serde_json::{Value, json};
use vault::{Argon2Cost, Client, Handles, InitSettings, OperatorKey, Passphrase, RecoverySetting, Vault};

use crate::doubles::{QuickClock, SeededRng, Silent};
use crate::official;
use domain::Unrecorded;

/// Records of a snapshot, by kind and id.
pub(crate) type Records = BTreeMap<(&'static str, String), Value>;

/// A platform takes its time: jobs and the processing of files take so long at least, and for so long a search does
/// not see a write. The clock is one that goes on by itself, so waiting costs none of ours.
const JOB_TIME: Duration = Duration::from_millis(1_500);
const SEARCH_LAG: Duration = Duration::from_secs(5);
/// So much later all of that is over: some time passes between what a person does and looks at.
const SETTLED: Duration = Duration::from_secs(10);

/// One cell and its practice stores.
pub(crate) struct World {
    pub(crate) cell: Cell,
    pub(crate) clock: Arc<QuickClock>,
    shops: BTreeMap<String, Running>,
    dir: tempfile::TempDir,
}

impl World {
    pub(crate) async fn new(seed: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().join("cell");
        let clock = Arc::new(QuickClock::default());
        let rng: Arc<dyn Rng> = Arc::new(SeededRng::new(seed));
        let handles =
            Handles { clock: Arc::clone(&clock) as _, rng: Arc::clone(&rng), audit: Arc::new(Unrecorded) };
        let passphrase = Passphrase::new("nine grey herons on one leg".into()).unwrap();
        let recovery = dir.path().join("recovery.key");
        let settings = InitSettings {
            recovery: RecoverySetting::New { file: &recovery, passphrase: None },
            recipients: Vec::new(),
            cost: Argon2Cost::default(),
        };
        let vault = Vault::init(&home, &passphrase, settings, &handles).now_or_never().unwrap().unwrap();
        let vault = Client::of(Arc::new(vault));
        let operator = vault.sign_in(OperatorKey::read(&home).unwrap()).await.unwrap();
        let leave = Leave::SignedIn(operator.into());
        let catalog = catalog::Client::from(catalog::Catalog::create(&home).await.unwrap());
        catalog.add_tenant(&tenant(), clock.now()).await.unwrap();
        let at = |name: &str| {
            let place = home.join(name).display().to_string();
            repository::make_store(&place, &StoreOptions::default()).unwrap()
        };
        let stores = Stores { objects: at("store"), keys: at("keys") };
        let region = "local".parse().unwrap();
        let Handles { clock: same_clock, rng, audit } = handles;
        let cell = Cell { dir: home, region, stores, vault, leave, catalog, clock: same_clock, rng, audit };
        Self { cell, clock, shops: BTreeMap::new(), dir }
    }

    /// Opens a practice store and connects it.
    pub(crate) async fn open(&mut self, name: &str, settings: Settings) {
        let documents = self.dir.path().join("documents");
        std::fs::create_dir_all(&documents).unwrap();
        let (job_time, search_lag) = (settings.job_time.max(JOB_TIME), settings.search_lag.max(SEARCH_LAG));
        let settings = Settings { record_documents: Some(documents), job_time, search_lag, ..settings };
        let clock: Arc<dyn Clock> = Arc::clone(&self.clock) as _;
        let shop = sandbox::shopify::start(settings, clock, Arc::clone(&self.cell.rng)).await.unwrap();
        let credential =
            Credential::Static { access_token: Secret::new(&shop.access_token), client_secret: None };
        let connect = Connect {
            tenant: tenant(),
            name: name.parse().unwrap(),
            platform: "shopify".parse().unwrap(),
            url: shop.url.clone(),
            settings: ConnectionSettings { ca_pem: Some(shop.ca_pem.clone()) },
            credential: credential.to_bytes().unwrap().into(),
        };
        flows::connect::connect(&self.cell, connect).await.unwrap();
        self.shops.insert(name.to_owned(), shop);
    }

    pub(crate) fn shop(&self, name: &str) -> &Running {
        &self.shops[name]
    }

    pub(crate) fn dump(&self, name: &str) -> Value {
        self.shop(name).dump()
    }

    pub(crate) async fn back_up(&self, name: &str) -> SnapshotNumber {
        self.clock.advance(Duration::from_secs(60));
        let connection = self.cell.connection(&tenant(), &name.parse().unwrap()).await.unwrap();
        let backup = Backup { connection, full: true };
        let report = flows::backup::backup(&self.cell, &backup, &Silent).await.unwrap();
        assert!(report.complete, "{:#?}", report.kinds);
        report.snapshot
    }

    pub(crate) fn ask(from: &str, to: &str, selection: Selection) -> Ask {
        Ask {
            tenant: tenant(),
            connection: from.parse().unwrap(),
            target: to.parse().unwrap(),
            selection,
            kinds: Vec::new(),
            ids: Vec::new(),
            options: RestoreOptions::default(),
        }
    }

    pub(crate) async fn plan(&self, ask: &Ask) -> Plan {
        self.clock.advance(Duration::from_secs(60));
        flows::restore::draw(&self.cell, ask, &Silent).await.unwrap()
    }

    pub(crate) async fn apply(&self, plan: &Plan) -> Result<RestoreReport, FlowError> {
        flows::restore::apply(&self.cell, plan, &Silent).await
    }

    pub(crate) async fn restore(&self, ask: &Ask) -> RestoreReport {
        let plan = self.plan(ask).await;
        let report = self.apply(&plan).await.unwrap();
        assert!(report.complete, "{:#?}", problems(&report));
        report
    }

    pub(crate) async fn undo(&self, restore: Id128) -> Result<RestoreReport, FlowError> {
        self.clock.advance(SETTLED);
        flows::restore::undo(&self.cell, &tenant(), restore, &Silent).await
    }

    /// The restores from a store's snapshots, oldest first.
    pub(crate) async fn restores(&self, name: &str) -> Vec<catalog::Restore> {
        self.cell.catalog.restores(&tenant(), &name.parse().unwrap()).await.unwrap()
    }

    /// Everything that a snapshot holds.
    pub(crate) async fn records(&self, name: &str, at: SnapshotNumber) -> Records {
        let reader = self.reader(name).await;
        let mut records = Records::new();
        for spec in KINDS {
            let mut scan = reader.scan(&Kind::new(spec.name).unwrap(), at, None).await.unwrap();
            while let Some(record) = scan.next().await.unwrap() {
                let payload = serde_json::from_slice(&record.payload).unwrap();
                records.insert((spec.name, record.key.id.to_string()), payload);
            }
        }
        records
    }

    /// What became of ids, by the ledger.
    pub(crate) async fn ids(&self, from: &str, to: &str) -> BTreeMap<String, String> {
        let ledger = self.cell.catalog.ledger(&tenant(), &from.parse().unwrap()).await.unwrap();
        let entries = ledger.into_iter().filter(|entry| entry.target.as_str() == to);
        entries.map(|entry| (entry.old.id.to_string(), entry.new_id.to_string())).collect()
    }

    /// What the shop's owner does, beside us.
    pub(crate) async fn owner(&self, name: &str, document: &str, variables: Value) -> Value {
        let shop = self.shop(name);
        let answer = self
            .http(name)
            .post(format!("{}/admin/api/2026-10/graphql.json", shop.url))
            .header("X-Shopify-Access-Token", &shop.access_token)
            .json(&json!({"query": document, "variables": variables}))
            .send()
            .await
            .unwrap();
        let answer: Value = answer.json().await.unwrap();
        let refused = answer.get("errors").is_some() || answer.to_string().contains("serErrors\":[{");
        assert!(!refused, "{document}: {answer}");
        self.clock.advance(SETTLED);
        answer["data"].clone()
    }

    fn http(&self, name: &str) -> reqwest::Client {
        let authority = reqwest::Certificate::from_pem(self.shop(name).ca_pem.as_bytes()).unwrap();
        reqwest::Client::builder().tls_certs_only([authority]).build().unwrap()
    }

    /// A file of the owner's own, by its bytes.
    pub(crate) async fn upload(
        &self,
        name: &str,
        resource: &str,
        file: (&str, &str),
        bytes: Vec<u8>,
    ) -> Value {
        const STAGE: &str = "mutation($input: [StagedUploadInput!]!) { stagedUploadsCreate(input: $input) { stagedTargets { url resourceUrl } userErrors { message } } }";
        const CREATE: &str = "mutation($files: [FileCreateInput!]!) { fileCreate(files: $files) { files { id } userErrors { message } } }";
        let (filename, mime_type) = file;
        let input = json!([{"filename": filename, "mimeType": mime_type, "resource": resource,
            "fileSize": bytes.len().to_string(), "httpMethod": "PUT"}]);
        let target = self.owner(name, STAGE, json!({"input": input})).await;
        let target = &target["stagedUploadsCreate"]["stagedTargets"][0];
        let put = self.http(name).put(target["url"].as_str().unwrap()).body(bytes).send().await.unwrap();
        assert!(put.status().is_success());
        let files = json!([{"alt": filename, "contentType": resource, "filename": filename,
            "originalSource": target["resourceUrl"]}]);
        let made = self.owner(name, CREATE, json!({"files": files})).await;
        made["fileCreate"]["files"][0]["id"].clone()
    }

    /// The digests of all bytes that a snapshot's items name, as the store serves them now: by kind, id and pointer.
    pub(crate) async fn bytes(
        &self,
        name: &str,
        at: SnapshotNumber,
    ) -> BTreeMap<(String, String, String), String> {
        let reader = self.reader(name).await;
        let http = self.http(name);
        let mut digests = BTreeMap::new();
        for spec in KINDS {
            let mut scan = reader.scan(&Kind::new(spec.name).unwrap(), at, None).await.unwrap();
            while let Some(record) = scan.next().await.unwrap() {
                let payload: Value = serde_json::from_slice(&record.payload).unwrap();
                let of_files = record.meta.media_refs.iter().map(|media| media.pointer.clone());
                // A product's pictures are files, whose bytes are kept there.
                let media = payload["media"].as_array().map_or(0, Vec::len);
                let of_media = (0..media).flat_map(|turn| {
                    ["image/url", "originalSource/url"].map(|at| format!("/media/{turn}/{at}"))
                });
                for pointer in of_files.chain(of_media) {
                    let Some(url) = payload.pointer(&pointer).and_then(Value::as_str) else { continue };
                    let answer = http.get(url).send().await.unwrap();
                    assert!(answer.status().is_success(), "{url}: {}", answer.status());
                    let digest = repository::sha256_hex(&answer.bytes().await.unwrap());
                    let key = (spec.name.to_owned(), record.key.id.to_string(), pointer);
                    digests.insert(key, digest.into());
                }
            }
        }
        digests
    }

    async fn reader(&self, name: &str) -> repository::Reader {
        let name = name.parse().unwrap();
        flows::read::open(&self.cell, &tenant(), &name, Action::Read, "compare").await.unwrap()
    }

    /// Every document that the practice stores received is valid by Shopify's own schema.
    pub(crate) fn check_documents(&self) {
        let mut seen = 0;
        for file in std::fs::read_dir(self.dir.path().join("documents")).unwrap() {
            let file = file.unwrap().path();
            let text = std::fs::read_to_string(&file).unwrap();
            official::check(&text).unwrap_or_else(|why| panic!("{}: {why}\n{text}", file.display()));
            seen += 1;
        }
        assert!(seen > 20, "{seen} documents");
    }
}

pub(crate) fn tenant() -> TenantId {
    "default".parse().unwrap()
}

/// What a plan would do. Kinds that are kept for reading alone it never does.
pub(crate) fn left_to_do(plan: &Plan) -> Vec<String> {
    let read_only = |name: &str| {
        KINDS.iter().any(|spec| spec.name == name && matches!(spec.restore, Restorable::Never(_)))
    };
    let open = plan.items.iter().filter(|item| item.plan.action != PlanAction::Skip);
    open.filter(|item| !read_only(item.kind.as_str()))
        .map(|item| format!("{} {}: {:?}", item.kind, item.id, item.plan.fields))
        .collect()
}

/// What could not be done, item by item.
pub(crate) fn problems(report: &RestoreReport) -> Vec<String> {
    let items = report.items.iter().filter(|item| !item.problems.is_empty());
    items.map(|item| format!("{} {}: {:?}", item.kind, item.id, item.problems)).collect()
}
