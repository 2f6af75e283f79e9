//! `fh trust`: trust policies, by which workloads are let in with the identity that somebody else gives
//! them.

mod add;
mod name;
mod set;
mod test;

use clap::{Args, Subcommand};
use fh_api::{Name, OrganizationRole, TrustPolicyInfo};
use serde_json::json;

use crate::confirm::{Effect, Yes};
use crate::context::Context;
use crate::error::CommandError;
use crate::nouns::found::Found;
use crate::nouns::policies::{condition, lines};
use crate::nouns::scoped::{OrgOrAll, Scoped, of_organizations};
use crate::output::Columns;

/// Let CI jobs and machines log in with their own identity, without a stored secret
///
/// A trust policy names a trusted provider (GitHub, GitLab, a Kubernetes cluster, …), which of its workloads
/// match, and what those may do. A job then presents the identity token that its platform issues.
#[derive(Debug, Subcommand)]
pub(crate) enum TrustCommand {
    #[command(subcommand)]
    Add(Box<add::AddCommand>),
    /// List the trust policies of an organisation, or of all of yours
    #[command(after_help = "\
Examples:
  fh trust list
  fh trust list acme --json")]
    List(OrgOrAll),
    /// Show a trust policy
    #[command(after_help = "\
Examples:
  fh trust show acme/github-acme-app")]
    Show(Scoped),
    Remove(RemoveArguments),
    Test(test::TestArguments),
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
        TrustCommand::List(of) => list(of.org(), context),
        TrustCommand::Show(policy) => show(&policy, context),
        TrustCommand::Remove(arguments) => remove(&arguments, context),
        TrustCommand::Test(arguments) => test::run(&arguments, context),
    }
}

fn list(org: Option<&Name>, context: &Context) -> Result<(), CommandError> {
    let client = context.client_with_token()?;
    let found = context.ask(
        "cannot list the trust policies",
        of_organizations(&client, org, OrganizationRole::Admin, async |org| {
            Ok(client.trust_policies(org).await?.policies)
        }),
    )?;
    let found: Vec<TrustPolicyInfo> = found.into_iter().map(|(_, policy)| policy).collect();
    let none = "No workload is trusted. Trust one: `fh trust add github --repository OWNER/NAME --ref main \
                --flake ORG/PROJECT --role write`";
    context.output.list_or(&columns(), &found, none)
}

fn show(policy: &Scoped, context: &Context) -> Result<(), CommandError> {
    let (org, policy) = &policy.names()?;
    let client = context.client_with_token()?;
    let cannot = format_args!("cannot show the trust policy {policy} of {org}");
    let found = context.ask(cannot, client.trust_policy(org, policy))?;
    context.output.details(&found, &lines(&found))
}

fn remove(arguments: &RemoveArguments, context: &Context) -> Result<(), CommandError> {
    let (org, policy) = &arguments.policy.names()?;
    let client = context.client_with_token()?;
    let what = format!(
        "This removes the trust policy {org}/{policy}: its workloads lose what it grants at their next \
         request, and the ids that it has remembered are forgotten."
    );
    arguments
        .yes
        .confirm(Effect::Loses, &what, "Remove the trust policy?", context)?;
    let cannot = format_args!("cannot remove the trust policy {policy} of {org}");
    let was_there = context.change(cannot, async {
        let found = Found::of(client.trust_policy(org, policy).await)?;
        client.remove_trust_policy(org, policy).await?;
        Ok(found.is_there())
    })?;
    let removed = json!({ "org": org, "policy": policy, "removed": was_there });
    context.output.done(&removed, |_| {
        if was_there {
            format!("Removed the trust policy {policy} of {org}.")
        } else {
            format!("{org} had no trust policy {policy}: there was nothing to remove.")
        }
    })
}

fn columns() -> Columns<TrustPolicyInfo> {
    Columns::<TrustPolicyInfo>::new()
        .made("policy", "POLICY", |policy: &TrustPolicyInfo| {
            format!("{}/{}", policy.organization, policy.name)
        })
        .text("provider", "PROVIDER")
        .made("conditions", "WHO", |policy| {
            let conditions: Vec<String> = policy.conditions.iter().map(condition).collect();
            conditions.join(", ")
        })
        .flexible()
        .text("role", "ROLE")
        .text("flakes", "ON")
        .flexible()
        .made("builder", "BUILDERS", |policy| {
            if policy.builder { "yes" } else { "" }.to_owned()
        })
        .ranked(1)
        .time("last_used_at", "LAST USE", "never")
        .ranked(2)
}
