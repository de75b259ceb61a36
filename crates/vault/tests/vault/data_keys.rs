//! Data keys: what they derive, what they refuse, and how long they serve.

use std::time::Duration;

use domain::keys::TAG_LEN;
use domain::{
    Action, DataKey, DataKeys, HashPurpose, KeyError, ObjectPurpose, Salt, SubjectTag, WrappedSubjectKey,
};

use crate::cell::{Cell, HOUR, flips, open, other_scopes, scope, seal};

const PURPOSES: [ObjectPurpose; 8] = [
    ObjectPurpose::Pack,
    ObjectPurpose::Index,
    ObjectPurpose::Commit,
    ObjectPurpose::Media,
    ObjectPurpose::SubjectTable,
    ObjectPurpose::Checkpoint,
    ObjectPurpose::State,
    ObjectPurpose::Spool,
];

#[tokio::test]
async fn a_key_opens_again_and_gives_the_same_keys() {
    let cell = Cell::new(40);
    let grant = cell.grant().await;
    let made = cell.data_key(&grant).await;
    let sealed = seal(&*made.key, b"text");
    assert_eq!(sealed.len(), 4 + TAG_LEN);

    let again = crate::cell::opened(&cell);
    let opened = again.open(&grant, &scope("t", "c"), &made.wrapped).await.unwrap();
    assert_eq!(opened.id(), made.key.id());
    assert_eq!(vault::describe_wrapped(&made.wrapped), Ok((made.key.id(), scope("t", "c"))));
    assert_eq!(open(&*opened, &sealed).unwrap(), b"text");
}

#[tokio::test]
async fn a_flip_of_any_byte_of_a_wrapped_key_is_refused() {
    let cell = Cell::new(41);
    let grant = cell.grant().await;
    let wrapped = cell.data_key(&grant).await.wrapped;
    for (at, flipped) in flips(&wrapped) {
        let refused = cell.vault.open(&grant, &scope("t", "c"), &flipped).await;
        assert_eq!(refused.err(), Some(KeyError::DoesNotOpen), "byte {at}");
    }
    for cut in [0, 1, wrapped.len() - 1] {
        let refused = cell.vault.open(&grant, &scope("t", "c"), &wrapped[..cut]).await;
        assert_eq!(refused.err(), Some(KeyError::DoesNotOpen));
    }
    cell.vault.open(&grant, &scope("t", "c"), &wrapped).await.unwrap();
}

#[tokio::test]
async fn a_wrapped_key_has_one_spelling() {
    let cell = Cell::new(48);
    let own = scope("t", "c");
    let grant = cell.grant().await;
    let wrapped = cell.data_key(&grant).await.wrapped;
    let mut extended: serde_json::Value = serde_json::from_slice(&wrapped).unwrap();
    let indented = serde_json::to_vec_pretty(&extended).unwrap();
    extended["note"] = "more".into();
    for other in [indented, serde_json::to_vec(&extended).unwrap(), [&wrapped[..], b"\n"].concat()] {
        assert_eq!(cell.vault.open(&grant, &own, &other).await.err(), Some(KeyError::DoesNotOpen));
    }
    cell.vault.open(&grant, &own, &wrapped).await.unwrap();
}

#[tokio::test]
async fn a_wrapped_key_opens_in_its_own_place_only() {
    let cell = Cell::new(42);
    let own = scope("t", "c");
    let wrapped = cell.data_key(&cell.grant().await).await.wrapped;
    for other in other_scopes() {
        let grant = cell.grant_for(&other, Action::ALL, HOUR).await;
        assert_eq!(cell.vault.open(&grant, &other, &wrapped).await.err(), Some(KeyError::DoesNotOpen));
        // Nor when the document itself is made to say so.
        let mut document: serde_json::Value = serde_json::from_slice(&wrapped).unwrap();
        document["scope"] = serde_json::to_value(&other).unwrap();
        let moved = serde_json::to_vec(&document).unwrap();
        assert!(vault::describe_wrapped(&moved).is_ok());
        assert_eq!(cell.vault.open(&grant, &other, &moved).await.err(), Some(KeyError::DoesNotOpen));
        // The control: that place has keys of its own.
        let made = cell.vault.create(&grant, &other).await.unwrap();
        cell.vault.open(&grant, &other, &made.wrapped).await.unwrap();
    }
    cell.vault.open(&cell.grant().await, &own, &wrapped).await.unwrap();
}

