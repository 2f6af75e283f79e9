//! The comparison of members and teams.

use std::collections::BTreeMap;

use fh_api::{Name, OrganizationRole, Subject};

use super::super::names::contains;
use super::super::problem::{Said, Spot};
use super::super::state::find;
use super::organization::Planner;
use super::step::Request;
use crate::similar::is_same_name;

impl Planner<'_> {
    /// Those who are removed.
    pub(super) fn members(&mut self) -> Vec<Name> {
        let Some(wanted) = &self.wanted.members else {
            return Vec::new();
        };
        let mut wanted_first: Vec<_> = wanted.iter().collect();
        // There always has to be an owner: the new one comes before the former one is made less.
        wanted_first.sort_by_key(|(_, role)| std::cmp::Reverse(**role));
        for (user, role) in wanted_first {
            self.member(user, *role);
        }
        if !self.prune {
            return Vec::new();
        }
        let mut former = Vec::new();
        for member in &self.present.members {
            if find(wanted, &member.user).is_some() {
                continue;
            }
            if is_same_name(&member.user, &self.facts.caller.name) {
                let note = format!(
                    "You stay {} of {}, although the file does not name you. To leave: `fh org leave {}`",
                    member.role, self.org, self.org
                );
                self.plan.notes.push(note);
                continue;
            }
            let request = Request::RemoveMember(self.org.value.clone(), member.user.clone());
            self.remove(request, Some(member.role.to_string()));
            former.push(member.user.clone());
        }
        former
    }

    fn member(&mut self, user: &Said<Name>, role: OrganizationRole) {
        let is_caller = is_same_name(user, &self.facts.caller.name);
        let there = self.present.member(user);
        let is_invited = there.is_some_and(|member| member.invited);
        let there = match there {
            Some(member) => Some(member.role),
            // Whoever makes an organisation owns it.
            None if is_caller && self.present.is_new => Some(OrganizationRole::Owner),
            None => None,
        };
        if there == Some(role) {
            if is_invited {
                self.waits(&format!("{}/{user}", self.org), user);
            }
            return;
        }
        if is_caller && there > Some(role) {
            let note = format!(
                "You stay {} of {}: your own role is not made less here. Another owner can do it.",
                there.map_or("", OrganizationRole::as_str),
                self.org
            );
            self.plan.notes.push(note);
            return;
        }
        let request = Request::SetMember(self.org.value.clone(), user.value.clone(), role);
        let from = there.map(|role| role.to_string());
        self.set(request, &user.spot, from, Some(role.to_string()));
    }

    pub(super) fn teams(&mut self, former: &[Name]) {
        for (team, users) in self.wanted.teams.iter().flatten() {
            let there = self.present.team(team);
            if there.is_none() {
                let request = Request::CreateTeam(self.org.value.clone(), team.value.clone());
                self.set(request, &team.spot, None, None);
            }
            let inside = there.map_or(&[][..], |team| &team.members);
            for user in users {
                self.add_to_team(team, user, inside, former);
            }
            if !self.prune {
                continue;
            }
            for user in inside {
                // Who leaves the organisation leaves its teams.
                let is_listed = users.iter().any(|listed| is_same_name(listed, user));
                if is_listed || contains(former, user) {
                    continue;
                }
                let (org, team, user) = (&self.org.value, &team.value, user.clone());
                self.remove(
                    Request::RemoveFromTeam(org.clone(), team.clone(), user),
                    None,
                );
            }
        }
    }

    fn add_to_team(&mut self, team: &Name, user: &Said<Name>, inside: &[Name], former: &[Name]) {
        let member = self.present.member(user);
        let in_file = self.wanted.members.as_ref();
        let is_added = in_file.is_some_and(|members| find(members, user).is_some());
        let makes_it = self.present.is_new && is_same_name(user, &self.facts.caller.name);
        let stays = member.is_some() && !contains(former, user);
        if !is_added && !makes_it && !stays {
            let org = self.org;
            let reason = format!("{user} is not a member of {org}: add it to [org.{org}.members]");
            self.problems.push(user.spot.problem(reason));
            return;
        }
        if contains(inside, user) {
            return;
        }
        if member.is_some_and(|member| member.invited) {
            self.waits(&format!("{}/{team}/{user}", self.org), user);
            return;
        }
        let (org, name) = (self.org.value.clone(), user.value.clone());
        self.set(
            Request::AddToTeam(org, team.clone(), name),
            &user.spot,
            None,
            None,
        );
    }

    /// Where the file names an account besides the list of service accounts: as a member, in a team or in a grant.
    pub(super) fn names_elsewhere(&self, account: &Name) -> Option<&Spot> {
        let members = self.wanted.members.iter().flatten();
        let members = members.map(|(member, _)| member);
        let teams = self.wanted.teams.iter().flatten();
        let teams = teams.flat_map(|(_, users)| users);
        let mut named = members.chain(teams);
        if let Some(said) = named.find(|said| is_same_name(said, account)) {
            return Some(&said.spot);
        }
        let mut subjects = self.wanted.all_grants().flat_map(BTreeMap::keys);
        let said = subjects
            .find(|said| matches!(&said.value, Subject::User(user) if is_same_name(user, account)));
        said.map(|said| &said.spot)
    }
}
