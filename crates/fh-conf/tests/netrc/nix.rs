//! Nix's own downloads: what each version sends to whom, before and after an edit.
//!
//! The versions that the tests use have three ages of libcurl (7.88.1, 8.14.1 and 8.23.0), which is
//! what reads the file; their models in `readers.rs` are held to them here.

use std::net::Ipv4Addr;
use std::path::PathBuf;

use fh_conf::netrc::Netrc;
use fh_testkit::nix::{Home, Nix, ScratchStore, versions};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::files::file;
use super::readers::{Age, Found, read};
use super::server::{Server, basic};

/// The hosts of the files, ours last; the others have these names in random files.
const HOSTS: [&str; 4] = ["127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.9"];
const NAMES: [&str; 3] = ["a", "b.example", "z42"];
const OURS: usize = 3;
const TOKEN: &str = "fh1_eyJhbGciOiJFZERTQSJ9.e30.a-b_c";

/// What was sent to each host.
type Sent = Vec<Option<String>>;

/// A version of Nix, and a server for each host.
struct Judge {
    nix: &'static Nix,
    home: Home,
    store: ScratchStore,
    servers: Vec<Server>,
    /// Each download has another name: Nix remembers what it has.
    count: usize,
}

impl Judge {
    fn new(nix: &'static Nix) -> Self {
        let servers =
            HOSTS.map(|host| Server::start(host.parse::<Ipv4Addr>().expect("an address")));
        Self {
            nix,
            home: Home::new().expect("a home"),
            store: ScratchStore::new().expect("a store"),
            servers: servers.into_iter().collect(),
            count: 0,
        }
    }

    fn netrc(&self) -> PathBuf {
        self.home.path().join("the netrc")
    }

    /// Has Nix download from every host with this netrc.
    fn ask(&mut self, text: &[u8]) -> Sent {
        std::fs::write(self.netrc(), text).expect("written");
        self.count += 1;
        let urls = self.servers.iter().map(|server| {
            let count = self.count;
            format!("(builtins.fetchurl \"http://{}/{count}\")", server.address)
        });
        let expression = format!("map toString [ {} ]", urls.collect::<String>());
        let mut command = self.nix.command("nix", &self.home);
        command
            .args(["--extra-experimental-features", "nix-command", "eval"])
            .args(["--impure", "--json", "--store", &self.store.uri()])
            .args(["--option", "netrc-file"])
            .arg(self.netrc())
            .args(["--expr", &expression]);
        let output = command.output().expect("nix starts");
        assert!(
            output.status.success(),
            "Nix {}: {}",
            self.nix.version(),
            String::from_utf8_lossy(&output.stderr)
        );
        let sent = self.servers.iter().map(|server| {
            let all = server.sent();
            assert_eq!(all.len(), 1, "one request to each host");
            all.into_iter().flatten().next()
        });
        sent.collect()
    }

    /// The age of its libcurl, as Debian has them.
    fn age(&self) -> Age {
        match self.nix.version() {
            old if old.starts_with("2.8.") => Age::Fixed,
            old if old.starts_with("2.26.") => Age::InMemory,
            _ => Age::Lexer,
        }
    }

    fn judge(&mut self, text: &str) {
        let Ok(mut netrc) = Netrc::parse(text.as_bytes()) else {
            return;
        };
        let shown = format!("Nix {}: {text:?}", self.nix.version());
        let before = self.ask(text.as_bytes());
        netrc.set(HOSTS[OURS], "fh", TOKEN).expect("set");
        let after = self.ask(netrc.as_bytes());
        assert_eq!(after[OURS], Some(header("fh", TOKEN)), "{shown}");
        for (index, host) in HOSTS.iter().enumerate().take(OURS) {
            // For an entry without login or password, libcurl 8.11 and later look further, and so
            // what they find depends on more than the entry.
            let entry = netrc.get(host);
            let is_whole = entry
                .as_ref()
                .is_none_or(|entry| entry.login().is_some() && entry.password().is_some());
            if is_whole {
                assert_eq!(after[index], before[index], "{host} in {shown}");
            }
            let is_plain = netrc.entry_text(host).is_some_and(is_plain);
            if let Some(entry) = entry.filter(|_| is_whole && is_plain && netrc.is_in_reach(host)) {
                let (login, password) = (entry.login(), entry.password());
                let expected = basic(login.unwrap_or_default(), password.unwrap_or_default());
                assert_eq!(after[index].as_ref(), Some(&expected), "{host} in {shown}");
            }
        }
        let text = String::from_utf8(netrc.to_bytes()).expect("text");
        let model = read(&text, HOSTS[OURS], self.age());
        assert_eq!(after[OURS], of_model(model), "the model of {shown}");
    }
}

