//! Templates: from a few plain fields to a trust policy, with the provider's traps closed.
//!
//! What a template answers grants `read` on nothing yet; the caller adds flakes, role and the rest. Names
//! that say whose a workload is are taken literally, never as patterns. A git reference is a branch unless
//! it begins with `refs/`.

use fh_api::{ConditionSpec, Provider, Role, SetTrustPolicy};

/// Why the fields make no policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// A name that cannot be one.
    #[error("{value:?} is not a valid {what}")]
    Value {
        /// What it should be.
        what: &'static str,
        /// What was given, cut to 200 characters.
        value: String,
    },
    /// Nothing says whose workloads are meant.
    #[error("say which workloads to trust: {0}")]
    Tenant(&'static str),
}

/// What is known of the jobs of GitHub Actions that are meant.
#[derive(Debug, Clone, Default)]
pub struct Github {
    /// One repository, as `owner/name`.
    pub repository: Option<String>,
    /// All repositories of an owner, where no repository is named.
    pub owner: Option<String>,
    /// The repository's number, which no later repository of that name has.
    pub repository_id: Option<u64>,
    /// The owner's number, which no later owner of that name has.
    pub owner_id: Option<u64>,
    /// A branch, or a reference from `refs/` on; may have wildcards.
    pub reference: Option<String>,
    /// The environment that the job runs in.
    pub environment: Option<String>,
    /// The file of the workflow, `release.yml`, in `.github/workflows`; needs a repository.
    pub workflow: Option<String>,
    /// The host of a GitHub Enterprise Server.
    pub host: Option<String>,
}

/// Jobs of GitHub Actions.
///
/// # Errors
/// [`TemplateError`].
pub fn github(fields: &Github) -> Result<SetTrustPolicy, TemplateError> {
    let mut conditions = Vec::new();
    if let Some(repository) = &fields.repository {
        let (owner, name) = repository.split_once('/').unwrap_or_default();
        if literal("repository", owner).is_err()
            || literal("repository", name).is_err()
            || name.contains('/')
        {
            return Err(wrong("repository; write it as OWNER/NAME", repository));
        }
        conditions.push(equals("repository", repository));
    }
    if let Some(owner) = &fields.owner {
        if owner.contains('/') {
            return Err(wrong("owner", owner));
        }
        conditions.push(equals("repository_owner", literal("owner", owner)?));
    }
    conditions.extend(number("repository_id", fields.repository_id));
    conditions.extend(number("repository_owner_id", fields.owner_id));
    if conditions.is_empty() {
        return Err(TemplateError::Tenant("a repository or an owner"));
    }
    conditions.extend(reference("ref", &fields.reference));
    conditions.extend(given("environment", &fields.environment));
    if let Some(workflow) = &fields.workflow {
        let Some(repository) = &fields.repository else {
            return Err(TemplateError::Tenant("a workflow is in a repository"));
        };
        let file = literal("workflow", workflow)?;
        if file.contains(['/', '@']) {
            return Err(wrong(
                "workflow; write the file's name, release.yml",
                workflow,
            ));
        }
        // The claim goes on with the reference that the file was taken from.
        let path = format!("{repository}/.github/workflows/{file}@**");
        conditions.push(pattern("workflow_ref", &path));
    }
    let host = fields.host.as_deref().map(host_name).transpose()?;
    let issuer = host.map(|host| format!("https://{host}/_services/token"));
    Ok(exact(Provider::Github, issuer, conditions))
}

/// What is known of the jobs of GitLab CI that are meant.
#[derive(Debug, Clone, Default)]
pub struct Gitlab {
    /// One project, as `group/…/name`.
    pub project: Option<String>,
    /// All projects of a group and of the groups in it, where no project is named.
    pub group: Option<String>,
    /// The project's number, which no later project of that name has.
    pub project_id: Option<u64>,
    /// A branch, or a reference from `refs/` on; may have wildcards.
    pub reference: Option<String>,
    /// Whether unprotected branches and tags, which every developer can push, are let in too.
    pub unprotected: bool,
    /// The environment that the job deploys to.
    pub environment: Option<String>,
    /// The host of a self-managed instance.
    pub host: Option<String>,
}

/// Jobs of GitLab CI.
///
/// # Errors
/// [`TemplateError`].
pub fn gitlab(fields: &Gitlab) -> Result<SetTrustPolicy, TemplateError> {
    let mut conditions = Vec::new();
    if let Some(project) = &fields.project {
        if !literal("project", project)?.contains('/') {
            return Err(wrong("project; write it as GROUP/NAME", project));
        }
        conditions.push(equals("project_path", project));
    }
    if let Some(group) = &fields.group {
        let group = literal("group", group.trim_end_matches('/'))?;
        // With the slash: a group whose name begins like it is another one.
        conditions.push(pattern("project_path", &format!("{group}/**")));
    }
    conditions.extend(number("project_id", fields.project_id));
    if conditions.is_empty() {
        return Err(TemplateError::Tenant("a project or a group"));
    }
    if let Some(reference) = &fields.reference {
        // The claim has the bare name, and a tag may be named like a branch.
        let full = full_reference(reference);
        let (kind, name) = match (
            full.strip_prefix("refs/heads/"),
            full.strip_prefix("refs/tags/"),
        ) {
            (Some(name), _) => ("branch", name),
            (None, Some(name)) => ("tag", name),
            (None, None) => return Err(wrong("branch or tag", reference)),
        };
        conditions.push(pattern("ref", name));
        conditions.push(equals("ref_type", kind));
    }
    if !fields.unprotected {
        conditions.push(equals("ref_protected", "true"));
    }
    conditions.extend(given("environment", &fields.environment));
    let host = fields.host.as_deref().map(host_name).transpose()?;
    let issuer = host.map(|host| format!("https://{host}"));
    Ok(exact(Provider::Gitlab, issuer, conditions))
}

