//! `fh provision` against a real server.

use std::fs::File;
use std::process::{Command, Stdio};

use fh_testkit::proxy::{Proxy, Seen, Verdict};
use fh_testkit::server::TestServer;
use fh_testkit::{assert_contains, assert_lacks};
use rustix::process::{Pid, Signal, kill_process};

use crate::world::World;

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
    let run = world.typed(command).code(code);
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
    assert_contains(
        &plan,
        &[
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
        ],
    );
    world.typed("org show acme").code(1);
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
    let export = world.typed("provision --export acme").success();
    assert_eq!(export.stderr, "");
    world.write("export.toml", &export.stdout);
    let prune = told(&world, &server, "provision export.toml --prune", 0);
    assert_eq!(prune, again, "{}", export.stdout);
    // What the server keeps to itself is not in it.
    assert!(export.stdout.contains("keep-keys = true"));
    assert_lacks(&export.stdout, &["11qYAYKx"]);
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
    let copy = there.typed("provision --export acme").success();
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
        // Members come back by the file; what a flake had does not.
        assert_contains(
            &refused,
            &[
                "This removes: member acme/bob.",
                "This removes, and nobody can bring back: trust policy acme/ci, trust policy acme/cluster, flake acme/app.",
            ],
        );
        assert_contains(&refused, &["--yes"]);
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
    let members = world.typed("member list acme --json").success();
    let members = members.json();
    let names: Vec<_> = members.as_array().unwrap().iter().collect();
    assert_eq!(names.len(), 2, "{names:?}");
    let teams = world.typed("team list acme").success().stdout;
    assert_contains(&teams, &["builders"]);
}

#[test]
fn what_is_wrong_is_told_all_at_once_and_nothing_is_done() {
    let (server, world) = World::administrator();
    world.write(
        "acme.toml",
        "[org.acme.members]\nadmni = \"owner\"\n[org.acme.flakes.app]\ngrants = { carol = \"read\", \"team:x\" = \
         \"read\" }\n[org.acme.trust.ci]\nflakes = [\"acme/app\"]\njwks = \"none.json\"\ngithub = { owner = \"a\" }\n",
    );
    let lines = [
        "acme.toml:2: org.acme.members.admni: there is no account named \"admni\"; did you mean admin?",
        "acme.toml:4: org.acme.flakes.app.grants.\"team:x\": acme has no team x; add it to [org.acme.teams]",
        "acme.toml:4: org.acme.flakes.app.grants.carol: there is no account named \"carol\"; a server administrator",
        "acme.toml:7: org.acme.trust.ci.jwks: cannot read the keys in none.json: No such file",
    ];
    for form in ["", " --dry-run", " --prune --yes"] {
        let refused = told(&world, &server, &format!("provision acme.toml{form}"), 2);
        assert!(
            refused.starts_with("Error: acme.toml has 4 problems:\n"),
            "{refused}"
        );
        for line in lines {
            assert!(refused.contains(line), "{form}: {line}\n{refused}");
        }
    }
    let refused = world.typed("provision acme.toml --json").code(2).json();
    assert_eq!(refused["problems"][0]["line"], 2, "{refused}");
    assert_eq!(
        refused["problems"][3]["key"], "org.acme.trust.ci.jwks",
        "{refused}"
    );
    told(&world, &server, "org show acme", 1);
    // What cannot be read at all.
    world.write("bad.toml", "[org.new]\npush = \"all\"\nteam = {}\n");
    let refused = told(&world, &server, "provision bad.toml", 2);
    assert_contains(
        &refused,
        &[
            "bad.toml:2: org.new.push: \"all\" is not one of the words ",
            "bad.toml:3: org.new.team: there is no key \"team\" here; did you mean teams?",
        ],
    );
    told(&world, &server, "provision none.toml", 1);
    told(&world, &server, "org show new", 1);
}

