//! Which signatures of a push count, verified before anything is decided by them.
//!
//! ```text
//! keys, and what the slice holds ─▶ verified, a few in each turn at the processors ─▶ Signed ─▶ plan, commit
//! ```
//!
//! Verifying a signature takes fifty microseconds, and whoever pushes decides how many there are. So:
//! - none is verified while a connection to the database is held, above all not the writing one, for which everybody
//!   waits. The code that decides is given [`Signed`] and has no means to verify;
//! - of each key name only the first few signatures of an item are tried, however many it has;
//! - a request has only so many verified for each of its items ([`Allowance`]); what comes after that proves nothing;
//! - the work is done in turns that count for the account, so that nobody takes the processors from others.
//!
//! A change of the organisation's keys is a change of access. So a transaction that was decided with other keys does
//! not begin, and the push is decided again.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use fh_access::ApiError;
use fh_nix::{DrvOutput, PathInfo, PublicKey, Realisation, Signature, StoreDir, StorePathHash};
use fh_persistence::database::slices::Present;
use fh_persistence::database::{DatabaseError, contests, realisations, slices};
use fh_sql::Read;

use super::merged::{Builders, looked_at, merged};
use super::parts::Parts;
use super::request::ParsedRequest;
use super::target::{Target, Writer};
use crate::signatures::{Allowance, Signatures};

/// Signatures of the items that are verified in one turn, about 15 ms with one key for each.
const SIGNATURES_OF_A_TURN: usize = 256;

/// What was verified of the signatures of a push.
#[derive(Debug, Default)]
pub(super) struct Signed {
    /// Paths that a key of `skip_signed_by` has signed, be they pushed or only told of.
    upstream: HashSet<StorePathHash>,
    /// The signatures of each path by keys that the organisation trusts.
    paths: HashMap<StorePathHash, HashSet<Signature>>,
    /// The same for realisations.
    realisations: HashMap<DrvOutput, HashSet<Signature>>,
    /// The names of these keys.
    names: HashSet<Box<str>>,
}

impl Signed {
    /// Whether a key of `skip_signed_by` has signed a path of the push.
    pub(super) fn by_upstream(&self, info: &PathInfo) -> bool {
        self.upstream.contains(&info.path.hash())
    }

    /// The signatures of a row after this push of the same content, if they change.
    pub(super) fn merged_path(
        &self,
        held: &[Signature],
        info: &PathInfo,
        builders: Builders,
    ) -> Option<Vec<Signature>> {
        let trusted = self.paths.get(&info.path.hash());
        merged(held, &info.signatures, trusted, &self.names, builders)
    }

    /// Whether a row of this push counts for more than the slice's row of the same path: a proof goes before
    /// none, and a builder before the rest. Of the same content it adds to what is there.
    pub(super) fn outdoes(&self, writer: &Writer, there: &Present, info: &PathInfo) -> bool {
        let (proves, builder) = (writer.proves(info), writer.builder);
        if there.disagrees(info) {
            (proves, builder) > (there.proven, there.builder)
        } else {
            (proves && !there.proven)
                || (builder && !there.builder)
                || self.merged_signatures(writer, there, info).is_some()
        }
    }

    /// The signatures of the slice's row of the same content after this push, if they change. Whoever may write to the
    /// slice brings what a key has signed that its organisation trusts: that decides, and by whom it comes says
    /// nothing. Others they add only to what counts for no more than they do.
    pub(super) fn merged_signatures(
        &self,
        writer: &Writer,
        there: &Present,
        info: &PathInfo,
    ) -> Option<Vec<Signature>> {
        let builders = Builders {
            pushes: writer.builder,
            has_pushed: there.builder,
        };
        // As a rule there is nothing to do, and nothing is parsed for that.
        let held = there.signatures.split_ascii_whitespace();
        let held = looked_at(held, |text| text.split(':').next().unwrap_or_default());
        let is_held = |it: &Signature| held.contains(it.to_string().as_str());
        if !builders.raises() && info.signatures.iter().all(is_held) {
            return None;
        }
        self.merged_path(&there.parsed_signatures(), info, builders)
    }

    /// The signatures of what a slice says of an output after this push says the same, if they change.
    pub(super) fn merged_realisation(
        &self,
        held: &[Signature],
        realisation: &Realisation,
        builders: Builders,
    ) -> Option<Vec<Signature>> {
        let trusted = self.realisations.get(&realisation.id);
        merged(
            held,
            &realisation.signatures,
            trusted,
            &self.names,
            builders,
        )
    }
}

