//! Identities that others vouch for: JWTs of OpenID Connect issuers, checked against the issuer's keys.
//!
//! Pure: who brings the keys says where they come from. Whether the claims open anything is for
//! [`crate::policy`] to say.
//!
//! Invariants:
//! - the algorithms are those of public keys, and each key takes only those of its own kind: neither
//!   `none` nor `HS*` can be said, whatever a header or a key set asks for;
//! - a key that is there for something else than signatures, or for another algorithm, is not used;
//! - an identity has an end.

use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use time::OffsetDateTime;

/// The longest identity token that is looked at, in bytes: GitLab's names all groups of a person.
pub const MAX_IDENTITY: usize = 16 << 10;

/// Seconds by which the clocks of issuer and server may differ.
const LEEWAY: i64 = 60;

/// The most keys of one issuer.
const MAX_KEYS: usize = 100;

/// The least bytes of an RSA modulus: 2048 bits.
const MIN_MODULUS: usize = 256;

/// Why an identity is refused. The messages are for people and name nothing of the token but its times.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// No JWT, or too long for one.
    #[error("this is not an identity token")]
    Malformed,
    /// It has so many bytes, more than [`MAX_IDENTITY`].
    #[error("this identity token has {0} bytes, and at most {MAX_IDENTITY} are accepted")]
    TooLong(usize),
    /// It does not say until when it is good.
    #[error("the identity token has no expiry (exp)")]
    NoEnd,
    /// Its `exp` has come.
    #[error("the identity token has expired")]
    Expired,
    /// Its `nbf` or `iat` has not come.
    #[error("the identity token is not valid yet: is a clock wrong?")]
    NotYetValid,
    /// An algorithm that is not taken.
    #[error("the identity token's algorithm is not accepted here")]
    Algorithm,
    /// The issuer has no such key.
    #[error("the identity token is signed with a key that its issuer does not have")]
    UnknownKey,
    /// The signature is wrong.
    #[error("the identity token's signature is not valid")]
    Signature,
}

/// A key set that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    /// Not a JSON Web Key Set (RFC 7517).
    #[error("this is not a JSON Web Key Set: it needs a list \"keys\"")]
    Malformed,
    /// There is nothing in it to check a signature with.
    #[error("no key of the set can check signatures")]
    Empty,
    /// Somebody has published a secret.
    #[error("the set holds a private or symmetric key: give only public keys")]
    Secret,
}

/// The public keys of an issuer.
#[derive(Clone)]
pub struct KeySet {
    keys: Vec<IssuerKey>,
}

impl std::fmt::Debug for KeySet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ids: Vec<_> = self.keys.iter().map(|key| &key.id).collect();
        f.debug_struct("KeySet").field("keys", &ids).finish()
    }
}

#[derive(Clone)]
struct IssuerKey {
    id: Option<String>,
    algorithms: Vec<Algorithm>,
    key: DecodingKey,
}

impl KeySet {
    /// Reads a JSON Web Key Set. Keys of kinds that are not known, or for something else, are passed
    /// over, as RFC 7517 (section 5) wants.
    ///
    /// # Errors
    /// When nothing in it can be used, or a secret is in it.
    pub fn read(set: &Value) -> Result<Self, KeySetError> {
        let keys = set.get("keys").and_then(Value::as_array);
        let keys = keys.ok_or(KeySetError::Malformed)?;
        let secret = |key: &Value| key.get("d").is_some() || key.get("k").is_some();
        if keys.iter().any(secret) {
            return Err(KeySetError::Secret);
        }
        let keys = keys.iter().take(MAX_KEYS).filter_map(IssuerKey::read);
        let keys: Vec<IssuerKey> = keys.collect();
        if keys.is_empty() {
            return Err(KeySetError::Empty);
        }
        Ok(Self { keys })
    }

    /// Whether a token names a key that is not here: the issuer may have a newer one.
    #[must_use]
    pub fn lacks_key_of(&self, token: &Unverified) -> bool {
        self.candidates(token).next().is_none()
    }

    /// The keys with which a token may have been signed: that of its `kid`, or where either says none,
    /// every one of the algorithm.
    fn candidates<'a>(&'a self, token: &'a Unverified) -> impl Iterator<Item = &'a IssuerKey> {
        self.keys.iter().filter(|key| {
            let same_id = match (&key.id, &token.key_id) {
                (Some(mine), Some(theirs)) => mine == theirs,
                (None, _) | (_, None) => true,
            };
            same_id && key.algorithms.contains(&token.algorithm)
        })
    }

    /// Checks the signature.
    ///
    /// # Errors
    /// [`IdentityError::UnknownKey`] and [`IdentityError::Signature`].
    pub fn verify(&self, token: &Unverified) -> Result<(), IdentityError> {
        let validation = signature_alone(token.algorithm);
        let mut outcome = Err(IdentityError::UnknownKey);
        for key in self.candidates(token) {
            let text = token.text.as_str();
            match jsonwebtoken::decode::<Map<String, Value>>(text, &key.key, &validation) {
                Ok(_) => return Ok(()),
                Err(_) => outcome = Err(IdentityError::Signature),
            }
        }
        outcome
    }
}

