//! `fh doctor` without a Nix, and with a program that answers like one: what is broken has a line of its own with the
//! command that mends it, and does not hide what else is broken. `tests/end_to_end/doctor.rs` has the real Nix.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown, lchown, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use fh_testkit::server::{Authority, TestServer, self_signed_into};
use serde_json::{Value, json};

use crate::world::{Run, World};

/// `nobody`, on every Linux.
const NOBODY: u32 = 65534;

/// A Nix without a daemon whose settings are in `settings.json` of the home directory.
const NIX: &str = r#"#!/bin/sh
case "$*" in
  *" store "*) echo '{"url":"local","trusted":true}' ;;
  *" config show "*) while read -r line; do echo "$line"; done < "$HOME/settings.json" ;;
  *) exit 1 ;;
esac
"#;

/// Lets the world have that Nix with these settings.
fn with_nix(world: &World, settings: &[(&str, Value)]) {
    world.program("nix", NIX);
    let settings = settings.iter().map(|(name, value)| {
        let setting = json!({ "value": value, "description": "" });
        ((*name).to_owned(), setting)
    });
    let settings: serde_json::Map<String, Value> = settings.collect();
    world.write("settings.json", &format!("{}\n", Value::Object(settings)));
}

/// Which checks were made, in their order.
fn checks(report: &Value) -> Vec<&str> {
    let checks = report["checks"].as_array().unwrap().iter();
    checks.map(|it| it["check"].as_str().unwrap()).collect()
}

/// The first line of a check: its outcome, what was found, what mends it.
#[track_caller]
fn line<'a>(report: &'a Value, check: &str) -> (&'a str, &'a str, &'a str) {
    let mut checks = report["checks"].as_array().unwrap().iter();
    let found = checks.find(|it| it["check"] == check);
    let found = found.unwrap_or_else(|| panic!("no check {check}: {report:#}"));
    let text = |name: &str| found[name].as_str().unwrap_or_default();
    (text("outcome"), text("about"), text("fix"))
}

fn doctor(world: &World) -> Value {
    world.typed("doctor --json").code(1).json()
}

/// What `fh` does for somebody whom modes keep out.
fn as_nobody(world: &World, arguments: &[&str]) -> Run {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("fh"));
    command
        .env_clear()
        .envs(world.variables())
        .current_dir(world.path(""))
        .args(arguments)
        .uid(NOBODY)
        .gid(NOBODY);
    world.finish(&mut assert_cmd::Command::from_std(command))
}

/// What a person does to their files before they log in.
type Prepare<'a> = &'a dyn Fn(&World);

