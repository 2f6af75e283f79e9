//! Build logs: which are wanted and taken, when they are seen, and by whom.

use fh_api::{LOG_RECORD, PathStatus, PushPlan, PushRequest};
use fh_nix::{NarHash, StorePath};
use http::Method;

use super::{Item, Scene, batch_body, compress, noise, request, statuses};
use crate::collect::collect;
use crate::receive::LOG_SIZE;
use crate::testing::Answer;

/// A derivation whose hash part is made from its name.
fn derivation(name: &str) -> StorePath {
    let hash = NarHash::of(name.as_bytes());
    let hash = fh_nix::base32::encode(&hash.as_bytes()[..20]);
    format!("{hash}-{name}.drv").parse().unwrap()
}

/// A path that was built by a derivation of its name.
fn built(name: &str) -> (Item, StorePath) {
    let derivation = derivation(name);
    let mut item = Item::new(name, name.as_bytes());
    item.info.deriver = Some(derivation.to_string());
    (item, derivation)
}

fn with_logs(items: &[&Item], logs: &[&StorePath]) -> PushRequest {
    PushRequest {
        logs: logs.iter().map(ToString::to_string).collect(),
        ..request(items)
    }
}

/// What stands in a batch in place of a NAR's hash.
fn record(derivation: &StorePath) -> NarHash {
    let mut hash = [0; 32];
    hash[..12].copy_from_slice(&LOG_RECORD);
    hash[12..].copy_from_slice(derivation.hash().as_bytes());
    NarHash::from_bytes(hash)
}

impl Scene {
    async fn plan_with_logs(&self, items: &[&Item], logs: &[&StorePath]) -> PushPlan {
        let wanted = with_logs(items, logs);
        let answer = self.plan_answer("acme/app", &self.ann, &wanted).await;
        assert!(answer.status.is_success(), "{:?}", answer.body);
        answer.json()
    }

    /// Sends a log, and answers why it was refused.
    async fn send_log(
        &self,
        id: uuid::Uuid,
        derivation: &StorePath,
        text: &[u8],
    ) -> Option<String> {
        self.send_raw(id, derivation, compress(text)).await
    }

    async fn send_raw(
        &self,
        id: uuid::Uuid,
        derivation: &StorePath,
        bytes: Vec<u8>,
    ) -> Option<String> {
        let body = batch_body(&[(record(derivation), bytes)]);
        let answer = self.batch_answer("acme/app", &self.ann, id, body).await;
        let mut answer: fh_api::BatchAnswer = answer.expect(200).json();
        assert!(answer.nars.is_empty());
        assert_eq!(answer.logs.len(), 1);
        let answer = answer.logs.remove(0);
        assert_eq!(answer.derivation, derivation.hash().to_string());
        answer.rejected.map(|rejection| rejection.message)
    }

    async fn log_answer(&self, root: &str, derivation: &StorePath, token: &str) -> Answer {
        let path = format!("{root}/log/{derivation}");
        self.server.get(&path, token).await
    }

    async fn log(&self, derivation: &StorePath) -> Option<Vec<u8>> {
        let answer = self.log_answer("", derivation, &self.ann).await;
        (answer.status != 404).then(|| answer.expect(200).body.to_vec())
    }
}

#[tokio::test]
async fn a_short_log_is_not_stored_as_much() {
    let scene = Scene::new().await;
    let (x, x_drv) = built("x");
    let plan = scene.plan_with_logs(&[&x], &[&x_drv]).await;
    let id = plan.id.unwrap();
    let single: Vec<u8> = [b'x'; 400].chunks(1).flat_map(compress).collect();
    for (bytes, told) in [
        (
            [compress(b"text"), compress(b"")].concat(),
            "empty zstd frame",
        ),
        (single, "of content need"),
    ] {
        let refused = scene.send_raw(id, &x_drv, bytes).await.unwrap();
        assert!(refused.contains(told), "{refused}");
    }
    // What printed nothing has a log all the same.
    assert_eq!(scene.send_log(id, &x_drv, b"").await, None);
}

