//! Workloads of strangers, who have copied all of ours that can be copied.

use super::super::binding::{Binds, may_be_list, table};
use super::super::{Condition, usual_issuer};
use super::binding::{PROVIDERS, issuer, narrowing, policy};
use super::*;

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
        let telling = table(provider).iter().map(|(claim, _)| claim);
        for claim in telling.clone().chain(narrowing(provider)) {
            let condition = json!({ "claim": claim, "equals": "x" });
            let condition = Condition::new(&serde_json::from_value(condition).unwrap()).unwrap();
            let is_partner = table(provider)
                .iter()
                .any(|(_, binds)| matches!(binds, Binds::FixedWith(other, _) if other == claim));
            let tells = telling.clone().any(|it| it == claim) || is_partner;
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
