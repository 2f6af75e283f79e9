//! Signatures of others, verified once and remembered: most pushes of a project carry the same upstream
//! paths, what a token for signed paths reads is read again, and a signature costs fifty microseconds.

use std::sync::Arc;

use fh_nix::{PathInfo, PublicKey, StoreDir};
use moka::sync::Cache;
use sha2::{Digest as _, Sha256};

/// Verdicts that are remembered, about 100 bytes each.
const VERDICTS: u64 = 50_000;

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
        keys.iter().any(|key| {
            let named = info
                .signatures
                .iter()
                .any(|signature| signature.key_name() == key.name());
            named && self.verdict(info, key)
        })
    }

    fn verdict(&self, info: &PathInfo, key: &PublicKey) -> bool {
        let mut digest = Sha256::new();
        digest.update(key.as_bytes());
        digest.update(info.fingerprint(&self.store_dir));
        for signature in &info.signatures {
            if signature.key_name() == key.name() {
                digest.update(signature.as_bytes());
            }
        }
        // The name stands last and in front of nothing: no two inputs run together.
        digest.update(key.name());
        let digest: [u8; 32] = digest.finalize().into();
        self.verdicts
            .get_with(digest, || info.verify(&self.store_dir, key))
    }
}
