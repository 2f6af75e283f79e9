//! `fh login` where there are several organisations: which addresses are written, in which order, and that
//! a later login replaces what the former wrote.

use std::collections::BTreeMap;
use std::path::PathBuf;

use fh_api::Signing;
use fh_testkit::server::TestServer;

use crate::world::{Run, World};

/// What `extra-substituters` has, without the server's own address.
fn lines(world: &World, server: &TestServer) -> Vec<String> {
    words(world, "extra-substituters")
        .iter()
        .map(|url| url.strip_prefix(server.url()).unwrap_or(url).to_owned())
        .collect()
}

fn words(world: &World, setting: &str) -> Vec<String> {
    let conf = world.read("nix/nix.conf");
    let values = conf
        .lines()
        .filter_map(|line| line.split_once(" = ").filter(|(name, _)| *name == setting));
    let values = values.filter_map(|(_, value)| value.split(" #").next());
    let words = values.flat_map(|value| value.split(' '));
    words.map(str::to_owned).collect()
}

fn log_in(world: &World, server: &TestServer, options: &[&str]) -> Run {
    let login = ["login", "--scope", "user", "--server", server.url()];
    world.with_stdin(&[&login, options].concat(), server.admin_token())
}

fn contents(world: &World) -> BTreeMap<PathBuf, Vec<u8>> {
    let all = world.everything().into_iter();
    all.map(|(path, (content, _, _))| (path, content)).collect()
}

fn delete(world: &World, organization: &str) {
    world
        .fh(&["org", "delete", organization, "--yes"])
        .success();
}

#[test]
fn each_organisation_gets_its_line_and_a_later_login_replaces_them() {
    let server = TestServer::start().unwrap();
    for name in ["zeta", "acme"] {
        server.create_organization(name).unwrap();
    }
    let world = World::new();
    let conf = "max-jobs = 2\nextra-substituters = https://mine.example # mine";
    world.write(".config/nix/nix.conf", conf);
    let before = contents(&world);
    let shown = log_in(&world, &server, &["--dry-run"]).success();
    assert_eq!(contents(&world), before);
    let named = "Nix reads from, in this order:\n  [SERVER]/cache/zeta  your organisation zeta\n  \
                 [SERVER]/cache/acme  your organisation acme\n";
    assert!(
        shown.said(&server).contains(named),
        "{}",
        shown.said(&server)
    );

    let run = log_in(&world, &server, &[]).success();
    assert!(run.said(&server).contains(named), "{}", run.said(&server));
    let mine = "https://mine.example";
    assert_eq!(lines(&world, &server), [mine, "/cache/zeta", "/cache/acme"]);
    let netrc = world.read("nix/netrc");
    assert_eq!(netrc.lines().count(), 1, "{netrc}");
    let run = log_in(&world, &server, &["--json"]).success();
    assert_eq!(run.json()["changed"], false);
    assert_eq!(run.json()["substituters"][1]["organization"], "acme");
    assert_eq!(run.json()["substituters"][1]["standing"], "own");
    let status = world.typed("status").success();
    assert!(
        status
            .printed(&server)
            .contains("[SERVER]/cache/zeta, [SERVER]/cache/acme"),
        "{}",
        status.printed(&server)
    );

    // In the order that is wanted, and again so without saying it.
    log_in(&world, &server, &["--organizations", "acme,zeta"]).success();
    assert_eq!(lines(&world, &server), [mine, "/cache/acme", "/cache/zeta"]);
    let run = log_in(&world, &server, &["--json"]).success();
    assert_eq!(run.json()["changed"], false);
    log_in(&world, &server, &["--organizations", "*"]).success();
    assert_eq!(lines(&world, &server), [mine, "/cache/zeta", "/cache/acme"]);

    // A third one comes, and one goes.
    server.create_organization("new").unwrap();
    delete(&world, "zeta");
    log_in(&world, &server, &[]).success();
    assert_eq!(lines(&world, &server), [mine, "/cache/acme", "/cache/new"]);
    // The root is one line, by choice or where one is left.
    log_in(&world, &server, &["--root"]).success();
    assert_eq!(lines(&world, &server), [mine, ""]);
    log_in(&world, &server, &[]).success();
    assert_eq!(lines(&world, &server), [mine, ""]);
    log_in(&world, &server, &["--organizations", "*"]).success();
    assert_eq!(lines(&world, &server), [mine, "/cache/acme", "/cache/new"]);
    delete(&world, "new");
    log_in(&world, &server, &[]).success();
    assert_eq!(lines(&world, &server), [mine, ""]);

    world.typed("logout").success();
    assert_eq!(contents(&world), before);
}

