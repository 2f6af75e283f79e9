//! The one place where a failure becomes words and an exit code.
//!
//! ```text
//! Error: what went wrong
//! Caused by: why
//! Hint: what to do next
//! ```
//!
//! Invariants: each of these is said once, on stderr, and reads the same without colours; no
//! control character of a server or a file reaches the terminal.

mod command_error;
mod hints;
pub(crate) mod json;
pub(crate) mod nouns;
#[cfg(test)]
mod tests;

pub(crate) use command_error::{CommandError, Explain, Named, Status};
pub(crate) use hints::PROXY_LIMIT;
