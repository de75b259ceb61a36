//! A world in memory whose keys seal nothing: a sealed text is the text with sixteen zero bytes behind it. What a
//! fuzzer does to a text behind a seal so reaches the parser of that text, and at the speed of memory.

use std::sync::Arc;
use std::time::Duration;

use domain::keys::{RunningHash, TAG_LEN};
use domain::{
    Action, Clock, ConnectionId, DataKey, DataKeyId, DataKeys, Grant, HashPurpose, Id128, KeyError,
    KeyedHash, Kind, NewDataKey, ObjectPurpose, Platform, Principal, RecordMeta, Region, Rng, Salt, Scope,
    SealingKey, SubjectId, SubjectTag, TenantId, Timestamp, WrappedSubjectKey,
};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use object_store::memory::InMemory;

use crate::commit::Generation;
use crate::connection::Repository;
use crate::error::Result;
use crate::object::{compress, header};
use crate::store::Stores;
use crate::writer::{KindOutcome, Mode, NewRecord, Writer};

/// The one data key.
pub(super) const DATA_KEY: DataKeyId = Id128([0; 16]);
/// A lease that is newer than any that an input is likely to name.
pub(super) const GENERATION: Generation = Generation { counter: u64::MAX / 2, lease: Id128([5; 16]) };
const TAG: [u8; TAG_LEN] = [0; TAG_LEN];

struct Glass;

/// A text as it lies in the store.
pub(super) fn sealed(mut text: Vec<u8>) -> Vec<u8> {
    text.extend_from_slice(&TAG);
    text
}

impl SealingKey for Glass {
    fn seal(&self, _: u64, _: &[u8], text: &mut Vec<u8>) -> std::result::Result<(), KeyError> {
        text.extend_from_slice(&TAG);
        Ok(())
    }

    fn open(&self, _: u64, _: &[u8], text: &mut Vec<u8>) -> std::result::Result<(), KeyError> {
        if !text.ends_with(&TAG) {
            return Err(KeyError::DoesNotOpen);
        }
        text.truncate(text.len() - TAG_LEN);
        Ok(())
    }
}

impl KeyedHash for Glass {
    fn hash(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut running = self.begin();
        parts.iter().for_each(|part| running.update(part));
        running.finish()
    }

    fn begin(&self) -> Box<dyn RunningHash> {
        Box::new(Fnv(0xcbf2_9ce4_8422_2325))
    }
}

struct Fnv(u64);

impl RunningHash for Fnv {
    fn update(&mut self, bytes: &[u8]) {
        self.0 =
            bytes.iter().fold(self.0, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    }

    fn finish(self: Box<Self>) -> [u8; 32] {
        let mut hash = [0; 32];
        hash.iter_mut().zip(self.0.to_be_bytes()).for_each(|(to, from)| *to = from);
        hash
    }
}

/// The name of a medium with this content.
pub(super) fn media_name(content: &[u8]) -> String {
    Glass.hash(&[content]).iter().map(|byte| format!("{byte:02x}")).collect()
}

impl DataKey for Glass {
    fn id(&self) -> DataKeyId {
        DATA_KEY
    }

    fn object_key(&self, _: ObjectPurpose, _: &Salt) -> std::result::Result<Box<dyn SealingKey>, KeyError> {
        Ok(Box::new(Self))
    }

    fn keyed_hash(&self, _: HashPurpose) -> std::result::Result<Box<dyn KeyedHash>, KeyError> {
        Ok(Box::new(Self))
    }

    fn new_subject_key(&self, _: &SubjectTag) -> std::result::Result<WrappedSubjectKey, KeyError> {
        Ok(WrappedSubjectKey([6; 60]))
    }

