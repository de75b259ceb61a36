//! Calls that tell how they go on. What is told goes in frames: a tag, the length of a payload (32 bits, big-endian), the
//! payload. The answer, or the refusal, is the last of them; where it does not come, whoever answers has died.

use std::convert::Infallible;
use std::fmt;
use std::marker::PhantomData;
use std::mem;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use domain::Clock;
use futures::future::{Either, select};
use futures::{FutureExt as _, StreamExt as _, stream};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, StreamBody};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;
use zeroize::Zeroizing;

use crate::call::{Call, json, wiped};

/// No frame's payload is longer, in bytes.
pub const FRAME_LEN_MAX: usize = 1 << 20;
/// No answer of a call that tells how it goes on is longer, in bytes.
pub const ANSWER_LEN_MAX: usize = 256 << 20;
/// Whoever answers is ahead of whoever listens by so many things told at most, and by what is on its way.
const QUEUE_LEN: usize = 16;
/// So often at least something is told, if only that it goes on.
const STILL_THERE_EVERY: Duration = Duration::from_secs(10);
/// A tag and a length.
const HEAD_LEN: usize = 5;
/// Frames that go together are sent in one piece where they are no longer, in bytes.
const PIECE_LEN_MAX: usize = 16 * 1024;
/// And in one that is no shorter. What makes HTTP/2 (h2) takes many that are, and that nobody has read yet, for an attack, and
/// ends the connection: with it every call.
const PIECE_LEN_MIN: usize = 256;

/// A call that goes on for a while, and tells so. It is made with [`Channel::follow`](crate::Channel::follow), and answered
/// with [`Routes::telling`](crate::Routes::telling).
pub trait Telling: Call {
    /// What is told before the answer: no longer than [`FRAME_LEN_MAX`] as JSON.
    type Told: Serialize + DeserializeOwned + Send + 'static;
}

/// What whoever answers tells before its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame<T> {
    /// How it goes on.
    Told(T),
    /// Bytes that belong to what was told before, whose meaning is the call's. There are several of these where it was more
    /// than one frame holds.
    Bytes(Bytes),
}

/// Nobody listens any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("nobody listens any more")]
pub struct Gone;

/// The way to tell whoever has called. What cannot be told, because it is too long or no JSON, ends the call: whoever called
/// does not understand it then.
pub struct Teller<T> {
    queue: mpsc::Sender<Queued>,
    told: PhantomData<fn(&T)>,
}

/// Frames that go together, as the pieces that they are sent in.
pub(crate) enum Queued {
    Told(Vec<Bytes>),
    /// Nothing comes after it. Without a frame that ends a call it is one that broke.
    End(Vec<Bytes>),
}

impl<T> Clone for Teller<T> {
    fn clone(&self) -> Self {
        Self { queue: self.queue.clone(), told: PhantomData }
    }
}

impl<T> fmt::Debug for Teller<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Teller").finish_non_exhaustive()
    }
}

impl<T: Serialize> Teller<T> {
    /// Tells it. Waits while the other end is behind.
    ///
    /// # Errors
    /// [`Gone`] once nobody listens any more.
    pub async fn tell(&self, told: &T) -> Result<(), Gone> {
        self.queue(queued(told, None)).await
    }

    /// Tells it, and bytes that belong to it, with nothing of another clone in between. Waits while the other end is behind.
    ///
    /// # Errors
    /// [`Gone`] once nobody listens any more.
    pub async fn tell_with(&self, told: &T, bytes: Bytes) -> Result<(), Gone> {
        self.queue(queued(told, Some(bytes))).await
    }

    /// Tells it if there is room, else leaves it out: for progress. Needs no runtime.
    pub fn tell_if_room(&self, told: &T) {
        if let Ok(room) = self.queue.try_reserve() {
            room.send(queued(told, None));
        }
    }

    /// Ends once nobody listens any more: whoever called is gone, or has dropped the call.
    pub async fn gone(&self) {
        self.queue.closed().await;
    }

    async fn queue(&self, queued: Queued) -> Result<(), Gone> {
        let ends = matches!(queued, Queued::End(_));
        let sent = self.queue.send(queued).await;
        if ends || sent.is_err() { Err(Gone) } else { Ok(()) }
    }
}

