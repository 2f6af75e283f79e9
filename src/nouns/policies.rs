//! Trust policies in words, and where one differs from what was asked for.

use std::collections::BTreeSet;

use fh_api::duration::in_words;
use fh_api::{ConditionSpec, FlakePattern, Provider, SetTrustPolicy, TrustPolicyInfo};
use fh_auth::policy::{DEFAULT_LIFETIME, usual_issuer};

use super::accounts::yes_or_no;
use crate::output::human;
use crate::text::joined;

/// A policy, one line for each of its properties.
pub(crate) fn lines(found: &TrustPolicyInfo) -> Vec<(&'static str, String)> {
    let builders = match found.builder {
        true => "yes: what they push overrides what people push",
        false => "no",
    };
    let lifetime = format!("{} at most", in_words(found.max_lifetime));
    let last_use = found
        .last_used_at
        .map_or_else(|| "never".to_owned(), human::timestamp);
    let mut lines = vec![
        ("Policy", format!("{}/{}", found.organization, found.name)),
        ("Provider", found.provider.to_string()),
        ("Issuer", found.issuer.clone()),
        ("Keys", keys(found.inline_keys).to_owned()),
        ("Audience", audience(&found.audiences)),
    ];
    let conditions = found.conditions.iter();
    lines.extend(conditions.map(|one| ("Condition", condition(one))));
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
            pull_requests(found.pull_requests).to_owned(),
        ),
        ("Builders", builders.to_owned()),
        ("May mint", yes_or_no(found.mint)),
        ("Tokens last", lifetime),
        ("Created", human::timestamp(found.created_at)),
        ("Last use", last_use),
        ("Id", found.id.to_string()),
    ]);
    lines
}

/// A condition on one line.
pub(crate) fn condition(condition: &ConditionSpec) -> String {
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

/// The audiences of a policy, in words.
fn audience(audiences: &[String]) -> String {
    or(audiences, "this server")
}

/// Where a policy's keys come from, in words.
fn keys(are_inline: bool) -> &'static str {
    if are_inline {
        "given with the policy"
    } else {
        "fetched from the issuer"
    }
}

/// What workloads of pull requests hold, in words.
fn pull_requests(hold_the_role: bool) -> &'static str {
    if hold_the_role {
        "have the role too"
    } else {
        "only read"
    }
}

/// These, or what is said where there are none.
fn or(texts: &[String], nothing: &str) -> String {
    if texts.is_empty() {
        return nothing.to_owned();
    }
    texts.join(", ")
}

fn listed(conditions: &[ConditionSpec]) -> String {
    let told: Vec<String> = conditions.iter().map(condition).collect();
    told.join(", ")
}

/// A property in which a policy is not as it was asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    /// The setting that differs.
    pub(crate) what: &'static str,
    /// The value that the policy has.
    pub(crate) has: String,
    /// The value that it should have.
    pub(crate) asked: String,
}

impl Difference {
    /// A property that is told by what it is compared by.
    fn of<T: PartialEq + ToString + ?Sized>(
        what: &'static str,
        has: &T,
        asked: &T,
    ) -> Option<Self> {
        Self::unless(has == asked, what, has.to_string(), asked.to_string())
    }

    fn unless(is_same: bool, what: &'static str, has: String, asked: String) -> Option<Self> {
        (!is_same).then_some(Self { what, has, asked })
    }
}

/// Where a policy differs from what was asked for. Whether its workloads are builders only counts where they are to
/// be, and which ids are remembered only where that was said.
pub(crate) fn differences(wanted: &SetTrustPolicy, found: &TrustPolicyInfo) -> Vec<Difference> {
    let are_same_conditions = are_same(&wanted.conditions, &found.conditions);
    let remembered: Vec<String> = found.pins.iter().map(|pin| pin.claim.clone()).collect();
    // The server chooses them by the provider, and for any other issuer none.
    let is_said = !wanted.pin.is_empty() || wanted.provider == Provider::Oidc;
    let is_remembered = !is_said || set(&wanted.pin) == set(&remembered);
    // A server whose tokens last less gives that where nothing is said.
    let is_same_lifetime = match wanted.max_lifetime {
        Some(asked) => asked == found.max_lifetime,
        None => found.max_lifetime <= DEFAULT_LIFETIME,
    };
    let lasts = in_words(wanted.max_lifetime.unwrap_or(DEFAULT_LIFETIME));
    let (inline, requests) = (wanted.jwks.is_some(), wanted.pull_requests);
    let are_builders = !wanted.builder || found.builder;
    [
        Difference::of("Provider", &found.provider, &wanted.provider),
        Difference::of("Issuer", found.issuer.as_str(), issuer(wanted)),
        Difference::unless(
            are_same_conditions,
            "Conditions",
            listed(&found.conditions),
            listed(&wanted.conditions),
        ),
        Difference::unless(
            set(&wanted.audiences) == set(&found.audiences),
            "Audience",
            audience(&found.audiences),
            audience(&wanted.audiences),
        ),
        Difference::of("Keys", keys(found.inline_keys), keys(inline)),
        Difference::unless(
            is_remembered,
            "Remembered",
            or(&remembered, "nothing"),
            or(&wanted.pin, "nothing"),
        ),
        Difference::of("Role", &found.role, &wanted.role),
        Difference::unless(
            reached(&wanted.flakes) == reached(&found.flakes),
            "Flakes",
            joined(&found.flakes),
            joined(&wanted.flakes),
        ),
        Difference::of(
            "Pull requests",
            pull_requests(found.pull_requests),
            pull_requests(requests),
        ),
        Difference::unless(
            are_builders,
            "Builders",
            yes_or_no(found.builder),
            yes_or_no(wanted.builder),
        ),
        Difference::of("May mint", &yes_or_no(found.mint), &yes_or_no(wanted.mint)),
        Difference::unless(
            is_same_lifetime,
            "Tokens last",
            in_words(found.max_lifetime),
            lasts,
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The issuer that a policy gets.
pub(crate) fn issuer(wanted: &SetTrustPolicy) -> &str {
    let usual = usual_issuer(wanted.provider);
    wanted.issuer.as_deref().or(usual).unwrap_or_default()
}

/// Whether two lists hold the same conditions, in whatever order.
pub(crate) fn are_same(first: &[ConditionSpec], second: &[ConditionSpec]) -> bool {
    first.iter().all(|one| second.contains(one)) && second.iter().all(|one| first.contains(one))
}

fn set(texts: &[String]) -> BTreeSet<&str> {
    texts.iter().map(String::as_str).collect()
}

fn reached(flakes: &[FlakePattern]) -> BTreeSet<String> {
    flakes.iter().map(FlakePattern::folded).collect()
}
