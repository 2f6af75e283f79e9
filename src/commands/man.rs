//! `fh man`: the manual, made from the same definition as the help texts.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use crate::error::CommandError;
use crate::settings::variables;

/// Write the manual pages into a directory
///
/// One page for `fh` and one for each command: `fh.1`, `fh-push.1`, `fh-token-create.1`, …
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fh man ~/.local/share/man/man1 && man fh-push")]
pub(crate) struct ManArguments {
    /// The directory; created if it does not exist
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

pub(crate) fn run(arguments: &ManArguments, definition: clap::Command) -> Result<(), CommandError> {
    let directory = &arguments.directory;
    fs::create_dir_all(directory)
        .map_err(|error| CommandError::file("create the directory", directory, error))?;
    // `fh help` has no page: it shows those of the others.
    let mut command = without_help(definition);
    command.build();
    write_pages(&command, directory)
}

fn without_help(command: clap::Command) -> clap::Command {
    command
        .disable_help_subcommand(true)
        .mut_subcommands(without_help)
}

fn write_pages(command: &clap::Command, directory: &Path) -> Result<(), CommandError> {
    for subcommand in command.get_subcommands() {
        if !subcommand.is_hide_set() {
            write_pages(subcommand, directory)?;
        }
    }
    // After `build`, the display name of `fh token create` is `fh-token-create`.
    let name = command.get_display_name().unwrap_or(command.get_name());
    let path = directory.join(format!("{name}.1"));
    let page = page(command).map_err(|error| CommandError::file("render", &path, error))?;
    fs::write(&path, page).map_err(|error| CommandError::file("write", &path, error))
}

fn page(command: &clap::Command) -> std::io::Result<Vec<u8>> {
    let version = concat!("fh ", env!("CARGO_PKG_VERSION"));
    // Without a date: the same definition gives the same page on every day.
    let man = Man::new(command.clone())
        .date("")
        .source(version)
        .manual("fh manual");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    if let Some(text) = command.get_after_help() {
        sections(&text.to_string(), &mut page)?;
    }
    if command.get_name() == "fh" {
        environment(&mut page)?;
    }
    Ok(page)
}

/// What stands below the options in the help, as sections of the manual.
fn sections(text: &str, page: &mut Vec<u8>) -> std::io::Result<()> {
    let mut roff = Roff::new();
    let mut verbatim = false;
    for paragraph in text.split("\n\n") {
        let (first, rest) = paragraph.split_once('\n').unwrap_or((paragraph, ""));
        let indented = paragraph.starts_with(' ');
        if !indented {
            let (title, text) = match first.split_once(':') {
                Some(("Exit status", text)) => ("EXIT STATUS", format!("{text}\n{rest}")),
                _ if first == "Examples:" => ("EXAMPLES", String::new()),
                _ if first.starts_with("Files") => ("FILES", String::new()),
                _ => ("NOTES", paragraph.to_owned()),
            };
            roff.control("SH", [title]);
            verbatim = text.is_empty();
            if !verbatim {
                let words: Vec<&str> = text.split_whitespace().collect();
                roff.text([roman(words.join(" "))]);
            }
        }
        if verbatim {
            let lines = if indented { paragraph } else { rest };
            roff.control("nf", []);
            for line in lines.lines() {
                roff.text([roman(line)]);
            }
            roff.control("fi", []);
        }
    }
    roff.to_writer(page)
}

fn environment(page: &mut Vec<u8>) -> std::io::Result<()> {
    let mut roff = Roff::new();
    roff.control("SH", ["ENVIRONMENT"]);
    for variable in variables::ALL {
        roff.control("TP", []);
        roff.text([bold(variable.name)]);
        let help: Vec<&str> = variable.help.lines().map(str::trim).collect();
        roff.text([roman(help.join(" "))]);
    }
    roff.control("TP", []);
    roff.text([bold("HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY")]);
    roff.text([roman("Proxies, which Nix uses too.")]);
    roff.to_writer(page)
}
