//! Many pushes at the same time.

use std::collections::BTreeSet;

use serde_json::json;

use crate::nix::process::Running;
use crate::scene::{SIZES, Scene};

const FLAKES: [&str; 3] = ["acme/one", "acme/two", "other/three"];

/// So many pushes at once, of overlapping closures to several flakes, by two people: the one reads
/// everything, the other must send all of what they push.
fn push_at_once(pushes: usize, flakes: &[&'static str]) {
    let mut scene = Scene::new(&FLAKES, &["--collect-interval", "100ms"]);
    let admin = scene.admin().clone();
    let writer = admin.account("writer", &["pull", "push"]);
    admin.send(
        "PUT",
        "/api/v1/flakes/acme/one/grants/writer",
        &json!({ "role": "write" }),
    );
    let token = scene.person.token_file();
    std::fs::write(&token, writer.token.unwrap()).unwrap();

    // Groups that refer to each other, so that closures overlap in part.
    let tops: Vec<String> = (0..3)
        .map(|_| {
            let new = scene.stock.add(&mut scene.random, &SIZES);
            new.last().unwrap().clone()
        })
        .collect();
    let mut running = Vec::new();
    for number in 0..pushes {
        // At least two are the same.
        let flake = flakes[(number / 2) % flakes.len()];
        let paths: BTreeSet<String> = if number < 2 {
            tops.iter().cloned().collect()
        } else {
            let others = scene.stock.paths().into_iter().collect::<Vec<_>>();
            let picked = [scene.random.pick(&tops), scene.random.pick(&others)];
            picked.into_iter().cloned().collect()
        };
        let paths: Vec<String> = paths.into_iter().collect();
        let token = if flake == "acme/one" && number % 2 == 1 {
            token.clone()
        } else {
            scene.served.admin_token()
        };
        let url = scene.served.url();
        let push = scene.push_as(token, &url, flake, &paths);
        running.push((Running::start(push), flake, paths));
    }
    for (running, flake, paths) in running {
        let ended = running.wait().ok();
        let pushed = ended.json();
        assert_eq!(pushed["complete"], true, "{ended}");
        let closure = scene.stock.closure(&paths);
        assert_eq!(pushed["paths"], closure.len(), "{ended}");
        scene.acknowledge(flake, &paths);
    }
    scene.check();
    scene.check_storage();
}

#[test]
fn two_pushes_of_the_same_paths_to_one_flake() {
    push_at_once(2, &FLAKES[..1]);
}

#[test]
fn twenty_pushes_of_overlapping_paths_to_one_flake() {
    push_at_once(20, &FLAKES[..1]);
}

#[test]
fn twenty_pushes_of_overlapping_paths_to_several_flakes() {
    push_at_once(20, &FLAKES);
}
