//! One line of `nix.conf`, and where its words are.

use std::ops::Range;
use std::path::Path;

use crate::Error;
use crate::text::{line_stop, place, whole_line};

/// `NAME = WORDS…`, as places in the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Setting {
    pub(super) name: Range<usize>,
    /// The end of the `=`.
    pub(super) equals_end: usize,
    pub(super) words: Vec<Range<usize>>,
    pub(super) has_comment: bool,
}

impl Setting {
    pub(super) fn is(&self, text: &[u8], name: &str) -> bool {
        let own = String::from_utf8_lossy(&text[self.name.clone()]);
        super::value::same_name(&own, name)
    }

    /// What has to go from the text so that the line is gone.
    pub(super) fn lines(&self, text: &[u8]) -> Range<usize> {
        whole_line(text, self.equals_end, line_stop(text, self.equals_end))
    }

    /// The words behind the `=`.
    pub(super) fn words(&self, text: &[u8]) -> Vec<String> {
        let words = self.words.iter();
        words
            .map(|word| String::from_utf8_lossy(&text[word.clone()]).into_owned())
            .collect()
    }

    /// The value as Nix takes it: the words, joined by single spaces.
    pub(super) fn value(&self, text: &[u8]) -> String {
        self.words(text).join(" ")
    }

    /// Whether the line adds to a list: such a line without values does nothing, while `NAME =`
    /// makes the list empty.
    pub(super) fn is_extra(&self, text: &[u8]) -> bool {
        super::value::split_name(&String::from_utf8_lossy(&text[self.name.clone()])).1
    }
}

/// What a line says.
pub(super) enum Line {
    Nothing,
    Setting(Setting),
    Include {
        file: Range<usize>,
        may_be_missing: bool,
    },
}

/// What is wrong with a line.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fault {
    /// Where the word begins that is wrong.
    pub(super) position: usize,
    pub(super) reason: &'static str,
}

impl Fault {
    /// The error that names the place in a file's text.
    pub(super) fn error(self, path: &Path, text: &[u8]) -> Error {
        let (line, column) = place(text, self.position);
        Error::NixConfSyntax {
            path: path.to_owned(),
            line,
            column,
            reason: self.reason,
        }
    }
}

/// Reads the line that begins at `start`; gives back where the next one begins.
pub(super) fn read(text: &[u8], start: usize) -> (Result<Line, Fault>, usize) {
    let stop = line_stop(text, start);
    let comment = text[start..stop]
        .iter()
        .position(|&byte| byte == b'#')
        .map(|offset| start + offset);
    let words = words(text, start..comment.unwrap_or(stop));
    (
        understand(text, &words, comment.is_some()),
        (stop + 1).min(text.len()),
    )
}

fn understand(text: &[u8], words: &[Range<usize>], has_comment: bool) -> Result<Line, Fault> {
    let fault = |word: &Range<usize>, reason| {
        Err(Fault {
            position: word.start,
            reason,
        })
    };
    let (first, second, rest) = match words {
        [] => return Ok(Line::Nothing),
        [alone] => return fault(alone, "a word alone"),
        [first, second, rest @ ..] => (first, second, rest),
    };
    let keyword = &text[first.clone()];
    match (keyword, rest) {
        (b"include" | b"!include", []) => Ok(Line::Include {
            file: second.clone(),
            may_be_missing: keyword == b"!include",
        }),
        (b"include" | b"!include", [third, ..]) => fault(third, "an include of more than one word"),
        (_, values) if &text[second.clone()] == b"=" => Ok(Line::Setting(Setting {
            name: first.clone(),
            equals_end: second.end,
            words: values.to_vec(),
            has_comment,
        })),
        _ => fault(second, "the second word is not '='"),
    }
}

/// The words of a part of a line, by Nix's white space.
fn words(text: &[u8], part: Range<usize>) -> Vec<Range<usize>> {
    let mut words = Vec::new();
    let mut begin = None;
    for position in part.clone() {
        let blank = matches!(text[position], b' ' | b'\t' | b'\r');
        match (begin, blank) {
            (None, false) => begin = Some(position),
            (Some(word), true) => {
                words.push(word..position);
                begin = None;
            }
            _ => {}
        }
    }
    words.extend(begin.map(|word| word..part.end));
    words
}
