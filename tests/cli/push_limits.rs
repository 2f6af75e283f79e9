//! `fh push` at its limits: memory on a slow line, Ctrl-C on a terminal, and what is seen of a line that stalls.

use std::fs;
use std::time::Duration;

use expectrl::{ControlCode, Expect as _};
use fh_testkit::assert_contains;
use fh_testkit::proxy::{Fault, Line, Plan, Proxy, Verdict};
use fh_testkit::server::TestServer;

use crate::prompt::{on_a_terminal, on_a_terminal_of, rest};
use crate::push::three_paths;
use crate::world::World;

/// The terminal that a test has is so wide, and the bar must leave room for a `^C`.
const WIDTH: usize = 80;

/// Bytes that do not compress, other ones for each seed but 0.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        // xorshift64*
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        bytes.extend_from_slice(&state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes());
    }
    bytes
}

#[cfg(target_os = "linux")]
#[test]
fn memory_is_bounded_while_a_line_is_slow() {
    let server = TestServer::start().unwrap();
    let (mut world, mut store, app) = three_paths(&server);
    for seed in 1..=6 {
        store.add("large", noise(seed, 40 << 20), &[]);
    }
    store.install(&world);
    let address = server.url().trim_start_matches("http://").parse().unwrap();
    // 240 MiB that stay as large, over a line that is slower than they are made ready.
    let line = Proxy::start(address, |_| Plan::throttled(16 << 20)).unwrap();
    world.acts_at(line.url(), server.admin_token());
    let mut child = world
        .process(&["push", "acme/app", &app, "--jobs", "4", "--store"])
        .arg(&store.root)
        .spawn()
        .unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    let exit = loop {
        if let Some(exit) = child.try_wait().unwrap() {
            break exit;
        }
        // What it holds of its own: the program's file is larger the more debugging information it has. The line is
        // not there any more once the process has ended.
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("RssAnon:"));
        let kibibytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        peak = kibibytes.unwrap_or_default().max(peak);
        std::thread::sleep(Duration::from_millis(5));
    };
    assert!(exit.success());
    assert!((40 << 10..128 << 10).contains(&peak), "{peak} KiB");
}

#[test]
fn control_c_leaves_nothing_of_the_bar() {
    let server = TestServer::start().unwrap();
    let (world, store, app) = three_paths(&server);
    world.program("nix", "#!/bin/sh\nexec /bin/sleep 60\n");
    let root = store.root.to_str().unwrap();
    let arguments = ["push", "acme/app", &app, "--store", root];
    let mut session = on_a_terminal(&world, &arguments);
    session.expect("asking Nix for the closure").unwrap();
    session.send(ControlCode::EndOfText).unwrap();
    let said = rest(&mut session);
    // The terminal's own `^C` stands behind what was drawn, on the same line, which is then cleared.
    let (drawn, after) = said.rsplit_once("^C").unwrap();
    for line in drawn.split("\r\x1b[2K") {
        assert!(line.chars().count() + 2 < WIDTH, "{line:?}");
    }
    let (_, last) = after
        .rsplit_once("\r\x1b[2K")
        .unwrap_or_else(|| panic!("not cleared: {said:?}"));
    assert!(last.contains("interrupted"), "{said:?}");
    assert!(!last.contains("asking"), "{said:?}");
}

/// The server takes larger bodies than the proxy before it, which is what has to be mended.
#[test]
fn where_a_proxy_takes_no_body_so_large_the_push_says_what_to_set_there() {
    let server = TestServer::start().unwrap();
    let (mut world, store, app) = three_paths(&server);
    let address = server.url().trim_start_matches("http://").parse().unwrap();
    let proxy = Proxy::requests(address, |seen, _| {
        if seen.is_batch() || seen.part().is_some() {
            Verdict::TooLarge
        } else {
            Verdict::Pass
        }
    });
    let proxy = proxy.unwrap();
    world.acts_at(proxy.url(), server.admin_token());
    let root = store.root().to_str().unwrap();
    let push = ["push", "acme/app", &app, "--store", root];
    let said = world.fh(&push).code(1).stderr;
    assert_contains(
        &said,
        &[
            "3 of 3 paths could not be pushed",
            "413 Request Entity Too Large",
        ],
    );
    let hints = said.lines().filter(|line| line.starts_with("Hint: "));
    let hints: Vec<&str> = hints.collect();
    let [limit, again] = hints.as_slice() else {
        panic!("{said}");
    };
    assert!(limit.contains("`client_max_body_size`") && limit.contains("`max-body-size`"));
    assert!(again.contains("the same command again"), "{said}");
    let report = world.fh(&[&push[..], &["--json"]].concat()).code(1).json();
    let failed = report["failed"].as_array().unwrap();
    assert_eq!(failed.len(), 3);
    assert!(
        failed.iter().all(|it| it["kind"] == "too_large"),
        "{report}"
    );
    // Once the proxy takes them, they go.
    world.set("FH_SERVER", server.url());
    world.fh(&push).success();
}

