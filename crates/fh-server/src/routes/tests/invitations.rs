//! Nobody else puts a slice into my view: what organisations offer counts once it was accepted.

use fh_api::{
    AuditList, GrantInfo, GrantList, InvitationInfo, InvitationList, MemberInfo, MemberList,
    OrganizationList, OrganizationRole, UserInfo,
};
use fh_settings::OrganizationCreation;
use serde_json::{Value, json};

use crate::push::tests::{Item, Scene};
use crate::testing::TestServer;

async fn offers(server: &TestServer, token: &str) -> Vec<InvitationInfo> {
    let path = "/api/v1/invitations";
    let list: InvitationList = server.get(path, token).await.expect(200).json();
    list.invitations
}

/// `organisation membership grants accepted`.
async fn told(server: &TestServer, token: &str) -> Vec<String> {
    let offers = offers(server, token).await;
    let told = offers.iter().map(|offer| {
        let membership = offer.membership.map_or("-", OrganizationRole::as_str);
        let grants: Vec<String> = offer
            .grants
            .iter()
            .map(|grant| format!("{}:{}", grant.on, grant.role))
            .collect();
        let accepted = offer.accepted_at.is_some();
        format!(
            "{} {membership} {} {accepted}",
            offer.organization,
            grants.join(",")
        )
    });
    told.collect()
}

async fn accept(server: &TestServer, org: &str, membership: Value, token: &str, status: u16) {
    let path = format!("/api/v1/invitations/{org}");
    let body = json!({ "membership": membership });
    server.put(&path, token, body).await.expect(status);
}

async fn decline(server: &TestServer, org: &str, token: &str, status: u16) {
    let path = format!("/api/v1/invitations/{org}");
    server.delete(&path, token).await.expect(status);
}

