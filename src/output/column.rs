//! The columns of lists, and lists as CSV, which has all of them.

use std::ops::Deref;

use serde::Serialize;
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::human;
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
    content: Content<R>,
    shown: Option<fn(&R, OffsetDateTime) -> String>,
    pub(super) tone: Option<fn(&R, OffsetDateTime) -> Option<Tone>>,
}

/// What a column says of a record.
enum Content<R> {
    /// What JSON says under the same name.
    Field,
    /// The time that JSON says; in a table how long ago it is, or this word where there is none.
    Time(&'static str),
    /// What JSON does not say in so many words.
    Made(fn(&R) -> String),
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
    /// The text in a table. `fields`: the record as JSON has it.
    pub(super) fn cell(&self, record: &R, fields: &Value, now: OffsetDateTime) -> String {
        let text = match (self.shown, &self.content) {
            (Some(shown), _) => shown(record, now),
            (None, Content::Time(never)) => self
                .time(fields)
                .map_or_else(|| (*never).to_owned(), |at| human::relative(at, now)),
            (None, _) => self.raw(record, fields),
        };
        printable(&text)
    }

    /// The text in CSV.
    fn raw(&self, record: &R, fields: &Value) -> String {
        match &self.content {
            Content::Field => text_of(&fields[self.name]),
            Content::Time(_) => self.time(fields).map(human::timestamp).unwrap_or_default(),
            Content::Made(make) => make(record),
        }
    }

    fn time(&self, fields: &Value) -> Option<OffsetDateTime> {
        OffsetDateTime::parse(fields[self.name].as_str()?, &Rfc3339).ok()
    }
}

/// A record as JSON has it.
pub(super) fn fields_of(record: &impl Serialize) -> Result<Value, CommandError> {
    serde_json::to_value(record).map_err(|error| CommandError::output(std::io::Error::other(error)))
}

/// A field of a record, as text: nothing for null, and the members of a list side by side.
fn text_of(field: &Value) -> String {
    match field {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(members) => {
            let members: Vec<String> = members.iter().map(text_of).collect();
            members.join(" ")
        }
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => field.to_string(),
    }
}

/// The columns of a list of `R`, in their order. What is said of a column follows it.
pub(crate) struct Columns<R>(Vec<Column<R>>);

impl<R> Columns<R> {
    pub(crate) fn new() -> Self {
        Self(Vec::new())
    }

    /// What JSON says under this name, the same in a table and in CSV unless [`Self::shown`] says otherwise.
    pub(crate) fn text(self, name: &'static str, title: &'static str) -> Self {
        self.with(name, title, Content::Field)
    }

    /// The same of a number, aligned right.
    pub(crate) fn number(self, name: &'static str, title: &'static str) -> Self {
        self.text(name, title).last(|column| column.numeric = true)
    }

    /// The same of a time: in a table how long ago it is, or `never` where there is none.
    pub(crate) fn time(self, name: &'static str, title: &'static str, never: &'static str) -> Self {
        self.with(name, title, Content::Time(never))
    }

    /// A text that JSON does not have.
    pub(crate) fn made(
        self,
        name: &'static str,
        title: &'static str,
        make: fn(&R) -> String,
    ) -> Self {
        self.with(name, title, Content::Made(make))
    }

    fn with(mut self, name: &'static str, title: &'static str, content: Content<R>) -> Self {
        self.0.push(Column {
            name,
            title,
            numeric: false,
            flexible: false,
            is_id: false,
            place: Place::Always,
            content,
            shown: None,
            tone: None,
        });
        self
    }

    fn last(mut self, change: impl FnOnce(&mut Column<R>)) -> Self {
        self.0.last_mut().map(change);
        self
    }

    /// In a table, other words than in CSV.
    pub(crate) fn shown(self, shown: fn(&R, OffsetDateTime) -> String) -> Self {
        self.last(|column| column.shown = Some(shown))
    }

    /// In a table, may be cut where the terminal is too narrow: for what nobody copies from there.
    pub(crate) fn flexible(self) -> Self {
        self.last(|column| column.flexible = true)
    }

    /// Ids: a table shows their beginnings, as far as they differ. Commands have to take those.
    pub(crate) fn id(self) -> Self {
        self.last(|column| column.is_id = true)
    }

    /// Left out of tables that have not the room; the highest rank first.
    pub(crate) fn ranked(self, rank: u8) -> Self {
        self.last(|column| column.place = Place::Ranked(rank))
    }

    /// Left out of tables but with `--wide`.
    pub(crate) fn wide(self) -> Self {
        self.last(|column| column.place = Place::Wide)
    }

    /// Coloured where colours are shown.
    pub(crate) fn toned(self, tone: fn(&R, OffsetDateTime) -> Option<Tone>) -> Self {
        self.last(|column| column.tone = Some(tone))
    }
}

impl<R> Deref for Columns<R> {
    type Target = [Column<R>];

    fn deref(&self) -> &[Column<R>] {
        &self.0
    }
}

/// RFC 4180, but with plain line feeds; the first line has the columns' names.
pub(super) fn csv<R: Serialize>(
    columns: &[Column<R>],
    records: &[R],
) -> Result<String, CommandError> {
    let failed = |error: csv::Error| CommandError::output(std::io::Error::other(error));
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer
        .write_record(columns.iter().map(|column| column.name))
        .map_err(failed)?;
    for record in records {
        let fields = fields_of(record)?;
        let cells = columns
            .iter()
            .map(|column| harmless(&column.raw(record, &fields)));
        writer.write_record(cells).map_err(failed)?;
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
