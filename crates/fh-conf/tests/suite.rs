//! The editors from the outside: random files, readers that others have written, several processes at once.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "test code, also outside of test functions"
)]

mod atomic;
mod ledger;
mod netrc;
mod nix_conf;