/// Whether all versions read an entry alike: of repeated values, the older take the first that make
/// a pair, and the newest the last; and a `#` is a remark to some.
fn is_plain(entry: &[u8]) -> bool {
    let text = String::from_utf8_lossy(entry).to_ascii_lowercase();
    let count = |keyword| text.matches(keyword).count();
    !text.contains('#') && count("login") == 1 && count("password") == 1
}

fn header(login: &str, password: &str) -> String {
    basic(login.as_bytes(), password.as_bytes())
}

fn of_model(found: Found) -> Option<String> {
    let (login, password) = found?;
    Some(header(
        &login.unwrap_or_default(),
        &password.unwrap_or_default(),
    ))
}

fn for_each_version(judge: impl Fn(&mut Judge) + Sync) {
    std::thread::scope(|scope| {
        for nix in versions() {
            let judge = &judge;
            scope.spawn(move || judge(&mut Judge::new(nix)));
        }
    });
}

#[test]
fn every_version_sends_what_was_set_and_all_else_as_before() {
    for_each_version(|judge| {
        for text in [
            "",
            "# mine\nmachine 127.0.0.2 login a password b # remark",
            "machine 127.0.0.2 login a password b\r\nmachine 127.0.0.3 login c password d\r\n",
            "machine 127.0.0.2 login a password b\ndefault login x password y\n",
            "machine 127.0.0.2\n\tlogin a\n\tpassword b\n\tmachine 127.0.0.3 login c password d machine 127.0.0.4 login e password f",
            "machine 127.0.0.9 login old password old\nmachine 127.0.0.3 login c password d\n",
            "machine 127.0.0.9\r\n  password \"the old\"\r\n\r\nmachine 127.0.0.3 login c password d\n",
            "machine 127.0.0.2 login a password \"b c\\\"d\\\\e\"\nmachine 127.0.0.3 login \"#x\" password '\n",
            "machine 127.0.0.2 login a password b account c\nmacdef init\nmachine 127.0.0.9 login no password no\n\nmachine 127.0.0.3 login c password d\n",
            "machine 127.0.0.2 login a password b\nmacdef last\nmachine 127.0.0.9 login no password no",
            "\n\n  machine   127.0.0.2\tlogin\ta   password\tb  \n\n\n",
            "machine 127.0.0.2 login a password b\n# machine 127.0.0.9 login no password no\ndefault\n",
        ] {
            judge.judge(text);
        }
    });
}

fn random_files(count: usize, seed: u8) {
    for_each_version(|judge| {
        let random = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]);
        let mut runner = TestRunner::new_with_rng(Config::default(), random);
        for _ in 0..count {
            let mut text = file(true).new_tree(&mut runner).expect("a file").current();
            for (name, host) in NAMES.iter().zip(HOSTS) {
                let pattern = [format!("machine {name}"), format!("MACHINE {name}")];
                for found in pattern {
                    for end in [" ", "\n", "\t", "\r"] {
                        let new = format!("machine {host}{end}");
                        text = text.replace(&format!("{found}{end}"), &new);
                    }
                }
            }
            judge.judge(&text);
        }
    });
}

#[test]
fn every_version_reads_random_files_as_before() {
    random_files(12, 5);
}

#[test]
#[ignore = "long: hundreds of processes of each Nix"]
fn every_version_reads_many_random_files_as_before() {
    random_files(200, 6);
}