#[tokio::test]
async fn a_log_is_seen_with_its_push() {
    let scene = Scene::new().await;
    let ((x, x_drv), (y, y_drv)) = (built("x"), built("y"));
    let plan = scene.plan_with_logs(&[&x, &y], &[&x_drv, &y_drv]).await;
    let mut wanted = [x_drv.to_string(), y_drv.to_string()];
    wanted.sort();
    assert_eq!(plan.logs, wanted);
    assert_eq!(plan.limits.log_size, LOG_SIZE);
    let id = plan.id.unwrap();

    // In one batch with the NARs, between them.
    let text = b"building\n\x1b[31mred\x1b[0m\xff\n";
    let body = batch_body(&[
        (x.nar_hash(), x.compressed()),
        (record(&x_drv), compress(text)),
        (y.nar_hash(), y.compressed()),
    ]);
    let answer = scene.batch_answer("acme/app", &scene.ann, id, body).await;
    let answer: fh_api::BatchAnswer = answer.expect(200).json();
    assert_eq!((answer.nars.len(), answer.logs.len()), (2, 1));
    assert_eq!(answer.logs[0].rejected, None);
    assert_eq!(scene.log(&x_drv).await, None);
    assert!(scene.files().iter().all(|file| !file.ends_with(".tmp")));

    let summary = scene.commit(id).await;
    assert_eq!((summary.added, summary.logs), (2, 1));
    assert_eq!(scene.commit(id).await, summary);
    assert_eq!(scene.log(&x_drv).await.unwrap(), text);
    assert_eq!(scene.log(&y_drv).await, None);

    let answer = scene.log_answer("", &x_drv, &scene.ann).await;
    for (name, value) in [
        ("content-type", "text/plain; charset=utf-8"),
        ("x-content-type-options", "nosniff"),
        ("content-length", "23"),
        ("cache-control", "private, max-age=60"),
        ("vary", "authorization, accept-encoding"),
    ] {
        assert_eq!(answer.headers[name], value, "{name}");
    }
    // Nothing more is to be sent of x, and y's log is still welcome: for it alone there is an id.
    let again = scene.plan_with_logs(&[&x, &y], &[&x_drv, &y_drv]).await;
    assert_eq!(again.committed.unwrap().paths, 2);
    assert_eq!(again.logs, [y_drv.to_string()]);
    let id = again.id.unwrap();
    assert_eq!(scene.send_log(id, &y_drv, b"late").await, None);
    assert_eq!(scene.log(&y_drv).await.unwrap(), b"late");
    let done = scene.plan_with_logs(&[&x, &y], &[&x_drv, &y_drv]).await;
    assert!(done.committed.is_some() && done.id.is_none() && done.logs.is_empty());
}

#[tokio::test]
async fn a_push_that_is_given_up_leaves_no_log() {
    let scene = Scene::new().await;
    let (x, x_drv) = built("x");
    let id = scene.plan_with_logs(&[&x], &[&x_drv]).await.id.unwrap();
    assert_eq!(scene.send_log(id, &x_drv, b"one").await, None);
    let path = format!("/api/v1/flakes/acme/app/pushes/{id}");
    scene.server.delete(&path, &scene.ann).await.expect(204);
    // Another push does not bring it along.
    assert_eq!(scene.push(&[&x]).await.logs, 0);
    assert_eq!(scene.log(&x_drv).await, None);
    // And for one that is no more, none is taken.
    let body = batch_body(&[(record(&x_drv), compress(b"two"))]);
    scene
        .batch_answer("acme/app", &scene.ann, id, body)
        .await
        .expect(404);
}

#[tokio::test]
async fn the_first_log_of_a_derivation_stays() {
    let scene = Scene::new().await;
    let (x, x_drv) = built("x");
    // Two pushes at once, each with its own.
    let first = scene.plan_with_logs(&[&x], &[&x_drv]).await.id.unwrap();
    let second = scene.plan_with_logs(&[&x], &[&x_drv]).await.id.unwrap();
    assert_eq!(scene.send_log(second, &x_drv, b"second").await, None);
    assert_eq!(scene.send_log(first, &x_drv, b"first").await, None);
    assert_eq!(scene.send_log(first, &x_drv, b"changed").await, None);
    scene.batch(first, &[&x]).await;
    assert_eq!(scene.commit(first).await.logs, 1);
    assert_eq!(scene.commit(second).await.logs, 0);
    assert_eq!(scene.log(&x_drv).await.unwrap(), b"first");
}

