use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use futures::FutureExt as _;
use tempfile::TempDir;

use super::*;
use crate::public::doubles::{Memory, Still, made};

const NAME: &str = "caretaker.example";
/// Long after whatever the tests write was written: it has settled.
const NOW: &str = "2100-02-01T00:00:00Z";
const FROM: (i32, u8, u8) = (2100, 1, 1);
const TO: (i32, u8, u8) = (2100, 4, 1);

struct World {
    folder: TempDir,
    memory: Arc<Memory>,
    clock: Arc<Still>,
    fresh: Fresh,
}

fn put(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

impl World {
    fn new(renewed: Renewed) -> Self {
        let (folder, memory) = (tempfile::tempdir().unwrap(), Arc::<Memory>::default());
        let clock = Arc::new(Still::at(NOW));
        let at: PathBuf = folder.path().to_owned();
        let opens: Opens = Arc::new(move |part| {
            let name = match part {
                Part::Key => "key",
                _ => "certificate",
            };
            std::future::ready(File::open(at.join(name)).map(OwnedFd::from)).boxed()
        });
        let url = format!("https://{NAME}").parse().unwrap();
        let fresh = Fresh::new(opens, (url, renewed), Arc::clone(&memory) as _, Arc::clone(&clock) as _);
        Self { folder, memory, clock, fresh }
    }

    fn put(&self, name: &str, text: &str) {
        put(&self.folder.path().join(name), text);
    }

    fn put_both(&self, (certificate, key): &(String, String)) {
        self.put("certificate", certificate);
        self.put("key", key);
    }

    /// Looks once, as is done each second. Answers whether another certificate is shown from now on.
    async fn look(&mut self) -> bool {
        let before = self.fresh.shown.borrow().clone();
        match self.fresh.find().await {
            Ok(Found::Same) => {}
            Ok(Found::New(certificate)) => self.fresh.take(*certificate).await.unwrap(),
            Err(unfit) => self.fresh.stay(&unfit).await.unwrap(),
        }
        self.fresh.tell_of_end().await.unwrap();
        let now = self.fresh.shown.borrow().clone();
        match (before, now) {
            (Some(before), Some(now)) => !Arc::ptr_eq(&before, &now),
            (before, now) => before.is_some() != now.is_some(),
        }
    }
}

#[tokio::test]
async fn a_pair_that_is_written_half_leaves_the_one_before_in_use() {
    let mut world = World::new(Renewed::ByHand);
    let (old, new) = (made(NAME, FROM, TO), made(NAME, FROM, (2100, 5, 1)));
    world.put_both(&old);
    assert!(world.look().await);
    assert!(!world.look().await, "it is the same");
    assert_eq!(world.memory.taken().len(), 1);

    let half = &new.0[..new.0.len() / 2];
    for (name, text, told) in [
        ("certificate", half, "cannot be understood"),
        ("certificate", new.0.as_str(), "another one's"),
        ("key", "", "no private key"),
    ] {
        world.put(name, text);
        assert!(!world.look().await && !world.look().await);
        let events = world.memory.taken();
        assert_eq!(events.len(), 1, "it is told once: {events:?}");
        assert!(
            events[0].starts_with("public.certificate.use Refused") && events[0].contains(told),
            "{events:?}"
        );
    }
    world.put("key", &new.1);
    assert!(world.look().await);
    assert!(world.memory.taken()[0].contains("to 2100-05-01"));
}

#[tokio::test]
async fn files_that_are_gone_or_open_to_others_leave_the_one_before_in_use() {
    let mut world = World::new(Renewed::ByHand);
    world.put_both(&made(NAME, FROM, TO));
    assert!(world.look().await);
    let (key, aside) = (world.folder.path().join("key"), world.folder.path().join("aside"));
    std::fs::rename(&key, &aside).unwrap();
    assert!(!world.look().await);
    std::fs::rename(&aside, &key).unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o604)).unwrap();
    assert!(!world.look().await);
    let told = world.memory.taken();
    assert!(told[1].contains("could not be read") && told[2].contains("chmod"), "{told:?}");
    world.put_both(&made(NAME, FROM, TO));
    assert!(world.look().await);
}

#[tokio::test]
async fn what_was_written_just_now_is_looked_at_again() {
    let mut world = World::new(Renewed::ByHand);
    // In the middle of the second in which it is written, as it were.
    world.clock.set("2000-02-01T00:00:00Z");
    world.put_both(&made(NAME, (2000, 1, 1), (2000, 4, 1)));
    assert!(world.look().await);
    assert_eq!(world.fresh.seen, None);
    world.clock.set(NOW);
    world.put_both(&made(NAME, FROM, TO));
    assert!(world.look().await);
    assert!(world.fresh.seen.is_some());
}

#[tokio::test]
async fn the_end_is_told_each_day_from_thirty_days_before() {
    let mut world = World::new(Renewed::ByHand);
    world.put_both(&made(NAME, FROM, TO));
    assert!(world.look().await);
    world.memory.taken();
    for (now, told) in [
        ("2100-03-01T23:59:59Z", None),
        ("2100-03-02T00:00:00Z", Some("30 whole days")),
        ("2100-03-02T00:00:01Z", Some("29 whole days")),
        ("2100-03-02T23:59:59Z", None),
        ("2100-03-31T12:00:00Z", Some("0 whole days")),
        ("2100-04-01T00:00:01Z", None),
    ] {
        world.clock.set(now);
        world.look().await;
        let events = world.memory.taken();
        assert_eq!(events.len(), usize::from(told.is_some()), "{now}: {events:?}");
        if let Some(told) = told {
            assert!(
                events[0].starts_with("public.certificate.end") && events[0].contains(told),
                "{events:?}"
            );
        }
    }
    // Another one ends it.
    world.put_both(&made(NAME, FROM, (2100, 9, 1)));
    world.look().await;
    assert!(world.memory.taken().iter().all(|event| !event.starts_with("public.certificate.end")));
}
