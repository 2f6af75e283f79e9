//! Nix takes no path whose narinfo has another name than the one that it asks for. Somebody pushes the very content of
//! a path under the same hash and another name, and is older: a token for the path's closure is not given that.

use fh_nix::StorePath;
use serde_json::json;

use super::Stage;
use super::the_same_content_misleads::renamed;
use crate::push::tests::Item;

/// A library, a tool that needs it, and a script.
fn packages() -> [Item; 3] {
    let library = Item::new("library", b"library");
    let tool = Item::new("tool", b"tool").referring_to(&library);
    [library, tool, Item::new("script", b"script")]
}

/// A token for the tool and the script, with what they need.
async fn closure_token(stage: &Stage, with: &str, [_, tool, script]: &[Item; 3]) -> String {
    let body = json!({ "permissions": ["pull"], "closures": [tool.base, script.base] });
    stage.scene.server.mint(with, body).await.token
}

/// The name under which a token is given a path.
async fn given(stage: &Stage, item: &Item, token: &str) -> Option<StorePath> {
    let narinfo = stage.scene.narinfo("", item, token).await;
    narinfo.map(|narinfo| narinfo.info.path)
}

#[tokio::test]
async fn by_a_colleague_who_was_first() {
    let stage = Stage::set("acme/play").await;
    let built = packages();
    let [library, tool, script] = &built;
    let mut early = [renamed(library), renamed(script)];
    for (item, digit) in early.iter_mut().zip(["1", "2"]) {
        item.info.deriver = Some(format!("{}-bobs.drv", digit.repeat(32)));
    }
    let of_bob = early.each_ref();
    stage.push("acme/play", &stage.bob, &of_bob, None).await;
    let of_builder = [library, tool, script];
    stage
        .push("acme/app", &stage.builder, &of_builder, None)
        .await;
    let token = closure_token(&stage, &stage.rita, &built).await;
    for item in &built {
        let narinfo = stage.scene.narinfo("", item, &token).await.unwrap();
        assert_eq!(narinfo.info.path.to_string(), item.base);
        assert_eq!(narinfo.info.deriver, None, "what bob says of it");
        let path = format!("/nar/{}.nar.zst", item.nar_name());
        let answer = stage.scene.server.get(&path, &token).await;
        answer.expect(200);
    }
}

/// Also where nothing of the right name is left.
#[tokio::test]
async fn by_what_is_followed_later() {
    let stage = Stage::set("acme/play").await;
    let (server, ann) = (&stage.scene.server, &stage.scene.ann);
    let mallory = server.user("mallory").await;
    for (organization, owner) in [("good", ann), ("evil", &mallory)] {
        server.organization(organization, owner).await;
        let flake = format!("{organization}/x");
        server.flake(&flake, "public", owner).await;
    }
    let built = packages();
    let [library, tool, script] = &built;
    let bogus = [renamed(library), renamed(script)];
    let of_mallory = bogus.each_ref();
    stage.push("evil/x", &mallory, &of_mallory, None).await;
    let of_ann = [library, tool, script];
    stage.push("good/x", ann, &of_ann, None).await;
    let zoe = server.user("zoe").await;
    server.follow(&zoe, &["good/x", "evil/x"]).await.expect(200);
    let token = closure_token(&stage, &zoe, &built).await;
    for item in &built {
        let path: StorePath = item.base.parse().unwrap();
        assert_eq!(given(&stage, item, &zoe).await, Some(path.clone()));
        assert_eq!(given(&stage, item, &token).await, Some(path));
    }
    server
        .delete("/api/v1/flakes/good/x", ann)
        .await
        .expect(204);
    // At the root it is mallory's now.
    assert!(given(&stage, library, &zoe).await.is_some());
    for item in &built {
        assert_eq!(given(&stage, item, &token).await, None);
    }
}
