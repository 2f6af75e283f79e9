//! What is particular to each provider: its issuer, the ids behind its names, what marks the work of a
//! stranger, and which claims tell who it was. Which claims bind a tenant is in [`super::binding`].

use fh_api::Provider;
use serde_json::{Map, Value};

use super::binding::names;
use super::condition::{Condition, claim, text};

/// The issuer of AWS, which has none: there is no JWT.
pub const AWS_ISSUER: &str = "aws";

/// The providers that have one issuer for everybody.
const USUAL_ISSUERS: [(Provider, &str); 5] = [
    (
        Provider::Github,
        "https://token.actions.githubusercontent.com",
    ),
    (Provider::Gitlab, "https://gitlab.com"),
    (Provider::Buildkite, "https://agent.buildkite.com"),
    (Provider::Gcp, "https://accounts.google.com"),
    (Provider::Aws, AWS_ISSUER),
];

/// The usual issuer of a provider that has one for everybody.
#[must_use]
pub fn usual_issuer(provider: Provider) -> Option<&'static str> {
    let mut usual = USUAL_ISSUERS.iter();
    usual.find_map(|(of, issuer)| (*of == provider).then_some(*issuer))
}

/// The provider that an issuer is known to belong to, whose traps count for it.
pub(super) fn provider_of(issuer: &str) -> Option<Provider> {
    if let Some((provider, _)) = USUAL_ISSUERS.iter().find(|(_, usual)| *usual == issuer) {
        return Some(*provider);
    }
    let host = issuer.strip_prefix("https://")?;
    let (host, path) = host.split_once('/').unwrap_or((host, ""));
    let of = |suffix: &str| host.ends_with(suffix);
    let path_is = |start: &str| {
        path.strip_prefix(start)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    // Each with the name of an enterprise behind it, too.
    let github = host == "token.actions.githubusercontent.com"
        || host.starts_with("token.actions.") && of(".ghe.com")
        || path_is("_services/token");
    let eks = of(".amazonaws.com") || of(".amazonaws.com.cn");
    let cluster = host == "container.googleapis.com"
        || host == "kubernetes.default.svc"
        || host.starts_with("kubernetes.default.svc.")
        || host.starts_with("oidc.eks.") && eks
        || of(".prod-aks.azure.com");
    let known = [
        (github, Provider::Github),
        (host == "oidc.circleci.com", Provider::Circleci),
        (of(".semaphoreci.com"), Provider::Semaphore),
        (cluster, Provider::Kubernetes),
    ];
    let found = known.into_iter().find(|(is_it, _)| *is_it);
    found.map(|(_, provider)| provider)
}

/// The ids that are remembered where nobody says which: those behind the names that the conditions
/// fix, so that a name that somebody else takes over later opens nothing.
pub(super) fn usual_pins(provider: Provider, conditions: &[Condition]) -> Vec<&'static str> {
    let fixed = |claim: &str| {
        conditions.iter().any(|condition| {
            condition.is_on(claim) && condition.exact().is_some_and(|texts| texts.len() == 1)
        })
    };
    // Every text that it may be begins with the same names.
    let begins = |claim: &str, templates: &[&str]| {
        templates.iter().any(|template| {
            conditions.iter().any(|condition| {
                let prefixes = condition.prefixes();
                let mut found = prefixes.iter().map(|prefix| names(template, prefix));
                condition.is_on(claim)
                    && found
                        .next()
                        .flatten()
                        .is_some_and(|first| found.all(|other| other.as_deref() == Some(&first)))
            })
        })
    };
    let known = match provider {
        Provider::Github => {
            let owned = ["repo:{}/", "repository:{}/", "repository_owner:{}:"];
            let of_repository = ["repo:{}/{}:", "repository:{}/{}:"];
            let repository = fixed("repository") || begins("sub", &of_repository);
            let owner = fixed("repository_owner")
                || begins("repository", &["{}/"])
                || begins("sub", &owned);
            vec![
                ("repository_id", repository),
                ("repository_owner_id", owner),
            ]
        }
        Provider::Gitlab => {
            let project = fixed("project_path") || begins("sub", &["project_path:{}:"]);
            let namespace = project || fixed("namespace_path");
            vec![("project_id", project), ("namespace_id", namespace)]
        }
        Provider::Buildkite => {
            let organization = fixed("organization_slug");
            let pipeline = organization && fixed("pipeline_slug");
            vec![("organization_id", organization), ("pipeline_id", pipeline)]
        }
        Provider::Semaphore => vec![("org_id", true), ("prj_id", fixed("prj"))],
        Provider::Gcp => vec![("sub", fixed("email"))],
        // Their ids are in the conditions or in the issuer.
        Provider::Circleci | Provider::Kubernetes | Provider::Aws | Provider::Oidc => Vec::new(),
    };
    let pins = known.into_iter().filter(|(_, is_known)| *is_known);
    pins.map(|(id, _)| id).collect()
}

/// What a workload may hold at most, whatever its policy says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Guard {
    /// What the policy gives.
    Open,
    /// No more than `read` unless the policy opens it to pull requests; why.
    PullRequest(String),
    /// Never more than `read`; why.
    Never(String),
}

