//! `fh push` to attic servers and FlakeHub Cache: against a model that holds to atticd's source, with real
//! Nix on both ends.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, Weak};

use fh_testkit::attic::{AtticModel, CacheSettings, Described, ModelSettings, Seen};
use fh_testkit::nix::{Nix, ScratchStore, versions};
use fh_testkit::server::TestServer;
use fh_testkit::{assert_contains, assert_lacks};

use crate::nix::built::{builder, newest};
use crate::nix::process::{Ended, run};
use crate::nix::{Built, Person, counts, shared};

fn closure() -> Arc<Built> {
    static CLOSURE: Mutex<Weak<Built>> = Mutex::new(Weak::new());
    shared(&CLOSURE, || Built::new("to-attic"))
}

fn model() -> AtticModel {
    model_with(ModelSettings::default())
}

fn model_with(settings: ModelSettings) -> AtticModel {
    let model = AtticModel::start(settings).unwrap();
    model
        .create_cache("team", CacheSettings::default())
        .unwrap();
    model
}

/// `fh push TARGET PATH` with this token, and these options.
fn push(nix: &'static Nix, target: &str, token: &str, path: &str, options: &[&str]) -> Ended {
    push_with(nix, target, token, path, options, &[])
}

fn push_with(
    nix: &'static Nix,
    target: &str,
    token: &str,
    path: &str,
    options: &[&str],
    variables: &[(&str, &str)],
) -> Ended {
    let person = Person::new(None, nix);
    let mut command = person.fh_command(["push", target, path].iter().chain(options));
    command.env("FH_TOKEN", token);
    command.envs(variables.iter().copied());
    run(command)
}

/// The requests as `METHOD PATH`, those of uploads counted.
fn requests(seen: &[Seen]) -> Vec<String> {
    let uploads = seen.iter().filter(|seen| seen.method == "PUT").count();
    let mut requests: Vec<String> = seen
        .iter()
        .filter(|seen| seen.method != "PUT")
        .map(|seen| format!("{} {}", seen.method, seen.path))
        .collect();
    requests.push(format!("{uploads} uploads"));
    requests
}

const CONFIG: &str = "GET /_api/v1/cache-config/team";
const MISSING: &str = "POST /_api/v1/get-missing-paths";

#[test]
fn what_every_version_pushes_every_version_gets_back() {
    let built = closure();
    let names = ["paths", "uploaded", "present", "nar_size", "upstream"];
    for nix in versions() {
        let model = model();
        let public = CacheSettings {
            is_public: true,
            ..CacheSettings::default()
        };
        let key = model.create_cache("open", public).unwrap();
        let token = model.token(&[("open", "rw")]).unwrap();
        let server = ["--server", model.url(), "--json"];
        let pushed = push(nix, "open", &token, built.top(), &server).ok().json();
        assert_eq!(
            counts(&pushed, names),
            [8, 8, 0, built.closure.nar_bytes, 0]
        );
        assert_eq!(pushed["cache"], "open");
        assert!(pushed.get("flake").is_none());
        assert_eq!(model.paths_in("open"), built.paths());

        let again = push(nix, "open", &token, built.top(), &server).ok().json();
        assert_eq!(counts(&again, names), [8, 0, 8, built.closure.nar_bytes, 0]);

        // Anybody may read it; Nix checks the signatures and hashes all of it.
        let reader = Person::new(None, nix);
        reader
            .home
            .configure(&format!("trusted-public-keys = {key}"))
            .unwrap();
        let store = ScratchStore::new().unwrap();
        let from = format!("{}/open", model.url());
        reader.copy(&from, &store.uri(), built.top()).ok();
        built.assert_arrived(nix, &store);
    }
}

#[test]
fn a_private_cache_is_read_with_the_same_token() {
    let (built, model) = (closure(), model());
    let token = model.token(&[("te*", "rw")]).unwrap();
    push(
        newest(),
        "team",
        &token,
        built.top(),
        &["--server", model.url()],
    )
    .ok();
    let reader = Person::new(None, newest());
    let netrc = reader.home.path().join("netrc");
    std::fs::write(&netrc, format!("machine 127.0.0.1 password {token}\n")).unwrap();
    let lines = format!("netrc-file = {}\nrequire-sigs = false", netrc.display());
    reader.home.configure(&lines).unwrap();
    let store = ScratchStore::new().unwrap();
    let from = format!("{}/team", model.url());
    reader.copy(&from, &store.uri(), built.top()).ok();
    built.assert_arrived(newest(), &store);
}

