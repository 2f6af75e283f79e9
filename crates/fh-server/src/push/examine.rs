//! What a push comes to, given the slice as it is: which paths are there, which can be linked, which
//! have to be sent; and whether every reference is met.
//!
//! All questions are asked for the whole push at once: the number of statements does not grow with
//! the number of paths.

use std::collections::{HashMap, HashSet};

use fh_access::ApiError;
use fh_api::PathStatus;
use fh_nix::{PathInfo, StorePath, StorePathHash};
use fh_persistence::database::slices::{self, Present};
use fh_persistence::database::upstream as fingerprints;
use fh_sql::Read;

use super::available::Available;
use super::decision::Fate;
use super::request::ParsedRequest;
use super::signed::Signed;
use super::target::Target;
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
    request: &ParsedRequest,
    signed: &Signed,
) -> Result<Examined, ApiError> {
    let hashes: Vec<StorePathHash> = request.paths.iter().map(|info| info.path.hash()).collect();
    let present = slices::present(read, target.flake_id, &hashes)?;
    let mut statuses = vec![PathStatus::Present; request.paths.len()];
    let mut missing = Vec::new();
    let mut writes = false;
    for (index, info) in request.paths.iter().enumerate() {
        let row = present.get(&info.path.hash());
        if let Some(there) = row
            && there.name != info.path.name()
            && !signed.outdoes(target, there, info)
        {
            return Err(ApiError::BadRequest(format!(
                "{}: path: {} holds this hash with the name {}",
                info.path, target.flake, there.name
            )));
        }
        match Fate::of(target, signed, info, row) {
            Fate::Kept(there) => writes |= there.disagrees(info),
            Fate::Merged(_) => writes = true,
            Fate::New(_) if signed.by_upstream(info) => statuses[index] = PathStatus::Upstream,
            Fate::New(_) => missing.push(index),
        }
    }
    let left_out = left_out(read, target, request, &statuses, signed)?;
    writes |= realisations::examine(read, target, request, signed)?;
    let mut received = Vec::new();
    if !missing.is_empty() {
        let missing_paths: Vec<&PathInfo> =
            missing.iter().map(|&index| &request.paths[index]).collect();
        check_references(read, target, request, &missing_paths, signed)?;
        let hashes = missing_paths.iter().map(|info| &info.nar_hash);
        let available = Available::of(read, target, hashes)?;
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
    }
    let logs = logs::lacking(read, target, request, &statuses)?;
    Ok(Examined {
        statuses,
        received,
        logs,
        writes,
        left_out,
    })
}

/// What a key of elsewhere has signed, of the paths, of what they refer to and of what derivations are said to come
/// to, and what the slice does not know of by somebody who counts for as much. What is in the slice already is no
/// reason to leave it out here: it may be somebody's who counts for less.
fn left_out(
    read: &Read,
    target: &Target,
    request: &ParsedRequest,
    statuses: &[PathStatus],
    signed: &Signed,
) -> Result<Vec<StorePathHash>, ApiError> {
    let is_told = |path: &&StorePath| {
        let told = request.context.get(&path.hash());
        told.is_some_and(|told| told.path == **path)
    };
    let mut hashes = HashSet::new();
    for (info, status) in request.paths.iter().zip(statuses) {
        if *status == PathStatus::Upstream {
            hashes.insert(info.path.hash());
        }
        let named = info.references.iter().filter(is_told);
        hashes.extend(named.map(StorePath::hash));
    }
    let realised = request.realisations.iter().map(|it| &it.out_path);
    hashes.extend(realised.filter(is_told).map(StorePath::hash));
    let hashes: Vec<StorePathHash> = hashes.into_iter().collect();
    let known = fingerprints::known(read, target.flake_id, &hashes, target.builder)?;
    let is_new = |hash: &StorePathHash| {
        let context = request.context.get(hash);
        !known.contains(hash) && context.is_none_or(|info| signed.by_upstream(info))
    };
    Ok(hashes.into_iter().filter(is_new).collect())
}

/// Checks that each reference of the paths that are to be added is met.
fn check_references(
    read: &Read,
    target: &Target,
    request: &ParsedRequest,
    added: &[&PathInfo],
    signed: &Signed,
) -> Result<(), ApiError> {
    let pushed: HashMap<StorePathHash, &StorePath> = request
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
                    request
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
