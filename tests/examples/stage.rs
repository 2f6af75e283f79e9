//! A server and people, put back to how they were whenever it is asked for.
//!
//! ```text
//! ROOT/data            the server's data directory      ROOT/people/NAME         a home; `work` is where they type
//! ROOT/stages/STAGE    copies of both                   ROOT/bin                 `fh`, and what stands for other programs
//! ```
//!
//! Everything is made by `fh` itself, once for each stage, and copied from then on: the address of the server stays, so
//! that logins do.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File};
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use data_encoding::BASE64URL_NOPAD;
use fh_nix::SecretKey;
use fh_testkit::attic::{AtticModel, CacheSettings, ModelSettings};
use fh_testkit::nix::{Home, Nix};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde_json::json;
use tempfile::TempDir;

use crate::script::{Direction, Script};
use crate::terminal;

/// For one command. The slowest takes a few seconds on a machine with nothing else to do.
const LIMIT: Duration = Duration::from_secs(120);

/// The secret half of the key in `keys.json`: RFC 8037's example.
const IDENTITY_KEY: &str = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A";

/// What a server prints when it can be asked.
const SERVING: &str = "serving url=";

/// How a command ended, and what it printed on stdout and stderr.
pub(crate) struct Outcome {
    /// Absent where it did not end by itself.
    pub(crate) code: Option<i32>,
    pub(crate) text: String,
    typed: String,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { code, text, typed } = self;
        writeln!(f, "status {code:?}\n{typed}{text}")
    }
}

pub(crate) struct Stage<'a> {
    script: &'a Script,
    nix: &'static Nix,
    attic: AtticModel,
    port: u16,
    values: BTreeMap<String, String>,
    /// The name of the person who types it.
    pub(crate) person: String,
    server: Option<Child>,
    lasting: Vec<Child>,
    commands: usize,
    root: TempDir,
}

impl<'a> Stage<'a> {
    /// Makes everything; nothing where this machine lacks what that needs.
    pub(crate) fn new(script: &'a Script, nix: &'static Nix) -> Option<Self> {
        let search_path = std::env::var_os("PATH").unwrap_or_default();
        if fh_testkit::find_program("jq", &search_path).is_none() {
            fh_testkit::skipped("no jq: the examples of help and documents are not run");
            return None;
        }
        let root = tempfile::Builder::new().prefix("fh-stage-").tempdir();
        let mut stage = Self {
            script,
            nix,
            attic: attic(),
            port: free_port(),
            values: BTreeMap::new(),
            person: "admin".to_owned(),
            server: None,
            lasting: Vec::new(),
            commands: 0,
            root: root.unwrap(),
        };
        stage.make();
        Some(stage)
    }

    fn make(&mut self) {
        let bin = self.path("bin");
        fs::create_dir(&bin).unwrap();
        symlink(env!("CARGO_BIN_EXE_fh"), bin.join("fh")).unwrap();
        for (name, text) in &self.script.programs {
            fh_testkit::write_program(&bin.join(name), text);
        }
        let host = format!("127.0.0.1:{}", self.port);
        let any = [("team", "rw"), ("cache", "rw")];
        let attic_token = self.attic.token(&any).unwrap();
        for (name, value) in [
            ("url", format!("http://{host}")),
            ("tls", format!("https://{host}")),
            ("host", host),
            ("attic", self.attic.url().to_owned()),
            ("attic-token", attic_token),
        ] {
            self.values.insert(name.to_owned(), value);
        }
        let all = self.script;
        for (name, script) in &all.stage {
            let copies = self.path("stages").join(name);
            fs::create_dir_all(&copies).unwrap();
            fs::create_dir(self.path("data")).unwrap();
            for person in &all.people {
                self.furnish(person);
            }
            // A stage of the server as well as of people.
            if name != "nothing" {
                self.start(&[]).unwrap();
                self.give_identities();
            }
            let made = self.shell("admin", script);
            assert_eq!(made.code, Some(0), "{name}: {made}");
            if name == "company" {
                for (value, command) in &all.values {
                    let run = self.shell("admin", command);
                    assert_eq!(run.code, Some(0), "{run}");
                    self.values
                        .insert(value.clone(), run.text.trim().to_owned());
                }
            }
            self.stop();
            // It only keeps room on the disk, and is made again.
            let _ = fs::remove_file(self.path("data/reserve"));
            for directory in ["data", "people"] {
                fs::rename(self.path(directory), copies.join(directory)).unwrap();
            }
        }
    }

