//! The paths about which slices disagree, and what each slice says of them.
//!
//! Two rows disagree if their NARs, their references or their names differ. The set of contested paths is kept by the
//! commits, so that every other path is answered without a further question. A path stays in it when the
//! disagreement ends: it only costs a little time.
//!
//! Invariant: where a path is not in the set, every row of it, and every fingerprint of what was left out as
//! upstream, says the same. So a new row need be compared with one of each alone.

use std::collections::HashSet;

use fh_api::{FlakeName, Role};
use fh_auth::{FlakeFacts, Holdings};
use fh_nix::{NarHash, PublicKey, StorePath, StorePathHash};
use fh_sql::{Read, Row, Tx, params};

use super::holders::id_list;
use super::nars::hex_list;
use super::rows::{all, column, flake_name, from_row};
use super::slices::store_path;
use super::trust::Target;
use super::values::execute;
use super::{AccessChange, DatabaseError, accounts, grants, trust};

/// Those of a slice's rows of some paths that disagree with the oldest row of the path, or with one
/// fingerprint of it.
const DISAGREEING: &str = "INSERT INTO contested_path (path_hash) \
     SELECT s.path_hash FROM json_each(?1) AS wanted \
     CROSS JOIN slice_path AS s ON s.path_hash = unhex(wanted.value) AND s.flake_id = ?2 \
     WHERE EXISTS (SELECT 1 FROM slice_path AS o WHERE o.id = \
             (SELECT MIN(id) FROM slice_path WHERE path_hash = s.path_hash) \
             AND (o.nar_id <> s.nar_id OR o.path_refs <> s.path_refs OR o.name <> s.name)) \
     OR EXISTS (SELECT 1 FROM (SELECT u.nar_hash, u.path_refs, u.name FROM slice_upstream AS u \
                               WHERE u.path_hash = s.path_hash LIMIT 1) AS u \
                CROSS JOIN nar AS n ON n.id = s.nar_id \
                WHERE u.nar_hash <> n.nar_hash OR u.path_refs <> s.path_refs OR u.name <> s.name) \
     ON CONFLICT (path_hash) DO NOTHING RETURNING path_hash";

/// The same of the fingerprints of a slice.
const DISAGREEING_UPSTREAM: &str = "INSERT INTO contested_path (path_hash) \
     SELECT u.path_hash FROM json_each(?1) AS wanted \
     CROSS JOIN slice_upstream AS u ON u.path_hash = unhex(wanted.value) AND u.flake_id = ?2 \
     WHERE EXISTS (SELECT 1 FROM slice_path AS o CROSS JOIN nar AS n ON n.id = o.nar_id \
             WHERE o.id = (SELECT MIN(id) FROM slice_path WHERE path_hash = u.path_hash) \
             AND (n.nar_hash <> u.nar_hash OR o.path_refs <> u.path_refs OR o.name <> u.name)) \
     OR EXISTS (SELECT 1 FROM (SELECT x.nar_hash, x.path_refs, x.name FROM slice_upstream AS x \
                               WHERE x.path_hash = u.path_hash AND x.flake_id <> u.flake_id LIMIT 1) AS x \
                WHERE x.nar_hash <> u.nar_hash OR x.path_refs <> u.path_refs OR x.name <> u.name) \
     ON CONFLICT (path_hash) DO NOTHING RETURNING path_hash";

/// Those of a slice's rows of some paths that count for more or less than the oldest row that another slice has of
/// the path. A row can be the oldest itself, and have changed in its place.
///
/// Invariant: where a path is not in the set, all its rows count the same. A path stays in it.
const UNEVEN: &str = "INSERT INTO uneven_path (path_hash) \
     SELECT s.path_hash FROM json_each(?1) AS wanted \
     CROSS JOIN slice_path AS s ON s.path_hash = unhex(wanted.value) AND s.flake_id = ?2 \
     WHERE s.voice <> (SELECT o.voice FROM slice_path AS o \
                       WHERE o.path_hash = s.path_hash AND o.flake_id <> s.flake_id ORDER BY o.id LIMIT 1) \
     ON CONFLICT (path_hash) DO NOTHING";

