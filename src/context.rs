//! What a command works with: settings, output, the server that is meant and the token for it.

mod selected;
mod token;

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;

use fh_api::{ErrorCode, Name};
use fh_client::workload::{Connections, Manner, Provider, Workload, WorkloadSource};
use fh_client::{
    Client, ClientBuilder, CredentialStore, DEFAULT_RETRIES, Error as ClientError, FlakeHub,
    ServerEntry, ServerKind, ServerUrl, TokenStore,
};
use secrecy::SecretString;

pub(crate) use selected::Selected;
pub(crate) use token::{FoundToken, TokenOrigin, expires_at};

use crate::certificates;
use crate::error::CommandError;
use crate::interrupt::{self, Threads};
use crate::keyring;
use crate::output::Output;
use crate::settings::{Chosen, Settings, TokenInEnvironment, WorkloadChoice, variables};
use crate::similar;
use crate::stored_token::StoredToken;
use crate::token_source;

/// Retries of a request for which somebody waits at a terminal: enough for a hiccup. A push has its
/// own patience.
const RETRIES: u32 = 2;

/// What this program calls itself.
const USER_AGENT: &str = concat!("fh/", env!("CARGO_PKG_VERSION"));

/// Handed to every command.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) settings: Settings,
    pub(crate) output: Output,
}

/// The name of FlakeHub, also where it is not known yet.
const FLAKEHUB: &str = "flakehub";

/// For whom a client speaks.
#[derive(Debug, Clone)]
pub(crate) enum Speaker {
    /// Whose token it is.
    Token(FoundToken),
    /// This CI job, machine or pod.
    Workload(Workload),
}

