//! Every command line that help, README or docs/ show is one that `fh` takes, and that can be copied.

use std::fs;
use std::path::Path;

/// What stands in examples for something that nobody can type.
const STAND_INS: [(&str, &str); 4] = [
    ("mVd…=", "6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY="),
    ("MFjd…=", "6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY="),
    ("6NCH…=", "6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY="),
    ("…", "x"),
];

/// Lines that a backslash joins, without their indentation.
fn joined(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut open = false;
    for line in text.lines() {
        let (line, goes_on) = match line.trim().strip_suffix('\\') {
            Some(line) => (line.trim_end(), true),
            None => (line.trim(), false),
        };
        match lines.last_mut() {
            Some(last) if open => {
                last.push(' ');
                last.push_str(line);
            }
            _ => lines.push(line.to_owned()),
        }
        open = goes_on;
    }
    lines
}

/// The words of a line up to a comment, as a shell takes them; an operator is a word of its own.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    let mut started = false;
    for c in line.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                started = true;
            }
            (None, '#') if words.last().unwrap().is_empty() && !started => break,
            (None, ' ') => {
                if started || !words.last().unwrap().is_empty() {
                    words.push(String::new());
                }
                started = false;
            }
            (_, c) => words.last_mut().unwrap().push(c),
        }
    }
    if words.last().is_some_and(String::is_empty) && !started {
        words.pop();
    }
    words
}

/// The `fh` commands of a line, each with its words.
fn commands(line: &str) -> Vec<Vec<String>> {
    let mut line = line.to_owned();
    for (shown, typed) in STAND_INS {
        line = line.replace(shown, typed);
    }
    let operator = |word: &str| ["|", ">", ">>", "<", "&&", "||", ";", "&"].contains(&word);
    let found = words(&line);
    found
        .split(|word| operator(word))
        .filter_map(|part| {
            // `sudo fh`, or a variable before it.
            let before = |word: &&String| *word == "sudo" || word.contains('=');
            let begin = part.iter().take_while(before).count();
            let part = &part[begin..];
            (part.first()? == "fh").then(|| part.to_vec())
        })
        .collect()
}

fn check(line: &str, place: &str, failures: &mut Vec<String>) -> usize {
    let commands = commands(line);
    for words in &commands {
        let parsed = super::command().try_get_matches_from(words);
        if let Err(error) = parsed
            && error.use_stderr()
        {
            let told = error.to_string();
            let first = told.lines().next().unwrap_or_default();
            failures.push(format!("{place}: {}: {first}", words.join(" ")));
        }
    }
    commands.len()
}

/// Each command of the tree with its words from the root.
fn tree(command: &clap::Command, path: &str, visit: &mut impl FnMut(&clap::Command, &str)) {
    visit(command, path);
    for child in command.get_subcommands() {
        tree(child, &format!("{path} {}", child.get_name()), visit);
    }
}

#[test]
fn the_examples_of_the_help_are_commands_and_fit_on_a_line() {
    let mut failures = Vec::new();
    let mut count = 0;
    tree(&super::command(), "fh", &mut |command, path| {
        let Some(help) = command.get_after_help() else {
            return;
        };
        let text = help.to_string();
        for line in text
            .lines()
            .filter(|line| line.trim_start().starts_with("fh "))
        {
            // Help is 100 columns wide at most: what is longer cannot be copied.
            if line.chars().count() > 100 {
                failures.push(format!("{path}: too long: {line}"));
            }
        }
        for line in joined(&text) {
            if line.starts_with("fh ") || line.contains("| fh ") {
                count += check(&line, path, &mut failures);
            }
        }
    });
    assert!(count > 150, "{count}");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn the_examples_of_the_documents_are_commands() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = vec![root.join("README.md")];
    let docs = fs::read_dir(root.join("docs")).unwrap();
    files.extend(
        docs.map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|end| end == "md")),
    );
    let mut failures = Vec::new();
    let mut count = 0;
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        for line in joined(&text) {
            if let Some(line) = line.strip_prefix("$ ") {
                count += check(line, &name, &mut failures);
            }
        }
    }
    assert!(count > 50, "{count}");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