fn give_away(path: &Path) {
    let Ok(metadata) = path.symlink_metadata() else {
        return;
    };
    // A link itself, and not what it leads to.
    lchown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    if !metadata.is_dir() {
        return;
    }
    for entry in fs::read_dir(path).into_iter().flatten() {
        give_away(&entry.unwrap().path());
    }
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn token_file(world: &World) -> PathBuf {
    let mut files = fs::read_dir(world.config("fh/tokens")).unwrap();
    files.next().unwrap().unwrap().path()
}

#[test]
fn a_broken_file_of_its_own_is_named_and_nix_is_looked_at_all_the_same() {
    let server = TestServer::start().unwrap();
    let secret = "fh1_eyJzZWNyZXQiOjF9.x";
    for (name, text, check, about) in [
        (
            "fh/config.toml",
            "servers = 1\n",
            "config",
            "servers must be a table",
        ),
        ("fh/config.toml", "\n\nservers = [\n", "config", "line 3: "),
        // What somebody has put into the wrong file is not shown.
        (
            "fh/config.toml",
            "token = \"fh1_eyJzZWNyZXQiOjF9.x\n",
            "config",
            "line 1: ",
        ),
        (
            "fh/config.toml",
            "[servers.a]\nurl = \"ftp://x\"\n",
            "config",
            "the server a",
        ),
        ("fh/ledger.json", "{", "ledger", "cannot be parsed"),
    ] {
        let world = World::logged_in(&server, server.admin_token());
        with_nix(&world, &[("trusted-public-keys", json!(["a-1:AAAA"]))]);
        fs::write(world.config(name), text).unwrap();
        let report = doctor(&world);
        let (outcome, said, fix) = line(&report, check);
        let expected = if check == "config" {
            "failed"
        } else {
            "warning"
        };
        assert_eq!(outcome, expected, "{report:#}");
        assert!(said.contains(about), "{about}: {report:#}");
        let path = world.config(name).display().to_string();
        assert!(fix.contains(&format!("mv {path} {path}.old")), "{report:#}");
        assert!(!report.to_string().contains(secret), "{report:#}");
        // Another thing that is broken has its line too.
        let (outcome, said, fix) = line(&report, "keys");
        assert_eq!(outcome, "failed", "{report:#}");
        assert!(said.contains("3 bytes long instead of 32"), "{report:#}");
        assert!(fix.contains("correct or remove it in"), "{report:#}");
        assert_eq!(checks(&report).last(), Some(&"substitution"), "{report:#}");
        // Whoever says by its address which server is meant is not asked again; a name stands in that file alone.
        for (given, is_asked) in [(server.url(), true), ("work", false)] {
            let run = world.fh(&["doctor", "--json", "--server", given]).code(1);
            let report = run.json();
            let mut lines = report["checks"].as_array().unwrap().iter();
            let answers = lines.any(|it| it["check"] == "server" && it["outcome"] == "ok");
            assert_eq!(answers, is_asked, "{given}: {report:#}");
            assert!(checks(&report).contains(&check), "{report:#}");
        }
    }
}

#[test]
fn words_that_are_no_keys_are_named_with_their_place_and_without_themselves() {
    let server = TestServer::start().unwrap();
    let site = server.get("/.well-known/fh", None).unwrap().json().unwrap();
    let keys: Vec<&str> = site["public_keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| key["public_key"].as_str().unwrap())
        .collect();
    let name = keys[0].split(':').next().unwrap();
    let impostor = format!("{name}:{}", "1KNyrbC1oEDWV+BmbvGdhvZNnaE3mEeEfbHpVxJ5cDo=");
    let secret_key = format!("s-1:{}", "A".repeat(86));
    for (word, about, fix) in [
        (
            "nocolon",
            "it has no name",
            "correct or remove it in line 4 of",
        ),
        (
            secret_key.as_str(),
            "64 bytes long",
            "correct or remove it in line 4 of",
        ),
        ("a-1:b!c", "not base64", "correct or remove it in line 4 of"),
        // It is a key, and it hides the server's.
        (
            impostor.as_str(),
            "another key that is called",
            "from line 4 of",
        ),
    ] {
        let world = World::logged_in(&server, server.admin_token());
        let conf = world.read("nix/nix.conf");
        assert_eq!(conf.lines().count(), 3, "{conf}");
        world.write(
            ".config/nix/nix.conf",
            &format!("{conf}extra-trusted-public-keys = {word}\n"),
        );
        let all: Vec<&str> = [&[word][..], &keys[..]].concat();
        with_nix(
            &world,
            &[
                ("netrc-file", json!(world.config("nix/netrc"))),
                ("substituters", json!([server.url()])),
                ("trusted-public-keys", json!(all)),
            ],
        );
        let report = doctor(&world);
        let (outcome, said, mends) = line(&report, "keys");
        assert_eq!(outcome, "failed", "{report:#}");
        assert!(said.contains(about), "{about}: {report:#}");
        assert!(mends.contains(fix), "{fix}: {report:#}");
        assert!(!report.to_string().contains(&"A".repeat(43)), "{report:#}");
        for check in ["server", "token", "netrc", "substituter"] {
            assert_eq!(line(&report, check).0, "ok", "{report:#}");
        }
    }
}

#[test]
fn certificates_that_cannot_be_used_are_named_and_the_rest_is_looked_at() {
    let world = World::new();
    let tls = self_signed_into(&world.path("")).unwrap();
    let server = TestServer::builder()
        .settings(move |settings| settings.tls = Some(tls))
        .start()
        .unwrap();
    let login = ["login", "--scope", "user", "--server", server.url()];
    let login = [&login[..], &["--ca-file", "certificate.pem"]].concat();
    world.with_stdin(&login, server.admin_token()).success();
    let file = world.path("certificate.pem");
    let good = fs::read(&file).unwrap();
    let netrc = world.config("nix/netrc");
    let other = World::new();
    self_signed_into(&other.path("")).unwrap();
    let another = fs::read(other.path("certificate.pem")).unwrap();
    let settings = |nix: &Path| {
        [
            ("netrc-file", json!(netrc)),
            ("ssl-cert-file", json!(nix)),
            ("substituters", json!([server.url()])),
        ]
    };
    with_nix(&world, &settings(&file));
    let anew = format!("fh login --server {} --ca-file FILE", server.url());

    // Nix has it, and so does fh.
    let report = doctor(&world);
    assert_eq!(line(&report, "certificates").0, "ok", "{report:#}");
    assert_eq!(line(&report, "tls").0, "ok", "{report:#}");

    for (content, about) in [
        (None, "No such file"),
        (Some(&b"no certificate"[..]), "no PEM certificate"),
        (Some(&b"\xff\xfe"[..]), "no PEM certificate"),
    ] {
        match content {
            None => fs::remove_file(&file).unwrap(),
            Some(content) => fs::write(&file, content).unwrap(),
        }
        let report = doctor(&world);
        let (outcome, said, fix) = line(&report, "certificates");
        assert_eq!((outcome, fix), ("failed", anew.as_str()), "{report:#}");
        assert!(said.contains(about), "{about}: {report:#}");
        assert!(said.contains("`ca-file` in config.toml"), "{report:#}");
        // Neither the server nor the token is told to be broken; the netrc is right.
        for (check, outcome) in [
            ("server", "skipped"),
            ("token", "skipped"),
            ("netrc", "ok"),
            ("substituter", "ok"),
            ("substitution", "skipped"),
        ] {
            assert_eq!(line(&report, check).0, outcome, "{check}: {report:#}");
        }
    }
    // One that is good, and another server's.
    fs::write(&file, &another).unwrap();
    let report = doctor(&world);
    let (outcome, said, fix) = line(&report, "server");
    assert_eq!(outcome, "failed", "{report:#}");
    assert!(said.contains("certificate is not trusted"), "{report:#}");
    assert!(fix.starts_with(&anew), "{report:#}");
    fs::write(&file, &good).unwrap();

    // Nix reads another file.
    let of_nix = world.path("of-nix.pem");
    for (content, about, mends) in [
        (
            Some(another.as_slice()),
            "Nix does not trust the certificate",
            "cat ",
        ),
        (Some(&b"junk"[..]), "no PEM certificate", "ssl-cert-file"),
        (None, "No such file", "ssl-cert-file"),
    ] {
        let _ = fs::remove_file(&of_nix);
        if let Some(content) = content {
            fs::write(&of_nix, content).unwrap();
        }
        with_nix(&world, &settings(&of_nix));
        let report = doctor(&world);
        assert_eq!(line(&report, "server").0, "ok", "{report:#}");
        let (outcome, said, fix) = line(&report, "certificates");
        assert_eq!(outcome, "failed", "{report:#}");
        assert!(
            said.contains(about) && said.contains("of-nix.pem"),
            "{report:#}"
        );
        assert!(fix.contains(mends), "{report:#}");
    }
}

/// Nix looks at the dates of an authority, and `fh` does not. `fh` trusts the server's own certificate here.
#[test]
fn an_authority_that_has_expired_for_nix_has_a_line_of_its_own() {
    let world = World::new();
    let authority = Authority::expired().unwrap();
    let tls = authority.issue_into(&world.path("")).unwrap();
    let server = TestServer::builder()
        .settings(move |settings| settings.tls = Some(tls))
        .start()
        .unwrap();
    let file = world.path("certificate.pem");
    let login = ["login", "--scope", "user", "--server", server.url()];
    let login = [&login[..], &["--ca-file", "certificate.pem"]].concat();
    world.with_stdin(&login, server.admin_token()).success();
    let of_nix = world.path("of-nix.pem");
    let settings = [
        ("netrc-file", json!(world.config("nix/netrc"))),
        ("ssl-cert-file", json!(of_nix)),
        ("substituters", json!([server.url()])),
    ];
    with_nix(&world, &settings);
    let (expired, other) = (authority.pem(), Authority::new().unwrap().pem());
    let valid = fs::read_to_string(&file).unwrap();
    for (of_nix_text, outcome, about) in [
        (
            expired.clone(),
            "failed",
            "all certificates that Nix has have expired",
        ),
        (
            format!("{expired}{other}"),
            "failed",
            "(the certificate of its authority has expired)",
        ),
        (
            other.clone(),
            "failed",
            "Nix does not trust the certificate of",
        ),
        (format!("{other}{expired}{valid}"), "ok", "Nix trusts"),
    ] {
        fs::write(&of_nix, of_nix_text).unwrap();
        let report = doctor(&world);
        assert_eq!(line(&report, "server").0, "ok", "{report:#}");
        let (found, said, fix) = line(&report, "certificates");
        assert_eq!(found, outcome, "{report:#}");
        assert!(
            said.contains(about) && said.contains("of-nix.pem"),
            "{report:#}"
        );
        if outcome == "failed" {
            // What it says works: with both files together Nix trusts the server.
            assert!(
                fix.starts_with("cat ") && fix.contains("certificate.pem"),
                "{report:#}"
            );
            assert!(fix.contains("`ssl-cert-file = "), "{report:#}");
        }
    }
    // Where nix.conf is generated nobody can write into it.
    fs::write(&of_nix, &expired).unwrap();
    let conf = world.config("nix/nix.conf");
    fs::remove_file(&conf).unwrap();
    symlink(
        "/nix/store/00000000000000000000000000000000-nix.conf",
        &conf,
    )
    .unwrap();
    let report = doctor(&world);
    let (found, _, fix) = line(&report, "certificates");
    assert_eq!(found, "failed", "{report:#}");
    assert!(fix.contains("`nix.settings.ssl-cert-file`"), "{report:#}");
    assert!(!fix.contains("cat "), "{report:#}");
}

#[test]
fn what_my_own_modes_keep_from_me_has_the_command_that_gives_it_back() {
    if !rustix::process::geteuid().is_root() {
        fh_testkit::skipped("files of somebody else: only root can make them");
        return;
    }
    let server = TestServer::start().unwrap();
    for (file, check, mode, command) in [
        ("fh/config.toml", "config", 0o000, "chmod 600"),
        ("fh/config.toml", "config", 0o200, "chmod 600"),
        ("fh", "config", 0o600, "chmod u+rwx"),
        ("fh/ledger.json", "ledger", 0o000, "chmod 600"),
        ("fh/tokens", "token", 0o000, "chmod u+rwx"),
        ("TOKEN", "token", 0o000, "chmod 600"),
        ("nix/nix.conf", "nix.conf", 0o000, "chmod 600"),
        ("nix", "nix.conf", 0o000, "chmod u+rwx"),
    ] {
        let world = World::logged_in(&server, server.admin_token());
        let path = match file {
            "TOKEN" => token_file(&world),
            file => world.config(file),
        };
        give_away(&world.path(""));
        set_mode(&path, mode);
        let run = as_nobody(&world, &["doctor", "--json"]);
        let status = as_nobody(&world, &["status"]);
        set_mode(&path, 0o700);
        let report = run.code(1).json();
        let (_, about, fix) = line(&report, check);
        assert!(about.contains("is yours"), "{file}: {report:#}");
        assert_eq!(fix, format!("{command} {}", path.display()), "{report:#}");
        // What comes behind it is looked at too.
        assert_eq!(checks(&report).last(), Some(&"daemon"), "{report:#}");
        // Every other command names it as well.
        if matches!(check, "config" | "token") {
            let command = format!("`{command} {}`", path.display());
            status.says(&[&command]);
        }
    }
}

#[test]
fn a_login_that_cannot_write_names_what_is_in_the_way() {
    if !rustix::process::geteuid().is_root() {
        fh_testkit::skipped("files of somebody else: only root can make them");
        return;
    }
    let server = TestServer::start().unwrap();
    let of_root = tempfile::tempdir().unwrap();
    set_mode(of_root.path(), 0o755);
    let root = of_root.path().display().to_string();
    let make = |world: &World, below: &str| {
        let path = world.config(below);
        fs::create_dir_all(&path).unwrap();
        path
    };
    let cases: [(Prepare<'_>, &[&str]); 8] = [
        // A directory of mine that I may not write to.
        (
            &|world| set_mode(&make(world, "nix"), 0o500),
            &[
                "nix is yours, and its mode 500 does not let you write to it",
                "chmod u+rwx",
            ],
        ),
        // The same of fh itself.
        (
            &|world| set_mode(&make(world, "fh"), 0o500),
            &[
                "fh is yours, and its mode 500 does not let you write to it",
                "chmod u+rwx",
            ],
        ),
        // A link to nowhere for the netrc.
        (
            &|world| {
                let target = format!("{root}/absent/netrc");
                symlink(target, make(world, "nix").join("netrc")).unwrap();
            },
            &[
                "nix/netrc is a link to ",
                "absent/netrc, which is not there",
                "`rm ",
            ],
        ),
        // A link to nowhere for its directory.
        (
            &|world| symlink(format!("{root}/absent"), make(world, "").join("nix")).unwrap(),
            &["nix is a link to ", "which is not there", "`rm "],
        ),
        // A link to itself.
        (
            &|world| symlink("netrc", make(world, "nix").join("netrc")).unwrap(),
            &["rm "],
        ),
        // A file in place of the directory.
        (
            &|world| fs::write(make(world, "").join("nix"), "").unwrap(),
            &["nix is a file, and has to be a directory", "mv "],
        ),
        // A directory of root, by nix.conf of the machine.
        (
            &|world| {
                let conf = format!("netrc-file = {root}/netrc\n");
                world.write("etc-nix/nix.conf", &conf);
            },
            &[
                "belongs to root, and you may not write to it",
                "because of `netrc-file` in nix.conf",
            ],
        ),
        // A directory that would have to be made there.
        (
            &|world| {
                let conf = format!("netrc-file = {root}/a/b/netrc\n");
                world.write(".config/nix/nix.conf", &conf);
            },
            &[
                "belongs to root, and you may not write to it",
                "because of `netrc-file` in nix.conf",
            ],
        ),
    ];
    let login = ["login", "--scope", "user", "--server", server.url()];
    let login = [&login[..], &["--token-file", "token"]].concat();
    for (prepare, words) in cases {
        let world = World::new();
        world.write("token", server.admin_token());
        prepare(&world);
        give_away(&world.path(""));
        let run = as_nobody(&world, &login).code(1);
        run.says(words);
        // Nothing that belongs to others is proposed to be changed.
        run.never_says(&["sudo chown"]);
    }
    // What `sudo` has left behind in my own directory is.
    let world = World::new();
    world.write("token", server.admin_token());
    let nix = make(&world, "nix");
    give_away(&world.path(""));
    chown(&nix, Some(0), Some(0)).unwrap();
    let run = as_nobody(&world, &login).code(1);
    let command = format!("sudo chown -R \"$(id -un)\" {}", nix.display());
    run.says(&[&command]);
}
