//! Sets the policy that `fh trust add` asks for: looks at those that there are, asks who builds, and says what
//! became of it.
//!
//! Invariant: a policy that exists is replaced only where that was asked for, and then it is printed.

use clap::Args;
use fh_api::{ErrorCode, FlakePattern, Name, Role, SetTrustPolicy, TrustPolicyInfo};
use serde::Serialize;

use super::name::{self, Plan};
use crate::advice::warn_of_absent;
use crate::arguments::{OTHER_WORDS, words_or};
use crate::context::Context;
use crate::error::{CommandError, Explain as _};
use crate::nouns::policies::{Difference, differences, lines};
use crate::output::aligned;
use crate::similar::is_same_name;
use crate::terminal;
use crate::text::joined;

/// What to do where a policy has other content.
const OTHER_CONTENT: &str =
    "To replace it, add `--replace`. To have both, give the new one another name: `--name NAME`";

/// What is granted, whoever the workloads are.
#[derive(Debug, Args)]
pub(crate) struct Granted {
    /// What they may use: ORG/PROJECT or 'ORG/*', of one organisation; may be repeated
    #[arg(long = "flake", value_name = "ORG/PROJECT|ORG/*", required = true, add = crate::completion::flakes())]
    flakes: Vec<FlakePattern>,

    /// What they may do
    #[arg(long, value_name = "ROLE", default_value = "read", value_parser = words_or::<Role>(Role::WORDS, OTHER_WORDS))]
    role: Role,

    /// The policy's name in the organisation [default: from provider, workload and conditions]
    #[arg(long, value_name = "NAME")]
    name: Option<Name>,

    /// Replace the policy of that name (without --name: the one of the same workloads), and print what it was
    #[arg(long)]
    replace: bool,

    /// An audience that identities may have instead of this server; may be repeated
    #[arg(long = "audience", value_name = "TEXT")]
    audiences: Vec<String>,

    /// The longest lifetime of a token that they get for their identity [default: 1h]
    #[arg(long, value_name = "TIME", value_parser = fh_api::duration::parse_seconds)]
    max_lifetime: Option<u64>,

    /// Let them create narrower tokens with the token that they get for their identity
    #[arg(long)]
    mint: bool,

    /// Give the role to pull requests and forks too, which otherwise only read
    #[arg(long)]
    pull_requests: bool,

    /// Make these jobs builders of the organisation: if what they push differs from what people push, theirs is
    /// served. Only owners can set this
    #[arg(long)]
    builder: bool,
}

/// A policy that is as it should be.
#[derive(Debug, Serialize)]
struct Added<'a> {
    #[serde(flatten)]
    policy: &'a TrustPolicyInfo,
    /// What it was before, where it was replaced.
    replaced: Option<&'a TrustPolicyInfo>,
}

/// Sets a policy on what is granted, for the workloads of a template.
pub(super) fn set_policy(
    template: SetTrustPolicy,
    workload: Option<&str>,
    granted: Granted,
    context: &Context,
) -> Result<(), CommandError> {
    let org = organization(&granted.flakes)?;
    let audiences = if granted.audiences.is_empty() {
        template.audiences
    } else {
        granted.audiences
    };
    let mut wanted = SetTrustPolicy {
        flakes: granted.flakes,
        role: granted.role,
        audiences,
        max_lifetime: granted.max_lifetime,
        mint: granted.mint,
        pull_requests: granted.pull_requests,
        builder: granted.builder,
        only_new: !granted.replace,
        ..template
    };
    let client = context.client_with_token()?;
    let cannot = format_args!("cannot look up the trust policies of {org}");
    let existing = context.ask(cannot, client.trust_policies(&org))?.policies;
    let plan = name::plan(&wanted, granted.name.as_ref(), workload, &existing)
        .map_err(|error| CommandError::usage(error.to_string()))?;
    let (name, former) = match plan {
        Plan::New(name) => {
            wanted.builder = wanted.builder || are_builders(&org, wanted.role, context)?;
            (name, None)
        }
        Plan::Same(found) if name::is_certain(&wanted, found) => return unchanged(found, context),
        Plan::Same(found) => {
            wanted.builder = found.builder;
            (found.name.clone(), Some(found))
        }
        Plan::Other(found) if !granted.replace => return Err(refused(found, &wanted)),
        Plan::Other(found) => {
            // Who only reads builds nothing.
            let stay_builders = found.builder && wanted.role >= Role::Write;
            wanted.builder = wanted.builder || stay_builders;
            (found.name.clone(), Some(found))
        }
    };
    let cannot = format_args!("cannot create the trust policy {name} of {org}");
    let made = context
        .change(cannot, client.set_trust_policy(&org, &name, &wanted))
        .hint_for(ErrorCode::Conflict, OTHER_CONTENT)?;
    warn_of_absent(&wanted.flakes, &client, context);
    // The server compared what is not known here. Keys are in no answer: new ones may have replaced others.
    let is_unchanged = !granted.replace || wanted.jwks.is_none() && former == Some(&made);
    if former.is_some() && is_unchanged {
        return unchanged(&made, context);
    }
    let added = Added {
        policy: &made,
        replaced: former,
    };
    context.output.done(&added, sentences)
}

