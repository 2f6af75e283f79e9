//! The read path: headers, ranges, conditions, and answers that follow every change.

use axum::body::Body;
use http::Request;

use super::{Item, Scene, noise};
use crate::testing::Answer;

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
    scene
        .server
        .send(request.body(Body::empty()).unwrap())
        .await
}

fn header<'a>(answer: &'a Answer, name: &str) -> &'a str {
    answer.headers[name].to_str().unwrap()
}

#[tokio::test]
async fn the_cache_tells_what_it_is() {
    let scene = Scene::new().await;
    let answer = ask(&scene, "GET", "/nix-cache-info", "", &[])
        .await
        .expect(200);
    assert_eq!(
        answer.body,
        "StoreDir: /nix/store\nWantMassQuery: 1\nPriority: 40\n"
    );
    assert_eq!(header(&answer, "content-type"), "text/x-nix-cache-info");
    let head = ask(&scene, "HEAD", "/nix-cache-info", "", &[])
        .await
        .expect(200);
    assert!(head.body.is_empty());
    // `nix` sends the token as a password, with any login.
    let basic = data_encoding::BASE64.encode(format!("any:{}", scene.ann).as_bytes());
    let headers = [("authorization", format!("Basic {basic}"))];
    let headers: Vec<_> = headers
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    ask(
        &scene,
        "GET",
        "/cache/acme/app/nix-cache-info",
        "",
        &headers,
    )
    .await
    .expect(200);
}

#[tokio::test]
async fn a_nar_is_served_as_it_is_stored() {
    let scene = Scene::new().await;
    // Several chunks, and part of one.
    let item = Item::new("x", &noise(5, 700_001));
    let id = scene.plan(&[&item]).await.id.unwrap();
    for number in 0..item.parts().len() as u64 {
        scene.part(id, &item, number).await;
    }
    scene.commit(id).await;
    let whole = item.parts().concat();
    let size = whole.len();
    let path = format!("/nar/{}.nar.zst", item.nar_name());
    let get = async |headers: &[(&str, &str)]| ask(&scene, "GET", &path, &scene.ann, headers).await;

    let answer = get(&[]).await.expect(200);
    assert_eq!(answer.body, whole);
    assert_eq!(header(&answer, "content-type"), "application/x-nix-nar");
    assert_eq!(header(&answer, "content-length"), size.to_string());
    assert_eq!(header(&answer, "accept-ranges"), "bytes");
    assert_eq!(
        header(&answer, "cache-control"),
        "private, max-age=31536000, immutable"
    );
    assert!(!answer.headers.contains_key("content-encoding"));
    let tag = header(&answer, "etag").to_owned();
    assert!(tag.starts_with('"'));

    let head = ask(&scene, "HEAD", &path, &scene.ann, &[("range", "bytes=0-1")])
        .await
        .expect(200);
    assert!(head.body.is_empty());
    for name in ["content-length", "etag", "accept-ranges", "content-type"] {
        assert_eq!(header(&head, name), header(&answer, name));
    }

    for (range, start, end) in [
        ("bytes=0-99".to_owned(), 0, 100),
        (format!("bytes={}-", size - 5), size - 5, size),
        ("bytes=-300000".to_owned(), size - 300_000, size),
        ("bytes=1000-".to_owned(), 1000, size),
    ] {
        let part = get(&[("range", &range)]).await.expect(206);
        assert_eq!(part.body, whole[start..end], "{range}");
        let expected = format!("bytes {start}-{}/{size}", end - 1);
        assert_eq!(header(&part, "content-range"), expected);
        assert_eq!(header(&part, "content-length"), (end - start).to_string());
    }
    let beyond = get(&[("range", "bytes=99999999-")]).await.expect(416);
    assert_eq!(header(&beyond, "content-range"), format!("bytes */{size}"));
    // What need not be understood is not.
    for range in ["bytes=0-1,5-9", "lines=1-2", "bytes=9-1"] {
        assert_eq!(get(&[("range", range)]).await.expect(200).body.len(), size);
    }
    // A range counts only for the file that the client has begun with.
    let same = get(&[("range", "bytes=5-9"), ("if-range", &tag)]).await;
    assert_eq!(same.expect(206).body, whole[5..10]);
    for other in ["\"other\"", "W/\"x\"", "Sun, 06 Nov 1994 08:49:37 GMT"] {
        let answer = get(&[("range", "bytes=5-9"), ("if-range", other)]).await;
        assert_eq!(answer.expect(200).body.len(), size);
    }
    for tags in [tag.clone(), format!("\"a\", W/{tag}"), "*".to_owned()] {
        let answer = get(&[("if-none-match", &tags)]).await.expect(304);
        assert!(answer.body.is_empty());
        assert_eq!(header(&answer, "etag"), tag);
    }
    get(&[("if-none-match", "\"a\"")]).await.expect(200);
}

