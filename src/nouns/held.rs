//! What an account is in, holds and can reach, as tables: for `fh user show` and `fh why`.

use fh_api::{
    AccessReason, Affiliation, FlakeName, OrganizationRole, Role, Standing, Subject, UserAccess,
    UserFlake, UserOrganization, Visibility,
};
use serde::Serialize;

use super::invited::with_article;
use crate::error::CommandError;
use crate::output::{Columns, Output};
use crate::text::joined;

/// Where the account belongs and what is offered to it, and which flakes it reads and by what: a table each.
pub(crate) fn tables(access: &UserAccess, output: &Output) -> Result<[String; 2], CommandError> {
    let reasons: Vec<ReasonRow> = access.flakes.iter().flat_map(ReasonRow::of_user).collect();
    Ok([
        output.table(&organization_columns(), &access.organizations)?,
        output.table(&reason_columns(), &reasons)?,
    ])
}

/// How the token of whoever asks narrows the answer, as lines.
pub(crate) fn limits(narrowed_by: &[String]) -> impl Iterator<Item = (&'static str, String)> {
    narrowed_by.iter().map(|text| ("Token", text.clone()))
}

/// One sentence on the whole.
pub(crate) fn summary(access: &UserAccess) -> String {
    let user = &access.user;
    if access.disabled {
        return format!(
            "{user} is disabled: all tokens are refused, so nothing of this applies now."
        );
    }
    let flakes = match access.flakes.len() {
        0 => "no flakes".to_owned(),
        1 => "1 flake".to_owned(),
        count => format!("{count} flakes"),
    };
    let told =
        format!("{user} reads {flakes} at the root address, and public flakes by their names.");
    if access.complete {
        return told;
    }
    let limit = if access.narrowed_by.is_empty() {
        "This is only what concerns organisations that you administer."
    } else {
        "This is only what your token reaches."
    };
    format!("{told} {limit}")
}

fn organization_columns() -> Columns<UserOrganization> {
    Columns::<UserOrganization>::new()
        .text("organization", "ORGANISATION")
        .made("affiliation", "AS", |it| match it.affiliation {
            Affiliation::ServiceAccount => "service account".to_owned(),
            other => other.to_string(),
        })
        .text("teams", "TEAMS")
        .flexible()
        .made("offered", "OFFERED", offers)
        .flexible()
}

/// What has no effect before it is accepted.
fn offers(organization: &UserOrganization) -> String {
    let invited = organization.invited_as;
    let invited = invited.map(|role| format!("to be {}", with_article(role)));
    let pending = organization.pending.iter();
    let pending = pending.map(|grant| format!("{} on {}", grant.role, grant.on));
    let offers: Vec<String> = invited.into_iter().chain(pending).collect();
    offers.join(", ")
}

/// A flake, and one reason why somebody reads it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ReasonRow {
    flake: FlakeName,
    /// The role that the reason gives.
    role: &'static str,
    by: String,
    /// For whom it is one, if it is not the account that was asked about.
    users: String,
    visibility: Visibility,
    standing: &'static str,
    /// Whether the path that was asked about is served from this flake.
    served: bool,
}

impl ReasonRow {
    /// A row for each reason; one without a reason where there is none.
    pub(crate) fn of(
        flake: &FlakeName,
        visibility: Visibility,
        served: bool,
        reasons: &[AccessReason],
    ) -> Vec<Self> {
        let row = |role, by, users| Self {
            flake: flake.clone(),
            role,
            by,
            users,
            visibility,
            standing: "",
            served,
        };
        if reasons.is_empty() {
            return vec![row("", "nothing".to_owned(), String::new())];
        }
        let rows = reasons.iter().map(|reason| {
            // What is open is read without a role.
            let role = reason.role.unwrap_or(Role::Read).as_str();
            let users = match reason.subject {
                // Of one account that stands beside it already.
                Some(Subject::User(_)) => String::new(),
                _ => joined(&reason.users),
            };
            row(role, by(reason, flake), users)
        });
        rows.collect()
    }

