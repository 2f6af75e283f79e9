//! What is kept of those who asked.

use fh_persistence::database::{DatabaseError, Decided};

use crate::testing::TestServer;

#[tokio::test]
async fn of_former_generations_nothing_is_kept() {
    let server = TestServer::start().await;
    let access = server.state.access();
    for _ in 0..200 {
        let change = server
            .state
            .database()
            .change_access(Decided::by_server(), |_| Ok::<_, DatabaseError>(()));
        change.await.unwrap();
        server
            .get("/api/v1/whoami", &server.admin)
            .await
            .expect(200);
    }
    let kept = access.kept_principals();
    assert!(kept <= 2, "{kept} copies of one principal");
}
