//! Organisations, members, teams, service accounts, and why a path can be read.

use fh_testkit::server::TestServer;

use crate::world::World;

/// A hash that no test pushes.
const ABSENT: &str = "3w5d2cbf8m0v9n5c4q1k7r6z8y2x0s1a";

#[test]
fn a_company_sets_itself_up_and_its_script_runs_twice() {
    let (server, world) = World::administrator();
    let script = [
        "org create acme --if-missing",
        "user create alice --if-missing",
        "user create bob --if-missing",
        "flake create acme/app --if-missing",
        "member set acme alice admin",
        "member set acme bob",
        "team create acme/ops --if-missing",
        "team add acme/ops alice bob",
        "service-account create acme fleet --if-missing",
        "grant add acme/app team:ops write",
        "grant add acme/* @members read",
        "grant add acme/app fleet read",
        "team remove acme/ops alice",
        "grant remove acme/app fleet",
    ];
    insta::assert_snapshot!(world.said_by(&server, &script), @r"
    Created the organisation acme. Create a flake in it: `fh flake create acme/PROJECT`
    Created the account alice. Create a token for it: `fh token create --user alice`
    Created the account bob. Create a token for it: `fh token create --user bob`
    Created the private flake acme/app. Push to it: `fh push acme/app PATH`
    alice is now an admin of acme.
    bob is now a member of acme.
    Created the team acme/ops. Add somebody to it: `fh team add acme/ops USER`
    alice is in acme/ops.
    bob is in acme/ops.
    Created the service account fleet of acme. Create a token for it: `fh token create --user fleet`
    team:ops may now read and push to acme/app.
    @members may now read acme/*.
    fleet may now read acme/app.
    alice is no longer in acme/ops.
    Removed the role of fleet on acme/app.
    ");
    insta::assert_snapshot!(world.said_by(&server, &script[..9]), @r"
    The organisation acme exists already, and you own it.
    The account alice exists already.
    The account bob exists already.
    The private flake acme/app exists already.
    alice is now an admin of acme.
    bob is now a member of acme.
    The team acme/ops exists already.
    alice is in acme/ops.
    bob is in acme/ops.
    The service account fleet of acme exists already.
    ");
    insta::assert_snapshot!(
        world.printed_by(&server,
            &[
                "org show acme",
                "member list acme",
                "team list acme",
                "team show acme/ops",
                "service-account list acme",
                "grant list acme/app",
                "grant list acme/*",
                "org set acme --push builders",
                "user show alice",
                "list flakes",
            ],
        ),
        @r"
        $ fh org show acme
        Organisation: acme
        You are:      owner
        Who pushes:   writers
        Who renews:   people
        Trusted keys:
        Created:      [DATE] (just now)
        Id:           [ID]
        $ fh member list acme
        user,role,invited,kind,created_at
        admin,owner,false,human,[TIME]
        alice,admin,false,human,[TIME]
        bob,member,false,human,[TIME]
        $ fh team list acme
        name,members,created_at,id
        ops,2,[TIME],[ID]
        $ fh team show acme/ops
        user,created_at
        alice,[TIME]
        bob,[TIME]
        $ fh service-account list acme
        name,kind,server_admin,organization,disabled_at,created_at,id
        fleet,service,false,acme,,[TIME],[ID]
        $ fh grant list acme/app
        subject,role,pending,on,created_at,by,users
        team:ops,write,false,acme/app,[TIME],grant,alice bob
        @members,read,false,acme/*,[TIME],grant,admin alice bob
        admin,admin,false,acme/*,[TIME],owner,admin
        alice,admin,false,acme/*,[TIME],admin,alice
        $ fh grant list acme/*
        subject,role,pending,on,created_at,by,users
        @members,read,false,acme/*,[TIME],grant,admin alice bob
        admin,admin,false,acme/*,[TIME],owner,admin
        alice,admin,false,acme/*,[TIME],admin,alice
        $ fh org set acme --push builders
        Organisation: acme
        You are:      owner
        Who pushes:   builders
        Who renews:   people
        Trusted keys:
        Created:      [DATE] (just now)
        Id:           [ID]
        $ fh user show alice
        User:         alice
        Kind:         human
        Server admin: no
        Created:      [DATE] (just now)
        Access:       alice reads 1 flake at the root address, and public flakes by their names.

        ORGANISATION  AS     TEAMS
        acme          admin  ops

        FLAKE     ROLE   BY                             VISIBILITY
        acme/app  admin  admin of acme                  private
        acme/app  write  grant on acme/app to team:ops  private
        acme/app  read   grant on acme/* to @members    private
        $ fh list flakes
        flake,visibility,role,paths,nar_size,last_push_at,description
        acme/app,private,admin,0,0,,
        "
    );
    insta::assert_snapshot!(
        world.said_by(&server,
            &[
                "user disable bob",
                "user enable bob",
                "user set alice --server-admin true",
                "user set alice --server-admin false",
                "service-account delete acme/fleet --yes",
                "team delete acme/ops --yes",
                "member remove acme bob --yes",
                "flake delete acme/app --yes",
                "org delete acme --yes",
            ],
        ),
        @r"
        bob is disabled: all tokens of this account are refused.
        bob is enabled.
        alice may manage the whole server.
        alice may not manage the server.
        Deleted the service account fleet of acme, with its tokens.
        Deleted the team acme/ops.
        Removed bob from acme and its teams, and what acme had granted to bob by name.
        Deleted the flake acme/app.
        Deleted the organisation acme.
        "
    );
}

#[test]
fn who_may_not_is_told_what_they_lack() {
    let server = TestServer::start().unwrap();
    server.create_flake("acme/app", "private").unwrap();
    server.create_user("alice").unwrap();
    let world = World::logged_in(&server, server.admin_token());
    let alice = World::of(&server, "alice");
    let mut told = String::new();
    for (who, command) in [
        (&world, "org delete acme --yes"),
        (&world, "member remove acme admin --yes"),
        (&world, "team add acme/none alice"),
        (&world, "grant add acme/app team:none read"),
        (&world, "user disable admin"),
        (&world, "user show nobody"),
        (
            &world,
            "flake create acme/app --visibility public --if-missing",
        ),
        (&world, "service-account create acme alice"),
        (&alice, "org show acme"),
        (&alice, "member list acme"),
        (&alice, "team list absent"),
        (&alice, "token create --user admin"),
    ] {
        let run = who.typed(command).code(1);
        assert_eq!(run.stdout, "", "{command}");
        told.push_str(&format!("$ fh {command}\n{}", run.said(&server)));
    }
    insta::assert_snapshot!(told, @r#"
    $ fh org delete acme --yes
    Error: cannot delete the organisation acme
    Caused by: the organisation acme still has flakes (1): delete them first
    Hint: `fh list flakes acme` shows its flakes.
    $ fh member remove acme admin --yes
    Error: cannot remove admin from acme
    Caused by: this is the last owner of acme: add another one first
    Hint: Add another owner: `fh member set acme USER owner`
    $ fh team add acme/none alice
    Error: cannot add alice to acme/none
    Caused by: not found, or you do not have access
    Hint: `fh team list acme` shows its teams.
    $ fh grant add acme/app team:none read
    Error: cannot grant team:none a role on acme/app
    Caused by: the organisation has no team named "none"
    Hint: `fh team list acme` shows its teams.
    $ fh user disable admin
    Error: cannot change the account admin
    Caused by: admin is the last administrator of the server: add another one first
    Hint: Add another one: `fh user set USER --server-admin true`
    $ fh user show nobody
    Error: cannot show the account nobody
    Caused by: not found, or you do not have access
    Hint: `fh user list` shows all accounts.
    $ fh flake create acme/app --visibility public --if-missing
    Error: cannot create the flake acme/app
    Caused by: the flake acme/app exists already, and is private
    Hint: Show it: `fh flake show acme/app`
    $ fh service-account create acme alice
    Error: cannot create the service account alice
    Caused by: the name alice is taken: names of users and of service accounts are unique on the server
    Hint: `fh service-account list acme` shows those of acme.
    $ fh org show acme
    Error: cannot show acme
    Caused by: not found, or you do not have access
    Hint: `fh org list` shows your organisations.
    $ fh member list acme
    Error: cannot list the members of acme
    Caused by: not found, or you do not have access
    Hint: `fh org list` shows your organisations.
    $ fh team list absent
    Error: cannot list the teams of absent
    Caused by: not found, or you do not have access
    Hint: `fh org list` shows your organisations.
    $ fh token create --user admin
    Error: cannot create the token
    Caused by: only a server administrator, with a token that reaches everything, can create tokens for other users, and an administrator of an organisation can create tokens for its service accounts, with a token that reaches all of it
    Hint: `fh status` shows what your token may do.
    "#);
    for command in [
        "grant add * alice read",
        "grant add acme/app team: read",
        "team show ops",
        "flake delete acme/app",
    ] {
        world.typed(command).code(2);
    }
}

#[test]
fn why_says_nothing_of_what_is_not_there_nor_of_what_may_not_be_seen() {
    let server = TestServer::start().unwrap();
    server.create_flake("acme/app", "private").unwrap();
    let world = World::logged_in(&server, server.admin_token());
    let all = world.printed_by(
        &server,
        &[
            &format!("why {ABSENT}"),
            &format!("why {ABSENT} --user nobody"),
        ],
    );
    insta::assert_snapshot!(all, @r"
    $ fh why 3w5d2cbf8m0v9n5c4q1k7r6z8y2x0s1a
    Path:   3w5d2cbf8m0v9n5c4q1k7r6z8y2x0s1a
    Who:    admin
    Answer: None of the flakes that you can read with this token holds this path.
    $ fh why 3w5d2cbf8m0v9n5c4q1k7r6z8y2x0s1a --user nobody
    Path:   3w5d2cbf8m0v9n5c4q1k7r6z8y2x0s1a
    Who:    nobody
    Answer: None of the flakes that you administer holds this path.
    ");
    let report = world
        .fh(&["access", "explain", ABSENT, "--json"])
        .success()
        .json();
    assert_eq!(report["readable"], false);
    assert_eq!(report["path"], ABSENT);
    let run = world.typed("why ./result").code(2);
    insta::assert_snapshot!(run.said(&server), @r"
    Error: ./result is neither a store path nor a link to one
    Hint: `nix build` leaves a link to one: ./result
    ");
}

/// Nobody is made less than they are by a command that names no role.
#[test]
fn a_member_keeps_the_role_that_they_have_unless_another_is_named() {
    let server = TestServer::start().unwrap();
    server.create_organization("acme").unwrap();
    let world = World::logged_in(&server, server.admin_token());
    for (user, role) in [("alice", "admin"), ("bob", "owner"), ("carl", "member")] {
        server.create_user(user).unwrap();
        world.fh(&["member", "set", "acme", user, role]).success();
        let run = world
            .fh(&["member", "set", "acme", user, "--json"])
            .success();
        assert_eq!(run.json()["role"], role, "{user}");
        let told = world.fh(&["member", "set", "acme", user]).success().stderr;
        assert_eq!(
            told.contains("nothing was changed"),
            role != "member",
            "{told}"
        );
        world
            .fh(&["member", "set", "acme", user, "member"])
            .success();
    }
    let members = world.json("member list acme");
    let roles: Vec<&str> = members
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["role"].as_str().unwrap())
        .collect();
    assert_eq!(roles, ["owner", "member", "member", "member"]);
}
