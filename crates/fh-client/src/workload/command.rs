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
    let agent = environment.buildkite_agent.as_deref();
    let agent = agent.unwrap_or(Path::new("buildkite-agent"));
    let printed = printed(agent, &arguments).await;
    printed.map_err(failed(
        "this Buildkite job has no identity token",
        "fh runs `buildkite-agent oidc request-token`: it has to be in the PATH of the job, \
         also inside a container, with the variables of the job (BUILDKITE_AGENT_ACCESS_TOKEN, \
         BUILDKITE_JOB_ID).",
    ))
}

/// The program first: the variable's audience is the organization's id, whatever the server's is.
pub(super) async fn circleci(
    environment: &WorkloadEnvironment,
    audience: &str,
) -> Result<IdentityToken> {
    let claims = serde_json::json!({ "aud": audience }).to_string();
    let arguments = ["run", "oidc", "get", "--claims", &claims];
    let program = environment.circleci_program.as_deref();
    let program = program.unwrap_or(Path::new("circleci"));
    let error = match printed(program, &arguments).await {
        Ok(identity) => return Ok(identity),
        Err(error) => error,
    };
    if let Some(token) = &environment.circleci_token {
        return files::only_one("CIRCLE_OIDC_TOKEN_V2", token);
    }
    let reason = "this CircleCI job has no identity token: CIRCLE_OIDC_TOKEN_V2 is not set";
    let advice = "CircleCI gives one to jobs that use at least one context: add `context: NAME` to the \
                  job in the workflow. Pull requests from forks get none.";
    Err(match error {
        Error::CannotRun { .. } => no_identity(reason, advice),
        error => failed(reason, advice)(error),
    })
}

/// The token that a program prints.
async fn printed(program: &Path, arguments: &[&str]) -> Result<IdentityToken> {
    let shown = format!("{} {}", program.display(), arguments.join(" "));
    let output = output(program, arguments, &shown).await?;
    let what = format!("what {} printed", program.display());
    Ok(IdentityToken {
        token: word(&what, &String::from_utf8_lossy(&output))?,
        origin: Origin::Made,
    })
}

/// What a program prints. `shown` is what it is called in an error.
pub(super) async fn output(
    program: &Path,
    arguments: &[&str],
    shown: &str,
) -> Result<Zeroizing<Vec<u8>>> {
    let cannot_run = |source| Error::CannotRun {
        program: program.to_owned(),
        source,
    };
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(cannot_run)?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let ended = async { tokio::try_join!(read(stdout), read(stderr), child.wait()) };
    let ended = tokio::time::timeout(PATIENCE, ended).await;
    let ended = ended.map_err(|_| Error::OutOfTime { allowed: PATIENCE })?;
    let (output, messages, status) = ended.map_err(cannot_run)?;
    if !status.success() {
        return Err(Error::ProgramFailed {
            command: shown.to_owned(),
            status: status.to_string(),
            stderr: safe_lines(&messages, 2000),
        });
    }
    Ok(output)
}

async fn read(pipe: Option<impl AsyncRead + Unpin>) -> std::io::Result<Zeroizing<Vec<u8>>> {
    let room = usize::try_from(MOST_OUTPUT).unwrap_or(usize::MAX);
    let mut bytes = Zeroizing::new(Vec::with_capacity(room));
    if let Some(pipe) = pipe {
        pipe.take(MOST_OUTPUT).read_to_end(&mut bytes).await?;
    }
    Ok(bytes)
}
