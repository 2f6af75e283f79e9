//! How times, ids and words stand in columns.

pub(super) use fh_sql::parse;
use fh_sql::{FromColumn, Param, ToParam, Tx, Value};
use time::OffsetDateTime;
use uuid::Uuid;

use super::DatabaseError;
use crate::clock;

/// Microseconds since 1970, UTC: how every time is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// The time that it is, to the microsecond.
pub fn now() -> Timestamp {
    Timestamp::from(clock::now())
}

impl Timestamp {
    /// Whole seconds since 1970, rounded down: as a token tells time.
    pub fn as_seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// Of whole seconds since 1970.
    pub fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1_000_000))
    }

    /// Without the fraction of its second.
    pub fn whole_seconds(self) -> Self {
        Self::from_seconds(self.as_seconds())
    }

    /// As a calendar knows it. Where the column holds what no calendar reaches: 1970.
    pub fn to_date_time(self) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1000)
            .unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }

    /// Whole seconds from an earlier time to this one; none where that is later.
    pub fn seconds_since(self, earlier: Self) -> u64 {
        u64::try_from(self.0.saturating_sub(earlier.0) / 1_000_000).unwrap_or(0)
    }

    /// This time less so many seconds, at least the beginning of time.
    pub fn minus_seconds(self, seconds: u64) -> Self {
        let micros = i64::try_from(seconds)
            .unwrap_or(i64::MAX)
            .saturating_mul(1_000_000);
        Self(self.0.saturating_sub(micros))
    }

    /// This time and so many seconds, at most the end of time.
    pub fn plus_seconds(self, seconds: u64) -> Self {
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

impl FromColumn for Timestamp {
    const WANTED: &'static str = "a time";

    fn from_value(value: Value<'_>) -> Option<Self> {
        value.as_integer().map(Self)
    }
}

impl ToParam for Timestamp {
    fn to_param(&self) -> Param<'_> {
        Param::Integer(self.0)
    }
}

/// Runs a statement: how many rows it changed.
pub(super) fn execute(
    tx: &Tx<'_>,
    sql: &str,
    params: &[&dyn ToParam],
) -> Result<usize, DatabaseError> {
    Ok(tx.execute(sql, params)?)
}

/// Runs a statement, however many rows it changes.
pub(super) fn run(tx: &Tx<'_>, sql: &str, params: &[&dyn ToParam]) -> Result<(), DatabaseError> {
    tx.execute(sql, params)?;
    Ok(())
}

/// A new public id, ordered by time.
pub(super) fn new_id() -> Uuid {
    Uuid::now_v7()
}