/// What is known of the jobs of Buildkite that are meant.
#[derive(Debug, Clone, Default)]
pub struct Buildkite {
    /// The organisation's slug, as in the addresses of its pipelines.
    pub organization: String,
    /// The organisation's id, which no later organisation of that slug has.
    pub organization_id: Option<String>,
    /// The slug of one pipeline; all of them without it.
    pub pipeline: Option<String>,
    /// A branch; may have wildcards.
    pub branch: Option<String>,
    /// The key of the step.
    pub step: Option<String>,
}

/// Jobs of Buildkite, whose issuer is the same for everybody.
///
/// # Errors
/// [`TemplateError`].
pub fn buildkite(fields: &Buildkite) -> Result<SetTrustPolicy, TemplateError> {
    let organization = literal("organisation", &fields.organization)?;
    let mut conditions = vec![equals("organization_slug", organization)];
    if let Some(id) = &fields.organization_id {
        conditions.push(equals("organization_id", literal("organisation's id", id)?));
    }
    if let Some(pipeline) = &fields.pipeline {
        conditions.push(equals("pipeline_slug", literal("pipeline", pipeline)?));
    }
    conditions.extend(given("build_branch", &fields.branch));
    conditions.extend(given("step_key", &fields.step));
    Ok(exact(Provider::Buildkite, None, conditions))
}

/// What is known of the jobs of CircleCI that are meant.
#[derive(Debug, Clone, Default)]
pub struct Circleci {
    /// The organisation's id, which is a part of the issuer's address.
    pub organization_id: String,
    /// The id of the one project that is meant.
    pub project_id: String,
    /// A branch, or a reference from `refs/` on; may have wildcards.
    pub reference: Option<String>,
}

/// Jobs of CircleCI. Their usual token is for the organisation's id, whoever reads it.
///
/// # Errors
/// [`TemplateError`].
pub fn circleci(fields: &Circleci) -> Result<SetTrustPolicy, TemplateError> {
    let organization = segment("organisation's id", &fields.organization_id)?;
    let project = segment("project's id", &fields.project_id)?;
    let mut conditions = vec![equals("oidc.circleci.com/project-id", project)];
    conditions.extend(reference("oidc.circleci.com/vcs-ref", &fields.reference));
    let issuer = format!("https://oidc.circleci.com/org/{organization}");
    Ok(SetTrustPolicy {
        audiences: vec![organization.to_owned()],
        ..exact(Provider::Circleci, Some(issuer), conditions)
    })
}

/// What is known of the jobs of Semaphore that are meant.
#[derive(Debug, Clone, Default)]
pub struct Semaphore {
    /// The organisation: what stands before `.semaphoreci.com`.
    pub organization: String,
    /// The id of the one project that is meant.
    pub project_id: String,
    /// A branch, or a reference from `refs/` on; may have wildcards.
    pub reference: Option<String>,
}

/// Jobs of Semaphore. Their token is for the organisation's address, whoever reads it.
///
/// # Errors
/// [`TemplateError`].
pub fn semaphore(fields: &Semaphore) -> Result<SetTrustPolicy, TemplateError> {
    let organization = host_name(&fields.organization)?;
    if organization.contains(['.', ':']) {
        return Err(wrong("organisation", organization));
    }
    let mut conditions = vec![equals(
        "prj_id",
        segment("project's id", &fields.project_id)?,
    )];
    conditions.extend(reference("ref", &fields.reference));
    let issuer = format!("https://{organization}.semaphoreci.com");
    Ok(SetTrustPolicy {
        audiences: vec![issuer.clone()],
        ..exact(Provider::Semaphore, Some(issuer), conditions)
    })
}

/// A service account of Google Cloud, by its e-mail address.
///
/// # Errors
/// [`TemplateError`].
pub fn gcp(email: &str) -> Result<SetTrustPolicy, TemplateError> {
    let email = literal("e-mail address", email)?;
    if !email.contains('@') {
        return Err(wrong("e-mail address of a service account", email));
    }
    // Whoever says to have an address does not have it yet.
    let conditions = vec![equals("email", email), equals("email_verified", "true")];
    Ok(exact(Provider::Gcp, None, conditions))
}

