//! `cargo xtask lint`: every check that needs no test run. All of them run, then those that failed
//! are named; the quick ones come first.

mod layers;
mod sources;

use anyhow::{Result, bail, ensure};

use crate::cargo::{Profile, build_fh, cargo, metadata};
use crate::{generate, process, say};

/// Format, clippy, layers, sources, generated files, licences and advisories
#[derive(clap::Args)]
pub(crate) struct Arguments {}

/// One check: what is printed before it runs, and what it does.
type Check = (&'static str, fn() -> Result<()>);

const CHECKS: &[Check] = &[
    ("format: cargo fmt --check", format),
    ("layers: arrows between crates point down only", layers),
    (
        "sources: what libraries may not do, and file sizes",
        sources,
    ),
    ("clippy: warnings denied", clippy),
    ("documentation: rustdoc, warnings denied", documentation),
    ("generated files: completions/ and man/", generated),
    ("licences, bans, advisories: cargo-deny", deny),
];

pub(crate) fn run(_: &Arguments) -> Result<()> {
    let mut failed = Vec::new();
    for (title, check) in CHECKS {
        say::step(title);
        match check() {
            Ok(()) => say::line("ok"),
            Err(error) => {
                say::line(&format!("FAILED: {error:#}"));
                failed.push(title.split(':').next().unwrap_or(title));
            }
        }
    }
    ensure!(failed.is_empty(), "lint failed: {}", failed.join(", "));
    Ok(())
}

fn format() -> Result<()> {
    component("fmt", "rustfmt")?;
    process::pass(cargo().args(["fmt", "--all", "--check"]))
}

fn clippy() -> Result<()> {
    component("clippy", "clippy")?;
    process::pass(cargo().args([
        "clippy",
        "--workspace",
        "--all-targets",
        "--quiet",
        "--",
        "-D",
        "warnings",
    ]))
}

fn documentation() -> Result<()> {
    process::pass(
        cargo()
            .args(["doc", "--workspace", "--no-deps", "--quiet"])
            .args(["--document-private-items"])
            .env("RUSTDOCFLAGS", "-D warnings"),
    )
}

fn layers() -> Result<()> {
    complain(&layers::violations(&metadata()?))
}

fn sources() -> Result<()> {
    complain(&sources::violations(fh_testkit::workspace())?)
}

fn generated() -> Result<()> {
    generate::check(&build_fh(Profile::Development)?)
}

fn deny() -> Result<()> {
    let installed = process::finish(cargo().args(["deny", "--version"]))?;
    if !installed.status.success() {
        say::line("not checked: cargo-deny is not installed (`cargo install --locked cargo-deny`)");
        return Ok(());
    }
    process::pass(cargo().args(["deny", "--workspace", "check"]))
}

fn component(subcommand: &str, name: &str) -> Result<()> {
    let finished = process::finish(cargo().args([subcommand, "--version"]))?;
    ensure!(
        finished.status.success(),
        "this toolchain has no {name} (with rustup: `rustup component add {name}`)"
    );
    Ok(())
}

fn complain(violations: &[String]) -> Result<()> {
    if violations.is_empty() {
        return Ok(());
    }
    bail!("\n  {}", violations.join("\n  "));
}
