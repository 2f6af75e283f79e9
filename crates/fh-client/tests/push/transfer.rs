//! What goes over the line when all is well.

use fh_api::NAR_BATCH_MEDIA_TYPE;
use zstd::zstd_safe::{find_frame_compressed_size, get_frame_content_size};

use super::server::{LIMITS, TestServer};
use super::store::{TestStore, noise, prose};
use super::{Heard, push, push_whole};

/// A closure of all kinds of sizes, around every boundary there is.
pub(crate) fn mixed() -> TestStore {
    let mut store = TestStore::new();
    for (index, size) in [0, 1, 100, 5_000, 19_000, 19_888, 19_889]
        .into_iter()
        .enumerate()
    {
        store.add(&format!("small-{index}"), &prose(index as u64, size));
    }
    let part = usize::try_from(LIMITS.part_size).unwrap();
    for (index, size) in [
        20_000,
        part - 112,
        part - 111,
        2 * part,
        5 * part + 77,
        1_300_000,
    ]
    .into_iter()
    .enumerate()
    {
        let content = match index % 2 {
            0 => prose(index as u64, size),
            _ => noise(index as u64, size),
        };
        store.add(&format!("large-{index}"), &content);
    }
    store.add_tree(
        "tree",
        &[
            ("bin/program", &prose(91, 400_000)),
            ("share/doc/readme", b"read me"),
            ("share/empty", b""),
        ],
    );
    store
}

fn assert_heard_adds_up(heard: &Heard, store: &TestStore, server: &TestServer) {
    let total: u64 = store.closure().paths.iter().map(|p| p.info.nar_size).sum();
    let planned = heard.planned.unwrap();
    assert_eq!(planned.upload_bytes + planned.resumed_bytes, total);
    assert_eq!(heard.read, total);
    assert_eq!(heard.compressed, planned.upload_bytes);
    assert_eq!(heard.sent_nar, planned.upload_bytes);
    let content = server.content();
    let uploads = content
        .seen
        .iter()
        .filter(|seen| seen.path.starts_with("/nars"));
    let bodies: usize = uploads.map(|seen| seen.body_length).sum();
    if heard.retries == 0 {
        assert_eq!(heard.sent, bodies as u64);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closure_arrives_whole() {
    let store = mixed();
    let server = TestServer::start().await;
    let (report, heard) = push(&server, &store.closure()).await;
    let report = report.unwrap();
    assert!(report.is_complete());
    let closure = store.closure();
    for path in &closure.paths {
        let info = &path.info;
        assert_eq!(server.content().nars[&info.nar_hash], store.nar(&info.path));
    }
    assert_eq!(server.content().slice.len(), closure.paths.len());
    assert_eq!(report.uploaded, closure.paths.len() as u64);
    assert_eq!(heard.finished.len(), closure.paths.len());
    assert_eq!(report.committed, heard.committed);
    assert_eq!(heard.sent, report.sent_bytes);
    assert_eq!(heard.sent_nar, report.nar_bytes);
    assert_heard_adds_up(&heard, &store, &server);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_few_bounded_and_well_formed() {
    let store = mixed();
    let server = TestServer::start().await;
    push_whole(&server, &store.closure()).await;
    let requests = server.requests();
    assert_eq!(requests.first().unwrap(), "POST ");
    assert_eq!(requests.last().unwrap(), "POST /commit");
    assert_eq!(server.count("POST /commit"), 1);
    assert_eq!(server.count("POST /nars"), 1);
    for seen in &server.content().seen {
        assert_eq!(seen.headers["authorization"], "Bearer fh1_secret");
        let length = seen.headers["content-length"].to_str().unwrap();
        assert_eq!(length, seen.body_length.to_string(), "{}", seen.path);
        let media_type = seen
            .headers
            .get("content-type")
            .map(|t| t.to_str().unwrap());
        if seen.path == "/nars" {
            assert_eq!(media_type, Some(NAR_BATCH_MEDIA_TYPE));
        }
        if seen.path.starts_with("/nars/") {
            assert_eq!(media_type, Some("application/zstd"));
        }
        if seen.path.starts_with("/nars") {
            assert!(seen.body_length as u64 <= LIMITS.body_size);
        }
        assert!(seen.headers.get("accept-encoding").is_none());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_part_is_one_frame_that_tells_its_size_and_has_a_checksum() {
    let store = mixed();
    let server = TestServer::start().await;
    push_whole(&server, &store.closure()).await;
    let content = server.content();
    let mut sizes = 0;
    for frame in &content.frames {
        assert_eq!(find_frame_compressed_size(frame).unwrap(), frame.len());
        let size = get_frame_content_size(frame).unwrap().unwrap();
        assert!(size <= LIMITS.part_size);
        sizes += size;
        // Frame_Header_Descriptor, bit 2: Content_Checksum_flag (RFC 8878, 3.1.1.1.1).
        assert_ne!(frame[4] & 0b100, 0);
    }
    let total: u64 = store.closure().paths.iter().map(|p| p.info.nar_size).sum();
    assert_eq!(sizes, total);
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_stay_below_the_limit_of_a_body() {
    let mut store = TestStore::new();
    for index in 0..100 {
        store.add(&format!("noise-{index}"), &noise(index, 15_000));
    }
    let server = TestServer::start().await;
    push_whole(&server, &store.closure()).await;
    let content = server.content();
    let batches: Vec<usize> = content
        .seen
        .iter()
        .filter(|seen| seen.path == "/nars")
        .map(|seen| seen.body_length)
        .collect();
    // 26 of about 15 200 bytes each fit into 400 000.
    assert_eq!(batches.len(), 4, "{batches:?}");
    assert!(batches.iter().all(|&length| length <= 400_000));
    assert_eq!(content.slice.len(), 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn content_that_paths_share_is_sent_once() {
    let mut store = TestStore::new();
    let small = prose(1, 3_000);
    let large = prose(2, 700_000);
    for name in ["a", "b", "c"] {
        store.add(&format!("small-{name}"), &small);
        store.add(&format!("large-{name}"), &large);
    }
    let server = TestServer::start().await;
    let (report, heard) = push(&server, &store.closure()).await;
    let report = report.unwrap();
    assert_eq!(report.planned.upload_nars, 2);
    assert_eq!(report.planned.upload, 6);
    assert_eq!(report.uploaded, 6);
    assert_eq!(heard.finished.len(), 6);
    assert_eq!(server.count("PUT"), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_go_out_in_order_and_few_requests_are_under_way() {
    let mut store = TestStore::new();
    for index in 0..12 {
        store.add(&format!("large-{index}"), &prose(index, 1_000_000));
    }
    let server = TestServer::start().await;
    push_whole(&server, &store.closure()).await;
    assert!(server.most_under_way() <= 8, "{}", server.most_under_way());
    let mut next = std::collections::HashMap::new();
    for seen in &server.content().seen {
        if let Some((nar, number)) = seen.path.rsplit_once("/parts/") {
            // They go out in order, and may overtake each other only on their way.
            let number: usize = number.parse().unwrap();
            let arrived = next.entry(nar.to_owned()).or_insert(0);
            assert!(number < *arrived + 8, "{nar} {number}");
            *arrived += 1;
        }
    }
    assert_eq!(next.len(), 12);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incompressible_part_fits() {
    let mut store = TestStore::new();
    // In blocks of 256 KiB, a part fills one and a bit.
    store.add("noise", &noise(3, 3_000_000));
    let server = TestServer::start().await;
    let (report, _) = push(&server, &store.closure()).await;
    let report = report.unwrap();
    assert!(report.is_complete());
    assert!(report.sent_bytes > report.nar_bytes);
}
