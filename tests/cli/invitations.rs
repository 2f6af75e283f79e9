//! Invitations, follows, leaving, kept names and trusted keys on the command line.

use fh_testkit::server::TestServer;

use crate::world::World;

/// A server where anyone makes organisations, and people who are logged in with all permissions.
fn scene<const N: usize>(people: [&str; N]) -> (TestServer, [World; N]) {
    let server = TestServer::builder()
        .anyone_makes_organizations()
        .start()
        .unwrap();
    let all = ["pull", "push", "mint", "admin"];
    let worlds = people.map(|name| {
        server.create_user(name).unwrap();
        World::logged_in(&server, &server.token_for(name, &all).unwrap())
    });
    (server, worlds)
}

/// Runs commands one after the other: what they print, then what they say.
fn transcript(server: &TestServer, commands: &[(&World, &str)]) -> String {
    let mut told = String::new();
    for (who, command) in commands {
        let words: Vec<&str> = command.split(' ').collect();
        let run = who.fh(&words);
        told.push_str(&format!(
            "$ fh {command}\n{}{}",
            run.printed(server),
            run.said(server)
        ));
    }
    told
}

#[test]
fn what_is_offered_counts_once_it_is_accepted() {
    let (server, [ann, bob]) = scene(["ann", "bob"]);
    let told = transcript(
        &server,
        &[
            (&ann, "org create acme"),
            (&ann, "flake create acme/app"),
            (&ann, "grant add acme/app bob read"),
            (&ann, "grant list acme/app"),
            (&bob, "list flakes"),
            (&bob, "invitation list"),
            (&bob, "invitation accept acme"),
            (&bob, "list flakes"),
            (&ann, "member set acme bob"),
            (&ann, "member list acme"),
            (&bob, "invitation accept acme"),
            (&bob, "invitation list"),
            (&bob, "org leave acme"),
            (&bob, "org leave acme"),
            (&ann, "grant add acme/* bob write"),
            (&bob, "invitation decline acme"),
            (&bob, "invitation decline acme"),
        ],
    );
    insta::assert_snapshot!(told, @r"
    $ fh org create acme
    Made the organisation acme. Make a flake in it: `fh flake create acme/PROJECT`
    $ fh flake create acme/app
    Made the private flake acme/app. Push to it: `fh push acme/app PATH`
    $ fh grant add acme/app bob read
    bob is invited to read acme/app; it counts when they accept: `fh invitation accept acme`
    $ fh grant list acme/app
    subject,role,pending,on,created_at
    bob,read,true,acme/app,[TIME]
    $ fh list flakes
    flake,visibility,role,paths,nar_size,last_push_at,description
    $ fh invitation list
    organization,membership,grants,created_at,accepted_at
    acme,,read on acme/app,[TIME],
    $ fh invitation accept acme
    You are a guest of acme: what it grants counts (read on acme/app). Whoever writes there may decide what runs on your machines.
    $ fh list flakes
    flake,visibility,role,paths,nar_size,last_push_at,description
    acme/app,private,read,0,0,,
    $ fh member set acme bob
    bob is invited to be a member of acme; it counts when they accept: `fh invitation accept acme`
    $ fh member list acme
    user,role,invited,kind,created_at
    ann,owner,false,human,[TIME]
    bob,member,true,human,[TIME]
    $ fh invitation accept acme
    You are a member of acme: what is granted there comes before all other organisations.
    $ fh invitation list
    organization,membership,grants,created_at,accepted_at
    $ fh org leave acme
    You have left acme: nothing that it grants counts any more.
    $ fh org leave acme
    Error: cannot leave acme
    Caused by: not found, or not yours to see
    Hint: You do not belong to it. What it offers, `fh invitation decline ORG` declines.
    $ fh grant add acme/* bob write
    bob is invited to read and push to acme/*; it counts when they accept: `fh invitation accept acme`
    $ fh invitation decline acme
    Declined: nothing that acme has granted is left.
    $ fh invitation decline acme
    Error: cannot decline what acme offers
    Caused by: not found, or not yours to see
    Hint: `fh invitation list` shows what is offered; what you are a member of, `fh org leave ORG` leaves.
    ");
}

#[test]
fn what_is_followed_is_an_ordered_list() {
    let (server, [ann, bob]) = scene(["ann", "bob"]);
    let admin = World::logged_in(&server, server.admin_token());
    let told = transcript(
        &server,
        &[
            (&ann, "org create acme"),
            (&ann, "flake create acme/open --visibility public"),
            (&ann, "flake create acme/more --visibility public"),
            (&ann, "flake show acme/open"),
            (&bob, "follow acme/open"),
            (&bob, "follow acme/* --first"),
            (&bob, "follow"),
            (&bob, "unfollow ACME/*"),
            (&bob, "unfollow acme/*"),
            (&bob, "follow acme/absent"),
            (&ann, "follow acme/open --org acme"),
            (&ann, "follow --list --org acme"),
            (&bob, "follow acme/open --everybody"),
            (&admin, "follow acme/open --everybody"),
            (&World::new(), "follow --everybody"),
        ],
    );
    insta::assert_snapshot!(told, @"");
    assert_eq!(bob.fh(&["follow", "*"]).code, Some(2));
    assert_eq!(bob.fh(&["follow", "--list", "acme/open"]).code, Some(2));
    let list = bob.fh(&["follow", "--json"]).success().json();
    assert_eq!(list[0]["flake"], "acme/open");
}

#[test]
fn names_are_kept_and_keys_are_trusted() {
    let server = TestServer::start().unwrap();
    server.create_user("ann").unwrap();
    let all = ["pull", "push", "mint", "admin"];
    let ann = World::logged_in(&server, &server.token_for("ann", &all).unwrap());
    let admin = World::logged_in(&server, server.admin_token());
    let key = "acme-build-1:MFjd5AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let own = server.get("/.well-known/fh", None).unwrap().json().unwrap();
    let own = own["public_keys"][0]["public_key"]
        .as_str()
        .unwrap()
        .to_owned();
    let trust = format!("org set acme --trust-key {key}");
    let refused = format!("org set acme --trust-key {own}");
    let name = own.split(':').next().unwrap();
    let told = transcript(
        &server,
        &[
            (&ann, "org create acme"),
            (&admin, "org create acme"),
            (&admin, &trust),
            (&admin, &refused),
            (&admin, "org set acme --no-trust-keys"),
            (&admin, "org delete acme"),
            (&admin, "org create acme"),
            (&admin, "org free-name"),
            (&ann, "org free-name acme"),
            (&admin, "org free-name acme"),
            (&admin, "org free-name acme"),
            (&admin, "user free-name"),
            (&admin, "org create acme"),
        ],
    );
    let told = told.replace(&own, "[OWN-KEY]").replace(name, "[OWN]");
    insta::assert_snapshot!(told, @"");
    assert_eq!(admin.fh(&["org", "set", "acme"]).code, Some(2));
}
