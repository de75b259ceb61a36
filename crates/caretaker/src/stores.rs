//! The two stores as a person gives them: an address, and for a bucket the credential that it wants.
//!
//! A credential comes from a file or, where none is named, from the environment, in the words that clients of S3
//! have: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`; and the server with them, where the
//! address does not say it: `AWS_ENDPOINT_URL`, `AWS_REGION`. It is read when it is given, and never afterwards:
//! a cell has it sealed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use domain::{Platform, Rng};
use flows::FlowError;
use flows::store_access::{self, WhichStore};
use futures::TryStreamExt as _;
use object_store::prefix::PrefixStore;
use object_store::{ObjectStore, ObjectStoreExt as _};
use repository::{StoreCredentials, StoreOptions, Stores};
use zeroize::Zeroizing;

/// Where the credentials of buckets come from.
#[derive(Debug, Args)]
#[command(next_help_heading = "Buckets")]
pub(crate) struct StoreCredentialFiles {
    /// For a bucket: the file with AWS_ACCESS_KEY_ID=… and AWS_SECRET_ACCESS_KEY=…, or a profile of an AWS credentials
    /// file. Without it these are taken from the environment
    #[arg(long, value_name = "FILE")]
    pub(crate) store_credentials_file: Option<PathBuf>,
    /// The same for the key store, where it has a credential of its own
    #[arg(long, value_name = "FILE")]
    pub(crate) keys_store_credentials_file: Option<PathBuf>,
}

impl StoreCredentialFiles {
    fn of(&self, which: WhichStore) -> Option<&Path> {
        match (which, &self.keys_store_credentials_file) {
            (WhichStore::Keys, Some(file)) => Some(file),
            _ => self.store_credentials_file.as_deref(),
        }
    }

    /// Whether the key store's file was given and nothing else.
    pub(crate) fn are_for_keys_alone(&self) -> bool {
        self.keys_store_credentials_file.is_some() && self.store_credentials_file.is_none()
    }
}

/// A store as it was given.
pub(crate) struct GivenStore {
    which: WhichStore,
    /// Its address, with everything in it that is needed to find it again from anywhere.
    pub(crate) url: String,
    pub(crate) options: StoreOptions,
}

/// What a credential's file, or the environment, says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Word {
    AccessKey,
    SecretKey,
    SessionToken,
    Endpoint,
    Region,
}

/// How it is spelled. In the environment in capitals; of two spellings the first counts there.
const SPELLINGS: &[(&str, Word)] = &[
    ("aws_access_key_id", Word::AccessKey),
    ("aws_secret_access_key", Word::SecretKey),
    ("aws_session_token", Word::SessionToken),
    ("aws_endpoint_url_s3", Word::Endpoint),
    ("aws_endpoint_url", Word::Endpoint),
    ("endpoint_url", Word::Endpoint),
    ("aws_region", Word::Region),
    ("aws_default_region", Word::Region),
    ("region", Word::Region),
];

type Words = BTreeMap<Word, Zeroizing<String>>;

pub(crate) fn is_bucket(url: &str) -> bool {
    url.starts_with("s3://")
}

/// Reads `name = value` lines: those of a shell, or of a credentials file with one profile.
fn read_words(text: &str) -> Result<Words, &'static str> {
    let mut words = Words::new();
    for line in text.lines().map(str::trim) {
        let line = line.strip_prefix("export ").unwrap_or(line);
        if line.is_empty() || line.starts_with(['#', ';', '[']) {
            continue;
        }
        let Some((name, value)) = line.split_once('=') else {
            return Err("a line is not `name = value`");
        };
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim().trim_matches(['"', '\'']));
        // Files have other settings too, such as how a client prints its answers.
        let Some((_, word)) = SPELLINGS.iter().find(|(spelling, _)| *spelling == name) else { continue };
        let is_told = words.contains_key(word);
        match word {
            // Two spellings of one place: the first counts.
            Word::Endpoint | Word::Region if is_told => {}
            _ if is_told => {
                return Err("it holds more than one credential; leave only the one for this store");
            }
            _ => drop(words.insert(*word, Zeroizing::new(value.to_owned()))),
        }
    }
    Ok(words)
}

