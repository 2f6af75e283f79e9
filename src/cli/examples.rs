//! Every example of the help can be copied from it. That it does what it says is tested by `tests/examples`.

/// Each command of the tree with its words from the root.
fn tree(command: &clap::Command, path: &str, visit: &mut impl FnMut(&clap::Command, &str)) {
    visit(command, path);
    for child in command.get_subcommands() {
        tree(child, &format!("{path} {}", child.get_name()), visit);
    }
}

#[test]
fn the_examples_of_the_help_fit_on_a_line() {
    let mut failures = Vec::new();
    let mut count = 0;
    tree(&super::command(), "fh", &mut |command, path| {
        let help = command.get_after_help().map(ToString::to_string);
        for line in help.unwrap_or_default().lines() {
            // What is indented is not filled; help is 100 columns wide at most, and breaks what is longer.
            if line.starts_with("  ") {
                count += 1;
                if line.chars().count() > 100 {
                    failures.push(format!("{path}: too long: {line}"));
                }
            }
        }
    });
    assert!(count > 150, "{count}");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
