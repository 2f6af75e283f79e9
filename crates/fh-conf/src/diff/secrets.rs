//! Where in a file the secrets are.

use std::ops::Range;

use crate::netrc;

/// What kind of file it is, which says where its secrets are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// A netrc: its passwords are hidden, and what is not understood.
    Netrc,
    /// A `nix.conf`: tokens in it are hidden, and passwords in addresses.
    NixConf,
    /// All of it is secret, such as a token: every line is hidden.
    Secret,
    /// Nothing of it is secret.
    Plain,
}

/// Words that a comment or line is hidden for.
const SUSPICIOUS: [&str; 4] = ["token", "password", "secret", "impure-env"];

/// The places of what is not to be shown, in order, none empty, none over a line end.
pub(super) fn find(kind: FileKind, text: &[u8]) -> Vec<Range<usize>> {
    let found = match kind {
        FileKind::Plain => Vec::new(),
        FileKind::Secret => between(&[], text.len()),
        FileKind::Netrc => {
            let shown = netrc::public_words(text).unwrap_or_default();
            between(&shown, text.len())
        }
        FileKind::NixConf => nix_conf(text),
    };
    found
        .into_iter()
        .flat_map(|range| trimmed_lines(text, range))
        .collect()
}

/// What is not in these ranges, which are in order.
fn between(shown: &[Range<usize>], length: usize) -> Vec<Range<usize>> {
    let mut rest = Vec::new();
    let mut at = 0;
    for range in shown {
        rest.push(at..range.start);
        at = range.end;
    }
    rest.push(at..length);
    rest
}

/// The parts of a range that are on lines of their own, without white space around them.
fn trimmed_lines(text: &[u8], range: Range<usize>) -> Vec<Range<usize>> {
    let mut parts = Vec::new();
    let mut start = range.start;
    for line in text[range].split_inclusive(|&byte| byte == b'\n') {
        let begin = line.iter().position(|byte| !byte.is_ascii_whitespace());
        let end = line.iter().rposition(|byte| !byte.is_ascii_whitespace());
        if let (Some(begin), Some(end)) = (begin, end) {
            parts.push(start + begin..start + end + 1);
        }
        start += line.len();
    }
    parts
}

fn nix_conf(text: &[u8]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive(|&byte| byte == b'\n') {
        let comment = line
            .iter()
            .position(|&byte| byte == b'#')
            .unwrap_or(line.len());
        for part in [0..comment, comment..line.len()] {
            let shown = hidden_of(&line[part.clone()]);
            let offset = start + part.start;
            let shown = shown.into_iter();
            found.extend(shown.map(|range| offset + range.start..offset + range.end));
        }
        start += line.len();
    }
    found
}

/// What is to be hidden of the settings or of the comment of a line.
fn hidden_of(part: &[u8]) -> Vec<Range<usize>> {
    let text = String::from_utf8_lossy(part).to_ascii_lowercase();
    let mut hidden = Vec::new();
    if SUSPICIOUS.iter().any(|word| text.contains(word)) {
        // The name of the setting may be seen.
        let begin = match part.first() {
            Some(b'#') => Some(1),
            _ => part.iter().position(|&byte| byte == b'=').map(|at| at + 1),
        };
        hidden.push(begin.unwrap_or(0)..part.len());
    } else {
        let mut at = 0;
        for word in part.split(u8::is_ascii_whitespace) {
            let scheme = word.windows(3).position(|letters| letters == b"://");
            let host = word.iter().rposition(|&byte| byte == b'@');
            if let (Some(scheme), Some(host)) = (scheme, host)
                && scheme + 3 < host
            {
                hidden.push(at + scheme + 3..at + host);
            }
            at += word.len() + 1;
        }
    }
    hidden
}
