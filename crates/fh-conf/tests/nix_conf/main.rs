//! Tests of the nix.conf editor: properties over random files, and Nix's own word on them.

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "test code, also outside of test functions"
)]

mod files;
mod nix;
mod properties;
