//! `fh service-account`: accounts of machines that belong to an organisation.

use clap::{Args, Subcommand};
use fh_api::{CreateServiceAccount, ErrorCode, Name, OrganizationRole, UserInfo};
use fh_client::Client;
use serde_json::json;

use super::confirm::{Effect, Yes};
use super::found::{Found, formerly};
use super::rename::{NewName, Renaming};
use super::scoped::{OrgOption, Scoped, listed};
use super::user;
use crate::arguments::IfMissing;
use crate::context::Context;
use crate::error::{CommandError, nouns};

/// Manage accounts for the machines of an organisation
///
/// Administrators of the organisation create their tokens (`fh token create --user NAME`); no server administrator
/// is needed. Such a token reaches only flakes of the organisation.
#[derive(Debug, Subcommand)]
pub(crate) enum ServiceAccountCommand {
    Create(CreateArguments),
    List(ListArguments),
    Rename(RenameArguments),
    Delete(DeleteArguments),
}

/// Create a service account
///
/// It may read public flakes by their names (/cache/ORG/PROJECT), and nothing else until it is granted something.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fh service-account create acme/acme-fleet
  fh grant add acme/app acme-fleet read
  fh token create --user acme-fleet --out fleet.token")]
pub(crate) struct CreateArguments {
    // The name is unique on the server.
    #[command(flatten)]
    account: Scoped,

    #[command(flatten)]
    if_missing: IfMissing,
}

/// List the service accounts of an organisation, or of all that you administer
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fh service-account list
  fh service-account list acme")]
pub(crate) struct ListArguments {
    /// The organisation [default: all that you administer]
    #[arg(value_name = "ORG", add = crate::completion::organizations())]
    org: Option<Name>,

    #[command(flatten)]
    option: OrgOption,
}

/// Rename a service account
///
/// Its tokens stay valid. Its former name keeps working, and nobody else can get that name.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fh service-account rename acme/acme-fleet acme-machines")]
pub(crate) struct RenameArguments {
    /// The organisation and the account; the account alone if you administer its organisation
    #[arg(value_name = "ORG/NAME", value_parser = account)]
    account: (Option<Name>, Name),

    /// Its new name, unique on the server
    #[arg(value_name = "NAME")]
    name: NewName,

    #[command(flatten)]
    yes: Yes,
}

/// `ORG/NAME`, or the name alone, as `list` prints it.
fn account(text: &str) -> Result<(Option<Name>, Name), String> {
    let name_of = |text: &str| text.parse::<Name>().map_err(|error| error.to_string());
    match text.split_once('/') {
        Some((org, name)) => Ok((Some(name_of(org)?), name_of(name)?)),
        None => Ok((None, name_of(text)?)),
    }
}

/// Delete a service account and its tokens
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fh service-account delete acme/acme-fleet
  fh service-account delete acme/acme-fleet --yes")]
pub(crate) struct DeleteArguments {
    #[command(flatten)]
    account: Scoped,

    #[command(flatten)]
    yes: Yes,
}

pub(crate) fn run(command: ServiceAccountCommand, context: &Context) -> Result<(), CommandError> {
    match command {
        ServiceAccountCommand::Create(arguments) => create(&arguments, context),
        ServiceAccountCommand::List(arguments) => list(&arguments, context),
        ServiceAccountCommand::Rename(arguments) => rename(&arguments, context),
        ServiceAccountCommand::Delete(arguments) => delete(&arguments, context),
    }
}

fn create(arguments: &CreateArguments, context: &Context) -> Result<(), CommandError> {
    let client = context.client_with_token()?;
    let (org, name) = arguments.account.names()?;
    let new = CreateServiceAccount {
        name,
        exist_ok: arguments.if_missing.set,
    };
    let answer = context
        .change(
            format_args!("cannot create the service account {}", new.name),
            async { client.create_service_account(&org, &new).await },
        )
        .map_err(|error| {
            error.hint_for(ErrorCode::Conflict, nouns::service_accounts(org.as_str()))
        })?;
    context.output.made(&answer, |made, is_new| {
        let name = &made.name;
        if !is_new {
            return format!("The service account {name} of {org} exists already.");
        }
        format!(
            "Created the service account {name} of {org}. Create a token for it: `fh \
             token create --user {name}`"
        )
    })
}

