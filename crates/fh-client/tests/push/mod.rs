//! The push engine against a server that implements the protocol naively and can be told to fail.

mod attic;
mod faults;
mod logs;
mod memory;
mod plan;
mod renewal;
mod resume;
mod server;
mod store;
mod transfer;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use fh_api::{CommitSummary, FlakeName};
use fh_client::push::{PlanTotals, PushEvent, PushObserver};
use fh_client::{Client, Closure, PushOptions, PushReport, Result};
use secrecy::SecretString;

use server::TestServer;

/// What an observer heard, added up.
#[derive(Debug, Default, Clone)]
struct Heard {
    planned: Option<PlanTotals>,
    read: u64,
    compressed: u64,
    sent: u64,
    sent_nar: u64,
    finished: Vec<String>,
    failed: Vec<String>,
    retries: usize,
    committed: Option<CommitSummary>,
}

/// Adds up what it hears.
#[derive(Debug, Default)]
struct Listener(Mutex<Heard>);

impl Listener {
    fn heard(&self) -> Heard {
        self.0.lock().unwrap().clone()
    }
}

impl PushObserver for Listener {
    fn event(&self, event: &PushEvent<'_>) {
        let mut heard = self.0.lock().unwrap();
        match event {
            PushEvent::Planned(totals) => heard.planned = Some(**totals),
            PushEvent::Read { nar_bytes } => heard.read += nar_bytes,
            PushEvent::Compressed { nar_bytes, .. } => heard.compressed += nar_bytes,
            PushEvent::Sent { bytes, nar_bytes } => {
                heard.sent += bytes;
                heard.sent_nar += nar_bytes;
            }
            PushEvent::PathFinished { path, .. } => heard.finished.push(path.name().to_owned()),
            PushEvent::PathFailed { path, .. } => heard.failed.push(path.name().to_owned()),
            PushEvent::Retrying(_) => heard.retries += 1,
            PushEvent::Committed(summary) => heard.committed = Some(**summary),
            _ => {}
        }
    }
}

fn flake() -> FlakeName {
    "acme/app".parse().unwrap()
}

fn client(server: &TestServer) -> Client {
    Client::builder(&server.url())
        .unwrap()
        .token(SecretString::from("fh1_secret"))
        .first_retry_wait(Duration::from_millis(1))
        .proxies(false)
        .build()
        .unwrap()
}

fn options() -> PushOptions {
    PushOptions {
        jobs: 3.try_into().unwrap(),
        ..PushOptions::default()
    }
}

/// Pushes and tells what was heard.
async fn push(server: &TestServer, closure: &Closure) -> (Result<PushReport>, Heard) {
    let listener = Arc::new(Listener::default());
    let report = fh_client::push(
        &client(server),
        &flake(),
        closure,
        &options(),
        listener.clone(),
    )
    .await;
    (report, listener.heard())
}

/// Pushes what nothing is wrong with.
async fn push_whole(server: &TestServer, closure: &Closure) {
    let report = push(server, closure).await.0.unwrap();
    assert!(report.is_complete(), "{:?}", report.failed);
}
