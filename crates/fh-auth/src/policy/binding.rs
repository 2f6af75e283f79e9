//! Which claims say whose a workload is: a table for each provider.
//!
//! A stranger has workloads of their own at the same issuer. Each claim of theirs that they choose can be
//! made equal to ours: branch, environment, the reusable workflow that is called, the name of a role. A
//! claim *binds the tenant* where the provider itself writes it and gives that text to one tenant alone.
//! A policy needs a condition on one that does, and a wildcard must not stand in the part of the text
//! that says whose it is.
//!
//! What is not in a table does not bind. [`Provider::Oidc`] alone is the other way round, because its
//! claims are not known here: its table has what does not bind, and whatever else is written out in full
//! does.

use fh_api::Provider;

use super::condition::Condition;

/// What a condition on a claim says about whose a workload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Binds {
    /// Binds where it is written out, as one text or several of which each binds.
    Fixed,
    /// The same, and also where it is a list that has to hold texts.
    Held,
    /// Binds where every text begins as one of these does, in which `{}` stands for a name that is
    /// written out. What follows may have wildcards.
    Beginning(&'static [&'static str]),
    /// Binds where it is written out and another condition fixes this claim to this text.
    FixedWith(&'static str, &'static str),
    /// Does not bind: a stranger chooses it, others have it too, or it tells the tenant's own workloads
    /// from each other.
    Narrows,
}

use Binds::{Beginning, Fixed, FixedWith, Held, Narrows};

