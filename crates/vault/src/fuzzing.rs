//! Entry points for fuzzing: each parser of outside bytes, and what must hold of whatever it is given. Each answers
//! whether the bytes were accepted.
#![allow(clippy::expect_used, clippy::panic, reason = "an entry point fails by panicking")]

#[cfg(test)]
mod replay;

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use domain::aad::{self, ObjectAad};
use domain::{
    Action, Clock, ConnectionId, DataKey, Grant, Id128, Kind, Operation, Platform, Principal, RecordKey,
    Region, Rng, Scope, TenantId, Timestamp, Unrecorded,
};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use serde::Deserialize as _;

use crate::calls;
use crate::data_key::{KeyMaterial, OpenedKey};
use crate::document::{self, Document};
use crate::encoding::{HexBytes, from_hex, to_hex};
use crate::file::VaultFile;
use crate::gate::{Caller, Request, Serving};
use crate::handles::Handles;
use crate::operator::{OperatorKey, OperatorKeyFile};
use crate::recipient::{RecipientOwner, RecipientPrivateKey};
use crate::recovery::{RecoveryKey, RecoveryKeyFile};
use crate::recovery_shares::RecoveryShareFile;
use crate::ring::{Hierarchy, Ring};
use crate::rotation::InUse;
use crate::sealer::SealWay;
use crate::sealer::kms::{self, NotGiven};
use crate::secret::KeyBytes;
use crate::vault::Vault;
use crate::wrapped::{WrappedDataKey, describe_wrapped};

/// Time that stands, chance that counts, and a record of nothing: every run is the same.
#[derive(Debug, Default)]
struct Fixed(AtomicU64);

impl Rng for Fixed {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill_with(|| u8::try_from(self.0.fetch_add(1, Ordering::Relaxed) % 251).unwrap_or_default());
    }
}

impl Clock for Fixed {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }

    fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
        futures::future::ready(()).boxed()
    }
}

/// What a vault and a recovery key of this program hold, and what they gave out.
struct World {
    scope: Scope,
    recovery: RecipientPrivateKey,
    wrapped: Vec<u8>,
    vault: Arc<Vault>,
    grant: Grant,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let rng = Fixed::default();
    let scope = Scope {
        tenant: TenantId::new("t").expect("a name"),
        region: Region::new("eu").expect("a name"),
        platform: Platform::new("shopify").expect("a name"),
        connection: ConnectionId::new("shop").expect("a name"),
    };
    let ring = Ring::generate(Hierarchy::Data, &rng);
    let recovery = RecipientPrivateKey::generate(RecipientOwner::Cell, &rng);
    let material = KeyMaterial { data: KeyBytes::new([1; 32]), hash: KeyBytes::new([2; 32]) };
    let recipients = [recovery.recipient.clone()];
    let wrapped = WrappedDataKey::wrap(Id128([7; 16]), &scope, &material, &ring, &recipients, &rng);
    let wrapped = wrapped.and_then(|document| document.to_bytes()).expect("a key is wrapped");
    let fixed = Arc::new(rng);
    let handles = Handles { clock: Arc::new(Fixed::default()), rng: fixed, audit: Arc::new(Unrecorded) };
    let in_use = InUse::nowhere().expect("a file that is always there");
    let vault = Vault::of_parts(ring, KeyBytes::new([3; 32]), handles, in_use);
    let mut grant = Grant {
        id: Id128([9; 16]),
        principal: Principal("cell-operator".into()),
        scope: scope.clone().into(),
        actions: vec![Action::Read, Action::Backup],
        purpose: "fuzzing".into(),
        expires_at: Timestamp::MAX,
        seal: Vec::new(),
    };
    vault.gate.seal(&mut grant);
    World { scope, recovery, wrapped, vault: Arc::new(vault), grant }
});

