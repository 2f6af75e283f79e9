//! Somebody steals a token with the permission `mint`, and makes others with it in every way that there is.
//! The owner learns of it and revokes the stolen one: nothing that the thief made is good any more, whether
//! the stolen one had ended by then or not.

use fh_api::{MintedToken, RotatedToken, TokenInfo, TokenList, TokenRevocation};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::testing::TestServer;

const ALL: [&str; 4] = ["pull", "push", "mint", "admin"];

fn id(token: &str) -> Uuid {
    fh_auth::read_unverified(token).unwrap().jti
}

async fn rotate(server: &TestServer, former: &str, by: &str, body: Value) -> String {
    let path = format!("/api/v1/tokens/{}/rotate", id(former));
    let made: MintedToken = server.post(&path, by, body).await.expect(201).json();
    assert_eq!(made.info.parent, Some(id(by)), "the token that asked");
    made.token
}

async fn is_good(server: &TestServer, token: &str) -> bool {
    server.get("/api/v1/whoami", token).await.status == 200
}

async fn revoke(server: &TestServer, token: &str, by: &str, query: &str) -> TokenRevocation {
    let path = format!("/api/v1/tokens/{}{query}", id(token));
    server.delete(&path, by).await.expect(200).json()
}

async fn preview(server: &TestServer, token: &str, by: &str, query: &str) -> TokenRevocation {
    let path = format!("/api/v1/tokens/{}/revocation{query}", id(token));
    server.get(&path, by).await.expect(200).json()
}

fn ids(tokens: &[fh_api::RevokedToken]) -> Vec<Uuid> {
    tokens.iter().map(|token| token.id).collect()
}

#[tokio::test]
async fn by_rotating_it_with_a_long_grace() {
    let server = TestServer::start().await;
    let owner = server.user("ann").await;
    let grace = json!({ "grace": 30 * 86_400 });
    for body in [grace, json!({})] {
        let stolen = server.narrow(&owner, &["pull", "mint"], &["*"]).await;
        let second = rotate(&server, &stolen, &stolen, body.clone()).await;
        let third = rotate(&server, &second, &second, body).await;
        let minted = server.narrow(&third, &["pull"], &["*"]).await;
        assert!(is_good(&server, &third).await && is_good(&server, &minted).await);
        revoke(&server, &stolen, &owner, "").await;
        for token in [&stolen, &second, &third, &minted] {
            assert!(!is_good(&server, token).await);
        }
    }
    assert!(is_good(&server, &owner).await);
}

/// Renewing needs no permission: a thief of the smallest token can do it, and renew what comes of it in turn.
#[tokio::test]
async fn by_renewing_it_again_and_again() {
    let server = TestServer::start().await;
    server.user("ann").await;
    for permissions in [&["pull"][..], &ALL] {
        let body = json!({ "user": "ann", "permissions": permissions });
        let stolen = server.mint(&server.admin, body).await.token;
        let renew = async |token: &str| -> String {
            let path = "/api/v1/tokens/renew";
            let made: MintedToken = server.post(path, token, json!({})).await.expect(201).json();
            made.token
        };
        let second = renew(&stolen).await;
        let third = renew(&second).await;
        let beside = renew(&stolen).await;
        let mut all = vec![second, third.clone(), beside];
        if permissions.len() > 1 {
            let rotated = rotate(&server, &third, &third, json!({})).await;
            all.push(renew(&rotated).await);
            all.push(server.narrow(&rotated, &["pull"], &["*"]).await);
        }
        revoke(&server, &stolen, &server.admin, "").await;
        for token in all.iter().chain([&stolen]) {
            assert!(!is_good(&server, token).await);
        }
    }
}

/// The owner rotates it with a time of grace: in that time it is good, and lasts no longer.
#[tokio::test]
async fn by_renewing_it_in_the_time_of_grace() {
    let server = TestServer::start().await;
    let owner = server.user("ann").await;
    let body = json!({ "user": "ann", "permissions": ["pull", "mint"] });
    let stolen = server.mint(&server.admin, body).await.token;
    rotate(&server, &stolen, &owner, json!({ "grace": 3600 })).await;
    let path = "/api/v1/tokens/renew";
    server.post(path, &stolen, json!({})).await.expect(409);
    let body = json!({ "permissions": ["pull"], "renewable": true });
    let made = server.mint(&stolen, body).await.token;
    server.post(path, &made, json!({})).await.expect(409);
}

