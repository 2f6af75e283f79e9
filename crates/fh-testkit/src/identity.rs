//! Real identity providers: `oauth2-mock-server` from npm (OpenID Connect) and `moto` from PyPI (AWS's
//! Security Token Service), in pinned versions, below `target/identity`.
//!
//! [`provision`] installs them through the ordinary clients, and is called by `cargo xtask test` alone; a
//! test asks whether they are there, and says that it was skipped where not.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::programs::run;
use crate::python;

/// The version that works with the Node.js of Debian stable and of long-term support.
const OAUTH2_MOCK_SERVER: &str = "oauth2-mock-server@8.2.3";

const MOTO: &str = "moto[server]==5.2.5";

fn directory() -> PathBuf {
    crate::target().join("identity")
}

/// The directory with the module `oauth2-mock-server` in it, if it was installed.
#[must_use]
pub fn oauth2_mock_server() -> Option<PathBuf> {
    let directory = directory().join("npm");
    let package = directory.join("node_modules/oauth2-mock-server/package.json");
    package.exists().then_some(directory)
}

/// The program `moto_server`, if it was installed.
#[must_use]
pub fn moto_server() -> Option<PathBuf> {
    python::program(&directory().join("moto"), "moto_server")
}

/// Installs what is missing; says what it does.
///
/// # Errors
/// When Node.js or Python are not there, or their registries cannot be reached.
pub fn provision(say: &mut dyn FnMut(&str)) -> Result<()> {
    std::fs::create_dir_all(directory())?;
    if oauth2_mock_server().is_none() {
        say(&format!("installing {OAUTH2_MOCK_SERVER} with npm"));
        let mut npm = Command::new("npm");
        npm.args([
            "install",
            "--silent",
            "--no-audit",
            "--no-fund",
            "--ignore-scripts",
        ])
        .arg("--prefix")
        .arg(directory().join("npm"))
        .arg(OAUTH2_MOCK_SERVER);
        run(&mut npm)?;
    }
    if moto_server().is_none() {
        say(&format!("installing {MOTO} with pip"));
        python::install(&directory().join("moto"), MOTO)?;
    }
    Ok(())
}
