//! `fh login` that fails: each reason has its own words, and nothing was written.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::Stdio;
use std::time::Duration;

use fh_testkit::assert_contains;
use fh_testkit::server::TestServer;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::answering::answering;
use crate::world::{Run, World};

/// Fails to log in, with the token on stdin, and shows that nothing has changed.
fn refused(world: &World, address: &str, token: &str) -> Run {
    let before = world.everything();
    let run = world
        .with_stdin(&["login", "--scope", "user", "--server", address], token)
        .code(1);
    assert_eq!(run.stdout, "");
    run.never_says(&["fh1_ey"]);
    assert_eq!(world.everything(), before);
    run
}

#[test]
fn a_token_that_is_none() {
    let server = TestServer::start().unwrap();
    let run = refused(&World::new(), server.url(), "nonsense");
    insta::assert_snapshot!(run.said(&server), @r"
    Error: this is not a token of [SERVER]
    Caused by: [SERVER]/api/v1/whoami does not accept the credentials: this is not a token: expected fh1_… as printed by `fh token create`
    Hint: A token begins with fh1_ and is one long word: give all of it.
    ");
    let run = refused(&World::new(), server.url(), "two words");
    insta::assert_snapshot!(run.said(&server), @r"
    Error: the token is malformed: it must be one word of printable ASCII characters
    Hint: `fh token create` prints a token; give all of it, with `--token-file FILE`.
    ");
    let run = refused(&World::new(), server.url(), "\n");
    insta::assert_snapshot!(run.said(&server), @r"
    Error: there is no token on stdin
    Hint: Pipe it in, or name a file: `--token-file FILE`
    ");
}

#[test]
fn a_token_that_was_changed() {
    let server = TestServer::start().unwrap();
    let token = server.admin_token();
    let forged = format!("{}AAAA", &token[..token.len() - 4]);
    let run = refused(&World::new(), server.url(), &forged);
    insta::assert_snapshot!(run.said(&server), @r"
    Error: [SERVER] does not accept this token
    Caused by: [SERVER]/api/v1/whoami does not accept the credentials: the token's signature is not valid
    Hint: Get another one: `fh token create`, or from an administrator of the server.
    ");
}

#[test]
fn a_token_that_expired() {
    let server = TestServer::start().unwrap();
    let token = server.mint(&json!({ "expires_in": 1 })).unwrap();
    std::thread::sleep(Duration::from_millis(2100));
    let run = refused(&World::new(), server.url(), &token);
    insta::assert_snapshot!(run.said(&server), @r"
    Error: this token expired at [TIME] (just now)
    Hint: Get another one: `fh token create`, or from an administrator of the server.
    ");
}

#[test]
fn a_token_that_was_revoked() {
    let (server, world) = World::administrator();
    let made = world.json("token create");
    let id = made["info"]["id"].as_str().unwrap();
    world.fh(&["token", "revoke", "--yes", id]).success();
    let run = refused(&World::new(), server.url(), made["token"].as_str().unwrap());
    insta::assert_snapshot!(run.said(&server), @r"
    Error: [SERVER] does not accept this token
    Caused by: [SERVER]/api/v1/whoami does not accept the credentials: the token was revoked at [TIME]
    Hint: Get another one: `fh token create`, or from an administrator of the server.
    ");
}

#[test]
fn a_token_of_another_server_is_not_even_sent() {
    let server = TestServer::start().unwrap();
    let other = TestServer::start().unwrap();
    let run = refused(&World::new(), server.url(), other.admin_token());
    let said = run.said(&server).replace(other.url(), "[OTHER]");
    insta::assert_snapshot!(said, @r"
    Error: this token is for another server, [OTHER]
    Hint: Log in there, or get a token of [SERVER]. If the server was set up again, its earlier tokens are no longer valid.
    ");
}

#[test]
fn a_server_that_is_not_there() {
    let mut server = TestServer::start().unwrap();
    let token = server.admin_token().to_owned();
    server.stop().unwrap();
    let run = refused(&World::new(), server.url(), &token);
    insta::assert_snapshot!(run.said(&server), @r"
    Error: cannot reach [SERVER]/.well-known/fh: the connection was refused
    Hint: Check the address and the port, and that the server runs (`fh serve`).
    ");
}

#[test]
fn something_else_that_answers() {
    let server = TestServer::start().unwrap();
    let address = answering(|_| (404, "", "nope".to_owned()));
    let run = refused(&World::new(), &address, server.admin_token());
    let said = run.said(&server).replace(&address, "[OTHER]");
    insta::assert_snapshot!(said, @r"
    Error: [OTHER] is not an fh server: /.well-known/fh answers with status 404
    Hint: Check the address; the server's own is set by `fh serve --public-url`.
    ");
}

#[test]
fn a_netrc_that_is_not_understood_is_left_alone() {
    let server = TestServer::start().unwrap();
    let world = World::new();
    world.write(".config/nix/netrc", "machine a.org login me password\n");
    let run = refused(&world, server.url(), server.admin_token());
    insta::assert_snapshot!(run.said(&server), @r"
    Error: ~/.config/nix/netrc cannot be parsed, and was not changed
    Caused by: invalid netrc at line 1, column 24: password without a value
    Hint: Correct the file by hand, and try again.
    ");
}

#[test]
fn a_nix_conf_that_is_not_understood_is_left_alone() {
    let server = TestServer::start().unwrap();
    let world = World::new();
    world.write(
        ".config/nix/nix.conf",
        "max-jobs = 1\naccess-tokens github.com=secret\n",
    );
    let run = refused(&world, server.url(), server.admin_token());
    run.never_says(&["secret"]);
    insta::assert_snapshot!(run.said(&server), @r"
    Error: ~/.config/nix/nix.conf is invalid at line 2, column 15: the second word is not '='
    Hint: Correct the file by hand, and try again.
    ");
}

#[test]
fn somebody_s_password_is_not_replaced() {
    let server = TestServer::start().unwrap();
    let world = World::new();
    world.write(
        ".config/nix/netrc",
        "machine 127.0.0.1 login me password hunter2\n",
    );
    let run = refused(&world, server.url(), server.admin_token());
    run.never_says(&["hunter2"]);
    insta::assert_snapshot!(run.said(&server), @r"
    Error: ~/.config/nix/netrc has an entry for 127.0.0.1 that is not a token
    Hint: A netrc has one entry for each host, whatever the port. If this one is not needed, remove it and try again.
    Hint: Nothing was changed.
    ");
}

#[test]
fn a_failure_half_way_takes_back_what_was_written() {
    let server = TestServer::start().unwrap();
    let world = World::new();
    world.write(".config/nix/netrc", "# mine\n");
    // nix.conf comes last, and somebody holds its lock by a link that leads nowhere.
    let lock = world.config("nix/.nix.conf.fh-lock");
    std::os::unix::fs::symlink("/nonexistent/lock", &lock).unwrap();
    let run = refused_ignoring_times(&world, server.url(), server.admin_token());
    std::fs::remove_file(&lock).unwrap();
    assert!(!world.config("fh/tokens").exists());
    run.says(&["Nothing was changed."]);
    assert!(!world.config("nix/nix.conf").exists());
    assert_eq!(world.read("nix/netrc"), "# mine\n");
}

/// As [`refused`], where files were written and put back.
fn refused_ignoring_times(world: &World, address: &str, token: &str) -> Run {
    let contents = || -> Vec<_> {
        let all = world.everything().into_iter();
        all.filter(|(path, _)| !path.ends_with(".lock"))
            .map(|(path, (content, _, _))| (path, content))
            .collect()
    };
    let before = contents();
    let run = world
        .with_stdin(&["login", "--scope", "user", "--server", address], token)
        .code(1);
    assert_eq!(contents(), before);
    run
}

#[test]
fn without_a_server_flakehub_is_meant() {
    let server = TestServer::start().unwrap();
    let world = World::new();
    // FlakeHub, as for the existing fh: a token of another server is not even sent there.
    let run = world.with_stdin(&["login"], server.admin_token()).code(1);
    insta::assert_snapshot!(run.said(&server), @r"
    Error: this token is for another server, [SERVER]
    Hint: Log in there, or get a token of https://api.flakehub.com. If the server was set up again, its earlier tokens are no longer valid.
    Hint: No server was named, so FlakeHub is meant. Name yours: `fh login --server URL`
    ");
    let run = world.typed("login --server nosuchname").code(2);
    insta::assert_snapshot!(run.said(&server), @r#"
    Error: --server names "nosuchname", and no server of that name is known
    Hint: `fh server list` shows the known servers; name a new one by its address.
    "#);
    let run = world
        .typed(format!(
            "login --scope user --server {} --token-file missing",
            server.url()
        ))
        .code(1);
    insta::assert_snapshot!(run.said(&server), @r"
    Error: cannot read the token in missing
    Caused by: No such file or directory (os error 2)
    ");
}

#[test]
fn control_c_ends_the_wait_for_a_token() {
    let server = TestServer::start().unwrap();
    let world = World::new();
    let mut child = world
        .process(&["login", "--scope", "user", "--server", server.url(), "-vv"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // What it says with -vv shows that it has asked the server, and so waits for the token now.
    let mut said = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("well-known") {
        line.clear();
        assert_ne!(said.read_line(&mut line).unwrap(), 0);
    }
    std::thread::sleep(Duration::from_millis(300));
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let mut rest = String::new();
    said.read_to_string(&mut rest).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{rest}");
    assert_contains(&rest, &["Nothing was changed."]);
    assert!(world.everything().is_empty());
}

/// With `--offline` nobody is asked, and nothing but a token of the server is written over one that works.
#[test]
fn offline_only_what_can_be_a_token_of_the_server_is_taken() {
    let (server, other) = (TestServer::start().unwrap(), TestServer::start().unwrap());
    let world = World::logged_in(&server, server.admin_token());
    world
        .with_stdin(
            &["login", "--scope", "user", "--yes", "--token-stdin"],
            server.admin_token(),
        )
        .success();
    let jwt = |claims: serde_json::Value| {
        let claims = data_encoding::BASE64URL_NOPAD.encode(claims.to_string().as_bytes());
        format!("eyJhbGciOiJSUzI1NiJ9.{claims}.c2ln")
    };
    let offline = |token: &str| {
        let words = "login --scope user --yes --offline --token-stdin";
        world.given(words, token)
    };
    let before = world.everything();
    for bad in [
        "helloworld",
        "fh1_abc",
        "flakehub1_abc",
        "a.b.c",
        other.admin_token(),
        &jwt(serde_json::json!({ "aud": "https://cache.example.org", "exp": 32_503_680_000_i64 })),
        &jwt(serde_json::json!({ "exp": 32_503_680_000_i64 })),
    ] {
        offline(bad).code(1).never_says(&[bad]);
        assert_eq!(world.everything(), before, "{bad}");
    }
    offline(server.admin_token()).success();
    assert_eq!(world.everything(), before);
    offline(&jwt(
        serde_json::json!({ "aud": [server.url()], "exp": 32_503_680_000_i64 }),
    ))
    .success();
}
