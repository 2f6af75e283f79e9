//! A netrc that somebody else writes: the daemon of Determinate Nix, or a secret manager.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::PathBuf;

use fh_testkit::server::TestServer;
use fh_testkit::{assert_contains, assert_lacks};
use serde_json::Value;

use crate::world::{Run, World, mode};

const SOURCES: [&str; 2] = ["authentication", "additionalNetrcSources"];

/// What the daemon knows by itself.
const OWN: &str = "machine api.flakehub.com login flakehub password flakehub1_x\n";

/// A machine with Determinate Nix; `config` is its config.json.
fn machine(config: Option<&str>) -> World {
    let mut world = World::new();
    let state = world.path("var/nix");
    world.set("NIX_STATE_DIR", state);
    let conf = format!(
        "netrc-file = {}\n!include nix.custom.conf\n",
        netrc(&world).display()
    );
    world.write("etc-nix/nix.conf", &conf);
    world.write("etc-nix/netrc", "machine b.example login b password b\n");
    if let Some(config) = config {
        let config = config.replace("/etc/nix", &world.path("etc-nix").display().to_string());
        world.write("determinate/config.json", &config);
    }
    start_daemon(&world);
    world
}

fn netrc(world: &World) -> PathBuf {
    world.path("var/determinate/netrc")
}

fn config(world: &World) -> Option<String> {
    fs::read_to_string(world.path("determinate/config.json")).ok()
}

/// What the daemon does whenever it starts: it writes its netrc anew, from what it knows and from the files that its
/// configuration names. Gives back the text.
fn start_daemon(world: &World) -> String {
    let mut text = OWN.to_owned();
    if let Some(config) = config(world) {
        let config: Value = serde_json::from_str(&config).unwrap_or_default();
        let sources = config[SOURCES[0]][SOURCES[1]].as_array();
        for source in sources.into_iter().flatten() {
            text += &fs::read_to_string(source.as_str().unwrap()).unwrap();
        }
    }
    let path = netrc(world);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let _ = fs::remove_file(&path);
    fs::write(&path, &text).unwrap();
    // Others may read it, and that is none of our business.
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    text
}

/// What must not change of a file of somebody else.
fn seen(world: &World) -> (Vec<u8>, u32, u64, i64) {
    let path = netrc(world);
    let metadata = fs::metadata(&path).unwrap();
    (
        fs::read(&path).unwrap(),
        metadata.mode(),
        metadata.ino(),
        metadata.ctime_nsec(),
    )
}

fn log_in(world: &World, server: &TestServer, scope: &str, more: &[&str]) -> Run {
    let login = [
        &["login", "--scope", scope, "--server", server.url()][..],
        more,
    ]
    .concat();
    world.with_stdin(&login, server.admin_token())
}

#[test]
fn the_token_outlasts_every_start_of_the_daemon_and_goes_with_the_logout() {
    let server = TestServer::start().unwrap();
    for (what, before) in [
        ("nothing", None),
        ("an empty configuration", Some("{}")),
        (
            "the documented one",
            Some(
                "{\n  \"authentication\": {\n    \"additionalNetrcSources\": [\n      \"/etc/nix/netrc\"\n    ]\n  }\n}\n",
            ),
        ),
        (
            "as Nix writes it",
            Some(
                "{\"authentication\":{\"additionalNetrcSources\":[]},\"builder\":{\"cpuCount\":1,\"state\":\"enabled\"}}",
            ),
        ),
        (
            "other keys, and none of these",
            Some(
                "{\n\t\"garbageCollector\": { \"strategy\": \"automatic\" },\n\t\"telemetry\": {\"sentry\": {\"endpoint\": null}}\n}",
            ),
        ),
        (
            "keys and values of a later version",
            Some(
                "{ \"z\\u00e4\" : [ 1e3 , {\"]\" : \"}\"} ] , \"authentication\" : { \"b\" : -0.5 , \"a\" : \"\\\\\\\"\" } }\r\n",
            ),
        ),
    ] {
        let world = machine(before);
        let own = start_daemon(&world);
        let (before, theirs) = (config(&world), seen(&world));
        log_in(&world, &server, "system", &[])
            .success()
            .says(&["Determinate Nix reads these files when it starts"]);
        assert_eq!(seen(&world), theirs, "{what}");
        let source = world.path("determinate/fh-netrc");
        assert_eq!(mode(&source), 0o600, "{what}");

        for _ in 0..2 {
            let text = start_daemon(&world);
            assert!(text.starts_with(&own), "{what}: {text}");
            let entries = text.matches(server.admin_token()).count();
            assert_eq!(entries, 1, "{what}: {text}");
        }
        let again = log_in(&world, &server, "system", &["--json"])
            .success()
            .json();
        assert_eq!(again["changed"], false, "{what}: {again}");

        world.typed("logout").success();
        assert_eq!(config(&world), before, "{what}");
        assert!(!source.exists(), "{what}");
        assert_eq!(
            world.path("determinate").exists(),
            before.is_some(),
            "{what}"
        );
        assert_eq!(start_daemon(&world), own, "{what}");
    }
}

