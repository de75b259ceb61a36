//! A root key sealed by a key management service that speaks as AWS's does
//! (<https://docs.aws.amazon.com/kms/latest/APIReference/>): `Encrypt` and `Decrypt`, with an encryption context.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::{Clock, Id128, Region, with_causes};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Url};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::runtime::{Builder, Runtime};
use zeroize::Zeroizing;

use super::sigv4::{Credentials, Place, authorization, date};
use super::way::{Words, another};
use super::{OutsideKey, PURPOSE, SealError, Seals, check_region};
use crate::error::VaultErrorKind;
use crate::private_file;
use crate::secret::Secret;

/// Longest time to connect.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// Longest time for an answer.
const ANSWER_MAX: Duration = Duration::from_secs(30);
/// So often a request is sent that was not answered, or that the service had no time for.
const TRIES: u32 = 3;
/// And again after so long, times how often it was sent.
const TRY_AGAIN: Duration = Duration::from_millis(300);
/// Longest answer that is read, in bytes. A sealed key has 6 KiB at most.
const ANSWER_LEN_MAX: usize = 64 * 1024;
/// So much of what the service says is passed on, in characters.
const WORDS_MAX: usize = 300;
/// What we call ourselves.
const AGENT: &str = concat!("caretaker/", env!("CARGO_PKG_VERSION"));
const MEDIA_TYPE: &str = "application/x-amz-json-1.1";
const CREDENTIALS_FILE: &str = "file with the service's credentials";

/// Where a service is, which key of it is meant, and who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KmsWay {
    key: String,
    region: String,
    endpoint: Url,
    credentials_file: PathBuf,
    ca_file: Option<PathBuf>,
}

/// The key of a service that has sealed a root key, as it stands in the vault's file.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KmsKey {
    /// Its name in full, as the service says it.
    pub(super) key: String,
    /// The cell's.
    region: Region,
}

impl KmsWay {
    pub(super) fn read(key: String, query: &mut Words) -> Result<Self, String> {
        let of_key = key.strip_prefix("arn:").and_then(|rest| rest.split(':').nth(2)).map(str::to_owned);
        let region = match query.take("region")? {
            Some(region) => region,
            None => of_key.ok_or("`region=…` is missing")?,
        };
        if !region.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-') {
            return Err(format!("`{region}` is no region of a service"));
        }
        let endpoint =
            query.take("endpoint")?.unwrap_or_else(|| format!("https://kms.{region}.amazonaws.com"));
        let url: Url = endpoint.parse().map_err(|error| format!("`endpoint` is no address: {error}"))?;
        if url.scheme() != "https" || url.host_str().is_none() {
            return Err("`endpoint` must begin with `https://`: a root key goes over no other".to_owned());
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(
                "`endpoint` must have no password in it: name a file, `credentials-file=…`".to_owned()
            );
        }
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err("`endpoint` must be a host, and a port if need be, and nothing behind it".to_owned());
        }
        let credentials_file =
            query.take_file("credentials-file")?.ok_or("`credentials-file=…` is missing")?;
        Ok(Self { key, region, endpoint: url, credentials_file, ca_file: query.take_file("ca-file")? })
    }

    /// A key has a name in full, and shorter ones; an alias says nothing of which key it is.
    pub(super) fn leads_to(&self, key: &str) -> bool {
        let is_alias = self.key.starts_with("alias/") || self.key.contains(":alias/");
        is_alias || self.key == key || key.rsplit_once('/').is_some_and(|(_, id)| id == self.key)
    }

    /// The lines `aws_access_key_id = …`, `aws_secret_access_key = …` and, where there is one, `aws_session_token = …`, in small
    /// letters or in capitals.
    fn credentials(&self) -> Result<Credentials, SealError> {
        private_file::refuse_exposed(CREDENTIALS_FILE, &self.credentials_file)?;
        let file = Secret::read(&self.credentials_file)?;
        let unusable = |why: &str| {
            SealError::usage(format!(
                "the {CREDENTIALS_FILE} `{}` holds none: {why}",
                self.credentials_file.display()
            ))
        };
        let text = file.expose_text().ok_or_else(|| unusable("it is no text"))?;
        let word = |name: &str| {
            let mut values = text.lines().filter_map(|line| {
                let (found, value) = line.split_once('=')?;
                found.trim().eq_ignore_ascii_case(name).then(|| value.trim())
            });
            match (values.next().filter(|value| !value.is_empty()), values.next()) {
                (found, None) => Ok(found.map(str::to_owned)),
                (_, Some(_)) => Err(unusable("it holds more than one")),
            }
        };
        let (Some(access_key), Some(secret_key)) =
            (word("aws_access_key_id")?, word("aws_secret_access_key")?)
        else {
            return Err(unusable(
                "`aws_access_key_id = …` and `aws_secret_access_key = …` are expected, a line each",
            ));
        };
        let secret_key = Secret::from_text(secret_key);
        Ok(Credentials { access_key, secret_key, session_token: word("aws_session_token")? })
    }
}

