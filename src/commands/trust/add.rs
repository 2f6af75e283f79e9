//! `fh trust add`: one subcommand for each provider, whose traps its template closes.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use fh_api::SetTrustPolicy;
use fh_auth::policy::templates::{self, TemplateError};
use fh_conf::regular;

use super::set::{Granted, set_policy};
use crate::context::Context;
use crate::error::CommandError;

/// More than any set of keys has.
const KEYS_LIMIT: u64 = 1024 * 1024;

/// Trust workloads of a provider
///
/// The same command again changes nothing. A policy that exists is replaced only with `--replace`.
#[derive(Debug, Subcommand)]
pub(crate) enum AddCommand {
    Github(GithubArguments),
    Gitlab(GitlabArguments),
    Buildkite(BuildkiteArguments),
    Circleci(CircleciArguments),
    Semaphore(SemaphoreArguments),
    Gcp(GcpArguments),
    Kubernetes(KubernetesArguments),
    Aws(AwsArguments),
    Oidc(OidcArguments),
}

/// Trust jobs of GitHub Actions
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fh trust add github --repository acme/app --ref main --flake acme/app --role write
  fh trust add github --repository acme/app --environment production --flake 'acme/*' --role write
  fh trust add github --owner acme --flake 'acme/*'
  fh trust add github --host github.acme.example --repository acme/app --flake acme/app

The workflow needs the permission to get an identity:

  permissions:
    id-token: write
    contents: read
  jobs:
    build:
      runs-on: ubuntu-latest
      steps:
        - uses: actions/checkout@v4
        - run: nix build
        - run: fh push --server https://CACHE acme/app ./result

Pull requests only read, whatever the role. The numbers of repository and owner are remembered at the \
first use: a repository that somebody else creates under the same name later is not let in.")]
pub(crate) struct GithubArguments {
    /// The repository
    #[arg(long, value_name = "OWNER/NAME", required_unless_present = "owner")]
    repository: Option<String>,

    /// All repositories of an owner
    #[arg(long, value_name = "OWNER")]
    owner: Option<String>,

    /// The repository's number
    #[arg(long, value_name = "N")]
    repository_id: Option<u64>,

    /// The owner's number
    #[arg(long, value_name = "N")]
    owner_id: Option<u64>,

    /// A branch, or refs/tags/…; `*` matches anything but a slash, `**` anything
    #[arg(long = "ref", value_name = "REF")]
    reference: Option<String>,

    /// The environment that the job runs in
    #[arg(long, value_name = "NAME")]
    environment: Option<String>,

    /// The file of the workflow, such as release.yml
    #[arg(long, value_name = "FILE", requires = "repository")]
    workflow: Option<String>,

    /// The host of a GitHub Enterprise Server
    #[arg(long, value_name = "HOST")]
    host: Option<String>,

    #[command(flatten)]
    granted: Granted,
}

/// Trust jobs of GitLab CI
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fh trust add gitlab --project acme/app --ref main --flake acme/app --role write
  fh trust add gitlab --group acme --flake 'acme/*'
  fh trust add gitlab --host gitlab.acme.example --project acme/app --flake acme/app

The job needs an identity for this server:

  build:
    id_tokens:
      FH_ID_TOKEN:
        aud: https://CACHE
    script:
      - nix build
      - fh push --server https://CACHE acme/app ./result

Merge requests only read, whatever the role.")]
pub(crate) struct GitlabArguments {
    /// The project
    #[arg(long, value_name = "GROUP/NAME", required_unless_present = "group")]
    project: Option<String>,

    /// All projects of a group and of the groups in it
    #[arg(long, value_name = "GROUP")]
    group: Option<String>,

    /// The project's number
    #[arg(long, value_name = "N")]
    project_id: Option<u64>,

    /// A branch, or refs/tags/…; `*` matches anything but a slash, `**` anything
    #[arg(long = "ref", value_name = "REF")]
    reference: Option<String>,

    /// Also accept unprotected branches and tags, to which every developer can push
    #[arg(long)]
    unprotected: bool,

    /// The environment that the job deploys to
    #[arg(long, value_name = "NAME")]
    environment: Option<String>,

    /// The host of a self-managed instance
    #[arg(long, value_name = "HOST")]
    host: Option<String>,

    #[command(flatten)]
    granted: Granted,
}

/// Trust jobs of Buildkite
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fh trust add buildkite --organization acme --pipeline app --branch main \\
    --flake acme/app --role write")]
