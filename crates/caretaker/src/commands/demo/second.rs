//! The same night in a store of another platform, which the same cell keeps.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use catalog::Connection;
use connectors::Secret;
use connectors::contract::{PlanAction, RestoreOptions};
use connectors::platforms::bigcommerce::Credential;
use flows::RunReport;
use sandbox::bigcommerce::{Running, Settings, start};
use serde_json::{Value, json};
use vault::system::{SystemClock, SystemRng};

use super::{Story, back_up, connect, gaps};
use crate::arguments::Demo;
use crate::commands::restore::write_plan;
use crate::output::Output;
use crate::works::{Aids, ApplyRestore, PlanRestore, Session};

const PRODUCTS: u32 = 30;
const CUSTOMERS: u32 = 10;
const ORDERS: u32 = 10;
const SHOP: &str = "practice-too";
/// So many products are changed by one request of the platform's.
const BATCH_LEN: usize = 10;

/// A practice BigCommerce store, and what became of it.
pub(super) struct Second {
    pub(super) store: Running,
    pub(super) shop: Connection,
    /// The store's own state before anything was spoilt.
    pub(super) before: Value,
    /// Its newest backup.
    pub(super) newest: RunReport,
}

/// What was done to it.
struct Spoilt {
    prices: usize,
    deleted: u64,
}

pub(super) async fn tell(
    cell: &Session<'_>,
    (words, dir): (&Demo, &Path),
    story: &mut Story<'_>,
    output: &Output,
) -> anyhow::Result<Second> {
    let settings = Settings {
        seed: words.seed,
        products: PRODUCTS,
        customers: CUSTOMERS,
        orders: ORDERS,
        ..Settings::default()
    };
    let store = start(settings, Arc::new(SystemClock), Arc::new(SystemRng)).await?;
    let credential = Credential {
        access_token: Secret::new(&store.access_token),
        client_secret: Some(Secret::new(&store.client_secret)),
    };
    let address = ("bigcommerce", store.url.as_str(), store.ca_pem.as_str());
    let shop = connect(cell, (SHOP, address), credential.to_bytes()?, output).await?;
    let first = back_up(cell, &shop, output).await?;
    ensure!(first.complete, "the first backup of the second store is not whole: {}", gaps(&first));
    let records: u64 = first.kinds.values().map(|kind| kind.seen).sum();
    story.tell(
        "second-shop",
        &format!(
            "A practice BigCommerce store comes into the same cell: {PRODUCTS} products, first backup {records} items of {} kinds.",
            first.kinds.len()
        ),
        json!({ "url": store.url, "records": records, "requests": first.requests }),
    );

    let before = store.dump();
    let spoilt = spoil(&store, &before).await?;
    let second = back_up(cell, &shop, output).await?;
    ensure!(second.complete, "the second backup of the second store is not whole: {}", gaps(&second));
    let work = PlanRestore {
        at: None,
        revert: Some(format!("{}..{}", first.snapshot, second.snapshot)),
        kinds: vec!["product".parse()?],
        ids: Vec::new(),
        options: RestoreOptions::default(),
        to: None,
    };
    let plan = cell.work(&shop, work, output).await?;
    let updates = plan.count(|action| *action == PlanAction::Update);
    ensure!(updates == spoilt.prices, "{} prices were spoilt, the plan has {updates}", spoilt.prices);
    let plan_file = dir.join("second-plan.json");
    write_plan(&plan, &plan_file)?;
    let file = File::open(&plan_file)?;
    let aids = Aids { lent: Some(&file), ..Aids::default() };
    let report = cell.work_with(&shop, ApplyRestore { to: None }, aids, output).await?;
    let problems: Vec<&String> = report.items.iter().flat_map(|item| &item.problems).collect();
    ensure!(report.complete, "the restore of the second store is not whole: {problems:?}");
    let right = prices_are_right(&before, &store.dump(), spoilt.deleted)?;
    story.tell(
        "second-restore",
        &format!(
            "There, {} prices are spoilt too and a product is deleted: one plan of {} requests, and all {right} prices are right again.",
            spoilt.prices, plan.requests
        ),
        json!({ "prices": right, "created": report.created, "updated": report.updated, "requests": plan.requests }),
    );
    let newest = back_up(cell, &shop, output).await?;
    Ok(Second { store, shop, before, newest })
}

/// Sets the price of every second product to 0.01 and deletes another, through the store's own API.
async fn spoil(store: &Running, before: &Value) -> anyhow::Result<Spoilt> {
    let ids: Vec<u64> = prices(before).keys().copied().collect();
    let spoilt: Vec<Value> = ids.iter().step_by(2).map(|id| json!({ "id": id, "price": 0.01 })).collect();
    let deleted = *ids.get(1).context("too few products")?;
    let authority = reqwest::Certificate::from_pem(store.ca_pem.as_bytes())?;
    let http = reqwest::Client::builder().tls_certs_only([authority]).https_only(true).build()?;
    let url = format!("{}/v3/catalog/products", store.url);
    let mut requests: Vec<_> =
        spoilt.chunks(BATCH_LEN).map(|batch| http.put(&url).json(&json!(batch))).collect();
    requests.push(http.delete(format!("{url}/{deleted}")));
    for request in requests {
        let answer = request.header("X-Auth-Token", &store.access_token).send().await?;
        let status = answer.status();
        ensure!(status.is_success(), "the practice store answered {status}: {}", answer.text().await?);
    }
    Ok(Spoilt { prices: spoilt.len(), deleted })
}

/// The products of a state, by id.
fn products(dump: &Value) -> BTreeMap<u64, &Value> {
    let products = dump.get("product").and_then(Value::as_object);
    products.into_iter().flatten().filter_map(|(id, product)| Some((id.parse().ok()?, product))).collect()
}

fn prices(dump: &Value) -> BTreeMap<u64, Option<&Value>> {
    products(dump).into_iter().map(|(id, product)| (id, product.get("price"))).collect()
}

/// Whether every price in the store's own state is that of before, also that of the product that was deleted and has another id
/// now. Answers how many these are.
fn prices_are_right(before: &Value, after: &Value, deleted: u64) -> anyhow::Result<usize> {
    let name = |product: &Value| product.get("name").cloned();
    let (old, new) = (products(before), products(after));
    ensure!(!new.contains_key(&deleted), "the deleted product is there under its old id, which cannot be");
    for (id, product) in &old {
        let now = if *id == deleted {
            new.values()
                .find(|one| name(one) == name(product))
                .context("the deleted product is gone still")?
        } else {
            new.get(id).with_context(|| format!("product {id} is gone"))?
        };
        ensure!(product.get("price") == now.get("price"), "the price of product {id} is still wrong");
    }
    ensure!(!old.is_empty(), "the store's state shows no prices");
    Ok(old.len())
}