#[tokio::test]
async fn logs_come_after_a_restart_too() {
    let scene = Scene::new().await;
    let (x, x_drv) = built("x");
    let id = scene.plan_with_logs(&[&x], &[&x_drv]).await.id.unwrap();
    let scene = scene.restarted().await;
    assert_eq!(scene.send_log(id, &x_drv, b"log").await, None);
    let scene = scene.restarted().await;
    scene.batch(id, &[&x]).await;
    assert_eq!(scene.commit(id).await.logs, 1);
    // Of a path that is there, the same.
    let (y, y_drv) = built("y");
    scene.push(&[&y]).await;
    let id = scene.plan_with_logs(&[&y], &[&y_drv]).await.id.unwrap();
    let scene = scene.restarted().await;
    assert_eq!(scene.send_log(id, &y_drv, b"late").await, None);
    assert_eq!(scene.log(&y_drv).await.unwrap(), b"late");
    // NARs are nothing for it.
    let body = batch_body(&[(y.nar_hash(), y.compressed())]);
    let answer = scene.batch_answer("acme/app", &scene.ann, id, body).await;
    let answer: fh_api::BatchAnswer = answer.expect(200).json();
    assert!(answer.nars[0].rejected.is_some());
}

#[tokio::test]
async fn only_logs_of_the_push_are_wanted() {
    let scene = Scene::new().await;
    let (x, x_drv) = built("x");
    let (y, y_drv) = built("y");
    let stranger = derivation("stranger");
    // Another name under a hash that is known.
    let renamed: StorePath = format!("{}-z.drv", x_drv.hash()).parse().unwrap();
    let plan = scene
        .plan_with_logs(&[&x, &y], &[&stranger, &renamed])
        .await;
    assert!(plan.logs.is_empty());
    let id = plan.id.unwrap();
    let refused = scene.send_log(id, &stranger, b"x").await.unwrap();
    assert!(refused.contains("no path of the push"), "{refused}");
    // What was not asked about is taken if it is of the push: what counts is the deriver.
    assert_eq!(scene.send_log(id, &y_drv, b"y").await, None);
    let dry = PushRequest {
        dry_run: true,
        ..with_logs(&[&x, &y], &[&x_drv])
    };
    let plan: PushPlan = scene.plan_answer("acme/app", &scene.ann, &dry).await.json();
    assert_eq!((plan.logs, plan.id), (vec![x_drv.to_string()], None));

    for (logs, message) in [
        (vec![x.base.clone()], "is not the name of a derivation"),
        (vec!["../../etc/passwd.drv".to_owned()], "logs: "),
        (vec![x_drv.to_string(), y_drv.to_string()], "more of them"),
    ] {
        let wanted = PushRequest {
            logs,
            ..request(&[&x])
        };
        let answer = scene.plan_answer("acme/app", &scene.ann, &wanted).await;
        let said = answer.expect(400).message();
        assert!(said.contains(message), "{said}");
    }
}

#[tokio::test]
async fn a_path_that_is_left_to_an_upstream_brings_no_log() {
    let scene = Scene::new().await;
    let (mut x, x_drv) = built("x");
    let key = fh_nix::SecretKey::generate("up-1").unwrap();
    let info = fh_nix::PathInfo {
        path: x.base.parse().unwrap(),
        nar_hash: x.nar_hash(),
        nar_size: x.info.nar_size,
        references: std::collections::BTreeSet::new(),
        deriver: None,
        signatures: Vec::new(),
        ca: None,
    };
    x.info.signatures = vec![info.sign(&fh_nix::StoreDir::default(), &key).to_string()];
    let wanted = PushRequest {
        skip_signed_by: vec![key.public().to_string()],
        ..with_logs(&[&x], &[&x_drv])
    };
    let plan: PushPlan = scene
        .plan_answer("acme/app", &scene.ann, &wanted)
        .await
        .json();
    assert_eq!(statuses(&plan), [PathStatus::Upstream]);
    assert!(plan.logs.is_empty() && plan.id.is_none());
}

