//! `flake.nix` and its modules, evaluated by every version of Nix here; what they would give a
//! machine is then used: the server's configuration by `fh serve`, the units by systemd.
//!
//! nixpkgs cannot be fetched in these tests. `tests/nixos/nixpkgs` stands for it; what only the real
//! one can show is listed in `docs/nixos.md`.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use fh_testkit::nix::{Home, versions};
use fh_testkit::rows;
use fh_testkit::{assert_contains, assert_lacks};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::nixos::{CLIENT, LATE, evaluate, newest, nix_conf, token_of, with_real_fh};

/// What the flake reads, copied, so that Nix does not copy the build directory to its store.
const SOURCES: &[&str] = &[
    "Cargo.lock",
    "Cargo.toml",
    "completions",
    "crates",
    "docs",
    "flake.nix",
    "man",
    "nix",
    "src",
    "tests",
    "xtask",
];

/// A copy of the flake.
fn flake() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let mut command = Command::new("cp");
    command.arg("-r").arg("--");
    for source in SOURCES {
        command.arg(fh_testkit::workspace().join(source));
    }
    assert!(command.arg(directory.path()).status().unwrap().success());
    directory
}

#[test]
fn every_version_evaluates_all_outputs() {
    let flake = flake();
    let source = format!("path:{}", flake.path().display());
    let nixpkgs = format!("{source}/tests/nixos/nixpkgs");
    for nix in versions() {
        let home = Home::new().unwrap();
        let arguments = ["flake", "show", "--json", "--no-write-lock-file"];
        let arguments = [
            &arguments[..],
            &["--override-input", "nixpkgs", &nixpkgs, &source],
        ]
        .concat();
        let shown = nix.run("nix", &home, arguments).unwrap();
        let shown: Value = serde_json::from_str(&shown).unwrap();
        let packages = &shown["packages"]["x86_64-linux"];
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(packages["fh"]["name"], format!("fh-{version}"));
        assert_eq!(
            packages["fh-client"]["name"],
            format!("fh-client-{version}")
        );
        for module in ["client", "server", "default"] {
            assert_eq!(shown["nixosModules"][module]["type"], "nixos-module");
        }
        assert_eq!(shown["overlays"]["default"]["type"], "nixpkgs-overlay");

        let arguments = [
            "flake",
            "check",
            "--no-build",
            "--no-write-lock-file",
            "--override-input",
            "nixpkgs",
            &nixpkgs,
            &source,
        ];
        nix.run("nix", &home, arguments).unwrap();
    }
}

#[test]
fn a_client_gets_the_substituter_both_keys_and_a_netrc() {
    let wanted = "{ inherit (config) nix environment; \
        unit = config.systemd.services.fh-login; path = config.systemd.paths.fh-login; }";
    for nix in versions() {
        let config = evaluate(nix, "nixos", CLIENT, wanted).unwrap();
        let settings = &config["nix"]["settings"];
        assert_eq!(
            settings["extra-substituters"],
            serde_json::json!(["https://cache.example.org"])
        );
        assert_eq!(
            settings["extra-trusted-public-keys"]
                .as_array()
                .unwrap()
                .len(),
            2
        );
        assert_eq!(settings["netrc-file"], "/etc/nix/netrc");
        assert_eq!(
            config["environment"]["variables"]["FH_SERVER"],
            "https://cache.example.org"
        );
        assert_eq!(
            config["unit"]["before"],
            serde_json::json!(["nix-daemon.service"])
        );
        assert_eq!(
            config["path"]["pathConfig"]["PathChanged"],
            "/run/secrets/fh-token"
        );
    }
}

#[test]
fn a_client_without_a_token_has_no_service() {
    let module = CLIENT.replace("tokenFile = \"/run/secrets/fh-token\";", "");
    let services = evaluate(newest(), "nixos", &module, "config.systemd.services").unwrap();
    assert_eq!(services, serde_json::json!({}));
}

