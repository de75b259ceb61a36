//! `caretaker demo`: the whole story, told on practice stores of both platforms over their real APIs.
//!
//! Every step is checked against the practice stores' own state, not only against what was backed up. The
//! command succeeds only if every step held.

mod powers;
mod rival;
mod second;
mod traces;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::trail::builder::Log;
use ::trail::head::Folder;
use ::trail::verify::{Reader, verify};
use anyhow::{Context as _, bail, ensure};
use catalog::{Catalog, Connection};
use connectors::Secret;
use connectors::contract::{PlanAction, RestoreOptions};
use connectors::platforms::shopify::Credential;
use domain::{ConnectionId, Platform, Region, Scope};
use flows::RunReport;
use repository::StoreOptions;
use sandbox::shopify::{Running, Settings, start};
use serde_json::{Value, json};
use vault::system::{SystemClock, SystemRng};
use vault::{Argon2Cost, InitSettings, RecoveryKey, RecoverySetting, Vault};
use zeroize::Zeroizing;

use self::rival::Rival;
use crate::arguments::{Common, Demo};
use crate::cell_trail;
use crate::commands::restore::write_plan;
use crate::commands::sandbox::{Signals, faults};
use crate::files;
use crate::home::{self, CellFile, Home};
use crate::output::{Output, exit, exit_code};
use crate::stores;
use crate::works::{
    Aids, ApplyRestore, BackUp, Compare, ConnectStore, PlanRestore, SecretBytes, Session, Verify,
};

const PRODUCTS: u32 = 60;
const CUSTOMERS: u32 = 25;
const ORDERS: u32 = 40;
const SHOP: &str = "practice";

/// One step of the story, as it is told and as it is kept for `--json`.
struct Story<'a> {
    output: &'a Output,
    steps: Vec<Value>,
}

impl Story<'_> {
    fn tell(&mut self, step: &str, text: &str, facts: Value) {
        self.output.clear();
        self.output.say(&format!("{:>2}. {text}", self.steps.len() + 1));
        let mut facts = facts;
        if let Some(facts) = facts.as_object_mut() {
            facts.insert("step".to_owned(), json!(step));
        }
        self.steps.push(facts);
    }
}

pub(crate) async fn run(home: &Home, words: &Demo, output: &Output) -> anyhow::Result<u8> {
    let (dir, temporary) = match &home.dir {
        Some(dir) => (dir.clone(), false),
        None => (files::new_temporary_folder("caretaker-demo")?, true),
    };
    let told = Box::pin(tell(words, &dir, output)).await;
    if temporary
        && words.once
        && let Err(error) = std::fs::remove_dir_all(&dir)
    {
        // It says nothing of whether the story held.
        output.say(&format!("`{}` could not be taken away: {error}", dir.display()));
    }
    told
}

