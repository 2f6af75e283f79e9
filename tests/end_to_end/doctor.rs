//! `fh doctor` with real Nix: it says yes only where Nix really substitutes, and else names the link
//! that is broken.

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;

use fh_testkit::nix::{Daemon, Home, Nix, ScratchStore, versions};
use fh_testkit::rows;
use fh_testkit::server::TestServer;
use fh_testkit::{assert_contains, assert_lacks};
use serde_json::Value;

use crate::nix::built::builder;
use crate::nix::process::Ended;
use crate::nix::{Built, Person, Site};

/// A server with one private flake that has a small closure.
fn site(name: &str) -> Site {
    let site = Site::acme(TestServer::builder());
    let built = Built::new(name);
    site.admin.fh(["push", "acme/app", built.top()]).ok();
    site
}

fn reader(site: &Site, nix: &'static Nix, name: &str) -> Person {
    site.user(nix, name, &[("acme/app", "read")], &["pull"])
}

/// What a check came to, and what was said.
fn check<'a>(report: &'a Value, name: &str) -> (&'a str, &'a str) {
    let checks = report["checks"].as_array().unwrap();
    let found = checks.iter().find(|check| check["check"] == name);
    let found = found.unwrap_or_else(|| panic!("no check {name}: {report:#}"));
    (
        found["outcome"].as_str().unwrap(),
        found["about"].as_str().unwrap(),
    )
}

/// What a check that failed says to do.
fn remedy_of<'a>(report: &'a Value, name: &str) -> &'a str {
    let mut checks = report["checks"].as_array().unwrap().iter();
    let found = checks.find(|check| check["check"] == name && check["fix"].is_string());
    let found = found.unwrap_or_else(|| panic!("no fix of {name}: {report:#}"));
    found["fix"].as_str().unwrap()
}

/// `fh` where a variable is set.
fn with(person: &Person, (name, value): (&str, &str), arguments: &[&str]) -> Ended {
    let mut command = person.fh_command(arguments);
    command.env(name, value);
    crate::nix::process::run(command)
}

const DOCTOR: [&str; 2] = ["doctor", "--json"];

#[track_caller]
fn works(ended: Ended) -> Value {
    let report = ended.ok().json();
    assert_eq!(report["works"], true, "{report:#}");
    report
}

#[track_caller]
fn broken(ended: Ended, name: &str, words: &str) -> Value {
    let report = ended.code(1).json();
    assert_eq!(report["works"], false, "{report:#}");
    let (outcome, about) = check(&report, name);
    assert_eq!(outcome, "failed", "{report:#}");
    assert!(about.contains(words), "{report:#}");
    for check in report["checks"].as_array().unwrap() {
        let needs_fix = check["outcome"] == "failed";
        assert!(!needs_fix || check["fix"].is_string(), "{report:#}");
    }
    report
}

#[test]
fn after_a_login_every_version_substitutes_and_it_says_so() {
    let site = site("doctor-well");
    for nix in versions() {
        let name = format!("u{}", nix.version().replace('.', "-"));
        let person = reader(&site, nix, &name);
        let report = works(person.fh(["doctor", "--json"]));
        for name in [
            "server",
            "token",
            "netrc",
            "substituter",
            "keys",
            "substitution",
        ] {
            assert_eq!(check(&report, name).0, "ok", "{report:#}");
        }
        let said = person.fh(["doctor"]).ok().stdout;
        assert_contains(&said, &["ok       substitution Nix substituted"]);
        assert_lacks(&said, &[&person.token()]);
    }
}

