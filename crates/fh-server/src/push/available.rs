//! The NARs that a push may use without sending them. The module's invariant on owning content holds here.

use std::collections::{HashMap, HashSet};

use fh_access::ApiError;
use fh_nix::{NarHash, PathInfo};
use fh_persistence::database::holders;
use fh_persistence::database::nars::{self, Nar};
use fh_sql::Read;

use super::target::Target;

/// A NAR that a caller may use without sending it, for at least one of two reasons.
#[derive(Debug, Clone, Copy)]
pub(super) struct Usable {
    pub(super) nar: Nar,
    /// A slice that they may read holds it.
    pub(super) readable: bool,
    /// They have sent it, to this slice.
    pub(super) received: bool,
}

/// The NARs that a caller may use without sending them.
#[derive(Debug, Default)]
pub(super) struct Available {
    pub(super) nars: HashMap<NarHash, Usable>,
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
