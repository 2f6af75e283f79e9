//! The fingerprint of what a machine runs of a path: its content and what that refers to, as one small value.

use std::collections::BTreeSet;
use std::fmt;

use crate::{Hasher, NarHash, StorePath};

/// SHA-256 over NAR hash, NAR size and references. Two path infos of one store path *disagree* where it
/// differs; deriver, signatures and content address do not count.
///
/// The digest is over the 32 bytes of the NAR hash, the size as 8 bytes, low one first, and each reference's
/// base name with a line feed behind it, in order. It is stored: it never changes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ContentFingerprint([u8; 32]);

impl ContentFingerprint {
    /// The fingerprint of what a path info says.
    #[must_use]
    pub fn of(nar_hash: &NarHash, nar_size: u64, references: &BTreeSet<StorePath>) -> Self {
        let mut hasher = Hasher::new();
        hasher.update(nar_hash.as_bytes());
        hasher.update(&nar_size.to_le_bytes());
        for reference in references {
            hasher.update(reference.to_string().as_bytes());
            // No base name holds one.
            hasher.update(b"\n");
        }
        Self(*hasher.finish().as_bytes())
    }

    /// Of the content and the path's name, without which Nix does not take it: another one for each name.
    ///
    /// SHA-256 over the 32 bytes of the content's fingerprint and the base name. It is stored: it never changes.
    #[must_use]
    pub(crate) fn named(&self, path: &StorePath) -> Self {
        let mut hasher = Hasher::new();
        hasher.update(&self.0);
        hasher.update(path.to_string().as_bytes());
        Self(*hasher.finish().as_bytes())
    }

    /// The fingerprint whose digest was read from storage.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The digest, as it is stored.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for ContentFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", NarHash::from_bytes(self.0).to_base32())
    }
}
