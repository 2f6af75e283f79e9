//! Logins where variables of Nix decide which settings count.

use fh_testkit::rows;
use fh_testkit::server::TestServer;
use fh_testkit::{assert_contains, assert_lacks};

use crate::world::{Run, World, mode};

fn log_in(world: &World, server: &TestServer, more: &[&str]) -> Run {
    let login = ["login", "--scope", "user", "--server", server.url()];
    world.with_stdin(&[&login[..], more].concat(), server.admin_token())
}

#[test]
fn the_netrc_that_nix_config_names_is_written_and_taken_back() {
    let server = TestServer::start().unwrap();
    let mut world = World::new();
    let netrc = world.path("ci/netrc");
    world.write("etc-nix/nix.conf", "netrc-file = /nonexistent/netrc\n");
    world.set(
        "NIX_CONFIG",
        format!(
            "max-jobs = 1\nnetrc-file = {} # of the job",
            netrc.display()
        ),
    );
    log_in(&world, &server, &[]).success();
    let text = std::fs::read_to_string(&netrc).unwrap();
    assert!(text.contains(server.admin_token()));
    assert_eq!(mode(&netrc), 0o600);
    assert!(!world.config("nix/netrc").exists());
    let conf = world.read("nix/nix.conf");
    assert_contains(&conf, &["extra-substituters"]);
    assert_lacks(&conf, &["netrc-file"]);
    let again = log_in(&world, &server, &["--json"]).success().json();
    assert_eq!(again["changed"], false, "{again}");
    world.typed("logout").success();
    assert!(!netrc.exists());
}

#[test]
fn what_a_variable_keeps_from_nix_is_refused_and_nothing_is_written() {
    let server = TestServer::start().unwrap();
    for [name, value, told, hint] in rows(
        r#"
        NIX_CONFIG | substituters = https://b.org         | substituters would have no effect: NIX_CONFIG sets it at line 1 | unset NIX_CONFIG
        NIX_CONFIG | \n binary-cache-public-keys = b:x    | trusted-public-keys would have no effect: NIX_CONFIG sets it at line 2 | extra-trusted-public-keys
        NIX_CONFIG | access-tokens github.com=SECRET      | NIX_CONFIG is invalid at line 1, column 15      | Correct the variable NIX_CONFIG
        NIX_CONFIG | include SECRET.conf                  | NIX_CONFIG is invalid                           | absolute path
        NIX_CONFIG | netrc-file = netrc                   | NIX_CONFIG (line 1) sets netrc-file to "netrc"  | whole path
        NIX_CONFIG | netrc-file = /dev/null               | /dev/null is not a regular file                 | because of `netrc-file` in NIX_CONFIG
        NIX_CONFIG | netrc-file = /nix/store/HASH-x/netrc | belongs to the Nix store                        | Let it name a file that you may write, or unset NIX_CONFIG
        NIX_USER_CONF_FILES |  | NIX_USER_CONF_FILES is set and empty, so Nix does not read              | Unset NIX_USER_CONF_FILES
        XDG_CONFIG_HOME     |  | XDG_CONFIG_HOME is set and empty                                        | Unset XDG_CONFIG_HOME
        "#,
    ) {
        let mut world = World::new();
        let value = value.replace("\\n ", "\n").replace("HASH", &"0".repeat(32));
        let code = if value.is_empty() { 2 } else { 1 };
        world.set(name, &value);
        let run = log_in(&world, &server, &[]).code(code);
        run.says(&[told, hint]);
        run.never_says(&["SECRET"]);
        let left = world.everything();
        let is_lock = |path: &std::path::Path| {
            path.extension()
                .is_some_and(|extension| extension.to_string_lossy().contains("lock"))
        };
        assert!(
            left.keys().all(|path| is_lock(path)),
            "{name}={value}: {:?}",
            left.keys()
        );
    }
}

/// For the machine the variable is no reason to write nothing: the daemon and others do not have it.
#[test]
fn the_machine_is_set_up_whatever_the_variable_says() {
    let server = TestServer::start().unwrap();
    let mut world = World::new();
    let netrc = world.path("ci/netrc");
    world.set(
        "NIX_CONFIG",
        format!(
            "substituters = https://b.org\nnetrc-file = {}",
            netrc.display()
        ),
    );
    let login = format!("login --scope system --server {} --json", server.url());
    let report = world.given(&login, server.admin_token()).success().json();
    for netrc in [&netrc, &world.path("etc-nix/netrc")] {
        let text = std::fs::read_to_string(netrc).unwrap();
        assert!(text.contains(server.admin_token()), "{}", netrc.display());
        assert_eq!(mode(netrc), 0o600);
    }
    let warnings = report["warnings"].to_string();
    assert!(
        warnings.contains("NIX_CONFIG sets `substituters` at line 1"),
        "{report}"
    );
    world.typed("logout").success();
    assert!(!netrc.exists() && !world.path("etc-nix/netrc").exists());
}
