//! `fh token rotate`: a new token in place of another one, and what came of that one and stays valid.

use std::path::PathBuf;

use clap::Args;
use fh_api::{ErrorCode, RevokedToken, RotateToken, RotatedToken};
use time::OffsetDateTime;

use super::super::token_id::{self, TokenId};
use super::out::NewFile;
use super::revoke;
use crate::context::Context;
use crate::error::{CommandError, nouns};
use crate::output::human;

/// Replace a token with a new one that has the same rights, and print the new one
///
/// The new token has the same permissions, description and lifetime. It never lasts longer than the token that you
/// are logged in with, and is revoked together with that token. The previous token ends at once, or after a grace
/// period in which both are valid. Tokens that were created with the previous one stay valid: fh lists them, and
/// tells how to revoke them. If the previous token has leaked, do so: whoever had it may have renewed it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fh token list
  fh token rotate 019353a8-7d1c-7c3e-8f7e-5a4a2c9b1d10 --out ci.token
  fh token rotate 019353a8-7d1c-7c3e-8f7e-5a4a2c9b1d10 --grace 1h --out ci.token")]
pub(crate) struct RotateArguments {
    /// The id of the previous token, or its beginning, as `fh token list` shows it
    #[arg(value_name = "ID", value_parser = token_id::parse)]
    id: TokenId,

    /// How long the new token is valid [default: the lifetime of the previous one]
    #[arg(long, value_name = "TIME", value_parser = fh_api::duration::parse_seconds)]
    expires: Option<u64>,

    /// How long the previous token stays valid [default: not at all]
    #[arg(long, value_name = "TIME", value_parser = fh_api::duration::parse_seconds)]
    grace: Option<u64>,

    /// Write it to this new file, which only you can read (0600); an existing one is not overwritten
    #[arg(short, long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    out: Option<PathBuf>,
}

pub(super) fn run(arguments: &RotateArguments, context: &Context) -> Result<(), CommandError> {
    let rotate = RotateToken {
        expires_in: arguments.expires,
        grace: arguments.grace,
    };
    let client = context.client_with_token()?;
    let id = token_id::resolve(&arguments.id, &client, context)?;
    let file = arguments.out.as_deref().map(NewFile::create).transpose()?;
    let rotated = context
        .change(format_args!("cannot rotate the token {id}"), async {
            client.rotate_token(id, &rotate).await
        })
        .map_err(|error| error.hint_for(ErrorCode::NotFound, nouns::TOKENS))?;
    let text = if context.output.is_json() {
        context.output.json_text(&rotated)
    } else {
        Ok(format!("{}\n", rotated.token))
    };
    let printed = text.and_then(|text| match file {
        Some(file) => file.fill(&text),
        None => context.output.text(&text),
    });
    printed.map_err(|error| {
        error.hint(format!(
            "The new token was created and is lost: `fh token revoke {}`",
            rotated.info.id
        ))
    })?;
    let end = if arguments.grace.is_some() {
        "ends after the grace period"
    } else {
        "is no longer valid"
    };
    context.output.remark(&format!(
        "Created the token {} until {}; {id} {end}.",
        rotated.info.id,
        human::date(rotated.info.expires_at, OffsetDateTime::now_utc())
    ));
    if !context.output.is_json() {
        tell_left(&rotated, context);
    }
    Ok(())
}

/// Tells what came of the previous token and stays valid, and how to revoke it.
fn tell_left(rotated: &RotatedToken, context: &Context) {
    for (what, tokens, count) in [
        (
            "still valid, as they came of the previous token",
            &rotated.still_valid,
            rotated.still_valid_count,
        ),
        (
            "still valid, as it created them for other users",
            &rotated.made_for_others,
            rotated.made_for_others_count,
        ),
    ] {
        if let Some(left) = left(tokens, count) {
            // Also with --quiet: a thief's tokens would stay valid unknown to anybody.
            context.output.warning(&format!("{what}:\n{left}"));
        }
    }
}

/// Tokens that stay valid, of `count` in all, and how to revoke those that are listed.
fn left(tokens: &[RevokedToken], count: u64) -> Option<String> {
    if tokens.is_empty() {
        return None;
    }
    let mut lines: Vec<String> = tokens.iter().map(revoke::line).collect();
    // An older server does not count them, and lists all.
    let more = count.saturating_sub(tokens.len() as u64);
    if more > 0 {
        lines.push(format!("  and {more} more: `fh token list` shows yours"));
    }
    let ids: Vec<String> = tokens.iter().map(|token| token.id.to_string()).collect();
    lines.push(format!(
        "To revoke them: `fh token revoke {}`",
        ids.join(" ")
    ));
    Some(lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_listed_and_the_rest_is_counted() {
        let [first, second] = [1, 2].map(|number| RevokedToken {
            id: uuid::Uuid::from_u128(number),
            user: "alice".parse().unwrap(),
            description: (number == 2).then(|| "laptop".to_owned()),
            expires_at: OffsetDateTime::UNIX_EPOCH,
        });
        let (a, b) = (first.id, second.id);
        let both = [first, second];
        let told = |tokens: &[RevokedToken], count| left(tokens, count).unwrap_or_default();
        assert_eq!(left(&[], 0), None);
        let revoke = format!("To revoke them: `fh token revoke {a} {b}`");
        let lines = format!("  {a} of alice\n  {b} of alice, laptop");
        // Of an older server there is no count.
        for count in [0, 2] {
            assert_eq!(told(&both, count), format!("{lines}\n{revoke}"));
        }
        let more = "  and 1998 more: `fh token list` shows yours";
        assert_eq!(told(&both, 2000), format!("{lines}\n{more}\n{revoke}"));
        assert!(told(&both[..1], 2).contains("  and 1 more: "));
    }
}
