//! A real fh server in this process: on an ephemeral port of loopback, with a data directory that
//! goes when it does, over HTTP or over TLS with a certificate authority of its own.
//!
//! ```no_run
//! # fn main() -> anyhow::Result<()> {
//! use fh_testkit::server::TestServer;
//!
//! let server = TestServer::start()?;
//! server.create_flake("acme/app", "private")?;
//! server.create_user("alice")?;
//! server.grant("acme/app", "alice", "read")?;
//! let token = server.token_for("alice", &["pull"])?;
//! let answer = server.get("/api/v1/whoami", Some(&token))?;
//! assert_eq!(answer.status, 200);
//! # Ok(())
//! # }
//! ```
//!
//! Everything is made through the server's own HTTP API, as clients do it. All functions block, and
//! the server has threads of its own: tests with and without an asynchronous runtime may use it.

mod authority;
mod http;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::mpsc;

use anyhow::{Context as _, Result, anyhow, bail};
use fh_server::{BoundAddress, RunningServer, Server};
use fh_settings::{ListenAddress, OrganizationCreation, Settings};
pub use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

pub use authority::{Authority, self_signed_into};
pub use http::Answer;

type Adjustment = Box<dyn FnOnce(&mut Settings)>;

/// How a [`TestServer`] is to be.
#[derive(Default)]
pub struct Builder {
    tls: bool,
    adjust: Vec<Adjustment>,
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder")
            .field("tls", &self.tls)
            .finish_non_exhaustive()
    }
}

impl Builder {
    /// Speaks TLS, with a certificate for `localhost`, 127.0.0.1 and ::1.
    #[must_use]
    pub fn tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// Changes the settings, which are the defaults on `127.0.0.1:0`.
    #[must_use]
    pub fn settings(mut self, adjust: impl FnOnce(&mut Settings) + 'static) -> Self {
        self.adjust.push(Box::new(adjust));
        self
    }

    /// Lets every account make organisations, and not the server's administrators alone.
    #[must_use]
    pub fn anyone_makes_organizations(self) -> Self {
        self.settings(|settings| settings.organization_creation = OrganizationCreation::Anyone)
    }

    /// Starts it.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(self) -> Result<TestServer> {
        let scratch = tempfile::Builder::new()
            .prefix("fh-test-server")
            .tempdir()?;
        let mut settings = fh_settings::ephemeral(&scratch.path().join("data"))?;
        let authority = if self.tls {
            let authority = Authority::new()?;
            settings.tls = Some(authority.issue_into(scratch.path())?);
            std::fs::write(scratch.path().join(AUTHORITY_FILE), authority.pem())?;
            Some(authority)
        } else {
            None
        };
        for adjust in self.adjust {
            adjust(&mut settings);
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()?;
        let mut server = TestServer {
            client: http::client(authority.as_ref())?,
            settings,
            url: String::new(),
            admin_token: String::new(),
            running: None,
            runtime: Some(runtime),
            authority,
            scratch,
        };
        server.restart()?;
        Ok(server)
    }
}

/// The name of the authority's certificate in the scratch directory.
const AUTHORITY_FILE: &str = "authority.pem";

/// A server in this process; stopped on drop.
#[derive(Debug)]
pub struct TestServer {
    client: reqwest::Client,
    settings: Settings,
    url: String,
    admin_token: String,
    running: Option<RunningServer>,
    /// Absent only while dropping.
    runtime: Option<Runtime>,
    authority: Option<Authority>,
    scratch: TempDir,
}

