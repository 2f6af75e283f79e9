//! Reading: from bytes to entries with the places of their words.

use std::borrow::Cow;
use std::ops::Range;

use super::value::is_keyword;
use crate::text::{has_crlf, line_start, line_stop, place};
use crate::{Error, Result};

/// A longer login may be a token: some services take it there.
const LONGEST_PUBLIC_LOGIN: usize = 16;

/// What an item of the file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// `machine NAME`, with the name.
    Machine(Vec<u8>),
    /// The entry `default`, for all hosts that have none.
    Default,
    /// A `macdef`. To ftp it belongs to the entry before it, to curl it ends that entry.
    Macro,
}

/// The keyword of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Login,
    Password,
    Account,
}

/// The keywords that take a value.
const FIELDS: [(&str, Key); 3] = [
    ("login", Key::Login),
    ("password", Key::Password),
    ("account", Key::Account),
];

/// A keyword with its value.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) key: Key,
    /// Where the value stands, with its quotes.
    pub(super) range: Range<usize>,
    /// The value without quotes and escapes.
    pub(super) value: Vec<u8>,
}

/// An entry, or a macro outside of one.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) kind: Kind,
    /// From the keyword that opens the item to the end of its last word; of a macro, to the end of
    /// the empty line that closes it, or of the text.
    pub(super) range: Range<usize>,
    /// End of the word after which a missing field can be added: the name, or `default`.
    pub(super) head_end: usize,
    pub(super) fields: Vec<Field>,
    /// The places of the words that are no secret: keywords, hosts, logins, names of macros.
    pub(super) public: Vec<Range<usize>>,
    /// Some reader may not find what stands behind this item.
    pub(super) hides_rest: bool,
    /// A remark with keywords stands behind a word of it.
    has_remark: bool,
    /// Some reader may not find the item itself, or read it otherwise.
    pub(super) hides_itself: bool,
}

/// What the text consists of.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Scanned {
    pub(super) items: Vec<Item>,
    /// The begin of the line at which some reader gives up, before there is any item.
    pub(super) top_barrier: Option<usize>,
}

impl Item {
    pub(super) fn is_machine(&self, host: &str) -> bool {
        matches!(&self.kind, Kind::Machine(name) if name.eq_ignore_ascii_case(host.as_bytes()))
    }

    /// Login and password as curl takes them from the entry: repeated ones replace each other until
    /// both are there.
    pub(super) fn credentials(&self) -> (Option<&[u8]>, Option<&[u8]>) {
        let (mut login, mut password) = (None, None);
        for field in &self.fields {
            if login.is_some() && password.is_some() {
                break;
            }
            match field.key {
                Key::Login => login = Some(field.value.as_slice()),
                Key::Password => password = Some(field.value.as_slice()),
                Key::Account => {}
            }
        }
        (login, password)
    }
}

struct Word {
    range: Range<usize>,
    text: Vec<u8>,
    quoted: bool,
}

impl Word {
    fn is(&self, keyword: &str) -> bool {
        self.text.eq_ignore_ascii_case(keyword.as_bytes())
    }

    /// Curl from 7.84 to 8.10 skips this word and takes the next one, on a later line, for the
    /// value.
    fn starts_remark(&self) -> bool {
        !self.quoted && self.text.starts_with(b"#")
    }

    fn misleads(&self) -> bool {
        self.starts_remark() || is_opening(&self.text)
    }
}

/// Words that curl may take for the begin of an entry or macro even where they are values or
/// remarks.
fn is_opening(word: &[u8]) -> bool {
    ["machine", "default", "macdef"]
        .iter()
        .any(|keyword| word.eq_ignore_ascii_case(keyword.as_bytes()))
}

pub(super) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\x0b' | b'\x0c')
}

struct Scanner<'a> {
    text: &'a [u8],
    position: usize,
    items: Vec<Item>,
}

/// Reads the whole text.
pub(super) fn scan(text: &[u8]) -> Result<Scanned> {
    let mut scanner = Scanner {
        text,
        position: 0,
        items: Vec::new(),
    };
    if let Some(position) = text.iter().position(|&byte| byte == 0) {
        return Err(scanner.error(position, "a NUL byte"));
    }
    while let Some(word) = scanner.word(false)? {
        scanner.item(&word)?;
    }
    let mut scanned = Scanned {
        items: scanner.items,
        top_barrier: None,
    };
    if let Some(stray) = stray_return(text) {
        // Behind it, curl from 8.11 to 8.16 or so finds nothing.
        match scanned
            .items
            .iter_mut()
            .rfind(|item| item.range.start < stray)
        {
            Some(item) => {
                item.hides_rest = true;
                item.hides_itself |= item.kind != Kind::Macro && stray < item.range.end;
            }
            None => scanned.top_barrier = Some(line_start(text, stray)),
        }
    }
    Ok(scanned)
}

