//! Calls that tell how they go on.

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use domain::{Clock, Role, RoleName, ServiceId, Timestamp};
use futures::FutureExt as _;
use futures::future::{BoxFuture, pending};
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinHandle;
use transport::{
    CERTIFICATE_TTL, Call, CallError, Channel, Endpoint, FRAME_LEN_MAX, Frame, Gone, Routes, Teller, Telling,
};

use crate::world::{Beside, TestClock, World};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// Asks for something that takes a while.
#[derive(Serialize, Deserialize)]
struct Work {}

impl Call for Work {
    const NAME: &'static str = "test.work";
    const CALLERS: &'static [RoleName] = &[RoleName::Command];
    type Answer = String;
    type Refusal = u32;
}

impl Telling for Work {
    type Told = String;
}

/// Nobody answers that.
#[derive(Serialize, Deserialize)]
struct Unknown {}

impl Call for Unknown {
    const NAME: &'static str = "test.unknown";
    const CALLERS: &'static [RoleName] = &[RoleName::Command];
    type Answer = ();
    type Refusal = ();
}

impl Telling for Unknown {
    type Told = ();
}

type Answer = Result<String, u32>;

/// Who answers [`Work`] in one way, and a way to ask for it.
fn working<F>(
    world: &World,
    work: impl Fn(Teller<String>) -> F + Send + Sync + 'static,
) -> (Beside, Arc<Channel>)
where
    F: Future<Output = Answer> + Send + 'static,
{
    let routes = Routes::new().telling(move |_: ServiceId, _: Work, teller| work(teller));
    let beside = world.answering(&world.identities(&Role::Vault), routes, CERTIFICATE_TTL);
    let channel = world.channel(&world.identities(&Role::Command), &Role::Vault, beside.clone());
    (beside, Arc::new(channel))
}

/// All that is told, and how it ends.
async fn heard(channel: &Channel) -> (Vec<Frame<String>>, Result<Answer, CallError>) {
    let mut all = Vec::new();
    let answer = channel
        .follow(&Work {}, |frame| {
            all.push(frame);
            Ok::<_, Infallible>(())
        })
        .await;
    (all, answer.map(|answer| answer.unwrap_or_else(|never| match never {})))
}

fn told(text: &str) -> Frame<String> {
    Frame::Told(text.to_owned())
}

#[track_caller]
fn is_unreachable(answer: &Result<Answer, CallError>) {
    assert!(matches!(answer, Err(CallError::Unreachable { to: Role::Vault, .. })), "{answer:?}");
}

