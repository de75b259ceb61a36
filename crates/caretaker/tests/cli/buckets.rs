//! A cell whose stores are buckets of a real S3 server, from its making to its recovery.

use std::path::{Path, PathBuf};
use std::process::Command;

use futures::TryStreamExt as _;
use object_store::{ObjectStore as _, ObjectStoreExt as _};

use crate::bucket;
use crate::cell::{Answer, PASSPHRASE, assert_same, binary, contents, text};
use crate::shop::Shop;
use crate::target::{Server, done};
use crate::up::{Up, comes};

const LINES: &str = "{\"id\":\"a\",\"n\":1}\n{\"id\":\"b\",\"n\":1}\n";

struct Bench {
    folder: tempfile::TempDir,
    server: Server,
    objects: String,
    keys: String,
}

impl Bench {
    fn new(server: Server) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let make = || runtime.block_on(bucket::make(&server, false));
        let (objects, keys) = (make(), make());
        let url = |bucket: &str| format!("s3://{bucket}/cell?endpoint={}&region=us-east-1", server.endpoint);
        let (objects, keys) = (url(&objects), url(&keys));
        let bench = Self { folder: tempfile::tempdir().unwrap(), server, objects, keys };
        std::fs::write(bench.path("passphrase"), PASSPHRASE).unwrap();
        let Server { access_key, secret_key, .. } = &bench.server;
        let right =
            format!("[default]\naws_access_key_id = {access_key}\naws_secret_access_key = {secret_key}\n");
        std::fs::write(bench.path("right"), right).unwrap();
        let wrong = format!("AWS_ACCESS_KEY_ID={access_key}\nAWS_SECRET_ACCESS_KEY=of-somebody-else\n");
        std::fs::write(bench.path("wrong"), wrong).unwrap();
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn file(&self, name: &str) -> String {
        text(&self.path(name)).to_owned()
    }

    /// A command of the cell at `home`, in an environment that names no bucket's credential.
    fn command(&self, home: &str, words: &[&str]) -> Command {
        let mut command = binary();
        for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION"] {
            command.env_remove(name);
        }
        command.args(["--json", "--dir"]).arg(self.path(home));
        command.arg("--passphrase-file").arg(self.path("passphrase")).args(words);
        command
    }

    fn run(&self, home: &str, words: &[&str]) -> Answer {
        self.command(home, words).output().unwrap().into()
    }

    /// With the credential in the environment.
    fn run_with(&self, home: &str, words: &[&str]) -> Answer {
        let mut command = self.command(home, words);
        command.env("AWS_ACCESS_KEY_ID", &self.server.access_key);
        command.env("AWS_SECRET_ACCESS_KEY", &self.server.secret_key);
        command.output().unwrap().into()
    }

    /// A cell at `home` with a `shop` runs, and verifies it because that is due.
    fn verifies_by_itself(&self) {
        let set = ["schedule", "set", "shop", "--verify", "1h"];
        let told = self.run("home", &set).succeeds();
        assert_eq!(told["schedules"][0]["outcome"], serde_json::Value::Null);
        let mut up = self.command("home", &["up"]);
        up.stderr(std::process::Stdio::null());
        let up = Up::started(up);
        let ended = || self.run("home", &["schedule", "list"]).succeeds()["schedules"][0]["outcome"].clone();
        assert!(comes(|| ended() == "done"), "{}", ended());
        drop(up);
    }

    fn init(&self, home: &str, file: Option<&str>) -> Answer {
        let key = self.file(&format!("{home}.recovery"));
        let mut words = vec!["init", "--recovery-key-out", &key, "--store", &self.objects];
        words.extend(["--keys-store", &self.keys]);
        let file = file.map(|file| self.file(file));
        words.extend(file.iter().flat_map(|file| ["--store-credentials-file", file.as_str()]));
        self.run(home, &words)
    }

    fn export(&self, home: &str, connection: &str, out: &str) -> PathBuf {
        let folder = self.path(out);
        self.run(home, &["export", connection, "--out", text(&folder)]).succeeds();
        folder
    }

    fn ingest(&self, home: &str, lines: &str) -> Answer {
        std::fs::write(self.path("lines"), lines).unwrap();
        self.run(home, &["ingest", "files", "--kind", "thing", "--id", "/id", &self.file("lines")])
    }
}

/// Neither half of the credential stands in clear in any of the cell's files.
#[track_caller]
fn holds_no_secret(home: &Path, server: &Server) {
    let files = contents(home);
    assert!(files.len() > 3, "{:?}", files.keys());
    for (name, bytes) in files {
        let words = String::from_utf8_lossy(&bytes);
        for secret in [&server.secret_key, &server.access_key] {
            assert!(!words.contains(secret.as_str()), "`{secret}` stands in {}", name.display());
        }
    }
}

