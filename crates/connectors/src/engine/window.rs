//! The quota of one store: so many requests in each window of time, of all apps of the shop together.
//!
//! Before a request is sent, a place is taken from our picture of the window; where there is none left, the request waits
//! for the next window. Every answer brings the platform's own figure, of which what is under way is taken off: so the
//! picture errs on the safe side. Some places are never taken: other apps of the shop would be refused for lack of them.
//! How many that is follows from what the others used, which is seen by the answers: so the last request of a window is
//! kept back until its end.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::Clock;
use tokio::sync::Notify;

use crate::contract::{Budget, Pace};

/// The part of the quota that is left to others who are silent: one in so many.
const SILENT: u64 = 20;
/// The part of the quota that is left to others at most: one in so many.
const BUSY: u64 = 2;
/// The part of a window, at its end, in which the request is sent that was kept back: one in so many.
const LAST: u32 = 15;
/// A little more than the exact wait, against rounding on both sides.
const MARGIN: Duration = Duration::from_millis(50);
/// The window is looked at again after this time at the latest.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// What an answer says of the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Status {
    /// Requests that fit into a window.
    pub(crate) quota: u64,
    /// Those that are left in this one.
    pub(crate) left: u64,
    /// How long a window is.
    pub(crate) window: Duration,
    /// When this one ends, from now.
    pub(crate) ends_in: Duration,
}

/// Our picture of the window.
#[derive(Debug, Default)]
struct Picture {
    /// As the newest answer told it; none before the first.
    told: Option<Told>,
    /// Sent, not answered.
    under_way: u64,
    /// Nobody sends before this moment.
    not_before: Duration,
    sent: u64,
    answers: u32,
    answered_in: Duration,
}

#[derive(Debug, Clone, Copy)]
struct Told {
    quota: u64,
    window: Duration,
    /// Places that were left, as far as is known.
    left: u64,
    /// When the window ends, on our clock.
    ends_at: Duration,
    /// How many we have sent in it.
    own: u64,
    /// How many others sent in the window before, at least.
    others: u64,
    /// Whether nothing was left of the window before.
    short: bool,
    /// Whether the request that was kept back until the end was sent.
    last_sent: bool,
    /// Whether the first request of the next window is under way.
    asking: bool,
}

impl Told {
    fn reserve(&self) -> u64 {
        let silent = self.quota.div_ceil(SILENT);
        // Where nothing was left, they may have wanted any number more.
        let room = if self.short { self.others.max(silent) } else { self.others / 2 };
        (self.others + room).clamp(silent, (self.quota / BUSY).max(silent))
    }

    /// How many the others sent in this window, by the platform's figure.
    fn others_now(&self, under_way: u64) -> u64 {
        self.quota.saturating_sub(self.left).saturating_sub(self.own.saturating_sub(under_way))
    }

    fn turn(&mut self, ends_at: Duration, left: u64, under_way: u64) {
        (self.others, self.short, self.last_sent) = (self.others_now(under_way), self.left == 0, false);
        (self.ends_at, self.left, self.own) = (ends_at, left, under_way + 1);
    }
}

impl Picture {
    /// Whether a request may be sent now; else when to look again.
    fn room(&mut self, now: Duration) -> Result<(), Duration> {
        if now < self.not_before {
            return Err(self.not_before);
        }
        let Some(told) = &mut self.told else {
            // Nothing is known before the first answer, so it is waited for.
            return if self.under_way == 0 { Ok(()) } else { Err(now + WAIT_MAX) };
        };
        if now >= told.ends_at {
            // It is over by our clock. When the next one begins, and what is left of it, the first answer tells.
            let asking = std::mem::replace(&mut told.asking, true);
            return if asking { Err(now + told.window) } else { Ok(()) };
        }
        let free = told.left.saturating_sub(told.reserve() + self.under_way);
        let last_at = told.ends_at.saturating_sub(told.window / LAST);
        if free > 1 {
            return Ok(());
        }
        if told.last_sent || told.left <= self.under_way {
            return Err(told.ends_at + MARGIN);
        }
        if now < last_at {
            return Err(last_at);
        }
        // Others may have taken what is free by our picture: the answer tells.
        told.last_sent = true;
        Ok(())
    }

