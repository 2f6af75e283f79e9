//! Which policies give no more than others.

use fh_api::FlakePattern;

use super::super::{Condition, DEFAULT_LIFETIME};
use super::*;

fn conditions(all: &Value) -> Vec<Condition> {
    let specs: Vec<ConditionSpec> = serde_json::from_value(all.clone()).unwrap();
    specs
        .iter()
        .map(|spec| Condition::new(spec).unwrap())
        .collect()
}

fn pinned(policy: &mut Policy, all: &[(&str, Option<&str>)]) {
    let all = all.iter();
    policy.pins = all
        .map(|(claim, value)| ((*claim).to_owned(), value.map(str::to_owned)))
        .collect();
}

fn flakes(all: &[&str]) -> Vec<FlakePattern> {
    all.iter().map(|it| it.parse().unwrap()).collect()
}

fn texts(all: &[&str]) -> Vec<String> {
    all.iter().map(|&it| it.to_owned()).collect()
}

/// Of an issuer whose claim `sub` tells the tenant.
fn former() -> Policy {
    let issuer = Some("https://ci.example");
    let all = json!([
        { "claim": "sub", "equals": "builder" },
        { "claim": "ref", "glob": "v*" },
        { "claim": "env", "one_of": ["staging", "production"] },
        { "claim": "groups", "all_of": ["infra"] },
    ]);
    let mut policy = acme(&wanted("oidc", issuer, all)).unwrap();
    policy.role = Role::Admin;
    policy.flakes = flakes(&["acme/*"]);
    policy.audiences = texts(&["one", "two"]);
    policy.mint = true;
    policy.pull_requests = true;
    policy.builder = true;
    pinned(&mut policy, &[("id", Some("7")), ("owner", None)]);
    policy
}

type Change = fn(&mut Policy);

#[test]
fn a_policy_is_narrower_where_it_gives_less_of_something_and_more_of_nothing() {
    let changes: &[(&str, Change)] = &[
        ("nothing", |_| {}),
        ("a lower role", |it| it.role = Role::Read),
        ("one flake", |it| {
            it.flakes = flakes(&["acme/app", "ACME/lib"]);
        }),
        ("no minting", |it| it.mint = false),
        ("no pull requests", |it| it.pull_requests = false),
        ("no builders", |it| it.builder = false),
        ("a shorter life", |it| it.max_lifetime -= 1),
        ("fewer audiences", |it| it.audiences = texts(&["two"])),
        ("another id", |it| {
            it.pins.insert("actor".to_owned(), None);
        }),
        ("one more condition", |it| {
            let more = json!([{ "claim": "branch", "equals": "main" }]);
            it.conditions.extend(conditions(&more));
        }),
        ("another order", |it| it.conditions.reverse()),
        ("a pointer to the claim", |it| {
            it.conditions[1] = conditions(&json!([{ "claim": "/ref", "glob": "v*" }])).remove(0);
        }),
        ("texts for patterns", |it| {
            it.conditions = conditions(&json!([
                { "claim": "sub", "equals": "builder" },
                { "claim": "/ref", "one_of": ["v1", "v2"] },
                { "claim": "env", "equals": "staging" },
                { "claim": "groups", "all_of": ["more", "infra"] },
            ]));
        }),
        ("a text that is written as a pattern", |it| {
            it.conditions[2] =
                conditions(&json!([{ "claim": "env", "glob": "staging" }])).remove(0);
        }),
    ];
    for (what, change) in changes {
        let mut narrower = former();
        change(&mut narrower);
        assert!(narrower.narrows(&former()), "{what}");
        let is_same =
            narrower.conditions.len() == former().conditions.len() && former().narrows(&narrower);
        let says_the_same = ["nothing", "another order", "a pointer to the claim"].contains(what);
        assert_eq!(is_same, says_the_same, "{what}");
    }
}

