//! What a command works with: settings, output, the server that is meant and the token for it.

use std::fs;
use std::future::Future;
use std::path::PathBuf;

use fh_client::{Client, ClientBuilder, CredentialStore, ServerUrl};
use secrecy::SecretString;

use crate::error::CommandError;
use crate::interrupt::{self, Threads};
use crate::output::Output;
use crate::settings::{Settings, TokenInEnvironment, variables};
use crate::token_source;

/// Retries of a request for which somebody waits at a terminal: enough for a hiccup. A push has its
/// own patience.
const RETRIES: u32 = 2;

/// Handed to every command.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) settings: Settings,
    pub(crate) output: Output,
}

/// A token and where it came from.
#[derive(Debug)]
pub(crate) struct FoundToken {
    pub(crate) token: SecretString,
    pub(crate) origin: TokenOrigin,
}

/// Where a token came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TokenOrigin {
    /// The value of a variable.
    Variable(&'static str),
    /// A file that a variable names.
    VariableFile(PathBuf),
    /// What `fh login` stored.
    Stored(PathBuf),
}

impl std::fmt::Display for TokenOrigin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Variable(name) => write!(f, "the variable {name}"),
            Self::VariableFile(path) => write!(f, "{} (FH_TOKEN_FILE)", path.display()),
            Self::Stored(path) => write!(f, "{}", path.display()),
        }
    }
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
        Ok(CredentialStore::new(
            self.settings.directories()?.fh_config.clone(),
        ))
    }

    /// The server that `--server` or `FH_SERVER` names, else the one logged in to last.
    pub(crate) fn server(&self) -> Result<Option<ServerUrl>, CommandError> {
        match &self.settings.server {
            Some(chosen) => self.named_server(&chosen.value, chosen.origin).map(Some),
            None => Ok(self.credentials()?.default_server()?.map(|entry| entry.url)),
        }
    }

    /// An address, or the name of a server in `config.toml`.
    fn named_server(&self, given: &str, origin: &str) -> Result<ServerUrl, CommandError> {
        if !given.contains("://")
            && let Some(entry) = self.credentials()?.find(given)?
        {
            return Ok(entry.url);
        }
        given.parse().map_err(|error: fh_client::Error| {
            CommandError::from(error).context(format!("{origin} names no server"))
        })
    }

    /// The token for a server: the environment's, else the stored one.
    pub(crate) fn token(&self, server: &ServerUrl) -> Result<Option<FoundToken>, CommandError> {
        if let Some(found) = self.environment_token()? {
            return Ok(Some(found));
        }
        let credentials = self.credentials()?;
        let Some(token) = credentials.get_token(server)? else {
            return Ok(None);
        };
        Ok(Some(FoundToken {
            token,
            origin: TokenOrigin::Stored(credentials.token_path(server)?),
        }))
    }

    /// `FH_TOKEN`, else what is in `FH_TOKEN_FILE`.
    pub(crate) fn environment_token(&self) -> Result<Option<FoundToken>, CommandError> {
        Ok(match &self.settings.token {
            None => None,
            Some(TokenInEnvironment::Value(token)) => Some(FoundToken {
                token: token.clone(),
                origin: TokenOrigin::Variable(variables::FH_TOKEN.name),
            }),
            Some(TokenInEnvironment::File(path)) => Some(FoundToken {
                token: token_source::from_file(path)
                    .map_err(|error| error.context("cannot use FH_TOKEN_FILE"))?,
                origin: TokenOrigin::VariableFile(path.clone()),
            }),
        })
    }

    /// A client for a server, without a token.
    pub(crate) fn client_builder(&self, server: ServerUrl) -> Result<ClientBuilder, CommandError> {
        let mut builder = ClientBuilder::new(server)
            .user_agent(concat!("fh/", env!("CARGO_PKG_VERSION")))
            .retries(RETRIES);
        if let Some(path) = &self.settings.ca_file {
            let pem = fs::read(path).map_err(|error| {
                CommandError::file("read the certificate authorities in", path, error)
                    .hint("NIX_SSL_CERT_FILE or SSL_CERT_FILE names this file.")
            })?;
            builder = builder.ca_certificates(pem);
        }
        Ok(builder)
    }

    /// A client for the server that is meant, with its token where there is one.
    pub(crate) fn client(&self) -> Result<Client, CommandError> {
        let Some(server) = self.server()? else {
            return Err(no_server());
        };
        let mut builder = self.client_builder(server.clone())?;
        if let Some(found) = self.token(&server)? {
            builder = builder.token(found.token);
        }
        Ok(builder.build()?)
    }

    /// A client for what nobody may do without a token.
    pub(crate) fn client_with_token(&self) -> Result<Client, CommandError> {
        let client = self.client()?;
        if client.has_token() {
            return Ok(client);
        }
        let server = client.base_url();
        Err(
            CommandError::failed(format!("you are not logged in to {server}"))
                .hint(format!("Log in: `fh login --server {server}`")),
        )
    }

    /// Waits for the answer to a question. An error says first `what` could not be done.
    pub(crate) fn ask<T>(
        &self,
        what: impl std::fmt::Display,
        requests: impl Future<Output = fh_client::Result<T>>,
    ) -> Result<T, CommandError> {
        self.wait("", async {
            requests
                .await
                .map_err(|error| CommandError::from(error).context(what))
        })
    }

    /// Waits for a change on the server. An error says first `what` could not be done.
    pub(crate) fn change<T>(
        &self,
        what: impl std::fmt::Display,
        requests: impl Future<Output = fh_client::Result<T>>,
    ) -> Result<T, CommandError> {
        let hint = "It is not known whether the server has carried it out.";
        self.wait(hint, async {
            requests
                .await
                .map_err(|error| CommandError::from(error).context(what))
        })
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

/// No server is named and none is known.
pub(crate) fn no_server() -> CommandError {
    CommandError::failed("you are not logged in to any server")
        .hint("Log in: `fh login --server URL`, or name a server with `--server URL` or FH_SERVER.")
}
