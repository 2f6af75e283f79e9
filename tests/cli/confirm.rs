//! What is lost is asked for, or said with `--yes`.

use expectrl::Expect as _;
use fh_testkit::server::TestServer;

use crate::prompt::{on_a_terminal, rest};
use crate::world::World;

const GITHUB: &str = "trust add github --repository acme/app --ref main --flake acme/app --role write \
                      --name ci --builder";

/// Commands that lose something, on a server where everything is there that they name.
const LOSING: [&str; 8] = [
    "trust remove acme/ci",
    "team delete acme/ops",
    "service-account delete acme/fleet",
    "member remove acme alice",
    "flake delete acme/app",
    "flake delete acme/other",
    "org delete gone",
    "org leave acme",
];

fn company(server: &TestServer) -> World {
    let world = World::logged_in(server, server.admin_token());
    world.run_all(&[
        "org create acme",
        "org create gone",
        "flake create acme/app",
        "flake create acme/other",
        "user create alice",
        "user create bob",
        "member set acme alice",
        "member set acme bob owner",
        "team create acme/ops",
        "service-account create acme/fleet",
        GITHUB,
    ]);
    world
}

#[test]
fn without_a_terminal_what_is_lost_has_to_be_confirmed_beforehand() {
    let server = TestServer::start().unwrap();
    let world = company(&server);
    for command in LOSING {
        for form in ["", " --json"] {
            let refused = world.typed(format!("{command}{form}")).code(2);
            let is_json = refused.stdout.contains("\"error\": \"usage\"");
            assert_eq!(
                is_json,
                form == " --json",
                "{command}{form}: {}",
                refused.stdout
            );
            let told = refused.stderr;
            assert!(told.contains("--yes"), "{command}{form}: {told}");
        }
    }
    for command in LOSING {
        world.typed(format!("{command} --yes")).success();
    }
    // What shows more to others is done without being asked about.
    let server = TestServer::start().unwrap();
    let world = company(&server);
    world.run_all(&[
        "flake set acme/app --visibility public",
        "flake set acme/other --visibility unlisted",
        "user set alice --server-admin true",
    ]);
}

#[test]
fn on_a_terminal_it_is_asked_for() {
    let server = TestServer::start().unwrap();
    let world = company(&server);
    world.write("new.toml", "[org.new]\npush = \"builders\"\n");
    for (command, question) in [
        // What is asked about is shown in any case.
        ("provision new.toml --quiet", "+ org new: you own it"),
        ("service-account delete fleet", "with its tokens."),
        ("trust remove acme ci", "lose what it grants"),
        (
            "flake set acme/app --visibility public",
            "anyone who knows its name",
        ),
        (
            "user set alice --server-admin true",
            "manage the whole server",
        ),
    ] {
        let words: Vec<&str> = command.split(' ').collect();
        for (answer, code) in [("n", 1), ("y", 0)] {
            let mut session = on_a_terminal(&world, &words);
            session.expect(question).unwrap();
            session.expect("[y/N]").unwrap();
            session.send(format!("{answer}\r")).unwrap();
            let told = rest(&mut session);
            let status = session.get_process_mut().wait().unwrap();
            assert!(
                format!("{status:?}").contains(&code.to_string()),
                "{command}: {status:?}"
            );
            assert_eq!(told.contains("Nothing was changed."), code == 1, "{told}");
        }
    }
}
