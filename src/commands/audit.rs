//! `fh audit`: what was done on a server, and what was refused.

use std::time::Duration;

use clap::Args;
use fh_api::{AuditEvent, ErrorCode, FlakeName, Name};
use fh_client::{AuditFilter, Client};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::token_id::{self, TokenId};
use crate::context::Context;
use crate::error::{CommandError, Named};
use crate::output::{Columns, Printed, Tone, human};

/// How long the server is asked to wait for a further event.
const WAIT: Duration = Duration::from_secs(25);

/// Show what was done on the server, and what was refused, by whom and from where
///
/// Administrators of the server see everything; administrators of an organisation see, with --org, what
/// happened in it. Nothing in the log is a secret, and nobody can change it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fh audit --since 1h                           # the newest events of the last hour
  fh audit --org acme --action grant            # who was granted what in acme
  fh audit --denied --user ci -n 20             # what was refused to ci
  fh audit --denied --action grant              # grants that were refused
  fh audit --follow --json | tee -a audit.log   # one JSON object a line, as it happens")]
pub(crate) struct AuditArguments {
    /// Keep running: show events as they happen, until Ctrl-C
    #[arg(long)]
    follow: bool,

    /// Only events in this organisation
    #[arg(long, value_name = "ORG")]
    org: Option<Name>,

    /// Only events on this flake
    #[arg(long, value_name = "ORG/PROJECT", add = crate::completion::flakes())]
    flake: Option<FlakeName>,

    /// Only events by this user
    #[arg(long, value_name = "USER")]
    user: Option<Name>,

    /// Only events with the token of this id, or of an id that begins so
    #[arg(long, value_name = "ID", value_parser = token_id::parse)]
    token: Option<TokenId>,

    /// Only actions that begin with this, such as `grant` or `token.revoke`; with --denied, what was refused
    #[arg(long, value_name = "ACTION")]
    action: Option<String>,

    /// Only refused requests
    #[arg(long)]
    denied: bool,

    /// Only events since this time, such as 2026-01-31T12:00:00Z, or since 1h or 7d ago
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<OffsetDateTime>,

    /// Only events before this time, given as for --since
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<OffsetDateTime>,

    /// Show at most this many events, the newest ones
    #[arg(short = 'n', long = "number", value_name = "N", default_value_t = 100,
          value_parser = clap::value_parser!(u32).range(1..=1000))]
    number: u32,
}

/// A time as it is typed.
fn moment(text: &str) -> Result<OffsetDateTime, String> {
    if let Ok(at) = OffsetDateTime::parse(text, &Rfc3339) {
        return Ok(at);
    }
    let ago = fh_api::duration::parse(text).map_err(|_| {
        "expected a length of time such as 1h or 7d, or a time such as 2026-01-31T12:00:00Z"
            .to_owned()
    })?;
    time::Duration::try_from(ago)
        .ok()
        .and_then(|ago| OffsetDateTime::now_utc().checked_sub(ago))
        .ok_or_else(|| "this is too long ago".to_owned())
}

pub(crate) fn run(arguments: AuditArguments, context: &Context) -> Result<(), CommandError> {
    let client = context.client_with_token()?;
    let follow = arguments.follow;
    let asked_for_one = arguments.org.clone();
    let token = arguments.token.as_ref();
    let token = token
        .map(|id| token_id::resolve(id, &client, context))
        .transpose()?;
    let filter = AuditFilter {
        org: arguments.org,
        flake: arguments.flake,
        user: arguments.user,
        token,
        action: arguments.action,
        denied: arguments.denied.then_some(true),
        since: arguments.since,
        until: arguments.until,
        after: None,
        limit: Some(arguments.number),
        wait: None,
    };
    let explained = |error: CommandError| {
        if let Some(org) = asked_for_one {
            return error.naming(Named::Organization(org));
        }
        error.hint_for(
            ErrorCode::Forbidden,
            "With `--org ORG`, administrators of an organisation see what happened in it.",
        )
    };
    if follow {
        return self::follow(&client, filter, context).map_err(explained);
    }
    let found = context.ask("cannot read the audit log", client.audit(&filter));
    let found = found.map_err(explained)?.events;
    context
        .output
        .list_or(&columns(), &found, "No events match.")
}

