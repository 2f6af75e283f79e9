//! A model of the server, as far as plans know of it: what it has, what it answers, and what requests do to it.

use std::collections::BTreeMap;

use fh_api::{
    AccountInfo, FlakeName, FlakePattern, MemberInfo, Name, OrganizationRole, Permission,
    PinnedClaim, SetTrustPolicy, Subject, TrustPolicyInfo, UserKind, Visibility,
};
use fh_auth::policy::{DEFAULT_LIFETIME, usual_issuer};
use time::OffsetDateTime;
use uuid::Uuid;

use super::super::super::file;
use super::super::super::names::{Answers, Questions, Resolved, organizations};
use super::super::super::state::{Grant, Present, PresentFlake, Team};
use super::super::*;
use crate::similar::is_same_name;

/// What a server has.
#[derive(Debug, Clone)]
pub(super) struct World {
    /// Whose token it is.
    pub(super) me: Name,
    pub(super) users: Vec<Name>,
    pub(super) orgs: BTreeMap<Name, Present>,
    /// Members count at once, as where a server administrator makes them.
    pub(super) at_once: bool,
    pub(super) administers_server: bool,
    /// What accounts and organisations are called that had these names, in lower case.
    former_accounts: BTreeMap<String, Name>,
    former_orgs: BTreeMap<String, Name>,
    /// The same of flakes, by their organisation's present name and their own former one.
    former_flakes: BTreeMap<(String, String), Name>,
}

pub(super) fn name(text: &str) -> Name {
    text.parse().unwrap()
}

pub(super) fn same(one: &Name, other: &Name) -> bool {
    is_same_name(one, other)
}

fn pattern(text: &str) -> FlakePattern {
    text.parse().unwrap()
}

impl World {
    /// A server of five people that has nothing else.
    pub(super) fn new() -> Self {
        Self {
            me: name("me"),
            users: ["me", "ann", "bob", "cy", "dee"].map(name).into(),
            orgs: BTreeMap::new(),
            at_once: true,
            administers_server: true,
            former_accounts: BTreeMap::new(),
            former_orgs: BTreeMap::new(),
            former_flakes: BTreeMap::new(),
        }
    }

    /// The plan of a text, with its notes, or what is wrong with it.
    pub(super) fn plan_of(&self, text: &str, prune: bool) -> Result<Plan, Vec<String>> {
        let told = |problems: Vec<Problem>| -> Vec<String> {
            let mut problems = problems;
            problems.sort();
            problems.iter().map(|problem| problem.of("f")).collect()
        };
        let read = file::parse(text).map_err(told)?;
        self.plan(&read, prune).map_err(told)
    }

    pub(super) fn plan(&self, file: &File, prune: bool) -> Result<Plan, Vec<Problem>> {
        let mut found = BTreeMap::new();
        for said in file.org.keys() {
            let there = self.find_org(said).map(|name| self.orgs[name].clone());
            let mut there = there.unwrap_or_else(|| Present::nothing(said.value.clone()));
            if !there.is_new {
                let mut members = there.members.iter();
                let me = members.find(|it| same(&it.user, &self.me) && !it.invited);
                there.role = me.map(|me| me.role);
            }
            found.insert(said.clone(), there);
        }
        let (resolved, present) = organizations(file.clone(), found);
        let answers = self.answers(&Questions::of(&resolved.file, &present));
        let Resolved {
            file,
            accounts,
            told,
        } = resolved.resolve(&present, &answers);
        let (notes, mut problems) = (told.notes, told.problems);
        let caller = Caller {
            name: self.me.clone(),
            administers_server: self.administers_server,
            permissions: vec![Permission::Pull, Permission::Push, Permission::Admin],
        };
        let facts = Facts {
            accounts: &accounts,
            present: &present,
            caller: &caller,
            keys: &BTreeMap::new(),
            server_keys: &[super::SERVER_KEY.to_owned()],
        };
        match plan(&file, &facts, prune) {
            Ok(planned) if problems.is_empty() => {
                Ok(planned.noting(notes.iter().map(|note| note.of("f")).collect()))
            }
            Ok(_) => Err(problems),
            Err(more) => {
                problems.extend(more);
                Err(problems)
            }
        }
    }

