//! Realisations: when they are seen, by whom, how they are signed, and which are refused.

use fh_api::{KeyList, PathStatus, PushPlan, PushRealisation, PushRequest, Signing};
use fh_nix::{NarHash, PublicKey, Realisation, SecretKey, StorePath};
use fh_persistence::database::Decided;
use http::Method;
use serde_json::{Value, json};

use super::{Item, Scene, request, statuses};
use crate::collect::collect;
use crate::testing::Answer;

/// Under which keys the output `out` of the derivation of that name is asked for.
pub(crate) fn outputs(name: &str) -> [String; 2] {
    let hash = NarHash::of(name.as_bytes());
    let derivation = fh_nix::base32::encode(&hash.as_bytes()[..20]);
    [
        format!("sha256:{}!out", hash.to_hex()),
        format!("{derivation}-{name}.drv^out"),
    ]
}

/// The address of an output below the root of a cache.
pub(crate) fn address(id: &str) -> String {
    match id.split_once('^') {
        Some((derivation, output)) => format!("/build-trace-v2/{derivation}/{output}.doi"),
        None => format!("/realisations/{id}.doi"),
    }
}

/// That the outputs of the derivation of that name are this item.
pub(crate) fn realised(name: &str, item: &Item) -> Vec<PushRealisation> {
    let realisation = |id| PushRealisation {
        id,
        out_path: item.base.clone(),
        signatures: Vec::new(),
    };
    outputs(name).map(realisation).into()
}

/// A push of these with realisations.
pub(crate) fn with_realisations(
    items: &[&Item],
    realisations: Vec<PushRealisation>,
) -> PushRequest {
    PushRequest {
        realisations,
        ..request(items)
    }
}

/// The signature of a key under what is pushed.
pub(crate) fn signed(mut pushed: PushRealisation, key: &SecretKey) -> PushRealisation {
    let signature = as_realisation(&pushed).sign(key);
    pushed.signatures.push(signature.to_string());
    pushed
}

fn as_realisation(pushed: &PushRealisation) -> Realisation {
    Realisation {
        id: pushed.id.parse().unwrap(),
        out_path: pushed.out_path.parse().unwrap(),
        signatures: Vec::new(),
    }
}

impl Scene {
    /// Pushes these with realisations to a flake, from plan to commit.
    pub(crate) async fn push_realised(
        &self,
        flake: &str,
        token: &str,
        items: &[&Item],
        realisations: Vec<PushRealisation>,
    ) -> fh_api::CommitSummary {
        let wanted = with_realisations(items, realisations);
        let answer = self.plan_answer(flake, token, &wanted).await;
        assert!(answer.status.is_success(), "{:?}", answer.body);
        self.finish(flake, token, answer.json(), items).await
    }

    pub(crate) async fn realisation_answer(&self, root: &str, id: &str, token: &str) -> Answer {
        let path = format!("{root}{}", address(id));
        self.server.get(&path, token).await
    }

    /// The path that an output is told to be.
    pub(crate) async fn out_path(&self, root: &str, id: &str, token: &str) -> Option<String> {
        let answer = self.realisation_answer(root, id, token).await;
        (answer.status != 404).then(|| {
            let json: Value = answer.expect(200).json();
            json["outPath"].as_str().unwrap().to_owned()
        })
    }
}

/// The signatures of an answer, in either form, as text.
fn signatures(json: &Value) -> Vec<String> {
    let list = json["signatures"].as_array().unwrap().iter();
    list.map(|signature| match signature {
        Value::String(text) => text.clone(),
        object => format!(
            "{}:{}",
            object["keyName"].as_str().unwrap(),
            object["sig"].as_str().unwrap()
        ),
    })
    .collect()
}

