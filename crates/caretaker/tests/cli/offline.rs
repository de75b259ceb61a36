//! A token that ends, with one that renews it and changes each time.

use crate::cell::{TestCell, contents, text};
use crate::shop::Shop;

#[test]
fn a_token_that_ends_is_renewed_and_kept_before_it_is_used() {
    let (cell, shop) = (TestCell::new(), Shop::small());
    let pair = shop.running.issue_offline_token();
    let (_, ca) = shop.files(&cell, "shop");
    let secret = cell.file("secret", &shop.running.client_secret);
    let refresh = cell.file("refresh", &pair.refresh_token);
    let token = cell.file("token", &pair.access_token);
    let way = ["connect", "shopify", "shop", "--url", shop.url(), "--ca-file", text(&ca)];
    let app = ["--client-id", &shop.running.client_id, "--client-secret-file", &secret];

    // Without the app nothing can be renewed, and without the means to renew a token and an app make no sense.
    let without = cell.run(&[&way[..], &["--token-file", &token, "--refresh-token-file", &refresh]].concat());
    without.refuses(2, &["--client-id"]);
    let both = cell.run(&[&way[..], &app, &["--token-file", &token]].concat());
    both.refuses(2, &["one way in", "--refresh-token-file"]);
    let ends = ["--token-expires-at", "2020-01-01T00:00:00Z"];
    cell.run(&[&way[..], &app, &ends].concat()).refuses(2, &["--refresh-token-file"]);
    let spent = cell.file("spent", "shprt_of_another_time");
    cell.run(&[&way[..], &app, &["--refresh-token-file", &spent]].concat()).refuses(5, &["credential"]);
    cell.run(&["connection", "show", "shop"]).refuses(6, &["`shop`"]);

    // It is renewed at once, since nobody says when it ends; the refresh token that was given is spent by that.
    let given = ["--refresh-token-file", refresh.as_str()];
    let connected = cell.run(&[&way[..], &app, &given].concat()).succeeds();
    assert_eq!(connected["renewed"], false);
    cell.run(&[&["connect", "shopify", "again"][..], &way[3..], &app, &given].concat())
        .refuses(5, &["credential"]);
    cell.run(&["backup", "shop"]).succeeds();
    cell.run(&["backup", "shop"]).succeeds();
    for (name, bytes) in contents(&cell.home()) {
        let words = String::from_utf8_lossy(&bytes);
        assert!(
            !words.contains("shprt_") && !words.contains("shpat_"),
            "a token stands in {}",
            name.display()
        );
    }

    // A pair whose end is told is used as it is, until then.
    let pair = shop.running.issue_offline_token();
    let token = cell.file("token", &pair.access_token);
    let refresh = cell.file("refresh", &pair.refresh_token);
    let told = [
        "--token-file",
        &token,
        "--refresh-token-file",
        &refresh,
        "--token-expires-at",
        "2999-01-01T00:00:00Z",
    ];
    assert_eq!(cell.run(&[&way[..], &app, &told].concat()).succeeds()["renewed"], true);
    cell.run(&["backup", "shop"]).succeeds();
    // The platform ended it before its time: the refresh token is still good.
    shop.running.revoke(&pair.access_token);
    cell.run(&["backup", "shop"]).succeeds();
}
