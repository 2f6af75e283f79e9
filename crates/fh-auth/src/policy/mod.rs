//! Trust policies: what a workload has to be to be let in, and what it holds then.
//!
//! ```text
//! SetTrustPolicy ─▶ Policy::new (refuses what would let strangers in)
//!                        │
//! verified claims ──▶ Policy::examine ─▶ Verdict (role, or each thing that fails)
//! ```
//!
//! Invariants:
//! - deny by default: every condition holds, the audience is right and no id has changed, or the
//!   policy gives nothing; a claim that is not there fails what asks for it;
//! - a policy binds the tenant: it is refused where a stranger's workload could meet its conditions,
//!   which for each provider is known in `binding`; one that was stored before that was known lets
//!   nobody in;
//! - what a stranger may have written (pull requests, forks) holds `read` at most, unless the policy
//!   says otherwise;
//! - claims are verified before they come here, and the reasons of a verdict are for administrators
//!   of the organisation alone.

mod binding;
mod condition;
mod error;
mod given;
mod glob;
mod provider;
pub mod templates;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use fh_api::{FlakePattern, Name, Provider, Role, SetTrustPolicy};
use serde_json::{Map, Value, json};

pub use self::condition::Condition;
use self::condition::{claim, claim_name, found, text};
pub use self::error::PolicyError;
use self::error::{MAX_ITEMS, MIN_LIFETIME};
pub use self::given::{makes_administrators, permissions_given};
use self::provider::Guard;
pub use self::provider::{AWS_ISSUER, usual_issuer};

/// Seconds that an exchanged token lasts where nobody says how long.
pub const DEFAULT_LIFETIME: u64 = 3600;

/// The most conditions of a policy.
const MAX_CONDITIONS: usize = 50;

/// A trust policy that was checked: it binds a tenant, or lets nobody in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Who vouches for the workloads.
    pub provider: Provider,
    /// The exact claim `iss`; [`AWS_ISSUER`] for AWS.
    pub issuer: String,
    /// Audiences, of which the token must carry one; empty: the server's own.
    pub audiences: Vec<String>,
    /// What the claims have to be; all of it must hold.
    pub conditions: Vec<Condition>,
    /// Ids, and what each was at the first use.
    pub pins: BTreeMap<String, Option<String>>,
    /// What is granted on.
    pub flakes: Vec<FlakePattern>,
    /// The role that the workloads get on these flakes.
    pub role: Role,
    /// Whether narrower tokens may be derived.
    pub mint: bool,
    /// Whether pull requests and forks hold the role too.
    pub pull_requests: bool,
    /// Whether its workloads are the organisation's builders, whose contents go before those of others.
    pub builder: bool,
    /// Seconds that an exchanged token lasts at most.
    pub max_lifetime: u64,
}

/// What a policy makes of a workload.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// What it holds; none where something fails.
    pub role: Option<Role>,
    /// Whether it may derive tokens.
    pub mint: bool,
    /// Whether it is a builder: never a pull request or fork, whatever these hold, nor what runs for an event
    /// that a stranger can raise.
    pub builder: bool,
    /// Each thing that fails, as a sentence.
    pub failures: Vec<String>,
    /// What is worth knowing though nothing fails.
    pub remarks: Vec<String>,
    /// Ids that are seen for the first time, to be remembered.
    pub first_seen: Vec<(String, String)>,
}

