//! The NAR codec against the file system, and against a second, naive encoder (`tree.rs`).

mod decode;
mod listing;
mod pack;
mod tree;