#[tokio::test]
async fn a_realisation_is_seen_with_its_push_and_signed_as_its_narinfo_is() {
    for (signing, keys) in [
        (Signing::Shared, "/api/v1/keys"),
        (Signing::PerOrganization, "/api/v1/orgs/acme/keys"),
    ] {
        let scene = Scene::with(|settings| settings.signing = signing).await;
        let keys: KeyList = scene.server.get(keys, &scene.ann).await.expect(200).json();
        let active: PublicKey = keys.keys[0].public_key.parse().unwrap();
        let builder = SecretKey::from_seed("build\"er-1", [3; 32]).unwrap();
        let x = Item::new("x", b"x");
        let pushed: Vec<_> = realised("x", &x)
            .into_iter()
            .map(|pushed| signed(pushed, &builder))
            .collect();
        let wanted = with_realisations(&[&x], pushed.clone());
        let plan: PushPlan = scene
            .plan_answer("acme/app", &scene.ann, &wanted)
            .await
            .json();
        let id = plan.id.unwrap();
        scene.batch(id, &[&x]).await;
        // What waits in the database is there after a restart.
        let directory = scene.server.stop();
        let scene = Scene {
            server: Scene::start(directory, |settings| settings.signing = signing).await,
            ann: scene.ann,
        };
        for output in outputs("x") {
            assert_eq!(scene.out_path("", &output, &scene.ann).await, None);
        }
        let summary = scene.commit(id).await;
        assert_eq!((summary.added, summary.realisations), (1, 2));
        for (pushed, root) in pushed
            .iter()
            .zip(["", "/cache/acme", "/cache/acme/app"].iter().cycle())
        {
            let answer = scene.realisation_answer(root, &pushed.id, &scene.ann).await;
            let answer = answer.expect(200);
            assert_eq!(answer.headers["content-type"], "application/json");
            assert_eq!(answer.headers["cache-control"], "private, max-age=60");
            assert_eq!(answer.headers["vary"], "authorization");
            let json: Value = answer.json();
            let told = signatures(&json);
            let realisation = Realisation {
                signatures: told.iter().map(|text| text.parse().unwrap()).collect(),
                ..as_realisation(pushed)
            };
            assert_eq!(answer.body, realisation.to_json());
            // Ours first, then the one that came with the push.
            assert_eq!(told.len(), 2, "{told:?}");
            assert_eq!(realisation.signatures[0].key_name(), active.name());
            assert!(realisation.verify(&active) && realisation.verify(&builder.public()));
            let path = address(&pushed.id);
            let head = scene
                .server
                .call(Method::HEAD, &path, &scene.ann, None)
                .await;
            assert!(head.expect(200).body.is_empty());
            // As Nix 2.34 writes it.
            let escaped = format!("{root}{}", path.replace('!', "%21"));
            scene.server.get(&escaped, &scene.ann).await.expect(200);
        }
        // The same once more is nothing new.
        let commits = scene.server.audited("push.commit").await;
        let again: PushPlan = scene
            .plan_answer("acme/app", &scene.ann, &wanted)
            .await
            .json();
        assert_eq!(again.committed.unwrap().realisations, 0);
        assert_eq!(scene.server.audited("push.commit").await, commits);
    }
}

#[tokio::test]
async fn paths_that_are_there_get_realisations_later() {
    let scene = Scene::new().await;
    let x = Item::new("x", b"x");
    scene.push(&[&x]).await;
    let [hashed, by_path] = outputs("x");
    let [first, second]: [_; 2] = realised("x", &x).try_into().unwrap();
    // The path need not be in the push.
    let y = Item::new("y", b"y");
    let summary = scene
        .push_realised("acme/app", &scene.ann, &[&y], vec![first])
        .await;
    assert_eq!(summary.realisations, 1);
    assert_eq!(
        scene.out_path("", &hashed, &scene.ann).await.unwrap(),
        x.base
    );
    assert_eq!(scene.out_path("", &by_path, &scene.ann).await, None);
    // And a push of nothing but what is there brings one.
    let key = SecretKey::from_seed("late-1", [4; 32]).unwrap();
    for (realisation, counted) in [
        (second.clone(), 1),
        (second.clone(), 0),
        (signed(second.clone(), &key), 1),
        (signed(second, &key), 0),
    ] {
        let summary = scene
            .push_realised("acme/app", &scene.ann, &[&x], vec![realisation])
            .await;
        assert_eq!((summary.added, summary.realisations), (0, counted));
    }
    let answer = scene.realisation_answer("", &by_path, &scene.ann).await;
    assert_eq!(signatures(&answer.json()).len(), 2);
    let dry = PushRequest {
        dry_run: true,
        ..with_realisations(&[&x], realised("dry", &x))
    };
    let plan: PushPlan = scene.plan_answer("acme/app", &scene.ann, &dry).await.json();
    assert_eq!(statuses(&plan), [PathStatus::Present]);
    let [dry, _] = outputs("dry");
    assert_eq!(scene.out_path("", &dry, &scene.ann).await, None);
}

