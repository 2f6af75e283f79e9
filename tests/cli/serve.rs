//! `fh serve` as a process: its start, what it tells the service manager, and its end.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::time::{Duration, Instant};

use fh_testkit::{assert_contains, assert_lacks};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

const FH: &str = env!("CARGO_BIN_EXE_fh");

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// `fh serve` with an environment of its own.
fn serve(home: &Path) -> Command {
    let mut command = Command::new(FH);
    command.arg("serve");
    hermetic(&mut command, home);
    command
}

fn hermetic(command: &mut Command, home: &Path) {
    command.env_clear().env("HOME", home).stdin(Stdio::null());
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
}

/// A server that runs; killed on drop.
struct Running {
    child: Child,
    log: BufReader<ChildStderr>,
    url: String,
}

impl Running {
    /// Waits until the JSON log says that it serves.
    fn start(command: &mut Command) -> Self {
        command.env("FH_SERVE_LOG_FORMAT", "json");
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        let url = loop {
            line.clear();
            assert_ne!(
                log.read_line(&mut line).unwrap(),
                0,
                "it ended without serving"
            );
            let event: serde_json::Value = serde_json::from_str(&line).unwrap();
            if event["message"] == "serving" {
                break event["url"].as_str().unwrap().to_owned();
            }
        };
        Self { child, log, url }
    }