    fn answers(&self, questions: &Questions) -> Answers {
        let mut answers = Answers::default();
        for asked in &questions.accounts {
            let found = self.find_account(asked);
            answers
                .accounts
                .extend(found.map(|it| (asked.folded(), it)));
        }
        for asked in &questions.flakes {
            let found = self.find_flake(asked);
            answers.flakes.extend(found.map(|it| (asked.folded(), it)));
        }
        for asked in &questions.organizations {
            let found = match asked.as_str() {
                "nixos" => Some(name("nixos")),
                _ => self.find_org(asked).cloned(),
            };
            answers
                .organizations
                .extend(found.map(|it| (asked.folded(), it)));
        }
        answers
    }

    fn find_org(&self, asked: &Name) -> Option<&Name> {
        let present = self.former_orgs.get(&asked.folded()).unwrap_or(asked);
        self.orgs.keys().find(|there| same(there, present))
    }

    fn find_account(&self, asked: &Name) -> Option<AccountInfo> {
        let present = self.former_accounts.get(&asked.folded()).unwrap_or(asked);
        let account = |name: &Name, of_organization: bool| AccountInfo {
            name: name.clone(),
            kind: if of_organization {
                UserKind::Service
            } else {
                UserKind::Human
            },
            of_organization,
        };
        let user = self.users.iter().find(|there| same(there, present));
        let mut services = self.orgs.values().flat_map(|org| &org.service_accounts);
        let service = services.find(|there| same(there, present));
        let user = user.map(|name| account(name, false));
        user.or_else(|| service.map(|name| account(name, true)))
    }

    fn find_flake(&self, asked: &FlakeName) -> Option<PresentFlake> {
        if ["nixos/tools", "x/y"].contains(&asked.to_string().as_str()) {
            return Some(PresentFlake {
                name: asked.clone(),
                visibility: Visibility::Public,
                description: String::new(),
                paths: 0,
                grants: Vec::new(),
            });
        }
        let org = self.find_org(&asked.org)?;
        let former = (org.folded(), asked.project.folded());
        let project = self.former_flakes.get(&former).unwrap_or(&asked.project);
        let mut flakes = self.orgs[org].flakes.iter();
        let found = flakes.find(|there| same(&there.name.project, project));
        found.cloned()
    }

    pub(super) fn rename_account(&mut self, from: &Name, to: &Name) {
        let rename = |there: &mut Name| {
            if same(there, from) {
                *there = to.clone();
            }
        };
        rename(&mut self.me);
        self.users.iter_mut().for_each(rename);
        self.former_accounts.values_mut().for_each(rename);
        for org in self.orgs.values_mut() {
            org.service_accounts.iter_mut().for_each(rename);
            org.members.iter_mut().for_each(|it| rename(&mut it.user));
            let teams = org.teams.iter_mut();
            teams.flat_map(|it| &mut it.members).for_each(rename);
            let flakes = org.flakes.iter_mut().flat_map(|it| &mut it.grants);
            for grant in org.grants.iter_mut().chain(flakes) {
                if let Subject::User(user) = &mut grant.subject {
                    rename(user);
                }
            }
        }
        self.former_accounts.insert(from.folded(), to.clone());
    }

