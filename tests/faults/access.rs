//! Access that ends while somebody pushes.

use fh_testkit::assert_lacks;
use fh_testkit::proxy::Verdict;
use serde_json::{Value, json};

use crate::nix::process::Running;
use crate::nix::proxy;
use crate::scene::{SIZES, Scene};

const FLAKE: &str = "acme/app";

/// How the access ends: what the administrator does, and what the person is told.
struct Ending {
    end: fn(&Scene, &Value),
    told: &'static [&'static str],
}

/// Pushes until some parts are there, ends the access, and lets the push go on.
fn ended_in_mid_upload(ending: &Ending) {
    let mut scene = Scene::new(&[FLAKE], &[]);
    let admin = scene.admin().clone();
    admin
        .send("POST", "/api/v1/users", &json!({ "name": "writer" }))
        .expect(201);
    let grant = |role| {
        let path = format!("/api/v1/flakes/{FLAKE}/grants/writer");
        admin.send("PUT", &path, &json!({ "role": role }));
    };
    grant("write");
    let mint = || {
        let body = json!({ "user": "writer", "permissions": ["pull", "push"] });
        admin
            .send("POST", "/api/v1/tokens", &body)
            .expect(201)
            .json()
    };
    let minted = mint();
    let token = scene.person.token_file();
    std::fs::write(&token, minted["token"].as_str().unwrap()).unwrap();

    let new = scene.stock.add(&mut scene.random, &SIZES);
    let paths = [new.last().unwrap().clone()];
    let proxy = proxy(&scene.served.url(), |request, _| match request.part() {
        Some(2..) => Verdict::Hold,
        _ => Verdict::Pass,
    });
    let push = scene.push_as(token.clone(), &proxy.url(), FLAKE, &paths);
    let running = Running::start(push);
    proxy.wait_until(|seen| {
        let received = |part| {
            let answered = seen.iter().filter(|seen| seen.status == Some(200));
            answered.filter(|seen| seen.part() == Some(part)).count() == 1
        };
        let held = seen.iter().any(|seen| seen.verdict == Verdict::Hold);
        held && received(0) && received(1)
    });
    (ending.end)(&scene, &minted);
    proxy.open();
    let ended = running.wait().code(1).says(ending.told);
    assert_lacks(&ended.stderr, &["panicked"]);
    // Not tried again: there is nothing to hope for.
    let refused = proxy.seen();
    let refused = refused.iter().filter(|seen| {
        seen.status == Some(401) || seen.status == Some(404) || seen.status == Some(403)
    });
    assert!(refused.count() <= 8, "{:#?}", proxy.seen());
    assert_eq!(scene.watcher.visible(FLAKE, &scene.stock.paths()), 0);
    scene.check();

    // Somebody who may again sends only the rest.
    grant("write");
    std::fs::write(&token, mint()["token"].as_str().unwrap()).unwrap();
    let url = scene.served.url();
    let push = scene.push_as(token, &url, FLAKE, &paths);
    let pushed = Running::start(push).wait().ok().json();
    assert_eq!(pushed["complete"], true);
    assert!(
        pushed["uploaded_nar_size"].as_u64().unwrap() <= scene.stock.nar_size(&new) - 2 * 131_072,
        "{pushed}"
    );
    scene.acknowledge(FLAKE, &paths);
    scene.check();
    scene.check_storage();
}

#[test]
fn a_token_that_is_revoked_in_mid_upload_ends_the_push() {
    ended_in_mid_upload(&Ending {
        end: |scene, minted| {
            let id = minted["info"]["id"].as_str().or(minted["id"].as_str());
            let path = format!("/api/v1/tokens/{}", id.unwrap());
            scene
                .admin()
                .send("DELETE", &path, &Value::Null)
                .expect(200);
        },
        told: &["Error: ", "revoked"],
    });
}

#[test]
fn a_grant_that_is_taken_away_in_mid_upload_ends_the_push() {
    ended_in_mid_upload(&Ending {
        end: |scene, _| {
            let path = format!("/api/v1/flakes/{FLAKE}/grants/writer");
            scene
                .admin()
                .send("DELETE", &path, &Value::Null)
                .expect(204);
        },
        told: &["Error: "],
    });
}
