//! What a refused request is called in the audit log.
//!
//! A refusal of `PUT /flakes/{org}/{project}/grants/{subject}` is told as `denied.grant.set`: by the name of what is
//! written where it is done, so that one filter finds both. What only reads has a name of the same form. Servers of
//! before wrote the method and the address; events of theirs are told by the names too.

/// The prefix of every refusal.
pub(super) const DENIED: &str = "denied.";

/// Each operation of the API, below its prefix, with what a refusal of it is called.
const ACTIONS: &str = "
    GET    /access access.explain
    GET    /accounts/{user} account.show
    GET    /audit audit.list
    GET    /flakes flake.list
    POST   /flakes flake.create
    GET    /flakes/{org}/{project} flake.show
    PATCH  /flakes/{org}/{project} flake.update
    DELETE /flakes/{org}/{project} flake.delete
    POST   /flakes/{org}/{project}/rename flake.rename
    GET    /flakes/{org}/{project}/access access.list
    GET    /flakes/{org}/{project}/grants grant.list
    GET    /flakes/{org}/{project}/grants/{subject} grant.show
    PUT    /flakes/{org}/{project}/grants/{subject} grant.set
    DELETE /flakes/{org}/{project}/grants/{subject} grant.remove
    GET    /flakes/{org}/{project}/paths flake.paths
    POST   /flakes/{org}/{project}/pushes push.plan
    DELETE /flakes/{org}/{project}/pushes/{id} push.abandon
    POST   /flakes/{org}/{project}/pushes/{id}/commit push.commit
    POST   /flakes/{org}/{project}/pushes/{id}/nars push.upload
    PUT    /flakes/{org}/{project}/pushes/{id}/nars/{nar_hash}/parts/{number} push.upload
    GET    /follows follows.list
    PUT    /follows follows.set
    GET    /invitations invitation.list
    PUT    /invitations/{org} invitation.accept
    DELETE /invitations/{org} invitation.decline
    GET    /keys key.list
    POST   /keys/rotate key.rotate
    GET    /openapi.json document.show
    GET    /orgs organization.list
    POST   /orgs organization.create
    GET    /orgs/{org} organization.show
    PATCH  /orgs/{org} organization.update
    DELETE /orgs/{org} organization.delete
    GET    /orgs/{org}/access access.list
    GET    /orgs/{org}/former-flakes flake.former-names
    DELETE /orgs/{org}/former-flakes/{project} flake.free-name
    GET    /orgs/{org}/grants grant.list
    GET    /orgs/{org}/grants/{subject} grant.show
    PUT    /orgs/{org}/grants/{subject} grant.set
    DELETE /orgs/{org}/grants/{subject} grant.remove
    GET    /orgs/{org}/keys key.list
    POST   /orgs/{org}/keys/rotate key.rotate
    GET    /orgs/{org}/members member.list
    GET    /orgs/{org}/members/{user} member.show
    PUT    /orgs/{org}/members/{user} member.set
    DELETE /orgs/{org}/members/{user} member.remove
    POST   /orgs/{org}/rename organization.rename
    GET    /orgs/{org}/roots root.list
    POST   /orgs/{org}/roots root.request
    DELETE /orgs/{org}/roots root.remove
    GET    /orgs/{org}/service-accounts service-account.list
    POST   /orgs/{org}/service-accounts service-account.create
    GET    /orgs/{org}/service-accounts/{user} service-account.show
    DELETE /orgs/{org}/service-accounts/{user} service-account.remove
    POST   /orgs/{org}/service-accounts/{user}/rename service-account.rename
    GET    /orgs/{org}/teams team.list
    POST   /orgs/{org}/teams team.create
    GET    /orgs/{org}/teams/{team} team.show
    DELETE /orgs/{org}/teams/{team} team.delete
    GET    /orgs/{org}/teams/{team}/members/{user} team.show
    PUT    /orgs/{org}/teams/{team}/members/{user} team.add
    DELETE /orgs/{org}/teams/{team}/members/{user} team.remove
    GET    /orgs/{org}/trust trust.list
    POST   /orgs/{org}/trust-test trust.test
    GET    /orgs/{org}/trust/{policy} trust.show
    PUT    /orgs/{org}/trust/{policy} trust.set
    DELETE /orgs/{org}/trust/{policy} trust.delete
    GET    /reserved-names name.list
    DELETE /reserved-names/{kind}/{name} name.free
    GET    /substituters substituter.list
    GET    /tokens token.list
    POST   /tokens token.create
    POST   /tokens/renew token.renew
    GET    /tokens/{id} token.show
    DELETE /tokens/{id} token.revoke
    GET    /tokens/{id}/revocation token.revocation
    POST   /tokens/{id}/rotate token.rotate
    GET    /users user.list
    POST   /users user.create
    GET    /users/{user} user.show
    PATCH  /users/{user} user.update
    GET    /users/{user}/access user.access
    POST   /users/{user}/rename user.rename
    GET    /whoami token.whoami
