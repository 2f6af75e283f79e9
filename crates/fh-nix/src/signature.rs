//! Ed25519 keys and detached signatures: `src/libutil/signature/local-keys.cc` (`src/libstore/crypto.cc` in older versions).
//!
//! All three are `<key name>:<base64>`: of 64 bytes for a signature, of 32 for a public key, and of 64 for a secret key,
//! which are its seed and its public half. Verification is strict: keys of small order and signatures in a second,
//! malleable form are refused.

use std::fmt;
use std::str::FromStr;

use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use zeroize::Zeroizing;

use crate::base64;
use crate::error::{Error, Result};

/// Signatures of one name that are verified. A key makes one, and a rotation under the old name two; who sends
/// more wants to keep somebody busy.
pub const SIGNATURES_OF_A_NAME: usize = 4;

/// The longest key name accepted, in bytes; Nix has no limit.
const NAME_LENGTH: usize = 255;

/// A detached signature and the name of the key that made it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Signature {
    key_name: Box<str>,
    bytes: [u8; 64],
}

impl Signature {
    /// The name of the key that, it says, made this signature.
    #[must_use]
    pub fn key_name(&self) -> &str {
        &self.key_name
    }

    /// The signature proper, without the key's name.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 64] {
        &self.bytes
    }

    pub(crate) fn to_base64(&self) -> String {
        base64::encode(&self.bytes)
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.key_name, self.to_base64())
    }
}

impl FromStr for Signature {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let error = |problem| Error::invalid("a signature", text, problem);
        let mut bytes = [0; 64];
        let problem = "what follows the key's name is not the base64 of 64 bytes";
        let key_name = read(text, &mut bytes, problem).map_err(error)?;
        Ok(Self { key_name, bytes })
    }
}

/// A public key with its name.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PublicKey {
    name: Box<str>,
    key: VerifyingKey,
}

impl PublicKey {
    /// The name, which stands before the colon.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The point of the curve, as 32 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.key.as_bytes()
    }

    /// Whether `signature` carries this key's name and is this key's signature of `message`.
    #[must_use]
    pub fn verify(&self, message: &[u8], signature: &Signature) -> bool {
        let bytes = ed25519_dalek::Signature::from_bytes(&signature.bytes);
        self.name == signature.key_name && self.key.verify_strict(message, &bytes).is_ok()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let base64 = base64::encode(self.key.as_bytes());
        write!(formatter, "{}:{base64}", self.name)
    }
}

impl FromStr for PublicKey {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        // It may be a secret key, given by mistake: only what stands before the colon may be shown.
        let shown = text.split_once(':').map_or("", |(name, _)| name);
        let error = |problem| Error::invalid("a public key", shown, problem);
        let mut bytes = [0; 32];
        let problem = "what follows its name is not the base64 of 32 bytes";
        let name = read(text, &mut bytes, problem).map_err(error)?;
        let key = VerifyingKey::from_bytes(&bytes).ok();
        key.filter(|key| !key.is_weak())
            .map(|key| Self { name, key })
            .ok_or_else(|| error("it is not a point of the curve, or a weak one"))
    }
}

/// A secret key with its name. Erased from memory when dropped; its `Debug` shows the name alone.
#[derive(Clone)]
pub struct SecretKey {
    name: Box<str>,
    key: SigningKey,
}

impl SecretKey {
    /// Makes a new key from the operating system's random numbers.
    ///
    /// # Errors
    /// When the name is not fit for a key, or there are no random numbers.
    pub fn generate(name: &str) -> Result<Self> {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(seed.as_mut_slice()).map_err(|error| Error::Random {
            problem: error.to_string(),
        })?;
        Self::from_seed(name, *seed)
    }

    /// The key that `seed` determines.
    ///
    /// # Errors
    /// When the name is not fit for a key.
    pub fn from_seed(name: &str, seed: [u8; 32]) -> Result<Self> {
        let seed = Zeroizing::new(seed);
        check_name(name).map_err(|problem| Error::SecretKey { problem })?;
        Ok(Self {
            name: name.into(),
            key: SigningKey::from_bytes(&seed),
        })
    }

    /// The name, which signatures carry.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The public key that verifies what this one signs.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey {
            name: self.name.clone(),
            key: self.key.verifying_key(),
        }
    }

    /// The signature of `message` under this key's name.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Signature {
        Signature {
            key_name: self.name.clone(),
            bytes: self.key.sign(message).to_bytes(),
        }
    }

    /// The key as `nix-store --generate-binary-cache-key` writes it: `<name>:<base64 of seed and public half>`.
    #[must_use]
    pub fn to_secret_string(&self) -> Zeroizing<String> {
        let bytes = Zeroizing::new(self.key.to_keypair_bytes());
        let length = self.name.len() + 1 + base64::encoded_len(bytes.len());
        let mut text = Zeroizing::new(String::with_capacity(length));
        text.push_str(&self.name);
        text.push(':');
        base64::append_secret(bytes.as_slice(), &mut text);
        text
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SecretKey({}:…)", self.name)
    }
}

impl FromStr for SecretKey {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let error = |problem| Error::SecretKey { problem };
        let mut bytes = Zeroizing::new([0; 64]);
        let problem = "what follows its name is not the base64 of 64 bytes";
        let name = read(text, bytes.as_mut_slice(), problem).map_err(error)?;
        let key = SigningKey::from_keypair_bytes(&bytes)
            .map_err(|_| error("its public half does not belong to its secret half"))?;
        Ok(Self { name, key })
    }
}

/// Whether any of these signatures is `key`'s of a message, which is made where one has the key's name. Of those with
/// its name only the first four are looked at.
pub(crate) fn any_verifies(
    signatures: &[Signature],
    key: &PublicKey,
    message: impl FnOnce() -> String,
) -> bool {
    let mut candidates = signatures
        .iter()
        .filter(|signature| signature.key_name() == key.name())
        .take(SIGNATURES_OF_A_NAME)
        .peekable();
    if candidates.peek().is_none() {
        return false;
    }
    let message = message();
    candidates.any(|signature| key.verify(message.as_bytes(), signature))
}

/// Splits `text` at the first colon, as Nix does; the name, which is checked. The base64 behind it fills `bytes`; where it
/// is that of more or fewer, or none, there is this problem.
fn read(text: &str, bytes: &mut [u8], problem: &'static str) -> Result<Box<str>, &'static str> {
    let (name, base64) = text
        .split_once(':')
        .ok_or("there is no colon between a key's name and base64")?;
    check_name(name)?;
    if base64::decode_into(base64, bytes) {
        Ok(name.into())
    } else {
        Err(problem)
    }
}

/// Key names stand in narinfo lines and in nix.conf's space-separated lists; Nix itself checks nothing.
fn check_name(name: &str) -> Result<(), &'static str> {
    let allowed = |byte: u8| byte.is_ascii_graphic() && byte != b':';
    Err(if name.is_empty() {
        "the key's name is empty"
    } else if name.len() > NAME_LENGTH {
        "the key's name is longer than 255 bytes"
    } else if !name.bytes().all(allowed) {
        "the key's name holds something other than visible ASCII without a colon"
    } else {
        return Ok(());
    })
}

#[cfg(test)]
mod tests;
