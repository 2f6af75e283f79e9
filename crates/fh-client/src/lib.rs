//! The client side of fh: HTTP, credentials, closures and the push engine.
//!
//! - [`Client`] speaks the HTTP API of one server, one method per route.
//! - [`credentials`] keeps the servers that the user logged in to and their tokens.
//! - [`closure`] asks nix what a closure consists of.
//! - [`workload`] finds the identity that a CI job, a machine or a pod has where it runs.
//! - [`push()`] sends a closure to a server.
//!
//! Invariants: nothing here prints, reads the process's environment or knows a command line; what
//! is worth telling goes through [`push::PushObserver`] and the other callbacks. A token goes to
//! the server that it was given for and nowhere else. Memory stays bounded whatever is sent and
//! however slow the line is.

mod audit;
mod authorization;
mod client;
pub mod closure;
pub mod credentials;
mod deadline;
mod error;
mod foreign;
mod http;
mod logs;
pub mod push;
pub mod retry;
mod routes;
mod server_kind;
mod server_url;
pub mod targets;
mod text;
mod tls;
mod token;
mod words;
pub mod workload;

pub use audit::AuditFilter;
pub use authorization::{IssuedToken, TokenSource, left_of};
pub use client::{Client, ClientBuilder};
pub use closure::{Closure, ClosurePath, NixTools};
pub use credentials::{CredentialStore, Reading, ServerEntry, ServerList, TokenStore};
pub use deadline::Deadline;
pub use error::{Error, Result, UnreachableCause};
pub use foreign::{AtticCache, FlakeHub, FlakeHubStatus};
pub use http::UploadBody;
pub use logs::LogDirectory;
pub use push::{PushEvent, PushObserver, PushOptions, PushReport, push};
pub use retry::{DEFAULT_RETRIES, RetryEvent, RetryListener, RetryPolicy};
pub use routes::{Follower, Made};
pub use server_kind::ServerKind;
pub use server_url::ServerUrl;
pub use tls::{certificates, certificates_expire_at};
pub use token::{bare_token, check_token};
pub use words::UnknownWord;