fn a_cell_lives_on_buckets(server: Server, suite: &str, checks_credentials: bool) {
    let shop = Shop::small();
    let bench = Bench::new(server);

    // Nothing is made without a credential that works.
    bench
        .init("home", None)
        .refuses(2, &["needs a credential", "--store-credentials-file", "AWS_ACCESS_KEY_ID"]);
    if checks_credentials {
        bench.init("home", Some("wrong")).refuses(5, &["probe/"]);
    }
    assert!(!bench.path("home").join("vault").exists());
    assert!(!bench.path("home.recovery").exists());
    bench.init("home", Some("right")).succeeds();

    bench.run("home", &["connect", "jsonl", "files"]).succeeds();
    bench.ingest("home", LINES).succeeds();
    let token = bench.path("token");
    let ca = bench.path("ca");
    std::fs::write(&token, &shop.running.access_token).unwrap();
    std::fs::write(&ca, &shop.running.ca_pem).unwrap();
    let way = ["--url", shop.url(), "--token-file", text(&token), "--ca-file", text(&ca)];
    bench.run("home", &[&["connect", "shopify", "shop"][..], &way].concat()).succeeds();
    bench.run("home", &["backup", "shop"]).succeeds();
    assert_eq!(bench.run("home", &["backup", "shop"]).succeeds()["kinds"]["product"]["changed"], 0);
    assert_eq!(bench.run("home", &["verify", "shop", "--all-bytes"]).succeeds()["ok"], true);
    assert!(!bench.path("home").join("store").exists() && !bench.path("home").join("keys").exists());
    holds_no_secret(&bench.path("home"), &bench.server);
    let report = bench.run("home", &["doctor"]).succeeds();
    for finding in ["object store", "key store"] {
        let found =
            report["findings"].as_array().unwrap().iter().find(|one| one["check"] == finding).unwrap();
        assert!(found["ok"] == true && found["detail"].as_str().unwrap().contains("written"), "{found}");
    }

    // What holds somebody's backups is no place for a new cell.
    bench.init("other", Some("right")).refuses(7, &["--from-store"]);
    // The sealed credential counts, whatever the environment says later.
    let mut with_others = bench.command("home", &["snapshot", "list", "shop"]);
    with_others.env("AWS_ACCESS_KEY_ID", "other").env("AWS_SECRET_ACCESS_KEY", "others");
    Answer::from(with_others.output().unwrap()).succeeds();
    // It serves the address for which it was given, and no other.
    let configuration = bench.path("home").join("cell.json");
    let before = std::fs::read_to_string(&configuration).unwrap();
    std::fs::write(&configuration, before.replace("/cell?", "/another?")).unwrap();
    bench.run("home", &["snapshot", "list", "shop"]).refuses(4, &["cell.json", "/another?", "/cell?"]);
    std::fs::write(&configuration, &before).unwrap();
    bench.run("home", &["snapshot", "list", "shop"]).succeeds();

    // A new credential is tried before it is kept.
    let give = |file: &str| {
        bench.run("home", &["store", "credential", "--store-credentials-file", &bench.file(file)])
    };
    if checks_credentials {
        give("wrong").refuses(5, &[]);
    }
    bench.run("home", &["snapshot", "list", "shop"]).succeeds();
    assert_eq!(give("right").succeeds()["stores"].as_array().unwrap().len(), 2);
    bench.run("home", &["snapshot", "list", "shop"]).succeeds();

    // What is due gets into them on orders, when nobody is there who has a grant given.
    bench.verifies_by_itself();

    // The stores and the recovery key alone.
    let export = bench.export("home", "shop", "export");
    let stores = ["--store", &bench.objects, "--keys-store", &bench.keys];
    let key = bench.file("home.recovery");
    let key = ["--recovery-key-file", key.as_str()];
    let check = [&["recover", "--check"][..], &stores, &key].concat();
    bench.run("none", &check).refuses(2, &["needs a credential"]);
    assert_eq!(bench.run_with("none", &check).succeeds()["connections"].as_array().unwrap().len(), 2);
    let out = bench.path("out");
    let right = bench.file("right");
    let given = ["--store-credentials-file", right.as_str()];
    bench.run("none", &[&["recover", "--out", text(&out)][..], &stores, &key, &given].concat()).succeeds();
    assert_same(&contents(&out.join("default/shop")), &contents(&export));

    // A running cell again.
    let from = ["init", "--from-store", &bench.objects, "--keys-store", &bench.keys];
    bench.run("again", &[&from[..], &key].concat()).refuses(2, &["needs a credential"]);
    let again = bench.run("again", &[&from[..], &key, &given].concat()).succeeds();
    assert_eq!(again["connections"]["default/shop"], 2);
    assert_same(&contents(&bench.export("again", "shop", "export-again")), &contents(&export));
    let next = bench.ingest("again", &LINES.replace("\"b\",\"n\":1", "\"b\",\"n\":2")).succeeds();
    assert_eq!((&next["snapshot"], &next["kinds"]["thing"]["changed"]), (&2.into(), &1.into()));
    holds_no_secret(&bench.path("again"), &bench.server);
    done(suite);
}

