//! Real Nix: several versions of it, stores to throw away, and closures made for the occasion.
//!
//! ```text
//! provision() ─► Nix ──command("nix", &home)──► std::process::Command
//!                 │                     └─ Home: HOME, XDG_*, NIX_CONF_DIR of its own
//!                 ├─ ScratchStore: an empty second store, `local?root=…`
//!                 ├─ Daemon: a nix-daemon of that version on a scratch store, with its own socket
//!                 └─ closure::{small, large, many_small}: store paths in the machine's /nix/store
//! ```
//!
//! Invariants: no command started from here reads or writes the person's Nix configuration, caches
//! or profiles; no substituter but those that a test names; every store but `/nix/store` lives in a
//! temporary directory.

pub mod closure;
mod home;
mod provision;
mod scratch;
#[cfg(test)]
mod tests;
mod version;

pub use home::Home;
pub use provision::{Install, Missing, Provisioned, SUITES, Suite, one, provision, versions};
pub use scratch::{Daemon, ScratchStore};
pub use version::Nix;