/// What was shown on a running server: mallory grants alice `read` on a flake of hers that holds other bytes
/// under the store path of acme's tool.
#[tokio::test]
async fn a_strangers_grant_changes_nothing_until_it_is_accepted() {
    let scene = Scene::new().await;
    let server = &scene.server;
    let (good, evil) = (
        Item::new("tool", b"acme's"),
        Item::new("tool", b"mallory's"),
    );
    scene.push(&[&good]).await;
    let alice = server.user("alice").await;
    server.member("acme", "alice", "member", &scene.ann).await;
    let everybody = "/api/v1/orgs/acme/grants/@members";
    let read = json!({ "role": "read" });
    server
        .put(everybody, &scene.ann, read.clone())
        .await
        .expect(200);
    let mallory = server.user("mallory").await;
    server.organization("evil", &mallory).await;
    server.flake("evil/x", "private", &mallory).await;
    scene.push_as("evil/x", &mallory, &[&evil]).await;
    let answer = async || {
        let path = format!("/{}.narinfo", good.hash());
        server.get(&path, &alice).await.fingerprint()
    };
    let served = async || {
        let narinfo = scene.narinfo("", &good, &alice).await.unwrap();
        narinfo.info.nar_hash
    };
    let before = answer().await;

    let grant = "/api/v1/flakes/evil/x/grants/alice";
    let info: GrantInfo = server
        .put(grant, &mallory, read.clone())
        .await
        .expect(200)
        .json();
    assert!(info.pending);
    let member = "/api/v1/orgs/evil/members/alice";
    let owner = json!({ "role": "owner" });
    let info: MemberInfo = server.put(member, &mallory, owner).await.expect(200).json();
    assert!(info.invited);
    assert_eq!(answer().await, before);
    assert_eq!(served().await, good.nar_hash());
    // Nor where she names it, nor in any list.
    assert!(
        scene
            .narinfo("/cache/evil/x", &evil, &alice)
            .await
            .is_none()
    );
    server
        .get("/api/v1/flakes/evil/x", &alice)
        .await
        .expect(404);
    server.get("/api/v1/orgs/evil", &alice).await.expect(404);
    let orgs: OrganizationList = server.get("/api/v1/orgs", &alice).await.json();
    assert_eq!(orgs.orgs.len(), 1);

    // A token that cannot manage, or that was narrowed, accepts nothing: neither does a thief with it.
    for permissions in [&["pull"][..], &["pull", "push", "mint"]] {
        let token = server.narrow(&alice, permissions, &["*"]).await;
        accept(server, "evil", json!("owner"), &token, 403).await;
        decline(server, "evil", &token, 403).await;
    }
    let part = server.narrow(&alice, &["pull", "admin"], &["evil/*"]).await;
    accept(server, "evil", json!("owner"), &part, 403).await;
    server.get("/api/v1/invitations", &part).await.expect(403);
    assert_eq!(told(server, &alice).await, ["evil owner evil/x:read false"]);

    // She accepted a guest's standing, as she thinks, and is not made a member unawares.
    let path = "/api/v1/invitations/evil";
    let seen = json!({ "membership": null });
    let answered = server.put(path, &alice, seen.clone()).await.expect(409);
    assert!(
        answered.message().contains("membership as owner"),
        "{}",
        answered.message()
    );
    // Mallory takes all of it back, and offers the grant alone.
    server.delete(member, &mallory).await.expect(204);
    accept(server, "evil", json!("owner"), &alice, 404).await;
    server.put(grant, &mallory, read).await.expect(200);
    // What she accepts as a guest comes after her own.
    accept(server, "evil", Value::Null, &alice, 200).await;
    assert_eq!(served().await, good.nar_hash());
    let named = scene.narinfo("/cache/evil/x", &evil, &alice).await.unwrap();
    assert_eq!(named.info.nar_hash, evil.nar_hash());
    // Repeated, it is the same.
    accept(server, "evil", Value::Null, &alice, 200).await;
    assert_eq!(server.audited("invitation.accept").await, 1);
    // As its member she would read two organisations of her own that disagree: nobody decides for her.
    let owner = json!({ "role": "member" });
    server.put(member, &mallory, owner).await.expect(200);
    accept(server, "evil", json!("member"), &alice, 200).await;
    assert!(scene.narinfo("", &good, &alice).await.is_none());
    for (root, item) in [("/cache/acme", &good), ("/cache/evil", &evil)] {
        let narinfo = scene.narinfo(root, item, &alice).await.unwrap();
        assert_eq!(narinfo.info.nar_hash, item.nar_hash(), "{root}");
    }
    server.delete(member, &alice).await.expect(204);
    assert_eq!(answer().await, before);
    assert_eq!(told(server, &alice).await, Vec::<String>::new());
}

