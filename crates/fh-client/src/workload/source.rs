//! The tokens of a workload, in time.

use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::OnceCell;

use super::exchange::{Exchanged, checked_audience};
use super::{Origin, Workload};
use crate::authorization::{IssuedToken, TokenSource, left_of};
use crate::client::Client;
use crate::error::Result;

/// The only JWT of a job is exchanged while it is good, where less than this is left of it: the token
/// may live longer.
const SHORT: Duration = Duration::from_secs(30 * 60);

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
    /// Speaks for nobody.
    server: Client,
    manner: Manner,
    /// What the server calls itself.
    audience: OnceCell<String>,
}

impl WorkloadSource {
    /// Tokens for the server of this client. Nothing is sent yet.
    #[must_use]
    pub fn new(workload: Workload, server: &Client, manner: Manner) -> Self {
        Self {
            workload,
            server: server.without_token(),
            manner,
            audience: OnceCell::new(),
        }
    }

    /// Exchanges the identity for a token now.
    ///
    /// # Errors
    ///
    /// As [`Workload::exchange`].
    pub async fn exchange(&self) -> Result<Exchanged> {
        let audience = self.audience().await?;
        self.workload.exchange(&self.server, audience).await
    }

    async fn audience(&self) -> Result<&str> {
        let ask = || async {
            let audience = self.server.discovery().await?.audience;
            checked_audience(self.workload.provider(), &self.server, &audience)?;
            Ok(audience)
        };
        self.audience.get_or_try_init(ask).await.map(String::as_str)
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
            Origin::OnlyOne if left_of(&identity.token).is_some_and(|left| left < SHORT) => self
                .workload
                .exchange_with(&self.server, audience, Some(&identity))
                .await
                .map(issued),
            Origin::OnlyOne => Ok(IssuedToken::found(identity.token)),
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
