//! A login that is renewed: everything that it wrote follows, and it says in time that it ends.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use fh_api::RenewalRule;
use fh_testkit::server::{Method, TestServer};
use fh_testkit::{assert_contains, assert_lacks};
use serde_json::{Value, json};

use crate::push::three_paths;
use crate::world::World;

const DAY: u64 = 86_400;

/// A token of a person, which ends after so many days.
fn token_of(server: &TestServer, user: &str, days: u64) -> String {
    let body = json!({ "user": user, "permissions": ["pull", "push"], "expires_in": days * DAY });
    server.mint(&body).unwrap()
}

/// Lets a token have been made so many days earlier than it was, for a lifetime that is as much longer.
fn made_earlier(server: &mut TestServer, token: &str, days: u64) {
    server.stop().unwrap();
    let database = rusqlite::Connection::open(server.data_dir().join("fh.sqlite")).unwrap();
    let id = fh_auth::read_unverified(token).unwrap().jti.to_string();
    let micros = days * DAY * 1_000_000;
    let sql = format!("UPDATE token SET created_at = created_at - {micros} WHERE uuid = ?1");
    assert_eq!(database.execute(&sql, [id]).unwrap(), 1);
    drop(database);
    server.restart().unwrap();
}

/// The stored token and the file that it is in.
fn stored(world: &World) -> (PathBuf, String) {
    let mut files = fs::read_dir(world.config("fh/tokens")).unwrap();
    let path = files.next().unwrap().unwrap().path();
    let token = fs::read_to_string(&path).unwrap().trim().to_owned();
    (path, token)
}

/// How many days a login has left, rounded.
fn days_left(world: &World) -> i64 {
    let status = world.json("status");
    let format = &time::format_description::well_known::Rfc3339;
    let end = status["expires_at"].as_str().unwrap();
    let end = time::OffsetDateTime::parse(end, format).unwrap();
    let left = end - time::OffsetDateTime::now_utc() + time::Duration::hours(12);
    left.whole_days()
}

fn tokens(server: &TestServer, user: &str) -> usize {
    let path = format!("/api/v1/tokens?user={user}");
    let list = server.get(&path, Some(server.admin_token())).unwrap();
    list.json().unwrap()["tokens"].as_array().unwrap().len()
}

/// Files with their content and mode, but for times.
fn contents(world: &World) -> BTreeMap<PathBuf, (Vec<u8>, u32)> {
    let all = world.everything().into_iter();
    all.map(|(path, (content, mode, _))| (path, (content, mode)))
        .collect()
}

#[test]
fn the_store_and_every_netrc_of_the_login_follow() {
    let mut server = TestServer::start().unwrap();
    server.create_user("ann").unwrap();
    let former = token_of(&server, "ann", 3);
    made_earlier(&mut server, &former, 87);
    let world = World::logged_in(&server, &former);
    // A second login, after Nix was told to read another netrc: the first one has its entry still.
    let other = world.path("other-netrc");
    let conf = world.read("nix/nix.conf");
    let own = world.config("nix/netrc");
    let conf = conf.replace(own.to_str().unwrap(), other.to_str().unwrap());
    world.write(".config/nix/nix.conf", &conf);
    fs::write(&other, "machine else.org login me password mine\n").unwrap();
    world.log_in_as(&server, &former);
    let before = contents(&world);
    assert_eq!(days_left(&world), 3);

    let run = world.typed("token renew").success();
    assert_eq!(run.stdout, "");
    let (path, token) = stored(&world);
    assert_ne!(token, former);
    let said = run.said(&server);
    let first = said.lines().next().unwrap();
    let expected = "Renewed the login to [SERVER] as ann, until [DATE] (in 90 days).";
    assert_eq!(first, expected);
    assert_contains(&said, &["tokens/", "nix/netrc", "other-netrc"]);
    run.never_says(&["fh1_ey"]);
    assert_eq!(days_left(&world), 90);
    let after = contents(&world);
    let changed =
        |(path, content): &(&PathBuf, &(Vec<u8>, u32))| before.get(*path) != Some(*content);
    let changed: Vec<&Path> = after
        .iter()
        .filter(changed)
        .map(|(path, _)| path.as_path())
        .collect();
    let ledger = world.config("fh/ledger.json");
    assert_eq!(changed, [ledger.as_path(), path.as_path(), own.as_path()]);
    for file in [&own, &other] {
        let text = fs::read_to_string(file).unwrap();
        assert!(
            text.contains(&format!("password {token}\n")),
            "{}",
            file.display()
        );
        assert!(!text.contains(&former), "{}", file.display());
    }
    // Nothing is lost for another machine that has the former one; and all of it is taken back.
    let mut elsewhere = World::new();
    elsewhere.set("FH_TOKEN", &former);
    elsewhere
        .fh(&["status", "--server", server.url()])
        .success();
    world.typed("logout").success();
    assert!(!own.exists());
    let rest = fs::read_to_string(&other).unwrap();
    assert_eq!(rest, "machine else.org login me password mine\n");
}

