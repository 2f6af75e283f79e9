//! The comparison of one organisation, section by section.

use std::fmt;

use fh_api::{
    CreateFlake, FlakeName, FlakePattern, Name, OrganizationRole, SetFollows, SetTrustPolicy,
    Subject, UpdateFlake, UpdateOrganization, Visibility,
};

use super::super::super::trust::Difference;
use super::super::super::{is_same_name, joined};
use super::super::file::{Flake, GrantedRole, Grants, Named, Organization, Users};
use super::super::policy::Outcome;
use super::super::state::{Grant, Present, PresentFlake, find};
use super::{Facts, Plan, Request, Sign, Stage, Step, contains};

/// What contradicts itself: a key below the organisation, and why.
pub(super) type Contradiction = (String, String);

/// The comparison of one organisation.
pub(super) struct Planner<'a> {
    pub(super) org: &'a Name,
    pub(super) wanted: &'a Organization,
    pub(super) present: &'a Present,
    pub(super) facts: &'a Facts<'a>,
    pub(super) prune: bool,
    pub(super) plan: &'a mut Plan,
}

impl Planner<'_> {
    /// Adds what is to be done for it.
    pub(super) fn everything(&mut self) -> Result<(), Contradiction> {
        if self.present.is_new {
            let request = Request::CreateOrganization(self.org.clone());
            let to = Some("you own it".to_owned());
            self.add(Stage::Organizations, request, "org", self.org, to);
        }
        self.settings();
        self.service_accounts();
        let former = self.members();
        self.teams(&former)?;
        self.flakes(&former)?;
        if let Some(grants) = &self.wanted.grants {
            let on = FlakePattern::Organization(self.org.clone());
            self.check_subjects("grants", grants)?;
            self.grants(&on, grants, &self.present.grants, &former);
        }
        self.policies()?;
        self.follows();
        if self.prune {
            self.rest()?;
        }
        Ok(())
    }

    fn settings(&mut self) {
        if let Some(push) = self.wanted.push.filter(|push| *push != self.present.push) {
            let change = UpdateOrganization {
                push: Some(push),
                ..UpdateOrganization::default()
            };
            let (from, to) = (self.present.push.to_string(), push.to_string());
            self.update("who-pushes", change, from, to);
        }
        let renewal = self.wanted.renewal;
        if let Some(renewal) = renewal.filter(|renewal| *renewal != self.present.renewal) {
            let change = UpdateOrganization {
                renewal: Some(renewal),
                ..UpdateOrganization::default()
            };
            let (from, to) = (self.present.renewal.to_string(), renewal.to_string());
            self.update("who-renews", change, from, to);
        }
        if let Some(keys) = &self.wanted.trusted_keys {
            let present = &self.present.trusted_keys;
            let mut wanted: Vec<String> = keys.iter().map(|key| key.trim().to_owned()).collect();
            if !self.prune {
                wanted.extend(present.iter().cloned());
            }
            wanted.sort();
            wanted.dedup();
            let mut present = present.clone();
            present.sort();
            if wanted != present {
                let (from, to) = (listed(&present), listed(&wanted));
                let change = UpdateOrganization {
                    trusted_keys: Some(wanted),
                    ..UpdateOrganization::default()
                };
                self.update("trusted-keys", change, from, to);
            }
        }
    }

    fn service_accounts(&mut self) {
        let wanted = self.wanted.service_accounts.as_deref();
        for account in wanted.unwrap_or_default() {
            if !contains(&self.present.service_accounts, account) {
                let request = Request::CreateServiceAccount(self.org.clone(), account.clone());
                let name = self.named(account);
                self.add(
                    Stage::ServiceAccounts,
                    request,
                    "service-account",
                    name,
                    None,
                );
            }
        }
    }

    /// Those who are removed.
    fn members(&mut self) -> Vec<Name> {
        let Some(wanted) = &self.wanted.members else {
            return Vec::new();
        };
        let mut wanted_first: Vec<_> = wanted.iter().collect();
        // There always has to be an owner: the new one comes before the former one is made less.
        wanted_first.sort_by_key(|(_, role)| std::cmp::Reverse(**role));
        for (user, role) in wanted_first {
            let (user, role) = (user.clone(), *role);
            let is_caller = is_same_name(&user, self.facts.caller);
            let mut members = self.present.members.iter();
            let there = members.find(|member| is_same_name(&member.user, &user));
            let there = match there {
                Some(member) => Some(member.role),
                // Whoever makes an organisation owns it.
                None if is_caller && self.present.is_new => Some(OrganizationRole::Owner),
                None => None,
            };
            if there == Some(role) {
                continue;
            }
            if is_caller && there > Some(role) {
                let note = format!(
                    "You stay {} of {}: your own role is not made less here. Another owner can do it.",
                    there.map_or("", OrganizationRole::as_str),
                    self.org
                );
                self.plan.notes.push(note);
                continue;
            }
            let name = self.named(&user);
            self.step(
                Stage::Members,
                Request::SetMember(self.org.clone(), user, role),
                ("member", name),
                there.map(|role| role.to_string()),
                Some(role.to_string()),
            );
        }
        if !self.prune {
            return Vec::new();
        }
        let mut former = Vec::new();
        for member in &self.present.members {
            if find(wanted, &member.user).is_some() {
                continue;
            }
            if is_same_name(&member.user, self.facts.caller) {
                let note = format!(
                    "You stay {} of {}, although the file does not name you. To leave: `fh org leave {}`",
                    member.role, self.org, self.org
                );
                self.plan.notes.push(note);
                continue;
            }
            let request = Request::RemoveMember(self.org.clone(), member.user.clone());
            let name = self.named(&member.user);
            let from = Some(member.role.to_string());
            self.remove(Stage::FormerMembers, request, "member", name, from);
            former.push(member.user.clone());
        }
        former
    }

    fn teams(&mut self, former: &[Name]) -> Result<(), Contradiction> {
        let Some(wanted) = &self.wanted.teams else {
            return Ok(());
        };
        for (team, Users(users)) in wanted {
            let mut teams = self.present.teams.iter();
            let there = teams.find(|there| is_same_name(&there.name, team));
            if there.is_none() {
                let request = Request::CreateTeam(self.org.clone(), team.clone());
                self.add(Stage::Teams, request, "team", self.named(team), None);
            }
            let inside = there.map_or(&[][..], |team| &team.members);
            for user in users {
                self.add_to_team(team, user, inside, former)?;
            }
            if !self.prune {
                continue;
            }
            for user in inside {
                // Who leaves the organisation leaves its teams.
                if contains(users, user) || contains(former, user) {
                    continue;
                }
                let (org, team, user) = (self.org.clone(), team.clone(), user.clone());
                let name = format!("{}/{user}", self.named(&team));
                let request = Request::RemoveFromTeam(org, team, user);
                self.remove(Stage::Teams, request, "team-member", name, None);
            }
        }
        Ok(())
    }

    fn add_to_team(
        &mut self,
        team: &Name,
        user: &Name,
        inside: &[Name],
        former: &[Name],
    ) -> Result<(), Contradiction> {
        let mut members = self.present.members.iter();
        let member = members.find(|member| is_same_name(&member.user, user));
        let in_file = self.wanted.members.as_ref();
        let is_added = in_file.is_some_and(|members| find(members, user).is_some());
        let makes_it = self.present.is_new && is_same_name(user, self.facts.caller);
        let stays = member.is_some() && !contains(former, user);
        if !is_added && !makes_it && !stays {
            let reason = format!(
                "{user} is not a member of {}: add it to [org.{}.members]",
                self.org, self.org
            );
            return Err((format!("teams.{team}"), reason));
        }
        if contains(inside, user) {
            return Ok(());
        }
        let name = format!("{}/{user}", self.named(team));
        if member.is_some_and(|member| member.invited) {
            let note = format!("{name} waits: {user} has not accepted the invitation yet.");
            self.plan.notes.push(note);
            return Ok(());
        }
        let request = Request::AddToTeam(self.org.clone(), team.clone(), user.clone());
        self.add(Stage::Teams, request, "team-member", name, None);
        Ok(())
    }

    fn flakes(&mut self, former: &[Name]) -> Result<(), Contradiction> {
        let Some(wanted) = &self.wanted.flakes else {
            return Ok(());
        };
        for (project, flake) in wanted {
            let mut flakes = self.present.flakes.iter();
            let there = flakes.find(|there| is_same_name(&there.name.project, project));
            let name = FlakeName {
                org: self.org.clone(),
                project: project.clone(),
            };
            match there {
                None => self.create_flake(&name, flake),
                Some(there) => self.update_flake(&name, flake, there),
            }
            if let Some(grants) = &flake.grants {
                self.check_subjects(&format!("flakes.{project}.grants"), grants)?;
                let present = there.map_or(&[][..], |there| &there.grants);
                self.grants(&FlakePattern::Flake(name), grants, present, former);
            }
        }
        Ok(())
    }

    fn create_flake(&mut self, name: &FlakeName, wanted: &Flake) {
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
        self.add(Stage::Flakes, request, "flake", name, Some(to));
    }

    fn update_flake(&mut self, name: &FlakeName, wanted: &Flake, there: &PresentFlake) {
        let mut change = |kind, from: String, to: String, update: UpdateFlake| {
            let request = Request::UpdateFlake(name.clone(), update);
            let what = (kind, name.to_string());
            self.step(Stage::Flakes, request, what, Some(from), Some(to));
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

    /// That grants are to teams that there are.
    fn check_subjects(&self, key: &str, grants: &Grants) -> Result<(), Contradiction> {
        let Some(teams) = &self.wanted.teams else {
            return Ok(());
        };
        for subject in grants.keys() {
            let Subject::Team(team) = subject else {
                continue;
            };
            let mut present = self.present.teams.iter();
            let stays = !self.prune && present.any(|there| is_same_name(&there.name, team));
            if find(teams, team).is_none() && !stays {
                let reason = format!(
                    "{} has no team {team}: add it to [org.{}.teams]",
                    self.org, self.org
                );
                return Err((key.to_owned(), reason));
            }
        }
        Ok(())
    }

    fn grants(&mut self, on: &FlakePattern, wanted: &Grants, present: &[Grant], former: &[Name]) {
        // What was granted to somebody by name goes with their membership.
        let is_former =
            |subject: &Subject| matches!(subject, Subject::User(user) if contains(former, user));
        let present: Vec<&Grant> = present
            .iter()
            .filter(|grant| !is_former(&grant.subject))
            .collect();
        for (subject, GrantedRole(role)) in wanted {
            let mut grants = present.iter();
            let there = grants.find(|there| there.subject.folded() == subject.folded());
            let there = there.map(|there| there.role);
            if there == Some(*role) {
                continue;
            }
            self.step(
                Stage::Grants,
                Request::SetGrant(on.clone(), subject.clone(), *role),
                ("grant", format!("{on} {subject}")),
                there.map(|role| role.to_string()),
                Some(role.to_string()),
            );
        }
        if !self.prune {
            return;
        }
        for there in present {
            if wanted
                .keys()
                .all(|subject| subject.folded() != there.subject.folded())
            {
                let request = Request::RemoveGrant(on.clone(), there.subject.clone());
                let name = format!("{on} {}", there.subject);
                let role = Some(there.role.to_string());
                self.remove(Stage::Grants, request, "grant", name, role);
            }
        }
    }

    fn policies(&mut self) -> Result<(), Contradiction> {
        let Some(wanted) = &self.wanted.trust else {
            return Ok(());
        };
        for (policy, wanted) in wanted {
            let mut policies = self.present.policies.iter();
            let there = policies.find(|there| is_same_name(&there.name, policy));
            let jwks = wanted.jwks.as_deref();
            let jwks = jwks.and_then(|path| self.facts.keys.get(path)).cloned();
            let outcome = wanted
                .compare(self.org, jwks, there)
                .map_err(|reason| (format!("trust.{policy}"), reason))?;
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
                request: Request::SetPolicy(self.org.clone(), policy.clone(), Box::new(set)),
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
        Ok(())
    }

    fn follows(&mut self) {
        let Some(wanted) = &self.wanted.follows else {
            return;
        };
        let before = &self.present.follows;
        let mut follows = wanted.clone();
        if !self.prune {
            let is_kept =
                |there: &&FlakePattern| wanted.iter().all(|one| one.folded() != there.folded());
            follows.extend(before.iter().filter(is_kept).cloned());
        }
        let keys =
            |list: &[FlakePattern]| -> Vec<String> { list.iter().map(Named::folded).collect() };
        if keys(&follows) == keys(before) {
            return;
        }
        let (from, to) = (listed(before), listed(&follows));
        let request = Request::SetFollows(SetFollows {
            follows,
            before: before.clone(),
            org: Some(self.org.clone()),
            everybody: false,
        });
        let what = ("follows-of", self.org.to_string());
        self.step(Stage::Follows, request, what, Some(from), Some(to));
    }

    /// What the sections do not list, as far as nothing above has removed it.
    fn rest(&mut self) -> Result<(), Contradiction> {
        let org = self.org;
        if let Some(wanted) = &self.wanted.trust {
            for there in &self.present.policies {
                if find(wanted, &there.name).is_none() {
                    let request = Request::RemovePolicy(org.clone(), there.name.clone());
                    let name = self.named(&there.name);
                    self.remove(Stage::Rest, request, "trust-policy", name, None);
                }
            }
        }
        if let Some(wanted) = &self.wanted.teams {
            for there in &self.present.teams {
                if find(wanted, &there.name).is_none() {
                    let request = Request::DeleteTeam(org.clone(), there.name.clone());
                    let name = self.named(&there.name);
                    self.remove(Stage::Rest, request, "team", name, None);
                }
            }
        }
        if let Some(wanted) = &self.wanted.flakes {
            for there in &self.present.flakes {
                if find(wanted, &there.name.project).is_none() {
                    let what = format!("{}, {} store paths", there.visibility, there.paths);
                    let name = there.name.to_string();
                    let request = Request::DeleteFlake(there.name.clone());
                    self.remove(Stage::Rest, request, "flake", name, Some(what));
                }
            }
        }
        if let Some(wanted) = &self.wanted.service_accounts {
            for there in &self.present.service_accounts {
                if contains(wanted, there) {
                    continue;
                }
                let members = self.wanted.members.as_ref();
                if members.is_some_and(|members| find(members, there).is_some()) {
                    let reason = format!(
                        "{there} stands among the members: with --prune it has to stand here, too"
                    );
                    return Err(("service-accounts".to_owned(), reason));
                }
                let request = Request::RemoveServiceAccount(org.clone(), there.clone());
                let name = self.named(there);
                let what = Some("with its tokens".to_owned());
                self.remove(Stage::Rest, request, "service-account", name, what);
            }
        }
        Ok(())
    }

    /// A thing of the organisation, as commands take it.
    fn named(&self, name: &Name) -> String {
        format!("{}/{name}", self.org)
    }

    fn update(&mut self, kind: &'static str, change: UpdateOrganization, from: String, to: String) {
        let request = Request::UpdateOrganization(self.org.clone(), change);
        let what = (kind, self.org.to_string());
        self.step(Stage::Settings, request, what, Some(from), Some(to));
    }

    /// Something is there from then on, or is another thing than before.
    fn step(
        &mut self,
        stage: Stage,
        request: Request,
        what: (&'static str, String),
        from: Option<String>,
        to: Option<String>,
    ) {
        let change = match from {
            None => Sign::Add,
            Some(_) => Sign::Change,
        };
        self.push(stage, request, change, what, [from, to]);
    }

    fn add(
        &mut self,
        stage: Stage,
        request: Request,
        kind: &'static str,
        name: impl fmt::Display,
        to: Option<String>,
    ) {
        let what = (kind, name.to_string());
        self.push(stage, request, Sign::Add, what, [None, to]);
    }

    fn remove(
        &mut self,
        stage: Stage,
        request: Request,
        kind: &'static str,
        name: String,
        from: Option<String>,
    ) {
        let what = (kind, name);
        self.push(stage, request, Sign::Remove, what, [from, None]);
    }

    fn push(
        &mut self,
        stage: Stage,
        request: Request,
        change: Sign,
        (kind, name): (&'static str, String),
        [from, to]: [Option<String>; 2],
    ) {
        self.plan.steps.push(Step {
            stage,
            request,
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