    /// A home, with the files that examples speak of.
    fn furnish(&self, person: &str) {
        // Only its configuration of Nix is used.
        drop(Home::at(&self.home(person)).unwrap());
        let work = self.work(person);
        for (name, text) in &self.script.files {
            let path = work.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text.replace("{seed}", &self.seed())).unwrap();
        }
        let files = fh_testkit::server::self_signed_into(&work).unwrap();
        for name in ["cert.pem", "cache.pem"] {
            fs::copy(&files.certificate, work.join(name)).unwrap();
        }
        assert_eq!(files.key, work.join("key.pem"));
    }

    /// An identity of the issuer that the policies called `ci` trust, for everybody.
    fn give_identities(&self) {
        let token = fs::read_to_string(self.path("data/admin.token")).unwrap();
        let claims = fh_auth::read_unverified(token.trim()).unwrap();
        let now = time::OffsetDateTime::now_utc().unix_timestamp();
        let encoded =
            |value: serde_json::Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
        let header = encoded(json!({ "alg": "EdDSA", "typ": "JWT" }));
        let body = encoded(json!({
            "iss": "https://id.acme.example", "sub": "builder", "aud": claims.aud,
            "iat": now, "nbf": now, "exp": now + 3600, "jti": "1",
        }));
        let signed = format!("{header}.{body}");
        let seed = BASE64URL_NOPAD.decode(IDENTITY_KEY.as_bytes()).unwrap();
        let key = SecretKey::from_seed("identity", seed.try_into().unwrap()).unwrap();
        let signature = BASE64URL_NOPAD.encode(key.sign(signed.as_bytes()).as_bytes());
        for person in &self.script.people {
            let file = self.work(person).join("identity.jwt");
            fs::write(file, format!("{signed}.{signature}")).unwrap();
        }
    }

    /// What makes the paths of this run differ from those of all others.
    fn seed(&self) -> String {
        format!("examples-{}-{}", std::process::id(), self.port)
    }

    fn path(&self, below: &str) -> PathBuf {
        self.root.path().join(below)
    }

    pub(crate) fn home(&self, person: &str) -> PathBuf {
        self.path("people").join(person)
    }

    /// Writes a file that a document shows into the administrator's directory.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let lines = text.lines().map(|line| self.substituted(line) + "\n");
        fs::write(self.work("admin").join(name), lines.collect::<String>()).unwrap();
    }

    fn work(&self, person: &str) -> PathBuf {
        self.home(person).join("work")
    }

    /// An example as it is typed here.
    pub(crate) fn substituted(&self, line: &str) -> String {
        let mut line = line.to_owned();
        for (shown, typed) in &self.script.substitutes {
            line = line.replace(shown, &self.filled(typed));
        }
        line
    }

    /// A text of the script with its values.
    pub(crate) fn filled(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (name, value) in &self.values {
            text = text.replace(&format!("{{{name}}}"), value);
        }
        text
    }

    pub(crate) fn without_port(&self, text: &str) -> String {
        text.replace(&format!(":{}", self.port), "")
    }

    /// Ends what runs, and puts a stage back.
    pub(crate) fn put_back(&mut self, name: &str) -> Result<(), String> {
        self.end_lasting();
        self.stop();
        for directory in ["data", "people"] {
            let _ = fs::remove_dir_all(self.path(directory));
        }
        let copy = Command::new("cp")
            .arg("-a")
            .arg(self.path("stages").join(name).join("data"))
            .arg(self.path("stages").join(name).join("people"))
            .arg(self.root.path())
            .status();
        assert!(copy.unwrap().success());
        if name == "nothing" {
            return Ok(());
        }
        self.start(&[])
    }

    /// The server again, with more options.
    pub(crate) fn restart(&mut self, more: &[String]) -> Result<(), String> {
        self.stop();
        self.start(more)
    }

    fn start(&mut self, more: &[String]) -> Result<(), String> {
        let log = self.path("server.log");
        let file = File::create(&log).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_fh"));
        self.adopt(&mut command, "admin");
        command
            .args(["serve", "--listen", &self.values["host"], "--data-dir"])
            .arg(self.path("data"))
            .args(&self.script.server)
            .args(more.iter().map(|option| self.filled(option)))
            .stdout(file.try_clone().unwrap())
            .stderr(file);
        let mut child = command.spawn().unwrap();
        let ready = wait_for(&log, SERVING, &mut child, || {});
        self.server = Some(child);
        ready.then_some(()).ok_or_else(|| {
            let told = fs::read_to_string(&log).unwrap_or_default();
            format!("the server does not start: {told}")
        })
    }

    fn stop(&mut self) {
        let Some(mut server) = self.server.take() else {
            return;
        };
        // It may have ended by itself.
        let _ = kill_process(Pid::from_child(&server), Signal::TERM);
        let _ = server.wait();
    }

    /// The environment of somebody, and where they type.
    fn adopt(&self, command: &mut Command, person: &str) {
        let mut path = OsString::from(self.path("bin"));
        path.push(":");
        path.push(self.nix.search_path());
        let home = self.home(person);
        command
            .env_clear()
            .env("PATH", path)
            .env("NIX_CONF_DIR", home.join("etc-nix"))
            .env("HOME", home)
            .env("PEOPLE", self.path("people"))
            .env("DATA", self.path("data"))
            .env("URL", &self.values["url"])
            .env("USER", "somebody")
            .env("LC_ALL", "C.UTF-8")
            .env("TZ", "UTC")
            .env("NO_COLOR", "1")
            // The machine that the tests run on may have an identity of its own.
            .env("FH_WORKLOAD", "off")
            .current_dir(self.work(person))
            .stdin(Stdio::null());
    }

    /// Starts a shell; what it prints goes to the file.
    fn spawn(&mut self, person: &str, typed: &str) -> (Child, PathBuf) {
        self.commands += 1;
        let printed = self.path(&format!("printed-{}", self.commands));
        let file = File::create(&printed).unwrap();
        let mut command = Command::new("/bin/sh");
        self.adopt(&mut command, person);
        command
            .args(["-ec", typed])
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .process_group(0);
        (command.spawn().unwrap(), printed)
    }

    /// Runs something to its end, without a terminal.
    pub(crate) fn shell(&mut self, person: &str, typed: &str) -> Outcome {
        let (mut child, printed) = self.spawn(person, typed);
        let deadline = Instant::now() + LIMIT;
        let mut status = None;
        while status.is_none() && Instant::now() < deadline {
            status = child.try_wait().unwrap();
            if status.is_none() {
                std::thread::sleep(Duration::from_millis(3));
            }
        }
        if status.is_none() {
            end(&mut child);
        }
        Outcome {
            code: status.and_then(|status| status.code()),
            text: lossy(&printed),
            typed: typed.to_owned(),
        }
    }

    /// Runs what does not end by itself until it has printed something; it goes on until [`Self::end_lasting`].
    pub(crate) fn until(
        &mut self,
        person: &str,
        typed: &str,
        until: &str,
        meanwhile: Option<&str>,
    ) -> Outcome {
        let (mut child, printed) = self.spawn(person, typed);
        let done = wait_for(&printed, until, &mut child, || {
            if let Some(meanwhile) = meanwhile {
                self.shell("admin", meanwhile);
            }
        });
        self.lasting.push(child);
        Outcome {
            code: done.then_some(0),
            text: lossy(&printed),
            typed: typed.to_owned(),
        }
    }

    /// Runs something on a terminal, and answers what is asked.
    pub(crate) fn terminal(&mut self, person: &str, typed: &str, direction: &Direction) -> Outcome {
        let status = self.path("status");
        let _ = fs::remove_file(&status);
        let mut command = Command::new("/bin/sh");
        self.adopt(&mut command, person);
        command
            // Of the terminal, which it inherits.
            .stdin(Stdio::inherit())
            .env("TERM", "xterm")
            .args(["-c", "/bin/sh -ec \"$1\"; echo $? > \"$2\"", "sh", typed])
            .arg(&status);
        let mut answers = Vec::new();
        for (question, answer) in &self.script.answers {
            let is_token = answer == "{token}";
            let special = direction.answer.as_ref().filter(|_| is_token);
            answers.push((question.clone(), self.filled(special.unwrap_or(answer))));
        }
        let text = terminal::answered(command, &answers);
        Outcome {
            code: lossy(&status).trim().parse().ok(),
            text,
            typed: typed.to_owned(),
        }
    }

    /// Ends what [`Self::until`] left running.
    pub(crate) fn end_lasting(&mut self) {
        for mut child in self.lasting.drain(..) {
            end(&mut child);
        }
    }

    /// Removes what examples have built from the machine's store.
    pub(crate) fn remove_built(&mut self) {
        self.end_lasting();
        self.stop();
        for directory in ["people", "stages"] {
            let _ = fs::remove_dir_all(self.path(directory));
        }
        let seed = self.seed();
        let mut built = Vec::new();
        for entry in fs::read_dir("/nix/store").unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let files = match name.get(33..).map(|name| name.trim_end_matches(".drv")) {
                Some("app-1.0" | "tests-1.0" | "ripgrep-14.1") => vec![path.clone()],
                // Of the flakes.
                Some("source") => vec![path.join("app.nix"), path.join("ripgrep.nix")],
                _ => continue,
            };
            // Somebody else may be removing theirs.
            if files.iter().any(|file| lossy(file).contains(&seed)) {
                built.push(path);
            }
        }
        let home = Home::new().unwrap();
        let mut command = self.nix.command("nix-store", &home);
        // What is left is a few bytes.
        let _ = command
            .arg("--delete")
            .args(built)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
    }
}