#[test]
fn after_a_login_to_a_cache_neither_server_nor_token_is_named() {
    let (built, model) = (closure(), model());
    let token = model.token(&[("team", "rw")]).unwrap();
    let person = Person::new(None, newest());
    std::fs::write(person.token_file(), &token).unwrap();
    let cache = format!("{}/team", model.url());
    person.log_in(&cache, &person.token_file());
    let before = model.seen().len();
    person.fh(["push", "team", built.top()]).ok();
    assert_eq!(model.paths_in("team"), built.paths());
    // What it is was learnt at the login.
    assert_eq!(requests(&model.seen()[before..])[..2], [CONFIG, MISSING]);
    // And Nix reads it through what the login wrote.
    let store = ScratchStore::new().unwrap();
    person.copy(&cache, &store.uri(), built.top()).ok();
    built.assert_arrived(newest(), &store);
}

#[test]
fn a_server_is_asked_what_it_is_without_a_token_and_only_where_it_is_not_said() {
    let (built, model) = (closure(), model());
    let token = model.token(&[("team", "rw")]).unwrap();
    let server = ["--server", model.url()];
    push(newest(), "team", &token, built.top(), &server).ok();
    let seen = model.seen();
    assert_eq!(
        requests(&seen),
        ["GET /.well-known/fh", CONFIG, CONFIG, MISSING, "8 uploads"]
    );
    let bearer = Some(format!("Bearer {token}"));
    for (number, request) in seen.iter().enumerate() {
        let expected = if number < 2 { None } else { bearer.clone() };
        assert_eq!(request.authorization, expected, "{request:?}");
    }

    // Said, it is not asked; and where all is there, nothing is sent.
    let said = ["--server", model.url(), "--protocol", "attic"];
    let again = push(newest(), "team", &token, built.top(), &said).ok();
    again.says(&["Nothing to push to team", "8 there already"]);
    let later = &model.seen()[seen.len()..];
    assert_eq!(requests(later), [CONFIG, MISSING, "0 uploads"]);
}

#[test]
fn targets_that_do_not_fit_are_named_before_a_token_travels() {
    let (built, model) = (closure(), model());
    let attic = ["--server", model.url()];
    let ended = push(newest(), "acme/app", "some-token", built.top(), &attic);
    ended
        .code(2)
        .says(&["is an attic server and holds caches", "fh push CACHE"]);
    assert!(model.seen().iter().all(|seen| seen.authorization.is_none()));

    let fh = TestServer::start().unwrap();
    let server = ["--server", fh.url()];
    for token in ["some-token", fh.admin_token()] {
        let ended = push(newest(), "team", token, built.top(), &server);
        ended
            .code(2)
            .says(&["is an fh server and holds flakes", "fh push ORG/PROJECT"]);
    }
    let ended = push(newest(), "a.b", "x", built.top(), &server);
    ended
        .code(2)
        .says(&["a flake is ORG/PROJECT, with a slash"]);
}

#[test]
fn every_upload_says_how_long_it_is_and_long_descriptions_travel_in_the_body() {
    let model = model();
    let person = Person::new(None, builder());
    // 120 references of some 50 bytes each.
    let expression = person.home.path().join("many.nix");
    std::fs::write(
        &expression,
        format!(
            r#"derivation {{
                name = "many-references"; system = builtins.currentSystem; builder = "/bin/sh";
                args = [ "-c" "echo $inputs > $out" ]; PATH = "/bin:/usr/bin";
                inputs = map (number: builtins.toFile "input-${{toString number}}" "{} ${{toString number}}")
                    (builtins.genList (number: number) 120);
            }}"#,
            std::process::id()
        ),
    )
    .unwrap();
    let result = person.home.path().join("result");
    let build = [
        expression.as_os_str(),
        "--out-link".as_ref(),
        result.as_os_str(),
    ];
    let built = person.nix("nix-build", build).ok().stdout;
    let token = model.token(&[("team", "w")]).unwrap();
    let said = ["--server", model.url(), "--protocol", "attic"];
    let pushed = push(builder(), "team", &token, built.trim(), &said).ok();
    pushed.says(&["Pushed 121 paths to team"]);
    assert_eq!(model.paths_in("team").len(), 121);
    let uploads: Vec<Seen> = model
        .seen()
        .into_iter()
        .filter(|s| s.method == "PUT")
        .collect();
    assert_eq!(uploads.len(), 121);
    let in_body = |seen: &&Seen| matches!(seen.described, Some(Described::InBody(_)));
    let large: Vec<&Seen> = uploads.iter().filter(in_body).collect();
    let [large] = large.as_slice() else {
        panic!("{large:?}")
    };
    // It is the last, as it needs all others; and the NAR is what the length says beyond it.
    assert_eq!(uploads.last().unwrap().described, large.described);
    let Some(Described::InBody(preamble)) = large.described else {
        panic!("{large:?}")
    };
    assert!(preamble >= 4096, "{preamble}");
    let size = person
        .nix("nix-store", ["--query", "--size", built.trim()])
        .ok();
    let size: u64 = size.stdout.trim().parse().unwrap();
    assert_eq!(large.content_length, Some(preamble as u64 + size));
    let others = uploads.iter().filter(|seen| !in_body(seen));
    assert!(
        others
            .map(|s| s.content_length)
            .all(|length| length.is_some())
    );
    std::fs::remove_file(result).unwrap();
    person.nix("nix-store", ["--delete", built.trim()]).ok();
}

