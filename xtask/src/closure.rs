//! `cargo xtask closure`: the generated closures that benchmarks use, for use by hand.

use anyhow::Result;
use fh_testkit::nix::{Home, Install, closure, one};

use crate::say;

/// Builds one of the large generated closures (once; it is kept) and prints its top path
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Which one
    kind: Kind,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Kind {
    /// About 400 paths and 1.25 GiB, most of them small and a few huge
    Large,
    /// 500 paths of 1 to 20 KiB
    ManySmall,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let mut progress = |step: &str| say::note(step);
    let nix = one(Install::Allowed, &mut progress)?;
    let home = Home::new()?;
    let closure = match arguments.kind {
        Kind::Large => closure::large(&nix, &home, &mut progress)?,
        Kind::ManySmall => closure::many_small(&nix, &home, &mut progress)?,
    };
    say::note(&format!(
        "{} paths, {}",
        closure.paths.len(),
        say::bytes(closure.nar_bytes)
    ));
    say::line(&closure.top);
    Ok(())
}
