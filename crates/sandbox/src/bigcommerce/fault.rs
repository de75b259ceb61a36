//! What can go wrong with a practice BigCommerce store; where and when is read in [`crate::fault`].
//!
//! `TARGET` is a path's last words, with `*` in the place of ids, and with or without the method before it:
//! `catalog/products` means the list and not one product, which is `catalog/products/*`; `POST images` means new images
//! of any product. `files` are the bytes of images. Without a target every request to the API is meant.

pub use crate::fault::FaultError;
use crate::fault::Kinds;

/// One fault.
pub type Fault = crate::fault::Fault<FaultKind>;
/// The faults of a store, and how often each was asked.
pub(crate) type Faults = crate::fault::Faults<FaultKind>;

/// What can go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// Status 429 that says when to come back.
    TooManyRequests,
    /// Status 429 without a word on that: the store is under load.
    TooManyRequestsBare,
    /// Status 500.
    Internal,
    /// Status 502 with a page of HTML.
    BadGateway,
    /// Status 503: the store is down for maintenance.
    Unavailable,
    /// Status 200 with a page of HTML.
    Html,
    /// Half of the body, then the connection ends.
    Cut,
    /// The connection ends before an answer, after everything was done.
    Lost,
    /// Status 207: what is written lacks one field. For operations that may answer so.
    Partial,
    /// The first item of a page is deleted after the page was sent, so that what follows moves up.
    Shrink,
    /// The answer comes after [`SLOW`].
    Slow,
}

/// How long a slow answer takes.
pub(crate) const SLOW: std::time::Duration = std::time::Duration::from_secs(20);

impl Kinds for FaultKind {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("429", Self::TooManyRequests),
        ("429bare", Self::TooManyRequestsBare),
        ("500", Self::Internal),
        ("502", Self::BadGateway),
        ("503", Self::Unavailable),
        ("html", Self::Html),
        ("cut", Self::Cut),
        ("lost", Self::Lost),
        ("207", Self::Partial),
        ("shrink", Self::Shrink),
        ("slow", Self::Slow),
    ];
    const BY_NAME_ONLY: &'static [&'static str] = &["files"];
}
