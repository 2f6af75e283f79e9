//! Build logs beside a push: what is asked, sent and reported, and that nothing fails for them.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use fh_client::push::{NoObserver, PushOptions, PushReport};
use fh_client::{Closure, LogDirectory};
use fh_nix::StorePath;

use super::server::{Fault, LIMITS, TestServer};
use super::store::{TestStore, prose};
use super::{client, flake, options};

/// Paths `one` and `two`, each with a derivation, and a directory of logs.
struct World {
    store: TestStore,
    derivations: [StorePath; 2],
    logs: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let mut store = TestStore::new();
        let one = store.add("one", &prose(1, 1000)).path;
        let two = store.add("two", &prose(2, 500_000)).path;
        let derivations = [store.derive(&one, "one"), store.derive(&two, "two")];
        Self {
            store,
            derivations,
            logs: tempfile::tempdir().unwrap(),
        }
    }

    /// Writes a log where Nix would.
    fn log(&self, index: usize, text: &[u8]) {
        let file = self.log_file(index);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    fn log_file(&self, index: usize) -> std::path::PathBuf {
        let name = self.derivations[index].to_string();
        let (first, rest) = name.split_at(2);
        self.logs.path().join("drvs").join(first).join(rest)
    }

    async fn push(&self, server: &TestServer) -> PushReport {
        push(server, &self.store.closure(), self.logs.path()).await
    }
}

async fn push(server: &TestServer, closure: &Closure, logs: &Path) -> PushReport {
    try_push(server, closure, logs).await.unwrap()
}

async fn try_push(
    server: &TestServer,
    closure: &Closure,
    logs: &Path,
) -> fh_client::Result<PushReport> {
    let options = PushOptions {
        logs: Some(LogDirectory::new(logs.to_owned())),
        ..options()
    };
    fh_client::push(
        &client(server),
        &flake(),
        closure,
        &options,
        Arc::new(NoObserver),
    )
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_go_along_and_then_nothing_is_read() {
    let world = World::new();
    world.log(0, b"building one\n");
    world.log(1, b"");
    let server = TestServer::start().await;
    let report = world.push(&server).await;
    assert!(report.is_complete());
    let logs = &report.logs;
    assert_eq!((logs.found, logs.wanted, logs.sent), (2, 2, 2));
    assert!(logs.sent_bytes > 0 && logs.failed.is_empty() && logs.shortened == 0);
    {
        let mut content = server.content();
        content.logs.sort();
        let [one, two] = &world.derivations;
        let expected = [
            (one.hash(), b"building one\n".to_vec()),
            (two.hash(), Vec::new()),
        ];
        assert_eq!(content.logs, expected);
        // Before the commit, which makes them visible.
        let order: Vec<_> = content.seen.iter().map(|seen| &seen.path[..]).collect();
        assert_eq!(order.last(), Some(&"/commit"));
    }
    // What the server has is not looked into again: a log that cannot be read does not matter.
    let before = server.requests().len();
    fs::remove_file(world.log_file(0)).unwrap();
    fs::write(world.log_file(0).with_extension("drv.bz2"), b"damaged").unwrap();
    let report = world.push(&server).await;
    assert_eq!((report.logs.found, report.logs.wanted), (2, 0));
    assert!(report.logs.failed.is_empty() && report.is_complete());
    assert_eq!(server.requests().len(), before + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_log_is_one_more_request() {
    let world = World::new();
    let server = TestServer::start().await;
    let report = world.push(&server).await;
    assert!(report.is_complete());
    assert_eq!((report.logs.found, report.logs.wanted), (0, 0));
    world.log(1, b"late");
    let before = server.requests().len();
    let report = world.push(&server).await;
    assert_eq!(report.logs.sent, 1);
    assert_eq!(report.committed.unwrap().paths, 2);
    // The plan, and the log: no commit.
    assert_eq!(server.requests()[before..], ["POST ", "POST /nars"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_does_not_go_along_is_named_and_the_push_is_whole() {
    let world = World::new();
    world.log(0, b"refuse this");
    world.log(1, b"");
    fs::remove_file(world.log_file(1)).unwrap();
    fs::write(world.log_file(1).with_extension("drv.bz2"), b"BZh9 cut").unwrap();
    let server = TestServer::start().await;
    let report = world.push(&server).await;
    assert!(report.is_complete() && report.committed.is_some());
    let reasons: Vec<_> = report
        .logs
        .failed
        .iter()
        .map(|failed| (&failed.derivation, failed.reason.as_str()))
        .collect();
    assert_eq!(reasons.len(), 2);
    assert_eq!(reasons[0], (&world.derivations[0], "no such log"));
    assert_eq!(reasons[1].0, &world.derivations[1]);
    assert!(reasons[1].1.starts_with("its log cannot be read: "));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_fails_on_logs_gets_the_paths() {
    let logs = tempfile::tempdir().unwrap();
    let server = TestServer::with_faults(|_, path, count| {
        (path == "/nars" && count == 0).then_some(Fault::Refuse(400, "no logs today"))
    })
    .await;
    // Its log is the only thing that travels in a batch.
    let mut store = TestStore::new();
    let large = store.add("large", &prose(3, 500_000)).path;
    let name = store.derive(&large, "large").to_string();
    let directory = logs.path().join("drvs").join(&name[..2]);
    fs::create_dir_all(&directory).unwrap();
    fs::write(directory.join(&name[2..]), b"text").unwrap();
    let report = push(&server, &store.closure(), logs.path()).await;
    assert!(report.is_complete() && report.committed.is_some());
    assert_eq!(report.logs.failed.len(), 1);
    let reason = &report.logs.failed[0].reason;
    assert!(reason.contains("no logs today"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_long_is_shortened_and_many_fill_several_batches() {
    let mut store = TestStore::new();
    let logs = tempfile::tempdir().unwrap();
    for number in 0..12 {
        let path = store.add(&format!("path-{number}"), b"x").path;
        let name = store.derive(&path, "many").to_string();
        let directory = logs.path().join("drvs").join(&name[..2]);
        fs::create_dir_all(&directory).unwrap();
        // One is longer than the server takes; those of the others do not fit into one body.
        let length = if number == 5 { 150_000 } else { 99_000 };
        let text = super::store::noise(number, length);
        fs::write(directory.join(&name[2..]), text).unwrap();
    }
    let server = TestServer::start().await;
    let report = push(&server, &store.closure(), logs.path()).await;
    assert!(report.is_complete());
    let found = &report.logs;
    assert_eq!((found.sent, found.shortened), (12, 1), "{:?}", found.failed);
    let content = server.content();
    let limit = usize::try_from(LIMITS.log_size).unwrap();
    assert!(content.logs.iter().all(|(_, text)| text.len() <= limit));
    let notice = b"fh left out";
    let shortened = content
        .logs
        .iter()
        .filter(|(_, text)| text.windows(notice.len()).any(|window| window == notice));
    assert_eq!(shortened.count(), 1);
    for seen in &content.seen {
        assert!(seen.body_length as u64 <= LIMITS.body_size);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_wants_what_was_not_offered_is_refused() {
    let world = World::new();
    let server = TestServer::start().await;
    server.spoil_plans(|plan| plan.logs = vec!["../../etc/passwd.drv".to_owned()]);
    let result = try_push(&server, &world.store.closure(), world.logs.path()).await;
    let error = result.unwrap_err().to_string();
    assert!(error.contains("not offered"), "{error}");
}