    /// An answer that took its time tells of a moment between when it was asked for and now.
    fn learn(&mut self, status: Status, (sent_at, now): (Duration, Duration)) {
        let ends_at = now + status.ends_in;
        let half = status.window / 2;
        let Some(told) = &mut self.told else {
            let Status { quota, left, window, .. } = status;
            let own = self.under_way + 1;
            let (others, short, last_sent, asking) = (0, false, false, false);
            self.told = Some(Told { quota, window, left, ends_at, own, others, short, last_sent, asking });
            return;
        };
        (told.quota, told.window, told.asking) = (status.quota, status.window, false);
        if sent_at + status.ends_in > told.ends_at + half {
            told.turn(ends_at, status.left, self.under_way);
        } else if ends_at + half > told.ends_at {
            // Answers overtake each other; of what they tell of one window the least is true.
            told.left = told.left.min(status.left);
            told.ends_at = told.ends_at.max(ends_at);
        }
    }
}

/// One store's window.
#[derive(Debug)]
pub(crate) struct Window {
    clock: Arc<dyn Clock>,
    picture: Mutex<Picture>,
    answered: Notify,
}

impl Window {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, picture: Mutex::default(), answered: Notify::new() }
    }

    fn picture<T>(&self, with: impl FnOnce(&mut Picture, Duration) -> T) -> T {
        let now = self.clock.monotonic();
        with(&mut self.picture.lock().unwrap_or_else(PoisonError::into_inner), now)
    }

    /// Waits until a request may be sent.
    pub(crate) async fn enter(&self) -> Permit<'_> {
        loop {
            let looked = self.picture(|picture, now| {
                picture
                    .room(now)
                    .map(|()| (picture.under_way, picture.sent) = (picture.under_way + 1, picture.sent + 1))
                    .map_err(|at| at.saturating_sub(now).min(WAIT_MAX))
            });
            match looked {
                Ok(()) => {
                    self.picture(|picture, _| {
                        if let Some(told) = &mut picture.told {
                            told.own += 1;
                        }
                    });
                    return Permit { window: self, sent_at: self.clock.monotonic(), open: true };
                }
                Err(wait) => {
                    let answered = self.answered.notified();
                    futures::future::select(std::pin::pin!(answered), self.clock.sleep(wait)).await;
                }
            }
        }
    }

    /// How fast may be asked.
    pub(crate) fn pace(&self) -> Pace {
        self.picture(|picture, _| {
            let answer = picture.answered_in.checked_div(picture.answers).unwrap_or_default();
            let budget = picture.told.map(|told| {
                let whole = |count: u64| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
                let own = told.quota.saturating_sub(told.reserve());
                Budget {
                    per_second: whole(own) / told.window.as_secs_f64().max(0.001),
                    maximum: whole(own),
                    available: whole(told.left.saturating_sub(told.reserve() + picture.under_way)),
                }
            });
            Pace { budget, answer }
        })
    }

    /// Requests that were sent.
    pub(crate) fn sent(&self) -> u64 {
        self.picture(|picture, _| picture.sent)
    }
}

/// The leave to send one request.
#[derive(Debug)]
pub(crate) struct Permit<'a> {
    window: &'a Window,
    sent_at: Duration,
    open: bool,
}

impl Permit<'_> {
    /// The answer came.
    pub(crate) fn answered(mut self, status: Option<Status>) {
        self.close(status);
    }

    /// The platform asks to wait, for so long.
    pub(crate) fn refused(mut self, status: Option<Status>, wait: Duration) {
        self.close(status);
        self.window.picture(|picture, now| picture.not_before = picture.not_before.max(now + wait + MARGIN));
    }

    fn close(&mut self, status: Option<Status>) {
        if !self.open {
            return;
        }
        self.open = false;
        let sent_at = self.sent_at;
        self.window.picture(|picture, now| {
            picture.under_way = picture.under_way.saturating_sub(1);
            match (status, &mut picture.told) {
                (Some(status), _) => {
                    picture.answers += 1;
                    picture.answered_in += now.saturating_sub(sent_at);
                    picture.learn(status, (sent_at, now));
                }
                (None, Some(told)) => told.asking = false,
                (None, None) => {}
            }
        });
        self.window.answered.notify_waiters();
    }
}

