//! A cell in memory with a connected practice store of each platform, on one clock.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use connectors::Secret;
use connectors::contract::KindSpec;
use connectors::platforms::{bigcommerce, shopify};
use domain::{Action, Clock, Timestamp, Unrecorded};
use flows::connect::{Connect, ConnectionSettings};
use flows::{Cell, Leave};
use sandbox::bigcommerce::Running;
use sandbox::shopify::ProtectedData;
use serde_json::Value;
use vault::{Client, Handles, OperatorKey, Passphrase, Vault};

use super::dice::Dice;
use super::look::{Known, Look, look};
use super::power::{Power, stores};
use super::{bigcommerce_deeds, shopify_deeds};
use crate::world::{World, tenant};

/// So many rows of a table stay, whatever is deleted.
const ROWS_MIN: usize = 3;
/// By then the first store is connected.
const CONNECTED: Duration = Duration::from_secs(600);
/// Some time passes after what an owner does.
const AFTER_A_DEED: Duration = Duration::from_secs(10);

/// A store's make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Make {
    Shopify,
    BigCommerce,
}

/// A scope that can be withdrawn: what of it is in the names of scopes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Scope(pub(crate) &'static str);

impl Make {
    pub(crate) const BOTH: [Self; 2] = [Self::Shopify, Self::BigCommerce];

    /// The connection's name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Shopify => "shop",
            Self::BigCommerce => "store",
        }
    }

    pub(crate) fn kinds(self) -> &'static [KindSpec] {
        match self {
            Self::Shopify => shopify::KINDS,
            Self::BigCommerce => bigcommerce::KINDS,
        }
    }

    /// Scopes that the store's owner withdraws now and then.
    pub(crate) fn scopes(self) -> &'static [Scope] {
        match self {
            Self::Shopify => &[
                Scope("_customers"),
                Scope("_discounts"),
                Scope("_online_store_navigation"),
                Scope("_script_tags"),
                Scope("_legal_policies"),
            ],
            Self::BigCommerce => {
                &[Scope("_v2_customers"), Scope("_v2_marketing"), Scope("_v2_content"), Scope("_v2_orders")]
            }
        }
    }

    /// Kinds of which nothing can be read without a scope.
    pub(crate) fn hidden_by(self, scope: Scope) -> BTreeSet<&'static str> {
        let needs = |kind: &&KindSpec| kind.read_scopes.iter().any(|name| name.contains(scope.0));
        self.kinds().iter().filter(needs).map(|kind| kind.name).collect()
    }

    /// Whether two payloads are the same bytes. Addresses that the platform signs anew on every reading are not compared.
    pub(crate) fn same(self, kind: &str, one: &[u8], other: &[u8]) -> bool {
        one == other || unsigned(kind, one).is_some_and(|one| Some(one) == unsigned(kind, other))
    }
}

/// A payload without addresses that are signed anew on every reading; none for kinds that have no such.
fn unsigned(kind: &str, payload: &[u8]) -> Option<Value> {
    const SIGNED: &[&str] = &["file", "product"];
    fn strip(value: &mut Value) {
        match value {
            Value::Array(list) => list.iter_mut().for_each(strip),
            Value::Object(fields) => {
                if let Some(Value::Object(source)) = fields.get_mut("originalSource") {
                    source.remove("url");
                }
                fields.values_mut().for_each(strip);
            }
            _ => {}
        }
    }
    let mut value = SIGNED.contains(&kind).then(|| serde_json::from_slice(payload).unwrap())?;
    strip(&mut value);
    Some(value)
}

/// How large the stores are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    pub(crate) products: u32,
    pub(crate) customers: u32,
    pub(crate) orders: u32,
}

/// The cell and its stores.
pub(crate) struct Shops {
    pub(crate) world: World,
    pub(crate) power: Arc<Power>,
    store: Running,
    owner: reqwest::Client,
    granted: Vec<String>,
    files: tokio::sync::Mutex<Known>,
}

