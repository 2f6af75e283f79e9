//! Listings over HTTP, in process: what they say, who gets them, how they are kept and healed.

use std::time::Duration;

use axum::body::Body;
use fh_nix::NarHash;
use fh_shares::Holders;
use http::Request;
use serde_json::{Value, json};

use super::{Fault, Outcome};
use crate::push::tests::{Item, Scene, compress, noise};
use crate::testing::Answer;

/// A path that is a directory with these files, in order, and a link.
fn directory(name: &str, files: &[(&str, &[u8])]) -> Item {
    let mut item = Item::new(name, b"");
    let mut nar = Vec::new();
    let mut string = |bytes: &[u8]| {
        nar.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
        nar.extend_from_slice(bytes);
        nar.resize(nar.len().next_multiple_of(8), 0);
    };
    for word in ["nix-archive-1", "(", "type", "directory"] {
        string(word.as_bytes());
    }
    for (name, contents) in files {
        for word in ["entry", "(", "name", name, "node", "("] {
            string(word.as_bytes());
        }
        for word in ["type", "regular", "contents"] {
            string(word.as_bytes());
        }
        string(contents);
        for word in [")", ")"] {
            string(word.as_bytes());
        }
    }
    for word in ["entry", "(", "name", "~link", "node", "("] {
        string(word.as_bytes());
    }
    for word in ["type", "symlink", "target", "/nowhere", ")", ")", ")"] {
        string(word.as_bytes());
    }
    item.info.nar_hash = NarHash::of(&nar).to_sri();
    item.info.nar_size = nar.len() as u64;
    item.nar = nar;
    item
}

async fn ask(
    scene: &Scene,
    method: &str,
    path: &str,
    token: &str,
    headers: &[(&str, &str)],
) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    if !token.is_empty() {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Body::empty()).unwrap();
    scene.server.send(request).await
}

fn header<'a>(answer: &'a Answer, name: &str) -> &'a str {
    answer.headers[name].to_str().unwrap()
}

fn made(scene: &Scene) -> u64 {
    let text = scene.server.state.metrics().render();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("fh_listings_made_total "));
    line.unwrap().parse().unwrap()
}

fn address(item: &Item) -> String {
    format!("/{}.ls", item.hash())
}

/// The file that a listing is kept in, or that a NAR is in.
fn file(scene: &Scene, suffix: &str) -> std::path::PathBuf {
    let files = scene.files();
    let found: Vec<_> = files.iter().filter(|name| name.ends_with(suffix)).collect();
    assert_eq!(found.len(), 1, "{files:?}");
    let objects = scene.server.directory.path().join("data/objects");
    objects.join(found[0])
}

#[tokio::test]
async fn a_listing_says_what_is_in_the_nar() {
    let scene = Scene::new().await;
    let item = directory("x", &[("a", b"first"), ("b \"quoted\"", b"")]);
    scene.push(&[&item]).await;
    assert_eq!(made(&scene), 0);
    let answer = ask(&scene, "GET", &address(&item), &scene.ann, &[]).await;
    let answer = answer.expect(200);
    assert_eq!(header(&answer, "content-type"), "application/json");
    assert_eq!(header(&answer, "cache-control"), "private, max-age=60");
    assert_eq!(header(&answer, "vary"), "authorization, accept-encoding");
    assert!(!answer.headers.contains_key("content-encoding"));
    let length = answer.body.len().to_string();
    assert_eq!(header(&answer, "content-length"), length);
    let listing: Value = answer.json();
    let entries = &listing["root"]["entries"];
    let offset = usize::try_from(entries["a"]["narOffset"].as_u64().unwrap()).unwrap();
    assert_eq!(&item.nar[offset..offset + 5], b"first");
    let expected = json!({"version": 1, "root": {"type": "directory", "entries": {
        "a": {"type": "regular", "size": 5, "narOffset": offset},
        "b \"quoted\"": {"type": "regular", "size": 0,
            "narOffset": entries["b \"quoted\""]["narOffset"]},
        "~link": {"type": "symlink", "target": "/nowhere"},
    }}});
    assert_eq!(listing, expected);

    // Made once, and kept; the same from there, in both encodings.
    let tag = header(&answer, "etag").to_owned();
    let zstd = [("accept-encoding", "gzip, zstd")];
    let packed = ask(&scene, "GET", &address(&item), &scene.ann, &zstd).await;
    let packed = packed.expect(200);
    assert_eq!(header(&packed, "content-encoding"), "zstd");
    assert_eq!(zstd::decode_all(&packed.body[..]).unwrap(), answer.body);
    assert_ne!(header(&packed, "etag"), tag);
    assert_eq!(made(&scene), 1);
    for (like, headers) in [(&answer, &[][..]), (&packed, &zstd[..])] {
        let head = ask(&scene, "HEAD", &address(&item), &scene.ann, headers).await;
        let head = head.expect(200);
        assert!(head.body.is_empty());
        assert_eq!(head.headers, {
            let mut headers = like.headers.clone();
            headers.insert("x-request-id", head.headers["x-request-id"].clone());
            headers
        });
    }
    let known = [("if-none-match", tag.as_str())];
    let unchanged = ask(&scene, "GET", &address(&item), &scene.ann, &known).await;
    assert!(unchanged.expect(304).body.is_empty());
    // What is known plain is not known compressed.
    let known = [known[0], zstd[0]];
    ask(&scene, "GET", &address(&item), &scene.ann, &known)
        .await
        .expect(200);
}