#[test]
fn standard_input_is_read_and_what_is_no_file_is_refused() {
    let (_server, world) = World::administrator();
    let text = "[org.acme.flakes.app]\n[org.acme.flakes.web]\n";
    let dry = world.with_stdin(&["provision", "-", "--dry-run"], text);
    assert!(dry.success().stdout.contains("+ flake acme/web: private\n"));
    world.with_stdin(&["provision", "-"], text).success();
    // Nobody can be asked whether something may be removed.
    let less = "[org.acme.flakes.app]\n";
    let words = ["provision", "-", "--prune"];
    world.with_stdin(&words, less).code(2).says(&["--yes"]);
    let done = world.with_stdin(&[words.as_slice(), &["--yes"]].concat(), less);
    assert!(done.success().stderr.contains("1 removed"));
    world
        .with_stdin(&["provision", "-"], "\norgs = 1")
        .code(2)
        .says(&["standard input:2: orgs: "]);
    // A pipe would be waited for, and what has no end would fill the memory.
    let pipe = world.path("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let large = File::create(world.path("large.toml")).unwrap();
    large.set_len(300 << 20).unwrap();
    for (file, told) in [
        ("pipe", "it is not a regular file"),
        ("/dev/zero", "it is not a regular file"),
        ("bin", "it is not a regular file"),
        ("large.toml", "it is longer than 4194304 bytes"),
    ] {
        world.fh(&["provision", file]).code(1).says(&[told]);
    }
    let run = world
        .process(&["provision", "-"])
        .stdin(File::open(world.path("large.toml")).unwrap())
        .output()
        .unwrap();
    let said = String::from_utf8(run.stderr).unwrap();
    assert_contains(&said, &["it is longer than 4194304 bytes"]);
}

/// A file of which the second step goes wrong.
const STEPS: &str =
    "[org.acme.members]\nadmin = \"owner\"\nbob = \"member\"\n[org.acme.teams]\nops = [\"bob\"]\n";

/// A run of that file that ends in the middle: what becomes of the second step's request, and the signal that is sent
/// to it then; what stands on stdout and stderr, and the exit code.
fn stopped(
    server: &TestServer,
    verdict: Verdict,
    signal: Option<Signal>,
    json: bool,
) -> (String, String, i32) {
    let is_second = |seen: &Seen| seen.method == "PUT" && seen.path.ends_with("/members/bob");
    let address = server
        .url()
        .strip_prefix("http://")
        .unwrap()
        .parse()
        .unwrap();
    let judge = move |seen: &Seen, _: &[Seen]| match is_second(seen) {
        true => verdict,
        false => Verdict::Pass,
    };
    let proxy = Proxy::requests(address, judge).unwrap();
    let world = World::at(proxy.url(), server.admin_token());
    world.write("acme.toml", STEPS);
    let mut words = vec!["provision", "acme.toml"];
    words.extend(json.then_some("--json"));
    let child = world
        .process(&words)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    if let Some(signal) = signal {
        proxy.wait_until(|seen| seen.iter().any(is_second));
        kill_process(Pid::from_child(&child), signal).unwrap();
    }
    let run = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        text(run.stdout),
        text(run.stderr),
        run.status.code().unwrap_or(-1),
    )
}

#[test]
fn a_run_that_ends_in_the_middle_tells_what_was_done_and_goes_on_later() {
    for (verdict, signal, code, first, left) in [
        (
            Verdict::Hold,
            Some(Signal::INT),
            130,
            "Error: interrupted\n",
            3,
        ),
        (
            Verdict::Hold,
            Some(Signal::TERM),
            143,
            "Error: ended by SIGTERM\n",
            3,
        ),
        // It was done, and its answer did not come.
        (
            Verdict::Cut(0),
            None,
            1,
            "Error: cannot do step 2 of 4, `+ member acme/bob: member`\n",
            2,
        ),
    ] {
        let server = TestServer::start().unwrap();
        server.create_user("bob").unwrap();
        let (_, said, ended) = stopped(&server, verdict, signal, false);
        assert_eq!(ended, code, "{said}");
        assert_contains(
            &said,
            &[
                first,
                "Hint: This was done:\n  + org acme: you own it\n",
                "Hint: It is not known whether the server has done this:\n  + member acme/bob: member\n",
                "Hint: This was not done:\n  + team acme/ops\n  + team member acme/ops/bob\n",
                "Hint: Run the same command again to continue: it finds out what is left.\n",
            ],
        );
        let world = World::logged_in(&server, server.admin_token());
        world.write("acme.toml", STEPS);
        let done = told(&world, &server, "provision acme.toml", 0);
        let summary = format!("Done: {left} added, 0 changed, 0 removed.\n");
        assert!(done.ends_with(&summary), "{done}");
    }
    let server = TestServer::start().unwrap();
    server.create_user("bob").unwrap();
    let (printed, _, code) = stopped(&server, Verdict::Hold, Some(Signal::INT), true);
    assert_eq!(code, 130);
    let report: serde_json::Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(report["error"], "interrupted");
    let changes = report["changes"].as_array().unwrap();
    let states: Vec<_> = changes
        .iter()
        .map(|it| it["state"].as_str().unwrap())
        .collect();
    assert_eq!(
        states,
        ["done", "unknown", "not-done", "not-done"],
        "{report}"
    );
    assert_eq!(changes[1]["name"], "acme/bob");
}

