//! What Nix knows of a valid store path: `src/libstore/path-info.cc` (`ValidPathInfo`, `fingerprint`).

use std::collections::BTreeSet;

use crate::signature::any_verifies;
use crate::{
    ContentAddress, ContentFingerprint, NarHash, PublicKey, SecretKey, Signature, StoreDir,
    StorePath,
};

/// A store path with the hash and size of its NAR, what it refers to, and where it is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathInfo {
    /// The store path that is described.
    pub path: StorePath,
    /// SHA-256 of the path's NAR.
    pub nar_hash: NarHash,
    /// Bytes of the path's NAR; Nix takes 0 for unknown, and the parsers of this crate refuse it.
    pub nar_size: u64,
    /// The paths that this one refers to, perhaps itself among them.
    pub references: BTreeSet<StorePath>,
    /// The derivation that it was built by. Need not exist; says nothing of what the path holds.
    pub deriver: Option<StorePath>,
    /// Signatures of the fingerprint, in the order in which they were given. Nobody has verified them yet.
    pub signatures: Vec<Signature>,
    /// The content address, when the path has one. Nobody has verified it yet.
    pub ca: Option<ContentAddress>,
}

impl PathInfo {
    /// What a signature of this path signs: `1;<path>;<NAR hash>;<NAR size>;<references>`, paths in full, references
    /// sorted and joined by commas.
    #[must_use]
    pub fn fingerprint(&self, store_dir: &StoreDir) -> String {
        let references: Vec<_> = self
            .references
            .iter()
            .map(|reference| store_dir.display(reference))
            .collect();
        format!(
            "1;{};{};{};{}",
            store_dir.display(&self.path),
            self.nar_hash,
            self.nar_size,
            references.join(",")
        )
    }

    /// Whether any of the signatures is `key`'s, cryptographically and not by name alone. Of those with its name
    /// only the first four are looked at.
    #[must_use]
    pub fn verify(&self, store_dir: &StoreDir, key: &PublicKey) -> bool {
        any_verifies(&self.signatures, key, || self.fingerprint(store_dir))
    }

    /// `key`'s signature of this path. It is returned, not added.
    #[must_use]
    pub fn sign(&self, store_dir: &StoreDir, key: &SecretKey) -> Signature {
        key.sign(self.fingerprint(store_dir).as_bytes())
    }

    /// The fingerprint of what a machine runs of this path.
    #[must_use]
    pub fn content_fingerprint(&self) -> ContentFingerprint {
        ContentFingerprint::of(&self.nar_hash, self.nar_size, &self.references)
    }

    /// The same and the path's name, without which Nix does not take it: another one for each name.
    #[must_use]
    pub fn named_fingerprint(&self) -> ContentFingerprint {
        self.content_fingerprint().named(&self.path)
    }
}

#[cfg(test)]
mod tests;
