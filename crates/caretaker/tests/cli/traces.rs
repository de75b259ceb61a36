//! What a cell leaves on the disk: nothing of a shop in clear, and nothing that compresses.

use std::path::{Path, PathBuf};

use sandbox::shopify::Settings;
use serde_json::Value;

use crate::cell::{TestCell, contents, kill, running_until, text};
use crate::shop::Shop;

const TITLE: &str = "Zwölf \"Kerzen\" für Yvaine";

fn base64(bytes: &[u8]) -> Vec<u8> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    // Whole groups only: what follows in the text is not known.
    let groups = bytes.chunks_exact(3).map(|group| u32::from_be_bytes([0, group[0], group[1], group[2]]));
    groups.flat_map(|group| [18, 12, 6, 0].map(|shift| ALPHABET[(group >> shift & 63) as usize])).collect()
}

/// Bytes as they are, and as they would stand in other encodings.
pub(crate) fn spellings_of_bytes(bytes: &[u8]) -> Vec<Vec<u8>> {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut found = vec![bytes.to_vec(), hex.to_uppercase().into_bytes(), hex.into_bytes()];
    found.extend((0..3).map(|offset| base64(&bytes[offset..])));
    found
}

/// The same for a text.
pub(crate) fn spellings(marker: &str) -> Vec<Vec<u8>> {
    let escaped: String = marker
        .encode_utf16()
        .map(|unit| match u8::try_from(unit) {
            Ok(byte) if byte.is_ascii() => char::from(byte).to_string(),
            _ => format!("\\u{unit:04x}"),
        })
        .collect();
    let quoted = Value::from(marker).to_string();
    let mut found = spellings_of_bytes(marker.as_bytes());
    found.extend([
        marker.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        marker.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        escaped.replace('"', "\\\"").into_bytes(),
        quoted.trim_matches('"').as_bytes().to_vec(),
    ]);
    found
}

fn occurs(bytes: &[u8], needle: &[u8]) -> bool {
    let Some(first) = needle.first() else { return false };
    let mut at = 0;
    while let Some(next) = bytes[at..].iter().position(|byte| byte == first) {
        at += next;
        if bytes[at..].starts_with(needle) {
            return true;
        }
        at += 1;
    }
    false
}

/// Files below a folder in which one of some spellings stands.
pub(crate) fn occurring(folder: &Path, spellings: &[Vec<u8>]) -> Vec<PathBuf> {
    let stands = |bytes: &[u8]| spellings.iter().any(|needle| occurs(bytes, needle));
    contents(folder).into_iter().filter(|(_, bytes)| stands(bytes)).map(|(name, _)| name).collect()
}

/// Files in which a marker stands in some spelling.
fn traces(folders: &[PathBuf], markers: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    for (folder, marker) in
        folders.iter().flat_map(|folder| markers.iter().map(move |marker| (folder, marker)))
    {
        let files = occurring(folder, &spellings(marker));
        found.extend(files.iter().map(|name| format!("{marker} in {}", name.display())));
    }
    found
}

#[test]
fn a_marker_is_found_in_every_spelling() {
    let folder = tempfile::tempdir().unwrap();
    let marker = [TITLE.to_owned()];
    let search = || traces(&[folder.path().to_path_buf()], &marker);
    for spelling in spellings(TITLE) {
        std::fs::write(folder.path().join("file"), [b"..", &spelling[..], b".."].concat()).unwrap();
        assert_eq!(search().len(), 1, "{}", String::from_utf8_lossy(&spelling));
    }
    std::fs::write(folder.path().join("file"), b"nothing of the kind").unwrap();
    assert!(search().is_empty());
    assert_eq!(base64(b"abcdef"), b"YWJjZGVm");
}

/// Texts of the shop and the secrets that open it.
fn markers(shop: &Shop) -> Vec<String> {
    let mut markers =
        vec![TITLE.to_owned(), shop.running.access_token.clone(), shop.running.client_secret.clone()];
    let dump = shop.running.dump();
    for row in dump["Customer"].as_object().unwrap().values() {
        let mail = row
            .as_object()
            .unwrap()
            .iter()
            .find_map(|(_, value)| value.as_str().filter(|text| text.contains('@')));
        markers.push(mail.expect("customers have a mail address").to_owned());
    }
    assert!(markers.len() > 5 && markers.iter().all(|marker| marker.len() >= 10), "{markers:?}");
    markers
}

