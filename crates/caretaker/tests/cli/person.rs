//! What the law gives a person: all that is kept of them, and that it can be read no more.

use serde_json::{Value, json};

use crate::bigcommerce::Bigcommerce;
use crate::cell::{TestCell, contents, text};
use crate::shop::Shop;
use crate::up::count;

const EDIT: &str =
    "mutation($input: CustomerInput!) { customerUpdate(input: $input) { userErrors { message } } }";

/// The lines of an export of a person.
fn lines(cell: &TestCell, folder: &str) -> Vec<Value> {
    let file = std::fs::read_to_string(cell.path(folder).join("person.jsonl")).unwrap();
    file.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Whether a text stands in any file below a folder.
fn stands_in(cell: &TestCell, folder: &str, text: &str) -> bool {
    contents(&cell.path(folder))
        .values()
        .any(|bytes| bytes.windows(text.len()).any(|part| part == text.as_bytes()))
}

/// Ids and mail addresses of a shop's customers.
fn customers(shop: &Shop) -> Vec<(String, String)> {
    let dump = shop.running.dump();
    let all = dump["Customer"].as_object().unwrap().iter();
    all.map(|(id, one)| (id.clone(), one["email"].as_str().unwrap_or_default().to_owned())).collect()
}

#[test]
fn a_person_is_handed_over_and_erased_from_every_snapshot() {
    let (cell, shop) = (TestCell::new(), Shop::small());
    shop.connect(&cell, "shop").succeeds();
    let note = "A note that only one person has";
    let all = customers(&shop);
    let ((whom, mail), (other, others_mail)) = (&all[0], &all[1]);
    assert!(!mail.is_empty() && !others_mail.is_empty());
    for edit in ["before", note] {
        shop.owner(EDIT, &json!({ "input": { "id": whom, "note": edit } }));
        cell.run(&["backup", "shop"]).succeeds();
    }

    let out = cell.path("data");
    let export = ["person", "export", "shop", whom, "--out", text(&out)];
    let exported = cell.run(&export).succeeds();
    assert_eq!((&exported["records"]["customer"], &exported["erased"]), (&json!(1), &json!(0)), "{exported}");
    let of_whom: Vec<Value> = lines(&cell, "data");
    assert_eq!(of_whom.len() as u64, exported["versions"].as_u64().unwrap());
    let versions = of_whom.iter().filter(|line| line["kind"] == "customer");
    let notes: Vec<&Value> = versions.map(|line| &line["record"]["note"]).collect();
    assert_eq!(notes, [note, "before"]);
    assert!(!stands_in(&cell, "data", others_mail), "of nobody else");
    // By the number alone, too.
    let number = whom.rsplit('/').next().unwrap();
    let again = cell.path("again");
    cell.run(&["person", "export", "shop", number, "--out", text(&again)]).succeeds();
    assert_eq!(lines(&cell, "again"), of_whom);

    // Nobody is erased who was not named twice, or is not there.
    cell.run(&["person", "erase", "shop", whom]).refuses(2, &["--yes"]);
    cell.run(&["person", "erase", "shop", "gid://shopify/Customer/1", "--yes"])
        .refuses(6, &["no snapshot holds"]);
    cell.run(&["person", "erase", "shop", whom, "--kind", "product", "--yes"]).refuses(2, &["nobody's data"]);
    assert_eq!(count(&cell, "person.erased"), 0);
    assert!(cell.run(&["item", "show", "shop", "customer", whom, "--at", "1"]).code == Some(0));

    let erased = cell.run(&["person", "erase", "shop", whom, "--yes"]).succeeds();
    assert_eq!(erased["erasure"]["versions"], exported["versions"], "{erased}");
    for at in ["1", "2", "latest"] {
        cell.run(&["item", "show", "shop", "customer", whom, "--at", at]).refuses(6, &[]);
        assert_eq!(cell.run(&["item", "show", "shop", "customer", other, "--at", at]).code, Some(0), "{at}");
    }
    for at in ["1", "2"] {
        let folder = format!("at-{at}");
        cell.run(&["export", "shop", "--at", at, "--out", text(&cell.path(&folder))]).succeeds();
        assert!(!stands_in(&cell, &folder, mail) && stands_in(&cell, &folder, others_mail), "{at}");
    }
    // Whoever has the recovery key has no other way to it.
    let recovered = cell.path("recovered");
    let home = cell.home();
    let stores = [home.join("store"), home.join("keys")];
    let (store, keys, key) = (text(&stores[0]), text(&stores[1]), cell.recovery_key());
    let words = [
        "--store",
        store,
        "--keys-store",
        keys,
        "--recovery-key-file",
        text(&key),
        "--out",
        text(&recovered),
    ];
    cell.run(&[&["recover"], &words[..]].concat()).succeeds();
    assert!(!stands_in(&cell, "recovered", mail) && stands_in(&cell, "recovered", others_mail));
    cell.run(&["verify", "shop", "--all-bytes"]).succeeds();
    assert_eq!(count(&cell, "person.erased"), 1);
    let listed = cell.run(&["trail", "list", "--last", "200", "--operation", "person.erased"]).succeeds();
    assert!(
        listed.to_string().contains("one person's key destroyed") && !listed.to_string().contains(number)
    );

    // What is kept of them is told apart from what can be read.
    let gone = cell.path("gone");
    let exported = cell.run(&["person", "export", "shop", whom, "--out", text(&gone)]).succeeds();
    assert_eq!(exported["erased"], exported["versions"], "{exported}");
    // The platform has them still: they are kept anew, and what was before stays gone.
    cell.run(&["backup", "shop", "--full"]).succeeds();
    assert_eq!(cell.run(&["item", "show", "shop", "customer", whom]).code, Some(0));
    cell.run(&["item", "show", "shop", "customer", whom, "--at", "1"]).refuses(6, &["erased"]);
    cell.run(&["trail", "verify"]).succeeds();
}

#[test]
fn a_person_of_a_platform_that_counts_is_known_by_the_number() {
    let (cell, store) = (TestCell::new(), Bigcommerce::small());
    store.connect(&cell, "shop");
    cell.run(&["backup", "shop"]).succeeds();
    let list = store.owner("GET", "v3/customers", &Value::Null);
    let (whom, mail) =
        (list["data"][0]["id"].to_string(), list["data"][0]["email"].as_str().unwrap().to_owned());
    let out = cell.path("data");
    cell.run(&["person", "export", "shop", &whom, "--out", text(&out)]).succeeds();
    assert!(stands_in(&cell, "data", &mail));
    cell.run(&["person", "erase", "shop", &whom, "--yes"]).succeeds();
    cell.run(&["item", "show", "shop", "customer", &whom, "--at", "1"]).refuses(6, &["erased"]);
    cell.run(&["export", "shop", "--at", "1", "--out", text(&cell.path("all"))]).succeeds();
    assert!(!stands_in(&cell, "all", &mail));
}
