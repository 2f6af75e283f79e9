//! Finding, writing and running programs.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

/// Runs a program to its good end.
pub(crate) fn run(command: &mut Command) -> Result<()> {
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