/// What nobody could know before: an organisation that the caller may not see has the name.
#[test]
fn a_refusal_in_the_middle_is_known_not_to_be_done() {
    let server = TestServer::builder()
        .anyone_makes_organizations()
        .start()
        .unwrap();
    let [ann, bob] = ["ann", "bob"].map(|name| {
        server.create_user(name).unwrap();
        World::of(&server, name)
    });
    told(&bob, &server, "org create hidden", 0);
    ann.write(
        "two.toml",
        "[org.acme]\n[org.hidden]\n[org.acme.flakes.app]\n",
    );
    let refused = told(&ann, &server, "provision two.toml", 1);
    assert_contains(
        &refused,
        &[
            "Error: cannot do step 2 of 3, `+ org hidden: you own it`",
            "Caused by: the organisation hidden exists already",
            "Hint: This was done:\n  + org acme: you own it\n",
            "Hint: This was not done:\n  + org hidden: you own it\n  + flake acme/app: private\n",
        ],
    );
    assert_lacks(&refused, &["not known"]);
    // Who may create an organisation is told of names that nothing has before they do.
    ann.write(
        "new.toml",
        "[org.new.members]\nbob = \"member\"\ncarol = \"member\"\n",
    );
    let refused = told(&ann, &server, "provision new.toml", 2);
    assert_contains(
        &refused,
        &["new.toml:3: org.new.members.carol: there is no account named \"carol\""],
    );
    told(&ann, &server, "org show new", 1);
}

#[test]
fn who_has_to_accept_first_joins_the_team_in_a_later_run() {
    let server = TestServer::builder()
        .anyone_makes_organizations()
        .start()
        .unwrap();
    let [ann, bob] = ["ann", "bob"].map(|name| {
        server.create_user(name).unwrap();
        World::of(&server, name)
    });
    ann.write(
        "acme.toml",
        "[org.acme.members]\nbob = \"member\"\n[org.acme.teams]\nops = [\"bob\", \"ann\"]\n",
    );
    let first = told(&ann, &server, "provision acme.toml", 0);
    assert_contains(
        &first,
        &["bob is invited to acme; it takes effect when they accept"],
    );
    let second = told(&ann, &server, "provision acme.toml", 0);
    assert_contains(
        &second,
        &[
            "acme/bob waits: bob has not accepted the invitation yet.\n",
            "acme/ops/bob waits: bob has not accepted the invitation yet.\n",
        ],
    );
    let refused = told(&bob, &server, "member set acme ann member", 1);
    assert_contains(&refused, &["cannot make ann a member of acme"]);
    // For a service account, an owner of its own organisation accepts.
    told(&bob, &server, "org create corp", 0);
    told(&bob, &server, "service-account create corp/corp-ci", 0);
    ann.write(
        "grants.toml",
        "[org.acme.flakes.web]\n[org.acme.flakes.app.grants]\ncorp-ci = \"read\"\n",
    );
    let accept = "invitation accept acme --user corp-ci";
    for (command, expected) in [
        (
            "provision grants.toml",
            format!(
                "corp-ci is invited to acme; it takes effect when an owner of its own organisation accepts: `fh {accept}`\n"
            ),
        ),
        (
            "provision grants.toml",
            "The grant acme/app corp-ci waits: corp-ci has not accepted the invitation yet.\n"
                .to_owned(),
        ),
        (
            "grant add acme/web corp-ci write",
            format!("accepts: `fh {accept}`\n"),
        ),
    ] {
        let told = told(&ann, &server, command, 0);
        assert_contains(&told, &[&expected]);
    }
    told(&bob, &server, accept, 0);
    let kept = told(&ann, &server, "provision grants.toml", 0);
    assert_lacks(&kept, &["waits"]);
    told(&bob, &server, "invitation accept acme", 0);
    let third = told(&ann, &server, "provision acme.toml", 0);
    assert!(third.starts_with("+ team member acme/ops/bob\n"), "{third}");
    // Whoever does not administer the organisation changes nothing of it.
    bob.write("acme.toml", "[org.acme.grants]\nbob = \"admin\"\n");
    // To a server administrator who is no member, its members are not there.
    let admin = World::logged_in(&server, server.admin_token());
    admin.write("acme.toml", "[org.acme.members]\nbob = \"member\"\n");
    for world in [bob, admin] {
        let refused = told(&world, &server, "provision acme.toml", 1);
        assert_contains(&refused, &["You need to be an owner or an admin of acme"]);
        assert_lacks(&refused, &["fh org list"]);
    }
}

