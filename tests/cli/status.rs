//! `fh status`: 'logged out' and 'cannot tell' are two things.

use fh_testkit::server::TestServer;
use serde_json::json;

use crate::answering::answering;
use crate::world::World;

#[test]
fn who_until_when_and_what() {
    let (server, world) = World::administrator();
    let run = world.typed("status").success();
    insta::assert_snapshot!(run.printed(&server), @r"
    Server:     [SERVER]
    User:       admin (human, server administrator)
    Token:      [ID] (created by the server for its administrator)
    May:        read write mint admin
    Flakes:     *
    Expires:    [DATE] (in 730 days)
    Token from: ~/.config/fh/tokens/[SERVER-FILE]
    ");
    let report = world.json("status");
    assert_eq!(report["logged_in"], true);
    assert_eq!(report["user"], "admin");
    assert_eq!(report["server"], server.url());
    assert!(
        report["token_source"]
            .as_str()
            .unwrap()
            .contains("/.config/fh/tokens/")
    );
    assert!(report["expires_at"].as_str().unwrap().starts_with("20"));
}

#[test]
fn without_a_login_one_is_logged_out() {
    let server = TestServer::start().unwrap();
    let world = World::new();
    let run = world.typed("status").code(3);
    insta::assert_snapshot!(run.said(&server), @r"
    Error: you are not logged in to any server
    Hint: Log in: `fh login --server URL`, or name a server with `--server URL` or FH_SERVER.
    ");
    let run = world.fh(&["status", "--server", server.url()]).code(3);
    insta::assert_snapshot!(run.said(&server), @r"
    Error: you are not logged in to [SERVER]
    Hint: Log in: `fh login --server [SERVER]`
    ");
    let report = world.typed("status --json").code(3).json();
    assert_eq!(report["logged_in"], false);
    assert_eq!(report["server"], json!(null));
}

#[test]
fn with_a_token_that_is_not_accepted_one_is_logged_out() {
    let server = TestServer::start().unwrap();
    let mut world = World::logged_in(&server, server.admin_token());
    world.set("FH_TOKEN", "nonsense");
    let run = world.typed("status").code(3);
    insta::assert_snapshot!(run.said(&server), @r"
    Error: you are logged out
    Caused by: [SERVER]/api/v1/whoami does not accept the credentials: this is not a token: expected fh1_… as printed by `fh token create`
    Hint: The token is from FH_TOKEN. Correct it, or unset FH_TOKEN to use the stored login.
    ");
    assert_eq!(
        world.typed("status --json").code(3).json()["logged_in"],
        false
    );
}

#[test]
fn a_server_that_is_not_there_cannot_tell() {
    let mut server = TestServer::start().unwrap();
    let world = World::logged_in(&server, server.admin_token());
    server.stop().unwrap();
    let run = world.typed("status").code(4);
    insta::assert_snapshot!(run.said(&server), @r"
    Error: cannot find out whether you are logged in
    Caused by: cannot reach [SERVER]/api/v1/whoami: the connection was refused
    Hint: Check the address and the port, and that the server runs (`fh serve`).
    ");
    let report = world.typed("status --json").code(4).json();
    assert_eq!(report["logged_in"], json!(null));
    assert!(report["reason"].as_str().unwrap().contains("refused"));
}

#[test]
fn something_else_at_that_address_cannot_tell() {
    let address = answering(|_| (200, "", "<html>hello</html>".to_owned()));
    let mut world = World::new();
    world.set("FH_TOKEN", "fh1_x");
    world
        .typed(format!("status --server {address}"))
        .code(4)
        .says(&["cannot find out"]);
}

#[test]
fn a_configuration_that_cannot_be_read_is_neither() {
    let world = World::new();
    world.write(".config/fh/config.toml", "servers = 3\n");
    world.typed("status").code(1).says(&["config.toml"]);
}
