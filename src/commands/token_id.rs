//! Ids of tokens as people name them: whole, or their beginning, which is what lists show.
//!
//! Invariant: a beginning means a token only if no other token that the caller sees begins with it, whosever that is.

use std::collections::BTreeMap;

use fh_api::{OrganizationRole, Permission, TokenInfo};
use fh_client::Client;
use uuid::Uuid;

use crate::context::Context;
use crate::error::{CommandError, nouns};

/// Shorter ones are slips of the pen.
const SHORTEST: usize = 8;

/// The hexadecimal digits of an id.
const DIGITS: usize = 32;

/// An id, or its beginning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TokenId {
    Whole(Uuid),
    /// Its hexadecimal digits, in lower case and without hyphens.
    Beginning(String),
}

/// Reads what stands on the command line.
///
/// # Errors
/// What is expected, where it is no beginning of an id.
pub(crate) fn parse(text: &str) -> Result<TokenId, String> {
    if let Ok(id) = text.parse() {
        return Ok(TokenId::Whole(id));
    }
    let digits: String = text.chars().filter(|c| *c != '-').collect();
    let are_digits = digits.chars().all(|c| c.is_ascii_hexdigit());
    if are_digits && (SHORTEST..DIGITS).contains(&digits.len()) {
        return Ok(TokenId::Beginning(digits.to_ascii_lowercase()));
    }
    Err(
        "expected the id of a token, or its beginning, as `fh token list` shows it: 019353a8-7d1c"
            .to_owned(),
    )
}

/// The id that is meant. The server is asked only if it is not whole.
///
/// # Errors
/// Where the server does not show the tokens; where a beginning is that of none, or of several.
pub(super) fn resolve(
    id: &TokenId,
    client: &Client,
    context: &Context,
) -> Result<Uuid, CommandError> {
    match id {
        TokenId::Whole(id) => Ok(*id),
        TokenId::Beginning(digits) => one(digits, &ask(client, context)?),
    }
}

/// The ids that are meant, in their order, as for [`resolve`].
///
/// # Errors
/// Those of [`resolve`].
pub(super) fn resolve_all(
    ids: &[TokenId],
    client: &Client,
    context: &Context,
) -> Result<Vec<Uuid>, CommandError> {
    let is_beginning = |id: &TokenId| matches!(id, TokenId::Beginning(_));
    let known = if ids.iter().any(is_beginning) {
        ask(client, context)?
    } else {
        BTreeMap::new()
    };
    let meant = ids.iter().map(|id| match id {
        TokenId::Whole(id) => Ok(*id),
        TokenId::Beginning(digits) => one(digits, &known),
    });
    meant.collect()
}

fn ask(client: &Client, context: &Context) -> Result<BTreeMap<Uuid, TokenInfo>, CommandError> {
    context.ask("cannot look for the token", visible(client))
}

/// All tokens that the caller may see: of everybody, or their own and those of service accounts that they administer.
async fn visible(client: &Client) -> fh_client::Result<BTreeMap<Uuid, TokenInfo>> {
    let whoami = client.whoami().await?;
    let manages = whoami.permissions.contains(&Permission::Admin);
    let mut tokens = Vec::new();
    let all = if whoami.server_admin && manages {
        unless_refused(client.tokens(true).await)?
    } else {
        None
    };
    match all {
        Some(all) => tokens.extend(all.tokens),
        None => tokens.extend(client.tokens(false).await?.tokens),
    }
    if manages && let Some(list) = unless_refused(client.organizations().await)? {
        let administered = list.orgs.into_iter();
        for org in administered.filter(|org| org.role >= Some(OrganizationRole::Admin)) {
            let Some(accounts) = unless_refused(client.service_accounts(&org.name).await)? else {
                continue;
            };
            for account in accounts.users {
                let list = unless_refused(client.tokens_of(&account.name).await)?;
                tokens.extend(list.into_iter().flat_map(|list| list.tokens));
            }
        }
    }
    Ok(tokens.into_iter().map(|token| (token.id, token)).collect())
}

