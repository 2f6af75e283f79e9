//! Exchanging an identity for a token of the server (RFC 8693).

use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use fh_api::Name;
use fh_api::oauth::{
    AWS_TOKEN_TYPE, ExchangeAnswer, JWT_TOKEN_TYPE, NONCE_PATH, NonceAnswer, TOKEN_EXCHANGE,
    TOKEN_PATH,
};
use http::Method;
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret as _, SecretString};
use serde::de::DeserializeOwned;

use super::identity::{IdentityToken, no_identity};
use super::{Workload, aws};
use crate::client::Client;
use crate::error::{Error, Result};
use crate::http::{Answer, Content, Request};
use crate::retry::{Failure, Repeat};
use crate::text::safe_line;
use crate::token::check_token;

/// The longest life of a token that is believed: ten years.
const LONGEST_LIFE: u64 = 10 * 366 * 24 * 3600;

/// A token of the server, for an identity.
#[derive(Debug, Clone)]
pub struct Exchanged {
    /// The token that the server has made.
    pub token: SecretString,
    /// For how long it is good.
    pub expires_in: Duration,
    /// What it may be used for, separated by spaces, where the server says so.
    pub scope: Option<String>,
}

/// What is exchanged, and where.
pub(super) struct Exchange<'a> {
    pub(super) workload: &'a Workload,
    pub(super) server: &'a Client,
    pub(super) audience: &'a str,
    /// The workload acts for the first, and only reads the others; where none is named, the server knows which.
    pub(super) organizations: &'a [Name],
}

impl Exchange<'_> {
    /// Exchanges this identity, or where there is none, one that is asked for at each attempt: a JWT
    /// and a nonce may be good for one attempt only.
    pub(super) async fn run(&self, identity: Option<&IdentityToken>) -> Result<Exchanged> {
        let transport = &self.server.transport;
        let attempt = || async {
            let form = self.form(identity).await.map_err(Failure::end)?;
            let request = Request::new(Method::POST, TOKEN_PATH, Content::Form(form));
            transport.attempt(&request).await
        };
        let answer = transport
            .retry
            .run(Repeat::Safe, &|event| transport.tell(event), attempt)
            .await
            .map_err(|error| self.unless_unknown(error))?;
        let parsed: ExchangeAnswer = parse(&answer)?;
        let token = SecretString::from(parsed.access_token);
        check_token(&token)?;
        Ok(Exchanged {
            token,
            expires_in: Duration::from_secs(parsed.expires_in.min(LONGEST_LIFE)),
            scope: (!parsed.scope.is_empty()).then(|| safe_line(&parsed.scope, 200)),
        })
    }

    async fn form(&self, identity: Option<&IdentityToken>) -> Result<SecretString> {
        let asked = match identity {
            Some(_) => None,
            None => self.workload.identity(self.audience).await?,
        };
        if let Some(identity) = identity.or(asked.as_ref()) {
            let subject = identity.token.expose_secret();
            return Ok(form(subject, JWT_TOKEN_TYPE, self.organizations));
        }
        let nonce = nonce(self.server).await;
        let nonce = nonce.map_err(|error| self.unless_unknown(error))?;
        let Workload {
            environment,
            connections,
            ..
        } = self.workload;
        let signed =
            aws::caller_identity(&environment.aws, connections, self.audience, &nonce).await?;
        let json = serde_json::to_vec(&signed).map_err(|error| Error::InvalidRequest {
            reason: error.to_string(),
        })?;
        let json = Zeroizing::new(json);
        let subject = Zeroizing::new(BASE64URL_NOPAD.encode(&json));
        Ok(form(&subject, AWS_TOKEN_TYPE, self.organizations))
    }

    /// An error in better words where the server has no such route.
    fn unless_unknown(&self, error: Error) -> Error {
        match error.status() {
            Some(404 | 405 | 501) => no_identity(
                format!(
                    "{} does not accept workload identities",
                    self.server.base_url()
                ),
                "It may be an older version: use a token (FH_TOKEN_FILE, `fh login`) until it is updated.",
            ),
            _ => error,
        }
    }
}

async fn nonce(server: &Client) -> Result<String> {
    let request = Request::new(Method::POST, NONCE_PATH, Content::Empty);
    let answer = server.transport.send(&request).await?;
    let parsed: NonceAnswer = parse(&answer)?;
    let is_word = !parsed.nonce.is_empty()
        && parsed.nonce.len() <= 512
        && parsed.nonce.bytes().all(|byte| byte.is_ascii_graphic());
    if !is_word {
        return Err(Error::InvalidAnswer {
            url: answer.url,
            reason: "the nonce is not a word".to_owned(),
        });
    }
    Ok(parsed.nonce)
}

fn form(subject: &str, kind: &str, organizations: &[Name]) -> SecretString {
    // Room for all of it at once: growing would leave copies of the secret behind.
    let room = subject.len() * 3 + 1024 + organizations.len() * 128;
    let text = url::form_urlencoded::Serializer::new(String::with_capacity(room))
        .append_pair("grant_type", TOKEN_EXCHANGE)
        .append_pair("subject_token", subject)
        .append_pair("subject_token_type", kind)
        .extend_pairs(
            organizations
                .iter()
                .map(|name| ("organization", name.as_str())),
        )
        .finish();
    SecretString::from(text)
}

fn parse<T: DeserializeOwned>(answer: &Answer) -> Result<T> {
    serde_json::from_slice(&answer.body).map_err(|_| Error::InvalidAnswer {
        url: answer.url.clone(),
        reason: "it is not an answer to an exchange".to_owned(),
    })
}
