//! The directories of the workspace.

use std::path::{Path, PathBuf};

/// The root directory of the workspace.
#[must_use]
pub fn workspace() -> &'static Path {
    // Two levels up from crates/fh-testkit, known when this crate was compiled.
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.ancestors().nth(2).unwrap_or(manifest)
}

/// `<workspace>/target`, whatever `CARGO_TARGET_DIR` says: what is kept here (unpacked Nix versions,
/// large closures) is expensive and shared by all target directories.
#[must_use]
pub fn target() -> PathBuf {
    workspace().join("target")
}
