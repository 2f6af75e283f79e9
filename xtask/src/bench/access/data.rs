//! The generated data: a data directory that a server made, filled by SQL while no server runs.
//!
//! It takes a while and a gigabyte, so it is kept below `target/bench` for the next run. Accounts and
//! tokens come from the server itself. There are no objects: nothing but narinfos is asked for.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use fh_testkit::nix::Home;
use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::setting::{Setting, progress};
use super::plan::{self, FLAKES, ORGANIZATIONS, ROWS, TEAMS, View, views};
use crate::http;
use crate::server::Server;

/// Changes when something else is generated from the same numbers.
const VERSION: u32 = 3;

/// How long generated data is used again: less than its tokens live.
const LONGEST_USE: Duration = Duration::from_secs(30 * 24 * 3600);

/// A generated data directory.
pub(super) struct Data {
    /// Whose server made it.
    fh: PathBuf,
    directory: PathBuf,
    note: Note,
}

/// What is noted beside the data, once all of it is there.
#[derive(Serialize, Deserialize)]
struct Note {
    parameters: Value,
    /// The tokens by the names of their accounts.
    tokens: BTreeMap<String, String>,
}

fn parameters() -> Value {
    json!([VERSION, FLAKES, ORGANIZATIONS, TEAMS, ROWS])
}

impl Data {
    /// What an earlier run has left for this version of the schema, or new.
    pub(super) fn open(setting: &Setting, fh: &Path) -> Result<Self> {
        let scratch = setting.scratch.directory()?;
        // A start makes the data directory, and shows which version of the schema this server has.
        let made = scratch.join("data");
        let server = start(setting, fh, &made)?;
        let administrator = administrator(&server)?;
        let tokens = views()
            .iter()
            .map(|view| {
                let token = account(&server, &administrator, view.name)?;
                Ok((view.name.to_owned(), token))
            })
            .collect::<Result<_>>()?;
        server.stop()?;
        let version: i64 = Connection::open(made.join(DATABASE))?.pragma_query_value(
            None,
            "user_version",
            |row| row.get(0),
        )?;
        let parent = fh_testkit::target().join("bench");
        let directory = parent.join(format!("access-schema-{version}"));
        let note = match usable_note(&directory) {
            Some(note) => note,
            None => generate(&made, &directory, tokens)?,
        };
        let fh = fh.to_owned();
        Ok(Self {
            fh,
            directory,
            note,
        })
    }

    /// Starts a server on it, which remembers nothing yet.
    pub(super) fn serve(&self, setting: &Setting) -> Result<Server> {
        start(setting, &self.fh, &self.directory.join("data"))
    }

    /// The token of a view's account.
    pub(super) fn token(&self, view: &str) -> Result<&str> {
        let token = self.note.tokens.get(view);
        Ok(token.with_context(|| format!("there is no token of {view}"))?)
    }
}

const DATABASE: &str = "fh.sqlite";
const NOTE_FILE: &str = "generated.json";

/// Fills the data directory that was made, and moves it to where it stays.
fn generate(made: &Path, directory: &Path, tokens: BTreeMap<String, String>) -> Result<Note> {
    if directory.exists() {
        fs::remove_dir_all(directory)?;
    }
    progress("  generating 2 million paths in 10 000 slices");
    let begin = Instant::now();
    fill(&mut Connection::open(made.join(DATABASE))?)
        .context("the generated rows do not fit the schema")?;
    let parameters = parameters();
    let note = Note { parameters, tokens };
    fs::create_dir_all(directory)?;
    fs::rename(made, directory.join("data"))?;
    fs::write(directory.join(NOTE_FILE), serde_json::to_vec(&note)?)?;
    progress(&format!("  it took {:.0?}", begin.elapsed()));
    Ok(note)
}

/// The note on data that is as it would be made now, and not too old.
fn usable_note(directory: &Path) -> Option<Note> {
    let file = directory.join(NOTE_FILE);
    let age = file.metadata().ok()?.modified().ok()?.elapsed().ok()?;
    let note: Note = serde_json::from_slice(&fs::read(file).ok()?).ok()?;
    (age < LONGEST_USE && note.parameters == parameters()).then_some(note)
}

fn start(setting: &Setting, fh: &Path, data: &Path) -> Result<Server> {
    let home = Home::new()?;
    Server::start(fh, data, setting.nix(), &home)
}

/// The token that the server has made for its administrator.
pub(super) fn administrator(server: &Server) -> Result<String> {
    Ok(fs::read_to_string(server.admin_token()?)?.trim().to_owned())
}

