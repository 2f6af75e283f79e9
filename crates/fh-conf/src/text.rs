//! Splicing bytes, line ends, and the rules by which an added line can be taken back exactly.
//!
//! A line is added at the end of a file in one of two ways: to a file that ends with a line end (or
//! is empty), as the line and a line end; to one that does not, as a line end and the line.
//! [`whole_line`] is the inverse of both.

use std::ops::Range;

/// The line end that the text uses: CRLF if there is one anywhere, else LF.
pub(crate) fn line_end(text: &[u8]) -> &'static [u8] {
    if has_crlf(text) { b"\r\n" } else { b"\n" }
}

/// Whether any line ends with CRLF.
pub(crate) fn has_crlf(text: &[u8]) -> bool {
    text.windows(2).any(|pair| pair == b"\r\n")
}

/// Where the line with the byte at `position` begins.
pub(crate) fn line_start(text: &[u8], position: usize) -> usize {
    text[..position]
        .iter()
        .rposition(|&byte| byte == b'\n')
        .map_or(0, |newline| newline + 1)
}

/// Where the line with the byte at `position` ends: at its LF, or at the end of the text.
pub(crate) fn line_stop(text: &[u8], position: usize) -> usize {
    text[position..]
        .iter()
        .position(|&byte| byte == b'\n')
        .map_or(text.len(), |length| position + length)
}

/// Line and column, both counted from 1, the column in bytes.
pub(crate) fn place(text: &[u8], position: usize) -> (usize, usize) {
    let before = &text[..position.min(text.len())];
    let line = before.iter().filter(|&&byte| byte == b'\n').count() + 1;
    (line, before.len() - line_start(before, before.len()) + 1)
}

/// Appends a line without disturbing what is there, be the last line ended or not.
pub(crate) fn append_line(text: &mut Vec<u8>, line: &[u8]) {
    let end = match text.last() {
        // Some readers of netrc give up at a CR behind a blank.
        Some(b' ' | b'\t' | b'\x0b' | b'\x0c') => b"\n",
        _ => line_end(text),
    };
    if text.is_empty() || text.ends_with(b"\n") {
        text.extend_from_slice(line);
        text.extend_from_slice(end);
    } else {
        text.extend_from_slice(end);
        text.extend_from_slice(line);
    }
}

/// What has to go so that the lines from the one with byte `first` to the one that ends at `stop`
/// (at its LF, or at the end of the text) are gone: a last line without line end takes the line end
/// before it along.
pub(crate) fn whole_line(text: &[u8], first: usize, stop: usize) -> Range<usize> {
    let start = line_start(text, first);
    if stop < text.len() {
        return start..stop + 1;
    }
    if start == 0 {
        return 0..stop;
    }
    let before = &text[..start - 1];
    // `append_line` writes CRLF only where another CRLF stands; without one, the CR belongs to the
    // line before.
    match before.strip_suffix(b"\r") {
        Some(rest) if has_crlf(rest) => rest.len()..stop,
        _ => before.len()..stop,
    }
}

/// Replaces ranges, which must be in order and not overlap, by other bytes.
pub(crate) fn splice(text: &[u8], edits: &[(Range<usize>, Vec<u8>)]) -> Vec<u8> {
    let mut result =
        Vec::with_capacity(text.len() + edits.iter().map(|edit| edit.1.len()).sum::<usize>());
    let mut done = 0;
    for (range, replacement) in edits {
        result.extend_from_slice(&text[done..range.start]);
        result.extend_from_slice(replacement);
        done = range.end;
    }
    result.extend_from_slice(&text[done..]);
    result
}
