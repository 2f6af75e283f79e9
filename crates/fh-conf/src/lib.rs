//! Lossless editing of the files that Nix's access to a private cache hangs on, and the way they
//! are written.
//!
//! - [`netrc`]: finds, sets and removes the entry of one host in a netrc file.
//! - [`nix_conf`]: reads `nix.conf` with its includes as Nix does, and adds to or takes from its
//!   settings.
//! - [`json`]: adds a text to a list in a JSON file, or takes it back.
//! - [`ledger`]: what logins have added to these files, so that a logout takes back exactly that.
//! - [`diff`]: what an edit changes, for a person to look at, without secrets.
//! - [`atomic`]: locked, atomic, mode-keeping replacement of a file.
//! - [`regular`]: reading a file that may turn out to be a pipe, a device or without end.
//!
//! # Invariants
//!
//! - The editors work on the bytes of the file. What an edit does not mean stays as it was, byte
//!   for byte; an edit that changes nothing gives back the same bytes; and taking back what was
//!   added to a file that has not been changed since gives back the bytes from before.
//! - A file that is not understood is an [`Error`] with the place, never treated as empty.
//! - Neither a password nor the text of a line (nix.conf may hold `access-tokens`) is part of any
//!   error or `Debug` output.
//! - Nothing here prints, and nothing reads the process environment: paths are passed in.

pub mod atomic;
pub mod diff;
mod error;
pub mod json;
pub mod ledger;
pub mod netrc;
pub mod nix_conf;
pub mod regular;
mod text;

pub use error::{Error, Result};
