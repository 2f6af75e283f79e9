//! Opening connections: the modes of files, and the pragmas, which count for each connection alone.

use std::fs::{OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::DatabaseError;
use crate::files;

/// How many connections read at the same time.
pub(super) const READERS: usize = 6;

/// How long a statement waits for another process's lock; there should be none, but for a backup.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// KiB of pages that the writing connection keeps: what a large commit changes, before any of it is written.
const WRITER_CACHE: i64 = 16 * 1024;

/// KiB of pages that each reading connection keeps. The system has the rest of the file in memory; to get a page
/// from there costs less than to ask the system for memory to keep one more.
const READER_CACHE: i64 = 4 * 1024;

/// Statements that each connection keeps prepared.
const PREPARED: usize = 128;

/// Opens the writing connection, and makes the file where there is none.
pub(super) fn writer(path: &Path) -> Result<Connection, DatabaseError> {
    secure(path).map_err(|source| DatabaseError::File {
        path: path.to_owned(),
        source,
    })?;
    let connection = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    prepare(&connection, WRITER_CACHE)?;
    write_ahead(&connection, path)?;
    fully_synchronous(&connection, path)?;
    // After a long transaction the write-ahead log goes back to this many bytes.
    connection.pragma_update(None, "journal_size_limit", 64 << 20)?;
    Ok(connection)
}

/// Opens a reading connection on a database that [`writer`] has opened.
pub(super) fn reader(path: &Path) -> Result<Connection, DatabaseError> {
    // Not `READ_ONLY`: a reader of a write-ahead log takes part in its shared memory.
    let connection = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    prepare(&connection, READER_CACHE)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

/// Opens a database for one who looks at it, perhaps beside a server; `None` where there is none.
pub(super) fn existing(path: &Path) -> Result<Option<Connection>, DatabaseError> {
    // Not opened: closing it would end the locks that this process has on the same file.
    match files::expect_regular(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        result => result.map_err(|source| DatabaseError::File {
            path: path.to_owned(),
            source,
        })?,
    }
    let connection = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    prepare(&connection, READER_CACHE)?;
    fully_synchronous(&connection, path)?;
    Ok(Some(connection))
}

/// Turns the write-ahead log on. Where SQLite cannot have one, such as on a file system without shared memory, it
/// goes on with something else and reports no error; but then readers would wait for the writer.
fn write_ahead(connection: &Connection, path: &Path) -> Result<(), DatabaseError> {
    let found: String =
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    if found.eq_ignore_ascii_case("wal") {
        return Ok(());
    }
    Err(DatabaseError::Mode {
        what: "a write-ahead log",
        path: path.to_owned(),
        found,
    })
}

/// A commit that was acknowledged is on disk.
fn fully_synchronous(connection: &Connection, path: &Path) -> Result<(), DatabaseError> {
    connection.pragma_update(None, "synchronous", "FULL")?;
    let found: i64 = connection.pragma_query_value(None, "synchronous", |row| row.get(0))?;
    if found == 2 {
        return Ok(());
    }
    Err(DatabaseError::Mode {
        what: "synchronous writing",
        path: path.to_owned(),
        found: found.to_string(),
    })
}

/// `cache` is in KiB.
fn prepare(connection: &Connection, cache: i64) -> Result<(), DatabaseError> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(PREPARED);
    // Else the planner looks at the values of parameters, such as that of a LIMIT, and each statement that has one is
    // compiled anew whenever it is given another: longer than most take to run.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    // Else a row that replaces another is not asked about by the triggers that keep the audit log.
    connection.pragma_update(None, "recursive_triggers", true)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    // Negative: KiB, not pages.
    connection.pragma_update(None, "cache_size", -cache)?;
    // A file that is mapped and that somebody cuts would end the process at the next read; read as a file, it is an
    // error. What that costs is in docs/PERFORMANCE.md. (The index of the write-ahead log is always mapped.)
    connection.pragma_update(None, "mmap_size", 0)?;
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
mod tests {
    use rusqlite::StatementStatus;

    use super::*;

    #[test]
    fn a_database_that_cannot_have_a_write_ahead_log_is_refused() {
        let connection = Connection::open_in_memory().unwrap();
        let error = write_ahead(&connection, Path::new("/data/fh.sqlite")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "SQLite does not use a write-ahead log for /data/fh.sqlite: it reports \"memory\""
        );
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("fh.sqlite");
        let connection = writer(&path).unwrap();
        fully_synchronous(&connection, &path).unwrap();
    }

    #[test]
    fn a_statement_is_compiled_once_whatever_it_is_asked_with() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("fh.sqlite");
        let writing = writer(&path).unwrap();
        writing
            .execute_batch("CREATE TABLE row (key INTEGER PRIMARY KEY, name TEXT) STRICT")
            .unwrap();
        let reading = reader(&path).unwrap();
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
            let mut statement = connection.prepare(sql).unwrap();
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
        crate::testing::make_pipe(&path);
        assert!(matches!(writer(&path), Err(DatabaseError::File { .. })));
        assert!(matches!(existing(&path), Err(DatabaseError::File { .. })));
    }

    #[test]
    fn a_file_that_was_cut_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("fh.sqlite");
        let writing = writer(&path).unwrap();
        writing
            .execute_batch(
                "CREATE TABLE large (content BLOB); \
                 WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 3000) \
                 INSERT INTO large SELECT randomblob(4000) FROM numbers; PRAGMA wal_checkpoint(TRUNCATE);",
            )
            .unwrap();
        let reading = reader(&path).unwrap();
        // It has looked at the file, and holds next to nothing of it in memory.
        let first = reading.query_row("SELECT length(content) FROM large LIMIT 1", [], |row| {
            row.get::<_, i64>(0)
        });
        assert_eq!(first.unwrap(), 4000);
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        file.set_len(8 << 10).unwrap();
        for _ in 0..3 {
            let all = reading.query_row("SELECT SUM(length(content)) FROM large", [], |row| {
                row.get::<_, i64>(0)
            });
            all.unwrap_err();
        }
    }
}
