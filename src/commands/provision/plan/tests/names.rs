//! Former names: the plan is about what has another name now, says so, and is about nothing twice.

use super::world::{World, acme, name};

/// The usual acme, in which everything has another name: it is corp, its flake app is shop, ann is anna, bob is rob,
/// fleet is machines, and I was called boss.
fn renamed() -> World {
    let mut world = acme();
    for (from, to) in [
        ("me", "boss"),
        ("ann", "anna"),
        ("bob", "rob"),
        ("fleet", "machines"),
    ] {
        world.rename_account(&name(from), &name(to));
    }
    world.rename_flake(&"acme/app".parse().unwrap(), &name("shop"));
    world.rename_org(&name("acme"), &name("corp"));
    world
}

#[test]
fn a_plan_under_former_names_is_about_the_present_things_and_says_so() {
    for (text, prune, steps, notes) in [
        // One's own former name does not make oneself less.
        (
            "[org.corp.members]\nme = \"member\"",
            false,
            &[][..],
            &[
                "f:2: org.corp.members.me: me is a former name of the account boss",
                "You stay owner of corp: your own role is not made less here. Another owner can do it.",
            ][..],
        ),
        // Nor anybody else: who is there under another name is not invited again, and not removed.
        (
            "[org.acme.members]\nme = \"owner\"\nann = \"admin\"\nbob = \"member\"",
            true,
            &[],
            &[
                "f:1: org.acme: acme is a former name of the organisation corp",
                "f:2: org.acme.members.me: me is a former name of the account boss",
                "f:3: org.acme.members.ann: ann is a former name of the account anna",
                "f:4: org.acme.members.bob: bob is a former name of the account rob",
            ],
        ),
        (
            "[org.corp.teams]\nops = [\"ann\", \"bob\"]",
            true,
            &["+ team member corp/ops/rob"],
            &[
                "f:2: org.corp.teams.ops: ann is a former name of the account anna",
                "f:2: org.corp.teams.ops: bob is a former name of the account rob",
            ],
        ),
        (
            "[org.corp]\nservice-accounts = [\"fleet\"]\n[org.corp.flakes.app]\ngrants = { bob = \"write\", fleet = \"read\" }\n\
             [org.corp.flakes.old]",
            true,
            &[
                "+ grant corp/shop machines: read",
                "~ grant corp/shop rob: read → write",
                "- grant corp/shop team:ops: write",
            ],
            &[
                "f:2: org.corp.service-accounts: fleet is a former name of the account machines",
                "f:3: org.corp.flakes.app: app is a former name of the flake shop",
                "f:4: org.corp.flakes.app.grants.bob: bob is a former name of the account rob",
                "f:4: org.corp.flakes.app.grants.fleet: fleet is a former name of the account machines",
            ],
        ),
        (
            "[org.corp.trust.ci]\nflakes = [\"acme/app\"]\ngithub = { owner = \"x\" }",
            false,
            &["+ trust policy corp/ci: github, read on corp/shop"],
            &["f:2: org.corp.trust.ci.flakes: acme/app is a former name of the flake corp/shop"],
        ),
        (
            "users = [\"ann\"]",
            false,
            &[],
            &["f:1: users: ann is a former name of the account anna"],
        ),
    ] {
        let plan = renamed().plan_of(text, prune).unwrap();
        let mut told: Vec<String> = plan.steps.iter().map(ToString::to_string).collect();
        let mut expected = steps.to_vec();
        told.sort();
        expected.sort_unstable();
        assert_eq!(told, expected, "{text}");
        let mut told = plan.notes;
        let mut expected = notes.to_vec();
        told.sort();
        expected.sort_unstable();
        assert_eq!(told, expected, "{text}");
    }
}

#[test]
fn one_thing_under_two_names_is_refused() {
    for (text, place, twice) in [
        (
            "[org.corp.members]\nrob = \"member\"\nbob = \"admin\"",
            "f:3: org.corp.members.bob: ",
            "bob and rob (line 2) are the same account, which is called rob now: keep one of them",
        ),
        (
            "[org.acme.members]\n[org.corp.teams]",
            "f:2: org.corp: ",
            "corp and acme (line 1) are the same organisation, which is called corp now: keep one of them",
        ),
        (
            "[org.corp.flakes.shop]\n[org.corp.flakes.app]",
            "f:2: org.corp.flakes.app: ",
            "app and shop (line 1) are the same flake, which is called shop now: keep one of them",
        ),
        (
            "[org.corp.teams]\nops = [\"ann\", \"anna\"]",
            "f:2: org.corp.teams.ops: ",
            "anna and ann (line 2) are the same account, which is called anna now: keep one of them",
        ),
        (
            "[org.corp.grants]\nmachines = \"read\"\nfleet = \"write\"",
            "f:3: org.corp.grants.fleet: ",
            "fleet and machines (line 2) are the same account, which is called machines now: keep one of them",
        ),
        (
            "[org.corp]\nservice-accounts = [\"fleet\", \"machines\"]",
            "f:2: org.corp.service-accounts: ",
            "machines and fleet (line 2) are the same account, which is called machines now: keep one of them",
        ),
        (
            "[org.corp.trust.ci]\nflakes = [\"corp/shop\", \"corp/app\"]\ngithub = { owner = \"x\" }",
            "f:2: org.corp.trust.ci.flakes: ",
            "corp/app and corp/shop (line 2) are the same flake, which is called corp/shop now: keep one of them",
        ),
        (
            "users = [\"bob\", \"rob\"]",
            "f:1: users: ",
            "rob and bob (line 1) are the same account, which is called rob now: keep one of them",
        ),
    ] {
        let refused = renamed().plan_of(text, false).unwrap_err();
        assert_eq!(refused, [format!("{place}{twice}")], "{text}");
    }
}

#[test]
fn a_trust_policy_on_a_flake_that_is_not_there_is_told() {
    for (on, note) in [
        (
            "acme/ap",
            Some("acme/ap does not exist, or you cannot see it; did you mean acme/app?"),
        ),
        (
            "acme/WBE",
            Some("acme/WBE does not exist, or you cannot see it; did you mean acme/web?"),
        ),
        (
            "acme/another-one",
            Some("acme/another-one does not exist, or you cannot see it"),
        ),
        ("acme/APP", None),
        // The same file makes it.
        ("acme/web", None),
        ("acme/*", None),
    ] {
        let text = format!(
            "[org.acme.flakes.web]\n[org.acme.trust.ci]\nflakes = [{on:?}]\ngithub = {{ owner = \"x\" }}"
        );
        let plan = acme().plan_of(&text, false).unwrap();
        assert_eq!(plan.steps.len(), 2, "{text}");
        let note = note.map(|note| format!("f:3: org.acme.trust.ci.flakes: {note}"));
        assert_eq!(plan.notes, Vec::from_iter(note), "{text}");
    }
}
