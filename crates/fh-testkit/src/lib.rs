//! What the tests, the demonstration and the benchmarks of `fh` stand on; never part of a release.
//!
//! - [`nix`]: real Nix in several versions, scratch stores, daemons and generated closures.
//! - [`debian`]: Debian packages used without being installed.
//! - [`identity`]: identity providers that others have written.
//! - [`proxy`]: a TCP proxy that counts, delays, throttles, stalls, cuts and refuses.
//! - [`schemathesis`]: what asks a server all that its OpenAPI document allows, and more.
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
pub mod proxy;
mod python;
pub mod random;
pub mod schemathesis;
#[cfg(feature = "server")]
pub mod server;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

/// Environment variable that names the file in which [`skipped`] records; `cargo xtask test` sets it
/// and prints the file after the tests.
pub const SKIPPED_FILE_VARIABLE: &str = "FH_TESTKIT_SKIPPED";

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

/// Records that a test, or a part of one, could not run on this machine.
///
/// libtest has no notion of a test that is skipped at run time; so the reason goes to the test's
/// stderr, and to a file that `cargo xtask test` prints at the end.
#[expect(
    clippy::print_stderr,
    reason = "the reason belongs into the test's own output too"
)]
pub fn skipped(reason: &str) {
    eprintln!("skipped: {reason}");
    let Some(file) = std::env::var_os(SKIPPED_FILE_VARIABLE) else {
        return;
    };
    let line = format!("{}\n", reason.replace('\n', " "));
    let recorded = std::fs::OpenOptions::new()
        .append(true)
        .create(true)
        .open(&file)
        .and_then(|mut file| file.write_all(line.as_bytes()));
    if let Err(error) = recorded {
        eprintln!("could not record that in {}: {error}", file.display());
    }
}

/// Runs a program to its good end.
fn run(command: &mut Command) -> Result<()> {
    let name = command.get_program().display().to_string();
    let status = command
        .status()
        .with_context(|| format!("cannot run {name}"))?;
    ensure!(status.success(), "{name} failed: {status}");
    Ok(())
}

/// The first executable file called `program` in the directories of `search_path`.
#[must_use]
pub fn find_program(program: &str, search_path: &std::ffi::OsStr) -> Option<PathBuf> {
    std::env::split_paths(search_path)
        .filter(|directory| directory.is_absolute())
        .map(|directory| directory.join(program))
        .find(|candidate| is_executable(candidate))
}

/// Writes a program that can be started at once: with mode 755, and with what is in `script`.
///
/// A file that is open for writing cannot be started ("text file busy"), and what another thread of the test
/// starts at that moment has all files of this process open for as long as it is not yet a program of its own. So
/// another process writes it.
///
/// # Panics
/// When it cannot be written.
pub fn write_program(path: &Path, script: &str) {
    let written = Command::new("/bin/sh")
        .args(["-c", "printf %s \"$2\" > \"$1\" && chmod 755 \"$1\"", "sh"])
        .arg(path)
        .arg(script)
        .status();
    assert!(
        written
            .as_ref()
            .is_ok_and(std::process::ExitStatus::success),
        "cannot write {}: {written:?}",
        path.display()
    );
}

fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata()
        .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}