/// Says when it is dropped.
struct Dropped(mpsc::UnboundedSender<&'static str>);

impl Drop for Dropped {
    fn drop(&mut self) {
        let _ = self.0.send("dropped");
    }
}

/// A way to ask for work that never ends, and what comes of it: that nobody listens, and that it is dropped.
fn endless(world: &World) -> (Beside, Arc<Channel>, mpsc::UnboundedReceiver<&'static str>) {
    let (says, said) = mpsc::unbounded_channel();
    let (beside, channel) = working(world, move |teller| {
        let says = says.clone();
        let (dropped, other) = (Dropped(says.clone()), teller.clone());
        tokio::spawn(async move {
            other.gone().await;
            assert_eq!(other.tell(&"anybody?".to_owned()).await, Err(Gone));
            let _ = says.send("gone");
        });
        async move {
            let _dropped = dropped;
            teller.tell(&"begun".to_owned()).await.unwrap();
            pending().await
        }
    });
    (beside, channel, said)
}

async fn is_over(mut said: mpsc::UnboundedReceiver<&'static str>) {
    let mut both = [said.recv().await.unwrap(), said.recv().await.unwrap()];
    both.sort_unstable();
    assert_eq!(both, ["dropped", "gone"]);
}

#[tokio::test]
async fn what_is_told_comes_in_order_and_then_the_answer_or_refusal() {
    let world = World::new();
    for answer in [Ok("done".to_owned()), Err(7)] {
        let answered = answer.clone();
        let (_beside, channel) = working(&world, move |teller| {
            let answer = answered.clone();
            async move {
                for turn in 0..100 {
                    teller.tell(&format!("{turn}")).await.unwrap();
                    let bytes = vec![1; turn * 1000].into();
                    teller.tell_with(&format!("{turn} with bytes"), bytes).await.unwrap();
                }
                let long = vec![2; FRAME_LEN_MAX + 3].into();
                teller.tell_with(&"more than one frame".to_owned(), long).await.unwrap();
                answer
            }
        });
        let (all, ended) = heard(&channel).await;
        let mut expected = Vec::new();
        for turn in 0..100 {
            expected.extend([told(&format!("{turn}")), told(&format!("{turn} with bytes"))]);
            expected.push(Frame::Bytes(vec![1; turn * 1000].into()));
        }
        expected.push(told("more than one frame"));
        expected.extend([vec![2; FRAME_LEN_MAX], vec![2; 3]].map(|bytes| Frame::Bytes(bytes.into())));
        assert!(all == expected);
        assert_eq!(ended, Ok(answer));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_stay_with_what_was_told_before_them_whoever_else_tells() {
    let world = World::new();
    let (_beside, channel) = working(&world, async |teller| {
        let tellers = ["a", "b", "c"].map(|name| {
            let teller = teller.clone();
            tokio::spawn(async move {
                for _ in 0..200 {
                    teller.tell_with(&name.to_owned(), name.into()).await.unwrap();
                }
            })
        });
        futures::future::join_all(tellers).await;
        Ok(String::new())
    });
    let (all, ended) = heard(&channel).await;
    assert_eq!((all.len(), ended), (1200, Ok(Ok(String::new()))));
    for pair in all.chunks(2) {
        let [Frame::Told(name), Frame::Bytes(bytes)] = pair else { panic!("{pair:?}") };
        assert_eq!(name.as_bytes(), bytes);
    }
}

#[tokio::test]
async fn a_long_answer_comes_whole() {
    let world = World::new();
    let long = "long ".repeat(2_000_001);
    let answer = long.clone();
    let (_beside, channel) = working(&world, move |_| std::future::ready(Ok(answer.clone())));
    assert!(heard(&channel).await == (vec![], Ok(Ok(long))));
}

#[tokio::test]
async fn nothing_is_done_for_whoever_may_not_ask_for_it() {
    let world = World::new();
    let ran = Arc::new(AtomicBool::new(false));
    let runs = Arc::clone(&ran);
    let (beside, channel) = working(&world, move |_| {
        runs.store(true, Ordering::SeqCst);
        std::future::ready(Err(1))
    });
    let monitor = world.channel(&world.identities(&Role::Monitor), &Role::Vault, beside);
    let (all, refused) = heard(&monitor).await;
    assert!(
        matches!(&refused, Err(CallError::Refused { why, .. }) if why.contains("test.work")),
        "{refused:?}"
    );
    assert!(all.is_empty() && !ran.load(Ordering::SeqCst));
    let unknown = channel.follow(&Unknown {}, |_| Ok::<_, Infallible>(())).await;
    assert!(matches!(unknown, Err(CallError::Misunderstood { .. })), "{unknown:?}");
    assert_eq!(heard(&channel).await.1, Ok(Err(1)));
    assert!(ran.load(Ordering::SeqCst));
}

#[tokio::test]
async fn who_has_heard_enough_ends_the_work() {
    let world = World::new();
    let (beside, channel, said) = endless(&world);
    let ended = channel.follow(&Work {}, |frame| Err(frame == told("begun"))).await;
    assert_eq!(ended, Ok(Err(true)));
    is_over(said).await;
    // The connection goes on.
    assert_eq!(channel.follow(&Work {}, Err).await, Ok(Err(told("begun"))));
    assert_eq!(beside.dialled.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn who_drops_the_call_ends_the_work() {
    let world = World::new();
    let (_beside, channel, said) = endless(&world);
    let (begun, begins) = oneshot::channel();
    let mut begun = Some(begun);
    let following = tokio::spawn(async move {
        let heard = |_| {
            begun.take().unwrap().send(()).unwrap();
            Ok::<_, Infallible>(())
        };
        channel.follow(&Work {}, heard).await
    });
    begins.await.unwrap();
    following.abort();
    is_over(said).await;
}

#[tokio::test]
async fn an_end_that_dies_is_unreachable_and_its_work_ends() {
    let world = World::new();
    let (beside, channel, said) = endless(&world);
    let ended = channel
        .follow(&Work {}, |_| {
            beside.die();
            Ok::<_, Infallible>(())
        })
        .await;
    is_unreachable(&ended.map(|ended| ended.unwrap_or_else(|never| match never {})));
    is_over(said).await;
}

#[tokio::test]
async fn work_that_panics_is_unreachable_whoever_else_has_a_teller() {
    let world = World::new();
    let kept = Arc::new(Mutex::new(Vec::new()));
    let (_beside, channel) = working(&world, move |teller| {
        kept.lock().unwrap().push(teller.clone());
        async move {
            teller.tell(&"begun".to_owned()).await.unwrap();
            panic!("this is part of the test")
        }
    });
    let (all, ended) = heard(&channel).await;
    assert_eq!(all, [told("begun")]);
    is_unreachable(&ended);
}

#[tokio::test]
async fn what_is_too_long_to_be_told_ends_the_call() {
    let world = World::new();
    let (says, mut said) = mpsc::unbounded_channel();
    let (_beside, channel) = working(&world, move |teller| {
        let says = says.clone();
        async move {
            says.send(teller.tell(&"x".repeat(FRAME_LEN_MAX)).await).unwrap();
            pending().await
        }
    });
    let (all, ended) = heard(&channel).await;
    assert!(
        matches!(&ended, Err(CallError::Misunderstood { why, .. }) if why.contains("1048578 bytes")),
        "{ended:?}"
    );
    assert_eq!((all, said.recv().await), (vec![], Some(Err(Gone))));
}

/// Listens on a thread of its own, and to each thing told only once it is let.
struct Slow {
    lets: std::sync::mpsc::Sender<()>,
    listening: JoinHandle<Result<Result<Answer, std::sync::mpsc::RecvError>, CallError>>,
}

fn slow(channel: Arc<Channel>) -> Slow {
    let (lets, waits) = std::sync::mpsc::channel();
    let runtime = Handle::current();
    let heard = move |frame| if matches!(frame, Frame::Told(_)) { waits.recv() } else { Ok(()) };
    let listening = tokio::task::spawn_blocking(move || runtime.block_on(channel.follow(&Work {}, heard)));
    Slow { lets, listening }
}

/// How much is told, once no more is.
async fn settled(world: &World, told: &AtomicUsize, wait: Duration) -> usize {
    loop {
        let before = told.load(Ordering::SeqCst);
        world.clock.sleep(wait).await;
        if before == told.load(Ordering::SeqCst) {
            return before;
        }
    }
}

/// A way to ask for something to be told so many times with so many bytes, and how often it was.
fn telling(world: &World, times: usize, bytes: usize) -> (Beside, Arc<Channel>, Arc<AtomicUsize>) {
    let told = Arc::new(AtomicUsize::new(0));
    let tells = Arc::clone(&told);
    let (beside, channel) = working(world, move |teller| {
        let (tells, bytes) = (Arc::clone(&tells), Bytes::from(vec![3; bytes]));
        async move {
            for _ in 0..times {
                teller.tell_with(&String::new(), bytes.clone()).await.unwrap();
                tells.fetch_add(1, Ordering::SeqCst);
            }
            Ok(String::new())
        }
    });
    (beside, channel, told)
}

/// Whoever tells is ahead of whoever listens by so many frames of the greatest length at most: what is queued, what the
/// window lets through, what is under way, and some.
const AHEAD_MAX: usize = 16 + 1 + 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_tells_waits_for_whoever_listens() {
    const TIMES: usize = 60;
    let world = World::new();
    let (_beside, channel, told) = telling(&world, TIMES, FRAME_LEN_MAX);
    let slow = slow(channel);
    for heard in 0..TIMES {
        let long = heard < 3;
        let wait = Duration::from_millis(if long { 300 } else { 1 });
        let ahead = settled(&world, &told, wait).await.saturating_sub(heard);
        assert!(ahead <= AHEAD_MAX, "{ahead} ahead");
        assert!(!long || ahead >= 16, "{ahead} ahead: it need not have waited");
        slow.lets.send(()).unwrap();
    }
    assert_eq!(slow.listening.await.unwrap(), Ok(Ok(Ok(String::new()))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn much_that_is_short_and_not_heard_yet_does_not_end_the_connection() {
    const TIMES: usize = 20_000;
    let world = World::new();
    for bytes in [0, 1, 200] {
        let (_beside, channel, told) = telling(&world, TIMES, bytes);
        let slow = slow(Arc::clone(&channel));
        let ahead = settled(&world, &told, Duration::from_millis(300)).await;
        assert!((16..TIMES).contains(&ahead), "{ahead} ahead");
        for _ in 0..TIMES {
            slow.lets.send(()).unwrap();
        }
        assert_eq!(slow.listening.await.unwrap(), Ok(Ok(Ok(String::new()))));
    }
}

#[tokio::test]
async fn progress_is_left_out_where_there_is_no_room() {
    let world = World::new();
    let (_beside, channel) = working(&world, async |teller| {
        // From a thread that has no runtime; nobody listens meanwhile, for the one of this test waits.
        let telling = std::thread::spawn(move || {
            for turn in 0..1000 {
                teller.tell_if_room(&format!("{turn}"));
            }
        });
        telling.join().unwrap();
        Ok("done".to_owned())
    });
    let (all, ended) = heard(&channel).await;
    let expected: Vec<_> = (0..16).map(|turn| told(&format!("{turn}"))).collect();
    assert_eq!((all, ended), (expected, Ok(Ok("done".to_owned()))));
}

/// A clock by which nothing is ever due.
#[derive(Debug)]
struct Stopped(Arc<TestClock>);

impl Clock for Stopped {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    fn monotonic(&self) -> Duration {
        self.0.monotonic()
    }

    fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
        pending().boxed()
    }
}

/// Who takes long, and says little.
fn long(
    world: &World,
) -> impl Fn(ServiceId, Work, Teller<String>) -> BoxFuture<'static, Answer> + Send + Sync + 'static {
    let clock = Arc::clone(&world.clock);
    move |_, _, teller| {
        let clock = Arc::clone(&clock);
        async move {
            teller.tell(&"begun".to_owned()).await.unwrap();
            clock.sleep(20 * MINUTE).await;
            teller.tell(&"half".to_owned()).await.unwrap();
            clock.sleep(20 * MINUTE).await;
            Ok("done".to_owned())
        }
        .boxed()
    }
}

#[tokio::test(start_paused = true)]
async fn work_may_take_long() {
    let world = World::new();
    let routes = Routes::new().telling(long(&world));
    let beside = world.answering(&world.identities(&Role::Vault), routes, CERTIFICATE_TTL);
    let channel = world.channel(&world.identities(&Role::Command), &Role::Vault, beside);
    let begun = world.clock.monotonic();
    assert_eq!(heard(&channel).await, (vec![told("begun"), told("half")], Ok(Ok("done".to_owned()))));
    assert!(world.clock.monotonic() - begun >= 40 * MINUTE);
}

#[tokio::test(start_paused = true)]
async fn who_is_silent_for_a_minute_is_unreachable() {
    let world = World::new();
    let (vault, stopped) = (world.identities(&Role::Vault), Arc::new(Stopped(Arc::clone(&world.clock))));
    let routes = Routes::new().telling(long(&world));
    let silent = Beside::new(Endpoint::new(vault, routes, stopped, CERTIFICATE_TTL));
    let channel = world.channel(&world.identities(&Role::Command), &Role::Vault, silent);
    let begun = world.clock.monotonic();
    let (all, ended) = heard(&channel).await;
    assert_eq!(all, [told("begun")]);
    is_unreachable(&ended);
    let took = world.clock.monotonic() - begun;
    assert!((MINUTE..MINUTE + SECOND).contains(&took), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_old_or_replaced_ends_no_work() {
    let world = World::new();
    let (clock, begins) = (Arc::clone(&world.clock), Arc::new(Notify::new()));
    let begun = Arc::clone(&begins);
    let routes = Routes::new().telling(move |_: ServiceId, _: Work, teller| {
        let (clock, begun) = (Arc::clone(&clock), Arc::clone(&begun));
        async move {
            begun.notify_one();
            for minute in 0..10 {
                teller.tell(&format!("{minute}")).await.unwrap();
                clock.sleep(MINUTE).await;
            }
            Ok::<_, u32>("done".to_owned())
        }
    });
    let command = world.identities(&Role::Command);
    let beside = world.answering(&world.identities(&Role::Vault), routes, MINUTE);
    let channel = Arc::new(world.channel(&command, &Role::Vault, beside.clone()));
    let mut working = Vec::new();
    for turn in 0..20 {
        let channel = Arc::clone(&channel);
        working.push(tokio::spawn(async move { heard(&channel).await }));
        begins.notified().await;
        // The next is asked for in the moment in which the connection ends, or by another certificate.
        world.clock.sleep(if turn % 2 == 0 { MINUTE } else { SECOND }).await;
        if turn % 3 == 0 {
            command.replace(world.authority.identity(&Role::Command, world.clock.now()).unwrap().0);
        }
    }
    for work in working {
        let (all, ended) = work.await.unwrap();
        assert_eq!((all.len(), ended), (10, Ok(Ok("done".to_owned()))));
    }
    assert!(beside.dialled.load(Ordering::SeqCst) > 10);
    // All of them ended in good order.
    drop(channel);
    assert!(beside.ended().await.iter().all(Result::is_ok));
}
