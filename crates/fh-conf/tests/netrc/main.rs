//! Tests of the netrc editor: properties over random files, by models of the readers and by the
//! readers themselves.

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "test code, also outside of test functions"
)]

mod curl;
mod files;
mod nix;
mod properties;
mod readers;
mod server;
