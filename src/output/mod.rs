//! What is printed, and in which form.
//!
//! Results go to stdout: a table on a terminal, CSV into a pipe, JSON with `--json`. What was done,
//! warnings and errors go to stderr. Both are plain sentences that need no colours. `--quiet` leaves out what was done,
//! and no question, warning or error.
//!
//! Invariants: text of a server or a file is freed of control characters before it reaches a
//! terminal, be it through a pipe: CSV holds none, and JSON writes them as escapes; a list that is empty is `[]` in JSON
//! and a header in CSV; a write that fails is an error, but a reader that goes away is not.

mod column;
pub(crate) mod human;
mod table;
#[cfg(test)]
mod tests;

use std::io::{self, Write as _};
use std::time::Duration;

use fh_client::{Made, RetryEvent};
use serde::Serialize;
use time::OffsetDateTime;

pub(crate) use column::{Columns, Tone};

use self::column::Column;

use self::table::Look;
use crate::error::CommandError;
use crate::settings::Settings;
use crate::text::{YELLOW, escaped, printable, push_labelled};

/// Shorter waits are not told.
const NOTICEABLE: Duration = Duration::from_secs(2);

/// The form of results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// A table, for a person at a terminal.
    Table,
    /// CSV, for a pipe.
    Csv,
    /// JSON, for a program that asked for it.
    Json,
}

/// Where results and remarks go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    format: Format,
    /// Whether stderr shows colours.
    color: bool,
    /// Whether stdout shows colours.
    colored: bool,
    /// Whether stdout is one.
    terminal: bool,
    wide: bool,
    quiet: bool,
}

/// How much of a list that goes on was printed.
#[derive(Debug, Default)]
pub(crate) struct Printed {
    /// Whether the names of its columns were.
    names: bool,
    /// How its columns stand in a table.
    layout: Option<table::Layout>,
}

impl Output {
    pub(crate) fn new(settings: &Settings) -> Self {
        let format = match (settings.json, settings.terminals.stdout) {
            (true, _) => Format::Json,
            (false, true) => Format::Table,
            (false, false) => Format::Csv,
        };
        Self {
            format,
            color: settings.terminals.color,
            colored: settings.terminals.stdout_color,
            terminal: settings.terminals.stdout,
            wide: settings.wide,
            quiet: settings.quiet,
        }
    }

    /// Without a terminal and colours.
    #[cfg(test)]
    pub(crate) fn plain() -> Self {
        Self {
            format: Format::Csv,
            color: false,
            colored: false,
            terminal: false,
            wide: false,
            quiet: false,
        }
    }

    /// Whether a program asked.
    pub(crate) fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    /// Prints a list as a table, CSV or a JSON array.
    pub(crate) fn list<R: Serialize>(
        &self,
        columns: &[Column<R>],
        records: &[R],
    ) -> Result<(), CommandError> {
        let text = match self.format {
            Format::Json => return self.json(&records),
            Format::Csv => column::csv(columns, records)?,
            Format::Table if records.is_empty() => return Ok(()),
            Format::Table => table::table(columns, records, &self.look())?,
        };
        write_stdout(text.as_bytes())
    }

    /// The same, and what it means that there are none, to a person.
    pub(crate) fn list_or<R: Serialize>(
        &self,
        columns: &[Column<R>],
        records: &[R],
        empty: &str,
    ) -> Result<(), CommandError> {
        self.list(columns, records)?;
        if records.is_empty() && self.format == Format::Table {
            self.remark(empty);
        }
        Ok(())
    }

    fn look(&self) -> Look {
        Look {
            width: terminal_width(),
            wide: self.wide,
            color: self.colored,
            now: OffsetDateTime::now_utc(),
        }
    }

    /// Prints what has come to a list that goes on; the first time with the columns' names. JSON is one
    /// object a line.
    pub(crate) fn more<R: Serialize>(
        &self,
        columns: &[Column<R>],
        records: &[R],
        printed: &mut Printed,
    ) -> Result<(), CommandError> {
        let text = match self.format {
            Format::Json => {
                let mut lines = String::new();
                for record in records {
                    let line = serde_json::to_string(record)
                        .map_err(|error| CommandError::output(io::Error::other(error)))?;
                    lines.push_str(&escaped(&line));
                    lines.push('\n');
                }
                return write_stdout(lines.as_bytes());
            }
            Format::Csv => column::csv(columns, records)?,
            Format::Table if records.is_empty() => return Ok(()),
            Format::Table => {
                let text = table::part(columns, records, &self.look(), &mut printed.layout)?;
                return write_stdout(text.as_bytes());
            }
        };
        // No column's name holds a line feed.
        let rows = text.split_once('\n').map_or("", |(_, rows)| rows);
        let names = std::mem::replace(&mut printed.names, true);
        write_stdout(if names { rows } else { &text }.as_bytes())
    }

    /// Prints one thing: a line for each of its properties, or JSON.
    pub(crate) fn details<R: Serialize>(
        &self,
        record: &R,
        lines: &[(&str, String)],
    ) -> Result<(), CommandError> {
        self.details_with(record, lines, &[])
    }

    /// The same with tables of what belongs to the thing below its properties, each by [`Self::table`].
    pub(crate) fn details_with<R: Serialize>(
        &self,
        record: &R,
        lines: &[(&str, String)],
        tables: &[String],
    ) -> Result<(), CommandError> {
        if self.is_json() {
            return self.json(record);
        }
        let room = terminal_width().filter(|_| !self.wide);
        let mut text = aligned_within(lines, room);
        for table in tables.iter().filter(|table| !table.is_empty()) {
            text.push('\n');
            text.push_str(table);
        }
        write_stdout(text.as_bytes())
    }

