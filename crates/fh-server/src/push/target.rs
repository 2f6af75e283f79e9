//! Whom a push is from, and to which slice.

use std::ops::Deref;

use fh_access::View;
use fh_nix::{ContentAddress, PathInfo, StoreDir};
use fh_persistence::database::slices::Origin;
use fh_persistence::database::upstream::Pusher;
use fh_persistence::database::{Decided, Timestamp};
use fh_persistence::storage::UploadKey;
use uuid::Uuid;

use crate::receive::{Expected, OpenPush};

/// Who writes to which slice: all that decisions about a push ask.
#[derive(Debug, Clone)]
pub(super) struct Writer {
    /// The slice, by the id of its flake.
    pub(super) flake_id: i64,
    /// The flake's name, for messages.
    pub(super) flake: String,
    pub(super) account_id: i64,
    /// Whether that is a builder of the flake's organisation.
    pub(super) builder: bool,
    /// The directory that store paths lie in.
    pub(super) store_dir: StoreDir,
}

/// A writer, with what the database has to be asked with.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) writer: Writer,
    /// What they may read.
    pub(super) view: View,
    /// Of what state it is that they may push.
    pub(super) decided: Decided,
}

impl Deref for Target {
    type Target = Writer;

    fn deref(&self) -> &Writer {
        &self.writer
    }
}

impl Writer {
    /// A push of this account to this slice, as uploads need it.
    pub(super) fn open_push(
        &self,
        id: Uuid,
        paths: &[PathInfo],
        expires_at: Timestamp,
    ) -> OpenPush {
        OpenPush::new(id, self.flake_id, self.account_id, paths, expires_at)
    }

    /// The upload of a NAR by this account to this slice.
    pub(super) fn upload_key(&self, expected: &Expected) -> UploadKey {
        expected.upload_key(self.flake_id, self.account_id)
    }

    /// Whether the content address of a path proves its content.
    pub(super) fn proves(&self, info: &PathInfo) -> bool {
        ContentAddress::proves(info, &self.store_dir)
    }

    /// Who pushes, as rows tell.
    pub(super) fn pusher(&self) -> Pusher {
        Pusher {
            account_id: self.account_id,
            builder: self.builder,
        }
    }

    /// Of whom a row of this push is, whose content address is proven or not.
    pub(super) fn origin(&self, proven: bool) -> Origin {
        Origin {
            pusher_id: Some(self.account_id),
            builder: self.builder,
            proven,
        }
    }
}
