//! Large NARs in parts: order, resuming, faults, and several at once.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use fh_api::PathStatus;
use futures_util::{StreamExt as _, stream};
use proptest::prelude::*;

use super::{Item, PART, Scene, compress, noise, statuses};

/// A path of several parts, the last one short.
fn large(name: &str) -> Item {
    Item::new(name, &noise(name.len() as u64, 5 * 65_536 + 1000))
}

/// The file of received parts.
fn parts_file(scene: &Scene) -> std::path::PathBuf {
    let root = scene.server.directory.path().join("data/objects");
    let files = scene.files();
    let mut parts = files.iter().filter(|name| name.ends_with(".parts"));
    let found = root.join(parts.next().expect("there are received parts"));
    assert!(parts.next().is_none());
    found
}

#[tokio::test]
async fn parts_make_a_nar() {
    let scene = Scene::new().await;
    let item = large("large");
    let plan = scene.plan(&[&item]).await;
    assert_eq!(plan.uploads[0].parts_received, 0);
    let id = plan.id.unwrap();
    let count = item.parts().len() as u64;
    assert_eq!(count, fh_api::part_count(item.info.nar_size, PART));
    for number in 0..count {
        let answer = scene.part(id, &item, number).await;
        assert_eq!(answer.parts_received, number + 1);
        assert_eq!(answer.complete, number + 1 == count);
    }
    // A part that is sent again is fine, also when all is there.
    assert!(scene.part(id, &item, 0).await.complete);
    let summary = scene.commit(id).await;
    assert_eq!(summary.file_size, item.parts().concat().len() as u64);
    assert_eq!(scene.nar(&item, &scene.ann).await.unwrap(), item.nar);
    assert_eq!(scene.files().len(), 1);
}

#[tokio::test]
async fn a_part_waits_for_its_predecessors() {
    let scene = Scene::new().await;
    let item = large("large");
    let id = scene.plan(&[&item]).await.id.unwrap();
    let count = item.parts().len() as u64;
    // All at once, the last one first.
    let requests = (0..count).rev().map(|number| scene.part(id, &item, number));
    let answers = futures_util::future::join_all(requests).await;
    assert!(answers[0].complete);
    assert_eq!(scene.commit(id).await.added, 1);
    assert_eq!(scene.nar(&item, &scene.ann).await.unwrap(), item.nar);
}

#[tokio::test]
async fn early_parts_are_taken_off_a_shared_connection() {
    let scene = Scene::new().await;
    let item = large("large");
    let id = scene.plan(&[&item]).await.id.unwrap();
    let parts = item.parts();
    let (sent, mut taken) = tokio::sync::mpsc::unbounded_channel();
    // Each tells when its last byte was asked for, and the first is sent only after all others.
    let early = (1..parts.len()).map(|number| {
        let pieces: Vec<_> = parts[number]
            .chunks(5000)
            .map(Bytes::copy_from_slice)
            .collect();
        let sent = sent.clone();
        let end = stream::once(async move {
            sent.send(number).unwrap();
            Ok::<_, std::io::Error>(Bytes::new())
        });
        let body = Body::from_stream(stream::iter(pieces).map(Ok).chain(end));
        scene.part_answer(id, &item, number as u64, body)
    });
    let first = async {
        for _ in 1..parts.len() {
            taken.recv().await.unwrap();
        }
        scene.part(id, &item, 0).await
    };
    let (early, first) = tokio::join!(futures_util::future::join_all(early), first);
    assert!(first.parts_received >= 1);
    for answer in early {
        answer.expect(200);
    }
    assert_eq!(scene.commit(id).await.added, 1);
    assert_eq!(scene.nar(&item, &scene.ann).await.unwrap(), item.nar);
    assert_eq!(scene.files().len(), 1);
}

#[tokio::test]
async fn a_part_whose_predecessor_does_not_come_is_sent_away() {
    let scene = Scene::new().await;
    let item = large("large");
    let id = scene.plan(&[&item]).await.id.unwrap();
    scene.part(id, &item, 0).await;
    let body = item.parts()[3].clone();
    let message = scene
        .part_answer(id, &item, 3, body)
        .await
        .expect(409)
        .message();
    assert!(
        message.contains("part 3") && message.contains("has 1 parts"),
        "{message}"
    );
    scene.part(id, &item, 1).await;
    let message = scene
        .part_answer(id, &item, 99, "x")
        .await
        .expect(400)
        .message();
    assert!(message.contains("no part 99"), "{message}");
}