#[test]
fn a_timer_renews_only_what_ends_soon() {
    let mut server = TestServer::start().unwrap();
    server.create_user("ann").unwrap();
    let token = token_of(&server, "ann", 10);
    let world = World::logged_in(&server, &token);
    let before = contents(&world);
    // Nobody is asked.
    server.stop().unwrap();
    for within in ["9d", "1w", "1s"] {
        world
            .fh(&["token", "renew", "--if-within", within])
            .success()
            .says(&["(in 10 days): nothing to renew yet."]);
    }
    let renew = ["token", "renew", "--json", "--if-within", "9d"];
    let report = world.fh(&renew).success().json();
    assert_eq!(report["renewed"], false);
    assert_eq!(contents(&world), before);
    world.typed("token renew --if-within 2w").code(1);
    assert_eq!(contents(&world), before);
    server.restart().unwrap();
    let renew = ["token", "renew", "--json", "--if-within", "2w"];
    let report = world.fh(&renew).success().json();
    assert_eq!(report["renewed"], true);
    assert_eq!(report["user"], "ann");
    let former = fh_auth::read_unverified(&token).unwrap().jti;
    assert_eq!(report["former_token_id"], json!(former));
    let (path, token) = stored(&world);
    let id = fh_auth::read_unverified(&token).unwrap().jti;
    assert_eq!(report["token_id"], json!(id));
    let files = report["files"].as_array().unwrap();
    assert_eq!(files[0]["path"], path.to_str().unwrap());
    assert_eq!(files.len(), 2, "the token and the netrc");
}

/// What a server refuses changes nothing, and says what to do instead.
#[test]
fn what_is_not_renewed_says_why_and_changes_nothing() {
    let server = TestServer::start().unwrap();
    server.create_user("ann").unwrap();
    let robot = json!({ "name": "robot", "kind": "service" });
    let admin = Some(server.admin_token());
    server
        .post("/api/v1/users", admin, &robot)
        .unwrap()
        .expect(201)
        .unwrap();
    let revoked = token_of(&server, "ann", 90);
    let long = json!({ "user": "ann", "expires_in": 400 * DAY });
    for (what, token, reason) in [
        (
            "a service account",
            token_of(&server, "robot", 90),
            "service accounts such as robot",
        ),
        (
            "longer than renewals",
            server.mint(&long).unwrap(),
            "max-renewal",
        ),
        ("revoked", revoked.clone(), "the token was revoked"),
    ] {
        let world = World::logged_in(&server, &token);
        if token == revoked {
            let id = fh_auth::read_unverified(&revoked).unwrap().jti;
            let path = format!("/api/v1/tokens/{id}");
            server.request(Method::DELETE, &path, admin, None).unwrap();
        }
        let before = contents(&world);
        for renew in [
            &["token", "renew"][..],
            &["login", "--renew", "--scope", "user"],
        ] {
            world.fh(renew).code(1).says(&[reason, "Hint: "]);
        }
        assert_eq!(contents(&world), before, "{what}");
    }
    // What cannot be written is not asked for.
    let token = token_of(&server, "ann", 90);
    let world = World::logged_in(&server, &token);
    let netrc = world.read("nix/netrc");
    world.write(
        ".config/nix/netrc",
        &format!("{netrc}machine a.org login me password\n"),
    );
    let there = tokens(&server, "ann");
    world
        .typed("token renew")
        .code(1)
        .says(&["cannot be parsed"]);
    assert_eq!(tokens(&server, "ann"), there);
    // Nobody is logged in, or the token is not ours to replace.
    let mut world = World::new();
    world.typed("token renew").code(1);
    world.set("FH_TOKEN", &token);
    world
        .fh(&["token", "renew", "--server", server.url()])
        .code(1)
        .says(&["there is no stored login", "FH_TOKEN"]);
    world
        .typed("token renew --server flakehub")
        .code(2)
        .says(&["is FlakeHub"]);
}

