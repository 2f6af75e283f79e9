//! `fh logout` and `fh server`: what logins have added goes, and nothing else.

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use fh_testkit::server::TestServer;
use fh_testkit::{assert_contains, assert_lacks};

use crate::world::{World, mode};

fn contents(world: &World) -> BTreeMap<PathBuf, Vec<u8>> {
    let all = world.everything().into_iter();
    all.map(|(path, (content, _, _))| (path, content)).collect()
}

#[test]
fn a_logout_takes_back_a_login_byte_for_byte() {
    let server = TestServer::start().unwrap();
    for (netrc, conf) in [
        (None, None),
        (Some(""), Some("")),
        (
            Some("# mine\nmachine a.org login me password x\n\ndefault login any password y"),
            Some("max-jobs = 2 # two\r\nextra-substituters = https://a.org\r\n# end"),
        ),
        // A token of ours that somebody put there by hand comes back.
        (
            Some("machine 127.0.0.1\n  login me\n  password fh1_old # mine\n"),
            None,
        ),
    ] {
        let world = World::new();
        if let Some(netrc) = netrc {
            world.write(".config/nix/netrc", netrc);
        }
        if let Some(conf) = conf {
            world.write(".config/nix/nix.conf", conf);
        }
        let before = contents(&world);
        world.log_in(&server);
        assert_ne!(contents(&world), before);
        let run = world.typed("logout").success();
        assert!(
            run.stderr.starts_with("Logged out of http://"),
            "{}",
            run.stderr
        );
        assert_eq!(contents(&world), before);
        assert!(!world.config("fh").exists());
        // A second one finds nothing.
        world
            .typed("logout")
            .success()
            .says(&["nothing was changed"]);
        world.typed("status").code(3);
    }
}

#[test]
fn what_was_changed_since_stays() {
    let (server, world) = World::administrator();
    let netrc = world.read("nix/netrc");
    world.write(
        ".config/nix/netrc",
        &(netrc.replace(server.admin_token(), "theirs") + "machine b.org login me password z\n"),
    );
    let conf = world.read("nix/nix.conf");
    world.write(
        ".config/nix/nix.conf",
        &conf.replace(server.url(), &format!("{} https://b.org", server.url())),
    );
    world.typed("logout").success().says(&["was changed since"]);
    assert_eq!(
        world.read("nix/netrc"),
        "machine 127.0.0.1 login admin password theirs\nmachine b.org login me password z\n"
    );
    assert_eq!(
        world.read("nix/nix.conf"),
        "extra-substituters = https://b.org\n"
    );
}

#[test]
fn servers_that_share_a_host_and_files_go_one_after_the_other() {
    let (first, second) = (TestServer::start().unwrap(), TestServer::start().unwrap());
    let world = World::new();
    world.write(".config/nix/nix.conf", "max-jobs = 1\n");
    let before = contents(&world);
    for server in [&first, &second] {
        world.log_in(server);
    }
    let list = world.json("server list");
    assert_eq!(list.as_array().unwrap().len(), 2);
    assert_eq!(list[1]["url"], second.url());
    assert_eq!(list[1]["default"], true);

    world
        .fh(&["server", "use", list[0]["name"].as_str().unwrap()])
        .success();
    let status = world.json("status");
    assert_eq!(status["server"], first.url());
    let all = world.json("status --all");
    assert_eq!(all.as_array().unwrap().len(), 2);

    world
        .fh(&["logout", "--server", second.url()])
        .success()
        .says(&["again"]);
    assert!(world.read("nix/netrc").contains(first.admin_token()));
    let conf = world.read("nix/nix.conf");
    assert_contains(&conf, &[first.url()]);
    assert_lacks(&conf, &[second.url()]);
    world.typed("status").success();
    world
        .fh(&["server", "remove", list[0]["name"].as_str().unwrap()])
        .success();
    assert_eq!(contents(&world), before);
    world.typed("server use nosuch").code(1);
}

