//! Making buckets. Caretaker never does: they belong to whoever pays for them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use object_store::ClientOptions;
use object_store::aws::AmazonS3Builder;
use object_store::client::{HttpConnector as _, HttpRequest, HttpRequestBody, ReqwestConnector};
use object_store::path::Path;
use object_store::signer::{HeaderName, HeaderValue, Method, SignedUrlOptions, Signer as _};

use crate::target::Server;

const SIGNATURE: Duration = Duration::from_secs(60);

/// Whatever is written stays for a day.
const LOCK: &str = "<ObjectLockConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
<ObjectLockEnabled>Enabled</ObjectLockEnabled>\
<Rule><DefaultRetention><Mode>COMPLIANCE</Mode><Days>1</Days></DefaultRetention></Rule>\
</ObjectLockConfiguration>";

/// Makes a new bucket; answers its name.
pub(crate) async fn make(server: &Server, locked: bool) -> String {
    static TURN: AtomicU64 = AtomicU64::new(0);
    let turn = TURN.fetch_add(1, Ordering::SeqCst);
    let bucket = format!("conformance-{}-{turn}{}", std::process::id(), if locked { "-lock" } else { "" });
    let mut options = SignedUrlOptions::new();
    if locked {
        let header = HeaderName::from_static("x-amz-bucket-object-lock-enabled");
        options = options.with_signed_header(header, HeaderValue::from_static("true"));
    }
    send(server, &bucket, options, "").await;
    if locked {
        send(server, &bucket, SignedUrlOptions::new().with_query([("object-lock", "")]), LOCK).await;
    }
    bucket
}

/// Says who may do what in a bucket.
#[allow(dead_code, reason = "not every suite that makes buckets says so")]
pub(crate) async fn set_policy(server: &Server, bucket: &str, policy: &str) {
    send(server, bucket, SignedUrlOptions::new().with_query([("policy", "")]), policy).await;
}

/// A signed PUT to the bucket itself.
async fn send(server: &Server, bucket: &str, options: SignedUrlOptions, body: &str) {
    let given = server.options().credentials.unwrap();
    let store = AmazonS3Builder::new()
        .with_bucket_name(bucket)
        .with_endpoint(&server.endpoint)
        .with_allow_http(true)
        .with_access_key_id(given.access_key)
        .with_secret_access_key(given.secret_key.as_str())
        .build()
        .unwrap();
    let url = store.signed_url_opts(Method::PUT, &Path::default(), SIGNATURE, &options).await.unwrap();
    let client = ReqwestConnector::default().connect(&ClientOptions::new().with_allow_http(true)).unwrap();
    let mut request = HttpRequest::new(HttpRequestBody::from(body.as_bytes().to_vec()));
    *request.method_mut() = Method::PUT;
    *request.uri_mut() = url.as_str().parse().unwrap();
    request.headers_mut().extend(options.signed_headers);
    // An empty body is sent without a length otherwise, which some servers refuse.
    request.headers_mut().insert(HeaderName::from_static("content-length"), HeaderValue::from(body.len()));
    let answer = client.execute(request).await.unwrap();
    assert!(answer.status().is_success(), "bucket `{bucket}`: {}", answer.status());
}
