//! Servers and files that mean harm: nothing hangs, nothing is written for a host that nobody agreed to.

use std::fs::File;
use std::io::{BufRead, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use expectrl::Expect as _;
use fh_testkit::server::TestServer;
use fh_testkit::{assert_contains, assert_lacks};

use crate::answering::answering;
use crate::foreign::Foreign;
use crate::prompt::{on_a_terminal, rest};
use crate::world::{Run, World};

const KEY: &str = "main:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY=";

/// Runs to the end, which comes soon.
fn soon(world: &World, arguments: &[&str]) -> Run {
    let mut command = world.command(arguments);
    world.finish(command.timeout(Duration::from_secs(20)))
}

/// What stands in the place of a file.
#[derive(Debug, Clone, Copy)]
enum Bad {
    Pipe,
    Device,
    Directory,
    Huge,
}

impl Bad {
    const ALL: [Self; 4] = [Self::Pipe, Self::Device, Self::Directory, Self::Huge];

    /// Makes a file of this kind at the path.
    fn put(self, path: &Path) {
        let _ = std::fs::remove_file(path);
        let _ = std::fs::remove_dir(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        match self {
            Self::Pipe => {
                let made = Command::new("mkfifo").arg(path).status().unwrap();
                assert!(made.success());
            }
            Self::Device => std::os::unix::fs::symlink("/dev/zero", path).unwrap(),
            Self::Directory => std::fs::create_dir(path).unwrap(),
            // Sparse: it takes no room.
            Self::Huge => File::create(path).unwrap().set_len(300 << 20).unwrap(),
        }
    }

    fn remove(path: &Path) {
        std::fs::remove_file(path)
            .or_else(|_| std::fs::remove_dir(path))
            .unwrap();
    }
}

/// Names the file, and says what is wrong with it.
#[track_caller]
fn refused(run: &Run, bad: Bad, path: &Path) {
    let said = &run.stderr;
    assert_eq!(run.code, Some(1), "{bad:?} {}: {said}", path.display());
    let name = path.file_name().unwrap().to_str().unwrap();
    // By its own name, or where it leads.
    assert!(
        said.contains(name) || said.contains("/dev/zero"),
        "{bad:?} {}: {said}",
        path.display()
    );
    let why = match bad {
        Bad::Huge => ["is longer than", "is larger than"],
        _ => ["is not a regular file"; 2],
    };
    assert!(
        why.iter().any(|why| said.contains(why)),
        "{bad:?} {}: {said}",
        path.display()
    );
}

#[test]
fn a_file_that_is_none_is_named_and_not_waited_for() {
    let server = TestServer::start().unwrap();
    let login = ["login", "--scope", "user", "--server", server.url()];
    let login: Vec<&str> = [&login[..], &["--token-file", "token"]].concat();
    for bad in Bad::ALL {
        // What stands there before anybody has logged in.
        for (place, arguments) in [
            (".config/fh/config.toml", &["server", "list"][..]),
            (".config/fh/config.toml", &login[..]),
            (".config/fh/ledger.json", &login[..]),
            (".config/nix/netrc", &login[..]),
            (".config/nix/nix.conf", &login[..]),
            ("etc-nix/nix.conf", &login[..]),
            ("etc-nix/included.conf", &login[..]),
            ("token", &login[..]),
        ] {
            // Nix passes over a directory that it would only read.
            if matches!(bad, Bad::Directory) && place.starts_with("etc-nix") {
                continue;
            }
            let world = World::new();
            world.write("token", server.admin_token());
            if place.ends_with("included.conf") {
                world.write("etc-nix/nix.conf", "!include included.conf\n");
            }
            let path = world.path(place);
            bad.put(&path);
            refused(&soon(&world, arguments), bad, &path);
        }
        // What a login has written.
        let mut world = World::logged_in(&server, server.admin_token());
        let tokens = world.config("fh/tokens");
        let token = std::fs::read_dir(&tokens).unwrap().next().unwrap();
        let token = token.unwrap().path();
        let kept = std::fs::read(&token).unwrap();
        bad.put(&token);
        refused(&soon(&world, &["list", "flakes"]), bad, &token);
        Bad::remove(&token);
        std::fs::write(&token, kept).unwrap();
        soon(&world, &["list", "flakes"]).success();
        // What the environment names.
        let file = world.path("named");
        bad.put(&file);
        for variable in ["FH_TOKEN_FILE", "NIX_SSL_CERT_FILE"] {
            world.set(variable, file.clone());
            refused(&soon(&world, &["list", "flakes"]), bad, &file);
            world.set(variable, "");
        }
        // What the TLS library would read by itself.
        world.write("authorities", "");
        world.set("NIX_SSL_CERT_FILE", world.path("authorities"));
        world.set("SSL_CERT_FILE", file.clone());
        refused(&soon(&world, &["list", "flakes"]), bad, &file);
        for variable in ["NIX_SSL_CERT_FILE", "SSL_CERT_FILE"] {
            world.set(variable, "");
        }
        soon(&world, &["list", "flakes"]).success();
    }
}

#[test]
fn a_lock_that_is_a_pipe_is_not_waited_for() {
    let (_server, world) = World::administrator();
    for (name, arguments) in [
        (".setup.fh-lock", &["logout"][..]),
        (".config.toml.fh-lock", &["logout"][..]),
    ] {
        let path = world.config("fh").join(name);
        Bad::Pipe.put(&path);
        refused(&soon(&world, arguments), Bad::Pipe, &path);
        Bad::remove(&path);
    }
    soon(&world, &["logout"]).success();
}

/// A server of ours that says that its cache is elsewhere.
fn elsewhere(token: &str, host: &str) -> Foreign {
    let discovery = format!(
        r#"{{"name":"fh","version":"1","audience":"urn:fh:x","api_url":"http://{host}",
        "web_url":"http://{host}","cache_url":"http://{host}","store_dir":"/nix/store",
        "public_keys":[{{"public_key":"{KEY}","state":"active"}}],
        "login":["token"],"now":"2026-11-22T12:00:00Z"}}"#
    );
    let whoami = r#"{"user":"ann","kind":"human","server_admin":false,
        "token_id":"00000000-0000-0000-0000-000000000001","token_description":null,
        "permissions":["pull"],"flakes":["*"],"expires_at":"2030-01-01T00:00:00Z"}"#;
    Foreign::start(
        token,
        &[
            ("/.well-known/fh", false, &discovery),
            ("/api/v1/whoami", true, whoami),
        ],
    )
}

