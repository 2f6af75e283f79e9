//! The realisations that a push brings: which are taken, and what becomes of those that the slice has.
//!
//! Within one slice they follow the rules of contents: the first one stays, but that a builder's takes the place of a
//! person's, and signatures are added to what says the same. What is said of a path that a key of elsewhere has
//! signed, and that is therefore left out, is kept beside the fingerprint of that path: nobody who counts for less says
//! to which path the derivation comes instead.

use std::collections::{HashMap, HashSet};

use fh_access::ApiError;
use fh_nix::{DrvOutput, Realisation, Signature, StorePath, StorePathHash};
use fh_persistence::database::realisations::{self, Clash, Word};
use fh_persistence::database::slices;
use fh_persistence::database::upstream::{self, Pusher};
use fh_sql::{Read, Tx};
use serde_json::{Value, json};

use super::joined::Builders;
use super::signed::Signed;
use super::target::Target;
use super::wanted::{Wanted, refused};

/// Checks that the path of each realisation is one of the push, or one that it only tells of and that a key of
/// elsewhere has signed, or is known to the slice under this name: whether one of them changes something.
///
/// # Errors
/// 400 where a path is none of these.
pub(super) fn examine(
    read: &Read,
    target: &Target,
    wanted: &Wanted,
    signed: &Signed,
) -> Result<bool, ApiError> {
    if wanted.realisations.is_empty() {
        return Ok(false);
    }
    let pushed: HashSet<_> = wanted.paths.iter().map(|info| &info.path).collect();
    let is_left_out = |path: &StorePath| {
        let told = wanted.context.get(&path.hash());
        told.is_some_and(|told| told.path == *path && signed.by_upstream(told))
    };
    let outside = |realisation: &&Realisation| {
        let path = &realisation.out_path;
        !pushed.contains(path) && !is_left_out(path)
    };
    let outside: Vec<&Realisation> = wanted.realisations.iter().filter(outside).collect();
    let known = known(read, target, outside.iter().copied())?;
    for realisation in outside {
        if !known.contains(&realisation.out_path) {
            let problem = format!(
                "{} is neither in this push nor in {}",
                realisation.out_path, target.flake
            );
            return Err(refused(&realisation.id, &problem));
        }
    }
    let slice = Slice::of(read, target, &wanted.realisations)?;
    let mut wanted = wanted.realisations.iter();
    Ok(wanted
        .any(|realisation| !matches!(slice.verdict(target, realisation, signed), Verdict::Same)))
}

/// Those of the paths of some realisations that a slice holds or has left out, under these names.
fn known<'a>(
    read: &Read,
    target: &Target,
    realisations: impl Iterator<Item = &'a Realisation>,
) -> Result<HashSet<StorePath>, ApiError> {
    let paths: Vec<&StorePath> = realisations.map(|it| &it.out_path).collect();
    let hashes: Vec<StorePathHash> = paths.iter().map(|path| path.hash()).collect();
    let held = slices::present(read, target.flake_id, &hashes)?;
    let mut known = upstream::left_out(read, target.flake_id, &hashes)?;
    known.extend(paths.into_iter().filter_map(|path| {
        let there = held.get(&path.hash())?;
        (there.name == path.name()).then(|| path.clone())
    }));
    Ok(known)
}

/// What a commit did with its realisations.
#[derive(Debug, Default)]
pub(super) struct Added {
    /// How many are new, or count for more since.
    pub(super) count: u64,
    /// What the slice has already, and keeps, although the push says something else.
    pub(super) kept: Vec<(Realisation, Realisation)>,
    /// Where other slices of the organisation say something else.
    pub(super) clashes: Vec<Clash>,
}

impl Added {
    /// What the slices of the organisation disagree about, for the audit log.
    pub(super) fn listed_clashes(&self, flake: &str) -> Vec<Value> {
        let kept = self.kept.iter().map(|(there, pushed)| {
            json!({
                "realisation": pushed.id.to_string(),
                "flake": flake,
                "there": there.out_path.to_string(),
                "pushed": pushed.out_path.to_string(),
                "kept": true,
            })
        });
        let elsewhere = self.clashes.iter().map(|clash| {
            json!({
                "realisation": clash.output.to_string(),
                "flake": clash.flake.to_string(),
                "there": clash.there.to_string(),
                "pushed": clash.pushed.to_string(),
                "kept": false,
            })
        });
        kept.chain(elsewhere).collect()
    }
}

/// Adds realisations to a slice: those whose paths it holds or has left out now.
pub(super) fn add(
    tx: &Tx<'_>,
    target: &Target,
    wanted: &[Realisation],
    signed: &Signed,
) -> Result<Added, ApiError> {
    let mut added = Added::default();
    if wanted.is_empty() {
        return Ok(added);
    }
    let known = known(tx, target, wanted.iter())?;
    let slice = Slice::of(tx, target, wanted)?;
    let pusher = Pusher {
        account_id: target.account_id,
        builder: target.builder,
    };
    let mut new = Vec::new();
    for realisation in wanted {
        if !known.contains(&realisation.out_path) {
            continue;
        }
        let flake_id = target.flake_id;
        match slice.verdict(target, realisation, signed) {
            Verdict::Same => continue,
            Verdict::Keep(there) => {
                added
                    .kept
                    .push((there.realisation.clone(), realisation.clone()));
                continue;
            }
            Verdict::Put => realisations::put(tx, flake_id, realisation, pusher)?,
            Verdict::Raise(signatures) => {
                let raised = Realisation {
                    signatures,
                    ..realisation.clone()
                };
                realisations::put(tx, flake_id, &raised, pusher)?;
            }
            Verdict::Sign(signatures) => {
                realisations::set_signatures(tx, flake_id, &realisation.id, &signatures)?;
            }
        }
        added.count += 1;
        new.push(&realisation.id);
    }
    if !new.is_empty() {
        added.clashes = realisations::clashes(tx, target.flake_id, new)?;
    }
    Ok(added)
}

/// What a slice says of some outputs.
struct Slice {
    words: HashMap<DrvOutput, Word>,
}

/// What becomes of a realisation.
enum Verdict<'a> {
    /// The slice says the same already.
    Same,
    /// The slice says something else, and keeps it.
    Keep(&'a Word),
    /// The slice says nothing, or something that counts for less.
    Put,
    /// The slice says the same, which counts for more from now on. With these signatures.
    Raise(Vec<Signature>),
    /// The slice says the same, and gets further signatures: these.
    Sign(Vec<Signature>),
}

impl Slice {
    fn of(read: &Read, target: &Target, wanted: &[Realisation]) -> Result<Self, ApiError> {
        let outputs = wanted.iter().map(|realisation| &realisation.id);
        let words = realisations::present(read, target.flake_id, outputs)?;
        Ok(Self { words })
    }

    fn verdict(&self, target: &Target, realisation: &Realisation, signed: &Signed) -> Verdict<'_> {
        let Some(there) = self.words.get(&realisation.id) else {
            return Verdict::Put;
        };
        let builders = Builders {
            pushes: target.builder,
            has_pushed: there.builder,
        };
        let raises = builders.raises();
        if there.realisation.out_path != realisation.out_path {
            return if raises {
                Verdict::Put
            } else {
                Verdict::Keep(there)
            };
        }
        let held = &there.realisation.signatures;
        match signed.joined_realisation(held, realisation, builders) {
            Some(signatures) if raises => Verdict::Raise(signatures),
            None if raises => Verdict::Raise(held.clone()),
            Some(signatures) => Verdict::Sign(signatures),
            None => Verdict::Same,
        }
    }
}
