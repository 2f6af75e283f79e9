//! Names of flakes that lead to nothing, or to what cannot be followed.

use std::collections::BTreeMap;

use fh_api::{FlakeName, FlakePattern, Name, Visibility};

use super::super::file::{File, Flake};
use super::super::problem::Problem;
use super::super::state::{Present, find};
use super::answers::{Answers, in_org, stands_in};
use crate::similar::{self, is_same_name};

/// Why something cannot be followed anew; none where it can, as far as that is known.
pub(super) fn no_follow(
    pattern: &FlakePattern,
    file: &File,
    present: &BTreeMap<Name, Present>,
    answers: &Answers,
) -> Option<String> {
    let name = match pattern {
        FlakePattern::All => return None,
        FlakePattern::Organization(org) => {
            let is_known = stands_in(file, org).is_some()
                || answers
                    .organizations
                    .values()
                    .any(|it| is_same_name(it, org));
            return (!is_known)
                .then(|| format!("there is no organisation named {org} with public flakes"));
        }
        FlakePattern::Flake(name) => name,
    };
    let org = file
        .org
        .iter()
        .find(|(org, _)| is_same_name(org, &name.org));
    let wanted: Option<&Flake> = org
        .and_then(|(_, wanted)| wanted.flakes.as_ref())
        .and_then(|flakes| find(flakes, &name.project));
    let listed = org.and_then(|(org, _)| present.get(&org.value));
    let listed = listed.into_iter().flat_map(|there| &there.flakes);
    let mut found = listed.chain(answers.flakes.values());
    let found = found.find(|found| found.name.folded() == name.folded());
    let visibility = match (wanted, found) {
        (None, None) => return Some(format!("there is no flake {name} that you can see")),
        (Some(wanted), None) => wanted.visibility.unwrap_or(Visibility::Private),
        (Some(wanted), Some(found)) => wanted.visibility.unwrap_or(found.visibility),
        (None, Some(found)) => found.visibility,
    };
    (visibility != Visibility::Public)
        .then(|| format!("only public flakes can be followed, and {name} is {visibility}"))
}

/// Flakes of trust policies that are not there, as far as the caller can see. They may come later, so that this is worth
/// knowing and no more.
pub(super) fn no_flake(
    file: &File,
    present: &BTreeMap<Name, Present>,
    answers: &Answers,
) -> Vec<Problem> {
    let made = file.org.iter().flat_map(|(org, wanted)| {
        let projects = wanted.flakes.iter().flat_map(BTreeMap::keys);
        projects.map(|project| in_org(&org.value, &project.value))
    });
    let listed = present.values().flat_map(|there| &there.flakes);
    let found = listed.chain(answers.flakes.values());
    let known: BTreeMap<String, FlakeName> = made
        .chain(found.map(|flake| flake.name.clone()))
        .map(|name| (name.folded(), name))
        .collect();
    let policies = file.org.values().flat_map(|wanted| &wanted.trust);
    let granted = policies
        .flat_map(BTreeMap::values)
        .flat_map(|it| &it.flakes);
    let missing = granted.filter_map(|said| {
        let FlakePattern::Flake(name) = &said.value else {
            return None;
        };
        if known.contains_key(&name.folded()) {
            return None;
        }
        let names = known.values().map(ToString::to_string);
        let meant = similar::meant(&name.to_string(), names);
        let meant = meant.map_or_else(String::new, |meant| format!("; did you mean {meant}?"));
        let note = format!("{name} does not exist, or you cannot see it{meant}");
        Some(said.spot.problem(note))
    });
    missing.collect()
}
