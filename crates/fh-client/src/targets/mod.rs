//! Where else a push can go: attic servers and FlakeHub Cache.
//!
//! ```text
//! which protocol?   said by the user → remembered in config.toml → a host of FlakeHub
//!                   → a token that begins with fh1_ → asked, without a token      (detect)
//! fh                the push engine of this crate                                 (crate::push)
//! attic             cache-config → get-missing-paths → upload-path, path by path  (attic)
//! FlakeHub          /project/{org}/{project} names the cache, then as attic       (flakehub)
//! ```
//!
//! Invariants: a token goes to the server that it was given for, whatever an answer says; a NAR is
//! read from the store as it is sent, never kept; a path is sent only after all that it refers to,
//! so that nothing becomes visible that cannot be used.

pub mod attic;
mod detect;
pub mod flakehub;
mod name;

pub use detect::{Known, detect, flake_or_cache};
pub use name::{CacheName, InvalidCacheName, PushTarget};
