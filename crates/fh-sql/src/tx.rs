//! Changes, all or none.

use std::ops::Deref;

use rusqlite::TransactionBehavior;

use crate::error::{SqlError, refused};
use crate::param::{ToParam, bound};
use crate::read::Read;

/// A transaction: what it changes is on disk once it is committed; what is dropped has changed nothing.
pub struct Tx<'c> {
    read: &'c Read,
    transaction: rusqlite::Transaction<'c>,
}

impl<'c> Tx<'c> {
    /// Waits for those who write.
    pub(crate) fn begin(read: &'c Read) -> Result<Self, SqlError> {
        let behavior = TransactionBehavior::Immediate;
        let transaction =
            rusqlite::Transaction::new_unchecked(&read.driver, behavior).map_err(refused)?;
        Ok(Self { read, transaction })
    }

    /// Makes sure of it, on disk.
    ///
    /// # Errors
    /// Those of the engine; after [`Refusal::Disk`](crate::Refusal::Disk) nobody knows whether it is there.
    pub fn commit(self) -> Result<(), SqlError> {
        self.transaction.commit().map_err(refused)
    }

    /// Runs a statement that answers no rows: how many it changed.
    ///
    /// # Errors
    /// Those of the engine.
    pub fn execute(&self, sql: &str, params: &[&dyn ToParam]) -> Result<usize, SqlError> {
        let mut statement = self.read.prepared(sql)?;
        statement.execute(bound(params)).map_err(refused)
    }

    /// Runs several statements that take no parameters, separated by semicolons.
    ///
    /// # Errors
    /// Those of the engine; the ones before have then been run.
    pub fn batch(&self, sql: &str) -> Result<(), SqlError> {
        self.transaction.execute_batch(sql).map_err(refused)
    }

    /// How many rows this connection has changed since it was opened, those by triggers and by deleting what hangs
    /// on a row among them.
    #[must_use]
    pub fn changed_rows(&self) -> u64 {
        self.transaction.total_changes()
    }

    /// Lets a change overwrite what it replaces. Else SQLite leaves the old bytes in the page until something else
    /// needs the room.
    ///
    /// # Errors
    /// Those of `change`, and of the engine.
    pub fn erasing<E: From<SqlError>>(
        &self,
        change: impl FnOnce() -> Result<(), E>,
    ) -> Result<(), E> {
        self.secure_delete(true)?;
        let changed = change();
        self.secure_delete(false)?;
        changed
    }

    fn secure_delete(&self, on: bool) -> Result<(), SqlError> {
        self.transaction
            .pragma_update(None, "secure_delete", on)
            .map_err(refused)
    }
}

impl Deref for Tx<'_> {
    type Target = Read;

    fn deref(&self) -> &Read {
        self.read
    }
}
