//! What identities are exchanged for.

use fh_api::oauth::ExchangeRequest;
use fh_api::{FlakePattern, Permission};
use fh_auth::TokenScope;
use fh_persistence::database::tokens::TokenActing;

use super::super::exchange::{Facts, Held, Terms, decide, token};
use super::examples::{DAY, account, at};

fn scope(permissions: &[Permission]) -> TokenScope {
    let flakes: FlakePattern = "acme/*".parse().unwrap();
    TokenScope::new(permissions.iter().copied(), [flakes])
}

fn asking(scope: Option<&str>, expires_in: Option<u64>) -> ExchangeRequest {
    ExchangeRequest {
        grant_type: String::new(),
        subject_token: String::new(),
        subject_token_type: String::new(),
        scope: scope.map(str::to_owned),
        organization: Vec::new(),
        expires_in,
    }
}

#[test]
fn an_identity_gets_what_it_asks_for_of_what_it_holds() {
    use Permission::{Pull, Push};
    let held = Held {
        scope: scope(&[Pull, Push]),
        longest: DAY,
    };
    for (words, seconds, expected) in [
        (None, None, Ok((scope(&[Pull, Push]), DAY))),
        (Some("pull"), Some(60), Ok((scope(&[Pull]), 60))),
        (Some(" push  pull "), None, Ok((scope(&[Pull, Push]), DAY))),
        (None, Some(DAY + 1), Ok((scope(&[Pull, Push]), DAY))),
        (None, Some(0), Err("invalid_request")),
        (Some(""), None, Err("invalid_scope")),
        (Some("pull mint"), None, Err("invalid_scope")),
        (Some("everything"), Some(0), Err("invalid_scope")),
    ] {
        let decided = decide(&held, &asking(words, seconds));
        let decided = decided.map(|terms| (terms.scope, terms.lifetime));
        assert_eq!(
            decided.map_err(|error| error.word()),
            expected,
            "{words:?} {seconds:?}"
        );
    }
}

#[test]
fn an_identity_is_exchanged_once_and_as_long_as_its_policy_is_there() {
    let terms = Terms {
        scope: scope(&[Permission::Pull]),
        lifetime: DAY,
    };
    let facts = |account, is_first| Facts {
        account,
        is_first,
        acting: TokenActing {
            organization_id: 5,
            reads: Vec::new(),
        },
        claims: "{}".to_owned(),
    };
    let policy = || Some(account("policy"));
    let good = facts(policy(), true);
    let new = token(&terms, &good, at(1)).unwrap();
    assert_eq!((new.created_at, new.expires_at), (at(1), at(2)));
    assert_eq!((new.parent_id, new.claims), (None, Some("{}")));
    for (facts, part) in [
        (facts(policy(), false), "exchanged already"),
        (facts(None, true), "does not trust the workload identity"),
        (facts(None, false), "does not trust the workload identity"),
    ] {
        let message = token(&terms, &facts, at(1)).unwrap_err().message();
        assert!(message.contains(part), "{message}");
    }
}
