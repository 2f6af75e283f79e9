//! The commands in groups, as `fh --help` shows them: clap has one flat list.

/// Headings, and below each its commands with what they do, each on one line of 80 columns. What somebody new needs
/// comes first.
const GROUPS: [(&str, &str); 4] = [
    (
        "Use a cache",
        "\
login            Log in to a server, and set up Nix to read from it
push             Push what you have built, with all that it needs
status           Show your login, and what your token may do
doctor           Find out why Nix does not substitute
list             List what you may read
logout           Undo a login
why              Show who can read a path, and why
follow           Read public flakes at the server's root address
unfollow         Stop following public flakes
invitation       Accept or decline invitations of organisations
server           Choose between the servers that you have logged in to",
    ),
    (
        "Share",
        "\
flake            Create flakes, and say who may read them
grant            Give and take roles on flakes
org              Manage organisations; every flake belongs to one
member           Manage the members of an organisation
team             Manage groups of members that share grants
token            Create and revoke tokens
service-account  Manage accounts of an organisation's machines
trust            Let CI jobs in by their own identity
provision        Set up organisations from a file",
    ),
    (
        "Run a server",
        "\
serve            Run the cache server
user             Manage accounts
key              Show and rotate the keys that sign store paths
audit            Show what was done on the server, and what was refused",
    ),
    (
        "About fh",
        "\
completion       Print the completions of a shell
man              Write the manual pages
help             Show the help of a command",
    ),
];

/// Each command of a group with what it does.
fn lines(group: &str) -> impl Iterator<Item = (&str, &str)> {
    let lines = group.lines().filter_map(|line| line.split_once(' '));
    lines.map(|(name, what)| (name, what.trim_start()))
}

/// The same command line, with its commands in groups.
pub(super) fn grouped(command: clap::Command) -> clap::Command {
    let styles = command.get_styles().clone();
    let (header, literal) = (*styles.get_header(), *styles.get_literal());
    let mut text = String::new();
    for (heading, group) in GROUPS {
        text.push_str(&format!("{header}{heading}:{header:#}\n"));
        for (name, what) in lines(group) {
            // A client that was built without the server has no `serve`.
            if name == "help" || command.find_subcommand(name).is_some() {
                text.push_str(&format!("  {literal}{name:<15}{literal:#}  {what}\n"));
            }
        }
        text.push('\n');
    }
    command.help_template(format!(
        "{{before-help}}{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{text}{header}Options:{header:#}\n{{options}}{{after-help}}"
    ))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::cli;

    #[test]
    fn every_command_is_in_one_group_and_on_one_line() {
        let mut seen: HashMap<&str, usize> = HashMap::new();
        for (name, what) in GROUPS.iter().flat_map(|(_, group)| lines(group)) {
            *seen.entry(name).or_default() += 1;
            assert!(19 + what.len() <= 80, "{name}: {what}");
        }
        let command = cli::command();
        let visible = command.get_subcommands().filter(|it| !it.is_hide_set());
        for name in visible.map(clap::Command::get_name) {
            assert_eq!(seen.remove(name), Some(1), "{name}");
        }
        let rest: Vec<&str> = seen.into_keys().filter(|name| *name != "serve").collect();
        assert_eq!(rest, ["help"]);
    }
}