#[test]
fn flakehub_is_chosen_without_a_login() {
    let (_server, world) = World::administrator();
    // Also where no other server is known.
    for world in [World::new(), world] {
        let list = || world.json("server list");
        let known = list();
        world.typed("server use flakehub").success();
        let chosen = list().as_array().unwrap().clone();
        assert_eq!(chosen.len(), known.as_array().unwrap().len() + 1);
        let default: Vec<_> = chosen.iter().filter(|one| one["default"] == true).collect();
        assert_eq!(default.len(), 1, "{chosen:?}");
        assert_eq!(default[0]["url"], "https://api.flakehub.com");
        if let Some(former) = known.as_array().unwrap().first() {
            let name = former["name"].as_str().unwrap();
            world.fh(&["server", "use", name]).success();
        }
        world.typed("server remove flakehub").success();
        assert_eq!(list(), known);
    }
}

#[test]
fn all_logins_go_at_once() {
    let servers: Vec<TestServer> = (0..3).map(|_| TestServer::start().unwrap()).collect();
    let world = World::new();
    for server in &servers {
        world.log_in(server);
    }
    let gone = world.json("logout --all");
    assert_eq!(gone.as_array().unwrap().len(), 3);
    assert!(
        world.everything().is_empty(),
        "{:?}",
        world.everything().keys()
    );
}

#[test]
fn a_revoked_token_is_useless_everywhere() {
    let mut server = TestServer::start().unwrap();
    let token = server.mint(&serde_json::json!({})).unwrap();
    let world = World::logged_in(&server, &token);
    world
        .typed("logout --revoke")
        .success()
        .says(&["the token is revoked"]);
    assert_eq!(
        server.get("/api/v1/whoami", Some(&token)).unwrap().status,
        401
    );
    assert!(world.everything().is_empty());

    // A token that cannot be revoked is not forgotten.
    let world = World::logged_in(&server, server.admin_token());
    server.stop().unwrap();
    let before = world.everything();
    world
        .typed("logout --revoke")
        .code(1)
        .says(&["it was not removed"]);
    assert_eq!(world.everything(), before);
    world.typed("logout").success();
    assert!(world.everything().is_empty());
}

#[test]
fn logins_and_logouts_beside_each_other_never_fail() {
    const ROUNDS: usize = 6;

    let servers: Vec<TestServer> = (0..4).map(|_| TestServer::start().unwrap()).collect();
    let world = World::new();
    world.write(".config/nix/nix.conf", "max-jobs = 1\n");
    let before = contents(&world);
    std::thread::scope(|scope| {
        for server in &servers {
            let world = &world;
            scope.spawn(move || {
                for _ in 0..ROUNDS {
                    world.log_in(server);
                    world.fh(&["logout", "--server", server.url()]).success();
                }
            });
        }
    });
    assert_eq!(contents(&world), before);
    assert!(!world.config("fh").exists());
}

#[test]
fn a_netrc_gets_back_the_mode_that_it_had_before_the_login() {
    let server = TestServer::start().unwrap();
    // What it had, what somebody makes of it meanwhile, and what it has after the logout.
    for (before, meanwhile, after) in [
        (0o640, None, 0o640),
        (0o644, None, 0o644),
        (0o600, None, 0o600),
        (0o640, Some(0o400), 0o400),
        (0o644, Some(0o640), 0o640),
    ] {
        let world = World::new();
        world.write(".config/nix/netrc", "machine a.org login me password x\n");
        let netrc = world.config("nix/netrc");
        let set = |mode| std::fs::set_permissions(&netrc, Permissions::from_mode(mode)).unwrap();
        set(before);
        world.log_in(&server);
        assert_eq!(mode(&netrc), 0o600, "{before:o}");
        if let Some(mode) = meanwhile {
            set(mode);
        }
        world.typed("logout").success();
        assert_eq!(mode(&netrc), after, "{before:o} {meanwhile:?}");
        assert_eq!(
            world.read("nix/netrc"),
            "machine a.org login me password x\n"
        );
    }
}
