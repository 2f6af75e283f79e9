//! The plan on values: a model of the server does what it says.

use std::fmt::Write as _;

use fh_api::{
    MemberInfo, PinnedClaim, PushRule, RenewalRule, TrustPolicyInfo, UserKind, Visibility,
};
use fh_auth::policy::{DEFAULT_LIFETIME, usual_issuer};
use fh_testkit::random::Random;
use time::OffsetDateTime;
use uuid::Uuid;

use super::super::file;
use super::super::state::{Grant, PresentFlake, Team};
use super::*;

/// What a server has, as far as plans know of it.
#[derive(Debug, Clone, Default)]
struct World {
    users: Vec<Name>,
    orgs: BTreeMap<Name, Present>,
    /// Members count at once, as where a server administrator makes them.
    at_once: bool,
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn same(one: &Name, other: &Name) -> bool {
    is_same_name(one, other)
}

impl World {
    fn plan(&self, file: &File, prune: bool) -> Result<Plan, String> {
        let mut present = BTreeMap::new();
        for org in file.org.keys() {
            let found = self.orgs.iter().find(|(there, _)| same(there, org));
            let found = found.map_or_else(Present::nothing, |(_, found)| found.clone());
            present.insert(org.clone(), found);
        }
        let (caller, keys) = (name("me"), BTreeMap::new());
        let facts = Facts {
            users: &self.users,
            present: &present,
            caller: &caller,
            keys: &keys,
        };
        plan(file, &facts, prune)
    }

