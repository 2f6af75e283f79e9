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
    /// As the tests build it.
    Development,
    /// As it is released.
    Release,
}

/// Builds the binary `fh` and says where it is.
pub(crate) fn build_fh(profile: Profile) -> Result<PathBuf> {
    build("fh", &["--bin", "fh"], "fh", profile)
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
        .args(selection)
        .arg("--message-format=json-render-diagnostics");
    if profile == Profile::Release {
        command.arg("--release");
    }
    let output = command
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
