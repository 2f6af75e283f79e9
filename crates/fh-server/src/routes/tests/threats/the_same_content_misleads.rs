//! A colleague pushes what a builder is about to push, the same NAR under the same hash, but says something else
//! of it: another name, or an address of the content that is none. Nix refuses the path then, or stops.

use super::Stage;
use crate::push::tests::{Item, request};

/// The same hash and NAR, with another name.
pub(super) fn renamed(item: &Item) -> Item {
    let mut other = item.clone();
    other.base = format!("{}-nonsense", item.hash());
    other.info.path.clone_from(&other.base);
    other
}

#[tokio::test]
async fn by_its_name() {
    for of_bob in ["acme/play", "acme/app"] {
        let stage = Stage::set(of_bob).await;
        let tool = Item::new("tool", b"tool");
        let nonsense = renamed(&tool);
        stage.push(of_bob, &stage.bob, &[&nonsense], None).await;
        stage.push("acme/app", &stage.builder, &[&tool], None).await;
        for served in stage.served(&tool).await {
            assert_eq!(served.unwrap().path.to_string(), tool.base, "{of_bob}");
        }
        // Whoever counts for less changes nothing of it.
        let again = stage
            .scene
            .plan_answer(of_bob, &stage.bob, &request(&[&nonsense]))
            .await;
        assert_eq!(again.status == 400, of_bob == "acme/app");
        assert!(stage.served(&tool).await.iter().all(Option::is_some));
        let clashes = stage.scene.server.audited("push.clash").await;
        assert_eq!(clashes, i64::from(of_bob == "acme/play"), "replaced in app");
    }
}

#[tokio::test]
async fn by_an_address_of_its_content() {
    let stage = Stage::set("acme/play").await;
    let tool = Item::new("tool", b"tool");
    let digest = tool.nar_name();
    for ca in [
        format!("fixed:r:sha256:{digest}"),
        format!("fixed:sha256:{digest}"),
        format!("text:sha256:{digest}"),
        format!("fixed:git:sha256:{digest}"),
        "fixed:r:sha1:vw46m23bizj4n8afrc0fj19wrp7mj3c0".to_owned(),
    ] {
        let mut lie = tool.clone();
        lie.info.ca = Some(ca.clone());
        let answer = stage
            .scene
            .plan_answer("acme/play", &stage.bob, &request(&[&lie]))
            .await;
        let message = answer.expect(400).message();
        assert!(
            message.contains(&format!("{}: ca: {ca}", tool.base)),
            "{message}"
        );
    }
}

#[tokio::test]
async fn by_a_content_that_the_slice_does_not_take() {
    // The slice keeps what it has; its organisation hears of it, also where nothing else is pushed.
    let stage = Stage::set("acme/app").await;
    let tool = Item::new("tool", b"tool");
    stage.push("acme/app", &stage.builder, &[&tool], None).await;
    let other = Item::new("tool", b"another tool");
    stage.push("acme/app", &stage.bob, &[&other], None).await;
    assert_eq!(stage.scene.server.audited("push.clash").await, 1);
    for served in stage.served(&tool).await {
        assert_eq!(served.unwrap().nar_hash, tool.nar_hash());
    }
}
