//! The one error type of this crate.
//!
//! Invariants: no message repeats its source; text that came from elsewhere (a server's sentence,
//! a proxy's page, what nix printed) is shortened and free of control characters before it gets in
//! here; no variant ever holds a token.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use fh_api::{ErrorBody, ErrorCode};

use crate::server_kind::ServerKind;

/// The result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong in this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A text that is no address of a server.
    #[error("{given:?} is not a valid server address: {reason}")]
    InvalidServerUrl {
        /// What was given, shortened.
        given: String,
        /// What is wrong with it.
        reason: String,
    },

    /// A token that cannot be sent in a header.
    #[error("the token is malformed: {reason}")]
    InvalidToken {
        /// What is wrong with it, without the token.
        reason: Cow<'static, str>,
    },

    /// Certificates of a certificate authority that cannot be used.
    #[error("the certificates given for TLS cannot be used: {reason}")]
    CaCertificate {
        /// What is wrong with them.
        reason: String,
    },

    /// The HTTP client could not be set up.
    #[error("cannot set up the HTTP client")]
    HttpSetup(#[source] Box<dyn std::error::Error + Send + Sync>),

    /// Nobody is trusted, so that nobody can be believed.
    #[error("this machine has no certificates to trust")]
    NoCertificates,

    /// No answer came: the request did not get there, or the connection broke.
    #[error("cannot reach {url}: {cause}")]
    Unreachable {
        /// The address that the request went to.
        url: String,
        /// What was found out about the reason.
        cause: UnreachableCause,
    },

    /// The server wants the request at another address. Tokens are never sent after a redirect.
    #[error("{url} redirects to {location}")]
    Redirected {
        /// The address that the request went to.
        url: String,
        /// The address of its `Location`, shortened.
        location: String,
    },

    /// Something answers at this address, but it is no fh server.
    #[error("{url} is not an fh server: {reason}")]
    NotAnFhServer {
        /// The address that was tried.
        url: String,
        /// How it was found out.
        reason: String,
    },

    /// Something answers at this address, and it speaks none of the protocols that are known.
    #[error("{url} answers neither as an fh server nor as an attic server")]
    UnknownProtocol {
        /// The address that was tried.
        url: String,
    },

    /// A flake was named where the server has caches, or the other way round.
    #[error("{target} cannot be on {server}, which {}", protocol_clause(*protocol))]
    WrongTarget {
        /// The server that was named.
        server: String,
        /// What this server speaks, and so what it holds.
        protocol: ServerKind,
        /// The flake or cache that was named.
        target: String,
    },

    /// FlakeHub has no such project, or does not show it.
    #[error("FlakeHub has no flake {flake}, or your token may not see it")]
    NoSuchProject {
        /// The flake, `org/project`, that was asked for.
        flake: String,
    },

    /// A cache for another store directory.
    #[error("the cache holds paths of {theirs}, but these are of {ours}")]
    OtherStoreDir {
        /// The store directory that the cache names.
        theirs: String,
        /// That of the paths to push.
        ours: String,
    },

    /// The server does not accept the credentials, or wants some (401).
    #[error("{url} does not accept the credentials: {message}")]
    Unauthorized {
        /// The address that the request went to.
        url: String,
        /// The sentence in which the server says why.
        message: String,
    },

    /// The server does not exchange an identity for a token.
    #[error("{url} refuses the exchange: {message}")]
    ExchangeRefused {
        /// The address that the request went to.
        url: String,
        /// The HTTP status of the answer.
        status: u16,
        /// The code of RFC 6749, such as `invalid_grant`.
        code: String,
        /// The sentence in which the server says why.
        message: String,
    },

    /// A workload's identity could not be found where it runs.
    #[error("{reason}")]
    NoIdentity {
        /// What was looked for, and what there was.
        reason: String,
        /// What to set or to do; may have lines to copy.
        advice: String,
        /// What failed on the way.
        #[source]
        source: Option<Box<Error>>,
    },

    /// The server refused or failed, and said why.
    #[error("{}", body.message)]
    Api {
        /// The address that the request went to.
        url: String,
        /// The HTTP status of the answer.
        status: u16,
        /// The server's own words.
        body: Box<ErrorBody>,
    },

    /// An error status whose body is not the fh API's, such as a proxy's page.
    #[error("{url} answered with status {status}{}", clause(": ", excerpt))]
    Status {
        /// The address that the request went to.
        url: String,
        /// The HTTP status of the answer.
        status: u16,
        /// The beginning of the body as plain text; may be empty.
        excerpt: String,
    },

    /// Something before the server takes no request of this size: a 413 that is not the fh API's.
    #[error(
        "something in front of the server refuses a request of this size: {url} answered with status 413{}",
        clause(": ", excerpt)
    )]
    TooLargeForProxy {
        /// The address that the request went to.
        url: String,
        /// The beginning of the body as plain text; may be empty.
        excerpt: String,
    },

    /// A successful answer that does not hold what the API says it holds.
    #[error("{url} gave an invalid answer: {reason}")]
    InvalidAnswer {
        /// The address that the request went to.
        url: String,
        /// What is wrong with it.
        reason: String,
    },

    /// A request that cannot be written down.
    #[error("the request cannot be written: {reason}")]
    InvalidRequest {
        /// What about it cannot be written.
        reason: String,
    },

    /// A file or a directory of this machine could not be used.
    #[error("cannot {action} {}", path.display())]
    File {
        /// What was tried, such as `read`.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },

    /// The configuration file is not the TOML that it should be.
    #[error("{}: {reason}", path.display())]
    InvalidConfig {
        /// The file that lists the servers.
        path: PathBuf,
        /// Where in the file, and what is wrong there.
        reason: String,
    },

    /// A token file that others than its owner can read, and that cannot be tightened.
    #[error("the token file {} can be read by others (mode {mode:03o})", path.display())]
    InsecureTokenFile {
        /// The file in which the token is.
        path: PathBuf,
        /// The permission bits that it has.
        mode: u32,
    },

    /// No server of that address or name is known.
    #[error("there are no stored credentials for {server}")]
    UnknownServer {
        /// The address or the name that was asked for.
        server: String,
    },

    /// A program could not be started.
    #[error("cannot run {}", program.display())]
    CannotRun {
        /// The program, by name or path.
        program: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },

    /// Another program, nix among them, ran and failed.
    #[error("`{command}` failed ({status}){}", clause(":\n", stderr))]
    ProgramFailed {
        /// The command line, shortened.
        command: String,
        /// The exit status or signal with which it ended.
        status: String,
        /// The end of what it wrote to stderr.
        stderr: String,
    },

    /// nix did not end in time.
    #[error("`{command}` did not end within {} s{}", limit.as_secs_f64(), clause(":\n", stderr))]
    NixHangs {
        /// The command line, shortened.
        command: String,
        /// How long was waited.
        limit: std::time::Duration,
        /// The end of what it wrote to stderr.
        stderr: String,
    },

    /// nix printed something that cannot be understood.
    #[error("the output of `{command}` cannot be parsed: {reason}")]
    NixOutput {
        /// The command line, shortened.
        command: String,
        /// What about the output is not as expected.
        reason: String,
    },

    /// A path info that cannot be understood.
    #[error("cannot read the path infos that nix printed")]
    PathInfos(#[source] fh_nix::Error),

    /// Paths that are not valid in the local store.
    #[error("{}", invalid_paths_sentence(paths))]
    InvalidPaths {
        /// The paths in full, with the store directory.
        paths: Vec<String>,
    },

    /// Paths that nix knows, whose files are somewhere else than expected.
    #[error("nix knows {path}, but its files are not below {}", tried.join(" or "))]
    NoStoreFiles {
        /// The full store path.
        path: String,
        /// Where they were looked for.
        tried: Vec<String>,
    },

    /// A file that is not below the store.
    #[error("{} is not a link into the store {store_dir}", path.display())]
    NotInStore {
        /// The path that was given.
        path: PathBuf,
        /// The store directory in which it had to be.
        store_dir: String,
    },

    /// An argument that is neither a path that exists nor a flake installable.
    #[error("{argument:?} is neither a path that exists nor a flake installable")]
    NoSuchPath {
        /// The argument that was given, shortened.
        argument: String,
    },

    /// An argument that nix could take for an option.
    #[error("{argument:?} is neither a store path nor an installable: it begins with a dash")]
    OptionLike {
        /// The argument that was given, shortened.
        argument: String,
    },

    /// Nothing was given to push.
    #[error("nothing to push: no path was given")]
    NothingGiven,

    /// The server's plan does not fit the request, or its limits are unusable.
    #[error("the server's plan cannot be used: {reason}")]
    InvalidPlan {
        /// What is wrong with it.
        reason: String,
    },

    /// Something was not done within the time that it was given.
    #[error("the time limit of {} s was reached", allowed.as_secs_f64())]
    OutOfTime {
        /// How much that was.
        allowed: std::time::Duration,
    },

    /// The worker threads of a push could not be started or ended early.
    #[error("cannot run the threads of the push")]
    Threads(#[source] io::Error),

    /// The compression level is out of range.
    #[error("the compression level {given} is out of range: it is 1 to {max}")]
    CompressionLevel {
        /// The level that was asked for.
        given: i32,
        /// The highest level that there is.
        max: i32,
    },
}

impl Error {
    /// The HTTP status of the answer, where there was one.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Unauthorized { .. } => Some(401),
            Self::TooLargeForProxy { .. } => Some(413),
            Self::Api { status, .. }
            | Self::Status { status, .. }
            | Self::ExchangeRefused { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// The server's error code, where it gave one.
    #[must_use]
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Unauthorized { .. } => Some(ErrorCode::Unauthorized),
            Self::Api { body, .. } => Some(body.error),
            _ => None,
        }
    }

    /// Under which the server's log has more, where the server said so.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        match self {
            Self::Api { body, .. } => body.request_id.as_deref(),
            _ => None,
        }
    }

    pub(crate) fn file(action: &'static str, path: &Path, source: impl Into<io::Error>) -> Self {
        Self::File {
            action,
            path: path.to_owned(),
            source: source.into(),
        }
    }
}

