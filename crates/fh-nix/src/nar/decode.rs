//! Decoding a NAR as its bytes arrive.
//!
//! The decoder is fed pieces of any size and reports [`Event`]s. It is strict, see the [parent module](super): every
//! deviation is an error that says what it is and at which byte. It never trusts a length: file contents pass through
//! without being kept, and everything else is shorter than a small limit before it is gathered. What it holds is bounded
//! by [`Limits`] and has nothing to do with the NAR's size.

use super::event::{Event, Limits};
use super::padding;
use crate::error::{Error, Result, quoted_bytes};

/// What the next string must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expect {
    Magic,
    NodeOpen,
    NodeType,
    NodeKind,
    ExecutableOrContents,
    ExecutableValue,
    ContentsKeyword { executable: bool },
    Contents { executable: bool },
    ContentsBytes,
    TargetKeyword,
    Target,
    NodeClose,
    EntryOrClose,
    EntryOpen,
    NameKeyword,
    Name,
    NodeKeyword,
    EntryClose,
    End,
}

/// The longest of the fixed strings, `nix-archive-1`.
const LONGEST_KEYWORD: usize = 13;

/// Decodes one NAR, fed to it in pieces.
#[derive(Clone, Debug)]
pub struct NarDecoder {
    limits: Limits,
    expect: Expect,
    /// Where the current string starts, or, within contents and padding, the next byte.
    offset: u64,
    /// The current string as far as it arrived, length included, when a piece ended within it.
    partial: Vec<u8>,
    /// Bytes of the current file that are still to come.
    contents: u64,
    /// Zeros that are to follow the current file's contents.
    zeros: usize,
    /// The last name in each of the directories we are in.
    names: Vec<Vec<u8>>,
    failed: bool,
}

impl Default for NarDecoder {
    fn default() -> Self {
        Self::new(Limits::default())
    }
}

impl NarDecoder {
    /// A decoder at the start of a NAR.
    #[must_use]
    pub const fn new(limits: Limits) -> Self {
        Self {
            limits,
            expect: Expect::Magic,
            offset: 0,
            partial: Vec::new(),
            contents: 0,
            zeros: 0,
            names: Vec::new(),
            failed: false,
        }
    }

