//! `fh provision` against a real server.

use fh_testkit::server::TestServer;

use crate::world::World;

/// The permissions of somebody who manages.
const ALL: [&str; 4] = ["pull", "push", "mint", "admin"];

const ACME: &str = r#"
users = ["alice", "bob"]

[org.acme]
service-accounts = ["fleet"]
follows = ["tools/kit"]

[org.acme.members]
admin = "owner"
alice = "admin"
bob = "member"

[org.acme.teams]
builders = ["bob"]

[org.acme.grants]
"@members" = "pull"

[org.acme.flakes.app]
visibility = "unlisted"
description = "What we sell"
grants = { "team:builders" = "write", fleet = "read" }

[org.acme.trust.ci]
github = { repository = "acme/app", ref = "main" }
flakes = ["acme/app"]
role = "write"
builder = true
max-lifetime = "30m"

[org.acme.trust.cluster]
kubernetes = { issuer = "https://k8s.acme.example", namespace = "ci", service-account = "build" }
jwks = "keys.json"
flakes = ["acme/*"]
"#;

const KEYS: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"1","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

/// What a command prints and says, without what differs from run to run.
fn told(world: &World, server: &TestServer, command: &str, code: i32) -> String {
    let words: Vec<&str> = command.split(' ').collect();
    let run = world.fh(&words).code(code);
    format!("{}{}", run.printed(server), run.said(server))
}

#[test]
fn a_file_sets_a_company_up_once_and_its_export_says_the_same() {
    let server = TestServer::start().unwrap();
    server.create_flake("tools/kit", "public").unwrap();
    let world = World::logged_in(&server, server.admin_token());
    world.write("acme.toml", ACME);
    world.write("keys.json", KEYS);
    let plan = told(&world, &server, "provision acme.toml --dry-run", 0);
    for line in [
        "+ user alice\n",
        "+ org acme: you own it\n",
        "+ service account acme/fleet\n",
        "+ member acme/alice: admin\n",
        "+ team member acme/builders/bob\n",
        "+ flake acme/app: unlisted, \"What we sell\"\n",
        "+ grant acme/* @members: read\n",
        "+ trust policy acme/ci: github, write on acme/app\n",
        "~ follows of acme: none → tools/kit\n",
        "14 to add, 1 to change, 0 to remove.\n",
    ] {
        assert!(plan.contains(line), "{line}\n{plan}");
    }
    world.fh(&["org", "show", "acme"]).code(1);
    let done = told(&world, &server, "provision acme.toml", 0);
    assert!(
        done.ends_with("Done: 14 added, 1 changed, 0 removed.\n"),
        "{done}"
    );
    let again = "Nothing to change: the server has what the file says.\n";
    for form in ["", " --dry-run", " --prune"] {
        let command = format!("provision acme.toml{form}");
        assert_eq!(told(&world, &server, &command, 0), again, "{form}");
    }
    let export = world.fh(&["provision", "--export", "acme"]).success();
    assert_eq!(export.stderr, "");
    world.write("export.toml", &export.stdout);
    let prune = told(&world, &server, "provision export.toml --prune", 0);
    assert_eq!(prune, again, "{}", export.stdout);
    // What the server keeps to itself is not in it.
    assert!(export.stdout.contains("keep-keys = true"));
    assert!(!export.stdout.contains("11qYAYKx"), "{}", export.stdout);
    // Elsewhere the file makes the same, but for those keys.
    let text = export
        .stdout
        .replace("keep-keys = true", "jwks = \"keys.json\"");
    let text = format!("users = [\"alice\", \"bob\"]\n{text}");
    let other = TestServer::start().unwrap();
    other.create_flake("tools/kit", "public").unwrap();
    let there = World::logged_in(&other, other.admin_token());
    there.write("acme.toml", &text);
    there.write("keys.json", KEYS);
    told(&there, &other, "provision acme.toml", 0);
    let copy = there.fh(&["provision", "--export", "acme"]).success();
    assert_eq!(copy.stdout, export.stdout);
}

