//! The client of one server: how it is set up.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::header::HeaderMap;
use secrecy::SecretString;

use crate::authorization::{Authorization, TokenSource};
use crate::error::{Error, Result};
use crate::http::{Listener, Transport};
use crate::retry::{RetryListener, RetryPolicy};
use crate::server_url::ServerUrl;
use crate::tls;

const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const DEFAULT_READ_TIMEOUT: Duration = Duration::from_secs(60);

/// Talks to one server as one principal. Cloning shares the connections.
#[derive(Clone)]
pub struct Client {
    pub(crate) transport: Transport,
}

impl Client {
    /// Begins to set up a client for the server at this address.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidServerUrl`].
    pub fn builder(base_url: &str) -> Result<ClientBuilder> {
        Ok(ClientBuilder::new(base_url.parse()?))
    }

    /// The address below which this client asks.
    #[must_use]
    pub fn base_url(&self) -> &ServerUrl {
        &self.transport.base
    }

    /// Whether requests carry a token.
    #[must_use]
    pub fn has_token(&self) -> bool {
        self.transport.authorization.is_some()
    }

    /// The same client with another number of retries; it shares the connections.
    #[must_use]
    pub fn with_retries(&self, retries: u32) -> Self {
        let mut client = self.clone();
        client.transport.retry.retries = retries;
        client
    }

    /// The same client, as nobody.
    #[must_use]
    pub fn without_token(&self) -> Self {
        let mut client = self.clone();
        client.transport.authorization = Authorization::None;
        client
    }

    /// The same client; `listener` hears of its retries.
    #[must_use]
    pub fn telling(&self, listener: Arc<RetryListener<'static>>) -> Self {
        let mut client = self.clone();
        client.transport.listener = Some(Listener(listener));
        client
    }

    /// The same client, with this token.
    pub(crate) fn with_token(&self, token: &SecretString) -> Result<Self> {
        let mut client = self.clone();
        client.transport.authorization = Authorization::fixed(token)?;
        Ok(client)
    }

    /// The same client below another path of the same server; it shares the connections.
    pub(crate) fn below(&self, base: ServerUrl) -> Self {
        let mut client = self.clone();
        client.transport.base = base;
        client
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("base_url", &self.transport.base.as_str())
            .field("has_token", &self.has_token())
            .finish_non_exhaustive()
    }
}

/// Sets up a [`Client`].
#[derive(Debug)]
pub struct ClientBuilder {
    base: ServerUrl,
    token: Option<SecretString>,
    source: Option<Arc<dyn TokenSource>>,
    headers: Option<Arc<HeaderMap>>,
    ca_certificates: Vec<Vec<u8>>,
    expired_certificates: bool,
    system_certificates: bool,
    connect_timeout: Duration,
    read_timeout: Duration,
    retry: RetryPolicy,
    listener: Option<Listener>,
    user_agent: String,
    proxies: bool,
}

impl ClientBuilder {
    /// A builder with the defaults: no token, the system's certificate authorities.
    #[must_use]
    pub fn new(base: ServerUrl) -> Self {
        Self {
            base,
            token: None,
            source: None,
            headers: None,
            ca_certificates: Vec::new(),
            expired_certificates: true,
            system_certificates: true,
            connect_timeout: DEFAULT_CONNECT_TIMEOUT,
            read_timeout: DEFAULT_READ_TIMEOUT,
            retry: RetryPolicy::default(),
            listener: None,
            user_agent: concat!("fh-client/", env!("CARGO_PKG_VERSION")).to_owned(),
            proxies: true,
        }
    }

    /// The token, sent as `Authorization: Bearer`. Blanks around it do not count.
    #[must_use]
    pub fn token(mut self, token: SecretString) -> Self {
        self.token = Some(token);
        self
    }

    /// Where the tokens come from, instead of one token: each attempt shows one that is good then.
    #[must_use]
    pub fn token_source(mut self, source: Arc<dyn TokenSource>) -> Self {
        self.source = Some(source);
        self
    }

    /// What each request carries besides. Values that are secret have to be marked so.
    #[must_use]
    pub(crate) fn headers(mut self, headers: HeaderMap) -> Self {
        self.headers = Some(Arc::new(headers));
        self
    }

