//! What can be said after `fh login`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;
use fh_client::TokenStore;

use super::lines::LineOptions;
use super::token::TokenOptions;
use super::workload::WorkloadOptions;
use crate::arguments::words;
use crate::context::Context;
use crate::setup::Scope;

/// Log in to a server, and set up Nix to substitute from it
///
/// The default server is the one logged in to last; if there is none, fh asks for it, and a script uses FlakeHub.
/// The token is taken from `--token-file`, else from stdin if that is not a terminal, else from FH_TOKEN or
/// FH_TOKEN_FILE, else fh uses the stored token of that server, else it asks for one. The server checks it before
/// anything is written. On a terminal, fh then shows what changes in which file (`--diff` shows every line), and
/// asks before it changes anything: the token goes to
/// a file that only you can read, an entry to the netrc that Nix reads, and the server's substituter and public
/// keys to nix.conf. Existing settings stay; either everything is written or nothing. A second run changes
/// nothing. `fh logout` removes what was added.
///
/// A CI job, a machine in a cloud or a pod needs no token: with `--workload` it logs in with its own identity,
/// if a trust policy of the server allows it. `--keep-fresh` keeps that login valid while a command runs, and
/// then removes it. The login acts for the first of `--organizations`, or for `--org`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fh login https://cache.example.org
  fh login --server http://localhost:8484 --token-file ~/.local/share/fh-server/admin.token
  fh login --token-file token.txt                     # the default server
  fh login --server https://attic.example.org/cache   # a cache of an attic server
  echo \"$TOKEN\" | fh login --server https://cache.example.org --dry-run
  fh login --organizations acme,beta                  # read from acme first, then from beta
  fh login https://cache.lan --ca-file cache.pem      # with a certificate of its own
  fh login --org acme                                 # only acme, with a token limited to it
  fh login --renew                                    # the same login, for longer
  fh login --server https://cache.example.org --workload --keep-fresh -- nix build .#app
  fh login --workload --organizations acme,beta       # acts for acme, and reads beta too
  fh login --server https://cache.example.org --token-file /run/secrets/fh-token --activation

In a workflow of GitHub Actions:
  permissions:
    contents: read
    id-token: write
  steps:
    - run: fh login --server https://cache.example.org --workload --keep-fresh -- nix build .#app
    - run: fh push acme/app --server https://cache.example.org

In a job of GitLab CI:
  build:
    id_tokens:
      FH_ID_TOKEN:
        aud: https://cache.example.org
    script:
      - fh login --server https://cache.example.org --workload
      - nix build .#app
      - fh push acme/app

Files (with XDG_CONFIG_HOME in place of ~/.config if that is set):
  ~/.config/fh/config.toml     the servers, and which one is the default
  ~/.config/fh/tokens/         their tokens, mode 0600; FlakeHub's is ~/.config/flakehub/auth
  ~/.config/fh/ledger.json     what was added to which file, for `fh logout`
  --scope user:
  ~/.config/nix/nix.conf       netrc-file, extra-substituters, extra-trusted-public-keys
  ~/.config/nix/netrc          what Nix authenticates with; or the file that netrc-file names
  --scope system:
  /etc/nix/nix.conf            or the nix.custom.conf that it includes
  /etc/nix/netrc
  /etc/determinate/fh-netrc    in its place, if the daemon of Determinate Nix writes the netrc
  /etc/determinate/config.json

FlakeHub's addresses: --api-addr, --cache-addr, --frontend-addr, or FH_API_ADDR, FH_CACHE_ADDR,
FH_FRONTEND_ADDR.

Exit status: 0 logged in; 1 failed; 2 usage. With --activation a failure is 0 too, and only a wrong
command line is 2. With --keep-fresh it is that of the command; 128 plus the number of the signal
that ended it; 127 if it was not found; 126 if it cannot be run.")]
pub(crate) struct LoginArguments {
    /// The server, the same as `--server`
    #[arg(value_name = "URL", conflicts_with = "server", add = crate::completion::servers())]
    pub(crate) url: Option<String>,

    #[command(flatten)]
    pub(super) token: TokenOptions,

    #[command(flatten)]
    pub(super) workload: WorkloadOptions,

    #[command(flatten)]
    pub(super) lines: LineOptions,

    /// Trust the certificates in this PEM file too, for this server; later commands do the same
    ///
    /// They can be those of your certificate authority, or the server's own if it is self-signed. Nix has a
    /// setting of its own, `ssl-cert-file`: fh says so if Nix does not trust them.
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,

