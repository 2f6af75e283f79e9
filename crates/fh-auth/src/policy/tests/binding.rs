//! Whose a workload is: each claim alone, and strangers who copy all that they can.

use std::collections::BTreeSet;

use super::super::binding::{Binds, may_be_list, table};
use super::super::{Condition, usual_issuer};
use super::*;

const PROVIDERS: [Provider; 9] = [
    Provider::Github,
    Provider::Gitlab,
    Provider::Buildkite,
    Provider::Circleci,
    Provider::Semaphore,
    Provider::Gcp,
    Provider::Kubernetes,
    Provider::Aws,
    Provider::Oidc,
];

/// The claims that bind by themselves: those that have to be written out, and those of which only the
/// beginning has to be, with what of it between the bars; written down apart from the tables.
fn alone(
    provider: Provider,
) -> (
    &'static [&'static str],
    &'static [(&'static str, &'static str)],
) {
    match provider {
        Provider::Github => (
            &["repository_id", "repository_owner", "repository_owner_id"],
            &[
                ("repository", "acme/|app"),
                ("sub", "repo:acme/|app:ref:refs/heads/main"),
                ("sub", "repository:acme/|app:environment:production"),
                ("sub", "repository_id:74:|ref:refs/heads/main"),
                ("sub", "repository_owner:acme:|ref:refs/heads/main"),
                ("sub", "repository_owner_id:65:|ref:refs/heads/main"),
            ],
        ),
        Provider::Gitlab => (
            &["project_id", "namespace_id", "namespace_path"],
            &[
                ("namespace_path", "acme/|group"),
                ("project_path", "acme/|app"),
                ("sub", "project_path:acme/|app:ref_type:branch:ref:main"),
            ],
        ),
        Provider::Buildkite => (
            &["organization_id", "organization_slug", "pipeline_id"],
            &[],
        ),
        Provider::Circleci => (
            &["oidc.circleci.com/project-id"],
            &[("sub", "org/0f1e/project/aa11/|user/7")],
        ),
        Provider::Semaphore => (
            &["org_id", "org", "prj_id", "prj"],
            &[("sub", "org:acme:|project:p1:repo:app:ref_type:branch:ref:x")],
        ),
        Provider::Gcp => (&["sub"], &[]),
        Provider::Kubernetes => (
            &[
                "/kubernetes.io/namespace",
                "/kubernetes.io/serviceaccount/uid",
            ],
            &[("sub", "system:serviceaccount:ci:|builder")],
        ),
        Provider::Aws => (
            &["account"],
            &[
                ("arn", "arn:aws:sts::123456789012:|assumed-role/ci/run"),
                ("sub", "arn:aws:sts::123456789012:|assumed-role/ci/run"),
                ("role_arn", "arn:aws-cn:iam::123456789012:|role/ci"),
            ],
        ),
        Provider::Oidc => (
            &[
                "sub",
                "/sub",
                "team",
                "/host/kind",
                "groups",
                "repository",
                "project_id",
                "org_id",
            ],
            &[],
        ),
    }
}

/// Claims that do not bind at any issuer.
const NEVER: [&str; 26] = [
    "iss",
    "aud",
    "exp",
    "nbf",
    "iat",
    "jti",
    "email",
    "email_verified",
    "azp",
    "client_id",
    "name",
    "preferred_username",
    "scope",
    "tid",
    "ref",
    "ref_type",
    "ref_protected",
    "environment",
    "event_name",
    "sha",
    "actor",
    "workflow_ref",
    "job_workflow_ref",
    "run_id",
    "/kubernetes.io/serviceaccount/name",
    "/google/compute_engine/instance_name",
];

fn issuer(provider: Provider) -> Option<&'static str> {
    match provider {
        Provider::Circleci => Some("https://oidc.circleci.com/org/0f1e"),
        Provider::Semaphore => Some("https://acme.semaphoreci.com"),
        Provider::Kubernetes => Some("https://k8s.example"),
        Provider::Oidc => Some("https://id.example"),
        other => usual_issuer(other).filter(|_| other != Provider::Aws),
    }
}

fn policy(provider: Provider, conditions: Value) -> Result<Policy, PolicyError> {
    acme(&wanted(provider.as_str(), issuer(provider), conditions))
}

