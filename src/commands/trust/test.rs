//! `fh trust test`.

use std::path::PathBuf;

use clap::Args;
use fh_api::{Name, TestTrust, TrustTest};
use secrecy::ExposeSecret;

use crate::context::Context;
use crate::error::CommandError;
use crate::token_source;

/// Show which trust policy an identity matches, or which condition failed
///
/// This grants no access and changes nothing. In a job on GitHub,
/// `curl -H "Authorization: Bearer $ACTIONS_ID_TOKEN_REQUEST_TOKEN"
/// "$ACTIONS_ID_TOKEN_REQUEST_URL&audience=AUDIENCE"` returns the identity as `value`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fh trust test --org acme identity.jwt
  fh trust test --org acme - < identity.jwt")]
pub(crate) struct TestArguments {
    /// The organisation whose policies are tested
    #[arg(long, value_name = "ORG")]
    org: Name,

    /// A file with the identity token, or `-` for stdin
    #[arg(value_name = "TOKEN_FILE")]
    file: PathBuf,
}

/// Fails where no policy lets the identity in.
pub(super) fn run(arguments: &TestArguments, context: &Context) -> Result<(), CommandError> {
    let token = if arguments.file.as_os_str() == "-" {
        token_source::from_stdin()?
    } else {
        token_source::from_argument(&arguments.file)?
    };
    let client = context.client_with_token()?;
    let test = TestTrust {
        token: token.expose_secret().to_owned(),
    };
    let found = context.ask("cannot test the identity", async {
        client.test_trust(&arguments.org, &test).await
    })?;
    if context.output.is_json() {
        context.output.json(&found)?;
    } else {
        context.output.text(&report(&found))?;
    }
    if found.policies.iter().any(|policy| policy.role.is_some()) {
        return Ok(());
    }
    Err(CommandError::failed(format!(
        "no trust policy of {} lets this identity in",
        arguments.org
    )))
}

fn report(found: &TrustTest) -> String {
    let mut text = String::new();
    let mut line = |line: String| {
        text.push_str(&crate::output::printable(&line));
        text.push('\n');
    };
    if let Some(refused) = &found.refused {
        line(format!("The identity itself is refused: {refused}"));
    }
    for policy in &found.policies {
        match policy.role {
            Some(role) => {
                let builder = if policy.builder {
                    ", as a builder of the organisation"
                } else {
                    ""
                };
                line(format!(
                    "{}: matches, and gives {role}{builder}",
                    policy.policy
                ));
            }
            None if policy.failures.is_empty() => {
                line(format!("{}: its conditions would hold", policy.policy));
            }
            None => line(format!("{}: does not match", policy.policy)),
        }
        for sentence in policy.failures.iter().chain(&policy.remarks) {
            line(format!("  {sentence}"));
        }
    }
    text
}
