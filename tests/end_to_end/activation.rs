//! The token gets into the netrc while a configuration is activated, as NixOS does it: root, no environment but
//! a bare PATH, no home, no network, nix.conf a link into the store. What runs is the text that the module
//! generates, and the one that docs/nixos.md tells people to write, in a mount namespace whose `/etc` and
//! `/var/lib` are a machine's that was made up.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;

use fh_testkit::assert_lacks;
use fh_testkit::nix::{Daemon, Home, Nix, versions};
use fh_testkit::server::TestServer;
use serde_json::Value;
use tempfile::TempDir;

use crate::nix::process::{Ended, Running, run};
use crate::nix::{Built, Person, Site};
use crate::nixos::{
    CLIENT, LATE, evaluate, evaluate_module, newest, nix_conf, token_of, with_real_fh,
};

const WANTED: &str = "{ inherit (config.nix) settings; \
    inherit (config.system.activationScripts.fh-login) deps text; }";

const OTHERS: &str = "machine other.example login me password mine\n";

/// A machine that runs NixOS, as far as an activation script sees it.
struct Machine {
    root: TempDir,
    /// `/etc/static`, in the store.
    static_files: String,
}

impl Machine {
    /// A machine of this configuration, with secrets below its own directory. None where this machine lets nobody
    /// mount anything.
    fn new(configure: impl FnOnce(&Path) -> Value) -> Option<(Self, Value)> {
        let trial = Command::new("unshare")
            .args(["--mount", "--net", "--", "true"])
            .output();
        if !trial.is_ok_and(|trial| trial.status.success()) {
            fh_testkit::skipped(
                "activation scripts were not run as NixOS does it: `unshare --mount --net` does not work here (it needs root)",
            );
            return None;
        }
        let root = tempfile::Builder::new()
            .prefix("fh-nixos-")
            .tempdir()
            .unwrap();
        let path = |below: &str| root.path().join(below);
        for directory in ["etc/nix", "var/lib", "root", "bin", "secrets", "static/nix"] {
            fs::create_dir_all(path(directory)).unwrap();
        }
        let config = configure(root.path());
        let home = path("root");
        let passwd = format!("root:x:0:0::{}:/bin/sh\n", home.display());
        fs::write(path("etc/passwd"), passwd).unwrap();
        // No two machines share it: it is deleted with its own.
        let conf = format!(
            "# {}\n{}",
            root.path().display(),
            nix_conf(&config["settings"])
        );
        fs::write(path("static/nix/nix.conf"), conf).unwrap();
        let added = newest()
            .run(
                "nix-store",
                &Home::new().unwrap(),
                [Path::new("--add"), &path("static")],
            )
            .unwrap();
        let static_files = added.trim().to_owned();
        symlink(&static_files, path("etc/static")).unwrap();
        symlink("/etc/static/nix/nix.conf", path("etc/nix/nix.conf")).unwrap();
        let search = std::env::var_os("PATH").unwrap_or_default();
        let env = fh_testkit::find_program("env", &search).unwrap();
        symlink(env, path("bin/env")).unwrap();
        fs::write(
            path("script"),
            with_real_fh(config["text"].as_str().unwrap()),
        )
        .unwrap();
        let machine = Self { root, static_files };
        Some((machine, config))
    }

    fn path(&self, below: &str) -> PathBuf {
        self.root.path().join(below)
    }

    fn token(&self, token: &str) {
        fs::write(self.path("secrets/token"), token).unwrap();
    }

    fn netrc(&self) -> String {
        fs::read_to_string(self.path("etc/nix/netrc")).unwrap()
    }

