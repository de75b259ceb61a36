//! From a URL to an object store: a local directory, or a bucket of S3 or of what speaks like it.
//!
//! | URL | store |
//! |---|---|
//! | `some/dir`, `/some/dir`, `file:///some/dir` | a directory; every write is on disk before it counts |
//! | `s3://BUCKET/PREFIX?endpoint=URL&region=NAME` | a bucket; without `endpoint` Amazon's, `us-east-1` without `region` |
//!
//! Credentials are given, never looked for in the environment: whoever starts a process must not change by
//! accident whose store it opens.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3, AmazonS3Builder, Checksum, S3ConditionalPut};
use object_store::prefix::PrefixStore;
use object_store::{ClientOptions, ObjectStore};
use url::Url;
use zeroize::Zeroizing;

use crate::directory::Directory;
use crate::error::{RepositoryError, Result};
use crate::part::Part;

/// Longest time for one request, body included: a pack has some 12 MiB, and some lines are slow.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(300);
/// Longest time until a connection stands.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Where Amazon's buckets are if nobody says otherwise.
const REGION: &str = "us-east-1";

/// Who a bucket's server takes us for.
#[derive(Clone)]
pub struct StoreCredentials {
    /// The access key's id.
    pub access_key: String,
    /// The secret that belongs to it.
    pub secret_key: Zeroizing<String>,
    /// The token that comes with credentials for a time.
    pub session_token: Option<Zeroizing<String>>,
}

/// What a store's URL does not say.
#[derive(Default)]
pub struct StoreOptions {
    /// Needed for `s3://`.
    pub credentials: Option<StoreCredentials>,
    /// That the store is used below this folder alone. Whoever may enter no other needs to say so. Of a directory it is there and
    /// durable.
    pub below: Option<String>,
}

/// What a URL names.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Location {
    Directory(PathBuf),
    Bucket { bucket: String, prefix: String, endpoint: Option<String>, region: String },
}

fn refuse(url: &str, why: impl std::fmt::Display) -> RepositoryError {
    RepositoryError::Input(format!("`{url}` names no store: {why}"))
}

fn failed(operation: &'static str, url: &str, source: object_store::Error) -> RepositoryError {
    RepositoryError::Store { operation, object: url.to_owned(), source: Box::new(source) }
}

/// Reads a store's URL.
pub(crate) fn locate(text: &str) -> Result<Location> {
    if text.is_empty() {
        return Err(refuse(text, "it is empty"));
    }
    let Some((scheme, _)) = text.split_once("://") else { return Ok(Location::Directory(text.into())) };
    // A person may have put a password into the URL: no error may repeat it.
    let url = Url::parse(text).map_err(|error| refuse(&format!("{scheme}://…"), error))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refuse(&format!("{scheme}://…@…"), "credentials do not belong into a URL"));
    }
    // Nor one that stands in the address of a server.
    let may_hold_secret = text.contains('@') || text.contains("%40");
    let shown = if may_hold_secret { format!("{scheme}://…") } else { text.to_owned() };
    match scheme {
        "file" => {
            if url.query().is_some() || url.fragment().is_some() {
                return Err(refuse(&shown, "a directory takes no options"));
            }
            let path = url
                .to_file_path()
                .map_err(|()| refuse(&shown, "a file URL has an absolute path and no host"))?;
            Ok(Location::Directory(path))
        }
        "s3" => locate_bucket(&shown, &url),
        _ => Err(refuse(&shown, "a directory, `file://` or `s3://` is expected")),
    }
}

