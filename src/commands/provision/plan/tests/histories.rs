//! Random histories of files and of renames: what a file has set up stays so, whatever it is called.

use std::fmt::Write as _;

use fh_api::{FlakeName, Name, OrganizationRole, PushRule, RenewalRule, Role, Visibility};
use fh_testkit::random::Random;

use super::super::super::file;
use super::super::super::problem::Said;
use super::super::*;
use super::world::{World, name, same};

/// A name of these, in any case.
fn pick(random: &mut Random, among: &[&str]) -> String {
    let name = *random.pick(among);
    if random.one_in(4) {
        return name.to_uppercase();
    }
    name.to_owned()
}

/// Some of these, each once.
fn some<'a>(random: &mut Random, among: &[&'a str]) -> Vec<&'a str> {
    let kept = among.iter().copied();
    kept.filter(|_| random.one_in(2)).collect()
}

/// A file of chance. Its teams are of its members where it has both.
fn any_file(random: &mut Random) -> String {
    const PEOPLE: [&str; 4] = ["me", "ann", "bob", "cy"];
    let mut text = String::new();
    for org in some(random, &["acme", "corp"]) {
        let org = pick(random, &[org]);
        writeln!(text, "[org.{org}]").unwrap();
        if random.one_in(2) {
            let push = random.pick(PushRule::WORDS);
            let renewal = random.pick(RenewalRule::WORDS);
            writeln!(text, "push = \"{push}\"\nrenewal = \"{renewal}\"").unwrap();
        }
        if random.one_in(2) {
            writeln!(text, "trusted-keys = {:?}", some(random, &super::KEYS)).unwrap();
        }
        if random.one_in(2) {
            let follows = some(random, &["nixos/tools", "nixos/*", "x/y"]);
            writeln!(text, "follows = {follows:?}").unwrap();
        }
        let mut accounts: Vec<String> = Vec::new();
        if random.one_in(2) {
            accounts = some(random, &["bot", "fleet"])
                .iter()
                .map(|it| format!("{}-{it}", org.to_lowercase()))
                .collect();
            writeln!(text, "service-accounts = {accounts:?}").unwrap();
        }
        let members = some(random, &PEOPLE);
        writeln!(text, "[org.{org}.members]").unwrap();
        for member in &members {
            let role = random.pick(OrganizationRole::WORDS);
            writeln!(text, "{} = \"{role}\"", pick(random, &[member])).unwrap();
        }
        let teams = some(random, &["ops", "dev"]);
        writeln!(text, "[org.{org}.teams]").unwrap();
        for team in &teams {
            let inside = some(random, &members);
            writeln!(text, "{} = {inside:?}", pick(random, &[team])).unwrap();
        }
        let mut subjects: Vec<String> = teams.iter().map(|team| format!("team:{team}")).collect();
        subjects.extend(["@members", "ann", "dee"].map(str::to_owned));
        subjects.extend(accounts);
        let subjects: Vec<&str> = subjects.iter().map(String::as_str).collect();
        let grants = |random: &mut Random| -> String {
            let subjects = some(random, &subjects).into_iter();
            let entries: Vec<String> = subjects
                .map(|it| format!("{it:?} = {:?}", random.pick(Role::WORDS)))
                .collect();
            format!("{{ {} }}", entries.join(", "))
        };
        let projects = some(random, &["app", "web", "lib"]);
        // One that the same file removes has no former name any more.
        let on = if projects.contains(&"app") {
            "app"
        } else {
            "*"
        };
        for project in projects {
            writeln!(text, "[org.{org}.flakes.{}]", pick(random, &[project])).unwrap();
            if random.one_in(2) {
                let visibility = random.pick(Visibility::WORDS);
                writeln!(text, "visibility = \"{visibility}\"").unwrap();
            }
            if random.one_in(2) {
                let description = random.pick(&["", "one", "two \\\" words"]);
                writeln!(text, "description = \"{description}\"").unwrap();
            }
            if random.one_in(2) {
                writeln!(text, "grants = {}", grants(random)).unwrap();
            }
        }
        for policy in some(random, &["ci", "deploy"]) {
            let role = random.pick(Role::WORDS);
            let reference = random.pick(&["main", "dev"]);
            writeln!(text, "[org.{org}.trust.{policy}]").unwrap();
            writeln!(
                text,
                "github = {{ repository = \"acme/app\", ref = \"{reference}\" }}\n\
                 flakes = [\"{org}/{on}\"]\nrole = \"{role}\""
            )
            .unwrap();
            if random.one_in(3) {
                let builder = random.one_in(2);
                writeln!(text, "builder = {builder}\nmax-lifetime = \"30m\"").unwrap();
            }
        }
    }
    text
}

