//! Names of the file that are former ones, and names of nothing: found out before anything is planned.
//!
//! What has another name by now is planned under its present name, and the plan says so. Which names the server has to
//! be asked about, and what its answers make of the file, is decided on values.
//!
//! Invariants: nothing of what is resolved here has a former name; nothing stands under two names.

mod answers;
mod flakes;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use fh_api::{FlakeName, FlakePattern, Name, OrganizationRole, Subject, UserKind};

pub(super) use self::answers::Answers;
use self::answers::{in_org, stands_in};
use self::flakes::{no_flake, no_follow};
use super::file::{File, Organization};
use super::problem::{Problem, Said};
use super::reader::Named;
use super::state::Present;
use crate::similar;
use crate::similar::is_same_name;

/// What the server has to be asked about: names of the file that the lists of its organisations do not have.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Questions {
    pub(super) accounts: BTreeSet<Name>,
    pub(super) flakes: BTreeSet<FlakeName>,
    /// Of organisations that do not stand in the file.
    pub(super) organizations: BTreeSet<Name>,
}

/// The file under present names.
#[derive(Debug)]
pub(super) struct Resolved {
    pub(super) file: File,
    /// Folded names of accounts that are there.
    pub(super) accounts: BTreeSet<String>,
    pub(super) told: Told,
}

/// What is said of names while they get their present ones.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// Which names are former ones.
    pub(super) notes: Vec<Problem>,
    pub(super) problems: Vec<Problem>,
    /// What stood in the present list before, by its folded name: what it was called, and in which line.
    seen: HashMap<String, (String, usize)>,
}

/// Gives the organisations of a file their present names; `present`: what each has, by its name in the file.
pub(super) fn organizations(
    mut file: File,
    mut present: BTreeMap<Said<Name>, Present>,
) -> (Resolved, BTreeMap<Name, Present>) {
    let mut told = Told::default();
    let (mut orgs, mut found) = (BTreeMap::new(), BTreeMap::new());
    for (said, org) in in_order(std::mem::take(&mut file.org)) {
        let Some(present) = present.remove(&said) else {
            continue;
        };
        let said = told.called(&said, present.name.clone(), "organisation");
        if told.is_first(&said, "organisation") {
            found.insert(said.value.clone(), present);
            orgs.insert(said, org);
        }
    }
    let resolved = Resolved {
        file: File { org: orgs, ..file },
        accounts: BTreeSet::new(),
        told,
    };
    (resolved, found)
}

impl Questions {
    /// What has to be asked about a file whose organisations have their present names.
    pub(super) fn of(file: &File, present: &BTreeMap<Name, Present>) -> Self {
        let mut asked = Self::default();
        asked
            .accounts
            .extend(file.users.iter().map(|user| user.value.clone()));
        for (org, wanted) in &file.org {
            let Some(there) = present.get(&org.value) else {
                continue;
            };
            let members = there.members.iter().map(|member| &member.user);
            let known: BTreeSet<String> = members
                .chain(&there.service_accounts)
                .map(Name::folded)
                .collect();
            let unknown = accounts(wanted).filter(|name| !known.contains(&name.folded()));
            asked.accounts.extend(unknown.cloned());
            for project in wanted.flakes.iter().flat_map(BTreeMap::keys) {
                if !there.is_new && there.flake(project).is_none() {
                    asked.flake(&in_org(&org.value, project), file);
                }
            }
            let follows = wanted.follows.iter().flatten();
            let follows = follows.filter(|said| !follows_already(there, &said.value));
            let policies = wanted.trust.iter().flat_map(BTreeMap::values);
            let granted = policies.flat_map(|policy| &policy.flakes);
            for said in follows.chain(granted) {
                match &said.value {
                    FlakePattern::All => {}
                    FlakePattern::Organization(name) => asked.organization(name, file),
                    FlakePattern::Flake(flake) => asked.flake(flake, file),
                }
            }
        }
        asked
    }

    fn flake(&mut self, flake: &FlakeName, file: &File) {
        self.flakes.insert(present_org(flake, file));
    }

    fn organization(&mut self, org: &Name, file: &File) {
        if stands_in(file, org).is_none() {
            self.organizations.insert(org.clone());
        }
    }
}

