//! One method per route of the API.
//!
//! Every method's errors are those of a request: [`Error::Unreachable`], [`Error::Unauthorized`],
//! [`Error::Api`] with the server's sentence, [`Error::Status`] where something else answered,
//! [`Error::Redirected`] and [`Error::InvalidAnswer`].

use bytes::Bytes;
use fh_api::{
    API_PREFIX, AuditList, BatchAnswer, CommitSummary, CreateFlake, CreateGrant,
    CreateOrganization, CreateToken, CreateUser, Discovery, FlakeInfo, FlakeList, FlakeName,
    GrantInfo, GrantList, KeyList, MintedToken, NAR_BATCH_MEDIA_TYPE, Name, OrganizationInfo,
    OrganizationList, PartAnswer, PathList, PushPlan, PushRequest, Role, RotateToken, TokenInfo,
    TokenList, UpdateFlake, UserInfo, UserList, Whoami,
};
use fh_nix::NarHash;
use http::Method;
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::audit::AuditFilter;
use crate::client::Client;
use crate::error::{Error, Result};
use crate::http::{Answer, Content, Request, UploadBody};
use crate::retry::{Repeat, RetryListener};
use crate::text::safe_line;

/// The media type of one part of a NAR.
const PART_MEDIA_TYPE: &str = "application/zstd";

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
        let discovery: Discovery = serde_json::from_slice(&answer.body).map_err(|_| {
            not_fh("/.well-known/fh does not hold what an fh server says".to_owned())
        })?;
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

/// Organisations, flakes, grants and users.
#[expect(clippy::missing_errors_doc, reason = "the module says it for all")]
impl Client {
    /// The organisations that the caller may see.
    pub async fn organizations(&self) -> Result<OrganizationList> {
        self.get("/orgs").await
    }

    /// Makes an organisation.
    pub async fn create_organization(&self, new: &CreateOrganization) -> Result<OrganizationInfo> {
        self.create("/orgs", new).await
    }

    /// The caller's view: the flakes that they may read.
    pub async fn flakes(&self) -> Result<FlakeList> {
        self.get("/flakes").await
    }

    /// The caller's view, of one organisation only, or of so many flakes at most.
    pub async fn flakes_of(&self, org: Option<&Name>, limit: Option<usize>) -> Result<FlakeList> {
        let org = org.map(|org| format!("org={org}"));
        let limit = limit.map(|limit| format!("limit={limit}"));
        let query: Vec<String> = org.into_iter().chain(limit).collect();
        if query.is_empty() {
            return self.flakes().await;
        }
        self.get(&format!("/flakes?{}", query.join("&"))).await
    }

    /// Makes a flake.
    pub async fn create_flake(&self, new: &CreateFlake) -> Result<FlakeInfo> {
        self.create("/flakes", new).await
    }

    /// One flake.
    pub async fn flake(&self, flake: &FlakeName) -> Result<FlakeInfo> {
        self.get(&flake_path(flake)).await
    }

    /// The newest paths of a flake.
    pub async fn flake_paths(&self, flake: &FlakeName, limit: usize) -> Result<PathList> {
        self.get(&format!("{}/paths?limit={limit}", flake_path(flake)))
            .await
    }

    /// Changes a flake's visibility or description.
    pub async fn update_flake(&self, flake: &FlakeName, change: &UpdateFlake) -> Result<FlakeInfo> {
        let content = json(change)?;
        self.call(Method::PATCH, &flake_path(flake), content, Repeat::Safe)
            .await
    }

    /// Deletes a flake with its slice.
    pub async fn delete_flake(&self, flake: &FlakeName) -> Result<()> {
        self.delete(&flake_path(flake)).await
    }

    /// The grants on a flake.
    pub async fn grants(&self, flake: &FlakeName) -> Result<GrantList> {
        self.get(&format!("{}/grants", flake_path(flake))).await
    }

    /// Gives a user this role on a flake, whatever it was before.
    pub async fn set_grant(&self, flake: &FlakeName, user: &Name, role: Role) -> Result<GrantInfo> {
        let content = json(&CreateGrant { role })?;
        let path = format!("{}/grants/{user}", flake_path(flake));
        self.call(Method::PUT, &path, content, Repeat::Safe).await
    }

    /// Takes a user's grant on a flake away.
    pub async fn remove_grant(&self, flake: &FlakeName, user: &Name) -> Result<()> {
        self.delete(&format!("{}/grants/{user}", flake_path(flake)))
            .await
    }

    /// All accounts; for server administrators.
    pub async fn users(&self) -> Result<UserList> {
        self.get("/users").await
    }

    /// Makes an account; for server administrators.
    pub async fn create_user(&self, new: &CreateUser) -> Result<UserInfo> {
        self.create("/users", new).await
    }
}