/// A wrapped data key, as the key store keeps it.
pub fn wrapped_data_key(bytes: &[u8]) -> bool {
    let Ok((kid, scope)) = describe_wrapped(bytes) else { return false };
    let document = WrappedDataKey::parse(bytes).expect("what is described was parsed");
    assert_eq!(document.to_bytes().as_deref(), Ok(bytes), "one spelling");
    assert_eq!(document.kid, kid);
    for scope in [&scope, &WORLD.scope] {
        let opened =
            [document.open(scope, &WORLD.vault.rings().data), document.recover(scope, &WORLD.recovery)];
        for material in opened.into_iter().flatten() {
            assert_eq!(bytes, WORLD.wrapped, "only what was wrapped opens");
            let clock = Arc::clone(&WORLD.vault.gate.handles().clock);
            let serving = Serving::begin(clock, WORLD.vault.gate.serves(&WORLD.grant));
            let key = OpenedKey::new(kid, material, Arc::new(Fixed::default()), serving);
            assert_eq!(key.expect("a key").id(), kid);
        }
    }
    true
}

/// A question, as another process sends it: its name, and below that its text.
pub fn question(bytes: &[u8]) -> bool {
    let Some(at) = bytes.iter().position(|byte| *byte == b'\n') else { return false };
    let (name, text) = bytes.split_at(at);
    let (Ok(name), Some(text)) = (std::str::from_utf8(name), text.get(1..)) else { return false };
    let asked = calls::asked(&WORLD.vault, name, text).now_or_never().expect("it waits for nothing");
    let Some(answered) = asked else { return false };
    let value: serde_json::Value = serde_json::from_slice(text).expect("it was read");
    if answered && let Some(grant) = value.get("grant") {
        let grant = Grant::deserialize(grant).expect("it was read");
        assert_eq!(grant, WORLD.grant, "only who was granted something is answered");
    }
    if answered {
        assert!(value.get("session").is_none() && value.get("answer").is_none(), "nobody has signed in");
    }
    true
}

/// The files that hold keys: vault, recovery key, its shares, operator key.
pub fn key_document(bytes: &[u8]) -> bool {
    let path = Path::new("file");
    let vault = one_document::<VaultFile>(bytes, path);
    let recovery = one_document::<RecoveryKeyFile>(bytes, path);
    let operator = one_document::<OperatorKeyFile>(bytes, path);
    let share = one_document::<RecoveryShareFile>(bytes, path);
    let known = [vault.is_some(), recovery.is_some(), operator.is_some(), share.is_some()];
    assert!(known.iter().filter(|is| **is).count() <= 1, "one format, one document");
    if let Some(file) = vault {
        // Opening it would take the work that it asks for: it is only looked whether that is refused.
        let _ = file.check_cost(path);
    }
    if let Some(file) = recovery {
        let public = serde_json::to_value(&file).expect("it was read").get("public").cloned();
        if let Ok(key) = RecoveryKey::open(file, path, None) {
            let own = serde_json::to_value(key.recipient()).expect("it is written");
            assert_eq!(own.get("public"), public.as_ref(), "the two halves belong together");
        }
    }
    if let Some(file) = operator {
        let _ = OperatorKey::open(&file, path);
    }
    known.contains(&true)
}

/// Reads a document. One whose checksum alone is wrong is looked at with the right one, so that what lies behind
/// the checksum is reached.
fn one_document<D: Document>(bytes: &[u8], path: &Path) -> Option<D> {
    if let Ok(document) = document::parse::<D>(bytes, path) {
        assert_eq!(document::to_text(&document).expect("it was read").as_slice(), bytes, "one spelling");
        return Some(document);
    }
    let mut document: D = serde_json::from_slice(bytes).ok()?;
    *document.checksum() = HexBytes::default();
    let sum = document::checksum_of(&mut document).expect("it is written");
    *document.checksum() = sum;
    let text = document::to_text(&document).expect("it is written");
    let again = document::parse::<D>(&text, path).ok()?;
    assert_eq!(document::to_text(&again).expect("it was read"), text, "what is written is read");
    Some(again)
}

/// A grant, as it comes from another process.
pub fn grant(bytes: &[u8]) -> bool {
    let Ok(grant) = serde_json::from_slice::<Grant>(bytes) else { return false };
    let text = serde_json::to_vec(&grant).expect("a grant is written");
    assert_eq!(serde_json::from_slice::<Grant>(&text).expect("what is written is read"), grant);
    let request = Request {
        caller: &Caller::Own,
        operation: Operation::DataKeyOpen,
        grant: &grant,
        scope: &WORLD.scope,
        any_of: Action::ALL,
    };
    if WORLD.vault.gate.answer(&request, || Ok(())).now_or_never().expect("nobody is waited for").is_ok() {
        assert_eq!(grant, WORLD.grant, "only what was granted is let through");
    }
    true
}