#[test]
fn what_would_leak_or_not_work_is_refused_by_name() {
    let nix = newest();
    let in_store = CLIENT.replace(
        "/run/secrets/fh-token",
        "/nix/store/00000000000000000000000000000000-token",
    );
    let refused = evaluate(nix, "nixos", &in_store, "config.nix").unwrap_err();
    assert_contains(&refused, &["programs.fh.tokenFile is in the Nix store"]);

    let keyless = CLIENT.replace(
        "\"cache.example.org-1:AAAA\" \"cache.example.org-2:BBBB\"",
        "",
    );
    let refused = evaluate(nix, "nixos", &keyless, "config.nix").unwrap_err();
    assert_contains(&refused, &["publicKeys is empty"]);

    let tokenless = CLIENT.replace(
        "tokenFile = \"/run/secrets/fh-token\";",
        "activation = true;",
    );
    let refused = evaluate(nix, "nixos", &tokenless, "config.nix").unwrap_err();
    assert_contains(&refused, &["set programs.fh.tokenFile"]);

    // What the service could not use.
    for (setting, told) in [
        (
            "tls-certificate = \"/etc/fh/c.pem\";",
            "set them in services.fh.tls",
        ),
        (
            "tls-key = \"/etc/fh/k.pem\";",
            "set them in services.fh.tls",
        ),
        (
            "data-dir = \"/srv/fh\";",
            "may write only to /var/lib/fh-server",
        ),
    ] {
        let module = format!("services.fh = {{ enable = true; settings = {{ {setting} }}; }};");
        let refused = evaluate(nix, "nixos", &module, "config.networking").unwrap_err();
        assert!(refused.contains(told), "{setting}: {refused}");
    }

    let misspelt = CLIENT.replace("tokenFile", "token-file");
    let refused = evaluate(nix, "nixos", &misspelt, "config.programs.fh").unwrap_err();
    assert_contains(&refused, &["programs.fh.token-file: does not exist"]);
}

#[test]
fn the_server_takes_the_configuration_it_is_given() {
    let module = r#"
      services.fh = {
        enable = true;
        address = "[::1]";
        port = 0;
        settings = { max-token-lifetime = "365d"; log-format = "json"; };
      };
    "#;
    for nix in versions() {
        let unit = evaluate(nix, "nixos", module, "config.systemd.services.fh-server").unwrap();
        let start = unit["serviceConfig"]["ExecStart"].as_str().unwrap();
        let configuration = start.split_whitespace().last().unwrap();
        let data = tempfile::tempdir().unwrap();
        let checked = Command::new(env!("CARGO_BIN_EXE_fh"))
            .args(["serve", "--check", "--config", configuration, "--data-dir"])
            .arg(data.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&checked.stdout).into_owned();
        assert!(
            checked.status.success(),
            "{said}{}",
            String::from_utf8_lossy(&checked.stderr)
        );
        assert_contains(&said, &["[::1]:0", "365d", "json"]);
    }
}

