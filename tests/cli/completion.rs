//! Completions, in the shells themselves: their own line editors, a real TAB, a real server.

use std::ffi::OsString;
use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use expectrl::session::OsSession;
use expectrl::{Expect as _, Session};
use fh_testkit::assert_contains;
use fh_testkit::server::TestServer;

use crate::world::World;

/// Somebody with a server that has the flakes acme/app and acme/web.
fn world(server: &TestServer) -> World {
    let world = World::logged_in(server, server.admin_token());
    world.typed("org create acme").success();
    for flake in ["acme/app", "acme/web"] {
        world.fh(&["flake", "create", flake]).success();
    }
    world
}

/// A shell on this machine, or a word that it is not here.
fn shell(name: &str) -> Option<PathBuf> {
    let search = std::env::var_os("PATH").unwrap_or_default();
    let found = fh_testkit::find_program(name, &search);
    if found.is_none() {
        fh_testkit::skipped(&format!(
            "{name} is not here: its completions were not tried out (Debian: {name})"
        ));
    }
    found
}

/// The search path of somebody whose `fh` is this one, and who has the usual tools.
fn search_path(world: &World) -> OsString {
    let fh = PathBuf::from(assert_cmd::cargo::cargo_bin!("fh"));
    let mut path = world.path("bin").into_os_string();
    path.push(":");
    path.push(fh.parent().unwrap());
    path.push(":/usr/bin:/bin");
    path
}

/// An interactive shell that has loaded its completions.
fn start(world: &World, shell: &str, arguments: &[&str], load: &str) -> Option<OsSession> {
    let program = self::shell(shell)?;
    let script = world.fh(&["completion", shell]).success().stdout;
    world.write("completions", &script);
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", "read -r ready; exec \"$0\" \"$@\""])
        .arg(program)
        .env_clear()
        .envs(world.variables())
        .env("PATH", search_path(world))
        .env("TERM", "dumb")
        .env("PS1", "ready> ")
        .current_dir(world.path(""))
        .args(arguments);
    let mut session = Session::spawn(command).unwrap();
    session.set_expect_timeout(Some(Duration::from_secs(30)));
    // The terminal comes without echo. A shell that finds it so shows nothing either, so it starts only then.
    let wait = Some(Duration::from_secs(5));
    assert!(session.get_process_mut().set_echo(true, wait).unwrap());
    session.send_line("").unwrap();
    session.send_line(load).unwrap();
    // Said by the shell, not by the echo of what was typed.
    session.send_line("echo lo''aded").unwrap();
    session.expect("loaded").unwrap();
    Some(session)
}

/// Types what stands before the bar, then TAB, and waits for the line as a whole.
fn completes(session: &mut OsSession, line: &str) {
    let (typed, rest) = line.split_once('|').unwrap();
    session.send(format!("{typed}\t")).unwrap();
    // Names that the server does not tell in a moment are there at the next TAB: the shell is not held up.
    session.set_expect_timeout(Some(Duration::from_secs(3)));
    let mut seen = session.expect(rest);
    for _ in 0..20 {
        if seen.is_ok() {
            break;
        }
        session.send("\t").unwrap();
        seen = session.expect(rest);
    }
    assert!(seen.is_ok(), "{line}: {seen:?}");
    // Control-U: away with the line.
    session.send("\u{15}").unwrap();
}

#[test]
fn bash_completes_commands_options_words_and_flakes() {
    let server = TestServer::start().unwrap();
    let world = world(&server);
    let load = "source ./completions";
    let Some(mut bash) = start(&world, "bash", &["--norc", "--noprofile", "-i"], load) else {
        return;
    };
    completes(&mut bash, "fh lis|t");
    completes(&mut bash, "fh token cre|ate");
    completes(&mut bash, "fh grant add acme/app alice wri|te");
    completes(&mut bash, "fh push --dry|-run");
    completes(&mut bash, "fh push acme/w|eb");
}

#[test]
fn zsh_completes_commands_options_words_and_flakes() {
    let server = TestServer::start().unwrap();
    let world = world(&server);
    let load = "autoload -Uz compinit && compinit -u && source ./completions";
    let Some(mut zsh) = start(&world, "zsh", &["-f", "-i"], load) else {
        return;
    };
    completes(&mut zsh, "fh lis|t");
    completes(&mut zsh, "fh token cre|ate");
    completes(&mut zsh, "fh grant add acme/app alice wri|te");
    completes(&mut zsh, "fh push acme/w|eb");
}

