//! A server that plays a part, and notes what it hears.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use data_encoding::BASE64URL_NOPAD;
use http::{HeaderMap, Method, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::json;

/// The audience of the fh server that is played.
pub(crate) const AUDIENCE: &str = "urn:fh:0192f0c1-0000-7000-8000-000000000001";

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Heard {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Heard {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// The token of `Authorization: Bearer`.
    pub(crate) fn bearer(&self) -> &str {
        self.header("authorization")
            .strip_prefix("Bearer ")
            .unwrap_or_default()
    }

    /// A field of a form.
    pub(crate) fn field(&self, name: &str) -> String {
        url::form_urlencoded::parse(self.body.as_bytes())
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
            .unwrap_or_default()
    }
}

/// A server on this machine.
pub(crate) struct Stage {
    address: SocketAddr,
    heard: Arc<Mutex<Vec<Heard>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Stage {
    /// A server that answers so; it is told how many requests to the same path came before.
    pub(crate) async fn start(
        answer: impl Fn(&Heard, usize) -> Response + Send + Sync + 'static,
    ) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let heard: Arc<Mutex<Vec<Heard>>> = Arc::default();
        let log = heard.clone();
        let answer = Arc::new(answer);
        let router = Router::new().fallback(move |request: Request| {
            let (log, answer) = (log.clone(), answer.clone());
            async move {
                let (head, body) = request.into_parts();
                let body = body.collect().await.unwrap().to_bytes();
                let heard = Heard {
                    method: head.method,
                    path: head.uri.path().to_owned(),
                    query: head.uri.query().unwrap_or_default().to_owned(),
                    headers: head.headers,
                    body: String::from_utf8(body.to_vec()).unwrap(),
                };
                let before = {
                    let mut log = log.lock().unwrap();
                    let before = log.iter().filter(|other| other.path == heard.path).count();
                    log.push(heard.clone());
                    before
                };
                answer(&heard, before)
            }
        });
        let task = tokio::spawn(async move {
            axum::serve(listener, router).await.unwrap();
        });
        Self {
            address,
            heard,
            task,
        }
    }

    /// A platform that gives whoever asks a new JWT that lives so long, as GitHub does.
    pub(crate) async fn github(life: Duration) -> Self {
        Self::start(move |_, number| {
            json_answer(200, &json!({ "value": jwt(&number.to_string(), life) }))
        })
        .await
    }

    /// An fh server that tells everybody who is accepted who they are.
    pub(crate) async fn fh(accepts: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        Self::start(move |heard, number| fh(heard, number, &accepts)).await
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().clone()
    }

    /// The requests to one path.
    pub(crate) fn at(&self, path: &str) -> Vec<Heard> {
        let mut heard = self.heard();
        heard.retain(|heard| heard.path == path);
        heard
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// How an fh server answers.
pub(crate) fn fh(heard: &Heard, number: usize, accepts: &dyn Fn(&str) -> bool) -> Response {
    match heard.path.as_str() {
        "/.well-known/fh" => json_answer(200, &discovery(AUDIENCE)),
        "/oauth/nonce" => json_answer(
            200,
            &json!({ "nonce": format!("nonce-{number}"), "expires_in": 300 }),
        ),
        "/oauth/token" => json_answer(
            200,
            &json!({
                "access_token": format!("fh1_{}", jwt(&format!("exchanged-{number}"), HOUR)),
                "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
                "token_type": "Bearer", "expires_in": 3600, "scope": "pull push",
            }),
        ),
        "/api/v1/whoami" if accepts(heard.bearer()) => json_answer(
            200,
            &json!({
                "user": "ci", "kind": "service", "server_admin": false,
                "token_id": "00000000-0000-0000-0000-000000000001", "token_description": null,
                "permissions": ["push"], "flakes": ["*"], "expires_at": "2030-01-01T00:00:00Z",
            }),
        ),
        "/api/v1/whoami" => json_answer(
            401,
            &json!({ "code": 401, "error": "unauthorized", "message": "the token expired" }),
        ),
        _ => json_answer(404, &json!({})),
    }
}

pub(crate) const HOUR: Duration = Duration::from_secs(3600);

pub(crate) fn discovery(audience: &str) -> serde_json::Value {
    json!({
        "name": "fh", "version": "1", "audience": audience, "api_url": "http://127.0.0.1",
        "web_url": "http://127.0.0.1", "cache_url": "http://127.0.0.1", "store_dir": "/nix/store",
        "public_keys": [], "login": ["token"], "now": "2026-11-22T12:00:00Z",
    })
}

pub(crate) fn json_answer(status: u16, value: &serde_json::Value) -> Response {
    (
        StatusCode::from_u16(status).unwrap(),
        [("content-type", "application/json")],
        value.to_string(),
    )
        .into_response()
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

/// A JWT of a subject that ends so long from now.
pub(crate) fn jwt(subject: &str, life: Duration) -> String {
    let encode = |value: serde_json::Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    format!(
        "{}.{}.c2lnbmF0dXJl",
        encode(json!({ "alg": "RS256", "typ": "JWT" })),
        encode(json!({ "sub": subject, "iat": now(), "exp": now() + life.as_secs() }))
    )
}

/// The subject of a JWT that is not over; none for what is none.
pub(crate) fn subject(token: &str) -> Option<String> {
    let token = token.strip_prefix("fh1_").unwrap_or(token);
    let payload = BASE64URL_NOPAD
        .decode(token.split('.').nth(1)?.as_bytes())
        .ok()?;
    let payload: serde_json::Value = serde_json::from_slice(&payload).ok()?;
    let good = payload["exp"].as_u64()? > now();
    good.then(|| payload["sub"].as_str().unwrap_or_default().to_owned())
}
