//! `fh login`: one command between a token and a Nix that substitutes.
//!
//! ```text
//! which server → what it is → token → whose it is       nothing is written before these
//!     → what is there → the plan                        … nor before all of it is worked out
//!     → shown, asked for → carried out, or taken back
//! ```

mod activation;
mod asked;
mod check;
mod hosts;
mod keep_fresh;
mod lines;
mod narrow;
mod nix_certificates;
mod plan;
mod recognise;
pub(super) mod renew;
mod report;
mod site;
mod token;
mod workload;

pub(crate) use activation::cannot_begin;
pub(super) use lines::ask as ask_for_lines;
pub(super) use plan::{ledger_of, ledger_text};
pub(super) use recognise::{attic_cache, recognise};
pub(super) use site::Site;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use fh_client::{Client, Error as ClientError, ServerKind, TokenStore};
use secrecy::SecretString;
use time::OffsetDateTime;

use crate::certificates;
use crate::cli::words;
use crate::commands::login::asked::{Asked, Done};
use crate::commands::login::check::Identity;
use crate::commands::login::lines::LineOptions;
use crate::commands::login::narrow::Narrowed;
use crate::commands::login::report::Report;
use crate::commands::login::token::Origin;
use crate::commands::login::workload::{Granted, WorkloadOptions};
use crate::commands::logout;
use crate::context::{Context, Selected};
use crate::error::CommandError;
use crate::setup::Scope;
use crate::setup::daemon::{self, Daemon};
use crate::terminal;

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
    url: Option<String>,

    #[command(flatten)]
    token: token::TokenOptions,

    #[command(flatten)]
    workload: WorkloadOptions,

    #[command(flatten)]
    lines: LineOptions,

    /// Trust the certificates in this PEM file too, for this server; later commands do the same
    ///
    /// They can be those of your certificate authority, or the server's own if it is self-signed. Nix has a
    /// setting of its own, `ssl-cert-file`: fh says so if Nix does not trust them.
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,

    /// With --workload, run a command, given after `--`, and renew the token while it runs
    ///
    /// The command has the terminal to itself, and `fh` exits with its exit status. The netrc that Nix reads
    /// and the stored token are updated before the token expires. When the command ends, the login is removed
    /// as by `fh logout`, unless there was one before.
    #[arg(long, requires_all = ["workload", "command"], conflicts_with_all = ["dry_run", "print", "json"])]
    keep_fresh: bool,

    /// The command to run with --keep-fresh
    #[arg(last = true, value_name = "COMMAND", requires = "keep_fresh")]
    command: Vec<OsString>,

    /// Which files to set up: yours, or the machine's, which needs root [default: system for root, else user; with
    /// --renew those of the login that is renewed]
    #[arg(long, value_name = "SCOPE", value_parser = ["auto", "user", "system"], hide_default_value = true, default_value = "auto")]
    scope: String,

    /// Where to store the token; later logins do the same [default: file]
    #[arg(long, value_name = "STORE", value_parser = words::<TokenStore>(&["file", "keyring"]))]
    store: Option<TokenStore>,

    /// Renew the stored token: the new one has the same rights and a new full lifetime
    ///
    /// It takes the place of the stored one in all files, and nix.conf is updated as by any login. `fh token renew`
    /// renews only the token, and explains who can.
    #[arg(long, conflicts_with_all = ["token_file", "token_stdin", "workload", "org", "offline", "print"])]
    renew: bool,

    /// Do not ask before files are changed
    #[arg(short, long, default_value_if("activation", "true", "true"))]
    yes: bool,

    /// Show what would be changed, as a diff, and change nothing
    #[arg(long)]
    dry_run: bool,

    /// Show the changes as a diff before they are made, and not only which files change
    #[arg(long, conflicts_with = "print")]
    diff: bool,

    /// Print the lines for netrc (with the token) and nix.conf, and change nothing
    #[arg(long, conflicts_with_all = ["dry_run", "json"])]
    print: bool,

    /// Leave the netrc as it is
    #[arg(long)]
    no_netrc: bool,

    /// Write the token into the netrc for this host too, if the server reports that its cache is there; may be
    /// repeated
    ///
    /// By default, fh asks about a host that is not the server's own, and refuses it if there is no terminal.
    /// Later logins do not ask again.
    #[arg(long, value_name = "HOST")]
    allow_cache_host: Vec<String>,

    /// Leave nix.conf as it is
    #[arg(long, default_value_if("activation", "true", "true"))]
    no_nix_conf: bool,

    /// Do not contact the server: check only what the token says of itself, and use the keys from an
    /// earlier login
    #[arg(
        long,
        alias = "skip-status",
        default_value_if("activation", "true", "true")
    )]
    offline: bool,

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
    activation: bool,
}

