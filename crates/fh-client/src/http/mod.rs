//! Requests and answers: one attempt, its time limits, its retries.
//!
//! Invariants: the token goes to the server that it was given for and nowhere else, so redirects
//! are never followed; an answer is read only up to a limit; there is no total time limit, but
//! also no endless wait: an exchange in which nothing moves, or next to nothing, is given up.

mod activity;
mod body;
mod failure;
mod stream;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fh_api::ErrorBody;
use fh_api::oauth::OAuthErrorBody;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use body::UploadBody;
pub(crate) use stream::{Pieces, StreamSource};

use crate::authorization::Authorization;
use crate::error::{Error, Result, UnreachableCause};
use crate::retry::{Failure, Repeat, RetryEvent, RetryListener, RetryPolicy, Sent};
use crate::server_url::ServerUrl;
use crate::text::{excerpt, safe_line};
use activity::{Activity, unless_stalled};
use failure::from_transport;

/// The largest answer that is read: a plan for some hundred thousand paths.
const ANSWER_LIMIT: usize = 64 * 1024 * 1024;

/// How much of an error's body is read.
const ERROR_BODY_LIMIT: usize = 64 * 1024;

/// How many characters of a server's sentence are shown.
const MESSAGE_LIMIT: usize = 2000;

/// How many characters of a body that is none of ours are shown.
const EXCERPT_LIMIT: usize = 200;

/// An upload may rest (or drip) this many times longer than another request: what the kernel has taken and
/// not yet sent cannot be seen from here, and on a slow line that can be megabytes.
const UPLOAD_PATIENCE: u32 = 5;

/// What a request carries.
#[derive(Clone)]
pub(crate) enum Content {
    /// No body at all.
    Empty,
    /// JSON, already serialised so that a retry sends the same bytes.
    Json(Bytes),
    /// A form that may hold secrets, already encoded.
    Form(SecretString),
    /// NARs or a part of one.
    Upload(&'static str, UploadBody),
    /// A NAR that is read anew for each attempt.
    Stream(Arc<dyn StreamSource>),
}

impl Content {
    /// A value of ours, written down once for all attempts.
    pub(crate) fn json(value: &impl Serialize) -> Result<Self> {
        to_json(value).map(Self::Json)
    }

    /// How many times longer than another request it may take for a step.
    fn patience(&self) -> u32 {
        match self {
            Self::Empty | Self::Form(_) => 1,
            // A large plan goes up a slow line as an upload does.
            Self::Json(_) | Self::Upload(..) | Self::Stream(_) => UPLOAD_PATIENCE,
        }
    }

    /// Whether it cannot be made, so that another attempt would fail as well.
    fn is_broken(&self) -> bool {
        matches!(self, Self::Stream(source) if source.is_broken())
    }
}

/// A value of ours as JSON.
pub(crate) fn to_json(value: &impl Serialize) -> Result<Bytes> {
    // Only a map with keys that are no strings could fail, and there is none.
    let text = serde_json::to_vec(value).map_err(|error| Error::InvalidRequest {
        reason: error.to_string(),
    })?;
    Ok(text.into())
}

/// One request of the API.
#[derive(Clone)]
pub(crate) struct Request {
    pub(crate) method: Method,
    /// Below the server's base address, with the leading slash.
    pub(crate) path: String,
    pub(crate) content: Content,
    pub(crate) repeat: Repeat,
}

impl Request {
    /// A request that does the same if it is sent twice.
    pub(crate) fn new(method: Method, path: impl Into<String>, content: Content) -> Self {
        Self {
            method,
            path: path.into(),
            content,
            repeat: Repeat::Safe,
        }
    }

    /// A request that only asks.
    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path, Content::Empty)
    }
}

/// An answer with a status of 2xx.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) url: String,
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    /// Its body, read as JSON.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.body).map_err(|error| Error::InvalidAnswer {
            url: self.url.clone(),
            reason: safe_line(&error.to_string(), 300),
        })
    }
}

/// How requests get to one server and answers back.
#[derive(Debug, Clone)]
pub(crate) struct Transport {
    pub(crate) http: reqwest::Client,
    pub(crate) base: ServerUrl,
    pub(crate) authorization: Authorization,
    /// What each request carries besides.
    pub(crate) headers: Option<Arc<HeaderMap>>,
    pub(crate) read_timeout: Duration,
    pub(crate) retry: RetryPolicy,
    /// Who hears of retries where nobody else does.
    pub(crate) listener: Option<Listener>,
}

/// Hears of all retries of a client.
#[derive(Clone)]
pub(crate) struct Listener(pub(crate) Arc<RetryListener<'static>>);

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Listener")
    }
}

impl Transport {
    /// Sends a request, again where that can help, and gives back the answer's body. Who listens to this
    /// client hears of each retry before the wait.
    pub(crate) async fn send(&self, request: &Request) -> Result<Answer> {
        self.send_telling(request, &|event| self.tell(event)).await
    }

    /// Tells whoever listens to this client.
    pub(crate) fn tell(&self, event: &RetryEvent<'_>) {
        if let Some(Listener(listener)) = &self.listener {
            listener(event);
        }
    }

    /// As [`Self::send`]; `listener` hears of the retries instead.
    pub(crate) async fn send_telling(
        &self,
        request: &Request,
        listener: &RetryListener<'_>,
    ) -> Result<Answer> {
        self.retry
            .run(request.repeat, listener, || self.attempt(request))
            .await
    }

