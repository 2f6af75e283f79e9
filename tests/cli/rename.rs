//! `rename` of every noun that has it.

use fh_testkit::server::TestServer;

use crate::world::World;

#[test]
fn the_former_name_goes_on_to_work_in_every_command() {
    let server = TestServer::start().unwrap();
    let world = World::logged_in(&server, server.admin_token());
    let run = |command: &str, code: i32| {
        let words: Vec<&str> = command.split(' ').collect();
        world.fh(&words).code(code)
    };
    for command in [
        "org create acme",
        "flake create acme/app",
        "user create alice",
        "service-account create acme/fleet",
    ] {
        run(command, 0);
    }
    let mut said = String::new();
    for command in [
        "flake rename acme/app shop",
        "org rename acme corp",
        "user rename alice alice.jones",
        "service-account rename acme/fleet machines",
    ] {
        said.push_str(&run(command, 0).said(&server));
    }
    insta::assert_snapshot!(said, @r"
    Renamed the flake acme/app to acme/shop. The name acme/app keeps working.
    Renamed the organisation acme to corp. The name acme keeps working.
    Renamed the account alice to alice.jones. The name alice keeps working.
    Renamed the service account fleet to machines. The name fleet keeps working.
    ");
    run("grant add acme/app alice read", 0);
    let list = run("grant list acme/app", 0).stdout;
    assert!(list.contains("alice.jones,read,false,corp/shop"), "{list}");
    let list = run("list flakes", 0).stdout;
    assert!(list.contains("corp/shop,"), "{list}");
    let taken = run("org create acme", 1).stderr;
    assert!(
        taken.contains("the organisation acme exists already"),
        "{taken}"
    );
    run("org create other", 0);
    let refused = run("org rename other acme", 1).stderr;
    assert!(
        refused.contains("another organisation has the name acme, or had it before it was renamed"),
        "{refused}"
    );
    let json = run("flake rename corp/shop app --json", 0).json();
    assert_eq!(json["flake"], "corp/app");
    // A name that leads somewhere is among the reserved ones.
    let reserved = run("org free-name", 0).stdout;
    assert!(reserved.contains("acme,"), "{reserved}");
}
