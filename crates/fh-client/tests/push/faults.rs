//! Servers that are busy, break off, refuse or hang.

use std::sync::Arc;
use std::time::{Duration, Instant};

use fh_client::push::FailureKind;
use fh_client::{Deadline, Error};

use super::server::{Fault, TestServer};
use super::store::{TestStore, noise, prose};
use super::transfer::mixed;
use super::{Listener, client, flake, options, push};

#[tokio::test(flavor = "multi_thread")]
async fn each_request_survives_one_failure_of_each_kind() {
    let store = mixed();
    let server = TestServer::with_faults(|_, path, number| match number {
        0 => Some(Fault::Busy("0")),
        1 if path != "/commit" => Some(Fault::CutAnswer),
        2 => Some(Fault::Refuse(502, "bad gateway")),
        _ => None,
    })
    .await;
    let (report, heard) = push(&server, &store.closure()).await;
    let report = report.unwrap();
    assert!(report.is_complete());
    for path in &store.closure().paths {
        assert_eq!(
            server.content().nars[&path.info.nar_hash],
            store.nar(&path.info.path)
        );
    }
    assert!(heard.retries > 10);
    // However often a body went out, progress counts it once.
    assert_eq!(heard.sent_nar, report.planned.upload_bytes);
    assert_eq!(heard.sent, report.sent_bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_answer_was_lost_is_found_done() {
    let mut store = TestStore::new();
    store.add("small", b"content");
    let server = TestServer::with_faults(|_, path, number| {
        (path == "/commit" && number == 0).then_some(Fault::CutAnswer)
    })
    .await;
    let (report, heard) = push(&server, &store.closure()).await;
    assert_eq!(report.unwrap().committed.unwrap().paths, 1);
    assert_eq!(heard.retries, 2);
    assert_eq!(
        server.requests(),
        [
            "POST ",
            "POST /nars",
            "POST /commit",
            "POST /commit",
            // Once more, as to whoever lost a header on the way.
            "POST /commit",
            "POST "
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_that_is_gone_is_an_error() {
    let mut store = TestStore::new();
    store.add("small", b"content");
    let server = TestServer::with_faults(|_, path, _| {
        (path == "/commit").then_some(Fault::Refuse(404, "this push is gone"))
    })
    .await;
    let report = push(&server, &store.closure()).await.0.unwrap();
    assert!(report.failed.is_empty() && report.committed.is_none() && !report.is_complete());
    let error = report.stopped.unwrap();
    assert_eq!(error.status(), Some(404));
    assert_eq!(error.to_string(), "this push is gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_whose_upload_keeps_failing_is_named_and_the_rest_goes_on() {
    let mut store = TestStore::new();
    let small = store.add("small", b"content");
    let bad = store.add("bad", &prose(1, 1_000_000));
    let good = store.add("good", &prose(2, 1_000_000));
    let hash = bad.nar_hash.to_base32();
    let server = TestServer::with_faults(move |_, path, _| {
        (path.contains(&hash) && path.ends_with("/parts/1"))
            .then_some(Fault::Refuse(503, "still busy"))
    })
    .await;
    let (report, heard) = push(&server, &store.closure()).await;
    let report = report.unwrap();
    assert!(!report.is_complete());
    assert!(report.stopped.is_none());
    assert_eq!(report.failed.len(), 1);
    assert_eq!(report.failed[0].path, bad.path);
    assert_eq!(report.failed[0].kind, FailureKind::Unsent);
    assert_eq!(report.failed[0].reason, "still busy");
    assert_eq!(heard.failed, ["bad"]);
    assert_eq!(heard.retries, 10);
    assert!(server.has(good.nar_hash) && server.has(small.nar_hash));
    assert_eq!(server.count("POST /commit"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_gone_ends_the_push_and_each_path_is_named() {
    let mut store = TestStore::new();
    for index in 0..60 {
        store.add(&format!("large-{index:02}"), &noise(index, 400_000));
    }
    let server = TestServer::with_faults(|_, path, _| {
        path.starts_with("/nars/")
            .then_some(Fault::Refuse(502, "bad gateway"))
    })
    .await;
    let mut options = options();
    options.retries = 1;
    let listener = Arc::new(Listener::default());
    let (client, closure) = (client(&server), store.closure());
    let report = fh_client::push(&client, &flake(), &closure, &options, listener.clone())
        .await
        .unwrap();
    assert_eq!(report.stopped.unwrap().to_string(), "bad gateway");
    let named: Vec<&str> = report.failed.iter().map(|f| f.path.name()).collect();
    let all: Vec<&str> = closure.paths.iter().map(|p| p.info.path.name()).collect();
    assert_eq!(named, all);
    let of_kind = |kind| report.failed.iter().filter(|f| f.kind == kind).count();
    assert_eq!(of_kind(FailureKind::Unsent), 8);
    assert_eq!(of_kind(FailureKind::NotTried), 52);
    assert_eq!(listener.heard().failed.len(), 60);
    assert_eq!(server.count("POST /commit"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_time_is_over_what_is_missing_is_named_and_the_next_push_sends_only_that() {
    let mut store = TestStore::new();
    let small = store.add("small", b"content");
    let large = store.add("large", &noise(1, 1_000_000));
    let server = TestServer::with_faults(|_, path, number| {
        (path.ends_with("/parts/2") && number == 0).then_some(Fault::Hang)
    })
    .await;
    let mut options = options();
    options.deadline = Deadline::after(Duration::from_millis(1500));
    let (client, closure) = (client(&server), store.closure());
    let begin = Instant::now();
    let listener = Arc::new(Listener::default());
    let report = fh_client::push(&client, &flake(), &closure, &options, listener)
        .await
        .unwrap();
    assert!(begin.elapsed() < Duration::from_secs(30));
    assert!(matches!(report.stopped, Some(Error::OutOfTime { .. })));
    assert_eq!(report.failed.len(), 1);
    assert_eq!(report.failed[0].path, large.path);
    assert_eq!(report.failed[0].kind, FailureKind::NotTried);
    assert!(server.has(small.nar_hash));
    server.content().seen.clear();

    let (report, _) = push(&server, &closure).await;
    let report = report.unwrap();
    assert!(report.is_complete());
    assert_eq!((report.planned.received, report.planned.upload), (1, 1));
    assert_eq!(server.count("PUT"), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_takes_the_plan_and_never_answers_is_given_up_in_time() {
    let mut store = TestStore::new();
    store.add("small", b"content");
    let server = TestServer::with_faults(|_, _, _| Some(Fault::Hang)).await;
    let mut options = options();
    options.deadline = Deadline::after(Duration::from_millis(200));
    let (client, closure) = (client(&server), store.closure());
    let listener = Arc::new(Listener::default());
    let error = fh_client::push(&client, &flake(), &closure, &options, listener)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::OutOfTime { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_refuses_is_named_and_the_rest_goes_on() {
    let mut store = TestStore::new();
    let bad = store.add("bad", &prose(1, 1_000_000));
    let good = store.add("good", &prose(2, 1_000_000));
    let small = store.add("small", b"content");
    let hash = bad.nar_hash.to_base32();
    let server = TestServer::with_faults(move |_, path, _| {
        (path.contains(&hash) && path.ends_with("/parts/1"))
            .then_some(Fault::Refuse(422, "this \u{1b}[31mpart\nis no zstd"))
    })
    .await;
    let (report, heard) = push(&server, &store.closure()).await;
    let report = report.unwrap();
    assert_eq!(report.failed.len(), 1);
    assert_eq!(report.failed[0].path, bad.path);
    assert_eq!(report.failed[0].kind, FailureKind::Refused);
    assert_eq!(report.failed[0].reason, "this [31mpart is no zstd");
    assert_eq!(heard.failed, ["bad"]);
    assert!(server.has(good.nar_hash) && server.has(small.nar_hash));
    assert_eq!(server.count("POST /commit"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_is_refused_names_all_its_paths() {
    let mut store = TestStore::new();
    store.add("one", b"1");
    store.add("two", b"2");
    let server = TestServer::with_faults(|_, path, _| {
        (path == "/nars").then_some(Fault::Refuse(413, "too large"))
    })
    .await;
    let report = push(&server, &store.closure()).await.0.unwrap();
    let names: Vec<&str> = report.failed.iter().map(|f| f.path.name()).collect();
    assert_eq!(names, ["one", "two"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_revoked_ends_the_push_at_once() {
    let mut store = TestStore::new();
    for index in 0..30 {
        store.add(&format!("large-{index}"), &noise(index, 600_000));
    }
    let server = TestServer::with_faults(|_, path, _| {
        path.starts_with("/nars/")
            .then_some(Fault::Refuse(401, "the token was revoked"))
    })
    .await;
    let report = push(&server, &store.closure()).await.0.unwrap();
    assert_eq!(report.stopped.unwrap().status(), Some(401));
    assert_eq!(report.failed.len(), 30);
    // Each once more at most, and not many more after the first.
    assert!(server.count("PUT") <= 16, "{}", server.count("PUT"));
    assert_eq!(server.count("POST /commit"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn dropping_the_future_ends_the_threads() {
    let mut store = TestStore::new();
    for index in 0..40 {
        store.add(&format!("large-{index}"), &noise(index, 5_000_000));
    }
    let server =
        TestServer::with_faults(|_, path, _| path.starts_with("/nars/").then_some(Fault::Hang))
            .await;
    let listener = Arc::new(Listener::default());
    let (client, closure) = (client(&server), store.closure());
    let (flake, options) = (flake(), options());
    let pushing = fh_client::push(&client, &flake, &closure, &options, listener.clone());
    let result = tokio::time::timeout(Duration::from_millis(300), pushing).await;
    assert!(result.is_err());
    let begin = Instant::now();
    // Threads and requests hold the observer as long as they live.
    while Arc::strong_count(&listener) > 1 {
        assert!(begin.elapsed() < Duration::from_secs(5), "threads are left");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_is_given_up() {
    let mut store = TestStore::new();
    store.add("small", b"content");
    let server =
        TestServer::with_faults(|_, path, _| (path == "/nars").then_some(Fault::Hang)).await;
    let client = fh_client::Client::builder(&server.url())
        .unwrap()
        .read_timeout(Duration::from_millis(40))
        .first_retry_wait(Duration::from_millis(1))
        .build()
        .unwrap();
    let mut options = options();
    options.retries = 1;
    let listener = Arc::new(Listener::default());
    let report = fh_client::push(&client, &flake(), &store.closure(), &options, listener)
        .await
        .unwrap();
    assert_eq!(report.failed[0].kind, FailureKind::Unsent);
    let reason = &report.failed[0].reason;
    assert!(reason.ends_with("it did not answer in time"), "{reason}");
    assert_eq!(server.count("POST /nars"), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_line_is_not_taken_for_a_dead_one() {
    let mut store = TestStore::new();
    store.add("large", &noise(1, 2_000_000));
    let server = TestServer::with_faults(|_, path, _| {
        path.starts_with("/nars/")
            .then_some(Fault::Slow(Duration::from_millis(2)))
    })
    .await;
    let client = fh_client::Client::builder(&server.url())
        .unwrap()
        .read_timeout(Duration::from_millis(100))
        .retries(0)
        .build()
        .unwrap();
    let mut options = options();
    options.retries = 0;
    let listener = Arc::new(Listener::default());
    let report = fh_client::push(&client, &flake(), &store.closure(), &options, listener)
        .await
        .unwrap();
    assert!(report.is_complete());
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_that_the_server_lost_track_of_are_planned_again() {
    let mut store = TestStore::new();
    let large = store.add("large", &prose(1, 2_000_000));
    let bad = store.add("bad", &prose(2, 5_000));
    std::fs::write(store.file(&bad.path), b"other").unwrap();
    let server = TestServer::with_faults(|_, path, number| {
        (path.ends_with("/parts/2") && number == 0)
            .then_some(Fault::Refuse(409, "part 2 waited too long"))
    })
    .await;
    let (report, heard) = push(&server, &store.closure()).await;
    let report = report.unwrap();
    assert!(server.has(large.nar_hash));
    assert_eq!(server.count("POST "), 2 + server.count("POST /nars"));
    // The corrupted one is named once and not tried again.
    assert_eq!(heard.failed, ["bad"]);
    assert_eq!(report.failed.len(), 1);
    assert_eq!(report.uploaded, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_that_are_lost_for_ever_are_a_failure_in_the_end() {
    let mut store = TestStore::new();
    store.add("large", &prose(1, 2_000_000));
    let server = TestServer::with_faults(|_, path, _| {
        path.ends_with("/parts/2")
            .then_some(Fault::Refuse(409, "part 2 waited too long"))
    })
    .await;
    let (report, heard) = push(&server, &store.closure()).await;
    let report = report.unwrap();
    assert_eq!(report.failed[0].reason, "part 2 waited too long");
    assert_eq!(heard.failed, ["large"]);
    assert_eq!(
        server
            .requests()
            .iter()
            .filter(|line| *line == "POST ")
            .count(),
        3
    );
    assert_eq!(server.count("POST /commit"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_request_that_lost_its_token_on_the_way_is_sent_again() {
    let mut store = TestStore::new();
    store.add("small", b"content");
    let large = store.add("large", &noise(1, 1_000_000));
    // The first upload of each kind, and the commit, come as from nobody.
    let server = TestServer::with_faults(|_, path, number| {
        let lost = path == "/nars" || path.ends_with("/parts/1") || path == "/commit";
        (lost && number == 0).then_some(Fault::Refuse(404, "not found, or you do not have access"))
    })
    .await;
    let (report, heard) = push(&server, &store.closure()).await;
    let report = report.unwrap();
    assert!(
        report.is_complete(),
        "{:?} {:?}",
        report.stopped,
        report.failed
    );
    assert!(server.has(large.nar_hash));
    assert_eq!(heard.retries, 3);
    assert_eq!(server.count("POST /commit"), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_first_plan_is_refused_is_not_asked_twice() {
    let mut store = TestStore::new();
    store.add("small", b"content");
    let server = TestServer::with_faults(|_, _, _| Some(Fault::Refuse(404, "not found"))).await;
    let error = push(&server, &store.closure()).await.0.unwrap_err();
    assert_eq!(error.status(), Some(404));
    assert_eq!(server.requests(), ["POST "]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_whose_source_is_gone_is_planned_again_and_sent() {
    let mut store = TestStore::new();
    let linked = store.add("linked", b"content of elsewhere");
    let sent = store.add("sent", b"content");
    let server = TestServer::start().await;
    // What the caller reads elsewhere when the plan is made, and that is removed before the commit.
    let hash = linked.nar_hash;
    server.content().elsewhere.insert(hash);
    server.after_plans(move |content| {
        content.elsewhere.remove(&hash);
    });
    let (report, heard) = push(&server, &store.closure()).await;
    let report = report.unwrap();
    assert!(
        report.is_complete(),
        "{:?} {:?}",
        report.stopped,
        report.failed
    );
    assert!(server.has(hash) && server.has(sent.nar_hash));
    assert_eq!(server.content().slice.len(), 2);
    assert_eq!((report.uploaded, report.deduplicated()), (2, 0));
    assert_eq!(report.planned.upload, 2);
    assert_eq!(report.planned.received, 0, "no path was there before");
    assert_eq!(heard.planned.unwrap(), report.planned);
    assert_eq!(heard.sent_nar, report.planned.upload_bytes);
    assert_eq!(
        server.requests(),
        [
            "POST ",
            "POST /nars",
            "POST /commit",
            "POST ",
            "POST /nars",
            "POST /commit"
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_is_refused_for_ever_is_planned_again_once() {
    let mut store = TestStore::new();
    store.add("small", b"content");
    let server = TestServer::with_faults(|_, path, _| {
        (path == "/commit").then_some(Fault::Refuse(
            409,
            "1 of the push's paths has no content yet",
        ))
    })
    .await;
    let report = push(&server, &store.closure()).await.0.unwrap();
    assert_eq!(report.stopped.unwrap().status(), Some(409));
    assert!(report.committed.is_none() && report.failed.is_empty());
    let plans = server.requests();
    assert_eq!(plans.iter().filter(|line| *line == "POST ").count(), 2);
    assert_eq!(server.count("POST /commit"), 2);
}
