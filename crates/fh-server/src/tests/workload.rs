//! Workloads against the whole server, with an issuer on loopback that the operator's option names.

mod access;
mod acting;
mod aws;
mod exchange;
pub(crate) mod issuer;
mod keys;
mod policies;
mod roots;

use serde_json::{Value, json};
use tempfile::TempDir;

use self::issuer::Issuer;
use crate::testing::{Answer, TestServer};

/// A server with the organisation acme and the private flake acme/app, both Ann's, that trusts an issuer.
struct World {
    server: TestServer,
    issuer: Issuer,
    ann: String,
}

impl World {
    async fn new() -> Self {
        Self::with_sts(&[]).await
    }

    /// With further endpoints of AWS's Security Token Service.
    async fn with_sts(endpoints: &[String]) -> Self {
        let issuer = Issuer::start().await;
        let allowed = issuer.url.clone();
        let server = TestServer::start_with(TempDir::new().unwrap(), |settings| {
            settings.workloads.issuers.push(allowed);
            settings.workloads.sts_endpoints = endpoints.to_vec();
        })
        .await;
        let ann = server.user("ann").await;
        server.organization("acme", &ann).await;
        server.flake("acme/app", "private", &ann).await;
        server.flake("acme/lib", "private", &ann).await;
        Self {
            server,
            issuer,
            ann,
        }
    }

    /// A policy for the subject `builder`, changed by what is given.
    fn policy(&self, change: Value) -> Value {
        let mut policy = json!({
            "provider": "oidc", "issuer": self.issuer.url, "role": "write",
            "conditions": [{ "claim": "sub", "equals": "builder" }], "flakes": ["acme/app"],
        });
        extend(&mut policy, change);
        policy
    }

    async fn put(&self, name: &str, policy: Value) -> Answer {
        let path = format!("/api/v1/orgs/acme/trust/{name}");
        self.server.put(&path, &self.ann, policy).await
    }

    /// Makes a policy like [`World::policy`].
    async fn trust(&self, name: &str, change: Value) -> Value {
        let policy = self.policy(change);
        self.put(name, policy).await.expect(200).json()
    }

    /// Claims of the subject `builder`, changed by what is given.
    fn claims(&self, change: Value) -> Value {
        let now = time::OffsetDateTime::now_utc().unix_timestamp();
        let mut claims = json!({
            "iss": self.issuer.url, "aud": self.server.state.keys().audience(), "sub": "builder",
            "iat": now, "exp": now + 300,
        });
        extend(&mut claims, change);
        claims
    }

    /// An identity with such claims.
    fn identity(&self, change: Value) -> String {
        self.issuer.sign(&self.claims(change))
    }

    /// Asks for an exchange, with these further fields.
    async fn exchange(&self, identity: &str, fields: &[(&str, &str)]) -> Answer {
        self.exchange_of(fh_api::oauth::JWT_TOKEN_TYPE, identity, fields)
            .await
    }

    async fn exchange_of(&self, kind: &str, identity: &str, fields: &[(&str, &str)]) -> Answer {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", fh_api::oauth::TOKEN_EXCHANGE)
            .append_pair("subject_token", identity)
            .append_pair("subject_token_type", kind)
            .extend_pairs(fields);
        let request = http::Request::post("/oauth/token")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(axum::body::Body::from(form.finish()));
        self.server.send(request.unwrap()).await
    }

    async fn whoami(&self, token: &str) -> Answer {
        self.server.get("/api/v1/whoami", token).await
    }

    /// Asks for a flake.
    async fn reads(&self, flake: &str, token: &str) -> u16 {
        let path = format!("/api/v1/flakes/{flake}");
        self.server.get(&path, token).await.status.as_u16()
    }

    /// Asks to push nothing.
    async fn pushes(&self, flake: &str, token: &str) -> u16 {
        let path = format!("/api/v1/flakes/{flake}/pushes");
        let body = json!({ "paths": [] });
        self.server.post(&path, token, body).await.status.as_u16()
    }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "a `json!` is written in place"
)]
fn extend(value: &mut Value, change: Value) {
    let fields = value.as_object_mut().unwrap();
    for (name, new) in change.as_object().unwrap() {
        if new.is_null() {
            fields.remove(name);
        } else {
            fields.insert(name.clone(), new.clone());
        }
    }
}