impl Context {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            output: Output::new(&settings),
            settings,
        }
    }

    /// What `fh login` stored.
    pub(crate) fn credentials(&self) -> Result<CredentialStore, CommandError> {
        let directories = self.settings.directories()?;
        Ok(CredentialStore::new(
            directories.fh_config,
            directories.flakehub_token,
        ))
    }

    /// The server that `--server` or `FH_SERVER` names, or the addresses of a FlakeHub, else the one
    /// logged in to last.
    pub(crate) fn selected(&self) -> Result<Option<Selected>, CommandError> {
        if let Some(chosen) = &self.settings.server {
            return self.named_server(&chosen.value, chosen.origin).map(Some);
        }
        if self.settings.flakehub.iter().any(Option::is_some) {
            return Ok(Some(Selected::FlakeHub(self.flakehub()?)));
        }
        let default = self.credentials()?.default_server()?;
        default.map(|entry| self.known(entry)).transpose()
    }

    /// The address of [`Self::selected`].
    pub(crate) fn server(&self) -> Result<Option<ServerUrl>, CommandError> {
        Ok(self.selected()?.map(|selected| selected.url().clone()))
    }

    /// An address, or the name of a server in `config.toml`.
    pub(crate) fn named_server(&self, given: &str, origin: &str) -> Result<Selected, CommandError> {
        let address = self.address(given);
        let is_flakehub = |url: &ServerUrl| {
            [FlakeHub::API, FlakeHub::CACHE, FlakeHub::WEB].contains(&url.as_str())
        };
        if given == FLAKEHUB || address.as_ref().is_ok_and(is_flakehub) {
            return Ok(Selected::FlakeHub(self.flakehub()?));
        }
        if let Some(entry) = self.known_server(given, address.as_ref().ok())? {
            return self.known(entry);
        }
        let url = address.map_err(|error| no_address(error, origin))?;
        // A bare word would become an address; a server of that name was meant.
        if is_bare_word(given) {
            let error = CommandError::usage(format!(
                "{origin} names {given:?}, and no server of that name is known"
            ));
            return Err(self
                .with_server_meant(error, given)
                .hint("`fh server list` shows the known servers; name a new one by its address."));
        }
        Ok(Selected::New(url))
    }

    /// The server that is named by its address, for who cannot read `config.toml`: nothing else is known of it.
    pub(crate) fn addressed_server(&self) -> Option<Selected> {
        if let Ok(Some(selected)) = self.selected() {
            return Some(selected);
        }
        let given = &self.settings.server.as_ref()?.value;
        let url = self.address(given).ok()?;
        (!is_bare_word(given)).then_some(Selected::New(url))
    }

    /// The address that is given. Who names a file of certificates means TLS, also where nothing says so.
    fn address(&self, given: &str) -> fh_client::Result<ServerUrl> {
        match self.settings.server_ca_file {
            Some(_) => ServerUrl::over_tls(given),
            None => given.parse(),
        }
    }

    /// The server of `config.toml` that is given by its name or address; `address` is what the second would mean. One
    /// without TLS is not what somebody means who names a file of certificates and only a host.
    fn known_server(
        &self,
        given: &str,
        address: Option<&ServerUrl>,
    ) -> Result<Option<ServerEntry>, CommandError> {
        let servers = self.credentials()?.load()?;
        let exact = address.and_then(|address| servers.entry(address));
        let plain = format!("http://{}", given.trim()).parse::<ServerUrl>().ok();
        let is_meant = |entry: &&ServerEntry| {
            self.settings.server_ca_file.is_none() || Some(&entry.url) != plain.as_ref()
        };
        let found = exact.or_else(|| servers.find(given).filter(is_meant));
        Ok(found.cloned())
    }

    /// A failure over a server that is not known, with the known one that was perhaps meant.
    pub(crate) fn with_server_meant(&self, error: CommandError, given: &str) -> CommandError {
        let given = without_scheme(given.trim());
        // Numbers that differ in a few places are no slip.
        if !given.bytes().any(|byte| byte.is_ascii_alphabetic()) {
            return error;
        }
        let known = self.credentials().and_then(|stored| Ok(stored.list()?));
        let names = known.unwrap_or_default().into_iter().flat_map(|entry| {
            let address = without_scheme(entry.url.as_str()).to_owned();
            [entry.name, address]
        });
        match similar::meant(given, names) {
            Some(name) => error.hint(format!("Did you mean {name}?")),
            None => error,
        }
    }

    /// A server of `config.toml`.
    pub(crate) fn known(&self, entry: ServerEntry) -> Result<Selected, CommandError> {
        if entry.kind != ServerKind::FlakeHub {
            return Ok(Selected::Known(entry));
        }
        let mut addresses = self.flakehub()?;
        if entry.url.as_str() != FlakeHub::API {
            addresses = FlakeHub {
                cache: entry.substituter.unwrap_or_else(|| entry.url.clone()),
                web: entry.url.clone(),
                api: entry.url,
            };
        }
        Ok(Selected::FlakeHub(addresses))
    }

    /// FlakeHub, at the addresses of options and environment, else at its own.
    pub(crate) fn flakehub(&self) -> Result<FlakeHub, CommandError> {
        let [api, cache, web] = &self.settings.flakehub;
        let address = |chosen: &Option<Chosen<String>>, usual: &str| match chosen {
            None => Ok(usual.parse::<ServerUrl>()?),
            Some(Chosen { value, origin }) => value
                .parse::<ServerUrl>()
                .map_err(|error| no_address(error, origin)),
        };
        Ok(FlakeHub {
            api: address(api, FlakeHub::API)?,
            cache: address(cache, FlakeHub::CACHE)?,
            web: address(web, FlakeHub::WEB)?,
        })
    }

    /// The token for a server: the environment's, else the stored one.
    pub(crate) fn token(&self, server: &ServerUrl) -> Result<Option<FoundToken>, CommandError> {
        if let Some(found) = self.environment_token()? {
            return Ok(Some(found));
        }
        self.stored_token(server)
    }

    /// The token that `fh login` stored for a server.
    pub(crate) fn stored_token(
        &self,
        server: &ServerUrl,
    ) -> Result<Option<FoundToken>, CommandError> {
        let credentials = self.credentials()?;
        let (token, origin) = match credentials.load()?.entry(server) {
            Some(entry) if entry.store == TokenStore::Keyring => {
                (keyring::get(server)?, TokenOrigin::Keyring)
            }
            _ => {
                let path = credentials.token_path(server)?;
                let token = credentials.get_token(server).map_err(|error| {
                    let is_none = matches!(error, ClientError::InvalidToken { .. });
                    let error = CommandError::from(error);
                    if !is_none {
                        return error;
                    }
                    error
                        .context(format!("{} does not hold a token", path.display()))
                        .replace_hints(format!(
                            "Log in with another one: `fh login --server {server} --token-file FILE`"
                        ))
                })?;
                (token, TokenOrigin::Stored(path))
            }
        };
        Ok(token.map(|token| FoundToken { token, origin }))
    }

    /// `FH_TOKEN`, else what is in `FH_TOKEN_FILE`.
    pub(crate) fn environment_token(&self) -> Result<Option<FoundToken>, CommandError> {
        let Some(named) = &self.settings.token else {
            return Ok(None);
        };
        Ok(Some(match named {
            TokenInEnvironment::Value(token) => FoundToken {
                token: token.clone(),
                origin: TokenOrigin::Variable(named.variable()),
            },
            TokenInEnvironment::File(path) => FoundToken {
                token: token_source::from_file(path)
                    .map_err(|error| error.context("cannot use FH_TOKEN_FILE"))?,
                origin: TokenOrigin::VariableFile(path.clone()),
            },
        }))
    }

    /// Whether there is somebody to ask. With `--json` a program reads.
    pub(crate) fn can_ask(&self) -> bool {
        let terminals = self.settings.terminals;
        terminals.stdin && terminals.stderr && !self.output.is_json()
    }

    /// A refusal of a token, with the variable that it is from: logging in would not help.
    pub(crate) fn naming_variable(&self, error: CommandError) -> CommandError {
        let Some(origin) = self
            .settings
            .token
            .as_ref()
            .map(TokenInEnvironment::variable)
        else {
            return error;
        };
        let is_refused = error.downcast_ref::<ClientError>().is_some_and(|error| {
            matches!(error, ClientError::InvalidToken { .. })
                || error.code() == Some(ErrorCode::Unauthorized)
        });
        if !is_refused {
            return error;
        }
        let hint = format!(
            "The token is from {origin}. Correct it, or unset {origin} to use the stored login."
        );
        if error.hints().iter().any(|hint| hint.contains("`fh login`")) {
            error.replace_hints(hint)
        } else {
            error.hint(hint)
        }
    }

    /// Warns of variables that go before what was just stored.
    pub(crate) fn warn_of_variables(&self, server: &ServerUrl) {
        let of_server = self.settings.server.as_ref().map(|chosen| chosen.origin);
        let of_server = of_server.filter(|&origin| {
            origin == variables::FH_SERVER.name
                && self.server().ok().flatten().as_ref() != Some(server)
        });
        let of_token = self
            .settings
            .token
            .as_ref()
            .map(TokenInEnvironment::variable);
        for name in of_server.into_iter().chain(of_token) {
            self.output.warning(&format!(
                "{name} is set and overrides what is stored: unset it to use {server}"
            ));
        }
    }

    /// A client for a server, without a token.
    pub(crate) fn client_builder(&self, server: ServerUrl) -> Result<ClientBuilder, CommandError> {
        let of_server = self.server_ca_file(&server)?;
        let mut builder = self.bare_client_builder(server);
        if let Some(pem) = certificates::of_environment(&self.settings)? {
            builder = builder.ca_certificates(pem);
        }
        if let Some(path) = of_server {
            builder = builder.ca_certificates(certificates::of_server(&self.settings, &path)?);
        }
        Ok(builder)
    }

    /// A client for a server, with a token where there is one.
    pub(crate) fn client_of(
        &self,
        server: &ServerUrl,
        token: Option<&SecretString>,
    ) -> Result<Client, CommandError> {
        let builder = self.client_builder(server.clone())?;
        let builder = token
            .cloned()
            .into_iter()
            .fold(builder, ClientBuilder::token);
        Ok(builder.build()?)
    }

    /// A client without the certificates that somebody has named.
    pub(crate) fn bare_client_builder(&self, server: ServerUrl) -> ClientBuilder {
        let output = self.output;
        ClientBuilder::new(server)
            .user_agent(USER_AGENT)
            .on_retry(Arc::new(move |event| output.trying_again(event)))
            .retries(RETRIES)
    }

    /// The PEM file with certificates that are trusted for a server besides the system's: the one that the command
    /// names, else the one of its login.
    pub(crate) fn server_ca_file(
        &self,
        server: &ServerUrl,
    ) -> Result<Option<PathBuf>, CommandError> {
        if !server.is_secure() {
            return Ok(None);
        }
        if let Some(path) = &self.settings.server_ca_file {
            return Ok(Some(path.clone()));
        }
        // Without a home directory there is no login.
        let Ok(credentials) = self.credentials() else {
            return Ok(None);
        };
        // A file that cannot be read names no certificates; who needs it finds out by itself.
        let stored = credentials.load().ok();
        Ok(stored.and_then(|stored| stored.ca_file(server).map(PathBuf::from)))
    }

    /// A client for the server that is meant, with its token where there is one.
    pub(crate) fn client(&self) -> Result<Client, CommandError> {
        let named = matches!(self.settings.workload, WorkloadChoice::Named(_));
        self.client_speaking(named)
    }

    /// A client for what nobody may do without a token.
    pub(crate) fn client_with_token(&self) -> Result<Client, CommandError> {
        let client = self.client_speaking(true)?;
        if client.has_token() {
            return Ok(client);
        }
        let server = client.base_url();
        let error = CommandError::failed(format!("you are not logged in to {server}"));
        let error = self.with_server_meant(error, server.as_str());
        Err(error.hint(format!("Log in: `fh login --server {server}`")))
    }

    fn client_speaking(&self, eager: bool) -> Result<Client, CommandError> {
        let Some(selected) = self.selected()? else {
            return Err(no_server());
        };
        let server = selected.url();
        let speaker = self.speaker(self.token(server)?, selected.kind(), eager)?;
        let builder = self.client_builder(server.clone())?;
        Ok(self
            .speaking(builder, server, speaker.as_ref(), None)?
            .build()?)
    }

    /// Who speaks to a server of this kind: whose token was found, else, where the server takes it,
    /// the workload as which this runs. A stored token that has ended counts as none where there is a
    /// workload. Without `eager` a workload only speaks in place of such a token.
    pub(crate) fn speaker(
        &self,
        found: Option<FoundToken>,
        kind: Option<ServerKind>,
        eager: bool,
    ) -> Result<Option<Speaker>, CommandError> {
        let ended = match &found {
            Some(found) if !found.has_ended() => false,
            Some(_) => true,
            None if eager => false,
            None => return Ok(None),
        };
        if (found.is_none() || ended)
            && let Some(workload) = self.workload(kind)?
        {
            let begin = if ended {
                "The stored token has expired: authenticating with"
            } else {
                "Authenticating with"
            };
            self.output.remark(&format!(
                "{begin} the identity of this {}.",
                workload.provider()
            ));
            return Ok(Some(Speaker::Workload(workload)));
        }
        Ok(found.map(Speaker::Token))
    }

    /// The workload as which this runs, where it may be used with a server of this kind.
    pub(crate) fn workload(
        &self,
        kind: Option<ServerKind>,
    ) -> Result<Option<Workload>, CommandError> {
        if kind.is_some_and(|kind| kind != ServerKind::Fh) {
            return Ok(None);
        }
        match self.settings.workload {
            WorkloadChoice::Off => Ok(None),
            WorkloadChoice::Detected => self.detected_workload(),
            WorkloadChoice::Named(provider) => self.workload_of(provider).map(Some),
        }
    }

    /// The workload that this looks like.
    pub(crate) fn detected_workload(&self) -> Result<Option<Workload>, CommandError> {
        let environment = Arc::new(self.settings.workload_environment()?);
        Ok(Workload::detect(&environment, &self.connections()?))
    }

    /// The workload of a platform.
    pub(crate) fn workload_of(&self, provider: Provider) -> Result<Workload, CommandError> {
        let environment = Arc::new(self.settings.workload_environment()?);
        Ok(Workload::of(provider, &environment, &self.connections()?))
    }

    fn connections(&self) -> Result<Connections, CommandError> {
        Ok(Connections {
            ca_certificates: certificates::of_environment(&self.settings)?,
            user_agent: Some(USER_AGENT.to_owned()),
        })
    }

    /// Lets a client of a server speak for somebody. A workload acts for the organisation.
    pub(crate) fn speaking(
        &self,
        builder: ClientBuilder,
        server: &ServerUrl,
        speaker: Option<&Speaker>,
        organization: Option<&Name>,
    ) -> Result<ClientBuilder, CommandError> {
        Ok(match speaker {
            None => builder,
            Some(Speaker::Token(found)) => {
                let stored = StoredToken {
                    credentials: self.credentials()?,
                    server: server.clone(),
                };
                // It may be stored under another of the server's addresses.
                if found.is_replaced_soon() && stored.credentials.get_token(server)?.is_some() {
                    builder.token_source(Arc::new(stored))
                } else {
                    builder.token(found.token.clone())
                }
            }
            Some(Speaker::Workload(workload)) => {
                let source = self.workload_source(server, workload.clone(), Manner::Direct)?;
                let source = source.for_organizations(organization.cloned().into_iter().collect());
                builder.token_source(Arc::new(source))
            }
        })
    }

    /// Tokens for a server from the identity of a workload.
    pub(crate) fn workload_source(
        &self,
        server: &ServerUrl,
        workload: Workload,
        manner: Manner,
    ) -> Result<WorkloadSource, CommandError> {
        let server = self
            .client_builder(server.clone())?
            .retries(DEFAULT_RETRIES)
            .build()?;
        Ok(WorkloadSource::new(workload, &server, manner))
    }

    /// Waits for the answer to a question. An error says first `what` could not be done.
    pub(crate) fn ask<T>(
        &self,
        what: impl std::fmt::Display,
        requests: impl Future<Output = fh_client::Result<T>>,
    ) -> Result<T, CommandError> {
        self.wait("", explained(what, requests))
    }

    /// Waits for a change on the server. An error says first `what` could not be done.
    pub(crate) fn change<T>(
        &self,
        what: impl std::fmt::Display,
        requests: impl Future<Output = fh_client::Result<T>>,
    ) -> Result<T, CommandError> {
        let hint = "It is not known whether the server has carried it out.";
        self.wait(hint, explained(what, requests))
    }

    /// Waits for something that Ctrl-C ends with these words.
    pub(crate) fn wait<T>(
        &self,
        hint: &'static str,
        future: impl Future<Output = Result<T, CommandError>>,
    ) -> Result<T, CommandError> {
        interrupt::run(Threads::One, || hint, future)
    }
}

/// Requests whose error says first what could not be done.
async fn explained<T>(
    what: impl std::fmt::Display,
    requests: impl Future<Output = fh_client::Result<T>>,
) -> Result<T, CommandError> {
    let answer = requests.await;
    answer.map_err(|error| CommandError::from(error).context(what))
}

/// What was given in this place is not the address of a server.
fn no_address(error: ClientError, origin: &str) -> CommandError {
    CommandError::from(error).context(format!("{origin} does not name a server"))
}

/// Whether it is a word that could become an address, and is meant as the name of a server.
fn is_bare_word(given: &str) -> bool {
    let given = given.trim();
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    given != "localhost" && given.bytes().all(is_part)
}

fn without_scheme(address: &str) -> &str {
    address
        .split_once("://")
        .map_or(address, |(_, address)| address)
}

/// No server is named and none is known.
pub(crate) fn no_server() -> CommandError {
    CommandError::failed("you are not logged in to any server")
        .hint("Log in: `fh login --server URL`, or name a server with `--server URL` or FH_SERVER.")
}
