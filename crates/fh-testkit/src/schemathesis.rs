//! Schemathesis from PyPI, in a pinned version, below `target/schemathesis`: it asks a server what an OpenAPI
//! document allows and what it does not, and compares what is answered with the document.
//!
//! [`provision`] installs it through the ordinary client, and is called by `cargo xtask test --long` alone; a test
//! asks whether it is there, and says that it was skipped where not.

use std::path::PathBuf;

use anyhow::Result;

use crate::python;

const SCHEMATHESIS: &str = "schemathesis==4.32.5";

fn environment() -> PathBuf {
    crate::target().join("schemathesis")
}

/// The program `schemathesis`, if it was installed.
#[must_use]
pub fn program() -> Option<PathBuf> {
    python::program(&environment(), "schemathesis")
}

/// Installs it where it is missing; says so.
///
/// # Errors
/// When Python is not there, or its registry cannot be reached.
pub fn provision(say: &mut dyn FnMut(&str)) -> Result<()> {
    if program().is_some() {
        return Ok(());
    }
    say(&format!("installing {SCHEMATHESIS} with pip"));
    python::install(&environment(), SCHEMATHESIS)
}
