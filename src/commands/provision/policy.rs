//! A trust policy in the file: by a provider's template, with the words of `fh trust add`, or exactly as the server
//! keeps it.
//!
//! ```toml
//! [org.acme.trust.ci]
//! github = { repository = "acme/app", ref = "main" }
//! flakes = ["acme/app"]
//! role = "write"
//! ```

use std::path::PathBuf;

use fh_api::{ConditionSpec, FlakePattern, Name, Provider, Role, SetTrustPolicy, TrustPolicyInfo};
use fh_auth::policy::templates::{self, TemplateError};
use fh_auth::policy::{Policy as Checked, usual_issuer};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::trust::{Difference, differences};
use super::file::GrantedRole;

/// What a trust policy is to be.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Policy {
    /// What is granted on.
    flakes: Vec<FlakePattern>,
    /// What is granted; `read` if it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    role: Option<GrantedRole>,
    /// Whether the workloads may create narrower tokens.
    #[serde(default)]
    mint: bool,
    /// Whether pull requests have the role too.
    #[serde(default)]
    pull_requests: bool,
    /// Whether the workloads are builders; none: as it is, and no for a new policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    builder: Option<bool>,
    /// How long an exchanged token lasts at most.
    #[serde(default, with = "lifetime", skip_serializing_if = "Option::is_none")]
    max_lifetime: Option<u64>,
    /// In place of those that the provider's template has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    audiences: Option<Vec<String>>,
    /// In place of those that the server chooses for the provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pin: Option<Vec<String>>,
    /// A file with the issuer's keys, beside this file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) jwks: Option<PathBuf>,
    /// The keys that the server has with the policy stay: it does not give them out.
    #[serde(default, skip_serializing_if = "is_false")]
    keep_keys: bool,

    #[serde(default, skip_serializing)]
    github: Option<templates::Github>,
    #[serde(default, skip_serializing)]
    gitlab: Option<templates::Gitlab>,
    #[serde(default, skip_serializing)]
    buildkite: Option<templates::Buildkite>,
    #[serde(default, skip_serializing)]
    circleci: Option<templates::Circleci>,
    #[serde(default, skip_serializing)]
    semaphore: Option<templates::Semaphore>,
    #[serde(default, skip_serializing)]
    gcp: Option<Gcp>,
    #[serde(default, skip_serializing)]
    kubernetes: Option<Kubernetes>,
    #[serde(default, skip_serializing)]
    aws: Option<templates::Aws>,
    #[serde(default, skip_serializing)]
    oidc: Option<Oidc>,

    /// Who vouches, where no template is used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    provider: Option<Provider>,
    /// The exact issuer; none: the provider's usual one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    issuer: Option<String>,
    /// All must hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    conditions: Vec<Condition>,
}

fn is_false(value: &bool) -> bool {
    !value
}

/// A service account of Google Cloud.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Gcp {
    email: String,
}

/// A service account of a Kubernetes cluster.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Kubernetes {
    issuer: String,
    namespace: String,
    service_account: String,
}

/// Workloads of any other issuer.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Oidc {
    issuer: String,
    subject: Option<String>,
    #[serde(default)]
    claims: std::collections::BTreeMap<String, String>,
}

/// What a claim has to be.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Condition {
    claim: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    equals: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    glob: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    one_of: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    all_of: Option<Vec<String>>,
}

impl From<&Condition> for ConditionSpec {
    fn from(condition: &Condition) -> Self {
        Self {
            claim: condition.claim.clone(),
            equals: condition.equals.clone(),
            glob: condition.glob.clone(),
            one_of: condition.one_of.clone(),
            all_of: condition.all_of.clone(),
        }
    }
}

