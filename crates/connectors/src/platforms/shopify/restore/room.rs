//! Room for bytes on their way back: many items are written side by side, and each may bring a video.

use tokio::sync::{Semaphore, SemaphorePermit};

/// So many bytes are held at a time, in KiB. A file that is larger is held alone.
const ROOM_KIB: u32 = 128 * 1024;

/// The room that all uploads to one store share.
#[derive(Debug)]
pub(crate) struct Room(Semaphore);

impl Default for Room {
    fn default() -> Self {
        Self(Semaphore::new(ROOM_KIB as usize))
    }
}

impl Room {
    /// Waits until so many bytes have room. They have it until what this gives is dropped. `None` only where the room was
    /// closed, which nobody does.
    pub(super) async fn take(&self, size_bytes: u64) -> Option<SemaphorePermit<'_>> {
        let kib = u32::try_from(size_bytes.div_ceil(1024)).unwrap_or(ROOM_KIB).min(ROOM_KIB);
        self.0.acquire_many(kib).await.ok()
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn what_has_no_room_waits_and_what_is_larger_than_the_room_is_alone() {
        const MIB: u64 = 1024 * 1024;
        let room = Room::default();
        let first = room.take(80 * MIB).await;
        let small = room.take(40 * MIB).await;
        assert!(room.take(20 * MIB).now_or_never().is_none());
        drop(small);
        let second = room.take(20 * MIB).now_or_never().unwrap();
        assert!(room.take(5_000 * MIB).now_or_never().is_none());
        drop((first, second));
        let huge = room.take(5_000 * MIB).now_or_never().unwrap();
        assert!(huge.is_some());
        assert!(room.take(1).now_or_never().is_none());
        drop(huge);
        assert!(room.take(0).now_or_never().is_some());
    }
}
