//! Logging in to servers of other kinds: FlakeHub, and attic.

use std::collections::BTreeMap;

use fh_testkit::assert_contains;

use crate::answering::answering;
use crate::world::{World, mode};

const KEY: &str = "main:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY=";

/// A server that answers some paths to who brings its token, and a few to everybody.
pub(crate) struct Foreign {
    pub(crate) url: String,
}

impl Foreign {
    /// `paths`: path → (needs the token, JSON). What else is asked for is not found.
    pub(crate) fn start(token: &str, paths: &[(&str, bool, &str)]) -> Self {
        let paths = paths
            .iter()
            .map(|(path, closed, json)| ((*path).to_owned(), (*closed, (*json).to_owned())));
        let paths: BTreeMap<String, (bool, String)> = paths.collect();
        let expected = token.to_owned();
        let url = answering(move |asked| {
            let (status, body) = match paths.get(&asked.path) {
                None => (404, r#"{"code":404,"error":"NotFound","message":"no"}"#),
                Some((true, _)) if asked.bearer != expected => (
                    401,
                    r#"{"code":401,"error":"Unauthorized","message":"no token"}"#,
                ),
                Some((_, json)) => (200, json.as_str()),
            };
            (status, "", body.to_owned())
        });
        Self { url }
    }
}

fn attic(token: &str) -> Foreign {
    let config = format!(r#"{{"public_key":"{KEY}","is_public":false,"more":1}}"#);
    Foreign::start(token, &[("/_api/v1/cache-config/main", true, &config)])
}

#[test]
fn an_attic_server_is_recognised_and_set_up() {
    let attic = attic("eyJ.attic.token");
    let world = World::new();
    let server = format!("{}/main", attic.url);
    let login = ["login", "--scope", "user", "--server", &server];
    let report = world
        .with_stdin(&[&login[..], &["--json"]].concat(), "eyJ.attic.token")
        .success()
        .json();
    assert_eq!(report["kind"], "attic");
    assert_eq!(report["substituter"], server.as_str());
    assert_eq!(
        world.read("nix/netrc"),
        "machine 127.0.0.1 login attic password eyJ.attic.token\n"
    );
    let conf = world.read("nix/nix.conf");
    assert_contains(&conf, &[&server, KEY]);
    world.typed("status").success();
    world
        .with_stdin(&login, "eyJ.attic.token")
        .success()
        .says(&["Already set up"]);
    world.typed("logout").success();
    assert!(world.everything().is_empty());

    world
        .with_stdin(&login, "eyJ.another.token")
        .code(1)
        .says(&["does not accept this token"]);
    world
        .with_stdin(&["login", "--server", &attic.url], "eyJ.attic.token")
        .code(1)
        .says(&["name one of its caches"]);
    assert!(world.everything().is_empty());
}

#[test]
fn a_token_of_5000_characters_is_no_problem() {
    let token = format!("eyJ{}.b.c", "x".repeat(4993));
    assert_eq!(token.len(), 5000);
    let attic = attic(&token);
    let world = World::new();
    let server = format!("{}/main", attic.url);
    let login = ["login", "--scope", "user", "--server", &server];
    let login = [&login[..], &["--no-netrc"]].concat();
    world.with_stdin(&login, &token).success();
    world.typed("status").success();
    // A netrc cannot carry it to every reader; nothing is written then.
    let world = World::new();
    world
        .with_stdin(&login[..5], &token)
        .code(1)
        .says(&["netrc"]);
    assert!(world.everything().is_empty());
}

#[test]
fn flakehub_as_scripts_for_the_existing_fh_use_it() {
    let status = r#"{"gh_name":"alice","expires_at":4102444800}"#;
    let hub = Foreign::start("flakehub1_ey.x.y", &[("/cli/status", true, status)]);
    let mut world = World::new();
    for variable in ["FH_API_ADDR", "FH_CACHE_ADDR", "FH_FRONTEND_ADDR"] {
        world.set(variable, hub.url.clone());
    }
    world.write("token", "flakehub1_ey.x.y\n");
    let login = ["login", "--scope", "user", "--token-file", "token"];
    let report = world
        .fh(&[&login[..], &["--json"]].concat())
        .success()
        .json();
    assert_eq!(report["kind"], "flakehub");
    assert_eq!(report["user"], "alice");
    assert_eq!(
        world.read("nix/netrc"),
        "machine 127.0.0.1 login flakehub password flakehub1_ey.x.y\n"
    );
    let conf = world.read("nix/nix.conf");
    assert_contains(&conf, &["cache.flakehub.com-3:", "cache.flakehub.com-10:"]);
    let status = world.json("status");
    assert_eq!(
        (&status["user"], &status["server_kind"]),
        (&"alice".into(), &"flakehub".into())
    );

    world.write("token", "flakehub1_ey.other.y\n");
    world.fh(&login).code(1).says(&["editview=tokens"]);
}

#[test]
fn flakehub_s_token_stands_where_the_existing_fh_looks_for_it() {
    let world = World::new();
    world.write("token", "flakehub1_ey.x.y");
    world.write(
        ".config/nix/netrc",
        "machine flakehub.com login flakehub password flakehub1_old\n",
    );
    let skip = "login --scope user --token-file token --skip-status";
    world.typed(skip).success();
    let auth = world.config("flakehub/auth");
    assert_eq!(
        std::fs::read_to_string(&auth).unwrap(),
        "flakehub1_ey.x.y\n"
    );
    assert_eq!(mode(&auth), 0o600);
    let netrc = world.read("nix/netrc");
    for host in ["flakehub.com", "api.flakehub.com", "cache.flakehub.com"] {
        let line = format!("machine {host} login flakehub password flakehub1_ey.x.y\n");
        assert_contains(&netrc, &[&line]);
    }
    assert!(
        world
            .read("nix/nix.conf")
            .contains("https://cache.flakehub.com")
    );
    let list = world.json("server list");
    assert_eq!(list[0]["name"], "flakehub");
    world.typed("logout").success();
    assert!(!auth.exists());
    assert!(world.read("nix/netrc").contains("flakehub1_old"));
}
