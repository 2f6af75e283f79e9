//! Organisations, members, teams, service accounts, and why a path can be read.

use fh_testkit::server::TestServer;

use crate::world::World;

/// A hash that no test pushes.
const ABSENT: &str = "3w5d2cbf8m0v9n5c4q1k7r6z8y2x0s1a";

/// Runs commands that say what they did, one after the other.
fn said(world: &World, server: &TestServer, commands: &[&str]) -> String {
    let mut said = String::new();
    for command in commands {
        let words: Vec<&str> = command.split(' ').collect();
        let run = world.fh(&words).success();
        assert_eq!(run.stdout, "", "{command}");
        said.push_str(&run.said(server));
    }
    said
}

/// Runs commands that print, one after the other.
fn printed(world: &World, server: &TestServer, commands: &[&str]) -> String {
    let mut printed = String::new();
    for command in commands {
        let words: Vec<&str> = command.split(' ').collect();
        let run = world.fh(&words).success();
        assert_eq!(run.stderr, "", "{command}");
        printed.push_str(&format!("$ fh {command}\n{}", run.printed(server)));
    }
    printed
}

#[test]
fn a_company_sets_itself_up_and_its_script_runs_twice() {
    let server = TestServer::start().unwrap();
    let world = World::logged_in(&server, server.admin_token());
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
    insta::assert_snapshot!(said(&world, &server, &script), @r"
    Made the organisation acme. Make a flake in it: `fh flake create acme/PROJECT`
    Made the account alice. Make a token for it: `fh token create --user alice`
    Made the account bob. Make a token for it: `fh token create --user bob`
    Made the private flake acme/app. Push to it: `fh push acme/app PATH`
    alice is now admin of acme.
    bob is now member of acme.
    Made the team acme/ops. Put somebody into it: `fh team add acme/ops USER`
    alice is in acme/ops.
    bob is in acme/ops.
    Made the service account fleet of acme. Make a token for it: `fh token create --user fleet`
    fleet may now read acme/app.
    ");
    insta::assert_snapshot!(said(&world, &server, &script[..9]), @r"");
    insta::assert_snapshot!(
        printed(
            &world,
            &server,
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
        @r""
    );
    insta::assert_snapshot!(
        said(
            &world,
            &server,
            &[
                "user disable bob",
                "user enable bob",
                "user set alice --server-admin true",
                "user set alice --server-admin false",
                "service-account remove acme fleet",
                "team delete acme/ops",
                "member remove acme bob",
                "flake delete acme/app --yes",
                "org delete acme",
            ],
        ),
        @r""
    );
}

#[test]
fn who_may_not_is_told_what_they_lack() {
    let server = TestServer::start().unwrap();
    server.create_flake("acme/app", "private").unwrap();
    server.create_user("alice").unwrap();
    let world = World::logged_in(&server, server.admin_token());
    let all = ["pull", "push", "mint", "admin"];
    let alice = World::logged_in(&server, &server.token_for("alice", &all).unwrap());
    let mut told = String::new();
    for (who, command) in [
        (&world, "org delete acme"),
        (&world, "member remove acme admin"),
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
        let words: Vec<&str> = command.split(' ').collect();
        let run = who.fh(&words).code(1);
        assert_eq!(run.stdout, "", "{command}");
        told.push_str(&format!("$ fh {command}\n{}", run.said(&server)));
    }
    insta::assert_snapshot!(told, @r"");
    for command in [
        "grant add * alice read",
        "grant add acme/app team: read",
        "team show ops",
        "flake delete acme/app",
    ] {
        let words: Vec<&str> = command.split(' ').collect();
        world.fh(&words).code(2);
    }
}

#[test]
fn why_says_nothing_of_what_is_not_there_nor_of_what_may_not_be_seen() {
    let server = TestServer::start().unwrap();
    server.create_flake("acme/app", "private").unwrap();
    let world = World::logged_in(&server, server.admin_token());
    let all = printed(
        &world,
        &server,
        &[
            &format!("why {ABSENT}"),
            &format!("why {ABSENT} --user nobody"),
        ],
    );
    insta::assert_snapshot!(all, @r"");
    let report = world
        .fh(&["access", "explain", ABSENT, "--json"])
        .success()
        .json();
    assert_eq!(report["readable"], false);
    assert_eq!(report["path"], ABSENT);
    let run = world.fh(&["why", "./result"]).code(2);
    insta::assert_snapshot!(run.said(&server), @r"");
}
