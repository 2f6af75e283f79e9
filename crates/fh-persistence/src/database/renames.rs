//! Other names for organisations, flakes and accounts.
//!
//! Invariants:
//! - a former name leads to what had it, and nothing else gets it: `find` of organisations, accounts and flakes, and the
//!   directory, are where names become ids, and all of them know former names;
//! - whatever stores a name as text (scopes of tokens, flakes of trust policies, follows) is written anew in the same
//!   transaction, so that no stored text is left to name whoever gets a name that was freed; but that nobody learns of
//!   what a private flake is called now who may not see it. The audit log says what was called how at the time;
//! - each such transaction counts ([`count`]): what was read of names, and of text that names something, belongs together
//!   where it is of one count.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};

use fh_api::{FlakeName, FlakePattern, Name, NameKind, Visibility};
use fh_auth::{FlakeFacts, Renaming};
use fh_sql::{Read, params};

use super::rows::{all, first, one};
use super::values::{execute, now, parse, run};
use super::{AccessChange, DatabaseError, Timestamp, contests, settings};

/// Gives an organisation another name.
pub fn organization(
    change: &AccessChange<'_>,
    id: i64,
    from: &Name,
    to: &Name,
) -> Result<(), DatabaseError> {
    change.touch_directory();
    keep_former(
        change,
        NameKind::Organization,
        "organization_id",
        id,
        from,
        to,
    )?;
    let sql = "UPDATE organization SET name = ?2, folded = ?3 WHERE id = ?1";
    execute(change, sql, params![id, to.as_str(), to.folded()])?;
    count_one_more(change)?;
    let renaming = Renaming::Organization {
        from: from.clone(),
        to: to.clone(),
    };
    write_anew(change, &renaming, from, None)
}

/// Gives an account another name.
pub fn account(
    change: &AccessChange<'_>,
    id: i64,
    from: &Name,
    to: &Name,
) -> Result<(), DatabaseError> {
    keep_former(change, NameKind::Account, "account_id", id, from, to)?;
    let sql = "UPDATE account SET name = ?2, folded = ?3 WHERE id = ?1";
    run(change, sql, params![id, to.as_str(), to.folded()])
}

/// Gives a flake another name in its organisation.
pub fn flake(
    change: &AccessChange<'_>,
    flake: FlakeFacts,
    from: &FlakeName,
    to: &Name,
) -> Result<(), DatabaseError> {
    change.touch_directory();
    let (id, organization_id) = (flake.id, flake.organization);
    if from.project.folded() != to.folded() {
        let sql = "DELETE FROM former_flake_name WHERE organization_id = ?1 AND folded = ?2";
        execute(change, sql, params![organization_id, to.folded()])?;
        let sql = "INSERT INTO former_flake_name (organization_id, folded, flake_id, given_up_at) \
                   VALUES (?1, ?2, ?3, ?4)";
        let former = from.project.folded();
        execute(change, sql, params![organization_id, former, id, now()])?;
    }
    let sql = "UPDATE flake SET name = ?2, folded = ?3 WHERE id = ?1";
    execute(change, sql, params![id, to.as_str(), to.folded()])?;
    count_one_more(change)?;
    if flake.visibility != Visibility::Private {
        // Whoever follows the new name already, of nothing, follows it once.
        let keys = params![organization_id, from.project.folded(), to.folded()];
        let sql =
            "UPDATE OR IGNORE follow SET project = ?3 WHERE organization_id = ?1 AND project = ?2";
        execute(change, sql, keys)?;
        let sql = "DELETE FROM follow WHERE organization_id = ?1 AND project = ?2 AND ?2 <> ?3";
        execute(change, sql, keys)?;
    }
    let renaming = Renaming::Flake {
        from: from.clone(),
        to: to.clone(),
    };
    write_anew(change, &renaming, &from.org, Some(flake))
}

/// How often an organisation or a flake was renamed: which state of the names somebody reads.
pub fn count(read: &Read) -> Result<u64, DatabaseError> {
    let count = settings::get(read, settings::RENAMES)?;
    Ok(count.map_or(Ok(0), |count| parse(&count, "count of renames"))?)
}

fn count_one_more(change: &AccessChange<'_>) -> Result<(), DatabaseError> {
    let count = count(change)? + 1;
    settings::set(change, settings::RENAMES, &count.to_string())
}

/// Lets a former name lead to what had it. A name that is taken back is a former one no more.
fn keep_former(
    change: &AccessChange<'_>,
    kind: NameKind,
    column: &str,
    id: i64,
    from: &Name,
    to: &Name,
) -> Result<(), DatabaseError> {
    if from.folded() == to.folded() {
        return Ok(());
    }
    let sql = "DELETE FROM reserved_name WHERE kind = ?1 AND folded = ?2";
    execute(change, sql, params![kind.as_str(), to.folded()])?;
    let sql = format!(
        "INSERT INTO reserved_name (kind, folded, name, reserved_at, {column}) VALUES (?1, ?2, ?3, ?4, ?5)"
    );
    let (folded, name) = (from.folded(), from.as_str());
    run(
        change,
        &sql,
        params![kind.as_str(), folded, name, now(), id],
    )
}

