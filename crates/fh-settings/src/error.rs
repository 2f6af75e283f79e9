//! Why a configuration is refused.

use std::io;
use std::path::PathBuf;

use super::origin::Origin;

/// Why a configuration is refused. The messages name the option as the person wrote it.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration file {}", path.display())]
    Read {
        /// The configuration file, as it was named.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The file is no TOML.
    #[error("{}, line {line}: {message}", path.display())]
    Syntax {
        /// The configuration file, as it was named.
        path: PathBuf,
        /// The line of the file, counted from 1.
        line: usize,
        /// What TOML's reader says.
        message: String,
    },
    /// A key that is not known.
    #[error("{}, line {line}: unknown key `{key}`{}", path.display(), suggestion(*similar))]
    UnknownKey {
        /// The configuration file, as it was named.
        path: PathBuf,
        /// The line of the file, counted from 1.
        line: usize,
        /// The key that no option has.
        key: String,
        /// A known one that looks like it.
        similar: Option<&'static str>,
    },
    /// A value that its option does not take.
    #[error("{}: {message}", origin.named(key))]
    Value {
        /// The key of the option in the table.
        key: &'static str,
        /// Where it was given.
        origin: Origin,
        /// What is wrong with it.
        message: String,
    },
    /// An option that is needed and that nothing gives.
    #[error("`{key}` is not set: {message}")]
    Missing {
        /// The key of the option in the table.
        key: &'static str,
        /// Why it is needed, and what to write.
        message: String,
    },
}

fn suggestion(similar: Option<&str>) -> String {
    similar.map_or_else(String::new, |similar| {
        format!("; did you mean `{similar}`?")
    })
}