#[test]
fn a_token_is_written_for_no_host_that_nobody_agreed_to() {
    let server = elsewhere("secret", "github.com");
    let login = ["login", "--scope", "user", "--server", &server.url];
    let with = |more: &[&'static str]| -> Vec<String> {
        let words = login.iter().chain(more);
        words.map(|word| (*word).to_owned()).collect()
    };
    let world = World::new();
    for more in [
        &[][..],
        &["--yes"],
        &["--json"],
        &["--print"],
        &["--allow-cache-host", "github.co"],
    ] {
        let words = with(more);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let run = world.with_stdin(&words, "secret").code(1);
        run.says(&["github.com", "`--allow-cache-host github.com`"]);
        assert_lacks(&run.stdout, &["secret"]);
        assert!(world.everything().is_empty());
    }
    world
        .with_stdin(&[&login[..], &["--dry-run"]].concat(), "secret")
        .success()
        .says(&["github.com"]);
    assert!(world.everything().is_empty());

    let allowed = [&login[..], &["--allow-cache-host", "GitHub.com"]].concat();
    world.with_stdin(&allowed, "secret").success();
    let netrc = world.read("nix/netrc");
    assert_contains(&netrc, &["machine github.com "]);
    // It was agreed to.
    world.with_stdin(&login, "secret").success();
    world.typed("logout").success();
    assert!(world.everything().is_empty());

    let without = [&login[..], &["--no-netrc"]].concat();
    world.with_stdin(&without, "secret").success();
}

