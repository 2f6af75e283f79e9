//! What the machine is like, as far as it decides which files count.
//!
//! The variable NIX_CONFIG counts after all files, for what is started from this shell. The Nix daemon
//! and other users do not have it. So it decides which netrc a person's Nix reads, and what it says is no
//! reason to leave anything out of nix.conf.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use fh_conf::Error;
use fh_conf::atomic::{self, EditOptions};
use fh_conf::nix_conf::{FileToEdit, NixConf, file_to_edit};

use super::daemon::Daemon;
use super::files::Files;
use super::keeper::{Determinate, Keeper, is_generated};
use crate::access::{self, Obstacle};
use crate::error::CommandError;
use crate::settings::Settings;

/// Whose files are set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Those of this user, which serve this user.
    User,
    /// Those of the machine, which serve everybody and the Nix daemon.
    System,
}

impl Scope {
    /// The word for it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::System => "system",
        }
    }

    /// Where nothing is said: root means the machine.
    pub(crate) fn automatic() -> Self {
        if rustix::process::geteuid().is_root() {
            Self::System
        } else {
            Self::User
        }
    }
}

/// What was seen of the machine.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    pub(crate) scope: Scope,
    /// The nix.conf files with which Nix begins, the one that it heeds most last.
    pub(crate) roots: Vec<PathBuf>,
    /// The one that is edited.
    pub(crate) nix_conf: FileToEdit,
    /// The settings of NIX_CONFIG.
    pub(crate) variable: Option<NixConf>,
    /// The netrc where no `netrc-file` is set.
    pub(crate) default_netrc: PathBuf,
    /// `/etc/nix/netrc`, which Nix reads where no `netrc-file` is set.
    pub(crate) system_netrc: PathBuf,
    /// The files of Determinate Nix, whose daemon may write the netrc.
    pub(crate) determinate: Determinate,
    /// Whether its `config.json` is made from a configuration.
    pub(crate) config_is_generated: bool,
    /// The `config.toml` that lists the servers.
    pub(crate) config: PathBuf,
    /// What logins have added to which files.
    pub(crate) ledger: PathBuf,
    pub(crate) daemon: Daemon,
    pub(crate) files: Files,
}

impl Machine {
    /// Looks at the files of a scope. `daemon` is how Nix works here for this user.
    pub(crate) fn look(
        settings: &Settings,
        scope: Scope,
        daemon: Daemon,
    ) -> Result<Self, CommandError> {
        let directories = settings.directories()?;
        if let Some(empty) = directories.unread_because.filter(|_| scope == Scope::User) {
            return Err(CommandError::usage(format!(
                "{empty} is set and empty, so Nix does not read {}",
                directories.user_nix_conf.display()
            ))
            .hint(format!("Unset {empty}, and try again.")));
        }
        let of_system = directories.system_nix_conf();
        let (roots, path, default_netrc) = match scope {
            Scope::System => (
                vec![of_system.clone()],
                &of_system,
                &directories.system_netrc,
            ),
            Scope::User => (
                directories.nix_confs(),
                &directories.user_nix_conf,
                &directories.user_netrc,
            ),
        };
        let mut machine = Self {
            scope,
            roots,
            nix_conf: file_to_edit(path, &EditOptions::shared().store)?,
            variable: None,
            default_netrc: default_netrc.clone(),
            system_netrc: directories.system_netrc.clone(),
            determinate: Determinate::of(&directories),
            config_is_generated: false,
            config: directories.fh_config.join("config.toml"),
            ledger: directories.ledger(),
            daemon,
            files: Files::default(),
        };
        for path in [machine.config.clone(), machine.ledger.clone()] {
            machine.files.look(&path)?;
        }
        machine.look_at_nix(settings.nix_config())?;
        Ok(machine)
    }

    /// Looks at all that Nix reads; `variable` is NIX_CONFIG.
    fn look_at_nix(&mut self, variable: Option<&OsStr>) -> Result<(), CommandError> {
        let path = self.nix_conf_path().to_owned();
        let text = self.files.look(&path)?.map(<[u8]>::to_vec);
        let files = &mut self.files;
        let conf = NixConf::parse_among(
            text.as_deref().unwrap_or_default(),
            &path,
            &self.roots,
            &mut |path| files.look_included(path),
        )?;
        self.variable = variable
            .map(|text| {
                NixConf::parse_variable(text.as_bytes(), &mut |path| files.look_included(path))
            })
            .transpose()?;
        for netrc in self.netrcs(&conf)? {
            if let Err(error) = self.look_at_netrc(&netrc) {
                return Err(self.explained(error));
            }
        }
        // To tell what goes out of sight; what cannot be read is not known.
        let system = self.system_netrc.clone();
        let _ = self.files.look_included(&system);
        Ok(())
    }

    /// Looks at a netrc that Nix reads, and at what has to be edited in its place.
    fn look_at_netrc(&mut self, path: &Path) -> Result<(), CommandError> {
        match self.determinate.keeper(path) {
            Keeper::Nobody => {
                self.files.look(path)?;
            }
            Keeper::SecretManager => {
                // To tell whether the token is there; what cannot be read is not known.
                let _ = self.files.look_included(path);
            }
            Keeper::Determinate => {
                let _ = self.files.look_included(path);
                if self.scope == Scope::System {
                    self.files.look(&self.determinate.source())?;
                    self.files.look(&self.determinate.config)?;
                    self.config_is_generated = is_generated(&self.determinate.config);
                }
            }
        }
        Ok(())
    }

