//! `fh trust test`: which policy lets an identity in, or which condition keeps it out.

use std::path::{Path, PathBuf};

use clap::Args;
use fh_api::{InvalidName, Name, TestTrust, TrustTest};
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
  fh trust test acme identity.jwt
  fh trust test acme - < identity.jwt")]
pub(crate) struct TestArguments {
    /// The organisation whose policies are tested
    #[arg(value_name = "ORG", add = crate::completion::organizations())]
    org: PathBuf,

    /// A file with the identity token, or `-` for stdin
    #[arg(value_name = "FILE", required_unless_present = "org-option")]
    file: Option<PathBuf>,

    // As it was said first: with it, the file is the only word.
    #[arg(
        long = "org",
        id = "org-option",
        value_name = "ORG",
        hide = true,
        conflicts_with = "file"
    )]
    option: Option<Name>,
}

impl TestArguments {
    /// The organisation and the file.
    fn words(&self) -> Result<(Name, &Path), CommandError> {
        match (&self.option, &self.file) {
            (Some(org), _) => Ok((org.clone(), &self.org)),
            (None, Some(file)) => {
                let org: Result<Name, InvalidName> = self.org.to_string_lossy().parse();
                Ok((org.map_err(CommandError::usage)?, file))
            }
            // clap asks for one of both.
            (None, None) => Err(CommandError::usage("expected ORG FILE")),
        }
    }
}

/// Fails where no policy lets the identity in.
pub(super) fn run(arguments: &TestArguments, context: &Context) -> Result<(), CommandError> {
    let (org, file) = &arguments.words()?;
    let token = if file.as_os_str() == "-" {
        token_source::from_stdin()?
    } else {
        token_source::from_argument(file)?
    };
    let client = context.client_with_token()?;
    let test = TestTrust {
        token: token.expose_secret().to_owned(),
    };
    let found = context.ask("cannot test the identity", client.test_trust(org, &test))?;
    if context.output.is_json() {
        context.output.json(&found)?;
    } else {
        context.output.text(&report(&found))?;
    }
    if found.policies.iter().any(|policy| policy.role.is_some()) {
        return Ok(());
    }
    Err(CommandError::failed(format!(
        "no trust policy of {org} lets this identity in"
    )))
}

fn report(found: &TrustTest) -> String {
    let mut text = String::new();
    let mut line = |line: String| {
        text.push_str(&crate::text::printable(&line));
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

#[cfg(test)]
mod tests {
    use clap::FromArgMatches as _;

    use super::*;

    fn words(line: &str) -> Option<(String, String)> {
        let command = TestArguments::augment_args(clap::Command::new("test"));
        let words = ["test"].into_iter().chain(line.split(' '));
        let matches = command.try_get_matches_from(words).ok()?;
        let arguments = TestArguments::from_arg_matches(&matches).unwrap();
        let (org, file) = arguments.words().ok()?;
        Some((org.to_string(), file.display().to_string()))
    }

    #[test]
    fn the_organisation_comes_first_and_as_an_option_it_can_stand_anywhere() {
        for line in [
            "acme id.jwt",
            "--org acme id.jwt",
            "id.jwt --org acme",
            "id.jwt --org=acme",
        ] {
            let found = words(line);
            assert_eq!(found, Some(("acme".into(), "id.jwt".into())), "{line}");
        }
        assert_eq!(words("acme -"), Some(("acme".into(), "-".into())));
        assert_eq!(words("--org acme -"), Some(("acme".into(), "-".into())));
        for line in [
            "acme",
            "id.jwt",
            "a/b id.jwt",
            "acme id.jwt --org acme",
            "acme a b",
        ] {
            assert_eq!(words(line), None, "{line}");
        }
    }
}
