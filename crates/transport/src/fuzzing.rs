//! Entry points for fuzzing: what must hold of whatever the other end of a connection says. Each answers whether the bytes were
//! accepted.
#![allow(clippy::panic, reason = "an entry point fails by panicking")]

#[cfg(test)]
mod replay;

use std::sync::Mutex;

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use zeroize::Zeroizing;

use crate::hosts::{self, Admits};
use crate::identity::Issued;
use crate::telling::{Garbled, Listener, Said};

/// All that is heard of some bytes, which come in pieces of `piece` bytes. Little of them is kept meanwhile.
pub(crate) fn heard(bytes: &[u8], piece: usize) -> Result<Vec<Said>, Garbled> {
    let (mut listener, mut all) = (Listener::default(), Vec::new());
    for piece in bytes.chunks(piece) {
        listener.take(piece);
        while let Some(said) = listener.next()? {
            all.push(said);
        }
        listener.is_bounded();
    }
    Ok(all)
}

/// Frames of a call that tells how it goes on: the same is heard however they are cut.
pub fn call_frames(bytes: &[u8]) -> bool {
    let whole = heard(bytes, bytes.len().max(1));
    for piece in [1, 6, 4096] {
        assert_eq!(heard(bytes, piece), whole, "in pieces of {piece} bytes");
    }
    whole.is_ok_and(|said| !said.is_empty())
}

/// What both ends of a connection derive, in these tests.
pub(crate) const BINDING: [u8; 32] = [7; 32];

/// Lets everybody in, and remembers who came with which key for the process's own.
#[derive(Debug, Default)]
struct Everybody(Mutex<Vec<([u8; 32], Vec<u8>)>>);

impl Admits for Everybody {
    fn join(&self, _: Zeroizing<Vec<u8>>, _: [u8; 32]) -> BoxFuture<'_, Result<(), String>> {
        std::future::ready(Ok(())).boxed()
    }

    fn certify(&self, key: [u8; 32], public: Vec<u8>) -> BoxFuture<'_, Result<Issued, String>> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((key, public));
        std::future::ready(Err("nobody is given one here".to_owned())).boxed()
    }
}

/// What somebody says who has no certificate: a certificate is asked for only where the host's key has signed for it, over this
/// connection.
pub fn host_asked(bytes: &[u8]) -> bool {
    let everybody = Everybody::default();
    let (answered, signature) = hosts::asked(bytes, &BINDING, &everybody).now_or_never().unwrap_or_default();
    let certified = everybody.0.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    for (key, public) in &certified {
        let signed = hosts::signed(&BINDING, public);
        let holds = UnparsedPublicKey::new(&ED25519, key).verify(&signed, &signature).is_ok();
        assert!(holds, "a certificate was asked for with a signature that does not hold");
    }
    answered || !certified.is_empty()
}