#[tokio::test]
async fn what_is_offered_is_told_to_whom_it_is_offered() {
    let server = TestServer::start().await;
    let (ann, bob) = (server.user("ann").await, server.user("bob").await);
    for org in ["acme", "other"] {
        server.organization(org, &ann).await;
        server.flake(&format!("{org}/b"), "private", &ann).await;
        server.flake(&format!("{org}/a"), "private", &ann).await;
    }
    assert!(offers(&server, &bob).await.is_empty());
    server.offer("other/b", "bob", "write", &ann).await;
    server.offer("other/a", "bob", "read", &ann).await;
    let whole = "/api/v1/orgs/other/grants/bob";
    let read = json!({ "role": "read" });
    server.put(whole, &ann, read).await.expect(200);
    let member = json!({ "role": "member" });
    let path = "/api/v1/orgs/acme/members/bob";
    for _ in 0..2 {
        server.put(path, &ann, member.clone()).await.expect(200);
    }
    assert_eq!(
        told(&server, &bob).await,
        [
            "acme member  false",
            "other - other/*:read,other/a:read,other/b:write false"
        ]
    );
    // Ann sees what she has offered; other members do not see who is invited.
    let list: GrantList = server
        .get("/api/v1/flakes/other/b/grants", &ann)
        .await
        .expect(200)
        .json();
    assert!(list.grants[0].pending);
    let cleo = server.user("cleo").await;
    server.member("acme", "cleo", "member", &ann).await;
    let members = async |token: &str| -> Vec<(String, bool)> {
        let list: MemberList = server.get("/api/v1/orgs/acme/members", token).await.json();
        let members = list.members.into_iter();
        members
            .map(|member| (member.user.to_string(), member.invited))
            .collect()
    };
    let told_to = |names: &[(&str, bool)]| -> Vec<(String, bool)> {
        names
            .iter()
            .map(|(name, invited)| ((*name).to_owned(), *invited))
            .collect()
    };
    assert_eq!(
        members(&ann).await,
        told_to(&[("ann", false), ("bob", true), ("cleo", false)])
    );
    assert_eq!(
        members(&cleo).await,
        told_to(&[("ann", false), ("cleo", false)])
    );

    decline(&server, "acme", &bob, 204).await;
    decline(&server, "acme", &bob, 404).await;
    accept(&server, "acme", Value::Null, &bob, 404).await;
    accept(&server, "absent", Value::Null, &bob, 404).await;
    accept(&server, "other", Value::Null, &bob, 200).await;
    assert_eq!(
        told(&server, &bob).await,
        ["other - other/*:read,other/a:read,other/b:write true"]
    );
    server.get("/api/v1/flakes/other/a", &bob).await.expect(200);
    let list: GrantList = server
        .get("/api/v1/flakes/other/b/grants", &ann)
        .await
        .expect(200)
        .json();
    assert!(!list.grants[0].pending);
    // What comes later counts at once, and to decline now is to leave.
    server.flake("other/c", "private", &ann).await;
    server.offer("other/c", "bob", "admin", &ann).await;
    let path = "/api/v1/flakes/other/c";
    let body = json!({ "description": "mine" });
    server.patch(path, &bob, body).await.expect(200);
    decline(&server, "other", &bob, 204).await;
    server.get(path, &bob).await.expect(404);
    assert!(offers(&server, &bob).await.is_empty());
    assert_eq!(server.audited("invitation.decline").await, 2);
    let audit: AuditList = server
        .get("/api/v1/audit?org=other&action=grant.set", &ann)
        .await
        .expect(200)
        .json();
    let invited: Vec<_> = audit
        .events
        .iter()
        .map(|event| event.detail.as_ref().unwrap()["invited"].as_bool().unwrap())
        .collect();
    assert_eq!(invited.iter().filter(|invited| **invited).count(), 3);
    assert_eq!(invited.len(), 4);
}