/// A claim, as a condition names it, and what it is good for. A claim that binds in two ways has two.
pub(super) type Row = (&'static str, Binds);

const GITHUB: &[Row] = &[
    ("repository_id", Fixed),
    ("repository_owner_id", Fixed),
    ("repository_owner", Fixed),
    ("repository", Beginning(&["{}/"])),
    // Whoever owns a repository chooses which claims its subjects are made of, and in which order: what
    // comes first has to bind by itself.
    (
        "sub",
        Beginning(&[
            "repo:{}/",
            "repository:{}/",
            "repository_id:{}:",
            "repository_owner:{}:",
            "repository_owner_id:{}:",
        ]),
    ),
    // A reusable workflow is called from any repository that can see it; a public one, from all.
    ("job_workflow_ref", Narrows),
    ("job_workflow_sha", Narrows),
    // The file may be in another repository than the run: a workflow that a ruleset demands.
    ("workflow_ref", Narrows),
    ("workflow_sha", Narrows),
    ("workflow", Narrows),
    // A person runs workflows of several owners, and may be brought to run one.
    ("actor", Narrows),
    ("actor_id", Narrows),
    // An enterprise is many organisations.
    ("enterprise", Narrows),
    ("enterprise_id", Narrows),
    ("ref", Narrows),
    ("ref_type", Narrows),
    ("ref_protected", Narrows),
    ("base_ref", Narrows),
    ("head_ref", Narrows),
    ("sha", Narrows),
    ("environment", Narrows),
    ("environment_node_id", Narrows),
    ("event_name", Narrows),
    ("repository_visibility", Narrows),
    ("runner_environment", Narrows),
    ("run_id", Narrows),
    ("run_number", Narrows),
    ("run_attempt", Narrows),
    ("check_run_id", Narrows),
];

const GITLAB: &[Row] = &[
    ("project_id", Fixed),
    ("namespace_id", Fixed),
    ("namespace_path", Fixed),
    ("namespace_path", Beginning(&["{}/"])),
    ("project_path", Beginning(&["{}/"])),
    // Its parts are customisable, but for the first.
    ("sub", Beginning(&["project_path:{}/"])),
    // The person, not the project: they run pipelines in projects of others too.
    ("user_id", Narrows),
    ("user_login", Narrows),
    ("user_email", Narrows),
    ("user_access_level", Narrows),
    ("user_identities", Narrows),
    ("groups_direct", Narrows),
    // A project may take its pipeline's definition from another project.
    ("ci_config_ref_uri", Narrows),
    ("ci_config_sha", Narrows),
    ("ref", Narrows),
    ("ref_type", Narrows),
    ("ref_path", Narrows),
    ("ref_protected", Narrows),
    ("sha", Narrows),
    ("environment", Narrows),
    ("environment_protected", Narrows),
    ("environment_action", Narrows),
    ("deployment_tier", Narrows),
    ("pipeline_source", Narrows),
    ("pipeline_id", Narrows),
    ("job_id", Narrows),
    ("project_visibility", Narrows),
    ("runner_id", Narrows),
    ("runner_environment", Narrows),
];

const BUILDKITE: &[Row] = &[
    ("organization_id", Fixed),
    ("organization_slug", Fixed),
    ("pipeline_id", Fixed),
    // The job that asks for the identity may say which claim becomes its subject.
    ("sub", Narrows),
    ("pipeline_slug", Narrows),
    ("build_branch", Narrows),
    ("build_tag", Narrows),
    ("build_commit", Narrows),
    ("build_number", Narrows),
    ("build_source", Narrows),
    ("step_key", Narrows),
    ("job_id", Narrows),
    ("agent_id", Narrows),
    ("cluster_id", Narrows),
    ("cluster_name", Narrows),
    ("queue_id", Narrows),
    ("queue_key", Narrows),
    ("runner_environment", Narrows),
];

/// The issuer names the organisation already; which of its projects has to be said too.
const CIRCLECI: &[Row] = &[
    ("oidc.circleci.com/project-id", Fixed),
    ("sub", Beginning(&["org/{}/project/{}/"])),
    ("oidc.circleci.com/vcs-origin", Narrows),
    ("oidc.circleci.com/vcs-ref", Narrows),
    ("oidc.circleci.com/ssh-rerun", Narrows),
    ("oidc.circleci.com/context-ids", Narrows),
    ("oidc.circleci.com/pipeline-definition-id", Narrows),
    ("oidc.circleci.com/workflow-id", Narrows),
    ("oidc.circleci.com/job-id", Narrows),
];

/// The issuer names the organisation already.
const SEMAPHORE: &[Row] = &[
    ("org_id", Fixed),
    ("org", Fixed),
    ("prj_id", Fixed),
    ("prj", Fixed),
    ("sub", Beginning(&["org:{}:"])),
    ("repo", Narrows),
    ("repo_slug", Narrows),
    ("ref", Narrows),
    ("ref_type", Narrows),
    ("branch", Narrows),
    ("tag", Narrows),
    ("pr_branch", Narrows),
    ("pr_number", Narrows),
    ("job_type", Narrows),
    ("job_id", Narrows),
    ("ppl_id", Narrows),
    ("wf_id", Narrows),
];

const GCP: &[Row] = &[
    ("sub", Fixed),
    // Whoever says to have an address does not have it yet.
    ("email", FixedWith("email_verified", "true")),
    ("email_verified", Narrows),
    ("azp", Narrows),
    ("hd", Narrows),
    ("/google/compute_engine/project_id", Narrows),
    ("/google/compute_engine/project_number", Narrows),
    ("/google/compute_engine/instance_id", Narrows),
    ("/google/compute_engine/instance_name", Narrows),
    ("/google/compute_engine/zone", Narrows),
];

/// The tenants of a cluster are its namespaces: whoever may run pods in one has all its accounts.
const KUBERNETES: &[Row] = &[
    ("/kubernetes.io/namespace", Fixed),
    // The cluster chooses it, and never twice the same.
    ("/kubernetes.io/serviceaccount/uid", Fixed),
    ("sub", Beginning(&["system:serviceaccount:{}:"])),
    ("/kubernetes.io/serviceaccount/name", Narrows),
    ("/kubernetes.io/pod/name", Narrows),
    ("/kubernetes.io/pod/uid", Narrows),
    ("/kubernetes.io/node/name", Narrows),
    ("/kubernetes.io/node/uid", Narrows),
];

/// Partition and service before the account; such an ARN has no region.
const OF_ACCOUNT: &[&str] = &["arn:{}:{}::{}:"];

const AWS: &[Row] = &[
    ("account", Fixed),
    ("arn", Beginning(OF_ACCOUNT)),
    ("sub", Beginning(OF_ACCOUNT)),
    ("role_arn", Beginning(OF_ACCOUNT)),
    // Every account may have a role, a user and a session of that name.
    ("role", Narrows),
    ("session_name", Narrows),
    ("user", Narrows),
    ("user_id", Narrows),
];

/// What does not bind at any issuer, and `email`.
const OIDC: &[Row] = &[
    ("sub", Fixed),
    ("email", FixedWith("email_verified", "true")),
    // Every identity of the issuer has these, or they are of the one token alone (RFC 7519, RFC 9068,
    // OpenID Connect Core).
    ("iss", Narrows),
    ("aud", Narrows),
    ("exp", Narrows),
    ("nbf", Narrows),
    ("iat", Narrows),
    ("jti", Narrows),
    ("typ", Narrows),
    ("ver", Narrows),
    ("nonce", Narrows),
    ("acr", Narrows),
    ("amr", Narrows),
    ("auth_time", Narrows),
    ("at_hash", Narrows),
    ("c_hash", Narrows),
    ("s_hash", Narrows),
    ("sid", Narrows),
    ("session_state", Narrows),
    ("scope", Narrows),
    ("scp", Narrows),
    ("tid", Narrows),
    ("hd", Narrows),
    // The application through which somebody has come, whoever it is.
    ("azp", Narrows),
    ("client_id", Narrows),
    ("appid", Narrows),
    // People choose these for themselves.
    ("email_verified", Narrows),
    ("phone_number", Narrows),
    ("phone_number_verified", Narrows),
    ("name", Narrows),
    ("given_name", Narrows),
    ("middle_name", Narrows),
    ("family_name", Narrows),
    ("nickname", Narrows),
    ("preferred_username", Narrows),
    ("upn", Narrows),
    ("unique_name", Narrows),
    ("profile", Narrows),
    ("picture", Narrows),
    ("website", Narrows),
    ("gender", Narrows),
    ("birthdate", Narrows),
    ("address", Narrows),
    ("locale", Narrows),
    ("zoneinfo", Narrows),
    ("updated_at", Narrows),
    // What CI systems are known to take from whoever writes a job.
    ("job_workflow_ref", Narrows),
    ("job_workflow_sha", Narrows),
    ("workflow_ref", Narrows),
    ("workflow_sha", Narrows),
    ("workflow", Narrows),
    ("ci_config_ref_uri", Narrows),
    ("ci_config_sha", Narrows),
    ("actor", Narrows),
    ("actor_id", Narrows),
    ("ref", Narrows),
    ("ref_type", Narrows),
    ("ref_path", Narrows),
    ("ref_protected", Narrows),
    ("base_ref", Narrows),
    ("head_ref", Narrows),
    ("branch", Narrows),
    ("tag", Narrows),
    ("sha", Narrows),
    ("environment", Narrows),
    ("event_name", Narrows),
    ("pipeline_source", Narrows),
    ("pipeline_slug", Narrows),
    ("build_branch", Narrows),
    ("step_key", Narrows),
    ("run_id", Narrows),
    ("run_number", Narrows),
    ("run_attempt", Narrows),
    ("runner_environment", Narrows),
    // Their providers know which part of them binds.
    ("kubernetes.io", Narrows),
    ("google", Narrows),
];

/// The table of a provider.
pub(super) fn table(provider: Provider) -> &'static [Row] {
    match provider {
        Provider::Github => GITHUB,
        Provider::Gitlab => GITLAB,
        Provider::Buildkite => BUILDKITE,
        Provider::Circleci => CIRCLECI,
        Provider::Semaphore => SEMAPHORE,
        Provider::Gcp => GCP,
        Provider::Kubernetes => KUBERNETES,
        Provider::Aws => AWS,
        Provider::Oidc => OIDC,
    }
}