#[test]
fn every_link_that_breaks_is_named_with_what_puts_it_right() {
    let site = site("doctor-ill");
    let nix = versions().last().unwrap();
    let person = reader(&site, nix, "ill");
    let netrc = person.home.config().join("nix/netrc");
    let conf = person.nix_conf();
    let (well_netrc, well_conf) = (
        std::fs::read_to_string(&netrc).unwrap(),
        std::fs::read_to_string(&conf).unwrap(),
    );
    let doctor = || person.fh(["doctor", "--json"]);

    std::fs::write(&netrc, well_netrc.replace(&person.token(), "another")).unwrap();
    let report = broken(doctor(), "netrc", "has another token");
    // The proof fails as well, and says what Nix said.
    assert_eq!(check(&report, "substitution").0, "failed", "{report:#}");

    std::fs::write(&netrc, "machine other.example login a password b\n").unwrap();
    broken(doctor(), "netrc", "has no entry for 127.0.0.1");

    std::fs::remove_file(&netrc).unwrap();
    broken(doctor(), "netrc", "which is not there");
    std::fs::write(&netrc, &well_netrc).unwrap();

    let without = |setting: &str| -> String {
        let kept = well_conf.lines().filter(|line| !line.contains(setting));
        kept.map(|line| format!("{line}\n")).collect()
    };
    std::fs::write(&conf, without("extra-substituters")).unwrap();
    let report = broken(doctor(), "substituter", "does not ask");
    let fix = report["checks"].as_array().unwrap().iter();
    let fix: Vec<&Value> = fix
        .filter(|check| check["check"] == "substituter")
        .collect();
    assert_eq!(fix[0]["fix"], format!("fh login --server {}", site.url()));

    std::fs::write(&conf, without("extra-trusted-public-keys")).unwrap();
    let report = broken(doctor(), "keys", "does not trust");
    assert_eq!(check(&report, "substitution").0, "failed", "{report:#}");

    // What the last line of the file does, and what mends it.
    let last = format!(
        "line {} of {}",
        well_conf.lines().count() + 1,
        conf.display()
    );
    for [line, name, words, remedy] in rows(
        "
        substitute = false              | substitute | builds everything itself  | remove `substitute = false` from LAST
        build-use-substitutes = false   | substitute | LAST                      | remove `substitute = false` from LAST
        # Nix takes no path at all then.
        extra-trusted-public-keys = typo-1:AAAA | keys | 3 bytes long instead of 32 | correct or remove it in LAST
        # Nix itself does not start any more.
        garbage                         | nix.conf   | Nix does not start:       | correct LAST
        access-tokens github.com=SECRET | nix.conf   | CONF                      | correct LAST
        include /nowhere/nix.conf       | nix.conf   | /nowhere/nix.conf does not exist | create /nowhere/nix.conf, or write `!include` in LAST
        cores = many                    | daemon     | has invalid value         | correct `cores` in LAST
        ",
    ) {
        let [words, remedy] = [words, remedy].map(|text| {
            let conf = conf.to_str().unwrap();
            text.replace("LAST", &last).replace("CONF", conf)
        });
        std::fs::write(&conf, format!("{well_conf}{line}\n")).unwrap();
        let report = broken(doctor(), name, &words);
        assert_eq!(remedy_of(&report, name), remedy, "{line}: {report:#}");
        let said = report.to_string();
        assert_lacks(&said, &["SECRET", "not installed"]);
    }
    std::fs::write(&conf, &well_conf).unwrap();

    // What it says to do, done, is the cure.
    person.log_in(site.url(), &person.token_file());
    works(doctor());
}

#[test]
fn what_is_revoked_or_empty_or_gone_is_told_apart() {
    let site = site("doctor-token");
    let nix = versions().last().unwrap();

    // A view with nothing in it proves nothing, and that is no yes.
    let empty = site.user(nix, "empty", &[], &["pull"]);
    let report = empty.fh(["doctor", "--json"]).code(1).json();
    assert_eq!(check(&report, "substitution").0, "skipped", "{report:#}");

    let revoked = reader(&site, nix, "revoked");
    let id = revoked.fh(["status", "--json"]).ok().json()["token_id"].clone();
    site.admin
        .fh(["token", "revoke", "--yes", id.as_str().unwrap()])
        .ok();
    broken(revoked.fh(["doctor", "--json"]), "token", "revoked");

    let nobody = site.stranger(nix);
    let said = nobody.fh(["doctor"]).code(1).stdout;
    assert_contains(&said, &["fh login --server URL"]);

    let alone = reader(&site, nix, "alone");
    drop(site);
    let report = broken(alone.fh(["doctor", "--json"]), "server", "cannot reach");
    let fix = report["checks"][0]["fix"].as_str().unwrap();
    assert!(fix.contains("curl -v http://127.0.0.1"), "{report:#}");
}

#[test]
fn a_daemon_is_asked_itself() {
    let site = site("doctor-daemon");
    for nix in versions() {
        let name = format!("d{}", nix.version().replace('.', "-"));
        let alice = reader(&site, nix, &name);
        let lines = std::fs::read_to_string(alice.nix_conf()).unwrap();
        let home = Home::new().unwrap();
        home.configure(&format!("{lines}trusted-users = root\nmax-jobs = 0"))
            .unwrap();
        let daemon = Daemon::start_in(nix, home).unwrap();
        let mut command = alice.fh_command(["doctor", "--json"]);
        command
            .env("NIX_REMOTE", daemon.uri())
            .env("NIX_CONF_DIR", daemon.home().system_configuration());
        let report = works(crate::nix::process::run(command));
        let about = check(&report, "substitution").1;
        assert!(about.contains("the Nix daemon substituted"), "{report:#}");
    }
}

