//! Which policy a command means: the name of a new one, and what the one that exists has in common with it.
//!
//! Everything here is decided on values. Invariants: a generated name is never that of a policy of other
//! workloads; the same command means the same policy each time, whatever it is named.

use fh_api::{ConditionSpec, InvalidName, Name, SetTrustPolicy, TrustPolicyInfo};
use fh_auth::policy::DEFAULT_LIFETIME;
use fh_nix::NarHash;
use serde_json::json;

use crate::nouns::policies::{are_same, differences, issuer};

/// The longest name, in characters.
const LONGEST: usize = 64;

/// How many digits of a hash tell two policies apart.
const DIGITS: usize = 8;

/// Claims on which the templates put conditions by themselves: nobody would know a policy by them.
const SET_BY_TEMPLATES: &[&str] = &["ref_type", "ref_protected", "email_verified"];

/// Words that stand in the values of very many policies.
const COMMON_WORDS: &str = "refs heads github workflows yml yaml system serviceaccount https http com org oidc services token";

/// What becomes of a policy that somebody wants.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Plan<'a> {
    /// It is a new one of this name.
    New(Name),
    /// It is this one, which is as it should be.
    Same(&'a TrustPolicyInfo),
    /// It would have to replace this one, which differs.
    Other(&'a TrustPolicyInfo),
}

/// What becomes of a wanted policy, beside those of the organisation. A `given` name is that one alone; without it
/// an equal policy may have any name, and a new one is named after its `workload`.
///
/// # Errors
/// Where no name can be made of the workload.
pub(super) fn plan<'a>(
    wanted: &SetTrustPolicy,
    given: Option<&Name>,
    workload: Option<&str>,
    existing: &'a [TrustPolicyInfo],
) -> Result<Plan<'a>, InvalidName> {
    let is_same = |one: &TrustPolicyInfo| differences(wanted, one).is_empty();
    if let Some(name) = given {
        return Ok(match named(existing, name) {
            None => Plan::New(name.clone()),
            Some(found) if is_same(found) => Plan::Same(found),
            Some(found) => Plan::Other(found),
        });
    }
    if let Some(found) = existing.iter().find(|one| is_same(one)) {
        return Ok(Plan::Same(found));
    }
    let [short, telling, unique] = candidates(wanted, workload)?;
    let held = [&short, &telling, &unique].map(|name| named(existing, name));
    let mut holders = held.iter().copied().flatten();
    // The same workloads with another role: a second policy beside it would leave them the former role.
    if let Some(found) = holders.find(|one| has_same_workloads(wanted, one)) {
        return Ok(Plan::Other(found));
    }
    Ok(match held {
        [None, _, _] => Plan::New(short),
        [_, None, _] => Plan::New(telling),
        [_, _, None] => Plan::New(unique),
        [_, _, Some(found)] => Plan::Other(found),
    })
}

/// The policy of a name; case does not count.
fn named<'a>(existing: &'a [TrustPolicyInfo], name: &Name) -> Option<&'a TrustPolicyInfo> {
    let folded = name.folded();
    existing.iter().find(|one| one.name.folded() == folded)
}

/// The names that a policy may get, the shortest first: after its workload; with what else its conditions say;
/// with a hash of all that says whose workloads are meant.
fn candidates(wanted: &SetTrustPolicy, workload: Option<&str>) -> Result<[Name; 3], InvalidName> {
    let mut short = wanted.provider.to_string();
    for word in words(workload.unwrap_or_default()) {
        short.push('-');
        short.push_str(word);
    }
    let short = cut(&short, LONGEST);
    let mut telling = short.to_owned();
    for word in telling_words(wanted, short) {
        telling.push('-');
        telling.push_str(word);
    }
    let meant = json!([
        wanted.provider,
        wanted.issuer,
        wanted.conditions,
        wanted.audiences
    ]);
    let mut digits = NarHash::of(meant.to_string().as_bytes()).to_hex();
    digits.truncate(DIGITS);
    let unique = format!("{}-{digits}", cut(short, LONGEST - DIGITS - 1));
    Ok([
        short.parse()?,
        cut(&telling, LONGEST).parse()?,
        unique.parse()?,
    ])
}

/// The first characters of a name, without a hyphen at the end.
fn cut(name: &str, most: usize) -> &str {
    name.get(..most).unwrap_or(name).trim_end_matches('-')
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
}

/// What a policy's conditions say that a name does not; or else what its issuer says, as where two clusters have
/// the same service account.
fn telling_words<'a>(wanted: &'a SetTrustPolicy, name: &str) -> Vec<&'a str> {
    let conditions = wanted
        .conditions
        .iter()
        .filter(|one| !SET_BY_TEMPLATES.contains(&one.claim.as_str()));
    let found = new_words(conditions.flat_map(values), name);
    if !found.is_empty() {
        return found;
    }
    new_words(wanted.issuer.as_deref().into_iter(), name)
}