#[tokio::test]
async fn a_bad_part_leaves_no_trace() {
    let scene = Scene::new().await;
    let item = large("large");
    let id = scene.plan(&[&item]).await.id.unwrap();
    scene.part(id, &item, 0).await;
    let parts = item.parts();
    let short = usize::try_from(PART).unwrap() - 1;
    let plain = noise(9, 1000);
    for (body, expected) in [
        (
            parts[1][..parts[1].len() - 1].to_vec(),
            "middle of a zstd frame",
        ),
        (
            compress(&noise(9, short)),
            "decompresses to 65535 bytes, but this part must have 65536",
        ),
        (parts[1..3].concat(), "this part must have 65536"),
        (compress(&vec![0; 100 << 20]), "this part must have 65536"),
        (plain, "other than a zstd frame"),
        (Vec::new(), "decompresses to 0 bytes"),
    ] {
        let answer = scene.part_answer(id, &item, 1, body).await;
        let message = answer.expect(422).message();
        assert!(message.starts_with("part 1 of the NAR of "), "{message}");
        assert!(message.contains(expected), "{message}");
    }
    let pieces = vec![
        Ok(Bytes::from(parts[1][..5000].to_vec())),
        Err(std::io::Error::other("cut")),
    ];
    let cut = Body::from_stream(stream::iter(pieces));
    scene.part_answer(id, &item, 1, cut).await.expect(400);
    for number in 1..parts.len() as u64 {
        scene.part(id, &item, number).await;
    }
    assert_eq!(scene.commit(id).await.added, 1);
    assert_eq!(scene.nar(&item, &scene.ann).await.unwrap(), item.nar);
}

#[tokio::test]
async fn a_whole_that_is_another_nar_is_refused_and_begun_again() {
    let scene = Scene::new().await;
    let item = large("large");
    let mut other = item.clone();
    let last = other.nar.len() - 100;
    other.nar[last] ^= 1;
    let id = scene.plan(&[&item]).await.id.unwrap();
    let parts = other.parts();
    let count = parts.len() as u64;
    for number in 0..count - 1 {
        scene.part(id, &item, number).await;
    }
    let answer = scene
        .part_answer(id, &item, count - 1, parts[parts.len() - 1].clone())
        .await;
    let message = answer.expect(422).message();
    assert!(
        message.contains(&item.base) && message.contains("its hash is sha256:"),
        "{message}"
    );
    assert!(scene.files().is_empty());
    scene.commit_answer(id).await.expect(409);
    let plan = scene.plan(&[&item]).await;
    assert_eq!(plan.uploads[0].parts_received, 0);
    for number in 0..count {
        scene.part(id, &item, number).await;
    }
    assert_eq!(scene.commit(id).await.added, 1);
}

#[tokio::test]
async fn a_bad_early_part_of_the_right_size_is_thrown_away_when_it_is_found() {
    let scene = Scene::new().await;
    let item = large("large");
    // The beginning of another NAR, whose only file ends with the part: with what follows it is none.
    let size = usize::try_from(PART).unwrap();
    let bad = &Item::new("other", &noise(8, size - 96)).nar[..size];
    let id = scene.plan(&[&item]).await.id.unwrap();
    let answer = scene.part_answer(id, &item, 0, compress(bad)).await;
    answer.expect(200);
    // Also after a restart, of what lies in the file.
    let scene = scene.restarted().await;
    let answer = scene.part_answer(id, &item, 1, item.parts()[1].clone());
    let message = answer.await.expect(422).message();
    assert!(message.contains("invalid NAR"), "{message}");
    assert!(scene.files().is_empty());
    let plan = scene.plan(&[&item]).await;
    assert_eq!(plan.uploads[0].parts_received, 0);
    for number in 0..item.parts().len() as u64 {
        scene.part(id, &item, number).await;
    }
    assert_eq!(scene.commit(id).await.added, 1);
    assert_eq!(scene.nar(&item, &scene.ann).await.unwrap(), item.nar);
}

#[tokio::test]
async fn who_waits_behind_a_bad_part_is_told_to_plan_again() {
    let scene = Scene::new().await;
    let item = large("large");
    let size = usize::try_from(PART).unwrap();
    let bad = &Item::new("other", &noise(8, size - 96)).nar[..size];
    let id = scene.plan(&[&item]).await.id.unwrap();
    scene
        .part_answer(id, &item, 0, compress(bad))
        .await
        .expect(200);
    let parts = item.parts();
    let (second, third) = tokio::join!(
        async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            scene.part_answer(id, &item, 1, parts[1].clone()).await
        },
        scene.part_answer(id, &item, 2, parts[2].clone()),
    );
    second.expect(422);
    // Not that it waited too long, which is a 409 as well.
    let message = third.expect(409).message();
    assert!(message.contains("earlier parts of"), "{message}");
    assert!(message.contains("plan the push again"), "{message}");
}

