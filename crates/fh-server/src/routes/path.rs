//! What stands in an address: names, ids and queries.
//!
//! Text that is no name is the name of nothing: it is answered like one that does not exist, so that
//! the shape of a name tells nothing either.

use axum::extract::{FromRequestParts, Path};
use http::request::Parts;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::error::ApiError;
use crate::state::AppState;

/// `{org}/{project}` in an address, decoded and otherwise as it came.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct FlakePath {
    /// The organisation.
    pub(crate) org: String,
    /// The project.
    pub(crate) project: String,
}

/// `{org}/{project}/…/{user}` in an address.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct GrantPath {
    /// The organisation.
    pub(crate) org: String,
    /// The project.
    pub(crate) project: String,
    /// The account.
    pub(crate) user: String,
}

/// `{id}` in an address.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(crate) struct IdPath {
    /// The public id.
    pub(crate) id: Uuid,
}

/// `{org}/{project}/pushes/{id}` in an address.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct PushPath {
    /// The organisation.
    pub(crate) org: String,
    /// The project.
    pub(crate) project: String,
    /// The push.
    pub(crate) id: Uuid,
}

/// `{org}/{project}/pushes/{id}/nars/{nar_hash}/parts/{number}` in an address.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct PartPath {
    /// The organisation.
    pub(crate) org: String,
    /// The project.
    pub(crate) project: String,
    /// The push.
    pub(crate) id: Uuid,
    /// The NAR's hash, 52 characters.
    pub(crate) nar_hash: String,
    /// Which part, from 0.
    pub(crate) number: u64,
}

async fn from_path<T>(parts: &mut Parts, state: &AppState) -> Result<T, ApiError>
where
    T: DeserializeOwned + Send,
{
    match Path::<T>::from_request_parts(parts, state).await {
        Ok(Path(path)) => Ok(path),
        Err(_) => Err(ApiError::NotFound),
    }
}

macro_rules! extracted_from_path {
    ($($name:ident),+) => {$(
        impl FromRequestParts<AppState> for $name {
            type Rejection = ApiError;

            async fn from_request_parts(
                parts: &mut Parts,
                state: &AppState,
            ) -> Result<Self, ApiError> {
                from_path(parts, state).await
            }
        }
    )+};
}

extracted_from_path!(FlakePath, GrantPath, IdPath, PartPath, PushPath);

/// The query of an address.
#[derive(Debug, Clone)]
pub(crate) struct Query<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequestParts<AppState> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        match axum::extract::Query::<T>::from_request_parts(parts, state).await {
            Ok(axum::extract::Query(query)) => Ok(Self(query)),
            Err(error) => Err(ApiError::BadRequest(error.body_text())),
        }
    }
}