/// Makes an account, and a token that may pull.
fn account(server: &Server, administrator: &str, name: &str) -> Result<String> {
    let wanted = json!({ "name": name });
    post(server, administrator, "/api/v1/users", &wanted)?;
    token(server, administrator, name, &["pull"])
}

/// Makes a token of an account.
pub(super) fn token(
    server: &Server,
    administrator: &str,
    name: &str,
    permissions: &[&str],
) -> Result<String> {
    let wanted = json!({ "user": name, "permissions": permissions });
    let minted = post(server, administrator, "/api/v1/tokens", &wanted)?;
    let token = minted["token"].as_str().context("a token without text")?;
    Ok(token.to_owned())
}

fn post(server: &Server, administrator: &str, path: &str, body: &Value) -> Result<Value> {
    let answer = http::send(server.port(), "POST", path, Some(administrator), Some(body))?;
    let text = String::from_utf8_lossy(&answer.body);
    ensure!(
        answer.status == 201,
        "POST {path}: {} {text}",
        answer.status
    );
    Ok(serde_json::from_str(&text)?)
}

/// The name of a flake.
pub(super) fn flake_name(flake: u32) -> String {
    format!("org-{}/flake-{flake}", flake % ORGANIZATIONS)
}

/// Numbers from 0 on, as many as the first parameter says.
const NUMBERS: &str = "WITH RECURSIVE number (n) AS \
     (SELECT 0 UNION ALL SELECT n + 1 FROM number WHERE n + 1 < ?1) ";

/// Writes all rows, in one transaction. An id is a number plus one.
fn fill(connection: &mut Connection) -> Result<()> {
    // If it does not come to its end, the file is thrown away.
    connection.pragma_update(None, "journal_mode", "MEMORY")?;
    connection.pragma_update(None, "synchronous", "OFF")?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "cache_size", -(1 << 20))?;
    let transaction = connection.transaction()?;
    let numbered = |sql: &str, count: u32| transaction.execute(&format!("{NUMBERS}{sql}"), [count]);
    numbered(
        "INSERT INTO organization (id, uuid, name, folded, created_at) \
         SELECT n + 1, printf('00000000-0000-7000-8000-%012x', n), 'org-' || n, 'org-' || n, 0 FROM number",
        ORGANIZATIONS,
    )?;
    numbered(
        &format!(
            "INSERT INTO flake (id, uuid, organization_id, name, folded, visibility, created_at) \
             SELECT n + 1, printf('00000001-0000-7000-8000-%012x', n), n % {ORGANIZATIONS} + 1, \
             'flake-' || n, 'flake-' || n, 'private', 0 FROM number"
        ),
        FLAKES,
    )?;
    access(&transaction)?;
    slices(&transaction)?;
    transaction.commit()?;
    connection.execute_batch("PRAGMA optimize")?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    Ok(())
}

/// Teams, memberships and grants.
fn access(connection: &Connection) -> Result<()> {
    let mut team = connection.prepare(
        "INSERT INTO team (id, uuid, organization_id, name, folded, created_at) \
         VALUES (?1 + 1, printf('00000002-0000-7000-8000-%012x', ?1), ?2 + 1, 'team-' || ?1, 'team-' || ?1, 0)",
    )?;
    let mut member = connection.prepare(
        "INSERT INTO membership (organization_id, account_id, role, created_at) \
         VALUES (?1 + 1, (SELECT id FROM account WHERE name = ?2), ?3, 0) ON CONFLICT DO NOTHING",
    )?;
    let mut team_member = connection.prepare(
        "INSERT INTO team_member (team_id, account_id, created_at) \
         VALUES (?1 + 1, (SELECT id FROM account WHERE name = ?2), 0)",
    )?;
    let mut grant = connection.prepare(
        "INSERT INTO access_grant \
         (uuid, organization_id, flake_id, subject, account_id, team_id, role, created_at) \
         VALUES (lower(hex(randomblob(16))), ?1 + 1, ?2 + 1, ?3, \
                 (SELECT id FROM account WHERE name = ?4), ?5 + 1, 'read', 0)",
    )?;
    // What was granted by name counts for guests; a former server knows of none.
    let guest = connection.table_exists(None, "guest")?;
    let guest = guest.then_some(
        "INSERT INTO guest (organization_id, account_id, accepted_at) \
         VALUES (?1 + 1, (SELECT id FROM account WHERE name = ?2), 0) ON CONFLICT DO NOTHING",
    );
    let mut guest = guest.map(|sql| connection.prepare(sql)).transpose()?;
    let mut accept = |organization: u32, name: &str| match &mut guest {
        Some(guest) => guest.execute(params![organization, name]),
        None => Ok(0),
    };
    let nobody = None::<&str>;
    let none = None::<u32>;
    for number in 0..TEAMS {
        let organization = plan::organization_of_team(number);
        team.execute(params![number, organization])?;
        for flake in plan::flakes_of_team(number) {
            grant.execute(params![organization, flake, "team", nobody, number])?;
        }
    }
    for View {
        name,
        organizations,
        teams,
        flakes,
    } in views()
    {
        for organization in organizations {
            grant.execute(params![organization, none, "account", name, none])?;
            accept(organization, name)?;
        }
        for team in teams {
            member.execute(params![plan::organization_of_team(team), name, "member"])?;
            team_member.execute(params![team, name])?;
        }
        for flake in flakes {
            let organization = flake % ORGANIZATIONS;
            grant.execute(params![organization, flake, "account", name, none])?;
            accept(organization, name)?;
        }
    }
    // Whoever grants something in the course of the benchmark.
    let sql = "SELECT name FROM account WHERE server_admin = 1";
    let administrator: String = connection.query_row(sql, [], |row| row.get(0))?;
    for organization in 0..ORGANIZATIONS {
        member.execute(params![organization, administrator, "owner"])?;
    }
    Ok(())
}

