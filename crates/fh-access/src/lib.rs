//! Who is asking, and what they may.
//!
//! ```text
//! caller    token or identity ─▶ principal ─▶ Caller, View
//! workload  identities of workloads, their issuers, the policies that let them in
//! keys      the keys that sign, and their rotation
//! limits    how often one may ask              denials   refusals on their way into the audit log
//! error     why a request fails, as the API names it
//! ```
//!
//! Invariants:
//! - nothing here knows HTTP as a server: who is asked comes as values;
//! - what is not allowed is told as if it did not exist.
#![allow(
    missing_docs,
    rustdoc::private_intra_doc_links,
    reason = "the crate of one program: what the name of a field tells needs no sentence"
)]

mod caller;
pub mod denials;
mod error;
pub mod keys;
pub mod limits;
mod request_id;
mod source;
pub mod workload;

pub use self::caller::{
    Access, Address, Caller, Candidates, ClosureLimit, Directory, FlakeEntry, FlakeRef,
    OrganizationEntry, OrganizationRef, PathLimits, Principal, Scope, Shown, View, ViewIdentity,
    candidates_by_rank,
};
pub use self::error::ApiError;
pub use self::request_id::{request_id, within_request, within_this_request};
pub use self::source::Source;
