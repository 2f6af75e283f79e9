//! What tokens are minted, and what is refused.

use fh_api::{FlakePattern, Permission, RenewalRule, UserKind};
use fh_auth::{Narrowing, TokenScope};
use fh_persistence::database::accounts::Account;
use fh_persistence::database::tokens::{RenewalTerms, TokenActing};
use fh_settings::TokenSettings;

use super::super::minting::{Facts, Wanted, decide, end, within};
use super::examples::{DAY, account, asking, at, settings};

fn wanted(user: Option<&str>) -> Wanted {
    Wanted {
        description: Some("for a test".to_owned()),
        user: user.map(|name| name.parse().unwrap()),
        organization_id: None,
        scope: TokenScope::new([Permission::Pull], [FlakePattern::All]),
        renewable: false,
        created_at: at(10),
        expires_at: at(20),
    }
}

fn facts(account: Option<Account>) -> Facts {
    Facts {
        asking: Some(asking("alice", 90)),
        account,
        valid: 1,
        at: at(10),
    }
}

/// A service account of the organisation 5.
fn service() -> Account {
    Account {
        kind: UserKind::Service,
        organization_id: Some(5),
        ..account("ci")
    }
}

#[test]
fn a_token_of_ones_own_hands_down_what_the_workload_is_and_one_for_another_does_not() {
    let mut facts = facts(Some(service()));
    let acting = TokenActing {
        organization_id: 5,
        reads: Vec::new(),
    };
    let parent = &mut facts.asking.as_mut().unwrap().token;
    parent.claims = Some("{}".to_owned());
    parent.acting = Some(acting.clone());
    let (own, another) = (wanted(None), wanted(Some("ci")));
    let own = decide(&own, &facts, settings(), 50).unwrap();
    assert_eq!(own.account_id, account("alice").id);
    assert_eq!((own.claims, own.acting), (Some("{}"), Some(&acting)));
    assert_eq!((own.created_at, own.expires_at), (at(10), at(20)));
    let another = decide(&another, &facts, settings(), 50).unwrap();
    assert_eq!(another.account_id, service().id);
    assert_eq!((another.claims, another.acting), (None, None));
    assert_eq!(another.created_by, own.created_by);
    assert_eq!(another.parent_id, own.parent_id);
}

#[test]
fn renewals_are_bound_to_what_the_token_was_minted_with() {
    let bound = |ends_by| RenewalTerms {
        ends_by,
        ..RenewalTerms::default()
    };
    let chained = RenewalTerms {
        first_at: Some(at(0)),
        ..RenewalTerms::default()
    };
    let nobody = TokenSettings {
        renewal: RenewalRule::Nobody,
        ..settings()
    };
    for (user, renewable, settings, terms) in [
        (None, false, settings(), bound(Some(at(90)))),
        (None, true, settings(), chained),
        (Some("ci"), false, settings(), bound(None)),
        (Some("ci"), true, nobody, bound(Some(at(90)))),
    ] {
        let wanted = Wanted {
            renewable,
            ..wanted(user)
        };
        let facts = facts(Some(service()));
        let new = decide(&wanted, &facts, settings, 50).unwrap();
        assert_eq!(new.terms, terms, "{user:?} {renewable}");
    }
}

#[test]
fn what_may_have_changed_since_the_request_was_let_in_is_refused() {
    let disabled = Account {
        disabled_at: Some(at(9)),
        ..service()
    };
    let moved = Account {
        organization_id: None,
        ..service()
    };
    let mut ended = facts(Some(service()));
    ended.asking = Some(asking("alice", 10));
    let full = Facts {
        valid: 50,
        ..facts(Some(service()))
    };
    for (what, facts, part) in [
        ("none of that name", facts(None), "no active user named ci"),
        (
            "it is disabled",
            facts(Some(disabled)),
            "no active user named ci",
        ),
        (
            "it is of nobody now",
            facts(Some(moved)),
            "no active user named ci",
        ),
        ("the token has ended", ended, "no longer valid"),
        (
            "it has as many as it may",
            full,
            "the account ci has 50 valid tokens",
        ),
    ] {
        let wanted = Wanted {
            organization_id: Some(5),
            ..wanted(Some("ci"))
        };
        let refused = decide(&wanted, &facts, settings(), 50);
        let message = refused.unwrap_err().message();
        assert!(message.contains(part), "{what}: {message}");
    }
}

#[test]
fn a_token_ends_as_asked_and_never_after_its_parent() {
    for (asked, parent, expected) in [
        (None, 400, Ok(100)),
        (None, 50, Ok(50)),
        (Some(5 * DAY), 50, Ok(15)),
        (Some(40 * DAY), 50, Ok(50)),
        (Some(40 * DAY + 1), 50, Err("cannot expire later")),
        (Some(0), 50, Err("at least 1 second")),
        (Some(90 * DAY + 1), 400, Err("at most 90 days")),
    ] {
        let end = end(at(10), asked, at(parent), &settings());
        match (end, expected) {
            (Ok(end), Ok(day)) => assert_eq!(end, at(day), "{asked:?} of {parent}"),
            (Err(error), Err(part)) => {
                assert!(error.message().contains(part), "{}", error.message());
            }
            (found, _) => panic!("{asked:?} of {parent}: {found:?}"),
        }
    }
}

#[test]
fn the_authority_of_an_organisation_ends_where_it_does() {
    let acme = "acme".parse().unwrap();
    let pattern = |text: &str| text.parse::<FlakePattern>().unwrap();
    let asking = |flakes: Option<&[&str]>| Narrowing {
        flakes: flakes.map(|flakes| flakes.iter().map(|text| pattern(text)).collect()),
        ..Narrowing::default()
    };
    let mut everything = asking(None);
    within(Some(&acme), &mut everything).unwrap();
    assert_eq!(everything.flakes, Some(vec![pattern("acme/*")]));
    within(Some(&acme), &mut asking(Some(&["acme/app", "acme/*"]))).unwrap();
    for outside in [&["acme/app", "other/app"][..], &["*"]] {
        within(Some(&acme), &mut asking(Some(outside))).unwrap_err();
    }
}
