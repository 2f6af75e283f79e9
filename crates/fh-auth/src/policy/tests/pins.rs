//! Ids that are remembered at the first use.

use super::*;

#[test]
fn an_id_is_remembered_and_a_name_that_somebody_else_took_over_opens_nothing() {
    let mut policy = writing(templates::github(&main_branch()).unwrap());
    let names: Vec<&String> = policy.pins.keys().collect();
    assert_eq!(names, ["repository_id", "repository_owner_id"]);
    let first = policy.examine(&github_claims(json!({})), &[OWN]);
    assert_eq!(first.first_seen.len(), 2);
    for (name, value) in first.first_seen {
        policy.pins.insert(name, Some(value));
    }
    let again = policy.examine(&github_claims(json!({})), &[OWN]);
    assert_eq!((again.role, again.first_seen.len()), (Some(Role::Write), 0));
    for change in [
        json!({ "repository_id": "99" }),
        json!({ "repository_id": null }),
    ] {
        let verdict = policy.examine(&github_claims(change), &[OWN]);
        assert_eq!(verdict.role, None);
        assert!(
            verdict.failures[0].contains("at the first use"),
            "{verdict:?}"
        );
    }
    let failing = github_claims(json!({ "ref": "refs/heads/x" }));
    let fresh = writing(templates::github(&main_branch()).unwrap());
    let verdict = fresh.examine(&failing, &[OWN]);
    assert_eq!(verdict.first_seen, [], "what fails is not remembered");
    let whole_owner = writing(
        templates::github(&Github {
            owner: Some("acme".to_owned()),
            ..Github::default()
        })
        .unwrap(),
    );
    let names: Vec<&String> = whole_owner.pins.keys().collect();
    assert_eq!(
        names,
        ["repository_owner_id"],
        "many repositories have many ids"
    );
}

#[test]
fn ids_are_remembered_wherever_the_conditions_fix_the_names_that_stand_for_them() {
    let both: &[&str] = &["repository_id", "repository_owner_id"];
    let owner: &[&str] = &["repository_owner_id"];
    for (provider, condition, ids) in [
        (
            "github",
            json!({ "equals": "repo:acme/app:ref:refs/heads/main" }),
            both,
        ),
        ("github", json!({ "glob": "repository:acme/app:**" }), both),
        ("github", json!({ "glob": "repo:acme/a*" }), owner),
        (
            "github",
            json!({ "one_of": ["repo:acme/a:x", "repo:acme/b:x"] }),
            owner,
        ),
        (
            "github",
            json!({ "one_of": ["repo:acme/a:x", "repo:ours/b:x"] }),
            &[],
        ),
        (
            "github",
            json!({ "glob": "repository_owner:acme:**" }),
            owner,
        ),
        (
            "gitlab",
            json!({ "glob": "project_path:acme/app:**" }),
            &["namespace_id", "project_id"],
        ),
        ("gitlab", json!({ "glob": "project_path:acme/**" }), &[]),
    ] {
        let mut sub = json!([condition]);
        sub[0]["claim"] = json!("sub");
        let policy = acme(&wanted(provider, None, sub.clone())).unwrap();
        assert!(policy.pins.keys().eq(ids), "{sub}: {:?}", policy.pins);
    }
    for (provider, claim, text, ids) in [
        (
            "gitlab",
            "project_path",
            "acme/app",
            &["namespace_id", "project_id"][..],
        ),
        ("gitlab", "namespace_path", "acme", &["namespace_id"]),
        (
            "buildkite",
            "organization_slug",
            "acme",
            &["organization_id"],
        ),
        ("github", "/repository", "acme/app", both),
    ] {
        let condition = json!([{ "claim": claim, "equals": text }]);
        let policy = acme(&wanted(provider, None, condition)).unwrap();
        assert!(policy.pins.keys().eq(ids), "{claim}: {:?}", policy.pins);
    }
}