#[tokio::test]
async fn what_is_no_archive_is_refused_at_the_part_where_it_shows() {
    let scene = Scene::new().await;
    let mut item = large("large");
    item.nar[3] = 7;
    item.info.nar_hash = item.nar_hash().to_sri();
    let id = scene.plan(&[&item]).await.id.unwrap();
    let answer = scene
        .part_answer(id, &item, 0, item.parts()[0].clone())
        .await;
    assert!(answer.expect(422).message().contains("invalid NAR"));
}

#[tokio::test]
async fn an_upload_resumes_after_a_restart_and_whatever_was_torn() {
    let item = large("large");
    let parts = item.parts();
    let end_of_two = parts[0].len() + parts[1].len();
    // What the file looks like after the crash, and how many parts of it count.
    type Tear = fn(&mut Vec<u8>, usize);
    let tear: [(&str, Tear, u64); 6] = [
        ("whole", |_, _| {}, 3),
        (
            "cut in the third part",
            |file, end| file.truncate(end + 10),
            2,
        ),
        (
            "cut at the end of the second",
            |file, end| file.truncate(end),
            2,
        ),
        ("zeros at the end", |file, _| file.extend([0; 5000]), 3),
        (
            "a hole in the second part",
            |file, end| file[end - 3000..end].fill(0),
            1,
        ),
        ("nothing", |file, _| file.clear(), 0),
    ];
    for (name, tear, counted) in tear {
        let scene = Scene::new().await;
        let id = scene.plan(&[&item]).await.id.unwrap();
        for number in 0..3 {
            scene.part(id, &item, number).await;
        }
        let path = parts_file(&scene);
        let mut file = std::fs::read(&path).unwrap();
        tear(&mut file, end_of_two);
        std::fs::write(&path, file).unwrap();
        let scene = scene.restarted().await;
        let plan = scene.plan(&[&item]).await;
        assert_eq!(plan.uploads[0].parts_received, counted, "{name}");
        for number in counted..parts.len() as u64 {
            // At another level than before.
            let start = usize::try_from(number * PART).unwrap();
            let end = (start + usize::try_from(PART).unwrap()).min(item.nar.len());
            let body = zstd::bulk::compress(&item.nar[start..end], 9).unwrap();
            scene.part_answer(id, &item, number, body).await.expect(200);
        }
        assert_eq!(scene.commit(id).await.added, 1, "{name}");
        assert_eq!(
            scene.nar(&item, &scene.ann).await.unwrap(),
            item.nar,
            "{name}"
        );
    }
}

#[tokio::test]
async fn all_parts_without_a_row_ask_for_the_last_one_again() {
    let scene = Scene::new().await;
    let item = large("large");
    let parts = item.parts();
    let id = scene.plan(&[&item]).await.id.unwrap();
    scene.part(id, &item, 0).await;
    // As if the server had died after the last part was written, and before it was an object.
    std::fs::write(parts_file(&scene), parts.concat()).unwrap();
    let scene = scene.restarted().await;
    let plan = scene.plan(&[&item]).await;
    let last = parts.len() as u64 - 1;
    assert_eq!(plan.uploads[0].parts_received, last);
    assert!(scene.part(id, &item, last).await.complete);
    assert_eq!(scene.commit(id).await.added, 1);
}

#[tokio::test]
async fn two_pushes_of_one_nar_do_not_harm_each_other() {
    let scene = Scene::new().await;
    let item = large("large");
    let count = item.parts().len() as u64;
    let one = scene.plan(&[&item]).await.id.unwrap();
    let two = scene.plan(&[&item]).await.id.unwrap();
    let push = async |id| {
        for number in 0..count {
            scene.part(id, &item, number).await;
        }
        scene.commit(id).await
    };
    let (first, second) = tokio::join!(push(one), push(two));
    assert_eq!(first.added + second.added, 1);
    assert_eq!(scene.nar(&item, &scene.ann).await.unwrap(), item.nar);
    assert_eq!(scene.files().len(), 1);
}

#[tokio::test]
async fn a_stalled_part_gives_way() {
    let scene = Scene::new().await;
    let item = large("large");
    let id = scene.plan(&[&item]).await.id.unwrap();
    let part = item.parts()[0].clone();
    let half = Bytes::from(part[..1000].to_vec());
    // The connections' own guard ends a body that stalls; here the body ends by itself.
    let stalled = stream::iter([Ok(half)]).chain(stream::once(async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        Err(std::io::Error::other("stalled"))
    }));
    let (slow, quick) = tokio::join!(
        scene.part_answer(id, &item, 0, Body::from_stream(stalled)),
        async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            scene.part(id, &item, 0).await
        }
    );
    slow.expect(400);
    assert_eq!(quick.parts_received, 1);
}

