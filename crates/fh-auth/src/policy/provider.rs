//! What is particular to each provider: its issuer, the claims that bind a tenant, the ids behind its
//! names, what marks the work of a stranger, and which claims tell who it was.

use fh_api::Provider;
use serde_json::{Map, Value};

use super::condition::{Condition, claim, text};

/// The issuer of AWS, which has none: there is no JWT.
pub const AWS_ISSUER: &str = "aws";

/// The usual issuer of a provider that has one for everybody.
#[must_use]
pub fn usual_issuer(provider: Provider) -> Option<&'static str> {
    match provider {
        Provider::Github => Some("https://token.actions.githubusercontent.com"),
        Provider::Gitlab => Some("https://gitlab.com"),
        Provider::Buildkite => Some("https://agent.buildkite.com"),
        Provider::Gcp => Some("https://accounts.google.com"),
        Provider::Aws => Some(AWS_ISSUER),
        Provider::Circleci | Provider::Semaphore | Provider::Kubernetes | Provider::Oidc => None,
    }
}

/// The provider that an issuer is known to belong to, whose traps count for it.
pub(super) fn provider_of(issuer: &str) -> Option<Provider> {
    let usual = [
        Provider::Github,
        Provider::Gitlab,
        Provider::Buildkite,
        Provider::Gcp,
        Provider::Aws,
    ];
    if let Some(provider) = usual
        .into_iter()
        .find(|provider| usual_issuer(*provider) == Some(issuer))
    {
        return Some(provider);
    }
    let host = issuer.strip_prefix("https://")?;
    let (host, path) = host.split_once('/').unwrap_or((host, ""));
    match host {
        // With the name of an enterprise behind it.
        "token.actions.githubusercontent.com" => Some(Provider::Github),
        "oidc.circleci.com" => Some(Provider::Circleci),
        _ if host.ends_with(".semaphoreci.com") => Some(Provider::Semaphore),
        _ if path == "_services/token" => Some(Provider::Github),
        _ => None,
    }
}

/// Whether conditions bind the tenant, so that nobody else can have a workload that meets them.
pub(super) fn bind_tenant(provider: Provider, conditions: &[Condition]) -> bool {
    let any = |names: &[&str]| {
        conditions.iter().any(|condition| {
            names.contains(&condition.claim.as_str()) && condition.exact().is_some()
        })
    };
    let begins = |name: &str, binds: &dyn Fn(&str) -> bool| {
        conditions.iter().any(|condition| {
            let prefixes = condition.prefixes();
            condition.claim == name
                && !prefixes.is_empty()
                && prefixes.iter().all(|prefix| binds(prefix))
        })
    };
    let owned = |text: &str| first_segment(text, '/');
    match provider {
        Provider::Github => {
            any(&["repository_id", "repository_owner", "repository_owner_id"])
                || begins("repository", &owned)
                || begins("workflow_ref", &owned)
                || begins("job_workflow_ref", &owned)
                || begins("sub", &github_subject)
        }
        Provider::Gitlab => {
            any(&["project_id", "namespace_id", "namespace_path"])
                || begins("project_path", &owned)
                || begins("namespace_path", &owned)
                || begins("sub", &|text| {
                    text.strip_prefix("project_path:").is_some_and(owned)
                })
        }
        Provider::Buildkite => {
            any(&["organization_slug", "organization_id", "pipeline_id"])
                || begins("sub", &|text| {
                    text.strip_prefix("organization:")
                        .is_some_and(|rest| first_segment(rest, ':'))
                })
        }
        // The issuer names the organisation already.
        Provider::Circleci => {
            any(&["oidc.circleci.com/project-id"])
                || begins("sub", &|text| {
                    text.split_once("/project/")
                        .is_some_and(|(_, project)| first_segment(project, '/'))
                })
        }
        Provider::Semaphore => {
            any(&["org_id", "prj_id", "org", "prj"])
                || begins("sub", &|text| {
                    text.strip_prefix("org:")
                        .is_some_and(|rest| first_segment(rest, ':'))
                })
        }
        Provider::Gcp => any(&["sub"]) || any(&["email"]) && email_is_verified(conditions),
        Provider::Kubernetes => {
            let namespace = any(&["/kubernetes.io/namespace"]);
            let account = any(&[
                "/kubernetes.io/serviceaccount/name",
                "/kubernetes.io/serviceaccount/uid",
            ]);
            namespace && account
                || begins("sub", &|text| {
                    text.strip_prefix("system:serviceaccount:")
                        .is_some_and(|rest| first_segment(rest, ':'))
                })
        }
        Provider::Aws => {
            let of_account = |text: &str| {
                let mut fields = text.splitn(6, ':');
                fields.next() == Some("arn")
                    && fields.nth(3).is_some_and(|account| {
                        account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit())
                    })
                    && fields.next().is_some()
            };
            any(&["account"]) || begins("arn", &of_account) || begins("role_arn", &of_account)
        }
        Provider::Oidc => conditions.iter().any(|condition| {
            let of_every_token = ["iss", "aud", "exp", "nbf", "iat", "jti"];
            !of_every_token.contains(&condition.claim.as_str()) && condition.says_something()
        }),
    }
}

