//! Every command is held to the table: its words, what it is given, what it asks.

use std::collections::{BTreeSet, HashMap};

use clap::FromArgMatches as _;

use super::*;
use crate::cli::{self, Cli};

/// The verbs that mean the same for every noun.
const USUAL: [&str; 8] = [
    "create", "delete", "add", "remove", "list", "show", "set", "rename",
];

/// Verbs of one noun, each with why no usual one says the same.
const OTHERS: [(&str, &str, &str); 18] = [
    ("server", "use", "a choice, and no property of a server"),
    ("list", "flakes", "FlakeHub's command has these words"),
    ("org", "leave", "a member removes themselves"),
    ("org", "own", "a request that somebody else confirms"),
    ("org", "free-name", "of a name that nobody has"),
    ("user", "free-name", "of a name that nobody has"),
    ("flake", "free-name", "of a name that a flake had before"),
    ("invitation", "accept", "an answer to what others did"),
    ("invitation", "decline", "an answer to what others did"),
    ("access", "explain", "an earlier word for `fh why`"),
    (
        "token",
        "inspect",
        "the token itself is read, `show` means it too",
    ),
    ("token", "revoke", "the field's word; the row stays"),
    ("token", "rotate", "the field's word"),
    ("token", "renew", "the field's word"),
    ("trust", "test", "nothing is changed"),
    ("user", "disable", "an account stays, as its name does"),
    ("user", "enable", "the reverse of disable"),
    ("key", "rotate", "the field's word"),
];

/// Words by which people expect that something goes.
const TAKING: [&str; 11] = [
    "delete",
    "remove",
    "revoke",
    "rotate",
    "leave",
    "decline",
    "disable",
    "free-name",
    "unfollow",
    "logout",
    "own",
];

/// What arguments are called: one word for one thing, everywhere. The options of `fh serve` are a table of their own.
const VALUES: &[&str] = &[
    // What there is on a server.
    "ORG",
    "ORG/PROJECT",
    "ORG/PROJECT|ORG/*",
    "ORG/PROJECT|CACHE",
    "ORG/TEAM",
    "ORG/NAME",
    "ORG,…",
    "USER",
    "WHO",
    "ROLE",
    "ROOT",
    "ID",
    "NAME",
    // What there is on this machine, and elsewhere.
    "FILE",
    "DIR",
    "PATH",
    "PATH|INSTALLABLE",
    "COMMAND",
    "SHELL",
    "STORE",
    "URL",
    "HOST",
    "CIDR",
    "KEY",
    "ADDRESS",
    // Amounts, times, and words of a list that the help names.
    "N",
    "LEVEL",
    "TIME",
    "TEXT",
    "BOOL",
    "ACTION",
    "FORM",
    "KIND",
    "PERMISSION",
    "PROTOCOL",
    "SCOPE",
    "VISIBILITY",
    "WAY",
    // The words of CI systems and clouds.
    "BRANCH",
    "GROUP",
    "GROUP/NAME",
    "NAME=TEXT",
    "OWNER",
    "OWNER/NAME",
    "REF",
    "SLUG",
];

/// Options for an organisation or an account that are not called `--org` and `--user`, with why.
const OTHER_OPTIONS: [(&str, &str, &str); 5] = [
    ("list flakes", "owner", "FlakeHub's command has this word"),
    (
        "flake list",
        "owner",
        "the same command as `fh list flakes`",
    ),
    ("login", "organizations", "several, in their order"),
    ("provision", "export", "what is to be done, with its object"),
    ("org create", "owner", "what the account becomes"),
];

fn built() -> Command {
    let mut command = cli::command();
    command.build();
    command
}

/// Every command below the root with its words, but `help`.
fn every(visit: &mut impl FnMut(&[&str], &Command)) {
    fn walk<'a>(command: &'a Command, path: &[&'a str], visit: &mut impl FnMut(&[&str], &Command)) {
        for child in command.get_subcommands() {
            if child.get_name() != "help" {
                let path = [path, &[child.get_name()]].concat();
                visit(&path, child);
                walk(child, &path, visit);
            }
        }
    }
    walk(&built(), &[], visit);
}

/// What the table has for a command that does something.
fn entry(path: &[&str]) -> Option<&'static Verb> {
    match path {
        [deed] => DEEDS.iter().find(|verb| verb.word == *deed),
        [noun, verb] => {
            let noun = NOUNS.iter().find(|there| there.word == *noun)?;
            noun.verbs.iter().find(|there| there.word == *verb)
        }
        _ => None,
    }
}

/// Arguments of the command itself, and none that every command has.
fn own(command: &Command) -> impl Iterator<Item = &Arg> {
    let of_every_command = ["help", "version"];
    let arguments = command.get_arguments();
    arguments.filter(move |argument| {
        !argument.is_global_set() && !of_every_command.contains(&argument.get_id().as_str())
    })
}

fn values(argument: &Arg) -> Vec<&str> {
    if !argument.get_action().takes_values() {
        return Vec::new();
    }
    let names = argument.get_value_names().unwrap_or_default();
    names.iter().map(AsRef::as_ref).collect()
}