    fn record_key(
        &self,
        _: &SubjectTag,
        _: &WrappedSubjectKey,
        _: &Salt,
        _: u64,
    ) -> std::result::Result<Box<dyn SealingKey>, KeyError> {
        Ok(Box::new(Self))
    }
}

impl DataKeys for Glass {
    fn create<'a>(
        &'a self,
        _: &'a Grant,
        _: &'a Scope,
    ) -> BoxFuture<'a, std::result::Result<NewDataKey, KeyError>> {
        let made = NewDataKey { key: Arc::new(Self), wrapped: b"glass".to_vec() };
        futures::future::ready(Ok(made)).boxed()
    }

    fn open<'a>(
        &'a self,
        _: &'a Grant,
        _: &'a Scope,
        _: &'a [u8],
    ) -> BoxFuture<'a, std::result::Result<Arc<dyn DataKey>, KeyError>> {
        futures::future::ready(Ok(Arc::new(Self) as Arc<dyn DataKey>)).boxed()
    }
}

/// Time that stands and chance that is none.
#[derive(Debug)]
struct Fixed;

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

impl Rng for Fixed {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(9);
    }
}

/// Whose data it is.
pub(super) fn scope() -> Scope {
    Scope {
        tenant: TenantId::new("t").expect("a name"),
        region: Region::new("eu").expect("a name"),
        platform: Platform::new("shopify").expect("a name"),
        connection: ConnectionId::new("shop").expect("a name"),
    }
}

/// Two empty stores with a data key, and a grant for everything.
pub(super) struct World {
    pub(super) repository: Repository,
    pub(super) grant: Grant,
    runtime: tokio::runtime::Runtime,
}

impl World {
    pub(super) fn new() -> Self {
        let stores = Stores { objects: Arc::new(InMemory::new()), keys: Arc::new(InMemory::new()) };
        let scope = scope();
        let grant = Grant {
            id: Id128([8; 16]),
            principal: Principal("fuzzing".into()),
            scope: scope.clone().into(),
            actions: Action::ALL.to_vec(),
            purpose: "fuzzing".into(),
            expires_at: Timestamp::MAX,
            seal: Vec::new(),
        };
        let repository = Repository::new(&stores, scope, Arc::new(Glass), Arc::new(Fixed), Arc::new(Fixed));
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let world = Self { repository, grant, runtime };
        world.put_key(&format!("data-key/{DATA_KEY}"), b"glass".to_vec());
        world
    }

    pub(super) fn run<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// Puts an object into the object store.
    pub(super) fn put_object(&self, name: &str, bytes: Vec<u8>) {
        let put = self.repository.objects.replace(name, bytes).now_or_never();
        put.expect("memory is at hand").expect("memory takes it");
    }

    /// Puts an object into the key store.
    pub(super) fn put_key(&self, name: &str, bytes: Vec<u8>) {
        let put = self.repository.keys_area.replace(name, bytes).now_or_never();
        put.expect("memory is at hand").expect("memory takes it");
    }

    /// Seals a text as a whole object of the key store.
    pub(super) fn put_whole_key(&self, purpose: ObjectPurpose, name: &str, plain: &[u8]) {
        let mut whole = header(purpose, DATA_KEY, &Salt([2; 32]));
        whole.append(&mut sealed(compress(plain, 1).expect("a text is compressed")));
        self.put_key(name, whole);
    }
}

/// Writes records of people until one has its key in this table, or many were tried.
pub(super) async fn put_person(writer: &mut Writer, bucket: u8) -> Result<()> {
    writer.begin_kind(&Kind::new("customer").expect("a name"), Mode::Increment, &[]).await?;
    let person = (0_u32..4096).map(|number| format!("customer/{number:04}"));
    let in_table = |person: &String| Glass.hash(&[person.as_bytes()]).first() == Some(&bucket);
    for person in person.filter(in_table).take(1) {
        let meta = RecordMeta {
            observed_at: Timestamp::UNIX_EPOCH,
            source_updated_at: None,
            api_version: String::new(),
            selection_digest: String::new(),
            subjects: vec![SubjectId(person.as_str().into())],
            media_refs: Vec::new(),
            gaps: Vec::new(),
        };
        writer
            .put(NewRecord { id: &person, payload: b"{}", canonical: None, meta: &meta, summary: b"" })
            .await?;
    }
    writer.end_kind(KindOutcome { complete: true, ..KindOutcome::default() }).await?;
    Ok(())
}
