//! The comparison of one organisation, section by section. Members and teams are in [`super::people`], what is removed
//! besides in [`super::prune`].

use std::fmt;

use fh_api::{
    CreateFlake, FlakeName, FlakePattern, Name, Role, SetFollows, SetTrustPolicy, Subject,
    UpdateFlake, UpdateOrganization, Visibility,
};

use super::super::file::{Flake, Grants, Organization};
use super::super::names::contains;
use super::super::policy::{Outcome, Policy};
use super::super::problem::{Problem, Said, Spot};
use super::super::state::{Grant, Present, PresentFlake, find};
use super::facts::Facts;
use super::step::{Plan, Request, Sign, Step};
use crate::nouns::policies::Difference;
use crate::similar;
use crate::text::joined;

/// The comparison of one organisation.
pub(super) struct Planner<'a> {
    pub(super) org: &'a Said<Name>,
    pub(super) wanted: &'a Organization,
    pub(super) present: &'a Present,
    pub(super) facts: &'a Facts<'a>,
    pub(super) prune: bool,
    pub(super) plan: Plan,
    pub(super) problems: Vec<Problem>,
}

impl Planner<'_> {
    /// Adds what is to be done for it.
    pub(super) fn everything(&mut self) {
        if self.present.is_new {
            let request = Request::CreateOrganization(self.org.value.clone());
            self.set(request, &self.org.spot, None, Some("you own it".to_owned()));
        }
        self.settings();
        self.service_accounts();
        let former = self.members();
        self.teams(&former);
        self.flakes(&former);
        if let Some(grants) = &self.wanted.grants {
            let on = FlakePattern::Organization(self.org.value.clone());
            self.check_subjects(grants);
            self.grants(&on, grants, &self.present.grants, &former);
        }
        self.policies();
        self.follows();
        if self.prune {
            self.rest();
        }
    }

    fn settings(&mut self) {
        let (wanted, present) = (self.wanted, self.present);
        if let Some(push) = wanted.push.as_ref().filter(|it| it.value != present.push) {
            let change = UpdateOrganization {
                push: Some(push.value),
                ..UpdateOrganization::default()
            };
            self.update(change, &push.spot, &present.push, push);
        }
        if let Some(renewal) = wanted
            .renewal
            .as_ref()
            .filter(|it| it.value != present.renewal)
        {
            let change = UpdateOrganization {
                renewal: Some(renewal.value),
                ..UpdateOrganization::default()
            };
            self.update(change, &renewal.spot, &present.renewal, renewal);
        }
        if let Some(keys) = &wanted.trusted_keys {
            self.trusted_keys(keys);
        }
    }

    fn trusted_keys(&mut self, keys: &[Said<String>]) {
        let there = &self.present.trusted_keys;
        for key in keys.iter().filter(|key| !there.contains(key)) {
            if self.facts.server_keys.contains(key) {
                let reason = format!(
                    "{key} is a key of the server itself, which signs for every organisation: its signature proves \
                     nothing"
                );
                self.problems.push(key.spot.problem(reason));
            }
        }
        let mut wanted: Vec<String> = keys.iter().map(|key| key.value.clone()).collect();
        if !self.prune {
            wanted.extend(there.iter().cloned());
        }
        wanted.sort();
        wanted.dedup();
        let mut present = there.clone();
        present.sort();
        if wanted != present {
            let (from, to) = (listed(&present), listed(&wanted));
            let change = UpdateOrganization {
                trusted_keys: Some(wanted),
                ..UpdateOrganization::default()
            };
            self.update(change, &self.wanted.section("trusted-keys"), &from, &to);
        }
    }

    fn service_accounts(&mut self) {
        for account in self.wanted.service_accounts.iter().flatten() {
            if !contains(&self.present.service_accounts, account) {
                let (org, name) = (self.org.value.clone(), account.value.clone());
                let request = Request::CreateServiceAccount(org, name);
                self.set(request, &account.spot, None, None);
            }
        }
    }

    fn flakes(&mut self, former: &[Name]) {
        for (project, flake) in self.wanted.flakes.iter().flatten() {
            let there = self.present.flake(project);
            let name = FlakeName {
                org: self.org.value.clone(),
                project: project.value.clone(),
            };
            match there {
                None => self.create_flake(&name, flake, &project.spot),
                Some(there) => self.update_flake(&name, flake, there, &project.spot),
            }
            if let Some(grants) = &flake.grants {
                self.check_subjects(grants);
                let present = there.map_or(&[][..], |there| &there.grants);
                self.grants(&FlakePattern::Flake(name), grants, present, former);
            }
        }
    }

    fn create_flake(&mut self, name: &FlakeName, wanted: &Flake, spot: &Spot) {
        let visibility = wanted.visibility.unwrap_or(Visibility::Private);
        let new = CreateFlake {
            flake: name.clone(),
            visibility,
            description: wanted.description.clone().filter(|text| !text.is_empty()),
            exist_ok: true,
        };
        let to = match &new.description {
            None => visibility.to_string(),
            Some(description) => format!("{visibility}, {description:?}"),
        };
        self.set(Request::CreateFlake(new), spot, None, Some(to));
    }

    fn update_flake(
        &mut self,
        name: &FlakeName,
        wanted: &Flake,
        there: &PresentFlake,
        spot: &Spot,
    ) {
        if let Some(visibility) = wanted.visibility.filter(|it| *it != there.visibility) {
            let change = UpdateFlake {
                visibility: Some(visibility),
                description: None,
            };
            let (from, to) = (there.visibility.to_string(), visibility.to_string());
            let request = Request::UpdateFlake(name.clone(), change);
            self.set(request, spot, Some(from), Some(to));
        }
        let description = wanted.description.as_ref();
        if let Some(text) = description.filter(|text| **text != there.description) {
            let change = UpdateFlake {
                visibility: None,
                description: Some(text.clone()),
            };
            let (from, to) = (format!("{:?}", there.description), format!("{text:?}"));
            let request = Request::UpdateFlake(name.clone(), change);
            self.set(request, spot, Some(from), Some(to));
        }
    }

    /// That grants are to teams that there are, or will be.
    fn check_subjects(&mut self, grants: &Grants) {
        let (org, teams) = (self.org, self.wanted.teams.as_ref());
        for subject in grants.keys() {
            let Subject::Team(team) = &subject.value else {
                continue;
            };
            let is_listed = teams.is_some_and(|teams| find(teams, team).is_some());
            let is_removed = self.prune && teams.is_some();
            if is_listed || !is_removed && self.present.team(team).is_some() {
                continue;
            }
            let present = self.present.teams.iter().map(|there| &there.name);
            let listed = teams.into_iter().flatten().map(|(name, _)| &name.value);
            let names = present.chain(listed).map(ToString::to_string);
            let meant = similar::meant(team.as_str(), names);
            let meant =
                meant.map_or_else(String::new, |name| format!("did you mean team:{name}? Or "));
            let reason = format!("{org} has no team {team}; {meant}add it to [org.{org}.teams]");
            self.problems.push(subject.spot.problem(reason));
        }
    }

    /// `former`: who is removed from the organisation.
    fn grants(&mut self, on: &FlakePattern, wanted: &Grants, present: &[Grant], former: &[Name]) {
        // What was granted to somebody by name goes with their membership.
        let is_former =
            |subject: &Subject| matches!(subject, Subject::User(user) if contains(former, user));
        let present: Vec<&Grant> = present
            .iter()
            .filter(|grant| !is_former(&grant.subject))
            .collect();
        for (subject, role) in wanted {
            let mut grants = present.iter();
            let there = grants.find(|there| there.subject.folded() == subject.value.folded());
            let is_pending = there.is_some_and(|there| there.pending);
            let there: Option<Role> = there.map(|there| there.role);
            if there == Some(*role) {
                if let (Subject::User(user), true) = (&subject.value, is_pending) {
                    self.waits(&format!("The grant {on} {subject}"), user);
                }
                continue;
            }
            let request = Request::SetGrant(on.clone(), subject.value.clone(), *role);
            let from = there.map(|role| role.to_string());
            self.set(request, &subject.spot, from, Some(role.to_string()));
        }
        if !self.prune {
            return;
        }
        for there in present {
            let folded = there.subject.folded();
            if wanted
                .keys()
                .all(|subject| subject.value.folded() != folded)
            {
                let request = Request::RemoveGrant(on.clone(), there.subject.clone());
                self.remove(request, Some(there.role.to_string()));
            }
        }
    }

    fn policies(&mut self) {
        for (policy, wanted) in self.wanted.trust.iter().flatten() {
            self.policy(policy, wanted);
        }
    }

    fn policy(&mut self, policy: &Said<Name>, wanted: &Policy) {
        let there = self.present.policy(policy);
        let jwks = wanted
            .jwks
            .as_ref()
            .and_then(|path| self.facts.keys.get(&path.value));
        let outcome = match wanted.compare(&self.present.name, jwks.cloned(), there) {
            Ok(outcome) => outcome,
            Err(reason) => {
                self.problems.push(wanted.spot.problem(reason));
                return;
            }
        };
        let step = |set: SetTrustPolicy, from: Option<String>, to: String| {
            let (org, name) = (self.org.value.clone(), policy.value.clone());
            let request = Request::SetPolicy(org, name, Box::new(set));
            Step::new(request, &policy.spot, from, Some(to))
        };
        match outcome {
            Outcome::Same => {}
            Outcome::SameButKeys(set) => self.plan.checks.push(Step {
                change: Sign::Change,
                ..step(set, None, "the keys in the file".to_owned())
            }),
            Outcome::Set(set, differing) if there.is_some() => {
                let side = |of: fn(&Difference) -> &str| {
                    let told = differing.iter();
                    let told = told.map(|one| format!("{} {}", one.what.to_lowercase(), of(one)));
                    told.collect::<Vec<_>>().join("; ")
                };
                let (from, to) = (side(|one| &one.has), side(|one| &one.asked));
                self.plan.steps.push(step(set, Some(from), to));
            }
            Outcome::Set(set, _) => {
                let to = format!("{}, {} on {}", set.provider, set.role, joined(&set.flakes));
                self.plan.steps.push(step(set, None, to));
            }
        }
    }

    fn follows(&mut self) {
        let Some(wanted) = &self.wanted.follows else {
            return;
        };
        let before = &self.present.follows;
        let mut follows: Vec<FlakePattern> = wanted.iter().map(|said| said.value.clone()).collect();
        if !self.prune {
            let is_kept = |there: &&FlakePattern| {
                wanted
                    .iter()
                    .all(|one| one.value.folded() != there.folded())
            };
            follows.extend(before.iter().filter(is_kept).cloned());
        }
        let keys = |list: &[FlakePattern]| -> Vec<String> {
            list.iter().map(FlakePattern::folded).collect()
        };
        if keys(&follows) == keys(before) {
            return;
        }
        let (from, to) = (listed(before), listed(&follows));
        let request = Request::SetFollows(SetFollows {
            follows,
            before: before.clone(),
            org: Some(self.org.value.clone()),
            everybody: false,
        });
        self.set(
            request,
            &self.wanted.section("follows"),
            Some(from),
            Some(to),
        );
    }

    fn update(
        &mut self,
        change: UpdateOrganization,
        spot: &Spot,
        from: &impl ToString,
        to: &impl ToString,
    ) {
        let request = Request::UpdateOrganization(self.org.value.clone(), change);
        self.set(request, spot, Some(from.to_string()), Some(to.to_string()));
    }

    /// Something is there from then on, or is another thing than before: what it is, and what it is going to be.
    pub(super) fn set(
        &mut self,
        request: Request,
        spot: &Spot,
        from: Option<String>,
        to: Option<String>,
    ) {
        self.plan.steps.push(Step::new(request, spot, from, to));
    }

    /// Something that a section of the file does not list is removed.
    pub(super) fn remove(&mut self, request: Request, from: Option<String>) {
        let spot = self
            .wanted
            .section(request.lacking_in().unwrap_or_default());
        self.plan.steps.push(Step::new(request, &spot, from, None));
    }

    /// That something is as the file says, and waits for somebody.
    pub(super) fn waits(&mut self, what: &str, user: &Name) {
        let note = format!("{what} waits: {user} has not accepted the invitation yet.");
        self.plan.notes.push(note);
    }
}

/// Side by side, or that there are none.
fn listed<T: fmt::Display>(items: &[T]) -> String {
    if items.is_empty() {
        return "none".to_owned();
    }
    joined(items)
}