    pub(super) fn rename_org(&mut self, from: &Name, to: &Name) {
        let (_, mut org) = self.orgs.remove_entry(from).unwrap();
        org.name = to.clone();
        for flake in &mut org.flakes {
            flake.name.org = to.clone();
        }
        self.orgs.insert(to.clone(), org);
        self.each_pattern(|there| {
            *there = match &*there {
                FlakePattern::Organization(org) if same(org, from) => {
                    FlakePattern::Organization(to.clone())
                }
                FlakePattern::Flake(flake) if same(&flake.org, from) => {
                    pattern(&format!("{to}/{}", flake.project))
                }
                other => other.clone(),
            };
        });
        for there in self.former_orgs.values_mut().filter(|it| same(it, from)) {
            *there = to.clone();
        }
        self.former_orgs.insert(from.folded(), to.clone());
        let former = std::mem::take(&mut self.former_flakes);
        self.former_flakes = former
            .into_iter()
            .map(|((org, flake), present)| match org == from.folded() {
                true => ((to.folded(), flake), present),
                false => ((org, flake), present),
            })
            .collect();
    }

    pub(super) fn rename_flake(&mut self, from: &FlakeName, to: &Name) {
        let mut flakes = self.org(&from.org).flakes.iter_mut();
        let found = flakes.find(|there| there.name == *from).unwrap();
        found.name.project = to.clone();
        let (was, is) = (
            FlakePattern::Flake(from.clone()),
            pattern(&format!("{}/{to}", from.org)),
        );
        self.each_pattern(|there| {
            if there.folded() == was.folded() {
                *there = is.clone();
            }
        });
        let org = from.org.folded();
        for ((of, _), there) in &mut self.former_flakes {
            if *of == org && same(there, &from.project) {
                *there = to.clone();
            }
        }
        let former = (org, from.project.folded());
        self.former_flakes.insert(former, to.clone());
    }

    fn each_pattern(&mut self, change: impl Fn(&mut FlakePattern)) {
        for org in self.orgs.values_mut() {
            let policies = org.policies.iter_mut().flat_map(|it| &mut it.flakes);
            org.follows.iter_mut().chain(policies).for_each(&change);
        }
    }

    pub(super) fn org(&mut self, org: &Name) -> &mut Present {
        let mut orgs = self.orgs.iter_mut();
        orgs.find(|(there, _)| same(there, org)).unwrap().1
    }

    fn grants(&mut self, on: &FlakePattern) -> &mut Vec<Grant> {
        match on {
            FlakePattern::All => panic!("no grant is on everything"),
            FlakePattern::Organization(org) => &mut self.org(org).grants,
            FlakePattern::Flake(flake) => {
                let mut flakes = self.org(&flake.org).flakes.iter_mut();
                let found = flakes.find(|there| same(&there.name.project, &flake.project));
                &mut found.unwrap().grants
            }
        }
    }

    /// Takes somebody's grants in an organisation.
    fn forget(&mut self, org: &Name, is_gone: impl Fn(&Subject) -> bool) {
        let org = self.org(org);
        let flakes = org.flakes.iter_mut().map(|flake| &mut flake.grants);
        for grants in flakes.chain([&mut org.grants]) {
            grants.retain(|grant| !is_gone(&grant.subject));
        }
    }

    pub(super) fn do_all(&mut self, plan: &Plan) {
        for step in &plan.steps {
            self.handle(&step.request);
        }
    }

