//! The command line's words. A contract: names stay as they are.

mod connect;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{ArgGroup, Args, Parser, Subcommand};
use domain::{ConnectionId, Id128, Kind, Platform, Region, TenantId};
use url::Url;
use vault::Month;

use crate::names::{Every, Names, Place, RoleWord, Tag};
use crate::public::PublicUrl;
use crate::stores::StoreCredentialFiles;

pub(crate) use connect::{Connect, ConnectBigcommerce, ConnectShopify, ConnectStore};

/// Backs up online stores item by item, keeps every version, and puts any of them back.
#[derive(Debug, Parser)]
#[command(name = "caretaker", version, about, propagate_version = true)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "For all commands")]
pub(crate) struct Common {
    /// The cell's home on this machine
    #[arg(long, global = true, env = "CARETAKER_DIR", value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// Answer in JSON, errors and progress included
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Whose connections, where one installation keeps those of many
    #[arg(long, global = true, default_value = "default", value_name = "TENANT")]
    pub(crate) tenant: TenantId,
    /// Read the passphrase from this file instead of asking for it
    #[arg(long, global = true, env = "CARETAKER_PASSPHRASE_FILE", value_name = "FILE")]
    pub(crate) passphrase_file: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a new cell, the home of your backups; or one again from its stores
    Init(Init),
    /// Connect a store, or give one that is connected a new credential; or many at once
    #[command(args_conflicts_with_subcommands = true)]
    Connect {
        /// Connect all that stand in this CSV file. Its first line names its columns: platform, name, url, token_file, client_id,
        /// client_secret_file, ca_file, region, tags (with spaces between). Files are found from its folder
        #[arg(long, value_name = "FILE")]
        from: Option<PathBuf>,
        #[command(subcommand)]
        one: Option<Connect>,
    },
    /// Whose connections this cell keeps: add somebody, list all
    #[command(subcommand)]
    Tenant(TenantCommand),
    /// What is connected, and how much of it is covered
    #[command(subcommand)]
    Connection(ConnectionCommand),
    /// Back a store up: one snapshot
    Backup {
        #[command(flatten)]
        names: Names,
        /// List everything, whatever the kinds can tell of changes
        #[arg(long)]
        full: bool,
    },
    /// Take JSON lines into a `jsonl` connection, as one snapshot
    Ingest(Ingest),
    /// The snapshots of a connection: list them, drop old ones
    #[command(subcommand)]
    Snapshot(SnapshotCommand),
    /// The space that a connection takes, and the credentials of buckets
    #[command(subcommand)]
    Store(StoreCommand),
    /// Records: lists, one record, its history
    #[command(subcommand)]
    Item(ItemCommand),
    /// What changed between two snapshots, or since a snapshot
    Diff {
        /// The connection's name
        name: ConnectionId,
        /// The earlier snapshot: a time (RFC 3339), a snapshot's number, or `latest`
        #[arg(long, value_name = "TIME")]
        from: String,
        /// The later snapshot, or `live`: the store as it is just now. It is only read, and no snapshot is made
        #[arg(long, value_name = "TIME", default_value = "latest")]
        to: String,
        /// Only this kind
        #[arg(long)]
        kind: Option<Kind>,
        /// With `--to live`: read everything, whatever the kinds can tell of changes
        #[arg(long)]
        full: bool,
    },
    /// Put things back: plan, apply, undo
    #[command(subcommand)]
    Restore(RestoreCommand),
    /// Check that everything stored can be read, and is what was written
    Verify {
        #[command(flatten)]
        names: Names,
        /// Open every byte, not the index alone
        #[arg(long)]
        all_bytes: bool,
        /// The head that `backup` printed: a store that has fallen behind it was rolled back
        #[arg(long, value_name = "HEAD")]
        expect_head: Option<String>,
    },
    /// Write a snapshot as files: JSON lines, media, what the store's own import takes, and the map of ids
    Export {
        #[command(flatten)]
        names: Names,
        /// When: a time (RFC 3339), a snapshot's number, or `latest`
        #[arg(long, default_value = "latest", value_name = "TIME")]
        at: String,
        /// A folder that is empty or does not exist yet. For many connections, one folder each is made in it
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// Read the stores with nothing but the recovery key
    Recover(Recover),
    /// What was done, and the proof that nobody rewrote it
    #[command(subcommand)]
    Trail(TrailCommand),
    /// The policies: what they say, who can do what, and the proof of what they can never allow
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// The vault's keys: which there are, new ones, the end of old ones
    #[command(args_conflicts_with_subcommands = true)]
    Vault {
        #[command(subcommand)]
        command: Option<VaultCommand>,
    },
    /// Run the cell until it is told to end: commands that are given meanwhile join it
    Up(Up),
    /// Run a platform's worker on a machine that is not the vault's, until it is told to end
    Worker(Worker),
    /// What a cell that runs does by itself, again and again: say how often, pause it, see how it ended
    #[command(subcommand)]
    Schedule(ScheduleCommand),
    /// What platforms tell of changes, so that these are backed up within a minute: have it told, or not, and see what is told
    #[command(subcommand)]
    Webhook(WebhookCommand),
    /// The standing orders, by which work goes on when whoever gave it has gone: list them, end one
    #[command(subcommand)]
    Order(OrderCommand),
    /// The machines on which workers, the server or the monitor run that are not the vault's: have one join, list all, take one out
    #[command(subcommand)]
    Host(HostCommand),
    /// Has the catalog, for other commands: they start it. On a machine that is not the vault's: runs it until it is told to end
    Serve(Joins),
    /// Takes what all others record into the trail's log: commands start it. On a machine that is not the vault's: runs it until it is
    /// told to end
    Monitor(Joins),
    /// Reads and writes what is kept of one platform's stores, and speaks to these: commands start it
    Work,
    /// Gets certificates for the public endpoint: `up` starts it
    Certify,
    /// Speaks to a token or a key management service for the vault: commands start it
    Sealer,
    /// The recovery key: split it among people, put it together again
    #[command(subcommand)]
    Recovery(RecoveryCommand),
    /// What the law gives a person: all that is kept of them, and that it is kept no more
    #[command(subcommand)]
    Person(PersonCommand),
    /// A practice store, to try things on
    #[command(subcommand)]
    Sandbox(SandboxCommand),
    /// The whole story on a practice store: back up, spoil, find, put back, prove
    Demo(Demo),
    /// What is wrong with this installation, and how to put it right
    Doctor,
    /// Bring the catalog's schema up to this version's; and a new cell's catalog to the server where it is to be
    Migrate(Migrate),
    /// Write manual pages, one for each command
    Man {
        /// The folder to write them to
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// The kinds of items, per platform
    Kinds {
        /// Only this platform's
        platform: Option<String>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Up {
    #[command(flatten)]
    pub(crate) listens: Listens,
    /// Where other hosts find the vault, the server or the monitor, which listens there: all three are needed where workers run
    /// elsewhere
    #[arg(long, value_name = "ROLE=IP:PORT")]
    pub(crate) at: Vec<Place>,
    /// Where a worker, the monitor, or the server of a catalog on PostgreSQL, is found that runs on another host:
    /// `worker/shopify=IP:PORT`. None is started here then
    #[arg(long, value_name = "ROLE=IP:PORT")]
    pub(crate) elsewhere: Vec<Place>,
}

#[derive(Debug, Args)]
pub(crate) struct Worker {
    /// The platform
    #[arg(long)]
    pub(crate) platform: Platform,
    #[command(flatten)]
    pub(crate) joins: Joins,
    /// A port at which stores are spoken to, beside that of HTTPS; may be repeated
    #[arg(long, value_name = "PORT")]
    pub(crate) reaching: Vec<u16>,
}

/// How a machine joins a cell.
#[derive(Debug, Args)]
pub(crate) struct Joins {
    /// Join the cell first, by the invitation in this file: once, with --listen
    #[arg(long, value_name = "FILE", requires = "listen")]
    pub(crate) join: Option<PathBuf>,
    /// Where the cell finds what runs here
    #[arg(long, value_name = "IP:PORT", requires = "join")]
    pub(crate) listen: Option<SocketAddr>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ScheduleCommand {
    /// Say how often. What nobody ran for is made up for once, and then it goes on at its times
    Set {
        #[command(flatten)]
        names: Names,
        /// Back up so often: `15m`, `1h`, `1d`
        #[arg(long, value_name = "EVERY", required_unless_present = "verify")]
        backup: Option<Every>,
        /// Verify so often
        #[arg(long, value_name = "EVERY")]
        verify: Option<Every>,
    },
    /// All of them: when each is due, and how it ended last
    List,
    /// Do nothing by itself for now. What is under way goes on to its end
    Pause(Names),
    /// Go on. What was missed is made up for once
    Resume(Names),
    /// Do it no more
    Remove {
        #[command(flatten)]
        names: Names,
        /// Only this; without it, all
        #[arg(long, value_name = "TASK", value_parser = ["backup", "verify"])]
        task: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum WebhookCommand {
    /// Have the platform tell. Takes a public name, `up --listen`, and a schedule for backups
    On(Names),
    /// Have it tell no more
    Off(Names),
    /// What is told, since when nothing was, and what is not told and why
    List,
}

#[derive(Debug, Subcommand)]
pub(crate) enum OrderCommand {
    /// All that stand. Work that is under way has one, and what a command left that was killed
    List,
    /// End one: no grant is given on it any more, and the one that was ends within the hour
    End {
        /// Its id, as `order list` shows it
        id: Id128,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum HostCommand {
    /// Write an invitation, with which one machine joins the cell that runs. It is good once
    Invite {
        /// What is to run there: `worker/shopify`, `monitor` or `server`
        role: RoleWord,
        /// The file to write. Whoever has it can join: bring it there, and nowhere else
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// For so many minutes it is good
        #[arg(long, value_name = "N", default_value_t = 60)]
        minutes: u64,
    },
    /// All of them
    List,
    /// Take one out: it gets no certificate any more, and the one that it has ends within half an hour
    Remove {
        /// Its id, as `host list` shows it
        id: Id128,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Init {
    /// Write the recovery key to this file. It is written once: keep it somewhere else
    #[arg(long, value_name = "FILE", required_unless_present = "from_store", conflicts_with = "from_store")]
    pub(crate) recovery_key_out: Option<PathBuf>,
    /// A running cell again: from the backups kept here, with --keys-store and --recovery-key-file. The cell that
    /// was before is locked out of the stores
    #[arg(long, value_name = "URL", requires = "keys_store", requires = "recovery_key_file")]
    pub(crate) from_store: Option<String>,
    /// The recovery key of the cell that is set up again
    #[arg(long, value_name = "FILE", requires = "from_store")]
    pub(crate) recovery_key_file: Option<PathBuf>,
    /// Seal the recovery key by the passphrase in this file
    #[arg(long, value_name = "FILE")]
    pub(crate) recovery_passphrase_file: Option<PathBuf>,
    /// Where the cell's data must stay
    #[arg(long, default_value = "local", value_name = "REGION")]
    pub(crate) region: Region,
    /// Seal the vault by a token (`pkcs11:token=…;object=…?module-path=…&pin-source=file:…`) or by a key management service
    /// (`kms:KEY?region=…&credentials-file=…`) instead of a passphrase
    #[arg(long, value_name = "SEAL")]
    pub(crate) root_seal: Option<String>,
    /// Where the keys are kept, if not in DIR/keys: a directory, or s3://BUCKET/PREFIX?endpoint=URL&region=NAME
    #[arg(long, value_name = "URL")]
    pub(crate) keys_store: Option<String>,
    /// Where the backups are kept, if not in DIR/store: a directory, or s3://BUCKET/PREFIX?endpoint=URL&region=NAME
    #[arg(long, value_name = "URL", conflicts_with = "from_store")]
    pub(crate) store: Option<String>,
    #[command(flatten)]
    pub(crate) credentials: StoreCredentialFiles,
    /// Where the catalog is kept, if not in DIR/catalog: postgres://USER@HOST[:PORT]/DATABASE. `migrate` puts it there. No password:
    /// the server knows the cell by its certificate
    #[arg(long, value_name = "URL")]
    pub(crate) catalog: Option<String>,
    /// The authority of the catalog's server, in PEM, where no public one has signed its certificate
    #[arg(long, value_name = "FILE", requires = "catalog")]
    pub(crate) catalog_ca_file: Option<PathBuf>,
    /// Where others find this cell: https://HOST or https://HOST:PORT. It is fixed for good; without one there is no public
    /// endpoint
    #[arg(long, value_name = "URL")]
    pub(crate) public_url: Option<PublicUrl>,
}

#[derive(Debug, Args)]
pub(crate) struct Migrate {
    /// Only say whether it is
    #[arg(long)]
    pub(crate) check: bool,
    /// Where the catalog is on a server: the server's role that owns its tables, or is to make them
    #[arg(long, value_name = "ROLE", requires = "owner_password_file")]
    pub(crate) owner: Option<String>,
    /// The file that holds that role's password
    #[arg(long, value_name = "FILE", requires = "owner")]
    pub(crate) owner_password_file: Option<PathBuf>,
}

/// The public endpoint.
#[derive(Debug, Args)]
pub(crate) struct Listens {
    /// Have a public endpoint, and listen there; HTTPS alone is spoken. `init --public-url` says what it is called
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) listen: Option<SocketAddr>,
    /// Its certificate, in PEM, with those between it and its authority. When another is put in its place, that is used
    #[arg(long, value_name = "FILE", requires = "listen", requires = "certificate_key_file")]
    pub(crate) certificate_file: Option<PathBuf>,
    /// The private key of that certificate, in PEM; it may stand in the same file
    #[arg(long, value_name = "FILE", requires = "certificate_file")]
    pub(crate) certificate_key_file: Option<PathBuf>,
    /// Get certificates from an authority instead (ACME): the address of its directory. It must reach this cell at port 443 of
    /// the public name
    #[arg(long, value_name = "URL", requires = "listen", conflicts_with = "certificate_file")]
    pub(crate) acme: Option<Url>,
    /// You have read that authority's terms, and agree to them
    #[arg(long, requires = "acme")]
    pub(crate) acme_agree: bool,
    /// To which mail address that authority may write
    #[arg(long, value_name = "MAIL", requires = "acme")]
    pub(crate) acme_contact: Option<String>,
    /// One more authority to trust when that one is spoken to, in PEM
    #[arg(long, value_name = "FILE", requires = "acme")]
    pub(crate) acme_ca_file: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TenantCommand {
    /// Add a tenant. From then on `--tenant` takes its name
    Add {
        /// The tenant's name
        name: TenantId,
    },
    /// All tenants of the cell
    List,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConnectionCommand {
    /// All connections
    List,
    /// One connection
    Show(Names),
    /// Give a connection tags, or take them away
    Tag {
        /// The connection's name
        name: ConnectionId,
        /// A tag that it gets; may be repeated
        #[arg(long, value_name = "TAG", required_unless_present = "remove")]
        add: Vec<Tag>,
        /// A tag that it loses; may be repeated
        #[arg(long, value_name = "TAG")]
        remove: Vec<Tag>,
    },
    /// Per kind: what is backed up, what can be put back, what is lost, which scope is missing
    Coverage(Names),
}

#[derive(Debug, Args)]
pub(crate) struct Ingest {
    /// The connection's name
    pub(crate) name: ConnectionId,
    /// The records' kind
    #[arg(long)]
    pub(crate) kind: Kind,
    /// Where each record's id stands, as a JSON pointer
    #[arg(long, value_name = "POINTER")]
    pub(crate) id: String,
    /// Where the id of the person stands whose data a record is
    #[arg(long, value_name = "POINTER")]
    pub(crate) subject: Option<String>,
    /// These are all there are: what is absent was removed
    #[arg(long)]
    pub(crate) all: bool,
    /// Remove everything without asking, where `--all` meets an empty file
    #[arg(long)]
    pub(crate) yes: bool,
    /// JSON lines; `-` reads standard input
    pub(crate) file: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SnapshotCommand {
    /// All snapshots, newest first
    List(Names),
    /// Drop the snapshots that no rule keeps. The newest always stays
    Prune(SnapshotPrune),
}

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("rules").required(true).multiple(true)))]
pub(crate) struct SnapshotPrune {
    #[command(flatten)]
    pub(crate) names: Names,
    /// Keep the newest N snapshots
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true, group = "rules")]
    pub(crate) keep_last: u32,
    /// Keep the newest snapshot of each of the last N hours that have one
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true, group = "rules")]
    pub(crate) keep_hourly: u32,
    /// The same for days, in UTC
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true, group = "rules")]
    pub(crate) keep_daily: u32,
    /// The same for weeks, from Monday
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true, group = "rules")]
    pub(crate) keep_weekly: u32,
    /// The same for months
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true, group = "rules")]
    pub(crate) keep_monthly: u32,
    /// The same for years
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true, group = "rules")]
    pub(crate) keep_yearly: u32,
    /// Only say which would be dropped
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Drop them without asking for the connection's name
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum StoreCommand {
    /// Take what no snapshot shows any more out of the index, and copy together what is left of packs that are
    /// mostly dropped
    Compact(Names),
    /// Delete what no snapshot names any more, in two passes: the first lists, the second, a grace later, deletes
    Collect {
        #[command(flatten)]
        names: Names,
        /// Hours between the passes. Less than 72 only where nothing else writes to the stores
        #[arg(long, value_name = "HOURS", default_value_t = 72)]
        grace_hours: u64,
        /// Delete without asking for the connection's name
        #[arg(long)]
        yes: bool,
    },
    /// Build a lost or damaged index anew from the packs
    Rebuild {
        /// The connection's name
        name: ConnectionId,
        /// Without this pack, which is lost for good, as `verify` names it; may be repeated. What it held is lost
        #[arg(long, value_name = "PATH")]
        without: Vec<String>,
        /// Accept that loss without asking for the connection's name
        #[arg(long)]
        yes: bool,
    },
    /// Give the cell's buckets a new credential; it is tried first, and sealed by the vault
    Credential {
        /// Only this store's; without it, both stores', or the key store's where only its file is given
        #[arg(long, value_name = "STORE", value_parser = ["object-store", "key-store"])]
        only: Option<String>,
        /// For the workers of this platform alone: one with which the bucket's server lets nobody into another platform's part
        #[arg(long, value_name = "PLATFORM", value_parser = PossibleValuesParser::new(connectors::registry::names()))]
        platform: Option<String>,
        #[command(flatten)]
        files: StoreCredentialFiles,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum ItemCommand {
    /// The records of a kind
    List {
        /// The connection's name
        name: ConnectionId,
        /// Which kind
        kind: Kind,
        /// When: a time (RFC 3339), a snapshot's number, or `latest`
        #[arg(long, default_value = "latest", value_name = "TIME")]
        at: String,
        /// Only records in whose summary or id this text occurs
        #[arg(long, value_name = "TEXT")]
        search: Option<String>,
    },
    /// One record's payload, as it was stored
    Show {
        /// The connection's name
        name: ConnectionId,
        /// Which kind
        kind: Kind,
        /// The platform's id; its numeric tail will do
        id: String,
        /// When: a time (RFC 3339), a snapshot's number, or `latest`
        #[arg(long, default_value = "latest", value_name = "TIME")]
        at: String,
    },
    /// Every version of a record
    History {
        /// The connection's name
        name: ConnectionId,
        /// Which kind
        kind: Kind,
        /// The platform's id; its numeric tail will do
        id: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum RestoreCommand {
    /// Say what would be done; reads only
    Plan(RestorePlan),
    /// Do what a plan says; refuses where the store has moved since
    Apply {
        /// The plan
        plan: PathBuf,
    },
    /// Take a restore back
    Undo {
        /// The restore's id
        restore: Id128,
    },
    /// What a restore did
    Show {
        /// The restore's id
        restore: Id128,
    },
}

#[derive(Debug, Args)]
pub(crate) struct RestorePlan {
    /// The connection's name
    pub(crate) name: ConnectionId,
    /// The wanted state: a time (RFC 3339), a snapshot's number, or `latest`
    #[arg(long, value_name = "TIME", conflicts_with = "revert")]
    pub(crate) at: Option<String>,
    /// Take back only what changed between two snapshots, and keep later edits
    #[arg(long, value_name = "TIME..TIME")]
    pub(crate) revert: Option<String>,
    /// Only this kind; may be repeated
    #[arg(long)]
    pub(crate) kind: Vec<Kind>,
    /// Only this item; may be repeated
    #[arg(long)]
    pub(crate) id: Vec<String>,
    /// Only this field: a JSON pointer, or a field's name; may be repeated
    #[arg(long, value_name = "PATH")]
    pub(crate) field: Vec<String>,
    /// Set stock quantities too; restoring old stock is usually wrong
    #[arg(long)]
    pub(crate) stock: bool,
    /// Into another connected store
    #[arg(long, value_name = "NAME")]
    pub(crate) to: Option<ConnectionId>,
    /// Write the plan to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Recover {
    /// Where the backups are kept: a directory, or s3://BUCKET/PREFIX?endpoint=URL&region=NAME
    #[arg(long, value_name = "URL")]
    pub(crate) store: String,
    /// Where the keys are kept: the same
    #[arg(long, value_name = "URL")]
    pub(crate) keys_store: String,
    /// The recovery key
    #[arg(long, value_name = "FILE")]
    pub(crate) recovery_key_file: PathBuf,
    /// The file that holds the passphrase by which the recovery key is sealed
    #[arg(long, value_name = "FILE")]
    pub(crate) recovery_passphrase_file: Option<PathBuf>,
    /// A folder that is empty or does not exist yet
    #[arg(long, value_name = "DIR", required_unless_present = "check", conflicts_with = "check")]
    pub(crate) out: Option<PathBuf>,
    /// Only prove that everything can be read
    #[arg(long)]
    pub(crate) check: bool,
    #[command(flatten)]
    pub(crate) credentials: StoreCredentialFiles,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SandboxCommand {
    /// A practice Shopify store, over HTTPS with an authority of its own
    Shopify(SandboxShopify),
    /// A practice BigCommerce store, over HTTPS with an authority of its own
    Bigcommerce(SandboxBigcommerce),
}

/// What is said of a practice store of any platform.
#[derive(Debug, Args)]
pub(crate) struct SandboxStore {
    /// Where to listen
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDR")]
    pub(crate) listen: SocketAddr,
    /// All content follows from it
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// How many products
    #[arg(long, default_value_t = 50)]
    pub(crate) products: u32,
    /// How many customers
    #[arg(long, default_value_t = 20)]
    pub(crate) customers: u32,
    /// How many orders
    #[arg(long, default_value_t = 20)]
    pub(crate) orders: u32,
    /// Where the files with token, secret and authority are written
    #[arg(long, value_name = "DIR")]
    pub(crate) state: Option<PathBuf>,
    /// Faults, such as `429@3,502:products@2`
    #[arg(long, value_name = "SPEC")]
    pub(crate) fault: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct SandboxBigcommerce {
    #[command(flatten)]
    pub(crate) store: SandboxStore,
    /// Requests of all apps together in each window of 30 seconds; unlimited without it
    #[arg(long, value_name = "REQUESTS")]
    pub(crate) requests_per_window: Option<u32>,
}

#[derive(Debug, Args)]
pub(crate) struct SandboxShopify {
    #[command(flatten)]
    pub(crate) store: SandboxStore,
    /// Points per second of the API budget; unlimited without it
    #[arg(long, value_name = "POINTS")]
    pub(crate) points_per_second: Option<u32>,
    /// For so many seconds a search does not see what was written
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    pub(crate) search_lag: u64,
    /// So many seconds take jobs, bulk operations and the processing of files
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    pub(crate) job_time: u64,
}

#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// End when the story is told
    #[arg(long)]
    pub(crate) once: bool,
    /// All figures follow from it
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Faults of the practice store, such as `bulk-failed:products@1+`
    #[arg(long, value_name = "SPEC")]
    pub(crate) fault: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TrailCommand {
    /// The newest events
    List {
        /// So many of them
        #[arg(long, default_value_t = 50, value_name = "N")]
        last: usize,
        /// Only those of this operation, such as `credential.open`
        #[arg(long, value_name = "OPERATION")]
        operation: Option<String>,
        /// With what is personal in them, which the vault opens: which record somebody looked at
        #[arg(long)]
        personal: bool,
    },
    /// Check that every event is as it was signed, that none is missing, and that the trail grew out of what it was
    Verify {
        /// A checkpoint that you kept: a trail that was cut off or rewritten since does not agree with it
        #[arg(long, value_name = "FILE")]
        since: Option<PathBuf>,
    },
    /// The proof that an event is in the trail, or that the trail grew out of what it was, for somebody else to check
    #[command(group = ArgGroup::new("what").required(true).args(["event", "since"]))]
    Prove {
        /// The event: its name, such as `cell-12`, or its place
        event: Option<String>,
        /// A checkpoint that was kept
        #[arg(long, value_name = "FILE")]
        since: Option<PathBuf>,
    },
    /// The newest checkpoint: keep it where this machine cannot reach it
    Checkpoint,
    /// Destroy the keys that open what is personal in the events of older months. The events stay, and every proof of them
    Erase {
        /// The keys of all months before this one, such as 2026-11
        #[arg(long, value_name = "MONTH")]
        before: Month,
        /// Destroy them without asking for the month
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum PersonCommand {
    /// Write every version of every record of a person to a folder
    Export {
        #[command(flatten)]
        whom: Whom,
        /// An empty folder, or one that is made
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// Destroy a person's key: none of their records can be read any more, in any snapshot. What the platform still has of them is kept
    /// anew by the next backup, so have it erased there first
    Erase {
        #[command(flatten)]
        whom: Whom,
        /// Destroy it without asking for the id
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Whom {
    /// The connection
    pub(crate) name: ConnectionId,
    /// The person, by the platform's id of them, or its number
    pub(crate) id: String,
    /// What they are there. Whoever bought without an account is named by the order
    #[arg(long, default_value = "customer")]
    pub(crate) kind: Kind,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RecoveryCommand {
    /// Split the recovery key into shares, some of which give it back; fewer tell nothing
    Split {
        /// The recovery key
        #[arg(long, value_name = "FILE")]
        recovery_key_file: PathBuf,
        /// The file that holds the passphrase by which it is sealed
        #[arg(long, value_name = "FILE")]
        recovery_passphrase_file: Option<PathBuf>,
        /// How many shares
        #[arg(long, value_name = "N")]
        shares: u8,
        /// How many of them are needed
        #[arg(long, value_name = "M")]
        needed: u8,
        /// The folder for the shares
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// Put the recovery key together again, out of as many shares as are needed
    Join {
        /// The shares
        #[arg(required = true, value_name = "FILE")]
        shares: Vec<PathBuf>,
        /// Where the recovery key goes
        #[arg(long, value_name = "FILE")]
        recovery_key_out: PathBuf,
        /// Seal it by the passphrase in this file
        #[arg(long, value_name = "FILE")]
        recovery_passphrase_file: Option<PathBuf>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum VaultCommand {
    /// Which versions of its keys the vault has, and how much each has wrapped
    Status,
    /// Give the vault new keys. What older ones have wrapped stays as it is: `vault rewrap` changes that
    Rotate,
    /// Wrap by the newest keys all that older ones have wrapped. No backup is read; others may work meanwhile
    Rewrap,
    /// Forget all keys but the newest, once nothing is wrapped by others
    Retire,
    /// Have the root key sealed by something else from now on. No backup is read, and no other key changes
    Seal {
        /// `passphrase`, or the way to a token (`pkcs11:token=…;object=…?module-path=…&pin-source=file:…`) or to a key management service
        /// (`kms:KEY?region=…&credentials-file=…`)
        #[arg(long, value_name = "SEAL")]
        to: String,
        /// With `--to passphrase`: read it from this file instead of asking for it
        #[arg(long, value_name = "FILE")]
        new_passphrase_file: Option<PathBuf>,
    },
}

/// Where the policies stand, if they are not those that Caretaker comes with.
#[derive(Debug, Args)]
pub(crate) struct PolicyFolder {
    /// The policies in the `.cedar` files of this folder, in place of those that Caretaker comes with
    #[arg(long, value_name = "DIR")]
    pub(crate) policies: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Every policy, what none of them may ever change, and who vouches for the proof of that
    Show(PolicyFolder),
    /// Put the examples to the policies: questions with the answers that they must have
    Test {
        #[command(flatten)]
        folder: PolicyFolder,
        /// A table of examples; if not said, `examples.json` of the folder, or those that Caretaker comes with
        #[arg(long, value_name = "FILE")]
        examples: Option<PathBuf>,
    },
    /// Who can do something with something, with two factors, and on a grant where it needs one
    WhoCan {
        /// What, such as `read`, `restore`, `data_key.open`
        action: String,
        /// With what: `connection/NAME`, `data_key/NAME`, `credential/NAME`, `record/NAME/KIND`, `store_credential/STORE`, `vault`,
        /// `trail`, `policies`, `cell`
        resource: String,
        #[command(flatten)]
        folder: PolicyFolder,
    },
    /// All that somebody can do with what the tenant has, with two factors, and on a grant where it needs one
    Can {
        /// Who: `cell-operator`, `command`, `server`, `monitor`, `worker/PLATFORM`, or `group/GROUP`: whoever is in that group alone
        who: String,
        #[command(flatten)]
        folder: PolicyFolder,
    },
    /// Prove for all requests that there can be what no policy may ever change. Wants `caretaker-prove` and a solver; without
    /// them, a record counts that a reviewer has signed
    Prove(PolicyProve),
}

#[derive(Debug, Args)]
pub(crate) struct PolicyProve {
    #[command(flatten)]
    pub(crate) folder: PolicyFolder,
    /// A reviewer's own key: sign the record of the proof with it
    #[arg(long, value_name = "FILE", requires = "record_out")]
    pub(crate) reviewer_key_file: Option<PathBuf>,
    /// Where the signed record goes
    #[arg(long, value_name = "FILE", requires = "reviewer_key_file")]
    pub(crate) record_out: Option<PathBuf>,
}
