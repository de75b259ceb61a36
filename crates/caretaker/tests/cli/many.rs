//! One command for many connections.

use serde_json::{Value, json};

use crate::cell::{TestCell, contents, text};
use crate::shop::Shop;

fn connections(list: &Value) -> Vec<&str> {
    let list = list.as_array().unwrap_or_else(|| panic!("{list}"));
    list.iter().map(|one| one["connection"].as_str().unwrap()).collect()
}

fn all_said(cell: &TestCell, words: &[&str]) -> String {
    cell.run(words).stderr
}

fn three() -> TestCell {
    let cell = TestCell::new();
    for (name, tags) in [("a", &["eu", "daily"][..]), ("b", &["eu"]), ("c", &[])] {
        let tags: Vec<&str> = tags.iter().flat_map(|tag| ["--tag", tag]).collect();
        cell.run(&[&["connect", "jsonl", name][..], &tags].concat()).succeeds();
        if name != "c" {
            cell.ingest(name, "thing", format!("{{\"id\":\"{name}\"}}\n")).succeeds();
        }
    }
    cell
}

#[test]
fn each_connection_has_its_report_and_the_worst_code_counts() {
    let cell = three();
    let both = cell.run(&["verify", "--tag", "eu", "--all-bytes"]).succeeds();
    assert_eq!(connections(&both), ["a", "b"]);
    assert!(
        both.as_array().unwrap().iter().all(|one| one["exit_code"] == 0 && one["report"]["ok"] == true),
        "{both}"
    );
    assert_eq!(connections(&cell.run(&["verify", "--tag", "daily"]).succeeds()), ["a"]);

    // One that fails does not keep the others from their turn.
    let all = cell.run(&["verify", "--all"]).ends(6);
    assert_eq!(connections(&all), ["a", "b", "c"]);
    assert_eq!(
        (&all[1]["exit_code"], &all[2]["exit_code"], &all[2]["error"]["kind"]),
        (&json!(0), &json!(6), &json!("not_found"))
    );
    let folder = cell.home().join("store/t/jsonl/default/a/pack");
    for name in contents(&folder).into_keys() {
        std::fs::remove_file(folder.join(name)).unwrap();
    }
    let all = cell.run(&["verify", "--all"]).ends(4);
    assert_eq!(
        (&all[0]["exit_code"], &all[0]["report"]["ok"], &all[1]["exit_code"]),
        (&json!(4), &json!(false), &json!(0))
    );

    let lists = cell.run(&["snapshot", "list", "--all"]).succeeds();
    assert_eq!(lists[1]["report"]["snapshots"][0]["snapshot"], 1);
    assert_eq!(lists[2]["report"]["snapshots"], json!([]));
}

#[test]
fn a_backup_of_all_is_of_those_that_can_be_fetched() {
    let (cell, shop) = (three(), Shop::small());
    shop.connect(&cell, "shop").succeeds();
    let all = cell.run(&["backup", "--all"]).succeeds();
    assert_eq!(connections(&all), ["shop"]);
    assert_eq!(all[0]["report"]["snapshot"], 1);
    shop.running.revoke_all();
    let all = cell.run(&["backup", "--all"]).ends(5);
    assert_eq!((&all[0]["exit_code"], all[0].get("report")), (&json!(5), None));

    // Which one failed is said where errors are said.
    let error: Value =
        serde_json::from_str(all_said(&cell, &["backup", "--all"]).lines().last().unwrap()).unwrap();
    assert_eq!((&error["connection"], &error["exit_code"]), (&json!("shop"), &json!(5)));

    let out = cell.path("out");
    // One that was never backed up has nothing to export, and that is said.
    let plain = |words: &[&str]| {
        let mut command = crate::cell::binary();
        command.args(["--dir", text(&cell.home()), "--passphrase-file", text(&cell.passphrase())]);
        crate::cell::Answer::from(command.args(words).output().unwrap())
    };
    let everything = cell.path("everything");
    let exported = plain(&["export", "--all", "--out", text(&everything)]);
    assert_eq!(exported.code, Some(0), "{exported:?}");
    assert!(exported.stderr.contains("`c` was never backed up"), "{exported:?}");
    assert!(everything.join("a").exists() && !everything.join("c").exists());
    let failed = plain(&["backup", "--all"]);
    assert!(failed.stderr.contains("caretaker: shop: "), "{failed:?}");
    let passed_over = plain(&["backup", "--tag", "eu"]);
    assert!(passed_over.code == Some(0) && passed_over.stderr.contains("None of the 2"), "{passed_over:?}");

    cell.run(&["connection", "tag", "shop", "--add", "eu"]).succeeds();
    let exported = cell.run(&["export", "--tag", "eu", "--out", text(&out)]).succeeds();
    assert_eq!(connections(&exported), ["a", "b", "shop"]);
    assert_eq!(std::fs::read(out.join("a/thing.jsonl")).unwrap(), b"{\"id\":\"a\"}\n");
    assert!(out.join("shop/product.jsonl").exists());
}

