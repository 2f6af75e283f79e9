//! Pushing to a slice: plan, upload, commit. The wire types and their meaning: `fh_api::push`.
//!
//! ```text
//! request ─▶ parse ─▶ examine ─▶ nothing to upload ─▶ commit
//!                        └─────▶ stored plan ─▶ uploads ─▶ commit
//! ```
//!
//! Invariants:
//! - knowing a hash is not owning the content: a path is linked to a NAR without upload only where
//!   the caller's view holds that NAR, or where this account has sent all of it to this slice. Both
//!   the plan and the commit ask so, each for itself;
//! - a commit is one transaction; before it nothing of a push can be seen, after it all of it;
//! - a slice keeps the first content of a path. Builds that are not reproducible are pushed again
//!   and again: what is there already counts as present whatever its content, and the clash is
//!   written to the audit log;
//! - a build log is of the deriver of a path of its push. It is seen when the push is, and the first one
//!   that a slice has stays;
//! - a realisation names a path of its push or of the slice, is seen when the push is, and follows the rules of contents;
//! - what a slice holds is closed: each reference of a path is met by the slice, or by an upstream
//!   cache whose key the pusher trusts.

mod available;
mod clash;
mod commit;
mod decision;
mod examine;
mod logs;
mod merged;
mod open;
mod parse;
mod parts;
mod plan;
mod realisations;
mod request;
mod signed;
mod stored;
mod target;
#[cfg(test)]
pub(crate) mod tests;

pub(crate) use self::open::Pushes;
