//! Rows that cannot be written: whom that concerns, and what becomes of the files. SQLite refuses by triggers.

use std::time::Duration;

use fh_api::PathStatus;
use fh_persistence::database::Decided;

use crate::push::tests::{Item, Scene, batch_body, noise};
use crate::testing::Answer;

impl Scene {
    async fn execute(&self, sql: String) {
        let done = self
            .server
            .state
            .database()
            .write(Decided::by_server(), move |tx| {
                tx.batch(&sql)?;
                Ok::<_, fh_persistence::database::DatabaseError>(())
            });
        done.await.unwrap();
    }

    /// From now on no row is written of this NAR.
    async fn refuse(&self, item: &Item) {
        let hash = data_encoding::HEXLOWER.encode(item.nar_hash().as_bytes());
        self.execute(format!(
            "CREATE TRIGGER refused BEFORE INSERT ON nar WHEN NEW.nar_hash = x'{hash}' \
             BEGIN SELECT RAISE(ABORT, 'refused by a test'); END"
        ))
        .await;
    }

    async fn refuse_no_more(&self) {
        self.execute("DROP TRIGGER refused".to_owned()).await;
    }
}

/// What is an answer to a request that is worth to be sent again.
#[track_caller]
fn passes_by(answer: Answer) {
    assert!(answer.headers.contains_key("retry-after"));
    let message = answer.expect(503).message();
    assert!(message.contains("could not be stored"), "{message}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_stored_concerns_nobody_else() {
    let scene = Scene::new().await;
    let (good, bad) = (
        Item::new("good", &noise(1, 900)),
        Item::new("bad", &noise(2, 900)),
    );
    let id = scene.plan(&[&good, &bad]).await.id.unwrap();
    scene.refuse(&bad).await;
    // Both wait, and become one group.
    let publisher = scene.server.state.pushes().receiving().publisher().clone();
    let turn = publisher.turn().await;
    let send = |item: &Item| {
        let body = batch_body(&[(item.nar_hash(), item.compressed())]);
        scene.batch_answer("acme/app", &scene.ann, id, body)
    };
    let end = async {
        while publisher.shared.waiting.lock().len() < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        drop(turn);
    };
    let (answered, refused, ()) = tokio::join!(send(&good), send(&bad), end);
    answered.expect(200);
    passes_by(refused);
    // Nothing of it is left over.
    let files = scene.files();
    assert_eq!(files.len(), 1, "{files:?}");
    scene.refuse_no_more().await;
    send(&bad).await.expect(200);
    assert_eq!(scene.commit(id).await.added, 2);
    for item in [&good, &bad] {
        assert_eq!(scene.nar(item, &scene.ann).await.unwrap(), item.nar);
    }
}

#[tokio::test]
async fn of_a_batch_what_could_be_stored_counts() {
    let scene = Scene::new().await;
    let (good, bad) = (
        Item::new("good", &noise(1, 900)),
        Item::new("bad", &noise(2, 900)),
    );
    let id = scene.plan(&[&good, &bad]).await.id.unwrap();
    scene.refuse(&bad).await;
    let records = [&good, &bad].map(|item| (item.nar_hash(), item.compressed()));
    let answer = scene
        .batch_answer("acme/app", &scene.ann, id, batch_body(&records))
        .await;
    passes_by(answer);
    let statuses = crate::push::tests::statuses(&scene.plan(&[&good, &bad]).await);
    assert_eq!(statuses, [PathStatus::Received, PathStatus::Upload]);
}

#[tokio::test]
async fn a_large_upload_whose_row_cannot_be_written_is_not_sent_anew() {
    let scene = Scene::new().await;
    let item = Item::new("large", &noise(3, 3 * 65_536 + 10));
    let count = item.parts().len() as u64;
    let id = scene.plan(&[&item]).await.id.unwrap();
    for number in 0..count - 1 {
        scene.part(id, &item, number).await;
    }
    scene.refuse(&item).await;
    let last = item.parts().pop().unwrap();
    passes_by(scene.part_answer(id, &item, count - 1, last).await);
    let files = scene.files();
    assert!(
        files.len() == 1 && files[0].ends_with(".parts"),
        "{files:?}"
    );
    let plan = scene.plan(&[&item]).await;
    assert_eq!(plan.uploads[0].parts_received, count - 1);
    scene.refuse_no_more().await;
    assert!(scene.part(id, &item, count - 1).await.complete);
    assert_eq!(scene.commit(id).await.added, 1);
    assert_eq!(scene.nar(&item, &scene.ann).await.unwrap(), item.nar);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_passes_by_is_not_even_noticed() {
    let scene = Scene::new().await;
    let item = Item::new("x", &noise(1, 900));
    let id = scene.plan(&[&item]).await.id.unwrap();
    scene.refuse(&item).await;
    let mend = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        scene.refuse_no_more().await;
    };
    let items = [&item];
    let (answer, ()) = tokio::join!(scene.batch(id, &items), mend);
    assert_eq!(answer.nars[0].rejected, None);
    assert_eq!(scene.commit(id).await.added, 1);
}
