//! A fresh `fh serve` with a flake to push to, and somebody logged in.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};
use fh_testkit::nix::{Home, Nix};

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
    /// Starts the server in an empty directory, logs in, and makes the flake.
    pub(super) fn start(fh: &'a Path, nix: &'a Nix, directory: &Path) -> Result<Self> {
        let home = Home::at(&directory.join("home"))?;
        let data = directory.join("data");
        let server = Server::start(fh, &data, nix, &home)?;
        let installation = Self {
            server,
            data,
            home,
            nix,
            fh,
        };
        let token = installation.server.admin_token()?;
        let url = installation.server.url();
        for arguments in [
            &[
                "login",
                "--server",
                &url,
                "--token-file",
                &token.to_string_lossy(),
            ][..],
            &["org", "create", "bench"],
            &["flake", "create", FLAKE],
        ] {
            let finished = finish(installation.command().args(arguments))?;
            ensure!(
                finished.status.success(),
                "fh {}: {}",
                arguments.join(" "),
                finished.stderr
            );
        }
        Ok(installation)
    }

    /// An `fh` of the administrator.
    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(self.fh);
        self.nix.adopt(&mut command, &self.home);
        command
    }

    /// The administrator's token.
    pub(super) fn token(&self) -> Result<String> {
        let token = std::fs::read_to_string(self.server.admin_token()?)?;
        Ok(token.trim().to_owned())
    }
}
