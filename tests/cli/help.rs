//! What `fh` says of itself.

use crate::world::World;

/// Every command but `serve`, whose options the server defines.
const COMMANDS: &[&str] = &[
    "",
    "login",
    "logout",
    "status",
    "doctor",
    "server",
    "server list",
    "server use",
    "server remove",
    "list",
    "list flakes",
    "push",
    "org",
    "org create",
    "org list",
    "org show",
    "org set",
    "org rename",
    "org leave",
    "org own",
    "org delete",
    "org free-name",
    "member",
    "member list",
    "member set",
    "member remove",
    "team",
    "team create",
    "team list",
    "team show",
    "team add",
    "team remove",
    "team delete",
    "flake",
    "flake create",
    "flake show",
    "flake set",
    "flake rename",
    "flake list",
    "flake delete",
    "flake free-name",
    "follow",
    "unfollow",
    "grant",
    "grant add",
    "grant remove",
    "grant list",
    "invitation",
    "invitation list",
    "invitation accept",
    "invitation decline",
    "why",
    "token",
    "token create",
    "token list",
    "token inspect",
    "token revoke",
    "token rotate",
    "token renew",
    "service-account",
    "service-account create",
    "service-account list",
    "service-account rename",
    "service-account remove",
    "trust",
    "trust add",
    "trust add github",
    "trust add gitlab",
    "trust add buildkite",
    "trust add circleci",
    "trust add semaphore",
    "trust add gcp",
    "trust add kubernetes",
    "trust add aws",
    "trust add oidc",
    "trust list",
    "trust show",
    "trust remove",
    "trust test",
    "provision",
    "user",
    "user create",
    "user list",
    "user show",
    "user set",
    "user rename",
    "user disable",
    "user enable",
    "user free-name",
    "key",
    "key list",
    "key rotate",
    "audit",
    "completion",
    "man",
];

#[test]
fn the_help_of_every_command() {
    let world = World::new();
    let mut all = String::new();
    for command in COMMANDS {
        let mut words: Vec<&str> = command.split_whitespace().collect();
        words.push("--help");
        let run = world.fh(&words).success();
        assert_eq!(run.stderr, "");
        let line = "=".repeat(20);
        all.push_str(&format!(
            "{line} fh {}\n\n{}\n",
            words.join(" "),
            run.stdout
        ));
    }
    insta::assert_snapshot!(all);
}

#[test]
fn every_command_that_does_something_has_an_example() {
    let world = World::new();
    for command in COMMANDS {
        let mut words: Vec<&str> = command.split_whitespace().collect();
        words.push("--help");
        let help = world.fh(&words).stdout;
        let has_commands = help.contains("\nCommands:");
        assert!(has_commands || help.contains("Examples:\n"), "{command}");
    }
}

#[test]
fn commands_that_ask_no_server_have_no_server_option() {
    let world = World::new();
    for command in ["serve", "completion", "man"] {
        let help = world.fh(&[command, "--help"]).success().stdout;
        assert!(!help.contains("--server <URL>"), "{command}");
        // Only `serve --check` has an answer for programs, and says so itself.
        assert!(!help.contains("  --json"), "{command}");
    }
}

#[test]
fn what_cannot_be_understood_is_a_usage_error() {
    let world = World::new();
    for (arguments, words) in [
        (&["nonsense"][..], "unrecognized subcommand"),
        (&["push"], "ORG/PROJECT"),
        (&["push", "../etc"], "the flake comes first"),
        (&["push", "acme/.."], "valid name"),
        (&["push", "acme/a", "--compression-level", "20"], "1..=19"),
        (
            &["push", "acme/a", "--skip-signed-by", "x"],
            "--skip-signed-by",
        ),
        (&["push", "acme/a", "--jobs", "0"], "--jobs"),
        (
            &["flake", "create", "acme/a", "--visibility", "secret"],
            "unlisted",
        ),
        (&["flake", "set", "acme/a"], "--visibility"),
        (&["grant", "add", "acme/a", "alice", "owner"], "write"),
        (&["token", "create", "--expires", "90"], "90d"),
        (&["token", "revoke", "1"], "ID"),
        (
            &["login", "--scope", "user", "--server", "ftp://x"],
            "https://",
        ),
        (&["list", "flakes", "--limit", "-1"], "-1"),
    ] {
        let run = world.fh(arguments).code(2);
        assert_eq!(run.stdout, "", "{arguments:?}");
        assert!(
            run.stderr.starts_with("Error: "),
            "{arguments:?}: {}",
            run.stderr
        );
        run.says(&[words]);
    }
    world.fh(&[]).code(2).says(&["Usage: fh"]);
}

#[test]
fn completions_and_manual_pages_need_no_home() {
    let mut world = World::new();
    world.set("HOME", "");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = world.fh(&["completion", shell]).success().stdout;
        assert!(script.contains("FH_COMPLETE"), "{shell}");
    }
    world.typed("man pages").success();
    let page = |name: &str| std::fs::read_to_string(world.path("pages").join(name)).unwrap();
    assert!(page("fh.1").contains("FH_TOKEN_FILE"));
    assert!(page("fh-push.1").contains("no\\-closure"));
    assert!(page("fh-token-create.1").contains("permission"));
    world.typed("man pages").success();
}