    /// A table within [`Self::details_with`]; empty where there is no record.
    pub(crate) fn table<R: Serialize>(
        &self,
        columns: &[Column<R>],
        records: &[R],
    ) -> Result<String, CommandError> {
        if records.is_empty() {
            return Ok(String::new());
        }
        table::table(columns, records, &self.look())
    }

    /// Whether everything is shown, whole.
    pub(crate) fn is_wide(&self) -> bool {
        self.wide
    }

    /// Says what was done to stderr, or prints the result as JSON.
    pub(crate) fn done<R: Serialize>(
        &self,
        record: &R,
        sentence: impl FnOnce(&R) -> String,
    ) -> Result<(), CommandError> {
        if self.is_json() {
            return self.json(record);
        }
        self.remark(&sentence(record));
        Ok(())
    }

    /// Says what was made, or that it was there already; or prints it as JSON.
    pub(crate) fn made<T: Serialize>(
        &self,
        answer: &Made<T>,
        sentence: impl FnOnce(&T, bool) -> String,
    ) -> Result<(), CommandError> {
        self.done(&answer.value, |value| sentence(value, answer.is_new))
    }

    /// Prints a value as one JSON document.
    pub(crate) fn json(&self, value: &impl Serialize) -> Result<(), CommandError> {
        write_stdout(self.json_text(value)?.as_bytes())
    }

    /// The document that [`Self::json`] prints.
    #[expect(
        clippy::unused_self,
        reason = "how something is printed is asked of the output"
    )]
    pub(crate) fn json_text(&self, value: &impl Serialize) -> Result<String, CommandError> {
        let text = serde_json::to_string_pretty(value)
            .map_err(|error| CommandError::output(io::Error::other(error)))?;
        Ok(escaped(&text) + "\n")
    }

    /// A word for a state, coloured where stdout shows colours. For [`Self::colored`].
    pub(crate) fn toned(&self, tone: Tone, word: &str) -> String {
        if self.colored {
            format!("{}{word}\x1b[0m", tone.ansi())
        } else {
            word.to_owned()
        }
    }

    /// Prints a text of ours, which may have colours.
    #[expect(
        clippy::unused_self,
        reason = "how something is printed is asked of the output"
    )]
    pub(crate) fn colored(&self, text: &str) -> Result<(), CommandError> {
        write_stdout(text.as_bytes())
    }

    /// Prints a text: into a pipe as it is, on a terminal freed of control characters.
    pub(crate) fn text(&self, text: &str) -> Result<(), CommandError> {
        if self.terminal {
            let lines = text.split('\n').map(printable).collect::<Vec<_>>();
            return write_stdout(lines.join("\n").as_bytes());
        }
        write_stdout(text.as_bytes())
    }

    /// Says what was done, or is worth knowing: nothing that somebody has to know. Lines are kept.
    pub(crate) fn remark(&self, text: &str) {
        if !self.quiet {
            self.say(text);
        }
    }

    /// Says something to the person at the terminal in any case: what was asked for, or what a question is about. Lines
    /// are kept.
    pub(crate) fn say(&self, text: &str) {
        let text: String = text.lines().map(|line| printable(line) + "\n").collect();
        // Nobody can be told where stderr is gone.
        let _ = io::stderr().write_all(text.as_bytes());
    }

    /// Says that a request is tried again, where the wait is so long that somebody would wonder.
    pub(crate) fn trying_again(&self, event: &RetryEvent<'_>) {
        if event.wait >= NOTICEABLE {
            self.remark(&human::trying_again(event));
        }
    }

    /// Says that something may not be as it should be, with what to do about it.
    pub(crate) fn warning(&self, text: &str) {
        let text: Vec<String> = text.lines().map(printable).collect();
        let mut labelled = String::new();
        push_labelled(
            &mut labelled,
            "Warning",
            YELLOW,
            self.color,
            &text.join("\n"),
        );
        let _ = io::stderr().write_all(labelled.as_bytes());
    }
}

/// A line for each property of a thing, with the values below each other.
pub(crate) fn aligned(lines: &[(&str, String)]) -> String {
    aligned_within(lines, None)
}

/// The same in so many columns: a value that is longer goes on below itself.
fn aligned_within(lines: &[(&str, String)], room: Option<usize>) -> String {
    let width = lines
        .iter()
        .map(|(label, _)| label.len())
        .max()
        .unwrap_or(0)
        + 1;
    let mut text = String::new();
    for (label, value) in lines {
        let room = room.map_or(usize::MAX, |room| room.saturating_sub(width + 1));
        let mut label = format!("{label}:");
        for part in table::wrapped(&printable(value), room) {
            text.push_str(format!("{label:<width$} {part}").trim_end());
            text.push('\n');
            label.clear();
        }
    }
    text
}

/// Writes to stdout at once, so that a full disk is noticed before the program ends.
fn write_stdout(text: &[u8]) -> Result<(), CommandError> {
    crate::error::json::has_printed();
    let mut stdout = io::stdout().lock();
    stdout
        .write_all(text)
        .and_then(|()| stdout.flush())
        .map_err(CommandError::output)
}

/// The columns of the terminal that stdout is.
fn terminal_width() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
    Some(usize::from(size.ws_col)).filter(|&columns| columns > 0)
}
