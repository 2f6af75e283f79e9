//! `fh service-account`: accounts of machines that belong to an organisation.

use clap::{Args, Subcommand};
use fh_api::{CreateServiceAccount, ErrorCode, Name, OrganizationRole, UserInfo};
use fh_client::Client;
use serde_json::json;

use crate::arguments::IfMissing;
use crate::confirm::{Effect, Yes};
use crate::context::Context;
use crate::error::{CommandError, Explain as _, nouns};
use crate::nouns::accounts;
use crate::nouns::found::{Found, formerly};
use crate::nouns::qualified::Qualified;
use crate::nouns::rename::Renaming;
use crate::nouns::scoped::{OrgOrAll, Scoped, listed};

/// Manage accounts for the machines of an organisation
///
/// Administrators of the organisation create their tokens (`fh token create --user NAME`); no server administrator
/// is needed. Such a token reaches only flakes of the organisation.
#[derive(Debug, Subcommand)]
pub(crate) enum ServiceAccountCommand {
    /// Create a service account
    ///
    /// It may read public flakes by their names (/cache/ORG/PROJECT), and nothing else until it is granted something.
    #[command(after_help = "\
Examples:
  fh service-account create acme/acme-fleet
  fh grant add acme/app acme-fleet read
  fh token create --user acme-fleet --out fleet.token")]
    Create {
        // The name is unique on the server.
        #[command(flatten)]
        account: Scoped,

        #[command(flatten)]
        if_missing: IfMissing,
    },
    /// List the service accounts of an organisation, or of all that you administer
    #[command(
        after_help = "\
Examples:
  fh service-account list
  fh service-account list acme",
        mut_arg("org", |org| org.help("The organisation [default: all that you administer]"))
    )]
    List(OrgOrAll),
    Rename(RenameArguments),
    /// Delete a service account and its tokens
    #[command(after_help = "\
Examples:
  fh service-account delete acme/acme-fleet
  fh service-account delete acme/acme-fleet --yes")]
    Delete {
        #[command(flatten)]
        account: Scoped,

        #[command(flatten)]
        yes: Yes,
    },
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
    #[arg(value_name = "ORG/NAME")]
    account: Qualified,

    /// Its new name, unique on the server
    #[arg(value_name = "NAME")]
    name: Qualified,

    #[command(flatten)]
    yes: Yes,
}

pub(crate) fn run(command: &ServiceAccountCommand, context: &Context) -> Result<(), CommandError> {
    match command {
        ServiceAccountCommand::Create {
            account,
            if_missing,
        } => create(account, if_missing.set, context),
        ServiceAccountCommand::List(of) => list(of.org(), context),
        ServiceAccountCommand::Rename(arguments) => rename(arguments, context),
        ServiceAccountCommand::Delete { account, yes } => delete(account, *yes, context),
    }
}

fn create(account: &Scoped, exist_ok: bool, context: &Context) -> Result<(), CommandError> {
    let client = context.client_with_token()?;
    let (org, name) = account.names()?;
    let new = CreateServiceAccount { name, exist_ok };
    let cannot = format!("cannot create the service account {}", new.name);
    let answer = context
        .change(cannot, client.create_service_account(&org, &new))
        .hint_for(ErrorCode::Conflict, nouns::service_accounts(org.as_str()))?;
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

fn list(org: Option<&Name>, context: &Context) -> Result<(), CommandError> {
    let accounts_of =
        async |client: &Client, org: &Name| Ok(client.service_accounts(org).await?.users);
    let found = listed(
        "service accounts",
        org,
        OrganizationRole::Admin,
        context,
        &accounts_of,
    )?;
    let found: Vec<UserInfo> = found.into_iter().map(|listed| listed.one).collect();
    let none = match org {
        Some(org) => format!(
            "{org} has no service accounts. Create one: `fh service-account create {org}/NAME`"
        ),
        None => "No organisation that you administer has service accounts. Create one: `fh \
                 service-account create ORG/NAME`"
            .to_owned(),
    };
    context.output.list_or(&accounts::columns(), &found, &none)
}

fn rename(arguments: &RenameArguments, context: &Context) -> Result<(), CommandError> {
    let client = context.client_with_token()?;
    let RenameArguments { account, name, yes } = arguments;
    let Qualified { org, name: account } = account;
    let org = &match org {
        Some(org) => org.clone(),
        None => organization_of(account, &client, context)?,
    };
    let cannot = format!("cannot rename the service account {account}");
    let found = Found::ask(cannot, client.service_account(org, account), context)?;
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
    renaming.carry_out(context, client.rename_service_account(org, account, name))
}

fn delete(account: &Scoped, yes: Yes, context: &Context) -> Result<(), CommandError> {
    let client = context.client_with_token()?;
    let Qualified { org, name } = account.parse()?;
    let org = match org {
        Some(org) => org,
        None => organization_of(&name, &client, context)?,
    };
    let cannot = format!("cannot delete the service account {name}");
    let found = Found::ask(&cannot, client.service_account(&org, &name), context)?;
    let present = found.name(&name, |account| account.name.clone());
    let told = formerly(&present, &name);
    let what = format!("This deletes the service account {told} of {org}, with its tokens.");
    yes.confirm(Effect::Loses, &what, "Delete the service account?", context)?;
    context.change(&cannot, client.remove_service_account(&org, &name))?;
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
