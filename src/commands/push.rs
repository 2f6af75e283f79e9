//! `fh push`: the closure of what was built, into a flake.

mod arguments;
mod bar;
mod progress;
mod report;

use std::ffi::OsString;
use std::io::{self, BufRead as _};
use std::os::unix::ffi::OsStringExt as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use fh_client::closure::NixMessages;
use fh_client::{LogDirectory, NixTools, PushOptions};
use fh_nix::StoreDir;

pub(crate) use arguments::PushArguments;
use progress::Progress;

use crate::context::Context;
use crate::error::CommandError;
use crate::interrupt::{self, Threads};

/// What is pushed where nothing is named: what `nix build` leaves.
const RESULT: &str = "./result";

pub(crate) fn run(arguments: &PushArguments, context: &Context) -> Result<ExitCode, CommandError> {
    let client = context.client_with_token()?;
    let deadline = arguments.deadline();
    let mut options = PushOptions {
        jobs: arguments.jobs.unwrap_or(PushOptions::default().jobs),
        compression_level: arguments.compression_level,
        skip_signed_by: arguments.trusted_upstreams(),
        dry_run: arguments.dry_run,
        retries: arguments.retries,
        deadline,
        logs: None,
    };
    let named = named(arguments)?;
    let progress = Arc::new(Progress::new(&arguments.flake, options.dry_run, context));
    let tools = tools(arguments, &progress, context)?;

    let started = AtomicBool::new(false);
    let hint = || {
        // At once: the threads go on for a moment, and the bar must not come back.
        progress.finish();
        if started.load(Ordering::Relaxed) {
            "What was sent is kept on the server for a while: run the same command again, and the \
             push goes on from there."
        } else {
            "Nothing was sent."
        }
    };
    let result = interrupt::run(Threads::AllCores, hint, async {
        progress.looking();
        let closure = deadline.hold(tools.closure(&named, !arguments.no_closure));
        let closure = progress.shown_during(closure).await.map_err(|error| {
            let out_of_time = matches!(error, fh_client::Error::OutOfTime { .. });
            let error = CommandError::from(error);
            if out_of_time {
                error.context("cannot learn from Nix what to push")
            } else {
                error
            }
        })?;
        if !arguments.no_logs {
            let configured = context.settings.nix_log_dir();
            let logs = LogDirectory::of(&closure, tools.store.as_deref(), configured);
            options.logs = Some(logs);
        }
        started.store(!options.dry_run, Ordering::Relaxed);
        progress.planning(closure.paths.len());
        let flake = &arguments.flake;
        let push = fh_client::push(&client, flake, &closure, &options, progress.clone());
        let report = progress.shown_during(push).await.map_err(|error| {
            CommandError::from(error).context(format!("cannot push to {flake}"))
        })?;
        Ok((report, closure.store_dir))
    });
    progress.finish();
    let (report, store_dir) = result?;
    report::print(
        &arguments.flake,
        report,
        progress.retries(),
        &store_dir,
        context,
    )
}

/// What to push: the arguments, then the lines of stdin, else `./result`.
fn named(arguments: &PushArguments) -> Result<Vec<OsString>, CommandError> {
    let mut named = arguments.paths.clone();
    if arguments.stdin {
        for line in io::stdin().lock().split(b'\n') {
            let mut line = line.map_err(|error| {
                CommandError::file("read paths from", Path::new("stdin"), error)
            })?;
            if line.last() == Some(&b'\r') {
                line.pop();
            }
            if !line.is_empty() {
                named.push(OsString::from_vec(line));
            }
        }
        // A build that made nothing is no reason to push something else.
        if named.is_empty() {
            return Err(CommandError::failed("stdin named nothing to push"));
        }
    }
    if named.is_empty() {
        if Path::new(RESULT).symlink_metadata().is_err() {
            return Err(CommandError::failed("there is no ./result here to push")
                .hint("Build something first (`nix build`), or name what to push: a store path, a link into the store, or an installable such as .#app"));
        }
        named.push(RESULT.into());
    }
    Ok(named)
}

/// The Nix that is asked, and about which store.
fn tools(
    arguments: &PushArguments,
    progress: &Arc<Progress>,
    context: &Context,
) -> Result<NixTools, CommandError> {
    let said = progress.clone();
    let messages: NixMessages = Arc::new(move |line: &str| said.nix(line));
    let mut tools = NixTools {
        store: arguments.store.clone().or(context.settings.nix_remote()?),
        messages: Some(messages),
        ..NixTools::default()
    };
    if let Some(directory) = context.settings.nix_store_dir()? {
        tools.store_dir = StoreDir::new(&directory).map_err(|error| {
            CommandError::new(crate::error::Status::Usage, error)
                .context("NIX_STORE_DIR names no store directory")
        })?;
    }
    Ok(tools)
}