async fn tell(words: &Demo, dir: &Path, output: &Output) -> anyhow::Result<u8> {
    let mut story = Story { output, steps: Vec::new() };
    let store = open_shop(words).await?;
    story.tell(
        "shop",
        &format!("A practice Shopify store is open: {PRODUCTS} products, {CUSTOMERS} customers, {ORDERS} orders (seed {}).", words.seed),
        json!({ "seed": words.seed, "url": store.url }),
    );
    let (home, recovery_key) = make_cell(dir).await?;
    let cell = home.session().await?;
    story.tell(
        "cell",
        "A cell was made: a vault sealed by a passphrase, and a recovery key kept apart.",
        json!({ "dir": dir }),
    );
    let credential = Credential::ClientCredentials {
        client_id: store.client_id.clone(),
        client_secret: Secret::new(&store.client_secret),
    };
    let address = ("shopify", store.url.as_str(), store.ca_pem.as_str());
    let shop = connect(&cell, (SHOP, address), credential.to_bytes()?, output).await?;
    store.set_faults(faults(words.fault.as_deref())?);

    let first = back_up(&cell, &shop, output).await?;
    let records: u64 = first.kinds.values().map(|kind| kind.seen).sum();
    ensure!(first.complete, "the first backup is not whole: {}", gaps(&first));
    story.tell(
        "backup",
        &format!("First backup: {records} items of {} kinds.", first.kinds.len()),
        json!({ "snapshot": first.snapshot, "records": records, "requests": first.requests }),
    );

    let before = store.dump();
    let rival = Rival::new(&store)?;
    let spoiled = rival.spoil_prices().await?;
    rival.buy(&spoiled).await?;
    let deleted = rival.delete_a_product().await?;
    story.tell(
        "damage",
        &format!(
            "2 a.m.: an app sets {} prices to 0.01, somebody buys at one of them, and a product is deleted.",
            spoiled.len()
        ),
        json!({ "prices": spoiled.len(), "deleted": deleted }),
    );

    let second = back_up(&cell, &shop, output).await?;
    ensure!(second.complete, "the second backup is not whole: {}", gaps(&second));
    let changed: u64 = second.kinds.values().map(|kind| kind.added + kind.changed + kind.removed).sum();
    story.tell(
        "backup",
        &format!("Second backup, only what changed: {changed} items."),
        json!({ "snapshot": second.snapshot, "changed": changed, "requests": second.requests }),
    );
    let (from, to) = (first.snapshot.to_string(), second.snapshot.to_string());
    let diff = cell.work(&shop, Compare { from: from.clone(), to: to.clone(), kind: None }, output).await?;
    let prices =
        diff.changed.iter().flat_map(|item| &item.fields).filter(|field| field.path.ends_with("/price"));
    let prices = prices.count();
    ensure!(
        prices == spoiled.len(),
        "the diff shows {prices} changed prices, {} were changed",
        spoiled.len()
    );
    ensure!(
        diff.removed.iter().any(|gone| *gone.id == *deleted),
        "the diff does not show the deleted product"
    );
    story.tell(
        "diff",
        &format!("The diff finds all {prices} prices and the deleted product."),
        json!({ "prices": prices, "removed": diff.removed.len() }),
    );

    let kept = rival.edit_a_title(&spoiled).await?;
    let work = PlanRestore {
        at: None,
        revert: Some(format!("{from}..{to}")),
        kinds: vec!["product".parse()?],
        ids: Vec::new(),
        options: RestoreOptions::default(),
        to: None,
    };
    let plan = cell.work(&shop, work, output).await?;
    let updates = plan.count(|action| *action == PlanAction::Update);
    let creates = plan.count(|action| *action == PlanAction::Create);
    ensure!(
        plan.orders.len() == 1,
        "one order was placed at a spoiled price, the plan lists {}",
        plan.orders.len()
    );
    let plan_file = dir.join("plan.json");
    write_plan(&plan, &plan_file)?;
    story.tell(
        "plan",
        &format!(
            "The plan: {updates} products to set back, {creates} to make anew, {} requests; it lists the {} order placed at a wrong price.",
            plan.requests,
            plan.orders.len()
        ),
        json!({ "update": updates, "create": creates, "requests": plan.requests, "orders": plan.orders.len() }),
    );

    let file = File::open(&plan_file)?;
    let aids = Aids { lent: Some(&file), ..Aids::default() };
    let report = cell.work_with(&shop, ApplyRestore { to: None }, aids, output).await?;
    let problems: Vec<&String> = report.items.iter().flat_map(|item| &item.problems).collect();
    ensure!(report.complete, "the restore is not whole: {problems:?}");
    let compared = rival::compare_prices(&before, &store.dump(), &deleted)?;
    ensure!(compared.wrong == 0, "{} prices are still wrong", compared.wrong);
    ensure!(rival::title_of(&store.dump(), &kept.0)? == kept.1, "a later edit of a title was lost");
    story.tell(
        "restore",
        &format!(
            "Restored: all {} prices are as they were, the product is back, and a title edited since was kept.",
            compared.right
        ),
        json!({ "restore": report.restore, "prices": compared.right, "created": report.created, "updated": report.updated }),
    );

    let second = Box::pin(second::tell(&cell, (words, dir), &mut story, output)).await?;

    let working = powers::without_a_vault((&home, &SystemClock), &store, back_up(&cell, &shop, output));
    let third = Box::pin(working).await?;
    ensure!(third.complete, "the third backup is not whole: {}", gaps(&third));
    story.tell(
        "killed",
        "The vault's process is killed in the middle of a third backup: another takes its place, and the backup is whole.",
        json!({ "snapshot": third.snapshot }),
    );
    let (mut objects, mut records) = (0, 0);
    for (shop, head) in [(&shop, &third.head), (&second.shop, &second.newest.head)] {
        let work = Verify { all_bytes: true, expected: Some(head.clone()) };
        let verified = cell.work(shop, work, output).await?;
        ensure!(verified.ok, "verification found damage");
        (objects, records) = (objects + verified.objects, records + verified.records);
    }
    story.tell(
        "verify",
        &format!("Every byte of both verified: {records} versions of records."),
        json!({ "objects": objects, "records": records, "head": third.head }),
    );

    let mut markers = traces::markers(&before, [&store.access_token, &store.client_secret]);
    let secrets = [&second.store.access_token, &second.store.client_secret];
    markers.extend(traces::markers(&second.before, secrets));
    let searched = traces::search(dir, &["plan.json", "second-plan.json"], &markers)?;
    ensure!(searched.found.is_empty(), "found in clear under {}: {:?}", dir.display(), searched.found);
    story.tell(
        "sealed",
        &format!(
            "Nothing in clear: {} planted texts, each in {} spellings, are in none of the cell's files.",
            markers.len(),
            traces::SPELLINGS
        ),
        json!({ "markers": markers.len(), "files": searched.files }),
    );

    let processes = home.own_processes().await?.len();
    let refused = powers::refused_to_a_command(&cell, dir, &shop).await?;
    story.tell(
        "powers",
        &format!(
            "{processes} processes did this, none of which can do it alone: the one that you started asks the vault for\n    \
             a store's token and a key of its data, on your grant, and is refused both."
        ),
        json!({ "processes": processes, "refused": refused }),
    );
    let recovered = recover(dir, &recovery_key).await?;
    let other = files::new_temporary_folder("caretaker-demo-other")?;
    let other_key = make_cell(&other).await?.1;
    let refused =
        recover(dir, &other_key).await.err().context("another cell's recovery key reads the stores")?;
    std::fs::remove_dir_all(other)?;
    ensure!(exit_code(&refused) == exit::REFUSED, "it was not refused, but failed: {refused:#}");
    story.tell(
        "recover",
        &format!(
            "With the two stores and the recovery key alone, all {recovered} records can be read. With another cell's\n    \
             recovery key, none."
        ),
        json!({ "records": recovered, "refused": refused.to_string() }),
    );
    let (events, found) = trail(&home, dir).await?;
    story.tell(
        "trail",
        "On the record: each use of a key, in one chain that is signed; one letter of it, changed in a copy, is found.",
        json!({ "events": events, "found": found }),
    );
    output.result(&json!({ "held": true, "steps": story.steps }), || {
        format!(
            "\nProven just now, on seed {}: what was spoiled was found and put back, a later edit survived,\n\
             every stored byte verifies, none of it is in clear, its own recovery key alone opens all of it,\n\
             and all that was done is on a record that nobody can rewrite unnoticed.",
            words.seed
        )
    })?;
    if !words.once {
        output.say(&format!(
            "\nThe stores stay open at {} and {}, and the cell in {}. Ctrl-C ends it.",
            store.url,
            second.store.url,
            dir.display()
        ));
        Signals::watch()?.wait().await;
    }
    store.shutdown().await;
    second.store.shutdown().await;
    Ok(exit::DONE)
}

