//! The client against servers on this machine that answer as they are told to.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod http;
mod push;
mod workload;
