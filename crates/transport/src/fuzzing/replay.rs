//! The entry points on the corpus of `fuzz/`, and on seeded mutations of it.

use corpus::{Target, replay};

use super::call_frames;
use crate::telling::tests::said;

#[test]
fn whatever_is_said_is_heard_or_garbled() {
    replay(&[Target { name: "call_frames", run: call_frames, seeds: said, mutations: 2_000 }]).unwrap();
}
