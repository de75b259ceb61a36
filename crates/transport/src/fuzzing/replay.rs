//! The entry points on the corpus of `fuzz/`, and on seeded mutations of it.
#![allow(clippy::unwrap_used, reason = "tests")]

use corpus::{Target, replay};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use domain::{KeyError, SigningKey};

use super::{BINDING, call_frames, host_asked};
use crate::hosts;
use crate::telling::tests::said;

struct Host(Ed25519KeyPair);

impl SigningKey for Host {
    fn public(&self) -> [u8; 32] {
        self.0.public_key().as_ref().try_into().unwrap()
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], KeyError> {
        Ok(self.0.sign(message).as_ref().try_into().unwrap())
    }
}

fn said_by_hosts() -> Vec<Vec<u8>> {
    hosts::said(&Host(Ed25519KeyPair::from_seed_unchecked(&[3; 32]).unwrap()), &BINDING)
}

#[test]
fn whoever_has_no_certificate_is_asked_for_with_a_signature_or_not_at_all() {
    replay(&[Target { name: "host_asked", run: host_asked, seeds: said_by_hosts, mutations: 2_000 }])
        .unwrap();
}

#[test]
fn whatever_is_said_is_heard_or_garbled() {
    replay(&[Target { name: "call_frames", run: call_frames, seeds: said, mutations: 2_000 }]).unwrap();
}
