//! A cell whose catalog is on PostgreSQL, as docs/guides/postgresql.md says how to make one: a server of the test's own.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use catalog::{Catalog, CatalogError, Credential, ServerAddress};
use domain::{Clock as _, Role, RoleName};
use nix::sys::signal::Signal;
use rustix::io::Errno;
use serde_json::Value;
use transport::{Authority, Identities};
use vault::system::SystemClock;

use crate::cell::{Answer, PASSPHRASE, TestCell, contents, note, text};
use crate::hosts::free;
use crate::shop::Shop;
use crate::up::{Up, comes};
use crate::vault_process::Started;

const OWNERS_PASSWORD: &str = "the-owners-password";
const LINES: &str = "{\"id\":\"a\",\"n\":1}\n{\"id\":\"b\",\"n\":1}\n";

fn repository(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(name)
}

/// The guide's blocks in that language: the lines of each.
fn guide(language: &str) -> Vec<String> {
    let guide = std::fs::read_to_string(repository("docs/guides/postgresql.md")).unwrap();
    let mut blocks = guide.split("\n```");
    let mut found = Vec::new();
    // Text, block, text, block, …
    while let (Some(_), Some(block)) = (blocks.next(), blocks.next()) {
        if let Some(lines) = block.strip_prefix(&format!("{language}\n")) {
            found.push(lines.to_owned());
        }
    }
    found
}

/// PostgreSQL, which this test has started and ends.
struct Database {
    folder: tempfile::TempDir,
    told: HashMap<String, String>,
}

impl Database {
    /// `None` where `make test` has not found one.
    fn start() -> Option<Self> {
        const VARIABLE: &str = "CARETAKER_TEST_POSTGRES";
        if std::env::var_os(VARIABLE).is_none() {
            println!("skipped: {VARIABLE} is not set; `make test` looks for PostgreSQL");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("server");
        let script = repository("scripts/postgres-up");
        assert!(Command::new(script).arg(&place).stdout(Stdio::null()).status().unwrap().success());
        let told = std::fs::read_to_string(place.join("env")).unwrap();
        let pairs = told.lines().filter_map(|pair| pair.split_once('='));
        let told = pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        let database = Self { folder, told };
        database.make();
        Some(database)
    }

    fn get(&self, key: &str) -> &str {
        &self.told[key]
    }

    /// Makes roles and database as the guide does.
    fn make(&self) {
        let blocks = guide("sql");
        assert_eq!(blocks.len(), 1);
        self.sql("postgres", &blocks[0]);
        self.sql("postgres", &format!("ALTER ROLE cell_owner PASSWORD '{OWNERS_PASSWORD}'"));
    }

    /// Asks it something, as its superuser.
    fn sql(&self, database: &str, sql: &str) -> String {
        let bin = Command::new(repository("scripts/postgres-bin")).output().unwrap().stdout;
        let bin = PathBuf::from(String::from_utf8(bin).unwrap().trim());
        let mut psql = Command::new(bin.join("psql"));
        psql.args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-h", "localhost", "-U", "admin"]);
        psql.args(["-p", self.get("port"), "-d", database]).stdin(Stdio::piped());
        psql.env("PGPASSWORD", self.get("password")).env("PGSSLMODE", "verify-full");
        psql.env("PGSSLROOTCERT", self.get("authority"));
        let script = self.folder.path().join("script.sql");
        std::fs::write(&script, sql).unwrap();
        let answer = psql.stdin(std::fs::File::open(script).unwrap()).output().unwrap();
        assert!(answer.status.success(), "{sql}: {}", String::from_utf8_lossy(&answer.stderr));
        String::from_utf8(answer.stdout).unwrap().trim().to_owned()
    }

    fn pid(&self) -> String {
        std::fs::read_to_string(self.get("pid")).unwrap().trim().to_owned()
    }

    fn signal(&self, signal: &str) {
        assert!(Command::new("kill").args(["-s", signal, &self.pid()]).status().unwrap().success());
    }

    /// Has it read its settings anew.
    fn reload(&self) {
        let loaded = || self.sql("postgres", "SELECT pg_conf_load_time()");
        let before = loaded();
        self.signal("HUP");
        assert!(comes(|| loaded() != before));
    }

    /// Shuts it down as `pg_ctl stop -m fast` does: sessions are ended.
    fn stop(&self) {
        let pid = self.pid();
        self.signal("INT");
        let is_there = || std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| !line.is_empty());
        assert!(comes(|| !is_there()));
    }

