//! What can be said after `fh push`.

use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, ValueEnum, ValueHint};
use fh_api::duration::{self, InvalidDuration};
use fh_client::push::DEFAULT_COMPRESSION_LEVEL;
use fh_client::targets::PushTarget;
use fh_client::{DEFAULT_RETRIES, Deadline, ServerKind};
use fh_nix::PublicKey;

use crate::arguments::{at_least_one, words};

/// The key that cache.nixos.org signs with: what it has, everybody can get from there.
const NIXOS_CACHE_KEY: &str = "cache.nixos.org-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY=";

/// How it is learnt what is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(super) enum WatchBy {
    /// The hook if Nix accepts it from this user, else the store
    #[default]
    Auto,
    /// Nix's post-build hook: exactly what the command builds
    Hook,
    /// The store's directory: everything built on this machine meanwhile
    Store,
}

/// Push store paths with their closures
///
/// Pushes the closures of the given store paths, links into the store such as `./result` (the default), or
/// flake installables, which are built first. Paths that the server has already or may link, and paths that
/// cache.nixos.org has signed, are not sent. The push becomes visible as a whole once it is complete, or not at
/// all; an interrupted push continues when it is run again.
///
/// Without a token, a CI job (GitHub Actions, GitLab, Buildkite, CircleCI, Semaphore), a machine in a
/// cloud (Google Cloud, AWS) or a pod pushes to an fh server with its own identity, if a trust policy of the
/// server allows it; fh reports that once. A workflow of GitHub Actions needs `permissions: id-token: write`, a
/// job of GitLab `id_tokens:` with FH_ID_TOKEN: `fh login --help` shows both. `--no-workload` and
/// FH_WORKLOAD=off disable this.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fh push acme/app                              # push ./result
  fh push acme/app .#app nixpkgs#ripgrep        # build and push
  fh push acme/app /nix/store/…-app-1.0         # push what is built
  nix-build -A app | fh push acme/app --stdin
  fh push acme/app --dry-run                    # what would be sent
  fh push acme/app --skip-signed-by none        # also send what cache.nixos.org has
  fh push team --server https://attic.example.org     # to the cache `team` of an attic server
  fh push acme/app --protocol flakehub          # to FlakeHub Cache
  fh push acme/app --watch-exec -- nix build .#app    # push what a command builds

Exit status: 0 everything was pushed; 1 something was not; 2 usage; 124 the time
of --timeout is over; 130 interrupted (Ctrl-C); 143 ended (SIGTERM); 129 ended (SIGHUP:
the terminal was closed). Unless it is 0, nothing new is visible. Each path that failed
is named with the reason, and what was sent is kept for a while: the same command again
sends only what is missing.
With --watch-exec it is that of the command; 128 plus the number of the signal that
ended it; 127 if it was not found; 126 if it cannot be run.")]
pub(crate) struct PushArguments {
    /// The flake to push to, or the name of a cache on an attic server
    #[arg(value_name = "ORG/PROJECT|CACHE", add = crate::completion::flakes())]
    pub(super) target: PushTarget,

    /// What to push: store paths, links into the store, or installables [default: ./result]; with
    /// --watch-exec, the command
    #[arg(value_name = "PATH|INSTALLABLE", value_hint = ValueHint::AnyPath)]
    pub(super) paths: Vec<OsString>,

    /// Run a command, given after `--`, and push what it builds while it is running
    ///
    /// The command has the terminal to itself, and `fh` exits with its exit status, even if a push failed: that
    /// is reported at the end. What it built before it failed is pushed as well. Ctrl-C goes to the command;
    /// what was built is then still pushed, and a second Ctrl-C stops that.
    ///
    /// With --json, one object about the push is printed on stdout at the end. The command prints on the
    /// same stdout: let it print on stderr instead, as `-- sh -c 'nix build .#app >&2'` does.
    #[arg(long, conflicts_with_all = ["stdin", "no_closure", "dry_run", "timeout"])]
    pub(super) watch_exec: bool,

