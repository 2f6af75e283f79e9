//! Pushes that go on where an earlier one ended.

use std::time::Duration;

use fh_client::Error;
use fh_client::push::FailureKind;

use super::push;
use super::server::{Fault, TestServer};
use super::store::{TestStore, prose};

#[tokio::test(flavor = "multi_thread")]
async fn only_the_missing_parts_are_sent() {
    let mut store = TestStore::new();
    let large = store.add("large", &prose(1, 2_000_000));
    store.add("small", &prose(2, 2_000));
    // The fourth part is refused for ever, in one push; the parts before it stay. It is sent once more, as
    // to whoever lost a token on the way.
    let server = TestServer::with_faults(|_, path, number| {
        (path.ends_with("/parts/3") && number < 2).then_some(Fault::Refuse(401, "revoked"))
    })
    .await;
    let (report, _) = push(&server, &store.closure()).await;
    let report = report.unwrap();
    let of_large: Vec<_> = report
        .failed
        .iter()
        .filter(|f| f.path == large.path)
        .collect();
    assert_eq!(of_large.len(), 1);
    assert_eq!(of_large[0].kind, FailureKind::Unsent);
    let stopped = report.stopped.unwrap();
    assert!(matches!(stopped, Error::Unauthorized { message, .. } if message == "revoked"));
    // What the first push had under way still arrives.
    tokio::time::sleep(Duration::from_millis(200)).await;
    let received = server.content().parts[&large.nar_hash].len();
    // The answers to the parts before it may have been under way.
    assert!((1..=3).contains(&received), "{received}");
    server.content().seen.clear();

    let (report, heard) = push(&server, &store.closure()).await;
    let report = report.unwrap();
    assert!(report.is_complete());
    assert_eq!(report.planned.resumed_bytes, received as u64 * 300_000);
    assert_eq!(server.count("PUT"), 7 - received);
    assert_eq!(
        server.content().nars[&large.nar_hash],
        store.nar(&large.path)
    );
    // Read from the start, for the hash; compressed and sent only from where it broke off.
    let total: u64 = large.nar_size
        + if report.planned.received == 1 {
            0
        } else {
            2_112
        };
    assert_eq!(heard.read, total);
    assert_eq!(heard.sent_nar, report.planned.upload_bytes);
    assert_eq!(heard.compressed, report.planned.upload_bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn stale_parts_of_an_earlier_push_are_sent_again() {
    let mut store = TestStore::new();
    let large = store.add("large", &prose(1, 1_000_000));
    let server = TestServer::start().await;
    let wrong = zstd::bulk::compress(&vec![b'x'; 300_000], 1).unwrap();
    server
        .content()
        .parts
        .insert(large.nar_hash, vec![wrong.into()]);
    let (report, heard) = push(&server, &store.closure()).await;
    assert!(report.unwrap().is_complete());
    assert!(heard.failed.is_empty());
    assert_eq!(server.count("POST /commit"), 1);
    assert_eq!(
        server.content().nars[&large.nar_hash],
        store.nar(&large.path)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_corrupted_path_is_named_and_a_push_after_the_repair_sends_only_it() {
    let mut store = TestStore::new();
    let good = store.add("good", &prose(1, 700_000));
    let small = store.add("bad-small", &prose(2, 5_000));
    let large = store.add("bad-large", &prose(3, 900_000));
    let short = store.add("bad-short", &prose(4, 800_000));
    let long = store.add("bad-long", &prose(5, 6_000));
    let gone = store.add("bad-gone", &prose(6, 6_000));
    let spoil = |path, change: fn(&mut Vec<u8>)| {
        let mut content = std::fs::read(store.file(path)).unwrap();
        change(&mut content);
        std::fs::write(store.file(path), content).unwrap();
    };
    spoil(&small.path, |content| content[17] ^= 1);
    spoil(&large.path, |content| content[17] ^= 1);
    spoil(&short.path, |content| content.truncate(20));
    spoil(&long.path, |content| content.extend([0; 8]));
    std::fs::remove_file(store.file(&gone.path)).unwrap();

    let server = TestServer::start().await;
    let (report, heard) = push(&server, &store.closure()).await;
    let report = report.unwrap();
    assert!(!report.is_complete());
    assert_eq!(report.committed, None);
    assert_eq!(server.count("POST /commit"), 0);
    assert!(server.has(good.nar_hash));
    let failed = |name: &str| {
        let found = report
            .failed
            .iter()
            .find(|failed| failed.path.name() == name);
        found.unwrap_or_else(|| panic!("{name} is not named"))
    };
    assert_eq!(report.failed.len(), 5);
    assert_eq!(heard.failed.len(), 5);
    for name in ["bad-small", "bad-large", "bad-short", "bad-long"] {
        assert_eq!(failed(name).kind, FailureKind::Corrupted, "{name}");
        let reason = &failed(name).reason;
        assert!(
            reason.starts_with("its files are not what Nix recorded: "),
            "{reason}"
        );
    }
    assert_eq!(failed("bad-gone").kind, FailureKind::Unreadable);
    assert!(failed("bad-gone").reason.contains(&gone.path.to_string()));
    // Parts of the large one may go out before its hash is known, the last one never does.
    assert!(!server.has(large.nar_hash));
    assert!(
        !server
            .requests()
            .iter()
            .any(|line| line.ends_with("/parts/3"))
    );

    spoil(&small.path, |content| content[17] ^= 1);
    spoil(&large.path, |content| content[17] ^= 1);
    std::fs::write(store.file(&short.path), prose(4, 800_000)).unwrap();
    spoil(&long.path, |content| content.truncate(6_000));
    std::fs::write(store.file(&gone.path), prose(6, 6_000)).unwrap();
    server.content().seen.clear();
    let (report, _) = push(&server, &store.closure()).await;
    let report = report.unwrap();
    // The three parts of the large one that the server kept were of the corrupted content.
    assert!(report.is_complete(), "{:?}", report.failed);
    assert_eq!(report.planned.received, 1);
    assert_eq!(report.committed.unwrap().paths, 6);
    for path in &store.closure().paths {
        assert!(server.has(path.info.nar_hash));
    }
}
