use super::*;
use crate::public::doubles::{Memory, Still};

struct World {
    memory: Arc<Memory>,
    tally: Tally,
}

fn world(level: Level) -> World {
    let memory = Arc::<Memory>::default();
    let clock = Arc::new(Still::at("2026-01-01T00:00:00Z"));
    let tally =
        Tally::new("caretaker.example".into(), Arc::clone(&memory) as _, clock, Arc::new(move || level));
    World { memory, tally }
}

fn facts(status: u16) -> HttpFacts {
    let (host, path) = ("caretaker.example".into(), "/{unknown}".into());
    HttpFacts { method: "GET", host, path, name: String::new(), status: Some(status), sent: 0, received: 9 }
}

impl World {
    async fn ask(&self, from: [u8; 4], status: u16) -> Result<(), AuditError> {
        let (from, took) = (network(IpAddr::from(from)), Duration::ZERO);
        self.tally.tell(from, Operation::PublicUnknown, facts(status), took).await
    }

    /// How many are told of one by one, how many events count others, and how many they count.
    async fn told(&self) -> (usize, usize, u64) {
        self.tally.tell_counted().await.unwrap();
        let events = self.memory.taken();
        let (counts, alone): (Vec<_>, Vec<_>) =
            events.iter().partition(|event| event.starts_with("public.count "));
        let number = |text: &str| text.rsplit_once(": ").unwrap().1.parse::<u64>().unwrap();
        let of = |event: &&String| event.rsplit_once("; ").unwrap().1.split(", ").map(number).sum::<u64>();
        (alone.len(), counts.len(), counts.iter().map(of).sum())
    }
}

#[tokio::test]
async fn whoever_asks_too_much_is_counted() {
    let world = world(Level::Enough);
    for _ in 0..5_000 {
        world.ask([192, 0, 2, 1], 404).await.unwrap();
    }
    world.ask([192, 0, 2, 1], 413).await.unwrap();
    world.ask([192, 0, 2, 2], 404).await.unwrap();
    assert_eq!(world.told().await, (21, 1, 4_981), "who asks little is told of all the same");
    world.ask([192, 0, 2, 1], 404).await.unwrap();
    assert_eq!(world.told().await, (1, 0, 0), "the next minute is another");
}

#[tokio::test]
async fn however_many_ask_what_is_written_in_a_minute_is_bounded() {
    let world = world(Level::Enough);
    for source in 0..10_000_u32 {
        for _ in 0..2 {
            let [_, b, c, d] = source.to_be_bytes();
            world.ask([10, b, c, d], 404).await.unwrap();
        }
    }
    let (alone, counts, counted) = world.told().await;
    assert!(alone <= OF_ALL_MAX as usize && counts <= SOURCES_MAX + 1, "{alone} {counts}");
    assert_eq!(alone as u64 + counted, 20_000, "none is lost");
}

#[tokio::test]
async fn where_there_is_little_room_nobody_is_told_of_alone() {
    for level in [Level::Little, Level::VeryLittle] {
        let world = world(level);
        for last in 0..200 {
            world.ask([192, 0, 2, last], 404).await.unwrap();
        }
        assert_eq!(world.told().await, (0, 1, 200));
        world.ask([192, 0, 2, 1], 404).await.unwrap();
        assert_eq!(world.told().await, (0, 1, 1), "nor in the next minute");
    }
}

#[tokio::test]
async fn what_cannot_be_recorded_is_not_answered() {
    let world = world(Level::Enough);
    world.ask([192, 0, 2, 1], 404).await.unwrap();
    world.memory.fill();
    world.ask([192, 0, 2, 1], 404).await.unwrap_err();
    // Not either what would be counted only.
    for _ in 0..50 {
        world.ask([192, 0, 2, 1], 404).await.unwrap_err();
    }
}

#[test]
fn an_address_stands_for_all_that_one_may_have() {
    let check = |address: &str, expected: &str| {
        let [address, expected] = [address, expected].map(|text| text.parse::<IpAddr>().unwrap());
        assert_eq!(network(address), expected);
    };
    check("192.0.2.7", "192.0.2.7");
    check("::ffff:192.0.2.7", "192.0.2.7");
    check("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::");
}

#[test]
fn a_source_has_a_name_that_tells_nothing_elsewhere() {
    let (own, other) = (world(Level::Enough).tally, world(Level::Enough).tally);
    let address = network("192.0.2.7".parse().unwrap());
    let name = own.name(Some(address));
    assert_eq!(name, own.name(Some(address)));
    assert!(name != other.name(Some(address)) && !name.contains("192"), "{name}");
}
