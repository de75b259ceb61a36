//! Variants and media: which of the live ones is which of the backup.

use serde_json::{Value, json};

use super::super::pair;
use super::{check, draft, gid, input, planned, product, roots, with};
use crate::contract::{IdMap, RestoreOptions};
use crate::platforms::shopify::kinds::kind;

fn medium(number: u32, alt: &str, looks: &str) -> Value {
    json!({"__typename": "MediaImage", "id": gid("MediaImage", number), "alt": alt, "mediaContentType": "IMAGE",
        "image": {"url": format!("https://cdn.example/{looks}.jpg?v=1"), "thumbhash": looks, "width": 800, "height": 600}})
}

fn pictured(media: &[Value]) -> Value {
    with(&product(), "/media", media.into())
}

/// To which live media the wanted ones are found to have become, and which of them a plan puts back.
fn check_media(wanted: &[Value], live: &[Value], became: &[(u32, u32)], put_back: &[u32]) {
    let (wanted, live, ids) = (pictured(wanted), pictured(live), IdMap::default());
    let pairs = pair(kind("product").unwrap(), &wanted, &live, &ids);
    let expected: Vec<(String, String)> =
        became.iter().map(|(old, new)| (gid("MediaImage", *old), gid("MediaImage", *new))).collect();
    assert_eq!(pairs, expected);
    let plan = planned("product", &wanted, Some(&live), &RestoreOptions::default(), &ids);
    let missing: Vec<String> = plan
        .fields
        .iter()
        .filter(|change| change.path.starts_with("/media/[") && change.from.is_null())
        .map(|change| change.path.clone())
        .collect();
    let expected: Vec<String> =
        put_back.iter().map(|number| format!("/media/[{}]", gid("MediaImage", *number))).collect();
    assert_eq!(missing, expected);
}

#[test]
fn a_picture_that_was_replaced_is_put_back_though_its_text_stayed() {
    check_media(&[medium(1, "Shirt", "red")], &[medium(9, "Shirt", "blue")], &[], &[1]);
    // A control: the same picture, uploaded anew, with the text or without.
    check_media(&[medium(1, "Shirt", "red")], &[medium(9, "Shirt", "red")], &[(1, 9)], &[]);
    check_media(&[medium(1, "Shirt", "red")], &[medium(9, "", "red")], &[(1, 9)], &[]);
    // Among the same, the text decides.
    let twice = [medium(1, "front", "red"), medium(2, "back", "red")];
    check_media(&twice, &[medium(8, "back", "red"), medium(9, "front", "red")], &[(1, 9), (2, 8)], &[]);
    // What is still being processed has only its text.
    let processed = with(&medium(9, "Shirt", "red"), "/image", Value::Null);
    check_media(&[medium(1, "Shirt", "red")], std::slice::from_ref(&processed), &[(1, 9)], &[]);
    check_media(&[medium(1, "Hat", "red")], &[processed], &[], &[1]);
}

#[test]
fn videos_are_known_by_where_they_are_or_by_name_and_size() {
    let elsewhere = |number: u32, url: &str| json!({"id": gid("ExternalVideo", number), "alt": "Film", "mediaContentType": "EXTERNAL_VIDEO", "originUrl": url});
    let video = |number: u32, name: &str, size: u32| {
        json!({"id": gid("Video", number), "alt": "Film", "mediaContentType": "VIDEO", "filename": name,
            "originalSource": {"fileSize": size.to_string()}})
    };
    let check = |wanted: Value, live: Value, same: bool| {
        let found =
            pair(kind("product").unwrap(), &pictured(&[wanted]), &pictured(&[live]), &IdMap::default());
        assert_eq!(found.len(), usize::from(same), "{found:?}");
    };
    check(elsewhere(1, "https://video.example/a"), elsewhere(2, "https://video.example/a"), true);
    check(elsewhere(1, "https://video.example/a"), elsewhere(2, "https://video.example/b"), false);
    check(video(1, "film.mp4", 5), video(2, "film.mp4", 5), true);
    check(video(1, "film.mp4", 5), video(2, "film.mp4", 6), false);
    check(video(1, "film.mp4", 5), video(2, "other.mp4", 5), false);
    check(video(1, "film.mp4", 5), elsewhere(2, "https://video.example/a"), false);
}