/// `shown` is the URL as errors may repeat it.
fn locate_bucket(shown: &str, url: &Url) -> Result<Location> {
    let bucket =
        url.host_str().filter(|host| !host.is_empty()).ok_or_else(|| refuse(shown, "it has no bucket"))?;
    if url.port().is_some() || url.fragment().is_some() {
        return Err(refuse(
            shown,
            "behind `s3://` come a bucket and a prefix; a server is given as `?endpoint=`",
        ));
    }
    let (mut endpoint, mut region) = (None, REGION.to_owned());
    for (name, value) in url.query_pairs() {
        match &*name {
            "endpoint" => {
                let server = Url::parse(&value).ok().filter(|server| {
                    ["http", "https"].contains(&server.scheme())
                        && server.path() == "/"
                        && server.query().is_none()
                        && server.username().is_empty()
                        && server.password().is_none()
                });
                if server.is_none() {
                    let value = if value.contains('@') { "…" } else { &value };
                    return Err(refuse(shown, format!("`{value}` is not the http or https URL of a server")));
                }
                endpoint = Some(value.trim_end_matches('/').to_owned());
            }
            "region" if !value.is_empty() => region = value.into_owned(),
            other => return Err(refuse(shown, format!("it takes `endpoint` and `region`, not `{other}`"))),
        }
    }
    let prefix = url.path().trim_matches('/').to_owned();
    Ok(Location::Bucket { bucket: bucket.to_owned(), prefix, endpoint, region })
}

/// Opens a store that exists.
///
/// # Errors
/// [`RepositoryError::Input`] for a URL that names none, or where credentials are missing;
/// [`RepositoryError::Store`] where a directory is absent. A bucket is not spoken to yet.
pub fn open_store(url: &str, options: &StoreOptions) -> Result<Arc<dyn ObjectStore>> {
    match locate(url)? {
        Location::Directory(path) => open_directory(url, &path, options),
        location @ Location::Bucket { .. } => {
            let (bucket, prefix) = open_bucket(url, &location, options)?;
            let store: Arc<dyn ObjectStore> = match prefix.is_empty() {
                true => Arc::new(bucket),
                false => Arc::new(PrefixStore::new(bucket, prefix)),
            };
            Ok(if options.below.is_some() { Arc::new(Part(store)) } else { store })
        }
    }
}

/// Opens a store; a directory is made first, for its owner alone, where it is absent. Buckets are made by
/// whoever pays for them.
///
/// # Errors
/// As [`open_store`], and when the directory cannot be made.
pub fn make_store(url: &str, options: &StoreOptions) -> Result<Arc<dyn ObjectStore>> {
    use std::os::unix::fs::DirBuilderExt as _;
    if let Location::Directory(path) = locate(url)? {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&path).map_err(|source| {
            let source = object_store::Error::Generic { store: "LocalFileSystem", source: Box::new(source) };
            failed("make", url, source)
        })?;
    }
    open_store(url, options)
}

fn open_directory(url: &str, path: &Path, options: &StoreOptions) -> Result<Arc<dyn ObjectStore>> {
    let store =
        Directory::open(path, options.below.as_deref()).map_err(|source| failed("open", url, source))?;
    Ok(Arc::new(store))
}

/// A bucket's client, and the prefix below which its objects stand.
pub(crate) fn open_bucket(
    url: &str,
    location: &Location,
    options: &StoreOptions,
) -> Result<(AmazonS3, String)> {
    let Location::Bucket { bucket, prefix, endpoint, region } = location else {
        return Err(refuse(url, "it is no bucket"));
    };
    let credentials =
        options.credentials.as_ref().ok_or_else(|| refuse(url, "an access key and its secret are needed"))?;
    let client = ClientOptions::new()
        .with_timeout(REQUEST_TIMEOUT)
        .with_connect_timeout(CONNECT_TIMEOUT)
        .with_allow_http(endpoint.as_ref().is_some_and(|endpoint| endpoint.starts_with("http://")));
    let mut builder = AmazonS3Builder::new()
        .with_client_options(client)
        .with_bucket_name(bucket)
        .with_region(region)
        .with_access_key_id(&credentials.access_key)
        .with_secret_access_key(credentials.secret_key.as_str())
        .with_conditional_put(S3ConditionalPut::ETagMatch)
        // A bucket under object lock takes nothing without one.
        .with_checksum_algorithm(Checksum::SHA256)
        // Not every server has the request that deletes many; ours are deleted one by one anyway.
        .with_disable_bulk_delete(true);
    if let Some(token) = &credentials.session_token {
        builder = builder.with_token(token.as_str());
    }
    if let Some(endpoint) = endpoint {
        builder = builder.with_endpoint(endpoint);
    }
    let store = builder.build().map_err(|source| failed("open", url, source))?;
    Ok((store, prefix.clone()))
}