/// A server of before there were renewals has a token's address there, and another method.
#[test]
fn an_older_server_is_told_of() {
    let mut server = TestServer::start().unwrap();
    let world = World::logged_in(&server, server.admin_token());
    server.stop().unwrap();
    let address = server.url().trim_start_matches("http://").to_owned();
    let listener = TcpListener::bind(address).unwrap();
    let answering = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 4096];
        let read = stream.read(&mut request).unwrap();
        let body = r#"{"code":405,"error":"method_not_allowed","message":"this address does not accept that method"}"#;
        let answer = format!(
            "HTTP/1.1 405 Method Not Allowed\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(answer.as_bytes()).unwrap();
        String::from_utf8_lossy(&request[..read]).into_owned()
    });
    world
        .typed("token renew")
        .code(1)
        .says(&["does not know renewals", "fh login --server"]);
    let request = answering.join().unwrap();
    assert!(
        request.starts_with("POST /api/v1/tokens/renew "),
        "{request}"
    );
}

#[test]
fn a_login_renews_its_token_and_brings_the_rest_up_to_date() {
    let mut server = TestServer::start().unwrap();
    server.create_user("ann").unwrap();
    let former = token_of(&server, "ann", 3);
    made_earlier(&mut server, &former, 87);
    let world = World::logged_in(&server, &former);
    // Somebody has removed what a login wrote.
    world.write(".config/nix/nix.conf", "");
    let before = contents(&world);
    let login = ["login", "--renew", "--scope", "user"];
    world
        .fh(&[&login[..], &["--dry-run"]].concat())
        .success()
        .says(&["would be renewed until"]);
    assert_eq!(contents(&world), before);
    assert_eq!(tokens(&server, "ann"), 1);

    let report = world
        .fh(&[&login[..], &["--json"]].concat())
        .success()
        .json();
    assert_eq!(report["changed"], true);
    assert_eq!(days_left(&world), 90);
    let (_, token) = stored(&world);
    assert!(world.read("nix/netrc").contains(&token));
    assert!(world.read("nix/nix.conf").contains("extra-substituters"));
    assert!(!world.read("nix/netrc").contains("fh1_renewed"));
    assert_eq!(tokens(&server, "ann"), 2);
    for other in [
        &["--token-file", "x"][..],
        &["--org", "acme"],
        &["--workload"],
        &["--offline"],
        &["--print"],
    ] {
        world.fh(&[&login[..], other].concat()).code(2);
    }
    let nobody = World::new();
    nobody
        .fh(&[&login[..], &["--server", server.url()]].concat())
        .code(1)
        .says(&["there is no stored login"]);
}