#[tokio::test]
async fn by_rotating_another_token_of_the_account() {
    let server = TestServer::start().await;
    let owner = server.user("ann").await;
    let stolen = server.narrow(&owner, &["pull", "mint"], &["*"]).await;
    let laptop = server.narrow(&owner, &["pull", "mint"], &["*"]).await;
    let of_laptop = server.narrow(&laptop, &["pull"], &["*"]).await;
    let grace = json!({ "grace": 30 * 86_400 });
    let taken = rotate(&server, &laptop, &stolen, grace).await;
    let planned = preview(&server, &stolen, &owner, "").await;
    assert_eq!(ids(&planned.ended), [id(&stolen), id(&taken)]);
    assert!(is_good(&server, &taken).await, "nothing has ended yet");
    let told = revoke(&server, &stolen, &owner, "").await;
    assert_eq!(told, planned);
    assert!(!is_good(&server, &taken).await);
    // What is the owner's own is not the thief's, and stands.
    assert!(is_good(&server, &laptop).await && is_good(&server, &of_laptop).await);
}

/// The stolen token has ended by the time it is revoked: by a rotation, which leaves what came of it.
#[tokio::test]
async fn after_the_stolen_token_was_rotated_by_its_owner() {
    let server = TestServer::start().await;
    let owner = server.user("ann").await;
    let stolen = server.narrow(&owner, &["pull", "mint"], &["*"]).await;
    let made = server.narrow(&stolen, &["pull", "mint"], &["*"]).await;
    let of_made = server.narrow(&made, &["pull"], &["*"]).await;
    let fresh = rotate(&server, &stolen, &owner, json!({})).await;
    assert!(!is_good(&server, &stolen).await);
    assert!(is_good(&server, &made).await && is_good(&server, &of_made).await);
    let told = revoke(&server, &stolen, &owner, "").await;
    assert_eq!(ids(&told.ended), [id(&made), id(&of_made)]);
    assert!(!is_good(&server, &made).await && !is_good(&server, &of_made).await);
    assert!(is_good(&server, &fresh).await);
    assert_eq!(revoke(&server, &stolen, &owner, "").await.ended, []);
    assert_eq!(server.audited("token.revoke").await, 1);
}

/// Rotating leaves what came of the token, renewals that a thief asked for among it: whoever rotates is told what that
/// is, and ends it by revoking it, or the former token.
#[tokio::test]
async fn after_a_rotation_that_tells_what_is_left() {
    let server = TestServer::start().await;
    let owner = server.user("ann").await;
    let renew = async |token: &str| -> String {
        let path = "/api/v1/tokens/renew";
        let made: MintedToken = server.post(path, token, json!({})).await.expect(201).json();
        made.token
    };
    let rotate = async |former: &str, by: &str, body: Value| -> RotatedToken {
        let path = format!("/api/v1/tokens/{}/rotate", id(former));
        server.post(&path, by, body).await.expect(201).json()
    };
    for body in [json!({}), json!({ "grace": 3600 })] {
        for by in ["the owner's", "itself", "a renewal of it"] {
            let wanted = json!({ "user": "ann", "permissions": ["pull", "mint"] });
            let stolen = server.mint(&server.admin, wanted).await.token;
            let renewed = renew(&stolen).await;
            let minted = server.narrow(&stolen, &["pull"], &["*"]).await;
            let gone = server.narrow(&stolen, &["pull"], &["*"]).await;
            server.revoke(&gone).await;
            let again = renew(&renewed).await;
            let asking = match by {
                "itself" => &stolen,
                "a renewal of it" => &renewed,
                _ => &owner,
            };
            let rotated = rotate(&stolen, asking, body.clone()).await;
            let mut left = vec![&renewed, &minted, &again];
            left.retain(|token| *token != asking);
            let left_ids: Vec<Uuid> = left.iter().map(|token| id(token)).collect();
            assert_eq!(ids(&rotated.still_valid), left_ids, "{by}");
            assert_eq!(rotated.made_for_others, [], "{by}");
            for token in &left {
                assert!(is_good(&server, token).await, "{by}");
            }
            if by == "the owner's" {
                // At once, by the id of the former one, whether it has ended or not.
                let mut told = ids(&revoke(&server, &stolen, &owner, "").await.ended);
                told.retain(|ended| *ended != id(&stolen));
                assert_eq!(told, left_ids);
            } else {
                for token in &left {
                    revoke(&server, token, &owner, "").await;
                }
            }
            for token in left {
                assert!(!is_good(&server, token).await, "{by}");
            }
            assert!(is_good(&server, &rotated.token).await, "{by}");
        }
    }
    // What was made for others is told as well.
    let stolen = server.narrow(&server.admin, &ALL, &["*"]).await;
    let of_ann = server.mint(&stolen, json!({ "user": "ann" })).await;
    let rotated = rotate(&stolen, &server.admin, json!({})).await;
    assert_eq!(ids(&rotated.made_for_others), [of_ann.info.id]);
    assert_eq!(rotated.still_valid, []);
    assert!(is_good(&server, &of_ann.token).await);
}

