//! Which claims say whose a workload is: a table for each provider.
//!
//! A stranger has workloads of their own at the same issuer. Each claim of theirs that they choose can be
//! made equal to ours: branch, environment, the reusable workflow that is called, the name of a role. A
//! claim *binds the tenant* where the provider itself writes it and gives that text to one tenant alone.
//! A policy needs a condition on one that does, and a wildcard must not stand in the part of the text
//! that says whose it is.
//!
//! What is not in a table does not bind. [`Provider::Oidc`] alone is the other way round, because its
//! claims are not known here: what does not bind is in [`NARROWING`], and whatever else is written out in full
//! does.

use fh_api::Provider;

use super::condition::Condition;

/// What a condition on a claim says about whose a workload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Binds {
    /// Binds where it is written out, as one text or several of which each binds.
    Fixed,
    /// Binds where every text begins as one of these does, in which `{}` stands for a name that is
    /// written out. What follows may have wildcards.
    Beginning(&'static [&'static str]),
    /// Binds where it is written out and another condition fixes this claim to this text.
    FixedWith(&'static str, &'static str),
}

use Binds::{Beginning, Fixed, FixedWith};

/// A claim that binds, as a condition names it, and how. One that binds in two ways has two rows.
pub(super) type Row = (&'static str, Binds);

/// Not here, though they look like it: `job_workflow_ref`, because a reusable workflow is called from any repository
/// that can see it, and a public one from all; `workflow_ref`, because the file may be in another repository than the
/// run (a workflow that a ruleset demands); `actor`, because a person runs workflows of several owners, and may be
/// brought to run one; `enterprise`, which is many organisations.
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
];

/// Not here, though they look like it: `user_id` and its like, because the person is not the project and runs pipelines
/// in projects of others too; `ci_config_ref_uri`, because a project may take its pipeline's definition from another.
const GITLAB: &[Row] = &[
    ("project_id", Fixed),
    ("namespace_id", Fixed),
    ("namespace_path", Fixed),
    ("namespace_path", Beginning(&["{}/"])),
    ("project_path", Beginning(&["{}/"])),
    // Its parts are customisable, but for the first.
    ("sub", Beginning(&["project_path:{}/"])),
];

/// Not `sub`: the job that asks for the identity may say which claim becomes its subject.
const BUILDKITE: &[Row] = &[
    ("organization_id", Fixed),
    ("organization_slug", Fixed),
    ("pipeline_id", Fixed),
];

/// The issuer names the organisation already; which of its projects has to be said too.
const CIRCLECI: &[Row] = &[
    ("oidc.circleci.com/project-id", Fixed),
    ("sub", Beginning(&["org/{}/project/{}/"])),
];

/// The issuer names the organisation already.
const SEMAPHORE: &[Row] = &[
    ("org_id", Fixed),
    ("org", Fixed),
    ("prj_id", Fixed),
    ("prj", Fixed),
    ("sub", Beginning(&["org:{}:"])),
];

const GCP: &[Row] = &[
    ("sub", Fixed),
    // Whoever says to have an address does not have it yet.
    ("email", FixedWith("email_verified", "true")),
];

/// The tenants of a cluster are its namespaces: whoever may run pods in one has all its accounts.
const KUBERNETES: &[Row] = &[
    ("/kubernetes.io/namespace", Fixed),
    // The cluster chooses it, and never twice the same.
    ("/kubernetes.io/serviceaccount/uid", Fixed),
    ("sub", Beginning(&["system:serviceaccount:{}:"])),
];

/// Partition and service before the account; such an ARN has no region.
const OF_ACCOUNT: &[&str] = &["arn:{}:{}::{}:"];

/// Not `role`, `user` and `session_name`: every account may have one of that name.
const AWS: &[Row] = &[
    ("account", Fixed),
    ("arn", Beginning(OF_ACCOUNT)),
    ("sub", Beginning(OF_ACCOUNT)),
    ("role_arn", Beginning(OF_ACCOUNT)),
];

const OIDC: &[Row] = &[
    ("sub", Fixed),
    ("email", FixedWith("email_verified", "true")),
];

/// What does not bind at any issuer: a stranger chooses it, others have it too, or it tells the tenant's own workloads
/// from each other.
pub(super) const NARROWING: [&str; 74] = [
    // Every identity of the issuer has these, or they are of the one token alone (RFC 7519, RFC 9068,
    // OpenID Connect Core).
    "iss",
    "aud",
    "exp",
    "nbf",
    "iat",
    "jti",
    "typ",
    "ver",
    "nonce",
    "acr",
    "amr",
    "auth_time",
    "at_hash",
    "c_hash",
    "s_hash",
    "sid",
    "session_state",
    "scope",
    "scp",
    "tid",
    "hd",
    // The application through which somebody has come, whoever it is.
    "azp",
    "client_id",
    "appid",
    // People choose these for themselves.
    "email_verified",
    "phone_number",
    "phone_number_verified",
    "name",
    "given_name",
    "middle_name",
    "family_name",
    "nickname",
    "preferred_username",
    "upn",
    "unique_name",
    "profile",
    "picture",
    "website",
    "gender",
    "birthdate",
    "address",
    "locale",
    "zoneinfo",
    "updated_at",
    // What CI systems are known to take from whoever writes a job.
    "job_workflow_ref",
    "job_workflow_sha",
    "workflow_ref",
    "workflow_sha",
    "workflow",
    "ci_config_ref_uri",
    "ci_config_sha",
    "actor",
    "actor_id",
    "ref",
    "ref_type",
    "ref_path",
    "ref_protected",
    "base_ref",
    "head_ref",
    "branch",
    "tag",
    "sha",
    "environment",
    "event_name",
    "pipeline_source",
    "pipeline_slug",
    "build_branch",
    "step_key",
    "run_id",
    "run_number",
    "run_attempt",
    "runner_environment",
    // Their providers know which part of them binds.
    "kubernetes.io",
    "google",
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
    let mut rows = table(provider).iter();
    if rows.any(|(claim, binds)| condition.is_on(claim) && says(*binds, condition, all)) {
        return true;
    }
    // A part of a claim says no more about whose it is than the claim.
    let is_on_or_below = |claim: &str| condition.is_on(claim) || condition.is_below(claim);
    provider == Provider::Oidc
        && !OIDC.iter().any(|(claim, _)| is_on_or_below(claim))
        && !NARROWING.into_iter().any(is_on_or_below)
        && (condition.exact().is_some() || condition.is_list())
}

/// Whether one member of a list may meet a condition. Not where the claim tells the tenant by itself, or makes another
/// one do so: there the provider writes one text, and in a list it could be the text of somebody else.
pub(super) fn may_be_list(provider: Provider, condition: &Condition) -> bool {
    !table(provider).iter().any(|(claim, binds)| match binds {
        Fixed | Beginning(_) => condition.is_on(claim),
        FixedWith(other, _) => condition.is_on(claim) || condition.is_on(other),
    })
}

fn says(binds: Binds, condition: &Condition, all: &[Condition]) -> bool {
    match binds {
        Fixed => condition.exact().is_some(),
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
        .map(|(claim, binds)| match binds {
            Fixed => (*claim).to_owned(),
            Beginning(templates) => {
                let shapes = templates.join("… or ").replace("{}", "NAME");
                format!("{claim} = {shapes}…")
            }
            FixedWith(other, text) => format!("{claim} together with {other} = {text}"),
        })
        .collect();
    if provider == Provider::Oidc {
        told.push("another claim that the issuer alone chooses".to_owned());
    }
    told.join("; ")
}
