//! Opening connections: the modes of files, and the pragmas, which count for each connection alone.

use std::fs::{OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::Duration;

use fh_file as files;
use rusqlite::OpenFlags;
use rusqlite::config::DbConfig;

use crate::error::{SqlError, refused};
use crate::read::Read;
use crate::tx::Tx;

/// How many connections read at the same time.
pub const READERS: usize = 6;

/// How long a statement waits for another process's lock; there should be none, but for a backup.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// KiB of pages that the writing connection keeps: what a large commit changes, before any of it is written.
const WRITER_CACHE: i64 = 16 * 1024;

/// KiB of pages that each reading connection keeps. The system has the rest of the file in memory; to get a page
/// from there costs less than to ask the system for memory to keep one more.
const READER_CACHE: i64 = 4 * 1024;

/// Statements that each connection keeps prepared.
const PREPARED: usize = 128;

/// A connection to a database.
pub struct Connection {
    read: Read,
}

impl Connection {
    /// Opens a connection that writes, and makes the file, readable by its owner alone, where there is none.
    ///
    /// # Errors
    /// Where the file cannot be used; [`SqlError::Mode`].
    pub fn writer(path: &Path) -> Result<Self, SqlError> {
        secure(path).map_err(|source| SqlError::File {
            path: path.to_owned(),
            source,
        })?;
        let driver = open(path, WRITER_CACHE)?;
        write_ahead(&driver, path)?;
        fully_synchronous(&driver, path)?;
        // After a long transaction the write-ahead log goes back to this many bytes.
        driver
            .pragma_update(None, "journal_size_limit", 64 << 20)
            .map_err(refused)?;
        Ok(Self::over(driver))
    }

    /// Opens a connection that only reads, on a database that [`Connection::writer`] has opened.
    ///
    /// # Errors
    /// Where the file cannot be used.
    pub fn reader(path: &Path) -> Result<Self, SqlError> {
        // Not `READ_ONLY`: a reader of a write-ahead log takes part in its shared memory.
        let driver = open(path, READER_CACHE)?;
        driver
            .pragma_update(None, "query_only", true)
            .map_err(refused)?;
        Ok(Self::over(driver))
    }

    /// Opens a database for one who looks at it, perhaps beside a server; `None` where there is none.
    ///
    /// # Errors
    /// Where the file cannot be used; [`SqlError::Mode`].
    pub fn existing(path: &Path) -> Result<Option<Self>, SqlError> {
        // Not opened: closing it would end the locks that this process has on the same file.
        match files::expect_regular(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            result => result.map_err(|source| SqlError::File {
                path: path.to_owned(),
                source,
            })?,
        }
        let driver = open(path, READER_CACHE)?;
        fully_synchronous(&driver, path)?;
        Ok(Some(Self::over(driver)))
    }

    fn over(driver: rusqlite::Connection) -> Self {
        Self {
            read: Read { driver },
        }
    }

    /// Reads: all that `f` asks is of one instant.
    ///
    /// # Errors
    /// Those of the engine and of `f`.
    pub fn read<T, E: From<SqlError>>(
        &mut self,
        f: impl FnOnce(&Read) -> Result<T, E>,
    ) -> Result<T, E> {
        let driver = &self.read.driver;
        let transaction = driver.unchecked_transaction().map_err(refused)?;
        let value = f(&self.read)?;
        drop(transaction);
        Ok(value)
    }

    /// Begins to write, once nobody else does.
    ///
    /// # Errors
    /// Those of the engine, such as that somebody else has written for too long.
    pub fn write(&mut self) -> Result<Tx<'_>, SqlError> {
        Tx::begin(&self.read)
    }

    /// A number that changes when another connection than this one has committed something.
    ///
    /// # Errors
    /// Those of the engine.
    pub fn data_version(&self) -> Result<i64, SqlError> {
        data_version(&self.read)
    }
}

/// As [`Connection::data_version`], also within a transaction.
///
/// # Errors
/// Those of the engine.
pub fn data_version(read: &Read) -> Result<i64, SqlError> {
    read.one("PRAGMA data_version", &[], |row| row.get(0))
}

/// `cache` is in KiB.
fn open(path: &Path, cache: i64) -> Result<rusqlite::Connection, SqlError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let driver = rusqlite::Connection::open_with_flags(path, flags).map_err(refused)?;
    prepare(&driver, cache)?;
    Ok(driver)
}

/// Turns the write-ahead log on. Where SQLite cannot have one, such as on a file system without shared memory, it
/// goes on with something else and reports no error; but then readers would wait for the writer.
fn write_ahead(connection: &rusqlite::Connection, path: &Path) -> Result<(), SqlError> {
    let found: String = connection
        .pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))
        .map_err(refused)?;
    if found.eq_ignore_ascii_case("wal") {
        return Ok(());
    }
    Err(SqlError::Mode {
        what: "a write-ahead log",
        path: path.to_owned(),
        found,
    })
}

/// A commit that was acknowledged is on disk.
fn fully_synchronous(connection: &rusqlite::Connection, path: &Path) -> Result<(), SqlError> {
    connection
        .pragma_update(None, "synchronous", "FULL")
        .map_err(refused)?;
    let found: i64 = connection
        .pragma_query_value(None, "synchronous", |row| row.get(0))
        .map_err(refused)?;
    if found == 2 {
        return Ok(());
    }
    Err(SqlError::Mode {
        what: "synchronous writing",
        path: path.to_owned(),
        found: found.to_string(),
    })
}

