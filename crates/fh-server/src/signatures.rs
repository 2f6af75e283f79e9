//! Signatures of others, verified once and remembered: most pushes of a project carry the same upstream
//! paths, what a token for signed paths reads is read again, and a signature costs fifty microseconds.

use std::collections::HashMap;
use std::sync::Arc;

use fh_nix::{PathInfo, PublicKey, Realisation, SIGNATURES_OF_A_NAME, Signature, StoreDir};
use moka::sync::Cache;
use sha2::{Digest as _, Sha256};

/// Verdicts that are remembered, about 100 bytes each.
const VERDICTS: u64 = 50_000;

/// Keys of one name that are taken together: those of a rotation under the old name. Each is tried on each signature
/// of its name.
const KEYS_OF_A_NAME: usize = 4;

/// Keys of which no more than a few have the same name.
///
/// # Errors
/// A sentence that names the name.
pub(crate) fn few_of_a_name(keys: Vec<PublicKey>) -> Result<Vec<PublicKey>, String> {
    let mut names: HashMap<&str, usize> = HashMap::new();
    for key in &keys {
        let count = names.entry(key.name()).or_default();
        *count += 1;
        if *count > KEYS_OF_A_NAME {
            return Err(format!(
                "more than {KEYS_OF_A_NAME} keys have the name {}",
                key.name()
            ));
        }
    }
    Ok(keys)
}

/// Verifies signatures; clones share what is remembered.
#[derive(Clone)]
pub(crate) struct Signatures {
    store_dir: StoreDir,
    /// By digest of all that the verdict depends on.
    verdicts: Arc<Cache<[u8; 32], bool>>,
}

impl Signatures {
    /// For paths of that store directory.
    pub(crate) fn new(store_dir: StoreDir) -> Self {
        Self {
            store_dir,
            verdicts: Arc::new(Cache::new(VERDICTS)),
        }
    }

    /// Whether one of the keys has signed this path, cryptographically and not by name alone.
    pub(crate) fn signed(&self, info: &PathInfo, keys: &[PublicKey]) -> bool {
        let fingerprint = || info.fingerprint(&self.store_dir);
        let verify = |key: &PublicKey| info.verify(&self.store_dir, key);
        self.any(&info.signatures, keys, fingerprint, verify)
    }

    /// Whether one of the keys has signed this realisation.
    pub(crate) fn signed_realisation(&self, realisation: &Realisation, keys: &[PublicKey]) -> bool {
        let fingerprint = || realisation.fingerprint();
        let verify = |key: &PublicKey| realisation.verify(key);
        self.any(&realisation.signatures, keys, fingerprint, verify)
    }

    /// Those of some signatures that one of the keys has made under this fingerprint. Of each name only the first few
    /// are tried, whoever sends however many.
    pub(crate) fn made_by<'a>(
        &self,
        keys: &[PublicKey],
        signatures: &'a [Signature],
        fingerprint: &str,
    ) -> Vec<&'a Signature> {
        let mut of_name: HashMap<&str, usize> = HashMap::new();
        let tried = signatures.iter().filter(|signature| {
            let count = of_name.entry(signature.key_name()).or_default();
            *count += 1;
            *count <= SIGNATURES_OF_A_NAME
        });
        let is_made = |signature: &&Signature| {
            let alone = std::slice::from_ref(*signature);
            let mut named = keys.iter().filter(|key| key.name() == signature.key_name());
            named.any(|key| {
                let verify = || key.verify(fingerprint.as_bytes(), signature);
                self.verdict(alone, key, fingerprint, verify)
            })
        };
        tried.filter(is_made).collect()
    }

    fn any(
        &self,
        signatures: &[Signature],
        keys: &[PublicKey],
        fingerprint: impl Fn() -> String,
        verify: impl Fn(&PublicKey) -> bool,
    ) -> bool {
        keys.iter().any(|key| {
            let mut named = signatures.iter();
            let named = named.any(|signature| signature.key_name() == key.name());
            named && self.verdict(signatures, key, &fingerprint(), || verify(key))
        })
    }

    /// What is signed of a path and of a realisation begins differently, so that neither is taken for the other.
    fn verdict(
        &self,
        signatures: &[Signature],
        key: &PublicKey,
        fingerprint: &str,
        verify: impl FnOnce() -> bool,
    ) -> bool {
        // All but the last input has a length that is fixed or stands before it, so that no two run together: a
        // reference that is left out, and its name given as signatures, must not be the same question.
        let mut digest = Sha256::new();
        digest.update(key.as_bytes());
        digest.update(Sha256::digest(fingerprint));
        digest.update(Sha256::digest(key.name()));
        for signature in signatures {
            if signature.key_name() == key.name() {
                digest.update(signature.as_bytes());
            }
        }
        let digest: [u8; 32] = digest.finalize().into();
        self.verdicts.get_with(digest, verify)
    }
}

#[cfg(test)]
impl Signatures {
    /// How many questions were answered by verifying.
    pub(crate) fn remembered(&self) -> u64 {
        self.verdicts.run_pending_tasks();
        self.verdicts.entry_count()
    }
}

#[cfg(test)]
mod tests {
    use fh_nix::{NarHash, SecretKey, StorePath};

    use super::*;

    #[test]
    fn a_crowd_of_keys_under_one_name_is_refused() {
        let keys = |name: &str, seeds: std::ops::Range<u8>| -> Vec<PublicKey> {
            let key = |seed| SecretKey::from_seed(name, [seed; 32]).unwrap().public();
            seeds.map(key).collect()
        };
        let few = [keys("a-1", 0..4), keys("b-1", 0..4)].concat();
        assert_eq!(few_of_a_name(few.clone()).unwrap(), few);
        let error = few_of_a_name(keys("a-1", 0..5)).unwrap_err();
        assert_eq!(error, "more than 4 keys have the name a-1");
    }

    #[test]
    fn what_was_left_out_and_comes_as_a_signature_is_another_question() {
        let store_dir = StoreDir::default();
        let path = |letter: &str, name: &str| -> StorePath {
            format!("{}-{name}", letter.repeat(32)).parse().unwrap()
        };
        // 64 bytes with the comma in front: as many as a signature has.
        let last = path("b", "a-name-19-letters-x");
        let key = SecretKey::from_seed("upstream-1", [7; 32]).unwrap();
        let mut genuine = PathInfo {
            path: path("c", "tool"),
            nar_hash: NarHash::of(b"tool"),
            nar_size: 4,
            references: [path("a", "other"), last].into(),
            deriver: None,
            signatures: Vec::new(),
            ca: None,
        };
        let fingerprint = genuine.fingerprint(&store_dir);
        let signature = key.sign(fingerprint.as_bytes());
        genuine.signatures = vec![signature.clone()];
        let mut shorter = genuine.clone();
        shorter.references.pop_last();
        let cut = shorter.fingerprint(&store_dir).len();
        let rest = &fingerprint.as_bytes()[cut..];
        assert_eq!(rest.len(), 64);
        let pretended = format!("upstream-1:{}", data_encoding::BASE64.encode(rest));
        let pretended: Signature = pretended.parse().unwrap();
        shorter.signatures = vec![pretended, signature];
        for first in [&shorter, &genuine] {
            let signatures = Signatures::new(store_dir.clone());
            let keys = [key.public()];
            let _ = signatures.signed(first, &keys);
            assert!(signatures.signed(&genuine, &keys));
            assert!(!signatures.signed(&shorter, &keys));
        }
    }
}
