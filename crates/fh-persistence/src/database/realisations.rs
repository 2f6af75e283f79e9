//! Realisations: what slices say to which path an output of a derivation was built.
//!
//! A slice says one thing of an output. It keeps the first one, but that a builder's takes the place of a person's, as it
//! is with contents of paths. What it says of a path that it neither holds nor has left out as signed elsewhere counts
//! for nothing.

use std::collections::HashMap;

use fh_api::FlakeName;
use fh_nix::{DrvOutput, Realisation, Signature, StorePath};
use fh_sql::{Read, Row, Tx, params};

use super::DatabaseError;
use super::holders::id_list;
use super::rows::{all, column, flake_name, from_row};
use super::slices::{joined, path_of, store_path};
use super::upstream::Pusher;
use super::values::{execute, now, run};

/// The slice of a realisation holds its path, and the content is not lost.
const HELD: &str = "EXISTS (SELECT 1 FROM slice_path AS s CROSS JOIN nar AS n ON n.id = s.nar_id \
     WHERE s.path_hash = r.path_hash AND s.flake_id = r.flake_id AND s.name = r.name \
     AND n.damaged_at IS NULL)";

/// The slice of a realisation has left its path out, because a key of elsewhere had signed it.
const LEFT_OUT: &str = "EXISTS (SELECT 1 FROM slice_upstream AS u \
     WHERE u.path_hash = r.path_hash AND u.flake_id = r.flake_id AND u.name = r.name)";

/// What a [`Word`] is read from: the columns of `slice_realisation AS r`, and whether the slice holds the path.
fn columns() -> String {
    format!(
        "r.id, r.drv_output, r.flake_id, r.path_hash, r.name, r.signatures, r.pusher_id, r.builder, \
         {HELD} AS held"
    )
}

/// What a slice says of an output.
#[derive(Debug, Clone)]
pub struct Word {
    /// The id of the flake whose slice says it.
    pub flake_id: i64,
    /// The row. Rows ascend with time.
    pub row_id: i64,
    /// The output, and the path that it was built to.
    pub realisation: Realisation,
    /// The account that pushed it; none where that is not known.
    pub pusher_id: Option<i64>,
    /// Whether a builder pushed it.
    pub builder: bool,
    /// Whether the slice holds the path; else it has left it out as signed elsewhere.
    pub held: bool,
}

from_row!(Word: flake_id, row_id = "id", realisation by read_realisation, pusher_id, builder, held);

fn read_realisation(row: &Row<'_>) -> Result<Realisation, DatabaseError> {
    Ok(Realisation {
        id: column(row, "drv_output")?,
        out_path: store_path(row)?,
        signatures: column(row, "signatures")?,
    })
}

/// What every slice says of an output whose path it holds or has left out, in no order.
pub fn words(read: &Read, output: &DrvOutput) -> Result<Vec<Word>, DatabaseError> {
    let sql = format!(
        "SELECT {} FROM slice_realisation AS r WHERE r.drv_output = ?1 AND (held OR {LEFT_OUT})",
        columns()
    );
    all(read, &sql, params![output.to_string()])
}

/// What a slice says of some outputs whose paths it holds or has left out.
pub fn present<'a>(
    read: &Read,
    flake_id: i64,
    outputs: impl IntoIterator<Item = &'a DrvOutput>,
) -> Result<HashMap<DrvOutput, Word>, DatabaseError> {
    let sql = format!(
        "SELECT {} FROM json_each(?1) AS wanted \
         CROSS JOIN slice_realisation AS r ON r.drv_output = wanted.value AND r.flake_id = ?2 \
         WHERE held OR {LEFT_OUT}",
        columns()
    );
    let found: Vec<Word> = all(read, &sql, params![list(outputs), flake_id])?;
    let keyed = |word: Word| (word.realisation.id.clone(), word);
    Ok(found.into_iter().map(keyed).collect())
}

/// Lets a slice say this of an output, whatever it said before: as of now, and by this pusher.
pub fn put(
    tx: &Tx<'_>,
    flake_id: i64,
    realisation: &Realisation,
    pusher: Pusher,
) -> Result<(), DatabaseError> {
    let output = realisation.id.to_string();
    execute(
        tx,
        "DELETE FROM slice_realisation WHERE drv_output = ?1 AND flake_id = ?2",
        params![output, flake_id],
    )?;
    run(
        tx,
        "INSERT INTO slice_realisation \
         (drv_output, flake_id, path_hash, name, signatures, pusher_id, builder, created_at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        params![
            output,
            flake_id,
            realisation.out_path.hash().as_bytes(),
            realisation.out_path.name(),
            joined(&realisation.signatures),
            pusher.account_id,
            pusher.builder,
            now()
        ],
    )
}

