//! Lists that leave nothing out, names that were perhaps meant, and who can give what is missing.

use fh_testkit::rows;
use fh_testkit::server::TestServer;
use fh_testkit::{assert_contains, assert_lacks};
use serde_json::Value;

use crate::world::World;

const ALL: [&str; 4] = ["pull", "push", "mint", "admin"];

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
    world.run_all(&[
        "member set corp alice",
        "member set corp bob admin",
        "team create corp/builders",
        "team add corp/builders alice",
        "grant add corp/* @members read",
        "grant add corp/web team:builders write",
    ]);
    (server, world)
}

#[test]
fn what_applies_to_a_flake_is_listed_with_where_it_is_from() {
    let (server, world) = scene();
    world.typed("grant add corp/web zoe admin").success();
    world.typed("user disable zoe").success();
    let listed = world.typed("grant list corp/web").success();
    insta::assert_snapshot!(listed.printed(&server), @r"
    subject,role,pending,on,created_at,by,users
    zoe,admin,false,corp/web,[TIME],grant,
    team:builders,write,false,corp/web,[TIME],grant,alice
    @members,read,false,corp/*,[TIME],grant,admin alice bob
    admin,admin,false,corp/*,[TIME],owner,admin
    bob,admin,false,corp/*,[TIME],admin,bob
    ");
    assert_eq!(listed.stderr, "");
    let json = world.json("grant list corp/web");
    let applies = |index: usize| json[index]["applies"].as_bool().unwrap();
    assert!(!applies(0) && applies(1), "{json}");
    // Who administers the flake alone is told that this is not all.
    world.typed("user enable zoe").success();
    let zoe = World::of(&server, "zoe");
    let listed = zoe.typed("grant list corp/web").success();
    assert_lacks(&listed.stdout, &["alice"]);
    listed.says(&["shown to administrators of corp"]);
}

#[test]
fn what_somebody_has_is_shown_without_a_path() {
    let (server, world) = scene();
    let alice = World::of(&server, "alice");
    let bob = World::of(&server, "bob");
    let shown = world.typed("why --user alice").success().stdout;
    insta::assert_snapshot!(shown, @r"
    Who:    alice
    Answer: alice reads 2 flakes at the root address, and public flakes by their names.

    ORGANISATION  AS      TEAMS
    corp          member  builders

    FLAKE         ROLE   BY                                  VISIBILITY
    corp/web      write  grant on corp/web to team:builders  private
    corp/web      read   grant on corp/* to @members         private
    corp/website  read   grant on corp/* to @members         private
    ");
    // The same to herself, and to who administers the organisation.
    assert_eq!(alice.typed("why").success().stdout, shown);
    let by_bob = bob.typed("why --user ALICE").success().stdout;
    assert_contains(
        &by_bob,
        &[
            "corp/web      write  grant on corp/web to team:builders",
            "organisations that you administer",
        ],
    );
    // An account is shown to whom its access is, and its own facts only to itself and the server's administrators.
    for (who, facts) in [(&world, true), (&alice, true), (&bob, false)] {
        let shown = who.typed("user show alice").success().stdout;
        assert_eq!(shown.contains("Server admin: no"), facts, "{shown}");
        assert_contains(&shown, &["corp          member  builders"]);
    }
    let json = world.json("user show alice");
    assert_eq!(json["name"], "alice");
    assert_eq!(json["server_admin"], false);
    assert_eq!(json["access"]["flakes"][1]["flake"], "corp/website");
    for command in ["why --user bob", "user show bob"] {
        let refused = alice.typed(command).code(1).stderr;
        assert_contains(&refused, &["administrators of an organisation"]);
    }
    world.typed("user disable alice").success();
    let shown = world.typed("why --user alice").success().stdout;
    assert_contains(&shown, &["alice is disabled"]);
}

/// No token of a disabled account is shown as good, whose list it is in.
#[test]
fn tokens_of_disabled_accounts_are_not_good() {
    let (server, world) = scene();
    let bob = World::of(&server, "bob");
    bob.typed("service-account create corp fleet").success();
    bob.typed("token create --user fleet").success();
    server.token_for("alice", &["pull"]).unwrap();
    let states = |who: &World, command: &str| -> Vec<(String, String)> {
        let listed = who.typed(command).success().stdout;
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
            world.typed(format!("user {command} {user}")).success();
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

#[test]
fn a_slip_in_a_name_is_told_by_the_names_that_the_person_sees() {
    let (server, world) = scene();
    server.create_flake("secret/wiki", "private").unwrap();
    server.create_flake("open/wiki", "public").unwrap();
    let policy =
        "trust add github --repository corp/web --ref refs/heads/main --flake corp/web --role read";
    world.typed(policy).success();
    let alice = World::of(&server, "alice");
    let bob = World::of(&server, "bob");
    for (who, command, meant) in [
        (&world, "flake show corp/wbe", Some("corp/web")),
        (&world, "flake show crop/website", Some("corp/website")),
        (
            &world,
            "flake set corp/websit --description x",
            Some("corp/website"),
        ),
        (&world, "flake create crop/new", Some("corp")),
        (&world, "grant list corp/we", Some("corp/web")),
        (&world, "grant add corp/web alcie read", Some("alice")),
        (
            &world,
            "grant add corp/web team:bilders read",
            Some("corp/builders"),
        ),
        (&world, "member set corp bbo", Some("bob")),
        (&world, "member list crop", Some("corp")),
        (&world, "team show corp/builder", Some("corp/builders")),
        (&world, "team add corp/builders alise", Some("alice")),
        (&world, "user show zeo", Some("zoe")),
        (&world, "user disable alicee", Some("alice")),
        (&world, "token create --user alic", Some("alice")),
        (&world, "token list --user alic", Some("alice")),
        (
            &world,
            "trust show corp github-crop-web",
            Some("github-corp-web"),
        ),
        (&world, "audit --org crop", None),
        (&bob, "audit --org crop", Some("corp")),
        (&bob, "member set corp alicia", Some("alice")),
        (&alice, "flake show corp/wep", Some("corp/web")),
        (&alice, "follow open/wikki", Some("open/wiki")),
        (&alice, "org leave cor --yes", Some("corp")),
        // What they cannot see is not what they meant: of strangers, of other organisations' private flakes.
        (&bob, "grant add corp/web zo read", None),
        (&alice, "flake show secret/wikki", None),
        (&alice, "flake show secrt/wiki", None),
        // What is there was meant, and what is like nothing was not mistyped.
        (&world, "flake show corp/database", None),
        (&world, "team show corp/designers", None),
    ] {
        let run = who.typed(command);
        let told = run
            .stderr
            .lines()
            .find_map(|line| line.strip_prefix("Hint: Did you mean "));
        let expected = meant.map(|meant| format!("{meant}?"));
        assert_eq!(told, expected.as_deref(), "{command}: {}", run.stderr);
        run.never_says(&["secret/wiki?"]);
    }
    let json = world.typed("flake show corp/wbe --json").code(1).json();
    assert_eq!(json["hints"][0], "Did you mean corp/web?");
    // An empty list is no failure.
    for (owner, meant) in [("crop", "Did you mean corp?\n"), ("corp", ""), ("else", "")] {
        let run = world
            .typed(format!("list flakes --owner {owner}"))
            .success();
        assert_eq!(run.stderr, meant, "{owner}");
    }
    // A token is made all the same; that nothing is reached is a warning.
    world
        .typed("token create --flake corp/wbe")
        .success()
        .says(&["Did you mean corp/web?"]);
}

#[test]
fn what_is_not_found_is_looked_for_in_the_list_of_its_noun_that_the_person_may_run() {
    let (server, world) = scene();
    let bob = World::of(&server, "bob");
    for (who, command, list) in [
        (&world, "user rename nobody x", "user list"),
        (&world, "user disable nobody", "user list"),
        (&world, "why --user nobody", "user list"),
        (&world, "token create --user nobody", "user list"),
        (&world, "org create new --owner nobody", "user list"),
        (&bob, "why --user nobody", "member list corp"),
        (&bob, "user show nobody", "member list corp"),
        (
            &world,
            "service-account rename corp/none x",
            "service-account list corp",
        ),
        (
            &world,
            "service-account delete corp/none --yes",
            "service-account list corp",
        ),
        (&world, "service-account rename none/none x", "org list"),
        (&world, "trust show corp/none", "trust list corp"),
        (&world, "trust show none/none", "org list"),
        (&world, "trust list none", "org list"),
        (&world, "trust remove none/none --yes", "org list"),
        (&world, "key list --org none", "org list"),
        (&world, "key rotate --org none --yes", "org list"),
        (&world, "grant list none/*", "org list"),
        (&world, "grant add none/* alice read", "org list"),
        (&world, "follow --org none", "org list"),
        (&world, "team show corp/none", "team list corp"),
        (&world, "team remove corp/none alice", "team list corp"),
        (&world, "team show none/none", "org list"),
        (&world, "member list none", "org list"),
        (&world, "org rename none x", "org list"),
        (&world, "org own none github:x", "org list"),
        (&bob, "audit --org none", "org list"),
        (&world, "flake rename corp/none x", "list flakes"),
        (&world, "grant list corp/none", "list flakes"),
        (
            &world,
            "token revoke 0197d9d0-0000-7000-8000-000000000000 --yes",
            "token list",
        ),
        (&world, "invitation accept none", "invitation list"),
    ] {
        let told = who.typed(command).code(1).stderr;
        let hint = told.lines().filter(|line| line.starts_with("Hint: "));
        let named = format!("`fh {list}`");
        assert!(
            hint.clone().any(|hint| hint.contains(&named)),
            "{command}: {told}"
        );
        let wrong = hint.filter(|hint| hint.contains("`fh list flakes`"));
        assert_eq!(
            wrong.count(),
            usize::from(list == "list flakes"),
            "{command}: {told}"
        );
        who.typed(list).success();
    }
}

#[test]
fn a_slip_in_the_name_of_a_server_is_told_by_those_that_are_known() {
    let world = World::new();
    world.write(
        ".config/fh/config.toml",
        "[servers.\"cache.example.org\"]\nurl = \"https://cache.example.org\"\n\n\
         [servers.office]\nurl = \"https://nix.example.com:8443\"\n",
    );
    for (command, meant) in [
        ("server use cahce.example.org", Some("cache.example.org")),
        ("server use ofice", Some("office")),
        ("server remove offfice", Some("office")),
        ("status --server ofice", Some("office")),
        (
            "org list --server https://cache.exampel.org",
            Some("cache.example.org"),
        ),
        (
            "push corp/web --server nix.exmaple.com:8443",
            Some("nix.example.com:8443"),
        ),
        ("server use elsewhere", None),
    ] {
        let run = world.typed(command);
        assert_ne!(run.code, Some(0), "{command}");
        let told = run
            .stderr
            .lines()
            .find_map(|line| line.strip_prefix("Hint: Did you mean "));
        let expected = meant.map(|meant| format!("{meant}?"));
        assert_eq!(told, expected.as_deref(), "{command}: {}", run.stderr);
    }
}

#[test]
fn a_refusal_names_both_needs_and_who_can_give_them() {
    let (server, world) = scene();
    world.typed("grant add corp/website zoe read").success();
    let token = |user: &str, permissions: &[&str]| server.token_for(user, permissions).unwrap();
    let granted_by = |who: &str, user: &str, flake: &str, role: &str| {
        format!("granted by {who}: `fh grant add {flake} {user} {role}`")
    };
    let permitted = |user: &str, permission: &str| {
        format!("`fh token create --user {user} --permission {permission}`")
    };
    let members = "admin or bob, who administer corp";
    let others = "the administrators of corp";
    for (user, permissions, command, needs, hints) in [
        (
            "alice",
            &["pull"][..],
            "push corp/website .#x",
            "role write on corp/website (yours is read) and a token with the permission \"write\" (this one lacks it)",
            vec![
                granted_by(members, "alice", "corp/website", "write"),
                permitted("alice", "write"),
            ],
        ),
        (
            "alice",
            &["pull", "push"],
            "push corp/website .#x",
            "role write on corp/website (yours is read) and a token with the permission \"write\" (this one has it)",
            vec![granted_by(members, "alice", "corp/website", "write")],
        ),
        (
            "alice",
            &["pull"],
            "push corp/web .#x",
            "role write on corp/web (yours is write) and a token with the permission \"write\" (this one lacks it)",
            vec![permitted("alice", "write")],
        ),
        // Who belongs to the organisation is told to those who may know.
        (
            "zoe",
            &["pull", "push"],
            "push corp/website .#x",
            "role write on corp/website (yours is read)",
            vec![granted_by(others, "zoe", "corp/website", "write")],
        ),
        (
            "zoe",
            &ALL,
            "grant list corp/website",
            "role admin on corp/website (yours is read) and a token with the permission \"admin\" (this one has it)",
            vec![granted_by(others, "zoe", "corp/website", "admin")],
        ),
    ] {
        let person = World::logged_in(&server, &token(user, permissions));
        let told = person.typed(command).code(1).stderr;
        assert_contains(&told, &[needs]);
        for hint in &hints {
            assert!(told.contains(hint.as_str()), "{hint}: {told}");
        }
        let count = told.matches("Hint: The role").count() + told.matches("Hint: A token").count();
        assert_eq!(count, hints.len(), "{told}");
        assert!(user == "alice" || !told.contains("bob"), "{told}");
    }
}

#[test]
fn what_a_command_replaces_is_said() {
    let (_server, world) = scene();
    for [command, before, again] in rows(
        "
        grant add corp/web zoe read     |        |
        grant add corp/web zoe read     |        |
        grant add corp/web zoe admin    | read   | fh grant add corp/web zoe read
        grant add corp/web ZOE read     | admin  | fh grant add corp/web zoe admin
        grant add corp/* @members write | read   | fh grant add 'corp/*' @members read
        member set corp bob member      | admin  | fh member set corp bob admin
        member set corp alice owner     | member | fh member set corp alice member
        member set corp alice owner     |        |
        ",
    ) {
        let said = world.typed(command).success().stderr;
        let told = format!("Before, the role was {before}. To restore it: `{again}`");
        let is_told = said.contains(&told);
        assert_eq!(is_told, !before.is_empty(), "{command}: {said}");
        assert_eq!(is_told, said.contains("Before"), "{command}: {said}");
    }
    let json = world.json("grant add corp/web zoe write");
    assert_eq!(json["replaced"], "read");
    let json = world.json("grant add corp/web zoe write");
    assert_eq!(json["replaced"], Value::Null);
}

/// Of the organisations that the caller is in, or administers where only administrators may list.
#[test]
fn lists_without_an_organisation_are_of_all_of_the_callers() {
    let (server, world) = scene();
    world.run_all(&[
        "org create labs",
        "team create labs/nobody",
        "service-account create labs/labs-fleet",
        "service-account create corp/corp-fleet",
        "org create others",
        "team create others/theirs",
    ]);
    world.typed("member set labs bob").success();
    // Bob administers corp, is a member of labs, and knows nothing of the third.
    let bob = World::of(&server, "bob");
    let mut told = String::new();
    for command in ["team list", "member list", "service-account list"] {
        let listed = bob.typed(command).success();
        assert_eq!(listed.stderr, "", "{command}");
        told.push_str(&format!("$ fh {command}\n{}", listed.printed(&server)));
        // Of one organisation, JSON is what it has always been: the other one's objects, and no more keys.
        let all = bob.json(command);
        let all = all.as_array().unwrap().clone();
        let one = bob.json(format!("{command} corp"));
        let same = bob.typed(format!("{command} --org corp --json")).success();
        assert_eq!(same.json(), one, "{command}");
        let is_account = command.starts_with("service");
        let of_corp = all.into_iter().filter_map(|mut object| {
            let keys = object.as_object_mut().unwrap();
            let organization = keys.get("organization").cloned().unwrap();
            if !is_account {
                keys.remove("organization");
            }
            (organization == "corp").then_some(object)
        });
        assert_eq!(Value::Array(of_corp.collect()), one, "{command}");
    }
    insta::assert_snapshot!(told, @r"
    $ fh team list
    organization,name,members,created_at,id
    corp,builders,1,[TIME],[ID]
    labs,nobody,0,[TIME],[ID]
    $ fh member list
    organization,user,role,invited,kind,created_at
    corp,admin,owner,false,human,[TIME]
    corp,alice,member,false,human,[TIME]
    corp,bob,admin,false,human,[TIME]
    labs,admin,owner,false,human,[TIME]
    labs,bob,member,false,human,[TIME]
    $ fh service-account list
    name,kind,server_admin,organization,disabled_at,created_at,id
    corp-fleet,service,false,corp,,[TIME],[ID]
    ");
    // Nobody's organisations are an empty list, and say what to do.
    let zoe = World::of(&server, "zoe");
    for command in ["team list", "member list", "service-account list"] {
        let nothing = zoe.typed(format!("{command} --json")).success();
        assert_eq!(nothing.json(), serde_json::json!([]), "{command}");
    }
}
