//! What the tests, the demonstration and the benchmarks of `fh` stand on; never part of a release.
//!
//! - [`nix`]: real Nix in several versions, scratch stores, daemons and generated closures.
//! - [`debian`]: Debian packages used without being installed.
//! - [`identity`]: identity providers that others have written.
//! - [`proxy`]: a TCP proxy that counts, delays, throttles, stalls, cuts and refuses.
//! - [`schemathesis`]: what asks a server all that its OpenAPI document allows, and more.
//! - [`assert_contains`], [`assert_lacks`]: what stands in a text, and what does not; [`rows`]: tables of tests.
//! - [`random`]: random choices that can be made again.
//! - `server` (feature of that name): real fh servers in this process.
//! - `attic` (same feature): a model of atticd and of FlakeHub's cache.
//!
//! Invariants: nothing here touches the files of the person who runs it (every child gets a home of
//! its own), everything that lasts lives below `<workspace>/target`, and what cannot be had on this
//! machine is reported in a sentence that says what to do, never passed over in silence.

#[cfg(feature = "server")]
pub mod attic;
pub mod debian;
pub mod identity;
pub mod nix;
mod programs;
pub mod proxy;
mod python;
pub mod random;
pub mod schemathesis;
#[cfg(feature = "server")]
pub mod server;
mod skipped;
mod text;
mod workspace;

pub use programs::{find_program, write_program};
pub use skipped::{SKIPPED_FILE_VARIABLE, skipped};
pub use text::{assert_contains, assert_lacks, rows};
pub use workspace::{target, workspace};