#[tokio::test]
async fn each_purpose_salt_number_and_place_gives_another_text() {
    let cell = Cell::new(43);
    let key = cell.data_key(&cell.grant().await).await.key;
    let seal = |purpose, salt, number, aad: &[u8]| {
        let mut text = b"text".to_vec();
        key.object_key(purpose, &Salt([salt; 32])).unwrap().seal(number, aad, &mut text).unwrap();
        text
    };
    let mut texts: Vec<_> = PURPOSES.iter().map(|purpose| seal(*purpose, 0, 0, b"")).collect();
    texts.extend([
        seal(ObjectPurpose::Pack, 1, 0, b""),
        seal(ObjectPurpose::Pack, 0, 1, b""),
        seal(ObjectPurpose::Pack, 0, 1 << 63, b""),
        seal(ObjectPurpose::Pack, 0, 0, b"place"),
    ]);
    let count = texts.len();
    texts.sort();
    texts.dedup();
    assert_eq!(texts.len(), count);

    let sealing = key.object_key(ObjectPurpose::Pack, &Salt([0; 32])).unwrap();
    let sealed = seal(ObjectPurpose::Pack, 0, 5, b"place");
    let opens = |number, aad: &[u8], sealed: &[u8]| {
        let mut text = sealed.to_vec();
        sealing.open(number, aad, &mut text).map(|()| text)
    };
    assert_eq!(opens(5, b"place", &sealed).unwrap(), b"text");
    assert_eq!(opens(4, b"place", &sealed), Err(KeyError::DoesNotOpen));
    assert_eq!(opens(5, b"elsewhere", &sealed), Err(KeyError::DoesNotOpen));
    assert_eq!(opens(5, b"place", &sealed[..10]), Err(KeyError::DoesNotOpen));
    for (at, flipped) in flips(&sealed) {
        assert_eq!(opens(5, b"place", &flipped), Err(KeyError::DoesNotOpen), "byte {at}");
    }
}

#[tokio::test]
async fn the_next_data_key_seals_otherwise_and_hashes_alike() {
    let cell = Cell::new(44);
    let grant = cell.grant().await;
    let first = cell.data_key(&grant).await;
    let next = cell.vault.create_next(&grant, &scope("t", "c"), &first.wrapped).await.unwrap();
    let unrelated = cell.data_key(&grant).await;
    assert_ne!(first.key.id(), next.key.id());
    assert_eq!(open(&*next.key, &seal(&*first.key, b"text")), None);
    assert_eq!(open(&*next.key, &seal(&*next.key, b"text")).unwrap(), b"text");

    let hash = |key: &dyn DataKey, purpose| key.keyed_hash(purpose).unwrap().hash(&[b"con", b"tent"]);
    for purpose in [HashPurpose::Content, HashPurpose::MediaName, HashPurpose::Subject] {
        assert_eq!(hash(&*first.key, purpose), hash(&*next.key, purpose));
        assert_ne!(hash(&*first.key, purpose), hash(&*unrelated.key, purpose));
    }
    assert_ne!(hash(&*first.key, HashPurpose::Content), hash(&*first.key, HashPurpose::Subject));

    let reopened = cell.vault.open(&grant, &scope("t", "c"), &next.wrapped).await.unwrap();
    assert_eq!(hash(&*reopened, HashPurpose::Content), hash(&*first.key, HashPurpose::Content));
    let mut running = reopened.keyed_hash(HashPurpose::Content).unwrap().begin();
    running.update(b"conten");
    running.update(b"t");
    assert_eq!(running.finish(), hash(&*first.key, HashPurpose::Content));
}