#[test]
fn on_a_terminal_the_host_is_asked_for() {
    let server = elsewhere("secret", "github.com");
    let login = ["login", "--scope", "user", "--server", &server.url];
    let login = [&login[..], &["--token-file", "token"]].concat();
    for (answer, agrees) in [("\r", false), ("n\r", false), ("y\r", true)] {
        let world = World::new();
        world.write("token", "secret");
        let mut session = on_a_terminal(&world, &login);
        session
            .expect("Write the token into the netrc for github.com?")
            .unwrap();
        session.send(answer).unwrap();
        if agrees {
            session.expect("Make these changes?").unwrap();
            session.send("\r").unwrap();
        }
        let said = rest(&mut session);
        assert_eq!(said.contains("Logged in to"), agrees, "{said}");
        assert_eq!(world.everything().is_empty(), !agrees);
    }
}

/// Starts `fh` with a pipe as its stdin.
fn started(world: &World, arguments: &[&str]) -> Child {
    world
        .process(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Waits for a line on stderr that has all of these, and gives back where the next one is read.
#[track_caller]
fn says(child: &mut Child, words: &[&str]) -> impl BufRead + use<> {
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut said = String::new();
    loop {
        let begin = said.len();
        let count = stderr.read_line(&mut said).unwrap();
        assert_ne!(count, 0, "it did not say {words:?}: {said}");
        let line = said.get(begin..).unwrap();
        if words.iter().all(|word| line.contains(word)) {
            return stderr;
        }
    }
}

#[test]
fn a_pipe_that_a_shell_names_is_read_and_not_waited_for_in_silence() {
    let server = TestServer::start().unwrap();
    // As `<(…)` is called, here with the pipe that is there anyhow.
    let login = |name: &'static str| {
        let server = server.url();
        [
            "login",
            "--scope",
            "user",
            "--server",
            server,
            "--token-file",
            name,
        ]
    };
    for name in ["/dev/fd/0", "/proc/self/fd/0", "/dev/stdin"] {
        let world = World::new();
        let inspected = world.with_stdin(&["token", "inspect", name], server.admin_token());
        inspected.success();
        let run = world.with_stdin(&login(name), " \n").code(1);
        let expected = format!("there is no token in {name}");
        run.says(&[&expected]);
        world
            .with_stdin(&login(name), server.admin_token())
            .success();
        world.typed("list flakes").success();
    }
    // Nobody writes to it, and somebody may yet.
    let world = World::new();
    let mut child = started(&world, &login("/dev/fd/0"));
    let stdin = child.stdin.take();
    let mut rest = says(&mut child, &["Waiting for the token from /dev/fd/0"]);
    drop(stdin);
    let mut said = String::new();
    rest.read_to_string(&mut said).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1));
    assert_contains(&said, &["there is no token in /dev/fd/0"]);
    assert!(world.everything().is_empty());
}

#[test]
fn a_command_says_that_it_waits_and_for_how_long_the_server_wants_it_to() {
    for (status, asked, said) in [
        (
            503,
            "Retry-After: 7200\r\n",
            "(the server asks to wait 2 h 0 min)",
        ),
        (
            429,
            "Retry-After: 100000\r\n",
            "(the server asks to wait 27 h 46 min)",
        ),
        (503, "Retry-After: 15\r\n", "Trying again in 1"),
    ] {
        let mut world = World::new();
        world.acts_at(
            answering(move |_| (status, asked, String::new())),
            "fh1_abc",
        );
        let mut child = started(&world, &["list", "flakes"]);
        let begin = std::time::Instant::now();
        drop(says(&mut child, &["Trying again in", said]));
        // It is said before it is waited.
        assert!(begin.elapsed() < Duration::from_secs(60), "{asked}");
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
