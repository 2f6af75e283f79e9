//! Nix's post-build hook, by which the running `fh` learns what was built.
//!
//! ```text
//! nix (or its daemon) ──runs──► DIR/hook ──appends to──► DIR/built ◄──reads── fh
//!                                  └──then runs the user's own hook, if there is one
//! ```
//!
//! The hook hands paths over by appending to a file, and not through a socket: a socket's queue is
//! bounded, so that an `fh` that is slow or stopped would hold up the build or lose paths. An append
//! does neither, whatever has become of `fh`.
//!
//! Invariants: a build never fails or waits because of us: the hook's own exit status is that of the
//! user's hook, else 0; the directory is the user's alone.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use tempfile::TempDir;

/// The first argument of the program when it is the hook.
pub(crate) const RELAY: &str = "__built-paths";

/// How often a hook that is open for writing elsewhere is tried again, 10 ms later.
const BUSY_PATIENCE: u32 = 100;

/// The directory of a hook.
pub(super) struct Hook {
    directory: Option<TempDir>,
    path: PathBuf,
    /// How much of the file was read.
    read: u64,
    /// The beginning of a line whose end was not there yet.
    partial: Vec<u8>,
}

impl Hook {
    /// Makes a hook that runs `fh`, and then `before`, which is the one that was set before.
    pub(super) fn new(base: &Path, fh: &Path, before: Option<&str>) -> io::Result<Self> {
        let directory = tempfile::Builder::new()
            .prefix("fh-watch-")
            .permissions(fs::Permissions::from_mode(0o700))
            .tempdir_in(base)?;
        let hook = Self {
            path: directory.path().to_owned(),
            directory: Some(directory),
            read: 0,
            partial: Vec::new(),
        };
        File::options()
            .create_new(true)
            .append(true)
            .mode(0o600)
            .open(hook.spool())?;
        let script = script(fh.as_os_str(), hook.spool().as_os_str(), before);
        fs::write(hook.program(), script)?;
        fs::set_permissions(hook.program(), fs::Permissions::from_mode(0o700))?;
        hook.try_out(before.is_some())?;
        Ok(hook)
    }

    /// A place where nothing may be run, or a name that cannot stand in nix.conf, must be found out
    /// before a build fails of it.
    fn try_out(&self, runs_another: bool) -> io::Result<()> {
        let program = self.program();
        let nameable = program
            .to_str()
            .is_some_and(|name| !name.contains(['#', ' ', '\t', '\n', '\'']));
        if !nameable {
            return Err(io::Error::other("its name cannot be written to nix.conf"));
        }
        // A user's hook is not run for nothing.
        if runs_another {
            rustix::fs::access(&program, rustix::fs::Access::EXEC_OK)?;
            return Ok(());
        }
        let status = started(&program)?;
        if status.success() {
            Ok(())
        } else {
            Err(io::Error::other("the hook cannot be run"))
        }
    }

    /// The program that Nix is to run.
    pub(super) fn program(&self) -> PathBuf {
        self.path.join("hook")
    }

    fn spool(&self) -> PathBuf {
        self.path.join("built")
    }

    /// `NIX_CONFIG` with the hook set, after what it says already.
    pub(super) fn nix_config(&self, before: Option<&OsStr>) -> OsString {
        let mut config = before.unwrap_or_default().to_owned();
        if !config.is_empty() {
            config.push("\n");
        }
        config.push("post-build-hook = ");
        config.push(self.program());
        config
    }

    /// The full store paths that were built since the last call, or the derivations by which: Nix 2.8
    /// tells its hook nothing else.
    pub(super) fn built(&mut self) -> Vec<String> {
        let mut text = std::mem::take(&mut self.partial);
        let read = File::open(self.spool()).and_then(|mut file| {
            file.seek(SeekFrom::Start(self.read))?;
            file.read_to_end(&mut text)
        });
        // Where the file cannot be read this time it may be the next.
        self.read += read.unwrap_or(0) as u64;
        let end = text.iter().rposition(|byte| *byte == b'\n');
        self.partial = text.split_off(end.map_or(0, |end| end + 1));
        String::from_utf8_lossy(&text)
            .split_whitespace()
            .map(str::to_owned)
            .collect()
    }
}

impl Drop for Hook {
    /// The directory goes, unless a process that the command left behind may still run the hook: its
    /// builds would fail without it.
    fn drop(&mut self) {
        if is_in_use(&self.program()) {
            // Nobody reads it any more, and the hook writes only where it is.
            let _ = fs::remove_file(self.spool());
            let _ = self.directory.take().map(TempDir::keep);
        }
    }
}

/// Whether a process of this user has this in its environment.
fn is_in_use(program: &Path) -> bool {
    let wanted = program.as_os_str().as_bytes();
    let Ok(processes) = fs::read_dir("/proc") else {
        // No way to know: better a file too many than a build that fails.
        return true;
    };
    processes.flatten().any(|process| {
        let environment = fs::read(process.path().join("environ")).unwrap_or_default();
        environment
            .windows(wanted.len())
            .any(|window| window == wanted)
    })
}