impl Policy {
    /// Reads what is asked for in an organisation.
    ///
    /// # Errors
    /// When it makes no sense, or would let strangers in.
    pub fn new(
        organization: &Name,
        wanted: &SetTrustPolicy,
        longest: u64,
    ) -> Result<Self, PolicyError> {
        let provider = wanted.provider;
        let issuer = issuer(provider, wanted.issuer.as_deref())?;
        if wanted.conditions.len() > MAX_CONDITIONS {
            return Err(PolicyError::Length("conditions"));
        }
        let conditions = wanted
            .conditions
            .iter()
            .map(Condition::new)
            .collect::<Result<Vec<_>, _>>()?;
        if !binding::bind_tenant(provider, &conditions) {
            return Err(open(provider));
        }
        if wanted.flakes.is_empty() || wanted.flakes.len() > MAX_ITEMS {
            return Err(PolicyError::Length("flakes"));
        }
        let own = FlakePattern::Organization(organization.clone());
        if let Some(foreign) = wanted.flakes.iter().find(|asked| !own.includes(asked)) {
            return Err(PolicyError::Foreign(foreign.clone()));
        }
        let mut flakes = wanted.flakes.clone();
        flakes.sort();
        flakes.dedup();
        let too_long = |items: &[String]| {
            items.len() > MAX_ITEMS
                || items
                    .iter()
                    .any(|item| item.is_empty() || item.len() > 1000)
        };
        for (what, items) in [("audiences", &wanted.audiences), ("pin", &wanted.pin)] {
            if too_long(items) {
                return Err(PolicyError::Length(what));
            }
        }
        let pins = if wanted.pin.is_empty() {
            provider::usual_pins(provider, &conditions)
                .into_iter()
                .map(|name| (name.to_owned(), None))
                .collect()
        } else {
            let pins = wanted.pin.iter().map(|name| Ok((claim_name(name)?, None)));
            pins.collect::<Result<_, _>>()?
        };
        let max_lifetime = wanted.max_lifetime.unwrap_or(DEFAULT_LIFETIME.min(longest));
        if max_lifetime > longest || max_lifetime < MIN_LIFETIME.min(longest) {
            return Err(PolicyError::Lifetime { most: longest });
        }
        Ok(Self {
            provider,
            issuer,
            audiences: wanted.audiences.clone(),
            conditions,
            pins,
            flakes,
            role: wanted.role,
            mint: wanted.mint,
            pull_requests: wanted.pull_requests,
            builder: wanted.builder,
            max_lifetime,
        })
    }

    /// What the policy makes of verified claims, with every reason for which it does not let them in. `own` are the
    /// server's audiences.
    #[must_use]
    pub fn examine(&self, claims: &Map<String, Value>, own: &[&str]) -> Verdict {
        self.verdict(claims, own, usize::MAX)
    }

    /// As [`Self::examine`], with the first reason alone: nobody is told it, and what is examined is a stranger's.
    #[must_use]
    pub fn admit(&self, claims: &Map<String, Value>, own: &[&str]) -> Verdict {
        self.verdict(claims, own, 1)
    }

