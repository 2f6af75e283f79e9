//! A person with a home directory and an `fh`.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::{fmt, fs};

use assert_cmd::Command;
use fh_testkit::server::TestServer;
use serde_json::Value;
use tempfile::TempDir;

/// A person: their home directory, and the environment of every `fh` that they run.
pub(crate) struct World {
    home: TempDir,
    variables: BTreeMap<&'static str, OsString>,
}

/// What a run of `fh` came to.
pub(crate) struct Run {
    words: String,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) code: Option<i32>,
    home: PathBuf,
}

impl World {
    pub(crate) fn new() -> Self {
        let home = tempfile::Builder::new()
            .prefix("fh-cli-")
            .tempdir()
            .unwrap();
        for directory in ["etc-nix", "bin"] {
            fs::create_dir(home.path().join(directory)).unwrap();
        }
        let mut world = Self {
            home,
            variables: BTreeMap::new(),
        };
        let (home, nix, bin) = (world.path(""), world.path("etc-nix"), world.path("bin"));
        world.set("HOME", home);
        world.set("NIX_CONF_DIR", nix);
        world.set("XDG_CONFIG_DIRS", "/nonexistent");
        world.set("PATH", bin);
        // The machine that the tests run on may have an identity of its own.
        world.set("FH_WORKLOAD", "off");
        world
    }

    /// Somebody who has logged in with this token.
    #[track_caller]
    pub(crate) fn logged_in(server: &TestServer, token: &str) -> Self {
        let world = Self::new();
        world.log_in_as(server, token);
        world
    }

    /// A server, and its administrator, who has logged in.
    #[track_caller]
    pub(crate) fn administrator() -> (TestServer, Self) {
        let server = TestServer::start().unwrap();
        let world = Self::logged_in(&server, server.admin_token());
        (server, world)
    }

    /// The person who has this account, logged in with all permissions.
    #[track_caller]
    pub(crate) fn of(server: &TestServer, user: &str) -> Self {
        let all = ["pull", "push", "mint", "admin"];
        Self::logged_in(server, &server.token_for(user, &all).unwrap())
    }

    /// Somebody who is logged in nowhere, and whose variables name a server and a token.
    pub(crate) fn at(server: impl Into<OsString>, token: impl Into<OsString>) -> Self {
        let mut world = Self::new();
        world.acts_at(server, token);
        world
    }

    /// From now on variables name a server and a token.
    pub(crate) fn acts_at(&mut self, server: impl Into<OsString>, token: impl Into<OsString>) {
        self.set("FH_SERVER", server);
        self.set("FH_TOKEN", token);
    }

    /// Logs in to a server as its administrator.
    #[track_caller]
    pub(crate) fn log_in(&self, server: &TestServer) -> Run {
        self.log_in_as(server, server.admin_token())
    }

    /// Logs in to a server with this token.
    #[track_caller]
    pub(crate) fn log_in_as(&self, server: &TestServer, token: &str) -> Run {
        let login = format!("login --scope user --server {}", server.url());
        self.given(login, token).success()
    }

