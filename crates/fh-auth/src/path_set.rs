//! The paths that a token for certain closures may read, each with the one content that it may have.
//!
//! The set is fixed when the token is made, so that nothing that is pushed later can add to it: not a path, and
//! not another content for one that is in it.

use fh_nix::{ContentFingerprint, StorePathHash};

/// Bytes of a path hash.
const HASH: usize = 20;

/// Bytes of an entry as it is stored.
const ENTRY: usize = HASH + 32;

/// Paths with their contents; each path has one.
///
/// Kept as it is stored, 52 bytes a path: the path's hash and the content's fingerprint, ascending by the
/// bytes of the hash.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct PathSet {
    bytes: Vec<u8>,
}

impl PathSet {
    /// Of two entries for one path the first one counts.
    pub fn new(entries: impl IntoIterator<Item = (StorePathHash, ContentFingerprint)>) -> Self {
        let mut entries: Vec<_> = entries.into_iter().collect();
        // Stable, and so of equal paths the first stays first.
        entries.sort_by_key(|(hash, _)| *hash.as_bytes());
        entries.dedup_by_key(|(hash, _)| *hash);
        let mut bytes = Vec::with_capacity(entries.len() * ENTRY);
        for (hash, fingerprint) in entries {
            bytes.extend_from_slice(hash.as_bytes());
            bytes.extend_from_slice(fingerprint.as_bytes());
        }
        Self { bytes }
    }

    /// As [`Self::as_bytes`] wrote it; `None` for anything else.
    #[must_use]
    pub fn from_bytes(bytes: Vec<u8>) -> Option<Self> {
        let set = Self { bytes };
        let whole = set.bytes.len().is_multiple_of(ENTRY);
        let hashes = || set.bytes.chunks_exact(ENTRY).map(|entry| &entry[..HASH]);
        (whole && hashes().is_sorted_by(|one, next| one < next)).then_some(set)
    }

    /// The bytes that are stored; [`Self::from_bytes`] reads them.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How many paths there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len() / ENTRY
    }

    /// Whether there is no path at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The content that a path may have; `None`: it is not to be read.
    #[must_use]
    pub fn get(&self, hash: &StorePathHash) -> Option<ContentFingerprint> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low.midpoint(high);
            let entry = &self.bytes[middle * ENTRY..(middle + 1) * ENTRY];
            match entry[..HASH].cmp(hash.as_bytes()) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => {
                    let fingerprint = entry[HASH..].try_into().ok()?;
                    return Some(ContentFingerprint::from_bytes(fingerprint));
                }
            }
        }
        None
    }

    /// Whether a path with this content may be read.
    #[must_use]
    pub fn holds(&self, hash: &StorePathHash, content: &ContentFingerprint) -> bool {
        self.get(hash).as_ref() == Some(content)
    }

    /// Whether everything that the other one has is in this one.
    #[must_use]
    pub fn includes(&self, other: &Self) -> bool {
        other
            .entries()
            .all(|(hash, content)| self.holds(&hash, &content))
    }

    /// Every path with its content, ascending.
    pub fn entries(&self) -> impl Iterator<Item = (StorePathHash, ContentFingerprint)> + '_ {
        self.bytes.chunks_exact(ENTRY).filter_map(|entry| {
            let (hash, fingerprint) = entry.split_at(HASH);
            Some((
                StorePathHash::from_bytes(hash.try_into().ok()?),
                ContentFingerprint::from_bytes(fingerprint.try_into().ok()?),
            ))
        })
    }
}

impl std::fmt::Debug for PathSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self.entries()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn entry((hash, content): (u8, u8)) -> (StorePathHash, ContentFingerprint) {
        (
            StorePathHash::from_bytes([hash; 20]),
            ContentFingerprint::from_bytes([content; 32]),
        )
    }

    fn entries() -> impl Strategy<Value = Vec<(u8, u8)>> {
        proptest::collection::vec((0_u8..12, 0_u8..3), 0..12)
    }

    proptest! {
        #[test]
        fn it_is_a_map_in_which_the_first_counts(mine in entries(), theirs in entries()) {
            let map = |entries: &[(u8, u8)]| {
                let mut map = BTreeMap::new();
                for (hash, content) in entries {
                    map.entry(*hash).or_insert(*content);
                }
                map
            };
            let set = |entries: &[(u8, u8)]| PathSet::new(entries.iter().copied().map(entry));
            let (one, other) = (set(&mine), set(&theirs));
            let (mine, theirs) = (map(&mine), map(&theirs));
            prop_assert_eq!(one.len(), mine.len());
            prop_assert_eq!(one.is_empty(), mine.is_empty());
            for hash in 0..13 {
                let expected = mine.get(&hash).map(|content| entry((hash, *content)).1);
                prop_assert_eq!(one.get(&entry((hash, 0)).0), expected);
                for content in 0..3 {
                    let (hash, content) = entry((hash, content));
                    prop_assert_eq!(one.holds(&hash, &content), expected == Some(content));
                }
            }
            let includes = theirs.iter().all(|(hash, content)| mine.get(hash) == Some(content));
            prop_assert_eq!(one.includes(&other), includes);
            prop_assert_eq!(PathSet::from_bytes(one.as_bytes().to_vec()), Some(one));
        }
    }

    #[test]
    fn what_was_not_written_so_is_not_read() {
        let set = PathSet::new([entry((1, 1)), entry((2, 1))]);
        let bytes = set.as_bytes();
        assert_eq!(PathSet::from_bytes(bytes[1..].to_vec()), None);
        let turned = [&bytes[ENTRY..], &bytes[..ENTRY]].concat();
        assert_eq!(PathSet::from_bytes(turned), None);
        let doubled = [&bytes[..ENTRY], &bytes[..ENTRY]].concat();
        assert_eq!(PathSet::from_bytes(doubled), None);
    }
}
