//! A token for certain paths is given to somebody who is to read these paths. It tells them of no flake,
//! organisation, team, grant or disagreement: not by what it lists, nor by how it answers to names that are guessed.

use fh_api::{AccessExplanation, Signing, SubstituterList};
use http::Method;
use serde_json::{Value, json};

use super::Stage;
use crate::push::tests::{Item, Scene};

async fn token_for(stage: &Stage, item: &Item) -> String {
    let body = json!({ "permissions": ["pull"], "closures": [item.base] });
    stage.scene.server.mint(&stage.rita, body).await.token
}

#[tokio::test]
async fn by_guessing_the_names_of_flakes_and_organisations() {
    let stage = Stage::set("acme/play").await;
    let (server, tool) = (&stage.scene.server, Item::new("tool", b"tool"));
    stage.push("acme/app", &stage.builder, &[&tool], None).await;
    let token = token_for(&stage, &tool).await;
    let signed = json!({
        "permissions": ["pull"],
        "signed_by": [fh_nix::SecretKey::generate("k-1").unwrap().public().to_string()],
    });
    let signed = server.mint(&stage.rita, signed).await.token;
    let asked = async |method: &Method, path: String, token: &str| {
        let body = [Method::POST, Method::PUT, Method::PATCH].contains(method);
        let body: Option<Value> = body.then(|| json!({ "paths": [], "role": "read" }));
        let answer = server.call(method.clone(), &path, token, body).await;
        (answer.status.as_u16(), answer.fingerprint())
    };
    for token in [&token, &signed] {
        for (method, tail) in [
            (Method::GET, ""),
            (Method::PATCH, ""),
            (Method::DELETE, ""),
            (Method::GET, "/paths"),
            (Method::GET, "/grants"),
            (Method::PUT, "/grants/bob"),
            (Method::POST, "/pushes"),
        ] {
            let of = |flake: &str| format!("/api/v1/flakes/{flake}{tail}");
            let nothing = asked(&method, of("nobody/nothing"), token).await;
            assert_eq!(nothing.0, 404, "{method} {tail}");
            // One that its owner reads and that holds none of its paths, and one that is not there.
            for flake in ["acme/play", "acme/nothing"] {
                let answer = asked(&method, of(flake), token).await;
                assert_eq!(answer, nothing, "{method} {flake}{tail}");
            }
        }
        for (there, nowhere) in [
            ("/api/v1/orgs/acme/keys", "/api/v1/orgs/nobody/keys"),
            (
                "/api/v1/substituters?organizations=acme",
                "/api/v1/substituters?organizations=nobody",
            ),
        ] {
            let nothing = asked(&Method::GET, nowhere.to_owned(), token).await;
            assert_eq!(nothing.0, 404, "{nowhere}");
            let answer = asked(&Method::GET, there.to_owned(), token).await;
            assert_eq!(answer, nothing, "{there}");
        }
        // About no path, and so about none that it may not read: the same wherever it is asked for.
        let root = asked(&Method::GET, "/nix-cache-info".to_owned(), token).await;
        assert_eq!(root.0, 200);
        for name in ["acme", "nobody", "acme/app", "acme/play", "acme/nothing"] {
            let path = format!("/cache/{name}/nix-cache-info");
            assert_eq!(asked(&Method::GET, path, token).await, root, "{name}");
        }
    }
    // What it is for is read where a flake is named, too.
    let paths = "/api/v1/flakes/acme/app/paths";
    let paths: fh_api::PathList = server.get(paths, &token).await.expect(200).json();
    assert_eq!(paths.paths.len(), 1);
    for root in ["", "/cache/acme", "/cache/acme/app"] {
        let narinfo = stage.scene.narinfo(root, &tool, &token).await;
        assert!(narinfo.is_some(), "{root}");
    }
}

#[tokio::test]
async fn by_asking_why_it_reads_a_path() {
    let stage = Stage::set("acme/play").await;
    let server = &stage.scene.server;
    let (tool, other) = (Item::new("tool", b"tool"), Item::new("tool", b"bob's"));
    stage.push("acme/play", &stage.bob, &[&other], None).await;
    stage.push("acme/app", &stage.builder, &[&tool], None).await;
    let path = format!("/api/v1/access?path={}", tool.base);
    // Rita herself is told all of it.
    let told: AccessExplanation = server.get(&path, &stage.rita).await.expect(200).json();
    assert!(told.disputed.is_some() && !told.slices.is_empty());

    let token = token_for(&stage, &tool).await;
    for query in ["", "&user=rita"] {
        let answer = server.get(&format!("{path}{query}"), &token).await;
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        let told: AccessExplanation = answer.expect(200).json();
        assert!(told.readable);
        assert_eq!(told.path, tool.base);
        assert!(told.slices.is_empty() && told.disputed.is_none(), "{text}");
        assert!(!text.contains("acme"), "{text}");
    }
}

#[tokio::test]
async fn by_asking_for_the_lines_of_its_nix_conf() {
    for signing in [Signing::Shared, Signing::PerOrganization] {
        let scene = Scene::with(|settings| settings.signing = signing).await;
        let (server, ann) = (&scene.server, &scene.ann);
        let tool = Item::new("tool", b"tool");
        scene.push(&[&tool]).await;
        server.organization("secret", ann).await;
        let body = json!({ "permissions": ["pull"], "closures": [tool.base] });
        let token = server.mint(ann, body).await.token;
        let answer = server.get("/api/v1/substituters", &token).await.expect(200);
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        assert!(!text.contains("secret"), "{text}");
        let list: SubstituterList = answer.json();
        let [line] = list.substituters.as_slice() else {
            panic!("{list:?}")
        };
        assert_eq!((&line.organization, line.standing), (&None, None));
        // It can verify what it reads.
        let narinfo = scene.narinfo("", &tool, &token).await.unwrap();
        let store_dir = server.state.store_dir();
        let verifies = line.public_keys.iter().any(|key| {
            let key: fh_nix::PublicKey = key.parse().unwrap();
            narinfo.info.verify(store_dir, &key)
        });
        assert!(verifies, "{signing:?}: {text}");
    }
}
