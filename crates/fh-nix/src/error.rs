//! The one error type of the crate.
//!
//! Messages name the offending thing. Text that came from outside is quoted, escaped and cut, so that an error can be
//! logged or shown on a terminal as it is; of what may be a secret key, nothing but the name is ever told.

use std::borrow::Cow;
use std::io;
use std::path::PathBuf;

/// The result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong while reading, checking or writing one of Nix's formats.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Text that is not what it should be, such as a store path or a signature.
    #[error("{text} is not {what}: {problem}")]
    Invalid {
        /// What it should be.
        what: &'static str,
        /// The refused text, quoted and shortened.
        text: String,
        /// What is wrong with it.
        problem: Cow<'static, str>,
    },
    /// Not a secret key. Nothing of the text is told.
    #[error("not a secret key: {problem}")]
    SecretKey {
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The operating system gave no random numbers.
    #[error("cannot get random numbers for a new key: {problem}")]
    Random {
        /// What the operating system said.
        problem: String,
    },
    /// Not a compression method that Nix knows.
    #[error("{name} is not a compression method that Nix knows")]
    Compression {
        /// The refused name, quoted and shortened.
        name: String,
    },
    /// A narinfo that Nix would refuse, or that is ambiguous.
    #[error("narinfo is corrupt{}: {problem}", at_line(*.line))]
    NarInfo {
        /// The line, from 1; `None` when the file as a whole is at fault.
        line: Option<usize>,
        /// What is wrong with it.
        problem: String,
    },
    /// The path infos are no JSON.
    #[error("the path infos are not valid JSON")]
    Json(#[source] serde_json::Error),
    /// The path infos are JSON, but none of the shapes that Nix prints.
    #[error("the path infos have an unknown shape: {problem}")]
    PathInfoShape {
        /// What is not as it should be.
        problem: String,
    },
    /// One field of one path's info cannot be used.
    #[error("path info of {path}: {field}: {problem}")]
    PathInfoField {
        /// The path as the JSON names it, quoted.
        path: String,
        /// The field, as the JSON names it.
        field: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// Not a derivation in the form that Nix stores.
    #[error("the derivation cannot be read at byte {offset}: {problem}")]
    Derivation {
        /// Where, in bytes from its start.
        offset: usize,
        /// What is wrong there.
        problem: &'static str,
    },
    /// The bytes are not a NAR, or not the one canonical NAR of a tree.
    #[error("invalid NAR at byte {offset}: {problem}")]
    Nar {
        /// Where, in bytes from the start of the NAR.
        offset: u64,
        /// What is wrong there.
        problem: String,
    },
    /// Something in the file system that a NAR cannot hold, or that changed while it was read.
    #[error("cannot pack {}: {problem}", .path.display())]
    Unpackable {
        /// The file that cannot be packed.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The file system said no.
    #[error("cannot {action} {}", .path.display())]
    Io {
        /// What was tried: a verb.
        action: &'static str,
        /// The file or directory that it was tried on.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The receiver of a [`NarDecoder`](crate::NarDecoder)'s events wants no more of them.
    #[error("the NAR's content was refused: {problem}")]
    Refused {
        /// What the receiver said.
        problem: String,
    },
}

impl Error {
    /// `text` is not `what`.
    pub(crate) fn invalid(
        what: &'static str,
        text: &str,
        problem: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::Invalid {
            what,
            text: quoted(text),
            problem: problem.into(),
        }
    }
}

fn at_line(line: Option<usize>) -> String {
    line.map_or_else(String::new, |line| format!(" at line {line}"))
}

/// How many characters of foreign text an error shows.
const EXCERPT: usize = 300;

/// `text` in quotes, escaped and cut to a length fit for a message.
pub(crate) fn quoted(text: &str) -> String {
    match text.char_indices().nth(EXCERPT) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}

/// [`quoted`] for bytes that need not be UTF-8.
pub(crate) fn quoted_bytes(bytes: &[u8]) -> String {
    let cut = &bytes[..bytes.len().min(EXCERPT)];
    let ellipsis = if cut.len() < bytes.len() { "…" } else { "" };
    format!("\"{}\"{ellipsis}", cut.escape_ascii())
}