pub(crate) struct BuildkiteArguments {
    /// The organisation's slug
    #[arg(long, value_name = "SLUG")]
    organization: String,

    /// The organisation's id
    #[arg(long, value_name = "ID")]
    organization_id: Option<String>,

    /// The pipeline's slug
    #[arg(long, value_name = "SLUG")]
    pipeline: Option<String>,

    /// A branch; may have wildcards
    #[arg(long, value_name = "BRANCH")]
    branch: Option<String>,

    /// The key of the step
    #[arg(long, value_name = "KEY")]
    step: Option<String>,

    #[command(flatten)]
    granted: Granted,
}

/// Trust jobs of CircleCI
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fh trust add circleci --organization-id ORG --project-id PROJECT --ref main \\
    --flake acme/app --role write

Jobs that somebody has rerun with SSH access only read, whatever the role.")]
pub(crate) struct CircleciArguments {
    /// The organisation's id
    #[arg(long, value_name = "ID")]
    organization_id: String,

    /// The project's id
    #[arg(long, value_name = "ID")]
    project_id: String,

    /// A branch, or refs/tags/…; may have wildcards
    #[arg(long = "ref", value_name = "REF")]
    reference: Option<String>,

    #[command(flatten)]
    granted: Granted,
}

/// Trust jobs of Semaphore
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fh trust add semaphore --organization acme --project-id PROJECT --ref main \\
    --flake acme/app --role write")]
pub(crate) struct SemaphoreArguments {
    /// The organisation: the part before .semaphoreci.com
    #[arg(long, value_name = "NAME")]
    organization: String,

    /// The project's id
    #[arg(long, value_name = "ID")]
    project_id: String,

    /// A branch, or refs/tags/…; may have wildcards
    #[arg(long = "ref", value_name = "REF")]
    reference: Option<String>,

    #[command(flatten)]
    granted: Granted,
}

/// Trust a service account of Google Cloud
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fh trust add gcp --email ci@acme.iam.gserviceaccount.com --flake acme/app --role write")]
pub(crate) struct GcpArguments {
    /// The service account's e-mail address
    #[arg(long, value_name = "ADDRESS")]
    email: String,

    #[command(flatten)]
    granted: Granted,
}

/// Trust a service account of a Kubernetes cluster
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fh trust add kubernetes --issuer https://k8s.acme.example --namespace ci \\
    --service-account builder --flake acme/app --role write
  kubectl get --raw /openid/v1/jwks > keys.json
  fh trust add kubernetes --issuer https://kubernetes.default.svc --jwks keys.json \\
    --namespace ci --service-account builder --flake acme/app --role write

The issuer is what `kubectl get --raw /.well-known/openid-configuration` shows.")]
pub(crate) struct KubernetesArguments {
    /// The cluster's issuer
    #[arg(long, value_name = "URL")]
    issuer: String,

    /// The namespace
    #[arg(long, value_name = "NAME")]
    namespace: String,

    /// The service account in it
    #[arg(long, value_name = "NAME")]
    service_account: String,

    /// A file with the cluster's keys, if this server cannot reach it
    #[arg(long, value_name = "FILE")]
    jwks: Option<PathBuf>,

    #[command(flatten)]
    granted: Granted,
}

/// Trust an account of AWS, or a role in it
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fh trust add aws --account 123456789012 --role-name builder --flake acme/app --role write")]
pub(crate) struct AwsArguments {
    /// The account's number
    #[arg(long, value_name = "N")]
    account: String,

    /// The role's name, without its path
    #[arg(long, value_name = "NAME")]
    role_name: Option<String>,

    /// The session's name; may have wildcards
    #[arg(long, value_name = "NAME")]
    session: Option<String>,

    #[command(flatten)]
    granted: Granted,
}

/// Trust workloads of any other OpenID Connect issuer
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fh trust add oidc --issuer https://id.acme.example --subject builder --flake acme/app --role write
  fh trust add oidc --issuer https://id.acme.example --claim team=infra --claim /host/kind=builder \\
    --flake acme/app

The server's operator has to allow the issuer with the option oidc-issuer, or you give the issuer's
keys with --jwks.")]
pub(crate) struct OidcArguments {
    /// The issuer, exactly as its identities have it
    #[arg(long, value_name = "URL")]
    issuer: String,

