//! `fh token renew`: the stored login gets a token that lasts longer, wherever its token stands.

use clap::Args;
use fh_api::TokenInfo;
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};

use crate::context::{Context, FoundToken, no_server};
use crate::error::CommandError;
use crate::output::human;
use crate::setup::{self, Applied, renewal};
use crate::text::side_by_side;

/// Renew your login: replace the stored token with a new one that has the same rights and lasts longer
///
/// The new token has the permissions and the full lifetime of the stored one. It replaces the stored one in the
/// token's file or the keyring, and in the netrc that Nix reads; either in all of them or in none. nix.conf stays as
/// it is; `fh login --renew` updates nix.conf too.
///
/// The previous token stays valid until it expires, so other machines that use it keep working. If it is revoked, the
/// new one is revoked too. The server limits how long a login can be renewed (its option max-renewal, one year by
/// default). Service accounts can renew only if their organisation allows it. A token that you created with another
/// token of yours ends with that one at the latest, unless it was created with `fh token create --renewable`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fh token renew
  fh token renew --server https://cache.example.org
  fh token renew --if-within 14d   # for a timer: does nothing while the token is valid for longer

Exit status: 0 renewed, or valid for longer than --if-within; 1 failed; 2 usage.")]
pub(crate) struct RenewArguments {
    /// Do nothing if the token is valid for longer than this
    #[arg(long, value_name = "TIME", value_parser = fh_api::duration::parse_seconds)]
    if_within: Option<u64>,
}

/// What it came to.
enum Outcome {
    /// The stored token lasts long enough.
    NotDue(OffsetDateTime),
    Renewed {
        info: Box<TokenInfo>,
        in_keyring: bool,
        files: Vec<Applied>,
    },
}

pub(super) fn run(arguments: &RenewArguments, context: &Context) -> Result<(), CommandError> {
    let Some(selected) = context.selected()? else {
        return Err(no_server());
    };
    let server = selected.url();
    renewal::require_fh(selected.kind(), server)?;
    let not_due = |found: &FoundToken| {
        let within = i64::try_from(arguments.if_within?).unwrap_or(i64::MAX);
        let end = found.expires_at()?;
        (end - OffsetDateTime::now_utc() > Duration::seconds(within)).then_some(end)
    };
    let hint = "Nothing was changed here, and the token that you have stays valid.";
    let outcome = context.wait(hint, async {
        if let Some(end) = not_due(&renewal::stored(server, context)?) {
            return Ok(Outcome::NotDue(end));
        }
        let _held = setup::hold(context)?;
        // Under the lock: another fh may have just done it.
        let found = renewal::stored(server, context)?;
        if let Some(end) = not_due(&found) {
            return Ok(Outcome::NotDue(end));
        }
        // What cannot be changed here is not asked for there.
        let planned = renewal::changes(server, &found, &renewal::stand_in(), context)?;
        let write = |token: &_| renewal::changes(server, &found, token, context)?.apply();
        let (info, files) = renewal::carry_out(server, &found.token, context, write).await?;
        Ok(Outcome::Renewed {
            info: Box::new(info),
            in_keyring: planned.keyring.is_some(),
            files,
        })
    })?;
    context
        .output
        .done(&record(server.as_str(), &outcome), |_| {
            sentence(server.as_str(), &outcome, OffsetDateTime::now_utc())
        })?;
    context.warn_of_variables(server);
    Ok(())
}

/// Where it stands now, and which part of it there is new.
fn places(in_keyring: bool, files: &[Applied]) -> Vec<(String, String)> {
    let keyring = in_keyring.then(|| ("the system's keyring".to_owned(), "the token".to_owned()));
    let files = files.iter().filter(|file| !file.what.is_empty());
    keyring
        .into_iter()
        .chain(files.map(|file| (file.path.display().to_string(), file.what.join(", "))))
        .collect()
}

fn sentence(server: &str, outcome: &Outcome, now: OffsetDateTime) -> String {
    match outcome {
        Outcome::NotDue(end) => format!(
            "The login to {server} is valid until {}: nothing to renew yet.",
            human::date(*end, now)
        ),
        Outcome::Renewed {
            info,
            in_keyring,
            files,
        } => {
            let mut text = format!(
                "Renewed the login to {server} as {}, until {}.",
                info.user,
                human::date(info.expires_at, now)
            );
            for line in side_by_side(&places(*in_keyring, files)) {
                text.push_str(&format!("\n{line}"));
            }
            text
        }
    }
}

fn record(server: &str, outcome: &Outcome) -> Value {
    match outcome {
        Outcome::NotDue(end) => json!({
            "server": server,
            "renewed": false,
            "expires_at": human::timestamp(*end),
        }),
        Outcome::Renewed {
            info,
            in_keyring,
            files,
        } => {
            let files = files.iter().filter(|file| !file.what.is_empty());
            let files = files
                .map(|file| json!({ "path": file.path.to_string_lossy(), "changes": file.what }));
            json!({
                "server": server,
                "renewed": true,
                "user": info.user,
                "token_id": info.id,
                "former_token_id": info.parent,
                "expires_at": human::timestamp(info.expires_at),
                "in_keyring": in_keyring,
                "files": files.collect::<Vec<_>>(),
            })
        }
    }
}
