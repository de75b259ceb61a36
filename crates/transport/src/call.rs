//! Calls and their answers: `POST /NAME` with JSON, over HTTP/2. Some are answered with frames, which tell how they go on. A
//! table of routes says who may make which call.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use domain::{Role, RoleName, ServiceId};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;
use zeroize::Zeroizing;

use crate::telling::{self, Queued};

pub use crate::telling::{ANSWER_LEN_MAX, FRAME_LEN_MAX, Frame, Gone, Teller, Telling, Unheard, unheard};

/// No call and no answer is longer, in bytes.
pub(crate) const BODY_LEN_MAX: usize = 4 << 20;

/// Something that one process asks of another.
pub trait Call: Serialize + DeserializeOwned + Send + 'static {
    /// Its name, which is its path: `data_key.open`.
    const NAME: &'static str;
    /// Who may make it.
    const CALLERS: &'static [RoleName];
    /// What is answered.
    type Answer: Serialize + DeserializeOwned + Send + 'static;
    /// Why it is not.
    type Refusal: Serialize + DeserializeOwned + Send + 'static;
}

/// Why there is no answer, not even a refusal by whoever was called.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// It cannot be connected to, or the connection broke. Whether the call was heard is not known.
    #[error("the {to} cannot be reached: {why}")]
    Unreachable {
        /// Who was called.
        to: Role,
        /// What was in the way.
        why: String,
    },
    /// One of the two does not let the other connect, or make that call.
    #[error("the {to} and this process do not speak to each other: {why}")]
    Refused {
        /// Who was called.
        to: Role,
        /// Why not.
        why: String,
    },
    /// What was sent or answered is not understood: two versions of the program, perhaps.
    #[error("the {to} is not understood: {why}")]
    Misunderstood {
        /// Who was called.
        to: Role,
        /// What is wrong.
        why: String,
    },
}

/// How a call was answered, as bytes.
pub(crate) enum Answered {
    /// With frames, of which the last is the answer or the refusal.
    Telling(mpsc::Receiver<Queued>),
    /// With its answer.
    Done(Bytes),
    /// With a refusal of its own.
    Refused(Bytes),
    /// Not at all: nobody of that role may make it.
    NotTheirs,
    /// Not at all: there is no such call.
    Unknown,
    /// Not at all: it cannot be read.
    Unreadable(String),
}

impl Answered {
    /// The same in a word, for the log.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Telling(_) => "begun",
            Self::Done(_) => "done",
            Self::Refused(_) => "refused",
            Self::NotTheirs => "not for its role",
            Self::Unknown => "there is none",
            Self::Unreadable(_) => "cannot be read",
        }
    }
}

type Answer = Box<dyn Fn(ServiceId, &[u8]) -> BoxFuture<'static, Answered> + Send + Sync>;

struct Route {
    callers: &'static [RoleName],
    answer: Answer,
}

/// All calls that a process answers.
#[derive(Default)]
pub struct Routes(BTreeMap<&'static str, Route>);

impl std::fmt::Debug for Routes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.keys()).finish()
    }
}

/// A value as JSON. What it is written into is wiped once it was sent: answers hold keys.
pub(crate) fn json(value: &impl Serialize) -> Result<Bytes, serde_json::Error> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(1024));
    serde_json::to_writer(&mut *bytes, value)?;
    Ok(wiped(bytes))
}

/// Bytes that are wiped once nobody has them any more.
pub(crate) fn wiped(bytes: Zeroizing<Vec<u8>>) -> Bytes {
    Bytes::from_owner(Wiped(bytes))
}

struct Wiped(Zeroizing<Vec<u8>>);

impl AsRef<[u8]> for Wiped {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// A call as it is sent.
pub(crate) fn sent<C: Call>(call: &C) -> Result<Bytes, serde_json::Error> {
    json(call)
}

impl Routes {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Answers one more call. The function is told who calls.
    #[must_use]
    pub fn answering<C, F, A>(self, answer: A) -> Self
    where
        C: Call,
        A: Fn(ServiceId, C) -> F + Send + Sync + 'static,
        F: Future<Output = Result<C::Answer, C::Refusal>> + Send + 'static,
    {
        let answer = Arc::new(answer);
        self.reading(move |peer, call: C| {
            let answer = Arc::clone(&answer);
            async move {
                let written = match answer(peer, call).await {
                    Ok(done) => json(&done).map(Answered::Done),
                    Err(refusal) => json(&refusal).map(Answered::Refused),
                };
                written.unwrap_or_else(|error| Answered::Unreadable(error.to_string()))
            }
            .boxed()
        })
    }

    /// Answers one more call, which tells how it goes on. The function is told who calls, and what it answers with is dropped
    /// where it is not listened to any more.
    #[must_use]
    pub fn telling<C, F, A>(self, answer: A) -> Self
    where
        C: Telling,
        A: Fn(ServiceId, C, Teller<C::Told>) -> F + Send + Sync + 'static,
        F: Future<Output = Result<C::Answer, C::Refusal>> + Send + 'static,
    {
        let answer = Arc::new(answer);
        self.reading(move |peer, call: C| {
            let answer = Arc::clone(&answer);
            let told = telling::answered::<C, _>(move |teller| answer(peer, call, teller));
            std::future::ready(Answered::Telling(told)).boxed()
        })
    }

    fn reading<C: Call>(
        mut self,
        answer: impl Fn(ServiceId, C) -> BoxFuture<'static, Answered> + Send + Sync + 'static,
    ) -> Self {
        let answer: Answer = Box::new(move |peer, body| match serde_json::from_slice::<C>(body) {
            Err(error) => std::future::ready(Answered::Unreadable(error.to_string())).boxed(),
            Ok(call) => answer(peer, call),
        });
        self.0.insert(C::NAME, Route { callers: C::CALLERS, answer });
        self
    }

    /// Answers a call of that name.
    pub(crate) async fn answer(&self, peer: ServiceId, name: &str, body: &[u8]) -> Answered {
        match self.0.get(name) {
            None => Answered::Unknown,
            Some(route) if !route.callers.contains(&peer.role.name()) => Answered::NotTheirs,
            Some(route) => (route.answer)(peer, body).await,
        }
    }
}