#[tokio::test]
async fn whoever_may_not_read_the_path_gets_no_realisation() {
    let scene = Scene::new().await;
    let server = &scene.server;
    let (reader, nobody) = (server.user("reader").await, server.user("nobody").await);
    server.grant("acme/app", "reader", "read", &scene.ann).await;
    server.flake("acme/other", "private", &scene.ann).await;
    let (x, y) = (Item::new("x", b"x"), Item::new("y", b"y"));
    let both = [realised("x", &x), realised("y", &y)].concat();
    scene
        .push_realised("acme/app", &scene.ann, &[&x, &y], both)
        .await;
    // A token for x and what it needs is told nothing of y.
    let body = json!({ "permissions": ["pull"], "closures": [x.base] });
    let narrow = server.mint(&reader, body).await.token;
    let expired = server.expired(&reader).await;
    let [unknown, _] = outputs("nothing");
    let nothing = scene.realisation_answer("", &unknown, "");
    let nothing = nothing.await.expect(404).fingerprint();
    for (of_x, of_y) in outputs("x").iter().zip(&outputs("y")) {
        for root in ["", "/cache/acme", "/cache/acme/app"] {
            for (who, token, x_is_told, y_is_told) in [
                ("anonymous", "", false, false),
                ("nobody", nobody.as_str(), false, false),
                ("reader", reader.as_str(), true, true),
                ("narrow", narrow.as_str(), true, false),
            ] {
                for (id, is_told) in [(of_x, x_is_told), (of_y, y_is_told)] {
                    let answer = scene.realisation_answer(root, id, token).await;
                    if is_told {
                        answer.expect(200);
                    } else {
                        assert_eq!(answer.fingerprint(), nothing, "{who} {root} {id}");
                    }
                }
            }
            let answer = scene.realisation_answer(root, of_x, &expired).await;
            answer.expect(401);
        }
        let elsewhere = scene.realisation_answer("/cache/acme/other", of_x, &scene.ann);
        assert_eq!(elsewhere.await.fingerprint(), nothing);
    }
    let [hashed, by_path] = outputs("x");
    let hex = &hashed["sha256:".len()..][..64];
    let derivation = by_path.trim_end_matches("^out");
    for hostile in [
        format!("/realisations/{hashed}"),
        format!("/realisations/{}.doi", hashed.to_uppercase()),
        format!("/realisations/sha256:{hex}!dev.doi"),
        format!("/realisations/sha256:{hex}%21out%00.doi"),
        format!("/realisations/sha256:{hex}!..%2f..%2f{hex}.doi"),
        format!("/realisations/{by_path}.doi"),
        format!("/realisations/{derivation}%5Eout.doi"),
        format!("/build-trace-v2/{derivation}/dev.doi"),
        format!("/build-trace-v2/{derivation}/out'--.doi"),
        format!("/build-trace-v2/{derivation}/out%22.doi"),
        format!("/build-trace-v2/{}/out.doi", x.base),
        format!("/build-trace-v2/{hashed}/out.doi"),
    ] {
        let answer = server.get(&hostile, &scene.ann).await;
        assert_eq!(answer.fingerprint(), nothing, "{hostile}");
    }
}

