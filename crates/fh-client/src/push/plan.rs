//! The plan: what is asked of the server, and what its answer means.
//!
//! The server's answer is checked against what was asked: a plan that does not fit is refused, and
//! so are limits that would break the memory bound.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;

use fh_api::{PathStatus, PushLimits, PushPath, PushPlan, PushRequest, part_count};
use fh_nix::{NarHash, PathInfo, StorePath};
use uuid::Uuid;

use super::nar::{CheckedNar, Unusable};
use super::observer::PlanTotals;
use super::options::PushOptions;
use crate::closure::Closure;
use crate::error::{Error, Result};
use crate::text::safe_line;

/// Parts that are smaller would be a request for next to nothing; larger ones would not leave
/// memory for several.
const PART_SIZES: std::ops::RangeInclusive<u64> = 1024..=64 * 1024 * 1024;

/// Below this, a record of a batch or an incompressible part of the smallest size would not fit.
const SMALLEST_BODY: u64 = 2048;

/// What to ask the server. Of realisations those of the paths to be pushed, and of those that are only told of and left
/// out because one of the keys has signed them.
pub(super) fn request(closure: &Closure, options: &PushOptions) -> PushRequest {
    let realised: HashSet<&StorePath> = options
        .realisations
        .found
        .iter()
        .map(|realisation| &realisation.out_path)
        .collect();
    let is_left_out = |info: &PathInfo| {
        let mut keys = options.skip_signed_by.iter();
        keys.any(|key| info.verify(&closure.store_dir, key))
    };
    let counts: HashSet<&StorePath> = closure
        .paths
        .iter()
        .filter(|path| realised.contains(&path.info.path))
        .filter(|path| !path.context || is_left_out(&path.info))
        .map(|path| &path.info.path)
        .collect();
    let paths = closure.paths.iter().map(|path| PushPath {
        // In full, so that a server of another store directory notices.
        path: closure.store_dir.display(&path.info.path),
        context: path.context,
        ..(&path.info).into()
    });
    let realisations = options.realisations.found.iter();
    let realisations = realisations.filter(|it| counts.contains(&it.out_path));
    let keys = options.skip_signed_by.iter();
    PushRequest {
        paths: paths.collect(),
        skip_signed_by: keys.map(ToString::to_string).collect(),
        dry_run: options.dry_run,
        logs: Vec::new(),
        realisations: realisations.map(Into::into).collect(),
    }
}

/// A NAR to send.
#[derive(Debug, Clone)]
pub(super) struct NarWork {
    pub(super) hash: NarHash,
    pub(super) size: u64,
    /// Every path that has this content.
    pub(super) paths: Vec<StorePath>,
    /// Where the content is read from: the first of the paths.
    pub(super) source: PathBuf,
    /// Parts that the server has already; 0 for what travels in a batch.
    pub(super) parts_received: u64,
    /// Parts in all; 0 for what travels in a batch.
    pub(super) parts: u64,
}

impl NarWork {
    /// Opens its files, to read it from its beginning.
    pub(super) fn open(&self) -> Result<CheckedNar, Unusable> {
        CheckedNar::open(&self.source, self.hash, self.size)
    }

    pub(super) fn is_batched(&self) -> bool {
        self.parts == 0
    }

    /// Uncompressed bytes that the server has already.
    pub(super) fn received(&self, limits: &PushLimits) -> u64 {
        (self.parts_received * limits.part_size).min(self.size)
    }
}

/// What the server's plan means for this push.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) totals: PlanTotals,
    pub(super) nars: Vec<NarWork>,
    /// Paths that cannot be sent at all, with the reason.
    pub(super) refused: Vec<(StorePath, String)>,
}