fn words_of_file(file: &Path) -> anyhow::Result<Words> {
    let secret = vault::Secret::read(file)?;
    let unusable =
        |why: &str| FlowError::Input(format!("`{}` holds no credential of a bucket: {why}", file.display()));
    let text = secret.expose_text().ok_or_else(|| unusable("it is no text"))?;
    let words = read_words(text).map_err(unusable)?;
    if words.contains_key(&Word::AccessKey) && words.contains_key(&Word::SecretKey) {
        return Ok(words);
    }
    Err(unusable("AWS_ACCESS_KEY_ID=… and AWS_SECRET_ACCESS_KEY=… are expected, a line each").into())
}

fn words_of_environment() -> Words {
    let mut words = Words::new();
    for (spelling, word) in SPELLINGS.iter().filter(|(spelling, _)| spelling.starts_with("aws_")) {
        let value = std::env::var(spelling.to_ascii_uppercase()).unwrap_or_default();
        if !value.is_empty() && !words.contains_key(word) {
            words.insert(*word, Zeroizing::new(value));
        }
    }
    words
}

/// An address as it was typed, with the server that the credential came with where it names none.
fn complete(url: &str, words: &Words) -> String {
    let mut url = url.to_owned();
    for (name, word) in [("endpoint", Word::Endpoint), ("region", Word::Region)] {
        let says = url.split_once('?').is_some_and(|(_, query)| {
            query.split('&').any(|pair| pair.split('=').next().is_some_and(|said| said == name))
        });
        if let (false, Some(value)) = (says, words.get(&word)) {
            url.push(if url.contains('?') { '&' } else { '?' });
            url += &format!("{name}={}", value.as_str());
        }
    }
    url
}

/// Takes a store as it was given.
///
/// # Errors
/// Usage, where a bucket comes without a credential, or a directory with one.
pub(crate) fn given(
    which: WhichStore,
    url: &str,
    files: &StoreCredentialFiles,
) -> anyhow::Result<GivenStore> {
    if !is_bucket(url) {
        let own = match which {
            WhichStore::Objects => files.store_credentials_file.as_deref(),
            WhichStore::Keys => files.keys_store_credentials_file.as_deref(),
        };
        if let Some(file) = own {
            let file = file.display();
            return Err(FlowError::Input(format!(
                "`{url}` is a directory and takes no credential: leave `{file}` out, or give an address such as s3://BUCKET/PREFIX"
            ))
            .into());
        }
        // What is found from here must be found from everywhere.
        let url = match url.contains("://") || url.is_empty() {
            true => url.to_owned(),
            false => std::path::absolute(url)?.display().to_string(),
        };
        return Ok(GivenStore { which, url, options: StoreOptions::default() });
    }
    let mut words = match files.of(which) {
        Some(file) => words_of_file(file)?,
        None => words_of_environment(),
    };
    let url = complete(url, &words);
    let (Some(access_key), Some(secret_key)) =
        (words.remove(&Word::AccessKey), words.remove(&Word::SecretKey))
    else {
        let flag = match which {
            WhichStore::Objects => "--store-credentials-file",
            WhichStore::Keys => "--keys-store-credentials-file",
        };
        // A person may have put a password into the address: no error may repeat it.
        let shown = if url.contains('@') || url.contains("%40") { "s3://…" } else { &url };
        return Err(FlowError::Input(format!(
            "the bucket `{shown}` needs a credential: name its file with {flag}, or set AWS_ACCESS_KEY_ID and \
             AWS_SECRET_ACCESS_KEY in the environment"
        ))
        .into());
    };
    let credentials = StoreCredentials {
        access_key: access_key.to_string(),
        secret_key,
        session_token: words.remove(&Word::SessionToken),
    };
    Ok(GivenStore {
        which,
        url,
        options: StoreOptions { credentials: Some(credentials), ..StoreOptions::default() },
    })
}

