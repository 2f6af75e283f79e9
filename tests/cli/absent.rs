//! Removing what is not there: it is done, and that there was nothing is said.

use fh_testkit::assert_contains;
use fh_testkit::rows;
use fh_testkit::server::TestServer;

use crate::world::World;

#[test]
fn a_command_that_had_nothing_to_remove_says_so() {
    let server = TestServer::start().unwrap();
    server.create_flake("acme/app", "private").unwrap();
    server.create_user("alice").unwrap();
    let world = World::logged_in(&server, server.admin_token());
    let fh = |command: &str| world.typed(command).success().stderr;
    fh("team create acme/ops");
    // What there is to remove, the command, and what it says when there is something, and when not.
    for (add, remove, removed, absent) in [
        (
            "grant add acme/app alice read",
            "grant remove acme/app Alice",
            "Removed the role of Alice on acme/app.",
            "Alice had no role on acme/app: there was nothing to remove.",
        ),
        (
            "grant add acme/* team:ops write",
            "grant remove acme/* team:ops",
            "Removed the role of team:ops on acme/*.",
            "team:ops had no role on acme/*: there was nothing to remove.",
        ),
        (
            "member set acme alice member",
            "member remove acme ALICE --yes",
            "Removed ALICE from acme and its teams",
            "ALICE was not a member of acme.",
        ),
        (
            "org own acme github:acme",
            "org own acme github:acme --remove",
            "github:acme is no longer a root of acme.",
            "github:acme was not a root of acme: there was nothing to remove.",
        ),
        (
            "user enable alice",
            "user disable alice",
            "alice is disabled: all tokens",
            "alice is disabled already: nothing was changed.",
        ),
        (
            "user disable alice",
            "user enable alice",
            "alice is enabled.",
            "alice is not disabled: nothing was changed.",
        ),
    ] {
        fh(add);
        let said = fh(remove);
        assert!(said.contains(removed), "{remove}: {said}");
        for _ in 0..2 {
            let said = fh(remove);
            assert!(said.contains(absent), "{remove}: {said}");
            assert!(!said.contains(removed), "{remove}: {said}");
        }
    }
    let said = fh("trust remove acme ci --yes");
    let absent = "acme had no trust policy ci: there was nothing to remove.";
    assert_contains(&said, &[absent]);

    fh("member set acme alice member");
    fh("team add acme/ops alice");
    assert!(fh("team remove acme/ops alice").contains("alice is no longer in acme/ops."));
    let said = fh("team remove acme/ops alice");
    let absent = "alice was not in acme/ops: there was nothing to remove.";
    assert_contains(&said, &[absent]);

    for (remove, removed) in [
        ("grant remove acme/app alice --json", false),
        ("trust remove acme ci --yes --json", false),
        ("member remove acme alice --yes --json", true),
        ("member remove acme alice --yes --json", false),
    ] {
        let answer = world.typed(remove).success().json();
        assert_eq!(answer["removed"], removed, "{remove}");
    }
}

#[test]
fn what_is_removed_by_a_former_name_is_told_by_its_present_one() {
    let server = TestServer::start().unwrap();
    server.create_flake("acme/app", "private").unwrap();
    server.create_user("alice").unwrap();
    let world = World::logged_in(&server, server.admin_token());
    let fh = |command: &str| world.typed(command).success();
    world.run_all(&[
        "flake set acme/app --visibility public",
        "team create acme/ops",
        "service-account create acme/fleet",
        "member set acme alice admin",
        "team add acme/ops alice",
        "grant add acme/app alice read",
        "grant add acme/* alice read",
        "follow acme/app",
        "follow acme/*",
        "flake rename acme/app shop",
        "org rename acme corp",
        "user rename alice alice.jones",
        "service-account rename corp/fleet machines",
    ]);
    for [command, told] in rows(
        "
        grant remove acme/app Alice        | Removed the role of alice.jones (formerly Alice) on corp/shop (formerly acme/app).
        grant remove acme/app alice        | alice had no role on acme/app: there was nothing to remove.
        grant remove acme/* alice          | Removed the role of alice.jones (formerly alice) on corp/* (formerly acme/*).
        team remove acme/ops alice         | alice.jones (formerly alice) is no longer in acme/ops.
        team remove acme/ops alice         | alice was not in acme/ops: there was nothing to remove.
        # Nobody is made less than they are by a former name either.
        member set acme alice              | alice.jones is admin of acme already, and nothing was changed.
        member remove acme alice --yes     | Removed alice.jones (formerly alice) from acme and its teams
        member remove acme alice --yes     | alice was not a member of acme.
        # What is followed is found in the list, and not added once more.
        follow acme/app --first            | You follow corp/shop at the root address now, as number 1 of the list.
        unfollow acme/shop                 | You follow corp/shop (formerly acme/shop) no longer.
        unfollow acme/app                  | corp/shop (formerly acme/app) was not followed.
        unfollow ACME/*                    | You follow corp/* (formerly ACME/*) no longer.
        service-account delete fleet --yes | Deleted the service account machines (formerly fleet) of corp, with its tokens.
        flake delete corp/app --yes        | Deleted the flake corp/shop (formerly corp/app).
        org delete acme --yes              | Deleted the organisation corp (formerly acme).
        ",
    ) {
        let said = fh(command).stderr;
        assert!(said.contains(told), "{command}: {said}");
    }
    fh("org create more");
    fh("grant add more/* alice read");
    for (subject, removed) in [("alice.jones", true), ("alice", false)] {
        let answer = fh("grant remove more/* alice --json").json();
        assert_eq!(answer["removed"], removed);
        assert_eq!(answer["subject"], subject);
    }
}