fn follow(client: &Client, mut filter: AuditFilter, context: &Context) -> Result<(), CommandError> {
    let columns = columns();
    context.wait("", async {
        let mut printed = Printed::default();
        loop {
            let list = client
                .audit(&filter)
                .await
                .map_err(|error| CommandError::from(error).context("cannot read the audit log"))?;
            context.output.more(&columns, &list.events, &mut printed)?;
            filter.after = Some(list.next);
            filter.wait = Some(WAIT);
        }
    })
}

fn columns() -> Columns<AuditEvent> {
    Columns::<AuditEvent>::new()
        .number("id", "ID")
        .wide()
        .made("at", "WHEN", |event| human::timestamp(event.at))
        .text("action", "ACTION")
        // Beside it stands that it was refused.
        .shown(|event, _| what_was_asked_for(&event.action).to_owned())
        .text("denied", "RESULT")
        .shown(|event, _| if event.denied { "refused" } else { "done" }.to_owned())
        .toned(|event, _| event.denied.then_some(Tone::Bad))
        .text("user", "WHO")
        .text("address", "FROM")
        .ranked(2)
        .text("organization", "ORG")
        .wide()
        .text("flake", "ON")
        .shown(|event, _| match (&event.flake, &event.organization) {
            (Some(flake), _) => flake.to_string(),
            (None, Some(organization)) => organization.to_string(),
            (None, None) => String::new(),
        })
        .flexible()
        .text("subject", "WHAT")
        .shown(|event, _| further(event).or_else(|| event.subject.clone()).unwrap_or_default())
        .flexible()
        .ranked(1)
        .text("token", "TOKEN")
        .wide()
        .text("workload", "WORKLOAD")
        .wide()
        .text("request_id", "REQUEST")
        .wide()
        .text("detail", "DETAIL")
        .wide()
}

/// A refusal is called `denied.` and what was refused.
fn what_was_asked_for(action: &str) -> &str {
    action.strip_prefix("denied.").unwrap_or(action)
}

/// How many refusals an event stands for; none for all that stand for themselves.
fn further(event: &AuditEvent) -> Option<String> {
    let detail = event.detail.as_ref()?;
    let count = detail.get("count")?.as_u64()?;
    if event.action != "denied.more" {
        return None;
    }
    let last = detail.get("last").and_then(|last| last.as_str());
    let last = last.map(|last| format!(", the last one of {}", what_was_asked_for(last)));
    Some(format!("{count} further{}", last.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_shown_by_what_was_refused() {
        let event = |action: &str, detail: serde_json::Value| -> AuditEvent {
            let event = serde_json::json!({
                "id": 1, "at": "2026-01-31T12:00:00Z", "action": action, "denied": true,
                "subject": "acme", "detail": detail,
            });
            serde_json::from_value(event).unwrap()
        };
        let last = serde_json::json!({ "count": 7, "last": "denied.team.add" });
        let one = serde_json::json!({ "status": 403 });
        for (action, detail, asked, about) in [
            ("denied.grant.set", &one, "grant.set", None),
            (
                "denied.more",
                &last,
                "more",
                Some("7 further, the last one of team.add"),
            ),
            // Of a server of before, at an address that is no more.
            ("denied.GET /former", &one, "GET /former", None),
        ] {
            let event = event(action, detail.clone());
            assert_eq!(what_was_asked_for(&event.action), asked);
            assert_eq!(further(&event).as_deref(), about);
        }
    }

    #[test]
    fn a_time_is_a_moment_or_so_long_ago() {
        let at = moment("2026-01-31T12:00:00+01:00").unwrap();
        assert_eq!(at, moment("2026-01-31T11:00:00Z").unwrap());
        let ago = moment("1h").unwrap();
        let hour = OffsetDateTime::now_utc() - ago;
        assert!((3600..3610).contains(&hour.whole_seconds()), "{hour}");
        for bad in ["", "yesterday", "1", "2026-01-31", "-1h", "99999999999y"] {
            assert!(moment(bad).is_err(), "{bad}");
        }
    }
}