#[tokio::test]
async fn who_leaves_or_is_taken_out_keeps_nothing_of_what_was_granted() {
    let server = TestServer::start().await;
    let (ann, bob) = (server.user("ann").await, server.user("bob").await);
    server.organization("acme", &ann).await;
    server.flake("acme/app", "private", &ann).await;
    let path = "/api/v1/flakes/acme/app";
    let reads = async || server.get(path, &bob).await.status == 200;
    let own = "/api/v1/orgs/acme/members/bob";
    server.delete(own, &bob).await.expect(404);

    // A guest.
    server.grant("acme/app", "bob", "read", &ann).await;
    assert!(reads().await);
    server.delete(own, &bob).await.expect(204);
    assert!(!reads().await && offers(&server, &bob).await.is_empty());
    // A member, who was granted something by name.
    server.offer("acme/app", "bob", "read", &ann).await;
    server.member("acme", "bob", "member", &ann).await;
    assert!(reads().await && offers(&server, &bob).await.is_empty());
    server.delete(own, &bob).await.expect(204);
    assert!(!reads().await && offers(&server, &bob).await.is_empty());
    // An administrator removes a member, a guest, one who was invited, and one who was only offered something:
    // nothing is left that they could accept.
    let granted = async || {
        server.offer("acme/app", "bob", "write", &ann).await;
        let whole = "/api/v1/orgs/acme/grants/bob";
        let read = json!({ "role": "read" });
        server.put(whole, &ann, read).await.expect(200);
    };
    let nothing_is_left = async || {
        assert!(!reads().await && offers(&server, &bob).await.is_empty());
        for membership in [Value::Null, json!("member"), json!("admin")] {
            let path = "/api/v1/invitations/acme";
            let body = json!({ "membership": membership });
            let answer = server.put(path, &bob, body).await;
            assert!(answer.status.is_client_error(), "{:?}", answer.body);
        }
        for path in ["/api/v1/orgs/acme/grants", "/api/v1/flakes/acme/app/grants"] {
            let list: GrantList = server.get(path, &ann).await.expect(200).json();
            assert!(list.grants.is_empty(), "{list:?}");
        }
    };
    granted().await;
    server.member("acme", "bob", "member", &ann).await;
    server.delete(own, &ann).await.expect(204);
    nothing_is_left().await;
    granted().await;
    accept(&server, "acme", Value::Null, &bob, 200).await;
    server.delete(own, &ann).await.expect(204);
    nothing_is_left().await;
    granted().await;
    let admin = json!({ "role": "admin" });
    server.put(own, &ann, admin).await.expect(200);
    server.delete(own, &ann).await.expect(204);
    nothing_is_left().await;
    granted().await;
    server.delete(own, &ann).await.expect(204);
    nothing_is_left().await;
    let audit: AuditList = server
        .get("/api/v1/audit?org=acme&action=member.remove", &ann)
        .await
        .expect(200)
        .json();
    let grants = audit
        .events
        .iter()
        .map(|event| event.detail.as_ref().unwrap()["grants"].as_u64().unwrap());
    assert_eq!(grants.collect::<Vec<_>>(), [1, 1, 2, 2, 2, 2]);
    // Its only flake gone, a guest can leave still.
    granted().await;
    accept(&server, "acme", Value::Null, &bob, 200).await;
    server.delete(path, &ann).await.expect(204);
    server.delete(own, &bob).await.expect(204);
    server.delete(own, &bob).await.expect(404);
}

/// Who was granted `admin` on the whole organisation administers it: an owner made them that, and takes it away.
#[tokio::test]
async fn an_administrator_takes_nobody_out_whom_an_owner_made_one_by_a_grant() {
    let server = TestServer::start().await;
    let (ann, bob) = (server.user("ann").await, server.user("bob").await);
    server.user("cleo").await;
    server.organization("acme", &ann).await;
    server.member("acme", "bob", "admin", &ann).await;
    let grant = "/api/v1/orgs/acme/grants/cleo";
    let admin = json!({ "role": "admin" });
    server.put(grant, &ann, admin).await.expect(200);
    server.member("acme", "cleo", "member", &ann).await;
    let cleo = "/api/v1/orgs/acme/members/cleo";
    server.delete(cleo, &bob).await.expect(403);
    server.delete(cleo, &ann).await.expect(204);
    let list: GrantList = server
        .get("/api/v1/orgs/acme/grants", &ann)
        .await
        .expect(200)
        .json();
    assert!(list.grants.is_empty());
    // What the service accounts of the organisation were granted is none of their membership.
    let accounts = "/api/v1/orgs/acme/service-accounts";
    let fleet = json!({ "name": "fleet" });
    server.post(accounts, &ann, fleet).await.expect(201);
    let grant = "/api/v1/orgs/acme/grants/fleet";
    let read = json!({ "role": "read" });
    server.put(grant, &ann, read).await.expect(200);
    let fleet = "/api/v1/orgs/acme/members/fleet";
    server.delete(fleet, &ann).await.expect(204);
    let list: GrantList = server
        .get("/api/v1/orgs/acme/grants", &ann)
        .await
        .expect(200)
        .json();
    assert_eq!(list.grants.len(), 1);
}