/// The words of these texts that neither the name nor very many policies have, each once.
fn new_words<'a>(texts: impl Iterator<Item = &'a str>, name: &str) -> Vec<&'a str> {
    let mut found: Vec<&str> = Vec::new();
    for word in texts.flat_map(words) {
        let is_known = words(COMMON_WORDS).any(|common| common == word)
            || found.contains(&word)
            || words(name).any(|known| known.eq_ignore_ascii_case(word));
        if !is_known {
            found.push(word);
        }
    }
    found
}

/// What a claim may be by a condition.
fn values(condition: &ConditionSpec) -> impl Iterator<Item = &str> {
    let one = [&condition.equals, &condition.glob].into_iter().flatten();
    let several = [&condition.one_of, &condition.all_of]
        .into_iter()
        .flatten()
        .flatten();
    one.chain(several).map(String::as_str)
}

/// Whether all that counts is known here of a policy without [`differences`]. The keys that came with one are known
/// to the server alone, and so is how long a token lasts where nothing is said.
pub(super) fn is_certain(wanted: &SetTrustPolicy, found: &TrustPolicyInfo) -> bool {
    let has_usual_lifetime =
        wanted.max_lifetime.is_some() || found.max_lifetime == DEFAULT_LIFETIME;
    wanted.jwks.is_none() && has_usual_lifetime
}

/// Whether two policies let in the same workloads.
fn has_same_workloads(wanted: &SetTrustPolicy, found: &TrustPolicyInfo) -> bool {
    wanted.provider == found.provider
        && issuer(wanted) == found.issuer
        && are_same(&wanted.conditions, &found.conditions)
}

#[cfg(test)]
mod tests {
    use fh_api::{PinnedClaim, Role};
    use fh_auth::policy::templates;
    use time::OffsetDateTime;
    use uuid::Uuid;

    use super::*;

    fn on_app(template: SetTrustPolicy) -> SetTrustPolicy {
        SetTrustPolicy {
            flakes: vec!["acme/app".parse().unwrap()],
            role: Role::Write,
            ..template
        }
    }

    fn github(repository: &str, reference: Option<&str>) -> SetTrustPolicy {
        let fields = templates::Github {
            repository: Some(repository.to_owned()),
            reference: reference.map(str::to_owned),
            ..templates::Github::default()
        };
        on_app(templates::github(&fields).unwrap())
    }

    fn kubernetes(issuer: &str) -> SetTrustPolicy {
        on_app(templates::kubernetes(issuer, "ci", "builder").unwrap())
    }

    /// As a server would answer it.
    fn made(name: &str, wanted: &SetTrustPolicy) -> TrustPolicyInfo {
        let pins = wanted.pin.iter().map(|claim| PinnedClaim {
            claim: claim.clone(),
            value: None,
        });
        TrustPolicyInfo {
            id: Uuid::nil(),
            organization: "acme".parse().unwrap(),
            name: name.parse().unwrap(),
            provider: wanted.provider,
            issuer: issuer(wanted).to_owned(),
            audiences: wanted.audiences.clone(),
            conditions: wanted.conditions.clone(),
            pins: pins.collect(),
            flakes: wanted.flakes.clone(),
            role: wanted.role,
            mint: wanted.mint,
            pull_requests: wanted.pull_requests,
            builder: wanted.builder,
            max_lifetime: wanted.max_lifetime.unwrap_or(DEFAULT_LIFETIME),
            inline_keys: wanted.jwks.is_some(),
            created_at: OffsetDateTime::UNIX_EPOCH,
            last_used_at: None,
        }
    }

    fn names(wanted: &SetTrustPolicy, workload: Option<&str>) -> [String; 3] {
        candidates(wanted, workload)
            .unwrap()
            .map(|name| name.to_string())
    }

