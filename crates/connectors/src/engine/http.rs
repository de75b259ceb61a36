//! HTTPS, and nothing else: a plain address is refused before a byte is sent.

use std::time::Duration;

use reqwest::redirect::Policy;
use url::Url;

use crate::contract::Fault;

/// Longest time to connect.
const CONNECT_MAX: Duration = Duration::from_secs(15);
/// Longest silence within an answer.
const SILENCE_MAX: Duration = Duration::from_secs(90);
/// What we call ourselves.
const AGENT: &str = concat!("caretaker/", env!("CARGO_PKG_VERSION"));

/// The two ways in which a connector speaks HTTPS.
#[derive(Debug, Clone)]
pub(crate) struct Https {
    /// To the API: follows no redirect, so that a credential goes nowhere else.
    pub(crate) api: reqwest::Client,
    /// To files: results, media, uploads. Carries no credential, and takes bytes as they are.
    pub(crate) files: reqwest::Client,
}

impl Https {
    /// Builds both. `ca_pem` is one more authority to trust beside the system's, in PEM.
    ///
    /// # Errors
    /// [`Fault::Rejected`] where the authority is no certificate.
    pub(crate) fn new(ca_pem: Option<&[u8]>) -> Result<Self, Fault> {
        let authorities = match ca_pem {
            Some(pem) => reqwest::Certificate::from_pem_bundle(pem).map_err(|error| {
                Fault::Rejected(format!("the authority's file holds no certificate: {error}"))
            })?,
            None => Vec::new(),
        };
        let build = |builder: reqwest::ClientBuilder| {
            builder
                .user_agent(AGENT)
                .https_only(true)
                .connect_timeout(CONNECT_MAX)
                .read_timeout(SILENCE_MAX)
                .tls_certs_merge(authorities.iter().cloned())
                .build()
                .map_err(|error| Fault::Unavailable(describe(&error)))
        };
        Ok(Self {
            api: build(reqwest::Client::builder().redirect(Policy::none()).gzip(true))?,
            files: build(reqwest::Client::builder().redirect(Policy::limited(4)).gzip(false))?,
        })
    }
}

/// Reads the address of a store.
///
/// # Errors
/// [`Fault::NotThePlatform`] where it is no address, or not one of HTTPS. Of what was given, the message repeats the
/// host alone: a person may have put a password into the rest.
pub(crate) fn store_url(text: &str) -> Result<Url, Fault> {
    let with_scheme = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
    let url = Url::parse(&with_scheme).map_err(|error| {
        Fault::NotThePlatform(format!(
            "that is not the address of a store ({error}): https://HOST is expected"
        ))
    })?;
    let host = url.host_str().unwrap_or_default();
    if url.scheme() != "https" {
        return Err(Fault::NotThePlatform(format!(
            "the address of `{host}` is not one of HTTPS: a credential is never sent in clear. Use https://{host}"
        )));
    }
    if host.is_empty() || !url.username().is_empty() || url.password().is_some() {
        return Err(Fault::NotThePlatform(format!(
            "that is not the address of a store: https://{host} is expected, with no name or password in it"
        )));
    }
    Ok(url)
}

/// Says what went wrong on the way, with its causes; never the address, which may hold a signature.
pub(crate) fn describe(error: &reqwest::Error) -> String {
    let mut text = if error.is_timeout() {
        "no answer in time".to_owned()
    } else if error.is_connect() {
        "no connection".to_owned()
    } else if error.is_body() || error.is_decode() {
        "the answer was cut off".to_owned()
    } else {
        "the request failed".to_owned()
    };
    let mut cause = std::error::Error::source(error);
    let mut last = String::new();
    while let Some(inner) = cause {
        last = inner.to_string();
        cause = inner.source();
    }
    if !last.is_empty() {
        text.push_str(": ");
        text.push_str(&last);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<&str>) {
        assert_eq!(store_url(text).ok().map(String::from).as_deref(), expected, "{text}");
    }

    #[test]
    fn only_addresses_of_https_are_taken() {
        check("https://a.example", Some("https://a.example/"));
        check("a.example", Some("https://a.example/"));
        check("https://127.0.0.1:4433", Some("https://127.0.0.1:4433/"));
        check("http://a.example", None);
        check("ftp://a.example", None);
        check("https://user:secret@a.example", None);
        check("", None);
        check("https://", None);
    }

    #[test]
    fn what_is_said_of_an_address_repeats_no_password() {
        for text in ["https://user:hunter2@a.example", "http://user:hunter2@a.example"] {
            let said = store_url(text).unwrap_err().to_string();
            assert!(said.contains("a.example") && !said.contains("hunter2"), "{said}");
        }
        let said = store_url("https://user:hunter2@a.example:no-port").unwrap_err().to_string();
        assert!(!said.contains("hunter2"), "{said}");
    }

    #[test]
    fn a_file_that_holds_no_certificate_is_refused() {
        assert!(Https::new(Some(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")).is_err());
        assert!(Https::new(None).is_ok());
    }
}