/// A service, ready to be asked.
pub(super) struct Kms {
    way: KmsWay,
    region: Region,
    clock: Arc<dyn Clock>,
    credentials: Credentials,
    client: Client,
    runtime: Runtime,
}

/// What a service is asked. Bytes are in base64.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Asked<'a> {
    key_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    plaintext: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ciphertext_blob: Option<&'a str>,
    encryption_context: serde_json::Value,
}

/// What a service answers where it does what it is asked. Bytes are in base64.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answered {
    key_id: String,
    ciphertext_blob: Option<String>,
    plaintext: Option<String>,
}

/// Why it does not.
#[derive(Deserialize)]
struct Refusal {
    #[serde(rename = "__type")]
    kind: String,
    #[serde(alias = "Message", default)]
    message: String,
}

/// What a service gave, and by which key.
pub(crate) struct Given {
    pub(crate) key: String,
    pub(crate) bytes: Zeroizing<Vec<u8>>,
}

/// Why a service gave nothing.
pub(crate) enum NotGiven {
    /// It says so, by that word and some more.
    Refused { word: String, message: String },
    /// It has no time, or trouble of its own: it may be asked again.
    Busy(String),
    /// It makes no sense.
    Misunderstood,
}

/// Reads what a service answers.
pub(crate) fn answer(status: u16, body: &[u8]) -> Result<Given, NotGiven> {
    if status != 200 {
        let refusal = serde_json::from_slice::<Refusal>(body).ok();
        let word = refusal.as_ref().map(|refusal| printable(last_word(&refusal.kind))).unwrap_or_default();
        let is_busy = status >= 500 || word.contains("Throttling") || word == "DependencyTimeoutException";
        return Err(match refusal {
            _ if is_busy => NotGiven::Busy(format!("it answers {status} {word}")),
            Some(refusal) => NotGiven::Refused { word, message: printable(&refusal.message) },
            None => NotGiven::Misunderstood,
        });
    }
    let answered: Answered = serde_json::from_slice(body).map_err(|_| NotGiven::Misunderstood)?;
    let texts = (answered.ciphertext_blob.map(Zeroizing::new), answered.plaintext.map(Zeroizing::new));
    let ((Some(text), None) | (None, Some(text))) = texts else { return Err(NotGiven::Misunderstood) };
    let bytes = STANDARD.decode(text.as_bytes()).map_err(|_| NotGiven::Misunderstood)?;
    Ok(Given { key: printable(&answered.key_id), bytes: Zeroizing::new(bytes) })
}

/// The name of an error, before which services put others.
fn last_word(kind: &str) -> &str {
    kind.rsplit('#').next().unwrap_or_default()
}

fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(WORDS_MAX).collect()
}

