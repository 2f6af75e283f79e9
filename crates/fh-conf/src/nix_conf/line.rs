//! One line of `nix.conf`, and where its words are.

use std::ops::Range;

use crate::text::{line_stop, whole_line};

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

    /// The value as Nix takes it: the words, joined by single spaces.
    pub(super) fn value(&self, text: &[u8]) -> String {
        let words = self
            .words
            .iter()
            .map(|word| String::from_utf8_lossy(&text[word.clone()]));
        words.collect::<Vec<_>>().join(" ")
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

/// Reads the line that begins at `start`; gives back where the next one begins.
pub(super) fn read(text: &[u8], start: usize) -> (Result<Line, &'static str>, usize) {
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

fn understand(
    text: &[u8],
    words: &[Range<usize>],
    has_comment: bool,
) -> Result<Line, &'static str> {
    let (first, rest) = match words {
        [] => return Ok(Line::Nothing),
        [_] => return Err("a word alone"),
        [first, rest @ ..] => (first, rest),
    };
    let keyword = &text[first.clone()];
    match (keyword, rest) {
        (b"include" | b"!include", [file]) => Ok(Line::Include {
            file: file.clone(),
            may_be_missing: keyword == b"!include",
        }),
        (b"include" | b"!include", _) => Err("an include of more than one word"),
        (_, [equals, values @ ..]) if &text[equals.clone()] == b"=" => Ok(Line::Setting(Setting {
            name: first.clone(),
            equals_end: equals.end,
            words: values.to_vec(),
            has_comment,
        })),
        _ => Err("the second word is not '='"),
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
