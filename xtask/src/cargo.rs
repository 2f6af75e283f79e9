//! Calling cargo, in the same toolchain that runs xtask.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

/// A `cargo` that works on the workspace.
pub(crate) fn cargo() -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.current_dir(fh_testkit::workspace());
    command
}

/// How the binary is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Profile {
    /// Without optimisation, and with the features that `fh` alone asks for.
    Development,
    /// As it is released.
    Release,
}

/// Builds the binary `fh` and says where it is.
pub(crate) fn build_fh(profile: Profile) -> Result<PathBuf> {
    build("fh", &["--bin", "fh"], "fh", profile)
}

/// Builds the binary `fh` as `cargo test --workspace` does, and says where it is.
///
/// Alone it would be built with fewer features of some dependencies, so most of it twice. Cargo builds a program in this
/// way only for an integration test; the quickest to build is taken.
pub(crate) fn build_fh_for_tests() -> Result<PathBuf> {
    let arguments = ["test", "--workspace", "--no-run", "--test", "examples"];
    executable(cargo().args(arguments), "fh")
}

/// Builds the program that measures what a push has to compute, as it is released.
pub(crate) fn build_limit() -> Result<PathBuf> {
    build(
        "fh-client",
        &["--bench", "limit"],
        "limit",
        Profile::Release,
    )
}

/// Builds one target of a package and says where it is.
fn build(package: &str, selection: &[&str], target: &str, profile: Profile) -> Result<PathBuf> {
    let mut command = cargo();
    command
        .args(["build", "--package", package])
        .args(selection);
    if profile == Profile::Release {
        command.arg("--release");
    }
    executable(&mut command, target)
}

/// Runs a command of cargo that builds a target, and says where that is.
fn executable(command: &mut Command, target: &str) -> Result<PathBuf> {
    let output = command
        .arg("--message-format=json-render-diagnostics")
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("could not start cargo")?;
    ensure!(output.status.success(), "{target} does not build");
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["target"]["name"] == target)
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .with_context(|| format!("cargo built {target} but did not say where"))
}

/// What `cargo metadata` says about the workspace's own packages.
pub(crate) fn metadata() -> Result<Value> {
    let output = cargo()
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .stderr(Stdio::inherit())
        .output()
        .context("could not start cargo")?;
    ensure!(output.status.success(), "cargo metadata failed");
    serde_json::from_slice(&output.stdout).context("cargo metadata printed no JSON")
}

/// The name and the root file (`lib.rs`, or `main.rs` where there is no library) of each of the workspace's packages.
pub(crate) fn crate_roots(metadata: &Value) -> Vec<(String, String)> {
    let listed = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mut roots = Vec::new();
    for package in listed(&metadata["packages"]) {
        let targets = listed(&package["targets"]);
        let root = ["lib", "bin"].iter().find_map(|kind| {
            let target = targets.iter().find(|target| target["kind"][0] == *kind)?;
            target["src_path"].as_str()
        });
        if let (Some(name), Some(root)) = (package["name"].as_str(), root) {
            roots.push((name.to_owned(), root.to_owned()));
        }
    }
    roots
}
