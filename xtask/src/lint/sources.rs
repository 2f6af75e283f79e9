//! Rules about source text that no compiler lint holds.
//!
//! - Libraries read no process environment and print nothing: both happen once, in the binary.
//! - No source file is longer than [`LONGEST`] lines, tests aside.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// The libraries of the product.
const LIBRARIES: &[&str] = &[
    "fh-api",
    "fh-auth",
    "fh-client",
    "fh-conf",
    "fh-nix",
    "fh-server",
];

/// What may not stand in a library, and why.
const FORBIDDEN: &[(&str, &str)] = &[
    ("env::var(", "reads the process environment"),
    ("env::var_os(", "reads the process environment"),
    ("env::vars(", "reads the process environment"),
    ("env::vars_os(", "reads the process environment"),
    ("env::set_var(", "changes the process environment"),
    ("env::home_dir(", "reads the process environment"),
    ("env::args(", "reads the command line"),
    ("print!(", "prints"),
    ("println!(", "prints"),
    ("eprint!(", "prints"),
    ("eprintln!(", "prints"),
    ("process::exit(", "ends the process"),
];

/// Lines of a source file without its tests.
const LONGEST: usize = 600;

/// A sentence for each place that breaks a rule.
pub(super) fn violations(workspace: &Path) -> Result<Vec<String>> {
    let mut violations = Vec::new();
    for file in rust_files(workspace)? {
        let relative = file.strip_prefix(workspace).unwrap_or(&file);
        if is_test(relative) {
            continue;
        }
        let text =
            fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let library = LIBRARIES
            .iter()
            .any(|library| relative.starts_with(Path::new("crates").join(library).join("src")));
        violations.extend(
            check(&text, library)
                .into_iter()
                .map(|violation| format!("{}{violation}", relative.display())),
        );
    }
    Ok(violations)
}

/// What is wrong with one file, each as `:line: sentence` or `: sentence`.
fn check(text: &str, library: bool) -> Vec<String> {
    let product: Vec<&str> = without_tests(text);
    let mut violations = Vec::new();
    if product.len() > LONGEST {
        violations.push(format!(
            ": {} lines, more than {LONGEST}: split it",
            product.len()
        ));
    }
    if !library {
        return violations;
    }
    for (index, line) in product.iter().enumerate() {
        let code = line.split("//").next().unwrap_or_default();
        // The longest pattern that matches tells most; a shorter one inside it is the same finding.
        let found = FORBIDDEN
            .iter()
            .filter(|(pattern, _)| stands_in(code, pattern))
            .max_by_key(|(pattern, _)| pattern.len());
        if let Some((pattern, what)) = found {
            violations.push(format!(":{}: a library {what} (`{pattern}…)`)", index + 1));
        }
    }
    violations
}

/// Whether `pattern` stands in `code` and is no part of a longer name.
fn stands_in(code: &str, pattern: &str) -> bool {
    code.match_indices(pattern).any(|(position, _)| {
        !code[..position].ends_with(|before: char| before.is_alphanumeric() || before == '_')
    })
}

/// The lines before a test module at the end of the file.
fn without_tests(text: &str) -> Vec<&str> {
    let lines: Vec<&str> = text.lines().collect();
    let tests = lines.windows(2).position(|pair| {
        pair[0] == "#[cfg(test)]" && pair[1].starts_with("mod ") && pair[1].ends_with('{')
    });
    lines[..tests.unwrap_or(lines.len())].to_vec()
}

fn is_test(relative: &Path) -> bool {
    relative.components().any(|component| {
        let name = component.as_os_str().to_string_lossy();
        name == "tests" || name == "tests.rs" || name.ends_with("_tests.rs") || name == "benches"
    })
}

/// The Rust files of the workspace, in their order.
pub(super) fn rust_files(workspace: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut pending: Vec<PathBuf> = ["src", "crates", "tests", "xtask"]
        .map(|directory| workspace.join(directory))
        .into();
    while let Some(directory) = pending.pop() {
        for entry in fs::read_dir(&directory)
            .with_context(|| format!("cannot read {}", directory.display()))?
        {
            let path = entry?.path();
            if path.is_dir() {
                pending.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_that_reads_the_environment_or_prints_is_named() {
        let text = "fn f() {\n    let x = std::env::var(\"X\");\n    eprintln!(\"no\");\n}\n";
        assert_eq!(
            check(text, true),
            [
                ":2: a library reads the process environment (`env::var(…)`)",
                ":3: a library prints (`eprintln!(…)`)"
            ]
        );
        assert!(check(text, false).is_empty());
    }

    #[test]
    fn comments_tests_and_longer_names_are_left_alone() {
        let text = "/// See `std::env::var(…)` and println!(…).\nfn f() { my_print!(); }\n\
                    #[cfg(test)]\nmod tests {\n    println!();\n}\n";
        assert_eq!(check(text, true), [] as [&str; 0]);
    }

    #[test]
    fn a_long_file_is_named_but_its_tests_do_not_count() {
        let long = "x\n".repeat(LONGEST + 1);
        assert_eq!(
            check(&long, false),
            [": 601 lines, more than 600: split it"]
        );
        let tested = format!("#[cfg(test)]\nmod tests {{\n{long}}}\n");
        assert!(check(&tested, false).is_empty());
        assert!(is_test(Path::new("crates/fh-nix/src/nar/tests.rs")));
        assert!(is_test(Path::new("crates/fh-nix/tests/vectors/mod.rs")));
        assert!(!is_test(Path::new("crates/fh-testkit/src/lib.rs")));
    }
}
