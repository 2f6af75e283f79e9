//! `fh login --activation`, whatever it finds: one line, exit status 0, and nothing lost. `tests/end_to_end/activation.rs`
//! runs it as NixOS does.

use data_encoding::BASE64URL_NOPAD;
use fh_testkit::assert_contains;
use fh_testkit::rows;
use serde_json::json;

use crate::world::{World, mode};

const SERVER: &str = "https://cache.example.org";

/// A token as that server makes them, which ends then.
fn token(expires_at: i64) -> String {
    let claims = json!({
        "iss": SERVER, "aud": "urn:fh:x", "iat": 0, "nbf": 0, "exp": expires_at,
        "sub": "019353a8-7d1c-7c3e-8f7e-5a4a2c9b1d10", "jti": "019353a8-7d1c-7c3e-8f7e-5a4a2c9b1d11",
    });
    let claims = BASE64URL_NOPAD.encode(claims.to_string().as_bytes());
    format!("fh1_eyJhbGciOiJFZERTQSJ9.{claims}.x")
}

/// In the year 3000.
const LATE: i64 = 32_503_680_000;

fn world() -> World {
    let world = World::new();
    world.write("token", &token(LATE));
    world
}

fn login<'a>(scope: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let login = ["login", "--server", SERVER, "--token-file", "token"];
    let login = [&login[..], &["--activation", "--scope", scope]].concat();
    [&login[..], more].concat()
}

/// The line of a run, which is all that it says.
#[track_caller]
fn line(world: &World, scope: &str) -> String {
    let run = world.fh(&login(scope, &[])).success();
    assert_eq!(run.stdout, "");
    assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
    run.stderr.trim_end().to_owned()
}

#[test]
fn an_activation_writes_the_netrc_that_nix_reads_and_nothing_the_second_time() {
    for (scope, set, netrc) in [
        ("system", "", "etc-nix/netrc"),
        ("system", "netrc-file = ~/secret/netrc\n", "secret/netrc"),
        ("user", "", ".config/nix/netrc"),
        ("user", "netrc-file = ~/secret/netrc\n", "secret/netrc"),
    ] {
        let world = world();
        let home = world.path("").display().to_string();
        let conf = format!(
            "{}extra-substituters = {SERVER}\n",
            set.replace("~/", &home)
        );
        world.write("etc-nix/nix.conf", &conf);
        let netrc = world.path(netrc);
        let first = line(&world, scope);
        let expected = format!(
            "fh: wrote an entry for cache.example.org to {}; the token ends ",
            netrc.display()
        );
        assert!(first.starts_with(&expected), "{scope} {set}: {first}");
        assert_eq!(mode(&netrc), 0o600);
        let kept = std::fs::read_to_string(world.path("etc-nix/nix.conf")).unwrap();
        assert_eq!(kept, conf);
        assert!(!world.config("nix/nix.conf").exists());
        let before = world.everything();
        let mut expected = format!(
            "fh: nothing to do: {} has the token of {SERVER} already",
            netrc.display()
        );
        // Nix reads the machine's where the user's is not named.
        if scope == "user" && set.is_empty() {
            let conf = world.config("nix/nix.conf").display().to_string();
            expected.push_str(&format!(
                "; {conf} does not name this netrc: set `netrc-file`"
            ));
        }
        assert_eq!(line(&world, scope), expected);
        assert_eq!(world.everything(), before);
    }
}