    /// The script, by `sh`, with nothing around it.
    fn command(&self) -> Command {
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "--net", "--", "/bin/sh", "-c"])
            .arg(
                "mount --bind \"$0/etc\" /etc && mount --bind \"$0/var/lib\" /var/lib \
                 && exec env -i PATH=\"$0/bin\" /bin/sh \"$0/script\"",
            )
            .arg(self.root.path())
            .current_dir("/")
            .stdin(Stdio::null());
        command
    }

    /// Runs it to its end, which is a good one, and gives the line that it says.
    #[track_caller]
    fn activate(&self) -> String {
        said(run(self.command()))
    }

    /// Everything on the machine: content, mode and time of change.
    fn everything(&self) -> BTreeMap<PathBuf, (Vec<u8>, u32, SystemTime)> {
        let mut all = BTreeMap::new();
        let mut pending = vec![self.root.path().to_owned()];
        while let Some(path) = pending.pop() {
            let metadata = path.symlink_metadata().unwrap();
            let content = if metadata.is_dir() {
                let entries = fs::read_dir(&path).unwrap();
                pending.extend(entries.map(|entry| entry.unwrap().path()));
                Vec::new()
            } else if metadata.is_symlink() {
                fs::read_link(&path)
                    .unwrap()
                    .into_os_string()
                    .into_encoded_bytes()
            } else {
                fs::read(&path).unwrap()
            };
            all.insert(
                path,
                (content, metadata.mode(), metadata.modified().unwrap()),
            );
        }
        all
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        crate::nixos::delete(newest(), &self.static_files);
    }
}

/// What a run said: one line.
#[track_caller]
fn said(ended: Ended) -> String {
    let ended = ended.ok();
    assert_eq!(ended.stdout, "", "{ended}");
    assert_eq!(ended.stderr.lines().count(), 1, "{ended}");
    assert_lacks(&ended.stderr, &["fh1_ey"]);
    ended.stderr
}

/// The module of docs/nixos.md for those who write the script themselves.
fn documented() -> String {
    let text = fs::read_to_string(fh_testkit::workspace().join("docs/nixos.md")).unwrap();
    let blocks = text.split("```nix\n").skip(1);
    let blocks = blocks.map(|block| block.split("```").next().unwrap());
    let found: Vec<&str> = blocks
        .filter(|block| block.contains("system.activationScripts"))
        .collect();
    let [block] = found.as_slice() else {
        panic!("{found:?}")
    };
    (*block).to_owned()
}

