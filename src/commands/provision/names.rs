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
use super::file::{File, Grants, Organization};
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
    /// Which names are former ones.
    pub(super) notes: Vec<Problem>,
    pub(super) problems: Vec<Problem>,
}

/// Gives the organisations of a file their present names; `present`: what each has, by its name in the file.
pub(super) fn organizations(
    file: File,
    mut present: BTreeMap<Said<Name>, Present>,
) -> (Resolved, BTreeMap<Name, Present>) {
    let mut naming = Naming::default();
    let (mut orgs, mut found) = (BTreeMap::new(), BTreeMap::new());
    for (said, org) in in_order(file.org) {
        let Some(present) = present.remove(&said) else {
            continue;
        };
        let said = naming.called(&said, present.name.clone(), "organisation");
        if naming.is_first(&said, "organisation") {
            found.insert(said.value.clone(), present);
            orgs.insert(said, org);
        }
    }
    let resolved = Resolved {
        file: File {
            users: file.users,
            org: orgs,
        },
        accounts: BTreeSet::new(),
        notes: naming.notes,
        problems: naming.problems,
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
                let mut flakes = there.flakes.iter();
                if !there.is_new && flakes.all(|flake| !is_same_name(&flake.name.project, project))
                {
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
        let mut naming = Naming {
            notes: self.notes,
            problems: self.problems,
            seen: HashMap::new(),
        };
        let file = self.file.clone();
        let known = Accounts::of(&file, present, answers);
        self.file.users = naming.each(&self.file.users, "account", |naming, said| {
            naming.account(said, answers)
        });
        for (org, wanted) in &mut self.file.org {
            let Some(there) = present.get(&org.value) else {
                continue;
            };
            naming.people(wanted, there, &known, answers);
            if let Some(flakes) = wanted.flakes.take() {
                wanted.flakes = Some(naming.table(flakes, "flake", |naming, said| {
                    let name = in_org(&org.value, &said.value);
                    let found = answers.flakes.get(&name.folded()).and_then(Option::as_ref);
                    match found {
                        Some(found) => naming.called(said, found.name.project.clone(), "flake"),
                        None => said.clone(),
                    }
                }));
            }
            for policy in wanted.trust.iter_mut().flat_map(BTreeMap::values_mut) {
                let flakes = std::mem::take(&mut policy.flakes);
                policy.flakes = naming.each(&flakes, "flake", |naming, said| {
                    naming.pattern(said, &file, answers)
                });
            }
            if let Some(follows) = wanted.follows.take() {
                wanted.follows = Some(naming.each(&follows, "flake", |naming, said| {
                    naming.pattern(said, &file, answers)
                }));
            }
        }
        let mut notes = naming.notes;
        notes.extend(no_flake(&self.file, present, answers));
        let mut problems = naming.problems;
        problems.extend(taken(&self.file, &known, answers));
        for (org, wanted) in &self.file.org {
            if let Some(there) = present.get(&org.value) {
                let follows = wanted.follows.iter().flatten();
                let new = follows.filter(|said| !follows_already(there, &said.value));
                problems.extend(new.filter_map(|said| {
                    let reason = no_follow(&said.value, &self.file, present, answers)?;
                    Some(said.spot.problem(reason))
                }));
            }
        }
        Self {
            file: self.file,
            accounts: known.there,
            notes,
            problems,
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
        let found = || answers.accounts.values().flatten();
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
#[derive(Default)]
struct Naming {
    notes: Vec<Problem>,
    problems: Vec<Problem>,
    /// What stood in the present list before, by its folded name: what it was called, and in which line.
    seen: HashMap<String, (String, usize)>,
}

impl Naming {
    /// The place with the present name of what it names. The file's own case stays.
    fn called<T>(&mut self, said: &Said<T>, present: T, noun: &str) -> Said<T>
    where
        T: Named + Clone + std::fmt::Display,
    {
        if present.folded() == said.value.folded() {
            return said.clone();
        }
        let called = said.called(present);
        let note = format!("{said} is a former name of the {noun} {called}",);
        let note = called.spot.problem(note);
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
        called
    }

    /// Whether nothing before it is the same thing under another name.
    fn is_first<T>(&mut self, said: &Said<T>, noun: &str) -> bool
    where
        T: Named + Clone + PartialEq + std::fmt::Display,
    {
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

    /// A list under present names.
    fn each<T>(
        &mut self,
        list: &[Said<T>],
        noun: &str,
        name: impl Fn(&mut Self, &Said<T>) -> Said<T>,
    ) -> Vec<Said<T>>
    where
        T: Named + Clone + PartialEq + std::fmt::Display,
    {
        self.seen.clear();
        let mut named = Vec::with_capacity(list.len());
        for said in list {
            let said = name(self, said);
            if self.is_first(&said, noun) {
                named.push(said);
            }
        }
        named
    }

    /// A table under present names.
    fn table<T, V>(
        &mut self,
        table: BTreeMap<Said<T>, V>,
        noun: &str,
        name: impl Fn(&mut Self, &Said<T>) -> Said<T>,
    ) -> BTreeMap<Said<T>, V>
    where
        T: Named + Clone + PartialEq + std::fmt::Display,
    {
        self.seen.clear();
        let mut named = BTreeMap::new();
        for (said, value) in in_order(table) {
            let said = name(self, &said);
            if self.is_first(&said, noun) {
                named.insert(said, value);
            }
        }
        named
    }

    /// An account under its present name; one that is not there stays.
    fn account(&mut self, said: &Said<Name>, answers: &Answers) -> Said<Name> {
        let found = answers.accounts.get(&said.value.folded());
        match found.and_then(Option::as_ref) {
            Some(found) => self.called(said, found.name.clone(), "account"),
            None => said.clone(),
        }
    }

    /// An account that has to be there, or is made by the file.
    fn somebody(&mut self, said: &Said<Name>, known: &Accounts, answers: &Answers) -> Said<Name> {
        let said = self.account(said, answers);
        let name = said.value.folded();
        if !known.there.contains(&name) && !known.made.contains(&name) {
            let advice = match similar::meant(said.as_str(), known.names.iter().cloned()) {
                Some(meant) => format!("did you mean {meant}?"),
                None => "a server administrator can create it: add it to the key users".to_owned(),
            };
            let reason = format!("there is no account named {:?}; {advice}", said.as_str());
            self.problems.push(said.spot.problem(reason));
        }
        said
    }

    /// The members, teams, service accounts and grants of an organisation.
    fn people(
        &mut self,
        wanted: &mut Organization,
        there: &Present,
        known: &Accounts,
        answers: &Answers,
    ) {
        if let Some(accounts) = wanted.service_accounts.take() {
            wanted.service_accounts = Some(self.each(&accounts, "account", |naming, said| {
                naming.account(said, answers)
            }));
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
                self.problems.push(account.spot.problem(reason));
            }
        }
        if let Some(members) = wanted.members.take() {
            let members = self.table(members, "account", |naming, said| {
                naming.somebody(said, known, answers)
            });
            for (member, role) in &members {
                let is_service = known.services.contains(&member.value.folded());
                let reason = if is_service && !is_own(member) {
                    "the service account of another organisation, and cannot be a member: grant it what it needs"
                } else if is_service && *role == OrganizationRole::Owner {
                    "a service account of the organisation, and cannot be an owner"
                } else {
                    continue;
                };
                let reason = format!("{member} is {reason}");
                self.problems.push(member.spot.problem(reason));
            }
            wanted.members = Some(members);
        }
        for users in wanted.teams.iter_mut().flat_map(BTreeMap::values_mut) {
            let list = std::mem::take(users);
            *users = self.each(&list, "account", |naming, said| {
                naming.somebody(said, known, answers)
            });
        }
        let flakes = wanted.flakes.iter_mut().flat_map(BTreeMap::values_mut);
        let all = flakes.filter_map(|flake| flake.grants.as_mut());
        for grants in wanted.grants.iter_mut().chain(all) {
            self.subjects(grants, known, answers);
        }
    }

    fn subjects(&mut self, grants: &mut Grants, known: &Accounts, answers: &Answers) {
        let table = std::mem::take(grants);
        *grants = self.table(table, "account", |naming, said| {
            let Subject::User(user) = &said.value else {
                return said.clone();
            };
            let user = Said::at(user.clone(), said.spot.clone());
            let present = naming.somebody(&user, known, answers);
            match present.former {
                None => said.clone(),
                Some(_) => said.called(Subject::User(present.value)),
            }
        });
    }

    /// A flake, or all flakes of an organisation, under present names.
    fn pattern(
        &mut self,
        said: &Said<FlakePattern>,
        file: &File,
        answers: &Answers,
    ) -> Said<FlakePattern> {
        match &said.value {
            FlakePattern::All => said.clone(),
            FlakePattern::Organization(org) => {
                let found = answers.organizations.get(&org.folded());
                let found = found.and_then(Option::as_ref);
                match stands_in(file, org).or(found) {
                    Some(present) => {
                        let present = FlakePattern::Organization(present.clone());
                        self.called(said, present, "organisation")
                    }
                    None => said.clone(),
                }
            }
            FlakePattern::Flake(flake) => {
                let asked = present_org(flake, file);
                let found = answers.flakes.get(&asked.folded());
                let present = match found.and_then(Option::as_ref) {
                    Some(found) => found.name.clone(),
                    None => asked,
                };
                self.called(said, FlakePattern::Flake(present), "flake")
            }
        }
    }
}

/// Names of accounts that the file is to make, where something else has the name or gets it before.
fn taken(file: &File, known: &Accounts, answers: &Answers) -> Vec<Problem> {
    let mut problems = Vec::new();
    for user in &file.users {
        let found = answers.accounts.get(&user.value.folded());
        let found = found.and_then(Option::as_ref);
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