/// Says that the policy was there already.
fn unchanged(policy: &TrustPolicyInfo, context: &Context) -> Result<(), CommandError> {
    let added = Added {
        policy,
        replaced: None,
    };
    context.output.done(&added, |Added { policy, .. }| {
        format!(
            "This trust policy exists already as {}/{}. Nothing was changed.",
            policy.organization, policy.name
        )
    })
}

/// That a policy of other content is in the way.
fn refused(found: &TrustPolicyInfo, wanted: &SetTrustPolicy) -> CommandError {
    let mut lines = vec![format!(
        "the trust policy {}/{} exists already, with other content",
        found.organization, found.name
    )];
    let differing = differences(wanted, found).into_iter();
    lines.extend(differing.map(|Difference { what, has, asked }| {
        format!("{what}: it has {has:?}, and you asked for {asked:?}")
    }));
    CommandError::failed(lines.join("\n")).hint(OTHER_CONTENT)
}

/// What workloads may do now, and what was replaced.
fn sentences(added: &Added<'_>) -> String {
    let made = added.policy;
    let builders = match (made.builder, made.role) {
        (true, _) => format!(
            "\nThey are builders of {}: what they push overrides what people push.",
            made.organization
        ),
        (false, Role::Read) => String::new(),
        (false, Role::Write | Role::Admin) => format!(
            "\nThey are not builders of {}: with --builder, what they push overrides what people push.",
            made.organization
        ),
    };
    let replaced = added.replaced.map_or_else(String::new, |former| {
        let lines: Vec<String> = aligned(&lines(former))
            .lines()
            .map(|line| format!("  {line}"))
            .collect();
        format!("\nIt replaces this policy:\n{}", lines.join("\n"))
    });
    format!(
        "Workloads that meet the trust policy {}/{} may now {} {}.{builders}{replaced}",
        made.organization,
        made.name,
        match made.role {
            Role::Read => "read",
            Role::Write => "read and push to",
            Role::Admin => "read, push to and manage",
        },
        joined(&made.flakes)
    )
}

/// Asks on a terminal whether workloads that push are builders; without one they are none.
fn are_builders(org: &Name, role: Role, context: &Context) -> Result<bool, CommandError> {
    if role < Role::Write || !context.can_ask() {
        return Ok(false);
    }
    context.output.say(&format!(
        "If two pushes to flakes of {org} disagree about a store path, what its builders pushed is served. \
         Only owners of {org} can choose its builders."
    ));
    context.wait("Nothing was changed.", async {
        terminal::confirm(&format!("Are these jobs builders of {org}?"), false).await
    })
}

/// The one organisation of all flakes.
fn organization(flakes: &[FlakePattern]) -> Result<Name, CommandError> {
    let mut names = flakes.iter().map(FlakePattern::organization);
    let first = names.next().flatten();
    match first {
        Some(org) if names.all(|name| name.is_some_and(|name| is_same_name(name, org))) => {
            Ok(org.clone())
        }
        _ => Err(CommandError::usage(
            "a trust policy belongs to one organisation: name flakes of that one, such as 'acme/*'",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_flakes_are_of_one_organisation() {
        let of = |texts: &[&str]| {
            let flakes: Vec<_> = texts.iter().map(|text| text.parse().unwrap()).collect();
            organization(&flakes).ok().map(|org| org.to_string())
        };
        assert_eq!(of(&["acme/app", "ACME/*"]).as_deref(), Some("acme"));
        for bad in [
            &["acme/app", "other/x"][..],
            &["*"],
            &["acme/app", "*"],
            &[],
        ] {
            assert_eq!(of(bad), None, "{bad:?}");
        }
    }
}