/// Sets the signatures of what a slice says of an output: it stays as old as it is, and whose it is.
pub fn set_signatures(
    tx: &Tx<'_>,
    flake_id: i64,
    output: &DrvOutput,
    signatures: &[Signature],
) -> Result<(), DatabaseError> {
    run(
        tx,
        "UPDATE slice_realisation SET signatures = ?3 WHERE drv_output = ?1 AND flake_id = ?2",
        params![output.to_string(), flake_id, joined(signatures)],
    )
}

/// Two slices of one organisation that say different things of an output.
#[derive(Debug)]
pub struct Clash {
    /// The output that both slices know.
    pub output: DrvOutput,
    /// The flake whose slice says something else.
    pub flake: FlakeName,
    /// What the other one says.
    pub there: StorePath,
    /// What this one says.
    pub pushed: StorePath,
}

from_row!(Clash: output = "drv_output", flake by flake_name, there by store_path,
    pushed by read_pushed);

fn read_pushed(row: &Row<'_>) -> Result<StorePath, DatabaseError> {
    path_of(column(row, "pushed_hash")?, row.text("pushed_name")?)
}

/// Where other slices of the same organisation disagree with a slice about some outputs, a hundred at most. Of other
/// organisations' slices nothing is told.
pub fn clashes<'a>(
    read: &Read,
    flake_id: i64,
    outputs: impl IntoIterator<Item = &'a DrvOutput>,
) -> Result<Vec<Clash>, DatabaseError> {
    let sql = format!(
        "SELECT r.drv_output, r.path_hash, r.name, g.name AS org, f.name AS project, \
         p.path_hash AS pushed_hash, p.name AS pushed_name \
         FROM json_each(?1) AS wanted \
         CROSS JOIN slice_realisation AS p ON p.drv_output = wanted.value AND p.flake_id = ?2 \
         CROSS JOIN flake AS own ON own.id = p.flake_id \
         CROSS JOIN organization AS g ON g.id = own.organization_id \
         CROSS JOIN slice_realisation AS r ON r.drv_output = p.drv_output AND r.flake_id <> p.flake_id \
         CROSS JOIN flake AS f ON f.id = r.flake_id AND f.organization_id = g.id \
         WHERE (r.path_hash <> p.path_hash OR r.name <> p.name) AND ({HELD} OR {LEFT_OUT}) LIMIT 100"
    );
    all(read, &sql, params![list(outputs), flake_id])
}

/// That the slice of a realisation `r` neither holds its path, be it a lost one, nor has left it out.
fn without() -> String {
    format!(
        "NOT EXISTS (SELECT 1 FROM slice_path AS s \
         WHERE s.path_hash = r.path_hash AND s.flake_id = r.flake_id AND s.name = r.name) AND NOT {LEFT_OUT}"
    )
}

/// Some rows that say something of a path which their slice neither holds nor has left out.
pub fn without_path(read: &Read, most: u32) -> Result<Vec<i64>, DatabaseError> {
    let sql = format!(
        "SELECT r.id FROM slice_realisation AS r WHERE {} LIMIT ?1",
        without()
    );
    all(read, &sql, params![most])
}

/// Removes those of these rows of which that is still so: how many.
pub fn delete_without_path(tx: &Tx<'_>, rows: &[i64]) -> Result<usize, DatabaseError> {
    let sql = format!(
        "DELETE FROM slice_realisation AS r WHERE r.id IN (SELECT value FROM json_each(?1)) AND {}",
        without()
    );
    execute(tx, &sql, params![id_list(rows)])
}

/// A JSON array of outputs, for `json_each`. No character of theirs is escaped in JSON.
fn list<'a>(outputs: impl IntoIterator<Item = &'a DrvOutput>) -> String {
    let texts: Vec<String> = outputs
        .into_iter()
        .map(|output| format!("\"{output}\""))
        .collect();
    format!("[{}]", texts.join(","))
}