/// What binds a tenant there, for the sentence that says that nothing does.
pub(super) fn binding_claims(provider: Provider) -> &'static str {
    match provider {
        Provider::Github => {
            "repository, repository_id, repository_owner, repository_owner_id, workflow_ref, \
             job_workflow_ref, or sub from repo: on"
        }
        Provider::Gitlab => "project_path, project_id, namespace_path, namespace_id, or sub",
        Provider::Buildkite => "organization_slug, organization_id, pipeline_id, or sub",
        Provider::Circleci => "oidc.circleci.com/project-id, or sub with its project",
        Provider::Semaphore => "org_id, prj_id, org, prj, or sub",
        Provider::Gcp => "sub, or email together with email_verified = true",
        Provider::Kubernetes => {
            "sub, or /kubernetes.io/namespace together with /kubernetes.io/serviceaccount/name"
        }
        Provider::Aws => "account, arn, or role_arn",
        Provider::Oidc => "sub, or another claim that not every token of the issuer has",
    }
}

/// Whether text begins with a whole segment, so that what follows cannot change whose it is:
/// `acme/` binds, `acme` alone is also the beginning of `acme-evil`.
fn first_segment(text: &str, delimiter: char) -> bool {
    text.split_once(delimiter)
        .is_some_and(|(segment, _)| !segment.is_empty())
}

/// The subject of GitHub is customisable by whoever owns a repository: only what begins with the
/// repository or its owner cannot be made up.
fn github_subject(text: &str) -> bool {
    let by_path = ["repo:", "repository:", "job_workflow_ref:"];
    let by_name = [
        "repository_owner:",
        "repository_owner_id:",
        "repository_id:",
    ];
    by_path.iter().any(|prefix| {
        text.strip_prefix(prefix)
            .is_some_and(|rest| first_segment(rest, '/'))
    }) || by_name.iter().any(|prefix| {
        text.strip_prefix(prefix)
            .is_some_and(|rest| first_segment(rest, ':'))
    })
}

fn email_is_verified(conditions: &[Condition]) -> bool {
    conditions.iter().any(|condition| {
        condition.claim == "email_verified" && condition.exact() == Some(vec!["true"])
    })
}

/// The ids that are remembered where nobody says which: those behind the names that the conditions
/// fix, so that a name that somebody else takes over later opens nothing.
pub(super) fn usual_pins(provider: Provider, conditions: &[Condition]) -> Vec<&'static str> {
    let fixed = |names: &[&str]| {
        conditions.iter().any(|condition| {
            names.contains(&condition.claim.as_str())
                && condition.exact().is_some_and(|texts| texts.len() == 1)
        })
    };
    let owner_of = |name: &str| {
        conditions.iter().any(|condition| {
            let prefixes = condition.prefixes();
            condition.claim == name
                && prefixes.len() == 1
                && prefixes.iter().all(|prefix| first_segment(prefix, '/'))
        })
    };
    let mut pins = Vec::new();
    let mut pin = |id: &'static str, known: bool| {
        if known {
            pins.push(id);
        }
    };
    match provider {
        Provider::Github => {
            pin("repository_id", fixed(&["repository"]));
            pin(
                "repository_owner_id",
                fixed(&["repository_owner"]) || owner_of("repository"),
            );
        }
        Provider::Gitlab => {
            pin("project_id", fixed(&["project_path"]));
            pin("namespace_id", fixed(&["project_path", "namespace_path"]));
        }
        Provider::Buildkite => {
            pin("organization_id", fixed(&["organization_slug"]));
            pin(
                "pipeline_id",
                fixed(&["organization_slug"]) && fixed(&["pipeline_slug"]),
            );
        }
        Provider::Semaphore => {
            pin("org_id", true);
            pin("prj_id", fixed(&["prj"]));
        }
        Provider::Gcp => pin("sub", fixed(&["email"])),
        // Their ids are in the conditions or in the issuer.
        Provider::Circleci | Provider::Kubernetes | Provider::Aws | Provider::Oidc => {}
    }
    pins
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
        Guard::PullRequest(format!(
            "{name} is not there, so that it may be a pull request"
        ))
    };
    if provider == Provider::Circleci
        && value("oidc.circleci.com/ssh-rerun").as_deref() == Some("true")
    {
        return Guard::Never("oidc.circleci.com/ssh-rerun is \"true\"".to_owned());
    }
    for name in ["ref", "oidc.circleci.com/vcs-ref"] {
        if let Some(found) = value(name).filter(|found| is_pull_request_ref(found)) {
            return is(name, &found);
        }
    }
    match provider {
        Provider::Github => match value("event_name") {
            None => untold("event_name"),
            Some(event) if event.starts_with("pull_request") => is("event_name", &event),
            Some(_) => match value("head_ref").filter(|head| !head.is_empty()) {
                Some(head) => is("head_ref", &head),
                None => Guard::Open,
            },
        },
        Provider::Gitlab => match value("pipeline_source") {
            None => untold("pipeline_source"),
            Some(source)
                if ["merge_request_event", "external_pull_request_event"]
                    .contains(&source.as_str()) =>
            {
                is("pipeline_source", &source)
            }
            Some(_) => Guard::Open,
        },
        Provider::Buildkite => match value("build_branch") {
            None => untold("build_branch"),
            // `user:branch` is how a fork's branch is named there.
            Some(branch) if branch.contains(':') => is("build_branch", &branch),
            Some(_) => Guard::Open,
        },
        Provider::Semaphore => {
            let subject = value("sub").unwrap_or_default();
            match value("ref_type") {
                Some(kind) if kind.contains("pull-request") => is("ref_type", &kind),
                Some(_) => Guard::Open,
                None if subject.contains(":ref_type:") && !subject.contains("pull-request") => {
                    Guard::Open
                }
                None => untold("ref_type"),
            }
        }
        Provider::Circleci
        | Provider::Gcp
        | Provider::Kubernetes
        | Provider::Aws
        | Provider::Oidc => Guard::Open,
    }
}

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
