//! `cargo xtask lint`: every check that needs no test run. All run, the quick ones first; then those
//! that failed are named.

mod dependencies;
mod documents;
mod layers;
mod rooms;
mod sources;

use anyhow::{Result, bail, ensure};

use crate::cargo::{build_fh_for_tests, cargo, crate_roots, metadata};
use crate::{generate, process, say};

/// Format, clippy, layers, sources, generated files, licences and advisories
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Only these checks; all if none is named
    #[arg(value_name = "CHECK", value_parser = clap::builder::PossibleValuesParser::new(
        CHECKS.iter().map(|check| check.name)
    ))]
    only: Vec<String>,
}

/// A check that `cargo xtask lint` makes.
struct Check {
    /// What it is called on the command line and in the summary.
    name: &'static str,
    /// What is so as long as it holds, for the person who runs it.
    about: &'static str,
    /// Says why where it could not look.
    run: fn() -> Result<Outcome>,
}

enum Outcome {
    Passed,
    NotChecked(&'static str),
}

const fn check(name: &'static str, about: &'static str, run: fn() -> Result<Outcome>) -> Check {
    Check { name, about, run }
}

const CHECKS: &[Check] = &[
    check("format", "as cargo fmt writes it", format),
    check("layers", "arrows between crates point down only", layers),
    check(
        "dependencies",
        "each one is named by a source of its crate",
        dependencies,
    ),
    check(
        "rooms",
        "no circles inside a crate: imports point down, as docs/ARCHITECTURE.md draws them",
        rooms,
    ),
    check(
        "sources",
        "libraries read no environment and print nothing; no file is too long",
        sources,
    ),
    check(
        "documents",
        "the files of the source that the documents name are there",
        documents,
    ),
    check("clippy", "no warnings", clippy),
    check(
        "features",
        "the client alone builds, without the server",
        features,
    ),
    check("documentation", "rustdoc has no warnings", documentation),
    check(
        "generated",
        "completions/ and man/ are up to date",
        generated,
    ),
    check(
        "deny",
        "licences, bans and advisories of dependencies (cargo-deny)",
        deny,
    ),
];

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let wanted = |check: &&Check| {
        arguments.only.is_empty() || arguments.only.iter().any(|name| name == check.name)
    };
    let mut failed = Vec::new();
    for check in CHECKS.iter().filter(wanted) {
        say::step(&format!("{}: {}", check.name, check.about));
        match (check.run)() {
            Ok(Outcome::Passed) => say::line("ok"),
            Ok(Outcome::NotChecked(reason)) => say::line(&format!("not checked: {reason}")),
            Err(error) => {
                say::line(&format!("FAILED: {error:#}"));
                failed.push(check.name);
            }
        }
    }
    ensure!(failed.is_empty(), "lint failed: {}", failed.join(", "));
    Ok(())
}

fn format() -> Result<Outcome> {
    component("fmt", "rustfmt")?;
    passes(cargo().args(["fmt", "--all", "--check"]))
}

/// What follows the arguments of `cargo clippy`, so that a warning is an error.
const DENIED: [&str; 3] = ["--", "-D", "warnings"];

fn clippy() -> Result<Outcome> {
    component("clippy", "clippy")?;
    let everything = ["--workspace", "--all-targets", "--quiet"];
    passes(cargo().arg("clippy").args(everything).args(DENIED))
}

fn features() -> Result<Outcome> {
    let client = ["--package", "fh", "--no-default-features", "--quiet"];
    passes(cargo().arg("clippy").args(client).args(DENIED))
}

fn documentation() -> Result<Outcome> {
    passes(
        cargo()
            .args(["doc", "--workspace", "--no-deps", "--quiet"])
            .arg("--document-private-items")
            .env("RUSTDOCFLAGS", "-D warnings"),
    )
}

fn layers() -> Result<Outcome> {
    no_violations(&layers::violations(&metadata()?))
}

fn dependencies() -> Result<Outcome> {
    no_violations(&dependencies::violations(&metadata()?)?)
}

fn rooms() -> Result<Outcome> {
    no_violations(&rooms::violations(
        fh_testkit::workspace(),
        &crate_roots(&metadata()?),
    )?)
}

fn documents() -> Result<Outcome> {
    no_violations(&documents::violations(fh_testkit::workspace())?)
}

fn sources() -> Result<Outcome> {
    no_violations(&sources::violations(fh_testkit::workspace())?)
}

fn generated() -> Result<Outcome> {
    generate::check(&build_fh_for_tests()?)?;
    Ok(Outcome::Passed)
}

fn deny() -> Result<Outcome> {
    let installed = process::finish(cargo().args(["deny", "--version"]))?;
    if !installed.status.success() {
        return Ok(Outcome::NotChecked(
            "cargo-deny is not installed (`cargo install --locked cargo-deny`)",
        ));
    }
    let check = ["deny", "--workspace", "check"];
    process::pass(cargo().args(check).args(["licenses", "bans", "sources"]))?;
    let advisories = process::finish(cargo().args(check).arg("advisories"))?;
    if advisories.status.success() {
        return Ok(Outcome::Passed);
    }
    // Without a network there may be no database; that says nothing about the dependencies.
    if advisories
        .stderr
        .contains("failed to fetch advisory database")
    {
        return Ok(Outcome::NotChecked(
            "advisories, as their database could not be fetched; licences and bans hold",
        ));
    }
    bail!("{}", advisories.stderr.trim_end());
}

/// Passes if the command ends well; it prints its own findings.
fn passes(command: &mut std::process::Command) -> Result<Outcome> {
    process::pass(command)?;
    Ok(Outcome::Passed)
}

/// Passes if there are no findings.
fn no_violations(violations: &[String]) -> Result<Outcome> {
    if violations.is_empty() {
        return Ok(Outcome::Passed);
    }
    bail!("\n  {}", violations.join("\n  "));
}

fn component(subcommand: &str, name: &str) -> Result<()> {
    let finished = process::finish(cargo().args([subcommand, "--version"]))?;
    ensure!(
        finished.status.success(),
        "this toolchain has no {name} (with rustup: `rustup component add {name}`)"
    );
    Ok(())
}
