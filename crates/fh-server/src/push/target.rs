//! Whom a push is from, and to which slice.

use fh_access::View;
use fh_nix::{ContentAddress, PathInfo, StoreDir};
use fh_persistence::database::{Decided, Timestamp};
use uuid::Uuid;

use crate::receive::OpenPush;

/// The slice that is pushed to, and who pushes.
#[derive(Debug, Clone)]
pub(super) struct Target {
    /// The slice.
    pub(super) flake_id: i64,
    /// For messages.
    pub(super) flake: String,
    /// Who.
    pub(super) account_id: i64,
    /// Whether that is a builder of the flake's organisation.
    pub(super) builder: bool,
    /// What they may read.
    pub(super) view: View,
    /// Of what state it is that they may push.
    pub(super) decided: Decided,
    /// Where paths lie.
    pub(super) store_dir: StoreDir,
}

impl Target {
    /// A push of the target's account to its slice, as uploads need it.
    pub(super) fn open_push(
        &self,
        id: Uuid,
        paths: &[PathInfo],
        expires_at: Timestamp,
    ) -> OpenPush {
        OpenPush::new(id, self.flake_id, self.account_id, paths, expires_at)
    }

    /// Whether the content address of a path proves its content.
    pub(super) fn proves(&self, info: &PathInfo) -> bool {
        ContentAddress::proves(info, &self.store_dir)
    }
}