fn script(fh: &OsStr, spool: &OsStr, before: Option<&str>) -> Vec<u8> {
    let mut script =
        b"#!/bin/sh\n# Made by `fh push --watch-exec`: tells it what was built.\n".to_vec();
    script.extend_from_slice(b"if [ -e ");
    quote(spool, &mut script);
    script.extend_from_slice(b" ]; then ");
    quote(fh, &mut script);
    script.extend_from_slice(format!(" {RELAY} ").as_bytes());
    quote(spool, &mut script);
    script.extend_from_slice(b" </dev/null >/dev/null 2>&1 || :; fi\n");
    match before {
        Some(before) => {
            script.extend_from_slice(b"exec ");
            quote(OsStr::new(before), &mut script);
            script.push(b'\n');
        }
        None => script.extend_from_slice(b"exit 0\n"),
    }
    script
}

/// Writes a word as the shell reads it.
fn quote(word: &OsStr, into: &mut Vec<u8>) {
    into.push(b'\'');
    for byte in word.as_bytes() {
        if *byte == b'\'' {
            into.extend_from_slice(b"'\\''");
        } else {
            into.push(*byte);
        }
    }
    into.push(b'\'');
}

/// What the hook does: appends the paths that Nix names to the file, in one write.
///
/// The file is never created, and no link is followed: the hook may run as root.
pub(crate) fn relay(spool: &OsStr, out_paths: &OsStr) -> io::Result<()> {
    let mut line = out_paths.as_bytes().to_vec();
    line.push(b'\n');
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    File::options()
        .append(true)
        .custom_flags(i32::try_from(flags.bits()).unwrap_or(0))
        .open(spool)?
        .write_all(&line)
}

/// Runs a program that was just written. What another thread started while it was written may have it open for
/// writing for another moment.
fn started(program: &Path) -> io::Result<ExitStatus> {
    let mut patience = BUSY_PATIENCE;
    loop {
        let status = Command::new(program)
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        match status {
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy && patience > 0 => {
                patience -= 1;
                std::thread::sleep(Duration::from_millis(10));
            }
            other => return other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_appended_is_read_once_and_whole() {
        let base = tempfile::tempdir().unwrap();
        let mut hook = Hook::new(base.path(), Path::new("/bin/true"), None).unwrap();
        let spool = hook.spool();
        assert!(hook.built().is_empty());
        relay(spool.as_os_str(), OsStr::new("/nix/store/a /nix/store/b")).unwrap();
        relay(spool.as_os_str(), OsStr::new("/nix/store/c")).unwrap();
        assert_eq!(
            hook.built(),
            ["/nix/store/a", "/nix/store/b", "/nix/store/c"]
        );
        // Half a line is not a path.
        let mut file = File::options().append(true).open(&spool).unwrap();
        file.write_all(b"/nix/store/half").unwrap();
        assert!(hook.built().is_empty());
        file.write_all(b"-and-half\n").unwrap();
        assert_eq!(hook.built(), ["/nix/store/half-and-half"]);
        // Nothing is made where fh is gone, and no link is followed.
        fs::remove_file(&spool).unwrap();
        assert!(relay(spool.as_os_str(), OsStr::new("x")).is_err());
        std::os::unix::fs::symlink("/dev/null", &spool).unwrap();
        assert!(relay(spool.as_os_str(), OsStr::new("x")).is_err());
        let directory = hook.path.clone();
        let mode = fs::metadata(&directory).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        drop(hook);
        assert!(!directory.exists());
    }

    #[test]
    fn the_hook_ends_as_the_users_own_does_and_well_without_one() {
        let base = tempfile::tempdir().unwrap();
        let own = base.path().join("it's own");
        fh_testkit::write_program(&own, "#!/bin/sh\nexit 7\n");
        let run = |hook: &Hook| started(&hook.program()).unwrap();
        // Even where there is no fh any more.
        let gone = Path::new("/nonexistent/fh");
        let hook = Hook::new(base.path(), gone, None).unwrap();
        assert!(run(&hook).success());
        let hook = Hook::new(base.path(), gone, own.to_str()).unwrap();
        assert_eq!(run(&hook).code(), Some(7));
        let config = hook.nix_config(Some(OsStr::new("max-jobs = 4")));
        let config = config.to_str().unwrap();
        assert!(
            config.starts_with("max-jobs = 4\npost-build-hook = /"),
            "{config}"
        );
    }

    #[test]
    fn a_place_whose_name_cannot_be_told_to_nix_is_refused() {
        let base = tempfile::tempdir().unwrap();
        let odd = base.path().join("a # b");
        fs::create_dir(&odd).unwrap();
        assert!(Hook::new(&odd, Path::new("/bin/true"), None).is_err());
    }
}
