//! What more can be said of a refusal by asking the server that refused: which name was perhaps meant, and who can give
//! what is missing.
//!
//! Invariants: asked are lists that the person may read anyway, of the server that has refused alone, with their own
//! token; so nobody is told a name here that they may not see. It takes [`PATIENCE`] at most, and what fails in here
//! leaves the failure as it was.

use std::time::Duration;

use fh_api::{
    ErrorCode, FlakeName, FlakePattern, Name, OrganizationRole, Permission, Role, Subject,
};
use fh_client::{Client, Error as ClientError, ServerUrl};

use crate::context::Context;
use crate::error::{CommandError, Named, nouns};
use crate::similar::{distance, meant, nearest};

/// How long a failure waits for it.
const PATIENCE: Duration = Duration::from_secs(2);

/// Of so many organisations the members are looked through.
const MOST_ORGANIZATIONS: usize = 20;

/// The failure, with what there is to say beside.
pub(crate) fn added(error: CommandError, context: &Context) -> CommandError {
    let Some(refusal) = Refusal::of(&error, context) else {
        return error;
    };
    let asking = async {
        let advice = tokio::time::timeout(PATIENCE, refusal.advice()).await;
        Ok::<_, CommandError>(advice.unwrap_or_default())
    };
    // Whoever does not wait for it has the failure itself.
    let Advice { first, instead } = context.wait("", asking).unwrap_or_default();
    let error = match instead {
        Some(hint) => error.replace_hints(hint),
        None => error,
    };
    let first = first.into_iter().rev();
    first.fold(error, CommandError::first_hint)
}

/// What there is to say beside a failure.
#[derive(Debug, Default)]
struct Advice {
    /// Before its own hints.
    first: Vec<String>,
    /// In place of these.
    instead: Option<String>,
}

/// The name of a flake that was perhaps meant, where this one is not to be seen.
pub(crate) async fn flake_meant(client: &Client, flake: &FlakeName) -> Option<String> {
    let of_organization = client.flakes_of(Some(&flake.org), None).await;
    let lists = [of_organization, client.flakes().await];
    let flakes = lists.into_iter().flatten().flat_map(|list| list.flakes);
    let names = flakes.map(|it| it.flake);
    let far = |name: &FlakeName| {
        let org = distance(flake.org.as_str(), name.org.as_str())?;
        let project = distance(flake.project.as_str(), name.project.as_str())?;
        Some(org + project)
    };
    nearest(names, far).map(|name| name.to_string())
}

/// The name of an organisation that was perhaps meant, where nothing is to be seen of this one.
pub(crate) fn organization_meant(client: &Client, org: &Name, context: &Context) -> Option<String> {
    let asking = async { Ok(tokio::time::timeout(PATIENCE, organizations(client)).await) };
    let names = context.wait("", asking).ok()?.ok()?;
    meant(org.as_str(), names.iter().map(Name::to_string))
}

/// Warns of flakes that were named and that nobody here can see: a slip of the pen, most of the time. What cannot be
/// found out is not worth a word.
pub(crate) fn warn_of_absent(flakes: &[FlakePattern], client: &Client, context: &Context) {
    for pattern in flakes {
        let FlakePattern::Flake(flake) = pattern else {
            continue;
        };
        let found = context.ask("cannot look for it", async { client.flake(flake).await });
        let is_absent = found.is_err_and(|error| {
            let error = error.downcast_ref::<ClientError>();
            error.and_then(ClientError::status) == Some(404)
        });
        if is_absent {
            let meant = context.wait("", async { Ok(flake_meant(client, flake).await) });
            let meant = meant.ok().flatten();
            let meant = meant.map(|meant| format!("Did you mean {meant}? "));
            context.output.warning(&format!(
                "{flake} does not exist, or you cannot see it. {}`fh list flakes` lists those that you can see",
                meant.unwrap_or_default()
            ));
        }
    }
}

/// A refusal of the server, and a client to ask it more.
struct Refusal {
    client: Client,
    code: ErrorCode,
    /// The hint that the failure has, where it has one alone; empty where it has none.
    hint: Option<String>,
    /// Where what was asked for is listed.
    listed: String,
    /// What was asked, below the API's prefix: the segments of the address.
    asked: Vec<String>,
    /// What the request named in its body or its query.
    named: Vec<Named>,
}

impl Refusal {
    fn of(error: &CommandError, context: &Context) -> Option<Self> {
        let Some(ClientError::Api { url, body, .. }) = error.downcast_ref() else {
            return None;
        };
        let is_known = matches!(
            body.error,
            ErrorCode::NotFound | ErrorCode::InvalidContent | ErrorCode::Forbidden
        );
        if !is_known {
            return None;
        }
        let server = context.server().ok()??;
        let address = below_prefix(url, &server)?;
        let (path, _) = address.split_once('?').unwrap_or((address, ""));
        let hint = match error.hints() {
            [] => Some(String::new()),
            [hint] => Some(hint.clone()),
            _ => None,
        };
        Some(Self {
            code: body.error,
            hint,
            listed: nouns::where_to_look(url),
            asked: path.split('/').skip(1).map(str::to_owned).collect(),
            named: error.named().to_vec(),
            client: client(&server, context)?,
        })
    }

