//! What those who go on with an upload wait for.

use std::time::Duration;

use super::*;
use crate::push::tests::{Item, Scene, noise};

#[tokio::test]
async fn while_parts_are_removed_only_those_who_want_them_wait() {
    let scene = Scene::new().await;
    let items = [1, 2].map(|seed| Item::new(&format!("large-{seed}"), &noise(seed, 200_000)));
    let id = scene
        .plan(&items.iter().collect::<Vec<_>>())
        .await
        .id
        .unwrap();
    for item in &items {
        scene.part(id, item, 0).await;
    }
    let uploads = scene.server.state.pushes().receiving().uploads().clone();
    uploads.forget_idle(Duration::ZERO);
    assert!(uploads.shared.uploads.lock().is_empty());
    let flake_id = scene.server.flake_id("acme/app").await;
    let staging = uploads
        .shared
        .backend
        .storage
        .stale_partials(Duration::ZERO);
    let keys: HashMap<_, _> = staging
        .unwrap()
        .into_iter()
        .map(|key| (key.nar_hash, key))
        .collect();
    let [removed, other] = items.map(|item| {
        let key = keys[&item.nar_hash()];
        assert_eq!(key.flake_id, flake_id);
        let expected = Expected {
            path: item.base.parse().unwrap(),
            nar_hash: key.nar_hash,
            nar_size: key.nar_size,
        };
        (key, expected)
    });
    // As the removal does, which takes as long as the file system wants.
    uploads.shared.removing.send_modify(|removing| {
        removing.insert(removed.0);
    });
    let waits = uploads.parts_received(removed.0, &removed.1);
    tokio::pin!(waits);
    let moment = Duration::from_millis(50);
    assert!(tokio::time::timeout(moment, &mut waits).await.is_err());
    assert_eq!(uploads.parts_received(other.0, &other.1).await.unwrap(), 1);
    uploads
        .shared
        .backend
        .storage
        .partial(&removed.0)
        .remove()
        .unwrap();
    uploads
        .shared
        .removing
        .send_modify(std::collections::HashSet::clear);
    assert_eq!(waits.await.unwrap(), 0);
    // Somebody has it in hand now.
    assert!(!uploads.discard(&removed.0).unwrap());
    uploads.forget_idle(Duration::ZERO);
    let removed = uploads.discard_by(&other.0, || {
        // Freeing room takes a while: nobody who wants something else waits for it.
        assert!(uploads.shared.uploads.try_lock().is_some());
        assert!(uploads.shared.removing.borrow().contains(&other.0));
        uploads.shared.backend.storage.partial(&other.0).remove()
    });
    assert!(removed.unwrap());
    assert!(uploads.shared.removing.borrow().is_empty());
    assert_eq!(uploads.parts_received(other.0, &other.1).await.unwrap(), 0);
}