/// Each script, and what has to come before it.
fn scripts() -> [(&'static str, String, &'static [&'static str]); 3] {
    let module = format!("{{ {CLIENT} programs.fh.activation = true; }}");
    let sops = module.replacen('{', "{ system.activationScripts.setupSecrets = \"\";", 1);
    [
        ("the module", module, &["etc"]),
        ("the module beside sops-nix", sops, &["etc", "setupSecrets"]),
        ("the docs", documented(), &["etc"]),
    ]
}

#[test]
fn an_activation_writes_the_token_says_so_and_never_fails() {
    for (name, module, deps) in scripts() {
        let made = Machine::new(|root| {
            let token = format!("{}/secrets/token", root.display());
            let module = module.replace("/run/secrets/fh-token", &token);
            evaluate_module(newest(), "nixos", &module, WANTED).unwrap()
        });
        let Some((machine, config)) = made else {
            return;
        };
        assert_eq!(config["deps"], serde_json::json!(deps), "{name}");
        let netrc = machine.path("etc/nix/netrc");
        let server = "https://cache.example.org";
        let ours = |signature: &str| token_of(server, LATE, signature);
        let unchanged = |expected: &str| {
            let before = machine.everything();
            let line = machine.activate();
            assert!(line.contains(expected), "{name}: {expected:?} in {line}");
            assert_eq!(machine.everything(), before, "{name}: {expected}");
        };

        // The token is not there yet, as at the first boot.
        unchanged("fh: nothing to do: there is no ");
        // A secret manager has made the file, and not filled it.
        machine.token("\n");
        unchanged("fh: failed: there is no token in ");

        fs::write(&netrc, OTHERS).unwrap();
        machine.token(&ours("first"));
        let line = machine.activate();
        let expected = "fh: wrote an entry for cache.example.org to /etc/nix/netrc; ";
        assert!(line.starts_with(expected), "{name}: {line}");
        assert!(line.contains("; the token ends "), "{name}: {line}");
        let text = machine.netrc();
        assert!(text.starts_with(OTHERS), "{name}: {text}");
        assert!(text.contains("machine cache.example.org"), "{name}: {text}");
        assert!(text.contains(&ours("first")), "{name}: {text}");
        assert_eq!(
            netrc.metadata().unwrap().permissions().mode() & 0o777,
            0o600
        );
        // That one is the configuration's.
        let link = fs::read_link(machine.path("etc/nix/nix.conf")).unwrap();
        assert_eq!(link, Path::new("/etc/static/nix/nix.conf"));
        unchanged(
            "fh: nothing to do: /etc/nix/netrc has the token of https://cache.example.org already",
        );

        // It was renewed.
        machine.token(&ours("second"));
        let line = machine.activate();
        assert!(
            line.starts_with("fh: wrote the entry of cache.example.org to "),
            "{name}: {line}"
        );
        assert!(machine.netrc().contains(&ours("second")));
        assert!(!machine.netrc().contains(&ours("first")));

        // What it cannot use costs nobody their system, and nothing that worked.
        for (bad, told) in [
            (
                token_of("https://elsewhere.example", LATE, "x"),
                "for another server",
            ),
            (token_of(server, 1, "x"), "expired"),
            ("helloworld".to_owned(), "this is not a token"),
            ("x".repeat(70_000), "the token in"),
        ] {
            machine.token(&bad);
            unchanged(told);
        }
        fs::remove_file(machine.path("secrets/token")).unwrap();
        fs::create_dir(machine.path("secrets/token")).unwrap();
        unchanged("fh: failed: cannot read the token in ");

        // Not even that it cannot be started.
        let script = fs::read_to_string(machine.path("script")).unwrap();
        let gone = script.replace(env!("CARGO_BIN_EXE_fh"), "/nonexistent/fh");
        fs::write(machine.path("script"), gone).unwrap();
        run(machine.command()).ok();
    }
}

/// Where nix.conf has not been given what Nix needs, the line says so, and where to set it.
#[test]
fn an_activation_says_what_the_configuration_lacks() {
    let module = documented();
    let (before, after) = module.split_once("extra-substituters = [").unwrap();
    let (_, after) = after.split_once(';').unwrap();
    for (substituters, lacks) in [
        ("", true),
        (
            "extra-substituters = [ \"https://cache.example.org.evil\" ];",
            true,
        ),
        (
            "extra-substituters = [ \"https://cache.example.org/cache/acme/app\" ];",
            false,
        ),
        (
            "substituters = [ \"https://cache.example.org?priority=10\" ];",
            false,
        ),
    ] {
        let module = format!("{before}{substituters}{after}");
        let made = Machine::new(|root| {
            let token = format!("{}/secrets/token", root.display());
            let module = module.replace("/run/secrets/fh-token", &token);
            evaluate_module(newest(), "nixos", &module, WANTED).unwrap()
        });
        let Some((machine, _)) = made else { return };
        machine.token(&token_of("https://cache.example.org", LATE, "x"));
        for _ in 0..2 {
            let line = machine.activate();
            let told = "/etc/nix/nix.conf has no substituter of this server: set it and its keys in `nix.settings`";
            assert_eq!(line.contains(told), lacks, "{substituters}: {line}");
        }
    }
}

/// A daemon that was running before substitutes what only the token opens as soon as the script has ended, also
/// where several of them run at once, as the activation's and the service's may.
#[test]
fn the_daemon_that_runs_beside_it_substitutes_from_then_on() {
    let site = Site::acme(TestServer::builder());
    let built = Built::new("activation");
    site.admin.fh(["push", "acme/app", built.top()]).ok();
    let reader = site.user(newest(), "machine", &[("acme/app", "read")], &["pull"]);
    let trust = site.trust();
    let keys: Vec<String> = trust
        .trim_start_matches("trusted-public-keys = ")
        .split(' ')
        .map(|key| format!("\"{key}\""))
        .collect();
    for nix in versions() {
        let made = Machine::new(|root| {
            let module = format!(
                "programs.fh = {{ enable = true; activation = true; server = \"{}\"; publicKeys = [ {} ]; \
                 tokenFile = \"{}/secrets/token\"; }};",
                site.url(),
                keys.join(" "),
                root.display()
            );
            evaluate(nix, "nixos", &module, WANTED).unwrap()
        });
        let Some((machine, config)) = made else {
            return;
        };
        let daemon = daemon(nix, &machine, &config);
        let nobody = Person::new(None, nix);
        nobody.realise(&daemon.uri(), built.top()).failed();

        machine.token(&reader.token());
        let running: Vec<Running> = (0..4).map(|_| Running::start(machine.command())).collect();
        let lines: Vec<String> = running.into_iter().map(|run| said(run.wait())).collect();
        let wrote = |line: &&String| line.starts_with("fh: wrote an entry for 127.0.0.1 to");
        assert!(lines.iter().any(|line| wrote(&line)), "{lines:?}");
        assert!(
            lines.iter().all(|line| !line.contains("failed")),
            "{lines:?}"
        );
        assert_eq!(
            machine.netrc().matches("127.0.0.1").count(),
            1,
            "{}",
            machine.netrc()
        );

        nobody.realise(&daemon.uri(), built.top()).ok();
        built.assert_arrived(nix, daemon.store());
    }
}

/// The daemon of a machine, which is set up by the same nix.conf. It sees the machine's netrc by another name.
fn daemon(nix: &Nix, machine: &Machine, config: &Value) -> Daemon {
    let home = Home::new().unwrap();
    let netrc = machine.path("etc/nix/netrc");
    home.configure(&format!(
        "{}netrc-file = {}\nnarinfo-cache-negative-ttl = 0\ntrusted-users =\nmax-jobs = 0",
        nix_conf(&config["settings"]),
        netrc.display()
    ))
    .unwrap();
    Daemon::start_in(nix, home).unwrap()
}

/// home-manager runs its steps with a `run` and a `warnEcho` of its own, and stops at the first that fails.
#[test]
fn a_home_is_activated_in_the_same_way() {
    for (option, netrc) in [
        ("", ".config/nix/netrc"),
        (
            "programs.fh.netrcFile = \"HOME/secrets/netrc\";",
            "secrets/netrc",
        ),
    ] {
        let home = tempfile::tempdir().unwrap();
        let path = |below: &str| home.path().join(below);
        fs::create_dir_all(path(".config/nix")).unwrap();
        let directory = home.path().display().to_string();
        let module = format!("{CLIENT} {option} xdg.configHome = \"HOME/.config\";")
            .replace("/run/secrets/", "HOME/")
            .replace("HOME", &directory);
        let wanted = "{ inherit (config.nix) settings; inherit (config.home.activation.fhLogin) after data; }";
        let config = evaluate(newest(), "home", &module, wanted).unwrap();
        assert_eq!(config["after"], serde_json::json!(["linkGeneration"]));
        fs::write(path("generated.conf"), nix_conf(&config["settings"])).unwrap();
        symlink(path("generated.conf"), path(".config/nix/nix.conf")).unwrap();
        let step = with_real_fh(config["data"].as_str().unwrap());
        let script =
            format!("set -eu\nrun() {{ \"$@\"; }}\nwarnEcho() {{ echo \"$*\" >&2; }}\n{step}");
        let activate = || {
            let mut command = Command::new("/bin/sh");
            command
                .args(["-c", &script])
                .env_clear()
                .env("HOME", home.path())
                .env("PATH", "/nonexistent")
                .current_dir("/")
                .stdin(Stdio::null());
            said(run(command))
        };
        let line = activate();
        assert!(
            line.starts_with("fh: nothing to do: there is no "),
            "{line}"
        );
        assert!(!path(netrc).exists());
        let token = token_of("https://cache.example.org", LATE, "home");
        fs::write(path("fh-token"), &token).unwrap();
        let expected = format!("fh: wrote an entry for cache.example.org to {directory}/{netrc}; ");
        let line = activate();
        assert!(line.starts_with(&expected), "{line}");
        assert!(fs::read_to_string(path(netrc)).unwrap().contains(&token));
        let line = activate();
        assert!(
            line.ends_with("has the token of https://cache.example.org already\n"),
            "{line}"
        );
    }
}

/// What the options of the client's modules refuse, so that no activation meets it; and what `fh` makes of the same
/// address, which they may not refuse otherwise.
#[test]
fn a_wrong_address_key_or_path_is_refused_before_anything_is_activated() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("token"), "fh1_x").unwrap();
    for (server, is_right) in [
        ("https://cache.example.org/", true),
        ("cache.example.org", true),
        ("http://127.0.0.1:8484", true),
        ("[::1]:8484", true),
        ("https://[2001:db8::1]/cache/acme/app", true),
        ("", false),
        (" ", false),
        ("https://", false),
        ("https://cache example.org", false),
        ("https://cache.example.org/a b", false),
        ("https://me:secret@cache.example.org", false),
        ("https://cache.example.org/?x", false),
        ("https://cache.example.org#x", false),
        ("ftp://cache.example.org", false),
        ("cache.example.org:port", false),
        ("https://cache.example.org:65536/", false),
        ("--offline", false),
    ] {
        let module = CLIENT.replace(
            "server = \"https://cache.example.org\";",
            &format!("server = \"{server}\"; substituters = [ \"https://x.example\" ];"),
        );
        for kind in ["nixos", "home"] {
            let module = match kind {
                "home" => format!("{module} xdg.configHome = \"/home/you/.config\";"),
                _ => module.clone(),
            };
            let told = evaluate(newest(), kind, &module, "config.nix").err();
            assert_eq!(told.is_none(), is_right, "{kind} {server:?}: {told:?}");
            // Before the sentence stands the whole expression.
            let sentence = told.map(|told| told.rsplit("error: ").next().unwrap().to_owned());
            let named = sentence.is_none_or(|sentence| {
                sentence.contains("programs.fh.server is not") && !sentence.contains("secret")
            });
            assert!(named, "{kind} {server:?}");
        }
        let asked = Command::new(env!("CARGO_BIN_EXE_fh"))
            .args(["login", &format!("--server={server}")])
            .args(["--token-file=token", "--scope=user", "--activation"])
            .env_clear()
            .env("HOME", home.path())
            .env("NIX_CONF_DIR", home.path())
            .current_dir(home.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&asked.stderr);
        let understood = !said.contains("failed: --server ");
        // It encodes this blank, at which a line of nix.conf would end.
        let is_taken = is_right || server.ends_with("/a b");
        assert_eq!(understood, is_taken, "{server:?}: {said}");
    }
    for (options, told) in [
        (
            "substituters = [ \"cache.example.org\" ];",
            "programs.fh.substituters",
        ),
        (
            "substituters = [ \"https://a.example https://b.example\" ];",
            "programs.fh.substituters",
        ),
        ("publicKeys = [ \"AAAA\" ];", "programs.fh.publicKeys"),
        (
            "publicKeys = [ \"a-1:AAAA b-1:BBBB\" ];",
            "programs.fh.publicKeys",
        ),
        ("tokenFile = \"secrets/token\";", "programs.fh.tokenFile"),
        ("tokenFile = \"\";", "programs.fh.tokenFile"),
        ("netrcFile = \"netrc\";", "programs.fh.netrcFile"),
        ("netrcFile = \"/etc/a\\nb\";", "programs.fh.netrcFile"),
    ] {
        let given = "enable = true; server = \"cache.example.org\"; \
                     publicKeys = lib.mkDefault [ \"a-1:AAAA\" ]; substituters = lib.mkDefault [ \"https://a.example\" ];";
        let module = format!(
            "{{ lib, ... }}: {{ imports = [ {{ programs.fh = {{ {given} }}; }} ]; config.programs.fh = {{ {options} }}; }}"
        );
        let refused = evaluate_module(newest(), "nixos", &module, "config.nix").unwrap_err();
        assert!(refused.contains(told), "{options}: {refused}");
    }
    // The settings of the server are free text but for their names.
    for (setting, is_known) in [
        ("listn = [ ];", false),
        ("print-example = true;", false),
        ("min-body-rate = \"1KiB\";", true),
    ] {
        let module = format!("services.fh = {{ enable = true; settings = {{ {setting} }}; }};");
        let told = evaluate(newest(), "nixos", &module, "config.networking").err();
        let named = told
            .as_ref()
            .is_some_and(|told| told.contains("`fh serve` has no such option"));
        assert_eq!(
            (told.is_none(), !named),
            (is_known, is_known),
            "{setting}: {told:?}"
        );
    }
}
