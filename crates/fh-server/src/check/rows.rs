//! Reading every value of the database.
//!
//! SQLite's own check knows the structure of its pages, and compares indexes with tables. What a page holds beside
//! that it takes as it is: a text of which some bytes were changed is a text still. So each value is read here as
//! what it must be. Compared with something that tells every change are logs and sets of paths, with their hashes;
//! and names, with their folded form. Of others a change shows where it makes nonsense of them.
//!
//! A broken page costs the rest of its table, and the others are read.

use std::ops::ControlFlow;

use fh_nix::{ContentAddress, DrvOutput, NarHash, Signature, StorePath};
use fh_persistence::database::DatabaseError;
use fh_sql::{Connection, Read, Row, Value};
use serde::de::IgnoredAny;
use uuid::Uuid;

use crate::receive::FrameDecoder;

/// How many problems are told.
const PROBLEMS: usize = 100;

/// What is wrong with the rows of all tables, a sentence each. No table is read in one piece with another, so that a
/// server beside it can tidy up in between.
pub(super) fn problems(connection: &mut Connection) -> Result<Vec<String>, DatabaseError> {
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite!_%' ESCAPE '!' \
               ORDER BY name";
    let tables: Vec<String> = connection.read(|read| read.all(sql, &[], |row| row.get(0)))?;
    let mut problems = Vec::new();
    for table in tables {
        let end = connection.read(|read| examine(read, &table, &mut problems));
        if let Err(error) = end {
            let error = fh_api::with_causes(&error);
            problems.push(format!(
                "the table {table} cannot be read to its end: {error}"
            ));
        }
    }
    problems.truncate(PROBLEMS);
    Ok(problems)
}

fn examine(read: &Read, table: &str, problems: &mut Vec<String>) -> Result<(), DatabaseError> {
    read.each(&format!("SELECT * FROM \"{table}\""), &[], |row| {
        if problems.len() >= PROBLEMS {
            return Ok(ControlFlow::Break(()));
        }
        for (index, column) in row.columns().into_iter().enumerate() {
            let value = row.value(index)?;
            let wrong = wrong_value(column, value).or_else(|| wrong_with(row, column, value));
            if let Some(wrong) = wrong {
                let id = row.get::<_, i64>("id");
                let id = id.map_or_else(|_| String::new(), |id| format!(" {id}"));
                problems.push(format!("row{id} of {table}: {column} {wrong}"));
            }
        }
        Ok(ControlFlow::Continue(()))
    })
}

/// What is wrong with a value by itself.
fn wrong_value(column: &str, value: Value<'_>) -> Option<&'static str> {
    let bytes = match value {
        Value::Integer(number) => {
            let is_size = column.ends_with("_size") || column.ends_with("_count");
            return (is_size && number < 0).then_some("is negative");
        }
        Value::Text(bytes) | Value::Bytes(bytes) => bytes,
        Value::Null | Value::Real(_) => return None,
    };
    if matches!(value, Value::Bytes(_)) {
        let is_json = column == "plan" && !bytes.is_empty();
        let good = !is_json || serde_json::from_slice::<IgnoredAny>(bytes).is_ok();
        return (!good).then_some("is not JSON");
    }
    let Ok(text) = std::str::from_utf8(bytes) else {
        return Some("is not text");
    };
    let mut words = text.split_ascii_whitespace();
    let (good, what) = match column {
        "uuid" | "token_uuid" | "organization_uuid" => {
            (text.parse::<Uuid>().is_ok(), "is not an id")
        }
        "path_refs" | "closures" => (
            words.all(|word| word.parse::<StorePath>().is_ok()),
            "names something that is not a store path",
        ),
        "deriver" => (text.parse::<StorePath>().is_ok(), "is not a store path"),
        "signatures" => (
            words.all(|word| word.parse::<Signature>().is_ok()),
            "holds something that is not a signature",
        ),
        "drv_output" => (
            text.parse::<DrvOutput>().is_ok(),
            "is not the output of a derivation",
        ),
        "ca" => (
            text.parse::<ContentAddress>().is_ok(),
            "is not a content address",
        ),
        "detail" | "summary" | "conditions" | "pins" | "audiences" | "jwks" | "claims"
        | "workload" => (
            serde_json::from_str::<IgnoredAny>(text).is_ok(),
            "is not JSON",
        ),
        _ => return None,
    };
    (!good).then_some(what)
}

/// What is wrong with a value beside others of its row.
fn wrong_with(row: &Row<'_>, column: &str, value: Value<'_>) -> Option<&'static str> {
    match column {
        "folded" => {
            let name = row.text("name").ok()?;
            let folded = value.as_str()?;
            (!name.eq_ignore_ascii_case(folded)).then_some("is not the name next to it")
        }
        "content" => {
            let content = value.as_bytes()?;
            if let Ok(digest) = row.bytes("digest") {
                let good = NarHash::of(content).as_bytes().as_slice() == digest;
                return (!good).then_some("is not what was stored");
            }
            let hash = row.bytes("log_hash").ok()?;
            let size = row.get::<_, i64>("log_size").ok()?;
            let good = decompressed(content).is_some_and(|(found, length)| {
                found.as_bytes().as_slice() == hash && i64::try_from(length) == Ok(size)
            });
            (!good).then_some("is not what was stored")
        }
        _ => None,
    }
}

/// The hash and the size of what zstd frames hold.
fn decompressed(content: &[u8]) -> Option<(NarHash, u64)> {
    let mut decoder = FrameDecoder::new()?;
    decoder.frames(content).content(u64::MAX).ok()?
}
