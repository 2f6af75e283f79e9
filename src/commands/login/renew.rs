//! `fh login --renew`: what it says and whose files it sets up, besides what any login does.

use fh_client::ServerUrl;
use time::OffsetDateTime;

use crate::context::Context;
use crate::error::CommandError;
use crate::output::human;
use crate::setup::daemon::Daemon;
use crate::setup::{Machine, Scope, noted};

/// No server is named, and none is known.
pub(super) fn nothing_to_renew() -> CommandError {
    CommandError::failed("there is no login to renew: you are not logged in to any server")
        .hint("Log in: `fh login --server URL`")
}

/// Whose files `fh login --renew` sets up where that is not said: the machine's if the login has written to one of
/// them. A login of root may be one of root alone.
pub(super) fn scope(server: &ServerUrl, context: &Context) -> Result<Scope, CommandError> {
    if Scope::automatic() == Scope::User {
        return Ok(Scope::User);
    }
    let (_, _, ledger) = noted(&context.settings)?;
    let machine = Machine::look(&context.settings, Scope::System, Daemon::None)?;
    for written in ledger.files_of(server.as_str()) {
        if machine.sets_up(written)? {
            return Ok(Scope::System);
        }
    }
    Ok(Scope::User)
}

/// What `fh login --renew --dry-run` says besides.
pub(super) fn would_last(until: Option<OffsetDateTime>, now: OffsetDateTime) -> String {
    match until {
        Some(until) => format!(
            "the token would be renewed until {}: its new value is not known before",
            human::date(until, now)
        ),
        None => "the server does not let this token be renewed; without --dry-run it says why"
            .to_owned(),
    }
}
