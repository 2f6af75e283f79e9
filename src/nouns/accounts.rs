//! Accounts in a list.

use fh_api::UserInfo;

use crate::output::{Columns, Tone};

/// The columns of a list of accounts, of people or of services.
pub(crate) fn columns() -> Columns<UserInfo> {
    Columns::<UserInfo>::new()
        .text("name", "USER")
        .text("kind", "KIND")
        .text("server_admin", "SERVER ADMIN")
        .shown(|user, _| yes_or_no(user.server_admin))
        .text("organization", "ORGANISATION")
        .time("disabled_at", "DISABLED", "")
        .toned(|_, _| Some(Tone::Bad))
        .time("created_at", "CREATED", "")
        .ranked(1)
        .text("id", "ID")
        .wide()
}

/// Whether something is so, in a word.
pub(crate) fn yes_or_no(yes: bool) -> String {
    if yes { "yes" } else { "no" }.to_owned()
}