/// Everything that a cell may have written: its home and its temporary files.
fn places(cell: &TestCell) -> Vec<PathBuf> {
    vec![cell.home(), cell.temp()]
}

#[test]
fn nothing_of_a_shop_is_in_clear_whatever_was_done() {
    let shop = Shop::open(Settings {
        products: 12,
        customers: 6,
        orders: 6,
        latency: std::time::Duration::from_millis(10),
        ..Settings::default()
    });
    let product = shop.products()[0].clone();
    shop.retitle(&product, TITLE);
    let cell = TestCell::new();
    let markers = markers(&shop);
    // Once with the token, once with the client's secret.
    shop.connect(&cell, "shop").succeeds();
    let secret = cell.file("secret", &shop.running.client_secret);
    let (_, ca) = shop.files(&cell, "shop");
    let id = &shop.running.client_id;
    let words = ["--url", &shop.running.url, "--client-id", id, "--client-secret-file", &secret];
    cell.run(&[&["connect", "shopify", "twice", "--ca-file", text(&ca)], &words[..]].concat()).succeeds();
    for after in [2, 12, 24] {
        let asked = shop.stats().requests;
        let mut child = cell.start(&["backup", "shop"]);
        if running_until(&mut child, || shop.stats().requests > asked + after) {
            kill(&mut child);
        }
        assert_eq!(traces(&places(&cell), &markers), Vec::<String>::new(), "after a kill");
    }
    cell.run(&["backup", "shop"]).succeeds();
    shop.retitle(&product, "Spoiled");
    // The plan is its owner's to keep, and says what would be written: it lies elsewhere.
    let plan = cell.path("plan.json");
    let words = ["restore", "plan", "shop", "--kind", "product", "--out", text(&plan)];
    cell.run(&words).succeeds();
    cell.run(&["restore", "apply", text(&plan)]).succeeds();
    cell.run(&["verify", "shop", "--all-bytes"]).succeeds();
    cell.run(&["item", "list", "shop", "customer"]).succeeds();
    assert_eq!(traces(&places(&cell), &markers), Vec::<String>::new());
    assert!(occurs(&std::fs::read(&plan).unwrap(), b"Yvaine"), "the search looks for what was there");
    let exported = cell.export("shop");
    let clear: Vec<u8> = exported.values().flatten().copied().collect();
    for marker in markers.iter().filter(|marker| marker.contains('@')) {
        assert!(occurs(&clear, marker.as_bytes()), "{marker} was backed up");
    }
}

/// How much smaller the best that zstd can do makes a file.
fn ratio(bytes: &[u8]) -> f64 {
    zstd::bulk::compress(bytes, 19).unwrap().len() as f64 / bytes.len() as f64
}

#[test]
fn what_is_stored_neither_compresses_nor_shows_how_it_was_compressed() {
    const FRAME: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
    let (cell, shop) = (TestCell::new(), Shop::small());
    shop.connect(&cell, "shop").succeeds();
    cell.run(&["backup", "shop"]).succeeds();
    let lines: String =
        (0..5000).map(|n| format!("{{\"id\":\"{n:06}\",\"text\":\"the same in every line\"}}\n")).collect();
    assert!(ratio(lines.as_bytes()) < 0.2, "what goes in compresses well");
    cell.run(&["connect", "jsonl", "files"]).succeeds();
    cell.ingest("files", "thing", &lines).succeeds();
    let mut packs = 0;
    // The trail is in clear, and has nothing of a record in it: see above.
    for (name, bytes) in contents(&cell.home().join("store/t")) {
        // By chance the four bytes stand somewhere once in 4 GB; an unsealed block would begin with them.
        assert!(!occurs(&bytes, &FRAME), "{}: a zstd frame", name.display());
        if name.components().any(|part| part == std::path::Component::Normal("pack".as_ref())) {
            packs += 1;
            assert!(bytes.len() > 4096, "{}: too small to tell", name.display());
        }
        if bytes.len() > 4096 {
            assert!(ratio(&bytes) > 0.99, "{}: {}", name.display(), ratio(&bytes));
        }
    }
    assert_eq!(packs, 2);
    assert!(Path::new(&cell.home().join("keys")).is_dir());
}
