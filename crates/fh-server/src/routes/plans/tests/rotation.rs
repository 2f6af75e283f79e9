//! What takes the place of a token.

use fh_access::ApiError;
use fh_persistence::database::tokens::{RenewalTerms, Token};

use super::super::rotation::{Facts, Wanted, decide};
use super::examples::{DAY, account, asking, at, settings, token};

/// Of a token of day 0 on day 10.
fn wanted(asked: Option<u64>, grace: Option<u64>) -> Wanted {
    let former = 30 * DAY;
    Wanted::new(asked, grace, former, at(90), settings(), at(10)).unwrap()
}

/// alice rotates a token of somebody, which lasts 30 days, with one that lasts 90.
fn facts(user: &str) -> Facts {
    Facts {
        asking: Some(asking("alice", 90)),
        former: Some(Token {
            id: 5,
            ..token(user, 30)
        }),
        account: Some(account(user)),
        valid: 1,
        at: at(10),
    }
}

#[test]
fn the_new_token_is_the_former_one_with_new_times() {
    for (what, asked, end) in [
        ("as long as the former", None, 40),
        ("as asked", Some(3 * DAY), 13),
        ("no longer than the one that asks", Some(85 * DAY), 90),
    ] {
        let facts = facts("bob");
        let wanted = wanted(asked, None);
        let plan = decide(&wanted, &facts, settings(), 50).unwrap();
        let former = facts.former.as_ref().unwrap();
        assert_eq!(plan.new.account_id, former.account_id, "{what}");
        assert_eq!(plan.new.scope, &former.scope, "{what}");
        assert_eq!(plan.new.description, Some("bob's"), "{what}");
        assert_eq!(plan.new.expires_at, at(end), "{what}");
        assert_eq!(plan.new.parent_id, Some(token("alice", 90).id), "{what}");
    }
}

#[test]
fn the_former_one_ends_at_once_or_after_the_grace_for_which_there_has_to_be_room() {
    let end = |grace, valid| {
        let facts = Facts {
            valid,
            ..facts("alice")
        };
        let plan = decide(&wanted(None, grace), &facts, settings(), 50);
        plan.map(|plan| plan.former_ends)
            .map_err(|error| error.message())
    };
    assert_eq!(end(None, 50), Ok(None));
    assert_eq!(end(Some(0), 50), Ok(None));
    assert_eq!(end(Some(DAY), 49), Ok(Some(at(11))));
    assert!(end(Some(DAY), 50).unwrap_err().contains("50 valid tokens"));
}

#[test]
fn no_rotation_makes_renewals_longer() {
    let mut itself = facts("alice");
    itself.former = Some(token("alice", 90));
    itself.former.as_mut().unwrap().terms.ends_by = Some(at(200));
    let bound = |first_at, days, ends_by| RenewalTerms {
        first_at,
        lifetime: Some(days * DAY),
        ends_by,
    };
    let (first, year) = (Some(at(0)), 90);
    for (what, facts, asked, terms) in [
        ("itself", itself, None, bound(first, 30, Some(at(200)))),
        (
            "its own",
            facts("alice"),
            None,
            bound(first, 30, Some(at(90))),
        ),
        ("another's", facts("bob"), None, bound(None, 30, None)),
        (
            "for longer",
            facts("bob"),
            Some(year * DAY),
            bound(None, 90, None),
        ),
    ] {
        let wanted = wanted(asked, None);
        let plan = decide(&wanted, &facts, settings(), 50).unwrap();
        assert_eq!(plan.new.terms, terms, "{what}");
    }
}

#[test]
fn what_has_ended_meanwhile_is_refused() {
    let without = |change: fn(&mut Facts)| {
        let mut facts = facts("bob");
        change(&mut facts);
        facts
    };
    for (what, facts, part) in [
        (
            "nobody asks",
            without(|facts| facts.asking = None),
            "no longer valid",
        ),
        (
            "it has ended",
            without(|facts| facts.at = at(30)),
            "create a new one",
        ),
        (
            "it was revoked",
            without(|facts| facts.former.as_mut().unwrap().revoked_at = Some(at(9))),
            "create a new one",
        ),
        ("it is gone", without(|facts| facts.former = None), ""),
        (
            "its account is gone",
            without(|facts| facts.account = None),
            "",
        ),
    ] {
        let refused = decide(&wanted(None, None), &facts, settings(), 50);
        let error = refused.unwrap_err();
        assert!(error.message().contains(part), "{what}");
        assert_eq!(
            matches!(error, ApiError::NotFound),
            part.is_empty(),
            "{what}"
        );
    }
}