/// Why no answer came.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnreachableCause {
    /// Nothing listens at this address and port.
    Refused,
    /// The host name could not be resolved.
    Dns {
        /// The host name in question.
        host: String,
    },
    /// The server's TLS certificate is not trusted.
    Certificate {
        /// What is wrong with it.
        reason: String,
        /// Whether nobody knows it or its issuer here: then it helps to trust one of them.
        is_unknown: bool,
    },
    /// What answers does not speak HTTP; often it speaks TLS.
    NotHttp {
        /// What the HTTP library said.
        reason: String,
    },
    /// TLS could not be agreed upon for another reason, such as plain HTTP on the other end.
    Tls {
        /// What the TLS library said.
        reason: String,
    },
    /// No connection, or no progress, within the time allowed.
    TimedOut,
    /// The connection was closed or reset before the answer was complete.
    Closed,
    /// None of those above.
    Other {
        /// What the system said.
        reason: String,
    },
}

impl fmt::Display for UnreachableCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused => f.write_str("the connection was refused"),
            Self::Dns { host } => write!(f, "the host name {host} cannot be resolved"),
            Self::Certificate { reason, .. } => {
                write!(f, "its TLS certificate is not trusted: {reason}")
            }
            Self::NotHttp { reason } => {
                write!(f, "what answers there does not speak HTTP ({reason})")
            }
            Self::Tls { reason } => write!(f, "TLS failed: {reason}"),
            Self::TimedOut => f.write_str("it did not answer in time"),
            Self::Closed => f.write_str("the connection was closed before the answer came"),
            Self::Other { reason } => f.write_str(reason),
        }
    }
}

/// At most this many paths are named in one sentence.
const NAMED_PATHS: usize = 5;

fn invalid_paths_sentence(paths: &[String]) -> String {
    let verb = if paths.len() == 1 { "is" } else { "are" };
    let named = &paths[..paths.len().min(NAMED_PATHS)];
    let more = match paths.len() - named.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!(
        "{}{more} {verb} not valid in the local store",
        named.join(", ")
    )
}

fn protocol_clause(protocol: ServerKind) -> &'static str {
    match protocol {
        ServerKind::Fh => "is an fh server and holds flakes, ORG/PROJECT",
        ServerKind::Attic => "is an attic server and holds caches, whose names have no slash",
        ServerKind::FlakeHub => "is FlakeHub and holds flakes, ORG/PROJECT",
    }
}

/// What is said after a message, if there is anything.
fn clause(separator: &str, text: &str) -> String {
    match text {
        "" => String::new(),
        text => format!("{separator}{text}"),
    }
}
