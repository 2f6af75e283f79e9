//! One who wants everything: connections, uploads, memory, failed log-ins. Somebody else, with another account and
//! at another address, is served as if nobody were there. Each test prints how long they waited.
//! Mallory comes from 127.0.0.2, bob from 127.0.0.3.

#![allow(clippy::print_stdout, reason = "how long somebody waited is told")]

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::nix::http::Http;
use crate::nix::served::Served;
use crate::somebody::{Somebody, connect_from};
use crate::waits::Waits;

const MALLORY: &str = "127.0.0.2";
const BOB: &str = "127.0.0.3";

/// Writes a byte now and then on each of these connections, until it is dropped.
struct Drip {
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Drip {
    fn start(mut streams: Vec<TcpStream>) -> Self {
        let ended = Arc::new(AtomicBool::new(false));
        let end = Arc::clone(&ended);
        let thread = std::thread::spawn(move || {
            while !end.load(Ordering::Relaxed) {
                for stream in &mut streams {
                    // Those that the server has ended are of no interest.
                    let _ = stream.write_all(&[7; 120]);
                }
                std::thread::sleep(Duration::from_millis(100));
            }
        });
        Self {
            ended,
            thread: Some(thread),
        }
    }
}

impl Drop for Drip {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[test]
fn uploads_that_drip_keep_no_other_push_waiting() {
    let served = Served::start(&[]);
    let bob = Somebody::new(&served, "bob", BOB);
    let mallory = Somebody::new(&served, "mallory", MALLORY);
    let push =
        |round: &str, number: usize| bob.push("bobs/app", format!("{round} {number}").as_bytes());
    let alone = Waits::of(|number| push("alone", number));

    let (begun, _) = mallory.plan("mallorys/app", b"never");
    let length = format!("Content-Length: {}", 20 << 20);
    let path = format!("{begun}/nars");
    let head = mallory.head("POST", &path, "application/vnd.fh.nar-batch", &length);
    let streams = (0..150).map(|_| {
        let mut stream = connect_from(mallory.source, &mallory.http).unwrap();
        stream.write_all(head.as_bytes()).unwrap();
        stream
    });
    let _drip = Drip::start(streams.collect());
    crate::nix::eventually("mallory holds what she can", || {
        metric(&served, "fh_uploads_in_progress ") >= 43
    });
    let beside = Waits::of(|number| push("beside", number));
    Waits::assert_bearable("a push", &alone, &beside);
}

/// One number of the server's metrics.
fn metric(served: &Served, name: &str) -> u64 {
    let metrics = served.admin().get("/metrics").text();
    let line = metrics.lines().find(|line| line.starts_with(name));
    let number = line.and_then(|line| line.split(' ').nth(1)).unwrap_or("0");
    number.parse::<f64>().map_or(0, |number| number as u64)
}

#[test]
fn a_drip_is_ended() {
    let served = Served::start(&["--stall-timeout", "2s"]);
    let mallory = Somebody::new(&served, "mallory", MALLORY);
    let (begun, _) = mallory.plan("mallorys/app", b"never");
    let length = format!("Content-Length: {}", 20 << 20);
    let path = format!("{begun}/nars");
    let head = mallory.head("POST", &path, "application/vnd.fh.nar-batch", &length);
    let mut stream = connect_from(mallory.source, &mallory.http).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    let _drip = Drip::start(vec![stream.try_clone().unwrap()]);
    let mut answer = [0; 4096];
    let count = stream.read(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer[..count]).into_owned();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
}

#[test]
fn connections_of_one_address_keep_no_other_waiting() {
    let served = Served::start(&["--max-connections", "64"]);
    let admin = served.admin();
    let bob = Somebody {
        http: Http {
            token: None,
            ..admin
        },
        source: BOB,
    };
    let ask = |_| {
        bob.request("GET", "/nix-cache-info", "", b"").expect(200);
    };
    let alone = Waits::of(ask);
    // Half of them are silent, half have asked once and are kept alive.
    let mut crowd = Vec::new();
    for number in 0..200 {
        let mut stream = connect_from(MALLORY, &bob.http).unwrap();
        if number % 2 == 0 {
            // Those beyond her part are closed.
            let _ = stream.write_all(b"GET /nix-cache-info HTTP/1.1\r\nHost: a\r\n\r\n");
        }
        crowd.push(stream);
    }
    let beside = Waits::of(ask);
    Waits::assert_bearable("an answer", &alone, &beside);
    drop(crowd);
}

#[test]
fn bad_credentials_of_one_address_lock_no_good_ones_out_also_after_a_restart() {
    let mut served = Served::start(&["--login-failures", "5"]);
    let bob = Somebody::new(&served, "bob", BOB);
    served.kill_and_start_again();
    let guess = Http {
        token: Some("fh1_guess".to_owned()),
        ..bob.http.clone()
    };
    let guesses: Vec<u16> = (0..10)
        .map(|_| {
            let stream = connect_from(BOB, &guess).unwrap();
            let answer = guess.request_on(stream, "GET", "/api/v1/whoami", "", b"");
            answer.unwrap().status
        })
        .collect();
    assert_eq!(guesses[..5], [401; 5]);
    assert_eq!(guesses[9], 429);
    bob.request("GET", "/api/v1/whoami", "", b"").expect(200);
}

#[test]
fn a_body_in_pieces_of_one_byte_costs_what_its_bytes_do() {
    const BYTES: usize = 2 << 20;
    let served = Served::start(&[]);
    let mallory = Somebody::new(&served, "mallory", MALLORY);
    let before = served.peak();
    let path = "/api/v1/flakes/mallorys/app/pushes";
    let length = "Transfer-Encoding: chunked\r\nConnection: close";
    let mut request = mallory
        .head("POST", path, "application/json", length)
        .into_bytes();
    for _ in 0..BYTES {
        request.extend(b"1\r\n \r\n");
    }
    request.extend(b"0\r\n\r\n");
    let mut stream = connect_from(mallory.source, &mallory.http).unwrap();
    stream.write_all(&request).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    let grown = served.peak().saturating_sub(before);
    println!("{BYTES} bytes one by one: the server grew by {grown} KiB");
    assert!(grown < 24 << 10, "the server grew by {grown} KiB");
}