/// The port at which a bucket's server is spoken to; `None` for a directory, and where the address makes no sense.
#[must_use]
pub fn server_port(url: &str) -> Option<u16> {
    const HTTPS: u16 = 443;
    match locate(url) {
        Ok(Location::Bucket { endpoint: Some(endpoint), .. }) => {
            Url::parse(&endpoint).ok()?.port_or_known_default()
        }
        Ok(Location::Bucket { endpoint: None, .. }) => Some(HTTPS),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(prefix: &str, endpoint: Option<&str>, region: &str) -> Location {
        let endpoint = endpoint.map(str::to_owned);
        Location::Bucket { bucket: "b".into(), prefix: prefix.into(), endpoint, region: region.into() }
    }

    fn check(url: &str, expected: &Location) {
        assert_eq!(&locate(url).unwrap(), expected, "{url}");
    }

    fn check_refused(url: &str, why: &str) {
        let error = locate(url).unwrap_err().to_string();
        assert!(error.contains(why), "{url}: {error}");
    }

    #[test]
    fn urls_name_directories_and_buckets() {
        check("some/dir", &Location::Directory("some/dir".into()));
        check("/some/dir", &Location::Directory("/some/dir".into()));
        check("file:///some/di%20r", &Location::Directory("/some/di r".into()));
        check("s3://b", &bucket("", None, "us-east-1"));
        check("s3://b/a/c/?region=eu-1", &bucket("a/c", None, "eu-1"));
        check("s3://b/p?endpoint=http://127.0.0.1:9/", &bucket("p", Some("http://127.0.0.1:9"), "us-east-1"));
    }

    #[test]
    fn what_names_no_store_is_refused_by_name() {
        check_refused("", "it is empty");
        check_refused("ftp://host/dir", "`ftp://host/dir` names no store");
        check_refused("file://host/dir", "no host");
        check_refused("file:///dir?region=x", "takes no options");
        check_refused("s3:///p", "`s3:///p`");
        check_refused("s3://b?zone=x", "not `zone`");
        check_refused("s3://b?region=", "not `region`");
        check_refused("s3://b?endpoint=host:9", "`host:9` is not");
        check_refused("s3://b:9/p", "?endpoint=");
    }

    #[test]
    fn a_password_in_a_url_is_refused_and_not_repeated() {
        let error = locate("s3://key:hunter2@b/p").unwrap_err().to_string();
        assert!(error.contains("credentials") && !error.contains("hunter2"), "{error}");
        for server in ["https://key:hunter2@host", "https://key:hunter2@host/path", "key:hunter2@host"] {
            let error = locate(&format!("s3://b?endpoint={server}")).unwrap_err().to_string();
            assert!(error.contains("of a server") && !error.contains("hunter2"), "{error}");
        }
        let error = locate("s3://b?zone=x&endpoint=https://key:hunter2@host").unwrap_err().to_string();
        assert!(error.contains("not `zone`") && !error.contains("hunter2"), "{error}");
    }

    #[test]
    fn a_bucket_needs_credentials_and_a_directory_must_be_there() {
        let error = open_store("s3://b", &StoreOptions::default()).unwrap_err().to_string();
        assert!(error.contains("`s3://b`") && error.contains("access key"), "{error}");
        let dir = tempfile::tempdir().unwrap();
        let absent = dir.path().join("absent");
        let url = absent.to_str().unwrap();
        let error = open_store(url, &StoreOptions::default()).unwrap_err().to_string();
        assert!(error.contains(url), "{error}");
        make_store(url, &StoreOptions::default()).unwrap();
        open_store(url, &StoreOptions::default()).unwrap();
    }
}
