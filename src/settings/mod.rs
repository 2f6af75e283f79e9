//! What the command line and the environment say, resolved once into plain values.
//!
//! Nothing else in the workspace looks at the process environment: libraries are handed what
//! stands here. A variable that is set and empty counts as not set.

mod directories;
mod environment;
mod options;
#[cfg(test)]
mod tests;
pub(crate) mod variables;
mod workload;

use std::ffi::OsStr;
use std::io::IsTerminal;
use std::path::PathBuf;

use fh_client::workload::WorkloadEnvironment;
use secrecy::SecretString;

pub(crate) use directories::Directories;
#[cfg(feature = "server")]
pub(crate) use directories::home;
pub(crate) use environment::Environment;
pub(crate) use options::{ColorWhen, GlobalOptions};
pub(crate) use workload::WorkloadChoice;

use self::variables::Variable;
use crate::error::CommandError;

/// Where a value came from, for messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chosen<T> {
    pub(crate) value: T,
    /// The option or the variable it stood in.
    pub(crate) origin: &'static str,
}

/// A token that the environment names.
#[derive(Debug, Clone)]
pub(crate) enum TokenInEnvironment {
    /// The token itself, from FH_TOKEN.
    Value(SecretString),
    /// The file that FH_TOKEN_FILE names.
    File(PathBuf),
}

impl TokenInEnvironment {
    /// The name of the variable that it is from.
    pub(crate) fn variable(&self) -> &'static str {
        match self {
            Self::Value(_) => variables::FH_TOKEN.name,
            Self::File(_) => variables::FH_TOKEN_FILE.name,
        }
    }
}

/// Which of the standard streams are terminals, and whether they show colours.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Terminals {
    /// A person can type.
    pub(crate) stdin: bool,
    /// Tables, and not CSV.
    pub(crate) stdout: bool,
    /// A person reads what is asked.
    pub(crate) stderr: bool,
    /// stderr can move its cursor: bars, and not lines.
    pub(crate) moving: bool,
    /// Whether stderr shows colours.
    pub(crate) color: bool,
    /// Whether stdout shows colours.
    pub(crate) stdout_color: bool,
}

/// Whether a stream shows colours.
pub(crate) fn shows_color(when: ColorWhen, is_terminal: bool, environment: &Environment) -> bool {
    match when {
        ColorWhen::Always => true,
        ColorWhen::Never => false,
        ColorWhen::Auto => {
            let plain = environment.get(&variables::NO_COLOR).is_some() || is_dumb(environment);
            !plain && is_terminal
        }
    }
}

fn is_dumb(environment: &Environment) -> bool {
    environment
        .get(&variables::TERM)
        .is_some_and(|term| term == "dumb")
}

/// Everything that outlives the parsing of the command line.
#[derive(Debug)]
pub(crate) struct Settings {
    environment: Environment,
    /// The server that was asked for, before anything is known of it.
    pub(crate) server: Option<Chosen<String>>,
    /// A token of the environment, which goes before the stored one.
    pub(crate) token: Option<TokenInEnvironment>,
    /// Whose identity is used where there is no token.
    pub(crate) workload: WorkloadChoice,
    /// Addresses of FlakeHub other than the usual ones: API, cache, web.
    pub(crate) flakehub: [Option<Chosen<String>>; 3],
    /// A PEM file with certificate authorities.
    pub(crate) ca_file: Option<PathBuf>,
    /// The PEM file that the TLS library reads by itself.
    pub(crate) tls_ca_file: Option<PathBuf>,
    /// A PEM file with certificates for the server, where the command names one; an absolute path.
    pub(crate) server_ca_file: Option<PathBuf>,
    /// Whether results are printed as JSON.
    pub(crate) json: bool,
    /// 0: what matters; 3: everything.
    pub(crate) verbosity: u8,
    /// No progress, and nothing that nobody has to know.
    pub(crate) quiet: bool,
    /// Tables with all that there is.
    pub(crate) wide: bool,
    pub(crate) terminals: Terminals,
}