/// `cache` is in KiB.
fn prepare(connection: &rusqlite::Connection, cache: i64) -> Result<(), SqlError> {
    connection.busy_timeout(BUSY_TIMEOUT).map_err(refused)?;
    connection.set_prepared_statement_cache_capacity(PREPARED);
    // Else the planner looks at the values of parameters, such as that of a LIMIT, and each statement that has one is
    // compiled anew whenever it is given another: longer than most take to run.
    connection
        .set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)
        .map_err(refused)?;
    connection
        .pragma_update(None, "foreign_keys", true)
        .map_err(refused)?;
    connection
        .pragma_update(None, "trusted_schema", false)
        .map_err(refused)?;
    // Else a row that replaces another is not asked about by the triggers that keep the audit log.
    connection
        .pragma_update(None, "recursive_triggers", true)
        .map_err(refused)?;
    connection
        .pragma_update(None, "temp_store", "MEMORY")
        .map_err(refused)?;
    // Negative: KiB, not pages.
    connection
        .pragma_update(None, "cache_size", -cache)
        .map_err(refused)?;
    // A file that is mapped and that somebody cuts would end the process at the next read; read as a file, it is an
    // error. What that costs is in docs/PERFORMANCE.md. (The index of the write-ahead log is always mapped.)
    connection
        .pragma_update(None, "mmap_size", 0)
        .map_err(refused)?;
    Ok(())
}

/// Makes the file with mode 0600, or gives it that mode. SQLite gives the log beside it the same.
fn secure(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    let file = files::never_waiting(options.mode(0o600))
        .open(path)
        .and_then(files::regular)?;
    if file.metadata()?.permissions().mode() & 0o077 != 0 {
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    Ok(())
}

#[cfg(test)]
impl Connection {
    pub(crate) fn in_memory() -> Result<Self, SqlError> {
        Ok(Self::over(
            rusqlite::Connection::open_in_memory().map_err(refused)?,
        ))
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;

    use super::*;

    #[test]
    fn a_database_that_cannot_have_a_write_ahead_log_is_refused() {
        let connection = rusqlite::Connection::open_in_memory().unwrap();
        let error = write_ahead(&connection, Path::new("/data/fh.sqlite")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "SQLite does not use a write-ahead log for /data/fh.sqlite: it reports \"memory\""
        );
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("fh.sqlite");
        let connection = Connection::writer(&path).unwrap();
        fully_synchronous(&connection.read.driver, &path).unwrap();
    }

    #[test]
    fn a_statement_is_compiled_once_whatever_it_is_asked_with() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("fh.sqlite");
        let writing = Connection::writer(&path).unwrap();
        writing
            .read
            .driver
            .execute_batch("CREATE TABLE row (key INTEGER PRIMARY KEY, name TEXT) STRICT")
            .unwrap();
        let reading = Connection::reader(&path).unwrap();
        for (connection, sql) in [
            (
                &reading,
                "SELECT key FROM row WHERE key > ?1 ORDER BY key LIMIT ?2",
            ),
            (
                &writing,
                "DELETE FROM row WHERE key IN (SELECT key FROM row WHERE key >= ?1 LIMIT ?2)",
            ),
        ] {
            let mut statement = connection.read.driver.prepare(sql).unwrap();
            for (from, limit) in [(1, 10), (2, 100), (3, 100)] {
                let mut rows = statement.query([from, limit]).unwrap();
                assert!(rows.next().unwrap().is_none());
            }
            assert_eq!(statement.get_status(StatementStatus::RePrepare), 0, "{sql}");
        }
    }

    #[test]
    fn what_is_no_file_is_neither_opened_nor_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("fh.sqlite");
        let made = std::process::Command::new("mkfifo").arg(&path).status();
        assert!(made.unwrap().success());
        assert!(matches!(
            Connection::writer(&path),
            Err(SqlError::File { .. })
        ));
        assert!(matches!(
            Connection::existing(&path),
            Err(SqlError::File { .. })
        ));
    }

    #[test]
    fn a_file_that_was_cut_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("fh.sqlite");
        let writing = Connection::writer(&path).unwrap();
        writing
            .read
            .driver
            .execute_batch(
                "CREATE TABLE large (content BLOB); \
                 WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 3000) \
                 INSERT INTO large SELECT randomblob(4000) FROM numbers; PRAGMA wal_checkpoint(TRUNCATE);",
            )
            .unwrap();
        let reading = Connection::reader(&path).unwrap();
        // It has looked at the file, and holds next to nothing of it in memory.
        let first =
            reading
                .read
                .driver
                .query_row("SELECT length(content) FROM large LIMIT 1", [], |row| {
                    row.get::<_, i64>(0)
                });
        assert_eq!(first.unwrap(), 4000);
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        file.set_len(8 << 10).unwrap();
        for _ in 0..3 {
            let all = reading.read.driver.query_row(
                "SELECT SUM(length(content)) FROM large",
                [],
                |row| row.get::<_, i64>(0),
            );
            all.unwrap_err();
        }
    }
}
