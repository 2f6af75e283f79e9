//! How much may be in a policy, and how much of a claim is told.

use super::super::DEFAULT_LIFETIME;
use super::*;

fn changed(change: impl FnOnce(&mut SetTrustPolicy)) -> Result<Policy, PolicyError> {
    let condition = json!([{ "claim": "repository", "equals": "acme/app" }]);
    let mut asked = wanted("github", None, condition);
    change(&mut asked);
    acme(&asked)
}

fn many(count: usize, item: &str) -> Vec<String> {
    vec![item.to_owned(); count]
}

#[test]
fn each_part_of_a_policy_has_a_bound_and_what_is_at_it_is_taken() {
    type Change = Box<dyn Fn(&mut SetTrustPolicy, usize)>;
    let bounds: [(&str, usize, Change); 6] = [
        (
            "conditions",
            50,
            Box::new(|asked, count| {
                let first = asked.conditions[0].clone();
                asked.conditions = vec![first; count];
            }),
        ),
        (
            "flakes",
            100,
            Box::new(|asked, count| {
                let flake = |number| format!("acme/p{number}").parse().unwrap();
                asked.flakes = (0..count).map(flake).collect();
            }),
        ),
        (
            "audiences",
            100,
            Box::new(|asked, count| asked.audiences = many(count, "a")),
        ),
        (
            "audiences",
            1000,
            Box::new(|asked, count| asked.audiences = vec!["a".repeat(count)]),
        ),
        (
            "pin",
            100,
            Box::new(|asked, count| {
                asked.pin = (0..count).map(|number| format!("c{number}")).collect();
            }),
        ),
        (
            "pin",
            200,
            Box::new(|asked, count| asked.pin = vec!["c".repeat(count)]),
        ),
    ];
    for (field, most, change) in bounds {
        assert!(
            changed(|asked| change(asked, most)).is_ok(),
            "{field} {most}"
        );
        let refused = changed(|asked| change(asked, most + 1)).unwrap_err();
        let expected = match most {
            200 => PolicyError::ClaimName,
            _ => PolicyError::Length(field),
        };
        assert_eq!(refused, expected, "{field} {most}");
    }
    let empty = |error| {
        assert_eq!(changed(|asked| asked.audiences = many(1, "")), Err(error));
    };
    empty(PolicyError::Length("audiences"));
    let pin = changed(|asked| asked.pin = many(1, ""));
    assert_eq!(pin, Err(PolicyError::Length("pin")));
    assert_eq!(
        changed(|asked| asked.pin = many(1, "/")),
        Err(PolicyError::ClaimName)
    );
    let own = changed(|asked| asked.pin = many(2, "run")).unwrap();
    assert!(own.pins.keys().eq(["run"]), "in place of the usual ones");
    let twice = changed(|asked| {
        asked.flakes = ["acme/b", "acme/a", "acme/b"]
            .map(|flake| flake.parse().unwrap())
            .to_vec();
    });
    let flakes: Vec<String> = twice
        .unwrap()
        .flakes
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(flakes, ["acme/a", "acme/b"]);
}

#[test]
fn a_condition_and_its_texts_have_bounds() {
    let made = |claim: String, texts: Vec<String>| {
        changed(|asked| {
            asked.conditions.push(ConditionSpec {
                claim,
                one_of: Some(texts),
                ..ConditionSpec::default()
            });
        })
    };
    assert!(made("c".repeat(200), many(100, &"t".repeat(1024))).is_ok());
    assert_eq!(
        made("c".repeat(201), many(1, "t")),
        Err(PolicyError::ClaimName)
    );
    assert_eq!(
        made("a\nb".to_owned(), many(1, "t")),
        Err(PolicyError::ClaimName)
    );
    for texts in [many(101, "t"), many(1, &"t".repeat(1025))] {
        let refused = made("c".to_owned(), texts).unwrap_err();
        assert_eq!(refused.to_string(), "the condition on c is too long");
    }
    let none = made("c".to_owned(), Vec::new()).unwrap_err();
    assert_eq!(
        none.to_string(),
        "the condition on c requires an empty text"
    );
}