/// A teller whom nobody hears, for what is done though nobody has called: until the second is dropped it is as if somebody
/// listened who has nothing to say.
#[must_use]
pub fn unheard<T>() -> (Teller<T>, Unheard) {
    let (queue, told) = mpsc::channel(QUEUE_LEN);
    (Teller { queue, told: PhantomData }, Unheard { _told: told })
}

/// What keeps such a teller from hearing that nobody is there.
pub struct Unheard {
    _told: mpsc::Receiver<Queued>,
}

/// Has a call answered in a task of its own, which ends with it or with whoever listens. What it tells is to be made a
/// [`body`].
pub(crate) fn answered<C: Telling, F>(
    answer: impl FnOnce(Teller<C::Told>) -> F + Send + 'static,
) -> mpsc::Receiver<Queued>
where
    F: Future<Output = Result<C::Answer, C::Refusal>> + Send + 'static,
{
    let (queue, told) = mpsc::channel(QUEUE_LEN);
    tokio::spawn(async move {
        let teller = Teller { queue: queue.clone(), told: PhantomData };
        let answered = async {
            // Others may have a teller still, so that a panic alone does not end what is told.
            let ended = match AssertUnwindSafe(async { answer(teller).await }).catch_unwind().await {
                Ok(Ok(done)) => end(tag::DONE, &done),
                Ok(Err(refusal)) => end(tag::REFUSED, &refusal),
                Err(_) => Queued::End(Vec::new()),
            };
            // It is not heard where nobody listens.
            let _ = queue.send(ended).await;
        };
        select(pin!(answered), pin!(queue.closed())).await;
    });
    told
}

/// What answers a request.
pub(crate) type Body = UnsyncBoxBody<Bytes, Infallible>;

/// What is told, to its end. Whoever drops it does not listen any more.
pub(crate) fn body(told: mpsc::Receiver<Queued>, clock: Arc<dyn Clock>) -> Body {
    let told = stream::unfold(Some(told), move |told| {
        let clock = Arc::clone(&clock);
        async move {
            let mut told = told?;
            let next = match select(pin!(told.recv()), clock.sleep(STILL_THERE_EVERY)).await {
                Either::Left((next, _)) => next?,
                Either::Right(_) => Queued::Told(written(&[])),
            };
            Some(match next {
                Queued::Told(pieces) => (pieces, Some(told)),
                Queued::End(pieces) => (pieces, None),
            })
        }
    });
    let pieces = told.flat_map(stream::iter).map(|piece| Ok(hyper::body::Frame::data(piece)));
    StreamBody::new(pieces).boxed_unsync()
}

/// What a frame is.
mod tag {
    /// What is told: JSON.
    pub(super) const TOLD: u8 = 1;
    /// Bytes that belong to what was told before them.
    pub(super) const BYTES: u8 = 2;
    /// The beginning of one of those that end a call, which is longer than one frame. Nothing but the rest of it follows.
    pub(super) const PART: u8 = 3;
    /// The end, with the answer: JSON.
    pub(super) const DONE: u8 = 4;
    /// The end, with a refusal: JSON.
    pub(super) const REFUSED: u8 = 5;
    /// The end, for whoever answers cannot say what it wants to say: why, as text.
    pub(super) const UNSAID: u8 = 6;
    /// Nothing, but that it goes on. What is in it means nothing either.
    pub(super) const STILL_THERE: u8 = 7;
}

fn head(tag: u8, len: usize) -> [u8; HEAD_LEN] {
    // INVARIANT (frame length): whoever makes frames keeps to `FRAME_LEN_MAX`. The other end would refuse this one.
    let [a, b, c, d] = u32::try_from(len).unwrap_or(u32::MAX).to_be_bytes();
    [tag, a, b, c, d]
}

/// Frames that go together, as the pieces that they are sent in. None are written as that it goes on.
fn written(frames: &[(u8, Bytes)]) -> Vec<Bytes> {
    let len = frames.iter().map(|(_, payload)| HEAD_LEN + payload.len()).sum::<usize>();
    if len > PIECE_LEN_MAX {
        let pieces = frames
            .iter()
            .flat_map(|(tag, payload)| [Bytes::from_owner(head(*tag, payload.len())), payload.clone()]);
        // Pieces of no length are an attack too.
        return pieces.filter(|piece| !piece.is_empty()).collect();
    }
    let mut piece = Zeroizing::new(Vec::with_capacity(len + PIECE_LEN_MIN));
    for (tag, payload) in frames {
        piece.extend_from_slice(&head(*tag, payload.len()));
        piece.extend_from_slice(payload);
    }
    if len < PIECE_LEN_MIN {
        let fill = PIECE_LEN_MIN.saturating_sub(len + HEAD_LEN);
        piece.extend_from_slice(&head(tag::STILL_THERE, fill));
        piece.resize(len + HEAD_LEN + fill, 0);
    }
    vec![wiped(piece)]
}

