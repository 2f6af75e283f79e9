//! `fh token revoke`: tokens end, with all that came of them; what that is, is shown before.

use clap::Args;
use fh_api::{ErrorCode, RevokedToken, TokenRevocation};
use fh_client::Client;
use serde::Serialize;
use uuid::Uuid;

use super::super::token_id::{self, TokenId};
use crate::confirm::{Effect, Yes};
use crate::context::Context;
use crate::error::{CommandError, nouns};
use crate::output::{Columns, Tone, human};

/// Revoke tokens, and the tokens that they created
///
/// A revoked token is no longer valid. The same is true of every token of the same user that was created, rotated or
/// renewed with it, and so on. You can also name a token that has expired or was revoked before, to revoke what was
/// created with it. Tokens that it created for other users are listed, and are revoked only with
/// `--with-made-for-others`. On a terminal, fh asks first.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fh token list
  fh token revoke 019353a8-7d1c-7c3e-8f7e-5a4a2c9b1d10
  fh token revoke --dry-run 019353a8-7d1c-7c3e-8f7e-5a4a2c9b1d10
  fh token revoke --with-made-for-others --yes 019353a8-7d1c-7c3e-8f7e-5a4a2c9b1d10")]
pub(crate) struct RevokeArguments {
    /// Their ids, or the beginnings of their ids, as `fh token list` shows them
    #[arg(value_name = "ID", required = true, value_parser = token_id::parse)]
    ids: Vec<TokenId>,

    /// Also revoke the tokens that they created for other users; you must be allowed to revoke each of them
    #[arg(long)]
    with_made_for_others: bool,

    /// Only show what would be revoked and what would stay valid
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,

    #[command(flatten)]
    yes: Yes,
}

/// What revoking a token does.
#[derive(Debug, Serialize)]
struct Outcome {
    /// The token that was named.
    id: Uuid,
    #[serde(flatten)]
    told: TokenRevocation,
}

/// A token in the list of `--dry-run`.
#[derive(Debug, Serialize)]
struct Affected<'a> {
    token: &'a RevokedToken,
    becomes: &'static str,
}

pub(super) fn run(arguments: &RevokeArguments, context: &Context) -> Result<(), CommandError> {
    let client = context.client_with_token()?;
    let ids = token_id::resolve_all(&arguments.ids, &client, context)?;
    let plan = || plan(&ids, arguments.with_made_for_others, &client, context);
    if arguments.dry_run {
        return print_plan(&plan()?, context);
    }
    let what = if arguments.yes.asks(context) {
        let planned = plan()?;
        let told: Vec<String> = planned.iter().map(|of| sentences(of, &WOULD)).collect();
        told.join("\n")
    } else {
        "A token that is revoked never works again, nor do the tokens created with it.".to_owned()
    };
    arguments
        .yes
        .confirm(Effect::Loses, &what, "Revoke?", context)?;
    let mut done = Vec::new();
    for id in &ids {
        let told = context
            .change(format_args!("cannot revoke the token {id}"), async {
                client
                    .revoke_token(*id, arguments.with_made_for_others)
                    .await
            })
            .map_err(hinted)?;
        let outcome = Outcome { id: *id, told };
        if !context.output.is_json() {
            context.output.remark(&sentences(&outcome, &DID));
        }
        done.push(outcome);
    }
    if context.output.is_json() {
        return context.output.json(&done);
    }
    Ok(())
}

/// What revoking would end, as the server says.
fn plan(
    ids: &[Uuid],
    with_made_for_others: bool,
    client: &Client,
    context: &Context,
) -> Result<Vec<Outcome>, CommandError> {
    let ask = |id: &Uuid| {
        let asked = context.ask(
            format_args!("cannot find out what revoking {id} ends"),
            async { client.token_revocation(*id, with_made_for_others).await },
        );
        let told = asked.map_err(hinted)?;
        Ok(Outcome { id: *id, told })
    };
    ids.iter().map(ask).collect()
}

fn hinted(error: CommandError) -> CommandError {
    error.hint_for(ErrorCode::NotFound, nouns::TOKENS)
}

fn print_plan(planned: &[Outcome], context: &Context) -> Result<(), CommandError> {
    if context.output.is_json() {
        return context.output.json(&planned);
    }
    let affected: Vec<Affected<'_>> = planned
        .iter()
        .flat_map(|outcome| {
            let ended = outcome.told.ended.iter().map(|token| (token, "ends"));
            let others = outcome.told.made_for_others.iter();
            ended.chain(others.map(|token| (token, "stands")))
        })
        .map(|(token, becomes)| Affected { token, becomes })
        .collect();
    let none = "It is no longer valid, and neither is anything that it created.";
    context.output.list_or(&columns(), &affected, none)
}

fn columns<'a>() -> Columns<Affected<'a>> {
    Columns::<Affected<'a>>::new()
        .made("id", "ID", |of: &Affected<'_>| of.token.id.to_string())
        .id()
        .made("user", "USER", |of| of.token.user.to_string())
        .text("becomes", "WOULD")
        .toned(|of, _| (of.becomes == "ends").then_some(Tone::Bad))
        .made("expires_at", "EXPIRES", |of| {
            human::timestamp(of.token.expires_at)
        })
        .shown(|of, now| human::relative(of.token.expires_at, now))
        .ranked(1)
        .made("description", "DESCRIPTION", |of| {
            of.token.description.clone().unwrap_or_default()
        })
        .flexible()
}

/// How it is told before and after.
struct Tense {
    named: &'static str,
    others: &'static str,
    stand: &'static str,
}

const WOULD: Tense = Tense {
    named: "This revokes the token",
    others: "This also revokes",
    stand: "Created for other users, and stays valid (`--with-made-for-others` revokes it):",
};

const DID: Tense = Tense {
    named: "Revoked the token",
    others: "Also revoked",
    stand: "Created for other users, and still valid (`--with-made-for-others` revokes it):",
};

/// What a person is told of one token.
fn sentences(outcome: &Outcome, tense: &Tense) -> String {
    let mut lines = vec![format!("{} {}.", tense.named, outcome.id)];
    let rest: Vec<&RevokedToken> = outcome
        .told
        .ended
        .iter()
        .filter(|token| token.id != outcome.id)
        .collect();
    if !rest.is_empty() {
        lines.push(format!("{}:", tense.others));
        lines.extend(rest.into_iter().map(line));
    }
    if !outcome.told.made_for_others.is_empty() {
        lines.push(tense.stand.to_owned());
        lines.extend(outcome.told.made_for_others.iter().map(line));
    }
    lines.join("\n")
}

/// A token in a list for a person.
pub(super) fn line(token: &RevokedToken) -> String {
    let description = token.description.as_deref();
    let description = description.map_or_else(String::new, |text| format!(", {text}"));
    format!("  {} of {}{description}", token.id, token.user)
}
