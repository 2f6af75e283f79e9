//! A push that takes longer than the tokens that it is made with.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::Router;
use data_encoding::BASE64URL_NOPAD;
use fh_client::Client;
use fh_client::workload::{
    Connections, GitHubEnvironment, Manner, Provider, Workload, WorkloadEnvironment, WorkloadSource,
};
use http::HeaderMap;
use secrecy::SecretString;
use serde_json::{Value, json};

use super::server::{Fault, LIMITS, TestServer};
use super::store::{TestStore, noise};
use super::{Listener, flake, options};

const LIFE: u64 = 3;

pub(crate) fn discovery() -> Value {
    json!({
        "name": "fh", "version": "1",
        "audience": "urn:fh:0192f0c1-0000-7000-8000-000000000001",
        "api_url": "http://127.0.0.1", "web_url": "http://127.0.0.1",
        "cache_url": "http://127.0.0.1", "store_dir": "/nix/store", "public_keys": [],
        "login": ["token"], "now": "2026-11-22T12:00:00Z",
    })
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

/// A platform whose JWTs live for three seconds; every second time it is busy first.
async fn platform() -> String {
    let asked = Arc::new(AtomicU64::new(0));
    let router = Router::new().fallback(move || {
        let number = asked.fetch_add(1, Ordering::SeqCst);
        async move {
            if number % 2 == 1 {
                return Err(http::StatusCode::SERVICE_UNAVAILABLE);
            }
            let encode = |value: Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
            let jwt = format!(
                "{}.{}.c2ln",
                encode(json!({ "alg": "RS256" })),
                encode(json!({ "sub": number, "iat": now(), "exp": now() + LIFE }))
            );
            Ok(axum::Json(json!({ "value": jwt })))
        }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

fn is_good(token: &str) -> bool {
    let payload = token.split('.').nth(1).unwrap();
    let payload = BASE64URL_NOPAD.decode(payload.as_bytes()).unwrap();
    let payload: Value = serde_json::from_slice(&payload).unwrap();
    payload["exp"].as_u64().unwrap() > now()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_of_a_quarter_of_a_minute_succeeds_with_tokens_of_three_seconds() {
    let mut store = TestStore::new();
    let parts = 16;
    let size = parts * usize::try_from(LIMITS.part_size).unwrap();
    store.add("large", &noise(1, size));
    store.add("small", b"content");
    let server = TestServer::with_faults(|_, path, _| {
        path.starts_with("/nars")
            .then_some(Fault::Queue(Duration::from_secs(1)))
    })
    .await;
    let shown: Arc<Mutex<BTreeSet<String>>> = Arc::default();
    let seen = shown.clone();
    server.guard(move |headers: &HeaderMap| {
        let value = headers["authorization"].to_str().unwrap();
        let token = value.strip_prefix("Bearer ").unwrap();
        seen.lock().unwrap().insert(token.to_owned());
        is_good(token)
    });
    let builder = || {
        Client::builder(&server.url())
            .unwrap()
            .first_retry_wait(Duration::from_millis(1))
            .proxies(false)
    };
    let environment = WorkloadEnvironment {
        github: GitHubEnvironment {
            present: true,
            request_url: Some(platform().await),
            request_token: Some(SecretString::from("job-secret")),
        },
        ..WorkloadEnvironment::default()
    };
    let workload = Workload::of(
        Provider::GitHub,
        &Arc::new(environment),
        &Connections::default(),
    );
    let source = WorkloadSource::new(workload, &builder().build().unwrap(), Manner::Direct);
    let client = builder().token_source(Arc::new(source)).build().unwrap();
    let start = Instant::now();
    let listener = Arc::new(Listener::default());
    let closure = store.closure();
    let report = fh_client::push(&client, &flake(), &closure, &options(), listener.clone()).await;
    let report = report.unwrap();
    assert!(report.is_complete(), "{:?}", report.failed);
    assert!(start.elapsed() >= Duration::from_secs(15));
    assert_eq!(server.content().slice.len(), 2);
    let tokens = shown.lock().unwrap().len();
    assert!(tokens >= 4, "{tokens}");
    assert_eq!(
        listener.heard().retries,
        0,
        "a renewal is no failure of a request"
    );
}
