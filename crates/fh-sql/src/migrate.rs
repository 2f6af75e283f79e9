//! Bringing a schema up to date. `PRAGMA user_version` tells how many of its versions a file has seen.

use crate::connection::Connection;
use crate::error::SqlError;
use crate::read::Read;
use crate::tx::Tx;

/// Runs those of the versions that the database has not seen, each in its own transaction and in order. After each,
/// and still in its transaction, `ran` is told its number from 1.
///
/// # Errors
/// [`SqlError::Newer`] where it has seen more; those of the engine and of `ran`.
pub fn migrate<E: From<SqlError>>(
    connection: &mut Connection,
    versions: &[&str],
    mut ran: impl FnMut(&Tx<'_>, i64) -> Result<(), E>,
) -> Result<(), E> {
    let known = i64::try_from(versions.len()).unwrap_or(i64::MAX);
    loop {
        let tx = connection.write()?;
        let found = version(&tx)?;
        if found > known || found < 0 {
            return Err(SqlError::Newer { found, known }.into());
        }
        let next = usize::try_from(found).ok().and_then(|at| versions.get(at));
        let Some(next) = next else {
            return Ok(());
        };
        tx.batch(next)?;
        ran(&tx, found + 1)?;
        tx.batch(&format!("PRAGMA user_version = {}", found + 1))?;
        tx.commit()?;
    }
}

/// How many versions of its schema a database has seen.
///
/// # Errors
/// Those of the engine.
pub fn version(read: &Read) -> Result<i64, SqlError> {
    read.one("PRAGMA user_version", &[], |row| row.get(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nothing(_: &Tx<'_>, _: i64) -> Result<(), SqlError> {
        Ok(())
    }

    #[test]
    fn versions_run_once_and_in_order() {
        let mut connection = Connection::in_memory().unwrap();
        migrate(&mut connection, &["CREATE TABLE a (x)"], nothing).unwrap();
        let mut told = Vec::new();
        let both = ["CREATE TABLE a (x)", "CREATE TABLE b (x)"];
        for _ in 0..2 {
            migrate(&mut connection, &both, |_, version| {
                told.push(version);
                Ok::<_, SqlError>(())
            })
            .unwrap();
        }
        assert_eq!(told, [2]);
        let tx = connection.write().unwrap();
        assert_eq!(version(&tx).unwrap(), 2);
        tx.execute("INSERT INTO b VALUES (1)", &[]).unwrap();
    }

    #[test]
    fn a_version_that_fails_leaves_the_schema_as_it_was() {
        let mut connection = Connection::in_memory().unwrap();
        let bad = ["CREATE TABLE a (x)", "CREATE TABLE b (x); SELECT nonsense;"];
        migrate(&mut connection, &bad, nothing).unwrap_err();
        let tx = connection.write().unwrap();
        let tables = tx.all("SELECT name FROM sqlite_schema", &[], |row| row.get(0));
        let tables: Vec<String> = tables.map_err(|error: SqlError| error).unwrap();
        assert_eq!((tables, version(&tx).unwrap()), (vec!["a".to_owned()], 1));
    }
}