    /// One attempt; a second one at once where the token had become bad since it was got.
    pub(crate) async fn attempt(&self, request: &Request) -> Result<Answer, Failure> {
        let shown = self.authorization.show().await.map_err(Failure::end)?;
        let header = shown.as_ref().map(|shown| &shown.header);
        let failure = match self.exchange(request, header).await {
            Err(failure) if failure.wants_another_token() => failure,
            result => return result,
        };
        let Some(refused) = shown else {
            return Err(failure);
        };
        match self.authorization.instead_of(&refused).await {
            Some(another) => self.exchange(request, Some(&another.header)).await,
            None => Err(failure),
        }
    }

    async fn exchange(
        &self,
        request: &Request,
        authorization: Option<&HeaderValue>,
    ) -> Result<Answer, Failure> {
        let url = format!("{}{}", self.base, request.path);
        let activity = Activity::new();
        let mut builder = self.http.request(request.method.clone(), &url);
        if let Some(headers) = &self.headers {
            builder = builder.headers(HeaderMap::clone(headers));
        }
        if let Some(authorization) = authorization {
            builder = builder.header(header::AUTHORIZATION, authorization);
        }
        let body = match &request.content {
            Content::Empty => None,
            Content::Json(json) => Some(("application/json", json.clone().into())),
            Content::Form(form) => {
                let form = form.expose_secret().to_owned();
                Some(("application/x-www-form-urlencoded", form.into()))
            }
            Content::Upload(media_type, body) => {
                Some((*media_type, body.to_http(activity.clone())))
            }
            Content::Stream(source) => {
                builder = builder.headers(source.headers());
                let body = stream::to_http(source, activity.clone());
                Some(("application/octet-stream", body))
            }
        };
        let builder = match body {
            Some((media_type, body)) => builder
                .header(header::CONTENT_TYPE, media_type)
                .body::<reqwest::Body>(body),
            // Some proxies insist on it.
            None if matches!(request.method, Method::POST | Method::PUT) => {
                builder.header(header::CONTENT_LENGTH, 0)
            }
            None => builder,
        };
        let limit = self.read_timeout * request.content.patience();
        tracing::debug!(method = %request.method, url, "request");
        let exchange = async {
            let response = builder
                .send()
                .await
                .map_err(|error| from_transport(&url, self.base.host(), &error))?;
            activity.step();
            self.read(&url, response, &activity).await
        };
        match unless_stalled(exchange, &activity, limit).await {
            Some(Err(failure)) if request.content.is_broken() => Err(Failure::end(failure.error)),
            Some(result) => result,
            None => Err(Failure::unreachable(
                &url,
                UnreachableCause::TimedOut,
                Sent::Perhaps,
            )),
        }
    }

    async fn read(
        &self,
        url: &str,
        mut response: reqwest::Response,
        activity: &Activity,
    ) -> Result<Answer, Failure> {
        let status = response.status();
        let limit = if status.is_success() {
            ANSWER_LIMIT
        } else {
            ERROR_BODY_LIMIT
        };
        let mut body = Vec::new();
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) => {
                    activity.moved(chunk.len());
                    if body.len() + chunk.len() > limit {
                        if status.is_success() {
                            return Err(Failure::end(Error::InvalidAnswer {
                                url: url.to_owned(),
                                reason: format!("it is longer than {limit} bytes"),
                            }));
                        }
                        body.extend_from_slice(&chunk[..limit - body.len()]);
                        break;
                    }
                    body.extend_from_slice(&chunk);
                }
                Ok(None) => break,
                // The status is known; a page cut short does not change it.
                Err(_) if !status.is_success() => break,
                Err(error) => {
                    return Err(from_transport(url, self.base.host(), &error));
                }
            }
        }
        if status.is_success() {
            return Ok(Answer {
                status,
                url: url.to_owned(),
                headers: std::mem::take(response.headers_mut()),
                body: body.into(),
            });
        }
        let error = refusal(url, status, response.headers(), &body);
        Err(Failure::from_status(error, status, response.headers()))
    }
}

/// The error for an answer that is no success.
fn refusal(url: &str, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Error {
    let url = url.to_owned();
    if status.is_redirection()
        && let Some(location) = headers.get(header::LOCATION)
    {
        return Error::Redirected {
            url,
            location: safe_line(&String::from_utf8_lossy(location.as_bytes()), EXCERPT_LIMIT),
        };
    }
    if let Ok(refused) = serde_json::from_slice::<OAuthErrorBody>(body) {
        return Error::ExchangeRefused {
            url,
            status: status.as_u16(),
            code: safe_line(&refused.error, EXCERPT_LIMIT),
            message: safe_line(&refused.error_description, MESSAGE_LIMIT),
        };
    }
    let sentence = serde_json::from_slice::<ErrorBody>(body)
        .ok()
        .map(|mut body| {
            body.message = safe_line(&body.message, MESSAGE_LIMIT);
            body.request_id = body.request_id.map(|id| safe_line(&id, EXCERPT_LIMIT));
            body
        });
    match (status, sentence) {
        (StatusCode::UNAUTHORIZED, sentence) => {
            let message =
                sentence.map_or_else(|| excerpt(body, EXCERPT_LIMIT), |body| body.message);
            Error::Unauthorized {
                url,
                message: match message.as_str() {
                    "" => "it gave no reason".to_owned(),
                    _ => message,
                },
            }
        }
        (_, Some(body)) => Error::Api {
            url,
            status: status.as_u16(),
            body: Box::new(body),
        },
        // Our own server would have said it in JSON.
        (StatusCode::PAYLOAD_TOO_LARGE, None) => Error::TooLargeForProxy {
            url,
            excerpt: excerpt(body, EXCERPT_LIMIT),
        },
        (_, None) => Error::Status {
            url,
            status: status.as_u16(),
            excerpt: excerpt(body, EXCERPT_LIMIT),
        },
    }
}
