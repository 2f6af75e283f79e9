//! A server without sockets, for the tests of this crate: requests go straight into the router. An answer that
//! the OpenAPI document does not know fails the test that gets it.

mod documented;

use axum::Router;
use axum::body::{Body, Bytes};
use fh_api::{FollowList, MintedToken, Name, TokenInfo};
use fh_persistence::database::Decided;
use fh_persistence::database::tokens::Token;
use fh_persistence::database::{Timestamp, accounts, invitations, organizations, tokens};
use fh_persistence::tenure::Tenure;
use fh_settings::{OrganizationCreation, Settings};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt as _;
use uuid::Uuid;

pub(crate) use self::documented::template;
use crate::bootstrap;
use crate::peer::Proxies;
use crate::state::AppState;
use crate::{routes, server, telemetry};

/// Makes a named pipe, which nobody writes to.
pub(crate) fn make_pipe(path: &std::path::Path) {
    let made = std::process::Command::new("mkfifo").arg(path).status();
    assert!(made.unwrap().success(), "{}", path.display());
}

/// Every value of a table, one per line.
pub(crate) fn dump(
    read: &fh_sql::Read,
    table: &str,
) -> Result<String, fh_persistence::database::DatabaseError> {
    let mut found = String::new();
    read.each(&format!("SELECT * FROM {table}"), &[], |row| {
        for column in 0..row.columns().len() {
            let value = row.value(column)?;
            match value.as_str() {
                Some(text) => found.push_str(text),
                None => found.push_str(&format!("{value:?}")),
            }
            found.push('\n');
        }
        Ok::<_, fh_persistence::database::DatabaseError>(std::ops::ControlFlow::Continue(()))
    })?;
    Ok(found)
}

/// A server on a data directory of its own.
pub(crate) struct TestServer {
    pub(crate) state: AppState,
    router: Router,
    /// The administrator's token.
    pub(crate) admin: String,
    pub(crate) directory: TempDir,
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    /// The body as a type of the API.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> T {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {} {:?}", self.status, self.body))
    }

    /// The sentence of an error.
    pub(crate) fn message(&self) -> String {
        self.json::<fh_api::ErrorBody>().message
    }

    /// Everything that a client can compare, but for the request's id.
    pub(crate) fn fingerprint(&self) -> String {
        let mut headers = self.headers.clone();
        headers.remove("x-request-id");
        headers.remove("date");
        format!("{} {headers:?} {:?}", self.status, self.body)
    }

    /// Panics unless the status is this one.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{:?}", self.body);
        self
    }
}

/// The settings of a test server.
pub(crate) fn settings(directory: &TempDir) -> Settings {
    let mut settings = fh_settings::ephemeral(&directory.path().join("data")).unwrap();
    settings.public_url = Some("https://cache.example.org".parse().unwrap());
    // Most tests are about people who have organisations of their own.
    settings.organization_creation = OrganizationCreation::Anyone;
    settings
}

/// Opens a state as the server does.
pub(crate) async fn open(directory: &TempDir) -> Result<AppState, crate::ServerError> {
    let settings = settings(directory);
    let tenure = Tenure::begin(&settings.data_dir).await?;
    let url = settings.public_url.clone().unwrap();
    server::open(settings, &url, tenure).await
}

impl TestServer {
    pub(crate) async fn start() -> Self {
        Self::start_in(TempDir::new().unwrap()).await
    }

    /// On the data that is in the directory.
    pub(crate) async fn start_in(directory: TempDir) -> Self {
        Self::start_with(directory, |_| {}).await
    }

    /// As [`TestServer::start_in`], with other settings.
    pub(crate) async fn start_with(directory: TempDir, adjust: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = settings(&directory);
        adjust(&mut settings);
        let tenure = Tenure::begin(&settings.data_dir).await.unwrap();
        let url = settings.public_url.clone().unwrap();
        let state = server::open(settings, &url, tenure).await.unwrap();
        let router = telemetry::observed(
            routes::router(state.clone()),
            state.metrics().clone(),
            Proxies::of(state.settings()),
        );
        let path = state.settings().data_dir.join("admin.token");
        let admin = std::fs::read_to_string(path).unwrap().trim().to_owned();
        Self {
            state,
            router,
            admin,
            directory,
        }
    }

