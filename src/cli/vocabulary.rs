//! The words of the command line: which nouns there are, which verbs each of them has, and what else is accepted. The
//! rule that they follow is in CONTRIBUTING.md ("Commands of `fh`"). Where a noun has another verb, that is the field's
//! word (`token revoke`), and the usual one is accepted too.
//!
//! Invariant: the tests hold every command to this table, hidden ones too, so that one which is not in it cannot be
//! added.

use clap::{Arg, ArgAction, Command};

#[cfg(test)]
mod tests;

/// What becomes of things by a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    /// Nothing is taken away.
    Keeps,
    /// Something is taken away, and one command of the same person gives it back: it is not asked about. `--yes` is
    /// accepted all the same, so that a script can say it to every command that takes something away.
    TakesBack,
    /// Something is lost, or shown to others: the command has `--yes` ([`crate::commands`]' `Yes`).
    Asks,
}

/// A verb of a noun, or a command that stands for itself.
#[derive(Debug, Clone, Copy)]
struct Verb {
    /// The word that help, documents and messages use.
    word: &'static str,
    /// Words for the same that the help names, with blanks between them.
    also: &'static str,
    /// Further words that are accepted, with blanks between them.
    or: &'static str,
    effect: Effect,
    /// What it is given, in order: the value names of its positional arguments.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "the tests hold the commands to it")
    )]
    takes: &'static str,
}

/// A command that has verbs.
#[derive(Debug)]
struct Noun {
    word: &'static str,
    /// Further words that are accepted, with blanks between them.
    or: &'static str,
    verbs: &'static [Verb],
}

const fn verb(word: &'static str) -> Verb {
    Verb {
        word,
        also: "",
        or: "",
        effect: Effect::Keeps,
        takes: "",
    }
}

impl Verb {
    const fn also(self, also: &'static str) -> Self {
        Self { also, ..self }
    }

    const fn or(self, or: &'static str) -> Self {
        Self { or, ..self }
    }

    const fn takes_back(self) -> Self {
        Self {
            effect: Effect::TakesBack,
            ..self
        }
    }

    const fn asks(self) -> Self {
        Self {
            effect: Effect::Asks,
            ..self
        }
    }

    const fn takes(self, takes: &'static str) -> Self {
        Self { takes, ..self }
    }
}

const fn noun(word: &'static str, or: &'static str) -> Noun {
    Noun {
        word,
        or,
        verbs: &[],
    }
}

impl Noun {
    const fn has(self, verbs: &'static [Verb]) -> Self {
        Self { verbs, ..self }
    }
}

const CREATE: Verb = verb("create").or("new add");
const DELETE: Verb = verb("delete").or("remove rm").asks();
const ADD: Verb = verb("add").or("create new");
const REMOVE: Verb = verb("remove").or("delete rm");
const LIST: Verb = verb("list").or("ls");
const SHOW: Verb = verb("show").or("get info");
const SET: Verb = verb("set").or("update edit");
const RENAME: Verb = verb("rename").or("mv").asks();
/// Of a name that was given up.
const FREE_NAME: Verb = verb("free-name").asks().takes("NAME");