    /// As the server does, which refuses what cannot be.
    fn handle(&mut self, request: &Request) {
        match request.clone() {
            Request::CreateUser(user) => self.users.push(user),
            Request::CreateOrganization(org) => {
                let mut made = Present::nothing(org.clone());
                made.is_new = false;
                made.members
                    .push(member(self.me.as_str(), OrganizationRole::Owner));
                assert!(self.orgs.insert(org, made).is_none());
            }
            Request::UpdateOrganization(org, change) => {
                let org = self.org(&org);
                org.push = change.push.unwrap_or(org.push);
                org.renewal = change.renewal.unwrap_or(org.renewal);
                if let Some(keys) = change.trusted_keys {
                    org.trusted_keys = keys;
                }
            }
            Request::CreateServiceAccount(org, account) => {
                self.org(&org).service_accounts.push(account);
            }
            Request::SetMember(org, user, role) => {
                let invited = !self.at_once;
                let members = &mut self.org(&org).members;
                match members.iter_mut().find(|there| same(&there.user, &user)) {
                    Some(there) => there.role = role,
                    None => members.push(MemberInfo {
                        invited,
                        ..member(user.as_str(), role)
                    }),
                }
                let owners = |it: &&MemberInfo| it.role == OrganizationRole::Owner && !it.invited;
                assert!(members.iter().any(|it| owners(&it)));
            }
            Request::RemoveMember(org, user) => {
                assert!(!same(&user, &self.me));
                let present = self.org(&org);
                present.members.retain(|there| !same(&there.user, &user));
                for team in &mut present.teams {
                    team.members.retain(|there| !same(there, &user));
                }
                self.forget(
                    &org,
                    |gone| matches!(gone, Subject::User(it) if same(it, &user)),
                );
            }
            Request::CreateTeam(org, team) => self.org(&org).teams.push(Team {
                name: team,
                members: Vec::new(),
            }),
            Request::AddToTeam(org, team, user) => {
                let org = self.org(&org);
                let member = org.members.iter().find(|there| same(&there.user, &user));
                // An invitation that this run has made: it is skipped.
                if member.unwrap().invited {
                    return;
                }
                let mut teams = org.teams.iter_mut();
                let team = teams.find(|there| same(&there.name, &team)).unwrap();
                team.members.push(user);
            }
            Request::RemoveFromTeam(org, team, user) => {
                let mut teams = self.org(&org).teams.iter_mut();
                let team = teams.find(|there| same(&there.name, &team)).unwrap();
                team.members.retain(|there| !same(there, &user));
            }
            Request::DeleteTeam(org, team) => {
                self.org(&org)
                    .teams
                    .retain(|there| !same(&there.name, &team));
                self.forget(
                    &org,
                    |gone| matches!(gone, Subject::Team(it) if same(it, &team)),
                );
            }
            Request::CreateFlake(new) => self.org(&new.flake.org).flakes.push(PresentFlake {
                visibility: new.visibility,
                description: new.description.unwrap_or_default(),
                paths: 3,
                grants: Vec::new(),
                name: new.flake.clone(),
            }),
            Request::UpdateFlake(flake, change) => {
                let mut flakes = self.org(&flake.org).flakes.iter_mut();
                let found = flakes.find(|there| same(&there.name.project, &flake.project));
                let found = found.unwrap();
                found.visibility = change.visibility.unwrap_or(found.visibility);
                if let Some(text) = change.description {
                    found.description = text;
                }
            }
            Request::DeleteFlake(flake) => {
                // The real server would not make it anew under a name that is reserved.
                let org = flake.org.folded();
                self.former_flakes
                    .retain(|(of, _), there| *of != org || !same(there, &flake.project));
                let flakes = &mut self.org(&flake.org).flakes;
                flakes.retain(|there| !same(&there.name.project, &flake.project));
            }
            Request::SetGrant(on, subject, role) => {
                let org = org_of(&on);
                if let Subject::Team(team) = &subject {
                    let teams = &self.org(&org).teams;
                    assert!(teams.iter().any(|there| same(&there.name, team)));
                }
                let grants = self.grants(&on);
                grants.retain(|there| !is_same_subject(&there.subject, &subject));
                grants.push(Grant {
                    subject,
                    role,
                    pending: false,
                });
            }
            Request::RemoveGrant(on, subject) => {
                let grants = self.grants(&on);
                grants.retain(|there| !is_same_subject(&there.subject, &subject));
            }
            Request::SetPolicy(org, policy, wanted) => {
                let policies = &mut self.org(&org).policies;
                policies.retain(|there| !same(&there.name, &policy));
                policies.push(made(&org, policy, *wanted));
            }
            Request::RemovePolicy(org, policy) => {
                let policies = &mut self.org(&org).policies;
                policies.retain(|there| !same(&there.name, &policy));
            }
            Request::SetFollows(wanted) => {
                let present = self.org(&wanted.org.unwrap());
                assert_eq!(present.follows, wanted.before);
                present.follows = wanted.follows;
            }
            Request::RemoveServiceAccount(org, account) => {
                self.former_accounts
                    .retain(|_, there| !same(there, &account));
                let accounts = &mut self.org(&org).service_accounts;
                accounts.retain(|there| !same(there, &account));
                self.forget(
                    &org,
                    |gone| matches!(gone, Subject::User(it) if same(it, &account)),
                );
            }
        }
    }

