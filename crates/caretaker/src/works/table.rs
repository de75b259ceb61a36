//! The table of works: what each takes, and what comes of it.

use std::collections::BTreeSet;
use std::io::{BufReader, Seek as _};
use std::time::Duration;

use connectors::contract::{RestoreOptions, Subscribed};
use domain::{Action, ConnectionId, Id128, Kind, Platform, Removal, SnapshotNumber, Timestamp};
use flows::backup::{Backup, backup, backup_of_kinds};
use flows::connect::{Connect, Connected, ConnectionSettings};
use flows::coverage::Coverage;
use flows::diff::Diff;
use flows::export::{Exported, Source};
use flows::ingest::{Ingest, Input};
use flows::live::LiveDiff;
use flows::person::{self, Erasure};
use flows::restore::{Ask, Plan, RestoreReport, Selection};
use flows::retention::{self, Compacting, Pruning};
use flows::webhook;
use flows::{Cell, FlowError, RunReport};
use repository::{Collected, CommitName, Depth, RepositoryError, Retention, VerifyReport};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use transport::Routes;
use zeroize::Zeroizing;

use super::{Bench, Desk, Work};
use crate::output::{exit, exit_code};

macro_rules! works {
    ($(
        $(#[$doc:meta])*
        $name:ident = $text:literal with [$($action:ident),*] $(on [$($ordered:ident),*])?, again $again:literal, { $($field:ident: $type:ty),* $(,)? } -> $answer:ty,
        $does:path $(, beside $beside:ident)?;
    )*) => {
        $(
            $(#[$doc])*
            #[derive(Serialize, Deserialize)]
            pub(crate) struct $name { $(pub(crate) $field: $type,)* }

            impl Work for $name {
                const NAME: &'static str = $text;
                const ACTIONS: &'static [Action] = &[$(Action::$action),*];
                $(const ORDERED: &'static [Action] = &[$(Action::$ordered),*];)?
                const AGAIN: bool = $again;
                type Answer = $answer;

                $(fn beside(&self) -> Option<&ConnectionId> { self.$beside.as_ref() })?

                async fn does(self, desk: &Desk) -> anyhow::Result<$answer> {
                    $does(desk, self).await
                }
            }
        )*

        /// All of them, as a worker answers them.
        pub(super) fn routes(bench: &Bench, routes: Routes) -> Routes {
            $(
                let own = bench.clone();
                let routes = routes.telling(move |_, job: super::Job<$name>, teller| own.clone().take(job, teller));
            )*
            routes
        }
    };
}

works! {
    /// Keeps a connection to a store, once the store was looked at.
    ConnectStore = "work.connect" with [Connect, Read], again false,
        { platform: Platform, url: String, ca_pem: Option<String>, credential: SecretBytes } -> Connected,
        connect;
    /// Reads a store into a new snapshot.
    BackUp = "work.backup" with [Backup] on [Backup], again true,
        { full: bool, of: Option<BTreeSet<Kind>> } -> RunReport,
        back_up;
    /// Has the platform tell of what changes, below that name.
    HaveTold = "work.webhook.on" with [Backup], again true,
        { public_url: String } -> Subscribed,
        have_told;
    /// Asks it once more for what it was asked to tell.
    HaveToldStill = "work.webhook.repair" with [Backup], again true,
        {} -> Option<Subscribed>,
        have_told_still;
    /// Has it tell nothing any more.
    HaveToldNoMore = "work.webhook.off" with [Backup], again true,
        {} -> Option<Subscribed>,
        have_told_no_more;
    /// Seals the connection's schedules, and looks for what is due. Answers whether they could be sealed: else somebody else writes
    /// to the connection.
    KeepSchedules = "work.schedule.keep" with [Backup], again true,
        {} -> bool,
        keep_schedules;
    /// Takes a file that was lent into a new snapshot.
    IngestFile = "work.ingest" with [Backup] on [Backup], again true,
        { kind: Kind, id: String, subject: Option<String>, all: bool, may_remove_all: bool, name: String } -> RunReport,
        ingest;
    /// What can be backed up and put back.
    Cover = "work.coverage" with [Backup, Read], again true,
        {} -> Coverage,
        cover;
    /// Whether the newest snapshot can be read, and whether the platform still lets us in.
    Look = "work.look" with [Backup, Read], again true,
        {} -> State,
        look;
    /// The snapshots, newest first.
    ListSnapshots = "work.snapshots" with [Read], again true,
        {} -> Vec<Snapshot>,
        snapshots;
    /// Which snapshots the rules would drop.
    ChooseSnapshots = "work.prune.choose" with [Read], again true,
        { rules: Retention } -> Pruning,
        choose;
    /// Drops snapshots.
    DropSnapshots = "work.prune" with [Prune, Backup], again false,
        { numbers: Vec<SnapshotNumber> } -> CommitName,
        drop_snapshots;
    /// Takes out of the index what no snapshot shows.
    Compact = "work.compact" with [Prune, Backup], again true,
        {} -> Compacting,
        compact;
    /// Deletes what nothing names.
    Collect = "work.collect" with [Prune, Backup, Restore], again false,
        { grace: Duration } -> Collected,
        collect;
    /// Builds the index anew.
    Rebuild = "work.rebuild" with [Prune, Backup, Verify], again false,
        { without: Vec<String> } -> CommitName,
        rebuild;
    /// Opens everything that is stored.
    Verify = "work.verify" with [Verify] on [Verify], again true,
        { all_bytes: bool, expected: Option<CommitName> } -> VerifyReport,
        verify;
    /// The records of a kind.
    ListItems = "work.item.list" with [Read], again true,
        { kind: Kind, at: String, search: Option<String> } -> Items,
        list_items;
    /// One record's payload.
    ShowItem = "work.item.show" with [Read], again true,
        { kind: Kind, id: String, at: String } -> Payload,
        show_item;
    /// Every version of a record.
    ItemHistory = "work.item.history" with [Read], again true,
        { kind: Kind, id: String } -> Vec<ItemVersion>,
        item_history;
    /// What changed between two snapshots.
    Compare = "work.diff" with [Read], again true,
        { from: String, to: String, kind: Option<Kind> } -> Diff,
        compare;
    /// What changed in the store since a snapshot.
    CompareLive = "work.diff.live" with [Backup, Read], again true,
        { from: String, kind: Option<Kind>, full: bool } -> Diff,
        compare_live;
    /// Hands over a snapshot as files.
    Export = "work.export" with [Export], again false,
        { at: String } -> Exported,
        export;
    /// Hands over all that is kept of a person.
    ExportPerson = "work.person.export" with [Export], again false,
        { kind: Kind, id: String } -> person::Exported,
        export_person;
    /// Destroys a person's key.
    ErasePerson = "work.person.erase" with [Erase, Backup], again false,
        { kind: Kind, id: String } -> Erasure,
        erase_person;
    /// Draws up what a restore would do.
    PlanRestore = "work.restore.plan" with [Restore, Backup, Read], again true,
        { at: Option<String>, revert: Option<String>, kinds: Vec<Kind>, ids: Vec<String>, options: RestoreOptions, to: Option<ConnectionId> } -> Plan,
        plan_restore, beside to;
    /// Does what the plan that was lent says.
    ApplyRestore = "work.restore.apply" with [Restore, Backup, Read] on [Restore, Backup], again true,
        { to: Option<ConnectionId> } -> RestoreReport,
        apply_restore, beside to;
    /// Takes a restore back.
    UndoRestore = "work.restore.undo" with [Restore, Backup, Read] on [Restore, Backup], again false,
        { restore: Id128, to: Option<ConnectionId> } -> RestoreReport,
        undo_restore, beside to;
    /// What a restore did.
    ShowRestore = "work.restore.show" with [Restore, Read], again true,
        { restore: Id128 } -> RestoreReport,
        show_restore;
}

/// Bytes that open something, on their way to a worker.
pub(crate) struct SecretBytes(pub(crate) Zeroizing<Vec<u8>>);

impl Serialize for SecretBytes {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for SecretBytes {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(|bytes| Self(Zeroizing::new(bytes)))
    }
}

/// What a look at a connection tells.
#[derive(Serialize, Deserialize)]
pub(crate) struct State {
    /// Sentences on what is as it should be, or not.
    pub(crate) said: String,
    pub(crate) is_sound: bool,
    /// Something that is stored is not what was written.
    pub(crate) is_damaged: bool,
}

/// A snapshot in a list.
#[derive(Serialize, Deserialize)]
pub(crate) struct Snapshot {
    pub(crate) number: SnapshotNumber,
    pub(crate) head: CommitName,
    pub(crate) taken_at: Timestamp,
    pub(crate) complete: bool,
    pub(crate) records: Vec<(Kind, u64)>,
}

/// The records of a kind, with what their summaries say under the columns' names.
#[derive(Serialize, Deserialize)]
pub(crate) struct Items {
    pub(crate) snapshot: SnapshotNumber,
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<ItemRow>,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct ItemRow {
    pub(crate) id: Box<str>,
    /// The snapshot that brought this version.
    pub(crate) snapshot: SnapshotNumber,
    pub(crate) cells: Vec<Value>,
}

/// A cell of a summary as people read it.
pub(crate) fn cell_text(cell: &Value) -> String {
    match cell {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// A payload as it was stored: text, since each is JSON.
#[derive(Serialize, Deserialize)]
pub(crate) struct Payload(pub(crate) String);

/// A version of a record.
#[derive(Serialize, Deserialize)]
pub(crate) struct ItemVersion {
    pub(crate) snapshot: SnapshotNumber,
    pub(crate) taken_at: Timestamp,
    pub(crate) removed: Option<Removal>,
}

async fn connect(desk: &Desk, work: ConnectStore) -> anyhow::Result<Connected> {
    let connect = Connect {
        tenant: desk.tenant.clone(),
        name: desk.name.clone(),
        platform: work.platform,
        url: work.url,
        settings: ConnectionSettings { ca_pem: work.ca_pem },
        credential: work.credential.0,
    };
    Ok(flows::connect::connect(&desk.cell, connect).await?)
}

async fn back_up(desk: &Desk, BackUp { full, of }: BackUp) -> anyhow::Result<RunReport> {
    let connection = desk.connection().await?;
    Ok(match of {
        Some(kinds) => backup_of_kinds(&desk.cell, &connection, &kinds, &desk.tells).await?,
        None => backup(&desk.cell, &Backup { connection, full }, &desk.tells).await?,
    })
}

async fn have_told(desk: &Desk, HaveTold { public_url }: HaveTold) -> anyhow::Result<Subscribed> {
    Ok(webhook::subscribe(&desk.cell, &desk.connection().await?, &public_url).await?)
}

async fn have_told_still(desk: &Desk, HaveToldStill {}: HaveToldStill) -> anyhow::Result<Option<Subscribed>> {
    Ok(webhook::repair(&desk.cell, &desk.connection().await?).await?)
}

async fn have_told_no_more(
    desk: &Desk,
    HaveToldNoMore {}: HaveToldNoMore,
) -> anyhow::Result<Option<Subscribed>> {
    Ok(webhook::unsubscribe(&desk.cell, &desk.connection().await?).await?)
}

async fn keep_schedules(desk: &Desk, KeepSchedules {}: KeepSchedules) -> anyhow::Result<bool> {
    let sealed = flows::schedule::seal(&desk.cell, &desk.connection().await?).await;
    desk.say_due();
    match sealed {
        Err(error) if error.kind() == flows::ErrorKind::Conflict => Ok(false),
        sealed => Ok(sealed.map(|()| true)?),
    }
}

async fn ingest(desk: &Desk, work: IngestFile) -> anyhow::Result<RunReport> {
    let IngestFile { kind, id, subject, all, may_remove_all, name } = work;
    let input = Input::new(desk.lent()?, name.into());
    let ingest =
        Ingest { connection: desk.connection().await?, kind, id, subject, all, may_remove_all, input };
    Ok(flows::ingest::ingest(&desk.cell, &ingest, &desk.tells).await?)
}

async fn cover(desk: &Desk, Cover {}: Cover) -> anyhow::Result<Coverage> {
    Ok(flows::coverage::coverage(&desk.cell, &desk.connection().await?).await?)
}

async fn look(desk: &Desk, Look {}: Look) -> anyhow::Result<State> {
    let connection = desk.connection().await?;
    let said = [history(desk, &connection).await, platform(desk, &connection).await];
    let is_damaged =
        said.iter().any(|one| one.as_ref().is_err_and(|error| exit_code(error) == exit::INTEGRITY));
    let is_sound = said.iter().all(Result::is_ok);
    let told = |one: anyhow::Result<Option<String>>| match one {
        Ok(said) => said,
        Err(error) => Some(domain::with_causes(error.as_ref())),
    };
    let said: Vec<String> = said.into_iter().filter_map(told).collect();
    Ok(State { said: said.join("; "), is_sound, is_damaged })
}

/// Whether the newest snapshot can be read.
async fn history(desk: &Desk, connection: &catalog::Connection) -> anyhow::Result<Option<String>> {
    let (cell, scope) = (&desk.cell, &connection.scope);
    let grant = cell.grant(scope, &[Action::Read], "look").await?;
    let known = cell.known_head(scope).await?;
    Ok(Some(match cell.repository(scope).reader(&grant, Action::Read, known.as_ref()).await {
        Ok(reader) => {
            let taken_at = reader.head().commit.taken_at;
            format!("snapshot {} of {taken_at:.0}", reader.head().name.number)
        }
        Err(RepositoryError::NotFound(_)) => "nothing was backed up yet".to_owned(),
        Err(error) => return Err(error.into()),
    }))
}

/// Whether the platform still lets us in, where there is one.
async fn platform(desk: &Desk, connection: &catalog::Connection) -> anyhow::Result<Option<String>> {
    let (cell, scope) = (&desk.cell, &connection.scope);
    if connectors::registry::platform(scope.platform.as_str()).is_none() {
        return Ok(None);
    }
    let grant = cell.grant(scope, &[Action::Backup], "look").await?;
    let store = flows::connect::open(cell, connection, &grant).await?;
    let probe = store.probe().await.map_err(|fault| {
        let again = format!("caretaker connect {} {} …", scope.platform, scope.connection);
        anyhow::anyhow!("{fault}; if the credential has ended, give a new one with `{again}`")
    })?;
    let missing: Vec<&str> = probe.missing.iter().map(|missing| missing.scope.as_str()).collect();
    anyhow::ensure!(
        missing.is_empty(),
        "these scopes are not granted: {}. Grant them to the app",
        missing.join(", ")
    );
    Ok(Some("the store answers, all scopes are granted".to_owned()))
}

async fn snapshots(desk: &Desk, ListSnapshots {}: ListSnapshots) -> anyhow::Result<Vec<Snapshot>> {
    let (tenant, name) = (&desk.tenant, &desk.name);
    let heads = match flows::read::open(&desk.cell, tenant, name, Action::Read, "list snapshots").await {
        Ok(reader) => reader.snapshots().await?,
        // Connected, and never backed up.
        Err(FlowError::NotFound(_)) if desk.connection().await.is_ok() => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    let snapshot = |head: repository::Head| Snapshot {
        number: head.name.number,
        head: head.name,
        taken_at: head.commit.taken_at,
        complete: head.commit.complete,
        records: head.commit.kinds.into_iter().map(|(kind, state)| (kind, state.records)).collect(),
    };
    Ok(heads.into_iter().map(snapshot).collect())
}

async fn choose(desk: &Desk, ChooseSnapshots { rules }: ChooseSnapshots) -> anyhow::Result<Pruning> {
    Ok(retention::pruning(&desk.cell, &desk.connection().await?, &rules).await?)
}

async fn drop_snapshots(desk: &Desk, DropSnapshots { numbers }: DropSnapshots) -> anyhow::Result<CommitName> {
    Ok(retention::prune(&desk.cell, &desk.connection().await?, &numbers).await?)
}

async fn compact(desk: &Desk, Compact {}: Compact) -> anyhow::Result<Compacting> {
    Ok(retention::compact(&desk.cell, &desk.connection().await?).await?)
}

async fn collect(desk: &Desk, Collect { grace }: Collect) -> anyhow::Result<Collected> {
    Ok(retention::collect(&desk.cell, &desk.connection().await?, grace).await?)
}

async fn rebuild(desk: &Desk, Rebuild { without }: Rebuild) -> anyhow::Result<CommitName> {
    Ok(retention::rebuild(&desk.cell, &desk.connection().await?, &without).await?)
}

async fn verify(desk: &Desk, Verify { all_bytes, expected }: Verify) -> anyhow::Result<VerifyReport> {
    let depth = if all_bytes { Depth::AllBytes } else { Depth::Structure };
    let told = |progress: repository::VerifyProgress| {
        desk.tells.progress("verifying", progress.bytes_done, Some(progress.bytes), None);
    };
    let scope = desk.connection().await?.scope;
    Ok(flows::verify::verify(&desk.cell, &scope, (depth, expected.as_ref()), &told).await?)
}

async fn reader(desk: &Desk, action: Action, purpose: &str) -> flows::Result<repository::Reader> {
    flows::read::open(&desk.cell, &desk.tenant, &desk.name, action, purpose).await
}

async fn list_items(desk: &Desk, ListItems { kind, at, search }: ListItems) -> anyhow::Result<Items> {
    let reader = reader(desk, Action::Read, "list records").await?;
    let head = flows::read::snapshot(&reader, &at).await?;
    flows::read::check_kind(&desk.platform, [&head], &kind)?;
    let columns = head.commit.kinds.get(&kind).map(|state| state.columns.clone()).unwrap_or_default();
    let needle = search.map(|text| text.to_lowercase());
    let mut scan = reader.scan(&kind, head.name.number, None).await?;
    let (mut rows, mut seen) = (Vec::new(), 0);
    while let Some(row) = scan.next_summary().await? {
        seen += 1;
        desk.tells.progress(&format!("listing {kind}"), seen, None, None);
        let cells: Vec<Value> =
            row.cells.and_then(|cells| serde_json::from_slice(&cells).ok()).unwrap_or_default();
        let found = needle.as_ref().is_none_or(|needle| {
            row.id.to_lowercase().contains(needle)
                || cells.iter().any(|cell| cell_text(cell).to_lowercase().contains(needle))
        });
        if found {
            rows.push(ItemRow { id: row.id, snapshot: row.number, cells });
        }
    }
    Ok(Items { snapshot: head.name.number, columns, rows })
}

async fn show_item(desk: &Desk, ShowItem { kind, id, at }: ShowItem) -> anyhow::Result<Payload> {
    let reader = reader(desk, Action::Read, "show a record").await?;
    let head = flows::read::snapshot(&reader, &at).await?;
    flows::read::check_kind(&desk.platform, [&head], &kind)?;
    let record = flows::read::record(&reader, &kind, &id, head.name.number).await?;
    let text = String::from_utf8(record.payload.to_vec());
    Ok(Payload(text.map_err(|_| FlowError::Integrity(format!("{kind} {id} is not text")))?))
}

async fn item_history(
    desk: &Desk,
    ItemHistory { kind, id }: ItemHistory,
) -> anyhow::Result<Vec<ItemVersion>> {
    let reader = reader(desk, Action::Read, "show a history").await?;
    flows::read::check_kind(&desk.platform, [reader.head()], &kind)?;
    let lines = flows::read::history(&reader, &kind, &id).await?.into_iter();
    let version = |line: flows::read::HistoryLine| ItemVersion {
        snapshot: line.number,
        taken_at: line.taken_at,
        removed: line.removed,
    };
    Ok(lines.map(version).collect())
}

async fn compare(desk: &Desk, Compare { from, to, kind }: Compare) -> anyhow::Result<Diff> {
    let reader = reader(desk, Action::Read, "compare snapshots").await?;
    let from = flows::read::snapshot(&reader, &from).await?;
    let to = flows::read::snapshot(&reader, &to).await?;
    if let Some(kind) = &kind {
        flows::read::check_kind(&desk.platform, [&from, &to], kind)?;
    }
    let told = |what: &str, done: u64| desk.tells.progress(what, done, None, None);
    Ok(flows::diff::diff(&reader, from.name.number, to.name.number, kind.as_ref(), &told).await?)
}

async fn compare_live(desk: &Desk, CompareLive { from, kind, full }: CompareLive) -> anyhow::Result<Diff> {
    let connection = &desk.connection().await?;
    let ask = LiveDiff { connection, from: &from, kind: kind.as_ref(), full };
    Ok(flows::live::diff_live(&desk.cell, &ask, &desk.tells).await?)
}

async fn export(desk: &Desk, Export { at }: Export) -> anyhow::Result<Exported> {
    let reader = reader(desk, Action::Export, "export").await?;
    let head = flows::read::snapshot(&reader, &at).await?;
    let scope = desk.connection().await?.scope;
    let grant = desk.cell.grant(&scope, &[Action::Export], "export").await?;
    let source = Source {
        repository: &desk.cell.repository(&scope),
        grant: &grant,
        action: Action::Export,
        platform: &scope.platform,
        reader: &reader,
        head: &head,
    };
    let told = |what: &str, done: u64| desk.tells.progress(&format!("exporting {what}"), done, None, None);
    Ok(flows::export::export(&source, Some(&desk.tells), &told).await?)
}

async fn export_person(
    desk: &Desk,
    ExportPerson { kind, id }: ExportPerson,
) -> anyhow::Result<person::Exported> {
    Ok(person::export(&desk.cell, &desk.connection().await?, (&kind, &id), &desk.tells).await?)
}

async fn erase_person(desk: &Desk, ErasePerson { kind, id }: ErasePerson) -> anyhow::Result<Erasure> {
    Ok(person::erase(&desk.cell, &desk.connection().await?, (&kind, &id)).await?)
}

async fn ask(cell: &Cell, desk: &Desk, work: PlanRestore) -> anyhow::Result<Ask> {
    let reader = flows::read::open(cell, &desk.tenant, &desk.name, Action::Read, "plan a restore").await?;
    let number = async |at: &str| -> anyhow::Result<SnapshotNumber> {
        let head = flows::read::snapshot(&reader, at).await?;
        for kind in &work.kinds {
            flows::read::check_kind(&desk.platform, [&head, reader.head()], kind)?;
        }
        Ok(head.name.number)
    };
    let selection = match &work.revert {
        Some(window) => {
            let (from, to) = window.split_once("..").ok_or_else(|| {
                FlowError::Input(format!("`{window}` is not a window: write FROM..TO, such as 3..4"))
            })?;
            let (from, to) = (number(from).await?, number(to).await?);
            if from >= to {
                return Err(FlowError::Input(format!("the window {from}..{to} is empty")).into());
            }
            Selection::Revert(from, to)
        }
        None => Selection::At(number(work.at.as_deref().unwrap_or("latest")).await?),
    };
    let PlanRestore { kinds, ids, options, to, .. } = work;
    let (tenant, connection) = (desk.tenant.clone(), desk.name.clone());
    let target = to.unwrap_or_else(|| connection.clone());
    Ok(Ask { tenant, connection, target, selection, kinds, ids, options })
}

async fn plan_restore(desk: &Desk, work: PlanRestore) -> anyhow::Result<Plan> {
    let ask = ask(&desk.cell, desk, work).await?;
    Ok(flows::restore::draw(&desk.cell, &ask, &desk.tells).await?)
}

async fn apply_restore(desk: &Desk, _: ApplyRestore) -> anyhow::Result<RestoreReport> {
    let mut file = desk.lent()?;
    // Whoever lent it has read it; what came from another host is read here first.
    if file.metadata()?.is_file() {
        file.rewind()?;
    }
    let file = BufReader::new(file);
    let plan: Plan = serde_json::from_reader(file)
        .map_err(|error| FlowError::Conflict(format!("the plan is not as it was drawn up: {error}")))?;
    Ok(flows::restore::apply(&desk.cell, &plan, &desk.tells).await?)
}

async fn undo_restore(
    desk: &Desk,
    UndoRestore { restore, .. }: UndoRestore,
) -> anyhow::Result<RestoreReport> {
    Ok(flows::restore::undo(&desk.cell, &desk.tenant, restore, &desk.tells).await?)
}

async fn show_restore(desk: &Desk, ShowRestore { restore }: ShowRestore) -> anyhow::Result<RestoreReport> {
    Ok(flows::restore::show(&desk.cell, &desk.tenant, restore).await?)
}