#[tokio::test]
async fn bad_realisations_are_refused_with_their_push() {
    let scene = Scene::new().await;
    let x = Item::new("x", b"x");
    let stranger = Item::new("stranger", b"stranger");
    let [hashed, by_path] = outputs("x");
    let good = |id: &str| PushRealisation {
        id: id.to_owned(),
        out_path: x.base.clone(),
        signatures: Vec::new(),
    };
    let named = |out_path: &str| PushRealisation {
        out_path: out_path.to_owned(),
        ..good(&hashed)
    };
    let renamed = format!("{}-renamed", x.hash());
    for (realisations, message) in [
        (vec![good("")], "neither ! nor ^"),
        (vec![good("sha256:00!out")], "64 hex digits"),
        (vec![good(&hashed.to_uppercase())], "64 hex digits"),
        (vec![good(&format!("{hashed}\n"))], "the name of an output"),
        (
            vec![good(&by_path.replace(".drv", ""))],
            "not the name of a derivation",
        ),
        (
            vec![good(&format!("/nix/store/{by_path}"))],
            "not a store path",
        ),
        (vec![named("")], "not a store path"),
        (
            vec![named(&format!("/gnu/store/{}", x.base))],
            "not in /nix/store",
        ),
        (vec![named(&format!("{}/bin", x.base))], "not a store path"),
        (
            vec![named(&stranger.base)],
            "neither in this push nor in acme/app",
        ),
        (
            vec![named(&renamed)],
            "neither in this push nor in acme/app",
        ),
        (
            vec![good(&hashed), named(&stranger.base)],
            "another realisation of it names another path",
        ),
        (
            vec![PushRealisation {
                signatures: vec!["no signature".to_owned()],
                ..good(&hashed)
            }],
            "is not a signature",
        ),
        (
            vec![PushRealisation {
                signatures: vec!["key:c2ln".to_owned(); 65],
                ..good(&hashed)
            }],
            "more than 64 signatures",
        ),
        (vec![good(&hashed); 65], "more than 64 for each path"),
    ] {
        let wanted = with_realisations(&[&x], realisations);
        let answer = scene.plan_answer("acme/app", &scene.ann, &wanted).await;
        let said = answer.expect(400).message();
        assert!(
            said.starts_with("realisations: ") && said.contains(message),
            "{said}"
        );
        assert!(!said.contains('\n'), "{said:?}");
    }
    // What stands there twice counts once, and a path may be named in full.
    let twice = vec![good(&hashed), named(&format!("/nix/store/{}", x.base))];
    let summary = scene
        .push_realised("acme/app", &scene.ann, &[&x], twice)
        .await;
    assert_eq!(summary.realisations, 1);
}

/// Of a path that is left to an upstream cache the realisation is kept, however the push tells of the path; it is told
/// where a slice has the path, and nobody says something else who counts for no more.
#[tokio::test]
async fn of_what_is_left_to_an_upstream_the_word_is_kept() {
    let upstream = SecretKey::from_seed("upstream-1", [7; 32]).unwrap();
    let store_dir = fh_nix::StoreDir::default();
    for (what, is_context, is_named, statuses_told) in [
        (
            "pushed",
            false,
            true,
            vec![PathStatus::Upstream, PathStatus::Upload],
        ),
        ("context, and named", true, true, vec![PathStatus::Upload]),
        (
            "context, and nobody's dependency",
            true,
            false,
            vec![PathStatus::Upload],
        ),
    ] {
        let scene = Scene::new().await;
        let mut x = Item::new("x", b"x").signed(&store_dir, &upstream);
        x.info.context = is_context;
        let mut y = Item::new("y", b"y");
        if is_named {
            y = y.referring_to(&x);
        }
        let both = [realised("x", &x), realised("y", &y)].concat();
        let mut wanted = with_realisations(&[&x, &y], both);
        wanted.skip_signed_by = vec![upstream.public().to_string()];
        let answer = scene.plan_answer("acme/app", &scene.ann, &wanted).await;
        let plan: PushPlan = answer.expect(201).json();
        assert_eq!(statuses(&plan), statuses_told, "{what}");
        // What waits in the database is there after a restart.
        let scene = scene.restarted().await;
        let summary = scene.finish("acme/app", &scene.ann, plan, &[&y]).await;
        assert_eq!((summary.added, summary.realisations), (1, 4), "{what}");
        let told = async |name: &str| {
            let mut told = Vec::new();
            for id in outputs(name) {
                told.push(scene.out_path("", &id, &scene.ann).await);
            }
            told
        };
        assert_eq!(
            told("x").await,
            [None, None],
            "{what}: the path is not here"
        );
        assert!(told("y").await.iter().all(Option::is_some), "{what}");
        // Nothing of it is new, nor left over.
        let answer = scene.plan_answer("acme/app", &scene.ann, &wanted).await;
        let again: PushPlan = answer.expect(200).json();
        assert_eq!(again.committed.unwrap().realisations, 0, "{what}");
        let hour = std::time::Duration::from_secs(3600);
        let collected = collect(scene.server.state.stock(), hour).await.unwrap();
        assert_eq!(
            (collected.realisations, rows(&scene).await),
            (0, 4),
            "{what}"
        );
        // Whoever pushes something else later does not say it in its place.
        let z = Item::new("z", b"z");
        scene
            .push_realised("acme/app", &scene.ann, &[&z], realised("x", &z))
            .await;
        assert_eq!(told("x").await, [None, None], "{what}");
        // And a path that comes after all is told at once.
        scene.push(&[&Item::new("x", b"x")]).await;
        let x = Some(x.base.clone());
        assert_eq!(told("x").await, [x.clone(), x], "{what}");
    }
}

