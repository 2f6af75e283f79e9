use fh_api::{ConditionSpec, Provider, Role, SetTrustPolicy};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::templates::{self, Aws, Buildkite, Circleci, Github, Gitlab, Semaphore};
use super::{Policy, PolicyError, Verdict};

mod binding;
mod limits;
mod made;
mod narrower;
mod pins;
mod strangers;

const OWN: &str = "urn:fh:0192f0c1-0000-7000-8000-000000000001";

fn acme(wanted: &SetTrustPolicy) -> Result<Policy, PolicyError> {
    Policy::new(&"acme".parse().unwrap(), wanted, 86_400)
}

/// The policy of a template, with `write` on one flake.
fn writing(template: SetTrustPolicy) -> Policy {
    acme(&SetTrustPolicy {
        flakes: vec!["acme/app".parse().unwrap()],
        role: Role::Write,
        ..template
    })
    .unwrap()
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "a `json!` is written in place"
)]
fn wanted(provider: &str, issuer: Option<&str>, conditions: Value) -> SetTrustPolicy {
    serde_json::from_value(json!({
        "provider": provider, "issuer": issuer, "conditions": conditions,
        "flakes": ["acme/app"], "role": "write",
    }))
    .unwrap()
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "a `json!` is written in place"
)]
fn claims(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn github_claims(change: Value) -> Map<String, Value> {
    let mut all = claims(json!({
        "iss": "https://token.actions.githubusercontent.com", "aud": OWN,
        "sub": "repo:acme/app:ref:refs/heads/main",
        "repository": "acme/app", "repository_id": "74", "repository_owner": "acme",
        "repository_owner_id": "65", "ref": "refs/heads/main", "event_name": "push",
        "workflow_ref": "acme/app/.github/workflows/release.yml@refs/heads/main",
        "environment": "production", "head_ref": "",
    }));
    all.extend(claims(change));
    all
}

fn main_branch() -> Github {
    Github {
        repository: Some("acme/app".to_owned()),
        reference: Some("refs/heads/main".to_owned()),
        ..Github::default()
    }
}

fn role(policy: &Policy, claims: &Map<String, Value>) -> Option<Role> {
    policy.examine(claims, &[OWN]).role
}

#[test]
fn a_job_of_the_right_branch_writes_and_every_other_one_does_not() {
    let policy = writing(templates::github(&main_branch()).unwrap());
    assert_eq!(role(&policy, &github_claims(json!({}))), Some(Role::Write));
    for (change, failure) in [
        (json!({ "repository": "evil/app" }), "repository must be"),
        (json!({ "repository": "acme/App" }), "repository must be"),
        (json!({ "ref": "refs/heads/mainly" }), "ref must be"),
        (json!({ "aud": "https://other.example" }), "aud must be"),
        (json!({ "aud": null }), "aud must be"),
        (json!({ "aud": [] }), "aud must be"),
        (json!({ "iss": "https://evil.example" }), "iss must be"),
        (json!({ "iss": null }), "iss must be"),
    ] {
        let verdict = policy.examine(&github_claims(change.clone()), &[OWN]);
        // Who is let in is told no more than one reason, and it is the same who is.
        let admitted = policy.admit(&github_claims(change.clone()), &[OWN]);
        assert_eq!(admitted.role, verdict.role, "{change}");
        assert_eq!(admitted.failures.first(), verdict.failures.first());
        assert!(admitted.failures.len() <= 1, "{change}");
        assert_eq!(verdict.role, None, "{change}");
        assert!(verdict.failures[0].starts_with(failure), "{verdict:?}");
    }
    let several = github_claims(json!({ "aud": ["x", OWN] }));
    assert_eq!(role(&policy, &several), Some(Role::Write));
}

#[test]
fn a_policy_with_audiences_of_its_own_takes_those_alone() {
    let mut template = templates::github(&main_branch()).unwrap();
    template.audiences = vec!["fh.acme".to_owned()];
    let policy = writing(template);
    assert_eq!(role(&policy, &github_claims(json!({}))), None);
    let right = github_claims(json!({ "aud": "fh.acme" }));
    assert_eq!(role(&policy, &right), Some(Role::Write));
}

#[test]
fn a_pull_request_reads_unless_the_policy_says_otherwise() {
    let mut template = templates::github(&Github {
        reference: None,
        ..main_branch()
    })
    .unwrap();
    template.mint = true;
    let closed = writing(template.clone());
    template.pull_requests = true;
    let open = writing(template);
    for change in [
        json!({ "event_name": "pull_request", "ref": "refs/pull/1/merge" }),
        json!({ "event_name": "pull_request_target" }),
        json!({ "event_name": "pull_request_review" }),
        json!({ "ref": "refs/pull/1/merge" }),
        json!({ "head_ref": "patch-1" }),
        json!({ "event_name": null }),
    ] {
        let claims = github_claims(change.clone());
        let verdict = closed.examine(&claims, &[OWN]);
        assert_eq!(verdict.role, Some(Role::Read), "{change}");
        assert!(!verdict.mint);
        assert!(!verdict.remarks.is_empty(), "{change}");
        assert_eq!(role(&open, &claims), Some(Role::Write), "{change}");
    }
    assert!(closed.examine(&github_claims(json!({})), &[OWN]).mint);
}

#[test]
fn strangers_work_is_known_at_each_provider() {
    let gitlab = writing(
        templates::gitlab(&Gitlab {
            project: Some("acme/app".to_owned()),
            ..Gitlab::default()
        })
        .unwrap(),
    );
    let job = |change: Value| {
        let mut all = claims(json!({
            "iss": "https://gitlab.com", "aud": OWN, "project_path": "acme/app", "project_id": "7",
            "namespace_id": "3", "ref": "main", "ref_type": "branch", "ref_protected": "true",
            "pipeline_source": "push",
        }));
        all.extend(claims(change));
        all
    };
    assert_eq!(role(&gitlab, &job(json!({}))), Some(Role::Write));
    for change in [
        json!({ "pipeline_source": "merge_request_event" }),
        json!({ "pipeline_source": "external_pull_request_event" }),
        json!({ "pipeline_source": null }),
        json!({ "ref": "refs/merge-requests/3/head" }),
    ] {
        assert_eq!(role(&gitlab, &job(change)), Some(Role::Read));
    }
    assert_eq!(
        role(&gitlab, &job(json!({ "ref_protected": "false" }))),
        None
    );

    let buildkite = writing(
        templates::buildkite(&Buildkite {
            organization: "acme".to_owned(),
            ..Buildkite::default()
        })
        .unwrap(),
    );
    let job = |branch: &str| {
        claims(json!({
            "iss": "https://agent.buildkite.com", "aud": OWN, "organization_slug": "acme",
            "build_branch": branch,
        }))
    };
    assert_eq!(role(&buildkite, &job("main")), Some(Role::Write));
    assert_eq!(role(&buildkite, &job("mallory:main")), Some(Role::Read));

    let mut template = templates::circleci(&Circleci {
        organization_id: "0f1e".to_owned(),
        project_id: "aa11".to_owned(),
        reference: None,
    })
    .unwrap();
    template.pull_requests = true;
    let circleci = writing(template);
    let job = |rerun: Value| {
        claims(json!({
            "iss": "https://oidc.circleci.com/org/0f1e", "aud": ["0f1e"],
            "oidc.circleci.com/project-id": "aa11", "oidc.circleci.com/ssh-rerun": rerun,
            "oidc.circleci.com/vcs-ref": "refs/heads/main",
        }))
    };
    assert_eq!(role(&circleci, &job(json!(false))), Some(Role::Write));
    for rerun in [json!(true), json!("true")] {
        assert_eq!(
            role(&circleci, &job(rerun)),
            Some(Role::Read),
            "a person at a shell"
        );
    }

    let semaphore = writing(
        templates::semaphore(&Semaphore {
            organization: "acme".to_owned(),
            project_id: "p1".to_owned(),
            reference: None,
        })
        .unwrap(),
    );
    let job = |kind: Value| {
        claims(json!({
            "iss": "https://acme.semaphoreci.com", "aud": "https://acme.semaphoreci.com",
            "prj_id": "p1", "ref_type": kind,
        }))
    };
    assert_eq!(role(&semaphore, &job(json!("branch"))), Some(Role::Write));
    assert_eq!(
        role(&semaphore, &job(json!("pull-request"))),
        Some(Role::Read)
    );
    assert_eq!(
        role(&semaphore, &job(json!("forked-pull-request"))),
        Some(Role::Read)
    );
    assert_eq!(
        role(&semaphore, &job(json!(null))),
        Some(Role::Read),
        "claims are opt-in"
    );
}

#[test]
fn what_does_not_bind_the_tenant_is_refused() {
    let equals = |claim: &str, text: &str| json!([{ "claim": claim, "equals": text }]);
    let glob = |claim: &str, text: &str| json!([{ "claim": claim, "glob": text }]);
    for (provider, issuer, conditions) in [
        ("github", None, json!([])),
        ("github", None, equals("ref", "refs/heads/main")),
        ("github", None, glob("repository", "**")),
        ("github", None, glob("repository", "acme*/app")),
        ("github", None, glob("repository", "acme*")),
        ("github", None, glob("repository", "*/app")),
        ("github", None, glob("repository_owner", "acme*")),
        ("github", None, glob("sub", "repo:acme*")),
        (
            "github",
            None,
            glob("sub", "repo:*/app:ref:refs/heads/main"),
        ),
        ("github", None, equals("sub", "ref:refs/heads/main")),
        ("github", None, equals("sub", "environment:repo:acme/app")),
        ("github", None, equals("actor", "alice")),
        (
            "github",
            None,
            json!([{ "claim": "repository", "all_of": ["acme/app"] }]),
        ),
        (
            "github",
            None,
            json!([{ "claim": "repository", "one_of": ["acme/app", "x"] }]),
        ),
        ("gitlab", None, glob("project_path", "acme*/**")),
        ("gitlab", None, glob("sub", "project_path:*/app:**")),
        ("gitlab", None, equals("user_login", "alice")),
        ("buildkite", None, equals("pipeline_slug", "app")),
        ("buildkite", None, glob("sub", "organization:acme*")),
        (
            "circleci",
            Some("https://oidc.circleci.com/org/1"),
            equals("oidc.circleci.com/vcs-ref", "refs/heads/main"),
        ),
        (
            "semaphore",
            Some("https://a.semaphoreci.com"),
            equals("ref", "refs/heads/main"),
        ),
        (
            "gcp",
            None,
            equals("email", "ci@acme.iam.gserviceaccount.com"),
        ),
        (
            "gcp",
            None,
            json!([{ "claim": "email", "equals": "a@b" }, { "claim": "email_verified", "equals": "false" }]),
        ),
        ("gcp", None, equals("azp", "x")),
        (
            "kubernetes",
            Some("https://k8s.example"),
            equals("/kubernetes.io/serviceaccount/name", "ci"),
        ),
        (
            "kubernetes",
            Some("https://k8s.example"),
            glob("sub", "system:serviceaccount:ci*"),
        ),
        ("aws", None, equals("role", "ci")),
        ("aws", None, glob("arn", "arn:aws:sts::*:assumed-role/ci/*")),
        ("aws", None, glob("role_arn", "arn:aws:iam::123456789012*")),
        ("oidc", Some("https://id.example"), json!([])),
        ("oidc", Some("https://id.example"), glob("sub", "**")),
        ("oidc", Some("https://id.example"), glob("sub", "*?*")),
    ] {
        let refused = acme(&wanted(provider, issuer, conditions.clone()));
        assert!(
            matches!(refused, Err(PolicyError::Open { .. })),
            "{provider} {conditions}: {refused:?}"
        );
    }
    for (provider, issuer, conditions) in [
        ("github", None, glob("repository", "acme/*")),
        ("github", None, glob("sub", "repo:acme/app:*")),
        ("gitlab", None, glob("project_path", "acme/**")),
        ("buildkite", None, equals("organization_slug", "acme")),
        ("gcp", None, equals("sub", "1234")),
        (
            "kubernetes",
            Some("https://k8s.example"),
            glob("sub", "system:serviceaccount:ci:*"),
        ),
        (
            "aws",
            None,
            glob("role_arn", "arn:aws:iam::123456789012:role/*"),
        ),
        ("oidc", Some("https://id.example"), equals("groups", "x")),
    ] {
        let taken = acme(&wanted(provider, issuer, conditions.clone()));
        assert!(taken.is_ok(), "{provider} {conditions}: {taken:?}");
    }
}

#[test]
fn an_issuer_is_not_taken_for_that_of_another_provider() {
    let anybody = json!([{ "claim": "sub", "equals": "ref:refs/heads/main" }]);
    for (provider, issuer) in [
        ("oidc", Some("https://token.actions.githubusercontent.com")),
        (
            "oidc",
            Some("https://token.actions.githubusercontent.com/acme"),
        ),
        ("oidc", Some("https://github.acme.example/_services/token")),
        (
            "oidc",
            Some("https://github.acme.example/_services/token/acme"),
        ),
        ("oidc", Some("https://token.actions.acme.ghe.com")),
        (
            "oidc",
            Some("https://oidc.eks.eu-west-1.amazonaws.com/id/0F"),
        ),
        (
            "oidc",
            Some("https://oidc.eks.cn-north-1.amazonaws.com.cn/id/0F"),
        ),
        (
            "oidc",
            Some("https://container.googleapis.com/v1/projects/p/locations/l/clusters/c"),
        ),
        (
            "oidc",
            Some("https://westeurope.oic.prod-aks.azure.com/t/c/"),
        ),
        ("oidc", Some("https://kubernetes.default.svc")),
        ("oidc", Some("https://kubernetes.default.svc.cluster.local")),
        ("oidc", Some("https://oidc.circleci.com/org/1")),
        ("kubernetes", Some("https://agent.buildkite.com")),
        ("oidc", Some("https://evil.semaphoreci.com")),
        ("oidc", Some("aws")),
        ("oidc", Some("ftp://id.example")),
        ("oidc", Some("https://")),
        ("oidc", Some("https://a@b.example")),
        ("oidc", Some("https://b.example?x")),
        ("oidc", Some("https://b.example /x")),
        ("aws", Some("https://sts.amazonaws.com")),
    ] {
        let mut asked = wanted(provider, issuer, anybody.clone());
        if provider != "oidc" {
            asked.conditions = vec![ConditionSpec {
                claim: if provider == "aws" { "account" } else { "sub" }.to_owned(),
                equals: Some("system:serviceaccount:a:b".to_owned()),
                ..ConditionSpec::default()
            }];
        }
        let refused = acme(&asked);
        assert!(
            matches!(refused, Err(PolicyError::Issuer { .. })),
            "{issuer:?}: {refused:?}"
        );
    }
    for issuer in [
        "https://oidc.eks.example",
        "https://sts.amazonaws.com.example",
        "https://token.actions.example",
        "https://id.example/_services/tokens",
        "https://kubernetes.default.example",
        "http://k8s.example:6443",
    ] {
        let taken = acme(&wanted("oidc", Some(issuer), anybody.clone()));
        assert!(taken.is_ok(), "{issuer}: {taken:?}");
    }
    let none = acme(&wanted("oidc", None, anybody));
    assert_eq!(none, Err(PolicyError::NoIssuer(Provider::Oidc)));
}

#[test]
fn a_policy_grants_on_its_own_organisation_alone() {
    let condition = json!([{ "claim": "repository", "equals": "acme/app" }]);
    for foreign in ["other/app", "other/*", "*"] {
        let mut asked = wanted("github", None, condition.clone());
        asked.flakes.push(foreign.parse().unwrap());
        assert!(
            matches!(acme(&asked), Err(PolicyError::Foreign(_))),
            "{foreign}"
        );
    }
    let mut asked = wanted("github", None, condition);
    asked.flakes.clear();
    assert_eq!(acme(&asked), Err(PolicyError::Length("flakes")));
    asked.flakes = vec!["ACME/*".parse().unwrap()];
    assert!(acme(&asked).is_ok());
    asked.max_lifetime = Some(86_401);
    let error = acme(&asked).unwrap_err();
    assert!(matches!(error, PolicyError::Lifetime { .. }));
    assert_eq!(
        error.to_string(),
        "the field max_lifetime must be between 1 minute and 1 day"
    );
}

#[test]
fn templates_take_names_literally() {
    let repository = |text: &str| {
        templates::github(&Github {
            repository: Some(text.to_owned()),
            ..Github::default()
        })
    };
    for bad in [
        "acme",
        "acme/*",
        "*/app",
        "acme/",
        "/app",
        "a/b/c",
        "acme/app x",
        "",
    ] {
        assert!(repository(bad).is_err(), "{bad:?}");
    }
    assert!(templates::github(&Github::default()).is_err());
    assert!(templates::gitlab(&Gitlab::default()).is_err());
    assert!(templates::gcp("nobody").is_err());
    assert!(templates::kubernetes("https://k", "ns:x", "a").is_err());
    assert!(templates::kubernetes("https://k", "ns", "*").is_err());
    assert!(
        templates::aws(&Aws {
            account: "1".to_owned(),
            ..Aws::default()
        })
        .is_err()
    );
    assert!(templates::oidc("https://k", None, &[]).is_err());
    let evil = Semaphore {
        organization: "evil.example/x".to_owned(),
        project_id: "p".to_owned(),
        reference: None,
    };
    assert!(templates::semaphore(&evil).is_err());
}

#[test]
fn templates_close_the_traps_of_each_provider() {
    let find = |template: &SetTrustPolicy, claim: &str| {
        let condition = template.conditions.iter().find(|one| one.claim == claim);
        condition.and_then(|one| one.equals.clone().or_else(|| one.glob.clone()))
    };
    let github = templates::github(&Github {
        workflow: Some("release.yml".to_owned()),
        reference: Some("main".to_owned()),
        host: Some("github.acme.example".to_owned()),
        ..main_branch()
    })
    .unwrap();
    assert_eq!(
        github.issuer.as_deref(),
        Some("https://github.acme.example/_services/token")
    );
    assert_eq!(find(&github, "ref").as_deref(), Some("refs/heads/main"));
    assert_eq!(
        find(&github, "workflow_ref").as_deref(),
        Some("acme/app/.github/workflows/release.yml@**")
    );
    assert!(!github.pull_requests);
    let gitlab = templates::gitlab(&Gitlab {
        group: Some("acme".to_owned()),
        reference: Some("refs/tags/v*".to_owned()),
        ..Gitlab::default()
    })
    .unwrap();
    assert_eq!(find(&gitlab, "project_path").as_deref(), Some("acme/**"));
    assert_eq!(find(&gitlab, "ref").as_deref(), Some("v*"));
    assert_eq!(find(&gitlab, "ref_type").as_deref(), Some("tag"));
    assert_eq!(find(&gitlab, "ref_protected").as_deref(), Some("true"));
    let gcp = templates::gcp("ci@acme.iam.gserviceaccount.com").unwrap();
    assert_eq!(find(&gcp, "email_verified").as_deref(), Some("true"));
    let all = [
        github,
        gitlab,
        gcp,
        templates::kubernetes("https://k8s.example", "ci", "builder").unwrap(),
        templates::aws(&Aws {
            account: "123456789012".to_owned(),
            role: Some("ci".to_owned()),
            session: None,
        })
        .unwrap(),
        templates::oidc("https://id.example", Some("me"), &[]).unwrap(),
    ];
    for template in all {
        writing(template);
    }
}

#[test]
fn the_audit_log_is_told_who_and_never_more_than_it_can_hold() {
    let policy = writing(templates::github(&main_branch()).unwrap());
    let told = policy.telling(&github_claims(
        json!({ "actor": "x".repeat(9000), "secret": "s" }),
    ));
    assert_eq!(told["claims"]["repository"], "acme/app");
    assert_eq!(told["claims"]["secret"], Value::Null);
    assert!(told.to_string().len() < 4000);
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-z/:*]{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            proptest::collection::hash_map("[a-z]{1,3}", inner, 0..3)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_claims_panic_and_none_pass_without_each_condition(
        name in proptest::sample::select(vec!["repository", "ref", "aud", "iss", "event_name", "repository_id"]),
        found in value(),
    ) {
        let policy = writing(templates::github(&main_branch()).unwrap());
        let mut changed = github_claims(json!({}));
        changed.insert(name.to_owned(), found.clone());
        let Verdict { role, failures, .. } = policy.examine(&changed, &[OWN]);
        prop_assert_eq!(role.is_none(), !failures.is_empty());
        if ["repository", "ref", "iss"].contains(&name) {
            prop_assert!(role.is_none());
        }
    }
}
