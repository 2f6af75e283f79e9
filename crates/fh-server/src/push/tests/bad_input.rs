//! What is refused, with a sentence that names it, and what nothing is left of afterwards.

use std::convert::Infallible;

use axum::body::Body;
use bytes::Bytes;
use fh_api::BatchAnswer;
use futures_util::stream;
use http::Method;

use super::{BATCHED, Item, Scene, batch_body, compress, nar_of, noise, request};

/// A body that breaks off after these pieces.
fn broken(pieces: Vec<Vec<u8>>) -> Body {
    let pieces = pieces.into_iter().map(|piece| Ok(Bytes::from(piece)));
    let end = std::iter::once(Err(std::io::Error::other("the line is cut")));
    Body::from_stream(stream::iter(pieces.chain(end)))
}

#[tokio::test]
async fn records_that_are_not_what_they_say_are_named_and_the_others_count() {
    let scene = Scene::new().await;
    let good = Item::new("good", b"good");
    let other = Item::new("other", b"other");
    let cut = Item::new("cut", b"cut");
    let plain = Item::new("plain", b"plain");
    let bomb = Item::new("bomb", &noise(9, 900));
    let mut no_nar = Item::new("no-nar", b"");
    no_nar.nar = b"this is no archive, but hashes as it should".to_vec();
    no_nar.info.nar_hash = no_nar.nar_hash().to_sri();
    no_nar.info.nar_size = no_nar.nar.len() as u64;
    let large = Item::new("large", &noise(1, usize::try_from(BATCHED).unwrap()));
    let stranger = Item::new("stranger", b"stranger");

    let items = [&good, &other, &cut, &plain, &bomb, &no_nar, &large];
    let id = scene.plan(&items).await.id.unwrap();
    let records = [
        (other.nar_hash(), compress(&nar_of(b"orher"))),
        (cut.nar_hash(), cut.compressed()[..20].to_vec()),
        (plain.nar_hash(), plain.nar.clone()),
        (bomb.nar_hash(), compress(&vec![0; 50 << 20])),
        (no_nar.nar_hash(), no_nar.compressed()),
        (large.nar_hash(), large.compressed()),
        (stranger.nar_hash(), stranger.compressed()),
        (good.nar_hash(), good.compressed()),
        (good.nar_hash(), good.compressed()),
    ];
    let answer: BatchAnswer = scene
        .batch_answer("acme/app", &scene.ann, id, batch_body(&records))
        .await
        .expect(200)
        .json();
    let expected = [
        Some("its hash is sha256:"),
        Some("ends in the middle of a zstd frame"),
        Some("other than a zstd frame"),
        Some("decompresses to more than the"),
        Some("invalid NAR at byte 0"),
        Some("are sent in parts"),
        Some("not one that the push's plan asks for"),
        None,
        Some("in the batch already"),
    ];
    assert_eq!(answer.nars.len(), expected.len());
    for ((nar, (hash, _)), expected) in answer.nars.iter().zip(&records).zip(expected) {
        assert_eq!(nar.nar_hash, hash.to_base32());
        let message = nar
            .rejected
            .as_ref()
            .map(|rejected| rejected.message.as_str());
        match (message, expected) {
            (None, None) => {}
            (Some(message), Some(expected)) => assert!(message.contains(expected), "{message}"),
            unexpected => panic!("{unexpected:?}"),
        }
    }
    // One object, and nothing on the way to be one.
    let directory = &good.nar_name()[..2];
    assert_eq!(
        scene.files(),
        [format!("nar/{directory}/{}.nar.zst", good.nar_name())]
    );
    let missing = scene.commit_answer(id).await.expect(409).message();
    assert!(missing.contains("6 of the push's paths"), "{missing}");
    assert!(scene.narinfo("", &good, &scene.ann).await.is_none());
}