impl Drop for Stage<'_> {
    fn drop(&mut self) {
        self.end_lasting();
        self.stop();
    }
}

/// A server of another kind, with the caches that examples name.
fn attic() -> AtticModel {
    let uuids = (
        "01930000-0000-7000-8000-000000000001".to_owned(),
        "01930000-0000-7000-8000-000000000002".to_owned(),
    );
    let flakehub = format!("{}:{}", uuids.0, uuids.1);
    let model = AtticModel::start(ModelSettings {
        flakehub_tokens: ["flakehub1_x.y.z".to_owned()].into(),
        projects: BTreeMap::from([("acme/app".to_owned(), uuids)]),
        ..ModelSettings::default()
    })
    .unwrap();
    for cache in ["team", "cache", &flakehub] {
        model.create_cache(cache, CacheSettings::default()).unwrap();
    }
    model
}

/// A port below those that the system gives out by itself, so that nobody gets it while the server is stopped.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let begin = u16::try_from(std::process::id() % 10_000).unwrap_or_default();
    (0..1000)
        .map(|_| 20_000 + (begin + 7 * NEXT.fetch_add(1, Ordering::Relaxed)) % 10_000)
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .unwrap()
}

/// Waits until a file has a text, and does something meanwhile, again and again. False where the child ends before.
fn wait_for(file: &Path, text: &str, child: &mut Child, mut meanwhile: impl FnMut()) -> bool {
    let deadline = Instant::now() + LIMIT;
    let mut turns = 0_u32;
    while Instant::now() < deadline {
        if lossy(file).contains(text) {
            return true;
        }
        if child.try_wait().unwrap().is_some() {
            return lossy(file).contains(text);
        }
        std::thread::sleep(Duration::from_millis(5));
        turns += 1;
        if turns.is_multiple_of(40) {
            meanwhile();
        }
    }
    false
}

/// Ends a shell and all that it has started.
fn end(child: &mut Child) {
    // It may have ended by itself.
    let _ = kill_process_group(Pid::from_child(child), Signal::TERM);
    let _ = child.wait();
}

fn lossy(file: &Path) -> String {
    String::from_utf8_lossy(&fs::read(file).unwrap_or_default()).into_owned()
}