impl GivenStore {
    /// The same credential, for a store whose address is decided.
    pub(crate) fn at(self, url: String) -> Self {
        Self { url, ..self }
    }

    /// Opens a store that must be there already.
    pub(crate) fn open(&self) -> anyhow::Result<Arc<dyn ObjectStore>> {
        open(&self.url, &self.options)
    }

    /// Opens a store for a new cell: a directory is made, a bucket is tried out.
    pub(crate) async fn make(&self, rng: &dyn Rng) -> anyhow::Result<Arc<dyn ObjectStore>> {
        let store = repository::make_store(&self.url, &self.options)?;
        self.try_out(&store, rng).await?;
        Ok(store)
    }

    /// Whether a bucket can be used for what it is given for. A directory is taken as it is.
    pub(crate) async fn try_out(&self, store: &Arc<dyn ObjectStore>, rng: &dyn Rng) -> anyhow::Result<()> {
        if !is_bucket(&self.url) {
            return Ok(());
        }
        let promises = repository::probe(store, rng).await?;
        if promises.keeps_versions && self.which == WhichStore::Keys {
            return Err(FlowError::Input(format!(
                "the bucket of `{}` keeps old versions, so a person's destroyed key could come back: give the \
                 key store a bucket without versioning and without lock",
                self.url
            ))
            .into());
        }
        Ok(())
    }
}

/// Below which no platform's part lies.
const NOBODYS: &str = "t/_/probe";

impl GivenStore {
    /// Whether a bucket can be used for a platform's part of what it is given for, and for no other.
    pub(crate) async fn try_out_part(&self, platform: &Platform, rng: &dyn Rng) -> anyhow::Result<()> {
        let below = store_access::below(platform);
        let options =
            StoreOptions { below: Some(below.clone()), credentials: self.options.credentials.clone() };
        let part = Arc::new(PrefixStore::new(open(&self.url, &options)?, below));
        self.try_out(&(part as _), rng).await?;
        let store = self.open()?;
        // Whoever may read it, or may list what is there, is told that there is none.
        match store.head(&NOBODYS.into()).await {
            Err(object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. }) => Ok(()),
            Ok(_) | Err(object_store::Error::NotFound { .. }) => Err(FlowError::Input(format!(
                "the credential reaches more of `{}` than what is below `t/{platform}/`: have the bucket's server let it in there \
                 alone",
                self.url
            ))
            .into()),
            Err(source) => Err(repository::RepositoryError::Store {
                operation: "look for",
                object: NOBODYS.to_owned(),
                source: Box::new(source),
            }
            .into()),
        }
    }
}

/// The folder of a store that is a directory.
pub(crate) fn folder(url: &str) -> Option<&Path> {
    url.strip_prefix("file://").or_else(|| (!url.contains("://")).then_some(url)).map(Path::new)
}

/// The port at which a bucket's server is spoken to.
pub(crate) fn port(url: &str) -> Option<u16> {
    repository::server_port(url)
}

/// Refuses a directory that is not there. A bucket is not spoken to.
pub(crate) fn is_there(url: &str) -> Result<(), FlowError> {
    if folder(url).is_none_or(Path::is_dir) {
        return Ok(());
    }
    Err(FlowError::NotFound(format!("there is no store at `{url}`: is the disk that holds it there?")))
}

/// Opens a store that must be there already. A bucket is not spoken to yet.
pub(crate) fn open(url: &str, options: &StoreOptions) -> anyhow::Result<Arc<dyn ObjectStore>> {
    is_there(url)?;
    Ok(repository::open_store(url, options)?)
}

/// Refuses one place for both stores: what destroys a person's key must not depend on what keeps every version.
///
/// # Errors
/// Usage, with the place.
pub(crate) fn are_apart(objects: &str, keys: &str) -> anyhow::Result<()> {
    if place(objects) != place(keys) {
        return Ok(());
    }
    Err(FlowError::Input(format!(
        "`{keys}` is the place of both stores: the key store needs one of its own, without old versions and without lock"
    ))
    .into())
}

