//! What is wrong with a database, in its engine's words.

use std::ops::ControlFlow;

use crate::error::SqlError;
use crate::read::Read;

/// How many problems are told; SQLite's own limit.
const PROBLEMS: usize = 100;

/// What is wrong with a database, a sentence each.
///
/// # Errors
/// When it cannot even be asked.
pub fn problems(read: &Read) -> Result<Vec<String>, SqlError> {
    let mut problems = Vec::new();
    // Not its quick form, which does not compare indexes with their tables: that is how most of what is changed
    // within a row shows.
    read.each("PRAGMA integrity_check", &[], |row| {
        let problem: String = row.get(0)?;
        if problem != "ok" {
            problems.push(problem);
        }
        Ok::<_, SqlError>(until(&problems))
    })?;
    read.each("PRAGMA foreign_key_check", &[], |row| {
        let (table, id): (String, Option<i64>) = (row.get(0)?, row.get(1)?);
        let parent: String = row.get(2)?;
        let id = id.map_or_else(String::new, |id| format!(" {id}"));
        problems.push(format!(
            "row{id} of {table} refers to a row of {parent} that is not there"
        ));
        Ok::<_, SqlError>(until(&problems))
    })?;
    problems.truncate(PROBLEMS);
    Ok(problems)
}

fn until(problems: &[String]) -> ControlFlow<()> {
    if problems.len() >= PROBLEMS {
        return ControlFlow::Break(());
    }
    ControlFlow::Continue(())
}
