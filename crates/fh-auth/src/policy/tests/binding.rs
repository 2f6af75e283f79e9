//! Whose a workload is: each claim alone.

use std::collections::BTreeSet;

use super::super::binding::{Binds, NARROWING, table};
use super::super::{Condition, usual_issuer};
use super::*;

pub(super) const PROVIDERS: [Provider; 9] = [
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

/// What a provider's identities have in them that says nothing about whose they are.
pub(super) fn narrowing(provider: Provider) -> &'static [&'static str] {
    match provider {
        Provider::Github => &[
            "job_workflow_ref",
            "job_workflow_sha",
            "workflow_ref",
            "workflow_sha",
            "workflow",
            "actor",
            "actor_id",
            "enterprise",
            "enterprise_id",
            "ref",
            "ref_type",
            "ref_protected",
            "base_ref",
            "head_ref",
            "sha",
            "environment",
            "environment_node_id",
            "event_name",
            "repository_visibility",
            "runner_environment",
            "run_id",
            "run_number",
            "run_attempt",
            "check_run_id",
        ],
        Provider::Gitlab => &[
            "user_id",
            "user_login",
            "user_email",
            "user_access_level",
            "user_identities",
            "groups_direct",
            "ci_config_ref_uri",
            "ci_config_sha",
            "ref",
            "ref_type",
            "ref_path",
            "ref_protected",
            "sha",
            "environment",
            "environment_protected",
            "environment_action",
            "deployment_tier",
            "pipeline_source",
            "pipeline_id",
            "job_id",
            "project_visibility",
            "runner_id",
            "runner_environment",
        ],
        Provider::Buildkite => &[
            "sub",
            "pipeline_slug",
            "build_branch",
            "build_tag",
            "build_commit",
            "build_number",
            "build_source",
            "step_key",
            "job_id",
            "agent_id",
            "cluster_id",
            "cluster_name",
            "queue_id",
            "queue_key",
            "runner_environment",
        ],
        Provider::Circleci => &[
            "oidc.circleci.com/vcs-origin",
            "oidc.circleci.com/vcs-ref",
            "oidc.circleci.com/ssh-rerun",
            "oidc.circleci.com/context-ids",
            "oidc.circleci.com/pipeline-definition-id",
            "oidc.circleci.com/workflow-id",
            "oidc.circleci.com/job-id",
        ],
        Provider::Semaphore => &[
            "repo",
            "repo_slug",
            "ref",
            "ref_type",
            "branch",
            "tag",
            "pr_branch",
            "pr_number",
            "job_type",
            "job_id",
            "ppl_id",
            "wf_id",
        ],
        Provider::Gcp => &[
            "email_verified",
            "azp",
            "hd",
            "/google/compute_engine/project_id",
            "/google/compute_engine/project_number",
            "/google/compute_engine/instance_id",
            "/google/compute_engine/instance_name",
            "/google/compute_engine/zone",
        ],
        Provider::Kubernetes => &[
            "/kubernetes.io/serviceaccount/name",
            "/kubernetes.io/pod/name",
            "/kubernetes.io/pod/uid",
            "/kubernetes.io/node/name",
            "/kubernetes.io/node/uid",
        ],
        Provider::Aws => &["role", "session_name", "user", "user_id"],
        Provider::Oidc => &NARROWING,
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

pub(super) fn issuer(provider: Provider) -> Option<&'static str> {
    match provider {
        Provider::Circleci => Some("https://oidc.circleci.com/org/0f1e"),
        Provider::Semaphore => Some("https://acme.semaphoreci.com"),
        Provider::Kubernetes => Some("https://k8s.example"),
        Provider::Oidc => Some("https://id.example"),
        other => usual_issuer(other).filter(|_| other != Provider::Aws),
    }
}

pub(super) fn policy(provider: Provider, conditions: Value) -> Result<Policy, PolicyError> {
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
    let narrowing = PROVIDERS.iter().flat_map(|it| narrowing(*it)).copied();
    let every = tables.map(|(claim, _)| *claim).chain(narrowing);
    let every: BTreeSet<&str> = every.chain(NEVER).collect();
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
        for claim in narrowing(provider) {
            assert!(table(provider).iter().all(|(bound, _)| bound != claim));
            for text in ["acme", "acme/app", "repo:acme/app:x", "true"] {
                let found = taken(provider, claim, json!({ "equals": text }));
                assert!(!found, "{provider} {claim} {text}");
            }
        }
        for (claim, binds) in table(provider) {
            match binds {
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
