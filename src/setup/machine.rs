//! What the machine is like, as far as it decides which files count.

use std::path::{Path, PathBuf};

use fh_conf::atomic::EditOptions;
use fh_conf::nix_conf::{FileToEdit, NixConf, file_to_edit};

use super::daemon::Daemon;
use super::files::Files;
use super::keeper::Determinate;
use crate::error::CommandError;
use crate::settings::Directories;

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
    /// The netrc where no `netrc-file` is set.
    pub(crate) default_netrc: PathBuf,
    /// `/etc/nix/netrc`, which Nix reads where no `netrc-file` is set.
    pub(crate) system_netrc: PathBuf,
    /// The files of Determinate Nix, whose daemon may write the netrc.
    pub(crate) determinate: Determinate,
    /// Whether its `config.json` is made from a configuration.
    pub(crate) config_is_generated: bool,
    /// `config.toml`.
    pub(crate) config: PathBuf,
    /// What logins have added to which files.
    pub(crate) ledger: PathBuf,
    pub(crate) daemon: Daemon,
    pub(crate) files: Files,
}

impl Machine {
    /// Looks at the files of a scope. `daemon` is how Nix works here for this user.
    pub(crate) fn look(
        directories: &Directories,
        scope: Scope,
        daemon: Daemon,
    ) -> Result<Self, CommandError> {
        let (roots, path, default_netrc) = match scope {
            Scope::System => {
                let system = directories.system_nix_conf();
                (
                    vec![system.clone()],
                    system,
                    directories.system_netrc.clone(),
                )
            }
            Scope::User => {
                let mut roots = directories.earlier_nix_confs.clone();
                roots.push(directories.user_nix_conf.clone());
                (
                    roots,
                    directories.user_nix_conf.clone(),
                    directories.user_netrc.clone(),
                )
            }
        };
        let mut machine = Self {
            scope,
            roots,
            nix_conf: file_to_edit(&path, &EditOptions::shared().store)?,
            default_netrc,
            system_netrc: directories.system_netrc.clone(),
            determinate: Determinate::of(directories),
            config_is_generated: false,
            config: directories.fh_config.join("config.toml"),
            ledger: directories.ledger(),
            daemon,
            files: Files::default(),
        };
        for path in [machine.config.clone(), machine.ledger.clone()] {
            machine.files.look(&path)?;
        }
        machine.look_at_nix()?;
        Ok(machine)
    }

    /// Looks at all that Nix reads.
    fn look_at_nix(&mut self) -> Result<(), CommandError> {
        let path = self.nix_conf_path().to_owned();
        let text = self.files.look(&path)?.map(<[u8]>::to_vec);
        let files = &mut self.files;
        let conf = NixConf::parse_among(
            text.as_deref().unwrap_or_default(),
            &path,
            &self.roots,
            &mut |path| files.look_included(path),
        )?;
        let netrc = self.netrc(&conf)?;
        self.look_at_netrc(&netrc)
            .map_err(|error| not_writable(error, &netrc))?;
        // To tell what goes out of sight; what cannot be read is not known.
        let system = self.system_netrc.clone();
        let _ = self.files.look_included(&system);
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

    /// The netrc that Nix reads, or that it is to read.
    pub(crate) fn netrc(&self, conf: &NixConf) -> Result<PathBuf, CommandError> {
        let Some(named) = conf.effective("netrc-file") else {
            return Ok(self.default_netrc.clone());
        };
        let path = PathBuf::from(&named);
        if path.is_absolute() {
            return Ok(path);
        }
        Err(CommandError::failed(format!(
            "nix.conf sets netrc-file to {named:?}, which is not an absolute path"
        ))
        .hint(format!(
            "Let it name a file, or remove the setting: it is set in {} or a file read before it.",
            self.nix_conf_path().display()
        )))
    }
}

/// Nix may read a netrc that is not the user's to write.
pub(crate) fn not_writable(error: CommandError, path: &Path) -> CommandError {
    use std::io::ErrorKind;
    let denied = matches!(
        error.downcast_ref(),
        Some(fh_conf::Error::Io { source, .. })
            if matches!(source.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem)
    );
    if !denied {
        return error;
    }
    error.hint(format!(
        "Nix reads {0} because of `netrc-file` in nix.conf. Log in as an administrator (`--scope \
         system`), or set `netrc-file` in your own nix.conf to a file of yours.",
        path.display()
    ))
}
