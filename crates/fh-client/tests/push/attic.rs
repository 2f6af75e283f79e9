//! Pushing to a server that speaks attic's protocol: order, failures, and what is kept in memory. That
//! the protocol is right is shown with real Nix, in the workspace's own tests.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Json;
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post, put};
use fh_client::push::{FailureKind, PushReport};
use fh_client::targets::attic::{AtticCache, AtticOptions};
use fh_client::{Client, Closure, Deadline, Error};
use fh_nix::NarHash;
use http_body_util::BodyExt as _;
use secrecy::SecretString;
use serde_json::{Value, json};

use super::Listener;
use super::store::{TestStore, noise};

/// What becomes of the upload of a path: the status it is answered with, or none to let it wait for
/// ever, unread. By the name and the number of the attempt, from 1.
type Judge = Box<dyn Fn(&str, usize) -> Option<u16> + Send + Sync>;

struct Server {
    judge: Judge,
    /// How often each name was tried.
    attempts: Mutex<BTreeMap<String, usize>>,
    /// What arrived whole, in the order of arrival: names, and hashes of the NARs.
    arrived: Mutex<Vec<(String, NarHash)>>,
    /// Hashes in each question.
    asked: Mutex<Vec<usize>>,
}

struct Running {
    url: String,
    server: Arc<Server>,
}

impl Running {
    async fn start(judge: impl Fn(&str, usize) -> Option<u16> + Send + Sync + 'static) -> Self {
        let server = Arc::new(Server {
            judge: Box::new(judge),
            attempts: Mutex::default(),
            arrived: Mutex::default(),
            asked: Mutex::default(),
        });
        let config = || async { Json(json!({ "store_dir": "/nix/store" })) };
        let router = Router::new()
            .route("/_api/v1/cache-config/main", get(config))
            .route("/_api/v1/get-missing-paths", post(missing))
            .route("/_api/v1/upload-path", put(upload))
            .with_state(Arc::clone(&server));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, server }
    }

    async fn push(&self, closure: &Closure, options: &AtticOptions) -> (PushReport, Arc<Listener>) {
        let listener = Arc::new(Listener::default());
        let client = Client::builder(&self.url)
            .unwrap()
            .token(SecretString::from("secret"))
            .first_retry_wait(Duration::from_millis(1))
            .proxies(false)
            .build()
            .unwrap();
        let name = "main".parse().unwrap();
        let cache = AtticCache::open(&client, &name, &*listener).await.unwrap();
        let report = cache.push(closure, options, listener.clone()).await;
        (report.unwrap(), listener)
    }

    fn arrived(&self) -> Vec<String> {
        let arrived = self.server.arrived.lock().unwrap();
        arrived.iter().map(|(name, _)| name.clone()).collect()
    }
}

async fn missing(State(server): State<Arc<Server>>, Json(question): Json<Value>) -> Json<Value> {
    let hashes = question["store_path_hashes"].as_array().unwrap();
    server.asked.lock().unwrap().push(hashes.len());
    Json(json!({ "missing_paths": hashes }))
}

async fn upload(State(server): State<Arc<Server>>, headers: HeaderMap, mut body: Body) -> Response {
    let info: Value = serde_json::from_slice(headers["x-attic-nar-info"].as_bytes()).unwrap();
    let path = info["store_path"].as_str().unwrap();
    let name = path["/nix/store/".len() + 33..].to_owned();
    let attempt = {
        let mut attempts = server.attempts.lock().unwrap();
        let attempt = attempts.entry(name.clone()).or_default();
        *attempt += 1;
        *attempt
    };
    match (server.judge)(&name, attempt) {
        None => std::future::pending().await,
        Some(200) => {}
        Some(status) => {
            let body = json!({ "code": status, "error": "Some", "message": "cannot be had" });
            return (StatusCode::from_u16(status).unwrap(), Json(body)).into_response();
        }
    }
    let mut hasher = fh_nix::Hasher::new();
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            // The client went away in the middle.
            return StatusCode::BAD_REQUEST.into_response();
        };
        hasher.update(&frame.into_data().unwrap());
    }
    let hash = hasher.finish();
    let expected: NarHash = info["nar_hash"].as_str().unwrap().parse().unwrap();
    assert_eq!(hash, expected, "{name}");
    server.arrived.lock().unwrap().push((name, hash));
    Json(json!({ "kind": "Uploaded" })).into_response()
}

