//! The realisations that a push brings: which are taken, and what becomes of those that the slice has.
//!
//! Within one slice they follow the rules of contents: the first one stays, but that a builder's takes the place of a
//! person's, and signatures are added to what says the same. What is said of a path that a key of elsewhere has
//! signed, and that is therefore left out, is kept beside the fingerprint of that path: nobody who counts for less says
//! to which path the derivation comes instead.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use fh_access::ApiError;
use fh_nix::{DrvOutput, Realisation, StorePath, StorePathHash};
use fh_persistence::database::realisations::{self, Word};
use fh_persistence::database::slices;
use fh_persistence::database::upstream;
use fh_sql::{Read, Tx};

use super::clash::Clash;
use super::merged::Builders;
use super::request::{ParsedRequest, refused};
use super::signed::Signed;
use super::target::{Target, Writer};

/// Checks that the path of each realisation is one of the push, or one that it only tells of and that a key of
/// elsewhere has signed, or is known to the slice under this name: whether one of them changes something.
///
/// # Errors
/// 400 where a path is none of these.
pub(super) fn examine(
    read: &Read,
    target: &Target,
    request: &ParsedRequest,
    signed: &Signed,
) -> Result<bool, ApiError> {
    if request.realisations.is_empty() {
        return Ok(false);
    }
    let pushed: HashSet<_> = request.paths.iter().map(|info| &info.path).collect();
    let is_left_out = |path: &StorePath| {
        let told = request.context.get(&path.hash());
        told.is_some_and(|told| told.path == *path && signed.by_upstream(told))
    };
    let outside = |realisation: &&Realisation| {
        let path = &realisation.out_path;
        !pushed.contains(path) && !is_left_out(path)
    };
    let outside: Vec<&Realisation> = request.realisations.iter().filter(outside).collect();
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
    let words = words(read, target, &request.realisations)?;
    let mut request = request.realisations.iter();
    Ok(request.any(|it| {
        let verdict = Verdict::of(target, signed, it, words.get(&it.id));
        !matches!(verdict, Verdict::Same)
    }))
}

/// What a slice says of the outputs of some realisations.
fn words(
    read: &Read,
    target: &Target,
    realisations: &[Realisation],
) -> Result<HashMap<DrvOutput, Word>, ApiError> {
    let outputs = realisations.iter().map(|it| &it.id);
    Ok(realisations::present(read, target.flake_id, outputs)?)
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
    /// What the slice has already and keeps, and then what other slices of the organisation have, although the push
    /// says something else.
    pub(super) clashes: Vec<Clash>,
}

/// Adds realisations to a slice: those whose paths it holds or has left out now.
pub(super) fn add(
    tx: &Tx<'_>,
    target: &Target,
    wanted: &[Realisation],
    signed: &Signed,
) -> Result<Added, ApiError> {
    if wanted.is_empty() {
        return Ok(Added::default());
    }
    let facts = Facts {
        known: known(tx, target, wanted.iter())?,
        words: words(tx, target, wanted)?,
    };
    let Decision {
        writes,
        mut clashes,
    } = decide(target, signed, wanted, &facts);
    for (realisation, write) in &writes {
        match write {
            Write::Put => realisations::put(tx, target.flake_id, realisation, target.pusher())?,
            Write::Sign => {
                let Realisation { id, signatures, .. } = realisation.as_ref();
                realisations::set_signatures(tx, target.flake_id, id, signatures)?;
            }
        }
    }
    if !writes.is_empty() {
        let written = writes.iter().map(|(realisation, _)| &realisation.id);
        let elsewhere = realisations::clashes(tx, target.flake_id, written)?;
        clashes.extend(elsewhere.into_iter().map(|found| Clash {
            subject: found.output.to_string(),
            flake: found.flake.to_string(),
            there: found.there.to_string(),
            pushed: found.pushed.to_string(),
            kept: false,
        }));
    }
    Ok(Added {
        count: writes.len() as u64,
        clashes,
    })
}

/// What the database says of the realisations of a push.
struct Facts {
    /// The paths that the slice holds or has left out.
    known: HashSet<StorePath>,
    /// What the slice says of the outputs.
    words: HashMap<DrvOutput, Word>,
}

/// How a realisation is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Write {
    /// As a word of who pushes, in place of one that there may be.
    Put,
    /// The slice's word gets these signatures.
    Sign,
}

/// What is written of the realisations of a push.
#[derive(Debug, Default, PartialEq, Eq)]
struct Decision<'a> {
    writes: Vec<(Cow<'a, Realisation>, Write)>,
    /// What the slice keeps, although the push says something else.
    clashes: Vec<Clash>,
}

/// Decides which realisations a slice gets, and what becomes of those that it has.
fn decide<'a>(
    writer: &Writer,
    signed: &Signed,
    wanted: &'a [Realisation],
    facts: &'a Facts,
) -> Decision<'a> {
    let mut decision = Decision::default();
    let wanted = wanted.iter();
    for realisation in wanted.filter(|it| facts.known.contains(&it.out_path)) {
        let word = facts.words.get(&realisation.id);
        match Verdict::of(writer, signed, realisation, word) {
            Verdict::Same => {}
            Verdict::Keep(there) => decision.clashes.push(Clash {
                subject: realisation.id.to_string(),
                flake: writer.flake.clone(),
                there: there.realisation.out_path.to_string(),
                pushed: realisation.out_path.to_string(),
                kept: true,
            }),
            Verdict::Write(realisation, how) => decision.writes.push((realisation, how)),
        }
    }
    decision
}

/// What becomes of a realisation.
#[derive(Debug)]
enum Verdict<'a> {
    /// The slice says the same already.
    Same,
    /// The slice says something else, and keeps it.
    Keep(&'a Word),
    /// The slice says nothing, or the same with less that counts, or something that counts for less.
    Write(Cow<'a, Realisation>, Write),
}

impl<'a> Verdict<'a> {
    /// By what the slice says of the output.
    fn of(
        writer: &Writer,
        signed: &Signed,
        realisation: &'a Realisation,
        word: Option<&'a Word>,
    ) -> Self {
        let Some(there) = word else {
            return Self::Write(Cow::Borrowed(realisation), Write::Put);
        };
        let builders = Builders {
            pushes: writer.builder,
            has_pushed: there.builder,
        };
        let raises = builders.raises();
        if there.realisation.out_path != realisation.out_path {
            return if raises {
                Self::Write(Cow::Borrowed(realisation), Write::Put)
            } else {
                Self::Keep(there)
            };
        }
        let held = &there.realisation.signatures;
        let merged = signed.merged_realisation(held, realisation, builders);
        if merged.is_none() && !raises {
            return Self::Same;
        }
        let merged = Realisation {
            signatures: merged.unwrap_or_else(|| held.clone()),
            ..realisation.clone()
        };
        // What counts for more from now on is another word than before.
        let how = if raises { Write::Put } else { Write::Sign };
        Self::Write(Cow::Owned(merged), how)
    }
}

#[cfg(test)]
mod tests;
