//! A server that one can log in to: what it is, from which of its addresses Nix reads, and whose a token is there.

mod identity;
mod lines;
mod profile;
mod recognise;

pub(crate) use identity::{Identity, base};
pub(crate) use lines::{ask as ask_for_lines, named};
pub(crate) use profile::{Line, Site, direction};
pub(crate) use recognise::{attic_cache, offline, recognise};
