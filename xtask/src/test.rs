//! `cargo xtask test`: sees to what the tests need, then runs all of them.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use fh_testkit::debian;
use fh_testkit::nix::{Install, provision};

use crate::cargo::cargo;
use crate::{process, say};

/// Runs all tests, with every version of Nix that can be had here
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Run the tests marked as ignored too: the long ones
    #[arg(long)]
    long: bool,

    /// Arguments for `cargo test`; with `--package` only that package is tested
    #[arg(last = true, value_name = "ARGS")]
    rest: Vec<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    say::step("Nix");
    let provisioned = provision(Install::Allowed, &mut |step| say::line(step))?;
    for nix in &provisioned.versions {
        say::line(&format!("Nix {} ({})", nix.version(), nix.origin()));
    }
    for missing in &provisioned.missing {
        say::line(&format!("missing: {missing}"));
    }
    provisioned.any()?;
    // Where all versions can be had, a run without one of them must not pass for a full one.
    ensure!(
        provisioned.missing.is_empty() || debian::may_install().is_err(),
        "on Debian as root every version can be had, but one is missing (see above)"
    );

    programs()?;
    packages(arguments.long);

    say::step("Tests");
    let skips = tempfile::NamedTempFile::new().context("no temporary file")?;
    let mut command = cargo();
    command
        .args(["test", "--no-fail-fast"])
        .env(fh_testkit::SKIPPED_FILE_VARIABLE, skips.path())
        .envs(threads())
        // Some tests want a `nix` in PATH, whichever.
        .env("PATH", provisioned.any()?.search_path());
    if !selects_packages(&arguments.rest) {
        command.arg("--workspace");
    }
    command.args(with_ignored(&arguments.rest, arguments.long));
    let result = process::pass(&mut command);

    let skipped = fs::read_to_string(skips.path())?;
    let mut skipped: Vec<&str> = skipped.lines().collect();
    skipped.sort_unstable();
    skipped.dedup();
    if !skipped.is_empty() {
        say::step("Skipped on this machine");
        for reason in skipped {
            say::line(reason);
        }
    }
    result.context("the tests did not pass")
}

/// Other programs that some tests use or compare with, and the Debian package of each.
const PROGRAMS: &[(&str, &str)] = &[
    ("curl", "curl"),
    ("faketime", "faketime"),
    // The system's keyring, for `fh login --store keyring`.
    ("dbus-run-session", "dbus"),
    ("gnome-keyring-daemon", "gnome-keyring"),
    ("secret-tool", "libsecret-tools"),
    ("fish", "fish"),
    ("zsh", "zsh"),
    // Identity providers that others have written.
    ("node", "nodejs"),
    ("npm", "npm"),
];

/// Installs what tests use from the registries of npm and Python, or says why not; then those tests are skipped.
fn packages(long: bool) {
    if debian::may_install().is_ok() && !has_venv() {
        say::line("installing python3-venv with apt-get");
        if let Err(error) = debian::install(&["python3-venv"]) {
            say::line(&format!("missing: python3-venv ({error:#})"));
        }
    }
    if let Err(error) = fh_testkit::identity::provision(&mut |step| say::line(step)) {
        say::line(&format!("missing: identity providers ({error:#})"));
    }
    // Of use to a long test alone.
    if long && let Err(error) = fh_testkit::schemathesis::provision(&mut |step| say::line(step)) {
        say::line(&format!("missing: schemathesis ({error:#})"));
    }
}

/// Whether Python can make environments with a pip of their own.
fn has_venv() -> bool {
    std::process::Command::new("python3")
        .args(["-c", "import venv, ensurepip"])
        .status()
        .is_ok_and(|status| status.success())
}

/// Installs what is missing of [`PROGRAMS`], or says what that is.
fn programs() -> Result<()> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    for (program, package) in PROGRAMS {
        if fh_testkit::find_program(program, &path).is_some() {
            continue;
        }
        if debian::may_install().is_ok() {
            say::line(&format!("installing {package} with apt-get"));
            debian::install(&[package])?;
        } else {
            say::line(&format!(
                "missing: {program} (on Debian, `apt-get install {package}`)"
            ));
        }
    }
    Ok(())
}

/// Lets two tests run on each processor, if nothing else is said: most of them wait for other programs and for clocks.
fn threads() -> Option<(&'static str, String)> {
    const VARIABLE: &str = "RUST_TEST_THREADS";
    let processors = std::thread::available_parallelism().ok()?;
    let said = std::env::var_os(VARIABLE).is_some();
    (!said).then(|| (VARIABLE, (2 * processors.get()).to_string()))
}

fn selects_packages(arguments: &[String]) -> bool {
    arguments
        .iter()
        .take_while(|argument| *argument != "--")
        .any(|argument| {
            ["-p", "--package", "--workspace"].contains(&argument.as_str())
                || argument.starts_with("--package=")
        })
}

/// Adds `--include-ignored` to the arguments that go to the test binaries.
fn with_ignored(arguments: &[String], long: bool) -> Vec<String> {
    let mut all = arguments.to_vec();
    if long {
        if !all.iter().any(|argument| argument == "--") {
            all.push("--".to_owned());
        }
        all.push("--include-ignored".to_owned());
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn packages_are_looked_for_before_the_test_binaries_arguments_only() {
        assert!(selects_packages(&words("-p fh-nix")));
        assert!(selects_packages(&words("--release --package=fh")));
        assert!(!selects_packages(&words("some_test -- -p")));
    }

    #[test]
    fn long_tests_are_asked_for_behind_the_separator() {
        assert_eq!(with_ignored(&[], true), words("-- --include-ignored"));
        assert_eq!(
            with_ignored(&words("-p fh -- name"), true),
            words("-p fh -- name --include-ignored")
        );
        assert_eq!(with_ignored(&words("name"), false), words("name"));
    }
}