/// What has another name by now is not made anew, and not removed under that name.
#[test]
fn a_former_name_in_a_file_is_told_and_changes_nothing() {
    let (server, world) = World::administrator();
    server.create_user("alice").unwrap();
    let text = "[org.acme]\nservice-accounts = [\"fleet\"]\n[org.acme.members]\nadmin = \"owner\"\n\
                alice = \"member\"\n[org.acme.flakes.app]\ngrants = { fleet = \"read\" }\n";
    world.write("acme.toml", text);
    told(&world, &server, "provision acme.toml", 0);
    let mut text = text.to_owned();
    for (rename, former, noun, present) in [
        ("user rename alice ann", "alice", "account", "ann"),
        ("user rename admin root", "admin", "account", "root"),
        (
            "service-account rename acme/fleet machines",
            "fleet",
            "account",
            "machines",
        ),
        ("flake rename acme/app shop", "app", "flake", "shop"),
        ("org rename acme corp", "acme", "organisation", "corp"),
    ] {
        told(&world, &server, rename, 0);
        let again = told(&world, &server, "provision acme.toml --prune --yes", 0);
        let note = format!("{former} is a former name of the {noun} {present}\n");
        assert!(again.contains(&note), "{rename}: {again}");
        assert!(again.contains("Nothing to change"), "{rename}: {again}");
        text = text.replace(former, present);
        world.write("acme.toml", &text);
        let again = told(&world, &server, "provision acme.toml --prune", 0);
        assert_eq!(
            again, "Nothing to change: the server has what the file says.\n",
            "{rename}"
        );
    }
    let export = world.typed("provision --export acme").success();
    assert_contains(&export.stdout, &["[org.corp"]);
    export.says(&["acme is called corp now"]);
    // The person who runs it, and others, keep their roles also where the file says a former name and less.
    world.write(
        "less.toml",
        "[org.corp.members]\nadmin = \"member\"\nalice = \"member\"\n",
    );
    let kept = told(&world, &server, "provision less.toml", 0);
    assert_contains(&kept, &["You stay owner of corp", "Nothing to change"]);
}

#[test]
fn lowering_ones_own_role_is_said_and_confirmed() {
    let server = TestServer::start().unwrap();
    let admin = World::logged_in(&server, server.admin_token());
    server.create_user("ann").unwrap();
    let ann = World::of(&server, "ann");
    admin.write(
        "acme.toml",
        "[org.acme.members]\nann = \"member\"\n[org.acme.grants]\nann = \"admin\"\n[org.acme.flakes.app]\n\
         grants = { ann = \"admin\" }\n",
    );
    told(&admin, &server, "provision acme.toml", 0);
    ann.write(
        "less.toml",
        "[org.acme.flakes.app]\ngrants = { ann = \"read\" }\n",
    );
    let line = "! This lowers your own role: ~ grant acme/app ann: admin → read\n";
    let plan = told(&ann, &server, "provision less.toml --dry-run", 0);
    assert_contains(&plan, &[line]);
    let refused = told(&ann, &server, "provision less.toml", 2);
    assert_contains(&refused, &[line, "--yes"]);
    let report = ann.json("provision less.toml --yes");
    assert_eq!(report["warnings"].as_array().unwrap().len(), 1, "{report}");
    // Of others nothing is said.
    admin.write(
        "more.toml",
        "[org.acme.flakes.app]\ngrants = { ann = \"write\" }\n",
    );
    let done = told(&admin, &server, "provision more.toml", 0);
    assert_lacks(&done, &["your own"]);
}
