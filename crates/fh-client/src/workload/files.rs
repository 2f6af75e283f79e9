//! Identity tokens that are there already: in a variable of the job, or in a file that the platform
//! keeps fresh.

use std::io;
use std::path::Path;

use fh_conf::regular;
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret as _, SecretString};

use super::WorkloadEnvironment;
use super::identity::{IdentityToken, Origin, failed, no_identity, word};
use crate::error::{Error, Result};

/// More than any token has.
const LONGEST: u64 = 64 * 1024;

pub(super) fn gitlab(environment: &WorkloadEnvironment, audience: &str) -> Result<IdentityToken> {
    let advice = format!(
        "Let GitLab give the job a token, in .gitlab-ci.yml:\n\
         \x20 id_tokens:\n\
         \x20   FH_ID_TOKEN:\n\
         \x20     aud: {audience}\n\
         A variable of another name is named by FH_WORKLOAD_TOKEN_VARIABLE."
    );
    named(
        environment,
        "this GitLab CI job has no identity token: FH_ID_TOKEN is not set",
        &advice,
    )
}

pub(super) fn semaphore(environment: &WorkloadEnvironment) -> Result<IdentityToken> {
    let Some(token) = &environment.semaphore_token else {
        return Err(no_identity(
            "this Semaphore job has no identity token: SEMAPHORE_OIDC_TOKEN is not set",
            "Semaphore sets it if OpenID Connect is part of the organization's plan.",
        ));
    };
    only_one("SEMAPHORE_OIDC_TOKEN", token)
}

pub(super) fn kubernetes(
    environment: &WorkloadEnvironment,
    audience: &str,
) -> Result<IdentityToken> {
    let file = environment.token_file.as_deref();
    let file = file.unwrap_or_else(|| environment.kubernetes_token_file());
    let directory = file.parent().unwrap_or(file).display();
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let advice = format!(
        "Project a token into the pod, and mount the volume at {directory}:\n\
         \x20 volumes:\n\
         \x20 - name: fh\n\
         \x20   projected:\n\
         \x20     sources:\n\
         \x20     - serviceAccountToken:\n\
         \x20         path: {name}\n\
         \x20         audience: {audience}\n\
         \x20         expirationSeconds: 3600\n\
         A file in another place is named by FH_WORKLOAD_TOKEN_FILE."
    );
    kept_fresh(file, &advice)
}

pub(super) fn token(environment: &WorkloadEnvironment) -> Result<IdentityToken> {
    named(
        environment,
        "there is no identity token: none of FH_WORKLOAD_TOKEN_FILE, FH_WORKLOAD_TOKEN_VARIABLE \
         and FH_ID_TOKEN is set",
        "Name a file that holds a JWT by FH_WORKLOAD_TOKEN_FILE, or a variable by \
         FH_WORKLOAD_TOKEN_VARIABLE, or put it into FH_ID_TOKEN.",
    )
}

/// The token that was named; without one, `missing` says so.
fn named(environment: &WorkloadEnvironment, missing: &str, advice: &str) -> Result<IdentityToken> {
    if let Some((name, value)) = &environment.token_variable {
        let value = value.as_ref().ok_or_else(|| {
            let reason = format!(
                "there is no identity token: FH_WORKLOAD_TOKEN_VARIABLE names {name}, which is not set"
            );
            no_identity(reason, advice)
        })?;
        return only_one(name, value);
    }
    if let Some(file) = &environment.token_file {
        return kept_fresh(file, advice);
    }
    let token = environment.id_token.as_ref();
    let token = token.ok_or_else(|| no_identity(missing, advice))?;
    only_one("FH_ID_TOKEN", token)
}

/// The token in a variable: no process can change it.
pub(super) fn only_one(name: &str, token: &SecretString) -> Result<IdentityToken> {
    Ok(IdentityToken {
        token: word(name, token.expose_secret())?,
        origin: Origin::OnlyOne,
    })
}

fn kept_fresh(file: &Path, advice: &str) -> Result<IdentityToken> {
    let text = read(file).map_err(failed("there is no identity token", advice))?;
    Ok(IdentityToken {
        token: word(&file.display().to_string(), &text)?,
        origin: Origin::KeptFresh,
    })
}

/// A small file with a secret.
pub(super) fn read(path: &Path) -> Result<Zeroizing<String>> {
    let failed = |error| Error::file("read", path, error);
    let text = regular::read(path, LONGEST).map_err(failed)?;
    let text = text.ok_or_else(|| failed(regular::missing()))?;
    match String::from_utf8(text) {
        Ok(text) => Ok(Zeroizing::new(text)),
        Err(error) => {
            drop(Zeroizing::new(error.into_bytes()));
            let reason = "it is not valid UTF-8";
            Err(failed(io::Error::new(io::ErrorKind::InvalidData, reason)))
        }
    }
}
