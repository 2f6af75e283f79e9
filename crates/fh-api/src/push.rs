//! The push protocol: plan, upload, commit.
//!
//! ```text
//! POST  /api/v1/flakes/{org}/{project}/pushes                      PushRequest → PushPlan
//! POST  /api/v1/flakes/{org}/{project}/pushes/{id}/nars            batch of small NARs → BatchAnswer
//! PUT   /api/v1/flakes/{org}/{project}/pushes/{id}/nars/{nar hash}/parts/{n}   → PartAnswer
//! POST  /api/v1/flakes/{org}/{project}/pushes/{id}/commit          → CommitSummary
//! DELETE /api/v1/flakes/{org}/{project}/pushes/{id}                forget it (204)
//! ```
//!
//! A NAR travels compressed with zstd. One of at most [`PushLimits::batched_nar_size`] bytes
//! (uncompressed) goes into a batch: records of `nar hash` (32 bytes), `compressed length` (u64
//! little endian) and that many bytes, one after the other. A larger one is cut at every
//! [`PushLimits::part_size`] bytes of the *uncompressed* NAR, and each part is compressed for
//! itself into one or more whole zstd frames. Frames laid end to end are one valid zstd stream, so
//! the server stores the parts as they come, a client can compress parts on all cores, and an
//! interrupted upload resumes at a part, whatever compression level either run used.
//!
//! Build logs travel in the same batches, one record for each: where a NAR has its hash there stand
//! [`LOG_RECORD`] and the 20 bytes of the derivation's path hash, and what follows is the log as zstd
//! frames. A log becomes visible with the push; where the plan says that the push is committed
//! already and gives an id all the same, that id is for logs alone, and each is visible at once.
//!
//! Realisations travel in the plan's request, are checked there, and become visible with the push.
//!
//! Parts are numbered from 0 and are taken in order: the server answers a part that is early only
//! once its predecessors have come, so a client may have several under way, sent in order.
//! Resuming is planning again: the new plan says which parts the server has already.

use fh_nix::{PathInfo, Realisation};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::object;

/// The media type of a batch of NARs.
pub const NAR_BATCH_MEDIA_TYPE: &str = "application/vnd.fh.nar-batch";

/// Bytes before each NAR in a batch: 32 of the NAR's SHA-256, 8 of the compressed length (LE).
pub const NAR_BATCH_RECORD_HEADER: usize = 40;

/// What a record's hash begins with where the record is a build log. The 20 bytes of the derivation's
/// path hash follow. No NAR's hash begins so but by a chance of 1 in 2^96.
pub const LOG_RECORD: [u8; 12] = *b"fh build log";

/// How many parts a NAR of `nar_size` bytes is cut into.
#[must_use]
pub fn part_count(nar_size: u64, part_size: u64) -> u64 {
    nar_size.div_ceil(part_size.max(1)).max(1)
}

/// The plan asked for: what the slice shall hold.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct PushRequest {
    /// Every path of the closure, in any order. One that is only named by others (`context`) is
    /// not pushed, but says how a reference is met.
    #[serde(deserialize_with = "object::list")]
    pub paths: Vec<PushPath>,
    /// Public keys (`name:base64`): a path that carries a valid signature of one of them is left
    /// out, and references to it are met.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schema(value_type = Vec<crate::schema::PublicKeyText>))]
    pub skip_signed_by: Vec<String>,
    /// Answer what would happen and begin nothing.
    #[serde(default)]
    pub dry_run: bool,
    /// Base names of derivations whose build logs could be sent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub logs: Vec<String>,
    /// Of which outputs of derivations the paths are, where Nix cannot tell that from the derivation alone. They
    /// become visible with the push.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "object::list"
    )]
    pub realisations: Vec<PushRealisation>,
}

/// A realisation, as Nix tells it. Text, parsed by the server field by field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct PushRealisation {
    /// `sha256:<hex>!<output>`, by which Nix up to 2.34 asks for it, or `<derivation>^<output>` with the derivation's
    /// base name, by which Nix does from 2.35 on.
    pub id: String,
    /// The path that the output was built to: one of the push, which may be context if a key of `skip_signed_by` has
    /// signed it, or one that the slice has or has left out.
    #[cfg_attr(feature = "schema", schema(value_type = crate::schema::StorePathText))]
    pub out_path: String,
    /// `key name:base64`, of the realisation without any that it depends on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signatures: Vec<String>,
}

/// A path info, as `nix path-info` tells it. Text, parsed by the server field by field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct PushPath {
    /// The base name, `<hash>-<name>`, or the full path in this server's store directory.
    #[cfg_attr(feature = "schema", schema(value_type = crate::schema::StorePathText))]
    pub path: String,
    /// `sha256-<base64>` or `sha256:<base32 or hex>`.
    pub nar_hash: String,
    /// Bytes of the uncompressed NAR.
    #[cfg_attr(feature = "schema", schema(minimum = 1))]
    pub nar_size: u64,
    /// Base names, without order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<String>,
    /// Base name of the derivation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deriver: Option<String>,
    /// Signatures that came with the path, `key name:base64`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signatures: Vec<String>,
    /// The content address, where the path has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
    /// Not to be pushed: told only because another path refers to it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub context: bool,
}

