//! All that xtask prints goes through here: plain lines, which read the same on a terminal and in a
//! log of CI.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "printing is what this module is for"
)]

/// A step of a longer job, set off from what came before.
pub(crate) fn step(title: &str) {
    println!("\n== {title}");
}

/// A line of plain text.
pub(crate) fn line(text: &str) {
    println!("{text}");
}

/// Several lines of what a command printed, set in from the left.
pub(crate) fn output(text: &str) {
    for line in text.lines() {
        println!("    {line}");
    }
}

/// A command as a person would type it.
pub(crate) fn command(words: &str) {
    println!("  $ {words}");
}

/// A remark on progress; not part of a command's result.
pub(crate) fn note(text: &str) {
    eprintln!("{text}");
}

/// The reason why the command failed.
pub(crate) fn error(error: &anyhow::Error) {
    eprintln!("error: {error:#}");
}

/// A size in bytes, for people.
pub(crate) fn bytes(count: u64) -> String {
    let mut value = count as f64;
    for unit in ["bytes", "KiB", "MiB"] {
        if value < 1024.0 {
            return if unit == "bytes" {
                format!("{count} bytes")
            } else {
                format!("{value:.1} {unit}")
            };
        }
        value /= 1024.0;
    }
    format!("{value:.2} GiB")
}

/// One word of a command line, quoted as a shell needs it.
pub(crate) fn word(text: &str) -> String {
    let plain =
        |character: char| character.is_ascii_alphanumeric() || "-_./:=@%+,".contains(character);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}