    /// Why claims are not let in; each is looked for when it is asked for.
    fn failures<'a>(
        &'a self,
        claims: &'a Map<String, Value>,
        own: &'a [&str],
    ) -> impl Iterator<Item = String> + 'a {
        let is_open = !binding::bind_tenant(self.provider, &self.conditions);
        let issuer = claims.get("iss");
        let is_foreign = issuer.and_then(Value::as_str) != Some(self.issuer.as_str());
        let foreign = move || format!("iss must be {:?}, but {}", self.issuer, found(issuer));
        // Who speaks for AWS is bound to this server by a signed header.
        let has_audience = self.provider != Provider::Aws;
        let audience = move || self.audience_failure(claims, own);
        let conditions = self.conditions.iter();
        let pins = self.pins.iter().filter_map(move |(name, remembered)| {
            let remembered = remembered.as_ref()?;
            let found = claim(claims, name).and_then(text);
            (found.as_ref() != Some(remembered)).then(|| {
                format!(
                    "{name} was {remembered:?} at the first use and must stay that, but it is {}",
                    found.map_or_else(|| "not there".to_owned(), |found| format!("{found:?}"))
                )
            })
        });
        is_open
            .then(|| open(self.provider).to_string())
            .into_iter()
            .chain(is_foreign.then(foreign))
            .chain(std::iter::once_with(move || has_audience.then(audience).flatten()).flatten())
            .chain(conditions.filter_map(move |condition| {
                let by_member = binding::may_be_list(self.provider, condition);
                condition.failure(claims, by_member)
            }))
            .chain(pins)
    }

    fn verdict(&self, claims: &Map<String, Value>, own: &[&str], most: usize) -> Verdict {
        let mut verdict = Verdict {
            failures: self.failures(claims, own).take(most).collect(),
            ..Verdict::default()
        };
        if !verdict.failures.is_empty() {
            return verdict;
        }
        for (name, remembered) in &self.pins {
            let found = claim(claims, name).and_then(text);
            if let (None, Some(found)) = (remembered, found) {
                let remark = format!("{name} = {found:?} is remembered at the first use");
                verdict.remarks.push(remark);
                verdict.first_seen.push((name.clone(), found));
            }
        }
        let guard = provider::guard(self.provider, claims);
        if self.builder && matches!(guard, Guard::Open) {
            let reason = provider::no_builder(self.provider, claims);
            verdict.builder = reason.is_none();
            verdict.remarks.extend(reason);
        }
        let (role, mint) = match guard {
            Guard::Open => (self.role, self.mint),
            Guard::PullRequest(_) if self.pull_requests => (self.role, self.mint),
            Guard::PullRequest(reason) => {
                if self.role > Role::Read {
                    verdict.remarks.push(format!(
                        "{reason}: a pull request or fork only reads, unless the policy says otherwise"
                    ));
                }
                (Role::Read, false)
            }
            Guard::Never(reason) => {
                verdict.remarks.push(format!("{reason}: it only reads"));
                (Role::Read, false)
            }
        };
        verdict.role = Some(self.role.min(role));
        verdict.mint = mint;
        verdict
    }

    fn audience_failure(&self, claims: &Map<String, Value>, own: &[&str]) -> Option<String> {
        let accepted: Vec<&str> = if self.audiences.is_empty() {
            own.to_vec()
        } else {
            self.audiences.iter().map(String::as_str).collect()
        };
        let found = claims.get("aud");
        let audiences = match found {
            Some(Value::Array(audiences)) => audiences.as_slice(),
            one => one.map_or(&[][..], std::slice::from_ref),
        };
        let mut audiences = audiences.iter().filter_map(Value::as_str);
        let holds = audiences.any(|audience| accepted.contains(&audience));
        let first = accepted.first().copied().unwrap_or_default();
        (!holds).then(|| format!("aud must be {first:?}, but {}", self::found(found)))
    }

    /// What of the claims goes to the audit log: who vouches, the subject, and what tells the workload.
    #[must_use]
    pub fn telling(&self, claims: &Map<String, Value>) -> Value {
        let mut kept = Map::new();
        for name in provider::telling_claims(self.provider) {
            if let Some(value) = claims.get(*name) {
                kept.insert((*name).to_owned(), bounded(value));
            }
        }
        json!({
            "issuer": self.issuer,
            "subject": claims.get("sub").map(bounded),
            "claims": kept,
        })
    }

    /// Whether nobody gets anything by this policy that the former one does not give, now or after it has remembered
    /// ids. Keys that come with a policy are no part of it, so whoever asks compares them.
    #[must_use]
    pub fn narrows(&self, former: &Self) -> bool {
        // One that does not bind the tenant lets nobody in, so nothing is narrower.
        binding::bind_tenant(former.provider, &former.conditions)
            && self.provider == former.provider
            && self.asks_no_less(former)
            && accepts_no_more(&self.audiences, &former.audiences)
            && self.remembers_all(former)
            && self.flakes.iter().all(|asked| {
                let mut held = former.flakes.iter();
                held.any(|held| held.includes(asked))
            })
            && self.role <= former.role
            && (former.mint || !self.mint)
            && (former.pull_requests || !self.pull_requests)
            && (former.builder || !self.builder)
            && self.max_lifetime <= former.max_lifetime
    }

    /// Takes over what the former policy has remembered, where this one asks for all that it asked for: then these are
    /// the same workloads, or fewer. Keys that come with a policy are no part of it.
    pub fn keep_ids_of(&mut self, former: &Self) {
        if !self.asks_no_less(former) {
            return;
        }
        for (claim, value) in &mut self.pins {
            *value = former.pins.get(claim).cloned().flatten();
        }
    }

    /// Whether who meets these conditions meets the former ones of the same issuer.
    fn asks_no_less(&self, former: &Self) -> bool {
        let implied = || {
            former.conditions.iter().all(|asked| {
                // Where one claim has several conditions, only equal ones are looked for: very many patterns and very
                // many texts would be compared otherwise.
                self.conditions.contains(asked) || {
                    let mut on = self.conditions.iter().filter(|it| it.is_on(&asked.claim));
                    matches!((on.next(), on.next()), (Some(only), None) if only.implies(asked))
                }
            })
        };
        let is_same = || self.conditions == former.conditions;
        self.issuer == former.issuer && (is_same() || self.provider == former.provider && implied())
    }

    /// Whether every id that the former one has remembered, or would, is remembered here.
    fn remembers_all(&self, former: &Self) -> bool {
        former.pins.iter().all(|(claim, value)| {
            let mine = self.pins.get(claim);
            mine.is_some_and(|mine| value.is_none() || mine == value)
        })
    }
}