/// Verifies the signatures of a push, in turns that count for whom the request does.
pub(super) async fn verify(
    parts: &Parts,
    target: &Target,
    request: &Arc<ParsedRequest>,
) -> Result<Signed, ApiError> {
    // Most pushes of people. What a builder raises may be signed all the same.
    if !target.builder && !request.has_signatures() {
        return Ok(Signed::default());
    }
    let question = {
        let (target, request) = (target.clone(), Arc::clone(request));
        parts
            .database
            .read(move |read| Question::read(read, &target, &request))
            .await?
    };
    let question = Arc::new(question);
    let names = question.trusted.iter().map(|key| key.name().into());
    let mut signed = Signed {
        names: names.collect(),
        ..Signed::default()
    };
    let mut allowances = Allowances::new();
    for turn in question.turns() {
        let place = parts.receiving.processor().await?;
        let (question, request) = (Arc::clone(&question), Arc::clone(request));
        let (signatures, store_dir) = (parts.signatures.clone(), parts.store_dir.clone());
        let verifying = tokio::task::spawn_blocking(move || {
            // Held by the task: a turn ends when its work does.
            let _place = place;
            question.verify(
                turn,
                &request,
                &signatures,
                &store_dir,
                &mut allowances,
                &mut signed,
            );
            (signed, allowances)
        });
        (signed, allowances) = verifying.await.map_err(ApiError::internal)?;
    }
    let not_verified = allowances.not_verified();
    if not_verified > 0 {
        tracing::info!(
            not_verified,
            "a push has more signatures under the names of trusted keys than are verified of one push"
        );
    }
    Ok(signed)
}

/// What may still be verified of a push.
struct Allowances {
    /// Of what it says that an upstream cache has.
    upstream: Allowance,
    /// Of what it brings.
    pushed: Allowance,
    /// Of what is there: whoever has sent that takes nothing from who pushes now.
    held: Allowance,
}

impl Allowances {
    fn new() -> Self {
        Self {
            upstream: Allowance::new(),
            pushed: Allowance::new(),
            held: Allowance::new(),
        }
    }

    fn item(&mut self) {
        for allowance in [&mut self.upstream, &mut self.pushed, &mut self.held] {
            allowance.item();
        }
    }

    fn not_verified(&self) -> usize {
        let all = [&self.upstream, &self.pushed, &self.held];
        all.map(Allowance::not_verified).iter().sum()
    }
}

/// What has to be verified.
struct Question {
    /// The keys that the organisation trusts.
    trusted: Vec<PublicKey>,
    /// Signatures of rows that a builder raises: what a trusted key has signed of them is kept.
    held_paths: HashMap<StorePathHash, Vec<Signature>>,
    held_realisations: HashMap<DrvOutput, Vec<Signature>>,
    items: Vec<Item>,
}

/// Something that has signatures, and how many.
struct Item {
    which: Which,
    signatures: usize,
}

enum Which {
    /// By its place in the push.
    Path(usize),
    /// What is only told of.
    Context(StorePathHash),
    /// By its place in the push.
    Realisation(usize),
}

impl Question {
    fn read(read: &Read, target: &Target, request: &ParsedRequest) -> Result<Self, DatabaseError> {
        let trusted = contests::trusted_keys_of_slice(read, target.flake_id)?;
        let mut question = Self {
            trusted,
            held_paths: HashMap::new(),
            held_realisations: HashMap::new(),
            items: Vec::new(),
        };
        if target.builder && !question.trusted.is_empty() {
            question.read_held(read, target, request)?;
        }
        let any_trusted = !question.trusted.is_empty();
        let any_key = any_trusted || !request.upstream_keys.is_empty();
        let mut items = Vec::new();
        let mut item = |which, signatures: usize, is_asked: bool| {
            if signatures > 0 && is_asked {
                items.push(Item { which, signatures });
            }
        };
        for (index, info) in request.paths.iter().enumerate() {
            let held = question.held_paths.get(&info.path.hash());
            let signatures = info.signatures.len() + held.map_or(0, Vec::len);
            item(Which::Path(index), signatures, any_key);
        }
        for (hash, info) in &request.context {
            let is_asked = !request.upstream_keys.is_empty();
            item(Which::Context(*hash), info.signatures.len(), is_asked);
        }
        for (index, realisation) in request.realisations.iter().enumerate() {
            let held = question.held_realisations.get(&realisation.id);
            let signatures = realisation.signatures.len() + held.map_or(0, Vec::len);
            item(Which::Realisation(index), signatures, any_trusted);
        }
        question.items = items;
        Ok(question)
    }