impl Shops {
    pub(crate) async fn open(seed: u64, size: Size) -> Self {
        let mut world = World::new(seed).await;
        world.clock.be_patient();
        let power = Arc::new(Power::default());
        world.cell.stores = stores(&power, &world.clock);
        let Size { products, customers, orders } = size;
        let settings = sandbox::shopify::Settings { seed, products, customers, orders, ..Default::default() };
        world.open(Make::Shopify.name(), settings).await;
        let settings =
            sandbox::bigcommerce::Settings { seed, products, customers, orders, ..Default::default() };
        // So that it is opened at the same moment, however long it took to connect the first.
        world.clock.advance_to(CONNECTED);
        let clock: Arc<dyn Clock> = Arc::clone(&world.clock) as _;
        let store = sandbox::bigcommerce::start(settings, clock, Arc::clone(&world.cell.rng)).await.unwrap();
        let credential =
            bigcommerce::Credential { access_token: Secret::new(&store.access_token), client_secret: None };
        let connect = Connect {
            tenant: tenant(),
            name: Make::BigCommerce.name().parse().unwrap(),
            platform: "bigcommerce".parse().unwrap(),
            url: store.url.clone(),
            settings: ConnectionSettings { ca_pem: Some(store.ca_pem.clone()) },
            credential: credential.to_bytes().unwrap().into(),
        };
        let granted = flows::connect::connect(&world.cell, connect).await.unwrap().probe.granted;
        // What opens reading with this at the end of its name opens writing without.
        let writing = granted.iter().map(|scope| scope.trim_end_matches("_read_only").to_owned());
        let granted = granted.iter().cloned().chain(writing).collect();
        let authority = reqwest::Certificate::from_pem(store.ca_pem.as_bytes()).unwrap();
        let owner = reqwest::Client::builder().tls_certs_only([authority]).build().unwrap();
        Self { world, power, store, owner, granted, files: tokio::sync::Mutex::default() }
    }

    pub(crate) fn cell(&self) -> &Cell {
        &self.world.cell
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.world.clock.now()
    }

    /// The process ends and is started anew: all that it remembers it reads from what is kept.
    pub(crate) async fn restart(&mut self) {
        let Cell { dir, region, stores, clock, rng, .. } = &self.world.cell;
        let handles = Handles { clock: Arc::clone(clock), rng: Arc::clone(rng), audit: Arc::new(Unrecorded) };
        let passphrase = Passphrase::new("nine grey herons on one leg".into()).unwrap();
        let vault = Client::of(Arc::new(Vault::open(dir, &passphrase, &handles).await.unwrap()));
        let catalog = catalog::Client::from(catalog::Catalog::open(dir.as_path()).await.unwrap());
        let leave = Leave::SignedIn(vault.sign_in(OperatorKey::read(dir).unwrap()).await.unwrap().into());
        self.world.cell = Cell {
            dir: dir.clone(),
            region: region.clone(),
            stores: stores.clone(),
            vault,
            leave,
            catalog,
            clock: Arc::clone(clock),
            rng: Arc::clone(rng),
            audit: handles.audit,
        };
    }

    /// Signs in again: that lasts for a day.
    pub(crate) async fn sign_in(&mut self) {
        let cell = &mut self.world.cell;
        let operator = cell.vault.sign_in(OperatorKey::read(&cell.dir).unwrap()).await.unwrap();
        cell.leave = Leave::SignedIn(operator.into());
    }

    pub(crate) async fn connection(&self, make: Make) -> catalog::Connection {
        self.cell().connection(&tenant(), &make.name().parse().unwrap()).await.unwrap()
    }

    /// Everything that the store holds, whatever we may see.
    pub(crate) async fn look(&self, make: Make, withdrawn: Option<Scope>) -> Look {
        self.faults(make, "");
        self.withdraw(make, None);
        let connection = self.connection(make).await;
        let grant = self.cell().grant(&connection.scope, &[Action::Backup], "test").await.unwrap();
        let store = flows::connect::open(self.cell(), &connection, &grant).await.unwrap();
        let look = look(&*store, &mut *self.files.lock().await).await;
        self.withdraw(make, withdrawn);
        look
    }

    /// The store's own tables.
    pub(crate) fn dump(&self, make: Make) -> Value {
        match make {
            Make::Shopify => self.world.dump(make.name()),
            Make::BigCommerce => self.store.dump(),
        }
    }

    /// Host and port of the store.
    pub(crate) fn address(&self, make: Make) -> String {
        match make {
            Make::Shopify => self.world.shop(make.name()).addr.to_string(),
            Make::BigCommerce => self.store.addr.to_string(),
        }
    }

    /// Requests that the store has received.
    pub(crate) fn requests(&self, make: Make) -> u64 {
        match make {
            Make::Shopify => self.world.shop(make.name()).stats().requests,
            Make::BigCommerce => self.store.stats().requests,
        }
    }