#[test]
fn a_cell_lives_on_buckets_of_ceph() {
    let Some(server) = Server::find("CARETAKER_TEST_CEPH") else { return };
    a_cell_lives_on_buckets(server, "binary-ceph", true);
}

#[test]
fn a_cell_lives_on_buckets_of_moto() {
    let Some(server) = Server::find("CARETAKER_TEST_MOTO") else { return };
    // It lets everybody in.
    a_cell_lives_on_buckets(server, "binary-moto", false);
}

/// What a bucket's server is told: whoever is called as a platform may have all that lies below its part, and no more; whose
/// the bucket is may also have what these have written.
fn scoped(bucket: &str) -> String {
    let owner = serde_json::json!({
        "Effect": "Allow", "Principal": { "AWS": ["arn:aws:iam:::user/tests"] },
        "Action": ["s3:*"], "Resource": [format!("arn:aws:s3:::{bucket}/*")],
    });
    let statements: Vec<serde_json::Value> = ["shopify", "jsonl"]
        .iter()
        .flat_map(|platform| {
            let principal = serde_json::json!({ "AWS": [format!("arn:aws:iam:::user/{platform}")] });
            let part = format!("cell/t/{platform}/*");
            [
                serde_json::json!({
                    "Effect": "Allow", "Principal": principal,
                    "Action": ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"],
                    "Resource": [format!("arn:aws:s3:::{bucket}/{part}")],
                }),
                serde_json::json!({
                    "Effect": "Allow", "Principal": principal, "Action": ["s3:ListBucket"],
                    "Resource": [format!("arn:aws:s3:::{bucket}")],
                    "Condition": { "StringLike": { "s3:prefix": [part] } },
                }),
            ]
        })
        .chain([owner])
        .collect();
    serde_json::json!({ "Version": "2012-10-17", "Statement": statements }).to_string()
}

