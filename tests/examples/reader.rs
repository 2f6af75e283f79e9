//! Which examples there are.

use std::fs;
use std::process::Command;

use crate::yaml::Yaml;

/// A manual page or a document.
pub(crate) struct Page {
    /// What messages call it: `fh-token-create`, `docs/views.md`.
    pub(crate) name: String,
    pub(crate) examples: Vec<Example>,
}

/// One line that is typed, or several that backslashes join.
#[derive(Debug)]
pub(crate) struct Example {
    /// Where it stands, for people.
    pub(crate) place: String,
    /// The `export` lines of its block that come before it.
    pub(crate) before: Vec<String>,
    /// As it stands there, with its comment.
    pub(crate) line: String,
    /// What stands below it: what it prints.
    pub(crate) shown: Vec<String>,
    /// Why it is not run.
    pub(crate) not_run: Option<String>,
}

impl Example {
    fn new(place: String, line: String) -> Self {
        Self {
            place,
            before: Vec::new(),
            line,
            shown: Vec::new(),
            not_run: None,
        }
    }
}

/// The examples of the help of every command, out of the manual that is made of it.
pub(crate) fn manual() -> Vec<Page> {
    let directory = tempfile::tempdir().unwrap();
    let status = Command::new(env!("CARGO_BIN_EXE_fh"))
        .env_clear()
        .args(["man", "pages"])
        .current_dir(directory.path())
        .status();
    assert!(status.unwrap().success());
    let mut pages: Vec<Page> = fs::read_dir(directory.path().join("pages"))
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let text = fs::read_to_string(&path).unwrap();
            let examples = examples_of_manual(&name, &text);
            Page { name, examples }
        })
        .filter(|page| !page.examples.is_empty())
        .collect();
    pages.sort_by(|a, b| a.name.cmp(&b.name));
    pages
}

/// README.md and docs/*.md, each with its name.
pub(crate) fn texts() -> Vec<(String, String)> {
    let root = fh_testkit::workspace();
    let mut names = vec!["README.md".to_owned()];
    for entry in fs::read_dir(root.join("docs")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.ends_with(".md") {
            names.push(format!("docs/{name}"));
        }
    }
    names.sort_unstable();
    let with_text = |name: String| {
        let text = fs::read_to_string(root.join(&name)).unwrap();
        (name, text)
    };
    names.into_iter().map(with_text).collect()
}

/// The examples of README.md and docs/*.md.
pub(crate) fn documents() -> Vec<Page> {
    let pages = texts().into_iter().map(|(name, text)| {
        let examples = examples_of_document(&name, &text);
        Page { name, examples }
    });
    pages.filter(|page| !page.examples.is_empty()).collect()
}

/// What stands in the section EXAMPLES.
pub(crate) fn examples_of_manual(name: &str, text: &str) -> Vec<Example> {
    let lines = text
        .lines()
        .skip_while(|line| *line != ".SH EXAMPLES")
        .skip(1)
        .take_while(|line| !line.starts_with(".SH"))
        .filter(|line| line.starts_with("  "))
        .map(unescaped);
    joined(lines.enumerate())
        .into_iter()
        .map(|(number, line)| Example::new(format!("{name}, example line {}", number + 1), line))
        .collect()
}

/// Text without roff's escapes: those that `fh man` writes.
fn unescaped(line: &str) -> String {
    let mut text = String::new();
    let mut rest = line;
    while let Some((before, escape)) = rest.split_once('\\') {
        text.push_str(before);
        let (meant, length) = match escape {
            _ if escape.starts_with("*(Aq") => ("'", 4),
            _ if escape.starts_with('-') => ("-", 1),
            _ if escape.starts_with('\\') => ("\\", 1),
            _ if escape.starts_with('&') => ("", 1),
            _ => panic!("an escape that is not known: {line}"),
        };
        text.push_str(meant);
        rest = &escape[length..];
    }
    text.push_str(rest);
    text
}

/// Lines that backslashes join, each with the number of its first.
fn joined(lines: impl Iterator<Item = (usize, String)>) -> Vec<(usize, String)> {
    let mut all: Vec<(usize, String)> = Vec::new();
    for (number, line) in lines {
        match all.last_mut() {
            Some((_, last)) if last.ends_with('\\') => {
                last.pop();
                last.truncate(last.trim_end().len());
                last.push(' ');
                last.push_str(line.trim());
            }
            _ => all.push((number, line.trim().to_owned())),
        }
    }
    all
}

/// A fenced block of a document, with the line that excuses it.
#[derive(Debug)]
pub(crate) struct Block<'a> {
    pub(crate) language: &'a str,
    /// The number of the line that opens it.
    pub(crate) number: usize,
    pub(crate) not_run: Option<&'a str>,
    pub(crate) lines: Vec<&'a str>,
}