#[tokio::test]
async fn a_batch_that_breaks_off_loses_one_record() {
    let scene = Scene::new().await;
    let (one, two) = (Item::new("one", b"1"), Item::new("two", b"2"));
    for (name, whole) in [("cut", true), ("broken", false)] {
        let id = scene.plan(&[&one, &two]).await.id;
        let Some(id) = id else {
            panic!("{name}: nothing to send")
        };
        let records = [
            (one.nar_hash(), one.compressed()),
            (two.nar_hash(), two.compressed()),
        ];
        let mut body = batch_body(&records);
        body.truncate(body.len() - 3);
        let body = if whole {
            Body::from(body)
        } else {
            broken(vec![body])
        };
        let answer = scene.batch_answer("acme/app", &scene.ann, id, body).await;
        let message = answer.expect(400).message();
        let expected = if whole {
            "middle of a record"
        } else {
            "the body is incomplete"
        };
        assert!(message.contains(expected), "{message}");
        // The first one is there: a new plan knows it.
        let plan = scene.plan(&[&one, &two]).await;
        assert_eq!(plan.uploads.len(), 1);
        assert_eq!(plan.uploads[0].nar_hash, two.nar_name());
        assert_eq!(scene.files().len(), 1);
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_whether_or_not_it_says_so() {
    let scene = Scene::new().await;
    let item = Item::new("x", &noise(1, 100_000));
    let id = scene.plan(&[&item]).await.id.unwrap();
    let limit = 1 << 20;
    let large = noise(2, limit + 1);
    let answer = scene.part_answer(id, &item, 0, large.clone()).await;
    assert!(answer.expect(413).message().contains("1048576 bytes"));
    let pieces: Vec<Result<Bytes, Infallible>> = large
        .chunks(10_000)
        .map(|piece| Ok(Bytes::copy_from_slice(piece)))
        .collect();
    let unannounced = || Body::from_stream(stream::iter(pieces.clone()));
    // One that does not say so is not read that far.
    let answer = scene.part_answer(id, &item, 0, unannounced()).await;
    let message = answer.expect(422).message();
    assert!(
        message.contains("it has more than 67584 bytes"),
        "{message}"
    );
    scene
        .batch_answer("acme/app", &scene.ann, id, unannounced())
        .await
        .expect(400);
    // A record that says it is longer than any body.
    let mut body = item.nar_hash().as_bytes().to_vec();
    body.extend_from_slice(&(u64::MAX / 2).to_le_bytes());
    let answer = scene.batch_answer("acme/app", &scene.ann, id, body).await;
    assert!(answer.expect(400).message().contains(&item.nar_name()));
    // And a plan.
    let mut wanted = request(&[]);
    wanted.skip_signed_by = vec!["x".repeat(31 << 20)];
    scene
        .plan_answer("acme/app", &scene.ann, &wanted)
        .await
        .expect(413);
    scene.part(id, &item, 0).await;
}

#[tokio::test]
async fn a_batch_of_strangers_is_not_listened_to_for_long() {
    let scene = Scene::new().await;
    let item = Item::new("x", b"x");
    let id = scene.plan(&[&item]).await.id.unwrap();
    let mut records = vec![(item.nar_hash(), item.compressed())];
    for index in 0..5000_u64 {
        records.push((fh_nix::NarHash::of(&index.to_le_bytes()), Vec::new()));
    }
    let body = batch_body(&records);
    let answer = scene.batch_answer("acme/app", &scene.ann, id, body).await;
    assert!(
        answer
            .expect(400)
            .message()
            .contains("more than 100 records")
    );
    assert!(scene.plan(&[&item]).await.uploads.is_empty());
}

#[tokio::test]
async fn a_plan_names_the_path_and_the_field() {
    let scene = Scene::new().await;
    let good = Item::new("good", b"good");
    let missing = Item::new("missing", b"missing");
    let unmet = Item::new("unmet", b"unmet").referring_to(&missing);
    let message = scene
        .plan_answer("acme/app", &scene.ann, &request(&[&good, &unmet]))
        .await
        .expect(400)
        .message();
    assert!(
        message.contains(&unmet.base) && message.contains(&missing.base),
        "{message}"
    );
    assert!(message.contains("acme/app"), "{message}");

    type Spoil = fn(&mut fh_api::PushPath);
    let cases: [(Spoil, &str); 6] = [
        (
            |path| path.path = format!("/gnu/store/{}", path.path),
            "/nix/store",
        ),
        (
            |path| path.path = format!("/nix/store/../{}", path.path),
            "not a store path",
        ),
        (|path| path.path.push_str("\nURL: x"), "not a store path"),
        (|path| path.deriver = Some("x\ny".to_owned()), "deriver"),
        (
            |path| path.nar_size = 5 << 20,
            "nar_size: 5242880 bytes are more than",
        ),
        (|path| path.nar_size = 0, "nar_size"),
    ];
    for (spoil, expected) in cases {
        let mut bad = good.clone();
        spoil(&mut bad.info);
        let answer = scene
            .plan_answer("acme/app", &scene.ann, &request(&[&bad]))
            .await;
        let message = answer.expect(400).message();
        assert!(
            message.contains(expected) && !message.contains('\n'),
            "{message}"
        );
    }
    let text = serde_json::json!({ "paths": [{ "path": good.base, "nar_hash": 5 }] });
    let answer = scene
        .server
        .post("/api/v1/flakes/acme/app/pushes", &scene.ann, text)
        .await;
    assert!(answer.expect(400).message().contains("paths[0].nar_hash"));
    assert!(scene.files().is_empty());
}

#[tokio::test]
async fn a_size_that_is_not_the_nars_is_refused_wherever_it_is_noticed() {
    let scene = Scene::new().await;
    let item = Item::new("x", b"content");
    scene
        .server
        .flake("acme/other", "private", &scene.ann)
        .await;
    let mut lying = item.clone();
    lying.info.nar_size += 8;
    // While it comes in.
    let id = scene.plan(&[&lying]).await.id.unwrap();
    let answer = scene.batch(id, &[&item]).await;
    let message = &answer.nars[0].rejected.as_ref().unwrap().message;
    assert!(
        message.contains("decompresses to 120 bytes, but 128 were announced"),
        "{message}"
    );
    // When it would be linked.
    scene.push_as("acme/other", &scene.ann, &[&item]).await;
    let answer = scene
        .plan_answer("acme/app", &scene.ann, &request(&[&lying]))
        .await;
    assert!(answer.expect(400).message().contains("nar_size"));
}

#[tokio::test]
async fn addresses_that_name_nothing_are_not_found() {
    let scene = Scene::new().await;
    let item = Item::new("x", b"x");
    let unknown = scene
        .plan_answer("acme/nothing", &scene.ann, &request(&[&item]))
        .await
        .expect(404);
    for flake in [
        "nobody/app",
        "acme/..",
        "../acme",
        "acme/%2e%2e",
        "acme/a%0ab",
    ] {
        let answer = scene
            .plan_answer(flake, &scene.ann, &request(&[&item]))
            .await;
        assert_eq!(answer.fingerprint(), unknown.fingerprint(), "{flake}");
    }
    let id = scene.plan(&[&item]).await.id.unwrap();
    for path in [
        format!(
            "/api/v1/flakes/acme/app/pushes/{}/commit",
            uuid::Uuid::nil()
        ),
        "/api/v1/flakes/acme/app/pushes/x/commit".to_owned(),
        format!("/api/v1/flakes/acme/app/pushes/{id}/../commit"),
    ] {
        let answer = scene
            .server
            .call(Method::POST, &path, &scene.ann, None)
            .await;
        assert_eq!(answer.fingerprint(), unknown.fingerprint(), "{path}");
    }
    for (name, status) in [("x", 400), ("../../../etc/passwd", 404)] {
        let path = format!("/api/v1/flakes/acme/app/pushes/{id}/nars/{name}/parts/0");
        let answer = scene.send(Method::PUT, &path, &scene.ann, "a/b", "x").await;
        assert_eq!(answer.status, status);
    }
    let path = format!("/api/v1/flakes/acme/app/pushes/{id}/nars");
    let answer = scene
        .send(Method::POST, &path, &scene.ann, "text/plain", "x")
        .await;
    assert!(answer.expect(400).message().contains("nar-batch"));
}

/// A few bytes of content, and what somebody makes of them who wants the server to store and to send much.
#[tokio::test]
async fn little_content_is_not_stored_as_much() {
    let scene = Scene::new().await;
    let item = Item::new("x", &noise(1, 300));
    let whole = item.compressed();
    let empty = compress(b"");
    let beside = |frames: usize| [whole.clone(), empty.repeat(frames)].concat();
    let single: Vec<u8> = item.nar.chunks(1).flat_map(compress).collect();
    // One frame of blocks that hold nothing: its header without the size of its content, then blocks that are not
    // the last one, raw, of no bytes.
    let mut blocks = vec![0x28, 0xB5, 0x2F, 0xFD, 0x00, 0x58];
    blocks.extend([0; 3].repeat(2000));
    let length = u32::try_from(item.nar.len()).unwrap();
    blocks.extend(&((length << 3) | 1).to_le_bytes()[..3]);
    blocks.extend(&item.nar);
    assert_eq!(zstd::decode_all(&blocks[..]).unwrap(), item.nar);
    for (name, bytes, told) in [
        ("one empty frame", beside(1), "empty zstd frame"),
        ("megabytes of them", beside(20_000), "of content need"),
        (
            "an empty one before",
            [empty.clone(), whole.clone()].concat(),
            "empty zstd frame",
        ),
        ("a frame for each byte", single, "of content need"),
        ("empty blocks", blocks, "of content need"),
    ] {
        let id = scene.plan(&[&item]).await.id.unwrap();
        let body = batch_body(&[(item.nar_hash(), bytes)]);
        let answer = scene.batch_answer("acme/app", &scene.ann, id, body).await;
        let answer: fh_api::BatchAnswer = answer.expect(200).json();
        let message = answer.nars[0]
            .rejected
            .as_ref()
            .expect(name)
            .message
            .clone();
        assert!(message.contains(told), "{name}: {message}");
        assert!(scene.files().is_empty(), "{name}");
    }

    // The same in parts, where a part that is early is spooled.
    let large = Item::new("large", &noise(2, 200_000));
    let id = scene.plan(&[&large]).await.id.unwrap();
    let parts = large.parts();
    let padded = [parts[0].clone(), empty.clone()].concat();
    let answer = scene.part_answer(id, &large, 0, padded).await;
    let message = answer.expect(422).message();
    assert!(message.contains("empty zstd frame"), "{message}");
    for number in [0, 1] {
        let padded = [parts[number].clone(), empty.repeat(20_000)].concat();
        let answer = scene.part_answer(id, &large, number as u64, padded).await;
        let message = answer.expect(422).message();
        assert!(message.contains("it has more than"), "{message}");
        assert!(scene.files().is_empty());
    }
    scene.part(id, &large, 0).await;
}
