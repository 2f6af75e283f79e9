//! In which form results come, and what becomes of them when nobody reads.

use std::fs::File;
use std::process::Stdio;

use expectrl::Expect as _;
use fh_testkit::rows;
use fh_testkit::server::TestServer;
use fh_testkit::{assert_contains, assert_lacks};
use serde_json::json;

use crate::prompt::{on_a_terminal, on_a_terminal_of, rest};
use crate::push::three_paths;
use crate::world::World;

#[test]
fn an_empty_list_is_a_list() {
    let (_server, world) = World::administrator();
    assert_eq!(world.typed("list flakes --json").success().stdout, "[]\n");
    assert_eq!(
        world.typed("list flakes").success().stdout,
        "flake,visibility,role,paths,nar_size,last_push_at,description\n"
    );
    assert_eq!(world.typed("org --json list").success().stdout, "[]\n");
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
        world.typed("list flakes").success().json()[0]["flake"],
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
    let mut child = world
        .process(&["completion", "bash"])
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
    let output = world
        .process(&["completion", "bash"])
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
    for [command, status, code, error] in rows(
        "
        flake show acme/absent --json         | 1 | 404 | not_found
        org show absent --json                | 1 | 404 | not_found
        flake create acme/app --json          | 1 | 409 | conflict
        push acme/absent .#x --json           | 1 | 404 | not_found
        grant add acme/app nobody read --json | 1 | 422 | invalid_content
        flake delete acme/app --json          | 2 | 0   | usage
        flake show --json                     | 2 | 0   | usage
        token revoke nonsense --json          | 2 | 0   | usage
        push /nix/store/x acme/app --json     | 2 | 0   | usage
        list flakes --json --server http://127.0.0.1:9 | 1 | 0 | unreachable
        login --json --token-file absent      | 1 | 0   | failed
        ",
    ) {
        let run = world.typed(command).code(status.parse().unwrap());
        let told: serde_json::Value = serde_json::from_str(&run.stdout)
            .unwrap_or_else(|problem| panic!("{command}: {problem}: {:?}", run.stdout));
        assert_eq!(
            (&told["code"], &told["error"]),
            (&json!(code.parse::<u64>().unwrap()), &json!(error)),
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
    let run = world.typed("flake show acme/absent").code(1);
    assert_eq!(run.json()["error"], "not_found");
    world.set("FH_TOKEN", "fh1_bad");
    let run = world.typed("status").code(3);
    assert_eq!(run.json()["logged_in"], false);
}

/// A company whose names and descriptions are as long as real ones.
fn company(server: &TestServer) -> World {
    let world = World::logged_in(server, server.admin_token());
    let flake = "engineering/application-server";
    let says = "What our customers run on their machines, with everything that it is made of";
    world.typed("org create engineering").success();
    world
        .fh(&["flake", "create", flake, "--description", says])
        .success();
    for user in ["alexandra-meier", "bartholomew"] {
        world.run_all(&[
            &format!("user create {user}"),
            &format!("member set engineering {user}"),
            &format!("grant add {flake} {user} write"),
        ]);
    }
    let policy = format!("--repository {flake} --ref main --flake {flake} --role write --builder");
    world.run_all(&[
        "flake create engineering/docs --visibility unlisted",
        "service-account create engineering/release-builder",
        "team create engineering/release-managers",
        &format!("trust add github {policy} --name application-server"),
    ]);
    let flakes = format!("--flake {flake} --flake engineering/docs");
    for (user, more) in [
        ("alexandra-meier", "--network 10.0.0.0/8"),
        ("bartholomew", &flakes),
        (
            "admin",
            "--permission read --permission write --permission mint",
        ),
    ] {
        let description = format!("the laptop of {user} in the office of the second floor");
        let line = format!("token create --user {user} {more} --description");
        let words: Vec<&str> = line.split(' ').chain([description.as_str()]).collect();
        world.fh(&words).success();
    }
    world
}

/// What a terminal of so many columns shows, line by line.
fn shown(columns: u16, world: &World, command: &str) -> Vec<String> {
    let words: Vec<&str> = command.split(' ').collect();
    let text = rest(&mut on_a_terminal_of(columns, world, &words));
    let lines = text
        .lines()
        .map(|line| line.trim_end_matches('\r').to_owned());
    lines.filter(|line| !line.is_empty()).collect()
}

const LISTS: [&str; 15] = [
    "key list",
    "list flakes",
    "token list",
    "token list --all",
    "token list --user bartholomew",
    "grant list engineering/application-server",
    "trust list",
    "audit",
    "user list",
    "org list",
    "member list engineering",
    "member list",
    "team list engineering",
    "team list",
    "server list",
];

/// Tables are short: no line of one is wider than the terminal. With `--wide` they have everything, and in a pipe what
/// they have always had.
#[test]
fn tables_fit_terminals_of_80_and_120_columns() {
    let server = TestServer::start().unwrap();
    let mut world = company(&server);
    world.set("NO_COLOR", "1");
    for command in LISTS {
        for columns in [80, 120] {
            let lines = shown(columns, &world, command);
            assert!(lines.len() >= 2, "{command}: {lines:?}");
            for line in &lines {
                let width = line.chars().count();
                let fits = width <= usize::from(columns);
                assert!(fits, "{command}: {width} columns of {columns}: {line}");
            }
        }
        let csv = world.typed(command).success().stdout;
        assert!(!csv.contains(['\x1b', '…']), "{command}: {csv}");
        let names = csv.lines().next().unwrap().split(',').count();
        let wide = shown(80, &world, &format!("{command} --wide"));
        assert!(!wide.concat().contains('…'), "{command}: {wide:?}");
        // Two blanks stand between two headings, of which some have one themselves.
        let headings = wide[0].split("  ").filter(|word| !word.trim().is_empty());
        assert_eq!(headings.count(), names, "{command}: {}", wide[0]);
    }
}

/// So are the tables below one thing, and its properties but for what somebody copies.
#[test]
fn one_thing_with_its_tables_fits_terminals_of_80_and_120_columns() {
    let server = TestServer::start().unwrap();
    let mut world = company(&server);
    world.set("NO_COLOR", "1");
    for command in [
        "user show alexandra-meier",
        "why --user bartholomew",
        "why",
        "user show release-builder",
        "status",
    ] {
        for columns in [80, 120] {
            for line in shown(columns, &world, command) {
                let width = line.chars().count();
                let is_whole_word = line.split_whitespace().count() <= 3;
                let fits = width <= usize::from(columns) || is_whole_word;
                assert!(fits, "{command}: {width} columns of {columns}: {line}");
            }
        }
    }
    let lines = shown(80, &world, "user show alexandra-meier");
    let headings = ["ORGANISATION", "FLAKE"];
    for heading in headings {
        let found = lines.iter().filter(|line| line.starts_with(heading));
        assert_eq!(found.count(), 1, "{lines:?}");
    }
    assert!(
        !lines.iter().any(|line| line.starts_with("Id:")),
        "{lines:?}"
    );
    let wide = shown(80, &world, "user show alexandra-meier --wide");
    assert!(wide.iter().any(|line| line.starts_with("Id:")), "{wide:?}");
}

/// An id is shown as far as it differs from others, and what is shown is taken.
#[test]
fn shortened_ids_are_accepted() {
    let server = TestServer::start().unwrap();
    let world = company(&server);
    let all = world.json("token list --all");
    let of = |user: &str| -> (String, String) {
        let tokens = all.as_array().unwrap();
        let token = tokens.iter().find(|token| {
            let text = token["description"].as_str().unwrap_or_default();
            token["user"] == user && text.starts_with("the laptop")
        });
        let whole = token.unwrap()["id"].as_str().unwrap().to_owned();
        let lines = shown(80, &world, "token list --all");
        let words = lines.iter().filter_map(|line| line.split("  ").next());
        let short = words
            .map(str::trim)
            .find(|word| !word.is_empty() && *word != "ID" && whole.starts_with(*word));
        (
            whole.clone(),
            short.unwrap_or_else(|| panic!("{lines:?}")).to_owned(),
        )
    };
    for (user, command) in [
        ("alexandra-meier", "token revoke {} --dry-run"),
        ("alexandra-meier", "token revoke {} --yes"),
        ("admin", "token rotate {} --json"),
        ("bartholomew", "audit --token {}"),
        ("bartholomew", "token revoke {} {} --yes"),
    ] {
        let (whole, short) = of(user);
        assert!(short.len() < 24, "{short} of {whole}");
        let command = command.replace("{}", &short);
        let run = world.typed(&command).success();
        if command.contains("revoke") {
            let said = format!("{}{}", run.stdout, run.stderr);
            assert!(said.contains(&whole), "{command}: {said}");
        }
    }
    for (id, code, told) in [
        ("00000000", 1, "no token that you can see"),
        ("0193", 2, "expected the id of a token"),
        ("no-token", 2, "expected the id of a token"),
    ] {
        let run = world.fh(&["token", "revoke", id, "--yes"]).code(code);
        run.says(&[told]);
    }
    // Somebody else's is nothing that one sees.
    let alice = server
        .token_for("alexandra-meier", &["pull", "mint"])
        .unwrap();
    let (_, short) = of("admin");
    let other = World::logged_in(&server, &alice);
    other
        .fh(&["token", "revoke", &short, "--yes"])
        .code(1)
        .says(&["no token that you can see"]);
}

/// A state has a colour on a terminal, where nobody has said otherwise.
#[test]
fn colours_are_for_terminals_and_for_who_wants_them() {
    let server = TestServer::start().unwrap();
    let world = company(&server);
    let plain = {
        let mut world = World::logged_in(&server, server.admin_token());
        world.set("NO_COLOR", "1");
        world
    };
    for (world, command, colored) in [
        (&world, "token list", true),
        (&world, "token list --color auto", true),
        (&world, "token list --color never", false),
        (&plain, "token list", false),
        (&plain, "--color=always token list", true),
        (&world, "doctor", true),
        (&world, "doctor --color never", false),
        (&world, "flake show engineering/absent", true),
        (&plain, "flake show engineering/absent", false),
        (&world, "token list --json", false),
    ] {
        let text = shown(120, world, command).join("\n");
        assert_eq!(text.contains("\x1b["), colored, "{command}: {text:?}");
    }
    let good = shown(120, &world, "token list").join("\n");
    assert_contains(&good, &["\x1b[32mgood\x1b[0m"]);
    // A pipe has them where they were asked for, and then not in what programs read.
    for (command, on_stderr) in [
        ("token list", false),
        ("token list --color always", false),
        ("flake show engineering/absent", false),
        ("flake show engineering/absent --color always", true),
    ] {
        let run = world.typed(command);
        assert!(!run.stdout.contains('\x1b'), "{command}: {}", run.stdout);
        assert_eq!(run.stderr.contains('\x1b'), on_stderr, "{command}");
    }
}

/// `--quiet` leaves out what nobody has to know; what was asked for, questions, warnings and errors stay.
#[test]
fn quiet_leaves_out_progress_and_notes() {
    let server = TestServer::start().unwrap();
    let (world, store, app) = three_paths(&server);
    let root = store.root().to_str().unwrap();
    for (command, told) in [
        ("org create quiet -q", ""),
        ("-q flake create acme/other", ""),
        ("grant list acme/other --quiet", ""),
        ("push acme/app {app} --store {root} -q", ""),
        ("push acme/app {app} --store {root} --quiet --dry-run", ""),
        ("server use 127.0.0.1 -q", ""),
        (
            "token create --flake acme/absent -q",
            "Warning: acme/absent does not exist",
        ),
        (
            "flake show acme/absent -q",
            "Error: cannot show acme/absent",
        ),
        ("flake delete acme/other -q", "--yes"),
    ] {
        let command = command.replace("{app}", &app).replace("{root}", root);
        let run = world.typed(&command);
        if told.is_empty() {
            assert_eq!(run.stderr, "", "{command}");
        } else {
            run.says(&[told]);
        }
        let results = ["token create", "grant list", "--dry-run"];
        let has_result = results.iter().any(|result| command.contains(result));
        assert_eq!(
            !run.stdout.is_empty(),
            has_result,
            "{command}: {}",
            run.stdout
        );
    }
    // Somebody who is asked has to know what about.
    let mut session = on_a_terminal(&world, &["flake", "delete", "acme/other", "-q"]);
    session.expect("acme/other").unwrap();
    session.expect("[y/N]").unwrap();
    session.send("y\r").unwrap();
    let said = rest(&mut session);
    assert_lacks(&said, &["Deleted"]);
}
