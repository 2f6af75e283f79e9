//! What of a path info a machine runs: the content and what it leads to, as one small value.

use std::collections::BTreeSet;
use std::fmt;

use crate::{Hasher, NarHash, PathInfo, StorePath};

/// SHA-256 over NAR hash, NAR size and references. Two path infos of one store path *disagree* where it
/// differs; deriver, signatures and content address do not count.
///
/// The digest is over the 32 bytes of the NAR hash, the size as 8 bytes, low one first, and each reference's
/// base name with a line feed behind it, in order. It is stored: it never changes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ContentFingerprint([u8; 32]);

impl ContentFingerprint {
    /// Of what a path info says.
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

    /// As it was stored.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// To be stored.
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

impl PathInfo {
    /// What of it a machine runs.
    #[must_use]
    pub fn content_fingerprint(&self) -> ContentFingerprint {
        ContentFingerprint::of(&self.nar_hash, self.nar_size, &self.references)
    }

    /// The same and the path's name, without which Nix does not take it: another one for each name.
    ///
    /// SHA-256 over the 32 bytes of the content's fingerprint and the base name. It is stored: it never changes.
    #[must_use]
    pub fn named_fingerprint(&self) -> ContentFingerprint {
        let mut hasher = Hasher::new();
        hasher.update(self.content_fingerprint().as_bytes());
        hasher.update(self.path.to_string().as_bytes());
        ContentFingerprint(*hasher.finish().as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(name: &str) -> StorePath {
        format!("00000000000000000000000000000000-{name}")
            .parse()
            .unwrap()
    }

    #[test]
    fn everything_that_a_machine_runs_counts_and_nothing_else() {
        let info = PathInfo {
            path: path("x"),
            nar_hash: NarHash::from_bytes([1; 32]),
            nar_size: 120,
            references: BTreeSet::from([path("a"), path("b")]),
            deriver: None,
            signatures: Vec::new(),
            ca: None,
        };
        let first = info.content_fingerprint();
        let mut others = vec![info.clone(); 5];
        others[0].nar_hash = NarHash::from_bytes([2; 32]);
        others[1].nar_size = 121;
        others[2].references.remove(&path("b"));
        others[3].references.insert(path("c"));
        others[4].references = BTreeSet::from([path("ab")]);
        let mut seen = vec![first];
        for other in others {
            let fingerprint = other.content_fingerprint();
            assert!(!seen.contains(&fingerprint), "{other:?}");
            seen.push(fingerprint);
        }
        let mut same = info.clone();
        same.deriver = Some(path("x.drv"));
        assert_eq!(same.content_fingerprint(), first);
        assert_eq!(same.named_fingerprint(), info.named_fingerprint());
        assert_ne!(same.named_fingerprint(), first);
        same.path = path("another");
        assert_eq!(same.content_fingerprint(), first);
        assert_ne!(same.named_fingerprint(), info.named_fingerprint());
        // It is stored.
        assert_eq!(ContentFingerprint::from_bytes(*first.as_bytes()), first);
    }
}
