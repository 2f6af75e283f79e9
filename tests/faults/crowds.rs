//! One who wants everything: connections, uploads, memory, failed log-ins. Somebody else, with another account and
//! at another address, is served as if nobody were there. Each test prints how long they waited.
//!
//! All of 127.0.0.0/8 is this machine: mallory comes from 127.0.0.2, bob from 127.0.0.3.

#![allow(clippy::print_stdout, reason = "how long somebody waited is told")]

use std::fmt;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use fh_nix::NarHash;
use serde_json::json;

use crate::nix::http::{Answer, Http};
use crate::nix::served::Served;

const MALLORY: &str = "127.0.0.2";
const BOB: &str = "127.0.0.3";

/// How often bob does something.
const ROUNDS: usize = 40;

/// How long bob may wait in the worst case: far above what he waits for by himself, far below any time-out.
const BEARABLE: Duration = Duration::from_secs(2);

/// How long somebody waited, again and again.
struct Waits(Vec<Duration>);

impl Waits {
    /// For something that is done again and again.
    fn of(mut step: impl FnMut(usize)) -> Self {
        let wait = |number| {
            let started = Instant::now();
            step(number);
            started.elapsed()
        };
        let mut waits: Vec<Duration> = (0..ROUNDS).map(wait).collect();
        waits.sort_unstable();
        Self(waits)
    }

    fn percentile(&self, percent: usize) -> Duration {
        self.0[(self.0.len() * percent / 100).min(self.0.len() - 1)]
    }

    /// Says how long it was, alone and beside somebody else, and that the second is bearable.
    #[track_caller]
    fn assert_bearable(what: &str, alone: &Self, beside: &Self) {
        println!("{what}: alone {alone}; beside the attacker {beside}");
        assert!(beside.percentile(99) < BEARABLE, "{what}: {beside}");
    }
}

impl fmt::Display for Waits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (half, most) = (self.percentile(50), self.percentile(99));
        write!(f, "p50 {half:.1?}, p99 {most:.1?}")
    }
}

/// A connection from another address of this machine.
fn connect_from(source: &str, to: &Http) -> std::io::Result<TcpStream> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let stream = runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4()?;
        socket.bind(format!("{source}:0").parse().unwrap())?;
        socket.connect(to.address).await?.into_std()
    })?;
    stream.set_nonblocking(false)?;
    Ok(stream)
}

/// Somebody with an account, at an address of their own.
struct Somebody {
    http: Http,
    source: &'static str,
}

impl Somebody {
    /// With a flake that they may write to.
    fn new(served: &Served, name: &str, source: &'static str) -> Self {
        let admin = served.admin();
        admin
            .send("POST", "/api/v1/users", &json!({ "name": name }))
            .expect(201);
        admin
            .send(
                "POST",
                "/api/v1/orgs",
                &json!({ "name": format!("{name}s") }),
            )
            .expect(201);
        let flake = json!({ "flake": format!("{name}s/app"), "visibility": "private" });
        admin.send("POST", "/api/v1/flakes", &flake).expect(201);
        let member = format!("/api/v1/orgs/{name}s/members/{name}");
        admin
            .send("PUT", &member, &json!({ "role": "owner" }))
            .expect(200);
        let minted = json!({ "user": name, "permissions": ["pull", "push", "mint"] });
        let minted = admin.send("POST", "/api/v1/tokens", &minted).expect(201);
        let token = minted.json()["token"].as_str().unwrap().to_owned();
        let http = Http {
            token: Some(token),
            ..admin
        };
        Self { http, source }
    }

    #[track_caller]
    fn request(&self, method: &str, path: &str, media_type: &str, body: &[u8]) -> Answer {
        let stream = connect_from(self.source, &self.http).unwrap();
        self.http
            .request_on(stream, method, path, media_type, body)
            .unwrap()
    }

    /// Begins a push of a file with these contents: where it goes on, and its NAR.
    #[track_caller]
    fn plan(&self, flake: &str, contents: &[u8]) -> (String, Vec<u8>) {
        let nar = nar(contents);
        let name = NarHash::of(contents);
        let path = json!({
            "path": format!("{}-file", fh_nix::base32::encode(&name.as_bytes()[..20])),
            "nar_hash": NarHash::of(&nar).to_sri(),
            "nar_size": nar.len(),
        });
        let pushes = format!("/api/v1/flakes/{flake}/pushes");
        let body = json!({ "paths": [path] }).to_string();
        let planned = self.request("POST", &pushes, "application/json", body.as_bytes());
        let planned = planned.expect(201).json();
        (format!("{pushes}/{}", planned["id"].as_str().unwrap()), nar)
    }

    /// A push from its plan to its commit.
    #[track_caller]
    fn push(&self, flake: &str, contents: &[u8]) {
        let (push, nar) = self.plan(flake, contents);
        let compressed = zstd::bulk::compress(&nar, 1).unwrap();
        let mut record = NarHash::of(&nar).as_bytes().to_vec();
        record.extend((compressed.len() as u64).to_le_bytes());
        record.extend(compressed);
        let media_type = "application/vnd.fh.nar-batch";
        self.request("POST", &format!("{push}/nars"), media_type, &record)
            .expect(200);
        self.request("POST", &format!("{push}/commit"), "application/json", b"")
            .expect(200);
    }

    /// The first lines of a request with a body of that length.
    fn head(&self, method: &str, path: &str, media_type: &str, length: &str) -> String {
        let token = self.http.token.as_deref().unwrap();
        format!(
            "{method} {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: {media_type}\r\n{length}\r\n\r\n"
        )
    }
}

/// The NAR of a regular file.
fn nar(contents: &[u8]) -> Vec<u8> {
    let mut nar = Vec::new();
    let words: [&[u8]; 7] = [
        b"nix-archive-1",
        b"(",
        b"type",
        b"regular",
        b"contents",
        contents,
        b")",
    ];
    for word in words {
        nar.extend((word.len() as u64).to_le_bytes());
        nar.extend(word);
        nar.resize(nar.len().next_multiple_of(8), 0);
    }
    nar
}

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

/// What the server process has used at most, in KiB.
fn peak(served: &Served) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", served.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    number.unwrap().parse().unwrap()
}

#[test]
fn a_body_in_pieces_of_one_byte_costs_what_its_bytes_do() {
    const BYTES: usize = 2 << 20;
    let served = Served::start(&[]);
    let mallory = Somebody::new(&served, "mallory", MALLORY);
    let before = peak(&served);
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
    let grown = peak(&served).saturating_sub(before);
    println!("{BYTES} bytes one by one: the server grew by {grown} KiB");
    assert!(grown < 24 << 10, "the server grew by {grown} KiB");
}