    fn start_again(&self) {
        assert!(Command::new("sh").arg(self.get("start")).status().unwrap().success());
    }

    fn data(&self, name: &str) -> PathBuf {
        Path::new(self.get("data")).join(name)
    }

    /// Puts lines before those that are in one of its files.
    fn put_first(&self, name: &str, lines: &str) {
        let before = std::fs::read_to_string(self.data(name)).unwrap();
        std::fs::write(self.data(name), format!("{lines}\n{before}")).unwrap();
    }

    /// Lets a cell in, by what `init` has told.
    fn admit(&self, told: &Value) {
        let authority = std::fs::read(told["authority"].as_str().unwrap()).unwrap();
        std::fs::write(self.data("cell-authority.pem"), authority).unwrap();
        let [settings, hba, ident]: [String; 3] = guide("").try_into().unwrap();
        assert_eq!(hba.lines().last(), told["pg_hba"].as_str());
        let number = told["pg_ident"].as_str().unwrap().split(['=', '"']).nth(3).unwrap();
        assert_eq!(ident.trim().replace("NUMBER", number), told["pg_ident"].as_str().unwrap());
        std::fs::write(self.data("pg_ident.conf"), ident.replace("NUMBER", number)).unwrap();
        self.put_first("pg_hba.conf", &hba);
        let before = std::fs::read_to_string(self.data("postgresql.conf")).unwrap();
        std::fs::write(self.data("postgresql.conf"), before + &settings + "\n").unwrap();
        self.reload();
    }

    fn url(&self) -> String {
        format!("postgres://cell_server@localhost:{}/cell", self.get("port"))
    }

    /// A command of the guide on a cell.
    fn by_guide(&self, cell: &TestCell, word: &str) -> Answer {
        let lines: Vec<String> = guide("sh").join("\n").lines().map(str::to_owned).collect();
        let line = lines.iter().find(|line| line.starts_with(&format!("caretaker {word} "))).unwrap();
        let password = cell.file("owner-password", OWNERS_PASSWORD);
        let words = line.split(' ').skip(1).map(|word| match word {
            "/srv/cell" => text(&cell.home()).to_owned(),
            "/media/recovery.key" => text(&cell.recovery_key()).to_owned(),
            "postgres://cell_server@db.example:5432/cell" => self.url(),
            "db-ca.pem" => self.get("authority").to_owned(),
            "owner-password" => password.clone(),
            word => word.to_owned(),
        });
        let words: Vec<String> = words.collect();
        // Its directory is told already.
        let words: Vec<&str> = words
            .iter()
            .map(String::as_str)
            .filter(|word| *word != "--dir" && *word != text(&cell.home()))
            .collect();
        cell.run(&words)
    }

    /// A cell that is made, and waits for the server; and what is to be told to that.
    fn waiting(&self) -> (TestCell, Value) {
        let cell = TestCell::none_yet(tempfile::tempdir().unwrap());
        std::fs::write(cell.passphrase(), PASSPHRASE).unwrap();
        let told = self.by_guide(&cell, "init").succeeds();
        (cell, told["catalog"].clone())
    }

    /// A cell with its catalog on this server, and a connection that takes files.
    fn cell(&self) -> TestCell {
        let (cell, told) = self.waiting();
        self.admit(&told);
        assert_eq!(self.by_guide(&cell, "migrate").succeeds()["moved"], true);
        cell.run(&["connect", "jsonl", "files"]).succeeds();
        cell
    }

