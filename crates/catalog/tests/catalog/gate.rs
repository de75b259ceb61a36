//! What every question of another process passes: it is decided for each thing that it is about, and no answer is given that is not
//! on the record.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use catalog::{Catalog, CatalogErrorKind, Client, Gate, LedgerEntry};
use domain::{
    About, Action, Asked, AuditError, AuditEvent, AuditSink, Clock as _, Decides, Operation, Outcome,
    Principal, Role, Scope, Verdict,
};
use futures::FutureExt as _;
use futures::future::BoxFuture;

use crate::backend::{Backend, Place};
use crate::cell::{connection, entry, head, second, shop, tenant};
use crate::channel::{TestClock, past};

/// Permits what is not about one connection.
#[derive(Debug)]
struct AllBut(&'static str);

impl Decides for AllBut {
    fn process(&self, asked: &Asked<'_>) -> Verdict {
        match asked.about {
            About::Connection(scope) if scope.connection.as_str() == self.0 => Verdict {
                allowed: false,
                by: vec!["but-one".to_owned()],
                told: "forbidden by but-one".to_owned(),
            },
            _ => Verdict { allowed: true, by: vec!["all".to_owned()], told: "permitted by all".to_owned() },
        }
    }

    fn person(&self, _: &Principal, _: Action, _: &Scope) -> Verdict {
        Verdict::nobody()
    }

    fn custodian(&self, _: &Principal, _: Operation) -> Verdict {
        Verdict::nobody()
    }
}

/// A record in memory, which says of each event whether it was waited for; or one that is full.
#[derive(Debug, Default)]
struct Record {
    events: Mutex<Vec<(bool, AuditEvent)>>,
    full: bool,
}

impl Record {
    fn keep(&self, waited: bool, event: AuditEvent) -> Result<(), AuditError> {
        if self.full {
            return Err(AuditError("the disk is full".to_owned()));
        }
        self.events.lock().unwrap().push((waited, event));
        Ok(())
    }

    /// What is there: whether it was waited for, how it ended, about what, by what.
    fn take(&self) -> Vec<(bool, Outcome, String, String)> {
        let events = std::mem::take(&mut *self.events.lock().unwrap());
        let told = |(waited, event): (bool, AuditEvent)| {
            (waited, event.outcome, event.object, event.policies.join(" "))
        };
        events.into_iter().map(told).collect()
    }
}

impl AuditSink for Record {
    fn record(&self, event: AuditEvent) -> BoxFuture<'_, Result<(), AuditError>> {
        std::future::ready(self.keep(true, event)).boxed()
    }

    fn note(&self, event: AuditEvent) -> BoxFuture<'_, Result<(), AuditError>> {
        std::future::ready(self.keep(false, event)).boxed()
    }
}

/// A catalog with three connections, and the way past a gate to it.
async fn gated(refuses: &'static str, full: bool) -> (Place, Client, Client, Arc<Record>) {
    gated_by(Arc::new(AllBut(refuses)), full).await
}

async fn gated_by(policies: Arc<dyn Decides>, full: bool) -> (Place, Client, Client, Arc<Record>) {
    let place = Place::new(&Backend::Embedded).await;
    place.create().await;
    let catalog = Catalog::open(place.address()).await.unwrap();
    let own = Client::from(catalog.clone());
    own.add_tenant(&tenant("t"), second(0)).await.unwrap();
    for name in ["other", "shop", "third"] {
        own.add_connection(&connection("t", name)).await.unwrap();
    }
    let record = Arc::new(Record { full, ..Record::default() });
    let gate = Gate::new(Arc::clone(&record) as Arc<dyn AuditSink>).with_policies(policies);
    let (client, _) = past(gate, &catalog, &Role::Command);
    (place, own, client, record)
}

