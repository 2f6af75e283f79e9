//! What is wrong with a file: all of it, each thing with its line, its key, and what is expected.

use fh_api::OrganizationRole;

use super::super::super::file;
use super::world::{World, acme, name};
use super::{KEYS, SERVER_KEY};

/// All that is wrong with a text, as a person is told.
fn told(text: &str) -> Vec<String> {
    let mut problems = file::parse(text).err().unwrap_or_default();
    problems.sort();
    problems.iter().map(|problem| problem.of("f")).collect()
}

#[test]
fn what_cannot_be_read_is_told_in_plain_sentences_with_line_and_key() {
    for (text, expected) in [
        (
            "\n[org.acme]\nmembrs = 1",
            "f:3: org.acme.membrs: there is no key \"membrs\" here; did you mean members?",
        ),
        (
            "orgs = {}",
            "f:1: orgs: there is no key \"orgs\" here; did you mean org?",
        ),
        (
            "[org.acme.flakes.app]\nlicence = \"MIT\"",
            "f:2: org.acme.flakes.app.licence: there is no key \"licence\" here; the keys here are visibility, \
             description, grants",
        ),
        (
            "[org.acme.members]\nann = \"boss\"",
            "f:2: org.acme.members.ann: \"boss\" is not one of the words \"member\", \"admin\" or \"owner\"",
        ),
        (
            "[org.acme.members]\nann = \"ownr\"",
            "f:2: org.acme.members.ann: \"ownr\" is not one of the words \"member\", \"admin\" or \"owner\"; did you \
             mean \"owner\"?",
        ),
        (
            "[org.acme.grants]\nann = \"owner\"",
            "f:2: org.acme.grants.ann: \"owner\" is not one of the words \"read\", \"write\" or \"admin\"",
        ),
        (
            "[org.\"a b\"]",
            "f:1: org.\"a b\": \"a b\" is not a valid name: only letters, digits, '-', '_' and '.' are allowed",
        ),
        (
            "[org.acme]\nmembers = [\"ann\"]",
            "f:2: org.acme.members: this must be a table, with lines such as alice = \"member\", but it is a list",
        ),
        (
            "[org.acme]\nfollows = \"a/b\"",
            "f:2: org.acme.follows: this must be a list in [brackets], but it is a text",
        ),
        (
            "[org.acme.teams]\nops = [\n  \"ann\",\n  7,\n]",
            "f:4: org.acme.teams.ops: this must be a text in quotation marks, but it is the number 7",
        ),
        (
            "[org.acme.flakes.app]\ndescription = \"a\\tb\"",
            "f:2: org.acme.flakes.app.description: this must be one line without control characters",
        ),
        (
            "[org.acme.trust.ci]\ngithub = { repository = \"acme/app\" }",
            "f:1: org.acme.trust.ci: the key flakes is missing here, for example flakes = [\"acme/app\"]",
        ),
        (
            "[org.acme.trust.ci]\nflakes = [\"acme/app\"]\nmax-lifetime = 3600\ngithub = { owner = \"acme\" }",
            "f:3: org.acme.trust.ci.max-lifetime: this must be a text in quotation marks, but it is the number 3600",
        ),
        (
            "[org.acme.trust.ci]\nflakes = [\"acme/app\"]\ngithub = { repositry = \"acme/app\" }",
            "f:3: org.acme.trust.ci.github.repositry: there is no key \"repositry\" here; did you mean repository?",
        ),
        (
            "[org.acme.trust.ci]\nflakes = [\"acme/app\"]\naws = { account = 123456789012 }",
            "f:3: org.acme.trust.ci.aws.account: this must be a text in quotation marks, but it is the number \
             123456789012",
        ),
        (
            "[org.acme.trust.ci]\nflakes = [\"acme/app\"]\nbuilder = \"yes\"\ngithub = { owner = \"acme\" }",
            "f:3: org.acme.trust.ci.builder: this must be true or false, without quotation marks, but it is a text",
        ),
        (
            "[org.acme]\n[org.ACME]",
            "f:2: org.ACME: \"acme\" stands twice, first in line 1: names are compared without regard to case",
        ),
        (
            "[org.acme.grants]\nann = \"read\"\n\"user:ann\" = \"write\"",
            "f:3: org.acme.grants.\"user:ann\": \"ann\" stands twice, first in line 2: names are compared without \
             regard to case",
        ),
        (
            "users = [\n\"ann\",\n\"Ann\"]",
            "f:3: users: \"ann\" stands twice, first in line 2: names are compared without regard to case",
        ),
        (
            "[org.acme]\nfollows = [\"*\"]",
            "f:2: org.acme.follows: \"*\" cannot be followed: name a flake, ORG/PROJECT, or all flakes of an \
             organisation, ORG/*",
        ),
    ] {
        assert_eq!(told(text), [expected], "{text}");
    }
    let no_toml = told("users = []\n[org.acme");
    assert_eq!(no_toml.len(), 1, "{no_toml:?}");
    assert!(
        no_toml[0].starts_with("f:2: this is not TOML: "),
        "{no_toml:?}"
    );
    // Everything at once, in the order of the file.
    let all = told("[org.acme]\npush = 3\nrenewl = \"people\"\n[org.acme.members]\nann = true\n");
    let lines: Vec<&str> = all.iter().map(|it| &it[..4]).collect();
    assert_eq!(lines, ["f:2:", "f:3:", "f:5:"], "{all:?}");
}

