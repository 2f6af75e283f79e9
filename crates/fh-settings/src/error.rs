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
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is no TOML.
    #[error("{}, line {line}: {message}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What TOML's reader says.
        message: String,
    },
    /// A key that is not known.
    #[error("{}, line {line}: unknown key `{key}`{}", path.display(), suggestion(*similar))]
    UnknownKey {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// The key.
        key: String,
        /// A known one that looks like it.
        similar: Option<&'static str>,
    },
    /// A value that its option does not take.
    #[error("{}: {message}", origin.named(key))]
    Value {
        /// The option.
        key: &'static str,
        /// Where it was given.
        origin: Origin,
        /// What is wrong with it.
        message: String,
    },
    /// An option that is needed and that nothing gives.
    #[error("`{key}` is not set: {message}")]
    Missing {
        /// The option.
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