/// What nobody has signed is not left out, and so nothing is said of it by a push that only tells of it.
#[tokio::test]
async fn of_context_that_is_not_left_out_nothing_is_said() {
    let scene = Scene::new().await;
    let [upstream, other] =
        [7, 8].map(|seed| SecretKey::from_seed("upstream-1", [seed; 32]).unwrap());
    let store_dir = fh_nix::StoreDir::default();
    let y = Item::new("y", b"y");
    let plain = || Item::new("x", b"x");
    let renamed = PushRealisation {
        out_path: format!("{}-renamed", plain().hash()),
        ..realised("x", &plain()).remove(0)
    };
    for (what, mut x, said) in [
        ("unsigned", plain(), realised("x", &plain())),
        (
            "by another key",
            plain().signed(&store_dir, &other),
            realised("x", &plain()),
        ),
        (
            "another name",
            plain().signed(&store_dir, &upstream),
            vec![renamed],
        ),
    ] {
        x.info.context = true;
        let mut wanted = with_realisations(&[&x, &y], said);
        wanted.skip_signed_by = vec![upstream.public().to_string()];
        let answer = scene.plan_answer("acme/app", &scene.ann, &wanted).await;
        let said = answer.expect(400).message();
        assert!(
            said.contains("neither in this push nor in acme/app"),
            "{what}: {said}"
        );
    }
}

async fn rows(scene: &Scene) -> i64 {
    let counted = scene.server.state.database().read(|read| {
        let sql = "SELECT COUNT(*) FROM slice_realisation";
        Ok(read.one(sql, &[], |row| row.get(0))?)
    });
    counted.await.unwrap()
}

#[tokio::test]
async fn realisations_go_with_their_paths_and_their_flake() {
    let scene = Scene::new().await;
    let (x, y) = (Item::new("x", b"x"), Item::new("y", b"y"));
    let both = [realised("x", &x), realised("y", &y)].concat();
    scene
        .push_realised("acme/app", &scene.ann, &[&x, &y], both)
        .await;
    assert_eq!(rows(&scene).await, 4);
    let hash = x.base.parse::<StorePath>().unwrap().hash();
    let removed = scene
        .server
        .state
        .database()
        .write(Decided::by_server(), move |tx| {
            let sql = "DELETE FROM slice_path WHERE path_hash = ?1";
            tx.execute(sql, fh_sql::params![hash.as_bytes()])?;
            Ok::<_, fh_persistence::database::DatabaseError>(())
        });
    removed.await.unwrap();
    scene.server.state.lookup().forget_all();
    // At once, and for good with the next collection.
    let [hashed, by_path] = outputs("x");
    for id in [&hashed, &by_path] {
        assert_eq!(scene.out_path("", id, &scene.ann).await, None);
    }
    let hour = std::time::Duration::from_secs(3600);
    let collected = collect(scene.server.state.stock(), hour).await.unwrap();
    assert_eq!((collected.realisations, rows(&scene).await), (2, 2));
    let collected = collect(scene.server.state.stock(), hour).await.unwrap();
    assert_eq!(collected.realisations, 0);
    assert!(
        scene
            .out_path("", &outputs("y")[0], &scene.ann)
            .await
            .is_some()
    );
    // Pushed again, the path is said to be something once more.
    let summary = scene
        .push_realised("acme/app", &scene.ann, &[&x], realised("x", &x))
        .await;
    assert_eq!((summary.added, summary.realisations), (1, 2));
    let flake = "/api/v1/flakes/acme/app";
    scene.server.delete(flake, &scene.ann).await.expect(204);
    assert_eq!(rows(&scene).await, 0);
}