#[test]
fn looking_and_tidying_take_many_too() {
    let cell = three();
    let shown = cell.run(&["connection", "show", "--tag", "eu"]).succeeds();
    assert_eq!((connections(&shown), &shown[0]["report"]["name"]), (vec!["a", "b"], &json!("a")));
    for words in [
        &["snapshot", "prune", "--keep-last", "1"][..],
        &["store", "compact"],
        &["store", "collect", "--yes"],
    ] {
        let done = cell.run(&[words, &["--tag", "eu"]].concat()).succeeds();
        assert_eq!(connections(&done), ["a", "b"], "{words:?}");
    }
    // Nobody was asked, so nothing is deleted.
    let refused = cell.run(&["store", "collect", "--tag", "eu"]).ends(2);
    assert_eq!(refused[1]["error"]["exit_code"], 2, "{refused}");
}

#[test]
fn many_stores_are_connected_from_a_file_and_one_that_fails_keeps_no_other_back() {
    let (cell, shop) = (TestCell::new(), Shop::tiny());
    shop.files(&cell, "shop");
    let file = cell.file("stores.csv", "");
    let connect = |lines: &str| {
        let header = "platform,name,url,token_file,ca_file,tags\n";
        std::fs::write(&file, format!("{header}{lines}")).unwrap();
        cell.run(&["connect", "--from", &file])
    };
    // Nothing is connected where the file itself is wrong.
    let url = shop.url();
    let files = "jsonl,files,,,,eu\n";
    connect(&format!("{files}shopify,shop,{url},,,\n")).refuses(2, &["line 3", "token_file"]);
    assert_eq!(cell.run(&["connection", "list"]).succeeds()["connections"], json!([]));

    let lines = format!(
        "{files}shopify,wrong,{url},passphrase,shop.ca.pem,\nshopify,shop,{url},shop.token,shop.ca.pem,eu big\n\
         shopify,none,{url},no.file,shop.ca.pem,\n"
    );
    let done = connect(&lines).ends(5);
    assert_eq!(connections(&done), ["files", "wrong", "shop", "none"]);
    let codes: Vec<&Value> = done.as_array().unwrap().iter().map(|one| &one["exit_code"]).collect();
    assert_eq!(codes, [&json!(0), &json!(5), &json!(0), &json!(6)], "{done}");
    assert_eq!(done[2]["report"]["name"], "shop");
    let listed = cell.run(&["connection", "list"]).succeeds();
    let names: Vec<&Value> =
        listed["connections"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
    assert_eq!(names, ["files", "shop"]);
    assert_eq!(listed["connections"][1]["tags"], json!(["big", "eu"]));
    cell.run(&["backup", "--tag", "big"]).succeeds();
    // Neither of the two, and both.
    cell.run(&["connect"]).refuses(2, &["say which store", "--from"]);
    assert_eq!(cell.run(&["connect", "--from", &file, "jsonl", "more"]).code, Some(2));
}

#[test]
fn tags_are_given_and_taken_away() {
    let cell = three();
    let tags = |name: &str| cell.run(&["connection", "show", name]).succeeds()["tags"].clone();
    assert_eq!((tags("a"), tags("c")), (json!(["daily", "eu"]), json!([])));
    let changed = cell.run(&["connection", "tag", "a", "--add", "us", "--remove", "eu", "--remove", "never"]);
    assert_eq!(changed.succeeds()["tags"], json!(["daily", "us"]));
    let listed = cell.run(&["connection", "list"]).succeeds();
    assert_eq!(listed["connections"][0]["tags"], json!(["daily", "us"]));
    cell.run(&["connection", "tag", "none", "--add", "x"]).refuses(6, &["`none`"]);
    cell.run(&["connection", "tag", "a"]).refuses(2, &["--add"]);
    cell.run(&["connection", "tag", "a", "--add", "Not A Tag"]).refuses(2, &["a-z"]);
    cell.run(&["verify", "--tag", "spare"]).refuses(6, &["`spare`", "connection tag"]);
    cell.run(&["verify"]).refuses(2, &["--all"]);
    cell.run(&["verify", "a", "--all"]).refuses(2, &["--all"]);
    cell.run(&[
        "verify",
        "--all",
        "--expect-head",
        &format!("{:020}-{:020}-{}-{}", 1, 1, "0".repeat(32), "0".repeat(64)),
    ])
    .refuses(2, &[]);
    TestCell::new().run(&["verify", "--all"]).refuses(6, &["nothing is connected"]);
}
