//! What a plan tells: its steps in their order, and what it takes from the person who runs it.

use fh_api::{OrganizationRole, Role};

use super::super::super::state::Grant;
use super::world::{World, acme, member, name};

#[test]
fn what_a_file_changes_is_told_in_the_order_in_which_it_is_done() {
    let plan = |text: &str, prune: bool| -> Vec<String> {
        let plan = acme().plan_of(text, prune).unwrap();
        let steps = plan.steps.iter().map(ToString::to_string);
        steps.chain(plan.notes).collect()
    };
    for (text, prune, told) in [
        // A section that is not there says nothing, also with --prune.
        (
            "[org.acme]\npush = \"builders\"",
            true,
            &["~ who pushes acme: writers → builders"][..],
        ),
        (
            "[org.acme.flakes.APP]\nvisibility = \"public\"",
            false,
            &["~ visibility acme/APP: private → public"],
        ),
        (
            "[org.acme.flakes.app]",
            true,
            &["- flake acme/old: private, 3 store paths"],
        ),
        // Whoever leaves takes their grants along, and is granted again what the file grants them.
        (
            "[org.acme.members]\nme = \"owner\"\nann = \"admin\"\n[org.acme.flakes.app]\ngrants = { bob = \"pull\" }\n\
             [org.acme.flakes.old]",
            true,
            &[
                "- member acme/bob: member",
                "+ grant acme/app bob: read",
                "- grant acme/app team:ops: write",
            ],
        ),
        (
            "[org.acme.members]\nann = \"admin\"\nbob = \"member\"",
            true,
            &[
                "You stay owner of acme, although the file does not name you. To leave: `fh org leave acme`",
            ],
        ),
        (
            "[org.acme.members]\nme = \"member\"",
            false,
            &[
                "You stay owner of acme: your own role is not made less here. Another owner can do it.",
            ],
        ),
        (
            "users = [\"eve\"]\n[org.new.teams]\nall = [\"me\"]\n[org.new.members]\neve = \"owner\"",
            false,
            &[
                "+ user eve",
                "+ org new: you own it",
                "+ member new/eve: owner",
                "+ team new/all",
                "+ team member new/all/me",
            ],
        ),
    ] {
        assert_eq!(plan(text, prune), told, "{text}");
    }
}

/// Somebody who administers acme by a grant alone: `held` is granted to her, she is a member and in the team ops.
fn granted(held: &str) -> World {
    let mut world = acme();
    world.me = name("bob");
    let org = world.org(&name("acme"));
    org.teams[0].members.push(name("bob"));
    org.grants.push(Grant {
        subject: held.parse().unwrap(),
        role: Role::Admin,
        pending: false,
    });
    world
}

#[test]
fn what_lowers_ones_own_role_has_a_line_of_its_own() {
    for (held, text, prune, warned) in [
        // By name, by a team and by the membership; on everything and on a flake.
        (
            "bob",
            "[org.acme.flakes.app]\ngrants = {}",
            true,
            &[
                "- grant acme/app bob: read",
                "- grant acme/app team:ops: write",
            ][..],
        ),
        (
            "@members",
            "[org.acme.flakes.app]\ngrants = { \"team:ops\" = \"read\" }",
            false,
            &["~ grant acme/app team:ops: write → read"],
        ),
        // Of others, more than before, or the same.
        (
            "bob",
            "[org.acme.flakes.app]\ngrants = { dee = \"read\", bob = \"write\" }",
            false,
            &[],
        ),
    ] {
        let plan = granted(held).plan_of(text, prune).unwrap();
        let expected: Vec<String> = warned
            .iter()
            .map(|step| format!("! This lowers your own role: {step}"))
            .collect();
        assert_eq!(plan.warnings, expected, "{text}");
    }
    // Owners and admins hold everything anyhow.
    let text = "[org.acme.teams]\nops = []\n[org.acme.flakes.app]\ngrants = {}";
    for me in ["me", "ann"] {
        let mut world = acme();
        world.me = name(me);
        let plan = world.plan_of(text, true).unwrap();
        assert!(plan.removals() >= 3, "{me}");
        assert!(plan.warnings.is_empty(), "{me}: {:?}", plan.warnings);
    }
}

#[test]
fn what_waits_for_somebody_is_told_each_time() {
    let mut world = acme();
    let org = world.org(&name("acme"));
    org.members.push(fh_api::MemberInfo {
        invited: true,
        ..member("cy", OrganizationRole::Member)
    });
    let waiting = Grant {
        subject: "dee".parse().unwrap(),
        role: Role::Read,
        pending: true,
    };
    org.grants.push(waiting.clone());
    org.flakes[0].grants.push(waiting);
    let cy = "acme/cy waits: cy has not accepted the invitation yet.";
    for (text, steps, notes) in [
        ("[org.acme.members]\ncy = \"member\"", &[][..], &[cy][..]),
        (
            "[org.acme.members]\ncy = \"member\"\n[org.acme.teams]\nops = [\"ann\", \"cy\"]",
            &[],
            &[
                cy,
                "acme/ops/cy waits: cy has not accepted the invitation yet.",
            ],
        ),
        (
            "[org.acme.grants]\nDee = \"read\"\n[org.acme.flakes.app.grants]\ndee = \"read\"",
            &[],
            &[
                "The grant acme/app dee waits: dee has not accepted the invitation yet.",
                "The grant acme/* Dee waits: Dee has not accepted the invitation yet.",
            ],
        ),
        // What changes is a step, and says itself that it waits.
        (
            "[org.acme.members]\ncy = \"admin\"",
            &["~ member acme/cy: member → admin"],
            &[],
        ),
        // Who has accepted, and who is not in the file.
        ("[org.acme.members]\nann = \"admin\"", &[], &[]),
    ] {
        let plan = world.plan_of(text, false).unwrap();
        let told: Vec<String> = plan.steps.iter().map(ToString::to_string).collect();
        assert_eq!(told, steps, "{text}");
        assert_eq!(plan.notes, notes, "{text}");
    }
}

#[test]
fn a_service_account_that_runs_it_stays() {
    let mut world = acme();
    world.me = name("fleet");
    world.org(&name("acme")).grants.push(Grant {
        subject: "fleet".parse().unwrap(),
        role: Role::Admin,
        pending: false,
    });
    let plan = world
        .plan_of("[org.acme]\nservice-accounts = []", true)
        .unwrap();
    assert!(plan.steps.is_empty(), "{:?}", plan.steps);
    assert_eq!(
        plan.notes,
        ["You are fleet, a service account of acme: it stays, although the file does not name it."]
    );
}
