//! Where a value of an option came from.

use std::fmt;
use std::path::PathBuf;

use super::options::option;

/// Where a value came from. The later of two in this order is the one that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The table of options.
    Default,
    /// Something that the machine says where nobody chose, such as `STATE_DIRECTORY`.
    Machine(&'static str),
    /// A line of the configuration file.
    File {
        /// The file, as it was named.
        path: PathBuf,
        /// Its line, counted from 1.
        line: usize,
    },
    /// The option's environment variable.
    Environment,
    /// The option's flag on the command line.
    Flag,
    /// The program that holds the server, such as a test.
    Program,
}

impl Origin {
    pub(super) fn precedence(&self) -> u8 {
        match self {
            Self::Default => 0,
            Self::Machine(_) => 1,
            Self::File { .. } => 2,
            Self::Environment => 3,
            Self::Flag => 4,
            Self::Program => 5,
        }
    }

    /// The option as the person wrote it there, for the beginning of an error.
    pub(super) fn named(&self, key: &str) -> String {
        match self {
            Self::Default => format!("the default of `{key}`"),
            Self::Machine(name) => format!("`{key}`, taken from {name}"),
            Self::File { path, line } => format!("{}, line {line}: `{key}`", path.display()),
            Self::Environment => {
                option(key).map_or_else(|| key.to_owned(), |option| option.variable.to_owned())
            }
            Self::Flag => format!("--{key}"),
            Self::Program => format!("`{key}`"),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Machine(name) => f.write_str(name),
            Self::File { path, line } => write!(f, "{}, line {line}", path.display()),
            Self::Environment => f.write_str("environment"),
            Self::Flag => f.write_str("command line"),
            Self::Program => f.write_str("program"),
        }
    }
}
