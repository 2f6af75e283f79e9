//! An OpenID Connect issuer on loopback, which can be down, slow or wrong.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use data_encoding::BASE64URL_NOPAD;
use http::StatusCode;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

/// How it behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mood {
    Fine,
    Down,
    /// Never answers within the server's patience.
    Slow,
    /// Says to be somebody else.
    Impostor,
    /// Sends the server to the cloud's metadata for the keys.
    Misleading,
    Redirecting,
    Endless,
    Garbage,
}

/// A key pair of P-256.
pub(crate) struct Key {
    id: String,
    pair: rcgen::KeyPair,
}

impl Key {
    pub(crate) fn new(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            pair: rcgen::KeyPair::generate().unwrap(),
        }
    }

    pub(crate) fn jwk(&self) -> Value {
        let point = self.pair.public_key_raw();
        json!({
            "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": self.id,
            "x": BASE64URL_NOPAD.encode(&point[1..33]), "y": BASE64URL_NOPAD.encode(&point[33..65]),
        })
    }

    pub(crate) fn sign(&self, claims: &Value) -> String {
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some(self.id.clone());
        let key = EncodingKey::from_ec_der(&self.pair.serialize_der());
        jsonwebtoken::encode(&header, claims, &key).unwrap()
    }
}

struct Shared {
    url: String,
    mood: Mutex<Mood>,
    keys: Mutex<Vec<Value>>,
    fetched: AtomicUsize,
}

pub(super) struct Issuer {
    pub(super) url: String,
    key: Mutex<Arc<Key>>,
    shared: Arc<Shared>,
}

impl Issuer {
    pub(super) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let key = Key::new("first");
        let shared = Arc::new(Shared {
            url: url.clone(),
            mood: Mutex::new(Mood::Fine),
            keys: Mutex::new(vec![key.jwk()]),
            fetched: AtomicUsize::new(0),
        });
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(configuration))
            .route("/jwks", get(keys))
            .with_state(Arc::clone(&shared));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self {
            url,
            key: Mutex::new(Arc::new(key)),
            shared,
        }
    }

    pub(super) fn mood(&self, mood: Mood) {
        *self.shared.mood.lock().unwrap() = mood;
    }

    pub(super) fn sign(&self, claims: &Value) -> String {
        self.key.lock().unwrap().sign(claims)
    }

    /// The public half of the key that it signs with.
    pub(super) fn jwk(&self) -> Value {
        self.key.lock().unwrap().jwk()
    }

    /// Signs with a new key from now on, and publishes it alone.
    pub(super) fn rotate(&self, id: &str) {
        let key = Key::new(id);
        *self.shared.keys.lock().unwrap() = vec![key.jwk()];
        *self.key.lock().unwrap() = Arc::new(key);
    }

    /// How often the keys were asked for.
    pub(super) fn fetched(&self) -> usize {
        self.shared.fetched.load(Ordering::SeqCst)
    }
}

async fn configuration(State(issuer): State<Arc<Shared>>) -> Response {
    issuer.fetched.fetch_add(1, Ordering::SeqCst);
    let mood = *issuer.mood.lock().unwrap();
    let url = &issuer.url;
    let answer = |name: &str, keys: &str| {
        axum::Json(json!({ "issuer": name, "jwks_uri": keys })).into_response()
    };
    let own = format!("{url}/jwks");
    match mood {
        Mood::Fine => answer(url, &own),
        Mood::Down => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        Mood::Slow => {
            tokio::time::sleep(Duration::from_secs(60)).await;
            answer(url, &own)
        }
        Mood::Impostor => answer("https://accounts.google.com", &own),
        Mood::Misleading => answer(url, "http://169.254.169.254/latest/meta-data"),
        Mood::Redirecting => {
            let target = format!("{url}/jwks");
            (StatusCode::FOUND, [("location", target)]).into_response()
        }
        Mood::Endless => "x".repeat(300 << 10).into_response(),
        Mood::Garbage => "<html>".into_response(),
    }
}

async fn keys(State(issuer): State<Arc<Shared>>) -> Response {
    let keys = issuer.keys.lock().unwrap().clone();
    axum::Json(json!({ "keys": keys })).into_response()
}
