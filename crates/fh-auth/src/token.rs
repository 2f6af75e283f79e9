//! The tokens: JSON Web Tokens (RFC 7519) signed with Ed25519 (`alg` EdDSA, RFC 8037), behind a
//! prefix that secret scanners can find.
//!
//! A token says whose it is and until when; how far it is narrowed stands in the server's database
//! under its `jti`, so it stays short enough for netrc readers and proxies, and can be revoked.
//! The signature is checked by `jsonwebtoken`, with the algorithm pinned; times and audience are
//! checked here, against the time that the caller gives.

use data_encoding::BASE64URL_NOPAD;
use ed25519_dalek::SigningKey;
use fh_api::TOKEN_PREFIX;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::identity::{payload, signature_alone};

/// Seconds by which two clocks may differ.
const LEEWAY: i64 = 60;

/// The longest token that is looked at, in bytes.
const MAX_TOKEN: usize = 2000;

/// The DER that comes before an Ed25519 seed in PKCS #8 (RFC 8410, section 7).
const PKCS8_PREFIX: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

/// Why a token is refused. The messages are for people and name no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not a token of this kind at all.
    #[error("this is not a token: expected {TOKEN_PREFIX}… as printed by `fh token create`")]
    Malformed,
    /// The signature is not ours, or the token was changed.
    #[error("the token's signature is not valid")]
    Signature,
    /// It was made for another server. The issuer is what the token says, unverified.
    #[error("the token is for another server ({issuer})")]
    Audience {
        /// The token's own word for its server, made safe to print.
        issuer: String,
    },
    /// The time of its `exp` has come.
    #[error("the token expired at {}", rfc3339(*.at))]
    Expired {
        /// When, in seconds since 1970.
        at: i64,
    },
    /// The time of its `nbf` has not come.
    #[error("the token is not valid before {}: is a clock wrong?", rfc3339(*.at))]
    NotYetValid {
        /// From when, in seconds since 1970.
        at: i64,
    },
    /// The key cannot sign.
    #[error("the token key cannot sign")]
    Key,
}

fn rfc3339(seconds: i64) -> String {
    OffsetDateTime::from_unix_timestamp(seconds)
        .ok()
        .and_then(|at| {
            at.format(&time::format_description::well_known::Rfc3339)
                .ok()
        })
        .unwrap_or_else(|| format!("{seconds} seconds after 1970"))
}

/// What a token says. Times are seconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The server's public URL when the token was minted.
    pub iss: String,
    /// The server's audience, `urn:fh:<uuid>`.
    pub aud: String,
    /// The id of the account that it is for.
    pub sub: Uuid,
    /// The token's own id, by which it is revoked.
    pub jti: Uuid,
    /// When it was minted.
    pub iat: i64,
    /// From when it is good.
    pub nbf: i64,
    /// Until when it is good.
    pub exp: i64,
}

impl Claims {
    /// Checks the times, with 60 seconds of leeway at the beginning and none at the end (both the
    /// beginning and the end were set by this server's clock).
    ///
    /// # Errors
    /// [`TokenError::Expired`] or [`TokenError::NotYetValid`].
    pub fn check_time(&self, now: OffsetDateTime) -> Result<(), TokenError> {
        let now = now.unix_timestamp();
        if now >= self.exp {
            return Err(TokenError::Expired { at: self.exp });
        }
        if now + LEEWAY < self.nbf {
            return Err(TokenError::NotYetValid { at: self.nbf });
        }
        Ok(())
    }
}

/// A public key as `/.well-known/jwks.json` lists it (RFC 7517, RFC 8037).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Jwk {
    /// The kind of key: always `OKP`.
    pub kty: String,
    /// The curve: always `Ed25519`.
    pub crv: String,
    /// How it signs: always `EdDSA`.
    pub alg: String,
    /// What it is for: always `sig`.
    #[serde(rename = "use")]
    pub usage: String,
    /// The key's id, which tokens name in their header.
    pub kid: String,
    /// The public key, base64url.
    pub x: String,
}

/// A key that signs tokens.
pub struct TokenKey {
    id: String,
    public: [u8; 32],
    encoding: EncodingKey,
    decoding: DecodingKey,
}

