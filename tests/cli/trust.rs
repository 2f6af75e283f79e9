//! `fh trust`: policies are made by templates, shown, tested and removed.

use expectrl::Expect as _;
use fh_testkit::server::TestServer;
use serde_json::json;

use crate::prompt::{on_a_terminal, rest};
use crate::world::World;

fn company() -> (TestServer, World) {
    let server = TestServer::start().unwrap();
    let world = World::logged_in(&server, server.admin_token());
    world.fh(&["org", "create", "acme"]).success();
    world.fh(&["flake", "create", "acme/app"]).success();
    (server, world)
}

const GITHUB: [&str; 12] = [
    "trust",
    "add",
    "github",
    "--repository",
    "acme/app",
    "--ref",
    "refs/heads/main",
    "--flake",
    "acme/app",
    "--role",
    "write",
    "--json",
];

#[test]
fn a_policy_is_made_shown_made_again_and_removed() {
    let (server, world) = company();
    let first = world.fh(&GITHUB).success().json();
    let again = world.fh(&GITHUB).success().json();
    assert_eq!(first, again, "the same command again changes nothing");
    let plain = world.fh(&GITHUB[..11]).success();
    insta::assert_snapshot!(plain.said(&server), @r"
    Workloads that meet the trust policy acme/github-acme-app may now read and push to acme/app.
    They are not builders of acme: with --builder, what they push overrides what people push.
    ");
    let shown = world
        .fh(&["trust", "show", "acme", "github-acme-app"])
        .success();
    insta::assert_snapshot!(shown.printed(&server), @r"
    Policy:        acme/github-acme-app
    Provider:      github
    Issuer:        https://token.actions.githubusercontent.com
    Keys:          fetched from the issuer
    Audience:      this server
    Condition:     repository = acme/app
    Condition:     ref = refs/heads/main
    Remembered:    repository_id = what it is at the first use
    Remembered:    repository_owner_id = what it is at the first use
    Role:          write on acme/app
    Pull requests: only read
    Builders:      no
    May mint:      no
    Tokens last:   1 hour at most
    Created:       [TIME]
    Last use:      never
    Id:            [ID]
    ");
    let listed = world.fh(&["trust", "list"]).success();
    insta::assert_snapshot!(listed.printed(&server), @r#"
    policy,provider,conditions,role,flakes,builder,last_used_at
    acme/github-acme-app,github,"repository = acme/app, ref = refs/heads/main",write,acme/app,,
    "#);
    for _ in 0..2 {
        world
            .fh(&["trust", "remove", "acme", "github-acme-app"])
            .success();
    }
    let none = world.fh(&["trust", "list", "acme", "--json"]).success();
    assert_eq!(none.json(), json!([]));
}

#[test]
fn builders_are_said_or_asked_for() {
    let (_server, world) = company();
    let mut command = GITHUB[..11].to_vec();
    command.push("--builder");
    let run = world.fh(&command).success();
    assert!(
        run.stderr.contains("They are builders of acme"),
        "{}",
        run.stderr
    );
    let shown = world.fh(&["trust", "show", "acme", "github-acme-app"]);
    assert!(shown.success().stdout.contains("yes: what they push"));
    for (answer, builder) in [("y\r", true), ("\r", false)] {
        let mut session = on_a_terminal(&world, &GITHUB[..11]);
        session.expect("Are these jobs builders of acme?").unwrap();
        session.send(answer).unwrap();
        let rest = rest(&mut session);
        assert!(rest.contains("may now read and push"), "{rest}");
        let shown = world.fh(&["trust", "show", "acme", "github-acme-app", "--json"]);
        assert_eq!(shown.success().json()["builder"], builder);
    }
    // Who only reads builds nothing.
    let mut session = on_a_terminal(&world, &GITHUB[..9]);
    let rest = rest(&mut session);
    assert!(!rest.contains("builder"), "{rest}");
}

#[test]
fn roots_of_forges_are_owned_listed_and_given_up() {
    let (server, world) = company();
    server.create_user("ann").unwrap();
    let token = server.token_for("ann", &["pull", "admin"]).unwrap();
    let ann = World::logged_in(&server, &token);
    let none = world.fh(&["org", "own", "--list", "--json"]).success();
    assert_eq!(none.json().as_array().map(Vec::len), Some(0));
    world.fh(&["org", "create", "beta"]).success();
    world
        .fh(&["member", "set", "beta", "ann", "owner"])
        .success();
    let asked = ann.fh(&["org", "own", "beta", "github:Beta"]).success();
    insta::assert_snapshot!(asked.said(&server), @"Requested github:beta. It takes effect when an administrator of the server confirms it: `fh org own beta github:beta`");
    let confirmed = world.fh(&["org", "own", "beta", "github:beta"]).success();
    insta::assert_snapshot!(confirmed.said(&server), @"Identities of github:beta act for beta unless they name another organisation.");
    let listed = world
        .fh(&["org", "own", "--list", "--json"])
        .success()
        .json();
    assert_eq!(listed[0]["root"], "github:beta");
    assert_eq!(listed[0]["requested_by"], "ann");
    assert!(listed[0]["confirmed_at"].is_string(), "{listed}");
    let taken = world.fh(&["org", "own", "acme", "github:beta"]).code(1);
    assert!(
        taken.stderr.contains("beta owns github:beta"),
        "{}",
        taken.stderr
    );
    ann.fh(&["org", "own", "beta", "github:beta", "--remove"])
        .success();
    world.fh(&["org", "own", "acme", "bitbucket:x"]).code(2);
    world.fh(&["org", "own", "acme"]).code(2);
}

#[test]
fn every_provider_has_a_template_that_the_server_takes() {
    let (_server, world) = company();
    world.write(
        "keys.json",
        // The example of RFC 8037.
        r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#,
    );
    for words in [
        "github --owner acme --workflow x.yml --repository acme/app",
        "github --host github.acme.example --repository acme/app",
        "gitlab --project acme/app --ref main",
        "gitlab --group acme --unprotected",
        "buildkite --organization acme --pipeline app --branch main",
        "circleci --organization-id 0f --project-id 1e --ref main",
        "semaphore --organization acme --project-id p1",
        "gcp --email ci@acme.iam.gserviceaccount.com",
        "kubernetes --issuer https://k8s.example --namespace ci --service-account b --jwks keys.json",
        "aws --account 123456789012 --role-name builder",
        "oidc --issuer https://id.example --claim team=infra --jwks keys.json --pin sub",
    ] {
        let mut command = vec!["trust", "add"];
        command.extend(words.split(' '));
        command.extend(["--flake", "acme/*"]);
        let run = world.fh(&command);
        // The server's operator has not named that host.
        let refused = words.contains("--host github");
        let run = run.code(i32::from(refused));
        assert_eq!(
            run.stderr.contains("oidc-issuer"),
            refused,
            "{}",
            run.stderr
        );
    }
    let listed = world
        .fh(&["trust", "list", "acme", "--json"])
        .success()
        .json();
    assert_eq!(listed.as_array().unwrap().len(), 10);
}

#[test]
fn what_would_let_strangers_in_is_refused_before_anything_is_sent() {
    let (_server, world) = company();
    for words in [
        "github --repository acme/* --flake acme/app",
        "github --repository acme --flake acme/app",
        "github --repository acme/app --flake acme/app --flake other/x",
        "github --repository acme/app --flake *",
        "github --repository acme/app",
        "github --flake acme/app",
        "aws --account 12 --flake acme/app",
    ] {
        let mut command = vec!["trust", "add"];
        command.extend(words.split(' '));
        world.fh(&command).code(2);
    }
}

#[test]
fn a_test_names_what_failed_and_fails() {
    let (server, world) = company();
    world.fh(&GITHUB).success();
    let encode = |value: serde_json::Value| {
        data_encoding::BASE64URL_NOPAD.encode(value.to_string().as_bytes())
    };
    let token = format!(
        "{}.{}.c2ln",
        encode(json!({ "alg": "RS256" })),
        encode(json!({
            "iss": "https://token.actions.githubusercontent.com", "aud": "x", "exp": 1,
            "repository": "acme/app", "ref": "refs/pull/7/merge",
        }))
    );
    let run = world.with_stdin(&["trust", "test", "--org", "acme", "-"], &token);
    let run = run.code(1);
    let printed = run.printed(&server);
    assert!(
        printed.contains("refused: the identity token has expired"),
        "{printed}"
    );
    assert!(
        printed.contains("github-acme-app: does not match"),
        "{printed}"
    );
    assert!(
        printed.contains("ref must be \"refs/heads/main\""),
        "{printed}"
    );
    assert!(
        run.stderr.contains("no trust policy of acme"),
        "{}",
        run.stderr
    );
}
