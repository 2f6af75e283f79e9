//! AWS Signature Version 4, for the one request that is signed here.
//!
//! The steps are those of "Create a signed AWS API request" in the AWS IAM user guide: canonical
//! request, string to sign, signing key, signature.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use data_encoding::HEXLOWER;
use fh_api::oauth::{AWS_BODY, AWS_NONCE_HEADER, AWS_SERVER_HEADER, SignedCallerIdentity};
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::ExposeSecret as _;
use secrecy::zeroize::Zeroizing;
use sha2::{Digest as _, Sha256};
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use time::{OffsetDateTime, UtcOffset};

use super::keys::AwsCredentials;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

const SERVICE: &str = "sts";

const CONTENT_TYPE: &str = "application/x-www-form-urlencoded; charset=utf-8";

/// The form of a time, as in `20150830T123600Z`.
const TIME: &[BorrowedFormatItem<'_>] =
    format_description!("[year][month][day]T[hour][minute][second]Z");

/// What a signature is made of.
#[derive(Debug, Clone, Copy)]
pub struct Signing<'a> {
    /// The keys of whoever signs.
    pub credentials: &'a AwsCredentials,
    /// The endpoint of the Security Token Service, with a path that needs no escaping.
    pub url: &'a str,
    /// The region of that endpoint, which is a part of the signature.
    pub region: &'a str,
    /// The server that is to send the request.
    pub audience: &'a str,
    /// The nonce that this server gave, which it takes once.
    pub nonce: &'a str,
    /// When: AWS takes it for 15 minutes.
    pub now: OffsetDateTime,
}

/// A signed request that tells who signed it.
#[must_use]
pub fn sign(signing: &Signing<'_>) -> SignedCallerIdentity {
    // Every time that a calendar knows can be written.
    let time = signing
        .now
        .to_offset(UtcOffset::UTC)
        .format(TIME)
        .unwrap_or_default();
    let (host, path) = host_and_path(signing.url);
    let mut headers: BTreeMap<String, String> = [
        ("content-type", CONTENT_TYPE),
        ("host", host),
        ("x-amz-date", &time),
        (AWS_NONCE_HEADER, signing.nonce),
        (AWS_SERVER_HEADER, signing.audience),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
    .collect();
    if let Some(token) = &signing.credentials.session_token {
        headers.insert(
            "x-amz-security-token".to_owned(),
            token.expose_secret().to_owned(),
        );
    }
    let signed_headers = headers
        .keys()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(";");
    let request = canonical_request(path, &headers, &signed_headers);
    let date = time.get(..8).unwrap_or_default();
    let scope = format!("{date}/{}/{SERVICE}/aws4_request", signing.region);
    let key = signing_key(
        signing.credentials.secret_access_key.expose_secret(),
        date,
        signing.region,
        SERVICE,
    );
    let signature = HEXLOWER.encode(&mac(
        &*key,
        string_to_sign(&time, &scope, &request).as_bytes(),
    ));
    let authorization = format!(
        "{ALGORITHM} Credential={}/{scope}, SignedHeaders={signed_headers}, Signature={signature}",
        signing.credentials.access_key_id
    );
    headers.insert("authorization".to_owned(), authorization);
    SignedCallerIdentity {
        url: signing.url.to_owned(),
        headers,
        body: AWS_BODY.to_owned(),
    }
}

fn canonical_request(path: &str, headers: &BTreeMap<String, String>, signed: &str) -> String {
    let mut text = format!("POST\n{path}\n\n");
    for (name, value) in headers {
        // Writing to a String does not fail.
        let _ = writeln!(text, "{name}:{value}");
    }
    let body = HEXLOWER.encode(&Sha256::digest(AWS_BODY));
    let _ = write!(text, "\n{signed}\n{body}");
    text
}

fn string_to_sign(time: &str, scope: &str, canonical_request: &str) -> String {
    let hash = HEXLOWER.encode(&Sha256::digest(canonical_request));
    format!("{ALGORITHM}\n{time}\n{scope}\n{hash}")
}

/// The key for a day, a region and a service.
fn signing_key(secret: &str, date: &str, region: &str, service: &str) -> Zeroizing<[u8; 32]> {
    let secret = Zeroizing::new(format!("AWS4{secret}"));
    let mut key = Zeroizing::new(mac(secret.as_bytes(), date.as_bytes()));
    for part in [region, service, "aws4_request"] {
        *key = mac(&*key, part.as_bytes());
    }
    key
}

fn mac(key: &[u8], message: &[u8]) -> [u8; 32] {
    #[expect(
        clippy::expect_used,
        reason = "HMAC takes keys of any length (RFC 2104)"
    )]
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length is good");
    mac.update(message);
    mac.finalize().into_bytes().into()
}

/// The value of `Host`, and the path.
fn host_and_path(url: &str) -> (&str, &str) {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    match rest.find('/') {
        Some(slash) => rest.split_at(slash),
        None => (rest, "/"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    /// The key and dates of AWS's own examples.
    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

    #[test]
    fn the_signing_key_is_that_of_the_documentation() {
        // "Examples of how to derive a signing key for Signature Version 4".
        let key = signing_key(SECRET, "20120215", "us-east-1", "iam");
        assert_eq!(
            HEXLOWER.encode(&*key),
            "f4780e2d9f65fa895f9c67b32ce1baf0b0d8a43505a000a1a9e090d414db404d"
        );
    }

    #[test]
    fn the_signature_of_the_documentation_comes_out() {
        // "Create a signed AWS API request", ListUsers: its canonical request, string to sign, key.
        let request = "GET\n/\nAction=ListUsers&Version=2010-05-08\n\
            content-type:application/x-www-form-urlencoded; charset=utf-8\n\
            host:iam.amazonaws.com\nx-amz-date:20150830T123600Z\n\n\
            content-type;host;x-amz-date\n\
            e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let text = string_to_sign(
            "20150830T123600Z",
            "20150830/us-east-1/iam/aws4_request",
            request,
        );
        assert!(text.ends_with("f536975d06c0309214f805bb90ccff089219ecd68b2577efef23edd43b7e1a59"));
        let key = signing_key(SECRET, "20150830", "us-east-1", "iam");
        assert_eq!(
            HEXLOWER.encode(&*key),
            "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9"
        );
        assert_eq!(
            HEXLOWER.encode(&mac(&*key, text.as_bytes())),
            "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
        );
    }

    #[test]
    fn every_header_is_signed_and_the_secret_is_not_in_it() {
        let credentials = AwsCredentials {
            access_key_id: "AKIDEXAMPLE".to_owned(),
            secret_access_key: SECRET.into(),
            session_token: Some("session".into()),
        };
        let signed = sign(&Signing {
            credentials: &credentials,
            url: "https://sts.eu-central-1.amazonaws.com/",
            region: "eu-central-1",
            audience: "urn:fh:1",
            nonce: "n-1",
            now: datetime!(2015-08-30 12:36 UTC),
        });
        let authorization = &signed.headers["authorization"];
        assert!(
            authorization.starts_with(
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/eu-central-1/sts/aws4_request, \
                 SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-fh-nonce;x-fh-server, \
                 Signature="
            ),
            "{authorization}"
        );
        assert_eq!(signed.headers["host"], "sts.eu-central-1.amazonaws.com");
        assert_eq!(signed.headers["x-fh-server"], "urn:fh:1");
        let json = serde_json::to_string(&signed).unwrap();
        assert!(!json.contains(SECRET));
        assert!(!format!("{credentials:?}").contains(SECRET));
    }
}