/// Gives some of what there is another name.
fn rename_some(world: &mut World, random: &mut Random, number: &mut usize) {
    let mut fresh = |former: &Name| {
        *number += 1;
        name(&format!("n{number}-{}", former.as_str().len()))
    };
    let services = world
        .orgs
        .values()
        .flat_map(|org| org.service_accounts.clone());
    let accounts: Vec<Name> = world.users.iter().cloned().chain(services).collect();
    for account in accounts {
        if random.one_in(4) {
            world.rename_account(&account, &fresh(&account));
        }
    }
    let flakes = world.orgs.values().flat_map(|org| &org.flakes);
    let flakes: Vec<FlakeName> = flakes.map(|flake| flake.name.clone()).collect();
    for flake in flakes {
        if random.one_in(4) {
            world.rename_flake(&flake, &fresh(&flake.project));
        }
    }
    let orgs: Vec<Name> = world.orgs.keys().cloned().collect();
    for org in orgs {
        if random.one_in(4) {
            world.rename_org(&org, &fresh(&org));
        }
    }
}

#[test]
fn the_second_time_nothing_changes_and_an_export_says_what_is_there() {
    let mut random = Random::new();
    let (mut planned, mut renamed, mut number) = (0, 0, 0);
    for _ in 0..400 {
        let mut world = World::new();
        world.at_once = random.one_in(2);
        for _ in 0..3 {
            let text = any_file(&mut random);
            let read = file::parse(&text).unwrap_or_else(|error| panic!("{error:?}\n{text}"));
            let prune = random.one_in(2);
            let before = world.listed();
            // One that contradicts what is there changes nothing.
            let Ok(first) = world.plan(&read, prune) else {
                continue;
            };
            planned += first.steps.len();
            world.do_all(&first);
            let second = world.plan(&read, prune).unwrap();
            assert!(second.steps.is_empty(), "{text}\n{:?}", second.steps);
            let after = world.listed();
            if !prune {
                for there in before {
                    assert!(after.contains(&there), "{there} is gone:\n{text}");
                }
                assert_eq!(first.removals(), 0);
            }
            assert!(first.warnings.is_empty(), "{text}\n{:?}", first.warnings);
            // The same file under former names is about the same things.
            rename_some(&mut world, &mut random, &mut number);
            let renamed_file = world.plan(&read, prune).unwrap();
            assert!(
                renamed_file.steps.is_empty(),
                "{text}\n{:?}",
                renamed_file.steps
            );
            let notes = renamed_file.notes.iter();
            renamed += notes.filter(|it| it.contains("is a former name")).count();
            for present in world.orgs.values() {
                let mut members = present.members.iter();
                let me = members.find(|it| same(&it.user, &world.me));
                assert_eq!(me.unwrap().role, OrganizationRole::Owner, "{text}");
            }
            let mut export = File::default();
            for (org, present) in &world.orgs {
                export
                    .org
                    .insert(Said::from(org.clone()), present.to_file());
            }
            let text = file::to_text(&export).unwrap();
            let again = file::parse(&text).unwrap_or_else(|error| panic!("{error:?}\n{text}"));
            let third = world.plan(&again, true).unwrap();
            assert!(third.steps.is_empty(), "{text}\n{:?}", third.steps);
            let notes = third.notes.iter();
            let waiting = notes.filter(|it| !it.contains("does not exist")).count();
            assert!(third.checks.is_empty() && waiting <= world.invited());
        }
    }
    assert!(planned > 2000 && renamed > 400, "{planned} {renamed}");
}