#[test]
fn a_secret_key_among_the_trusted_ones_is_refused_and_not_repeated() {
    let text = "[org.acme]\ntrusted-keys = [\"build-1:c2VjcmV0c2VjcmV0c2VjcmV0\", \"x\"]";
    let all = told(text);
    assert_eq!(all.len(), 2, "{all:?}");
    for problem in &all {
        assert!(
            problem.starts_with("f:2: org.acme.trusted-keys: ")
                && problem.contains("is not a public key"),
            "{problem}"
        );
        assert!(!problem.contains("c2VjcmV0"), "{problem}");
    }
}

/// Wherever it was put by mistake: instead of a list, a flag, a table, a word or a name, and as a key.
#[test]
fn a_secret_in_the_wrong_place_is_not_repeated() {
    const SECRET: &str = "build-1:c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0cw==";
    const TOKEN: &str =
        "fh1_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0cw";
    let flag =
        "[org.acme.trust.ci]\nflakes = [\"acme/app\"]\ngithub = { owner = \"acme\" }\nmint = ";
    for (before, after, expected) in [
        (
            "[org.acme]\ntrusted-keys = ",
            "",
            "f:2: org.acme.trusted-keys: this must be a list in [brackets], but it is a text",
        ),
        (
            "users = ",
            "",
            "f:1: users: this must be a list in [brackets], but it is a text",
        ),
        (
            "users = [",
            "]",
            "f:1: users: this cannot stand here. It has ",
        ),
        (
            flag,
            "",
            "f:4: org.acme.trust.ci.mint: this must be true or false",
        ),
        (
            "[org.acme]\nmembers = ",
            "",
            "f:2: org.acme.members: this must be a table",
        ),
        (
            "[org.acme]\npush = ",
            "",
            "f:2: org.acme.push: this is not one of the words ",
        ),
        (
            "[org.acme]\nfollows = [",
            "]",
            "f:2: org.acme.follows: this cannot stand here. It has ",
        ),
        (
            "[org.acme.members]\n",
            " = \"owner\"",
            "f:2: org.acme.members.\"…\": this cannot stand here. It has ",
        ),
        (
            "[org.acme]\n",
            " = true",
            "f:2: org.acme.\"…\": there is no such key here; ",
        ),
    ] {
        for secret in [SECRET, TOKEN] {
            let told = told(&format!("{before}{secret:?}{after}"));
            assert_eq!(told.len(), 1, "{before}: {told:?}");
            assert!(told[0].starts_with(expected), "{told:?}");
            assert!(!told[0].contains("c2Vj"), "{told:?}");
        }
    }
}

