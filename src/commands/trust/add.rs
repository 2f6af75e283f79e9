//! `fh trust add`: one subcommand for each provider, whose traps its template closes.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use fh_api::{FlakePattern, Name, Provider, Role, SetTrustPolicy};
use fh_auth::policy::templates::{self, TemplateError};
use fh_conf::regular;

use crate::cli::words;
use crate::context::Context;
use crate::error::CommandError;
use crate::terminal;

/// More than any set of keys has.
const KEYS_LIMIT: u64 = 1024 * 1024;

/// Trust workloads of a provider
///
/// It replaces a policy of the same name.
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

/// What is granted, whoever the workloads are.
#[derive(Debug, Args)]
pub(crate) struct Granted {
    /// What they may use: ORG/PROJECT or 'ORG/*', of one organisation; may be repeated
    #[arg(long = "flake", value_name = "PATTERN", required = true, add = crate::completion::flakes())]
    flakes: Vec<FlakePattern>,

    /// What they may do
    #[arg(long, value_name = "ROLE", default_value = "read", value_parser = words::<Role>(Role::WORDS))]
    role: Role,

    /// The policy's name in the organisation [default: from provider and workload]
    #[arg(long, value_name = "NAME")]
    name: Option<Name>,

    /// An audience that identities may have instead of this server; may be repeated
    #[arg(long = "audience", value_name = "TEXT")]
    audiences: Vec<String>,

    /// How long a token that an identity is exchanged for lasts at most [default: 1h]
    #[arg(long, value_name = "TIME", value_parser = fh_api::duration::parse_seconds)]
    max_lifetime: Option<u64>,

    /// They may create narrower tokens from an exchanged one
    #[arg(long)]
    mint: bool,

    /// Pull requests and forks have the role too, instead of only reading
    #[arg(long)]
    pull_requests: bool,

    /// These jobs are the organisation's builders: what they push overrides what people push if the two
    /// disagree. Only owners can set this
    #[arg(long)]
    builder: bool,
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

    /// Let unprotected branches and tags in too, which every developer can push
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
  fh trust add buildkite --organization acme --pipeline app --branch main --flake acme/app --role write")]
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
  fh trust add circleci --organization-id ORG --project-id PROJECT --ref main --flake acme/app --role write

Jobs that were run again with a shell for a person (SSH) only read, whatever the role.")]
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
  fh trust add semaphore --organization acme --project-id PROJECT --ref main --flake acme/app --role write")]
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
  fh trust add kubernetes --issuer https://k8s.acme.example --namespace ci --service-account builder \\
    --flake acme/app --role write
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

/// Trust workloads of any other issuer of OpenID Connect
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fh trust add oidc --issuer https://id.acme.example --subject builder --flake acme/app --role write
  fh trust add oidc --issuer https://id.acme.example --claim team=infra --claim /host/kind=builder \\
    --flake acme/app

The server's operator allows an issuer with its option oidc-issuer, or its keys are given with --jwks.")]
pub(crate) struct OidcArguments {
    /// The issuer, exactly as its identities have it
    #[arg(long, value_name = "URL")]
    issuer: String,

    /// The subject; may have wildcards if a claim without wildcards names the owner
    #[arg(long, value_name = "TEXT", required_unless_present = "claims")]
    subject: Option<String>,

