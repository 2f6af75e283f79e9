//! The audit log and the signing keys on the command line.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use expectrl::Expect as _;
use fh_testkit::assert_contains;
use fh_testkit::server::TestServer;
use serde_json::Value;

use crate::prompt::{on_a_terminal, rest};
use crate::world::World;

fn scene() -> (TestServer, World) {
    let (server, world) = World::administrator();
    world.run_all(&[
        "org create acme",
        "flake create acme/app",
        "user create alice",
        "grant add acme/app alice read",
    ]);
    (server, world)
}

#[test]
fn the_log_is_csv_in_a_pipe_and_json_for_programs() {
    let (_server, world) = scene();
    let csv = world.typed("audit --org acme").success().stdout;
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
    let grant =
        world.typed("audit --flake acme/app --action grant --user admin --since 1h -n 5 --json");
    let grant: Value = serde_json::from_str(&grant.success().stdout).unwrap();
    assert_eq!(grant.as_array().unwrap().len(), 1);
    assert_eq!(grant[0]["subject"], "alice");
    assert_eq!(grant[0]["address"], "127.0.0.1");
    let none = world.typed("audit --until 1h").success();
    assert_eq!(none.stdout.lines().count(), 1);
    let bad = world.typed("audit --since yesterday");
    assert_eq!(bad.code, Some(2), "{}", bad.stderr);
}

#[test]
fn a_stranger_is_told_which_part_of_the_log_could_be_theirs() {
    let (server, world) = scene();
    let token = world.typed("token create --user alice --permission admin");
    let alice = World::logged_in(&server, token.success().stdout.trim());
    let refused = alice.typed("audit");
    assert_eq!(refused.code, Some(1));
    refused.says(&["--org ORG"]);
    assert_eq!(alice.typed("audit --org acme").code, Some(1));
    // The refusals are in the log themselves, a moment later.
    let mut denied = String::new();
    for _ in 0..100 {
        denied = world.typed("audit --denied").success().stdout;
        if denied.contains("denied.audit.list") {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    assert_contains(&denied, &["denied.audit.list,true,alice,127.0.0.1"]);
}

#[test]
fn following_shows_what_happens_one_object_a_line_until_it_is_interrupted() {
    let (_server, world) = scene();
    let mut child = world
        .process(&[
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
    world.typed("grant remove acme/app alice").success();
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
        let listed = world.typed("key list --json").success().stdout;
        let listed: Value = serde_json::from_str(&listed).unwrap();
        let states = listed.as_array().unwrap().iter();
        states
            .map(|key| key["state"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(states(&world), ["active", "standby"]);
    world
        .typed("key rotate --yes")
        .success()
        .says(&["-2 is active now, and", "-3 is the standby"]);
    assert_eq!(states(&world), ["active", "standby", "retired"]);
    let token = world.typed("token create --user alice --permission admin");
    let alice = World::logged_in(&server, token.success().stdout.trim());
    assert_eq!(alice.typed("key rotate --yes").code, Some(1));
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
        world.fh(&arguments).code(2).says(&[&format!("`{again}`")]);
    }
    // Programs read what `--json` prints, also on a terminal.
    let mut session = on_a_terminal(&world, &["key", "rotate", "--json"]);
    let said = rest(&mut session);
    assert_contains(&said, &["`fh key rotate --json --yes`"]);
    let listed = world.json("key list");
    assert_eq!(listed.as_array().unwrap().len(), 2);
}

#[test]
fn a_second_rotation_has_to_be_forced_and_says_who_loses_what() {
    let (_server, world) = scene();
    let keys = || {
        let listed = world.json("key list");
        listed.as_array().unwrap().len()
    };
    world.typed("key rotate --yes").success();
    world
        .typed("key rotate --yes")
        .code(1)
        .says(&["have neither key", "`fh key rotate --yes --force`"]);
    // Force changes nothing about keys that an organisation has not.
    world
        .typed("key rotate acme --yes")
        .code(1)
        .says(&["no keys of its own"])
        .never_says(&["--force"]);
    assert_eq!(keys(), 3);

    let mut session = on_a_terminal(&world, &["key", "rotate", "--force"]);
    let shown = session.expect("Rotate the keys?").unwrap();
    let shown = String::from_utf8_lossy(shown.as_bytes()).into_owned();
    assert_contains(
        &shown,
        &["were set up before 20", "have neither key afterwards"],
    );
    session.send("no\r").unwrap();
    let said = rest(&mut session);
    assert_contains(&said, &["Nothing was changed."]);
    assert_eq!(keys(), 3);

    world
        .typed("key rotate --force --yes")
        .success()
        .says(&["have neither key afterwards"]);
    assert_eq!(keys(), 4);
}
