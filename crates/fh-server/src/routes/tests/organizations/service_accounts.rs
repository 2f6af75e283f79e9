//! Accounts of an organisation, and who mints for them.

use super::*;

#[tokio::test]
async fn administrators_mint_for_their_service_accounts_within_the_organisation() {
    let acme = acme().await;
    let server = &acme.server;
    let accounts = "/api/v1/orgs/acme/service-accounts";
    let new = json!({ "name": "ci" });
    server
        .post(accounts, &acme.cleo, new.clone())
        .await
        .expect(403);
    let made: UserInfo = server
        .post(accounts, &acme.bob, new.clone())
        .await
        .expect(201)
        .json();
    assert_eq!(made.organization.unwrap().as_str(), "acme");
    server.post(accounts, &acme.bob, new).await.expect(409);
    let again = json!({ "name": "CI", "exist_ok": true });
    server.post(accounts, &acme.bob, again).await.expect(200);
    let taken = json!({ "name": "dan", "exist_ok": true });
    server.post(accounts, &acme.bob, taken).await.expect(409);
    // Else whoever mints its tokens could make themselves owner.
    acme.member("ci", "owner", &acme.ann, 422).await;

    let mint = async |token: &str, body| server.post("/api/v1/tokens", token, body).await;
    let body = json!({ "user": "ci", "permissions": ["pull", "push"] });
    mint(&acme.cleo, body.clone()).await.expect(403);
    mint(&acme.dan, body.clone()).await.expect(403);
    let part = server.narrow(&acme.bob, &ALL, &["acme/app"]).await;
    mint(&part, body.clone()).await.expect(403);
    let minted: MintedToken = mint(&acme.bob, body.clone()).await.expect(201).json();
    assert_eq!(minted.info.flakes, ["acme/*".parse().unwrap()]);
    let wider = json!({ "user": "ci", "flakes": ["acme/app", "other/app"] });
    let answer = mint(&acme.bob, wider).await.expect(403);
    assert_eq!(
        answer.message(),
        "a token for this service account can reach at most acme/*, not other/app"
    );
    mint(&acme.bob, json!({ "user": "ci", "flakes": ["*"] }))
        .await
        .expect(403);
    let few = server.narrow(&acme.bob, &["mint", "admin"], &["*"]).await;
    mint(&few, body).await.expect(403);
    // Somebody else's account of the same kind stays out of reach, and out of sight.
    server
        .post(
            "/api/v1/users",
            &server.admin,
            json!({ "name": "other", "kind": "service" }),
        )
        .await
        .expect(201);
    let refused = |name: &str| mint(&acme.bob, json!({ "user": name }));
    let there = refused("other").await.expect(403).message();
    assert_eq!(refused("nobody").await.expect(403).message(), there);

    let list = async |token: &str| server.get("/api/v1/tokens?user=ci", token).await;
    list(&acme.cleo).await.expect(403);
    let tokens: TokenList = list(&acme.ann).await.expect(200).json();
    assert_eq!(tokens.tokens, std::slice::from_ref(&minted.info));
    server
        .get("/api/v1/whoami", &minted.token)
        .await
        .expect(200);
    let revoke = format!("/api/v1/tokens/{}", minted.info.id);
    server.delete(&revoke, &acme.cleo).await.expect(404);
    server.delete(&revoke, &acme.ann).await.expect(200);
    server
        .get("/api/v1/whoami", &minted.token)
        .await
        .expect(401);

    let minted: MintedToken = mint(&acme.bob, json!({ "user": "ci" }))
        .await
        .expect(201)
        .json();
    let ci = format!("{accounts}/ci");
    server
        .delete(&format!("{accounts}/dan"), &acme.bob)
        .await
        .expect(404);
    server.delete(&ci, &acme.bob).await.expect(204);
    server.delete(&ci, &acme.bob).await.expect(404);
    server
        .get("/api/v1/whoami", &minted.token)
        .await
        .expect(401);
    let list: UserList = server.get(accounts, &acme.bob).await.expect(200).json();
    assert!(list.users.is_empty());
}

/// A new token like another is no way to one that could not be minted.
#[tokio::test]
async fn administrators_replace_only_what_they_could_mint() {
    let acme = acme().await;
    let server = &acme.server;
    let new = json!({ "name": "ci" });
    let accounts = "/api/v1/orgs/acme/service-accounts";
    server.post(accounts, &acme.bob, new).await.expect(201);
    let rotate = async |minted: &MintedToken, token: &str| {
        let path = format!("/api/v1/tokens/{}/rotate", minted.info.id);
        server.post(&path, token, json!({})).await
    };
    let wide = server.mint(&server.admin, json!({ "user": "ci" })).await;
    rotate(&wide, &acme.bob).await.expect(404);
    let push = json!({ "user": "ci", "permissions": ["push"] });
    let pushes = server.mint(&acme.bob, push).await;
    let few = server
        .narrow(&acme.ann, &["pull", "mint", "admin"], &["acme/*"])
        .await;
    rotate(&pushes, &few).await.expect(404);
    rotate(&pushes, &acme.cleo).await.expect(404);
    let another: MintedToken = rotate(&pushes, &acme.ann).await.expect(201).json();
    assert_eq!(another.info.user.as_str(), "ci");
    assert_eq!(another.info.flakes, pushes.info.flakes);
    // To end it, all that counts is whose it is.
    let path = format!("/api/v1/tokens/{}", wide.info.id);
    server.delete(&path, &acme.bob).await.expect(200);
}
