//! What goes wrong while people push and read: machines that die, lines that break, disks that fill.
//!
//! After each fault the invariants are checked from outside ([`nix::invariants`]): what was
//! acknowledged is there and right, nothing else is to be seen, and nothing is left over. Choices made
//! by chance follow from a seed that a failing test prints, see `fh_testkit::random`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../nix/mod.rs"]
mod nix;

mod access;
mod bombs;
mod clocks;
mod crowds;
mod damage;
mod disks;
mod kills;
mod lines;
mod mixed;
mod replaced;
mod scene;
mod somebody;
mod together;
mod waits;