#[test]
fn refusals_are_told_in_the_servers_words_and_ours() {
    let (built, model) = (closure(), model());
    let said = ["--server", model.url(), "--protocol", "attic"];
    let expired = model.token_until(&[("team", "rw")], -3600).unwrap();
    for (token, target, says) in [
        (
            "not-a-token",
            "team",
            ["Unauthorized.", "grants nothing on this cache"],
        ),
        (&*expired, "team", ["Unauthorized.", "not valid there"]),
        (
            &*model.token(&[("team", "r")]).unwrap(),
            "team",
            ["does not have permission", "grant `w`"],
        ),
        (
            &*model.token(&[("*", "rw")]).unwrap(),
            "other",
            ["does not exist", "name of the cache"],
        ),
    ] {
        let ended = push(newest(), target, token, built.top(), &said).code(1);
        assert_lacks(&ended.stderr, &[token]);
        ended.says(&says);
    }
    // A token that may not pull cannot see the configuration, and pushes all the same.
    let token = model.token(&[("team", "w")]).unwrap();
    push(newest(), "team", &token, built.top(), &said).ok();
    assert_eq!(model.paths_in("team"), built.paths());
}

#[test]
fn a_proxys_refusal_of_one_path_stops_what_needs_it_and_a_second_run_sends_the_rest() {
    let built = closure();
    let blob = built.path("data-").to_owned();
    let refused = blob.clone();
    let model = model_with(ModelSettings {
        fault: Some(Box::new(move |seen, before| {
            let passes = before
                .iter()
                .filter(|s| s.store_path == seen.store_path)
                .count()
                > 0;
            (seen.store_path.as_ref() == Some(&refused) && !passes).then_some(413)
        })),
        ..ModelSettings::default()
    });
    let token = model.token(&[("team", "rw")]).unwrap();
    let said = ["--server", model.url(), "--protocol", "attic"];
    let ended = push(newest(), "team", &token, built.top(), &said).code(1);
    let ended = ended.says(&[
        &blob,
        "413",
        "the others are there",
        "sends only what is missing",
    ]);
    assert_contains(&ended.stderr, &["it was not sent, because it needs"]);
    let there = model.paths_in("team");
    assert!(!there.contains(&blob) && !there.contains(&built.top().to_owned()));
    assert!(there.len() >= 3, "{there:?}");

    let again = push(
        newest(),
        "team",
        &token,
        built.top(),
        &[&said[..], &["--json"]].concat(),
    );
    let again = again.ok().json();
    let missing = 8 - there.len() as u64;
    assert_eq!(
        counts(&again, ["uploaded", "present"]),
        [missing, there.len() as u64]
    );
    assert_eq!(model.paths_in("team"), built.paths());
}

#[test]
fn passing_failures_are_tried_again() {
    let built = closure();
    let model = model_with(ModelSettings {
        fault: Some(Box::new(|_, before| (before.len() % 3 == 1).then_some(503))),
        ..ModelSettings::default()
    });
    let token = model.token(&[("team", "rw")]).unwrap();
    let options = ["--server", model.url(), "--protocol", "attic", "--json"];
    let pushed = push(newest(), "team", &token, built.top(), &options)
        .ok()
        .json();
    assert_eq!(counts(&pushed, ["uploaded"]), [8]);
    assert!(pushed["retries"].as_u64().unwrap() > 2, "{pushed}");
    assert_eq!(model.paths_in("team"), built.paths());
}