    fn read_held(
        &mut self,
        read: &Read,
        target: &Target,
        request: &ParsedRequest,
    ) -> Result<(), DatabaseError> {
        let hashes: Vec<StorePathHash> =
            request.paths.iter().map(|info| info.path.hash()).collect();
        let present = slices::present(read, target.flake_id, &hashes)?;
        for info in &request.paths {
            let hash = info.path.hash();
            if let Some(there) = present.get(&hash)
                && !there.builder
                && !there.disagrees(info)
            {
                self.held_paths.insert(hash, there.parsed_signatures());
            }
        }
        let outputs = request.realisations.iter().map(|it| &it.id);
        let words = realisations::present(read, target.flake_id, outputs)?;
        for realisation in &request.realisations {
            if let Some(there) = words.get(&realisation.id)
                && !there.builder
                && there.realisation.out_path == realisation.out_path
            {
                let held = there.realisation.signatures.clone();
                self.held_realisations.insert(realisation.id.clone(), held);
            }
        }
        Ok(())
    }

    /// The items of each turn.
    fn turns(&self) -> Vec<Range<usize>> {
        let mut turns = Vec::new();
        let (mut start, mut signatures) = (0, 0);
        for (index, item) in self.items.iter().enumerate() {
            if signatures > 0 && signatures + item.signatures > SIGNATURES_OF_A_TURN {
                turns.push(start..index);
                (start, signatures) = (index, 0);
            }
            signatures += item.signatures;
        }
        if start < self.items.len() {
            turns.push(start..self.items.len());
        }
        turns
    }

    /// Verifies the items of a turn, and adds to what is signed.
    fn verify(
        &self,
        turn: Range<usize>,
        request: &ParsedRequest,
        signatures: &Signatures,
        store_dir: &StoreDir,
        allowances: &mut Allowances,
        signed: &mut Signed,
    ) {
        for item in &self.items[turn] {
            allowances.item();
            let (told, realisation) = match &item.which {
                Which::Path(index) => (Some(&request.paths[*index]), None),
                Which::Context(hash) => (request.context.get(hash), None),
                Which::Realisation(index) => (None, Some(&request.realisations[*index])),
            };
            let Allowances {
                upstream,
                pushed,
                held,
            } = allowances;
            let mut made = |of: &[Signature], there: Option<&Vec<Signature>>, signed: &str| {
                let there = there.map(Vec::as_slice).unwrap_or_default();
                let mut made = signatures.made_by(&self.trusted, of, signed, pushed);
                made.extend(signatures.made_by(&self.trusted, there, signed, held));
                let made: HashSet<Signature> = made.into_iter().cloned().collect();
                (!made.is_empty()).then_some(made)
            };
            if let Some(info) = told {
                let hash = info.path.hash();
                let fingerprint = info.fingerprint(store_dir);
                let (keys, sent) = (&request.upstream_keys, &info.signatures);
                if signatures.any_made_by(keys, sent, &fingerprint, upstream) {
                    signed.upstream.insert(hash);
                }
                if matches!(item.which, Which::Path(_)) {
                    let made = made(sent, self.held_paths.get(&hash), &fingerprint);
                    signed.paths.extend(made.map(|made| (hash, made)));
                }
            }
            if let Some(realisation) = realisation {
                let held = self.held_realisations.get(&realisation.id);
                let made = made(&realisation.signatures, held, &realisation.fingerprint());
                let made = made.map(|made| (realisation.id.clone(), made));
                signed.realisations.extend(made);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_has_so_many_signatures_and_every_item_has_its_turn() {
        for (each, count, turns) in [
            (1, 1000, 4),
            (64, 10, 3),
            (128, 5, 3),
            (300, 2, 2),
            (1, 0, 0),
        ] {
            let items = (0..count).map(|index| Item {
                which: Which::Path(index),
                signatures: each,
            });
            let question = Question {
                trusted: Vec::new(),
                held_paths: HashMap::new(),
                held_realisations: HashMap::new(),
                items: items.collect(),
            };
            let found = question.turns();
            assert_eq!(found.len(), turns, "{each} {count}");
            let all: Vec<usize> = found.into_iter().flatten().collect();
            assert_eq!(all, (0..count).collect::<Vec<_>>(), "{each} {count}");
        }
    }
}