#[test]
fn a_policy_is_not_narrower_where_anything_is_more_or_not_to_be_compared() {
    let changes: &[(&str, Change)] = &[
        ("another issuer", |it| {
            it.issuer = "https://other.example".to_owned();
        }),
        ("another provider", |it| it.provider = Provider::Gitlab),
        ("another audience", |it| {
            it.audiences = texts(&["one", "three"]);
        }),
        ("the server's audiences", |it| it.audiences.clear()),
        ("a flake of others", |it| {
            it.flakes = flakes(&["acme/app", "other/app"]);
        }),
        ("every flake", |it| it.flakes = flakes(&["*"])),
        ("a longer life", |it| it.max_lifetime += 1),
        ("an id forgotten", |it| {
            pinned(it, &[("id", None), ("owner", None)]);
        }),
        ("an id no more looked at", |it| {
            pinned(it, &[("id", Some("7"))]);
        }),
        ("another value of an id", |it| {
            pinned(it, &[("id", Some("8")), ("owner", None)]);
        }),
        ("a condition less", |it| drop(it.conditions.remove(1))),
        ("another text", |it| {
            it.conditions[0] =
                conditions(&json!([{ "claim": "sub", "equals": "other" }])).remove(0);
        }),
        ("another claim", |it| {
            it.conditions[1] = conditions(&json!([{ "claim": "tag", "glob": "v*" }])).remove(0);
        }),
        ("a part of the claim", |it| {
            it.conditions[1] = conditions(&json!([{ "claim": "/ref/0", "glob": "v*" }])).remove(0);
        }),
        ("a text that does not match", |it| {
            it.conditions[1] = conditions(&json!([{ "claim": "ref", "equals": "v1/x" }])).remove(0);
        }),
        ("a wider pattern", |it| {
            it.conditions[1] = conditions(&json!([{ "claim": "ref", "glob": "**" }])).remove(0);
        }),
        ("another pattern", |it| {
            it.conditions[1] = conditions(&json!([{ "claim": "ref", "glob": "v1*" }])).remove(0);
        }),
        ("one text more", |it| {
            let more = json!([{ "claim": "env", "one_of": ["staging", "test"] }]);
            it.conditions[2] = conditions(&more).remove(0);
        }),
        ("a member less", |it| {
            it.conditions[3] =
                conditions(&json!([{ "claim": "groups", "all_of": ["web"] }])).remove(0);
        }),
        ("a value for a list", |it| {
            it.conditions[3] =
                conditions(&json!([{ "claim": "groups", "equals": "infra" }])).remove(0);
        }),
        ("a list for a value", |it| {
            it.conditions[0] =
                conditions(&json!([{ "claim": "sub", "all_of": ["builder"] }])).remove(0);
        }),
        ("less of one thing and more of another", |it| {
            it.role = Role::Read;
            it.max_lifetime += 1;
        }),
    ];
    for (what, change) in changes {
        let mut wider = former();
        change(&mut wider);
        assert!(!wider.narrows(&former()), "{what}");
    }
    // What was not given before.
    let given: &[(&str, Change)] = &[
        ("role", |it| it.role = Role::Write),
        ("mint", |it| it.mint = false),
        ("pull requests", |it| it.pull_requests = false),
        ("builder", |it| it.builder = false),
        ("flakes", |it| it.flakes = flakes(&["acme/app"])),
        ("audiences", |it| it.audiences.clear()),
        // It lets nobody in.
        ("tenant", |it| it.conditions.truncate(0)),
    ];
    for (what, change) in given {
        let mut before = former();
        change(&mut before);
        assert!(!former().narrows(&before), "{what}");
    }
}

