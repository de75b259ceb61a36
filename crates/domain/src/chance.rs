//! Randomness and ids, through handles.

use std::fmt;

use crate::names::Id128;

/// Where random bytes come from: the system's generator, or a seeded one in tests.
pub trait Rng: Send + Sync + fmt::Debug {
    /// Fills the whole slice.
    fn fill(&self, bytes: &mut [u8]);
}

/// Where new ids come from.
pub trait Ids: Send + Sync + fmt::Debug {
    /// An id that was never given before.
    fn next_id(&self) -> Id128;
}

/// Every source of randomness is one of ids.
impl<R: Rng + ?Sized> Ids for R {
    fn next_id(&self) -> Id128 {
        let mut bytes = [0; 16];
        self.fill(&mut bytes);
        Id128(bytes)
    }
}