/// The command of the service, with the real program, on a machine without a network.
#[test]
fn the_service_puts_the_token_into_the_netrc_and_changes_nothing_the_second_time() {
    let machine = tempfile::tempdir().unwrap();
    let path = |below: &str| machine.path().join(below);
    for directory in ["bin", "etc-nix", "state"] {
        fs::create_dir(path(directory)).unwrap();
    }
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_fh"), path("bin/fh")).unwrap();
    let others = "machine other.example login me password mine\n";
    fs::write(path("etc-nix/netrc"), others).unwrap();
    let token = token_of("https://cache.example.org", LATE, "machine");
    let token = token.as_str();
    fs::write(path("token"), token).unwrap();
    let module = CLIENT.replace("/run/secrets/fh-token", path("token").to_str().unwrap());
    let module = format!(
        "{module} programs.fh.netrcFile = \"{}\"; programs.fh.package = {{ outPath = \"{}\"; }};",
        path("etc-nix/netrc").display(),
        machine.path().display()
    );
    let wanted = "{ inherit (config.nix) settings; \
        start = config.systemd.services.fh-login.serviceConfig.ExecStart; }";
    let config = evaluate(newest(), "nixos", &module, wanted).unwrap();
    fs::write(path("etc-nix/nix.conf"), nix_conf(&config["settings"])).unwrap();
    let run = || {
        let output = Command::new("/bin/sh")
            .arg("-c")
            .arg(config["start"].as_str().unwrap())
            .env_clear()
            .env("NIX_CONF_DIR", path("etc-nix"))
            .env("XDG_CONFIG_HOME", path("state"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_lacks(&said, &[token]);
        let netrc = path("etc-nix/netrc");
        (
            fs::read_to_string(&netrc).unwrap(),
            fs::metadata(&netrc).unwrap().modified().unwrap(),
        )
    };
    let first = run();
    assert!(first.0.starts_with(others), "{}", first.0);
    assert!(
        first.0.contains("machine cache.example.org") && first.0.contains(token),
        "{}",
        first.0
    );
    assert_eq!(run(), first);
}

/// One unit as systemd's own text, written below `directory` as NixOS writes it: each value as it is.
fn write_unit(directory: &Path, name: &str, unit: &Value) -> PathBuf {
    let mut text = String::from("[Unit]\n");
    let line = |text: &mut String, key: &str, value: &Value| {
        let all = match value {
            Value::Array(all) => all.clone(),
            one => vec![one.clone()],
        };
        for value in all {
            let value = match value {
                Value::String(value) => value,
                other => other.to_string(),
            };
            // The packages are not built here: what they hold is replaced.
            let value = match value.split_once("/bin/kill") {
                Some((_, arguments)) => format!("/bin/kill{arguments}"),
                None if value.contains("/bin/fh ") => with_real_fh(&value),
                None => value,
            };
            writeln!(text, "{key}={value}").unwrap();
        }
    };
    for (key, value) in unit["unitConfig"].as_object().into_iter().flatten() {
        line(&mut text, key, value);
    }
    for (key, name) in [("before", "Before"), ("after", "After"), ("wants", "Wants")] {
        if let Some(value) = unit.get(key) {
            line(&mut text, name, value);
        }
    }
    text.push_str("[Service]\n");
    for (key, value) in unit["serviceConfig"].as_object().unwrap() {
        line(&mut text, key, value);
    }
    let path = directory.join(format!("{name}.service"));
    fs::write(&path, text).unwrap();
    path
}

/// The words of the command that systemd would run, as it prints them for a shell.
fn words_of_start(dump: &str) -> Vec<String> {
    let (_, start) = dump.split_once("-> ExecStart:").unwrap();
    let (_, command) = start.split_once("Command Line: ").unwrap();
    let script = format!("printf '%s\\0' {}", command.lines().next().unwrap());
    let printed = Command::new("/bin/sh").arg("-c").arg(script).output();
    let printed = String::from_utf8(printed.unwrap().stdout).unwrap();
    // It replaces variables only when it runs the command.
    let words = printed.split_terminator('\0');
    words.map(|word| word.replace("$$", "$")).collect()
}

/// Paths with what means something to systemd, in each of the places where the modules write them.
#[test]
fn systemd_reads_the_paths_that_were_written() {
    let Some(analyze) = systemd_analyze() else {
        return;
    };
    for path in [
        "/srv/plain",
        "/srv/two words",
        "/srv/100%/%h",
        "/srv/$HOME/${x}",
        "/srv/a:b/it's;#",
        "/srv/back\\slash \"quoted\"",
    ] {
        let text = path
            .replace('\\', "\\\\")
            .replace('"', "\\\"")
            .replace('$', "\\$");
        let client = CLIENT.replace("/run/secrets/fh-token", &format!("{text}/token"));
        for group in ["null", "\"acme\""] {
            let module = format!(
                "{client} programs.fh.netrcFile = \"{text}/netrc\"; services.fh = {{ enable = true; tls = {{ certificateFile = \"{text}/c.pem\"; \
                 keyFile = \"{text}/k.pem\"; group = {group}; }}; }};"
            );
            let wanted = "{ inherit (config.systemd) services paths; }";
            let systemd = evaluate(newest(), "nixos", &module, wanted).unwrap();
            let directory = tempfile::tempdir().unwrap();
            let dump = |name: &str| {
                let unit = write_unit(directory.path(), name, &systemd["services"][name]);
                let verified = Command::new(&analyze)
                    .args(["verify", "--man=no", "--recursive-errors=no"])
                    .arg(&unit)
                    .output()
                    .unwrap();
                let said = String::from_utf8_lossy(&verified.stderr).into_owned();
                // Specifiers that cannot be resolved, and words that end too early, are told here.
                assert!(
                    verified.status.success() && !said.contains(name),
                    "{path}: {said}"
                );
                let dumped = Command::new(&analyze)
                    .args(["verify", "--man=no", "--recursive-errors=no"])
                    .arg(&unit)
                    .env("SYSTEMD_LOG_LEVEL", "debug")
                    .output()
                    .unwrap();
                String::from_utf8_lossy(&dumped.stdout).into_owned()
            };
            let server = words_of_start(&dump("fh-server"));
            let tls = if group == "null" {
                // Copies of the start, below the directory that `%d` stands for.
                let credentials =
                    &systemd["services"]["fh-server"]["serviceConfig"]["LoadCredential"];
                let path = path.replace('%', "%%");
                let expected = json!([
                    format!("tls-certificate:{path}/c.pem"),
                    format!("tls-key:{path}/k.pem"),
                ]);
                assert_eq!(credentials, &expected);
                ["certificate", "key"]
                    .map(|file| format!("/run/credentials/fh-server.service/tls-{file}"))
            } else {
                ["c.pem", "k.pem"].map(|file| format!("{path}/{file}"))
            };
            let [certificate, key] = tls.each_ref().map(String::as_str);
            assert_eq!(
                server[4..],
                ["--tls-certificate", certificate, "--tls-key", key]
            );
            let dumped = dump("fh-login");
            assert_contains(&dumped, &[&format!("ReadWritePaths: {path}\n")]);
            let login = words_of_start(&dumped);
            assert_eq!(login[3], format!("--token-file={path}/token"));
            // These have no words, so quotes would be a part of the path.
            let token = format!("{}/token", path.replace('%', "%%"));
            assert_eq!(
                systemd["services"]["fh-login"]["unitConfig"]["ConditionPathExists"],
                token
            );
            assert_eq!(
                systemd["paths"]["fh-login"]["pathConfig"]["PathChanged"],
                token
            );
        }
    }
}

/// What is open in the firewall is what the server listens on, and a low port can be bound.
#[test]
fn the_firewall_opens_where_the_server_listens() {
    // The options, the ports that are open, and whether one is low.
    for [options, open, low] in rows(
        r#"
        address = "[::]"; port = 443;                                        | 443      | low
        address = "0.0.0.0";                                                 | 8484     |
        address = "[::]"; settings.listen = [ "0.0.0.0:9443" ];              | 9443     |
        settings.listen = [ "0.0.0.0:443" "[::]:443" "[::]:8443" ];          | 443 8443 | low
        port = 443; settings.listen = [ "192.0.2.1:8484" ];                  | 8484     |
        # Nobody reaches these from elsewhere.
                                                                             |          |
        settings.listen = [ "127.0.0.1:80" "[::1]:80" ];                     |          | low
        settings.listen = [ "unix:/run/fh-server/fh.sock" ];                 |          |
        settings.listen = [ "unix:/run/fh-server/a:80" "[::]:8080" ];        | 8080     |
        address = "[::]"; port = 0;                                          |          |
        # The metrics are for whoever asks.
        address = "[::]"; settings.metrics-listen = "0.0.0.0:94";            | 8484     | low
        "#,
    ) {
        let open: Vec<u16> = open
            .split_whitespace()
            .map(|port| port.parse().unwrap())
            .collect();
        let module = format!("services.fh = {{ enable = true; openFirewall = true; {options} }};");
        let wanted = "{ inherit (config) warnings; open = config.networking.firewall.allowedTCPPorts; \
            capabilities = config.systemd.services.fh-server.serviceConfig.AmbientCapabilities; }";
        let config = evaluate(newest(), "nixos", &module, wanted).unwrap();
        assert_eq!(config["open"], json!(open), "{options}");
        let bound = config["capabilities"].as_array().unwrap().len();
        assert_eq!(bound, usize::from(low == "low"), "{options}");
        let warned = config["warnings"].to_string();
        assert_eq!(
            warned.contains("opens no port"),
            open.is_empty(),
            "{options}: {warned}"
        );
        let closed = module.replace("openFirewall = true;", "");
        let config = evaluate(newest(), "nixos", &closed, wanted).unwrap();
        assert_eq!(config["open"], json!([]), "{options}");
        assert_eq!(config["warnings"], json!([]), "{options}");
    }
}

fn systemd_analyze() -> Option<PathBuf> {
    let search = std::env::var_os("PATH").unwrap_or_default();
    let found = fh_testkit::find_program("systemd-analyze", &search);
    if found.is_none() {
        fh_testkit::skipped(
            "systemd-analyze is not here: the units of the NixOS modules were not verified (Debian: systemd)",
        );
    }
    found
}

#[test]
fn systemd_finds_the_server_well_confined() {
    let Some(analyze) = systemd_analyze() else {
        return;
    };
    let module = "services.fh = { enable = true; port = 443; \
         tls = { certificateFile = \"/etc/fh/c.pem\"; keyFile = \"/etc/fh/k.pem\"; }; };";
    let services = evaluate(newest(), "nixos", module, "config.systemd.services").unwrap();
    let directory = tempfile::tempdir().unwrap();
    let unit = write_unit(directory.path(), "fh-server", &services["fh-server"]);
    let judged = Command::new(&analyze)
        .args(["security", "--offline=yes", "--threshold=20"])
        .arg(unit)
        .output()
        .unwrap();
    assert!(
        judged.status.success(),
        "{}{}",
        String::from_utf8_lossy(&judged.stdout),
        String::from_utf8_lossy(&judged.stderr)
    );
}