#[tokio::test]
async fn a_nar_that_came_in_parts_counts_for_the_next_plan() {
    let scene = Scene::new().await;
    let (item, small) = (large("large"), Item::new("small", b"small"));
    let id = scene.plan(&[&item, &small]).await.id.unwrap();
    for number in 0..item.parts().len() as u64 {
        scene.part(id, &item, number).await;
    }
    let plan = scene.restarted().await.plan(&[&item, &small]).await;
    assert_eq!(statuses(&plan), [PathStatus::Received, PathStatus::Upload]);
}

#[tokio::test]
async fn twenty_pushes_of_overlapping_paths_at_once() {
    let scene = Scene::new().await;
    let items: Vec<Item> = (0..12)
        .map(|index| Item::new(&format!("item-{index}"), &noise(index, 1000)))
        .collect();
    let shared = large("shared");
    let push = async |number: usize| {
        let mut wanted: Vec<&Item> = items.iter().skip(number % 6).take(6).collect();
        wanted.push(&shared);
        let plan = scene.plan(&wanted).await;
        let Some(id) = plan.id else {
            return plan.committed.unwrap().added;
        };
        let small: Vec<&Item> = wanted[..6].to_vec();
        scene.batch(id, &small).await;
        for number in 0..shared.parts().len() as u64 {
            scene.part(id, &shared, number).await;
        }
        scene.commit(id).await.added
    };
    let added = futures_util::future::join_all((0..20).map(push)).await;
    // Items 0 to 10 are in one of the pushes, and the shared one: each was added once.
    assert_eq!(added.iter().sum::<u64>(), 12);
    assert_eq!(scene.files().len(), 12);
    for item in items.iter().take(11).chain([&shared]) {
        assert_eq!(scene.nar(item, &scene.ann).await.unwrap(), item.nar);
    }
}

/// One thing that happens to an upload.
#[derive(Debug, Clone)]
enum Step {
    /// The part is sent, cut into bodies' pieces of that size.
    Send { part: u64, piece: usize },
    /// The part is sent, and the line is cut after that share of it.
    Cut {
        part: u64,
        share: prop::sample::Index,
    },
    /// The server is started again.
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..3_u64, 1_usize..70_000).prop_map(|(part, piece)| Step::Send { part, piece }),
        2 => (0..3_u64, any::<prop::sample::Index>())
            .prop_map(|(part, share)| Step::Cut { part, share }),
        1 => Just(Step::Restart),
    ];
    proptest::collection::vec(step, 0..10)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever happens before, what is sent in the end is what is stored.
    #[test]
    fn any_history_ends_in_the_same_object(steps in steps()) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let mut scene = Scene::new().await;
            let item = Item::new("three", &noise(3, 2 * 65_536 + 5));
            let parts = item.parts();
            let id = scene.plan(&[&item]).await.id.unwrap();
            let mut received = 0;
            for step in steps {
                match step {
                    Step::Restart => scene = scene.restarted().await,
                    Step::Cut { part, share } if part <= received => {
                        let whole = &parts[usize::try_from(part).unwrap()];
                        let cut = share.index(whole.len());
                        let pieces = vec![
                            Ok(Bytes::copy_from_slice(&whole[..cut])),
                            Err(std::io::Error::other("cut")),
                        ];
                        let body = Body::from_stream(stream::iter(pieces));
                        let answer = scene.part_answer(id, &item, part, body).await;
                        let past = part < received || received == 3;
                        assert_eq!(answer.status, if past { 200 } else { 400 });
                    }
                    Step::Send { part, piece } if part <= received => {
                        let whole = &parts[usize::try_from(part).unwrap()];
                        let pieces: Vec<std::io::Result<Bytes>> = whole
                            .chunks(piece)
                            .map(|piece| Ok(Bytes::copy_from_slice(piece)))
                            .collect();
                        let body = Body::from_stream(stream::iter(pieces));
                        let answer = scene.part_answer(id, &item, part, body).await;
                        let answer: fh_api::PartAnswer = answer.expect(200).json();
                        received = received.max(part + 1);
                        assert_eq!(answer.parts_received, received);
                        assert_eq!(answer.complete, received == 3);
                    }
                    // It would wait for its predecessors.
                    Step::Cut { .. } | Step::Send { .. } => {}
                }
            }
            let plan = scene.plan(&[&item]).await;
            if received == 3 {
                assert!(plan.committed.is_some_and(|summary| summary.added == 1));
            } else {
                assert_eq!(plan.uploads[0].parts_received, received);
                for number in received..3 {
                    scene.part(id, &item, number).await;
                }
                assert_eq!(scene.commit(id).await.added, 1);
            }
            assert_eq!(scene.nar(&item, &scene.ann).await.unwrap(), item.nar);
        });
    }
}