impl Resolved {
    /// Gives everything else its present name, and tells names of nothing.
    pub(super) fn resolve(mut self, present: &BTreeMap<Name, Present>, answers: &Answers) -> Self {
        let file = self.file.clone();
        let known = Accounts::of(&file, present, answers);
        let mut naming = Naming {
            told: self.told,
            file: &file,
            known: &known,
            answers,
        };
        naming.each(&mut self.file.users, "account", Naming::account);
        for (org, wanted) in &mut self.file.org {
            let Some(there) = present.get(&org.value) else {
                continue;
            };
            naming.people(wanted, there);
            if let Some(flakes) = &mut wanted.flakes {
                naming.table(flakes, "flake", |naming, said| {
                    match answers.flake(&in_org(&org.value, &said.value)) {
                        Some(found) => {
                            naming
                                .told
                                .called(said, found.name.project.clone(), "flake")
                        }
                        None => said.clone(),
                    }
                });
            }
            for policy in wanted.trust.iter_mut().flat_map(BTreeMap::values_mut) {
                naming.each(&mut policy.flakes, "flake", Naming::pattern);
            }
            if let Some(follows) = &mut wanted.follows {
                naming.each(follows, "flake", Naming::pattern);
            }
        }
        let mut told = naming.told;
        told.notes.extend(no_flake(&self.file, present, answers));
        told.problems.extend(taken(&self.file, &known, answers));
        for (org, wanted) in &self.file.org {
            if let Some(there) = present.get(&org.value) {
                let follows = wanted.follows.iter().flatten();
                let new = follows.filter(|said| !follows_already(there, &said.value));
                told.problems.extend(new.filter_map(|said| {
                    let reason = no_follow(&said.value, &self.file, present, answers)?;
                    Some(said.spot.problem(reason))
                }));
            }
        }
        Self {
            file: self.file,
            accounts: known.there,
            told,
        }
    }
}

/// Which accounts there are, and which the file makes.
struct Accounts {
    /// Folded names of those that are there.
    there: BTreeSet<String>,
    /// Folded names of those that the file makes.
    made: BTreeSet<String>,
    /// Folded names of service accounts of organisations, those that the file makes included.
    services: BTreeSet<String>,
    /// All of their names, for who looks for a slip.
    names: BTreeSet<String>,
}

impl Accounts {
    fn of(file: &File, present: &BTreeMap<Name, Present>, answers: &Answers) -> Self {
        let lists = file
            .org
            .values()
            .filter_map(|org| org.service_accounts.as_ref());
        let own: Vec<&Name> = lists.flatten().map(|said| &said.value).collect();
        let users = file.users.iter().map(|said| &said.value);
        let made: BTreeSet<String> = users.chain(own.iter().copied()).map(Name::folded).collect();
        let in_orgs = present.values().flat_map(|there| {
            let members = there.members.iter().map(|member| &member.user);
            members.chain(&there.service_accounts)
        });
        let found = || answers.accounts.values();
        let there: BTreeSet<String> = in_orgs
            .chain(found().map(|account| &account.name))
            .map(Name::folded)
            .collect();
        let services = present
            .values()
            .flat_map(|there| &there.service_accounts)
            .chain(own)
            .chain(found().filter(|it| it.of_organization).map(|it| &it.name))
            .map(Name::folded)
            .collect();
        Self {
            names: there.union(&made).cloned().collect(),
            there,
            made,
            services,
        }
    }
}

/// What becomes of the names of a file, one after the other.
struct Naming<'a> {
    told: Told,
    /// The file with the names that it says, but for those of its organisations.
    file: &'a File,
    known: &'a Accounts,
    answers: &'a Answers,
}

impl Told {
    /// The place with the present name of what it names. The file's own case stays.
    fn called<T: Named>(&mut self, said: &Said<T>, present: T, noun: &str) -> Said<T> {
        if present.folded() == said.value.folded() {
            return said.clone();
        }
        let called = said.called(present);
        let note = format!("{said} is a former name of the {noun} {called}");
        let note = called.spot.problem(note);
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
        called
    }