    /// The processes of PostgreSQL that serve the cell.
    fn sessions(&self) -> Vec<String> {
        let sql = "SELECT pid FROM pg_stat_activity WHERE datname = 'cell' AND usename = 'cell_server' ORDER BY pid";
        self.sql("postgres", sql).lines().map(str::to_owned).collect()
    }

    fn done(self) {
        note("binary-postgres");
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let ended =
            Command::new(repository("scripts/postgres-down")).arg(self.folder.path().join("server")).status();
        if !std::thread::panicking() {
            assert!(ended.unwrap().success());
        }
    }
}

/// The words of a cell's file, and others in their place.
fn change_cell_file(cell: &TestCell, change: impl FnOnce(&mut Value)) -> String {
    let path = cell.home().join("cell.json");
    let before = std::fs::read_to_string(&path).unwrap();
    let mut file: Value = serde_json::from_str(&before).unwrap();
    change(&mut file);
    std::fs::write(&path, file.to_string()).unwrap();
    before
}

/// The cell does not begin to run, and says why. Its other processes may have a last word after that.
#[track_caller]
fn does_not_run(cell: &TestCell, code: i32, words: &[&str]) {
    let up = cell.run(&["up"]);
    assert!(up.code == Some(code) && up.stdout.is_empty(), "{up:?}");
    let lines: Vec<Value> = up.stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let error = lines.iter().find(|line| line["exit_code"] == code).unwrap();
    for word in words {
        assert!(error["error"].as_str().unwrap().contains(word), "`{word}` is not in {error}");
    }
}

#[test]
fn a_cell_lives_on_postgresql() {
    let Some(database) = Database::start() else { return };
    let shop = Shop::tiny();
    let (cell, told) = database.waiting();

    // Until the catalog is there, each command says what to do.
    let ident = told["pg_ident"].as_str().unwrap();
    let words =
        ["not moved", "cell_server all cert clientname=DN", ident, "ssl_ca_file", "caretaker migrate"];
    cell.run(&["connect", "jsonl", "files"]).refuses(7, &words);
    does_not_run(&cell, 7, &words);
    cell.run(&["migrate"]).refuses(2, &["--owner ROLE"]);
    let password = cell.file("password", OWNERS_PASSWORD);
    let owner = ["--owner", "cell_owner", "--owner-password-file", password.as_str()];
    let check = [&["migrate", "--check"][..], &owner].concat();
    let itself = ["migrate", "--owner", "cell_server", "--owner-password-file", &password];
    cell.run(&itself).refuses(2, &["name another"]);
    assert_eq!(cell.run(&check).ends(1)["current"], false);
    let wrong = cell.file("wrong", "another-password");
    let wrong = ["migrate", "--owner", "cell_owner", "--owner-password-file", &wrong];
    cell.run(&wrong).refuses(5, &["has that password"]);
    assert!(Catalog::is_embedded(&cell.home()));
    assert_eq!(database.by_guide(&cell, "migrate").succeeds()["moved"], true);
    assert_eq!(cell.run(&check).succeeds()["current"], true);
    assert_eq!(database.by_guide(&cell, "migrate").succeeds()["moved"], false);
    // PostgreSQL asks for a password still, and there is none.
    cell.run(&["connect", "jsonl", "files"])
        .refuses(5, &["does not let this cell in", words[1], ident, "ssl_ca_file"]);
    database.admit(&told);
    assert_eq!(std::fs::read_dir(cell.home().join("catalog")).unwrap().count(), 0);
    cell.run(&["init", "--recovery-key-out", "x"]).refuses(7, &["there is a cell", "another directory"]);

    // All that a cell does.
    cell.run(&["connect", "jsonl", "files"]).succeeds();
    cell.ingest("files", "thing", LINES).succeeds();
    let changed = cell.ingest("files", "thing", LINES.replace("\"b\",\"n\":1", "\"b\",\"n\":2")).succeeds();
    assert_eq!(changed["kinds"]["thing"]["changed"], 1);
    assert_eq!(cell.run(&["item", "show", "files", "thing", "b"]).stdout, b"{\"id\":\"b\",\"n\":2}\n");
    let history = cell.run(&["item", "history", "files", "thing", "b"]).succeeds();
    assert_eq!(history["versions"].as_array().unwrap().len(), 2, "{history}");
    shop.connect(&cell, "shop").succeeds();
    cell.run(&["backup", "shop"]).succeeds();
    let product = shop.products()[0].clone();
    shop.delete_product(&product);
    let plan = cell.path("plan.json");
    cell.run(&["restore", "plan", "shop", "--kind", "product", "--id", &product, "--out", text(&plan)])
        .succeeds();
    let applied = cell.run(&["restore", "apply", text(&plan)]).succeeds();
    assert_eq!(shop.products().len(), 2, "{applied}");
    cell.run(&["backup", "shop"]).succeeds();
    assert_eq!(cell.run(&["verify", "--all", "--all-bytes"]).succeeds().as_array().unwrap().len(), 2);
    let report = cell.run(&["doctor"]).succeeds();
    assert!(
        report["findings"]
            .as_array()
            .unwrap()
            .iter()
            .any(|one| one["check"] == "catalog" && one["ok"] == true)
    );

    // A cell that runs has one process that PostgreSQL knows.
    let up = Up::of(&cell);
    assert_eq!(up.processes.len(), 6);
    cell.ingest("files", "thing", "{\"id\":\"c\"}\n").succeeds();
    assert!(!database.sessions().is_empty());
    up.told(Signal::SIGTERM);
    assert_eq!(up.ends().code, Some(0));
    assert!(comes(|| database.sessions().is_empty()));
    cell.run(&["trail", "verify"]).succeeds();

    // Nothing that opens the database lies in the cell.
    std::fs::remove_dir_all(cell.home().join("run")).unwrap();
    for (name, bytes) in contents(&cell.home()) {
        let words = String::from_utf8_lossy(&bytes);
        assert!(!words.contains(OWNERS_PASSWORD) && !words.contains("PRIVATE KEY"), "{}", name.display());
    }
    database.done();
}