#[test]
fn a_configuration_that_is_not_understood_is_named_by_its_place_and_left() {
    let server = TestServer::start().unwrap();
    for (before, place) in [
        ("", "line 1, column 0"),
        ("{\n  // where from\n}\n", "line 2, column 3"),
        ("{\"authentication\": {},}", "line 1, column 23"),
        ("[\"/etc/nix/netrc\"]", "line 1, column 1"),
        ("{\n\"authentication\": true }", "line 2, column 19"),
        (
            "{\"authentication\": {\"additionalNetrcSources\": \"/etc/nix/netrc\"}}",
            "line 1, column 47",
        ),
        (
            "{\"authentication\": {\"additionalNetrcSources\": []}, \"authentication\": {}}",
            "line 1, column 52",
        ),
    ] {
        let world = machine(Some(before));
        let (text, theirs) = (config(&world), seen(&world));
        log_in(&world, &server, "system", &[])
            .code(1)
            .says(&["config.json cannot be edited", place]);
        assert_eq!(config(&world), text, "{before}");
        assert_eq!(seen(&world), theirs, "{before}");
        assert!(!world.path("determinate/fh-netrc").exists(), "{before}");
        assert!(!world.config("fh/config.toml").exists(), "{before}");
    }
}

#[test]
fn a_configuration_that_is_generated_is_left_and_the_line_is_said() {
    let server = TestServer::start().unwrap();
    let world = machine(None);
    fs::create_dir(world.path("determinate")).unwrap();
    let link = world.path("determinate/config.json");
    symlink(
        "/nix/store/00000000000000000000000000000000-config.json",
        &link,
    )
    .unwrap();
    log_in(&world, &server, "system", &[]).success().says(&[
        "is generated from a configuration",
        "`authentication.additionalNetrcSources`",
        "fh-netrc",
    ]);
    assert!(link.is_symlink());
    world.typed("logout").success();
    assert!(link.is_symlink());
    assert!(!world.path("determinate/fh-netrc").exists());
}

#[test]
fn a_person_is_told_what_an_administrator_has_to_run() {
    let server = TestServer::start().unwrap();
    let world = machine(Some("{}"));
    let theirs = seen(&world);
    let report = log_in(&world, &server, "user", &["--json"])
        .success()
        .json();
    let command = report["administrator_command"].as_str().unwrap();
    assert!(command.contains("login --scope system"), "{report}");
    assert!(
        report["warnings"].to_string().contains("Determinate Nix"),
        "{report}"
    );
    assert_eq!(seen(&world), theirs);
    assert_eq!(config(&world).as_deref(), Some("{}"));
    assert!(!world.config("nix/netrc").exists());
}

#[test]
fn what_a_secret_manager_writes_is_left_to_it() {
    let server = TestServer::start().unwrap();
    for scope in ["user", "system"] {
        for (what, is_link) in [("the file itself", false), ("a link to it", true)] {
            let world = World::new();
            let secret = PathBuf::from("/run/fh-test-that-nobody-has/netrc");
            let named = if is_link {
                let link = world.path("secret-netrc");
                symlink(&secret, &link).unwrap();
                link
            } else {
                secret.clone()
            };
            let conf = format!("netrc-file = {}\n", named.display());
            world.write("etc-nix/nix.conf", &conf);
            log_in(&world, &server, scope, &[])
                .success()
                .says(&[named.to_str().unwrap(), "`fh login --print`"]);
            assert!(!secret.parent().unwrap().exists(), "{scope} {what}");
            assert_eq!(named.is_symlink(), is_link, "{scope} {what}");
            // The rest is set up.
            world.typed("status").success();
            let lines = world.fh(&["login", "--scope", scope, "--print"]).success();
            assert!(
                lines.stdout.contains(server.admin_token()),
                "{scope} {what}"
            );
            world.typed("logout").success();
            let conf_after = fs::read_to_string(world.path("etc-nix/nix.conf")).unwrap();
            assert_eq!(conf_after, conf, "{scope} {what}");
        }
    }
}

/// What `fh doctor` says of the netrc: its outcome, and what mends it.
fn diagnosis(world: &World, netrc: &str) -> (String, String) {
    let settings = format!(r#"{{"netrc-file": {{"value": "{netrc}"}}}}"#);
    let script = format!(
        "#!/bin/sh\ncase \"$*\" in *\"config show\"*) echo '{settings}';; *) exit 1;; esac\n"
    );
    world.program("nix", &script);
    let report = world.typed("doctor --json").json();
    let checks = report["checks"].as_array().unwrap();
    let found = checks.iter().find(|found| found["check"] == "netrc");
    let found = found.unwrap_or_else(|| panic!("{report}"));
    let text = |name: &str| found[name].as_str().unwrap_or_default().to_owned();
    (text("outcome"), text("fix"))
}

#[test]
fn the_doctor_knows_who_writes_the_netrc() {
    let server = TestServer::start().unwrap();
    let world = machine(Some("{}"));
    let theirs = netrc(&world).display().to_string();
    log_in(&world, &server, "user", &[]).success();
    let (outcome, fix) = diagnosis(&world, &theirs);
    assert_eq!(outcome, "failed");
    assert_contains(&fix, &["--scope system"]);

    log_in(&world, &server, "system", &[]).success();
    let (outcome, fix) = diagnosis(&world, &theirs);
    assert_eq!(outcome, "failed");
    assert_contains(&fix, &["nix-daemon"]);
    assert_lacks(&fix, &["login"]);

    start_daemon(&world);
    let (outcome, _) = diagnosis(&world, &theirs);
    assert_ne!(outcome, "failed");

    let (outcome, fix) = diagnosis(&world, "/run/fh-test-that-nobody-has/netrc");
    assert_eq!(outcome, "failed");
    assert_contains(&fix, &["`fh login --print`"]);
    // Everybody else's is what a login writes.
    let (outcome, fix) = diagnosis(&world, &world.path("netrc").display().to_string());
    assert_eq!(outcome, "failed");
    assert!(fix.starts_with("fh login --server"), "{fix}");
}
