//! `cargo xtask nix`: the Nix versions that the tests run against.

use anyhow::{Result, ensure};
use fh_testkit::nix::{Install, provision};

use crate::say;

/// Gets the Nix versions that the tests use, and lists them
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Print only this version's directory of programs, to be put into PATH
    #[arg(long, value_name = "VERSION")]
    path: Option<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let provisioned = provision(Install::Allowed, &mut |step| say::note(step))?;
    if let Some(wanted) = &arguments.path {
        let found = provisioned
            .versions
            .iter()
            .find(|nix| nix.version().starts_with(wanted.as_str()));
        let known: Vec<&str> = provisioned
            .versions
            .iter()
            .map(fh_testkit::nix::Nix::version)
            .collect();
        let Some(nix) = found else {
            anyhow::bail!(
                "there is no Nix {wanted} here; there is {}",
                known.join(", ")
            );
        };
        say::line(&nix.tools().display().to_string());
        return Ok(());
    }
    for nix in &provisioned.versions {
        say::line(&format!(
            "Nix {:<8} {:<26} {}",
            nix.version(),
            nix.origin(),
            nix.tools().display()
        ));
    }
    for missing in &provisioned.missing {
        say::line(&format!("missing: {missing}"));
    }
    ensure!(
        !provisioned.versions.is_empty(),
        "no Nix is to be had on this machine"
    );
    Ok(())
}
