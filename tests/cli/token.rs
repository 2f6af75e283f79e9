//! `fh token`: what tokens are made, how they are shown, and what ends with them.

use std::fs::File;
use std::os::unix::fs::PermissionsExt as _;

use fh_testkit::server::TestServer;

use crate::world::World;

#[test]
fn a_token_alone_is_on_stdout() {
    let server = TestServer::start().unwrap();
    server.create_user("alice").unwrap();
    let world = World::logged_in(&server, server.admin_token());
    let options = "--user alice --expires 30d --permission pull --permission push --flake acme/*";
    let create = format!("token create {options} --description");
    let words: Vec<&str> = create.split(' ').chain(["a laptop"]).collect();
    let run = world.fh(&words).success();
    let token = run.stdout.trim_end();
    assert!(token.starts_with("fh1_") && !token.contains(char::is_whitespace));
    insta::assert_snapshot!(run.said(&server), @r"Created the token [ID] for alice: read write on acme/*, until [DATE] (in 30 days).");

    let report = world
        .with_stdin(&["token", "inspect", "-", "--json"], token)
        .success()
        .json();
    assert_eq!(report["server"], "accepted");
    assert_eq!(report["whoami"]["user"], "alice");
    assert_eq!(report["whoami"]["flakes"][0], "acme/*");
    assert_eq!(report["whoami"]["token_description"], "a laptop");
    assert!(!report.to_string().contains(token));
}

#[test]
fn a_token_as_json_and_for_netrc() {
    let (_server, world) = World::administrator();
    let made = world.json("token create");
    assert!(made["token"].as_str().unwrap().starts_with("fh1_"));
    assert_eq!(made["info"]["permissions"][0], "pull");
    let lines = world.typed("token create --output netrc").success().stdout;
    assert!(
        lines.starts_with("machine 127.0.0.1 login admin password fh1_"),
        "{lines}"
    );
    assert_eq!(lines.lines().count(), 1);
}

#[test]
fn a_token_file_that_others_can_read_is_warned_of() {
    let (_server, world) = World::administrator();
    for (mode, warned) in [(0o644, true), (0o600, false)] {
        let path = world.path("t");
        let file = File::create(&path).unwrap();
        file.set_permissions(std::fs::Permissions::from_mode(mode))
            .unwrap();
        let output = world
            .process(&["token", "create"])
            .stdout(file)
            .output()
            .unwrap();
        assert!(output.status.success());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(said.contains("chmod 600"), warned, "{said}");
    }
}

