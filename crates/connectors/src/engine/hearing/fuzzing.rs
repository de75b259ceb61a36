//! What the entry points of fuzzing for both platforms' ears share.

use domain::Timestamp;

use super::{EVENT_LEN_MAX, ITEM_LEN_MAX, ITEMS_MAX, TOPIC_LEN_MAX};
use crate::contract::{Ear, Hint, KindSpec, Unheard};

/// So many headers of an input are looked at.
const HEADERS_MAX: usize = 32;

/// A message as it came.
pub(crate) struct Message<'a> {
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: &'a [u8],
}

impl<'a> Message<'a> {
    /// Headers as `name: value`, one a line, then an empty line and the body.
    pub(crate) fn read(bytes: &'a [u8]) -> Self {
        let end = bytes.windows(2).position(|two| two == b"\n\n");
        let (head, rest) = end.and_then(|end| bytes.split_at_checked(end)).unwrap_or((b"", bytes));
        let body = rest.strip_prefix(b"\n\n").filter(|_| end.is_some()).unwrap_or(rest);
        let head = String::from_utf8_lossy(head);
        let pairs = head.lines().filter_map(|line| line.split_once(": ")).take(HEADERS_MAX);
        let headers = pairs.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
        Self { headers, body }
    }

    /// The same with one header in the place of whatever had its name.
    pub(crate) fn with(mut self, name: &str, value: String) -> Self {
        self.headers.retain(|(own, _)| own != name);
        self.headers.push((name.to_owned(), value));
        self
    }
}

/// Hears a message twice, and what it becomes when one letter is added to its body. Whether it was taken.
pub(crate) fn hear(ear: &dyn Ear, message: &Message<'_>, kinds: &'static [KindSpec], now: Timestamp) -> bool {
    let heard = ear.hear(&message.headers, message.body, now);
    assert_eq!(ear.hear(&message.headers, message.body, now), heard, "the same is heard again");
    let longer = [message.body, b" "].concat();
    let altered = ear.hear(&message.headers, &longer, now);
    match heard {
        Ok(hint) => {
            assert_eq!(altered, Err(Unheard::Forged), "a body is signed as it stands");
            check(&hint, kinds);
            true
        }
        Err(_) => false,
    }
}

fn check(hint: &Hint, kinds: &'static [KindSpec]) {
    assert!((1..=EVENT_LEN_MAX).contains(&hint.event.len()));
    assert!((1..=TOPIC_LEN_MAX).contains(&hint.topic.len()));
    assert!(hint.items.len() <= ITEMS_MAX && hint.items.iter().all(|item| item.len() <= ITEM_LEN_MAX));
    let texts = hint.items.iter().chain([&hint.event, &hint.topic]);
    assert!(
        texts.flat_map(|text| text.bytes()).all(|byte| byte.is_ascii_graphic()),
        "it may be written down"
    );
    let told =
        |name: &str| kinds.iter().any(|kind| kind.name == name && kind.told.contains(&hint.topic.as_str()));
    assert!(hint.kinds.iter().all(|kind| told(kind)), "a topic concerns the kinds whose rows say so");
}