/// The first CR (or other blank that is neither space nor tab) that is not directly behind a word:
/// on an empty line, or behind a space. Comment lines do not count.
fn stray_return(text: &[u8]) -> Option<usize> {
    let mut start = 0;
    for line in text.split_inclusive(|&byte| byte == b'\n') {
        let first = line.iter().find(|byte| !matches!(byte, b' ' | b'\t'));
        if first != Some(&b'#') {
            let stray = line.iter().enumerate().position(|(index, byte)| {
                matches!(byte, b'\r' | b'\x0b' | b'\x0c')
                    && index
                        .checked_sub(1)
                        .is_none_or(|before| is_blank(line[before]))
            });
            if let Some(stray) = stray {
                return Some(start + stray);
            }
        }
        start += line.len();
    }
    // With a line behind it, a last CR without LF would be one.
    (text.ends_with(b"\r") && has_crlf(text)).then(|| text.len() - 1)
}

impl Scanner<'_> {
    fn error(&self, position: usize, reason: impl Into<Cow<'static, str>>) -> Error {
        let (line, column) = place(self.text, position);
        Error::Syntax {
            format: "netrc",
            line,
            column,
            reason: reason.into(),
        }
    }

    /// Handles a word that is not a value.
    fn item(&mut self, word: &Word) -> Result<()> {
        if word.quoted && is_keyword(&word.text) {
            return Err(self.error(word.range.start, "a keyword in quotes"));
        }
        if word.is("machine") {
            let Some(name) = self.word(true)? else {
                return Err(self.error(word.range.start, "machine without a name"));
            };
            let apart = self.is_apart(word, &name);
            let misleads = name.starts_remark() || apart;
            let public = vec![word.range.clone(), name.range.clone()];
            let range = word.range.start..name.range.end;
            self.open(Kind::Machine(name.text), range, public, misleads);
            if let Some(item) = self.items.last_mut() {
                item.hides_itself = apart;
            }
        } else if word.is("default") {
            let range = word.range.clone();
            self.open(Kind::Default, range.clone(), vec![range], false);
        } else if word.is("macdef") {
            self.macro_definition(word)?;
        } else if let Some((keyword, key)) = FIELDS.iter().find(|(keyword, _)| word.is(keyword)) {
            self.field(word, keyword, *key)?;
        } else if let Some(item) = self
            .items
            .last_mut()
            .filter(|item| item.kind != Kind::Macro)
        {
            // Readers skip words that they do not know, such as `port 22` of other programs.
            item.range.end = word.range.end;
        } else {
            return Err(self.error(word.range.start, "not a netrc keyword"));
        }
        Ok(())
    }

    fn open(
        &mut self,
        kind: Kind,
        range: Range<usize>,
        public: Vec<Range<usize>>,
        hides_rest: bool,
    ) {
        let item = Item {
            kind,
            head_end: range.end,
            range,
            fields: Vec::new(),
            public,
            hides_rest,
            has_remark: false,
            hides_itself: false,
        };
        self.items.push(item);
    }

    fn field(&mut self, word: &Word, keyword: &str, key: Key) -> Result<()> {
        if self
            .items
            .last()
            .is_none_or(|item| item.kind == Kind::Macro)
        {
            return Err(self.error(word.range.start, format!("{keyword} outside of an entry")));
        }
        // A value `machine` without quotes is far more likely the next entry after a forgotten
        // value.
        let value = self.word(true)?;
        let value = value.filter(|value| value.quoted || !value.is("machine"));
        let apart = value
            .as_ref()
            .is_some_and(|value| self.is_apart(word, value));
        let (Some(value), Some(item)) = (value, self.items.last_mut()) else {
            return Err(self.error(word.range.start, format!("{keyword} without a value")));
        };
        item.hides_rest |= value.misleads() || apart;
        item.hides_itself |= apart || item.has_remark;
        item.range.end = value.range.end;
        item.public.push(word.range.clone());
        if key == Key::Login && value.text.len() <= LONGEST_PUBLIC_LOGIN {
            item.public.push(value.range.clone());
        }
        item.fields.push(Field {
            key,
            range: value.range,
            value: value.text,
        });
        Ok(())
    }

    /// Whether a value stands on a later line than its keyword, with more in between than that line
    /// end and an indent: curl from 7.84 to 8.10 then takes an empty word for the value.
    fn is_apart(&self, keyword: &Word, value: &Word) -> bool {
        let between = &self.text[keyword.range.end..value.range.start];
        between.contains(&b'\n')
            && !between
                .strip_prefix(b"\n")
                .is_some_and(|indent| indent.iter().all(|byte| matches!(byte, b' ' | b'\t')))
    }

    /// `macdef NAME`, then a body up to and with the next empty line.
    fn macro_definition(&mut self, word: &Word) -> Result<()> {
        let end_of_line = line_stop(self.text, word.range.end);
        let mut name = self.text[word.range.end..end_of_line].iter();
        if name.all(|&byte| is_blank(byte)) {
            return Err(self.error(word.range.start, "macdef without a name"));
        }
        let mut closed = false;
        // Some curl takes a line of blanks for an empty one.
        let mut may_end_before = false;
        let mut position = (end_of_line + 1).min(self.text.len());
        while position < self.text.len() && !closed {
            let stop = line_stop(self.text, position);
            let line = &self.text[position..stop];
            closed = stop < self.text.len() && matches!(line, b"" | b"\r");
            may_end_before |= !closed && line.iter().all(|&byte| is_blank(byte));
            position = (stop + 1).min(self.text.len());
        }
        self.position = position;
        let head = word.range.start..end_of_line;
        let range = word.range.start..position;
        self.open(Kind::Macro, range, vec![head], !closed || may_end_before);
        Ok(())
    }

    /// The next word. Where a value is expected, `#` on the keyword's own line begins the value, as
    /// for most readers.
    fn word(&mut self, value: bool) -> Result<Option<Word>> {
        let from = self.position;
        loop {
            let rest = &self.text[self.position..];
            let Some(skip) = rest
                .iter()
                .position(|&byte| !is_blank(byte) && byte != b'\n')
            else {
                self.position = self.text.len();
                return Ok(None);
            };
            self.position += skip;
            let same_line = !self.text[from..self.position].contains(&b'\n');
            match self.text[self.position] {
                b'#' if !(value && same_line) => self.comment(),
                b'"' => return self.quoted().map(Some),
                _ => break,
            }
        }
        let start = self.position;
        let rest = &self.text[start..];
        let length = rest
            .iter()
            .position(|&byte| is_blank(byte) || byte == b'\n')
            .unwrap_or(rest.len());
        self.position += length;
        let range = start..self.position;
        Ok(Some(Word {
            text: self.text[range.clone()].to_vec(),
            range,
            quoted: false,
        }))
    }

    /// Skips to the end of the line. Behind a word, some versions of curl read on through the
    /// remark.
    fn comment(&mut self) {
        let stop = line_stop(self.text, self.position);
        let begin = line_start(self.text, self.position);
        let whole_line = self.text[begin..self.position]
            .iter()
            .all(|&byte| is_blank(byte));
        let mut words = self.text[self.position..stop].split(|&byte| is_blank(byte));
        let opens_only = words
            .clone()
            .all(|word| (is_opening(word) || !is_keyword(word)) && !word.contains(&b'"'));
        if !whole_line
            && words.any(|word| is_keyword(word) || word.contains(&b'"'))
            && let Some(item) = self.items.last_mut()
        {
            item.hides_rest = true;
            item.has_remark = true;
            // A value in it would count; anything else harms only what comes behind.
            item.hides_itself |= !opens_only;
        }
        self.position = stop;
    }

    fn quoted(&mut self) -> Result<Word> {
        let start = self.position;
        let unclosed = "a quote that is not closed on its line";
        let mut text = Vec::new();
        let mut position = start + 1;
        loop {
            let byte = self.text.get(position).copied();
            position += 1;
            match byte {
                None | Some(b'\n') => return Err(self.error(start, unclosed)),
                Some(b'"') => break,
                Some(b'\\') => {
                    let escaped = self.text.get(position).copied();
                    position += 1;
                    match escaped {
                        None | Some(b'\n') => return Err(self.error(start, unclosed)),
                        Some(b'n') => text.push(b'\n'),
                        Some(b'r') => text.push(b'\r'),
                        Some(b't') => text.push(b'\t'),
                        Some(other) => text.push(other),
                    }
                }
                Some(other) => text.push(other),
            }
        }
        self.position = position;
        if self
            .text
            .get(position)
            .is_some_and(|&byte| !is_blank(byte) && byte != b'\n')
        {
            return Err(self.error(position, "a word that continues after its closing quote"));
        }
        Ok(Word {
            range: start..position,
            text,
            quoted: true,
        })
    }
}