#[test]
fn a_revoked_token_is_good_for_nothing() {
    let (server, world) = World::administrator();
    let made = world.json("token create");
    let (id, token) = (
        made["info"]["id"].as_str().unwrap(),
        made["token"].as_str().unwrap(),
    );
    let run = world.fh(&["token", "revoke", "--yes", id]).success();
    insta::assert_snapshot!(run.said(&server), @r"Revoked the token [ID].");
    let report = world
        .with_stdin(&["token", "inspect", "-", "--json"], token)
        .success()
        .json();
    assert_eq!(report["server"], "refused");
    let list = world.typed("token list").success().stdout;
    assert!(
        list.lines()
            .any(|line| line.starts_with(id) && line.contains(",revoked,")),
        "{list}"
    );
    let unknown = "01a20468-0000-7000-8000-000000000000";
    let run = world.fh(&["token", "revoke", "--yes", unknown]).code(1);
    insta::assert_snapshot!(run.said(&server), @r"
    Error: cannot revoke the token [ID]
    Caused by: not found, or you do not have access
    Hint: `fh token list` shows your tokens.
    ");
}

#[test]
fn what_a_revoked_token_made_ends_with_it_and_is_told_beforehand() {
    let server = TestServer::start().unwrap();
    server.create_user("alice").unwrap();
    let world = World::logged_in(&server, server.admin_token());
    let create = |world: &World, more: &[&str]| {
        let all = ["token", "create", "--json", "--permission", "pull"];
        let made = world.fh(&[&all[..], more].concat()).success().json();
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        (text(&made["info"]["id"]), text(&made["token"]))
    };
    let strong = ["--permission", "mint", "--permission", "admin"];
    let (id, token) = create(&world, &strong);
    let thief = World::at(server.url(), token);
    let (own, own_token) = create(&thief, &["--description", "of the thief"]);
    let (of_alice, alice_token) = create(&thief, &["--user", "alice"]);
    let is_good = |token: &str| {
        let asked = world.with_stdin(&["token", "inspect", "-", "--json"], token);
        asked.success().json()["server"] == "accepted"
    };

    let planned = world
        .fh(&["token", "revoke", "--dry-run", &id])
        .success()
        .stdout;
    let lines: Vec<&str> = planned.lines().collect();
    assert_eq!(lines[0], "id,user,becomes,expires_at,description");
    assert!(
        lines[1].starts_with(&format!("{id},admin,ends,")),
        "{planned}"
    );
    assert!(
        lines[2].starts_with(&format!("{own},admin,ends,")),
        "{planned}"
    );
    assert!(
        lines[3].starts_with(&format!("{of_alice},alice,stands,")),
        "{planned}"
    );
    assert!(is_good(&own_token) && is_good(&alice_token));

    let run = world.fh(&["token", "revoke", "--yes", &id]).success();
    insta::assert_snapshot!(run.said(&server), @r"
    Revoked the token [ID].
    Also revoked:
      [ID] of admin, of the thief
    Created for other users, and still valid (`--with-made-for-others` revokes it):
      [ID] of alice
    ");
    assert!(!is_good(&own_token) && is_good(&alice_token));
    // It has ended, and can be named all the same.
    let others = [
        "token",
        "revoke",
        "--with-made-for-others",
        "--yes",
        "--json",
    ];
    let told = world.fh(&[&others[..], &[&id]].concat()).success().json();
    assert_eq!(told[0]["id"], id);
    assert_eq!(told[0]["ended"][0]["id"], of_alice);
    assert!(!is_good(&alice_token));
}

#[test]
fn a_token_is_shown_to_no_server_but_its_own() {
    let server = TestServer::start().unwrap();
    let other = TestServer::start().unwrap();
    let world = World::logged_in(&server, server.admin_token());
    let report = world
        .with_stdin(&["token", "inspect", "-", "--json"], other.admin_token())
        .success()
        .json();
    assert_eq!(report["server"], "not asked");
    assert_eq!(report["issuer"], other.url());
    let run = world
        .with_stdin(&["token", "inspect", "-"], "nonsense")
        .code(1);
    insta::assert_snapshot!(run.said(&server), @r"Error: this is not a token: expected fh1_… as printed by `fh token create`");
    // Other commands take an id: who gives one here is told where to look.
    for (verb, id, is_told) in [
        ("show", "019353a8-7d1c-7c3e-8f7e-5a4a2c9b1d10", true),
        ("get", "019353a8-7d1c", true),
        ("info", "ci.token", false),
    ] {
        let run = world.fh(&["token", verb, id]).code(1);
        let hint = "Hint: This reads a token itself. `fh token list --wide` shows what is known of an id.\n";
        assert_eq!(run.stderr.ends_with(hint), is_told, "{}", run.stderr);
    }
    let run = world.typed("token inspect").success();
    insta::assert_snapshot!(run.printed(&server), @r"
    Issuer:      [SERVER]
    Audience:    urn:fh:[ID]
    Account id:  [ID]
    Token id:    [ID]
    Issued:      [DATE] (just now)
    Expires:     [DATE] (in 730 days)
    Server:      accepted
    User:        admin (human)
    May:         read write mint admin
    Flakes:      *
    Description: created by the server for its administrator
    ");
}

#[test]
fn a_token_cannot_make_a_stronger_one() {
    let server = TestServer::start().unwrap();
    let weak = server.token_for("admin", &["pull", "mint"]).unwrap();
    let world = World::at(server.url(), weak);
    let run = world.typed("token create --permission push").code(1);
    assert_eq!(run.stdout, "");
    insta::assert_snapshot!(run.said(&server), @r#"
    Error: cannot create the token
    Caused by: this token lacks the permission "write", so it cannot grant it
    Hint: `fh status` shows what your token may do.
    "#);
}

#[test]
fn the_limits_of_a_token_are_named_where_it_is_made_and_looked_at() {
    let (server, world) = World::administrator();
    let key = fh_nix::SecretKey::from_seed("ci-1", [7; 32]).unwrap();
    let key = &key.public().to_string();
    let name = key.split(':').next().unwrap();
    let run = world
        .typed(format!(
            "token create --signed-by {key} --network 127.0.0.0/8"
        ))
        .success();
    let sentence = format!("read on what {name} has signed, only from 127.0.0.0/8, until");
    run.says(&[&sentence]);
    let token = run.stdout.trim_end().to_owned();
    let inspected = world.with_stdin(&["token", "inspect", "-"], &token);
    let other = World::at(server.url(), token);
    for said in [
        inspected.success().stdout,
        other.typed("status").success().stdout,
    ] {
        let has = |label: &str, value: &str| {
            let mut lines = said.lines();
            lines.any(|line| line.starts_with(label) && line.ends_with(value))
        };
        assert!(has("Flakes:", "* (only certain paths)"), "{said}");
        assert!(has("Signed by:", key), "{said}");
        assert!(has("Networks:", "127.0.0.0/8"), "{said}");
    }
}

#[test]
fn a_token_goes_into_a_new_file_that_nobody_else_reads() {
    let (_server, world) = World::administrator();
    let out = |file: &str| world.path(file).to_str().unwrap().to_owned();
    let list = || world.json("token list");
    let id = list()[0]["id"].as_str().unwrap().to_owned();
    for (file, command) in [
        ("made", vec!["token", "create", "--out"]),
        ("other", vec!["token", "rotate", &id, "--grace", "1h", "-o"]),
    ] {
        let path = out(file);
        let arguments = [command.as_slice(), &[&path]].concat();
        let run = world.fh(&arguments).success();
        assert_eq!(run.stdout, "", "{file}");
        run.never_says(&["others on this machine"]);
        assert_eq!(crate::world::mode(&world.path(file)), 0o600);
        assert!(
            std::fs::read_to_string(world.path(file))
                .unwrap()
                .starts_with("fh1_"),
            "{file}"
        );
        // Nothing is overwritten, and no token is made that nobody has seen.
        let before = (
            std::fs::read_to_string(world.path(file)).unwrap(),
            list().as_array().unwrap().len(),
        );
        world.fh(&arguments).code(1).says(&["is not overwritten"]);
        assert_eq!(
            before,
            (
                std::fs::read_to_string(world.path(file)).unwrap(),
                list().as_array().unwrap().len()
            )
        );
    }
}

/// A token for a flake that is not there is made, and said to be for one that is not there.
#[test]
fn a_flake_that_is_not_there_is_warned_of() {
    let server = TestServer::start().unwrap();
    server.create_flake("acme/app", "private").unwrap();
    let world = World::logged_in(&server, server.admin_token());
    for (flakes, warned) in [
        (vec!["acme/ap"], true),
        (vec!["acme/app"], false),
        (vec!["acme/*"], false),
        (vec!["acme/app", "absent/app"], true),
    ] {
        let mut words = vec!["token", "create"];
        for flake in &flakes {
            words.extend(["--flake", flake]);
        }
        let told = world.fh(&words).success().stderr;
        assert_eq!(
            told.contains("does not exist, or you cannot see it"),
            warned,
            "{flakes:?}: {told}"
        );
    }
    let trust = |flake: &str| {
        let words = format!(
            "trust add oidc --issuer https://issuer.example --claim sub=x --jwks keys.json --flake {flake} --name x --replace"
        );
        let keys = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","kid":"a"}]}"#;
        world.write("keys.json", keys);
        world.typed(&words).success().stderr
    };
    assert!(trust("acme/absent").contains("does not exist, or you cannot see it"));
    assert!(!trust("acme/app").contains("does not exist"));
}

/// Rotating ends one token. What came of it, and was perhaps a thief's, is told with the command that ends it.
#[test]
fn a_rotation_tells_what_stays_valid() {
    let server = TestServer::start().unwrap();
    server.create_user("alice").unwrap();
    let world = World::logged_in(&server, server.admin_token());
    let made = |world: &World, arguments: &str| {
        let words = format!("token create --json {arguments}");
        let made = world.typed(words).success().json();
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        (text(&made["info"]["id"]), text(&made["token"]))
    };
    let all = "--permission read --permission write --permission mint --permission admin";
    for (format, grace) in [
        ("text", None),
        ("json", None),
        ("text", Some("1h")),
        ("quiet", None),
    ] {
        let (id, token) = made(&world, all);
        let holder = World::at(server.url(), token);
        let (own, _) = made(&holder, "--description kept");
        let (of_alice, _) = made(&holder, "--user alice");
        let mut command = vec!["token", "rotate", &id];
        command.extend((format == "json").then_some("--json"));
        command.extend((format == "quiet").then_some("--quiet"));
        command.extend(grace.into_iter().flat_map(|grace| ["--grace", grace]));
        let run = world.fh(&command).success();
        if format == "json" {
            let told = run.json();
            assert_eq!(told["still_valid"][0]["id"], own);
            assert_eq!(told["still_valid"].as_array().unwrap().len(), 1);
            assert_eq!(told["made_for_others"][0]["id"], of_alice);
            assert!(told["token"].as_str().unwrap().starts_with("fh1_"));
            continue;
        }
        assert_eq!(run.stdout.lines().count(), 1, "{}", run.stdout);
        run.says(&[
            &format!("  {own} of admin, kept\n"),
            &format!("`fh token revoke {own}`"),
            &format!("  {of_alice} of alice\n"),
            &format!("`fh token revoke {of_alice}`"),
        ]);
        world.fh(&["token", "revoke", &own, "--yes"]).success();
        // What ends is told of no more.
        world
            .fh(&["token", "rotate", &of_alice])
            .success()
            .never_says(&["still valid"]);
    }
}