/// Whether a policy with this one condition is taken; the same by each name that the claim has.
#[allow(
    clippy::needless_pass_by_value,
    reason = "called with `json!` throughout"
)]
fn taken(provider: Provider, claim: &str, test: Value) -> bool {
    let escaped = claim.replace('~', "~0").replace('/', "~1");
    let mut names = vec![claim.to_owned()];
    if !claim.starts_with('/') {
        names.push(format!("/{escaped}"));
    }
    let verdicts: BTreeSet<bool> = names
        .into_iter()
        .map(|name| {
            let mut condition = test.clone();
            condition["claim"] = json!(name);
            match policy(provider, json!([condition])) {
                Ok(_) => true,
                Err(PolicyError::Open { .. }) => false,
                Err(error) => panic!("{provider} {condition}: {error}"),
            }
        })
        .collect();
    assert_eq!(verdicts.len(), 1, "{provider} {claim} {test}");
    verdicts.contains(&true)
}

/// The text with a wildcard in place of each of the first characters, and cut off before each of them.
fn wildcards(text: &str, first: usize) -> Vec<String> {
    let mut all = Vec::new();
    for at in 0..first {
        for wildcard in ["*", "**", "?"] {
            all.push(format!("{}{wildcard}{}", &text[..at], &text[at + 1..]));
            all.push(format!("{}{wildcard}{}", &text[..at], &text[at..]));
        }
        all.push(format!("{}**", &text[..at]));
    }
    all
}

/// Subjects that somebody else chooses, or that lack what says whose they are.
const NOBODYS: [&str; 14] = [
    "acme",
    "/app",
    "ref:refs/heads/main",
    "environment:repo:acme/app",
    "job_workflow_ref:acme/ci/.github/workflows/x.yml@refs/heads/main",
    "workflow_ref:acme/ci/.github/workflows/x.yml@refs/heads/main",
    "actor:acme:repo:acme/app",
    "repo:/app",
    "repo::x",
    "organization:acme:pipeline:app:ref:refs/heads/main:commit:0:step:x",
    "org/0f1e/user/7/project/aa11/x",
    "system:serviceaccounts:ci:builder",
    "arn:aws:sts:eu:123456789012:assumed-role/ci/run",
    "arn:aws:sts:::assumed-role/ci/run",
];

#[test]
fn each_claim_alone_binds_where_the_provider_gives_it_to_one_tenant_and_nowhere_else() {
    let tables = PROVIDERS.iter().flat_map(|provider| table(*provider));
    let every: BTreeSet<&str> = tables.map(|(claim, _)| *claim).chain(NEVER).collect();
    let forms = PROVIDERS.iter().flat_map(|provider| alone(*provider).1);
    let whole: BTreeSet<(&str, String)> = forms
        .map(|(claim, form)| (*claim, form.replace('|', "")))
        .collect();
    for provider in PROVIDERS {
        let (fixed, beginning) = alone(provider);
        for &claim in every.iter().chain(&["unheard_of"]).chain(fixed) {
            let equals = |text: &str| taken(provider, claim, json!({ "equals": text }));
            let own: Vec<&str> = beginning
                .iter()
                .filter(|(name, _)| *name == claim)
                .map(|(_, form)| *form)
                .collect();
            let is_fixed = fixed.contains(&claim);
            if provider == Provider::Oidc && !is_fixed && !NEVER.contains(&claim) {
                continue;
            }
            for form in &own {
                assert!(equals(&form.replace('|', "")), "{provider} {claim} {form}");
            }
            let foreign = whole.iter().filter(|(name, text)| {
                let tenant = |form: &&str| text.starts_with(form.split_once('|').unwrap().0);
                *name == claim && !own.iter().any(tenant) && (claim == "sub" || own.is_empty())
            });
            let foreign = foreign.map(|(_, text)| text.as_str());
            let nobodys = NOBODYS.into_iter().filter(|text| {
                claim == "sub" || own.is_empty() || text.starts_with('/') || !text.contains('/')
            });
            let nobodys = nobodys.take(if claim == "sub" { NOBODYS.len() } else { 4 });
            for text in foreign.chain(nobodys) {
                assert_eq!(equals(text), is_fixed, "{provider} {claim} {text}");
            }
        }
        for claim in NEVER {
            let below = format!("/{}/0", claim.trim_start_matches('/'));
            for test in [json!({ "equals": "x" }), json!({ "all_of": ["x"] })] {
                assert!(!taken(provider, claim, test.clone()), "{provider} {claim}");
                assert!(!taken(provider, &below, test), "{provider} {below}");
            }
        }
    }
    for test in [json!({ "equals": "x" }), json!({ "all_of": ["x"] })] {
        assert!(taken(Provider::Oidc, "unheard_of", test));
    }
}

