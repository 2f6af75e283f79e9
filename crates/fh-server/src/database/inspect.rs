//! Looking at a database without a server.

use std::path::Path;

use rusqlite::Connection;

use super::{DatabaseError, FILE_NAME, migrations, open};

/// How many problems are told; SQLite's own limit.
const PROBLEMS: usize = 100;

/// Opens the database of a data directory as it is; `None` where there is none.
///
/// # Errors
/// When it cannot be opened, or is of another version of the schema.
pub(crate) fn open_existing(data_dir: &Path) -> Result<Option<Connection>, DatabaseError> {
    let Some(connection) = open::existing(&data_dir.join(FILE_NAME))? else {
        return Ok(None);
    };
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let known = migrations::known();
    match found {
        _ if found > known || found < 0 => Err(DatabaseError::Newer { found, known }),
        // A server is making it.
        0 => Ok(None),
        _ if found < known => Err(DatabaseError::Older { found, known }),
        _ => Ok(Some(connection)),
    }
}

/// Whether the next start changes the schema of a data directory's database.
///
/// # Errors
/// When it cannot be opened.
pub(crate) fn is_older(data_dir: &Path) -> Result<bool, DatabaseError> {
    match open_existing(data_dir) {
        Err(DatabaseError::Older { .. }) => Ok(true),
        result => result.map(|_| false),
    }
}

/// What is wrong with a database, in SQLite's words.
///
/// # Errors
/// When it cannot even be asked.
pub(crate) fn problems(connection: &Connection) -> Result<Vec<String>, DatabaseError> {
    let mut problems = Vec::new();
    // Not its quick form, which does not compare indexes with their tables: that is how most of what is changed
    // within a row shows.
    connection.pragma_query(None, "integrity_check", |row| {
        let problem: String = row.get(0)?;
        if problem != "ok" && problems.len() < PROBLEMS {
            problems.push(problem);
        }
        Ok(())
    })?;
    connection.pragma_query(None, "foreign_key_check", |row| {
        let (table, id, parent): (String, Option<i64>, String) =
            (row.get(0)?, row.get(1)?, row.get(2)?);
        if problems.len() < PROBLEMS {
            let id = id.map_or_else(String::new, |id| format!(" {id}"));
            problems.push(format!(
                "row{id} of {table} refers to a row of {parent} that is not there"
            ));
        }
        Ok(())
    })?;
    Ok(problems)
}
