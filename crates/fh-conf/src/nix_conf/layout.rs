//! Which file is to be edited, where more than one program has a hand in `nix.conf`.
//!
//! | set-up | what is found | what is edited |
//! |---|---|---|
//! | Nix's own installers | a file, or none | that file |
//! | Determinate Nix | a file that says `!include nix.custom.conf`, and is written anew at each upgrade | `nix.custom.conf`, which need not exist |
//! | NixOS, nix-darwin | a link by way of `/etc/static` into the store | nothing: the system's configuration, by a person |
//! | home-manager | a link into a `…-home-manager-files` of the store | nothing: the home's configuration, by a person |
//! | links to elsewhere, such as a person's dotfiles | a link to a file | that file |
//!
//! [`Seen::decide`] is the decision alone, over what [`Seen::look`] has read; [`file_to_edit`] is
//! both, as often as it takes.

use std::path::{Path, PathBuf};

use super::include::{included_from, path_from_bytes};
use super::line::{self, Line};
use crate::atomic;
use crate::{Error, Result};

/// The name of the file that Determinate Nix leaves to the person.
const CUSTOM: &str = "nix.custom.conf";

/// Where NixOS and nix-darwin collect the files of `/etc`.
const STATIC: &str = "/etc/static";

/// What is in the place of a `nix.conf`.
#[derive(Clone, PartialEq, Eq)]
pub struct Seen {
    /// The name by which Nix opens it.
    pub path: PathBuf,
    /// Where each symbolic link on the way leads, if `path` is one.
    pub links: Vec<PathBuf>,
    /// The file itself, all links followed.
    pub target: PathBuf,
    /// Whether that is in the Nix store.
    pub in_store: bool,
    /// Its text; `None` if there is no file.
    pub text: Option<Vec<u8>>,
    /// Whether this is macOS.
    pub is_mac: bool,
}

/// What is to be done with what was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// This file is to be edited.
    Edit(PathBuf),
    /// Another program owns this file, and has it include this one for us: the same question there.
    GoOn(PathBuf),
    /// It is made from a configuration, and is not to be edited.
    Generated(Generator),
}

/// What makes a `nix.conf`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Generator {
    /// The system's configuration on Linux.
    NixOs,
    /// The system's configuration on macOS.
    NixDarwin,
    /// The configuration of one person's home.
    HomeManager,
    /// It is in the store, and its path does not tell why.
    Unknown,
}

/// The answer of [`file_to_edit`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileToEdit {
    /// The file that is edited, by the name by which Nix opens it. It need not exist.
    Path {
        /// The file that is edited.
        path: PathBuf,
        /// The `nix.conf` that includes it, if it is not that one itself.
        included_by: Option<PathBuf>,
    },
    /// There is none, because this one is made from a configuration.
    Generated {
        /// The file that Nix opens.
        path: PathBuf,
        /// The file in the store.
        target: PathBuf,
        /// The configuration that it is made from.
        by: Generator,
    },
}

impl Seen {
    /// Looks at the file of this name. `store` is the Nix store.
    ///
    /// # Errors
    ///
    /// As [`atomic::resolve`] and [`atomic::read_private`].
    pub fn look(path: &Path, store: &Path) -> Result<Self> {
        let target = atomic::resolve(path)?;
        let mut links = Vec::new();
        let mut at = path.to_owned();
        // That this ends is known since `resolve`; the number is for links that change meanwhile.
        while let Ok(link) = std::fs::read_link(&at)
            && links.len() < 40
        {
            at = included_from(&at, &link);
            links.push(at.clone());
        }
        Ok(Self {
            path: path.to_owned(),
            links,
            in_store: atomic::is_in_store(&target, store),
            text: atomic::read_private(&target)?.map(|file| file.content),
            target,
            is_mac: cfg!(target_os = "macos"),
        })
    }

    /// Which file is to be edited, or why none is.
    ///
    /// # Errors
    ///
    /// [`Error::NixConfSyntax`] for a text that is not understood.
    pub fn decide(&self) -> Result<Decision> {
        if self.in_store {
            return Ok(Decision::Generated(self.generator()));
        }
        let text = self.text.as_deref().unwrap_or_default();
        let mut position = 0;
        while position < text.len() {
            let (line, next) = line::read(text, position);
            position = next;
            let line = line.map_err(|fault| fault.error(&self.path, text))?;
            let Line::Include { file, .. } = line else {
                continue;
            };
            let file = included_from(&self.path, &path_from_bytes(&text[file]));
            if file.file_name().is_some_and(|name| name == CUSTOM) && file != self.path {
                return Ok(Decision::GoOn(file));
            }
        }
        Ok(Decision::Edit(self.path.clone()))
    }

    fn generator(&self) -> Generator {
        let is_static = |path: &PathBuf| path.starts_with(STATIC);
        let is_of_home = |path: &PathBuf| {
            path.components().any(|part| {
                part.as_os_str()
                    .as_encoded_bytes()
                    .ends_with(b"-home-manager-files")
            })
        };
        let mut all = self.links.iter().chain([&self.target]);
        if all.clone().any(is_of_home) {
            Generator::HomeManager
        } else if !all.any(is_static) {
            Generator::Unknown
        } else if self.is_mac {
            Generator::NixDarwin
        } else {
            Generator::NixOs
        }
    }
}

/// Which file is to be edited so that Nix, which opens `path`, heeds it.
///
/// # Errors
///
/// As [`Seen::look`] and [`Seen::decide`]; [`Error::IncludeCycle`] for files that lead to each
/// other.
pub fn file_to_edit(path: &Path, store: &Path) -> Result<FileToEdit> {
    let mut seen = Seen::look(path, store)?;
    let mut includers: Vec<PathBuf> = Vec::new();
    loop {
        match seen.decide()? {
            Decision::Edit(path) => {
                return Ok(FileToEdit::Path {
                    path,
                    included_by: includers.pop(),
                });
            }
            Decision::Generated(by) => {
                return Ok(FileToEdit::Generated {
                    path: seen.path,
                    target: seen.target,
                    by,
                });
            }
            Decision::GoOn(next) => {
                if includers.contains(&next) {
                    return Err(Error::IncludeCycle {
                        path: seen.path,
                        line: 1,
                        included: next,
                    });
                }
                includers.push(seen.path);
                seen = Seen::look(&next, store)?;
            }
        }
    }
}

/// A setting for [`module_settings`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModuleValue<'a> {
    /// One value, written as a string.
    Text(&'a str),
    /// Several values, written as a list of strings.
    List(&'a [String]),
}

/// Settings as a piece of the Nix language, `nix.settings = { … };`, for the configuration of NixOS,
/// nix-darwin or home-manager.
#[must_use]
pub fn module_settings(settings: &[(&str, ModuleValue<'_>)]) -> String {
    let lines = settings.iter().map(|(name, value)| match value {
        ModuleValue::Text(text) => format!("  {name} = {};\n", nix_string(text)),
        ModuleValue::List(values) => {
            let values = values.iter().map(|value| nix_string(value) + " ");
            format!("  {name} = [ {}];\n", values.collect::<String>())
        }
    });
    format!("nix.settings = {{\n{}}};", lines.collect::<String>())
}

/// A string of the Nix language.
fn nix_string(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' | '\\' | '$' => quoted.extend(['\\', letter]),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            other => quoted.push(other),
        }
    }
    quoted + "\""
}

impl std::fmt::Debug for Seen {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Seen")
            .field("path", &self.path)
            .field("links", &self.links)
            .field("target", &self.target)
            .finish_non_exhaustive()
    }
}