";

/// The operations with their methods, addresses and names.
fn actions() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    ACTIONS.lines().filter_map(|line| {
        let mut words = line.split_ascii_whitespace();
        Some((words.next()?, words.next()?, words.next()?))
    })
}

/// What a refusal of an operation is called; `route`: its address below the API's prefix, as it is routed.
pub(super) fn denied(method: &str, route: &str) -> String {
    // Whoever asks for the header alone asks for the same thing.
    let method = if method == "HEAD" { "GET" } else { method };
    match actions().find(|(of, at, _)| (*of, *at) == (method, route)) {
        Some((_, _, action)) => format!("{DENIED}{action}"),
        None => format!("{DENIED}{method} {route}"),
    }
}

/// The name of what servers of before wrote, `denied.METHOD ADDRESS`; all else stays as it is.
pub(super) fn named(action: &str) -> String {
    let written = action.strip_prefix(DENIED);
    match written.and_then(|written| written.split_once(' ')) {
        Some((method, route)) => denied(method, route),
        None => action.to_owned(),
    }
}

/// What servers of before wrote where the name begins like that, and what they wrote does not.
pub(super) fn former(prefix: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (method, route, action) in actions() {
        if !format!("{DENIED}{action}").starts_with(prefix) {
            continue;
        }
        found.push(format!("{DENIED}{method} {route}"));
        // The header alone was noted by its own method.
        if method == "GET" {
            found.push(format!("{DENIED}HEAD {route}"));
        }
    }
    found.retain(|written| !written.starts_with(prefix));
    found
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    #[test]
    fn every_operation_of_the_api_has_a_name_and_nothing_else_has() {
        let document: Value = serde_json::from_str(&crate::openapi()).unwrap();
        let mut operations = BTreeSet::new();
        for (path, methods) in document["paths"].as_object().unwrap() {
            let Some(route) = path.strip_prefix(fh_api::API_PREFIX) else {
                continue;
            };
            for method in methods.as_object().unwrap().keys() {
                operations.insert((method.to_uppercase(), route.to_owned()));
            }
        }
        let named: BTreeSet<(String, String)> = actions()
            .map(|(method, route, _)| (method.to_owned(), route.to_owned()))
            .collect();
        let nameless: Vec<_> = operations.difference(&named).collect();
        assert!(nameless.is_empty(), "no action for {nameless:?}");
        let gone: Vec<_> = named.difference(&operations).collect();
        assert!(gone.is_empty(), "no operation {gone:?}");
    }

    #[test]
    fn a_name_is_a_noun_and_a_verb() {
        for (_, _, action) in actions() {
            let (noun, verb) = action.split_once('.').unwrap();
            for word in [noun, verb] {
                let letters = word
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte == b'-');
                assert!(letters && !word.is_empty(), "{action}");
            }
        }
    }

    #[test]
    fn what_was_written_before_is_told_by_its_name() {
        for (written, told) in [
            (
                "denied.PUT /flakes/{org}/{project}/grants/{subject}",
                "denied.grant.set",
            ),
            ("denied.HEAD /users", "denied.user.list"),
            ("denied.GET /whoami", "denied.token.whoami"),
            // Names, and an address that is no longer there.
            ("denied.token.exchange", "denied.token.exchange"),
            ("denied.more", "denied.more"),
            ("grant.set", "grant.set"),
            ("denied.GET /former", "denied.GET /former"),
        ] {
            assert_eq!(named(written), told);
        }
        for (_, _, action) in actions() {
            let told = format!("{DENIED}{action}");
            assert_eq!(named(&told), told);
            assert!(
                former(&told)
                    .iter()
                    .all(|written| named(written).starts_with(&told))
            );
        }
        for nothing in ["grant.set", "denied.", "", "denied.GET /users"] {
            assert!(former(nothing).is_empty(), "{nothing}");
        }
        assert_eq!(former("denied.key.rotate").len(), 2);
    }
}
