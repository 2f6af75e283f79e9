//! Who becomes an owner or an administrator, and by whom.

use super::*;

/// Who handed an organisation over stayed its owner, and what its people pushed came before all else in the view of
/// the server's administrator.
#[tokio::test]
async fn who_makes_an_organisation_for_somebody_is_not_in_it() {
    let scene = Scene::new().await;
    let server = &scene.server;
    let mal = server.user("mal").await;
    server.user("off").await;
    let off = json!({ "disabled": true });
    let path = "/api/v1/users/off";
    server.patch(path, &server.admin, off).await.expect(200);
    let accounts = "/api/v1/orgs/acme/service-accounts";
    let fleet = json!({ "name": "fleet" });
    server.post(accounts, &scene.ann, fleet).await.expect(201);
    let make = async |token: &str, owner: &str| {
        let body = json!({ "name": "team", "owner": owner });
        server.post("/api/v1/orgs", token, body).await
    };
    make(&mal, "ann").await.expect(403);
    let part = server
        .narrow(&server.admin, &["pull", "admin"], &["team/*"])
        .await;
    make(&part, "mal").await.expect(403);
    for (owner, sentence) in [
        ("nobody", "there is no user named \"nobody\""),
        ("off", "off is disabled, and so cannot own an organisation"),
        ("fleet", "fleet is the service account of an organisation"),
    ] {
        let message = make(&server.admin, owner).await.expect(422).message();
        assert!(message.starts_with(sentence), "{message}");
    }
    let made: OrganizationInfo = make(&server.admin, "Mal").await.expect(201).json();
    assert_eq!((made.name.as_str(), made.role), ("team", None));

    let members: MemberList = server
        .get("/api/v1/orgs/team/members", &mal)
        .await
        .expect(200)
        .json();
    let told = |list: &MemberList| -> Vec<String> {
        let members = list.members.iter();
        members
            .map(|member| format!("{} {}", member.user, member.role))
            .collect()
    };
    assert_eq!(told(&members), ["mal owner"]);
    server
        .get("/api/v1/orgs/team/members", &server.admin)
        .await
        .expect(404);
    let shown = server.get("/api/v1/orgs/team", &server.admin).await;
    let shown: OrganizationInfo = shown.expect(200).json();
    assert_eq!(shown.role, None);
    let evil = Item::new("bash", b"evil");
    server.flake("team/x", "private", &mal).await;
    scene.push_as("team/x", &mal, &[&evil]).await;
    assert!(scene.narinfo("", &evil, &server.admin).await.is_none());
    assert!(scene.narinfo("", &evil, &mal).await.is_some());

    // A script may run again; for somebody else the name is taken.
    let again = async |owner: &str| {
        let body = json!({ "name": "team", "owner": owner, "exist_ok": true });
        server.post("/api/v1/orgs", &server.admin, body).await
    };
    let there: OrganizationInfo = again("mal").await.expect(200).json();
    assert_eq!((there.id, there.role), (made.id, None));
    again("ann").await.expect(409);
    // Whoever names themselves makes their own, as the server lets them.
    let own = json!({ "name": "mals", "owner": "MAL" });
    let own: OrganizationInfo = server
        .post("/api/v1/orgs", &mal, own)
        .await
        .expect(201)
        .json();
    assert_eq!(own.role, Some(OrganizationRole::Owner));
    let audit = "/api/v1/audit?org=team&action=organization.create";
    let audit: fh_api::AuditList = server.get(audit, &mal).await.expect(200).json();
    let detail = audit.events[0].detail.as_ref().unwrap();
    assert_eq!(detail["owner"], json!("mal"));
}

/// What an owner has granted to a team or to all members makes administrators of whoever is put there.
#[tokio::test]
async fn owners_alone_put_people_where_they_administer() {
    let acme = acme().await;
    let server = &acme.server;
    for team in ["ops", "chiefs"] {
        let team = json!({ "name": team });
        server
            .post("/api/v1/orgs/acme/teams", &acme.ann, team)
            .await
            .expect(201);
    }
    let admin = json!({ "role": "admin" });
    let grant = "/api/v1/orgs/acme/grants/team:chiefs";
    server
        .put(grant, &acme.ann, admin.clone())
        .await
        .expect(200);
    let team = |name: &str| format!("/api/v1/orgs/acme/teams/{name}");
    let cleo = |name: &str| format!("{}/members/cleo", team(name));
    let nothing = json!(null);
    server
        .put(&cleo("ops"), &acme.bob, nothing.clone())
        .await
        .expect(200);
    server
        .put(&cleo("chiefs"), &acme.bob, nothing.clone())
        .await
        .expect(403);
    server
        .put(&cleo("chiefs"), &acme.ann, nothing)
        .await
        .expect(200);
    server.delete(&cleo("chiefs"), &acme.bob).await.expect(403);
    server.delete(&team("chiefs"), &acme.bob).await.expect(403);
    server.delete(&cleo("ops"), &acme.bob).await.expect(204);
    server.delete(&team("ops"), &acme.bob).await.expect(204);
    server.delete(&team("chiefs"), &acme.ann).await.expect(204);

    let grant = "/api/v1/orgs/acme/grants/@members";
    server.put(grant, &acme.ann, admin).await.expect(200);
    acme.member("dan", "member", &acme.bob, 403).await;
    acme.member("dan", "member", &acme.ann, 200).await;
}