#[test]
fn nothing_is_removed_unless_it_is_said_and_confirmed() {
    let server = TestServer::start().unwrap();
    server.create_flake("tools/kit", "public").unwrap();
    let world = World::logged_in(&server, server.admin_token());
    world.write("acme.toml", ACME);
    world.write("keys.json", KEYS);
    told(&world, &server, "provision acme.toml", 0);
    world.write(
        "less.toml",
        "[org.acme.members]\nalice = \"admin\"\n[org.acme.flakes]\n[org.acme.trust]\n",
    );
    let kept = told(&world, &server, "provision less.toml", 0);
    assert_eq!(
        kept,
        "Nothing to change: the server has what the file says. 4 things of these organisations are not in the \
         file; `--prune` removes them.\n"
    );
    for form in ["", " --json"] {
        let command = format!("provision less.toml --prune{form}");
        let refused = told(&world, &server, &command, 2);
        assert!(refused.contains("flake acme/app"), "{refused}");
        assert!(refused.contains("--yes"), "{refused}");
    }
    let words = ["provision", "less.toml", "--prune", "--yes", "--json"];
    let report = world.fh(&words).success().json();
    assert_eq!(report["applied"], true);
    let removed: Vec<_> = report["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| format!("{} {} {}", it["change"], it["kind"], it["name"]).replace('"', ""))
        .collect();
    assert_eq!(
        removed,
        [
            "remove member acme/bob",
            "remove trust-policy acme/ci",
            "remove trust-policy acme/cluster",
            "remove flake acme/app",
        ]
    );
    // The one whose token it is stays, and so does what the file says nothing of.
    let members = world.fh(&["member", "list", "acme", "--json"]).success();
    let members = members.json();
    let names: Vec<_> = members.as_array().unwrap().iter().collect();
    assert_eq!(names.len(), 2, "{names:?}");
    let teams = world.fh(&["team", "list", "acme"]).success().stdout;
    assert!(teams.contains("builders"), "{teams}");
}

#[test]
fn a_step_that_fails_is_named_and_the_same_command_goes_on() {
    let server = TestServer::start().unwrap();
    let world = World::logged_in(&server, server.admin_token());
    world.write(
        "acme.toml",
        "[org.acme.flakes.app]\ngrants = { carol = \"read\" }\n[org.acme.flakes.web]\n",
    );
    let failed = told(&world, &server, "provision acme.toml", 1);
    for line in [
        "Error: cannot do step 4 of 4, `+ grant acme/app carol: read`",
        "Caused by: there is no user named \"carol\"",
        "+ org acme: you own it",
        "+ flake acme/web: private",
    ] {
        assert!(failed.contains(line), "{line}\n{failed}");
    }
    server.create_user("carol").unwrap();
    let done = told(&world, &server, "provision acme.toml", 0);
    assert_eq!(
        done,
        "+ grant acme/app carol: read\nDone: 1 added, 0 changed, 0 removed.\n"
    );
    // Of a file that cannot be understood nothing is done.
    world.write("bad.toml", "[org.new]\npush = \"all\"\n");
    let refused = told(&world, &server, "provision bad.toml", 2);
    assert!(
        refused.contains("bad.toml, line 2, org.new.push: unknown variant `all`"),
        "{refused}"
    );
    told(&world, &server, "provision none.toml", 1);
    told(&world, &server, "org show new", 1);
}

#[test]
fn who_has_to_accept_first_joins_the_team_in_a_later_run() {
    let server = TestServer::builder()
        .anyone_makes_organizations()
        .start()
        .unwrap();
    let [ann, bob] = ["ann", "bob"].map(|name| {
        server.create_user(name).unwrap();
        World::logged_in(&server, &server.token_for(name, &ALL).unwrap())
    });
    ann.write(
        "acme.toml",
        "[org.acme.members]\nbob = \"member\"\n[org.acme.teams]\nops = [\"bob\", \"ann\"]\n",
    );
    let first = told(&ann, &server, "provision acme.toml", 0);
    assert!(
        first.contains("bob is invited to acme; it takes effect when they accept"),
        "{first}"
    );
    let second = told(&ann, &server, "provision acme.toml", 0);
    assert!(
        second.contains("acme/ops/bob waits: bob has not accepted the invitation yet."),
        "{second}"
    );
    told(&bob, &server, "invitation accept acme", 0);
    let third = told(&ann, &server, "provision acme.toml", 0);
    assert!(third.starts_with("+ team member acme/ops/bob\n"), "{third}");
    // Whoever does not administer the organisation changes nothing of it.
    bob.write("acme.toml", "[org.acme.grants]\nbob = \"admin\"\n");
    let refused = told(&bob, &server, "provision acme.toml", 1);
    assert!(
        refused.contains("You need to be an owner or an admin of acme"),
        "{refused}"
    );
}

/// What has another name by now is not made anew, and not removed under that name.
#[test]
fn a_former_name_in_a_file_is_told_and_removes_nothing() {
    let server = TestServer::start().unwrap();
    let world = World::logged_in(&server, server.admin_token());
    server.create_user("alice").unwrap();
    let text = "[org.acme]\nservice-accounts = [\"fleet\"]\n[org.acme.members]\nadmin = \"owner\"\n\
                alice = \"member\"\n[org.acme.flakes.app]\ngrants = { fleet = \"read\" }\n";
    world.write("acme.toml", text);
    told(&world, &server, "provision acme.toml", 0);
    let mut text = text.to_owned();
    for (rename, former, present) in [
        ("user rename alice ann", "alice", "ann"),
        (
            "service-account rename acme/fleet machines",
            "fleet",
            "machines",
        ),
        ("flake rename acme/app shop", "app", "shop"),
        ("org rename acme corp", "acme", "corp"),
    ] {
        told(&world, &server, rename, 0);
        let refused = told(&world, &server, "provision acme.toml --prune --yes", 2);
        let sentence = format!("{former} is called ");
        assert!(refused.contains(&sentence), "{rename}: {refused}");
        assert!(refused.contains(present), "{rename}: {refused}");
        text = text.replace(former, present);
        world.write("acme.toml", &text);
        let again = told(&world, &server, "provision acme.toml --prune", 0);
        assert!(again.contains("Nothing to change"), "{rename}: {again}");
    }
}
