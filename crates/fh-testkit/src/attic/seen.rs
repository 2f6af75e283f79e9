//! What the model notes of a request.

use axum::extract::Request;
use serde_json::Value;

/// How an upload was described.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Described {
    /// By the header `X-Attic-Nar-Info`, which holds it.
    InHeader,
    /// `X-Attic-Nar-Info-Preamble-Size`, with its value.
    InBody(usize),
}

/// A request that came.
#[derive(Debug, Clone)]
pub struct Seen {
    /// In capitals, as it came: `GET`, `POST`, `PUT`.
    pub method: String,
    /// With the leading slash.
    pub path: String,
    /// The value of `Authorization`, scheme and all.
    pub authorization: Option<String>,
    /// How many bytes the request said its body has.
    pub content_length: Option<u64>,
    /// How it was described, if it is an upload.
    pub described: Option<Described>,
    /// The full store path of an upload whose description stands in a header.
    pub store_path: Option<String>,
}

impl Seen {
    pub(super) fn of(request: &Request) -> Self {
        let text = |name: &str| {
            let value = request.headers().get(name)?;
            value.to_str().ok().map(str::to_owned)
        };
        let info = text("x-attic-nar-info");
        let preamble = text("x-attic-nar-info-preamble-size").and_then(|size| size.parse().ok());
        let in_header = info.is_some().then_some(Described::InHeader);
        Self {
            method: request.method().to_string(),
            path: request.uri().path().to_owned(),
            authorization: text("authorization"),
            content_length: text("content-length").and_then(|length| length.parse().ok()),
            described: preamble.map(Described::InBody).or(in_header),
            store_path: info
                .and_then(|info| serde_json::from_str::<Value>(&info).ok())
                .and_then(|info| info["store_path"].as_str().map(str::to_owned)),
        }
    }
}
