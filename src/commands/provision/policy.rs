//! A trust policy in the file: by a provider's template, with the words of `fh trust add`, or exactly as the server
//! keeps it.
//!
//! ```toml
//! [org.acme.trust.ci]
//! github = { repository = "acme/app", ref = "main" }
//! flakes = ["acme/app"]
//! role = "write"
//! ```

mod read;

use std::path::PathBuf;

use fh_api::{ConditionSpec, FlakePattern, Name, Provider, Role, SetTrustPolicy, TrustPolicyInfo};
use fh_auth::policy::{Policy as Checked, usual_issuer};
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::problem::{Said, Spot};
use crate::nouns::policies::{Difference, differences};
pub(super) use read::read;

/// What a trust policy is to be: as the server keeps it, whichever way the file says it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Policy {
    /// What is granted on.
    pub(super) flakes: Vec<Said<FlakePattern>>,
    /// What is granted; `read` if it is not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<Role>,
    /// Whether the workloads may create narrower tokens.
    mint: bool,
    /// Whether pull requests have the role too.
    pull_requests: bool,
    /// Whether the workloads are builders; none: as it is, and no for a new policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    builder: Option<bool>,
    /// How long an exchanged token lasts at most, in seconds.
    #[serde(serialize_with = "lifetime", skip_serializing_if = "Option::is_none")]
    max_lifetime: Option<u64>,
    /// Whom the identity is for; empty: the server.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    audiences: Vec<String>,
    /// In place of those that the server chooses for the provider.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pin: Vec<String>,
    /// A file with the issuer's keys, beside this file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) jwks: Option<Said<PathBuf>>,
    /// The keys that the server has with the policy stay: it does not give them out.
    #[serde(skip_serializing_if = "is_false")]
    keep_keys: bool,
    /// The provider whose identities it accepts.
    provider: Provider,
    /// The exact issuer; none: the provider's usual one.
    #[serde(skip_serializing_if = "Option::is_none")]
    issuer: Option<String>,
    /// Conditions, all of which must hold.
    #[serde(serialize_with = "conditions", skip_serializing_if = "Vec::is_empty")]
    conditions: Vec<ConditionSpec>,
    /// Its line in the file.
    #[serde(skip)]
    pub(super) spot: Spot,
}

fn is_false(value: &bool) -> bool {
    !value
}

/// Conditions with the keys of the file.
fn conditions<S: Serializer>(list: &[ConditionSpec], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(list.iter().map(|of| {
        let text = |text: &Option<String>| text.clone().map(Value::from);
        let texts = |texts: &Option<Vec<String>>| texts.clone().map(Value::from);
        let keys = [
            ("claim", Some(Value::from(of.claim.clone()))),
            ("equals", text(&of.equals)),
            ("glob", text(&of.glob)),
            ("one-of", texts(&of.one_of)),
            ("all-of", texts(&of.all_of)),
        ];
        Keys(
            keys.into_iter()
                .filter_map(|(key, value)| Some((key, value?)))
                .collect(),
        )
    }))
}

/// A table with its keys in this order.
struct Keys(Vec<(&'static str, Value)>);

impl Serialize for Keys {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}

/// What becomes of a policy.
#[derive(Debug)]
pub(super) enum Outcome {
    /// It is as it should be.
    Same,
    /// The same, but for the keys that came with it, which the server alone can compare.
    SameButKeys(SetTrustPolicy),
    /// It is made, or replaced for what differs.
    Set(SetTrustPolicy, Vec<Difference>),
}

impl Policy {
    /// What becomes of the policy of a name in an organisation: `found` is the present one, `jwks` what is in the file
    /// of keys.
    ///
    /// # Errors
    /// Where the file says something that makes no policy.
    pub(super) fn compare(
        &self,
        org: &Name,
        jwks: Option<Value>,
        found: Option<&TrustPolicyInfo>,
    ) -> Result<Outcome, String> {
        let role = self.role.unwrap_or(Role::Read);
        let stays_builder = found.is_some_and(|found| found.builder) && role >= Role::Write;
        let mut wanted = SetTrustPolicy {
            provider: self.provider,
            issuer: self.issuer.clone(),
            audiences: self.audiences.clone(),
            conditions: self.conditions.clone(),
            pin: self.pin.clone(),
            flakes: self.flakes.iter().map(|said| said.value.clone()).collect(),
            role,
            mint: self.mint,
            pull_requests: self.pull_requests,
            builder: self.builder.unwrap_or(stays_builder),
            max_lifetime: self.max_lifetime,
            jwks,
            only_new: found.is_none(),
        };
        let keeps_keys = self.keep_keys && wanted.jwks.is_none();
        if let Some(found) = found {
            let mut compared = wanted.clone();
            if keeps_keys && found.inline_keys {
                compared.jwks = Some(Value::Null);
            }
            let mut differing = differences(&compared, found);
            if found.builder && self.builder == Some(false) {
                differing.push(Difference {
                    what: "Builders",
                    has: "yes".to_owned(),
                    asked: "no".to_owned(),
                });
            }
            if differing.is_empty() {
                return Ok(match wanted.jwks {
                    None => Outcome::Same,
                    Some(_) => Outcome::SameButKeys(wanted),
                });
            }
            check(org, &wanted)?;
            if keeps_keys && found.inline_keys {
                return Err(
                    "it changes, and the server does not give out the keys that it has: name a file with \
                     them, jwks = \"keys.json\""
                        .to_owned(),
                );
            }
            wanted.only_new = false;
            return Ok(Outcome::Set(wanted, differing));
        }
        check(org, &wanted)?;
        if keeps_keys {
            return Err(
                "there is no such policy yet whose keys could stay: name a file with them, jwks = \"keys.json\""
                    .to_owned(),
            );
        }
        Ok(Outcome::Set(wanted, Vec::new()))
    }

    /// A policy as the server has it.
    pub(super) fn of(found: &TrustPolicyInfo) -> Self {
        let usual = usual_issuer(found.provider);
        let pins: Vec<String> = found.pins.iter().map(|pin| pin.claim.clone()).collect();
        Self {
            flakes: found.flakes.iter().cloned().map(Said::from).collect(),
            role: Some(found.role),
            mint: found.mint,
            pull_requests: found.pull_requests,
            builder: Some(found.builder),
            max_lifetime: Some(found.max_lifetime),
            audiences: found.audiences.clone(),
            pin: pins,
            jwks: None,
            keep_keys: found.inline_keys,
            provider: found.provider,
            issuer: (usual != Some(found.issuer.as_str())).then(|| found.issuer.clone()),
            conditions: found.conditions.clone(),
            spot: Spot::default(),
        }
    }
}

/// That the server will not refuse what a policy says, as far as that is known here: before anything is changed.
fn check(org: &Name, wanted: &SetTrustPolicy) -> Result<(), String> {
    Checked::new(org, wanted, u64::MAX)
        .map(drop)
        .map_err(|error| error.to_string())
}

/// Seconds as people write them.
fn lifetime<S: Serializer>(seconds: &Option<u64>, serializer: S) -> Result<S::Ok, S::Error> {
    /// Seconds of the units, the longest first.
    const UNITS: [(u64, &str); 4] = [(86_400, "d"), (3600, "h"), (60, "m"), (1, "s")];
    let Some(seconds) = *seconds else {
        return serializer.serialize_none();
    };
    let exact = UNITS
        .iter()
        .find(|(unit, _)| seconds.is_multiple_of(*unit))
        .map_or_else(String::new, |(unit, name)| {
            format!("{}{name}", seconds / unit)
        });
    serializer.serialize_str(&exact)
}