fh_api::debug_fields! {
    TokenKey: id;
}

impl TokenKey {
    /// A key from its id (the header `kid`) and its 32 secret bytes.
    #[must_use]
    pub fn from_seed(id: &str, seed: &Zeroizing<[u8; 32]>) -> Self {
        let public = SigningKey::from_bytes(seed).verifying_key().to_bytes();
        let mut der = Zeroizing::new(PKCS8_PREFIX.to_vec());
        der.extend_from_slice(seed.as_slice());
        Self {
            id: id.to_owned(),
            public,
            encoding: EncodingKey::from_ed_der(&der),
            decoding: DecodingKey::from_ed_der(&public),
        }
    }

    /// The key's id, which tokens name in their header.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The public half, as the world may see it.
    #[must_use]
    pub fn jwk(&self) -> Jwk {
        Jwk {
            kty: "OKP".to_owned(),
            crv: "Ed25519".to_owned(),
            alg: "EdDSA".to_owned(),
            usage: "sig".to_owned(),
            kid: self.id.clone(),
            x: BASE64URL_NOPAD.encode(&self.public),
        }
    }

    /// Signs claims: the prefixed token, a secret.
    ///
    /// # Errors
    /// [`TokenError::Key`], which a key made by [`TokenKey::from_seed`] does not meet.
    pub fn sign(&self, claims: &Claims) -> Result<Zeroizing<String>, TokenError> {
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(self.id.clone());
        let jwt = Zeroizing::new(
            jsonwebtoken::encode(&header, claims, &self.encoding).map_err(|_| TokenError::Key)?,
        );
        Ok(Zeroizing::new(format!("{TOKEN_PREFIX}{}", jwt.as_str())))
    }

    /// Checks the signature, the audience and the times of a token, with or without its prefix.
    ///
    /// Whether it was revoked is not known here.
    ///
    /// # Errors
    /// Says what is wrong; a token of another server is told from a forged one by what it says of
    /// itself, which only chooses the message.
    pub fn verify(
        &self,
        token: &str,
        audience: &str,
        now: OffsetDateTime,
    ) -> Result<Claims, TokenError> {
        let stated = read_unverified(token)?;
        if stated.aud != audience {
            return Err(TokenError::Audience {
                issuer: printable(&stated.iss),
            });
        }
        let validation = signature_alone(Algorithm::EdDSA);
        let claims =
            jsonwebtoken::decode::<Claims>(strip_prefix(token), &self.decoding, &validation)
                .map_err(|_| TokenError::Signature)?
                .claims;
        claims.check_time(now)?;
        Ok(claims)
    }
}

/// A token without its prefix and the white space around it.
#[must_use]
pub fn strip_prefix(token: &str) -> &str {
    let token = token.trim();
    token.strip_prefix(TOKEN_PREFIX).unwrap_or(token)
}

/// What a token says of itself, *not verified*: to choose words, never to decide.
///
/// # Errors
/// [`TokenError::Malformed`] where the text is no JWT with our claims.
pub fn read_unverified(token: &str) -> Result<Claims, TokenError> {
    let jwt = strip_prefix(token);
    if jwt.len() > MAX_TOKEN {
        return Err(TokenError::Malformed);
    }
    payload(jwt).ok_or(TokenError::Malformed)
}

/// When any JWT says of itself that it is good, *not verified*: to choose words, never to decide.
/// Seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct UnverifiedTimes {
    /// When it was made.
    pub iat: Option<i64>,
    /// From when on it is good.
    pub nbf: Option<i64>,
    /// Until when it is good.
    pub exp: Option<i64>,
}

impl UnverifiedTimes {
    /// Reads them; none where the text is no JWT. A prefix of letters and digits up to an underscore,
    /// such as ours or FlakeHub's, does not count.
    #[must_use]
    pub fn read(token: &str) -> Option<Self> {
        let (header, rest) = token.split_once('.')?;
        let (payload, _signature) = rest.split_once('.')?;
        // The header is a JSON object, whose encoding begins like that.
        if !(header.starts_with("ey") || header.contains("_ey")) {
            return None;
        }
        let payload = BASE64URL_NOPAD.decode(payload.as_bytes()).ok()?;
        serde_json::from_slice(&payload).ok()
    }
}