#[test]
fn what_the_server_would_refuse_is_told_before_anything_is_done() {
    let key = format!(
        "[org.acme]\ntrusted-keys = [\"{}\", \"{SERVER_KEY}\"]",
        KEYS[0]
    );
    for (text, prune, expected) in [
        (
            "[org.acme.teams]\nops = [\"dee\"]",
            false,
            "f:2: org.acme.teams.ops: dee is not a member of acme: add it to [org.acme.members]",
        ),
        (
            "[org.acme.teams]\n[org.acme.grants]\n\"team:ops\" = \"read\"",
            true,
            "f:3: org.acme.grants.\"team:ops\": acme has no team ops; add it to [org.acme.teams]",
        ),
        // Also where the file has no section of teams.
        (
            "[org.acme.flakes.app]\ngrants = { \"team:opps\" = \"read\" }",
            false,
            "f:2: org.acme.flakes.app.grants.\"team:opps\": acme has no team opps; did you mean team:ops? Or add it \
             to [org.acme.teams]",
        ),
        (
            "[org.acme]\nservice-accounts = []\n[org.acme.grants]\nfleet = \"read\"",
            true,
            "f:4: org.acme.grants.fleet: fleet is a service account that --prune would remove: name it in \
             service-accounts, too",
        ),
        (
            "[org.acme.members]\nbab = \"member\"",
            false,
            "f:2: org.acme.members.bab: there is no account named \"bab\"; did you mean bob?",
        ),
        (
            "[org.acme.flakes.app.grants]\nzacharias = \"read\"",
            false,
            "f:2: org.acme.flakes.app.grants.zacharias: there is no account named \"zacharias\"; a server \
             administrator can create it: add it to the key users",
        ),
        (
            "[org.acme]\nservice-accounts = [\"dee\"]",
            false,
            "f:2: org.acme.service-accounts: the name dee is taken by another account: names of users and of service \
             accounts are unique on the server",
        ),
        (
            "users = [\"fleet\"]",
            false,
            "f:1: users: the name fleet is taken by a service account",
        ),
        (
            "users = [\"Trust-me\"]",
            false,
            "f:1: users: the name Trust-me is reserved: names that begin with \"trust-\" are those of the accounts of \
             trust policies",
        ),
        (
            "[org.acme]\nservice-accounts = [\"fleet\", \"trust-ci\"]",
            false,
            "f:2: org.acme.service-accounts: the name trust-ci is reserved: ",
        ),
        (
            "[org.new.members]\nfleet = \"member\"",
            false,
            "f:2: org.new.members.fleet: fleet is the service account of another organisation, and cannot be a \
             member: grant it what it needs",
        ),
        (
            "[org.acme.members]\nfleet = \"owner\"",
            false,
            "f:2: org.acme.members.fleet: fleet is a service account of the organisation, and cannot be an owner",
        ),
        (
            "[org.acme]\nfollows = [\"nixos/tools\", \"acme/app\"]",
            false,
            "f:2: org.acme.follows: only public flakes can be followed, and acme/app is private",
        ),
        (
            "[org.acme]\nfollows = [\"acme/none\"]",
            false,
            "f:2: org.acme.follows: there is no flake acme/none that you can see",
        ),
        (
            "[org.acme]\nfollows = [\"nowhere/*\"]",
            false,
            "f:2: org.acme.follows: there is no organisation named nowhere with public flakes",
        ),
        (
            key.as_str(),
            false,
            "f:2: org.acme.trusted-keys: new-1:PUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw= is a key of the server \
             itself, which signs for every organisation: its signature proves nothing",
        ),
        (
            "[org.acme.trust.ci]\nflakes = [\"acme/app\"]\nprovider = \"github\"\n\
             conditions = [{ claim = \"ref\", equals = \"refs/heads/main\" }]",
            false,
            "f:1: org.acme.trust.ci: no condition names the tenant",
        ),
        (
            "[org.acme.trust.ci]\nflakes = [\"evil/app\"]\ngithub = { owner = \"acme\" }",
            false,
            "f:1: org.acme.trust.ci: evil/app is not in this organisation",
        ),
        (
            "[org.acme.trust.ci]\nflakes = [\"acme/app\"]\nkeep-keys = true\ngithub = { owner = \"acme\" }",
            false,
            "f:1: org.acme.trust.ci: there is no such policy yet",
        ),
        (
            "[org.acme.trust.ci]\nflakes = [\"acme/app\"]\nmint = true\ngithub = { owner = \"acme\" }",
            false,
            "f:1: org.acme.trust.ci: a trust policy cannot grant what your token lacks, and it lacks \"mint\"",
        ),
    ] {
        let refused = acme().plan_of(text, prune).unwrap_err();
        assert_eq!(refused.len(), 1, "{text}: {refused:?}");
        assert!(refused[0].starts_with(expected), "{refused:?}");
    }
    for (text, expected) in [
        (
            "[org.acme.trust.ci]\nflakes = [\"acme/app\"]",
            "f:1: org.acme.trust.ci: say who vouches",
        ),
        (
            "[org.acme.trust.ci]\nflakes = [\"acme/app\"]\ngithub = { owner = \"acme\" }\ngcp = { email = \"a@b\" }",
            "f:1: org.acme.trust.ci: say who vouches",
        ),
    ] {
        let refused = told(text);
        assert!(
            refused.len() == 1 && refused[0].starts_with(expected),
            "{refused:?}"
        );
    }
    // Several at once, over two organisations.
    let text = "[org.acme.members]\nbab = \"member\"\n[org.acme.teams]\nops = [\"dee\"]\n[org.new]\n\
                follows = [\"acme/none\"]\n";
    let refused = acme().plan_of(text, false).unwrap_err();
    let lines: Vec<&str> = refused.iter().map(|it| &it[..4]).collect();
    assert_eq!(lines, ["f:2:", "f:4:", "f:6:"], "{refused:?}");
}