/// The fenced blocks of a document, also those in lists, which are indented.
pub(crate) fn blocks<'a>(name: &str, text: &'a str) -> Vec<Block<'a>> {
    let mut blocks = Vec::new();
    let mut not_run = None;
    let mut open: Option<(usize, Block<'_>)> = None;
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        let unindented = line.trim_start();
        match (unindented.strip_prefix("```"), &mut open) {
            (Some(_), Some(_)) => blocks.extend(open.take().map(|(_, block)| block)),
            (Some(language), None) => {
                let block = Block {
                    language,
                    number,
                    not_run: not_run.take(),
                    lines: Vec::new(),
                };
                open = Some((line.len() - unindented.len(), block));
            }
            (None, Some((indent, block))) => {
                let line = line.get(*indent..).unwrap_or_default();
                block.lines.push(line);
            }
            (None, None) => {
                if let Some(reason) = unindented.strip_prefix("<!-- not run: ") {
                    not_run = Some(reason.strip_suffix(" -->").unwrap());
                } else if !line.is_empty() {
                    assert!(not_run.is_none(), "{name}:{number}: no block follows");
                }
            }
        }
    }
    assert!(open.is_none(), "{name}: a block has no end");
    blocks
}

/// What stands in the fenced blocks of a shell, and what the jobs of CI run.
pub(crate) fn examples_of_document(name: &str, text: &str) -> Vec<Example> {
    let blocks = blocks(name, text);
    let of_block = |block: &Block<'_>| match block.language {
        "console" => examples_of_shell(name, block, true),
        "sh" | "bash" => examples_of_shell(name, block, false),
        "yaml" if block.not_run.is_none() => examples_of_workflow(name, block),
        _ => Vec::new(),
    };
    blocks.iter().flat_map(of_block).collect()
}

/// The steps of a job, each with the variables that it has there.
fn examples_of_workflow(name: &str, block: &Block<'_>) -> Vec<Example> {
    let tree = Yaml::read(&block.lines);
    let tree = tree.unwrap_or_else(|(line, why)| {
        panic!("{name}:{}: {why}", block.number + line);
    });
    let commands = tree.commands();
    // A thing may be called `fh` too.
    let typed = |text: &str| text.contains(' ') && is_fh(text) || text.starts_with("nix ");
    assert_eq!(
        commands.iter().filter(|one| typed(one.line)).count(),
        tree.texts().iter().filter(|text| typed(text)).count(),
        "{name}:{}: a command is in no step",
        block.number
    );
    let examples = commands.into_iter().filter(|one| typed(one.line));
    examples
        .map(|one| {
            let place = format!("{name}:{}", block.number + one.number);
            let mut example = Example::new(place, one.line.to_owned());
            let variables = one.variables.iter();
            example.before = variables
                .map(|(key, value)| format!("export {key}='{value}'"))
                .collect();
            example
        })
        .collect()
}

/// Whether a line has to do with `fh`: what `cargo` and others do is not played.
fn is_fh(line: &str) -> bool {
    line.split([' ', '(']).any(|word| word == "fh")
}

fn examples_of_shell(name: &str, block: &Block<'_>, has_prompt: bool) -> Vec<Example> {
    let mut typed: Vec<(usize, String, Vec<String>)> = Vec::new();
    for (index, line) in block.lines.iter().enumerate() {
        let number = block.number + 1 + index;
        let goes_on = matches!(typed.last(), Some((_, last, shown)) if last.ends_with('\\') && shown.is_empty());
        let command = line.strip_prefix("$ ").filter(|_| has_prompt);
        match (command, typed.last_mut()) {
            (None, Some((_, last, _))) if goes_on => {
                let lines = [(0, last.clone()), (0, (*line).to_owned())];
                *last = joined(lines.into_iter()).remove(0).1;
            }
            (Some(command), _) => typed.push((number, command.trim().to_owned(), Vec::new())),
            (None, _) if line.is_empty() => {}
            (None, Some((_, _, shown))) if has_prompt => shown.push((*line).to_owned()),
            (None, _) => typed.push((number, line.trim().to_owned(), Vec::new())),
        }
    }
    if !typed.iter().any(|(_, line, _)| is_fh(line)) {
        return Vec::new();
    }
    let mut examples = Vec::new();
    let mut before = Vec::new();
    for (number, line, shown) in typed {
        if line.starts_with("export ") {
            before.push(line);
        } else if is_fh(&line) || line.starts_with("nix ") {
            let mut example = Example::new(format!("{name}:{number}"), line);
            example.before.clone_from(&before);
            example.shown = shown;
            example.not_run = block.not_run.map(str::to_owned);
            examples.push(example);
        }
    }
    examples
}