/// A service account of a Kubernetes cluster.
///
/// # Errors
/// [`TemplateError`].
pub fn kubernetes(
    issuer: &str,
    namespace: &str,
    service_account: &str,
) -> Result<SetTrustPolicy, TemplateError> {
    let namespace = segment("namespace", namespace)?;
    let account = segment("service account", service_account)?;
    let subject = format!("system:serviceaccount:{namespace}:{account}");
    let conditions = vec![equals("sub", &subject)];
    let issuer = Some(issuer.to_owned());
    Ok(exact(Provider::Kubernetes, issuer, conditions))
}

/// Who signs for AWS's Security Token Service.
#[derive(Debug, Clone, Default)]
pub struct Aws {
    /// The account's number, 12 digits.
    pub account: String,
    /// The role's name, without its path.
    pub role: Option<String>,
    /// The name of the session; may have wildcards.
    pub session: Option<String>,
}

/// Whoever can sign as an account, or as a role in it.
///
/// # Errors
/// [`TemplateError`].
pub fn aws(fields: &Aws) -> Result<SetTrustPolicy, TemplateError> {
    let account = &fields.account;
    if account.len() != 12 || !account.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong("account; it has 12 digits", account));
    }
    let mut conditions = vec![equals("account", account)];
    if let Some(role) = &fields.role {
        conditions.push(equals("role", segment("role", role)?));
    }
    conditions.extend(given("session_name", &fields.session));
    Ok(exact(Provider::Aws, None, conditions))
}

/// Any other issuer: the subject, and claims that must be as given.
///
/// # Errors
/// [`TemplateError`].
pub fn oidc(
    issuer: &str,
    subject: Option<&str>,
    claims: &[(String, String)],
) -> Result<SetTrustPolicy, TemplateError> {
    let mut conditions = Vec::new();
    conditions.extend(subject.map(|subject| pattern("sub", subject)));
    conditions.extend(claims.iter().map(|(claim, value)| pattern(claim, value)));
    if conditions.is_empty() {
        return Err(TemplateError::Tenant("a subject or another claim"));
    }
    Ok(exact(Provider::Oidc, Some(issuer.to_owned()), conditions))
}

/// A policy with exactly these conditions.
#[must_use]
pub fn exact(
    provider: Provider,
    issuer: Option<String>,
    conditions: Vec<ConditionSpec>,
) -> SetTrustPolicy {
    SetTrustPolicy {
        provider,
        issuer,
        audiences: Vec::new(),
        conditions,
        pin: Vec::new(),
        flakes: Vec::new(),
        role: Role::Read,
        mint: false,
        pull_requests: false,
        builder: false,
        max_lifetime: None,
        jwks: None,
        only_new: false,
    }
}

fn equals(claim: &str, text: &str) -> ConditionSpec {
    ConditionSpec {
        claim: claim.to_owned(),
        equals: Some(text.to_owned()),
        ..ConditionSpec::default()
    }
}

/// A glob where the text has wildcards.
fn pattern(claim: &str, text: &str) -> ConditionSpec {
    if !text.contains(['*', '?']) {
        return equals(claim, text);
    }
    ConditionSpec {
        claim: claim.to_owned(),
        glob: Some(text.to_owned()),
        ..ConditionSpec::default()
    }
}

/// A condition on a claim of which a pattern is given, if it is.
fn given(claim: &str, text: &Option<String>) -> Option<ConditionSpec> {
    text.as_deref().map(|text| pattern(claim, text))
}

/// The same of a number.
fn number(claim: &str, number: Option<u64>) -> Option<ConditionSpec> {
    number.map(|number| equals(claim, &number.to_string()))
}

/// The same of a reference of git, which the claim has in full.
fn reference(claim: &str, text: &Option<String>) -> Option<ConditionSpec> {
    text.as_deref()
        .map(|text| pattern(claim, &full_reference(text)))
}

fn full_reference(text: &str) -> String {
    if text.starts_with("refs/") {
        text.to_owned()
    } else {
        format!("refs/heads/{text}")
    }
}

fn wrong(what: &'static str, value: &str) -> TemplateError {
    TemplateError::Value {
        what,
        value: value.chars().take(200).collect(),
    }
}

/// A name that is no pattern.
fn literal<'a>(what: &'static str, text: &'a str) -> Result<&'a str, TemplateError> {
    let plain = |character: char| character.is_ascii_graphic() && !"*?".contains(character);
    if text.is_empty() || text.len() > 300 || !text.chars().all(plain) {
        return Err(wrong(what, text));
    }
    Ok(text)
}

/// A name that stands between delimiters.
fn segment<'a>(what: &'static str, text: &'a str) -> Result<&'a str, TemplateError> {
    if text.contains(['/', ':']) {
        return Err(wrong(what, text));
    }
    literal(what, text)
}

fn host_name(text: &str) -> Result<&str, TemplateError> {
    let host = text.strip_prefix("https://").unwrap_or(text);
    let host = host.trim_end_matches('/');
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-.:".contains(&byte);
    if host.is_empty() || host.starts_with(['.', '-']) || !host.bytes().all(allowed) {
        return Err(wrong("host", text));
    }
    Ok(host)
}