#[test]
fn ids_stay_where_all_is_asked_for_that_was_asked_for() {
    let changes: &[(&str, Change, bool)] = &[
        ("nothing", |_| {}, true),
        ("another role", |it| it.role = Role::Read, true),
        (
            "one more condition",
            |it| {
                it.conditions
                    .extend(conditions(&json!([{ "claim": "x", "equals": "y" }])));
            },
            true,
        ),
        ("one condition less", |it| drop(it.conditions.pop()), false),
        ("another issuer", |it| it.issuer.push('x'), false),
    ];
    for (what, change, stays) in changes {
        let mut policy = former();
        pinned(&mut policy, &[("id", None), ("new", None)]);
        change(&mut policy);
        policy.keep_ids_of(&former());
        let expected = stays.then_some("7");
        assert_eq!(policy.pins["id"].as_deref(), expected, "{what}");
        assert_eq!(policy.pins["new"], None, "{what}");
    }
}

fn condition() -> impl Strategy<Value = Condition> {
    let texts = || prop::sample::select(vec!["a", "b", "a/b", "ab"]);
    let patterns = prop::sample::select(vec!["*", "**", "a*", "a/?", "a", "b"]);
    let claims = prop::sample::select(vec!["sub", "/sub", "list", "x"]);
    let test = prop_oneof![
        texts().prop_map(|it| json!({ "equals": it })),
        patterns.prop_map(|it| json!({ "glob": it })),
        prop::collection::vec(texts(), 1..3).prop_map(|it| json!({ "one_of": it })),
        prop::collection::vec(texts(), 1..3).prop_map(|it| json!({ "all_of": it })),
    ];
    (claims, test).prop_map(|(claim, mut test)| {
        test["claim"] = json!(claim);
        conditions(&json!([test])).remove(0)
    })
}

fn policy() -> impl Strategy<Value = Policy> {
    let audiences = prop::sample::select(vec![&[][..], &["one"], &["one", "two"]]);
    let id = prop::sample::select(vec![None, Some(None), Some(Some("7"))]);
    let role = prop::sample::select(vec![Role::Read, Role::Write]);
    let all = prop::collection::vec(condition(), 0..3);
    let flags = (any::<bool>(), any::<bool>());
    (audiences, id, role, all, flags).prop_map(|(audiences, id, role, all, (mint, builder))| {
        let bound = json!([{ "claim": "sub", "equals": "a" }]);
        let mut policy = acme(&wanted("oidc", Some("https://ci.example"), bound)).unwrap();
        policy.conditions.extend(all);
        policy.audiences = texts(audiences);
        pinned(
            &mut policy,
            &id.map(|value| ("id", value))
                .into_iter()
                .collect::<Vec<_>>(),
        );
        (policy.role, policy.mint, policy.builder) = (role, mint, builder);
        policy.max_lifetime = DEFAULT_LIFETIME;
        policy
    })
}

fn identity() -> impl Strategy<Value = Map<String, Value>> {
    let texts = || prop::sample::select(vec!["a", "b", "a/b", "ab", "a/c"]);
    let list = prop::collection::vec(texts(), 0..3);
    let aud = prop::sample::select(vec![OWN, "one", "two"]);
    let id = prop::sample::select(vec![json!("7"), json!(8), Value::Null]);
    (texts(), list, texts(), aud, id).prop_map(|(sub, list, x, aud, id)| {
        claims(json!({ "iss": "https://ci.example", "sub": sub, "list": list, "x": x, "aud": aud, "id": id }))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn who_gets_something_by_a_narrower_policy_got_it_before(
        policy in policy(),
        // Most others are not to be compared.
        changed in prop_oneof![policy().prop_map(Some), Just(None)],
        more in prop::option::of(condition()),
        identities in prop::collection::vec(identity(), 20),
    ) {
        let mut narrower = changed.unwrap_or_else(|| policy.clone());
        narrower.conditions.extend(more);
        // About half of them are.
        if !narrower.narrows(&policy) {
            return Ok(());
        }
        for claims in identities {
            let (now, before) = (narrower.examine(&claims, &[OWN]), policy.examine(&claims, &[OWN]));
            prop_assert!(now.role <= before.role, "{claims:?}");
            prop_assert!(before.mint || !now.mint, "{claims:?}");
            prop_assert!(before.builder || !now.builder, "{claims:?}");
        }
    }
}