#[test]
fn every_row_of_a_table_is_what_it_says() {
    for provider in PROVIDERS {
        for (claim, binds) in table(provider) {
            let rows = table(provider).iter().filter(|(name, _)| name == claim);
            let rows: Vec<Binds> = rows.map(|(_, binds)| *binds).collect();
            match binds {
                Binds::Narrows => {
                    assert_eq!(rows.len(), 1, "{provider} {claim}");
                    for text in ["acme", "acme/app", "repo:acme/app:x", "true"] {
                        let found = taken(provider, claim, json!({ "equals": text }));
                        assert!(!found, "{provider} {claim} {text}");
                    }
                }
                Binds::Fixed => {
                    assert!(taken(provider, claim, json!({ "equals": "acme" })));
                    assert!(taken(provider, claim, json!({ "one_of": ["acme", "b"] })));
                    assert!(taken(provider, claim, json!({ "glob": "acme" })));
                    assert!(!taken(provider, claim, json!({ "all_of": ["acme"] })));
                    for glob in wildcards("acme", 4).into_iter().chain(["acme*".to_owned()]) {
                        let found = taken(provider, claim, json!({ "glob": glob }));
                        assert!(!found, "{provider} {claim} {glob}");
                    }
                }
                Binds::Beginning(templates) => {
                    for template in *templates {
                        assert!(!template.ends_with('}'), "{provider} {claim} {template}");
                    }
                }
                Binds::FixedWith(other, text) => {
                    let email = json!({ "claim": claim, "equals": "ci@acme.example" });
                    let beside = |test: Value| {
                        let mut condition = test;
                        condition["claim"] = json!(other);
                        policy(provider, json!([email, condition])).is_ok()
                    };
                    assert!(policy(provider, json!([email])).is_err());
                    assert!(beside(json!({ "equals": text })));
                    assert!(beside(json!({ "glob": text })));
                    assert!(!beside(json!({ "equals": "false" })));
                    assert!(!beside(json!({ "one_of": [text, "false"] })));
                    assert!(!beside(json!({ "glob": "*" })));
                    let any = json!({ "claim": claim, "glob": "*@acme.example" });
                    let verified = json!({ "claim": other, "equals": text });
                    assert!(policy(provider, json!([any, verified])).is_err());
                    let else_verified = json!({ "claim": "ref", "equals": text });
                    assert!(policy(provider, json!([email, else_verified])).is_err());
                }
                Binds::Held => panic!("{provider} {claim}: no table has it"),
            }
        }
    }
}

#[test]
fn a_wildcard_in_the_part_that_says_whose_it_is_does_not_bind_and_behind_it_does() {
    for provider in PROVIDERS {
        for (claim, form) in alone(provider).1 {
            let (tenant, rest) = form.split_once('|').unwrap();
            let text = format!("{tenant}{rest}");
            for glob in [
                format!("{tenant}**"),
                format!("{tenant}?{rest}"),
                text.clone(),
            ] {
                let found = taken(provider, claim, json!({ "glob": glob }));
                assert!(found, "{provider} {claim} {glob}");
            }
            for glob in wildcards(&text, tenant.len()) {
                let found = taken(provider, claim, json!({ "glob": glob }));
                assert!(!found, "{provider} {claim} {glob}");
            }
            let several = json!({ "one_of": [text, format!("{tenant}x")] });
            assert!(taken(provider, claim, several), "{provider} {claim}");
            let one_is_anybodys = json!({ "one_of": [text, "x"] });
            let whole_name = provider == Provider::Gitlab && *claim == "namespace_path";
            assert_eq!(taken(provider, claim, one_is_anybodys), whole_name);
            assert!(!taken(provider, claim, json!({ "all_of": [text] })));
        }
    }
}

#[test]
fn a_policy_that_was_stored_before_a_claim_was_known_not_to_bind_lets_nobody_in() {
    let mut policy = policy(
        Provider::Github,
        json!([{ "claim": "repository", "equals": "acme/app" }]),
    )
    .unwrap();
    assert_eq!(role(&policy, &github_claims(json!({}))), Some(Role::Write));
    let called = "acme/ci/.github/workflows/x.yml@refs/heads/main";
    policy.conditions = vec![
        Condition::new(&ConditionSpec {
            claim: "job_workflow_ref".to_owned(),
            equals: Some(called.to_owned()),
            ..ConditionSpec::default()
        })
        .unwrap(),
    ];
    let verdict = policy.examine(
        &github_claims(json!({ "job_workflow_ref": called })),
        &[OWN],
    );
    assert_eq!(verdict.role, None);
    assert!(verdict.failures[0].starts_with("no condition names the tenant"));
}