/// What a key management service answers: its status, and below that its text.
pub fn kms_answer(bytes: &[u8]) -> bool {
    let Some(at) = bytes.iter().position(|byte| *byte == b'\n') else { return false };
    let (status, text) = bytes.split_at(at);
    let status = std::str::from_utf8(status).ok().and_then(|status| status.parse().ok());
    let (Some(status), Some(text)) = (status, text.get(1..)) else { return false };
    let is_shown = |text: &str| !text.chars().any(char::is_control) && text.chars().count() <= 300;
    match kms::answer(status, text) {
        Ok(given) => {
            assert_eq!(status, 200, "nothing is given with an error");
            assert!(is_shown(&given.key));
            assert!(given.bytes.len() <= text.len(), "no more is given than was sent");
            true
        }
        Err(NotGiven::Refused { word, message }) => {
            assert!(status != 200 && is_shown(&word) && is_shown(&message));
            true
        }
        Err(NotGiven::Busy(why)) => {
            assert!(status != 200 && !why.chars().any(char::is_control));
            true
        }
        Err(NotGiven::Misunderstood) => false,
    }
}

/// The way to what seals a root key, as it stands in a file.
pub fn seal_way(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let Ok(way) = text.parse::<SealWay>() else { return false };
    assert_eq!(way.to_string(), text, "one spelling");
    assert!(!text.contains(char::is_whitespace), "it is one line");
    assert!(!text.contains("pin-value"), "it holds no PIN");
    true
}

/// Names, ids, times, owners and hexadecimal; and what keys and blocks are bound to, which no two places share.
pub fn names(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let mut accepted = false;
    if let Ok(name) = TenantId::new(text) {
        accepted = true;
        assert_eq!(name.to_string(), text);
        assert!(!text.contains(['/', '.', '\\', '%', ' ']), "a name is part of a path");
        assert!(Kind::new(text).is_ok() && ConnectionId::new(text).is_ok() && Region::new(text).is_ok());
        let json = serde_json::to_string(&name).expect("a name is written");
        assert_eq!(serde_json::from_str::<TenantId>(&json).expect("what is written is read"), name);
    }
    if let Ok(id) = text.parse::<Id128>() {
        accepted = true;
        assert_eq!(id.to_string(), text, "one spelling");
    }
    if let Some(plain) = from_hex(text) {
        accepted = true;
        assert_eq!(to_hex(&plain).as_str(), text, "one spelling");
    }
    if let Ok(owner) = RecipientOwner::try_from(text.to_owned()) {
        accepted = true;
        assert_eq!(owner.to_string(), text, "one spelling");
    }
    if let Ok(time) = text.parse::<Timestamp>() {
        accepted = true;
        assert_eq!(time.to_string().parse::<Timestamp>().expect("what is written is read"), time);
    }
    if let Ok(key) = RecordKey::new(Kind::new("k").expect("a name"), text) {
        let json = serde_json::to_string(&key).expect("a key is written");
        assert_eq!(serde_json::from_str::<RecordKey>(&json).expect("what is written is read"), key);
    }
    accepted | places(text)
}

/// What is at most one line: two places, each as six words.
fn places(text: &str) -> bool {
    let words: Vec<&str> = text.split('\n').collect();
    let (Some(a), Some(b)) = (words.get(..6), words.get(6..12)) else { return false };
    let place = |words: &[&str]| {
        let [tenant, region, platform, connection, purpose, row] = *words else { return None };
        let scope = Scope {
            tenant: tenant.parse().ok()?,
            region: region.parse().ok()?,
            platform: platform.parse().ok()?,
            connection: connection.parse().ok()?,
        };
        let block = ObjectAad::new(&scope.tenant, &scope.connection, row).block(1, 0);
        Some((aad::key(&scope, purpose, row, 1), block, [tenant, connection, row].map(str::to_owned)))
    };
    let (Some(first), Some(second)) = (place(a), place(b)) else { return false };
    assert_eq!(first.0 == second.0, a == b, "no two places of keys share their bytes");
    assert_eq!(first.1 == second.1, first.2 == second.2, "no two places of blocks share their bytes");
    assert_ne!(first.0, second.1, "no key's place is a block's");
    true
}
