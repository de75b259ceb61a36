//! Requests signed as AWS wants them: Signature Version 4
//! (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>), for a POST to `/` with a body.

use domain::Timestamp;
use zeroize::Zeroizing;

use crate::cipher::{mac, mac_by, sha256};
use crate::encoding::to_hex;
use crate::secret::{KeyBytes, Secret};

/// Whose request it is.
pub(super) struct Credentials {
    pub(super) access_key: String,
    pub(super) secret_key: Secret,
    pub(super) session_token: Option<String>,
}

/// For which service of which region a request is.
pub(super) struct Place<'a> {
    pub(super) region: &'a str,
    pub(super) service: &'a str,
}

/// The time, as requests say it.
pub(super) fn date(now: Timestamp) -> String {
    now.strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// The value of `Authorization`. `headers` are all that is signed: names in small letters, in their order, `x-amz-date` among
/// them, which `date` repeats.
pub(super) fn authorization(
    credentials: &Credentials,
    place: &Place<'_>,
    date: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> String {
    let signed: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
    let signed = signed.join(";");
    let lines: String = headers.iter().map(|(name, value)| format!("{name}:{}\n", value.trim())).collect();
    let request = format!("POST\n/\n\n{lines}\n{signed}\n{}", *to_hex(&sha256(body)));
    let day = date.get(..8).unwrap_or_default();
    let scope = format!("{day}/{}/{}/aws4_request", place.region, place.service);
    let text = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", *to_hex(&sha256(request.as_bytes())));
    let signature = to_hex(&mac(&signing_key(credentials, place, day), text.as_bytes()));
    let access_key = &credentials.access_key;
    format!(
        "AWS4-HMAC-SHA256 Credential={access_key}/{scope}, SignedHeaders={signed}, Signature={}",
        *signature
    )
}

fn signing_key(credentials: &Credentials, place: &Place<'_>, day: &str) -> KeyBytes {
    let secret = Zeroizing::new([b"AWS4", credentials.secret_key.expose_secret()].concat());
    let first = KeyBytes::new(mac_by(&secret, day.as_bytes()));
    let words = [place.region, place.service, "aws4_request"];
    words.iter().fold(first, |key, word| KeyBytes::new(mac(&key, word.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &[u8], extra: &[(&str, &str)], signature: &str) {
        let credentials = Credentials {
            access_key: "AKIDEXAMPLE".into(),
            secret_key: Secret::from_text("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".into()),
            session_token: None,
        };
        let place = Place { region: "us-east-1", service: "service" };
        let date = date("2015-08-30T12:36:00Z".parse().unwrap());
        let headers = [extra, &[("host", "example.amazonaws.com"), ("x-amz-date", &date)]].concat();
        let made = authorization(&credentials, &place, &date, &headers, body);
        let names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
        assert_eq!(
            made,
            format!(
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders={}, \
                 Signature={signature}",
                names.join(";")
            )
        );
    }

    /// AWS's own examples (its test suite of Signature Version 4): `post-vanilla` and `post-x-www-form-urlencoded`.
    #[test]
    fn requests_are_signed_as_in_the_examples_of_aws() {
        check(b"", &[], "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b");
        check(
            b"Param1=value1",
            &[("content-type", "application/x-www-form-urlencoded")],
            "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
        );
    }
}