    /// Certificates to trust besides the system's, of authorities or of the server itself: the PEM text of one or
    /// more.
    #[must_use]
    pub fn ca_certificates(mut self, pem: Vec<u8>) -> Self {
        self.ca_certificates.push(pem);
        self
    }

    /// Trusts none of the given certificates that has expired. Without this, the dates of an authority do not count;
    /// OpenSSL looks at them.
    #[must_use]
    pub fn without_expired_certificates(mut self) -> Self {
        self.expired_certificates = false;
        self
    }

    /// Trusts only the given certificates, and none of the system's.
    #[must_use]
    pub fn without_system_certificates(mut self) -> Self {
        self.system_certificates = false;
        self
    }

    /// How long a connection may take to come about. 10 seconds where nothing is said.
    #[must_use]
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.connect_timeout = limit;
        self
    }

    /// How long an exchange may rest, or take for 16 KiB. 60 seconds where nothing is said;
    /// five times that for uploads, of which the system may hold megabytes that it has not sent.
    #[must_use]
    pub fn read_timeout(mut self, limit: Duration) -> Self {
        self.read_timeout = limit;
        self
    }

    /// Attempts after the first. [`crate::DEFAULT_RETRIES`] where nothing is said.
    #[must_use]
    pub fn retries(mut self, retries: u32) -> Self {
        self.retry.retries = retries;
        self
    }

    /// The wait before the first retry, doubled for each further one. 250 ms where nothing is
    /// said; up to as much again is added by chance.
    #[must_use]
    pub fn first_retry_wait(mut self, wait: Duration) -> Self {
        self.retry.first_wait = wait;
        self
    }

    /// Hears of each retry before its wait, where a method has no listener of its own. Nobody does where
    /// nothing is said.
    #[must_use]
    pub fn on_retry(mut self, listener: Arc<RetryListener<'static>>) -> Self {
        self.listener = Some(Listener(listener));
        self
    }

    /// What the client calls itself, such as `fh/0.1.0`.
    #[must_use]
    pub fn user_agent(mut self, name: impl Into<String>) -> Self {
        self.user_agent = name.into();
        self
    }

    /// Whether the proxies of the environment (`HTTPS_PROXY`, `NO_PROXY`, …) count. They do where
    /// nothing is said; a server on this machine is never asked through one.
    #[must_use]
    pub fn proxies(mut self, honour: bool) -> Self {
        self.proxies = honour;
        self
    }

    /// Makes the client. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidToken`], [`Error::CaCertificate`], [`Error::NoCertificates`], [`Error::HttpSetup`].
    pub fn build(self) -> Result<Client> {
        let authorization = match (&self.token, &self.source) {
            (_, Some(source)) => Authorization::renewing(source.clone()),
            (Some(token), None) => Authorization::fixed(token)?,
            (None, None) => Authorization::None,
        };
        let mut certificates = Vec::new();
        for pem in &self.ca_certificates {
            certificates.extend(tls::certificates(pem)?);
        }
        if !self.expired_certificates {
            certificates.retain(|certificate| !tls::has_expired(certificate));
        }
        let mut http = reqwest::Client::builder()
            .connect_timeout(self.connect_timeout)
            .tcp_nodelay(true)
            // Bytes that nobody acknowledges; a server that reads slowly gets as long as an upload.
            .tcp_user_timeout(self.read_timeout * 2)
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            // Retries are ours: they back off and honour Retry-After.
            .retry(reqwest::retry::never())
            .user_agent(self.user_agent);
        if !self.proxies || self.base.is_loopback() {
            http = http.no_proxy();
        }
        http = if self.base.is_secure() {
            let trusted = tls::configuration(certificates, self.system_certificates)?;
            http.tls_backend_preconfigured(trusted).https_only(true)
        } else {
            // Redirects are not followed, so TLS is never spoken: reading the system's
            // certificates would be tens of milliseconds for nothing.
            http.tls_certs_only([])
        };
        let http = http
            .build()
            .map_err(|error| Error::HttpSetup(error.into()))?;
        Ok(Client {
            transport: Transport {
                http,
                base: self.base,
                authorization,
                headers: self.headers,
                read_timeout: self.read_timeout,
                retry: self.retry,
                listener: self.listener,
            },
        })
    }
}
