//! Text for a terminal: nothing in it does anything to the terminal, labels have colours where these are shown.

use std::fmt::Write as _;

pub(crate) use fh_api::text::{is_unprintable, push_escape};

pub(crate) const RED: &str = "\x1b[1;31m";
pub(crate) const CYAN: &str = "\x1b[1;36m";
pub(crate) const YELLOW: &str = "\x1b[1;33m";

/// `Label: text`, with further lines of the text indented below it.
pub(crate) fn push_labelled(into: &mut String, label: &str, ansi: &str, color: bool, text: &str) {
    let text = text.trim_end().replace('\n', "\n  ");
    // Writing to a String cannot fail.
    let _ = if color {
        writeln!(into, "{ansi}{label}:\x1b[0m {text}")
    } else {
        writeln!(into, "{label}: {text}")
    };
}

/// Text of others, fit for a terminal: no control characters and no marks that reorder text.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\t' => ' ',
            c if is_unprintable(c) => '\u{fffd}',
            c => c,
        })
        .collect()
}

/// JSON whose strings hold no character that would do something to a terminal: those are written as
/// `\uXXXX`, which means the same.
pub(crate) fn escaped(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        // Outside of strings there is nothing but line feeds, and within them none.
        if c == '\n' || !is_unprintable(c) {
            text.push(c);
        } else {
            push_escape(&mut text, c);
        }
    }
    text
}

/// An error and its causes, in one sentence.
pub(crate) fn with_causes(error: &(dyn std::error::Error + 'static)) -> String {
    let chain = std::iter::successors(Some(error), |error| error.source());
    let chain: Vec<String> = chain.map(ToString::to_string).collect();
    chain.join(": ")
}

/// Words of a vocabulary, or patterns, side by side.
pub(crate) fn joined<T: std::fmt::Display>(items: &[T]) -> String {
    let items: Vec<String> = items.iter().map(ToString::to_string).collect();
    items.join(" ")
}