#[tokio::test]
async fn a_large_listing_comes_in_pieces() {
    let scene = Scene::new().await;
    let names: Vec<String> = (0..6000)
        .map(|n| format!("{n:05}-{}", data_encoding::HEXLOWER.encode(&noise(n, 50))))
        .collect();
    let files: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b""[..])).collect();
    let item = directory("x", &files);
    let id = scene.plan(&[&item]).await.id.unwrap();
    for number in 0..item.parts().len() as u64 {
        scene.part(id, &item, number).await;
    }
    scene.commit(id).await;
    let plain = ask(&scene, "GET", &address(&item), &scene.ann, &[]).await;
    let plain = plain.expect(200);
    // More than one chunk of either.
    let zstd = [("accept-encoding", "zstd")];
    let packed = ask(&scene, "GET", &address(&item), &scene.ann, &zstd).await;
    let packed = packed.expect(200);
    assert!(plain.body.len() > 600_000 && packed.body.len() > 300_000);
    assert_eq!(zstd::decode_all(&packed.body[..]).unwrap(), plain.body);
    let listing: Value = plain.json();
    let entries = listing["root"]["entries"].as_object().unwrap();
    assert_eq!(entries.len(), 6001);
}

#[tokio::test]
async fn whoever_may_not_read_the_path_gets_no_listing() {
    let scene = Scene::new().await;
    let server = &scene.server;
    let (reader, nobody) = (server.user("reader").await, server.user("nobody").await);
    server.grant("acme/app", "reader", "read", &scene.ann).await;
    server.flake("acme/other", "private", &scene.ann).await;
    let item = directory("x", &[("secret", b"")]);
    scene.push(&[&item]).await;
    for made_before in [false, true] {
        let nothing = ask(
            &scene,
            "GET",
            "/00000000000000000000000000000000.ls",
            "",
            &[],
        )
        .await;
        let nothing = nothing.expect(404).fingerprint();
        let narinfo = ask(&scene, "GET", "/x.narinfo", "", &[]).await;
        assert_eq!(nothing, narinfo.fingerprint());
        for token in ["", &nobody] {
            for root in ["", "/cache/acme", "/cache/acme/app"] {
                let path = format!("{root}{}", address(&item));
                for headers in [&[][..], &[("if-none-match", "*")]] {
                    let answer = ask(&scene, "GET", &path, token, headers).await;
                    assert_eq!(answer.fingerprint(), nothing, "{path}");
                }
            }
        }
        let elsewhere = format!("/cache/acme/other{}", address(&item));
        let answer = ask(&scene, "GET", &elsewhere, &scene.ann, &[]).await;
        assert_eq!(answer.fingerprint(), nothing);
        // Who asks in vain has nothing made.
        assert_eq!(made(&scene), u64::from(made_before));
        for root in ["", "/cache/acme", "/cache/acme/app"] {
            let path = format!("{root}{}", address(&item));
            ask(&scene, "GET", &path, &reader, &[]).await.expect(200);
        }
    }
    server.revoke(&reader).await;
    ask(&scene, "GET", &address(&item), &reader, &[])
        .await
        .expect(401);
}