/// A chain `base ← middle ← top`, and `alone`.
fn chain() -> (TestStore, Closure) {
    let mut store = TestStore::new();
    let infos: Vec<_> = ["base", "middle", "top", "alone"]
        .iter()
        .map(|name| store.add(name, format!("content of {name}").as_bytes()))
        .collect();
    let mut closure = store.closure();
    for pair in [(1, 0), (2, 1)] {
        let path = &infos[pair.0].path;
        let entry = closure.paths.iter_mut().find(|p| p.info.path == *path);
        let references = &mut entry.unwrap().info.references;
        references.insert(infos[pair.1].path.clone());
    }
    (store, closure)
}

fn names(report: &PushReport) -> Vec<(String, FailureKind)> {
    let mut names: Vec<_> = report
        .failed
        .iter()
        .map(|failed| (failed.path.name().to_owned(), failed.kind))
        .collect();
    names.sort_by(|a, b| a.0.cmp(&b.0));
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_arrives_before_what_it_needs() {
    let (_store, closure) = chain();
    let server = Running::start(|_, _| Some(200)).await;
    let (report, listener) = server.push(&closure, &AtticOptions::default()).await;
    assert!(report.is_complete());
    let arrived = server.arrived();
    let place = |name: &str| arrived.iter().position(|there| there == name).unwrap();
    assert!(place("base") < place("middle") && place("middle") < place("top"));
    assert_eq!(arrived.len(), 4);
    let heard = listener.heard();
    assert_eq!(heard.sent_nar, heard.planned.unwrap().upload_bytes);
    assert_eq!(heard.finished.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passing_failure_is_tried_again_and_counted_once() {
    let (_store, closure) = chain();
    let server = Running::start(|name, attempt| {
        Some(if name == "base" && attempt < 3 {
            503
        } else {
            200
        })
    })
    .await;
    let (report, listener) = server.push(&closure, &AtticOptions::default()).await;
    assert!(report.is_complete());
    let heard = listener.heard();
    assert_eq!(heard.retries, 2);
    assert_eq!(heard.sent_nar, heard.planned.unwrap().upload_bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_needs_a_refused_path_is_not_sent_and_the_rest_is() {
    let (_store, closure) = chain();
    let server = Running::start(|name, _| Some(if name == "base" { 400 } else { 200 })).await;
    let (report, _) = server.push(&closure, &AtticOptions::default()).await;
    assert_eq!(
        names(&report),
        [
            ("base".to_owned(), FailureKind::Refused),
            ("middle".to_owned(), FailureKind::NotTried),
            ("top".to_owned(), FailureKind::NotTried),
        ]
    );
    assert_eq!(
        report
            .failed
            .iter()
            .filter(|f| f.reason.contains("cannot be had"))
            .count(),
        1
    );
    assert!(report.stopped.is_none());
    assert_eq!(server.arrived(), ["alone"]);
    assert_eq!(server.server.attempts.lock().unwrap()["base"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_that_changed_on_disk_is_named_and_never_arrives() {
    let (store, closure) = chain();
    let base = closure.paths.iter().find(|p| p.info.path.name() == "base");
    let base = base.unwrap().info.path.clone();
    for (content, says) in [
        ("xontent of base", "the NAR hash is"),
        (
            "content of base, and a great deal more than there was before",
            "more than",
        ),
        ("", "fewer than"),
    ] {
        std::fs::write(store.file(&base), content).unwrap();
        let server = Running::start(|_, _| Some(200)).await;
        let (report, _) = server.push(&closure, &AtticOptions::default()).await;
        let failed = &report.failed.iter().find(|f| f.path == base).unwrap();
        assert_eq!(failed.kind, FailureKind::Corrupted);
        assert!(failed.reason.contains(says), "{}", failed.reason);
        assert_eq!(server.arrived(), ["alone"]);
        // What is wrong here is not tried again.
        let tries = server.server.attempts.lock().unwrap().get("base").copied();
        assert!(tries.unwrap_or(0) <= 1, "{tries:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_refused_ends_the_push_and_a_dead_server_does() {
    let mut store = TestStore::new();
    for number in 0..20 {
        store.add(&format!("path-{number}"), b"content");
    }
    let closure = store.closure();
    let options = AtticOptions {
        uploads: 2.try_into().unwrap(),
        retries: 1,
        ..AtticOptions::default()
    };
    for (status, attempts) in [(401, 1), (502, 2)] {
        let server = Running::start(move |_, _| Some(status)).await;
        let (report, _) = server.push(&closure, &options).await;
        assert_eq!(report.stopped.as_ref().unwrap().status(), Some(status));
        assert_eq!(report.failed.len(), 20, "each is named");
        let tried = server.server.attempts.lock().unwrap();
        assert!(tried.len() <= 5, "{tried:?}");
        assert!(tried.values().all(|tries| *tries == attempts), "{tried:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_time_allowed_ends_a_push_that_hangs() {
    let (_store, closure) = chain();
    let server = Running::start(|name, _| (name != "alone").then_some(200)).await;
    let options = AtticOptions {
        deadline: Deadline::after(Duration::from_millis(1500)),
        ..AtticOptions::default()
    };
    let (report, _) = server.push(&closure, &options).await;
    assert!(matches!(report.stopped, Some(Error::OutOfTime { .. })));
    assert_eq!(
        names(&report),
        [("alone".to_owned(), FailureKind::NotTried)]
    );
    assert_eq!(server.arrived(), ["base", "middle", "top"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nar_is_read_no_faster_than_it_is_taken() {
    let mut store = TestStore::new();
    for number in 0..2 {
        store.add(&format!("large-{number}"), &noise(number, 60_000_000));
    }
    let server = Running::start(|_, _| None).await;
    let listener = Arc::new(Listener::default());
    let client = Client::builder(&server.url)
        .unwrap()
        .proxies(false)
        .build()
        .unwrap();
    let name = "main".parse().unwrap();
    let cache = AtticCache::open(&client, &name, &*listener).await.unwrap();
    let (closure, options) = (store.closure(), AtticOptions::default());
    let pushing = cache.push(&closure, &options, listener.clone());
    let mut last = 0;
    let at_rest = async {
        let mut quiet = 0;
        while quiet < 10 {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let now = listener.heard().read;
            quiet = if now == last && now > 0 { quiet + 1 } else { 0 };
            last = now;
        }
    };
    tokio::select! {
        result = pushing => panic!("{result:?}"),
        () = at_rest => {}
    }
    // What the two ends of a connection on this machine hold is the kernel's, some megabytes.
    assert!(last <= 40_000_000, "{last} bytes were read ahead");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_stays_below_what_the_server_reads() {
    let mut store = TestStore::new();
    let one = store.add("one", b"one");
    let mut closure = store.closure();
    let template = closure.paths[0].clone();
    for number in 0u32..60_000 {
        let mut path = template.clone();
        let mut bytes = [7; 20];
        bytes[..4].copy_from_slice(&number.to_be_bytes());
        let hash = fh_nix::StorePathHash::from_bytes(bytes);
        path.info.path = fh_nix::StorePath::new(hash, "other").unwrap();
        path.info.references.clear();
        closure.paths.push(path);
    }
    let server = Running::start(|_, _| Some(200)).await;
    let options = AtticOptions {
        dry_run: true,
        ..AtticOptions::default()
    };
    let (report, _) = server.push(&closure, &options).await;
    assert_eq!(report.would_send.len(), 60_001);
    assert!(
        report
            .would_send
            .iter()
            .any(|planned| planned.path == one.path)
    );
    assert_eq!(*server.server.asked.lock().unwrap(), [50_000, 10_001]);
}