#[test]
fn where_nix_config_names_the_netrc_a_login_works_and_the_variable_is_told() {
    let site = Site::acme(TestServer::builder());
    let built = Built::new("doctor-variable");
    site.admin.fh(["push", "acme/app", built.top()]).ok();
    for nix in versions() {
        let name = format!("v{}", nix.version().replace('.', "-"));
        let person = reader(&site, nix, &name);
        let netrc = person.home.path().join("ci/netrc");
        let config = format!("max-jobs = 0\nnetrc-file = {}\n", netrc.display());
        let variable = ("NIX_CONFIG", config.as_str());
        // Whoever logged in before it was set is told why that does not count.
        let report = broken(with(&person, variable, &DOCTOR), "netrc", "NIX_CONFIG");
        assert_eq!(check(&report, "substitution").0, "failed", "{report:#}");
        assert_eq!(
            remedy_of(&report, "netrc"),
            format!("fh login --server {}", site.url())
        );
        // What it says to do, done, is the cure: also where the other netrc has nothing.
        let token = person.token_file();
        let login = ["login", "--scope", "user", "--server", site.url()];
        let login = [&login[..], &["--token-file"]].concat();
        let login = [&login[..], &[token.to_str().unwrap()]].concat();
        with(&person, variable, &login).ok();
        std::fs::write(person.home.config().join("nix/netrc"), "").unwrap();
        let report = works(with(&person, variable, &DOCTOR));
        assert!(
            check(&report, "netrc").1.contains("NIX_CONFIG"),
            "{report:#}"
        );
        let store = ScratchStore::new().unwrap();
        let mut command = nix.command("nix-store", &person.home);
        command
            .env("NIX_CONFIG", &config)
            .env("NIX_REMOTE", store.uri())
            .args(["--realise", built.top()]);
        crate::nix::process::run(command).ok();
        built.assert_arrived(nix, &store);
    }
}

#[test]
fn what_nix_config_replaces_is_named_with_what_mends_it_and_login_does_not_claim_success() {
    let site = site("doctor-replaced");
    let key = "trusted-public-keys = new-1:1KNyrbC1oEDWV+BmbvGdhvZNnaE3mEeEfbHpVxJ5cDo=";
    for nix in versions() {
        let name = format!("r{}", nix.version().replace('.', "-"));
        let person = reader(&site, nix, &name);
        for (text, name, words, remedy, login) in [
            (
                "substituters = https://other.invalid",
                "substituter",
                "`substituters` in NIX_CONFIG replaces",
                "write `extra-substituters` in place of `substituters` in NIX_CONFIG, or unset NIX_CONFIG",
                1,
            ),
            (
                key,
                "keys",
                "`trusted-public-keys` in NIX_CONFIG replaces",
                "write `extra-trusted-public-keys` in place of `trusted-public-keys` in NIX_CONFIG, or unset \
                 NIX_CONFIG",
                1,
            ),
            (
                "substitute = false",
                "substitute",
                "is set in NIX_CONFIG",
                "remove `substitute = false` from NIX_CONFIG",
                0,
            ),
            (
                "oops",
                "nix.conf",
                "NIX_CONFIG is invalid at line 1",
                "correct NIX_CONFIG, or unset it",
                1,
            ),
        ] {
            let variable = ("NIX_CONFIG", text);
            let report = broken(with(&person, variable, &DOCTOR), name, words);
            assert_eq!(remedy_of(&report, name), remedy, "{report:#}");
            let again = ["login", "--scope", "user"];
            with(&person, variable, &again).code(login);
        }
        let extra = ("NIX_CONFIG", "extra-substituters = https://other.invalid");
        works(with(&person, extra, &DOCTOR));
    }
}

#[test]
fn a_daemon_that_is_missing_is_named_with_what_brings_it_back() {
    let site = site("doctor-no-daemon");
    for nix in versions() {
        let name = format!("m{}", nix.version().replace('.', "-"));
        let person = reader(&site, nix, &name);
        let socket = "unix:///nonexistent/socket";
        let setting = format!("store = {socket}");
        for (name, value, otherwise) in [
            ("NIX_REMOTE", socket, "unset NIX_REMOTE"),
            (
                "NIX_CONFIG",
                setting.as_str(),
                "remove `store` from NIX_CONFIG",
            ),
        ] {
            let report = broken(
                with(&person, (name, value), &DOCTOR),
                "daemon",
                "cannot connect to",
            );
            let remedy = remedy_of(&report, "daemon");
            assert!(remedy.contains(otherwise), "{report:#}");
            assert!(!report.to_string().contains("not installed"), "{report:#}");
        }
        let empty = ("NIX_USER_CONF_FILES", "");
        let report = with(&person, empty, &DOCTOR).code(1).json();
        assert_eq!(
            remedy_of(&report, "nix.conf"),
            "unset NIX_USER_CONF_FILES",
            "{report:#}"
        );
    }
}

