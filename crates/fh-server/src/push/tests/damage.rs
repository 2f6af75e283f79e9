//! Objects that are lost or altered behind the server's back: over real sockets, with real files.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fh_api::PathStatus;
use fh_persistence::database::slices;
use fh_persistence::storage::NoObject;
use futures_util::StreamExt as _;

use super::{Item, Scene, batch_body, noise, request, statuses};
use crate::integrity::{Damage, Opened};
use crate::listen::{Service, Serving, Sockets};
use crate::peer::Proxies;
use crate::routes;

/// The server of a scene on a socket, for as long as this lives.
struct Online {
    _serving: Serving,
    url: String,
    client: reqwest::Client,
    token: String,
}

/// What came of a download.
#[derive(Debug, PartialEq, Eq)]
enum Download {
    /// The status, and all bytes that were announced.
    Whole(u16, Vec<u8>),
    /// It broke off after so many bytes of those announced.
    Broken(usize, usize),
}

impl Online {
    fn new(scene: &Scene) -> Self {
        let state = scene.server.state.clone();
        let settings = state.settings().clone();
        let sockets = Sockets::bind(&settings.listen, None, Vec::new()).unwrap();
        let url = sockets.public_url(false).unwrap();
        let service = Service {
            router: routes::router(state.clone()),
            certificates: None,
            limits: settings.limits,
            timeouts: settings.timeouts,
            proxies: Proxies::of(&settings),
            metrics: state.metrics().clone(),
        };
        Self {
            _serving: Serving::start(sockets, service).unwrap(),
            url: url.as_str().to_owned(),
            client: reqwest::Client::builder().no_proxy().build().unwrap(),
            token: scene.ann.clone(),
        }
    }

    async fn get(&self, path: &str, range: Option<&str>) -> Download {
        let mut request = self.client.get(format!("{}{path}", self.url));
        request = request.bearer_auth(&self.token);
        if let Some(range) = range {
            request = request.header("range", range);
        }
        let response = request.send().await.unwrap();
        read(response, |_| {}).await
    }

    async fn nar(&self, item: &Item) -> Download {
        self.get(&address(item), None).await
    }
}

fn address(item: &Item) -> String {
    format!("/nar/{}.nar.zst", item.nar_name())
}

/// Reads an answer, and does something after each piece.
async fn read(response: reqwest::Response, mut after: impl FnMut(usize)) -> Download {
    let status = response.status().as_u16();
    let announced = usize::try_from(response.content_length().unwrap()).unwrap();
    let mut bytes = Vec::new();
    let mut pieces = response.bytes_stream();
    while let Some(piece) = pieces.next().await {
        match piece {
            Ok(piece) => bytes.extend_from_slice(&piece),
            Err(_) => return Download::Broken(bytes.len(), announced),
        }
        after(bytes.len());
    }
    assert_eq!(bytes.len(), announced);
    Download::Whole(status, bytes)
}

/// A scene whose parts are large, with one large and one small NAR in `acme/app`.
async fn large(contents: usize) -> (Scene, Item) {
    let scene = Scene::with(|settings| {
        settings.limits.part_size = 8 << 20;
        settings.limits.body_size = 64 << 20;
        settings.limits.nar_size = 64 << 20;
        settings.limits.batched_nar_size = 64 << 20;
        // What breaks off here must do so for its content, however busy the machine is.
        settings.timeouts.stall = Duration::from_secs(60);
    })
    .await;
    let item = Item::new("large", &noise(77, contents));
    scene.push(&[&item]).await;
    (scene, item)
}

/// That nobody is offered an item, and that plans want it.
async fn is_gone(scene: &Scene, online: &Online, item: &Item) {
    let nothing = online.get("/nar/x.nar.zst", None).await;
    assert_eq!(online.nar(item).await, nothing);
    assert_eq!(online.get(&address(item), Some("bytes=0-0")).await, nothing);
    assert!(scene.narinfo("", item, &scene.ann).await.is_none());
    assert!(
        scene
            .narinfo("/cache/acme/app", item, &scene.ann)
            .await
            .is_none()
    );
    let mut dry = request(&[item]);
    dry.dry_run = true;
    let plan = scene.plan_answer("acme/app", &scene.ann, &dry).await;
    assert_eq!(statuses(&plan.expect(200).json()), [PathStatus::Upload]);
}