fn ids(connection: &str, target: &str) -> [LedgerEntry; 1] {
    let (connection, target) = (connection.parse().unwrap(), target.parse().unwrap());
    [LedgerEntry { connection, target, ..entry("1", "2", 1) }]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_about_several_things_is_decided_for_each() {
    let (_place, own, client, record) = gated("third", false).await;
    let t = tenant("t");
    // The control.
    client.record_ids(&t, &ids("shop", "other")).await.unwrap();
    for (connection, target) in [("shop", "third"), ("third", "shop")] {
        let refused = client.record_ids(&t, &ids(connection, target)).await.unwrap_err();
        assert_eq!(refused.kind(), CatalogErrorKind::Refused);
        assert_eq!(refused.to_string(), "it is not permitted: forbidden by but-one");
    }
    assert_eq!(own.ledger(&t, &"third".parse().unwrap()).await.unwrap(), []);
    let refused = || (true, Outcome::Refused, "t/third".to_owned(), "but-one".to_owned());
    let done = (true, Outcome::Done, "t/shop".to_owned(), "all".to_owned());
    assert_eq!(record.take(), [done, refused(), refused()]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_changes_something_waits_for_the_record_and_who_looks_does_not() {
    let (_place, _own, client, record) = gated("third", false).await;
    let t = tenant("t");
    client.head(&t, &shop()).await.unwrap();
    client.advance_head(&t, &shop(), None, &head(1, 1)).await.unwrap();
    // What fails was permitted, and what is refused was not, though it only looks.
    client.advance_head(&t, &shop(), None, &head(1, 1)).await.unwrap_err();
    client.head(&t, &"third".parse().unwrap()).await.unwrap_err();
    client.head(&t, &"nothing".parse().unwrap()).await.unwrap_err();
    let (of, by) = (|name: &str| format!("t/{name}"), |name: &str| name.to_owned());
    let expected = [
        (false, Outcome::Done, of("shop"), by("all")),
        (true, Outcome::Done, of("shop"), by("all")),
        (true, Outcome::Failed, of("shop"), by("all")),
        (true, Outcome::Refused, of("third"), by("but-one")),
        (false, Outcome::Failed, of("nothing"), by("")),
    ];
    assert_eq!(record.take(), expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_record_there_is_no_answer() {
    let (_place, own, client, _) = gated("third", true).await;
    let t = tenant("t");
    own.put_credential(&t, &shop(), "token", b"sealed", second(0)).await.unwrap();
    for unanswered in [
        client.credential(&t, &shop(), "token").await.map(drop),
        client.head(&t, &"third".parse().unwrap()).await.map(drop),
        client.put_credential(&t, &shop(), "token", b"other", second(1)).await,
    ] {
        let error = unanswered.unwrap_err();
        assert_eq!(error.kind(), CatalogErrorKind::Unavailable, "{error}");
        assert!(error.to_string().ends_with("the disk is full"), "{error}");
    }
}

/// Permits all, and takes its time: it says that it was asked, and waits until it may answer.
#[derive(Debug, Default)]
struct Slow {
    asked: tokio::sync::Notify,
    may_answer: (Mutex<bool>, Condvar),
}

impl Decides for Slow {
    fn process(&self, asked: &Asked<'_>) -> Verdict {
        self.asked.notify_one();
        let (may, told) = &self.may_answer;
        drop(told.wait_while(may.lock().unwrap(), |may| !*may).unwrap());
        AllBut("").process(asked)
    }

    fn person(&self, _: &Principal, _: Action, _: &Scope) -> Verdict {
        Verdict::nobody()
    }

    fn custodian(&self, _: &Principal, _: Operation) -> Verdict {
        Verdict::nobody()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whoever_goes_away_leaves_what_was_done_on_the_record() {
    let policies = Arc::new(Slow::default());
    let (_place, own, client, record) = gated_by(Arc::clone(&policies) as Arc<dyn Decides>, false).await;
    let t = tenant("t");
    let task = tokio::spawn({
        let (client, t) = (client.clone(), t.clone());
        async move { client.put_credential(&t, &shop(), "token", b"sealed", second(0)).await }
    });
    policies.asked.notified().await;
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    // The other end hears of it before it goes on.
    let wait = || TestClock(tokio::time::Instant::now()).sleep(Duration::from_millis(100));
    wait().await;
    *policies.may_answer.0.lock().unwrap() = true;
    policies.may_answer.1.notify_all();
    let mut events = Vec::new();
    for _ in 0..100 {
        events.extend(record.take());
        if !events.is_empty() {
            break;
        }
        wait().await;
    }
    assert_eq!(events, [(true, Outcome::Done, "t/shop".to_owned(), "all".to_owned())]);
    assert_eq!(own.credential(&t, &shop(), "token").await.unwrap(), b"sealed");
}
