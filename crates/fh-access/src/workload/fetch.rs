//! Small answers from addresses that are allowed: no redirects, no proxies, within bounds of time and
//! size.

use std::time::Duration;

use futures_util::StreamExt as _;
use reqwest::{Client, RequestBuilder};

/// How long an answer may take, from the connection to its last byte.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Unreachable {
    /// The client cannot be made, such as where the system has no certificate authorities.
    #[error("requests cannot be sent")]
    Client(#[source] reqwest::Error),
    /// Nobody answered in time.
    #[error("no answer")]
    Transport(#[source] reqwest::Error),
    /// Another status than 200.
    #[error("the status is {0}")]
    Status(http::StatusCode),
    /// More than was to be expected.
    #[error("the answer is too long")]
    TooLong,
    /// It is not what was asked for.
    #[error("{0}")]
    Content(&'static str),
    /// Tried a moment ago, without success.
    #[error("it was tried a moment ago")]
    TooSoon,
    /// The task that fetched was torn down.
    #[error("the fetching did not finish")]
    Task,
}

/// A client for such requests.
pub(super) fn client() -> Result<Client, Unreachable> {
    Client::builder()
        .timeout(TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .no_proxy()
        .retry(reqwest::retry::never())
        .user_agent(concat!("fh/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(Unreachable::Client)
}

/// The body of an answer with the status 200, of at most so many bytes.
pub(super) async fn answer(request: RequestBuilder, limit: usize) -> Result<Vec<u8>, Unreachable> {
    let (status, body) = any_answer(request, limit).await?;
    if status != http::StatusCode::OK {
        return Err(Unreachable::Status(status));
    }
    Ok(body)
}

/// The status and the body of any answer.
pub(super) async fn any_answer(
    request: RequestBuilder,
    limit: usize,
) -> Result<(http::StatusCode, Vec<u8>), Unreachable> {
    let response = request.send().await.map_err(Unreachable::Transport)?;
    let status = response.status();
    let mut body = Vec::new();
    let mut parts = response.bytes_stream();
    while let Some(part) = parts.next().await {
        let part = part.map_err(Unreachable::Transport)?;
        if body.len() + part.len() > limit {
            return Err(Unreachable::TooLong);
        }
        body.extend_from_slice(&part);
    }
    Ok((status, body))
}
