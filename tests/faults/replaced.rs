//! A server that is told to stop while people read and push, and the next one that starts beside it.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use crate::kills::{FLAKES, choose, undisturbed, wait_by_chance};
use crate::nix::eventually;
use crate::nix::process::Running;
use crate::nix::served::Served;
use crate::scene::{SMALL_PARTS, Scene};

/// How often in the short form.
const SHORT: usize = 6;

/// How often in the long form.
const LONG: usize = 100;

/// More than the system keeps for somebody who does not read.
const LARGE: usize = 32 << 20;

/// Old servers wait for downloads for longer than any test takes, and what is to be collected is so at once.
const OPTIONS: [&str; 4] = ["--stop-timeout", "10m", "--collect-interval", "100ms"];

/// A download of which only the beginning was read.
struct Download {
    stream: TcpStream,
    begun: Vec<u8>,
}

impl Download {
    fn begin(scene: &Scene, path: &str) -> Self {
        let admin = scene.served.admin();
        let mut stream = TcpStream::connect(admin.address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        let token = admin.token.unwrap();
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut begun = vec![0; 1000];
        stream.read_exact(&mut begun).unwrap();
        Self { stream, begun }
    }

    /// Reads a little more: the server ends what nobody reads from for a minute.
    fn go_on(&mut self) {
        let mut more = vec![0; 100_000];
        self.stream.read_exact(&mut more).unwrap();
        self.begun.extend(more);
    }

    /// Its body, once all of it was read.
    fn end(mut self) -> Vec<u8> {
        self.stream.read_to_end(&mut self.begun).unwrap();
        let head = self.begun.windows(4).position(|end| end == b"\r\n\r\n");
        self.begun.split_off(head.unwrap() + 4)
    }
}

fn replace_servers(served: Served, times: usize) {
    let mut scene = Scene::with(served, &FLAKES);
    let time = undisturbed(&mut scene);
    let large = scene.stock.add(&mut scene.random, &[LARGE]);
    scene.push_rest(FLAKES[0], &large);
    let hash = large[0].rsplit('/').next().unwrap()[..32].to_owned();
    let slice = format!("/cache/{}", FLAKES[0]);
    let narinfo = scene.served.admin().get(&format!("{slice}/{hash}.narinfo"));
    let narinfo = narinfo.expect(200).text();
    let url = narinfo.lines().find_map(|line| line.strip_prefix("URL: "));
    let nar = format!("{slice}/{}", url.unwrap());
    let mut download = Download::begin(&scene, &nar);
    for _ in 0..times {
        download.go_on();
        let (flake, paths) = choose(&mut scene);
        let address = scene.served.url();
        let push = Running::start(scene.push_command(&address, flake, &paths));
        wait_by_chance(&mut scene, time);
        // It serves when this returns, whoever still reads from the former one.
        scene.served.replace();
        assert!(scene.served.draining() > 0);
        let ended = push.wait().ok();
        assert_eq!(ended.json()["complete"], true, "{ended}");
        scene.acknowledge(flake, &paths);
        scene.check_flake(flake, &paths);
    }
    // All but the first, which somebody reads from, have nothing left to do.
    eventually("servers that nobody needs end", || {
        scene.served.draining() == 1
    });
    let read = download.end();
    let again = scene.served.admin().get(&nar).expect(200).body;
    assert!(read == again, "{} of {} bytes", read.len(), again.len());
    eventually("the server that was read from ends", || {
        scene.served.draining() == 0
    });
    scene.check();
    scene.check_storage();
}

fn with_small_parts() -> Vec<&'static str> {
    SMALL_PARTS.into_iter().chain(OPTIONS).collect()
}

#[test]
fn a_server_that_is_replaced_is_missed_by_nobody() {
    replace_servers(Served::start(&with_small_parts()), SHORT);
}

#[test]
fn a_server_with_a_passed_socket_that_is_replaced_is_missed_by_nobody() {
    replace_servers(Served::start_activated(&with_small_parts()), SHORT);
}

#[test]
#[ignore = "long: `cargo xtask test --long`"]
fn servers_that_are_replaced_very_often_are_missed_by_nobody() {
    replace_servers(Served::start(&with_small_parts()), LONG);
}