    /// Whether nothing before it is the same thing under another name.
    fn is_first<T: Named>(&mut self, said: &Said<T>, noun: &str) -> bool {
        let written = said.written().to_string();
        let Some((other, line)) = self.seen.get(&said.value.folded()) else {
            let place = (written, said.spot.line);
            self.seen.insert(said.value.folded(), place);
            return true;
        };
        let reason = format!(
            "{written} and {other} (line {line}) are the same {noun}, which is called {said} now: keep one of them"
        );
        self.problems.push(said.spot.problem(reason));
        false
    }
}

impl Naming<'_> {
    /// Gives a list present names.
    fn each<T: Named>(
        &mut self,
        list: &mut Vec<Said<T>>,
        noun: &str,
        name: impl Fn(&mut Self, &Said<T>) -> Said<T>,
    ) {
        self.told.seen.clear();
        list.retain_mut(|said| {
            *said = name(self, said);
            self.told.is_first(said, noun)
        });
    }

    /// Gives a table present names.
    fn table<T: Named, V>(
        &mut self,
        table: &mut BTreeMap<Said<T>, V>,
        noun: &str,
        name: impl Fn(&mut Self, &Said<T>) -> Said<T>,
    ) {
        self.told.seen.clear();
        for (said, value) in in_order(std::mem::take(table)) {
            let said = name(self, &said);
            if self.told.is_first(&said, noun) {
                table.insert(said, value);
            }
        }
    }

    /// An account under its present name; one that is not there stays.
    fn account(&mut self, said: &Said<Name>) -> Said<Name> {
        match self.answers.accounts.get(&said.value.folded()) {
            Some(found) => self.told.called(said, found.name.clone(), "account"),
            None => said.clone(),
        }
    }

    /// An account that has to be there, or is made by the file.
    fn somebody(&mut self, said: &Said<Name>) -> Said<Name> {
        let (said, known) = (self.account(said), self.known);
        let name = said.value.folded();
        if !known.there.contains(&name) && !known.made.contains(&name) {
            let advice = match similar::meant(said.as_str(), known.names.iter().cloned()) {
                Some(meant) => format!("did you mean {meant}?"),
                None => "a server administrator can create it: add it to the key users".to_owned(),
            };
            let reason = format!("there is no account named {:?}; {advice}", said.as_str());
            self.told.problems.push(said.spot.problem(reason));
        }
        said
    }

    /// The members, teams, service accounts and grants of an organisation.
    fn people(&mut self, wanted: &mut Organization, there: &Present) {
        let known = self.known;
        if let Some(accounts) = &mut wanted.service_accounts {
            self.each(accounts, "account", Self::account);
        }
        let own = wanted.service_accounts.as_deref().unwrap_or_default();
        let is_own = |name: &Name| {
            contains(&there.service_accounts, name) || own.iter().any(|own| is_same_name(own, name))
        };
        for account in own {
            let is_there = known.there.contains(&account.value.folded());
            if is_there && !contains(&there.service_accounts, account) {
                let reason = format!(
                    "the name {account} is taken by another account: names of users and of service accounts are \
                     unique on the server"
                );
                self.told.problems.push(account.spot.problem(reason));
            }
        }
        if let Some(members) = &mut wanted.members {
            self.table(members, "account", Self::somebody);
            for (member, role) in members {
                let is_service = known.services.contains(&member.value.folded());
                let reason = if is_service && !is_own(member) {
                    "the service account of another organisation, and cannot be a member: grant it what it needs"
                } else if is_service && *role == OrganizationRole::Owner {
                    "a service account of the organisation, and cannot be an owner"
                } else {
                    continue;
                };
                let problem = member.spot.problem(format!("{member} is {reason}"));
                self.told.problems.push(problem);
            }
        }
        for users in wanted.teams.iter_mut().flat_map(BTreeMap::values_mut) {
            self.each(users, "account", Self::somebody);
        }
        let flakes = wanted.flakes.iter_mut().flat_map(BTreeMap::values_mut);
        let all = flakes.filter_map(|flake| flake.grants.as_mut());
        for grants in wanted.grants.iter_mut().chain(all) {
            self.table(grants, "account", Self::subject);
        }
    }

    fn subject(&mut self, said: &Said<Subject>) -> Said<Subject> {
        let Subject::User(user) = &said.value else {
            return said.clone();
        };
        let present = self.somebody(&Said::at(user.clone(), said.spot.clone()));
        match present.former {
            None => said.clone(),
            Some(_) => said.called(Subject::User(present.value)),
        }
    }

    /// A flake, or all flakes of an organisation, under present names.
    fn pattern(&mut self, said: &Said<FlakePattern>) -> Said<FlakePattern> {
        let (present, noun) = match &said.value {
            FlakePattern::All => return said.clone(),
            FlakePattern::Organization(org) => {
                let found = self.answers.organizations.get(&org.folded());
                let Some(present) = stands_in(self.file, org).or(found) else {
                    return said.clone();
                };
                (FlakePattern::Organization(present.clone()), "organisation")
            }
            FlakePattern::Flake(flake) => {
                let asked = present_org(flake, self.file);
                let present = match self.answers.flake(&asked) {
                    Some(found) => found.name.clone(),
                    None => asked,
                };
                (FlakePattern::Flake(present), "flake")
            }
        };
        self.told.called(said, present, noun)
    }
}

