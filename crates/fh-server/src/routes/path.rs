//! What stands in an address: names, ids and queries.
//!
//! Text that is no name is the name of nothing: it is answered like one that does not exist, so that
//! the shape of a name tells nothing either. The document says what shape a name has: what each type here says
//! of its fields stands in it.

use axum::extract::{FromRequestParts, Path};
use fh_access::ApiError;
use fh_api::{Name, NameKind, Subject};
use http::request::Parts;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use utoipa::IntoParams;
use uuid::Uuid;

use super::table::{Argument, Taken};
use crate::answer::{Answer, Failed};
use crate::state::AppState;

/// `{org}/{project}` in an address, decoded and otherwise as it came.
#[derive(Debug, Clone, Deserialize, IntoParams)]
pub(crate) struct FlakePath {
    /// The organisation.
    #[param(value_type = Name)]
    pub(crate) org: String,
    /// The project.
    #[param(value_type = Name)]
    pub(crate) project: String,
}

/// `{org}/{project}/grants/{subject}` in an address.
#[derive(Debug, Clone, Deserialize, IntoParams)]
pub(crate) struct FlakeGrantPath {
    /// The organisation.
    #[param(value_type = Name)]
    pub(crate) org: String,
    /// The project.
    #[param(value_type = Name)]
    pub(crate) project: String,
    /// Whom the grant is given to.
    #[param(value_type = Subject)]
    pub(crate) subject: String,
}

/// `{org}` in an address.
#[derive(Debug, Clone, Deserialize, IntoParams)]
pub(crate) struct OrganizationPath {
    /// The organisation.
    #[param(value_type = Name)]
    pub(crate) org: String,
}

/// `{org}/grants/{subject}` in an address.
#[derive(Debug, Clone, Deserialize, IntoParams)]
pub(crate) struct OrganizationGrantPath {
    /// The organisation.
    #[param(value_type = Name)]
    pub(crate) org: String,
    /// Whom the grant is given to.
    #[param(value_type = Subject)]
    pub(crate) subject: String,
}

/// `{org}/…/{user}` in an address.
#[derive(Debug, Clone, Deserialize, IntoParams)]
pub(crate) struct MemberPath {
    /// The organisation.
    #[param(value_type = Name)]
    pub(crate) org: String,
    /// The account.
    #[param(value_type = Name)]
    pub(crate) user: String,
}

/// `{org}/teams/{team}` in an address.
#[derive(Debug, Clone, Deserialize, IntoParams)]
pub(crate) struct TeamPath {
    /// The organisation.
    #[param(value_type = Name)]
    pub(crate) org: String,
    /// The team.
    #[param(value_type = Name)]
    pub(crate) team: String,
}

/// `{org}/teams/{team}/members/{user}` in an address.
#[derive(Debug, Clone, Deserialize, IntoParams)]
pub(crate) struct TeamMemberPath {
    /// The organisation.
    #[param(value_type = Name)]
    pub(crate) org: String,
    /// The team.
    #[param(value_type = Name)]
    pub(crate) team: String,
    /// The account.
    #[param(value_type = Name)]
    pub(crate) user: String,
}

/// `{user}` in an address.
#[derive(Debug, Clone, Deserialize, IntoParams)]
pub(crate) struct UserPath {
    /// The account.
    #[param(value_type = Name)]
    pub(crate) user: String,
}

/// `{org}/trust/{policy}` in an address.
#[derive(Debug, Clone, Deserialize, IntoParams)]
pub(crate) struct TrustPath {
    /// The organisation.
    #[param(value_type = Name)]
    pub(crate) org: String,
    /// The trust policy.
    #[param(value_type = Name)]
    pub(crate) policy: String,
}

/// `{kind}/{name}` in an address.
#[derive(Debug, Clone, Deserialize, IntoParams)]
pub(crate) struct ReservedNamePath {
    /// What was called so.
    #[param(value_type = NameKind)]
    pub(crate) kind: String,
    /// The name.
    #[param(value_type = Name)]
    pub(crate) name: String,
}

/// `{id}` in an address.
#[derive(Debug, Clone, Copy, Deserialize, IntoParams)]
pub(crate) struct IdPath {
    /// The public id.
    pub(crate) id: Uuid,
}

/// `{org}/{project}/pushes/{id}` in an address.
#[derive(Debug, Clone, Deserialize, IntoParams)]
pub(crate) struct PushPath {
    /// The organisation.
    #[param(value_type = Name)]
    pub(crate) org: String,
    /// The project.
    #[param(value_type = Name)]
    pub(crate) project: String,
    /// The push.
    pub(crate) id: Uuid,
}

/// `{org}/{project}/pushes/{id}/nars/{nar_hash}/parts/{number}` in an address.
#[derive(Debug, Clone, Deserialize, IntoParams)]
pub(crate) struct PartPath {
    /// The organisation.
    #[param(value_type = Name)]
    pub(crate) org: String,
    /// The project.
    #[param(value_type = Name)]
    pub(crate) project: String,
    /// The push.
    pub(crate) id: Uuid,
    /// The NAR's hash, 52 characters.
    #[param(pattern = "^[0-9abcdfghijklmnpqrsvwxyz]{52}$")]
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
            type Rejection = Failed;

            async fn from_request_parts(
                parts: &mut Parts,
                state: &AppState,
            ) -> Answer<Self> {
                Ok(from_path(parts, state).await?)
            }
        }

        impl Argument for $name {
            fn taken() -> Taken {
                Taken::names::<Self>()
            }
        }
    )+};
}

extracted_from_path!(
    FlakeGrantPath,
    FlakePath,
    IdPath,
    MemberPath,
    OrganizationGrantPath,
    OrganizationPath,
    PartPath,
    PushPath,
    ReservedNamePath,
    TeamMemberPath,
    TeamPath,
    TrustPath,
    UserPath
);

/// The query of an address.
#[derive(Debug, Clone)]
pub(crate) struct Query<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequestParts<AppState> for Query<T> {
    type Rejection = Failed;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Answer<Self> {
        match axum::extract::Query::<T>::from_request_parts(parts, state).await {
            Ok(axum::extract::Query(query)) => Ok(Self(query)),
            Err(error) => Err(ApiError::BadRequest(error.body_text()).into()),
        }
    }
}

impl<T: IntoParams> Argument for Query<T> {
    fn taken() -> Taken {
        Taken::query::<T>()
    }
}