#[tokio::test]
async fn of_two_contents_the_listing_is_that_of_the_narinfo() {
    let scene = Scene::new().await;
    scene.server.flake("acme/open", "public", &scene.ann).await;
    let (private, public) = (directory("x", &[("a", b"")]), directory("x", &[("b", b"")]));
    scene.push_as("acme/open", &scene.ann, &[&public]).await;
    scene.push(&[&private]).await;
    scene.server.show_everybody(&["acme/open"]).await;
    for (root, token, file) in [
        ("", "", "b"),
        ("/cache/acme/open", scene.ann.as_str(), "b"),
        ("/cache/acme/app", &scene.ann, "a"),
    ] {
        let path = format!("{root}{}", address(&private));
        let listing: Value = ask(&scene, "GET", &path, token, &[])
            .await
            .expect(200)
            .json();
        let entries = listing["root"]["entries"].as_object().unwrap();
        assert!(entries.contains_key(file), "{path}: {entries:?}");
        let narinfo = scene.narinfo(root, &private, token).await.unwrap();
        let item = if file == "a" { &private } else { &public };
        assert_eq!(narinfo.info.nar_hash, item.nar_hash());
    }
}

#[tokio::test]
async fn many_who_ask_at_once_have_it_made_once() {
    let scene = Scene::new().await;
    let item = directory("x", &[("a", &noise(1, 30_000))]);
    scene.push(&[&item]).await;
    let path = address(&item);
    let answers =
        futures_util::future::join_all((0..30).map(|_| ask(&scene, "GET", &path, &scene.ann, &[])))
            .await;
    let first = &answers[0].body;
    for answer in &answers {
        assert_eq!(answer.status, 200);
        assert_eq!(&answer.body, first);
    }
    assert_eq!(made(&scene), 1);
}

#[tokio::test]
async fn of_a_damaged_nar_there_is_no_listing_and_then_there_is() {
    let scene = Scene::new().await;
    // What is damaged lies behind what is listed first.
    let item = directory("x", &[("a", b"good"), ("b", &noise(1, 20_000))]);
    scene.push(&[&item]).await;
    let object = file(&scene, ".nar.zst");
    let good = std::fs::read(&object).unwrap();
    let flipped = {
        let mut bytes = good.clone();
        let end = bytes.len() - 100;
        bytes[end] ^= 1;
        bytes
    };
    // Another NAR, whole and of the same compressed size.
    let another = {
        let mut other = item.nar.clone();
        let at = other.windows(4).position(|four| four == b"good").unwrap();
        other[at] = b'f';
        compress(&other)
    };
    assert_eq!(another.len(), good.len());
    for (bad, status) in [
        (flipped, 500),
        (another, 500),
        (good[..good.len() - 1].to_vec(), 404),
    ] {
        std::fs::write(&object, bad).unwrap();
        let answer = ask(&scene, "GET", &address(&item), &scene.ann, &[]).await;
        assert_eq!(answer.status, status, "{:?}", answer.body);
        let kept = scene.files();
        assert_eq!(kept.len(), 1, "{kept:?}");
        assert_eq!(made(&scene), 0);
        // It was noticed: from then on it is as if the NAR were not there, until it is sent again.
        let answer = ask(&scene, "GET", &address(&item), &scene.ann, &[]).await;
        assert_eq!(answer.status, 404);
        scene.push(&[&item]).await;
        assert_eq!(std::fs::read(&object).unwrap(), good);
    }
    ask(&scene, "GET", &address(&item), &scene.ann, &[])
        .await
        .expect(200);
}