#[test]
fn media_of_a_new_product_are_put_in_order() {
    let (options, ids) = (RestoreOptions::default(), IdMap::default());
    let two = pictured(&[medium(1, "a", "red"), medium(2, "b", "blue")]);
    let draft_of = |wanted: &Value| roots(&draft("product", wanted, None, &options, &ids)).join(" ");
    assert_eq!(draft_of(&two), "productSet media productReorderMedia metafieldsSet publishablePublish");
    let one = pictured(&[medium(1, "a", "red")]);
    assert_eq!(draft_of(&one), "productSet media metafieldsSet publishablePublish");
}

#[test]
fn an_option_that_was_added_since_stays_and_changes_no_variant() {
    let wanted = product();
    let mut live = wanted.clone();
    live["options"].as_array_mut().unwrap().push(json!({"id": gid("ProductOption", 2), "name": "Colour", "position": 2,
        "linkedMetafield": null, "optionValues": [{"id": gid("ProductOptionValue", 9), "name": "red", "linkedMetafieldValue": null}]}));
    for variant in live["variants"].as_array_mut().unwrap() {
        let colour =
            json!({"name": "Colour", "value": "red", "optionValue": {"id": gid("ProductOptionValue", 9)}});
        variant["selectedOptions"].as_array_mut().unwrap().push(colour);
    }
    check("product", &wanted, &live, &[], &[]);
    // A control: another value of an option that the backup knows.
    let live = with(&live, "/variants/0/selectedOptions/0/value", json!("L"));
    let path = "/variants/[gid://shopify/ProductVariant/1]/selectedOptions";
    check("product", &wanted, &live, &[path], &["productVariantsBulkUpdate"]);
}

#[test]
fn steps_that_make_variants_are_named_by_which_ones() {
    let mut wanted = product();
    let variant = |number: u32| {
        let variant = with(&wanted["variants"][0], "/id", json!(gid("ProductVariant", number)));
        with(&variant, "/selectedOptions/0/value", json!(format!("size {number}")))
    };
    let all: Vec<Value> = (0..600).map(variant).collect();
    wanted["variants"] = all.clone().into();
    let (options, ids) = (RestoreOptions::default(), IdMap::default());
    let names = |there: usize| -> Vec<String> {
        let live = with(&wanted, "/variants", all[..there].to_vec().into());
        let live = (there > 0).then_some(&live);
        let draft = draft("product", &wanted, live, &options, &ids);
        draft
            .steps
            .iter()
            .filter(|step| step.name.starts_with("variants/"))
            .map(|step| step.name.clone())
            .collect()
    };
    let (at_birth, later) = (names(0), names(500));
    assert_eq!((at_birth.len(), later.len()), (2, 1));
    assert_eq!(at_birth[1], later[0], "the last hundred");
    assert_ne!(at_birth[0], at_birth[1]);
    assert!(!at_birth.contains(&names(550)[0]), "the last fifty are another step");
}

#[test]
fn only_variants_that_are_counted_are_made_so() {
    let tracked = |of_product: bool, own: &[Option<bool>]| -> Vec<Value> {
        let mut wanted = product();
        wanted["tracksInventory"] = json!(of_product);
        for (variant, own) in wanted["variants"].as_array_mut().unwrap().iter_mut().zip(own) {
            variant["inventoryItem"] = json!({"id": variant["inventoryItem"]["id"]});
            if let Some(own) = own {
                variant["inventoryItem"]["tracked"] = json!(own);
            }
        }
        let (options, ids) = (RestoreOptions::default(), IdMap::default());
        let made = input(&draft("product", &wanted, None, &options, &ids), 0);
        let variants = made["input"]["variants"].as_array().unwrap().clone();
        variants.iter().map(|variant| variant["inventoryItem"]["tracked"].clone()).collect()
    };
    assert_eq!(tracked(true, &[Some(false), Some(true)]), [json!(false), json!(true)]);
    // What an older backup says of the product is all that it says.
    assert_eq!(tracked(true, &[None, None]), [json!(true), json!(true)]);
    assert_eq!(tracked(false, &[None, None]), [json!(false), json!(false)]);
}
