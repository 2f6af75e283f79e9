//! Packages from PyPI, each in an environment of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::programs::run;

/// A program of an environment, if it was installed.
pub(crate) fn program(environment: &Path, name: &str) -> Option<PathBuf> {
    let program = environment.join("bin").join(name);
    program.exists().then_some(program)
}

/// Makes an environment with a package, a pinned version of it, and what that needs.
///
/// # Errors
/// When Python is not there, or its registry cannot be reached.
pub(crate) fn install(environment: &Path, package: &str) -> Result<()> {
    run(Command::new("python3")
        .args(["-m", "venv"])
        .arg(environment))?;
    let mut pip = Command::new(environment.join("bin/pip"));
    pip.args(["install", "--quiet", "--disable-pip-version-check", package]);
    run(&mut pip)
}
