//! The columns of lists, and lists as CSV, which has all of them.

use time::OffsetDateTime;

use crate::error::CommandError;
use crate::text::printable;

/// One column of a list of `R`.
pub(crate) struct Column<R> {
    /// The name in CSV, the same as in JSON.
    name: &'static str,
    /// The heading in a table.
    pub(super) title: &'static str,
    pub(super) numeric: bool,
    /// May be cut where the terminal is too narrow.
    pub(super) flexible: bool,
    /// An id, of which a table shows as much as tells it from the others.
    pub(super) is_id: bool,
    pub(super) place: Place,
    raw: fn(&R) -> String,
    shown: Option<fn(&R, OffsetDateTime) -> String>,
    pub(super) tone: Option<fn(&R, OffsetDateTime) -> Option<Tone>>,
}

/// When a table has a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Always,
    /// Where there is room; the highest rank is left out first.
    Ranked(u8),
    /// Shown only with `--wide`.
    Wide,
}

/// What a state means for whoever looks at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Good,
    /// Something is still to be done, or soon.
    Attention,
    Bad,
    /// Something that is over, without harm: shown faint.
    Faint,
}

impl Tone {
    /// What a terminal is told, before the text; `\x1b[0m` ends it.
    pub(crate) fn ansi(self) -> &'static str {
        match self {
            Self::Good => "\x1b[32m",
            Self::Attention => "\x1b[33m",
            Self::Bad => "\x1b[31m",
            Self::Faint => "\x1b[2m",
        }
    }
}

impl<R> Column<R> {
    /// In a table, other words than in CSV.
    pub(crate) fn shown(mut self, shown: fn(&R, OffsetDateTime) -> String) -> Self {
        self.shown = Some(shown);
        self
    }

    /// In a table, may be cut where the terminal is too narrow: for what nobody copies from there.
    pub(crate) fn flexible(mut self) -> Self {
        self.flexible = true;
        self
    }

    /// Ids: a table shows their beginnings, as far as they differ. Commands have to take those.
    pub(crate) fn id(mut self) -> Self {
        self.is_id = true;
        self
    }

    /// Left out of tables that have not the room; the highest rank first.
    pub(crate) fn ranked(mut self, rank: u8) -> Self {
        self.place = Place::Ranked(rank);
        self
    }

    /// Left out of tables but with `--wide`.
    pub(crate) fn wide(mut self) -> Self {
        self.place = Place::Wide;
        self
    }

    /// Coloured where colours are shown.
    pub(crate) fn toned(mut self, tone: fn(&R, OffsetDateTime) -> Option<Tone>) -> Self {
        self.tone = Some(tone);
        self
    }

    /// The text in a table.
    pub(super) fn cell(&self, record: &R, now: OffsetDateTime) -> String {
        let text = match self.shown {
            Some(shown) => shown(record, now),
            None => (self.raw)(record),
        };
        printable(&text)
    }
}

/// A column of text, the same in a table and in CSV unless [`Column::shown`] says otherwise.
pub(crate) fn column<R>(
    name: &'static str,
    title: &'static str,
    raw: fn(&R) -> String,
) -> Column<R> {
    Column {
        name,
        title,
        numeric: false,
        flexible: false,
        is_id: false,
        place: Place::Always,
        raw,
        shown: None,
        tone: None,
    }
}

/// A column of numbers, aligned right.
pub(crate) fn number<R>(
    name: &'static str,
    title: &'static str,
    raw: fn(&R) -> String,
) -> Column<R> {
    Column {
        numeric: true,
        ..column(name, title, raw)
    }
}

/// RFC 4180, but with plain line feeds; the first line has the columns' names.
pub(super) fn csv<R>(columns: &[Column<R>], records: &[R]) -> Result<String, CommandError> {
    let failed = |error: csv::Error| CommandError::output(std::io::Error::other(error));
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer
        .write_record(columns.iter().map(|column| column.name))
        .map_err(failed)?;
    for record in records {
        writer
            .write_record(columns.iter().map(|column| harmless(&(column.raw)(record))))
            .map_err(failed)?;
    }
    let bytes = writer
        .into_inner()
        .map_err(|error| CommandError::output(std::io::Error::other(error.to_string())))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A cell that does nothing to a terminal: what is piped is often looked at in the end. Lines stay; JSON
/// has the very characters.
fn harmless(cell: &str) -> String {
    let lines: Vec<String> = cell.split('\n').map(printable).collect();
    lines.join("\n")
}
