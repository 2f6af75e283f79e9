//! `fh login --workload`: the token is exchanged for the identity of the CI job, the machine or the
//! pod as which this runs.

use std::sync::Arc;
use std::time::Instant;

use clap::Args;
use fh_api::Name;
use fh_auth::identity;
use fh_client::workload::{
    Connections, Exchanged, Manner, Provider, Workload, WorkloadEnvironment, WorkloadSource,
};
use fh_client::{ServerKind, ServerUrl};
use fh_conf::netrc;
use secrecy::{ExposeSecret as _, SecretString};

use crate::arguments::words;
use crate::context::Context;
use crate::error::CommandError;
use crate::settings::WorkloadChoice;
use crate::site::Site;

/// The options that let a workload log in as itself.
#[derive(Debug, Args)]
pub(super) struct WorkloadOptions {
    /// Log in with the identity of this CI job, machine or pod: no token is needed
    ///
    /// fh exchanges the identity token that the platform issues for a token of the server. A trust policy of
    /// the server has to allow it, and limits how long the token is valid.
    #[arg(long, conflicts_with_all = ["token_file", "token_stdin", "offline"])]
    pub(super) workload: bool,

    /// With --workload, the provider of the identity [env: FH_WORKLOAD] [default: detected]
    #[arg(long, value_name = "NAME", requires = "workload", value_parser = words::<Provider>(&Provider::WORDS))]
    pub(super) provider: Option<Provider>,
}

/// A token for an identity.
pub(super) struct Granted {
    pub(super) exchanged: Exchanged,
    /// When it was asked for.
    pub(super) asked: Instant,
}

impl Granted {
    /// When it ends; none for a time that no clock reaches.
    pub(super) fn end(&self) -> Option<Instant> {
        self.asked.checked_add(self.exchanged.expires_in)
    }
}

/// Exchanges the identity for a token that acts for the first of these organisations and reads the others.
pub(super) async fn exchange(
    options: &WorkloadOptions,
    organizations: &[Name],
    site: &Site,
    context: &Context,
) -> Result<Granted, CommandError> {
    if site.kind != ServerKind::Fh {
        return Err(CommandError::usage(format!(
            "{} is not an fh server, and does not support workloads",
            site.server
        ))
        .hint("Log in with a token: `--token-file FILE`"));
    }
    let workload = workload(options, context)?;
    context.output.remark(&format!(
        "Authenticating with the identity of this {}.",
        workload.provider()
    ));
    grant(&source(organizations, &site.server, workload, context)?).await
}

/// What Nix is to show: the token, or a token of the server in exchange for an identity that is too long for a netrc.
pub(super) async fn fit_for_netrc(
    token: SecretString,
    organizations: &[Name],
    site: &Site,
    context: &Context,
) -> Result<SecretString, CommandError> {
    let text = token.expose_secret();
    let length = text.len();
    let is_identity = fh_auth::read_unverified(text).is_err() && identity::claims(text).is_ok();
    if site.kind != ServerKind::Fh || !is_identity || length <= netrc::LONGEST_PASSWORD {
        return Ok(token);
    }
    fh_client::check_token(&token)?;
    context.output.remark(&format!(
        "The identity has {length} bytes, and a netrc has room for {}: exchanging it for a token of {}.",
        netrc::LONGEST_PASSWORD,
        site.server
    ));
    let environment = WorkloadEnvironment {
        id_token: Some(token),
        ..WorkloadEnvironment::default()
    };
    let connections = Connections::default();
    let workload = Workload::of(Provider::Token, &Arc::new(environment), &connections);
    let granted = grant(&source(organizations, &site.server, workload, context)?).await?;
    Ok(granted.exchanged.token)
}

/// Asks for a token now.
pub(super) async fn grant(source: &WorkloadSource) -> Result<Granted, CommandError> {
    let asked = Instant::now();
    Ok(Granted {
        exchanged: source.exchange().await?,
        asked,
    })
}

/// Where tokens for the identity come from.
pub(super) fn source(
    organizations: &[Name],
    server: &ServerUrl,
    workload: Workload,
    context: &Context,
) -> Result<WorkloadSource, CommandError> {
    let source = context.workload_source(server, workload, Manner::Exchanged)?;
    Ok(source.for_organizations(organizations.to_vec()))
}

/// The workload that is meant. FH_WORKLOAD=off does not forbid what is asked for in so many words.
pub(super) fn workload(
    options: &WorkloadOptions,
    context: &Context,
) -> Result<Workload, CommandError> {
    let named = match context.settings.workload {
        WorkloadChoice::Named(provider) => Some(provider),
        WorkloadChoice::Off | WorkloadChoice::Detected => None,
    };
    if let Some(provider) = options.provider.or(named) {
        return context.workload_of(provider);
    }
    context.detected_workload()?.ok_or_else(|| {
        CommandError::failed("no workload identity was detected").hint(format!(
            "Name the provider with `--provider NAME`: {}.",
            Provider::WORDS.join(", ")
        ))
    })
}