/// Whether the workload may run what a stranger wrote.
pub(super) fn guard(provider: Provider, claims: &Map<String, Value>) -> Guard {
    let value = |name: &str| claim(claims, name).and_then(text);
    let is = |name: &str, found: &str| Guard::PullRequest(format!("{name} is {found:?}"));
    let untold = |name: &str| {
        Guard::PullRequest(format!("{name} is missing, so this may be a pull request"))
    };
    if provider == Provider::Circleci
        && value("oidc.circleci.com/ssh-rerun").as_deref() == Some("true")
    {
        return Guard::Never("oidc.circleci.com/ssh-rerun is \"true\"".to_owned());
    }
    for name in ["ref", "ref_path"] {
        if let Some(found) = value(name).filter(|found| is_pull_request_ref(found)) {
            return is(name, &found);
        }
    }
    if let Some(found) = value(CIRCLECI_REF) {
        // A fork's branch is named `pull/N` there, as if it was one of the project itself.
        let branch = found.strip_prefix("refs/heads/").unwrap_or(&found);
        if is_pull_request_ref(branch) {
            return is(CIRCLECI_REF, &found);
        }
    }
    let judged = |name: &str, is_strangers: fn(&str) -> bool| match value(name) {
        None => untold(name),
        Some(found) if is_strangers(&found) => is(name, &found),
        Some(_) => Guard::Open,
    };
    match provider {
        Provider::Github => {
            let by_event = judged("event_name", |event| event.starts_with("pull_request"));
            match value("head_ref").filter(|head| !head.is_empty()) {
                Some(head) if by_event == Guard::Open => is("head_ref", &head),
                _ => by_event,
            }
        }
        Provider::Gitlab => judged("pipeline_source", |source| {
            ["merge_request_event", "external_pull_request_event"].contains(&source)
        }),
        // `user:branch` is how a fork's branch is named there.
        Provider::Buildkite => judged("build_branch", |branch| branch.contains(':')),
        Provider::Semaphore => {
            let subject = value("sub").unwrap_or_default();
            if value("ref_type").is_none()
                && subject.contains(":ref_type:")
                && !subject.contains("pull-request")
            {
                return Guard::Open;
            }
            judged("ref_type", |kind| kind.contains("pull-request"))
        }
        Provider::Circleci => judged(CIRCLECI_REF, |_| false),
        Provider::Gcp | Provider::Kubernetes | Provider::Aws | Provider::Oidc => Guard::Open,
    }
}

/// What CircleCI says was built.
const CIRCLECI_REF: &str = "oidc.circleci.com/vcs-ref";

/// What keeps a workload from being a builder though it may hold what its policy gives; none where
/// nothing does.
///
/// GitHub runs the default branch's workflow also for what strangers do (`issue_comment`, `issues`, `fork`,
/// `watch`) and after what strangers have run (`workflow_run`), and such workflows often fetch what a
/// stranger wrote. So only events count that take the right to write, or the clock.
pub(super) fn no_builder(provider: Provider, claims: &Map<String, Value>) -> Option<String> {
    if provider != Provider::Github {
        return None;
    }
    let event = claim(claims, "event_name").and_then(text);
    let event = event.unwrap_or_default();
    let counts = GITHUB_BUILDER_EVENTS.contains(&event.as_str());
    (!counts).then(|| {
        format!(
            "event_name is {event:?}: builders are jobs that run for {}",
            GITHUB_BUILDER_EVENTS.join(", ")
        )
    })
}

/// The events of GitHub that nobody raises who may not write to the repository.
const GITHUB_BUILDER_EVENTS: [&str; 8] = [
    "push",
    "schedule",
    "workflow_dispatch",
    "merge_group",
    "release",
    "repository_dispatch",
    "deployment",
    "deployment_status",
];

fn is_pull_request_ref(reference: &str) -> bool {
    ["refs/pull/", "refs/merge-requests/", "pull/"]
        .iter()
        .any(|prefix| reference.starts_with(prefix))
}

/// The claims that tell who it was, for the audit log.
pub(super) fn telling_claims(provider: Provider) -> &'static [&'static str] {
    match provider {
        Provider::Github => &[
            "repository",
            "repository_id",
            "repository_owner_id",
            "ref",
            "event_name",
            "environment",
            "workflow_ref",
            "job_workflow_ref",
            "sha",
            "run_id",
            "run_attempt",
            "actor",
            "runner_environment",
        ],
        Provider::Gitlab => &[
            "project_path",
            "project_id",
            "namespace_id",
            "ref",
            "ref_type",
            "ref_protected",
            "pipeline_source",
            "pipeline_id",
            "job_id",
            "environment",
            "sha",
            "user_login",
        ],
        Provider::Buildkite => &[
            "organization_slug",
            "organization_id",
            "pipeline_slug",
            "pipeline_id",
            "build_number",
            "build_branch",
            "build_commit",
            "step_key",
            "job_id",
        ],
        Provider::Circleci => &[
            "oidc.circleci.com/project-id",
            "oidc.circleci.com/vcs-origin",
            "oidc.circleci.com/vcs-ref",
            "oidc.circleci.com/job-id",
            "oidc.circleci.com/ssh-rerun",
        ],
        Provider::Semaphore => &[
            "org_id", "prj_id", "prj", "ref", "ref_type", "wf_id", "ppl_id", "job_id",
        ],
        Provider::Gcp => &["email", "azp", "google"],
        Provider::Kubernetes => &["kubernetes.io"],
        Provider::Aws => &["account", "arn", "role", "session_name", "user_id"],
        Provider::Oidc => &["azp", "client_id", "email"],
    }
}