#[test]
fn every_command_is_in_the_table_with_every_word_that_it_accepts() {
    let mut seen = BTreeSet::new();
    every(&mut |path, command| {
        let words = path.join(" ");
        seen.insert(words.clone());
        let is_noun = path.len() == 1 && NOUNS.iter().any(|noun| noun.word == path[0]);
        if path.len() > 2 {
            assert_eq!(path[..2], ["trust", "add"], "{words}: a third level");
            assert_eq!(command.get_all_aliases().count(), 0, "{words}");
            return;
        }
        assert_eq!(
            command.has_subcommands(),
            is_noun || path == ["trust", "add"],
            "{words}: a noun has verbs, and nothing else has"
        );
        let (also, or) = match NOUNS.iter().find(|noun| is_noun && noun.word == path[0]) {
            Some(noun) => ("", noun.or),
            None => {
                let verb = entry(path).unwrap_or_else(|| panic!("{words} is not in the table"));
                (verb.also, verb.or)
            }
        };
        let shown: Vec<&str> = command.get_visible_aliases().collect();
        let also: Vec<&str> = also.split_whitespace().collect();
        assert_eq!(shown, also, "{words}");
        let all: BTreeSet<&str> = command.get_all_aliases().collect();
        assert_eq!(
            all,
            also.into_iter().chain(or.split_whitespace()).collect(),
            "{words}"
        );
    });
    for noun in NOUNS {
        for verb in noun.verbs {
            let words = format!("{} {}", noun.word, verb.word);
            assert!(seen.contains(&words), "{words} is in the table alone");
        }
    }
    for deed in DEEDS.iter().filter(|deed| deed.word != "serve") {
        assert!(
            seen.contains(deed.word),
            "{} is in the table alone",
            deed.word
        );
    }
}

#[test]
fn verbs_agree_and_what_people_try_is_accepted() {
    for noun in NOUNS {
        let mut accepted: HashMap<&str, &str> = HashMap::new();
        for verb in noun.verbs {
            let other = OTHERS
                .iter()
                .find(|(of, word, _)| *of == noun.word && *word == verb.word);
            assert_ne!(
                USUAL.contains(&verb.word),
                other.is_some(),
                "{} {}: a usual verb, or one with a reason",
                noun.word,
                verb.word
            );
            let words = [verb.word, verb.also, verb.or];
            for word in words.into_iter().flat_map(str::split_whitespace) {
                let former = accepted.insert(word, verb.word);
                assert_eq!(former, None, "{} {word} means two", noun.word);
            }
        }
        // Whoever knows one word of these for another noun finds it here too.
        for same in [
            &["create", "new", "add"][..],
            &["delete", "remove"],
            &["list", "ls"],
            &["rename", "mv"],
        ] {
            if same.iter().any(|word| accepted.contains_key(word)) {
                for word in same {
                    assert!(accepted.contains_key(word), "{} {word}", noun.word);
                }
            }
        }
    }
    for (noun, verb, why) in OTHERS {
        assert!(
            entry(&[noun, verb]).is_some() && !why.is_empty(),
            "{noun} {verb}"
        );
    }
}

#[test]
fn what_a_command_is_given_is_named_alike_everywhere() {
    let mut used = BTreeSet::new();
    every(&mut |path, command| {
        let words = path.join(" ");
        if path == ["serve"] {
            return;
        }
        let positional: Vec<&str> = command.get_positionals().flat_map(values).collect();
        if !command.has_subcommands() {
            let takes = entry(path).map_or("", |verb| verb.takes);
            assert_eq!(positional.join(" "), takes, "{words}");
        }
        for argument in own(command) {
            let long = argument.get_long().unwrap_or_default();
            let place = format!("{words} {}", argument.get_id());
            for value in values(argument) {
                used.insert(value.to_owned());
                assert!(
                    VALUES.contains(&value),
                    "{place}: {value} is no word of the table"
                );
                let option = match value {
                    "ORG" | "ORG,…" => "org",
                    "USER" => "user",
                    "ORG/PROJECT" | "ORG/PROJECT|ORG/*" => "flake",
                    _ => continue,
                };
                let other = OTHER_OPTIONS
                    .iter()
                    .any(|(of, name, _)| *of == words && *name == long);
                assert!(
                    argument.is_positional() || long == option || other,
                    "{place}: {value} is the first word, or --{option}"
                );
            }
            // A CI system has organisations of its own.
            if !words.starts_with("trust add ") {
                let means_one = long.starts_with("organi") || ["org", "orgs"].contains(&long);
                let value = if long == "organizations" {
                    "ORG,…"
                } else {
                    "ORG"
                };
                assert!(!means_one || values(argument) == [value], "{place}");
            }
        }
    });
    for value in VALUES {
        assert!(used.contains(*value), "{value} is in the table alone");
    }
}