/// Marks the NARs of all rows of a path.
const MARK_ALL: &str = "UPDATE nar SET contested = 1 WHERE contested = 0 AND id IN \
     (SELECT nar_id FROM slice_path WHERE path_hash = ?1) RETURNING nar_hash";

/// Marks the NARs of a slice's rows of those paths that are contested.
const MARK_NEW: &str = "UPDATE nar SET contested = 1 WHERE contested = 0 AND id IN \
     (SELECT s.nar_id FROM json_each(?1) AS wanted \
      CROSS JOIN contested_path AS c ON c.path_hash = unhex(wanted.value) \
      CROSS JOIN slice_path AS s ON s.path_hash = c.path_hash AND s.flake_id = ?2) \
     RETURNING nar_hash";

/// What a commit has made contested: copies of what was known of these are out of date.
#[derive(Debug, Default)]
pub struct NewlyContested {
    /// Paths about which slices disagree now.
    pub paths: Vec<StorePathHash>,
    /// NARs that are the content of such a path.
    pub nars: Vec<NarHash>,
}

/// Those of a slice's paths of which something else is known: another slice has a row of it, somebody left it out, or it
/// is contested. Of every other path there is nothing to [end](super::upstream::end), to [note] or to [tell](clashes).
pub fn known_elsewhere(
    read: &Read,
    flake_id: i64,
    hashes: &[StorePathHash],
) -> Result<Vec<StorePathHash>, DatabaseError> {
    if hashes.is_empty() {
        return Ok(Vec::new());
    }
    let sql = "SELECT s.path_hash FROM json_each(?1) AS wanted \
               CROSS JOIN slice_path AS s ON s.path_hash = unhex(wanted.value) AND s.flake_id = ?2 \
               WHERE EXISTS (SELECT 1 FROM slice_path AS o WHERE o.path_hash = s.path_hash AND o.flake_id <> ?2) \
               OR EXISTS (SELECT 1 FROM slice_upstream AS u WHERE u.path_hash = s.path_hash) \
               OR EXISTS (SELECT 1 FROM contested_path AS c WHERE c.path_hash = s.path_hash)";
    let keys = params![
        hex_list(hashes.iter().map(StorePathHash::as_bytes)),
        flake_id
    ];
    all(read, sql, keys)
}

/// Notes disagreement, and where rows do not count the same, about paths that a slice has got rows or fingerprints of.
/// Of the rows those are enough that are [known elsewhere](known_elsewhere).
pub fn note(
    tx: &Tx<'_>,
    flake_id: i64,
    rows: &[StorePathHash],
    upstream: &[StorePathHash],
) -> Result<NewlyContested, DatabaseError> {
    let mut new = NewlyContested::default();
    for (hashes, sql) in [(rows, DISAGREEING), (upstream, DISAGREEING_UPSTREAM)] {
        if hashes.is_empty() {
            continue;
        }
        let keys = params![
            hex_list(hashes.iter().map(StorePathHash::as_bytes)),
            flake_id
        ];
        new.paths.extend(all::<StorePathHash>(tx, sql, keys)?);
    }
    for hash in &new.paths {
        let marked: Vec<NarHash> = all(tx, MARK_ALL, params![hash.as_bytes()])?;
        new.nars.extend(marked);
    }
    if !rows.is_empty() {
        let keys = params![hex_list(rows.iter().map(StorePathHash::as_bytes)), flake_id];
        new.nars.extend(all::<NarHash>(tx, MARK_NEW, keys)?);
        execute(tx, UNEVEN, keys)?;
    }
    Ok(new)
}

