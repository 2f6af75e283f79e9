//! What a server is told, as values.

use std::path::PathBuf;
use std::time::Duration;

use super::address::{ListenAddress, PublicUrl};

/// All that a server is told, parsed and validated.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the database, the objects and the staging area are.
    pub data_dir: PathBuf,
    /// Where requests are answered, at least one address or inherited socket.
    pub listen: Vec<ListenAddress>,
    /// Where `/metrics` is answered to everybody who can connect.
    pub metrics_listen: Option<ListenAddress>,
    /// The address that people and tokens know the server by. Absent until the server has bound its
    /// sockets when it is to follow from the first of them; always present in a running server.
    pub public_url: Option<PublicUrl>,
    /// The certificate and key of all TCP addresses but `metrics_listen`.
    pub tls: Option<TlsFiles>,
    /// The store directory of the paths served.
    pub store_dir: fh_nix::StoreDir,
    /// `Priority` of `/nix-cache-info`; lower is asked first.
    pub priority: u32,
    /// What the names of the signing keys begin with; absent: the public URL's host.
    pub signing_key_name: Option<String>,
    /// Whose keys sign what is served.
    pub signing: fh_api::Signing,
    /// How old a standby key is at least before it signs, but for the first rotation.
    pub min_key_age: Duration,
    /// What the server takes.
    pub limits: Limits,
    /// How long it waits.
    pub timeouts: Timeouts,
    /// Proxies that are believed when they say whom they speak for.
    pub trusted_proxies: Vec<fh_api::Network>,
    /// In which header they say it.
    pub proxy_header: ProxyHeader,
    /// How long tokens last.
    pub tokens: TokenSettings,
    /// Who may make organisations.
    pub organization_creation: OrganizationCreation,
    /// Whose identities of workloads may be checked.
    pub workloads: WorkloadSettings,
    /// How long what an unfinished push has sent is kept.
    pub upload_lifetime: Duration,
    /// Time between two collections of what nothing refers to any more.
    pub collect_interval: Duration,
    /// How log lines look.
    pub log_format: LogFormat,
    /// Which log lines are written, in the syntax of `RUST_LOG`.
    pub log_filter: String,
}

/// A certificate chain and its private key, both PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The chain, the server's own certificate first.
    pub certificate: PathBuf,
    /// The private key of that certificate.
    pub key: PathBuf,
}

/// What the server takes. Sizes are bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Largest body of any request but a push plan.
    pub body_size: u64,
    /// Largest JSON body, but for a push plan.
    pub json_size: u64,
    /// Largest body of a push plan, which lists a whole closure.
    pub plan_size: u64,
    /// Bytes a second of a body, over each stall time-out that the client is waited for; 0: any number.
    pub body_rate: u64,
    /// Largest NAR, uncompressed.
    pub nar_size: u64,
    /// Uncompressed bytes of each part of a large NAR, but for the last.
    pub part_size: u64,
    /// Largest NAR (uncompressed) that may travel in a batch.
    pub batched_nar_size: u64,
    /// NARs that are decompressed and hashed at the same time.
    pub verifications: usize,
    /// Connections open at the same time, over all addresses.
    pub connections: usize,
    /// Requests a second of one principal, or without one of one address; 0: any number.
    pub request_rate: u32,
    /// Bad credentials a minute from one address; 0: any number.
    pub login_failures: u32,
    /// Tokens of one account that are good at the same time.
    pub tokens: u32,
}

/// How long the server waits, and for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// From the first byte of a request (or the connection's start) to the end of its headers, TLS
    /// handshake included.
    pub header: Duration,
    /// Between two requests of a connection.
    pub idle: Duration,
    /// Without any byte of a body that is being received or sent.
    pub stall: Duration,
    /// For the whole body of a request that is read before anything is done, but for a push plan.
    pub body: Duration,
    /// For the whole body of a push plan.
    pub plan: Duration,
    /// For running requests after the stop signal.
    pub stop: Duration,
}

/// How long tokens last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenSettings {
    /// Where nobody says for how long.
    pub default_lifetime: Duration,
    /// The longest that a token may live.
    pub max_lifetime: Duration,
    /// Whose tokens may be renewed, of accounts that belong to no organisation; nobody: none at all.
    pub renewal: fh_api::RenewalRule,
    /// How long a token and its renewals last together at most; zero: there are no renewals.
    pub max_renewal: Duration,
}

/// Where the server may ask about identities of workloads, beside the providers that it knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WorkloadSettings {
    /// Issuers of OpenID Connect, exact; `https://*` for all that speak TLS.
    pub issuers: Vec<String>,
    /// Endpoints of AWS's Security Token Service, exact.
    pub sts_endpoints: Vec<String>,
    /// Whom identities act for that name no organisation.
    pub default_organization: DefaultOrganization,
}

/// The organisation that an identity of a workload acts for which names none, and whose forge's root no
/// organisation owns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum DefaultOrganization {
    /// The one that was made first, as long as it is there.
    #[default]
    FirstMade,
    /// The organisation of this name.
    Named(fh_api::Name),
    /// None: such an identity is refused.
    Nobody,
}

/// Who may make organisations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrganizationCreation {
    /// Nobody but the administrators of the server.
    Administrators,
    /// Every account, with a token that manages.
    Anyone,
}

impl std::str::FromStr for OrganizationCreation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "administrators" => Ok(Self::Administrators),
            "anyone" => Ok(Self::Anyone),
            _ => Err(format!(
                "{text:?} is not valid; it must be administrators or anyone"
            )),
        }
    }
}

/// In which header a proxy says whom it speaks for. Only one is read: the other may have come from the client,
/// past a proxy that does not know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyHeader {
    /// `X-Forwarded-For`, a list of addresses.
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

impl std::str::FromStr for ProxyHeader {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.to_ascii_lowercase().as_str() {
            "x-forwarded-for" => Ok(Self::XForwardedFor),
            "forwarded" => Ok(Self::Forwarded),
            _ => Err(format!(
                "{text:?} is not valid; it must be X-Forwarded-For or Forwarded"
            )),
        }
    }
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines for people to read.
    Text,
    /// One JSON object a line.
    Json,
}