    /// Stops, and leaves the data.
    pub(crate) fn stop(self) -> TempDir {
        self.directory
    }

    /// Sends any request.
    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let answer = Answer {
            status: parts.status,
            headers: parts.headers,
            body: body.collect().await.unwrap().to_bytes(),
        };
        documented::require(&method, &path, &answer);
        answer
    }

    /// Sends JSON, with a token (none where it is empty).
    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        token: &str,
        body: Option<Value>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if !token.is_empty() {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let request = match body {
            Some(body) => request
                .header("content-type", "application/json")
                .body(Body::from(body.to_string())),
            None => request.body(Body::empty()),
        };
        self.send(request.unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str, token: &str) -> Answer {
        self.call(Method::GET, path, token, None).await
    }

    pub(crate) async fn post(&self, path: &str, token: &str, body: Value) -> Answer {
        self.call(Method::POST, path, token, Some(body)).await
    }

    pub(crate) async fn put(&self, path: &str, token: &str, body: Value) -> Answer {
        self.call(Method::PUT, path, token, Some(body)).await
    }

    pub(crate) async fn patch(&self, path: &str, token: &str, body: Value) -> Answer {
        self.call(Method::PATCH, path, token, Some(body)).await
    }

    pub(crate) async fn delete(&self, path: &str, token: &str) -> Answer {
        self.call(Method::DELETE, path, token, None).await
    }

    /// Makes a user and a token of theirs with every permission on every flake.
    pub(crate) async fn user(&self, name: &str) -> String {
        let body = json!({ "name": name });
        self.post("/api/v1/users", &self.admin, body)
            .await
            .expect(201);
        let all = json!(["pull", "push", "mint", "admin"]);
        let body = json!({ "user": name, "permissions": all });
        self.mint(&self.admin, body).await.token
    }

    /// Mints a token.
    pub(crate) async fn mint(&self, with: &str, body: Value) -> MintedToken {
        self.post("/api/v1/tokens", with, body)
            .await
            .expect(201)
            .json()
    }

    /// Mints a narrower token, and returns the token alone.
    pub(crate) async fn narrow(&self, with: &str, permissions: &[&str], flakes: &[&str]) -> String {
        let body = json!({ "permissions": permissions, "flakes": flakes });
        self.mint(with, body).await.token
    }

    /// Makes an organisation of the token's account.
    pub(crate) async fn organization(&self, name: &str, owner: &str) {
        let body = json!({ "name": name });
        self.post("/api/v1/orgs", owner, body).await.expect(201);
    }

    /// Makes a flake, `org/project`.
    pub(crate) async fn flake(&self, name: &str, visibility: &str, owner: &str) {
        let body = json!({ "flake": name, "visibility": visibility });
        self.post("/api/v1/flakes", owner, body).await.expect(201);
    }

    /// Grants a role on a flake, and lets the account accept it.
    pub(crate) async fn grant(&self, flake: &str, user: &str, role: &str, owner: &str) {
        self.offer(flake, user, role, owner).await;
        let (org, _) = flake.split_once('/').unwrap();
        self.accept(org, user).await;
    }

    /// Grants a role on a flake, which the account may have to accept.
    pub(crate) async fn offer(&self, flake: &str, user: &str, role: &str, owner: &str) {
        let path = format!("/api/v1/flakes/{flake}/grants/{user}");
        self.put(&path, owner, json!({ "role": role }))
            .await
            .expect(200);
    }

    /// Makes an account a member, or changes what it is there, and lets it accept.
    pub(crate) async fn member(&self, org: &str, user: &str, role: &str, owner: &str) {
        let path = format!("/api/v1/orgs/{org}/members/{user}");
        self.put(&path, owner, json!({ "role": role }))
            .await
            .expect(200);
        self.accept(org, user).await;
    }

    /// Sets what a token's account follows.
    pub(crate) async fn follow(&self, token: &str, follows: &[&str]) -> Answer {
        let list: FollowList = self.get("/api/v1/follows", token).await.expect(200).json();
        let body = json!({ "follows": follows, "before": list.follows });
        self.put("/api/v1/follows", token, body).await
    }

    /// Puts public flakes into everybody's view, in place of those that are there.
    pub(crate) async fn show_everybody(&self, follows: &[&str]) {
        let path = "/api/v1/follows?everybody=true";
        let list: FollowList = self.get(path, "").await.expect(200).json();
        let body = json!({ "follows": follows, "before": list.follows, "everybody": true });
        self.put("/api/v1/follows", &self.admin, body)
            .await
            .expect(200);
    }

    /// Lets an account accept what an organisation offers.
    pub(crate) async fn accept(&self, org: &str, user: &str) {
        let (org, user): (Name, Name) = (org.parse().unwrap(), user.parse().unwrap());
        let accepted = self.state.database().change_access(
            fh_persistence::database::Decided::by_server(),
            move |change| {
                let org = organizations::find(change, &org)?.unwrap();
                let account = accounts::find(change, &user)?.unwrap();
                invitations::accept(change, org.id, account.id, account.id)
            },
        );
        accepted.await.unwrap().expect("something was offered");
    }

    /// The internal id of a flake.
    pub(crate) async fn flake_id(&self, name: &str) -> i64 {
        let name: fh_api::FlakeName = name.parse().unwrap();
        let found = self.state.database().read(move |read| {
            let found = read.one(
                "SELECT f.id FROM flake f JOIN organization o ON o.id = f.organization_id \
                 WHERE o.folded = ?1 AND f.folded = ?2",
                fh_sql::params![name.org.folded(), name.project.folded()],
                |row| row.get::<_, i64>(0),
            );
            Ok(found?)
        });
        found.await.unwrap()
    }

    /// What the server keeps of a token.
    pub(crate) async fn inspect(&self, token: &str) -> TokenInfo {
        let id = fh_auth::read_unverified(token).unwrap().jti;
        let path = format!("/api/v1/tokens/{id}");
        self.get(&path, &self.admin).await.expect(200).json()
    }

    /// A token like that one, which ended a minute ago.
    pub(crate) async fn expired(&self, like: &str) -> String {
        let id = fh_auth::read_unverified(like).unwrap().jti;
        let expired = self
            .state
            .database()
            .write(Decided::by_server(), move |tx| {
                let like = tokens::find(tx, id)?.unwrap();
                let account = accounts::get(tx, like.account_id)?.unwrap();
                let ago = |minutes: i64| {
                    Timestamp::from(
                        time::OffsetDateTime::now_utc() - time::Duration::minutes(minutes),
                    )
                };
                let uuid = tokens::insert(
                    tx,
                    &tokens::NewToken {
                        account_id: like.account_id,
                        parent_id: Some(like.id),
                        description: None,
                        scope: &like.scope,
                        path_set_id: like.path_set_id,
                        claims: None,
                        acting: None,
                        created_at: ago(60).whole_seconds(),
                        created_by: None,
                        expires_at: ago(1).whole_seconds(),
                        terms: tokens::RenewalTerms::default(),
                    },
                )?;
                let expired = tokens::find(tx, uuid)?.unwrap();
                Ok::<_, fh_persistence::database::DatabaseError>((expired, account.uuid))
            });
        let (token, account) = expired.await.unwrap();
        self.sign(&token, account)
    }

    /// Signs what a row says.
    pub(crate) fn sign(&self, token: &Token, account: Uuid) -> String {
        let keys = self.state.keys();
        let url = self.state.public_url();
        bootstrap::sign(keys.token(), keys.audience(), url, token, account)
            .unwrap()
            .to_string()
    }

    /// Revokes a token.
    pub(crate) async fn revoke(&self, token: &str) {
        let id = fh_auth::read_unverified(token).unwrap().jti;
        let path = format!("/api/v1/tokens/{id}");
        self.delete(&path, &self.admin).await.expect(200);
    }

    /// How many audit events of an action there are.
    pub(crate) async fn audited(&self, action: &'static str) -> i64 {
        let counted = self.state.database().read(move |read| {
            let sql = "SELECT COUNT(*) FROM audit_event WHERE action = ?1";
            Ok(read.one(sql, fh_sql::params![action], |row| row.get::<_, i64>(0))?)
        });
        counted.await.unwrap()
    }
}