#[test]
fn the_refusal_names_what_would_bind() {
    let refused = |provider| policy(provider, json!([])).unwrap_err().to_string();
    for (provider, words) in [
        (
            Provider::Github,
            "repository_owner; repository = NAME/…; sub = repo:NAME/… or repository:",
        ),
        (
            Provider::Gcp,
            ": sub; email together with email_verified = true",
        ),
        (Provider::Aws, "role_arn = arn:NAME:NAME::NAME:…"),
        (
            Provider::Oidc,
            "; another claim that the issuer alone chooses",
        ),
    ] {
        let message = refused(provider);
        assert!(message.contains(words), "{message}");
        assert!(!message.contains("job_workflow_ref"), "{message}");
    }
}

/// A workload of ours, and those of strangers who have copied all that can be copied.
struct World {
    provider: Provider,
    mine: Map<String, Value>,
    theirs: Vec<Map<String, Value>>,
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "a `json!` is written in place"
)]
fn world(provider: Provider, mine: Value, strangers: Value) -> World {
    let mut all = claims(mine);
    all.insert(
        "iss".to_owned(),
        json!(issuer(provider).or(usual_issuer(provider))),
    );
    all.insert("aud".to_owned(), json!(OWN));
    all.insert("exp".to_owned(), json!(1000));
    let theirs = strangers.as_array().unwrap().iter().map(|change| {
        let mut claims = all.clone();
        claims.extend(self::claims(change.clone()));
        claims
    });
    World {
        provider,
        theirs: theirs.collect(),
        mine: all,
    }
}

fn worlds() -> Vec<World> {
    let called = "acme/ci/.github/workflows/x.yml@refs/heads/main";
    let github = json!({
        "repository": "acme/app", "repository_id": "74", "repository_owner": "acme",
        "repository_owner_id": "65", "ref": "refs/heads/main", "event_name": "push",
        "environment": "repo:acme/app", "job_workflow_ref": called, "workflow_ref": called,
        "actor": "alice", "enterprise": "acme", "sha": "aa", "run_id": "1",
    });
    let evil = json!({
        "repository": "evil/app", "repository_id": "9", "repository_owner": "evil",
        "repository_owner_id": "6",
    });
    let with = |all: &Value, sub: &str| {
        let mut all = all.clone();
        all["sub"] = json!(sub);
        all
    };
    let custom = format!("job_workflow_ref:{called}:repo:acme/app");
    let k8s = |namespace: &str, uid: &str| json!({ "namespace": namespace, "serviceaccount": { "name": "ci", "uid": uid }, "pod": { "name": "p" } });
    let arn = |account: &str| format!("arn:aws:sts::{account}:assumed-role/ci/run");
    let aws = |account: &str| {
        json!({
            "account": account, "arn": arn(account), "sub": arn(account), "role": "ci",
            "role_arn": format!("arn:aws:iam::{account}:role/ci"), "session_name": "run",
            "user_id": "AROA:run",
        })
    };
    vec![
        world(
            Provider::Github,
            with(&github, "repo:acme/app:ref:refs/heads/main"),
            json!([
                with(&evil, "repo:evil/app:ref:refs/heads/main"),
                with(&evil, "repo:acme-evil/app:ref:refs/heads/main"),
                with(&evil, "environment:repo:acme/app"),
            ]),
        ),
        world(
            Provider::Github,
            with(&github, &custom),
            json!([with(&evil, &custom)]),
        ),
        world(
            Provider::Gitlab,
            json!({
                "project_id": "7", "project_path": "acme/app", "namespace_id": "3",
                "namespace_path": "acme", "ref": "main", "ref_protected": "true", "user_login": "al",
                "sub": "project_path:acme/app:ref_type:branch:ref:main", "pipeline_source": "push",
                "groups_direct": ["acme"], "ci_config_ref_uri": "gitlab.com/acme/app//x@main",
            }),
            json!([{
                "project_id": "8", "project_path": "acme2/app", "namespace_id": "4",
                "namespace_path": "acme2", "sub": "project_path:acme2/app:ref_type:branch:ref:main",
            }]),
        ),
        world(
            Provider::Buildkite,
            json!({
                "organization_slug": "acme", "organization_id": "o1", "pipeline_slug": "app",
                "pipeline_id": "p1", "build_branch": "main", "step_key": "x",
                "sub": "organization:acme:pipeline:app:ref:refs/heads/main:commit:0:step:x",
            }),
            json!([{ "organization_slug": "evil", "organization_id": "o2", "pipeline_id": "p2" }]),
        ),
        world(
            Provider::Circleci,
            json!({
                "oidc.circleci.com/project-id": "aa11", "sub": "org/0f1e/project/aa11/user/7",
                "oidc.circleci.com/vcs-ref": "refs/heads/main", "oidc.circleci.com/vcs-origin": "acme/app",
            }),
            json!([{ "oidc.circleci.com/project-id": "bb", "sub": "org/0f1e/project/bb/user/7" }]),
        ),
        world(
            Provider::Semaphore,
            json!({
                "org_id": "o1", "org": "acme", "prj_id": "p1", "prj": "app", "ref": "x", "repo": "app",
                "ref_type": "branch", "sub": "org:acme:project:p1:repo:app:ref_type:branch:ref:x",
            }),
            json!([{
                "org_id": "o2", "org": "acme2", "prj_id": "p2", "prj": "app2",
                "sub": "org:acme2:project:p1:repo:app:ref_type:branch:ref:x",
            }]),
        ),
        world(
            Provider::Gcp,
            json!({
                "sub": "113", "email": "ci@acme.example", "email_verified": true, "azp": "113",
                "google": { "compute_engine": { "project_id": "acme", "instance_name": "ci" } },
            }),
            json!([
                { "sub": "114", "email_verified": false },
                { "sub": "114", "email": "ci@acme.example.evil" },
            ]),
        ),
        world(
            Provider::Kubernetes,
            json!({ "sub": "system:serviceaccount:ci:ci", "kubernetes.io": k8s("ci", "u1") }),
            json!([
                { "sub": "system:serviceaccount:evil:ci", "kubernetes.io": k8s("evil", "u2") },
                { "sub": "system:serviceaccount:ci-evil:ci", "kubernetes.io": k8s("ci-evil", "u3") },
            ]),
        ),
        world(
            Provider::Aws,
            aws("123456789012"),
            json!([aws("999999999999")]),
        ),
        world(
            Provider::Oidc,
            json!({
                "sub": "builder", "email": "a@acme.example", "email_verified": true, "team": "infra",
                "name": "Al", "azp": "app", "ref": "main", "groups": ["infra", "all"],
            }),
            json!([{ "sub": "evil", "email_verified": false, "team": "evil", "groups": ["all", "x"] }]),
        ),
    ]
}