/// Names of accounts that the file is to make, where something else has the name or gets it before.
fn taken(file: &File, known: &Accounts, answers: &Answers) -> Vec<Problem> {
    let mut problems = Vec::new();
    for user in &file.users {
        let found = answers.accounts.get(&user.value.folded());
        if found.is_some_and(|it| it.of_organization || it.kind != UserKind::Human) {
            let reason = format!("the name {user} is taken by a service account");
            problems.push(user.spot.problem(reason));
        }
    }
    let lists = file
        .org
        .values()
        .filter_map(|org| org.service_accounts.as_ref());
    let mut first: HashMap<String, usize> = HashMap::new();
    for said in file.users.iter().chain(lists.flatten()) {
        let name = said.value.folded();
        if known.there.contains(&name) {
            continue;
        }
        if name.starts_with(fh_api::POLICY_ACCOUNT_PREFIX) {
            let reason = format!(
                "the name {said} is reserved: names that begin with {:?} are those of the accounts of trust policies",
                fh_api::POLICY_ACCOUNT_PREFIX
            );
            problems.push(said.spot.problem(reason));
        }
        if let Some(line) = first.get(&name) {
            let reason = format!(
                "the name {said} is for another account already (line {line}): names of users and of service \
                 accounts are unique on the server"
            );
            problems.push(said.spot.problem(reason));
        } else {
            first.insert(name, said.spot.line);
        }
    }
    problems
}

/// Every account that an organisation of the file names.
fn accounts(wanted: &Organization) -> impl Iterator<Item = &Name> {
    let services = wanted
        .service_accounts
        .iter()
        .flatten()
        .map(|said| &said.value);
    let members = wanted.members.iter().flat_map(BTreeMap::keys);
    let teams = wanted.teams.iter().flat_map(BTreeMap::values).flatten();
    let subjects = wanted.all_grants().flat_map(BTreeMap::keys);
    let users = subjects.filter_map(|subject| match &subject.value {
        Subject::User(user) => Some(user),
        Subject::Team(_) | Subject::Members => None,
    });
    let named = members.chain(teams).map(|said| &said.value);
    services.chain(named).chain(users)
}

/// A flake with the present name of its organisation, where that stands in the file.
fn present_org(flake: &FlakeName, file: &File) -> FlakeName {
    match stands_in(file, &flake.org) {
        Some(org) => in_org(org, &flake.project),
        None => flake.clone(),
    }
}

fn follows_already(there: &Present, pattern: &FlakePattern) -> bool {
    let mut follows = there.follows.iter();
    follows.any(|followed| followed.folded() == pattern.folded())
}

/// The entries of a table in the order of the file.
fn in_order<T, V>(table: BTreeMap<Said<T>, V>) -> Vec<(Said<T>, V)> {
    let mut entries: Vec<_> = table.into_iter().collect();
    entries.sort_by_key(|(said, _)| said.spot.line);
    entries
}

pub(super) fn contains(names: &[Name], name: &Name) -> bool {
    names.iter().any(|there| is_same_name(there, name))
}