#[tokio::test]
async fn conditions_and_ranges_tell_nothing_of_what_is_hidden() {
    let scene = Scene::new().await;
    let nobody = scene.server.user("nobody").await;
    let item = Item::new("x", b"x");
    scene.push(&[&item]).await;
    let path = format!("/nar/{}.nar.zst", item.nar_name());
    let tag = {
        let answer = ask(&scene, "GET", &path, &scene.ann, &[]).await;
        header(&answer, "etag").to_owned()
    };
    for method in ["GET", "HEAD"] {
        let nothing = ask(&scene, method, "/x.narinfo", &nobody, &[]).await;
        for headers in [
            [("if-none-match", tag.as_str())],
            [("if-none-match", "*")],
            [("range", "bytes=0-0")],
            [("range", "bytes=99999-")],
        ] {
            let answer = ask(&scene, method, &path, &nobody, &headers).await;
            assert_eq!(answer.fingerprint(), nothing.fingerprint());
        }
    }
}

#[tokio::test]
async fn public_content_may_be_kept_by_anybody() {
    let scene = Scene::new().await;
    scene.server.flake("acme/open", "public", &scene.ann).await;
    let item = Item::new("x", b"x");
    scene.push_as("acme/open", &scene.ann, &[&item]).await;
    scene.server.show_everybody(&["acme/open"]).await;
    let (narinfo, nar) = (
        format!("/{}.narinfo", item.hash()),
        format!("/nar/{}.nar.zst", item.nar_name()),
    );
    for (token, word) in [("", "public, "), (scene.ann.as_str(), "private, ")] {
        for path in [&narinfo, &nar] {
            let answer = ask(&scene, "GET", path, token, &[]).await.expect(200);
            assert!(header(&answer, "cache-control").starts_with(word));
        }
    }
    let answer = ask(&scene, "GET", &narinfo, "", &[]).await;
    assert_eq!(header(&answer, "content-type"), "text/x-nix-narinfo");
    assert_eq!(header(&answer, "vary"), "authorization");
}

#[tokio::test]
async fn an_answer_that_was_remembered_does_not_outlive_a_change() {
    let scene = Scene::new().await;
    let item = Item::new("x", b"x");
    // Asked for before it was there.
    assert!(scene.narinfo("", &item, &scene.ann).await.is_none());
    assert!(scene.nar(&item, &scene.ann).await.is_none());
    scene.push(&[&item]).await;
    assert!(scene.narinfo("", &item, &scene.ann).await.is_some());
    assert!(scene.nar(&item, &scene.ann).await.is_some());
    // And by someone else, before and after the flake was opened.
    assert!(scene.narinfo("", &item, "").await.is_none());
    let open = serde_json::json!({ "visibility": "public" });
    let path = "/api/v1/flakes/acme/app";
    scene.server.patch(path, &scene.ann, open).await.expect(200);
    assert!(scene.narinfo("", &item, "").await.is_none());
    assert!(scene.narinfo("/cache/acme", &item, "").await.is_some());
    scene.server.show_everybody(&["acme/app"]).await;
    assert!(scene.narinfo("", &item, "").await.is_some());
    assert!(scene.nar(&item, "").await.is_some());
    let close = serde_json::json!({ "visibility": "private" });
    scene
        .server
        .patch(path, &scene.ann, close)
        .await
        .expect(200);
    assert!(scene.narinfo("", &item, "").await.is_none());
    assert!(scene.nar(&item, "").await.is_none());
}

#[tokio::test]
async fn an_object_that_was_taken_away_is_not_found_and_healed_by_the_next_push() {
    let scene = Scene::new().await;
    let bob = scene.server.user("bob").await;
    scene.server.organization("bobs", &bob).await;
    scene.server.flake("bobs/own", "private", &bob).await;
    let item = Item::new("x", &noise(1, 5000));
    scene.push(&[&item]).await;
    let object = scene
        .server
        .directory
        .path()
        .join("data/objects")
        .join(&scene.files()[0]);
    for spoil in ["removed", "cut"] {
        if spoil == "removed" {
            std::fs::remove_file(&object).unwrap();
        } else {
            std::fs::write(&object, b"").unwrap();
        }
        assert!(scene.nar(&item, &scene.ann).await.is_none(), "{spoil}");
        // Somebody who has to send it brings it back, compressed in another way.
        let flake = format!("bobs/{spoil}");
        scene.server.flake(&flake, "private", &bob).await;
        let narrow = scene.server.narrow(&bob, &["push"], &["*"]).await;
        let plan: fh_api::PushPlan = scene
            .plan_answer(&flake, &narrow, &super::request(&[&item]))
            .await
            .expect(201)
            .json();
        let id = plan.id.unwrap();
        let level = if spoil == "cut" { 1 } else { 15 };
        let bytes = zstd::bulk::compress(&item.nar, level).unwrap();
        let body = super::batch_body(&[(item.nar_hash(), bytes.clone())]);
        scene
            .batch_answer(&flake, &narrow, id, body)
            .await
            .expect(200);
        assert_eq!(
            scene.nar(&item, &scene.ann).await.unwrap(),
            item.nar,
            "{spoil}"
        );
        let narinfo = scene.narinfo("", &item, &scene.ann).await.unwrap();
        assert_eq!(narinfo.file_size, Some(bytes.len() as u64), "{spoil}");
    }
}
