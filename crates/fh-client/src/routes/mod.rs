//! One method per route of the API, in a file for each noun.
//!
//! Every method's errors are those of a request: [`Error::Unreachable`], [`Error::Unauthorized`],
//! [`Error::Api`] with the server's sentence, [`Error::Status`] where something else answered,
//! [`Error::Redirected`] and [`Error::InvalidAnswer`].

mod access;
mod cache;
mod flakes;
mod grants;
mod invitations;
mod organizations;
mod push;
mod renames;
mod roots;
mod server;
mod tokens;
mod trust;
mod users;

pub use invitations::Follower;

use bytes::Bytes;
use fh_api::{API_PREFIX, Discovery, FlakeName, Whoami};
use http::{Method, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::client::Client;
use crate::error::{Error, Result};
use crate::http::{Answer, Content, Request};
use crate::retry::Repeat;
use crate::text::safe_line;

/// What a creation answers with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made<T> {
    /// What is there now.
    pub value: T,
    /// Whether it was made by this request, and was not there before.
    pub is_new: bool,
}

impl Client {
    /// What the server says of itself; needs no token.
    ///
    /// # Errors
    ///
    /// [`Error::NotAnFhServer`] where something else answers at this address.
    pub async fn discovery(&self) -> Result<Discovery> {
        let not_fh = |reason: String| Error::NotAnFhServer {
            url: self.base_url().to_string(),
            reason,
        };
        let request = request(Method::GET, "/.well-known/fh".to_owned(), Content::Empty);
        let answer = match self.transport.send(&request).await {
            Ok(answer) => answer,
            Err(
                error @ (Error::Api { .. } | Error::Status { .. } | Error::Unauthorized { .. }),
            ) if error
                .status()
                .is_some_and(|status| status < 500 && status != 429) =>
            {
                let status = error.status().unwrap_or_default();
                return Err(not_fh(format!(
                    "/.well-known/fh answers with status {status}"
                )));
            }
            Err(error) => return Err(error),
        };
        let discovery: Discovery = serde_json::from_slice(&answer.body)
            .map_err(|_| not_fh("/.well-known/fh does not describe an fh server".to_owned()))?;
        if discovery.name != "fh" {
            let name = safe_line(&discovery.name, 60);
            return Err(not_fh(format!("it calls itself {name:?}")));
        }
        Ok(discovery)
    }

    /// The caller as the server sees it.
    #[expect(clippy::missing_errors_doc, reason = "the module says it for all")]
    pub async fn whoami(&self) -> Result<Whoami> {
        self.get("/whoami").await
    }
}

impl Client {
    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        self.call(Method::GET, path, Content::Empty).await
    }

    /// A creation that refuses what is there already is not repeated when its answer was lost: the
    /// second would be told 409.
    async fn create<T: DeserializeOwned>(
        &self,
        path: &str,
        new: &impl Serialize,
        exist_ok: bool,
    ) -> Result<Made<T>> {
        let request = Request {
            method: Method::POST,
            path: format!("{API_PREFIX}{path}"),
            content: json(new)?,
            repeat: if exist_ok {
                Repeat::Safe
            } else {
                Repeat::IfUnsent
            },
        };
        let answer = self.transport.send(&request).await?;
        Ok(Made {
            value: parse(&answer)?,
            is_new: answer.status == StatusCode::CREATED,
        })
    }

    async fn put<T: DeserializeOwned>(&self, path: &str, content: Content) -> Result<T> {
        self.call(Method::PUT, path, content).await
    }

    async fn patch<T: DeserializeOwned>(&self, path: &str, change: &impl Serialize) -> Result<T> {
        self.call(Method::PATCH, path, json(change)?).await
    }

    async fn delete(&self, path: &str) -> Result<()> {
        let path = format!("{API_PREFIX}{path}");
        let request = request(Method::DELETE, path, Content::Empty);
        self.transport.send(&request).await.map(drop)
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        content: Content,
    ) -> Result<T> {
        let request = request(method, format!("{API_PREFIX}{path}"), content);
        parse(&self.transport.send(&request).await?)
    }
}

/// Below the API's prefix. Names hold nothing that would have to be escaped in an address.
fn flake_path(flake: &FlakeName) -> String {
    format!("/flakes/{}/{}", flake.org, flake.project)
}

fn request(method: Method, path: String, content: Content) -> Request {
    Request {
        method,
        path,
        content,
        repeat: Repeat::Safe,
    }
}

fn json(value: &impl Serialize) -> Result<Content> {
    // Our own types: only a map with keys that are no strings could fail, and there is none.
    let text = serde_json::to_vec(value).map_err(|error| Error::InvalidRequest {
        reason: error.to_string(),
    })?;
    Ok(Content::Json(Bytes::from(text)))
}

fn parse<T: DeserializeOwned>(answer: &Answer) -> Result<T> {
    serde_json::from_slice(&answer.body).map_err(|error| Error::InvalidAnswer {
        url: answer.url.clone(),
        reason: safe_line(&error.to_string(), 300),
    })
}