#[test]
fn one_member_of_a_list_will_do_but_not_where_the_claim_tells_the_tenant() {
    let own = json!({ "claim": "project_path", "equals": "acme/app" });
    let mail = json!({ "claim": "email", "equals": "a@acme.example" });
    let verified = json!({ "claim": "email_verified", "equals": "true" });
    let member = json!({ "claim": "groups", "equals": "infra" });
    let pointer = json!({ "claim": "/org/groups", "equals": "infra" });
    let direct = json!({ "claim": "groups_direct", "glob": "acme/*" });
    for (provider, conditions, identity, is_let_in) in [
        (
            Provider::Oidc,
            json!([member]),
            json!({ "groups": ["all", "infra"] }),
            true,
        ),
        (
            Provider::Oidc,
            json!([member]),
            json!({ "groups": "infra" }),
            true,
        ),
        (
            Provider::Oidc,
            json!([member]),
            json!({ "groups": ["all"] }),
            false,
        ),
        (
            Provider::Oidc,
            json!([member]),
            json!({ "groups": [["infra"], { "infra": "infra" }] }),
            false,
        ),
        (
            Provider::Oidc,
            json!([pointer]),
            json!({ "org": { "groups": ["infra"] } }),
            true,
        ),
        (
            Provider::Oidc,
            json!([{ "claim": "team", "one_of": ["a", "b"] }]),
            json!({ "team": ["c", "b"] }),
            true,
        ),
        (
            Provider::Gitlab,
            json!([own, direct]),
            json!({ "project_path": "acme/app", "groups_direct": ["x", "acme/ops"] }),
            true,
        ),
        (
            Provider::Gitlab,
            json!([own, direct]),
            json!({ "project_path": "acme/app", "groups_direct": ["x", "acme"] }),
            false,
        ),
        // What tells the tenant is one text.
        (
            Provider::Gitlab,
            json!([own]),
            json!({ "project_path": ["acme/app"] }),
            false,
        ),
        (
            Provider::Oidc,
            json!([{ "claim": "/sub", "equals": "a" }]),
            json!({ "sub": ["evil", "a"] }),
            false,
        ),
        (
            Provider::Oidc,
            json!([mail, verified]),
            json!({ "email": ["evil@x.example", "a@acme.example"], "email_verified": true }),
            false,
        ),
        (
            Provider::Oidc,
            json!([mail, verified]),
            json!({ "email": "a@acme.example", "email_verified": [false, true] }),
            false,
        ),
    ] {
        let world = world(provider, identity, json!([]));
        let policy = policy(provider, conditions.clone()).unwrap();
        let verdict = policy.examine(&world.mine, &[OWN]);
        assert_eq!(
            verdict.role.is_some(),
            is_let_in,
            "{conditions} {:?}: {:?}",
            world.mine,
            verdict.failures
        );
    }
    for provider in PROVIDERS {
        for (claim, binds) in table(provider) {
            let condition = json!({ "claim": claim, "equals": "x" });
            let condition = Condition::new(&serde_json::from_value(condition).unwrap()).unwrap();
            let is_partner = table(provider)
                .iter()
                .any(|(_, binds)| matches!(binds, Binds::FixedWith(other, _) if other == claim));
            let tells = !matches!(binds, Binds::Narrows) || is_partner;
            assert_eq!(
                may_be_list(provider, &condition),
                !tells,
                "{provider} {claim}"
            );
        }
    }
}

