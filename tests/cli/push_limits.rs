//! `fh push` at its limits: memory on a slow line, and Ctrl-C on a terminal.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use expectrl::{ControlCode, Expect as _};
use fh_testkit::proxy::{Plan, Proxy};
use fh_testkit::server::TestServer;

use crate::prompt::{on_a_terminal, rest};
use crate::push::three_paths;

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
    world.set("FH_SERVER", line.url());
    world.set("FH_TOKEN", server.admin_token());
    let mut child = Command::new(assert_cmd::cargo::cargo_bin!("fh"))
        .env_clear()
        .envs(world.variables())
        .args(["push", "acme/app", &app, "--jobs", "4", "--store"])
        .arg(&store.root)
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    let exit = loop {
        if let Some(exit) = child.try_wait().unwrap() {
            break exit;
        }
        // The line is not there any more once the process has ended.
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kibibytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        peak = kibibytes.unwrap_or_default().max(peak);
        std::thread::sleep(Duration::from_millis(5));
    };
    assert!(exit.success());
    assert!((40 << 10..150 << 10).contains(&peak), "{peak} KiB");
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
