//! The table of options: the one place where an option is known.

mod limits;

use super::option_spec::{BLANK, OptionSpec, Section};
use super::settings::{DefaultOrganization, LogFormat};
use super::value::{count, duration, duration_or_none, issuer, key_name, path};

/// Finds an option by its key.
#[must_use]
pub fn option(key: &str) -> Option<&'static OptionSpec> {
    OPTIONS.iter().find(|option| option.key == key)
}

/// Every option of `fh serve`, in the order of help and example file.
pub static OPTIONS: &[OptionSpec] = &ALL;

static ALL: [OptionSpec; FIRST.len() + limits::OPTIONS.len() + LAST.len()] =
    joined([FIRST, limits::OPTIONS, LAST]);

/// These tables one after the other.
const fn joined<const N: usize>(tables: [&[OptionSpec]; 3]) -> [OptionSpec; N] {
    let mut all = [BLANK; N];
    let mut end = 0;
    let mut table = 0;
    while table < tables.len() {
        let mut index = 0;
        while index < tables[table].len() {
            all[end] = tables[table][index];
            end += 1;
            index += 1;
        }
        table += 1;
    }
    all
}

/// Where the server is, what it serves, and to whom.
const FIRST: &[OptionSpec] = &[
    OptionSpec {
        key: "data-dir",
        variable: "FH_SERVE_DATA_DIR",
        value_name: "DIR",
        help: "Where the database, the stored NARs and the first administrator's token are.\n\n\
               Created at the first start. Only one server at a time can use it. Default: \
               $STATE_DIRECTORY (systemd), else fh-server below $XDG_DATA_HOME or ~/.local/share.",
        example: "/var/lib/fh-server",
        is_path: true,
        set: |draft, text| {
            draft.data_dir = Some(path(text)?);
            Ok(())
        },
        ..BLANK
    },
    OptionSpec {
        key: "listen",
        variable: "FH_SERVE_LISTEN",
        value_name: "ADDRESS",
        help: "Where to answer requests: IP:PORT or unix:/PATH. May be given several times.\n\n\
               Port 0 lets the system choose. A Unix socket has the mode 660, or the one in \
               unix:/PATH?mode=666. Sockets that systemd hands over replace the default; \
               with addresses given here, both are served.",
        default: Some("127.0.0.1:8484"),
        repeated: true,
        set: |draft, text| {
            draft.settings.listen.push(text.parse()?);
            Ok(())
        },
        ..BLANK
    },
    OptionSpec {
        key: "public-url",
        variable: "FH_SERVE_PUBLIC_URL",
        value_name: "URL",
        help: "The address that clients, tokens and nix.conf know this server by.\n\n\
               Needed behind a proxy, with a host name, and if the server listens only on a Unix socket. \
               Default: the first address.",
        example: "https://cache.example.org",
        set: |draft, text| {
            draft.settings.public_url = Some(text.parse()?);
            Ok(())
        },
        ..BLANK
    },
    OptionSpec {
        key: "trusted-proxy",
        variable: "FH_SERVE_TRUSTED_PROXY",
        value_name: "NETWORK",
        help: "Proxies that are trusted to report the addresses of clients: networks such as 10.0.0.0/8. \
               May be given several times.\n\n\
               A client's address counts for tokens that are narrowed to networks, for limits and in \
               the audit log. What connects to a Unix socket is always trusted. Without this, all clients \
               behind a proxy share one address and its limits.",
        example: "10.0.0.0/8",
        repeated: true,
        set: |draft, text| {
            let network = text
                .parse()
                .map_err(|error: fh_api::InvalidNetwork| error.to_string())?;
            draft.settings.trusted_proxies.push(network);
            Ok(())
        },
        ..BLANK
    },
    OptionSpec {
        key: "proxy-header",
        variable: "FH_SERVE_PROXY_HEADER",
        value_name: "NAME",
        help: "The header in which they report it: X-Forwarded-For, or Forwarded (RFC 7239).\n\n\
               It is read from its right end. The other one is not read at all: a client may have sent it.",
        default: Some("X-Forwarded-For"),
        set: |draft, text| {
            draft.settings.proxy_header = text.parse()?;
            Ok(())
        },
        ..BLANK
    },
    OptionSpec {
        key: "metrics-listen",
        variable: "FH_SERVE_METRICS_LISTEN",
        value_name: "ADDRESS",
        help: "Where to serve GET /metrics without credentials, never with TLS.\n\n\
               By default, only server administrators can read /metrics, on the usual addresses.",
        example: "127.0.0.1:9484",
        set: |draft, text| {
            draft.settings.metrics_listen = Some(text.parse()?);
            Ok(())
        },
        ..BLANK
    },
    OptionSpec {
        key: "tls-certificate",
        variable: "FH_SERVE_TLS_CERTIFICATE",
        section: Section::Tls,
        value_name: "FILE",
        help: "Certificate chain (PEM), the server's own first. With it, all TCP addresses speak TLS.\n\n\
               Both files are read again when they change and on SIGHUP; an invalid pair is logged, and the \
               previous one stays. Unix sockets never speak TLS.",
        example: "/etc/fh/certificate.pem",
        is_path: true,
        set: |draft, text| {
            draft.certificate = Some(path(text)?);
            Ok(())
        },
        ..BLANK
    },
    OptionSpec {
        key: "tls-key",
        variable: "FH_SERVE_TLS_KEY",
        section: Section::Tls,
        value_name: "FILE",
        help: "Private key (PEM) of the certificate.",
        example: "/etc/fh/key.pem",
        is_path: true,
        set: |draft, text| {
            draft.key = Some(path(text)?);
            Ok(())
        },
        ..BLANK
    },
    OptionSpec {
        key: "store-dir",
        variable: "FH_SERVE_STORE_DIR",
        section: Section::Cache,
        value_name: "DIR",
        help: "The store directory of the paths served. Nix refuses a cache with another one than its own.",
        default: Some("/nix/store"),
        set: |draft, text| {
            draft.settings.store_dir =
                fh_nix::StoreDir::new(text).map_err(|error| error.to_string())?;
            Ok(())
        },
        ..BLANK
    },
    OptionSpec {
        key: "priority",
        variable: "FH_SERVE_PRIORITY",
        section: Section::Cache,
        value_name: "N",
        help: "Which cache Nix asks first: the lowest number; cache.nixos.org has 40.\n\n\
               With the same number, the order in nix.conf decides, so that each machine can choose: one that \
               lists this server last asks cache.nixos.org first.",
        default: Some("40"),
        set: |draft, text| {
            draft.settings.priority = count(text, 0, 1_000_000)?;
            Ok(())
        },
        ..BLANK
    },
    OptionSpec {
        key: "signing-key-name",
        variable: "FH_SERVE_SIGNING_KEY_NAME",
        section: Section::Cache,
        value_name: "NAME",
        help: "The beginning of the names of the signing keys; a number follows.\n\n\
               Used when a key is created, at the first start and at a rotation. Default: the public URL's \
               host; if that is an IP address, a unique name.",
        example: "cache.example.org",
        set: |draft, text| {
            draft.settings.signing_key_name = Some(key_name(text)?);
            Ok(())
        },
        ..BLANK
    },
    OptionSpec {
        key: "signing",
        variable: "FH_SERVE_SIGNING",
        section: Section::Cache,
        value_name: "KEYS",
        help: "Whose keys sign: shared (the same for all organisations) or per-organization.\n\n\
               With shared keys, a machine that trusts them accepts paths of every organisation, from any \
               source. With per-organization, each organisation has two keys of its own, created with it or at \
               the next start, and `fh login` writes a line for each organisation in place of the root. \
               Clients have to log in again after a change.",
        default: Some("shared"),
        set: |draft, text| {
            let signing = text.parse::<fh_api::Signing>();
            draft.settings.signing = signing.map_err(|error| error.to_string())?;
            Ok(())
        },
        ..BLANK
    },
    OptionSpec {
        key: "min-key-age",
        variable: "FH_SERVE_MIN_KEY_AGE",
        section: Section::Cache,
        value_name: "TIME",
        help: "How old the standby key must be before the keys are rotated again.\n\n\
               Clients learn the standby key when they log in. Those that have not logged in since it was created \
               have neither key after the rotation, and substitute nothing until they log in again. The first \
               rotation is possible at any time, and every one with `fh key rotate --force`.",
        default: Some("30d"),
        set: |draft, text| {
            draft.settings.min_key_age = duration(text)?;
            Ok(())
        },
        ..BLANK
    },
    OptionSpec {
        key: "organization-creation",
        variable: "FH_SERVE_ORGANIZATION_CREATION",
        section: Section::Access,
        value_name: "WHO",
        help: "Who can create organisations: administrators (of the server), or anyone.\n\n\
               Everybody can see the names of organisations, and whoever creates one takes its name. If only \
               administrators can, they create one for a user with `fh org create ORG --owner USER`.",
        default: Some("administrators"),
        set: |draft, text| {
            draft.settings.organization_creation = text.parse()?;
            Ok(())
        },
        ..BLANK
    },
    OptionSpec {
        key: "token-lifetime",
        variable: "FH_SERVE_TOKEN_LIFETIME",
        section: Section::Tokens,
        value_name: "TIME",
        help: "The default lifetime of a token.",
        default: Some("90d"),
        set: |draft, text| {
            draft.settings.tokens.default_lifetime = duration(text)?;
            Ok(())
        },
        ..BLANK
    },
    OptionSpec {
        key: "max-token-lifetime",
        variable: "FH_SERVE_MAX_TOKEN_LIFETIME",
        section: Section::Tokens,
        value_name: "TIME",
        help: "The maximum lifetime of a token. Existing tokens keep their expiry.",
        default: Some("730d"),
        set: |draft, text| {
            draft.settings.tokens.max_lifetime = duration(text)?;
            Ok(())
        },
        ..BLANK
    },
    OptionSpec {
        key: "renewal",
        variable: "FH_SERVE_RENEWAL",
        section: Section::Tokens,
        value_name: "WHO",
        help: "Whose tokens may be renewed with `fh token renew`: people, everybody (service accounts too) or \
               nobody.\n\n\
               A renewed token may do the same, and gets a new full lifetime. Of its service accounts each \
               organisation decides itself (`fh org set ORG --renewal everybody`), unless this is nobody.",
        default: Some("people"),
        set: |draft, text| {
            let rule = text.parse::<fh_api::RenewalRule>();
            draft.settings.tokens.renewal = rule.map_err(|error| error.to_string())?;
            Ok(())
        },
        ..BLANK
    },
    OptionSpec {
        key: "max-renewal",
        variable: "FH_SERVE_MAX_RENEWAL",
        section: Section::Tokens,
        value_name: "TIME",
        help: "How long a token and its renewals may last together, from the creation of the first one; 0 for no \
               renewals.\n\n\
               After that, its user needs a new token. A token that was created to last longer keeps its expiry, \
               and cannot be renewed.",
        default: Some("365d"),
        set: |draft, text| {
            draft.settings.tokens.max_renewal = duration_or_none(text)?;
            Ok(())
        },
        ..BLANK
    },
    OptionSpec {
        key: "oidc-issuer",
        variable: "FH_SERVE_OIDC_ISSUER",
        section: Section::Tokens,
        value_name: "URL",
        help: "Issuers of workload identities whose keys the server may fetch. May be given several \
               times.\n\n\
               GitHub, GitLab, Buildkite, CircleCI, Semaphore and Google Cloud are always allowed, and trust \
               policies with their own keys need none. Write them exactly as the identities have them, such \
               as \
               https://gitlab.example.org; https://* allows every issuer that an organisation's \
               administrators choose, also in the server's own network.",
        example: "https://gitlab.example.org",
        repeated: true,
        set: |draft, text| {
            draft.settings.workloads.issuers.push(issuer(text)?);
            Ok(())
        },
        ..BLANK
    },
    OptionSpec {
        key: "aws-sts-endpoint",
        variable: "FH_SERVE_AWS_STS_ENDPOINT",
        section: Section::Tokens,
        value_name: "URL",
        help: "Endpoints of AWS's Security Token Service in addition to the public ones, such as a private one of \
               a VPC. May be given several times.",
        example: "https://vpce-1.sts.eu-central-1.vpce.amazonaws.com/",
        repeated: true,
        set: |draft, text| {
            draft.settings.workloads.sts_endpoints.push(issuer(text)?);
            Ok(())
        },
        ..BLANK
    },
    OptionSpec {
        key: "default-organization",
        variable: "FH_SERVE_DEFAULT_ORGANIZATION",
        section: Section::Tokens,
        value_name: "ORG",
        help: "The organisation that a workload acts for if its identity names none; none: it is refused.\n\n\
               A workload names one in the exchange, by its audience or by the address, or it belongs to a \
               root that an organisation owns (`fh org own`). Default: the organisation that was created \
               first. It never depends on whose trust policies the workload meets.",
        example: "acme",
        set: |draft, text| {
            draft.settings.workloads.default_organization = match text {
                "none" => DefaultOrganization::Nobody,
                name => DefaultOrganization::Named(
                    name.parse()
                        .map_err(|error: fh_api::InvalidName| error.to_string())?,
                ),
            };
            Ok(())
        },
        ..BLANK
    },
];

/// What it tells of itself.
const LAST: &[OptionSpec] = &[
    OptionSpec {
        key: "log-format",
        variable: "FH_SERVE_LOG_FORMAT",
        section: Section::Log,
        value_name: "FORMAT",
        help: "How log lines look on stderr: text, or json (one object per line).",
        default: Some("text"),
        set: |draft, text| {
            draft.settings.log_format = match text {
                "text" => LogFormat::Text,
                "json" => LogFormat::Json,
                _ => {
                    return Err(format!(
                        "{text:?} is not a log format; it must be text or json"
                    ));
                }
            };
            Ok(())
        },
        ..BLANK
    },
    OptionSpec {
        key: "log-filter",
        variable: "FH_SERVE_LOG_FILTER",
        section: Section::Log,
        value_name: "FILTER",
        help: "Which log lines are written: a level (error, warn, info, debug), or levels by part: \
               warn,fh_server=debug.",
        default: Some("info"),
        set: |draft, text| {
            tracing_subscriber::EnvFilter::builder()
                .parse(text)
                .map_err(|error| format!("{text:?} is not a valid filter: {error}"))?;
            text.clone_into(&mut draft.settings.log_filter);
            Ok(())
        },
        ..BLANK
    },
];