/// Two slices of one organisation that disagree about a path.
#[derive(Debug)]
pub struct Clash {
    /// The path that both slices have.
    pub path: StorePath,
    /// The flake whose slice says something else.
    pub flake: FlakeName,
    /// What the other one has.
    pub there: NarHash,
    /// What this one has.
    pub pushed: NarHash,
}

from_row!(Clash: path by store_path, flake by flake_name, there, pushed);

/// Where other slices of the same organisation disagree with a slice about some of its paths, a hundred at
/// most. Of other organisations' slices nothing is told.
pub fn clashes(
    read: &Read,
    flake_id: i64,
    hashes: &[StorePathHash],
) -> Result<Vec<Clash>, DatabaseError> {
    if hashes.is_empty() {
        return Ok(Vec::new());
    }
    let sql = "SELECT s.path_hash, s.name, g.name AS org, f.name AS project, \
               n.nar_hash AS pushed, m.nar_hash AS there \
               FROM json_each(?1) AS wanted \
               CROSS JOIN contested_path AS c ON c.path_hash = unhex(wanted.value) \
               CROSS JOIN slice_path AS s ON s.path_hash = c.path_hash AND s.flake_id = ?2 \
               CROSS JOIN flake AS own ON own.id = s.flake_id \
               CROSS JOIN organization AS g ON g.id = own.organization_id \
               CROSS JOIN slice_path AS o ON o.path_hash = s.path_hash AND o.flake_id <> s.flake_id \
               CROSS JOIN flake AS f ON f.id = o.flake_id AND f.organization_id = g.id \
               CROSS JOIN nar AS n ON n.id = s.nar_id CROSS JOIN nar AS m ON m.id = o.nar_id \
               WHERE o.nar_id <> s.nar_id OR o.path_refs <> s.path_refs OR o.name <> s.name LIMIT 100";
    let keys = params![
        hex_list(hashes.iter().map(StorePathHash::as_bytes)),
        flake_id
    ];
    all(read, sql, keys)
}

/// What one slice says of a path.
#[derive(Debug, Clone)]
pub struct Word {
    /// The row, where the slice has the content; none for a fingerprint of what was left out.
    pub row_id: Option<i64>,
    /// The internal id of the row's NAR.
    pub nar_id: Option<i64>,
    /// The content was lost.
    pub damaged: bool,
    /// The id of the flake whose slice says it.
    pub flake_id: i64,
    /// The name part of the store path.
    pub name: String,
    /// SHA-256 of the content, uncompressed.
    pub nar_hash: NarHash,
    /// References as they are stored, sorted.
    pub references: String,
    /// Whether the content address was recomputed.
    pub proven: bool,
    /// Whether a builder pushed it.
    pub builder: bool,
    /// The account that pushed it.
    pub pusher_id: Option<i64>,
    /// When it came into the slice: see [`fh_auth::contest::Age`].
    pub age: (i64, u8),
}

from_row!(Word: row_id, nar_id, damaged, flake_id, name, nar_hash, references = "path_refs", proven,
    builder, pusher_id, age by read_age);

fn read_age(row: &Row<'_>) -> Result<(i64, u8), DatabaseError> {
    Ok(match column(row, "row_id")? {
        Some(row_id) => (row_id, 0),
        None => (column(row, "after_row")?, 1),
    })
}

/// The columns of a [`Word`]: of rows `s` of slices, with their NARs `n`.
macro_rules! word_columns {
    () => {
        "s.id AS row_id, s.nar_id, n.damaged_at IS NOT NULL AS damaged, s.flake_id, s.name, n.nar_hash, \
         s.path_refs, s.proven, s.builder, s.pusher_id"
    };
}