#[test]
fn what_takes_something_away_accepts_yes_and_everything_has_json() {
    every(&mut |path, command| {
        let words = path.join(" ");
        if let Some(verb) = entry(path) {
            let yes = own(command).find(|argument| argument.get_long() == Some("yes"));
            let is_right = match (verb.effect, yes) {
                (Effect::Keeps, None) => !TAKING.contains(&verb.word),
                // It asks before it changes files.
                (Effect::Keeps, Some(_)) => path == ["login"],
                (Effect::TakesBack, yes) => yes.is_some_and(Arg::is_hide_set),
                (Effect::Asks, yes) => yes.is_some_and(|yes| !yes.is_hide_set()),
            };
            assert!(is_right, "{words}: {:?}", verb.effect);
            if let Some(yes) = yes {
                assert_eq!(yes.get_short(), Some('y'), "{words}");
            }
        }
        let mut arguments = command.get_arguments();
        let json = arguments.find(|argument| argument.get_id() == "json");
        let is_local = cli::LOCAL_COMMANDS.contains(&path[0]);
        assert_eq!(
            json.is_some_and(|json| !json.is_hide_set()),
            !is_local,
            "{words}"
        );
    });
}

/// A list is a verb, or what the command does without what it would add. Where it is of one organisation, it is of all
/// of the caller's without one.
#[test]
fn lists_are_no_options_and_need_no_organisation() {
    let mut of_organizations = 0;
    every(&mut |path, command| {
        let words = path.join(" ");
        let option = own(command).find(|argument| argument.get_long() == Some("list"));
        assert!(option.is_none_or(Arg::is_hide_set), "{words} --list");
        if path.last() != Some(&"list") {
            return;
        }
        for argument in command.get_positionals() {
            if values(argument) == ["ORG"] {
                of_organizations += 1;
                assert!(!argument.is_required_set(), "{words} needs an organisation");
            }
        }
    });
    assert!(of_organizations >= 6, "{of_organizations}");
}

/// The command that a line means, with all that it was given.
fn meant(line: &str) -> String {
    let words = line.split(' ');
    let matches = cli::command().try_get_matches_from(words);
    let matches = matches.unwrap_or_else(|error| panic!("{line}: {error}"));
    format!("{:?}", Cli::from_arg_matches(&matches).unwrap().command)
}

#[test]
fn other_words_mean_the_same_command() {
    for (typed, same) in [
        ("fh whoami", "fh status"),
        ("fh orgs ls", "fh org list"),
        ("fh organization rm acme -y", "fh org delete acme --yes"),
        ("fh organisations new acme", "fh org create acme"),
        ("fh members invite acme bob", "fh member set acme bob"),
        (
            "fh member add acme bob admin",
            "fh member set acme bob admin",
        ),
        ("fh member rm acme bob", "fh member remove acme bob"),
        ("fh group new acme/ops", "fh team create acme/ops"),
        (
            "fh team remove acme/ops bob --yes",
            "fh team remove acme/ops bob",
        ),
        ("fh flakes ls", "fh flake list"),
        ("fh flake remove acme/app", "fh flake delete acme/app"),
        ("fh ls flakes --org acme", "fh list flakes --owner acme"),
        (
            "fh grants give acme/app bob pull",
            "fh grant add acme/app bob read",
        ),
        (
            "fh grant revoke acme/app bob -y",
            "fh grant remove acme/app bob",
        ),
        ("fh tokens show my.token", "fh token inspect my.token"),
        (
            "fh token rm 019353a8-7d1c-7c3e-8f7e-5a4a2c9b1d10",
            "fh token revoke 019353a8-7d1c-7c3e-8f7e-5a4a2c9b1d10",
        ),
        (
            "fh service-accounts remove acme/ci",
            "fh service-account delete acme/ci",
        ),
        ("fh trust rm acme/ci", "fh trust remove acme/ci"),
        (
            "fh trust create github --owner a --flake a/b",
            "fh trust add github --owner a --flake a/b",
        ),
        ("fh accounts mv ann bea", "fh user rename ann bea"),
        ("fh user disable ann -y", "fh user disable ann"),
        ("fh keys show acme", "fh key list acme"),
        ("fh follow ls --org acme", "fh follow list --org acme"),
        ("fh unfollow nixos/tools --yes", "fh unfollow nixos/tools"),
        (
            "fh invitation refuse acme --yes",
            "fh invitation decline acme",
        ),
        ("fh servers forget cache", "fh server remove cache"),
        ("fh logout -y", "fh logout"),
    ] {
        assert_eq!(meant(typed), meant(same), "{typed}");
    }
}

/// Help is 100 columns wide. Where lines are kept as they are, a longer one is broken after its last word.
#[test]
fn help_whose_lines_are_kept_is_not_broken_twice() {
    let mut check = |path: &[&str], command: &Command| {
        for text in [command.get_long_about(), command.get_after_help()]
            .into_iter()
            .flatten()
        {
            let text = text.to_string();
            let kept = text
                .split("\n\n")
                .filter(|paragraph| paragraph.contains('\n'));
            for line in kept.flat_map(str::lines) {
                assert!(line.chars().count() <= 100, "{}: {line}", path.join(" "));
            }
        }
    };
    every(&mut check);
    check(&[], &built());
}
