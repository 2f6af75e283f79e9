//! A fresh `fh serve` with a flake to push to, and somebody logged in.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};
use fh_testkit::nix::closure::Closure;
use fh_testkit::nix::{Home, Nix};

use super::setting::{Setting, ensure_complete};
use crate::process::finish;
use crate::server::Server;

/// The flake that is pushed to.
pub(super) const FLAKE: &str = "bench/closure";

/// A server, its data directory, and the administrator's home.
pub(super) struct Installation<'a> {
    pub(super) server: Server,
    pub(super) data: PathBuf,
    home: Home,
    nix: &'a Nix,
    fh: &'a Path,
}

impl<'a> Installation<'a> {
    /// Starts the server of this `fh` in an empty directory, logs in, and makes the flake.
    pub(super) fn start(setting: &'a Setting, fh: &'a Path, directory: &Path) -> Result<Self> {
        let home = Home::at(&directory.join("home"))?;
        let data = directory.join("data");
        let nix = setting.nix();
        let server = Server::start(fh, &data, nix, &home)?;
        let installation = Self {
            server,
            data,
            home,
            nix,
            fh,
        };
        installation.login(&installation.server.url())?;
        installation.succeed(&["org", "create", "bench"])?;
        installation.succeed(&["flake", "create", FLAKE])?;
        Ok(installation)
    }

    /// Logs in to the server under another address: what is pushed from then on goes there.
    pub(super) fn login(&self, url: &str) -> Result<()> {
        let token = self.server.admin_token()?;
        let login = ["login", "--scope", "user", "--server", url];
        self.succeed(&[&login[..], &["--token-file", &token.to_string_lossy()]].concat())
    }

    fn succeed(&self, arguments: &[&str]) -> Result<()> {
        let finished = finish(self.command().args(arguments))?;
        ensure!(
            finished.status.success(),
            "fh {}: {}",
            arguments.join(" "),
            finished.stderr
        );
        Ok(())
    }

    /// An `fh` of the administrator.
    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(self.fh);
        self.nix.adopt(&mut command, &self.home);
        command
    }

    /// `fh push` of a closure.
    pub(super) fn push(&self, closure: &Closure) -> Command {
        let mut command = self.command();
        command.args(["push", FLAKE, &closure.top]);
        command
    }

    /// The home of whoever is logged in, where `nix` finds its netrc and its settings.
    pub(super) fn home(&self) -> &Home {
        &self.home
    }

    /// Where the paths of the flake are, below the server's root.
    pub(super) fn cache() -> String {
        format!("/cache/{FLAKE}")
    }

    /// The token that the server has made for its administrator.
    pub(super) fn token(&self) -> Result<String> {
        let token = std::fs::read_to_string(self.server.admin_token()?)?;
        Ok(token.trim().to_owned())
    }

    /// Fails unless every path of the closure is in the cache.
    pub(super) fn ensure_has(&self, closure: &Closure) -> Result<()> {
        let token = self.token()?;
        ensure_complete(closure, self.server.port(), &Self::cache(), Some(&token))
    }
}
