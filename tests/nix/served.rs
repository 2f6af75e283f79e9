//! `fh serve` as a process of its own, which can be killed.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use fh_testkit::nix::Home;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::http::Http;
use super::process::{Ended, run};

/// How long a server may take until it listens.
const LIMIT: Duration = Duration::from_secs(60);

/// The process, killed on drop.
pub(crate) struct Served {
    options: Vec<String>,
    process: Child,
    /// Those that were told to stop.
    draining: Vec<Child>,
    /// What a service manager listens on, and passes.
    socket: Option<TcpListener>,
    address: String,
    home: Home,
    data: PathBuf,
}

impl Served {
    /// Starts it with these options, besides those that say where.
    pub(crate) fn start(options: &[&str]) -> Self {
        let home = Home::new().unwrap();
        let data = home.path().join(".local/share/fh-server");
        Self::start_at(home, data, options)
    }

    /// As [`Self::start`], with all that it has in this directory.
    pub(crate) fn start_in(data: &Path, options: &[&str]) -> Self {
        Self::start_at(Home::new().unwrap(), data.to_owned(), options)
    }

    /// As [`Self::start`], with a home that is prepared.
    pub(crate) fn start_at(home: Home, data: PathBuf, options: &[&str]) -> Self {
        Self::started(home, data, options, None)
    }

    /// As [`Self::start`], with a socket that stays open whatever becomes of the process, as systemd's do.
    pub(crate) fn start_activated(options: &[&str]) -> Self {
        let home = Home::new().unwrap();
        let data = home.path().join(".local/share/fh-server");
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        Self::started(home, data, options, Some(socket))
    }

    fn started(home: Home, data: PathBuf, options: &[&str], socket: Option<TcpListener>) -> Self {
        let options: Vec<String> = options.iter().map(|&option| option.to_owned()).collect();
        let (process, address) = start(&home, &data, &options, "127.0.0.1:0", socket.as_ref());
        Self {
            options,
            process,
            draining: Vec::new(),
            socket,
            address,
            home,
            data,
        }
    }

    /// What the process has used at most, in KiB.
    pub(crate) fn peak(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:"));
        let number = line.and_then(|line| line.split_whitespace().nth(1));
        number.unwrap().parse().unwrap()
    }

    /// Tells it to stop, and starts another one at once in the same place.
    pub(crate) fn replace(&mut self) {
        let pid = Pid::from_child(&self.process);
        kill_process(pid, Signal::TERM).unwrap();
        let (process, address) = self.next();
        assert_eq!(address, self.address);
        let former = std::mem::replace(&mut self.process, process);
        self.draining.push(former);
    }

    /// How many of those that were told to stop have not ended yet. The others have ended well.
    pub(crate) fn draining(&mut self) -> usize {
        self.draining
            .retain_mut(|former| match former.try_wait().unwrap() {
                None => true,
                Some(status) => {
                    assert!(status.success(), "{status}");
                    false
                }
            });
        self.draining.len()
    }

    fn next(&self) -> (Child, String) {
        let socket = self.socket.as_ref();
        start(&self.home, &self.data, &self.options, &self.address, socket)
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The file with the administrator's token.
    pub(crate) fn admin_token(&self) -> PathBuf {
        self.data().join("admin.token")
    }

    /// Where all that it has is.
    pub(crate) fn data(&self) -> PathBuf {
        self.data.clone()
    }

    /// The administrator, by HTTP.
    pub(crate) fn admin(&self) -> Http {
        let token = std::fs::read_to_string(self.admin_token()).unwrap();
        Http {
            address: self.address.parse().unwrap(),
            token: Some(token.trim().to_owned()),
        }
    }

    /// The number of the process that serves now.
    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// What it has logged, and all that were started before it in the same place.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.home.path().join("serve.log")).unwrap_or_default()
    }

    /// `fh serve --check` of all that it has, beside it.
    pub(crate) fn check(&self) -> Ended {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fh"));
        command
            .env_clear()
            .envs(self.home.environment())
            .args(["serve", "--check", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(&self.data);
        run(command)
    }

    /// Kills it as a power cut would, and starts it again in the same place.
    pub(crate) fn kill_and_start_again(&mut self) {
        self.kill();
        self.start_again();
    }

    /// Kills it as a power cut would.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Starts it in the same place, with other options from now on.
    pub(crate) fn start_again_with(&mut self, options: &[&str]) {
        self.options = options.iter().map(|&option| option.to_owned()).collect();
        self.start_again();
    }

    /// Starts it in the same place after it was killed.
    pub(crate) fn start_again(&mut self) {
        let (process, address) = self.next();
        assert_eq!(address, self.address);
        self.process = process;
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        for process in self.draining.iter_mut().chain([&mut self.process]) {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// Starts it, and reads its log until it says that it listens.
fn start(
    home: &Home,
    data: &Path,
    options: &[String],
    listen: &str,
    socket: Option<&TcpListener>,
) -> (Child, String) {
    let log = home.path().join("serve.log");
    let mut command = match socket {
        None => Command::new(env!("CARGO_BIN_EXE_fh")),
        Some(_) => Command::new("/bin/sh"),
    };
    command.env_clear().envs(home.environment());
    match socket {
        None => command.args(["serve", "--listen", listen]),
        // The socket comes as standard input, and goes on as the first one after standard error.
        Some(_) => command.args([
            "-c",
            "export LISTEN_FDS=1 LISTEN_PID=$$; exec \"$0\" serve \"$@\" 3<&0 0</dev/null",
            env!("CARGO_BIN_EXE_fh"),
        ]),
    };
    let input = socket.map_or_else(Stdio::null, |socket| {
        Stdio::from(OwnedFd::from(socket.try_clone().unwrap()))
    });
    let mut process = command
        .args(["--log-format", "json", "--data-dir"])
        .arg(data)
        .args(options)
        .stdin(input)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let stderr = BufReader::new(process.stderr.take().unwrap());
    let mut kept = File::options()
        .create(true)
        .append(true)
        .open(&log)
        .unwrap();
    let (sender, addresses) = mpsc::channel();
    std::thread::spawn(move || {
        for line in stderr.lines().map_while(Result::ok) {
            let value: Value = serde_json::from_str(&line).unwrap_or_default();
            if value["message"] == "listening" {
                let address = value["address"].as_str().unwrap_or_default();
                // Only the first is waited for.
                let _ = sender.send(address.to_owned());
            }
            let _ = std::io::Write::write_all(&mut kept, format!("{line}\n").as_bytes());
        }
    });
    let Ok(address) = addresses.recv_timeout(LIMIT) else {
        let _ = process.kill();
        panic!("{}", std::fs::read_to_string(log).unwrap_or_default());
    };
    (process, address)
}
