//! What the server takes, and how long it waits.

use crate::option_spec::{BLANK, OptionSpec, Section};
use crate::value::{count, duration, size, verifications};

const ONE_KIB: u64 = 1 << 10;

/// These options, in the order of help and example file.
pub(super) const OPTIONS: &[OptionSpec] = &[
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
        key: "min-body-rate",
        variable: "FH_SERVE_MIN_BODY_RATE",
        section: Section::Limits,
        value_name: "SIZE",
        help: "The lowest rate at which a body must arrive, in bytes a second; 0: any rate.\n\n\
               Measured over each stall-timeout in which the server waits for the client. Slower \
               requests are answered with 408.",
        default: Some("2KiB"),
        set: |draft, text| {
            draft.settings.limits.body_rate = size(text, 0)?;
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
        help: "NARs up to this size (uncompressed) are sent many to a request.",
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
        help: "How many NARs are decompressed and checked at the same time; 0: one per core.",
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
        help: "How many connections are open at the same time; further ones wait.\n\n\
               One address has at most half of them, and never more than are still free. If connections are \
               scarce, idle ones are closed early.",
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
        help: "How many requests a second one account or workload may send, and without either one \
               address; 0: any number.\n\n\
               Twice as many may come at once. More are answered with 429 and a time to try again. Nix \
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
        help: "How many invalid credentials a minute one address may send (of IPv6: one /64); 0: any number.\n\n\
               Beyond that, invalid credentials are answered with 429; valid ones never are. Behind a proxy, \
               set `trusted-proxy`, or all clients share one address.",
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
        help: "How many tokens of one account may be valid at the same time.",
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
        help: "How long the data of an unfinished push is kept, so that it can continue.",
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
        help: "How often files that nothing refers to are removed.",
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
        help: "How long a transfer may make no progress before it is ended.",
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
        help: "How long the JSON body of a request may take as a whole, however steadily it comes; except for \
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
        help: "How long running requests may continue after SIGTERM or SIGINT; a second signal ends them.",
        // Below the 90 s after which systemd kills.
        default: Some("75s"),
        set: |draft, text| {
            draft.settings.timeouts.stop = duration(text)?;
            Ok(())
        },
        ..BLANK
    },
];