/// The paths, and a NAR of its own for each. They came slice by slice, and so are their ids.
fn slices(connection: &Connection) -> Result<()> {
    connection.execute_batch("CREATE TEMP TABLE holding (flake INTEGER, path INTEGER)")?;
    let groups = plan::groups();
    for group in &groups {
        connection.execute(
            &format!(
                "{NUMBERS}, path (p) AS (SELECT ?2 UNION ALL SELECT p + 1 FROM path WHERE p + 1 < ?3) \
                 INSERT INTO holding SELECT (p * ?4 + n * ?5) % {FLAKES}, p FROM path CROSS JOIN number"
            ),
            params![
                group.holders,
                group.paths.start,
                group.paths.end,
                plan::SPREAD,
                group.step()
            ],
        )?;
    }
    let paths = groups.last().map_or(0, |group| group.paths.end);
    connection.execute(
        &format!(
            "{NUMBERS} INSERT INTO nar (id, nar_hash, nar_size, file_size, created_at) \
             SELECT n + 1, unhex(printf('%08x%056x', n * ?2 % 4294967296, n)), 100000 + n, 40000 + n, 0 \
             FROM number"
        ),
        params![paths, plan::SCATTER],
    )?;
    // Indexes that are made in the end are made in order.
    let sql = "SELECT name, sql FROM sqlite_schema \
               WHERE type = 'index' AND tbl_name = 'slice_path' AND sql IS NOT NULL";
    let indexes: Vec<(String, String)> = connection
        .prepare(sql)?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    for (name, _) in &indexes {
        connection.execute_batch(&format!("DROP INDEX {name}"))?;
    }
    connection.execute(
        "INSERT INTO slice_path \
         (path_hash, flake_id, name, nar_id, path_refs, signatures, created_at) \
         SELECT unhex(printf('%08x%032x', path * ?1 % 4294967296, path)), flake + 1, \
         'package-' || path || '-1.0', path + 1, ?2, '', 0 FROM holding ORDER BY flake, path",
        params![plan::SCATTER, REFERENCES],
    )?;
    for (_, sql) in &indexes {
        connection.execute_batch(sql)?;
    }
    connection.execute_batch(PACK)?;
    connection.execute_batch(
        "DROP TABLE holding; \
         UPDATE flake SET last_push_at = 0, \
         path_count = (SELECT COUNT(*) FROM slice_path WHERE flake_id = flake.id)",
    )?;
    Ok(())
}

/// As pushes would have done it by and by.
const PACK: &str =
    include_str!("../../../../crates/fh-persistence/src/database/migrations/0007_pack.sql");

/// Of every path, so that narinfos are as long as they usually are.
const REFERENCES: &str = "0a0b0c0d0f0g0h0i0j0k0l0m0n0p0q0r-glibc-2.40-66 \
     1a1b1c1d1f1g1h1i1j1k1l1m1n1p1q1r-gcc-14.2.1.20250322-lib \
     2a2b2c2d2f2g2h2i2j2k2l2m2n2p2q2r-zlib-1.3.1 \
     3a3b3c3d3f3g3h3i3j3k3l3m3n3p3q3r-openssl-3.4.1";