/// The audit log and the signing keys.
#[expect(clippy::missing_errors_doc, reason = "the module says it for all")]
impl Client {
    /// What was done and what was refused; for administrators.
    pub async fn audit(&self, filter: &AuditFilter) -> Result<AuditList> {
        self.get(&format!("/audit?{}", filter.query())).await
    }

    /// The keys that sign path infos; needs no token.
    pub async fn keys(&self) -> Result<KeyList> {
        self.get("/keys").await
    }

    /// Lets the standby key sign from now on; for server administrators.
    pub async fn rotate_keys(&self) -> Result<KeyList> {
        // Twice would be one rotation too many.
        self.call(
            Method::POST,
            "/keys/rotate",
            Content::Empty,
            Repeat::IfUnsent,
        )
        .await
    }
}

/// Tokens.
#[expect(clippy::missing_errors_doc, reason = "the module says it for all")]
impl Client {
    /// The caller's tokens; with `all`, those of everybody (for server administrators).
    pub async fn tokens(&self, all: bool) -> Result<TokenList> {
        self.get(if all { "/tokens?all=true" } else { "/tokens" })
            .await
    }

    /// Mints a token: the only time that it is shown.
    pub async fn create_token(&self, new: &CreateToken) -> Result<MintedToken> {
        self.create("/tokens", new).await
    }

    /// Mints a token like that one, which ends.
    pub async fn rotate_token(&self, id: Uuid, rotate: &RotateToken) -> Result<MintedToken> {
        self.create(&format!("/tokens/{id}/rotate"), rotate).await
    }

    /// What the server keeps of a token.
    pub async fn token(&self, id: Uuid) -> Result<TokenInfo> {
        self.get(&format!("/tokens/{id}")).await
    }

    /// Revokes a token.
    pub async fn revoke_token(&self, id: Uuid) -> Result<()> {
        self.delete(&format!("/tokens/{id}")).await
    }
}

/// The push protocol; [`crate::push()`] is what drives it.
#[expect(clippy::missing_errors_doc, reason = "the module says it for all")]
impl Client {
    /// Asks what a push would have to send, and begins it where something is to be sent.
    pub async fn plan_push(
        &self,
        flake: &FlakeName,
        push: &PushRequest,
        listener: &RetryListener<'_>,
    ) -> Result<PushPlan> {
        let path = format!("{API_PREFIX}{}/pushes", flake_path(flake));
        let request = request(Method::POST, path, json(push)?);
        parse(&self.transport.send_telling(&request, listener).await?)
    }

    /// Sends a batch of NARs; sending it twice does no harm.
    pub async fn upload_batch(
        &self,
        flake: &FlakeName,
        push: Uuid,
        batch: UploadBody,
        listener: &RetryListener<'_>,
    ) -> Result<BatchAnswer> {
        let path = format!("{API_PREFIX}{}/pushes/{push}/nars", flake_path(flake));
        let content = Content::Upload(NAR_BATCH_MEDIA_TYPE, batch);
        let request = request(Method::POST, path, content);
        parse(&self.transport.send_telling(&request, listener).await?)
    }

    /// Sends one part of a large NAR; sending it twice does no harm.
    pub async fn upload_part(
        &self,
        flake: &FlakeName,
        push: Uuid,
        nar: NarHash,
        number: u64,
        part: UploadBody,
        listener: &RetryListener<'_>,
    ) -> Result<PartAnswer> {
        let path = format!(
            "{API_PREFIX}{}/pushes/{push}/nars/{}/parts/{number}",
            flake_path(flake),
            nar.to_base32()
        );
        let request = request(Method::PUT, path, Content::Upload(PART_MEDIA_TYPE, part));
        parse(&self.transport.send_telling(&request, listener).await?)
    }

    /// Makes the whole push visible, or nothing of it.
    pub async fn commit_push(
        &self,
        flake: &FlakeName,
        push: Uuid,
        listener: &RetryListener<'_>,
    ) -> Result<CommitSummary> {
        let path = format!("{API_PREFIX}{}/pushes/{push}/commit", flake_path(flake));
        let request = request(Method::POST, path, Content::Empty);
        parse(&self.transport.send_telling(&request, listener).await?)
    }

    /// Tells the server to forget a push.
    pub async fn abandon_push(&self, flake: &FlakeName, push: Uuid) -> Result<()> {
        self.delete(&format!("{}/pushes/{push}", flake_path(flake)))
            .await
    }
}

impl Client {
    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        self.call(Method::GET, path, Content::Empty, Repeat::Safe)
            .await
    }

    /// A creation is not repeated when its answer was lost: the second would be told 409.
    async fn create<T: DeserializeOwned>(&self, path: &str, new: &impl Serialize) -> Result<T> {
        self.call(Method::POST, path, json(new)?, Repeat::IfUnsent)
            .await
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
        repeat: Repeat,
    ) -> Result<T> {
        let request = Request {
            method,
            path: format!("{API_PREFIX}{path}"),
            content,
            repeat,
        };
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