/// `fh login --org` makes a token for one organisation. It is renewed as the given one could be.
#[test]
fn a_login_for_one_organisation_is_renewed_too() {
    let mut server = TestServer::start().unwrap();
    server.create_user("ann").unwrap();
    server.create_organization("acme").unwrap();
    let path = "/api/v1/orgs/acme/members/ann";
    let member = json!({ "role": "member" });
    let admin = server.admin_token().to_owned();
    let put = server.request(Method::PUT, path, Some(&admin), Some(&member));
    assert!(put.unwrap().status < 300);
    let body = json!({ "user": "ann", "permissions": ["pull", "mint"], "expires_in": 3 * DAY });
    let given = server.mint(&body).unwrap();
    let world = World::new();
    let login = format!("login --scope user --org acme --server {}", server.url());
    world.given(&login, &given).success();
    let (_, narrow) = stored(&world);
    assert_ne!(narrow, given);
    made_earlier(&mut server, &narrow, 27);
    world.typed("token renew").success();
    assert_eq!(days_left(&world), 30);
    let status = world.json("status");
    assert_eq!(status["flakes"], json!(["acme/*"]));
}

/// `--renewable` and `fh org set --renewal` reach the server.
#[test]
fn owners_and_creators_say_what_can_be_renewed() {
    let mut server = TestServer::start().unwrap();
    server.create_organization("acme").unwrap();
    server.create_user("ann").unwrap();
    let body = json!({ "user": "ann", "permissions": ["pull", "mint"], "expires_in": 5 * DAY });
    let ann = World::logged_in(&server, &server.mint(&body).unwrap());
    for (options, days) in [(&[][..], 5), (&["--renewable"][..], 30)] {
        let create = ["token", "create", "--expires", "3d"];
        let token = ann.fh(&[&create[..], options].concat()).success().stdout;
        made_earlier(&mut server, token.trim(), 27);
        let world = World::logged_in(&server, token.trim());
        world.typed("token renew").success();
        assert_eq!(days_left(&world), days, "{options:?}");
    }
    let admin = World::logged_in(&server, server.admin_token());
    let create = ["service-account", "create", "acme/ci"];
    admin.fh(&create).success();
    let ci = ["token", "create", "--user", "ci", "--expires", "3d"];
    let token = admin.fh(&ci).success().stdout;
    let world = World::logged_in(&server, token.trim());
    world.typed("token renew").code(1);
    let set = ["org", "set", "acme", "--renewal", "everybody", "--json"];
    let shown = admin.fh(&set).success().json();
    assert_eq!(shown["renewal"], "everybody");
    let shown = admin.typed("org show acme").success();
    assert_contains(&shown.stdout, &["everybody"]);
    world.typed("token renew").success();
    admin.typed("org set acme --renewal machines").code(2);
}

/// A week before the end every command that looks at the token says so, and what helps.
#[test]
fn a_login_that_ends_within_a_week_is_told_of() {
    let server = TestServer::start().unwrap();
    server.create_user("ann").unwrap();
    let robot = json!({ "name": "robot", "kind": "service" });
    let admin = Some(server.admin_token());
    let made = server.post("/api/v1/users", admin, &robot).unwrap();
    made.expect(201).unwrap();
    let renew = "; `fh token renew` makes it last longer";
    let anew = "; get a new token, and log in with it: `fh login --token-file FILE`";
    for (user, days, expected) in [
        ("ann", 3, Some(("in 3 days", renew, "→ fh token renew"))),
        ("ann", 6, Some(("in 6 days", renew, "→ fh token renew"))),
        ("ann", 8, None),
        (
            "robot",
            3,
            Some(("in 3 days", anew, "→ fh login --token-file FILE")),
        ),
    ] {
        let world = World::logged_in(&server, &token_of(&server, user, days));
        let status = world.typed("status").success();
        let doctor = world.typed("doctor").stdout;
        match expected {
            None => {
                assert_eq!(status.stderr, "", "{user} {days}");
                assert_lacks(&doctor, &["→ fh token renew"]);
            }
            Some((when, remedy, fix)) => {
                let warning = format!("Warning: this login ends {when}{remedy}\n");
                assert_eq!(status.stderr, warning, "{user} {days}");
                assert!(doctor.contains(fix), "{user} {days}: {doctor}");
            }
        }
        let json = world.typed("status --json").success();
        assert_eq!(json.stderr, "");
        let all = world.typed("status --all").success();
        assert_eq!(all.stderr, status.stderr);
    }
}