#[tokio::test]
async fn a_subjects_key_opens_that_subjects_records_only() {
    let cell = Cell::new(45);
    let key = cell.data_key(&cell.grant().await).await.key;
    let (subject, other) = (SubjectTag([1; 16]), SubjectTag([2; 16]));
    let wrapped = key.new_subject_key(&subject).unwrap();
    assert_ne!(wrapped, key.new_subject_key(&subject).unwrap());
    let salt = Salt([9; 32]);

    let mut sealed = b"record".to_vec();
    key.record_key(&subject, &wrapped, &salt, 4).unwrap().seal(0, b"place", &mut sealed).unwrap();
    let opens = |subject, wrapped: &WrappedSubjectKey, salt, record| {
        let mut text = sealed.clone();
        key.record_key(subject, wrapped, salt, record)?.open(0, b"place", &mut text).map(|()| text)
    };
    assert_eq!(opens(&subject, &wrapped, &salt, 4).unwrap(), b"record");
    assert_eq!(opens(&other, &wrapped, &salt, 4), Err(KeyError::DoesNotOpen));
    assert_eq!(
        opens(&subject, &key.new_subject_key(&subject).unwrap(), &salt, 4),
        Err(KeyError::DoesNotOpen)
    );
    assert_eq!(opens(&subject, &wrapped, &Salt([8; 32]), 4), Err(KeyError::DoesNotOpen));
    assert_eq!(opens(&subject, &wrapped, &salt, 5), Err(KeyError::DoesNotOpen));
    for (at, flipped) in flips(&wrapped.0) {
        let flipped = WrappedSubjectKey(flipped.try_into().unwrap());
        assert_eq!(opens(&subject, &flipped, &salt, 4), Err(KeyError::DoesNotOpen), "byte {at}");
    }
}

#[tokio::test]
async fn an_opened_key_serves_for_sixty_seconds_and_then_nothing_more() {
    let cell = Cell::new(46);
    let grant = cell.grant().await;
    let key = cell.data_key(&grant).await.key;
    let subject = SubjectTag([1; 16]);
    let wrapped = key.new_subject_key(&subject).unwrap();
    let block = key.object_key(ObjectPurpose::Pack, &Salt([0; 32])).unwrap();
    let record = key.record_key(&subject, &wrapped, &Salt([0; 32]), 0).unwrap();
    let mut sealed = b"text".to_vec();
    block.seal(0, b"", &mut sealed).unwrap();

    let operations = || {
        [
            key.object_key(ObjectPurpose::Pack, &Salt([0; 32])).err(),
            key.keyed_hash(HashPurpose::Content).err(),
            key.new_subject_key(&subject).err(),
            key.record_key(&subject, &wrapped, &Salt([0; 32]), 0).err(),
            block.seal(1, b"", &mut b"text".to_vec()).err(),
            block.open(0, b"", &mut sealed.clone()).err(),
            record.seal(0, b"", &mut b"text".to_vec()).err(),
        ]
    };
    cell.clock.advance(Duration::from_millis(59_999));
    assert_eq!(operations(), [const { None }; 7]);
    cell.clock.advance(Duration::from_millis(1));
    assert_eq!(operations(), [const { Some(KeyError::Expired) }; 7]);
    // Setting the wall clock back revives nothing.
    cell.clock.set_wall("2026-11-24T12:00:00Z".parse().unwrap());
    assert_eq!(operations(), [const { Some(KeyError::Expired) }; 7]);
}

#[tokio::test]
async fn an_opened_key_does_not_outlive_its_grant() {
    let cell = Cell::new(47);
    let wrapped = cell.data_key(&cell.grant().await).await.wrapped;
    let short = cell.grant_for(&scope("t", "c"), &[Action::Read], Duration::from_secs(5)).await;
    let key = cell.vault.open(&short, &scope("t", "c"), &wrapped).await.unwrap();
    cell.clock.advance(Duration::from_millis(4_999));
    assert!(key.keyed_hash(HashPurpose::Content).is_ok());
    cell.clock.advance(Duration::from_millis(1));
    assert_eq!(key.keyed_hash(HashPurpose::Content).err(), Some(KeyError::Expired));
}
