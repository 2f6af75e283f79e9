//! A world of its own for each child process.

use std::ffi::OsString;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use tempfile::TempDir;

/// What every Nix started here is told before anything a test adds: no cache, no sandbox (the
/// builders use the machine's own tools), no build users, no registry on the network.
const BASE_CONFIGURATION: &str = "\
experimental-features = nix-command flakes
substituters =
sandbox = false
build-users-group =
flake-registry =
connect-timeout = 10
";

/// The home directory, the XDG directories and the Nix configuration directory of somebody who does
/// not exist: whatever a child started with [`Home::environment`] reads or writes stays in here.
#[derive(Debug)]
pub struct Home {
    path: PathBuf,
    variables: Vec<(&'static str, OsString)>,
    /// Removes the directory; absent where the caller said which directory to use.
    _temporary: Option<TempDir>,
}

impl Home {
    /// A home in a new temporary directory, removed on drop.
    ///
    /// # Errors
    /// When the directories cannot be made.
    pub fn new() -> Result<Self> {
        let temporary = tempfile::Builder::new().prefix("fh-home-").tempdir()?;
        let mut home = Self::at(temporary.path())?;
        home._temporary = Some(temporary);
        Ok(home)
    }

    /// A home in `path`, which is created where it does not exist and is not removed.
    ///
    /// # Errors
    /// When the directories cannot be made.
    pub fn at(path: &Path) -> Result<Self> {
        let home = Self {
            path: path.to_owned(),
            variables: Vec::new(),
            _temporary: None,
        };
        for directory in [
            home.config(),
            home.path.join(".cache"),
            home.path.join(".local/share"),
            home.path.join(".local/state"),
            home.system_configuration(),
        ] {
            fs::create_dir_all(&directory)
                .with_context(|| format!("cannot create {}", directory.display()))?;
        }
        fs::write(
            home.system_configuration().join("nix.conf"),
            BASE_CONFIGURATION,
        )?;
        Ok(home)
    }

    /// The home directory itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// `XDG_CONFIG_HOME`: where `fh login` writes `fh/…` and `nix/{netrc,nix.conf}`.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.path.join(".config")
    }

    /// `NIX_CONF_DIR`: what `/etc/nix` is to a machine.
    #[must_use]
    pub fn system_configuration(&self) -> PathBuf {
        self.path.join("etc-nix")
    }

    /// Adds lines to the `nix.conf` of the machine (not to the user's).
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn configure(&self, lines: &str) -> Result<()> {
        let file = self.system_configuration().join("nix.conf");
        let mut file = fs::OpenOptions::new().append(true).open(file)?;
        writeln!(file, "{lines}")?;
        Ok(())
    }

    /// Sets a variable for every child, such as `NIX_SSL_CERT_FILE`.
    pub fn set_variable(&mut self, name: &'static str, value: impl Into<OsString>) {
        self.variables.push((name, value.into()));
    }

    /// The whole environment of a child, but for `PATH`. To be set after the inherited environment
    /// was cleared.
    #[must_use]
    pub fn environment(&self) -> Vec<(&'static str, OsString)> {
        let below = |relative: &str| self.path.join(relative).into_os_string();
        let mut environment = vec![
            ("HOME", self.path.clone().into_os_string()),
            ("XDG_CONFIG_HOME", below(".config")),
            ("XDG_CACHE_HOME", below(".cache")),
            ("XDG_DATA_HOME", below(".local/share")),
            ("XDG_STATE_HOME", below(".local/state")),
            ("NIX_CONF_DIR", below("etc-nix")),
            ("USER", "somebody".into()),
            ("LC_ALL", "C.UTF-8".into()),
            ("TZ", "UTC".into()),
        ];
        if let Some(directory) = std::env::var_os("TMPDIR") {
            environment.push(("TMPDIR", directory));
        }
        environment.extend(self.variables.iter().cloned());
        environment
    }
}