    /// A path in the home directory.
    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.home.path().join(below)
    }

    pub(crate) fn config(&self, below: &str) -> PathBuf {
        self.path(".config").join(below)
    }

    /// The text of a file below the configuration directory.
    pub(crate) fn read(&self, below: &str) -> String {
        let path = self.config(below);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    pub(crate) fn write(&self, below: &str, text: &str) {
        let path = self.path(below);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Puts a program into the search path.
    pub(crate) fn program(&self, name: &str, script: &str) {
        let path = self.path("bin").join(name);
        fh_testkit::write_program(&path, script);
    }

    pub(crate) fn set(&mut self, name: &'static str, value: impl Into<OsString>) {
        self.variables.insert(name, value.into());
    }

    /// Everything below the configuration directory with its content, mode and time of change.
    pub(crate) fn everything(&self) -> BTreeMap<PathBuf, (Vec<u8>, u32, std::time::SystemTime)> {
        let mut all = BTreeMap::new();
        let mut pending = vec![self.config(""), self.path("etc-nix")];
        while let Some(path) = pending.pop() {
            let Ok(metadata) = path.symlink_metadata() else {
                continue;
            };
            if metadata.is_dir() {
                pending.extend(
                    fs::read_dir(&path)
                        .unwrap()
                        .map(|entry| entry.unwrap().path()),
                );
            } else if metadata.is_file() {
                let content = fs::read(&path).unwrap();
                let mode = metadata.permissions().mode() & 0o7777;
                all.insert(path, (content, mode, metadata.modified().unwrap()));
            }
        }
        all
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        Command::from_std(self.process(arguments))
    }

    /// The same for runs that are watched, with nothing on stdin.
    pub(crate) fn process(&self, arguments: &[&str]) -> std::process::Command {
        let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin!("fh"));
        command
            .env_clear()
            .envs(&self.variables)
            .current_dir(self.home.path())
            .args(arguments)
            .stdin(Stdio::null());
        command
    }

    /// For programs that run `fh`.
    pub(crate) fn variables(&self) -> &BTreeMap<&'static str, OsString> {
        &self.variables
    }

    pub(crate) fn fh(&self, arguments: &[&str]) -> Run {
        self.with_stdin(arguments, "")
    }

    /// Runs a command line as it is typed: words with blanks between them, and no quotes.
    pub(crate) fn typed(&self, line: impl AsRef<str>) -> Run {
        self.given(line, "")
    }

    /// Runs several, as [`Self::typed`], which all succeed.
    #[track_caller]
    pub(crate) fn run_all(&self, lines: &[&str]) {
        for line in lines {
            self.typed(line).success();
        }
    }

    /// What several say that print nothing.
    #[track_caller]
    pub(crate) fn said_by(&self, server: &TestServer, lines: &[&str]) -> String {
        let said = lines.iter().map(|line| {
            let run = self.typed(line).success();
            assert_eq!(run.stdout, "", "{line}");
            run.said(server)
        });
        said.collect()
    }

    /// What several print that say nothing, each below its command.
    #[track_caller]
    pub(crate) fn printed_by(&self, server: &TestServer, lines: &[&str]) -> String {
        let printed = lines.iter().map(|line| {
            let run = self.typed(line).success();
            assert_eq!(run.stderr, "", "{line}");
            format!("$ fh {line}\n{}", run.printed(server))
        });
        printed.collect()
    }

    /// The same, with this on stdin.
    pub(crate) fn given(&self, line: impl AsRef<str>, stdin: &str) -> Run {
        let words: Vec<&str> = line.as_ref().split_whitespace().collect();
        self.with_stdin(&words, stdin)
    }

    /// What a command line prints with `--json`.
    #[track_caller]
    pub(crate) fn json(&self, line: impl AsRef<str>) -> Value {
        self.typed(format!("{} --json", line.as_ref()))
            .success()
            .json()
    }

    pub(crate) fn with_stdin(&self, arguments: &[&str], stdin: &str) -> Run {
        self.finish(self.command(arguments).write_stdin(stdin))
    }

    /// Runs something to its end.
    pub(crate) fn finish(&self, command: &mut Command) -> Run {
        let output = command.output().unwrap();
        let words: Vec<_> = command.get_args().map(OsStr::to_string_lossy).collect();
        Run {
            words: words.join(" "),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
            code: output.status.code(),
            home: self.home.path().to_owned(),
        }
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            words,
            stdout,
            stderr,
            ..
        } = self;
        write!(f, "fh {words}\nstdout:\n{stdout}\nstderr:\n{stderr}")
    }
}

impl Run {
    #[track_caller]
    pub(crate) fn success(self) -> Self {
        self.code(0)
    }

    #[track_caller]
    pub(crate) fn code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self}");
        self
    }

    /// All of these stand on stderr.
    #[track_caller]
    pub(crate) fn says(&self, parts: &[&str]) -> &Self {
        for part in parts {
            assert!(self.stderr.contains(part), "no {part:?} in {self}");
        }
        self
    }

    /// None of these stands on stderr.
    #[track_caller]
    pub(crate) fn never_says(&self, parts: &[&str]) -> &Self {
        for part in parts {
            assert!(!self.stderr.contains(part), "{part:?} in {self}");
        }
        self
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self}"))
    }

    /// What stands on stderr, with what differs from run to run replaced.
    pub(crate) fn said(&self, server: &TestServer) -> String {
        self.redact(&self.stderr, server)
    }

    /// What stands on stdout, with what differs from run to run replaced.
    pub(crate) fn printed(&self, server: &TestServer) -> String {
        self.redact(&self.stdout, server)
    }

    fn redact(&self, text: &str, server: &TestServer) -> String {
        let address = server.url().trim_start_matches("http://");
        let file = address.replace(':', "-");
        let home = self.home.display().to_string();
        let text = text
            .replace(server.url(), "[SERVER]")
            .replace(&file, "[SERVER-FILE]")
            .replace(address, "[ADDRESS]")
            .replace(&home, "~");
        redact_words(&text)
    }
}

/// Replaces ids and dates.
fn redact_words(text: &str) -> String {
    let mut result = String::new();
    let mut word = String::new();
    for c in text.chars().chain(['\n']) {
        if c.is_ascii_alphanumeric() || matches!(c, '-' | ':') {
            word.push(c);
            continue;
        }
        result.push_str(redact_word(&word));
        word.clear();
        result.push(c);
    }
    result.pop();
    result
}

fn redact_word(word: &str) -> &str {
    let shape = |of: &str| -> String {
        of.chars()
            .map(|c| if c.is_ascii_hexdigit() { 'x' } else { c })
            .collect()
    };
    if word.starts_with("urn:fh:") {
        return "urn:fh:[ID]";
    }
    let digits = word.starts_with(|c: char| c.is_ascii_digit());
    if shape(word) == "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx" {
        "[ID]"
    } else if digits && word.len() == 10 && shape(word) == "xxxx-xx-xx" {
        "[DATE]"
    } else if digits && word.ends_with('Z') && word.len() >= 20 && word.contains('T') {
        "[TIME]"
    } else {
        word
    }
}

/// The permission bits of a file.
pub(crate) fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}