/// Every claim that is a text or a list of texts, as a pointer.
fn leaves(value: &Value, path: &str, found: &mut Vec<(String, Value)>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let name = name.replace('~', "~0").replace('/', "~1");
                leaves(value, &format!("{path}/{name}"), found);
            }
        }
        value => found.push((path.to_owned(), value.clone())),
    }
}

/// A condition that ours meets: the claim as it is, or with parts of it hidden behind wildcards.
fn condition(leaf: &(String, Value), pointer: bool, masks: &[(usize, usize, usize)]) -> Value {
    let (path, value) = leaf;
    let plain = path[1..].replace("~1", "/");
    let claim = if pointer || path[1..].contains('/') {
        path
    } else {
        &plain
    };
    let text = match value {
        Value::Array(items) if masks.len() == 2 => {
            return json!({ "claim": claim, "all_of": [items[0]] });
        }
        // One member will do.
        Value::Array(items) => items[0].as_str().unwrap().to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    if masks.is_empty() {
        return json!({ "claim": claim, "equals": text });
    }
    let mut hidden: Vec<String> = text.chars().map(String::from).collect();
    for (from, length, kind) in masks {
        let from = from % hidden.len();
        // A wildcard hides at least the character that it stands in place of.
        let to = (from + length.max(&1)).min(hidden.len());
        let covered: String = hidden[from..to].concat();
        let untouched = covered.len() == to - from && !covered.contains(['*', '?']);
        let wildcard = match kind {
            0 if untouched && covered.len() == 1 => "?",
            1 if untouched && !covered.contains('/') => "*",
            _ => "**",
        };
        hidden[from..to].fill(String::new());
        hidden[from] = wildcard.to_owned();
    }
    json!({ "claim": claim, "glob": hidden.concat() })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_policy_that_is_taken_lets_in_strangers_who_copy_all_that_can_be_copied(
        which in any::<proptest::sample::Index>(),
        picks in proptest::collection::vec(
            (
                any::<proptest::sample::Index>(),
                any::<bool>(),
                proptest::collection::vec((0usize..60, 0usize..30, 0usize..3), 0..3),
            ),
            1..4,
        ),
    ) {
        let worlds = worlds();
        let world = which.get(&worlds);
        let mut all = Vec::new();
        leaves(&Value::Object(world.mine.clone()), "", &mut all);
        let conditions: Vec<Value> = picks
            .iter()
            .map(|(pick, pointer, masks)| condition(pick.get(&all), *pointer, masks))
            .collect();
        if let Ok(policy) = policy(world.provider, json!(conditions)) {
            let ours = policy.examine(&world.mine, &[OWN]);
            prop_assert!(ours.role.is_some(), "{conditions:?}: {:?}", ours.failures);
            for stranger in &world.theirs {
                let verdict = policy.examine(stranger, &[OWN]);
                prop_assert_eq!(verdict.role, None, "{:?} lets in {:?}", conditions, stranger);
            }
        }
    }
}