    /// The nix.conf to edit, or the one that is generated.
    pub(crate) fn nix_conf_path(&self) -> &Path {
        match &self.nix_conf {
            FileToEdit::Path { path, .. } | FileToEdit::Generated { path, .. } => path,
        }
    }

    /// The nix.conf as it was seen, among the others.
    pub(crate) fn parse_nix_conf(&self) -> Result<NixConf, CommandError> {
        let path = self.nix_conf_path();
        let text = self.files.content(path).unwrap_or_default();
        Ok(NixConf::parse_among(
            text,
            path,
            &self.roots,
            &mut |path| self.files.included(path),
        )?)
    }

    /// The settings as Nix has them that is started from here.
    fn in_force(&self, conf: &NixConf) -> NixConf {
        match &self.variable {
            Some(variable) => conf.followed_by(variable),
            None => conf.clone(),
        }
    }

    /// Whether NIX_CONFIG names a netrc: then nix.conf need not.
    pub(crate) fn names_netrc(&self, conf: &NixConf) -> bool {
        self.in_force(conf).effective("netrc-file").is_some()
    }

    /// The netrcs that Nix reads, or that it is to read. For a person that is one. For the machine it is
    /// the one that the files name; where NIX_CONFIG names another, Nix from this shell reads that one.
    pub(crate) fn netrcs(&self, conf: &NixConf) -> Result<Vec<PathBuf>, CommandError> {
        let in_force = self.in_force(conf);
        if self.scope == Scope::User {
            return Ok(vec![self.netrc(&in_force)?]);
        }
        let mut netrcs = vec![self.netrc(conf)?, self.netrc(&in_force)?];
        netrcs.dedup();
        Ok(netrcs)
    }

    fn netrc(&self, conf: &NixConf) -> Result<PathBuf, CommandError> {
        let Some(named) = conf.effective("netrc-file") else {
            return Ok(self.default_netrc.clone());
        };
        let path = PathBuf::from(&named);
        if path.is_absolute() {
            return Ok(path);
        }
        let by = match conf.set_by("netrc-file") {
            Some((by, line)) => format!("{} (line {line})", by.display()),
            None => "nix.conf".to_owned(),
        };
        Err(CommandError::failed(format!(
            "{by} sets netrc-file to {named:?}, which is not an absolute path"
        ))
        .hint("Let it name a file by its whole path, or remove the setting."))
    }

    /// Whether a login of this scope writes to a file.
    pub(crate) fn sets_up(&self, path: &Path) -> Result<bool, CommandError> {
        let netrcs = self.netrcs(&self.parse_nix_conf()?)?;
        let source = self.determinate.source();
        Ok(path == self.nix_conf_path() || path == source || netrcs.iter().any(|it| it == path))
    }

    /// Where NIX_CONFIG, or a file that it includes, gives a list another value, without all of these:
    /// nothing that nix.conf says of the list counts then.
    pub(crate) fn replaced_by_variable(
        &self,
        list: &str,
        values: &[String],
    ) -> Option<(&Path, usize)> {
        let variable = self.variable.as_ref()?;
        let place = variable.set_by(list)?;
        let has_all = values
            .iter()
            .all(|value| variable.list_contains(list, value));
        (!has_all).then_some(place)
    }

    /// An error of reading or writing files, with what to do where it is about a netrc that is not this
    /// user's to use: Nix may read such a one.
    pub(crate) fn explained(&self, mut error: CommandError) -> CommandError {
        let (path, is_denied) = match error.downcast_ref() {
            Some(Error::Io { path, source, .. }) if access::is_denied(source) => (path, true),
            Some(Error::InStore { path, .. } | Error::NotRegular { path }) => (path, false),
            _ => return error,
        };
        let Ok(conf) = self.parse_nix_conf() else {
            return error;
        };
        let in_force = self.in_force(&conf);
        let Ok(netrc) = self.netrc(&in_force) else {
            return error;
        };
        // By the name of the file itself, whatever links lead to it. A new one is written beside it.
        let real = atomic::resolve(&netrc).unwrap_or_else(|_| netrc.clone());
        let is_about = |netrc: &Path| netrc.starts_with(path) || netrc.parent() == path.parent();
        if !is_about(&netrc) && !is_about(&real) {
            return error;
        }
        // By its own name, which may be that of a link that leads astray.
        let obstacle = Obstacle::on_the_way_to(&netrc).filter(|_| is_denied);
        if let Some(obstacle) = obstacle {
            error = error.hint_once(obstacle.hint());
            if obstacle.is_mine {
                return error;
            }
        }
        self.naming_setting(error, &in_force, &netrc)
    }

    /// The error with the setting because of which Nix reads this netrc.
    fn naming_setting(
        &self,
        error: CommandError,
        in_force: &NixConf,
        netrc: &Path,
    ) -> CommandError {
        match in_force.set_by("netrc-file") {
            None if self.scope == Scope::System => {
                error.hint("The machine's files are root's: run this command with sudo.")
            }
            None => error,
            Some((by, _)) if self.is_of_variable(by) => error.hint(format!(
                "Nix reads {} because of `netrc-file` in {}. Let it name a file that you may write, or unset \
                 NIX_CONFIG.",
                netrc.display(),
                by.display()
            )),
            Some(_) => error.hint(format!(
                "Nix reads {} because of `netrc-file` in nix.conf. Log in as an administrator (`--scope \
                 system`), or set `netrc-file` in your own nix.conf to a file of yours.",
                netrc.display()
            )),
        }
    }

    fn is_of_variable(&self, place: &Path) -> bool {
        let variable = self.variable.as_ref();
        let set_by = variable.and_then(|variable| variable.set_by("netrc-file"));
        set_by.is_some_and(|(by, _)| by == place)
    }
}