impl From<ConditionSpec> for Condition {
    fn from(condition: ConditionSpec) -> Self {
        Self {
            claim: condition.claim,
            equals: condition.equals,
            glob: condition.glob,
            one_of: condition.one_of,
            all_of: condition.all_of,
        }
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
        let template = self.template()?.map_err(|error| error.to_string())?;
        let role = self.role.map_or(Role::Read, |role| role.0);
        let stays_builder = found.is_some_and(|found| found.builder) && role >= Role::Write;
        let mut wanted = SetTrustPolicy {
            flakes: self.flakes.clone(),
            role,
            audiences: self.audiences.clone().unwrap_or(template.audiences),
            pin: self.pin.clone().unwrap_or(template.pin),
            mint: self.mint,
            pull_requests: self.pull_requests,
            builder: self.builder.unwrap_or(stays_builder),
            max_lifetime: self.max_lifetime,
            jwks,
            only_new: found.is_none(),
            ..template
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

    /// What the provider's template makes, or what is said exactly.
    fn template(&self) -> Result<Result<SetTrustPolicy, TemplateError>, String> {
        let exact = self.provider.map(|provider| {
            Ok(SetTrustPolicy {
                provider,
                issuer: self.issuer.clone(),
                audiences: Vec::new(),
                conditions: self.conditions.iter().map(ConditionSpec::from).collect(),
                pin: Vec::new(),
                flakes: Vec::new(),
                role: Role::Read,
                mint: false,
                pull_requests: false,
                builder: false,
                max_lifetime: None,
                jwks: None,
                only_new: true,
            })
        });
        if exact.is_none() && (self.issuer.is_some() || !self.conditions.is_empty()) {
            return Err("the keys issuer and conditions go with the key provider".to_owned());
        }
        let of_kubernetes =
            |it: &Kubernetes| templates::kubernetes(&it.issuer, &it.namespace, &it.service_account);
        let of_oidc = |it: &Oidc| {
            let claims: Vec<_> = it.claims.clone().into_iter().collect();
            templates::oidc(&it.issuer, it.subject.as_deref(), &claims)
        };
        let all = [
            exact,
            self.github.as_ref().map(templates::github),
            self.gitlab.as_ref().map(templates::gitlab),
            self.buildkite.as_ref().map(templates::buildkite),
            self.circleci.as_ref().map(templates::circleci),
            self.semaphore.as_ref().map(templates::semaphore),
            self.gcp.as_ref().map(|it| templates::gcp(&it.email)),
            self.kubernetes.as_ref().map(of_kubernetes),
            self.aws.as_ref().map(templates::aws),
            self.oidc.as_ref().map(of_oidc),
        ];
        let mut said = all.into_iter().flatten();
        match (said.next(), said.next()) {
            (Some(one), None) => Ok(one),
            _ => Err(format!(
                "say who vouches, by exactly one of these keys: {}, or provider with conditions",
                Provider::WORDS.join(", ")
            )),
        }
    }

    /// A policy as the server has it.
    pub(super) fn of(found: &TrustPolicyInfo) -> Self {
        let usual = usual_issuer(found.provider);
        let pins: Vec<String> = found.pins.iter().map(|pin| pin.claim.clone()).collect();
        let some = |list: Vec<String>| (!list.is_empty()).then_some(list);
        Self {
            flakes: found.flakes.clone(),
            role: Some(GrantedRole(found.role)),
            mint: found.mint,
            pull_requests: found.pull_requests,
            builder: Some(found.builder),
            max_lifetime: Some(found.max_lifetime),
            audiences: some(found.audiences.clone()),
            pin: some(pins),
            keep_keys: found.inline_keys,
            provider: Some(found.provider),
            issuer: (usual != Some(found.issuer.as_str())).then(|| found.issuer.clone()),
            conditions: found
                .conditions
                .iter()
                .cloned()
                .map(Condition::from)
                .collect(),
            ..Self::default()
        }
    }
}

/// That the server will not refuse what a policy says, as far as that is known here: before anything is changed.
fn check(org: &Name, wanted: &SetTrustPolicy) -> Result<(), String> {
    Checked::new(org, wanted, u64::MAX)
        .map(drop)
        .map_err(|error| error.to_string())
}

/// A length of time as people write it.
mod lifetime {
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    /// Seconds of the units, the longest first.
    const UNITS: [(u64, &str); 4] = [(86_400, "d"), (3600, "h"), (60, "m"), (1, "s")];

    pub(super) fn serialize<S: Serializer>(
        seconds: &Option<u64>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
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

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<u64>, D::Error> {
        let text = String::deserialize(deserializer)?;
        let seconds = fh_api::duration::parse_seconds(&text).map_err(D::Error::custom)?;
        Ok(Some(seconds))
    }
}
