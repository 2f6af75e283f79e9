//! Where to look for what the server does not find: the command that lists each noun of the API.

use fh_api::API_PREFIX;

/// Where organisations are listed.
pub(crate) const ORGANIZATIONS: &str = "`fh org list` shows your organisations.";

/// Where accounts are listed, for server administrators.
pub(crate) const ACCOUNTS: &str = "`fh user list` shows all accounts.";

/// Where the members of an organisation are listed.
pub(crate) fn members(org: &str) -> String {
    format!("`fh member list {org}` shows who is in it.")
}

/// Where the caller's tokens are listed.
pub(crate) const TOKENS: &str = "`fh token list` shows your tokens.";

/// Where the teams of an organisation are listed.
pub(crate) fn teams(org: &str) -> String {
    format!("`fh team list {org}` shows its teams.")
}

/// Where the service accounts of an organisation are listed.
pub(crate) fn service_accounts(org: &str) -> String {
    format!("`fh service-account list {org}` shows those of {org}.")
}

/// Where to look for what a request to this address named, as a sentence: of what it named last. Whether the person
/// sees what that belongs to is not known here.
pub(crate) fn where_to_look(url: &str) -> String {
    let below = url.split_once(API_PREFIX).map_or("", |(_, below)| below);
    let (path, query) = below.split_once('?').unwrap_or((below, ""));
    let words: Vec<&str> = path.split('/').skip(1).collect();
    if words.len() == 1 && query.split('&').any(|pair| pair.starts_with("org=")) {
        return ORGANIZATIONS.to_owned();
    }
    match words.as_slice() {
        ["orgs", org, "teams", _, ..] => teams(org),
        ["orgs", org, "trust", _, ..] => {
            format!("`fh trust list {org}` shows its trust policies.")
        }
        ["orgs", org, "service-accounts", _, ..] => service_accounts(org),
        ["orgs", _, "former-flakes", _, ..] => {
            "`fh flake free-name` lists the former names of flakes.".to_owned()
        }
        ["orgs", ..] => ORGANIZATIONS.to_owned(),
        ["users" | "accounts", ..] => ACCOUNTS.to_owned(),
        ["tokens", ..] => TOKENS.to_owned(),
        ["invitations", ..] => "`fh invitation list` shows the invitations.".to_owned(),
        ["reserved-names", "organization", ..] => {
            "`fh org free-name` lists the reserved names.".to_owned()
        }
        ["reserved-names", ..] => "`fh user free-name` lists the reserved names.".to_owned(),
        _ => "`fh list flakes` shows what you may see.".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_noun_is_looked_for_in_its_own_list() {
        for (address, command) in [
            ("/flakes/acme/app", "fh list flakes"),
            ("/flakes/acme/app/grants/ann", "fh list flakes"),
            ("/flakes?org=acme", "fh org list"),
            ("/access?path=x", "fh list flakes"),
            ("/orgs/acme", "fh org list"),
            ("/orgs/acme/members/ann", "fh org list"),
            ("/orgs/acme/grants", "fh org list"),
            ("/orgs/acme/teams", "fh org list"),
            ("/orgs/acme/teams/ops", "fh team list acme"),
            ("/orgs/acme/teams/ops/members/ann", "fh team list acme"),
            ("/orgs/acme/trust/ci", "fh trust list acme"),
            (
                "/orgs/acme/service-accounts/fleet/rename",
                "fh service-account list acme",
            ),
            ("/orgs/acme/former-flakes/app", "fh flake free-name"),
            ("/orgs/acme/former-flakes", "fh org list"),
            ("/orgs/acme/keys/rotate", "fh org list"),
            ("/users/ann/access", "fh user list"),
            ("/users/ann/rename", "fh user list"),
            ("/tokens/1/rotate", "fh token list"),
            ("/invitations/acme", "fh invitation list"),
            ("/reserved-names/organization/acme", "fh org free-name"),
            ("/reserved-names/account/ann", "fh user free-name"),
            ("/follows?org=acme", "fh org list"),
            ("/audit?since=1h&org=acme", "fh org list"),
        ] {
            let hint = where_to_look(&format!(
                "https://cache.example.org/fh{API_PREFIX}{address}"
            ));
            assert!(
                hint.starts_with(&format!("`{command}` ")),
                "{address}: {hint}"
            );
        }
    }
}