#[test]
fn what_only_an_owner_may_do_is_told_to_an_admin_before() {
    let as_admin = || -> World {
        let mut world = acme();
        world.me = name("ann");
        let org = world.org(&name("acme"));
        assert_eq!(org.members[1].role, OrganizationRole::Admin);
        world
    };
    for (text, prune, step) in [
        (
            "[org.acme]\npush = \"builders\"",
            false,
            Some("~ who pushes acme: writers → builders"),
        ),
        (
            "[org.acme]\nfollows = [\"x/y\"]",
            false,
            Some("~ follows of acme: none → x/y"),
        ),
        (
            "[org.acme.members]\ncy = \"admin\"",
            false,
            Some("+ member acme/cy: admin"),
        ),
        (
            "[org.acme.members]\nme = \"member\"",
            false,
            Some("~ member acme/me: owner → member"),
        ),
        (
            "[org.acme.members]\nbob = \"member\"",
            true,
            Some("- member acme/me: owner"),
        ),
        (
            "[org.acme.grants]\n\"team:ops\" = \"admin\"",
            false,
            Some("+ grant acme/* team:ops: admin"),
        ),
        // What admins may do.
        ("[org.acme.members]\ncy = \"member\"", false, None),
        ("[org.acme.grants]\n\"team:ops\" = \"write\"", false, None),
        (
            "[org.acme.flakes.app]\nvisibility = \"public\"",
            false,
            None,
        ),
    ] {
        let planned = as_admin().plan_of(text, prune);
        match step {
            None => drop(planned.unwrap()),
            Some(step) => {
                let refused = planned.unwrap_err();
                let told = format!("only owners of acme can do this (`{step}`), and you are admin");
                assert!(refused.iter().any(|it| it.contains(&told)), "{refused:?}");
            }
        }
    }
}