/// Bytes in as many frames as they need, and one at least: all of one tag but the last.
fn cut(mut bytes: Bytes, tag: u8, last: u8) -> Vec<(u8, Bytes)> {
    let mut frames = Vec::new();
    while bytes.len() > FRAME_LEN_MAX {
        frames.push((tag, bytes.split_to(FRAME_LEN_MAX)));
    }
    frames.push((last, bytes));
    frames
}

fn queued(told: &impl Serialize, bytes: Option<Bytes>) -> Queued {
    match json(told) {
        Ok(told) if told.len() <= FRAME_LEN_MAX => {
            let mut frames = vec![(tag::TOLD, told)];
            frames.extend(bytes.into_iter().flat_map(|bytes| cut(bytes, tag::BYTES, tag::BYTES)));
            Queued::Told(written(&frames))
        }
        Ok(told) => unsaid(&format!("what is to be told has {} bytes", told.len())),
        Err(error) => unsaid(&error),
    }
}

fn end(tag: u8, answer: &impl Serialize) -> Queued {
    match json(answer) {
        Ok(answer) if answer.len() <= ANSWER_LEN_MAX => Queued::End(written(&cut(answer, tag::PART, tag))),
        Ok(answer) => unsaid(&format!("what is to be answered has {} bytes", answer.len())),
        Err(error) => unsaid(&error),
    }
}

fn unsaid(why: &dyn fmt::Display) -> Queued {
    Queued::End(written(&cut(why.to_string().into(), tag::PART, tag::UNSAID)))
}

/// What was received makes no sense.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Garbled {
    #[error("a frame has {0} bytes")]
    FrameTooLong(usize),
    #[error("an answer has more than {ANSWER_LEN_MAX} bytes")]
    AnswerTooLong,
    #[error("a frame of kind {0} has no place there")]
    Misplaced(u8),
}

/// What whoever answers says, as bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Said {
    Told(Bytes),
    Bytes(Bytes),
    Done(Bytes),
    Refused(Bytes),
    Unsaid(String),
}

/// Takes in what whoever answers says, cut anywhere.
#[derive(Default)]
pub(crate) struct Listener {
    /// What makes no frame yet: shorter than one.
    rest: BytesMut,
    /// What came of the answer.
    parts: Vec<u8>,
    /// Whether something was told just before, and perhaps bytes with it.
    told: bool,
}

impl Listener {
    /// Takes in more. All that it makes whole is to be asked for before there is more still.
    pub(crate) fn take(&mut self, bytes: &[u8]) {
        self.rest.extend_from_slice(bytes);
    }

    /// What was said next, if the whole of it is there.
    pub(crate) fn next(&mut self) -> Result<Option<Said>, Garbled> {
        while let Some((tag, payload)) = self.frame()? {
            let told = mem::replace(&mut self.told, matches!(tag, tag::TOLD | tag::BYTES));
            match tag {
                tag::TOLD if self.parts.is_empty() => return Ok(Some(Said::Told(payload))),
                tag::BYTES if told => return Ok(Some(Said::Bytes(payload))),
                tag::PART => self.part(&payload)?,
                tag::DONE => return Ok(Some(Said::Done(self.whole(&payload)?))),
                tag::REFUSED => return Ok(Some(Said::Refused(self.whole(&payload)?))),
                tag::UNSAID => {
                    let why = self.whole(&payload)?;
                    return Ok(Some(Said::Unsaid(String::from_utf8_lossy(&why).into_owned())));
                }
                tag::STILL_THERE if self.parts.is_empty() => {}
                other => return Err(Garbled::Misplaced(other)),
            }
        }
        Ok(None)
    }

