//! SHA-256 hashes and their notations: `src/libutil/hash.cc` (`Hash::parseAny`, `Hash::to_string`).
//!
//! Nix writes `sha256:<base32>` in narinfos and fingerprints and `sha256-<base64>` (SRI) in JSON, and reads base16 too.

use std::fmt;
use std::str::FromStr;

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::{base32, base64};

/// Bytes of a SHA-256 digest.
const SIZE: usize = 32;

/// A SHA-256 hash, of a NAR or of a file. Ordered by its bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NarHash([u8; SIZE]);

impl NarHash {
    /// The hash of these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; SIZE]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes of the SHA-256.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; SIZE] {
        &self.0
    }

    /// Hashes `data` at once.
    #[must_use]
    pub fn of(data: &[u8]) -> Self {
        Self(Sha256::digest(data).into())
    }

    /// `sha256-<base64>`, as in Nix's JSON.
    #[must_use]
    pub fn to_sri(&self) -> String {
        format!("sha256-{}", base64::encode(&self.0))
    }

    /// 52 characters of Nix base32, without a prefix.
    #[must_use]
    pub fn to_base32(&self) -> String {
        base32::encode(&self.0)
    }

    /// 64 lower case hexadecimal digits, without a prefix.
    #[must_use]
    pub fn to_hex(&self) -> String {
        HEXLOWER.encode(&self.0)
    }

    /// The hash that [`Self::to_base32`] writes as `text`.
    ///
    /// # Errors
    /// When `text` is not 52 characters of Nix base32, or its spare bits are not zero.
    pub fn from_base32(text: &str) -> Result<Self> {
        base32::decode_array(text).map(Self)
    }
}

impl fmt::Display for NarHash {
    /// `sha256:<base32>`, as in narinfos and fingerprints.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "sha256:{}", self.to_base32())
    }
}

impl FromStr for NarHash {
    type Err = Error;

    /// Reads `sha256:` with base32, base16 or base64, told apart by length as Nix does, and `sha256-<base64>`.
    fn from_str(text: &str) -> Result<Self> {
        let error = |problem| Error::invalid("a SHA-256 hash", text, problem);
        let digest = if let Some(digest) = text.strip_prefix("sha256-") {
            decode_base64(digest, SIZE)
        } else if let Some(digest) = text.strip_prefix("sha256:") {
            decode_digest(digest, SIZE)
        } else {
            return Err(error("it does not start with sha256: or sha256-"));
        };
        digest
            .and_then(|digest| digest.try_into().ok())
            .map(Self)
            .ok_or_else(|| error("its digest is not 32 bytes in a notation of Nix"))
    }
}

/// Decodes a digest of `size` bytes that is written as base16, base32 or base64; its length tells which.
pub(crate) fn decode_digest(text: &str, size: usize) -> Option<Vec<u8>> {
    let length = text.len();
    let digest = if length == size * 2 {
        HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok()
    } else if length == base32::encoded_len(size) {
        base32::decode(text).ok()
    } else {
        decode_base64(text, size)
    };
    digest.filter(|digest| digest.len() == size)
}

fn decode_base64(text: &str, size: usize) -> Option<Vec<u8>> {
    let mut digest = vec![0; size];
    base64::decode_into(text, &mut digest).then_some(digest)
}

/// Computes a [`NarHash`] from bytes as they come.
#[derive(Clone, Debug, Default)]
pub struct Hasher(Sha256);

impl Hasher {
    /// A hasher that has seen nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Hashes more bytes, behind those that came before.
    pub fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    /// The hash of all bytes taken.
    #[must_use]
    pub fn finish(self) -> NarHash {
        NarHash(self.0.finalize().into())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What Nix 2.34.8 writes for the empty input.
    const EMPTY: [&str; 4] = [
        "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
        "sha256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
        "sha256:0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73",
        "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    ];

    #[test]
    fn every_notation() {
        let hash = NarHash::of(b"");
        assert_eq!(hash, Hasher::new().finish());
        for text in EMPTY {
            assert_eq!(text.parse::<NarHash>().unwrap(), hash, "{text}");
        }
        assert_eq!(hash.to_sri(), EMPTY[0]);
        assert_eq!(hash.to_string(), EMPTY[2]);
        assert_eq!(format!("sha256:{}", hash.to_hex()), EMPTY[3]);
    }

    #[test]
    fn refused() {
        for text in [
            "",
            "sha256:",
            "sha256-",
            // SRI is base64 only.
            "sha256-0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73",
            // Spare bits.
            "sha256:zmdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73",
            "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFV=",
            // No padding.
            "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU",
            "sha512:0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73",
            "0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73",
            "sha256:0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73\n",
        ] {
            text.parse::<NarHash>().unwrap_err();
        }
    }

    proptest! {
        #[test]
        fn round_trip(bytes: [u8; SIZE]) {
            let hash = NarHash::from_bytes(bytes);
            prop_assert_eq!(hash.to_string().parse::<NarHash>().unwrap(), hash);
            prop_assert_eq!(hash.to_sri().parse::<NarHash>().unwrap(), hash);
            prop_assert_eq!(format!("sha256:{}", hash.to_hex()).parse::<NarHash>().unwrap(), hash);
            prop_assert_eq!(NarHash::from_base32(&hash.to_base32()).unwrap(), hash);
        }

        #[test]
        fn in_pieces(pieces: Vec<Vec<u8>>) {
            let mut hasher = Hasher::new();
            pieces.iter().for_each(|piece| hasher.update(piece));
            prop_assert_eq!(hasher.finish(), NarHash::of(&pieces.concat()));
        }

        #[test]
        fn any_text(text in "(sha256[:-])?.*") {
            let _ = text.parse::<NarHash>();
        }
    }
}