#[test]
fn zsh_finds_the_committed_file_in_its_fpath() {
    let server = TestServer::start().unwrap();
    let world = world(&server);
    let committed = fh_testkit::workspace().join("completions");
    let load = format!(
        "fpath=({} $fpath) && autoload -Uz compinit && compinit -u",
        committed.display()
    );
    let Some(mut zsh) = start(&world, "zsh", &["-f", "-i"], &load) else {
        return;
    };
    completes(&mut zsh, "fh lis|t");
    completes(&mut zsh, "fh push acme/w|eb");
}

#[test]
fn fish_completes_commands_words_and_flakes_with_what_they_are() {
    let server = TestServer::start().unwrap();
    let world = world(&server);
    let Some(fish) = shell("fish") else { return };
    let script = world.typed("completion fish").success().stdout;
    world.write("completions", &script);
    let complete = |line: &str| {
        let output = Command::new(&fish)
            .env_clear()
            .envs(world.variables())
            .env("PATH", search_path(&world))
            .current_dir(world.path(""))
            .args(["--no-config", "-c"])
            .arg(format!("source ./completions; complete -C '{line}'"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        assert!(output.stderr.is_empty(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(complete("fh lis").starts_with("list\tList what you may read"));
    assert!(complete("fh token cre").starts_with("create\t"));
    assert_eq!(
        complete("fh grant add acme/app alice wri").trim_end(),
        "write"
    );
    // Asked in the background: a busy machine may need more than one TAB.
    let deadline = Instant::now() + Duration::from_secs(30);
    let flakes = loop {
        let flakes = complete("fh push acme/");
        if flakes.contains("acme/app") {
            break flakes;
        }
        assert!(Instant::now() < deadline, "{flakes}");
    };
    assert_contains(&flakes, &["acme/web"]);
}

/// What a shell is given at TAB for `fh push <current>`.
fn candidates(world: &World, current: &str) -> (String, Duration) {
    let start = Instant::now();
    let output = world
        .command(&["--", "fh", "push", current])
        .env("FH_COMPLETE", "bash")
        .env("_CLAP_COMPLETE_INDEX", "2")
        .env("_CLAP_IFS", "\n")
        .output()
        .unwrap();
    let took = start.elapsed();
    assert!(output.stderr.is_empty(), "{output:?}");
    (String::from_utf8(output.stdout).unwrap(), took)
}

#[test]
fn a_server_that_never_answers_costs_little_and_says_nothing() {
    let server = TestServer::start().unwrap();
    let world = world(&server);
    // It takes connections, and that is all.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", silent.local_addr().unwrap());
    let mut world = world;
    world.acts_at(address, "fh1_whatever");
    let (found, took) = candidates(&world, "acme/");
    assert_eq!(found, "");
    // Not a measurement: without the limit this would be the client's time-out, many seconds.
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[test]
fn what_was_remembered_is_offered_when_the_server_is_gone() {
    let server = TestServer::start().unwrap();
    let mut world = world(&server);
    // Asked in the background: a busy machine may need more than one TAB.
    let deadline = Instant::now() + Duration::from_secs(30);
    while !candidates(&world, "acme/").0.contains("acme/app") {
        assert!(Instant::now() < deadline, "never remembered");
    }
    let directory = world.path(".cache/fh/completion");
    assert_eq!(crate::world::mode(&directory), 0o700);
    for entry in fs::read_dir(&directory).unwrap() {
        assert_eq!(crate::world::mode(&entry.unwrap().path()), 0o600);
    }
    drop(server);
    assert!(candidates(&world, "acme/").0.contains("acme/web"));
    // Another token is another person: nothing of this one's is offered.
    world.set("FH_TOKEN", "fh1_of_somebody_else");
    assert_eq!(candidates(&world, "acme/").0, "");
}

#[test]
fn without_a_login_there_is_nothing_and_no_error() {
    assert_eq!(candidates(&World::new(), "acme/").0, "");
}