/// Writes the stored patterns anew that name what is renamed. Whoever may not see a `private` flake keeps the name that
/// they have for it, which reaches nothing, and is not told of the new one.
fn write_anew(
    change: &AccessChange<'_>,
    renaming: &Renaming,
    org: &Name,
    flake: Option<FlakeFacts>,
) -> Result<(), DatabaseError> {
    let hidden = flake.filter(|flake| flake.visibility == Visibility::Private);
    let mut seeing: HashMap<i64, bool> = HashMap::new();
    // `_` in a name matches any character here: what is found is compared by its name below. LIKE ignores case.
    let naming = format!("%{org}/%");
    for table in ["token", "trust_policy"] {
        // A policy's flakes are its own organisation's.
        let whose = if table == "token" {
            "account_id"
        } else {
            "NULL"
        };
        let sql = format!("SELECT id, {whose} AS whose, flakes FROM {table} WHERE flakes LIKE ?1");
        let found: Vec<(i64, Option<i64>, Vec<FlakePattern>)> = all(change, &sql, params![naming])?;
        for (id, whose, patterns) in found {
            if patterns
                .iter()
                .all(|pattern| renaming.of(pattern).is_none())
            {
                continue;
            }
            if let (Some(flake), Some(account)) = (hidden, whose) {
                let sees = match seeing.entry(account) {
                    Entry::Occupied(known) => *known.get(),
                    Entry::Vacant(unknown) => {
                        let rights = contests::rights(change, account)?;
                        *unknown.insert(rights.is_some_and(|rights| rights.role(flake).is_some()))
                    }
                };
                if !sees {
                    continue;
                }
            }
            let anew = patterns.into_iter().map(|pattern| {
                let renamed = renaming.of(&pattern);
                renamed.unwrap_or(pattern)
            });
            // In the order in which a policy is kept, so that one that says the same is the same.
            let anew: BTreeSet<FlakePattern> = anew.collect();
            let anew: Vec<String> = anew.iter().map(ToString::to_string).collect();
            let sql = format!("UPDATE {table} SET flakes = ?2 WHERE id = ?1");
            execute(change, &sql, params![id, anew.join(" ")])?;
        }
    }
    Ok(())
}

/// How many former names something has that lead to it.
pub fn count_former(read: &Read, kind: NameKind, id: i64) -> Result<i64, DatabaseError> {
    let column = column(kind);
    let sql = format!("SELECT COUNT(*) AS names FROM reserved_name WHERE {column} = ?1");
    one(read, &sql, params![id])
}

/// The same of a flake.
pub fn count_former_of_flake(read: &Read, flake_id: i64) -> Result<i64, DatabaseError> {
    let sql = "SELECT COUNT(*) AS names FROM former_flake_name WHERE flake_id = ?1";
    one(read, sql, params![flake_id])
}

/// The former names of an organisation's flakes, sorted: each in lower case, with the present name of the flake that it
/// leads to, and since when.
pub fn former_of_flakes(
    read: &Read,
    organization_id: i64,
) -> Result<Vec<(Name, Name, Timestamp)>, DatabaseError> {
    let sql = "SELECT former.folded, flake.name, former.given_up_at FROM former_flake_name former \
               JOIN flake ON flake.id = former.flake_id WHERE former.organization_id = ?1 ORDER BY former.folded";
    all(read, sql, params![organization_id])
}

/// Lets a former name of a flake be used again in its organisation: what it led to, by its present name; none where it
/// was no former name. It leads to nothing from then on.
pub fn free_flake_name(
    change: &AccessChange<'_>,
    organization_id: i64,
    name: &Name,
) -> Result<Option<Name>, DatabaseError> {
    change.touch_directory();
    let sql = "SELECT flake.name FROM former_flake_name former JOIN flake ON flake.id = former.flake_id \
               WHERE former.organization_id = ?1 AND former.folded = ?2";
    let keys = params![organization_id, name.folded()];
    let led_to = first(change, sql, keys)?;
    let sql = "DELETE FROM former_flake_name WHERE organization_id = ?1 AND folded = ?2";
    execute(change, sql, keys)?;
    Ok(led_to)
}

/// What an organisation or an account was called before, sorted.
pub fn former(read: &Read, kind: NameKind, id: i64) -> Result<Vec<Name>, DatabaseError> {
    let column = column(kind);
    let sql = format!("SELECT name FROM reserved_name WHERE {column} = ?1 ORDER BY folded");
    all(read, &sql, params![id])
}

fn column(kind: NameKind) -> &'static str {
    match kind {
        NameKind::Organization => "organization_id",
        NameKind::Account => "account_id",
    }
}

/// The internal ids of organisations by their former names, in lower case.
pub fn former_organizations(read: &Read) -> Result<HashMap<String, i64>, DatabaseError> {
    let sql = "SELECT folded, organization_id FROM reserved_name WHERE organization_id IS NOT NULL";
    let found: Vec<(String, i64)> = all(read, sql, &[])?;
    Ok(found.into_iter().collect())
}

/// The internal ids of flakes by organisation and former name, in lower case.
pub fn former_flakes(read: &Read) -> Result<HashMap<(i64, String), i64>, DatabaseError> {
    let sql = "SELECT organization_id, folded, flake_id FROM former_flake_name";
    let found: Vec<(i64, String, i64)> = all(read, sql, &[])?;
    let found = found.into_iter();
    Ok(found
        .map(|(organization, name, flake)| ((organization, name), flake))
        .collect())
}
