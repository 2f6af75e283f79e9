use std::os::unix::fs::PermissionsExt as _;

use fh_persistence::database::Decided;
use fh_persistence::tenure;
use tempfile::TempDir;

use super::*;
use crate::testing::{self, TestServer};

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o7777
}

fn admin_token(directory: &TempDir) -> String {
    std::fs::read_to_string(directory.path().join("data/admin.token")).unwrap()
}

#[tokio::test]
async fn the_first_start_makes_everything_and_the_second_nothing() {
    let server = TestServer::start().await;
    let data = server.directory.path().join("data");
    assert_eq!(mode(&data), 0o700);
    for file in ["admin.token", "fh.sqlite", "fh.sqlite-wal", "lock"] {
        assert_eq!(mode(&data.join(file)), 0o600, "{file}");
    }
    let keys = server.state.keys().public();
    assert_eq!(keys[0].state, "active");
    assert!(keys[0].public_key.starts_with("cache.example.org-1:"));
    assert!(keys[1].public_key.starts_with("cache.example.org-2:"));

    let token = server.admin.clone();
    let server = TestServer::start_in(server.stop()).await;
    assert_eq!(server.admin, token);
    assert_eq!(server.state.keys().public(), keys);
    let whoami = server.get("/api/v1/whoami", &token).await.expect(200);
    let whoami: fh_api::Whoami = whoami.json();
    assert_eq!(whoami.user.as_str(), "admin");
    assert!(whoami.server_admin);
}

#[tokio::test]
async fn a_start_cut_off_before_the_file_is_completed_by_the_next() {
    let directory = TempDir::new().unwrap();
    drop(testing::open(&directory).await.unwrap());
    let token = admin_token(&directory);
    let data = directory.path().join("data");
    // As it is between the row and the file: the setting is there, the file is half-written.
    std::fs::remove_file(data.join("admin.token")).unwrap();
    std::fs::write(data.join("admin.new"), "fh1_ha").unwrap();
    // Whatever lies in its place is neither written to nor waited for.
    testing::make_pipe(&data.join("admin.token"));
    let database = Database::open(&data).unwrap();
    let id = fh_auth::read_unverified(&token).unwrap().jti.to_string();
    database
        .write(Decided::by_server(), move |change| {
            settings::set(change, settings::PENDING_ADMIN_TOKEN, &id)
        })
        .await
        .unwrap();
    drop(database);

    let state = testing::open(&directory).await.unwrap();
    assert_eq!(
        admin_token(&directory),
        token,
        "the same token, signed again"
    );
    assert_eq!(mode(&data.join("admin.token")), 0o600);
    assert!(!data.join("admin.new").exists());
    let left = state
        .database()
        .read(|read| settings::get(read, settings::PENDING_ADMIN_TOKEN))
        .await
        .unwrap();
    assert_eq!(left, None);
}

#[tokio::test]
async fn a_token_file_that_was_moved_away_stays_away() {
    let directory = TempDir::new().unwrap();
    drop(testing::open(&directory).await.unwrap());
    let file = directory.path().join("data/admin.token");
    std::fs::remove_file(&file).unwrap();
    drop(testing::open(&directory).await.unwrap());
    assert!(!file.exists());
}

#[tokio::test]
async fn who_locked_themselves_out_gets_a_new_token_at_the_next_start() {
    let server = TestServer::start().await;
    let old = server.admin.clone();
    server.revoke(&old).await;
    server.get("/api/v1/whoami", &old).await.expect(401);
    let server = TestServer::start_in(server.stop()).await;
    assert_ne!(server.admin, old);
    server.get("/api/v1/users", &server.admin).await.expect(200);
    server.get("/api/v1/users", &old).await.expect(401);
}

#[tokio::test]
async fn two_servers_never_share_a_data_directory() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let state = testing::open(&directory).await.unwrap();
    assert!(tenure::is_in_use(&data));
    let Err(error) = testing::open(&directory).await else {
        panic!("a second server started");
    };
    assert!(matches!(error, ServerError::InUse { .. }), "{error}");
    drop(state);
    assert!(!tenure::is_in_use(&data));
    testing::open(&directory).await.unwrap();
}
