//! The files by which a person, or a machine, is set up for a server: looked at once, changed
//! together or not at all.
//!
//! ```text
//! Machine::look → a plan, worked out of what was seen alone → Changes::apply
//! ```
//!
//! `fh login` and `fh logout` are two plans over the same. While one is worked out and carried out,
//! [`hold`] keeps every other `fh` of this user waiting, so that what was seen stays true; programs
//! that do not know that lock are noticed before anything of theirs is replaced.

mod changes;
pub(crate) mod daemon;
mod files;
pub(crate) mod keeper;
mod ledger;
mod lock;
mod machine;
mod netrc;
pub(crate) mod removal;
pub(crate) mod renewal;

pub(crate) use changes::{Applied, Change, Changes, KeyringChange, Privacy};
#[cfg(test)]
pub(crate) use files::Files;
pub(crate) use ledger::{ledger_change, ledger_of, noted};
pub(crate) use lock::hold;
pub(crate) use machine::{Machine, Scope};
pub(crate) use netrc::{netrc_change, parse_netrc};