async fn open_shop(words: &Demo) -> anyhow::Result<Running> {
    let settings = Settings {
        seed: words.seed,
        products: PRODUCTS,
        customers: CUSTOMERS,
        orders: ORDERS,
        ..Settings::default()
    };
    Ok(start(settings, Arc::new(SystemClock), Arc::new(SystemRng)).await?)
}

/// A cell as `init` makes it, and where its recovery key lies: beside it, which only a demo may do.
async fn make_cell(dir: &Path) -> anyhow::Result<(Home, PathBuf)> {
    if dir.join("cell.json").exists() {
        bail!("there is a cell in `{}` already; the demo makes its own", dir.display());
    }
    files::make_private_folder(dir)?;
    let handles = home::handles(dir)?;
    let mut bytes = [0; 24];
    handles.rng.fill(&mut bytes);
    let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let passphrase_file = dir.join("passphrase");
    files::write_new_private(&passphrase_file, text.as_bytes())?;
    let passphrase = home::passphrase(Some(&passphrase_file), "")?;
    let recovery_key = dir.join("recovery.key");
    let settings = InitSettings {
        recovery: RecoverySetting::New { file: &recovery_key, passphrase: None },
        recipients: Vec::new(),
        cost: Argon2Cost::default(),
    };
    Vault::init(dir, &passphrase, settings, &handles).await?;
    for store in ["store", "keys"] {
        repository::make_store(&dir.join(store).display().to_string(), &StoreOptions::default())?;
    }
    let catalog = catalog::Client::from(Catalog::create(dir).await?);
    let tenant = "default".parse()?;
    catalog.add_tenant(&tenant, handles.clock.now()).await?;
    CellFile::new(Region::new("local")?).write(dir)?;
    let words =
        Common { dir: Some(dir.to_path_buf()), json: false, tenant, passphrase_file: Some(passphrase_file) };
    let home = Home::new(&words, None);
    Ok((home, recovery_key))
}

