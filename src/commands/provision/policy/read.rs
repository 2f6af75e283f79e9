//! Reading a trust policy of the file.

use std::path::PathBuf;

use fh_api::{ConditionSpec, Provider, SetTrustPolicy};
use fh_auth::policy::templates::{self, TemplateError};

use super::super::problem::Said;
use super::super::reader::{Table, Value, role};
use super::Policy;

/// Reads the table of a provider. Where something is wrong with it, a problem was told, whatever comes of it.
type Template = fn(&mut Table<'_>) -> Result<SetTrustPolicy, TemplateError>;

/// Who vouches, with how such a table begins.
const TEMPLATES: [(&str, &str, Template); 9] = [
    ("github", "repository = \"acme/app\"", github),
    ("gitlab", "project = \"acme/app\"", gitlab),
    ("buildkite", "organization = \"acme\"", buildkite),
    ("circleci", "organization-id = \"…\"", circleci),
    ("semaphore", "organization = \"acme\"", semaphore),
    ("gcp", "email = \"ci@acme.iam.gserviceaccount.com\"", gcp),
    (
        "kubernetes",
        "issuer = \"https://k8s.acme.example\"",
        kubernetes,
    ),
    ("aws", "account = \"123456789012\"", aws),
    ("oidc", "issuer = \"https://issuer.example\"", oidc),
];

/// The policy in a table.
pub(in super::super) fn read(value: &Value<'_>) -> Option<Policy> {
    let mut table = value.table("github = { repository = \"acme/app\" }")?;
    let flakes = table
        .need("flakes", "flakes = [\"acme/app\"]")
        .and_then(|it| it.names());
    let role = table.take("role").and_then(|it| role(&it));
    let mut flag = |key| table.take(key).and_then(|it| it.flag());
    let mint = flag("mint");
    let pull_requests = flag("pull-requests");
    let builder = flag("builder");
    let keep_keys = flag("keep-keys");
    let max_lifetime = table.take("max-lifetime").and_then(|it| seconds(&it));
    let audiences = table.take("audiences").and_then(|it| it.texts());
    let pin = table.take("pin").and_then(|it| it.texts());
    let jwks = table.take("jwks").and_then(|it| {
        let path = PathBuf::from(it.text()?);
        Some(Said::at(path, it.spot))
    });
    let made = made(&mut table);
    table.finish();
    let (flakes, made) = (flakes?, made?);
    Some(Policy {
        flakes,
        role,
        mint: mint.unwrap_or(false),
        pull_requests: pull_requests.unwrap_or(false),
        builder,
        max_lifetime,
        audiences: audiences.unwrap_or(made.audiences),
        pin: pin.unwrap_or(made.pin),
        jwks,
        keep_keys: keep_keys.unwrap_or(false),
        provider: made.provider,
        issuer: made.issuer,
        conditions: made.conditions,
        spot: value.spot.clone(),
    })
}

/// A length of time, in seconds.
fn seconds(value: &Value<'_>) -> Option<u64> {
    match fh_api::duration::parse_seconds(value.text()?) {
        Ok(seconds) => Some(seconds),
        Err(error) => {
            value.refuse(error.to_string());
            None
        }
    }
}

/// Who vouches for whom: by exactly one template, or exactly as it is kept. None where a problem was told.
fn made(table: &mut Table<'_>) -> Option<SetTrustPolicy> {
    let mut said: Vec<Option<SetTrustPolicy>> = Vec::new();
    for (key, example, read) in TEMPLATES {
        let Some(value) = table.take(key) else {
            continue;
        };
        said.push(value.table(example).and_then(|mut fields| {
            let before = value.problems();
            let made = read(&mut fields);
            fields.finish();
            // What is missing because it was wrong is not told as missing.
            if value.problems() > before {
                return None;
            }
            made.map_err(|error| value.refuse(error.to_string())).ok()
        }));
    }
    let provider = table.take("provider");
    let issuer = table.take("issuer");
    let conditions = table.take("conditions");
    match provider {
        Some(provider) => said.push(exact(&provider, issuer, conditions)),
        None => {
            for value in [issuer, conditions].into_iter().flatten() {
                value.refuse("this key goes together with the key provider");
            }
        }
    }
    if said.len() != 1 {
        table.refuse(format!(
            "say who vouches, by exactly one of these keys: {}, or provider with conditions",
            Provider::WORDS.join(", ")
        ));
        return None;
    }
    said.pop().flatten()
}

fn exact(
    provider: &Value<'_>,
    issuer: Option<Value<'_>>,
    conditions: Option<Value<'_>>,
) -> Option<SetTrustPolicy> {
    let provider = provider.word(Provider::WORDS, &[])?;
    let issuer = match issuer {
        Some(issuer) => Some(issuer.text()?.to_owned()),
        None => None,
    };
    let conditions = match conditions {
        Some(conditions) => conditions.list(condition)?,
        None => Vec::new(),
    };
    let conditions = conditions.into_iter().map(|said| said.value);
    Some(templates::exact(provider, issuer, conditions.collect()))
}

fn condition(value: &Value<'_>) -> Option<ConditionSpec> {
    let mut table = value.table("claim = \"sub\", equals = \"…\"")?;
    let claim = table.need("claim", "claim = \"sub\"").and_then(text_of);
    let equals = text(&mut table, "equals");
    let glob = text(&mut table, "glob");
    let one_of = table.take("one-of").and_then(|it| it.texts());
    let all_of = table.take("all-of").and_then(|it| it.texts());
    table.finish();
    Some(ConditionSpec {
        claim: claim?,
        equals,
        glob,
        one_of,
        all_of,
    })
}

fn text(table: &mut Table<'_>, key: &'static str) -> Option<String> {
    table.take(key).and_then(text_of)
}

fn number(table: &mut Table<'_>, key: &'static str) -> Option<u64> {
    table.take(key).and_then(|it| it.number())
}

/// The text of a key that has to be there; an empty one where it is not, which is told.
fn needed(table: &mut Table<'_>, key: &'static str, example: &str) -> String {
    let value = table.need(key, &format!("{key} = \"{example}\""));
    value.and_then(text_of).unwrap_or_default()
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "it is what an option is mapped by"
)]
fn text_of(value: Value<'_>) -> Option<String> {
    value.text().map(str::to_owned)
}

