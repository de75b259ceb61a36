//! The public endpoint: HTTPS for whoever asks, with the certificate that proves the cell's public name.
//!
//! In reading order: what it is called ([`name`]), what `caretaker up` was given for it ([`given`]), the certificate ([`certificate`]) and
//! how the newest one is used ([`fresh`]), what is answered ([`routes`]), what is written of it ([`tally`]), and who is let in
//! ([`hall`]). All of that is the server's process. Getting certificates from an authority ([`order`], [`authority`]) is a process of its own.

mod authority;
mod certificate;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod doubles;
mod fresh;
mod given;
mod hall;
mod name;
mod order;
mod routes;
mod tally;

pub(crate) use certificate::Certificate;
pub(crate) use fresh::{ending, read_whole};
pub(crate) use given::{Acme, Certified, Given, Open, Part, folder};
pub(crate) use hall::{Hall, Hears, Hook, Setting};
pub(crate) use name::PublicUrl;
pub(crate) use order::{Orders, keep_ordering};
