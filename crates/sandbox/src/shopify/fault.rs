//! What can go wrong with a practice Shopify store; where and when is read in [`crate::fault`].
//!
//! `TARGET` is a root field such as `products` or `productSet`, or one of `token`, `result`, `cdn`, `upload`; without
//! it every GraphQL request is meant.

pub use crate::fault::FaultError;
use crate::fault::Kinds;

/// One fault.
pub type Fault = crate::fault::Fault<FaultKind>;
/// The faults of a store, and how often each was asked.
pub(crate) type Faults = crate::fault::Faults<FaultKind>;

/// What can go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// Status 429 with `Retry-After: 1`.
    TooManyRequests,
    /// Status 429 without a word on when to come back.
    TooManyRequestsBare,
    /// Status 502 with a page of HTML.
    BadGateway,
    /// Status 503 with an empty body.
    Unavailable,
    /// The connection ends before an answer, and nothing was done.
    Cut,
    /// The connection ends before an answer, after the write was done.
    LostAnswer,
    /// Half of the body, then the connection ends.
    CutBody,
    /// The answer is a `THROTTLED` error although the budget allows the request.
    Throttled,
    /// The answer is status 200 with an internal error of the platform.
    InternalError,
    /// The answer is status 200 with JSON that ends in the middle.
    MalformedJson,
    /// The bulk operation ends as `FAILED`, with part of its data.
    BulkFailed,
    /// The bulk operation ends as `FAILED` with `ACCESS_DENIED`.
    BulkDenied,
    /// The bulk operation ends as `COMPLETED`, but its file lacks the last lines and is cut inside one.
    BulkTruncated,
    /// The bulk operation stays `RUNNING` until it is cancelled.
    BulkStuck,
}

impl Kinds for FaultKind {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("429", FaultKind::TooManyRequests),
        ("429-bare", FaultKind::TooManyRequestsBare),
        ("502", FaultKind::BadGateway),
        ("503", FaultKind::Unavailable),
        ("cut", FaultKind::Cut),
        ("lost-answer", FaultKind::LostAnswer),
        ("cut-body", FaultKind::CutBody),
        ("throttled", FaultKind::Throttled),
        ("internal-error", FaultKind::InternalError),
        ("malformed-json", FaultKind::MalformedJson),
        ("bulk-failed", FaultKind::BulkFailed),
        ("bulk-denied", FaultKind::BulkDenied),
        ("bulk-truncated", FaultKind::BulkTruncated),
        ("bulk-stuck", FaultKind::BulkStuck),
    ];
    const BY_NAME_ONLY: &'static [&'static str] = &["token", "result", "cdn", "upload"];
}