#[test]
fn what_is_not_an_organisation_there_is_refused_and_nothing_is_changed() {
    let server = TestServer::start().unwrap();
    server.create_organization("acme").unwrap();
    let world = World::new();
    for options in [["--organizations", "acme,none"], ["--org", "none"]] {
        log_in(&world, &server, &options)
            .code(1)
            .says(&["has no organisation"]);
        assert!(contents(&world).is_empty());
    }
    log_in(&world, &server, &["--organizations", ""]).code(2);
    log_in(&world, &server, &["--root", "--org", "acme"]).code(2);
    let flakehub = "login --server flakehub --offline --org acme";
    world.given(flakehub, "flakehub1_x").code(2);
}

#[test]
fn one_organisation_alone_gets_a_token_for_it_once() {
    let server = TestServer::start().unwrap();
    for name in ["acme", "beta"] {
        server.create_organization(name).unwrap();
    }
    let world = World::new();
    log_in(&world, &server, &["--org", "acme", "--dry-run"])
        .success()
        .says(&["not limited to acme"]);
    log_in(&world, &server, &["--org", "acme"]).success();
    assert_eq!(lines(&world, &server), ["/cache/acme"]);
    let status = world.json("status");
    assert_eq!(status["flakes"], serde_json::json!(["acme/*"]));
    let netrc = world.read("nix/netrc");
    assert!(
        !netrc.contains(server.admin_token()),
        "the token that was given"
    );
    // The same again is the same token.
    log_in(&world, &server, &["--org", "ACME"]).success();
    assert_eq!(world.read("nix/netrc"), netrc);
    log_in(&world, &server, &["--org", "beta"]).success();
    assert_eq!(lines(&world, &server), ["/cache/beta"]);
    assert_ne!(world.read("nix/netrc"), netrc);

    // What may not mint is taken as it is, and that is said.
    let pulling = server.token_for("admin", &["pull"]).unwrap();
    let login = ["login", "--scope", "user", "--server", server.url()];
    let world = World::new();
    world
        .with_stdin(&[&login[..], &["--org", "acme"]].concat(), &pulling)
        .success()
        .says(&["cannot be limited"]);
    assert_eq!(lines(&world, &server), ["/cache/acme"]);
    assert!(world.read("nix/netrc").contains(&pulling));
}

#[test]
fn with_keys_of_each_organisation_the_lines_bring_their_own() {
    let server = TestServer::builder()
        .settings(|settings| settings.signing = Signing::PerOrganization)
        .start()
        .unwrap();
    let world = World::new();
    log_in(&world, &server, &[])
        .success()
        .says(&["nothing yet that you may read"]);
    assert!(lines(&world, &server).is_empty());
    for name in ["acme", "beta"] {
        server.create_organization(name).unwrap();
    }
    let keys = |org: &str| -> Vec<String> {
        let keys = world.fh(&["key", "list", "--org", org, "--json"]).success();
        let keys = keys.json();
        let keys = keys.as_array().unwrap().iter();
        let keys = keys.filter(|key| key["state"] != "retired");
        keys.map(|key| key["public_key"].as_str().unwrap().to_owned())
            .collect()
    };
    log_in(&world, &server, &[]).success();
    assert_eq!(lines(&world, &server), ["/cache/acme", "/cache/beta"]);
    let trusted = |world: &World| words(world, "extra-trusted-public-keys");
    assert_eq!(trusted(&world), [keys("acme"), keys("beta")].concat());

    // A rotation brings one key and takes one, of that organisation alone.
    world.typed("key rotate --org acme --yes").success();
    log_in(&world, &server, &[]).success();
    let mut expected = [keys("acme"), keys("beta")].concat();
    let mut present = trusted(&world);
    expected.sort();
    present.sort();
    assert_eq!(present, expected);
    // Who reads one organisation trusts its keys alone.
    log_in(&world, &server, &["--organizations", "beta"]).success();
    assert_eq!(trusted(&world), keys("beta"));
    log_in(&world, &server, &["--root"]).success();
    assert_eq!(lines(&world, &server), [""]);
    assert_eq!(trusted(&world).len(), 4);
    world.typed("logout").success();
    assert!(contents(&world).is_empty());
}
