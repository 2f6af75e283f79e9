//! Plain HTTP for tests: an answer is an answer, whatever its status.

use anyhow::{Context as _, Result, bail};
use reqwest::header::HeaderMap;
use serde_json::Value;

use super::Authority;

/// An answer, read to its end.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Its HTTP status, which is never an error by itself.
    pub status: u16,
    /// Its headers, in no order.
    pub headers: HeaderMap,
    /// Its body, read to the end.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// When it is none.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_slice(&self.body)
            .with_context(|| format!("no JSON ({}): {}", self.status, self.text()))
    }

    /// A header as text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The answer itself, if it has this status.
    ///
    /// # Errors
    /// When it has another.
    pub fn expect(self, status: u16) -> Result<Self> {
        if self.status != status {
            bail!("expected {status}, got {}: {}", self.status, self.text());
        }
        Ok(self)
    }
}

pub(super) fn client(authority: Option<&Authority>) -> Result<reqwest::Client> {
    let roots = match authority {
        Some(authority) => vec![reqwest::Certificate::from_pem(authority.pem().as_bytes())?],
        None => Vec::new(),
    };
    Ok(reqwest::Client::builder()
        .tls_certs_only(roots)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()?)
}

pub(super) async fn send(request: reqwest::RequestBuilder) -> Result<Answer> {
    let response = request.send().await?;
    Ok(Answer {
        status: response.status().as_u16(),
        headers: response.headers().clone(),
        body: response.bytes().await?.to_vec(),
    })
}