    /// What goes wrong from now on.
    pub(crate) fn faults(&self, make: Make, spec: &str) {
        match make {
            Make::Shopify => {
                let faults = sandbox::shopify::Fault::parse_list(spec).unwrap();
                self.world.shop(make.name()).set_faults(faults);
            }
            Make::BigCommerce => {
                self.store.set_faults(sandbox::bigcommerce::Fault::parse_list(spec).unwrap());
            }
        }
    }

    /// Lets us do all but what needs this.
    pub(crate) fn withdraw(&self, make: Make, scope: Option<Scope>) {
        let left = |name: &&str| scope.is_none_or(|scope| !name.contains(scope.0));
        match make {
            Make::Shopify => {
                let all =
                    shopify::KINDS.iter().flat_map(|kind| kind.read_scopes.iter().chain(kind.write_scopes));
                let all: Vec<&str> = all.copied().chain(["read_all_orders"]).filter(left).collect();
                self.world.shop(make.name()).set_access(&all, ProtectedData::Approved);
            }
            Make::BigCommerce => {
                let all: Vec<&str> = self.granted.iter().map(String::as_str).filter(left).collect();
                self.store.set_access(&all);
            }
        }
    }

    /// The names of all deeds of a store's owner, in the order of their numbers.
    pub(crate) fn deeds(make: Make) -> Vec<&'static str> {
        match make {
            Make::Shopify => shopify_deeds::DEEDS.iter().map(|deed| deed.name).collect(),
            Make::BigCommerce => bigcommerce_deeds::DEEDS.iter().map(|deed| deed.name).collect(),
        }
    }

    /// Does the deed of this number to a row that is drawn. What was done to what; none where there is no such row.
    pub(crate) async fn act(
        &self,
        make: Make,
        number: usize,
        turn: u64,
        (withdrawn, dice): (Option<Scope>, &mut Dice),
    ) -> Option<String> {
        // Its owner may do everything, whatever we may.
        self.withdraw(make, None);
        let done = self.act_freely(make, number, turn, dice).await;
        self.withdraw(make, withdrawn);
        done
    }

    async fn act_freely(&self, make: Make, number: usize, turn: u64, dice: &mut Dice) -> Option<String> {
        match make {
            Make::Shopify => {
                let deed = &shopify_deeds::DEEDS[number];
                let fits = |id: &str, row: &Value| (deed.variables)(id, row, turn);
                let (id, variables) = self.drawn(make, deed.table, deed.deletes, dice, fits)?;
                self.world.owner(make.name(), deed.document, variables).await;
                Some(format!("{} {id}", deed.name))
            }
            Make::BigCommerce => {
                let deed = &bigcommerce_deeds::DEEDS[number];
                let fits = |id: &str, row: &Value| (deed.request)(id, row, turn);
                let (id, (path, body)) = self.drawn(make, deed.table, deed.deletes, dice, fits)?;
                self.request(deed.method, &path, &body).await;
                Some(format!("{} {id}", deed.name))
            }
        }
    }

    fn drawn<T>(
        &self,
        make: Make,
        table: &str,
        deletes: bool,
        dice: &mut Dice,
        fits: impl Fn(&str, &Value) -> Option<T>,
    ) -> Option<(String, T)> {
        if table.is_empty() {
            return fits("", &Value::Null).map(|what| (String::new(), what));
        }
        let dump = self.dump(make);
        let rows = dump.get(table)?.as_object()?;
        let mut fitting: Vec<(String, T)> =
            rows.iter().filter_map(|(id, row)| Some((id.clone(), fits(id, row)?))).collect();
        if fitting.is_empty() || deletes && rows.len() <= ROWS_MIN {
            return None;
        }
        let turn = dice.below(fitting.len() as u64);
        Some(fitting.swap_remove(usize::try_from(turn).unwrap()))
    }

    async fn request(&self, method: &str, path: &str, body: &Value) {
        let mut request = self
            .owner
            .request(method.parse().unwrap(), format!("{}/{path}", self.store.url))
            .header("X-Auth-Token", &self.store.access_token)
            .header("Accept", "application/json");
        if !body.is_null() {
            request = request.json(body);
        }
        let answer = request.send().await.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert!(status.is_success(), "{method} {path} {body}: {status} {text}");
        self.world.clock.advance(AFTER_A_DEED);
    }
}