/// Connects a store, by its platform, address and authority.
async fn connect(
    cell: &Session<'_>,
    (name, (platform, url, ca_pem)): (&str, (&str, &str, &str)),
    credential: Vec<u8>,
    output: &Output,
) -> anyhow::Result<Connection> {
    let credential = SecretBytes(Zeroizing::new(credential));
    let name = ConnectionId::new(name)?;
    let platform = Platform::new(platform)?;
    let scope = Scope {
        tenant: "default".parse()?,
        region: cell.file.region.clone(),
        platform: platform.clone(),
        connection: name.clone(),
    };
    let new =
        Connection { scope, url: url.to_owned(), settings: json!({}), created_at: cell.handles.clock.now() };
    let work = ConnectStore { platform, url: url.to_owned(), ca_pem: Some(ca_pem.to_owned()), credential };
    cell.work(&new, work, output).await?;
    Ok(cell.connection(&name).await?)
}

async fn back_up(cell: &Session<'_>, shop: &Connection, output: &Output) -> anyhow::Result<RunReport> {
    cell.work(shop, BackUp { full: false, of: None }, output).await
}

fn gaps(report: &RunReport) -> String {
    let gaps = report.kinds.values().flat_map(|kind| &kind.gaps);
    gaps.map(|gap| format!("{} ({})", gap.what, gap.detail)).collect::<Vec<_>>().join("; ")
}

/// Checks the trail of all that the story did, and that a change to it is found. Answers how many events it has, and what
/// was found.
async fn trail(home: &Home, dir: &Path) -> anyhow::Result<(u64, String)> {
    let trail = home.opened_trail().await?.context("the trail is not open")?;
    let (_, newest) = trail.take().await?.context("the trail is empty")?;
    let verified =
        verify(&Reader::new(&cell_trail::folder(dir), None, newest.size), &newest, &[], |_| {}).await?;
    ensure!(verified.findings.is_empty(), "the trail is damaged: {:?}", verified.findings);

    let copy = files::new_temporary_folder("caretaker-demo-trail")?;
    let log = copy.join("log");
    let mut tiles = Vec::new();
    for tile in Log::edge_of(newest.size) {
        let (from, to) = (dir.join("trail/log").join(tile.to_string()), log.join(tile.to_string()));
        to.parent().map_or(Ok(()), std::fs::create_dir_all)?;
        std::fs::copy(from, &to)?;
        tiles.push(to);
    }
    let bundle = tiles.last().context("the trail has no events")?;
    let mut bytes = std::fs::read(bundle)?;
    let letter = bytes.iter().rposition(u8::is_ascii_lowercase).and_then(|at| bytes.get_mut(at));
    *letter.context("the trail has no letters")? ^= 1;
    std::fs::write(bundle, bytes)?;
    let changed =
        verify(&Reader::new(&Folder::new(copy.clone()), None, newest.size), &newest, &[], |_| {}).await?;
    std::fs::remove_dir_all(copy)?;
    let found = changed.findings.first().context("a changed event was not found")?;
    Ok((verified.entries, found.what.clone()))
}

async fn recover(dir: &Path, recovery_key: &Path) -> anyhow::Result<u64> {
    let stores = repository::Stores {
        objects: stores::open(&dir.join("store").display().to_string(), &StoreOptions::default())?,
        keys: stores::open(&dir.join("keys").display().to_string(), &StoreOptions::default())?,
    };
    let handles = home::handles(dir)?;
    let key = RecoveryKey::read(recovery_key, None)?;
    let recovered = flows::recover::recover(&stores, key, &handles, None, &|_, _| {}).await?;
    let damaged = recovered.iter().find_map(|one| one.error.as_ref());
    ensure!(damaged.is_none(), "what was recovered is damaged: {damaged:?}");
    let records = recovered.iter().flat_map(|one| &one.exported).flat_map(|read| read.records.values()).sum();
    ensure!(records > 0, "nothing was recovered");
    Ok(records)
}