#[tokio::test]
async fn owners_decide_for_the_service_accounts_of_their_organisation() {
    let server = TestServer::start().await;
    let (ann, bob) = (server.user("ann").await, server.user("bob").await);
    let cleo = server.user("cleo").await;
    server.organization("acme", &ann).await;
    server.organization("other", &bob).await;
    server.flake("other/lib", "private", &bob).await;
    server.member("acme", "cleo", "admin", &ann).await;
    let accounts = "/api/v1/orgs/acme/service-accounts";
    server
        .post(accounts, &ann, json!({ "name": "fleet" }))
        .await
        .expect(201);
    let all = json!(["pull", "push", "mint", "admin"]);
    let body = json!({ "user": "fleet", "permissions": all });
    let fleet = server.mint(&server.admin, body).await.token;

    // A member of its own organisation at once, of another one never.
    let member = json!({ "role": "member" });
    let home = "/api/v1/orgs/acme/members/fleet";
    let info: MemberInfo = server
        .put(home, &ann, member.clone())
        .await
        .expect(200)
        .json();
    assert!(!info.invited);
    let elsewhere = "/api/v1/orgs/other/members/fleet";
    server.put(elsewhere, &bob, member).await.expect(422);

    server.offer("other/lib", "fleet", "read", &bob).await;
    let lib = "/api/v1/flakes/other/lib";
    server.get(lib, &fleet).await.expect(404);
    let path = "/api/v1/invitations/other?user=fleet";
    let nothing = json!({ "membership": null });
    let own = "/api/v1/invitations/other";
    let answer = server.put(own, &fleet, nothing.clone()).await.expect(403);
    assert_eq!(
        answer.message(),
        "the owners of acme decide for the service account fleet"
    );
    for token in [&bob, &cleo, &server.admin] {
        server.put(path, token, nothing.clone()).await.expect(404);
        server
            .get("/api/v1/invitations?user=fleet", token)
            .await
            .expect(404);
        server
            .get("/api/v1/invitations?user=nobody", token)
            .await
            .expect(404);
    }
    let list: InvitationList = server
        .get("/api/v1/invitations?user=FLEET", &ann)
        .await
        .expect(200)
        .json();
    assert_eq!(list.invitations.len(), 1);
    server.put(path, &ann, nothing.clone()).await.expect(200);
    server.get(lib, &fleet).await.expect(200);
    server.delete(path, &ann).await.expect(204);
    server.get(lib, &fleet).await.expect(404);
    // For one of the server's own its administrators decide.
    let body = json!({ "name": "robot", "kind": "service" });
    server
        .post("/api/v1/users", &server.admin, body)
        .await
        .expect(201);
    server.offer("other/lib", "robot", "read", &bob).await;
    let path = "/api/v1/invitations/other?user=robot";
    server.put(path, &ann, nothing.clone()).await.expect(404);
    server
        .put(path, &server.admin, nothing.clone())
        .await
        .expect(200);
    // Nobody decides for somebody else.
    server.offer("other/lib", "cleo", "read", &bob).await;
    let path = "/api/v1/invitations/other?user=cleo";
    server.put(path, &server.admin, nothing).await.expect(404);
}

