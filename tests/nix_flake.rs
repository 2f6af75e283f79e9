//! `flake.nix` and its modules, evaluated by every version of Nix here; what they would give a
//! machine is then used: the server's configuration by `fh serve`, the units by systemd.
//!
//! nixpkgs cannot be fetched in these tests. `tests/nixos/nixpkgs` stands for it; what only the real
//! one can show is listed in `docs/nixos.md`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use fh_testkit::nix::{Home, Nix, versions};
use serde_json::{Value, json};
use tempfile::TempDir;

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

const CLIENT: &str = r#"
  programs.fh = {
    enable = true;
    server = "https://cache.example.org";
    publicKeys = [ "cache.example.org-1:AAAA" "cache.example.org-2:BBBB" ];
    tokenFile = "/run/secrets/fh-token";
  };
"#;

/// A machine's (or a person's) configuration, evaluated, as JSON.
fn evaluate(nix: &Nix, kind: &str, module: &str, wanted: &str) -> Result<Value, String> {
    let home = Home::new().unwrap();
    let evaluate = fh_testkit::workspace().join("tests/nixos/evaluate.nix");
    let expression = format!(
        "let config = import {} {{ kind = \"{kind}\"; module = {{ {module} }}; }}; in {wanted}",
        evaluate.display()
    );
    nix.run(
        "nix-instantiate",
        &home,
        // The configuration file of the server really goes to the store.
        [
            "--eval",
            "--strict",
            "--json",
            "--read-write-mode",
            "--expr",
            &expression,
        ],
    )
    .map(|text| serde_json::from_str(&text).unwrap())
    .map_err(|error| format!("{error:#}"))
}

fn newest() -> &'static Nix {
    versions().last().unwrap()
}

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
        let arguments = [
            "flake",
            "show",
            "--json",
            "--no-write-lock-file",
            "--override-input",
            "nixpkgs",
            &nixpkgs,
            &source,
        ];
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
    assert!(
        refused.contains("programs.fh.tokenFile is in the Nix store"),
        "{refused}"
    );

    let keyless = CLIENT.replace(
        "\"cache.example.org-1:AAAA\" \"cache.example.org-2:BBBB\"",
        "",
    );
    let refused = evaluate(nix, "nixos", &keyless, "config.nix").unwrap_err();
    assert!(refused.contains("publicKeys is empty"), "{refused}");

    let misspelt = CLIENT.replace("tokenFile", "token-file");
    let refused = evaluate(nix, "nixos", &misspelt, "config.programs.fh").unwrap_err();
    assert!(
        refused.contains("programs.fh.token-file: does not exist"),
        "{refused}"
    );
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
        assert!(
            said.contains("[::1]:0") && said.contains("365d") && said.contains("json"),
            "{said}"
        );
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
    // As one of that server's looks: nobody is asked whether it is good.
    let claims = json!({
        "iss": "https://cache.example.org", "aud": "urn:fh:x", "iat": 0, "nbf": 0, "exp": 32_503_680_000_i64,
        "sub": "019353a8-7d1c-7c3e-8f7e-5a4a2c9b1d10", "jti": "019353a8-7d1c-7c3e-8f7e-5a4a2c9b1d11",
    });
    let claims = data_encoding::BASE64URL_NOPAD.encode(claims.to_string().as_bytes());
    let token = format!("fh1_of.{claims}.machine");
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
    // As NixOS writes it, beside the netrc.
    let mut conf = String::new();
    for (name, value) in config["settings"].as_object().unwrap() {
        let words: Vec<&str> = match value {
            Value::Array(words) => words.iter().filter_map(Value::as_str).collect(),
            word => vec![word.as_str().unwrap()],
        };
        writeln!(conf, "{name} = {}", words.join(" ")).unwrap();
    }
    fs::write(path("etc-nix/nix.conf"), conf).unwrap();
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
        assert!(!said.contains(token), "{said}");
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

/// One unit as systemd's own text, written below `directory`.
fn write_unit(directory: &Path, name: &str, unit: &Value, program: &str) -> PathBuf {
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
            let value = [("/bin/fh", program), ("/bin/kill", "/bin/kill")]
                .iter()
                .find_map(|(tool, stand_in)| {
                    let (_, rest) = value.split_once(tool)?;
                    Some(format!("{stand_in}{}", rest.replace('\'', "")))
                })
                .unwrap_or(value);
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

#[test]
fn systemd_understands_the_units_and_finds_the_server_well_confined() {
    let search = std::env::var_os("PATH").unwrap_or_default();
    let Some(analyze) = fh_testkit::find_program("systemd-analyze", &search) else {
        fh_testkit::skipped(
            "systemd-analyze is not here: the units of the NixOS modules were not verified (Debian: systemd)",
        );
        return;
    };
    let module = format!(
        "{CLIENT} services.fh = {{ enable = true; port = 443; \
         tls = {{ certificateFile = \"/etc/fh/c.pem\"; keyFile = \"/etc/fh/k.pem\"; }}; }};"
    );
    let services = evaluate(newest(), "nixos", &module, "config.systemd.services").unwrap();
    let directory = tempfile::tempdir().unwrap();
    for name in ["fh-login", "fh-server"] {
        let unit = write_unit(
            directory.path(),
            name,
            &services[name],
            env!("CARGO_BIN_EXE_fh"),
        );
        let verified = Command::new(&analyze)
            .args(["verify", "--man=no", "--recursive-errors=no"])
            .arg(&unit)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&verified.stderr).into_owned();
        assert!(
            verified.status.success() && !said.contains(name),
            "{name}: {said}"
        );
    }
    let judged = Command::new(&analyze)
        .args(["security", "--offline=yes", "--threshold=20"])
        .arg(directory.path().join("fh-server.service"))
        .output()
        .unwrap();
    assert!(
        judged.status.success(),
        "{}{}",
        String::from_utf8_lossy(&judged.stdout),
        String::from_utf8_lossy(&judged.stderr)
    );
}
