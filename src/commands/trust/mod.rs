//! `fh trust`: trust policies, by which workloads are let in with the identity that somebody else gives
//! them.

mod add;
mod test;

use clap::{Args, Subcommand};
use fh_api::{ConditionSpec, Name, TrustPolicyInfo};
use serde_json::json;

use super::joined;
use crate::context::Context;
use crate::error::CommandError;
use crate::output::{Column, column, human};

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
    /// The organisation
    #[arg(value_name = "ORG")]
    org: Option<Name>,
}

/// Show a trust policy
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fh trust show acme github-app")]
pub(crate) struct ShowArguments {
    /// The organisation
    #[arg(value_name = "ORG")]
    org: Name,

    /// The policy, as `fh trust list` names it
    #[arg(value_name = "POLICY")]
    policy: Name,
}

/// Remove a trust policy
///
/// Its workloads and their tokens lose the access that it gave, from the next request on.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fh trust remove acme github-app")]
pub(crate) struct RemoveArguments {
    /// The organisation
    #[arg(value_name = "ORG")]
    org: Name,

    /// The policy, as `fh trust list` names it
    #[arg(value_name = "POLICY")]
    policy: Name,
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
    let found = context.ask("cannot list the trust policies", async {
        if let Some(org) = &arguments.org {
            return Ok(client.trust_policies(org).await?.policies);
        }
        let mut all = Vec::new();
        for org in client.organizations().await?.orgs {
            // Of those alone that the caller administers.
            if org.role >= Some(fh_api::OrganizationRole::Admin) {
                all.extend(client.trust_policies(&org.name).await?.policies);
            }
        }
        Ok(all)
    })?;
    context.output.list(&columns(), &found)?;
    context.output.when_empty(
        &found,
        "No workload is trusted. Trust one: `fh trust add github --repository OWNER/NAME --ref main \
         --flake ORG/PROJECT --role write`",
    );
    Ok(())
}

fn show(arguments: &ShowArguments, context: &Context) -> Result<(), CommandError> {
    let ShowArguments { org, policy } = arguments;
    let client = context.client_with_token()?;
    let found = context.ask(
        format_args!("cannot show the trust policy {policy} of {org}"),
        async { client.trust_policy(org, policy).await },
    )?;
    let mut lines = vec![
        ("Policy", format!("{}/{}", found.organization, found.name)),
        ("Provider", found.provider.to_string()),
        ("Issuer", found.issuer.clone()),
        (
            "Keys",
            if found.inline_keys {
                "given with the policy"
            } else {
                "fetched from the issuer"
            }
            .to_owned(),
        ),
        (
            "Audience",
            if found.audiences.is_empty() {
                "this server".to_owned()
            } else {
                found.audiences.join(", ")
            },
        ),
    ];
    lines.extend(
        found
            .conditions
            .iter()
            .map(|one| ("Condition", condition(one))),
    );
    lines.extend(found.pins.iter().map(|pin| {
        let value = pin
            .value
            .as_deref()
            .unwrap_or("what it is at the first use");
        ("Remembered", format!("{} = {value}", pin.claim))
    }));
    lines.extend([
        (
            "Role",
            format!("{} on {}", found.role, joined(&found.flakes)),
        ),
        (
            "Pull requests",
            if found.pull_requests {
                "have the role too"
            } else {
                "only read"
            }
            .to_owned(),
        ),
        (
            "Builders",
            if found.builder {
                "yes: what they push overrides what people push"
            } else {
                "no"
            }
            .to_owned(),
        ),
        ("May mint", if found.mint { "yes" } else { "no" }.to_owned()),
        (
            "Tokens last",
            format!("{} at most", fh_api::duration::in_words(found.max_lifetime)),
        ),
        ("Created", human::timestamp(found.created_at)),
        (
            "Last use",
            found
                .last_used_at
                .map_or_else(|| "never".to_owned(), human::timestamp),
        ),
        ("Id", found.id.to_string()),
    ]);
    context.output.details(&found, &lines)
}

/// A condition on one line.
fn condition(condition: &ConditionSpec) -> String {
    let claim = &condition.claim;
    if let Some(text) = &condition.equals {
        format!("{claim} = {text}")
    } else if let Some(glob) = &condition.glob {
        format!("{claim} matches {glob}")
    } else if let Some(texts) = &condition.one_of {
        format!("{claim} is one of {}", texts.join(", "))
    } else {
        let texts = condition.all_of.as_deref().unwrap_or_default();
        format!("{claim} holds {}", texts.join(", "))
    }
}

fn remove(arguments: &RemoveArguments, context: &Context) -> Result<(), CommandError> {
    let RemoveArguments { org, policy } = arguments;
    let client = context.client_with_token()?;
    context.change(
        format_args!("cannot remove the trust policy {policy} of {org}"),
        async { client.remove_trust_policy(org, policy).await },
    )?;
    context.output.done(
        &json!({ "org": org, "policy": policy, "removed": true }),
        |_| format!("Removed the trust policy {policy} of {org}."),
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
        }),
        column("role", "ROLE", |policy: &TrustPolicyInfo| {
            policy.role.to_string()
        }),
        column("flakes", "ON", |policy: &TrustPolicyInfo| {
            joined(&policy.flakes)
        }),
        column("builder", "BUILDERS", |policy: &TrustPolicyInfo| {
            if policy.builder { "yes" } else { "" }.to_owned()
        }),
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
        }),
    ]
}