    async fn advice(&self) -> Advice {
        if self.code == ErrorCode::Forbidden {
            let first = self.who_can_give().await.unwrap_or_default();
            return Advice {
                first,
                instead: None,
            };
        }
        let mut first = Vec::new();
        for named in self.named() {
            if let Some(name) = self.meant(&named).await {
                first.push(format!("Did you mean {name}?"));
                break;
            }
        }
        Advice {
            first,
            instead: self.list_to_run().await,
        }
    }

    /// The list to look in, where that of the failure's own hint is none that the person may run, or it has no hint.
    async fn list_to_run(&self) -> Option<String> {
        let words: Vec<&str> = self.asked.iter().map(String::as_str).collect();
        let looks_in_list = self.hint.as_ref() == Some(&self.listed);
        match (self.code, words.as_slice()) {
            // What belongs to an organisation is listed for who sees that.
            (ErrorCode::NotFound, ["orgs", org, _, ..]) if looks_in_list => {
                let found = self.client.organization(&org.parse().ok()?).await;
                let is_hidden = found.is_err_and(|error| error.status() == Some(404));
                is_hidden.then(|| nouns::ORGANIZATIONS.to_owned())
            }
            (ErrorCode::NotFound, ["users" | "accounts", ..]) if looks_in_list => {
                self.list_of_users().await
            }
            (ErrorCode::InvalidContent, _) if self.hint.as_deref() == Some("") => {
                let named = self.named();
                let user = named.iter().find_map(|named| match named {
                    Named::User(user) => Some(user.as_str()),
                    _ => None,
                })?;
                // Something else may be wrong with one that is there.
                let mut there = self.users().await.into_iter();
                if there.any(|there| there.eq_ignore_ascii_case(user)) {
                    return None;
                }
                self.list_of_users().await
            }
            _ => None,
        }
    }

    /// Where the person finds accounts: all of them, or those of an organisation of theirs.
    async fn list_of_users(&self) -> Option<String> {
        if self.client.users().await.is_ok() {
            return Some(nouns::ACCOUNTS.to_owned());
        }
        let organizations = self.client.organizations().await.ok()?;
        let org = organizations.orgs.first()?;
        Some(nouns::members(org.name.as_str()))
    }

    /// What was named, that which everything else depends on first.
    fn named(&self) -> Vec<Named> {
        let words: Vec<&str> = self.asked.iter().map(String::as_str).collect();
        let mut named = match words.as_slice() {
            ["flakes", org, project, ..] => {
                let flake = format!("{org}/{project}").parse();
                flake.map(Named::Flake).into_iter().collect()
            }
            ["orgs" | "invitations", org, ..] => {
                org.parse().map(Named::Organization).into_iter().collect()
            }
            ["users" | "accounts", user, ..] => user.parse().map(Named::User).into_iter().collect(),
            _ => Vec::new(),
        };
        let below: Option<Named> = match words.as_slice() {
            ["flakes", org, _, "grants", subject] | ["orgs", org, "grants", subject] => {
                match subject.parse() {
                    Ok(Subject::User(user)) => Some(Named::User(user)),
                    Ok(Subject::Team(team)) => org.parse().ok().map(|org| Named::Team(org, team)),
                    Ok(Subject::Members) | Err(_) => None,
                }
            }
            ["orgs", org, "teams", team, rest @ ..] => {
                let team = org.parse().ok().zip(team.parse().ok());
                named.extend(team.map(|(org, team)| Named::Team(org, team)));
                match rest {
                    ["members", user] => user.parse().ok().map(Named::User),
                    _ => None,
                }
            }
            ["orgs", _, "members" | "service-accounts", user] => user.parse().ok().map(Named::User),
            ["orgs", org, "trust", policy] => {
                let policy = org.parse().ok().zip(policy.parse().ok());
                policy.map(|(org, policy)| Named::Policy(org, policy))
            }
            _ => None,
        };
        named.extend(below);
        named.extend(self.named.iter().cloned());
        named
    }

    async fn meant(&self, named: &Named) -> Option<String> {
        let client = &self.client;
        match named {
            Named::Flake(flake) => flake_meant(client, flake).await,
            Named::Organization(org) => {
                let orgs = organizations(client).await;
                meant(org.as_str(), orgs.iter().map(Name::to_string))
            }
            Named::User(user) => meant(user.as_str(), self.users().await),
            Named::Team(org, team) => {
                let list = client.teams(org).await.ok()?;
                let names = list.teams.iter().map(|there| there.name.to_string());
                Some(format!("{org}/{}", meant(team.as_str(), names)?))
            }
            Named::Policy(org, policy) => {
                let list = client.trust_policies(org).await.ok()?;
                let names = list.policies.iter().map(|it| it.name.to_string());
                meant(policy.as_str(), names)
            }
        }
    }

