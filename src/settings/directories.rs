//! Where the files of the user and of Nix are.
//!
//! These follow the XDG base directory specification on every platform, macOS included, because
//! Nix does: `fh` and Nix have to mean the same files. Which nix.conf files Nix reads, and in which
//! order, is `loadConfFile` in its `src/libstore/globals.cc`.

use std::path::{Path, PathBuf};

use super::environment::Environment;
use super::variables::{self, Variable};
use crate::error::CommandError;

/// Directories and files, none of which needs to exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Directories {
    /// `$XDG_CONFIG_HOME/fh`: what `fh login` stores.
    pub(crate) fh_config: PathBuf,
    /// Where the existing `fh` keeps FlakeHub's token.
    pub(crate) flakehub_token: PathBuf,
    /// `$XDG_CACHE_HOME/fh`: what can be asked for again.
    pub(crate) fh_cache: PathBuf,
    /// The nix.conf of the user that Nix heeds most.
    pub(crate) user_nix_conf: PathBuf,
    /// Those that Nix reads before it, in that order; the first is the system's.
    pub(crate) earlier_nix_confs: Vec<PathBuf>,
    /// The variable that keeps Nix from reading any nix.conf of the user.
    pub(crate) unread_because: Option<&'static str>,
    /// The netrc of the user, beside the user's nix.conf.
    pub(crate) user_netrc: PathBuf,
    /// `/etc/nix/netrc`: what Nix reads where no `netrc-file` is set.
    pub(crate) system_netrc: PathBuf,
    /// `/nix/var/determinate/netrc`, which the daemon of Determinate Nix writes.
    pub(crate) determinate_netrc: PathBuf,
    /// `/etc/determinate/config.json`: the configuration of that daemon.
    pub(crate) determinate_config: PathBuf,
}

impl Directories {
    /// What logins have added to which files.
    pub(crate) fn ledger(&self) -> PathBuf {
        self.fh_config.join("ledger.json")
    }

    /// The nix.conf of the machine, which all its users read.
    pub(crate) fn system_nix_conf(&self) -> PathBuf {
        self.system_netrc.with_file_name("nix.conf")
    }

    /// The nix.conf files that Nix reads for this user, the one that it heeds most last.
    pub(crate) fn nix_confs(&self) -> Vec<PathBuf> {
        let mut files = self.earlier_nix_confs.clone();
        if self.unread_because.is_none() {
            files.push(self.user_nix_conf.clone());
        }
        files
    }

    pub(super) fn resolve(environment: &Environment) -> Result<Self, CommandError> {
        let config = xdg(environment, &variables::XDG_CONFIG_HOME, ".config")?;
        let cache = xdg(environment, &variables::XDG_CACHE_HOME, ".cache")?;
        let system = absolute(environment, &variables::NIX_CONF_DIR)?
            .unwrap_or_else(|| PathBuf::from("/etc/nix"));
        let state = absolute(environment, &variables::NIX_STATE_DIR)?
            .unwrap_or_else(|| PathBuf::from("/nix/var/nix"));
        let mut user_files = user_nix_confs(environment, &config)?;
        let user_nix_conf = user_files.remove(0);
        let mut earlier_nix_confs = vec![system.join("nix.conf")];
        if !environment.is_empty(&variables::NIX_USER_CONF_FILES) {
            earlier_nix_confs.extend(user_files.into_iter().rev());
        }
        Ok(Self {
            fh_config: config.join("fh"),
            flakehub_token: config.join("flakehub/auth"),
            fh_cache: cache.join("fh"),
            user_netrc: config.join("nix/netrc"),
            system_netrc: system.join("netrc"),
            determinate_netrc: state.with_file_name("determinate").join("netrc"),
            determinate_config: system.with_file_name("determinate").join("config.json"),
            user_nix_conf,
            earlier_nix_confs,
            unread_because: unread_because(environment),
        })
    }
}

/// The variable that is set and empty, which Nix takes at its word: no file of the user's, or files
/// below no directory.
fn unread_because(environment: &Environment) -> Option<&'static str> {
    if environment.get(&variables::NIX_USER_CONF_FILES).is_some() {
        return None;
    }
    let empty = [&variables::NIX_USER_CONF_FILES, &variables::XDG_CONFIG_HOME]
        .into_iter()
        .find(|variable| environment.is_empty(variable))?;
    Some(empty.name)
}

/// The directory that a variable of XDG names, else its place in the home directory.
fn xdg(
    environment: &Environment,
    variable: &Variable,
    usual: &str,
) -> Result<PathBuf, CommandError> {
    match absolute(environment, variable)? {
        Some(directory) => Ok(directory),
        None => Ok(home(environment)?.join(usual)),
    }
}

/// The home directory: the variable, else what the user database says.
pub(crate) fn home(environment: &Environment) -> Result<PathBuf, CommandError> {
    match absolute(environment, &variables::HOME)? {
        Some(home) => Ok(home),
        None => directories::BaseDirs::new()
            .map(|found| found.home_dir().to_owned())
            .ok_or_else(|| {
                CommandError::failed("there is no home directory")
                    .hint("Set HOME, or XDG_CONFIG_HOME, to a directory of yours.")
            }),
    }
}

/// The user's nix.conf files, never none, the one that overrides the others first.
fn user_nix_confs(
    environment: &Environment,
    config_home: &Path,
) -> Result<Vec<PathBuf>, CommandError> {
    let named = paths(environment, &variables::NIX_USER_CONF_FILES)?;
    if !named.is_empty() {
        return Ok(named);
    }
    let mut directories = paths(environment, &variables::XDG_CONFIG_DIRS)?;
    if directories.is_empty() && !environment.is_empty(&variables::XDG_CONFIG_DIRS) {
        directories.push(PathBuf::from("/etc/xdg"));
    }
    directories.insert(0, config_home.to_owned());
    Ok(directories
        .iter()
        .map(|directory| directory.join("nix/nix.conf"))
        .collect())
}

/// Paths that are separated by colons.
fn paths(environment: &Environment, variable: &Variable) -> Result<Vec<PathBuf>, CommandError> {
    environment
        .text(variable)?
        .unwrap_or_default()
        .split(':')
        .filter(|path| !path.is_empty())
        .map(|path| must_be_absolute(variable, Path::new(path)))
        .collect()
}

fn absolute(
    environment: &Environment,
    variable: &Variable,
) -> Result<Option<PathBuf>, CommandError> {
    environment
        .path(variable)
        .map(|path| must_be_absolute(variable, &path))
        .transpose()
}

fn must_be_absolute(variable: &Variable, path: &Path) -> Result<PathBuf, CommandError> {
    if path.is_absolute() {
        return Ok(path.to_owned());
    }
    Err(CommandError::usage(format!(
        "{} names {}, which is not an absolute path",
        variable.name,
        path.display()
    )))
}
