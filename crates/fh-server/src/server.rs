//! Starting and stopping: the order in which the parts come up and go down.
//!
//! ```text
//! lock ([`crate::tenure`]) ─▶ sockets ─▶ database (migrations) ─▶ storage ─▶ keys ─▶ administrator ─▶ serving
//! ```
//!
//! The sockets come before the keys because an ephemeral port is part of the public URL; until the
//! server serves, the system keeps connections waiting. On the way down the sockets close first, then
//! the background tasks, and the lock is given up for the next server; running requests end meanwhile,
//! then what they have begun and does not end with them.

use std::time::Duration;

use fh_access::keys::KeyNames;
use fh_api::with_causes;
use fh_persistence::database::{self, Database};
use fh_persistence::storage::FileStorage;
use fh_persistence::tenure::Tenure;
use fh_settings::{PublicUrl, Settings};

use crate::background::Background;
use crate::bootstrap;
use crate::listen::{BoundAddress, Certificates, InheritedSocket, Service, Serving, Sockets};
use crate::peer::Proxies;
use crate::routes;
use crate::server_error::ServerError;
use crate::state::{AppState, Parts};
use crate::telemetry::Metrics;

/// How long what requests have begun, and what does not end with them, has to come to an end.
const WORK_STOP: Duration = Duration::from_secs(30);

/// A server that is not running.
#[derive(Debug)]
pub struct Server;

/// A server that is serving. Dropped, it stops without grace.
pub struct RunningServer {
    url: PublicUrl,
    addresses: Vec<BoundAddress>,
    metrics_address: Option<BoundAddress>,
    stop_timeout: Duration,
    serving: Serving,
    background: Background,
    state: AppState,
}

impl std::fmt::Debug for RunningServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunningServer")
            .field("url", &self.url.as_str())
            .field("addresses", &self.addresses)
            .finish_non_exhaustive()
    }
}

impl Server {
    /// Starts on the addresses of the settings. It serves when this returns.
    ///
    /// # Errors
    /// See [`ServerError`]; nothing is left running then.
    pub async fn start(settings: Settings) -> Result<RunningServer, ServerError> {
        Self::start_with(settings, Vec::new()).await
    }

    /// As [`Server::start`], and on sockets that a service manager opened.
    ///
    /// # Errors
    /// See [`ServerError`]; nothing is left running then.
    pub async fn start_with(
        mut settings: Settings,
        inherited: Vec<InheritedSocket>,
    ) -> Result<RunningServer, ServerError> {
        let tenure = Tenure::begin(&settings.data_dir).await?;
        let certificates = settings.tls.clone().map(Certificates::load).transpose()?;
        let sockets = Sockets::bind(
            &settings.listen,
            settings.metrics_listen.as_ref(),
            inherited,
        )?;
        let url = match settings.public_url.clone() {
            Some(url) => url,
            None => sockets.public_url(certificates.is_some())?,
        };
        settings.public_url = Some(url.clone());
        let state = open(settings.clone(), &url, tenure).await?;
        let addresses = sockets.addresses();
        let metrics_address = sockets.metrics_address();
        let service = Service {
            router: routes::router(state.clone()),
            certificates,
            limits: settings.limits,
            timeouts: settings.timeouts,
            proxies: Proxies::of(&settings),
            metrics: state.metrics().clone(),
        };
        let serving = Serving::start(sockets, service)?;
        tracing::info!(
            url = url.as_str(),
            version = env!("CARGO_PKG_VERSION"),
            "serving"
        );
        Ok(RunningServer {
            url,
            addresses,
            metrics_address,
            stop_timeout: settings.timeouts.stop,
            serving,
            background: Background::start(&state),
            state,
        })
    }
}

impl RunningServer {
    /// What the server is known by, without a final slash.
    #[must_use]
    pub fn url(&self) -> &str {
        self.url.as_str()
    }

    /// Where it listens, with real ports.
    #[must_use]
    pub fn addresses(&self) -> &[BoundAddress] {
        &self.addresses
    }

    /// Where metrics alone are answered.
    #[must_use]
    pub fn metrics_address(&self) -> Option<&BoundAddress> {
        self.metrics_address.as_ref()
    }

    /// Reads the TLS certificate again, if there is one; the former one stays where that fails.
    pub async fn reload_certificates(&self) {
        self.serving.reload_certificates().await;
    }

    /// Stops: accepts nothing new, and lets running requests finish within the time of the settings.
    pub async fn stop(self) {
        self.stop_or(std::future::pending()).await;
    }

    /// As [`RunningServer::stop`], and ends running requests when `at_once` completes.
    pub async fn stop_or(self, at_once: impl Future<Output = ()>) {
        let tenure = self.state.tenure();
        self.state.stopping().cancel();
        if let Err(error) = tenure.begin_to_end() {
            tracing::warn!(%error, "the next server has to wait for the end of this one");
        }
        let hand_over = async {
            self.serving.close().await;
            if !self.background.stop().await {
                return;
            }
            // Whoever had it did not know of another process.
            match self.state.pushes().receiving().publisher().turn().await {
                Ok(turn) => drop(turn),
                Err(error) => {
                    tracing::warn!(error = %with_causes(&error), "cannot wait for a turn");
                }
            }
            tenure.hand_over();
        };
        tokio::join!(self.serving.stop(self.stop_timeout, at_once), hand_over);
        if tokio::time::timeout(WORK_STOP, tenure.work_done())
            .await
            .is_err()
        {
            tracing::warn!("some work that was begun did not end");
        }
        if let Err(error) = self.state.denials().flush(true).await {
            tracing::warn!(error = %with_causes(&error), "cannot write to the audit log what was refused");
        }
        if let Err(error) = self.state.access().flush_last_used().await {
            tracing::warn!(error = %with_causes(&error), "cannot note when tokens were used last");
        }
        tracing::info!("stopped");
    }
}

/// Opens all that lies in the data directory, and makes what the first start has to make.
pub(crate) async fn open(
    settings: Settings,
    url: &PublicUrl,
    tenure: Tenure,
) -> Result<AppState, ServerError> {
    if tenure.is_shared() && database::is_older(&settings.data_dir)? {
        tracing::info!(
            "waiting for the previous server to end: the schema of the database changes"
        );
        tenure.others_gone().await;
    }
    let database = Database::open(&settings.data_dir)?;
    let storage = FileStorage::open(&settings.data_dir)
        .map_err(|error| ServerError::Storage(error.into()))?;
    let names = KeyNames::new(settings.signing_key_name.as_deref(), url.host());
    let keys = bootstrap::server_keys(&database, names, settings.signing).await?;
    let admin_token = bootstrap::administrator(
        &database,
        &keys,
        &settings.data_dir,
        url.as_str(),
        settings.tokens.max_lifetime,
    )
    .await?;
    if let Some(path) = admin_token {
        tracing::info!(path = %path.display(), "wrote the administrator's token");
    }
    AppState::new(Parts {
        settings,
        public_url: url.to_string(),
        database,
        storage,
        keys,
        metrics: Metrics::new(),
        tenure,
    })
}

/// Runs a server until `shutdown` completes, then stops it with grace.
///
/// # Errors
/// When it does not start.
pub async fn run(
    settings: Settings,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServerError> {
    let server = Server::start(settings).await?;
    shutdown.await;
    server.stop().await;
    Ok(())
}

#[cfg(test)]
mod tests;
