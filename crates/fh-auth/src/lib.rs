//! Who may do what: tokens, their narrowing, roles and views, as pure functions.
//!
//! Nothing here reads a clock, a file, a database or the network: the caller brings the facts and
//! the time, and gets a decision. That makes every rule testable by itself, and there is one place
//! to look for it.
//!
//! Invariants:
//! - deny by default: a role or a reading right exists only where a rule below gives one;
//! - a token narrows: whatever its scope says, it never adds to what its principal holds;
//! - a minted token's scope is included in that of the token it was minted with.

pub mod contest;
mod decide;
pub mod identity;
mod path_set;
pub mod policy;
mod rename;
pub mod renewal;
pub mod root;
mod scope;
mod token;

pub use decide::{FlakeFacts, Follow, Follows, Holdings, Named, Rank, Standing};
pub use path_set::PathSet;
pub use rename::Renaming;
pub use scope::{Narrowing, ScopeError, TokenScope};
pub use token::{
    Claims, Jwk, TokenError, TokenKey, UnverifiedTimes, read_unverified, strip_prefix,
};
