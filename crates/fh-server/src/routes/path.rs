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

/// Types of the names in an address, as text. Of each field: what the document says of it, and the type of its shape.
macro_rules! names {
    ($($(#[$doc:meta])* $path:ident { $($field:ident: $shape:ident, $what:literal;)+ })+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Deserialize, IntoParams)]
        pub(crate) struct $path {
            $(
                #[doc = $what]
                #[param(value_type = $shape)]
                pub(crate) $field: String,
            )+
        }

        extracted_from_path!($path);
    )+};
}

names! {
    /// `{org}/{project}` in an address, decoded and otherwise as it came.
    FlakePath { org: Name, "The organisation."; project: Name, "The project."; }

    /// `{org}/{project}/grants/{subject}` in an address.
    FlakeGrantPath {
        org: Name, "The organisation.";
        project: Name, "The project.";
        subject: Subject, "Whom the grant is given to.";
    }

    /// `{org}` in an address.
    OrganizationPath { org: Name, "The organisation."; }

    /// `{org}/grants/{subject}` in an address.
    OrganizationGrantPath { org: Name, "The organisation."; subject: Subject, "Whom the grant is given to."; }

    /// `{org}/…/{user}` in an address.
    MemberPath { org: Name, "The organisation."; user: Name, "The account."; }

    /// `{org}/teams/{team}` in an address.
    TeamPath { org: Name, "The organisation."; team: Name, "The team."; }

    /// `{org}/teams/{team}/members/{user}` in an address.
    TeamMemberPath { org: Name, "The organisation."; team: Name, "The team."; user: Name, "The account."; }

    /// `{user}` in an address.
    UserPath { user: Name, "The account."; }

    /// `{org}/trust/{policy}` in an address.
    TrustPath { org: Name, "The organisation."; policy: Name, "The trust policy."; }

    /// `{kind}/{name}` in an address.
    ReservedNamePath { kind: NameKind, "What was called so."; name: Name, "The name."; }
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

extracted_from_path!(IdPath, PartPath, PushPath);

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
