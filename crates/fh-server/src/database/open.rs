//! Opening connections: the modes of files, and the pragmas, which count for each connection alone.

use std::fs::{OpenOptions, Permissions};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::DatabaseError;

/// How many connections read at the same time.
pub(super) const READERS: usize = 6;

/// How long a statement waits for another process's lock; there should be none, but for a backup.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

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
    prepare(&connection)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
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
    prepare(&connection)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

/// Opens a database for one who looks at it, perhaps beside a server; `None` where there is none.
pub(super) fn existing(path: &Path) -> Result<Option<Connection>, DatabaseError> {
    if !path.exists() {
        return Ok(None);
    }
    let connection = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    prepare(&connection)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    Ok(Some(connection))
}

fn prepare(connection: &Connection) -> Result<(), DatabaseError> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(PREPARED);
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    // Else a row that replaces another is not asked about by the triggers that keep the audit log.
    connection.pragma_update(None, "recursive_triggers", true)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    // KiB, for each connection.
    connection.pragma_update(None, "cache_size", -16384)?;
    // Bytes; what is mapped is shared by all connections.
    connection.pragma_update(None, "mmap_size", 1_i64 << 30)?;
    Ok(())
}

/// Makes the file with mode 0600, or gives it that mode. SQLite gives the log beside it the same.
fn secure(path: &Path) -> std::io::Result<()> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)?;
    if file.metadata()?.permissions().mode() & 0o077 != 0 {
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    Ok(())
}