/// The trial says what it does not prove, and proves as much as there is to prove.
#[test]
fn the_trial_proves_signature_and_token_where_a_path_can() {
    let site = Site::start(TestServer::builder());
    site.organization("acme");
    site.flake("acme/texts", "private");
    site.flake("acme/app", "private");
    let file = site.admin.home.path().join("text");
    let content = format!("content-addressed {}", std::process::id());
    std::fs::write(&file, content).unwrap();
    let file = file.to_str().unwrap();
    let store = |arguments: [&str; 2]| {
        let mut command = builder().command("nix-store", &site.admin.home);
        command.args(arguments);
        crate::nix::process::run(command).ok().stdout
    };
    let added = store(["--add", file]);
    let added = added.trim();
    site.admin.fh(["push", "acme/texts", added]).ok();
    store(["--delete", added]);
    let (keys, token) = (
        "prove that Nix trusts the keys",
        "prove that Nix sends your token",
    );
    let nix = versions().last().unwrap();
    let person = site.user(nix, "prover", &[("acme/texts", "read")], &["pull"]);
    let said = |person: &Person| {
        let report = works(person.fh(DOCTOR));
        check(&report, "substitution").1.to_owned()
    };
    let about = said(&person);
    assert_contains(&about, &[keys]);
    assert_lacks(&about, &[token]);
    // What the keys are wrong for, it substitutes, and does not call that a proof.
    let well = std::fs::read_to_string(person.nix_conf()).unwrap();
    let without_keys = well.lines().filter(|line| !line.contains("public-keys"));
    let without_keys: String = without_keys.map(|line| format!("{line}\n")).collect();
    std::fs::write(person.nix_conf(), without_keys).unwrap();
    let report = broken(person.fh(DOCTOR), "keys", "does not trust");
    let (outcome, about) = check(&report, "substitution");
    assert!(outcome == "ok" && about.contains(keys), "{report:#}");
    std::fs::write(person.nix_conf(), well).unwrap();

    // A larger path that needs a signature goes before it.
    let built = Built::new("doctor-proof");
    site.admin.fh(["push", "acme/app", built.top()]).ok();
    drop(built);
    site.admin
        .fh(["grant", "add", "acme/app", "prover", "read"])
        .ok();
    let about = said(&person);
    assert_lacks(&about, &["prove"]);

    // What everybody reads proves no token.
    for flake in ["acme/app", "acme/texts"] {
        site.admin
            .fh(["flake", "set", flake, "--visibility", "public", "--yes"])
            .ok();
        site.admin.fh(["follow", flake, "--everybody"]).ok();
    }
    let about = said(&person);
    assert_contains(&about, &[token]);
    assert_lacks(&about, &[keys]);
}

#[test]
fn a_netrc_of_mine_that_i_cannot_read_is_not_the_administrators() {
    /// `nobody`, on every Linux.
    const NOBODY: u32 = 65534;
    if !rustix::process::geteuid().is_root() {
        fh_testkit::skipped("files of somebody else: only root can make them");
        return;
    }
    let site = site("doctor-mode");
    for nix in versions() {
        let name = format!("n{}", nix.version().replace('.', "-"));
        let person = reader(&site, nix, &name);
        let home = person.home.path();
        give_away(home, NOBODY);
        let netrc = person.home.config().join("nix/netrc");
        let set_mode = |path: &Path, mode| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        let run = |arguments: &[&str]| {
            let mut command = person.fh_command(arguments);
            command.uid(NOBODY).gid(NOBODY);
            crate::nix::process::run(command)
        };
        let remedy = format!("chmod 600 {}", netrc.display());
        for mode in [0o000, 0o200, 0o077] {
            set_mode(&netrc, mode);
            let report = run(&DOCTOR).code(1).json();
            let login = run(&["login", "--scope", "user"]).code(1);
            set_mode(&netrc, 0o600);
            let (outcome, about) = check(&report, "netrc");
            assert_eq!(outcome, "failed", "{report:#}");
            assert!(about.contains("is yours"), "{report:#}");
            assert_eq!(remedy_of(&report, "netrc"), remedy, "{report:#}");
            login.says(&["is yours", remedy.as_str()]);
            assert!(!report.to_string().contains("sudo fh"), "{report:#}");
        }
        // The store is root's, and nobody has started the daemon for whom it is not.
        if !Path::new("/nix/var/nix/daemon-socket/socket").exists() {
            let report = run(&DOCTOR).code(1).json();
            let (_, about) = check(&report, "daemon");
            assert!(about.contains("Nix does not answer: error: "), "{report:#}");
            assert!(
                remedy_of(&report, "daemon").contains("nix-daemon"),
                "{report:#}"
            );
            assert_eq!(check(&report, "netrc").0, "ok", "{report:#}");
        }
    }
}

fn give_away(directory: &Path, to: u32) {
    std::os::unix::fs::chown(directory, Some(to), Some(to)).unwrap();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            give_away(&path, to);
        } else {
            std::os::unix::fs::chown(&path, Some(to), Some(to)).unwrap();
        }
    }
}