impl Settings {
    /// Resolves options and environment. Options win.
    ///
    /// # Errors
    /// A usage error naming the variable that cannot be understood.
    pub(crate) fn resolve(
        options: GlobalOptions,
        environment: Environment,
    ) -> Result<Self, CommandError> {
        let chosen = |option: Option<String>, origin, variable: &Variable| match option {
            Some(value) => Ok::<_, CommandError>(Some(Chosen { value, origin })),
            None => Ok(environment.text(variable)?.map(|value| Chosen {
                value: value.to_owned(),
                origin: variable.name,
            })),
        };
        let server = chosen(options.server, "--server", &variables::FH_SERVER)?;
        let flakehub = [
            chosen(options.api_addr, "--api-addr", &variables::FH_API_ADDR)?,
            chosen(
                options.cache_addr,
                "--cache-addr",
                &variables::FH_CACHE_ADDR,
            )?,
            chosen(
                options.frontend_addr,
                "--frontend-addr",
                &variables::FH_FRONTEND_ADDR,
            )?,
        ];
        let color = options.color.unwrap_or_default();
        let token = match environment.text(&variables::FH_TOKEN)? {
            Some(token) => Some(TokenInEnvironment::Value(SecretString::from(token))),
            None => environment
                .path(&variables::FH_TOKEN_FILE)
                .map(TokenInEnvironment::File),
        };
        let verbosity = match environment.text(&variables::FH_VERBOSITY)? {
            _ if options.verbose > 0 => options.verbose,
            None => 0,
            Some(number) => number.trim().parse().map_err(|_| {
                CommandError::usage(format!(
                    "FH_VERBOSITY is {number:?}, and must be a number from 0 to 3"
                ))
            })?,
        };
        Ok(Self {
            server,
            flakehub,
            token,
            workload: if options.no_workload {
                WorkloadChoice::Off
            } else {
                WorkloadChoice::resolve(&environment)?
            },
            ca_file: environment
                .path(&variables::NIX_SSL_CERT_FILE)
                .or_else(|| environment.path(&variables::SSL_CERT_FILE)),
            tls_ca_file: environment.path(&variables::SSL_CERT_FILE),
            server_ca_file: None,
            json: options.json || environment.switch(&variables::FH_OUTPUT_JSON)?,
            verbosity,
            quiet: options.quiet,
            wide: options.wide,
            terminals: Terminals {
                stdin: std::io::stdin().is_terminal(),
                stdout: std::io::stdout().is_terminal(),
                stderr: std::io::stderr().is_terminal(),
                moving: !is_dumb(&environment) && std::io::stderr().is_terminal(),
                color: shows_color(color, std::io::stderr().is_terminal(), &environment),
                stdout_color: shows_color(color, std::io::stdout().is_terminal(), &environment),
            },
            environment,
        })
    }

    /// The directories of the user, found when they are first needed.
    ///
    /// # Errors
    /// Where there is no home directory, or a variable names a relative one.
    pub(crate) fn directories(&self) -> Result<Directories, CommandError> {
        Directories::resolve(&self.environment)
    }

    /// What the surroundings say of a workload's identity.
    ///
    /// # Errors
    /// Where a variable is not UTF-8.
    pub(crate) fn workload_environment(&self) -> Result<WorkloadEnvironment, CommandError> {
        workload::environment(&self.environment)
    }

    /// Whether a page can be opened in a browser.
    pub(crate) fn has_browser(&self) -> bool {
        let display = [&variables::DISPLAY, &variables::WAYLAND_DISPLAY];
        cfg!(target_os = "macos")
            || display
                .iter()
                .any(|variable| self.environment.get(variable).is_some())
    }

    /// The name of the user of this machine, for advice.
    pub(crate) fn user_name(&self) -> String {
        let name = self.environment.get(&variables::USER);
        name.map_or_else(
            || "USER".to_owned(),
            |name| name.to_string_lossy().into_owned(),
        )
    }

    /// Whether a variable is set, for advice that has to name it.
    pub(crate) fn has(&self, variable: &Variable) -> bool {
        self.environment.get(variable).is_some()
    }

    /// The settings of Nix that the environment holds.
    pub(crate) fn nix_config(&self) -> Option<&OsStr> {
        self.environment.get(&variables::NIX_CONFIG)
    }

    /// Where Nix's daemon listens.
    pub(crate) fn nix_daemon_socket(&self) -> Result<PathBuf, CommandError> {
        let store = self.nix_remote()?;
        let named = store
            .as_deref()
            .and_then(|store| store.strip_prefix("unix://"));
        if let Some(path) = named.and_then(|named| named.split('?').next()) {
            return Ok(PathBuf::from(path));
        }
        let socket = self.environment.path(&variables::NIX_DAEMON_SOCKET_PATH);
        Ok(socket.unwrap_or_else(|| PathBuf::from("/nix/var/nix/daemon-socket/socket")))
    }

    /// Whether Nix gets our stderr while it builds, to show how far it is as it does by itself.
    pub(crate) fn nix_shows_itself(&self) -> bool {
        self.terminals.stderr && !self.quiet
    }

    /// Where private files of a running program may be, the best place first.
    pub(crate) fn runtime_directories(&self) -> Vec<PathBuf> {
        [
            self.environment.path(&variables::XDG_RUNTIME_DIR),
            self.environment.path(&variables::TMPDIR),
            Some(PathBuf::from("/tmp")),
        ]
        .into_iter()
        .flatten()
        .filter(|directory| directory.is_absolute())
        .collect()
    }

    /// The store that Nix works with, where it is not the usual one.
    pub(crate) fn nix_remote(&self) -> Result<Option<String>, CommandError> {
        let store = self.environment.text(&variables::NIX_REMOTE)?;
        Ok(store.map(str::to_owned))
    }

    /// The store directory that Nix names paths by, where it is not the usual one.
    pub(crate) fn nix_store_dir(&self) -> Result<Option<String>, CommandError> {
        let directory = self.environment.text(&variables::NIX_STORE_DIR)?;
        Ok(directory.map(str::to_owned))
    }

    /// The directory of Nix's build logs, where it is not the usual one.
    pub(crate) fn nix_log_dir(&self) -> Option<PathBuf> {
        self.environment.path(&variables::NIX_LOG_DIR)
    }

    /// The environment, for `fh serve`, which has options of its own.
    #[cfg(feature = "server")]
    pub(crate) fn environment(&self) -> &Environment {
        &self.environment
    }
}
