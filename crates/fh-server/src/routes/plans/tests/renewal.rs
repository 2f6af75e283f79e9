//! Which tokens are renewed, and how long the new ones last.

use std::time::Duration;

use fh_api::{RenewalRule, UserKind};
use fh_persistence::database::tokens::{RenewalTerms, Token};
use fh_settings::TokenSettings;

use super::super::renewal::{Asking, Facts, decide};
use super::examples::{DAY, account, asking, at, organization, settings, token};

fn facts_of(asking: Asking) -> Facts {
    Facts {
        asking: Some(asking),
        valid: 1,
        renewals: 0,
        path_set_id: None,
        at: at(80),
    }
}

/// What is decided, in short: the day on which the new token ends, or the status and what the message says.
fn decided(facts: &Facts, settings: TokenSettings) -> Result<u64, String> {
    let new = decide(facts, settings, 50).map_err(|error| error.message())?;
    Ok(new.expires_at.seconds_since(at(0)) / DAY)
}

#[test]
fn a_renewed_token_is_the_former_one_with_new_times() {
    let mut asking = asking("alice", 90);
    asking.token.path_set_id = None;
    let facts = Facts {
        path_set_id: Some(7),
        ..facts_of(asking.clone())
    };
    let new = decide(&facts, settings(), 50).unwrap();
    assert_eq!(new.account_id, asking.account.id);
    assert_eq!(new.parent_id, Some(asking.token.id));
    assert_eq!(new.scope, &asking.token.scope);
    assert_eq!(new.path_set_id, Some(7));
    assert_eq!((new.created_at, new.expires_at), (at(80), at(170)));
    assert_eq!(new.terms, asking.token.successor_terms());
}

#[test]
fn who_decides_lets_it_be_renewed_or_not() {
    use RenewalRule::{Everybody, Nobody, People};
    let rule = |renewal| TokenSettings {
        renewal,
        ..settings()
    };
    let together = |days| TokenSettings {
        max_renewal: Duration::from_secs(days * DAY),
        renewal: Everybody,
        ..settings()
    };
    let human = || asking("alice", 90);
    let service = || {
        let mut asking = human();
        asking.account.kind = UserKind::Service;
        asking
    };
    let at_home = |renewal| Asking {
        home: Some(organization("acme", renewal)),
        ..service()
    };
    let only = |renewal| Asking {
        only: vec![organization("acme", renewal)],
        ..human()
    };
    let mut of_workload = human();
    of_workload.token.claims = Some("{}".to_owned());
    let mut of_policy = human();
    of_policy.account.trust_policy_id = Some(1);
    for (what, asking, settings, expected) in [
        ("a person", human(), settings(), Ok(170)),
        (
            "a service",
            service(),
            settings(),
            Err("this server does not let service"),
        ),
        ("everybody", service(), rule(Everybody), Ok(170)),
        (
            "nobody",
            human(),
            rule(Nobody),
            Err("this server lets nobody"),
        ),
        (
            "renewals are off",
            human(),
            together(0),
            Err("this server lets nobody"),
        ),
        (
            "less than a token lasts",
            human(),
            together(73),
            Err("cannot be renewed any more"),
        ),
        (
            "its home lets people",
            at_home(People),
            rule(Everybody),
            Err("the organisation acme"),
        ),
        (
            "its home lets everybody",
            at_home(Everybody),
            settings(),
            Ok(170),
        ),
        (
            "what it reaches lets people",
            only(People),
            settings(),
            Ok(170),
        ),
        (
            "what it reaches lets nobody",
            only(Nobody),
            settings(),
            Err("the organisation acme"),
        ),
        (
            "of a workload",
            of_workload,
            rule(Everybody),
            Err("a workload"),
        ),
        ("of a policy", of_policy, rule(Everybody), Err("a workload")),
    ] {
        match (decided(&facts_of(asking), settings), expected) {
            (Ok(day), Ok(expected)) => assert_eq!(day, expected, "{what}"),
            (Err(message), Err(part)) => {
                assert!(message.contains(part), "{what}: {message}");
            }
            (found, _) => panic!("{what}: {found:?}"),
        }
    }
}

#[test]
fn the_first_reason_against_it_is_told() {
    let mut revoked = asking("alice", 90);
    revoked.token.revoked_at = Some(at(79));
    let mut disabled = asking("alice", 90);
    disabled.token.account_disabled = true;
    let of = |token: Token| Asking {
        token,
        account: account("alice"),
        home: None,
        only: Vec::new(),
    };
    let mut bound = token("alice", 90);
    bound.terms.ends_by = Some(at(90));
    let full = |valid, renewals| Facts {
        valid,
        renewals,
        ..facts_of(asking("alice", 90))
    };
    let gone = Facts {
        asking: None,
        ..full(0, 0)
    };
    for (what, facts, part) in [
        ("it is gone", gone, "no longer valid"),
        ("it is revoked", facts_of(revoked), "no longer valid"),
        (
            "its account is disabled",
            facts_of(disabled),
            "no longer valid",
        ),
        (
            "it has ended",
            facts_of(asking("alice", 79)),
            "no longer valid",
        ),
        (
            "it is bound",
            facts_of(of(bound)),
            "it was created with a token",
        ),
        (
            "a year has passed",
            facts_of(asking("alice", 365)),
            "max-renewal",
        ),
        (
            "too many tokens",
            full(50, 0),
            "the account alice has 50 valid tokens",
        ),
        ("one less", full(49, 100), "100 renewals of this login"),
    ] {
        let message = decided(&facts, settings()).unwrap_err();
        assert!(message.contains(part), "{what}: {message}");
    }
}

#[test]
fn what_it_makes_for_another_lasts_no_longer_than_it_could() {
    let mut bound = asking("alice", 90);
    bound.token.terms.ends_by = Some(at(200));
    let mut not_renewable = bound.clone();
    not_renewable.token.claims = Some("{}".to_owned());
    for (asking, ends_by) in [
        (asking("alice", 90), None),
        (bound, Some(at(200))),
        (not_renewable, Some(at(90))),
    ] {
        let terms = asking.terms_for_another(settings());
        let anew = RenewalTerms {
            ends_by,
            ..RenewalTerms::default()
        };
        assert_eq!(terms, anew);
    }
}