/// None where the server does not let the caller see it.
fn unless_refused<T>(answer: fh_client::Result<T>) -> fh_client::Result<Option<T>> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if matches!(error.status(), Some(403 | 404)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The one token whose id begins with these digits.
fn one(digits: &str, known: &BTreeMap<Uuid, TokenInfo>) -> Result<Uuid, CommandError> {
    let begin = |id: &Uuid| id.simple().to_string().starts_with(digits);
    let found: Vec<&TokenInfo> = known
        .iter()
        .filter(|(id, _)| begin(id))
        .map(|(_, token)| token)
        .collect();
    match found.as_slice() {
        [token] => Ok(token.id),
        [] => Err(CommandError::failed(format!(
            "no token that you can see has an id that begins with {digits}"
        ))
        .hint(nouns::TOKENS)),
        several => {
            let mut text = format!("{digits} is the beginning of several ids:");
            for token in several {
                let description = token.description.as_deref();
                let description = description.map_or_else(String::new, |text| format!(", {text}"));
                text.push_str(&format!("\n{} of {}{description}", token.id, token.user));
            }
            Err(CommandError::failed(text).hint("Give more of the id."))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_id_is_whole_or_begins() {
        let whole = "019353a8-7d1c-7c3e-8f7e-5a4a2c9b1d10";
        assert_eq!(parse(whole), Ok(TokenId::Whole(whole.parse().unwrap())));
        for (text, digits) in [
            ("019353a8", "019353a8"),
            ("019353a8-7d1c", "019353a87d1c"),
            ("019353A87D1c", "019353a87d1c"),
            (
                "019353a8-7d1c-7c3e-8f7e-5a4a2c9b1d1",
                "019353a87d1c7c3e8f7e5a4a2c9b1d1",
            ),
        ] {
            assert_eq!(
                parse(text),
                Ok(TokenId::Beginning(digits.to_owned())),
                "{text}"
            );
        }
        for text in [
            "",
            "nonsense",
            "019353a",
            "fh1_x",
            "019353a8…",
            "------------",
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.starts_with("expected the id of a token"), "{text:?}");
        }
        // One digit too many.
        assert!(parse(&format!("{whole}0")).is_err());
    }

    #[test]
    fn a_beginning_means_one_token_or_none() {
        let token = |id: &str, user: &str| -> (Uuid, TokenInfo) {
            let token: TokenInfo = serde_json::from_value(json!({
                "id": id, "user": user, "permissions": ["pull"], "flakes": ["*"],
                "created_at": "2026-01-01T00:00:00Z", "expires_at": "2027-01-01T00:00:00Z",
                "description": "a laptop", "last_used_at": null, "revoked_at": null,
            }))
            .unwrap();
            (token.id, token)
        };
        let (first, second) = (
            "019353a8-7d1c-7c3e-8f7e-5a4a2c9b1d10",
            "019353a8-7d1d-7c3e-8f7e-5a4a2c9b1d10",
        );
        let known = BTreeMap::from([token(first, "alice"), token(second, "bob")]);
        assert_eq!(one("019353a87d1c", &known).unwrap().to_string(), first);
        assert_eq!(one("019353a87d1d7", &known).unwrap().to_string(), second);
        for (digits, told) in [
            (
                "019353a8",
                "several ids:\n  019353a8-7d1c-7c3e-8f7e-5a4a2c9b1d10 of alice, a laptop\n",
            ),
            ("019353a9", "begins with 019353a9\n"),
            // Not in the middle of an id.
            ("7d1c7c3e", "begins with 7d1c7c3e\n"),
        ] {
            let error = one(digits, &known).unwrap_err().to_text();
            assert!(error.contains(told), "{digits}: {error}");
        }
    }
}