#[test]
fn each_platforms_workers_reach_their_part_of_a_bucket_alone() {
    let Some(server) = Server::find("CARETAKER_TEST_CEPH") else { return };
    let (bench, shop) = (Bench::new(server), Shop::tiny());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for url in [&bench.objects, &bench.keys] {
        let bucket = url.strip_prefix("s3://").unwrap().split('/').next().unwrap();
        runtime.block_on(bucket::set_policy(&bench.server, bucket, &scoped(bucket)));
    }
    bench.init("home", Some("right")).succeeds();
    bench.run("home", &["connect", "jsonl", "files"]).succeeds();
    let (token, ca) = (bench.path("token"), bench.path("ca"));
    std::fs::write(&token, &shop.running.access_token).unwrap();
    std::fs::write(&ca, &shop.running.ca_pem).unwrap();
    let way = ["--url", shop.url(), "--token-file", text(&token), "--ca-file", text(&ca)];
    bench.run("home", &[&["connect", "shopify", "shop"][..], &way].concat()).succeeds();

    let give = |platform: &str, of: &str| {
        let credential = format!("AWS_ACCESS_KEY_ID={of}key\nAWS_SECRET_ACCESS_KEY={of}secret\n");
        std::fs::write(bench.path("scoped"), credential).unwrap();
        let file = bench.file("scoped");
        let words = ["store", "credential", "--platform", platform, "--store-credentials-file", &file];
        bench.run("home", &words)
    };
    // One that reaches all, and one that reaches another platform's part, are none for a platform.
    give("jsonl", "test").refuses(2, &["reaches more", "t/jsonl/"]);
    give("jsonl", "shopify").refuses(5, &[]);
    for platform in ["shopify", "jsonl"] {
        let given = give(platform, platform).succeeds();
        assert_eq!((&given["platform"], given["stores"].as_array().unwrap().len()), (&platform.into(), 2));
    }
    bench.ingest("home", LINES).succeeds();
    bench.run("home", &["backup", "shop"]).succeeds();
    bench.run("home", &["verify", "--all", "--all-bytes"]).succeeds();
    bench.run("home", &["trail", "verify"]).succeeds();
    // They are wrapped anew with all others.
    bench.run("home", &["vault", "rotate"]).succeeds();
    assert_eq!(bench.run("home", &["vault", "rewrap"]).succeeds()["credentials"], 7);
    bench.run("home", &["vault", "retire"]).succeeds();
    bench.run("home", &["verify", "--all", "--all-bytes"]).succeeds();
    bench.verifies_by_itself();

    // Whoever has taken over one platform's worker has its credential, and what it may is the server's word: of the other
    // platform nothing. Who has the cell's credential may all of it.
    let seen = |access_key: &str, secret_key: &str, platform: &str| {
        let server = Server {
            endpoint: bench.server.endpoint.clone(),
            access_key: access_key.to_owned(),
            secret_key: secret_key.to_owned(),
        };
        let store = repository::open_store(&bench.objects, &server.options()).unwrap();
        runtime.block_on(async {
            let all = store.list(Some(&format!("t/{platform}").into())).try_collect::<Vec<_>>().await;
            let planted = object_store::path::Path::from(format!("t/{platform}/default/planted"));
            let put = store.put(&planted, "x".into()).await.is_ok();
            (all.map(|all| all.len()), put, store.delete(&planted).await.is_ok())
        })
    };
    for (own, other) in [("shopify", "jsonl"), ("jsonl", "shopify")] {
        let (key, secret) = (format!("{own}key"), format!("{own}secret"));
        let (listed, put, deleted) = seen(&key, &secret, own);
        assert!(listed.unwrap() >= 2 && put && deleted, "{own}");
        let (listed, put, deleted) = seen(&key, &secret, other);
        let refused = format!("{:?}", listed.unwrap_err());
        assert!(refused.contains("AccessDenied"), "{own}: {refused}");
        assert!(!put && !deleted, "{own} of {other}");
        let (listed, put, deleted) = seen(&bench.server.access_key, &bench.server.secret_key, other);
        let listed = listed.unwrap();
        assert!(listed >= 2 && put && deleted, "{other}: {listed}, {put}, {deleted}");
    }
    done("scoped-ceph");
}

#[test]
fn keys_do_not_go_where_old_versions_stay() {
    let Some(server) = Server::find("CARETAKER_TEST_MOTO") else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let locked = runtime.block_on(bucket::make(&server, true));
    let mut bench = Bench::new(server);
    let locked = format!("s3://{locked}/cell?endpoint={}", bench.server.endpoint);
    let keys = std::mem::replace(&mut bench.keys, locked.clone());
    bench.init("home", Some("right")).refuses(2, &["keeps old versions", "key store"]);
    assert!(!bench.path("home").join("vault").exists());
    // The other way round is what a lock is for.
    bench.keys = keys;
    bench.objects = locked;
    bench.init("home", Some("right")).succeeds();
}

#[test]
fn what_is_wrong_with_a_stores_address_or_credential_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let passphrase = folder.path().join("passphrase");
    std::fs::write(&passphrase, PASSPHRASE).unwrap();
    let credential = folder.path().join("credential");
    let init = |store: &str, text_of_file: Option<&str>| {
        let mut command = binary();
        command.args(["--json", "--dir"]).arg(folder.path().join("home"));
        command.arg("--passphrase-file").arg(&passphrase);
        command.args(["init", "--store", store, "--recovery-key-out"]).arg(folder.path().join("key"));
        if let Some(text_of_file) = text_of_file {
            std::fs::write(&credential, text_of_file).unwrap();
            command.arg("--store-credentials-file").arg(&credential);
        }
        command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
        Answer::from(command.output().unwrap())
    };
    init("s3://b", Some("only a token")).refuses(2, &[text(&credential), "name = value"]);
    init("s3://b", Some("AWS_ACCESS_KEY_ID=x")).refuses(2, &["AWS_SECRET_ACCESS_KEY"]);
    init("elsewhere", Some("AWS_ACCESS_KEY_ID=x\nAWS_SECRET_ACCESS_KEY=y")).refuses(2, &["is a directory"]);
    let refused = init("s3://key:hunter2@b", None).refuses(2, &["needs a credential"]);
    assert!(!refused.to_string().contains("hunter2"), "{refused}");
    assert!(!folder.path().join("home").join("vault").exists());
    let store = folder.path().join("store");
    init(text(&store), None).succeeds();
}
