//! Content addresses of store paths: `src/libstore/content-address.cc`.
//!
//! `text:sha256:<hash>` for text files such as derivations, `fixed:<algorithm>:<hash>` for a flat file,
//! `fixed:r:<algorithm>:<hash>` for a NAR, `fixed:git:<algorithm>:<hash>` for a Git tree. Nix writes the hash in base32
//! and reads base16 and base64 too; here it is always written in base32, so that equal addresses are equal texts.

use std::fmt;
use std::str::FromStr;

use crate::base32;
use crate::error::{Error, Result};
use crate::hash::decode_digest;

/// A content address, checked, as the text that Nix writes in narinfos and JSON.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ContentAddress(Box<str>);

impl ContentAddress {
    /// The text, with its hash in base32.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// How the content was hashed (`text:`, `fixed:r:`, …), by which algorithm, and the digest.
    pub(crate) fn parts(&self) -> Option<(&'static str, &str, Vec<u8>)> {
        let (method, rest) = split_method(&self.0)?;
        let (algorithm, digest) = rest.split_once(':')?;
        let digest = decode_digest(digest, digest_size(algorithm)?)?;
        Some((method, algorithm, digest))
    }
}

impl fmt::Display for ContentAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl FromStr for ContentAddress {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let error = |problem| Error::invalid("a content address", text, problem);
        let (method, rest) =
            split_method(text).ok_or_else(|| error("it starts with neither text: nor fixed:"))?;
        let (algorithm, digest) = rest
            .split_once(':')
            .ok_or_else(|| error("a hash algorithm and a colon are missing"))?;
        if method == "text:" && algorithm != "sha256" {
            return Err(error("a text's hash must be sha256"));
        }
        let size = digest_size(algorithm).ok_or_else(|| error("its hash algorithm is unknown"))?;
        let digest = decode_digest(digest, size)
            .ok_or_else(|| error("its digest does not fit its hash algorithm"))?;
        Ok(Self(
            format!("{method}{algorithm}:{}", base32::encode(&digest)).into(),
        ))
    }
}

/// Splits off the part before the hash algorithm.
fn split_method(text: &str) -> Option<(&'static str, &str)> {
    // The longer ones first: "fixed:" begins them all.
    ["text:", "fixed:r:", "fixed:git:", "fixed:"]
        .into_iter()
        .find_map(|method| Some((method, text.strip_prefix(method)?)))
}

/// Bytes of a digest of the algorithm with this name.
fn digest_size(algorithm: &str) -> Option<usize> {
    Some(match algorithm {
        "md5" => 16,
        "sha1" => 20,
        "sha256" | "blake3" => 32,
        "sha512" => 64,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SHA256: &str = "1jwl6gsbg10v20zxpzr08jwbpf8b8r4nxq66xsmrvjhvzvq5l58f";

    #[test]
    fn accepted() {
        for text in [
            format!("text:sha256:{SHA256}"),
            format!("fixed:sha256:{SHA256}"),
            format!("fixed:r:sha256:{SHA256}"),
            format!("fixed:git:sha256:{SHA256}"),
            "fixed:git:sha1:vw46m23bizj4n8afrc0fj19wrp7mj3c0".to_owned(),
            "fixed:r:sha1:vw46m23bizj4n8afrc0fj19wrp7mj3c0".to_owned(),
        ] {
            assert_eq!(text.parse::<ContentAddress>().unwrap().as_str(), text);
        }
    }

    #[test]
    fn other_notations_become_base32() {
        // 32 characters are base16 for MD5, but base32 for SHA-1.
        let md5: ContentAddress = "fixed:md5:d41d8cd98f00b204e9800998ecf8427e"
            .parse()
            .unwrap();
        assert_eq!(md5.as_str(), "fixed:md5:3y8bwfr609h3lh9ch0izcqq7fl");
        let sha1: ContentAddress = "fixed:sha1:2jmj7l5rSw0yVb/vlWAYkK/YBwk=".parse().unwrap();
        assert_eq!(sha1.as_str(), "fixed:sha1:143xibwh31h9bvxzalr0sjvbbvpa6ffs");
    }

    #[test]
    fn refused() {
        for text in [
            String::new(),
            "fixed:".to_owned(),
            format!("r:sha256:{SHA256}"),
            format!("text:sha1:{SHA256}"),
            format!("text:r:sha256:{SHA256}"),
            format!("fixed:sha512:{SHA256}"),
            format!("fixed:sha3:{SHA256}"),
            format!("fixed:sha256:{SHA256}\n"),
            format!("fixed:sha256-{SHA256}"),
        ] {
            text.parse::<ContentAddress>().unwrap_err();
        }
    }

    proptest! {
        #[test]
        fn stable(text in "(text|fixed):((r|git):)?(md5|sha1|sha256|sha512|blake3):[0-9a-f]{32,128}") {
            if let Ok(address) = text.parse::<ContentAddress>() {
                prop_assert_eq!(address.as_str().parse::<ContentAddress>().unwrap(), address);
            }
        }

        #[test]
        fn any_text(text: String) {
            let _ = text.parse::<ContentAddress>();
        }
    }
}
