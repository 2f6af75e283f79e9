//! In which form results come, and what becomes of them when nobody reads.

use std::fs::File;
use std::process::Stdio;

use fh_testkit::server::TestServer;
use serde_json::json;

use crate::world::World;

#[test]
fn an_empty_list_is_a_list() {
    let server = TestServer::start().unwrap();
    let world = World::logged_in(&server, server.admin_token());
    assert_eq!(
        world.fh(&["list", "flakes", "--json"]).success().stdout,
        "[]\n"
    );
    assert_eq!(
        world.fh(&["list", "flakes"]).success().stdout,
        "flake,visibility,role,paths,nar_size,last_push_at,description\n"
    );
    assert_eq!(
        world.fh(&["org", "--json", "list"]).success().stdout,
        "[]\n"
    );
}

#[test]
fn json_is_asked_for_by_option_or_variable() {
    let server = TestServer::start().unwrap();
    let mut world = World::logged_in(&server, server.admin_token());
    server.create_flake("acme/app", "public").unwrap();
    for arguments in [
        &["--json", "list", "flakes"][..],
        &["list", "--json", "flakes"],
        &["list", "flakes", "--json"],
    ] {
        let list = world.fh(arguments).success().json();
        assert_eq!(list[0]["flake"], "acme/app", "{arguments:?}");
    }
    world.set("FH_OUTPUT_JSON", "true");
    assert_eq!(
        world.fh(&["list", "flakes"]).success().json()[0]["flake"],
        "acme/app"
    );
}

#[test]
fn owner_and_limit_narrow_the_list() {
    let server = TestServer::start().unwrap();
    for flake in ["acme/a", "acme/b", "other/c"] {
        server.create_flake(flake, "private").unwrap();
    }
    let world = World::logged_in(&server, server.admin_token());
    let names = |arguments: &[&str]| -> Vec<String> {
        let lines = world.fh(arguments).success().stdout;
        let lines = lines.lines().skip(1);
        lines
            .map(|line| line.split(',').next().unwrap().to_owned())
            .collect()
    };
    assert_eq!(names(&["list", "flakes"]), ["acme/a", "acme/b", "other/c"]);
    assert_eq!(
        names(&["list", "flakes", "--owner", "ACME"]),
        ["acme/a", "acme/b"]
    );
    assert_eq!(names(&["list", "flakes", "-l", "1"]), ["acme/a"]);
    assert_eq!(names(&["flake", "list", "--owner", "nobody"]), [""; 0]);
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let world = World::new();
    let mut child = std::process::Command::new(assert_cmd::cargo::cargo_bin!("fh"))
        .env_clear()
        .envs(world.variables())
        .args(["completion", "bash"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn a_full_disk_is_a_failure() {
    let Ok(full) = File::options().write(true).open("/dev/full") else {
        fh_testkit::skipped("there is no /dev/full here to write to");
        return;
    };
    let world = World::new();
    let output = std::process::Command::new(assert_cmd::cargo::cargo_bin!("fh"))
        .env_clear()
        .envs(world.variables())
        .args(["completion", "bash"])
        .stdin(Stdio::null())
        .stdout(full)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.starts_with("Error: cannot write the output"), "{said}");
    assert_eq!(output.status.code(), Some(1));
}

/// With `--json` a failure is one object on stdout, in the shape of the API's errors.
#[test]
fn a_failure_is_one_object_for_programs() {
    let server = TestServer::start().unwrap();
    server.create_flake("acme/app", "private").unwrap();
    let mut world = World::logged_in(&server, server.admin_token());
    for (command, status, code, error) in [
        ("flake show acme/absent --json", 1, 404, "not_found"),
        ("org show absent --json", 1, 404, "not_found"),
        ("flake create acme/app --json", 1, 409, "conflict"),
        ("push acme/absent .#x --json", 1, 404, "not_found"),
        (
            "grant add acme/app nobody read --json",
            1,
            422,
            "invalid_content",
        ),
        ("flake delete acme/app --json", 2, 0, "usage"),
        ("flake show --json", 2, 0, "usage"),
        ("token revoke nonsense --json", 2, 0, "usage"),
        ("push /nix/store/x acme/app --json", 2, 0, "usage"),
        (
            "list flakes --json --server http://127.0.0.1:9",
            1,
            0,
            "unreachable",
        ),
        ("login --json --token-file absent", 1, 0, "failed"),
    ] {
        let words: Vec<&str> = command.split(' ').collect();
        let run = world.fh(&words).code(status);
        let told: serde_json::Value = serde_json::from_str(&run.stdout)
            .unwrap_or_else(|problem| panic!("{command}: {problem}: {:?}", run.stdout));
        assert_eq!(
            (&told["code"], &told["error"]),
            (&json!(code), &json!(error)),
            "{command}"
        );
        assert!(
            told["message"].as_str().is_some_and(|it| !it.is_empty()),
            "{command}"
        );
        assert!(told["hints"].is_array(), "{command}");
        assert!(!run.stderr.is_empty(), "{command}");
    }
    // The variable says the same; and what has printed its own answer prints no second one.
    world.set("FH_OUTPUT_JSON", "1");
    let run = world.fh(&["flake", "show", "acme/absent"]).code(1);
    assert_eq!(run.json()["error"], "not_found");
    world.set("FH_TOKEN", "fh1_bad");
    let run = world.fh(&["status"]).code(3);
    assert_eq!(run.json()["logged_in"], false);
}