    fn of_user(flake: &UserFlake) -> Vec<Self> {
        let mut rows = Self::of(&flake.flake, flake.visibility, false, &flake.reasons);
        for row in &mut rows {
            // They all are reasons for the account itself.
            row.users.clear();
            row.standing = match flake.standing {
                Standing::Own => "",
                Standing::Accepted => "guest",
                Standing::Followed => "followed",
            };
        }
        rows
    }
}

pub(crate) fn reason_columns() -> Columns<ReasonRow> {
    Columns::<ReasonRow>::new()
        .text("flake", "FLAKE")
        .text("role", "ROLE")
        .text("by", "BY")
        .flexible()
        .text("users", "HELD BY")
        .flexible()
        .text("visibility", "VISIBILITY")
        .ranked(1)
        .text("standing", "STANDING")
        .ranked(2)
        .made("served", "SERVED", |row| {
            if row.served { "from here" } else { "" }.to_owned()
        })
}

/// One reason in words; the role that it gives stands beside it.
fn by(reason: &AccessReason, flake: &FlakeName) -> String {
    let on = if reason.organization_wide {
        format!("{}/*", flake.org)
    } else {
        flake.to_string()
    };
    match (&reason.subject, &reason.trust_policy, reason.membership) {
        (Some(subject), _, _) => format!("grant on {on} to {subject}"),
        (None, Some(policy), _) => format!("trust policy {policy} on {on}"),
        (None, None, Some(OrganizationRole::Owner)) => format!("owner of {}", flake.org),
        (None, None, Some(_)) => format!("admin of {}", flake.org),
        // A server of before does not say what the members are.
        (None, None, None) if reason.role.is_some() => {
            format!("{} that administers {}", reason.by, flake.org)
        }
        (None, None, None) => reason.by.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn everything_that_somebody_has_is_a_row_of_a_table() {
        let access = json!({
            "user": "bob", "disabled": false, "complete": true, "narrowed_by": [],
            "organizations": [
                { "organization": "acme", "affiliation": "member", "teams": ["dev", "ops"], "pending": [] },
                { "organization": "corp", "affiliation": "guest", "invited_as": "admin", "teams": [],
                  "pending": [] },
                { "organization": "evil", "affiliation": "invited", "teams": [],
                  "pending": [{ "on": "evil/*", "role": "write" }] },
                { "organization": "fleet", "affiliation": "service-account", "teams": [], "pending": [] },
            ],
            "flakes": [
                { "flake": "acme/app", "visibility": "private", "role": "write", "standing": "own",
                  "reasons": [
                    { "by": "grant", "subject": "team:ops", "role": "write", "organization_wide": false,
                      "users": ["bob"] },
                    { "by": "grant", "subject": "@members", "role": "read", "organization_wide": true,
                      "users": [] },
                  ] },
                { "flake": "corp/web", "visibility": "private", "role": "admin", "standing": "accepted",
                  "reasons": [{ "by": "membership", "subject": null, "membership": "owner", "role": "admin",
                                "organization_wide": true, "users": [] }] },
                { "flake": "nix/tools", "visibility": "public", "role": null, "standing": "followed",
                  "reasons": [{ "by": "visibility", "subject": null, "role": null,
                                "organization_wide": false, "users": [] }] },
            ],
        });
        let access: UserAccess = serde_json::from_value(access).unwrap();
        let [organizations, reasons] = tables(&access, &Output::plain()).unwrap();
        insta::assert_snapshot!(organizations, @r"
        ORGANISATION  AS               TEAMS    OFFERED
        acme          member           dev ops
        corp          guest                     to be an admin
        evil          invited                   write on evil/*
        fleet         service account
        ");
        insta::assert_snapshot!(reasons, @r"
        FLAKE      ROLE   BY                             VISIBILITY  STANDING
        acme/app   write  grant on acme/app to team:ops  private
        acme/app   read   grant on acme/* to @members    private
        corp/web   admin  owner of corp                  private     guest
        nix/tools  read   visibility                     public      followed
        ");
        assert_eq!(
            summary(&access),
            "bob reads 3 flakes at the root address, and public flakes by their names."
        );
        let disabled = UserAccess {
            disabled: true,
            ..access
        };
        assert!(summary(&disabled).contains("nothing of this applies now"));
    }
}
