//! What `fh serve` can be told, and how it is read.
//!
//! Every option stands once, in the table [`OPTIONS`]: its key in the TOML file (which is also its
//! flag), its environment variable, its help, its default and how its text becomes a field of
//! [`Settings`]. The command line, the file reader and the commented example file are all made from
//! that table, so they cannot drift apart.
//!
//! ```text
//! flag > FH_SERVE_… > TOML file > found on the machine (STATE_DIRECTORY) > default
//!      └──────────── each is a Given: option, texts, origin ───────────┘
//!                                 │ resolve
//!                             Settings          (parsed, validated; nothing was touched yet)
//!                                 │ check
//!                               Report          (files, directory and addresses were tried)
//! ```
//!
//! Invariants: [`resolve()`] does no I/O and reads no environment; an error names the option as the
//! person wrote it, with the line of the file where it came from one; a key that is not in the
//! table is refused. No option holds a secret, only paths of files that do, so that all of
//! [`Settings`] may be printed.

mod address;
mod draft;
mod error;
mod example;
mod file;
mod option_spec;
mod options;
mod origin;
mod resolve;
mod settings;
#[cfg(test)]
mod tests;
mod value;

pub use address::{ListenAddress, PublicUrl};
pub use error::ConfigError;
pub use example::example_file;
pub use file::read_file;
pub use option_spec::{OptionSpec, Section};
pub use options::{OPTIONS, option};
pub use origin::Origin;
pub use resolve::{Given, Resolved, ephemeral, resolve};
pub use settings::{
    DefaultOrganization, Limits, LogFormat, OrganizationCreation, ProxyHeader, Settings, Timeouts,
    TlsFiles, TokenSettings, WorkloadSettings,
};