fn list(arguments: &ListArguments, context: &Context) -> Result<(), CommandError> {
    let org = arguments.option.or(&arguments.org);
    let found = listed(
        "service accounts",
        org,
        OrganizationRole::Admin,
        context,
        &async |client: &Client, org: &Name| Ok(client.service_accounts(org).await?.users),
    )?;
    let found: Vec<UserInfo> = found.into_iter().map(|(_, account)| account).collect();
    context.output.list(&user::columns(), &found)?;
    let empty = match org {
        Some(org) => format!(
            "{org} has no service accounts. Create one: `fh service-account create {org}/NAME`"
        ),
        None => "No organisation that you administer has service accounts. Create one: `fh \
                 service-account create ORG/NAME`"
            .to_owned(),
    };
    context.output.when_empty(&found, &empty);
    Ok(())
}

fn rename(arguments: &RenameArguments, context: &Context) -> Result<(), CommandError> {
    let client = context.client_with_token()?;
    let RenameArguments { account, name, yes } = arguments;
    let (org, account) = account;
    let org = &match org {
        Some(org) => org.clone(),
        None => organization_of(account, &client, context)?,
    };
    let found = context.ask(
        format_args!("cannot rename the service account {account}"),
        async { Found::of(client.service_account(org, account).await) },
    )?;
    let present = found.name(org, |found| {
        found.organization.clone().unwrap_or_else(|| org.clone())
    });
    let full = format!("{org}/{account}");
    let what = (
        "service account",
        full.as_str(),
        "fh service-account create",
    );
    let name = name.within(&present, what, &client, context)?;
    let renaming = Renaming {
        noun: "service account",
        from: found.name(account, |found| found.name.clone()).to_string(),
        to: name.to_string(),
        yes: *yes,
    };
    renaming.carry_out(context, async {
        client.rename_service_account(org, account, name).await
    })
}

fn delete(arguments: &DeleteArguments, context: &Context) -> Result<(), CommandError> {
    let client = context.client_with_token()?;
    let (org, name) = match arguments.account.parse()? {
        (Some(org), name) => (org, name),
        (None, name) => (organization_of(&name, &client, context)?, name),
    };
    let cannot = format!("cannot delete the service account {name}");
    let found = context.ask(&cannot, async {
        Found::of(client.service_account(&org, &name).await)
    })?;
    let present = found.name(&name, |account| account.name.clone());
    let told = formerly(&present, &name);
    let what = format!("This deletes the service account {told} of {org}, with its tokens.");
    let yes = arguments.yes;
    yes.confirm(Effect::Loses, &what, "Delete the service account?", context)?;
    context.change(&cannot, async {
        client.remove_service_account(&org, &name).await
    })?;
    let deleted = json!({ "org": org, "name": present, "deleted": true });
    context.output.done(&deleted, |_| {
        format!("Deleted the service account {told} of {org}, with its tokens.")
    })
}

/// The organisation of a service account of which the name alone was said, as `list` prints it.
fn organization_of(name: &Name, client: &Client, context: &Context) -> Result<Name, CommandError> {
    let found = context.ask(
        format_args!("cannot find the service account {name}"),
        async {
            for org in client.organizations().await?.orgs {
                // Only administrators see an organisation's service accounts.
                if org.role < Some(OrganizationRole::Admin) {
                    continue;
                }
                let found = client.service_account(&org.name, name).await;
                if let Found::There(_) = Found::of(found)? {
                    return Ok(Some(org.name));
                }
            }
            Ok(None)
        },
    )?;
    found.ok_or_else(|| {
        CommandError::failed(format!(
            "no organisation that you administer has a service account {name}"
        ))
        .hint("`fh service-account list` lists those of your organisations.")
    })
}