#[test]
fn exchanged_tokens_last_between_a_minute_and_what_the_server_allows() {
    let lifetime = |asked: Option<u64>, longest: u64| {
        let condition = json!([{ "claim": "repository", "equals": "acme/app" }]);
        let mut policy = wanted("github", None, condition);
        policy.max_lifetime = asked;
        Policy::new(&"acme".parse().unwrap(), &policy, longest).map(|policy| policy.max_lifetime)
    };
    for (asked, longest, found) in [
        (None, 86_400, Some(DEFAULT_LIFETIME)),
        (None, 600, Some(600)),
        (Some(60), 86_400, Some(60)),
        (Some(59), 86_400, None),
        (Some(0), 86_400, None),
        (Some(86_400), 86_400, Some(86_400)),
        (Some(86_401), 86_400, None),
        // A server that allows less than a minute.
        (Some(30), 30, Some(30)),
        (Some(29), 30, None),
        (Some(31), 30, None),
    ] {
        let refused = PolicyError::Lifetime { most: longest };
        assert_eq!(
            lifetime(asked, longest),
            found.ok_or(refused),
            "{asked:?} {longest}"
        );
    }
}

#[test]
fn an_issuer_is_an_address_of_500_bytes_at_most() {
    let of_length = |length: usize| {
        let start = "https://id.example/";
        let issuer = format!("{start}{}", "x".repeat(length - start.len()));
        let condition = json!([{ "claim": "sub", "equals": "me" }]);
        acme(&wanted("oidc", Some(&issuer), condition))
    };
    assert!(of_length(500).is_ok());
    assert!(matches!(of_length(501), Err(PolicyError::Issuer { .. })));
    for (provider, issuer, claim) in [
        ("oidc", "https:///x", "sub"),
        ("oidc", "https://id.example#x", "sub"),
        ("oidc", "https://id.example\\x", "sub"),
        ("oidc", "id.example", "sub"),
        (
            "circleci",
            "https://oidc.circleci.com/org/",
            "oidc.circleci.com/project-id",
        ),
    ] {
        let condition = json!([{ "claim": claim, "equals": "me" }]);
        let refused = acme(&wanted(provider, Some(issuer), condition));
        assert!(
            matches!(refused, Err(PolicyError::Issuer { .. })),
            "{issuer}: {refused:?}"
        );
    }
    let condition = json!([{ "claim": "account", "equals": "123456789012" }]);
    let aws = acme(&wanted("aws", Some("aws"), condition)).unwrap();
    assert_eq!(aws.issuer, "aws");
}

#[test]
fn a_person_is_shown_no_more_than_200_characters_of_a_claim() {
    let policy = writing(templates::github(&main_branch()).unwrap());
    let shown = |branch: &str| {
        let verdict = policy.examine(&github_claims(json!({ "ref": branch })), &[OWN]);
        verdict.failures[0]
            .split_once("but it is ")
            .unwrap()
            .1
            .to_owned()
    };
    assert_eq!(shown("short"), "\"short\"");
    let (short, long) = (shown(&"x".repeat(197)), shown(&"x".repeat(300)));
    assert_eq!(short, format!("\"{}\"", "x".repeat(197)));
    assert_eq!(long, format!("\"{}…", "x".repeat(199)));
}

#[test]
fn a_claim_of_1000_bytes_is_told_to_the_audit_log_whole_and_a_longer_one_begun() {
    let policy = writing(templates::github(&main_branch()).unwrap());
    let told = |length: usize| {
        let claims = github_claims(json!({ "actor": "x".repeat(length - 2) }));
        policy.telling(&claims)["claims"]["actor"]
            .as_str()
            .unwrap()
            .chars()
            .count()
    };
    assert_eq!(told(1000), 998);
    assert_eq!(told(1001), 251);
}
