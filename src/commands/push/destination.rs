//! Where a push goes: which server, which protocol, with which token.
//!
//! Invariants: nothing is asked of the network before it is needed; a token goes to the address that it was given for; a server whose
//! protocol is not known is asked for it without a token.

use std::path::PathBuf;
use std::sync::Arc;

use fh_api::{FlakeName, PushRequest};
use fh_client::push::PushObserver;
use fh_client::retry::RetryEvent;
use fh_client::targets::attic::{AtticCache, AtticOptions, LeaveOut};
use fh_client::targets::flakehub;
use fh_client::targets::{CacheName, Known, PushTarget, detect, flake_or_cache};
use fh_client::{
    Client, Closure, Error as ClientError, FlakeHub, LogDirectory, NixTools, PushEvent,
    PushOptions, PushReport, ServerKind, ServerUrl,
};
use secrecy::ExposeSecret as _;

use super::arguments::{PushArguments, UpstreamKey};
use crate::commands::expiry::Soon;
use crate::context::{Context, FoundToken, Selected, Speaker, no_server};
use crate::error::CommandError;
use crate::site::attic_cache;

/// A destination as the arguments and files tell it.
#[derive(Clone)]
pub(super) enum Destination {
    /// A flake of an fh server.
    Fh { client: Client, flake: FlakeName },
    /// A cache of an attic server.
    Attic { client: Client, cache: CacheName },
    /// A flake on FlakeHub.
    FlakeHub {
        api: Client,
        cache: Client,
        flake: FlakeName,
    },
    /// The server has to be asked what it is.
    Unknown { client: Client, target: PushTarget },
}

/// A destination that is ready to take paths.
pub(super) enum Opened {
    Fh {
        client: Box<Client>,
        flake: FlakeName,
    },
    Attic {
        cache: Box<AtticCache>,
    },
}

/// What a push is to be, whatever it goes to.
#[derive(Debug, Clone)]
pub(super) struct Manner {
    pub(super) push: PushOptions,
    uploads: AtticOptions,
    /// Whether build logs go along.
    logs: bool,
    /// Where they are, where the environment says it.
    log_directory: Option<PathBuf>,
}

impl Manner {
    pub(super) fn new(arguments: &PushArguments, context: &Context) -> Self {
        let push = PushOptions {
            jobs: arguments.jobs.unwrap_or(PushOptions::default().jobs),
            compression_level: arguments.compression_level,
            skip_signed_by: arguments.trusted_upstreams(),
            dry_run: arguments.dry_run,
            retries: arguments.retries,
            deadline: arguments.deadline(),
            ..PushOptions::default()
        };
        let given = &arguments.skip_signed_by;
        let leave_out = if given.iter().any(|key| matches!(key, UpstreamKey::None)) {
            LeaveOut::Nothing
        } else {
            LeaveOut::Named {
                known: push.skip_signed_by.clone(),
                // Nobody has asked for the default.
                always: match given.is_empty() {
                    true => Vec::new(),
                    false => push.skip_signed_by.clone(),
                },
            }
        };
        let uploads = AtticOptions {
            uploads: arguments.jobs.unwrap_or(AtticOptions::default().uploads),
            leave_out,
            dry_run: push.dry_run,
            retries: push.retries,
            deadline: push.deadline,
        };
        Self {
            push,
            uploads,
            logs: !arguments.no_logs,
            log_directory: context.settings.nix_log_dir(),
        }
    }
}

