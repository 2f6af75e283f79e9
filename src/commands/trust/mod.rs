//! `fh trust`: trust policies, by which workloads are let in with the identity that somebody else gives
//! them.

mod add;
mod name;
mod set;
mod test;
mod words;

use clap::{Args, Subcommand};
use fh_api::{Name, OrganizationRole, TrustPolicyInfo};
use serde_json::json;

pub(super) use self::name::{Difference, differences};
use self::words::{condition, lines};
use super::confirm::{Effect, Yes};
use super::found::Found;
use super::scoped::{OrgOption, Scoped, of_organizations};
use crate::context::Context;
use crate::error::CommandError;
use crate::output::{Column, column, human};
use crate::text::joined;

/// Let CI jobs and machines log in with their own identity, without a stored secret
///
/// A trust policy names a trusted provider (GitHub, GitLab, a Kubernetes cluster, …), which of its workloads
/// match, and what those may do. A job then presents the identity token that its platform issues.
#[derive(Debug, Subcommand)]
pub(crate) enum TrustCommand {
    #[command(subcommand)]
    Add(Box<add::AddCommand>),
    List(ListArguments),
    Show(ShowArguments),
    Remove(RemoveArguments),
    Test(test::TestArguments),
}

/// List the trust policies of an organisation, or of all of yours
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fh trust list
  fh trust list acme --json")]
pub(crate) struct ListArguments {
    /// The organisation [default: all of yours]
    #[arg(value_name = "ORG", add = crate::completion::organizations())]
    org: Option<Name>,

    #[command(flatten)]
    option: OrgOption,
}

/// Show a trust policy
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fh trust show acme/github-acme-app")]
pub(crate) struct ShowArguments {
    #[command(flatten)]
    policy: Scoped,
}

/// Remove a trust policy
///
/// Its workloads and their tokens lose the access that it gave, from the next request on.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fh trust remove acme/github-acme-app
  fh trust remove acme/github-acme-app --yes")]
pub(crate) struct RemoveArguments {
    #[command(flatten)]
    policy: Scoped,

    #[command(flatten)]
    yes: Yes,
}

pub(crate) fn run(command: TrustCommand, context: &Context) -> Result<(), CommandError> {
    match command {
        TrustCommand::Add(command) => add::run(*command, context),
        TrustCommand::List(arguments) => list(&arguments, context),
        TrustCommand::Show(arguments) => show(&arguments, context),
        TrustCommand::Remove(arguments) => remove(&arguments, context),
        TrustCommand::Test(arguments) => test::run(&arguments, context),
    }
}

fn list(arguments: &ListArguments, context: &Context) -> Result<(), CommandError> {
    let client = context.client_with_token()?;
    let org = arguments.option.or(&arguments.org);
    let found = context.ask(
        "cannot list the trust policies",
        of_organizations(&client, org, OrganizationRole::Admin, async |org| {
            Ok(client.trust_policies(org).await?.policies)
        }),
    )?;
    let found: Vec<TrustPolicyInfo> = found.into_iter().map(|(_, policy)| policy).collect();
    context.output.list(&columns(), &found)?;
    context.output.when_empty(
        &found,
        "No workload is trusted. Trust one: `fh trust add github --repository OWNER/NAME --ref main \
         --flake ORG/PROJECT --role write`",
    );
    Ok(())
}

fn show(arguments: &ShowArguments, context: &Context) -> Result<(), CommandError> {
    let (org, policy) = &arguments.policy.names()?;
    let client = context.client_with_token()?;
    let found = context.ask(
        format_args!("cannot show the trust policy {policy} of {org}"),
        async { client.trust_policy(org, policy).await },
    )?;
    context.output.details(&found, &lines(&found))
}

fn remove(arguments: &RemoveArguments, context: &Context) -> Result<(), CommandError> {
    let (org, policy) = &arguments.policy.names()?;
    let client = context.client_with_token()?;
    let what = format!(
        "This removes the trust policy {org}/{policy}: its workloads lose what it grants at their next \
         request, and the ids that it has remembered are forgotten."
    );
    let yes = arguments.yes;
    yes.confirm(Effect::Loses, &what, "Remove the trust policy?", context)?;
    let was_there = context.change(
        format_args!("cannot remove the trust policy {policy} of {org}"),
        async {
            let found = Found::of(client.trust_policy(org, policy).await)?;
            client.remove_trust_policy(org, policy).await?;
            Ok(found.is_there())
        },
    )?;
    context.output.done(
        &json!({ "org": org, "policy": policy, "removed": was_there }),
        |_| {
            if was_there {
                format!("Removed the trust policy {policy} of {org}.")
            } else {
                format!("{org} had no trust policy {policy}: there was nothing to remove.")
            }
        },
    )
}

fn columns() -> Vec<Column<TrustPolicyInfo>> {
    vec![
        column("policy", "POLICY", |policy: &TrustPolicyInfo| {
            format!("{}/{}", policy.organization, policy.name)
        }),
        column("provider", "PROVIDER", |policy: &TrustPolicyInfo| {
            policy.provider.to_string()
        }),
        column("conditions", "WHO", |policy: &TrustPolicyInfo| {
            let conditions: Vec<String> = policy.conditions.iter().map(condition).collect();
            conditions.join(", ")
        })
        .flexible(),
        column("role", "ROLE", |policy: &TrustPolicyInfo| {
            policy.role.to_string()
        }),
        column("flakes", "ON", |policy: &TrustPolicyInfo| {
            joined(&policy.flakes)
        })
        .flexible(),
        column("builder", "BUILDERS", |policy: &TrustPolicyInfo| {
            if policy.builder { "yes" } else { "" }.to_owned()
        })
        .ranked(1),
        column("last_used_at", "LAST USE", |policy: &TrustPolicyInfo| {
            policy
                .last_used_at
                .map(human::timestamp)
                .unwrap_or_default()
        })
        .shown(|policy, now| {
            policy
                .last_used_at
                .map_or_else(|| "never".to_owned(), |at| human::relative(at, now))
        })
        .ranked(2),
    ]
}
