//! The formats from the outside: NARs of random trees, and what real Nix wrote.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod nar;
mod vectors;