fn open(provider: Provider) -> PolicyError {
    PolicyError::Open {
        provider,
        claims: binding::binding_claims(provider),
    }
}

/// The longest claim in the audit log, in bytes of JSON.
const MAX_TOLD: usize = 1000;

fn bounded(value: &Value) -> Value {
    let json = value.to_string();
    if json.len() <= MAX_TOLD {
        return value.clone();
    }
    Value::String(json.chars().take(MAX_TOLD / 4).chain(['…']).collect())
}

/// The issuer that is asked for, or the usual one, if the provider can have it.
fn issuer(provider: Provider, asked: Option<&str>) -> Result<String, PolicyError> {
    let usual = provider::usual_issuer(provider);
    let issuer = asked
        .or(usual)
        .ok_or(PolicyError::NoIssuer(provider))?
        .to_owned();
    let wrong = |reason: String| {
        Err(PolicyError::Issuer {
            issuer: issuer.chars().take(200).collect(),
            provider,
            reason,
        })
    };
    if provider == Provider::Aws {
        return match asked {
            None | Some(AWS_ISSUER) => Ok(issuer),
            Some(_) => wrong("AWS has none, leave it out".to_owned()),
        };
    }
    // Its traps would not be known to the policy.
    if let Some(other) = provider::provider_of(&issuer).filter(|other| *other != provider) {
        return wrong(format!("it belongs to {other}, so name that provider"));
    }
    let address = issuer
        .strip_prefix("https://")
        .or_else(|| issuer.strip_prefix("http://"));
    let plain = |text: &str| {
        !text.is_empty()
            && !text.starts_with('/')
            && text.bytes().all(|byte| byte.is_ascii_graphic())
    };
    if issuer.len() > 500 || !address.is_some_and(plain) || issuer.contains(['?', '#', '@', '\\']) {
        return wrong("an issuer is an address such as https://issuer.example.org".to_owned());
    }
    if provider == Provider::Circleci
        && issuer
            .strip_prefix("https://oidc.circleci.com/org/")
            .is_some_and(str::is_empty)
    {
        return wrong("it ends with the organisation's id".to_owned());
    }
    Ok(issuer)
}

/// Whether all audiences are among the former ones. None at all are the server's own, which change with the names of
/// an organisation.
fn accepts_no_more(audiences: &[String], former: &[String]) -> bool {
    if audiences.is_empty() || former.is_empty() {
        return audiences.is_empty() && former.is_empty();
    }
    audiences.iter().all(|audience| former.contains(audience))
}