    /// With --workload, run a command, given after `--`, and renew the token while it runs
    ///
    /// The command has the terminal to itself, and `fh` exits with its exit status. The netrc that Nix reads
    /// and the stored token are updated before the token expires. When the command ends, the login is removed
    /// as by `fh logout`, unless there was one before.
    #[arg(long, requires_all = ["workload", "command"], conflicts_with_all = ["dry_run", "print", "json"])]
    pub(super) keep_fresh: bool,

    /// The command to run with --keep-fresh
    #[arg(last = true, value_name = "COMMAND", requires = "keep_fresh")]
    pub(super) command: Vec<OsString>,

    /// Which files to set up: yours, or the machine's, which needs root [default: system for root, else user; with
    /// --renew those of the login that is renewed]
    #[arg(long, value_name = "SCOPE", value_parser = ["auto", "user", "system"], hide_default_value = true, default_value = "auto")]
    pub(super) scope: String,

    /// Where to store the token; later logins do the same [default: file]
    #[arg(long, value_name = "STORE", value_parser = words::<TokenStore>(&["file", "keyring"]))]
    pub(super) store: Option<TokenStore>,

    /// Renew the stored token: the new one has the same rights and a new full lifetime
    ///
    /// It takes the place of the stored one in all files, and nix.conf is updated as by any login. `fh token renew`
    /// renews only the token, and explains who can.
    #[arg(long, conflicts_with_all = ["token_file", "token_stdin", "workload", "org", "offline", "print"])]
    pub(super) renew: bool,

    /// Do not ask before files are changed
    #[arg(short, long, default_value_if("activation", "true", "true"))]
    pub(super) yes: bool,

    /// Show what would be changed, as a diff, and change nothing
    #[arg(long)]
    pub(super) dry_run: bool,

    /// Show the changes as a diff before they are made, and not only which files change
    #[arg(long, conflicts_with = "print")]
    pub(super) diff: bool,

    /// Print the lines for netrc (with the token) and nix.conf, and change nothing
    #[arg(long, conflicts_with_all = ["dry_run", "json"])]
    pub(super) print: bool,

    /// Leave the netrc as it is
    #[arg(long)]
    pub(super) no_netrc: bool,

    /// Write the token into the netrc for this host too, if the server reports that its cache is there; may be
    /// repeated
    ///
    /// By default, fh asks about a host that is not the server's own, and refuses it if there is no terminal.
    /// Later logins do not ask again.
    #[arg(long, value_name = "HOST")]
    pub(super) allow_cache_host: Vec<String>,

    /// Leave nix.conf as it is
    #[arg(long, default_value_if("activation", "true", "true"))]
    pub(super) no_nix_conf: bool,

    /// Do not contact the server: check only what the token says of itself, and use the keys from an
    /// earlier login
    #[arg(
        long,
        alias = "skip-status",
        default_value_if("activation", "true", "true")
    )]
    pub(super) offline: bool,

    /// For the script that activates a configuration (NixOS, nix-darwin, home-manager): print one line, and
    /// exit with 0 whatever is found
    ///
    /// The same as --offline --no-nix-conf --yes, with one line that tells what was done: that the netrc has the
    /// token now, that it had it before, or why it was not written. A token file that is not there yet is no
    /// failure either: run it again when it is there. Only a wrong command line is an error (2). nix.conf is made
    /// from the configuration: set the substituter and its keys in `nix.settings` there.
    #[arg(long, requires = "token_file", conflicts_with_all = [
        "workload", "organizations", "root", "org", "store", "dry_run", "print", "no_netrc", "json",
    ])]
    pub(crate) activation: bool,
}

impl LoginArguments {
    /// The scope, where it is said.
    pub(super) fn named_scope(&self) -> Option<Scope> {
        match self.scope.as_str() {
            "user" => Some(Scope::User),
            "system" => Some(Scope::System),
            _ => None,
        }
    }

    /// Whether there is somebody who can say which server is meant.
    pub(super) fn may_be_asked(&self, context: &Context) -> bool {
        let terminals = context.settings.terminals;
        terminals.stdin && terminals.stderr && !self.offline
    }

    /// Whether there is somebody to ask before anything is changed.
    pub(super) fn may_ask(&self, context: &Context) -> bool {
        !self.yes && context.can_ask()
    }
}
