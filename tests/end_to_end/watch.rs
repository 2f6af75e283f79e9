//! `fh push --watch-exec` with real Nix: what is pushed, when, and how it ends.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use fh_testkit::nix::{Home, Nix, versions};
use fh_testkit::proxy::Verdict;
use fh_testkit::server::TestServer;
use fh_testkit::{assert_contains, assert_lacks};
use rustix::process::Signal;

use crate::nix::built::builder;
use crate::nix::process::{Ended, Running, run};
use crate::nix::{Person, Site, eventually, proxy};

/// Derivations that differ from those of all other tests and runs, and somebody who builds them with
/// one version of Nix. What was built is removed in the end.
struct Builds {
    person: Person,
    expression: PathBuf,
}

impl Builds {
    fn new(site: &Site, nix: &'static Nix, name: &str) -> Self {
        let person = site.stranger(nix);
        let expression = person.home.path().join("builds.nix");
        let seed = format!(
            "{name}-{}-{}",
            std::process::id(),
            nix.version().replace('.', "-")
        );
        fs::write(
            &expression,
            format!(
                r#"let make = name: script: inputs: derivation {{
                    inherit inputs; name = "{seed}-${{name}}"; system = builtins.currentSystem;
                    builder = "/bin/sh"; args = [ "-euc" script ]; PATH = "/bin:/usr/bin";
                    preferLocalBuild = true;
                }};
                small = number: make "small-${{toString number}}" "echo ${{toString number}} > $out" [];
                in rec {{
                    one = make "one" "echo one > $out" [];
                    two = make "two" "mkdir $out; echo $inputs > $out/inputs" [ one ];
                    bad = make "bad" "echo no good; exit 1" [ two ];
                    many = make "many" "echo $inputs > $out" (builtins.genList small 6);
                }}"#
            ),
        )
        .unwrap();
        Self { person, expression }
    }

    /// `fh push acme/app --watch-exec OPTIONS -- COMMAND`, with the administrator's token.
    fn watch(&self, url: &str, token: &str, options: &[&str], command: &[&str]) -> Command {
        let words = ["push", "acme/app", "--server", url, "--watch-exec"];
        let words = words.iter().chain(options).chain(&["--"]).chain(command);
        let mut fh = self.person.fh_command(words);
        fh.env("FH_TOKEN", token);
        fh
    }

    /// A shell script that builds, with `$build` for how.
    fn script(&self, script: &str) -> [String; 3] {
        let build = format!(
            "nix-build {} --no-out-link -j 4 -A",
            self.expression.display()
        );
        [
            "sh".to_owned(),
            "-c".to_owned(),
            format!("build='{build}'\n{script}"),
        ]
    }

    fn run(&self, site: &Site, options: &[&str], script: &str) -> Ended {
        let command = self.script(script);
        let command: Vec<&str> = command.iter().map(String::as_str).collect();
        run(self.watch(site.url(), site.server.admin_token(), options, &command))
    }

    fn start(&self, url: &str, site: &Site, options: &[&str], script: &str) -> Running {
        let command = self.script(script);
        let command: Vec<&str> = command.iter().map(String::as_str).collect();
        Running::start(self.watch(url, site.server.admin_token(), options, &command))
    }
}

