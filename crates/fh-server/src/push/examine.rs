//! What a push comes to, given the slice as it is: which paths are there, which can be linked, which
//! have to be sent; and whether every reference is met.
//!
//! All questions are asked for the whole push at once: the number of statements does not grow with
//! the number of paths.

use std::collections::{HashMap, HashSet};

use fh_access::ApiError;
use fh_api::PathStatus;
use fh_nix::{NarHash, PathInfo, StorePath, StorePathHash};
use fh_persistence::database::holders;
use fh_persistence::database::nars::{self, Nar};
use fh_persistence::database::slices::{self, Present};
use fh_persistence::database::upstream as fingerprints;
use fh_sql::Read;

use super::signed::Signed;
use super::target::Target;
use super::wanted::Wanted;
use super::{logs, realisations};

/// What is known of the push.
#[derive(Debug)]
pub(super) struct Examined {
    /// One for each of the paths, in their order.
    pub(super) statuses: Vec<PathStatus>,
    /// NARs that the push may count on because they were received, by internal id.
    pub(super) received: Vec<i64>,
    /// Derivations whose logs the slice lacks and the push has.
    pub(super) logs: Vec<StorePath>,
    /// Whether there is something to write where all of the paths are there: the slice has rows that say the same
    /// as the push and count for less, or keeps rows that say something else, which is noted; the same of
    /// realisations, and some that it lacks.
    pub(super) writes: bool,
    /// Paths that the push leaves out, refers to or says to be outputs, which a key of elsewhere has signed, and of
    /// which the slice does not know yet.
    pub(super) left_out: Vec<StorePathHash>,
}

/// Examines a push.
///
/// # Errors
/// 400 where a reference is not met, or where a size is not that of the NAR.
pub(super) fn examine(
    read: &Read,
    target: &Target,
    wanted: &Wanted,
    signed: &Signed,
) -> Result<Examined, ApiError> {
    let hashes: Vec<StorePathHash> = wanted.paths.iter().map(|info| info.path.hash()).collect();
    let present = slices::present(read, target.flake_id, &hashes)?;
    let mut statuses = vec![PathStatus::Present; wanted.paths.len()];
    let mut missing = Vec::new();
    let mut writes = false;
    for (index, info) in wanted.paths.iter().enumerate() {
        if let Some(there) = present.get(&info.path.hash()) {
            let outdoes = signed.outdoes(target, there, info);
            if there.name != info.path.name() && !outdoes {
                return Err(ApiError::BadRequest(format!(
                    "{}: path: {} holds this hash with the name {}",
                    info.path, target.flake, there.name
                )));
            }
            // What was lost is as good as not there, and can be sent again; and so can what counts for less
            // than this push, if it is another content.
            let kept = there.disagrees(info) && !outdoes;
            if !there.damaged && (kept || !there.disagrees(info)) {
                writes |= kept || outdoes;
                continue;
            }
        }
        if signed.by_upstream(info) {
            statuses[index] = PathStatus::Upstream;
        } else {
            missing.push(index);
        }
    }
    let left_out = left_out(read, target, wanted, &statuses, signed)?;
    writes |= realisations::examine(read, target, wanted, signed)?;
    if missing.is_empty() {
        let logs = logs::lacking(read, target, wanted, &statuses)?;
        return Ok(Examined {
            statuses,
            received: Vec::new(),
            logs,
            writes,
            left_out,
        });
    }
    let missing_paths: Vec<&PathInfo> = missing.iter().map(|&index| &wanted.paths[index]).collect();
    check_references(read, target, wanted, &missing_paths, signed)?;
    let available = Available::of(
        read,
        target,
        missing_paths.iter().map(|info| &info.nar_hash),
    )?;
    let mut received = Vec::new();
    for (&index, info) in missing.iter().zip(&missing_paths) {
        statuses[index] = match available.nar_of(info)? {
            Some(usable) if usable.readable => PathStatus::Linked,
            Some(usable) => {
                received.push(usable.nar.id);
                PathStatus::Received
            }
            None => PathStatus::Upload,
        };
    }
    let logs = logs::lacking(read, target, wanted, &statuses)?;
    Ok(Examined {
        statuses,
        received,
        logs,
        writes,
        left_out,
    })
}

/// A NAR that a caller may use without sending it, for at least one of two reasons.
#[derive(Debug, Clone, Copy)]
pub(super) struct Usable {
    /// The NAR.
    pub(super) nar: Nar,
    /// A slice that they may read holds it.
    pub(super) readable: bool,
    /// They have sent it, to this slice.
    pub(super) received: bool,
}

/// The NARs that a caller may use without sending them.
#[derive(Debug)]
pub(super) struct Available {
    nars: HashMap<NarHash, Usable>,
}