/// What a refusal means for whoever asked.
fn refused(word: &str, message: &str) -> SealError {
    let told = if message.is_empty() { word.to_owned() } else { format!("{word}: {message}") };
    match word {
        "NotFoundException" => SealError::missing(format!("the service knows no such key ({told})")),
        "DisabledException" | "KMSInvalidStateException" => {
            SealError::refused(format!("the key is disabled, or on its way to be deleted ({told})"))
        }
        "IncorrectKeyException" | "InvalidCiphertextException" => SealError::refused(format!(
            "the service does not open the root key ({told}): it was sealed by another key, for another vault or region, or was changed"
        )),
        _ => SealError::refused(format!("the service refuses ({told})")),
    }
}

impl Kms {
    /// Reads credentials and authority, and makes ready to speak.
    pub(super) fn open(way: &KmsWay, region: &Region, clock: Arc<dyn Clock>) -> Result<Self, SealError> {
        let mut builder = Client::builder()
            .user_agent(AGENT)
            .https_only(true)
            .redirect(Policy::none())
            .connect_timeout(CONNECT_MAX)
            .timeout(ANSWER_MAX);
        if let Some(file) = &way.ca_file {
            let unusable = |why: String| {
                SealError::usage(format!("the authority's file `{}` cannot be used: {why}", file.display()))
            };
            let pem = std::fs::read(file).map_err(|error| unusable(error.to_string()))?;
            let authorities =
                Certificate::from_pem_bundle(&pem).map_err(|error| unusable(error.to_string()))?;
            if authorities.is_empty() {
                return Err(unusable("it holds no certificate".to_owned()));
            }
            // Where an authority is named, no other counts.
            builder = builder.tls_certs_only(authorities);
        }
        let client = builder.build().map_err(|error| SealError::failed(with_causes(&error)))?;
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| SealError::failed(error.to_string()))?;
        Ok(Self {
            credentials: way.credentials()?,
            way: way.clone(),
            region: region.clone(),
            clock,
            client,
            runtime,
        })
    }

    /// The encryption context: what the service binds the sealed key to, and puts on its own record.
    fn context(&self, vault: Id128) -> serde_json::Value {
        json!({
            "caretaker:vault": vault.to_string(),
            "caretaker:region": self.region.as_str(),
            "caretaker:purpose": PURPOSE,
        })
    }

    fn ask(&self, operation: &str, asked: &Asked<'_>) -> Result<Given, SealError> {
        let mut body = Zeroizing::new(Vec::with_capacity(ANSWER_LEN_MAX));
        serde_json::to_writer(&mut *body, asked).map_err(|error| SealError::failed(error.to_string()))?;
        let mut tried = 0;
        loop {
            tried += 1;
            let answered = match self.runtime.block_on(self.send(operation, &body)) {
                Ok((status, body)) => answer(status, &body),
                Err(why) => Err(NotGiven::Busy(why)),
            };
            match answered {
                Ok(given) => return Ok(given),
                Err(NotGiven::Refused { word, message }) => return Err(refused(&word, &message)),
                Err(NotGiven::Misunderstood) => {
                    return Err(SealError::failed("what answers there is no key management service"));
                }
                Err(NotGiven::Busy(_)) if tried < TRIES => {
                    self.runtime.block_on(async { self.clock.sleep(TRY_AGAIN * tried).await });
                }
                Err(NotGiven::Busy(why)) => {
                    return Err(SealError::failed(format!("the service does not answer: {why}")));
                }
            }
        }
    }

    async fn send(
        &self,
        operation: &str,
        body: &Zeroizing<Vec<u8>>,
    ) -> Result<(u16, Zeroizing<Vec<u8>>), String> {
        let date = date(self.clock.now());
        let target = format!("TrentService.{operation}");
        let host = match (self.way.endpoint.host_str().unwrap_or_default(), self.way.endpoint.port()) {
            (host, Some(port)) => format!("{host}:{port}"),
            (host, None) => host.to_owned(),
        };
        let mut headers = vec![("content-type", MEDIA_TYPE), ("host", &host), ("x-amz-date", &date)];
        headers
            .extend(self.credentials.session_token.as_deref().map(|token| ("x-amz-security-token", token)));
        headers.push(("x-amz-target", &target));
        let place = Place { region: &self.way.region, service: "kms" };
        let signed = authorization(&self.credentials, &place, &date, &headers, body);
        let mut request = self.client.post(self.way.endpoint.clone()).header("authorization", signed);
        for (name, value) in headers.iter().filter(|(name, _)| *name != "host") {
            request = request.header(*name, *value);
        }
        let sent = request.body(body.to_vec()).send().await;
        let mut response = sent.map_err(|error| with_causes(&error))?;
        let status = response.status().as_u16();
        let mut received = Zeroizing::new(Vec::with_capacity(ANSWER_LEN_MAX));
        while let Some(chunk) = response.chunk().await.map_err(|error| with_causes(&error))? {
            if received.len() + chunk.len() > ANSWER_LEN_MAX {
                return Err("its answer has no end".to_owned());
            }
            received.extend_from_slice(&chunk);
        }
        Ok((status, received))
    }
}

