//! Tokens that end while they are needed.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use fh_client::workload::{GitHubEnvironment, Manner, Provider, WorkloadEnvironment};
use fh_client::{Client, Error, IssuedToken, TokenSource};
use futures_util::future::BoxFuture;
use secrecy::SecretString;
use serde_json::json;

use super::stage::{HOUR, Stage, json_answer, jwt, subject};
use super::{builder, client, workload};

fn github(platform: &Stage) -> WorkloadEnvironment {
    WorkloadEnvironment {
        github: GitHubEnvironment {
            present: true,
            request_url: Some(platform.url()),
            request_token: Some(SecretString::from("job-secret")),
        },
        ..WorkloadEnvironment::default()
    }
}

/// Tokens numbered in the order in which they were asked for.
#[derive(Debug)]
struct Numbered {
    life: Duration,
    asked: AtomicUsize,
    /// No token until this is over.
    broken: AtomicBool,
}

impl Numbered {
    fn new(life: Duration) -> Arc<Self> {
        Arc::new(Self {
            life,
            asked: AtomicUsize::new(0),
            broken: AtomicBool::new(false),
        })
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl TokenSource for Numbered {
    fn fetch(&self) -> BoxFuture<'_, fh_client::Result<IssuedToken>> {
        Box::pin(async {
            let number = self.asked.fetch_add(1, Ordering::SeqCst);
            // Long enough for others to want one too.
            tokio::time::sleep(Duration::from_millis(100)).await;
            if self.broken.load(Ordering::SeqCst) {
                return Err(Error::NothingGiven);
            }
            Ok(IssuedToken {
                token: SecretString::from(format!("token-{number}")),
                good_for: Some(self.life),
            })
        })
    }
}

fn numbered(server: &Stage, source: &Arc<Numbered>) -> Client {
    builder(server)
        .token_source(source.clone())
        .build()
        .unwrap()
}

fn shown(server: &Stage) -> Vec<String> {
    let heard = server.at("/api/v1/whoami");
    heard
        .iter()
        .map(|heard| heard.bearer().to_owned())
        .collect()
}

async fn several(client: &Client, count: usize) {
    let requests = (0..count).map(|_| client.whoami());
    for answer in futures_util::future::join_all(requests).await {
        answer.unwrap();
    }
}

#[tokio::test]
async fn many_requests_at_once_ask_for_one_token_and_renew_it_once() {
    let server = Stage::fh(|_| true).await;
    let source = Numbered::new(Duration::from_secs(1));
    let client = numbered(&server, &source);
    several(&client, 8).await;
    assert_eq!(source.asked(), 1);
    // Two thirds of its life have passed, and it is still good: one renews, the others go on.
    tokio::time::sleep(Duration::from_millis(650)).await;
    several(&client, 8).await;
    assert_eq!(source.asked(), 2);
    // It is over: all wait for the one who renews.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    several(&client, 8).await;
    assert_eq!(source.asked(), 3);
    assert_eq!(shown(&server)[16..], vec!["token-2"; 8]);
}

#[tokio::test]
async fn a_token_that_cannot_be_renewed_yet_serves_until_its_end() {
    let server = Stage::fh(|_| true).await;
    let source = Numbered::new(Duration::from_secs(3));
    let client = numbered(&server, &source);
    client.whoami().await.unwrap();
    source.broken.store(true, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_millis(2050)).await;
    client.whoami().await.unwrap();
    client.whoami().await.unwrap();
    assert_eq!(shown(&server), vec!["token-0"; 3]);
    assert_eq!(
        source.asked(),
        2,
        "the source is left alone for a while after a failure"
    );
    tokio::time::sleep(Duration::from_millis(1000)).await;
    client.whoami().await.unwrap_err();
    source.broken.store(false, Ordering::SeqCst);
    client.whoami().await.unwrap();
}

#[tokio::test]
async fn a_token_that_is_refused_before_its_end_is_replaced_once() {
    let revoked: Arc<Mutex<Vec<&str>>> = Arc::default();
    let known = revoked.clone();
    let server = Stage::fh(move |token| !known.lock().unwrap().contains(&token)).await;
    let source = Numbered::new(HOUR);
    let client = numbered(&server, &source);
    several(&client, 2).await;
    revoked.lock().unwrap().push("token-0");
    several(&client, 4).await;
    assert_eq!(source.asked(), 2, "one replacement for all");
    // One that is refused at once is not asked for again and again.
    revoked.lock().unwrap().extend(["token-1", "token-2"]);
    let error = client.whoami().await.unwrap_err();
    assert!(matches!(error, Error::Unauthorized { .. }), "{error}");
    assert_eq!(source.asked(), 3);
}

#[tokio::test]
async fn a_fixed_token_that_is_refused_is_refused() {
    let server = Stage::fh(|_| false).await;
    let client = builder(&server)
        .token(SecretString::from("fixed"))
        .build()
        .unwrap();
    client.whoami().await.unwrap_err();
    assert_eq!(shown(&server).len(), 1);
}

#[tokio::test]
async fn a_platform_that_fails_once_is_asked_again() {
    let platform = Stage::start(|_, number| match number {
        0 => json_answer(503, &json!({})),
        _ => json_answer(200, &json!({ "value": jwt("job", HOUR) })),
    })
    .await;
    let server = Stage::fh(|token| subject(token).as_deref() == Some("job")).await;
    let client = client(
        &server,
        workload(Provider::GitHub, github(&platform)),
        Manner::Direct,
    );
    client.whoami().await.unwrap();
    assert_eq!(platform.heard().len(), 2);
}

#[tokio::test]
async fn requests_go_on_for_longer_than_any_token_lives() {
    let platform = Stage::github(Duration::from_secs(3)).await;
    let server = Stage::fh(|token| subject(token).is_some()).await;
    let client = client(
        &server,
        workload(Provider::GitHub, github(&platform)),
        Manner::Direct,
    );
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(7) {
        client.whoami().await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let asked = platform.heard().len();
    assert!((3..=8).contains(&asked), "{asked}");
}