async fn is_whole(scene: &Scene, online: &Online, item: &Item) {
    let Download::Whole(200, bytes) = online.nar(item).await else {
        panic!("it is not served");
    };
    assert_eq!(zstd::decode_all(&bytes[..]).unwrap(), item.nar);
    let narinfo = scene.narinfo("", item, &scene.ann).await.unwrap();
    assert_eq!(narinfo.file_size, Some(bytes.len() as u64));
    assert_eq!(statuses(&scene.plan(&[item]).await), [PathStatus::Present]);
}

#[tokio::test]
async fn a_small_nar_that_was_altered_is_not_found_and_healed_by_the_next_push() {
    let scene = Scene::new().await;
    let online = Online::new(&scene);
    let (item, other) = (
        Item::new("x", &noise(1, 9000)),
        Item::new("y", &noise(2, 9000)),
    );
    scene.push(&[&item, &other]).await;
    type Change<'a> = &'a dyn Fn(&mut Vec<u8>);
    let changes: [(&str, Change<'_>); 5] = [
        ("first byte", &|bytes| bytes[0] ^= 0x80),
        ("last byte", &|bytes| *bytes.last_mut().unwrap() ^= 1),
        ("cut", &|bytes| bytes.truncate(bytes.len() - 1)),
        ("longer", &|bytes| bytes.push(0)),
        ("empty", &Vec::clear),
    ];
    for (name, change) in changes {
        // It was good a moment ago, and remembered as such.
        is_whole(&scene, &online, &item).await;
        scene.alter(&item, change);
        is_gone(&scene, &online, &item).await;
        is_whole(&scene, &online, &other).await;
        let summary = scene.push(&[&item]).await;
        assert_eq!(summary.paths, 1, "{name}");
        is_whole(&scene, &online, &item).await;
    }
    std::fs::remove_file(scene.object(&item)).unwrap();
    is_gone(&scene, &online, &item).await;
    scene.push(&[&item]).await;
    is_whole(&scene, &online, &item).await;
    let metrics = scene.server.state.metrics().render();
    for line in ["fh_nars_damaged_total 6", "fh_nars_healed_total 6"] {
        assert!(metrics.contains(line), "{metrics}");
    }
    // The slice holds what it held before: nothing was counted twice.
    let flake: fh_api::FlakeInfo = scene
        .server
        .get("/api/v1/flakes/acme/app", &scene.ann)
        .await
        .expect(200)
        .json();
    assert_eq!(flake.paths, 2);
}

#[tokio::test]
async fn two_files_that_were_swapped_are_both_noticed() {
    let scene = Scene::new().await;
    let online = Online::new(&scene);
    // Of one size.
    let (one, other) = (
        Item::new("x", &noise(1, 9000)),
        Item::new("y", &noise(2, 9000)),
    );
    scene.push(&[&one, &other]).await;
    let (first, second) = (scene.object(&one), scene.object(&other));
    let aside = first.with_extension("aside");
    std::fs::rename(&first, &aside).unwrap();
    std::fs::rename(&second, &first).unwrap();
    std::fs::rename(&aside, &second).unwrap();
    for item in [&one, &other] {
        is_gone(&scene, &online, item).await;
    }
    scene.push(&[&one, &other]).await;
    for item in [&one, &other] {
        is_whole(&scene, &online, item).await;
    }
}

#[tokio::test]
async fn a_large_nar_that_was_altered_breaks_off_and_is_not_found_then() {
    let (scene, item) = large(3 << 20).await;
    let online = Online::new(&scene);
    let size = item.compressed().len();
    for at in [0, size / 2, size - 1] {
        is_whole(&scene, &online, &item).await;
        scene.alter(&item, |bytes| bytes[at] ^= 1);
        let Download::Broken(got, announced) = online.nar(&item).await else {
            panic!("a damaged NAR was handed over: byte {at}");
        };
        assert_eq!(announced, size);
        assert!(got < size);
        is_gone(&scene, &online, &item).await;
        scene.push(&[&item]).await;
    }
    is_whole(&scene, &online, &item).await;
}

#[tokio::test]
async fn what_is_altered_while_it_is_read_breaks_off() {
    // More than the sockets between the two take at once.
    let (scene, item) = large(40 << 20).await;
    let online = Online::new(&scene);
    for cut in [false, true] {
        is_whole(&scene, &online, &item).await;
        let request = online
            .client
            .get(format!("{}{}", online.url, address(&item)));
        let response = request.bearer_auth(&online.token).send().await.unwrap();
        assert_eq!(response.status(), 200);
        let mut done = false;
        let download = read(response, |_| {
            if !std::mem::replace(&mut done, true) {
                scene.alter(&item, |bytes| {
                    if cut {
                        bytes.truncate(bytes.len() - 100);
                    } else {
                        *bytes.last_mut().unwrap() ^= 1;
                    }
                });
            }
        })
        .await;
        assert!(
            matches!(download, Download::Broken(..)),
            "it was handed over"
        );
        is_gone(&scene, &online, &item).await;
        scene.push(&[&item]).await;
    }
    // What is removed while it is read, is read to its end.
    let request = online
        .client
        .get(format!("{}{}", online.url, address(&item)));
    let response = request.bearer_auth(&online.token).send().await.unwrap();
    std::fs::remove_file(scene.object(&item)).unwrap();
    let Download::Whole(200, bytes) = read(response, |_| {}).await else {
        panic!("it broke off");
    };
    assert_eq!(zstd::decode_all(&bytes[..]).unwrap(), item.nar);
    is_gone(&scene, &online, &item).await;
}

#[tokio::test]
async fn ranges_are_served_of_what_is_good_as_a_whole_and_only_of_that() {
    let (scene, item) = large(1 << 20).await;
    let online = Online::new(&scene);
    let stored = item.compressed();
    let range = async |range: &str| online.get(&address(&item), Some(range)).await;
    // So old that every further change shows in its times, and it is remembered that it is good.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    // Also the first of all requests for it.
    assert_eq!(
        range("bytes=5-9").await,
        Download::Whole(206, stored[5..10].to_vec())
    );
    let row = nar_row(&scene, &item).await;
    let Opened::Good(object) = scene.server.state.integrity().open(&row).unwrap() else {
        panic!("it has its size")
    };
    assert!(scene.server.state.integrity().is_known_good(&row, &object));
    // The part that is asked for is not the one that was altered.
    scene.alter(&item, |bytes| *bytes.last_mut().unwrap() ^= 1);
    assert!(matches!(range("bytes=5-9").await, Download::Whole(404, _)));
    is_gone(&scene, &online, &item).await;
    scene.push(&[&item]).await;
    assert_eq!(
        range("bytes=-3").await,
        Download::Whole(206, stored[stored.len() - 3..].to_vec())
    );
    // With its size and its times as they were: the kernel's own time tells.
    let file = std::fs::File::options()
        .write(true)
        .open(scene.object(&item))
        .unwrap();
    let modified = file.metadata().unwrap().modified().unwrap();
    scene.alter(&item, |bytes| bytes[0] ^= 1);
    file.set_modified(modified).unwrap();
    assert!(matches!(range("bytes=5-9").await, Download::Whole(404, _)));
}

#[tokio::test]
async fn objects_of_before_there_were_checksums_are_checked_when_they_are_read_first() {
    for ask_for_a_part in [false, true] {
        let scene = Scene::new().await;
        let online = Online::new(&scene);
        let (good, bad) = (
            Item::new("x", &noise(1, 9000)),
            Item::new("y", &noise(2, 9000)),
        );
        scene.push(&[&good, &bad]).await;
        scene.forget_checksums().await;
        scene.alter(&bad, |bytes| bytes[4000] ^= 1);
        let range = ask_for_a_part.then_some("bytes=0-99");
        let expected = if ask_for_a_part { 206 } else { 200 };
        let answer = online.get(&address(&good), range).await;
        assert!(matches!(answer, Download::Whole(status, _) if status == expected));
        let answer = online.get(&address(&bad), range).await;
        assert!(matches!(answer, Download::Whole(404, _)));
        is_gone(&scene, &online, &bad).await;
        let hash = good.nar_hash();
        let nar = scene
            .server
            .state
            .database()
            .read(move |read| Ok(slices::nar_of_hash(read, &hash)?.unwrap()));
        assert!(nar.await.unwrap().checksum.is_some());
    }
}

#[tokio::test]
async fn a_push_to_another_flake_heals_what_a_slice_holds() {
    let scene = Scene::new().await;
    let online = Online::new(&scene);
    let bob = scene.server.user("bob").await;
    scene.server.organization("bobs", &bob).await;
    scene.server.flake("bobs/own", "private", &bob).await;
    let item = Item::new("x", &noise(1, 9000));
    scene.push(&[&item]).await;
    scene.alter(&item, |bytes| bytes[4000] ^= 1);
    is_gone(&scene, &online, &item).await;
    // Bob has the same path, and compresses it in his own way.
    let plan = scene
        .plan_answer("bobs/own", &bob, &request(&[&item]))
        .await;
    let plan: fh_api::PushPlan = plan.expect(201).json();
    let bytes = zstd::bulk::compress(&item.nar, 15).unwrap();
    let body = batch_body(&[(item.nar_hash(), bytes)]);
    let answer = scene.batch_answer("bobs/own", &bob, plan.id.unwrap(), body);
    answer.await.expect(200);
    is_whole(&scene, &online, &item).await;
}

#[tokio::test]
async fn a_lost_path_takes_the_content_of_a_new_build() {
    let scene = Scene::new().await;
    let online = Online::new(&scene);
    let lost = Item::new("x", &noise(1, 9000));
    scene.push(&[&lost]).await;
    // Built again, and not the same: as long as the former is there, it stays.
    let mut rebuilt = Item::new("x", &noise(2, 8000));
    scene.push(&[&rebuilt]).await;
    is_whole(&scene, &online, &lost).await;
    std::fs::remove_file(scene.object(&lost)).unwrap();
    is_gone(&scene, &online, &lost).await;
    rebuilt.info.references.clear();
    let summary = scene.push(&[&rebuilt]).await;
    assert_eq!(summary.added, 1);
    let narinfo = scene.narinfo("", &rebuilt, &scene.ann).await.unwrap();
    assert_eq!(narinfo.info.nar_hash, rebuilt.nar_hash());
    is_whole(&scene, &online, &rebuilt).await;
    let flake: fh_api::FlakeInfo = scene
        .server
        .get("/api/v1/flakes/acme/app", &scene.ann)
        .await
        .expect(200)
        .json();
    assert_eq!(flake.paths, 1);
    assert_eq!(flake.nar_size, rebuilt.info.nar_size);
}

#[tokio::test]
async fn where_one_slice_has_lost_a_path_another_one_serves_it() {
    let scene = Scene::new().await;
    scene
        .server
        .flake("acme/other", "private", &scene.ann)
        .await;
    let (first, second) = (
        Item::new("x", b"one build"),
        Item::new("x", b"another build"),
    );
    scene.push(&[&first]).await;
    scene.push_as("acme/other", &scene.ann, &[&second]).await;
    let offered = async || {
        let narinfo = scene.narinfo("", &first, &scene.ann).await.unwrap();
        narinfo.info.nar_hash
    };
    assert_eq!(offered().await, first.nar_hash());
    std::fs::remove_file(scene.object(&first)).unwrap();
    assert!(scene.nar(&first, &scene.ann).await.is_none());
    assert_eq!(offered().await, second.nar_hash());
    scene.push(&[&first]).await;
    assert_eq!(offered().await, first.nar_hash());
}

#[tokio::test]
async fn a_push_whose_nar_is_lost_before_its_commit_is_told() {
    let scene = Scene::new().await;
    let item = Item::new("x", &noise(1, 9000));
    let id = scene.plan(&[&item]).await.id.unwrap();
    scene.batch(id, &[&item]).await;
    std::fs::remove_file(scene.object(&item)).unwrap();
    let nar = nar_row(&scene, &item).await;
    let integrity = scene.server.state.integrity();
    integrity
        .report(nar, None, Damage::NoObject(NoObject::Missing))
        .await;
    let answer = scene.commit_answer(id).await.expect(409);
    assert!(
        answer.message().contains(&item.base),
        "{}",
        answer.message()
    );
    scene.push(&[&item]).await;
    assert_eq!(scene.nar(&item, &scene.ann).await.unwrap(), item.nar);
}

async fn nar_row(scene: &Scene, item: &Item) -> fh_persistence::database::nars::Nar {
    let hash = item.nar_hash();
    let row = scene.server.state.database().read(move |read| {
        let stored = fh_persistence::database::nars::stored(read, [&hash])?;
        Ok(stored[&hash])
    });
    row.await.unwrap()
}

#[tokio::test]
async fn who_is_late_does_not_mark_what_was_healed() {
    let scene = Scene::new().await;
    let item = Item::new("x", &noise(1, 9000));
    scene.push(&[&item]).await;
    scene.alter(&item, |bytes| bytes[10] ^= 1);
    let integrity = scene.server.state.integrity().clone();
    let row = nar_row(&scene, &item).await;
    // Two have seen the damage; one of them is slow.
    let Opened::Good(slow) = integrity.open(&row).unwrap() else {
        panic!("it has its size")
    };
    assert!(scene.nar(&item, &scene.ann).await.is_none());
    // The same bytes again, so that the row is as it was.
    scene.push(&[&item]).await;
    integrity
        .report(row, Some(Arc::new(slow)), Damage::Altered)
        .await;
    integrity
        .report(row, None, Damage::NoObject(NoObject::Missing))
        .await;
    assert!(!nar_row(&scene, &item).await.damaged);
    assert_eq!(scene.nar(&item, &scene.ann).await.unwrap(), item.nar);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_get_what_was_stored_or_nothing_while_it_breaks_and_heals() {
    let (scene, item) = large(1 << 20).await;
    let online = Arc::new(Online::new(&scene));
    let over = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..3)
        .map(|number| {
            let (online, over, item) = (online.clone(), over.clone(), item.clone());
            tokio::spawn(async move {
                let stored = item.compressed();
                let mut whole = 0;
                while !over.load(Ordering::SeqCst) {
                    let range = (number == 0).then_some("bytes=1000-");
                    match online.get(&address(&item), range).await {
                        Download::Whole(200, bytes) => assert_eq!(bytes, stored),
                        Download::Whole(206, bytes) => assert_eq!(bytes, stored[1000..]),
                        Download::Whole(404, _) | Download::Broken(..) => continue,
                        other => panic!("{other:?}"),
                    }
                    whole += 1;
                }
                whole
            })
        })
        .collect();
    let size = item.compressed().len();
    for round in 0..10 {
        scene.alter(&item, |bytes| bytes[round * size / 10] ^= 1);
        // Whoever comes first notices.
        while !matches!(online.nar(&item).await, Download::Whole(404, _)) {}
        scene.push(&[&item]).await;
        is_whole(&scene, &online, &item).await;
    }
    over.store(true, Ordering::SeqCst);
    for reader in readers {
        reader.await.unwrap();
    }
    assert!(!nar_row(&scene, &item).await.damaged);
}

#[tokio::test]
async fn what_is_no_file_any_more_keeps_nobody_waiting_and_is_healed() {
    let scene = Scene::new().await;
    let online = Online::new(&scene);
    let (item, other) = (
        Item::new("x", &noise(1, 9000)),
        Item::new("y", &noise(2, 9000)),
    );
    scene.push(&[&item, &other]).await;
    let make_directory = |path: &std::path::Path| {
        std::fs::create_dir(path).unwrap();
        std::fs::write(path.join("notes"), b"of a person").unwrap();
    };
    type Make<'a> = &'a dyn Fn(&std::path::Path);
    let makes: [Make<'_>; 2] = [&crate::testing::make_pipe, &make_directory];
    let listing = format!("/{}.ls", item.hash());
    for make in makes {
        // The listing first: it is made of the object, and kept beside it.
        let kept = scene
            .object(&item)
            .with_file_name(format!("{}.ls.zst", item.nar_name()));
        let _ = std::fs::remove_file(&kept);
        make(&kept);
        let patient = Duration::from_secs(20);
        let answer = tokio::time::timeout(patient, scene.server.get(&listing, &scene.ann)).await;
        answer.expect("it is not waited for").expect(200);

        std::fs::remove_file(scene.object(&item)).unwrap();
        make(&scene.object(&item));
        tokio::time::timeout(patient, is_gone(&scene, &online, &item))
            .await
            .expect("it is not waited for");
        is_whole(&scene, &online, &other).await;
        std::fs::remove_file(&kept).unwrap();
        scene.server.get(&listing, &scene.ann).await.expect(404);
        // Beside one that is good in the same batch.
        let third = Item::new("z", &noise(3, 9000));
        scene.push(&[&item, &third]).await;
        is_whole(&scene, &online, &item).await;
        is_whole(&scene, &online, &third).await;
    }
}
