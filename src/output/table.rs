//! Lists as tables for people: which columns there is room for, how wide each is, and what is coloured.
//!
//! ```text
//! Column → cells, as text → Layout::choose: which columns, how wide → lines
//! ```
//!
//! Invariants: a table is no wider than the terminal, unless what people copy from it is; with `--wide` it has every
//! column, whole. Colours say nothing that the words do not say.

use std::collections::BTreeSet;

use serde::Serialize;
use time::OffsetDateTime;
use unicode_width::UnicodeWidthStr;

use super::column::{Column, Place, fields_of};
use crate::error::CommandError;

/// What the terminal and the options decide about tables.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    /// The columns of the terminal, where it tells them.
    pub(super) width: Option<usize>,
    /// Every column, whole, whatever the terminal has room for.
    pub(super) wide: bool,
    pub(super) color: bool,
    /// What times are told from.
    pub(super) now: OffsetDateTime,
}

/// Blanks between two columns.
const GAP: usize = 2;

/// The narrowest that a flexible column becomes.
const NARROWEST: usize = 8;

/// As narrow as a flexible column becomes before others are left out for it.
const COMFORTABLE: usize = 12;

/// The shortest that an id becomes. Ours begin with the time at which they were made: these are the characters that tell
/// the millisecond.
const SHORT_ID: usize = 13;

/// Which columns a table has, and how wide they are.
#[derive(Debug, Clone)]
pub(super) struct Layout(Vec<(usize, usize)>);

/// The text of each cell, row by row, with that of columns that are not shown.
struct Cells(Vec<Vec<String>>);

impl Cells {
    fn of<R: Serialize>(
        columns: &[Column<R>],
        records: &[R],
        look: &Look,
    ) -> Result<Self, CommandError> {
        let mut rows: Vec<Vec<String>> = Vec::with_capacity(records.len());
        for record in records {
            let fields = fields_of(record)?;
            let cells = columns.iter();
            let cells = cells.map(|column| column.cell(record, &fields, look.now));
            rows.push(cells.collect());
        }
        let are_cut = |column: &Column<R>| column.is_id && !look.wide;
        for index in (0..columns.len()).filter(|&index| are_cut(&columns[index])) {
            let ids: BTreeSet<&str> = rows.iter().map(|row| row[index].as_str()).collect();
            let length = unambiguous(&ids);
            for row in &mut rows {
                row[index] = row[index].chars().take(length).collect();
            }
        }
        Ok(Self(rows))
    }

    /// The width of the widest cell of a column.
    fn width(&self, column: usize) -> usize {
        let cells = self.0.iter().map(|row| row[column].width());
        cells.max().unwrap_or(0)
    }

    fn are_empty(&self, column: usize) -> bool {
        self.0.iter().all(|row| row[column].is_empty())
    }
}

/// How many characters of these ids tell them apart.
fn unambiguous(ids: &BTreeSet<&str>) -> usize {
    let longest = ids.iter().map(|id| id.len()).max().unwrap_or(0);
    (SHORT_ID..longest)
        .find(|&length| {
            let short: BTreeSet<&str> = ids
                .iter()
                .map(|id| id.get(..length).unwrap_or(id))
                .collect();
            // None ends with a hyphen, which would look cut off.
            short.len() == ids.len() && !short.iter().any(|id| id.ends_with('-'))
        })
        .unwrap_or(longest)
}

impl Layout {
    /// The columns that there is room for. Where a list goes on, those without anything yet stay.
    fn choose<R>(columns: &[Column<R>], cells: &Cells, look: &Look, goes_on: bool) -> Self {
        let wanted = |index: &usize| match columns[*index].place {
            _ if look.wide => true,
            Place::Wide => false,
            Place::Always | Place::Ranked(_) => goes_on || *index == 0 || !cells.are_empty(*index),
        };
        let mut chosen: Vec<usize> = (0..columns.len()).filter(wanted).collect();
        let own = |index: usize| columns[index].title.width().max(cells.width(index));
        let least = |index: usize| match columns[index].flexible {
            true => own(index).min(COMFORTABLE),
            false => own(index),
        };
        let whole = |chosen: Vec<usize>| {
            let columns = chosen.into_iter().map(|index| (index, own(index)));
            Self(columns.collect())
        };
        let Some(room) = look.width.filter(|_| !look.wide) else {
            return whole(chosen);
        };
        while total(chosen.iter().map(|&index| least(index))) > room {
            let rank = |&(_, index): &(usize, usize)| match columns[index].place {
                Place::Ranked(rank) => Some(rank),
                Place::Always | Place::Wide => None,
            };
            let ranked = chosen.iter().copied().enumerate();
            let ranked = ranked.filter(|found| rank(found).is_some());
            let Some((place, _)) = ranked.max_by_key(|found| rank(found)) else {
                break;
            };
            chosen.remove(place);
        }
        let mut layout = whole(chosen);
        layout.fit(columns, room);
        layout
    }