#[tokio::test]
async fn what_a_server_administrator_gives_counts_at_once() {
    let server = TestServer::start().await;
    let bob = server.user("bob").await;
    let admin = server.admin.clone();
    server.organization("acme", &admin).await;
    server.flake("acme/app", "private", &admin).await;
    let grant = "/api/v1/flakes/acme/app/grants/bob";
    let read = json!({ "role": "read" });
    // A token that does not reach everything is nobody's but its owner's.
    let part = server.narrow(&admin, &["pull", "admin"], &["acme/*"]).await;
    let info: GrantInfo = server
        .put(grant, &part, read.clone())
        .await
        .expect(200)
        .json();
    assert!(info.pending);
    let path = "/api/v1/flakes/acme/app";
    server.get(path, &bob).await.expect(404);
    let info: GrantInfo = server.put(grant, &admin, read).await.expect(200).json();
    assert!(!info.pending);
    server.get(path, &bob).await.expect(200);
    assert_eq!(server.audited("grant.set").await, 2);
    let member = "/api/v1/orgs/acme/members/bob";
    let owner = json!({ "role": "owner" });
    let info: MemberInfo = server
        .put(member, &part, owner.clone())
        .await
        .expect(200)
        .json();
    assert!(info.invited);
    let info: MemberInfo = server.put(member, &admin, owner).await.expect(200).json();
    assert!(!info.invited);
    server
        .get("/api/v1/orgs/acme/grants", &bob)
        .await
        .expect(200);
}

#[tokio::test]
async fn a_name_that_was_given_up_is_kept_until_it_is_freed() {
    let server = TestServer::start_with(tempfile::TempDir::new().unwrap(), |settings| {
        settings.organization_creation = OrganizationCreation::Administrators;
    })
    .await;
    let ann = server.user("ann").await;
    let make = async |name: &str, token: &str| {
        let body = json!({ "name": name, "exist_ok": true });
        server.post("/api/v1/orgs", token, body).await
    };
    let answer = make("acme", &ann).await.expect(403);
    assert!(
        answer.message().contains("organization-creation"),
        "{}",
        answer.message()
    );
    let admin = server.admin.clone();
    let part = server.narrow(&admin, &["pull", "admin"], &["acme/*"]).await;
    make("acme", &part).await.expect(403);
    make("Acme", &admin).await.expect(201);
    let owner = json!({ "role": "owner" });
    let path = "/api/v1/orgs/acme/members/ann";
    server.put(path, &admin, owner).await.expect(200);
    // A script of an owner may run again.
    make("acme", &ann).await.expect(200);
    let accounts = "/api/v1/orgs/acme/service-accounts";
    for name in ["fleet", "robot"] {
        let body = json!({ "name": name });
        server.post(accounts, &ann, body).await.expect(201);
    }
    let fleet = format!("{accounts}/fleet");
    server.delete(&fleet, &ann).await.expect(204);
    let answer = server
        .post(accounts, &ann, json!({ "name": "Fleet" }))
        .await
        .expect(409);
    assert_eq!(
        answer.message(),
        "the name Fleet belonged to another account, and is reserved until a server administrator frees it"
    );
    server.delete("/api/v1/orgs/acme", &ann).await.expect(204);
    make("ACME", &admin).await.expect(409);
    let user = json!({ "name": "robot" });
    server
        .post("/api/v1/users", &admin, user.clone())
        .await
        .expect(409);
    let list: fh_api::ReservedNameList = server
        .get("/api/v1/reserved-names", &admin)
        .await
        .expect(200)
        .json();
    let kept: Vec<String> = list
        .names
        .iter()
        .map(|name| format!("{} {}", name.kind, name.name))
        .collect();
    assert_eq!(
        kept,
        ["organization Acme", "account fleet", "account robot"]
    );
    for (kind, name) in [
        ("account", "acme"),
        ("organization", "robot"),
        ("x", "acme"),
    ] {
        let path = format!("/api/v1/reserved-names/{kind}/{name}");
        server.delete(&path, &admin).await.expect(404);
    }
    for path in ["organization/ACME", "account/robot"] {
        let path = format!("/api/v1/reserved-names/{path}");
        server.delete(&path, &ann).await.expect(403);
        server.delete(&path, &admin).await.expect(204);
        server.delete(&path, &admin).await.expect(404);
    }
    make("acme", &admin).await.expect(201);
    let made: UserInfo = server
        .post("/api/v1/users", &admin, user)
        .await
        .expect(201)
        .json();
    assert_eq!(made.name.as_str(), "robot");
    assert_eq!(server.audited("name.free").await, 2);
}