fn github(table: &mut Table<'_>) -> Result<SetTrustPolicy, TemplateError> {
    templates::github(&templates::Github {
        repository: text(table, "repository"),
        owner: text(table, "owner"),
        repository_id: number(table, "repository-id"),
        owner_id: number(table, "owner-id"),
        reference: text(table, "ref"),
        environment: text(table, "environment"),
        workflow: text(table, "workflow"),
        host: text(table, "host"),
    })
}

fn gitlab(table: &mut Table<'_>) -> Result<SetTrustPolicy, TemplateError> {
    let unprotected = table.take("unprotected").and_then(|it| it.flag());
    templates::gitlab(&templates::Gitlab {
        project: text(table, "project"),
        group: text(table, "group"),
        project_id: number(table, "project-id"),
        reference: text(table, "ref"),
        unprotected: unprotected.unwrap_or(false),
        environment: text(table, "environment"),
        host: text(table, "host"),
    })
}

fn buildkite(table: &mut Table<'_>) -> Result<SetTrustPolicy, TemplateError> {
    templates::buildkite(&templates::Buildkite {
        organization: needed(table, "organization", "acme"),
        organization_id: text(table, "organization-id"),
        pipeline: text(table, "pipeline"),
        branch: text(table, "branch"),
        step: text(table, "step"),
    })
}

fn circleci(table: &mut Table<'_>) -> Result<SetTrustPolicy, TemplateError> {
    templates::circleci(&templates::Circleci {
        organization_id: needed(table, "organization-id", "…"),
        project_id: needed(table, "project-id", "…"),
        reference: text(table, "ref"),
    })
}

fn semaphore(table: &mut Table<'_>) -> Result<SetTrustPolicy, TemplateError> {
    templates::semaphore(&templates::Semaphore {
        organization: needed(table, "organization", "acme"),
        project_id: needed(table, "project-id", "…"),
        reference: text(table, "ref"),
    })
}

fn gcp(table: &mut Table<'_>) -> Result<SetTrustPolicy, TemplateError> {
    let email = needed(table, "email", "ci@acme.iam.gserviceaccount.com");
    templates::gcp(&email)
}

fn kubernetes(table: &mut Table<'_>) -> Result<SetTrustPolicy, TemplateError> {
    let issuer = needed(table, "issuer", "https://k8s.acme.example");
    let namespace = needed(table, "namespace", "ci");
    let account = needed(table, "service-account", "build");
    templates::kubernetes(&issuer, &namespace, &account)
}

fn aws(table: &mut Table<'_>) -> Result<SetTrustPolicy, TemplateError> {
    templates::aws(&templates::Aws {
        account: needed(table, "account", "123456789012"),
        role: text(table, "role-name"),
        session: text(table, "session"),
    })
}

fn oidc(table: &mut Table<'_>) -> Result<SetTrustPolicy, TemplateError> {
    let issuer = needed(table, "issuer", "https://issuer.example");
    let subject = text(table, "subject");
    let claims = table.take("claims");
    let claims = claims.and_then(|it| it.table("environment = \"production\""));
    let claims = claims.map_or_else(Vec::new, Table::texts);
    templates::oidc(&issuer, subject.as_deref(), &claims)
}
