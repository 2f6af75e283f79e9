//! The NAR codec against the file system, and against a second, naive encoder (`tree.rs`).

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod decode;
mod listing;
mod pack;
mod tree;
