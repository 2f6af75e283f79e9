//! The tokens of a workload, in time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fh_api::Name;
use fh_conf::netrc;
use futures_util::future::BoxFuture;
use secrecy::ExposeSecret as _;
use tokio::sync::OnceCell;

use super::Workload;
use super::exchange::{Exchange, Exchanged};
use super::identity::{IdentityToken, Origin};
use crate::authorization::{IssuedToken, TokenSource, left_of};
use crate::client::Client;
use crate::error::{Error, Result};

/// The only JWT of a job is not shown as it is where less than this is left of it.
const SHORT: Duration = Duration::from_secs(60);

/// Whether the server sees the identity itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// Where that can be done: a JWT that can be had again is shown as it is.
    Direct,
    /// It is exchanged, always.
    Exchanged,
}

/// Tokens for one server, from the identity of the workload.
#[derive(Debug)]
pub struct WorkloadSource {
    workload: Workload,
    /// A client that speaks for nobody.
    server: Client,
    manner: Manner,
    /// The one that the workload acts for, and those that it reads besides.
    organizations: Vec<Name>,
    /// Whether it was found to be an fh server.
    is_fh: OnceCell<()>,
    /// Whether the only JWT of the job was shown as it is.
    shown: AtomicBool,
}

impl WorkloadSource {
    /// Tokens for the server of this client. Nothing is sent yet.
    #[must_use]
    pub fn new(workload: Workload, server: &Client, manner: Manner) -> Self {
        Self {
            workload,
            server: server.without_token(),
            manner,
            organizations: Vec::new(),
            is_fh: OnceCell::new(),
            shown: AtomicBool::new(false),
        }
    }

    /// Lets the workload act for the first of these organisations, and read the others.
    #[must_use]
    pub fn for_organizations(mut self, organizations: Vec<Name>) -> Self {
        self.organizations = organizations;
        self
    }

    /// Exchanges the identity, asked for anew, for a token of the server now.
    ///
    /// # Errors
    ///
    /// [`Error::NoIdentity`], [`Error::ExchangeRefused`], and those of a request.
    pub async fn exchange(&self) -> Result<Exchanged> {
        let audience = self.audience().await?;
        match self.exchange_at(audience).run(None).await {
            Err(refused @ Error::ExchangeRefused { .. }) => {
                self.as_it_is(audience).await.ok_or(refused)
            }
            result => result,
        }
    }

    fn exchange_at<'a>(&'a self, audience: &'a str) -> Exchange<'a> {
        Exchange {
            workload: &self.workload,
            server: &self.server,
            audience,
            organizations: &self.organizations,
        }
    }

    /// The JWT itself, where the server takes it: each is exchanged once, and a file or a metadata
    /// server gives out the same one for a while. Only where it acts for the same organisation by itself.
    async fn as_it_is(&self, audience: &str) -> Option<Exchanged> {
        let token = self.workload.identity(audience).await.ok()??.token;
        // It would go to a netrc.
        if token.expose_secret().len() > netrc::LONGEST_PASSWORD {
            return None;
        }
        let expires_in = left_of(&token).filter(|left| !left.is_zero())?;
        let whoami = self.server.with_token(&token).ok()?.whoami().await.ok()?;
        if !self.organizations.is_empty() {
            let acts_for = whoami.workload?.organization?;
            let [only] = self.organizations.as_slice() else {
                return None;
            };
            if only.folded() != acts_for.folded() {
                return None;
            }
        }
        Some(Exchanged {
            token,
            expires_in,
            scope: None,
        })
    }

    /// The only JWT of a job: shown as it is until it is about to end, and then exchanged. Only one
    /// exchange is to be had for it, and most commands end before.
    async fn only_one(&self, identity: IdentityToken, audience: &str) -> Result<IssuedToken> {
        let left = left_of(&identity.token);
        let again = self.shown.swap(true, Ordering::Relaxed);
        if !left.is_some_and(|left| again || left < SHORT) {
            return Ok(IssuedToken::found(identity.token));
        }
        match self.exchange_at(audience).run(Some(&identity)).await {
            Err(Error::ExchangeRefused { .. }) if left.is_some_and(|left| !left.is_zero()) => {
                Ok(IssuedToken::found(identity.token))
            }
            result => result.map(issued),
        }
    }

    /// The address that the person gave: never what the server says of itself, or a bad server could
    /// have identities for a good one, and show them there. That it is an fh server at all is asked
    /// first, so that no identity is shown to anything else.
    async fn audience(&self) -> Result<&str> {
        let ask = || async { self.server.discovery().await.map(drop) };
        self.is_fh.get_or_try_init(ask).await?;
        Ok(self.server.base_url().as_str())
    }

    async fn token(&self) -> Result<IssuedToken> {
        let audience = self.audience().await?;
        if self.manner == Manner::Exchanged {
            return self.exchange().await.map(issued);
        }
        let Some(identity) = self.workload.identity(audience).await? else {
            return self.exchange().await.map(issued);
        };
        match identity.origin {
            Origin::Made => Ok(IssuedToken::fresh(identity.token)),
            // Looked at again for each request.
            Origin::KeptFresh => Ok(IssuedToken {
                token: identity.token,
                good_for: Some(Duration::ZERO),
            }),
            Origin::OnlyOne => self.only_one(identity, audience).await,
        }
    }
}

impl TokenSource for WorkloadSource {
    fn fetch(&self) -> BoxFuture<'_, Result<IssuedToken>> {
        Box::pin(self.token())
    }
}

fn issued(exchanged: Exchanged) -> IssuedToken {
    IssuedToken {
        token: exchanged.token,
        good_for: Some(exchanged.expires_in),
    }
}
