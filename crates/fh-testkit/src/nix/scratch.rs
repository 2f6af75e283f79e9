//! Stores to throw away: the "other machine" that substitutes what was pushed.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use tempfile::TempDir;

use super::{Home, Nix};

/// An empty Nix store whose `/nix` is in a temporary directory (a chroot store, `local?root=…`):
/// its paths are called `/nix/store/…` but lie elsewhere. Removed on drop.
///
/// Things can be copied and substituted into it. Builders that want the machine's tools cannot run
/// there: Nix builds in such a store only with a sandbox.
#[derive(Debug)]
pub struct ScratchStore {
    directory: TempDir,
}

impl ScratchStore {
    /// A new, empty store.
    ///
    /// # Errors
    /// When there is no temporary directory to be had.
    pub fn new() -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("fh-store-").tempdir()?;
        Ok(Self { directory })
    }

    /// A new, empty store in a new directory below `parent`.
    ///
    /// # Errors
    /// When the directory cannot be made.
    pub fn new_in(parent: &Path) -> Result<Self> {
        let directory = tempfile::Builder::new()
            .prefix("store-")
            .tempdir_in(parent)?;
        Ok(Self { directory })
    }

    /// The address to give to `--store`, `--to` or `NIX_REMOTE`.
    #[must_use]
    pub fn uri(&self) -> String {
        format!("local?root={}", self.directory.path().display())
    }

    /// The directory that is `/` to the store.
    #[must_use]
    pub fn root(&self) -> &Path {
        self.directory.path()
    }

    /// Where `store_path` (a full path below `/nix/store`) really lies.
    #[must_use]
    pub fn physical(&self, store_path: &str) -> PathBuf {
        self.directory
            .path()
            .join(store_path.trim_start_matches('/'))
    }

    /// Leaves the store where it is, for whoever removes the directory that it is in.
    pub fn keep(mut self) {
        make_writable(&self.root().join("nix/store"));
        self.directory.disable_cleanup(true);
    }
}

impl Drop for ScratchStore {
    fn drop(&mut self) {
        // Store paths are read-only directories, which nobody but root can empty.
        make_writable(&self.directory.path().join("nix/store"));
    }
}

fn make_writable(directory: &Path) {
    let Ok(entries) = fs::read_dir(directory) else {
        return;
    };
    let _ = fs::set_permissions(directory, fs::Permissions::from_mode(0o755));
    for entry in entries.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            make_writable(&entry.path());
        }
    }
}

/// A `nix-daemon` that serves a scratch store on a socket of its own, with a home (and so a system
/// `nix.conf` and netrc) of its own. Killed on drop.
#[derive(Debug)]
pub struct Daemon {
    process: Child,
    store: ScratchStore,
    socket: PathBuf,
    home: Home,
}

impl Daemon {
    /// Starts the daemon of this version. `configuration` is appended to its `nix.conf`; relative
    /// names in there mean nothing, so a `netrc-file` has to be absolute.
    ///
    /// # Errors
    /// When it does not open its socket within ten seconds.
    pub fn start(nix: &Nix, configuration: &str) -> Result<Self> {
        let home = Home::new()?;
        home.configure(configuration)?;
        Self::start_in(nix, home)
    }

    /// Starts the daemon of this version in a home that is prepared: what its `nix.conf` and its
    /// environment say is the machine's own configuration.
    ///
    /// # Errors
    /// When it does not open its socket within ten seconds.
    pub fn start_in(nix: &Nix, home: Home) -> Result<Self> {
        let store = ScratchStore::new()?;
        let socket = store.root().join("daemon.socket");
        let log = fs::File::create(store.root().join("daemon.log"))?;
        let process = nix
            .command("nix-daemon", &home)
            .env("NIX_REMOTE", store.uri())
            .env("NIX_DAEMON_SOCKET_PATH", &socket)
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .context("could not start nix-daemon")?;
        let mut daemon = Self {
            process,
            store,
            socket,
            home,
        };
        daemon.wait_for_socket()?;
        Ok(daemon)
    }

    fn wait_for_socket(&mut self) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(10);
        while std::os::unix::net::UnixStream::connect(&self.socket).is_err() {
            if let Some(status) = self.process.try_wait()? {
                bail!("nix-daemon ended at once: {status}: {}", self.log());
            }
            if Instant::now() > deadline {
                bail!("nix-daemon does not listen after 10 s: {}", self.log());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// The address for `--store` or `NIX_REMOTE` of a client.
    #[must_use]
    pub fn uri(&self) -> String {
        format!(
            "unix://{}?root={}",
            self.socket.display(),
            self.store.root().display()
        )
    }

    /// The store it serves.
    #[must_use]
    pub fn store(&self) -> &ScratchStore {
        &self.store
    }

    /// The daemon's own home: its `nix.conf` and netrc are in
    /// [`Home::system_configuration`].
    #[must_use]
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// What the daemon has printed so far.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.store.root().join("daemon.log")).unwrap_or_default()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