#[tokio::test]
async fn a_kept_listing_that_is_damaged_is_made_again() {
    let scene = Scene::new().await;
    let item = directory("x", &[("a", b""), ("b", b"")]);
    scene.push(&[&item]).await;
    let get = async || {
        let answer = ask(&scene, "GET", &address(&item), &scene.ann, &[]).await;
        answer.expect(200).body
    };
    let right = get().await;
    let kept = file(&scene, ".ls.zst");
    let good = std::fs::read(&kept).unwrap();
    let mut flipped = good.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 4;
    for (number, bad) in [
        &flipped[..],
        &good[..good.len() - 1],
        b"",
        b"{}",
        &good[..5],
    ]
    .into_iter()
    .enumerate()
    {
        std::fs::write(&kept, bad).unwrap();
        assert_eq!(get().await, right, "{number}");
        assert_eq!(std::fs::read(&kept).unwrap(), good);
        assert_eq!(made(&scene), number as u64 + 2);
    }
}

/// Waits until it is so.
async fn until(is_so: impl Fn() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(20), waiting).await;
    waited.expect("it takes too long");
}

#[tokio::test]
async fn without_room_it_is_said_so() {
    let scene = Scene::new().await;
    let item = Item::new("x", b"x");
    scene.push(&[&item]).await;
    // What the system says on a full disk.
    let mut staged = scene.server.state.storage().stage().unwrap();
    staged.append(b"x").unwrap();
    staged.close();
    let path = file(&scene, ".tmp");
    std::fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("/dev/full", &path).unwrap();
    let full = Fault::Storage(staged.append(b"x").unwrap_err());
    assert_eq!(Outcome::of(&full), Outcome::NoRoom);
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    staged.close();
    let other = Fault::Storage(staged.append(b"x").unwrap_err());
    std::fs::remove_dir(&path).unwrap();
    assert_eq!(Outcome::of(&other), Outcome::Failed);
    assert_eq!(Outcome::of(&Fault::NoNar), Outcome::NoNar);
    // What whoever asked for it is told.
    let listings = &scene.server.state.listings().shared;
    for (outcome, status, said) in [
        (Outcome::NoRoom, 503, "no room left on its disk"),
        (Outcome::Failed, 500, ""),
        (Outcome::NoNar, 404, ""),
    ] {
        let (_done, made) = tokio::sync::watch::channel(Some(outcome));
        listings.making.lock().insert(item.nar_hash(), made);
        let answer = ask(&scene, "GET", &address(&item), &scene.ann, &[]).await;
        let retried = answer.headers.contains_key("retry-after");
        assert_eq!(retried, outcome == Outcome::NoRoom);
        let body = answer.expect(status).body;
        let body = String::from_utf8_lossy(&body);
        assert!(body.contains(said), "{body}");
    }
}

#[tokio::test]
async fn none_is_begun_for_who_went_away() {
    let scene = Scene::new().await;
    let items = ["left", "left-too", "awaited"].map(|name| Item::new(name, name.as_bytes()));
    scene.push(&items.iter().collect::<Vec<_>>()).await;
    let listings = &scene.server.state.listings().shared;
    let mut held = Vec::new();
    while let Some(place) = listings.places.try_take(Holders::default(), 1) {
        held.push(place);
    }
    let waits = |item: &Item| {
        let nar_hash = item.nar_hash();
        until(move || listings.making.lock().contains_key(&nar_hash))
    };
    let [left @ .., awaited] = &items;
    for item in left {
        tokio::select! {
            answer = async { ask(&scene, "GET", &address(item), &scene.ann, &[]).await } => {
                panic!("it was made: {answer:?}")
            }
            () = waits(item) => {}
        }
    }
    let ((), answer) = tokio::join!(
        async {
            waits(awaited).await;
            drop(held);
        },
        async { ask(&scene, "GET", &address(awaited), &scene.ann, &[]).await },
    );
    answer.expect(200);
    until(|| listings.making.lock().is_empty()).await;
    assert_eq!(made(&scene), 1);
    // They may come again.
    for item in left {
        let answer = ask(&scene, "GET", &address(item), &scene.ann, &[]).await;
        answer.expect(200);
    }
    assert_eq!(made(&scene), 3);
}