/// Text from an unverified token, fit for a terminal and a log.
fn printable(text: &str) -> String {
    text.chars()
        .filter(char::is_ascii_graphic)
        .take(100)
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_times_of_any_jwt_can_be_read() {
        let payload = BASE64URL_NOPAD.encode(br#"{"exp":12,"aud":["x"]}"#);
        let times = UnverifiedTimes {
            iat: None,
            nbf: None,
            exp: Some(12),
        };
        for prefix in ["", "flakehub1_", "fh1_"] {
            let token = format!("{prefix}eyJh.{payload}.c2ln");
            assert_eq!(UnverifiedTimes::read(&token), Some(times), "{token}");
        }
        for none in ["", "a.b", "eyJh.!!.x", "word", &format!("xx.{payload}.x")] {
            assert_eq!(UnverifiedTimes::read(none), None, "{none}");
        }
    }

    const AUDIENCE: &str = "urn:fh:0192f0c1-0000-7000-8000-000000000001";

    fn key(byte: u8) -> TokenKey {
        TokenKey::from_seed("k1", &Zeroizing::new([byte; 32]))
    }

    fn at(seconds: i64) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(seconds).unwrap()
    }

    fn claims() -> Claims {
        Claims {
            iss: "https://cache.example".to_owned(),
            aud: AUDIENCE.to_owned(),
            sub: Uuid::from_u128(1),
            jti: Uuid::from_u128(2),
            iat: 1000,
            nbf: 1000,
            exp: 2000,
        }
    }

    #[test]
    fn a_token_is_accepted_with_and_without_its_prefix() {
        let key = key(1);
        let token = key.sign(&claims()).unwrap();
        assert!(token.starts_with(TOKEN_PREFIX));
        assert!(token.len() < 600, "{}", token.len());
        for form in [
            token.as_str(),
            strip_prefix(&token),
            &format!(" {}\n", token.as_str()),
        ] {
            assert_eq!(key.verify(form, AUDIENCE, at(1500)).unwrap(), claims());
        }
    }

    #[test]
    fn each_defect_has_its_own_name() {
        let token = key(1).sign(&claims()).unwrap();
        let refused = |key: &TokenKey, token: &str, audience: &str, now| {
            key.verify(token, audience, at(now)).unwrap_err()
        };
        assert_eq!(
            refused(&key(1), &token, AUDIENCE, 2000),
            TokenError::Expired { at: 2000 }
        );
        assert_eq!(
            refused(&key(1), &token, AUDIENCE, 900),
            TokenError::NotYetValid { at: 1000 }
        );
        assert!(
            key(1).verify(&token, AUDIENCE, at(940)).is_ok(),
            "a minute of skew"
        );
        assert!(key(1).verify(&token, AUDIENCE, at(1999)).is_ok());
        assert_eq!(
            refused(&key(1), &token, AUDIENCE, 939),
            TokenError::NotYetValid { at: 1000 }
        );
        assert_eq!(
            refused(&key(2), &token, AUDIENCE, 1500),
            TokenError::Signature
        );
        assert_eq!(
            refused(&key(1), &token, "urn:fh:other", 1500),
            TokenError::Audience {
                issuer: "https://cache.example".to_owned()
            }
        );
        for garbage in ["", "fh1_", "a.b.c", "fh1_a.b", "x", &"a".repeat(5000)] {
            assert_eq!(
                refused(&key(1), garbage, AUDIENCE, 1500),
                TokenError::Malformed
            );
        }
    }

    #[test]
    fn a_token_has_2000_bytes_at_most_and_its_word_is_made_safe_to_print() {
        let of_length = |length: usize| {
            let mut claims = claims();
            let text = |claims: &Claims| {
                let payload = serde_json::to_string(claims).unwrap();
                format!("e30.{}.", BASE64URL_NOPAD.encode(payload.as_bytes()))
            };
            claims.iss.clear();
            // Four letters for each three bytes.
            claims.iss = "i".repeat((length - text(&claims).len()) / 4 * 3 - 3);
            let begun = text(&claims);
            format!("{begun}{}", "s".repeat(length - begun.len()))
        };
        let (longest, longer) = (of_length(2000), of_length(2001));
        assert_eq!((longest.len(), longer.len()), (2000, 2001));
        assert!(read_unverified(&longest).is_ok());
        assert!(read_unverified(&format!(" {TOKEN_PREFIX}{longest} ")).is_ok());
        assert_eq!(read_unverified(&longer), Err(TokenError::Malformed));
        let refused = key(1).verify(&longest, AUDIENCE.trim_end_matches('1'), at(1500));
        let issuer = "i".repeat(100);
        assert_eq!(refused, Err(TokenError::Audience { issuer }));
        assert_eq!(printable("a\u{1b}[1m b\u{e4}c"), "a[1mbc");
    }

    #[test]
    fn what_a_key_and_an_error_say_is_for_people_and_no_secret() {
        let key = key(1);
        assert_eq!(format!("{key:?}"), "TokenKey { id: \"k1\", .. }");
        assert_eq!(key.id(), "k1");
        let jwk = serde_json::to_value(key.jwk()).unwrap();
        assert_eq!(
            (
                &jwk["kty"],
                &jwk["crv"],
                &jwk["alg"],
                &jwk["use"],
                &jwk["kid"]
            ),
            (
                &"OKP".into(),
                &"Ed25519".into(),
                &"EdDSA".into(),
                &"sig".into(),
                &"k1".into()
            )
        );
        let expired = TokenError::Expired { at: 2000 }.to_string();
        assert_eq!(expired, "the token expired at 1970-01-01T00:33:20Z");
        let beyond = TokenError::NotYetValid { at: i64::MAX }.to_string();
        assert!(
            beyond.contains("9223372036854775807 seconds after 1970"),
            "{beyond}"
        );
    }

    #[test]
    fn another_algorithm_is_refused_whatever_it_is_signed_with() {
        let encode = |value: &str| BASE64URL_NOPAD.encode(value.as_bytes());
        let payload = encode(&serde_json::to_string(&claims()).unwrap());
        let none = format!("{}.{payload}.", encode(r#"{"alg":"none","typ":"JWT"}"#));
        assert_eq!(
            key(1).verify(&none, AUDIENCE, at(1500)),
            Err(TokenError::Signature)
        );
        let hs256 = jsonwebtoken::encode(
            &Header::new(Algorithm::HS256),
            &claims(),
            &EncodingKey::from_secret(&key(1).public),
        )
        .unwrap();
        assert_eq!(
            key(1).verify(&hs256, AUDIENCE, at(1500)),
            Err(TokenError::Signature)
        );
    }

    #[test]
    fn the_published_key_verifies_what_was_signed() {
        let key = key(3);
        let jwk = key.jwk();
        let token = key.sign(&claims()).unwrap();
        let decoding = DecodingKey::from_ed_components(&jwk.x).unwrap();
        let mut validation = jsonwebtoken::Validation::new(Algorithm::EdDSA);
        validation.validate_exp = false;
        validation.set_audience(&[AUDIENCE]);
        let data =
            jsonwebtoken::decode::<Claims>(strip_prefix(&token), &decoding, &validation).unwrap();
        assert_eq!(data.header.kid.as_deref(), Some("k1"));
        assert_eq!(data.claims, claims());
    }

    proptest! {
        #[test]
        fn no_text_panics_and_no_changed_token_passes(text in ".{0,200}", position in 0usize..400, byte in 33u8..127) {
            let key = key(1);
            prop_assert!(key.verify(&text, AUDIENCE, at(1500)).is_err());
            let token = key.sign(&claims()).unwrap();
            let mut changed = token.as_bytes().to_vec();
            let position = position % changed.len();
            changed[position] = byte;
            let changed = String::from_utf8(changed).unwrap();
            if let Ok(accepted) = key.verify(&changed, AUDIENCE, at(1500)) {
                prop_assert_eq!(accepted, claims());
            }
        }
    }
}