    /// Fails where more is kept than may be.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn is_bounded(&self) {
        assert!(self.rest.len() < HEAD_LEN + FRAME_LEN_MAX);
        assert!(self.rest.capacity() <= 4 * FRAME_LEN_MAX, "{}", self.rest.capacity());
        assert!(self.parts.len() <= ANSWER_LEN_MAX);
    }

    fn frame(&mut self) -> Result<Option<(u8, Bytes)>, Garbled> {
        let Some(&[tag, a, b, c, d]) = self.rest.first_chunk::<HEAD_LEN>() else { return Ok(None) };
        let len = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
        if len > FRAME_LEN_MAX {
            return Err(Garbled::FrameTooLong(len));
        }
        let missing = (HEAD_LEN + len).saturating_sub(self.rest.len());
        if missing > 0 {
            self.rest.reserve(missing);
            return Ok(None);
        }
        self.rest.advance(HEAD_LEN);
        Ok(Some((tag, self.rest.split_to(len).freeze())))
    }

    fn part(&mut self, part: &[u8]) -> Result<(), Garbled> {
        if self.parts.len() + part.len() > ANSWER_LEN_MAX {
            return Err(Garbled::AnswerTooLong);
        }
        self.parts.extend_from_slice(part);
        Ok(())
    }

    fn whole(&mut self, last: &[u8]) -> Result<Bytes, Garbled> {
        self.part(last)?;
        Ok(mem::take(&mut self.parts).into())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::fuzzing::heard;

    fn bytes(queued: Queued) -> Vec<u8> {
        let (Queued::Told(pieces) | Queued::End(pieces)) = queued;
        pieces.concat()
    }

    fn frame(tag: u8, payload: &[u8]) -> Vec<u8> {
        [&head(tag, payload.len()), payload].concat()
    }

    /// What calls say that end well, that are refused, and that break.
    pub(crate) fn said() -> Vec<Vec<u8>> {
        let told = [bytes(queued(&1, None)), bytes(queued(&2, Some(Bytes::from_static(b"bytes"))))].concat();
        let ends =
            [end(tag::DONE, &"done"), end(tag::REFUSED, &"refused"), end(tag::DONE, &"x".repeat(3000))];
        let ended = ends.into_iter().map(|end| [told.clone(), bytes(end)].concat());
        let parts =
            [frame(tag::PART, b"\"in "), frame(tag::PART, b"parts"), frame(tag::DONE, b"\"")].concat();
        ended.chain([parts, told.clone(), frame(tag::UNSAID, b"too long")]).collect()
    }

    /// Numbers that are the same each time (Marsaglia's xorshift64).
    fn numbers(mut state: u64) -> impl FnMut(usize) -> usize {
        move |below| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            usize::try_from(state % u64::try_from(below).unwrap()).unwrap()
        }
    }

    #[test]
    fn what_is_said_is_heard_wherever_it_is_cut() {
        let long = "x".repeat(2 * FRAME_LEN_MAX + 7);
        let said = [
            bytes(queued(&1, None)),
            written(&[]).concat(),
            bytes(queued(&2, Some(Bytes::from_static(b"\x07\0\0")))),
            bytes(queued(&3, Some(Bytes::new()))),
            bytes(queued(&4, Some(vec![5; FRAME_LEN_MAX + 1].into()))),
            bytes(end(tag::DONE, &long)),
        ]
        .concat();
        let told = |number: &'static str| Said::Told(Bytes::from_static(number.as_bytes()));
        for piece in [1, 4, 5, 6, 1000, 16 * 1024, FRAME_LEN_MAX, said.len()] {
            let heard = if piece == said.len() {
                // In one piece it is more than a listener ever has.
                let mut listener = Listener::default();
                listener.take(&said);
                std::iter::from_fn(|| listener.next().unwrap()).collect()
            } else {
                heard(&said, piece).unwrap()
            };
            let expected = [
                told("1"),
                told("2"),
                Said::Bytes(Bytes::from_static(b"\x07\0\0")),
                told("3"),
                Said::Bytes(Bytes::new()),
                told("4"),
                Said::Bytes(vec![5; FRAME_LEN_MAX].into()),
                Said::Bytes(vec![5].into()),
                Said::Done(serde_json::to_vec(&long).unwrap().into()),
            ];
            assert!(heard == expected, "in pieces of {piece}");
        }
    }

    #[test]
    fn no_piece_is_short_that_goes_alone() {
        let check = |frames: &[(u8, Bytes)], expected: &[usize]| {
            let pieces: Vec<_> = written(frames).iter().map(Bytes::len).collect();
            assert_eq!(pieces, expected);
        };
        let payload = |len: usize| Bytes::from(vec![b' '; len]);
        check(&[], &[256]);
        check(&[(tag::TOLD, payload(7))], &[256]);
        check(&[(tag::TOLD, payload(245))], &[256]);
        check(&[(tag::TOLD, payload(250))], &[260]);
        check(&[(tag::TOLD, payload(251))], &[256]);
        check(&[(tag::TOLD, payload(9)), (tag::BYTES, payload(300))], &[319]);
        check(&[(tag::TOLD, payload(9)), (tag::BYTES, payload(16365))], &[16384]);
        check(&[(tag::TOLD, payload(9)), (tag::BYTES, payload(16366))], &[5, 9, 5, 16366]);
        check(&[(tag::TOLD, payload(20_000)), (tag::BYTES, payload(0))], &[5, 20_000, 5]);
    }

    #[test]
    fn what_cannot_be_said_is_said_so() {
        let check = |queued: Queued, expected: &str| {
            assert!(matches!(&queued, Queued::End(_)));
            let heard = heard(&bytes(queued), 1024).unwrap();
            assert!(matches!(&heard[..], [Said::Unsaid(why)] if why.contains(expected)), "{heard:?}");
        };
        check(queued(&"x".repeat(FRAME_LEN_MAX - 1), None), "1048577 bytes");
        let no_json = std::collections::BTreeMap::from([(vec![1], 1)]);
        check(queued(&no_json, None), "key must be a string");
        check(end(tag::REFUSED, &no_json), "key must be a string");
        // The longest that can be.
        assert!(matches!(queued(&"x".repeat(FRAME_LEN_MAX - 2), None), Queued::Told(_)));
    }

    #[test]
    fn what_has_no_place_or_is_too_long_is_garbled() {
        let check = |said: &[Vec<u8>], expected: Garbled| {
            assert_eq!(heard(&said.concat(), 3), Err(expected));
        };
        check(&[frame(0, b"")], Garbled::Misplaced(0));
        check(&[frame(8, b"text")], Garbled::Misplaced(8));
        check(&[frame(tag::BYTES, b"x")], Garbled::Misplaced(tag::BYTES));
        let told = frame(tag::TOLD, b"1");
        let still = frame(tag::STILL_THERE, b"");
        check(&[told.clone(), still.clone(), frame(tag::BYTES, b"x")], Garbled::Misplaced(tag::BYTES));
        let part = frame(tag::PART, b"\"");
        check(&[part.clone(), told], Garbled::Misplaced(tag::TOLD));
        check(&[part, still], Garbled::Misplaced(tag::STILL_THERE));
        let too_long = [&[tag::TOLD][..], &u32::try_from(FRAME_LEN_MAX + 1).unwrap().to_be_bytes()].concat();
        check(&[too_long], Garbled::FrameTooLong(FRAME_LEN_MAX + 1));
    }

    #[test]
    fn an_answer_that_never_ends_is_not_heard_to_the_end() {
        let part = frame(tag::PART, &vec![b' '; FRAME_LEN_MAX]);
        let mut listener = Listener::default();
        for _ in 0..ANSWER_LEN_MAX / FRAME_LEN_MAX {
            listener.take(&part);
            assert_eq!(listener.next(), Ok(None));
        }
        listener.take(&frame(tag::DONE, b"1"));
        assert_eq!(listener.next(), Err(Garbled::AnswerTooLong));
    }

    #[test]
    fn any_bytes_are_heard_or_garbled_and_little_of_them_is_kept() {
        for seed in 1..3000 {
            let mut number = numbers(seed);
            let mut said = Vec::new();
            // Frames, of which some are none: with another tag, another length, or cut short.
            for _ in 0..number(12) {
                let len = [0, 1, 3, 40, 3000][number(5)];
                let payload: Vec<u8> = (0..len).map(|_| u8::try_from(number(256)).unwrap()).collect();
                let mut frame = frame(u8::try_from(number(9)).unwrap(), &payload);
                for _ in 0..number(20).saturating_sub(17) {
                    let at = number(frame.len());
                    frame[at] = u8::try_from(number(256)).unwrap();
                }
                frame.truncate(frame.len() - number(30).saturating_sub(28));
                said.extend(frame);
            }
            let whole = heard(&said, said.len().max(1));
            let cut = heard(&said, 1 + number(64));
            assert_eq!(whole, cut, "seed {seed}: it is heard otherwise where it is cut otherwise");
        }
    }
}