/// A request without an answer is under way no longer; whether it counted, the next answer tells.
impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.close(None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::paused::Paused;

    const QUOTA: u64 = 150;
    const WINDOW: Duration = Duration::from_secs(30);

    /// The platform's side.
    #[derive(Default)]
    struct Platform {
        /// A window begins with its first request, not when the one before it ends.
        floats: bool,
        began: Duration,
        used: u64,
        ours: u64,
        refused: u64,
        /// Of others, refused.
        hurt: u64,
    }

    impl Platform {
        fn serve(&mut self, now: Duration, ours: bool) -> (bool, Status) {
            if self.floats && now >= self.began + WINDOW {
                (self.began, self.used) = (now, 0);
            }
            while now >= self.began + WINDOW {
                (self.began, self.used) = (self.began + WINDOW, 0);
            }
            let fits = self.used < QUOTA;
            self.used += u64::from(fits);
            self.ours += u64::from(fits && ours);
            self.refused += u64::from(!fits && ours);
            self.hurt += u64::from(!fits && !ours);
            let ends = self.began + WINDOW;
            (fits, Status { quota: QUOTA, left: QUOTA - self.used, window: WINDOW, ends_in: ends - now })
        }
    }

    /// Ten minutes with so many requests side by side, answers that take between half and one and a half of a time, and
    /// others who send so many in each window, spread over it.
    async fn run(lanes: u64, latency: Duration, others: u32, floats: bool) -> Platform {
        let clock: Arc<dyn Clock> = Arc::new(Paused::new());
        let window = Window::new(Arc::clone(&clock));
        let platform = Mutex::new(Platform { floats, ..Platform::default() });
        let end = WINDOW * 20;
        let lane = |number: u64| {
            let (clock, window, platform) = (&clock, &window, &platform);
            async move {
                let mut turn = number;
                while clock.monotonic() < end {
                    let permit = window.enter().await;
                    turn = (turn * 7 + 3) % 1_000;
                    clock
                        .sleep(
                            latency.mul_f64(0.25 + 0.5 * f64::from(u32::try_from(turn % 5).unwrap()) / 4.0),
                        )
                        .await;
                    let (fits, status) = platform.lock().unwrap().serve(clock.monotonic(), true);
                    clock.sleep(latency / 2).await;
                    let status = Status { ends_in: status.ends_in.saturating_sub(latency / 2), ..status };
                    if fits {
                        permit.answered(Some(status));
                    } else {
                        permit.refused(Some(status), status.ends_in);
                    }
                }
            }
        };
        let theirs = async {
            while others > 0 && clock.monotonic() < end {
                clock.sleep(WINDOW / others).await;
                platform.lock().unwrap().serve(clock.monotonic(), false);
            }
        };
        futures::future::join(futures::future::join_all((0..lanes).map(lane)), theirs).await;
        platform.into_inner().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn nine_tenths_of_the_quota_are_used_and_nothing_is_refused() {
        for (lanes, millis, floats) in
            [(1, 100, false), (4, 100, true), (16, 300, false), (16, 300, true), (32, 2_000, true)]
        {
            let platform = run(lanes, Duration::from_millis(millis), 0, floats).await;
            assert!(
                platform.ours >= 20 * QUOTA * 9 / 10,
                "{lanes} lanes: {} of {}",
                platform.ours,
                20 * QUOTA
            );
            assert_eq!(platform.refused, 0, "{lanes} lanes");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_others_use_is_left_to_them() {
        for others in [5, 20, 60] {
            let platform = run(8, Duration::from_millis(200), others, false).await;
            // Before it was seen how many they send, in the first three windows, they may be short.
            let hurt_max = u64::from(others) * 3;
            assert!(platform.hurt <= hurt_max, "{others}: {} refused", platform.hurt);
            let ours = 20 * (QUOTA - u64::from(others) * 2).min(QUOTA * 9 / 10) / 2;
            assert!(platform.ours > ours, "{others}: {} of ours", platform.ours);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_that_the_platform_asked_for_is_kept_by_all() {
        let clock: Arc<dyn Clock> = Arc::new(Paused::new());
        let window = Window::new(Arc::clone(&clock));
        window.enter().await.refused(None, Duration::from_secs(7));
        window.enter().await.answered(None);
        assert!(clock.monotonic() >= Duration::from_secs(7));
        assert_eq!((window.sent(), window.pace().budget), (2, None));
    }
}