/// Somebody who pushes four paths of 64 MiB over connections that stall after one MiB, and then go on.
fn stalling(server: &TestServer, stall: Duration) -> (World, Proxy, [String; 2]) {
    let (mut world, mut store, _) = three_paths(server);
    let large = store.add("large", noise(9, 64 << 20), &[]);
    store.install(&world);
    let address = server.url().trim_start_matches("http://").parse().unwrap();
    let to_server = Line {
        fault: Some((1 << 20, Fault::Stall(Some(stall)))),
        ..Line::CLEAR
    };
    let plan = Plan {
        to_server,
        to_client: Line::CLEAR,
    };
    let line = Proxy::start(address, move |_| plan).unwrap();
    world.acts_at(line.url(), server.admin_token());
    let root = store.root().to_str().unwrap().to_owned();
    (world, line, [large, root])
}

/// The rate of a bar is that of now, and what it tells is not cut off.
#[test]
fn the_bar_tells_what_is_left_and_that_nothing_moves() {
    std::thread::scope(|scope| {
        for columns in [80, 120] {
            scope.spawn(move || {
                let server = TestServer::start().unwrap();
                let (world, _line, [large, root]) = stalling(&server, Duration::from_secs(8));
                let push = ["push", "acme/app", &large, "--store", &root];
                let mut session = on_a_terminal_of(columns, &world, &push);
                session.set_expect_timeout(Some(Duration::from_secs(120)));
                let said = rest(&mut session);
                for told in [
                    "iB/s",
                    " left",
                    "waiting for the server for ",
                    "Pushed 4 paths",
                ] {
                    assert!(said.contains(told), "{columns} columns, {told}: {said:?}");
                }
                for drawn in said
                    .split("\r\x1b[2K")
                    .filter(|drawn| drawn.starts_with('['))
                {
                    let drawn = drawn.lines().next().unwrap_or_default().trim_end();
                    let room = usize::from(columns) - 4;
                    assert!(
                        drawn.chars().count() <= room,
                        "{columns} columns: {drawn:?}"
                    );
                    let is_whole = !drawn.contains("/s") || drawn.ends_with(" left");
                    assert!(is_whole, "{columns} columns: {drawn:?}");
                }
            });
        }
    });
}

/// Without a terminal a large push says now and then how far it is.
#[test]
fn a_large_push_without_a_terminal_is_not_silent_until_its_end() {
    let server = TestServer::start().unwrap();
    let (world, _line, [large, root]) = stalling(&server, Duration::from_secs(5));
    let run = world
        .fh(&["push", "acme/app", &large, "--store", &root])
        .success();
    let lines: Vec<&str> = run.stderr.lines().collect();
    let told = lines
        .iter()
        .find(|line| line.contains(" of 64.1 MiB ("))
        .unwrap_or_else(|| panic!("{lines:?}"));
    assert_contains(&told, &[" %), ", " of 4 paths, "]);
    let is_fast = told.contains("iB/s, ") && told.ends_with(" left");
    assert!(is_fast || told.contains("waiting for the server"), "{told}");
    run.never_says(&["\x1b", "\r"]);
    assert!(
        lines.last().unwrap().starts_with("Pushed 4 paths"),
        "{lines:?}"
    );
}

/// While something is built Nix has the terminal, and nothing is drawn over it.
#[test]
fn nix_shows_itself_how_far_it_is_while_it_builds() {
    let server = TestServer::start().unwrap();
    let (world, store, app) = three_paths(&server);
    let infos = world.path("bin/infos");
    fs::rename(world.path("bin/nix"), &infos).unwrap();
    let root = store.root().to_str().unwrap();
    let json = format!("[{{\"drvPath\":\"x\",\"outputs\":{{\"out\":\"{app}\"}}}}]");
    for (version, refused, built) in [
        // It knows the one flag, and would say so of the other.
        ("2.8.0", "--print-out-paths", json.as_str()),
        ("2.34.8", "--no-link --json", app.as_str()),
    ] {
        world.program(
            "nix",
            &format!(
                "#!/bin/sh\ncase \" $* \" in\n\
                 *' --version '*) echo 'nix (Nix) {version}' ;;\n\
                 *'{refused}'*) echo \"error: unrecognised flag '{refused}'\" >&2; exit 1 ;;\n\
                 *' build '*) if test -t 2; then echo 'on a terminal' >&2; else echo 'elsewhere' >&2; fi\n\
                 /bin/sleep 0.5; echo 'all built' >&2; printf '%s\\n' '{built}' ;;\n\
                 *) exec {} \"$@\" ;;\nesac\n",
                infos.display()
            ),
        );
        let push = ["push", "acme/app", ".#app", "--store", root];
        let said = rest(&mut on_a_terminal(&world, &push));
        let (_, shown) = said
            .split_once("on a terminal\r\n")
            .unwrap_or_else(|| panic!("{version}: {said:?}"));
        assert!(shown.starts_with("all built\r\n"), "{version}: {said:?}");
        assert!(shown.contains("3 paths"), "{version}: {said:?}");
        assert!(!said.contains("unrecognised"), "{version}: {said:?}");
        // Elsewhere its lines are told as lines.
        let run = world.fh(&push).success();
        assert!(
            run.stderr.starts_with("elsewhere\nall built\n"),
            "{version}: {}",
            run.stderr
        );
    }
}