    /// All that there is, for comparing.
    pub(super) fn listed(&self) -> Vec<String> {
        let mut all = Vec::new();
        for (org, present) in &self.orgs {
            let mut say = |what: &str, name: String| {
                all.push(format!("{org} {what} {name}").to_lowercase());
            };
            for it in &present.members {
                say("member", it.user.to_string());
            }
            for it in &present.teams {
                say("team", it.name.to_string());
                for user in &it.members {
                    say("in", format!("{}/{user}", it.name));
                }
            }
            for it in &present.flakes {
                say("flake", it.name.to_string());
                for grant in &it.grants {
                    say("grant", format!("{} {}", it.name, grant.subject));
                }
            }
            for it in &present.grants {
                say("grant", it.subject.to_string());
            }
            for it in &present.policies {
                say("policy", it.name.to_string());
            }
            for it in &present.follows {
                say("follows", it.to_string());
            }
            for it in &present.trusted_keys {
                say("key", it.clone());
            }
            for it in &present.service_accounts {
                say("account", it.to_string());
            }
        }
        all
    }
}

pub(super) fn is_same_subject(one: &Subject, other: &Subject) -> bool {
    one.folded() == other.folded()
}

pub(super) fn org_of(on: &FlakePattern) -> Name {
    match on {
        FlakePattern::All => panic!("of no organisation"),
        FlakePattern::Organization(org) => org.clone(),
        FlakePattern::Flake(flake) => flake.org.clone(),
    }
}

pub(super) fn member(user: &str, role: OrganizationRole) -> MemberInfo {
    MemberInfo {
        user: name(user),
        kind: UserKind::Human,
        role,
        invited: false,
        replaced: None,
        created_at: OffsetDateTime::UNIX_EPOCH,
    }
}

/// A policy as a server would answer it.
fn made(org: &Name, name: Name, wanted: SetTrustPolicy) -> TrustPolicyInfo {
    let usual = usual_issuer(wanted.provider).unwrap_or_default();
    let pins = wanted.pin.into_iter();
    TrustPolicyInfo {
        id: Uuid::nil(),
        organization: org.clone(),
        name,
        provider: wanted.provider,
        issuer: wanted.issuer.unwrap_or_else(|| usual.to_owned()),
        audiences: wanted.audiences,
        conditions: wanted.conditions,
        pins: pins
            .map(|claim| PinnedClaim { claim, value: None })
            .collect(),
        flakes: wanted.flakes,
        role: wanted.role,
        mint: wanted.mint,
        pull_requests: wanted.pull_requests,
        builder: wanted.builder,
        max_lifetime: wanted.max_lifetime.unwrap_or(DEFAULT_LIFETIME),
        inline_keys: wanted.jwks.is_some(),
        created_at: OffsetDateTime::UNIX_EPOCH,
        last_used_at: None,
    }
}

impl World {
    /// How many wait for something.
    pub(super) fn invited(&self) -> usize {
        let members = self.orgs.values().flat_map(|org| &org.members);
        members.filter(|member| member.invited).count()
    }
}

/// A server on which acme has the usual.
pub(super) fn acme() -> World {
    let mut world = World::new();
    let text = r#"
        [org.acme]
        service-accounts = ["fleet"]
        [org.acme.members]
        ann = "admin"
        bob = "member"
        [org.acme.teams]
        ops = ["ann"]
        [org.acme.flakes.app]
        grants = { bob = "read", "team:ops" = "write" }
        [org.acme.flakes.old]
    "#;
    let plan = world.plan_of(text, false).unwrap();
    world.do_all(&plan);
    world
}