impl Destination {
    /// Finds out as much as the arguments, the environment and the user's files tell; and whether the token ends soon.
    pub(super) fn resolve(
        arguments: &PushArguments,
        context: &Context,
    ) -> Result<(Self, Option<Soon>), CommandError> {
        let flakehub = context.flakehub()?;
        let target = &arguments.target;
        let selected = match context.selected()? {
            // FlakeHub needs no address: it is known.
            Some(selected)
                if arguments.protocol != Some(ServerKind::FlakeHub)
                    || context.settings.server.is_some() =>
            {
                selected
            }
            _ if arguments.protocol == Some(ServerKind::FlakeHub) => {
                Selected::FlakeHub(flakehub.clone())
            }
            _ => return Err(no_server()),
        };
        let server = selected.url().clone();
        let found = token(&server, &flakehub, arguments.protocol, context)?;
        // Only an fh server knows workloads, and only an fh server has flakes but FlakeHub.
        let may_be_fh = matches!(target, PushTarget::Flake(_))
            && arguments
                .protocol
                .is_none_or(|protocol| protocol == ServerKind::Fh);
        let known = Known {
            server: &server,
            remembered: selected.kind(),
            fh_token: found.as_ref().is_some_and(|found| {
                found
                    .token
                    .expose_secret()
                    .trim()
                    .starts_with(fh_api::TOKEN_PREFIX)
            }),
            flakehub: &flakehub,
        };
        let protocol = arguments.protocol.or_else(|| known.protocol());
        if let Some(protocol) = protocol {
            flake_or_cache(protocol, &server, target)?;
        }
        let kind = match protocol {
            _ if !may_be_fh => Some(ServerKind::Attic),
            Some(ServerKind::FlakeHub) => Some(ServerKind::FlakeHub),
            _ => selected.kind(),
        };
        let Some(speaker) = context.speaker(found, kind, true)? else {
            return Err(not_logged_in(&server, protocol, context));
        };
        let soon = match &speaker {
            Speaker::Token(found) => Soon::of(found, &server, kind),
            Speaker::Workload(_) => None,
        };
        // A workload acts for whom it pushes to.
        let organization = match target {
            PushTarget::Flake(flake) => Some(&flake.org),
            PushTarget::Cache(_) => None,
        };
        let client = |server: &ServerUrl| -> Result<Client, CommandError> {
            let builder = context.client_builder(server.clone())?;
            let builder = builder.retries(arguments.retries);
            Ok(context
                .speaking(builder, server, Some(&speaker), organization)?
                .build()?)
        };
        let destination = match (protocol, target.clone()) {
            (Some(ServerKind::FlakeHub), PushTarget::Flake(flake)) => {
                if !flakehub.is_at(&server) {
                    return Err(CommandError::usage(format!("{server} is not FlakeHub"))
                        .hint("`--api-addr` and `--cache-addr` set the addresses of another FlakeHub."));
                }
                Self::FlakeHub {
                    api: client(&flakehub.api)?,
                    cache: client(&flakehub.cache)?,
                    flake,
                }
            }
            (Some(_), PushTarget::Flake(flake)) => Self::Fh {
                client: client(&server)?,
                flake,
            },
            (Some(_), PushTarget::Cache(cache)) => Self::Attic {
                // A login is to one cache, whose name its address ends with.
                client: match attic_cache(&server) {
                    Some((base, _)) if selected.kind() == Some(ServerKind::Attic) => client(&base)?,
                    _ => client(&server)?,
                },
                cache,
            },
            (None, target) => Self::Unknown {
                client: client(&server)?,
                target,
            },
        };
        Ok((destination, soon))
    }

    /// Asks what has to be asked before a push. `remark` hears what people ought to know.
    pub(super) async fn open(
        self,
        observer: &Arc<dyn PushObserver>,
        remark: impl Fn(&str),
    ) -> Result<Opened, CommandError> {
        match self {
            Self::Fh { client, flake } => Ok(Opened::fh(client, flake)),
            Self::Attic { client, cache } => open_cache(&client, &cache, &**observer, remark).await,
            Self::FlakeHub { api, cache, flake } => {
                let listen = telling(observer);
                let name = flakehub::cache_of(&api, &flake, &listen)
                    .await
                    .map_err(|error| {
                        CommandError::from(error).context(format!(
                            "cannot find out which cache {flake} has on FlakeHub"
                        ))
                    })?;
                open_cache(&cache, &name, &**observer, remark).await
            }
            Self::Unknown { client, target } => {
                let server = client.base_url().clone();
                let asking = client.telling(Arc::new(telling(observer)));
                let protocol = detect(&asking, &target).await.map_err(|error| {
                    CommandError::from(error)
                        .context(format!("cannot detect the kind of server at {server}"))
                })?;
                flake_or_cache(protocol, &server, &target)?;
                match target {
                    PushTarget::Flake(flake) => Ok(Opened::fh(client, flake)),
                    PushTarget::Cache(cache) => {
                        open_cache(&client, &cache, &**observer, remark).await
                    }
                }
            }
        }
    }
}

impl Opened {
    fn fh(client: Client, flake: FlakeName) -> Self {
        let client = Box::new(client);
        Self::Fh { client, flake }
    }