    /// The accounts whose names the person may list: all for server administrators, else those of their organisations.
    async fn users(&self) -> Vec<String> {
        if let Ok(list) = self.client.users().await {
            let users = list.users.iter();
            return users.map(|user| user.name.to_string()).collect();
        }
        let mut names = Vec::new();
        let orgs = self.client.organizations().await;
        let orgs = orgs.into_iter().flat_map(|list| list.orgs);
        for org in orgs.take(MOST_ORGANIZATIONS) {
            if let Ok(list) = self.client.members(&org.name).await {
                names.extend(list.members.iter().map(|member| member.user.to_string()));
            }
            if let Ok(list) = self.client.service_accounts(&org.name).await {
                names.extend(list.users.iter().map(|user| user.name.to_string()));
            }
        }
        names.sort();
        names.dedup();
        names
    }

    /// Who can give the role on a flake and the token's permission, whichever of them is missing.
    async fn who_can_give(&self) -> Option<Vec<String>> {
        let words: Vec<&str> = self.asked.iter().map(String::as_str).collect();
        let ["flakes", org, project, what, ..] = words.as_slice() else {
            return None;
        };
        let (role, permission) = match *what {
            "pushes" => (Role::Write, Permission::Push),
            "grants" | "access" => (Role::Admin, Permission::Admin),
            _ => return None,
        };
        let flake: FlakeName = format!("{org}/{project}").parse().ok()?;
        let whoami = self.client.whoami().await.ok()?;
        let mut advice = Vec::new();
        // One that may not pull is not shown the flake, and with it not the role.
        let held = self.client.flake(&flake).await.map(|flake| flake.role);
        if held.is_ok_and(|held| held < Some(role)) {
            let who = self.administrators(&flake.org).await;
            let who = who.unwrap_or_else(|| format!("the administrators of {}", flake.org));
            advice.push(format!(
                "The role can be granted by {who}: `fh grant add {flake} {} {role}`",
                whoami.user
            ));
        }
        if !whoami.permissions.contains(&permission) {
            advice.push(format!(
                "A token with the permission can be created by a server administrator, or by you with a token \
                 that has it: `fh token create --user {} --permission {permission}`",
                whoami.user
            ));
        }
        Some(advice)
    }

    /// The owners and administrators of an organisation, where its members are shown.
    async fn administrators(&self, org: &Name) -> Option<String> {
        let list = self.client.members(org).await.ok()?;
        let administer = list
            .members
            .iter()
            .filter(|member| member.role >= OrganizationRole::Admin && !member.invited);
        let names: Vec<String> = administer.map(|member| member.user.to_string()).collect();
        let (last, others) = names.split_last()?;
        Some(if others.is_empty() {
            format!("{last}, who administers {org}")
        } else {
            format!("{} or {last}, who administer {org}", others.join(", "))
        })
    }
}

/// The organisations that the person is in, is invited to, or reads something of.
async fn organizations(client: &Client) -> Vec<Name> {
    let mut names: Vec<Name> = Vec::new();
    if let Ok(list) = client.organizations().await {
        names.extend(list.orgs.into_iter().map(|org| org.name));
    }
    if let Ok(list) = client.invitations(None).await {
        let invited = list.invitations.into_iter();
        names.extend(invited.map(|offer| offer.organization));
    }
    if let Ok(list) = client.flakes().await {
        names.extend(list.flakes.into_iter().map(|it| it.flake.org));
    }
    names.sort();
    names.dedup();
    names
}

/// What was asked below the API's prefix of that server.
fn below_prefix<'a>(url: &'a str, server: &ServerUrl) -> Option<&'a str> {
    let path = url.strip_prefix(server.as_str())?;
    let below = path.strip_prefix(fh_api::API_PREFIX)?;
    below.starts_with('/').then_some(below)
}

/// A client with the person's token, if there is one, that neither tries again nor says anything.
fn client(server: &ServerUrl, context: &Context) -> Option<Client> {
    let builder = context.client_builder(server.clone()).ok()?.retries(0);
    let builder = match context.token(server).ok()? {
        Some(found) => builder.token(found.token),
        None => builder,
    };
    builder.build().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_server_itself_has_refused_is_asked_about() {
        let server: ServerUrl = "https://cache.example.org/fh".parse().unwrap();
        for (url, below) in [
            (
                "https://cache.example.org/fh/api/v1/flakes/acme/app",
                Some("/flakes/acme/app"),
            ),
            ("https://cache.example.org/fh/api/v1x/flakes", None),
            ("https://cache.example.org/fh/_api/v1/cache", None),
            ("https://cache.example.org/api/v1/flakes/acme/app", None),
            ("https://evil.example/fh/api/v1/flakes/acme/app", None),
        ] {
            assert_eq!(below_prefix(url, &server), below, "{url}");
        }
    }
}
