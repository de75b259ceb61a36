//! Whether a process lives that was started: it is asked now and then, says so, and is killed where it does not.
//!
//! It has so many beats to answer, counted while whoever asks is awake and listens. No clock says how late it is: a machine that
//! slept, or a supervisor that stood still, has heard nobody for long, and nobody is dead for that.

use std::io;
use std::os::fd::OwnedFd;
use std::process::Child;
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::control::Control;
use super::messages::{FromProcess, ToProcess};

/// Whoever says nothing for so long is asked.
const BEAT: Duration = Duration::from_secs(2);
/// So many more of these they may take to answer. All of them are much less than the minute after which a caller gives up
/// whoever is silent.
const SILENT_MAX: u32 = 10;

/// How long a beat is. A build for tests may be told another time, in milliseconds.
fn beat() -> Duration {
    #[cfg(debug_assertions)]
    if let Some(milliseconds) =
        std::env::var("CARETAKER_TEST_BEAT_MILLISECONDS").ok().and_then(|text| text.parse().ok())
    {
        return Duration::from_millis(milliseconds);
    }
    BEAT
}

/// A process that was started. Its number may be another's once somebody has waited for it; this never is.
#[derive(Debug)]
pub(super) struct Life(OwnedFd);

impl Life {
    /// `None` where the kernel has nothing to tell it by: that of Linux before 5.3.
    pub(super) fn of(child: &Child) -> Option<Arc<Self>> {
        let opened = pidfd_open(Pid::from_child(child), PidfdFlags::empty());
        opened.ok().map(|process| Arc::new(Self(process)))
    }

    /// Also one that was stopped.
    pub(super) fn kill(&self) {
        // One that has ended is no more to be killed.
        let _ = pidfd_send_signal(&self.0, Signal::KILL);
    }

    /// Waits until it has ended, and kills it when it has had as long for that as it has to answer. Answers whether it is
    /// gone: the kernel may be in the middle of something for it, on a disk that does not answer.
    pub(super) fn end(&self) -> bool {
        self.is_gone_in_time() || {
            self.kill();
            self.is_gone_in_time()
        }
    }

    fn is_gone_in_time(&self) -> bool {
        let beat = Timespec::try_from(beat()).ok();
        let mut beats = 0;
        while beats < SILENT_MAX {
            match poll(&mut [PollFd::new(&self.0, PollFlags::IN)], beat.as_ref()) {
                Ok(0) => beats += 1,
                Err(rustix::io::Errno::INTR) => {}
                _ => return true,
            }
        }
        false
    }
}

/// What somebody says at the other end of a control socket.
pub(super) struct Line {
    control: Arc<Control>,
    watched: Option<Watched>,
}

/// Who is at the other end, where that is a process that must say something.
struct Watched {
    life: Arc<Life>,
    /// For so many beats it has said nothing.
    silent: u32,
    /// Tells that it is killed, before it is.
    tell: Option<Box<dyn FnOnce(Duration) + Send>>,
}

impl Line {
    /// Of somebody who speaks when they have something to say.
    pub(super) fn of(control: &Arc<Control>) -> Self {
        Self { control: Arc::clone(control), watched: None }
    }

    /// Of a process that is killed once it says nothing. Before that it is told for how long it did not.
    pub(super) fn watched(
        control: &Arc<Control>,
        life: &Arc<Life>,
        tell: impl FnOnce(Duration) + Send + 'static,
    ) -> io::Result<Self> {
        control.wait_at_most(beat())?;
        let watched = Watched { life: Arc::clone(life), silent: 0, tell: Some(Box::new(tell)) };
        Ok(Self { control: Arc::clone(control), watched: Some(watched) })
    }

    /// The socket itself.
    pub(super) fn control(&self) -> &Arc<Control> {
        &self.control
    }

    /// Waits for what is said. `None` once the other end is gone.
    pub(super) fn receive(&mut self) -> io::Result<Option<(FromProcess, Option<OwnedFd>)>> {
        loop {
            match (self.control.receive(), &mut self.watched) {
                (Err(error), Some(watched)) if error.kind() == io::ErrorKind::WouldBlock => {
                    watched.beat(&self.control);
                }
                (Ok(Some((FromProcess::Lives, _))), Some(watched)) => watched.silent = 0,
                (heard, watched) => {
                    if let Some(watched) = watched {
                        watched.silent = 0;
                    }
                    return heard;
                }
            }
        }
    }
}

impl Watched {
    /// Nothing was said for one more beat.
    fn beat(&mut self, control: &Control) {
        // Once: what is not answered lies there until it is.
        if self.silent == 0 {
            let _ = control.send_if_room(&ToProcess::<()>::Beat);
        }
        self.silent += 1;
        if self.silent > SILENT_MAX
            && let Some(tell) = self.tell.take()
        {
            tell(beat() * self.silent);
            // From here on it is handed nothing more: whoever asks for it again waits for the next one.
            control.end();
            self.life.kill();
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn the_time_to_answer_is_well_below_that_after_which_callers_give_up() {
        assert!(BEAT * (SILENT_MAX + 1) < transport::SILENCE_MAX / 2);
    }
}
