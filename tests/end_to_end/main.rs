//! End to end: the real `fh`, real servers and every version of Nix that can be had here; identity providers and a
//! tester of OpenAPI documents that others have written.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod access;
mod activation;
mod attic;
mod doctor;
mod flake;
mod keys;
mod login;
mod logs;
#[path = "../nix/mod.rs"]
mod nix;
#[path = "../nixos/mod.rs"]
mod nixos;
mod openapi;
mod push;
mod realisations;
mod rename;
mod resume;
mod substitute;
mod threats;
mod tokens;
mod watch;
mod workload;