#[test]
fn whatever_is_wrong_is_one_line_and_no_failure() {
    let expired = token(1);
    let half = token(LATE).split_once('.').unwrap().0.to_owned();
    for [file, content, told] in rows(
        r#"
        token             |         | there is no token in token
        token             | EXPIRED | this token expired
        token             | HALF    | not a token
        etc-nix/netrc     | machine cache.example.org login me password mine | that is not a token
        etc-nix/netrc     | machine a.org password "open     | cannot be parsed
        etc-nix/nix.conf  | include /nonexistent/other.conf | /nonexistent/other.conf
        etc-nix/nix.conf  | netrc-file = relative           | which is not an absolute path
        .config/fh/ledger.json | {                          | ledger.json cannot be parsed
        .config/fh/config.toml | servers = 1                | config.toml
        "#,
    ) {
        let content = match content {
            "EXPIRED" => expired.clone(),
            "HALF" => half.clone(),
            "" | "{" => content.to_owned(),
            line => format!("{line}\n"),
        };
        let world = world();
        world.write(file, &content);
        let before = world.everything();
        let said = line(&world, "system");
        assert!(said.starts_with("fh: failed: "), "{file}: {said}");
        assert!(said.contains(told), "{file}: {told:?} in {said}");
        assert_eq!(world.everything(), before, "{file}");
    }
    // Neither is what is wrong with the surroundings.
    let mut world = world();
    world.set("XDG_CONFIG_HOME", "relative");
    let said = line(&world, "system");
    assert_contains(&said, &["XDG_CONFIG_HOME names relative"]);
    // Nor a variable that counts for every command, and a directory that is gone.
    for (name, value, told) in [
        ("FH_VERBOSITY", "loud", "FH_VERBOSITY is \"loud\""),
        (
            "NIX_USER_CONF_FILES",
            "relative",
            "NIX_USER_CONF_FILES names relative",
        ),
        ("NIX_CONFIG", "oops", "NIX_CONFIG is invalid at line 1"),
    ] {
        let mut world = self::world();
        world.set(name, value);
        let before = world.everything();
        let said = line(&world, "user");
        assert!(said.starts_with("fh: failed: "), "{name}: {said}");
        assert!(said.contains(told), "{name}: {said}");
        assert_eq!(world.everything(), before, "{name}");
    }
    // A failure is told also where nothing else is to be.
    let world = self::world();
    world.write("token", "");
    let run = world.fh(&login("system", &["--quiet"])).success();
    assert!(run.stderr.starts_with("fh: failed: "), "{}", run.stderr);
    // What is no failure is not: a token that comes later, and one that is there already.
    std::fs::remove_file(world.path("token")).unwrap();
    for later in [false, true] {
        if later {
            world.write("token", &token(LATE));
            world.fh(&login("system", &[])).success();
        }
        let run = world.fh(&login("system", &["--quiet"])).success();
        assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", ""));
    }
    // A program that reads JSON gets none of it: it is one line all the same.
    let mut world = self::world();
    world.set("FH_OUTPUT_JSON", "1");
    assert!(line(&world, "system").starts_with("fh: wrote an entry"));
}

#[test]
fn who_can_read_the_netrc_is_told() {
    let world = world();
    line(&world, "user");
    let netrc = world.config("nix/netrc");
    for (given, told) in [(0o644, true), (0o640, true), (0o600, false)] {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(&netrc, std::fs::Permissions::from_mode(given)).unwrap();
        let said = line(&world, "user");
        let words = format!(
            "fh: others can no longer read {} (its mode was {given:03o})",
            netrc.display()
        );
        assert_eq!(said.starts_with(&words), told, "{said}");
        assert_eq!(mode(&netrc), 0o600);
    }
}

#[test]
fn an_activation_is_given_a_token_file_and_nothing_that_contradicts_it() {
    for more in [
        &["--dry-run"][..],
        &["--print"],
        &["--json"],
        &["--no-netrc"],
        &["--workload"],
        &["--root"],
        &["--org", "acme"],
        &["--organizations", "acme"],
        &["--store", "file"],
    ] {
        world().fh(&login("system", more)).code(2);
    }
    world()
        .fh(&["login", "--server", SERVER, "--activation"])
        .code(2);
    // What it stands for may be said too.
    let same = ["--offline", "--no-nix-conf", "--yes"];
    world().fh(&login("system", &same)).success();
}
