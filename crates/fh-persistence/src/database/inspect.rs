//! Looking at a database without a server.

use std::path::Path;

use fh_sql::{Connection, SqlError};

use super::{DatabaseError, FILE_NAME, migrations};

/// Opens the database of a data directory as it is; `None` where there is none.
///
/// # Errors
/// When it cannot be opened, or is of another version of the schema.
pub fn open_existing(data_dir: &Path) -> Result<Option<Connection>, DatabaseError> {
    let Some(mut connection) = Connection::existing(&data_dir.join(FILE_NAME))? else {
        return Ok(None);
    };
    let found = connection.read(fh_sql::version)?;
    let known = migrations::known();
    match found {
        _ if found > known || found < 0 => Err(SqlError::Newer { found, known }.into()),
        // A server is making it.
        0 => Ok(None),
        _ if found < known => Err(SqlError::Older { found, known }.into()),
        _ => Ok(Some(connection)),
    }
}

/// Whether the next start changes the schema of a data directory's database.
///
/// # Errors
/// When it cannot be opened.
pub fn is_older(data_dir: &Path) -> Result<bool, DatabaseError> {
    match open_existing(data_dir) {
        Err(DatabaseError::Sql(SqlError::Older { .. })) => Ok(true),
        result => result.map(|_| false),
    }
}