#[tokio::test]
async fn bad_logs_are_refused_one_by_one() {
    let scene = Scene::new().await;
    let (x, x_drv) = built("x");
    let id = scene.plan_with_logs(&[&x], &[&x_drv]).await.id.unwrap();
    let limit = usize::try_from(LOG_SIZE).unwrap();
    let good = compress(b"a log");
    let long = compress(&vec![b'a'; limit + 1]);
    for (name, bytes, message) in [
        ("text", b"plain".to_vec(), "zstd"),
        (
            "cut",
            good[..good.len() - 1].to_vec(),
            "middle of a zstd frame",
        ),
        ("garbage behind", [&good[..], b"x"].concat(), "zstd frame"),
        ("long", long.clone(), "longer than"),
        ("bomb", long.repeat(20), "longer than"),
    ] {
        let refused = scene.send_raw(id, &x_drv, bytes).await.unwrap();
        assert!(refused.contains(message), "{name}: {refused}");
        assert!(refused.contains("x.drv"), "{name}: {refused}");
    }
    // A record that says that it is longer than any log is not even kept.
    let refused = scene.send_raw(id, &x_drv, noise(1, 900_000)).await.unwrap();
    assert!(refused.contains("zstd frame"), "{refused}");
    assert!(scene.files().is_empty(), "{:?}", scene.files());
    // The NAR beside a bad one counts, and so does the longest log that there may be.
    let body = batch_body(&[
        (record(&x_drv), b"bad".to_vec()),
        (x.nar_hash(), x.compressed()),
        (record(&x_drv), compress(&vec![b'a'; limit])),
    ]);
    let answer = scene.batch_answer("acme/app", &scene.ann, id, body).await;
    let answer: fh_api::BatchAnswer = answer.expect(200).json();
    assert_eq!(answer.nars[0].rejected, None);
    assert!(answer.logs[0].rejected.is_some());
    assert_eq!(answer.logs[1].rejected, None);
    scene.commit(id).await;
    assert_eq!(scene.log(&x_drv).await.unwrap().len(), limit);
}

#[tokio::test]
async fn an_empty_log_and_a_large_one() {
    let scene = Scene::new().await;
    let ((x, x_drv), (y, y_drv)) = (built("x"), built("y"));
    let plan = scene.plan_with_logs(&[&x, &y], &[&x_drv, &y_drv]).await;
    let id = plan.id.unwrap();
    // Compressed more than is kept in memory while it comes.
    let large = noise(3, 800_000);
    scene.batch(id, &[&x, &y]).await;
    assert_eq!(scene.send_log(id, &x_drv, b"").await, None);
    assert_eq!(scene.send_log(id, &y_drv, &large).await, None);
    assert_eq!(scene.commit(id).await.logs, 2);
    assert_eq!(scene.log(&x_drv).await.unwrap(), b"");
    assert_eq!(scene.log(&y_drv).await.unwrap(), large);
    assert_eq!(scene.files().len(), 2);
    // A body of many small ones: all are stored, whatever waits.
    let many: Vec<_> = (0..120).map(|n| built(&format!("many-{n}"))).collect();
    let items: Vec<&Item> = many.iter().map(|(item, _)| item).collect();
    let logs: Vec<&StorePath> = many.iter().map(|(_, drv)| drv).collect();
    scene.push(&items).await;
    let plan = scene.plan_with_logs(&items, &logs).await;
    assert_eq!(plan.logs.len(), many.len());
    let text = |n: usize| noise(n as u64, 7000);
    let records: Vec<_> = (0..many.len())
        .map(|n| (record(logs[n]), compress(&text(n))))
        .collect();
    let answer = scene
        .batch_answer(
            "acme/app",
            &scene.ann,
            plan.id.unwrap(),
            batch_body(&records),
        )
        .await;
    let answer: fh_api::BatchAnswer = answer.expect(200).json();
    assert!(answer.logs.iter().all(|log| log.rejected.is_none()));
    assert_eq!(answer.logs.len(), many.len());
    for (n, (_, drv)) in many.iter().enumerate().step_by(17) {
        assert_eq!(scene.log(drv).await.unwrap(), text(n));
    }
}

