//! Whatever is sent is on the trail, or nothing is sent.

use std::sync::{Arc, Mutex};

use connectors::contract::Fault;
use domain::{AuditError, AuditEvent, AuditSink, Operation};
use futures::future::BoxFuture;

use super::{Practised, Size, fetch, requests, whole};

/// Keeps events, up to a number of them.
#[derive(Debug)]
struct Sink {
    events: Mutex<Vec<AuditEvent>>,
    most: usize,
}

impl Sink {
    fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { events: Mutex::default(), most })
    }

    fn len(&self) -> usize {
        self.events.lock().unwrap().len()
    }
}

impl AuditSink for Sink {
    fn record(&self, event: AuditEvent) -> BoxFuture<'_, Result<(), AuditError>> {
        self.note(event)
    }

    fn note(&self, event: AuditEvent) -> BoxFuture<'_, Result<(), AuditError>> {
        let mut events = self.events.lock().unwrap();
        let kept = events.len() < self.most;
        if kept {
            events.push(event);
        }
        Box::pin(async move { if kept { Ok(()) } else { Err(AuditError("the disk is full".into())) } })
    }
}

pub(crate) async fn every_request_is_on_record<P: Practised>() {
    let practice = P::start_with(Size::Few).await;
    let sink = Sink::new(usize::MAX);
    let store = practice.open_audited(Arc::<Sink>::clone(&sink));
    let before = practice.received();
    let read = whole::<P>(store.as_ref(), &[]).await;
    assert!(P::KINDS.iter().all(|row| read.end(row.name).complete));
    let events = sink.events.lock().unwrap();
    assert_eq!(events.len() as u64, store.usage().requests);
    // Files that a job leaves lie beside the API, which does not count them.
    let received = practice.received() - before;
    assert!(received > 0 && events.len() as u64 >= received, "{} of {received}", events.len());
    for event in events.iter() {
        assert_eq!(event.operation, Operation::PlatformRequest);
        let request = event.request.as_ref().unwrap();
        assert!(request.path.starts_with('/') && !request.path.contains('?'), "{request:?}");
    }
}

pub(crate) async fn what_cannot_be_put_on_record_stops_the_run<P: Practised>() {
    let practice = P::start_with(Size::Few).await;
    for most in [0, 1] {
        let sink = Sink::new(most);
        let store = practice.open_audited(Arc::<Sink>::clone(&sink));
        let before = practice.received();
        let fault = fetch(store.as_ref(), requests::<P>(&[P::PLAIN.kind], None)).await.unwrap_err();
        assert!(matches!(fault, Fault::Audit(_)), "{fault}");
        // One more than is on record: that was answered before it was found that it could not be.
        assert_eq!((sink.len(), practice.received() - before), (most, most as u64 + 1));
    }
}
