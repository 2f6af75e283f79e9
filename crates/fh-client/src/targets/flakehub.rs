//! FlakeHub: its API knows which cache a project has, and its cache speaks attic's protocol.

use fh_api::FlakeName;
use serde::Deserialize;
use uuid::Uuid;

use super::CacheName;
use crate::client::Client;
use crate::error::{Error, Result};
use crate::http::Request;
use crate::retry::RetryListener;

/// The answer of `/project/{org}/{project}`; it may hold more.
#[derive(Debug, Deserialize)]
struct Project {
    organization_uuid_v7: Uuid,
    project_uuid_v7: Uuid,
}

/// The name of the cache that a project has. `client` is one of the API.
///
/// # Errors
///
/// Those of a request, [`Error::InvalidAnswer`], and [`Error::NoSuchProject`] where FlakeHub knows
/// none of this name or does not show it to this token.
pub async fn cache_of(
    client: &Client,
    flake: &FlakeName,
    listener: &RetryListener<'_>,
) -> Result<CacheName> {
    let request = Request::get(format!("/project/{flake}"));
    let answer = match client.transport.send_telling(&request, listener).await {
        Err(error) if error.status() == Some(404) => {
            return Err(Error::NoSuchProject {
                flake: flake.to_string(),
            });
        }
        result => result?,
    };
    let project: Project = answer.json()?;
    Ok(CacheName::of_project(
        project.organization_uuid_v7,
        project.project_uuid_v7,
    ))
}
