//! A trust policy in words.

use fh_api::{ConditionSpec, TrustPolicyInfo};

use crate::output::human;
use crate::text::joined;

/// A policy, one line for each of its properties.
pub(super) fn lines(found: &TrustPolicyInfo) -> Vec<(&'static str, String)> {
    let mut lines = vec![
        ("Policy", format!("{}/{}", found.organization, found.name)),
        ("Provider", found.provider.to_string()),
        ("Issuer", found.issuer.clone()),
        ("Keys", keys(found.inline_keys).to_owned()),
        ("Audience", audience(&found.audiences)),
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
            pull_requests(found.pull_requests).to_owned(),
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
        ("May mint", yes_or_no(found.mint).to_owned()),
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
    lines
}

/// A condition on one line.
pub(super) fn condition(condition: &ConditionSpec) -> String {
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
pub(super) fn audience(audiences: &[String]) -> String {
    if audiences.is_empty() {
        return "this server".to_owned();
    }
    audiences.join(", ")
}

/// Where a policy's keys come from, in words.
pub(super) fn keys(are_inline: bool) -> &'static str {
    if are_inline {
        "given with the policy"
    } else {
        "fetched from the issuer"
    }
}

/// What workloads of pull requests hold, in words.
pub(super) fn pull_requests(hold_the_role: bool) -> &'static str {
    if hold_the_role {
        "have the role too"
    } else {
        "only read"
    }
}

/// Whether something is so, in words.
pub(super) fn yes_or_no(value: bool) -> &'static str {
    if value { "yes" } else { "no" }
}
