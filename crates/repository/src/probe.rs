//! What a store really keeps of the promises that object stores make.
//!
//! None is kept everywhere: some servers let every one of twenty racing writers win, some take a lock's headers
//! and delete all the same. So nothing here depends on a promise; where one is kept, it is a second guard, and
//! `doctor` says so.

use std::sync::Arc;
use std::time::Duration;

use domain::{Id128, Ids, Rng};
use futures::future::join_all;
use object_store::client::{HttpConnector as _, HttpRequest, HttpRequestBody, ReqwestConnector};
use object_store::path::Path;
use object_store::signer::{Method, SignedUrlOptions, Signer as _};
use object_store::{
    ClientOptions, Error, GetOptions, ObjectStore, ObjectStoreExt as _, PutMode, PutOptions, PutPayload,
};

use crate::error::{RepositoryError, Result};
use crate::open_store::{StoreOptions, locate, open_bucket};

/// Writers that race for one name.
const RACERS: usize = 20;
/// How often they race.
const ROUNDS: usize = 3;
/// How long a signed request is good for.
const SIGNATURE: Duration = Duration::from_secs(60);

/// What a store was seen to keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Promises {
    /// Of many who create one name at the same time exactly one wins, and what stands there is what it wrote.
    pub create_if_absent: bool,
    /// A version that was overwritten or deleted can still be read.
    pub keeps_versions: bool,
}

fn failed(operation: &'static str, path: &Path, source: Error) -> RepositoryError {
    RepositoryError::Store { operation, object: path.to_string(), source: Box::new(source) }
}

fn probe_path(id: Id128, turn: usize) -> Path {
    Path::from_iter(["probe".to_owned(), format!("{id}-{turn}")])
}

/// Writes, races and deletes a few small objects below `probe/`.
///
/// # Errors
/// When the store cannot be used at all.
pub async fn probe(store: &Arc<dyn ObjectStore>, rng: &dyn Rng) -> Result<Promises> {
    let id = rng.next_id();
    let mut create_if_absent = true;
    for turn in 0..ROUNDS {
        let path = probe_path(id, turn);
        create_if_absent &= race(&**store, &path).await?;
        store.delete(&path).await.map_err(|source| failed("delete", &path, source))?;
    }
    let keeps_versions = keeps_versions(&**store, &probe_path(id, ROUNDS)).await?;
    Ok(Promises { create_if_absent, keeps_versions })
}

/// Whether exactly one of the racers wins, and nobody does behind them.
async fn race(store: &dyn ObjectStore, path: &Path) -> Result<bool> {
    let create = |text: String| async move {
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        match store.put_opts(path, PutPayload::from(text.clone().into_bytes()), options).await {
            Ok(_) => Ok(Some(text)),
            Err(Error::AlreadyExists { .. } | Error::NotImplemented { .. }) => Ok(None),
            Err(source) => Err(failed("write", path, source)),
        }
    };
    let mut won = Vec::new();
    for racer in join_all((0..RACERS).map(|racer| create(format!("racer {racer}")))).await {
        won.extend(racer?);
    }
    let late = create("late".to_owned()).await?;
    if won.is_empty() && late.is_none() {
        // Nobody may create at all: then the object is made the usual way, so that there is one to delete.
        store
            .put(path, PutPayload::from_static(b"-"))
            .await
            .map_err(|source| failed("write", path, source))?;
    }
    let stands = async { store.get(path).await?.bytes().await }.await;
    let stands = stands.map_err(|source| failed("read", path, source))?;
    Ok(late.is_none() && matches!(&won[..], [winner] if winner.as_bytes() == &stands[..]))
}

async fn keeps_versions(store: &dyn ObjectStore, path: &Path) -> Result<bool> {
    let put = async |text: &'static [u8]| {
        store.put(path, PutPayload::from_static(text)).await.map_err(|source| failed("write", path, source))
    };
    let first = put(b"first").await?;
    put(b"second").await?;
    store.delete(path).await.map_err(|source| failed("delete", path, source))?;
    let Some(version) = first.version else { return Ok(false) };
    let options = GetOptions { version: Some(version), ..GetOptions::default() };
    let read = async { store.get_opts(path, options).await?.bytes().await }.await;
    Ok(read.is_ok_and(|bytes| &bytes[..] == b"first"))
}

/// Whether a bucket refuses to destroy a version that was just written: object lock with a default retention.
///
/// Writes one small object below `probe/`, which stays until its retention ends where the answer is yes.
///
/// # Errors
/// As [`crate::open_store`]; when the bucket cannot be used, or answers neither yes nor no. A directory locks
/// nothing: `false`.
pub async fn refuses_destruction(url: &str, options: &StoreOptions, rng: &dyn Rng) -> Result<bool> {
    let location = locate(url)?;
    if matches!(location, crate::open_store::Location::Directory(_)) {
        return Ok(false);
    }
    let (store, prefix) = open_bucket(url, &location, options)?;
    let name = format!("{prefix}/probe/{}", rng.next_id());
    let path = Path::from(name);
    let written = store.put(&path, PutPayload::from_static(b"locked?")).await;
    let written = written.map_err(|source| failed("write", &path, source))?;
    // Without versions nothing can be under a lock: the next writer would overwrite it.
    let Some(version) = written.version else {
        store.delete(&path).await.map_err(|source| failed("delete", &path, source))?;
        return Ok(false);
    };
    let query = SignedUrlOptions::new().with_query([("versionId", version.as_str())]);
    let signed = store.signed_url_opts(Method::DELETE, &path, SIGNATURE, &query).await;
    let signed = signed.map_err(|source| failed("delete", &path, source))?;

    let generic = |source: Box<dyn std::error::Error + Send + Sync>| {
        failed("delete", &path, Error::Generic { store: "S3", source })
    };
    let client = ReqwestConnector::default()
        .connect(&ClientOptions::new().with_allow_http(true))
        .map_err(|source| failed("delete", &path, source))?;
    let mut request = HttpRequest::new(HttpRequestBody::empty());
    *request.method_mut() = Method::DELETE;
    *request.uri_mut() = signed.as_str().parse().map_err(|error| generic(Box::new(error)))?;
    let answer = client.execute(request).await.map_err(|error| generic(Box::new(error)))?;
    match answer.status().as_u16() {
        200 | 204 => Ok(false),
        403 => Ok(true),
        other => Err(generic(format!("the server answered {other} to the deletion of a version").into())),
    }
}