const NOUNS: &[Noun] = &[
    noun("server", "servers").has(&[
        LIST,
        verb("use").or("default switch").takes("NAME"),
        REMOVE.or("delete rm forget").takes_back().takes("NAME"),
    ]),
    // As FlakeHub's command has it: the verb comes first.
    noun("list", "ls").has(&[verb("flakes").or("flake").takes("ORG")]),
    noun(
        "org",
        "orgs organization organizations organisation organisations",
    )
    .has(&[
        CREATE.takes("ORG"),
        LIST,
        SHOW.takes("ORG"),
        SET.takes("ORG"),
        RENAME.takes("ORG NAME"),
        verb("leave").asks().takes("ORG"),
        verb("own").takes_back().takes("ORG ROOT"),
        DELETE.takes("ORG"),
        FREE_NAME,
    ]),
    noun("member", "members").has(&[
        LIST.takes("ORG"),
        SET.also("add")
            .or("invite create new update edit")
            .takes("ORG USER ROLE"),
        REMOVE.asks().takes("ORG USER"),
    ]),
    // It is created and deleted itself, and has members: none of its verbs means two of these.
    noun("team", "teams group groups").has(&[
        verb("create").or("new").takes("ORG/TEAM"),
        LIST.takes("ORG"),
        SHOW.takes("ORG/TEAM"),
        verb("add").takes("ORG/TEAM USER"),
        verb("remove").takes_back().takes("ORG/TEAM USER"),
        verb("delete").asks().takes("ORG/TEAM"),
    ]),
    noun("flake", "flakes").has(&[
        CREATE.takes("ORG/PROJECT"),
        SHOW.takes("ORG/PROJECT"),
        SET.asks().takes("ORG/PROJECT"),
        RENAME.takes("ORG/PROJECT NAME"),
        LIST.takes("ORG"),
        DELETE.takes("ORG/PROJECT"),
        FREE_NAME.takes("ORG/PROJECT"),
    ]),
    noun("grant", "grants").has(&[
        ADD.or("create new set give")
            .takes("ORG/PROJECT|ORG/* WHO ROLE"),
        REMOVE
            .or("delete rm revoke")
            .takes_back()
            .takes("ORG/PROJECT|ORG/* WHO"),
        LIST.or("ls show").takes("ORG/PROJECT|ORG/*"),
    ]),
    noun("invitation", "invitations").has(&[
        LIST,
        verb("accept").or("join").takes("ORG"),
        verb("decline")
            .or("reject refuse")
            .takes_back()
            .takes("ORG"),
    ]),
    // An earlier word for `fh why`.
    noun("access", "").has(&[verb("explain").takes("PATH")]),
    noun("token", "tokens").has(&[
        CREATE,
        LIST,
        verb("inspect").also("show").or("get info").takes("FILE"),
        verb("revoke")
            .also("delete")
            .or("remove rm")
            .asks()
            .takes("ID"),
        verb("rotate").takes_back().takes("ID"),
        verb("renew").or("refresh"),
    ]),
    noun("service-account", "service-accounts").has(&[
        CREATE.takes("ORG/NAME"),
        LIST.takes("ORG"),
        RENAME.takes("ORG/NAME NAME"),
        DELETE.also("remove").or("rm").takes("ORG/NAME"),
    ]),
    noun("trust", "").has(&[
        // One command for each provider.
        ADD,
        LIST.takes("ORG"),
        SHOW.takes("ORG/NAME"),
        REMOVE.also("delete").or("rm").asks().takes("ORG/NAME"),
        verb("test").or("check").takes("ORG FILE"),
    ]),
    noun("user", "users account accounts").has(&[
        CREATE.takes("USER"),
        LIST,
        SHOW.takes("USER"),
        SET.asks().takes("USER"),
        RENAME.takes("USER NAME"),
        verb("disable").takes_back().takes("USER"),
        verb("enable").takes("USER"),
        FREE_NAME,
    ]),
    noun("key", "keys").has(&[
        LIST.or("ls show").takes("ORG"),
        verb("rotate").asks().takes("ORG"),
    ]),
];

/// Commands that are no noun.
const DEEDS: &[Verb] = &[
    verb("login").takes("URL COMMAND"),
    verb("logout").takes_back(),
    verb("status").also("whoami"),
    verb("doctor"),
    verb("push").takes("ORG/PROJECT|CACHE PATH|INSTALLABLE"),
    verb("follow").takes("ORG/PROJECT|ORG/*"),
    verb("unfollow").takes_back().takes("ORG/PROJECT|ORG/*"),
    verb("why").takes("PATH"),
    verb("provision").asks().takes("FILE"),
    verb("audit"),
    verb("serve"),
    verb("completion").or("completions").takes("SHELL"),
    verb("man").takes("DIR"),
    verb(crate::completion::REMEMBER_NAMES),
];

/// The same command line, with every word that is accepted.
pub(super) fn with_all_words(mut command: Command) -> Command {
    for deed in DEEDS {
        // A client that was built without the server has no `serve`.
        if command.find_subcommand(deed.word).is_some() {
            command = command.mut_subcommand(deed.word, |command| worded(command, deed));
        }
    }
    for noun in NOUNS {
        command = command.mut_subcommand(noun.word, |mut command| {
            for verb in noun.verbs {
                command = command.mut_subcommand(verb.word, |command| worded(command, verb));
            }
            command.aliases(noun.or.split_whitespace())
        });
    }
    command
}

fn worded(command: Command, verb: &Verb) -> Command {
    let command = command
        .visible_aliases(verb.also.split_whitespace())
        .aliases(verb.or.split_whitespace());
    let has_yes = command
        .get_arguments()
        .any(|argument| argument.get_id() == "yes");
    if verb.effect != Effect::TakesBack || has_yes {
        return command;
    }
    let yes = Arg::new("yes").short('y').long("yes");
    command.arg(yes.hide(true).action(ArgAction::SetTrue))
}