#[tokio::test]
async fn whoever_may_not_read_the_slice_gets_no_log() {
    let scene = Scene::new().await;
    let server = &scene.server;
    let (reader, nobody) = (server.user("reader").await, server.user("nobody").await);
    server.grant("acme/app", "reader", "read", &scene.ann).await;
    server.flake("acme/other", "private", &scene.ann).await;
    let (x, x_drv) = built("x");
    let id = scene.plan_with_logs(&[&x], &[&x_drv]).await.id.unwrap();
    scene.batch(id, &[&x]).await;
    scene.send_log(id, &x_drv, b"secret").await;
    scene.commit(id).await;
    let nothing = scene.log_answer("", &derivation("nothing"), "").await;
    let nothing = nothing.expect(404).fingerprint();
    let expired = server.expired(&reader).await;
    for root in ["", "/cache/acme", "/cache/acme/app"] {
        for token in ["", &nobody] {
            let answer = scene.log_answer(root, &x_drv, token).await;
            assert_eq!(answer.fingerprint(), nothing, "{root}");
        }
        let answer = scene.log_answer(root, &x_drv, &reader).await;
        assert_eq!(answer.expect(200).body, "secret");
        scene.log_answer(root, &x_drv, &expired).await.expect(401);
    }
    for name in [
        format!("{}-y.drv", x_drv.hash()),
        x.base.clone(),
        format!("..%2f{x_drv}"),
        "%2e%2e".to_owned(),
    ] {
        let answer = server.get(&format!("/log/{name}"), &scene.ann).await;
        assert_eq!(answer.fingerprint(), nothing, "{name}");
    }
    let elsewhere = scene.log_answer("/cache/acme/other", &x_drv, &scene.ann);
    assert_eq!(elsewhere.await.fingerprint(), nothing);
    // Without the right to push nobody brings one.
    let body = batch_body(&[(record(&x_drv), compress(b"mine"))]);
    let sent = scene.batch_answer("acme/app", &reader, id, body).await;
    sent.expect(403);
    server.revoke(&reader).await;
    scene.log_answer("", &x_drv, &reader).await.expect(401);
}

#[tokio::test]
async fn of_two_logs_the_nearest_then_the_oldest_is_served() {
    let scene = Scene::new().await;
    let (x, x_drv) = built("x");
    scene.server.flake("acme/open", "public", &scene.ann).await;
    scene.server.flake("acme/last", "public", &scene.ann).await;
    for flake in ["acme/open", "acme/last", "acme/app"] {
        let wanted = with_logs(&[&x], &[&x_drv]);
        let plan: PushPlan = scene.plan_answer(flake, &scene.ann, &wanted).await.json();
        let body = batch_body(&[
            (x.nar_hash(), x.compressed()),
            (record(&x_drv), compress(flake.as_bytes())),
        ]);
        let id = plan.id.unwrap();
        scene
            .batch_answer(flake, &scene.ann, id, body)
            .await
            .expect(200);
        let commit = format!("/api/v1/flakes/{flake}/pushes/{id}/commit");
        scene
            .server
            .call(Method::POST, &commit, &scene.ann, None)
            .await;
    }
    let bob = scene.server.user("bob").await;
    let everybody = ["acme/open", "acme/last"];
    scene.server.show_everybody(&everybody).await;
    scene
        .server
        .grant("acme/app", "bob", "read", &scene.ann)
        .await;
    for (root, token, expected) in [
        ("", "", "acme/open"),
        ("", bob.as_str(), "acme/app"),
        ("/cache/acme/last", "", "acme/last"),
        ("/cache/acme", "", "acme/open"),
    ] {
        let answer = scene.log_answer(root, &x_drv, token).await;
        assert_eq!(answer.expect(200).body, expected);
    }
}

#[tokio::test]
async fn logs_go_with_their_flake() {
    let scene = Scene::new().await;
    let (x, x_drv) = built("x");
    let id = scene.plan_with_logs(&[&x], &[&x_drv]).await.id.unwrap();
    scene.batch(id, &[&x]).await;
    scene.send_log(id, &x_drv, b"one").await;
    scene.commit(id).await;
    // And one that is on its way.
    let (y, y_drv) = built("y");
    let id = scene.plan_with_logs(&[&y], &[&y_drv]).await.id.unwrap();
    scene.send_log(id, &y_drv, b"two").await;
    let count = async || {
        let counted = scene.server.state.database().read(|read| {
            let sql = "SELECT (SELECT COUNT(*) FROM slice_log), (SELECT COUNT(*) FROM push_log)";
            read.one(sql, &[], |row| Ok((row.get(0)?, row.get(1)?)))
        });
        counted.await.unwrap()
    };
    let counted: (i64, i64) = count().await;
    assert_eq!(counted, (1, 1));
    let flake = "/api/v1/flakes/acme/app";
    scene.server.delete(flake, &scene.ann).await.expect(204);
    assert_eq!(count().await, (0, 0));
    scene.server.flake("acme/app", "private", &scene.ann).await;
    assert_eq!(scene.log(&x_drv).await, None);
    collect(scene.server.state.stock(), std::time::Duration::ZERO)
        .await
        .unwrap();
}