/// Whether conditions bind the tenant, so that nobody else can have a workload that meets them.
pub(super) fn bind_tenant(provider: Provider, conditions: &[Condition]) -> bool {
    conditions
        .iter()
        .any(|condition| binds(provider, condition, conditions))
}

/// Whether one condition does, beside the others.
fn binds(provider: Provider, condition: &Condition, all: &[Condition]) -> bool {
    let mut listed = false;
    for (claim, binds) in table(provider) {
        if condition.is_on(claim) {
            listed = true;
            if says(*binds, condition, all) {
                return true;
            }
        } else if condition.is_below(claim) {
            // A part of a claim says no more about whose it is than the claim.
            listed = true;
        }
    }
    provider == Provider::Oidc && !listed && says(Held, condition, all)
}

/// Whether one member of a list may meet a condition. Not where the claim tells the tenant by itself, or makes another
/// one do so: there the provider writes one text, and in a list it could be the text of somebody else.
pub(super) fn may_be_list(provider: Provider, condition: &Condition) -> bool {
    !table(provider).iter().any(|(claim, binds)| match binds {
        Fixed | Beginning(_) => condition.is_on(claim),
        FixedWith(other, _) => condition.is_on(claim) || condition.is_on(other),
        Held | Narrows => false,
    })
}