/// A request of the thief's that was let in before the revocation makes nothing after it.
#[tokio::test]
async fn by_asking_while_it_is_revoked() {
    let server = TestServer::start().await;
    let owner = server.user("ann").await;
    for _ in 0..20 {
        let stolen = server.narrow(&owner, &["pull", "mint"], &["*"]).await;
        let victim = server.narrow(&owner, &["pull"], &["*"]).await;
        let rotate = format!("/api/v1/tokens/{}/rotate", id(&victim));
        let (minted, rotated, _) = tokio::join!(
            server.post("/api/v1/tokens", &stolen, json!({})),
            server.post(&rotate, &stolen, json!({ "grace": 600 })),
            revoke(&server, &stolen, &owner, ""),
        );
        for answer in [minted, rotated] {
            if answer.status == 201 {
                let made: MintedToken = answer.json();
                assert!(!is_good(&server, &made.token).await);
            } else {
                answer.expect(401);
            }
        }
    }
}

#[tokio::test]
async fn by_a_token_for_another_account() {
    let server = TestServer::start().await;
    let bob = server.user("bob").await;
    let stolen = server.narrow(&server.admin, &ALL, &["*"]).await;
    let body = json!({ "user": "bob", "permissions": ALL });
    let hidden = server.mint(&stolen, body).await.token;
    // Its own row may have ended: what came of it counts.
    let hidden_later = rotate(&server, &hidden, &hidden, json!({})).await;
    let planned = preview(&server, &stolen, &server.admin, "").await;
    assert_eq!(ids(&planned.ended), [id(&stolen)]);
    assert_eq!(ids(&planned.made_for_others), [id(&hidden)]);
    let others = "?with_made_for_others=true";
    let with_others = preview(&server, &stolen, &server.admin, others).await;
    assert_eq!(ids(&with_others.ended), [id(&stolen), id(&hidden_later)]);
    assert_eq!(with_others.made_for_others, []);

    assert_eq!(revoke(&server, &stolen, &server.admin, "").await, planned);
    assert!(is_good(&server, &hidden_later).await, "it is bob's");
    // It can still be named, and what it made for others is told again.
    let again = revoke(&server, &stolen, &server.admin, "").await;
    assert_eq!(again.ended, []);
    assert_eq!(ids(&again.made_for_others), [id(&hidden)]);
    let told = revoke(&server, &stolen, &server.admin, others).await;
    assert_eq!(ids(&told.ended), [id(&hidden_later)]);
    assert!(!is_good(&server, &hidden_later).await && is_good(&server, &bob).await);
}

/// To end what was made for others takes what revoking each of them takes.
#[tokio::test]
async fn what_was_made_for_others_ends_by_who_manages_those() {
    let server = TestServer::start().await;
    let ann = server.user("ann").await;
    server.user("eve").await;
    server.organization("acme", &server.admin).await;
    for owner in ["ann", "eve"] {
        let path = format!("/api/v1/orgs/acme/members/{owner}");
        let role = json!({ "role": "owner" });
        server.put(&path, &server.admin, role).await.expect(200);
    }
    let accounts = "/api/v1/orgs/acme/service-accounts";
    server
        .post(accounts, &ann, json!({ "name": "ci" }))
        .await
        .expect(201);
    let laptop = server.narrow(&ann, &ALL, &["*"]).await;
    let ci = server.mint(&laptop, json!({ "user": "ci" })).await.token;
    let others = "?with_made_for_others=true";
    // The same account, but it administers nothing.
    let few = server.narrow(&ann, &["pull", "mint"], &["*"]).await;
    let of_few = server.narrow(&few, &["pull"], &["*"]).await;
    assert_eq!(
        ids(&revoke(&server, &of_few, &few, others).await.ended).len(),
        1
    );
    let path = format!("/api/v1/tokens/{}{others}", id(&laptop));
    // By the token that made it, whose owner administers acme no more.
    let eve = server
        .mint(&server.admin, json!({ "user": "eve", "permissions": ALL }))
        .await
        .token;
    server
        .delete("/api/v1/orgs/acme/members/ann", &eve)
        .await
        .expect(204);
    let refused = server.delete(&path, &laptop).await.expect(403);
    assert!(refused.message().contains("you may not revoke"));
    assert!(is_good(&server, &laptop).await && is_good(&server, &ci).await);
    // Nor see it, nor replace it.
    let of_ci = format!("/api/v1/tokens/{}", id(&ci));
    server.get(&of_ci, &laptop).await.expect(404);
    server
        .post(&format!("{of_ci}/rotate"), &laptop, json!({}))
        .await
        .expect(404);
    // Alone it can be revoked, and tells what stands.
    let told = revoke(&server, &laptop, &laptop, "").await;
    assert_eq!(ids(&told.ended), [id(&laptop)]);
    assert_eq!(ids(&told.made_for_others), [id(&ci)]);
    assert!(is_good(&server, &ci).await);
    revoke(&server, &ci, &eve, "").await;
    assert!(!is_good(&server, &ci).await);
}

