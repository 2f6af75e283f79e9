//! Whether Nix answers, and whose settings count for it.

use super::finding::{Check, Finding};
use super::nix;
use super::origin::Origins;
use crate::context::Context;
use crate::settings::variables;
use crate::setup::daemon::Daemon;

/// What names a store other than the usual: a variable, or a setting and its place.
pub(super) fn named_daemon(context: &Context, origins: &Origins) -> Option<String> {
    let names = [&variables::NIX_REMOTE, &variables::NIX_DAEMON_SOCKET_PATH];
    let variable = names.into_iter().find(|name| context.settings.has(name));
    let of_variable = variable.map(|variable| format!("unset {}", variable.name));
    of_variable.or_else(|| {
        let place = origins.of("store", Daemon::Trusting)?;
        Some(place.removed("store"))
    })
}

/// Starts the Nix daemon of a usual installation.
const START_DAEMON: &str = if cfg!(target_os = "macos") {
    "sudo launchctl kickstart -k system/org.nixos.nix-daemon"
} else {
    "sudo systemctl start nix-daemon"
};

/// What puts right why Nix does not answer. `named` is what does away with a store that is named.
pub(super) fn mended_by(said: &str, origins: &Origins, named: Option<String>) -> String {
    // Where there is no socket, Nix takes the store for the user's own, and may not write to it.
    let is_not_allowed =
        said.contains("Permission denied") || said.contains("Operation not permitted");
    let of_setting = said
        .split_once("etting '")
        .and_then(|(_, rest)| rest.split_once("' has invalid value"))
        .and_then(|(name, _)| Some((name, origins.of(name, Daemon::Trusting)?)));
    if let Some((name, place)) = of_setting {
        place.corrected(name)
    } else if said.contains("cannot connect to") || is_not_allowed && said.contains("/nix/var/nix")
    {
        match named {
            None => START_DAEMON.to_owned(),
            Some(otherwise) => format!("start the Nix daemon that is named there, or {otherwise}"),
        }
    } else if said.contains("configuration line") {
        "correct the line of nix.conf that Nix names".to_owned()
    } else {
        "nix store ping   shows the whole message".to_owned()
    }
}

/// Who does the work, or why nobody answers.
pub(super) fn trust(
    daemon: Daemon,
    trouble: Option<String>,
    mended_by: impl Fn(&str) -> String,
) -> Finding {
    const NAME: Check = Check("daemon");
    match daemon {
        Daemon::None => NAME.ok("there is none: Nix uses your own settings"),
        Daemon::Trusting => NAME.ok("the Nix daemon trusts you: your own settings count"),
        Daemon::Distrusting => {
            NAME.ok("the Nix daemon does not trust you: only the machine's settings count")
        }
        Daemon::Silent => NAME.warning(
            "there is a Nix daemon, and this version of Nix does not report whether it trusts you",
        ),
        Daemon::Unknown => match trouble {
            None => NAME.failed("Nix is not installed", nix::INSTALL),
            Some(said) => {
                let fix = mended_by(&said);
                NAME.failed(format!("Nix does not answer: {said}"), fix)
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_why_nix_does_not_answer_has_what_mends_it() {
        const SHOW: &str = "nix store ping   shows the whole message";
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("nix.conf");
        std::fs::write(&file, "\ncores = many\n").unwrap();
        let origins = Origins::parse(std::slice::from_ref(&file), Some(b"max-jobs = few")).unwrap();
        let of_file = format!("correct `cores` in line 2 of {}", file.display());
        let socket = "error: cannot connect to socket at '/s': Connection refused";
        for (said, named, expected) in [
            (socket, None, START_DAEMON),
            (
                socket,
                Some("unset NIX_REMOTE"),
                "start the Nix daemon that is named there, or unset NIX_REMOTE",
            ),
            // Where there is no socket.
            (
                "error: opening lock file '/nix/var/nix/db/big-lock': Permission denied",
                None,
                START_DAEMON,
            ),
            (
                "error: could not set permissions on '/nix/var/nix/profiles/per-user' to 755: Operation not \
                 permitted",
                None,
                START_DAEMON,
            ),
            (
                "error: opening file '/home/me/x': Permission denied",
                None,
                SHOW,
            ),
            (
                "error: setting 'cores' has invalid value 'many'",
                None,
                of_file.as_str(),
            ),
            (
                "error: setting 'max-jobs' has invalid value 'few'",
                None,
                "correct `max-jobs` in NIX_CONFIG",
            ),
            (
                "error: Boolean setting 'substitute' has invalid value 'x'",
                None,
                SHOW,
            ),
        ] {
            let fix = mended_by(said, &origins, named.map(str::to_owned));
            assert_eq!(fix, expected, "{said}");
        }
    }
}