    /// With --watch-exec, how to find out what is built
    #[arg(
        long,
        value_name = "WAY",
        default_value = "auto",
        requires = "watch_exec"
    )]
    pub(super) watch_by: WatchBy,

    /// With --watch-exec, how long to continue pushing after the command ends; `none`: as long as it takes
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = limit, requires = "watch_exec")]
    pub(super) drain_timeout: Limit,

    /// With --watch-exec, exit with 1 if the command succeeded but something it built could not be pushed
    #[arg(long, requires = "watch_exec")]
    pub(super) fail_on_push_error: bool,

    /// Also read what to push from stdin, one per line
    #[arg(long)]
    pub(super) stdin: bool,

    /// Push only the given paths, not their closures, which must be on the server already
    #[arg(long)]
    pub(super) no_closure: bool,

    /// Leave out paths that this key (NAME:BASE64) has signed, which clients get from another cache; the
    /// signature is verified; may be repeated; `none` leaves out nothing [default: the key of cache.nixos.org]
    #[arg(long, value_name = "KEY")]
    pub(super) skip_signed_by: Vec<UpstreamKey>,

    /// Do not send build logs; by default, those on this machine are sent too, for `nix log`
    #[arg(long)]
    pub(super) no_logs: bool,

    /// Show what would be sent, and send nothing
    #[arg(long)]
    pub(super) dry_run: bool,

    /// How many threads read and compress [default: one for each core]; on an attic server, how many
    /// paths are sent at a time [default: 8]
    #[arg(short, long, value_name = "N", value_parser = at_least_one)]
    pub(super) jobs: Option<NonZeroUsize>,

    /// How hard to compress: 1 is fast, 19 is small
    #[arg(long, value_name = "LEVEL", default_value_t = DEFAULT_COMPRESSION_LEVEL, value_parser = clap::value_parser!(i32).range(1..=19))]
    pub(super) compression_level: i32,

    /// How often a failed request is tried again
    ///
    /// A request is tried again if the connection is refused, breaks or times out, and after the statuses 408, 429,
    /// 502, 503 and 504. The wait doubles each time, from a quarter of a second to 20 seconds, and a random time of up
    /// to the same length is added. If the server asks for a certain wait, that is used (two minutes at most). Ten
    /// retries take at least a minute and a half, which is longer than a restart of the server. After a timeout (a
    /// minute without any data, or five minutes in an upload) a request is tried again twice at most.
    #[arg(long, value_name = "N", default_value_t = DEFAULT_RETRIES, value_parser = clap::value_parser!(u32).range(0..=100))]
    pub(super) retries: u32,

    /// How long the push may take, such as 30m or 2h, including builds [default: no limit, as long as data
    /// moves]
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    pub(super) timeout: Option<Duration>,

    /// The server's protocol: `fh`, `attic` or `flakehub` (which needs no --server) [default: known from `fh
    /// login` or the address, else detected without the token]
    #[arg(long, value_name = "PROTOCOL", value_parser = words::<ServerKind>(ServerKind::WORDS))]
    pub(super) protocol: Option<ServerKind>,

    /// The Nix store to push from, as `nix --store` takes it [env: NIX_REMOTE]
    #[arg(long, value_name = "STORE")]
    pub(super) store: Option<String>,
}

impl PushArguments {
    /// When the time is over, counted from now.
    pub(super) fn deadline(&self) -> Deadline {
        self.timeout.map_or_else(Deadline::default, Deadline::after)
    }

    /// The keys whose paths are left out.
    pub(super) fn trusted_upstreams(&self) -> Vec<PublicKey> {
        if self.skip_signed_by.is_empty() {
            return NIXOS_CACHE_KEY.parse().into_iter().collect();
        }
        self.skip_signed_by
            .iter()
            .filter_map(|key| match key {
                UpstreamKey::None => None,
                UpstreamKey::Key(key) => Some(PublicKey::clone(key)),
            })
            .collect()
    }
}

/// A length of time, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limit(pub(super) Option<Duration>);

fn limit(text: &str) -> Result<Limit, InvalidDuration> {
    if text == "none" {
        return Ok(Limit(None));
    }
    duration::parse(text).map(|duration| Limit(Some(duration)))
}

/// A key, or the word that there is none.
#[derive(Debug, Clone)]
pub(super) enum UpstreamKey {
    None,
    Key(Box<PublicKey>),
}

impl FromStr for UpstreamKey {
    type Err = fh_nix::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "none" {
            return Ok(Self::None);
        }
        Ok(Self::Key(Box::new(text.parse()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_key_is_a_key() {
        assert_eq!(
            NIXOS_CACHE_KEY.parse::<PublicKey>().unwrap().to_string(),
            NIXOS_CACHE_KEY
        );
    }

    /// A server that stops closes its port at once, and ends when what was running has ended; only then the
    /// next one starts.
    #[cfg(feature = "server")]
    #[test]
    fn the_default_patience_outlasts_a_server_that_restarts() {
        const START: Duration = Duration::from_secs(15);

        let mut options = fh_settings::OPTIONS.iter();
        let stop = options.find(|option| option.key == "stop-timeout").unwrap();
        let stop = duration::parse(stop.default.unwrap()).unwrap();
        let patience = fh_client::RetryPolicy::default().patience();
        assert!(patience > stop + START, "{patience:?}");
    }
}