    /// The subject; may have wildcards if a claim without wildcards names the owner
    #[arg(long, value_name = "TEXT", required_unless_present = "claims")]
    subject: Option<String>,

    /// A claim and its required value, with wildcards; may be repeated
    ///
    /// A name that begins with `/` is a JSON Pointer. If the claim is a list, such as `groups`, one of its members
    /// has to match.
    #[arg(long = "claim", value_name = "NAME=TEXT", value_parser = pair)]
    claims: Vec<(String, String)>,

    /// Claims that never change for one workload, to be remembered at the first use; may be repeated
    #[arg(long = "pin", value_name = "NAME")]
    pins: Vec<String>,

    /// A file with the issuer's keys, if this server cannot reach it
    #[arg(long, value_name = "FILE")]
    jwks: Option<PathBuf>,

    #[command(flatten)]
    granted: Granted,
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() && !value.is_empty() => {
            Ok((name.to_owned(), value.to_owned()))
        }
        _ => Err("write it as NAME=TEXT".to_owned()),
    }
}

/// The fields of a template that are called as the options are.
macro_rules! fields {
    ($template:ident, $arguments:ident: $($field:ident),+) => {
        templates::$template { $($field: $arguments.$field.clone()),+ }
    };
}

pub(super) fn run(command: AddCommand, context: &Context) -> Result<(), CommandError> {
    let (template, workload, granted) = match command {
        AddCommand::Github(of) => {
            let fields = fields!(Github, of: repository, owner, repository_id, owner_id, reference, environment, workflow, host);
            let workload = of.repository.or(of.owner);
            (templates::github(&fields), workload, of.granted)
        }
        AddCommand::Gitlab(of) => {
            let fields = fields!(Gitlab, of: project, group, project_id, reference, unprotected, environment, host);
            let workload = of.project.or(of.group);
            (templates::gitlab(&fields), workload, of.granted)
        }
        AddCommand::Buildkite(of) => {
            let fields =
                fields!(Buildkite, of: organization, organization_id, pipeline, branch, step);
            let workload = of.pipeline.or(Some(of.organization));
            (templates::buildkite(&fields), workload, of.granted)
        }
        AddCommand::Circleci(of) => {
            let fields = fields!(Circleci, of: organization_id, project_id, reference);
            let workload = Some(of.project_id);
            (templates::circleci(&fields), workload, of.granted)
        }
        AddCommand::Semaphore(of) => {
            let fields = fields!(Semaphore, of: organization, project_id, reference);
            let workload = Some(of.organization);
            (templates::semaphore(&fields), workload, of.granted)
        }
        AddCommand::Gcp(of) => (templates::gcp(&of.email), Some(of.email), of.granted),
        AddCommand::Kubernetes(of) => {
            let (namespace, account) = (&of.namespace, &of.service_account);
            let template = templates::kubernetes(&of.issuer, namespace, account);
            let workload = Some(format!("{namespace}-{account}"));
            (with_keys(template, of.jwks)?, workload, of.granted)
        }
        AddCommand::Aws(of) => {
            let fields = templates::Aws {
                account: of.account.clone(),
                role: of.role_name.clone(),
                session: of.session,
            };
            let workload = of.role_name.or(Some(of.account));
            (templates::aws(&fields), workload, of.granted)
        }
        AddCommand::Oidc(of) => {
            let template = templates::oidc(&of.issuer, of.subject.as_deref(), &of.claims);
            let template = with_keys(template, of.jwks)?.map(|template| SetTrustPolicy {
                pin: of.pins,
                ..template
            });
            (template, of.subject, of.granted)
        }
    };
    let template = template.map_err(CommandError::usage)?;
    set_policy(template, workload.as_deref(), granted, context)
}

/// The template with the keys in a file.
fn with_keys(
    template: Result<SetTrustPolicy, TemplateError>,
    file: Option<PathBuf>,
) -> Result<Result<SetTrustPolicy, TemplateError>, CommandError> {
    let Some(path) = file else {
        return Ok(template);
    };
    let failed = |error| CommandError::file("read the keys in", &path, error);
    let text = regular::read(&path, KEYS_LIMIT).map_err(failed)?;
    let text = text.ok_or_else(|| failed(regular::missing()))?;
    let keys = serde_json::from_slice(&text).map_err(|error| failed(error.into()))?;
    Ok(template.map(|template| SetTrustPolicy {
        jwks: Some(keys),
        ..template
    }))
}
