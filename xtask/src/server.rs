//! A `fh serve` of our own: scratch directory, free port, stopped with its guard.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use fh_testkit::nix::{Home, Nix};

use crate::process::{Running, free_port};
use crate::{http, interrupt};

/// A running `fh serve`, stopped when it is dropped.
pub(crate) struct Server {
    process: Running,
    port: u16,
    data: PathBuf,
    log: PathBuf,
}

/// How long a server may take until it answers, and until it has stopped.
const PATIENCE: Duration = Duration::from_secs(30);

impl Server {
    /// Starts the server on `data` (made by the server where it does not exist) and waits until it
    /// is ready. Its log goes to `<data>.log`.
    pub(crate) fn start(fh: &Path, data: &Path, nix: &Nix, home: &Home) -> Result<Self> {
        let port = free_port()?;
        let log = data.with_extension("log");
        let mut command = Command::new(fh);
        nix.adopt(&mut command, home);
        command
            .arg("serve")
            .arg("--data-dir")
            .arg(data)
            .arg("--listen")
            .arg(format!("127.0.0.1:{port}"))
            .stdout(Stdio::null())
            .stderr(File::create(&log)?);
        let mut server = Self {
            process: Running::start(&mut command)?,
            port,
            data: data.to_owned(),
            log,
        };
        server.wait_until_ready()?;
        Ok(server)
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            interrupt::check()?;
            if let Some(status) = self.process.0.try_wait()? {
                bail!("fh serve ended at once: {status}\n{}", self.log());
            }
            match http::get(self.port, "/readyz", None) {
                Ok(answer) if answer.status == 200 => return Ok(()),
                _ if Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(20));
                }
                Ok(answer) => bail!("fh serve says {} to /readyz\n{}", answer.status, self.log()),
                Err(error) => bail!("fh serve does not answer: {error:#}\n{}", self.log()),
            }
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.0.id()
    }

    /// Where the first start wrote the administrator's token.
    pub(crate) fn admin_token(&self) -> Result<PathBuf> {
        let file = self.data.join("admin.token");
        ensure!(
            file.exists(),
            "the server wrote no {}\n{}",
            file.display(),
            self.log()
        );
        Ok(file)
    }

    /// What the server has logged so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Stops it as a service manager would, and fails if it does not end well.
    pub(crate) fn stop(mut self) -> Result<()> {
        let status = self
            .process
            .stop(PATIENCE)
            .with_context(|| format!("fh serve did not stop\n{}", self.log()))?;
        ensure!(
            status.success(),
            "fh serve ended with {status}\n{}",
            self.log()
        );
        Ok(())
    }
}
