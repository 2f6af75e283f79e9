//! `rename` of every noun that has it.

use expectrl::Expect as _;
use fh_testkit::assert_contains;
use fh_testkit::rows;

use crate::prompt::{on_a_terminal, rest};
use crate::world::World;

#[test]
fn the_former_name_goes_on_to_work_in_every_command() {
    let (server, world) = World::administrator();
    let run = |command: &str, code: i32| world.typed(command).code(code);
    world.run_all(&[
        "org create acme",
        "flake create acme/app",
        "user create alice",
        "service-account create acme/fleet",
    ]);
    let said = world.said_by(
        &server,
        &[
            "flake rename acme/app shop",
            "org rename acme corp",
            "user rename alice alice.jones",
            "service-account rename acme/fleet machines",
        ],
    );
    insta::assert_snapshot!(said, @r"
    Renamed the flake acme/app to acme/shop. The name acme/app keeps working.
    Renamed the organisation acme to corp. The name acme keeps working.
    Renamed the account alice to alice.jones. The name alice keeps working.
    Renamed the service account fleet to machines. The name fleet keeps working.
    ");
    run("grant add acme/app alice read", 0);
    let list = run("grant list acme/app", 0).stdout;
    assert_contains(&list, &["alice.jones,read,false,corp/shop"]);
    let list = run("list flakes", 0).stdout;
    assert_contains(&list, &["corp/shop,"]);
    let taken = run("org create acme", 1).stderr;
    let former = "the name acme is a former name of the organisation corp, and leads to it until a server \
                  administrator frees it";
    assert_contains(&taken, &[former]);
    run("org create other", 0);
    let refused = run("org rename other acme", 1).stderr;
    assert_contains(&refused, &[former]);
    for [command, told] in rows(
        "
        user create alice                  | the name alice is a former name of the account alice.jones
        service-account create other/fleet | the name fleet is a former name of the account machines
        flake create corp/app              | the flake corp/shop exists already, and had the name app before
        user create trust-me               | are those of the accounts of trust policies
        ",
    ) {
        let refused = run(command, 1).stderr;
        assert!(refused.contains(told), "{command}: {refused}");
    }
    let json = run("flake rename corp/shop app --json", 0).json();
    assert_eq!(json["flake"], "corp/app");
    // A name that leads somewhere is among the reserved ones.
    let reserved = run("org free-name", 0).stdout;
    assert_contains(&reserved, &["acme,"]);
    // The same name again, another case, a name in full.
    for [command, code, told] in rows(
        "
        flake rename acme/shop app                      | 0 | The flake is called corp/app already: nothing was changed.
        org rename acme corp                            | 0 | The organisation is called corp already: nothing was changed.
        org rename corp Corp                            | 0 | Renamed the organisation corp to Corp.
        user rename ALICE alice.jones                   | 0 | The account is called alice.jones already: nothing was changed.
        service-account rename corp/fleet corp/machines | 0 | The service account is called machines already: nothing was changed.
        flake rename corp/app acme/web                  | 0 | Renamed the flake Corp/app to Corp/web. The name Corp/app keeps working.
        flake rename corp/web other/web                 | 2 | a flake stays in its organisation: corp/web cannot become other/web
        service-account rename corp/fleet nowhere/x     | 2 | a service account stays in its organisation: corp/fleet cannot become nowhere/x
        ",
    ) {
        let said = run(command, code.parse().unwrap()).stderr;
        assert!(said.contains(told), "{command}: {said}");
        // A name in another case is no former name.
        let is_all = said == format!("{told}\n");
        assert!(is_all || !command.ends_with("Corp"), "{command}: {said}");
    }
}

#[test]
fn a_name_that_leads_somewhere_is_freed_only_by_who_says_so() {
    let (_server, world) = World::administrator();
    let run = |command: &str, code: i32| world.typed(command).code(code);
    world.run_all(&[
        "org create acme",
        "org rename acme corp",
        "user create alice",
        "user rename alice alice.jones",
        "org create gone",
        "org delete gone --yes",
    ]);
    for (command, leads_to, parts) in [
        (
            "org free-name acme",
            "corp",
            [
                "acme is a former name of the organisation corp, and leads to it",
                "nix.conf names /cache/acme",
                "decide what such machines install",
            ],
        ),
        (
            "user free-name ALICE",
            "alice.jones",
            [
                "ALICE is a former name of the account alice.jones, and leads to it",
                "commands and files that name ALICE fail",
                "what they grant to ALICE is theirs",
            ],
        ),
    ] {
        let refused = run(command, 2).stderr;
        for part in parts.iter().chain(&["--yes"]) {
            assert!(refused.contains(part), "{command}: {refused}");
        }
        let words: Vec<&str> = command.split(' ').collect();
        let mut session = on_a_terminal(&world, &words);
        session.expect("and leads to it").unwrap();
        session.expect("[y/N]").unwrap();
        session.send("n\r").unwrap();
        assert!(rest(&mut session).contains("Nothing was changed."));
        let noun = words[0];
        let listed = run(&format!("{noun} free-name"), 0).stdout;
        assert_contains(&listed, &[&format!(",{leads_to}\n")]);
        let freed = run(&format!("{command} --yes"), 0).stderr;
        let told = format!("can be used again. It no longer leads to {leads_to}.");
        assert!(freed.contains(&told), "{command}: {freed}");
    }
    run("org show acme", 1);
    // A name that leads nowhere is given as before.
    let freed = run("org free-name gone", 0).stderr;
    assert_eq!(freed, "The name gone can be used again.\n");
}

#[test]
fn a_former_name_of_a_flake_is_freed_by_who_administers_its_organisation() {
    let (server, world) = World::administrator();
    server.create_user("ann").unwrap();
    let ann = World::of(&server, "ann");
    let run = |world: &World, command: &str, code: i32| world.typed(command).code(code);
    world.run_all(&[
        "org create acme",
        "member set acme ann admin",
        "flake create acme/app",
        "flake rename acme/app shop",
        "org create other",
        "flake create other/lib",
        "flake rename other/lib library",
    ]);
    let listed = run(&ann, "flake free-name", 0).printed(&server);
    assert_eq!(
        listed,
        "flake,given_up_at,leads_to\nacme/app,[TIME],acme/shop\n"
    );
    let refused = run(&ann, "flake free-name acme/App", 2).stderr;
    assert_contains(
        &refused,
        &[
            "acme/App is a former name of the flake acme/shop, and leads to it",
            "nix.conf names /cache/acme/App",
            "--yes",
        ],
    );
    // The name of a flake now, none at all, and one of an organisation that ann knows nothing of.
    for name in ["acme/shop", "acme/none", "other/lib"] {
        let refused = run(&ann, &format!("flake free-name {name} --yes"), 1).stderr;
        assert_contains(&refused, &[&format!("cannot free the name {name}")]);
    }
    let freed = run(&ann, "flake free-name acme/App --yes", 0).stderr;
    assert_eq!(
        freed,
        "The name acme/App can be used again. It no longer leads to acme/shop.\n"
    );
    run(&ann, "flake create acme/app", 0);
    let freed = run(&world, "flake free-name other/lib --yes --json", 0).json();
    assert_eq!(freed["led_to"], "other/library");
    assert_eq!(
        run(&ann, "flake free-name --json", 0).json(),
        serde_json::json!([])
    );
}
