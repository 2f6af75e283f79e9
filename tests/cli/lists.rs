//! Lists that leave nothing out.

use fh_testkit::server::TestServer;

use crate::world::World;

const ALL: [&str; 4] = ["pull", "push", "mint", "admin"];

fn run(world: &World, command: &str) -> crate::world::Run {
    let words: Vec<&str> = command.split(' ').collect();
    world.fh(&words)
}

/// The server's administrator owns `corp` with the flakes `corp/web` and `corp/website`. Alice is a member and in the
/// team `builders`, bob administers it, and zoe has nothing there.
fn scene() -> (TestServer, World) {
    let server = TestServer::start().unwrap();
    server.create_flake("corp/web", "private").unwrap();
    server.create_flake("corp/website", "private").unwrap();
    for user in ["alice", "bob", "zoe"] {
        server.create_user(user).unwrap();
    }
    let world = World::logged_in(&server, server.admin_token());
    for command in [
        "member set corp alice",
        "member set corp bob admin",
        "team create corp/builders",
        "team add corp/builders alice",
        "grant add corp/* @members read",
        "grant add corp/web team:builders write",
    ] {
        run(&world, command).success();
    }
    (server, world)
}

#[test]
fn what_applies_to_a_flake_is_listed_with_where_it_is_from() {
    let (server, world) = scene();
    run(&world, "grant add corp/web zoe admin").success();
    run(&world, "user disable zoe").success();
    let listed = run(&world, "grant list corp/web").success();
    insta::assert_snapshot!(listed.printed(&server), @r"
    subject,role,pending,on,created_at,by,users
    zoe,admin,false,corp/web,[TIME],grant,
    team:builders,write,false,corp/web,[TIME],grant,alice
    @members,read,false,corp/*,[TIME],grant,admin alice bob
    admin,admin,false,corp/*,[TIME],owner,admin
    bob,admin,false,corp/*,[TIME],admin,bob
    ");
    assert_eq!(listed.stderr, "");
    let json = run(&world, "grant list corp/web --json").success().json();
    let applies = |index: usize| json[index]["applies"].as_bool().unwrap();
    assert!(!applies(0) && applies(1), "{json}");
    // Who administers the flake alone is told that this is not all.
    run(&world, "user enable zoe").success();
    let zoe = World::logged_in(&server, &server.token_for("zoe", &ALL).unwrap());
    let listed = run(&zoe, "grant list corp/web").success();
    assert!(!listed.stdout.contains("alice"), "{}", listed.stdout);
    assert!(
        listed.stderr.contains("shown to administrators of corp"),
        "{}",
        listed.stderr
    );
}

#[test]
fn what_somebody_has_is_shown_without_a_path() {
    let (server, world) = scene();
    let alice = World::logged_in(&server, &server.token_for("alice", &ALL).unwrap());
    let bob = World::logged_in(&server, &server.token_for("bob", &ALL).unwrap());
    let shown = run(&world, "why --user alice").success().stdout;
    insta::assert_snapshot!(shown, @r"
    Who:    alice
    Answer: alice reads 2 flakes at the root address, and public flakes by their names.
    In:     corp (member; teams: builders)
    Flake:  corp/web (private): write
    By:     grant of write on corp/web to team:builders
    By:     grant of read on corp/* to @members
    Flake:  corp/website (private): read
    By:     grant of read on corp/* to @members
    ");
    // The same to herself, and to who administers the organisation.
    assert_eq!(run(&alice, "why").success().stdout, shown);
    let by_bob = run(&bob, "why --user ALICE").success().stdout;
    assert!(
        by_bob.contains("By:     grant of write on corp/web to team:builders"),
        "{by_bob}"
    );
    assert!(
        by_bob.contains("organisations that you administer"),
        "{by_bob}"
    );
    // An account is shown to whom its access is, and its own facts only to itself and the server's administrators.
    for (who, facts) in [(&world, true), (&alice, true), (&bob, false)] {
        let shown = run(who, "user show alice").success().stdout;
        assert_eq!(shown.contains("Server admin: no"), facts, "{shown}");
        assert!(shown.contains("corp (member; teams: builders)"), "{shown}");
    }
    let json = run(&world, "user show alice --json").success().json();
    assert_eq!(json["name"], "alice");
    assert_eq!(json["server_admin"], false);
    assert_eq!(json["access"]["flakes"][1]["flake"], "corp/website");
    for command in ["why --user bob", "user show bob"] {
        let refused = run(&alice, command).code(1).stderr;
        assert!(
            refused.contains("administrators of an organisation"),
            "{refused}"
        );
    }
    run(&world, "user disable alice").success();
    let shown = run(&world, "why --user alice").success().stdout;
    assert!(shown.contains("alice is disabled"), "{shown}");
}

/// No token of a disabled account is shown as good, whose list it is in.
#[test]
fn tokens_of_disabled_accounts_are_not_good() {
    let (server, world) = scene();
    let bob = World::logged_in(&server, &server.token_for("bob", &ALL).unwrap());
    run(&bob, "service-account create corp fleet").success();
    run(&bob, "token create --user fleet").success();
    server.token_for("alice", &["pull"]).unwrap();
    let states = |who: &World, command: &str| -> Vec<(String, String)> {
        let listed = run(who, command).success().stdout;
        let mut rows = csv_rows(&listed);
        let header = rows.remove(0);
        let column = |name: &str| header.iter().position(|title| title == name).unwrap();
        let (user, state) = (column("user"), column("state"));
        rows.into_iter()
            .map(|row| (row[user].clone(), row[state].clone()))
            .collect()
    };
    for user in ["alice", "fleet"] {
        for (command, state) in [("enable", "good"), ("disable", "disabled")] {
            run(&world, &format!("user {command} {user}")).success();
            let mut lists = vec![
                (&world, format!("token list --user {user}")),
                (&world, "token list --all".to_owned()),
            ];
            if user == "fleet" {
                lists.push((&bob, "token list --user fleet".to_owned()));
            }
            for (who, list) in lists {
                let mut told = states(who, &list);
                told.retain(|(of, _)| of == user);
                assert!(!told.is_empty(), "{list}");
                assert!(
                    told.iter().all(|(_, told)| told == state),
                    "{list}: {told:?}"
                );
            }
        }
    }
}

/// Cells hold neither commas nor quotes here.
fn csv_rows(text: &str) -> Vec<Vec<String>> {
    let rows = text
        .lines()
        .map(|line| line.split(',').map(str::to_owned).collect());
    rows.collect()
}
