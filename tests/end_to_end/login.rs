//! `fh login` by somebody whom a real Nix daemon does not trust, and what an administrator then does.

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Output};

use fh_testkit::nix::{Daemon, Home, Nix, versions};
use fh_testkit::server::TestServer;
use fh_testkit::{assert_contains, assert_lacks};
use serde_json::Value;

/// `nobody`, on every Linux.
const NOBODY: u32 = 65534;

fn give_away(directory: &Path) {
    std::os::unix::fs::chown(directory, Some(NOBODY), Some(NOBODY)).unwrap();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            give_away(&path);
        } else {
            std::os::unix::fs::chown(&path, Some(NOBODY), Some(NOBODY)).unwrap();
        }
    }
}

fn open(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// Runs `fh` as nobody, against the daemon, with the machine's files that the daemon has.
fn as_nobody(nix: &Nix, home: &Home, daemon: &Daemon, arguments: &[&str]) -> Output {
    as_nobody_with(nix, home, daemon, None, arguments)
}

/// The same with NIX_CONFIG.
fn as_nobody_with(
    nix: &Nix,
    home: &Home,
    daemon: &Daemon,
    variable: Option<&str>,
    arguments: &[&str],
) -> Output {
    Command::new(assert_cmd::cargo::cargo_bin!("fh"))
        .env_clear()
        .envs(variable.map(|text| ("NIX_CONFIG", text)))
        .envs(home.environment())
        .env("PATH", nix.search_path())
        .env("NIX_REMOTE", daemon.uri())
        .env("NIX_CONF_DIR", daemon.home().system_configuration())
        .current_dir(home.path())
        .args(arguments)
        .uid(NOBODY)
        .gid(NOBODY)
        .output()
        .unwrap()
}

fn json(output: &Output) -> Value {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_user_whom_the_daemon_does_not_trust_is_told_the_one_command() {
    if !rustix::process::geteuid().is_root() {
        fh_testkit::skipped(
            "a user whom the daemon does not trust: only root can be somebody else",
        );
        return;
    }
    let server = TestServer::start().unwrap();
    for nix in versions() {
        let daemon = Daemon::start(nix, "trusted-users = root\nallowed-users = *").unwrap();
        open(daemon.store().root(), 0o755);
        open(daemon.home().path(), 0o755);
        let home = Home::new().unwrap();
        std::fs::write(home.path().join("token"), server.admin_token()).unwrap();
        give_away(home.path());
        let login = ["login", "--server", server.url(), "--token-file"];
        let login = [&login[..], &["token", "--json"]].concat();

        let report = json(&as_nobody(nix, &home, &daemon, &login));
        assert_eq!(report["scope"], "user");
        let conf = home.config().join("nix/nix.conf");
        let text = std::fs::read_to_string(&conf).unwrap();
        if !nix.is_at_least(2, 15) {
            // This version does not tell, and that is said.
            let warnings = report["warnings"].to_string();
            assert!(
                warnings.contains("does not report whether it trusts"),
                "{report}"
            );
            continue;
        }
        assert_lacks(&text, &["extra-substituters"]);
        let command = report["administrator_command"].as_str().unwrap();
        let words: Vec<&str> = command.split(' ').collect();
        assert_eq!(words[0], "sudo");

        // The administrator runs it, word for word.
        let ran = Command::new(words[1])
            .env_clear()
            .envs(daemon.home().environment())
            .args(&words[2..])
            .output()
            .unwrap();
        assert!(
            ran.status.success(),
            "{}",
            String::from_utf8_lossy(&ran.stderr)
        );
        let machine = daemon.home().system_configuration();
        let netrc = std::fs::read_to_string(machine.join("netrc")).unwrap();
        assert!(netrc.contains(server.admin_token()));
        let shown = nix
            .command("nix", daemon.home())
            .args(["show-config", "--json"])
            .output()
            .unwrap();
        let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
        let substituters = shown["substituters"]["value"].to_string();
        assert_contains(&substituters, &[server.url()]);

        // From then on there is nothing to tell.
        let report = json(&as_nobody(nix, &home, &daemon, &login));
        assert_eq!(report["administrator_command"], Value::Null);
        assert_eq!(report["warnings"].as_array().unwrap().len(), 0, "{report}");

        // Of the user's own variable the daemon heeds which substituters are left out, and neither keys nor
        // netrc: `fh doctor` says what applies.
        let netrc = machine.join("netrc").display().to_string();
        for (variable, check, outcome, words) in [
            (None, "substituter", "ok", "Nix asks"),
            (
                Some("substituters = https://other.invalid"),
                "substituter",
                "failed",
                "`substituters` in NIX_CONFIG replaces",
            ),
            (Some("trusted-public-keys ="), "keys", "ok", "Nix trusts"),
            (
                Some("netrc-file = /nonexistent/netrc"),
                "netrc",
                "skipped",
                netrc.as_str(),
            ),
        ] {
            let doctor = ["doctor", "--json"];
            let output = as_nobody_with(nix, &home, &daemon, variable, &doctor);
            let report: Value = serde_json::from_slice(&output.stdout).unwrap();
            let mut checks = report["checks"].as_array().unwrap().iter();
            let found = checks.find(|found| found["check"] == check).unwrap();
            assert_eq!(found["outcome"], outcome, "{variable:?}: {report:#}");
            let about = found["about"].as_str().unwrap();
            assert!(about.contains(words), "{variable:?}: {report:#}");
        }
    }
}

#[test]
fn a_netrc_that_nix_config_names_where_nothing_may_be_written_is_refused() {
    if !rustix::process::geteuid().is_root() {
        fh_testkit::skipped("a file that somebody else may not write: only root can be two people");
        return;
    }
    let server = TestServer::start().unwrap();
    for nix in versions() {
        let daemon = Daemon::start(nix, "allowed-users = *").unwrap();
        open(daemon.store().root(), 0o755);
        open(daemon.home().path(), 0o755);
        let home = Home::new().unwrap();
        std::fs::write(home.path().join("token"), server.admin_token()).unwrap();
        give_away(home.path());
        let login = ["login", "--server", server.url(), "--token-file", "token"];
        let closed = daemon.home().path().join("closed");
        std::fs::create_dir(&closed).unwrap();
        for netrc in ["netrc", "deeper/netrc"].map(|name| closed.join(name)) {
            let variable = format!("netrc-file = {}", netrc.display());
            let output = as_nobody_with(nix, &home, &daemon, Some(&variable), &login);
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{said}");
            let words = format!(
                "Nix reads {} because of `netrc-file` in NIX_CONFIG. Let it name a file that you may write",
                netrc.display()
            );
            assert_contains(&said, &[&words, "Nothing was changed."]);
            assert!(!home.config().join("fh/tokens").exists());
        }
        let mine = format!("netrc-file = {}", home.path().join("ci/netrc").display());
        let output = as_nobody_with(nix, &home, &daemon, Some(&mine), &login);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        assert!(home.path().join("ci/netrc").exists());
    }
}
