//! The audit log and the signing keys on the command line.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use fh_testkit::server::TestServer;
use serde_json::Value;

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
        let words: Vec<&str> = command.split(' ').collect();
        world.fh(&words).success();
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
        if denied.contains("denied.GET /audit") {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    assert!(
        denied.contains("denied.GET /audit,true,alice,127.0.0.1"),
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
        rotated.stderr.contains("-2 is active now, and") && rotated.stderr.contains("-3 after it"),
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