/// The rows in between go one day; never while something of theirs is left.
#[tokio::test]
async fn by_waiting_until_rows_are_collected() {
    let server = TestServer::start().await;
    let owner = server.user("ann").await;
    let stolen = server.narrow(&owner, &["pull", "mint"], &["*"]).await;
    let second = rotate(&server, &stolen, &stolen, json!({})).await;
    let third = rotate(&server, &second, &second, json!({})).await;
    let lone = server.narrow(&owner, &["pull"], &["*"]).await;
    let long_ago = |token: &str| {
        let id = id(token).to_string();
        server.state.database().change_access(
            fh_persistence::database::Decided::by_server(),
            move |change| {
                change.execute(
                    "UPDATE token SET expires_at = 1 WHERE uuid = ?1",
                    fh_sql::params![id],
                )?;
                Ok::<_, fh_persistence::database::DatabaseError>(())
            },
        )
    };
    for token in [&stolen, &second, &lone] {
        long_ago(token).await.unwrap();
    }
    let hour = std::time::Duration::from_secs(3600);
    crate::collect::collect(server.state.stock(), hour)
        .await
        .unwrap();
    let path = |token: &str| format!("/api/v1/tokens/{}", id(token));
    server.get(&path(&lone), &owner).await.expect(404);
    assert!(is_good(&server, &third).await);
    revoke(&server, &stolen, &owner, "").await;
    assert!(!is_good(&server, &third).await);
}

/// An account that goes takes its own tokens along, and none that it made for others.
#[tokio::test]
async fn nothing_of_others_ends_with_an_account_that_is_removed() {
    let server = TestServer::start().await;
    let ann = server.user("ann").await;
    let child = server.narrow(&ann, &["pull"], &["*"]).await;
    let bob = server.user("bob").await;
    let made = |token: &str, of: &str| {
        let (token, of) = (id(token).to_string(), id(of).to_string());
        server.state.database().change_access(
            fh_persistence::database::Decided::by_server(),
            move |change| {
                let sql = "UPDATE token SET parent_id = (SELECT id FROM token WHERE uuid = ?2) \
                       WHERE uuid = ?1";
                change.execute(sql, fh_sql::params![token, of])?;
                Ok::<_, fh_persistence::database::DatabaseError>(())
            },
        )
    };
    made(&bob, &ann).await.unwrap();
    let removed = server.state.database().change_access(
        fh_persistence::database::Decided::by_server(),
        |change| {
            change.execute("DELETE FROM account WHERE folded = 'ann'", &[])?;
            Ok::<_, fh_persistence::database::DatabaseError>(())
        },
    );
    removed.await.unwrap();
    assert!(!is_good(&server, &ann).await && !is_good(&server, &child).await);
    assert!(is_good(&server, &bob).await);
    let info: TokenInfo = server.inspect(&bob).await;
    assert_eq!(info.parent, None);
}

#[tokio::test]
async fn tokens_of_a_disabled_account_are_shown_as_such() {
    let server = TestServer::start().await;
    let ann = server.user("ann").await;
    assert!(!server.inspect(&ann).await.account_disabled);
    server
        .patch(
            "/api/v1/users/ann",
            &server.admin,
            json!({ "disabled": true }),
        )
        .await
        .expect(200);
    assert!(server.inspect(&ann).await.account_disabled);
    let list: TokenList = server
        .get("/api/v1/tokens?user=ann", &server.admin)
        .await
        .expect(200)
        .json();
    assert!(list.tokens.iter().all(|token| token.account_disabled));
}

/// Nobody rotates a token into more than the asking one holds, not even a server administrator.
#[tokio::test]
async fn by_rotating_what_is_wider() {
    let server = TestServer::start().await;
    let wide = server.narrow(&server.admin, &ALL, &["*"]).await;
    let stolen = server
        .narrow(&server.admin, &["mint", "admin"], &["*"])
        .await;
    let path = format!("/api/v1/tokens/{}/rotate", id(&wide));
    server.post(&path, &stolen, json!({})).await.expect(404);
}