impl From<&PathInfo> for PushPath {
    /// To be pushed, and named without a store directory.
    fn from(info: &PathInfo) -> Self {
        Self {
            path: info.path.to_string(),
            nar_hash: info.nar_hash.to_string(),
            nar_size: info.nar_size,
            references: texts(&info.references),
            deriver: info.deriver.as_ref().map(ToString::to_string),
            signatures: texts(&info.signatures),
            ca: info.ca.as_ref().map(ToString::to_string),
            context: false,
        }
    }
}

impl From<&Realisation> for PushRealisation {
    fn from(realisation: &Realisation) -> Self {
        Self {
            id: realisation.id.to_string(),
            out_path: realisation.out_path.to_string(),
            signatures: texts(&realisation.signatures),
        }
    }
}

fn texts<T: ToString>(values: impl IntoIterator<Item = T>) -> Vec<String> {
    values.into_iter().map(|value| value.to_string()).collect()
}

/// What the server knows of each path, and what is to be sent.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct PushPlan {
    /// The push; absent where nothing has to be uploaded or `dry_run` was asked.
    pub id: Option<Uuid>,
    /// One for each path of the request that is not context, in the request's order.
    pub paths: Vec<PathAnswer>,
    /// The NARs to send; a NAR that several paths share is listed once.
    pub uploads: Vec<UploadNeed>,
    /// What the server takes.
    pub limits: PushLimits,
    /// Until when what was uploaded is kept for this push.
    #[serde(with = "time::serde::rfc3339::option")]
    pub expires_at: Option<OffsetDateTime>,
    /// Present where nothing had to be uploaded: the push is done, no commit is needed. An `id` beside
    /// it is for logs.
    pub committed: Option<CommitSummary>,
    /// Those of the request's logs that are to be sent: the slice has none of that derivation, which is
    /// the deriver of a path of the push.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub logs: Vec<String>,
}

/// One path of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct PathAnswer {
    /// The path's hash part, 32 characters.
    pub hash: String,
    /// What will happen to it.
    pub status: PathStatus,
}

/// What a push does with a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum PathStatus {
    /// In the slice already, with the same content.
    Present,
    /// The caller can read its content elsewhere: it is linked, nothing is sent.
    Linked,
    /// Signed by a key of `skip_signed_by`: left out.
    Upstream,
    /// Its NAR was received already by an earlier, interrupted push of this caller.
    Received,
    /// Its NAR is to be sent.
    Upload,
}

/// A NAR to send.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct UploadNeed {
    /// 52 characters of Nix base32, the NAR's SHA-256.
    pub nar_hash: String,
    /// Parts that the server has already, counted from the first.
    #[serde(default)]
    pub parts_received: u64,
}

/// What the server takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct PushLimits {
    /// Uncompressed bytes of a part, but for the last.
    pub part_size: u64,
    /// Largest NAR (uncompressed bytes) that may travel in a batch.
    pub batched_nar_size: u64,
    /// Largest body of any upload request, in bytes.
    pub body_size: u64,
    /// Largest NAR at all, uncompressed bytes.
    pub nar_size: u64,
    /// Longest build log, uncompressed bytes; 0 where the server takes none.
    #[serde(default)]
    pub log_size: u64,
}

/// The answer to a batch: one entry a record, in order, NARs and logs apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct BatchAnswer {
    /// What became of each NAR.
    pub nars: Vec<NarAnswer>,
    /// What became of each log.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub logs: Vec<LogAnswer>,
}

/// What became of one build log of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct LogAnswer {
    /// The derivation's path hash, 32 characters.
    pub derivation: String,
    /// Why it was refused; absent when it was verified and is on disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejected: Option<NarRejection>,
}

/// What became of one NAR of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct NarAnswer {
    /// 52 characters of Nix base32.
    pub nar_hash: String,
    /// Why it was refused; absent when it was verified and is on disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejected: Option<NarRejection>,
}

/// Why a NAR or a log was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct NarRejection {
    /// One sentence for a person.
    pub message: String,
}

/// The answer to a part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct PartAnswer {
    /// Parts that the server has now, counted from the first.
    pub parts_received: u64,
    /// All parts are in, the NAR was verified and is on disk.
    pub complete: bool,
}

/// What a commit did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct CommitSummary {
    /// Paths of the push that the slice now holds.
    pub paths: u64,
    /// Of these, new to the slice.
    pub added: u64,
    /// Of the added, those whose NAR was uploaded by this caller.
    pub uploaded: u64,
    /// Of the added, those linked to content that was readable already.
    pub linked: u64,
    /// Bytes of the added paths' NARs, uncompressed.
    pub nar_size: u64,
    /// Bytes of the added paths' NARs as stored.
    pub file_size: u64,
    /// Build logs that became visible with it.
    #[serde(default)]
    pub logs: u64,
    /// Realisations that are new to the slice, or that it has with more signatures or of a builder since.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub realisations: u64,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde's skip_serializing_if passes a reference"
)]
fn is_zero(value: &u64) -> bool {
    *value == 0
}
