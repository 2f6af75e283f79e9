//! Rows of an answer.

use std::str::FromStr;

use crate::error::{SqlError, refused};
use crate::value::{FromColumn, Value, of_driver};

/// One row of an answer. What is read of it by reference lives until the next row.
pub struct Row<'a>(pub(crate) &'a rusqlite::Row<'a>);

/// Which column: its name, or its position from 0.
#[derive(Debug, Clone, Copy)]
pub enum Column<'a> {
    /// As the statement calls it.
    Name(&'a str),
    /// From 0.
    Position(usize),
}

impl<'a> From<&'a str> for Column<'a> {
    fn from(name: &'a str) -> Self {
        Self::Name(name)
    }
}

impl From<usize> for Column<'_> {
    fn from(position: usize) -> Self {
        Self::Position(position)
    }
}

impl std::fmt::Display for Column<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Position(position) => write!(f, "{position}"),
        }
    }
}

impl<'a> Row<'a> {
    /// A column as a value of Rust.
    ///
    /// # Errors
    /// [`SqlError::Type`] where it holds something else; where there is no such column.
    pub fn get<'c, C: Into<Column<'c>>, T: FromColumn>(&self, column: C) -> Result<T, SqlError> {
        let column = column.into();
        let value = self.value(column)?;
        T::from_value(value).ok_or_else(|| wrong(column, value, T::WANTED))
    }

    /// What a column holds.
    ///
    /// # Errors
    /// Where there is no such column.
    pub fn value<'c>(&self, column: impl Into<Column<'c>>) -> Result<Value<'a>, SqlError> {
        let value = match column.into() {
            Column::Name(name) => self.0.get_ref(name),
            Column::Position(position) => self.0.get_ref(position),
        };
        value.map(of_driver).map_err(refused)
    }

    /// A column of text, not copied.
    ///
    /// # Errors
    /// As [`Row::get`].
    pub fn text<'c>(&self, column: impl Into<Column<'c>>) -> Result<&'a str, SqlError> {
        let column = column.into();
        let value = self.value(column)?;
        value.as_str().ok_or_else(|| wrong(column, value, "a text"))
    }

    /// A column of bytes, not copied.
    ///
    /// # Errors
    /// As [`Row::get`].
    pub fn bytes<'c>(&self, column: impl Into<Column<'c>>) -> Result<&'a [u8], SqlError> {
        let column = column.into();
        let value = self.value(column)?;
        value
            .as_bytes()
            .ok_or_else(|| wrong(column, value, "bytes"))
    }

    /// The names of the columns.
    #[must_use]
    pub fn columns(&self) -> Vec<&str> {
        self.0.as_ref().column_names()
    }
}

/// A text as a value; `what` names the value in an error.
///
/// # Errors
/// [`SqlError::Invalid`].
pub fn parse<T>(text: &str, what: &'static str) -> Result<T, SqlError>
where
    T: FromStr,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    text.parse().map_err(|error: T::Err| SqlError::Invalid {
        what: what.into(),
        source: error.into(),
    })
}

fn wrong(column: Column<'_>, found: Value<'_>, wanted: &'static str) -> SqlError {
    SqlError::Type {
        column: column.to_string(),
        found: found.kind(),
        wanted,
    }
}
