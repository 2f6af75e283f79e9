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
use super::step::{Plan, Request, Sign, Stage, Step};
use crate::nouns::policies::Difference;
use crate::similar;
use crate::similar::is_same_name;
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
            let to = Some("you own it".to_owned());
            let what = ("org", self.org.to_string());
            self.add(Stage::Organizations, request, what, &self.org.spot, to);
        }
        self.settings();
        self.service_accounts();
        let former = self.members();
        self.teams(&former);
        self.flakes(&former);
        if let Some(grants) = &self.wanted.grants {
            let on = FlakePattern::Organization(self.org.value.clone());
            self.check_subjects(grants);
            self.grants(&on, grants, &self.present.grants, (&former, "grants"));
        }
        self.policies();
        self.follows();
        if self.prune {
            self.rest();
        }
    }

    fn settings(&mut self) {
        let push = self.wanted.push.as_ref();
        if let Some(push) = push.filter(|push| push.value != self.present.push) {
            let change = UpdateOrganization {
                push: Some(push.value),
                ..UpdateOrganization::default()
            };
            let (from, to) = (self.present.push.to_string(), push.to_string());
            self.update("who-pushes", change, &push.spot, [from, to]);
        }
        let renewal = self.wanted.renewal.as_ref();
        if let Some(renewal) = renewal.filter(|renewal| renewal.value != self.present.renewal) {
            let change = UpdateOrganization {
                renewal: Some(renewal.value),
                ..UpdateOrganization::default()
            };
            let (from, to) = (self.present.renewal.to_string(), renewal.to_string());
            self.update("who-renews", change, &renewal.spot, [from, to]);
        }
        if let Some(keys) = &self.wanted.trusted_keys {
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
            let sides = [listed(&present), listed(&wanted)];
            let change = UpdateOrganization {
                trusted_keys: Some(wanted),
                ..UpdateOrganization::default()
            };
            let spot = self.wanted.section("trusted-keys");
            self.update("trusted-keys", change, &spot, sides);
        }
    }

    fn service_accounts(&mut self) {
        for account in self.wanted.service_accounts.iter().flatten() {
            if !contains(&self.present.service_accounts, account) {
                let (org, name) = (self.org.value.clone(), account.value.clone());
                let request = Request::CreateServiceAccount(org, name);
                let what = ("service-account", self.named(account));
                self.add(Stage::ServiceAccounts, request, what, &account.spot, None);
            }
        }
    }

    fn flakes(&mut self, former: &[Name]) {
        let Some(wanted) = &self.wanted.flakes else {
            return;
        };
        for (project, flake) in wanted {
            let mut flakes = self.present.flakes.iter();
            let there = flakes.find(|there| is_same_name(&there.name.project, project));
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
                self.grants(
                    &FlakePattern::Flake(name),
                    grants,
                    present,
                    (former, "flakes"),
                );
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
        let request = Request::CreateFlake(new);
        let what = ("flake", name.to_string());
        self.add(Stage::Flakes, request, what, spot, Some(to));
    }

    fn update_flake(
        &mut self,
        name: &FlakeName,
        wanted: &Flake,
        there: &PresentFlake,
        spot: &Spot,
    ) {
        let mut change = |kind, from: String, to: String, update: UpdateFlake| {
            let request = Request::UpdateFlake(name.clone(), update);
            let what = (kind, name.to_string());
            self.step(Stage::Flakes, request, what, spot, [Some(from), Some(to)]);
        };
        if let Some(visibility) = wanted.visibility.filter(|it| *it != there.visibility) {
            let update = UpdateFlake {
                visibility: Some(visibility),
                description: None,
            };
            let (from, to) = (there.visibility.to_string(), visibility.to_string());
            change("visibility", from, to, update);
        }
        if let Some(text) = wanted
            .description
            .as_ref()
            .filter(|text| **text != there.description)
        {
            let update = UpdateFlake {
                visibility: None,
                description: Some(text.clone()),
            };
            let (from, to) = (format!("{:?}", there.description), format!("{text:?}"));
            change("description", from, to, update);
        }
    }

    /// That grants are to teams that there are, or will be.
    fn check_subjects(&mut self, grants: &Grants) {
        for subject in grants.keys() {
            let Subject::Team(team) = &subject.value else {
                continue;
            };
            let listed = self.wanted.teams.as_ref();
            let is_listed = listed.is_some_and(|teams| find(teams, team).is_some());
            let mut present = self.present.teams.iter();
            let is_removed = self.prune && listed.is_some();
            let stays = !is_removed && present.any(|there| is_same_name(&there.name, team));
            if !is_listed && !stays {
                let org = self.org;
                let names = self
                    .present
                    .teams
                    .iter()
                    .map(|there| there.name.to_string());
                let names = names.chain(
                    listed
                        .into_iter()
                        .flatten()
                        .map(|(name, _)| name.to_string()),
                );
                let meant = similar::meant(team.as_str(), names);
                let meant =
                    meant.map_or_else(String::new, |name| format!("did you mean team:{name}? Or "));
                let reason =
                    format!("{org} has no team {team}; {meant}add it to [org.{org}.teams]");
                self.problems.push(subject.spot.problem(reason));
            }
        }
    }

    /// `former`: who is removed from the organisation; `section`: what of the file the grants are in.
    fn grants(
        &mut self,
        on: &FlakePattern,
        wanted: &Grants,
        present: &[Grant],
        (former, section): (&[Name], &'static str),
    ) {
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
            self.step(
                Stage::Grants,
                Request::SetGrant(on.clone(), subject.value.clone(), *role),
                ("grant", format!("{on} {subject}")),
                &subject.spot,
                [there.map(|role| role.to_string()), Some(role.to_string())],
            );
        }
        if !self.prune {
            return;
        }
        for there in present {
            if wanted
                .keys()
                .all(|subject| subject.value.folded() != there.subject.folded())
            {
                let request = Request::RemoveGrant(on.clone(), there.subject.clone());
                let what = ("grant", format!("{on} {}", there.subject));
                let role = Some(there.role.to_string());
                self.remove(Stage::Grants, request, what, section, role);
            }
        }
    }

    fn policies(&mut self) {
        for (policy, wanted) in self.wanted.trust.iter().flatten() {
            self.policy(policy, wanted);
        }
    }

    fn policy(&mut self, policy: &Said<Name>, wanted: &Policy) {
        let mut policies = self.present.policies.iter();
        let there = policies.find(|there| is_same_name(&there.name, policy));
        let jwks = wanted.jwks.as_ref();
        let jwks = jwks
            .and_then(|path| self.facts.keys.get(&path.value))
            .cloned();
        let outcome = match wanted.compare(&self.present.name, jwks, there) {
            Ok(outcome) => outcome,
            Err(reason) => {
                self.problems.push(wanted.spot.problem(reason));
                return;
            }
        };
        let step = |set: SetTrustPolicy, from: Option<String>, to: String| Step {
            stage: Stage::Policies,
            change: match there {
                Some(_) => Sign::Change,
                None => Sign::Add,
            },
            kind: "trust-policy",
            name: self.named(policy),
            from,
            to: Some(to),
            spot: policy.spot.clone(),
            request: Request::SetPolicy(
                self.org.value.clone(),
                policy.value.clone(),
                Box::new(set),
            ),
        };
        match outcome {
            Outcome::Same => {}
            Outcome::SameButKeys(set) => {
                let step = step(set, None, "the keys in the file".to_owned());
                self.plan.checks.push(step);
            }
            Outcome::Set(set, differing) if there.is_some() => {
                let side = |of: fn(&Difference) -> &str| {
                    let all = differing.iter();
                    let told: Vec<String> = all
                        .map(|one| format!("{} {}", one.what.to_lowercase(), of(one)))
                        .collect();
                    told.join("; ")
                };
                let (from, to) = (side(|one| &one.has), side(|one| &one.asked));
                let step = step(set, Some(from), to);
                self.plan.steps.push(step);
            }
            Outcome::Set(set, _) => {
                let flakes: Vec<String> = set.flakes.iter().map(ToString::to_string).collect();
                let to = format!("{}, {} on {}", set.provider, set.role, flakes.join(" "));
                let step = step(set, None, to);
                self.plan.steps.push(step);
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
        let sides = [Some(listed(before)), Some(listed(&follows))];
        let request = Request::SetFollows(SetFollows {
            follows,
            before: before.clone(),
            org: Some(self.org.value.clone()),
            everybody: false,
        });
        let what = ("follows-of", self.org.to_string());
        let spot = self.wanted.section("follows");
        self.step(Stage::Follows, request, what, &spot, sides);
    }

    /// A thing of the organisation, as commands take it.
    pub(super) fn named(&self, name: &Name) -> String {
        format!("{}/{name}", self.org)
    }

    fn update(
        &mut self,
        kind: &'static str,
        change: UpdateOrganization,
        spot: &Spot,
        [from, to]: [String; 2],
    ) {
        let request = Request::UpdateOrganization(self.org.value.clone(), change);
        let what = (kind, self.org.to_string());
        self.step(Stage::Settings, request, what, spot, [Some(from), Some(to)]);
    }

    /// Something is there from then on, or is another thing than before. `what`: its kind and name; `sides`: what it
    /// is, and what it is going to be.
    pub(super) fn step(
        &mut self,
        stage: Stage,
        request: Request,
        what: (&'static str, String),
        spot: &Spot,
        sides: [Option<String>; 2],
    ) {
        let change = match sides[0] {
            None => Sign::Add,
            Some(_) => Sign::Change,
        };
        self.push(stage, request, change, what, spot, sides);
    }

    pub(super) fn add(
        &mut self,
        stage: Stage,
        request: Request,
        what: (&'static str, String),
        spot: &Spot,
        to: Option<String>,
    ) {
        self.push(stage, request, Sign::Add, what, spot, [None, to]);
    }

    /// Something that a section of the file does not list is removed.
    pub(super) fn remove(
        &mut self,
        stage: Stage,
        request: Request,
        what: (&'static str, String),
        section: &'static str,
        from: Option<String>,
    ) {
        let spot = self.wanted.section(section);
        self.push(stage, request, Sign::Remove, what, &spot, [from, None]);
    }

    fn push(
        &mut self,
        stage: Stage,
        request: Request,
        change: Sign,
        (kind, name): (&'static str, String),
        spot: &Spot,
        [from, to]: [Option<String>; 2],
    ) {
        self.plan.steps.push(Step {
            stage,
            request,
            spot: spot.clone(),
            change,
            kind,
            name,
            from,
            to,
        });
    }
}

/// Side by side, or that there are none.
fn listed<T: fmt::Display>(items: &[T]) -> String {
    if items.is_empty() {
        return "none".to_owned();
    }
    joined(items)
}