    #[test]
    fn a_policy_is_named_after_its_workload_then_its_conditions_then_its_hash() {
        let main = github("acme/app", Some("main"));
        let [short, telling, unique] = names(&main, Some("acme/app"));
        assert_eq!(short, "github-acme-app");
        assert_eq!(telling, "github-acme-app-main");
        let digits = unique.strip_prefix("github-acme-app-").unwrap();
        assert!(digits.len() == 8 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let release = github("acme/app", Some("refs/tags/v*"));
        assert_eq!(
            names(&release, Some("acme/app"))[1],
            "github-acme-app-tags-v"
        );
        // Nothing but the hash tells these apart.
        let (first, second) = (github("a-b/c", None), github("a/b-c", None));
        let (first, second) = (names(&first, Some("a-b/c")), names(&second, Some("a/b-c")));
        assert_eq!(first[..2], second[..2]);
        assert_ne!(first[2], second[2]);
        let cluster = kubernetes("https://k8s.acme.example");
        assert_eq!(
            names(&cluster, Some("ci-builder"))[1],
            "kubernetes-ci-builder-k8s-acme-example"
        );
        let claims = [("team".to_owned(), "infra".to_owned())];
        let oidc = templates::oidc("https://id.example", None, &claims).unwrap();
        let [short, telling, _] = names(&oidc, None);
        assert_eq!((short.as_str(), telling.as_str()), ("oidc", "oidc-infra"));
    }

    #[test]
    fn every_name_is_valid_whatever_it_is_made_of() {
        let (long, broken) = ("x".repeat(200), "ab-".repeat(60));
        for text in [
            "..//",
            "",
            "äöü",
            "-",
            "a.b.c-",
            long.as_str(),
            broken.as_str(),
        ] {
            let wanted = SetTrustPolicy {
                conditions: vec![ConditionSpec {
                    claim: "ref".to_owned(),
                    glob: Some(text.to_owned()),
                    ..ConditionSpec::default()
                }],
                ..github("acme/app", None)
            };
            for name in names(&wanted, Some(text)) {
                assert!(name.len() <= LONGEST && !name.ends_with('-'), "{name}");
            }
        }
    }

    #[test]
    fn two_policies_get_two_names_and_each_is_found_again() {
        let main = github("acme/app", Some("main"));
        let workload = Some("acme/app");
        let mut existing: Vec<TrustPolicyInfo> = Vec::new();
        for (reference, name) in [
            ("main", "github-acme-app"),
            ("dev", "github-acme-app-dev"),
            ("refs/heads/next", "github-acme-app-next"),
        ] {
            let wanted = github("acme/app", Some(reference));
            assert_eq!(
                plan(&wanted, None, workload, &existing).unwrap(),
                Plan::New(name.parse().unwrap())
            );
            existing.push(made(name, &wanted));
        }
        let found = plan(&main, None, workload, &existing).unwrap();
        assert_eq!(found, Plan::Same(&existing[0]));
        // Under whatever name.
        let renamed = [made("Deploy", &main)];
        let found = plan(&main, None, workload, &renamed).unwrap();
        assert_eq!(found, Plan::Same(&renamed[0]));
        // Another role for the same workloads is the same policy, also where a shorter name is free.
        let reading = SetTrustPolicy {
            role: Role::Read,
            ..github("acme/app", Some("dev"))
        };
        let found = plan(&reading, None, workload, &existing[1..]).unwrap();
        assert_eq!(found, Plan::Other(&existing[1]));
    }

    #[test]
    fn a_given_name_is_that_policy_and_no_other() {
        let main = github("acme/app", Some("main"));
        let dev = github("acme/app", Some("dev"));
        let existing = [made("Deploy", &main)];
        let name: Name = "deploy".parse().unwrap();
        let other: Name = "other".parse().unwrap();
        let of = |wanted, name| plan(wanted, Some(name), None, &existing).unwrap();
        assert_eq!(of(&main, &name), Plan::Same(&existing[0]));
        assert_eq!(of(&dev, &name), Plan::Other(&existing[0]));
        assert_eq!(of(&main, &other), Plan::New(other.clone()));
    }

    #[test]
    fn every_property_that_differs_is_told() {
        type Change = fn(&mut SetTrustPolicy);
        let usual = || github("acme/app", Some("main"));
        let found = made("x", &usual());
        assert!(differences(&usual(), &found).is_empty());
        let changes: [(&str, Change); 11] = [
            ("Issuer", |policy| {
                policy.issuer = Some("https://g.example".to_owned());
            }),
            ("Conditions", |policy| policy.conditions.truncate(1)),
            ("Audience", |policy| policy.audiences.push("x".to_owned())),
            ("Keys", |policy| policy.jwks = Some(json!({ "keys": [] }))),
            ("Remembered", |policy| policy.pin.push("actor".to_owned())),
            ("Role", |policy| policy.role = Role::Read),
            ("Flakes", |policy| {
                policy.flakes = vec!["acme/*".parse().unwrap()];
            }),
            ("Pull requests", |policy| policy.pull_requests = true),
            ("Builders", |policy| policy.builder = true),
            ("May mint", |policy| policy.mint = true),
            ("Tokens last", |policy| policy.max_lifetime = Some(60)),
        ];
        for (what, change) in changes {
            let mut wanted = usual();
            change(&mut wanted);
            let told = differences(&wanted, &found);
            assert_eq!(told.len(), 1, "{told:?}");
            assert_eq!(told[0].what, what);
            assert_ne!(told[0].has, told[0].asked);
        }
    }

    #[test]
    fn what_means_the_same_is_the_same() {
        let usual = github("acme/app", Some("main"));
        let mut found = made("x", &usual);
        found.conditions.reverse();
        found.flakes = vec!["ACME/app".parse().unwrap()];
        // Owners may have said it before; who repeats the command without it takes nothing away.
        found.builder = true;
        assert!(differences(&usual, &found).is_empty());
        assert!(is_certain(&usual, &found));
        // As on a server whose tokens last half an hour.
        found.max_lifetime = 1800;
        assert!(differences(&usual, &found).is_empty());
        assert!(!is_certain(&usual, &found));
    }
}
