//! What the sections of the file do not list, and the organisation has: removed with `--prune`, last of all.

use super::super::names::contains;
use super::super::state::find;
use super::organization::Planner;
use super::step::Request;
use crate::similar::is_same_name;

impl Planner<'_> {
    /// As far as nothing else has removed it.
    pub(super) fn rest(&mut self) {
        let (org, wanted, present) = (&self.org.value, self.wanted, self.present);
        if let Some(wanted) = &wanted.trust {
            for there in &present.policies {
                if find(wanted, &there.name).is_none() {
                    self.remove(Request::RemovePolicy(org.clone(), there.name.clone()), None);
                }
            }
        }
        if let Some(wanted) = &wanted.teams {
            for there in &present.teams {
                if find(wanted, &there.name).is_none() {
                    self.remove(Request::DeleteTeam(org.clone(), there.name.clone()), None);
                }
            }
        }
        if let Some(wanted) = &wanted.flakes {
            for there in &present.flakes {
                if find(wanted, &there.name.project).is_none() {
                    let what = format!("{}, {} store paths", there.visibility, there.paths);
                    self.remove(Request::DeleteFlake(there.name.clone()), Some(what));
                }
            }
        }
        if wanted.service_accounts.is_some() {
            self.other_service_accounts();
        }
    }

    fn other_service_accounts(&mut self) {
        let (wanted, present) = (self.wanted, self.present);
        let listed = wanted.service_accounts.iter().flatten();
        let listed: Vec<_> = listed.map(|said| said.value.clone()).collect();
        for there in &present.service_accounts {
            if contains(&listed, there) {
                continue;
            }
            if is_same_name(there, &self.facts.caller.name) {
                let note = format!(
                    "You are {there}, a service account of {}: it stays, although the file does not name it.",
                    self.org
                );
                self.plan.notes.push(note);
                continue;
            }
            if let Some(spot) = self.names_elsewhere(there) {
                let reason = format!(
                    "{there} is a service account that --prune would remove: name it in service-accounts, too"
                );
                self.problems.push(spot.problem(reason));
                continue;
            }
            let request = Request::RemoveServiceAccount(self.org.value.clone(), there.clone());
            self.remove(request, Some("with its tokens".to_owned()));
        }
    }
}