    /// A claim and its required value, with wildcards; a name that begins with `/` is a JSON Pointer; may be repeated
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

pub(super) fn run(command: AddCommand, context: &Context) -> Result<(), CommandError> {
    let usage = |error: TemplateError| CommandError::usage(error.to_string());
    let (template, workload, granted) = match command {
        AddCommand::Github(arguments) => {
            let workload = arguments.repository.clone().or(arguments.owner.clone());
            let fields = templates::Github {
                repository: arguments.repository,
                owner: arguments.owner,
                repository_id: arguments.repository_id,
                owner_id: arguments.owner_id,
                reference: arguments.reference,
                environment: arguments.environment,
                workflow: arguments.workflow,
                host: arguments.host,
            };
            (templates::github(&fields), workload, arguments.granted)
        }
        AddCommand::Gitlab(arguments) => {
            let workload = arguments.project.clone().or(arguments.group.clone());
            let fields = templates::Gitlab {
                project: arguments.project,
                group: arguments.group,
                project_id: arguments.project_id,
                reference: arguments.reference,
                unprotected: arguments.unprotected,
                environment: arguments.environment,
                host: arguments.host,
            };
            (templates::gitlab(&fields), workload, arguments.granted)
        }
        AddCommand::Buildkite(arguments) => {
            let pipeline = arguments.pipeline.clone();
            let workload = pipeline.or(Some(arguments.organization.clone()));
            let fields = templates::Buildkite {
                organization: arguments.organization,
                organization_id: arguments.organization_id,
                pipeline: arguments.pipeline,
                branch: arguments.branch,
                step: arguments.step,
            };
            (templates::buildkite(&fields), workload, arguments.granted)
        }
        AddCommand::Circleci(arguments) => {
            let workload = Some(arguments.project_id.clone());
            let fields = templates::Circleci {
                organization_id: arguments.organization_id,
                project_id: arguments.project_id,
                reference: arguments.reference,
            };
            (templates::circleci(&fields), workload, arguments.granted)
        }
        AddCommand::Semaphore(arguments) => {
            let workload = Some(arguments.organization.clone());
            let fields = templates::Semaphore {
                organization: arguments.organization,
                project_id: arguments.project_id,
                reference: arguments.reference,
            };
            (templates::semaphore(&fields), workload, arguments.granted)
        }
        AddCommand::Gcp(arguments) => {
            let template = templates::gcp(&arguments.email);
            (template, Some(arguments.email), arguments.granted)
        }
        AddCommand::Kubernetes(arguments) => {
            let (namespace, account) = (&arguments.namespace, &arguments.service_account);
            let template = templates::kubernetes(&arguments.issuer, namespace, account);
            let template = with_keys(template, arguments.jwks)?;
            let workload = Some(format!("{namespace}-{account}"));
            (template, workload, arguments.granted)
        }
        AddCommand::Aws(arguments) => {
            let workload = arguments.role_name.clone();
            let workload = workload.or(Some(arguments.account.clone()));
            let fields = templates::Aws {
                account: arguments.account,
                role: arguments.role_name,
                session: arguments.session,
            };
            (templates::aws(&fields), workload, arguments.granted)
        }
        AddCommand::Oidc(arguments) => {
            let subject = arguments.subject.as_deref();
            let template = templates::oidc(&arguments.issuer, subject, &arguments.claims);
            let template = with_keys(template, arguments.jwks)?.map(|template| SetTrustPolicy {
                pin: arguments.pins,
                ..template
            });
            (template, arguments.subject, arguments.granted)
        }
    };
    add(
        template.map_err(usage)?,
        workload.as_deref(),
        granted,
        context,
    )
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

fn add(
    template: SetTrustPolicy,
    workload: Option<&str>,
    granted: Granted,
    context: &Context,
) -> Result<(), CommandError> {
    let org = organization(&granted.flakes)?;
    let name = match granted.name {
        Some(name) => name,
        None => default_name(template.provider, workload)?,
    };
    let audiences = if granted.audiences.is_empty() {
        template.audiences
    } else {
        granted.audiences
    };
    let builder = granted.builder || are_builders(&org, granted.role, context)?;
    let wanted = SetTrustPolicy {
        flakes: granted.flakes,
        role: granted.role,
        audiences,
        max_lifetime: granted.max_lifetime,
        mint: granted.mint,
        pull_requests: granted.pull_requests,
        builder,
        ..template
    };
    let client = context.client_with_token()?;
    let made = context.change(
        format_args!("cannot create the trust policy {name} of {org}"),
        async { client.set_trust_policy(&org, &name, &wanted).await },
    )?;
    context.output.done(&made, |made| {
        let builders = match (made.builder, made.role) {
            (true, _) => format!(
                "\nThey are builders of {}: what they push overrides what people push.",
                made.organization
            ),
            (false, Role::Read) => String::new(),
            (false, Role::Write | Role::Admin) => format!(
                "\nThey are not builders of {}: with --builder, what they push overrides what people push.",
                made.organization
            ),
        };
        format!(
            "Workloads that meet the trust policy {}/{} may now {} {}.{builders}",
            made.organization,
            made.name,
            match made.role {
                Role::Read => "read",
                Role::Write => "read and push to",
                Role::Admin => "read, push to and manage",
            },
            super::joined(&made.flakes)
        )
    })
}

/// Asks on a terminal whether workloads that push are builders; without one they are none.
fn are_builders(org: &Name, role: Role, context: &Context) -> Result<bool, CommandError> {
    let terminals = context.settings.terminals;
    let asks = terminals.stdin && terminals.stderr && !context.output.is_json();
    if role < Role::Write || !asks {
        return Ok(false);
    }
    context.output.remark(&format!(
        "If two pushes to flakes of {org} disagree about a store path, what its builders pushed is served. \
         Only owners of {org} can choose its builders."
    ));
    context.wait("Nothing was changed.", async {
        terminal::confirm(&format!("Are these jobs builders of {org}?"), false).await
    })
}

/// The one organisation of all flakes.
fn organization(flakes: &[FlakePattern]) -> Result<Name, CommandError> {
    let mut names = flakes.iter().map(|pattern| match pattern {
        FlakePattern::All => None,
        FlakePattern::Organization(org) => Some(org),
        FlakePattern::Flake(flake) => Some(&flake.org),
    });
    let first = names.next().flatten();
    match first {
        Some(org) if names.all(|name| name.is_some_and(|name| name.folded() == org.folded())) => {
            Ok(org.clone())
        }
        _ => Err(CommandError::usage(
            "a trust policy belongs to one organisation: name flakes of that one, such as 'acme/*'",
        )),
    }
}

/// A name that says who is meant: the same for the same workload, so that the same command again replaces.
fn default_name(provider: Provider, workload: Option<&str>) -> Result<Name, CommandError> {
    let mut name = provider.to_string();
    for word in workload
        .unwrap_or_default()
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
    {
        name.push('-');
        name.push_str(word);
    }
    name.truncate(64);
    name.parse()
        .map_err(|error: fh_api::InvalidName| CommandError::usage(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_named_after_its_workload() {
        let name = |workload| {
            default_name(Provider::Github, workload)
                .unwrap()
                .to_string()
        };
        assert_eq!(name(Some("acme/app")), "github-acme-app");
        assert_eq!(name(Some("..//")), "github");
        assert_eq!(name(None), "github");
        assert!(name(Some(&"x".repeat(200))).len() <= 64);
    }

    #[test]
    fn all_flakes_are_of_one_organisation() {
        let of = |texts: &[&str]| {
            let flakes: Vec<_> = texts.iter().map(|text| text.parse().unwrap()).collect();
            organization(&flakes).ok().map(|org| org.to_string())
        };
        assert_eq!(of(&["acme/app", "ACME/*"]).as_deref(), Some("acme"));
        for bad in [
            &["acme/app", "other/x"][..],
            &["*"],
            &["acme/app", "*"],
            &[],
        ] {
            assert_eq!(of(bad), None, "{bad:?}");
        }
    }
}