impl Seals for Kms {
    fn seal(&mut self, vault: Id128, root: &[u8]) -> Result<(OutsideKey, Vec<u8>), SealError> {
        let text = Zeroizing::new(STANDARD.encode(root));
        let asked = Asked {
            key_id: &self.way.key,
            plaintext: Some(&text),
            ciphertext_blob: None,
            encryption_context: self.context(vault),
        };
        let Given { key, mut bytes } = self.ask("Encrypt", &asked)?;
        if bytes.is_empty() || bytes.as_slice() == root {
            return Err(SealError::failed("the service does not seal what it is given"));
        }
        Ok((OutsideKey::Kms(KmsKey { key, region: self.region.clone() }), std::mem::take(&mut *bytes)))
    }

    fn unseal(
        &mut self,
        vault: Id128,
        by: &OutsideKey,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let OutsideKey::Kms(KmsKey { key, region }) = by else { return Err(another(by)) };
        if !self.way.leads_to(key) {
            return Err(another(by));
        }
        check_region(&self.region, region)?;
        let text = STANDARD.encode(sealed);
        let asked = Asked {
            key_id: key,
            plaintext: None,
            ciphertext_blob: Some(&text),
            encryption_context: self.context(vault),
        };
        let given = self.ask("Decrypt", &asked)?;
        if given.key != *key {
            return Err(SealError::new(
                VaultErrorKind::Refused,
                format!("the service has opened the root key by `{}`, and `{key}` has sealed it", given.key),
            ));
        }
        Ok(given.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(status: u16, body: &str, expected: &str) {
        let told = match answer(status, body.as_bytes()) {
            Ok(given) => format!("{} {:?}", given.key, given.bytes.as_slice()),
            Err(NotGiven::Refused { word, message }) => format!("refused {word} {message}"),
            Err(NotGiven::Busy(_)) => "busy".to_owned(),
            Err(NotGiven::Misunderstood) => "misunderstood".to_owned(),
        };
        assert_eq!(told, expected, "{status} {body}");
    }

    #[test]
    fn answers_are_read_or_refused() {
        check(200, r#"{"KeyId":"k","CiphertextBlob":"AQI=","EncryptionAlgorithm":"x"}"#, "k [1, 2]");
        check(200, r#"{"KeyId":"k","Plaintext":"AQI="}"#, "k [1, 2]");
        check(200, r#"{"KeyId":"k","Plaintext":"AQI=","CiphertextBlob":"AQI="}"#, "misunderstood");
        check(200, r#"{"KeyId":"k","Plaintext":"A"}"#, "misunderstood");
        check(200, r#"{"Plaintext":"AQI="}"#, "misunderstood");
        check(200, "<html>", "misunderstood");
        check(
            400,
            r#"{"__type":"a#DisabledException","message":"it is\n off"}"#,
            "refused DisabledException it is off",
        );
        check(
            400,
            r#"{"__type":"AccessDeniedException","Message":"no"}"#,
            "refused AccessDeniedException no",
        );
        check(400, r#"{"__type":"ThrottlingException"}"#, "busy");
        check(404, "<html>", "misunderstood");
        check(503, "", "busy");
    }
}
