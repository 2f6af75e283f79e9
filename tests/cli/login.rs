//! `fh login`: what is written, what stays, and where the token comes from.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;

use fh_testkit::server::TestServer;
use fh_testkit::{assert_contains, assert_lacks};

use crate::world::{World, mode};

#[test]
fn the_first_login_sets_everything_up_and_the_second_changes_nothing() {
    let server = TestServer::start().unwrap();
    let world = World::new();
    world.write("token", server.admin_token());
    let login = ["login", "--scope", "user", "--server", server.url()];
    let login = [&login[..], &["--token-file", "token"]].concat();
    let run = world.fh(&login).success();
    insta::assert_snapshot!(run.said(&server), @r"
    Logged in to [SERVER] as admin, until [DATE] (in 730 days).
      ~/.config/fh/tokens/[SERVER-FILE]  the token
      ~/.config/fh/config.toml             the server [SERVER-FILE]
      ~/.config/nix/netrc                  an entry for 127.0.0.1
      ~/.config/nix/nix.conf               netrc-file, extra-substituters, extra-trusted-public-keys
    To undo it: `fh logout`
    ");
    assert_eq!(run.stdout, "");

    let netrc = world.config("nix/netrc");
    assert_eq!(mode(&netrc), 0o600);
    assert_eq!(mode(&world.config("fh/config.toml")), 0o600);
    let host = server.url().trim_start_matches("http://").replace(':', "-");
    let token = world.config("fh/tokens").join(host);
    assert_eq!(mode(&token), 0o600);
    assert_eq!(mode(&world.config("fh")), 0o700);
    assert_eq!(mode(&world.config("fh/tokens")), 0o700);
    assert_eq!(
        world.read("nix/netrc"),
        format!(
            "machine 127.0.0.1 login admin password {}\n",
            server.admin_token()
        )
    );
    let keys = public_keys(&server);
    assert_eq!(keys.len(), 2);
    assert_eq!(
        world.read("nix/nix.conf"),
        format!(
            "netrc-file = {}\nextra-substituters = {}\nextra-trusted-public-keys = {}\n",
            netrc.display(),
            server.url(),
            keys.join(" ")
        )
    );

    let before = world.everything();
    let run = world.fh(&login).success();
    insta::assert_snapshot!(run.said(&server), @r"
    Logged in to [SERVER] as admin, until [DATE] (in 730 days).
    Already set up: nothing was changed.
    ");
    assert_eq!(world.everything(), before);
    // As scripts for the existing fh call it, and for the server that is known by now.
    let run = world
        .typed("login --scope user --token-file token --skip-status --json")
        .success();
    assert_eq!(run.json()["changed"], false);
    assert_eq!(world.everything(), before);
}

fn public_keys(server: &TestServer) -> Vec<String> {
    let discovery = server.get("/.well-known/fh", None).unwrap().json().unwrap();
    let keys = discovery["public_keys"].as_array().unwrap();
    keys.iter()
        .map(|key| key["public_key"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn what_is_there_stays_byte_for_byte() {
    let server = TestServer::start().unwrap();
    let world = World::new();
    let netrc = "# mine\nmachine a.org login me # no\n  password x\n\ndefault login any password y";
    let conf = "# settings\r\nsubstituters = https://cache.nixos.org # the usual\r\nmax-jobs = 2";
    world.write(".config/nix/netrc", netrc);
    world.write(".config/nix/nix.conf", conf);
    world.log_in(&server);
    let entry = format!(
        "machine 127.0.0.1 login admin password {}\n",
        server.admin_token()
    );
    assert_eq!(
        world.read("nix/netrc").replacen(&entry, "", 1),
        netrc,
        "the entry stands before `default`"
    );
    let after = world.read("nix/nix.conf");
    assert!(after.starts_with(&format!("{conf}\r\n")), "{after}");
    assert!(after.contains(&format!("extra-substituters = {}", server.url())));
}

#[test]
fn the_netrc_that_nix_reads_is_the_one_that_is_written() {
    let server = TestServer::start().unwrap();
    let world = World::new();
    let netrc = world.path("elsewhere/netrc");
    world.write(
        "etc-nix/nix.conf",
        &format!("netrc-file = {}\n", netrc.display()),
    );
    world.log_in(&server);
    assert!(
        std::fs::read_to_string(&netrc)
            .unwrap()
            .contains("127.0.0.1")
    );
    assert!(!world.config("nix/netrc").exists());
    assert!(!world.read("nix/nix.conf").contains("netrc-file"));
}

#[test]
fn what_the_system_has_set_already_is_not_repeated() {
    let server = TestServer::start().unwrap();
    let world = World::new();
    let keys = public_keys(&server);
    let system = format!(
        "extra-substituters = https://a.org {}/\nextra-trusted-public-keys = {} a:b {}\n",
        server.url(),
        keys[1],
        keys[0]
    );
    world.write("etc-nix/nix.conf", &system);
    world.log_in(&server);
    let netrc = world.config("nix/netrc");
    assert_eq!(
        world.read("nix/nix.conf"),
        format!("netrc-file = {}\n", netrc.display())
    );
}

#[test]
fn a_list_that_replaces_the_system_s_gets_what_it_took_away() {
    let server = TestServer::start().unwrap();
    let world = World::new();
    world.write(
        "etc-nix/nix.conf",
        &format!("extra-substituters = {}\n", server.url()),
    );
    world.write(".config/nix/nix.conf", "substituters = https://a.org\n");
    world.log_in(&server);
    let conf = world.read("nix/nix.conf");
    assert_contains(
        &conf,
        &[&format!("extra-substituters = {}\n", server.url())],
    );
}

#[test]
fn files_that_nix_is_told_to_read_are_meant() {
    let server = TestServer::start().unwrap();
    let mut world = World::new();
    let (first, second) = (world.path("first.conf"), world.path("second.conf"));
    let netrc = world.path("my-netrc");
    world.write(
        "second.conf",
        &format!("netrc-file = {}\n", netrc.display()),
    );
    world.set(
        "NIX_USER_CONF_FILES",
        format!("{}:{}", first.display(), second.display()),
    );
    world.log_in(&server);
    let conf = std::fs::read_to_string(&first).unwrap();
    assert_contains(&conf, &["extra-substituters"]);
    assert_lacks(&conf, &["netrc-file"]);
    assert!(netrc.exists());
    assert!(!world.config("nix").exists());
}

#[test]
fn a_token_comes_from_the_first_place_that_has_one() {
    let server = TestServer::start().unwrap();
    let tokens: Vec<String> = ["one", "two", "three", "four"]
        .iter()
        .map(|user| {
            server.create_user(user).unwrap();
            server.token_for(user, &["pull"]).unwrap()
        })
        .collect();
    let [file, variable, named, piped] = &tokens[..] else {
        panic!("four tokens");
    };
    let mut world = World::new();
    world.write("file", &format!("  {file}\r\n"));
    world.write("named", named);
    let who = |world: &World, arguments: &[&str], stdin: &str| {
        let mut all = vec![
            "login",
            "--scope",
            "user",
            "--json",
            "--server",
            server.url(),
        ];
        all.extend(arguments);
        let json = world.with_stdin(&all, stdin).success().json();
        json["user"].as_str().unwrap().to_owned()
    };
    assert_eq!(who(&world, &[], piped), "four");
    world.set("FH_TOKEN_FILE", world.path("named"));
    assert_eq!(who(&world, &[], ""), "three");
    world.set("FH_TOKEN", variable);
    assert_eq!(who(&world, &[], ""), "two");
    assert_eq!(who(&world, &[], piped), "four");
    assert_eq!(who(&world, &["--token-file", "file"], piped), "one");
    assert_eq!(who(&world, &["--token-file", "-"], piped), "four");
    assert_eq!(who(&world, &["--token-stdin"], piped), "four");
    // The last one is what is stored, and one entry is left of the five.
    let netrc = world.read("nix/netrc");
    assert_eq!(netrc.matches("machine").count(), 1, "{netrc}");
    assert_contains(&netrc, &[piped, "login four"]);
}

#[test]
fn an_address_has_one_form() {
    let server = TestServer::start().unwrap();
    let world = World::new();
    let spelt = format!(
        " {}// ",
        server.url().to_uppercase().replace("HTTP", "http")
    );
    world
        .with_stdin(
            &["login", "--scope", "user", "--server", &spelt],
            server.admin_token(),
        )
        .success();
    let status = world.json("status");
    assert_eq!(status["server"], server.url());
}

#[test]
fn several_servers_stand_side_by_side_and_the_last_is_meant() {
    let (first, second) = (TestServer::start().unwrap(), TestServer::start().unwrap());
    let world = World::logged_in(&first, first.admin_token());
    let run = world.log_in(&second);
    // One host has one entry, and that is said.
    run.says(&["one entry for each host"]);
    let server = |arguments: &[&str]| {
        let report = world.fh(arguments).success().json();
        report["server"].as_str().unwrap().to_owned()
    };
    assert_eq!(server(&["status", "--json"]), second.url());
    assert_eq!(
        server(&["status", "--json", "--server", first.url()]),
        first.url()
    );
    let conf = world.read("nix/nix.conf");
    assert_contains(&conf, &[first.url(), second.url()]);
    assert_eq!(conf.matches("extra-substituters").count(), 1, "{conf}");
}

#[test]
fn logins_at_the_same_time_do_not_lose_each_other() {
    let servers: Vec<TestServer> = (0..4).map(|_| TestServer::start().unwrap()).collect();
    let world = World::new();
    world.write(".config/nix/netrc", "machine a.org login me password x\n");
    std::thread::scope(|scope| {
        for server in &servers {
            scope.spawn(|| {
                world.log_in(server);
            });
        }
    });
    let conf = world.read("nix/nix.conf");
    for server in &servers {
        assert_contains(&conf, &[server.url()]);
    }
    let netrc = world.read("nix/netrc");
    assert!(
        netrc.starts_with("machine a.org login me password x\n"),
        "{netrc}"
    );
    assert_eq!(netrc.matches("127.0.0.1").count(), 1, "{netrc}");
    let names: BTreeSet<_> = std::fs::read_dir(world.config("fh/tokens"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names.len(), 4, "{names:?}");
}

#[test]
fn a_netrc_that_others_can_read_is_tightened_and_that_is_said() {
    let server = TestServer::start().unwrap();
    for before in [0o644, 0o640, 0o660, 0o604] {
        let world = World::new();
        world.write(".config/nix/netrc", "machine a.org login me password x\n");
        let netrc = world.config("nix/netrc");
        std::fs::set_permissions(&netrc, std::fs::Permissions::from_mode(before)).unwrap();
        let run = world.log_in(&server);
        run.says(&["now they cannot"]);
        assert_eq!(mode(&netrc), 0o600, "{before:o}");
    }
}

#[test]
fn a_daemon_that_does_not_trust_the_user_is_told_of() {
    let server = TestServer::start().unwrap();
    let mut world = World::new();
    world.set("USER", "alice");
    let answer = |world: &World, json: &str| {
        world.program("nix", &format!("#!/bin/sh\necho '{json}'\n"));
        world.log_in(&server).said(&server)
    };
    let said = answer(
        &world,
        r#"{"trusted":true,"url":"daemon","version":"2.34.8"}"#,
    );
    assert_lacks(&said, &["Warning"]);
    let said = answer(&world, r#"{"trusted":1,"url":"local","version":"2.34.8"}"#);
    assert_lacks(&said, &["Warning"]);
    let said = answer(&world, r#"{"trusted":0,"url":"daemon","version":"2.18.1"}"#);
    // The program is no installed one, so that it is named whole.
    let fh = assert_cmd::cargo::cargo_bin!("fh").display().to_string();
    insta::assert_snapshot!(said.replace(&fh, "[FH]"), @r"
    Logged in to [SERVER] as admin, until [DATE] (in 730 days).
    Already set up: nothing was changed.
    Warning: the Nix daemon does not trust alice, and would ignore the substituter and its keys in your nix.conf: they were not added.
      What was set up works for `nix copy` and for downloads by Nix itself, but not for the daemon's builds and substitutions. For those, an administrator has to run this command:
          sudo [FH] login --scope system --server [SERVER] --token-file ~/.config/fh/tokens/[SERVER-FILE]
    ");
    // An administrator has run that command: the daemon has it all from the machine's files.
    let conf = format!(
        "extra-substituters = {}\nextra-trusted-public-keys = {}\n",
        server.url(),
        public_keys(&server).join(" ")
    );
    world.write("etc-nix/nix.conf", &conf);
    let said = answer(&world, r#"{"trusted":0,"url":"daemon","version":"2.18.1"}"#);
    assert_lacks(&said, &["Warning"]);
}

#[test]
fn what_a_daemon_would_ignore_is_not_written() {
    let server = TestServer::start().unwrap();
    let world = World::new();
    world.program(
        "nix",
        "#!/bin/sh\necho '{\"trusted\":false,\"url\":\"daemon\"}'\n",
    );
    let login = ["login", "--scope", "user", "--server", server.url()];
    let login = [&login[..], &["--json"]].concat();
    let report = world
        .with_stdin(&login, server.admin_token())
        .success()
        .json();
    let command = report["administrator_command"].as_str().unwrap();
    assert_contains(
        &command,
        &[
            "login --scope system --server http://127.0.0.1",
            "--token-file",
        ],
    );
    assert_lacks(&command, &[server.admin_token()]);
    let conf = world.read("nix/nix.conf");
    assert!(
        conf.starts_with("netrc-file = ") && conf.lines().count() == 1,
        "{conf}"
    );
    // Where an administrator allows the substituter, a user can choose it; keys nobody can bring.
    world.write(
        "etc-nix/nix.conf",
        &format!(
            "trusted-substituters = {}\ntrusted-public-keys = {}\n",
            server.url(),
            public_keys(&server).join(" ")
        ),
    );
    let report = world
        .with_stdin(&login, server.admin_token())
        .success()
        .json();
    assert!(report["administrator_command"].is_null());
    let conf = world.read("nix/nix.conf");
    assert_contains(&conf, &["extra-substituters"]);
    assert_lacks(&conf, &["keys"]);
}

#[test]
fn a_system_netrc_that_goes_out_of_sight_is_told_of() {
    let server = TestServer::start().unwrap();
    let world = World::new();
    world.write("etc-nix/netrc", "machine a.org login me password x\n");
    let run = world.log_in(&server);
    run.says(&["has entries for a.org"]);
    run.never_says(&["password"]);
}

#[test]
fn what_is_stored_and_is_no_token_is_named_and_keeps_nobody_from_logging_in() {
    let server = TestServer::start().unwrap();
    for garbage in ["two words", "", "Bearer fh1_x", "machine a.org password x"] {
        let world = World::logged_in(&server, server.admin_token());
        let directory = world.config("fh/tokens");
        let mut files = std::fs::read_dir(&directory).unwrap();
        let file = files.next().unwrap().unwrap().path();
        std::fs::write(&file, garbage).unwrap();
        let run = world.typed("list flakes");
        if !garbage.is_empty() {
            run.code(1)
                .says(&[file.to_str().unwrap(), "--token-file FILE"])
                .never_says(&["password"]);
        }
        let login = ["login", "--scope", "user"];
        world.with_stdin(&login, server.admin_token()).success();
        world.typed("status").success();
    }
}
