//! Commands of Determinate Systems' `fh` that this one does not have: who types one is told so, and not of another word
//! that looks like it.

use clap::error::{ContextKind, ContextValue, ErrorKind};

/// Its commands that this `fh` does not have.
const COMMANDS: [&str; 9] = [
    "add", "apply", "convert", "eject", "fetch", "init", "paths", "resolve", "search",
];

/// What `fh list` lists there.
const LISTS: [&str; 3] = ["orgs", "releases", "versions"];

/// What there is to say, where the word that clap does not know is one of these: a sentence.
pub(crate) fn explained(error: &clap::Error) -> Option<String> {
    if error.kind() != ErrorKind::InvalidSubcommand {
        return None;
    }
    let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidSubcommand) else {
        return None;
    };
    let usage = error.get(ContextKind::Usage)?.to_string();
    // Behind the name of the program stands the command whose word it would be.
    let command = match usage.split_whitespace().nth(2)? {
        "list" if LISTS.contains(&word.as_str()) => format!("fh list {word}"),
        of if of.starts_with(['[', '<']) && COMMANDS.contains(&word.as_str()) => {
            format!("fh {word}")
        }
        _ => return None,
    };
    Some(format!(
        "`{command}` is a command of Determinate Systems' fh that this fh does not have"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_other_program_has_is_told_and_other_words_are_clap_s() {
        let said = |words: &[&str]| {
            let words = [&["fh"][..], words].concat();
            let error = crate::cli::command().try_get_matches_from(words);
            explained(&error.unwrap_err())
        };
        let theirs = COMMANDS.map(|word| vec![word]).into_iter();
        for words in theirs.chain(LISTS.map(|word| vec!["list", word])) {
            let told = format!("`fh {}` is a command of ", words.join(" "));
            // With what is typed behind it, and before it.
            for words in [
                words.clone(),
                [&words[..], &["--json", "NixOS/nixpkgs/*", "--x"]].concat(),
                [&["--server", "https://x.org", "-v"], &words[..]].concat(),
            ] {
                let said = said(&words);
                assert!(
                    said.as_ref().is_some_and(|said| said.starts_with(&told)),
                    "{words:?}: {said:?}"
                );
            }
        }
        for words in [
            &["resolv"][..],
            &["releases"],
            &["nonsense"],
            &["list", "search"],
            &["list", "nonsense"],
            &["member", "init"],
            &["token", "resolve"],
            &["push", "--nonsense"],
        ] {
            assert_eq!(said(words), None, "{words:?}");
        }
    }
}