#[test]
fn a_token_goes_to_no_other_server_whatever_the_configuration_says() {
    let built = closure();
    let other = model();
    let model = model_with(ModelSettings {
        api_endpoint: Some(format!("{}/", other.url())),
        ..ModelSettings::default()
    });
    let token = model.token(&[("team", "rw")]).unwrap();
    let said = ["--server", model.url(), "--protocol", "attic"];
    let pushed = push(newest(), "team", &token, built.top(), &said).ok();
    pushed.says(&["Your token is not sent there", other.url()]);
    assert!(other.seen().is_empty());
    assert_eq!(model.paths_in("team"), built.paths());
}

#[test]
fn what_the_cache_leaves_to_others_is_not_sent_unless_asked_for() {
    let built = closure();
    let model = model();
    let key = fh_testkit::attic::new_key("upstream-1").unwrap();
    let mine = CacheSettings {
        upstream_cache_key_names: vec!["upstream-1".to_owned()],
        ..CacheSettings::default()
    };
    model.create_cache("team", mine).unwrap();
    let person = Person::new(None, builder());
    let file = person.home.path().join("key");
    std::fs::write(&file, &key).unwrap();
    let blob = built.path("data-");
    let sign = ["store", "sign", "-k", file.to_str().unwrap(), blob];
    person.nix("nix", sign).ok();
    let token = model.token(&[("team", "rw")]).unwrap();
    let options = ["--server", model.url(), "--protocol", "attic", "--json"];
    let pushed = push(newest(), "team", &token, built.top(), &options)
        .ok()
        .json();
    assert_eq!(counts(&pushed, ["uploaded", "upstream"]), [7, 1]);
    let all = [&options[..], &["--skip-signed-by", "none"]].concat();
    let pushed = push(newest(), "team", &token, built.top(), &all)
        .ok()
        .json();
    assert_eq!(
        counts(&pushed, ["uploaded", "present", "upstream"]),
        [1, 7, 0]
    );
}

#[test]
fn a_push_to_flakehub_goes_to_the_cache_that_its_api_names() {
    let built = closure();
    let (organization, project) = (
        "0190aaaa-0000-7000-8000-000000000001",
        "0190bbbb-0000-7000-8000-000000000002",
    );
    let uuids = (organization.to_owned(), project.to_owned());
    let model = AtticModel::start(ModelSettings {
        flakehub_tokens: ["flakehub1_x.y.z".to_owned()].into(),
        projects: BTreeMap::from([("acme/app".to_owned(), uuids)]),
        ..ModelSettings::default()
    })
    .unwrap();
    let cache = format!("{organization}:{project}");
    model
        .create_cache(&cache, CacheSettings::default())
        .unwrap();
    let variables = [("FH_API_ADDR", model.url()), ("FH_CACHE_ADDR", model.url())];
    let push = |target: &str, token: &str, options: &[&str]| {
        push_with(newest(), target, token, built.top(), options, &variables)
    };
    let said = ["--protocol", "flakehub"];
    let pushed = push("acme/app", "flakehub1_x.y.z", &said).ok();
    pushed.says(&["Pushed 8 paths to acme/app"]);
    assert_eq!(model.paths_in(&cache), built.paths());
    let config = format!("GET /_api/v1/cache-config/{cache}");
    assert_eq!(
        requests(&model.seen()),
        ["GET /project/acme/app", &config, MISSING, "8 uploads"]
    );
    // Its address says what it is, too.
    let by_address = push(
        "acme/app",
        "flakehub1_x.y.z",
        &["--server", model.url(), "--json"],
    );
    assert_eq!(counts(&by_address.ok().json(), ["present"]), [8]);

    push("acme/none", "flakehub1_x.y.z", &said)
        .code(1)
        .says(&["FlakeHub has no flake acme/none"]);
    push("acme/app", "flakehub1_bad", &said)
        .code(1)
        .says(&["which cache acme/app has on FlakeHub"]);
    push("acme", "flakehub1_x.y.z", &said)
        .code(2)
        .says(&["is FlakeHub and holds flakes"]);
}
