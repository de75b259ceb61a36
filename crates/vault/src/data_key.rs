//! An opened data key: derives, seals, opens and hashes; its bytes stay here.

use std::sync::Arc;

use aws_lc_rs::aead::LessSafeKey;
use aws_lc_rs::hmac;
use domain::keys::RunningHash;
use domain::{
    DataKey, DataKeyId, HashPurpose, KeyError, KeyedHash, ObjectPurpose, Rng, Salt, SealingKey, SubjectTag,
    WrappedSubjectKey,
};

use crate::cipher::{
    aead_key, derive, open_key, open_numbered, random_key, seal_numbered, seal_random, tag_bytes,
};
use crate::gate::Serving;
use crate::secret::KeyBytes;

/// The label under which subject keys are wrapped. Part of the format.
const SUBJECT_WRAP: &[u8] = b"subject-wrap";
/// The label under which record keys are derived. Part of the format.
const RECORD: &[u8] = b"record/";

/// What a wrapped data key holds.
pub(crate) struct KeyMaterial {
    /// From which object keys are derived.
    pub(crate) data: KeyBytes,
    /// From which the connection's keyed hashes are derived; all data keys of a connection hold the same.
    pub(crate) hash: KeyBytes,
}

/// A data key in use.
pub(crate) struct OpenedKey {
    id: DataKeyId,
    material: KeyMaterial,
    subject_wrap: LessSafeKey,
    rng: Arc<dyn Rng>,
    serving: Serving,
}

impl OpenedKey {
    pub(crate) fn new(
        id: DataKeyId,
        material: KeyMaterial,
        rng: Arc<dyn Rng>,
        serving: Serving,
    ) -> Result<Self, KeyError> {
        let subject_wrap = aead_key(&*derive(material.data.as_slice(), &[], &[SUBJECT_WRAP])?)?;
        Ok(Self { id, material, subject_wrap, rng, serving })
    }

    fn sealing_key(&self, key: &KeyBytes) -> Result<Box<dyn SealingKey>, KeyError> {
        Ok(Box::new(BlockKey { key: aead_key(key)?, serving: self.serving.clone() }))
    }
}

impl DataKey for OpenedKey {
    fn id(&self) -> DataKeyId {
        self.id
    }

    fn object_key(&self, purpose: ObjectPurpose, salt: &Salt) -> Result<Box<dyn SealingKey>, KeyError> {
        self.serving.check()?;
        self.sealing_key(&derive(self.material.data.as_slice(), &salt.0, &[purpose.label().as_bytes()])?)
    }

    fn keyed_hash(&self, purpose: HashPurpose) -> Result<Box<dyn KeyedHash>, KeyError> {
        self.serving.check()?;
        let key = derive(self.material.hash.as_slice(), &[], &[purpose.label().as_bytes()])?;
        Ok(Box::new(Hash(hmac::Key::new(hmac::HMAC_SHA256, key.as_slice()))))
    }

    fn new_subject_key(&self, subject: &SubjectTag) -> Result<WrappedSubjectKey, KeyError> {
        self.serving.check()?;
        let key = random_key(&*self.rng);
        let sealed = seal_random(&self.subject_wrap, &*self.rng, &subject.0, key.as_slice())?;
        sealed.try_into().map(WrappedSubjectKey).map_err(|_| KeyError::DoesNotOpen)
    }

    fn record_key(
        &self,
        subject: &SubjectTag,
        wrapped: &WrappedSubjectKey,
        pack_salt: &Salt,
        record: u64,
    ) -> Result<Box<dyn SealingKey>, KeyError> {
        self.serving.check()?;
        let key = open_key(&self.subject_wrap, &subject.0, &wrapped.0)?;
        self.sealing_key(&derive(key.as_slice(), &pack_salt.0, &[RECORD, &record.to_be_bytes()])?)
    }
}

/// One object's or one record's key.
struct BlockKey {
    key: LessSafeKey,
    serving: Serving,
}

impl SealingKey for BlockKey {
    fn seal(&self, number: u64, aad: &[u8], text: &mut Vec<u8>) -> Result<(), KeyError> {
        self.serving.check()?;
        seal_numbered(&self.key, number, aad, text)
    }

    fn open(&self, number: u64, aad: &[u8], text: &mut Vec<u8>) -> Result<(), KeyError> {
        self.serving.check()?;
        open_numbered(&self.key, number, aad, text)
    }
}

/// A keyed hash, with the key's two inner states computed once.
struct Hash(hmac::Key);

impl KeyedHash for Hash {
    fn hash(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.0);
        for part in parts {
            context.update(part);
        }
        tag_bytes(context.sign().as_ref())
    }

    fn begin(&self) -> Box<dyn RunningHash> {
        Box::new(Running(hmac::Context::with_key(&self.0)))
    }
}

struct Running(hmac::Context);

impl RunningHash for Running {
    fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(self: Box<Self>) -> [u8; 32] {
        tag_bytes(self.0.sign().as_ref())
    }
}
