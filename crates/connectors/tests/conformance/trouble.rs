//! A store that misbehaves, hides something, or lets nobody in: it is never taken for one with less in it.

use connectors::contract::Fault;
use domain::GapReason;

use super::reading::are_the_same;
use super::{Practised, Size, fetch, open, requests, whole};

pub(crate) async fn what_passes_leaves_no_trace<P: Practised>() {
    let practice = P::start_with(Size::Whole).await;
    let store = open(&practice);
    let (faults, kinds) = P::PASSING;
    let expected = whole::<P>(store.as_ref(), kinds).await.items(store.as_ref());
    for spec in faults {
        practice.set_faults(spec);
        let read = fetch(store.as_ref(), requests::<P>(kinds, None)).await;
        let read = read.unwrap_or_else(|fault| panic!("{spec}: {fault}"));
        for row in P::KINDS.iter().filter(|row| kinds.is_empty() || kinds.contains(&row.name)) {
            let end = read.end(row.name);
            assert!(end.swept && end.complete, "{spec}: {} {:?}", row.name, end.gaps);
        }
        are_the_same(&read.items(store.as_ref()), &expected, spec);
    }
}

pub(crate) async fn a_kind_whose_page_fails_is_not_swept<P: Practised>() {
    let practice = P::start_with(Size::Whole).await;
    let store = open(&practice);
    let (kind, fault) = P::FAILING;
    let first = whole::<P>(store.as_ref(), &[]).await;
    assert!(first.end(kind).swept);
    let expected = first.items(store.as_ref());
    practice.set_faults(fault);
    for since in [None, Some(&first)] {
        let read = fetch(store.as_ref(), requests::<P>(&[], since)).await.unwrap();
        let end = read.end(kind);
        assert!(!end.swept && !end.complete && !end.left_scope && end.next.is_none(), "{end:?}");
        assert_eq!(end.gaps.iter().map(|gap| gap.reason).collect::<Vec<_>>(), [GapReason::Failed]);
        // Whole items of it or none; and of its neighbours all.
        for (key, item) in &read.items(store.as_ref()) {
            assert_eq!(item, &expected[key], "{key:?}");
        }
        assert!(read.removed().is_empty());
        for row in P::KINDS.iter().filter(|row| row.name != kind) {
            assert!(read.end(row.name).complete, "{}: {:?}", row.name, read.end(row.name).gaps);
        }
    }
    practice.set_faults("");
    let read = whole::<P>(store.as_ref(), &[kind]).await;
    assert!(read.end(kind).swept);
}

pub(crate) async fn a_scope_that_is_withdrawn_is_a_gap_and_takes_nothing_away<P: Practised>() {
    let practice = P::start_with(Size::Few).await;
    let store = open(&practice);
    let probe = store.probe().await.unwrap();
    assert!(probe.missing.is_empty(), "{:?}", probe.missing);
    assert!(!probe.store_id.is_empty() && !probe.store_name.is_empty() && !probe.store_domain.is_empty());
    let granted: Vec<&str> = probe.granted.iter().map(String::as_str).collect();
    let all = whole::<P>(store.as_ref(), &[]).await;
    for row in P::KINDS.iter().filter(|row| !row.read_scopes.is_empty()) {
        assert!(all.end(row.name).swept, "{}: {:?}", row.name, all.end(row.name).gaps);
        let scope = row.read_scopes[0];
        // Whatever opens it, by whichever name.
        let left: Vec<&str> = granted.iter().copied().filter(|one| !P::opens(one, scope)).collect();
        assert!(left.len() < granted.len(), "{}", row.name);
        practice.grant(&left);
        // One that was opened before may know what it could see then.
        let store = open(&practice);
        for since in [None, Some(&all)] {
            let read = fetch(store.as_ref(), requests::<P>(&[row.name], since)).await.unwrap();
            let end = read.end(row.name);
            assert!(!end.swept && !end.complete && end.next.is_none(), "{}: {end:?}", row.name);
            assert_eq!(end.left_scope, P::TELLS_SCOPES, "{}", row.name);
            let reasons: Vec<GapReason> = end.gaps.iter().map(|gap| gap.reason).collect();
            assert_eq!(reasons, [GapReason::MissingScope], "{}: {:?}", row.name, end.gaps);
            assert!(end.gaps[0].detail.contains(scope), "{}: {:?}", row.name, end.gaps);
            assert!(read.removed().is_empty() && read.items(store.as_ref()).is_empty(), "{}", row.name);
        }
        let again = store.probe().await;
        practice.grant(&granted);
        if P::ITSELF == Some(scope) {
            assert!(matches!(again, Err(Fault::Forbidden(_))), "{again:?}");
            continue;
        }
        let again = again.unwrap();
        assert_eq!(again.store_id, probe.store_id);
        let missing = again.missing.iter().find(|one| one.scope == scope);
        let missing = missing.unwrap_or_else(|| panic!("{scope} is not missed"));
        assert!(missing.blocks_reading.iter().any(|kind| kind == row.name), "{missing:?}");
    }
    assert_eq!(store.probe().await.unwrap().missing.len(), 0);
    let again = whole::<P>(store.as_ref(), &[]).await;
    assert!(P::KINDS.iter().all(|row| again.end(row.name).swept));
}

pub(crate) async fn a_credential_that_is_not_accepted_stops_the_run<P: Practised>() {
    let practice = P::start_with(Size::Few).await;
    let unknown = practice.open_unknown();
    let fault = fetch(unknown.as_ref(), requests::<P>(&[], None)).await.unwrap_err();
    assert!(matches!(fault, Fault::Unauthorized(_)), "{fault}");
    assert!(matches!(unknown.probe().await, Err(Fault::Unauthorized(_))));
    // A control: with the one that was given it is let in.
    let store = open(&practice);
    assert!(store.probe().await.is_ok());
    assert!(whole::<P>(store.as_ref(), &[P::PLAIN.kind]).await.end(P::PLAIN.kind).swept);
}

pub(crate) async fn a_store_that_is_silent_is_not_available<P: Practised>() {
    let practice = P::start_with(Size::Few).await;
    let store = open(&practice);
    assert!(store.probe().await.is_ok());
    practice.close().await;
    let fault = store.probe().await.unwrap_err();
    assert!(matches!(fault, Fault::Unavailable(_)), "{fault}");
    let fault = fetch(store.as_ref(), requests::<P>(&[], None)).await.unwrap_err();
    assert!(matches!(fault, Fault::Unavailable(_)), "{fault}");
}