    /// Pushes a closure of the store of this Nix.
    pub(super) async fn push(
        &self,
        closure: &Closure,
        manner: &Manner,
        tools: &NixTools,
        observer: Arc<dyn PushObserver>,
    ) -> Result<PushReport, ClientError> {
        match self {
            Self::Fh { client, flake } => {
                let configured = manner.log_directory.clone();
                let logs = manner
                    .logs
                    .then(|| LogDirectory::of(closure, tools.store.as_deref(), configured));
                let deadline = manner.push.deadline;
                let options = PushOptions {
                    logs,
                    realisations: deadline
                        .hold(async { Ok(tools.realisations(closure).await) })
                        .await?,
                    ..manner.push.clone()
                };
                fh_client::push(client, flake, closure, &options, observer).await
            }
            // Attic knows nothing of logs and realisations.
            Self::Attic { cache } => cache.push(closure, &manner.uploads, observer).await,
        }
    }

    /// Asks whether a push would be let in, before anything is built for it. Of attic the answer shows only at the
    /// push.
    pub(super) async fn check(&self, observer: &Arc<dyn PushObserver>) -> Result<(), ClientError> {
        let Self::Fh { client, flake } = self else {
            return Ok(());
        };
        let nothing = PushRequest {
            paths: Vec::new(),
            skip_signed_by: Vec::new(),
            dry_run: true,
            logs: Vec::new(),
            realisations: Vec::new(),
        };
        client
            .plan_push(flake, &nothing, &telling(observer))
            .await
            .map(drop)
    }

    /// A failed push, in words and with what to do about it.
    pub(super) fn explain(&self, error: ClientError, target: &PushTarget) -> CommandError {
        let error = match self {
            Self::Fh { .. } => CommandError::from(error),
            Self::Attic { .. } => attic_error(error),
        };
        error.context(format!("cannot push to {target}"))
    }

    /// Whether a push becomes visible as a whole or not at all.
    pub(super) fn is_atomic(&self) -> bool {
        matches!(self, Self::Fh { .. })
    }
}

/// Tells an observer of retries.
fn telling(
    observer: &Arc<dyn PushObserver>,
) -> impl Fn(&RetryEvent<'_>) + Send + Sync + use<> + 'static {
    let observer = Arc::clone(observer);
    move |event| observer.event(&PushEvent::Retrying(event))
}

async fn open_cache(
    client: &Client,
    name: &CacheName,
    observer: &dyn PushObserver,
    remark: impl Fn(&str),
) -> Result<Opened, CommandError> {
    let server = client.base_url();
    let cache = AtticCache::open(client, name, observer)
        .await
        .map_err(|error| attic_error(error).context(format!("cannot use {name} on {server}")))?;
    if let Some(elsewhere) = cache.elsewhere() {
        remark(&format!(
            "{server} reports that its API is at {elsewhere}. Your token is not sent there, and the push \
             goes to {server}; if you trust that address, name it with --server."
        ));
    }
    Ok(Opened::Attic {
        cache: Box::new(cache),
    })
}

/// An error of a server that speaks attic's protocol, with what to do about it.
pub(super) fn attic_error(error: ClientError) -> CommandError {
    let hint = match error.status() {
        Some(401) => {
            "The token is not valid there, or grants nothing on this cache, or there is no such cache: attic \
             does not distinguish these."
        }
        Some(403) => "The token may not push there: on attic it has to grant `w` on the cache.",
        Some(404) => "Check the name of the cache, and the server's address.",
        Some(413) => {
            "Something in front of the server limits the size of requests; attic takes a path in one \
             request (nginx: client_max_body_size 0)."
        }
        Some(status) if status >= 500 => "Try again later; the server's log has more.",
        _ => return error.into(),
    };
    CommandError::from(error).replace_hints(hint)
}

/// The token for a server: any of FlakeHub's addresses will do for all of them.
fn token(
    server: &ServerUrl,
    flakehub: &FlakeHub,
    protocol: Option<ServerKind>,
    context: &Context,
) -> Result<Option<FoundToken>, CommandError> {
    if let Some(found) = context.token(server)? {
        return Ok(Some(found));
    }
    if flakehub.is_at(server) && protocol.is_none_or(|protocol| protocol == ServerKind::FlakeHub) {
        for address in flakehub.addresses() {
            if let Some(found) = context.token(&address)? {
                return Ok(Some(found));
            }
        }
    }
    Ok(None)
}

fn not_logged_in(
    server: &ServerUrl,
    protocol: Option<ServerKind>,
    context: &Context,
) -> CommandError {
    let error = CommandError::failed(format!("you are not logged in to {server}"));
    let error = context.with_server_meant(error, server.as_str());
    match protocol {
        Some(ServerKind::Attic) => error.hint(format!(
            "Log in: `fh login --server {server}/CACHE`, or let FH_TOKEN_FILE name a file with the token."
        )),
        _ => error.hint(format!("Log in: `fh login --server {server}`")),
    }
}