/// Reads the server's plan.
pub(super) fn work(closure: &Closure, plan: &PushPlan) -> Result<Work> {
    let invalid = |reason: String| Error::InvalidPlan { reason };
    let limits = &plan.limits;
    check_limits(limits)?;
    let pushed: Vec<&PathInfo> = closure.pushed().collect();
    if pushed.len() != plan.paths.len() {
        return Err(invalid(format!(
            "{} paths were asked about and {} were answered for",
            pushed.len(),
            plan.paths.len()
        )));
    }
    let mut totals = PlanTotals {
        paths: pushed.len() as u64,
        ..PlanTotals::default()
    };
    let mut by_nar: BTreeMap<NarHash, Vec<&PathInfo>> = BTreeMap::new();
    for (info, answer) in pushed.iter().zip(&plan.paths) {
        if answer.hash != info.path.hash().to_string() {
            return Err(invalid(format!(
                "it answers for {} where {} was asked about",
                safe_line(&answer.hash, 40),
                info.path
            )));
        }
        totals.nar_bytes += info.nar_size;
        match answer.status {
            PathStatus::Present => totals.present += 1,
            PathStatus::Linked => totals.linked += 1,
            PathStatus::Upstream => totals.upstream += 1,
            PathStatus::Received => totals.received += 1,
            PathStatus::Upload => {
                totals.upload += 1;
                by_nar.entry(info.nar_hash).or_default().push(info);
            }
        }
    }
    let mut nars = Vec::new();
    let mut refused = Vec::new();
    for need in &plan.uploads {
        let known = NarHash::from_base32(&need.nar_hash)
            .ok()
            .and_then(|hash| by_nar.remove_entry(&hash));
        let Some((hash, infos)) = known else {
            return Err(invalid(format!(
                "it asks for the NAR {}, which no path to upload has",
                safe_line(&need.nar_hash, 60)
            )));
        };
        let nar = nar_work(closure, limits, hash, &infos, need.parts_received);
        let Some(nar) = nar else {
            continue;
        };
        if nar.size > limits.nar_size {
            let reason = format!(
                "its NAR has {} bytes, and the server takes {} at most",
                nar.size, limits.nar_size
            );
            refused.extend(nar.paths.into_iter().map(|path| (path, reason.clone())));
            continue;
        }
        let received = nar.received(limits);
        totals.upload_nars += 1;
        totals.upload_bytes += nar.size - received;
        totals.resumed_bytes += received;
        nars.push(nar);
    }
    if let Some(path) = by_nar.values().flatten().next() {
        return Err(invalid(format!(
            "{} is to be uploaded, but its NAR is not asked for",
            path.path
        )));
    }
    Ok(Work {
        totals,
        nars,
        refused,
    })
}

fn nar_work(
    closure: &Closure,
    limits: &PushLimits,
    hash: NarHash,
    infos: &[&PathInfo],
    parts_received: u64,
) -> Option<NarWork> {
    let first = infos.first()?;
    let size = first.nar_size;
    let parts = if size <= limits.batched_nar_size {
        0
    } else {
        part_count(size, limits.part_size)
    };
    Some(NarWork {
        hash,
        size,
        paths: infos.iter().map(|info| info.path.clone()).collect(),
        source: closure.real_path(&first.path),
        // The last part is what completes a NAR; it is sent whatever the server says it has.
        parts_received: parts_received.min(parts.saturating_sub(1)),
        parts,
    })
}

fn check_limits(limits: &PushLimits) -> Result<()> {
    let largest_batched = *PART_SIZES.end();
    if PART_SIZES.contains(&limits.part_size)
        && limits.batched_nar_size <= largest_batched
        && limits.body_size >= SMALLEST_BODY
    {
        return Ok(());
    }
    Err(Error::InvalidPlan {
        reason: format!(
            "its limits are out of range (parts of {} bytes, batched NARs of {}, bodies of {})",
            limits.part_size, limits.batched_nar_size, limits.body_size
        ),
    })
}

/// The id of a push that was begun.
pub(super) fn begun(plan: &PushPlan) -> Result<Uuid> {
    plan.id.ok_or_else(|| Error::InvalidPlan {
        reason: "there is something to do, but no push was begun".to_owned(),
    })
}