    fn org(&mut self, org: &Name) -> &mut Present {
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

    fn do_all(&mut self, plan: &Plan) {
        for step in &plan.steps {
            self.handle(&step.request);
        }
    }

    /// As the server does, which refuses what cannot be.
    fn handle(&mut self, request: &Request) {
        match request.clone() {
            Request::CreateUser(user) => self.users.push(user),
            Request::CreateOrganization(org) => {
                let mut made = Present::nothing();
                made.is_new = false;
                made.members.push(member("me", OrganizationRole::Owner));
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
                assert!(!same(&user, &name("me")));
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
                grants.push(Grant { subject, role });
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
    fn listed(&self) -> Vec<String> {
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

fn is_same_subject(one: &Subject, other: &Subject) -> bool {
    one.to_string().eq_ignore_ascii_case(&other.to_string())
}

fn org_of(on: &FlakePattern) -> Name {
    match on {
        FlakePattern::All => panic!("of no organisation"),
        FlakePattern::Organization(org) => org.clone(),
        FlakePattern::Flake(flake) => flake.org.clone(),
    }
}

fn member(user: &str, role: OrganizationRole) -> MemberInfo {
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
            writeln!(text, "trusted-keys = {:?}", some(random, &["a:b=", "c:d="])).unwrap();
        }
        if random.one_in(2) {
            let follows = some(random, &["nixos/tools", "nixos/*", "x/y"]);
            writeln!(text, "follows = {follows:?}").unwrap();
        }
        if random.one_in(2) {
            let accounts = some(random, &["bot", "fleet"]);
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
        let subjects: Vec<&str> = subjects.iter().map(String::as_str).collect();
        let grants = |random: &mut Random| -> String {
            let subjects = some(random, &subjects).into_iter();
            let entries: Vec<String> = subjects
                .map(|it| format!("{it:?} = {:?}", random.pick(Role::WORDS)))
                .collect();
            format!("{{ {} }}", entries.join(", "))
        };
        for project in some(random, &["app", "web", "lib"]) {
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
                 flakes = [\"{org}/app\"]\nrole = \"{role}\""
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

#[test]
fn the_second_time_nothing_changes_and_an_export_says_what_is_there() {
    let mut random = Random::new();
    let mut planned = 0;
    for _ in 0..400 {
        let mut world = World {
            at_once: random.one_in(2),
            ..World::default()
        };
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
            for present in world.orgs.values() {
                let me = present.members.iter().find(|it| it.user == name("me"));
                assert_eq!(me.unwrap().role, OrganizationRole::Owner, "{text}");
            }
            let mut export = File::default();
            for (org, present) in &world.orgs {
                export.org.insert(org.clone(), present.to_file());
            }
            let text = file::to_text(&export).unwrap();
            let again = file::parse(&text).unwrap_or_else(|error| panic!("{error:?}\n{text}"));
            let third = world.plan(&again, true).unwrap();
            assert!(third.steps.is_empty(), "{text}\n{:?}", third.steps);
            assert!(third.checks.is_empty() && third.notes.len() <= world.invited());
        }
    }
    assert!(planned > 2000, "{planned}");
}

impl World {
    /// How many wait for something.
    fn invited(&self) -> usize {
        let members = self.orgs.values().flat_map(|org| &org.members);
        members.filter(|member| member.invited).count()
    }
}

/// A server on which acme has the usual.
fn acme() -> World {
    let mut world = World {
        at_once: true,
        ..World::default()
    };
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
    let plan = world.plan(&file::parse(text).unwrap(), false).unwrap();
    world.do_all(&plan);
    world
}

#[test]
fn what_a_file_changes_is_told_in_the_order_in_which_it_is_done() {
    let plan = |text: &str, prune: bool| -> Vec<String> {
        let plan = acme().plan(&file::parse(text).unwrap(), prune).unwrap();
        let steps = plan.steps.iter().map(ToString::to_string);
        steps.chain(plan.notes).collect()
    };
    for (text, prune, told) in [
        // A section that is not there says nothing, also with --prune.
        (
            "[org.acme]\npush = \"builders\"",
            true,
            &["~ who pushes acme: writers → builders"][..],
        ),
        (
            "[org.acme.flakes.APP]\nvisibility = \"public\"",
            false,
            &["~ visibility acme/APP: private → public"],
        ),
        (
            "[org.acme.flakes.app]",
            true,
            &["- flake acme/old: private, 3 store paths"],
        ),
        // Whoever leaves takes their grants along, and is granted again what the file grants them.
        (
            "[org.acme.members]\nme = \"owner\"\nann = \"admin\"\n[org.acme.flakes.app]\ngrants = { bob = \"pull\" }\n\
             [org.acme.flakes.old]",
            true,
            &[
                "- member acme/bob: member",
                "+ grant acme/app bob: read",
                "- grant acme/app team:ops: write",
            ],
        ),
        (
            "[org.acme.members]\nann = \"admin\"\nbob = \"member\"",
            true,
            &[
                "You stay owner of acme, although the file does not name you. To leave: `fh org leave acme`",
            ],
        ),
        (
            "[org.acme.members]\nme = \"member\"",
            false,
            &[
                "You stay owner of acme: your own role is not made less here. Another owner can do it.",
            ],
        ),
        (
            "users = [\"dee\"]\n[org.new.teams]\nall = [\"me\"]\n[org.new.members]\ndee = \"owner\"",
            false,
            &[
                "+ user dee",
                "+ org new: you own it",
                "+ member new/dee: owner",
                "+ team new/all",
                "+ team member new/all/me",
            ],
        ),
    ] {
        assert_eq!(plan(text, prune), told, "{text}");
    }
}

#[test]
fn a_file_that_contradicts_itself_changes_nothing_and_names_the_key() {
    for (text, prune, key) in [
        (
            "[org.acme.teams]\nops = [\"dee\"]",
            false,
            "org.acme.teams.ops: dee is not a member",
        ),
        (
            "[org.acme.teams]\n[org.acme.grants]\n\"team:ops\" = \"read\"",
            true,
            "org.acme.grants: acme has no team ops",
        ),
        (
            "[org.acme.teams]\n[org.acme.flakes.app]\ngrants = { \"team:x\" = \"read\" }",
            false,
            "org.acme.flakes.app.grants: acme has no team x",
        ),
        (
            "[org.acme]\nservice-accounts = []\n[org.acme.members]\nfleet = \"member\"",
            true,
            "org.acme.service-accounts: fleet stands among the members",
        ),
        (
            "[org.acme.trust.ci]\nflakes = [\"acme/app\"]",
            false,
            "org.acme.trust.ci: say who vouches",
        ),
        (
            "[org.acme.trust.ci]\nflakes = [\"acme/app\"]\ngithub = { owner = \"acme\" }\ngcp = { email = \"a@b\" }",
            false,
            "org.acme.trust.ci: say who vouches",
        ),
        (
            "[org.acme.trust.ci]\nflakes = [\"acme/app\"]\nprovider = \"github\"\n\
             conditions = [{ claim = \"ref\", equals = \"refs/heads/main\" }]",
            false,
            "org.acme.trust.ci: no condition names the tenant",
        ),
        (
            "[org.acme.trust.ci]\nflakes = [\"evil/app\"]\ngithub = { owner = \"acme\" }",
            false,
            "org.acme.trust.ci: evil/app is not in this organisation",
        ),
        (
            "[org.acme.trust.ci]\nflakes = [\"acme/app\"]\nkeep-keys = true\ngithub = { owner = \"acme\" }",
            false,
            "org.acme.trust.ci: there is no such policy yet",
        ),
    ] {
        let refused = acme().plan(&file::parse(text).unwrap(), prune).unwrap_err();
        assert!(refused.starts_with(key), "{refused}");
    }
}

#[test]
fn what_is_no_such_file_is_told_with_line_and_key() {
    for (text, told) in [
        ("[org.acme", "f, line 1: "),
        (
            "\n[org.acme]\nmembrs = 1",
            "f, line 3, org.acme.membrs: unknown field `membrs`",
        ),
        ("orgs = {}", "f, line 1, orgs: unknown field `orgs`"),
        (
            "[org.acme.members]\nann = \"boss\"",
            "f, line 2, org.acme.members.ann: unknown variant `boss`",
        ),
        (
            "[org.acme.grants]\nann = \"owner\"",
            "f, line 2, org.acme.grants.ann: unknown role \"owner\"",
        ),
        (
            "[org.\"a b\"]",
            "f, line 1, org.a b: \"a b\" is not a valid name",
        ),
        ("[org.acme]\npush = 3", "f, line 2, org.acme.push: "),
        (
            "[org.acme.trust.ci]\nflakes = []\nmax-lifetime = \"1 month\"",
            "f, line 3, org.acme.trust.ci.max-lifetime: expected a whole number",
        ),
        (
            "[org.acme.trust.ci]\nflakes = []\ngithub = { repo = \"acme/app\" }",
            "f, line 3, org.acme.trust.ci.github.repo: unknown field `repo`",
        ),
    ] {
        let error = file::parse(text).unwrap_err().of(Path::new("f"));
        assert!(error.starts_with(told), "{error}");
    }
    for text in [
        "[org.acme]\n[org.ACME]",
        "[org.acme.grants]\nann = \"read\"\n\"user:ann\" = \"write\"",
        "[org.acme]\nfollows = [\"a/b\", \"A/b\"]",
        "users = [\"ann\", \"Ann\"]",
    ] {
        let error = file::parse(text).unwrap_err().of(Path::new("f"));
        assert!(error.contains("stands here twice"), "{error}");
    }
}
