//! Time and chance from the system. Everything else in the workspace gets them through handles.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use domain::{Clock, Rng, Timestamp};
use futures::future::BoxFuture;
use rustix::rand::{GetRandomFlags, getrandom};
use zeroize::Zeroizing;

/// The system's clocks.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

#[expect(clippy::disallowed_methods, reason = "this is the handle itself")]
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the handle itself")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn monotonic(&self) -> Duration {
        START.elapsed()
    }

    #[expect(clippy::disallowed_methods, reason = "this is the handle itself")]
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// The kernel's random number generator and aws-lc's: whoever could tell what one of them gives would know nothing yet. The
/// kernel's is asked each time, since it notices where a machine that runs was copied, and goes on otherwise in the copy.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRng;

impl Rng for SystemRng {
    fn fill(&self, bytes: &mut [u8]) {
        let mut kernels = Zeroizing::new(vec![0; bytes.len()]);
        if aws_lc_rs::rand::fill(bytes).is_err() || from_kernel(&mut kernels).is_err() {
            // Without randomness every key made from here on would be known: nothing may go on.
            std::process::abort();
        }
        bytes.iter_mut().zip(&*kernels).for_each(|(byte, kernels)| *byte ^= kernels);
    }
}

fn from_kernel(mut bytes: &mut [u8]) -> rustix::io::Result<()> {
    while !bytes.is_empty() {
        match getrandom(&mut *bytes, GetRandomFlags::empty()) {
            Ok(len) => bytes = bytes.split_at_mut_checked(len).map_or(&mut [], |(_, rest)| rest),
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_goes_on_and_bytes_differ() {
        let clock = SystemClock;
        let before = clock.monotonic();
        assert!(clock.monotonic() >= before);
        assert!(clock.now() > Timestamp::UNIX_EPOCH);
        let (mut a, mut b) = ([0; 32], [0; 32]);
        SystemRng.fill(&mut a);
        SystemRng.fill(&mut b);
        assert_ne!(a, b);
        let mut long = vec![0; 100_000];
        SystemRng.fill(&mut long);
        assert!(long.chunks(64).all(|piece| piece.iter().any(|byte| *byte != 0)));
    }
}
