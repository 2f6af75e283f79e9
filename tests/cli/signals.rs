//! What a push does when it is interrupted, ended, or loses its terminal.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use fh_testkit::server::TestServer;
use fh_testkit::{assert_contains, rows};
use rustix::process::{Pid, Signal, kill_process};

use crate::push::three_paths;

/// How a push ends that gets these signals, one after the other, and what it says.
///
/// `how` is an option of coreutils' env, which sets what becomes of SIGHUP. With `plans` the push has asked the
/// server what to send; otherwise it still asks Nix.
fn ended_by(how: &str, plans: bool, signals: &[Signal]) -> (Option<i32>, String) {
    let server = TestServer::start().unwrap();
    let (mut world, store, app) = three_paths(&server);
    // A server that takes requests and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    world.acts_at(format!("http://{}", silent.local_addr().unwrap()), "fh1_x");
    let started = world.path("started");
    if !plans {
        let started = started.display();
        world.program(
            "nix",
            &format!("#!/bin/sh\n: > '{started}'\nwhile :; do read -r _ < /dev/zero; done\n"),
        );
    }
    let mut child = Command::new("/usr/bin/env")
        .arg(how)
        .arg(assert_cmd::cargo::cargo_bin!("fh"))
        .args(["push", "acme/app", &app, "--store"])
        .arg(&store.root)
        .env_clear()
        .envs(world.variables())
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    if plans {
        let (stream, _) = silent.accept().unwrap();
        let mut first = String::new();
        BufReader::new(&stream).read_line(&mut first).unwrap();
        let push = "POST /api/v1/flakes/acme/app/pushes";
        assert!(first.starts_with(push), "{first}");
        // Kept open: a closed connection would be an answer.
        std::mem::forget(stream);
    } else {
        let patience = Instant::now() + Duration::from_secs(60);
        while !started.exists() {
            assert!(Instant::now() < patience, "nix was not started");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
    for signal in signals {
        kill_process(Pid::from_child(&child), *signal).unwrap();
        std::thread::sleep(Duration::from_millis(300));
    }
    let mut said = String::new();
    let mut stderr = child.stderr.take().unwrap();
    stderr.read_to_string(&mut said).unwrap();
    (child.wait().unwrap().code(), said)
}

#[test]
fn a_push_that_is_ended_says_what_was_sent() {
    for [how, asks, signals, code, end, sent] in rows(
        "
        # Ctrl-C, and what CI sends to a job that is called off.
        --default-signal=HUP | server | INT      | 130 | interrupted      | the push continues from there
        --default-signal=HUP | nix    | TERM     | 143 | ended by SIGTERM | Nothing was sent.
        # The terminal is closed.
        --default-signal=HUP | server | HUP      | 129 | ended by SIGHUP  | the push continues from there
        --default-signal=HUP | nix    | HUP      | 129 | ended by SIGHUP  | Nothing was sent.
        # As after `nohup`: the push goes on, until something else ends it.
        --ignore-signal=HUP  | server | HUP TERM | 143 | ended by SIGTERM | the push continues from there
        ",
    ) {
        let number = |name| match name {
            "INT" => Signal::INT,
            "TERM" => Signal::TERM,
            _ => Signal::HUP,
        };
        let sends: Vec<Signal> = signals.split(' ').map(number).collect();
        let (ended, said) = ended_by(how, asks == "server", &sends);
        assert_eq!(ended, Some(code.parse().unwrap()), "{how} {signals}: {said}");
        assert_contains(&said, &[end, sent]);
    }
}