#[test]
fn a_push_tells_of_the_end_when_it_is_done() {
    let server = TestServer::builder()
        .settings(|settings| settings.tokens.renewal = RenewalRule::Everybody)
        .start()
        .unwrap();
    let (mut world, store, app) = three_paths(&server);
    server.create_user("ann").unwrap();
    server.grant("acme/app", "ann", "write").unwrap();
    let robot = json!({ "name": "robot", "kind": "service" });
    let admin = Some(server.admin_token());
    let made = server.post("/api/v1/users", admin, &robot).unwrap();
    made.expect(201).unwrap();
    server.grant("acme/app", "robot", "write").unwrap();
    let root = store.root().to_str().unwrap().to_owned();
    let push = ["push", "acme/app", &app, "--store", &root];
    let ends = "Warning: this login ends in 3 days; `fh token renew` makes it last longer\n";
    for (user, days, told) in [("ann", 3, true), ("ann", 30, false), ("robot", 3, true)] {
        world.log_in_as(&server, &token_of(&server, user, days));
        let run = world.fh(&push).success();
        assert_eq!(
            run.stderr.ends_with(ends),
            told,
            "{user} {days}: {}",
            run.stderr
        );
        let report = world.fh(&[&push[..], &["--json"]].concat()).success();
        assert_eq!(report.json()["complete"], Value::Bool(true));
    }
    // Nothing there can be renewed by a command.
    let token = token_of(&server, "ann", 2);
    world.set("FH_TOKEN", token);
    let run = world.fh(&push).success();
    let ends = "the token in the variable FH_TOKEN ends in 2 days; put a new one there before\n";
    assert!(run.stderr.ends_with(ends), "{}", run.stderr);
}

/// Where there is nothing to renew, nobody is asked and nothing is written; and root's own login does not become the
/// machine's.
#[test]
fn a_renewal_needs_a_login_and_sets_up_its_files_alone() {
    let server = TestServer::start().unwrap();
    server.create_user("ann").unwrap();
    let nobody = World::new();
    let nowhere = "http://127.0.0.1:9";
    let before = contents(&nobody);
    for (arguments, said) in [
        (&["login", "--renew"][..], "there is no login to renew"),
        (
            &["login", "--renew", "--server", server.url()],
            "there is no stored login to",
        ),
        // It is not even looked for.
        (
            &["login", "--renew", "--server", nowhere],
            "there is no stored login to",
        ),
        (
            &["token", "renew", "--server", nowhere],
            "there is no stored login to",
        ),
    ] {
        nobody
            .fh(arguments)
            .code(1)
            .says(&[said, "Hint: Log in: `fh login --server"])
            .never_says(&["FlakeHub"]);
        assert_eq!(contents(&nobody), before);
    }

    let is_root = rustix::process::geteuid().is_root();
    for (scopes, expected) in [
        (&["user"][..], "user"),
        (&["system"], if is_root { "system" } else { "user" }),
        (&["user", "system"], if is_root { "system" } else { "user" }),
    ] {
        let world = World::new();
        let token = token_of(&server, "ann", 30);
        for scope in scopes {
            let login = ["login", "--scope", scope, "--server", server.url()];
            world.with_stdin(&login, &token).success();
        }
        let machine = || {
            let all = contents(&world).into_keys();
            let machine = world.path("etc-nix");
            all.filter(|path| path.starts_with(&machine)).count()
        };
        let before = machine();
        let report = world.json("login --renew");
        assert_eq!(report["scope"], expected, "{scopes:?}: {report}");
        assert_eq!(machine(), before, "{scopes:?}");
        // Whoever says which means it.
        let renew = ["login", "--renew", "--scope", "system", "--json"];
        let report = world.fh(&renew).success().json();
        assert_eq!(report["scope"], "system");
    }
}
