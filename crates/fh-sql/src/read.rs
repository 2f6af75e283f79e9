//! What can be asked of a database.

use std::ops::ControlFlow;

use crate::error::{SqlError, refused};
use crate::param::{ToParam, bound};
use crate::row::Row;

/// What can be asked. All that is asked within one reading or transaction is of one instant.
pub struct Read {
    pub(crate) driver: rusqlite::Connection,
}

impl Read {
    /// All rows of a query.
    ///
    /// # Errors
    /// Those of the engine and of `from_row`.
    pub fn all<T, E: From<SqlError>>(
        &self,
        sql: &str,
        params: &[&dyn ToParam],
        mut from_row: impl FnMut(&Row<'_>) -> Result<T, E>,
    ) -> Result<Vec<T>, E> {
        let mut found = Vec::new();
        self.each(sql, params, |row| {
            found.push(from_row(row)?);
            Ok::<_, E>(ControlFlow::Continue(()))
        })?;
        Ok(found)
    }

    /// The first row of a query, if there is one.
    ///
    /// # Errors
    /// Those of the engine and of `from_row`.
    pub fn first<T, E: From<SqlError>>(
        &self,
        sql: &str,
        params: &[&dyn ToParam],
        from_row: impl FnOnce(&Row<'_>) -> Result<T, E>,
    ) -> Result<Option<T>, E> {
        let mut statement = self.prepared(sql)?;
        let mut rows = statement.query(bound(params)).map_err(refused)?;
        match rows.next().map_err(refused)? {
            Some(row) => from_row(&Row(row)).map(Some),
            None => Ok(None),
        }
    }

    /// The first row of a query that always has one, such as a count.
    ///
    /// # Errors
    /// [`SqlError::NoRow`]; those of the engine and of `from_row`.
    pub fn one<T, E: From<SqlError>>(
        &self,
        sql: &str,
        params: &[&dyn ToParam],
        from_row: impl FnOnce(&Row<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        self.first(sql, params, from_row)?
            .ok_or_else(|| SqlError::NoRow.into())
    }

    /// Row after row, none of which is kept, until `f` breaks.
    ///
    /// # Errors
    /// Those of the engine and of `f`.
    pub fn each<E: From<SqlError>>(
        &self,
        sql: &str,
        params: &[&dyn ToParam],
        mut f: impl FnMut(&Row<'_>) -> Result<ControlFlow<()>, E>,
    ) -> Result<(), E> {
        let mut statement = self.prepared(sql)?;
        let mut rows = statement.query(bound(params)).map_err(refused)?;
        while let Some(row) = rows.next().map_err(refused)? {
            if f(&Row(row))?.is_break() {
                break;
            }
        }
        Ok(())
    }

    /// Bytes of the database that hold something, as this reading sees them.
    ///
    /// # Errors
    /// Those of the engine.
    pub fn used_bytes(&self) -> Result<u64, SqlError> {
        let sql = "SELECT (page_count - freelist_count) * page_size \
                   FROM pragma_page_count, pragma_freelist_count, pragma_page_size";
        let used = self.one(sql, &[], |row| row.get::<_, i64>(0))?;
        Ok(used.try_into().unwrap_or(0))
    }

    pub(crate) fn prepared(&self, sql: &str) -> Result<rusqlite::CachedStatement<'_>, SqlError> {
        self.driver.prepare_cached(sql).map_err(refused)
    }
}