/// Where a store is, in one spelling.
fn place(url: &str) -> String {
    if is_bucket(url) {
        let (place, query) = url.split_once('?').unwrap_or((url, ""));
        let server = query.split('&').find(|pair| pair.starts_with("endpoint=")).unwrap_or_default();
        return format!("{}?{}", place.trim_end_matches('/'), server.trim_end_matches('/'));
    }
    let folder = Path::new(url.strip_prefix("file://").unwrap_or(url));
    let full = folder.canonicalize().or_else(|_| std::path::absolute(folder));
    full.unwrap_or_else(|_| folder.to_path_buf()).components().collect::<PathBuf>().display().to_string()
}

/// Refuses stores that hold some cell's backups: a new cell could not read them, and would write beside them.
pub(crate) async fn are_empty(stores: &Stores) -> anyhow::Result<()> {
    for (what, store) in [("object store", &stores.objects), ("key store", &stores.keys)] {
        let first = store.list(Some(&"t".into())).try_next().await;
        let first = first.map_err(|source| repository::RepositoryError::Store {
            operation: "list",
            object: what.to_owned(),
            source: Box::new(source),
        })?;
        if first.is_some() {
            return Err(FlowError::Conflict(format!(
                "the {what} holds a cell's backups already: choose another place, or set that cell up again with \
                 `caretaker init --from-store`"
            ))
            .into());
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<&[(Word, &str)], &str>) {
        let found = read_words(text);
        let found: Result<Vec<(Word, &str)>, &str> = match &found {
            Ok(words) => Ok(words.iter().map(|(word, value)| (*word, value.as_str())).collect()),
            Err(why) => Err(why),
        };
        assert_eq!(found, expected.map(<[_]>::to_vec), "{text}");
    }

    #[test]
    fn a_credential_is_read_as_a_shell_or_a_client_of_s3_writes_it() {
        let both = [(Word::AccessKey, "id"), (Word::SecretKey, "a/b+c=")];
        check("AWS_ACCESS_KEY_ID=id\nexport AWS_SECRET_ACCESS_KEY='a/b+c='\n", Ok(&both));
        check(
            "# mine\n[default]\naws_access_key_id = id\naws_secret_access_key = a/b+c=\noutput = json\n",
            Ok(&both),
        );
        check(
            "region = eu\nendpoint_url=http://h:1",
            Ok(&[(Word::Endpoint, "http://h:1"), (Word::Region, "eu")]),
        );
        check("AWS_REGION=eu\nAWS_DEFAULT_REGION=us", Ok(&[(Word::Region, "eu")]));
        check("", Ok(&[]));
        check("id\nsecret", Err("a line is not `name = value`"));
        let two = "[a]\naws_access_key_id = 1\n[b]\naws_access_key_id = 2\n";
        check(two, Err("it holds more than one credential; leave only the one for this store"));
    }

    #[test]
    fn one_place_is_not_both_stores() {
        for (objects, keys, apart) in [
            ("/a/store", "/a/keys", true),
            ("/a/store", "/a/store/", false),
            ("/a/store", "file:///a/./store", false),
            ("s3://b/p", "s3://b/q", true),
            ("s3://b/p?region=eu", "s3://b/p/?region=us", false),
            ("s3://b/p?endpoint=https://h", "s3://b/p?endpoint=https://g", true),
        ] {
            assert_eq!(are_apart(objects, keys).is_ok(), apart, "{objects} {keys}");
        }
    }

    #[test]
    fn an_address_is_completed_and_never_overruled() {
        let words: Words = [(Word::Endpoint, "http://h:1"), (Word::Region, "eu")]
            .map(|(w, v)| (w, v.to_owned().into()))
            .into();
        assert_eq!(complete("s3://b/p", &words), "s3://b/p?endpoint=http://h:1&region=eu");
        assert_eq!(complete("s3://b?region=us", &words), "s3://b?region=us&endpoint=http://h:1");
        let full = "s3://b?endpoint=https://s&region=us";
        assert_eq!(complete(full, &words), full);
        assert_eq!(complete("s3://b", &Words::new()), "s3://b");
    }
}
