//! What a cell is called in public: an address of HTTPS, given when the cell is made, and the same for good.

use std::fmt;
use std::str::FromStr;

use rustls::pki_types::ServerName;
use serde::{Deserialize, Serialize};
use url::{Host, Url};

/// `https://HOST`, or `https://HOST:PORT`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct PublicUrl(Url);

/// A text is no public address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no public address: https://HOST or https://HOST:PORT is expected, and nothing behind it")]
pub(crate) struct NoPublicUrl(String);

impl FromStr for PublicUrl {
    type Err = NoPublicUrl;

    fn from_str(text: &str) -> Result<Self, NoPublicUrl> {
        let none = || NoPublicUrl(text.to_owned());
        let url = Url::parse(text).map_err(|_| none())?;
        let rest = (url.username(), url.password(), url.path(), url.query(), url.fragment());
        if url.scheme() != "https" || rest != ("", None, "/", None, None) {
            return Err(none());
        }
        let named = Self(url);
        named.server_name().ok_or_else(none)?;
        Ok(named)
    }
}

impl PublicUrl {
    /// The name that a certificate must be for.
    pub(crate) fn server_name(&self) -> Option<ServerName<'static>> {
        match self.0.host()? {
            Host::Domain(name) => ServerName::try_from(name.to_owned()).ok(),
            Host::Ipv4(address) => Some(ServerName::from(std::net::IpAddr::from(address))),
            Host::Ipv6(address) => Some(ServerName::from(std::net::IpAddr::from(address))),
        }
    }

    /// The name in the domain name system; `None` where it is an address.
    pub(crate) fn domain(&self) -> Option<&str> {
        self.0.domain()
    }

    /// `HOST` or `HOST:PORT`.
    pub(crate) fn authority(&self) -> &str {
        self.0.authority()
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

impl TryFrom<String> for PublicUrl {
    type Error = NoPublicUrl;

    fn try_from(text: String) -> Result<Self, NoPublicUrl> {
        text.parse()
    }
}

impl From<PublicUrl> for String {
    fn from(url: PublicUrl) -> Self {
        url.to_string()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<&str>) {
        assert_eq!(text.parse::<PublicUrl>().ok().map(String::from).as_deref(), expected, "{text}");
    }

    #[test]
    fn a_public_address_is_one_of_https_and_nothing_behind_it() {
        check("https://backup.example", Some("https://backup.example"));
        check("https://backup.example/", Some("https://backup.example"));
        check("https://Backup.example:8443", Some("https://backup.example:8443"));
        check("https://[::1]:8443", Some("https://[::1]:8443"));
        for wrong in [
            "http://backup.example",
            "backup.example",
            "https://backup.example/console",
            "https://user@backup.example",
            "https://user:secret@backup.example",
            "https://backup.example/?a",
            "https://backup.example/#a",
            "https://",
            "",
        ] {
            check(wrong, None);
        }
    }

    #[test]
    fn it_is_told_as_events_and_certificates_name_it() {
        let url: PublicUrl = "https://backup.example:8443".parse().unwrap();
        assert_eq!((url.authority(), url.domain()), ("backup.example:8443", Some("backup.example")));
        assert_eq!(url.server_name().unwrap().to_str(), "backup.example");
        let address: PublicUrl = "https://127.0.0.1".parse().unwrap();
        assert_eq!((address.domain(), &*address.server_name().unwrap().to_str()), (None, "127.0.0.1"));
    }
}
