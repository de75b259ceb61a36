//! How the processes of a cell speak to each other.
//!
//! Every connection is mutual TLS 1.3 with short-lived certificates ([`identity`]) that name a role (a SPIFFE id). Both
//! ends look at the other's role, in the handshake: one table says who may connect to whom ([`edges`]). Over a connection go
//! calls and their answers ([`call`]), many at a time (HTTP/2): an [`Endpoint`] answers them, a [`Channel`] makes them, and a
//! call that takes long may tell how it goes on ([`Telling`]). What carries the bytes is the caller's: a pair of sockets that
//! a parent process gave to both, or a port.
//! On another host a process has no parent who could say who it is: it proves that with a key of its host ([`hosts`]).
//!
//! Nothing here knows what is called. Nobody but an [`Authority`] can make a certificate.

pub mod call;
pub mod edges;
pub mod enrol;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
pub mod hosts;
pub mod identity;

mod authority;
mod channel;
mod endpoint;
mod telling;
mod tls;

pub use authority::{Authority, AuthorityError, CERTIFICATE_TTL, subject};
pub use call::{Call, CallError, Routes};
pub use channel::{Channel, Dial, SILENCE_MAX};
pub use endpoint::{Endpoint, ServeError};
pub use identity::{ClientPem, Identities, Identity, IdentityError, Issued, NewKey, certificate_pem};
pub use telling::{ANSWER_LEN_MAX, FRAME_LEN_MAX, Frame, Gone, Teller, Telling};

use tokio::io::{AsyncRead, AsyncWrite};

/// What carries a connection's bytes.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}