impl Drop for Builds {
    fn drop(&mut self) {
        let remove = "paths=$(nix-store --query --outputs $(nix-instantiate \"$1\" -A one -A two -A many) \
                      | xargs nix-store --query --requisites | sort -u)\nnix-store --delete $paths >/dev/null 2>&1";
        let mut command = Command::new("sh");
        self.person.nix.adopt(&mut command, &self.person.home);
        command.args(["-c", remove, "sh"]).arg(&self.expression);
        // What is left is a few bytes.
        let _ = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}

/// What stands in a narinfo's `StorePath` names of a flake: how many paths, once it has so many.
fn holds(site: &Site, paths: u64) {
    assert_eq!(site.paths_in("acme/app"), paths);
}

#[test]
fn every_version_has_its_builds_pushed_while_the_command_runs() {
    for nix in versions() {
        let site = Site::acme(TestServer::builder());
        let builds = Builds::new(&site, nix, "while");
        let go_on = builds.person.home.path().join("go-on");
        let script = format!(
            "$build one; while [ ! -e {} ]; do sleep 0.05; done; $build many; echo stdin: $(cat)",
            go_on.display()
        );
        let running = builds.start(site.url(), &site, &[], &script);
        eventually("the first path is pushed while the command waits", || {
            site.paths_in("acme/app") == 1
        });
        fs::write(&go_on, "").unwrap();
        let ended = running.wait().ok();
        // The command's own lines, and nothing else.
        let lines: Vec<&str> = ended.stdout.lines().collect();
        let [one, many, stdin] = lines.as_slice() else {
            panic!("{ended}")
        };
        assert!(one.ends_with("-one") && many.ends_with("-many"), "{ended}");
        assert_eq!(*stdin, "stdin:");
        let ended = ended.says(&["Pushed to acme/app: 8 paths built; 8 sent"]);
        assert!(!ended.stderr.contains("untrusted") && !ended.stderr.contains("restricted"));
        holds(&site, 8);

        // What is there already is not built, and not pushed.
        let again = builds.run(&site, &[], "$build many").ok();
        again.says(&["Nothing was built, so nothing was pushed"]);
    }
}

#[test]
fn the_store_is_watched_where_the_daemon_does_not_listen() {
    for nix in versions() {
        let site = Site::acme(TestServer::builder());
        let builds = Builds::new(&site, nix, "watched");
        let daemon = Daemon::start(nix, "trusted-users = somebody-else");
        // Nix 2.8 does not tell whether it trusts; there it has to be said.
        let told: &[&str] = if nix.is_at_least(2, 14) {
            &[]
        } else {
            &["--watch-by", "store"]
        };
        let command = builds.script("$build two");
        let command: Vec<&str> = command.iter().map(String::as_str).collect();
        let mut fh = builds.watch(site.url(), site.server.admin_token(), told, &command);
        fh.env("NIX_REMOTE", daemon.uri());
        let ended = run(fh).ok();
        assert_lacks(&ended.stderr, &["post-build-hook"]);
        // Other tests build at the same time, which is what looking at the store cannot tell.
        let ended = ended.says(&["Pushed to acme/app:"]);
        let store_paths = builds.person.nix(
            "nix-build",
            [
                builds.expression.to_str().unwrap(),
                "-A",
                "two",
                "--no-out-link",
            ],
        );
        let path = store_paths.ok().stdout.trim().to_owned();
        let narinfo = format!("/{}.narinfo", crate::nix::site::hash_part(&path));
        let answer = site
            .server
            .get(&narinfo, Some(site.server.admin_token()))
            .unwrap();
        assert_eq!(answer.status, 200, "{ended}");
    }
}

#[test]
fn a_daemon_that_trusts_runs_the_hook() {
    for nix in versions() {
        let site = Site::acme(TestServer::builder());
        let builds = Builds::new(&site, nix, "trusted");
        let daemon = Daemon::start(nix, "trusted-users = root");
        let command = builds.script("$build two");
        let command: Vec<&str> = command.iter().map(String::as_str).collect();
        // As root is among its trusted users, no version has to be told.
        let by_hook = ["--watch-by", "auto"];
        let mut fh = builds.watch(site.url(), site.server.admin_token(), &by_hook, &command);
        fh.env("NIX_REMOTE", daemon.uri());
        run(fh).ok().says(&["2 paths built; 2 sent"]);
        holds(&site, 2);
    }
}

#[test]
fn a_command_that_fails_keeps_its_status_and_what_it_built_is_pushed() {
    let site = Site::acme(TestServer::builder());
    let builds = Builds::new(&site, builder(), "fails");
    let ended = builds
        .run(&site, &[], "$build bad; echo \"nix: $?\"; exit 42")
        .code(42);
    assert_contains(&ended.stdout, &["nix: 100"]);
    ended.says(&["no good", "Pushed to acme/app: 2 paths built"]);
    holds(&site, 2);

    // Ended by a signal, it is as shells have it.
    builds.run(&site, &[], "kill -TERM $$").code(128 + 15);
    let missing = builds.watch(
        site.url(),
        site.server.admin_token(),
        &[],
        &["/nonexistent/x"],
    );
    run(missing).code(127).says(&["cannot run /nonexistent/x"]);
    let directory = builds.watch(site.url(), site.server.admin_token(), &[], &["/tmp"]);
    run(directory).code(126);
    let none = builds.watch(site.url(), site.server.admin_token(), &[], &[]);
    run(none).code(2).says(&["there is no command to run"]);
}

#[test]
fn signals_go_to_the_command_and_the_rest_is_still_pushed() {
    let site = Site::acme(TestServer::builder());
    let builds = Builds::new(&site, builder(), "signals");
    let ready = builds.person.home.path().join("ready");
    for (number, (signal, name)) in [
        (Signal::TERM, "TERM"),
        (Signal::INT, "INT"),
        (Signal::HUP, "HUP"),
    ]
    .into_iter()
    .enumerate()
    {
        let script = format!(
            "trap 'echo caught; $build {}; exit 9' {name}; touch {}; while :; do sleep 0.05; done",
            ["one", "two", "many"][number],
            ready.display()
        );
        let running = builds.start(site.url(), &site, &[], &script);
        eventually("the command has begun", || ready.exists());
        running.signal(signal);
        let ended = running.wait().code(9);
        assert!(ended.stdout.starts_with("caught\n"), "{ended}");
        fs::remove_file(&ready).unwrap();
        holds(&site, [1, 2, 9][number]);
    }
}

#[test]
fn a_server_that_hangs_holds_up_nothing_longer_than_allowed() {
    let site = Site::acme(TestServer::builder());
    let proxy = proxy(site.url(), |_, _| Verdict::Hold);
    let url = proxy.url();
    let in_time = ["--drain-timeout", "1s"];
    for (number, name) in ["one", "two"].into_iter().enumerate() {
        let builds = Builds::new(&site, builder(), &format!("hangs-{number}"));
        let script = format!("$build {name}; exit {}", number * 5);
        let ended = builds.start(&url, &site, &in_time, &script).wait();
        let ended = ended.code(i32::try_from(number * 5).unwrap());
        ended.says(&[
            "could not be pushed to acme/app",
            "--drain-timeout 1.0 s",
            &format!("-{name}\n"),
        ]);
    }
    // By choice a success that was not pushed is none; a failure stays what it is.
    let builds = Builds::new(&site, builder(), "hangs-2");
    let strict = ["--drain-timeout", "1s", "--fail-on-push-error"];
    builds
        .start(&url, &site, &strict, "$build one")
        .wait()
        .code(1)
        .says(&["-one"]);
    let builds = Builds::new(&site, builder(), "hangs-3");
    builds
        .start(&url, &site, &strict, "$build one; exit 3")
        .wait()
        .code(3);
    holds(&site, 0);
}

#[test]
fn ctrl_c_after_the_command_gives_up_and_a_dead_server_is_no_failure() {
    let site = Site::acme(TestServer::builder());
    let proxy = proxy(site.url(), |_, _| Verdict::Hold);
    let builds = Builds::new(&site, builder(), "given-up");
    let pid = builds.person.home.path().join("pid");
    let script = format!("$build one; echo $$ > {}", pid.display());
    let running = builds.start(&proxy.url(), &site, &["--drain-timeout", "none"], &script);
    proxy.wait_until(|seen| !seen.is_empty());
    eventually("the command has ended", || {
        let pid = fs::read_to_string(&pid).unwrap_or_default();
        !pid.trim().is_empty() && !Path::new("/proc").join(pid.trim()).exists()
    });
    running.signal(Signal::INT);
    let ended = running.wait().code(0);
    ended.says(&["it was cancelled"]);

    let builds = Builds::new(&site, builder(), "refused");
    let options = ["--retries", "0"];
    let ended = builds
        .start("http://127.0.0.1:1", &site, &options, "$build one; exit 4")
        .wait();
    ended
        .code(4)
        .says(&["could not be pushed", "the connection was refused"]);
}

/// With Nix 2.8 one question about both fails, as it does not tell the outputs of a content-addressed derivation.
#[test]
fn ordinary_outputs_are_pushed_beside_content_addressed_ones() {
    for nix in versions() {
        let site = Site::acme(TestServer::builder());
        let builds = Builds::new(&site, nix, "addressed");
        let home = &builds.person.home;
        let feature = "extra-experimental-features = ca-derivations";
        home.configure(feature).unwrap();
        let expression = home.path().join("addressed.nix");
        let seed = format!("{}-{}", std::process::id(), nix.version().replace('.', "-"));
        let text = format!(
            r#"let make = name: more: derivation ({{
                    name = "{seed}-${{name}}"; system = builtins.currentSystem;
                    builder = "/bin/sh"; PATH = "/bin:/usr/bin"; preferLocalBuild = true;
                }} // more);
                addressed = {{
                    __contentAddressed = true; outputHashMode = "recursive"; outputHashAlgo = "sha256";
                }};
                in {{
                    a = make "a" (addressed // {{ args = [ "-euc" "echo {seed} > $out" ]; }});
                    m = make "m" {{
                        outputs = [ "out" "dev" ]; args = [ "-euc" "echo {seed} > $out; echo dev > $dev" ];
                    }};
                }}"#
        );
        fs::write(&expression, text).unwrap();
        let build = format!("nix-build {} --no-out-link -A a -A m", expression.display());
        builds
            .run(&site, &["--fail-on-push-error"], &build)
            .ok()
            .says(&["3 paths built; 3 sent"]);
        holds(&site, 3);
        let mut remove = Command::new("sh");
        builds.person.nix.adopt(&mut remove, home);
        remove.args(["-c", &format!("nix-store --delete $({build})")]);
        let _ = remove.stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}

#[test]
fn the_users_own_hook_goes_on_working() {
    let site = Site::acme(TestServer::builder());
    for nix in versions() {
        let builds = Builds::new(&site, nix, "own-hook");
        let home = builds.person.home.path();
        let (hook, log) = (home.join("own-hook"), home.join("own-hook.log"));
        let script = format!(
            "#!/bin/sh\necho \"$DRV_PATH $OUT_PATHS\" >> {}\n",
            log.display()
        );
        fh_testkit::write_program(&hook, &script);
        let setting = format!("post-build-hook = {}", hook.display());
        builds.person.home.configure(&setting).unwrap();
        builds
            .run(&site, &[], "$build two")
            .ok()
            .says(&["2 paths built"]);
        let log = fs::read_to_string(&log).unwrap();
        assert_eq!(log.lines().count(), 2, "{log}");

        // What the environment says of Nix stays, too; and its failure is the build's, as ever.
        fh_testkit::write_program(&hook, "#!/bin/sh\nexit 1\n");
        let command = builds.script("nix-store --delete $($build two) && $build two");
        let command: Vec<&str> = command.iter().map(String::as_str).collect();
        let mut fh = builds.watch(site.url(), site.server.admin_token(), &[], &command);
        fh.env("NIX_CONFIG", "max-jobs = 1");
        run(fh).failed();
    }
}

/// A `nix-daemon` on the machine's own store.
struct Daemon {
    process: Child,
    home: Home,
}

impl Daemon {
    fn start(nix: &Nix, configuration: &str) -> Self {
        let home = Home::new().unwrap();
        home.configure(configuration).unwrap();
        let socket = home.path().join("socket");
        let log = fs::File::create(home.path().join("log")).unwrap();
        let process = nix
            .command("nix-daemon", &home)
            .env("NIX_DAEMON_SOCKET_PATH", &socket)
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let daemon = Self { process, home };
        eventually("the daemon listens", || connects(&socket));
        daemon
    }

    fn uri(&self) -> String {
        format!("unix://{}", self.home.path().join("socket").display())
    }
}

fn connects(socket: &Path) -> bool {
    std::os::unix::net::UnixStream::connect(socket).is_ok()
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn json_is_one_object_after_the_end_of_the_command() {
    let site = Site::acme(TestServer::builder());
    let nix = versions().last().unwrap();
    let builds = Builds::new(&site, nix, "json");
    for (script, code, built) in [
        ("$build two >&2", 0, 2),
        ("true", 0, 0),
        ("$build one >&2; $build many >&2; exit 7", 7, 7),
    ] {
        let ended = builds.run(&site, &["--json"], script).code(code);
        assert_lacks(&ended.stderr, &["Pushed to"]);
        let told = ended.json();
        assert_eq!(told["flake"], "acme/app", "{told:#}");
        assert_eq!(told["complete"], true, "{told:#}");
        assert_eq!(told["built"], built, "{told:#}");
        assert_eq!(told["pushed"], built, "{told:#}");
        assert_eq!(told["command_status"], code, "{told:#}");
        assert_eq!(told["failed"], serde_json::json!([]), "{told:#}");
    }
}
