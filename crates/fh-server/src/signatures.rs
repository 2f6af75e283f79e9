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

/// Verifications for each item of a request: all signatures that are tried of one name, with all its keys.
pub(crate) const VERIFIED_OF_AN_ITEM: usize = SIGNATURES_OF_A_NAME * KEYS_OF_A_NAME;

/// Verifications of a request beside those: a small one may have an item with signatures of very many keys.
pub(crate) const VERIFIED_IN_ANY_CASE: usize = 512;

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

/// What one request may have verified, whatever it brings.
///
/// Each item adds to it, so what comes early takes nothing from what comes later: for each there are as many as are
/// needed for all signatures of one name. What an item leaves goes to the others.
#[derive(Debug)]
pub(crate) struct Allowance {
    left: usize,
    not_verified: usize,
}

impl Allowance {
    /// For the items that [`Self::item`] adds.
    pub(crate) fn new() -> Self {
        Self {
            left: VERIFIED_IN_ANY_CASE,
            not_verified: 0,
        }
    }

    /// Adds what there is for one more item.
    pub(crate) fn item(&mut self) {
        self.left += VERIFIED_OF_AN_ITEM;
    }

    /// How often something would have been verified, and was not.
    pub(crate) fn not_verified(&self) -> usize {
        self.not_verified
    }

    fn take(&mut self) -> bool {
        let may_take = self.left > 0;
        if may_take {
            self.left -= 1;
        } else {
            self.not_verified += 1;
        }
        may_take
    }
}

/// The first few signatures of each name, which are all that is ever looked at; each with how many of its name come
/// before it.
pub(crate) fn first_of_names<'a, T: ?Sized + 'a>(
    signatures: impl IntoIterator<Item = &'a T>,
    name: impl Fn(&'a T) -> &'a str,
) -> impl Iterator<Item = (usize, &'a T)> {
    let mut of_name: HashMap<&str, usize> = HashMap::new();
    let counted = signatures.into_iter().map(move |signature| {
        let count = of_name.entry(name(signature)).or_default();
        *count += 1;
        (*count - 1, signature)
    });
    counted.filter(|(before, _)| *before < SIGNATURES_OF_A_NAME)
}

/// The first few signatures of each name; the first ones of all names come before the second ones, so that no name
/// keeps another from being looked at.
fn in_turns_of_names(signatures: &[Signature]) -> Vec<&Signature> {
    let mut tried: Vec<_> = first_of_names(signatures, Signature::key_name).collect();
    tried.sort_by_key(|(turn, _)| *turn);
    tried.into_iter().map(|(_, signature)| signature).collect()
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

    /// Those of some signatures that one of the keys has made under this fingerprint, as far as they may be verified. Of
    /// each name only the first few are tried, whoever sends however many.
    pub(crate) fn made_by<'a>(
        &self,
        keys: &[PublicKey],
        signatures: &'a [Signature],
        fingerprint: &str,
        allowance: &mut Allowance,
    ) -> Vec<&'a Signature> {
        let all = in_turns_of_names(signatures).into_iter();
        all.filter(|it| self.is_made_by(keys, it, fingerprint, allowance))
            .collect()
    }

    /// Whether one of the keys has made one of these signatures, as [`Self::made_by`].
    pub(crate) fn any_made_by(
        &self,
        keys: &[PublicKey],
        signatures: &[Signature],
        fingerprint: &str,
        allowance: &mut Allowance,
    ) -> bool {
        let mut all = in_turns_of_names(signatures).into_iter();
        all.any(|it| self.is_made_by(keys, it, fingerprint, allowance))
    }

    fn is_made_by(
        &self,
        keys: &[PublicKey],
        signature: &Signature,
        fingerprint: &str,
        allowance: &mut Allowance,
    ) -> bool {
        let alone = std::slice::from_ref(signature);
        let mut named = keys.iter().filter(|key| key.name() == signature.key_name());
        named.any(|key| {
            let verify = || key.verify(fingerprint.as_bytes(), signature);
            allowance.take() && self.verdict(alone, key, fingerprint, verify)
        })
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
    fn a_request_has_so_much_verified_and_each_item_a_part_of_its_own() {
        let name = |number: usize| format!("release-{number}");
        let key = |number: usize, seed: u8| {
            let number = u8::try_from(number).unwrap();
            SecretKey::from_seed(&name(usize::from(number)), [4 * number + seed; 32]).unwrap()
        };
        let names = 12;
        let keys: Vec<PublicKey> = (0..names)
            .flat_map(|number| (0..4).map(move |seed| key(number, seed).public()))
            .collect();
        let stranger = |number: usize| SecretKey::from_seed(&name(number), [99; 32]).unwrap();
        let signatures = Signatures::new(StoreDir::default());
        let mut allowance = Allowance::new();
        let items = 40;
        for item in 0..items {
            allowance.item();
            let sign = |signed: usize| {
                let signed = format!("{item} {signed}");
                (0..names).map(move |number| stranger(number).sign(signed.as_bytes()))
            };
            let junk: Vec<Signature> = (0..4).flat_map(sign).collect();
            let made = signatures.made_by(&keys, &junk, &format!("item {item}"), &mut allowance);
            assert_eq!(made, Vec::<&Signature>::new());
        }
        let most = VERIFIED_IN_ANY_CASE + items * VERIFIED_OF_AN_ITEM;
        assert_eq!(signatures.remembered(), most as u64);
        let tried = items * names * VERIFIED_OF_AN_ITEM;
        assert_eq!(allowance.not_verified(), tried - most);
        // Whoever comes after that finds what was signed, by the last key of a name, behind what nobody asks for.
        for number in 0..names {
            allowance.item();
            let text = format!("signed {number}");
            let other = SecretKey::from_seed("other-1", [1; 32]).unwrap();
            let mut sent: Vec<Signature> = (0..60).map(|it| other.sign(&[it])).collect();
            sent.extend((0..3).map(|it| stranger(number).sign(&[it])));
            sent.push(key(number, 3).sign(text.as_bytes()));
            let last = sent.last().unwrap();
            assert_eq!(
                signatures.made_by(&keys, &sent, &text, &mut allowance),
                [last]
            );
            assert!(signatures.any_made_by(&keys, &sent, &text, &mut Allowance::new()));
        }
        let untouched = allowance.not_verified();
        // A little request has more than its items alone would give.
        let mut small = Allowance::new();
        small.item();
        let all: Vec<Signature> = (0..names).map(|number| key(number, 3).sign(b"x")).collect();
        assert_eq!(
            signatures.made_by(&keys, &all, "x", &mut small).len(),
            names
        );
        assert_eq!(
            (small.not_verified(), allowance.not_verified()),
            (0, untouched)
        );
    }

    #[test]
    fn the_first_signatures_of_all_names_come_before_the_second_ones() {
        let sign =
            |name: &str, text: u8| SecretKey::from_seed(name, [1; 32]).unwrap().sign(&[text]);
        let sent = [
            sign("a", 0),
            sign("a", 1),
            sign("b", 0),
            sign("a", 2),
            sign("a", 3),
            sign("a", 4),
            sign("b", 1),
        ];
        let expected = [
            sign("a", 0),
            sign("b", 0),
            sign("a", 1),
            sign("b", 1),
            sign("a", 2),
            sign("a", 3),
        ];
        assert_eq!(
            in_turns_of_names(&sent),
            expected.iter().collect::<Vec<_>>()
        );
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