impl LoginArguments {
    /// The server, where it stands without `--server`.
    pub(crate) fn url(&self) -> Option<&String> {
        self.url.as_ref()
    }

    /// The file of certificates for the server.
    pub(crate) fn ca_file(&self) -> Option<&PathBuf> {
        self.ca_file.as_ref()
    }

    /// Whether a script that activates a configuration runs it.
    pub(crate) fn is_activation(&self) -> bool {
        self.activation
    }

    /// The scope, where it is said.
    fn named_scope(&self) -> Option<Scope> {
        match self.scope.as_str() {
            "user" => Some(Scope::User),
            "system" => Some(Scope::System),
            _ => None,
        }
    }

    /// Whether there is somebody who can say which server is meant.
    fn may_be_asked(&self, context: &Context) -> bool {
        let terminals = context.settings.terminals;
        terminals.stdin && terminals.stderr && !self.offline
    }

    /// Whether there is somebody to ask before anything is changed.
    fn may_ask(&self, context: &Context) -> bool {
        !self.yes && context.can_ask()
    }
}

pub(crate) fn run(arguments: &LoginArguments, context: &Context) -> Result<ExitCode, CommandError> {
    if arguments.activation {
        activation::run(arguments, context);
        return Ok(ExitCode::SUCCESS);
    }
    let was_there = match context.selected()? {
        Some(selected) if arguments.keep_fresh => logout::is_known(selected.url(), context)?,
        _ => false,
    };
    // One runtime for all requests, on this thread: while it writes, Ctrl-C is not heard, so that
    // it cannot end the program between two files.
    let report = context.wait("Nothing was changed.", async {
        log_in(arguments, context).await
    })?;
    let Some((report, granted)) = report else {
        return Ok(ExitCode::SUCCESS);
    };
    report.print(context)?;
    match granted {
        Some(granted) if arguments.keep_fresh => keep_fresh::Session {
            arguments,
            context,
            report: &report,
            was_there,
        }
        .run(&granted),
        _ => Ok(ExitCode::SUCCESS),
    }
}

async fn log_in(
    arguments: &LoginArguments,
    context: &Context,
) -> Result<Option<(Report, Option<Granted>)>, CommandError> {
    let selected = match context.selected()? {
        Some(selected) => selected,
        None if arguments.renew => return Err(renew::nothing_to_renew()),
        None if arguments.may_be_asked(context) => ask_for_server(context).await?,
        // What the existing fh does in scripts.
        None => {
            let flakehub = Selected::FlakeHub(context.flakehub()?);
            let done = log_in_to(flakehub, arguments, context).await;
            return done.map_err(|error| {
                error.hint("No server was named, so FlakeHub is meant. Name yours: `fh login --server URL`")
            });
        }
    };
    log_in_to(selected, arguments, context).await
}

