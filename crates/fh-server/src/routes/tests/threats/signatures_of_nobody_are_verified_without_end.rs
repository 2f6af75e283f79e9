//! Verifying a signature takes as long as reading many paths, and whoever pushes decides how many there are. Under the
//! name of a key that the organisation trusts, bob sends as many as a push may have, which nobody has made.

use fh_nix::{SIGNATURES_OF_A_NAME, SecretKey};
use serde_json::json;

use super::Stage;
use super::the_same_content_hides_a_builder_s_signature::junk;
use crate::push::tests::Item;
use crate::push::tests::realisations::{realised, with_realisations};
use crate::signatures::{VERIFIED_IN_ANY_CASE, VERIFIED_OF_AN_ITEM};

const ITEMS: usize = 8;

/// Keys of one name, as many as an organisation may trust.
const KEYS: u8 = 4;

#[tokio::test]
async fn of_each_name_only_a_few_are_tried() {
    let stage = Stage::set("acme/app").await;
    let (scene, server) = (&stage.scene, &stage.scene.server);
    let key = |seed| SecretKey::from_seed("release-1", [seed; 32]).unwrap();
    let keys: Vec<String> = (0..KEYS)
        .map(|seed| key(seed).public().to_string())
        .collect();
    let body = json!({ "trusted_keys": keys });
    server
        .patch("/api/v1/orgs/acme", &scene.ann, body)
        .await
        .expect(200);
    let plain: Vec<Item> = (0..ITEMS)
        .map(|index| Item::new(&format!("tool-{index}"), b"tool"))
        .collect();
    let signed = plain.iter().cloned().map(|mut item| {
        item.info.signatures = junk("release-1", 1);
        item
    });
    let signed: Vec<Item> = signed.collect();
    let realisations = |of: &[Item], signatures: &[String]| {
        let all = of.iter().enumerate().flat_map(|(index, item)| {
            let mut said = realised(&format!("tool-{index}"), item);
            for it in &mut said {
                it.signatures = signatures.to_vec();
            }
            said
        });
        all.collect::<Vec<_>>()
    };
    let verified = || server.state.lookup().signatures().remembered();
    // What is new, what is there already, and what is there with signatures.
    for (what, items, signatures, expected) in [
        ("nothing is signed", &plain, Vec::new(), 0),
        ("junk", &signed, junk("release-1", 2), 3 * ITEMS),
        ("the same junk", &signed, junk("release-1", 2), 0),
    ] {
        let before = verified();
        let pushed: Vec<&Item> = items.iter().collect();
        let wanted = with_realisations(&pushed, realisations(items, &signatures));
        let answer = scene.plan_answer("acme/app", &stage.bob, &wanted).await;
        assert!(answer.status.is_success(), "{what}: {:?}", answer.body);
        scene
            .finish("acme/app", &stage.bob, answer.json(), &pushed)
            .await;
        let tried = expected * SIGNATURES_OF_A_NAME * usize::from(KEYS);
        assert_eq!(verified() - before, tried as u64, "{what}");
    }
}

/// Names that nobody pushes under may be many: so a push has only so many verified, whatever it brings.
#[tokio::test]
async fn of_one_push_only_so_many_are_tried() {
    const NAMES: u8 = 12;
    let stage = Stage::set("acme/app").await;
    let (scene, server) = (&stage.scene, &stage.scene.server);
    let name = |number: u8| format!("release-{number}");
    let key = |number: u8, seed: u8| {
        let seed = KEYS * number + seed;
        SecretKey::from_seed(&name(number), [seed; 32]).unwrap()
    };
    let keys = (0..NAMES).flat_map(|number| (0..KEYS).map(move |seed| key(number, seed).public()));
    let keys: Vec<String> = keys.map(|key| key.to_string()).collect();
    let body = json!({ "trusted_keys": keys });
    server
        .patch("/api/v1/orgs/acme", &scene.ann, body)
        .await
        .expect(200);
    let items = (0..ITEMS).map(|index| {
        let mut item = Item::new(&format!("tool-{index}"), b"tool");
        let all = (0..NAMES).map(|number| junk(&name(number), number));
        let all = all.flat_map(|junk| junk.into_iter().take(SIGNATURES_OF_A_NAME));
        item.info.signatures = all.collect();
        item
    });
    let items: Vec<Item> = items.collect();
    let pushed: Vec<&Item> = items.iter().collect();
    scene.push_as("acme/app", &stage.bob, &pushed).await;
    let most = VERIFIED_IN_ANY_CASE + ITEMS * VERIFIED_OF_AN_ITEM;
    let asked = ITEMS * usize::from(NAMES) * VERIFIED_OF_AN_ITEM;
    assert!(asked > 2 * most);
    let verified = server.state.lookup().signatures().remembered();
    assert_eq!(verified, most as u64);
}