impl TestServer {
    /// Starts one with the defaults, over HTTP.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start() -> Result<Self> {
        Self::builder().start()
    }

    /// Says first how it is to be.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The public URL, without a final slash; with the real port.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The administrator's token, which the first start wrote.
    #[must_use]
    pub fn admin_token(&self) -> &str {
        &self.admin_token
    }

    /// The server's settings, with the real port and URL.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Where the server keeps its database, keys and objects.
    #[must_use]
    pub fn data_dir(&self) -> &Path {
        &self.settings.data_dir
    }

    /// A directory that goes when the server does.
    #[must_use]
    pub fn scratch(&self) -> &Path {
        self.scratch.path()
    }

    /// The certificate authority of a server with TLS.
    #[must_use]
    pub fn authority(&self) -> Option<&Authority> {
        self.authority.as_ref()
    }

    /// A PEM file with that authority, for `NIX_SSL_CERT_FILE`.
    #[must_use]
    pub fn authority_file(&self) -> Option<PathBuf> {
        self.authority
            .as_ref()
            .map(|_| self.scratch.path().join(AUTHORITY_FILE))
    }

    /// The running server itself.
    ///
    /// # Errors
    /// When it was stopped.
    pub fn running(&self) -> Result<&RunningServer> {
        self.running.as_ref().context("the test server was stopped")
    }

    /// Stops it with grace.
    ///
    /// # Errors
    /// When its threads are gone.
    pub fn stop(&mut self) -> Result<()> {
        let Some(running) = self.running.take() else {
            return Ok(());
        };
        self.wait(async move {
            running.stop().await;
        })
    }

    /// Stops it if it runs, and starts it again: same data, same address, same URL.
    ///
    /// # Errors
    /// When it does not start.
    pub fn restart(&mut self) -> Result<()> {
        self.stop()?;
        let settings = self.settings.clone();
        let running = self.wait(async move { Server::start(settings).await })??;
        self.url = running.url().to_owned();
        // What was chosen by the system the first time stays.
        self.settings.public_url = Some(self.url.parse().map_err(|error: String| anyhow!(error))?);
        self.settings.listen = running
            .addresses()
            .iter()
            .zip(&self.settings.listen)
            .map(|(bound, asked)| match bound {
                BoundAddress::Tcp(address) => ListenAddress::Tcp(*address),
                BoundAddress::Unix(_) => asked.clone(),
            })
            .collect();
        let token = self.settings.data_dir.join("admin.token");
        self.admin_token = std::fs::read_to_string(&token)
            .with_context(|| format!("cannot read {}", token.display()))?
            .trim()
            .to_owned();
        self.running = Some(running);
        Ok(())
    }

    /// Sends a request and reads the answer. `path` begins with a slash.
    ///
    /// # Errors
    /// When there is no answer; a status is never an error here.
    pub fn request(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        body: Option<&Value>,
    ) -> Result<Answer> {
        let mut request = self.client.request(method, format!("{}{path}", self.url));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        self.wait(http::send(request))?
    }

    /// `GET`.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn get(&self, path: &str, token: Option<&str>) -> Result<Answer> {
        self.request(Method::GET, path, token, None)
    }

    /// `POST` of JSON.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn post(&self, path: &str, token: Option<&str>, body: &Value) -> Result<Answer> {
        self.request(Method::POST, path, token, Some(body))
    }

    /// Makes an organisation, unless it is there.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn create_organization(&self, name: &str) -> Result<()> {
        let answer = self.post(
            "/api/v1/orgs",
            Some(&self.admin_token),
            &json!({ "name": name }),
        )?;
        match answer.status {
            409 => Ok(()),
            _ => answer.expect(201).map(drop),
        }
    }

    /// Makes a flake `org/project`, and its organisation where needed. Visibility: `public`,
    /// `unlisted` or `private`.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn create_flake(&self, flake: &str, visibility: &str) -> Result<()> {
        let Some((organization, _)) = flake.split_once('/') else {
            bail!("{flake:?} is not org/project");
        };
        self.create_organization(organization)?;
        let body = json!({ "flake": flake, "visibility": visibility });
        self.post("/api/v1/flakes", Some(&self.admin_token), &body)?
            .expect(201)
            .map(drop)
    }

    /// Makes a user.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn create_user(&self, name: &str) -> Result<()> {
        self.post(
            "/api/v1/users",
            Some(&self.admin_token),
            &json!({ "name": name }),
        )?
        .expect(201)
        .map(drop)
    }

    /// Gives a user a role on a flake: `read`, `write` or `admin`.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn grant(&self, flake: &str, user: &str, role: &str) -> Result<()> {
        let path = format!("/api/v1/flakes/{flake}/grants/{user}");
        let body = json!({ "role": role });
        let answer = self.request(Method::PUT, &path, Some(&self.admin_token), Some(&body))?;
        match answer.status {
            200 | 201 => Ok(()),
            _ => answer.expect(200).map(drop),
        }
    }

    /// Mints a token with some of the permissions `pull`, `push`, `mint`, `admin`.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn token_for(&self, user: &str, permissions: &[&str]) -> Result<String> {
        self.mint(&json!({ "user": user, "permissions": permissions }))
    }

    /// Mints a token, as `fh_api::CreateToken` says.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn mint(&self, body: &Value) -> Result<String> {
        let minted = self
            .post("/api/v1/tokens", Some(&self.admin_token), body)?
            .expect(201)?
            .json()?;
        minted
            .get("token")
            .and_then(Value::as_str)
            .map(str::to_owned)
            .context("the answer holds no token")
    }

    /// A new user with one role on a flake, and a token for pulling and pushing.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn user_with_role(&self, user: &str, flake: &str, role: &str) -> Result<String> {
        self.create_user(user)?;
        self.grant(flake, user, role)?;
        self.token_for(user, &["pull", "push"])
    }

    /// Waits for something on the server's threads, whatever thread this is.
    fn wait<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Result<T> {
        let runtime = self.runtime.as_ref().context("the test server is gone")?;
        let (sender, receiver) = mpsc::channel();
        runtime.spawn(async move {
            // The receiver waits below.
            let _ = sender.send(future.await);
        });
        receiver
            .recv()
            .map_err(|_| anyhow!("a task of the test server panicked"))
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        // Nobody can be told here.
        let _ = self.stop();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
