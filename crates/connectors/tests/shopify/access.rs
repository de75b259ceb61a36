//! Tokens and scopes.

use connectors::Secret;
use connectors::contract::Fault;
use connectors::platforms::shopify::Credential;
use domain::{Clock as _, GapReason};
use sandbox::shopify::{ProtectedData, Settings};
use serde_json::Value;
use std::time::Duration;

use crate::practice::{Practice, fetch, requests};

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_names_the_store_and_what_is_missing() {
    let practice = Practice::start(Settings::default()).await;
    let store = practice.open();
    let probe = store.probe().await.unwrap();
    assert!(probe.missing.is_empty(), "{:?}", probe.missing);
    assert!(!probe.store_name.is_empty() && probe.store_domain.contains('.'));
    practice.running.set_access(&["write_products", "read_orders"], true);
    let probe = store.probe().await.unwrap();
    let missing = probe.missing.iter().find(|missing| missing.scope == "read_customers").unwrap();
    assert!(missing.blocks_reading.iter().any(|kind| kind == "customer"));
    assert!(probe.missing.iter().all(|missing| missing.scope != "read_products"));
    assert!(probe.approvals.iter().any(|text| text.contains("read_all_orders")));
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_that_are_older_than_we_may_see_have_not_gone() {
    let practice = Practice::start(Settings::default()).await;
    let store = practice.open();
    let names = ["product", "order", "draft_order"];
    assert!(fetch(store.as_ref(), requests(&names, None)).await.unwrap().end("order").swept);
    let left = ["read_products", "read_publications", "read_locations", "read_orders", "read_customers"];
    practice.running.set_access(&left, true);
    let sweep = fetch(store.as_ref(), requests(&names, None)).await.unwrap();
    let orders = sweep.end("order");
    assert!(orders.complete && !orders.swept, "{:?}", orders.gaps);
    assert!(orders.gaps[0].detail.contains("read_all_orders"));
    assert!(sweep.end("product").swept, "its scopes are there");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scope_that_shows_a_part_of_a_kind_is_missed_for_that_part() {
    let practice = Practice::start(Settings::default()).await;
    let store = practice.open();
    let scopes: Vec<String> = store.probe().await.unwrap().granted;
    let kind = "metafield_definition";
    assert!(fetch(store.as_ref(), requests(&[kind], None)).await.unwrap().end(kind).swept);
    let left: Vec<&str> =
        scopes.iter().map(String::as_str).filter(|scope| !scope.ends_with("_discounts")).collect();
    practice.running.set_access(&left, true);
    let end = fetch(store.as_ref(), requests(&[kind], None)).await.unwrap().end(kind);
    assert!(!end.swept && !end.complete);
    let gaps: Vec<&str> = end.gaps.iter().map(|gap| gap.what.as_str()).collect();
    assert_eq!(gaps, ["metafield_definition of DISCOUNT"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn hidden_personal_data_is_a_gap() {
    let practice = Practice::start(Settings::default()).await;
    let store = practice.open();
    let names = ["customer", "order"];
    let first = fetch(store.as_ref(), requests(&names, None)).await.unwrap();
    let seen = first.items(store.as_ref());
    assert!(seen.values().all(|item| item.gaps.is_empty()));
    let scopes = store.probe().await.unwrap().granted;
    let scopes: Vec<&str> = scopes.iter().map(String::as_str).collect();
    for coded in [true, false] {
        practice.running.set_access(&scopes, ProtectedData::FieldsHidden { coded });
        let all = fetch(store.as_ref(), requests(&names, None)).await.unwrap();
        let hidden = all.items(store.as_ref());
        // Everybody is there, without what tells who they are; what is not hidden is as it was.
        assert_eq!(hidden.len(), seen.len());
        assert!(names.iter().all(|name| all.end(name).complete && all.end(name).swept), "{coded}");
        for (key, item) in &hidden {
            let gaps: Vec<&str> = item.gaps.iter().map(|gap| gap.what.as_str()).collect();
            let person = if key.0 == "customer" {
                ["/firstName", "/defaultEmailAddress"]
            } else {
                ["/email", "/phone"]
            };
            assert!(person.iter().all(|field| gaps.contains(field)), "{key:?} {gaps:?}");
            assert!(item.gaps.iter().all(|gap| gap.reason == GapReason::Redacted), "{key:?}");
            assert_eq!(item.subjects.len(), 1);
            let payload: Value = serde_json::from_slice(&item.payload).unwrap();
            let before: Value = serde_json::from_slice(&seen[key].payload).unwrap();
            assert!(person.iter().all(|field| payload.pointer(field).unwrap().is_null()));
            assert!(!payload.to_string().contains("_hidden"), "{payload}");
            assert_eq!((&payload["tags"], &payload["createdAt"]), (&before["tags"], &before["createdAt"]));
        }
        // An increment says the same.
        let later = fetch(store.as_ref(), requests(&names, Some(&all))).await.unwrap();
        assert!(names.iter().all(|name| later.end(name).complete));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn people_that_an_app_may_not_see_at_all_have_not_gone() {
    let practice = Practice::start(Settings::default()).await;
    let store = practice.open();
    let names = ["customer", "order", "product"];
    let first = fetch(store.as_ref(), requests(&names, None)).await.unwrap();
    assert!(names.iter().all(|name| first.end(name).swept));
    let scopes = store.probe().await.unwrap().granted;
    let scopes: Vec<&str> = scopes.iter().map(String::as_str).collect();
    for coded in [true, false] {
        practice.running.set_access(&scopes, ProtectedData::ObjectsHidden { coded });
        for since in [None, Some(&first)] {
            let hidden = fetch(store.as_ref(), requests(&names, since)).await.unwrap();
            for name in ["customer", "order"] {
                let end = hidden.end(name);
                assert!(!end.complete && !end.swept && !end.left_scope && end.next.is_none(), "{name}");
                assert!(end.gaps[0].detail.contains("not approved"), "{:?}", end.gaps);
            }
            assert!(hidden.end("product").complete);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_renewed_when_they_end_and_when_they_are_refused() {
    let practice = Practice::start(Settings { products: 5, ..Settings::default() }).await;
    let store = practice.open_with(&practice.client_credentials());
    assert!(store.probe().await.is_ok());
    practice.running.revoke_all();
    assert!(fetch(store.as_ref(), requests(&["product"], None)).await.unwrap().end("product").swept);
    practice.clock.shift(Duration::from_secs(25 * 3600));
    practice.faults("502:token@1");
    assert!(store.probe().await.is_ok());

    let fixed = practice.open();
    practice.running.revoke_all();
    let fault = fixed.probe().await.unwrap_err();
    assert!(matches!(fault, Fault::Unauthorized(_)), "{fault}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_token_is_kept_before_it_is_used() {
    let practice = Practice::start(Settings { products: 5, ..Settings::default() }).await;
    let pair = practice.running.issue_offline_token();
    let credential = Credential::Offline {
        client_id: practice.running.client_id.clone(),
        client_secret: Secret::new(&practice.running.client_secret),
        access_token: Secret::new(&pair.access_token),
        refresh_token: Secret::new(&pair.refresh_token),
        expires_at: practice.clock.now() + Duration::from_secs(3600),
    };
    let store = practice.open_with(&credential);
    assert!(store.probe().await.is_ok());
    assert!(practice.kept.0.lock().unwrap().is_empty());
    practice.clock.shift(Duration::from_secs(2 * 3600));
    let (one, two) = futures::join!(store.probe(), store.probe());
    assert!(one.is_ok() && two.is_ok());
    let kept = practice.kept.0.lock().unwrap().clone();
    assert_eq!(kept.len(), 1, "one refresher at a time");
    let rotated = Credential::from_bytes(&kept[0]).unwrap();
    assert!(practice.open_with(&rotated).probe().await.is_ok());
    let Credential::Offline { refresh_token, .. } = rotated else { panic!("another kind of credential") };
    assert_ne!(refresh_token.expose_secret(), pair.refresh_token);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_with_one_credential_spend_its_refresh_token_once() {
    let practice = Practice::start(Settings { products: 5, ..Settings::default() }).await;
    let pair = practice.running.issue_offline_token();
    let credential = Credential::Offline {
        client_id: practice.running.client_id.clone(),
        client_secret: Secret::new(&practice.running.client_secret),
        access_token: Secret::new(&pair.access_token),
        refresh_token: Secret::new(&pair.refresh_token),
        expires_at: practice.clock.now(),
    };
    // Both were opened before either renewed: each has the old refresh token in its memory.
    let (one, two) = (practice.open_with(&credential), practice.open_with(&credential));
    let (first, second) = futures::join!(one.probe(), two.probe());
    assert_eq!((first.err().map(|e| e.to_string()), second.err().map(|e| e.to_string())), (None, None));
    assert_eq!(practice.kept.0.lock().unwrap().len(), 1, "the second uses what the first one got");
    // The next renewal spends the new one.
    practice.clock.shift(Duration::from_secs(2 * 3600));
    assert!(two.probe().await.is_ok() && one.probe().await.is_ok());
    assert_eq!(practice.kept.0.lock().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_credentials_are_told_apart() {
    let practice = Practice::start(Settings::empty()).await;
    let check = |credential: Credential| {
        let store = practice.open_with(&credential);
        async move { store.probe().await.unwrap_err() }
    };
    let wrong = Credential::Static { access_token: Secret::new("shpat_wrong"), client_secret: None };
    assert!(matches!(check(wrong).await, Fault::Unauthorized(_)));
    let wrong = Credential::ClientCredentials {
        client_id: practice.running.client_id.clone(),
        client_secret: Secret::new("wrong"),
    };
    assert!(matches!(check(wrong).await, Fault::Unauthorized(_)));
    assert!(practice.open_with(&practice.client_credentials()).probe().await.is_ok());
    assert!(matches!(Credential::from_bytes(b"{}"), Err(Fault::Unauthorized(_))));
}
