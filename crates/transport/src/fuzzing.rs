//! Entry points for fuzzing: what must hold of whatever the other end of a connection says. Each answers whether the bytes were
//! accepted.
#![allow(clippy::panic, reason = "an entry point fails by panicking")]

#[cfg(test)]
mod replay;

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
