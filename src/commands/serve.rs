//! `fh serve`: the cache server in the foreground.
//!
//! ```text
//! arguments ─┐
//! FH_SERVE_… ├─▶ fh_settings::resolve ─▶ --check: report
//! TOML file ─┘                             └─▶ log, sockets of systemd, serve until a signal
//! ```
//!
//! Everything that a server takes from its surroundings is taken here: the environment, inherited
//! sockets, signals, the limit of open files. SIGTERM and SIGINT stop it with grace, a second one
//! at once; SIGHUP reads the TLS certificate again.

mod arguments;
mod check;
mod logging;
mod service_manager;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use fh_server::{InheritedSocket, RunningServer, Server, ServerError};
use fh_settings::{self as config, ConfigError, Given, Origin, Resolved};
use rustix::process::{Resource, Rlimit};
use tokio::signal::unix::{Signal, SignalKind, signal};

pub(crate) use self::arguments::ServeArguments;
use self::service_manager::ServiceManager;
use crate::context::Context;
use crate::error::{CommandError, Status};
use crate::settings::{Environment, home, variables};

/// The directory below the user's data directory, where nothing else is said.
const DATA_DIRECTORY: &str = "fh-server";

pub(crate) fn run(arguments: ServeArguments, context: &Context) -> Result<(), CommandError> {
    if arguments.print_openapi {
        return context.output.text(&fh_server::openapi());
    }
    if arguments.print_example {
        return context.output.text(&config::example_file());
    }
    let environment = context.settings.environment();
    let check = arguments.check;
    let mut resolved = resolve(arguments, environment)?;
    let manager = ServiceManager::from_environment(environment);
    let inherited = service_manager::inherited_sockets()?;
    if !inherited.is_empty() && resolved.origin("listen") == Some(&Origin::Default) {
        // Whoever hands over sockets has said where to listen.
        resolved.settings.listen.clear();
        resolved.given.retain(|given| given.option.key != "listen");
    }
    if let Some(level) = check {
        return check::run(level, resolved, inherited.len(), context);
    }

    let settings = resolved.settings;
    logging::start(&settings, context.settings.terminals.color)?;
    raise_open_files();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| failed(error, "cannot start the threads of the server"))?;
    runtime.block_on(serve(settings, inherited, &manager))
}

/// Puts together what was given where, strongest first: flags, environment, file, machine, defaults.
fn resolve(arguments: ServeArguments, environment: &Environment) -> Result<Resolved, CommandError> {
    let mut given = arguments.flags.0;
    for option in config::OPTIONS {
        if let Some(text) = environment.text_of(option.variable)? {
            given.push(Given {
                option,
                texts: vec![text.to_owned()],
                origin: Origin::Environment,
            });
        }
    }
    let file = arguments
        .config
        .or_else(|| environment.path(&variables::FH_SERVE_CONFIG));
    if let Some(path) = file {
        given.extend(config::read_file(&absolute(&path)?).map_err(config_error)?);
    }
    if !given.iter().any(|given| given.option.key == "data-dir")
        && let Some(option) = config::option("data-dir")
    {
        let (directory, origin) = machine_data_directory(environment)?;
        given.push(Given {
            option,
            texts: vec![directory.display().to_string()],
            origin: Origin::Machine(origin),
        });
    }
    config::resolve(&given).map_err(config_error)
}

/// The error of a file stays true when the server changes its directory one day.
fn absolute(path: &Path) -> Result<PathBuf, CommandError> {
    std::path::absolute(path).map_err(|error| CommandError::file("find", path, error))
}

/// Where data goes when nobody has said so.
fn machine_data_directory(
    environment: &Environment,
) -> Result<(PathBuf, &'static str), CommandError> {
    if let Some(list) = environment.path(&variables::STATE_DIRECTORY) {
        // systemd.exec(5): several directories are separated by colons.
        let first = std::env::split_paths(&list).next().unwrap_or(list);
        return Ok((first, variables::STATE_DIRECTORY.name));
    }
    match environment.path(&variables::XDG_DATA_HOME) {
        Some(data) if data.is_absolute() => {
            Ok((data.join(DATA_DIRECTORY), variables::XDG_DATA_HOME.name))
        }
        _ => Ok((
            home(environment)?.join(".local/share").join(DATA_DIRECTORY),
            "the home directory",
        )),
    }
}

/// What is typed wrongly is a usage error, what stands wrongly in a file a failure.
fn config_error(error: ConfigError) -> CommandError {
    let status = match &error {
        ConfigError::Value {
            origin: Origin::Flag | Origin::Environment | Origin::Machine(_),
            ..
        }
        | ConfigError::Missing { .. } => Status::Usage,
        _ => Status::Failed,
    };
    CommandError::new(status, error)
        .hint("`fh help serve` shows what each option takes; `fh serve --check` tests them.")
}

async fn serve(
    settings: config::Settings,
    inherited: Vec<InheritedSocket>,
    manager: &ServiceManager,
) -> Result<(), CommandError> {
    // Before the start, so that a signal that comes during it is not the end of the process.
    let mut signals = Signals::new()?;
    // It may have to wait for the server before it.
    let server = tokio::select! {
        server = Server::start_with(settings, inherited) => server.map_err(start_error)?,
        () = signals.stop_only() => return Ok(()),
    };
    manager.notify(&format!("READY=1\nSTATUS=serving {}\n", server.url()));
    signals.stop(&server).await;
    manager.notify("STOPPING=1\nSTATUS=waiting for running requests\n");
    server.stop_or(signals.stop_only()).await;
    Ok(())
}

/// The signals that a server heeds.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> Result<Self, CommandError> {
        let listen =
            |kind| signal(kind).map_err(|error| failed(error, "cannot listen for signals"));
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hangup: listen(SignalKind::hangup())?,
        })
    }

    /// Waits for a signal to stop, and reads certificates again meanwhile.
    async fn stop(&mut self, server: &RunningServer) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.hangup.recv() => server.reload_certificates().await,
            }
        }
    }

    /// Waits for a signal to stop.
    async fn stop_only(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

fn start_error(error: ServerError) -> CommandError {
    let hint = match &error {
        ServerError::InUse { .. } => {
            Some("Stop that server first, or choose another directory: `--data-dir`.")
        }
        ServerError::Listen(_) => {
            Some("`fh serve --check` tests all addresses and the certificate.")
        }
        _ => None,
    };
    let error = CommandError::new(Status::Failed, error).context("the server did not start");
    match hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

fn failed(error: std::io::Error, what: &'static str) -> CommandError {
    CommandError::new(Status::Failed, error).context(what)
}

/// Every connection and every NAR that is served takes a file descriptor, and the usual limit of
/// 1024 stands there for programs that use select(2).
fn raise_open_files() {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if let Err(error) = rustix::process::setrlimit(Resource::Nofile, raised) {
        tracing::debug!(%error, "the limit of open files stays as it is");
    }
}
