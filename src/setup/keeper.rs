//! Who else writes the netrc that Nix reads.
//!
//! Determinate Nix has a daemon that writes its netrc anew, from its own login to FlakeHub and from the files that
//! `authentication.additionalNetrcSources` of its `config.json` names. What anybody else writes there is lost. Below
//! /run are files that a secret manager (agenix, sops-nix, a container's secrets) makes at every start.

use std::path::{Path, PathBuf};

use fh_conf::atomic;
use fh_conf::json::JsonText;

use super::files::Files;
use crate::error::CommandError;
use crate::settings::Directories;

/// The list of Determinate's `config.json` that names netrc files.
pub(crate) const SOURCES: [&str; 2] = ["authentication", "additionalNetrcSources"];

/// Where the files of a running system are, by each of its names.
const RUN: [&str; 3] = ["/run", "/var/run", "/private/var/run"];

/// Where everything in the Nix store is.
const STORE: &str = "/nix/store";

/// The files of Determinate Nix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Determinate {
    /// The netrc that its daemon writes.
    pub(crate) netrc: PathBuf,
    /// The configuration of its daemon.
    pub(crate) config: PathBuf,
}

/// Who writes a netrc.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keeper {
    /// No program: whoever may write it.
    Nobody,
    /// The daemon of Determinate Nix.
    Determinate,
    /// A secret manager, or whatever else makes it when the machine starts.
    SecretManager,
}

impl Determinate {
    pub(crate) fn of(directories: &Directories) -> Self {
        Self {
            netrc: directories.determinate_netrc.clone(),
            config: directories.determinate_config.clone(),
        }
    }

    /// The netrc of ours that the daemon is to read.
    pub(crate) fn source(&self) -> PathBuf {
        self.config.with_file_name("fh-netrc")
    }

    /// Who writes a netrc.
    pub(crate) fn keeper(&self, path: &Path) -> Keeper {
        // A link may lead there.
        let target = atomic::resolve(path).unwrap_or_else(|_| path.to_owned());
        if path == self.netrc || target == self.netrc {
            return Keeper::Determinate;
        }
        let is_below = |path: &Path| RUN.iter().any(|run| path.starts_with(run));
        if is_below(path) || is_below(&target) {
            Keeper::SecretManager
        } else {
            Keeper::Nobody
        }
    }

    /// The command with which the daemon reads its configuration and its sources again.
    pub(crate) fn restart() -> &'static str {
        if cfg!(target_os = "macos") {
            "sudo launchctl kickstart -k system/systems.determinate.nix-daemon"
        } else {
            "sudo systemctl restart nix-daemon"
        }
    }
}

/// Whether a file is made from a configuration, so that nobody may edit it.
pub(crate) fn is_generated(path: &Path) -> bool {
    atomic::resolve(path).is_ok_and(|target| target.starts_with(STORE))
}

/// Reads a `config.json` of Determinate Nix that was looked at.
pub(crate) fn parse_config(files: &Files, path: &Path) -> Result<JsonText, CommandError> {
    let Some(text) = files.content(path) else {
        return Ok(JsonText::default());
    };
    JsonText::parse(text).map_err(|error| not_understood(path, error))
}

/// A `config.json` that cannot be edited.
pub(crate) fn not_understood(path: &Path, error: fh_conf::Error) -> CommandError {
    CommandError::from(error).context(format!(
        "{} cannot be edited, and was not changed",
        path.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_netrc_has_its_keeper() {
        let directory = tempfile::tempdir().unwrap();
        let link = |name: &str, target: &str| {
            let path = directory.path().join(name);
            std::os::unix::fs::symlink(target, &path).unwrap();
            path
        };
        let determinate = Determinate {
            netrc: "/nix/var/determinate/netrc".into(),
            config: "/etc/determinate/config.json".into(),
        };
        for (path, keeper) in [
            (
                PathBuf::from("/nix/var/determinate/netrc"),
                Keeper::Determinate,
            ),
            (
                link("managed", "/nix/var/determinate/netrc"),
                Keeper::Determinate,
            ),
            (PathBuf::from("/run/agenix/netrc"), Keeper::SecretManager),
            (
                PathBuf::from("/run/user/1000/secrets/netrc"),
                Keeper::SecretManager,
            ),
            (
                PathBuf::from("/var/run/secrets/netrc"),
                Keeper::SecretManager,
            ),
            // As sops-nix has it with `path = "/etc/nix/netrc"`.
            (
                link("netrc", "/run/secrets-nowhere/netrc"),
                Keeper::SecretManager,
            ),
            (PathBuf::from("/etc/nix/netrc"), Keeper::Nobody),
            (PathBuf::from("/runner/netrc"), Keeper::Nobody),
            (PathBuf::from("/home/run/netrc"), Keeper::Nobody),
            (directory.path().join("plain"), Keeper::Nobody),
        ] {
            assert_eq!(determinate.keeper(&path), keeper, "{}", path.display());
        }
        assert_eq!(determinate.source(), Path::new("/etc/determinate/fh-netrc"));
    }
}