/// What every slice says of a path, in no order.
pub fn words(read: &Read, hash: &StorePathHash) -> Result<Vec<Word>, DatabaseError> {
    let sql = concat!(
        "SELECT ",
        word_columns!(),
        " FROM slice_path AS s CROSS JOIN nar AS n ON n.id = s.nar_id WHERE s.path_hash = ?1"
    );
    let mut found: Vec<Word> = all(read, sql, params![hash.as_bytes()])?;
    let sql = "SELECT NULL AS row_id, NULL AS nar_id, 0 AS damaged, flake_id, name, nar_hash, path_refs, \
               0 AS proven, builder, pusher_id, after_row FROM slice_upstream WHERE path_hash = ?1";
    found.extend(all::<Word>(read, sql, params![hash.as_bytes()])?);
    Ok(found)
}

/// The rows of a path in some slices, in no order, each looked up in the unique index.
pub const WORDS_IN: &str = concat!(
    "SELECT ",
    word_columns!(),
    " FROM json_each(?2) AS wanted \
     CROSS JOIN slice_path AS s ON s.path_hash = ?1 AND s.flake_id = wanted.value \
     CROSS JOIN nar AS n ON n.id = s.nar_id"
);

/// What the rows in some slices say of a path, in no order.
pub fn words_in(
    read: &Read,
    hash: &StorePathHash,
    flake_ids: &[i64],
) -> Result<Vec<Word>, DatabaseError> {
    let keys = params![hash.as_bytes(), id_list(flake_ids)];
    all(read, WORDS_IN, keys)
}

/// The keys whose signatures the organisation of a slice takes for a proof.
pub fn trusted_keys_of_slice(read: &Read, flake_id: i64) -> Result<Vec<PublicKey>, DatabaseError> {
    let sql = "SELECT t.key FROM flake AS f JOIN trusted_key AS t \
               ON t.organization_id = f.organization_id WHERE f.id = ?1 ORDER BY t.key";
    all(read, sql, params![flake_id])
}

/// The keys whose signatures an organisation takes for a proof.
pub fn trusted_keys(read: &Read, organization_id: i64) -> Result<Vec<PublicKey>, DatabaseError> {
    let sql = "SELECT key FROM trusted_key WHERE organization_id = ?1 ORDER BY key";
    all(read, sql, params![organization_id])
}

/// Sets these keys, in place of those that there are.
pub fn set_trusted_keys(
    change: &AccessChange<'_>,
    organization_id: i64,
    keys: &[PublicKey],
) -> Result<(), DatabaseError> {
    // Copies of it tell whether there are any, and what was decided by them is out of date.
    change.touch_directory();
    let sql = "DELETE FROM trusted_key WHERE organization_id = ?1";
    execute(change, sql, params![organization_id])?;
    let keys: HashSet<String> = keys.iter().map(ToString::to_string).collect();
    for key in keys {
        let sql = "INSERT INTO trusted_key (organization_id, key, created_at) VALUES (?1, ?2, ?3)";
        let columns = params![organization_id, key, super::values::now()];
        execute(change, sql, columns)?;
    }
    Ok(())
}

/// What an account may do now, to tell whether it may write to a slice: none where it is gone or
/// disabled. A workload holds what its policy gives to any that it lets in.
pub fn rights(read: &Read, account_id: i64) -> Result<Option<Holdings>, DatabaseError> {
    let Some(account) = accounts::get(read, account_id)? else {
        return Ok(None);
    };
    if account.disabled_at.is_some() {
        return Ok(None);
    }
    let Some(policy) = trust::of_account(read, account_id)? else {
        return Ok(Some(grants::holdings(read, account_id)?));
    };
    let mut holdings = Holdings::default();
    let organization = policy.organization_id;
    holdings.set_home(organization);
    for target in trust::targets(read, &policy)? {
        let role = policy.policy.role;
        match target {
            Target::Organization(id) => holdings.add_organization_grant(id, role),
            Target::Flake(id) => holdings.add_flake_grant(organization, id, role),
        }
    }
    Ok(Some(holdings))
}

/// Whether these rights let somebody push to a flake.
pub fn may_write(rights: &Holdings, flake: FlakeFacts) -> bool {
    rights.role(flake) >= Some(Role::Write)
}