    /// How many bytes were taken so far.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.offset + self.partial.len() as u64
    }

    /// Whether the NAR is complete: any further byte is one too many.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.expect == Expect::End && !self.failed
    }

    /// Takes more bytes, and calls `report` for what they complete.
    ///
    /// # Errors
    /// When the bytes cannot belong to a valid NAR, and when `report` returns an error. The decoder is of no use then.
    pub fn feed(
        &mut self,
        input: &[u8],
        report: &mut impl FnMut(Event<'_>) -> Result<()>,
    ) -> Result<()> {
        if self.failed {
            return Err(self.error("it was invalid before"));
        }
        let result = self.take(input, report);
        self.failed = result.is_err();
        result
    }

    /// Ends the input.
    ///
    /// # Errors
    /// When the NAR is not complete, or was invalid.
    pub fn finish(self) -> Result<()> {
        if self.is_complete() {
            return Ok(());
        }
        let problem = if self.failed {
            "it was invalid before"
        } else {
            "it ends too early"
        };
        Err(Error::Nar {
            offset: self.position(),
            problem: problem.to_owned(),
        })
    }

    fn take(
        &mut self,
        mut input: &[u8],
        report: &mut impl FnMut(Event<'_>) -> Result<()>,
    ) -> Result<()> {
        while !input.is_empty() {
            if self.contents > 0 {
                let length =
                    usize::try_from(self.contents).map_or(input.len(), |n| n.min(input.len()));
                let (data, rest) = input.split_at(length);
                report(Event::Data(data))?;
                self.contents -= length as u64;
                self.offset += length as u64;
                input = rest;
                if self.contents == 0 {
                    self.end_of_contents(report)?;
                }
            } else if self.zeros > 0 {
                let (zeros, rest) = input.split_at(self.zeros.min(input.len()));
                self.check_zeros(zeros, self.offset)?;
                self.zeros -= zeros.len();
                self.offset += zeros.len() as u64;
                input = rest;
            } else if self.partial.is_empty() {
                input = self.take_first(input, report)?;
            } else {
                input = self.complete_partial(input, report)?;
            }
        }
        Ok(())
    }

    /// Takes one string if the whole of it is in `input`, or keeps the part that is; returns the rest.
    fn take_first<'i>(
        &mut self,
        input: &'i [u8],
        report: &mut impl FnMut(Event<'_>) -> Result<()>,
    ) -> Result<&'i [u8]> {
        if self.expect == Expect::End {
            return Err(self.error("bytes follow its end"));
        }
        if let Some(length) = input.first_chunk() {
            let size = self.string_size(u64::from_le_bytes(*length))?;
            if let Some((string, rest)) = input.split_at_checked(size) {
                self.take_string(string, report)?;
                return Ok(rest);
            }
        }
        self.partial.extend_from_slice(input);
        Ok(&[])
    }

    /// Adds to the string that was begun in an earlier piece, and takes it when it is whole; returns the rest.
    fn complete_partial<'i>(
        &mut self,
        mut input: &'i [u8],
        report: &mut impl FnMut(Event<'_>) -> Result<()>,
    ) -> Result<&'i [u8]> {
        let fill = |partial: &mut Vec<u8>, input: &mut &'i [u8], size: usize| {
            let (more, rest) = input.split_at(size.saturating_sub(partial.len()).min(input.len()));
            partial.extend_from_slice(more);
            *input = rest;
        };
        fill(&mut self.partial, &mut input, 8);
        let Some(length) = self.partial.first_chunk() else {
            return Ok(input);
        };
        let size = self.string_size(u64::from_le_bytes(*length))?;
        fill(&mut self.partial, &mut input, size);
        if self.partial.len() == size {
            let mut string = std::mem::take(&mut self.partial);
            let result = self.take_string(&string, report);
            // Kept for its memory.
            string.clear();
            self.partial = string;
            result?;
        }
        Ok(input)
    }

    /// How many bytes of input, length and padding included, make the current string when it is `length` bytes long.
    /// Of a file's contents, only the length is taken as a string.
    fn string_size(&self, length: u64) -> Result<usize> {
        let too_large = || self.error(&format!("it is larger than {} bytes", self.limits.size));
        let room = self.limits.size.saturating_sub(self.offset);
        let whole = length
            .checked_next_multiple_of(8)
            .and_then(|padded| padded.checked_add(8));
        let limit = match self.expect {
            Expect::Contents { .. } => {
                return whole
                    .filter(|&whole| whole <= room)
                    .map(|_| 8)
                    .ok_or_else(too_large);
            }
            Expect::Name => self.limits.name,
            Expect::Target => self.limits.target,
            _ => LONGEST_KEYWORD,
        };
        let expected = self.expected();
        if length > limit as u64 {
            return Err(self.error(&match self.expect {
                Expect::Name | Expect::Target => {
                    format!("{expected} has {length} bytes, the limit being {limit}")
                }
                _ => format!("a string of {length} bytes instead of {expected}"),
            }));
        }
        whole
            .filter(|&whole| whole <= room)
            .and_then(|whole| usize::try_from(whole).ok())
            .ok_or_else(too_large)
    }

    /// Takes a whole string: its length, bytes and padding.
    fn take_string(
        &mut self,
        string: &[u8],
        report: &mut impl FnMut(Event<'_>) -> Result<()>,
    ) -> Result<()> {
        let (length, rest) = string
            .split_first_chunk()
            .map_or((0, string), |(length, rest)| {
                (u64::from_le_bytes(*length), rest)
            });
        if let Expect::Contents { executable } = self.expect {
            report(Event::RegularStart {
                executable,
                size: length,
                offset: self.offset + 8,
            })?;
            self.offset += 8;
            self.contents = length;
            self.zeros = padding(length);
            self.expect = Expect::ContentsBytes;
            return if length == 0 {
                self.end_of_contents(report)
            } else {
                Ok(())
            };
        }
        let (text, zeros) = rest.split_at(rest.len() - padding(length));
        self.check_zeros(zeros, self.offset + 8 + text.len() as u64)?;
        self.expect = self.advance(text, report)?;
        self.offset += string.len() as u64;
        Ok(())
    }

    fn end_of_contents(&mut self, report: &mut impl FnMut(Event<'_>) -> Result<()>) -> Result<()> {
        self.expect = Expect::NodeClose;
        report(Event::RegularEnd)
    }

    /// Takes the text of a string that is no file's contents, and tells what must follow.
    fn advance(
        &mut self,
        text: &[u8],
        report: &mut impl FnMut(Event<'_>) -> Result<()>,
    ) -> Result<Expect> {
        Ok(match (self.expect, text) {
            (Expect::Magic, b"nix-archive-1") | (Expect::NodeKeyword, b"node") => Expect::NodeOpen,
            (Expect::NodeOpen, b"(") => Expect::NodeType,
            (Expect::NodeType, b"type") => Expect::NodeKind,
            (Expect::NodeKind, b"regular") => Expect::ExecutableOrContents,
            (Expect::NodeKind, b"symlink") => Expect::TargetKeyword,
            (Expect::NodeKind, b"directory") => {
                if self.names.len() == self.limits.depth {
                    return Err(self.error(&format!(
                        "directories are nested deeper than {} levels",
                        self.limits.depth
                    )));
                }
                self.names.push(Vec::new());
                report(Event::DirectoryStart)?;
                Expect::EntryOrClose
            }
            (Expect::ExecutableOrContents, b"executable") => Expect::ExecutableValue,
            (Expect::ExecutableValue, b"") => Expect::ContentsKeyword { executable: true },
            (Expect::ExecutableOrContents, b"contents") => Expect::Contents { executable: false },
            (Expect::ContentsKeyword { executable }, b"contents") => {
                Expect::Contents { executable }
            }
            (Expect::TargetKeyword, b"target") => Expect::Target,
            (Expect::Target, target) => {
                if target.is_empty() || target.contains(&0) {
                    return Err(
                        self.error(&format!("{} is not a link's target", quoted_bytes(target)))
                    );
                }
                report(Event::Symlink { target })?;
                Expect::NodeClose
            }
            (Expect::NodeClose, b")") => self.after_node(),
            (Expect::EntryOrClose, b"entry") => Expect::EntryOpen,
            (Expect::EntryOrClose, b")") => {
                report(Event::DirectoryEnd)?;
                self.names.pop();
                self.after_node()
            }
            (Expect::EntryOpen, b"(") => Expect::NameKeyword,
            (Expect::NameKeyword, b"name") => Expect::Name,
            (Expect::Name, name) => {
                self.check_name(name)?;
                report(Event::Entry { name })?;
                Expect::NodeKeyword
            }
            (Expect::EntryClose, b")") => Expect::EntryOrClose,
            _ => {
                return Err(self.error(&format!(
                    "{} instead of {}",
                    quoted_bytes(text),
                    self.expected()
                )));
            }
        })
    }

    /// What follows the end of a node: the end of the entry it is in, or of everything.
    fn after_node(&self) -> Expect {
        if self.names.is_empty() {
            Expect::End
        } else {
            Expect::EntryClose
        }
    }

    /// Checks an entry's name, and remembers it for the next one.
    fn check_name(&mut self, name: &[u8]) -> Result<()> {
        let problem = match self.names.last() {
            _ if matches!(name, b"" | b"." | b"..") => "is not a file name",
            _ if name.contains(&b'/') => "has a slash, so it is not a file name",
            _ if name.contains(&0) => "has a NUL, so it is not a file name",
            Some(last) if name == last.as_slice() => "appears twice",
            Some(last) if name < last.as_slice() => "is not in order",
            _ => {
                if let Some(last) = self.names.last_mut() {
                    last.clear();
                    last.extend_from_slice(name);
                }
                return Ok(());
            }
        };
        Err(self.error(&format!("the entry {} {problem}", quoted_bytes(name))))
    }

    fn check_zeros(&self, zeros: &[u8], offset: u64) -> Result<()> {
        match zeros.iter().position(|&byte| byte != 0) {
            None => Ok(()),
            Some(position) => Err(Error::Nar {
                offset: offset + position as u64,
                problem: "the padding is not zero".to_owned(),
            }),
        }
    }

    /// What must stand here, for a message.
    fn expected(&self) -> &'static str {
        match self.expect {
            Expect::Magic => "\"nix-archive-1\"",
            Expect::NodeOpen | Expect::EntryOpen => "\"(\"",
            Expect::NodeType => "\"type\"",
            Expect::NodeKind => "\"regular\", \"symlink\" or \"directory\"",
            Expect::ExecutableOrContents => "\"executable\" or \"contents\"",
            Expect::ExecutableValue => "an empty string",
            Expect::ContentsKeyword { .. } => "\"contents\"",
            Expect::Contents { .. } | Expect::ContentsBytes => "a file's contents",
            Expect::TargetKeyword => "\"target\"",
            Expect::Target => "a link's target",
            Expect::NodeClose | Expect::EntryClose => "\")\"",
            Expect::EntryOrClose => "\"entry\" or \")\"",
            Expect::NameKeyword => "\"name\"",
            Expect::Name => "a name",
            Expect::NodeKeyword => "\"node\"",
            Expect::End => "nothing",
        }
    }

    fn error(&self, problem: &str) -> Error {
        Error::Nar {
            offset: self.offset,
            problem: problem.to_owned(),
        }
    }
}
