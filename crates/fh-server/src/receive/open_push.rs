//! What uploads need to know of the push that they are for.

use std::collections::HashMap;

use fh_nix::{NarHash, PathInfo, StorePath, StorePathHash};
use fh_persistence::database::{Decided, Timestamp};
use fh_persistence::storage::UploadKey;
use uuid::Uuid;

use super::verify::Expected;

/// A push between its plan and its commit, as uploads need it.
#[derive(Debug)]
pub(crate) struct OpenPush {
    pub(crate) id: Uuid,
    /// The slice that it is for.
    pub(crate) flake_id: i64,
    pub(crate) account_id: i64,
    /// Until when it can be worked on.
    pub(crate) expires_at: Timestamp,
    /// Of what state it was decided that logs may come for it, which everybody sees at once; none as long as it
    /// is not committed, and nobody sees what comes.
    pub(crate) logs_decided: Option<Decided>,
    /// What it may send: of each NAR its size, and a path for messages.
    nars: HashMap<NarHash, (u64, StorePath)>,
    /// The derivations whose logs may come.
    derivers: HashMap<StorePathHash, StorePath>,
}

impl OpenPush {
    /// One that may send the NARs of `paths` and the logs of their derivations.
    pub(crate) fn new(
        id: Uuid,
        flake_id: i64,
        account_id: i64,
        paths: &[PathInfo],
        expires_at: Timestamp,
    ) -> Self {
        Self {
            id,
            derivers: derivers(paths),
            flake_id,
            account_id,
            expires_at,
            logs_decided: None,
            nars: paths
                .iter()
                .map(|info| (info.nar_hash, (info.nar_size, info.path.clone())))
                .collect(),
        }
    }

    /// The same after its commit, as far as logs may still come for it.
    pub(crate) fn for_logs(self, decided: Decided) -> Self {
        Self {
            nars: HashMap::new(),
            logs_decided: Some(decided),
            ..self
        }
    }

    /// How many NARs and derivations it holds in memory.
    pub(crate) fn weight(&self) -> usize {
        self.nars.len() + self.derivers.len()
    }

    /// The derivation of that hash, if it is the deriver of a path of the push.
    pub(super) fn deriver(&self, hash: &StorePathHash) -> Option<&StorePath> {
        self.derivers.get(hash)
    }

    /// The upload of one of its NARs.
    pub(crate) fn upload_key(&self, expected: &Expected) -> UploadKey {
        expected.upload_key(self.flake_id, self.account_id)
    }

    /// What a NAR must be, if it is one of the push.
    pub(crate) fn expected(&self, nar_hash: &NarHash) -> Option<Expected> {
        let (nar_size, path) = self.nars.get(nar_hash)?;
        Some(Expected {
            path: path.clone(),
            nar_hash: *nar_hash,
            nar_size: *nar_size,
        })
    }
}

/// The derivations that paths were built by, by their hash.
pub(crate) fn derivers<'a>(
    paths: impl IntoIterator<Item = &'a PathInfo>,
) -> HashMap<StorePathHash, StorePath> {
    paths
        .into_iter()
        .filter_map(|info| info.deriver.as_ref())
        .filter(|deriver| deriver.is_derivation())
        .map(|deriver| (deriver.hash(), deriver.clone()))
        .collect()
}