impl IssuerKey {
    fn read(raw: &Value) -> Option<Self> {
        let jwk = Jwk::deserialize(raw).ok()?;
        let for_signatures = matches!(
            jwk.common.public_key_use,
            None | Some(PublicKeyUse::Signature)
        ) && jwk
            .common
            .key_operations
            .as_ref()
            .is_none_or(|operations| operations.contains(&KeyOperations::Verify));
        if !for_signatures {
            return None;
        }
        let possible: &[Algorithm] = match &jwk.algorithm {
            AlgorithmParameters::RSA(key) => {
                let modulus = BASE64URL_NOPAD.decode(key.n.as_bytes()).ok()?;
                if modulus.iter().skip_while(|byte| **byte == 0).count() < MIN_MODULUS {
                    return None;
                }
                &[
                    Algorithm::RS256,
                    Algorithm::RS384,
                    Algorithm::RS512,
                    Algorithm::PS256,
                    Algorithm::PS384,
                    Algorithm::PS512,
                ]
            }
            AlgorithmParameters::EllipticCurve(key) => match key.curve {
                EllipticCurve::P256 => &[Algorithm::ES256],
                EllipticCurve::P384 => &[Algorithm::ES384],
                _ => return None,
            },
            AlgorithmParameters::OctetKeyPair(key) => match key.curve {
                EllipticCurve::Ed25519 => &[Algorithm::EdDSA],
                _ => return None,
            },
            _ => return None,
        };
        let stated = jwk.common.key_algorithm.map(Algorithm::try_from);
        let stated = stated.transpose().ok()?;
        let mut algorithms = possible.to_vec();
        algorithms.retain(|one| stated.is_none_or(|stated| stated == *one));
        if algorithms.is_empty() {
            return None;
        }
        Some(Self {
            key: DecodingKey::from_jwk(&jwk).ok()?,
            id: jwk.common.key_id,
            algorithms,
        })
    }
}

/// What a JWT says of itself, until [`KeySet::verify`] has agreed.
pub struct Unverified {
    text: zeroize::Zeroizing<String>,
    key_id: Option<String>,
    algorithm: Algorithm,
    issuer: String,
    claims: Map<String, Value>,
    expires_at: i64,
}

fh_api::debug_fields! {
    Unverified: issuer;
}

impl Unverified {
    /// Reads a JWT.
    ///
    /// # Errors
    /// Says what is wrong with it, but for its signature and its times.
    pub fn read(token: &str) -> Result<Self, IdentityError> {
        let token = token.trim();
        if token.len() > MAX_IDENTITY {
            return Err(IdentityError::TooLong(token.len()));
        }
        let claims = claims(token)?;
        let header = jsonwebtoken::decode_header(token).map_err(|_| IdentityError::Algorithm)?;
        // An extension that must be understood (RFC 7515, section 4.1.11): none is.
        if header.crit.is_some()
            || matches!(
                header.alg,
                Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512
            )
        {
            return Err(IdentityError::Algorithm);
        }
        let issuer = claims
            .get("iss")
            .and_then(Value::as_str)
            .ok_or(IdentityError::Malformed)?
            .to_owned();
        let expires_at = seconds(&claims, "exp")?.ok_or(IdentityError::NoEnd)?;
        Ok(Self {
            text: zeroize::Zeroizing::new(token.to_owned()),
            key_id: header.kid,
            algorithm: header.alg,
            issuer,
            claims,
            expires_at,
        })
    }

    /// Checks the times: none of leeway at the end, a minute of it at the beginning.
    ///
    /// # Errors
    /// [`IdentityError::Expired`] and [`IdentityError::NotYetValid`].
    pub fn check_time(&self, now: OffsetDateTime) -> Result<(), IdentityError> {
        let now = now.unix_timestamp();
        if now >= self.expires_at {
            return Err(IdentityError::Expired);
        }
        for name in ["nbf", "iat"] {
            if seconds(&self.claims, name)?.is_some_and(|at| now.saturating_add(LEEWAY) < at) {
                return Err(IdentityError::NotYetValid);
            }
        }
        Ok(())
    }

    /// The key's id in the header.
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }

    /// Who says to have issued it: the claim `iss`.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The claim `exp`, seconds since 1970.
    #[must_use]
    pub fn expires_at(&self) -> i64 {
        self.expires_at
    }

    /// All claims, as the token has them.
    #[must_use]
    pub fn claims(&self) -> &Map<String, Value> {
        &self.claims
    }

    /// What is signed: all but the signature, of which one text may have several.
    #[must_use]
    pub fn signed_part(&self) -> &str {
        self.text
            .rsplit_once('.')
            .map_or(self.text.as_str(), |(signed, _)| signed)
    }
}

/// The claims of any JWT, *not verified*.
///
/// # Errors
/// [`IdentityError::Malformed`].
pub fn claims(token: &str) -> Result<Map<String, Value>, IdentityError> {
    payload(token).ok_or(IdentityError::Malformed)
}

/// What stands between the two dots of a JWT, *not verified*.
pub(crate) fn payload<T: DeserializeOwned>(jwt: &str) -> Option<T> {
    let [_, payload, _] = jwt.split('.').collect::<Vec<_>>()[..] else {
        return None;
    };
    let payload = BASE64URL_NOPAD.decode(payload.as_bytes()).ok()?;
    serde_json::from_slice(&payload).ok()
}

/// A validation of the signature, with this one algorithm; times and audience are compared here, with the time that the
/// caller gives.
pub(crate) fn signature_alone(algorithm: Algorithm) -> Validation {
    let mut validation = Validation::new(algorithm);
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    validation
}

/// A time in a claim; some issuers write fractions of seconds.
fn seconds(claims: &Map<String, Value>, name: &str) -> Result<Option<i64>, IdentityError> {
    let Some(value) = claims.get(name) else {
        return Ok(None);
    };
    #[expect(
        clippy::cast_possible_truncation,
        reason = "rounded down, and saturating"
    )]
    let whole = |at: f64| at as i64;
    value
        .as_i64()
        .or_else(|| value.as_f64().map(whole))
        .map(Some)
        .ok_or(IdentityError::Malformed)
}

#[cfg(test)]
mod tests;