#[test]
fn an_address_that_asks_for_less_than_a_verified_server_makes_no_cell() {
    let cell = TestCell::none_yet(tempfile::tempdir().unwrap());
    std::fs::write(cell.passphrase(), PASSPHRASE).unwrap();
    let key = cell.recovery_key();
    let init = |more: &[&str]| cell.run(&[&["init", "--recovery-key-out", text(&key)][..], more].concat());
    let told = init(&["--catalog", "postgres://cell_server:geheim@db.example/cell"])
        .refuses(2, &["holds a password", "by its certificate"]);
    assert!(!told.to_string().contains("geheim"), "{told}");
    for mode in ["disable", "require"] {
        let url = format!("postgres://cell_server@db.example/cell?sslmode={mode}");
        init(&["--catalog", &url]).refuses(2, &["sslmode=verify-full"]);
    }
    init(&["--catalog", "postgres:///cell"]).refuses(2, &["Unix socket"]);
    let no_authority = cell.file("no.pem", "no certificate");
    let url = ["--catalog", "postgres://cell_server@db.example/cell"];
    init(&[&url[..], &["--catalog-ca-file", &no_authority]].concat()).refuses(2, &["certificate"]);
    assert!(!cell.home().join("vault").exists() && !key.exists());
    // The server need not be there.
    let made = init(&url).succeeds();
    assert!(made["catalog"]["pg_hba"].as_str().unwrap().starts_with("hostssl cell cell_server"), "{made}");
}

