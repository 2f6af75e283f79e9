//! The record of what could not run on this machine.

use std::io::Write as _;

/// Environment variable that names the file in which [`skipped`] records; `cargo xtask test` sets it
/// and prints the file after the tests.
pub const SKIPPED_FILE_VARIABLE: &str = "FH_TESTKIT_SKIPPED";

/// Records that a test, or a part of one, could not run on this machine.
///
/// libtest has no notion of a test that is skipped at run time; so the reason goes to the test's
/// stderr, and to a file that `cargo xtask test` prints at the end.
#[expect(
    clippy::print_stderr,
    reason = "the reason belongs into the test's own output too"
)]
pub fn skipped(reason: &str) {
    eprintln!("skipped: {reason}");
    let Some(file) = std::env::var_os(SKIPPED_FILE_VARIABLE) else {
        return;
    };
    let line = format!("{}\n", reason.replace('\n', " "));
    let recorded = std::fs::OpenOptions::new()
        .append(true)
        .create(true)
        .open(&file)
        .and_then(|mut file| file.write_all(line.as_bytes()));
    if let Err(error) = recorded {
        eprintln!("could not record that in {}: {error}", file.display());
    }
}
