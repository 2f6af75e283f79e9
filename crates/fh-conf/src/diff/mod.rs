//! What an edit changes, for a person to look at, without any secret.
//!
//! The form is that of `diff -u`, with three lines around each change. It is computed on the bytes
//! of the files and shown with secrets taken out, so that a change of a password is a change that
//! is seen:
//!
//! ```text
//! --- /home/me/.config/nix/netrc
//! +++ /home/me/.config/nix/netrc
//! @@ -1 +1,2 @@
//!  machine github.com login me password [hidden]
//! +machine cache.example.org login fh password [hidden, new]
//! ```
//!
//! # Invariants
//!
//! - Of a netrc, nothing is shown but the words of its grammar, hosts and logins. Passwords,
//!   accounts, bodies of macros, comments (which may be entries that somebody has put out of use)
//!   and words that are not understood are hidden; of a file that is not understood, every line.
//! - Of nix.conf, hidden are `access-tokens` and `impure-env`, a user and password in an address,
//!   and comments and lines that look as if they had one of these.
//! - Control characters are shown as escapes: a file cannot drive the terminal.

mod secrets;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;
use std::ops::Range;
use std::path::Path;

use similar::{Algorithm, DiffOp, DiffTag};

pub use secrets::FileKind;

/// Lines of context around a change.
const CONTEXT: usize = 3;

/// The unified difference between two versions of a file, where `None` is no file; empty if they
/// are the same. Each line ends with a line end.
#[must_use]
pub fn unified(path: &Path, kind: FileKind, before: Option<&[u8]>, after: Option<&[u8]>) -> String {
    if before == after {
        return String::new();
    }
    let shown = path.display().to_string();
    let name = |text: Option<&[u8]>| match text {
        Some(_) => escaped(shown.as_bytes()),
        None => "/dev/null".to_owned(),
    };
    let mut result = format!("--- {}\n+++ {}\n", name(before), name(after));
    let [before, after] = [before, after].map(Option::unwrap_or_default);
    let known = secrets::find(kind, before);
    let old = Lines::new(before, &known, &|_| false);
    let new_secrets = secrets::find(kind, after);
    let is_new = |secret: &[u8]| !known.iter().any(|range| &before[range.clone()] == secret);
    let new = Lines::new(after, &new_secrets, &is_new);
    let operations = similar::capture_diff_slices(Algorithm::Myers, &old.bytes, &new.bytes);
    for group in similar::group_diff_ops(operations, CONTEXT) {
        hunk(&mut result, &group, &old, &new);
    }
    result
}

/// A text as lines, each with its end.
struct Lines<'a> {
    bytes: Vec<&'a [u8]>,
    shown: Vec<String>,
}

impl<'a> Lines<'a> {
    fn new(text: &'a [u8], secrets: &[Range<usize>], is_new: &dyn Fn(&[u8]) -> bool) -> Self {
        let bytes: Vec<&[u8]> = text.split_inclusive(|&byte| byte == b'\n').collect();
        let mut start = 0;
        let shown = bytes
            .iter()
            .map(|line| {
                let range = start..start + line.len();
                start = range.end;
                masked(text, range, secrets, is_new)
            })
            .collect();
        Self { bytes, shown }
    }
}

/// A line without its secrets and its end.
fn masked(
    text: &[u8],
    line: Range<usize>,
    secrets: &[Range<usize>],
    is_new: &dyn Fn(&[u8]) -> bool,
) -> String {
    let end = text[line.clone()]
        .iter()
        .rposition(|byte| !matches!(byte, b'\r' | b'\n'))
        .map_or(line.start, |last| line.start + last + 1);
    let mut shown = String::new();
    let mut at = line.start;
    let inside = secrets
        .iter()
        .filter(|secret| secret.start < end && secret.end > line.start);
    for secret in inside {
        shown.push_str(&escaped(&text[at..secret.start.clamp(at, end)]));
        shown.push_str(if is_new(&text[secret.clone()]) {
            "[hidden, new]"
        } else {
            "[hidden]"
        });
        at = secret.end.clamp(at, end);
    }
    shown + &escaped(&text[at..end])
}

/// Text with control characters as escapes.
fn escaped(text: &[u8]) -> String {
    let mut result = String::new();
    for letter in String::from_utf8_lossy(text).chars() {
        if letter.is_control() && letter != '\t' || is_direction(letter) {
            result.extend(letter.escape_unicode());
        } else {
            result.push(letter);
        }
    }
    result
}

/// Characters that make text look other than it is.
fn is_direction(letter: char) -> bool {
    matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn hunk(result: &mut String, group: &[DiffOp], old: &Lines<'_>, new: &Lines<'_>) {
    let (Some(first), Some(last)) = (group.first(), group.last()) else {
        return;
    };
    let span = |from: Range<usize>, to: Range<usize>| {
        let count = to.end - from.start;
        // The line before, where there is none of its own.
        let line = if count == 0 {
            from.start
        } else {
            from.start + 1
        };
        match count {
            1 => line.to_string(),
            count => format!("{line},{count}"),
        }
    };
    let old_span = span(first.old_range(), last.old_range());
    let new_span = span(first.new_range(), last.new_range());
    // Writing to a string cannot fail.
    let _ = writeln!(result, "@@ -{old_span} +{new_span} @@");
    for operation in group {
        let (tag, before, after) = operation.as_tag_tuple();
        if tag == DiffTag::Equal {
            before.for_each(|line| put(result, ' ', old, line));
            continue;
        }
        before.for_each(|line| put(result, '-', old, line));
        after.for_each(|line| put(result, '+', new, line));
    }
}

fn put(result: &mut String, sign: char, lines: &Lines<'_>, line: usize) {
    let _ = writeln!(result, "{sign}{}", lines.shown[line]);
    if !lines.bytes[line].ends_with(b"\n") {
        result.push_str("\\ No newline at end of file\n");
    }
}
