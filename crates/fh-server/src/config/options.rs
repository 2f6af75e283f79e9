//! The table of options: the one place where an option is known.

use super::option_spec::{OptionSpec, Section};
use super::value::{count, duration, issuer, key_name, path, size, verifications};
use super::{DefaultOrganization, LogFormat};

/// Finds an option by its key.
#[must_use]
pub fn option(key: &str) -> Option<&'static OptionSpec> {
    OPTIONS.iter().find(|option| option.key == key)
}

/// What most options share, for the table below.
const BLANK: OptionSpec = OptionSpec {
    key: "",
    variable: "",
    section: Section::Server,
    value_name: "TEXT",
    help: "",
    default: None,
    example: "",
    repeated: false,
    is_path: false,
    set: |_, _| Ok(()),
};

const ONE_KIB: u64 = 1 << 10;

/// Every option of `fh serve`, in the order of help and example file.
pub static OPTIONS: &[OptionSpec] = &[
    OptionSpec {
        key: "data-dir",
        variable: "FH_SERVE_DATA_DIR",
        value_name: "DIR",
        help: "Where the database, the stored NARs and the first administrator's token are.\n\n\
               Made at the first start. One server at a time uses it. Without it: \
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
               Port 0 lets the system choose. A Unix socket has the mode 660, or what \
               unix:/PATH?mode=666 says. Sockets that systemd hands over replace the default; \
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
               Needed behind a proxy, with a host name, and where only a Unix socket is listened \
               on. Without it: made of the first address.",
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
        help: "Proxies whose X-Forwarded-For is believed: networks such as 10.0.0.0/8. May be given \
               several times.\n\n\
               A client's address counts for tokens that are narrowed to networks, for limits and in \
               the audit log. What connects to a Unix socket is always believed.",
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
        key: "metrics-listen",
        variable: "FH_SERVE_METRICS_LISTEN",
        value_name: "ADDRESS",
        help: "Where to answer GET /metrics without credentials, never with TLS.\n\n\
               Without it, /metrics is answered to server administrators on the usual addresses.",
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
               Both files are read again when they change and on SIGHUP; a pair that cannot be \
               used is logged, and the former one stays. Unix sockets never speak TLS.",
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
        help: "The store directory of the paths served. Nix refuses a cache with another than its own.",
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
               With the same number the order in nix.conf decides, so that each machine may choose: \
               one that lists this server last asks cache.nixos.org first, and this one for the rest.",
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
        help: "What the names of the signing keys begin with; a number follows.\n\n\
               Counts when a key is made, at the first start and at a rotation. Without it: the \
               public URL's host; where that is an address, a name that no other server has.",
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
               With shared keys a machine that trusts them takes what any organisation served, \
               however it came there. With per-organization each organisation has two keys of its \
               own, made when it is made or at the next start, and `fh login` writes a line for each \
               organisation in place of the root. Clients have to log in again after a change.",
        default: Some("shared"),
        set: |draft, text| {
            let signing = text.parse::<fh_api::Signing>();
            draft.settings.signing = signing.map_err(|error| error.to_string())?;
            Ok(())
        },
        ..BLANK
    },
    OptionSpec {
        key: "organization-creation",
        variable: "FH_SERVE_ORGANIZATION_CREATION",
        section: Section::Access,
        value_name: "WHO",
        help: "Who makes organisations: administrators (of the server), or anyone.\n\n\
               Names of organisations are for everybody to see, and who makes one has its name. Where \
               administrators make them, they make one for a user with `fh org create ORG --owner USER`.",
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
        help: "How long a token lasts where its maker says nothing.",
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
        help: "How long a token lasts at most. Tokens that exist already keep their end.",
        default: Some("730d"),
        set: |draft, text| {
            draft.settings.tokens.max_lifetime = duration(text)?;
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
               GitHub, GitLab, Buildkite, CircleCI, Semaphore and Google Cloud need no mention, nor do \
               trust policies that bring the keys with them. Exactly as the identities have it, such as \
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
        help: "Endpoints of AWS's Security Token Service beside the public ones, such as a private one of \
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
        help: "The organisation that a workload acts for whose identity names none; none: it is refused.\n\n\
               A workload names one by the exchange, by its audience or by the address, or it is of a root \
               that an organisation owns (`fh org own`). Without this option it is the organisation that was \
               made first. Never is it found by whose trust policies the workload meets.",
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
    OptionSpec {
        key: "max-body-size",
        variable: "FH_SERVE_MAX_BODY_SIZE",
        section: Section::Limits,
        value_name: "SIZE",
        help: "Largest body of an upload. Keep it below the limit of a proxy in front.",
        // Below both readings of a proxy's usual 32 MB.
        default: Some("30MiB"),
        set: |draft, text| {
            draft.settings.limits.body_size = size(text, 256 * ONE_KIB)?;
            Ok(())
        },
        ..BLANK
    },
    OptionSpec {
        key: "max-plan-size",
        variable: "FH_SERVE_MAX_PLAN_SIZE",
        section: Section::Limits,
        value_name: "SIZE",
        help: "Largest body of a push plan, which lists a whole closure: about 1 KiB a path.",
        default: Some("30MiB"),
        set: |draft, text| {
            draft.settings.limits.plan_size = size(text, 64 * ONE_KIB)?;
            Ok(())
        },
        ..BLANK
    },
    OptionSpec {
        key: "max-json-size",
        variable: "FH_SERVE_MAX_JSON_SIZE",
        section: Section::Limits,
        value_name: "SIZE",
        help: "Largest body of any other JSON request.",
        default: Some("256KiB"),
        set: |draft, text| {
            draft.settings.limits.json_size = size(text, ONE_KIB)?;
            Ok(())
        },
        ..BLANK
    },
    OptionSpec {
        key: "max-nar-size",
        variable: "FH_SERVE_MAX_NAR_SIZE",
        section: Section::Limits,
        value_name: "SIZE",
        help: "Largest store path, as an uncompressed NAR.",
        default: Some("64GiB"),
        set: |draft, text| {
            draft.settings.limits.nar_size = size(text, ONE_KIB)?;
            Ok(())
        },
        ..BLANK
    },
    OptionSpec {
        key: "part-size",
        variable: "FH_SERVE_PART_SIZE",
        section: Section::Limits,
        value_name: "SIZE",
        help: "Large NARs are uploaded in parts of this size (uncompressed).\n\n\
               An interrupted push sends again at most the part it was in.",
        default: Some("8MiB"),
        set: |draft, text| {
            draft.settings.limits.part_size = size(text, 64 * ONE_KIB)?;
            Ok(())
        },
        ..BLANK
    },
    OptionSpec {
        key: "batched-nar-size",
        variable: "FH_SERVE_BATCHED_NAR_SIZE",
        section: Section::Limits,
        value_name: "SIZE",
        help: "NARs up to this size (uncompressed) travel many to a request.",
        default: Some("4MiB"),
        set: |draft, text| {
            draft.settings.limits.batched_nar_size = size(text, ONE_KIB)?;
            Ok(())
        },
        ..BLANK
    },
    OptionSpec {
        key: "verifications",
        variable: "FH_SERVE_VERIFICATIONS",
        section: Section::Limits,
        value_name: "N",
        help: "How many NARs are decompressed and checked at the same time; 0: one a core.",
        default: Some("0"),
        set: |draft, text| {
            draft.settings.limits.verifications = verifications(count(text, 0, 4096)?);
            Ok(())
        },
        ..BLANK
    },
    OptionSpec {
        key: "max-connections",
        variable: "FH_SERVE_MAX_CONNECTIONS",
        section: Section::Limits,
        value_name: "N",
        help: "How many connections are open at the same time; further ones wait.",
        default: Some("2048"),
        set: |draft, text| {
            draft.settings.limits.connections = count(text, 1, 1_000_000)? as usize;
            Ok(())
        },
        ..BLANK
    },
    OptionSpec {
        key: "request-rate",
        variable: "FH_SERVE_REQUEST_RATE",
        section: Section::Limits,
        value_name: "N",
        help: "How many requests a second one token or workload may send, and without either one \
               address; 0: any number.\n\n\
               Twice as many may come at once. More are answered with 429 and when to come again. Nix \
               asks for thousands of paths in a second.",
        default: Some("50000"),
        set: |draft, text| {
            draft.settings.limits.request_rate = count(text, 0, 1_000_000)?;
            Ok(())
        },
        ..BLANK
    },
    OptionSpec {
        key: "login-failures",
        variable: "FH_SERVE_LOGIN_FAILURES",
        section: Section::Limits,
        value_name: "N",
        help: "How many bad credentials a minute are looked at from one address (of IPv6: from one /64); \
               0: any number.\n\n\
               Beyond that, credentials that the server does not know already are answered with 429. \
               Behind a proxy, name it with `trusted-proxy`, or all clients are one address.",
        default: Some("30"),
        set: |draft, text| {
            draft.settings.limits.login_failures = count(text, 0, 1_000_000)?;
            Ok(())
        },
        ..BLANK
    },
    OptionSpec {
        key: "max-tokens",
        variable: "FH_SERVE_MAX_TOKENS",
        section: Section::Limits,
        value_name: "N",
        help: "How many tokens of one account may be good at the same time.",
        default: Some("1000"),
        set: |draft, text| {
            draft.settings.limits.tokens = count(text, 1, 1_000_000)?;
            Ok(())
        },
        ..BLANK
    },
    OptionSpec {
        key: "upload-lifetime",
        variable: "FH_SERVE_UPLOAD_LIFETIME",
        section: Section::Limits,
        value_name: "TIME",
        help: "How long what an unfinished push has sent is kept for it to go on.",
        default: Some("24h"),
        set: |draft, text| {
            draft.settings.upload_lifetime = duration(text)?;
            Ok(())
        },
        ..BLANK
    },
    OptionSpec {
        key: "collect-interval",
        variable: "FH_SERVE_COLLECT_INTERVAL",
        section: Section::Limits,
        value_name: "TIME",
        help: "How often files that nothing refers to any more are removed.",
        default: Some("1h"),
        set: |draft, text| {
            draft.settings.collect_interval = duration(text)?;
            Ok(())
        },
        ..BLANK
    },
    OptionSpec {
        key: "header-timeout",
        variable: "FH_SERVE_HEADER_TIMEOUT",
        section: Section::Timeouts,
        value_name: "TIME",
        help: "How long a client may take for the headers of a request, TLS handshake included.",
        default: Some("20s"),
        set: |draft, text| {
            draft.settings.timeouts.header = duration(text)?;
            Ok(())
        },
        ..BLANK
    },
    OptionSpec {
        key: "idle-timeout",
        variable: "FH_SERVE_IDLE_TIMEOUT",
        section: Section::Timeouts,
        value_name: "TIME",
        help: "How long a connection without a request is kept open.",
        // Longer than the pools of common clients (90 s), so that it is they who close.
        default: Some("120s"),
        set: |draft, text| {
            draft.settings.timeouts.idle = duration(text)?;
            Ok(())
        },
        ..BLANK
    },
    OptionSpec {
        key: "stall-timeout",
        variable: "FH_SERVE_STALL_TIMEOUT",
        section: Section::Timeouts,
        value_name: "TIME",
        help: "How long a transfer may stand still before it is given up.",
        default: Some("60s"),
        set: |draft, text| {
            draft.settings.timeouts.stall = duration(text)?;
            Ok(())
        },
        ..BLANK
    },
    OptionSpec {
        key: "body-timeout",
        variable: "FH_SERVE_BODY_TIMEOUT",
        section: Section::Timeouts,
        value_name: "TIME",
        help: "How long the JSON body of a request may take as a whole, however steadily it comes; but for \
               push plans and uploads.",
        default: Some("60s"),
        set: |draft, text| {
            draft.settings.timeouts.body = duration(text)?;
            Ok(())
        },
        ..BLANK
    },
    OptionSpec {
        key: "plan-timeout",
        variable: "FH_SERVE_PLAN_TIMEOUT",
        section: Section::Timeouts,
        value_name: "TIME",
        help: "How long the body of a push plan may take as a whole.",
        // The largest one at half a megabit a second.
        default: Some("10m"),
        set: |draft, text| {
            draft.settings.timeouts.plan = duration(text)?;
            Ok(())
        },
        ..BLANK
    },
    OptionSpec {
        key: "stop-timeout",
        variable: "FH_SERVE_STOP_TIMEOUT",
        section: Section::Timeouts,
        value_name: "TIME",
        help: "How long running requests may go on after SIGTERM or SIGINT; a second signal ends them.",
        // Below the 90 s after which systemd kills.
        default: Some("75s"),
        set: |draft, text| {
            draft.settings.timeouts.stop = duration(text)?;
            Ok(())
        },
        ..BLANK
    },
    OptionSpec {
        key: "log-format",
        variable: "FH_SERVE_LOG_FORMAT",
        section: Section::Log,
        value_name: "FORMAT",
        help: "How log lines look on stderr: text, or json (one object a line).",
        default: Some("text"),
        set: |draft, text| {
            draft.settings.log_format = match text {
                "text" => LogFormat::Text,
                "json" => LogFormat::Json,
                _ => {
                    return Err(format!(
                        "{text:?} is no log format; known are text and json"
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
                .map_err(|error| format!("{text:?} is no filter: {error}"))?;
            text.clone_into(&mut draft.settings.log_filter);
            Ok(())
        },
        ..BLANK
    },
];