impl Available {
    /// Those among these NARs.
    pub(super) fn of<'a>(
        read: &Read,
        target: &Target,
        nar_hashes: impl IntoIterator<Item = &'a NarHash>,
    ) -> Result<Self, ApiError> {
        let hashes: HashSet<&NarHash> = nar_hashes.into_iter().collect();
        let received = nars::received(
            read,
            target.flake_id,
            target.account_id,
            hashes.iter().copied(),
        )?;
        let stored = nars::stored(read, hashes.iter().copied())?;
        // Sorted, so that the search for a holder can skip.
        let mut slices: Vec<i64> = target.view.flakes().map(|(flake, _)| flake.id).collect();
        slices.sort_unstable();
        let mut nars = HashMap::new();
        for nar_hash in hashes {
            // What is not stored is looked for as well: the time of a plan does not tell what is stored.
            let nar = stored.get(nar_hash).filter(|nar| !nar.damaged);
            let readable = holders::any_holds_nar(read, nar.map(|nar| nar.id), &slices)?;
            let received = received.contains_key(nar_hash);
            if let Some(&nar) = nar
                && (readable || received)
            {
                let usable = Usable {
                    nar,
                    readable,
                    received,
                };
                nars.insert(*nar_hash, usable);
            }
        }
        Ok(Self { nars })
    }

    /// The NAR of a path, if it need not be sent.
    pub(super) fn nar_of(&self, info: &PathInfo) -> Result<Option<Usable>, ApiError> {
        let Some(usable) = self.nars.get(&info.nar_hash) else {
            return Ok(None);
        };
        let nar_size = usable.nar.nar_size;
        if nar_size != info.nar_size {
            return Err(ApiError::BadRequest(format!(
                "{}: nar_size: the NAR with this hash has {nar_size} bytes, not {}",
                info.path, info.nar_size
            )));
        }
        Ok(Some(*usable))
    }
}

/// What a key of elsewhere has signed, of the paths, of what they refer to and of what derivations are said to come
/// to, and what the slice does not know of by somebody who counts for as much. What is in the slice already is no
/// reason to leave it out here: it may be somebody's who counts for less.
fn left_out(
    read: &Read,
    target: &Target,
    wanted: &Wanted,
    statuses: &[PathStatus],
    signed: &Signed,
) -> Result<Vec<StorePathHash>, ApiError> {
    let is_told = |path: &&StorePath| {
        let told = wanted.context.get(&path.hash());
        told.is_some_and(|told| told.path == **path)
    };
    let mut hashes = HashSet::new();
    for (info, status) in wanted.paths.iter().zip(statuses) {
        if *status == PathStatus::Upstream {
            hashes.insert(info.path.hash());
        }
        let named = info.references.iter().filter(is_told);
        hashes.extend(named.map(StorePath::hash));
    }
    let realised = wanted.realisations.iter().map(|it| &it.out_path);
    hashes.extend(realised.filter(is_told).map(StorePath::hash));
    let hashes: Vec<StorePathHash> = hashes.into_iter().collect();
    let known = fingerprints::known(read, target.flake_id, &hashes, target.builder)?;
    let is_new = |hash: &StorePathHash| {
        let context = wanted.context.get(hash);
        !known.contains(hash) && context.is_none_or(|info| signed.by_upstream(info))
    };
    Ok(hashes.into_iter().filter(is_new).collect())
}

/// Checks that each reference of the paths that are to be added is met.
fn check_references(
    read: &Read,
    target: &Target,
    wanted: &Wanted,
    added: &[&PathInfo],
    signed: &Signed,
) -> Result<(), ApiError> {
    let pushed: HashMap<StorePathHash, &StorePath> = wanted
        .paths
        .iter()
        .map(|info| (info.path.hash(), &info.path))
        .collect();
    let outside: HashSet<StorePathHash> = added
        .iter()
        .flat_map(|info| &info.references)
        .map(StorePath::hash)
        .filter(|hash| !pushed.contains_key(hash))
        .collect();
    let in_slice = slices::present(read, target.flake_id, &outside)?;
    let mut by_upstream: HashMap<StorePathHash, bool> = HashMap::new();
    for info in added {
        for reference in &info.references {
            let hash = reference.hash();
            let met = match (pushed.get(&hash), in_slice.get(&hash)) {
                (Some(path), _) => *path == reference,
                (None, Some(Present { name, .. })) => name == reference.name(),
                (None, None) => *by_upstream.entry(hash).or_insert_with(|| {
                    wanted
                        .context
                        .get(&hash)
                        .is_some_and(|info| info.path == *reference && signed.by_upstream(info))
                }),
            };
            if !met {
                return Err(ApiError::BadRequest(format!(
                    "{} refers to {reference}, which is neither in this push nor in {}, and no key \
                     of skip_signed_by has signed it",
                    info.path, target.flake
                )));
            }
        }
    }
    Ok(())
}