/// Whether PostgreSQL lets whoever has that certificate in.
async fn lets_in(cell: &TestCell, credential: impl Into<Credential>) -> Result<(), CatalogError> {
    let file: Value = serde_json::from_slice(&std::fs::read(cell.home().join("cell.json")).unwrap()).unwrap();
    let authority = file["catalog"]["authority"].as_str().map(str::as_bytes);
    let address = ServerAddress::new(file["catalog"]["url"].as_str().unwrap(), authority).unwrap();
    Catalog::open(address.with(credential)).await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgresql_lets_the_cells_server_in_and_nobody_else() {
    let Some(database) = Database::start() else { return };
    let cell = database.cell();
    let vault = Started::opened(&cell);
    lets_in(&cell, vault.enrol("server").await.unwrap()).await.unwrap();
    let refused = |answer: Result<(), CatalogError>| matches!(answer, Err(CatalogError::NotAdmitted { .. }));
    for role in ["worker/jsonl", "worker/shopify", "command", "monitor"] {
        let identities = vault.enrol(role).await.unwrap();
        assert!(refused(lets_in(&cell, identities).await), "{role}");
    }
    // Nor another cell's, of which it knows nothing, and then its authority.
    let (other, told) = database.waiting();
    let others = Started::opened(&other);
    let theirs = || async { lets_in(&cell, others.enrol("server").await.unwrap()).await };
    assert!(refused(theirs().await));
    let authorities = database.data("cell-authority.pem");
    let both =
        [std::fs::read(&authorities).unwrap(), std::fs::read(told["authority"].as_str().unwrap()).unwrap()]
            .concat();
    std::fs::write(&authorities, both).unwrap();
    database.reload();
    assert!(refused(theirs().await));
    lets_in(&cell, vault.enrol("server").await.unwrap()).await.unwrap();

    // Nor one whose time is over, of an authority that it knows.
    let passphrase = vault::Passphrase::new(PASSPHRASE.to_owned()).unwrap();
    let handles = vault::Handles {
        clock: std::sync::Arc::new(SystemClock),
        rng: std::sync::Arc::new(vault::system::SystemRng),
        audit: std::sync::Arc::new(domain::Unrecorded),
    };
    let opened = vault::Vault::open(&cell.home(), &passphrase, &handles).await.unwrap();
    let authority = Authority::new(opened.id(), opened.authority_key().unwrap(), transport::CERTIFICATE_TTL);
    let at = |ago: Duration| {
        let then = SystemClock.now().checked_sub(ago).unwrap();
        Identities::new(authority.identity(&Role::Server, then).unwrap().0)
    };
    assert!(refused(lets_in(&cell, at(Duration::from_secs(60 * 60))).await));
    lets_in(&cell, at(Duration::from_secs(60))).await.unwrap();
    assert_eq!(Role::Server.name(), RoleName::Server);
    database.done();
}

#[test]
fn the_server_gets_out_of_its_walls_to_postgresql_and_nowhere_else() {
    let Some(database) = Database::start() else { return };
    let cell = database.cell();
    crate::walls::fill(&cell);
    let server = ("serve", "server", "trail/journal/server");
    let refused = crate::walls::tried_in(&cell, server, true, true);
    let refusals = [Errno::PERM, Errno::ACCESS].map(|errno| Some(errno.raw_os_error()));
    let out: Vec<_> = refused.iter().filter(|(_, error)| !refusals.contains(error)).collect();
    assert!(out.is_empty(), "{out:?}");
    let free = crate::walls::tried_in(&cell, server, true, false);
    let kept: Vec<_> = free.iter().filter(|(_, error)| error.is_some()).collect();
    assert!(kept.is_empty() && free.keys().eq(refused.keys()), "{kept:?}");
    cell.run(&["connection", "list"]).succeeds();
    database.done();
}

#[test]
fn a_server_that_is_another_or_has_other_tables_is_told() {
    let Some(database) = Database::start() else { return };
    let cell = database.cell();
    let list = ["connection", "list"];
    cell.run(&list).succeeds();
    // Another authority than the one that has signed its certificate.
    let stranger = std::fs::read_to_string(database.get("stranger")).unwrap();
    let before = change_cell_file(&cell, |file| file["catalog"]["authority"] = stranger.into());
    cell.run(&list).refuses(5, &["does not prove by TLS", "authority"]);
    let report = cell.run(&["doctor"]).ends(1);
    assert!(report["findings"].to_string().contains("does not prove by TLS"), "{report}");
    std::fs::write(cell.home().join("cell.json"), &before).unwrap();
    cell.run(&list).succeeds();
    // Another name than the one in it.
    change_cell_file(&cell, |file| {
        let url = file["catalog"]["url"].as_str().unwrap().replace("localhost", "127.0.0.1");
        file["catalog"]["url"] = url.into();
    });
    cell.run(&list).refuses(5, &["not valid for name"]);
    std::fs::write(cell.home().join("cell.json"), &before).unwrap();
    // Tables that are newer, and then none.
    database.sql("cell", "INSERT INTO caretaker.schema_version VALUES (99)");
    cell.run(&list).refuses(1, &["schema is 99", "newer caretaker"]);
    let migrate = || database.by_guide(&cell, "migrate");
    migrate().refuses(1, &["schema is 99", "newer caretaker"]);
    database.sql("cell", "DELETE FROM caretaker.schema_version WHERE version = 99");
    cell.run(&list).succeeds();
    // One table that would show every tenant's rows.
    database.sql("cell", "ALTER TABLE caretaker.head NO FORCE ROW LEVEL SECURITY");
    assert!(cell.run(&["doctor"]).ends(4)["findings"].to_string().contains("`head` has no row security"));
    database.sql("cell", "ALTER TABLE caretaker.head FORCE ROW LEVEL SECURITY");
    database.sql("cell", "DROP SCHEMA caretaker CASCADE");
    cell.run(&list).refuses(1, &["schema is 0", "caretaker migrate"]);
    database.sql("postgres", "ALTER DATABASE cell RENAME TO gone");
    cell.run(&list).refuses(6, &["no catalog", "/cell"]);
    database.done();
}

#[test]
fn postgresql_restarted_under_load_costs_no_snapshot_and_no_hand() {
    const RESTARTS: u32 = 4;
    let Some(database) = Database::start() else { return };
    let cell = database.cell();
    cell.run(&["connect", "jsonl", "more"]).succeeds();
    let up = Up::of(&cell);
    let ending = AtomicBool::new(false);
    let results = std::thread::scope(|scope| {
        let load = |name: &'static str| {
            let (cell, ending) = (&cell, &ending);
            scope.spawn(move || {
                let mut codes: BTreeMap<Option<i32>, u64> = BTreeMap::new();
                let mut number = 0;
                while !ending.load(Ordering::SeqCst) {
                    number += 1;
                    let file = cell.file(&format!("{name}.jsonl"), format!("{{\"id\":\"{number}\"}}\n"));
                    let answer = cell.run(&["ingest", name, "--kind", "thing", "--id", "/id", &file]);
                    if answer.code != Some(0) {
                        answer.refuses(8, &["the catalog's server", "give the command again"]);
                    }
                    *codes.entry(answer.code).or_default() += 1;
                }
                codes
            })
        };
        let loads = [load("files"), load("more")];
        for _ in 0..RESTARTS {
            std::thread::sleep(Duration::from_millis(1_500));
            database.stop();
            std::thread::sleep(Duration::from_millis(500));
            database.start_again();
        }
        std::thread::sleep(Duration::from_millis(1_500));
        ending.store(true, Ordering::SeqCst);
        loads.map(|load| load.join().unwrap())
    });
    // Nobody needs to do anything, and what was told as written is there.
    for (name, codes) in ["files", "more"].into_iter().zip(&results) {
        let done = codes.get(&Some(0)).copied().unwrap_or_default();
        assert!(done > u64::from(RESTARTS), "{codes:?}");
        cell.ingest(name, "thing", "{\"id\":\"last\"}\n").succeeds();
        let numbers = cell.snapshots(name);
        let count = u64::try_from(numbers.len()).unwrap();
        assert!(count > done, "{codes:?}, {count} snapshots");
        assert!(numbers.iter().copied().eq((1..=count).rev()), "{numbers:?}");
    }
    cell.run(&["verify", "--all", "--all-bytes"]).succeeds();
    let server = up.processes["server"];
    assert!(crate::powers::is_there(server), "the same process found PostgreSQL again");
    // Where it stays away, a command waits, says so, and changes nothing.
    database.stop();
    let begun = SystemClock.monotonic();
    cell.ingest("files", "thing", "{\"id\":\"away\"}\n").refuses(8, &["is away", "give the command again"]);
    let waited = SystemClock.monotonic().saturating_sub(begun);
    assert!(waited >= Duration::from_secs(5), "{waited:?}");
    database.start_again();
    assert_eq!(cell.run(&["item", "show", "files", "thing", "away"]).code, Some(6));
    cell.ingest("files", "thing", "{\"id\":\"away\"}\n").succeeds();
    up.told(Signal::SIGTERM);
    assert_eq!(up.ends().code, Some(0));
    // So does one that has processes of its own; where it comes back meanwhile, the command goes on.
    database.stop();
    cell.run(&["connection", "list"]).refuses(8, &["is away"]);
    does_not_run(&cell, 8, &["is away"]);
    let list =
        cell.command(&["connection", "list"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(Duration::from_secs(3));
    database.start_again();
    Answer::from(list.wait_with_output().unwrap()).succeeds();
    cell.run(&["trail", "verify"]).succeeds();
    crate::cell::tell(&format!(
        "PostgreSQL restarted {RESTARTS} times under two loops of ingests: exit codes {results:?}"
    ));
    database.done();
}

#[test]
fn connections_to_postgresql_end_with_the_certificate_that_got_them() {
    let Some(database) = Database::start() else { return };
    let cell = database.cell();
    let mut up = cell.command(&["up"]);
    up.env("CARETAKER_TEST_CERTIFICATE_SECONDS", "6");
    let up = Up::started(up);
    cell.run(&["connection", "list"]).succeeds();
    let first = database.sessions();
    assert!(!first.is_empty());
    // New ones are made as somebody asks.
    assert!(comes(|| {
        cell.run(&["connection", "list"]).succeeds();
        let now = database.sessions();
        !now.is_empty() && now.iter().all(|one| !first.contains(one))
    }));
    up.told(Signal::SIGTERM);
    assert_eq!(up.ends().code, Some(0));
    database.done();
}

#[test]
fn a_vault_that_retired_its_keys_tells_postgresqls_owner_of_a_new_authority() {
    let Some(database) = Database::start() else { return };
    let cell = database.cell();
    let kept = cell.home().join("authority.pem");
    let older = std::fs::read(&kept).unwrap();
    for word in ["rotate", "rewrap"] {
        cell.run(&["vault", word]).succeeds();
    }
    cell.run(&["connection", "list"]).succeeds();
    assert_eq!(std::fs::read(&kept).unwrap(), older);
    // Processes that run could not go on with the new one.
    let up = Up::of(&cell);
    cell.run(&["vault", "retire"]).refuses(7, &["caretaker up"]);
    up.told(Signal::SIGTERM);
    assert_eq!(up.ends().code, Some(0));
    cell.run(&["vault", "retire"]).succeeds();
    cell.run(&["connection", "list"])
        .refuses(5, &["does not let this cell in", "authority.pem", "ssl_ca_file"]);
    let newer = std::fs::read(&kept).unwrap();
    assert_ne!(newer, older);
    std::fs::write(database.data("cell-authority.pem"), &newer).unwrap();
    database.reload();
    cell.run(&["connection", "list"]).succeeds();
    assert_eq!(std::fs::read(&kept).unwrap(), newer);
    database.done();
}

#[test]
fn a_lost_database_is_made_anew_from_the_stores() {
    let Some(database) = Database::start() else { return };
    let cell = database.cell();
    cell.ingest("files", "thing", LINES).succeeds();
    cell.ingest("files", "thing", LINES.replace("\"b\",\"n\":1", "\"b\",\"n\":2")).succeeds();
    let export = cell.export("files");
    database.sql("postgres", "DROP DATABASE cell");
    cell.run(&["item", "show", "files", "thing", "a"]).refuses(6, &["no catalog"]);
    database.sql("postgres", "CREATE DATABASE cell OWNER cell_owner");

    let again = TestCell::none_yet(tempfile::tempdir().unwrap());
    std::fs::write(again.passphrase(), PASSPHRASE).unwrap();
    let (store, keys, key) = (cell.home().join("store"), cell.home().join("keys"), cell.recovery_key());
    let (url, authority) = (database.url(), database.get("authority").to_owned());
    let words = [
        "init",
        "--from-store",
        text(&store),
        "--keys-store",
        text(&keys),
        "--recovery-key-file",
        text(&key),
        "--catalog",
        &url,
        "--catalog-ca-file",
        &authority,
    ];
    let made = again.run(&words).succeeds();
    assert_eq!(made["connections"]["default/files"], 2);
    again.run(&["connection", "list"]).refuses(7, &["not moved"]);
    database.admit(&made["catalog"]);
    assert_eq!(database.by_guide(&again, "migrate").succeeds()["moved"], true);
    assert_eq!(again.export("files"), export);
    let next = again.ingest("files", "thing", LINES).succeeds();
    assert_eq!((&next["snapshot"], &next["kinds"]["thing"]["changed"]), (&3.into(), &1.into()));
    again.run(&["verify", "files", "--all-bytes"]).succeeds();
    database.done();
}

#[test]
fn a_server_on_another_host_has_the_catalog_for_its_cell() {
    let Some(database) = Database::start() else { return };
    let cell = database.cell();
    let (vault, monitor, there) = (free(1), free(1), free(2));
    let at = [format!("vault={vault}"), format!("monitor={monitor}"), format!("server={there}")];
    let words = ["up", "--at", &at[0], "--at", &at[1], "--elsewhere", &at[2]];
    cell.run(
        &[
            &words[..],
            &["--listen", "127.0.0.1:7443", "--certificate-file", "/none", "--certificate-key-file", "/none"],
        ]
        .concat(),
    )
    .refuses(2, &["public endpoint"]);
    let mut up = cell.command(&words);
    up.stderr(Stdio::null());
    let up = Up::started(up);
    assert!(!up.processes.contains_key("server"));
    // It is not there yet.
    cell.run(&["connection", "list"]).refuses(1, &["the server cannot be reached"]);

    let invitation = cell.path("invitation.json");
    cell.run(&["host", "invite", "server", "--out", text(&invitation)]).succeeds();
    let folder = tempfile::tempdir().unwrap();
    let host = folder.path().join("host");
    let serve = |words: &[&str]| {
        let mut serve = crate::cell::binary();
        serve.args(["--json", "--dir", text(&host), "serve"]).args(words).stderr(Stdio::null());
        Up::started(serve)
    };
    let server = serve(&["--join", text(&invitation), "--listen", &there.to_string()]);
    let first = server.processes["server"];
    cell.ingest("files", "thing", LINES).succeeds();
    assert!(!database.sessions().is_empty());
    nix::sys::signal::kill(first, Signal::SIGKILL).unwrap();
    let shown = cell.run(&["item", "show", "files", "thing", "b"]);
    assert_eq!(shown.stdout, b"{\"id\":\"b\",\"n\":1}\n", "{}", shown.stderr);
    cell.run(&["verify", "files", "--all-bytes"]).succeeds();

    // It ends, with all that it has recorded; and comes up by itself.
    server.told(Signal::SIGTERM);
    assert_eq!(server.ends().code, Some(0));
    cell.run(&["trail", "verify"]).succeeds();
    let source = |event: &Value| event["event"]["metadata"]["log_name"].as_str().unwrap().to_owned();
    // The log takes them within a second.
    assert!(comes(|| {
        let words = ["trail", "list", "--last", "500", "--operation", "catalog.lease.seize"];
        let listed = cell.run(&words).succeeds();
        listed["events"].as_array().unwrap().iter().any(|event| source(event).starts_with("server-"))
    }));
    let server = serve(&[]);
    cell.run(&["connection", "list"]).succeeds();
    drop((server, up));
    // By that word nobody starts it on the vault's own machine.
    cell.run(&["serve"]).refuses(2, &["is started by the command that needs it"]);
    database.done();
}
