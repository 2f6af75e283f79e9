use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use fh_api::OrganizationRole;
use fh_api::{Name, Role, UserKind, Visibility};
use fh_auth::TokenScope;
use fh_sql::{Refusal, SqlError, params};
use tempfile::TempDir;

use super::rows::all;
use super::*;
use crate::database::Decided;

fn open() -> (TempDir, Database) {
    let directory = TempDir::new().unwrap();
    let database = Database::open(directory.path()).unwrap();
    (directory, database)
}

/// What an engine refused.
fn refused(refusal: Refusal) -> DatabaseError {
    let source = "refused for a test".into();
    SqlError::Refused { refusal, source }.into()
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

#[test]
fn a_newer_schema_is_refused_and_left_alone() {
    let (directory, database) = open();
    drop(database);
    let connection = rusqlite::Connection::open(directory.path().join(FILE_NAME)).unwrap();
    connection
        .pragma_update(None, "user_version", 9999)
        .unwrap();
    drop(connection);
    let Err(error) = Database::open(directory.path()) else {
        panic!("opened");
    };
    assert!(
        matches!(
            error,
            DatabaseError::Sql(SqlError::Newer { found: 9999, .. })
        ),
        "{error}"
    );
    assert!(error.to_string().contains("9999"));
}

#[test]
fn the_file_is_private_even_where_it_was_not() {
    let (directory, database) = open();
    drop(database);
    let path = directory.path().join(FILE_NAME);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let _database = Database::open(directory.path()).unwrap();
    for file in [FILE_NAME, "fh.sqlite-wal", "fh.sqlite-shm"] {
        let mode = directory
            .path()
            .join(file)
            .metadata()
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
}

#[tokio::test]
async fn writes_commit_or_leave_nothing() {
    let (_directory, database) = open();
    database
        .write(Decided::by_server(), |tx| settings::set(tx, "a", "1"))
        .await
        .unwrap();
    let failed: Result<(), DatabaseError> = database
        .write(Decided::by_server(), |tx| {
            settings::set(tx, "a", "2")?;
            Err(DatabaseError::Task)
        })
        .await;
    failed.unwrap_err();
    let panicked: Result<(), DatabaseError> = database
        .write(Decided::by_server(), |tx| {
            settings::set(tx, "a", "3")?;
            panic!("in the middle of a tx")
        })
        .await;
    panicked.unwrap_err();
    let value = database
        .read(|read| settings::get(read, "a"))
        .await
        .unwrap();
    assert_eq!(value.as_deref(), Some("1"));
}

#[tokio::test]
async fn readers_cannot_write_and_survive_panics_and_cancellation() {
    let (_directory, database) = open();
    let written = database
        .read(|read| {
            let sql = "INSERT INTO server_setting (name, value) VALUES ('a', '2') RETURNING name";
            all::<String>(read, sql, &[])
        })
        .await;
    assert!(written.is_err());
    for _ in 0..fh_sql::READERS * 2 {
        let panicked: Result<(), _> = database.read(|_| panic!("while reading")).await;
        panicked.unwrap_err();
        let cancelled = database.read(|_| {
            std::thread::sleep(Duration::from_millis(20));
            Ok(())
        });
        let _ = tokio::time::timeout(Duration::from_millis(1), cancelled).await;
    }
    database
        .read(|read| settings::get(read, "a"))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_change_of_access_moves_the_generation_on_and_another_write_does_not() {
    let (_directory, database) = open();
    let before = database.generation();
    database
        .write(Decided::by_server(), |tx| settings::set(tx, "a", "1"))
        .await
        .unwrap();
    assert_eq!(database.generation(), before);

    let (account, organization) = database
        .change_access(Decided::by_server(), |change| {
            let account = accounts::insert(change, &name("ann"), UserKind::Human, false)?;
            let organization = organizations::insert(change, &name("acme"))?;
            let visibility = Visibility::Private;
            flakes::insert(change, organization.id, &name("app"), visibility, None)?;
            Ok::<_, DatabaseError>((account.id, organization.id))
        })
        .await
        .unwrap();
    let made = database.generation();
    assert!(made.access > before.access && made.directory > before.directory);

    database
        .change_access(Decided::by_server(), move |change| {
            let target = grants::Target::organization(organization, name("acme"));
            let subject = grants::SubjectId::Account(account);
            grants::set(change, &target, subject, Role::Read, account, false)?;
            members::set(change, organization, account, OrganizationRole::Member)
        })
        .await
        .unwrap();
    let granted = database.generation();
    assert!(granted.access > made.access);
    assert_eq!(granted.directory, made.directory);

    let failed: Result<(), DatabaseError> = database
        .change_access(Decided::by_server(), |_| Err(DatabaseError::Task))
        .await;
    failed.unwrap_err();
    assert_eq!(database.generation(), granted);
}

#[tokio::test]
async fn holdings_gather_grants_of_every_kind() {
    let (_directory, database) = open();
    let holdings = database
        .change_access(Decided::by_server(), |change| {
            let account = accounts::insert(change, &name("ann"), UserKind::Human, false)?.id;
            let acme = organizations::insert(change, &name("acme"))?.id;
            let other = organizations::insert(change, &name("other"))?.id;
            let mut flakes = Vec::new();
            for project in ["a", "b", "c", "d", "e"] {
                let visibility = Visibility::Private;
                flakes.push(flakes::insert(
                    change,
                    acme,
                    &name(project),
                    visibility,
                    None,
                )?);
            }
            members::set(change, acme, account, OrganizationRole::Member)?;
            for (id, organization) in [(1, acme), (2, other)] {
                change.execute(
                    "INSERT INTO team VALUES (?1, 'team' || ?1, ?2, 'ops', 'ops', 0)",
                    fh_sql::params![id, organization],
                )?;
                change.execute(
                    "INSERT INTO team_member VALUES (?1, ?2, 0)",
                    fh_sql::params![id, account],
                )?;
            }
            let grant = "INSERT INTO access_grant (uuid, organization_id, flake_id, subject, \
                         account_id, team_id, role, created_at) \
                         VALUES (hex(randomblob(8)), ?1, ?2, ?3, ?4, ?5, ?6, 0)";
            let nobody = None::<i64>;
            let one = |flake: i64| Some(flake);
            for (organization, flake, subject, account, team, role) in [
                (
                    acme,
                    one(flakes[0]),
                    "account",
                    Some(account),
                    nobody,
                    "read",
                ),
                (acme, one(flakes[0]), "team", None, Some(1), "write"),
                (acme, one(flakes[1]), "members", None, nobody, "read"),
                (
                    acme,
                    one(flakes[2]),
                    "account",
                    Some(account),
                    nobody,
                    "admin",
                ),
                (acme, None, "team", None, Some(1), "read"),
                // Not a member of that organisation (any more): its team's grant is nothing.
                (other, None, "team", None, Some(2), "admin"),
                (other, None, "members", None, nobody, "admin"),
            ] {
                let values = params![organization, flake, subject, account, team, role];
                change.execute(grant, values)?;
            }
            let mut facts = Vec::new();
            for flake in flakes {
                facts.push(fh_auth::FlakeFacts {
                    id: flake,
                    organization: acme,
                    visibility: Visibility::Private,
                });
            }
            let holdings = grants::holdings(change, account)?;
            assert_eq!(holdings.organization_grant(other), None);
            Ok::<_, DatabaseError>(
                facts
                    .into_iter()
                    .map(|f| holdings.role(f))
                    .collect::<Vec<_>>(),
            )
        })
        .await
        .unwrap();
    assert_eq!(
        holdings,
        [
            Some(Role::Write),
            Some(Role::Read),
            Some(Role::Admin),
            Some(Role::Read),
            Some(Role::Read),
        ]
    );
}

#[tokio::test]
async fn revoking_a_token_revokes_what_was_minted_with_it() {
    let (_directory, database) = open();
    let (revoked, again) = database
        .change_access(Decided::by_server(), |change| {
            let account = accounts::insert(change, &name("ann"), UserKind::Human, false)?.id;
            let scope = TokenScope::unrestricted();
            let mint = |parent_id| -> Result<i64, DatabaseError> {
                let token = tokens::NewToken {
                    account_id: account,
                    parent_id,
                    description: None,
                    scope: &scope,
                    path_set_id: None,
                    claims: None,
                    acting: None,
                    created_at: now(),
                    created_by: None,
                    expires_at: now().plus_seconds(60),
                    terms: tokens::RenewalTerms::default(),
                };
                let uuid = tokens::insert(change, &token)?;
                Ok(tokens::find(change, uuid)?.unwrap().id)
            };
            let first = mint(None)?;
            let child = mint(Some(first))?;
            mint(Some(child))?;
            mint(Some(first))?;
            let revoke = |id| {
                let ids: Vec<i64> = lineage::own_ids(change, id)?.into_iter().collect();
                tokens::revoke(change, &ids)
            };
            Ok::<_, DatabaseError>((revoke(child)?, revoke(first)?))
        })
        .await
        .unwrap();
    assert_eq!(
        (revoked, again),
        (2, 2),
        "the child and its child; then the rest"
    );
}

#[test]
fn no_number_is_used_again() {
    let (directory, database) = open();
    drop(database);
    let connection = rusqlite::Connection::open(directory.path().join(FILE_NAME)).unwrap();
    let mut tables = connection
        .prepare(
            "SELECT name, sql LIKE '%AUTOINCREMENT%' FROM sqlite_schema \
             WHERE type = 'table' AND sql LIKE '%INTEGER PRIMARY KEY%'",
        )
        .unwrap();
    let tables: Vec<(String, bool)> = tables
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert!(tables.len() >= 15, "{tables:?}");
    for (table, ascends) in &tables {
        assert!(ascends, "{table}");
        let known: i64 = connection
            .query_row(
                "SELECT COUNT(*) FROM sqlite_sequence WHERE name = ?1",
                [table],
                |row| row.get(0),
            )
            .unwrap();
        assert!(known == 1 || table == "path_set", "{table}");
    }
    let mut numbers = Vec::new();
    for round in 0..3 {
        let sql =
            "INSERT INTO organization (uuid, name, folded, created_at) VALUES (?1, 'a', 'a', 0)";
        connection.execute(sql, [round]).unwrap();
        numbers.push(connection.last_insert_rowid());
        connection.execute("DELETE FROM organization", []).unwrap();
    }
    assert!(
        numbers.windows(2).all(|pair| pair[0] < pair[1]),
        "{numbers:?}"
    );
    let intact: String = connection
        .pragma_query_value(None, "integrity_check", |row| row.get(0))
        .unwrap();
    assert_eq!(intact, "ok");
}

#[tokio::test]
async fn what_another_process_writes_makes_decisions_stale() {
    let (directory, ours) = open();
    let theirs = Database::open(directory.path()).unwrap();
    let write = async |database: &Database, decided, key: &'static str| {
        let written = database.write(decided, move |tx| settings::set(tx, key, "x"));
        written.await
    };
    let decided = Decided::at(ours.generation());
    write(&ours, decided, "first").await.unwrap();
    write(&ours, decided, "own writes are none of others")
        .await
        .unwrap();
    write(&theirs, Decided::by_server(), "second")
        .await
        .unwrap();
    let error = write(&ours, decided, "third").await.unwrap_err();
    assert!(matches!(error, DatabaseError::Stale), "{error}");
    let decided = Decided::at(ours.generation());
    write(&ours, decided, "third").await.unwrap();
    // What depends on nothing that was decided is not held up.
    write(&theirs, Decided::by_server(), "fourth")
        .await
        .unwrap();
    write(&ours, Decided::by_server(), "fifth").await.unwrap();
    // Whoever keeps copies is told all the same, once.
    assert!(ours.notice_others().await.unwrap());
    assert!(!ours.notice_others().await.unwrap());
}

#[test]
fn only_what_surely_failed_counts_as_not_written() {
    for (error, may_have_committed) in [
        (refused(Refusal::Disk), true),
        // Nobody saw how it ended.
        (DatabaseError::Task, true),
        (refused(Refusal::Full), false),
        (refused(Refusal::Busy), false),
        (refused(Refusal::Other), false),
        (DatabaseError::NoRoom, false),
        (DatabaseError::Stale, false),
    ] {
        assert_eq!(error.may_have_committed(), may_have_committed, "{error:?}");
    }
}

/// A change that is refused for whatever else leaves the reserve for one that is made.
#[tokio::test]
async fn the_reserve_is_given_up_for_want_of_room_alone() {
    let (_directory, database) = open();
    let room = database.room();
    for (refusal, is_full) in [
        (Some(Refusal::Full), true),
        (Some(Refusal::Busy), false),
        (Some(Refusal::Disk), false),
        (Some(Refusal::Unique), false),
        (None, false),
    ] {
        for (takes_away, gives_up) in [(false, false), (true, is_full)] {
            assert!(room.keep().unwrap());
            let decided = match Decided::at(database.generation()) {
                decided if takes_away => decided.taking_away(),
                decided => decided,
            };
            let error = refusal.map_or(DatabaseError::Task, refused);
            let failed: Result<(), DatabaseError> =
                database.change_access(decided, move |_| Err(error)).await;
            assert_eq!(room.is_given_up(), gives_up, "{refusal:?} {takes_away}");
            // Then it is done once more.
            let stale = matches!(failed.unwrap_err(), DatabaseError::Stale);
            assert_eq!(stale, gives_up, "{refusal:?} {takes_away}");
        }
    }
}
