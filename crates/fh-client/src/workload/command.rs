//! Identity tokens that a program of the platform prints.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use secrecy::zeroize::Zeroizing;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;

use super::identity::{IdentityToken, Origin, failed, no_identity, word};
use super::{WorkloadEnvironment, files};
use crate::error::{Error, Result};
use crate::provider::Provider;
use crate::text::safe_lines;

/// How long such a program may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// How much of what it prints is read.
const MOST_OUTPUT: u64 = 64 * 1024;

pub(super) async fn buildkite(
    environment: &WorkloadEnvironment,
    audience: &str,
) -> Result<IdentityToken> {
    let arguments = ["oidc", "request-token", "--audience", audience];
    printed(Provider::Buildkite, &environment.buildkite_agent, &arguments)
        .await
        .map_err(|error| {
            failed(
                Provider::Buildkite,
                "this Buildkite job has no identity token",
                "fh runs `buildkite-agent oidc request-token`: it has to be in the PATH of the job, \
                 also inside a container, with the variables of the job (BUILDKITE_AGENT_ACCESS_TOKEN, \
                 BUILDKITE_JOB_ID).",
                error,
            )
        })
}

/// The program first: the variable's audience is the organization's id, whatever the server's is.
pub(super) async fn circleci(
    environment: &WorkloadEnvironment,
    audience: &str,
) -> Result<IdentityToken> {
    let claims = serde_json::json!({ "aud": audience }).to_string();
    let arguments = ["run", "oidc", "get", "--claims", &claims];
    let error = match printed(
        Provider::CircleCi,
        &environment.circleci_program,
        &arguments,
    )
    .await
    {
        Ok(identity) => return Ok(identity),
        Err(error) => error,
    };
    if let Some(token) = &environment.circleci_token {
        return files::only_one(Provider::CircleCi, "CIRCLE_OIDC_TOKEN_V2", token);
    }
    let reason = "this CircleCI job has no identity token: CIRCLE_OIDC_TOKEN_V2 is not set";
    let advice = "CircleCI gives one to jobs that use at least one context: add `context: NAME` to the \
                  job in the workflow. Pull requests from forks get none.";
    Err(match error {
        Error::CannotRun { .. } => no_identity(Provider::CircleCi, reason, advice),
        error => failed(Provider::CircleCi, reason, advice, error),
    })
}

/// The token that a program prints.
async fn printed(provider: Provider, program: &Path, arguments: &[&str]) -> Result<IdentityToken> {
    let output = output(program, arguments, &shown(program, arguments)).await?;
    let text = String::from_utf8_lossy(&output);
    let token = word(
        provider,
        &format!("what {} printed", program.display()),
        &text,
    )?;
    Ok(IdentityToken {
        token,
        origin: Origin::Made,
    })
}

/// What a program prints. `shown` is what it is called in an error.
pub(super) async fn output(
    program: &Path,
    arguments: &[&str],
    shown: &str,
) -> Result<Zeroizing<Vec<u8>>> {
    let run = async {
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|source| Error::CannotRun {
                program: program.to_owned(),
                source,
            })?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let (output, messages, status) = tokio::join!(read(stdout), read(stderr), child.wait());
        let broken = |source| Error::CannotRun {
            program: program.to_owned(),
            source,
        };
        let (output, messages, status) = (
            output.map_err(broken)?,
            messages.map_err(broken)?,
            status.map_err(broken)?,
        );
        if !status.success() {
            return Err(Error::ProgramFailed {
                command: shown.to_owned(),
                status: status.to_string(),
                stderr: safe_lines(&messages, 2000),
            });
        }
        Ok(output)
    };
    tokio::time::timeout(PATIENCE, run)
        .await
        .map_err(|_| Error::OutOfTime { allowed: PATIENCE })?
}

fn shown(program: &Path, arguments: &[&str]) -> String {
    format!("{} {}", program.display(), arguments.join(" "))
}

async fn read(pipe: Option<impl AsyncRead + Unpin>) -> std::io::Result<Zeroizing<Vec<u8>>> {
    let room = usize::try_from(MOST_OUTPUT).unwrap_or(usize::MAX);
    let mut bytes = Zeroizing::new(Vec::with_capacity(room));
    if let Some(pipe) = pipe {
        pipe.take(MOST_OUTPUT).read_to_end(&mut bytes).await?;
    }
    Ok(bytes)
}