    fn address(&self) -> &str {
        self.url.strip_prefix("http://").unwrap()
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// The exit code, and the rest of the log.
    fn end(&mut self) -> (Option<i32>, String) {
        let started = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(started.elapsed() < PATIENCE, "it does not end");
            std::thread::sleep(Duration::from_millis(20));
        };
        let mut rest = String::new();
        self.log.read_to_string(&mut rest).unwrap();
        (status.code(), rest)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Ended already, most often.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn get(stream: &mut (impl std::io::Read + std::io::Write), path: &str) -> String {
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn output(command: &mut Command) -> (Option<i32>, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    (status.code(), text(&stdout), text(&stderr))
}

#[test]
fn the_first_start_needs_nothing_and_sigterm_ends_it_with_0() {
    let home = tempfile::tempdir().unwrap();
    let mut server = Running::start(serve(home.path()).args(["--listen", "127.0.0.1:0"]));
    let answer = get(
        &mut TcpStream::connect(server.address()).unwrap(),
        "/readyz",
    );
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");

    let data = home.path().join(".local/share/fh-server");
    let token = data.join("admin.token");
    assert_eq!(
        token.metadata().unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert_eq!(data.metadata().unwrap().permissions().mode() & 0o777, 0o700);

    // A second one keeps its hands off.
    let (code, _, stderr) = output(serve(home.path()).args(["--listen", "127.0.0.1:0"]));
    assert_eq!(code, Some(1), "{stderr}");
    assert_contains(&stderr, &["another server is using the data directory"]);

    // A check beside it says so, and finds nothing wrong.
    let same = ["--check", "--listen", server.address()];
    let (code, _, stderr) = output(serve(home.path()).args(same));
    assert_eq!(code, Some(0), "{stderr}");
    assert_contains(
        &stderr,
        &["a server is running on this data directory", "is in use"],
    );

    // Without TLS there is nothing to read again, and no reason to end.
    server.signal(Signal::HUP);
    let secret = std::fs::read_to_string(&token).unwrap();
    server.signal(Signal::TERM);
    let (code, log) = server.end();
    assert_eq!(code, Some(0), "{log}");
    assert_contains(&log, &["\"route\":\"/readyz\"", "stopped"]);
    assert!(!log.contains(secret.trim()), "the log shows the token");
}

/// Whatever a client sends: as bytes, as no other client would send them.
#[test]
fn no_line_of_the_log_has_a_secret_or_plays_on_a_terminal() {
    const TOKEN: &str = "fh1_eyJhbGciOiJFZERTQSJ9.eyJqdGkiOiIwIn0.\
                         c2lnbmF0dXJlc2lnbmF0dXJlc2lnbmF0dXJlc2lnbmF0dXJl";
    let home = tempfile::tempdir().unwrap();
    let mut server = Running::start(serve(home.path()).args(["--listen", "127.0.0.1:0"]));
    let basic = "Authorization: Basic ZmgxX2V5SmhiR2NpT2lKRlpFUlRRU0o5OmMybG5ibUYwZFhKbA==";
    let sent: &[(&str, &str)] = &[
        ("/A\u{9b}31mred\u{85}", ""),
        ("/B\u{202e}reversed\u{ad}", ""),
        ("/C\u{7f}\u{e0041}", ""),
        ("/%0aINFO%20fake", ""),
        (&format!("/D{}", "\u{e9}".repeat(3000)), ""),
        (&format!("/{TOKEN}"), ""),
        (&format!("/%66{}", &TOKEN[1..]), ""),
        (&format!("/%2566{}", &TOKEN[1..]), ""),
        (&format!("/api/v1/orgs/{TOKEN}"), ""),
        (
            &format!("/E?token={TOKEN}"),
            &format!("Referer: http://a/?{TOKEN}"),
        ),
        ("/F", &format!("User-Agent: {TOKEN}")),
        ("/G", &format!("X-Request-Id: {TOKEN}")),
        ("/H", &format!("Authorization: Bearer {TOKEN}")),
        ("/I", basic),
    ];
    for &(path, header) in sent {
        let mut stream = TcpStream::connect(server.address()).unwrap();
        let header = if header.is_empty() {
            "Accept: */*"
        } else {
            header
        };
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{header}\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 "), "{path}");
    }
    server.signal(Signal::TERM);
    let (code, log) = server.end();
    assert_eq!(code, Some(0), "{log}");
    assert_contains(
        &log,
        &[
            "/A%C2%9B31mred",
            "/B%E2%80%AEreversed%C2%AD",
            "/D%C3%A9",
            "/E",
            "looks like a token",
        ],
    );
    let secrets = ["c2lnbmF0dXJl", "eyJhbGci", "ZmgxX2V5Sm", "ibUYwZFhKbA"];
    for line in log.lines() {
        assert!(
            line.chars().all(|c| (' '..='~').contains(&c) || c == '…'),
            "{line:?}"
        );
        assert!(line.len() < 1500, "{line}");
        assert!(
            !secrets.iter().any(|secret| line.contains(secret)),
            "{line}"
        );
    }
}

#[test]
fn a_running_request_is_answered_after_the_signal_and_a_second_signal_ends_it() {
    for second in [false, true] {
        let home = tempfile::tempdir().unwrap();
        let mut server = Running::start(serve(home.path()).args(["--listen", "127.0.0.1:0"]));
        let data = home.path().join(".local/share/fh-server");
        let token = std::fs::read_to_string(data.join("admin.token")).unwrap();
        let body = "{\"name\":\"acme\"}";
        let mut stream = TcpStream::connect(server.address()).unwrap();
        write!(
            stream,
            "POST /api/v1/orgs HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{}",
            token.trim(),
            body.len(),
            &body[..5]
        )
        .unwrap();
        std::thread::sleep(Duration::from_millis(300));
        server.signal(Signal::INT);
        std::thread::sleep(Duration::from_millis(300));
        assert!(
            TcpStream::connect(server.address()).is_err(),
            "it still accepts"
        );
        if second {
            server.signal(Signal::TERM);
            let (code, log) = server.end();
            assert_eq!(code, Some(0), "{log}");
            assert_contains(&log, &["told to stop at once"]);
        } else {
            stream.write_all(&body.as_bytes()[5..]).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
            assert_eq!(server.end().0, Some(0));
        }
    }
}

/// Runs `fh serve` by a shell that moves its standard input to descriptor 3, as systemd would pass a
/// socket there.
fn activated(home: &TempDir, socket: OwnedFd, arguments: &str) -> Command {
    let script =
        format!("exec env LISTEN_FDS=1 LISTEN_PID=$$ \"$0\" serve {arguments} 3<&0 0</dev/null");
    let mut command = Command::new("sh");
    command.args(["-c", &script, FH]);
    hermetic(&mut command, home.path());
    command.stdin(Stdio::from(socket));
    command
}

#[test]
fn sockets_of_systemd_replace_the_default_address() {
    let home = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut server = Running::start(&mut activated(&home, listener.into(), ""));
    assert_eq!(server.url, format!("http://{address}"));
    let answer = get(&mut TcpStream::connect(address).unwrap(), "/readyz");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    server.signal(Signal::TERM);
    assert_eq!(server.end().0, Some(0));
}

#[test]
fn a_unix_socket_of_systemd_is_served_and_left_to_it() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("activated.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let arguments = "--public-url https://cache.example.org";
    let mut server = Running::start(&mut activated(&home, listener.into(), arguments));
    assert_eq!(server.url, "https://cache.example.org");
    let answer = get(&mut UnixStream::connect(&path).unwrap(), "/readyz");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    server.signal(Signal::TERM);
    assert_eq!(server.end().0, Some(0));
    assert!(path.exists());
}

#[test]
fn systemd_is_told_that_it_serves_and_that_it_stops() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("notify.sock");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let told = || {
        let mut buffer = [0; 1000];
        let count = manager.recv(&mut buffer).unwrap();
        text(&buffer[..count])
    };
    let state = home.path().join("state");
    let mut server = Running::start(
        serve(home.path())
            .args(["--listen", "127.0.0.1:0"])
            .env("NOTIFY_SOCKET", &path)
            .env("STATE_DIRECTORY", &state),
    );
    assert!(told().starts_with("READY=1\n"));
    assert!(state.join("admin.token").exists());
    server.signal(Signal::TERM);
    assert!(told().starts_with("STOPPING=1\n"));
    assert_eq!(server.end().0, Some(0));
}

#[test]
fn a_unix_socket_has_its_mode_and_goes_with_the_server() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("http.sock");
    let listen = format!("unix:{}?mode=600", path.display());
    let mut server = Running::start(
        serve(home.path())
            .args(["--listen", &listen])
            .args(["--public-url", "http://cache.example.org/"]),
    );
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let answer = get(&mut UnixStream::connect(&path).unwrap(), "/.well-known/fh");
    assert_contains(&answer, &["\"http://cache.example.org\""]);
    // Killed, it leaves the file; the next one takes its place.
    server.signal(Signal::KILL);
    assert_eq!(server.end().0, None);
    assert!(path.exists());
    let mut server = Running::start(
        serve(home.path())
            .args(["--listen", &listen])
            .args(["--public-url", "http://cache.example.org"]),
    );
    server.signal(Signal::TERM);
    assert_eq!(server.end().0, Some(0));
    assert!(!path.exists());
}

/// A file on a full disk, and a pipe whose reader is gone.
#[test]
fn a_log_that_cannot_be_written_ends_no_server() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let full = File::options().write(true).open("/dev/full").unwrap();
    for log in [Stdio::from(full), Stdio::from(writer)] {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("http.sock");
        let mut command = serve(home.path());
        let listen = format!("unix:{}", path.display());
        command.args(["--listen", &listen, "--public-url", "http://a.example"]);
        let mut child = command.stderr(log).spawn().unwrap();
        let started = Instant::now();
        while UnixStream::connect(&path).is_err() && started.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(20));
        }
        // Each of them is a line of the log, and the first one is written before the others come.
        let answers: Vec<_> = (0..3)
            .filter_map(|_| UnixStream::connect(&path).ok())
            .map(|mut stream| get(&mut stream, "/.well-known/fh"))
            .collect();
        kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
        let status = child.wait().unwrap();
        assert_eq!(status.code(), Some(0));
        let is_good = |answer: &String| answer.starts_with("HTTP/1.1 200 ");
        assert_eq!(answers.iter().filter(|it| is_good(it)).count(), 3);
    }
}

