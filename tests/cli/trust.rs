//! `fh trust`: policies are made by templates, shown, tested and removed.

use std::collections::BTreeSet;

use expectrl::Expect as _;
use fh_testkit::rows;
use fh_testkit::server::TestServer;
use fh_testkit::{assert_contains, assert_lacks};
use serde_json::{Value, json};

use crate::prompt::{on_a_terminal, rest};
use crate::world::{Run, World};

fn company() -> (TestServer, World) {
    company_at(TestServer::start().unwrap())
}

fn company_at(server: TestServer) -> (TestServer, World) {
    let world = World::logged_in(&server, server.admin_token());
    world.typed("org create acme").success();
    world.typed("flake create acme/app").success();
    (server, world)
}

/// What `fh trust add` does with these words, on all flakes of the company.
fn add(world: &World, words: &str, more: &[&str]) -> Run {
    let mut command = vec!["trust", "add"];
    command.extend(words.split_whitespace());
    command.extend(["--flake", "acme/*"]);
    command.extend(more);
    world.fh(&command)
}

fn policies(world: &World) -> Value {
    world.json("trust list acme")
}

/// The example of RFC 8037.
const KEYS: &str =
    r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

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
    let plain = world.fh(&GITHUB[..11]).success();
    insta::assert_snapshot!(plain.said(&server), @r"
    Workloads that meet the trust policy acme/github-acme-app may now read and push to acme/app.
    They are not builders of acme: with --builder, what they push overrides what people push.
    ");
    let first = world.fh(&GITHUB).success().json();
    let again = world.fh(&GITHUB).success().json();
    assert_eq!(first, again, "the same command again changes nothing");
    assert_eq!(first["replaced"], Value::Null);
    let repeated = world.fh(&GITHUB[..11]).success();
    insta::assert_snapshot!(repeated.said(&server), @"This trust policy exists already as acme/github-acme-app. Nothing was changed.");
    let shown = world.typed("trust show acme github-acme-app").success();
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
    let listed = world.typed("trust list").success();
    insta::assert_snapshot!(listed.printed(&server), @r#"
    policy,provider,conditions,role,flakes,builder,last_used_at
    acme/github-acme-app,github,"repository = acme/app, ref = refs/heads/main",write,acme/app,,
    "#);
    for says in ["Removed the trust policy", "had no trust policy"] {
        world
            .typed("trust remove acme/github-acme-app --yes")
            .success()
            .says(&[says]);
    }
    let none = world.typed("trust list acme --json").success();
    assert_eq!(none.json(), json!([]));
}

#[test]
fn builders_are_said_or_asked_for() {
    let (_server, world) = company();
    let mut command = GITHUB[..11].to_vec();
    command.push("--builder");
    world
        .fh(&command)
        .success()
        .says(&["They are builders of acme"]);
    let is_builder = || {
        let shown = world.typed("trust show acme github-acme-app --json");
        shown.success().json()["builder"] == true
    };
    assert!(is_builder());
    // Of a policy that exists it is known who they are.
    let replacing = [&GITHUB[..11], &["--pull-requests", "--replace"]].concat();
    for (command, said) in [
        (GITHUB[..11].to_vec(), "exists already"),
        (replacing, "It replaces this policy"),
    ] {
        let mut session = on_a_terminal(&world, &command);
        let told = rest(&mut session);
        assert_contains(&told, &[said]);
        assert_lacks(&told, &["Are these jobs"]);
        assert!(is_builder(), "{told}");
    }
    // Who only reads builds nothing.
    let reading = [&GITHUB[..9], &["--replace"]].concat();
    let mut session = on_a_terminal(&world, &reading);
    let said = rest(&mut session);
    assert_lacks(&said, &["Are these jobs"]);
    assert!(!is_builder(), "{said}");
    let remove = ["trust", "remove", "acme", "github-acme-app", "--yes"];
    for (answer, builder) in [("y\r", true), ("\r", false)] {
        world.fh(&remove).success();
        let mut session = on_a_terminal(&world, &GITHUB[..11]);
        session.expect("Are these jobs builders of acme?").unwrap();
        session.send(answer).unwrap();
        let rest = rest(&mut session);
        assert_contains(&rest, &["may now read and push"]);
        assert_eq!(is_builder(), builder);
    }
    world.fh(&remove).success();
    let mut session = on_a_terminal(&world, &GITHUB[..9]);
    let rest = rest(&mut session);
    assert_lacks(&rest, &["builder"]);
}

#[test]
fn two_policies_get_two_names_whoever_vouches() {
    let builder = TestServer::builder().settings(|settings| {
        settings.workloads.issuers.push("https://*".to_owned());
    });
    let (_server, world) = company_at(builder.start().unwrap());
    world.write("keys.json", KEYS);
    let mut names = BTreeSet::new();
    for [both, first, second] in rows(
        "
        github --repository acme/app                         | --ref main              | --environment staging
        github --repository acme/tool                        | --workflow ci.yml       | --workflow release.yml
        github --repository acme/lib                         |                         | --host github.acme.example
        github --repository                                  | a-b/c                   | a/b-c
        gitlab --project acme/app                            | --ref main              | --unprotected
        gitlab --project acme/lib                            |                         | --host gitlab.acme.example
        gitlab                                               | --project acme/sub      | --group acme/sub
        buildkite --pipeline app --organization              | acme                    | other
        buildkite --organization acme --pipeline lib         | --branch main           | --step deploy
        circleci --organization-id 0f --project-id 1e --ref  | main                    | dev
        circleci --project-id 2e --organization-id           | 0f                      | 1f
        semaphore --organization acme --project-id           | p1                      | p2
        gcp --email                                          | ci@a                    | ci.a@
        kubernetes --namespace ci --service-account b --jwks keys.json --issuer | https://one.example     | https://two.example
        kubernetes --issuer https://k8s.example --namespace  | x-y --service-account z | x --service-account y-z
        aws --role-name builder --account                    | 111111111111            | 222222222222
        aws --account 333333333333 --session                 | one                     | two
        oidc --issuer https://id.example --claim             | team=infra              | team=web
        oidc --subject builder --issuer                      | https://id.example      | https://other.example
        ",
    ) {
        let [first, second] = [first, second].map(|of_one| format!("{both} {of_one}"));
        let made = [&first, &second].map(|words| add(&world, words, &["--json"]).success().json());
        for (words, made) in [&first, &second].into_iter().zip(&made) {
            let name = made["name"].as_str().unwrap();
            assert!(name.len() <= 64, "{words}: {name}");
            assert!(names.insert(name.to_owned()), "{words}: {name} is taken");
            // The very same again is neither another one nor refused.
            let again = add(&world, words, &["--json"]).success().json();
            assert_eq!(again, *made, "{words}");
        }
    }
    let listed: BTreeSet<String> = policies(&world)
        .as_array()
        .unwrap()
        .iter()
        .map(|policy| policy["name"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(listed, names);
    for telling in [
        "github-acme-app-staging",
        "github-a-b-c",
        "semaphore-acme-p2",
        "aws-builder-222222222222",
        "kubernetes-ci-b-two-example",
        "oidc-web",
    ] {
        assert!(names.contains(telling), "{telling}: {names:?}");
    }
}

#[test]
fn a_policy_of_other_content_stays_and_the_difference_is_told() {
    let (_server, world) = company();
    world.write("keys.json", KEYS);
    let github = "github --repository acme/app --ref main --role write";
    let cluster = "kubernetes --issuer https://k8s.example --namespace ci --service-account b";
    let name = add(&world, github, &["--json"]).success().json()["name"].clone();
    assert_eq!(name, "github-acme-app");
    add(&world, &format!("{cluster} --jwks keys.json"), &[]).success();
    let before = policies(&world);
    let reading = "github --repository acme/app --ref main --role read";
    let other = "gitlab --project acme/app --role write --name GitHub-acme-app";
    for (words, more, difference) in [
        (
            reading,
            &[][..],
            "Role: it has \"write\", and you asked for \"read\"",
        ),
        (github, &["--flake", "acme/app"][..], "Flakes: "),
        (
            github,
            &["--audience", "https://x.example"][..],
            "Audience: ",
        ),
        (github, &["--mint"][..], "May mint: "),
        (github, &["--pull-requests"][..], "Pull requests: "),
        (github, &["--builder"][..], "Builders: "),
        (github, &["--max-lifetime", "10m"][..], "Tokens last: "),
        (other, &[][..], "Conditions: "),
        (other, &[][..], "Issuer: "),
        (other, &["--json"][..], "Provider: "),
    ] {
        add(&world, words, more).code(1).says(&[
            difference,
            "exists already",
            "--replace",
            "--name",
        ]);
        assert_eq!(policies(&world), before, "{words} {more:?}");
    }
    // Keys that were given are known to the server alone.
    let keys = KEYS.replace("\"x\":", "\"kid\":\"new\",\"x\":");
    world.write("other.json", &keys);
    add(&world, &format!("{cluster} --jwks other.json"), &[])
        .code(1)
        .says(&["other content", "--replace"]);
    assert_eq!(policies(&world), before);
    // By a name of its own it stands beside the first one.
    add(&world, reading, &["--name", "reading"]).success();
    assert_eq!(policies(&world).as_array().map(Vec::len), Some(3));
}

#[test]
fn what_is_replaced_is_printed() {
    let (server, world) = company();
    let made = world.fh(&GITHUB).success().json();
    let reading = [&GITHUB[..9], &["--replace"]].concat();
    let replaced = world.fh(&reading).success();
    insta::assert_snapshot!(replaced.said(&server), @r"
    Workloads that meet the trust policy acme/github-acme-app may now read acme/app.
    It replaces this policy:
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
    let repeated = world.fh(&reading).success();
    insta::assert_snapshot!(repeated.said(&server), @"This trust policy exists already as acme/github-acme-app. Nothing was changed.");
    let other = "gitlab --project acme/app --name github-acme-app --replace";
    let run = add(&world, other, &["--json"]).success().json();
    assert_eq!(run["provider"], "gitlab");
    assert_eq!(run["replaced"]["provider"], "github");
    assert_eq!(run["replaced"]["role"], "read");
    assert_eq!(run["replaced"]["id"], made["id"]);
    // Other workloads of the repository replace nothing, unless they are given its name.
    world.fh(&GITHUB).code(0);
    let staging = "github --repository acme/app --environment staging --replace";
    let beside = add(&world, staging, &["--json"]).success().json();
    assert_eq!(beside["replaced"], Value::Null);
    assert_eq!(policies(&world).as_array().map(Vec::len), Some(3));
}

#[test]
fn roots_of_forges_are_owned_listed_and_given_up() {
    let (server, world) = company();
    server.create_user("ann").unwrap();
    let token = server.token_for("ann", &["pull", "admin"]).unwrap();
    let ann = World::logged_in(&server, &token);
    let none = world.typed("org own --json").success();
    assert_eq!(none.json().as_array().map(Vec::len), Some(0));
    world.typed("org create beta").success();
    world.typed("member set beta ann owner").success();
    let asked = ann.typed("org own beta github:Beta").success();
    insta::assert_snapshot!(asked.said(&server), @"Requested github:beta. It takes effect when an administrator of the server confirms it: `fh org own beta github:beta`");
    let confirmed = world.typed("org own beta github:beta").success();
    insta::assert_snapshot!(confirmed.said(&server), @"Identities of github:beta act for beta unless they name another organisation.");
    let listed = world.json("org own");
    // Of one organisation, and with the earlier word.
    for same in [&["beta"][..], &["beta", "--list"], &["--list"]] {
        let words = [&["org", "own"][..], same, &["--json"]].concat();
        assert_eq!(world.fh(&words).success().json(), listed, "{same:?}");
    }
    assert_eq!(listed.as_array().map(Vec::len), Some(1));
    assert_eq!(listed[0]["root"], "github:beta");
    assert_eq!(listed[0]["requested_by"], "ann");
    assert!(listed[0]["confirmed_at"].is_string(), "{listed}");
    world
        .typed("org own acme github:beta")
        .code(1)
        .says(&["beta owns github:beta"]);
    ann.typed("org own beta github:beta --remove").success();
    world.typed("org own acme bitbucket:x").code(2);
    let nothing = world.typed("org own acme --json").success();
    assert_eq!(nothing.json(), serde_json::json!([]));
    world.typed("org own acme --remove").code(2);
    world.typed("org own --remove").code(2);
}

#[test]
fn every_provider_has_a_template_that_the_server_takes() {
    let (_server, world) = company();
    world.write("keys.json", KEYS);
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
        let run = add(&world, words, &[]);
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
    let listed = world.json("trust list acme");
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
    assert_contains(
        &printed,
        &[
            "refused: the identity token has expired",
            "github-acme-app: does not match",
            "ref must be \"refs/heads/main\"",
        ],
    );
    run.says(&["no trust policy of acme"]);
}
