//! What is asked, and plans that need no upload or cannot be right.

use std::sync::Arc;

use fh_client::closure::Realisations;
use fh_client::push::{NoObserver, PushOptions};
use fh_client::{Error, push as push_with};
use fh_nix::{Realisation, SecretKey, StorePath};

use super::server::TestServer;
use super::store::{TestStore, prose};
use super::{client, flake, push, push_whole};

fn two() -> TestStore {
    let mut store = TestStore::new();
    store.add("small", &prose(1, 1_000));
    store.add("large", &prose(2, 500_000));
    store
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_info_is_told_in_full() {
    let mut store = TestStore::new();
    let info = store.add("small", b"content");
    let other = store.add("other", b"other");
    store.make_context(&other.path);
    let server = TestServer::start().await;
    let key = SecretKey::from_seed("cache.example-1", [7; 32])
        .unwrap()
        .public();
    let options = PushOptions {
        skip_signed_by: vec![key.clone()],
        ..PushOptions::default()
    };
    let closure = store.closure();
    let report = push_with(
        &client(&server),
        &flake(),
        &closure,
        &options,
        Arc::new(NoObserver),
    )
    .await
    .unwrap();
    assert_eq!(report.planned.paths, 1);
    let content = server.content();
    let request = content.request.as_ref().unwrap();
    assert_eq!(request.skip_signed_by, [key.to_string()]);
    assert_eq!(request.paths.len(), 2);
    let path = &request.paths[0];
    assert_eq!(path.path, format!("/nix/store/{}", info.path));
    assert_eq!(path.nar_hash, info.nar_hash.to_string());
    assert_eq!(path.nar_size, info.nar_size);
    assert_eq!(path.references, [info.path.to_string()]);
    assert!(!path.context && request.paths[1].context);
    assert_eq!(content.slice, [info.path.to_string()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn realisations_of_what_is_pushed_or_left_out_are_told_and_of_nothing_else() {
    let mut store = TestStore::new();
    let pushed = store.add("pushed", b"pushed").path;
    let [context, left_out, of_another] = ["context", "left-out", "of-another"].map(|name| {
        let path = store.add(name, name.as_bytes()).path;
        store.make_context(&path);
        path
    });
    let mut closure = store.closure();
    let [upstream, another] =
        [1, 2].map(|seed| SecretKey::from_seed("upstream-1", [seed; 32]).unwrap());
    let store_dir = closure.store_dir.clone();
    for (path, key) in [(&left_out, &upstream), (&of_another, &another)] {
        let mut paths = closure.paths.iter_mut();
        let info = &mut paths.find(|it| it.info.path == *path).unwrap().info;
        info.signatures = vec![info.sign(&store_dir, key)];
    }
    let elsewhere = StorePath::new(pushed.hash(), "elsewhere").unwrap();
    let key = SecretKey::from_seed("builder-1", [7; 32]).unwrap();
    let hashed = format!("sha256:{}!out", "0".repeat(64));
    let by_path = format!("{}-pushed.drv^out", "0".repeat(32));
    let realisation = |id: &str, out_path: &StorePath| Realisation {
        id: id.parse().unwrap(),
        out_path: out_path.clone(),
        signatures: vec![key.sign(b"anything")],
    };
    let found = vec![
        realisation(&hashed, &pushed),
        realisation(&hashed.replace("out", "dev"), &context),
        realisation(&by_path, &pushed),
        realisation(&by_path.replace("out", "dev"), &elsewhere),
        realisation(&hashed.replace("out", "lib"), &left_out),
        realisation(&hashed.replace("out", "man"), &of_another),
    ];
    let reason = "Nix knows none".to_owned();
    let options = PushOptions {
        realisations: Realisations {
            found,
            unknown: [(pushed.clone(), reason)].into(),
        },
        skip_signed_by: vec![upstream.public()],
        ..PushOptions::default()
    };
    let server = TestServer::start().await;
    let report = push_with(
        &client(&server),
        &flake(),
        &closure,
        &options,
        Arc::new(NoObserver),
    )
    .await
    .unwrap();
    assert!(report.is_complete());
    assert_eq!(
        report.unknown_realisations.keys().collect::<Vec<_>>(),
        [&pushed]
    );
    let content = server.content();
    let told = &content.request.as_ref().unwrap().realisations;
    let told: Vec<_> = told
        .iter()
        .map(|it| (it.id.as_str(), it.out_path.clone(), it.signatures.len()))
        .collect();
    let path = pushed.to_string();
    let lib = hashed.replace("out", "lib");
    assert_eq!(
        told,
        [
            (hashed.as_str(), path.clone(), 1),
            (&by_path, path, 1),
            (&lib, left_out.to_string(), 1),
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_to_send_is_one_request() {
    let store = two();
    let server = TestServer::start().await;
    push_whole(&server, &store.closure()).await;
    let before = server.requests().len();
    let (report, heard) = push(&server, &store.closure()).await;
    let report = report.unwrap();
    assert_eq!(server.requests().len(), before + 1);
    assert_eq!(report.planned.present, 2);
    assert_eq!(report.uploaded, 0);
    assert_eq!(report.committed.unwrap().paths, 2);
    assert_eq!(heard.read, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_asks_and_does_nothing_else() {
    let store = two();
    let server = TestServer::start().await;
    let options = PushOptions {
        dry_run: true,
        ..PushOptions::default()
    };
    let closure = store.closure();
    let report = push_with(
        &client(&server),
        &flake(),
        &closure,
        &options,
        Arc::new(NoObserver),
    )
    .await
    .unwrap();
    assert_eq!(server.requests(), ["POST "]);
    assert!(server.content().request.as_ref().unwrap().dry_run);
    assert_eq!(report.planned.upload, 2);
    assert_eq!(report.committed, None);
    assert!(report.dry_run && report.is_complete());
    let sizes: u64 = closure.paths.iter().map(|p| p.info.nar_size).sum();
    assert_eq!(report.planned.upload_bytes, sizes);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_received_is_only_committed() {
    let store = two();
    let server = TestServer::start().await;
    push_whole(&server, &store.closure()).await;
    server.content().slice.clear();
    server.content().seen.clear();
    let (report, _) = push(&server, &store.closure()).await;
    assert_eq!(report.unwrap().planned.received, 2);
    assert_eq!(server.requests(), ["POST ", "POST /commit"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_does_not_fit_is_refused() {
    let store = two();
    let spoils: [fn(&mut fh_api::PushPlan); 8] = [
        |plan| plan.paths.truncate(1),
        |plan| plan.paths.swap(0, 1),
        |plan| plan.uploads.truncate(1),
        |plan| plan.uploads[0].nar_hash = "0".repeat(52),
        |plan| plan.uploads[0].nar_hash = "\u{1b}[31m".to_owned(),
        |plan| plan.id = None,
        |plan| plan.limits.part_size = 0,
        |plan| plan.limits.part_size = u64::MAX,
    ];
    for (index, spoil) in spoils.into_iter().enumerate() {
        let server = TestServer::start().await;
        server.spoil_plans(spoil);
        let (result, _) = push(&server, &store.closure()).await;
        let error = result.unwrap_err();
        assert!(
            matches!(error, Error::InvalidPlan { .. }),
            "{index}: {error}"
        );
        assert!(!error.to_string().contains('\u{1b}'));
        assert_eq!(server.requests(), ["POST "], "{index}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nar_beyond_the_limit_is_named_and_the_rest_goes_on() {
    let store = two();
    let server = TestServer::start().await;
    server.spoil_plans(|plan| plan.limits.nar_size = 100_000);
    let (report, heard) = push(&server, &store.closure()).await;
    let report = report.unwrap();
    assert_eq!(report.failed.len(), 1);
    assert_eq!(report.failed[0].path.name(), "large");
    assert_eq!(
        report.failed[0].reason,
        "its NAR has 500112 bytes, and the server takes 100000 at most"
    );
    assert_eq!(heard.failed, ["large"]);
    assert_eq!(heard.finished, ["small"]);
    assert_eq!(server.count("POST /commit"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_given_and_bad_levels_are_refused_before_anything_is_asked() {
    let mut store = two();
    let server = TestServer::start().await;
    let options = PushOptions {
        compression_level: 20,
        ..PushOptions::default()
    };
    let closure = store.closure();
    let error = push_with(
        &client(&server),
        &flake(),
        &closure,
        &options,
        Arc::new(NoObserver),
    )
    .await
    .unwrap_err();
    assert!(matches!(error, Error::CompressionLevel { given: 20, .. }));
    for path in closure.paths {
        store.make_context(&path.info.path);
    }
    let error = push(&server, &store.closure()).await.0.unwrap_err();
    assert!(matches!(error, Error::NothingGiven));
    assert!(server.requests().is_empty());
}
