//! The program curl, asked over a loopback server what it sends. Where it is not installed, the
//! tests say so and pass.

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use fh_conf::netrc::Netrc;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::files::file;
use super::readers::{Age, read};
use super::server::{Server, basic};

fn installed(program: &str) -> bool {
    let found = Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .status()
        .is_ok();
    if !found {
        fh_testkit::skipped(&format!("netrc as {program} reads it: it is not installed"));
    }
    found
}

fn run(command: &mut Command) -> Output {
    command
        .stdin(Stdio::null())
        .output()
        .expect("the program starts")
}

/// What curl sends to a host (without regard to what is an error for it); `None` for no
/// credentials.
fn ask_curl(server: &Server, host: &str, netrc: &Path) -> Option<String> {
    let url = format!("http://{host}:{}/", server.address.port());
    let resolve = format!("{host}:{}:{}", server.address.port(), server.address.ip());
    let mut command = Command::new("curl");
    command.args([
        "--disable",
        "--silent",
        "--noproxy",
        "*",
        "--max-time",
        "20",
        "--resolve",
        &resolve,
    ]);
    run(command.arg("--netrc-file").arg(netrc).arg(url));
    server.sent().into_iter().flatten().next()
}

#[test]
fn curl_sends_what_was_set() {
    if !installed("curl") {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("netrc");
    let server = Server::start(Ipv4Addr::LOCALHOST);
    let fixed = "machine new.example login fh password ".len();
    let longest = "p".repeat(4094 - fixed - " # remark".len());
    let files = [
        "",
        "# remark",
        "machine a login b password c",
        "machine a login b password c\r\nmachine d login e password f\r\n",
        "machine new.example\r\n  login old\r\n  password \"old\"\r\n",
        "machine NEW.example password old # remark\n",
        "default login x password y\n",
        "machine a login default password \"a b\"\nmachine b login machine password macdef\n",
        "machine a login b\nmacdef init\nmachine new.example login no password no\n",
        "machine a login b\nmacdef init\nmachine new.example login no password no\n\nmachine new.example login c password d",
        "machine a login b password #c machine d\n",
        "machine # a\nlogin b password c\n",
        "machine a login b password c # see default\n",
    ];
    let passwords = [
        "secret",
        "fh1_eyJhbGciOiJFZERTQSJ9.e30.a-b_c",
        "a#b:c'd$e=f+/~!&*();,?",
        &longest,
    ];
    for before in files {
        for password in passwords {
            let Ok(mut netrc) = Netrc::parse(before.as_bytes()) else {
                continue;
            };
            netrc.set("new.example", "fh", password).expect("set");
            std::fs::write(&path, netrc.as_bytes()).expect("written");
            let sent = ask_curl(&server, "new.example", &path);
            assert_eq!(
                sent,
                Some(basic(b"fh", password.as_bytes())),
                "{before:?} {password}"
            );
        }
    }
}

/// A model that is wrong would prove nothing: it has to agree with the program of its age.
#[test]
fn the_model_reads_as_curl_does() {
    if !installed("curl") {
        return;
    }
    let version = run(Command::new("curl").arg("--version")).stdout;
    let version = String::from_utf8_lossy(&version).into_owned();
    if !version.starts_with("curl 7.88.1 ") {
        fh_testkit::skipped(&format!(
            "the model of netrc readers is of curl 7.88.1 as Debian 12 has it, not of {version}"
        ));
        return;
    }
    let age = Age::Fixed;
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("netrc");
    let server = Server::start(Ipv4Addr::LOCALHOST);
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), random);
    let mut asked = 0;
    while asked < 60 {
        let before = file(false).new_tree(&mut runner).expect("a file").current();
        let Ok(mut netrc) = Netrc::parse(before.as_bytes()) else {
            continue;
        };
        // What is sent for half an entry depends on more than the file.
        let whole = |host: &String| {
            let entry = netrc.get(host);
            entry.is_some_and(|entry| entry.login().is_some() && entry.password().is_some())
        };
        let known = |host: &String| ["a", "b.example", "z42"].contains(&host.as_str());
        let other = netrc
            .hosts()
            .into_iter()
            .filter(|_| !before.contains("#hash"))
            .find(|host| known(host) && whole(host));
        netrc.set("new.example", "fh", "secret").expect("set");
        let after = String::from_utf8(netrc.to_bytes()).expect("text");
        std::fs::write(&path, &after).expect("written");
        let hosts = [Some("new.example".to_owned()), other];
        for host in hosts.into_iter().flatten() {
            let expected = read(&after, &host, age).map(|(login, password)| {
                basic(
                    login.unwrap_or_default().as_bytes(),
                    password.unwrap_or_default().as_bytes(),
                )
            });
            assert_eq!(ask_curl(&server, &host, &path), expected, "{host}: {after}");
        }
        asked += 1;
    }
}
