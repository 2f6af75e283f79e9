//! Asking the server about what the file names: what its organisations have, and what names lead to.
//!
//! Nothing is asked that the token may not see; what it may not see is not there.

use std::collections::BTreeMap;

use fh_api::{AccountInfo, ErrorCode, FlakeInfo, Name, Permission, Visibility, Whoami};
use fh_client::{Client, Result as ClientResult};

use super::file::File;
use super::names::{Answers, Questions, Resolved, organizations};
use super::plan::Caller;
use super::state::{Present, PresentFlake};
use crate::context::Context;
use crate::error::{CommandError, Explain as _};
use crate::nouns::found::{if_there, organization};

/// What the server says about a file.
pub(super) struct Found {
    /// The file under present names.
    pub(super) resolved: Resolved,
    /// What its organisations have.
    pub(super) present: BTreeMap<Name, Present>,
    pub(super) caller: Caller,
    /// Public keys that the server signs with, where the file names keys.
    pub(super) server_keys: Vec<String>,
}

/// Asks all that a plan needs to know.
///
/// # Errors
/// Of the requests.
pub(super) fn look_up(
    file: File,
    client: &Client,
    context: &Context,
) -> Result<Found, CommandError> {
    let names_keys = file.org.values().any(|org| org.trusted_keys.is_some());
    let (caller, server_keys) = context.ask("cannot look up who you are", async {
        let caller = caller(client.whoami().await?);
        let keys = match names_keys {
            true => client.discovery().await?.public_keys,
            false => Vec::new(),
        };
        Ok((caller, keys.into_iter().map(|key| key.public_key).collect()))
    })?;
    let mut found = BTreeMap::new();
    for (said, wanted) in &file.org {
        let org = &said.value;
        let present = of(org, Present::ask(client, org, Some(wanted)), context)?;
        found.insert(said.clone(), present);
    }
    let (resolved, mut present) = organizations(file, found);
    let questions = Questions::of(&resolved.file, &present);
    let answers = context.ask(
        "cannot look up what the file names",
        answers(client, &questions, &caller),
    );
    let hint = "You need to be an owner or an admin of the organisations in the file, with a token that reaches all of \
                them: `fh status`";
    let answers = explained(answers, hint)?;
    let resolved = resolved.resolve(&present, &answers);
    for (org, wanted) in &resolved.file.org {
        if let Some(there) = present.get_mut(&org.value) {
            of(org, there.ask_grants(client, Some(wanted)), context)?;
        }
    }
    Ok(Found {
        resolved,
        present,
        caller,
        server_keys,
    })
}

/// Asks for all that an organisation has.
///
/// # Errors
/// Of the requests.
pub(super) fn everything_of(
    org: &Name,
    client: &Client,
    context: &Context,
) -> Result<Present, CommandError> {
    let asked = async {
        let mut present = Present::ask(client, org, None).await?;
        present.ask_grants(client, None).await?;
        Ok(present)
    };
    of(org, asked, context)
}

/// Asks for something that an organisation has.
fn of<T>(
    org: &Name,
    request: impl Future<Output = ClientResult<T>>,
    context: &Context,
) -> Result<T, CommandError> {
    let hint = format!(
        "You need to be an owner or an admin of {org}, with a token that reaches all of it: `fh org show {org}`"
    );
    let found = context.ask(format_args!("cannot look up what {org} has"), request);
    explained(found, &hint)
}

/// What the caller may not see is not there for them.
fn explained<T>(found: Result<T, CommandError>, hint: &str) -> Result<T, CommandError> {
    found
        .hint_for(ErrorCode::Forbidden, hint)
        .hint_for(ErrorCode::NotFound, hint)
}

fn caller(whoami: Whoami) -> Caller {
    let reaches_all = whoami.flakes.contains(&fh_api::FlakePattern::All);
    let manages = whoami.permissions.contains(&Permission::Admin);
    Caller {
        administers_server: whoami.server_admin && reaches_all && manages,
        name: whoami.user,
        permissions: whoami.permissions,
    }
}

async fn answers(client: &Client, questions: &Questions, caller: &Caller) -> ClientResult<Answers> {
    let mut answers = Answers::default();
    // One request in place of many.
    if caller.administers_server && !questions.accounts.is_empty() {
        for user in client.users().await?.users {
            let account = AccountInfo {
                of_organization: user.organization.is_some(),
                kind: user.kind,
                name: user.name,
            };
            answers.accounts.insert(account.name.folded(), account);
        }
    }
    for name in &questions.accounts {
        if !answers.accounts.contains_key(&name.folded()) {
            let found = if_there(client.account(name).await)?;
            answers.accounts.extend(found.map(|it| (name.folded(), it)));
        }
    }
    for flake in &questions.flakes {
        let found = if_there(client.flake(flake).await)?.map(PresentFlake::from);
        answers.flakes.extend(found.map(|it| (flake.folded(), it)));
    }
    let is_public = |flake: &FlakeInfo| flake.visibility == Visibility::Public;
    for org in &questions.organizations {
        let found = organization(client, org, is_public).await?;
        answers
            .organizations
            .extend(found.map(|it| (org.folded(), it)));
    }
    Ok(answers)
}
