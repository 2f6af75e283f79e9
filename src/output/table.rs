//! Lists: which columns they have, and how they look in a table and in CSV.

use tabled::builder::Builder;
use tabled::settings::object::Columns;
use tabled::settings::{Alignment, Padding, Style, Width};
use time::OffsetDateTime;

use super::printable;
use crate::error::CommandError;

/// One column of a list of `R`.
pub(crate) struct Column<R> {
    /// The name in CSV, the same as in JSON.
    name: &'static str,
    /// The heading in a table.
    title: &'static str,
    numeric: bool,
    /// May be cut where the terminal is too narrow.
    flexible: bool,
    /// Stands in CSV and not in a table.
    hidden: bool,
    raw: fn(&R) -> String,
    shown: Option<fn(&R, OffsetDateTime) -> String>,
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

    /// Left out of tables, which have not the room for everything.
    pub(crate) fn hidden(mut self) -> Self {
        self.hidden = true;
        self
    }

    fn cell(&self, record: &R, now: OffsetDateTime) -> String {
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
        hidden: false,
        raw,
        shown: None,
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

/// The narrowest that a flexible column becomes.
const NARROWEST: usize = 8;

/// Columns side by side. Where they are wider than the terminal, flexible ones are cut, the last
/// first.
pub(super) fn table<R>(
    columns: &[Column<R>],
    records: &[R],
    now: OffsetDateTime,
    width: Option<usize>,
) -> String {
    let columns: Vec<&Column<R>> = columns.iter().filter(|column| !column.hidden).collect();
    let mut builder = Builder::default();
    builder.push_record(columns.iter().map(|column| column.title.to_owned()));
    for record in records {
        builder.push_record(columns.iter().map(|column| column.cell(record, now)));
    }
    let mut table = builder.build();
    table.with(Style::empty()).with(Padding::new(0, 2, 0, 0));
    for (index, column) in columns.iter().enumerate() {
        if column.numeric {
            table.modify(Columns::one(index), Alignment::right());
        }
    }
    let flexible = (0..columns.len()).rev().filter(|&i| columns[i].flexible);
    for index in flexible {
        // The blanks behind the last column do not show.
        let excess = width.map_or(0, |width| (table.total_width() - 2).saturating_sub(width));
        if excess == 0 {
            break;
        }
        let cells = records
            .iter()
            .map(|record| columns[index].cell(record, now));
        let widest = cells.map(|cell| cell.chars().count()).max().unwrap_or(0);
        let narrowed = widest.saturating_sub(excess).max(NARROWEST);
        table.modify(Columns::one(index), Width::truncate(narrowed).suffix("…"));
    }
    let mut text = String::new();
    for line in table.to_string().lines() {
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}