fn says(binds: Binds, condition: &Condition, all: &[Condition]) -> bool {
    match binds {
        Fixed => condition.exact().is_some(),
        Held => condition.exact().is_some() || condition.is_list(),
        Beginning(templates) => {
            let prefixes = condition.prefixes();
            let begins = |text: &&str| {
                templates
                    .iter()
                    .any(|template| names(template, text).is_some())
            };
            !prefixes.is_empty() && prefixes.iter().all(|prefix| begins(&prefix.as_str()))
        }
        FixedWith(other, text) => {
            let fixed = |other_one: &Condition| {
                other_one.is_on(other) && other_one.exact() == Some(vec![text])
            };
            condition.exact().is_some() && all.iter().any(fixed)
        }
        Narrows => false,
    }
}

/// The names with which a text begins as a template says; none where it does not, or one is empty. With
/// the delimiter behind it a name is whole: `acme/` binds, `acme` is also the beginning of `acme-evil`.
pub(super) fn names<'a>(template: &str, text: &'a str) -> Option<Vec<&'a str>> {
    let mut literals = template.split("{}");
    let mut rest = text.strip_prefix(literals.next()?)?;
    let mut names = Vec::new();
    for literal in literals {
        let (name, _) = rest.split_once(literal.chars().next()?)?;
        rest = rest.strip_prefix(name)?.strip_prefix(literal)?;
        if name.is_empty() {
            return None;
        }
        names.push(name);
    }
    Some(names)
}

/// What binds a tenant there, for the sentence that says that nothing does.
pub(super) fn binding_claims(provider: Provider) -> String {
    let mut told: Vec<String> = table(provider)
        .iter()
        .filter_map(|(claim, binds)| match binds {
            Fixed | Held => Some((*claim).to_owned()),
            Beginning(templates) => {
                let shapes: Vec<String> = templates
                    .iter()
                    .map(|template| template.replace("{}", "NAME") + "…")
                    .collect();
                Some(format!("{claim} = {}", shapes.join(" or ")))
            }
            FixedWith(other, text) => Some(format!("{claim} together with {other} = {text}")),
            Narrows => None,
        })
        .collect();
    if provider == Provider::Oidc {
        told.push("another claim that the issuer alone chooses".to_owned());
    }
    told.join("; ")
}
