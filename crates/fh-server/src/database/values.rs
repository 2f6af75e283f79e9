//! How times, ids and words stand in columns.

use std::str::FromStr;

use rusqlite::{Connection, Params, Row};
use time::OffsetDateTime;
use uuid::Uuid;

use super::DatabaseError;
use crate::clock;

/// Bytes of the database's file that hold something, as a transaction sees them.
pub(super) fn used_bytes(connection: &Connection) -> Result<u64, DatabaseError> {
    let sql = "SELECT (page_count - freelist_count) * page_size \
               FROM pragma_page_count, pragma_freelist_count, pragma_page_size";
    let used = first(connection, sql, [], |row| Ok(row.get::<_, i64>(0)?))?;
    Ok(used.and_then(|used| u64::try_from(used).ok()).unwrap_or(0))
}

/// Microseconds since 1970, UTC: how every time is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Timestamp(i64);

/// The present.
pub(crate) fn now() -> Timestamp {
    Timestamp::from(clock::now())
}

impl Timestamp {
    /// Whole seconds since 1970, rounded down: as a token tells time.
    pub(crate) fn as_seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// Of whole seconds since 1970.
    pub(crate) fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1_000_000))
    }

    /// Without the fraction of its second.
    pub(crate) fn whole_seconds(self) -> Self {
        Self::from_seconds(self.as_seconds())
    }

    /// As a calendar knows it. Where the column holds what no calendar reaches: 1970.
    pub(crate) fn to_date_time(self) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1000)
            .unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }

    /// Whole seconds from an earlier time to this one; none where that is later.
    pub(crate) fn seconds_since(self, earlier: Self) -> u64 {
        u64::try_from(self.0.saturating_sub(earlier.0) / 1_000_000).unwrap_or(0)
    }

    /// This time less so many seconds, at least the beginning of time.
    pub(crate) fn minus_seconds(self, seconds: u64) -> Self {
        let micros = i64::try_from(seconds)
            .unwrap_or(i64::MAX)
            .saturating_mul(1_000_000);
        Self(self.0.saturating_sub(micros))
    }

    /// This time and so many seconds, at most the end of time.
    pub(crate) fn plus_seconds(self, seconds: u64) -> Self {
        let micros = i64::try_from(seconds)
            .unwrap_or(i64::MAX)
            .saturating_mul(1_000_000);
        Self(self.0.saturating_add(micros))
    }
}

impl std::fmt::Display for Timestamp {
    /// RFC 3339, to the second.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = self
            .whole_seconds()
            .to_date_time()
            .format(&time::format_description::well_known::Rfc3339);
        f.write_str(&text.map_err(|_| std::fmt::Error)?)
    }
}

impl From<OffsetDateTime> for Timestamp {
    fn from(at: OffsetDateTime) -> Self {
        Self(i64::try_from(at.unix_timestamp_nanos() / 1000).unwrap_or(i64::MAX))
    }
}

impl rusqlite::types::FromSql for Timestamp {
    fn column_result(value: rusqlite::types::ValueRef<'_>) -> rusqlite::types::FromSqlResult<Self> {
        i64::column_result(value).map(Self)
    }
}

impl rusqlite::ToSql for Timestamp {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        Ok(self.0.into())
    }
}

/// A column that holds the text of a value, such as a UUID, a role or a name.
pub(crate) fn parsed<T>(row: &Row<'_>, column: &str, what: &'static str) -> Result<T, DatabaseError>
where
    T: FromStr,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    parse(
        row.get_ref(column)?
            .as_str()
            .map_err(rusqlite::Error::from)?,
        what,
    )
}

/// A text from a column as a value.
pub(crate) fn parse<T>(text: &str, what: &'static str) -> Result<T, DatabaseError>
where
    T: FromStr,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    text.parse()
        .map_err(|error: T::Err| DatabaseError::Invalid {
            what,
            source: error.into(),
        })
}

/// A column of values separated by spaces.
pub(crate) fn words<T>(
    row: &Row<'_>,
    column: &str,
    what: &'static str,
) -> Result<Vec<T>, DatabaseError>
where
    T: FromStr,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    let text = row
        .get_ref(column)?
        .as_str()
        .map_err(rusqlite::Error::from)?;
    text.split_ascii_whitespace()
        .map(|word| parse(word, what))
        .collect()
}

/// All rows of a query. The statement stays prepared.
pub(crate) fn all<T>(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    mut from_row: impl FnMut(&Row<'_>) -> Result<T, DatabaseError>,
) -> Result<Vec<T>, DatabaseError> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(from_row(row)?);
    }
    Ok(found)
}

/// The first row of a query, if there is one. The statement stays prepared.
pub(crate) fn first<T>(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    from_row: impl FnOnce(&Row<'_>) -> Result<T, DatabaseError>,
) -> Result<Option<T>, DatabaseError> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    rows.next()?.map(from_row).transpose()
}

/// Runs a statement that answers no rows: how many rows it changed. It stays prepared.
pub(crate) fn execute(
    connection: &Connection,
    sql: &str,
    params: impl Params,
) -> Result<usize, DatabaseError> {
    Ok(connection.prepare_cached(sql)?.execute(params)?)
}

/// A new public id, ordered by time.
pub(crate) fn new_id() -> Uuid {
    Uuid::now_v7()
}

/// A column that holds a number of bytes.
pub(super) fn size(row: &Row<'_>, column: &'static str) -> Result<u64, DatabaseError> {
    u64::try_from(row.get::<_, i64>(column)?).map_err(|error| DatabaseError::Invalid {
        what: column,
        source: error.into(),
    })
}