#[test]
fn a_check_prints_what_would_be_used_and_why() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("fh.toml");
    std::fs::write(
        &file,
        "listen = [\"127.0.0.1:0\"]\npriority = 1\npart-size = \"1MiB\"\nbatched-nar-size = \"1MiB\"\n",
    )
    .unwrap();
    let (code, stdout, stderr) = output(
        serve(home.path())
            .arg("--check")
            .args(["--part-size", "2MiB"])
            .env("FH_SERVE_CONFIG", &file)
            .env("FH_SERVE_PRIORITY", "2")
            .env("FH_SERVE_PART_SIZE", "nonsense"),
    );
    assert_eq!(code, Some(0), "{stderr}");
    let line = |key: &str| {
        let line = stdout
            .lines()
            .find(|line| line.split_whitespace().next() == Some(key));
        line.unwrap()
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(line("part-size"), "part-size 2MiB (command line)");
    assert_eq!(line("priority"), "priority 2 (environment)");
    assert_eq!(
        line("listen"),
        format!("listen 127.0.0.1:0 ({}, line 1)", file.display())
    );
    assert_eq!(line("log-filter"), "log-filter info (default)");
    assert!(
        line("data-dir").ends_with("(the home directory)"),
        "{stdout}"
    );
    assert!(
        !home.path().join(".local").exists(),
        "a check made something"
    );
}

#[test]
fn what_is_wrong_is_named_where_it_stands() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("fh.toml");
    std::fs::write(&file, "# nothing\nprioritty = 1\n").unwrap();
    let (code, _, stderr) = output(serve(home.path()).arg("--config").arg(&file));
    assert_eq!(code, Some(1));
    let expected = format!(
        "Error: {}, line 2: unknown key `prioritty`; did you mean `priority`?",
        file.display()
    );
    assert!(stderr.starts_with(&expected), "{stderr}");

    let (code, _, stderr) = output(serve(home.path()).args(["--part-size", "huge"]));
    assert_eq!(code, Some(2));
    assert!(stderr.starts_with("Error: --part-size: "), "{stderr}");

    let (code, _, stderr) = output(serve(home.path()).env("FH_SERVE_LISTEN", "localhost:1"));
    assert_eq!(code, Some(2));
    assert!(stderr.starts_with("Error: FH_SERVE_LISTEN: "), "{stderr}");

    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for extra in [&[][..], &["--check"][..]] {
        let (code, _, stderr) = output(serve(home.path()).args(["--listen", &address]).args(extra));
        assert_eq!(code, Some(1));
        assert_contains(&stderr, &[&format!("cannot listen on {address}")]);
    }
}

#[test]
fn the_example_is_a_configuration_file_that_changes_nothing() {
    let home = tempfile::tempdir().unwrap();
    let (code, example, _) = output(serve(home.path()).arg("--print-example"));
    assert_eq!(code, Some(0));
    let file = home.path().join("fh.toml");
    std::fs::write(&file, example).unwrap();
    let (code, stdout, stderr) = output(
        serve(home.path())
            .arg("--check")
            .arg("--config")
            .arg(&file)
            .args(["--listen", "127.0.0.1:0"]),
    );
    assert_eq!(code, Some(0), "{stderr}");
    assert_lacks(&stdout, &["line "]);
}
