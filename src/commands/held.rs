//! What an account is in, holds and can reach, as lines: for `fh user show` and `fh why`.

use fh_api::{
    AccessReason, Affiliation, FlakeName, OrganizationRole, Role, Standing, UserAccess, UserFlake,
    UserOrganization,
};

use super::joined;

/// A line each: where the account belongs, what is offered to it, which flakes it reads, and by what.
pub(super) fn lines(access: &UserAccess) -> Vec<(&'static str, String)> {
    let mut lines = Vec::new();
    for organization in &access.organizations {
        lines.push(("In", membership(organization)));
        lines.extend(
            offers(organization)
                .into_iter()
                .map(|offer| ("Offered", offer)),
        );
    }
    for flake in &access.flakes {
        lines.push(("Flake", about_flake(flake)));
        lines.extend(
            flake
                .reasons
                .iter()
                .map(|reason| ("By", reason_of(reason, &flake.flake))),
        );
    }
    let narrowed = access.narrowed_by.iter();
    lines.extend(narrowed.map(|text| ("Token", text.clone())));
    lines
}

/// One sentence on the whole.
pub(super) fn summary(access: &UserAccess) -> String {
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

fn membership(organization: &UserOrganization) -> String {
    let what = match organization.affiliation {
        Affiliation::ServiceAccount => "service account".to_owned(),
        other => other.to_string(),
    };
    let name = &organization.organization;
    if organization.teams.is_empty() {
        format!("{name} ({what})")
    } else {
        format!("{name} ({what}; teams: {})", joined(&organization.teams))
    }
}

/// What has no effect before it is accepted.
fn offers(organization: &UserOrganization) -> Vec<String> {
    let invited = organization.invited_as.map(|role| {
        let org = &organization.organization;
        format!("{org} invites them as {}", with_article(role))
    });
    let pending = organization.pending.iter();
    let pending = pending.map(|grant| format!("{} on {}, not accepted", grant.role, grant.on));
    invited.into_iter().chain(pending).collect()
}

fn with_article(role: OrganizationRole) -> &'static str {
    match role {
        OrganizationRole::Member => "a member",
        OrganizationRole::Admin => "an admin",
        OrganizationRole::Owner => "an owner",
    }
}

fn about_flake(flake: &UserFlake) -> String {
    let role = flake.role.map_or("reads it without a role", Role::as_str);
    let standing = match flake.standing {
        Standing::Own => "",
        Standing::Accepted => ", as a guest",
        Standing::Followed => ", followed",
    };
    format!("{} ({}{standing}): {role}", flake.flake, flake.visibility)
}

/// One reason in words, with whom it is one for.
pub(super) fn by(reason: &AccessReason, flake: &FlakeName) -> String {
    let text = reason_of(reason, flake);
    if reason.users.is_empty() {
        text
    } else {
        let users: Vec<String> = reason.users.iter().map(ToString::to_string).collect();
        format!("{text}: {}", users.join(", "))
    }
}

/// One reason in words.
fn reason_of(reason: &AccessReason, flake: &FlakeName) -> String {
    let role = reason.role.map(Role::as_str).unwrap_or_default();
    let on = if reason.organization_wide {
        format!("{}/*", flake.org)
    } else {
        flake.to_string()
    };
    match (&reason.subject, &reason.trust_policy, reason.membership) {
        (Some(subject), _, _) => format!("grant of {role} on {on} to {subject}"),
        (None, Some(policy), _) => format!("trust policy {policy}, which gives {role} on {on}"),
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
    fn everything_that_somebody_has_is_a_line() {
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
        let told: Vec<String> = lines(&access)
            .into_iter()
            .map(|(label, text)| format!("{label}: {text}"))
            .collect();
        assert_eq!(
            told,
            [
                "In: acme (member; teams: dev ops)",
                "In: corp (guest)",
                "Offered: corp invites them as an admin",
                "In: evil (invited)",
                "Offered: write on evil/*, not accepted",
                "In: fleet (service account)",
                "Flake: acme/app (private): write",
                "By: grant of write on acme/app to team:ops",
                "By: grant of read on acme/* to @members",
                "Flake: corp/web (private, as a guest): admin",
                "By: owner of corp",
                "Flake: nix/tools (public, followed): reads it without a role",
                "By: visibility",
            ]
        );
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