    /// Cuts flexible columns until the table fits, the last first: none becomes narrow as long as another is not.
    fn fit<R>(&mut self, columns: &[Column<R>], room: usize) {
        for narrowest in [COMFORTABLE, NARROWEST] {
            for place in (0..self.0.len()).rev() {
                let excess = total(self.0.iter().map(|(_, width)| *width)).saturating_sub(room);
                let (index, width) = &mut self.0[place];
                if excess > 0 && columns[*index].flexible {
                    *width = width.saturating_sub(excess).max(narrowest.min(*width));
                }
            }
        }
    }

    /// Makes room for what has come to a list that goes on, in its columns.
    fn widen<R>(&mut self, columns: &[Column<R>], cells: &Cells, look: &Look) {
        for (index, width) in &mut self.0 {
            if look.wide || !columns[*index].flexible {
                *width = cells.width(*index).max(*width);
            }
        }
        if let Some(room) = look.width.filter(|_| !look.wide) {
            self.fit(columns, room);
        }
    }

    fn header<R>(&self, columns: &[Column<R>]) -> String {
        let cells = self.0.iter().map(|&(index, width)| {
            let column = &columns[index];
            padded(&cut(column.title, width), width, column.numeric, None)
        });
        line(cells)
    }

    fn rows<R>(&self, columns: &[Column<R>], records: &[R], cells: &Cells, look: &Look) -> String {
        let mut text = String::new();
        for (record, row) in records.iter().zip(&cells.0) {
            text.push_str(&line(self.0.iter().map(|&(index, width)| {
                let column = &columns[index];
                let tone = column.tone.filter(|_| look.color);
                let ansi = tone.and_then(|tone| tone(record, look.now));
                let ansi = ansi.map(super::Tone::ansi);
                let text = if column.flexible && !look.wide {
                    cut(&row[index], width)
                } else {
                    row[index].clone()
                };
                padded(&text, width, column.numeric, ansi)
            })));
        }
        text
    }
}

/// Columns side by side.
pub(super) fn table<R: Serialize>(
    columns: &[Column<R>],
    records: &[R],
    look: &Look,
) -> Result<String, CommandError> {
    let cells = Cells::of(columns, records, look)?;
    let layout = Layout::choose(columns, &cells, look, false);
    Ok(layout.header(columns) + &layout.rows(columns, records, &cells, look))
}

/// A part of a table that goes on: with its header where there is no layout yet.
pub(super) fn part<R: Serialize>(
    columns: &[Column<R>],
    records: &[R],
    look: &Look,
    layout: &mut Option<Layout>,
) -> Result<String, CommandError> {
    let cells = Cells::of(columns, records, look)?;
    if let Some(layout) = layout {
        layout.widen(columns, &cells, look);
        return Ok(layout.rows(columns, records, &cells, look));
    }
    let chosen = Layout::choose(columns, &cells, look, true);
    let text = chosen.header(columns) + &chosen.rows(columns, records, &cells, look);
    *layout = Some(chosen);
    Ok(text)
}

/// The columns of a table with columns of these widths.
fn total(widths: impl ExactSizeIterator<Item = usize>) -> usize {
    let gaps = GAP * widths.len().saturating_sub(1);
    widths.sum::<usize>() + gaps
}

/// The narrowest that a text is broken into: less is not worth it.
const NARROWEST_TEXT: usize = 20;

/// A text in lines of so many columns, broken between words. A word stays whole: it may be a path that somebody copies.
pub(super) fn wrapped(text: &str, room: usize) -> Vec<String> {
    if room < NARROWEST_TEXT || text.width() <= room {
        return vec![text.to_owned()];
    }
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split(' ') {
        if line.is_empty() {
            line.push_str(word);
        } else if line.width() + 1 + word.width() <= room {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(std::mem::replace(&mut line, word.to_owned()));
        }
    }
    lines.push(line);
    lines
}

/// The beginning of a text, in so many columns.
fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut short = String::new();
    for c in text.chars() {
        short.push(c);
        if short.width() >= width {
            short.pop();
            break;
        }
    }
    short + "…"
}

/// A text in a field of so many columns; colours take none.
fn padded(text: &str, width: usize, is_right: bool, ansi: Option<&str>) -> String {
    let blanks = " ".repeat(width.saturating_sub(text.width()));
    let text = match ansi {
        Some(ansi) if !text.is_empty() => format!("{ansi}{text}\x1b[0m"),
        _ => text.to_owned(),
    };
    if is_right {
        blanks + &text
    } else {
        text + &blanks
    }
}

fn line(cells: impl Iterator<Item = String>) -> String {
    let cells: Vec<String> = cells.collect();
    let mut line = cells.join(&" ".repeat(GAP)).trim_end().to_owned();
    line.push('\n');
    line
}