async fn log_in_to(
    selected: Selected,
    arguments: &LoginArguments,
    context: &Context,
) -> Result<Option<(Report, Option<Granted>)>, CommandError> {
    certificates::check_named(&context.settings, selected.url())?;
    if arguments.renew {
        // Where there is no login, nobody has to be asked.
        renew::require_fh(selected.kind(), selected.url())?;
        renew::stored(selected.url(), context)?;
    }
    let mut site = if arguments.offline {
        recognise::offline(&selected)
    } else {
        recognise(&selected, context).await?
    };
    let reading = arguments.lines.reading(&selected);
    let organizations = lines::named(&reading);
    if arguments.renew {
        renew::require_fh(Some(site.kind), &site.server)?;
    }
    let granted = if arguments.workload.workload {
        Some(workload::exchange(&arguments.workload, organizations, &site, context).await?)
    } else {
        None
    };
    let (token, origin) = match &granted {
        Some(granted) => (granted.exchanged.token.clone(), Origin::Given),
        None if arguments.renew => renew::stored_for_login(&site.server, context)?,
        None => {
            let (token, origin) = token::get(&arguments.token, &site, context).await?;
            let stays = arguments.offline || arguments.no_netrc;
            let token = if stays {
                token
            } else {
                workload::fit_for_netrc(token, organizations, &site, context).await?
            };
            (token, origin)
        }
    };
    let (token, identity) = match checked(arguments, &mut site, &token, context).await {
        Ok(identity) => (token, identity),
        // The stored one was nobody's choice: somebody who can be asked has another.
        Err(error)
            if origin.is_stored()
                && !arguments.renew
                && says_no(&error)
                && context.settings.terminals.stdin =>
        {
            context.output.warning(&format!(
                "the stored token is no longer valid: {}",
                error.sentence()
            ));
            let token = token::ask(&site, context).await?;
            let identity = checked(arguments, &mut site, &token, context).await?;
            (token, identity)
        }
        Err(error) => return Err(origin.named_in(error)),
    };
    let login = Login {
        token,
        identity,
        warning: None,
    };
    let Login {
        token,
        mut identity,
        warning,
    } = if site.kind == ServerKind::Fh && !arguments.offline {
        login
            .read_from(arguments, &mut site, &selected, context)
            .await?
    } else {
        arguments.lines.refuse_elsewhere(&site)?;
        login
    };
    hosts::agree(arguments, &site, &selected, context).await?;
    let scope = match arguments.named_scope() {
        Some(scope) => scope,
        None if arguments.renew => renew::scope(&site.server, context)?,
        None => Scope::automatic(),
    };
    // Before the files: behind them Ctrl-C must not find anything to wait for, or it would say
    // that nothing was changed.
    let daemon = match scope {
        // Who activates a configuration has set nix.conf there, whatever the daemon thinks of it.
        Scope::User if !arguments.activation => daemon::look().await,
        Scope::User | Scope::System => Daemon::None,
    };
    // The new token is not known before the server makes it.
    let stand_in = renew::stand_in();
    let asked = Asked {
        arguments,
        site: &site,
        identity: &identity,
        token: if arguments.renew { &stand_in } else { &token },
        former: arguments.renew.then_some(&token),
        scope,
        daemon,
    };
    let (mut plan, machine) = asked.plan(context)?;
    plan.warnings.extend(warning);
    plan.warnings
        .extend(nix_certificates::warning(&site, &machine, context)?);
    if arguments.renew && arguments.dry_run {
        let until = asked.renewable_until();
        let now = OffsetDateTime::now_utc();
        plan.warnings.push(renew::would_last(until, now));
    }
    if arguments.print {
        report::lines(&plan, context)?;
        return Ok(None);
    }
    let done = if arguments.dry_run {
        None
    } else {
        let Done { applied, renewed } = asked.act(&plan, &machine, context).await?;
        if let Some(info) = renewed {
            identity.expires_at = Some(info.expires_at);
        }
        Some(applied)
    };
    let report = Report {
        scope,
        daemon,
        plan,
        is_known: arguments.may_ask(context),
        done,
        site,
        identity,
        machine,
    };
    Ok(Some((report, granted)))
}

/// Where nothing is said and nothing is known.
async fn ask_for_server(context: &Context) -> Result<Selected, CommandError> {
    let answer = terminal::ask("Which server? Its address, or Enter for FlakeHub: ").await?;
    match answer.trim() {
        "" => Ok(Selected::FlakeHub(context.flakehub()?)),
        server => context.named_server(server, "the answer"),
    }
}

/// Whether a token was refused, by its own words or by the server's.
fn says_no(error: &CommandError) -> bool {
    match error.downcast_ref::<ClientError>() {
        None => true,
        Some(error) => matches!(
            error,
            ClientError::Unauthorized { .. } | ClientError::InvalidToken { .. }
        ),
    }
}

/// Whose a token is, as the server says; with --offline, what can be said without it.
async fn checked(
    arguments: &LoginArguments,
    site: &mut Site,
    token: &SecretString,
    context: &Context,
) -> Result<Identity, CommandError> {
    if !arguments.offline {
        return check::token(site, token, context).await;
    }
    Ok(Identity {
        expires_at: check::offline(site, token, OffsetDateTime::now_utc())?,
        ..Identity::default()
    })
}

/// A token, and whose it is.
struct Login {
    token: SecretString,
    identity: Identity,
    /// What there is to know of it.
    warning: Option<String>,
}

impl Login {
    /// Finds out from which addresses of our own server Nix is to read, and narrows the token where that was
    /// asked for.
    async fn read_from(
        mut self,
        arguments: &LoginArguments,
        site: &mut Site,
        selected: &Selected,
        context: &Context,
    ) -> Result<Self, CommandError> {
        let client = |token: &SecretString| -> Result<Client, CommandError> {
            let builder = context.client_builder(site.server.clone())?;
            Ok(builder.token(token.clone()).build()?)
        };
        let mut asking = client(&self.token)?;
        // A workload's token is as narrow as the server has made it for the one organisation.
        if let Some(org) = &arguments.lines.org
            && !arguments.workload.workload
        {
            let stored = match context.stored_token(&site.server)? {
                Some(stored) => Some((stored.token.clone(), client(&stored.token)?)),
                None => None,
            };
            let now = site.now.unwrap_or_else(OffsetDateTime::now_utc);
            let change = !arguments.dry_run && !arguments.print;
            match narrow::narrow(&asking, &self.identity, org, now, change, stored).await? {
                Narrowed::Same(warning) => self.warning = warning,
                Narrowed::Other(token, identity) => {
                    asking = client(&token)?;
                    self.token = token;
                    self.identity = *identity;
                }
            }
        }
        let reading = arguments.lines.reading(selected);
        lines::ask(site, &asking, &reading).await?;
        Ok(self)
    }
}
