//! How routes refuse: with which statuses and bodies, for the document.
//!
//! Most of it follows from what a handler takes; what is its own, its route states. Every answer
//! that a test of this crate gets is compared with the document (`crate::testing`).

use fh_api::ErrorBody;
use fh_api::oauth::OAuthErrorBody;
use http::StatusCode;
use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::schema::{ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{Ref, RefOr, Response, ResponseBuilder};

use super::schema::{TypeSchema, text};

/// The body of a route's errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::routes) enum Errors {
    /// JSON: [`ErrorBody`].
    Json,
    /// One sentence as text: Nix shows a person the body as it is.
    Text,
    /// JSON as OAuth has it: [`OAuthErrorBody`].
    OAuth,
}

impl Errors {
    /// The schema of the body, where it is JSON.
    pub(super) fn schema(self) -> Option<TypeSchema> {
        match self {
            Self::Json => Some(TypeSchema::of::<ErrorBody>()),
            Self::Text => None,
            Self::OAuth => Some(TypeSchema::of::<OAuthErrorBody>()),
        }
    }

    /// The name of an answer among the document's components.
    fn component(self, status: u16) -> String {
        let status = StatusCode::from_u16(status).ok();
        let reason = status.and_then(|status| status.canonical_reason());
        let reason = reason.unwrap_or_default().replace(' ', "");
        match self {
            Self::Json => reason,
            Self::Text => format!("{reason}Text"),
            Self::OAuth => format!("{reason}OAuth"),
        }
    }

    /// A reference to the answer with this status, and the answer by its name.
    pub(super) fn response(self, status: u16) -> (Ref, String, Response) {
        let name = self.component(status);
        let content = match self.schema() {
            Some(schema) => schema.reference(),
            None => text(),
        };
        let media_type = match self {
            Self::Json | Self::OAuth => "application/json",
            Self::Text => "text/plain",
        };
        let mut response = ResponseBuilder::new()
            .description(description(status))
            .content(
                media_type,
                ContentBuilder::new().schema(Some(content)).build(),
            )
            .header("X-Request-Id", request_id());
        if status == 401 {
            response = response.header(
                "WWW-Authenticate",
                header(text(), "Basic and Bearer, a header each."),
            );
        }
        if status == 429 || status == 503 {
            let seconds = ObjectBuilder::new()
                .schema_type(SchemaType::Type(Type::Integer))
                .minimum(Some(1));
            response = response.header(
                "Retry-After",
                header(seconds.into(), "Seconds until the next try, if known."),
            );
        }
        (Ref::from_response_name(&name), name, response.build())
    }
}

/// The header that every answer has.
pub(super) fn request_id() -> Header {
    header(
        text(),
        "The id of the request: the one that was sent with it, or a new one. It is also in the server's log.",
    )
}

fn header(schema: RefOr<utoipa::openapi::Schema>, description: &str) -> Header {
    HeaderBuilder::new()
        .schema(Some(schema))
        .description(Some(description))
        .build()
}

fn description(status: u16) -> &'static str {
    match status {
        400 => "The request is invalid.",
        401 => "There are no credentials, or invalid, expired or revoked ones.",
        403 => "The caller is known and may not do this.",
        404 => "It does not exist, or the caller may not know that it does.",
        408 => "The body arrived too slowly.",
        409 => "It exists already, or the state does not allow this now.",
        413 => "The body is larger than the limit.",
        416 => "The range is beyond the end.",
        422 => {
            "The content does not match its description, or refers to something that does not exist."
        }
        429 => "There are too many requests, invalid credentials, or things of this kind.",
        500 => "The server failed; its log has more under the request id.",
        503 => "The server cannot serve now, such as when its disk is full: try again.",
        _ => "It is refused.",
    }
}
