//! The audit log and the signing keys on the command line.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use expectrl::Expect as _;
use fh_testkit::server::TestServer;
use serde_json::Value;

use crate::prompt::{on_a_terminal, rest};
use crate::world::World;

fn scene() -> (TestServer, World) {
    let server = TestServer::start().unwrap();
    let world = World::logged_in(&server, server.admin_token());
    for command in [
        "org create acme",
        "flake create acme/app",
        "user create alice",
        "grant add acme/app alice read",
    ] {
        world.typed(command).success();
    }
    (server, world)
}

#[test]
fn the_log_is_csv_in_a_pipe_and_json_for_programs() {
    let (_server, world) = scene();
    let csv = world.fh(&["audit", "--org", "acme"]).success().stdout;
    let lines: Vec<&str> = csv.lines().collect();
    assert!(
        lines[0].starts_with("id,at,action,denied,user,address,"),
        "{csv}"
    );
    let actions: Vec<&str> = lines[1..]
        .iter()
        .map(|line| line.split(',').nth(2).unwrap())
        .collect();
    assert_eq!(
        actions,
        ["organization.create", "flake.create", "grant.set"]
    );
    let grant = world.fh(&[
        "audit", "--flake", "acme/app", "--action", "grant", "--user", "admin", "--since", "1h",
        "-n", "5", "--json",
    ]);
    let grant: Value = serde_json::from_str(&grant.success().stdout).unwrap();
    assert_eq!(grant.as_array().unwrap().len(), 1);
    assert_eq!(grant[0]["subject"], "alice");
    assert_eq!(grant[0]["address"], "127.0.0.1");
    let none = world.fh(&["audit", "--until", "1h"]).success();
    assert_eq!(none.stdout.lines().count(), 1);
    let bad = world.fh(&["audit", "--since", "yesterday"]);
    assert_eq!(bad.code, Some(2), "{}", bad.stderr);
}

#[test]
fn a_stranger_is_told_which_part_of_the_log_could_be_theirs() {
    let (server, world) = scene();
    let token = world.fh(&[
        "token",
        "create",
        "--user",
        "alice",
        "--permission",
        "admin",
    ]);
    let alice = World::logged_in(&server, token.success().stdout.trim());
    let refused = alice.fh(&["audit"]);
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("--org ORG"), "{}", refused.stderr);
    assert_eq!(alice.fh(&["audit", "--org", "acme"]).code, Some(1));
    // The refusals are in the log themselves, a moment later.
    let mut denied = String::new();
    for _ in 0..100 {
        denied = world.fh(&["audit", "--denied"]).success().stdout;
        if denied.contains("denied.audit.list") {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    assert!(
        denied.contains("denied.audit.list,true,alice,127.0.0.1"),
        "{denied}"
    );
}

#[test]
fn following_shows_what_happens_one_object_a_line_until_it_is_interrupted() {
    let (_server, world) = scene();
    let mut child = std::process::Command::new(assert_cmd::cargo::cargo_bin!("fh"))
        .env_clear()
        .envs(world.variables())
        .args([
            "audit", "--follow", "--json", "--action", "grant", "-n", "1",
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || {
        let line = lines.next().unwrap().unwrap();
        serde_json::from_str::<Value>(&line).unwrap()
    };
    assert_eq!(next()["action"], "grant.set");
    world
        .fh(&["grant", "remove", "acme/app", "alice"])
        .success();
    assert_eq!(next()["action"], "grant.remove");
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(130));
}

#[test]
fn keys_are_listed_and_rotated() {
    let (server, world) = scene();
    let states = |world: &World| {
        let listed = world.fh(&["key", "list", "--json"]).success().stdout;
        let listed: Value = serde_json::from_str(&listed).unwrap();
        let states = listed.as_array().unwrap().iter();
        states
            .map(|key| key["state"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(states(&world), ["active", "standby"]);
    let rotated = world.fh(&["key", "rotate", "--yes"]).success();
    assert!(
        rotated.stderr.contains("-2 is active now, and")
            && rotated.stderr.contains("-3 is the standby"),
        "{}",
        rotated.stderr
    );
    assert_eq!(states(&world), ["active", "standby", "retired"]);
    let token = world.fh(&[
        "token",
        "create",
        "--user",
        "alice",
        "--permission",
        "admin",
    ]);
    let alice = World::logged_in(&server, token.success().stdout.trim());
    assert_eq!(alice.fh(&["key", "rotate", "--yes"]).code, Some(1));
    assert_eq!(states(&alice).len(), 3);
}

#[test]
fn without_a_terminal_a_rotation_needs_a_yes() {
    let (server, world) = scene();
    let url = server.url();
    for (arguments, again) in [
        (vec!["key", "rotate"], "fh key rotate --yes".to_owned()),
        (
            vec!["key", "rotate", "--force"],
            "fh key rotate --force --yes".to_owned(),
        ),
        (
            vec!["key", "rotate", "--org", "acme", "--json"],
            "fh key rotate acme --json --yes".to_owned(),
        ),
        (
            vec!["key", "rotate", "--server", url],
            format!("fh key rotate --server {url} --yes"),
        ),
    ] {
        let run = world.fh(&arguments).code(2);
        assert!(
            run.stderr.contains(&format!("`{again}`")),
            "{arguments:?}: {}",
            run.stderr
        );
    }
    // Programs read what `--json` prints, also on a terminal.
    let mut session = on_a_terminal(&world, &["key", "rotate", "--json"]);
    let said = rest(&mut session);
    assert!(said.contains("`fh key rotate --json --yes`"), "{said}");
    let listed = world.fh(&["key", "list", "--json"]).success().json();
    assert_eq!(listed.as_array().unwrap().len(), 2);
}

#[test]
fn a_second_rotation_has_to_be_forced_and_says_who_loses_what() {
    let (_server, world) = scene();
    let keys = || {
        let listed = world.fh(&["key", "list", "--json"]).success().json();
        listed.as_array().unwrap().len()
    };
    world.fh(&["key", "rotate", "--yes"]).success();
    let refused = world.fh(&["key", "rotate", "--yes"]).code(1);
    for part in ["have neither key", "`fh key rotate --yes --force`"] {
        assert!(refused.stderr.contains(part), "{part}: {}", refused.stderr);
    }
    // Force changes nothing about keys that an organisation has not.
    let shared = world.fh(&["key", "rotate", "acme", "--yes"]).code(1);
    assert!(
        shared.stderr.contains("no keys of its own") && !shared.stderr.contains("--force"),
        "{}",
        shared.stderr
    );
    assert_eq!(keys(), 3);

    let mut session = on_a_terminal(&world, &["key", "rotate", "--force"]);
    let shown = session.expect("Rotate the keys?").unwrap();
    let shown = String::from_utf8_lossy(shown.as_bytes()).into_owned();
    for part in ["were set up before 20", "have neither key afterwards"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    session.send("no\r").unwrap();
    let said = rest(&mut session);
    assert!(said.contains("Nothing was changed."), "{said}");
    assert_eq!(keys(), 3);

    let forced = world.fh(&["key", "rotate", "--force", "--yes"]).success();
    assert!(
        forced.stderr.contains("have neither key afterwards"),
        "{}",
        forced.stderr
    );
    assert_eq!(keys(), 4);
}
